//! The program `chat`, as people meet it: a server, and those who talk on it from pipes.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{ChildStdin, Command, Stdio};
use std::time::Instant;

use crate::nats_server::Store;
use crate::outside::Process;
use crate::support::{self, BOT, CHAT, Ended, Program, TORRENT, copied, replace_by, run};
use rustix::process::{Pid, Signal, kill_process};

/// `chat`, to its end.
#[track_caller]
fn chat(arguments: &[&str], input: &str) -> Ended {
    run(CHAT, arguments, input.as_bytes())
}

/// A server, and where it listens. It does not slow its clients down, so that tests are fast.
#[track_caller]
fn serve(arguments: &[&str]) -> (Program, String) {
    let common = ["serve", "--listen", "127.0.0.1:0", "--flood", "off"];
    let server = Program::start(CHAT, &[&common, arguments].concat());
    let address = server.told("listening on ");
    (server, address)
}

/// Somebody who talks, from a pipe.
struct Person {
    program: Program,
    stdin: Option<ChildStdin>,
}

impl Person {
    #[track_caller]
    fn connect(address: &str, nick: &str, arguments: &[&str]) -> Self {
        let common = ["connect", address, "--nick", nick, "--rate", "1000"];
        let mut program = Program::start(CHAT, &[&common, arguments].concat());
        let stdin = Some(program.stdin());
        let mut person = Self { program, stdin };
        person.sees("-- you are ");
        person
    }

    /// One who has joined `#room`.
    #[track_caller]
    fn in_room(address: &str, nick: &str) -> Self {
        let mut person = Self::connect(address, nick, &["--channel", "#room"]);
        person.sees("-- #room: ");
        person
    }

    #[track_caller]
    fn types(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("it is open");
        writeln!(stdin, "{line}").expect("it reads");
    }

    /// The next line that begins like that.
    #[track_caller]
    fn sees(&mut self, beginning: &str) -> String {
        let mut before = Vec::new();
        loop {
            let line = self.program.line();
            if line.starts_with(beginning) {
                return line;
            }
            before.push(line);
            assert!(before.len() < 200, "'{beginning}' does not come: {before:#?}");
        }
    }

    /// Types a line, and sees what begins like that.
    #[track_caller]
    fn gets(&mut self, line: &str, beginning: &str) -> String {
        self.types(line);
        self.sees(beginning)
    }

    /// The end of standard input: it says goodbye, and ends.
    #[track_caller]
    fn leaves(self) {
        self.ended().went_well();
    }

    /// The same, for one who was refused something.
    #[track_caller]
    fn leaves_after(self, refusal: &str) {
        let ended = self.ended().with_code(1);
        ended.complains(refusal);
    }

    #[track_caller]
    fn ended(mut self) -> Ended {
        self.stdin.take();
        self.program.ended()
    }
}

// ── the command line ────────────────────────────────────────────────────────────────────────────

#[test]
fn what_cannot_work_is_told_with_what_to_do() {
    for (words, told) in [
        (&["serve", "--listen", "127.0.0.1:0", "--name", "localhost"][..], "such as irc.example"),
        (&["serve", "--config", "/nowhere/chat.toml"], "cannot read /nowhere/chat.toml"),
        (&["serve", "--listen", "192.0.2.1:6667"], "no interface of this machine"),
        (&["serve", "--cluster", "nats://127.0.0.1"], "--node NAME"),
        (&["serve", "--node", "a"], "--cluster URL"),
        (&["account", "list"], "--data DIR"),
        (&["connect", "127.0.0.1:1", "--nick", "ann", "--once"], "could not connect"),
        // Without --retry a script does not wait for a server that is not there.
        (&["connect", "127.0.0.1:1", "--nick", "ann"], "127.0.0.1:1: could not connect"),
        (&["connect", "127.0.0.1:1", "--nick", "ann", "--account", "a"], "CHAT_PASSWORD"),
    ] {
        let ended = chat(words, "");
        assert_eq!(ended.code, Some(1), "{words:?}: {ended:?}");
        assert!(ended.errors.starts_with("chat: ") && ended.errors.contains(told), "{ended:?}");
    }
}

#[test]
fn whoever_is_told_to_retry_waits_for_a_server_and_says_for_how_long() {
    let words = ["connect", "127.0.0.1:1", "--nick", "ann", "--retry"];
    let person = Program::start(CHAT, &words);
    let line = person.line();
    let told = "-! 127.0.0.1:1: could not connect: connection refused; connecting again in ";
    assert!(line.starts_with(told), "{line}");
    person.interrupt();
    assert_eq!(person.ended().code, Some(0));
}

