//! The program `proxy`, as a person meets it, between the clients and servers that people have.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::thread;

use crate::outside::program;
use crate::support::{self, PROXY, Program, connect, is_ended_by_peer, listener, noise, run};
use rustix::process::Signal;

/// Does not fit into the buffers of sockets.
const LARGE: usize = 4_000_000;

/// A proxy on a free port, and where it listens.
#[track_caller]
fn proxy(arguments: &[&str]) -> (Program, String) {
    let proxy = Program::start(PROXY, &[&["--listen", "127.0.0.1:0"], arguments].concat());
    let address = proxy.told("listening on tcp ");
    (proxy, address)
}

/// A port at which nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    listener.local_addr().expect("it is bound").to_string()
}

/// A server that says its name to everybody who comes, and hears them out.
fn named(name: &'static str) -> String {
    let (listener, address) = listener();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("it comes");
            let _ = stream.read_to_end(&mut Vec::new());
            let _ = stream.write_all(name.as_bytes());
        }
    });
    address
}

/// What a server says to somebody who says nothing.
fn heard(address: &str) -> String {
    let mut client = connect(address);
    client.shutdown(Shutdown::Write).expect("it is connected");
    let mut text = String::new();
    client.read_to_string(&mut text).expect("it says goodbye");
    text
}

// ── the command line ────────────────────────────────────────────────────────────────────────────

#[test]
fn a_command_line_that_makes_no_sense_says_why() {
    for (words, why) in [
        (&["udp:127.0.0.1:7"][..], "not spoken over UDP"),
        (&["127.0.0.1:0"], "port 0"),
        (&["127.0.0.1:7", "--idle", "0"], "no time at all"),
        (&["127.0.0.1:7", "--connect-timeout", "0"], "no time at all"),
        (&["127.0.0.1:7", "--max-connections", "0"], "2 or more"),
        (&["127.0.0.1:7", "--listen", "udp:127.0.0.1:0"], "not spoken over UDP"),
    ] {
        run(PROXY, words, b"").with_code(2).complains(why);
    }
}

// ── what passes ─────────────────────────────────────────────────────────────────────────────────

#[test]
fn with_several_loops_the_counters_of_all_are_summed() {
    let (one, two) = (named("one"), named("two"));
    let (proxy, address) = proxy(&["--loops", "2", &one, &two]);
    let all: Vec<String> = (0..8).map(|_| heard(&address)).collect();
    assert!(all.iter().all(|name| name == "one" || name == "two"), "{all:?}");
    // The loops may have yet to hear of the last end.
    let counted = |name: &str, backend: &str| {
        let count = all.iter().filter(|heard| *heard == name).count();
        let bytes = 3 * count;
        format!(
            "{backend}: {count} connections (0 open, 0 cut short), 0 failed; 0 bytes to it, {bytes} from it"
        )
    };
    let expected = [counted("one", &one), counted("two", &two)];
    let deadline = std::time::Instant::now() + support::PATIENCE;
    loop {
        assert_eq!(proxy.signal(Signal::USR1).line(), "8 clients, 0 of them refused");
        let lines = [proxy.line(), proxy.line()];
        if lines == expected {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{lines:?} and not {expected:?}");
    }
    assert!(proxy.stop().contains("8 clients, 0 of them refused"));
}

#[test]
fn each_backend_has_its_turn_and_the_counters_say_so() {
    let (one, two) = (named("one"), named("two"));
    let (proxy, address) = proxy(&[&one, &two]);
    let all: Vec<String> = (0..4).map(|_| heard(&address)).collect();
    assert_eq!(all, ["one", "two", "one", "two"]);
    assert_eq!(proxy.signal(Signal::USR1).line(), "4 clients, 0 of them refused");
    let counted = "2 connections (0 open, 0 cut short), 0 failed; 0 bytes to it, 6 from it";
    assert_eq!(proxy.line(), format!("{one}: {counted}"));
    assert_eq!(proxy.line(), format!("{two}: {counted}"));
    assert!(proxy.stop().ends_with(&format!("{two}: {counted}")));
}

#[test]
fn a_backend_that_is_down_is_skipped_and_its_client_given_to_the_next() {
    let (down, up) = (nobody(), named("up"));
    let (proxy, address) = proxy(&[&down, &up]);
    let all: Vec<String> = (0..3).map(|_| heard(&address)).collect();
    assert_eq!(all, ["up"; 3]);
    let report = proxy.stop();
    assert!(report.contains("3 clients, 0 of them refused"), "{report}");
    assert!(
        report.contains(&format!("{down}: 0 connections (0 open, 0 cut short), 1 failed")),
        "{report}"
    );
}

#[test]
fn with_every_backend_down_a_client_is_turned_away() {
    let (first, second) = (nobody(), nobody());
    let (proxy, address) = proxy(&[&first, &second]);
    assert!(is_ended_by_peer(&connect(&address)));
    let report = proxy.stop();
    assert!(report.contains("1 clients, 1 of them refused"), "{report}");
}

#[test]
fn unix_sockets_on_both_sides() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
    let (front, back) = (path("front"), path("back"));
    let listener = UnixListener::bind(&back).expect("the directory is ours");
    let echo = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("it comes");
        let mut all = Vec::new();
        stream.read_to_end(&mut all).expect("it ends");
        stream.write_all(&all).expect("it is read");
    });
    let (place, behind) = (format!("unix:{front}"), format!("unix:{back}"));
    let proxy = Program::start(PROXY, &["--listen", &place, &behind]);
    assert_eq!(proxy.line(), format!("listening on {place}"));
    let mut client = std::os::unix::net::UnixStream::connect(&front).expect("it listens");
    let said = noise(LARGE);
    client.write_all(&said).expect("it is read");
    client.shutdown(Shutdown::Write).expect("it is connected");
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).expect("it ends");
    assert!(heard == said, "{} bytes came back", heard.len());
    echo.join().expect("it has echoed");
    let report = proxy.stop();
    assert!(report.contains(&format!("{LARGE} bytes to it, {LARGE} from it")), "{report}");
    assert!(!std::fs::exists(&front).expect("the directory is ours"), "the socket file is left");
}

