//! Peers that are played, byte by byte, on a simulated network: what odd ones say, and what is said to them.

use std::sync::Arc;
use std::time::Duration;

use protocols::torrent::PeerId;
use protocols::torrent::dht::{DhtOptions, join};
use protocols::torrent::disk::DiskError;
use protocols::torrent::machine::{BLOCK, Bitfield};
use protocols::torrent::peer::{Options, Shared, Store};
use protocols::torrent::wire::extension::Extensions;
use protocols::torrent::wire::message::{Block, Bounds, Decoder, Handshake, Message};
use reactor::sim::{Host as At, Network};
use reactor::{Address, Closed, Input, Protocol, Registry, Transport};

use crate::stage::{Content, Member, Memory, PORT, Part, address, content, until_whole, watch};

const MINUTE: Duration = Duration::from_secs(60);

/// Connections of a host that plays peers, in the order in which they were made.
#[derive(Default)]
struct Players {
    played: Vec<Played>,
}

/// What one of them has been told.
#[derive(Default)]
struct Played {
    handshake: Option<Handshake>,
    /// Each message as it came, without its length.
    messages: Vec<Vec<u8>>,
    blocks: usize,
    ended: bool,
}

/// One connection: says this, and that once it is unchoked, and notes what it is told.
struct Player {
    number: usize,
    says: Vec<u8>,
    then: Vec<u8>,
    decoder: Decoder,
}

const BOUNDS: Bounds = Bounds { bitfield: 1 << 20, block: 1 << 20, extended: 1 << 20 };

impl Protocol<Players> for Player {
    fn on_open(&mut self, transport: &mut Transport<'_, Players>, _: &mut Players) {
        transport.write(&self.says);
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, Players>,
        input: &mut Input<'_>,
        players: &mut Players,
    ) {
        let played = &mut players.played[self.number];
        if played.handshake.is_none() {
            played.handshake = Handshake::take(input).expect("it is one");
        }
        if played.handshake.is_none() {
            return;
        }
        while let Some(message) = self.decoder.next(input, &BOUNDS).expect("it is well formed") {
            if matches!(message, Message::Unchoke) {
                transport.write(&self.then);
            }
            played.blocks += usize::from(matches!(message, Message::Piece { .. }));
            let mut written = Vec::new();
            message.write(&mut written);
            played.messages.push(written[4..].to_vec());
        }
    }

    fn on_close(&mut self, _: &mut Registry<Players>, _: &Closed, players: &mut Players) {
        players.played[self.number].ended = true;
    }
}

impl Played {
    /// The numbers of the messages.
    fn ids(&self) -> Vec<u8> {
        self.messages.iter().filter_map(|message| message.first().copied()).collect()
    }

    fn extensions(&self) -> Option<Extensions> {
        let said = self.messages.iter().find(|message| message.starts_with(&[20, 0]))?;
        Extensions::read(&said[2..]).ok()
    }
}

/// A host that connects to a member, each time to say one of these.
fn play(network: &mut Network, name: &str, to: Address, says: Vec<Vec<u8>>) -> At<Players> {
    network.host(name, move |registry| {
        let mut players = Players::default();
        for (number, says) in says.iter().cloned().enumerate() {
            let player = Player { number, says, then: Vec::new(), decoder: Decoder::default() };
            registry.connect(to.clone(), player)?;
            players.played.push(Played::default());
        }
        Ok(players)
    })
}

