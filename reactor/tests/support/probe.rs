//! Protocols that write down each callback, and do what a test tells them to.

use std::io;

use reactor::{
    Closed, Datagram, DatagramProtocol, DatagramTransport, Input, Protocol, Registry, SentFile,
    SocketClosed, TimerKey, Transport,
};

use super::Log;

/// Methods that tell a probe what to do in a callback.
macro_rules! acts {
    ($($callback:ident($($argument:ty),*);)*) => {$(
        #[must_use]
        pub fn $callback(mut self, act: impl FnMut($($argument),*) + 'static) -> Self {
            self.$callback = Some(Box::new(act));
            self
        }
    )*};
}

type Act = Box<dyn FnMut(&mut Transport<'_, Log>, &mut Log)>;
type DataAct = Box<dyn FnMut(&mut Transport<'_, Log>, &mut Input<'_>, &mut Log)>;
type TimerAct = Box<dyn FnMut(&mut Transport<'_, Log>, TimerKey, &mut Log)>;
type CloseAct = Box<dyn FnMut(&mut Registry<Log>, &Closed, &mut Log)>;

/// A protocol that writes down each callback, and does what it was told to. Told nothing, it consumes
/// all data, and closes when its peer ends or the loop is shut down, as protocols do by default.
///
/// ```text
/// open · data 5 · end · drain · timer 1 · file 3 of 3 · shutdown · close the peer closed the connection
/// ```
pub struct Probe {
    who: &'static str,
    on_open: Option<Act>,
    on_secure: Option<Act>,
    on_data: Option<DataAct>,
    on_end: Option<Act>,
    on_drain: Option<Act>,
    on_timer: Option<TimerAct>,
    on_shutdown: Option<Act>,
    on_close: Option<CloseAct>,
}

impl Probe {
    #[must_use]
    pub fn new(who: &'static str) -> Self {
        Self {
            who,
            on_open: None,
            on_secure: None,
            on_data: None,
            on_end: None,
            on_drain: None,
            on_timer: None,
            on_shutdown: None,
            on_close: None,
        }
    }

    acts! {
        on_open(&mut Transport<'_, Log>, &mut Log);
        on_secure(&mut Transport<'_, Log>, &mut Log);
        on_data(&mut Transport<'_, Log>, &mut Input<'_>, &mut Log);
        on_end(&mut Transport<'_, Log>, &mut Log);
        on_drain(&mut Transport<'_, Log>, &mut Log);
        on_timer(&mut Transport<'_, Log>, TimerKey, &mut Log);
        on_shutdown(&mut Transport<'_, Log>, &mut Log);
        on_close(&mut Registry<Log>, &Closed, &mut Log);
    }

    /// Stays open when its peer has ended.
    #[must_use]
    pub fn outlives_its_peer(self) -> Self {
        self.on_end(|_, _| {})
    }
}

impl Protocol<Log> for Probe {
    fn on_open(&mut self, transport: &mut Transport<'_, Log>, log: &mut Log) {
        log.note(self.who, "open");
        log.opened.push((self.who, transport.id()));
        self.on_open.iter_mut().for_each(|act| act(transport, log));
    }

    fn on_secure(&mut self, transport: &mut Transport<'_, Log>, log: &mut Log) {
        log.note(self.who, "secure");
        self.on_secure.iter_mut().for_each(|act| act(transport, log));
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, Log>,
        input: &mut Input<'_>,
        log: &mut Log,
    ) {
        let at = log.len();
        let mut before = Input::new(input);
        let offered = before.take_all().to_vec();
        match &mut self.on_data {
            Some(act) => act(transport, input, log),
            None => drop(input.take_all()),
        }
        log.consumed(self.who, &offered[..offered.len() - input.len()], at);
    }

    fn on_end(&mut self, transport: &mut Transport<'_, Log>, log: &mut Log) {
        log.note(self.who, "end");
        match &mut self.on_end {
            Some(act) => act(transport, log),
            None => transport.close(),
        }
    }

    fn on_drain(&mut self, transport: &mut Transport<'_, Log>, log: &mut Log) {
        log.note(self.who, "drain");
        self.on_drain.iter_mut().for_each(|act| act(transport, log));
    }

    fn on_file_sent(&mut self, _: &mut Transport<'_, Log>, file: SentFile, log: &mut Log) {
        log.note(self.who, format!("file {} of {}", file.sent, file.requested));
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, Log>, key: TimerKey, log: &mut Log) {
        log.note(self.who, format!("timer {}", key.0));
        self.on_timer.iter_mut().for_each(|act| act(transport, key, log));
    }

    fn on_shutdown(&mut self, transport: &mut Transport<'_, Log>, log: &mut Log) {
        log.note(self.who, "shutdown");
        match &mut self.on_shutdown {
            Some(act) => act(transport, log),
            None => transport.close(),
        }
    }

    fn on_close(&mut self, registry: &mut Registry<Log>, closed: &Closed, log: &mut Log) {
        log.closed(self.who, closed);
        self.on_close.iter_mut().for_each(|act| act(registry, closed, log));
    }
}

type SocketAct = Box<dyn FnMut(&mut DatagramTransport<'_, Log>, &mut Log)>;
type DatagramAct = Box<dyn FnMut(&mut DatagramTransport<'_, Log>, &Datagram<'_>, &mut Log)>;

/// The same for a datagram socket.
///
/// ```text
/// open · datagram 5 · error connection refused · drain · timer 1 · shutdown · close closed
/// ```
pub struct DatagramProbe {
    who: &'static str,
    on_open: Option<SocketAct>,
    on_datagram: Option<DatagramAct>,
    on_error: Option<SocketAct>,
    on_drain: Option<SocketAct>,
    on_timer: Option<SocketAct>,
    on_shutdown: Option<SocketAct>,
}

impl DatagramProbe {
    #[must_use]
    pub fn new(who: &'static str) -> Self {
        Self {
            who,
            on_open: None,
            on_datagram: None,
            on_error: None,
            on_drain: None,
            on_timer: None,
            on_shutdown: None,
        }
    }

    acts! {
        on_open(&mut DatagramTransport<'_, Log>, &mut Log);
        on_datagram(&mut DatagramTransport<'_, Log>, &Datagram<'_>, &mut Log);
        on_error(&mut DatagramTransport<'_, Log>, &mut Log);
        on_drain(&mut DatagramTransport<'_, Log>, &mut Log);
        on_timer(&mut DatagramTransport<'_, Log>, &mut Log);
        on_shutdown(&mut DatagramTransport<'_, Log>, &mut Log);
    }
}

impl DatagramProtocol<Log> for DatagramProbe {
    fn on_open(&mut self, socket: &mut DatagramTransport<'_, Log>, log: &mut Log) {
        log.note(self.who, "open");
        self.on_open.iter_mut().for_each(|act| act(socket, log));
    }

    fn on_datagram(
        &mut self,
        socket: &mut DatagramTransport<'_, Log>,
        datagram: &Datagram<'_>,
        log: &mut Log,
    ) {
        log.note(self.who, format!("datagram {}", datagram.bytes.len()));
        log.datagrams.push((self.who, datagram.bytes.to_vec(), datagram.from.clone()));
        self.on_datagram.iter_mut().for_each(|act| act(socket, datagram, log));
    }

    fn on_error(
        &mut self,
        socket: &mut DatagramTransport<'_, Log>,
        error: &io::Error,
        log: &mut Log,
    ) {
        log.note(self.who, format!("error {}", error.kind()));
        self.on_error.iter_mut().for_each(|act| act(socket, log));
    }

    fn on_drain(&mut self, socket: &mut DatagramTransport<'_, Log>, log: &mut Log) {
        log.note(self.who, "drain");
        self.on_drain.iter_mut().for_each(|act| act(socket, log));
    }

    fn on_timer(&mut self, socket: &mut DatagramTransport<'_, Log>, key: TimerKey, log: &mut Log) {
        log.note(self.who, format!("timer {}", key.0));
        self.on_timer.iter_mut().for_each(|act| act(socket, log));
    }

    fn on_shutdown(&mut self, socket: &mut DatagramTransport<'_, Log>, log: &mut Log) {
        log.note(self.who, "shutdown");
        match &mut self.on_shutdown {
            Some(act) => act(socket, log),
            None => socket.close(),
        }
    }

    fn on_close(&mut self, _: &mut Registry<Log>, closed: &SocketClosed, log: &mut Log) {
        log.note(self.who, format!("close {}", closed.reason));
        if closed.unsent > 0 {
            log.note(self.who, format!("{} unsent", closed.unsent));
        }
    }
}

/// A server that writes back what it reads.
#[must_use]
pub fn echo() -> Probe {
    Probe::new("server").on_data(|transport, input, _| transport.write(input.take_all()))
}

/// A socket that sends every datagram back.
#[must_use]
pub fn echo_datagrams() -> DatagramProbe {
    DatagramProbe::new("server").on_datagram(|socket, datagram, _| {
        socket.send_to(datagram.bytes, &datagram.from).expect("there is room for it");
    })
}

/// The same as [`echo`] for any application, and nobody is told.
#[derive(Debug)]
pub struct Echo;

impl<App> Protocol<App> for Echo {
    fn on_data(&mut self, transport: &mut Transport<'_, App>, input: &mut Input<'_>, _: &mut App) {
        transport.write(input.take_all());
    }
}
