//! The stage of these tests: an FTP server in a thread of its own, and the verbs of a dialogue with it.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Instant;

use protocols::password::PasswordHash;
use protocols::transfer::ftp::address::{parse_227, parse_229};
use protocols::transfer::ftp::reply::{Replies, Reply};
use protocols::transfer::ftp::users::{Permissions, User, Users};
use protocols::transfer::ftp::{self, Counters, Event, Server, Settings};
use protocols::transfer::store::{Access, Store, VirtualPath};
use reactor::{Handle, ListenOptions, Reactor, ShutdownReport, Stats};
use tempfile::TempDir;

use crate::kit::{self, PATIENCE};

/// An FTP server, and the directory it serves.
pub(crate) struct Stage {
    pub(crate) directory: TempDir,
    pub(crate) address: SocketAddr,
    handle: Handle<Server>,
    thread: Option<JoinHandle<(ShutdownReport, Counters)>>,
    events: Arc<Mutex<Vec<Event>>>,
}

/// A client that says exactly what a test has it say.
pub(crate) struct Peer {
    pub(crate) control: TcpStream,
    reader: BufReader<TcpStream>,
    replies: Replies,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default())
    }

    /// And ann, who has logged in to it.
    pub(crate) fn with_ann() -> (Self, Peer) {
        let stage = Self::new();
        let ann = stage.ann();
        (stage, ann)
    }

    /// With `ann`, whose password is `secret`, who may do everything, and anonymous readers.
    pub(crate) fn with(settings: Settings) -> Self {
        Self::with_users(settings, everybody())
    }

    pub(crate) fn with_users(settings: Settings, users: Users) -> Self {
        Self::at("127.0.0.1:0", settings, users).expect("an IPv4 address")
    }

    /// On IPv6, if the machine has it.
    pub(crate) fn on_v6() -> Option<Self> {
        let stage = Self::at("[::1]:0", Settings::default(), everybody());
        if stage.is_none() {
            crate::outside::left_out("there is no IPv6");
        }
        stage
    }

    fn at(address: &str, settings: Settings, users: Users) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("sub")).expect("it is made");
        fs::write(directory.path().join("hello.txt"), "hello\nworld\n").expect("it is written");
        let store = Store::open(directory.path(), Access::ReadWrite).expect("it is there");
        let address: SocketAddr = address.parse().expect("an address");
        TcpListener::bind(address).ok()?;

        let events = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&events);
        let (send, receive) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let mut server = Server::new(settings, users, store);
            server.set_log(move |event| told.lock().expect("no panic").push(event.clone()));
            let mut reactor = Reactor::<Server>::new().expect("a loop");
            let registry = reactor.registry();
            let id =
                ftp::listen(registry, address.into(), &ListenOptions::default()).expect("free");
            let address = registry.listener_address(id).expect("it listens");
            send.send((address, reactor.handle())).expect("somebody waits");
            let report = reactor.run(&mut server).expect("it turns");
            kit::nothing_is_left(&mut reactor);
            (report, *server.counters())
        });
        let (address, handle) = receive.recv_timeout(PATIENCE).expect("it begins");
        let address = address.socket_addr().expect("it is TCP");
        Some(Self { directory, address, handle, thread: Some(thread), events })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).expect("it is written");
    }

    pub(crate) fn get(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("it is there")
    }

    /// All names in the directory, hidden ones too.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).expect("it is there");
        let name = |entry: std::io::Result<fs::DirEntry>| {
            entry.expect("it is read").file_name().to_string_lossy().into_owned()
        };
        let mut names: Vec<_> = entries.map(name).collect();
        names.sort();
        names
    }

    /// A client that has been greeted.
    pub(crate) fn peer(&self) -> Peer {
        let mut peer = Peer::connect(self.address);
        peer.hears(220);
        peer
    }

    /// A client that has logged in as ann, and wants bytes.
    pub(crate) fn ann(&self) -> Peer {
        let mut peer = self.peer();
        peer.logs_in("ann", "secret");
        peer.asks("TYPE I", 200);
        peer
    }

    pub(crate) fn handle(&self) -> Handle<Server> {
        self.handle.clone()
    }

    pub(crate) fn counters(&self) -> Counters {
        kit::ask(&self.handle, |_, server| *server.counters())
    }

    /// What the loop has done; it has turned once for being asked.
    pub(crate) fn stats(&self) -> Stats {
        kit::ask(&self.handle, |registry, _| registry.stats())
    }

    /// Waits until so many bytes have been read since then.
    #[track_caller]
    pub(crate) fn until_read(&self, since: &Stats, count: usize) {
        let expected = since.read_bytes + count as u64;
        self.until("it has been read", |stage| stage.stats().read_bytes >= expected);
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.lock().expect("no panic").clone()
    }

    #[track_caller]
    pub(crate) fn until(&self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(self) {
            assert!(Instant::now() < deadline, "waited in vain until {what}");
            std::thread::yield_now();
        }
    }

    /// Waits until all sessions have ended, shuts down, and demands that nothing is left; what the server has counted.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Counters {
        self.end()
    }

    #[track_caller]
    fn end(&mut self) -> Counters {
        self.until("all sessions have ended", |stage| stage.counters().open == 0);
        self.handle.shutdown(PATIENCE).expect("it runs");
        self.joins()
    }

    /// Waits until the server has ended, which was shut down, and demands that nothing is left.
    #[track_caller]
    pub(crate) fn joins(&mut self) -> Counters {
        let thread = self.thread.take().expect("it was not joined");
        let (report, counters) = thread.join().expect("it ends well");
        assert_eq!(report.cut_off, [], "everybody says goodbye");
        assert!(
            self.names().iter().all(|name| !name.starts_with(".~upload.") || name.contains("kept")),
            "debris: {:?}",
            self.names()
        );
        counters
    }
}

