//! `chat account`: the accounts of a server, from the command line.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Args, Subcommand};
use examples::output;
use protocols::chat::accounts::{AccountLimits, Accounts, NotOpened};
use protocols::chat::config::Config;
use protocols::chat::{Limits, Nick};
use protocols::password::PasswordHash;

use crate::secret;

/// Add, change, list and remove accounts
///
/// They are in a file in the server's data directory, which is the server's alone while it runs: stop
/// it, or have people register in-band instead. A password is the first line of standard input; on a
/// terminal it is asked for, twice and unseen.
#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    action: Action,

    /// The server's data directory
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,

    /// The server's configuration, to take the data directory from
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Action {
    /// Make an account, which owns the nick of its name
    Add {
        /// The account's name
        name: String,
    },
    /// Give an account another password
    Password {
        /// The account's name
        name: String,
    },
    /// Print all accounts with their nicks and channels
    List,
    /// Forget an account, its nicks and its channels
    Remove {
        /// The account's name
        name: String,
    },
    /// Print a password's hash, for the configuration
    Hash,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    if let Action::Hash = options.action {
        let password = secret::new("Password: ")?;
        return Ok(output::say(PasswordHash::of(&password)?)?);
    }
    let directory = directory(options)?;
    let mut accounts = open(&directory)?;
    match &options.action {
        Action::Add { name } => {
            // What the server would not let anybody be called would be an account for nobody.
            Nick::new(name, Limits::default().nick_length)?;
            refuse_taken(&accounts, name)?;
            let password = PasswordHash::of(&secret::new(&format!("Password for {name}: "))?)?;
            accounts.create(name, password, SystemTime::now())?;
            accounts.save()?;
            output::say(format_args!("added {name}"))?;
        }
        Action::Password { name } => {
            known(&accounts, name)?;
            let password = PasswordHash::of(&secret::new(&format!("Password for {name}: "))?)?;
            accounts.set_password(name, password)?;
            accounts.save()?;
            output::say(format_args!("changed the password of {name}"))?;
        }
        Action::List => list(&accounts)?,
        Action::Remove { name } => {
            let channels = accounts.drop_account(name).map_err(|_| missing(name))?;
            accounts.save()?;
            output::say(format_args!("removed {name}{}", with(&channels)))?;
        }
        Action::Hash => {}
    }
    Ok(())
}

/// The data directory, as it was said or as the configuration says.
fn directory(options: &Options) -> Result<PathBuf, Box<dyn Error>> {
    if let Some(directory) = &options.data {
        return Ok(directory.clone());
    }
    let Some(config) = &options.config else {
        return Err("where? Say --data DIR, or --config FILE that has a data directory".into());
    };
    let data = Config::read(config)?.settings.data;
    data.ok_or_else(|| format!("{} has no data directory", config.display()).into())
}

/// Opens the accounts of a directory, and tells of what a crash had left.
pub(crate) fn open(directory: &Path) -> Result<Accounts, Box<dyn Error>> {
    match Accounts::open_in(directory, AccountLimits::default()) {
        Ok((accounts, repaired)) => {
            if let Some(repaired) = repaired {
                let (bytes, path) = (repaired.dropped, repaired.path.display());
                eprintln!(
                    "chat: {path}: cut off {bytes} bytes of a change that a crash left half done"
                );
            }
            Ok(accounts)
        }
        Err(error @ NotOpened::InUse(_)) => Err(format!("{error}; is the server running?").into()),
        Err(error) => Err(error.into()),
    }
}

fn list(accounts: &Accounts) -> Result<(), Box<dyn Error>> {
    for account in accounts.accounts() {
        let nicks = account.nicks().to_vec();
        let channels = accounts.founded_by(account.name()).map(|it| it.name().to_owned());
        let also: Vec<_> = nicks.into_iter().chain(channels).collect();
        output::say(format_args!("{}{}", account.name(), with(&also)))?;
    }
    Ok(())
}

fn known(accounts: &Accounts, name: &str) -> Result<(), Box<dyn Error>> {
    accounts.account(name).map(drop).ok_or_else(|| missing(name).into())
}

fn refuse_taken(accounts: &Accounts, name: &str) -> Result<(), Box<dyn Error>> {
    match accounts.owner_of(name) {
        Some(owner) => Err(format!("the name belongs to {}", owner.name()).into()),
        None => Ok(()),
    }
}

fn missing(name: &str) -> String {
    format!("there is no account {name}")
}

/// ", with a, b"
fn with(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(", with {}", names.join(", ")) }
}
