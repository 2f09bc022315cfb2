//! Registering: capabilities, logging in, a nick that is free (modern.ircdocs.horse, "Connection
//! Registration"; IRCv3 capability negotiation and SASL 3.1).

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;

use super::{Failure, Login, Options};
use crate::chat::{Builder, Message};

/// What is asked for, where the server has it.
const WANTED: &str = "account-notify account-tag away-notify batch cap-notify chghost \
                      draft/chathistory echo-message extended-join invite-notify message-tags \
                      multi-prefix sasl server-time setname standard-replies userhost-in-names";

/// Bytes of an encoded password in one line (SASL 3.1).
const CHUNK: usize = 400;

/// Words of capabilities that are listened to. No server has half as many.
const MOST_OFFERED: usize = 256;

/// Nicks that are tried with underscores before one with a number.
const UNDERSCORES: usize = 2;

/// The conversation up to the server's welcome.
///
/// ```text
///               CAP LS 302, NICK, USER
///                        │
///   Listing ──CAP REQ──▶ Asked ──AUTHENTICATE──▶ LoggingIn ──CAP END──▶ Ended
///      │ nothing wanted   │ no login                                    ▲
///      └──────────────────┴─────────────────────────────────────────────┘
/// ```
#[derive(Clone, Debug)]
pub(super) struct Handshake {
    stage: Stage,
    login: Option<Login>,
    wants_echo: bool,
    wants_history: bool,
    wanted_nick: String,
    alternatives: Vec<String>,
    /// How many nicks have been tried.
    tried: usize,
    /// The nick that is being tried.
    nick: String,
    offered: BTreeSet<String>,
    enabled: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Listing,
    Asked,
    LoggingIn,
    Ended,
}

type Lines = Vec<Bytes>;

