//! `chat connect` as a part of scripts: what is said is heard, or the exit code is 1 and what was not
//! said is on standard error.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread::{self, JoinHandle};

use crate::support::{CHAT, Ended, PATIENCE, Program, listener, run};

/// What a server says when it hears something that begins like that; `\n` ends its lines.
type Rule<'a> = (&'a str, &'a str);

const WELCOME: &str = ":s 001 ann :Welcome\n\
    :s 005 ann CHANTYPES=#& PREFIX=(ov)@+ CASEMAPPING=rfc1459 :are supported\n\
    :s 422 ann :MOTD File is missing";

/// A server from a table, of which each rule counts once, and what it heard after the welcome.
struct Scripted {
    address: String,
    heard: JoinHandle<Vec<String>>,
}

impl Scripted {
    /// One that serves so many connections, one after the other.
    fn serving(connections: usize, rules: &[Rule<'_>]) -> Self {
        let (listener, address) = listener();
        let mut rules: Vec<_> =
            rules.iter().map(|(on, say)| ((*on).to_owned(), say.replace('\n', "\r\n"))).collect();
        let heard = thread::spawn(move || {
            let mut heard = Vec::new();
            for _ in 0..connections {
                let (stream, _) = listener.accept().expect("somebody comes");
                serve(&stream, &mut rules, &mut heard);
            }
            heard
        });
        Self { address, heard }
    }

    fn new(rules: &[Rule<'_>]) -> Self {
        Self::serving(1, rules)
    }

    /// What a script said on it, and how it ended.
    #[track_caller]
    fn meets(self, arguments: &[&str], script: &str) -> (Ended, Vec<String>) {
        let common = ["connect", &self.address, "--nick", "ann", "--rate", "1000"];
        let ended = run(CHAT, &[&common, arguments].concat(), script.as_bytes());
        (ended, self.heard.join().expect("the server does not fail"))
    }
}

/// A connection to its end, or to the rule that says `CLOSE`.
fn serve(stream: &TcpStream, rules: &mut Vec<(String, String)>, heard: &mut Vec<String>) {
    stream.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
    stream.set_nodelay(true).expect("it is TCP");
    let mut out = stream;
    let mut say = |text: &str| {
        // It fails if the client has gone, and then that is what is tested.
        let _ = out.write_all(format!("{text}\r\n").as_bytes());
    };
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        let rule = rules.iter().position(|(on, _)| line.starts_with(on.as_str()));
        match rule.map(|at| rules.remove(at).1) {
            Some(text) if text == "CLOSE" => return,
            Some(text) => say(&text),
            None if line.starts_with("USER") => say(&WELCOME.replace('\n', "\r\n")),
            None if line.starts_with("QUIT") => return,
            None => {}
        }
        if !["CAP", "NICK", "USER", "PONG", "QUIT"].iter().any(|it| line.starts_with(it)) {
            heard.push(line);
        }
    }
}

/// The rules of a server on which what one says comes back.
const ECHO: [Rule<'static>; 4] = [
    ("CAP LS", ":s CAP * LS :echo-message"),
    ("USER", "PING :whether you are there"),
    ("CAP REQ", ":s CAP * ACK :echo-message"),
    ("CAP END", WELCOME),
];

#[track_caller]
fn assert_failed(ended: &Ended, unsaid: &[&str]) {
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let told: Vec<_> =
        ended.errors.lines().filter_map(|line| line.strip_prefix("chat: ")).collect();
    let (_why, told) = told.split_last().expect("it says why");
    assert_eq!(told, unsaid, "{ended:?}");
}

// ── what nobody hears ───────────────────────────────────────────────────────────────────────────

#[test]
fn a_script_whose_channel_does_not_let_it_in_fails_and_gives_its_text_back() {
    let refusals = [
        "403 ann #a :No such channel",
        "405 ann #a :You have joined too many channels",
        "407 ann #a :Too many targets",
        "437 ann #a :Nick/channel is temporarily unavailable",
        "448 ann #a :Cannot join channel: forbidden",
        "471 ann #A :Cannot join channel (+l)",
        "473 ann #a :Cannot join channel (+i)",
        "474 ann #a :Cannot join channel (+b)",
        "475 ann #a :Cannot join channel (+k)",
        "476 ann #a :Bad Channel Mask",
        "477 ann #a :Cannot join channel (+r)",
        "479 ann #a :Illegal channel name",
        "480 ann #a :Cannot join channel (+j)",
        "489 ann #a :Cannot join channel (+z)",
        "500 ann #a :Too many join requests. Please wait a while and try again.",
        "500 ann :Too many join requests. Please wait a while and try again.",
        "520 ann :Cannot join channel #a (IRCops only)",
        "461 ann JOIN :Not enough parameters",
        "263 ann JOIN :Please wait a while and try again.",
    ];
    thread::scope(|scope| {
        for refusal in refusals {
            scope.spawn(move || {
                let server = Scripted::new(&[("JOIN #a", &format!(":s {refusal}"))]);
                let (ended, heard) = server.meets(&["--channel", "#a"], "hello\nworld\n");
                assert_failed(&ended, &["not said: hello", "not said: world"]);
                assert_eq!(heard, ["JOIN #a"], "{refusal}");
            });
        }
    });
}

#[test]
fn a_script_that_only_joins_and_is_not_let_in_fails() {
    let server = Scripted::new(&[("JOIN #a", ":s 473 ann #a :Cannot join channel (+i)")]);
    let (ended, _) = server.meets(&["--channel", "#a"], "");
    assert_failed(&ended, &[]);
    assert_eq!(ended.errors, "chat: #a: Cannot join channel (+i)");
}

#[test]
fn what_the_server_does_not_pass_on_is_given_back() {
    for (typed, refusal, told) in [
        ("/msg bob psst", "401 ann bob :No such nick/channel", "not said to bob: psst"),
        ("/msg bob psst", "439 ann bob :Target change too fast", "not said to bob: psst"),
        ("/msg bob psst", "531 ann bob :You cannot message", "not said to bob: psst"),
        ("/msg bob psst", "716 ann bob :is in +g mode", "not said to bob: psst"),
        ("/msg #b psst", "403 ann #b :No such channel", "not said to #b: psst"),
        ("/msg @#b psst", "482 ann #b :You're not channel operator", "not said to @#b: psst"),
        ("/msg bob psst", "411 ann :No recipient given (PRIVMSG)", "not said to bob: psst"),
        ("/msg bob psst", "412 ann :No text to send", "not said to bob: psst"),
        ("/msg bob psst", "417 ann :Input line was too long", "not said to bob: psst"),
        ("/msg b,c psst", "407 ann c :Too many recipients", "not said to b,c: psst"),
        ("psst", "404 ann #A :Cannot send to channel", "not said to #a: psst"),
        ("/me waves", "404 ann #a :Cannot send to channel", "not said to #a: waves"),
        ("psst", "477 ann #a :You need to be identified", "not said to #a: psst"),
        ("/quote DANCE", "421 ann DANCE :Unknown command", "not done: /quote DANCE"),
        ("/topic x", "482 ann #a :You're not channel operator", "not done: /topic x"),
        ("/oper a b", "491 ann :No O-lines for your host", ""),
        ("/invite bob", "FAIL INVITE NO_SUCH_NICK bob :Nobody", "not done: /invite bob"),
    ] {
        let refusal = format!(":s {refusal}");
        for before in [&[][..], &ECHO] {
            let commands = ["PRIVMSG", "DANCE", "TOPIC", "OPER", "INVITE"];
            let mut rules = before.to_vec();
            rules.push(("JOIN #a", ":ann!a@h JOIN #a\n:s 366 ann #a :End"));
            rules.extend(commands.map(|it| (it, refusal.as_str())));
            let (ended, heard) = Scripted::new(&rules).meets(&["--channel", "#a"], typed);
            let told = Some(told).filter(|it| !it.is_empty());
            assert_failed(&ended, told.as_slice());
            assert_eq!(heard.len(), 2, "{heard:?}");
        }
    }
}

#[test]
fn what_is_no_command_and_what_is_for_nobody_fails_and_is_given_back() {
    let script =
        "hello\n/dance with me\n/msg bob\n/me waves\n/nick two words\n/part\n/etc/passwd\n";
    let (ended, heard) = Scripted::new(&[]).meets(&[], script);
    let told = [
        "not said: hello",
        "not done: /dance with me",
        "not done: /msg bob",
        "not done: /me waves",
        "not done: /nick two words",
        "not done: /part",
        "not done: /etc/passwd",
    ];
    assert_failed(&ended, &told);
    assert_eq!(heard, [""; 0]);
}

#[test]
fn what_was_heard_before_one_was_silenced_is_not_given_back() {
    let rules = [
        ("JOIN #a", ":ann!a@h JOIN #a\n:s 366 ann #a :End"),
        ("PRIVMSG #a :two", ":s 404 ann #a :Cannot send to channel (+m)"),
    ];
    let (ended, heard) = Scripted::new(&rules).meets(&["--channel", "#a"], "one\ntwo\n");
    assert_failed(&ended, &["not said to #a: two"]);
    assert_eq!(heard.len(), 3);
}

#[test]
fn what_is_meant_for_a_channel_that_does_not_let_one_in_goes_to_no_other() {
    let rules = [
        ("JOIN #a", ":ann!a@h JOIN #a\n:s 366 ann #a :End"),
        ("JOIN #vault", ":s 475 ann #vault :Cannot join channel (+k)"),
    ];
    let script = "hello\n/join #vault\nthe secret\n/query #a\nagain\n";
    let (ended, heard) = Scripted::new(&rules).meets(&["--channel", "#a"], script);
    assert_failed(&ended, &["not done: /join #vault", "not said: the secret"]);
    assert_eq!(heard, ["JOIN #a", "PRIVMSG #a :hello", "JOIN #vault", "PRIVMSG #a :again"]);
}

#[test]
fn what_does_not_come_back_from_a_server_that_lets_go_is_given_back() {
    let mut rules = ECHO.to_vec();
    rules.extend([
        ("JOIN #a", ":ann!a@h JOIN #a\n:s 366 ann #a :End"),
        ("PRIVMSG #a :one", ":ann!a@h PRIVMSG #a :one"),
        ("PRIVMSG #a :two", "CLOSE"),
    ]);
    let arguments = ["--channel", "#a", "--once"];
    let (ended, _) = Scripted::new(&rules).meets(&arguments, "one\ntwo\n");
    assert_failed(&ended, &["perhaps not said to #a: two"]);
}

#[test]
fn what_waits_while_the_connection_is_lost_is_given_back_and_the_rest_is_said_later() {
    let join = ("JOIN #a", ":ann!a@h JOIN #a\n:s 366 ann #a :End");
    let rules = [join, ("PRIVMSG #a :six", "CLOSE"), join];
    let server = Scripted::serving(2, &rules);
    let arguments = ["connect", &server.address, "--nick", "ann", "--channel", "#a"];
    let script: String =
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"]
            .map(|word| format!("{word}\n"))
            .concat();
    let ended = run(CHAT, &arguments, script.as_bytes());
    let heard = server.heard.join().expect("the server does not fail").join(" ");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for word in script.lines().filter(|word| *word != "six") {
        let is_heard = heard.contains(&format!("PRIVMSG #a :{word}"));
        let is_told = ended.errors.contains(&format!("not said to #a: {word}\n"));
        assert!(is_heard != is_told, "{word}: {heard}; {ended:?}");
    }
    assert!(heard.ends_with("PRIVMSG #a :eleven"), "{heard}");
}

#[test]
fn what_was_said_before_quit_is_said_before_it_goes() {
    let join = ("JOIN #a", ":ann!a@h JOIN #a\n:s 366 ann #a :End");
    let server = Scripted::new(&[join]);
    let arguments = ["connect", &server.address, "--nick", "ann", "--channel", "#a", "--rate", "4"];
    run(CHAT, &arguments, b"1\n2\n3\n4\n5\n6\n7\n8\n/quit that was all\n").went_well();
    let heard = server.heard.join().expect("the server does not fail");
    assert_eq!(heard.last().map(String::as_str), Some("PRIVMSG #a :8"), "{heard:?}");
}

// ── what is heard ───────────────────────────────────────────────────────────────────────────────

#[test]
fn what_a_server_says_by_the_way_is_no_failure() {
    let rules = [
        ("USER", &*format!(":s 433 * ann :Nickname is already in use\n{WELCOME}")),
        ("JOIN #a", ":ann!a@h JOIN #a\n:s 366 ann #a :End"),
        ("PRIVMSG bob", ":s 301 ann bob :away"),
        ("MOTD", ":s 422 ann :MOTD File is missing"),
        ("WHOIS", ":s 671 ann bob :is using a secure connection\n:s 318 ann bob :End"),
    ];
    let script = "hello\n/msg bob psst\n/motd\n/whois bob\n";
    let (ended, _) = Scripted::new(&rules).meets(&["--channel", "#a"], script);
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""), "{ended:?}");
}

