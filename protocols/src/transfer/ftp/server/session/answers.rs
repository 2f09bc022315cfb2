//! What the server says of itself.

use super::Conversation;
use super::state::{Session, Work};
use crate::transfer::ftp::wire::command::{Command, CommandError, Opts, Type};
use crate::transfer::ftp::wire::reply::Reply;

/// What there is, as HELP shows it.
const COMMANDS: [&str; 6] = [
    "USER PASS ACCT CWD  CDUP REIN QUIT PORT PASV",
    "EPRT EPSV TYPE STRU MODE RETR STOR STOU APPE",
    "ALLO REST RNFR RNTO ABOR DELE RMD  MKD  PWD",
    "LIST NLST SITE SYST STAT HELP NOOP FEAT OPTS",
    "SIZE MDTM MFMT MLST MLSD HASH AUTH PBSZ PROT",
    "(XCWD XCUP XPWD XMKD XRMD as without the X)",
];

impl Conversation<'_> {
    /// SYST. Clients take it for the format of lists.
    pub(super) fn system(&mut self) {
        self.reply(215, "UNIX Type: L8");
    }

    /// HELP.
    pub(super) fn help(&mut self, about: Option<&[u8]>) {
        let Some(about) = about else {
            return self.say(&Reply::with_lines(214, "There is:", COMMANDS, "End of help."));
        };
        if about.trim_ascii().eq_ignore_ascii_case(b"SITE") {
            return self.site_help();
        }
        let verb = about.trim_ascii().to_ascii_uppercase();
        // Whatever its argument is, a command that there is would not be unknown.
        match Command::parse(&verb) {
            Err(CommandError::Unknown) => self.reply(501, "There is no such command."),
            Err(CommandError::NotImplemented) => self.reply(502, "That is not implemented."),
            _ => self.reply(214, [b"There is ", &verb[..], b"."].concat()),
        }
    }

    /// SITE HELP.
    pub(super) fn site_help(&mut self) {
        let lines = ["CHMOD mode path", "UMASK [mask]", "HELP"];
        self.say(&Reply::with_lines(214, "SITE commands:", lines, "End of help."));
    }

    /// FEAT (RFC 2389, 3): what there is beyond RFC 959.
    pub(super) fn features(&mut self) {
        let facts = format!("MLST {}", self.session.facts.offer());
        let security = ["AUTH TLS", "PBSZ", "PROT"].into_iter().filter(|_| self.offers_tls());
        let security: Vec<_> = security.collect();
        let lines = ["EPRT", "EPSV", "HASH SHA-256*", "MDTM", "MFMT", &facts];
        let lines = lines.into_iter().chain(["REST STREAM", "SIZE", "TVFS", "UTF8"]);
        let lines = security.into_iter().chain(lines);
        self.say(&Reply::with_lines(211, "Extensions supported:", lines, "END"));
    }

    /// OPTS (RFC 2389, 4).
    pub(super) fn options(&mut self, opts: Opts) {
        match opts {
            Opts::Utf8(true) => self.reply(200, "Names are in UTF-8."),
            Opts::Utf8(false) => self.reply(504, "Names are in UTF-8, always."),
            Opts::Mlst(names) => self.set_facts(&names),
            Opts::Hash(None) => self.reply(200, "SHA-256"),
            Opts::Hash(Some(name)) if name.eq_ignore_ascii_case(b"SHA-256") => {
                self.reply(200, "SHA-256");
            }
            Opts::Hash(Some(_)) => self.reply(504, "There is only SHA-256."),
        }
    }

    /// STAT: how it stands with the session, and with a transfer if there is one.
    pub(super) fn status(&mut self) {
        let Session { peer, kind, directory, work, .. } = &*self.session;
        let kind = match kind {
            Type::Ascii => "ASCII",
            Type::Image => "Image",
        };
        let mut lines = vec![
            format!("Connected from {peer}").into_bytes(),
            format!("Logged in as {}", self.session.user()).into_bytes(),
            [b"In ", directory.as_bytes()].concat(),
            format!("TYPE: {kind}; STRU: File; MODE: Stream").into_bytes(),
        ];
        lines.push(match work {
            Work::Transfer(running) => running.describe(),
            Work::Idle | Work::Busy | Work::Aborting(..) | Work::Over => {
                b"Nothing is being transferred".to_vec()
            }
        });
        self.say(&Reply::with_lines(211, "Status:", lines, "End of status."));
    }
}
