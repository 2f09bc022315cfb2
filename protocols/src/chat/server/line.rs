//! A line on its way out: one body, and as many renderings as its receivers' capabilities ask for.
//!
//! ```text
//!                        Line ── body, time, id, account, …
//!                          │ rendered at most once a style
//!        ┌─────────────────┼──────────────────────┐
//!   ":ann … hi"   "@time=… :ann … hi"   "@time=…;msgid=…;+typing=done :ann … hi"
//!     │ │ │               │ │                      │ │ │ │
//!     members, each of which is given the same bytes again
//! ```

use std::fmt;
use std::rc::Rc;
use std::str::FromStr;

use bytes::Bytes;
use thiserror::Error;

use crate::chat::wire::builder::{Builder, WriteError};
use crate::chat::wire::capability::Caps;
use crate::chat::wire::message::Tags;
use crate::chat::wire::text::as_text;
use crate::chat::wire::timestamp::Timestamp;

/// The name of a message (IRCv3 message-ids): which life of which server it is from, and the how-many-eth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageId {
    /// A random number; in a network, behind what stands for the node.
    pub(super) life: u64,
    pub(super) serial: u64,
}

/// The text is no [`MessageId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not the name of a message")]
pub struct NotAMessageId;

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:x}", self.life, self.serial)
    }
}

impl FromStr for MessageId {
    type Err = NotAMessageId;

    fn from_str(text: &str) -> Result<Self, NotAMessageId> {
        let number = |text: &str| u64::from_str_radix(text, 16).map_err(|_| NotAMessageId);
        let (life, serial) = text.split_once('-').ok_or(NotAMessageId)?;
        Ok(Self { life: number(life)?, serial: number(serial)? })
    }
}

as_text!(MessageId);

/// One line, and what may be said about it in tags.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    /// From the source to the CR LF.
    pub(super) body: Bytes,
    pub(super) at: Option<Timestamp>,
    pub(super) id: Option<MessageId>,
    pub(super) account: Option<Rc<str>>,
    pub(super) bot: bool,
    /// The client-only tags it came with, escaped as they came.
    pub(super) client_tags: Rc<str>,
    pub(super) batch: Option<Rc<str>>,
    /// The next part of a multiline message belongs to the same line.
    pub(super) concat: bool,
}

impl Line {
    /// A line without tags, cut where it is too long.
    pub(super) fn new(builder: Builder) -> Result<Self, WriteError> {
        Ok(Self { body: builder.finish_cut()?.into(), ..Self::default() })
    }

    /// The line as a client with these capabilities gets it.
    pub(super) fn render(&self, caps: Caps, label: Option<&str>) -> Bytes {
        let mut tags = Builder::new();
        if let Some(label) = label {
            tags = tags.tag("label", label);
        }
        if let (Some(batch), true) = (&self.batch, caps.has(Caps::BATCH)) {
            tags = tags.tag("batch", batch);
        }
        if let (Some(at), true) = (self.at, caps.has(Caps::SERVER_TIME)) {
            tags = tags.tag("time", &at.to_string());
        }
        if let (Some(account), true) = (&self.account, caps.has(Caps::ACCOUNT_TAG)) {
            tags = tags.tag("account", account);
        }
        if caps.has(Caps::MESSAGE_TAGS) {
            tags = self.write_message_tags(tags);
        }
        if self.concat && caps.has(Caps::MULTILINE) && self.batch.is_some() {
            tags = tags.tag("draft/multiline-concat", "");
        }
        caps.framing().frame(tags.before(&self.body))
    }

    fn write_message_tags(&self, mut tags: Builder) -> Builder {
        if let Some(id) = self.id {
            tags = tags.tag("msgid", &id.to_string());
        }
        if self.bot {
            tags = tags.tag("bot", "");
        }
        let client_tags = Tags::new(&self.client_tags);
        client_tags.iter().fold(tags, |tags, (key, value)| tags.tag(key, &value))
    }
}

/// The renderings of a line that were needed so far.
pub(super) struct Renderings<'a> {
    line: &'a Line,
    renderings: [Option<Bytes>; 8],
    /// Those for WebSockets, by their styles: most lines need none, and the others few.
    framed: Vec<(usize, Bytes)>,
}

impl<'a> Renderings<'a> {
    pub(super) fn new(line: &'a Line) -> Self {
        Self { line, renderings: Default::default(), framed: Vec::new() }
    }

    /// The line for one more receiver: the same bytes for all whose capabilities ask for the same.
    #[inline]
    pub(super) fn of(&mut self, caps: Caps) -> Bytes {
        match self.renderings.get(caps.style()) {
            Some(Some(bytes)) => bytes.clone(),
            Some(None) => self.render(caps),
            None => self.render_framed(caps),
        }
    }

    #[cold]
    fn render(&mut self, caps: Caps) -> Bytes {
        let bytes = self.line.render(caps, None);
        self.renderings[caps.style()] = Some(bytes.clone());
        bytes
    }

    #[cold]
    fn render_framed(&mut self, caps: Caps) -> Bytes {
        let style = caps.style();
        if let Some((_, bytes)) = self.framed.iter().find(|(framed, _)| *framed == style) {
            return bytes.clone();
        }
        let bytes = self.line.render(caps, None);
        self.framed.push((style, bytes.clone()));
        bytes
    }
}

/// Which of a user's client tags are passed on: those that begin with a plus (IRCv3 message-tags,
/// "Client-only tags").
pub(super) fn client_only(tags: Tags<'_>) -> Rc<str> {
    if tags.is_empty() {
        return Rc::default();
    }
    let kept: Vec<_> = tags.as_str().split(';').filter(|tag| tag.starts_with('+')).collect();
    kept.join(";").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        let mut line =
            Line::new(Builder::new().source("ann").command("PRIVMSG").param("#a").text("hi"))
                .expect("it is a line");
        line.at = Some(Timestamp::default());
        line.id = Some(MessageId { life: 0xab, serial: 7 });
        line.account = Some("Ann".into());
        line.bot = true;
        line.client_tags = "+a=b\\:c".into();
        line
    }

    #[test]
    fn each_receiver_gets_the_tags_it_asked_for() {
        let body = ":ann PRIVMSG #a :hi\r\n";
        for (caps, tags) in [
            (Caps::NONE, ""),
            (Caps::SERVER_TIME, "@time=1970-01-01T00:00:00.000Z "),
            (Caps::ACCOUNT_TAG, "@account=Ann "),
            (Caps::MESSAGE_TAGS, "@msgid=000000ab-7;bot;+a=b\\:c "),
        ] {
            assert_eq!(line().render(caps, None), format!("{tags}{body}"));
        }
        assert_eq!(line().render(Caps::NONE, Some("x y")), format!("@label=x\\sy {body}"));
    }

    #[test]
    fn receivers_that_ask_for_the_same_share_the_bytes() {
        let line = line();
        let mut renderings = Renderings::new(&line);
        let first = renderings.of(Caps::SERVER_TIME | Caps::BATCH);
        let second = renderings.of(Caps::SERVER_TIME);
        assert_eq!(first.as_ptr(), second.as_ptr());
        assert_ne!(first.as_ptr(), renderings.of(Caps::NONE).as_ptr());
    }

    #[test]
    fn an_id_is_read_as_it_was_written() {
        let id = MessageId { life: 1, serial: u64::MAX };
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("x-1".parse::<MessageId>(), Err(NotAMessageId));
    }
}
