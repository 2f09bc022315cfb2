//! TLS of the programs, run as a person runs them.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::outside;
use crate::support::{
    CHAT, PATIENCE, PROXY, Program, RPC, Server, WEB, answers_once, echo, listener, noise, run,
    write_certificate,
};
use rustix::process::Signal;
use tempfile::TempDir;

/// `echo serve` with a certificate: the program, its address, and the fingerprint.
fn serve(words: &[&str]) -> (Server, String, String) {
    let (server, mut addresses) = Program::serve(&[&["--listen", "127.0.0.1:0"], words].concat());
    let fingerprint = fingerprint(&server.line());
    (server, addresses.swap_remove(0), fingerprint)
}

fn fingerprint(line: &str) -> String {
    let (_, certificate) = line.split_once("certificate ").expect("it tells its certificate");
    certificate.split(',').next().expect("there is always one").to_owned()
}

/// A program that listens by what it is told, and says where in its first line, behind `before`.
fn listening(program: &str, words: &[&str], before: &str) -> (Program, String, String) {
    let program = Program::start(program, words);
    let line = program.line();
    let address = line.split_once(before).map(|(_, rest)| rest.trim_end_matches('/').to_owned());
    let fingerprint = fingerprint(&program.line());
    (program, address.expect("it says where it listens"), fingerprint)
}

/// Writes a new certificate for this machine; its path, and that of its key.
fn certify(folder: &TempDir) -> (String, String) {
    write_certificate(folder, &["localhost", "127.0.0.1"])
}

#[test]
fn what_is_said_to_a_server_that_is_known_by_its_fingerprint_comes_back() {
    let (_server, address, fingerprint) = serve(&["--tls-self-signed"]);
    let said = noise(300_000);
    let ended = echo(&["send", &address, "--tls-pin", &fingerprint], &said);
    assert_eq!((ended.code, ended.output == said), (Some(0), true), "{}", ended.errors);
    let ended = echo(&["ping", &address, "--tls-pin", &fingerprint, "--count", "10"], b"");
    assert!(ended.text().starts_with("10 sent, 10 returned, 0 lost"), "{ended:?}");
}

#[test]
fn a_server_that_nobody_vouches_for_is_refused() {
    let (_server, address, _) = serve(&["--tls-self-signed"]);
    let folder = tempfile::tempdir().expect("there is room");
    let (other, _) = certify(&folder);
    echo(&["send", &address, "--tls-ca", &other, "hello"], b"")
        .with_code(1)
        .complains("the peer's certificate is not accepted");
    // Neither does a client without TLS hear anything.
    let ended = echo(&["send", &address, "hello"], b"");
    assert_eq!((ended.code, ended.text().contains("hello")), (Some(1), false), "{ended:?}");
}

#[test]
fn a_new_certificate_is_taken_at_a_hangup_and_a_bad_one_is_not() {
    let folder = tempfile::tempdir().expect("there is room");
    let (certificate, key) = certify(&folder);
    let (server, address, old) = serve(&["--tls", &certificate, &key]);
    // Whoever signs for itself is its own authority.
    let ask = || echo(&["send", &address, "--tls-ca", &certificate, "hello"], b"");
    assert_eq!(ask().text(), "hello");
    certify(&folder);
    let new = fingerprint(&server.signal(Signal::HUP).error_with("read anew"));
    assert_ne!(new, old);
    assert_eq!(ask().text(), "hello");
    fs::write(&key, "no key").expect("there is room");
    server.signal(Signal::HUP).error_with("the certificate stays as it was");
    assert_eq!(ask().text(), "hello");
}

/// Each client verifies it by the one that it knows.
#[test]
fn a_server_with_several_certificates_shows_the_one_that_is_asked_for() {
    let folders = ["one.test", "two.test"].map(|name| {
        let folder = tempfile::tempdir().expect("there is room");
        let (certificate, key) = write_certificate(&folder, &[name]);
        (name, folder, certificate, key)
    });
    let words = folders.each_ref().map(|(_, _, certificate, key)| ["--tls", certificate, key]);
    let (server, address, first) = serve(words.as_flattened());
    let ask = |name, certificate| {
        echo(&["send", &address, "--tls-ca", certificate, "--tls-name", name, "hello"], b"")
    };
    for (name, _, certificate, _) in &folders {
        assert_eq!(ask(name, certificate).text(), "hello", "{name}");
    }
    // Who asks for neither is shown the first.
    assert_eq!(echo(&["send", &address, "--tls-pin", &first, "hello"], b"").text(), "hello");
    let (name, folder, certificate, _) = &folders[1];
    write_certificate(folder, &[name]);
    server.signal(Signal::HUP).error_with("read anew");
    assert_eq!(ask(name, certificate).text(), "hello");
}

