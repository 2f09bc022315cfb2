//! Datagrams of the DHT, and of local discovery: each is one or is none, and a node bears whatever comes, and whatever was
//! written down.
#![no_main]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use protocols::torrent::InfoHash;
use protocols::torrent::dht::{DhtLimits, Node};
use protocols::torrent::wire::DhtTable;
use protocols::torrent::wire::krpc::{Packet, Query, Says};
use protocols::torrent::wire::lan::Search;

fuzz_target!(|datagrams: Vec<(u8, Vec<u8>)>| {
    let mut now = Instant::now();
    let mut node = Node::new(false, DhtLimits::default(), false, [1, 2], now);
    node.add_way_in(([127, 0, 0, 1], 1).into());
    node.search(InfoHash::new([7; 20]), Some(1), now);
    for (who, bytes) in datagrams {
        if let Some(packet) = Packet::parse(&bytes) {
            let again = Packet::parse(&packet.write());
            // A question that nobody knows is not asked.
            let is_known = !matches!(packet.says, Says::Query(_, Query::Unknown(_)));
            assert!(!is_known || again.is_some());
        }
        if let Ok(table) = DhtTable::parse(&bytes) {
            let again = DhtTable::parse(&table.write());
            assert!(again.is_ok_and(|again| again == table) || table == DhtTable::default());
            node.restore(&table);
        }
        if let Some(search) = Search::parse(&bytes) {
            let again = Search::parse(&search.write()).expect("it was one");
            assert_eq!((again.port, again.hashes), (search.port, search.hashes));
        }
        let from: SocketAddr = ([127, 0, 0, 1 + who % 8], u16::from(who) + 1).into();
        node.handle_datagram(from, &bytes, now);
        // Its own questions are answered by what comes, too, as if the number had been guessed.
        while let Some((to, question)) = node.poll_send() {
            if let (Some(asked), Some(mut said)) = (Packet::parse(&question), Packet::parse(&bytes)) {
                said.number = asked.number;
                if !matches!(said.says, Says::Query(..)) {
                    node.handle_datagram(to, &said.write(), now);
                }
            }
        }
        while node.poll_found().is_some() {}
        // The other node of the program knows few, or as many as this one.
        let known = node.known();
        node.set_beside(Some(known.into_iter().take(usize::from(who)).collect()));
        while node.poll_elsewhere().is_some() {}
        now += Duration::from_millis(u64::from(who) * 40);
        node.handle_time(now);
        assert!(node.nodes() <= 160 * 8);
    }
});