#[test]
fn sigterm_lets_who_is_in_finish_and_takes_nobody_new() {
    let backend = named("at last");
    let (proxy, address) = proxy(&[&backend]);
    let mut client = connect(&address);
    client.write_all(b"hello").expect("it is open");
    // It is counted once it is coupled.
    loop {
        proxy.signal(Signal::USR1).line();
        if proxy.line().contains("1 open") {
            break;
        }
    }
    proxy.signal(Signal::TERM);
    assert_eq!(
        proxy.error_line(),
        "waiting up to 30s for 2 connections; Ctrl-C again stops at once"
    );
    while TcpStream::connect(&address).is_ok() {
        thread::yield_now();
    }
    client.shutdown(Shutdown::Write).expect("it is still connected");
    let mut text = String::new();
    client.read_to_string(&mut text).expect("it says goodbye");
    assert_eq!(text, "at last");
    let ended = proxy.ended().with_code(0);
    assert!(ended.text().contains("2 connections finished, 0 were cut off"), "{}", ended.text());
}

/// A reader that has stopped costs the proxy no memory, however much is said to it.
#[cfg(target_os = "linux")]
#[test]
fn memory_is_flat_with_readers_that_stall() {
    const READERS: usize = 20;
    let (listener, backend) = listener();
    let (proxy, address) = proxy(&[&backend]);
    let (before, _) = proxy.memory();
    let mut talks = Vec::new();
    for _ in 0..READERS {
        let mut client = connect(&address);
        let (stalled, _) = listener.accept().expect("the proxy comes");
        client.set_write_timeout(Some(std::time::Duration::from_millis(200))).expect("not zero");
        while client.write(&[b'x'; 1 << 16]).is_ok() {}
        talks.push((client, stalled));
    }
    let (_, most) = proxy.memory();
    let grown = most.saturating_sub(before);
    assert!(grown < READERS as u64 * 256 * 1024, "{grown} bytes for {READERS} stalled readers");
}

// ── the programs people have ────────────────────────────────────────────────────────────────────

#[test]
fn netcat_and_socat_get_back_what_they_sent_through_two_proxies() {
    let (_server, addresses) = Program::serve(&["--listen", "127.0.0.1:0"]);
    let (inner, between) = proxy(&[&addresses[0]]);
    let (outer, address) = proxy(&[&between]);
    let (host, port) = address.rsplit_once(':').expect("a port");
    let said = noise(LARGE);
    if let Some(nc) = program("nc") {
        let ended = run(nc, &["-N", host, port], &said).with_code(0);
        assert!(ended.output == said, "nc printed something else");
    }
    if let Some(socat) = program("socat") {
        let ended = run(socat, &["-t", "20", "-", &format!("TCP:{address}")], &said).with_code(0);
        assert!(ended.output == said, "socat printed something else");
    }
    for program in [outer, inner] {
        program.stop();
    }
}

