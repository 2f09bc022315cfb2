//! What the programs say to somebody who asks how, and to somebody who typed something wrong.

use std::process::Command;

use crate::support::{
    self, BOT, CHAT, ECHO, Ended, NATS, PLAYGROUND, PROXY, RPC, TORRENT, TRANSFER, WEB, listener,
    run,
};

const KEY_VALUE: &str = env!("CARGO_BIN_EXE_key-value");
const GAME: &str = env!("CARGO_BIN_EXE_embed-game-loop");
const THREAD: &str = env!("CARGO_BIN_EXE_embed-thread");
const POLL: &str = env!("CARGO_BIN_EXE_embed-poll");

/// Everything that has a help of its own.
fn commands() -> Vec<(&'static str, Vec<&'static str>)> {
    let alone = [ECHO, CHAT, TRANSFER, PLAYGROUND, BOT, KEY_VALUE, GAME, THREAD];
    let mut commands: Vec<_> = alone.map(|program| (program, Vec::new())).to_vec();
    if !cfg!(mio_unsupported_force_poll_poll) {
        commands.push((POLL, Vec::new()));
    }
    let named: [(&str, &[&str]); 5] = [
        (ECHO, &["serve", "send", "ping"]),
        (CHAT, &["serve", "connect", "account", "account add", "account list"]),
        (TRANSFER, &["serve", "get", "put", "list", "user", "user add"]),
        (NATS, &["sub", "pub", "request", "reply", "kv", "kv add", "kv watch"]),
        (TORRENT, &["create", "show", "check", "tracker"]),
    ];
    for (program, names) in named {
        commands.extend(names.iter().map(|name| (program, name.split(' ').collect())));
    }
    commands
}

/// The help, at a terminal of so many columns.
fn help(program: &str, words: &[&str], columns: usize) -> String {
    let output = Command::new(program)
        .args(words)
        .arg("--help")
        .env("COLUMNS", columns.to_string())
        .output()
        .expect("the program is built");
    assert!(output.status.success(), "{program} {words:?}: {output:?}");
    String::from_utf8(output.stdout).expect("it is text")
}

#[test]
fn no_help_shows_a_number_that_stands_for_none() {
    for (program, words) in commands() {
        let help = help(program, &words, 100);
        for number in [u64::MAX.to_string(), u32::MAX.to_string()] {
            assert!(!help.contains(&number), "{program} {words:?}:\n{help}");
        }
    }
}

/// Text that was wrapped by hand is wrapped again by a terminal that is narrower, in the middle of its lines.
#[test]
fn help_is_wrapped_once_at_every_width() {
    for (program, words) in commands() {
        for columns in [60, 80, 100] {
            let help = help(program, &words, columns);
            for (line, next) in help.lines().zip(help.lines().skip(1)) {
                let first = next.split_whitespace().next().unwrap_or_default();
                let goes_on = is_prose(line)
                    && is_prose(next)
                    && indent(line) == indent(next)
                    && first.starts_with(|char: char| char.is_ascii_lowercase());
                let had_room = line.trim_end().len() + 1 + first.len() <= columns.min(100);
                assert!(
                    !(goes_on && had_room),
                    "{program} {words:?}, {columns}: {line:?}, {next:?}"
                );
            }
        }
    }
}