/// Puts one in the place of what [`certify`] has written that was good until 2001.
fn certify_expired(folder: &TempDir) {
    let key = rcgen::KeyPair::generate().expect("there is randomness");
    let mut about = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("it is a name");
    about.not_after = rcgen::date_time_ymd(2001, 2, 3);
    let made = about.self_signed(&key).expect("it signs");
    fs::write(folder.path().join("cert.pem"), made.pem()).expect("there is room");
    fs::write(folder.path().join("key.pem"), key.serialize_pem()).expect("there is room");
}

#[test]
fn a_certificate_that_has_expired_takes_no_good_ones_place_at_a_hangup() {
    let folder = tempfile::tempdir().expect("there is room");
    let (certificate, key) = certify(&folder);
    let (server, address, good) = serve(&["--tls", &certificate, &key]);
    certify_expired(&folder);
    let told = server.signal(Signal::HUP).error_with("the certificate stays as it was");
    assert!(told.contains("EXPIRED on 2001-02-0"), "{told}");
    let ended = echo(&["send", &address, "--tls-pin", &good, "hello"], b"");
    assert_eq!(ended.text(), "hello", "{ended:?}");
    server.stop();
    // Where nothing is lost, it is taken.
    let (server, _, bad) = serve(&["--tls", &certificate, &key]);
    certify_expired(&folder);
    let new = server.signal(Signal::HUP).error_with("read anew");
    assert!(!new.contains(&bad) && new.contains("EXPIRED"), "{new}");
}

#[test]
fn a_certificate_that_cannot_be_used_is_told_before_anything_begins() {
    echo(&["serve", "--tls", "/nowhere/cert.pem", "/nowhere/key.pem"], b"")
        .with_code(1)
        .complains("cannot read /nowhere/cert.pem");
    let ended =
        run(CHAT, &["serve", "--tls-listen", "127.0.0.1:0", "--listen", "127.0.0.1:0"], b"");
    ended.complains("--tls-listen wants a certificate");
    let ended = echo(&["send", "udp:127.0.0.1:7", "--tls", "hello"], b"");
    ended.complains("TLS is not spoken over UDP");
}

#[test]
fn two_people_talk_over_tls_and_without() {
    let words =
        ["serve", "--listen", "127.0.0.1:0", "--tls-self-signed", "--tls-listen", "127.0.0.1:0"];
    let server = Program::start(CHAT, &words);
    let plain = server.line().replace("listening on ", "");
    let secure = server.line().replace("listening with TLS on ", "");
    let fingerprint = fingerprint(&server.line());
    let ann =
        ["connect", &secure, "--tls-pin", &fingerprint, "--nick", "ann", "--channel", "#room"];
    let mut ann = Program::start(CHAT, &ann);
    let stdin = ann.stdin();
    while !ann.line().starts_with("-- #room: @ann") {}
    run(CHAT, &["connect", &plain, "--nick", "bob", "--channel", "#room"], b"hello ann\n")
        .with_code(0);
    while ann.line() != "#room <bob> hello ann" {}
    drop(stdin);
    assert_eq!(ann.ended().code, Some(0));
    server.stop();
}

#[test]
fn a_proxy_takes_tls_off_and_puts_it_on() {
    let (_server, backend, behind) = serve(&["--tls-self-signed"]);
    let (_, port) = backend.rsplit_once(':').expect("it has a port");
    let words = ["--listen", "127.0.0.1:0", "--tls-self-signed", "--backend-pin", &behind];
    let named = format!("localhost:{port}");
    let (proxy, address, fingerprint) =
        listening(PROXY, &[&words[..], &[&named]].concat(), "listening on tcp ");
    let said = noise(3_000_000);
    let ended = echo(&["send", &address, "--tls-pin", &fingerprint], &said);
    assert_eq!((ended.code, ended.output == said), (Some(0), true), "{}", ended.errors);

    // A backend that is not whom it should be is no backend, and whoever comes is told by a reset.
    let words = ["--listen", "127.0.0.1:0", "--tls-self-signed", "--backend-pin", &fingerprint];
    let (strict, address, fingerprint) =
        listening(PROXY, &[&words[..], &[&named]].concat(), "listening on tcp ");
    let ended = echo(&["send", &address, "--tls-pin", &fingerprint, "hello"], b"");
    assert_eq!((ended.code, ended.output.len()), (Some(1), 0), "{ended:?}");
    assert!(strict.stop().contains("0 connections (0 open, 0 cut short), 1 failed"));
    proxy.stop();
}

