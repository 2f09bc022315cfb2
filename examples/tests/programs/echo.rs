//! The program `echo`, as a person meets it: what it prints, its exit codes, and how it stops.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::thread;

use crate::support::{
    ECHO, Program, connect, echo, hears_itself, is_ended_by_peer, listener, noise, retry,
};

// ── serve ───────────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_path_that_is_taken_is_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("diary");
    std::fs::write(&path, "dear diary").expect("it can be written");
    echo(&["serve", "--unix", path.to_str().expect("UTF-8")], b"")
        .with_code(1)
        .complains("exists and is not a socket; remove it");
    assert_eq!(std::fs::read(&path).expect("it is there"), b"dear diary");
}

#[test]
fn an_interface_that_is_not_there_is_an_error() {
    // TEST-NET-1 (RFC 5737) is nobody's.
    echo(&["serve", "--udp", "192.0.2.1:7007"], b"")
        .with_code(1)
        .complains("no interface of this machine has");
}

#[test]
fn ctrl_c_reports_and_removes_the_socket_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("echo.sock");
    let path = path.to_str().expect("UTF-8");
    let (server, addresses) =
        Program::serve(&["--listen", "127.0.0.1:0", "--udp", "127.0.0.1:0", "--unix", path]);
    assert_eq!(addresses[2], path);
    for address in [&addresses[0], &format!("udp:{}", addresses[1]), &format!("unix:{path}")] {
        let ended = echo(&["send", address, "hello"], b"");
        assert_eq!((ended.code, ended.text().as_str()), (Some(0), "hello"), "{ended:?}");
    }
    let report = server.stop();
    assert!(report.starts_with("shut down in 0."), "{report}");
    let totals = "echoed 12 bytes of 2 connections (0 open), 6 bytes in 1 datagrams";
    assert!(report.ends_with(totals), "{report}");
    assert!(!std::fs::exists(path).expect("the directory is ours"), "the socket file is left");
}

#[test]
fn a_unix_socket_is_for_those_whom_its_mode_lets_in() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("echo.sock");
    let address = format!("unix:{}", path.display());
    let server = Program::start(ECHO, &["serve", "--listen", &address, "--unix-mode", "660"]);
    assert_eq!(server.line(), format!("listening on {address}"));
    let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    assert_eq!(echo(&["send", &address, "hello"], b"").text(), "hello");
    server.stop();
    echo(&["serve", "--listen", &address, "--unix-mode", "rw"], b"")
        .with_code(2)
        .complains("three octal digits");
}

#[test]
fn ctrl_c_waits_for_a_client_that_stays_and_the_second_one_does_not() {
    let (server, addresses) = Program::serve(&["--listen", "127.0.0.1:0"]);
    let mut client = connect(&addresses[0]);
    hears_itself(&mut client);
    server.interrupt();
    assert_eq!(
        server.error_line(),
        "waiting up to 3s for 1 connection; Ctrl-C again stops at once"
    );
    assert_eq!(
        retry(|| client.read(&mut [0])).expect("it is not reset"),
        0,
        "the server has said goodbye"
    );
    let report = server.stop();
    assert!(report.contains("0 connections finished, 1 were cut off"), "{report}");
}

#[test]
fn more_connections_than_allowed_are_refused() {
    let (_server, addresses) =
        Program::serve(&["--listen", "127.0.0.1:0", "--max-connections", "1"]);
    let mut first = connect(&addresses[0]);
    hears_itself(&mut first);
    assert!(is_ended_by_peer(&connect(&addresses[0])), "it is closed at once");
    drop(first);
}

#[test]
fn a_connection_on_which_nothing_moves_is_closed() {
    let (_server, addresses) = Program::serve(&["--listen", "127.0.0.1:0", "--idle", "0.1"]);
    assert!(is_ended_by_peer(&connect(&addresses[0])), "it is closed");
}

