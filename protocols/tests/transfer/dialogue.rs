//! What is said on the control connection, section by section.

use std::io::Write;

use protocols::transfer::ftp::users::{Anonymous, Permissions, Users};
use protocols::transfer::ftp::{Event, Limits, Settings};

use crate::stage::{Peer, Stage, everybody, user};

/// RFC 959, 5.4: what may be said to whom.
#[test]
fn nobody_gets_anywhere_without_logging_in() {
    let stage = Stage::new();
    let mut peer = stage.peer();
    for line in [
        "PWD",
        "CWD /",
        "LIST",
        "EPSV",
        "PASV",
        "RETR hello.txt",
        "STOR x",
        "SIZE x",
        "STAT",
        "SITE HELP",
    ] {
        peer.asks(line, 530);
    }
    for (line, code) in
        [("SYST", 215), ("FEAT", 211), ("HELP", 214), ("NOOP", 200), ("OPTS UTF8 ON", 200)]
    {
        peer.asks(line, code);
    }
    peer.asks_each([("PASS early", 503), ("ACCT x", 202)]);
    peer.quits();
}

#[test]
fn anybody_may_read_and_nothing_else() {
    let stage = Stage::new();
    let mut peer = stage.peer();
    peer.logs_in("anonymous", "me@here");
    assert_eq!(peer.fetches("RETR hello.txt"), b"hello\r\nworld\r\n");
    peer.asks("EPSV", 229);
    peer.asks_each([
        ("STOR new", 553),
        ("APPE hello.txt", 550),
        ("STOU", 553),
        ("DELE hello.txt", 550),
        ("MKD new", 550),
        ("RMD sub", 550),
        ("RNFR hello.txt", 550),
        ("MFMT 20200101000000 hello.txt", 550),
        ("SITE CHMOD 777 hello.txt", 550),
    ]);
    peer.quits();
    assert_eq!(stage.names(), ["hello.txt", "sub"]);
}

#[test]
fn a_user_needs_the_password_and_has_three_tries() {
    let limits = Limits { login_delay: std::time::Duration::from_millis(50), ..Limits::default() };
    let stage = Stage::with(Settings { limits, ..Settings::default() });
    let mut peer = stage.peer();
    let begun = std::time::Instant::now();
    for name in ["ann", "bob"] {
        peer.asks(&format!("USER {name}"), 331);
        peer.asks_each([("PASS wrong", 530), ("PWD", 530)]);
    }
    peer.asks_each([("USER ann", 331), ("PASS", 421)]);
    peer.hears_the_end();
    assert!(begun.elapsed() >= std::time::Duration::from_millis(300), "each takes longer");
    let counters = stage.finish();
    assert_eq!((counters.logins, counters.failed_logins), (0, 3));
}

#[test]
fn a_user_is_at_home() {
    let mut users = Users::none();
    users.insert("bob", user("/sub", Permissions::READ)).expect("a name");
    users.insert("eve", user("/nowhere", Permissions::READ)).expect("a name");
    let stage = Stage::with_users(Settings::default(), users);
    stage.put("sub/mine", b"x");
    let mut peer = stage.peer();
    peer.logs_in("bob", "secret");
    assert_eq!(peer.asks("PWD", 257), "\"/\" is where you are.");
    assert_eq!(peer.fetches("NLST"), b"mine\r\n");
    peer.asks("CWD ..", 250);
    assert_eq!(peer.fetches("NLST /../.."), b"mine\r\n");
    peer.asks("SIZE ../hello.txt", 550);
    peer.asks("TYPE I", 200);
    peer.asks("SIZE ../hello.txt", 550);
    peer.asks("USER eve", 331);
    peer.asks("PASS secret", 530);
    peer.asks("USER anonymous", 331);
    peer.asks("PASS x", 530);
    peer.quits();
}

