//! Whose certificate it is, and who accepts it.

use super::*;

use std::time::{Duration, SystemTime};

use reactor::tls::{ClientCertificates, Fingerprint, Identity};

/// Connects to a server of these, and tells how both have fared: what they have noted, and how they ended.
fn meet(server: &ServerTls, client: &ClientTls) -> (String, String) {
    let mut stage = Stage::new();
    let address = stage.listen_with(&with_tls(server), || {
        Probe::new("server").on_open(|transport, log| {
            let tls = transport.tls().expect("it is there");
            let alpn = tls.alpn().map(|name| String::from_utf8_lossy(name).into_owned());
            let shown = tls.peer_certificates().count();
            log.note("server", format!("{:?} {alpn:?} {shown}", tls.server_name()));
        })
    });
    let probe = Probe::new("client")
        .on_open(|transport, log| {
            let tls = transport.tls().expect("it is there");
            let fingerprint = tls.peer_fingerprint().expect("it is shown one");
            log.note("client", fingerprint.to_string());
            // So that a refusal of the server, which comes later, is heard.
            transport.write(b"?");
        })
        .on_data(|transport, _, _| transport.close());
    let options = to_tls(client.clone());
    stage.registry().connect_with(address.into(), &options, probe).expect("it begins");
    let ended = |log: &Log| log.end("client").is_some() && log.end("server").is_some();
    until(&mut stage.reactor, &mut stage.log, |log, registry| {
        if log.bytes("server") == b"?" && log.end("client").is_none() {
            let _ = registry.close(log.id("client"));
        }
        ended(log)
    });
    let told = |who| {
        let lines: Vec<_> =
            stage.log.of(who).into_iter().filter(|line| !line.contains("data")).collect();
        lines.join(" · ")
    };
    let told = (told("server"), told("client"));
    drop(stage);
    told
}

/// The fingerprint that a client of this name is shown.
fn shown(server: &ServerTls, client: &ClientTls, name: &str) -> String {
    let (_, told) = meet(server, &client.to(name).expect("a name"));
    told.split(" · ").nth(1).unwrap_or(&told).to_owned()
}

#[test]
fn the_certificate_is_the_one_for_the_name_that_is_asked_for() {
    let keys = Keys::new();
    let (a, b) = (keys.identity("a.example"), keys.identity("*.b.example"));
    let server = ServerTls::builder(a.clone()).identity(b.clone()).build().expect("it is fine");
    let roots = ClientTls::new(keys.roots()).expect("it is fine");
    assert_eq!(shown(&server, &roots, "a.example"), a.fingerprint().to_string());
    assert_eq!(shown(&server, &roots, "a.example."), a.fingerprint().to_string());
    assert_eq!(shown(&server, &roots, "x.b.example"), b.fingerprint().to_string());
    // Nobody is here for that name: it is shown the first, and judges for itself.
    let pins = ClientTls::pinned(&[a.fingerprint()]).expect("it is fine");
    assert_eq!(shown(&server, &pins, "c.example"), a.fingerprint().to_string());
    assert_eq!(shown(&server, &pins, "127.0.0.1"), a.fingerprint().to_string());
    assert_eq!(server.fingerprints(), [a.fingerprint(), b.fingerprint()]);
}