// ── talking ─────────────────────────────────────────────────────────────────────────────────────

#[test]
fn two_people_talk_see_each_other_and_go() {
    let (server, address) = serve(&[]);
    let mut ann = Person::in_room(&address, "ann");
    let mut bob = Person::in_room(&address, "bob");
    assert!(ann.sees("-- bob").starts_with("-- bob (~bob@127.0.0.1) has joined #room"));
    ann.types("hello bob");
    assert_eq!(bob.sees("#room"), "#room <ann> hello bob");
    assert_eq!(ann.sees("#room"), "#room <ann> hello bob", "it comes back when it was heard");
    bob.types("/me waves");
    assert_eq!(ann.sees("#room *"), "#room * bob waves");
    bob.types("/msg ann psst");
    assert_eq!(ann.sees("bob <"), "bob <bob> psst");
    assert_eq!(ann.gets("/names", "-- #room:"), "-- #room: @ann, bob");
    ann.types("/topic Black or green");
    assert!(bob.sees("-- ann has set").ends_with("#room to: Black or green"));
    ann.types("/nick annie");
    assert_eq!(bob.sees("-- ann is"), "-- ann is now known as annie");
    assert_eq!(ann.sees("-- you are now"), "-- you are now known as annie");
    ann.types("/kick bob enough");
    assert!(bob.sees("-- you were").contains("kicked from #room by annie (enough)"));
    assert!(bob.gets("does anybody hear me", "-!").contains("nobody would hear"));
    bob.gets("/join room", "-- #room:");
    bob.types("back again");
    assert_eq!(ann.sees("#room <bob>"), "#room <bob> back again");
    bob.leaves_after("not said: does anybody hear me");
    assert_eq!(ann.sees("-- bob has quit"), "-- bob has quit (Quit: Goodbye)");
    ann.leaves();
    assert!(server.stop().contains("0 users (2 at most)"));
}

#[test]
fn a_script_is_done_line_by_line_and_its_end_says_goodbye() {
    let (_server, address) = serve(&[]);
    let script = "hello\n/join #other\nthere\n/msg #room and here\n";
    let words = ["connect", &address, "--nick", "script", "--channel", "#room", "--rate", "1000"];
    let ended = chat(&words, script).went_well();
    let text = ended.text();
    let said: Vec<_> = text.lines().filter(|line| line.contains("<script>")).collect();
    assert_eq!(said, ["#room <script> hello", "#other <script> there", "#room <script> and here"]);
}

#[test]
fn what_is_refused_is_told_and_the_rest_goes_on() {
    let (_server, address) = serve(&[]);
    let mut ann = Person::in_room(&address, "ann");
    assert_eq!(ann.gets("/msg nobody hello", "-!"), "-! nobody: No such nick/channel");
    assert!(ann.gets("/dance", "-!").contains("/help"));
    ann.gets("/help", "-- /quit");
    ann.gets("/mode #room +k secret", "-- ann has set #room +k");
    let mut bob = Person::connect(&address, "bob", &["--channel", "#room"]);
    assert_eq!(bob.sees("-!"), "-! #room: Cannot join channel (+k)");
    bob.gets("/join #room secret", "-- #room: @ann, bob");
}

#[test]
fn a_script_that_is_refused_something_ends_with_1_and_its_text_is_not_lost() {
    let (_server, address) = serve(&[]);
    let mut ann = Person::in_room(&address, "ann");
    ann.gets("/mode #room +m", "-- ann has set #room +m");
    ann.gets("/join #vault secret", "-- #vault: ");
    ann.gets("/mode #vault +k secret", "-- ann has set #vault +k");
    let script = |channel: &str, script: &str| {
        let words = ["connect", &address, "--nick", "script", "--rate", "1000"];
        let channel = ["--channel", channel];
        chat(&[&words[..], if channel[1].is_empty() { &[] } else { &channel }].concat(), script)
    };
    for (channel, input, told) in [
        ("#vault", "hello\n", "not said: hello"),
        ("room", "hello\n", "not said: hello"),
        ("#room", "hello\n", "not said to #room: hello"),
        ("", "hello\n", "not said: hello"),
        ("", "/msg nobody hello\n", "not said to nobody: hello"),
        ("", "/notice nobody hello\n", "not said to nobody: hello"),
        ("", "/msg #nowhere hello\n", "not said to #nowhere: hello"),
        ("", "/msg #vault hello\n", "not said to #vault: hello"),
        ("", "/dance\n", "not done: /dance"),
        ("", "/quote DANCE\n", "not done: /quote DANCE"),
        ("#vault", "", "#vault: Cannot join channel (+k)"),
    ] {
        let ended = script(channel, input);
        assert_eq!(ended.code, Some(1), "{channel} {input}: {ended:?}");
        assert!(ended.errors.contains(told), "{channel} {input}: {ended:?}");
    }
    script("#vault secret", "hello\n/msg ann hello\n").went_well();
}

