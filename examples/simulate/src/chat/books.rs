//! The books of a user: who is where, by what it hears alone. Whatever it hears is held against them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use protocols::chat::Message;

/// What was heard of all channels, by anybody: the name of a message names one, wherever and whenever it is heard.
#[derive(Clone, Default)]
pub(super) struct Library(Rc<RefCell<BTreeMap<String, String>>>);

impl Library {
    fn enter(&self, id: &str, message: &Message<'_>) -> Result<(), String> {
        let [source, channel, text] =
            [message.source, message.param(0), message.param(1)].map(Option::unwrap_or_default);
        // Of two who have one nick, servers learn at different times which of them keeps it.
        let who = source.split_once('!').map_or(source, |(_, who)| who);
        let said = format!("{who} {channel} {text}");
        let mut books = self.0.borrow_mut();
        match books.get(id) {
            Some(before) if *before != said => Err(format!("{id} was {before:?}, and is {said:?}")),
            Some(_) => Ok(()),
            None => {
                books.insert(id.to_owned(), said);
                Ok(())
            }
        }
    }
}

/// What a user knows of its channels, from what it has heard.
#[derive(Default)]
pub(super) struct Books {
    channels: BTreeMap<String, BTreeSet<String>>,
    /// The messages of each channel since it is there.
    heard: BTreeMap<String, Vec<String>>,
    /// The histories that are being told, by their batches: of which channel, and the messages in them.
    told: BTreeMap<String, (String, Vec<String>)>,
    /// The last message of each channel, from each life of a server.
    last: BTreeMap<(String, String), u64>,
    /// The names that are being told, of the channels it has asked for.
    names: BTreeMap<String, BTreeSet<String>>,
}

impl Books {
    /// Enters what was heard.
    pub(super) fn enter(
        &mut self,
        nick: &mut String,
        message: &Message<'_>,
        library: &Library,
    ) -> Result<(), String> {
        let source = message.source.unwrap_or_default();
        let who = source.split('!').next().unwrap_or_default().to_owned();
        let channel = message.param(0).unwrap_or_default();
        let is_me = who == *nick;
        match message.command {
            "JOIN" if is_me => {
                self.channels.insert(channel.to_owned(), BTreeSet::from([who]));
                self.heard.remove(channel);
            }
            "JOIN" => {
                let members = self.channels.get_mut(channel);
                if !members.is_some_and(|members| members.insert(who.clone())) {
                    return Err(format!("{nick} saw {who} join {channel} twice, or unasked"));
                }
            }
            "PART" => self.leave(nick, channel, &who)?,
            "KICK" => self.leave(nick, channel, message.param(1).unwrap_or_default())?,
            "QUIT" => {
                let all = self.channels.values_mut();
                if all.map(|members| members.remove(&who)).filter(|&was_there| was_there).count()
                    == 0
                {
                    return Err(format!("{nick} saw {who} quit, who was nowhere"));
                }
            }
            "NICK" => self.rename(nick, &who, channel)?,
            "PRIVMSG" => self.hear(nick, channel, &who, message, library)?,
            "BATCH" => self.begin_or_end(nick, message)?,
            "353" => {
                let channel = message.param(2).unwrap_or_default();
                let names = message.param(3).unwrap_or_default().split(' ');
                let names = names.map(|name| name.trim_start_matches(['~', '&', '@', '%', '+']));
                let told = self.names.entry(channel.to_owned()).or_default();
                told.extend(names.map(str::to_owned));
            }
            // It is told in pieces, and true line by line.
            "352" => {
                let [channel, who] = [1, 5].map(|at| message.param(at).unwrap_or_default());
                if self.channels.get(channel).is_some_and(|members| !members.contains(who)) {
                    return Err(format!("{nick} is told that {who} is on {channel}"));
                }
            }
            "366" => self.compare(nick, message.param(1).unwrap_or_default())?,
            _ => {}
        }
        Ok(())
    }

