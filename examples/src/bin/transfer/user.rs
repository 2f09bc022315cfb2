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
}

#[derive(Subcommand)]
enum Command {
    /// Add a user, or change one; the password is asked for
    ///
    /// It is kept as an argon2 hash. Without a terminal it comes from the variable TRANSFER_PASSWORD.
    Add(Add),
    /// Remove a user
    Remove(Remove),
    /// Print who there is, and what they may do
    List(List),
}

#[derive(Args)]
struct Add {
    /// The user
    name: String,

    /// Where users are kept
    #[arg(long, value_name = "FILE", default_value = "users.txt")]
    users: PathBuf,

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

#[derive(Args)]
struct Remove {
    /// The user
    name: String,

    /// Where users are kept
    #[arg(long, value_name = "FILE", default_value = "users.txt")]
    users: PathBuf,
}

#[derive(Args)]
struct List {
    /// Where users are kept
    #[arg(long, value_name = "FILE", default_value = "users.txt")]
    users: PathBuf,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    match &options.command {
        Command::Add(add) => add.run(),
        Command::Remove(remove) => remove.run(),
        Command::List(list) => list.run(),
    }
}

impl Add {
    fn run(&self) -> Result<(), Box<dyn Error>> {
        let mut users = match self.users.exists() {
            true => read(&self.users)?,
            false => Users::anonymous_only(),
        };
        let home = VirtualPath::root().join(self.home.as_bytes())?;
        // The name is looked at before a password is asked for.
        let probe = User::new(PasswordHash::of("")?, home, self.permissions);
        users.insert(&self.name, probe.clone())?;
        let password = PasswordHash::of(&new_password_for(&self.name)?)?;
        users.insert(&self.name, User { password, quota: self.quota, ..probe })?;
        write(&self.users, &users)?;
        output::say(format_args!("{}: {} may log in", self.users.display(), self.name))?;
        Ok(())
    }
}

impl Remove {
    fn run(&self) -> Result<(), Box<dyn Error>> {
        let mut users = read(&self.users)?;
        if users.remove(&self.name).is_none() {
            return Err(format!("{}: there is no {}", self.users.display(), self.name).into());
        }
        write(&self.users, &users)?;
        output::say(format_args!("{}: {} is gone", self.users.display(), self.name))?;
        Ok(())
    }
}

impl List {
    fn run(&self) -> Result<(), Box<dyn Error>> {
        for (name, user) in read(&self.users)?.iter() {
            let quota =
                user.quota.map(|quota| format!(", up to {quota} bytes")).unwrap_or_default();
            output::say(format_args!("{name}: {} in {}{quota}", user.permissions, user.home))?;
        }
        Ok(())
    }
}

/// The users in a file.
pub(crate) fn read(path: &Path) -> Result<Users, Box<dyn Error>> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = fs::read_to_string(path).map_err(|error| named(&error))?;
    Ok(text.parse().map_err(|error| named(&error))?)
}

/// Replaces a file with users, at once, by one that nobody else may read.
fn write(path: &Path, users: &Users) -> io::Result<()> {
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))?;
    file.write_all(users.to_string().as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
