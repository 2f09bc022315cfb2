//! The DHT: nodes that find each other and what is shared, without a network, and programs on a simulated one.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocols::torrent::InfoHash;
use protocols::torrent::dht::{DhtLimits, DhtOptions, Found, Node, join};
use protocols::torrent::wire::krpc::{Packet, Query, Response, Says, Want, error};
use protocols::torrent::wire::{DhtTable, NodeId};
use reactor::sim::{Host as At, Network};
use reactor::{Address, ListenOptions};

use crate::stage::{Member, PORT, Part, address, content, until_whole};

const MINUTE: Duration = Duration::from_secs(60);

/// Nodes at addresses, and datagrams between them: there are no others.
struct World {
    nodes: BTreeMap<SocketAddr, Node>,
    now: Instant,
    found: Vec<(SocketAddr, Found)>,
    /// Datagrams that were sent.
    sent: usize,
}

/// From whom, to whom, and what.
type Sent = (SocketAddr, SocketAddr, Vec<u8>);

fn at(number: u16) -> SocketAddr {
    let [high, low] = number.to_be_bytes();
    ([10, 0, high, low], 6881).into()
}

impl World {
    /// So many nodes, all of which know the first.
    fn new(count: u16) -> Self {
        let now = Instant::now();
        let node = |number: u16| {
            let secret = [u64::from(number) * 7 + 1, 11];
            let mut node = Node::new(false, DhtLimits::default(), false, secret, now);
            if number > 0 {
                node.add_way_in(at(0));
            }
            (at(number), node)
        };
        let nodes = (0..count).map(node).collect();
        Self { nodes, now, found: Vec::new(), sent: 0 }
    }

    /// Lets time pass: every second each is told, and what is sent arrives at once.
    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now += Duration::from_secs(1);
            self.nodes.values_mut().for_each(|node| node.handle_time(self.now));
            self.settle();
        }
    }

    fn settle(&mut self) {
        let mut under_way = VecDeque::new();
        let all: Vec<_> = self.nodes.keys().copied().collect();
        all.into_iter().for_each(|of| self.collect(of, &mut under_way));
        while let Some((from, to, bytes)) = under_way.pop_front() {
            self.sent += 1;
            assert!(bytes.len() < 1_000, "it is not cut on its way");
            if let Some(node) = self.nodes.get_mut(&to) {
                node.handle_datagram(from, &bytes, self.now);
                self.collect(to, &mut under_way);
            }
        }
    }

    /// Takes what a node has to say.
    fn collect(&mut self, of: SocketAddr, under_way: &mut VecDeque<Sent>) {
        if let Some(node) = self.nodes.get_mut(&of) {
            let sent = std::iter::from_fn(|| node.poll_send());
            under_way.extend(sent.map(|(to, bytes)| (of, to, bytes)));
            self.found.extend(std::iter::from_fn(|| node.poll_found()).map(|found| (of, found)));
        }
    }

    fn search(&mut self, who: SocketAddr, hash: InfoHash, announce: Option<u16>) {
        let now = self.now;
        self.nodes.get_mut(&who).expect("it is there").search(hash, announce, now);
        self.settle();
    }

    /// The peers that this one has found.
    fn peers(&self, who: SocketAddr) -> Vec<SocketAddr> {
        let found = self.found.iter().filter(|(of, _)| *of == who);
        let mut peers: Vec<_> = found
            .flat_map(|(_, found)| match found {
                Found::Peers(_, peers) => peers.clone(),
                Found::Over { .. } => Vec::new(),
            })
            .collect();
        peers.sort_unstable();
        peers.dedup();
        peers
    }
}

const HASH: InfoHash = InfoHash::new([0xa7; 20]);

