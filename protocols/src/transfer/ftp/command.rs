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

use super::address::{self, Family};
use super::time::Timestamp;

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
    /// A family of addresses that there is none of: 522 (RFC 2428, 2).
    #[error("unknown network protocol")]
    Protocol,
}

/// The command has an argument that no line can hold (RFC 959, 5.3.2: no LF within a path).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the argument contains a line feed or a NUL byte")]
pub struct Unsendable;

impl Command {
    /// Reads a line, without its end.
    ///
    /// # Errors
    ///
    /// See [`CommandError`].
    pub fn parse(line: &[u8]) -> Result<Self, CommandError> {
        let (verb, rest) = match line.iter().position(|&byte| byte == b' ') {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &b""[..]),
        };
        if !(3..=4).contains(&verb.len()) {
            return Err(CommandError::Unknown);
        }
        let verb = verb.to_ascii_uppercase();
        parse_access(&verb, rest)
            .or_else(|| parse_service(&verb, rest))
            .or_else(|| parse_extension(&verb, rest))
            .unwrap_or_else(|| Err(unimplemented_or_unknown(&verb)))
    }

    /// The line that says it, with its end.
    ///
    /// # Errors
    ///
    /// [`Unsendable`], which is what keeps a name from being a command of its own.
    pub fn to_line(&self) -> Result<Vec<u8>, Unsendable> {
        let mut line = self.verb().as_bytes().to_vec();
        let argument = self.argument();
        if !argument.is_empty() {
            line.push(b' ');
        }
        for byte in argument {
            match byte {
                b'\n' | 0 => return Err(Unsendable),
                // A CR that ends no line is followed by a NUL, an IAC that commands nothing is doubled
                // (RFC 854; RFC 2640, 3.1).
                b'\r' => line.extend_from_slice(b"\r\0"),
                255 => line.extend_from_slice(&[255, 255]),
                byte => line.push(byte),
            }
        }
        line.extend_from_slice(b"\r\n");
        Ok(line)
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
            Self::Allo(number) | Self::Rest(number) => number.to_string().into_bytes(),
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
            Self::Syst | Self::Noop | Self::Feat => Vec::new(),
        }
    }
}

type Parsed = Option<Result<Command, CommandError>>;

/// RFC 959, 4.1.1 and 4.1.2, and what replaces parts of it.
fn parse_access(verb: &[u8], rest: &[u8]) -> Parsed {
    Some(match verb {
        b"USER" => needed(rest).map(Command::User),
        // A password may be empty, and may begin with a space.
        b"PASS" => Ok(Command::Pass(Secret(rest.to_vec()))),
        b"ACCT" => needed(rest).map(Command::Acct),
        b"CWD" | b"XCWD" => needed(rest).map(Command::Cwd),
        b"CDUP" | b"XCUP" => none(rest, Command::Cdup),
        b"REIN" => none(rest, Command::Rein),
        b"QUIT" => none(rest, Command::Quit),
        b"PORT" => address::parse_port(rest).map(Command::Port).ok_or(CommandError::Syntax),
        b"PASV" => none(rest, Command::Pasv),
        b"EPRT" => address::parse_eprt(rest).map(Command::Eprt),
        b"EPSV" => Epsv::parse(rest).map(Command::Epsv),
        b"TYPE" => Type::parse(rest).map(Command::Type),
        b"STRU" => one_of(rest, b"F", b"RP").map(|()| Command::Stru(Structure::File)),
        b"MODE" => one_of(rest, b"S", b"BCZ").map(|()| Command::Mode(Mode::Stream)),
        _ => return None,
    })
}

