//! Whether the connections of a session are protected (RFC 2228, RFC 4217).
//!
//! ```text
//!           AUTH TLS: 234                 the handshake is over          PBSZ, then PROT P
//!   Clear ─────────────────▶ Beginning ───────────────────────▶ Secured(None) ◀──────────▶ Secured(Private)
//!                                                                     ▲         PROT C
//!   on a port where TLS is spoken from the beginning it begins so, and with Private
//! ```

use super::Conversation;
use crate::transfer::ftp::secure;
use crate::transfer::ftp::secure::{DataTls, Token};
use crate::transfer::ftp::wire::command::Protection;
use crate::transfer::ftp::wire::telnet::Telnet;

/// How a session's connections are protected.
#[derive(Debug)]
pub(super) struct Security {
    /// What its data connections are known by.
    token: Token,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Clear,
    /// AUTH was answered, and the handshake is under way.
    Beginning,
    /// With what was said of data connections, once PBSZ was.
    Secured(Option<Protection>),
}

impl Security {
    pub(super) fn clear(token: Token) -> Self {
        Self { token, stage: Stage::Clear }
    }

    /// On a port where TLS is spoken from the beginning, data is protected unless something else is said.
    pub(super) fn implicit(token: Token) -> Self {
        Self { token, stage: Stage::Secured(Some(Protection::Private)) }
    }

    /// Whether the handshake is under way: what comes is for that.
    pub(super) fn is_beginning(&self) -> bool {
        self.stage == Stage::Beginning
    }

    fn is_secured(&self) -> bool {
        matches!(self.stage, Stage::Secured(_))
    }

    fn protects_data(&self) -> bool {
        self.stage == Stage::Secured(Some(Protection::Private))
    }
}

impl Conversation<'_> {
    /// AUTH TLS: from the reply on TLS is spoken. What the client has said so far counts for nothing then, and
    /// what it has said behind AUTH without waiting, in the clear, least of all (CVE-2011-0411).
    pub(super) fn auth(&mut self) {
        let settings = self.settings();
        if !secure::is_offered(&settings) {
            return self.reply(502, "TLS is not spoken here.");
        }
        if self.session.security.stage != Stage::Clear {
            return self.reply(503, "TLS is spoken already.");
        }
        self.forget_user();
        self.session.waiting.clear();
        self.session.telnet = Telnet::new(settings.limits.line);
        self.reply(234, "Begin with TLS.");
        if !self.control.begin_tls(&settings, &self.session.security.token) {
            return self.close();
        }
        self.session.security.stage = Stage::Beginning;
    }

    /// The handshake is over.
    pub(super) fn handle_secure(&mut self) {
        self.session.security.stage = Stage::Secured(None);
    }

    /// PBSZ: TLS has no buffers of its own to be told of, so it is always zero.
    pub(super) fn pbsz(&mut self) {
        match &mut self.session.security.stage {
            Stage::Secured(data) => {
                data.get_or_insert(Protection::Clear);
                self.reply(200, "PBSZ=0");
            }
            _ => self.reply(503, "AUTH TLS comes first."),
        }
    }

    /// PROT: whether data connections speak TLS, from the next one on.
    pub(super) fn prot(&mut self, protection: Protection) {
        let is_required = secure::is_required(&self.settings());
        match &mut self.session.security.stage {
            Stage::Secured(Some(_)) if is_required && protection == Protection::Clear => {
                self.reply(534, "Data has to be protected here.");
            }
            Stage::Secured(Some(data)) => {
                *data = protection;
                self.close_channel();
                self.reply(
                    200,
                    match protection {
                        Protection::Clear => "Data is not protected.",
                        Protection::Private => "Data is protected.",
                    },
                );
            }
            _ => self.reply(503, "PBSZ comes first."),
        }
    }

    /// CCC: a control connection that was protected stays so. What comes behind it could be anybody's.
    pub(super) fn clear_command_channel(&mut self) {
        if self.session.security.is_secured() {
            self.reply(534, "This connection stays protected.");
        } else {
            self.reply(503, "It is not protected.");
        }
    }

    // ── questions ───────────────────────────────────────────────────────────────────────────

    /// Whether a password may be said; if not, the client was told.
    pub(super) fn may_log_in(&mut self) -> bool {
        let may = self.session.security.is_secured() || !secure::is_required(&self.settings());
        if !may {
            self.reply(530, "Say AUTH TLS first.");
        }
        may
    }

    /// Whether data may go as it was said; if not, the client was told.
    pub(super) fn may_transfer(&mut self) -> bool {
        let may = self.session.security.protects_data() || !secure::is_required(&self.settings());
        if !may {
            self.reply(521, "Data has to be protected: say PROT P.");
        }
        may
    }

    /// The TLS of the next data connection, if it is to speak it.
    pub(super) fn data_tls(&mut self) -> Option<DataTls> {
        let settings = self.settings();
        let Security { token, .. } = &self.session.security;
        self.session.security.protects_data().then(|| DataTls::new(&settings, token)).flatten()
    }

    /// Whether TLS is spoken here at all.
    pub(super) fn offers_tls(&mut self) -> bool {
        secure::is_offered(&self.settings())
    }
}
