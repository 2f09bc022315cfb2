//! One transfer, as either side sees it: packets and time in, packets and timers out.
//!
//! A file is read: the client asks at the well-known port, the server answers from one of its own, and
//! from then on whoever receives acknowledges, a block at a time, or a window (RFC 7440).
//!
//! ```text
//!     client                                   server              the same, where options were asked
//!   port 40123                              port 69                 for, with a windowsize of 4
//!       │  RRQ boot.img octet                  │                      │  RRQ … windowsize 4     │
//!       │ ───────────────────────────────────▶ │                      │ ──────────────────────▶ │
//!       │                                  port 50321                 │  OACK windowsize 4      │
//!       │  DATA 1, 512 bytes                   │                      │ ◀────────────────────── │
//!       │ ◀─────────────────────────────────── │                      │  ACK 0                  │
//!       │  ACK 1                               │                      │ ──────────────────────▶ │
//!       │ ───────────────────────────────────▶ │                      │  DATA 1, 2, 3, 4        │
//!       │  DATA 2, 512 bytes        ✗──────────│ lost                 │ ◀◀◀◀─────────────────── │
//!       │                                      │                      │  ACK 4                  │
//!       │  ACK 1: the client's time is up      │                      │ ──────────────────────▶ │
//!       │ ───────────────────────────────────▶ │ had that: nothing    │  DATA 5, 6 ✗, 7, 8      │
//!       │                                      │                      │ ◀◀─◀─────────────────── │
//!       │  DATA 2: the server's time is up     │                      │  ACK 5: there is a gap  │
//!       │ ◀─────────────────────────────────── │                      │ ──────────────────────▶ │
//!       │  ACK 2                               │                      │  DATA 9: there is room  │
//!       │ ───────────────────────────────────▶ │                      │ ◀────────────────────── │
//!       │  DATA 3, 17 bytes: the end           │                      │  3 ms later: DATA 6 … 9 │
//!       │ ◀─────────────────────────────────── │                      │ ◀◀◀◀─────────────────── │
//!       │  ACK 3                               │                      ┊                         ┊
//!       │ ───────────────────────────────────▶ ■ done
//!       ┊ dallies: if DATA 3 comes again,      
//!       ┊ ACK 3 was lost                       
//!       ■ done
//! ```
//!
//! To write a file is the same with the sides changed: WRQ is answered with ACK 0, or with an OACK, and
//! that with DATA 1.
//!
//! | file | what it is |
//! |---|---|
//! | `sending`, `receiving` | blocks on their way out, blocks that come in |
//! | `window_resend` | a window that is not acknowledged: when it is sent again |
//! | `retransmission` | when any other packet is sent again, and when it is given up |

mod receiving;
mod retransmission;
mod sending;
mod window_resend;

use std::time::{Duration, Instant};

use super::failure::Failure;
use super::wire::options::{Options, Terms};
use super::wire::packet::{Code, Packet, Pairs};
use receiving::{Arrival, Receiving};
use retransmission::Retransmission;
use sending::{Acknowledged, Sending};
use window_resend::WindowResend;

pub use retransmission::Patience;

/// Of so many tries in a row to have a window acknowledged, the last sends all of it again. The others
/// ask with its last block, which nearly always is enough.
const GO_BACK: u32 = 4;

/// How often a server that is asked has to be nowhere before that is believed.
const UNREACHABLE: u32 = 5;
/// How long after one time it is asked again: that makes 0.8 s in all, which is at once for a person.
const UNREACHABLE_AGAIN: Duration = Duration::from_millis(200);

/// One side of one transfer. It knows nothing of sockets and files.
///
/// ```text
///   client:  Asking ────┐ OACK, DATA 1, ACK 0
///                       ├──▶ Moving ──▶ last block acknowledged ─────────────────────▶ Over
///   server:  Greeting ──┘ ACK 0, DATA 1   └─▶ last block received: Storing ─▶ Dallying ─┘
///
///   any of them ──ERROR, silence, this side's own failure──▶ Over
/// ```
///
/// How it is driven: [`handle_packet`](Self::handle_packet) with what arrives,
/// [`handle_timeout`](Self::handle_timeout) when [`poll_timeout`](Self::poll_timeout) has come, and after
/// each of them blocks are handed over while some are [`wanted`](Self::wanted), and packets sent until
/// [`poll_packet`](Self::poll_packet) has none.
#[derive(Debug)]
pub struct Transfer {
    flow: Flow,
    phase: Phase,
    /// The packet to be sent before any block.
    urgent: Option<Vec<u8>>,
    clock: Retransmission,
    /// Of a sender: what it does before its clock comes due.
    window_resend: WindowResend,
}

