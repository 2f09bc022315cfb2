//! What a callback does beside writing, and what that does to what it writes: whatever it was, and whatever the network
//! does meanwhile, every byte arrives once and in order, and the end behind them.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use reactor::sim::{Fault, FaultCounts, Faults, Network, Rate};
use reactor::{
    Address, ConnectionId, Input, Limits, ListenOptions, Protocol, Registry, StreamLimits,
    TimerKey, Transport,
};

const PORT: u16 = 7;
const CLIENTS: usize = 4;
const COMMANDS: usize = 60;
/// What is said repeats itself after so many bytes.
const PERIOD: usize = 251;
const HOURS: Duration = Duration::from_secs(100 * 3_600);
/// The last command, which no other is.
const STOP: u8 = 255;

fn text(from: usize, length: usize) -> Vec<u8> {
    (from..from + length).map(|at| (at % PERIOD) as u8).collect()
}

/// The server's application: how much each of its connections has been given to say.
struct Said {
    lengths: BTreeMap<ConnectionId, usize>,
    file: File,
}

impl Said {
    fn new() -> std::io::Result<Self> {
        let mut file = tempfile::tempfile()?;
        file.write_all(&text(0, 200 * PERIOD))?;
        Ok(Self { lengths: BTreeMap::new(), file })
    }

    /// What `id` has to say next.
    fn next(&mut self, id: ConnectionId, length: usize) -> Vec<u8> {
        let said = self.lengths.entry(id).or_default();
        *said += length;
        text(*said - length, length)
    }

    /// The same as a part of the file: where it begins.
    fn next_of_file(&mut self, id: ConnectionId, length: usize) -> (File, u64) {
        let said = self.lengths.entry(id).or_default();
        *said += length;
        (self.file.try_clone().expect("a duplicate"), ((*said - length) % PERIOD) as u64)
    }

    fn others(&self, than: ConnectionId) -> Vec<ConnectionId> {
        self.lengths.keys().copied().filter(|id| *id != than).collect()
    }

    /// Sends to a connection by its id, if that takes something.
    fn send(&mut self, registry: &mut Registry<Self>, id: ConnectionId, length: usize) {
        let bytes = self.next(id, length);
        if registry.send(id, Bytes::from(bytes)).is_err() {
            *self.lengths.entry(id).or_default() -= length;
        }
    }
}

/// Does what each byte says.
#[derive(Default)]
struct Server;

impl Server {
    /// Whether it goes on with what comes behind.
    fn obey(transport: &mut Transport<'_, Said>, command: u8, said: &mut Said) -> bool {
        let id = transport.id();
        let write =
            move |transport: &mut Transport<'_, Said>, said: &mut Said, lengths: &[usize]| {
                for &length in lengths {
                    transport.write(&said.next(id, length));
                }
            };
        match command % 22 {
            0 => write(transport, said, &[10]),
            1 => write(transport, said, &[500, 500, 500]),
            2 => write(transport, said, &[5_000, 10]),
            3 => write(transport, said, &[10, 20_000, 10]),
            4 => write(transport, said, &[100_000, 10, 3_000, 17_000, 1]),
            5 => {
                transport.send(said.next(id, 8_000).into());
                write(transport, said, &[10]);
            }
            6 => said.send(transport.registry(), id, 100),
            7 => said.send(transport.registry(), id, 30_000),
            8 => {
                for other in said.others(id) {
                    said.send(transport.registry(), other, 700);
                    said.send(transport.registry(), other, 9_000);
                }
            }
            9 => {
                let all: Vec<ConnectionId> = said.lengths.keys().copied().collect();
                let able = |id: &ConnectionId| {
                    let begun = said.lengths[id];
                    said.send(transport.registry(), *id, PERIOD - begun % PERIOD);
                    said.lengths[id] > begun
                };
                let able: Vec<ConnectionId> = all.into_iter().filter(able).collect();
                let reached =
                    transport.registry().broadcast(able.clone(), text(0, 3 * PERIOD).into());
                assert_eq!(reached, able.len());
                for id in able {
                    said.next(id, 3 * PERIOD);
                }
            }
            10 => {
                let (file, offset) = said.next_of_file(id, 30_000);
                transport.send_file(file, offset, 30_000);
                write(transport, said, &[10, 2_000]);
            }
            11 => {
                let (file, offset) = said.next_of_file(id, 20_000);
                transport.registry().send_file(id, file, offset, 20_000).expect("there is room");
                // It is behind what the callback writes, so nothing more is written.
                transport.pause_until_drained(id);
                return false;
            }
            12 => {
                write(transport, said, &[1_500]);
                transport.pause_until_drained(id);
                return false;
            }
            13 => {
                let idle_timeout = if command < 128 { Some(HOURS) } else { None };
                let limits = StreamLimits { idle_timeout, ..transport.limits().clone() };
                transport.set_limits(limits);
                write(transport, said, &[2_000, 10]);
            }
            14 => {
                transport.set_timer(TimerKey(u32::from(command)), Duration::from_millis(3));
                write(transport, said, &[5]);
            }
            15 => {
                let say =
                    move |_: &mut Self, transport: &mut Transport<'_, Said>, said: &mut Said| {
                        write(transport, said, &[1_200, 1_200]);
                    };
                transport.registry().with(id, say).expect("it is running");
            }
            16 => {
                for other in said.others(id) {
                    let _ = transport.registry().with_transport(other, move |transport, said| {
                        transport.write(&said.next(other, 6_000));
                        transport.write(&said.next(other, 60));
                    });
                }
            }
            17 => {
                write(transport, said, &[9]);
                transport.replace(Self);
                // The rest is for the other.
                return false;
            }
            18 => {
                write(transport, said, &[90]);
                transport.registry().pause(id).expect("it is running");
                transport.registry().resume(id).expect("it is running");
            }
            19 => {
                write(transport, said, &[1_100]);
                transport.pause();
                transport.registry().defer(move |registry, _| {
                    let _ = registry.resume(id);
                });
                return false;
            }
            20 => {
                for other in said.others(id) {
                    let _ = transport.registry().pause(other);
                    transport.registry().defer(move |registry, _| {
                        let _ = registry.resume(other);
                    });
                }
            }
            _ => {}
        }
        true
    }
}

