//! `transfer serve --control PATH`, and the subcommands that use it: what whoever runs the machine can do while the
//! servers run.

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use examples::calls::add_statistics;
use examples::control::{Name, ask, refused};
use examples::output;
use protocols::rpc::{NoParams, Service};

use crate::serve::{Everybody, Servers};

/// Steer servers that run, over their control socket
///
/// They have to be started with `serve --control PATH`. With `user add` and `user remove`, --control PATH has
/// them read the users anew.
#[derive(Args)]
pub(crate) struct Options {
    /// The servers' control socket
    #[arg(value_name = "PATH")]
    path: PathBuf,

    #[command(subcommand)]
    order: Order,
}

#[derive(Subcommand)]
enum Order {
    /// Read the file of --users anew, as SIGHUP does
    Reload,
    /// Print who may log in to FTP now
    Users,
    /// Print who is logged in to FTP, once for each session
    Sessions,
    /// End all FTP sessions of a user, who may log in again unless `user remove` came first
    Kick {
        /// Whose
        name: String,
    },
    /// Print what the servers and their loop have done
    Statistics,
    /// Print what the loop has to do now
    Snapshot,
}

pub(crate) fn run(Options { path, order }: &Options) -> Result<(), Box<dyn Error>> {
    let text: String = match order {
        Order::Reload => return reload(path),
        Order::Users => ask::<Vec<String>>(path, "users", &NoParams {})?.join("\n"),
        Order::Sessions => ask::<Vec<String>>(path, "sessions", &NoParams {})?.join("\n"),
        Order::Kick { name } => {
            let count: usize = ask(path, "kick", &Name::of(name))?;
            format!("ended sessions of {name}: {count}")
        }
        Order::Statistics => ask(path, "statistics", &NoParams {})?,
        Order::Snapshot => ask(path, "snapshot", &NoParams {})?,
    };
    Ok(output::say(text)?)
}

/// Has the users read anew.
pub(crate) fn reload(path: &Path) -> Result<(), Box<dyn Error>> {
    let count: usize = ask(path, "reload", &NoParams {})?;
    Ok(output::say(format_args!("read the users anew: {count} with a name"))?)
}

/// What the control socket offers.
pub(crate) fn service(everybody: Everybody) -> Service<Servers> {
    let mut service = Service::new("transfer serve", env!("CARGO_PKG_VERSION"));
    let about = "Reads the file of users anew; how many have a name then";
    service.later::<NoParams, usize>("reload", about, move |call, NoParams {}, ticket| {
        let everybody = everybody.clone();
        let posted = call.registry.offload(
            move || everybody.read().map_err(|error| error.to_string()),
            move |registry, servers: &mut Servers, result| {
                let result = result.map_err(refused).and_then(|read| read.map_err(refused));
                let result = result.map(|users| servers.set_users(users));
                // Whoever asked may have gone.
                let _ = ticket.answer(registry, result);
            },
        );
        posted.map_err(|_| refused("there is too much other work"))
    });
    service.method("users", "Who may log in to FTP, by name", |call, NoParams {}| {
        Ok(call.app.user_names())
    });
    service.method("sessions", "Who is logged in to FTP", |call, NoParams {}| {
        Ok(call.app.logged_in())
    });
    let about = "Ends all FTP sessions of a user; how many there were";
    service.method("kick", about, |call, Name { name }: Name| {
        match call.app.kick(call.registry, &name) {
            0 => Err(refused(format_args!("{name} is not logged in"))),
            count => Ok(count),
        }
    });
    add_statistics(&mut service, |registry, servers| {
        format!("{}\n{}", servers.statistics(), registry.stats())
    });
    service
}