#[test]
fn of_two_hundred_nodes_anyone_finds_what_any_other_shares() {
    let mut world = World::new(200);
    // All of them ask the one way in at once, which does not answer all of them at once.
    world.run(90);
    let known: Vec<_> = world.nodes.values().map(Node::nodes).collect();
    assert!(known.iter().all(|known| *known >= 8), "everybody knows somebody: {known:?}");
    world.search(at(17), HASH, Some(1_000));
    world.search(at(130), HASH, Some(2_000));
    let shares = |number, port| SocketAddr::new(at(number).ip(), port);
    for seeker in [1, 42, 99, 199] {
        let before = world.sent;
        world.search(at(seeker), HASH, None);
        assert_eq!(world.peers(at(seeker)), [shares(17, 1_000), shares(130, 2_000)], "{seeker}");
        assert!(world.sent - before < 120, "{} datagrams", world.sent - before);
    }
    let over = world.found.iter().find_map(|(who, found)| match found {
        Found::Over { announced, answered, .. } if *who == at(130) => Some((*announced, *answered)),
        _ => None,
    });
    assert!(over.is_some_and(|(announced, answered)| announced == 8 && answered >= 8), "{over:?}");
}

#[test]
fn what_is_shared_is_found_when_a_third_of_all_nodes_is_gone_and_forgotten_in_the_end() {
    let mut world = World::new(60);
    world.run(30);
    world.search(at(5), HASH, Some(1_000));
    (20..40).for_each(|number| {
        world.nodes.remove(&at(number));
    });
    world.search(at(50), HASH, None);
    world.run(10);
    assert_eq!(world.peers(at(50)).len(), 1);
    world.run(1);
    world.now += Duration::from_secs(31 * 60);
    world.run(1);
    world.found.clear();
    world.search(at(50), HASH, None);
    world.run(10);
    assert_eq!(world.peers(at(50)), [], "it was not said again");
}

#[test]
fn two_are_enough_whoever_of_them_comes_first() {
    let shares = SocketAddr::new(at(0).ip(), 7);
    // The one that shares it is the way in.
    let mut world = World::new(2);
    world.nodes.get_mut(&at(0)).expect("it is there").set_address(at(0).ip());
    world.search(at(0), HASH, Some(7));
    world.search(at(1), HASH, None);
    assert_eq!(world.peers(at(1)), [shares]);
    // The one that seeks it is there before, and hears of it when it is said.
    let mut world = World::new(2);
    world.run(1);
    world.search(at(1), HASH, None);
    assert_eq!(world.peers(at(1)), []);
    world.search(at(0), HASH, Some(7));
    assert_eq!(world.peers(at(1)), [shares]);
}

#[test]
fn whoever_was_the_way_in_may_go_once_others_are_known_and_is_tried_again_until_it_is_there() {
    let mut world = World::new(10);
    let first = world.nodes.remove(&at(0)).expect("it is there");
    world.run(60);
    assert!(world.nodes.values().all(|node| node.nodes() == 0));
    world.nodes.insert(at(0), first);
    world.run(60);
    assert!(world.nodes.values().all(|node| node.nodes() >= 5));
    world.nodes.remove(&at(0));
    world.search(at(3), HASH, Some(7));
    world.run(10);
    world.search(at(4), HASH, None);
    world.run(10);
    assert_eq!(world.peers(at(4)).len(), 1);
}

#[test]
fn after_an_outage_it_finds_its_way_in_again() {
    let mut world = World::new(20);
    world.run(90);
    let here = world.nodes.remove(&at(7)).expect("it is there");
    assert!(here.nodes() >= 8, "{}", here.nodes());
    let others = std::mem::replace(&mut world.nodes, BTreeMap::from([(at(7), here)]));
    for minutes in 0..60 {
        world.run(60);
        if minutes % 15 == 0 {
            world.search(at(7), HASH, None);
        }
    }
    assert_eq!(world.nodes[&at(7)].nodes(), 0, "who is silent for an hour is forgotten");
    // The others had no outage; and of them only the way in is there at first.
    world.nodes.extend(others.into_iter().filter(|(of, _)| *of == at(0)));
    world.run(60);
    assert!(world.nodes[&at(7)].nodes() > 0);
}