#[test]
fn a_certificate_that_is_not_accepted_says_why_on_both_sides() {
    let (keys, others) = (Keys::new(), Keys::new());
    let old =
        keys.pem_with("a.example", |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let old = ServerTls::new(old.identity()).expect("it is fine");
    let pinned = ClientTls::pinned(&[Fingerprint::of(b"another")]).expect("it is fine");
    for (server, client, why, alert) in [
        (
            &keys.server("b.example"),
            keys.client(),
            "it is not for a.example, but for",
            "CertificateUnknown",
        ),
        (&others.server("a.example"), keys.client(), "nobody who is trusted", "UnknownCA"),
        (&old, keys.client(), "it has expired", "CertificateExpired"),
        (&keys.server("a.example"), pinned, "not the one expected", "CertificateUnknown"),
    ] {
        let (server, client) = meet(server, &client);
        let refused = "close the peer's certificate is not accepted: ";
        assert!(
            client.starts_with(refused) && client.to_lowercase().contains(&why.to_lowercase()),
            "{client}"
        );
        let told = server.starts_with("close the peer has given up on TLS: ");
        assert!(told, "{server} ({alert})");
    }
}

#[test]
fn a_pinned_certificate_is_accepted_whoever_vouches_for_it() {
    let keys = Keys::new();
    let identity = keys.identity("another.example");
    let server = ServerTls::new(identity.clone()).expect("it is fine");
    let client = ClientTls::pinned(&[Fingerprint::of(b""), identity.fingerprint()]);
    let (_, told) = meet(&server, &client.expect("it is fine").to("a.example").expect("a name"));
    assert_eq!(told, format!("open · {} · {CLOSED}", identity.fingerprint()));
}

#[test]
fn clients_show_certificates_where_they_are_asked_to() {
    let (keys, others) = (Keys::new(), Keys::new());
    let server = |clients| {
        let builder = ServerTls::builder(keys.identity("a.example"));
        builder.client_certificates(clients).build().expect("it is fine")
    };
    let with = |identity| {
        let client = ClientTls::builder(keys.roots()).identity(identity).build();
        client.and_then(|client| client.to("a.example")).expect("it is fine")
    };
    let (mine, strange) = (with(keys.identity("me.example")), with(others.identity("me.example")));
    let required = server(ClientCertificates::Required(keys.roots()));
    let optional = server(ClientCertificates::Optional(keys.roots()));
    let open = |shown: u8| format!("open · Some(\"a.example\") None {shown} · end · {PEER_CLOSED}");
    assert_eq!(meet(&required, &mine).0, open(1));
    assert_eq!(meet(&optional, &mine).0, open(1));
    assert_eq!(meet(&optional, &keys.client()).0, open(0));
    assert_eq!(meet(&server(ClientCertificates::None), &mine).0, open(0));
    for (server, client) in
        [(&required, &keys.client()), (&required, &strange), (&optional, &strange)]
    {
        let (server, client) = meet(server, client);
        assert!(server.starts_with("close the peer's certificate is not accepted"), "{server}");
        assert!(client.contains("close the peer has given up on TLS"), "{client}");
    }
}

#[test]
fn both_agree_on_a_protocol_or_on_none_at_all() {
    let keys = Keys::new();
    let server = ServerTls::builder(keys.identity("a.example"));
    let server = server.alpn(&["h2", "http/1.1"]).build().expect("it is fine");
    let client = |protocols: &[&str]| {
        let client = ClientTls::builder(keys.roots()).alpn(protocols).build();
        client.and_then(|client| client.to("a.example")).expect("it is fine")
    };
    let agreed = |told: &str| told.split(" · ").nth(1).map(str::to_owned);
    let (told, _) = meet(&server, &client(&["http/1.1", "h2"]));
    assert_eq!(agreed(&told).as_deref(), Some("Some(\"a.example\") Some(\"h2\") 0"));
    let (told, _) = meet(&server, &client(&[]));
    assert_eq!(agreed(&told).as_deref(), Some("Some(\"a.example\") None 0"));
    let (server, client) = meet(&server, &client(&["irc"]));
    assert!(server.starts_with("close TLS has nothing in common with the peer"), "{server}");
    assert!(client.starts_with("close the peer has given up on TLS"), "{client}");
}

#[test]
fn a_new_certificate_is_for_those_who_come_and_drops_nobody() {
    let keys = Keys::new();
    let mut stage = Stage::new();
    let tls = keys.server("a.example");
    let address = stage.listen_with(&with_tls(&tls), || echo("server"));
    let say = |config: Arc<ClientConfig>| {
        move || {
            let mut peer = rustls(address, &config);
            peer.write_all(b"x").expect("it is open");
            peer.read_exact(&mut [0]).expect("it answers");
            let shown = peer.conn.peer_certificates().expect("it is shown")[0].clone();
            (peer, Fingerprint::of(&shown))
        }
    };
    let before = stage.peer(say(keys.rustls()));
    let (mut peer, old) = stage.join(before);
    assert_eq!([old], *tls.fingerprints());
    tls.replace(&keys.server("a.example"));
    let after = stage.peer(say(keys.rustls()));
    let (mut newer, new) = stage.join(after);
    assert_eq!([new], *tls.fingerprints());
    assert_ne!(new, old);
    let going_on = stage.peer(move || {
        for peer in [&mut peer, &mut newer] {
            peer.write_all(b"y").expect("it is open");
            peer.read_exact(&mut [0]).expect("it answers");
            say_goodbye(peer);
        }
    });
    stage.join(going_on);
    stage.until(|log| log.ends.len() == 2);
}

#[test]
fn a_session_that_goes_on_brings_its_token() {
    let keys = Keys::new();
    let mut stage = Stage::new();
    let (tls, client) = (keys.server("a.example"), keys.client());
    let probe = || {
        Probe::new("server").on_open(|transport, log| {
            let tls = transport.tls().expect("it is there");
            log.note("server", format!("{} {:?}", tls.was_resumed(), tls.resumed_token()));
            transport.write(b"!");
        })
    };
    let with_token = stage.listen_with(&with_tls(&tls.with_token(b"7").with_tickets(1)), probe);
    let other = stage.listen_with(&with_tls(&tls.with_token(b"8").with_tickets(0)), probe);
    for (round, address) in [with_token, other, other].into_iter().enumerate() {
        let probe = Probe::new("client").on_data(|transport, input, _| {
            input.take_all();
            transport.close();
        });
        let options = to_tls(client.clone());
        stage.registry().connect_with(address.into(), &options, probe).expect("it begins");
        stage.until(|log| log.ends.len() == 2 * round + 2);
    }
    let told: Vec<_> =
        stage.log.of("server").into_iter().filter(|line| line.contains("e ")).collect();
    let told: Vec<_> = told.into_iter().filter(|line| !line.starts_with("close")).collect();
    // The second takes the one ticket of the first, and there is none for the third.
    assert_eq!(told, ["false None", "true Some([55])", "false None"]);
}

/// A server whose connections have a token each: it notes that of the session that goes on, and speaks.
fn listen_for_tokens(stage: &mut Stage, keys: &Keys) -> SocketAddr {
    let tls = keys.server("a.example").with_token(b"7");
    stage.listen_with(&with_tls(&tls), || {
        Probe::new("server").on_open(|transport, log| {
            let token = transport.tls().and_then(|tls| tls.resumed_token().map(<[u8]>::to_vec));
            log.note("server", format!("token {token:?}"));
            transport.write(b"!");
        })
    })
}

/// FTP's data connections are bound so, and many of its clients speak no newer one.
#[test]
fn a_session_brings_its_token_in_each_version() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let keys = Keys::new();
        let mut stage = Stage::new();
        let address = listen_for_tokens(&mut stage, &keys);
        let config = keys.rustls_of(&[version]);
        let peer = stage.peer(move || {
            for _ in 0..2 {
                let mut peer = rustls(address, &config);
                peer.read_exact(&mut [0]).expect("it speaks");
                say_goodbye(&mut peer);
            }
        });
        stage.join(peer);
        stage.until(|log| log.ends.len() == 2);
        let told = stage.log.of("server").into_iter().filter(|line| line.starts_with("token "));
        assert_eq!(told.collect::<Vec<_>>(), ["token None", "token Some([55])"], "{version:?}");
        drop(stage);
    }
}

