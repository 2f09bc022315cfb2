//! Commands: what a line of the control connection says, and how it is said.
//!
//! ```text
//!   RETR music/new song.ogg           a verb of three or four letters in any case, one space, and
//!   └─┬┘ └───────┬───────┘            the rest, spaces and all, is the argument (RFC 959, 5.3)
//!    verb     argument
//! ```

use std::fmt;
use std::net::{SocketAddr, SocketAddrV4};

use thiserror::Error;

use super::address;
use super::address::Family;
use super::time::Timestamp;

mod parse;

pub(super) use parse::number;

/// A path, a name, a password: bytes, which should be UTF-8 (RFC 2640, 2.2).
pub type Text = Vec<u8>;

/// One command.
///
/// ```
/// use protocols::transfer::ftp::command::{Command, CommandError};
/// assert_eq!(Command::parse(b"retr a song"), Ok(Command::Retr(b"a song".to_vec())));
/// assert_eq!(Command::parse(b"RETR"), Err(CommandError::Syntax));
/// assert_eq!(Command::Retr(b"a song".to_vec()).to_line()?, b"RETR a song\r\n");
/// # Ok::<(), protocols::transfer::ftp::command::Unsendable>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of RFC 959, 2428, 2389, 3659")]
pub enum Command {
    // Access control (RFC 959, 4.1.1).
    User(Text),
    Pass(Secret),
    Acct(Text),
    Cwd(Text),
    Cdup,
    Rein,
    Quit,
    // Transfer parameters (RFC 959, 4.1.2; RFC 2428).
    Port(SocketAddrV4),
    Pasv,
    Eprt(SocketAddr),
    Epsv(Epsv),
    Type(Type),
    Stru(Structure),
    Mode(Mode),
    // Service (RFC 959, 4.1.3).
    Retr(Text),
    Stor(Text),
    Stou(Option<Text>),
    Appe(Text),
    Allo(u64),
    Rest(u64),
    Rnfr(Text),
    Rnto(Text),
    Abor,
    Dele(Text),
    Rmd(Text),
    Mkd(Text),
    Pwd,
    List(Option<Text>),
    Nlst(Option<Text>),
    Site(Site),
    Syst,
    Stat(Option<Text>),
    Help(Option<Text>),
    Noop,
    // Security (RFC 2228, 4217).
    Auth,
    Pbsz(u64),
    Prot(Protection),
    Ccc,
    // Negotiation (RFC 2389).
    Feat,
    Opts(Opts),
    // Extensions (RFC 3659; draft-somers-ftp-mfxx; draft-bryan-ftpext-hash).
    Size(Text),
    Mdtm(Text),
    Mfmt(Timestamp, Text),
    Mlst(Option<Text>),
    Mlsd(Option<Text>),
    Hash(Text),
}

/// How a file is represented on its way (RFC 959, 3.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Type {
    /// Text whose lines end in CR LF (`TYPE A`, with or without the format `N`): the default.
    #[default]
    Ascii,
    /// Bytes, as they are (`TYPE I`, `TYPE L 8`).
    Image,
}

/// The structure of a file (RFC 959, 3.1.2). There is only this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    /// A run of bytes (`STRU F`).
    File,
}

/// How a file is put on the data connection (RFC 959, 3.4). There is only this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As it is, to its end (`MODE S`).
    Stream,
}

/// Whether data connections are protected (RFC 4217, 9). There is no half of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// They are not (`PROT C`).
    Clear,
    /// They speak TLS (`PROT P`).
    Private,
}

/// What `EPSV` is asked for (RFC 2428, 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epsv {
    /// A port, in the family of the control connection.
    Port,
    /// A port, in this family.
    PortOf(Family),
    /// `EPSV ALL`: nothing but EPSV will be used from now on.
    All,
}

/// What `OPTS` sets (RFC 2389, 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opts {
    /// `OPTS UTF8 ON`, or `OFF` (a habit of clients, of an expired draft).
    Utf8(bool),
    /// `OPTS MLST`, with the facts that are wanted (RFC 3659, 7.9).
    Mlst(Vec<Text>),
    /// `OPTS HASH`, with the algorithm that is wanted from now on; without one, it asks which it is.
    Hash(Option<Text>),
}