/// The end of each test that has not failed, unless it has come to it by itself.
impl Drop for Stage {
    fn drop(&mut self) {
        if self.thread.is_some() && !std::thread::panicking() {
            self.end();
        }
    }
}

/// `ann` with the password `secret`, who may do everything, and anonymous readers.
pub(crate) fn everybody() -> Users {
    let mut users = Users::anonymous_only();
    users.insert("ann", user("/", Permissions::ALL)).expect("a name");
    users
}

/// Somebody whose password is `secret`.
pub(crate) fn user(home: &str, permissions: Permissions) -> User {
    // Cheap parameters, since these tests are not about how long it takes.
    let hash =
        "$argon2id$v=19$m=16,t=1,p=1$c29tZXNhbHQ$wgKRZDZ+HAohdD+s2si+QEM0OI4B7gYzTa0JlAvtYDU";
    let password: PasswordHash = hash.parse().expect("a hash");
    User::new(password, VirtualPath::root().join(home.as_bytes()).expect("a path"), permissions)
}

impl Peer {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let control = TcpStream::connect(address).expect("it listens");
        control.set_read_timeout(Some(PATIENCE)).expect("it is set");
        control.set_nodelay(true).expect("it is set");
        let reader = BufReader::new(control.try_clone().expect("descriptors are left"));
        Self { control, reader, replies: Replies::default() }
    }

    pub(crate) fn says(&mut self, line: &str) {
        self.says_bytes(format!("{line}\r\n").as_bytes());
    }

    pub(crate) fn says_bytes(&mut self, bytes: &[u8]) {
        self.control.write_all(bytes).expect("it is open");
    }

    /// The next reply, whatever it is.
    #[track_caller]
    pub(crate) fn reply(&mut self) -> Reply {
        loop {
            let mut line = Vec::new();
            self.reader.read_until(b'\n', &mut line).expect("a reply in time");
            assert!(line.ends_with(b"\r\n"), "a whole line: {:?}", String::from_utf8_lossy(&line));
            line.truncate(line.len() - 2);
            if let Some(reply) = self.replies.handle_line(&line).expect("it is a reply") {
                return reply;
            }
        }
    }

    /// The text of the next reply, which has this code.
    #[track_caller]
    pub(crate) fn hears(&mut self, code: u16) -> String {
        self.hears_to("", code)
    }

    #[track_caller]
    pub(crate) fn asks(&mut self, line: &str, code: u16) -> String {
        self.says(line);
        self.hears_to(line, code)
    }

    /// These lines, each of which is answered with its code.
    #[track_caller]
    pub(crate) fn asks_each<const N: usize>(&mut self, lines: [(&str, u16); N]) {
        for (line, code) in lines {
            self.asks(line, code);
        }
    }

    #[track_caller]
    fn hears_to(&mut self, line: &str, code: u16) -> String {
        let reply = self.reply();
        assert_eq!(reply.code, code, "{line}: {reply}");
        let lines = reply.lines.iter().map(|line| String::from_utf8_lossy(line));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[track_caller]
    pub(crate) fn logs_in(&mut self, name: &str, password: &str) {
        self.asks(&format!("USER {name}"), 331);
        self.asks(&format!("PASS {password}"), 230);
    }

    /// Nothing more comes: the server has closed the connection, and so does the client.
    #[track_caller]
    pub(crate) fn hears_the_end(&mut self) {
        let mut rest = Vec::new();
        let closed = self.reader.get_ref().try_clone().expect("descriptors are left");
        match self.reader.read_to_end(&mut rest) {
            Ok(_) => assert_eq!(String::from_utf8_lossy(&rest), ""),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
        }
        // It may have been reset already.
        let _ = closed.shutdown(Shutdown::Both);
    }

    #[track_caller]
    pub(crate) fn quits(mut self) {
        self.asks("QUIT", 221);
        self.hears_the_end();
    }

    /// Where the server expects the next data connection.
    #[track_caller]
    pub(crate) fn port(&mut self) -> SocketAddr {
        let text = self.asks("EPSV", 229);
        let port = parse_229(text.as_bytes()).expect("a port");
        SocketAddr::new(self.control.peer_addr().expect("it is connected").ip(), port)
    }

    #[track_caller]
    pub(crate) fn port_of_pasv(&mut self) -> SocketAddr {
        let text = self.asks("PASV", 227);
        parse_227(text.as_bytes()).expect("an address").into()
    }

    /// A data connection that the client makes.
    #[track_caller]
    pub(crate) fn data(&mut self) -> TcpStream {
        let data = TcpStream::connect(self.port()).expect("it listens");
        data.set_read_timeout(Some(PATIENCE)).expect("it is set");
        data
    }

    /// Where the client expects the next data connection.
    #[track_caller]
    pub(crate) fn listens(&mut self) -> TcpListener {
        let own = self.control.local_addr().expect("it is connected").ip();
        let listener = TcpListener::bind((own, 0)).expect("a port");
        let address = listener.local_addr().expect("it is bound");
        self.asks(&format!("EPRT {}", ftp::address::to_eprt(address)), 200);
        listener
    }

    /// The data connection of a transfer that has begun.
    #[track_caller]
    pub(crate) fn begins(&mut self, command: &str) -> TcpStream {
        let data = self.data();
        self.says(command);
        self.hears_begin();
        data
    }

    /// What a transfer brings, with everything that is said about it.
    #[track_caller]
    pub(crate) fn fetches(&mut self, command: &str) -> Vec<u8> {
        let mut data = self.begins(command);
        let bytes = read_all(&mut data);
        drop(data);
        self.hears(226);
        bytes
    }

    /// Brings a file.
    #[track_caller]
    pub(crate) fn brings(&mut self, command: &str, content: &[u8]) {
        let mut data = self.begins(command);
        data.write_all(content).expect("it is open");
        drop(data);
        self.hears(226);
    }

    /// 125 or 150; which it is depends on who is faster.
    #[track_caller]
    pub(crate) fn hears_begin(&mut self) -> String {
        let reply = self.reply();
        assert!(matches!(reply.code, 125 | 150), "{reply}");
        String::from_utf8_lossy(reply.text()).into_owned()
    }
}

pub(crate) fn read_all(data: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    data.read_to_end(&mut bytes).expect("it ends well");
    bytes
}

/// A second address of this machine, if it answers to one.
pub(crate) fn another_address() -> Option<IpAddr> {
    let other = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    TcpListener::bind((other, 0)).ok().map(|_| other)
}
