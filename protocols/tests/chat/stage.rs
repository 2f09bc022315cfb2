//! The stage of these tests: a server on a loopback socket, in a loop that the actors turn while they
//! wait, and the few verbs that a transcript needs.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use protocols::chat::accounts::{AccountLimits, Accounts};
use protocols::chat::{self, Limits, Server, Settings, mask};
use reactor::{ListenOptions, Reactor, Registry, Turn};

/// How long something may take on the slowest machine before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const NAME: &str = "irc.test";

/// A server, and the loop it is in. Clones are the same server.
#[derive(Clone)]
pub(crate) struct Stage(Rc<RefCell<Inner>>);

struct Inner {
    reactor: Reactor<Server>,
    server: Server,
    address: SocketAddr,
    /// What the server's log says.
    log: Rc<RefCell<String>>,
}

/// A client: a socket, and what came out of it.
pub(crate) struct Actor {
    stage: Stage,
    nick: String,
    stream: TcpStream,
    bytes: Vec<u8>,
    lines: VecDeque<String>,
    has_ended: bool,
    /// Everything it said and heard, for a test that fails.
    transcript: String,
}

/// Settings for tests: nobody is slowed down.
pub(crate) fn settings() -> Settings {
    Settings {
        name: NAME.to_owned(),
        network: "Test".to_owned(),
        limits: Limits { flood_control: false, ..Limits::default() },
        ..Settings::default()
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(settings())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        Self::with_accounts(settings, Accounts::in_memory(AccountLimits::default()))
    }

    pub(crate) fn with_accounts(settings: Settings, accounts: Accounts) -> Self {
        Self::in_loop(Reactor::new().expect("a loop"), settings, accounts)
    }

    /// As [`with_accounts`](Self::with_accounts), in a loop that has no time for other work.
    pub(crate) fn busy(settings: Settings, accounts: Accounts) -> Self {
        let limits = reactor::Limits { offloads: 0, ..reactor::Limits::default() };
        Self::in_loop(Reactor::with_limits(limits).expect("a loop"), settings, accounts)
    }

    fn in_loop(mut reactor: Reactor<Server>, settings: Settings, accounts: Accounts) -> Self {
        let limits = settings.limits.stream_limits();
        let options = ListenOptions { limits, ..ListenOptions::default() };
        let registry = reactor.registry();
        let id = chat::listen(registry, "127.0.0.1:0".parse().expect("an address"), &options)
            .expect("a free port");
        let address = registry.listener_address(id).expect("it listens");
        let address = address.socket_addr().expect("an IP address");
        let mut server = Server::new(settings, accounts);
        let log = Rc::new(RefCell::new(String::new()));
        let lines = Rc::clone(&log);
        server.on_event(move |event| {
            let _ = writeln!(lines.borrow_mut(), "{event}");
        });
        Self(Rc::new(RefCell::new(Inner { reactor, server, address, log })))
    }

    /// Somebody connects, and says nothing yet.
    pub(crate) fn connects(&self) -> Actor {
        let address = self.0.borrow().address;
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_nonblocking(true).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        Actor {
            stage: self.clone(),
            nick: "*".to_owned(),
            stream,
            bytes: Vec::new(),
            lines: VecDeque::new(),
            has_ended: false,
            transcript: String::new(),
        }
    }

    /// Somebody connects, registers, and has read the greeting.
    pub(crate) fn enters(&self, nick: &str) -> Actor {
        self.enters_with(nick, "")
    }

    /// As [`enters`](Self::enters), with capabilities.
    pub(crate) fn enters_with(&self, nick: &str, caps: &str) -> Actor {
        let mut actor = self.connects();
        if !caps.is_empty() {
            actor.says(&format!("CAP REQ :{caps}"));
            actor.hears(&format!("CAP * ACK :{caps}"));
        }
        actor.registers(nick);
        if !caps.is_empty() {
            actor.says("CAP END");
        }
        actor.hears_at_last("422 *");
        actor
    }

    /// These enter, one after the other.
    pub(crate) fn enter<const N: usize>(&self, nicks: [&str; N]) -> [Actor; N] {
        nicks.map(|nick| self.enters(nick))
    }

    /// The same, and they join a channel, and each has heard of those who came later.
    pub(crate) fn room<const N: usize>(&self, channel: &str, nicks: [&str; N]) -> [Actor; N] {
        let mut actors = self.enter(nicks);
        for at in 0..N {
            actors[at].joins(channel);
            for earlier in &mut actors[..at] {
                earlier.hears(&format!(":{} JOIN {channel}", nicks[at]));
            }
        }
        actors
    }

    /// Turns the loop a few times.
    pub(crate) fn turns(&self, count: usize) {
        (0..count).for_each(|_| self.turn());
    }

    /// Does something to the server that needs its loop.
    pub(crate) fn acts<R>(&self, act: impl FnOnce(&mut Server, &mut Registry<Server>) -> R) -> R {
        let inner = &mut *self.0.borrow_mut();
        act(&mut inner.server, inner.reactor.registry())
    }

    #[cfg(feature = "websocket")]
    pub(crate) fn registry<R>(&self, act: impl FnOnce(&mut Registry<Server>) -> R) -> R {
        act(self.0.borrow_mut().reactor.registry())
    }

    pub(crate) fn server<R>(&self, look: impl FnOnce(&mut Server) -> R) -> R {
        look(&mut self.0.borrow_mut().server)
    }

    pub(crate) fn log(&self) -> String {
        self.0.borrow().log.borrow().clone()
    }

    pub(crate) fn shuts_down(&self) {
        self.0.borrow_mut().reactor.registry().shutdown(PATIENCE);
    }

    pub(crate) fn turn(&self) {
        let inner = &mut *self.0.borrow_mut();
        let turn = inner.reactor.turn(Some(Duration::from_millis(1)), &mut inner.server);
        if let Turn::Running = turn.expect("the loop turns") {
            inner.server.check().expect("no book contradicts another");
        }
    }
}

