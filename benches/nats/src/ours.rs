//! This project's client.

use std::time::Duration;

use protocols::nats::{Client, ClientOptions, Event, PublishError};
use reactor::{Reactor, Registry};

use super::{PAYLOAD, SUBJECT, processor_time, report};

struct World {
    client: Client<World>,
    count: u64,
    left: u64,
    began: i64,
}

pub(crate) fn publish(count: u64, url: &str) {
    run(
        count,
        url,
        |registry, world, event| match event {
            Event::Connected { .. } => {
                world.began = processor_time();
                go_on(registry, world);
            }
            Event::Drained => go_on(registry, world),
            _ => {}
        },
        |_, _| {},
    );
}

/// A part of them, so that the loop has its turns.
fn go_on(registry: &mut Registry<World>, world: &mut World) {
    for _ in 0..world.left.min(4_096) {
        match world.client.publish(registry, SUBJECT, &PAYLOAD) {
            Ok(()) => world.left -= 1,
            Err(PublishError::Full) => return,
            Err(error) => panic!("{error}"),
        }
    }
    if world.left > 0 {
        return registry.defer(go_on);
    }
    let flushed = world.client.flush(registry, |registry, world: &mut World, _| {
        report("ours pub", world.count, world.began);
        registry.shutdown(Duration::from_secs(1));
    });
    flushed.expect("it can be asked");
}

pub(crate) fn subscribe(count: u64, url: &str) {
    run(
        count,
        url,
        |_, _, _| {},
        |registry, client| {
            let subscribed =
                client.subscribe(registry, SUBJECT, |registry, world: &mut World, message| {
                    if world.left == world.count {
                        world.began = processor_time();
                    }
                    assert_eq!(message.payload.len(), PAYLOAD.len());
                    world.left -= 1;
                    if world.left == 0 {
                        report("ours sub", world.count, world.began);
                        registry.shutdown(Duration::from_secs(1));
                    }
                });
            subscribed.expect("it can be subscribed to");
            client.flush(registry, |_, _, _| eprintln!("ready")).expect("it can be asked");
        },
    );
}

fn run(
    count: u64,
    url: &str,
    on_event: impl FnMut(&mut Registry<World>, &mut World, Event<'_>) + 'static,
    begin: impl FnOnce(&mut Registry<World>, &Client<World>),
) {
    let mut reactor = Reactor::<World>::new().expect("a loop");
    let options = ClientOptions::new([url.parse().expect("a server")]);
    let client = Client::connect(reactor.registry(), options, on_event);
    begin(reactor.registry(), &client);
    reactor.run(&mut World { client, count, left: count, began: 0 }).expect("it runs");
}
