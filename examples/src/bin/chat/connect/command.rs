//! What somebody types, taken apart.

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Say something where one is.
    Say(String),
    Act(String),
    Message {
        target: String,
        text: String,
    },
    Notice {
        target: String,
        text: String,
    },
    Join {
        channel: String,
        key: Option<String>,
    },
    /// Leave a channel: the one named, or where one is.
    Part {
        channel: Option<String>,
        reason: String,
    },
    Nick(String),
    /// Show a channel's topic, or set it.
    Topic {
        channel: Option<String>,
        text: Option<String>,
    },
    Names(Option<String>),
    Kick {
        channel: Option<String>,
        nick: String,
        reason: String,
    },
    Invite {
        nick: String,
        channel: Option<String>,
    },
    /// Talk to somebody, or go to a channel, from now on.
    Query(String),
    /// Go to a window by its number.
    Window(usize),
    /// Close the window.
    Close,
    Clear,
    Reconnect,
    Help,
    Quit(String),
    /// Anything else: as the protocol has it.
    Raw(String),
}

/// What there is to type: the words, and what they do.
pub(super) const HELP: [(&str, &str); 20] = [
    ("text", "say it where you are; // at the beginning is a text that begins with /"),
    ("/join #channel [key]", "go to a channel"),
    ("/part [#channel] [reason]", "leave it"),
    ("/msg who text", "say something to somebody, or to another channel"),
    ("/notice who text", "say something that no program answers"),
    ("/me text", "do something"),
    ("/query who", "talk to somebody from now on, or to a channel you are on"),
    ("/nick name", "be called something else"),
    ("/names [#channel]", "who is there"),
    ("/topic [#channel] [text]", "what it is about, or shall be"),
    ("/whois who", "who somebody is"),
    ("/away [reason]", "say that you are away, or are back"),
    ("/kick who [reason]", "throw somebody out"),
    ("/invite who [#channel]", "ask somebody in"),
    ("/mode what [change]", "see or change how a channel is set"),
    ("/list [filter]", "which channels there are"),
    ("/window N, /close, /clear", "go to a window, close it, empty it"),
    ("/reconnect", "do not wait to connect again"),
    ("/quote line", "anything else, as the protocol has it"),
    ("/quit [reason]", "goodbye"),
];

/// What somebody typed makes no sense; the text says what would.
pub(super) type Nonsense = &'static str;

impl Command {
    /// Takes a line apart; `None` if it is empty.
    pub(super) fn parse(line: &str) -> Option<Result<Self, Nonsense>> {
        let line = line.trim_end_matches(['\r', '\n']);
        match line.strip_prefix('/') {
            None if line.is_empty() => None,
            None => Some(Ok(Self::Say(line.to_owned()))),
            Some(rest) if rest.starts_with('/') => Some(Ok(Self::Say(rest.to_owned()))),
            Some(rest) => {
                let (name, rest) = word(rest);
                Some(Self::of(&name.to_ascii_lowercase(), rest))
            }
        }
    }

    /// Whether a line is a command that is of use while one is not connected.
    pub(super) fn is_for_any_time(line: &str) -> bool {
        matches!(Self::parse(line), Some(Ok(Self::Reconnect | Self::Quit(_) | Self::Help)))
    }

    /// Whether it is something for the server to do, other than to pass a text on.
    pub(super) fn is_for_server(&self) -> bool {
        match self {
            Self::Join { .. } | Self::Part { .. } | Self::Nick(_) | Self::Topic { .. } => true,
            Self::Names(_) | Self::Kick { .. } | Self::Invite { .. } | Self::Raw(_) => true,
            Self::Say(_) | Self::Act(_) | Self::Message { .. } | Self::Notice { .. } => false,
            Self::Query(_) | Self::Window(_) | Self::Close | Self::Clear => false,
            Self::Reconnect | Self::Help | Self::Quit(_) => false,
        }
    }