impl Actor {
    // ── saying ──────────────────────────────────────────────────────────────────────────────

    /// A line; this actor again, for what is to be heard of it.
    pub(crate) fn says(&mut self, line: &str) -> &mut Self {
        self.says_bytes(line.as_bytes());
        self.says_raw(b"\r\n");
        self
    }

    fn says_bytes(&mut self, bytes: &[u8]) {
        let _ = writeln!(self.transcript, "> {}", bytes.escape_ascii());
        self.says_raw(bytes);
    }

    /// Bytes as they are; the loop is turned while they do not fit.
    pub(crate) fn says_raw(&mut self, mut bytes: &[u8]) {
        let deadline = Instant::now() + PATIENCE;
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.stage.turn(),
                Err(_) => return, // The server has closed; what it said before is still to be heard.
            }
            assert!(Instant::now() < deadline, "the server does not read");
        }
    }

    pub(crate) fn registers(&mut self, nick: &str) {
        self.nick = nick.to_owned();
        self.says(&format!("NICK {nick}"));
        self.says(&format!("USER {nick} 0 * :{nick} the tester"));
    }

    pub(crate) fn joins(&mut self, channel: &str) {
        self.says(&format!("JOIN {channel}"));
        self.hears_at_last(&format!("366 {channel} *"));
    }

    pub(crate) fn hangs_up(&mut self) {
        self.stream.shutdown(Shutdown::Both).expect("it is connected");
    }

    pub(crate) fn is_called(&mut self, nick: &str) {
        self.nick = nick.to_owned();
    }

    // ── hearing ─────────────────────────────────────────────────────────────────────────────

    /// The next line, which has to fit: `*` stands for anything, `433 …` for what the server says to
    /// this actor, `:ann …` for what Ann says.
    #[track_caller]
    pub(crate) fn hears(&mut self, expected: &str) -> String {
        let pattern = self.pattern(expected);
        let line = self.next_line();
        let line = line.unwrap_or_else(|| panic!("no line, not {pattern}\n{}", self.transcript));
        assert!(fits(&pattern, &line), "expected {pattern}\nheard    {line}\n{}", self.transcript);
        line
    }

    /// The next lines, each of which has to fit.
    #[track_caller]
    pub(crate) fn hears_each<const N: usize>(&mut self, expected: [&str; N]) {
        for line in expected {
            self.hears(line);
        }
    }

    /// Lines until one fits; that one.
    #[track_caller]
    pub(crate) fn hears_at_last(&mut self, expected: &str) -> String {
        let pattern = self.pattern(expected);
        loop {
            let line = self.next_line();
            let line = line.unwrap_or_else(|| panic!("no line is {pattern}\n{}", self.transcript));
            if fits(&pattern, &line) {
                return line;
            }
        }
    }

    /// Nothing: the next line is the answer to a question that is asked now.
    #[track_caller]
    pub(crate) fn hears_nothing(&mut self) {
        self.says("PING still-there");
        self.hears("PONG * :still-there");
    }

    /// All lines that come before the answer to a question that is asked now.
    #[track_caller]
    pub(crate) fn hears_all(&mut self) -> Vec<String> {
        self.says("PING are-you-done");
        let mut lines = Vec::new();
        loop {
            let line = self.next_line();
            let line = line.unwrap_or_else(|| panic!("it has ended\n{}", self.transcript));
            if line.contains("are-you-done") {
                return lines;
            }
            lines.push(line);
        }
    }

    /// What comes until the connection ends.
    #[track_caller]
    pub(crate) fn hears_the_end(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = self.next_line() {
            lines.push(line);
        }
        lines
    }

    /// How many lines have come that nobody has looked at.
    pub(crate) fn heard_so_far(&mut self) -> usize {
        self.receive();
        self.lines.len()
    }

    /// The next line, if it has come.
    #[cfg(feature = "cluster")]
    pub(crate) fn hears_if_any(&mut self) -> Option<String> {
        self.receive();
        self.lines.pop_front()
    }

    #[track_caller]
    fn next_line(&mut self) -> Option<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.lines.pop_front() {
                let _ = writeln!(self.transcript, "< {line}");
                return Some(line);
            }
            if self.has_ended {
                return None;
            }
            assert!(Instant::now() < deadline, "waited in vain\n{}", self.transcript);
            self.stage.turn();
            self.receive();
        }
    }

    fn receive(&mut self) {
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.has_ended = true,
                Ok(count) => {
                    self.bytes.extend_from_slice(&buffer[..count]);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.has_ended = true,
            }
            break;
        }
        while let Some(end) = self.bytes.windows(2).position(|two| two == b"\r\n") {
            let line: Vec<_> = self.bytes.drain(..end + 2).collect();
            let line = std::str::from_utf8(&line[..end]).expect("the server says UTF-8 only");
            self.lines.push_back(line.to_owned());
        }
    }

    /// What an abbreviation stands for.
    fn pattern(&self, expected: &str) -> String {
        let (tags, expected) = match expected.strip_prefix('@') {
            Some(rest) => rest.split_once(' ').map_or(("", rest), |(tags, rest)| (tags, rest)),
            None => ("", expected),
        };
        let first = expected.split(' ').next().unwrap_or_default();
        let name = self.stage.server(|server| server.settings().name.clone());
        let line = if first.len() == 3 && first.bytes().all(|byte| byte.is_ascii_digit()) {
            format!(":{name} {first} {}{}", self.nick, &expected[3..])
        } else if let Some(nick) = first.strip_prefix(':')
            && !nick.contains(['!', '.', '*'])
        {
            format!(":{nick}!~{nick}@127.0.0.1{}", &expected[first.len()..])
        } else if first.starts_with(':') || matches!(first, "ERROR" | "AUTHENTICATE" | "PING" | "*")
        {
            expected.to_owned()
        } else {
            format!(":{name} {expected}")
        };
        if tags.is_empty() { line } else { format!("@{tags} {line}") }
    }
}

/// Masks compare without regard to case; a transcript does not. When something was said is left out,
/// unless the pattern speaks of tags.
fn fits(pattern: &str, line: &str) -> bool {
    let untimed = line.strip_prefix("@time=").and_then(|rest| rest.split_once(' '));
    let line = match untimed {
        Some((time, rest)) if !pattern.starts_with('@') && !time.contains(';') => rest,
        _ => line,
    };
    let literal_parts_fit =
        pattern.split('*').all(|part| line.contains(part) || part.contains('?'));
    mask::matches(pattern, line) && literal_parts_fit
}
