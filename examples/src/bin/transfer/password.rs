//! Passwords: from the environment, or from a person, who does not see them while typing.

use std::io::{self, IsTerminal, Write};

use thiserror::Error;

/// Where a program that runs without a person has it from.
pub(crate) const VARIABLE: &str = "TRANSFER_PASSWORD";

/// There is no password to be had.
#[derive(Debug, Error)]
pub(crate) enum NoPassword {
    #[error("no password: set {VARIABLE}, or run it in a terminal to be asked")]
    Nobody,
    #[error("the two passwords are not the same")]
    Different,
    #[error("an empty password is none")]
    Empty,
    #[error("cannot ask for a password: {0}")]
    Terminal(io::Error),
}

/// The password for something, from the environment or a person.
pub(crate) fn password_for(what: &str) -> Result<String, NoPassword> {
    match std::env::var(VARIABLE) {
        Ok(password) => Ok(password),
        Err(_) => ask(&format!("Password for {what}: ")),
    }
}

/// A new password, which a person has to type twice.
pub(crate) fn new_password_for(what: &str) -> Result<String, NoPassword> {
    if let Ok(password) = std::env::var(VARIABLE) {
        return not_empty(password);
    }
    let password = not_empty(ask(&format!("New password for {what}: "))?)?;
    match ask("The same again: ")? == password {
        true => Ok(password),
        false => Err(NoPassword::Different),
    }
}

fn not_empty(password: String) -> Result<String, NoPassword> {
    if password.is_empty() { Err(NoPassword::Empty) } else { Ok(password) }
}

fn ask(prompt: &str) -> Result<String, NoPassword> {
    if !io::stdin().is_terminal() {
        return Err(NoPassword::Nobody);
    }
    let line = ask_on_terminal(prompt).map_err(NoPassword::Terminal)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn ask_on_terminal(prompt: &str) -> io::Result<String> {
    let mut stderr = io::stderr();
    write!(stderr, "{prompt}")?;
    stderr.flush()?;
    let mut line = String::new();
    let read = without_echo(|| io::stdin().read_line(&mut line));
    // Enter was not shown either.
    writeln!(stderr)?;
    read.map(|_| line)
}

/// Does something while the terminal does not show what is typed.
#[cfg(unix)]
fn without_echo<T>(what: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let stdin = io::stdin();
    let before = tcgetattr(&stdin)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Flush, &silent)?;
    let result = what();
    tcsetattr(&stdin, OptionalActions::Flush, &before)?;
    result
}

/// Where the terminal cannot be told, nobody is asked to show a password to the room.
#[cfg(not(unix))]
fn without_echo<T>(_: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, format!("set {VARIABLE} instead")))
}
