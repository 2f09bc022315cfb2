//! Who may log in, where they are then, and what they may do.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::str::FromStr;

use thiserror::Error;

use crate::password::{PasswordError, PasswordHash};
use crate::transfer::store::{InvalidPath, VirtualPath};

/// All who may log in.
///
/// Its text is a line a user, as a file has it; what follows a `#` at the beginning of a line is a
/// comment:
///
/// ```text
/// # name : hash of the password : home : permissions : bytes that may be kept there
/// ann:$argon2id$v=19$m=19456,t=2,p=1$…$…:/ann:rcmd:1000000000
/// bob:$argon2id$v=19$m=19456,t=2,p=1$…$…:/pictures:r:
/// ```
///
/// ```
/// use protocols::password::PasswordHash;
/// use protocols::transfer::ftp::users::{Permissions, User, Users};
/// use protocols::transfer::store::VirtualPath;
///
/// let mut users = Users::anonymous_only();
/// let password = PasswordHash::of("correct horse")?;
/// users.insert("ann", User::new(password, VirtualPath::root(), Permissions::ALL))?;
/// let read: Users = users.to_string().parse()?;
/// assert!(read.get("ann").is_some_and(|user| user.permissions == Permissions::ALL));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Users {
    named: BTreeMap<String, User>,
    /// What anybody is who has no name.
    anonymous: Option<Anonymous>,
}

/// One who has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// What they know.
    pub password: PasswordHash,
    /// What is `/` to them.
    pub home: VirtualPath,
    /// What they may do there.
    pub permissions: Permissions,
    /// Bytes that may be in their home. Default `None`: no bound.
    pub quota: Option<u64>,
}

/// What anybody is who has no name: `anonymous`, or `ftp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anonymous {
    /// What is `/` to them. Default the root.
    pub home: VirtualPath,
    /// What they may do there. Default [`Permissions::READ`].
    pub permissions: Permissions,
}

/// What a user may do.
///
/// | letter | |
/// |---|---|
/// | `r` | list directories and fetch files |
/// | `c` | create: upload new files and make directories |
/// | `m` | modify: overwrite, append, rename, set times and modes |
/// | `d` | delete |
///
/// `c` alone is a letter box: what has been dropped into it is nobody's to see or to change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    /// List directories and fetch files.
    pub read: bool,
    /// Upload new files and make directories.
    pub create: bool,
    /// Overwrite, append, rename, set times and modes.
    pub modify: bool,
    /// Delete files and directories.
    pub delete: bool,
}

/// Why a text is no list of users, or a user cannot be among them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UsersError {
    /// A line, counted from one, has another number of fields.
    #[error("line {0}: expected name:hash:home:permissions:quota")]
    Fields(usize),
    /// A name is empty, reserved for anonymous logins, or has a colon, a `#` or a control character in it.
    #[error("{0:?} cannot be a user's name")]
    Name(String),
    /// A name is there twice.
    #[error("line {0}: {1:?} is there twice")]
    Twice(usize, String),
    /// What should be the hash of a password is none.
    #[error("line {0}: {1}")]
    Hash(usize, PasswordError),
    /// A home is not a path.
    #[error("line {0}: the home: {1}")]
    Home(usize, InvalidPath),
    /// Permissions have another letter than r, c, m and d.
    #[error("line {0}: {1}")]
    Permissions(usize, PermissionsError),
    /// A quota is not a number.
    #[error("line {0}: the quota is not a number of bytes")]
    Quota(usize),
}

/// A text is no permissions.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("permissions are letters out of r, c, m and d, not {0:?}")]
pub struct PermissionsError(String);

impl Users {
    /// Nobody with a name, and anybody without one, to read everything.
    #[must_use]
    pub fn anonymous_only() -> Self {
        Self { named: BTreeMap::new(), anonymous: Some(Anonymous::default()) }
    }

    /// Nobody.
    #[must_use]
    pub fn none() -> Self {
        Self { named: BTreeMap::new(), anonymous: None }
    }

    /// What anybody without a name is; `None` if they are not let in.
    #[must_use]
    pub fn anonymous(&self) -> Option<&Anonymous> {
        self.anonymous.as_ref()
    }

    /// Says what anybody without a name is.
    pub fn set_anonymous(&mut self, anonymous: Option<Anonymous>) {
        self.anonymous = anonymous;
    }

    /// The user of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&User> {
        self.named.get(name)
    }

    /// What a password is held against that was given for a name: the hash of the user, and for a name that
    /// is nobody's the next one's in the alphabet. Nobody is to learn who there is from how long it takes to
    /// hear that a password is wrong, and hashes may differ in what they cost; whether a password is
    /// right is for [`get`](Self::get) to say first.
    pub(super) fn hash_to_compute_for(&self, name: &str) -> PasswordHash {
        let from_here = (Bound::Included(name), Bound::Unbounded);
        let like = self.named.range::<str, _>(from_here).next().or(self.named.first_key_value());
        like.map_or_else(PasswordHash::like_any, |(_, user)| user.password.clone())
    }

    /// Adds a user, or replaces the one of this name.
    ///
    /// # Errors
    ///
    /// [`UsersError::Name`].
    pub fn insert(&mut self, name: &str, user: User) -> Result<(), UsersError> {
        let impossible = |it: char| it == ':' || it == '#' || it.is_control();
        if name.is_empty() || name.trim() != name || name.contains(impossible) || is_anonymous(name)
        {
            return Err(UsersError::Name(name.to_owned()));
        }
        self.named.insert(name.to_owned(), user);
        Ok(())
    }

    /// Removes the user of this name.
    pub fn remove(&mut self, name: &str) -> Option<User> {
        self.named.remove(name)
    }

    /// All who have names, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &User)> {
        self.named.iter().map(|(name, user)| (name.as_str(), user))
    }
}

