//! Peers that find each other on one network, simulated.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use protocols::torrent::InfoHash;
use protocols::torrent::wire::lan::{GROUP, Search};
use reactor::sim::{Host as At, Network};
use reactor::{
    Address, Datagram, DatagramOptions, DatagramProtocol, DatagramTransport, ListenOptions,
    Membership, Registry,
};

use crate::stage::{Content, Member, PORT, Part, content, until_whole};

const MINUTE: Duration = Duration::from_secs(60);

fn enter(network: &mut Network, name: &'static str, part: Part) -> At<Member> {
    network.host(name, move |registry| {
        let mut member = part.clone().begin(registry, PORT)?;
        member.swarms.look_on_lan(registry, Ipv4Addr::UNSPECIFIED)?;
        Ok(member)
    })
}

#[derive(Default)]
struct Heard {
    searches: Vec<Search>,
}

/// Listens to the group, and says first, there or elsewhere, that so many peers share this.
struct Listens {
    peers: u16,
    hash: Option<InfoHash>,
    to: SocketAddr,
}

impl DatagramProtocol<Heard> for Listens {
    fn on_open(&mut self, socket: &mut DatagramTransport<'_, Heard>, _: &mut Heard) {
        for port in 1..=self.peers {
            let hashes = self.hash.into_iter().collect();
            let search = Search { port, hashes, cookie: None }.write();
            socket.send_to(&search, &Address::Ip(self.to)).expect("there is room");
        }
    }

    fn on_datagram(
        &mut self,
        _: &mut DatagramTransport<'_, Heard>,
        datagram: &Datagram<'_>,
        heard: &mut Heard,
    ) {
        heard.searches.extend(Search::parse(datagram.bytes));
    }
}

fn listener(network: &mut Network, peers: u16, hash: Option<InfoHash>) -> At<Heard> {
    network.host("listener", move |registry: &mut Registry<Heard>| {
        let (group, interface) = (*GROUP.ip(), Ipv4Addr::UNSPECIFIED);
        let groups = vec![Membership::V4 { group, interface }];
        let options = DatagramOptions { groups, ..DatagramOptions::default() };
        let everywhere = Address::Ip(([0, 0, 0, 0], GROUP.port()).into());
        let listens = Listens { peers, hash, to: GROUP.into() };
        registry.bind_datagram_with(everywhere, &options, listens)?;
        Ok(Heard::default())
    })
}

fn addresses(network: &Network, host: At<Member>) -> usize {
    network.app(host).map_or(0, |member| member.swarm().addresses())
}

#[test]
fn who_looks_on_the_network_finds_a_seed_by_the_torrent_and_by_its_link() {
    for magnet in [false, true] {
        let mut network = Network::from_seed(1);
        let content = content(200_000, false);
        enter(&mut network, "seed", Part::seed(&content, 1));
        let leecher = Part { magnet, ..Part::leecher(&content, 2) };
        let leecher = enter(&mut network, "leecher", leecher);
        until_whole(&mut network, &[leecher], &content, MINUTE);
    }
}

#[test]
fn of_a_private_torrent_nothing_is_said_and_nothing_heard_and_who_speaks_does_not_hear_itself() {
    for private in [false, true] {
        let mut network = Network::from_seed(2);
        let content: Content = content(200_000, private);
        let hears = listener(&mut network, 0, None);
        let (hash, number) = (content.info.hash(), usize::from(!private));
        let seed = enter(&mut network, "seed", Part::seed(&content, 1));
        let leecher = enter(&mut network, "leecher", Part::leecher(&content, 2));
        network.run_for(4 * MINUTE).expect("nothing is broken");
        let heard = &network.app(hears).expect("it is up").searches;
        assert_eq!(heard.len(), 2 * number, "private: {private}");
        assert!(heard.iter().all(|search| search.hashes == [hash] && search.port == PORT));
        assert_eq!(addresses(&network, leecher), number, "it knows the other one, and not itself");
        network.run_for(2 * MINUTE).expect("nothing is broken");
        assert_eq!(
            network.app(hears).expect("it is up").searches.len(),
            4 * number,
            "every five minutes"
        );
        assert!(addresses(&network, seed) <= 1);
    }
}

#[test]
fn nobody_hears_of_a_private_torrent_while_its_files_are_looked_at() {
    for private in [false, true] {
        let mut network = Network::from_seed(4);
        let content = content(200_000, private);
        let hears = listener(&mut network, 0, None);
        let part = Part { magnet: true, ..Part::leecher(&content, 1) };
        network.host("looks", move |registry| {
            let mut member = part.clone().begin(registry, PORT)?;
            member.swarms.find(registry, Arc::clone(&part.content.info));
            member.swarms.look_on_lan(registry, Ipv4Addr::UNSPECIFIED)?;
            Ok(member)
        });
        network.run_for(MINUTE).expect("nothing is broken");
        let heard = &network.app(hears).expect("it is up").searches;
        assert_eq!(heard.is_empty(), private);
    }
}

#[test]
fn who_listens_later_is_told_of_as_soon_as_it_does() {
    let mut network = Network::from_seed(5);
    let content = content(200_000, false);
    let hears = listener(&mut network, 0, None);
    let deaf = Part { listens: false, ..Part::leecher(&content, 1) };
    let deaf = enter(&mut network, "deaf", deaf);
    network.run_for(Duration::from_secs(6)).expect("nothing is broken");
    if let Some((registry, member)) = network.parts(deaf) {
        let everywhere = Address::Ip(([0, 0, 0, 0], PORT).into());
        member.swarms.listen(registry, everywhere, &ListenOptions::default()).expect("it is free");
    }
    network.run_for(Duration::from_secs(6)).expect("nothing is broken");
    assert_eq!(network.app(hears).expect("it is up").searches.len(), 1);
}

#[test]
#[cfg(target_os = "linux")]
fn what_is_sent_to_it_alone_and_not_to_the_group_is_not_heard() {
    let mut network = Network::from_seed(6);
    let content = content(200_000, false);
    let one = enter(&mut network, "one", Part::leecher(&content, 1));
    let Address::Ip(at) = network.address(one, GROUP.port()) else {
        panic!("it has an address");
    };
    let hash = content.info.hash();
    network.host("stranger", move |registry: &mut Registry<Heard>| {
        let options = DatagramOptions::default();
        let stranger = Listens { peers: 3, hash: Some(hash), to: at };
        registry.bind_datagram_with(Address::Ip(([0, 0, 0, 0], 7).into()), &options, stranger)?;
        Ok(Heard::default())
    });
    network.run_for(Duration::from_secs(2)).expect("nothing is broken");
    assert_eq!(addresses(&network, one), 0);
}

#[test]
fn a_flood_costs_what_there_is_room_for() {
    let mut network = Network::from_seed(3);
    let content = content(200_000, false);
    let one = enter(&mut network, "one", Part::leecher(&content, 1));
    listener(&mut network, 300, Some(content.info.hash()));
    network.run_for(Duration::from_secs(2)).expect("nothing is broken");
    // A hundred are read, its own among them.
    assert_eq!(addresses(&network, one), 99);
}
