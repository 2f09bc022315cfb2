//! What a program can have its client do.

use reactor::Registry;

use super::life::State;
use super::{Caller, Client, NotSent, text};
use crate::chat::wire::message::MAX_BODY;
use crate::chat::{Builder, Folded, Message, ParseError, WriteError};

/// Bytes of the names of one `JOIN`: with the keys there is room for, well below [`MAX_BODY`].
const JOIN_AT_ONCE: usize = 200;

/// What cannot be said is handed to nobody: a line leaves whole, or [`NotSent`] tells why not.
impl Client {
    /// Says something to a channel or to somebody. What is longer than a line leaves as several; how
    /// many they are is returned.
    ///
    /// # Errors
    ///
    /// See [`NotSent`]. Then nothing of it is said.
    pub fn say<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
        target: &str,
        text: &str,
    ) -> Result<usize, NotSent> {
        self.send_text(registry, "PRIVMSG", target, text, ["", ""])
    }

    /// Says something that no program answers: what a program says by itself.
    ///
    /// # Errors
    ///
    /// See [`NotSent`].
    pub fn notice<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
        target: &str,
        text: &str,
    ) -> Result<usize, NotSent> {
        self.send_text(registry, "NOTICE", target, text, ["", ""])
    }

    /// Does something: `/me waves`.
    ///
    /// # Errors
    ///
    /// See [`NotSent`].
    pub fn act<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
        target: &str,
        text: &str,
    ) -> Result<usize, NotSent> {
        self.send_text(registry, "PRIVMSG", target, text, ["\u{1}ACTION ", "\u{1}"])
    }

    /// Joins a channel, or several (`#a,#b`, each with its key in the same place of `key`), now or when
    /// one is connected, and again after each loss of the connection.
    ///
    /// Where one really is [`Event::Joined`](super::Event::Joined) tells: a channel may forward.
    ///
    /// # Errors
    ///
    /// See [`NotSent`].
    pub fn join<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
        channel: &str,
        key: Option<&str>,
    ) -> Result<(), NotSent> {
        let mut join = Builder::new().command("JOIN").param(channel);
        if let Some(key) = key {
            join = join.param(key);
        }
        // One that is no name is told of now, not when one is connected.
        join.clone().finish()?;
        let wanted = apart(channel, key).map(|it| (Folded::of(&it.0), it));
        self.wanted.extend(wanted);
        if self.is_online() { self.send(registry, join) } else { Ok(()) }
    }

    /// Leaves a channel, or several (`#a,#b`).
    ///
    /// # Errors
    ///
    /// See [`NotSent`].
    pub fn part<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
        channel: &str,
        reason: &str,
    ) -> Result<(), NotSent> {
        channel.split(',').for_each(|name| self.forget(name));
        let part = Builder::new().command("PART").param(channel);
        self.send(registry, if reason.is_empty() { part } else { part.text(reason) })
    }

    /// Wants to be called something else, now and from the next connection on.
    ///
    /// # Errors
    ///
    /// See [`NotSent`].
    pub fn set_nick<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
        nick: &str,
    ) -> Result<(), NotSent> {
        let change = Builder::new().command("NICK").param(nick);
        change.clone().finish()?;
        nick.clone_into(&mut self.options.nick);
        if self.is_online() {
            return self.send(registry, change);
        }
        nick.clone_into(&mut self.world.roster.nick);
        Ok(())
    }

    /// Changes a channel's topic; empty is none.
    ///
    /// # Errors
    ///
    /// See [`NotSent`].
    pub fn set_topic<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
        channel: &str,
        topic: &str,
    ) -> Result<(), NotSent> {
        self.send(registry, Builder::new().command("TOPIC").param(channel).text(topic))
    }

    /// Throws somebody out of a channel.
    ///
    /// # Errors
    ///
    /// See [`NotSent`].
    pub fn kick<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
        channel: &str,
        nick: &str,
        reason: &str,
    ) -> Result<(), NotSent> {
        let kick = Builder::new().command("KICK").param(channel).param(nick);
        self.send(registry, if reason.is_empty() { kick } else { kick.text(reason) })
    }

    /// Says anything else.
    ///
    /// # Errors
    ///
    /// See [`NotSent`].
    pub fn send<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
        line: Builder,
    ) -> Result<(), NotSent> {
        let line = line.finish()?;
        self.can_send(1)?;
        self.outgoing.push(line.into()).map_err(|_| NotSent::QueueFull)?;
        self.flush(registry);
        Ok(())
    }

    /// Says a line as it is, without its end: what somebody types who knows the protocol.
    ///
    /// # Errors
    ///
    /// See [`NotSent`].
    pub fn send_line<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
        line: &str,
    ) -> Result<(), NotSent> {
        Message::parse(line.as_bytes()).map_err(|error| match error {
            ParseError::Empty => WriteError::Order,
            ParseError::TagsTooLong => WriteError::TagsTooLong,
            ParseError::BodyTooLong => WriteError::BodyTooLong,
            ParseError::Control | ParseError::NotUtf8 => WriteError::Control,
        })?;
        self.can_send(1)?;
        let line = format!("{line}\r\n").into();
        self.outgoing.push(line).map_err(|_| NotSent::QueueFull)?;
        self.flush(registry);
        Ok(())
    }

    /// Whether so many lines could be said now.
    fn can_send(&self, lines: usize) -> Result<(), NotSent> {
        match self.state {
            State::Online { .. } if lines <= self.outgoing.room() => Ok(()),
            State::Online { .. } => Err(NotSent::QueueFull),
            _ => Err(NotSent::Offline),
        }
    }

    /// Sends a text in as many lines as it takes, each within these two.
    fn send_text<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
        command: &str,
        target: &str,
        text: &str,
        [before, behind]: [&str; 2],
    ) -> Result<usize, NotSent> {
        // As everybody else will see it: ":nick!user@host PRIVMSG target :text\r\n".
        let around = self.world.source_length + command.len() + target.len() + 7;
        let longest = MAX_BODY.saturating_sub(around + before.len() + behind.len());
        let pieces = text::pieces(text, longest);
        self.can_send(pieces.len())?;
        let line = |piece| {
            let text = format!("{before}{piece}{behind}");
            Builder::new().command(command).param(target).text(&text).finish()
        };
        let lines = pieces.into_iter().map(line).collect::<Result<Vec<_>, _>>()?;
        let count = lines.len();
        for line in lines {
            self.outgoing.push(line.into()).map_err(|_| NotSent::QueueFull)?;
        }
        self.flush(registry);
        Ok(count)
    }

    /// Asks what was said on a channel before one came, or since one was there last.
    pub(super) fn ask_for_history<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
        channel: &str,
    ) {
        let limit = self.options.history;
        if limit == 0 || !self.world.capabilities.contains("draft/chathistory") {
            return;
        }
        let since = match self.latest.get(&Folded::of(channel)) {
            Some(time) => format!("timestamp={time}"),
            None => "*".to_owned(),
        };
        let line = Builder::new().command("CHATHISTORY").param("LATEST").param(channel);
        // Without room for it there is more to say than to read up on.
        let _ = self.send(registry, line.param(&since).param(&limit.to_string()));
    }

    /// Joins all channels that one wants to be on, several with a line: a server counts lines.
    pub(super) fn join_wanted<App: Caller>(&mut self, registry: &mut Registry<App>) {
        let mut lines: Vec<(String, String)> = Vec::new();
        // Keys belong to the first names of a line, so those with one come first.
        let (locked, open): (Vec<_>, Vec<_>) =
            self.wanted.values().partition(|(_, key)| key.is_some());
        for (name, key) in locked.into_iter().chain(open) {
            let key = key.as_deref().unwrap_or_default();
            match lines.last_mut() {
                Some((names, keys))
                    if names.len() + name.len() < JOIN_AT_ONCE
                        && keys.len() + key.len() < JOIN_AT_ONCE =>
                {
                    names.push(',');
                    names.push_str(name);
                    if !key.is_empty() {
                        keys.push(',');
                        keys.push_str(key);
                    }
                }
                _ => lines.push((name.clone(), key.to_owned())),
            }
        }
        for (names, keys) in lines {
            let join = Builder::new().command("JOIN").param(&names);
            let join = if keys.is_empty() { join } else { join.param(&keys) };
            // What does not fit is what somebody's options say that no server would take.
            let _ = self.send(registry, join);
        }
    }
}

/// The channels of a list, each with its key if it has one (RFC 2812, 3.2.1).
pub(super) fn apart<'a>(
    channels: &'a str,
    keys: Option<&'a str>,
) -> impl Iterator<Item = (String, Option<String>)> {
    let mut keys = keys.into_iter().flat_map(|keys| keys.split(','));
    let with_key = move |name: &str| {
        let key = keys.next().filter(|key| !key.is_empty());
        (name.to_owned(), key.map(str::to_owned))
    };
    channels.split(',').map(with_key).filter(|(name, _)| !name.is_empty())
}