#[test]
fn a_client_comes_back_when_its_server_does() {
    let (server, address) = serve(&[]);
    let mut ann = Person::in_room(&address, "ann");
    assert!(server.stop().starts_with("shut down"));
    ann.sees(&format!("-! {address}: the server closed the connection"));
    let again = ["serve", "--listen", &address, "--flood", "off"];
    let server = Program::start(CHAT, &again);
    server.line();
    ann.sees("-- you are ann");
    ann.sees("-- #room: ");
    assert_eq!(ann.gets("here I am", "#room"), "#room <ann> here I am");
    ann.leaves();
    server.stop();
}

#[test]
fn nobody_reads_on_and_nobody_minds() {
    let (_server, address) = serve(&[]);
    let mut ann = Person::in_room(&address, "ann");
    ann.types("/quit that was all");
    ann.program.ended().with_code(0);
}

// ── the server ──────────────────────────────────────────────────────────────────────────────────

#[test]
fn ctrl_c_tells_everybody_and_reports() {
    let (server, address) = serve(&[]);
    let mut ann = Person::in_room(&address, "ann");
    server.interrupt();
    assert!(ann.sees("- -chat.local-").contains("shutting down"));
    let report = server.ended().with_code(0);
    assert!(report.text().contains("shut down in"), "{report:?}");
    assert!(
        report.errors.contains("ann!~ann@127.0.0.1"),
        "who was there is in the log: {report:?}"
    );
    ann.stdin.take();
    ann.program.interrupt();
    ann.program.ended();
}

#[test]
fn a_password_and_an_operator_come_from_the_command_line() {
    let (_server, address) = serve(&["--password", "sesame", "--oper", "root:toor"]);
    chat(&["connect", &address, "--nick", "ann"], "")
        .with_code(1)
        .complains("the server refuses us");
    let mut ann = Person::connect(&address, "ann", &["--password", "sesame"]);
    ann.gets("/oper root wrong", "-!");
    ann.gets("/oper root toor", "-- You are now an IRC operator");
    ann.gets("/stats z", "-- ");
    ann.leaves_after("Password incorrect");
}

#[test]
fn a_configuration_is_read_and_read_anew_without_dropping_anybody() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("chat.toml");
    let write = |motd: &str| {
        let text = format!(
            "[server]\nname = 'irc.test'\nmotd = '{motd}'\n[[channel]]\nname = '#lobby'\ntopic = 'Hello'\n[[operator]]\nname = 'root'\npassword = 'toor'\n"
        );
        fs::write(&path, text).expect("it can be written");
    };
    write("first");
    let (server, address) = serve(&["--config", path.to_str().expect("UTF-8")]);
    let mut ann = Person::connect(&address, "ann", &["--channel", "#lobby"]);
    ann.sees("-- - first");
    assert_eq!(ann.sees("-- the topic"), "-- the topic of #lobby is: Hello");
    write("second");
    server.signal(Signal::HUP).error_with("read the configuration anew");
    ann.gets("/motd", "-- - second");
    write("third");
    ann.gets("/oper root toor", "-- You are now");
    ann.gets("/rehash", "-- REHASH REHASHED");
    ann.gets("/motd", "-- - third");
    fs::write(&path, "[server]\nnmae = 'x'\n").expect("it can be written");
    server.signal(Signal::HUP).error_with("the configuration stays as it was");
    assert!(
        server
            .error_line()
            .ends_with("chat.toml:2: there is no 'nmae' in [server]; did you mean 'name'?")
    );
    assert!(ann.gets("/rehash", "-! REHASH CONFIG_BAD").ends_with("did you mean 'name'?"));
    ann.gets("/motd", "-- - third");
    server.signal(Signal::USR1).error_with("1 users");
    ann.leaves_after("REHASH CONFIG_BAD");
    server.stop();
}

