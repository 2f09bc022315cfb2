//! Files and lists on the data connection, in both directions, and how transfers end.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use protocols::transfer::ftp::{Direction, Event, Limits, Settings};

use crate::kit::{PATIENCE, noise};
use crate::stage::{Stage, read_all};

const MIB: usize = 1024 * 1024;

fn keeping() -> Settings {
    Settings { keep_uploads: true, ..Settings::default() }
}

fn with_limits(limits: Limits) -> Stage {
    Stage::with(Settings { limits, ..Settings::default() })
}

#[test]
fn files_of_any_size_come_back_byte_for_byte() {
    let (stage, mut peer) = Stage::with_ann();
    for length in [0, 1, 1000, 65_536, 3 * MIB + 17, 40 * MIB] {
        let content = noise(length);
        peer.brings("STOR file", &content);
        assert!(stage.get("file") == content, "{length} bytes were brought");
        assert!(peer.fetches("RETR file") == content, "{length} bytes were fetched");
        assert_eq!(peer.asks("SIZE file", 213), length.to_string());
    }
    peer.quits();
    let counters = stage.finish();
    assert_eq!((counters.uploads, counters.downloads, counters.failed_transfers), (6, 6, 0));
    assert_eq!(counters.bytes_in, counters.bytes_out);
}

/// RFC 959, 5.4: 125 if the data connection is there already, 150 if not.
#[test]
fn the_first_reply_says_whether_the_data_connection_is_there() {
    let (stage, mut peer) = Stage::with_ann();
    let address = peer.port();
    peer.says("RETR hello.txt");
    assert_eq!(peer.hears(150), "Opening data connection for hello.txt (12 bytes).");
    let mut data = TcpStream::connect(address).expect("it listens");
    assert_eq!(read_all(&mut data), b"hello\nworld\n");
    drop(data);
    assert_eq!(peer.hears(226), "Transfer complete.");

    let data = peer.data();
    // It is accepted in the order of events, so a later answer comes behind it.
    stage.until("it is accepted", |_| peer.asks("NOOP", 200) == "Still here.");
    stage.until("it is accepted", |stage| stage.counters().sessions == 1);
    peer.says("LIST");
    peer.hears_begin();
    drop(data);
    let reply = peer.reply();
    assert!(matches!(reply.code, 226 | 426), "{reply}");
    peer.quits();
}

#[test]
fn every_way_to_open_a_data_connection_works() {
    for stage in [Some(Stage::new()), Stage::on_v6()].into_iter().flatten() {
        let mut peer = stage.ann();
        let content = noise(100_000);
        let is_v4 = stage.address.is_ipv4();
        if is_v4 {
            peer.asks("EPSV 1", 229);
            let address = peer.port_of_pasv();
            assert_eq!(address.ip(), stage.address.ip());
            let mut data = TcpStream::connect(address).expect("it listens");
            peer.says("STOR file");
            peer.hears_begin();
            data.write_all(&content).expect("it is open");
            drop(data);
            peer.hears(226);
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            let port = listener.local_addr().expect("it is bound").port().to_be_bytes();
            peer.asks(&format!("PORT 127,0,0,1,{},{}", port[0], port[1]), 200);
            peer.says("RETR file");
            peer.hears(150);
            let (mut data, _) = listener.accept().expect("it comes");
            assert!(read_all(&mut data) == content);
            drop(data);
            peer.hears(226);
            peer.asks("EPRT |2|::1|2000|", 522);
        } else {
            peer.asks_each([("PASV", 502), ("PORT 127,0,0,1,10,10", 522), ("EPSV 1", 522)]);
            peer.brings("STOR file", &content);
        }
        let listener = peer.listens();
        peer.says("RETR file");
        peer.hears(150);
        let (mut data, from) = listener.accept().expect("it comes");
        assert_eq!(from.ip(), stage.address.ip());
        assert!(read_all(&mut data) == content);
        drop(data);
        peer.hears(226);
        assert!(peer.fetches("RETR file") == content);

        peer.asks("EPSV ALL", 200);
        for line in ["PASV", "PORT 127,0,0,1,10,10", "EPRT |1|127.0.0.1|2570|"] {
            peer.asks(line, 503);
        }
        assert!(peer.fetches("RETR file") == content);
        peer.quits();
    }
}

