//! `chat serve --control PATH`, and the subcommands that use it: what whoever runs the machine can do while the
//! server runs.

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use examples::calls::add_statistics;
use examples::control::{Name, ask, refused};
use examples::output;
use protocols::chat::Server;
use protocols::chat::accounts::{Accounts, Ban};
use protocols::password::PasswordHash;
use protocols::rpc::{Call, Error as RpcError, NoParams, Service, Ticket};
use reactor::Registry;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::account::{self, Action, Listed};
use crate::copy::{self, Added, Entries, Page};
use crate::serve::Again;

/// Steer a server that runs, over its control socket
///
/// The server has to be started with `--control PATH`. Accounts are changed with `chat account --control PATH`.
#[derive(Args)]
pub(crate) struct Options {
    /// The server's control socket
    #[arg(value_name = "PATH")]
    path: PathBuf,

    #[command(subcommand)]
    order: Order,
}

#[derive(Subcommand)]
enum Order {
    /// Disconnect a user
    Kick(Kick),
    /// Keep everybody that a mask fits from the server, and disconnect those who are on it
    Ban(Banned),
    /// Lift a ban
    Unban(Mask),
    /// Print who is banned, and why
    Bans,
    /// Read the configuration anew, as SIGHUP does
    Reload,
    /// Print what the server and its loop have done
    Statistics,
    /// Print what the loop has to do now
    Snapshot,
}

/// Somebody, and the hash of a password: the password itself never leaves the program that was told it.
#[derive(Deserialize, Serialize, JsonSchema)]
struct NameAndHash {
    name: String,
    hash: String,
}

#[derive(Args, Deserialize, Serialize, JsonSchema)]
struct Kick {
    /// Whom
    nick: String,
    /// Why; the user is told
    #[arg(default_value = "No reason given")]
    reason: String,
}

#[derive(Args, Deserialize, Serialize, JsonSchema)]
struct Mask {
    /// Its mask, as it was given
    mask: String,
}

#[derive(Args, Deserialize, Serialize, JsonSchema)]
struct Banned {
    /// Whom: nick!user@host, or a part of it, with * for anything: *!*@192.0.2.7
    mask: String,
    /// Why; they are told
    #[arg(default_value = "No reason given")]
    reason: String,
}

// ── asking ──────────────────────────────────────────────────────────────────────────────────

pub(crate) fn run(Options { path, order }: &Options) -> Result<(), Box<dyn Error>> {
    let text: String = match order {
        Order::Kick(kick) => {
            ask::<()>(path, "kick", kick)?;
            format!("disconnected {}", kick.nick)
        }
        Order::Ban(ban) => {
            let count: usize = ask(path, "ban", ban)?;
            format!("banned {}; disconnected {count}", ban.mask)
        }
        Order::Unban(ban) => {
            ask::<()>(path, "unban", ban)?;
            format!("lifted the ban of {}", ban.mask)
        }
        Order::Bans => {
            let bans: Vec<Banned> = ask(path, "ban.list", &NoParams {})?;
            let line = |Banned { mask, reason }| format!("{mask} {reason}");
            bans.into_iter().map(line).collect::<Vec<_>>().join("\n")
        }
        Order::Reload => {
            let later: Vec<String> = ask(path, "reload", &NoParams {})?;
            let later = later.iter().map(|it| format!("\n{it} counts from the next start on"));
            format!("read the configuration anew{}", later.collect::<String>())
        }
        Order::Statistics => ask(path, "statistics", &NoParams {})?,
        Order::Snapshot => ask(path, "snapshot", &NoParams {})?,
    };
    Ok(output::say(text)?)
}

/// `chat account --control PATH`.
pub(crate) fn run_account(path: &Path, action: &Action) -> Result<(), Box<dyn Error>> {
    let with_hash = |name: &str| -> Result<NameAndHash, Box<dyn Error>> {
        let hash = account::hash(&format!("Password for {name}: "))?.to_string();
        Ok(NameAndHash { name: name.to_owned(), hash })
    };
    match action {
        Action::Add { name } => {
            // Before a password is asked for, which would have been in vain.
            ask::<()>(path, "account.can_be_added", &Name::of(name))?;
            ask::<()>(path, "account.add", &with_hash(name)?)?;
        }
        Action::Password { name } => ask::<()>(path, "account.password", &with_hash(name)?)?,
        Action::List => {
            let listed: Vec<Listed> = ask(path, "account.list", &NoParams {})?;
            return account::list(&listed);
        }
        Action::Remove { name } => {
            let also: Vec<String> = ask(path, "account.remove", &Name::of(name))?;
            return account::report_removed(name, &also);
        }
        Action::Export => {
            return copy::export(|place| ask(path, "account.export", &copy::After { place }));
        }
        Action::Import => {
            let said = copy::import(|entries| ask(path, "account.import", &entries))?;
            return Ok(output::say(said)?);
        }
        Action::Hash => {}
    }
    account::report(action)
}

// ── answering ───────────────────────────────────────────────────────────────────────────────

/// What the control socket offers.
pub(crate) fn service(again: Again) -> Service<Server> {
    let mut service = Service::new("chat serve", env!("CARGO_PKG_VERSION"));
    accounts(&mut service);
    service.method("kick", "Disconnects a user", |call, Kick { nick, reason }: Kick| {
        if call.app.kill(call.registry, &nick, &reason) {
            Ok(())
        } else {
            Err(refused(format_args!("there is nobody called {nick}")))
        }
    });
    bans(&mut service);
    reload(&mut service, again);
    add_statistics(&mut service, statistics);
    service
}

