//! Passwords: from the environment, from a pipe, or from somebody who types them unseen.

use std::env;
use std::io::{self, BufRead, IsTerminal, Write};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, read};
use crossterm::terminal;

/// The variable that a script puts a password in, which is seen by fewer than a command line is.
const VARIABLE: &str = "CHAT_PASSWORD";

/// The password of whoever connects: from the environment, or else it is asked for.
pub(crate) fn known_or_asked(prompt: &str) -> io::Result<String> {
    match env::var(VARIABLE) {
        Ok(password) => Ok(password),
        Err(_) if io::stdin().is_terminal() => ask(prompt),
        Err(_) => Err(io::Error::other(format!("set {VARIABLE} to the password"))),
    }
}

/// A new password: the first line of standard input; on a terminal, typed twice.
pub(crate) fn new(prompt: &str) -> io::Result<String> {
    let password = if io::stdin().is_terminal() {
        let password = ask(prompt)?;
        if ask("Again: ")? != password {
            return Err(io::Error::other("those are two different ones"));
        }
        password
    } else {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    };
    if password.is_empty() {
        return Err(io::Error::other("an empty password is none"));
    }
    Ok(password)
}

/// Asks somebody who sits there.
fn ask(prompt: &str) -> io::Result<String> {
    let mut stderr = io::stderr();
    write!(stderr, "{prompt}")?;
    stderr.flush()?;
    terminal::enable_raw_mode()?;
    let typed = type_unseen();
    terminal::disable_raw_mode()?;
    writeln!(stderr)?;
    typed
}

fn type_unseen() -> io::Result<String> {
    let mut text = String::new();
    loop {
        let Event::Key(KeyEvent { code, modifiers, kind, .. }) = read()? else { continue };
        if kind == KeyEventKind::Release {
            continue;
        }
        match code {
            KeyCode::Enter => return Ok(text),
            KeyCode::Char('c' | 'd') if modifiers.contains(KeyModifiers::CONTROL) => {
                return Err(io::ErrorKind::Interrupted.into());
            }
            KeyCode::Char('u') if modifiers.contains(KeyModifiers::CONTROL) => text.clear(),
            KeyCode::Backspace => drop(text.pop()),
            KeyCode::Char(char) => text.push(char),
            _ => {}
        }
    }
}
