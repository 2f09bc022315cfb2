//! Who asks trackers: on a simulated network, where hours take no time and trackers fail as they like; and beside
//! servers that are none.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use http::StatusCode;
use protocols::http::client::Failure;
use protocols::http::server::{Site, listen};
use protocols::torrent::tracker::{
    AnnounceFailed, AnnounceOptions, Announcer, Tracker, TrackerEvent, listen_http, listen_udp,
    scrape,
};
use protocols::torrent::wire::announce::{NoAnswer, Progress};
use protocols::torrent::{PeerId, TrackerLimits};
use reactor::sim::{Fault, Host, HostId, Network, Payload, Segment, Simulation, Verdict};
use reactor::{
    Address, ConnectOptions, DatagramOptions, Input, ListenOptions, Protocol, Reach, Reactor,
    Registry, TimerKey, Transport,
};

const HTTP: u16 = 80;
const UDP: u16 = 6969;

/// A peer: what it still lacks, and what trackers have told it.
struct Peer {
    left: u64,
    announcer: Option<Announcer<Self>>,
    events: Vec<TrackerEvent>,
}

impl Peer {
    fn start(registry: &mut Registry<Self>, port: u16, tiers: Vec<Vec<String>>) -> Self {
        let id = PeerId::new([port as u8; 12]);
        let options = AnnounceOptions::new([1; 20].into(), id, port, tiers);
        let (port_v6, reach) = (Some(1_000 + port), Reach::Anywhere);
        Self::start_with(registry, AnnounceOptions { port_v6, reach, ..options })
    }

    fn start_with(registry: &mut Registry<Self>, options: AnnounceOptions) -> Self {
        let progress = |peer: &mut Self| Progress { left: peer.left, ..Progress::default() };
        let announcer = Announcer::start(registry, options, progress, |_, peer, event| {
            peer.events.push(event);
        });
        Self { left: 1, announcer: Some(announcer), events: Vec::new() }
    }

    /// The ports of those that it was told of last.
    fn peers(&self) -> Option<Vec<u16>> {
        self.events.iter().rev().find_map(|event| match event {
            TrackerEvent::Answered { answer, .. } => {
                Some(answer.peers.iter().map(SocketAddr::port).collect())
            }
            TrackerEvent::Failed { .. } => None,
        })
    }

    fn failures(&self) -> Vec<&AnnounceFailed> {
        let failed = self.events.iter().filter_map(|event| match event {
            TrackerEvent::Failed { why, .. } => Some(why),
            TrackerEvent::Answered { .. } => None,
        });
        failed.collect()
    }
}

fn tracker(network: &mut Network) -> Host<Tracker> {
    network.host("tracker", |registry| {
        let tracker = Tracker::new(TrackerLimits::default(), registry);
        listen_http(registry, format!("0.0.0.0:{HTTP}").parse()?, &ListenOptions::default())?;
        let options = DatagramOptions::default();
        listen_udp(registry, format!("0.0.0.0:{UDP}").parse()?, &options)?;
        Ok(tracker)
    })
}

/// The same, by both families.
fn tracker_of_both(network: &mut Network) -> Host<Tracker> {
    network.host("tracker", |registry| {
        let tracker = Tracker::new(TrackerLimits::default(), registry);
        for any in ["0.0.0.0", "[::]"] {
            let [http, udp] = [HTTP, UDP].map(|port| format!("{any}:{port}"));
            listen_http(registry, http.parse()?, &ListenOptions::default())?;
            listen_udp(registry, udp.parse()?, &DatagramOptions::default())?;
        }
        Ok(tracker)
    })
}

/// Has `tracker.test` lead to it by these families. The resolver prefers IPv6, as it does where there is some.
fn name_tracker(network: &mut Network, tracker: Host<Tracker>, has_v4: bool, has_v6: bool) {
    let v6 = has_v6.then(|| network.address_v6(tracker, HTTP));
    let v4 = has_v4.then(|| network.address(tracker, HTTP));
    let ips: Vec<_> = [v6, v4].into_iter().flatten().filter_map(|at| at.ip()).collect();
    network.set_name("tracker.test", ips, Duration::from_millis(5));
}

