//! Passwords, as they are kept: argon2id hashes in the PHC format (RFC 9106).
//!
//! Hashing is meant to be slow, some tens of milliseconds and 19 MiB of memory, so it does not belong
//! on the loop: see [`reactor::Registry::offload`].

use std::fmt;
use std::str::FromStr;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use thiserror::Error;

/// A password nobody can read back.
///
/// Its `Display` and `FromStr` are the PHC string, `$argon2id$v=19$m=19456,t=2,p=1$…`, which is what a
/// file of users holds; hashes made by other programs, with other parameters, are understood too.
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
pub struct PasswordHash(String);

/// Why a password could not be hashed, or a hash not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PasswordError {
    /// The text is not a hash in the PHC format.
    #[error("not a password hash: {0}")]
    NotAHash(String),
    /// The hash could not be computed: a password beyond argon2's 4 GiB, or no randomness for the salt.
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
        let hash = Argon2::default()
            .hash_password(password.as_bytes())
            .map_err(|error| PasswordError::NotHashed(error.to_string()))?;
        Ok(Self(hash.to_string()))
    }

    /// Whether this is the password. It takes as long for a wrong one.
    #[must_use]
    pub fn verifies(&self, password: &str) -> bool {
        Phc::new(&self.0)
            .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
    }
}

impl FromStr for PasswordHash {
    type Err = PasswordError;

    fn from_str(text: &str) -> Result<Self, PasswordError> {
        match Phc::new(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(error) => Err(PasswordError::NotAHash(error.to_string())),
        }
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
    fn a_hash_of_another_program_is_understood() {
        // printf password | argon2 somesalt -id -t 2 -m 16 -p 1 (RFC 9106's reference program)
        let theirs = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$\
                      CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let hash: PasswordHash = theirs.parse().expect("it is one");
        assert!(hash.verifies("password"));
        assert!(!hash.verifies("Password"));
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        for text in ["", "secret", "$argon2id$", "$argon2id$v=19$m=x$a$b"] {
            assert!(PasswordHash::from_str(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_hash_is_not_shown_to_logs() {
        let hash = PasswordHash::of("secret").expect("it can be hashed");
        assert_eq!(format!("{hash:?}"), "PasswordHash(…)");
    }
}