#[test]
fn a_signal_has_totals_told_at_once_and_then_every_connection() {
    let (server, address) = serve(&["--quiet"]);
    let crowd: Vec<_> = (0..250)
        .map(|at| {
            let mut stream = support::connect(&address);
            let hello = format!("NICK n{at}\r\nUSER n 0 * :n\r\n");
            stream.write_all(hello.as_bytes()).expect("it is open");
            stream
        })
        .collect();
    // The last has been let in, and so have the others, which came before it.
    let mut heard = BufReader::new(crowd.last().expect("one")).lines();
    let greeted = heard.find(|line| line.as_ref().is_ok_and(|it| it.contains(" 422 ")));
    assert!(greeted.is_some(), "nobody is greeted");
    let totals = server.signal(Signal::USR1).error_line();
    assert!(totals.contains(" 250 connections (250 open)"), "{totals}");
    server.error_with("250 accepted");
    server.error_with("proto ");
    let mut ports = HashSet::new();
    loop {
        let line = server.error_line();
        if line.ends_with(" 251 sockets") {
            break;
        }
        assert!(line.contains(&address), "{line}");
        ports.extend(line.split_ascii_whitespace().nth(4).map(str::to_owned));
    }
    for stream in &crowd {
        let peer = stream.local_addr().expect("it is open").to_string();
        assert!(ports.contains(&peer), "{peer} is not listed");
    }
    server.stop();
}

#[test]
fn a_changed_setting_that_counts_at_the_start_only_is_told_and_the_others_hold() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("chat.toml");
    let root = "[[operator]]\nname = 'root'\npassword = 'toor'\n";
    let before = format!(
        "listen = ['127.0.0.1:0']\n[server]\nname = 'irc.test'\n[[channel]]\nname = '#old'\n{root}"
    );
    let after = format!(
        "listen = ['127.0.0.1:0', '127.0.0.1:0']\nconnections = 9\ndata = 'elsewhere'\n[server]\n\
         name = 'other.test'\nnetwork = 'Other'\nmotd = 'new'\n[limits]\nsend_queue = '2 MiB'\n{root}"
    );
    fs::write(&path, &before).expect("it can be written");
    let server = Program::start(CHAT, &["serve", "--config", path.to_str().expect("UTF-8")]);
    let address = server.line().replace("listening on ", "");
    let mut ann = Person::connect(&address, "ann", &[]);
    assert!(ann.gets("/list", "-- #old").contains("#old"));
    fs::write(&path, &after).expect("it can be written");
    server.signal(Signal::HUP).error_with("read the configuration anew");
    for setting in ["listen", "connections", "name", "network", "data", "send_queue"] {
        let line = server.error_line();
        let told = format!("'{setting}' counts from the next start on");
        assert!(line.ends_with(&told), "{line}, not {told}");
    }
    ann.gets("/motd", "-- - new");
    ann.gets("/oper root toor", "-- You are now");
    ann.gets("/rehash", "-- REHASH REHASHED");
    assert!(ann.sees("-- REHASH NOT_YET").contains("name"));
    server.error_with("'send_queue' counts");
    fs::write(&path, &before).expect("it can be written");
    server.signal(Signal::HUP).error_with("read the configuration anew");
    let next = server.signal(Signal::USR1).error_line();
    assert!(next.contains(" users"), "nothing is left to be told: {next}");
    ann.leaves();
    server.stop();
}

#[test]
fn a_server_whose_terminal_is_closed_goes_on_and_can_be_stopped() {
    // What it prints has no reader, as it would have no terminal.
    let mut command = Command::new(CHAT);
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    let mut server = Process::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    drop(server.0.stderr.take());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().expect("a pipe"))
        .read_line(&mut line)
        .expect("it listens");
    let address = line.trim_end().replace("listening on ", "");
    let pid = Pid::from_child(&server.0);
    kill_process(pid, Signal::HUP).expect("it runs");
    let mut ann = BufReader::new(support::connect(&address));
    ann.get_mut().write_all(b"NICK ann\r\nUSER ann 0 * :Ann\r\n").expect("it reads");
    let mut read_until = |part: &str| {
        let mut line = String::new();
        while !line.contains(part) {
            line.clear();
            assert!(ann.read_line(&mut line).expect("it is there") > 0, "it ends before {part}");
        }
    };
    read_until(" 422 ");
    kill_process(pid, Signal::TERM).expect("it runs");
    read_until("ERROR ");
    drop(ann);
    assert_eq!(server.0.wait().expect("it is ours").code(), Some(0));
}

#[test]
fn a_hang_up_without_a_configuration_ends_nothing() {
    let (server, address) = serve(&[]);
    server.signal(Signal::HUP).error_with("there is no --config to read anew");
    Person::connect(&address, "ann", &[]).leaves();
    server.stop();
}

