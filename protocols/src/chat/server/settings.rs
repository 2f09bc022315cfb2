//! What a chat server is told by whoever runs it.

use std::path::PathBuf;

use crate::chat::Limits;
use crate::password::PasswordHash;

/// The settings of a server, given to [`Server::new`](crate::chat::Server::new), and again to
/// [`Server::rehash`](crate::chat::Server::rehash) when they have changed.
///
/// The defaults are a server that works: no password, no operators, nothing that outlives it.
///
/// ```
/// use protocols::chat::Settings;
/// let settings = Settings { name: "irc.example".into(), ..Settings::default() };
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The server's name, as clients see it: a host name, with at least one dot. Default `chat.local`.
    pub name: String,
    /// The network's name (`NETWORK`): one word. Default `Chat`.
    pub network: String,
    /// What `INFO` and `LINKS` say the server is. Default a sentence.
    pub description: String,
    /// The message of the day, line by line; `None` is `ERR_NOMOTD`.
    pub motd: Option<Vec<String>>,
    /// The password that every client has to give with `PASS`. Default `None`.
    pub password: Option<Password>,
    /// Who may `OPER`.
    pub operators: Vec<Operator>,
    /// What `ADMIN` says; `None` is `ERR_NOADMININFO`.
    pub admin: Option<Admin>,
    /// Where accounts and registered channels are kept. `None`: in memory, until the server ends.
    pub data: Option<PathBuf>,
    /// Whether clients may register accounts in-band (`REGISTER`, `NS REGISTER`). Default `true`.
    pub registration: bool,
    /// Channels that are always there, each with its topic; nobody can take them over.
    pub channels: Vec<PermanentChannel>,
    /// Every bound.
    pub limits: Limits,
}

/// A password in the settings: as it is typed, or hashed.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// As it is typed: for a command line, a test, a file that nobody else reads.
    Plain(String),
    /// An argon2 hash of it.
    Hashed(PasswordHash),
}

/// Somebody who may become an IRC operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Operator {
    /// The name given to `OPER`.
    pub name: String,
    /// The password given to it.
    pub password: Password,
    /// From where: a mask of `user@host`. Default `*@*` is anywhere.
    pub host: String,
}

/// Who runs the server (RFC 1459, 4.3.7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admin {
    /// Where it is: a city, a country.
    pub location: String,
    /// What runs it: a university, a club.
    pub organisation: String,
    /// Whom to write to.
    pub email: String,
}

/// A channel that is there without anybody on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PermanentChannel {
    /// Its name, with `#`.
    pub name: String,
    /// Its topic, or nothing.
    pub topic: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: "chat.local".to_owned(),
            network: "Chat".to_owned(),
            description: "A chat server on one thread".to_owned(),
            motd: None,
            password: None,
            operators: Vec::new(),
            admin: None,
            data: None,
            registration: true,
            channels: Vec::new(),
            limits: Limits::default(),
        }
    }
}

impl Password {
    /// Whether this is the password. A hash takes some tens of milliseconds, so it does not belong on
    /// the loop.
    #[must_use]
    pub fn verifies(&self, password: &str) -> bool {
        match self {
            Self::Plain(plain) => same_bytes(plain.as_bytes(), password.as_bytes()),
            Self::Hashed(hash) => hash.verifies(password),
        }
    }
}

impl std::fmt::Debug for Password {
    /// Does not show it: it would end up in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Compares in a time that tells nothing of where the two differ.
fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_itself_and_nothing_else_and_is_not_shown() {
        let password = Password::Plain("secret".to_owned());
        assert!(password.verifies("secret"));
        assert!(["", "Secret", "secre", "secrets"].iter().all(|wrong| !password.verifies(wrong)));
        assert_eq!(format!("{password:?}"), "Password(…)");
    }
}
