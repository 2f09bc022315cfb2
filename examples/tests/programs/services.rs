//! The servers as services: what they say to a supervisor, which sockets they take from it, and how a successor takes
//! over.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{
    CHAT, ECHO, PATIENCE, PLAYGROUND, PROXY, Program, RPC, TORRENT, TRANSFER, WEB, connect, copied,
    echo, hears_itself, listener, read_head, replace_by, retry,
};
use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, Resource, Rlimit, Signal, WaitOptions, kill_process, prlimit, waitpid};
use tempfile::TempDir;

/// A supervisor's ear.
struct Supervisor(UnixDatagram);

impl Supervisor {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
        Self(socket)
    }

    /// Listens until it hears this; what stands behind it.
    #[track_caller]
    fn hears(&self, expected: &str) -> String {
        let mut bytes = [0; 1024];
        loop {
            let length = retry(|| self.0.recv(&mut bytes)).expect("it is told");
            if let Some(rest) = bytes[..length].strip_prefix(expected.as_bytes()) {
                return String::from_utf8_lossy(rest).into_owned();
            }
        }
    }
}

/// Each server, and the option by which it listens.
const SERVERS: [(&str, &[&str], &str); 9] = [
    (ECHO, &["serve"], "--listen"),
    (ECHO, &["serve", "--loops", "2"], "--listen"),
    (CHAT, &["serve"], "--listen"),
    (TRANSFER, &["serve"], "--ftp"),
    (PROXY, &["127.0.0.1:9"], "--listen"),
    (WEB, &["serve", "."], "--listen"),
    (WEB, &["proxy", "--to", "http://127.0.0.1:9"], "--listen"),
    (RPC, &["serve"], "--listen"),
    (TORRENT, &["tracker"], "--listen"),
];

#[test]
fn every_server_prints_what_it_has_done_at_sigusr1_and_serves_on() {
    for (program, words, option) in SERVERS {
        let server = Program::start(program, &[words, &[option, "127.0.0.1:0"]].concat());
        server.line();
        server.signal(Signal::USR1);
        if program == PROXY {
            while !server.line().contains("clients") {}
        } else {
            server.error_with(" turns (");
        }
        server.stop();
    }
}

#[test]
fn the_playground_serves_though_it_cannot_print_where_and_tells_what_it_has_done() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("echo.sock");
    let path = path.to_str().expect("it is text");
    let script = r#"exec "$0" "$@" >/dev/full"#;
    let any = ["--tcp", "--udp", "--chat", "--ftp", "--tftp", "--calls", "--web", "--seed"];
    let mut words = vec!["-c", script, PLAYGROUND, "--unix", path, "--tracker", "127.0.0.1:0"];
    words.extend(any.iter().flat_map(|option| [*option, "127.0.0.1:0"]));
    let mut playground = Program::start("sh", &words);
    while UnixStream::connect(path).is_err() {
        assert!(playground.is_running());
        thread::yield_now();
    }
    playground.signal(Signal::USR1).error_with(" turns (");
}

#[test]
fn a_server_says_when_it_is_out_of_descriptors_and_when_it_has_some_again() {
    let script = r#"ulimit -n 32; exec "$0" serve --listen 127.0.0.1:0"#;
    let server = Program::start("sh", &["-c", script, ECHO]);
    let address = server.line();
    let address = address.rsplit(' ').next().expect("it listens");
    let clients: Vec<_> = (0..40).map(|_| connect(address)).collect();
    assert!(server.error_line().starts_with("out of descriptors: "));
    drop(clients);
    // Whoever was in when it was told is not; nothing else was said meanwhile.
    assert!(server.error_line().starts_with("there are descriptors again; "));
    server.stop();
}

/// A pipe has room for some hundred lines.
#[test]
fn a_log_that_nobody_reads_does_not_stop_a_server() {
    let directory = tempfile::tempdir().expect("a directory");
    let pipe = directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("it is there").success());
    // It is open at both ends, and nobody reads.
    let _held = File::options().read(true).write(true).open(&pipe).expect("it is there");
    for log in ["-", pipe.to_str().expect("it is text")] {
        let mut server = Command::new(WEB)
            .args(["serve", ".", "--listen", "127.0.0.1:0", "--log", log])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut output = BufReader::new(server.stdout.take().expect("it is piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("it listens");
        let address = line.split_whitespace().find_map(|word| word.strip_prefix("http://"));
        let mut client = connect(address.expect("an address").trim_end_matches('/'));
        let mut writer = client.try_clone().expect("a descriptor");
        thread::spawn(move || {
            let more = "HEAD /missing HTTP/1.1\r\nHost: h\r\n\r\n".repeat(3_000);
            let last = "HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
            writer.write_all((more + last).as_bytes())
        });
        let mut answers = String::new();
        client.read_to_string(&mut answers).expect("all are answered");
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 3_001);
        kill_process(Pid::from_child(&server), Signal::TERM).expect("it runs");
        let mut lines = String::new();
        output.read_to_string(&mut lines).expect("it can be read");
        let ended = server.wait_with_output().expect("it is ours");
        let errors = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success() && errors.contains("nobody reads it"), "{errors}");
        assert!(lines.lines().count() < 3_000);
    }
}

