//! Something that was said: one message, of one line or several, as it is delivered and remembered.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer};

use super::label::Label;
use super::line::{ClientTags, Line, MessageId};
use super::talk::Party;
use crate::chat::wire::builder::{Builder, WriteError};
use crate::chat::wire::message::MAX_BODY;
use crate::chat::wire::timestamp::Timestamp;

/// A message, or an event of a channel that is worth remembering.
#[derive(Clone, Debug)]
pub(super) struct Post {
    pub(super) id: MessageId,
    pub(super) at: Timestamp,
    pub(super) source: Rc<str>,
    /// Who said it, whatever it was called then.
    pub(super) by: Party,
    pub(super) account: Option<Rc<str>>,
    pub(super) bot: bool,
    pub(super) client_tags: ClientTags,
    pub(super) what: What,
    /// Where: the first parameter.
    pub(super) target: Arc<str>,
    /// What comes between that and the text; none for a message.
    pub(super) params: Vec<Arc<str>>,
    pub(super) text: Text,
}

/// The text of a message: between servers a list of [parts](Part).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Vec<Part>")]
pub(super) enum Text {
    /// None: tags alone.
    #[default]
    None,
    Line(Rc<str>),
    /// Two at least, of a multiline message.
    Lines(Rc<[Part]>),
}

/// A line of a message of several; between servers `["text",false]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Part {
    pub(super) text: String,
    /// It goes on with the line that the part before it began.
    pub(super) concat: bool,
}

/// What a post tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Somebody said something.
    Said(Kind),
    /// Something happened on a channel: the command that says it.
    Event(&'static str),
}

/// How something is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Kind {
    Privmsg,
    /// Never answered, not even with an error (RFC 1459, 4.4.2).
    Notice,
    /// Tags alone (IRCv3 message-tags).
    Tagmsg,
}

impl Text {
    /// Each line of it, and whether it goes on with the line before.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&str, bool)> {
        let (line, lines) = match self {
            Self::None => (None, &[][..]),
            Self::Line(text) => (Some((&**text, false)), &[][..]),
            Self::Lines(parts) => (None, &**parts),
        };
        let lines = lines.iter().map(|Part { text, concat }| (text.as_str(), *concat));
        line.into_iter().chain(lines)
    }
}

impl From<Vec<Part>> for Text {
    fn from(parts: Vec<Part>) -> Self {
        match &*parts {
            [] => Self::None,
            [Part { text, .. }] => Self::Line(text.as_str().into()),
            _ => Self::Lines(parts.into()),
        }
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.parts())
    }
}

impl Kind {
    #[cfg(feature = "cluster")]
    pub(super) fn of_command(command: &str) -> Option<Self> {
        [Self::Privmsg, Self::Notice, Self::Tagmsg].into_iter().find(|it| it.command() == command)
    }

    pub(super) fn command(self) -> &'static str {
        match self {
            Self::Privmsg => "PRIVMSG",
            Self::Notice => "NOTICE",
            Self::Tagmsg => "TAGMSG",
        }
    }
}

/// A multiline message that is still being sent (IRCv3 multiline).
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// The client's own name for the batch.
    pub(super) reference: String,
    pub(super) target: String,
    pub(super) kind: Option<Kind>,
    pub(super) parts: Vec<Part>,
    pub(super) bytes: usize,
    pub(super) label: Option<Label>,
    pub(super) client_tags: ClientTags,
}

impl Post {
    /// Whether it was said in words.
    pub(super) fn is_message(&self) -> bool {
        matches!(self.what, What::Said(Kind::Privmsg | Kind::Notice))
    }

    /// Whether it is tags and nothing else.
    pub(super) fn is_tags(&self) -> bool {
        self.what == What::Said(Kind::Tagmsg)
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        let texts: usize = self.text.parts().map(|(text, _)| text.len() + 32).sum();
        let params: usize =
            std::iter::once(&self.target).chain(&self.params).map(|param| param.len() + 24).sum();
        256 + self.source.len() + self.client_tags.as_str().len() + texts + params
    }

    /// Bytes of its lines, at most: for those who do not know of multiline messages, each part bears all
    /// the tags.
    pub(super) fn longest(&self) -> usize {
        let lines = if let Text::Lines(parts) = &self.text { parts.len() } else { 1 };
        lines * (MAX_BODY + 192 + self.client_tags.as_str().len())
    }

    /// The line of a message or an event that has no more than one.
    ///
    /// # Errors
    ///
    /// If a part of it cannot stand on a line.
    pub(super) fn line(&self) -> Result<Line, WriteError> {
        let text = self.text.parts().next().map(|(text, _)| text);
        Ok(self.tagged(self.write(text)?))
    }

    /// The lines of a multiline message for receivers that do not know of them: one for each part that says
    /// anything, and only the first bears the message's name.
    ///
    /// # Errors
    ///
    /// If a part of it cannot stand on a line.
    pub(super) fn plain(&self) -> Result<Vec<Line>, WriteError> {
        let mut lines = Vec::new();
        for (text, _) in self.text.parts().filter(|(text, _)| !text.is_empty()) {
            let mut line = self.tagged(self.write(Some(text))?);
            line.id = lines.is_empty().then_some(self.id);
            lines.push(line);
        }
        Ok(lines)
    }

    /// The lines of a multiline message for receivers that know them: a batch.
    ///
    /// # Errors
    ///
    /// If a part of it cannot stand on a line.
    pub(super) fn batched(&self, batch: &Rc<str>) -> Result<Vec<Line>, WriteError> {
        let begin =
            Builder::new().source(&self.source).command("BATCH").param(&format!("+{batch}"));
        let begin = begin.param("draft/multiline").param(&self.target);
        let mut lines = vec![self.tagged(begin.finish_cut()?.into())];
        for (text, concat) in self.text.parts() {
            let (body, batch) = (self.write(Some(text))?, Some(Rc::clone(batch)));
            lines.push(Line { body, batch, concat, ..Line::default() });
        }
        let end = Builder::new().source(&self.source).command("BATCH").param(&format!("-{batch}"));
        lines.push(Line::new(end)?);
        Ok(lines)
    }

    /// The body of a line.
    fn write(&self, text: Option<&str>) -> Result<Bytes, WriteError> {
        let command = match self.what {
            What::Said(kind) => kind.command(),
            What::Event(command) => command,
        };
        let builder = Builder::new().source(&self.source).command(command).param(&self.target);
        let builder = self.params.iter().fold(builder, |builder, param| builder.param(param));
        let builder = match text {
            Some(text) => builder.text(text),
            None => builder,
        };
        Ok(builder.finish_cut()?.into())
    }

    fn tagged(&self, body: Bytes) -> Line {
        Line {
            body,
            at: Some(self.at),
            id: Some(self.id),
            account: self.account.clone(),
            bot: self.bot,
            client_tags: self.client_tags.clone(),
            ..Line::default()
        }
    }
}
