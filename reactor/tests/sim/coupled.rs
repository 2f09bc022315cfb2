//! Coupled connections in the simulator: whatever the network does, every byte comes in order, an end that
//! is told is one, and each couple ends exactly once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crate::support::{Log, Probe, echo};
use reactor::sim::{Fault, Host, Network, Outcome, Simulation};
use reactor::{
    Address, Closed, ConnectOptions, ConnectionId, CoupleError, Input, ListenOptions, NotCoupled,
    OpenError, Protocol, Registry, StreamLimits, TimerKey, Transport, Uncoupled,
};

const PORT: u16 = 7;
const CLIENTS: usize = 3;
/// What a client says, behind a line for the proxy, and what a backend says: more than the queues between.
const UP: usize = 50_000;
const DOWN: usize = 90_000;
/// The line: whom the rest is for.
const HEAD: &[u8] = b"to the backend\n";

fn text(from: usize, length: usize) -> impl Iterator<Item = u8> {
    (from..from + length).map(|at| (at % 251) as u8)
}

// ── the proxy ───────────────────────────────────────────────────────────────────────────────

/// The proxy's application: how each client's couple has ended, or that there was none.
#[derive(Default)]
struct Couples {
    begun: usize,
    ended: BTreeMap<ConnectionId, Result<Uncoupled, NotCoupled>>,
    twice: Option<ConnectionId>,
}

/// Reads the line that is for the proxy, and has the client coupled.
struct Front(Address);

impl Protocol<Couples> for Front {
    fn on_data(
        &mut self,
        client: &mut Transport<'_, Couples>,
        input: &mut Input<'_>,
        couples: &mut Couples,
    ) {
        if input.len() < HEAD.len() {
            return;
        }
        input.take_front(HEAD.len());
        couples.begun += 1;
        let (id, options) = (client.id(), ConnectOptions::default());
        client.couple_to([self.0.clone()], &options, move |_, couples: &mut Couples, ended| {
            if couples.ended.insert(id, ended).is_some() {
                couples.twice = Some(id);
            }
        });
    }
}

// ── who speaks through it ───────────────────────────────────────────────────────────────────

/// Everything that was said at a host.
#[derive(Default)]
struct Talks {
    heard: Vec<Rc<RefCell<Heard>>>,
    wrong: Option<String>,
    /// An end that was told before all had been said.
    early: Option<String>,
}

#[derive(Debug, Default)]
struct Heard {
    bytes: usize,
    ended: bool,
    closed: Option<String>,
}

/// Says a text in pieces, pauses now and then, sends FIN behind it, and hears the other out.
struct Speaker {
    head: &'static [u8],
    say: usize,
    said: usize,
    hear: usize,
    heard: Rc<RefCell<Heard>>,
}

const RESUME: TimerKey = TimerKey(1);

impl Speaker {
    fn new(head: &'static [u8], say: usize, hear: usize) -> Self {
        Self { head, say, said: 0, hear, heard: Rc::default() }
    }

    fn say(&mut self, transport: &mut Transport<'_, Talks>) {
        while self.said < self.say && transport.queued_bytes() < 20_000 {
            let length = (1 + self.said % 7_000).min(self.say - self.said);
            transport.write(&text(self.said, length).collect::<Vec<u8>>());
            self.said += length;
        }
        if self.said == self.say {
            transport.end();
        }
    }
}

impl Protocol<Talks> for Speaker {
    fn on_open(&mut self, transport: &mut Transport<'_, Talks>, talks: &mut Talks) {
        talks.heard.push(Rc::clone(&self.heard));
        transport.write(self.head);
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
        let mut heard = self.heard.borrow_mut();
        let taken = input.take_all();
        if !text(heard.bytes, taken.len()).eq(taken.iter().copied()) {
            talks.wrong = Some(format!("other bytes than were said, from {} on", heard.bytes));
        }
        heard.bytes += taken.len();
        if heard.bytes.is_multiple_of(3) {
            transport.pause();
            transport.set_timer(RESUME, Duration::from_millis(200));
        }
        drop(heard);
        if self.said < self.say {
            self.say(transport);
        }
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, Talks>, _: TimerKey, _: &mut Talks) {
        transport.resume();
    }