// ── the web ─────────────────────────────────────────────────────────────────────────────────────

/// A folder with a certificate that is its own authority, and a file to be fetched.
fn site() -> (TempDir, String, String) {
    let folder = tempfile::tempdir().expect("there is room");
    fs::write(folder.path().join("large"), noise(2_000_000)).expect("there is room");
    let (certificate, key) = certify(&folder);
    (folder, certificate, key)
}

#[test]
fn web_serves_and_fetches_over_https_by_name() {
    let (folder, certificate, key) = site();
    let words = ["serve", &folder.path().to_string_lossy(), "--listen", "127.0.0.1:0"];
    let words = [&words[..], &["--tls", &certificate, &key]].concat();
    let (server, address, pin) = listening(WEB, &words, "https://");
    let (_, port) = address.rsplit_once(':').expect("it has a port");
    let get = |more: &[&str]| {
        let url = format!("https://localhost:{port}/large");
        run(WEB, &[&["get", &url, "-o", "-"], more].concat(), b"")
    };
    for trust in [["--tls-ca", &certificate], ["--tls-pin", &pin]] {
        let ended = get(&trust);
        assert_eq!((ended.code, ended.output == noise(2_000_000)), (Some(0), true), "{ended:?}");
    }
    // As curl has it.
    let stranger = "00".repeat(32);
    let ended = get(&["--tls-pin", &stranger]);
    assert_eq!((ended.code, ended.output.len()), (Some(60), 0), "{}", ended.errors);
    let ended = get(&["--tls-ca", &certificate, "--tls-name", "b.example"]);
    assert_eq!((ended.code, ended.output.len()), (Some(60), 0), "{}", ended.errors);
    get(&["--tls-ca", "/nowhere"]).with_code(77);
    let plain = format!("http://localhost:{port}/large");
    let ended = run(WEB, &["get", &plain, "-o", "-"], b"");
    assert!(matches!(ended.code, Some(8 | 52 | 56)), "{ended:?}");
    server.stop();
}

#[test]
fn a_web_proxy_takes_tls_off_and_puts_it_on() {
    let (folder, certificate, key) = site();
    let words = ["serve", &folder.path().to_string_lossy(), "--listen", "127.0.0.1:0"];
    let words = [&words[..], &["--tls", &certificate, &key]].concat();
    let (server, behind, pin) = listening(WEB, &words, "https://");
    let to = format!("https://{behind}");
    let proxy = |trust: &str| {
        let words = ["proxy", "--to", &to, "--backend-pin", trust, "--tls-self-signed"];
        listening(WEB, &[&words[..], &["--listen", "127.0.0.1:0"]].concat(), "https://")
    };
    let (front, address, own) = proxy(&pin);
    let url = format!("https://{address}/large");
    let ended = run(WEB, &["get", &url, "-o", "-", "--tls-pin", &own], b"");
    assert_eq!((ended.code, ended.output == noise(2_000_000)), (Some(0), true), "{ended:?}");
    front.stop();
    // One that is not who it should be is nobody.
    let (front, address, own) = proxy(&"00".repeat(32));
    let url = format!("https://{address}/large");
    run(WEB, &["get", &url, "-o", "-", "--tls-pin", &own], b"").with_code(22).complains("502");
    assert!(front.error_line().contains("certificate"));
    front.stop();
    server.stop();
}

/// What a proxy does once there is a way: all bytes, both ways, to their end.
fn pass_on(mut client: TcpStream, to: &str) {
    let mut server = TcpStream::connect(to).expect("it listens");
    let mut up = (client.try_clone().expect("a"), server.try_clone().expect("b"));
    let pump = std::thread::spawn(move || {
        let _ = std::io::copy(&mut up.0, &mut up.1);
        let _ = up.1.shutdown(Shutdown::Write);
    });
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Write);
    let _ = pump.join();
}

