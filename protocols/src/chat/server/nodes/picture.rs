//! What has to look the same on all nodes, once all have heard of everything.

use std::collections::BTreeSet;

use crate::chat::server::Server;
use crate::chat::server::channels::{Channel, List};
use crate::chat::server::modes::Flags;

impl Server {
    /// The users, the channels that somebody is on, and the members of each, in words: for a test or a simulation,
    /// which holds that of one node against that of another when nothing is under way between them.
    #[must_use]
    pub fn picture(&self) -> BTreeSet<String> {
        let users = self.users.registered().map(|(key, user)| {
            let (id, modes) = (self.user_id(key), user.modes.text());
            let (source, name, account) = (&user.source, &user.real_name, &user.account);
            let (away, metadata) = (&user.away, &user.metadata);
            format!("user {id} {source} {name} {modes} {account:?} {away:?} {metadata:?}")
        });
        let channels = self.channels.iter().filter(|(_, channel)| channel.len() > 0);
        let channels = channels.flat_map(|(_, channel)| {
            let name = channel.name.folded();
            let members = channel.members().map(|(member, status)| {
                format!("member {name} {} {}", self.user_id(member), status.letters())
            });
            std::iter::once(settings(channel)).chain(members).collect::<Vec<_>>()
        });
        users.chain(channels).collect()
    }

    /// As [`check`](Self::check), what has to hold as well while nothing is under way between the nodes and the store of
    /// their accounts: nobody is logged in to an account that is gone, or here under a ban, and those channels are shown
    /// as registered that are.
    ///
    /// # Errors
    ///
    /// What is wrong, in words.
    pub fn check_quiet(&self) -> Result<(), String> {
        for (key, user) in self.users.registered() {
            let (source, account) = (&user.source, user.account.as_deref());
            if account.is_some_and(|account| self.accounts.account(account).is_none()) {
                return Err(format!("{source} is logged in to {account:?}, which is gone"));
            }
            if user.is_local() && self.why_banned(key).is_some() {
                return Err(format!("{source} is banned, and here"));
            }
        }
        for (_, channel) in self.channels.iter() {
            let is_registered = self.accounts.channel(channel.name.as_str()).is_some();
            if channel.flags.has(Flags::REGISTERED) != is_registered {
                return Err(format!("{} is registered: {is_registered}", channel.name));
            }
        }
        Ok(())
    }
}

fn settings(channel: &Channel) -> String {
    let (letters, params) = channel.modes(true);
    let topic = channel.topic.as_ref().map(|topic| (&topic.text, &topic.set_by));
    let lists = List::ALL.map(|(_, list)| {
        channel
            .list(list)
            .iter()
            .map(|entry| entry.mask.to_ascii_lowercase())
            .collect::<BTreeSet<_>>()
    });
    let (name, created, metadata) = (channel.name.folded(), channel.created, &channel.metadata);
    format!("channel {name} {created} {letters} {params:?} {topic:?} {lists:?} {metadata:?}")
}
