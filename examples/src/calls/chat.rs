//! What one says the others hear: a topic, and a method that publishes there.

use protocols::rpc::{Error, Service};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Topics;

/// Bytes of a line.
const LONGEST: usize = 4_096;

#[derive(Deserialize, JsonSchema)]
struct Say {
    text: String,
    #[serde(default = "somebody")]
    name: String,
}

#[derive(Serialize)]
struct Said {
    name: String,
    text: String,
}

fn somebody() -> String {
    "somebody".to_owned()
}

pub(super) fn register<App: AsMut<Topics<App>> + 'static>(service: &mut Service<App>) {
    service.topic("chat.listen", "chat.leave", "What is said, as notifications", |app| {
        &mut app.as_mut().chat
    });
    let about = "Says something to whoever listens; how many they are";
    service.later::<Say, usize>("chat.say", about, |call, Say { text, name }, ticket| {
        if text.len() + name.len() > LONGEST {
            return Err(Error::invalid_params(format_args!("at most {LONGEST} bytes")));
        }
        let (said, group) = (Said { name, text }, call.app.as_mut().group.clone());
        group.ask(
            call.registry,
            // Texts are JSON, so this cannot fail.
            move |registry, app| app.as_mut().chat.publish(registry, &said).unwrap_or_default(),
            move |registry, _, heard| {
                let heard: usize = heard.into_iter().flatten().sum();
                // Whoever has said it may have gone.
                let _ = ticket.answer(registry, Ok(heard));
            },
        );
        Ok(())
    });
}
