//! A transfer that is disturbed once: each of its packets is lost, doubled, or overtaken by the next, one
//! at a time, with clients that take it as boot firmware does. What a server then sends has a price.

use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use protocols::transfer::tftp::{Bounds, Event, Options, Packet, Patience, Transfer};

/// One way, so that windows of four take a file of 682 blocks 34 ms.
const LATENCY: Duration = Duration::from_micros(100);
/// Between two packets that leave at once.
const APART: Duration = Duration::from_micros(1);
const BLOCK: usize = 64;

/// What a client does with a block that it did not expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Is silent on what it has, and tells of a gap once: this project's, and RFC 7440's.
    Silent,
    /// Acknowledges each, and counts its window anew: EDK2.
    Recounting,
    /// Acknowledges the first behind each block, also one that it has, and counts anew. Of the first gap
    /// of all it does not tell: U-Boot 2023.01.
    UBoot,
}

/// What happens to one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disturbance {
    Lost,
    Doubled,
    Swapped,
}

/// Everything about one run but what disturbs it.
#[derive(Clone, Copy, Debug)]
struct Setting {
    manner: Manner,
    window: u16,
    blocks: usize,
    timeout: Option<u8>,
    /// After how long the client acknowledges again.
    patience: Duration,
}

/// A client that fetches a file.
struct Client {
    setting: Setting,
    /// The last block that it has.
    last: u64,
    /// The last that it acknowledged; its window counts from there.
    acknowledged: u64,
    /// The block behind which it has told of something unexpected.
    told: Option<u64>,
    due: Instant,
    is_done: bool,
    acks: Vec<u16>,
}

impl Client {
    fn new(setting: Setting, now: Instant) -> Self {
        let told = (setting.manner == Manner::UBoot).then_some(0);
        let due = now + setting.patience;
        Self { setting, last: 0, acknowledged: 0, told, due, is_done: false, acks: Vec::new() }
    }

    fn hears(&mut self, packet: &[u8], now: Instant) {
        match Packet::parse(packet).expect("it is a packet") {
            Packet::Granted(_) if self.last == 0 => self.acknowledge(now),
            Packet::Data { block, bytes } if block == (self.last + 1) as u16 => {
                self.accept(bytes.len() < BLOCK, now);
            }
            Packet::Data { block, .. } => self.is_surprised(block, now),
            _ => {}
        }
    }

    fn accept(&mut self, is_last: bool, now: Instant) {
        self.last += 1;
        self.due = now + self.setting.patience;
        self.is_done |= is_last;
        if is_last || self.last - self.acknowledged == u64::from(self.setting.window) {
            self.acknowledge(now);
        }
    }

    fn is_surprised(&mut self, block: u16, now: Instant) {
        let is_old =
            block.wrapping_sub(self.last as u16) > i16::MAX as u16 || block == self.last as u16;
        let answers = match self.setting.manner {
            Manner::Recounting => true,
            Manner::Silent => !is_old && self.told != Some(self.last),
            Manner::UBoot => self.told != Some(self.last),
        };
        if answers {
            self.told = Some(self.last);
            self.acknowledge(now);
        }
    }

    fn is_late(&mut self, now: Instant) {
        if !self.is_done && now >= self.due {
            self.acknowledge(now);
        }
    }

    fn acknowledge(&mut self, now: Instant) {
        self.acknowledged = self.last;
        self.due = now + self.setting.patience;
        self.acks.push(self.last as u16);
    }
}

/// A packet on its way: the first to arrive is the greatest.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Flying {
    arrives: std::cmp::Reverse<(Instant, usize)>,
    is_to_client: bool,
    packet: Vec<u8>,
}

/// What a run has cost.
#[derive(Debug)]
struct Cost {
    data: usize,
    took: Duration,
    /// What was disturbed.
    victim: String,
    /// Packets of both sides.
    packets: usize,
}

impl Cost {
    /// A fiftieth of the file.
    #[track_caller]
    fn is_cheap(&self, setting: Setting) {
        assert!(self.data <= setting.blocks * 102 / 100, "{setting:?}: {self:?}");
    }

    /// Less than a tenth of a second more than the round trips it takes anyhow.
    #[track_caller]
    fn is_quick(&self, setting: Setting) {
        let rounds = setting.blocks.div_ceil(setting.window.into()) + 2;
        let least = 2 * (LATENCY + APART) * rounds as u32 + APART * self.packets as u32;
        assert!(self.took < least + Duration::from_millis(65), "{setting:?}: {self:?}");
    }
}