/// No file may be longer than a block, as if a disk were full; until it may be.
#[cfg(target_os = "linux")]
#[test]
fn lines_that_are_missing_for_a_full_disk_are_told_without_blame_for_the_reader() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("log");
    let path = log.to_str().expect("it is text");
    let script = r#"trap "" XFSZ; ulimit -S -f 1; exec "$0" "$@" >"$LOG""#;
    let words = ["-c", script, WEB, "serve", ".", "--listen", "127.0.0.1:0", "--log", "-"];
    let mut server = Program::start_with("sh", &words, &[("LOG", path)]);
    let said = loop {
        match std::fs::read_to_string(&log) {
            Ok(said) if said.ends_with('\n') => break said,
            _ => assert!(server.is_running()),
        }
        thread::yield_now();
    };
    let address = said.split_whitespace().find_map(|word| word.strip_prefix("http://"));
    let mut client = connect(address.expect("an address").trim_end_matches('/'));
    let mut ask = |times: usize| {
        let request = "HEAD /missing HTTP/1.1\r\nHost: h\r\n\r\n";
        client.write_all(request.repeat(times).as_bytes()).expect("it is open");
        (0..times).for_each(|_| drop(read_head(&mut client)));
    };
    ask(100);
    server.error_with("File too large");
    let unbounded = Rlimit { current: None, maximum: None };
    prlimit(Some(server.id()), Resource::Fsize, unbounded).expect("it is ours");
    ask(1);
    let told = server.error_line();
    assert!(told.contains("missing") && !told.contains("nobody"), "{told}");
    server.stop();
}

#[test]
fn every_server_takes_a_socket_tells_its_supervisor_and_is_replaced() {
    for (program, words, option) in SERVERS {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("notify");
        let supervisor = Supervisor::at(&path);
        let (socket, address) = listener();
        let mut server = activated(program, &socket, words)
            .args([option, &address])
            .envs([("NOTIFY_SOCKET", path.as_os_str()), ("WATCHDOG_USEC", "20000".as_ref())])
            .spawn()
            .expect("it starts");
        drop(socket);
        supervisor.hears("READY=1\n");
        supervisor.hears("WATCHDOG=1\n");
        let first = Pid::from_child(&server);
        kill_process(first, Signal::USR2).expect("it runs");
        let told = supervisor.hears("MAINPID=");
        let number = told.split('\n').next().and_then(|number| number.parse().ok());
        let successor = number.and_then(Pid::from_raw).unwrap_or_else(|| panic!("{told}"));
        assert!(server.wait().expect("it is ours").success(), "{program} {words:?}");
        let _ = connect(&address);
        supervisor.hears("WATCHDOG=1\n");
        kill_process(successor, Signal::TERM).expect("it runs");
        supervisor.hears("STOPPING=1\n");
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

/// A program with a socket as its descriptor 3.
fn activated(program: &str, listener: &TcpListener, arguments: &[&str]) -> Command {
    let parent_fd = listener.try_clone().expect("a descriptor").into();
    let mut command = Command::new(program);
    command.args(arguments).env("LISTEN_FDS", "1").stdout(Stdio::piped());
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
    let mut server =
        activated(ECHO, &listener, &["serve", "--listen", &address]).spawn().expect("it starts");
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
    let ended =
        activated(ECHO, &listener, &["serve", "--udp", "127.0.0.1:0"]).output().expect("it starts");
    assert_eq!(ended.status.code(), Some(1));
    let expected =
        format!("started with a socket at {address}, and no option says to listen there");
    assert!(String::from_utf8_lossy(&ended.stderr).contains(&expected), "{ended:?}");
}

#[test]
fn a_user_that_is_not_there_is_named() {
    echo(&["serve", "--listen", "127.0.0.1:0", "--run-as", "nobody-of-that-name"], b"")
        .with_code(1)
        .complains("there is no user 'nobody-of-that-name'");
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
    let mut peer = connect(&server.told("listening on tcp "));
    // It serves, so it has become nobody.
    hears_itself(&mut peer);
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

/// So many successors take over from each other while clients connect, none of whom is refused or lost; the last.
fn upgraded_under_load(server: &Program, address: &str, times: usize) -> Pid {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients = [(); 2].map(|()| scope.spawn(|| hammer(address, &stop)));
        let last = (0..times).fold(server.id(), |process, _| server.upgrade(process));
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().expect("no panic").expect("nobody is refused or lost");
        }
        last
    })
}

