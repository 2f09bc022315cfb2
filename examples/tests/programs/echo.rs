//! The program `echo`, as a person meets it: what it prints, its exit codes, and how it stops.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{
    ECHO, PATIENCE, Program, connect, echo, is_ended_by_peer, listener, noise, retry,
};
use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, Signal, kill_process};

// ── the command line ────────────────────────────────────────────────────────────────────────────

// ── serve ───────────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_path_that_is_taken_is_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("diary");
    std::fs::write(&path, "dear diary").expect("it can be written");
    let ended = echo(&["serve", "--unix", path.to_str().expect("UTF-8")], b"");
    assert_eq!(ended.code, Some(1));
    assert!(ended.errors.contains("exists and is not a socket; remove it"), "{}", ended.errors);
    assert_eq!(std::fs::read(&path).expect("it is there"), b"dear diary");
}

#[test]
fn an_interface_that_is_not_there_is_an_error() {
    // TEST-NET-1 (RFC 5737) is nobody's.
    let ended = echo(&["serve", "--udp", "192.0.2.1:7007"], b"");
    assert_eq!(ended.code, Some(1));
    assert!(ended.errors.contains("no interface of this machine has"), "{}", ended.errors);
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
    let ended = echo(&["serve", "--listen", &address, "--unix-mode", "rw"], b"");
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.errors.contains("three octal digits"), "{ended:?}");
}

#[test]
fn ctrl_c_waits_for_a_client_that_stays_and_the_second_one_does_not() {
    let (server, addresses) = Program::serve(&["--listen", "127.0.0.1:0"]);
    let mut client = connect(&addresses[0]);
    client.write_all(b"hello").expect("it is open");
    client.read_exact(&mut [0; 5]).expect("it comes back");
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
    let (server, addresses) =
        Program::serve(&["--listen", "127.0.0.1:0", "--max-connections", "1"]);
    let mut first = connect(&addresses[0]);
    first.write_all(b"1").expect("it is open");
    first.read_exact(&mut [0]).expect("it comes back");
    assert!(is_ended_by_peer(&connect(&addresses[0])), "it is closed at once");
    drop(first);
    server.stop();
}

#[test]
fn a_connection_on_which_nothing_moves_is_closed() {
    let (server, addresses) = Program::serve(&["--listen", "127.0.0.1:0", "--idle", "0.1"]);
    assert!(is_ended_by_peer(&connect(&addresses[0])), "it is closed");
    server.stop();
}

// ── send ────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn fifty_megabytes_pass_through_a_pipe() {
    let (server, addresses) = Program::serve(&["--listen", "127.0.0.1:0"]);
    let payload = noise(50_000_000);
    let ended = echo(&["send", &addresses[0]], &payload);
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
    assert!(ended.output == payload, "what came back is what was sent");
    server.stop();
}

#[test]
fn what_is_typed_comes_back_before_the_end_of_input() {
    let (server, addresses) = Program::serve(&["--listen", "127.0.0.1:0"]);
    let mut send = Program::start(ECHO, &["send", &addresses[0]]);
    let mut keyboard = send.stdin();
    for line in ["one", "two"] {
        writeln!(keyboard, "{line}").expect("it reads");
        assert_eq!(send.line(), line);
    }
    drop(keyboard);
    assert_eq!(send.ended().code, Some(0));
    server.stop();
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
    let (server, addresses) = Program::serve(&["--listen", "127.0.0.1:0"]);
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
    server.stop();
}

#[test]
fn a_host_with_several_addresses_is_tried_at_each() {
    // Where `localhost` is ::1 as well, that comes first, and nobody listens there.
    let (server, addresses) = Program::serve(&["--listen", "127.0.0.1:0"]);
    let port = addresses[0].rsplit_once(':').expect("a port").1;
    let ended = echo(&["send", &format!("localhost:{port}"), "hello"], b"");
    assert_eq!((ended.code, ended.text().as_str()), (Some(0), "hello"), "{ended:?}");
    server.stop();
}

#[test]
fn nobody_there_is_code_1_and_says_so() {
    let dead = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let dead = dead.expect("a socket").to_string();
    for command in ["send", "ping"] {
        let ended = echo(&[command, &dead], b"");
        assert_eq!(ended.code, Some(1));
        let expected = format!("echo: {dead}: could not connect: connection refused");
        assert_eq!(ended.errors, expected);
    }
    let dead = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let dead = format!("udp:{}", dead.expect("a socket"));
    let ended = echo(&["send", &dead, "hello"], b"");
    assert_eq!(ended.errors, format!("echo: {dead}: connection refused"));

    let ended = echo(&["send", "unix:/nobody/here", "hello"], b"");
    assert_eq!(ended.code, Some(1));
    let expected = "echo: unix:/nobody/here: could not connect: ";
    assert!(ended.errors.starts_with(expected), "{}", ended.errors);
}

