//! What a server complains of with `-ERR`.

use std::fmt;

use thiserror::Error;

/// What a server complains of. Behind most of it, it hangs up: [`ends_connection`](Self::ends_connection) says so.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The token, the user or the password is not right, or was not given.
    #[error("the server does not let this client in (Authorization Violation)")]
    AuthorizationViolation,
    /// Who this client is was not said in time.
    #[error("the server has waited too long to be told who this is")]
    AuthenticationTimeout,
    /// What let this client in lets it in no more.
    #[error("the credentials of this client have expired")]
    AuthenticationExpired,
    /// This client may not do that. It stays connected.
    #[error("not permitted: {0}")]
    PermissionsViolation(Denied),
    /// This client has taken its messages too slowly, and what waited for it is lost.
    #[error("the server has cut a slow consumer off")]
    SlowConsumer,
    /// This client has left its `PING`s unanswered.
    #[error("the server has heard nothing for too long")]
    StaleConnection,
    /// As many clients as may are connected already.
    #[error("the server has no room for one more client")]
    MaximumConnections,
    /// A message was longer than the server takes.
    #[error("a message was longer than the server takes")]
    MaximumPayload,
    /// As many subscriptions as may are made already. It stays connected.
    #[error("the server takes no more subscriptions")]
    MaximumSubscriptions,
    /// A subject is none. It stays connected.
    #[error("the server does not take this subject: {0}")]
    InvalidSubject(String),
    /// The server goes on in TLS only.
    #[error("the server wants TLS")]
    TlsRequired,
    /// Anything else, in its own words.
    #[error("{0}")]
    Other(String),
}

/// What is not permitted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denied {
    /// To publish as this subject.
    Publish(String),
    /// To subscribe to this subject, in this group or in none.
    Subscribe {
        /// What was to be subscribed to.
        subject: String,
        /// The queue group.
        queue: Option<String>,
    },
    /// Something else, in the server's words.
    Other(String),
}

impl ServerError {
    /// Reads what is between the quotes. Case does not matter, since servers disagree on it.
    #[must_use]
    pub fn read(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let lower = text.to_ascii_lowercase();
        let starts = |words: &str| lower.starts_with(words);
        match () {
            () if starts("authorization violation") => Self::AuthorizationViolation,
            () if starts("authentication timeout") => Self::AuthenticationTimeout,
            () if lower.contains("authentication expired") => Self::AuthenticationExpired,
            () if starts("permissions violation") => {
                Self::PermissionsViolation(Denied::read(&text))
            }
            () if starts("slow consumer") => Self::SlowConsumer,
            () if starts("stale connection") => Self::StaleConnection,
            () if starts("maximum connections exceeded") => Self::MaximumConnections,
            () if starts("maximum payload") => Self::MaximumPayload,
            () if starts("maximum subscriptions exceeded") => Self::MaximumSubscriptions,
            () if starts("invalid subject") || starts("invalid publish subject") => {
                Self::InvalidSubject(text.into_owned())
            }
            () if starts("secure connection - tls required") => Self::TlsRequired,
            () => Self::Other(text.into_owned()),
        }
    }

    /// Whether the server hangs up after it.
    #[must_use]
    pub fn ends_connection(&self) -> bool {
        !matches!(
            self,
            Self::PermissionsViolation(_) | Self::InvalidSubject(_) | Self::MaximumSubscriptions
        )
    }

    /// Whether it is about who this client is: to ask again brings the same answer.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::AuthorizationViolation
                | Self::AuthenticationExpired
                | Self::AuthenticationTimeout
        )
    }
}

impl Denied {
    /// `Permissions Violation for Subscription to "a.b" using queue "q"`.
    fn read(text: &str) -> Self {
        let mut quoted = text.split('"').skip(1).step_by(2).map(str::to_owned);
        let lower = text.to_ascii_lowercase();
        match quoted.next() {
            Some(subject) if lower.contains("for publish to") => Self::Publish(subject),
            Some(subject) if lower.contains("for subscription to") => {
                Self::Subscribe { subject, queue: quoted.next() }
            }
            _ => Self::Other(text.to_owned()),
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publish(subject) => write!(f, "to publish to {subject}"),
            Self::Subscribe { subject, queue: None } => write!(f, "to subscribe to {subject}"),
            Self::Subscribe { subject, queue: Some(queue) } => {
                write!(f, "to subscribe to {subject} in the group {queue}")
            }
            Self::Other(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_say_is_sorted() {
        let subscribe = |queue: Option<&str>| Denied::Subscribe {
            subject: "a.b".into(),
            queue: queue.map(str::to_owned),
        };
        for (text, expected) in [
            ("Authorization Violation", ServerError::AuthorizationViolation),
            ("User Authentication Expired", ServerError::AuthenticationExpired),
            ("Slow Consumer", ServerError::SlowConsumer),
            ("Slow Consumer Detected", ServerError::SlowConsumer),
            (
                "Permissions Violation for Publish to \"a.b\"",
                ServerError::PermissionsViolation(Denied::Publish("a.b".into())),
            ),
            (
                "Permissions Violation for Subscription to \"a.b\"",
                ServerError::PermissionsViolation(subscribe(None)),
            ),
            (
                "permissions violation for subscription to \"a.b\" using queue \"q\"",
                ServerError::PermissionsViolation(subscribe(Some("q"))),
            ),
            (
                "Permissions Violation",
                ServerError::PermissionsViolation(Denied::Other("Permissions Violation".into())),
            ),
            ("Invalid Subject", ServerError::InvalidSubject("Invalid Subject".into())),
            ("Oh", ServerError::Other("Oh".into())),
        ] {
            assert_eq!(ServerError::read(text.as_bytes()), expected, "{text}");
        }
        assert!(!ServerError::PermissionsViolation(subscribe(None)).ends_connection());
        assert!(ServerError::read(b"\xff\xfe").ends_connection());
    }
}
