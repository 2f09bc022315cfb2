//! Accounts that the servers of a network share: what follows here of what was changed elsewhere.

use reactor::Registry;

use super::accounts::shared::{Book, Hooks, Keeper, Key, Kind, Touched};
use super::network::Network;
use super::{Event, Server, commands};
use crate::nats::Client;
use crate::nats::kv::KvError;

/// Has a server share its accounts, registered channels and bans with others, in this bucket of JetStream: they are one
/// truth, which each of them reads from memory and any of them may change. Those that are not
/// [of a network](super::accounts::Accounts::of_network) stay its own. [`cluster::join`](crate::chat::cluster::join) does
/// it too.
///
/// The bucket is made if it is not there, in files and on one server of NATS; one that was made by hand will do, on three
/// of them for instance (`nats kv add BUCKET --replicas 3`).
///
/// | the store | what a server does |
/// |---|---|
/// | was never heard of | lets nobody in: it cannot know whose a nick is, nor who is banned |
/// | is there | reads from memory, and is told of each change; writes at the revision that it knows |
/// | is out of reach | reads what it knows; refuses changes, and says so |
/// | has lost the bucket | the same, and never makes it anew |
/// | is back | is told what it has missed: whose account is gone is logged out, who is banned has to go |
///
/// # Errors
///
/// If no bucket can have this name. That the store is not there is told to the [log](Server::on_event), and it is asked
/// again.
pub fn share_accounts<App: AsMut<Server> + 'static>(
    registry: &mut Registry<App>,
    app: &mut App,
    client: &Client<App>,
    bucket: &str,
) -> Result<(), KvError> {
    let hooks = Hooks { book, on_touched, on_known, on_lost };
    let keeper = Keeper::new(client, bucket, hooks)?;
    if app.as_mut().accounts.keep_with(&keeper) {
        keeper.open(registry);
    }
    Ok(())
}

fn book<App: AsMut<Server>>(app: &mut App) -> Option<Book<'_>> {
    app.as_mut().accounts.book()
}

fn on_touched<App: AsMut<Server> + 'static>(
    registry: &mut Registry<App>,
    app: &mut App,
    touched: Touched,
) {
    app.as_mut().follow(registry, touched);
}

fn on_known<App: AsMut<Server>>(_: &mut Registry<App>, app: &mut App) {
    let server = app.as_mut();
    // A channel that is told before the account that has founded it is nobody's yet.
    server.note_registered();
    let (accounts, bans) = (server.accounts.accounts().len(), server.accounts.bans().len());
    server.log(&Event::AccountsKnown { accounts, bans });
}

fn on_lost<App: AsMut<Server>>(_: &mut Registry<App>, app: &mut App, error: &KvError) {
    app.as_mut().log(&Event::AccountsOutOfReach { error: &error.to_string() });
}

impl Server {
    /// Something of the accounts is other than it was: those who are here follow.
    pub(super) fn follow(&mut self, network: &mut dyn Network, touched: Touched) {
        let Touched { key, gone, with, is_taken_back } = touched;
        if let Some(account) = gone {
            self.log_out_all(network, &account);
            self.note_registered();
        }
        with.iter().for_each(|key| self.follow_key(network, key, false));
        self.follow_key(network, &key, is_taken_back);
    }

    fn follow_key(&mut self, network: &mut dyn Network, key: &Key, is_taken_back: bool) {
        match key.kind {
            Kind::Name => {
                let owner = self.accounts.owner_of(key.name.as_str());
                if let Some(owner) = owner.map(|owner| owner.name().to_owned()) {
                    self.note_nicks_of(&owner);
                    self.tell_news(network);
                }
            }
            Kind::Channel => {
                let Some(channel) = self.channels.named(key.name.as_str()) else {
                    return self.note_kept(&key.name);
                };
                let is_registered = self.accounts.channel(key.name.as_str()).is_some();
                self.set_registered(channel, is_registered);
                // Modes were changed on two servers at one time, and are the same on both by now.
                if is_taken_back && is_registered && self.accounts.can_change().is_ok() {
                    commands::keep_channel(self, network, channel);
                }
            }
            Kind::Ban => drop(self.remove_banned(network, key.name.as_str())),
        }
    }
}
