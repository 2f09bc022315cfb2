//! TLS in a simulated network, under the whole swarm of faults.
//!
//! Its randomness is not the simulator's, and need not be: a trace knows how many bytes have moved, not
//! which, and with keys of Ed25519 everything that TLS sends is as long in each run. So the same seed is
//! still the same run; a test here holds that.

use super::*;

use std::collections::BTreeMap;
use std::time::Duration;

use reactor::sim::{Choices, Fault, Host, Network, Outcome, Simulation};
use reactor::{Address, Closed, ConnectionId, Input, Protocol, Registry, TimerKey, Transport};

const PORT: u16 = 7;
const TEXT: usize = 60_000;
const RESUME: TimerKey = TimerKey(1);

/// So many bytes of the text, from one on.
fn text(from: usize, length: usize) -> Vec<u8> {
    (from..from + length).map(|at| (at % 251) as u8).collect()
}

struct Echo;

impl<App> Protocol<App> for Echo {
    fn on_data(&mut self, transport: &mut Transport<'_, App>, input: &mut Input<'_>, _: &mut App) {
        transport.write(input.take_all());
    }
}

/// Begins TLS when it hears a letter, and sends everything else back.
struct Starting(ServerTls);

impl<App> Protocol<App> for Starting {
    fn on_data(&mut self, transport: &mut Transport<'_, App>, input: &mut Input<'_>, _: &mut App) {
        if transport.tls().is_some() {
            return transport.write(input.take_all());
        }
        input.take_front(1);
        transport.write(b"S");
        if transport.start_tls(&self.0).is_err() {
            transport.abort();
        }
    }
}

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

/// Says a text in pieces, pauses now and then, ends, and hears what comes back.
struct Speaker {
    said: usize,
    /// With which it begins TLS by itself.
    starts: Option<ClientTls>,
}

impl Speaker {
    fn say(&mut self, transport: &mut Transport<'_, Talks>) {
        while self.said < TEXT && transport.queued_bytes() < 20_000 {
            let length = (1 + self.said % 7_000).min(TEXT - self.said);
            transport.write(&text(self.said, length));
            self.said += length;
        }
        if self.said == TEXT {
            transport.end();
        }
    }
}

impl Protocol<Talks> for Speaker {
    fn on_open(&mut self, transport: &mut Transport<'_, Talks>, talks: &mut Talks) {
        talks.heard.insert(transport.id(), Heard::default());
        if self.starts.is_some() {
            return transport.write(b"s");
        }
        self.say(transport);
    }

    fn on_secure(&mut self, transport: &mut Transport<'_, Talks>, _: &mut Talks) {
        self.say(transport);
    }

    fn on_drain(&mut self, transport: &mut Transport<'_, Talks>, _: &mut Talks) {
        if transport.tls().is_some() {
            self.say(transport);
        }
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, Talks>,
        input: &mut Input<'_>,
        talks: &mut Talks,
    ) {
        if let Some(tls) = self.starts.take() {
            input.take_front(1);
            if transport.start_tls(&tls).is_err() {
                transport.abort();
            }
            return;
        }
        let heard = talks.heard.entry(transport.id()).or_default();
        let taken = input.take_all();
        if text(heard.bytes, taken.len()) != taken {
            talks.wrong = Some(format!("other bytes than were said, from {} on", heard.bytes));
        }
        heard.bytes += taken.len();
        if heard.bytes.is_multiple_of(3) {
            transport.pause();
            transport.set_timer(RESUME, Duration::from_millis(20));
        }
        if self.said < TEXT {
            self.say(transport);
        }
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, Talks>, _: TimerKey, _: &mut Talks) {
        transport.resume();
    }

    fn on_end(&mut self, transport: &mut Transport<'_, Talks>, talks: &mut Talks) {
        let heard = talks.heard.entry(transport.id()).or_default();
        heard.ended = true;
        // Without TLS an end can be anybody's.
        if heard.bytes < TEXT && transport.tls().is_some() {
            talks.wrong = Some(format!("an end was told after {} bytes", heard.bytes));
        }
        transport.close();
    }