#[test]
fn a_letter_box_takes_what_is_new_and_shows_nothing() {
    let mut users = Users::none();
    users.set_anonymous(Some(Anonymous {
        permissions: "c".parse().expect("permissions"),
        ..Anonymous::default()
    }));
    let stage = Stage::with_users(Settings::default(), users);
    let mut peer = stage.peer();
    peer.logs_in("ftp", "");
    peer.brings("STOR new", b"a letter");
    assert_eq!(stage.get("new"), b"a letter");
    peer.asks("EPSV", 229);
    peer.asks_each([
        ("STOR new", 553),
        ("APPE new", 550),
        ("RETR new", 550),
        ("LIST", 450),
        ("MLSD", 550),
        ("DELE new", 550),
    ]);
    peer.quits();
}

#[test]
fn a_new_user_begins_anew() {
    let (stage, mut peer) = Stage::with_ann();
    peer.asks_each([("CWD sub", 250), ("REIN", 220), ("PWD", 530)]);
    peer.logs_in("ann", "secret");
    assert_eq!(peer.asks("PWD", 257), "\"/\" is where you are.");
    assert!(peer.asks("STAT", 211).contains("TYPE: ASCII"));
    peer.logs_in("anonymous", "x");
    assert!(peer.asks("STAT", 211).contains("anonymous"));
    peer.quits();
    let names = |event: &Event| match event {
        Event::LoggedIn { user, .. } => Some(user.clone()),
        _ => None,
    };
    let logins: Vec<_> = stage.events().iter().filter_map(names).collect();
    assert_eq!(logins, ["ann", "ann", "anonymous"]);
}

#[test]
fn there_may_be_so_many_sessions_and_no_more() {
    let limits =
        Limits { sessions: 3, sessions_per_address: 2, sessions_per_user: 1, ..Limits::default() };
    let stage = Stage::with(Settings { limits, ..Settings::default() });
    let (first, mut second) = (stage.ann(), stage.peer());
    second.asks_each([("USER ann", 331), ("PASS secret", 530)]);
    let mut third = Peer::connect(stage.address);
    third.hears(421);
    third.hears_the_end();
    drop(third);
    first.quits();
    stage.until("the first has gone", |stage| stage.counters().open == 1);
    second.logs_in("ann", "secret");
    stage.peer().quits();
    second.quits();
    assert_eq!(stage.finish().turned_away, 1);
}

#[test]
fn whoever_says_nothing_is_told_goodbye() {
    let limits = Limits {
        login_timeout: std::time::Duration::from_millis(100),
        idle_timeout: std::time::Duration::from_millis(200),
        ..Limits::default()
    };
    let stage = Stage::with(Settings { limits, ..Settings::default() });
    let mut silent = stage.peer();
    let mut idle = stage.peer();
    idle.logs_in("ann", "secret");
    silent.hears(421);
    silent.hears_the_end();
    idle.hears(421);
    idle.hears_the_end();
}

#[test]
fn parameters_are_those_of_today() {
    let (_stage, mut peer) = Stage::with_ann();
    peer.asks_each([
        ("TYPE A", 200),
        ("TYPE A N", 200),
        ("TYPE L 8", 200),
        ("TYPE E", 504),
        ("TYPE A T", 504),
        ("TYPE X", 501),
        ("STRU F", 200),
        ("STRU R", 504),
        ("MODE S", 200),
        ("MODE B", 504),
        ("MODE", 501),
        ("ALLO 1000", 202),
        ("ALLO 1000 R 80", 202),
        ("ALLO x", 501),
        ("REST 100", 350),
        ("REST x", 501),
        ("SMNT /", 502),
        ("AUTH TLS", 502),
        ("XYZZY", 500),
        ("", 500),
        ("EPSV 1", 229),
        ("EPSV 2", 522),
        ("EPSV 3", 522),
        ("OPTS UTF8 OFF", 504),
        ("OPTS NOTHING", 501),
        ("NOOP", 200),
        ("SITE", 501),
        ("SITE X", 504),
        ("SITE UMASK", 200),
        ("SITE UMASK 077", 200),
        ("SITE UMASK 8", 501),
        ("SITE HELP", 214),
        ("SYST", 215),
        ("HELP RETR", 214),
        ("HELP XYZZY", 501),
        ("HELP SITE", 214),
        ("RNTO x", 503),
        ("OPTS HASH MD5", 504),
    ]);
    assert_eq!(peer.asks("SYST", 215), "UNIX Type: L8");
    peer.quits();
}

