//! The clients of a chat server: one who speaks on a channel, and many who listen.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::Result;
use crate::chats::{Chat, Running};
use crate::ping::Latencies;
use crate::work::{Spent, Work};

/// A silence of that long means that the server has lost a line.
const PATIENCE: Duration = Duration::from_secs(30);

/// Characters of what is said; with the rest of its line it is about a hundred bytes.
const WORDS: usize = 48;

/// Users from one source address, well below the ports it has.
const FROM_ONE_ADDRESS: usize = 20_000;

/// The clients, on one channel.
#[derive(Debug)]
pub struct Channel {
    speaker: User,
    members: Vec<User>,
    said: u64,
}

/// Somebody who has registered.
#[derive(Debug)]
pub struct User {
    stream: BufReader<TcpStream>,
    line: String,
}

impl Channel {
    /// Has so many members and a speaker join, and waits until each has heard of all the others.
    pub fn gather(server: SocketAddr, members: usize) -> Result<Self> {
        let join = |number| -> Result<User> {
            let mut user = User::register(server, number)?;
            user.say("JOIN #room")?;
            user.hear(" 366 ")?;
            Ok(user)
        };
        let mut all = (0..=members).map(join).collect::<Result<Vec<_>>>()?;
        for user in &mut all {
            user.say("PING :done")?;
            user.hear(" PONG ")?;
        }
        let speaker = all.pop().ok_or("nobody speaks")?;
        Ok(Self { speaker, members: all, said: 0 })
    }

    /// Says so many lines, one after the other, each heard by every member.
    pub fn publish(&mut self, lines: u64) -> Result {
        (0..lines).try_for_each(|_| self.say())
    }

    /// Says lines for that long; how long each takes until the last member has heard it.
    pub fn publish_for(&mut self, lasting: Duration) -> Result<Latencies> {
        let (end, mut latencies) = (Instant::now() + lasting, Latencies::new()?);
        while Instant::now() < end {
            let start = Instant::now();
            self.say()?;
            latencies.record(start.elapsed())?;
        }
        Ok(latencies)
    }

    fn say(&mut self) -> Result {
        self.said += 1;
        let words = format!("{:0>WORDS$}", self.said);
        self.speaker.say(&format!("PRIVMSG #room :{words}"))?;
        for member in &mut self.members {
            let heard = member.next()?;
            if !heard.ends_with(&words) || !heard.contains(" PRIVMSG #room :") {
                return Err(format!("a member heard {heard:?} instead of {words:?}").into());
            }
        }
        Ok(())
    }
}

impl User {
    /// Connects, and registers as user number so and so.
    pub fn register(server: SocketAddr, number: usize) -> Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((source(number), 0)).into())?;
        socket.set_tcp_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.connect(&server.into())?;
        let stream = BufReader::with_capacity(1024, socket.into());
        let mut user = Self { stream, line: String::new() };
        user.say(&format!("NICK user{number}\r\nUSER bench 0 * :A user"))?;
        // The end of the message of the day, or that there is none.
        while !matches!(user.next()?.split(' ').nth(1), Some("376" | "422")) {}
        Ok(user)
    }

    fn say(&mut self, line: &str) -> Result {
        Ok(self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes())?)
    }

    /// Reads until a line has this in it.
    fn hear(&mut self, part: &str) -> Result {
        while !self.next()?.contains(part) {}
        Ok(())
    }

    /// The next line, without its end.
    fn next(&mut self) -> Result<&str> {
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

/// A chat server as a child process and a channel on it, as work.
#[derive(Debug)]
pub struct ChannelWork {
    channel: Channel,
    running: Running,
}

impl ChannelWork {
    /// A server on a processor of its own, with so many members on a channel.
    pub fn start(chat: Chat, members: usize) -> Result<Self> {
        let running = chat.start_apart()?;
        Ok(Self { channel: Channel::gather(running.server.address(), members)?, running })
    }

    /// How long lines take to reach everyone, for so long.
    pub fn listen(&mut self, lasting: Duration) -> Result<Latencies> {
        self.channel.publish_for(lasting)
    }
}

impl Work for ChannelWork {
    fn run(&mut self, units: u64) -> Result<Spent> {
        let members = self.channel.members.len() as u64;
        let lines = units.div_ceil(members);
        self.running.server.watch(lines * members, || self.channel.publish(lines))
    }
}

fn source(number: usize) -> Ipv4Addr {
    let [.., host] = (1 + (number / FROM_ONE_ADDRESS) as u32).to_be_bytes();
    Ipv4Addr::new(127, 0, 0, host)
}
