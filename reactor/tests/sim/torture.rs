//! Torture: every call of a calm run fails once in every way it may.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crate::support::Echo;
use reactor::sim::{Call, CallFault, Errno, Network, Outcome, Simulation, Torture};
use reactor::{
    Address, Backoff, CloseReason, ConnectOptions, Datagram, DatagramOptions, DatagramProtocol,
    DatagramTransport, Input, LastTry, Protocol, Registry, Transport,
};

const QUESTIONS: usize = 3;

#[derive(Clone, Copy, PartialEq)]
enum Persistence {
    /// It asks again until it has been answered.
    AsksAgain,
    /// It takes a connection that could not be made for one that was refused, and leaves it there.
    GivesUp,
}

/// Asks, as often as it takes, and counts it then.
fn ask(registry: &mut Registry<usize>, server: Address, persistence: Persistence) {
    let backoff = Backoff::new(Duration::from_millis(50), Duration::from_millis(100));
    let heard = Rc::new(Cell::new(0));
    let next = move |answered: &mut usize, last: Option<&LastTry>| {
        let failed = last.is_some_and(|last| matches!(last.reason, CloseReason::ConnectFailed(_)));
        match heard.replace(0) {
            17 => *answered += 1,
            _ if failed && persistence == Persistence::GivesUp => {}
            _ => return Some(Asking(Rc::clone(&heard))),
        }
        None
    };
    registry.connect_again(server, &ConnectOptions::default(), backoff, next);
}

/// One try; how many bytes came back.
struct Asking(Rc<Cell<usize>>);

impl<App> Protocol<App> for Asking {
    fn on_open(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        transport.write(b"is anybody there?");
        transport.end();
    }

    fn on_data(&mut self, _: &mut Transport<'_, App>, input: &mut Input<'_>, _: &mut App) {
        self.0.update(|heard| heard + input.take_all().len());
    }
}

fn scenario(network: &mut Network, persistence: Persistence) -> Outcome {
    let server = network.host("server", |registry| {
        registry.listen("0.0.0.0:7".parse()?, |_, _| Echo)?;
        Ok(())
    });
    let address = network.address(server, 7);
    let client = network.host("client", move |registry| {
        (0..QUESTIONS).for_each(|_| ask(registry, address.clone(), persistence));
        Ok(0)
    });
    network.run_for(Duration::from_secs(60))?;
    match network.app(client).copied() {
        Some(QUESTIONS) => Ok(network.finish(Duration::from_secs(1))?),
        answered => Err(format!("answered are {answered:?}").into()),
    }
}

fn torture(persistence: Persistence) -> Torture {
    let simulation = Simulation::new(|network: &mut Network| scenario(network, persistence));
    let mut told = Vec::new();
    let torture = simulation.torture(|done, all| told.push((done, all))).expect("calm is fine");
    let all = torture.summary.runs;
    assert!(told.into_iter().eq((1..=all).map(|done| (done, all))));
    torture
}

#[test]
fn a_protocol_that_asks_again_lives_through_every_mishap() {
    let torture = torture(Persistence::AsksAgain);
    println!("{torture}");
    assert!(torture.is_clean());
    assert!(torture.calls > 20 && torture.summary.runs > 3 * torture.calls);
}

#[test]
fn a_protocol_that_gives_up_is_found_wherever_it_does() {
    let torture = torture(Persistence::GivesUp);
    println!("{torture}");
    // Each client connects once, is registered, and asks whether its connection was made.
    let calls = [Call::Connect, Call::Register, Call::Connected];
    let errors = calls
        .iter()
        .flat_map(|call| call.call_faults())
        .filter(|call_fault| *call_fault != CallFault::WouldBlock);
    assert_eq!(torture.victims.len(), QUESTIONS * errors.count());
    assert!(torture.victims.iter().all(|victim| calls.contains(&victim.call)));

    let simulation =
        Simulation::new(|network: &mut Network| scenario(network, Persistence::GivesUp));
    for victim in &torture.victims {
        let run = simulation.run_call_fault(victim.number, victim.call_fault);
        assert_eq!(run.message(), Some(&*victim.message), "{victim}");
    }
}

#[test]
fn a_run_that_fails_in_calm_is_not_tortured() {
    let simulation = Simulation::new(|_: &mut Network| Err("whatever happens".into()));
    let failure = simulation.torture(|_, _| ()).expect_err("it fails in calm");
    assert_eq!(failure.message(), "whatever happens");
    assert!(failure.tape().is_empty());
}

#[test]
fn a_mishap_beyond_the_last_call_changes_nothing() {
    let simulation =
        Simulation::new(|network: &mut Network| scenario(network, Persistence::AsksAgain));
    let calm = simulation.run_tape(&[]);
    let beyond = simulation.run_call_fault(u64::MAX, CallFault::Error(Errno::EMFILE));
    assert_eq!((beyond.hash, beyond.result), (calm.hash, Ok(())));
}