// ── one node, and strangers ─────────────────────────────────────────────────────────────────────

struct Alone {
    node: Node,
    now: Instant,
}

impl Alone {
    fn new(limits: DhtLimits, read_only: bool) -> Self {
        let now = Instant::now();
        Self { node: Node::new(false, limits, read_only, [1, 2], now), now }
    }

    /// What it says to this one who asks.
    fn asked(&mut self, from: SocketAddr, query: Query) -> Vec<Packet> {
        let says = Says::Query(NodeId::new([9; 20]), query);
        let packet = Packet { read_only: true, ..Packet::new(b"aa".to_vec(), says) };
        self.node.handle_datagram(from, &packet.write(), self.now);
        let sent = std::iter::from_fn(|| self.node.poll_send());
        let packets = sent.filter(|(to, _)| *to == from).map(|(_, bytes)| Packet::parse(&bytes));
        packets.map(|packet| packet.expect("it is one")).collect()
    }

    fn answer(&mut self, from: SocketAddr, query: Query) -> Result<Response, i64> {
        match self.asked(from, query).pop().expect("it answers").says {
            Says::Response(response) => Ok(response),
            Says::Error(code) => Err(code),
            Says::Query(..) => panic!("it asks"),
        }
    }
}

#[test]
fn who_announces_has_to_know_the_word_it_was_told_at_its_address_not_long_ago() {
    let mut alone = Alone::new(DhtLimits::default(), false);
    let hash = NodeId::from(HASH);
    let token = alone.answer(at(1), Query::GetPeers(hash)).expect("it answers").token;
    let token = token.expect("it is told a word");
    let announce = |port, token: &[u8]| Query::AnnouncePeer { hash, port, token: token.to_vec() };
    for (from, token) in [(at(2), &token[..]), (at(1), b""), (at(1), b"12345678")] {
        assert_eq!(alone.answer(from, announce(Some(5), token)), Err(error::PROTOCOL));
    }
    assert!(alone.answer(at(1), announce(None, &token)).is_ok());
    let peers = alone.answer(at(3), Query::GetPeers(hash)).expect("it answers").peers;
    assert_eq!(peers, [at(1)], "at the port it asked from");
    alone.now += 5 * MINUTE;
    assert_eq!(alone.answer(at(1), announce(Some(5), &token)), Err(error::PROTOCOL));
    assert_eq!(alone.answer(at(1), Query::Unknown(None)), Err(error::METHOD));
}

#[test]
fn an_answer_that_names_as_many_as_it_may_is_not_cut_on_its_way() {
    for is_v6 in [false, true] {
        let at = |last: u16| match is_v6 {
            true => SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, last], 6881)),
            false => at(last),
        };
        let (now, hash) = (Instant::now(), NodeId::from(HASH));
        let mut node = Node::new(is_v6, DhtLimits::default(), false, [1, 2], now);
        // It knows eight nodes, and a hundred peers.
        for number in 0..8 {
            node.add_way_in(at(number));
        }
        node.handle_time(now);
        while let Some((to, question)) = node.poll_send() {
            let number = Packet::parse(&question).expect("it is one").number;
            let id = NodeId::new([to.to_string().bytes().fold(0, u8::wrapping_add); 20]);
            let says = Says::Response(Response { id, ..Response::default() });
            node.handle_datagram(to, &Packet::new(number, says).write(), now);
        }
        let mut ask = |from, query| {
            let says = Says::Query(NodeId::new([9; 20]), query);
            let packet = Packet { read_only: true, ..Packet::new(vec![7; 4], says) };
            node.handle_datagram(from, &packet.write(), now);
            let (_, bytes) = node.poll_send().expect("it answers");
            match Packet::parse(&bytes).expect("it is one").says {
                Says::Response(response) => (response, bytes.len()),
                other => panic!("{other:?}"),
            }
        };
        for number in 100..200 {
            let (told, _) = ask(at(number), Query::GetPeers(hash));
            let token = told.token.expect("it is told a word");
            ask(at(number), Query::AnnouncePeer { hash, port: Some(7), token });
        }
        let (told, length) = ask(at(300), Query::GetPeers(hash));
        assert_eq!((told.peers.len(), told.nodes.len()), (if is_v6 { 25 } else { 50 }, 8));
        assert!(length < 1_000, "{length} bytes");
    }
}