/// What `SITE` is asked to do: all that is particular to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Site {
    /// `SITE CHMOD mode path`.
    Chmod(u32, Text),
    /// `SITE UMASK`, with a new one perhaps.
    Umask(Option<u32>),
    /// `SITE HELP`.
    Help,
}

/// What is not shown to logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Text);

/// Why a line is no command; which reply it deserves is in RFC 959, 4.2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CommandError {
    /// There is no such command: 500.
    #[error("unknown command")]
    Unknown,
    /// The argument is missing, superfluous or malformed: 501.
    #[error("malformed argument")]
    Syntax,
    /// The command is one of RFC 959 or of a later one that is not implemented: 502.
    #[error("command not implemented")]
    NotImplemented,
    /// The command is implemented, not so this value of its argument: 504.
    #[error("parameter not implemented")]
    Parameter,
    /// A way to protect data that TLS does not have: 536 (RFC 2228, 3).
    #[error("unknown protection")]
    Protection,
    /// A family of addresses that there is none of: 522 (RFC 2428, 2).
    #[error("unknown network protocol")]
    Protocol,
}

/// The command has an argument that no line can hold (RFC 959, 5.3.2: no LF within a path).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the argument contains a line feed or a NUL byte")]
pub struct Unsendable;

/// How the byte 255 is said, which is what commands of Telnet begin with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Iac {
    /// Twice, as RFC 854 has it.
    #[default]
    Doubled,
    /// Once, to servers that know nothing of Telnet, and take two for two: vsftpd and Pure-FTPd are some.
    Single,
}

impl Command {
    /// The line that says it, with its end.
    ///
    /// # Errors
    ///
    /// [`Unsendable`], which is what keeps a name from being a command of its own.
    pub fn to_line(&self) -> Result<Vec<u8>, Unsendable> {
        self.to_line_with(Iac::Doubled)
    }

    /// The same, for a server that may not know Telnet.
    ///
    /// # Errors
    ///
    /// See [`to_line`](Self::to_line).
    pub fn to_line_with(&self, iac: Iac) -> Result<Vec<u8>, Unsendable> {
        let mut line = self.verb().as_bytes().to_vec();
        let argument = self.argument();
        if !argument.is_empty() {
            line.push(b' ');
        }
        for byte in argument {
            match byte {
                b'\n' => return Err(Unsendable),
                0 if !self.only_looks() => return Err(Unsendable),
                // A CR that ends no line is followed by a NUL, an IAC that commands nothing is doubled
                // (RFC 854; RFC 2640, 3.1).
                b'\r' => line.extend_from_slice(b"\r\0"),
                255 if iac == Iac::Doubled => line.extend_from_slice(&[255, 255]),
                byte => line.push(byte),
            }
        }
        line.extend_from_slice(b"\r\n");
        Ok(line)
    }

    /// Whether it changes nothing. Servers that cannot have a line feed in a name take NUL for it (vsftpd, and
    /// the one here); to others it is the end of the name, which is another name then. So it is said where
    /// nothing is lost by that.
    fn only_looks(&self) -> bool {
        matches!(
            self,
            Self::Retr(_)
                | Self::Size(_)
                | Self::Mdtm(_)
                | Self::Hash(_)
                | Self::Mlst(_)
                | Self::Mlsd(_)
        )
    }

