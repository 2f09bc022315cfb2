//! The FTP client against servers that do what a test says: the odd, the broken and the hostile.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use protocols::transfer::ftp::client::{
    self, Caller, Client, ClientLimits, ClientOptions, Done, Failure, Listing, Login, NotStarted,
    Operation, Put,
};
use protocols::transfer::ftp::command::{Command, Secret};
use protocols::transfer::store::Kind;
use reactor::{ConnectionId, Reactor, Registry};

use crate::kit::{self, PATIENCE, noise};
use crate::tftp_stage::Sink;

/// The server's side of a conversation, on a thread of its own.
pub(crate) struct Scene {
    pub(crate) control: BufReader<Box<dyn Peer>>,
    data: Option<TcpListener>,
}

/// A connection to the client.
pub(crate) trait Peer: Read + Write + Send {}

impl<P: Read + Write + Send> Peer for P {}

/// Plays a script to the first client that comes, on its connection or on what that is made.
fn play<P: Peer + 'static>(
    made: impl FnOnce(TcpStream) -> P + Send + 'static,
    script: impl FnOnce(&mut Scene) + Send + 'static,
) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let address = listener.local_addr().expect("it is bound");
    let thread = std::thread::spawn(move || {
        let (control, _) = listener.accept().expect("a client");
        control.set_read_timeout(Some(PATIENCE)).expect("it can be set");
        script(&mut Scene { control: BufReader::new(Box::new(made(control))), data: None });
    });
    (address, thread)
}

impl Scene {
    #[track_caller]
    pub(crate) fn hears(&mut self, expected: &str) {
        let mut line = String::new();
        self.control.read_line(&mut line).expect("a command");
        assert_eq!(line.trim_end(), expected);
    }

    pub(crate) fn says(&mut self, line: &str) {
        self.control.get_mut().write_all(format!("{line}\r\n").as_bytes()).expect("a client");
    }

    #[track_caller]
    pub(crate) fn answers(&mut self, command: &str, reply: &str) {
        self.hears(command);
        self.says(reply);
    }

    /// The login, by a server that has these features.
    fn lets_in(&mut self, features: &[&str]) {
        self.says("220-Be\r\n220-welcome\r\n220 Ready");
        self.answers("USER anonymous", "331 And?");
        self.answers("PASS anonymous@", "230 In");
        let lines: String = features.iter().map(|feature| format!(" {feature}\r\n")).collect();
        self.answers("FEAT", &format!("211-Features:\r\n{lines}211 End"));
        if features.contains(&"UTF8") {
            self.answers("OPTS UTF8 ON", "200 Always");
        }
        self.answers("TYPE I", "200 Binary");
    }

    fn opens_data(&mut self) -> u16 {
        let data = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let port = data.local_addr().expect("it is bound").port();
        self.data = Some(data);
        port
    }

    pub(crate) fn passive(&mut self) {
        let port = self.opens_data();
        self.answers("EPSV", &format!("229 Extended passive (|||{port}|)"));
    }

    pub(crate) fn connected(&mut self) -> TcpStream {
        self.data.take().expect("it was opened").accept().expect("a client").0
    }

    /// The data connection of a transfer that has begun.
    #[track_caller]
    pub(crate) fn begins(&mut self, command: &str) -> TcpStream {
        self.passive();
        self.answers(command, "150 Here it comes");
        self.connected()
    }

    /// A whole transfer to the client.
    fn sends(&mut self, command: &str, bytes: &[u8]) {
        self.begins(command).write_all(bytes).expect("a client");
        self.says("226 Done");
    }

    pub(crate) fn ends(&mut self) {
        self.answers("QUIT", "221 Bye");
    }
}

/// What a test looks at.
struct World {
    client: Option<Client>,
    ready: bool,
    outcomes: VecDeque<Result<Done, Failure>>,
    moved: u64,
    finished: Option<Result<(), Failure>>,
}

impl Caller for World {
    fn client(&mut self, id: ConnectionId) -> Option<&mut Client> {
        self.client.as_mut().filter(|client| client.id() == id)
    }

    fn on_ready(&mut self, _: &mut Registry<Self>, _: ConnectionId) {
        assert!(!self.ready, "a login happens once");
        self.ready = true;
    }

    fn on_progress(&mut self, _: &mut Registry<Self>, _: ConnectionId, moved: u64) {
        self.moved = moved;
    }

    fn on_done(&mut self, _: &mut Registry<Self>, _: ConnectionId, outcome: Result<Done, Failure>) {
        assert_eq!(self.finished, None, "nothing comes after the end");
        self.outcomes.push_back(outcome);
    }