#[test]
fn who_asks_too_much_is_not_answered_and_others_are() {
    let limits = DhtLimits { per_address: 10, per_second: 50, ..DhtLimits::default() };
    let mut alone = Alone::new(limits, false);
    let answered = |alone: &mut Alone, of: SocketAddr, times: usize| -> usize {
        (0..times).map(|_| alone.asked(of, Query::Ping).len()).sum()
    };
    assert_eq!(answered(&mut alone, at(1), 300), 10);
    assert_eq!(answered(&mut alone, at(2), 5), 5);
    alone.now += Duration::from_secs(1);
    assert_eq!(answered(&mut alone, at(1), 5), 5);
    let many: usize = (10..200).map(|number| answered(&mut alone, at(number), 1)).sum();
    assert_eq!(many, 45);
}

#[test]
fn who_only_asks_takes_no_questions_and_says_so() {
    let mut alone = Alone::new(DhtLimits::default(), true);
    assert_eq!(alone.asked(at(1), Query::Ping), []);
    alone.node.add_way_in(at(2));
    alone.node.handle_time(alone.now);
    let (to, bytes) = alone.node.poll_send().expect("it asks");
    assert_eq!(to, at(2));
    assert!(Packet::parse(&bytes).is_some_and(|packet| packet.read_only));
}

#[test]
fn an_answer_that_nobody_asked_for_and_one_from_elsewhere_change_nothing() {
    let mut alone = Alone::new(DhtLimits::default(), false);
    alone.node.add_way_in(at(2));
    alone.node.handle_time(alone.now);
    let (_, question) = alone.node.poll_send().expect("it asks");
    let number = Packet::parse(&question).expect("it is one").number;
    let id = NodeId::new([9; 20]);
    let nodes = vec![(NodeId::new([8; 20]), at(8))];
    let response = || Says::Response(Response { id, nodes: nodes.clone(), ..Response::default() });
    for (from, number) in [(at(3), number.clone()), (at(2), b"zzzz".to_vec()), (at(2), Vec::new())]
    {
        alone.node.handle_datagram(from, &Packet::new(number, response()).write(), alone.now);
        assert_eq!((alone.node.nodes(), alone.node.poll_send()), (0, None));
    }
    alone.node.handle_datagram(at(2), &Packet::new(number.clone(), response()).write(), alone.now);
    assert_eq!(alone.node.nodes(), 1);
    let next = alone.node.poll_send().map(|(to, _)| to);
    assert_eq!(next, Some(at(8)), "the one that was named is asked");
}

/// Somebody of the Internet says where it is. One who is elsewhere for each number.
fn told(alone: &mut Alone, voter: [u8; 2], says: SocketAddr) {
    let [number, last] = voter;
    let voter = SocketAddr::from(([number, 7, 1, last], 6881));
    alone.node.handle_node(voter, alone.now);
    while let Some((to, question)) = alone.node.poll_send() {
        let id = NodeId::at(to.ip(), [number ^ last; 20]);
        let says = (to == voter).then_some(says);
        let response = Says::Response(Response { id, ..Response::default() });
        let number = Packet::parse(&question).expect("it is one").number;
        let packet = Packet { ip: says, ..Packet::new(number, response) };
        alone.node.handle_datagram(to, &packet.write(), alone.now);
    }
}

