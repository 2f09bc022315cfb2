//! What strangers do to FTP servers (RFC 2577), and what they get.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use protocols::transfer::ftp::{Event, Settings};

use crate::stage::{Stage, another_address, read_all};

/// RFC 2577, 3: the server is not made to talk to others.
#[test]
fn a_bounce_is_refused() {
    let stage = Stage::new();
    let victim = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = victim.local_addr().expect("it is bound").port();
    let [high, low] = port.to_be_bytes();
    let mut peer = stage.ann();
    for line in [
        format!("PORT 127,0,0,2,{high},{low}"),
        format!("PORT 10,0,0,1,{high},{low}"),
        format!("PORT 0,0,0,0,{high},{low}"),
        "PORT 127,0,0,1,0,22".to_owned(),
        "PORT 127,0,0,1,3,255".to_owned(),
        "PORT 127,0,0,1,0,0".to_owned(),
        format!("EPRT |1|127.0.0.2|{port}|"),
        "EPRT |1|127.0.0.1|22|".to_owned(),
    ] {
        peer.asks(&line, 504);
        peer.asks("RETR hello.txt", 425);
    }
    peer.asks(&format!("EPRT |2|::ffff:127.0.0.1|{port}|"), 200);
    peer.quits();
    let refused =
        stage.events().iter().filter(|it| matches!(it, Event::BounceRefused { .. })).count();
    assert_eq!(refused, 8);
    assert_eq!(stage.finish().bounces_refused, 8);
}

#[test]
fn active_connections_can_be_turned_off() {
    let stage = Stage::with(Settings { active: false, ..Settings::default() });
    let mut peer = stage.ann();
    peer.asks("PORT 127,0,0,1,10,10", 502);
    assert_eq!(peer.fetches("NLST"), b"hello.txt\r\nsub\r\n");
    peer.quits();
}

/// Connects from another address of this machine than the client has.
fn connect_from_elsewhere(address: SocketAddr) -> Option<TcpStream> {
    let elsewhere = another_address()?;
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).ok()?;
    socket.bind(&SocketAddr::new(elsewhere, 0).into()).ok()?;
    socket.connect(&address.into()).ok()?;
    Some(socket.into())
}

/// RFC 2577, 2: somebody else is faster, and gets nothing; whom the port is for still gets the file.
#[test]
fn a_data_port_is_not_stolen() {
    let (stage, mut peer) = Stage::with_ann();
    let address = peer.port();
    let Some(mut thief) = connect_from_elsewhere(address) else {
        return crate::outside::left_out("this machine has one address only");
    };
    peer.says("RETR hello.txt");
    peer.hears(150);
    let mut stolen = Vec::new();
    let _ = thief.read_to_end(&mut stolen);
    assert_eq!(stolen, b"");
    let mut data = TcpStream::connect(address).expect("it listens still");
    assert_eq!(read_all(&mut data), b"hello\nworld\n");
    drop(data);
    peer.hears(226);

    // Nor does a stranger bring anything.
    let address = peer.port();
    let mut thief = connect_from_elsewhere(address).expect("as before");
    let _ = thief.write_all(b"planted");
    drop(thief);
    peer.says("STOR new");
    let mut data = TcpStream::connect(address).expect("it listens still");
    peer.hears_begin();
    data.write_all(b"mine").expect("it is open");
    drop(data);
    peer.hears(226);
    assert_eq!(stage.get("new"), b"mine");
    peer.quits();
    let counters = stage.finish();
    assert_eq!(counters.data_refused, 2);
}

#[test]
fn a_passive_port_is_for_one_connection() {
    let (_stage, mut peer) = Stage::with_ann();
    let address = peer.port();
    let mut first = TcpStream::connect(address).expect("it listens");
    let second = TcpStream::connect(address);
    peer.says("RETR hello.txt");
    peer.hears_begin();
    assert_eq!(read_all(&mut first), b"hello\nworld\n");
    drop(first);
    if let Ok(mut second) = second {
        let mut rest = Vec::new();
        let _ = second.read_to_end(&mut rest);
        assert_eq!(rest, b"");
    }
    peer.hears(226);
    // A new port makes the old one worthless.
    let old = peer.port();
    let new = peer.port();
    assert!(old == new || TcpStream::connect(old).is_err());
    peer.quits();
}

