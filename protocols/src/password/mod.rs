//! Passwords, as they are kept: argon2id hashes in the PHC format (RFC 9106).
//!
//! Hashing is meant to be slow, some tens of milliseconds and 19 MiB of memory, so it does not belong
//! on the loop: see [`reactor::Registry::offload`]. What is one login's price is a server's end if a
//! hundred come at once, so a server has a queue, where they wait for their turn.
//!
//! | file | what it is |
//! |---|---|
//! | `limits` | what passwords may cost, and the reasons |
//! | `queue` | whose password is looked at, and who waits: pure |
//! | `session` | from the queue to another thread, and back to the session that waits |
//! | `memory` | what hashes are computed in, one after the other |

use std::fmt;
use std::str::FromStr;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash as Phc, Salt};
use argon2::password_hash::try_generate_salt;
use argon2::{Algorithm, Argon2, MIN_SALT_LEN, Params, Version};
use thiserror::Error;

pub mod limits;
mod memory;
mod queue;
mod session;

pub(crate) use memory::Memory;
pub(crate) use queue::HashQueue;
pub(crate) use session::{Check, HashingSession};

/// A password nobody can read back.
///
/// Its `Display` and `FromStr` are the PHC string, `$argon2id$v=19$m=19456,t=2,p=1$…`, which is what a
/// file of users holds; hashes made by other programs, with other parameters, are understood too, up to
/// what [`limits`] allow.
///
/// ```
/// use protocols::password::PasswordHash;
///
/// let kept = PasswordHash::of("correct horse")?.to_string();
/// let hash: PasswordHash = kept.parse()?;
/// assert!(hash.verifies("correct horse"));
/// assert!(!hash.verifies("battery staple"));
/// # Ok::<(), protocols::password::PasswordError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    text: String,
    /// Memory that computing it takes.
    kib: u32,
}

/// Why a password could not be hashed, or a hash not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// The text is not a hash in the PHC format, or of another kind than argon2.
    #[error("not a password hash: {0}")]
    NotAHash(String),
    /// Whoever logs in would have the server take too much memory ([`limits::MEMORY`]).
    #[error("a password hash that takes {0} KiB of memory (m) is too much: {max} at most", max = limits::MEMORY)]
    TooLarge(u32),
    /// Whoever logs in would have the server compute for too long ([`limits::WORK`]).
    #[error("a password hash that goes {passes} times (t) over {kib} KiB of memory (m) is too much: {max} times at most", max = limits::WORK / u64::from(*kib))]
    TooSlow {
        /// Its memory.
        kib: u32,
        /// How often.
        passes: u32,
    },
    /// The hash could not be computed: a password beyond argon2's 4 GiB, no memory, or no randomness for
    /// the salt.
    #[error("the password could not be hashed: {0}")]
    NotHashed(String),
}

impl PasswordHash {
    /// Hashes a password with a salt of its own and the parameters that OWASP advises (19 MiB, two
    /// passes).
    ///
    /// # Errors
    ///
    /// [`PasswordError::NotHashed`].
    pub fn of(password: &str) -> Result<Self, PasswordError> {
        Self::of_in(password, &mut Memory::default())
    }

    /// Whether this is the password. It takes as long for a wrong one.
    #[must_use]
    pub fn verifies(&self, password: &str) -> bool {
        self.verifies_in(password, &mut Memory::default()).unwrap_or(false)
    }

    /// As [`of`](Self::of), in memory that was used before.
    pub(crate) fn of_in(password: &str, memory: &mut Memory) -> Result<Self, PasswordError> {
        let argon2 = Argon2::default();
        let salt = try_generate_salt().map_err(PasswordError::not_hashed)?;
        let salt = Salt::new(&salt).map_err(PasswordError::not_hashed)?;
        let mut bytes = [0; Params::DEFAULT_OUTPUT_LEN];
        memory.compute(&argon2, password, &salt, &mut bytes)?;
        let params = ParamsString::try_from(argon2.params()).map_err(PasswordError::not_hashed)?;
        let hash = Phc {
            algorithm: Algorithm::default().ident(),
            version: Some(Version::default().into()),
            params,
            salt: Some(salt),
            hash: Some(Output::new(&bytes).map_err(PasswordError::not_hashed)?),
        };
        Ok(Self { text: hash.to_string(), kib: argon2.params().m_cost() })
    }

    /// As [`verifies`](Self::verifies), in memory that was used before.
    pub(crate) fn verifies_in(
        &self,
        password: &str,
        memory: &mut Memory,
    ) -> Result<bool, PasswordError> {
        let Parts { argon2, salt, output } = Parts::of(&self.text)?;
        let mut bytes = [0; Output::MAX_LENGTH];
        let bytes = bytes.get_mut(..output.len()).unwrap_or_default();
        memory.compute(&argon2, password, &salt, bytes)?;
        // The comparison takes as long wherever the two differ.
        Ok(Output::new(bytes).is_ok_and(|computed| computed == output))
    }

    /// KiB of memory that it takes to verify a password.
    pub(crate) fn kib(&self) -> u32 {
        self.kib
    }

    /// KiB of memory that it takes to hash one.
    pub(crate) const NEW_KIB: u32 = Params::DEFAULT_M_COST;

    /// A hash of no password that anybody knows, with the parameters of a new one: where somebody is not
    /// known, and nobody is whose hash could be computed instead.
    pub(crate) fn like_any() -> Self {
        let (m, t, p) = (Self::NEW_KIB, Params::DEFAULT_T_COST, Params::DEFAULT_P_COST);
        let (salt, output) = ("A".repeat(22), "A".repeat(43));
        let text = format!("$argon2id$v=19$m={m},t={t},p={p}${salt}${output}");
        Self { text, kib: m }
    }
}