#[test]
fn a_session_brings_its_token_though_something_broken_comes_behind_its_first_words() {
    let keys = Keys::new();
    let mut stage = Stage::new();
    let address = listen_for_tokens(&mut stage, &keys);
    let config = keys.rustls();
    let first = Arc::clone(&config);
    let peer = stage.peer(move || {
        let mut peer = rustls(address, &first);
        peer.read_exact(&mut [0]).expect("it speaks");
        say_goodbye(&mut peer);
    });
    stage.join(peer);
    stage.until(|log| log.ends.len() == 1);
    let mut peer = all_but_shaken(&mut stage, address, &config);
    let wire = [&wire_with(&mut peer, b"first"), BROKEN].concat();
    peer.sock.write_all(&wire).expect("it has room");
    stage.until(|log| log.ends.len() == 2);
    let told = stage.log.of("server").into_iter().filter(|line| line.starts_with("token "));
    assert_eq!(told.collect::<Vec<_>>(), ["token None", "token Some([55])"]);
}

/// FTP's data connections do, of those who are in while a certificate is replaced.
#[test]
fn a_session_goes_on_after_the_certificate_was_replaced_unless_clients_show_theirs() {
    let keys = Keys::new();
    let asking = || {
        let builder = ServerTls::builder(keys.identity("a.example"));
        let clients = ClientCertificates::Optional(keys.roots());
        builder.client_certificates(clients).build().expect("it is fine")
    };
    let plain = || keys.server("a.example");
    for (old, new, goes_on) in [
        (plain(), plain(), true),
        (asking(), plain(), false),
        (plain(), asking(), false),
        (asking(), asking(), false),
    ] {
        let mut stage = Stage::new();
        let server = stage.listen_with(&with_tls(&old), || {
            Probe::new("server").on_open(|transport, log| {
                let tls = transport.tls().expect("it is there");
                log.note("server", format!("resumed {}", tls.was_resumed()));
                transport.write(b"!");
            })
        });
        let client = keys.client();
        for round in 1..=2 {
            let probe = Probe::new("client").on_data(|transport, input, _| {
                input.take_all();
                transport.close();
            });
            let options = to_tls(client.clone());
            stage.registry().connect_with(server.into(), &options, probe).expect("it begins");
            stage.until(|log| log.ends.len() == 2 * round);
            old.replace(&new);
        }
        let told = stage.log.of("server").into_iter().filter(|line| line.starts_with("resumed "));
        let told: Vec<_> = told.map(|line| line == "resumed true").collect();
        assert_eq!(told, [false, goes_on]);
        drop(stage);
    }
}