    fn leave(&mut self, nick: &str, channel: &str, who: &str) -> Result<(), String> {
        let was_there = self.channels.get_mut(channel).is_some_and(|members| members.remove(who));
        if who == nick {
            self.channels.remove(channel);
        }
        if was_there { Ok(()) } else { Err(format!("{nick} saw {who} leave {channel} unseen")) }
    }

    fn rename(&mut self, nick: &mut String, who: &str, new: &str) -> Result<(), String> {
        let mut count = 0;
        for members in self.channels.values_mut().filter(|members| members.contains(who)) {
            members.remove(who);
            if !members.insert(new.to_owned()) {
                return Err(format!("{nick} saw {who} become {new}, who was there already"));
            }
            count += 1;
        }
        if who == nick {
            new.clone_into(nick);
        } else if count == 0 {
            return Err(format!("{nick} saw {who} become {new}, who was nowhere"));
        }
        Ok(())
    }

    /// A server numbers what it hears, so what is heard in its order is heard in everybody's.
    fn hear(
        &mut self,
        nick: &str,
        channel: &str,
        who: &str,
        message: &Message<'_>,
        library: &Library,
    ) -> Result<(), String> {
        let id = message.tags.get("msgid").unwrap_or_default();
        library.enter(&id, message)?;
        let batch = message.tags.get("batch");
        if let Some((_, told)) = batch.and_then(|batch| self.told.get_mut(&*batch)) {
            told.push(id.into_owned());
            return Ok(());
        }
        if !self.channels.get(channel).is_some_and(|members| members.contains(who)) {
            return Err(format!("{nick} heard {who} on {channel}, who is not there"));
        }
        self.heard.entry(channel.to_owned()).or_default().push(id.clone().into_owned());
        let named = id
            .split_once('-')
            .and_then(|(life, text)| Some((life, u64::from_str_radix(text, 16).ok()?)));
        let (life, serial) = named.ok_or_else(|| format!("{id:?} is no name of a message"))?;
        match self.last.insert((channel.to_owned(), life.to_owned()), serial) {
            Some(last) if last >= serial => {
                Err(format!("{nick} heard {serial} on {channel} behind {last}"))
            }
            _ => Ok(()),
        }
    }

    /// A history begins, or has been told.
    fn begin_or_end(&mut self, nick: &str, message: &Message<'_>) -> Result<(), String> {
        let name = message.param(0).unwrap_or_default();
        if let Some(begun) = name.strip_prefix('+') {
            if message.param(1) == Some("chathistory") {
                let channel = message.param(2).unwrap_or_default().to_owned();
                self.told.insert(begun.to_owned(), (channel, Vec::new()));
            }
            return Ok(());
        }
        let Some((channel, told)) = self.told.remove(name.trim_start_matches('-')) else {
            return Ok(());
        };
        let heard = self.heard.get(&channel).map_or(&[][..], Vec::as_slice);
        match told.ends_with(heard) || !self.channels.contains_key(&channel) {
            true => Ok(()),
            false => Err(format!("{nick} heard {heard:?} on {channel}, and is told of {told:?}")),
        }
    }

    /// A channel that it is on; another one for other bits.
    pub(super) fn channel(&self, bits: u64) -> Option<&str> {
        let count = self.channels.len().max(1);
        self.channels.keys().nth(bits as usize % count).map(String::as_str)
    }

    /// All the names of a channel were told.
    fn compare(&mut self, nick: &str, channel: &str) -> Result<(), String> {
        let told = self.names.remove(channel).unwrap_or_default();
        match self.channels.get_mut(channel) {
            // The names that follow a join are the first that it learns.
            Some(members) if members.len() == 1 => *members = told,
            Some(members) if *members != told => {
                return Err(format!(
                    "{nick} knows {members:?} on {channel}, and was told {told:?}"
                ));
            }
            _ => {}
        }
        Ok(())
    }
}