fn http(network: &Network, tracker: impl Into<HostId>) -> String {
    format!("http://{}/announce", network.address(tracker, HTTP))
}

fn udp(network: &Network, tracker: impl Into<HostId>) -> String {
    format!("udp://{}", network.address(tracker, UDP))
}

fn peer(network: &mut Network, port: u16, tiers: &[&[&str]]) -> Host<Peer> {
    let tier = |urls: &&[&str]| urls.iter().map(|&url| url.to_owned()).collect();
    let tiers: Vec<_> = tiers.iter().map(tier).collect();
    network.host("peer", move |registry| Ok(Peer::start(registry, port, tiers.clone())))
}

#[track_caller]
fn run(network: &mut Network, seconds: u64) {
    let passed = network.run_for(Duration::from_secs(seconds));
    passed.unwrap_or_else(|broken| panic!("{broken}\n{}", network.trace()));
}

#[track_caller]
fn app<App: 'static>(network: &Network, host: Host<App>) -> &App {
    network.app(host).expect("it is up")
}

/// Has a peer do something.
#[track_caller]
fn with(
    network: &mut Network,
    host: Host<Peer>,
    act: impl FnOnce(&mut Registry<Peer>, &mut Peer, Announcer<Peer>),
) {
    let (registry, peer) = network.parts(host).expect("it is up");
    let announcer = peer.announcer.take().expect("it asks");
    act(registry, peer, announcer);
}

#[test]
fn every_tier_is_asked_and_told_of_the_end() {
    let mut network = Network::from_seed(1);
    let (first, second) = (tracker(&mut network), tracker(&mut network));
    let (http, udp) = (http(&network, first), udp(&network, second));
    let ann = peer(&mut network, 10, &[&[&http], &[&udp]]);
    run(&mut network, 5);
    let bob = peer(&mut network, 11, &[&[&udp], &[&http]]);
    run(&mut network, 5);
    assert_eq!([first, second].map(|it| app(&network, it).peers()), [2, 2]);
    assert_eq!(app(&network, bob).peers(), Some(vec![10]));
    assert_eq!(app(&network, ann).peers(), Some(vec![]), "it came first");

    with(&mut network, bob, |registry, peer, announcer| {
        peer.left = 0;
        announcer.complete(registry);
        peer.announcer = Some(announcer);
    });
    run(&mut network, 5);
    let told = app(&network, bob).events.iter().rev().take(2).map(|event| match event {
        TrackerEvent::Answered { answer, .. } => (answer.seeders, answer.leechers),
        TrackerEvent::Failed { why, .. } => panic!("{why}"),
    });
    assert_eq!(told.collect::<Vec<_>>(), [(Some(1), Some(1)); 2]);

    // Carl is whole, and leaves at once: the trackers hear of both.
    let carl = peer(&mut network, 12, &[&[&http], &[&udp]]);
    run(&mut network, 5);
    with(&mut network, carl, |registry, peer, announcer| {
        peer.left = 0;
        announcer.complete(registry);
        announcer.stop(registry, peer, |_, _| {});
    });
    run(&mut network, 2);
    assert_eq!([first, second].map(|it| app(&network, it).peers()), [2, 2]);
    assert_eq!(counted(&mut network, &[&http, &udp]), ["1+1, 2 completed"; 2]);

    let over = Rc::new(Cell::new(false));
    let done = Rc::clone(&over);
    with(&mut network, ann, |registry, peer, announcer| {
        announcer.stop(registry, peer, move |_, _| done.set(true));
    });
    run(&mut network, 2);
    assert!(over.get());
    assert_eq!([first, second].map(|it| app(&network, it).peers()), [1, 1]);
    // Half an hour later it is heard of again, and nobody else is.
    run(&mut network, 3 * 3600);
    assert_eq!([first, second].map(|it| app(&network, it).peers()), [1, 1]);
}

