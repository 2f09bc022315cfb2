//! The machine of TFTP alone: two of them, and between them a channel that does what it is told, or what
//! a property test thinks of.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use protocols::transfer::tftp::{
    Bounds, Code, Event, Failure, Mode, Options, Packet, Pairs, Patience, Request, Terms, Transfer,
};

use crate::kit::noise as file;
use crate::tftp_stage::in_words;

const BOUNDS: Bounds = Bounds { block_size: 65_464, window: 64, window_bytes: 1 << 18 };

fn request(options: &Options) -> Vec<u8> {
    let mut pairs = Vec::new();
    options.encode(&mut pairs);
    let options = Pairs::new(&pairs);
    Packet::Read(Request { name: b"file", mode: Mode::Octet, options }).to_vec()
}

/// One side, with its file.
struct Side {
    transfer: Transfer,
    file: Vec<u8>,
    /// Bytes of the file that were handed over.
    read: usize,
    outcome: Option<Result<(), Failure>>,
    /// DATA packets that it has sent.
    blocks_sent: usize,
}

impl Side {
    fn new(transfer: Transfer, file: Vec<u8>) -> Self {
        Self { transfer, file, read: 0, outcome: None, blocks_sent: 0 }
    }

    /// A server that sends a file, as a client's request has it.
    fn sender(file: Vec<u8>, asked: &Options, now: Instant) -> Self {
        let (granted, terms) = asked.grant(&BOUNDS, Some(file.len() as u64));
        Self::new(Transfer::send(&terms, &granted, Patience::default(), now), file)
    }

    /// A server of a long file, whose client has just agreed to windows, and is right here.
    fn windowed_sender(window: u16, now: Instant) -> Self {
        let mut server = Self::sender(file(512 * 100), &windowed(window), now);
        server.says(now);
        server.hears(&ack(0), now);
        server
    }

    /// Lets its time come, which is to be so many milliseconds ahead.
    #[track_caller]
    fn next_timeout(&mut self, now: Instant, wait: u64) -> Instant {
        let due = self.transfer.poll_timeout().expect("it waits");
        assert_eq!(due - now, Duration::from_millis(wait));
        self.is_late(due);
        due
    }

    /// A client that fetches it.
    fn receiver(asked: &Options, now: Instant) -> Self {
        let ask = Transfer::ask_to_read(request(asked), *asked, Patience::default(), now);
        Self::new(ask, Vec::new())
    }

    /// Takes a packet.
    fn hears(&mut self, packet: &[u8], now: Instant) {
        let event = self.transfer.handle_packet(packet, now);
        let Some(is_last) = note(&mut self.file, &mut self.outcome, event) else { return };
        if is_last {
            self.transfer.handle_stored(now);
        }
    }

    fn is_late(&mut self, now: Instant) {
        let event = self.transfer.handle_timeout(now);
        note(&mut self.file, &mut self.outcome, event);
    }

    /// All that it has to say now.
    fn says(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        loop {
            while let Some(wanted) = self.transfer.wanted() {
                let end = self.file.len().min(self.read + wanted);
                self.transfer.handle_block(self.file[self.read..end].to_vec());
                self.read = end;
            }
            let mut packet = Vec::new();
            if !self.transfer.poll_packet(now, &mut packet) {
                return packets;
            }
            self.blocks_sent += usize::from(packet[1] == 3);
            packets.push(packet);
        }
    }

    /// All that it has to say now, in short: `DATA 1`, `ACK 0`.
    fn words(&mut self, now: Instant) -> Vec<String> {
        self.says(now).iter().map(|packet| in_words(packet)).collect()
    }
}

/// What an event does to a file; whether it was the last block, if it was one.
fn note(
    file: &mut Vec<u8>,
    outcome: &mut Option<Result<(), Failure>>,
    event: Event<'_>,
) -> Option<bool> {
    match event {
        Event::Block { bytes, is_last } => {
            file.extend_from_slice(bytes);
            if is_last {
                *outcome = Some(Ok(()));
            }
            Some(is_last)
        }
        Event::Over(result) => {
            outcome.get_or_insert(result);
            None
        }
        Event::Nothing | Event::Agreed(_) | Event::Acknowledged => None,
    }
}

fn ack(block: u16) -> Vec<u8> {
    Packet::Ack { block }.to_vec()
}

fn data(block: u16, bytes: &[u8]) -> Vec<u8> {
    Packet::Data { block, bytes }.to_vec()
}

