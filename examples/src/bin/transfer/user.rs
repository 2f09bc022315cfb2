//! `transfer user`: who may log in to the FTP server.

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use examples::output;
use protocols::password::PasswordHash;
use protocols::transfer::ftp::users::{Permissions, User, Users};
use protocols::transfer::store::VirtualPath;

use crate::password::new_password_for;

/// Say who may log in to the FTP server, in a file for `serve --users`
#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,

    /// Where users are kept
    #[arg(long, value_name = "FILE", default_value = "users.txt", global = true)]
    users: PathBuf,

    /// The control socket of a server that runs, which is to read the users anew
    #[cfg(unix)]
    #[arg(long, value_name = "PATH", global = true)]
    control: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Add a user, or change one; the password is asked for
    ///
    /// It is kept as an argon2 hash. Without a terminal it comes from the variable TRANSFER_PASSWORD.
    Add(Add),
    /// Remove a user
    Remove {
        /// The user
        name: String,
    },
    /// Print who there is, and what they may do
    List,
}

#[derive(Args)]
struct Add {
    /// The user
    name: String,

    /// The directory that is / to them, below the root of the server
    #[arg(long, value_name = "DIR", default_value = "/")]
    home: String,

    /// What they may do: r to read, c to create, m to modify, d to delete
    #[arg(long, value_name = "LETTERS", default_value = "rcmd")]
    permissions: Permissions,

    /// Bytes that may be in their home
    #[arg(long, value_name = "BYTES")]
    quota: Option<u64>,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let users = &options.users;
    match &options.command {
        Command::Add(add) => add.run(users),
        Command::Remove { name } => remove(users, name),
        Command::List => return list(users),
    }?;
    #[cfg(unix)]
    if let Some(path) = &options.control {
        return crate::control::reload(path);
    }
    Ok(())
}

impl Add {
    fn run(&self, users: &Path) -> Result<(), Box<dyn Error>> {
        // What is wrong is said before a password is asked for.
        let text = if users.exists() { read_text(users)? } else { String::new() };
        let home = VirtualPath::root().join(self.home.as_bytes())?;
        let mut alone = Users::none();
        let probe = User::new(PasswordHash::of("")?, home, self.permissions);
        alone.insert(&self.name, probe.clone())?;
        let password = PasswordHash::of(&new_password_for(&self.name)?)?;
        alone.insert(&self.name, User { password, quota: self.quota, ..probe })?;
        write(users, &(without(&text, &self.name) + &alone.to_string()))?;
        Ok(output::say(format_args!("{}: {} may log in", users.display(), self.name))?)
    }
}

fn remove(users: &Path, name: &str) -> Result<(), Box<dyn Error>> {
    let text = read_text(users)?;
    let rest = without(&text, name);
    if rest == text {
        return Err(format!("{}: there is no {name}", users.display()).into());
    }
    write(users, &rest)?;
    Ok(output::say(format_args!("{}: {name} is gone", users.display()))?)
}

fn list(users: &Path) -> Result<(), Box<dyn Error>> {
    for (name, user) in read(users)?.iter() {
        let quota = user.quota.map(|quota| format!(", up to {quota} bytes")).unwrap_or_default();
        output::say(format_args!("{name}: {} in {}{quota}", user.permissions, user.home))?;
    }
    Ok(())
}

/// The users in a file.
pub(crate) fn read(path: &Path) -> Result<Users, Box<dyn Error>> {
    Ok(read_text(path)?.parse()?)
}

/// What a file with users says, comments and all, if it makes sense.
fn read_text(path: &Path) -> Result<String, Box<dyn Error>> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = fs::read_to_string(path).map_err(|error| named(&error))?;
    text.parse::<Users>().map_err(|error| named(&error))?;
    Ok(text)
}

/// The lines of a file but for a user's.
fn without(text: &str, name: &str) -> String {
    let is_of = |line: &str| line.split(':').next().is_some_and(|first| first.trim() == name);
    text.lines().filter(|line| !is_of(line)).map(|line| format!("{line}\n")).collect()
}

/// Replaces a file with users, at once, by one that nobody else may read.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_stay_where_a_user_goes() {
        let text = "# people\n ann : x\n\nanna:x\n# ann: not her\n";
        assert_eq!(without(text, "ann"), "# people\n\nanna:x\n# ann: not her\n");
    }
}
