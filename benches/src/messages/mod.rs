//! Messages to a loop from another thread, one file a peer.
//!
//! A message is a number. Its sender leaves it with what the loop gave it for that, and the loop, in a
//! thread of its own, takes it. Only so many may wait at one time: who sends more waits.

mod calloop;
mod mio;
mod reactor;
mod tokio;

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use clap::ValueEnum;

use crate::work::{Spent, Work};
use crate::{PATIENCE, Result, processor};

/// Messages that may wait for the loop.
const ROOM: usize = 65_536;

/// Who gets the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mailbox {
    /// mio's waker and the standard library's channel: the ruler.
    Mio,
    /// The reactor's handle: ours.
    Reactor,
    /// The reactor's sender of one type: ours as well.
    #[value(name = "reactor-sender")]
    Sender,
    /// mio's waker and crossbeam's channel.
    Crossbeam,
    /// tokio's channel and its current-thread runtime.
    Tokio,
    /// calloop's channel.
    Calloop,
}

crate::choice!(Mailbox);

/// Leaves a message for the loop, waiting while there is no room.
pub(crate) type Leave = Box<dyn FnMut(u64) -> Result + Send>;

/// A message that the sender wants an answer to has this bit.
const ANSWER: u64 = 1 << 63;

/// The message after which the loop ends.
const END: u64 = u64::MAX;

/// What the loop does with its messages: sees that they come in order, and answers where it is asked.
pub(crate) struct Reader {
    taken: u64,
    answers: SyncSender<u64>,
}

impl Reader {
    /// Takes a message; whether the loop goes on.
    fn take(&mut self, message: u64) -> bool {
        if message == END {
            return false;
        }
        // The sender compares: a message that was lost, or came twice, shows in every later answer.
        self.taken += u64::from(self.taken + 1 == message & !ANSWER);
        if message & ANSWER != 0 {
            // Nobody hears it only if the measurement has failed already.
            let _ = self.answers.try_send(self.taken);
        }
        true
    }
}

/// A loop in a thread of its own, and the one who sends to it, as work.
pub struct MessageWork {
    form: Form,
    leave: Leave,
    answers: Receiver<u64>,
    sent: u64,
    thread: Option<JoinHandle<Result>>,
}

/// How messages are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One after the other, with no regard for the loop.
    Stream,
    /// Each when the one before has been answered, by which time the loop sleeps: two wake-ups, one of
    /// the loop and one of the sender, who is the same for all.
    PingPong,
}

impl MessageWork {
    /// Starts the loop on a processor of its own.
    pub fn start(mailbox: Mailbox, form: Form) -> Result<Self> {
        let (answers, heard) = mpsc::sync_channel(1);
        let reader = Reader { taken: 0, answers };
        let (give, given) = mpsc::sync_channel(1);
        let thread =
            processor::start_apart(|| Ok(thread::spawn(move || run(mailbox, reader, &give))))?;
        let leave = given.recv_timeout(PATIENCE)?;
        Ok(Self { form, leave, answers: heard, sent: 0, thread: Some(thread) })
    }

    fn send(&mut self, wants_answer: bool) -> Result {
        self.sent += 1;
        (self.leave)(if wants_answer { self.sent | ANSWER } else { self.sent })?;
        if !wants_answer {
            return Ok(());
        }
        match self.answers.recv_timeout(PATIENCE)? {
            taken if taken == self.sent => Ok(()),
            taken => Err(format!("{} messages were sent, and {taken} came", self.sent).into()),
        }
    }
}

impl Work for MessageWork {
    fn run(&mut self, units: u64) -> Result<Spent> {
        let start = Instant::now();
        for number in 1..=units {
            self.send(self.form == Form::PingPong || number == units)?;
        }
        let wall = start.elapsed();
        Ok(Spent { units, wall, processor: wall })
    }
}

impl Drop for MessageWork {
    fn drop(&mut self) {
        // A loop that has failed has ended already.
        if (self.leave)(END).is_ok() {
            let _ = self.thread.take().map(JoinHandle::join);
        }
    }
}

/// The loop's thread: gives back how to leave messages, and takes them until the last.
fn run(mailbox: Mailbox, reader: Reader, give: &SyncSender<Leave>) -> Result {
    let give = |leave: Leave| -> Result { Ok(give.send(leave).map_err(|_| "nobody sends")?) };
    match mailbox {
        Mailbox::Mio => mio::run(reader, give),
        Mailbox::Reactor => reactor::run(reader, give),
        Mailbox::Sender => reactor::run_sender(reader, give),
        Mailbox::Crossbeam => mio::run_crossbeam(reader, give),
        Mailbox::Tokio => tokio::run(reader, give),
        Mailbox::Calloop => calloop::run(reader, give),
    }
}