/// RFC 2389, 3.2: each feature on a line of its own, behind one space.
#[test]
fn features_are_told_as_the_rfc_has_it() {
    let stage = Stage::new();
    let mut peer = stage.peer();
    let text = peer.asks("FEAT", 211);
    let features: Vec<_> = text.lines().filter_map(|line| line.strip_prefix(' ')).collect();
    assert_eq!(
        features,
        [
            "EPRT",
            "EPSV",
            "HASH SHA-256*",
            "MDTM",
            "MFMT",
            "MLST type*;size*;modify*;perm*;unique*;UNIX.mode*;",
            "REST STREAM",
            "SIZE",
            "TVFS",
            "UTF8",
        ]
    );
    assert_eq!(peer.asks("OPTS MLST Size;nonsense;TYPE;", 200), "MLST OPTS type;size;");
    assert!(peer.asks("FEAT", 211).contains("MLST type*;size*;modify;perm;unique;UNIX.mode;"));
    assert_eq!(peer.asks("OPTS MLST", 200), "MLST OPTS");
    peer.quits();
}

/// RFC 959, appendix II: quotation marks are doubled.
#[test]
fn names_may_have_spaces_quotation_marks_and_letters_of_any_language() {
    let (_stage, mut peer) = Stage::with_ann();
    for name in
        ["two  spaces", "a \"quoted\" name", "größe – 大きさ", "-la", "%n$s", "a\tb", "trailing "]
    {
        assert_eq!(
            peer.asks(&format!("MKD {name}"), 257),
            format!("\"/{}\" created.", name.replace('"', "\"\""))
        );
        peer.asks(&format!("CWD {name}"), 250);
        peer.brings(&format!("STOR {name}"), name.as_bytes());
        assert_eq!(peer.fetches(&format!("RETR {name}")), name.as_bytes());
        assert_eq!(peer.fetches("NLST"), format!("{name}\r\n").into_bytes());
        peer.asks(&format!("DELE {name}"), 250);
        peer.asks("CDUP", 250);
        peer.asks(&format!("RMD {name}"), 250);
    }
    peer.quits();
}

/// A line feed in a name cannot be a second command, nor a second line of a list.
#[test]
fn a_line_feed_in_a_name_is_a_line_feed_in_a_name() {
    if !cfg!(unix) {
        return;
    }
    let (stage, mut peer) = Stage::with_ann();
    peer.asks_each([("MKD a\nDELE hello.txt", 257), ("MKD b\r\0c", 257)]);
    assert_eq!(stage.names(), ["a\nDELE hello.txt", "b\rc", "hello.txt", "sub"]);
    assert_eq!(peer.fetches("NLST"), b"a?DELE hello.txt\r\nb?c\r\nhello.txt\r\nsub\r\n");
    assert!(peer.asks("MLST a\nDELE hello.txt", 250).contains("/a?DELE"));
    assert_eq!(peer.asks("CWD a\nDELE hello.txt", 250), "Now in \"/a?DELE hello.txt\".");
    peer.quits();
}

/// What a careful client says instead of a line feed reaches the same names, for everything there is.
#[test]
fn a_nul_in_a_command_is_a_line_feed_in_a_name() {
    if !cfg!(unix) {
        return;
    }
    let (stage, mut peer) = Stage::with_ann();
    peer.brings("STOR two\0lines", b"of a name");
    assert!(stage.names().contains(&"two\nlines".to_owned()), "{:?}", stage.names());
    assert_eq!(peer.fetches("RETR two\0lines"), b"of a name");
    assert_eq!(peer.fetches("RETR two\nlines"), b"of a name");
    peer.asks("TYPE I", 200);
    assert_eq!(peer.asks("SIZE two\0lines", 213), "9");
    assert_eq!(peer.fetches("NLST two?lines"), b"two?lines\r\n");
    peer.asks_each([("RNFR two\0lines", 350), ("RNTO \0", 250)]);
    assert_eq!(stage.names(), ["\n", "hello.txt", "sub"]);
    peer.asks("DELE \0", 250);
    peer.quits();
}