#[test]
fn text_has_line_ends_of_the_network_on_its_way_and_ours_on_the_disk() {
    let (stage, mut peer) = Stage::with_ann();
    peer.asks("TYPE A", 200);
    let lines: String = (0..50_000).map(|at| format!("line {at}\n")).collect();
    let wire = lines.replace('\n', "\r\n");
    peer.brings("STOR text", wire.as_bytes());
    assert!(stage.get("text") == lines.as_bytes());
    assert!(peer.fetches("RETR text") == wire.as_bytes());
    peer.asks("SIZE text", 550);
    peer.brings("APPE text", b"\r\rlast\r");
    peer.asks("TYPE I", 200);
    assert!(peer.fetches("RETR text") == [lines.as_bytes(), b"\r\rlast\r"].concat());
    // Cut between CR and LF, and right at the end.
    peer.asks("TYPE A", 200);
    let mut data = peer.begins("STOR cut");
    for piece in [&b"a\r"[..], b"\nb\r", b"c", b"\r"] {
        let before = stage.stats();
        data.write_all(piece).expect("it is open");
        stage.until_read(&before, piece.len());
    }
    drop(data);
    peer.hears(226);
    assert_eq!(stage.get("cut"), b"a\nb\rc\r");
    peer.quits();
}

#[test]
fn a_download_goes_on_where_it_ended() {
    let (stage, mut peer) = Stage::with_ann();
    let content = noise(MIB);
    stage.put("file", &content);
    for offset in [0, 1, 500_000, MIB] {
        peer.asks(&format!("REST {offset}"), 350);
        assert!(peer.fetches("RETR file") == content[offset..], "from {offset}");
    }
    assert!(peer.fetches("RETR file") == content, "it is for one transfer");
    peer.asks("EPSV", 229);
    peer.asks(&format!("REST {}", MIB + 1), 350);
    peer.asks_each([("RETR file", 554), ("REST 5", 350), ("PWD", 257)]);
    assert!(peer.fetches("RETR file") == content, "something else was asked meanwhile");
    peer.quits();
}

/// Where in a text a place is that is counted in bytes, nobody can say without reading all of it.
#[test]
fn text_is_not_gone_on_with_in_whatever_order_that_is_asked_for() {
    let (stage, mut peer) = Stage::with_ann();
    peer.asks("EPSV", 229);
    for command in ["RETR hello.txt", "STOR hello.txt"] {
        peer.asks_each([("TYPE I", 200), ("REST 5", 350), ("TYPE A", 200)]);
        peer.asks(command, 554);
    }
    peer.asks_each([("REST 5", 501), ("TYPE I", 200)]);
    assert_eq!(peer.fetches("RETR hello.txt"), b"hello\nworld\n", "it was refused");
    // What was agreed on before is not what was asked for last.
    for line in ["REST 6", "TYPE A", "REST 5", "TYPE I"] {
        peer.says(line);
    }
    for code in [350, 200, 501, 200] {
        peer.hears(code);
    }
    assert_eq!(peer.fetches("RETR hello.txt"), b"hello\nworld\n");
    // The beginning is where it always is.
    peer.asks_each([("TYPE A", 200), ("REST 0", 350)]);
    assert_eq!(peer.fetches("RETR hello.txt"), b"hello\r\nworld\r\n");
    // There and back again.
    peer.asks_each([("TYPE I", 200), ("REST 6", 350), ("TYPE A", 200), ("TYPE I", 200)]);
    assert_eq!(peer.fetches("RETR hello.txt"), b"world\n");
    assert_eq!(stage.get("hello.txt"), b"hello\nworld\n");
    peer.quits();
}

#[test]
fn an_upload_goes_on_where_it_ended() {
    let (stage, mut peer) = Stage::with_ann();
    let content = noise(MIB);
    peer.brings("STOR file", &content[..400_000]);
    peer.asks("REST 400000", 350);
    peer.brings("STOR file", &content[400_000..600_000]);
    peer.brings("APPE file", &content[600_000..]);
    assert!(stage.get("file") == content);
    peer.asks("REST 100", 350);
    peer.brings("STOR file", b"the rest");
    assert!(stage.get("file") == [&content[..100], b"the rest"].concat());
    peer.asks("REST 5000", 350);
    peer.asks("EPSV", 229);
    peer.asks("STOR file", 554);
    peer.asks("REST 5", 350);
    peer.asks("STOR new", 554);
    assert_eq!(stage.names(), ["file", "hello.txt", "sub"]);
    peer.quits();
}