/// One run. The packet of that number, of all that are sent, is disturbed; `None` if there is none.
fn run(setting: Setting, disturbance: Option<(usize, Disturbance)>) -> Option<Cost> {
    run_slowly(setting, disturbance, Duration::ZERO)
}

/// The same with a client that takes its time over each window.
fn run_slowly(
    setting: Setting,
    disturbance: Option<(usize, Disturbance)>,
    pause: Duration,
) -> Option<Cost> {
    let begin = Instant::now();
    let mut now = begin;
    let asked = Options {
        block_size: Some(BLOCK as u16),
        window: (setting.window > 1).then_some(setting.window),
        timeout: setting.timeout,
        size: None,
    };
    let bounds = Bounds { block_size: 1_428, window: 1_000, window_bytes: 1 << 20 };
    let (granted, terms) = asked.grant(&bounds, None);
    let mut server = Transfer::send(&terms, &granted, Patience::default(), now);
    let mut client = Client::new(setting, now);
    let (mut read, mut data, mut count, mut last_sent) = (0, 0, 0, now);
    let mut flying = BinaryHeap::new();
    let mut victim = None;
    let mut is_over = false;
    while !(client.is_done && is_over) {
        let mut leaving = Vec::new();
        loop {
            while let Some(wanted) = server.wanted() {
                read += 1;
                let length = if read == setting.blocks { wanted / 2 } else { wanted };
                server.handle_block(vec![read as u8; length]);
            }
            let mut packet = Vec::new();
            if !server.poll_packet(now, &mut packet) {
                break;
            }
            data += usize::from(packet[1] == 3);
            leaving.push((true, packet));
        }
        let acks = client.acks.drain(..);
        leaving.extend(acks.map(|block| (false, Packet::Ack { block }.to_vec())));
        for (is_to_client, packet) in leaving {
            last_sent = now.max(last_sent + APART);
            let thought = if !is_to_client && count > 2 { pause } else { Duration::ZERO };
            let arrives = last_sent + LATENCY + thought;
            let fate = disturbance.filter(|(number, _)| *number == count).map(|(_, what)| what);
            if fate.is_some() {
                victim = Some(format!("{:?}", Packet::parse(&packet).expect("it is one")));
                victim.as_mut().expect("it is there").truncate(40);
            }
            count += 1;
            let fly = |arrives, packet| Flying {
                arrives: std::cmp::Reverse((arrives, count)),
                is_to_client,
                packet,
            };
            match fate {
                Some(Disturbance::Lost) => {}
                Some(Disturbance::Doubled) => {
                    flying.push(fly(arrives, packet.clone()));
                    flying.push(fly(arrives, packet));
                }
                Some(Disturbance::Swapped) => flying.push(fly(arrives + APART * 3 / 2, packet)),
                None => flying.push(fly(arrives, packet)),
            }
        }
        let client_due = (!client.is_done).then_some(client.due);
        let moments = [server.poll_timeout(), client_due, flying.peek().map(|it| it.arrives.0.0)];
        let Some(next) = moments.into_iter().flatten().min() else { break };
        now = now.max(next);
        assert!(now - begin < Duration::from_secs(120), "{setting:?} {disturbance:?} goes on");
        assert!(data < setting.blocks * 10, "{setting:?} {disturbance:?}: {data} DATA");
        if flying.peek().is_some_and(|it| it.arrives.0.0 <= now) {
            let Flying { is_to_client, packet, .. } = flying.pop().expect("it is there");
            if is_to_client {
                client.hears(&packet, now);
            } else if let Event::Over(_) = server.handle_packet(&packet, now) {
                is_over = true;
            }
            continue;
        }
        client.is_late(now);
        if let Event::Over(_) = server.handle_timeout(now) {
            is_over = true;
        }
        // A client that has everything is gone, and the last acknowledgement may be lost.
        is_over |= client.is_done && flying.is_empty();
    }
    if disturbance.is_some() && victim.is_none() {
        return None;
    }
    let victim = victim.unwrap_or_default();
    Some(Cost { data, took: now - begin, victim, packets: count })
}

/// Disturbs each packet of a run's beginning and end, and some between, one at a time.
fn disturb_each(setting: Setting, what: Disturbance, check: impl Fn(&Cost)) {
    let edge = 2 * usize::from(setting.window).clamp(8, 16) + 4;
    let count = run(setting, None).expect("it ends").packets;
    let is_chosen =
        |number: &usize| *number < edge || *number + edge > count || number.is_multiple_of(37);
    for number in (0..count).filter(is_chosen) {
        check(&run(setting, Some((number, what))).expect("it ends"));
    }
}