#[test]
fn a_wrong_configuration_is_told_with_every_line_and_nothing_starts() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("chat.toml");
    fs::write(&path, "liste = []\n[limits]\nflood_rate = 'x'\n").expect("it can be written");
    let ended = chat(&["serve", "--config", path.to_str().expect("UTF-8")], "");
    assert_eq!((ended.code, ended.output.len()), (Some(1), 0));
    let lines: Vec<_> = ended.errors.lines().collect();
    assert_eq!(lines.len(), 2, "{ended:?}");
    assert!(lines[0].contains("chat.toml:1: ") && lines[0].ends_with("did you mean 'listen'?"));
    assert!(lines[1].contains("chat.toml:3: 'flood_rate'"), "{ended:?}");
}

// ── accounts ────────────────────────────────────────────────────────────────────────────────────

#[test]
fn accounts_are_made_listed_changed_and_removed() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().to_str().expect("UTF-8");
    let account = |words: &[&str], input: &str| {
        chat(&[&["account"], words, &["--data", data]].concat(), input)
    };
    assert_eq!(account(&["add", "Ann"], "secret\n").text(), "added Ann");
    assert_eq!(account(&["add", "bob"], "secret\n").text(), "added bob");
    let taken = account(&["add", "ANN"], "secret\n");
    assert_eq!((taken.code, taken.errors.as_str()), (Some(1), "chat: the name belongs to Ann"));
    assert_eq!(account(&["add", "two words"], "secret\n").code, Some(1));
    let empty = account(&["add", "carl"], "\n");
    assert_eq!((empty.code, empty.errors.as_str()), (Some(1), "chat: an empty password is none"));
    assert_eq!(account(&["list"], "").text(), "Ann\nbob");
    assert_eq!(account(&["password", "ann"], "other\n").text(), "changed the password of ann");
    assert_eq!(account(&["remove", "bob"], "").text(), "removed bob");
    assert_eq!(account(&["remove", "bob"], "").errors, "chat: there is no account bob");
    assert_eq!(account(&["list"], "").text(), "Ann");
    let exported = account(&["export"], "").text();
    assert!(exported.starts_with("account Ann "), "{exported}");
    let elsewhere = directory.path().join("elsewhere");
    let elsewhere = elsewhere.to_str().expect("UTF-8");
    let import = |text: &str| chat(&["account", "import", "--data", elsewhere], text);
    assert_eq!(import(&exported).text(), "imported 1; 0 were there already");
    assert_eq!(import(&exported).text(), "imported 0; 1 were there already");
    assert!(import("hello\n").errors.contains("this is no entry of an account"));
    let hash = account(&["hash"], "secret\n").text();
    assert!(hash.starts_with("$argon2id$"), "{hash}");
}

#[test]
fn an_account_outlives_the_server_and_its_nick_is_its_own() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().to_str().expect("UTF-8");
    assert_eq!(chat(&["account", "add", "ann", "--data", data], "secret\n").code, Some(0));
    let (server, address) = serve(&["--data", data]);
    let busy = chat(&["account", "list", "--data", data], "");
    busy.complains("is the server running?");
    let log_in = |password: &str| {
        let words = ["connect", &address, "--nick", "ann", "--account", "ann", "--rate", "1000"];
        support::run_with(CHAT, &words, b"", &[("CHAT_PASSWORD", password)])
    };
    let right = log_in("secret");
    assert!(right.text().contains("-- you are logged in as ann"), "{right:?}");
    log_in("wrong").with_code(1).complains("cannot log in");
    server.stop();
    assert_eq!(chat(&["account", "list", "--data", data], "").text(), "ann");
}