#[test]
fn a_person_may_end_lines_with_a_line_feed() {
    let stage = Stage::new();
    let mut peer = stage.peer();
    peer.says_bytes(b"USER ann\nPASS secret\nPWD\nQUIT\n");
    for code in [331, 230, 257, 221] {
        peer.hears(code);
    }
    peer.hears_the_end();
}

#[test]
fn what_is_sent_ahead_is_done_in_order_and_before_the_end() {
    let stage = Stage::new();
    let mut peer = stage.peer();
    let mut lines = "USER ann\r\nPASS secret\r\n".to_owned();
    for at in 0..100 {
        lines += &format!("MKD d{at}\r\nCWD d{at}\r\nPWD\r\n");
    }
    peer.says_bytes(lines.as_bytes());
    peer.control.shutdown(std::net::Shutdown::Write).expect("it is open");
    peer.hears(331);
    peer.hears(230);
    let mut path = String::new();
    for at in 0..100 {
        path += &format!("/d{at}");
        peer.hears(257);
        peer.hears(250);
        assert_eq!(peer.hears(257), format!("\"{path}\" is where you are."));
    }
    peer.hears_the_end();
}

#[test]
fn a_line_that_is_too_long_is_refused_and_the_next_is_heard() {
    let (_stage, mut peer) = Stage::with_ann();
    peer.asks(&format!("CWD {}", "x".repeat(10_000)), 500);
    peer.asks(&format!("CWD {}", "x/".repeat(3_000)), 550);
    peer.asks("NOOP", 200);
    let mut line = b"PW\xff\xfd\x06".to_vec();
    line.extend_from_slice(b"D\r\n");
    peer.control.write_all(&line).expect("it is open");
    // The answer to the option of Telnet stands in front of the reply.
    let mut refused = [0; 3];
    std::io::Read::read_exact(&mut peer.control, &mut refused).expect("an answer");
    assert_eq!(refused, [255, 252, 6]);
    peer.hears(257);
    peer.quits();
}

#[test]
fn files_are_renamed_deleted_and_looked_at() {
    let (stage, mut peer) = Stage::with_ann();
    assert_eq!(peer.asks("SIZE hello.txt", 213), "12");
    peer.asks_each([("SIZE sub", 550), ("SIZE nothing", 550)]);
    assert_eq!(
        peer.asks("MFMT 20200102030405 hello.txt", 213),
        "Modify=20200102030405; /hello.txt"
    );
    assert_eq!(peer.asks("MDTM hello.txt", 213), "20200102030405");
    let facts = peer.asks("MLST hello.txt", 250);
    assert!(facts.contains("\n type=file;size=12;modify=20200102030405;perm=adfrw;"), "{facts}");
    assert!(facts.contains("; /hello.txt\nEnd"), "{facts}");
    assert!(peer.asks("MLST", 250).contains("type=dir;"));
    peer.asks("RNFR hello.txt", 350);
    peer.asks("RNTO sub/moved.txt", 250);
    peer.asks("RNTO again", 503);
    peer.asks("RNFR nothing", 550);
    peer.asks("RNFR sub/moved.txt", 350);
    peer.asks("RNTO nowhere/moved.txt", 553);
    peer.asks("RMD sub", 550);
    if cfg!(unix) {
        peer.asks("SITE CHMOD 600 sub/moved.txt", 200);
        assert!(peer.asks("MLST sub/moved.txt", 250).contains("UNIX.mode=0600;"));
        assert!(peer.asks("STAT sub", 212).contains("\n -rw-------   1 ftp      ftp"));
        assert!(peer.asks("STAT sub/moved.txt", 213).contains("Jan  2  2020 moved.txt"));
    }
    peer.asks("STAT nothing", 450);
    peer.asks("DELE sub", 550);
    peer.asks("DELE sub/moved.txt", 250);
    peer.asks("RMD sub", 250);
    peer.asks("CWD sub", 550);
    peer.asks("MKD /a", 257);
    peer.asks("MKD /a", 550);
    assert_eq!(stage.names(), ["a"]);
    peer.quits();
    let verbs = |event: &Event| match event {
        Event::Changed { verb, .. } => Some(*verb),
        _ => None,
    };
    let changes: Vec<_> = stage.events().iter().filter_map(verbs).collect();
    assert_eq!(changes.iter().filter(|verb| **verb != "CHMOD").count(), 4, "{changes:?}");
}

