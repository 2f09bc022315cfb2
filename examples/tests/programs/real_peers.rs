//! The programs people have, against ours: netcat and socat, over TCP, UDP and Unix sockets. They
//! half-close at the end of their input, and print what comes back until the server ends.

use crate::outside::{left_out, program};
use crate::support::{Program, noise, run};

/// Does not fit into the buffers of sockets.
const LARGE: usize = 4_000_000;
/// Fits into a datagram.
const SMALL: usize = 1_000;

#[test]
fn netcat_over_tcp() {
    let Some(nc) = program("nc") else { return };
    each_tcp_server(|host, port| round_trip(nc, &["-N", host, port], LARGE));
}

#[test]
fn netcat_over_udp() {
    let Some(nc) = program("nc") else { return };
    let (_server, addresses) = Program::serve(&["--udp", "127.0.0.1:0"]);
    let (host, port) = addresses[0].rsplit_once(':').expect("a port");
    round_trip(nc, &["-u", "-W", "1", host, port], SMALL);
}

#[test]
fn netcat_over_a_unix_socket() {
    let Some(nc) = program("nc") else { return };
    unix_server(|path| round_trip(nc, &["-N", "-U", path], LARGE));
}

#[test]
fn socat_over_tcp() {
    let Some(socat) = program("socat") else { return };
    each_tcp_server(|host, port| {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        round_trip(socat, &["-t", "20", "-", &format!("TCP:{host}:{port}")], LARGE);
    });
}

#[test]
fn socat_over_udp() {
    let Some(socat) = program("socat") else { return };
    let (_server, addresses) = Program::serve(&["--udp", "127.0.0.1:0"]);
    let place = format!("UDP:{},readbytes={SMALL}", addresses[0]);
    round_trip(socat, &["-t", "20", "-", &place], SMALL);
}

#[test]
fn socat_over_a_unix_socket() {
    let Some(socat) = program("socat") else { return };
    unix_server(|path| {
        round_trip(socat, &["-t", "20", "-", &format!("UNIX-CONNECT:{path}")], LARGE);
    });
}

/// Every byte comes back, and then the command ends.
#[track_caller]
fn round_trip(program: &str, arguments: &[&str], length: usize) {
    let payload = noise(length);
    let ended = run(program, arguments, &payload);
    assert_eq!(ended.code, Some(0), "{program} {arguments:?}: {}", ended.errors);
    assert!(ended.output == payload, "{program} {arguments:?} printed something else");
}

/// IPv4, and IPv6 where there is one.
fn each_tcp_server(mut talk: impl FnMut(&str, &str)) {
    let has_v6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    let v6: &[&str] = if has_v6 { &["--listen", "[::1]:0"] } else { &[] };
    if !has_v6 {
        left_out("this machine has no ::1");
    }
    let (server, addresses) = Program::serve(&[&["--listen", "127.0.0.1:0"], v6].concat());
    for address in &addresses {
        let (host, port) = address.rsplit_once(':').expect("a port");
        talk(host.trim_matches(['[', ']']), port);
    }
    let report = server.stop();
    assert!(report.contains("0 were cut off, 0 bytes lost"), "{report}");
}

fn unix_server(talk: impl FnOnce(&str)) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("echo.sock");
    let path = path.to_str().expect("UTF-8");
    let (_server, _) = Program::serve(&["--unix", path]);
    talk(path);
}