/// The handshake of a peer, and what it says behind it.
fn says(content: &Content, id: u8, modern: bool, messages: &[Message<'_>]) -> Vec<u8> {
    let peer_id = PeerId::from([id; 20]);
    let info_hash = content.info.hash();
    let handshake = Handshake { fast: modern, extended: modern, dht: false, info_hash, peer_id };
    let mut bytes = handshake.to_bytes().to_vec();
    messages.iter().for_each(|message| message.write(&mut bytes));
    bytes
}

fn one(network: &Network, players: At<Players>) -> &Played {
    &network.app(players).expect("it is up").played[0]
}

/// A seed, and the address to play peers at.
fn seed(network: &mut Network, content: &Content) -> (At<Member>, Address) {
    let seed = Part::seed(content, 1).enter(network, "seed");
    (seed, Address::Ip(address(network, seed)))
}

/// It has the beginnings of pieces at hand, and cannot read the rest.
#[derive(Debug)]
struct Broken(Arc<Memory>);

impl Store for Broken {
    fn read_ready(&self, block: Block, bytes: &mut Vec<u8>) -> bool {
        block.begin == 0 && self.0.read(block, bytes).is_ok()
    }

    fn read(&self, _: Block, _: &mut Vec<u8>) -> Result<(), DiskError> {
        panic!("the disk is broken")
    }

    fn keep(&self, piece: u32, bytes: &[u8]) -> Result<(), DiskError> {
        self.0.keep(piece, bytes)
    }
}

#[test]
fn what_was_at_hand_is_sent_also_if_the_rest_cannot_be_read_and_that_is_turned_down() {
    let mut network = Network::from_seed(1);
    let content = content(100_000, false);
    let part = Part { magnet: true, ..Part::seed(&content, 1) };
    let seed = network.host("seed", move |registry| {
        let mut member = part.clone().begin(registry, PORT)?;
        let info = Arc::clone(&part.content.info);
        let (have, wanted) = (Bitfield::all(info.pieces()), Bitfield::all(info.pieces()));
        let store = Arc::new(Broken(Memory::new(part.content.bytes.to_vec(), false)));
        member.swarms.share(registry, Shared { info, store, have, wanted });
        Ok(member)
    });
    let at = Address::Ip(address(&network, seed));
    let says = says(&content, 8, true, &[Message::HaveNone, Message::Interested]);
    let mut then = Vec::new();
    for begin in [0, BLOCK] {
        for piece in [0, 1] {
            Message::Request(Block { piece, begin, length: BLOCK }).write(&mut then);
        }
    }
    let peer = network.host("peer", move |registry| {
        let (says, then) = (says.clone(), then.clone());
        let player = Player { number: 0, says, then, decoder: Decoder::default() };
        registry.connect(at.clone(), player)?;
        Ok(Players { played: vec![Played::default()] })
    });
    network.run_for(MINUTE).expect("nothing is broken");
    let rejected = one(&network, peer).ids().iter().filter(|id| **id == 16).count();
    assert_eq!((one(&network, peer).blocks, rejected), (2, 2));
}

#[test]
fn a_peer_of_the_first_days_hears_nothing_that_it_does_not_know() {
    let mut network = Network::from_seed(1);
    let content = content(100_000, false);
    let (_, at) = seed(&mut network, &content);
    let part = Message::Request(Block { piece: 0, begin: 0, length: BLOCK });
    let old = says(&content, 9, false, &[Message::Interested]);
    let old = play(&mut network, "old", at.clone(), vec![old]);
    let modern = says(&content, 8, true, &[Message::HaveNone, Message::Interested, part]);
    let modern = play(&mut network, "modern", at, vec![modern]);
    network.run_for(3 * MINUTE).expect("nothing is broken");
    // A bitfield and an unchoke; silence is broken by empty messages.
    let ids = one(&network, old).ids();
    assert!(ids.iter().all(|id| *id <= 9) && ids.starts_with(&[5, 1]), "{ids:?}");
    let ids = one(&network, modern).ids();
    assert!(ids.starts_with(&[14, 20]), "everything is there, and extensions are: {ids:?}");
}

/// BEP 5, and of a private torrent nothing (BEP 27).
#[test]
fn who_takes_part_in_the_dht_is_told_where_the_node_is_and_nobody_else() {
    for private in [false, true] {
        for read_only in [false, true] {
            let mut network = Network::from_seed(4);
            let content = content(100_000, private);
            let part = Part::seed(&content, 1);
            let seed = network.host("seed", move |registry| {
                let member = part.clone().begin(registry, PORT)?;
                let options = DhtOptions { read_only, ..DhtOptions::default() };
                join(registry, ([0, 0, 0, 0], 7_007).into(), options)?;
                Ok(member)
            });
            let at = Address::Ip(address(&network, seed));
            let (mut takes_part, takes_none) =
                (says(&content, 7, true, &[]), says(&content, 6, true, &[]));
            takes_part[27] |= 1;
            let players = play(&mut network, "plays", at, vec![takes_part, takes_none]);
            network.run_for(Duration::from_secs(5)).expect("nothing is broken");
            let played = &network.app(players).expect("it is up").played;
            let port = 7_007_u16.to_be_bytes();
            let said = |played: &Played| played.messages.contains(&vec![9, port[0], port[1]]);
            assert_eq!(said(&played[0]), !private && !read_only);
            assert!(!played[1].ids().contains(&9));
            let dht = played[0].handshake.expect("it has said one").dht;
            assert_eq!(dht, !private, "who only asks wants to know nodes, too");
        }
    }
}

#[test]
fn what_is_malformed_or_makes_no_sense_ends_the_connection_and_nothing_else() {
    let mut network = Network::from_seed(2);
    let content = content(100_000, false);
    let (_, at) = seed(&mut network, &content);
    let bytes = |bytes: &[u8]| [says(&content, 7, true, &[]), bytes.to_vec()].concat();
    let part = |piece, begin, length| Message::Request(Block { piece, begin, length });
    let odd = vec![
        // Another protocol; another torrent.
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        Handshake {
            fast: true,
            extended: true,
            dht: false,
            info_hash: [7; 20].into(),
            peer_id: [7; 20].into(),
        }
        .to_bytes()
        .to_vec(),
        // A message of 4 GiB, a bitfield that is too long, one of another torrent.
        bytes(&[0xff, 0xff, 0xff, 0xff, 7]),
        bytes(&[0, 1, 0, 0, 5]),
        says(&content, 6, true, &[Message::Bitfield(&[0xff])]),
        says(&content, 5, true, &[Message::Have(3)]),
        // Parts that there are not, or that are longer than is sent.
        says(&content, 4, true, &[part(9, 0, 1)]),
        says(&content, 3, true, &[part(0, 0, 1 << 20)]),
        says(&content, 2, true, &[part(0, u32::MAX, u32::MAX)]),
        // An extension that is no bencode.
        says(&content, 1, true, &[Message::Extended { id: 0, payload: b"x" }]),
    ];
    let count = odd.len();
    let odd = play(&mut network, "odd", at.clone(), odd);
    network.run_for(Duration::from_secs(30)).expect("nothing is broken");
    let ended = network.app(odd).expect("it is up").played.iter().map(|it| it.ended);
    assert_eq!(ended.collect::<Vec<_>>(), vec![true; count]);
    // From the same address one that makes sense is as welcome as ever.
    let leecher = Part::leecher(&content, 2).dialling([at.socket_addr().expect("an address")]);
    let leecher = leecher.enter(&mut network, "leecher");
    until_whole(&mut network, &[leecher], &content, MINUTE);
}

#[test]
fn three_hundred_who_say_nothing_keep_nobody_out() {
    let mut network = Network::from_seed(3);
    let content = content(200_000, false);
    let mut options = Options::default();
    options.limits.peers = 100;
    let seed = Part { options, ..Part::seed(&content, 1) }.enter(&mut network, "seed");
    let at = address(&network, seed);
    // Half of them do not even say which torrent they want.
    let mute = (0..300_u32).map(|number| match number % 2 {
        0 => Vec::new(),
        _ => {
            let mut bytes = says(&content, 9, true, &[]);
            bytes[48..52].copy_from_slice(&number.to_be_bytes());
            bytes
        }
    });
    play(&mut network, "mute", Address::Ip(at), mute.collect());
    network.run_for(Duration::from_secs(5)).expect("nothing is broken");
    let leecher = Part::leecher(&content, 2).dialling([at]).enter(&mut network, "leecher");
    let begun = network.now();
    until_whole(&mut network, &[leecher], &content, MINUTE);
    assert!(network.now() - begun < Duration::from_secs(15), "{:?}", network.now() - begun);
}

#[test]
fn three_clients_behind_one_address_are_served() {
    let mut network = Network::from_seed(4);
    let content = content(100_000, false);
    let (_, at) = seed(&mut network, &content);
    let part = Message::Request(Block { piece: 1, begin: 0, length: BLOCK });
    let wants = [Message::HaveNone, Message::Interested];
    let clients = (1..4).map(|id| says(&content, id, true, &wants)).collect();
    let clients = play(&mut network, "clients", at.clone(), clients);
    network.run_for(Duration::from_secs(2)).expect("nothing is broken");
    let played = &network.app(clients).expect("it is up").played;
    assert!(played.iter().all(|it| it.ids().contains(&1) && !it.ended), "all are unchoked");
    // Now that they would be unchoked, one that asks at once.
    let asks = [Message::HaveNone, Message::Interested, part];
    let asks = (4..7).map(|id| says(&content, id, true, &asks)).collect();
    let asks = play(&mut network, "others", at, asks);
    network.run_for(Duration::from_secs(2)).expect("nothing is broken");
    let played = &network.app(asks).expect("it is up").played;
    assert!(
        played.iter().all(|it| it.blocks == 1),
        "what is asked for behind `interested` is sent"
    );
}

#[test]
fn who_asks_for_the_same_again_and_again_gets_no_more_than_was_agreed() {
    let mut network = Network::from_seed(5);
    let content = content(100_000, false);
    let (seed, at) = seed(&mut network, &content);
    let mut asks = vec![Message::HaveNone, Message::Interested];
    let begin = |number: u32| (number % 16) * 1_000 + number / 16;
    asks.extend(
        (0..5_000)
            .map(|number| Message::Request(Block { piece: 0, begin: begin(number), length: 100 })),
    );
    let greedy = says(&content, 9, true, &asks);
    let greedy = play(&mut network, "greedy", at, vec![greedy]);
    network.run_for(MINUTE).expect("nothing is broken");
    let played = one(&network, greedy);
    let rejected = played.ids().iter().filter(|id| **id == 16).count();
    // Each is answered, one way or the other (BEP 6).
    assert_eq!(played.blocks + rejected, 5_000);
    assert!(network.app(seed).is_some());
}

#[test]
fn of_a_private_torrent_no_other_peer_is_told() {
    for private in [false, true] {
        let mut network = Network::from_seed(6);
        let content = content(100_000, private);
        let (seed, at) = seed(&mut network, &content);
        let ours = Extensions { pex: Some(1), port: Some(6_000), ..Extensions::default() };
        let payload = ours.to_payload();
        let extended = Message::Extended { id: 0, payload: &payload };
        let curious = says(&content, 9, true, &[Message::HaveNone, extended]);
        let curious = play(&mut network, "curious", at.clone(), vec![curious]);
        let other = says(&content, 8, true, &[Message::HaveNone, extended]);
        play(&mut network, "other", at, vec![other]);
        network.run_for(2 * MINUTE).expect("nothing is broken");
        let played = one(&network, curious);
        let offered = played.extensions().and_then(|extensions| extensions.pex);
        let told = played.messages.iter().any(|message| message.starts_with(&[20, 1]));
        assert_eq!((offered.is_some(), told), (!private, !private));
        watch(&mut network, &[seed]);
    }
}

#[test]
fn the_info_is_sent_in_parts_and_no_further_than_it_goes() {
    let mut network = Network::from_seed(7);
    let content = content(100_000, false);
    let (_, at) = seed(&mut network, &content);
    let ours = Extensions { metadata: Some(3), ..Extensions::default() }.to_payload();
    let mut asks = vec![Message::HaveNone, Message::Extended { id: 0, payload: &ours }];
    let parts: Vec<Vec<u8>> = [0, 1, u32::MAX]
        .map(|part| protocols::torrent::wire::extension::Metadata::Request(part).to_payload())
        .to_vec();
    asks.extend(parts.iter().map(|payload| Message::Extended { id: 2, payload }));
    let asks = says(&content, 9, true, &asks);
    let asks = play(&mut network, "asks", at, vec![asks]);
    network.run_for(Duration::from_secs(5)).expect("nothing is broken");
    let answers: Vec<_> =
        one(&network, asks).messages.iter().filter(|it| it.starts_with(&[20, 3])).collect();
    assert_eq!(answers.len(), 3);
    assert!(answers[0].ends_with(content.info.raw()));
    assert!(answers[1..].iter().all(|answer| answer.starts_with(b"\x14\x03d8:msg_typei2e")));
}