    fn on_end(&mut self, _: &mut Transport<'_, Talks>, talks: &mut Talks) {
        let mut heard = self.heard.borrow_mut();
        heard.ended = true;
        // A proxy that has no descriptor for whoever it accepts says goodbye before a word.
        if heard.bytes != self.hear && heard.bytes > 0 {
            talks.early = Some(format!("an end was told after {} bytes", heard.bytes));
        }
    }

    fn on_close(&mut self, _: &mut Registry<Talks>, closed: &Closed, _: &mut Talks) {
        self.heard.borrow_mut().closed = Some(closed.reason.to_string());
    }
}

struct Cast {
    backend: Host<Talks>,
    proxy: Host<Couples>,
    clients: Host<Talks>,
}

fn patient() -> StreamLimits {
    StreamLimits {
        outbox_high: 8_000,
        outbox_low: 2_000,
        close_timeout: Duration::from_secs(600),
        idle_timeout: Some(Duration::from_secs(900)),
        ..StreamLimits::default()
    }
}

fn cast(network: &mut Network) -> Cast {
    cast_of(network, CLIENTS, UP, DOWN)
}

/// So many clients, and how much each of them says and hears.
fn cast_of(network: &mut Network, clients: usize, up: usize, down: usize) -> Cast {
    let anywhere = Address::Ip(([0, 0, 0, 0], PORT).into());
    let options = ListenOptions { limits: patient(), ..ListenOptions::default() };
    let (at, how) = (anywhere.clone(), options.clone());
    let backend = network.host("backend", move |registry| {
        registry.listen_with(at.clone(), &how, move |_, _| {
            Some(Box::new(Speaker::new(b"", down, up)))
        })?;
        Ok(Talks::default())
    });
    let behind = network.address(backend, PORT);
    let proxy = network.host("proxy", move |registry| {
        let behind = behind.clone();
        registry.listen_with(anywhere.clone(), &options, move |_, _| {
            Some(Box::new(Front(behind.clone())))
        })?;
        Ok(Couples::default())
    });
    let front = network.address(proxy, PORT);
    let clients = network.host("clients", move |registry| {
        for _ in 0..clients {
            let _ = registry.connect(front.clone(), Speaker::new(HEAD, up, down));
        }
        Ok(Talks::default())
    });
    Cast { backend, proxy, clients }
}

/// What holds whatever the network does.
fn watch(network: &mut Network, cast: &Cast) {
    for host in [cast.clients, cast.backend] {
        network.invariant("what is heard is what was said, in order", move |network| {
            network.app(host).and_then(|talks| talks.wrong.clone()).map_or(Ok(()), Err)
        });
    }
    let proxy = cast.proxy;
    network.invariant("a couple ends once", move |network| {
        let twice = network.app(proxy).and_then(|couples| couples.twice);
        twice.map_or(Ok(()), |id| Err(format!("{id} ended twice")))
    });
}

/// What holds unless something between says an end of its own.
fn watch_ends(network: &mut Network, cast: &Cast) {
    for host in [cast.clients, cast.backend] {
        network.invariant("an end is told where all has been heard", move |network| {
            network.app(host).and_then(|talks| talks.early.clone()).map_or(Ok(()), Err)
        });
    }
}

/// Goes on until every deadline has passed for those who never heard of an end: then no couple is left.
fn have_all_ended(network: &mut Network, cast: &Cast) -> Outcome {
    network.run_for(Duration::from_secs(60))?;
    network.calm();
    network.run_for(Duration::from_secs(3_000))?;
    let couples = network.app(cast.proxy).ok_or("it is up")?;
    if couples.ended.len() != couples.begun {
        return Err(format!("{} of {} ended", couples.ended.len(), couples.begun).into());
    }
    Ok(network.finish(Duration::from_secs(3_000))?)
}