fn windowed(window: u16) -> Options {
    Options { window: Some(window), ..Options::default() }
}

#[test]
fn lock_step_is_a_block_at_a_time() {
    let now = Instant::now();
    let mut server = Side::sender(file(1_100), &Options::default(), now);
    assert_eq!(server.words(now), ["DATA 1"]);
    server.hears(&ack(1), now);
    assert_eq!(server.words(now), ["DATA 2"]);
    server.hears(&ack(2), now);
    assert_eq!(server.says(now), [data(3, &server.file[1_024..])]);
    server.hears(&ack(3), now);
    assert_eq!(server.outcome, Some(Ok(())));
    assert_eq!(server.words(now), [""; 0]);
}

/// A whole number of blocks has an empty one behind it.
#[test]
fn a_file_that_ends_with_a_block_ends_with_an_empty_one_more() {
    let now = Instant::now();
    let mut server = Side::sender(file(512), &Options::default(), now);
    server.says(now);
    server.hears(&ack(1), now);
    assert_eq!(server.says(now), [data(2, b"")]);
    let mut server = Side::sender(Vec::new(), &Options::default(), now);
    assert_eq!(server.says(now), [data(1, b"")]);
}

/// The Sorcerer's Apprentice: every packet is doubled once, and from then on all of them would be.
#[test]
fn an_acknowledgement_that_comes_twice_has_nothing_sent_again() {
    let now = Instant::now();
    for asked in [Options::default(), windowed(4)] {
        let mut server = Side::sender(file(512 * 20), &asked, now);
        let window = asked.window.unwrap_or(1);
        server.says(now);
        server.hears(&ack(0), now);
        server.says(now);
        for round in 1..4 {
            let last = round * window;
            server.hears(&ack(last), now);
            assert_eq!(server.says(now).len(), usize::from(window));
            server.hears(&ack(last), now);
            server.hears(&ack(last - 1), now);
            server.hears(&ack(0), now);
            assert_eq!(server.words(now), [""; 0], "window {window}, round {round}");
        }
    }
}

/// Both of them, and every packet comes twice: no block leaves more than once.
#[test]
fn a_network_that_doubles_everything_gets_no_block_twice() {
    for window in [1, 4, 16] {
        let mut now = Instant::now();
        let asked = windowed(window);
        let bytes = file(512 * 100 + 7);
        let mut server = Side::sender(bytes.clone(), &asked, now);
        let mut client = Side::receiver(&asked, now);
        client.says(now);
        let (mut to_client, mut to_server) = (server.says(now), Vec::new());
        while client.outcome.is_none() {
            now += Duration::from_millis(5);
            for packet in to_client.drain(..) {
                client.hears(&packet, now);
                client.hears(&packet, now);
                to_server.extend(client.says(now));
            }
            now += Duration::from_millis(5);
            for packet in to_server.drain(..) {
                server.hears(&packet, now);
                server.hears(&packet, now);
                to_client.extend(server.says(now));
            }
        }
        assert_eq!(client.file, bytes);
        assert_eq!(server.blocks_sent, 101, "window {window}");
    }
}

#[test]
fn only_one_packet_leaves_before_the_peer_has_answered() {
    let now = Instant::now();
    let mut server = Side::sender(file(10_000), &Options::default(), now);
    assert_eq!(server.words(now), ["DATA 1"]);
    let mut server = Side::sender(file(10_000), &windowed(16), now);
    assert_eq!(server.words(now), ["OACK"]);
    server.hears(&ack(0), now);
    assert_eq!(server.says(now).len(), 16);
}

#[test]
fn a_stranger_who_does_not_answer_is_sent_five_packets_in_all() {
    let mut now = Instant::now();
    let mut server = Side::sender(file(10_000), &Options::default(), now);
    let mut sent = Vec::new();
    while server.outcome.is_none() {
        sent.extend(server.words(now));
        now = server.transfer.poll_timeout().expect("it waits");
        server.is_late(now);
    }
    sent.extend(server.words(now));
    assert_eq!(sent, ["DATA 1"; 5]);
    assert_eq!(server.outcome, Some(Err(Failure::NoAnswer)));
}