#[test]
fn text_goes_where_a_channel_forwards_to() {
    let join = ":ann!a@h JOIN #b\n:s 353 ann = #b :@ann\n:s 366 ann #b :End";
    let forward = ":s 470 ann #a #b :Forwarding to another channel";
    let both = format!("{forward}\n{join}");
    let first = format!("{forward}\nPING :next");
    let other_way = format!("{join}\n{forward}");
    let later = format!("{join}\nPING :next");
    let banned = ":s 474 ann #a :Cannot join channel (you're banned)\nPING :next".to_owned();
    let after = format!("{banned}\n{both}");
    let in_words = format!(":s 470 ann :[Link] #a is full, so you are transferred to #b\n{join}");
    let ways = [
        ("in one segment", &[("JOIN #A", both.as_str())][..]),
        ("in two segments", &[("JOIN #A", first.as_str()), ("PONG :next", join)]),
        ("the other way around", &[("JOIN #A", other_way.as_str())]),
        ("the other way around in two", &[("JOIN #A", later.as_str()), ("PONG :next", forward)]),
        ("without a word", &[("JOIN #A", join)]),
        ("without any more words", &[("JOIN #A", ":ann!a@h JOIN #b")]),
        ("after a refusal, in one segment", &[("JOIN #A", after.as_str())]),
        ("after a refusal, in two", &[("JOIN #A", banned.as_str()), ("PONG :next", &*both)]),
        ("in words only", &[("JOIN #A", in_words.as_str())]),
        (
            "after a refusal, without a word",
            &[("JOIN #A", &*format!(":s 471 ann #a :full\n{join}"))],
        ),
    ];
    thread::scope(|scope| {
        for (name, rules) in ways {
            scope.spawn(move || {
                let (ended, heard) = Scripted::new(rules).meets(&["--channel", "#A"], "hello\n");
                let is_refused = name == "after a refusal, without a word";
                assert_eq!(ended.code, Some(i32::from(is_refused)), "{name}: {ended:?}");
                assert_eq!(heard, ["JOIN #A", "PRIVMSG #b :hello"], "{name}");
            });
        }
    });
}