#[test]
fn a_node_takes_the_name_that_its_address_on_the_internet_may_have() {
    let mut alone = Alone::new(DhtLimits::default(), false);
    let ours: SocketAddr = "84.124.73.14:6881".parse().expect("an address");
    let first = alone.node.id();
    assert!(!first.may_be_at(ours.ip()));
    (20..29).for_each(|number| told(&mut alone, [number, 1], ours));
    assert_eq!(alone.node.id(), first, "too few have said so");
    told(&mut alone, [29, 1], ours);
    assert!(alone.node.id().may_be_at(ours.ip()));
    assert!(alone.node.nodes() > 0);
}

#[test]
fn who_has_many_addresses_in_one_network_or_is_outnumbered_gives_a_node_no_other_name() {
    let mut alone = Alone::new(DhtLimits::default(), false);
    let (ours, other) = ("84.124.73.14:6881", "21.75.31.124:6881");
    let [ours, other] = [ours, other].map(|at| at.parse::<SocketAddr>().expect("an address"));
    let first = alone.node.id();
    (1..=255).for_each(|last| told(&mut alone, [90, last], other));
    assert_eq!(alone.node.id(), first, "they are one network");
    // Some who are everywhere lie, and more do not.
    for number in 20..40 {
        told(&mut alone, [number, 1], if number % 4 == 0 { other } else { ours });
    }
    let right = alone.node.id();
    assert!(right.may_be_at(ours.ip()) && !right.may_be_at(other.ip()));
    (50..60).for_each(|number| told(&mut alone, [number, 1], other));
    assert_eq!(alone.node.id(), right);
    // Where an address is known there is nothing to be said.
    alone.node.set_address(ours.ip());
    (100..200).for_each(|number| told(&mut alone, [number, 1], other));
    assert_eq!(alone.node.id(), right);
}

#[test]
fn who_is_started_again_is_called_as_before_and_finds_those_it_knew_with_nobodys_help() {
    let mut world = World::new(40);
    world.run(90);
    world.search(at(17), HASH, Some(1_000));
    let before = world.nodes.remove(&at(7)).expect("it is there");
    let known = before.saved();
    assert!(known.nodes.len() >= 8 && known.id == Some(before.id()), "{known:?}");
    // Whoever was the way in is gone, and so are half of the others.
    world.nodes.remove(&at(0));
    (20..40).for_each(|number| drop(world.nodes.remove(&at(number))));
    let mut again = Node::new(false, DhtLimits::default(), false, [77, 78], world.now);
    again.restore(&DhtTable::parse(&known.write()).expect("it is what was written"));
    assert_eq!(again.id(), before.id());
    assert_eq!(again.nodes(), 0, "nobody is told of who may be gone");
    world.nodes.insert(at(7), again);
    world.run(120);
    assert!(world.nodes[&at(7)].nodes() >= 8, "{}", world.nodes[&at(7)].nodes());
    world.search(at(7), HASH, None);
    world.run(10);
    assert_eq!(world.peers(at(7)).len(), 1);
}

#[test]
fn the_name_of_an_earlier_start_is_not_kept_at_an_address_that_may_not_have_it() {
    let ip = "84.124.73.14".parse().expect("an address");
    for (id, stays) in [(NodeId::at(ip, [65; 20]), true), (NodeId::new([9; 20]), false)] {
        let mut alone = Alone::new(DhtLimits::default(), false);
        alone.node.set_address(ip);
        alone.node.restore(&DhtTable { id: Some(id), ..DhtTable::default() });
        assert_eq!(alone.node.id() == id, stays);
        assert!(alone.node.id().may_be_at(ip));
    }
}

// ── programs ────────────────────────────────────────────────────────────────────────────────────

fn enter(
    network: &mut Network,
    name: &'static str,
    part: Part,
    nodes: Vec<SocketAddr>,
) -> At<Member> {
    network.host(name, move |registry| {
        let member = part.clone().begin(registry, PORT)?;
        let options = DhtOptions { nodes: nodes.clone(), ..DhtOptions::default() };
        join(registry, ([0, 0, 0, 0], PORT).into(), options)?;
        Ok(member)
    })
}

