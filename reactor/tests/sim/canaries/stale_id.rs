//! A stale id: a room knows its members by the numbers of their seats. A message that waits a moment
//! for somebody who leaves meanwhile is given to whoever sits there next.
//!
//! ```text
//!   member ─▶ room   "join NAME", then "tell NAME" now and then
//!   room ─▶ member   "for NAME"
//! ```

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use reactor::sim::{Network, Outcome};
use reactor::{Address, Closed, ConnectionId, Input, Protocol, Registry, TimerKey, Transport};

use super::Hunt;

const MEMBERS: u64 = 3;
/// How long the room keeps a message before it passes it on.
const KEPT: Duration = Duration::from_millis(10);
const TALKS_EVERY: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, PartialEq)]
enum Names {
    /// The number of a seat, which the next one has too.
    Seat,
    /// The id of a connection, which no other ever has.
    Id,
}

struct Room {
    names: Names,
    seats: Vec<Option<(u64, ConnectionId)>>,
}

impl Room {
    fn sit_down(&mut self, name: u64, id: ConnectionId) {
        match self.seats.iter_mut().find(|seat| seat.is_none()) {
            Some(seat) => *seat = Some((name, id)),
            None => self.seats.push(Some((name, id))),
        }
    }

    fn stand_up(&mut self, id: ConnectionId) {
        let seat = self.seats.iter_mut().find(|seat| seat.is_some_and(|(_, of)| of == id));
        seat.into_iter().for_each(|seat| *seat = None);
    }

    /// Where somebody sits, and who that is to the loop.
    fn find(&self, name: u64) -> Option<(usize, ConnectionId)> {
        let mut seats = self.seats.iter().enumerate();
        seats.find_map(|(seat, who)| {
            who.filter(|(called, _)| *called == name).map(|(_, id)| (seat, id))
        })
    }

    fn deliver(&self, registry: &mut Registry<Self>, name: u64, (seat, id): (usize, ConnectionId)) {
        let to = match self.names {
            Names::Seat => self.seats[seat].map(|(_, id)| id),
            Names::Id => Some(id),
        };
        if let Some(to) = to {
            // Who has left meanwhile does not miss it.
            let _ = registry.send(to, format!("for {name}\n").into());
        }
    }
}

/// A member, as the room sees it.
struct Seated;

impl Protocol<Room> for Seated {
    fn on_data(
        &mut self,
        transport: &mut Transport<'_, Room>,
        input: &mut Input<'_>,
        room: &mut Room,
    ) {
        while let Some((verb, name)) = take_line(input) {
            match (verb.as_str(), room.find(name)) {
                ("join", _) => room.sit_down(name, transport.id()),
                ("tell", Some(to)) => {
                    let deliver = move |registry: &mut Registry<Room>, room: &mut Room| {
                        room.deliver(registry, name, to);
                    };
                    transport.registry().after(KEPT, deliver).expect("a timer is left");
                }
                _ => {}
            }
        }
    }

    fn on_close(&mut self, _: &mut Registry<Room>, closed: &Closed, room: &mut Room) {
        room.stand_up(closed.id);
    }
}

/// The members' application.
struct Members {
    room: Address,
    /// The next name, which nobody has had, even before a crash.
    next: Rc<Cell<u64>>,
    /// Messages for somebody else.
    strays: u64,
}

impl Members {
    fn join(&mut self, registry: &mut Registry<Self>) {
        let name = self.next.replace(self.next.get() + 1);
        if registry.connect(self.room.clone(), Member { name }).is_err() {
            Self::join_later(registry);
        }
    }

    fn join_later(registry: &mut Registry<Self>) {
        let join = |registry: &mut Registry<Self>, members: &mut Self| members.join(registry);
        registry.after(Duration::from_millis(1), join).expect("a timer is left");
    }
}

/// A member, as it sees itself: when it has gone, another one comes.
struct Member {
    name: u64,
}

impl Protocol<Members> for Member {
    fn on_open(&mut self, transport: &mut Transport<'_, Members>, _: &mut Members) {
        transport.write(format!("join {}\n", self.name).as_bytes());
        transport.set_timer(TimerKey(0), TALKS_EVERY);
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, Members>, key: TimerKey, _: &mut Members) {
        // Its neighbours are those that came at about the same time.
        let to = self.name ^ (transport.registry().random() % 4);
        transport.write(format!("tell {to}\n").as_bytes());
        transport.set_timer(key, TALKS_EVERY);
    }

    fn on_data(
        &mut self,
        _: &mut Transport<'_, Members>,
        input: &mut Input<'_>,
        members: &mut Members,
    ) {
        while let Some((_, name)) = take_line(input) {
            members.strays += u64::from(name != self.name);
        }
    }

    fn on_close(&mut self, registry: &mut Registry<Members>, _: &Closed, _: &mut Members) {
        Members::join_later(registry);
    }
}

/// The next line: a word and a number.
fn take_line(input: &mut Input<'_>) -> Option<(String, u64)> {
    let end = input.iter().position(|&byte| byte == b'\n')?;
    let line = String::from_utf8_lossy(input.take_front(end + 1)).into_owned();
    let (verb, name) = line.trim().split_once(' ')?;
    Some((verb.to_owned(), name.parse().ok()?))
}

fn scenario(network: &mut Network, names: Names) -> Outcome {
    network.swarm();
    let room = network.host("room", move |registry| {
        registry.listen("0.0.0.0:9".parse()?, |_, _| Seated)?;
        Ok(Room { names, seats: Vec::new() })
    });
    let (address, next) = (network.address(room, 9), Rc::new(Cell::new(0)));
    let members = network.host("members", move |registry| {
        let mut members = Members { room: address.clone(), next: Rc::clone(&next), strays: 0 };
        (0..MEMBERS).for_each(|_| members.join(registry));
        Ok(members)
    });
    network.invariant("a message is for whom it reaches", move |network| {
        match network.app(members).map_or(0, |members| members.strays) {
            0 => Ok(()),
            strays => Err(format!("{strays} have reached somebody else")),
        }
    });
    Ok(network.run_for(Duration::from_millis(300))?)
}

#[test]
fn a_stale_id_is_found() {
    let hunt = Hunt { seeds: 60, busy: 24 };
    let failure =
        hunt.find(|network| scenario(network, Names::Seat), |network| scenario(network, Names::Id));
    assert!(failure.message().contains("a message is for whom it reaches"));
}