/// RFC 959, 4.1.3.
fn parse_service(verb: &[u8], rest: &[u8]) -> Parsed {
    Some(match verb {
        b"RETR" => needed(rest).map(Command::Retr),
        b"STOR" => needed(rest).map(Command::Stor),
        b"STOU" => Ok(Command::Stou(optional(rest))),
        b"APPE" => needed(rest).map(Command::Appe),
        b"ALLO" => parse_allo(rest).map(Command::Allo).ok_or(CommandError::Syntax),
        b"REST" => number(rest).map(Command::Rest).ok_or(CommandError::Syntax),
        b"RNFR" => needed(rest).map(Command::Rnfr),
        b"RNTO" => needed(rest).map(Command::Rnto),
        b"ABOR" => none(rest, Command::Abor),
        b"DELE" => needed(rest).map(Command::Dele),
        b"RMD" | b"XRMD" => needed(rest).map(Command::Rmd),
        b"MKD" | b"XMKD" => needed(rest).map(Command::Mkd),
        b"PWD" | b"XPWD" => none(rest, Command::Pwd),
        b"LIST" => Ok(Command::List(without_options(rest))),
        b"NLST" => Ok(Command::Nlst(without_options(rest))),
        b"SITE" => Site::parse(rest).map(Command::Site),
        b"SYST" => none(rest, Command::Syst),
        b"STAT" => Ok(Command::Stat(without_options(rest))),
        b"HELP" => Ok(Command::Help(optional(rest))),
        // Some clients say something with it, to keep a connection alive.
        b"NOOP" => Ok(Command::Noop),
        _ => return None,
    })
}

/// RFC 2389, RFC 3659, and drafts.
fn parse_extension(verb: &[u8], rest: &[u8]) -> Parsed {
    Some(match verb {
        b"FEAT" => none(rest, Command::Feat),
        b"OPTS" => Opts::parse(rest).map(Command::Opts),
        b"SIZE" => needed(rest).map(Command::Size),
        b"MDTM" => needed(rest).map(Command::Mdtm),
        b"MFMT" => parse_mfmt(rest).ok_or(CommandError::Syntax),
        b"MLST" => Ok(Command::Mlst(optional(rest))),
        b"MLSD" => Ok(Command::Mlsd(optional(rest))),
        b"HASH" => needed(rest).map(Command::Hash),
        _ => return None,
    })
}

/// Commands of RFC 959, 2228, 1639 and 7151 that are known, and not implemented.
fn unimplemented_or_unknown(verb: &[u8]) -> CommandError {
    match verb {
        b"SMNT" | b"AUTH" | b"ADAT" | b"PROT" | b"PBSZ" | b"CCC" | b"MIC" | b"CONF" | b"ENC"
        | b"LPRT" | b"LPSV" | b"LANG" | b"HOST" => CommandError::NotImplemented,
        _ => CommandError::Unknown,
    }
}

fn needed(rest: &[u8]) -> Result<Text, CommandError> {
    optional(rest).ok_or(CommandError::Syntax)
}

fn optional(rest: &[u8]) -> Option<Text> {
    (!rest.is_empty()).then(|| rest.to_vec())
}

fn none(rest: &[u8], command: Command) -> Result<Command, CommandError> {
    if rest.trim_ascii().is_empty() { Ok(command) } else { Err(CommandError::Syntax) }
}

/// One letter, of which only one is implemented.
fn one_of(rest: &[u8], implemented: &[u8], known: &[u8]) -> Result<(), CommandError> {
    match rest.trim_ascii() {
        [letter] if implemented.contains(&letter.to_ascii_uppercase()) => Ok(()),
        [letter] if known.contains(&letter.to_ascii_uppercase()) => Err(CommandError::Parameter),
        _ => Err(CommandError::Syntax),
    }
}

/// A number that has digits and nothing else.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii();
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

/// `ALLO bytes`, or `ALLO bytes R record`.
fn parse_allo(rest: &[u8]) -> Option<u64> {
    let mut words = rest.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let bytes = number(words.next()?)?;
    match (words.next(), words.next(), words.next()) {
        (None, ..) => Some(bytes),
        (Some(b"R" | b"r"), Some(size), None) => number(size).map(|_| bytes),
        _ => None,
    }
}

/// A path without the options of `ls` that many clients put before it. What they ask for, all names and
/// long lines, is what they get anyway.
fn without_options(rest: &[u8]) -> Option<Text> {
    let mut rest = rest;
    while rest.starts_with(b"-") {
        let end = rest.iter().position(|&byte| byte == b' ').unwrap_or(rest.len());
        let options = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        if options == b"--" {
            break;
        }
    }
    optional(rest)
}

fn parse_mfmt(rest: &[u8]) -> Option<Command> {
    let at = rest.iter().position(|&byte| byte == b' ')?;
    let time = Timestamp::parse(&rest[..at])?;
    Some(Command::Mfmt(time, optional(&rest[at + 1..])?))
}