#[test]
fn a_tracker_is_told_the_port_of_the_addresses_it_is_asked_from() {
    for (is_v6, scheme) in [(false, "http"), (false, "udp"), (true, "http"), (true, "udp")] {
        let mut network = Network::from_seed(4);
        let tracker = tracker_of_both(&mut network);
        let port = if scheme == "http" { HTTP } else { UDP };
        let at = match is_v6 {
            true => network.address_v6(tracker, port),
            false => network.address(tracker, port),
        };
        let url = format!("{scheme}://{at}/announce");
        peer(&mut network, 10, &[&[&url]]);
        run(&mut network, 5);
        let second = peer(&mut network, 11, &[&[&url]]);
        run(&mut network, 5);
        let expected = if is_v6 { 1_010 } else { 10 };
        assert_eq!(app(&network, second).peers(), Some(vec![expected]), "{url}");
    }
}

/// Nobody has said from where, so the name decides: it is asked by IPv4 if that leads there, else by IPv6.
#[test]
fn a_tracker_that_is_asked_by_name_is_told_the_port_of_the_family_it_is_asked_by() {
    for (v4, v6, expected) in [(true, true, 10), (true, false, 10), (false, true, 1_010)] {
        let mut network = Network::from_seed(5);
        let tracker = tracker_of_both(&mut network);
        name_tracker(&mut network, tracker, v4, v6);
        let url = format!("http://tracker.test:{HTTP}/announce");
        peer(&mut network, 10, &[&[&url]]);
        run(&mut network, 5);
        let second = peer(&mut network, 11, &[&[&url]]);
        run(&mut network, 5);
        assert_eq!(app(&network, second).peers(), Some(vec![expected]));
    }
}

/// It listens everywhere, by one family: there it is found, if it has asked by that. Where the tracker is by the other only, it
/// hears of peers at least.
#[test]
fn who_listens_by_one_family_asks_a_tracker_by_that_if_it_can() {
    for (any, v4, v6, by_v6) in [
        ("0.0.0.0:0", true, true, false),
        ("[::]:0", true, true, true),
        ("0.0.0.0:0", false, true, true),
        ("[::]:0", true, false, false),
    ] {
        let mut network = Network::from_seed(5);
        let tracker = tracker_of_both(&mut network);
        name_tracker(&mut network, tracker, v4, v6);
        let tiers = vec![vec![format!("http://tracker.test:{HTTP}/announce")]];
        let from: Address = any.parse().expect("an address");
        let connect = ConnectOptions { from: Some(from), ..ConnectOptions::default() };
        let id = PeerId::new([1; 12]);
        let options = AnnounceOptions {
            connect,
            reach: Reach::Anywhere,
            ..AnnounceOptions::new([1; 20].into(), id, 10, tiers.clone())
        };
        network.host("peer", move |registry| Ok(Peer::start_with(registry, options.clone())));
        run(&mut network, 5);
        let second = peer(&mut network, 11, &[&[&tiers[0][0]]]);
        run(&mut network, 5);
        let told = app(&network, second).events.iter().find_map(|event| match event {
            TrackerEvent::Answered { answer, .. } => answer.peers.first().map(SocketAddr::is_ipv6),
            TrackerEvent::Failed { .. } => None,
        });
        assert_eq!(told, Some(by_v6), "{any}, IPv4 {v4}, IPv6 {v6}");
    }
}

/// A host that listens everywhere, and sends everybody on to `tracker.test`.
fn front(network: &mut Network) -> Host<()> {
    network.host("front", |registry| {
        let site = Site::<()>::new(|request, exchange, ()| {
            let place = format!("http://tracker.test:{HTTP}{}", request.target().as_str());
            exchange.answer(StatusCode::FOUND).field("Location", place).empty();
        });
        let at = format!("0.0.0.0:{HTTP}").parse()?;
        listen(registry, at, &ListenOptions::default(), &Rc::new(site))?;
        Ok(())
    })
}