/// Offsets and sizes have more than 32 bits. Holes take no room.
#[test]
fn files_of_more_than_four_gibibytes_are_gone_on_with() {
    const BEFORE: u64 = (5 << 30) + 3;
    let stage = Stage::new();
    let content = noise(3 * MIB);
    let file = std::fs::File::create(stage.path("file")).expect("it is made");
    if file.set_len(BEFORE).is_err() {
        return crate::outside::left_out("no file can be so large here");
    }
    let mut peer = stage.ann();
    peer.asks(&format!("REST {BEFORE}"), 350);
    peer.brings("STOR file", &content);
    let length = BEFORE + content.len() as u64;
    assert_eq!(peer.asks("SIZE file", 213), length.to_string());
    peer.asks(&format!("REST {}", BEFORE - 5), 350);
    let rest = peer.fetches("RETR file");
    assert!(rest == [&[0; 5], content.as_slice()].concat());
    let facts = String::from_utf8(peer.fetches("MLSD")).expect("it is text");
    assert!(facts.contains(&format!("size={length};")), "{facts}");
    peer.quits();
}

/// Begins an upload, brings a part of it, and waits until the server has it.
fn bring_a_part(stage: &Stage, peer: &mut crate::stage::Peer, content: &[u8]) -> TcpStream {
    let before = stage.counters().bytes_in;
    let mut data = peer.begins("STOR file");
    data.write_all(content).expect("it is open");
    let there = before + content.len() as u64;
    stage.until("it is there", |stage| stage.counters().bytes_in == there);
    data
}

fn reset(data: TcpStream) {
    let socket = socket2::Socket::from(data);
    socket.set_linger(Some(Duration::ZERO)).expect("it is set");
}

#[test]
fn an_upload_that_is_cut_off_was_never_there() {
    let (stage, mut peer) = Stage::with_ann();
    let data = bring_a_part(&stage, &mut peer, &noise(100_000));
    assert_eq!(stage.names().len(), 3, "it is under a hidden name");
    reset(data);
    peer.hears(426);
    assert_eq!(stage.names(), ["hello.txt", "sub"]);
    // The client goes away altogether.
    let data = bring_a_part(&stage, &mut peer, &noise(100_000));
    drop(peer);
    stage.until("the session has ended", |stage| stage.counters().open == 0);
    stage.until("it has vanished", |stage| stage.names().len() == 2);
    drop(data);
    assert_eq!(stage.finish().failed_transfers, 2);
}

#[test]
fn an_upload_that_is_cut_off_is_kept_if_that_is_wanted() {
    let stage = Stage::with(keeping());
    let content = noise(300_000);
    let mut peer = stage.ann();
    reset(bring_a_part(&stage, &mut peer, &content[..100_000]));
    peer.hears(426);
    assert_eq!(peer.fetches("NLST"), b"hello.txt\r\nsub\r\n", "nobody sees it");
    assert_eq!(peer.asks("SIZE file", 213), "100000");
    peer.asks("REST 100000", 350);
    let data = bring_a_part(&stage, &mut peer, &content[100_000..200_000]);
    drop(peer);
    stage.until("the session has ended", |stage| stage.counters().open == 0);
    drop(data);
    let mut peer = stage.ann();
    stage.until("it was kept", |stage| stage.names().iter().any(|name| name.contains("kept")));
    assert_eq!(peer.asks("SIZE file", 213), "200000");
    peer.brings("APPE file", &content[200_000..]);
    assert!(stage.get("file") == content);
    assert_eq!(stage.names(), ["file", "hello.txt", "sub"]);
    peer.quits();
}