// ── send ────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn fifty_megabytes_pass_through_a_pipe() {
    let (_server, addresses) = Program::serve(&["--listen", "127.0.0.1:0"]);
    let payload = noise(50_000_000);
    let ended = echo(&["send", &addresses[0]], &payload).went_well();
    assert!(ended.output == payload, "what came back is what was sent");
}

#[test]
fn what_is_typed_comes_back_before_the_end_of_input() {
    let (_server, addresses) = Program::serve(&["--listen", "127.0.0.1:0"]);
    let mut send = Program::start(ECHO, &["send", &addresses[0]]);
    let mut keyboard = send.stdin();
    for line in ["one", "two"] {
        writeln!(keyboard, "{line}").expect("it reads");
        assert_eq!(send.line(), line);
    }
    drop(keyboard);
    assert_eq!(send.ended().code, Some(0));
}

#[test]
fn lines_are_datagrams_over_udp() {
    let (server, addresses) = Program::serve(&["--udp", "127.0.0.1:0"]);
    let ended = echo(&["send", &format!("udp:{}", addresses[0])], b"one\n\nthree");
    assert_eq!((ended.code, ended.text().as_str()), (Some(0), "one\n\nthree"), "{ended:?}");
    let report = server.stop();
    assert!(report.ends_with("10 bytes in 3 datagrams"), "{report}");
}

#[test]
fn a_reader_that_has_had_enough_ends_it_quietly() {
    let (_server, addresses) = Program::serve(&["--listen", "127.0.0.1:0"]);
    let mut send = Command::new(ECHO)
        .args(["send", &addresses[0]])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it is built");
    let mut endless = send.stdin.take().expect("a pipe");
    let writer = thread::spawn(move || while endless.write_all(&[b'y'; 4_096]).is_ok() {});
    let mut head = send.stdout.take().expect("a pipe");
    head.read_exact(&mut [0; 10]).expect("it prints");
    drop(head);
    let ended = send.wait_with_output().expect("it ends");
    assert_eq!((ended.status.code(), ended.stderr), (Some(0), Vec::new()));
    writer.join().expect("it does not panic");
}

#[test]
fn a_host_with_several_addresses_is_tried_at_each() {
    // Where `localhost` is ::1 as well, that comes first, and nobody listens there.
    let (_server, addresses) = Program::serve(&["--listen", "127.0.0.1:0"]);
    let port = addresses[0].rsplit_once(':').expect("a port").1;
    let ended = echo(&["send", &format!("localhost:{port}"), "hello"], b"");
    assert_eq!((ended.code, ended.text().as_str()), (Some(0), "hello"), "{ended:?}");
}

#[test]
fn nobody_there_is_code_1_and_says_so() {
    let dead = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let dead = dead.expect("a socket").to_string();
    for command in ["send", "ping"] {
        let ended = echo(&[command, &dead], b"").with_code(1);
        let expected = format!("echo: {dead}: could not connect: connection refused");
        assert_eq!(ended.errors, expected);
    }
    let dead = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let dead = format!("udp:{}", dead.expect("a socket"));
    let ended = echo(&["send", &dead, "hello"], b"");
    assert_eq!(ended.errors, format!("echo: {dead}: connection refused"));

    let ended = echo(&["send", "unix:/nobody/here", "hello"], b"").with_code(1);
    let expected = "echo: unix:/nobody/here: could not connect: ";
    assert!(ended.errors.starts_with(expected), "{}", ended.errors);
}

#[test]
fn a_peer_that_stays_silent_is_given_up() {
    let (_silent, address) = listener();
    let ended = echo(&["send", &address, "--timeout", "0.1", "hello"], b"").with_code(1);
    assert!(ended.errors.ends_with("nothing came back for 100ms"), "{}", ended.errors);
}

#[test]
fn a_peer_that_is_no_echo_server_is_found_out() {
    let (greeter, address) = listener();
    let greeter = thread::spawn(move || {
        let (mut peer, _) = greeter.accept().expect("somebody calls");
        peer.read_exact(&mut [0; 6]).expect("they say hello");
        peer.write_all(b"help!\n").expect("they listen");
        // They have heard enough.
        let _ = retry(|| peer.read(&mut [0]));
    });
    let ended = echo(&["send", &address, "hello"], b"");
    assert_eq!((ended.code, ended.text().as_str()), (Some(1), "hel"));
    ended.complains("byte 3 came back as 0x70 instead of 0x6c");
    greeter.join().expect("it does not panic");
}

