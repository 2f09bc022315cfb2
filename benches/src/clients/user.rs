//! A user of a chat server, who does one thing after the other and waits for its answer.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use crate::Result;
use crate::clients::sockets::connect_from;

/// Users from one source address: so few that the kernel finds a free port of it at once.
const FROM_ONE_ADDRESS: usize = 500;

/// Users who connect at a time: fewer than any server lets wait.
const WAITING_AT_A_DOOR: usize = 8;

/// Somebody who has registered.
pub struct User {
    stream: BufReader<TcpStream>,
    line: String,
}

impl User {
    /// Connects so many users, and registers them; some at a time, which saves a server that walks over
    /// all connections in each turn of its loop most of these walks.
    pub fn register_all(server: SocketAddr, count: usize) -> Result<Vec<Self>> {
        let mut users = Vec::with_capacity(count);
        while users.len() < count {
            let (first, last) = (users.len(), (users.len() + WAITING_AT_A_DOOR).min(count));
            for number in first..last {
                users.push(Self::ask_in(server, number)?);
            }
            users[first..].iter_mut().try_for_each(Self::be_welcomed)?;
        }
        Ok(users)
    }

    /// Connects, and registers as user number so and so.
    pub fn register(server: SocketAddr, number: usize) -> Result<Self> {
        let mut user = Self::ask_in(server, number)?;
        user.be_welcomed()?;
        Ok(user)
    }

    fn ask_in(server: SocketAddr, number: usize) -> Result<Self> {
        let stream = BufReader::with_capacity(1024, connect_from(source(number), server)?);
        let mut user = Self { stream, line: String::new() };
        user.say(&format!("NICK user{number}\r\nUSER bench 0 * :A user"))?;
        Ok(user)
    }

    /// Waits for the end of the message of the day, or that there is none.
    fn be_welcomed(&mut self) -> Result {
        while !matches!(self.next_line()?.split(' ').nth(1), Some("376" | "422")) {}
        Ok(())
    }

    /// Joins a channel, and waits until it has heard who is there.
    pub fn join(&mut self, channel: &str) -> Result {
        self.ask_to_join(channel)?;
        self.be_joined()
    }

    /// Has users join channels, all at once, and waits until each has heard who is there.
    pub fn join_all(users: &mut [Self], channel: impl Fn(usize) -> String) -> Result {
        for (number, user) in users.iter_mut().enumerate() {
            user.ask_to_join(&channel(number))?;
        }
        users.iter_mut().try_for_each(Self::be_joined)
    }

    fn ask_to_join(&mut self, channel: &str) -> Result {
        self.say(&format!("JOIN {channel}"))
    }

    fn be_joined(&mut self) -> Result {
        self.hear(" 366 ")
    }

    /// Waits until it has heard everything that was said so far.
    pub fn catch_up(&mut self) -> Result {
        self.ask("PING :done", " PONG ").map(drop)
    }

    /// Its connection, if it has heard all that has come.
    pub fn into_stream(self) -> Result<TcpStream> {
        if !self.stream.buffer().is_empty() {
            return Err("a user was told more than was asked for".into());
        }
        Ok(self.stream.into_inner())
    }

    /// Sends a line.
    pub fn say(&mut self, line: &str) -> Result {
        Ok(self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes())?)
    }

    /// Says something, and reads until a line has this in it, which it is given.
    pub fn ask(&mut self, question: &str, part: &str) -> Result<&str> {
        self.say(question)?;
        self.hear(part)?;
        Ok(self.line.trim_end())
    }

    /// Reads until a line has this in it.
    pub fn hear(&mut self, part: &str) -> Result {
        while !self.next_line()?.contains(part) {}
        Ok(())
    }

    /// The next line that comes, without its end.
    pub fn next_line(&mut self) -> Result<&str> {
        self.line.clear();
        if self.stream.read_line(&mut self.line)? == 0 {
            return Err("the server has ended the connection".into());
        }
        if self.line.starts_with("ERROR") {
            return Err(format!("the server says {:?}", self.line).into());
        }
        Ok(self.line.trim_end())
    }
}

fn source(number: usize) -> Ipv4Addr {
    let [.., host] = (1 + (number / FROM_ONE_ADDRESS) as u32).to_be_bytes();
    Ipv4Addr::new(127, 0, 0, host)
}