#[test]
fn a_hash_saves_a_transfer() {
    let (_stage, mut peer) = Stage::with_ann();
    assert_eq!(
        peer.asks("HASH hello.txt", 213),
        "SHA-256 0-12 4a1e67f2fe1d1cc7b31d0ca2ec441da4778203a036a77da10344c85e24ff0f92 /hello.txt"
    );
    assert_eq!(peer.asks("OPTS HASH", 200), "SHA-256");
    peer.asks("HASH sub", 550);
    peer.quits();
}

#[test]
fn a_quota_is_a_bound_on_what_is_there() {
    let mut users = everybody();
    let mut bob = user("/sub", Permissions::ALL);
    bob.quota = Some(100);
    users.insert("bob", bob).expect("a name");
    let stage = Stage::with_users(Settings::default(), users);
    stage.put("sub/old", &[0; 60]);
    let mut peer = stage.peer();
    peer.logs_in("bob", "secret");
    peer.asks_each([("TYPE I", 200), ("ALLO 41", 504), ("ALLO 40", 202)]);
    let mut data = peer.begins("STOR new");
    data.write_all(&[1; 41]).expect("it is open");
    peer.hears(552);
    peer.asks("DELE old", 250);
    peer.brings("STOR new", &[1; 100]);
    peer.quits();
    assert_eq!(std::fs::read_dir(stage.path("sub")).expect("it is there").count(), 1);
}

/// Leap years and those that are none, and times that were before anybody counted.
#[test]
fn files_from_before_1970_have_their_own_time_in_every_answer() {
    let (_stage, mut peer) = Stage::with_ann();
    for (time, day) in [
        ("19691231230000", "Dec 31  1969"),
        ("19691231235959", "Dec 31  1969"),
        ("19680229120000", "Feb 29  1968"),
        ("19011214000000", "Dec 14  1901"),
        ("20380119031408", "Jan 19  2038"),
    ] {
        for name in ["hello.txt", "sub"] {
            peer.asks(&format!("MFMT {time} {name}"), 213);
            assert_eq!(peer.asks(&format!("MDTM {name}"), 213), time);
            let facts = format!("modify={time};");
            assert!(peer.asks(&format!("MLST {name}"), 250).contains(&facts), "{facts}");
        }
        let facts = format!("modify={time};");
        let listed = String::from_utf8(peer.fetches("MLSD")).expect("it is text");
        assert_eq!(listed.matches(&facts).count(), 2, "{listed}");
        let listed = String::from_utf8(peer.fetches("LIST")).expect("it is text");
        assert_eq!(listed.matches(day).count(), 2, "{listed}");
        let listed = peer.asks("STAT /", 212);
        assert_eq!(listed.matches(day).count(), 2, "{listed}");
        assert!(peer.asks("STAT hello.txt", 213).contains(day));
    }
    peer.asks("MFMT 19000229000000 hello.txt", 501);
    // What is told is what is so, whatever of it the file system can keep.
    for far in ["00000101000000", "17890714120000", "99991231235959"] {
        let told = peer.asks(&format!("MFMT {far} hello.txt"), 213);
        let time = peer.asks("MDTM hello.txt", 213);
        assert_eq!(told, format!("Modify={time}; /hello.txt"));
    }
    peer.quits();
}
