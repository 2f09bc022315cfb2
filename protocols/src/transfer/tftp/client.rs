//! The client: fetches a file from a server, or sends it one.

use std::fmt;
use std::io::{self, Read, Write};

use reactor::{
    Address, Datagram, DatagramOptions, DatagramProtocol, DatagramTransport, Registry,
    SocketClosed, SocketId, TimerKey,
};

use super::pump::{Content, News, Pump};
use super::wire::packet::LONGEST_REQUEST;
use super::{Failure, Mode, NotBegun, Options, Packet, Pairs, Patience, Request, Terms, Transfer};

/// A program that transfers files: what it is told of them.
///
/// A transfer is named by its socket. [`Registry::close_socket`] gives it up.
pub trait Caller: Sized + 'static {
    /// The server has answered, and this is what both go by: the size of the file may be part of it.
    fn on_agreed(&mut self, registry: &mut Registry<Self>, id: SocketId, terms: Terms) {
        let _ = (registry, id, terms);
    }

    /// So many bytes have been sent or received so far.
    fn on_progress(&mut self, registry: &mut Registry<Self>, id: SocketId, moved: u64) {
        let _ = (registry, id, moved);
    }

    /// It is over: all of the file is there, so many bytes of it, or not. What was fetched has been
    /// written to its sink, and the sink been flushed.
    fn on_finish(
        &mut self,
        registry: &mut Registry<Self>,
        id: SocketId,
        outcome: Result<u64, Failure>,
    );
}

/// How a client transfers a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientOptions {
    /// The local address. Default `None`: the system chooses, and a port that nobody can guess.
    pub from: Option<Address>,
    /// How the bytes are carried. Default: as they are.
    pub mode: Mode,
    /// Options to ask for. A server may grant less, or know of none.
    ///
    /// Default: blocks of 1,428 bytes, which with the headers of IPv6, UDP and TFTP and those of a
    /// tunnel fit into an Ethernet frame; windows of 16, which are less than 24 KiB; and the size.
    pub options: Options,
    /// The longest file that is fetched, in bytes. Default: any.
    pub longest: u64,
    /// How patiently packets are sent again.
    pub patience: Patience,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            from: None,
            mode: Mode::Octet,
            options: Options {
                block_size: Some(1_428),
                timeout: None,
                size: Some(0),
                window: Some(16),
            },
            longest: u64::MAX,
            patience: Patience::default(),
        }
    }
}

/// Packets with a wrong transfer identifier that are answered; see [`Limits::strays`].
///
/// [`Limits::strays`]: super::Limits::strays
const STRAYS: u32 = 8;

/// Fetches a file from a server, and writes it to `sink` as it comes, a block at a time.
///
/// ```
/// use protocols::transfer::tftp::{self, Caller, ClientOptions, Failure};
/// use reactor::{Reactor, Registry, SocketId};
/// use std::time::Duration;
///
/// struct Program(Option<Result<u64, Failure>>);
///
/// impl Caller for Program {
///     fn on_finish(
///         &mut self,
///         registry: &mut Registry<Self>,
///         _: SocketId,
///         outcome: Result<u64, Failure>,
///     ) {
///         self.0 = Some(outcome);
///         registry.shutdown(Duration::ZERO);
///     }
/// }
///
/// let mut reactor = Reactor::<Program>::new()?;
/// let nobody = std::net::UdpSocket::bind("127.0.0.1:0")?;
/// let mut options = ClientOptions::default();
/// options.patience.first = Duration::from_millis(1);
/// options.patience.tries = 2;
/// let file = tempfile::tempfile()?;
/// tftp::get(reactor.registry(), nobody.local_addr()?.into(), b"boot.img", file, &options)?;
/// let mut program = Program(None);
/// reactor.run(&mut program)?;
/// assert_eq!(program.0, Some(Err(Failure::NoAnswer)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// See [`NotBegun`]. A server that is not there is found out later.
pub fn get<App: Caller>(
    registry: &mut Registry<App>,
    server: Address,
    name: &[u8],
    sink: impl Write + 'static,
    options: &ClientOptions,
) -> Result<SocketId, NotBegun> {
    let asked = options.asked(|asked| Options { size: asked.size.map(|_| 0), ..asked });
    let packet = request(Kind::Read, name, options.mode, &asked)?;
    let now = registry.now();
    let transfer = Transfer::ask_to_read(packet, asked, options.patience, now);
    let sink: Box<dyn Write> = Box::new(sink);
    begin(registry, server, transfer, Content::sink(sink, options.mode), options)
}

/// Sends a file to a server: what is read from `source`, which has `size` bytes if that is known.
///
/// # Errors
///
/// See [`NotBegun`].
pub fn put<App: Caller>(
    registry: &mut Registry<App>,
    server: Address,
    name: &[u8],
    source: impl Read + 'static,
    size: Option<u64>,
    options: &ClientOptions,
) -> Result<SocketId, NotBegun> {
    let asked = options.asked(|asked| Options { size: asked.size.and(size), ..asked });
    let packet = request(Kind::Write, name, options.mode, &asked)?;
    let now = registry.now();
    let transfer = Transfer::ask_to_write(packet, asked, options.patience, now);
    begin(registry, server, transfer, Content::source(source, options.mode), options)
}