    fn on_finish(&mut self, _: &mut Registry<Self>, _: ConnectionId, outcome: Result<(), Failure>) {
        assert_eq!(self.finished.replace(outcome), None, "a conversation ends once");
    }
}

pub(crate) struct Stage {
    reactor: Reactor<World>,
    world: World,
    server: Option<JoinHandle<()>>,
}

impl Stage {
    /// A client that calls a server which follows a script.
    fn new(script: impl FnOnce(&mut Scene) + Send + 'static) -> Self {
        Self::with(&ClientOptions::default(), script)
    }

    pub(crate) fn with(
        options: &ClientOptions,
        script: impl FnOnce(&mut Scene) + Send + 'static,
    ) -> Self {
        Self::through(options, |plain| plain, script)
    }

    /// Whose server speaks through something.
    pub(crate) fn through<P: Peer + 'static>(
        options: &ClientOptions,
        made: impl FnOnce(TcpStream) -> P + Send + 'static,
        script: impl FnOnce(&mut Scene) + Send + 'static,
    ) -> Self {
        let (address, server) = play(made, script);
        let mut reactor = Reactor::new().expect("a loop");
        let client = Client::connect(reactor.registry(), address.into(), options);
        let world = World {
            client: Some(client.expect("it begins to connect")),
            ready: false,
            outcomes: VecDeque::new(),
            moved: 0,
            finished: None,
        };
        Self { reactor, world, server: Some(server) }
    }

    #[track_caller]
    fn until(&mut self, what: &str, condition: impl FnMut(&mut World) -> bool) {
        let so = kit::comes_to_be(&mut self.reactor, &mut self.world, condition);
        assert!(so, "waited in vain until {what}");
    }

    #[track_caller]
    fn start(&mut self, operation: Operation) {
        self.until("it is logged in", |world| world.ready);
        let client = self.world.client.as_mut().expect("it is there");
        client.start(self.reactor.registry(), operation).expect("it has nothing else to do");
    }

    /// Does something, and waits for what comes of it.
    #[track_caller]
    pub(crate) fn does(&mut self, operation: Operation) -> Result<Done, Failure> {
        self.start(operation);
        self.outcome()
    }

    #[track_caller]
    fn outcome(&mut self) -> Result<Done, Failure> {
        self.until("it is done", |world| !world.outcomes.is_empty());
        self.world.outcomes.pop_front().expect("it is done")
    }

    #[track_caller]
    pub(crate) fn gets(&mut self, path: &str) -> (Result<Done, Failure>, Vec<u8>) {
        let (get, sink) = get(path, 0);
        (self.does(get), sink.bytes())
    }

    #[track_caller]
    pub(crate) fn finished(&mut self) -> Result<(), Failure> {
        self.until("the conversation is over", |world| world.finished.is_some());
        self.world.finished.clone().expect("it is over")
    }

    /// Says goodbye, and demands that the script was followed and nothing is left.
    #[track_caller]
    pub(crate) fn quits(mut self) {
        let client = self.world.client.as_mut().expect("it is there");
        client.quit(self.reactor.registry());
        assert_eq!(self.finished(), Ok(()));
        self.leaves();
    }

    #[track_caller]
    pub(crate) fn leaves(mut self) {
        let server = self.server.take().expect("it was not left before");
        assert!(server.join().is_ok(), "the server has followed its script");
        // What the client has given up just now is gone a turn later.
        kit::turn(&mut self.reactor, &mut self.world);
        kit::finish(&mut self.reactor, &mut self.world);
    }
}

fn get(path: &str, offset: u64) -> (Operation, Sink) {
    let sink = Sink::default();
    let path = path.as_bytes().to_vec();
    (Operation::Get { path, offset, sink: Box::new(sink.clone()) }, sink)
}

pub(crate) fn put(path: &str, how: Put, bytes: &[u8]) -> Operation {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("it can be written");
    let path = path.as_bytes().to_vec();
    Operation::Put { path, how, file, from: 0, length: bytes.len() as u64 }
}

#[test]
fn files_are_fetched_one_after_the_other_on_one_conversation() {
    let mut stage = Stage::new(|scene| {
        scene.lets_in(&["UTF8", "SIZE"]);
        scene.sends("RETR a", &noise(3_000_000));
        scene.sends("RETR grün", b"");
        scene.ends();
    });
    let (outcome, bytes) = stage.gets("a");
    assert_eq!(outcome, Ok(Done::Received(3_000_000)));
    assert!(bytes == noise(3_000_000));
    assert_eq!(stage.world.moved, 3_000_000);
    assert_eq!(stage.gets("grün"), (Ok(Done::Received(0)), Vec::new()));
    stage.quits();
}