#[test]
fn accounts_are_changed_and_users_removed_while_the_server_runs() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
    let (data, control) = (path("data"), path("control"));
    let (server, address) = serve(&["--data", &data, "--control", &control]);
    let mode = fs::metadata(&control).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let account = |words: &[&str], input: &str| {
        chat(&[&["account"], words, &["--control", &control]].concat(), input)
    };
    assert_eq!(account(&["add", "Ann"], "secret\n").text(), "added Ann");
    assert_eq!(account(&["add", "bob"], "secret\n").text(), "added bob");
    let taken = account(&["add", "ANN"], "secret\n");
    assert_eq!((taken.code, taken.errors.as_str()), (Some(1), "chat: the name belongs to Ann"));
    assert_eq!(account(&["list"], "").text(), "Ann\nbob");
    let exported = account(&["export"], "").text();
    assert_eq!(exported.lines().count(), 2, "{exported}");
    let another = exported.replace("account bob", "account carla");
    assert_eq!(account(&["import"], &another).text(), "imported 1; 1 were there already");
    assert_eq!(account(&["remove", "carla"], "").text(), "removed carla");
    assert_eq!(account(&["password", "ann"], "other\n").text(), "changed the password of ann");
    let log_in = |password: &str| {
        let words = ["connect", &address, "--nick", "ann", "--account", "ann", "--rate", "1000"];
        support::run_with(CHAT, &words, b"", &[("CHAT_PASSWORD", password)])
    };
    assert!(log_in("other").text().contains("-- you are logged in as Ann"));
    assert_eq!(account(&["remove", "bob"], "").text(), "removed bob");
    assert_eq!(account(&["remove", "bob"], "").errors, "chat: there is no account bob");

    let order = |words: &[&str]| chat(&[&["control", &control], words].concat(), "");
    let _carl = Person::in_room(&address, "carl");
    let mut dora = Person::in_room(&address, "dora");
    assert_eq!(order(&["kick", "carl", "too loud"]).text(), "disconnected carl");
    dora.sees("-- carl has quit (Killed (the operator of the machine (too loud)))");
    assert_eq!(order(&["kick", "nobody"]).errors, "chat: there is nobody called nobody");
    let _erin = Person::in_room(&address, "erin");
    dora.sees("-- erin (");
    let banned = order(&["ban", "erin!*@127.0.0.?", "too loud again"]);
    assert_eq!(banned.text(), "banned erin!*@127.0.0.?; disconnected 1", "{banned:?}");
    dora.sees("-- erin has quit (Banned (too loud again))");
    let turned_away = chat(&["connect", &address, "--nick", "Erin"], "");
    turned_away.complains("banned from this server: too loud again");
    assert_eq!(order(&["bans"]).text(), "erin!*@127.0.0.? too loud again");
    assert!(order(&["ban", "a:erin"]).errors.contains("that is no mask"));
    assert_eq!(order(&["unban", "ERIN!*@127.0.0.?"]).text(), "lifted the ban of ERIN!*@127.0.0.?");
    assert_eq!(order(&["unban", "erin"]).errors, "chat: there is no such ban");
    Person::in_room(&address, "erin").leaves();
    assert_eq!(order(&["reload"]).text(), "read the configuration anew");
    assert!(order(&["statistics"]).text().contains("connections"), "{:?}", order(&["statistics"]));
    assert!(order(&["snapshot"]).text().contains("timers"), "{:?}", order(&["snapshot"]));
    dora.leaves();
    server.stop();
    assert!(!fs::exists(&control).expect("it can be asked"), "the socket is gone");
    let late = account(&["list"], "");
    late.complains("no server can be reached at");
    assert_eq!(chat(&["account", "list", "--data", &data], "").text(), "Ann");
}

#[test]
fn a_server_with_accounts_is_replaced_in_place_and_its_successor_has_them() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
    let (config, control) = (path("chat.toml"), path("control"));
    fs::write(&config, "data = 'data'\n").expect("it can be written");
    let (server, address) = serve(&["--config", &config, "--control", &control]);
    let account = |words: &[&str], input: &str| {
        chat(&[&["account"], words, &["--control", &control]].concat(), input)
    };
    assert_eq!(account(&["add", "Ann"], "secret\n").text(), "added Ann");
    // A successor that fails has the accounts as little as the sockets.
    fs::write(&config, "what is this?\n").expect("it can be written");
    server.signal(Signal::USR2);
    server.error_with("it ended before it was ready (exit status: 1); serving on");
    assert_eq!(account(&["add", "bob"], "secret\n").text(), "added bob");

    let mut dora = BufReader::new(TcpStream::connect(&address).expect("it listens"));
    let mut talk = |line: &str, answer: &str| {
        dora.get_mut().write_all(format!("{line}\r\n").as_bytes()).expect("it reads");
        let mut heard = String::new();
        while !heard.lines().any(|line| line.contains(answer)) {
            let count = dora.read_line(&mut heard).expect("it is text");
            assert!(count > 0, "{answer} does not come: {heard}");
        }
    };
    talk("NICK dora\r\nUSER d 0 * :Dora", " 422 ");
    fs::write(&config, "data = 'data'\n").expect("it can be written");
    let line = server.signal(Signal::USR2).error_with("has taken over");
    let successor = line.split_ascii_whitespace().nth(1).and_then(|word| word.parse().ok());
    let successor = successor.and_then(Pid::from_raw).expect("it says which process");
    assert_eq!(account(&["list"], "").text(), "Ann\nbob");
    assert_eq!(account(&["add", "carla"], "secret\n").text(), "added carla");
    // Who is in the old one is served there, and changes nothing any more.
    talk("NS IDENTIFY Ann secret", "You are logged in as Ann");
    let refused = "accounts cannot be changed while this server is being replaced: connect again";
    talk("NS SET PASSWORD another", refused);
    talk("QUIT", "ERROR");
    drop(dora);
    kill_process(successor, Signal::INT).expect("it runs");
    assert_eq!(server.ended().code, Some(0));
    let data = path("data");
    let deadline = Instant::now() + support::PATIENCE;
    // The successor has ended when the file is free.
    while chat(&["account", "list", "--data", &data], "").text() != "Ann\nbob\ncarla" {
        assert!(Instant::now() < deadline, "the file stays in use");
    }
}