#[test]
fn a_peer_that_stays_silent_is_given_up() {
    let (_silent, address) = listener();
    let ended = echo(&["send", &address, "--timeout", "0.1", "hello"], b"");
    assert_eq!(ended.code, Some(1));
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
    assert!(ended.errors.contains("byte 3 came back as 0x70 instead of 0x6c"), "{}", ended.errors);
    greeter.join().expect("it does not panic");
}

// ── ping ────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn ping_sums_up() {
    let (server, addresses) = Program::serve(&["--listen", "127.0.0.1:0", "--udp", "127.0.0.1:0"]);
    for address in [addresses[0].clone(), format!("udp:{}", addresses[1])] {
        let ended = echo(&["ping", &address, "--count", "100", "--size", "1000"], b"");
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let text = ended.text();
        let (counts, times) = text.split_once('\n').expect("two lines");
        assert_eq!(counts, "100 sent, 100 returned, 0 lost");
        assert!(times.starts_with("round trip: min 0."), "{times}");
        for word in ["median", "p99", "max"] {
            assert!(times.contains(word), "{times}");
        }
    }
    server.stop();
}

#[test]
fn a_source_beyond_its_rate_is_not_answered() {
    let (server, addresses) = Program::serve(&["--udp", "127.0.0.1:0", "--rate", "1"]);
    let address = format!("udp:{}", addresses[0]);
    let ended = echo(&["ping", &address, "--count", "2", "--timeout", "0.2"], b"");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.text().starts_with("2 sent, 1 returned, 1 lost\n"), "{ended:?}");
    assert!(server.stop().ends_with("; 1 refused, over budget"));
}

#[test]
fn ping_goes_on_until_ctrl_c() {
    let (server, addresses) = Program::serve(&["--listen", "127.0.0.1:0"]);
    let ping = Program::start(ECHO, &["ping", &addresses[0], "--interval", "0.001"]);
    let expected = format!("64 bytes from {}: seq=1 time=", addresses[0]);
    assert!(ping.line().starts_with(&expected));
    let summary = ping.stop();
    assert!(summary.contains(" returned, 0 lost\nround trip: min "), "{summary}");
    server.stop();
}

#[test]
fn ping_counts_what_is_lost() {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address = format!("udp:{}", silent.local_addr().expect("it is bound"));
    let ended = echo(&["ping", &address, "--count", "3", "--timeout", "0.05"], b"");
    assert_eq!((ended.code, ended.text().as_str()), (Some(1), "3 sent, 0 returned, 3 lost"));
    assert_eq!(ended.errors, format!("echo: {address}: nothing came back"));
}

// ── as a service ────────────────────────────────────────────────────────────────────────────────

/// A supervisor's ear.
struct Supervisor(UnixDatagram);

impl Supervisor {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
        Self(socket)
    }

    /// Listens until it hears this.
    #[track_caller]
    fn hears(&self, expected: &str) {
        let mut bytes = [0; 1024];
        loop {
            let length = retry(|| self.0.recv(&mut bytes)).expect("it is told");
            if bytes[..length].starts_with(expected.as_bytes()) {
                return;
            }
        }
    }
}

#[test]
fn a_supervisor_hears_that_it_is_ready_alive_and_stopping() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("notify");
    let supervisor = Supervisor::at(&path);
    let path = path.to_str().expect("it is a word");
    let variables = [("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", "20000")];
    let server = Program::start_with(
        ECHO,
        &["serve", "--listen", "127.0.0.1:0", "--tls-self-signed"],
        &variables,
    );
    supervisor.hears("READY=1\n");
    supervisor.hears("WATCHDOG=1\n");
    supervisor.hears("WATCHDOG=1\n");
    server.signal(Signal::INT);
    supervisor.hears("STOPPING=1\n");
    assert_eq!(server.ended().code, Some(0));
}

/// `echo serve` with a socket as its descriptor 3.
fn activated(listener: &TcpListener, arguments: &[&str]) -> Command {
    let parent_fd = listener.try_clone().expect("a descriptor").into();
    let mut command = Command::new(ECHO);
    command.arg("serve").args(arguments).env("LISTEN_FDS", "1").stdout(Stdio::piped());
    let mapping = vec![FdMapping { parent_fd, child_fd: 3 }];
    command.fd_mappings(mapping).expect("they do not collide").stderr(Stdio::piped());
    command
}

#[test]
fn a_socket_from_outside_is_taken_by_who_listens_at_its_address() {
    let (listener, address) = listener();
    // Whoever comes before the server is there waits for it.
    let mut early = connect(&address);
    early.write_all(b"early").expect("it waits");
    let mut server = activated(&listener, &["--listen", &address]).spawn().expect("it starts");
    drop(listener);
    let mut back = [0; 5];
    retry(|| early.read_exact(&mut back)).expect("it is answered");
    assert_eq!(&back, b"early");
    kill_process(Pid::from_child(&server), Signal::INT).expect("it runs");
    assert!(server.wait().expect("it is ours").success());
}