#[test]
fn a_transfer_goes_on_where_another_has_ended() {
    let mut stage = Stage::new(|scene| {
        scene.lets_in(&["REST STREAM"]);
        scene.passive();
        scene.answers("REST 4", "350 From there");
        scene.answers("RETR file", "150 Here it comes");
        scene.connected().write_all(b"rest").expect("a client");
        scene.says("226 Done");
        scene.ends();
    });
    let (operation, sink) = get("file", 4);
    assert_eq!(stage.does(operation), Ok(Done::Received(4)));
    assert_eq!(sink.bytes(), b"rest");
    stage.quits();
}

#[test]
fn files_are_sent_anew_from_somewhere_or_behind() {
    let bytes = noise(9_000_000);
    let expected = bytes.clone();
    let mut stage = Stage::new(move |scene| {
        scene.lets_in(&[]);
        for (rest, command) in
            [(None, "STOR new"), (Some("REST 7"), "STOR new"), (None, "APPE new")]
        {
            scene.passive();
            rest.into_iter().for_each(|rest| scene.answers(rest, "350 From there"));
            scene.answers(command, "150 Go on");
            let mut received = Vec::new();
            scene.connected().read_to_end(&mut received).expect("a client");
            assert!(received == expected);
            scene.says("226 Done");
        }
        scene.ends();
    });
    for how in [Put::Replace, Put::From(7), Put::Append] {
        assert_eq!(stage.does(put("new", how, &bytes)), Ok(Done::Sent(9_000_000)));
    }
    stage.quits();
}

/// RFC 2577 has what an address in a 227 may be good for; here it is nobody's.
#[test]
fn the_address_in_a_227_is_ignored() {
    let mut stage = Stage::new(|scene| {
        scene.lets_in(&[]);
        let port = scene.opens_data();
        scene.answers("EPSV", "500 What?");
        let [high, low] = port.to_be_bytes();
        scene.answers("PASV", &format!("227 Passive (192,0,2,1,{high},{low})."));
        scene.answers("RETR file", "150 Here it comes");
        scene.connected().write_all(b"bytes").expect("a client");
        scene.says("226 Done");
        scene.ends();
    });
    assert_eq!(stage.gets("file"), (Ok(Done::Received(5)), b"bytes".to_vec()));
    stage.quits();
}

#[test]
fn a_list_is_read_as_facts_or_as_lines() {
    let mut stage = Stage::new(|scene| {
        scene.lets_in(&["MLST type*;size*;"]);
        scene.sends("MLSD dir", b"type=cdir; .\r\ntype=file;size=3; a b\r\ntype=dir; sub\r\n");
        scene.passive();
        scene.answers("MLSD", "502 I only thought so");
        scene.sends(
            "LIST",
            b"total 3\r\n-rw-r--r-- 1 a b 3 Jan  1  2020 c\r\nd 1 a b 0 May 5 2020 ..\r\n",
        );
        scene.sends("LIST", b"");
        scene.ends();
    });
    let Ok(Done::Listed(listing)) = stage.does(Operation::List { path: b"dir".to_vec() }) else {
        panic!("it is a list");
    };
    let entries = listing.entries;
    let names: Vec<_> = entries.iter().map(|entry| (&*entry.name, entry.kind)).collect();
    assert_eq!(names, [(&b"a b"[..], Kind::File), (b"sub", Kind::Directory)]);
    let Ok(Done::Listed(listing)) = stage.does(Operation::List { path: Vec::new() }) else {
        panic!("it is a list");
    };
    let entries = listing.entries;
    assert_eq!(entries.len(), 1);
    assert_eq!(listing.unread, [b"d 1 a b 0 May 5 2020 .."]);
    assert_eq!((&*entries[0].name, entries[0].size), (&b"c"[..], Some(3)));
    assert_eq!(
        stage.does(Operation::List { path: Vec::new() }),
        Ok(Done::Listed(Listing::default()))
    );
    stage.quits();
}