/// The first word, in capitals, and the rest.
fn first_word(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let end = text.iter().position(|&byte| byte == b' ').unwrap_or(text.len());
    (text[..end].to_ascii_uppercase(), text.get(end + 1..).unwrap_or_default())
}

impl Type {
    fn parse(rest: &[u8]) -> Result<Self, CommandError> {
        match rest.trim_ascii().to_ascii_uppercase().as_slice() {
            b"A" | b"A N" => Ok(Self::Ascii),
            b"I" | b"L 8" | b"L8" => Ok(Self::Image),
            b"E" | b"E N" | b"E T" | b"E C" | b"A T" | b"A C" => Err(CommandError::Parameter),
            text if text.starts_with(b"L") && number(&text[1..]).is_some() => {
                Err(CommandError::Parameter)
            }
            _ => Err(CommandError::Syntax),
        }
    }
}

impl Epsv {
    fn parse(rest: &[u8]) -> Result<Self, CommandError> {
        match rest.trim_ascii() {
            b"" => Ok(Self::Port),
            text if text.eq_ignore_ascii_case(b"ALL") => Ok(Self::All),
            text => match number(text) {
                Some(number) => Family::from_number(number).map(Self::PortOf),
                None => Err(CommandError::Syntax),
            },
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

impl Opts {
    fn parse(rest: &[u8]) -> Result<Self, CommandError> {
        let (name, value) = first_word(rest);
        let value = value.trim_ascii();
        match name.as_slice() {
            b"" => Err(CommandError::Syntax),
            b"UTF8" | b"UTF-8" => match value.to_ascii_uppercase().as_slice() {
                b"" | b"ON" => Ok(Self::Utf8(true)),
                b"OFF" => Ok(Self::Utf8(false)),
                _ => Err(CommandError::Syntax),
            },
            b"MLST" => Ok(Self::Mlst(
                value
                    .split(|&byte| byte == b';')
                    .filter(|it| !it.is_empty())
                    .map(<[u8]>::to_vec)
                    .collect(),
            )),
            b"HASH" => Ok(Self::Hash(optional(value))),
            _ => Err(CommandError::Syntax),
        }
    }

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
    fn parse(rest: &[u8]) -> Result<Self, CommandError> {
        let (name, value) = first_word(rest);
        match name.as_slice() {
            b"CHMOD" => {
                let (mode, path) = first_word(value);
                let mode = octal(&mode).ok_or(CommandError::Syntax)?;
                Ok(Self::Chmod(mode, needed(path)?))
            }
            b"UMASK" if value.is_empty() => Ok(Self::Umask(None)),
            b"UMASK" => octal(value.trim_ascii())
                .map(|mask| Self::Umask(Some(mask)))
                .ok_or(CommandError::Syntax),
            b"HELP" => Ok(Self::Help),
            b"" => Err(CommandError::Syntax),
            _ => Err(CommandError::Parameter),
        }
    }

    fn to_text(&self) -> Text {
        match self {
            Self::Chmod(mode, path) => [format!("CHMOD {mode:03o} ").as_bytes(), path].concat(),
            Self::Umask(None) => b"UMASK".to_vec(),
            Self::Umask(Some(mask)) => format!("UMASK {mask:03o}").into_bytes(),
            Self::Help => b"HELP".to_vec(),
        }
    }
}

/// Permission bits: at most four octal digits.
fn octal(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > 4 {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(text).ok()?, 8).ok().filter(|bits| *bits <= 0o777)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(line: &str) -> Result<Command, CommandError> {
        Command::parse(line.as_bytes())
    }

    #[test]
    fn a_verb_may_be_in_any_case_and_the_argument_keeps_its_spaces() {
        assert_eq!(parse("cwd  two  spaces "), Ok(Command::Cwd(b" two  spaces ".to_vec())));
        assert_eq!(parse("xpwd"), Ok(Command::Pwd));
        assert_eq!(parse("NOOP whatever"), Ok(Command::Noop));
        assert_eq!(parse("PASS"), Ok(Command::Pass(Secret(Vec::new()))));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_told_apart() {
        for line in ["", "X", "HELLO", "\r", "MLSDX", "XYZ 1"] {
            assert_eq!(parse(line), Err(CommandError::Unknown), "{line:?}");
        }
        for line in [
            "USER",
            "RETR ",
            "PWD now",
            "PORT 1,2,3",
            "TYPE",
            "TYPE X",
            "ALLO x",
            "ALLO 1 R",
            "REST -1",
        ] {
            assert_eq!(parse(line), Err(CommandError::Syntax), "{line:?}");
        }
        for line in [
            "REST 99999999999999999999",
            "SITE CHMOD 888 a",
            "SITE CHMOD 644",
            "MFMT 1999 a",
            "OPTS X",
        ] {
            assert_eq!(parse(line), Err(CommandError::Syntax), "{line:?}");
        }
        for line in ["TYPE E", "TYPE L 36", "STRU R", "MODE B", "MODE Z", "SITE REBOOT"] {
            assert_eq!(parse(line), Err(CommandError::Parameter), "{line:?}");
        }
        for line in ["AUTH TLS", "SMNT x", "LPSV"] {
            assert_eq!(parse(line), Err(CommandError::NotImplemented), "{line:?}");
        }
        assert_eq!(parse("EPSV 3"), Err(CommandError::Protocol));
    }

    #[test]
    fn types_have_several_spellings() {
        for line in ["TYPE A", "TYPE a n", "type A N"] {
            assert_eq!(parse(line), Ok(Command::Type(Type::Ascii)), "{line:?}");
        }
        for line in ["TYPE I", "TYPE L 8", "TYPE i"] {
            assert_eq!(parse(line), Ok(Command::Type(Type::Image)), "{line:?}");
        }
    }

    #[test]
    fn options_of_ls_are_no_path() {
        assert_eq!(parse("LIST"), Ok(Command::List(None)));
        assert_eq!(parse("LIST -la"), Ok(Command::List(None)));
        assert_eq!(parse("LIST -l -a a b"), Ok(Command::List(Some(b"a b".to_vec()))));
        assert_eq!(parse("NLST -- -x"), Ok(Command::Nlst(Some(b"-x".to_vec()))));
    }

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(format!("{:?}", parse("PASS secret")), "Ok(Pass(Secret(…)))");
    }

    #[test]
    fn a_name_cannot_be_a_command_of_its_own() {
        assert_eq!(Command::Retr(b"a\r\nDELE b".to_vec()).to_line(), Err(Unsendable));
        assert_eq!(Command::Retr(b"a\rb".to_vec()).to_line(), Ok(b"RETR a\r\0b\r\n".to_vec()));
    }

    #[test]
    fn what_is_said_is_what_is_understood() {
        let lines = [
            "USER ann",
            "PASS x y",
            "ACCT a",
            "CWD /a b",
            "CDUP",
            "REIN",
            "QUIT",
            "PORT 127,0,0,1,4,1",
            "PASV",
            "EPRT |2|::1|1025|",
            "EPSV",
            "EPSV 1",
            "EPSV ALL",
            "TYPE A",
            "TYPE I",
            "STRU F",
            "MODE S",
            "RETR a",
            "STOR a",
            "STOU",
            "APPE a",
            "ALLO 5",
            "REST 7",
            "RNFR a",
            "RNTO b",
            "ABOR",
            "DELE a",
            "RMD a",
            "MKD a",
            "PWD",
            "LIST a",
            "NLST",
            "SITE CHMOD 644 a b",
            "SITE UMASK 022",
            "SITE HELP",
            "SYST",
            "STAT",
            "HELP RETR",
            "NOOP",
            "FEAT",
            "OPTS UTF8 ON",
            "OPTS MLST size;type;",
            "OPTS HASH SHA-256",
            "SIZE a",
            "MDTM a",
            "MFMT 20260101120000 a b",
            "MLST a",
            "MLSD",
            "HASH a",
        ];
        for line in lines {
            let command = parse(line).expect(line);
            assert_eq!(command.to_line(), Ok(format!("{line}\r\n").into_bytes()));
        }
    }

    proptest! {
        #[test]
        fn any_line_is_understood_or_refused(line in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Command::parse(&line);
        }

        #[test]
        fn what_is_understood_is_understood_again(line in "(RETR|OPTS|SITE|EPRT|PORT|MFMT|LIST|TYPE|ALLO) [ -~]{0,40}") {
            if let Ok(command) = Command::parse(line.as_bytes()) {
                let again = command.to_line().expect("no line end in it");
                prop_assert_eq!(Command::parse(again.strip_suffix(b"\r\n").expect("it ends")), Ok(command));
            }
        }
    }
}