#[test]
fn passive_ports_are_of_the_range_and_at_random() {
    // A range that is free now, and not likely to be taken by others meanwhile.
    let first = 41_000 + (std::process::id() % 10_000) as u16;
    let range = first..=first + 63;
    let settings = Settings {
        passive_ports: Some(range.clone()),
        passive_address: Some(Ipv4Addr::new(192, 0, 2, 7)),
        ..Settings::default()
    };
    let stage = Stage::with(settings);
    let mut peer = stage.ann();
    let ports: Vec<u16> = (0..20).map(|_| peer.port().port()).collect();
    assert!(ports.iter().all(|port| range.contains(port)), "{ports:?}");
    let in_order = ports.windows(2).filter(|pair| pair[1] == pair[0].wrapping_add(1)).count();
    assert!(in_order < 10, "{ports:?}");
    assert_eq!(peer.port_of_pasv().ip(), Ipv4Addr::new(192, 0, 2, 7));
    peer.quits();
}

#[test]
fn a_range_that_is_used_up_is_said_to_be() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("it is bound").port();
    let stage = Stage::with(Settings { passive_ports: Some(port..=port), ..Settings::default() });
    let mut peer = stage.ann();
    peer.asks("EPSV", 425);
    drop(taken);
    assert_eq!(peer.fetches("NLST"), b"hello.txt\r\nsub\r\n");
    peer.quits();
}

/// A client that asks and asks, and reads no answer, is not read any more.
#[test]
fn a_client_that_does_not_read_costs_little_memory() {
    let (stage, mut peer) = Stage::with_ann();
    peer.control.set_nonblocking(true).expect("it can be");
    let line = b"STAT\r\n".repeat(1_000);
    // The loop turns once for each question, with bytes waiting, and reads none of them.
    let (mut read, mut turns) = (0, 0);
    stage.until("it is held back", |stage| {
        let is_full = peer.control.write(&line).is_err();
        let now = stage.stats().read_bytes;
        turns = if is_full && now == read { turns + 1 } else { 0 };
        read = now;
        turns == 200
    });
    let queued = stage.stats().queued_bytes;
    assert!(queued < 1024 * 1024, "{queued} bytes are queued");
}

/// No path that a client can say leads out of its home.
#[test]
fn no_command_leads_out_of_the_root() {
    let stage = Stage::new();
    let outside = stage.directory.path().parent().expect("it is somewhere").to_owned();
    let name = format!(
        "{}-outside",
        stage.directory.path().file_name().expect("it has one").to_string_lossy()
    );
    std::fs::create_dir(outside.join(&name)).expect("it is made");
    std::fs::write(outside.join(&name).join("secret"), "secret").expect("it is written");
    let mut peer = stage.ann();
    let mut ways = vec![
        format!("../{name}"),
        format!("/../{name}"),
        format!("sub/../../{name}"),
        format!("./.././{name}"),
        format!("....//{name}"),
        format!("..\\{name}"),
        format!("%2e%2e/{name}"),
        outside.join(&name).to_string_lossy().into_owned(),
    ];
    #[cfg(unix)]
    for (link, target) in [("up", ".."), ("absolute", &*outside.to_string_lossy())] {
        std::os::unix::fs::symlink(target, stage.path(link)).expect("a link");
        ways.push(format!("{link}/{name}"));
    }
    for way in ways {
        for line in [
            format!("CWD {way}"),
            format!("SIZE {way}/secret"),
            format!("MDTM {way}/secret"),
            format!("MLST {way}/secret"),
            format!("HASH {way}/secret"),
            format!("RNFR {way}/secret"),
            format!("DELE {way}/secret"),
            format!("RMD {way}"),
            format!("MKD {way}/new"),
            format!("SITE CHMOD 777 {way}/secret"),
            format!("MFMT 20200101000000 {way}/secret"),
        ] {
            peer.asks(&line, 550);
        }
        peer.asks("EPSV", 229);
        peer.asks(&format!("RETR {way}/secret"), 550);
        peer.asks(&format!("STOR {way}/secret"), 553);
        peer.asks(&format!("APPE {way}/secret"), 550);
        peer.asks(&format!("LIST {way}"), 450);
        peer.asks(&format!("MLSD {way}"), 550);
        peer.asks("RNFR hello.txt", 350);
        peer.asks(&format!("RNTO {way}/hello.txt"), 553);
    }
    peer.quits();
    assert_eq!(std::fs::read(outside.join(&name).join("secret")).expect("it is there"), b"secret");
    assert_eq!(std::fs::read_dir(outside.join(&name)).expect("it is there").count(), 1);
    std::fs::remove_dir_all(outside.join(&name)).expect("it is removed");
}