/// What a hash says.
struct Parts {
    argon2: Argon2<'static>,
    salt: Salt,
    output: Output,
}

impl Parts {
    fn of(text: &str) -> Result<Self, PasswordError> {
        let hash = Phc::new(text).map_err(PasswordError::not_a_hash)?;
        let algorithm = Algorithm::try_from(hash.algorithm.as_str())
            .map_err(|_| PasswordError::not_a_hash("of another kind than argon2"))?;
        let version = hash.version.map(Version::try_from).transpose();
        let version = version.map_err(PasswordError::not_a_hash)?.unwrap_or_default();
        let params = Params::try_from(&hash).map_err(PasswordError::not_a_hash)?;
        is_bearable(&params)?;
        let (Some(salt), Some(output)) = (hash.salt, hash.hash) else {
            return Err(PasswordError::not_a_hash("a part is missing"));
        };
        if salt.len() < MIN_SALT_LEN {
            return Err(PasswordError::not_a_hash("the salt is too short"));
        }
        Ok(Self { argon2: Argon2::new(algorithm, version, params), salt, output })
    }
}

fn is_bearable(params: &Params) -> Result<(), PasswordError> {
    let (kib, passes) = (params.m_cost(), params.t_cost());
    if kib > limits::MEMORY {
        return Err(PasswordError::TooLarge(kib));
    }
    if u64::from(kib) * u64::from(passes) > limits::WORK {
        return Err(PasswordError::TooSlow { kib, passes });
    }
    Ok(())
}

impl PasswordError {
    fn not_a_hash(why: impl fmt::Display) -> Self {
        Self::NotAHash(why.to_string())
    }

    fn not_hashed(why: impl fmt::Display) -> Self {
        Self::NotHashed(why.to_string())
    }
}

impl FromStr for PasswordHash {
    type Err = PasswordError;

    fn from_str(text: &str) -> Result<Self, PasswordError> {
        let parts = Parts::of(text)?;
        Ok(Self { text: text.to_owned(), kib: parts.argon2.params().m_cost() })
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for PasswordHash {
    /// Does not show the hash: it would end up in logs, where it can be attacked at leisure.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_password_hashes_differently_each_time() {
        let hash = || PasswordHash::of("secret").expect("it can be hashed");
        assert_ne!(hash(), hash());
    }

    #[test]
    fn a_hash_is_read_back_as_what_it_was() {
        let hash = PasswordHash::of("secret").expect("it can be hashed");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        let nobodys = PasswordHash::like_any();
        assert_eq!(nobodys.to_string().parse(), Ok(nobodys));
    }

    #[test]
    fn a_hash_of_another_program_is_understood() {
        // printf password | argon2 somesalt -id -t 2 -m 16 -p 1 (RFC 9106's reference program)
        let theirs = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$\
                      CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let hash: PasswordHash = theirs.parse().expect("it is one");
        assert!(hash.verifies("password"));
        assert!(!hash.verifies("Password"));
    }

    #[test]
    fn what_was_computed_before_in_the_same_memory_makes_no_difference() {
        let mut memory = Memory::default();
        let hash = PasswordHash::of("secret").expect("it can be hashed");
        let again = PasswordHash::of_in("secret", &mut memory).expect("it can be hashed");
        for hash in [hash, again] {
            for (password, is_right) in [("secret", true), ("Secret", false), ("secret", true)] {
                assert_eq!(hash.verifies_in(password, &mut memory), Ok(is_right));
            }
        }
        assert_eq!(memory.take_computed(), 7);
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        let rest = "$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        for text in [
            "",
            "secret",
            "$argon2id$",
            "$argon2id$v=19$m=x$a$b",
            // Those look like one, and nobody could ever log in with them.
            "$argon2id$v=19$m=65536,t=2,p=1",
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ",
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            &format!("$argon2id$v=18$m=65536,t=2,p=1{rest}"),
            &format!("$argon2id$v=19$m=65536,t=0,p=1{rest}"),
            &format!("$argon2id$v=19$m=16,t=1,p=3{rest}"),
            &format!("$scrypt$ln=16,r=8,p=1{rest}"),
        ] {
            let refused = PasswordHash::from_str(text);
            assert!(matches!(refused, Err(PasswordError::NotAHash(_))), "{text:?}: {refused:?}");
        }
    }

    #[test]
    fn a_hash_that_would_take_all_the_memory_or_time_is_refused_where_it_is_read() {
        let read = |m: u32, t: u32| {
            let rest = "p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
            PasswordHash::from_str(&format!("$argon2id$v=19$m={m},t={t},{rest}")).map(drop)
        };
        assert_eq!(read(65_536, 16), Ok(()));
        assert_eq!(read(1_024, 1_024), Ok(()));
        assert_eq!(read(65_537, 1), Err(PasswordError::TooLarge(65_537)));
        assert_eq!(read(u32::MAX, u32::MAX), Err(PasswordError::TooLarge(u32::MAX)));
        let slow = read(65_536, 17);
        assert_eq!(slow, Err(PasswordError::TooSlow { kib: 65_536, passes: 17 }));
        let text = slow.map_err(|error| error.to_string());
        assert!(text.is_err_and(|text| text.ends_with("16 times at most")));
        assert!(matches!(read(8, u32::MAX), Err(PasswordError::TooSlow { .. })));
    }

    #[test]
    fn a_hash_is_not_shown_to_logs() {
        let hash = PasswordHash::of("secret").expect("it can be hashed");
        assert_eq!(format!("{hash:?}"), "PasswordHash(…)");
    }
}