/// The first is asked by IPv4, and told the port of that.
#[test]
fn a_tracker_may_send_on_to_one_of_the_other_family() {
    for (has_v4, has_v6) in [(true, true), (true, false), (false, true)] {
        let mut network = Network::from_seed(6);
        let tracker = tracker_of_both(&mut network);
        let front = front(&mut network);
        name_tracker(&mut network, tracker, has_v4, has_v6);
        let front = network.address(front, HTTP).ip().expect("it has one");
        network.set_name("front.test", [front], Duration::from_millis(5));
        let url = format!("http://front.test:{HTTP}/announce");
        peer(&mut network, 10, &[&[&url]]);
        run(&mut network, 5);
        let second = peer(&mut network, 11, &[&[&url]]);
        run(&mut network, 5);
        let second = app(&network, second);
        assert_eq!(second.peers(), Some(vec![10]), "{:?}", second.events);
        let by_v4 = second.events.iter().any(|event| match event {
            TrackerEvent::Answered { answer, .. } => answer.peers.iter().any(SocketAddr::is_ipv4),
            TrackerEvent::Failed { .. } => false,
        });
        assert_eq!(by_v4, has_v4, "the port is that of IPv4, so it is asked by that if it can be");
    }
}

/// Hears, and says nothing.
struct Silent;

impl Protocol<()> for Silent {}

/// Its name leads to IPv4 only, and there is somebody: that there is no address of IPv6 is not why it fails.
#[test]
fn who_is_there_by_one_family_and_says_nothing_is_not_said_to_have_no_address() {
    for is_silent in [false, true] {
        let mut network = Network::from_seed(7);
        let tracker = network.host("tracker", move |registry| {
            let at = format!("0.0.0.0:{HTTP}").parse()?;
            registry.listen_with(at, &ListenOptions::default(), move |_, ()| {
                is_silent.then(|| -> Box<dyn Protocol<()>> { Box::new(Silent) })
            })?;
            Ok(())
        });
        let at = network.address(tracker, HTTP).ip().expect("it has one");
        network.set_name("tracker.test", [at], Duration::from_millis(5));
        let peer = peer(&mut network, 10, &[&[&format!("http://tracker.test:{HTTP}/announce")]]);
        // So long an answer may take.
        run(&mut network, if is_silent { 31 } else { 5 });
        let failures = app(&network, peer).failures();
        let [AnnounceFailed::Http(why)] = failures[..] else { panic!("{failures:?}") };
        match is_silent {
            true => assert_eq!(*why, Failure::Timeout),
            false => assert!(matches!(why, Failure::NoAnswer | Failure::Lost(_)), "{why:?}"),
        }
    }
}

/// Sends the body of its answer a byte a second.
struct Drip;

impl Protocol<()> for Drip {
    fn on_data(&mut self, transport: &mut Transport<'_, ()>, input: &mut Input<'_>, (): &mut ()) {
        input.take_all();
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        transport.set_timer(TimerKey(0), Duration::ZERO);
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, ()>, key: TimerKey, (): &mut ()) {
        transport.write(b"d");
        transport.set_timer(key, Duration::from_secs(1));
    }
}

#[test]
fn an_answer_that_drips_takes_no_longer_than_one_may() {
    let mut network = Network::from_seed(8);
    let drip = network.host("drip", |registry| {
        registry.listen(format!("0.0.0.0:{HTTP}").parse()?, |_, ()| Drip)?;
        Ok(())
    });
    let live = tracker(&mut network);
    let tier = [http(&network, drip), http(&network, live)];
    let peer = peer(&mut network, 10, &[&[&tier[0], &tier[1]]]);
    run(&mut network, 45);
    let peer = app(&network, peer);
    assert_eq!(peer.failures(), [&AnnounceFailed::Http(Failure::Timeout)]);
    assert_eq!(peer.peers(), Some(Vec::new()), "the next one of its tier is asked");
}