#[test]
fn a_server_that_puts_one_on_a_channel_by_the_way_does_not_mislead_a_script() {
    let rules = [
        ("JOIN #a", ":ann!a@h JOIN #welcome\n:s 366 ann #welcome :End\nPING :next"),
        ("PONG :next", ":ann!a@h JOIN #a\n:s 366 ann #a :End"),
    ];
    let (ended, heard) = Scripted::new(&rules).meets(&["--channel", "#a"], "hello\n");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(heard, ["JOIN #a", "PRIVMSG #a :hello"]);
}

#[test]
fn the_last_channel_of_a_list_is_where_one_talks_however_the_server_answers() {
    let list = "#one,#two,#three";
    let [one, two, three] =
        ["#one", "#TWO", "#three"].map(|it| format!(":ann!a@h JOIN {it}\n:s 366 ann {it} :End"));
    let elsewhere = ":s 470 ann #two #2 :Forwarding\n:ann!a@h JOIN #2\n:s 366 ann #2 :End";
    let last = ":s 470 ann #three #3 :Forwarding\n:ann!a@h JOIN #3\n:s 366 ann #3 :End";
    let full = ":s 471 ann #three :Cannot join channel (+l)";
    let ways = [
        ([&*one, &*two, &*three], "#three", 0),
        ([&*three, &*one, &*two], "#three", 0),
        ([&*one, elsewhere, &*three], "#three", 0),
        ([&*three, &*one, elsewhere], "#three", 0),
        ([last, &*one, &*two], "#3", 0),
        ([full, &*one, &*two], "#TWO", 1),
        ([full, elsewhere, &*one], "#2", 1),
    ];
    thread::scope(|scope| {
        for (answers, place, code) in ways {
            scope.spawn(move || {
                let answers = answers.join("\n");
                for way in ["--channel", "--join", "/join"] {
                    let server = Scripted::new(&[("JOIN", answers.as_str())]);
                    let (ended, heard) = match way {
                        "/join" => server.meets(&[], &format!("/join {list}\nhello\n")),
                        option => server.meets(&[option, list], "hello\n"),
                    };
                    assert_eq!(ended.code, Some(code), "{answers}: {ended:?}");
                    let said = format!("PRIVMSG {place} :hello");
                    assert_eq!(heard.last(), Some(&said), "{answers}");
                }
            });
        }
    });
}

