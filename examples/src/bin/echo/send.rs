//! `echo send`: what comes back goes to standard output.

use std::collections::VecDeque;
use std::error::Error;
use std::io::{self, Write};
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use examples::endpoint::{Endpoint, seconds};
use examples::stdin::{Cut, PIECE, Reader, Stdin};
use protocols::echo::{Caller, Client, ClientId, Event, Outcome};
use reactor::{Handle, Reactor, Registry};

use crate::call::{Call, Server};

/// The most that fits into an Ethernet frame, behind the headers of IPv6 and UDP.
const DATAGRAM: u64 = 1_452;

/// Send texts, or standard input, and print what comes back
///
/// Each TEXT is sent as a line. Without any, standard input is sent as it comes, however long it is;
/// at its end the connection is half-closed, and the rest of the answer is awaited.
///
/// Every byte that comes back is held against what was sent. Over UDP a TEXT, or a line of standard
/// input, is a datagram, and the next one leaves when it has come back.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    server: Server,

    /// What to send instead of standard input
    #[arg(value_name = "TEXT")]
    texts: Vec<String>,

    /// Give up when nothing has come back for so long
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "10")]
    timeout: Duration,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut reactor = Reactor::new()?;
    let call = Call::begin(reactor.registry(), &options.server, options.timeout)?;
    let mut send = Send { call, source: Source::new(options, reactor.handle())? };
    reactor.run(&mut send)?;
    send.call.into_result()
}

/// The program's state.
struct Send {
    call: Call,
    source: Source,
}

/// What there is to send.
enum Source {
    Texts(VecDeque<Bytes>),
    Stdin(Stdin),
    /// All of it has been sent.
    Ended,
}

impl Source {
    fn new(options: &Options, handle: Handle<Send>) -> io::Result<Self> {
        let over_datagrams = matches!(options.server.server, Endpoint::Udp(_));
        if options.texts.is_empty() {
            let cut = if over_datagrams { Cut::Lines(DATAGRAM) } else { Cut::AsItComes };
            return Stdin::start(handle, cut).map(Self::Stdin);
        }
        let lines = options.texts.iter().map(|text| format!("{text}\n"));
        Ok(Self::Texts(if over_datagrams {
            lines.map(Bytes::from).collect()
        } else {
            lines.collect::<String>().as_bytes().chunks(PIECE).map(Bytes::copy_from_slice).collect()
        }))
    }
}

impl Send {
    /// Sends as much as may be on its way at one time.
    fn pump(&mut self, registry: &mut Registry<Self>) {
        while has_room(&self.call.client) {
            match &mut self.source {
                Source::Texts(texts) => match texts.pop_front() {
                    Some(text) => self.send(registry, text),
                    None => self.end(registry),
                },
                Source::Stdin(stdin) => return stdin.ask(),
                Source::Ended => return,
            }
        }
    }

    fn send(&mut self, registry: &mut Registry<Self>, piece: Bytes) {
        if let Err(refused) = self.call.client.send(registry, piece) {
            self.call.fail(registry, refused);
        }
    }

    fn end(&mut self, registry: &mut Registry<Self>) {
        self.source = Source::Ended;
        self.call.client.end(registry);
    }

    /// Prints what has come back. Waiting for a slow reader is right here: nothing else is in this
    /// loop, and while it waits the server has to.
    fn print(&mut self, registry: &mut Registry<Self>, bytes: &[u8]) {
        let mut stdout = io::stdout().lock();
        if let Err(error) = stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            self.call.finish(registry, Err(error.into()));
        }
    }
}

/// Whether another piece can be on its way: a stream's window has to hold it, and datagrams leave one
/// after the other, so that they come back in order.
fn has_room(client: &Client) -> bool {
    match client.id() {
        ClientId::Stream(_) => client.exchange().room() >= PIECE,
        ClientId::Datagrams(_) => client.exchange().outstanding() == 0,
    }
}

impl Caller for Send {
    fn client(&mut self, _: ClientId) -> Option<&mut Client> {
        Some(&mut self.call.client)
    }

    fn on_event(&mut self, registry: &mut Registry<Self>, id: ClientId, event: Event<'_>) {
        match event {
            Event::Open => self.pump(registry),
            Event::Bytes(bytes) => self.print(registry, bytes),
            Event::Reply(sent) => {
                if matches!(id, ClientId::Datagrams(_)) {
                    self.print(registry, &sent.payload);
                }
                self.pump(registry);
            }
            Event::Lost(sent) => {
                let number = sent.sequence + 1;
                self.call.fail(registry, format_args!("datagram {number} did not come back"));
            }
            Event::Trouble(trouble) => self.call.fail(registry, trouble),
        }
    }

    fn on_finish(&mut self, registry: &mut Registry<Self>, _: ClientId, outcome: Outcome) {
        self.call.handle_finish(registry, outcome);
    }
}

impl Reader for Send {
    fn handle_piece(&mut self, registry: &mut Registry<Self>, piece: Bytes) {
        if let Source::Stdin(stdin) = &mut self.source {
            stdin.answered();
        }
        self.send(registry, piece);
        self.pump(registry);
    }

    fn handle_end(&mut self, registry: &mut Registry<Self>, result: io::Result<()>) {
        match result {
            Ok(()) => self.end(registry),
            Err(error) => {
                let message = format!("cannot read standard input: {error}");
                self.call.finish(registry, Err(message.into()));
            }
        }
    }
}