#[test]
fn who_has_a_link_and_knows_one_node_gets_everything() {
    let mut network = Network::from_seed(1);
    let content = content(200_000, false);
    // It shares something else, and knows nobody.
    let other = crate::stage::content(50_000, false);
    let way_in = enter(&mut network, "way in", Part::seed(&other, 1), Vec::new());
    let way_in = address(&network, way_in);
    enter(&mut network, "seed", Part::seed(&content, 2), vec![way_in]);
    network.run_for(Duration::from_secs(2)).expect("nothing is broken");
    let magnet = Part { magnet: true, ..Part::leecher(&content, 3) };
    let leecher = enter(&mut network, "leecher", magnet, vec![way_in]);
    until_whole(&mut network, &[leecher], &content, MINUTE);
    assert!(network.now() < Duration::from_secs(10), "{:?}", network.now());
}

/// It announces what it fetches, and so it is told of itself.
#[test]
fn who_has_found_nobody_but_itself_goes_on_looking() {
    let mut network = Network::from_seed(6);
    let content = content(200_000, false);
    let other = crate::stage::content(50_000, false);
    let way_in = enter(&mut network, "way in", Part::seed(&other, 1), Vec::new());
    let way_in = address(&network, way_in);
    let magnet = Part { magnet: true, ..Part::leecher(&content, 3) };
    let leecher = enter(&mut network, "leecher", magnet, vec![way_in]);
    network.run_for(3 * MINUTE).expect("nothing is broken");
    assert_eq!(network.app(leecher).map(|it| it.swarm().addresses()), Some(1), "its own");
    // Who comes then is to be dialled.
    let mut seed = Part::seed(&content, 2);
    seed.options.limits.dials = 0;
    enter(&mut network, "seed", seed, vec![way_in]);
    until_whole(&mut network, &[leecher], &content, MINUTE);
}

/// Neither knows a node, and one tells the other of its own: by its peers. Of a private torrent's peers no node hears.
#[test]
fn peers_tell_each_other_of_their_nodes_and_what_is_known_is_kept() {
    for private in [false, true] {
        let mut network = Network::from_seed(3);
        let content = content(200_000, private);
        let seed = enter(&mut network, "seed", Part::seed(&content, 1), Vec::new());
        let place = address(&network, seed);
        let part = Part::leecher(&content, 2).dialling([place]);
        let leecher = enter(&mut network, "leecher", part, Vec::new());
        until_whole(&mut network, &[leecher], &content, MINUTE);
        network.run_for(6 * MINUTE).expect("nothing is broken");
        let known = |of| network.app(of).and_then(|member: &Member| member.known.clone());
        let theirs = address(&network, leecher);
        for (of, node) in [(seed, theirs), (leecher, place)] {
            let nodes = known(of).map(|table| table.nodes);
            assert_eq!(nodes, (!private).then(|| vec![node]), "private: {private}");
        }
    }
}

/// Where a program is: at addresses of IPv4, of IPv6 or of both.
const V4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// As [`enter`], with a listener and a node at each of these.
fn enter_at(
    network: &mut Network,
    name: &'static str,
    places: &'static [IpAddr],
    part: Part,
    nodes: Vec<SocketAddr>,
) -> At<Member> {
    network.host(name, move |registry| {
        let mut member = Part { listens: false, ..part.clone() }.begin(registry, PORT)?;
        for place in places {
            let at = SocketAddr::new(*place, PORT);
            member.swarms.listen(registry, Address::Ip(at), &ListenOptions::default())?;
            join(registry, at, DhtOptions { nodes: nodes.clone(), ..DhtOptions::default() })?;
        }
        Ok(member)
    })
}

fn address_v6(network: &Network, host: At<Member>) -> SocketAddr {
    match network.address_v6(host, PORT) {
        Address::Ip(address) => address,
        other => panic!("{other} is no address of a peer"),
    }
}