#[test]
fn nobody_is_refused_or_lost_while_successors_take_over() {
    let (server, addresses) = Program::serve(&["--listen", "127.0.0.1:0", "--udp", "127.0.0.1:0"]);
    let process = upgraded_under_load(&server, &addresses[0], 5);
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
    let mut server =
        activated(ECHO, &listener, &["serve", "--listen", &address]).spawn().expect("it starts");
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
        hears_itself(&mut connect(&address));
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
                process = server.upgrade(process);
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

/// Who has been accepted, and is on the way to another loop, is one of those who are waited for.
#[test]
fn nobody_is_lost_between_two_loops_while_a_successor_takes_over() {
    let (server, addresses) = Program::serve(&["--listen", "127.0.0.1:0", "--loops", "2"]);
    let process = upgraded_under_load(&server, &addresses[0], 3);
    kill_process(process, Signal::INT).expect("it runs");
    assert_eq!(server.ended().code, Some(0));
}

#[test]
fn a_successor_that_fails_leaves_the_server_serving() {
    let (_directory, program) = copied(ECHO);
    let server = Program::start(&program, &["serve", "--listen", "127.0.0.1:0"]);
    let address = server.told("listening on tcp ");
    std::fs::remove_file(&program).expect("it can be replaced while it runs");
    server.signal(Signal::USR2).error_with("a successor cannot be started");
    std::os::unix::fs::symlink("/bin/false", &program).expect("another program");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let client = scope.spawn(|| hammer(&address, &stop));
        server.signal(Signal::USR2);
        server.error_with("it ended before it was ready (exit status: 1); serving on");
        stop.store(true, Ordering::Relaxed);
        client.join().expect("no panic").expect("it serves on");
    });
    server.stop();
}

/// It needs no place among the connections, all of which are taken.
#[test]
fn a_server_that_is_full_is_replaced_like_another() {
    let (server, addresses) =
        Program::serve(&["--listen", "127.0.0.1:0", "--max-connections", "1"]);
    let mut peer = connect(&addresses[0]);
    hears_itself(&mut peer);
    let process = server.upgrade(server.id());
    // The successor has room.
    let mut newcomer = connect(&addresses[0]);
    hears_itself(&mut newcomer);
    drop((peer, newcomer));
    kill_process(process, Signal::INT).expect("it runs");
    assert_eq!(server.ended().code, Some(0));
}

/// It would outlive the server, with its sockets.
#[test]
fn a_server_that_ends_starts_no_successor() {
    let (backend, to) = listener();
    // It waits as long as its client is there.
    let words = ["--listen", "127.0.0.1:0", "--grace", "600", &to];
    let server = Program::start(PROXY, &words);
    let address = server.told("listening on tcp ");
    let client = connect(&address);
    let (backend, _) = backend.accept().expect("it comes");
    server.signal(Signal::TERM).error_with("waiting up to");
    server.signal(Signal::USR2).error_with("a successor cannot be started: this process is ending");
    let refused = retry(|| TcpStream::connect(&address)).expect_err("nobody listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    drop((client, backend));
    assert_eq!(server.ended().code, Some(0));
}

/// A server that has been asked for a successor, and has started this script as that; where it listens, and the
/// script's process.
fn replaced_by(script: &str) -> (TempDir, Program, String, Pid) {
    let (directory, program) = copied(ECHO);
    let server = Program::start(&program, &["serve", "--listen", "127.0.0.1:0"]);
    let address = server.told("listening on tcp ");
    replace_by(script, &program);
    let line = server.signal(Signal::USR2).error_with("as successor");
    let number = line.split_ascii_whitespace().nth(2).and_then(|word| word.parse().ok());
    let successor = number.and_then(Pid::from_raw).unwrap_or_else(|| panic!("no process: {line}"));
    (directory, server, address, successor)
}

/// One that is told to end while its successor begins takes that along.
#[test]
fn a_successor_that_is_not_ready_ends_with_the_server() {
    // It is never ready, and has the sockets as long as it is there.
    let (_directory, server, address, successor) = replaced_by("#!/bin/sh\nexec sleep 600\n");
    server.signal(Signal::TERM);
    assert_eq!(server.ended().code, Some(0));
    let refused = retry(|| TcpStream::connect(&address)).expect_err("nobody listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(kill_process(successor, Signal::KILL).is_err(), "it has ended");
}

/// One that is ready serves already, and is left alone, though the server has not heard of it before it is told to end.
#[test]
fn a_successor_that_is_ready_outlives_the_server_that_is_told_to_end() {
    for has_client in [false, true] {
        // It says so when it is let, by the descriptor behind that of the listener.
        let script = "#!/bin/sh\nuntil [ -e \"${0%/*}/go\" ]; do sleep 0.01; done\n\
                      printf ready >&4\necho said >&2\nexec sleep 600 2>&- >&-\n";
        let (directory, server, address, successor) = replaced_by(script);
        let client = has_client.then(|| {
            let mut client = connect(&address);
            hears_itself(&mut client);
            client
        });
        server.signal(Signal::STOP);
        waitpid(Some(server.id()), WaitOptions::UNTRACED).expect("it stops");
        std::fs::write(directory.path().join("go"), "").expect("it is ours");
        server.error_with("said");
        server.signal(Signal::TERM);
        server.signal(Signal::CONT);
        assert_eq!(server.ended().code, Some(0), "has a client: {has_client}");
        // It waits in the queue of the successor's socket.
        let waits = retry(|| TcpStream::connect(&address));
        let runs = kill_process(successor, Signal::KILL);
        assert!(runs.is_ok() && waits.is_ok(), "has a client: {has_client}");
        drop(client);
    }
}