#[test]
fn a_gap_is_told_once_and_what_is_behind_it_comes_again() {
    let mut now = Instant::now();
    let asked = windowed(4);
    let mut server = Side::sender(file(512 * 9), &asked, now);
    let mut client = Side::receiver(&asked, now);
    client.says(now);
    let oack = server.says(now).remove(0);
    client.hears(&oack, now);
    assert_eq!(client.words(now), ["ACK 0"]);
    server.hears(&ack(0), now);
    let window = server.says(now);
    client.hears(&window[0], now);
    client.hears(&window[2], now);
    assert_eq!(client.words(now), ["ACK 1"]);
    client.hears(&window[3], now);
    assert_eq!(client.words(now), [""; 0]);
    now += Duration::from_millis(1);
    server.hears(&ack(1), now);
    assert_eq!(server.words(now), ["DATA 5"]);
    now = server.next_timeout(now, 3);
    assert_eq!(server.words(now), ["DATA 2", "DATA 3", "DATA 4", "DATA 5"]);
}

/// A block that came twice, and a client that counts its window anew from the second: EDK2, U-Boot. It
/// would wait for the seventh, and its server for an acknowledgement of the fourth.
#[test]
fn an_acknowledgement_in_the_middle_of_a_window_makes_room_for_a_whole_one() {
    let now = Instant::now();
    let mut server = Side::windowed_sender(4, now);
    assert_eq!(server.words(now), ["DATA 1", "DATA 2", "DATA 3", "DATA 4"]);
    server.hears(&ack(3), now);
    assert_eq!(server.words(now), ["DATA 5", "DATA 6", "DATA 7"]);
    server.hears(&ack(7), now);
    assert_eq!(server.words(now), ["DATA 8", "DATA 9", "DATA 10", "DATA 11"]);
}

/// EDK2 acknowledges every block that it did not expect: were each answered, each answer would bring more
/// of them.
#[test]
fn a_gap_that_is_told_again_and_again_is_filled_once() {
    let mut now = Instant::now();
    let mut server = Side::windowed_sender(8, now);
    server.says(now);
    for _ in 0..7 {
        server.hears(&ack(0), now);
        assert_eq!(server.words(now), [""; 0]);
    }
    now = server.next_timeout(now, 3);
    assert_eq!(server.says(now).len(), 8);
    for _ in 0..8 {
        server.hears(&ack(0), now);
        assert_eq!(server.words(now), [""; 0]);
    }
    // What comes next only asks.
    now = server.next_timeout(now, 20);
    assert_eq!(server.words(now), ["DATA 8"]);
    server.hears(&ack(8), now);
    assert_eq!(server.says(now).len(), 8);
}

/// The last block of a window is lost, and nobody says so: the client does not know that there was one.
#[test]
fn a_window_whose_end_is_lost_is_not_sent_again_from_the_beginning() {
    let mut now = Instant::now();
    let mut server = Side::windowed_sender(8, now);
    server.says(now);
    now = server.next_timeout(now, 20);
    assert_eq!(server.words(now), ["DATA 8"]);
}

/// U-Boot does not tell of the very first block. It waits for five seconds, and would have its server
/// wait as long.
#[test]
fn a_client_that_says_nothing_of_its_first_block_has_it_soon() {
    let mut now = Instant::now();
    let asked = Options { timeout: Some(5), ..windowed(8) };
    let mut server = Side::sender(file(512 * 100), &asked, now);
    server.says(now);
    server.hears(&ack(0), now);
    server.says(now);
    for (wait, blocks) in [(20, 1), (20, 8), (20, 1)] {
        now = server.next_timeout(now, wait);
        assert_eq!(server.says(now).len(), blocks);
    }
    // And then it is patient.
    now = server.next_timeout(now, 4_940);
    assert_eq!(server.words(now), ["DATA 8"]);
}

/// RFC 2349: a client that asks for a second is sent the packet again after one, and then after one more.
#[test]
fn a_timeout_that_was_agreed_on_is_not_doubled_at_once() {
    let mut now = Instant::now();
    let asked = Options { timeout: Some(1), ..Options::default() };
    let mut server = Side::sender(file(10_000), &asked, now);
    assert_eq!(server.words(now), ["OACK"]);
    for wait in [1_000, 1_000, 2_000] {
        now = server.next_timeout(now, wait);
        assert_eq!(server.words(now), ["OACK"]);
    }
    server.hears(&ack(0), now);
    assert_eq!(server.words(now), ["DATA 1"]);
    for wait in [1_000, 1_000, 2_000, 4_000, 4_000] {
        now = server.next_timeout(now, wait);
        assert_eq!(server.words(now), ["DATA 1"]);
    }
}

