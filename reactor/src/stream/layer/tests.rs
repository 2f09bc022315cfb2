//! A layer that changes lengths, under the whole swarm of faults.
//!
//! ```text
//!   hello ──▶          frame:  ┌──────┬────────┬───────────────────────┐
//!         ◀── welcome          │ kind │ length │ each byte, and a seal │
//!   ready ──▶                  └──────┴────────┴───────────────────────┘
//! ```
//!
//! It splits what is written into short frames, inflates each byte to two, holds back what it has not got
//! whole, opens after three messages, answers some frames by itself, and has a goodbye of its own.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use super::Layer;
use crate::sim::{Fault, Host, Network, Outcome, Simulation};
use crate::{
    Address, CloseReason, Closed, ConnectionId, Input, ListenerId, Protocol, Registry, SentFile,
    TimerKey, Transport,
};

impl<App> Registry<App> {
    /// Has a listener put a layer on each connection that it accepts from now on.
    fn wrap_accepted(&mut self, id: ListenerId, layer: impl Fn() -> Box<dyn Layer> + 'static) {
        if let Ok(listener) = self.slots.listener_mut(id) {
            listener.entrance.layer = Some(Box::new(move || Ok(layer())));
        }
    }
}

const HELLO: u8 = b'H';
const WELCOME: u8 = b'W';
const READY: u8 = b'R';
const DATA: u8 = b'D';
/// It has to be answered, as a change of keys has.
const QUESTION: u8 = b'Q';
const ANSWER: u8 = b'A';
const GOODBYE: u8 = b'G';
/// What this side could not read, told before it gives up.
const ALERT: u8 = b'!';

/// Plain bytes a frame.
const FRAME: usize = 13;
/// Frames of data from one question to the next.
const QUESTION_EVERY: usize = 5;

struct Sealed {
    role: Role,
    is_open: bool,
    has_ended: bool,
    /// Of a frame that has not come whole.
    rest: Vec<u8>,
    frames: usize,
    /// Frames that it can send.
    most: usize,
    unanswered: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Client,
    Server,
}

impl Sealed {
    fn boxed(role: Role) -> Box<dyn Layer> {
        Box::new(Self::new(role))
    }

    fn new(role: Role) -> Self {
        let (is_open, has_ended, rest) = (false, false, Vec::new());
        Self { role, is_open, has_ended, rest, frames: 0, most: usize::MAX, unanswered: 0 }
    }

    fn frame(kind: u8, plain: &[u8], wire: &mut Vec<u8>) {
        wire.extend([kind, plain.len() as u8]);
        wire.extend(plain.iter().flat_map(|byte| [*byte, !byte]));
    }

    /// The next frame that has come whole.
    fn next_frame(&mut self) -> io::Result<Option<(u8, Vec<u8>)>> {
        let [kind, length, sealed @ ..] = &self.rest[..] else {
            return Ok(None);
        };
        let Some(sealed) = sealed.get(..2 * usize::from(*length)) else {
            return Ok(None);
        };
        let pairs = sealed.chunks_exact(2);
        if pairs.clone().any(|pair| pair[0] != !pair[1]) {
            return Err(ErrorKind::InvalidData.into());
        }
        let frame = (*kind, pairs.map(|pair| pair[0]).collect());
        self.rest.drain(..2 + 2 * usize::from(*length));
        Ok(Some(frame))
    }

    fn handle(
        &mut self,
        kind: u8,
        body: &[u8],
        plain: &mut Vec<u8>,
        wire: &mut Vec<u8>,
    ) -> io::Result<()> {
        match (kind, self.role, self.is_open) {
            (HELLO, Role::Server, false) => Self::frame(WELCOME, b"", wire),
            (WELCOME, Role::Client, false) => {
                Self::frame(READY, b"", wire);
                self.is_open = true;
            }
            (READY, Role::Server, false) => self.is_open = true,
            (DATA, _, true) if !self.has_ended => plain.extend_from_slice(body),
            (QUESTION, _, true) => Self::frame(ANSWER, body, wire),
            (ANSWER, _, true) if self.unanswered > 0 => self.unanswered -= 1,
            (GOODBYE, _, true) => self.has_ended = true,
            _ => return Err(ErrorKind::InvalidData.into()),
        }
        Ok(())
    }
}