#[test]
fn a_file_is_replaced_only_by_a_whole_one() {
    let stage = Stage::new();
    stage.put("file", b"the old one");
    let mut peer = stage.ann();
    let data = bring_a_part(&stage, &mut peer, b"the new");
    assert_eq!(stage.get("file"), b"the old one");
    let mut other = stage.ann();
    assert_eq!(other.fetches("RETR file"), b"the old one");
    drop(data);
    peer.hears(226);
    assert_eq!(other.fetches("RETR file"), b"the new");
    other.quits();
    peer.quits();
}

#[test]
fn a_unique_name_is_told() {
    let (stage, mut peer) = Stage::with_ann();
    let mut names = Vec::new();
    for line in ["STOU", "STOU hello.txt"] {
        let mut data = peer.data();
        peer.says(line);
        let text = peer.hears_begin();
        let name = text.strip_prefix("FILE: ").expect("RFC 1123, 4.1.2.9").to_owned();
        data.write_all(b"unique").expect("it is open");
        drop(data);
        peer.hears(226);
        assert_eq!(stage.get(&name), b"unique");
        names.push(name);
    }
    assert!(names[0].starts_with("upload.") && names[1].starts_with("hello.txt."), "{names:?}");
    peer.quits();
}

#[test]
fn lists_come_in_three_ways() {
    let (_stage, mut peer) = Stage::with_ann();
    peer.asks("MFMT 20200102030405 hello.txt", 213);
    peer.asks("MFMT 20200102030405 sub", 213);
    peer.asks("OPTS MLST type;size;modify;", 200);
    assert_eq!(peer.fetches("NLST"), b"hello.txt\r\nsub\r\n");
    let facts = "type=file;size=12;modify=20200102030405; hello.txt\r\n\
                 type=dir;modify=20200102030405; sub\r\n";
    assert_eq!(String::from_utf8_lossy(&peer.fetches("MLSD /")), facts);
    let long = peer.fetches("LIST -al");
    let long = String::from_utf8_lossy(&long);
    let lines: Vec<_> = long.lines().collect();
    assert_eq!(lines.len(), 2, "{long}");
    assert!(
        lines[0].starts_with("-rw") && lines[0].ends_with(" 12 Jan  2  2020 hello.txt"),
        "{long}"
    );
    assert!(lines[1].starts_with("drwx") && lines[1].ends_with(" 0 Jan  2  2020 sub"), "{long}");
    assert!(peer.fetches("LIST hello.txt").ends_with(b"hello.txt\r\n"));
    assert_eq!(peer.fetches("LIST sub"), b"");
    // Also to who has not said where to send it.
    peer.asks("MLSD hello.txt", 501);
    peer.asks("MLSD sub", 425);
    peer.asks("MLSD", 425);
    peer.asks("EPSV", 229);
    peer.asks("LIST nothing", 450);
    peer.asks("NLST nothing", 450);
    peer.asks("MLSD nothing", 550);
    // RFC 3659, 7.2.1: of what is there, and is no directory.
    peer.asks_each([("MLSD hello.txt", 501), ("MLSD hello.txt/x", 550)]);
    peer.quits();
}