fn are_whole(talks: &Talks, bytes: usize) -> Result<(), String> {
    let whole = |heard: &Rc<RefCell<Heard>>| {
        let heard = heard.borrow();
        heard.ended && heard.bytes == bytes && heard.closed.is_some()
    };
    let all = talks.heard.len() == CLIENTS && talks.heard.iter().all(whole);
    if all { Ok(()) } else { Err(format!("not whole: {:?}", talks.heard)) }
}

#[test]
fn everything_said_through_a_couple_is_heard_whole_and_both_half_closes_pass() {
    let simulation = Simulation::new(|network: &mut Network| {
        let cast = cast(network);
        watch(network, &cast);
        watch_ends(network, &cast);
        network.run_for(Duration::from_secs(600))?;
        are_whole(network.app(cast.clients).ok_or("they are up")?, DOWN)?;
        are_whole(network.app(cast.backend).ok_or("it is up")?, UP)?;
        let couples = network.app(cast.proxy).ok_or("it is up")?;
        let clean = |ended: &Result<Uncoupled, NotCoupled>| {
            ended.as_ref().is_ok_and(|ended| {
                let counts = (ended.first_to_second, ended.second_to_first);
                ended.is_clean() && counts == (UP as u64, DOWN as u64)
            })
        };
        if couples.ended.len() != CLIENTS || !couples.ended.values().all(clean) {
            return Err(format!("{:?}", couples.ended).into());
        }
        Ok(network.finish(Duration::from_secs(60))?)
    });
    println!("{}", simulation.search(0..10).unwrap_or_else(|failure| panic!("{failure}")));
}

#[test]
fn whatever_goes_wrong_no_end_is_told_that_is_none() {
    let simulation = Simulation::new(|network: &mut Network| -> Outcome {
        network.swarm_without(&[Fault::EarlyEnd]);
        let cast = cast(network);
        watch(network, &cast);
        watch_ends(network, &cast);
        have_all_ended(network, &cast)
    });
    println!("{}", simulation.search(0..40).unwrap_or_else(|failure| panic!("{failure}")));
}

#[test]
fn whatever_goes_wrong_every_byte_comes_in_order_and_every_couple_ends_once() {
    let simulation = Simulation::new(|network: &mut Network| -> Outcome {
        network.swarm();
        let cast = cast(network);
        watch(network, &cast);
        have_all_ended(network, &cast)
    });
    println!("{}", simulation.search(0..40).unwrap_or_else(|failure| panic!("{failure}")));
}

/// Each call of a calm run fails once: whatever it was, nothing comes twice, out of order, or short with an end.
#[test]
fn whichever_call_fails_every_couple_ends_once_and_no_end_is_told_that_is_none() {
    let simulation = Simulation::new(|network: &mut Network| -> Outcome {
        let cast = cast_of(network, 1, UP, DOWN);
        watch(network, &cast);
        watch_ends(network, &cast);
        have_all_ended(network, &cast)
    });
    let torture = simulation.torture(|_, _| {}).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{torture}");
    assert!(torture.is_clean() && torture.calls > 30, "{torture}");
}

// ── the search for a backend ────────────────────────────────────────────────────────────────

type Told = Rc<RefCell<Vec<Result<Uncoupled, NotCoupled>>>>;

