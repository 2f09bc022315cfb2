//! Sockets that change hands where some are real and some are simulated.

use std::time::Duration;

use crate::support::Echo;
use bytes::Bytes;
use reactor::sim::Network;
use reactor::{
    Datagram, DatagramLimits, DatagramProtocol, DatagramTransport, Input, ListenOptions, OpenError,
    Protocol, Reactor, StdDatagram, StdListener, StdStream, StreamLimits, StreamOptions, Transport,
};

/// What the hosts of this file have as their application.
#[derive(Default)]
struct App {
    heard: Vec<u8>,
    stream: Option<StdStream>,
}

/// Says something, and notes what it hears.
struct Caller;

impl Protocol<App> for Caller {
    fn on_open(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        transport.write(b"hello");
    }

    fn on_data(&mut self, _: &mut Transport<'_, App>, input: &mut Input<'_>, app: &mut App) {
        app.heard.extend_from_slice(input.take_all());
    }
}

/// Takes its socket out of the loop, and has it adopted there again, or kept.
struct Leaver {
    comes_back: bool,
}

impl Protocol<App> for Leaver {
    fn on_open(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        let comes_back = self.comes_back;
        transport.detach(move |detached, registry, app| {
            if comes_back {
                let (options, limits) = (StreamOptions::default(), StreamLimits::default());
                registry
                    .adopt(detached.stream, &options, &limits, Echo)
                    .expect("it is of the same host");
            } else {
                app.stream = Some(detached.stream);
            }
        });
    }

    fn on_data(&mut self, _: &mut Transport<'_, App>, _: &mut Input<'_>, _: &mut App) {}
}

/// Answers whoever sends it something.
struct Answerer;

impl DatagramProtocol<App> for Answerer {
    fn on_datagram(
        &mut self,
        transport: &mut DatagramTransport<'_, App>,
        datagram: &Datagram<'_>,
        app: &mut App,
    ) {
        app.heard.extend_from_slice(datagram.bytes);
        if datagram.bytes == b"ping" {
            let _ = transport.send_to(b"pong", &datagram.from);
        }
    }
}

fn is_unsupported<T>(opened: Result<T, OpenError>) -> bool {
    matches!(opened, Err(OpenError::Unsupported(..)))
}

#[test]
fn a_stream_that_was_taken_out_is_adopted_again() {
    let mut network = Network::from_seed(1);
    let server = network.host("server", |registry| {
        registry.listen("0.0.0.0:7".parse()?, |_, _| Leaver { comes_back: true })?;
        Ok(App::default())
    });
    let address = network.address(server, 7);
    let client = network.host("client", move |registry| {
        registry.connect(address.clone(), Caller)?;
        Ok(App::default())
    });
    network.run_for(Duration::from_secs(1)).expect("nothing is broken");
    assert_eq!(network.app(client).expect("it is up").heard, b"hello");
}

#[test]
fn a_simulated_stream_is_refused_by_a_real_loop() {
    let mut network = Network::from_seed(2);
    let server = network.host("server", |registry| {
        registry.listen("0.0.0.0:7".parse()?, |_, _| Leaver { comes_back: false })?;
        Ok(App::default())
    });
    let address = network.address(server, 7);
    network.host("client", move |registry| {
        registry.connect(address.clone(), Caller)?;
        Ok(App::default())
    });
    network.run_for(Duration::from_secs(1)).expect("nothing is broken");
    let (_, app) = network.parts(server).expect("it is up");
    let stream = app.stream.take().expect("it was taken out");

    let mut real = Reactor::<App>::new().expect("there are descriptors");
    let (options, limits) = (StreamOptions::default(), StreamLimits::default());
    assert!(is_unsupported(real.registry().adopt(stream, &options, &limits, Echo)));
}

#[test]
fn real_sockets_are_refused_by_a_simulated_loop() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let stream = std::net::TcpStream::connect(listener.local_addr().expect("it is bound"))
        .expect("it listens");
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port is free");

    let mut network = Network::from_seed(3);
    let host = network.host("host", |_| Ok(App::default()));
    let (registry, _) = network.parts(host).expect("it is up");
    let (options, limits) = (StreamOptions::default(), StreamLimits::default());
    assert!(is_unsupported(registry.adopt(stream, &options, &limits, Echo)));
    let options = ListenOptions::default();
    assert!(is_unsupported(registry.adopt_listener(listener, &options, |_, _| None)));
    let limits = DatagramLimits::default();
    assert!(is_unsupported(registry.adopt_datagram(socket, &limits, Answerer)));
}

#[test]
fn what_is_no_stream_is_refused_by_either_loop() {
    let mut network = Network::from_seed(6);
    let host = network.host("host", |registry| {
        let socket = registry.bind_datagram("0.0.0.0:9".parse()?, Answerer)?;
        let StdDatagram::Other(socket) = registry.detach_socket(socket)? else {
            return Err("it is a socket of a simulated loop".into());
        };
        Ok(App { stream: Some(StdStream::Other(socket)), ..App::default() })
    });
    let (registry, app) = network.parts(host).expect("it is up");
    let datagram = app.stream.take().expect("it was taken out");
    let (options, limits) = (StreamOptions::default(), StreamLimits::default());
    assert!(is_unsupported(registry.adopt(datagram, &options, &limits, Echo)));
    let number = || StdStream::Other(Box::new(7));
    assert!(is_unsupported(registry.adopt(number(), &options, &limits, Echo)));
    let mut real = Reactor::<App>::new().expect("there are descriptors");
    assert!(is_unsupported(real.registry().adopt(number(), &options, &limits, Echo)));
}

#[test]
fn a_listener_and_a_datagram_socket_change_hands() {
    let mut network = Network::from_seed(4);
    let server = network.host("server", |registry| {
        let first = registry.listen("0.0.0.0:7".parse()?, |_, _| Leaver { comes_back: false })?;
        let listener: StdListener = registry.detach_listener(first)?;
        let options = ListenOptions::default();
        registry.adopt_listener(listener, &options, |_, _| Some(Box::new(Echo)))?;
        let first = registry.bind_datagram("0.0.0.0:9".parse()?, Answerer)?;
        let socket: StdDatagram = registry.detach_socket(first)?;
        registry.adopt_datagram(socket, &DatagramLimits::default(), Answerer)?;
        Ok(App::default())
    });
    let (stream, datagram) = (network.address(server, 7), network.address(server, 9));
    let client = network.host("client", move |registry| {
        let id = registry.connect(stream.clone(), Caller)?;
        let _ = registry.send(id, Bytes::from_static(b", again"))?;
        let socket = registry.bind_datagram("0.0.0.0:0".parse()?, Answerer)?;
        registry.send_to(socket, b"ping", Some(&datagram))?;
        Ok(App::default())
    });
    network.run_for(Duration::from_secs(1)).expect("nothing is broken");
    assert_eq!(network.app(server).expect("it is up").heard, b"ping");
    let heard = &network.app(client).expect("it is up").heard;
    assert!(heard.ends_with(b"pong") || heard.starts_with(b"pong"), "{heard:?}");
    assert_eq!(heard.len(), b"hello, againpong".len());
}

#[test]
#[cfg(all(unix, feature = "signals"))]
fn a_simulated_loop_has_no_signals() {
    let mut network = Network::from_seed(5);
    let host = network.host("host", |_| Ok(App::default()));
    let (registry, _) = network.parts(host).expect("it is up");
    let error = registry.on_signal(reactor::Signal::Interrupt, |_, _| {}).expect_err("it has none");
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
}