/// They were directories, 9,903 of them for one file.
#[cfg(unix)]
#[test]
fn a_link_is_listed_as_one_so_that_nobody_walks_in_circles() {
    use std::os::unix::fs::symlink;
    let stage = Stage::new();
    for (target, name) in
        [(".", "sub/loop"), ("..", "sub/up"), ("../hello.txt", "sub/file"), ("gone", "sub/none")]
    {
        symlink(target, stage.path(name)).expect("a link");
    }
    symlink(stage.path("hello.txt"), stage.path("sub/out")).expect("a link");
    let root = stage.directory.path().to_str().expect("it is text").to_owned();
    let mut peer = stage.ann();
    peer.asks("OPTS MLST type;size;perm;unique;", 200);

    let mut listed = String::new();
    for how in ["LIST sub", "LIST -a sub", "LIST sub/*"] {
        listed = String::from_utf8(peer.fetches(how)).expect("it is text");
        assert!(listed.lines().all(|line| line.starts_with("lrwxrwxrwx ")), "{listed}");
        // Behind the time of day there is the name.
        let name = |line: &str| line[line.find(':').expect("a time") + 4..].replace("sub/", "");
        let told: Vec<_> = listed.lines().map(name).collect();
        let wanted = ["file -> ../hello.txt", "loop -> .", "none -> gone", "out", "up -> .."];
        assert_eq!(told, wanted, "{how}");
    }
    let status = peer.asks("STAT sub", 212);
    assert!(status.contains(" up -> ..") && !status.contains(&root), "{status}");
    let facts = String::from_utf8(peer.fetches("MLSD sub")).expect("it is text");
    assert!(![&listed, &facts].iter().any(|told| told.contains(&root)), "{listed}{facts}");

    // What it leads to can be told from the other facts, and whether one has been there.
    let unique =
        |told: &str| told.split(';').find(|it| it.starts_with("unique=")).map(str::to_owned);
    let of = |peer: &mut crate::stage::Peer, path: &str| {
        unique(&peer.asks(&format!("MLST {path}"), 250)).expect("it is told")
    };
    let (top, sub, file) = (of(&mut peer, "/"), of(&mut peer, "/sub"), of(&mut peer, "/hello.txt"));
    for (line, target, same) in [
        (0, "file;type=OS.unix=slink:../hello.txt;size=12;perm=adfrw;", Some(&file)),
        (1, "loop;type=OS.unix=slink:.;perm=cdeflmp;", Some(&sub)),
        (2, "none;type=OS.unix=slink:gone;perm=df;", None),
        (3, "out;type=OS.unix=slink;perm=df;", None),
        (4, "up;type=OS.unix=slink:..;perm=cdeflmp;", Some(&top)),
    ] {
        let line = facts.lines().nth(line).expect("there are five");
        let (name, told) = target.split_once(';').expect("both");
        assert!(line.starts_with(told) && line.ends_with(&format!("; {name}")), "{line}");
        if let Some(same) = same {
            assert_eq!(unique(line).as_ref(), Some(same), "{line}");
        }
        let single = peer.asks(&format!("MLST sub/{name}"), 250);
        assert!(single.contains(line.split_once(' ').expect("a name").0), "{single}");
    }
    assert_eq!(of(&mut peer, "/sub/loop/loop/up"), top);

    // Whoever wants to goes through them.
    peer.asks("CWD sub/loop/loop/up/sub", 250);
    assert_eq!(peer.fetches("RETR file"), b"hello\nworld\n");
    assert_eq!(peer.asks("SIZE file", 213), "12");
    assert!(peer.fetches("LIST file").ends_with(b" file -> ../hello.txt\r\n"));
    peer.asks("CWD /", 250);
    assert!(peer.fetches("LIST sub/up").ends_with(b" sub\r\n"));
    for (line, code) in [("RETR sub/out", 550), ("RETR sub/none", 550), ("DELE sub/loop", 250)] {
        peer.asks("EPSV", 229);
        peer.asks(line, code);
    }
    assert!(stage.path("sub").exists());
    peer.quits();
}

/// What clients make of `mget *.txt`; a file that is called so comes first.
#[test]
fn a_pattern_is_a_name_for_many() {
    let stage = Stage::new();
    for name in ["a.txt", "b.txt", ".c.txt", "sub/d.txt", "sub/e.ogg"] {
        stage.put(name, b"");
    }
    let mut peer = stage.ann();
    assert_eq!(peer.fetches("NLST *.txt"), b"a.txt\r\nb.txt\r\nhello.txt\r\n");
    assert_eq!(peer.fetches("NLST sub/?.*"), b"sub/d.txt\r\nsub/e.ogg\r\n");
    assert!(peer.fetches("LIST sub/*.ogg").ends_with(b" sub/e.ogg\r\n"));
    assert_eq!(peer.fetches("NLST sub/d.txt"), b"sub/d.txt\r\n");
    peer.asks_each([("EPSV", 229), ("NLST *.mp3", 450), ("RETR *.txt", 550)]);
    if cfg!(unix) {
        stage.put("*.txt", b"");
        assert_eq!(peer.fetches("NLST *.txt"), b"*.txt\r\n");
    }
    peer.quits();
}

