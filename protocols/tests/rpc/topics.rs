//! Subscriptions, and notifications in datagrams.

use std::net::UdpSocket;
use std::rc::Rc;

use protocols::rpc::{self, Framing, Limits, Service};
use reactor::DatagramOptions;
use serde_json::json;

use crate::stage::{Stage, Typist, service};

const LISTEN: &str = r#"{"jsonrpc":"2.0","method":"listen","id":"l"}"#;
const LISTENS: &str = r#"{"jsonrpc":"2.0","result":"news","id":"l"}"#;

#[test]
fn every_subscriber_is_told_in_his_own_framing_until_he_leaves() {
    let mut stage = Stage::new();
    let mut typists: Vec<Typist> = [Framing::Lines, Framing::ContentLength, Framing::Bare]
        .into_iter()
        .map(|framing| stage.typist(framing))
        .collect();
    for typist in &mut typists {
        for _ in 0..2 {
            typist.types(&mut stage, LISTEN);
            typist.gets(&mut stage, LISTENS);
        }
    }
    let told = stage.world.news.publish(stage.reactor.registry(), &["first"]);
    assert_eq!(told, Ok(3), "twice is once");
    for typist in &mut typists {
        typist.gets(&mut stage, r#"{"jsonrpc":"2.0","method":"news","params":["first"]}"#);
    }
    typists[0].types(&mut stage, r#"{"jsonrpc":"2.0","method":"leave","id":1}"#);
    typists[0].gets(&mut stage, r#"{"jsonrpc":"2.0","result":true,"id":1}"#);
    typists[0].types(&mut stage, r#"{"jsonrpc":"2.0","method":"leave","id":2}"#);
    typists[0].gets(&mut stage, r#"{"jsonrpc":"2.0","result":false,"id":2}"#);
    drop(typists.pop());
    stage.until("only one is left", |world| world.news.len() == 1);
    let told = stage.world.news.publish(stage.reactor.registry(), &["second"]);
    assert_eq!(told, Ok(1));
    typists[1].gets(&mut stage, r#"{"jsonrpc":"2.0","method":"news","params":["second"]}"#);
    typists[0].gets_nothing(&mut stage);
}

#[test]
fn a_subscriber_who_does_not_read_is_dropped_with_a_reason_and_the_others_hear_everything() {
    let mut stage = Stage::with_limits(Limits { outbox: 64 * 1024, ..Limits::default() });
    let address = stage.listen(Framing::Lines);
    let mut deaf = Typist::connect(&address, Framing::Lines);
    let mut awake = Typist::connect(&address, Framing::Lines);
    for typist in [&mut deaf, &mut awake] {
        typist.types(&mut stage, LISTEN);
        typist.gets(&mut stage, LISTENS);
    }
    let news = json!(["x".repeat(16 * 1024)]);
    let mut said = 0;
    while stage.world.news.len() == 2 {
        assert!(said < 10_000, "he is never dropped");
        stage.world.news.publish(stage.reactor.registry(), &news).expect("it is JSON");
        said += 1;
        assert_eq!(awake.reads(&mut stage)["params"], news);
    }
    stage.until_seen("closed: its outbox is full: more was written than the peer has taken");
    drop((deaf, awake));
}

#[test]
fn notifications_come_in_datagrams_and_questions_are_not_answered_there() {
    let mut stage = Stage::with(service(Limits::default()));
    let any = "127.0.0.1:0".parse().expect("it is an address");
    let service: Rc<Service<_>> = Rc::clone(&stage.service);
    let registry = stage.reactor.registry();
    let id = rpc::bind(registry, any, &DatagramOptions::default(), service).expect("free");
    let address = registry.socket_address(id).expect("it is bound").socket_addr().expect("UDP");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("free");
    socket.set_nonblocking(true).expect("it can be");
    let question = br#"{"jsonrpc":"2.0","method":"sum","params":[1],"id":1}"#;
    let texts: [&[u8]; 5] = [question, b"[]", b"\xff", LISTEN.as_bytes(), b""];
    for text in texts {
        socket.send_to(text, address).expect("it is sent");
    }
    let text = rpc::notification("update", &[5]).expect("it is JSON");
    socket.send_to(&text, address).expect("it is sent");
    stage.until_seen("update [5]");
    assert_eq!(stage.service.counters().datagrams_refused, 5);
    assert!(stage.world.news.is_empty());
    let mut buffer = [0; 100];
    assert!(socket.recv_from(&mut buffer).is_err(), "nothing has come back");
    // A notification that subscribes is run, and refused.
    let text = rpc::notification("listen", &()).expect("it is JSON");
    socket.send_to(&text, address).expect("it is sent");
    stage.until_seen("listen failed: Nobody can subscribe by a datagram");
}