#[test]
fn curl_asks_a_web_server_through_it() {
    let (Some(curl), Some(python)) = (program("curl"), program("python3")) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let page = noise(LARGE);
    std::fs::write(directory.path().join("page"), &page).expect("the directory is ours");
    let place = directory.path().to_str().expect("UTF-8");
    let words = ["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", place];
    let server = Program::start(python, &words);
    let line = server.line();
    let port = line.split(' ').nth(5).expect("Serving HTTP on 127.0.0.1 port N");
    let (proxy, address) = proxy(&[&format!("127.0.0.1:{port}")]);
    let ended = run(curl, &["-sS", "--max-time", "20", &format!("http://{address}/page")], b"");
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(ended.output == page, "curl printed something else");
    proxy.stop();
    server.interrupt();
}

#[test]
fn a_backend_that_is_down_is_told_of_and_so_is_that_it_is_back() {
    let (listener, address) = listener();
    drop(listener);
    let (proxy, front) = proxy(&["--rest", "0.1", &address]);
    for _ in 0..2 {
        // Whoever it has nobody for is reset.
        let _ = connect(&front).read(&mut [0]);
    }
    proxy.error_with(&format!("proxy: {address}: could not connect: "));
    proxy.error_with("proxy: no backend can be reached");
    let back = TcpListener::bind(&address).expect("it is free again");
    let client = connect(&front);
    proxy.error_with(&format!("proxy: {address} answers again"));
    drop((client, back));
    proxy.stop();
}

#[test]
fn a_backend_is_told_who_the_client_is() {
    for (version, length) in [("v1", None), ("v2", Some(28))] {
        let (backend, at) = listener();
        let (proxy, address) = proxy(&["--send-proxy", version, &at]);
        let mut client = connect(&address);
        client.write_all(b"hello").expect("it is connected");
        client.shutdown(Shutdown::Write).expect("it is connected");
        let (mut stream, _) = backend.accept().expect("the proxy comes");
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).expect("all of it");
        let (from, to) = (client.local_addr().expect("an address").port(), &address[10..]);
        let line = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {from} {to}\r\n");
        let header = heard.strip_suffix(b"hello").expect("what the client said comes behind it");
        match length {
            None => assert_eq!(header, line.as_bytes()),
            Some(length) => {
                assert_eq!(header.len(), length);
                assert!(header.starts_with(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"));
                assert_eq!(header[24..26], from.to_be_bytes());
            }
        }
        drop((stream, client));
        proxy.stop();
    }
}

// ── behind a proxy ──────────────────────────────────────────────────────────────────────────────

/// A backend that takes one connection, and what it hears, to its end.
fn hears_one() -> (String, thread::JoinHandle<Vec<u8>>) {
    let (backend, at) = listener();
    let hears = thread::spawn(move || {
        let (mut stream, _) = backend.accept().expect("somebody comes");
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).expect("all of it");
        heard
    });
    (at, hears)
}

/// The header that a proxy behind others sends on says whom it has believed.
fn says_who(heard: &[u8]) -> String {
    let heard = String::from_utf8_lossy(heard);
    heard.split("\r\n").next().unwrap_or_default().to_owned()
}

#[test]
fn who_is_said_to_be_the_client_by_a_trusted_proxy_is_the_client() {
    for (version, trusted, is_believed) in
        [("v1", "127.0.0.0/8", true), ("v2", "127.0.0.1", true), ("v1", "192.0.2.0/24", false)]
    {
        let (backend, hears) = hears_one();
        let (inner, within) =
            proxy(&["--accept-proxy", trusted, "--send-proxy", "v1", "--loops", "2", &backend]);
        let (outer, address) = proxy(&["--send-proxy", version, &within]);
        let mut client = connect(&address);
        let from = client.local_addr().expect("an address").port();
        client.write_all(b"hello").expect("it is connected");
        client.shutdown(Shutdown::Write).expect("it is connected");
        let heard = hears.join().expect("no panic");
        let front = &address["127.0.0.1:".len()..];
        let line = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {from} ");
        assert_eq!(says_who(&heard).starts_with(&line), is_believed, "{heard:?}");
        // What is not believed is what it is: bytes for the backend.
        let own = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {from} {front}\r\nhello");
        assert_eq!(heard.ends_with(own.as_bytes()), !is_believed, "{heard:?}");
        assert!(heard.ends_with(b"hello"), "{heard:?}");
        drop(client);
        outer.stop();
        inner.stop();
    }
}

