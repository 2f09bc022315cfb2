//! A tracker on real sockets, and those who ask it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use protocols::torrent::TrackerLimits;
use protocols::torrent::tracker::{Tracker, listen_http, listen_udp};
use protocols::torrent::wire::announce::{Announce, Answer, Event, NoAnswer, Progress};
use protocols::torrent::wire::udp::{Ask, Body, Family, Reply, Request};
use reactor::{DatagramOptions, ListenOptions};

use crate::kit::{Hosted, PATIENCE, any_port};

/// A tracker on a thread of its own, which stops when this is dropped.
pub(crate) struct Stage {
    pub(crate) http: SocketAddr,
    pub(crate) udp: SocketAddr,
    _hosted: Hosted<Tracker>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let (hosted, (http, udp)) = Hosted::start(|registry| {
            let tracker = Tracker::new(TrackerLimits::default(), registry);
            let http = listen_http(registry, any_port(), &ListenOptions::default());
            let udp = listen_udp(registry, any_port(), &DatagramOptions::default());
            let http = registry.listener_address(http.expect("it is free")).ok();
            let udp = registry.socket_address(udp.expect("it is free")).ok();
            let [http, udp] = [http, udp].map(|it| it.and_then(|it| it.socket_addr()));
            (tracker, (http.expect("it is IP"), udp.expect("it is IP")))
        });
        Self { http, udp, _hosted: hosted }
    }

    /// Head and body of an answer over HTTP.
    fn get(&self, target: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(self.http).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let request = format!("GET {target} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it is open");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("it answers");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
        let body = answer.split_off(end);
        (String::from_utf8(answer).expect("a head is text"), body)
    }

    fn announce(&self, asked: &Announce) -> Result<Answer, NoAnswer> {
        Answer::parse(&self.get(&format!("/announce?{}", asked.query())).1)
    }

    fn ask(&self, socket: &UdpSocket, ask: Ask) -> Body {
        let request = Request { transaction: 7, ask };
        socket.send_to(&request.write(), self.udp).expect("it can be sent");
        let mut reply = [0; 2000];
        let length = socket.recv(&mut reply).expect("it answers");
        Reply::parse(&reply[..length], Family::V4).expect("it is a reply").body
    }
}

fn asks(port: u16, event: Event) -> Announce {
    Announce {
        hash: [1; 20].into(),
        peer: [2; 20].into(),
        port,
        progress: Progress { left: 1, ..Progress::default() },
        event,
        want: None,
        key: 0,
    }
}

#[test]
fn peers_that_ask_in_either_way_hear_of_each_other() {
    let stage = Stage::new();
    let here = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let first = stage.announce(&asks(10, Event::Started)).expect("it is answered");
    assert_eq!((first.peers, first.interval), (vec![], Duration::from_secs(1800)));

    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let Body::Connected(connection) = stage.ask(&socket, Ask::Connect) else {
        panic!("it is refused")
    };
    let announce = asks(11, Event::Started);
    let Body::Announced(second) = stage.ask(&socket, Ask::Announce { connection, announce }) else {
        panic!("it is refused")
    };
    assert_eq!((second.peers, second.leechers), (vec![here(10)], Some(2)));

    let third = stage.announce(&asks(10, Event::Regular)).expect("it is answered");
    assert_eq!(third.peers, [here(11)]);
    let announce = asks(11, Event::Stopped);
    let Body::Announced(_) = stage.ask(&socket, Ask::Announce { connection, announce }) else {
        panic!("it is refused")
    };
    let last = stage.announce(&asks(10, Event::Regular)).expect("it is answered");
    assert_eq!((last.peers, last.leechers), (vec![], Some(1)));
}

#[test]
fn what_is_no_question_is_answered_as_http_has_it() {
    let stage = Stage::new();
    assert!(stage.get("/").0.starts_with("HTTP/1.1 404 "));
    let (head, body) = stage.get("/announce");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("Content-Type: text/plain\r\n"));
    assert!(
        matches!(Answer::parse(&body), Err(NoAnswer::Refused(why)) if why.contains("info_hash"))
    );
    assert_eq!(stage.get("/scrape").1, b"d5:filesdee");
}