/// Who comes first is told of nobody; and where it cannot be reached, the next one cannot tell it.
#[test]
fn who_comes_first_hears_of_the_next_as_soon_as_the_tracker_lets_it_ask() {
    let mut network = Network::from_seed(3);
    let tracker = tracker(&mut network);
    let url = http(&network, tracker);
    let first = peer(&mut network, 10, &[&[&url]]);
    with(&mut network, first, |registry, peer, announcer| {
        announcer.want_more_while(registry, |peer| peer.peers().is_none_or(|it| it.is_empty()));
        peer.announcer = Some(announcer);
    });
    run(&mut network, 61);
    peer(&mut network, 11, &[&[&url]]);
    run(&mut network, 90);
    assert_eq!(app(&network, first).peers(), Some(vec![11]));
    let asked = app(&network, first).events.len();
    run(&mut network, 20 * 60);
    assert_eq!(app(&network, first).events.len(), asked, "it has enough");
}

#[test]
fn a_dead_tracker_stops_neither_its_tier_nor_the_others() {
    let mut network = Network::from_seed(2);
    let (live, dead) = (tracker(&mut network), tracker(&mut network));
    let (good, bad) =
        ([http(&network, live), udp(&network, live)], [http(&network, dead), udp(&network, dead)]);
    network.crash(dead);
    let tiers: [&[&str]; 3] = [&[&bad[1], &good[0]], &[&bad[0]], &[&good[1]]];
    let peer = peer(&mut network, 10, &tiers);
    run(&mut network, 150);
    let answered = |url: &str| {
        let events = &app(&network, peer).events;
        events.iter().any(|it| matches!(it, TrackerEvent::Answered { url: it, .. } if it == url))
    };
    assert!(answered(&good[0]) && answered(&good[1]), "{:?}", app(&network, peer).events);
    assert!(app(&network, peer).failures().len() >= 2);
}

/// What trackers say of the torrent.
fn counted(network: &mut Network, urls: &[&str]) -> Vec<String> {
    let urls: Vec<_> = urls.iter().map(|&url| url.to_owned()).collect();
    let options = AnnounceOptions::new([1; 20].into(), PeerId::new([0; 12]), 0, Vec::new());
    let asking = network.host("asking", move |registry: &mut Registry<Vec<String>>| {
        for url in &urls {
            scrape(registry, url, &options, |_, told: &mut Vec<String>, counts| {
                told.push(match counts {
                    Ok(it) => format!("{}+{}, {} completed", it.seeders, it.leechers, it.completed),
                    Err(why) => why.to_string(),
                });
            });
        }
        Ok(Vec::new())
    });
    run(network, 5);
    let mut told = app(network, asking).clone();
    told.sort();
    told
}

#[test]
fn trackers_say_how_many_peers_there_are() {
    let mut network = Network::from_seed(6);
    let tracker = tracker(&mut network);
    let urls = [http(&network, tracker), udp(&network, tracker)];
    peer(&mut network, 10, &[&[&urls[0]]]);
    run(&mut network, 5);
    let told = counted(&mut network, &[&urls[0], &urls[1], "http://192.0.2.1/x"]);
    let one = "0+1, 0 completed";
    assert_eq!(told, [one, one, &AnnounceFailed::NoScrape.to_string()]);
}

#[test]
fn a_question_that_is_lost_is_asked_again_after_fifteen_seconds() {
    let mut network = Network::from_seed(3);
    let tracker = tracker(&mut network);
    let udp = udp(&network, tracker);
    let mut lost = 0;
    network.rule(move |segment: &Segment<'_>| {
        let is_datagram = matches!(segment.payload, Payload::Datagram(_));
        lost += u32::from(is_datagram);
        if is_datagram && lost <= 2 { Verdict::Drop } else { Verdict::Pass }
    });
    let peer = peer(&mut network, 10, &[&[&udp]]);
    run(&mut network, 44);
    assert!(app(&network, peer).events.is_empty());
    run(&mut network, 2);
    assert_eq!(app(&network, peer).peers(), Some(vec![]));
}

