//! The reactor and the chat server of its protocols, every limit on but that on how much a client may say
//! in a second.

use std::time::Duration;

use protocols::chat::accounts::{AccountLimits, Accounts};
use protocols::chat::{self, Limits, Server, Settings};
use reactor::ListenOptions;

use crate::Result;
use crate::servers::Place;
use crate::servers::reactor::run;

/// So long nobody is asked whether it is still there.
const LONG: Duration = Duration::from_secs(3600);

pub(super) fn serve(place: Place) -> Result {
    let limits = Limits { flood_control: false, ping_interval: LONG, ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    let options =
        ListenOptions { limits: settings.limits.stream_limits(), ..ListenOptions::default() };
    let server = Server::new(settings, Accounts::in_memory(AccountLimits::default()));
    run(server, |registry| chat::listen(registry, place.address.into(), &options))
}