/// A server with accounts whose successors run this script, and the directory that both are in.
fn with_accounts_and(script: &str) -> (tempfile::TempDir, Program) {
    let (directory, program) = copied(CHAT);
    let data = directory.path().join("data").to_str().expect("UTF-8").to_owned();
    let words = ["serve", "--listen", "127.0.0.1:0", "--data", &data];
    let server = Program::start(&program, &words);
    server.line();
    replace_by(script, &program);
    (directory, server)
}

/// They are its own until it has ended.
#[cfg(target_os = "linux")]
#[test]
fn accounts_are_taken_back_from_a_successor_that_is_gone() {
    // It has the file, and then closes the line to the server.
    let script = "#!/bin/sh\nexec 9>>\"${0%/*}/data.lock\"\nflock 9 || exit\necho it has it >&2\nexec sleep 600 4>&-\n";
    let (_directory, server) = with_accounts_and(script);
    server.signal(Signal::USR2).error_with("it has it");
    server.error_with("it ended before it was ready (signal: 9 (SIGKILL)); serving on");
    // It has them, or could not be asked for a successor again.
    let next = server.signal(Signal::USR2).error_line();
    assert!(next.contains("as successor"), "{next}");
    server.stop();
}

/// The signal finds it serving, and it is ending when the accounts are written.
#[test]
fn a_server_that_ends_while_it_lets_go_of_its_accounts_starts_no_successor() {
    let (_directory, server) = with_accounts_and("#!/bin/sh\nexec sleep 600\n");
    server.signal(Signal::STOP);
    server.signal(Signal::USR2);
    server.signal(Signal::TERM);
    let next = server.signal(Signal::CONT).error_line();
    assert!(next.contains("a successor cannot be started: this process is ending"), "{next}");
    assert_eq!(server.ended().code, Some(0));
}

#[test]
fn a_server_of_a_network_that_is_replaced_in_place_leaves_its_name_to_its_successor_at_once() {
    let Some(store) = Store::start() else { return };
    let url = format!("nats://127.0.0.1:{}", store.port);
    // Longer than the test waits for anything.
    let (server, address) = serve(&["--cluster", &url, "--node", "a", "--drain", "600"]);
    server.error_with("the network has");
    let (other, elsewhere) = serve(&["--cluster", &url, "--node", "b"]);
    other.error_with("the network has");
    for (node, peer) in [(&server, "b"), (&other, "a")] {
        node.error_with(&format!("node {peer} is there"));
    }
    let mut ann = Person::in_room(&elsewhere, "ann");
    let mut bob = Person::in_room(&address, "bob");
    ann.sees("-- bob (");
    let line = server.signal(Signal::USR2).error_with("has taken over");
    let successor = line.split_ascii_whitespace().nth(1).and_then(|word| word.parse().ok());
    let successor = successor.and_then(Pid::from_raw).expect("it says which process");
    // The two see each other go at once, and bob's nick is free for who comes to the successor.
    ann.sees("-- bob has quit (b.chat.local a.chat.local)");
    bob.sees("-- ann has quit (a.chat.local b.chat.local)");
    other.error_with("node a is there");
    let _again = Person::in_room(&address, "bob");
    ann.sees("-- bob (");
    drop(bob);
    kill_process(successor, Signal::INT).expect("it runs");
    assert_eq!(server.ended().code, Some(0));
}