/// What the server and its loop have done, and how it stands with its network.
pub(crate) fn statistics(registry: &Registry<Server>, server: &Server) -> String {
    let report = server.network_report(registry.now()).map(|report| format!("\n{report}"));
    format!("{}\n{}{}", server.counters(), registry.stats(), report.unwrap_or_default())
}

fn accounts(service: &mut Service<Server>) {
    service.method("account.list", "All accounts", |call, NoParams {}| {
        Ok(account::listed(call.app.accounts()))
    });
    let about = "Whether an account of that name could be made";
    service.method("account.can_be_added", about, |call, Name { name }: Name| {
        can_be_added(call.app, &name)
    });
    let about = "Makes an account";
    service.later::<NameAndHash, ()>("account.add", about, |call, it, ticket| {
        can_be_added(call.app, &it.name)?;
        let (hash, now) = (hash(&it.hash)?, call.registry.wall_clock());
        account::add(call.app.accounts(), &it.name, hash, now).map_err(refused)?;
        keep(call, ticket, ())
    });
    let about = "Gives an account another password";
    service.later::<NameAndHash, ()>("account.password", about, |call, it, ticket| {
        account::known(call.app.accounts(), &it.name).map_err(refused)?;
        let hash = hash(&it.hash)?;
        can_change(call.app)?;
        call.app.accounts().set_password(&it.name, hash).map_err(refused)?;
        keep(call, ticket, ())
    });
    let about = "Forgets an account; its nicks and channels";
    service.later::<Name, Vec<String>>("account.remove", about, |call, Name { name }, ticket| {
        can_change(call.app)?;
        let removed = call.app.remove_account(call.registry, &name);
        let also = removed.map_err(|_| refused(account::missing(&name)))?;
        keep(call, ticket, also)
    });
    copies(service);
}

fn copies(service: &mut Service<Server>) {
    let about = "Everything there is, some at a time";
    service.method("account.export", about, |call, copy::After { place }| {
        Ok(Page::of(call.app.accounts(), &place))
    });
    let about = "Adds what was exported; what is there already stays as it is";
    service.later::<Entries, Added>("account.import", about, |call, it, ticket| {
        can_change(call.app)?;
        let added: Added = call.app.accounts().import(&it.entries).map_err(refused)?.into();
        keep(call, ticket, added)
    });
}

fn bans(service: &mut Service<Server>) {
    let about = "Keeps everybody that a mask fits from the server; how many were disconnected";
    service.later::<Banned, usize>("ban", about, |call, Banned { mask, reason }, ticket| {
        can_change(call.app)?;
        let count = call.app.ban(call.registry, &mask, &reason).map_err(refused)?;
        keep(call, ticket, count)
    });
    service.later::<Mask, ()>("unban", "Lifts a ban", |call, Mask { mask }, ticket| {
        can_change(call.app)?;
        call.app.unban(&mask).map_err(refused)?;
        keep(call, ticket, ())
    });
    service.method("ban.list", "All bans", |call, NoParams {}| {
        let banned = |ban: &Ban| Banned { mask: ban.mask.clone(), reason: ban.reason.clone() };
        Ok(call.app.accounts().bans().map(banned).collect::<Vec<_>>())
    });
}

/// Those of a network of servers cannot be changed while its store is out of reach.
fn can_change(server: &mut Server) -> Result<(), RpcError> {
    server.accounts().can_change().map_err(refused)
}

fn can_be_added(server: &mut Server, name: &str) -> Result<(), RpcError> {
    can_change(server)?;
    let limits = server.settings().limits.clone();
    let accounts: &Accounts = server.accounts();
    account::can_be_added(accounts, name, &limits).map_err(refused)
}

fn hash(text: &str) -> Result<PasswordHash, RpcError> {
    text.parse().map_err(refused)
}

/// Has the accounts written down, and answers when they are.
fn keep<R: Serialize + 'static>(
    call: &mut Call<'_, Server>,
    ticket: Ticket,
    result: R,
) -> Result<(), RpcError> {
    let done = move |registry: &mut Registry<Server>, _: &mut Server, kept: Result<(), _>| {
        let kept: Result<(), protocols::chat::accounts::NotSaved> = kept;
        // Whoever asked may have gone.
        let _ = ticket.answer(registry, kept.map(|()| result).map_err(refused));
    };
    call.app.accounts().commit(call.registry, done);
    Ok(())
}

/// Reads the configuration on a thread, as SIGHUP does.
fn reload(service: &mut Service<Server>, again: Again) {
    let about = "Reads the configuration anew; what counts from the next start on only";
    service.later::<NoParams, Vec<String>>("reload", about, move |call, NoParams {}, ticket| {
        let again = again.clone();
        let posted = call.registry.offload(
            move || again.read(),
            move |registry, server: &mut Server, result| {
                let result = match result {
                    Ok(Ok((settings, later))) => {
                        let more = server.rehash(settings);
                        Ok(later.into_iter().chain(more).map(str::to_owned).collect::<Vec<_>>())
                    }
                    Ok(Err(why)) => Err(refused(why)),
                    Err(error) => Err(refused(error)),
                };
                // Whoever asked may have gone.
                let _ = ticket.answer(registry, result);
            },
        );
        posted.map_err(|_| refused("there is too much other work"))
    });
}