    fn of(name: &str, rest: &str) -> Result<Self, Nonsense> {
        Ok(match name {
            "me" => Self::Act(needed(rest, "/me text")?.to_owned()),
            "msg" | "m" => {
                let [target, text] = two(rest, "/msg who text")?;
                Self::Message { target, text }
            }
            "notice" => {
                let [target, text] = two(rest, "/notice who text")?;
                Self::Notice { target, text }
            }
            "join" | "j" => {
                let usage = "/join #channel [key]";
                let (channel, key) = word(needed(rest, usage)?);
                let key = (!key.is_empty()).then(|| key.to_owned());
                let channel = with_hash(channel);
                Self::Join { channel: needed(&channel, usage)?.to_owned(), key }
            }
            "part" | "leave" => {
                let (channel, reason) = channel_and_text(rest);
                Self::Part { channel, reason: reason.to_owned() }
            }
            "nick" => Self::Nick(needed(rest, "/nick name")?.to_owned()),
            "topic" | "t" => {
                let (channel, text) = channel_and_text(rest);
                Self::Topic { channel, text: (!text.is_empty()).then(|| text.to_owned()) }
            }
            "names" | "n" => Self::Names(channel_and_text(rest).0),
            "kick" | "k" => {
                let (channel, rest) = channel_and_text(rest);
                let (nick, reason) = word(needed(rest, "/kick who [reason]")?);
                Self::Kick { channel, nick: nick.to_owned(), reason: reason.to_owned() }
            }
            "invite" => {
                let (nick, rest) = word(needed(rest, "/invite who [#channel]")?);
                Self::Invite { nick: nick.to_owned(), channel: channel_and_text(rest).0 }
            }
            "query" | "q" => Self::Query(needed(rest, "/query who")?.to_owned()),
            "window" | "win" | "w" => {
                Self::Window(rest.trim().parse().map_err(|_| "/window N, a number")?)
            }
            "close" => Self::Close,
            "clear" => Self::Clear,
            "reconnect" => Self::Reconnect,
            "help" | "h" => Self::Help,
            "quit" | "exit" => Self::Quit(rest.to_owned()),
            "quote" | "raw" => Self::Raw(needed(rest, "/quote line")?.to_owned()),
            "whois" | "wi" => {
                let who = needed(rest, "/whois who")?;
                // Twice, so that whoever is on another server is asked how long they said nothing.
                Self::Raw(format!("WHOIS {who} {who}"))
            }
            "away" if rest.is_empty() => Self::Raw("AWAY".to_owned()),
            "away" => Self::Raw(format!("AWAY :{rest}")),
            "mode" | "list" | "who" | "oper" | "motd" | "stats" | "ns" | "cs" | "whowas"
            | "lusers" | "version" | "monitor" | "setname" | "wallops" | "kill" | "rehash"
            | "register" | "verify" => {
                let line = format!("{} {rest}", name.to_ascii_uppercase());
                Self::Raw(line.trim_end().to_owned())
            }
            _ => return Err("there is no such command; /help shows what there is"),
        })
    }
}

/// The first word, and the rest.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_once(' ').map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

fn needed(text: &str, usage: Nonsense) -> Result<&str, Nonsense> {
    if text.trim().is_empty() { Err(usage) } else { Ok(text.trim()) }
}

/// A word and a text, both of which have to be there.
fn two(text: &str, usage: Nonsense) -> Result<[String; 2], Nonsense> {
    let (first, rest) = word(text);
    if first.is_empty() || rest.is_empty() {
        return Err(usage);
    }
    Ok([first.to_owned(), rest.to_owned()])
}

/// A channel, if there is one, and the rest.
fn channel_and_text(text: &str) -> (Option<String>, &str) {
    match word(text) {
        (channel, rest) if channel.starts_with(['#', '&']) => (Some(channel.to_owned()), rest),
        _ => (None, text.trim_start()),
    }
}

/// Who leaves the `#` out means it all the same.
fn with_hash(channels: &str) -> String {
    let whole = |name: &str| {
        let is_whole = name.starts_with(['#', '&', '+', '!']);
        if is_whole { name.to_owned() } else { format!("#{name}") }
    };
    let names = channels.split(',').filter(|name| !name.is_empty());
    names.map(whole).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Command {
        Command::parse(line).expect("it is not empty").unwrap_or_else(|why| panic!("{line}: {why}"))
    }

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn plain_text_is_said() {
        assert_eq!(parse("hello  there\r\n"), Command::Say("hello  there".into()));
        assert_eq!(parse("//etc/passwd"), Command::Say("/etc/passwd".into()));
        assert_eq!(Command::parse("\n"), None);
    }

    #[test]
    fn commands_have_their_words() {
        assert_eq!(parse("/join tea"), Command::Join { channel: "#tea".into(), key: None });
        assert_eq!(parse("/join a,&b"), Command::Join { channel: "#a,&b".into(), key: None });
        assert_eq!(parse("/join a,"), Command::Join { channel: "#a".into(), key: None });
        assert_eq!(parse("/J &x key"), Command::Join { channel: "&x".into(), key: text("key") });
        let message = Command::Message { target: "bob".into(), text: "how  are you".into() };
        assert_eq!(parse("/msg  bob  how  are you"), message);
        assert_eq!(parse("/part"), Command::Part { channel: None, reason: String::new() });
        let part = Command::Part { channel: text("#a"), reason: "so long".into() };
        assert_eq!(parse("/part #a so long"), part);
        assert_eq!(
            parse("/part so long"),
            Command::Part { channel: None, reason: "so long".into() }
        );
        assert_eq!(parse("/topic"), Command::Topic { channel: None, text: None });
        assert_eq!(parse("/topic #a"), Command::Topic { channel: text("#a"), text: None });
        assert_eq!(
            parse("/topic new one"),
            Command::Topic { channel: None, text: text("new one") }
        );
        assert_eq!(parse("/whois bob"), Command::Raw("WHOIS bob bob".into()));
        assert_eq!(parse("/away"), Command::Raw("AWAY".into()));
        assert_eq!(parse("/away tea time"), Command::Raw("AWAY :tea time".into()));
        assert_eq!(parse("/mode #a +o bob"), Command::Raw("MODE #a +o bob".into()));
        assert_eq!(parse("/list"), Command::Raw("LIST".into()));
        assert_eq!(parse("/window 3"), Command::Window(3));
    }

    #[test]
    fn what_is_incomplete_is_told() {
        for line in ["/msg", "/msg bob", "/join", "/nick ", "/join ,", "/window x", "/dance", "/me"]
        {
            assert!(Command::parse(line).is_some_and(|it| it.is_err()), "{line}");
        }
    }
}
