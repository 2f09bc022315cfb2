//! TLS of a server's connections (RFC 4217): where it meets the loop's.

use reactor::Transport;
use reactor::tls::ServerTls;

use super::{Settings, TlsSettings};

/// What the connections of one session have in common, and no others.
pub(super) type Token = [u8; 16];

/// The TLS of a session's data connections.
#[derive(Clone, Debug)]
pub(super) struct DataTls {
    tls: ServerTls,
    token: Token,
    bound: bool,
}

/// Whether it is spoken here.
pub(super) fn is_offered(settings: &Settings) -> bool {
    settings.tls.is_some()
}

/// Whether nothing is done without it.
pub(super) fn is_required(settings: &Settings) -> bool {
    settings.tls.as_ref().is_some_and(|tls| tls.required)
}

/// Begins it on a control connection, behind what was written; whether that could be done.
pub(super) fn begin<App>(
    transport: &mut Transport<'_, App>,
    settings: &Settings,
    token: &Token,
) -> bool {
    let Some(TlsSettings { tls, .. }) = &settings.tls else {
        return false;
    };
    transport.start_tls(&tls.with_token(token)).is_ok()
}

impl DataTls {
    pub(super) fn new(settings: &Settings, token: &Token) -> Option<Self> {
        let TlsSettings { tls, bound, .. } = settings.tls.as_ref()?;
        // Whoever sends a file reads nothing, and a ticket that nobody has read would turn its end into a reset.
        let tls = tls.with_token(token).with_tickets(0);
        Some(Self { tls, token: *token, bound: *bound })
    }

    /// For a listener.
    pub(super) fn options(&self) -> ServerTls {
        self.tls.clone()
    }

    /// Begins it on a connection that we have made: its server is this side all the same (RFC 4217, 7).
    pub(super) fn begin<App>(&self, transport: &mut Transport<'_, App>) -> bool {
        transport.start_tls(&self.tls).is_ok()
    }

    /// Whether a connection is the session's, as far as TLS tells.
    pub(super) fn accepts<App>(&self, transport: &Transport<'_, App>) -> bool {
        let token = transport.tls().and_then(|tls| tls.resumed_token().map(<[u8]>::to_vec));
        !self.bound || token.as_deref() == Some(&self.token)
    }
}
