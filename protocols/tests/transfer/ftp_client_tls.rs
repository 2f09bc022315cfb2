//! The FTP client over TLS, against servers that do what a test says.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use protocols::transfer::ftp::client::{ClientOptions, Done, Failure, Put, Security};
use reactor::tls::{ClientTls, Fingerprint};
use rustls::pki_types::PrivateKeyDer;
use rustls::{HandshakeKind, ServerConfig, ServerConnection, StreamOwned};

use crate::ftp_client::{Scene, Stage, put};
use crate::kit::noise;

type Secure = StreamOwned<ServerConnection, TcpStream>;

/// A server's side of TLS, and a client's that knows its certificate.
struct Keys {
    config: Arc<ServerConfig>,
    client: ClientTls,
}

impl Keys {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("it signs");
        let certificate = made.cert.der().clone();
        let client = ClientTls::pinned(&[Fingerprint::of(&certificate)]).expect("it is fine");
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|it| it.with_no_client_auth().with_single_cert(vec![certificate], key));
        Self { config: Arc::new(config.expect("it is fine")), client }
    }

    /// What makes TLS of a connection.
    fn secure(&self) -> impl Fn(TcpStream) -> Secure + Clone + Send + use<> {
        let config = Arc::clone(&self.config);
        move |socket| {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("it is fine");
            StreamOwned::new(connection, socket)
        }
    }

    /// A client, and a server that speaks TLS from the beginning, lets it in, and then follows a script; which
    /// gets data connections from what it is given.
    fn implicit(
        &self,
        script: impl FnOnce(&mut Scene, &dyn Fn(TcpStream) -> Secure) + Send + 'static,
    ) -> Stage {
        let secure = self.secure();
        let security = Security::Implicit(self.client.clone());
        Stage::through(&options(security), secure.clone(), move |scene| {
            lets_in(scene);
            script(scene, &secure);
        })
    }
}

fn options(security: Security) -> ClientOptions {
    ClientOptions { security, ..ClientOptions::default() }
}

fn lets_in(scene: &mut Scene) {
    scene.says("220 Ready");
    scene.answers("USER anonymous", "331 And?");
    scene.answers("PASS anonymous@", "230 In");
    scene.answers("PBSZ 0", "200 PBSZ=0");
    scene.answers("PROT P", "200 Protected");
    scene.answers("FEAT", "500 What?");
    scene.answers("TYPE I", "200 Binary");
}

/// The client's file came whole, and the session it goes on with is the conversation's.
#[test]
fn files_go_both_ways_on_data_connections_that_are_bound_and_end_with_a_goodbye() {
    let mut stage = Keys::new().implicit(|scene, secure| {
        for round in 0..10 {
            let mut data = secure(scene.begins("RETR down"));
            data.write_all(&noise(100_000)).expect("a client");
            assert_eq!(data.conn.handshake_kind(), Some(HandshakeKind::Resumed), "{round}");
            data.conn.send_close_notify();
            data.flush().expect("a client");
            scene.says("226 Done");
        }
        let (mut data, mut came) = (secure(scene.begins("STOR up")), Vec::new());
        // Without close_notify it would be an error.
        assert_eq!(data.read_to_end(&mut came).expect("an end that is one"), 3_000_000);
        assert!(came == noise(3_000_000));
        assert_eq!(data.conn.handshake_kind(), Some(HandshakeKind::Resumed));
        // Behind it comes FIN.
        assert_eq!(data.sock.read(&mut [0]).expect("an end"), 0);
        drop(data);
        scene.says("226 Done");
        scene.ends();
    });
    for _ in 0..10 {
        let (outcome, bytes) = stage.gets("down");
        assert_eq!((outcome, bytes == noise(100_000)), (Ok(Done::Received(100_000)), true));
    }
    let sent = stage.does(put("up", Put::Replace, &noise(3_000_000)));
    assert_eq!(sent, Ok(Done::Sent(3_000_000)));
    stage.quits();
}

#[test]
fn a_file_whose_end_was_cut_off_is_none_whatever_the_server_says() {
    let mut stage = Keys::new().implicit(|scene, secure| {
        let mut data = secure(scene.begins("RETR file"));
        data.write_all(b"a part of it").expect("a client");
        // FIN, and no goodbye.
        data.sock.shutdown(std::net::Shutdown::Write).expect("it is open");
        scene.says("226 Done");
        let _ = data.sock.read(&mut [0; 64]);
        scene.ends();
    });
    let (outcome, bytes) = stage.gets("file");
    assert_eq!(bytes, b"a part of it");
    let why = "the peer's end was cut off: it did not say that it was done";
    assert_eq!(outcome, Err(Failure::Data(why.to_owned())));
    stage.quits();
}