#[test]
fn a_channel_that_forwards_after_a_loss_is_followed() {
    let rules = [
        ("JOIN #a", ":ann!a@h JOIN #a\n:s 366 ann #a :End"),
        ("PRIVMSG #a :one", "CLOSE"),
        ("JOIN #a", ":s 470 ann #a #b :Forwarding\nPING :next"),
        ("PONG :next", ":ann!a@h JOIN #b\n:s 366 ann #b :End"),
    ];
    let server = Scripted::serving(2, &rules);
    let arguments = ["connect", &server.address, "--nick", "ann", "--channel", "#a"];
    let mut program = Program::start(CHAT, &arguments);
    let mut stdin = program.stdin();
    writeln!(stdin, "one").expect("it reads");
    while !program.line().contains("connecting again") {}
    writeln!(stdin, "two").expect("it reads");
    drop(stdin);
    program.ended().with_code(0);
    let heard = server.heard.join().expect("the server does not fail");
    assert_eq!(heard.last().map(String::as_str), Some("PRIVMSG #b :two"), "{heard:?}");
}

#[test]
fn text_goes_to_whoever_one_talks_to_under_another_nick_too() {
    let rules =
        [("TOPIC", ":Bob!b@h NICK rob\nPING :next"), ("PRIVMSG rob", ":s 301 ann rob :away")];
    let server = Scripted::new(&rules);
    let arguments = ["connect", &server.address, "--nick", "ann"];
    let mut program = Program::start(CHAT, &arguments);
    let mut stdin = program.stdin();
    writeln!(stdin, "/query bob\n/topic #a").expect("it reads");
    while !program.line().contains("is now known as rob") {}
    writeln!(stdin, "hello").expect("it reads");
    while !program.line().contains("away") {}
    drop(stdin);
    assert_eq!(program.ended().code, Some(0));
}