fn begin<App: Caller>(
    registry: &mut Registry<App>,
    server: Address,
    transfer: Transfer,
    content: Content<Box<dyn Write>>,
    options: &ClientOptions,
) -> Result<SocketId, NotBegun> {
    let from = options.from.clone().unwrap_or_else(|| server.unspecified());
    let pump = Pump::asking(transfer, server, content).with_bounds(options.longest, STRAYS);
    let call = Call { pump, outcome: None };
    // The answer comes from another port than was asked, so the socket cannot be connected to that.
    let options = DatagramOptions { icmp: true, ..DatagramOptions::default() };
    Ok(registry.bind_datagram_with(from, &options, call)?)
}

impl ClientOptions {
    /// What is asked for of this file. The size of a text is not that of what is sent for it.
    fn asked(&self, of_file: impl FnOnce(Options) -> Options) -> Options {
        match self.mode {
            Mode::Octet => of_file(self.options),
            Mode::Netascii => Options { size: None, ..self.options },
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Read,
    Write,
}

/// The packet that asks.
fn request(kind: Kind, name: &[u8], mode: Mode, options: &Options) -> Result<Vec<u8>, NotBegun> {
    if name.is_empty() || name.contains(&0) {
        return Err(NotBegun::Name);
    }
    let mut pairs = Vec::new();
    options.encode(&mut pairs);
    let request = Request { name, mode, options: Pairs::new(&pairs) };
    let packet = match kind {
        Kind::Read => Packet::Read(request).to_vec(),
        Kind::Write => Packet::Write(request).to_vec(),
    };
    if packet.len() > LONGEST_REQUEST { Err(NotBegun::LongName) } else { Ok(packet) }
}

/// The protocol of one transfer's socket.
struct Call {
    pump: Pump<Box<dyn Write>>,
    outcome: Option<Result<u64, Failure>>,
}

impl<App: Caller> DatagramProtocol<App> for Call {
    fn on_open(&mut self, socket: &mut DatagramTransport<'_, App>, app: &mut App) {
        let news = self.pump.run(socket);
        self.tell(socket, app, news);
    }

    fn on_datagram(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        datagram: &Datagram<'_>,
        app: &mut App,
    ) {
        let before = self.pump.moved();
        let news = self.pump.handle_datagram(socket, &datagram.from, datagram.bytes);
        if self.pump.moved() > before {
            let id = socket.id();
            app.on_progress(socket.registry(), id, self.pump.moved());
        }
        self.tell(socket, app, news);
    }

    fn on_error(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        error: &io::Error,
        app: &mut App,
    ) {
        let news = self.pump.handle_error(socket, error);
        self.tell(socket, app, news);
    }

    fn on_timer(&mut self, socket: &mut DatagramTransport<'_, App>, _: TimerKey, app: &mut App) {
        let news = self.pump.handle_timer(socket);
        self.tell(socket, app, news);
    }

    fn on_shutdown(&mut self, socket: &mut DatagramTransport<'_, App>, app: &mut App) {
        if self.outcome.is_none() {
            let news = self.pump.fail(socket, Failure::Cancelled);
            return self.tell(socket, app, news);
        }
        socket.close();
    }

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &SocketClosed, app: &mut App) {
        if self.outcome.is_none() {
            app.on_finish(registry, closed.id, Err(Failure::Cancelled));
        }
    }
}

impl Call {
    fn tell<App: Caller>(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        app: &mut App,
        news: News,
    ) {
        let id = socket.id();
        match news {
            News::Going => {}
            News::Agreed(terms) => app.on_agreed(socket.registry(), id, terms),
            News::Complete => self.store(socket, app),
            News::Over(result) => {
                self.finish(socket, app, result);
                socket.close();
            }
        }
    }

    /// All of it is here. The server is told, and the socket stays for a while to tell it again.
    fn store<App: Caller>(&mut self, socket: &mut DatagramTransport<'_, App>, app: &mut App) {
        let stored = self.pump.take_file().and_then(|file| match file {
            Some(mut file) => Ok(file.flush()?),
            None => Ok(()),
        });
        let now = socket.registry().now();
        self.pump.handle_stored(stored.clone(), now);
        let news = self.pump.run(socket);
        let is_dallying = stored.is_ok() && matches!(news, News::Going);
        self.finish(socket, app, stored);
        if !is_dallying {
            socket.close();
        }
    }

    fn finish<App: Caller>(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        app: &mut App,
        result: Result<(), Failure>,
    ) {
        if self.outcome.is_none() {
            let (id, outcome) = (socket.id(), result.map(|()| self.pump.moved()));
            self.outcome = Some(outcome.clone());
            app.on_finish(socket.registry(), id, outcome);
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("pump", &self.pump).finish_non_exhaustive()
    }
}