/// The header comes before TLS, which is between the client and the server alone.
#[test]
fn tls_begins_behind_the_header() {
    let (server, _) = Program::serve(&["--tls-self-signed", "--accept-proxy", "127.0.0.1"]);
    let listening = server.line();
    let within = listening.strip_prefix("listening on tcp ").expect("it listens").to_owned();
    server.line();
    let certificate = server.line();
    let pin = certificate.split_whitespace().find(|word| word.len() > 60);
    let pin =
        pin.unwrap_or_else(|| panic!("no fingerprint: {certificate}")).trim_matches([',', ';']);
    let (outer, address) = proxy(&["--send-proxy", "v2", &within]);
    let ended = support::echo(&["send", &address, "--tls-pin", pin, "hello"], b"");
    assert_eq!((ended.code, ended.text().as_str()), (Some(0), "hello"), "{ended:?}");
    outer.stop();
    // Or between the proxy and the server, of which the first here speaks none, and is as good as not reached.
    let (plain, places) = Program::serve(&["--listen", "127.0.0.1:0"]);
    let words = ["--send-proxy", "v2", "--backend-pin", pin, &places[0], &within];
    let (outer, address) = proxy(&words);
    for _ in 0..2 {
        let ended = support::echo(&["send", &address, "hello"], b"");
        assert_eq!((ended.code, ended.text().as_str()), (Some(0), "hello"), "{ended:?}");
    }
    outer.stop();
    plain.stop();
}

/// It is as good as not reached, and would keep its client waiting.
#[test]
fn a_backend_that_no_certificate_can_be_for_is_skipped() {
    let directory = tempfile::tempdir().expect("a directory");
    let (certificate, key) = support::write_certificate(&directory, &["127.0.0.1"]);
    let words = ["--listen", "127.0.0.1:0", "--tls", &certificate, &key];
    let (_server, places) =
        Program::serve(&[&words[..], &["--accept-proxy", "127.0.0.1"]].concat());
    let path = directory.path().join("back");
    let _nameless = UnixListener::bind(&path).expect("the directory is ours");
    let nameless = format!("unix:{}", path.to_str().expect("UTF-8"));
    let words = ["--send-proxy", "v2", "--backend-ca", &certificate, &nameless, &places[0]];
    let (proxy, address) = proxy(&words);
    for _ in 0..2 {
        let ended = support::echo(&["send", &address, "hello"], b"");
        assert_eq!((ended.code, ended.text().as_str()), (Some(0), "hello"), "{ended:?}");
    }
    proxy.error_with("cannot speak TLS: there is no name");
    proxy.stop();
}

/// HAProxy wrote the protocol down; curl plays a proxy.
#[test]
fn the_headers_of_other_programs_are_understood() {
    if program("curl").is_some() {
        let tree = tempfile::tempdir().expect("a directory");
        std::fs::write(tree.path().join("file"), "it is here").expect("it is written");
        let root = tree.path().to_str().expect("it is a word");
        let web = env!("CARGO_BIN_EXE_web");
        let words = ["serve", root, "--listen", "127.0.0.1:0", "--accept-proxy", "127.0.0.0/8"];
        let server = Program::start(web, &words);
        let url = format!("{}file", server.line());
        let got = run("curl", &["-sS", "--haproxy-protocol", &url, &url], b"");
        assert_eq!(got.text(), "it is hereit is here", "{got:?}");
        // One that does not play by it is told nothing.
        let without = run("curl", &["-sS", &url], b"");
        assert!(without.code != Some(0) && without.output.is_empty(), "{without:?}");
        server.stop();
    }
    if program("haproxy").is_some() {
        for version in ["send-proxy", "send-proxy-v2", "send-proxy-v2-ssl-cn"] {
            through_haproxy(version);
        }
    }
}

fn through_haproxy(version: &str) {
    let (backend, hears) = hears_one();
    let (inner, within) = proxy(&["--accept-proxy", "127.0.0.1", "--send-proxy", "v1", &backend]);
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = port.expect("a free port").to_string();
    let scratch = tempfile::tempdir().expect("a directory");
    let file = scratch.path().join("haproxy.cfg");
    let config = format!(
        "defaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n\
         listen all\n bind {address}\n server one {within} {version}\n"
    );
    std::fs::write(&file, config).expect("it is written");
    let haproxy =
        Program::start("haproxy", &["-db", "-q", "-f", file.to_str().expect("it is a word")]);
    let deadline = std::time::Instant::now() + support::PATIENCE;
    let mut client = loop {
        match TcpStream::connect(&address) {
            Ok(client) => break client,
            Err(_) => thread::yield_now(),
        }
        assert!(std::time::Instant::now() < deadline, "it does not listen");
    };
    let from = client.local_addr().expect("an address").port();
    client.write_all(b"hello").expect("it is connected");
    client.shutdown(Shutdown::Write).expect("it is connected");
    let heard = hears.join().expect("no panic");
    let line = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {from} ");
    assert!(says_who(&heard).starts_with(&line), "{version}: {heard:?}");
    assert!(heard.ends_with(b"\r\nhello"), "{version}: {heard:?}");
    drop((client, haproxy));
    inner.stop();
}