    /// Its verb.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::User(_) => "USER",
            Self::Pass(_) => "PASS",
            Self::Acct(_) => "ACCT",
            Self::Cwd(_) => "CWD",
            Self::Cdup => "CDUP",
            Self::Rein => "REIN",
            Self::Quit => "QUIT",
            Self::Port(_) => "PORT",
            Self::Pasv => "PASV",
            Self::Eprt(_) => "EPRT",
            Self::Epsv(_) => "EPSV",
            Self::Type(_) => "TYPE",
            Self::Stru(_) => "STRU",
            Self::Mode(_) => "MODE",
            Self::Retr(_) => "RETR",
            Self::Stor(_) => "STOR",
            Self::Stou(_) => "STOU",
            Self::Appe(_) => "APPE",
            Self::Allo(_) => "ALLO",
            Self::Rest(_) => "REST",
            Self::Rnfr(_) => "RNFR",
            Self::Rnto(_) => "RNTO",
            Self::Abor => "ABOR",
            Self::Dele(_) => "DELE",
            Self::Rmd(_) => "RMD",
            Self::Mkd(_) => "MKD",
            Self::Pwd => "PWD",
            Self::List(_) => "LIST",
            Self::Nlst(_) => "NLST",
            Self::Site(_) => "SITE",
            Self::Syst => "SYST",
            Self::Stat(_) => "STAT",
            Self::Help(_) => "HELP",
            Self::Noop => "NOOP",
            Self::Auth => "AUTH",
            Self::Pbsz(_) => "PBSZ",
            Self::Prot(_) => "PROT",
            Self::Ccc => "CCC",
            Self::Feat => "FEAT",
            Self::Opts(_) => "OPTS",
            Self::Size(_) => "SIZE",
            Self::Mdtm(_) => "MDTM",
            Self::Mfmt(..) => "MFMT",
            Self::Mlst(_) => "MLST",
            Self::Mlsd(_) => "MLSD",
            Self::Hash(_) => "HASH",
        }
    }

    /// Its argument, as the line has it.
    fn argument(&self) -> Text {
        match self {
            Self::User(text) | Self::Acct(text) | Self::Cwd(text) | Self::Retr(text) => {
                text.clone()
            }
            Self::Stor(text) | Self::Appe(text) | Self::Rnfr(text) | Self::Rnto(text) => {
                text.clone()
            }
            Self::Dele(text) | Self::Rmd(text) | Self::Mkd(text) | Self::Size(text) => text.clone(),
            Self::Mdtm(text) | Self::Hash(text) => text.clone(),
            Self::Pass(Secret(text)) => text.clone(),
            Self::Stou(text) | Self::List(text) | Self::Nlst(text) | Self::Stat(text) => {
                text.clone().unwrap_or_default()
            }
            Self::Help(text) | Self::Mlst(text) | Self::Mlsd(text) => {
                text.clone().unwrap_or_default()
            }
            Self::Auth => b"TLS".to_vec(),
            Self::Prot(Protection::Clear) => b"C".to_vec(),
            Self::Prot(Protection::Private) => b"P".to_vec(),
            Self::Allo(number) | Self::Rest(number) | Self::Pbsz(number) => {
                number.to_string().into_bytes()
            }
            Self::Port(address) => address::to_port(*address).into_bytes(),
            Self::Eprt(address) => address::to_eprt(*address).into_bytes(),
            Self::Epsv(epsv) => epsv.to_string().into_bytes(),
            Self::Type(Type::Ascii) => b"A".to_vec(),
            Self::Type(Type::Image) => b"I".to_vec(),
            Self::Stru(Structure::File) => b"F".to_vec(),
            Self::Mode(Mode::Stream) => b"S".to_vec(),
            Self::Mfmt(time, path) => [time.to_string().as_bytes(), b" ", path].concat(),
            Self::Opts(opts) => opts.to_text(),
            Self::Site(site) => site.to_text(),
            Self::Cdup | Self::Rein | Self::Quit | Self::Pasv | Self::Abor | Self::Pwd => {
                Vec::new()
            }
            Self::Syst | Self::Noop | Self::Feat | Self::Ccc => Vec::new(),
        }
    }
}

impl Opts {
    fn to_text(&self) -> Text {
        match self {
            Self::Utf8(true) => b"UTF8 ON".to_vec(),
            Self::Utf8(false) => b"UTF8 OFF".to_vec(),
            Self::Mlst(facts) => {
                let mut text = b"MLST ".to_vec();
                for fact in facts {
                    text.extend_from_slice(fact);
                    text.push(b';');
                }
                text
            }
            Self::Hash(None) => b"HASH".to_vec(),
            Self::Hash(Some(name)) => [b"HASH ", name.as_slice()].concat(),
        }
    }
}

impl Site {
    fn to_text(&self) -> Text {
        match self {
            Self::Chmod(mode, path) => [format!("CHMOD {mode:03o} ").as_bytes(), path].concat(),
            Self::Umask(None) => b"UMASK".to_vec(),
            Self::Umask(Some(mask)) => format!("UMASK {mask:03o}").into_bytes(),
            Self::Help => b"HELP".to_vec(),
        }
    }
}

impl fmt::Display for Epsv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port => Ok(()),
            Self::PortOf(family) => write!(f, "{}", family.number()),
            Self::All => f.write_str("ALL"),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