/// Two Unix sockets: what is sent by name, and what is sent to the peer that one is connected to.
fn numbers(network: &mut Network) -> Outcome {
    let host = network.host("host", |registry| {
        registry.bind_datagram(Address::Path("/heard".into()), Heard)?;
        let peer = Some(Address::Path("/heard".into()));
        for peer in [None, peer] {
            let options = DatagramOptions { peer, ..DatagramOptions::default() };
            registry.bind_datagram_with(
                Address::Unnamed,
                &options,
                Numbers(options.peer.is_some()),
            )?;
        }
        Ok(Vec::new())
    });
    network.run_for(Duration::from_secs(1))?;
    let heard = network.app(host).ok_or("it is up")?;
    for marks in [b'c', b'n'] {
        let numbers: Vec<u8> =
            heard.iter().filter(|heard| heard[0] == marks).map(|heard| heard[1]).collect();
        if numbers != [0, 1, 2, 3] {
            return Err(format!("{}: heard were {numbers:?}", marks as char).into());
        }
    }
    Ok(network.finish(Duration::from_secs(1))?)
}

struct Heard;

impl DatagramProtocol<Vec<Vec<u8>>> for Heard {
    fn on_datagram(
        &mut self,
        _: &mut DatagramTransport<'_, Vec<Vec<u8>>>,
        datagram: &Datagram<'_>,
        heard: &mut Vec<Vec<u8>>,
    ) {
        heard.push(datagram.bytes.to_vec());
    }
}

struct Numbers(bool);

impl DatagramProtocol<Vec<Vec<u8>>> for Numbers {
    fn on_open(&mut self, socket: &mut DatagramTransport<'_, Vec<Vec<u8>>>, _: &mut Vec<Vec<u8>>) {
        for number in 0..4 {
            let sent = match self.0 {
                true => socket.send(&[b'c', number]),
                false => socket.send_to(&[b'n', number], &Address::Path("/heard".into())),
            };
            sent.expect("it is sent, or waits");
        }
    }

    fn on_datagram(
        &mut self,
        _: &mut DatagramTransport<'_, Vec<Vec<u8>>>,
        _: &Datagram<'_>,
        _: &mut Vec<Vec<u8>>,
    ) {
    }
}

/// As the BSDs and Apple's systems say it, and tell nobody when there is room.
#[test]
fn a_full_unix_peer_is_sent_everything_in_order_also_where_the_system_says_that_it_has_no_buffers()
{
    let simulation = Simulation::new(numbers);
    let torture = simulation.torture(|_, _| {}).expect("calm is fine");
    let full = CallFault::Error(Errno::ENOBUFS);
    let met = |victim: &&reactor::sim::Victim| {
        victim.call == Call::Send && [full, CallFault::WouldBlock].contains(&victim.call_fault)
    };
    let lost: Vec<String> = torture.victims.iter().filter(met).map(ToString::to_string).collect();
    assert!(lost.is_empty(), "{lost:#?}");
    let other = |victim: &reactor::sim::Victim| victim.call == Call::Send && !met(&victim);
    assert!(torture.victims.iter().any(other), "another error loses what it is about");
}

/// Says so many bytes again and again, each time when the peer has said the last ones back. There is no other event by
/// which a queue would be looked at.
struct Dialogue {
    length: usize,
    unheard: usize,
}

impl Protocol<usize> for Dialogue {
    fn on_open(&mut self, transport: &mut Transport<'_, usize>, _: &mut usize) {
        transport.write(&vec![0; self.length]);
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, usize>,
        input: &mut Input<'_>,
        rounds: &mut usize,
    ) {
        self.unheard -= input.take_all().len();
        if self.unheard > 0 {
            return;
        }
        *rounds += 1;
        if *rounds == ROUNDS {
            return transport.close();
        }
        self.unheard = self.length;
        // The first is gathered where it is short, and the second goes behind it.
        let (front, rest) = [0; 100_000][..self.length].split_at(self.length / 2);
        transport.write(front);
        transport.write(rest);
    }
}

const ROUNDS: usize = 4;

fn dialogue(network: &mut Network, length: usize) -> Outcome {
    let server = network.host("server", |registry| {
        registry.listen("0.0.0.0:7".parse()?, |_, _| Echo)?;
        Ok(())
    });
    let address = network.address(server, 7);
    let client = network.host("client", move |registry| {
        registry.connect(address.clone(), Dialogue { length, unheard: length })?;
        Ok(0)
    });
    network.run_for(Duration::from_secs(60))?;
    match network.app(client).copied() {
        Some(ROUNDS) => Ok(network.finish(Duration::from_secs(1))?),
        rounds => Err(format!("there were {rounds:?} rounds").into()),
    }
}

#[test]
fn a_call_that_a_signal_interrupts_is_made_again() {
    for length in [10, 1_000, 20_000, 100_000] {
        let simulation = Simulation::new(move |network: &mut Network| dialogue(network, length));
        let torture = simulation.torture(|_, _| {}).expect("calm is fine");
        let transfers = [Call::Read, Call::Write];
        let interrupted = |victim: &&reactor::sim::Victim| {
            transfers.contains(&victim.call) && victim.call_fault == CallFault::Error(Errno::EINTR)
        };
        let stuck: Vec<_> = torture.victims.iter().filter(interrupted).collect();
        assert!(stuck.is_empty(), "{length}: {stuck:#?}");
    }
}
