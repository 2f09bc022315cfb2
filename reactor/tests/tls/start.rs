//! TLS that begins on an open connection.

use super::*;

use std::time::Duration;

use reactor::tls::StartTlsError;
use reactor::{Input, Limits, StreamLimits, TimerKey, Transport};

/// Answers `STARTTLS`, and begins.
fn starttls(
    tls: &ServerTls,
) -> impl FnMut(&mut Transport<'_, Log>, &mut Input<'_>, &mut Log) + use<> {
    let tls = tls.clone();
    move |transport, input, _| match transport.tls() {
        None => {
            let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return };
            input.take_front(end + 1);
            transport.write(b"go on\n");
            transport.start_tls(&tls).expect("it is open");
            // It waits for the handshake.
            transport.write(b"secret");
        }
        Some(_) => {
            let said = input.take_all();
            transport.write(said);
        }
    }
}

fn starting(stage: &mut Stage, keys: &Keys) -> SocketAddr {
    let tls = keys.server("a.example");
    stage.listen(move || Probe::new("server").on_data(starttls(&tls)))
}

/// Asks for it in plain words, and goes on with rustls.
fn ask(address: SocketAddr, config: &Arc<ClientConfig>) -> Rustls {
    let mut peer = rustls(address, config);
    peer.sock.write_all(b"STARTTLS\n").expect("it has room");
    let mut answer = [0; 6];
    peer.sock.read_exact(&mut answer).expect("it answers");
    assert_eq!(&answer, b"go on\n");
    peer
}

#[test]
fn an_open_connection_becomes_a_secure_one() {
    let keys = Keys::new();
    let mut stage = Stage::new();
    let address = starting(&mut stage, &keys);
    let config = keys.rustls();
    let peer = stage.peer(move || {
        let mut peer = ask(address, &config);
        let mut secret = [0; 6];
        peer.read_exact(&mut secret).expect("it comes");
        peer.write_all(&pattern(90_000)).expect("it is read");
        let mut heard = vec![0; 90_000];
        peer.read_exact(&mut heard).expect("it comes back");
        say_goodbye(&mut peer);
        (secret, heard)
    });
    let (secret, heard) = stage.join(peer);
    assert_eq!(&secret, b"secret");
    assert_same_bytes(&heard, &pattern(90_000));
    stage.until_closed("server");
    let mut told = stage.log.of("server");
    // Only a slow peer leaves so much waiting that it has to drain.
    told.retain(|told| *told != "drain");
    assert_eq!(told, ["open", "data 9", "secure", "data 90000", "end", PEER_CLOSED]);
}

#[test]
fn both_sides_of_this_crate_start_it() {
    let keys = Keys::new();
    let mut stage = Stage::new();
    let address = starting(&mut stage, &keys);
    let tls = keys.client();
    let probe = Probe::new("client")
        .on_open(|transport, _| transport.write(b"STARTTLS\n"))
        .on_data(move |transport, input, _| {
            if transport.tls().is_none() {
                assert_eq!(input.take_all(), b"go on\n");
                transport.start_tls(&tls).expect("it is open");
                let again = transport.start_tls(&tls);
                assert!(matches!(again, Err(StartTlsError::Already)), "{again:?}");
            } else if &**input == b"secret" {
                input.take_all();
                transport.close();
            }
        })
        .on_secure(|transport, log| {
            log.note("client", transport.tls().expect("it is there").version());
        });
    stage.connect(address, probe);
    stage.until_closed("client");
    stage.until_closed("server");
    assert_eq!(stage.log.of("client"), ["open", "data 6", "secure", "TLSv1.3", "data 6", CLOSED]);
}