/// No line of a table, whose columns are two blanks apart, and no empty one.
fn is_prose(line: &str) -> bool {
    !line.trim().is_empty() && !line.trim().contains("  ")
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[track_caller]
fn refused(program: &str, words: &[&str], code: i32, part: &str) -> Ended {
    let ended = run(program, words, b"");
    assert_eq!(ended.code, Some(code), "{words:?}: {}", ended.errors);
    assert!(ended.errors.contains(part), "{words:?}: {}", ended.errors);
    ended
}

#[test]
fn help_says_what_there_is() {
    for (program, command, words) in [
        (ECHO, "", &["serve", "send", "ping", "udp:HOST:PORT", "Exit code"][..]),
        (ECHO, "serve", &["Usage: echo "]),
        (ECHO, "send", &["Usage: echo "]),
        (ECHO, "ping", &["Usage: echo "]),
        (CHAT, "", &["serve", "connect", "account", "Exit code"]),
        (CHAT, "serve", &["--listen", "--config", "--oper", "--flood", "SIGHUP"]),
        (CHAT, "connect", &["--nick", "--channel", "/help", "<ann>"]),
        (CHAT, "account", &["add", "password", "list", "remove", "hash", "--data"]),
        (TRANSFER, "", &["serve", "get", "put", "list", "user"]),
        (TRANSFER, "", &["ftp://", "tftp://", "TRANSFER_PASSWORD"]),
        (TRANSFER, "serve", &["Usage: transfer ", "SIGHUP"]),
        (TRANSFER, "get", &["Usage: transfer "]),
        (TRANSFER, "put", &["Usage: transfer "]),
        (TRANSFER, "list", &["Usage: transfer "]),
        (TRANSFER, "user", &["Usage: transfer "]),
        (TRANSFER, "user add", &["Usage: transfer "]),
        (PROXY, "", &["Usage: proxy", "--listen", "BACKEND", "--rest", "SIGUSR1", "unix:PATH"]),
        (PROXY, "", &["--send-proxy", "Exit code"]),
        (RPC, "", &["serve", "call", "listen", "batch", "describe", "stdio:COMMAND", "Exit code"]),
    ] {
        let asked: Vec<_> = command.split_whitespace().chain(["--help"]).collect();
        let help = run(program, &asked, b"");
        assert_eq!((help.code, help.errors.as_str()), (Some(0), ""), "{program} {command}");
        for word in words {
            assert!(help.text().contains(word), "{word} is missing:\n{}", help.text());
        }
    }
}

#[test]
fn a_command_line_that_makes_no_sense_is_code_2() {
    for (program, lines) in [
        (ECHO, &["serve --listen nowhere", "send", "send udp:1", "dance"][..]),
        (ECHO, &["ping localhost:7 --count 0", "ping localhost:7 --interval -1"]),
        (CHAT, &["serve --listen nowhere", "serve --oper root", "serve --flood maybe"]),
        (CHAT, &["connect localhost:6667", "connect --nick ann", "account add", "dance"]),
        (CHAT, &["serve --listen udp:127.0.0.1:0", "serve --cluster http://127.0.0.1 --node a"]),
        (CHAT, &["serve --cluster nats://127.0.0.1 --node a.b"]),
        (TRANSFER, &["get", "get http://host/file", "get ftp://host:ftp/file", "put file"]),
        (TRANSFER, &["get tftp://ann@host/file", "get ftp://host/file --parallel 0", "user"]),
        (TRANSFER, &["serve --user ann", "serve --passive-ports 2-1", "serve --replace"]),
        (PROXY, &["", "nowhere", "localhost:7 --rest -1"]),
    ] {
        for line in lines {
            let words: Vec<_> = line.split_whitespace().collect();
            refused(program, &words, 2, "--help");
        }
    }
    refused(CHAT, &["connect", "localhost:6667", "--nick", "two words"], 2, "--help");
}

#[test]
fn a_nick_that_no_server_would_take_is_the_fault_of_whoever_typed_it() {
    for (program, connect) in [(CHAT, &["connect"][..]), (BOT, &[])] {
        for (nick, why) in [
            ("a b", "a name may not hold ' '"),
            ("", "the name is empty"),
            ("9a", "begin with '9'"),
        ] {
            let words = [connect, &["127.0.0.1:1", "--nick", nick]].concat();
            refused(program, &words, 2, why);
        }
    }
}

#[test]
fn a_channel_that_is_none_is_told_as_that() {
    for (program, connect) in [(CHAT, &["connect", "--nick", "ann"][..]), (BOT, &[])] {
        for channel in ["#a b c", "", "#a\nb"] {
            let words = [connect, &["127.0.0.1:1", "--channel", channel]].concat();
            refused(program, &words, 2, "expected '#room', '#room key' or '#room,#other key,key'");
        }
    }
}

#[test]
fn a_port_out_of_range_is_told_as_that() {
    let why = "a port is a number up to 65535, and '70000' is none";
    for (program, words) in [
        (ECHO, &["send", "127.0.0.1:70000"][..]),
        (ECHO, &["send", "udp:127.0.0.1:70000"]),
        (ECHO, &["serve", "--listen", "127.0.0.1:70000"]),
        (CHAT, &["connect", "127.0.0.1:70000", "--nick", "ann"]),
        (CHAT, &["serve", "--listen", "127.0.0.1:70000"]),
        (TRANSFER, &["serve", "--ftp", "127.0.0.1:70000"]),
        (PLAYGROUND, &["--tftp", "127.0.0.1:70000"]),
        (BOT, &["127.0.0.1:70000"]),
    ] {
        refused(program, words, 2, why);
    }
    for program in [GAME, THREAD] {
        refused(
            program,
            &["--listen", "127.0.0.1:70000"],
            2,
            "its port has to be a number up to 65535",
        );
    }
}

#[test]
fn chat_does_not_advise_udp() {
    for words in [&["connect", "nowhere", "--nick", "ann"][..], &["serve", "--listen", "nowhere"]] {
        refused(CHAT, words, 2, "expected HOST:PORT or unix:PATH\n");
    }
    let words = ["connect", "udp:127.0.0.1:1", "--nick", "ann"];
    refused(CHAT, &words, 2, "this is not spoken over UDP: expected HOST:PORT or unix:PATH");
}

#[test]
fn a_count_of_none_is_told_without_the_largest_number_there_is() {
    refused(
        ECHO,
        &["ping", "127.0.0.1:1", "--count", "0"],
        2,
        "expected a whole number, 1 or more",
    );
}

#[test]
fn a_number_of_loops_that_no_machine_has_is_refused_before_a_thread_is_made() {
    for number in ["0", "1025", "x"] {
        let servers = [
            (ECHO, &["serve"][..]),
            (WEB, &["serve"]),
            (RPC, &["serve"]),
            (PROXY, &["127.0.0.1:7"]),
        ];
        for (program, words) in servers {
            let words = [words, &["--loops", number]].concat();
            refused(program, &words, 2, "expected a whole number, 1 to 1024");
        }
    }
}

#[test]
fn a_bound_of_none_with_which_nobody_could_be_served_is_refused() {
    let count = "expected a whole number, 1 or more";
    let time = "expected more than no time at all";
    for (program, words, why) in [
        (ECHO, &["serve", "--max-connections", "0"][..], count),
        (TRANSFER, &["serve", "--max-sessions", "0"], count),
        (TRANSFER, &["serve", "--max-per-address", "0"], count),
        (TRANSFER, &["serve", "--max-per-user", "0"], count),
        (TRANSFER, &["serve", "--max-per-user", "5000000000"], "that is too many"),
        (TRANSFER, &["serve", "--rate", "0"], count),
        (TRANSFER, &["serve", "--idle", "0"], time),
        (TORRENT, &["tracker", "--torrents", "0"], count),
        (TORRENT, &["tracker", "--peers", "x"], count),
        (TORRENT, &["tracker", "--interval", "0"], time),
        (KEY_VALUE, &["--idle", "0"], time),
        (WEB, &["proxy", "--to", "http://h", "--check", "/", "--check-fall", "0"], count),
        (WEB, &["proxy", "--to", "http://h", "--check", "/", "--check-rise", "0"], count),
    ] {
        refused(program, words, 2, why);
    }
}

#[test]
fn words_that_would_never_fit_are_told_before_anybody_waits_for_them() {
    let page = ["serve", "--websocket", "127.0.0.1:0", "--origin"];
    for origin in ["irc.example", "https://irc.example/", "https://"] {
        refused(CHAT, &[&page[..], &[origin]].concat(), 2, "expected what browsers say of a page");
    }
    refused(WEB, &["serve", "--cache", "a\r\nX: b"], 2, "no line ends");
    let proxy = ["proxy", "--to", "http://127.0.0.1:1", "--upgrade"];
    for name in ["", "a b"] {
        refused(WEB, &[&proxy[..], &[name]].concat(), 2, "expected the name of a protocol");
    }
}

#[test]
fn a_name_at_which_nobody_listens_is_told_in_one_sentence_by_every_client() {
    for (program, words, begins) in [
        (CHAT, &["connect", "localhost:1", "--nick", "ann"][..], "chat: localhost:1: could not"),
        (TRANSFER, &["get", "ftp://localhost:1/a"], "transfer: localhost:1: could not"),
        (ECHO, &["ping", "localhost:1"], "echo: localhost:1: could not"),
        (RPC, &["call", "localhost:1", "sum"], "rpc: tcp://localhost:1: could not"),
        (RPC, &["call", "ws://localhost:1/", "sum"], "rpc: ws://localhost:1/: could not"),
        (RPC, &["call", "http://localhost:1/", "sum"], "rpc: http://localhost:1/: cannot"),
        (WEB, &["socket", "ws://localhost:1/"], "web: ws://localhost:1/: could not"),
        (WEB, &["get", "http://localhost:1/"], "web: http://localhost:1/: cannot"),
    ] {
        let errors = run(program, words, b"").errors;
        assert!(errors.contains(&format!("{begins} connect")), "{errors}");
        assert!(errors.contains(":1: Connection refused"), "{errors}");
        assert_eq!(errors.matches("connect").count(), 1, "{errors}");
    }
}

#[test]
fn a_socket_that_cannot_be_opened_is_told_in_words_by_every_program() {
    let (_taken, address) = listener();
    let why = format!("address already in use: {address}; try another port with --");
    let mut programs = vec![
        (ECHO, "echo", &["serve", "--listen"][..]),
        (PROXY, "proxy", &["127.0.0.1:7", "--listen"]),
        (CHAT, "chat", &["serve", "--listen"]),
        (TRANSFER, "transfer", &["serve", "--ftp"]),
        (PLAYGROUND, "playground", &["--tcp"]),
        (KEY_VALUE, "key-value", &["--listen"]),
        (GAME, "embed-game-loop", &["--listen"]),
        (THREAD, "embed-thread", &["--listen"]),
    ];
    if !cfg!(mio_unsupported_force_poll_poll) {
        programs.push((POLL, "embed-poll", &["--listen"]));
    }
    for (program, name, words) in programs {
        let ended = refused(program, &[words, &[&address]].concat(), 1, &why);
        assert!(ended.errors.starts_with(&format!("{name}: ")), "{}", ended.errors);
        assert_eq!(ended.output, b"");
    }
}

#[test]
fn a_server_of_files_says_which_directory_it_serves() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().canonicalize().expect("it is there");
    let script = r#"cd "$0" && exec "$@""#;
    let start = |more: &[&str]| {
        let path = path.to_str().expect("it is text");
        let words = ["-c", script, path, TRANSFER, "serve", "--ftp", "127.0.0.1:0"];
        support::Program::start("sh", &[&words[..], more].concat())
    };
    for (more, may) in [(&[][..], "for reading only"), (&["--write"], "for reading and writing")] {
        let server = start(more);
        assert!(server.line().starts_with("ftp listening on "));
        assert_eq!(server.line(), format!("serving {}, {may}", path.display()));
        server.stop();
    }
}