#[test]
fn commands_have_replies() {
    let mut stage = Stage::new(|scene| {
        scene.lets_in(&["SIZE", "MDTM", "HASH SHA-256*"]);
        scene.answers("SIZE file", "213 42");
        scene.answers("HASH file", "213 SHA-256 0-41 0123456789abcdef file");
        scene.answers("MKD dir", "521 It is there");
        scene.answers("RNFR a", "350 To what?");
        scene.answers("RNTO b", "250 Done");
        scene.ends();
    });
    let mut reply = |command| match stage.does(Operation::Command(command)) {
        Ok(Done::Command(reply)) => Ok(reply),
        Ok(other) => panic!("{other:?}"),
        Err(failure) => Err(failure),
    };
    let text = |text: &str| text.as_bytes().to_vec();
    assert_eq!(client::size(&reply(Command::Size(text("file"))).expect("a size")), Some(42));
    let hash = client::hash(&reply(Command::Hash(text("file"))).expect("a hash")).expect("one");
    assert_eq!((&*hash.algorithm, &*hash.digits), ("SHA-256", "0123456789abcdef"));
    let refused = reply(Command::Mkd(text("dir"))).expect_err("it is there");
    assert!(matches!(refused, Failure::Refused(reply) if reply.code == 521));
    assert_eq!(reply(Command::Rnfr(text("a"))).map(|reply| reply.code), Ok(350));
    assert_eq!(reply(Command::Rnto(text("b"))).map(|reply| reply.code), Ok(250));
    stage.quits();
}

#[test]
fn a_refusal_ends_the_operation_and_not_the_conversation() {
    let mut stage = Stage::new(|scene| {
        scene.lets_in(&[]);
        scene.passive();
        scene.answers("RETR missing", "550 No such file");
        drop(scene.begins("STOR full"));
        scene.says("452 The disk is full");
        scene.sends("RETR there", b"bytes");
        scene.ends();
    });
    let (outcome, _) = stage.gets("missing");
    assert!(outcome.is_err_and(|failure| failure.is_not_found()));
    let full = stage.does(put("full", Put::Replace, &noise(5_000_000))).expect_err("no room");
    assert!(full.is_transient(), "{full}");
    assert!(full.to_string().contains("The disk is full"), "{full}");
    assert_eq!(stage.gets("there").1, b"bytes");
    stage.quits();
}

/// The server goes away in the middle of a file; so does the data connection alone.
#[test]
fn a_file_that_is_cut_off_is_not_called_whole() {
    let mut stage = Stage::new(|scene| {
        scene.lets_in(&[]);
        scene.begins("RETR file").write_all(b"half").expect("a client");
        scene.says("426 Something broke");
        let mut data = scene.begins("RETR file");
        data.write_all(b"half").expect("a client");
        // The end of the control connection is the end of it all.
    });
    let (outcome, bytes) = stage.gets("file");
    assert!(matches!(outcome, Err(Failure::Refused(reply)) if reply.code == 426));
    assert!(b"half".starts_with(&bytes));
    let (outcome, _) = stage.gets("file");
    assert!(outcome.is_err());
    assert!(stage.finished().is_err());
    stage.leaves();
}

#[test]
fn what_is_given_up_is_over_soon_and_the_conversation_goes_on() {
    let mut stage = Stage::new(|scene| {
        scene.lets_in(&[]);
        let mut data = scene.begins("RETR endless");
        while data.write_all(&[b'x'; 10_000]).is_ok() {}
        scene.says("426 As you like");
        scene.answers("ABOR", "226 It is over already");
        scene.sends("RETR file", b"bytes");
        scene.ends();
    });
    let (endless, _) = get("endless", 0);
    stage.start(endless);
    stage.until("something comes", |world| world.moved > 100_000);
    let client = stage.world.client.as_mut().expect("it is there");
    client.cancel(stage.reactor.registry());
    assert_eq!(stage.outcome(), Err(Failure::Cancelled));
    assert_eq!(stage.gets("file").1, b"bytes");
    stage.quits();
}

#[test]
fn a_full_disk_here_is_told_as_one() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut stage = Stage::new(|scene| {
        scene.lets_in(&[]);
        let mut data = scene.begins("RETR file");
        while data.write_all(&[b'x'; 10_000]).is_ok() {}
        scene.says("426 As you like");
        scene.answers("ABOR", "226 It is over already");
        scene.ends();
    });
    let get = Operation::Get { path: b"file".to_vec(), offset: 0, sink: Box::new(Full) };
    let outcome = stage.does(get);
    assert!(matches!(outcome, Err(Failure::File { kind: io::ErrorKind::StorageFull, .. })));
    stage.quits();
}