// ── ping ────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn ping_sums_up() {
    let (_server, addresses) = Program::serve(&["--listen", "127.0.0.1:0", "--udp", "127.0.0.1:0"]);
    for address in [addresses[0].clone(), format!("udp:{}", addresses[1])] {
        let ended = echo(&["ping", &address, "--count", "100", "--size", "1000"], b"").with_code(0);
        let text = ended.text();
        let (counts, times) = text.split_once('\n').expect("two lines");
        assert_eq!(counts, "100 sent, 100 returned, 0 lost");
        assert!(times.starts_with("round trip: min 0."), "{times}");
        for word in ["median", "p99", "max"] {
            assert!(times.contains(word), "{times}");
        }
    }
}

#[test]
fn a_source_beyond_its_rate_is_not_answered() {
    let (server, addresses) = Program::serve(&["--udp", "127.0.0.1:0", "--rate", "1"]);
    let address = format!("udp:{}", addresses[0]);
    let ended = echo(&["ping", &address, "--count", "2", "--timeout", "0.2"], b"").with_code(0);
    assert!(ended.text().starts_with("2 sent, 1 returned, 1 lost\n"), "{ended:?}");
    assert!(server.stop().ends_with("; 1 refused, over budget"));
}

#[test]
fn ping_goes_on_until_ctrl_c() {
    let (_server, addresses) = Program::serve(&["--listen", "127.0.0.1:0"]);
    let ping = Program::start(ECHO, &["ping", &addresses[0], "--interval", "0.001"]);
    let expected = format!("64 bytes from {}: seq=1 time=", addresses[0]);
    assert!(ping.line().starts_with(&expected));
    let summary = ping.stop();
    assert!(summary.contains(" returned, 0 lost\nround trip: min "), "{summary}");
}

#[test]
fn ping_counts_what_is_lost() {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address = format!("udp:{}", silent.local_addr().expect("it is bound"));
    let ended = echo(&["ping", &address, "--count", "3", "--timeout", "0.05"], b"");
    assert_eq!((ended.code, ended.text().as_str()), (Some(1), "3 sent, 0 returned, 3 lost"));
    assert_eq!(ended.errors, format!("echo: {address}: nothing came back"));
}

// ── several loops ───────────────────────────────────────────────────────────────────────────────

#[test]
fn with_several_loops_each_serves_its_share_and_one_report_tells_of_all() {
    let (server, addresses) = Program::serve(&["--listen", "127.0.0.1:0", "--loops", "3"]);
    let mut peers: Vec<_> = (0..6).map(|_| connect(&addresses[0])).collect();
    peers.iter_mut().for_each(hears_itself);
    // Each thread has a name; each connection one of its loops.
    #[cfg(target_os = "linux")]
    {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", server.id())).expect("it runs");
        let names =
            tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        assert_eq!(names.filter(|name| name.starts_with("loop ")).count(), 2);
    }
    server.interrupt();
    for peer in &mut peers {
        assert!(is_ended_by_peer(peer), "it says goodbye");
    }
    drop(peers);
    let ended = server.ended().with_code(0);
    assert!(ended.text().contains("6 connections finished, 0 were cut off"), "{ended:?}");
    assert!(ended.text().contains("echoed 30 bytes of 6 connections (0 open)"), "{ended:?}");
}

#[test]
fn a_server_of_several_loops_is_refused_or_started_as_a_whole() {
    let (_taken, address) = listener();
    let ended = echo(&["serve", "--listen", &address, "--loops", "3"], b"");
    assert_eq!((ended.code, ended.output.len()), (Some(1), 0));
    assert!(ended.errors.starts_with("echo: address already in use"), "{}", ended.errors);
}