impl Handshake {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            stage: Stage::Listing,
            login: options.login.clone(),
            wants_echo: options.echo,
            wants_history: options.history > 0,
            wanted_nick: options.nick.clone(),
            alternatives: options.alternatives.clone(),
            tried: 0,
            nick: options.nick.clone(),
            offered: BTreeSet::new(),
            enabled: BTreeSet::new(),
        }
    }

    /// The first lines.
    pub(super) fn begin(&self, options: &Options) -> Result<Lines, Failure> {
        let mut lines = Vec::new();
        if let Some(password) = &options.password {
            lines.push(line(Builder::new().command("PASS").text(password))?);
        }
        let user = options.user.clone().unwrap_or_else(|| user_name(&options.nick));
        let real_name = options.real_name.as_deref().unwrap_or(&options.nick);
        let user =
            Builder::new().command("USER").param(&user).param("0").param("*").text(real_name);
        lines.push(line(Builder::new().command("CAP").param("LS").param("302"))?);
        lines.push(line(Builder::new().command("NICK").param(&self.nick))?);
        lines.push(line(user)?);
        Ok(lines)
    }

    /// Takes a message that came before the welcome; what to say to it.
    pub(super) fn handle(&mut self, message: &Message<'_>, random: u64) -> Result<Lines, Failure> {
        let text = message.params().last().copied().unwrap_or_default();
        match (message.command, self.stage) {
            ("CAP", _) => self.handle_capabilities(message),
            ("AUTHENTICATE", Stage::LoggingIn) if text == "+" => self.authenticate(),
            // It comes before the numeric, which says the same as to somebody whose password is wrong.
            ("FAIL", Stage::LoggingIn)
                if matches!(message.params(), ["AUTHENTICATE", "TEMPORARILY_UNAVAILABLE", ..]) =>
            {
                Err(Failure::PutOff(text.to_owned()))
            }
            // Whoever is locked out, or sent a mechanism it does not know, is told by one of these.
            ("902" | "904" | "905" | "906" | "908", Stage::LoggingIn) => {
                Err(Failure::Login(text.to_owned()))
            }
            ("903" | "907", Stage::LoggingIn) => self.end(),
            ("433" | "436" | "437", _) => self.try_another_nick(random),
            ("432", _) if self.tried < self.alternatives.len() => self.try_another_nick(random),
            ("432", _) => Err(Failure::BadNick { nick: self.nick.clone(), text: text.to_owned() }),
            ("464" | "465", _) => Err(Failure::Refused(text.to_owned())),
            // A server of before there were capabilities: it goes on by itself.
            ("410" | "421", Stage::Listing) if self.login.is_some() => Err(no_login()),
            _ => Ok(Vec::new()),
        }
    }

    /// The server has welcomed one. Servers without capabilities do it without having been asked.
    pub(super) fn finish(&self) -> Result<(), Failure> {
        if self.login.is_some() && self.stage != Stage::Ended {
            return Err(no_login());
        }
        Ok(())
    }

    /// The nick that is being tried.
    pub(super) fn nick(&self) -> &str {
        &self.nick
    }

    /// What the server has agreed to.
    pub(super) fn enabled(&self) -> &BTreeSet<String> {
        &self.enabled
    }

    fn handle_capabilities(&mut self, message: &Message<'_>) -> Result<Lines, Failure> {
        let verb = message.param(1).unwrap_or_default();
        let words = message.params().last().copied().unwrap_or_default().split_ascii_whitespace();
        match (verb, self.stage) {
            ("LS", Stage::Listing) => {
                for word in words.take(MOST_OFFERED.saturating_sub(self.offered.len())) {
                    self.offered.insert(word.to_owned());
                }
                // An asterisk says that there are more to come.
                if message.param(2) == Some("*") && message.params().len() > 3 {
                    return Ok(Vec::new());
                }
                self.ask()
            }
            ("ACK", Stage::Asked) => {
                self.enabled.extend(words.map(str::to_owned));
                if self.login.is_some() { self.log_in() } else { self.end() }
            }
            ("NAK", Stage::Asked) if self.login.is_some() => Err(no_login()),
            ("NAK", Stage::Asked) => self.end(),
            _ => Ok(Vec::new()),
        }
    }

    fn ask(&mut self) -> Result<Lines, Failure> {
        let offers = |name: &str| {
            self.offered.iter().any(|it| it.split_once('=').map_or(it.as_str(), |it| it.0) == name)
        };
        let wanted = WANTED.split(' ').filter(|name| match *name {
            "sasl" => self.login.is_some(),
            "echo-message" => self.wants_echo,
            "batch" | "draft/chathistory" => self.wants_history,
            _ => true,
        });
        let asked: Vec<_> = wanted.filter(|name| offers(name)).collect();
        if self.login.is_some() && !self.can_log_in(&asked) {
            return Err(no_login());
        }
        if asked.is_empty() {
            return self.end();
        }
        self.stage = Stage::Asked;
        let request = Builder::new().command("CAP").param("REQ").text(&asked.join(" "));
        Ok(vec![line(request)?])
    }

    /// Whether there is SASL, and if it says which kinds, the plain one.
    fn can_log_in(&self, asked: &[&str]) -> bool {
        let kinds = self.offered.iter().find_map(|it| it.strip_prefix("sasl="));
        asked.contains(&"sasl") && kinds.is_none_or(|it| it.split(',').any(|kind| kind == "PLAIN"))
    }

    fn log_in(&mut self) -> Result<Lines, Failure> {
        if !self.enabled.contains("sasl") {
            return Err(no_login());
        }
        self.stage = Stage::LoggingIn;
        Ok(vec![line(Builder::new().command("AUTHENTICATE").param("PLAIN"))?])
    }

    /// Name and password (RFC 4616), in pieces; a last one that is full is followed by an empty one.
    fn authenticate(&self) -> Result<Lines, Failure> {
        let Some(Login { account, password }) = &self.login else { return Err(no_login()) };
        let encoded = BASE64.encode(format!("{account}\0{account}\0{password}"));
        let mut pieces: Vec<_> = encoded.as_bytes().chunks(CHUNK).collect();
        if encoded.len() % CHUNK == 0 {
            pieces.push(b"+");
        }
        let piece = |piece: &[u8]| {
            let text = String::from_utf8_lossy(piece);
            line(Builder::new().command("AUTHENTICATE").param(&text))
        };
        pieces.into_iter().map(piece).collect()
    }

    fn end(&mut self) -> Result<Lines, Failure> {
        self.stage = Stage::Ended;
        Ok(vec![line(Builder::new().command("CAP").param("END"))?])
    }

    fn try_another_nick(&mut self, random: u64) -> Result<Lines, Failure> {
        let wanted = &self.wanted_nick;
        let number = self.tried.saturating_sub(self.alternatives.len());
        self.nick = match self.alternatives.get(self.tried) {
            Some(alternative) => alternative.clone(),
            None if number < UNDERSCORES => format!("{wanted}{}", "_".repeat(number + 1)),
            // Nine letters is what the oldest servers allow, and those of a number are enough of them.
            None => format!("{}{:03}", wanted.chars().take(6).collect::<String>(), random % 1_000),
        };
        self.tried += 1;
        Ok(vec![line(Builder::new().command("NICK").param(&self.nick))?])
    }
}

