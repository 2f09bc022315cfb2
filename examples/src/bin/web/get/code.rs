//! Exit codes, which scripts know from curl (`man curl`, "EXIT CODES").

use std::process::ExitCode;

use protocols::http::client::{Failure, NoUrl};

/// What the shell is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code(u8);

impl Code {
    pub(crate) const WELL: Self = Self(0);
    pub(crate) const OTHER: Self = Self(1);
    pub(crate) const USAGE: Self = Self(2);
    pub(crate) const NO_PROXY: Self = Self(5);
    pub(crate) const NOT_FOUND: Self = Self(6);
    pub(crate) const CUT_OFF: Self = Self(18);
    pub(crate) const STATUS: Self = Self(22);
    pub(crate) const NOT_WRITTEN: Self = Self(23);
    pub(crate) const NOT_READ: Self = Self(26);
    pub(crate) const NO_RANGES: Self = Self(33);
    pub(crate) const REDIRECTS: Self = Self(47);
    pub(crate) const NO_ROOTS: Self = Self(77);

    pub(crate) fn of_url(error: NoUrl) -> Self {
        match error {
            NoUrl::Scheme => Self(1),
            _ => Self(3),
        }
    }

    pub(crate) fn of(failure: &Failure) -> Self {
        match failure {
            Failure::NotFound { .. } => Self::NOT_FOUND,
            Failure::Unreachable { .. } => Self(7),
            Failure::ConnectTimeout(_)
            | Failure::Silent
            | Failure::Timeout
            | Failure::ProxySilent => Self(28),
            Failure::Tls(_) => Self(35),
            Failure::NotTrusted(_) => Self(60),
            Failure::NoAnswer => Self(52),
            Failure::Cut(_) => Self::CUT_OFF,
            Failure::Coding(_) => Self(61),
            Failure::Malformed(_) | Failure::Interim => Self(8),
            Failure::Socks(_) => Self(97),
            _ => Self(56),
        }
    }

    /// The first failure counts.
    pub(crate) fn note(&mut self, code: Self) {
        if *self == Self::WELL {
            *self = code;
        }
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code.0)
    }
}