#[test]
fn joining_where_one_is_already_is_going_there() {
    let rules = [
        ("JOIN #a", ":ann!a@h JOIN #a\n:s 366 ann #a :End"),
        ("JOIN #b", ":ann!a@h JOIN #b\n:s 366 ann #b :End"),
    ];
    let script = "/join #a\n/join #b\n/join #A\nhello\n";
    let (ended, heard) = Scripted::new(&rules).meets(&[], script);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(heard.last().map(String::as_str), Some("PRIVMSG #a :hello"));
}

// ── before anything is said ─────────────────────────────────────────────────────────────────────

#[test]
fn a_nick_that_cannot_be_one_is_refused_before_anybody_is_asked() {
    // Nobody listens there, and nobody is asked.
    let connect = |arguments: &[&str]| {
        run(CHAT, &[&["connect", "127.0.0.1:1", "--once"], arguments].concat(), b"hello\n")
    };
    for nick in ["", " ", "a b", "9a", "-a", "a!b", "a@b", "#a", ":a", "a,b", "a*", "a.b", "a\nb"] {
        let ended = connect(&[&format!("--nick={nick}")]);
        assert_eq!(ended.code, Some(2), "{nick:?}: {ended:?}");
        ended.complains("--nick");
        assert!(!ended.errors.contains("server refuses"), "{ended:?}");
    }
    for wrong in ["--channel=", "--channel=#a b c", "--real-name=a\nb", "--password=a\r"] {
        let ended = connect(&["--nick", "ann", wrong]);
        assert_eq!(ended.code, Some(2), "{wrong:?}: {ended:?}");
    }
    for nick in ["ann", "[a]^`{|}\\-_", "ännchen"] {
        let ended = connect(&["--nick", nick]);
        assert_eq!(ended.code, Some(1), "{nick:?} may be one: {ended:?}");
    }
}