/// However many there are: each asks for a ticket for the next (RFC 9149), though nobody gets one who does not.
#[test]
fn connections_of_one_conversation_go_on_with_its_session() {
    let keys = Keys::new();
    let mut stage = Stage::new();
    let tls = keys.server("a.example").with_token(b"1").with_tickets(0);
    let server = stage.listen_with(&with_tls(&tls), || {
        Probe::new("server").on_open(|transport, log| {
            let token = transport.tls().and_then(|tls| tls.resumed_token().map(<[u8]>::to_vec));
            log.note("server", format!("token {token:?}"));
            transport.write(b"!");
        })
    });
    let (one, other) = (keys.client().with_own_sessions(), keys.client().with_own_sessions());
    for (round, client) in [&one, &one, &one, &one, &one, &one, &other].into_iter().enumerate() {
        let probe = Probe::new("client").on_data(|transport, input, _| {
            input.take_all();
            transport.close();
        });
        let options = to_tls(client.clone());
        stage.registry().connect_with(server.into(), &options, probe).expect("it begins");
        stage.until(|log| log.ends.len() == 2 * round + 2);
    }
    let told = stage.log.of("server").into_iter().filter(|line| line.starts_with("token "));
    let (new, same) = ("token None", "token Some([49])");
    assert_eq!(told.collect::<Vec<_>>(), [new, same, same, same, same, same, new]);
}

#[test]
fn the_date_of_expiry_is_known() {
    let keys = Keys::new();
    let pem =
        keys.pem_with("a.example", |params| params.not_after = rcgen::date_time_ymd(2031, 7, 9));
    let soon = ServerTls::builder(keys.identity("b.example")).identity(pem.identity());
    let expires = SystemTime::UNIX_EPOCH + Duration::from_secs(1_941_321_600);
    assert_eq!(soon.build().expect("it is fine").expires(), Some(expires));
}

/// Of who vouches for it clients may know another certificate, which is good.
#[test]
fn a_certificate_is_as_good_as_its_own_date_says_and_not_as_one_behind_it() {
    let keys = Keys::new();
    let pem = |year| {
        keys.pem_with("a.example", |params| params.not_after = rcgen::date_time_ymd(year, 1, 1))
    };
    let (leaf, behind) = (pem(2031), pem(2020));
    let chain = leaf.certificate.clone() + &behind.certificate;
    let identity = Identity::from_pem(chain.as_bytes(), leaf.key.as_bytes());
    assert_eq!(identity.expect("it is fine").expires(), leaf.identity().expires());
    assert!(leaf.identity().expires() > behind.identity().expires());
}

#[test]
fn what_cannot_be_used_is_refused_when_it_is_loaded() {
    use reactor::tls::TlsError;
    let keys = Keys::new();
    let (pem, other) = (keys.pem("a.example"), keys.pem("b.example"));
    let load = |certificate: &str, key: &str| {
        Identity::from_pem(certificate.as_bytes(), key.as_bytes()).expect_err("it is wrong")
    };
    assert!(matches!(load("", &pem.key), TlsError::NoCertificate(_)));
    assert!(matches!(load(&pem.certificate, &pem.certificate), TlsError::NoKey(_)));
    let error = load(&pem.certificate, &other.key).to_string();
    assert_eq!(error, "the certificate and its key cannot be used: they do not go together");
    for sealed in [
        "BEGIN ENCRYPTED PRIVATE KEY-----\n",
        "BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n",
    ] {
        let error = load(&pem.certificate, &format!("-----{sealed}MAA=\n")).to_string();
        assert!(error.contains("the key in the text is encrypted"), "{error}");
    }
    let plain = format!("# The UNENCRYPTED key of a.example\n{}", pem.key);
    Identity::from_pem(pem.certificate.as_bytes(), plain.as_bytes()).expect("it is not encrypted");
    let cut = &pem.certificate[..200];
    assert!(matches!(load(cut, &pem.key), TlsError::Pem(..) | TlsError::NoCertificate(_)));
    let missing = ServerTls::from_files("/nowhere/a.pem", "/nowhere/b.pem");
    assert!(matches!(missing, Err(TlsError::Read { .. })));
    let name = keys.client().to("no name");
    assert!(matches!(name, Err(TlsError::Name(_))));
}
