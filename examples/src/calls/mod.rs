//! Methods to try JSON-RPC with: what `rpc serve` and the playground offer.
//!
//! | file | what it is |
//! |---|---|
//! | `basics` | time, echo, sum, sleep, and the methods of the specification's examples |
//! | `files` | a tree of files, read only: work on threads |
//! | `chat` | a topic: what one says the others hear |

mod basics;
mod chat;
mod files;

use std::time::Duration;

use protocols::rpc::{NoParams, Service, Topic};
use protocols::transfer::store::Store;
use reactor::{LoopGroup, Registry, TimersFull};

/// What can be subscribed to: a part of the application.
#[derive(Debug)]
pub struct Topics<App> {
    /// What is said, to whoever listens.
    chat: Topic,
    /// The time, each second.
    ticks: Topic,
    /// The loops of the server: what is said on one of them is heard on all.
    group: LoopGroup<App>,
}

impl<App> Topics<App> {
    /// Those of one of these loops.
    #[must_use]
    pub fn new(group: LoopGroup<App>) -> Self {
        Self { chat: Topic::new("chat"), ticks: Topic::new("tick"), group }
    }
}

/// Adds all methods to a service; those of files, if there are files.
pub fn register<App: AsMut<Topics<App>> + 'static>(
    service: &mut Service<App>,
    files: Option<&Store>,
) {
    basics::register(service);
    chat::register(service);
    files.into_iter().for_each(|store| files::register(service, store));
}

/// Offers what the server and its loop have done, in these words, and what the loop has to do.
pub fn add_statistics<App: 'static>(
    service: &mut Service<App>,
    statistics: impl Fn(&Registry<App>, &App) -> String + 'static,
) {
    let about = "What the server and its loop have done";
    service.method("statistics", about, move |call, NoParams {}| {
        Ok(statistics(call.registry, call.app))
    });
    service.method("snapshot", "What the loop has to do now", |call, NoParams {}| {
        Ok(call.registry.snapshot().to_string())
    });
}

/// Begins to tell the time to whoever listens.
///
/// # Errors
///
/// If the loop has no timers left.
pub fn tick<App: AsMut<Topics<App>> + 'static>(
    registry: &mut Registry<App>,
) -> Result<(), TimersFull> {
    let each = |registry: &mut Registry<App>, app: &mut App| {
        let time = basics::time(registry);
        // A number is JSON.
        let _ = app.as_mut().ticks.publish(registry, &[time]);
    };
    registry.every(Duration::from_secs(1), each).map(drop)
}