/// Whatever a server makes of acknowledgements that it has had: it gets none for what is here already.
#[test]
fn a_client_is_silent_on_blocks_it_has_and_asks_before_its_server_repeats_them() {
    let begin = Instant::now();
    let asked = Options { timeout: Some(2), ..windowed(4) };
    let mut server = Side::sender(file(10_000), &asked, begin);
    let mut client = Side::receiver(&asked, begin);
    client.says(begin);
    client.hears(&server.says(begin).remove(0), begin);
    assert_eq!(client.words(begin), ["ACK 0"]);
    let mut now = begin;
    for block in [1, 2, 1, 2, 1] {
        now += Duration::from_millis(50);
        client.hears(&data(block, &[0; 512]), now);
        assert_eq!(client.words(now), [""; 0], "DATA {block}");
    }
    // Two blocks are missing, and it is for the client to say so: after less than two seconds.
    let due = client.transfer.poll_timeout().expect("it waits");
    assert!(due < begin + Duration::from_millis(1_900), "{:?}", due - begin);
    client.is_late(due);
    assert_eq!(client.words(due), ["ACK 2"]);
    // From there it counts a window of four.
    for (block, words) in [(3, &[][..]), (4, &[]), (5, &[]), (6, &["ACK 6"])] {
        client.hears(&data(block, &[0; 512]), due);
        assert_eq!(client.words(due), words, "DATA {block}");
    }
}

#[test]
fn the_last_block_is_acknowledged_when_it_is_safe_and_again_if_it_comes_again() {
    let mut now = Instant::now();
    let mut client = Side::receiver(&Options::default(), now);
    client.says(now);
    let event = client.transfer.handle_packet(b"\0\x03\0\x01end", now);
    assert_eq!(event, Event::Block { bytes: b"end", is_last: true });
    assert_eq!(client.words(now), [""; 0]);
    assert_eq!(client.transfer.poll_timeout(), None);

    client.transfer.handle_stored(now);
    assert_eq!(client.words(now), ["ACK 1"]);
    now += Duration::from_millis(900);
    client.hears(b"\0\x03\0\x01end", now);
    assert_eq!(client.words(now), ["ACK 1"]);
    now = client.transfer.poll_timeout().expect("it dallies");
    assert_eq!(client.transfer.handle_timeout(now), Event::Over(Ok(())));
}

#[test]
fn an_error_is_never_answered() {
    let now = Instant::now();
    let mut server = Side::sender(file(10_000), &Options::default(), now);
    server.says(now);
    server.hears(b"\0\x05\0\x03no room\0", now);
    let refused = Failure::Refused { code: Code::DiskFull, message: "no room".to_owned() };
    assert_eq!(server.outcome, Some(Err(refused)));
    assert_eq!(server.words(now), [""; 0]);
    assert_eq!(server.transfer.poll_timeout(), None);
}

#[test]
fn options_that_were_not_asked_for_are_refused_with_error_8() {
    let now = Instant::now();
    let mut client = Side::receiver(&windowed(4), now);
    client.says(now);
    client.hears(b"\0\x06blksize\x001024\0", now);
    assert!(matches!(client.outcome, Some(Err(Failure::Options(_)))));
    assert_eq!(client.words(now), ["ERROR 8"]);
}

#[test]
fn a_server_that_knows_no_options_is_taken_as_it_is() {
    let now = Instant::now();
    let mut client = Side::receiver(&windowed(4), now);
    client.says(now);
    client.hears(&data(1, &[b'x'; 512]), now);
    assert_eq!(client.words(now), ["ACK 1"]);
    client.hears(&data(2, b"end"), now);
    assert_eq!(client.words(now), ["ACK 2"]);
    assert_eq!(client.file.len(), 515);
}

/// A server that is being started is not there yet: what the network says of it is believed when it has
/// said so for most of a second.
#[test]
fn a_server_that_is_nowhere_is_asked_a_few_times_at_once() {
    let begin = Instant::now();
    let mut now = begin;
    let mut client = Side::receiver(&windowed(4), now);
    let mut asked = client.words(now);
    while !client.transfer.handle_unreachable(now) {
        now = client.transfer.poll_timeout().expect("it asks again");
        client.is_late(now);
        asked.extend(client.words(now));
    }
    assert_eq!(asked, ["RRQ"; 5]);
    assert_eq!(now - begin, Duration::from_millis(800));
    // In the middle it means nothing.
    client.hears(&data(1, &[0; 512]), now);
    assert!((0..10).all(|_| !client.transfer.handle_unreachable(now)));
}