#[test]
fn a_reply_that_does_not_come_is_not_waited_for_for_ever() {
    let limits =
        ClientLimits { reply_timeout: Duration::from_millis(100), ..ClientLimits::default() };
    let options = ClientOptions { limits, ..ClientOptions::default() };
    let mut stage = Stage::with(&options, |scene| {
        scene.lets_in(&[]);
        scene.hears("SIZE file");
        let mut rest = Vec::new();
        let _ = scene.control.read_to_end(&mut rest);
    });
    let outcome = stage.does(Operation::Command(Command::Size(b"file".to_vec())));
    assert_eq!(outcome, Err(Failure::NoReply(Duration::from_millis(100))));
    assert_eq!(stage.finished(), Err(Failure::NoReply(Duration::from_millis(100))));
    stage.leaves();
}

/// As long as a file is under way no reply is waited for, and as soon as it is not, one is.
#[test]
fn a_stalled_file_is_given_up() {
    let limits = ClientLimits {
        reply_timeout: Duration::from_millis(300),
        stall_timeout: Duration::from_millis(100),
        ..ClientLimits::default()
    };
    let options = ClientOptions { limits, ..ClientOptions::default() };
    let mut stage = Stage::with(&options, |scene| {
        scene.lets_in(&[]);
        let mut data = scene.begins("RETR file");
        data.write_all(b"half").expect("a client");
        let _ = data.read(&mut [0]);
        scene.says("426 It was you who left");
        scene.ends();
    });
    let (outcome, bytes) = stage.gets("file");
    assert!(outcome.is_err());
    assert_eq!(bytes, b"half");
    stage.quits();
}

#[test]
fn a_login_that_is_refused_has_the_servers_reason() {
    let login = Login { user: b"ann".to_vec(), password: Secret(b"wrong".to_vec()) };
    let options = ClientOptions { login, ..ClientOptions::default() };
    let mut stage = Stage::with(&options, |scene| {
        scene.says("220 Ready");
        scene.answers("USER ann", "331 And?");
        scene.answers("PASS wrong", "530 No");
    });
    let failure = stage.finished().expect_err("it is refused");
    assert_eq!(failure.to_string(), "the server refuses the login: 530 No");
    stage.leaves();
}

#[test]
fn a_server_of_another_protocol_is_found_out() {
    let mut stage = Stage::new(|scene| scene.says("SSH-2.0-OpenSSH_9.2"));
    assert!(matches!(stage.finished(), Err(Failure::Nonsense(_))));
    stage.leaves();
    let mut stage = Stage::new(|scene| {
        let line = vec![b'x'; 100_000];
        let _ = scene.control.get_mut().write_all(&line);
    });
    assert!(matches!(stage.finished(), Err(Failure::Nonsense(_))));
    stage.leaves();
}

/// A server that lists without end costs no more memory than is allowed.
#[test]
fn a_list_without_end_is_given_up() {
    let limits = ClientLimits { listing: 100_000, ..ClientLimits::default() };
    let options = ClientOptions { limits, ..ClientOptions::default() };
    let mut stage = Stage::with(&options, |scene| {
        scene.lets_in(&["MLST type*;"]);
        let mut data = scene.begins("MLSD");
        while data.write_all(b"type=file; name\r\n").is_ok() {}
        scene.says("426 As you like");
        scene.answers("ABOR", "226 It is over already");
        scene.ends();
    });
    let outcome = stage.does(Operation::List { path: Vec::new() });
    assert_eq!(outcome, Err(Failure::ListingTooLong(100_000)));
    stage.quits();
}

#[test]
fn a_name_with_a_line_end_in_it_is_no_second_command() {
    let mut stage = Stage::new(|scene| {
        scene.lets_in(&[]);
        scene.ends();
    });
    stage.until("it is logged in", |world| world.ready);
    let client = stage.world.client.as_mut().expect("it is there");
    let (operation, _) = get("file\r\nDELE everything", 0);
    let refused = client.start(stage.reactor.registry(), operation);
    assert!(matches!(refused, Err(NotStarted::Unsendable(_))));
    stage.quits();
}

#[test]
fn one_operation_at_a_time() {
    let mut stage = Stage::new(|scene| {
        scene.lets_in(&[]);
        scene.answers("NOOP", "200 Nothing");
        scene.ends();
    });
    let (early, _) = get("file", 0);
    let client = stage.world.client.as_mut().expect("it is there");
    assert!(matches!(client.start(stage.reactor.registry(), early), Err(NotStarted::Busy(_))));
    stage.start(Operation::Command(Command::Noop));
    let client = stage.world.client.as_mut().expect("it is there");
    let (second, _) = get("file", 0);
    assert!(matches!(client.start(stage.reactor.registry(), second), Err(NotStarted::Busy(_))));
    assert!(matches!(stage.outcome(), Ok(Done::Command(reply)) if reply.code == 200));
    stage.quits();
}
