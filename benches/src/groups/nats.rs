//! A client of NATS: what it publishes, and what it hears.

use crate::nats::{Nats, NatsWork, Way};
use crate::work::{Case, Clock, Contender, Group};

/// Its name.
pub const NAME: &str = "nats";

/// The group.
pub fn group() -> Group {
    Group {
        name: NAME,
        about: "What a message of 64 bytes costs a client of NATS, which publishes it or is subscribed to it. The \
                ruler is async-nats on tokio's current-thread runtime; the other one is `nats` of npm, on Node. The \
                `nats-server` and who speaks with the client through it are on the other processor, and neither is \
                counted. (Whoever is not installed takes no part.)",
        shown: "heard",
        cases: vec![case("published", Way::Published), case("heard", Way::Heard)],
    }
}

fn case(name: &str, way: Way) -> Case {
    Case {
        name: name.to_owned(),
        grows_to: None,
        unit: "message",
        clock: Clock::Client,
        contenders: Contender::each(Nats::all(), move |nats| NatsWork::start(nats, way)),
    }
}