#[test]
fn what_was_sent_without_tls_is_never_taken_for_something_sent_with_it() {
    let keys = Keys::new();
    let mut stage = Stage::new();
    let address = starting(&mut stage, &keys);
    let peer = stage.peer(move || {
        let mut peer = client(address);
        // As somebody in between would: a command of his own behind the client's.
        peer.write_all(b"STARTTLS\nDELETE ALL\n").expect("it has room");
        let mut answer = Vec::new();
        peer.read_to_end(&mut answer).expect("it ends without a reset");
        answer
    });
    let answer = stage.join(peer);
    assert_eq!(answer[..6], *b"go on\n");
    assert_eq!(answer.get(6), Some(&21), "an alert");
    stage.until_closed("server");
    assert_eq!(stage.log.bytes("server"), b"STARTTLS\n");
    let end = stage.log.end("server").expect("it has ended");
    assert!(end.reason.contains("does not speak TLS as it should"), "{}", end.reason);
}

#[test]
fn a_client_that_does_not_wait_for_the_answer_is_served() {
    let keys = Keys::new();
    let mut stage = Stage::new();
    let address = starting(&mut stage, &keys);
    let peer = caller(&stage, &keys, address, move |mut peer| {
        let mut both = b"STARTTLS\n".to_vec();
        peer.conn.write_tls(&mut both).expect("it is a Vec");
        peer.sock.write_all(&both).expect("it has room");
        peer.sock.read_exact(&mut [0; 6]).expect("it answers");
        let mut secret = [0; 6];
        peer.read_exact(&mut secret).expect("it comes");
        say_goodbye(&mut peer);
        secret
    });
    assert_eq!(&stage.join(peer), b"secret");
    stage.until_closed("server");
}

#[test]
fn timers_fire_while_hands_are_shaken_and_a_deadline_ends_it() {
    let keys = Keys::new();
    let mut stage = Stage::new();
    let tls = keys.server("a.example");
    let limits = StreamLimits {
        handshake_timeout: Some(Duration::from_millis(100)),
        ..StreamLimits::default()
    };
    let options = ListenOptions { limits, ..ListenOptions::default() };
    let address = stage.listen_with(&options, move || {
        Probe::new("server")
            .on_open(|transport, _| transport.set_timer(TimerKey(7), Duration::from_millis(10)))
            .on_data(starttls(&tls))
    });
    let mut caller = client(address);
    caller.write_all(b"STARTTLS\n").expect("it has room");
    stage.until_closed("server");
    let told = ["open", "data 9", "timer 7", "close the handshake took too long"];
    let mut seen = stage.log.of("server");
    // A busy machine may be late with the bytes, and not with the timer.
    seen[1..3].sort_unstable();
    assert_eq!(seen, told);
}

#[test]
fn it_does_not_begin_where_it_cannot() {
    let keys = Keys::new();
    let mut stage = Stage::with_limits(Limits::default());
    let tls = keys.server("a.example");
    let nameless = ClientTls::new(keys.roots()).expect("it is fine");
    let mut file = Some(tempfile::tempfile().expect("there is room"));
    let address = stage.listen(move || {
        let tls = tls.clone();
        let file = file.take();
        Probe::new("server").on_open(move |transport, log| {
            if let Some(file) = file.as_ref().and_then(|file| file.try_clone().ok()) {
                transport.send_file(file, 0, 10);
                let busy = transport.start_tls(&tls);
                log.note("server", format!("{busy:?}"));
            }
            transport.end();
            log.note("server", format!("{:?}", transport.start_tls(&tls)));
        })
    });
    let caller = client(address);
    stage.until(|log| log.of("server").len() >= 3);
    assert_eq!(stage.log.of("server")[..3], ["open", "Err(Busy)", "Err(Closing)"]);
    drop(caller);
    stage.until_closed("server");

    #[cfg(unix)]
    {
        let path = reactor::Address::Path("/nowhere".into());
        let refused = stage.registry().connect_with(path, &to_tls(nameless), Probe::new("none"));
        let refused = refused.expect_err("there is no name").to_string();
        assert!(refused.contains("no name"), "{refused}");
    }
}