#[test]
fn web_fetches_over_https_through_a_proxy() {
    let (folder, certificate, key) = site();
    let words = ["serve", &folder.path().to_string_lossy(), "--listen", "127.0.0.1:0"];
    let words = [&words[..], &["--tls", &certificate, &key]].concat();
    let (server, address, _) = listening(WEB, &words, "https://");
    let (_, port) = address.rsplit_once(':').expect("it has a port");
    let behind = address.clone();
    let (proxy, heard) = answers_once(move |mut client, _| {
        client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").expect("it reads");
        pass_on(client, &behind);
    });
    let url = format!("https://localhost:{port}/large");
    let words = ["get", &url, "-o", "-", "--tls-ca", &certificate, "--proxy", &proxy];
    let ended = run(WEB, &words, b"");
    assert_eq!((ended.code, ended.output == noise(2_000_000)), (Some(0), true), "{ended:?}");
    // TLS goes through a SOCKS proxy as it does through CONNECT.
    let (listener, socks) = listener();
    let behind = address.clone();
    let way = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("somebody connects");
        client.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
        client.read_exact(&mut [0; 3]).expect("a greeting");
        client.write_all(b"\x05\0").expect("it reads");
        let mut asked = [0; 5 + 9 + 2];
        client.read_exact(&mut asked).expect("a request");
        client.write_all(b"\x05\0\0\x01\0\0\0\0\0\0").expect("it reads");
        pass_on(client, &behind);
        asked
    });
    let socks = format!("socks5h://{socks}");
    let words = ["get", &url, "-o", "-", "--tls-ca", &certificate, "--proxy", &socks];
    let ended = run(WEB, &words, b"");
    assert_eq!((ended.code, ended.output == noise(2_000_000)), (Some(0), true), "{ended:?}");
    assert!(way.join().expect("it ends").starts_with(b"\x05\x01\0\x03\x09localhost"));
    server.stop();
    let heard = heard.join().expect("it ends");
    let host = format!("localhost:{port}");
    assert_eq!(heard, format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    // One that lets nobody through is told of, and nobody else is asked.
    let (proxy, _) = answers_once(|mut client, _| {
        client.write_all(b"HTTP/1.1 407 Who?\r\nContent-Length: 0\r\n\r\n").expect("it reads");
    });
    let words = ["get", &url, "-o", "-", "--tls-ca", &certificate, "--proxy", &proxy];
    run(WEB, &words, b"").with_code(56).complains("the proxy says 407");
    let (proxy, _) = answers_once(|_, _| {});
    let words = ["get", &url, "-o", "-", "--tls-ca", &certificate, "--proxy", &proxy];
    run(WEB, &words, b"").with_code(56).complains("the proxy opens no way");
}

#[test]
fn curl_fetches_over_https() {
    let (folder, certificate, key) = site();
    let words = ["serve", &folder.path().to_string_lossy(), "--listen", "127.0.0.1:0"];
    let words = [&words[..], &["--tls", &certificate, &key]].concat();
    let (server, address, _) = listening(WEB, &words, "https://");
    let Some(curl) = outside::program("curl") else { return };
    let (_, port) = address.rsplit_once(':').expect("it has a port");
    let url = format!("https://localhost:{port}/large");
    let words = ["-sS", "--cacert", &certificate, "-w", "%{stderr}%{http_version}", &url];
    let ended = run(curl, &words, b"");
    assert_eq!((ended.code, ended.output == noise(2_000_000)), (Some(0), true), "{ended:?}");
    assert_eq!(ended.errors, "1.1");
    server.stop();
}

#[test]
fn messages_go_over_wss_and_come_back() {
    let words = ["echo", "--listen", "127.0.0.1:0", "--tls-self-signed"];
    let (server, address, pin) = listening(WEB, &words, "https://");
    let (_, port) = address.rsplit_once(':').expect("it has a port");
    let url = format!("wss://localhost:{port}/");
    let ended = run(WEB, &["socket", &url, "--tls-pin", &pin], b"hello\nworld\n");
    assert_eq!((ended.code, ended.text().as_str()), (Some(0), "hello\nworld"), "{ended:?}");
    let plain = format!("ws://localhost:{port}/");
    run(WEB, &["socket", &plain, "--tls-pin", &pin], b"").with_code(1).complains("wss://");
    server.stop();
}

#[test]
fn methods_are_called_over_tls_whatever_carries_the_calls() {
    let server = Program::start(
        RPC,
        &["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--tls-self-signed"],
    );
    let stream = server.told("listening on ");
    let web = server.told("listening on ");
    let (http, socket) = web.split_once(" and ").expect("there are two");
    let pin = fingerprint(&server.line());
    assert!(stream.starts_with("tls://") && http.starts_with("https://"), "{stream}, {web}");
    for place in [&stream, http, socket] {
        let named = place.replace("127.0.0.1", "localhost");
        let ended = run(RPC, &["call", &named, "subtract", "42", "23", "--tls-pin", &pin], b"");
        assert_eq!((ended.code, ended.text().trim()), (Some(0), "19"), "{named}: {ended:?}");
    }
    let stranger = "00".repeat(32);
    run(RPC, &["call", &stream, "subtract", "1", "1", "--tls-pin", &stranger], b"")
        .with_code(1)
        .complains("certificate");
    server.stop();
}