fn no_login() -> Failure {
    Failure::Login("the server has no way to log in by name and password".to_owned())
}

/// A line of ours. It cannot be written if somebody's options are no words of the protocol.
fn line(builder: Builder) -> Result<Bytes, Failure> {
    builder.finish().map(Bytes::from).map_err(Failure::Options)
}

/// A user name like a nick: letters and digits of it.
fn user_name(nick: &str) -> String {
    let name: String = nick.chars().filter(char::is_ascii_alphanumeric).take(10).collect();
    if name.is_empty() { "user".to_owned() } else { name.to_ascii_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options::new("127.0.0.1:6667".parse().expect("an address"), "ann")
    }

    fn with_login() -> Options {
        let login = Login { account: "ann".into(), password: "secret".into() };
        Options { login: Some(login), ..options() }
    }

    fn text(lines: &[Bytes]) -> String {
        let lines = lines.iter().map(|line| String::from_utf8_lossy(line).trim_end().to_owned());
        lines.collect::<Vec<_>>().join(" | ")
    }

    /// The server says this, the client answers that.
    #[track_caller]
    fn says(handshake: &mut Handshake, line: &str) -> String {
        let message = Message::parse(line.as_bytes()).expect("a message");
        text(&handshake.handle(&message, 7).unwrap_or_else(|failure| panic!("{line}: {failure}")))
    }

    #[track_caller]
    fn fails(handshake: &mut Handshake, line: &str) -> Failure {
        let message = Message::parse(line.as_bytes()).expect("a message");
        handshake.handle(&message, 7).expect_err("it gives up")
    }

    #[test]
    fn registering_asks_for_what_is_there_and_wanted() {
        let options = Options { password: Some("let me in".into()), ..options() };
        let mut it = Handshake::new(&options);
        let first = text(&it.begin(&options).expect("it can be said"));
        assert_eq!(first, "PASS :let me in | CAP LS 302 | NICK ann | USER ann 0 * :ann");
        assert_eq!(says(&mut it, "CAP * LS * :sasl=PLAIN echo-message batch"), "");
        assert_eq!(
            says(&mut it, "CAP * LS :server-time multi-prefix"),
            "CAP REQ :multi-prefix server-time"
        );
        assert_eq!(says(&mut it, "CAP * ACK :multi-prefix server-time"), "CAP END");
        assert_eq!(it.finish(), Ok(()));
        assert!(it.enabled().contains("server-time"));
    }

    #[test]
    fn a_server_without_capabilities_welcomes_all_the_same() {
        let mut it = Handshake::new(&options());
        assert_eq!(says(&mut it, ":s 421 ann CAP :Unknown command"), "");
        assert_eq!(it.finish(), Ok(()));
    }

    #[test]
    fn logging_in_says_name_and_password_and_waits() {
        let mut it = Handshake::new(&with_login());
        assert_eq!(says(&mut it, "CAP * LS :sasl=EXTERNAL,PLAIN"), "CAP REQ :sasl");
        assert_eq!(says(&mut it, "CAP * ACK :sasl"), "AUTHENTICATE PLAIN");
        let secret = BASE64.encode("ann\0ann\0secret");
        assert_eq!(says(&mut it, "AUTHENTICATE +"), format!("AUTHENTICATE {secret}"));
        assert_eq!(says(&mut it, ":s 900 ann ann!a@h ann :You are now logged in"), "");
        assert_eq!(says(&mut it, ":s 903 ann :SASL authentication successful"), "CAP END");
        assert_eq!(it.finish(), Ok(()));
    }

    #[test]
    fn a_long_password_is_said_in_pieces() {
        // "ann\0ann\0" and so many letters; three bytes are four when encoded.
        for (letters, pieces) in [(289, &[396][..]), (292, &[400, 1]), (295, &[400, 4])] {
            let mut options = with_login();
            options.login.as_mut().expect("it is there").password = "x".repeat(letters);
            let mut it = Handshake::new(&options);
            says(&mut it, "CAP * LS :sasl");
            says(&mut it, "CAP * ACK :sasl");
            let said = says(&mut it, "AUTHENTICATE +");
            let lengths: Vec<_> =
                said.split(" | ").map(|it| it.len() - "AUTHENTICATE ".len()).collect();
            assert_eq!(lengths, pieces, "{letters}");
        }
    }

    #[test]
    fn who_cannot_log_in_gives_up() {
        let login = |lines: &[&str]| {
            let mut it = Handshake::new(&with_login());
            let (last, before) = lines.split_last().expect("there are some");
            before.iter().for_each(|line| drop(says(&mut it, line)));
            assert!(matches!(fails(&mut it, last), Failure::Login(_)), "{last}");
        };
        login(&["CAP * LS :server-time"]);
        login(&["CAP * LS :sasl=EXTERNAL"]);
        login(&[":s 421 * CAP :Unknown command"]);
        login(&["CAP * LS :sasl", "CAP * NAK :sasl"]);
        let until = ["CAP * LS :sasl", "CAP * ACK :sasl", "AUTHENTICATE +"];
        login(&[&until[..], &[":s 904 * :SASL authentication failed"]].concat());
        assert!(Handshake::new(&with_login()).finish().is_err(), "a welcome without it is none");
    }

    #[test]
    fn a_nick_that_is_taken_gives_way_to_another() {
        let mut it = Handshake::new(&Options { alternatives: vec!["annie".into()], ..options() });
        let taken = ":s 433 * ann :Nickname is already in use";
        let tried: Vec<_> = (0..4).map(|_| says(&mut it, taken)).collect();
        assert_eq!(tried, ["NICK annie", "NICK ann_", "NICK ann__", "NICK ann007"]);
        let failure = fails(&mut it, ":s 432 * ann007 :Erroneous nickname");
        assert_eq!(failure.to_string(), "the nick 'ann007' is refused: Erroneous nickname");
    }

    #[test]
    fn who_is_not_wanted_gives_up() {
        for line in [":s 464 * :Password incorrect", ":s 465 * :You are banned"] {
            assert!(fails(&mut Handshake::new(&options()), line).is_final());
        }
    }

    #[test]
    fn a_nick_of_two_words_is_our_fault_and_not_the_servers() {
        let options = Options { nick: "two words".into(), ..options() };
        let failure = Handshake::new(&options).begin(&options).expect_err("it cannot be said");
        assert!(failure.is_final() && failure.to_string().starts_with("our own"), "{failure}");
    }
}