#[test]
fn a_socket_from_outside_that_nobody_wants_is_an_error() {
    let (listener, address) = listener();
    let ended = activated(&listener, &["--udp", "127.0.0.1:0"]).output().expect("it starts");
    assert_eq!(ended.status.code(), Some(1));
    let expected =
        format!("started with a socket at {address}, and no option says to listen there");
    assert!(String::from_utf8_lossy(&ended.stderr).contains(&expected), "{ended:?}");
}

#[test]
fn a_user_that_is_not_there_is_named() {
    let ended = echo(&["serve", "--listen", "127.0.0.1:0", "--run-as", "nobody-of-that-name"], b"");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.errors.contains("there is no user 'nobody-of-that-name'"), "{ended:?}");
}

#[test]
fn root_becomes_another_user_with_its_groups_when_the_sockets_are_open() {
    if !rustix::process::getuid().is_root() {
        return eprintln!("LEFT OUT: only root can become another user");
    }
    let server = Program::start(
        ECHO,
        &["serve", "--listen", "127.0.0.1:0", "--run-as", "nobody", "--drain", "1"],
    );
    let address = server.line();
    let address = address.strip_prefix("listening on tcp ").expect("it listens");
    let mut peer = connect(address);
    peer.write_all(b"x").expect("it reads");
    // It serves, so it has become nobody.
    retry(|| peer.read_exact(&mut [0])).expect("it answers");
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).expect("it runs");
    let ids = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
        line.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(ids("Uid:").iter().all(|id| id != "0"), "{status}");
    assert!(ids("Gid:").iter().all(|id| id != "0"), "{status}");
    assert!(!ids("Groups:").contains(&"0".to_owned()), "{status}");
    drop(peer);
    server.stop();
}

/// Asks for a successor, and waits until it has taken over; its process.
fn upgrade(server: &Program, process: Pid) -> Pid {
    kill_process(process, Signal::USR2).expect("it runs");
    let line = server.error_with("has taken over");
    let number = line.split_ascii_whitespace().nth(1).and_then(|word| word.parse().ok());
    number.and_then(Pid::from_raw).unwrap_or_else(|| panic!("no process: {line}"))
}

/// Connects and is answered, once and until told to stop; how often.
fn hammer(address: &str, stop: &AtomicBool) -> std::io::Result<u64> {
    let mut served = 0;
    loop {
        let mut stream = retry(|| TcpStream::connect(address))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"here")?;
        let mut back = [0; 4];
        retry(|| stream.read_exact(&mut back))?;
        // It ends by a reset, so that its port is free at once: there are 28,000 of them.
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
        served += 1;
        if stop.load(Ordering::Relaxed) {
            return Ok(served);
        }
    }
}

#[test]
fn nobody_is_refused_or_lost_while_successors_take_over() {
    let (server, addresses) = Program::serve(&["--listen", "127.0.0.1:0", "--udp", "127.0.0.1:0"]);
    let stop = AtomicBool::new(false);
    let mut process = server.id();
    thread::scope(|scope| {
        let clients = [(); 2].map(|()| scope.spawn(|| hammer(&addresses[0], &stop)));
        for _ in 0..5 {
            process = upgrade(&server, process);
        }
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().expect("no panic").expect("nobody is refused or lost");
        }
    });
    // The last one has the socket of datagrams, too.
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
    socket.send_to(b"datagram", &addresses[1]).expect("it is sent");
    let length = retry(|| socket.recv(&mut [0; 16])).expect("it comes back");
    assert_eq!(length, 8);
    kill_process(process, Signal::INT).expect("it runs");
    assert_eq!(server.ended().code, Some(0));
}

/// As behind `serve | head -1`: nobody reads what it and its successors print.
#[test]
fn a_successor_serves_though_nobody_reads_its_standard_output() {
    let (listener, address) = listener();
    let mut server = activated(&listener, &["--listen", &address]).spawn().expect("it starts");
    drop(listener);
    let mut lines = BufReader::new(server.stdout.take().expect("a pipe"));
    lines.read_line(&mut String::new()).expect("it listens");
    drop(lines);
    let mut errors = BufReader::new(server.stderr.take().expect("a pipe")).lines();
    let mut process = Pid::from_child(&server);
    for _ in 0..2 {
        kill_process(process, Signal::USR2).expect("it runs");
        let over = errors.find_map(|line| {
            let line = line.expect("it is text");
            line.strip_suffix("; leaving when all have finished, in 30s at most").map(str::to_owned)
        });
        let over = over.expect("somebody takes over");
        let number = over.split_ascii_whitespace().nth(1).and_then(|word| word.parse().ok());
        process = number.and_then(Pid::from_raw).expect("a process");
        let mut peer = connect(&address);
        peer.write_all(b"here").expect("it is open");
        retry(|| peer.read_exact(&mut [0; 4])).expect("it is answered");
    }
    kill_process(process, Signal::INT).expect("it runs");
    let _ = server.wait().expect("it is ours");
}