#[test]
fn a_tracker_that_comes_back_is_found_again() {
    let mut network = Network::from_seed(4);
    let tracker = tracker(&mut network);
    let (http, udp) = (http(&network, tracker), udp(&network, tracker));
    network.crash(tracker);
    let peer = peer(&mut network, 10, &[&[&http], &[&udp]]);
    run(&mut network, 3600);
    assert_eq!(app(&network, peer).peers(), None);
    network.restart(tracker);
    run(&mut network, 3600);
    assert_eq!(app(&network, peer).peers(), Some(vec![]));
    assert_eq!(app(&network, tracker).peers(), 1);
}

#[test]
fn who_asks_too_much_or_nonsense_hears_why() {
    let mut network = Network::from_seed(5);
    let tracker = tracker(&mut network);
    let wrong = format!("http://{}/announced", network.address(tracker, HTTP));
    let peer =
        peer(&mut network, 10, &[&[&wrong], &["wss://h/"], &["https://192.0.2.1/"], &["udp://"]]);
    run(&mut network, 5);
    let mut failures: Vec<_> =
        app(&network, peer).failures().iter().map(ToString::to_string).collect();
    failures.sort();
    let no_url = AnnounceFailed::Url.to_string();
    let expected = [
        no_url.clone(),
        no_url,
        "it answers with status 404".to_owned(),
        AnnounceFailed::NoTls.to_string(),
    ];
    assert_eq!(failures, expected);
}

#[test]
fn on_bad_networks_the_tracker_knows_who_is_there_in_the_end() {
    let searched = Simulation::new(|network: &mut Network| {
        // A datagram of a tracker has no checksum but UDP's: a bit that is flipped behind that is believed.
        network.swarm_without(&[Fault::Crash, Fault::DatagramCorrupted]);
        let tracker = tracker(network);
        let urls = [http(network, tracker), udp(network, tracker)];
        let peers = [10, 11, 12].map(|port| {
            let (first, second) = if port % 2 == 0 { (0, 1) } else { (1, 0) };
            peer(network, port, &[&[&urls[first], &urls[second]]])
        });
        network.run_for(Duration::from_secs(120))?;
        network.calm();
        network.run_for(Duration::from_secs(2 * 3600))?;
        let known = network.app(tracker).map(Tracker::peers);
        if known != Some(3) {
            return Err(format!("{known:?} are known").into());
        }
        for peer in peers {
            let mut told = network.app(peer).and_then(Peer::peers).unwrap_or_default();
            told.sort_unstable();
            if told.len() != 2 || told.windows(2).any(|two| two[0] == two[1]) {
                return Err(format!("one is told of {told:?}").into());
            }
        }
        Ok(())
    })
    .search(0..12);
    if let Err(failure) = searched {
        panic!("{failure}");
    }
}

/// A server that answers everything so, and where.
fn server(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("it comes");
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(&answer);
        }
    });
    format!("http://{address}/announce")
}

/// What becomes of a question to that tracker, on a real loop.
fn asked(url: &str) -> TrackerEvent {
    asked_within(url, Reach::Outside)
}

fn asked_within(url: &str, reach: Reach) -> TrackerEvent {
    let tiers = vec![vec![url.to_owned()]];
    let options = AnnounceOptions::new([1; 20].into(), PeerId::new([0; 12]), 1, tiers);
    let options = AnnounceOptions { reach, ..options };
    let mut reactor = Reactor::<Option<TrackerEvent>>::new().expect("a loop");
    let announcer = Announcer::start(
        reactor.registry(),
        options,
        |_| Progress::default(),
        |registry, heard: &mut Option<_>, event| {
            *heard = Some(event);
            registry.shutdown(Duration::ZERO);
        },
    );
    let mut heard = None;
    reactor.run(&mut heard).expect("waiting works");
    drop(announcer);
    heard.expect("it hears something")
}

fn failure(answer: &str) -> AnnounceFailed {
    match asked(&server(answer.as_bytes().to_vec())) {
        TrackerEvent::Failed { why, .. } => why,
        answered @ TrackerEvent::Answered { .. } => panic!("{answered:?}"),
    }
}

