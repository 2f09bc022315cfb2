//! Files as people write them, and what they are told.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::chat::Password;

/// What is wrong with a text.
#[track_caller]
fn mistakes(text: &str) -> Vec<String> {
    let mistakes = Config::parse(text).expect_err("it has mistakes");
    mistakes.all().iter().map(ToString::to_string).collect()
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(Config::parse(""), Ok(Config::default()));
}

#[test]
fn the_example_has_every_key_and_says_the_defaults() {
    // An archive of this package has no book; there is nothing to look at there.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    if !root.join("docs").exists() {
        return eprintln!("LEFT OUT: the book is not beside this package");
    }
    let mut text = fs::read_to_string(root.join("docs/chat.toml")).expect("it is in the book");
    if cfg!(not(feature = "cluster")) {
        text.truncate(text.find("#[cluster]").expect("it is the last"));
    }
    let config = Config::parse(&text).expect("it is an example");
    assert_eq!(config.settings.limits, Limits::default());
    assert_eq!(config.settings.name, "irc.example");
    assert_eq!(config.settings.operators.len(), 1);
    let lobby = config.settings.channels.first().expect("it has a channel");
    assert_eq!(lobby.name, "#lobby");
    assert!(matches!(config.settings.operators[0].password, Password::Hashed(_)));
    let limits = format!("{:#?}", Limits::default());
    for name in limits.lines().filter_map(|it| it.strip_prefix("    ")?.split_once(": ")) {
        assert!(text.contains(&format!("\n{} = ", name.0)), "{} is not in the example", name.0);
    }
    // What is commented out is right too, so the whole file is once more read with all of it.
    let all: String = text
        .lines()
        .map(|line| match line.strip_prefix("#") {
            Some(rest) if !rest.starts_with(' ') && !rest.is_empty() => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let config = Config::parse(&all).expect("it is an example");
    assert!(config.settings.password.is_some() && config.settings.admin.is_some());
    assert!(config.settings.data.is_some() && config.connections.is_some());
    #[cfg(feature = "cluster")]
    {
        let silence = crate::chat::cluster::Limits::default().silence;
        assert_eq!(config.cluster.and_then(|node| node.silence), Some(silence));
    }
}

#[cfg(feature = "cluster")]
#[test]
fn a_node_has_a_name_and_servers_of_nats() {
    let text = "[cluster]\nnats = ['nats://127.0.0.1', 'tls://b.example:1']\nnode = 'fra-1'\nsilence = '5 s'\n";
    let node = Config::parse(text).expect("it is right").cluster.expect("it is one");
    assert_eq!((node.nats.len(), node.node.as_str()), (2, "fra-1"));
    assert_eq!(node.silence, Some(Duration::from_secs(5)));
    let expected = [
        "line 1: [cluster] needs a 'nats'",
        "line 2: 'node': 'fra.1' is no name of a node: 1 to 32 letters, digits, - and _",
    ];
    assert_eq!(mistakes("[cluster]\nnode = 'fra.1'\n"), expected);
    let told = mistakes("[cluster]\nnats = ['http://a']\nnode = 'a'\n");
    assert!(told[0].starts_with("line 2: 'nats': no NATS server has such an address"), "{told:?}");
    assert!(mistakes("[cluster]\nnats = []\nnode = 'a'\n")[0].contains("at least one"));
}

#[test]
fn every_mistake_is_told_at_once_with_its_line() {
    let text = "\
listen = '127.0.0.1:6667'
colour = 'red'

[server]
name = 'localhost'
passwrd = 'x'

[limits]
flood_rate = 0
ping_timeout = 'soon'
send_queue = '1 KiB'
flod_burst = 3

[[operator]]
name = 'root'

[[channel]]
name = 'lobby'
";
    let expected = [
        "line 1: 'listen': expected a list of addresses: ['127.0.0.1:6667', 'unix:/run/chat'], not '127.0.0.1:6667'",
        "line 2: there is no 'colour' in the top of the file",
        "line 5: 'name': expected a host's name with a dot, of at most 63 letters: irc.example",
        "line 6: there is no 'passwrd' in [server]; did you mean 'password'?",
        "line 9: 'flood_rate': expected a whole number, 1 or more, not 0",
        "line 10: 'ping_timeout': expected a span of time: 30, \"90 s\", \"2 min\" or \"1 h\", not 'soon'",
        "line 11: 'send_queue': at least 65536 bytes are needed",
        "line 12: there is no 'flod_burst' in [limits]; did you mean 'flood_burst'?",
        "line 14: [[operator]] needs a 'password'",
        "line 18: 'name': a name may not begin with 'l', but with '#'",
    ];
    assert_eq!(mistakes(text), expected);
}

#[test]
fn a_file_that_is_no_toml_says_where() {
    let told = mistakes("[server]\nname = irc.example\n\n[limits\nchannels = 3\n");
    assert!(told[0].starts_with("line 2: "), "{told:?}");
    assert!(told.iter().any(|it| it.starts_with("line 4: ")), "{told:?}");
}

#[test]
fn a_section_that_is_none_is_told() {
    assert_eq!(
        mistakes("server = 3\nchannel = ['#a']\n[operator]\nname = 'a'"),
        [
            "line 1: 'server' is a section, [server], and not an integer",
            "line 2: 'channel' is a list of sections, [[channel]] each",
            "line 3: 'operator' is a list of sections, [[operator]] each",
        ]
    );
}

#[test]
fn a_name_twice_is_told() {
    let text = "[[channel]]\nname = '#a'\n[[channel]]\nname = '#A'";
    assert_eq!(mistakes(text), ["line 3: there are two [[channel]] with the name '#A'"]);
}

#[test]
fn spans_of_time_and_bytes_have_units() {
    let limits = |text: &str| {
        let text = format!("[limits]\n{text}");
        Config::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}")).settings.limits
    };
    for (text, seconds) in
        [("30", 30.0), ("0.5", 0.5), ("'90 s'", 90.0), ("'2min'", 120.0), ("'1 h'", 3600.0)]
    {
        let limits = limits(&format!("ping_timeout = {text}"));
        assert_eq!(limits.ping_timeout, Duration::from_secs_f64(seconds));
    }
    for (text, bytes) in [("70_000", 70_000), ("'64 KiB'", 65_536), ("'2MiB'", 2 << 20)] {
        assert_eq!(limits(&format!("send_queue = {text}")).send_queue, bytes);
    }
    for text in
        ["ping_timeout = 0", "ping_timeout = -1", "ping_timeout = inf", "send_queue = '1 TB'"]
    {
        assert!(Config::parse(&format!("[limits]\n{text}")).is_err(), "{text}");
    }
}