    fn on_close(&mut self, _: &mut Registry<Talks>, closed: &Closed, talks: &mut Talks) {
        talks.heard.entry(closed.id).or_default().closed = Some(closed.reason.to_string());
    }
}

/// A server, and two speakers on a host of their own: one of them has TLS from the beginning.
fn hosts(network: &mut Network, server: &ServerTls, client: &ClientTls) -> Host<Talks> {
    let any = |port| Address::Ip(([0, 0, 0, 0], port).into());
    let tls = server.with_tickets(0);
    let server = network.host("server", move |registry| {
        registry.listen_with(any(PORT), &with_tls(&tls), |_, _| Some(Box::new(Echo)))?;
        let tls = tls.clone();
        registry.listen(any(PORT + 1), move |_, _| Starting(tls.clone()))?;
        Ok(())
    });
    let (secure, plain) = (network.address(server, PORT), network.address(server, PORT + 1));
    let client = client.clone();
    let speakers = network.host("speakers", move |registry| {
        let options = to_tls(client.clone());
        let speaker = Speaker { said: 0, starts: None };
        // It may find no descriptor.
        let _ = registry.connect_with(secure.clone(), &options, speaker);
        let _ = registry.connect(plain.clone(), Speaker { said: 0, starts: Some(client.clone()) });
        Ok(Talks::default())
    });
    network.invariant("what is heard is what was said", move |network| {
        let wrong = network.app(speakers).and_then(|talks| talks.wrong.clone());
        wrong.map_or(Ok(()), Err)
    });
    speakers
}

fn keys() -> (ServerTls, ClientTls) {
    let keys = Keys::new();
    (keys.server("a.example"), keys.client())
}

#[test]
fn everything_said_through_tls_is_heard_whole_and_its_end_told() {
    let (server, client) = keys();
    let simulation = Simulation::new(move |network: &mut Network| -> Outcome {
        let speakers = hosts(network, &server, &client);
        network.run_for(Duration::from_secs(60))?;
        network.finish(Duration::from_secs(60))?;
        let talks = network.app(speakers).ok_or("they are up")?;
        let whole = |it: &Heard| it.ended && it.bytes == TEXT && it.closed.is_some();
        if talks.heard.len() == 2 && talks.heard.values().all(whole) {
            return Ok(());
        }
        Err(format!("{:?}", talks.heard).into())
    });
    println!("{}", simulation.search(0..5).unwrap_or_else(|failure| panic!("{failure}")));
}

#[test]
fn whatever_goes_wrong_below_tls_no_end_is_told_that_is_none() {
    let (server, client) = keys();
    let simulation = Simulation::new(move |network: &mut Network| -> Outcome {
        // One that has crashed would say it all again, and hear the echo of it twice.
        network.swarm_without(&[Fault::Crash]);
        hosts(network, &server, &client);
        network.run_for(Duration::from_secs(20))?;
        network.calm();
        Ok(network.finish(Duration::from_secs(3_000))?)
    });
    println!("{}", simulation.search(0..30).unwrap_or_else(|failure| panic!("{failure}")));
}

/// Begins a handshake, and says nothing more.
struct Stuck;

impl Protocol<Talks> for Stuck {
    fn on_open(&mut self, transport: &mut Transport<'_, Talks>, _: &mut Talks) {
        // The head of a record, whose rest would be a ClientHello.
        transport.write(&[22, 3, 1, 2, 0]);
    }

    fn on_data(&mut self, _: &mut Transport<'_, Talks>, input: &mut Input<'_>, _: &mut Talks) {
        input.take_all();
    }

    fn on_end(&mut self, transport: &mut Transport<'_, Talks>, _: &mut Talks) {
        transport.close();
    }
}

