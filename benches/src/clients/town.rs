//! The users of a whole chat network: each on a channel with some others, a part on a large one too.
//!
//! ```text
//!   #town0   [ 0 ][ 100 ][ 200 ] …       a user's channel is its number, modulo the channels
//!   #town1   [ 1 ][ 101 ][ 201 ] …
//!     ⋮
//!   #square  [ 0 ][ 1 ][ 2 ] …           every twentieth line is said here
//! ```
//!
//! Each channel has one who speaks, in turn with those of the others. What everybody hears is verified: every
//! line that is said there, once, and in order.

use std::io::Write;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll};

use crate::clients::ping::Latencies;
use crate::clients::sockets::{read, watch};
use crate::clients::user::User;
use crate::{PATIENCE, Result};

/// Characters of what is said; with the rest of its line it is about a hundred bytes.
const WORDS: usize = 48;

/// One of so many lines is said on the large channel.
const SQUARE_EVERY: usize = 20;

/// How many there are, and where.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Users.
    pub users: usize,
    /// Channels that share them.
    pub channels: usize,
    /// Users that are on the large channel too.
    pub on_square: usize,
}

/// Everybody, and what they have said.
pub struct Town {
    poll: Poll,
    events: Events,
    plan: Plan,
    people: Vec<Person>,
    said: Vec<Said>,
}

/// A line that was said.
struct Said {
    due: Instant,
    place: Place,
    /// By how many it has not been heard.
    missing: usize,
}

/// Where a line is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// On a user's own channel.
    Home(usize),
    /// On the large one.
    Square,
}

impl Place {
    fn name(self) -> String {
        match self {
            Self::Home(number) => format!("#town{number}"),
            Self::Square => "#square".to_owned(),
        }
    }
}

/// One user, and what it heard last in either place.
struct Person {
    stream: TcpStream,
    unfinished: Vec<u8>,
    at_home: Option<usize>,
    on_square: Option<usize>,
}

impl Town {
    /// Has users who have registered join their channels, and waits until all have heard of all.
    pub fn settle(mut users: Vec<User>, plan: Plan) -> Result<Self> {
        User::join_all(&mut users[..plan.on_square], |_| Place::Square.name())?;
        User::join_all(&mut users, |number| Place::Home(number % plan.channels).name())?;
        users.iter_mut().try_for_each(User::catch_up)?;
        let poll = Poll::new()?;
        let person = |(number, user): (usize, User)| Person::new(&poll, number, user);
        let people = users.into_iter().enumerate().map(person).collect::<Result<_>>()?;
        Ok(Self { poll, events: Events::with_capacity(1024), plan, people, said: Vec::new() })
    }

    /// Says so many lines a second for that long, whether or not the server keeps up; how long each takes
    /// to each who hears it, counted from when it was due.
    pub fn talk(&mut self, rate: u32, lasting: Duration) -> Result<Latencies> {
        let mut latencies = Latencies::new()?;
        let (start, every) = (Instant::now(), Duration::from_secs(1) / rate);
        let (lines, mut next, mut open) = ((lasting.as_nanos() / every.as_nanos()) as u32, 0, 0);
        while next < lines || open > 0 {
            while next < lines && every * next <= start.elapsed() {
                self.say(start + every * next)?;
                (next, open) = (next + 1, open + 1);
            }
            open -= self.hear(Some(&mut latencies))?;
            if start.elapsed() > lasting + PATIENCE {
                return Err("the server has lost a line".into());
            }
        }
        Ok(latencies)
    }

    /// Keeps so many lines on their way for that long; how often one of them was heard.
    pub fn chatter(&mut self, lines: usize, lasting: Duration) -> Result<u64> {
        let (start, first) = (Instant::now(), self.said.len());
        let mut open = 0;
        loop {
            let is_over = start.elapsed() >= lasting;
            while !is_over && open < lines {
                self.say(Instant::now())?;
                open += 1;
            }
            open -= self.hear(None)?;
            if open == 0 && is_over {
                let hearers = self.said[first..].iter().map(|said| self.hearers(said.place));
                return Ok(hearers.sum::<usize>() as u64);
            }
            if start.elapsed() > lasting + PATIENCE {
                return Err("the server has lost a line".into());
            }
        }
    }

    /// Everybody in a place but who speaks.
    fn hearers(&self, place: Place) -> usize {
        match place {
            Place::Home(channel) => {
                (channel..self.plan.users).step_by(self.plan.channels).len() - 1
            }
            Place::Square => self.plan.on_square - 1,
        }
    }

    /// Says the next line: where, its number tells.
    fn say(&mut self, due: Instant) -> Result {
        let number = self.said.len();
        let (place, speaker) = if number.is_multiple_of(SQUARE_EVERY) {
            (Place::Square, self.plan.on_square - 1)
        } else {
            let channel = number % self.plan.channels;
            (Place::Home(channel), channel)
        };
        let line = format!("PRIVMSG {} :{number:0>WORDS$}\r\n", place.name());
        // The kernel takes more than a user says before it has been heard.
        self.people[speaker].stream.write_all(line.as_bytes())?;
        self.said.push(Said { due, place, missing: self.hearers(place) });
        Ok(())
    }

    /// Hears what there is; how many lines have now been heard by all.
    fn hear(&mut self, mut latencies: Option<&mut Latencies>) -> Result<usize> {
        let (said, mut complete) = (&mut self.said, 0);
        self.poll.poll(&mut self.events, Some(Duration::ZERO))?;
        for event in &self.events {
            let person = &mut self.people[event.token().0];
            person.read(|number| {
                let line = said.get_mut(number).ok_or("a line that nobody has said")?;
                line.missing = line.missing.checked_sub(1).ok_or("a line came once too often")?;
                complete += usize::from(line.missing == 0);
                if let Some(latencies) = &mut latencies {
                    latencies.record(line.due.elapsed())?;
                }
                Ok(line.place)
            })?;
        }
        Ok(complete)
    }
}

impl Person {
    fn new(poll: &Poll, number: usize, user: User) -> Result<Self> {
        let stream = watch(poll, user.into_stream()?, number, Interest::READABLE)?;
        Ok(Self { stream, unfinished: Vec::new(), at_home: None, on_square: None })
    }

    /// Reads all there is; `hear` is told the number of each line, and tells where it was said.
    fn read(&mut self, mut hear: impl FnMut(usize) -> Result<Place>) -> Result {
        let mut buffer = [0; 4096];
        while let Some(count) = read(&mut self.stream, &mut buffer)? {
            self.unfinished.extend_from_slice(&buffer[..count]);
            let whole =
                self.unfinished.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            for line in std::str::from_utf8(&self.unfinished[..whole])?.lines() {
                let number = number(line).ok_or_else(|| format!("somebody heard {line:?}"))?;
                let place = hear(number)?;
                if !line.contains(&format!(" PRIVMSG {} :", place.name())) {
                    return Err(format!("{line:?} was said elsewhere").into());
                }
                let last = match place {
                    Place::Home(_) => &mut self.at_home,
                    Place::Square => &mut self.on_square,
                };
                if last.replace(number) >= Some(number) {
                    return Err(format!("{line:?} came late, or twice").into());
                }
            }
            self.unfinished.drain(..whole);
            if count < buffer.len() {
                break;
            }
        }
        Ok(())
    }
}

/// The number of a line that was said.
fn number(line: &str) -> Option<usize> {
    let (_, text) = line.rsplit_once(" :")?;
    text.parse().ok()
}