#[test]
fn a_directory_of_ten_thousand_entries_is_listed_whole() {
    let stage = Stage::new();
    for at in 0..10_000 {
        stage.put(&format!("sub/file number {at:05}"), b"");
    }
    let mut peer = stage.ann();
    let names: String = (0..10_000).map(|at| format!("file number {at:05}\r\n")).collect();
    assert!(peer.fetches("NLST sub") == names.as_bytes());
    let facts = String::from_utf8(peer.fetches("MLSD sub")).expect("it is text");
    assert_eq!(facts.lines().count(), 10_000);
    assert!(facts.lines().enumerate().all(|(at, line)| {
        line.starts_with("type=file;size=0;") && line.ends_with(&format!("; file number {at:05}"))
    }));
    assert_eq!(String::from_utf8_lossy(&peer.fetches("LIST sub")).lines().count(), 10_000);
    peer.quits();
}

#[test]
fn a_directory_with_too_many_entries_is_not_listed_in_part() {
    let stage = with_limits(Limits { entries: 1, ..Limits::default() });
    let mut peer = stage.ann();
    peer.asks_each([("EPSV", 229), ("LIST", 451)]);
    assert_eq!(peer.fetches("NLST sub"), b"");
    peer.quits();
}

const LONG: u64 = 1 << 36;

/// One that fills all buffers.
fn put_a_long_file(stage: &Stage) {
    let file = std::fs::File::create(stage.path("long")).expect("it is made");
    file.set_len(LONG).expect("holes cost nothing");
}

#[test]
fn the_control_connection_answers_while_data_flows() {
    let stage = Stage::new();
    put_a_long_file(&stage);
    let mut peer = stage.ann();
    let data = peer.begins("RETR long");
    peer.asks("NOOP", 200);
    let status = peer.asks("STAT", 211);
    assert!(
        status.contains("Sending /long: ") && status.contains(" of 68719476736 bytes"),
        "{status}"
    );
    peer.asks("XYZZY", 500);
    // What is not for now waits, and STAT behind it as well, so that replies come in order.
    peer.says("PWD");
    peer.says("STAT");
    reset(data);
    peer.hears(426);
    peer.hears(257);
    assert!(peer.hears(211).contains("Nothing is being transferred"));
    peer.quits();
}

#[test]
fn a_transfer_is_aborted_at_once() {
    let stage = Stage::new();
    put_a_long_file(&stage);
    let mut peer = stage.ann();
    for how in [&b"ABOR\r\n"[..], b"\xff\xf4\xff\xf2ABOR\r\n", b"\xff\xf4\xffABOR\r\n"] {
        let mut data = peer.begins("RETR long");
        peer.says_bytes(how);
        peer.hears(426);
        peer.hears(226);
        let mut rest = Vec::new();
        assert!(data.read_to_end(&mut rest).is_err(), "it is reset: {} bytes came", rest.len());
    }
    peer.asks("ABOR", 226);
    let mut data = peer.begins("STOR file");
    data.write_all(b"a part").expect("it is open");
    peer.asks("ABOR", 426);
    peer.hears(226);
    // An interrupt is heard before what was said in front of it.
    let _data = peer.begins("RETR long");
    peer.says_bytes(b"PWD\r\n\xff\xf4\xff\xf2ABOR\r\n");
    for code in [426, 226, 257] {
        peer.hears(code);
    }
    assert_eq!(stage.names(), ["hello.txt", "long", "sub"]);
    peer.quits();
}

#[test]
fn an_abort_behind_the_last_byte_is_answered_once_and_tells_the_truth() {
    let (stage, mut peer) = Stage::with_ann();
    for number in 0..30 {
        let name = format!("file-{number}");
        let mut data = peer.begins(&format!("STOR {name}"));
        data.write_all(b"all of it").expect("it is open");
        // Whichever is heard first.
        if number % 2 == 0 {
            data.shutdown(Shutdown::Write).expect("it is open");
            peer.says("ABOR");
        } else {
            peer.says("ABOR");
            // It may be reset already.
            let _ = data.shutdown(Shutdown::Write);
        }
        let end = peer.reply();
        assert!(matches!(end.code, 226 | 426), "{end}");
        peer.hears(226);
        peer.asks("NOOP", 200);
        assert_eq!(stage.names().contains(&name), end.code == 226, "{end}");
    }
    peer.quits();
    let counters = stage.finish();
    assert_eq!(counters.uploads + counters.failed_transfers, 30);
}