/// Some servers send packets of one length, and fill them up with NULs.
#[test]
fn an_oack_that_is_padded_is_one() {
    let now = Instant::now();
    for padding in [0, 1, 2, 100, 512] {
        let asked = Options { block_size: Some(1_428), size: Some(0), ..windowed(4) };
        let mut client = Side::receiver(&asked, now);
        client.says(now);
        let granted = b"\0\x06WindowSize\x004\0BLKSIZE\x001024\0tsize\x0099\0";
        let oack = [&granted[..], &vec![0; padding]].concat();
        let terms = Terms { block_size: 1_024, window: 4, timeout: None, size: Some(99) };
        assert_eq!(client.transfer.handle_packet(&oack, now), Event::Agreed(terms));
        assert_eq!(client.words(now), ["ACK 0"]);
    }
    // One that grants nothing, at that.
    let mut client = Side::receiver(&windowed(4), now);
    client.says(now);
    let event = client.transfer.handle_packet(b"\0\x06\0\0\0", now);
    assert_eq!(event, Event::Agreed(Terms::default()));
}

/// The same of acknowledgements: Ethernet fills up what is short, and some pass that on.
#[test]
fn an_acknowledgement_that_is_padded_is_one() {
    let now = Instant::now();
    let mut server = Side::sender(file(1_100), &Options::default(), now);
    server.says(now);
    server.hears(&[&ack(1), &[0; 42][..]].concat(), now);
    assert_eq!(server.words(now), ["DATA 2"]);
}

#[test]
fn blocks_longer_than_agreed_end_the_transfer() {
    let now = Instant::now();
    let mut client = Side::receiver(&Options::default(), now);
    client.says(now);
    client.hears(&data(1, &[b'x'; 513]), now);
    assert_eq!(client.outcome, Some(Err(Failure::Oversized(512))));
    assert_eq!(client.words(now), ["ERROR 4"]);
}

#[test]
fn an_oack_that_comes_again_is_acknowledged_again() {
    let now = Instant::now();
    let asked = windowed(4);
    let mut server = Side::sender(file(10_000), &asked, now);
    let oack = server.says(now).remove(0);
    let mut client = Side::receiver(&asked, now);
    client.says(now);
    client.hears(&oack, now);
    assert_eq!(client.words(now), ["ACK 0"]);
    client.hears(&oack, now);
    assert_eq!(client.words(now), ["ACK 0"]);
    client.hears(&data(1, &[0; 512]), now);
    client.hears(&oack, now);
    assert_eq!(client.words(now), [""; 0]);
}

/// 70,000 blocks: their numbers begin again at zero behind 65,535.
#[test]
fn block_numbers_roll_over() {
    for window in [1, 16] {
        let mut now = Instant::now();
        let asked = Options { block_size: Some(8), ..windowed(window) };
        let bytes = file(8 * 70_000 + 3);
        let mut server = Side::sender(bytes.clone(), &asked, now);
        let mut client = Side::receiver(&asked, now);
        client.says(now);
        let mut to_client = server.says(now);
        while client.outcome.is_none() {
            now += Duration::from_millis(1);
            to_client.iter().for_each(|packet| client.hears(packet, now));
            client.says(now).iter().for_each(|packet| server.hears(packet, now));
            to_client = server.says(now);
        }
        assert_eq!(server.outcome, Some(Ok(())));
        assert!(client.file == bytes);
        assert_eq!(server.blocks_sent, 70_001);
    }
}

/// A server that fails tells its client why, once.
#[test]
fn a_file_that_cannot_be_read_any_more_is_an_error_for_the_peer() {
    let now = Instant::now();
    let terms = Terms::default();
    let mut server = Transfer::send(&terms, &Options::default(), Patience::default(), now);
    let failure = Failure::from(std::io::Error::from(std::io::ErrorKind::PermissionDenied));
    assert_eq!(server.fail(failure.clone()), Event::Over(Err(failure)));
    let mut packet = Vec::new();
    assert!(server.poll_packet(now, &mut packet));
    assert_eq!(in_words(&packet), "ERROR 2");
    assert!(!server.poll_packet(now, &mut Vec::new()));
}

