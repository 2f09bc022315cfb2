//! `chat connect` on the servers that people have: what they refuse ends a script with 1, and a channel
//! that forwards is followed. A server that is not installed is left out, and said to be.

use std::fs;

use crate::outside::{free_port, program, until_listening};
use crate::support::{Ended, Program, run};
use tempfile::TempDir;

const CHAT: &str = env!("CARGO_BIN_EXE_chat");

/// A server, which goes with the test.
struct Server {
    address: String,
    _program: Program,
    _directory: TempDir,
}

impl Server {
    /// One that has started, if there is one: with `PORT` in its settings and `SETTINGS` in its words.
    fn start(name: &str, words: &[&str], settings: &str) -> Option<Self> {
        let path = program(name)?;
        let directory = tempfile::tempdir().expect("a directory");
        let port = free_port();
        let file = directory.path().join("settings");
        let settings = settings.replace("PORT", &port.to_string());
        let settings = settings.replace("HERE", directory.path().to_str().expect("UTF-8"));
        fs::write(&file, settings).expect("it can be written");
        let file = file.to_str().expect("UTF-8");
        let words: Vec<_> = words.iter().map(|word| word.replace("SETTINGS", file)).collect();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let mut program = Program::start(path, &words);
        let address = format!("127.0.0.1:{port}");
        until_listening(program.child(), port);
        Some(Self { address, _program: program, _directory: directory })
    }

    #[track_caller]
    fn meets(&self, nick: &str, channel: &str, script: &str) -> Ended {
        let words = ["connect", &self.address, "--nick", nick, "--rate", "100"];
        let channel = ["--channel", channel];
        let channel = if channel[1].is_empty() { &[] } else { &channel[..] };
        run(CHAT, &[&words[..], channel].concat(), script.as_bytes())
    }

    /// Somebody says hello there, and is heard here.
    #[track_caller]
    fn hears(&self, nick: &str, channel: &str, here: &str) {
        let ended = self.meets(nick, channel, "hello\n");
        assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""), "{}", ended.text());
        let line = format!("{here} <{nick}> hello");
        assert!(ended.text().lines().any(|it| it == line), "{}", ended.text());
    }

    /// Somebody who says that is refused it, and is told so.
    #[track_caller]
    fn refuses(&self, nick: &str, channel: &str, script: &str, told: &str) {
        let ended = self.meets(nick, channel, script);
        assert_eq!(ended.code, Some(1), "{channel} {script}: {ended:?}");
        assert!(ended.errors.contains(&format!("chat: {told}\n")), "{channel} {script}: {ended:?}");
    }
}

#[test]
fn inspircd_forwards_and_refuses() {
    let settings = r#"
        <server name="irc.insp.test" description="x" network="Test" id="001">
        <bind address="127.0.0.1" port="PORT" type="clients">
        <admin name="a" nick="a" email="a@test">
        <connect allow="*" localmax="100" globalmax="100" timeout="30" pingfreq="120" useident="no"
            commandrate="100000" threshold="100">
        <options defaultmodes="not">
        <dns server="127.0.0.1" timeout="1">
        <module name="redirect"><module name="banredirect">
        <module name="cap"><module name="ircv3"><module name="ircv3_echomessage">
        <log method="file" type="*" level="default" target="HERE/log">
        <pid file="HERE/pid">"#;
    let words = ["--nofork", "--runasroot", "--config=SETTINGS"];
    let Some(server) = Server::start("/usr/sbin/inspircd", &words, settings) else { return };
    let mut keeper =
        Program::start(CHAT, &["connect", &server.address, "--nick", "keeper", "--rate", "100"]);
    let mut stdin = keeper.stdin();
    let script = "/join #over\n/join #full\n/mode #full +lL 1 #over\n/join #key\n/mode #key +k x\n\
        /join #mute\n/mode #mute +m\n/join #ban\n/mode #ban +b *!*@*\n\
        /join #moved\n/mode #moved +b moved!*@*#over\n";
    std::io::Write::write_all(&mut stdin, script.as_bytes()).expect("it reads");
    while !keeper.line().contains("#moved +b") {}

    server.hears("one", "#over", "#over");
    server.hears("two", "#full", "#over");
    server.hears("three", "#x,#full,#y", "#y");
    server.hears("four", "#x,#y,#full", "#over");
    server.hears("moved", "#moved", "#over");
    server.refuses("five", "#key", "hello\n", "not said: hello");
    server.refuses("six", "#ban", "hello\n", "not said: hello");
    server.refuses("seven", "lobby", "hello\n", "not said: hello");
    server.refuses("eight", "#mute", "hello\n", "not said to #mute: hello");
    server.refuses("nine", "", "/msg nobody hello\n", "not said to nobody: hello");
    server.refuses("ten", "", "/msg #nowhere hello\n", "not said to #nowhere: hello");
    server.refuses("eleven", "", "/quote DANCE\n", "not done: /quote DANCE");
}

#[test]
fn ngircd_refuses() {
    let settings = "[Global]\nName = irc.ng.test\nInfo = x\nListen = 127.0.0.1\nPorts = PORT\n\
        [Limits]\nMaxConnectionsIP = 0\nMaxJoins = 1\n[Options]\nIdent = no\nPAM = no\nDNS = no\n\
        [Channel]\nName = #key\nModes = +k x\n[Channel]\nName = #mute\nModes = +m\n";
    let words = ["-n", "-f", "SETTINGS"];
    let Some(server) = Server::start("/usr/sbin/ngircd", &words, settings) else { return };
    server.hears("one", "#key x", "#key");
    server.refuses("two", "#key", "hello\n", "not said: hello");
    server.refuses("three", "#mute", "hello\nworld\n", "not said to #mute: world");
    server.refuses("four", "#a", "/join #b\nhello\n", "not said: hello");
    server.refuses("five", "lobby", "hello\n", "not said: hello");
    server.refuses("six", "", "/msg nobody hello\n", "not said to nobody: hello");
    server.refuses("seven", "", "/msg #nowhere hello\n", "not said to #nowhere: hello");
}