#[test]
fn a_data_connection_that_comes_as_its_session_ends_is_not_left_behind() {
    let stage = Stage::new();
    let mut all = Vec::new();
    for number in 0..30 {
        let mut peer = stage.ann();
        let address = peer.port();
        all.push(TcpStream::connect(address).expect("it listens"));
        if number % 2 == 0 {
            peer.says("RETR hello.txt");
        }
        drop(peer);
    }
    // What is left would be cut off.
    drop(stage);
    for data in &mut all {
        let _ = data.read_to_end(&mut Vec::new());
    }
}

/// RFC 959, 4.1.3: the mark of a Synch is urgent data.
#[test]
fn an_abort_is_heard_behind_urgent_data() {
    let stage = Stage::new();
    put_a_long_file(&stage);
    let mut peer = stage.ann();
    for is_read_before in [false, true] {
        for _ in 0..20 {
            let data = peer.begins("RETR long");
            let control = socket2::SockRef::from(&peer.control);
            let before = stage.stats();
            control.send(b"\xff\xf4").expect("it is open");
            control.send_out_of_band(b"\xff\xf2").expect("it is open");
            if is_read_before {
                // All but the mark, which is not in line with the rest.
                stage.until_read(&before, 3);
            }
            control.send(b"ABOR\r\n").expect("it is open");
            peer.hears(426);
            peer.hears(226);
            drop(data);
        }
    }
    peer.quits();
}

/// RFC 959, 4.1.1: the goodbye is said when the file is there.
#[test]
fn a_client_that_quits_gets_its_file_first() {
    let stage = Stage::new();
    let content = noise(8 * MIB);
    stage.put("file", &content);
    let mut peer = stage.ann();
    let mut data = peer.begins("RETR file");
    peer.says("QUIT");
    assert!(read_all(&mut data) == content);
    drop(data);
    peer.hears(226);
    peer.hears(221);
    peer.hears_the_end();
}

/// It has said that it sends nothing, which is so.
#[test]
fn a_client_that_half_closes_its_data_connection_gets_its_file() {
    let stage = Stage::new();
    let content = noise(8 * MIB);
    stage.put("file", &content);
    let mut peer = stage.ann();
    let mut data = peer.data();
    data.shutdown(Shutdown::Write).expect("it is open");
    peer.says("RETR file");
    peer.hears_begin();
    assert!(read_all(&mut data) == content);
    peer.hears(226);
    peer.quits();
}

/// Some clients wait for the reply before they close.
#[test]
fn a_client_that_keeps_its_data_connection_open_hears_that_all_was_sent() {
    let (_stage, mut peer) = Stage::with_ann();
    let mut data = peer.begins("RETR hello.txt");
    peer.hears(226);
    assert_eq!(peer.fetches("NLST"), b"hello.txt\r\nsub\r\n", "it can go on meanwhile");
    assert_eq!(read_all(&mut data), b"hello\nworld\n");
    drop(data);
    peer.quits();
}

#[test]
fn nobody_comes_to_a_port_and_the_transfer_is_given_up() {
    let limits = Limits { data_timeout: Duration::from_millis(100), ..Limits::default() };
    let stage = with_limits(limits);
    let mut peer = stage.ann();
    let address = peer.port();
    peer.says("RETR hello.txt");
    peer.hears(150);
    peer.hears(425);
    assert!(TcpStream::connect(address).is_err(), "the port is closed");
    // Nor does anybody listen where the server is to connect to.
    drop(peer.listens());
    peer.says("STOR new");
    peer.hears(150);
    peer.hears(425);
    peer.asks("RETR hello.txt", 425);
    // A connection that is not used is closed.
    let mut unused = peer.data();
    let mut rest = Vec::new();
    let _ = unused.read_to_end(&mut rest);
    peer.asks("RETR hello.txt", 425);
    assert_eq!(stage.names(), ["hello.txt", "sub"]);
    peer.quits();
}

#[test]
fn a_transfer_that_stands_still_is_given_up() {
    let limits = Limits { stall_timeout: Duration::from_millis(200), ..Limits::default() };
    let stage = with_limits(limits);
    put_a_long_file(&stage);
    let mut peer = stage.ann();
    let _download = peer.begins("RETR long");
    peer.hears(426);
    let mut data = peer.begins("STOR new");
    data.write_all(b"x").expect("it is open");
    peer.hears(426);
    assert_eq!(stage.names(), ["hello.txt", "long", "sub"]);
    peer.quits();
}