impl Layer for Sealed {
    fn begin(&mut self, wire: &mut Vec<u8>) {
        if self.role == Role::Client {
            Self::frame(HELLO, b"", wire);
        }
    }

    fn receive(
        &mut self,
        bytes: &mut [u8],
        plain: &mut Vec<u8>,
        wire: &mut Vec<u8>,
    ) -> io::Result<()> {
        self.rest.extend_from_slice(bytes);
        let result = loop {
            match self.next_frame() {
                Ok(None) => break Ok(()),
                Ok(Some((kind, body))) => {
                    if let Err(error) = self.handle(kind, &body, plain, wire) {
                        break Err(error);
                    }
                }
                Err(error) => break Err(error),
            }
        };
        if result.is_err() {
            Self::frame(ALERT, b"", wire);
        }
        result
    }

    fn send(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> io::Result<()> {
        for frame in plain.chunks(FRAME) {
            if self.frames == self.most {
                Self::frame(GOODBYE, b"", wire);
                return Err(io::Error::other("there is no frame left"));
            }
            Self::frame(DATA, frame, wire);
            self.frames += 1;
            if self.frames.is_multiple_of(QUESTION_EVERY) {
                Self::frame(QUESTION, b"?", wire);
                self.unanswered += 1;
            }
        }
        Ok(())
    }

    fn finish(&mut self, wire: &mut Vec<u8>) {
        Self::frame(GOODBYE, b"", wire);
    }

    fn is_open(&self) -> bool {
        self.is_open
    }

    fn has_ended(&self) -> bool {
        self.has_ended
    }
}

// ── what is said through it ─────────────────────────────────────────────────────────────────

const PORT: u16 = 7;
/// More than a chunk, and than the queues between.
const TEXT: usize = 60_000;

/// So many bytes of the text, from one on.
fn text(from: usize, length: usize) -> Vec<u8> {
    (from..from + length).map(|at| (at % 251) as u8).collect()
}

/// Sends everything back, and says goodbye when its peer has.
struct Echo;

impl<App> Protocol<App> for Echo {
    fn on_data(&mut self, transport: &mut Transport<'_, App>, input: &mut Input<'_>, _: &mut App) {
        transport.write(input.take_all());
    }
}

/// Every conversation of a host: how much was heard, and how it ended.
#[derive(Default)]
struct Talks {
    heard: BTreeMap<ConnectionId, Heard>,
    wrong: Option<String>,
}

#[derive(Debug, Default)]
struct Heard {
    bytes: usize,
    ended: bool,
    closed: Option<String>,
}

impl Talks {
    fn is_right(&self) -> Result<(), String> {
        self.wrong.clone().map_or(Ok(()), Err)
    }

    fn are_whole(&self) -> Outcome {
        let whole = |it: &Heard| it.ended && it.bytes == TEXT && it.closed.is_some();
        if self.heard.len() == 2 && self.heard.values().all(whole) {
            return Ok(());
        }
        Err(format!("{:?}", self.heard).into())
    }
}

/// Says a text in pieces, pauses now and then, ends, and hears what comes back.
struct Speaker {
    said: usize,
    all: usize,
}

const RESUME: TimerKey = TimerKey(1);

impl Speaker {
    fn say(&mut self, transport: &mut Transport<'_, Talks>) {
        while self.said < self.all && transport.queued_bytes() < 20_000 {
            let length = (1 + self.said % 7_000).min(self.all - self.said);
            transport.write(&text(self.said, length));
            self.said += length;
        }
        if self.said == self.all {
            transport.end();
        }
    }
}

impl Protocol<Talks> for Speaker {
    fn on_open(&mut self, transport: &mut Transport<'_, Talks>, talks: &mut Talks) {
        talks.heard.insert(transport.id(), Heard::default());
        self.say(transport);
    }

