//! Whether a conversation is protected (RFC 4217), and what that means for each of its connections.

use reactor::ConnectOptions;
#[cfg(feature = "tls")]
use reactor::tls::ClientTls;
use reactor::{Address, Transport};

use super::Failure;

/// Whether the connections of a conversation are protected: all of them, or none.
///
/// The data connections go on with the TLS session of the control connection, which some servers demand (`522`): so
/// nobody else can take their place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Security {
    /// They are not. Whoever is on the way reads the password and the files, and can change them.
    #[default]
    Clear,
    /// By TLS, from `AUTH TLS` on and before the login: on the usual port. A server that does not speak it is told
    /// no name and no password.
    #[cfg(feature = "tls")]
    Explicit(ClientTls),
    /// By TLS, from the beginning: on a port of its own, which is 990 if nothing else is said.
    #[cfg(feature = "tls")]
    Implicit(ClientTls),
}

/// When TLS begins on a control connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    Never,
    AtAuth,
    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "nobody can ask for it"))]
    AtOnce,
}

impl Security {
    /// The same, for one conversation with this server: its sessions are shared with no other.
    #[cfg_attr(not(feature = "tls"), expect(unused_variables, reason = "there is nothing to bind"))]
    pub(super) fn bound_to(&self, server: &Address) -> Self {
        #[cfg(feature = "tls")]
        let bound = |tls: &ClientTls| tls.for_address(server).with_own_sessions();
        match self {
            Self::Clear => Self::Clear,
            #[cfg(feature = "tls")]
            Self::Explicit(tls) => Self::Explicit(bound(tls)),
            #[cfg(feature = "tls")]
            Self::Implicit(tls) => Self::Implicit(bound(tls)),
        }
    }

    pub(super) fn beginning(&self) -> Beginning {
        match self {
            Self::Clear => Beginning::Never,
            #[cfg(feature = "tls")]
            Self::Explicit(_) => Beginning::AtAuth,
            #[cfg(feature = "tls")]
            Self::Implicit(_) => Beginning::AtOnce,
        }
    }

    /// The options of the control connection, as far as they are about TLS.
    pub(super) fn of_control(&self) -> ConnectOptions {
        match self {
            #[cfg(feature = "tls")]
            Self::Implicit(tls) => {
                ConnectOptions { tls: Some(tls.clone()), ..ConnectOptions::default() }
            }
            _ => ConnectOptions::default(),
        }
    }

    /// The options of a data connection, as far as they are about TLS: its client is this side, whichever side
    /// sends the file (RFC 4217, 7).
    pub(super) fn of_data(&self) -> ConnectOptions {
        match self {
            Self::Clear => ConnectOptions::default(),
            #[cfg(feature = "tls")]
            Self::Explicit(tls) | Self::Implicit(tls) => {
                ConnectOptions { tls: Some(tls.clone()), ..ConnectOptions::default() }
            }
        }
    }

    /// Begins TLS on the control connection, behind what the server has said so far.
    pub(super) fn begin<App>(&self, transport: &mut Transport<'_, App>) -> Result<(), Failure> {
        match self {
            #[cfg(feature = "tls")]
            Self::Explicit(tls) => {
                transport.start_tls(tls).map_err(|error| Failure::Tls(error.to_string()))
            }
            _ => {
                let _ = transport;
                Ok(())
            }
        }
    }
}