/// `cargo test --release -p examples --test programs -- --ignored --nocapture ten_upgrades`, by hand: it prints how many a
/// second there were. What `docs/restarts.md` has is from here.
#[test]
#[ignore = "a measurement, of some seconds"]
fn ten_upgrades_under_as_many_connects_as_there_can_be_lose_nobody() {
    for loops in ["1", "2"] {
        let words = ["--listen", "127.0.0.1:0", "--loops", loops];
        let (server, addresses) = Program::serve(&words);
        let (stop, begun) = (AtomicBool::new(false), Instant::now());
        let mut process = server.id();
        let served: u64 = thread::scope(|scope| {
            let clients = [(); 24].map(|()| scope.spawn(|| hammer(&addresses[0], &stop)));
            for round in 1..=10 {
                process = upgrade(&server, process);
                while begun.elapsed() < round * Duration::from_secs(1) {
                    thread::sleep(Duration::from_millis(10));
                }
            }
            stop.store(true, Ordering::Relaxed);
            let clients = clients.map(|client| client.join().expect("no panic"));
            clients.into_iter().map(|it| it.expect("nobody is refused or lost")).sum()
        });
        let rate = served as f64 / begun.elapsed().as_secs_f64();
        println!("loops: {loops}: {served} served, {rate:.0} a second, none refused or lost");
        kill_process(process, Signal::INT).expect("it runs");
        assert_eq!(server.ended().code, Some(0));
    }
}

// ── several loops ───────────────────────────────────────────────────────────────────────────────

#[test]
fn with_several_loops_each_serves_its_share_and_one_report_tells_of_all() {
    let (server, addresses) = Program::serve(&["--listen", "127.0.0.1:0", "--loops", "3"]);
    let mut peers: Vec<_> = (0..6).map(|_| connect(&addresses[0])).collect();
    for peer in &mut peers {
        peer.write_all(b"hello").expect("it has room");
        retry(|| peer.read_exact(&mut [0; 5])).expect("it comes back");
    }
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
    let ended = server.ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.text().contains("6 connections finished, 0 were cut off"), "{ended:?}");
    assert!(ended.text().contains("echoed 30 bytes of 6 connections (0 open)"), "{ended:?}");
}

#[test]
fn a_server_of_several_loops_is_refused_or_started_as_a_whole() {
    let (_taken, address) = listener();
    let ended = echo(&["serve", "--listen", &address, "--loops", "3"], b"");
    assert_eq!((ended.code, ended.output.len()), (Some(1), 0));
    assert!(ended.errors.starts_with("echo: address already in use"), "{}", ended.errors);
    assert_eq!(echo(&["serve", "--loops", "0"], b"").code, Some(2));
}

/// Who has been accepted, and is on the way to another loop, is one of those who are waited for.
#[test]
fn nobody_is_lost_between_two_loops_while_a_successor_takes_over() {
    let (server, addresses) = Program::serve(&["--listen", "127.0.0.1:0", "--loops", "2"]);
    let stop = AtomicBool::new(false);
    let mut process = server.id();
    thread::scope(|scope| {
        let clients = [(); 2].map(|()| scope.spawn(|| hammer(&addresses[0], &stop)));
        for _ in 0..3 {
            process = upgrade(&server, process);
        }
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().expect("no panic").expect("nobody is refused or lost");
        }
    });
    kill_process(process, Signal::INT).expect("it runs");
    assert_eq!(server.ended().code, Some(0));
}

#[test]
fn a_successor_that_fails_leaves_the_server_serving() {
    let directory = tempfile::tempdir().expect("a directory");
    let program = directory.path().join("echo");
    std::fs::copy(ECHO, &program).expect("a copy");
    let name = program.to_str().expect("it is a word");
    let server = Program::start(name, &["serve", "--listen", "127.0.0.1:0"]);
    let line = server.line();
    let address = line.strip_prefix("listening on tcp ").expect("it listens");
    std::fs::remove_file(&program).expect("it can be replaced while it runs");
    server.signal(Signal::USR2);
    server.error_with("a successor cannot be started");
    std::os::unix::fs::symlink("/bin/false", &program).expect("another program");
    server.signal(Signal::USR2);
    server.error_with("it ended before it was ready; serving on");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let client = scope.spawn(|| hammer(address, &stop));
        server.error_with("is gone: exit status: 1");
        stop.store(true, Ordering::Relaxed);
        client.join().expect("no panic").expect("it serves on");
    });
    server.stop();
}