    fn on_drain(&mut self, transport: &mut Transport<'_, Talks>, _: &mut Talks) {
        self.say(transport);
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, Talks>,
        input: &mut Input<'_>,
        talks: &mut Talks,
    ) {
        let heard = talks.heard.entry(transport.id()).or_default();
        // In the middle of what has come: nothing new on the wire will tell of the rest.
        let taken = input.take_all();
        if text(heard.bytes, taken.len()) != taken {
            talks.wrong = Some(format!("other bytes than were said, from {} on", heard.bytes));
        }
        heard.bytes += taken.len();
        if heard.bytes.is_multiple_of(3) {
            transport.pause();
            transport.set_timer(RESUME, Duration::from_millis(20));
        }
        if self.said < self.all {
            self.say(transport);
        }
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, Talks>, _: TimerKey, _: &mut Talks) {
        transport.resume();
    }

    fn on_end(&mut self, transport: &mut Transport<'_, Talks>, talks: &mut Talks) {
        let heard = talks.heard.entry(transport.id()).or_default();
        heard.ended = true;
        if heard.bytes < TEXT {
            talks.wrong = Some(format!("an end was told after {} bytes", heard.bytes));
        }
        transport.close();
    }

    fn on_close(&mut self, _: &mut Registry<Talks>, closed: &Closed, talks: &mut Talks) {
        talks.heard.entry(closed.id).or_default().closed = Some(closed.reason.to_string());
    }
}

/// A server of this protocol behind the layer, and two speakers on a host of their own.
fn hosts<P: Protocol<()> + 'static>(
    network: &mut Network,
    protocol: fn() -> P,
    all: usize,
) -> Host<Talks> {
    let server = network.host("server", move |registry| {
        let id =
            registry.listen(Address::Ip(([0, 0, 0, 0], PORT).into()), move |_, _| protocol())?;
        registry.wrap_accepted(id, || Sealed::boxed(Role::Server));
        Ok(())
    });
    let address = network.address(server, PORT);
    network.host("speakers", move |registry| {
        for _ in 0..2 {
            if let Ok(id) = registry.connect(address.clone(), Speaker { said: 0, all }) {
                registry.wrap(id, Sealed::boxed(Role::Client));
            }
        }
        Ok(Talks::default())
    })
}

fn watch(network: &mut Network, speakers: Host<Talks>) {
    network.invariant("what is heard is what was said", move |network| {
        network.app(speakers).map_or(Ok(()), Talks::is_right)
    });
}

#[test]
fn everything_said_through_a_layer_is_heard_whole_and_its_end_told() {
    let simulation = Simulation::new(|network: &mut Network| {
        let speakers = hosts(network, || Echo, TEXT);
        watch(network, speakers);
        network.run_for(Duration::from_secs(60))?;
        network.finish(Duration::from_secs(60))?;
        let talks = network.app(speakers).ok_or("they are up")?;
        talks.are_whole()
    });
    println!("{}", simulation.search(0..10).unwrap_or_else(|failure| panic!("{failure}")));
}

#[test]
fn whatever_goes_wrong_below_a_layer_no_end_is_told_that_is_none() {
    let simulation = Simulation::new(|network: &mut Network| -> Outcome {
        // One that has crashed would say it all again, and hear the echo of it twice.
        network.swarm_without(&[Fault::Crash]);
        let speakers = hosts(network, || Echo, TEXT);
        watch(network, speakers);
        network.run_for(Duration::from_secs(20))?;
        network.calm();
        Ok(network.finish(Duration::from_secs(3_000))?)
    });
    println!("{}", simulation.search(0..60).unwrap_or_else(|failure| panic!("{failure}")));
}

#[test]
fn every_call_below_a_layer_may_fail_once() {
    let simulation = Simulation::new(|network: &mut Network| -> Outcome {
        let speakers = hosts(network, || Brief, 100);
        watch(network, speakers);
        network.run_for(Duration::from_secs(60))?;
        Ok(network.finish(Duration::from_secs(3_000))?)
    });
    let torture = simulation.torture(|_, _| ()).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{torture}");
    assert!(torture.is_clean(), "{torture}");
}