/// The package is called otherwise, and nobody has heard of it.
#[test]
fn every_program_says_its_own_name_with_its_version() {
    for (name, program) in [("echo", ECHO), ("chat", CHAT), ("proxy", PROXY), ("web", WEB)] {
        let told = run(program, &["--version"], b"");
        assert_eq!(told.text().trim_end(), format!("{name} {}", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn accounts_of_a_directory_that_is_not_there_make_none() {
    let folder = tempfile::tempdir().expect("a directory");
    let typo = folder.path().join("typo");
    let typo = typo.to_str().expect("it is text");
    for words in [&["list"][..], &["remove", "ann"], &["password", "ann"]] {
        run(CHAT, &[&["account", "--data", typo], words].concat(), b"secret\n")
            .with_code(1)
            .complains("there is no data directory");
        assert!(!std::path::Path::new(typo).exists());
    }
}

#[test]
fn a_field_is_a_field_and_no_more() {
    for (field, why) in [
        ("X: a\r\nB: c", "line ends"),
        ("X Y: a", "no name"),
        ("Host: other", "the URL"),
        ("Content-Length: 7", "the body"),
        ("transfer-encoding: chunked", "the body"),
    ] {
        for command in [["get", "http://127.0.0.1:1/"], ["socket", "ws://127.0.0.1:1/"]] {
            run(WEB, &[&command[..], &["-H", field]].concat(), b"").with_code(2).complains(why);
        }
    }
    let url = "ws://127.0.0.1:1/";
    for field in ["Upgrade: x", "connection: close", "Sec-WebSocket-Key: x"] {
        refused(WEB, &["socket", url, "-H", field], 2, "the handshake");
    }
    for name in ["", "a b", "a,b"] {
        refused(WEB, &["socket", url, "--subprotocol", name], 2, "one word");
    }
}

#[test]
fn a_url_that_cannot_be_asked_for_says_why() {
    for (url, why) in [
        ("ftp://localhost/", "expected http://HOST"),
        ("http://ann:secret@localhost/", "Authorization"),
    ] {
        let ended = run(WEB, &["get", url], b"");
        ended.complains(why);
    }
    let ended = run(WEB, &["get", "-o", "/nowhere/new/", "http://127.0.0.1:1/a"], b"");
    ended.complains("there is no directory /nowhere/new/");
}

/// A link that says it would lead nowhere.
#[test]
fn who_gives_a_torrent_has_to_name_an_address() {
    let bot = ["127.0.0.1:1", "--share", "Cargo.toml"];
    let any = "127.0.0.1:0";
    let playground = ["--tcp", any, "--udp", any];
    for (program, words, more) in [
        (BOT, &bot[..], ["--listen", "0.0.0.0:0"]),
        (BOT, &bot, ["--tracker", "0.0.0.0:0"]),
        (PLAYGROUND, &playground, ["--seed", "[::]:0"]),
        (PLAYGROUND, &playground, ["--tracker", "[::]:0"]),
    ] {
        let words = [words, &more].concat();
        let output = Command::new(program).args(words).output().expect("the program is built");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("name one that they reach"), "{said}");
    }
}