impl Protocol<Said> for Server {
    fn on_open(&mut self, transport: &mut Transport<'_, Said>, said: &mut Said) {
        transport.write(&said.next(transport.id(), 3));
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, Said>,
        input: &mut Input<'_>,
        said: &mut Said,
    ) {
        // A command is two bytes, of which the first says nothing.
        while input.len() > 1 {
            let command = input.take_front(2)[1];
            if command == STOP {
                let total = said.lengths.remove(&transport.id()).expect("it was opened");
                transport.write(&text(total, 1));
                transport.write(&(total as u64).to_be_bytes());
                return transport.close();
            }
            if !Self::obey(transport, command, said) {
                return;
            }
        }
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, Said>, _: TimerKey, said: &mut Said) {
        let id = transport.id();
        transport.write(&said.next(id, 1_500));
        transport.write(&said.next(id, 15));
    }
}

/// Gives commands, a few at a time, and listens.
struct Client {
    given: usize,
    heard: Vec<u8>,
    /// How many have heard all of it.
    content: Rc<Cell<usize>>,
}

impl Client {
    fn give<App>(&mut self, transport: &mut Transport<'_, App>) {
        let mut bytes = Vec::new();
        let count = transport.registry().random() % 6 + 1;
        for _ in 0..count.min((COMMANDS - self.given) as u64) {
            self.given += 1;
            let command = (transport.registry().random() % u64::from(STOP)) as u8;
            bytes.extend([0, if self.given == COMMANDS { STOP } else { command }]);
        }
        // What is cut is cut within a command.
        transport.write(&bytes);
        if self.given < COMMANDS {
            transport.set_timer(TimerKey(1), Duration::from_millis(2));
        }
    }
}

impl Protocol<()> for Client {
    fn on_open(&mut self, transport: &mut Transport<'_, ()>, (): &mut ()) {
        self.give(transport);
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, ()>, key: TimerKey, (): &mut ()) {
        match key {
            TimerKey(1) => self.give(transport),
            _ => transport.resume(),
        }
    }

    fn on_data(&mut self, transport: &mut Transport<'_, ()>, input: &mut Input<'_>, (): &mut ()) {
        self.heard.extend_from_slice(input.take_all());
        if transport.registry().random() % 8 == 0 {
            transport.pause();
            transport.set_timer(TimerKey(2), Duration::from_millis(20));
        }
    }

    fn on_end(&mut self, transport: &mut Transport<'_, ()>, (): &mut ()) {
        let (said, total) = self.heard.split_last_chunk().expect("there is a total");
        assert_eq!(u64::from_be_bytes(*total) as usize + 1, said.len());
        let odd = said.iter().zip(text(0, said.len())).position(|(one, other)| *one != other);
        assert_eq!(odd, None, "of {}", said.len());
        self.content.update(|content| content + 1);
        transport.close();
    }
}

fn play(seed: u64, limits: &StreamLimits) -> FaultCounts {
    let mut network = Network::from_seed(seed);
    let options = ListenOptions { limits: limits.clone(), ..ListenOptions::default() };
    let server = network.host_with("server", Limits::default(), move |registry| {
        let address = Address::Ip(([0, 0, 0, 0], PORT).into());
        registry.listen_with(address, &options, |_, _| Some(Box::new(Server)))?;
        Ok(Said::new()?)
    });
    let content = Rc::new(Cell::new(0));
    let (heard, address) = (Rc::clone(&content), network.address(server, PORT));
    network.host("clients", move |registry| {
        for _ in 0..CLIENTS {
            let client = Client { given: 0, heard: Vec::new(), content: Rc::clone(&heard) };
            registry.connect(address.clone(), client)?;
        }
        Ok(())
    });
    if seed > 0 {
        network.set_faults(FAULTS.iter().fold(Faults::calm(), |mix, fault| {
            mix.with(*fault, Rate::one_in(2 + seed as u32 % 5))
        }));
    }
    let came = network.run_until(HOURS / 100, |_| content.get() == CLIENTS);
    if !matches!(came, Ok(true)) {
        panic!("seed {seed}: {came:?}, {} are content\n{}", content.get(), network.trace());
    }
    let counts = network.fault_counts();
    network.calm();
    network.finish(Duration::from_secs(10)).unwrap_or_else(|broken| panic!("{broken}"));
    counts
}

const FAULTS: &[Fault] = &[
    Fault::Spurious,
    Fault::Late,
    Fault::Split,
    Fault::Duplicated,
    Fault::Reordered,
    Fault::HintHidden,
    Fault::SmallBatch,
    Fault::WouldBlock,
    Fault::ShortRead,
    Fault::ShortWrite,
    Fault::SmallBuffers,
];

#[test]
fn whatever_a_callback_does_its_bytes_arrive_once_and_in_order() {
    let calm = StreamLimits { close_timeout: HOURS, ..StreamLimits::default() };
    let watched = StreamLimits { idle_timeout: Some(HOURS), ..calm.clone() };
    for limits in [calm, watched] {
        let mut counts = FaultCounts::default();
        (0..5).for_each(|seed| counts.add(&play(seed, &limits)));
        assert!(FAULTS.iter().all(|fault| counts.of(*fault) > 0), "{counts}");
    }
}
