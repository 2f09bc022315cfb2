//! A library for bots: a script of a few lines makes a client of it that is told what to do on its
//! standard input, and tells what it sees.

use std::io::Write;
use std::process::{ChildStdin, Command, Stdio};

use super::guest::{Guest, Missing};
use crate::support::Program;

/// A language, and how to find out whether the library is there.
#[derive(Clone, Copy)]
pub(crate) struct Library {
    name: &'static str,
    interpreter: &'static str,
    check: [&'static str; 2],
    script: &'static str,
}

pub(crate) const PYTHON: Library = Library {
    name: "Python with the package irc",
    interpreter: "python3",
    check: ["-c", "import irc.client"],
    script: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/chat_clients/guest.py"),
};

pub(crate) const JAVASCRIPT: Library = Library {
    name: "Node with the package irc-framework",
    interpreter: "node",
    check: ["-e", "require('irc-framework')"],
    script: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/chat_clients/guest.js"),
};

struct Bot {
    program: Program,
    stdin: ChildStdin,
}

pub(crate) fn open(library: Library, host: &str, port: u16) -> Result<Box<dyn Guest>, Missing> {
    let modules = global_modules();
    let check = Command::new(library.interpreter)
        .args(library.check)
        .env("NODE_PATH", &modules)
        .stderr(Stdio::null())
        .status();
    if !check.is_ok_and(|status| status.success()) {
        return Err(Missing::because(&format!("{} is not installed", library.name)));
    }
    let words = [library.script, host, &port.to_string()];
    let variables = [("NODE_PATH", modules.as_str())];
    let mut program = Program::start_with(library.interpreter, &words, &variables);
    let stdin = program.stdin();
    let mut bot = Bot { program, stdin };
    bot.sees("welcome guest");
    Ok(Box::new(bot))
}

/// Where npm puts what is installed for everybody; Node does not look there by itself.
fn global_modules() -> String {
    let output = Command::new("npm").args(["root", "--global"]).output();
    output
        .map_or_else(|_| String::new(), |it| String::from_utf8_lossy(&it.stdout).trim().to_owned())
}

impl Bot {
    #[track_caller]
    fn tell(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").expect("it reads");
    }
}

impl Guest for Bot {
    fn join(&mut self, channel: &str) {
        self.tell(&format!("join {channel}"));
    }

    fn say(&mut self, channel: &str, text: &str) {
        self.tell(&format!("say {channel} {text}"));
    }

    fn nick(&mut self, nick: &str) {
        self.tell(&format!("nick {nick}"));
    }

    fn leave(&mut self) {
        self.tell("leave");
    }

    fn come_back(&mut self) {
        self.tell("connect visitor");
        self.sees("welcome visitor");
    }

    fn quit(&mut self) {
        self.tell("quit");
    }

    fn sees(&mut self, text: &str) {
        while !self.program.line().contains(text) {}
    }

    fn sees_member(&mut self, nick: &str) {
        self.sees(&format!("member {nick}"));
    }
}