#[test]
fn accounts_of_a_network_come_from_a_file_and_are_changed_on_any_of_its_servers() {
    let Some(store) = Store::start() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
    let (data, one, other) = (path("data"), path("one"), path("other"));
    assert_eq!(chat(&["account", "add", "Ann", "--data", &data], "secret\n").code, Some(0));
    let url = format!("nats://127.0.0.1:{}", store.port);
    let refused = chat(&["serve", "--cluster", &url, "--node", "a", "--data", &data], "");
    refused.complains("the accounts of a network are in NATS");
    let node = |name: &str, control: &str| {
        let (node, _) = serve(&["--cluster", &url, "--node", name, "--control", control]);
        node.error_with("the network has");
        node
    };
    let (a, b) = (node("a", &one), node("b", &other));
    let account = |words: &[&str], control: &str, input: &str| {
        chat(&[&["account"], words, &["--control", control]].concat(), input)
    };
    let until = |expected: &str| {
        let deadline = Instant::now() + support::PATIENCE;
        while account(&["list"], &other, "").text() != expected {
            assert!(Instant::now() < deadline, "the other server does not know: {expected}");
        }
    };
    let exported = chat(&["account", "export", "--data", &data], "").text();
    let imported = account(&["import"], &one, &exported);
    assert_eq!(imported.text(), "imported 1; 0 were there already", "{imported:?}");
    until("Ann");
    assert_eq!(account(&["remove", "ann"], &one, "").text(), "removed ann");
    until("");
    drop(store);
    let deadline = Instant::now() + support::PATIENCE;
    let refused = loop {
        let refused = account(&["add", "bob"], &other, "secret\n");
        if refused.errors.contains("out of reach") {
            break refused;
        }
        assert!(Instant::now() < deadline, "{refused:?}");
    };
    assert_eq!(refused.code, Some(1));
    a.stop();
    b.stop();
}

// ── the bot ─────────────────────────────────────────────────────────────────────────────────────

/// Chat brings people together, and then it is no longer needed.
#[test]
fn a_bot_gives_files_to_who_reads_its_link_also_when_the_server_has_gone() {
    let (server, address) = serve(&[]);
    let mut ann = Person::in_room(&address, "ann");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("photos");
    fs::write(&file, support::noise(300_000)).expect("a file");
    let path = file.to_str().expect("it is text");
    let _bot = Program::start(BOT, &[&address, "--channel", "#room", "--share", path]);
    let said = ann.sees("#room -bot- photos, 292.97 KiB: ");
    ann.types("!files");
    let again = ann.sees("#room -bot- ann: photos");
    let (_, link) = said.split_once("KiB: ").expect("there is a link");
    assert!(link.starts_with("magnet:?xt=urn:btih:") && again.ends_with(link), "{said}; {again}");
    ann.leaves();
    server.stop();
    let place = tempfile::tempdir().expect("a folder");
    let to = place.path().to_str().expect("it is text");
    run(TORRENT, &["get", link, "--output", to, "--once"], b"").with_code(0);
    let [theirs, ours] = [file, place.path().join("photos")].map(fs::read);
    assert_eq!(ours.expect("it is there"), theirs.expect("it is there"));
}

/// Its name takes 720 bytes in a link, and a line has 512.
#[test]
fn a_bot_says_a_link_in_one_line_however_long_the_name_is() {
    let (_server, address) = serve(&[]);
    let mut ann = Person::in_room(&address, "ann");
    let folder = tempfile::tempdir().expect("a folder");
    let name = "\u{fc}".repeat(120);
    fs::write(folder.path().join(&name), support::noise(300_000)).expect("a file");
    let path = folder.path().join(&name);
    let path = path.to_str().expect("it is text");
    let _bot = Program::start(BOT, &[&address, "--channel", "#room", "--share", path]);
    let said = ann.sees("#room -bot- \u{fc}");
    let (_, link) = said.split_once("magnet:").expect("there is a link");
    let place = tempfile::tempdir().expect("a folder");
    let to = place.path().to_str().expect("it is text");
    let words = ["get", &format!("magnet:{link}"), "--output", to, "--once"];
    run(TORRENT, &words, b"").with_code(0);
    assert!(place.path().join(&name).exists());
}

#[test]
fn a_bot_answers_in_the_channel_and_alone() {
    let (server, address) = serve(&[]);
    let mut ann = Person::in_room(&address, "ann");
    let bot = Program::start(BOT, &[&address, "--channel", "#room"]);
    ann.sees("-- bot (");
    ann.types("!roll 1d2");
    let thrown = ann.sees("#room -bot-");
    assert!(["#room -bot- ann: 1", "#room -bot- ann: 2"].contains(&thrown.as_str()), "{thrown}");
    assert!(
        ann.gets("!seen ann", "#room -bot-").starts_with("#room -bot- ann: ann was last seen ")
    );
    assert_eq!(
        ann.gets("/msg bot !help", "bot -bot-"),
        "bot -bot- !roll 2d6, !remind 10m TEXT, !seen NICK, !files"
    );
    assert_eq!(ann.gets("!remind 1s tea", "#room -bot-"), "#room -bot- ann: in 1 second, then");
    assert_eq!(ann.sees("#room -bot-"), "#room -bot- ann: tea");
    bot.stop();
    assert_eq!(ann.sees("-- bot has quit"), "-- bot has quit (Quit: Back to the workshop)");
    ann.leaves();
    server.stop();
}
