//! A whole chat network on one server: what its users cost in memory, what it costs to let them in and to
//! deliver what they say, and how long that takes.

use std::time::Duration;

use super::Scale;
use crate::chats::Chat;
use crate::clients::town::{Plan, Town};
use crate::clients::user::User;
use crate::loaded::Start;
use crate::program::watch;
use crate::report::contest::{Column, Contest, Drawing, Entrant, Kind, Trial};
use crate::work::Clock;
use crate::{Result, descriptors, memory};

/// Channels that share the users.
const CHANNELS: usize = 100;

/// One of so many users is on the large channel too.
const ON_SQUARE: usize = 10;

/// Lines a second whose way is timed: less than half of what the slower can do.
const RATE: u32 = 100;

/// Lines on their way at any time where it is measured how many can be.
const AT_ONCE: usize = 20;

/// A turn is longer than those of others: everybody should be heard several times.
const SLICES: u32 = 10;

/// Times that the lines' way is timed for half as long. Of their quantiles the median counts: there are no
/// rounds here that would tell a stall of the machine from one of the server.
const SPANS: usize = 5;

/// Two figures of the table, as bars.
pub(super) fn drawings(scale: Scale) -> [Drawing; 2] {
    let name = contest(scale).name;
    [Drawing::Bars(name.clone(), 0), Drawing::Bars(name, 5)]
}

pub(super) fn contest(scale: Scale) -> Contest {
    let users = scale.many;
    let plan = Plan { users, channels: CHANNELS, on_square: users / ON_SQUARE };
    let lasting = scale.slice * SLICES;
    let mut entrants = Entrant::each(Chat::all(), move |chat| Ok(Network { chat, plan, lasting }));
    // The ruler is the other one.
    entrants.reverse();
    let columns = [
        Column::new("resident bytes a user", Kind::Bytes),
        Column::new(format!("{} to let one in", Clock::Processor), Kind::Time),
        Column::new(format!("{} a delivery", Clock::Processor), Kind::Time),
        Column::new("delivered in a second", Kind::Rate),
        Column::new(format!("p50 at {RATE} lines a second"), Kind::Time),
        Column::new("p99", Kind::Time),
    ];
    let name = format!(
        "{users} users on {CHANNELS} channels, {} of them on another too, to ngircd",
        plan.on_square
    );
    // One round: ngircd, which walks over everybody for each command, takes most of a minute to let them in.
    Contest::put_away(name, 1, columns, entrants)
}

struct Network {
    chat: Chat,
    plan: Plan,
    lasting: Duration,
}

impl Trial for Network {
    fn turn(&mut self) -> Result<Vec<f64>> {
        descriptors::require(self.plan.users)?;
        let servers = [self.chat.start(Start::Apart)?];
        let [server] = &servers;
        // The first makes the server touch what it needs once: code, scratch buffers.
        let _first = User::register(server.address(), self.plan.users)?;
        let before = memory::resident(server.pid())?;
        let (users, registering) =
            watch(&servers, 1, || User::register_all(server.address(), self.plan.users))?;
        let grown = memory::resident(server.pid())?.saturating_sub(before);
        let (mut town, settling) = watch(&servers, 1, || Town::settle(users, self.plan))?;
        let (deliveries, chatter) = watch(&servers, 1, || town.chatter(AT_ONCE, self.lasting))?;
        let [p50, p99] = self.quantiles(&mut town)?;

        let users = self.plan.users as f64;
        let nanoseconds = |time: Duration| time.as_nanos() as f64;
        Ok(vec![
            grown as f64 / users,
            nanoseconds(registering.processor + settling.processor) / users,
            nanoseconds(chatter.processor) / deliveries as f64,
            deliveries as f64 / chatter.wall.as_secs_f64(),
            nanoseconds(p50),
            nanoseconds(p99),
        ])
    }
}

impl Network {
    /// How long half of the lines take to one who hears them, and how long all but a hundredth do.
    fn quantiles(&self, town: &mut Town) -> Result<[Duration; 2]> {
        let talk = |_| town.talk(RATE, self.lasting / 2);
        let spans = (0..SPANS).map(talk).collect::<Result<Vec<_>>>()?;
        Ok([0.5, 0.99].map(|quantile| {
            let mut times: Vec<_> = spans.iter().map(|span| span.at(quantile)).collect();
            times.sort();
            times[SPANS / 2]
        }))
    }
}