/// With the limits as they are by default: 1,024 at one time, 10 s for each.
#[test]
fn a_thousand_handshakes_that_never_finish_are_gone_by_their_deadline_and_harm_nobody() {
    let (server, client) = keys();
    let mut network = Network::from_seed(1);
    let tls = server.with_tickets(0);
    let there = network.host("server", move |registry| {
        let any = Address::Ip(([0, 0, 0, 0], PORT).into());
        registry.listen_with(any, &with_tls(&tls), |_, _| Some(Box::new(Echo)))?;
        Ok(())
    });
    let address = network.address(there, PORT);
    let crowd = address.clone();
    network.host("crowd", move |registry| {
        for (when, how_many) in [(0, 1_000), (4, 100)] {
            let address = crowd.clone();
            registry.after(Duration::from_secs(when), move |registry, _| {
                for _ in 0..how_many {
                    registry.connect(address.clone(), Stuck).expect("it begins");
                }
            })?;
        }
        Ok(Talks::default())
    });
    // One comes among the thousand, and one when they have gone.
    let speakers = network.host("speakers", move |registry| {
        for when in [1, 20] {
            let (address, options) = (address.clone(), to_tls(client.clone()));
            registry.after(Duration::from_secs(when), move |registry, _| {
                let speaker = Speaker { said: 0, starts: None };
                registry.connect_with(address, &options, speaker).expect("it begins");
            })?;
        }
        Ok(Talks::default())
    });
    let state = |network: &Network| {
        let stats = network.stats(there).expect("it is up");
        let talks = network.app(speakers).expect("they are up");
        assert_eq!(talks.wrong, None);
        let whole = |it: &&Heard| it.ended && it.bytes == TEXT;
        let whole = talks.heard.values().filter(whole).count();
        (stats.connections, stats.refused_handshakes, whole)
    };
    network.run_for(Duration::from_millis(3_900)).expect("it runs");
    assert_eq!(state(&network), (1_000, 0, 1));
    // There is room for 24 of the hundred.
    network.run_for(Duration::from_secs(2)).expect("it runs");
    assert_eq!(state(&network), (1_024, 76, 1));
    network.run_for(Duration::from_secs(13)).expect("it runs");
    assert_eq!(state(&network), (0, 76, 1));
    network.run_for(Duration::from_secs(10)).expect("it runs");
    assert_eq!(state(&network), (0, 76, 2));
}

#[test]
fn the_same_seed_is_the_same_run_though_the_keys_are_others() {
    for seed in 0..3 {
        let transcript = || {
            let (server, client) = keys();
            let mut network = Network::with_records(Choices::from_seed(seed), 1 << 20);
            network.swarm_without(&[Fault::Crash]);
            hosts(&mut network, &server, &client);
            network.run_for(Duration::from_secs(20)).expect("it runs");
            let records: Vec<_> = network.trace().lines().collect();
            (records, network.hash())
        };
        let ((first, hash), (again, other)) = (transcript(), transcript());
        let differs = first.iter().zip(&again).find(|(first, again)| first != again);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(hash, other, "seed {seed}");
    }
}

#[test]
fn every_call_below_a_handshake_may_fail_once() {
    /// Answers once, and hangs up, so that there are not too many calls to fail.
    struct Brief;
    impl<App> Protocol<App> for Brief {
        fn on_data(
            &mut self,
            transport: &mut Transport<'_, App>,
            input: &mut Input<'_>,
            _: &mut App,
        ) {
            transport.write(&input.take_all()[..1]);
            transport.close();
        }
    }
    struct Says;
    impl Protocol<()> for Says {
        fn on_open(&mut self, transport: &mut Transport<'_, ()>, _: &mut ()) {
            transport.write(b"hello");
        }
        fn on_data(&mut self, _: &mut Transport<'_, ()>, input: &mut Input<'_>, _: &mut ()) {
            input.take_all();
        }
    }
    let (server, client) = keys();
    let simulation = Simulation::new(move |network: &mut Network| -> Outcome {
        let tls = server.with_tickets(0);
        let there = network.host("server", move |registry| {
            let any = Address::Ip(([0, 0, 0, 0], PORT).into());
            registry.listen_with(any, &with_tls(&tls), |_, _| Some(Box::new(Brief)))?;
            Ok(())
        });
        let (address, options) = (network.address(there, PORT), to_tls(client.clone()));
        network.host("client", move |registry| {
            registry.connect_with(address.clone(), &options, Says)?;
            Ok(())
        });
        network.run_for(Duration::from_secs(60))?;
        Ok(network.finish(Duration::from_secs(3_000))?)
    });
    let torture = simulation.torture(|_, _| ()).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{torture}");
    assert!(torture.is_clean(), "{torture}");
}