#[test]
fn a_file_that_becomes_shorter_is_not_called_complete() {
    let stage = Stage::new();
    put_a_long_file(&stage);
    let mut peer = stage.ann();
    let mut data = peer.begins("RETR long");
    let file =
        std::fs::OpenOptions::new().write(true).open(stage.path("long")).expect("it is there");
    file.set_len(1_000_000).expect("it is cut");
    let mut rest = Vec::new();
    let _ = data.read_to_end(&mut rest);
    peer.hears(451);
    peer.quits();
}

#[test]
fn rates_hold_transfers_back_in_both_directions() {
    let limits = Limits { session_rate: Some(400_000), ..Limits::default() };
    let stage = with_limits(limits);
    let mut peer = stage.ann();
    let content = noise(200_000);
    for at in 0..2 {
        let begun = Instant::now();
        if at == 0 {
            peer.brings("STOR file", &content);
        } else {
            assert!(peer.fetches("RETR file") == content);
        }
        let took = begun.elapsed();
        assert!(took > Duration::from_millis(200) && took < PATIENCE, "{took:?}");
    }
    peer.quits();
}

#[test]
fn a_rate_for_all_is_shared() {
    let limits = Limits { total_rate: Some(400_000), ..Limits::default() };
    let stage = with_limits(limits);
    stage.put("file", &noise(100_000));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut peer = stage.ann();
                assert_eq!(peer.fetches("RETR file").len(), 100_000);
                peer.quits();
            });
        }
    });
    assert!(begun.elapsed() > Duration::from_millis(600), "{:?}", begun.elapsed());
}

#[test]
fn a_shutdown_lets_transfers_end_and_says_goodbye() {
    let mut stage = Stage::new();
    let content = noise(16 * MIB);
    stage.put("file", &content);
    let mut idle = stage.ann();
    let mut peer = stage.ann();
    let mut data = peer.begins("RETR file");
    stage.handle().shutdown(PATIENCE).expect("it runs");
    idle.hears(421);
    idle.hears_the_end();
    assert!(read_all(&mut data) == content);
    drop(data);
    peer.hears(226);
    peer.hears(421);
    peer.hears_the_end();
    drop((idle, peer));
    stage.joins();
}

#[test]
fn the_log_is_told_of_every_transfer() {
    let (stage, mut peer) = Stage::with_ann();
    peer.brings("STOR new", b"12345");
    peer.fetches("RETR new");
    peer.fetches("LIST");
    reset(bring_a_part(&stage, &mut peer, b"123"));
    peer.hears(426);
    peer.quits();
    let transfer = |event: &Event| match event {
        Event::Transferred(it) => {
            Some((it.direction, it.path.to_string(), it.bytes, it.complete, it.user.clone()))
        }
        _ => None,
    };
    let told: Vec<_> = stage.events().iter().filter_map(transfer).collect();
    let ann = || "ann".to_owned();
    assert_eq!(
        told,
        [
            (Direction::Upload, "/new".to_owned(), 5, true, ann()),
            (Direction::Download, "/new".to_owned(), 5, true, ann()),
            (Direction::Upload, "/file".to_owned(), 3, false, ann()),
        ]
    );
}

/// On a file system that is as small as it can be, if this machine lets us have one.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_452_and_leaves_nothing_behind() {
    let stage = Stage::new();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1M", "tmpfs"])
        .arg(stage.path("sub"))
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        return crate::outside::left_out("no tmpfs can be mounted here");
    }
    let mut peer = stage.ann();
    let mut data = peer.begins("STOR sub/large");
    // It may be refused before all of it is sent.
    let _ = data.write_all(&noise(2 * MIB));
    peer.hears(452);
    assert_eq!(peer.fetches("NLST sub"), b"");
    peer.brings("STOR sub/small", &noise(MIB / 2));
    peer.quits();
    let left = std::fs::read_dir(stage.path("sub")).expect("it is there").count();
    let unmounted = std::process::Command::new("umount").arg(stage.path("sub")).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    assert_eq!(left, 1);
}