/// It knows a node of each; or of one only, which tells of those of the other (BEP 32).
#[test]
fn a_program_in_both_dhts_is_found_in_each_and_one_node_of_either_is_a_way_into_both() {
    for knows in [[true, true], [true, false], [false, true]] {
        let mut network = Network::from_seed(4);
        let content = content(200_000, false);
        let other = crate::stage::content(50_000, false);
        let way_in = enter_at(&mut network, "way in", &[V4, V6], Part::seed(&other, 1), Vec::new());
        let ways = [address(&network, way_in), address_v6(&network, way_in)];
        // Nobody tells of itself, so there has to be one more that it knows.
        enter_at(&mut network, "third", &[V4, V6], Part::seed(&other, 5), ways.to_vec());
        network.run_for(MINUTE).expect("nothing is broken");
        let known = ways.into_iter().zip(knows).filter_map(|(at, knows)| knows.then_some(at));
        let part = Part::seed(&content, 2);
        let seed = enter_at(&mut network, "seed", &[V4, V6], part, known.collect());
        network.run_for(MINUTE).expect("nothing is broken");
        let magnet = |id| Part { magnet: true, ..Part::leecher(&content, id) };
        let v4 = enter_at(&mut network, "v4", &[V4], magnet(3), vec![ways[0]]);
        let v6 = enter_at(&mut network, "v6", &[V6], magnet(4), vec![ways[1]]);
        until_whole(&mut network, &[v4, v6], &content, MINUTE);
        network.run_for(6 * MINUTE).expect("nothing is broken");
        let told = network.app(seed).and_then(|member| member.known.clone()).expect("it knows");
        assert!(ways.iter().all(|way| told.nodes.contains(way)), "{knows:?}: {told:?}");
        assert_eq!(told.id, told.id6, "one name is enough for both");
    }
}

/// What `port` says is of the address it comes from (BEP 32).
#[test]
fn a_peer_of_ipv6_is_told_of_the_node_of_ipv6_and_one_of_ipv4_of_the_other() {
    for is_v6 in [false, true] {
        let mut network = Network::from_seed(5);
        let content = content(200_000, false);
        let seed = enter_at(&mut network, "seed", &[V4, V6], Part::seed(&content, 1), Vec::new());
        let at = if is_v6 { address_v6(&network, seed) } else { address(&network, seed) };
        let part = Part::leecher(&content, 2).dialling([at]);
        let leecher = enter_at(&mut network, "leecher", &[V4, V6], part, Vec::new());
        until_whole(&mut network, &[leecher], &content, MINUTE);
        network.run_for(6 * MINUTE).expect("nothing is broken");
        let told = network.app(leecher).and_then(|member| member.known.clone());
        assert_eq!(told.map(|told| told.nodes), Some(vec![at]));
    }
}

