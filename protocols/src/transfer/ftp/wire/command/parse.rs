//! What a line says.

use super::{
    Command, CommandError, Epsv, Mode, Opts, Protection, Secret, Site, Structure, Text, Type,
};
use crate::transfer::ftp::wire::address;
use crate::transfer::ftp::wire::address::Family;
use crate::transfer::ftp::wire::time::Timestamp;

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

/// RFC 4217, RFC 2389, RFC 3659, and drafts.
fn parse_extension(verb: &[u8], rest: &[u8]) -> Parsed {
    Some(match verb {
        b"AUTH" => parse_auth(rest),
        b"PBSZ" => number(rest).map(Command::Pbsz).ok_or(CommandError::Syntax),
        b"PROT" => parse_prot(rest).map(Command::Prot),
        b"CCC" => none(rest, Command::Ccc),
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

/// The name of TLS, and those that it had before it had one (RFC 4217, 4 and 17).
fn parse_auth(rest: &[u8]) -> Result<Command, CommandError> {
    match rest.trim_ascii().to_ascii_uppercase().as_slice() {
        b"" => Err(CommandError::Syntax),
        b"TLS" | b"TLS-C" | b"SSL" => Ok(Command::Auth),
        _ => Err(CommandError::Parameter),
    }
}

fn parse_prot(rest: &[u8]) -> Result<Protection, CommandError> {
    match rest.trim_ascii() {
        [b'C' | b'c'] => Ok(Protection::Clear),
        [b'P' | b'p'] => Ok(Protection::Private),
        [b'S' | b's' | b'E' | b'e'] => Err(CommandError::Protection),
        [_] => Err(CommandError::Parameter),
        _ => Err(CommandError::Syntax),
    }
}

/// Commands of RFC 959, 2228, 1639 and 7151 that are known, and not implemented.
fn unimplemented_or_unknown(verb: &[u8]) -> CommandError {
    match verb {
        b"SMNT" | b"ADAT" | b"MIC" | b"CONF" | b"ENC" | b"LPRT" | b"LPSV" | b"LANG" | b"HOST" => {
            CommandError::NotImplemented
        }
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
pub(in crate::transfer::ftp) fn number(text: &[u8]) -> Option<u64> {
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
}

/// Permission bits: at most four octal digits.
fn octal(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > 4 {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(text).ok()?, 8).ok().filter(|bits| *bits <= 0o777)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::transfer::ftp::wire::command::Unsendable;

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
        for line in ["AUTH ssl", "AUTH TLS", "auth tls-c"] {
            assert_eq!(parse(line), Ok(Command::Auth), "{line:?}");
        }
        assert_eq!(parse("AUTH KERBEROS_V4"), Err(CommandError::Parameter));
        assert_eq!(parse("PROT E"), Err(CommandError::Protection));
        assert_eq!(parse("PROT X"), Err(CommandError::Parameter));
        for line in ["ADAT x", "SMNT x", "LPSV"] {
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