#[test]
fn a_password_is_plain_or_hashed_and_never_half() {
    let password = |text: &str| Config::parse(&format!("[server]\npassword = '{text}'"));
    let plain = password("secret").expect("it is one").settings.password.expect("it is set");
    assert!(plain.verifies("secret"));
    let told = password("$argon2id$v=19$oops").expect_err("it is none").to_string();
    assert!(told.starts_with("line 2: 'password': not a password hash"), "{told}");
    assert!(password("").is_err());
}

#[test]
fn lines_of_the_day_are_cut_where_the_file_cuts_them() {
    let text = "[server]\nmotd = '''\nWelcome\n\n\tto this place\n'''";
    let motd = Config::parse(text).expect("it is right").settings.motd;
    assert_eq!(motd, Some(vec!["Welcome".into(), String::new(), "    to this place".into()]));
}

#[test]
fn a_file_is_named_with_what_is_wrong_with_it_and_its_paths_count_from_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("chat.toml");
    let missing = Config::read(&path).expect_err("it is not there").to_string();
    assert!(missing.starts_with("cannot read /") && missing.contains("chat.toml: "), "{missing}");
    fs::write(&path, "data = 'kept'\n").expect("it can be written");
    let config = Config::read(&path).expect("it is right");
    assert_eq!(config.settings.data, Some(directory.path().join("kept")));
    fs::write(&path, "data = 3\n[server]\nnmae = 'a'\n").expect("it can be written");
    let told = Config::read(&path).expect_err("it is wrong").to_string();
    let name = path.display();
    assert_eq!(
        told,
        format!(
            "{name}:1: 'data': expected a text in quotes, not 3\n\
             {name}:3: there is no 'nmae' in [server]; did you mean 'name'?"
        )
    );
}
