//! How files are to be sent.

use super::Conversation;
use crate::transfer::ftp::wire::command::Type;
use crate::transfer::ftp::wire::reply::Reply;

pub(super) const NO_RESTART_OF_TEXT: &str = "REST is for TYPE I.";

impl Conversation<'_> {
    /// TYPE.
    pub(super) fn set_type(&mut self, kind: Type) {
        self.session.kind = kind;
        match kind {
            Type::Ascii => self.reply(200, "Files are text."),
            Type::Image => self.reply(200, "Files are bytes."),
        }
    }

    /// REST: of bytes. Where in a text a place is that is counted in bytes, nobody knows without reading
    /// all of it (RFC 3659, 5.3), and a client had better learn that now than from RETR.
    pub(super) fn restart(&mut self, offset: u64) {
        if self.session.kind == Type::Ascii && offset > 0 {
            // Nor is it what was said before.
            self.session.restart = 0;
            return self.reply(501, NO_RESTART_OF_TEXT);
        }
        self.session.restart = offset;
        self.reply(350, format!("Restarting at {offset}. Send RETR or STOR."));
    }

    /// ALLO: there is nothing to be reserved, but what will not fit can be said now.
    pub(super) fn allocate(&mut self, bytes: u64) {
        let quota = self.session.account().and_then(|account| account.store.quota());
        let left = quota.map(|quota| quota.limit().saturating_sub(quota.used()));
        match left {
            Some(left) if left < bytes => {
                self.reply(504, format!("There is room for {left} bytes only."));
            }
            _ => self.reply(202, "No allocation is necessary."),
        }
    }

    /// OPTS UTF8 and the like are with what they concern; this says what there is (RFC 2389, 4).
    pub(super) fn set_facts(&mut self, names: &[Vec<u8>]) {
        let facts = crate::transfer::ftp::server::listing::Facts::of(names);
        self.session.facts = facts;
        self.say(&Reply::new(200, format!("MLST OPTS {}", facts.names()).trim_end()));
    }
}