#[test]
fn who_wants_nodes_of_both_kinds_gets_them_in_one_datagram_with_fewer_peers() {
    for is_v6 in [false, true] {
        let now = Instant::now();
        let mut node = Node::new(is_v6, DhtLimits::default(), false, [1, 2], now);
        let place = |v6: bool, number: u16| match v6 {
            false => at(number),
            true => SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, number], 6881)),
        };
        let named = |v6| (1..=40_u16).map(move |n| (NodeId::new([n as u8; 20]), place(v6, n)));
        // It knows its own kind by their answers, and the other kind by the other node of the program.
        for (id, from) in named(is_v6) {
            node.handle_node(from, now);
            let (_, ping) = node.poll_send().expect("it asks");
            let number = Packet::parse(&ping).expect("it is one").number;
            let response = Says::Response(Response { id, ..Response::default() });
            node.handle_datagram(from, &Packet::new(number, response).write(), now);
        }
        while node.poll_send().is_some() {}
        node.set_beside(Some(named(!is_v6).collect()));
        let mut ask = |from, want, query| {
            let says = Says::Query(NodeId::new([99; 20]), query);
            let packet = Packet { want, read_only: true, ..Packet::new(vec![1], says) };
            node.handle_datagram(from, &packet.write(), now);
            let (to, answer) = node.poll_send().expect("it answers");
            assert!(to == from && answer.len() < 1_000, "{} bytes", answer.len());
            let Some(Says::Response(response)) = Packet::parse(&answer).map(|it| it.says) else {
                panic!("it is no answer");
            };
            response
        };
        let target = HASH.into();
        for number in 100..200 {
            let from = place(is_v6, number);
            let token = ask(from, Want::Usual, Query::GetPeers(target)).token.expect("a word");
            ask(from, Want::Usual, Query::AnnouncePeer { hash: target, port: None, token });
        }
        let both = Want::Only { v4: true, v6: true };
        let [v4, v6] = [(true, false), (false, true)].map(|(v4, v6)| Want::Only { v4, v6 });
        for (want, counts) in [(both, [8, 8]), (v4, [8, 0]), (v6, [0, 8])] {
            for query in [Query::GetPeers(target), Query::FindNode(target)] {
                let is_for_peers = matches!(query, Query::GetPeers(_));
                let response = ask(place(is_v6, 99), want, query);
                let count = |v6| response.nodes.iter().filter(|(_, at)| at.is_ipv6() == v6).count();
                assert_eq!([count(false), count(true)], counts, "{want:?}");
                // Peers are of the kind of who asks, whatever nodes it wants.
                assert!(response.peers.iter().all(|peer| peer.is_ipv6() == is_v6));
                assert_eq!(response.peers.len() >= 15, is_for_peers);
            }
        }
    }
}

#[test]
fn of_a_private_torrent_no_node_hears() {
    for private in [false, true] {
        let mut network = Network::from_seed(2);
        let content = content(200_000, private);
        let way_in = enter(&mut network, "way in", Part::leecher(&content, 1), Vec::new());
        let at = address(&network, way_in);
        let seed = enter(&mut network, "seed", Part::seed(&content, 2), vec![at]);
        network.run_for(2 * MINUTE).expect("nothing is broken");
        let knows = [way_in, seed].map(|it| network.app(it).map_or(0, |it| it.swarm().addresses()));
        assert_eq!(knows.iter().sum::<usize>() == 0, private, "{knows:?}");
    }
}

#[test]
fn nobody_hears_of_a_private_torrent_while_its_files_are_looked_at_or_once_that_is_known() {
    // It is known at once; or after a search has begun.
    for late in [Duration::ZERO, Duration::from_micros(1)] {
        for private in [false, true] {
            let mut network = Network::from_seed(2);
            let content = content(200_000, private);
            let magnet = |id| Part { magnet: true, ..Part::leecher(&content, id) };
            // It cannot be reached, so that it announces nothing itself.
            let hears = Part { listens: false, ..magnet(1) };
            let way_in = enter(&mut network, "way in", hears, Vec::new());
            let at = address(&network, way_in);
            network.run_for(Duration::from_millis(10)).expect("nothing is broken");
            let (part, info) = (magnet(2), Arc::clone(&content.info));
            let looks = network.host("looks", move |registry| {
                let mut member = part.clone().begin(registry, PORT)?;
                if late.is_zero() {
                    member.swarms.find(registry, Arc::clone(&info));
                }
                let options = DhtOptions { nodes: vec![at], ..DhtOptions::default() };
                join(registry, ([0, 0, 0, 0], PORT).into(), options)?;
                Ok(member)
            });
            network.run_for(late).expect("nothing is broken");
            if let Some((registry, member)) = network.parts(looks) {
                member.swarms.find(registry, Arc::clone(&content.info));
            }
            network.run_for(2 * MINUTE).expect("nothing is broken");
            let knows = network.app(way_in).map_or(0, |it| it.swarm().addresses());
            assert_eq!(knows == 0, private, "{late:?}: {knows}");
        }
    }
}