#[derive(Debug)]
enum Flow {
    Sending(Sending),
    Receiving(Receiving),
}

#[derive(Debug)]
enum Phase {
    /// A client's: the request is out.
    Asking {
        request: Vec<u8>,
        asked: Options,
        /// How often in a row the network has said that nobody is there.
        unreachable: u32,
    },
    /// A server's: the peer has yet to prove that it is where it says. The OACK is out, or if nothing
    /// was asked for, the first block or ACK 0.
    Greeting {
        oack: Option<Vec<u8>>,
    },
    Moving,
    /// The last block is here, and not acknowledged before it is safe.
    Storing,
    /// It is acknowledged. Should it come again, the acknowledgement was lost.
    Dallying {
        until: Instant,
    },
    Over,
}

/// What a packet, or the time, has brought.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Event<'a> {
    /// Nothing that a program would have to know.
    Nothing,
    /// A client's: this is how the server will have it.
    Agreed(Terms),
    /// The next bytes of the file. A client may learn with the first of them that it has to do without
    /// options.
    Block {
        /// The bytes.
        bytes: &'a [u8],
        /// Whether they are the last. Then the file is to be made safe, and
        /// [`handle_stored`](Transfer::handle_stored) called.
        is_last: bool,
    },
    /// So many blocks more have arrived at the peer, or some.
    Acknowledged,
    /// It is over: all has been received and acknowledged, or nothing more will be.
    Over(Result<(), Failure>),
}

impl Transfer {
    /// A client's, which reads a file (`RRQ`) from a server: `request` is the packet that asks for it,
    /// with the options that are `asked` for.
    #[must_use]
    pub fn ask_to_read(request: Vec<u8>, asked: Options, patience: Patience, now: Instant) -> Self {
        let flow = Flow::Receiving(Receiving::new(&Terms::default(), now));
        Self::ask(flow, request, asked, patience, now)
    }

    /// A client's, which writes a file (`WRQ`) to a server.
    #[must_use]
    pub fn ask_to_write(
        request: Vec<u8>,
        asked: Options,
        patience: Patience,
        now: Instant,
    ) -> Self {
        let flow = Flow::Sending(Sending::new(&Terms::default()));
        Self::ask(flow, request, asked, patience, now)
    }

    fn ask(flow: Flow, request: Vec<u8>, asked: Options, patience: Patience, now: Instant) -> Self {
        let urgent = Some(request.clone());
        Self::new(flow, Phase::Asking { request, asked, unreachable: 0 }, urgent, patience, now)
    }

    /// A server's, which sends a file on these terms, of which these were `granted`.
    #[must_use]
    pub fn send(terms: &Terms, granted: &Options, patience: Patience, now: Instant) -> Self {
        Self::greet(Flow::Sending(Sending::new(terms)), terms, granted, patience, now)
    }

    /// A server's, which receives a file on these terms, of which these were `granted`.
    #[must_use]
    pub fn receive(terms: &Terms, granted: &Options, patience: Patience, now: Instant) -> Self {
        Self::greet(Flow::Receiving(Receiving::new(terms, now)), terms, granted, patience, now)
    }

    fn greet(
        mut flow: Flow,
        terms: &Terms,
        granted: &Options,
        patience: Patience,
        now: Instant,
    ) -> Self {
        let oack = (!granted.is_empty()).then(|| oack(granted));
        let urgent = match (&oack, &mut flow) {
            (Some(oack), _) => Some(oack.clone()),
            (None, Flow::Receiving(receiving)) => Some(ack(receiving.acknowledge(now))),
            (None, Flow::Sending(_)) => None,
        };
        let mut transfer = Self::new(flow, Phase::Greeting { oack }, urgent, patience, now);
        transfer.clock.agree(terms.timeout);
        transfer.clock.arm(now);
        transfer
    }