#[test]
fn answers_of_trackers_that_are_none_are_told_apart() {
    let refused = failure("HTTP/1.0 200 OK\r\n\r\nd14:failure reason2:noe");
    assert_eq!(refused, NoAnswer::Refused("no".to_owned()).into());
    assert!(matches!(failure("HTTP/1.0 200 OK\r\n\r\n<html>"), AnnounceFailed::Answer(_)));
    assert_eq!(failure("HTTP/1.0 503 No\r\n\r\n"), AnnounceFailed::Status(503));
    let long = format!("HTTP/1.0 200 OK\r\n\r\n{}", "l".repeat(600 << 10));
    assert_eq!(failure(&long), AnnounceFailed::TooLong);
    assert!(matches!(failure("SSH-2.0-x\r\n"), AnnounceFailed::Http(_)));
}

/// Where a tracker may be that a torrent names, and why not.
#[test]
fn what_a_torrent_names_inside_of_a_network_is_asked_if_it_is_called_like_a_tracker_and_seen_to_be_there()
 {
    let good = server(b"HTTP/1.0 200 OK\r\n\r\nd8:intervali60ee".to_vec());
    assert!(matches!(asked(&good), TrackerEvent::Answered { .. }));
    let why = |url: &str| match asked(url) {
        TrackerEvent::Failed { why, .. } => why,
        answered @ TrackerEvent::Answered { .. } => panic!("{url}: {answered:?}"),
    };
    let place = good.trim_start_matches("http://").trim_end_matches("/announce");
    let inside = |host: &str| AnnounceFailed::Inside(host.to_owned());
    assert_eq!(why(&format!("http://{place}/reboot")), inside(place));
    // What is asked counts, and not what is only written.
    let disguised = ["reboot.cgi#/announce", "reboot?/announce", "cgi/announce?cmd=reboot"];
    for disguised in disguised {
        assert_eq!(why(&format!("http://{place}/{disguised}")), inside(place), "{disguised}");
    }
    assert!(matches!(asked(&format!("http://{place}/announce#x")), TrackerEvent::Answered { .. }));
    assert_eq!(why("http://169.254.169.254/announce"), inside("169.254.169.254:80"));
    assert_eq!(why("udp://169.254.169.254:6969"), inside("169.254.169.254:6969"));
    assert_eq!(why("udp://[fe80::1]:6969"), inside("[fe80::1]:6969"));
    let port = place.rsplit(':').next().expect("it has one");
    for url in [format!("http://localhost:{port}/announce"), format!("udp://localhost:{port}")] {
        let why = why(&url).to_string();
        assert!(why.contains("leads to this machine or its network"), "{url}: {why}");
    }
    // Nobody is there: somebody was asked.
    let free = std::net::UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let free = free.expect("there is a port").port();
    let allowed = asked_within(&format!("udp://localhost:{free}"), Reach::Anywhere);
    let TrackerEvent::Failed { why: AnnounceFailed::Unreachable(_), .. } = allowed else {
        panic!("{allowed:?}");
    };
    let allowed = asked_within(&format!("http://localhost:{port}/announce"), Reach::Anywhere);
    assert!(matches!(allowed, TrackerEvent::Answered { .. }), "{allowed:?}");
}

#[test]
fn a_tracker_sends_on_but_not_inwards() {
    let good = server(b"HTTP/1.0 200 OK\r\n\r\nd8:intervali60ee".to_vec());
    let sends_on = |to: &str| format!("HTTP/1.0 302 Found\r\nLocation: {to}\r\n\r\n");
    let sent = asked(&server(sends_on(&good).into_bytes()));
    assert!(matches!(sent, TrackerEvent::Answered { .. }), "{sent:?}");
    assert_eq!(failure(&sends_on("/announce")), AnnounceFailed::Redirect, "round and round");
    for inward in ["169.254.169.254", "10.0.0.1", "[fe80::1]", "localhost"] {
        let why = failure(&sends_on(&format!("http://{inward}/latest/")));
        assert_eq!(why, AnnounceFailed::Inward(format!("{inward}:80")));
    }
}