/// Hears little and hangs up, so that there are not too many calls to fail.
struct Brief;

impl<App> Protocol<App> for Brief {
    fn on_data(&mut self, transport: &mut Transport<'_, App>, input: &mut Input<'_>, _: &mut App) {
        transport.write(&input.take_all()[..1]);
        transport.abort();
    }
}

// ── the ends ────────────────────────────────────────────────────────────────────────────────

/// Writes a line, and lets go in one way or another.
struct Lets(fn(&mut Transport<'_, ()>));

impl Protocol<()> for Lets {
    fn on_data(&mut self, transport: &mut Transport<'_, ()>, input: &mut Input<'_>, _: &mut ()) {
        input.take_all();
        (self.0)(transport);
    }
}

/// How a speaker fares with somebody who lets go of it so.
fn let_go(how: fn(&mut Transport<'_, ()>)) -> String {
    let mut network = Network::from_seed(1);
    let server = network.host("server", move |registry| {
        let address = Address::Ip(([0, 0, 0, 0], PORT).into());
        let id = registry.listen(address, move |_, _| Lets(how))?;
        registry.wrap_accepted(id, || Sealed::boxed(Role::Server));
        Ok(())
    });
    let address = network.address(server, PORT);
    let listener = network.host("listener", move |registry| {
        let id = registry.connect(address.clone(), Hearing)?;
        registry.wrap(id, Sealed::boxed(Role::Client));
        Ok(String::new())
    });
    network.run_for(Duration::from_secs(200)).expect("it runs");
    network.app(listener).expect("it is up").clone()
}

/// Notes all that it is told.
struct Hearing;

impl Protocol<String> for Hearing {
    fn on_open(&mut self, transport: &mut Transport<'_, String>, notes: &mut String) {
        notes.push_str("open ");
        transport.write(b"hello");
    }

    fn on_data(
        &mut self,
        _: &mut Transport<'_, String>,
        input: &mut Input<'_>,
        notes: &mut String,
    ) {
        notes.push_str(&String::from_utf8_lossy(input.take_all()));
        notes.push(' ');
    }

    fn on_end(&mut self, transport: &mut Transport<'_, String>, notes: &mut String) {
        notes.push_str("end ");
        transport.close();
    }

    fn on_close(&mut self, _: &mut Registry<String>, closed: &Closed, notes: &mut String) {
        notes.push_str(&format!("{}", closed.reason));
    }
}

#[test]
fn an_end_with_a_goodbye_and_a_reset_are_told_apart() {
    let goodbye = let_go(|transport| {
        transport.write(b"bye");
        transport.close();
    });
    assert_eq!(goodbye, "open bye end the peer closed the connection");
    let reset = let_go(|transport| {
        transport.write(b"bye");
        transport.abort();
    });
    assert_eq!(reset, "open the peer reset the connection");
}

/// What went before it is heard, and so is what the layer has to say of it.
#[test]
fn what_a_layer_cannot_send_ends_the_connection() {
    /// Says something, and more than can be sent.
    struct Says(fn(&mut Transport<'_, String>));
    impl Protocol<String> for Says {
        fn on_open(&mut self, transport: &mut Transport<'_, String>, _: &mut String) {
            transport.write(b"before");
            (self.0)(transport);
        }
        fn on_data(&mut self, _: &mut Transport<'_, String>, _: &mut Input<'_>, _: &mut String) {}
        fn on_close(&mut self, _: &mut Registry<String>, closed: &Closed, notes: &mut String) {
            notes.push_str(&closed.reason.to_string());
        }
    }
    let ways: [fn(&mut Transport<'_, String>); 3] = [
        |transport| transport.write(b"what comes behind it"),
        |transport| {
            transport.write(b"what comes behind it");
            transport.write(&[0; 3 * super::CHUNK]);
            transport.end();
        },
        |transport| {
            let mut file = tempfile::tempfile().expect("a temporary file");
            file.write_all(b"what comes behind it").expect("there is room");
            transport.send_file(file, 0, 20);
        },
    ];
    for (way, how) in ways.into_iter().enumerate() {
        let mut network = Network::from_seed(1);
        let server = network.host("server", |registry| {
            let address = Address::Ip(([0, 0, 0, 0], PORT).into());
            let id = registry.listen(address, |_, _| Lets(|_| {}))?;
            registry.wrap_accepted(id, || Sealed::boxed(Role::Server));
            Ok(())
        });
        let address = network.address(server, PORT);
        let says = network.host("says", move |registry| {
            let id = registry.connect(address.clone(), Says(how))?;
            registry.wrap(id, Box::new(Sealed { most: 1, ..Sealed::new(Role::Client) }));
            Ok(String::new())
        });
        network.run_for(Duration::from_secs(200)).expect("it runs");
        let reason = network.app(says).map(String::as_str);
        assert_eq!(reason, Some("the connection failed: there is no frame left"), "{way}");
    }
}

/// A goodbye without FIN is said once: it must not be lost to a protocol that is first offered what it has left.
#[test]
fn a_goodbye_behind_what_is_offered_again_is_told() {
    for resumes_later in [false, true] {
        assert_eq!(leave_some(resumes_later), "open 4 3 2 1 end", "resumes later: {resumes_later}");
    }
}

fn leave_some(resumes_later: bool) -> String {
    let mut network = Network::from_seed(1);
    /// Speaks the layer by hand: all it has to say and its goodbye at once, and no FIN.
    struct Says;
    impl Protocol<()> for Says {
        fn on_data(
            &mut self,
            transport: &mut Transport<'_, ()>,
            input: &mut Input<'_>,
            _: &mut (),
        ) {
            let mut wire = Vec::new();
            if input.take_all().contains(&HELLO) {
                Sealed::frame(WELCOME, b"", &mut wire);
            } else {
                Sealed::frame(DATA, b"abcd", &mut wire);
                Sealed::frame(GOODBYE, b"", &mut wire);
            }
            transport.write(&wire);
        }
    }
    /// Takes a byte at a time, with a pause behind each but the last, which it leaves.
    struct Sips {
        /// When two are left, which it is offered when the end has been read.
        resumes_later: bool,
    }
    impl Protocol<String> for Sips {
        fn on_open(&mut self, _: &mut Transport<'_, String>, notes: &mut String) {
            notes.push_str("open");
        }
        fn on_data(
            &mut self,
            transport: &mut Transport<'_, String>,
            input: &mut Input<'_>,
            notes: &mut String,
        ) {
            notes.push_str(&format!(" {}", input.len()));
            if input.len() == 1 {
                return;
            }
            input.take_front(1);
            transport.pause();
            if self.resumes_later && input.len() == 1 {
                transport.set_timer(RESUME, Duration::from_millis(20));
            } else {
                transport.resume();
            }
        }
        fn on_timer(&mut self, transport: &mut Transport<'_, String>, _: TimerKey, _: &mut String) {
            transport.resume();
        }
        fn on_end(&mut self, _: &mut Transport<'_, String>, notes: &mut String) {
            notes.push_str(" end");
        }
    }
    let server = network.host("server", |registry| {
        registry.listen(Address::Ip(([0, 0, 0, 0], PORT).into()), |_, _| Says)?;
        Ok(())
    });
    let address = network.address(server, PORT);
    let listener = network.host("listener", move |registry| {
        let id = registry.connect(address.clone(), Sips { resumes_later })?;
        registry.wrap(id, Sealed::boxed(Role::Client));
        Ok(String::new())
    });
    network.run_for(Duration::from_secs(1)).expect("it runs");
    network.app(listener).expect("it is up").clone()
}

#[test]
fn an_end_without_a_goodbye_is_a_failure() {
    let mut network = Network::from_seed(1);
    // A peer that speaks the layer by hand, and ends without its goodbye.
    struct Bare;
    impl Protocol<()> for Bare {
        fn on_data(
            &mut self,
            transport: &mut Transport<'_, ()>,
            input: &mut Input<'_>,
            _: &mut (),
        ) {
            let opens = input.take_all().contains(&HELLO);
            let mut wire = Vec::new();
            if opens {
                Sealed::frame(WELCOME, b"", &mut wire);
            } else {
                Sealed::frame(DATA, b"half a ", &mut wire);
            }
            transport.write(&wire);
            if !opens {
                transport.end();
            }
        }
    }
    let server = network.host("server", |registry| {
        registry.listen(Address::Ip(([0, 0, 0, 0], PORT).into()), |_, _| Bare)?;
        Ok(())
    });
    let address = network.address(server, PORT);
    let listener = network.host("listener", move |registry| {
        let id = registry.connect(address.clone(), Hearing)?;
        registry.wrap(id, Sealed::boxed(Role::Client));
        Ok(String::new())
    });
    network.run_for(Duration::from_secs(200)).expect("it runs");
    let reason = CloseReason::Truncated;
    assert_eq!(network.app(listener), Some(&format!("open half a  {reason}")));
}

#[test]
fn a_peer_that_asks_for_answers_and_takes_none_is_cut_off() {
    /// Opens the layer by hand, and then only asks.
    struct Asks;
    impl Protocol<String> for Asks {
        fn on_open(&mut self, transport: &mut Transport<'_, String>, _: &mut String) {
            let mut wire = Vec::new();
            Sealed::frame(HELLO, b"", &mut wire);
            Sealed::frame(READY, b"", &mut wire);
            for _ in 0..200_000 {
                Sealed::frame(QUESTION, &[b'?'; 60], &mut wire);
            }
            transport.pause();
            let limits = crate::StreamLimits { outbox: 64 << 20, ..transport.limits().clone() };
            transport.set_limits(limits);
            transport.write(&wire);
        }
        fn on_data(&mut self, _: &mut Transport<'_, String>, _: &mut Input<'_>, _: &mut String) {}
    }
    /// Notes how it ends.
    struct Asked;
    impl Protocol<String> for Asked {
        fn on_data(&mut self, _: &mut Transport<'_, String>, _: &mut Input<'_>, _: &mut String) {}
        fn on_close(&mut self, _: &mut Registry<String>, closed: &Closed, notes: &mut String) {
            notes.push_str(&closed.reason.to_string());
        }
    }
    let mut network = Network::from_seed(1);
    let server = network.host("server", |registry| {
        let address = Address::Ip(([0, 0, 0, 0], PORT).into());
        let id = registry.listen(address, |_, _| Asked)?;
        registry.wrap_accepted(id, || Sealed::boxed(Role::Server));
        Ok(String::new())
    });
    let address = network.address(server, PORT);
    network.host("asks", move |registry| {
        registry.connect(address.clone(), Asks)?;
        Ok(String::new())
    });
    network.run_for(Duration::from_secs(200)).expect("it runs");
    assert_eq!(network.app(server), Some(&CloseReason::OutboxFull.to_string()));
}

/// A file goes through a layer by bounded copies, behind what was written before it.
#[test]
fn a_file_goes_through_a_layer() {
    struct Sends;
    impl Protocol<()> for Sends {
        fn on_open(&mut self, transport: &mut Transport<'_, ()>, _: &mut ()) {
            let mut file = tempfile::tempfile().expect("a temporary file");
            file.write_all(&text(0, TEXT)).expect("there is room");
            transport.write(&text(0, 10));
            transport.send_file(file, 10, TEXT as u64);
        }
        fn on_data(&mut self, _: &mut Transport<'_, ()>, input: &mut Input<'_>, _: &mut ()) {
            input.take_all();
        }
        fn on_file_sent(&mut self, transport: &mut Transport<'_, ()>, sent: SentFile, _: &mut ()) {
            assert_eq!((sent.sent, sent.requested), ((TEXT - 10) as u64, TEXT as u64));
            transport.close();
        }
    }
    let simulation = Simulation::new(|network: &mut Network| {
        let speakers = hosts(network, || Sends, 10);
        watch(network, speakers);
        network.run_for(Duration::from_secs(60))?;
        let talks = network.app(speakers).ok_or("they are up")?;
        talks.are_whole()
    });
    println!("{}", simulation.search(0..5).unwrap_or_else(|failure| panic!("{failure}")));
}
