//! The loop on a thread of its own, and a main thread that computes.
//!
//! ```console
//! $ cargo run --bin embed-thread          # in one terminal
//! listening on 127.0.0.1:7061
//! $ nc 127.0.0.1 7061                     # in another; type numbers
//! 600851475143
//! 600851475143 = 71 * 839 * 1471 * 6857
//! ```
//!
//! The network thread cuts what arrives into lines and hands the numbers to the main thread, which
//! takes them apart for as long as that takes. Meanwhile the network thread serves everybody else.
//!
//! What to look at: the reactor is made on the thread that runs it, because it never leaves that
//! thread. What leaves is a `Handle`. With it the main thread sends answers by connection id, asks a
//! question by running a closure on the loop, and shuts the loop down.

use std::error::Error;
use std::process::ExitCode;
use std::sync::mpsc::{self, Sender, SyncSender};
use std::thread;
use std::time::Duration;

use clap::Parser;
use examples::advice::NotOpened;
use examples::output;
use reactor::{
    Address, ByLine, ConnectionId, Handle, LineProtocol, Protocol, Reactor, ShutdownReport,
    Transport,
};

/// Numbers that wait for the main thread; a customer who brings one more is asked to come again.
const WAITING: usize = 64;

/// The longest line of a customer: a number has twenty digits at most.
const LONGEST: usize = 80;

type Failure = Box<dyn Error + Send + Sync>;

/// The loop on a thread of its own, and a main thread that computes.
#[derive(Parser)]
struct Options {
    /// Where customers come in.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7061")]
    listen: Address,
    /// Numbers to take apart before the end [default: until Ctrl-C].
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
}

/// What the network thread asks of the main thread.
struct Job {
    customer: ConnectionId,
    number: u64,
}

fn main() -> ExitCode {
    output::exit(
        "embed-thread",
        run(Options::parse()).map_err(|failure| -> Box<dyn Error> { failure }),
    )
}

fn run(options: Options) -> Result<(), Failure> {
    let (jobs, work) = mpsc::sync_channel(WAITING);
    let (started, start) = mpsc::channel();
    let network = thread::spawn(move || serve(options.listen, Shop { jobs }, &started));
    if let Ok((handle, address)) = start.recv() {
        println!("listening on {address}");
        for Job { customer, number } in work.iter().take(options.jobs.unwrap_or(usize::MAX)) {
            // A customer who has left by now is no error: the bytes are dropped, and counted.
            handle.send(customer, format!("{number} = {}\n", factors(number)).into())?;
        }
        close_shop(&handle)?;
    }
    // If it did not even start, this is where to learn why.
    let report = network.join().map_err(|_| "the network thread panicked")??;
    println!("{report}");
    Ok(())
}

/// Asks the loop how it went, which is a closure there and a channel back, and ends it.
fn close_shop(handle: &Handle<Shop>) -> Result<(), Failure> {
    let (question, answer) = mpsc::channel();
    handle.run(move |registry, _shop| {
        // It fails only if nobody waits for the answer any more.
        let _ = question.send(registry.stats());
    })?;
    let stats = answer.recv()?;
    println!(
        "{} customers, {} bytes for those who had left",
        stats.accepted, stats.discarded_bytes
    );
    Ok(handle.shutdown(Duration::from_secs(1))?)
}

/// The network thread, from beginning to end.
fn serve(
    listen: Address,
    mut shop: Shop,
    started: &Sender<(Handle<Shop>, Address)>,
) -> Result<ShutdownReport, Failure> {
    let mut reactor = Reactor::new()?;
    let listening =
        reactor.registry().listen(listen, |_peer, _shop| ByLine::new(LONGEST, Customer));
    let listener = listening.map_err(NotOpened::by("--listen"))?;
    let address = reactor.registry().listener_address(listener)?;
    started.send((reactor.handle(), address))?;
    Ok(reactor.run(&mut shop)?)
}

/// The application, as the callbacks see it: the way to the main thread.
struct Shop {
    jobs: SyncSender<Job>,
}

struct Customer;

impl Protocol<Shop> for Customer {}

impl LineProtocol<Shop> for Customer {
    fn on_line(&mut self, transport: &mut Transport<'_, Shop>, line: &[u8], shop: &mut Shop) {
        let Some(number) = number(line) else {
            return self.on_long_line(transport, shop);
        };
        // Waiting for room would keep everybody else waiting too.
        if shop.jobs.try_send(Job { customer: transport.id(), number }).is_err() {
            transport.write(b"too busy, try again\n");
        }
    }

    fn on_long_line(&mut self, transport: &mut Transport<'_, Shop>, _: &mut Shop) {
        transport.write(b"not a whole number from 1 to 18446744073709551615\n");
    }
}

fn number(line: &[u8]) -> Option<u64> {
    std::str::from_utf8(line).ok()?.trim().parse().ok().filter(|&number| number > 0)
}

/// The prime factors, by trial division: a large prime takes seconds, which is the point.
fn factors(mut number: u64) -> String {
    let mut factors = Vec::new();
    let mut candidate = 2;
    while candidate <= number / candidate {
        if number.is_multiple_of(candidate) {
            factors.push(candidate.to_string());
            number /= candidate;
        } else {
            candidate += 1;
        }
    }
    factors.push(number.to_string());
    factors.join(" * ")
}