/// The conversation goes on.
#[test]
fn a_data_connection_that_is_refused_fails_its_file_alone() {
    let mut stage = Keys::new().implicit(|scene, secure| {
        scene.passive();
        scene.answers("RETR file", "150 Here it comes");
        // It does not speak TLS.
        let mut data = scene.connected();
        data.write_all(b"the file, in the clear").expect("a client");
        drop(data);
        scene.says("226 Done");

        scene.passive();
        scene.hears("RETR file");
        drop(scene.connected());
        scene.says("522 The session has to be that of the control connection");

        let mut data = secure(scene.begins("RETR file"));
        data.write_all(b"the file").expect("a client");
        data.conn.send_close_notify();
        data.flush().expect("a client");
        scene.says("226 Done");
        scene.ends();
    });
    let (outcome, bytes) = stage.gets("file");
    assert!(matches!(outcome, Err(Failure::Data(_))) && bytes.is_empty(), "{outcome:?}");
    let (outcome, _) = stage.gets("file");
    assert!(matches!(&outcome, Err(Failure::Refused(it)) if it.code == 522), "{outcome:?}");
    assert_eq!(stage.gets("file"), (Ok(Done::Received(8)), b"the file".to_vec()));
    stage.quits();
}

#[test]
fn a_server_without_tls_hears_nobodys_name() {
    let security = Security::Explicit(Keys::new().client);
    let mut stage = Stage::with(&options(security), |scene| {
        scene.says("220 Ready");
        scene.answers("AUTH TLS", "502 Not here");
        let mut rest = Vec::new();
        let _ = scene.control.read_to_end(&mut rest);
        assert_eq!(rest, b"");
    });
    let ended = stage.finished();
    assert!(matches!(&ended, Err(Failure::NoTls(it)) if it.code == 502), "{ended:?}");
    stage.leaves();
}

/// CVE-2011-0411: what somebody on the way has put behind the reply to AUTH.
#[test]
fn a_reply_that_was_slipped_in_before_tls_is_never_heard() {
    let security = Security::Explicit(Keys::new().client);
    let mut stage = Stage::with(&options(security), |scene| {
        scene.says("220 Ready");
        scene.answers("AUTH TLS", "234 Begin\r\n230 In");
        let mut rest = Vec::new();
        let _ = scene.control.read_to_end(&mut rest);
        assert!(!rest.windows(4).any(|word| word == b"USER" || word == b"FEAT"), "{rest:?}");
    });
    let ended = stage.finished();
    assert!(matches!(ended, Err(Failure::Tls(_))), "{ended:?}");
    stage.leaves();
}

#[test]
fn a_server_that_is_another_hears_nobodys_name() {
    let (keys, others) = (Keys::new(), Keys::new());
    let security = Security::Implicit(others.client);
    let mut stage = Stage::through(&options(security), keys.secure(), |scene| {
        let mut rest = Vec::new();
        let ended = scene.control.read_to_end(&mut rest);
        assert_eq!(
            (ended.map_err(|error| error.kind()), rest),
            (Err(io::ErrorKind::InvalidData), vec![])
        );
    });
    let ended = stage.finished();
    assert!(matches!(ended, Err(Failure::NotTrusted(_))), "{ended:?}");
    stage.leaves();
}

#[test]
fn files_that_are_not_protected_are_not_asked_for() {
    let keys = Keys::new();
    let security = Security::Implicit(keys.client.clone());
    let mut stage = Stage::through(&options(security), keys.secure(), |scene| {
        scene.says("220 Ready");
        scene.answers("USER anonymous", "230 In");
        scene.answers("PBSZ 0", "500 What?");
        scene.answers("PROT P", "536 Not here");
        let mut rest = Vec::new();
        let _ = scene.control.read_to_end(&mut rest);
        assert_eq!(rest, b"");
    });
    let ended = stage.finished();
    assert!(matches!(&ended, Err(Failure::NotProtected(it)) if it.code == 536), "{ended:?}");
    stage.leaves();
}