    fn new(
        flow: Flow,
        phase: Phase,
        urgent: Option<Vec<u8>>,
        patience: Patience,
        now: Instant,
    ) -> Self {
        let clock = Retransmission::new(patience, now);
        Self { flow, phase, urgent, clock, window_resend: WindowResend::new(now) }
    }

    /// The peer has sent a packet. What is none, or makes no sense now, is as if it had been lost.
    pub fn handle_packet<'a>(&mut self, datagram: &'a [u8], now: Instant) -> Event<'a> {
        let Ok(packet) = Packet::parse(datagram) else {
            return Event::Nothing;
        };
        match packet {
            Packet::Error { code, message } => self.handle_error(code, message),
            Packet::Granted(granted) => self.handle_granted(granted, now),
            Packet::Data { block, bytes } => self.handle_data(block, bytes, now),
            Packet::Ack { block } => self.handle_ack(block, now),
            Packet::Read(_) | Packet::Write(_) => Event::Nothing,
        }
    }

    fn handle_error(&mut self, code: Code, message: &[u8]) -> Event<'static> {
        match self.phase {
            // All of the file is here: whatever the peer could not do, this side has.
            Phase::Storing | Phase::Dallying { .. } | Phase::Over => Event::Nothing,
            _ => self.end(Err(Failure::refused(code, message))),
        }
    }

    fn handle_granted(&mut self, granted: Pairs<'_>, now: Instant) -> Event<'static> {
        let Phase::Asking { asked, .. } = &self.phase else {
            return self.handle_granted_again();
        };
        match asked.accept(granted) {
            Ok(terms) => {
                self.clock.agree(terms.timeout);
                self.begin(&terms, now);
                self.acknowledge(now);
                Event::Agreed(terms)
            }
            Err(unacceptable) => self.fail(Failure::Options(unacceptable)),
        }
    }

    /// The server has not heard that the client has heard it.
    fn handle_granted_again(&mut self) -> Event<'static> {
        if let (Phase::Moving, Flow::Receiving(receiving)) = (&self.phase, &self.flow)
            && receiving.is_at_the_beginning()
        {
            self.urgent = Some(ack(0));
        }
        Event::Nothing
    }

    fn handle_ack(&mut self, block: u16, now: Instant) -> Event<'static> {
        if !matches!(self.flow, Flow::Sending(_)) {
            return Event::Nothing;
        }
        match &self.phase {
            Phase::Asking { .. } | Phase::Greeting { oack: Some(_) } if block == 0 => {
                self.begin_sending(now)
            }
            Phase::Greeting { oack: None } | Phase::Moving => self.handle_progress(block, now),
            _ => Event::Nothing,
        }
    }

    /// The peer has agreed to be sent the file: a server without a word about options, or a client to
    /// those it was granted.
    fn begin_sending(&mut self, now: Instant) -> Event<'static> {
        let is_client = matches!(self.phase, Phase::Asking { .. });
        self.note_round_trip(self.clock.first_answer(now));
        self.phase = Phase::Moving;
        self.clock.handle_progress(now);
        if is_client { Event::Agreed(Terms::default()) } else { Event::Nothing }
    }

    fn handle_progress(&mut self, block: u16, now: Instant) -> Event<'static> {
        let Flow::Sending(sending) = &mut self.flow else {
            return Event::Nothing;
        };
        match sending.handle_ack(block, now) {
            Acknowledged::Nothing => return Event::Nothing,
            Acknowledged::Again => {
                self.window_resend.handle_hint();
                return Event::Nothing;
            }
            Acknowledged::All => return self.end(Ok(())),
            Acknowledged::More(round_trip) => {
                self.window_resend.handle_progress(!sending.has_unacknowledged(), now);
                self.note_round_trip(round_trip);
            }
        }
        self.phase = Phase::Moving;
        self.clock.handle_progress(now);
        Event::Acknowledged
    }

    fn handle_data<'a>(&mut self, block: u16, bytes: &'a [u8], now: Instant) -> Event<'a> {
        match (&self.phase, &self.flow) {
            (Phase::Dallying { .. }, _) => self.handle_last_again(block, now),
            (Phase::Asking { .. }, Flow::Receiving(_)) if block == 1 => {
                self.begin(&Terms::default(), now);
                self.receive_block(block, bytes, now)
            }
            (Phase::Greeting { .. } | Phase::Moving, Flow::Receiving(_)) => {
                self.begin_moving();
                self.receive_block(block, bytes, now)
            }
            _ => Event::Nothing,
        }
    }

    fn receive_block<'a>(&mut self, block: u16, bytes: &'a [u8], now: Instant) -> Event<'a> {
        let patience = self.clock.round_trip().unwrap_or_default();
        let Flow::Receiving(receiving) = &mut self.flow else {
            return Event::Nothing;
        };
        let block_size = receiving.block_size();
        if bytes.len() > block_size {
            return self.fail(Failure::Oversized(block_size as u16));
        }
        match receiving.handle_block(block, now, patience) {
            Arrival::Nothing => return Event::Nothing,
            Arrival::Acknowledge => {
                self.acknowledge(now);
                return Event::Nothing;
            }
            Arrival::Next(round_trip) => self.note_round_trip(round_trip),
        }
        self.clock.handle_progress(now);
        let is_last = bytes.len() < block_size;
        if is_last {
            self.clock.rest();
            self.phase = Phase::Storing;
        } else {
            self.acknowledge_full_window(now);
        }
        Event::Block { bytes, is_last }
    }

    fn handle_last_again(&mut self, block: u16, now: Instant) -> Event<'static> {
        if let Flow::Receiving(receiving) = &mut self.flow
            && receiving.handle_block(block, now, self.clock.round_trip().unwrap_or_default())
                == Arrival::Acknowledge
        {
            self.acknowledge(now);
            self.dally(now);
        }
        Event::Nothing
    }

    /// The file that was received is safe: its sender may know.
    pub fn handle_stored(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Storing) {
            self.acknowledge(now);
            self.dally(now);
        }
    }

    /// Waits for a sender that has not heard the last acknowledgement: long enough to hear three more
    /// tries of it, however far apart they are by then.
    fn dally(&mut self, now: Instant) {
        self.phase = Phase::Dallying { until: now + self.clock.longest_interval() * 3 };
    }

    /// A client's: the network says that nobody is where it has asked. Whether that is so: a server that is
    /// just being started is there in a moment, so it is asked again soon, a few times.
    ///
    /// In the middle of a transfer it says little. A peer that is gone is found out in time, and one that
    /// is not may have enemies who have such an error sent.
    pub fn handle_unreachable(&mut self, now: Instant) -> bool {
        let Phase::Asking { unreachable, .. } = &mut self.phase else {
            return false;
        };
        *unreachable += 1;
        self.clock.hurry(UNREACHABLE_AGAIN, now);
        *unreachable >= UNREACHABLE
    }

    /// This side cannot go on; the peer is told why, if it is for this side to tell.
    pub fn fail(&mut self, failure: Failure) -> Event<'static> {
        if matches!(self.phase, Phase::Dallying { .. } | Phase::Over) {
            return Event::Nothing;
        }
        self.urgent = failure.report().map(|(code, message)| error(code, &message));
        self.end(Err(failure))
    }

    /// The time that [`poll_timeout`](Self::poll_timeout) named has come.
    pub fn handle_timeout(&mut self, now: Instant) -> Event<'static> {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return Event::Nothing;
        }
        if let Phase::Dallying { .. } = self.phase {
            return self.end(Ok(()));
        }
        if self.clock.due().is_none_or(|due| now < due) {
            self.resend_window();
            return Event::Nothing;
        }
        let is_greeting = matches!(self.phase, Phase::Greeting { .. });
        match self.clock.handle_timeout(now, is_greeting) {
            Err(_) if self.was_answered() => return self.fail(Failure::Silent),
            // Whoever never answered is not told anything either.
            Err(_) => return self.end(Err(Failure::NoAnswer)),
            Ok(()) => self.send_again(now),
        }
        Event::Nothing
    }

    fn send_again(&mut self, now: Instant) {
        match (&self.phase, &mut self.flow) {
            (Phase::Asking { request: packet, .. }, _)
            | (Phase::Greeting { oack: Some(packet) }, _) => self.urgent = Some(packet.clone()),
            (_, Flow::Sending(sending)) if self.clock.tries().is_multiple_of(GO_BACK) => {
                sending.go_back();
            }
            (_, Flow::Sending(sending)) => {
                sending.send_last_again();
                self.window_resend.handle_asked();
            }
            (_, Flow::Receiving(receiving)) => self.urgent = Some(ack(receiving.acknowledge(now))),
        }
    }

    /// How many bytes the next block has, all but the last, if one is wanted.
    #[must_use]
    pub fn wanted(&self) -> Option<usize> {
        match (&self.phase, &self.flow) {
            (Phase::Greeting { oack: None } | Phase::Moving, Flow::Sending(sending)) => {
                sending.wanted()
            }
            _ => None,
        }
    }

    /// The next block of the file. One that is shorter than what is [`wanted`](Self::wanted) is the
    /// last; a file whose end is that of a block has an empty one behind it.
    pub fn handle_block(&mut self, bytes: Vec<u8>) {
        if let Flow::Sending(sending) = &mut self.flow {
            sending.handle_block(bytes);
        }
    }

    /// Writes the next packet to be sent into an empty buffer; `false` if there is none for now.
    pub fn poll_packet(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        if let Some(urgent) = self.urgent.take() {
            *out = urgent;
            return true;
        }
        if !matches!(self.phase, Phase::Greeting { oack: None } | Phase::Moving) {
            return false;
        }
        let Flow::Sending(sending) = &mut self.flow else {
            return false;
        };
        let was_waiting = sending.has_unacknowledged();
        let Some(packet) = sending.poll_block(now) else {
            return false;
        };
        packet.encode(out);
        self.window_resend.handle_sent(now);
        if !was_waiting {
            self.clock.arm(now);
        }
        true
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called; never, if nothing is waited for.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Over => None,
            Phase::Dallying { until } => Some(until),
            _ => [self.clock.due(), self.window_due()].into_iter().flatten().min(),
        }
    }

    /// Whether the peer has answered, so that it is where it says.
    #[must_use]
    pub fn was_answered(&self) -> bool {
        !matches!(self.phase, Phase::Asking { .. } | Phase::Greeting { .. })
    }

    /// Whether all of the file has been received, and it is for this side to make it safe.
    #[must_use]
    pub fn is_storing(&self) -> bool {
        matches!(self.phase, Phase::Storing)
    }

    /// Whether it is over, one way or the other.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    fn begin(&mut self, terms: &Terms, now: Instant) {
        match &mut self.flow {
            Flow::Sending(sending) => sending.agree(terms),
            Flow::Receiving(receiving) => receiving.agree(terms),
        }
        self.begin_moving();
        self.clock.handle_progress(now);
    }

    fn begin_moving(&mut self) {
        self.phase = Phase::Moving;
        // Block by block, a sender knows what is missing as well as its receiver.
        if matches!(&self.flow, Flow::Receiving(receiving) if receiving.has_windows()) {
            self.clock.ask_first();
        }
    }

    /// Acknowledges what has been received, if it is this side that receives.
    fn acknowledge(&mut self, now: Instant) {
        if let Flow::Receiving(receiving) = &mut self.flow {
            self.urgent = Some(ack(receiving.acknowledge(now)));
        }
    }

    fn acknowledge_full_window(&mut self, now: Instant) {
        if let Flow::Receiving(receiving) = &self.flow
            && receiving.is_window_full()
        {
            self.acknowledge(now);
        }
    }

    fn note_round_trip(&mut self, sample: Option<Duration>) {
        if let Some(sample) = sample {
            self.clock.handle_round_trip(sample);
            self.window_resend.handle_round_trip();
        }
    }

    fn end(&mut self, result: Result<(), Failure>) -> Event<'static> {
        self.phase = Phase::Over;
        self.clock.rest();
        Event::Over(result)
    }
}

fn ack(block: u16) -> Vec<u8> {
    Packet::Ack { block }.to_vec()
}

fn oack(granted: &Options) -> Vec<u8> {
    let mut pairs = Vec::new();
    granted.encode(&mut pairs);
    Packet::Granted(Pairs::new(&pairs)).to_vec()
}

/// An ERROR packet.
pub(super) fn error(code: Code, message: &str) -> Vec<u8> {
    Packet::Error { code, message: message.as_bytes() }.to_vec()
}