/// What a channel does to each packet, in turn.
#[derive(Clone, Copy, Debug)]
enum Luck {
    Arrives,
    IsLost,
    ComesTwice,
    /// Comes later than what is sent after it.
    ComesLate,
}

fn luck() -> impl Strategy<Value = Luck> {
    prop_oneof![
        6 => Just(Luck::Arrives),
        2 => Just(Luck::IsLost),
        1 => Just(Luck::ComesTwice),
        1 => Just(Luck::ComesLate),
    ]
}

/// A channel of one direction: what arrives when.
struct Channel<'a> {
    luck: std::iter::Cycle<std::slice::Iter<'a, Luck>>,
    flying: VecDeque<(Instant, Vec<u8>)>,
}

impl Channel<'_> {
    fn carry(&mut self, packet: Vec<u8>, now: Instant) {
        let fast = now + Duration::from_millis(10);
        let slow = now + Duration::from_millis(25);
        match self.luck.next() {
            Some(Luck::IsLost) => {}
            Some(Luck::ComesTwice) => {
                self.flying.push_back((fast, packet.clone()));
                self.flying.push_back((slow, packet));
            }
            Some(Luck::ComesLate) => self.flying.push_back((slow, packet)),
            Some(Luck::Arrives) | None => self.flying.push_back((fast, packet)),
        }
    }

    /// What has arrived by now, the first first.
    fn arrived(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let (mut arrived, flying): (Vec<_>, Vec<_>) =
            self.flying.drain(..).partition(|(when, _)| *when <= now);
        self.flying = flying.into();
        arrived.sort_by_key(|(when, _)| *when);
        arrived.into_iter().map(|(_, packet)| packet).collect()
    }

    fn next(&self) -> Option<Instant> {
        self.flying.iter().map(|(when, _)| *when).min()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever is lost, doubled and late: the file arrives whole, or not at all with a reason, and no
    /// wrong byte ever does.
    #[test]
    fn a_bad_channel_costs_time_but_no_byte(
        length in 0_usize..20_000,
        window in 1_u16..20,
        block_size in 8_u16..1_000,
        there in prop::collection::vec(luck(), 1..97),
        back in prop::collection::vec(luck(), 1..89),
    ) {
        let mut now = Instant::now();
        let bytes = file(length);
        let asked = Options { block_size: Some(block_size), ..windowed(window) };
        let mut server = Side::sender(bytes.clone(), &asked, now);
        let mut client = Side::receiver(&asked, now);
        client.says(now);
        let channel = |luck| Channel { luck, flying: VecDeque::new() };
        let (mut down, mut up) = (channel(there.iter().cycle()), channel(back.iter().cycle()));
        let mut steps = 0;
        while client.outcome.is_none() || server.outcome.is_none() {
            server.says(now).into_iter().for_each(|packet| down.carry(packet, now));
            client.says(now).into_iter().for_each(|packet| up.carry(packet, now));
            let timers = [server.transfer.poll_timeout(), client.transfer.poll_timeout()];
            let moments = timers.into_iter().chain([down.next(), up.next()]).flatten();
            let Some(next) = moments.min() else { break };
            now = now.max(next);
            down.arrived(now).iter().for_each(|packet| client.hears(packet, now));
            up.arrived(now).iter().for_each(|packet| server.hears(packet, now));
            server.is_late(now);
            client.is_late(now);
            steps += 1;
            prop_assert!(steps < 200_000, "it comes to an end");
        }
        prop_assert!(bytes.starts_with(&client.file));
        if client.outcome == Some(Ok(())) {
            prop_assert_eq!(&client.file, &bytes);
        }
        // Who sends may be left without the last acknowledgement; but who believes that all has arrived
        // is right.
        if server.outcome == Some(Ok(())) {
            prop_assert_eq!(&client.file, &bytes);
        }
    }

    /// Any packets at all, at any time, in any phase.
    #[test]
    fn nonsense_harms_nobody(
        packets in prop::collection::vec((0_u8..8, prop::collection::vec(any::<u8>(), 0..40)), 0..40),
        is_client: bool,
    ) {
        let mut now = Instant::now();
        let mut side = if is_client {
            Side::receiver(&windowed(4), now)
        } else {
            Side::sender(file(3_000), &windowed(4), now)
        };
        for (operation, bytes) in packets {
            side.says(now);
            side.hears(&[&[0, operation], &bytes[..]].concat(), now);
            now += Duration::from_millis(300);
            side.is_late(now);
        }
    }
}
