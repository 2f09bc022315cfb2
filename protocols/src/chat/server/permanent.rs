//! The channels of the settings, which are there whether or not anybody is on them.

use super::Server;
use super::channels::{Channel, Topic};
use crate::chat::wire::casemap::{ChannelName, same_name};
use crate::chat::wire::timestamp::Timestamp;

impl Server {
    /// The channels of the settings are as old as the server, which learns the time from the loop.
    pub(super) fn date_permanent_channels(&mut self, at: Timestamp) {
        // Of a network, channels of other nodes may be there already.
        let permanent = self.channels.iter().filter(|(_, channel)| channel.is_permanent);
        let permanent: Vec<_> = permanent.map(|(key, _)| key).collect();
        for key in permanent {
            let channel = &mut self.channels[key];
            channel.created = at;
            if let Some(topic) = &mut channel.topic {
                topic.set_at = at.seconds();
            }
        }
    }

    /// A channel that the settings do not have any more is one like any other: gone, when nobody is on it.
    pub(super) fn close_permanent_channels(&mut self) {
        let wanted = &self.settings.channels;
        let is_wanted = |name: &str| wanted.iter().any(|it| same_name(&it.name, name));
        let permanent = self.channels.iter().filter(|(_, channel)| channel.is_permanent);
        let closed = permanent.filter(|(_, channel)| !is_wanted(channel.name.as_str()));
        let closed: Vec<_> = closed.map(|(key, _)| key).collect();
        for key in closed {
            self.channels[key].is_permanent = false;
            self.drop_if_empty(key);
        }
    }

    pub(super) fn open_permanent_channels(&mut self) {
        for permanent in self.settings.channels.clone() {
            let Ok(name) = ChannelName::new(&permanent.name, self.settings.limits.channel_length)
            else {
                continue;
            };
            let at = self.started.map_or_else(Timestamp::default, |started| started.at);
            let key = match self.channels.named(name.as_str()) {
                Some(key) => key,
                None => {
                    let serial = self.next_serial();
                    self.channels.insert(Channel::new(name, at, serial))
                }
            };
            let channel = &mut self.channels[key];
            channel.is_permanent = true;
            if !permanent.topic.is_empty() {
                let (set_by, set_at) = (self.settings.name.clone(), at.seconds());
                channel.topic = Some(Topic { text: permanent.topic, set_by, set_at });
            }
        }
    }
}
