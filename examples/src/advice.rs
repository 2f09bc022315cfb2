//! What a person can do about a socket that could not be opened.

use std::fmt;

use reactor::OpenError;

/// A socket that an option asked for could not be opened.
#[derive(Debug)]
pub struct NotOpened {
    error: OpenError,
    /// The option that can choose another address: `--tcp`, say.
    option: &'static str,
}

impl NotOpened {
    /// For `map_err`: the error, beside the option that asked for the socket.
    pub fn by(option: &'static str) -> impl Fn(OpenError) -> Self {
        move |error| Self { error, option }
    }

    fn advice(&self) -> Option<String> {
        let Self { error, option } = self;
        Some(match error {
            OpenError::AddressInUse(address) => match address.ip() {
                Some(_) => format!("try another port with {option}, or port 0 for any free one"),
                None => format!("try another path with {option}"),
            },
            OpenError::AddressNotAvailable(_) => {
                format!("try one of this machine's own, or 127.0.0.1, with {option}")
            }
            OpenError::PathTaken(_) => format!("remove it, or try another path with {option}"),
            OpenError::PermissionDenied(address) if address.ip().is_some() => {
                format!("ports below 1024 are the system's; try another with {option}")
            }
            OpenError::PermissionDenied(_) => {
                format!("try a path in a directory of your own with {option}")
            }
            OpenError::NoDescriptors(_) => "raise their number with ulimit -n".to_owned(),
            _ => return None,
        })
    }
}

impl fmt::Display for NotOpened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        self.advice().map_or(Ok(()), |advice| write!(f, "; {advice}"))
    }
}

impl std::error::Error for NotOpened {}