/// Whether a name says that one has none (RFC 1635).
#[must_use]
pub fn is_anonymous(name: &str) -> bool {
    name.eq_ignore_ascii_case("anonymous") || name.eq_ignore_ascii_case("ftp")
}

impl User {
    /// A user without a quota.
    #[must_use]
    pub fn new(password: PasswordHash, home: VirtualPath, permissions: Permissions) -> Self {
        Self { password, home, permissions, quota: None }
    }
}

impl Default for Anonymous {
    fn default() -> Self {
        Self { home: VirtualPath::root(), permissions: Permissions::READ }
    }
}

impl Permissions {
    /// Nothing: who is not logged in.
    pub(super) const NONE: Self = Self { read: false, create: false, modify: false, delete: false };
    /// `r`.
    pub const READ: Self = Self { read: true, create: false, modify: false, delete: false };
    /// `rcmd`.
    pub const ALL: Self = Self { read: true, create: true, modify: true, delete: true };

    /// Whether nothing that is there, nor what is not, can be changed with them.
    #[must_use]
    pub fn is_read_only(self) -> bool {
        !self.create && !self.modify && !self.delete
    }
}

impl FromStr for Permissions {
    type Err = PermissionsError;

    fn from_str(text: &str) -> Result<Self, PermissionsError> {
        let mut permissions = Self::default();
        for letter in text.chars() {
            match letter {
                'r' => permissions.read = true,
                'c' => permissions.create = true,
                'm' => permissions.modify = true,
                'd' => permissions.delete = true,
                _ => return Err(PermissionsError(text.to_owned())),
            }
        }
        Ok(permissions)
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters =
            [(self.read, "r"), (self.create, "c"), (self.modify, "m"), (self.delete, "d")];
        letters.into_iter().filter(|(has, _)| *has).try_for_each(|(_, letter)| f.write_str(letter))
    }
}

impl FromStr for Users {
    type Err = UsersError;

    fn from_str(text: &str) -> Result<Self, UsersError> {
        let mut users = Self::anonymous_only();
        for (at, line) in text.lines().enumerate() {
            let (number, line) = (at + 1, line.trim());
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, user) = parse_line(number, line)?;
            if users.get(name).is_some() {
                return Err(UsersError::Twice(number, name.to_owned()));
            }
            users.insert(name, user)?;
        }
        Ok(users)
    }
}

fn parse_line(number: usize, line: &str) -> Result<(&str, User), UsersError> {
    let fields: Vec<_> = line.split(':').map(str::trim).collect();
    let &[name, hash, home, permissions, quota] = &fields[..] else {
        return Err(UsersError::Fields(number));
    };
    let home = VirtualPath::root().join(home.as_bytes());
    let quota = if quota.is_empty() { Ok(None) } else { quota.parse().map(Some) };
    let user = User {
        password: hash.parse().map_err(|error| UsersError::Hash(number, error))?,
        home: home.map_err(|error| UsersError::Home(number, error))?,
        permissions: permissions.parse().map_err(|error| UsersError::Permissions(number, error))?,
        quota: quota.map_err(|_| UsersError::Quota(number))?,
    };
    Ok((name, user))
}

/// A line a user.
impl fmt::Display for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, User { password, home, permissions, quota }) in self.iter() {
            let quota = quota.map(|quota| quota.to_string()).unwrap_or_default();
            writeln!(f, "{name}:{password}:{home}:{permissions}:{quota}")?;
        }
        Ok(())
    }
}

/// A password that was looked at.
pub(crate) struct Checked {
    pub(super) name: String,
    /// `None`: there is no such user, and nobody is to learn that from how long it takes to say no.
    pub(super) user: Option<User>,
    pub(super) is_right: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str =
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

    #[test]
    fn a_file_has_a_line_a_user() {
        let text =
            format!("# people\n\nann : {HASH} : ann/../home : rcmd : 1000\nbob:{HASH}:/:r:\n");
        let users: Users = text.parse().expect("it is one");
        let ann = users.get("ann").expect("she is there");
        assert_eq!((ann.home.to_string().as_str(), ann.quota), ("/home", Some(1000)));
        assert_eq!(users.get("bob").map(|bob| bob.permissions), Some(Permissions::READ));
        assert_eq!(users.to_string().parse(), Ok(users));
    }

    #[test]
    fn what_is_wrong_in_a_file_is_said_with_its_line() {
        let error = |line: &str| format!("\n{line}").parse::<Users>().expect_err(line);
        assert_eq!(error("ann:x:/:r"), UsersError::Fields(2));
        assert!(matches!(error("ann:x:/:r:"), UsersError::Hash(2, _)));
        assert!(matches!(error(&format!("ann:{HASH}:/:x:")), UsersError::Permissions(2, _)));
        assert_eq!(error(&format!("ann:{HASH}:/:r:much")), UsersError::Quota(2));
        assert_eq!(error(&format!("ann:{HASH}:a\0:r:")), UsersError::Home(2, InvalidPath::Nul));
        assert_eq!(error(&format!("Anonymous:{HASH}:/:r:")), UsersError::Name("Anonymous".into()));
        let twice = format!("ann:{HASH}:/:r:\nann:{HASH}:/:r:");
        assert_eq!(twice.parse::<Users>(), Err(UsersError::Twice(2, "ann".into())));
    }
}