/// Takes TLS off a client's connection, and couples it with a server that has none.
struct Front(Address);

impl Protocol<()> for Front {
    fn on_open(&mut self, client: &mut Transport<'_, ()>, _: &mut ()) {
        client.pause();
        let back = Back(client.id());
        if client.registry().connect(self.0.clone(), back).is_err() {
            client.abort();
        }
    }

    fn on_data(&mut self, _: &mut Transport<'_, ()>, _: &mut Input<'_>, _: &mut ()) {}
}

struct Back(ConnectionId);

impl Protocol<()> for Back {
    fn on_open(&mut self, server: &mut Transport<'_, ()>, _: &mut ()) {
        if server.couple(self.0, |_, _, _| {}).is_err() {
            server.abort();
        }
    }

    fn on_data(&mut self, _: &mut Transport<'_, ()>, _: &mut Input<'_>, _: &mut ()) {}

    fn on_close(&mut self, registry: &mut Registry<()>, _: &Closed, _: &mut ()) {
        let _ = registry.abort(self.0);
    }
}

/// A server without TLS, a proxy in front of it that has it, and a client of that.
fn coupled(network: &mut Network, server: &ServerTls, client: &ClientTls) -> Host<Talks> {
    let any = Address::Ip(([0, 0, 0, 0], PORT).into());
    let at = any.clone();
    let backend = network.host("backend", move |registry| {
        registry.listen(at.clone(), |_, _| Echo)?;
        Ok(())
    });
    let (behind, tls) = (network.address(backend, PORT), server.with_tickets(0));
    let proxy = network.host("proxy", move |registry| {
        let behind = behind.clone();
        registry.listen_with(any.clone(), &with_tls(&tls), move |_, _| {
            Some(Box::new(Front(behind.clone())))
        })?;
        Ok(())
    });
    let (front, options) = (network.address(proxy, PORT), to_tls(client.clone()));
    let speaker = network.host("speaker", move |registry| {
        // It may find no descriptor.
        let _ = registry.connect_with(front.clone(), &options, Speaker { said: 0, starts: None });
        Ok(Talks::default())
    });
    network.invariant("what is heard is what was said", move |network| {
        let wrong = network.app(speaker).and_then(|talks| talks.wrong.clone());
        wrong.map_or(Ok(()), Err)
    });
    speaker
}

#[test]
fn a_connection_with_tls_and_one_without_are_coupled_whole_in_both_directions() {
    let (server, client) = keys();
    let simulation = Simulation::new(move |network: &mut Network| -> Outcome {
        let speaker = coupled(network, &server, &client);
        network.run_for(Duration::from_secs(60))?;
        network.finish(Duration::from_secs(60))?;
        let talks = network.app(speaker).ok_or("it is up")?;
        match talks.heard.values().next() {
            Some(it) if it.ended && it.bytes == TEXT && it.closed.is_some() => Ok(()),
            heard => Err(format!("{heard:?}").into()),
        }
    });
    println!("{}", simulation.search(0..5).unwrap_or_else(|failure| panic!("{failure}")));
}

#[test]
fn whatever_goes_wrong_around_a_couple_with_tls_no_end_is_told_that_is_none() {
    let (server, client) = keys();
    let simulation = Simulation::new(move |network: &mut Network| -> Outcome {
        // Who has crashed would say it all again; and an end of its own, told early, is the backend's to answer for.
        network.swarm_without(&[Fault::Crash, Fault::EarlyEnd]);
        coupled(network, &server, &client);
        network.run_for(Duration::from_secs(20))?;
        network.calm();
        Ok(network.finish(Duration::from_secs(3_000))?)
    });
    println!("{}", simulation.search(0..30).unwrap_or_else(|failure| panic!("{failure}")));
}
