//! The clients of a chat server: one who speaks on a channel, and many who listen.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::Result;
use crate::chats::Chat;
use crate::clients::user::User;
use crate::loaded::{Loaded, Start};

/// Characters of what is said; with the rest of its line it is about a hundred bytes.
const WORDS: usize = 48;

/// What one user of each server says when all of that one are there.
const ALL_ARE_HERE: &str = "all are here";

/// The clients, on one channel.
pub struct Channel {
    speaker: User,
    members: Vec<User>,
    said: u64,
}

impl Channel {
    /// Has so many members and a speaker join, who is the last, each on the server of its number, and waits until
    /// each has heard of all the others.
    pub fn gather(server: impl Fn(usize) -> SocketAddr, members: usize) -> Result<Self> {
        // One after the other: how a server is told of many at once differs from run to run, and so would
        // what is counted.
        let join = |number| -> Result<User> {
            let mut user = User::register(server(number), number)?;
            user.join("#room")?;
            Ok(user)
        };
        let mut all = (0..=members).map(join).collect::<Result<Vec<_>>>()?;
        all.iter_mut().try_for_each(User::catch_up)?;
        Self::meet(&mut all, server)?;
        let speaker = all.pop().ok_or("nobody speaks")?;
        Ok(Self { speaker, members: all, said: 0 })
    }

    /// Has the first user of each server say that all are there, which the others hear behind the rest of it.
    fn meet(users: &mut [User], server: impl Fn(usize) -> SocketAddr) -> Result {
        let mut heralds = BTreeMap::new();
        for number in 0..users.len() {
            heralds.entry(server(number)).or_insert(number);
        }
        for &herald in heralds.values() {
            users[herald].say(&format!("PRIVMSG #room :{ALL_ARE_HERE}"))?;
        }
        for (number, user) in users.iter_mut().enumerate() {
            let mut others = heralds.values().filter(|&&herald| herald != number);
            others.try_for_each(|_| user.hear(ALL_ARE_HERE))?;
        }
        Ok(())
    }

    /// Says so many lines, one after the other, each heard by every member.
    pub fn publish(&mut self, lines: u64) -> Result {
        (0..lines).try_for_each(|_| self.say())
    }

    fn say(&mut self) -> Result {
        self.said += 1;
        let words = format!("{:0>WORDS$}", self.said);
        self.speaker.say(&format!("PRIVMSG #room :{words}"))?;
        for member in &mut self.members {
            let heard = member.next_line()?;
            if !heard.ends_with(&words) || !heard.contains(" PRIVMSG #room :") {
                return Err(format!("a member heard {heard:?} instead of {words:?}").into());
            }
        }
        Ok(())
    }
}

/// A chat server with so many members on a channel, on which a line is said in each round: a unit is its delivery to one
/// member.
pub fn lines(start: Start<'_>, chat: Chat, members: usize) -> Result<Loaded> {
    let server = chat.start(start)?;
    let mut channel = Channel::gather(|_| server.address(), members)?;
    Ok(Loaded::new(server, members, move || channel.publish(1)))
}
