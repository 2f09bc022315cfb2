//! Every client of NATS does what it is asked, and our chat servers are one network, where there is a `nats-server`.

use benches::Result;
use benches::chats::network::Network;
use benches::clients::channel::Channel;
use benches::loaded::Start;
use benches::nats::{Nats, NatsWork, Way};
use benches::work::Work;

#[test]
fn every_client_publishes_and_hears_as_many_messages_as_it_is_asked_to() -> Result {
    for way in [Way::Published, Way::Heard] {
        for nats in Nats::all() {
            let Some(mut work) = crate::started(nats, NatsWork::start(*nats, way))? else {
                continue;
            };
            for messages in [1, 2_500] {
                let spent = work.run(messages).map_err(|error| format!("{nats}: {error}"))?;
                assert_eq!(spent.units, messages, "{nats}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_line_to_three_chat_servers_is_one_message_to_each() -> Result {
    let Some(network) =
        crate::started(&"a network", Network::start(3, |node| Start::Here.program(node)))?
    else {
        return Ok(());
    };
    let mut channel = Channel::gather(|number| network.address(number % 3), 10)?;
    let before = network.messages()?;
    channel.publish(20)?;
    let messages = network.messages()?;
    let each =
        messages.iter().zip(before).map(|(now, before)| [now[0] - before[0], now[1] - before[1]]);
    // The speaker is on the second one.
    assert_eq!(each.collect::<Vec<_>>(), [[20, 0], [0, 20], [20, 0]]);
    network.stop()
}
