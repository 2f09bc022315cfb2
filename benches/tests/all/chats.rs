//! Every chat server is one, as far as it is measured; ngircd only where it is installed.

use std::net::SocketAddr;
use std::time::Duration;

use benches::Result;
use benches::chats::Chat;
use benches::clients::channel::Channel;
use benches::clients::town::{Plan, Town};
use benches::clients::user::User;
use benches::loaded::Start;

/// Has every server that is installed do something.
fn each(work: impl Fn(SocketAddr) -> Result) -> Result {
    for chat in Chat::all() {
        let Some(running) = crate::started(chat, chat.start(Start::Here))? else { continue };
        work(running.address()).map_err(|error| format!("{chat}: {error}"))?;
        running.stop()?;
    }
    Ok(())
}

#[test]
fn every_user_on_a_channel_hears_every_line() -> Result {
    each(|address| Channel::gather(|_| address, 20)?.publish(100))
}

#[test]
fn every_user_of_a_town_hears_what_is_said_where_it_is() -> Result {
    let plan = Plan { users: 40, channels: 4, on_square: 10 };
    each(|address| {
        let mut town = Town::settle(User::register_all(address, plan.users)?, plan)?;
        let lasting = Duration::from_millis(200);
        let heard = town.chatter(3, lasting)?;
        let latencies = town.talk(500, lasting)?;
        // There are nine others wherever somebody speaks.
        assert!(heard > 0 && heard.is_multiple_of(9), "{heard}");
        assert_eq!(latencies.len(), 100 * 9);
        Ok(())
    })
}
