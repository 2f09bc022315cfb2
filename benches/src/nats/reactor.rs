//! The reactor, and its protocols' client.

use std::net::SocketAddr;

use protocols::nats::{Client, ClientOptions, Event, PublishError};
use reactor::{Reactor, Registry};

use super::{HEARD, PUBLISH, PUBLISHED, SIZE};
use crate::Result;
use crate::servers::announce;

struct World {
    client: Client<World>,
    heard: u64,
    publishing: Option<Publishing>,
}

struct Publishing {
    asked: u64,
    left: u64,
    answer: String,
}

pub(super) fn serve(server: SocketAddr) -> Result {
    let mut reactor = Reactor::<World>::new()?;
    let registry = reactor.registry();
    let options = ClientOptions::new([format!("nats://{server}").parse()?]);
    let client = Client::connect(registry, options, |registry, world, event| {
        if let Event::Drained = event {
            go_on(registry, world);
        }
    });
    client.subscribe(registry, HEARD, |registry, world: &mut World, message| {
        if message.reply.is_some() {
            let heard = std::mem::take(&mut world.heard).to_string();
            world.client.respond(registry, message, heard.as_bytes()).expect("it is connected");
        } else {
            assert_eq!(message.payload.len(), SIZE, "it is another message");
            world.heard += 1;
        }
    })?;
    client.subscribe(registry, PUBLISH, |registry, world: &mut World, message| {
        let asked = std::str::from_utf8(message.payload).ok().and_then(|it| it.parse().ok());
        let (Some(asked), Some(answer)) = (asked, message.reply) else { return };
        world.publishing = Some(Publishing { asked, left: asked, answer: answer.to_owned() });
        registry.defer(go_on);
    })?;
    client.flush(registry, move |_, _, there| {
        there.expect("the server is there");
        announce(server).expect("whoever has started this reads it");
    })?;
    reactor.run(&mut World { client, heard: 0, publishing: None })?;
    Ok(())
}

/// Publishes a part of them, so that the loop has its turns.
fn go_on(registry: &mut Registry<World>, world: &mut World) {
    let World { client, publishing, .. } = world;
    let Some(Publishing { left, .. }) = publishing else { return };
    for _ in 0..(*left).min(4_096) {
        match client.publish(registry, PUBLISHED, &[b'x'; SIZE]) {
            Ok(()) => *left -= 1,
            // Until it is drained.
            Err(PublishError::Full) => return,
            Err(error) => panic!("{error}"),
        }
    }
    if *left > 0 {
        return registry.defer(go_on);
    }
    let Some(Publishing { asked, answer, .. }) = publishing.take() else { return };
    let flushed = client.flush(registry, move |registry, world: &mut World, there| {
        there.expect("the server is there");
        let published = world.client.publish(registry, &answer, asked.to_string().as_bytes());
        published.expect("it is connected");
    });
    flushed.expect("few are asked for");
}
