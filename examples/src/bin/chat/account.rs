//! `chat account`: the accounts of a server, from the command line.
//!
//! They are in a file that is the server's alone while it runs; then the server is asked to change them, over
//! its control socket.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Args, Subcommand};
use examples::output;
use protocols::chat::accounts::{AccountLimits, Accounts, NotOpened};
use protocols::chat::config::Config;
use protocols::chat::{Limits, Nick};
use protocols::password::PasswordHash;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::copy::{self, Page};
use crate::secret;

/// Add, change, list, remove and copy accounts
///
/// They are in a file in the server's data directory, which is the server's alone while it runs: then say
/// --control PATH, as `chat serve` was told, or have people register in-band. Those of a network of servers are changed
/// on any of them. A password is the first line of standard input; on a
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

    /// The control socket of a server that runs
    #[cfg(unix)]
    #[arg(long, value_name = "PATH", global = true, conflicts_with_all = ["data", "config"])]
    control: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(crate) enum Action {
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
    /// Print everything, with nicks, channels, bans and hashes of passwords, as `import` reads it
    Export,
    /// Add what `export` has printed, from standard input; what is there already stays as it is
    Import,
    /// Print a password's hash, for the configuration
    Hash,
}

/// An account, as it is listed.
#[derive(Deserialize, Serialize, JsonSchema)]
pub(crate) struct Listed {
    name: String,
    /// Its nicks and channels.
    also: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    if let Action::Hash = options.action {
        return Ok(output::say(hash("Password: ")?)?);
    }
    #[cfg(unix)]
    if let Some(path) = &options.control {
        return crate::control::run_account(path, &options.action);
    }
    let directory = directory(options)?;
    // Only the first account makes one: any other command has mistaken its name.
    let makes = matches!(options.action, Action::Add { .. } | Action::Import);
    if !makes && !directory.is_dir() {
        return Err(format!("there is no data directory {}", directory.display()).into());
    }
    let mut accounts = open(&directory)?;
    match &options.action {
        Action::Add { name } => {
            can_be_added(&accounts, name, &Limits::default())?;
            add(&mut accounts, name, hash(&format!("Password for {name}: "))?, SystemTime::now())?;
            accounts.save()?;
        }
        Action::Password { name } => {
            known(&accounts, name)?;
            accounts.set_password(name, hash(&format!("Password for {name}: "))?)?;
            accounts.save()?;
        }
        Action::List => return list(&listed(&accounts)),
        Action::Export => return copy::export(|place| Ok(Page::of(&accounts, &place))),
        Action::Import => {
            let said = copy::import(|text| Ok(accounts.import(&text.entries)?.into()));
            accounts.save()?;
            return Ok(output::say(said?)?);
        }
        Action::Remove { name } => {
            let with = accounts.drop_account(name).map_err(|_| missing(name))?;
            accounts.save()?;
            return report_removed(name, &with);
        }
        Action::Hash => {}
    }
    report(&options.action)
}

/// Says what was done, once it is kept.
pub(crate) fn report(action: &Action) -> Result<(), Box<dyn Error>> {
    match action {
        Action::Add { name } => output::say(format_args!("added {name}"))?,
        Action::Password { name } => output::say(format_args!("changed the password of {name}"))?,
        Action::List | Action::Remove { .. } | Action::Export | Action::Import | Action::Hash => {}
    }
    Ok(())
}

pub(crate) fn report_removed(name: &str, also: &[String]) -> Result<(), Box<dyn Error>> {
    Ok(output::say(format_args!("removed {name}{}", with(also)))?)
}

/// A new password's hash.
pub(crate) fn hash(prompt: &str) -> Result<PasswordHash, Box<dyn Error>> {
    Ok(PasswordHash::of(&secret::new(prompt)?)?)
}

/// Whether a name can be an account's. What the server would not let anybody be called would be an account for
/// nobody.
pub(crate) fn can_be_added(
    accounts: &Accounts,
    name: &str,
    limits: &Limits,
) -> Result<(), Box<dyn Error>> {
    Nick::new(name, limits.nick_length)?;
    refuse_taken(accounts, name)
}

/// Makes an account; to be saved.
pub(crate) fn add(
    accounts: &mut Accounts,
    name: &str,
    password: PasswordHash,
    now: SystemTime,
) -> Result<(), Box<dyn Error>> {
    Ok(accounts.create(name, password, now)?)
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
                output::complain(format_args!(
                    "chat: {path}: cut off {bytes} bytes of a change that a crash left half done"
                ));
            }
            Ok(accounts)
        }
        Err(error @ NotOpened::InUse(_)) => {
            Err(format!("{error}; is the server running? Then say --control PATH").into())
        }
        Err(error) => Err(error.into()),
    }
}

/// All accounts, with their nicks and channels.
pub(crate) fn listed(accounts: &Accounts) -> Vec<Listed> {
    let listed = accounts.accounts().map(|account| {
        let channels = accounts.founded_by(account.name()).map(|it| it.name().to_owned());
        let also = account.nicks().to_vec().into_iter().chain(channels).collect();
        Listed { name: account.name().to_owned(), also }
    });
    listed.collect()
}

pub(crate) fn list(accounts: &[Listed]) -> Result<(), Box<dyn Error>> {
    for Listed { name, also } in accounts {
        output::say(format_args!("{name}{}", with(also)))?;
    }
    Ok(())
}

pub(crate) fn known(accounts: &Accounts, name: &str) -> Result<(), Box<dyn Error>> {
    accounts.account(name).map(drop).ok_or_else(|| missing(name).into())
}

fn refuse_taken(accounts: &Accounts, name: &str) -> Result<(), Box<dyn Error>> {
    match accounts.owner_of(name) {
        Some(owner) => Err(format!("the name belongs to {}", owner.name()).into()),
        None => Ok(()),
    }
}

pub(crate) fn missing(name: &str) -> String {
    format!("there is no account {name}")
}

/// ", with a, b"
fn with(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(", with {}", names.join(", ")) }
}