/// Has the client coupled with one of these, and does what else there is to do.
struct Search {
    addresses: Vec<Address>,
    then: fn(&mut Transport<'_, ()>),
    told: Told,
}

impl Protocol<()> for Search {
    fn on_open(&mut self, client: &mut Transport<'_, ()>, (): &mut ()) {
        let (addresses, told) = (self.addresses.clone(), Rc::clone(&self.told));
        client.couple_to(addresses, &ConnectOptions::default(), move |_, (), ended| {
            told.borrow_mut().push(ended);
        });
        (self.then)(client);
    }
}

/// A proxy that searches, and a client of it who reads nothing until it is told to.
struct Scene {
    network: Network,
    backend: Host<Log>,
    proxy: Host<()>,
    client: Host<Log>,
    told: Told,
}

const SOON: Duration = Duration::from_secs(1);

impl Scene {
    /// `at` makes the addresses out of that of a host where `backend` listens on port 7.
    fn new(
        at: impl FnOnce(&mut Network, Host<Log>) -> Vec<Address>,
        then: fn(&mut Transport<'_, ()>),
    ) -> Self {
        let mut network = Network::from_seed(1);
        let anywhere = Address::Ip(([0, 0, 0, 0], PORT).into());
        let listening = anywhere.clone();
        let backend = network.host("backend", move |registry| {
            registry.listen(listening.clone(), |_, _| echo())?;
            Ok(Log::default())
        });
        let (addresses, told) = (at(&mut network, backend), Told::default());
        let telling = Rc::clone(&told);
        let proxy = network.host("proxy", move |registry| {
            let (addresses, told) = (addresses.clone(), Rc::clone(&telling));
            registry.listen(anywhere.clone(), move |_, ()| {
                let (addresses, told) = (addresses.clone(), Rc::clone(&told));
                Search { addresses, then, told }
            })?;
            Ok(())
        });
        let front = network.address(proxy, PORT);
        let client = network.host("client", move |registry| {
            let probe = Probe::new("client").on_open(|client, _| {
                client.write(b"hello");
                client.pause();
            });
            registry.connect(front.clone(), probe)?;
            Ok(Log::default())
        });
        Self { network, backend, proxy, client, told }
    }

    #[track_caller]
    fn run(&mut self) {
        self.network.run_for(SOON).expect("nothing breaks");
    }

    fn client_reads(&mut self) {
        let (registry, log) = self.network.parts(self.client).expect("it is up");
        registry.resume(log.id("client")).expect("it is open");
    }

    fn log(&self) -> &Log {
        self.network.app(self.client).expect("it is up")
    }
}

#[test]
fn a_search_that_the_end_of_the_grace_cuts_off_is_told_of_once() {
    let one_is = |network: &mut Network, backend| vec![network.address(backend, PORT); 2];
    let mut scene = Scene::new(one_is, |_| {});
    scene.network.partition(scene.proxy, scene.backend, Duration::MAX);
    scene.run();
    assert!(scene.told.borrow().is_empty());
    scene.network.parts(scene.proxy).expect("it is up").0.shutdown(Duration::ZERO);
    scene.run();
    assert!(scene.network.report(scene.proxy).is_some());
    assert!(matches!(scene.told.borrow()[..], [Err(NotCoupled::Gone(_))]));
}

/// What it was sent before its end is still its own.
#[test]
fn a_client_that_is_sent_its_last_bytes_is_not_cut_off_by_a_search_in_vain() {
    static PAGE: [u8; 1 << 20] = [b'x'; 1 << 20];
    let nobody = |network: &mut Network, backend| vec![network.address(backend, 9)];
    let mut scene = Scene::new(nobody, |client| {
        client.write(&PAGE);
        client.close();
    });
    scene.run();
    assert!(matches!(scene.told.borrow()[..], [Err(NotCoupled::Gone(CoupleError::Closing(_)))]));
    scene.client_reads();
    scene.run();
    assert_eq!(scene.log().bytes("client").len(), PAGE.len());
    assert!(scene.log().has("client", "end"), "{:?}", scene.log().of("client"));
}

#[test]
fn an_address_that_cannot_be_used_is_passed_over() {
    let one_is =
        |network: &mut Network, backend| vec![Address::Unnamed, network.address(backend, PORT)];
    let mut scene = Scene::new(one_is, |_| {});
    scene.run();
    scene.client_reads();
    scene.run();
    assert_eq!(scene.log().bytes("client"), b"hello");

    let mut scene = Scene::new(|_, _| vec![Address::Unnamed; 2], |_| {});
    scene.run();
    assert!(matches!(scene.told.borrow()[..], [Err(NotCoupled::Open(OpenError::Unsupported(..)))]));
}