fn settings(manner: Manner) -> impl Iterator<Item = Setting> {
    let windows = [(1, 682), (4, 682), (8, 682), (16, 1_000)];
    windows.into_iter().map(move |(window, blocks)| {
        // U-Boot asks for five seconds, and so does its server wait as long for what it does not expect.
        let timeout = (manner == Manner::UBoot).then_some(5);
        let patience = Duration::from_secs(timeout.unwrap_or(1).into());
        Setting { manner, window, blocks, timeout, patience }
    })
}

const MANNERS: [Manner; 3] = [Manner::Silent, Manner::Recounting, Manner::UBoot];

#[test]
fn a_packet_that_comes_twice_has_no_block_sent_twice() {
    for setting in MANNERS.into_iter().flat_map(settings) {
        disturb_each(setting, Disturbance::Doubled, |cost| {
            assert_eq!(cost.data, setting.blocks, "{setting:?}: {}", cost.victim);
            cost.is_quick(setting);
        });
    }
}

#[test]
fn a_packet_that_is_overtaken_costs_a_window() {
    for setting in MANNERS.into_iter().flat_map(settings) {
        disturb_each(setting, Disturbance::Swapped, |cost| {
            cost.is_cheap(setting);
            cost.is_quick(setting);
        });
    }
}

#[test]
fn a_packet_that_is_lost_costs_a_window() {
    for setting in MANNERS.into_iter().flat_map(settings) {
        disturb_each(setting, Disturbance::Lost, |cost| {
            cost.is_cheap(setting);
            // Nothing but time tells of a loss if nothing was to follow: at the beginning, and block by
            // block; nor of an acknowledgement to a client that does not say what it has.
            let is_data = cost.victim.starts_with("Data");
            if is_data && setting.window > 1 {
                cost.is_quick(setting);
            }
        });
    }
}

/// Whoever has such windows set up has a client that throws away all of one behind a gap; no more than
/// that is sent again.
#[test]
fn windows_of_hundreds_of_blocks_cost_one_window_at_most() {
    for manner in MANNERS {
        let patience = Duration::from_secs(1);
        let setting = Setting { manner, window: 682, blocks: 1_400, timeout: None, patience };
        for number in [0, 1, 2, 3, 300, 682, 683, 684, 700, 1_366, 1_367, 1_390, 1_403] {
            let cost = |what| run(setting, Some((number, what))).expect("it ends");
            assert_eq!(cost(Disturbance::Doubled).data, 1_400, "{manner:?}, {number}");
            for what in [Disturbance::Lost, Disturbance::Swapped] {
                let cost = cost(what);
                assert!(cost.data <= 1_400 + 682 + 8, "{manner:?}, {what:?} {number}: {cost:?}");
            }
        }
    }
}

/// Otherwise whatever is sent in vain would bring more that is sent in vain, to the end.
#[test]
fn a_peer_that_takes_longer_than_it_seemed_to_is_not_sent_everything_twice() {
    for pause in [5, 30, 150].map(Duration::from_millis) {
        let manner = Manner::Recounting;
        let patience = Duration::from_secs(1);
        let setting = Setting { manner, window: 8, blocks: 682, timeout: None, patience };
        let cost = run_slowly(setting, None, pause).expect("it ends");
        assert!(cost.data <= 682 + 8 * 8, "{pause:?}: {cost:?}");
    }
}

/// A window of hundreds of blocks takes a client longer than one of eight, though none of it is lost.
#[test]
fn a_client_that_needs_its_time_for_a_long_window_is_sent_it_once() {
    for (manner, pause) in MANNERS.into_iter().flat_map(|it| [30, 60].map(|pause| (it, pause))) {
        let (pause, patience) = (Duration::from_millis(pause), Duration::from_secs(1));
        let setting = Setting { manner, window: 682, blocks: 1_400, timeout: None, patience };
        for disturbance in [None, Some((100, Disturbance::Doubled))] {
            let cost = run_slowly(setting, disturbance, pause).expect("it ends");
            assert!(
                cost.data <= 1_400 * 102 / 100,
                "{manner:?} {pause:?} {disturbance:?}: {cost:?}"
            );
        }
    }
}
