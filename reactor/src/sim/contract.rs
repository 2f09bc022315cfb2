//! The contract of the callbacks, held against the trace while it is written.
//!
//! ```text
//!   on_open ─▶ (on_data │ on_drain │ …)* ─▶ on_end? ─▶ (but no on_data)* ─▶ on_close
//! ```

use std::collections::BTreeMap;

use super::host::HostId;
use super::panics::{self, Panic};
use crate::trace::{Callback, Record, Ring, Subject, What};

/// What the callbacks have come to, of everybody on every host.
#[derive(Default)]
pub(super) struct Contract {
    /// Records that were looked at.
    seen: u64,
    stages: BTreeMap<(u16, Subject), Stage>,
    /// Which callback runs on a host: never one inside another.
    running: BTreeMap<u16, Callback>,
    /// Panics are a part of the test.
    may_panic: bool,
    /// Records were gone before they were looked at, so nobody's whole story is known.
    has_gaps: bool,
}

/// What does not hold, and in what way.
#[derive(Debug)]
pub(super) struct Breach {
    pub(super) what: &'static str,
    pub(super) how: String,
}

/// What the contract is called when it is broken.
pub(super) const CONTRACT: &str = "the contract of the callbacks";
/// What is broken by a panic.
pub(super) const NO_PANICS: &str = "the rule that no callback panics";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    PeerEnded,
    Closed,
}

impl Contract {
    /// Looks at what has been written since.
    pub(super) fn read(&mut self, ring: &Ring) -> Result<(), Breach> {
        let seen = std::mem::replace(&mut self.seen, ring.total());
        if ring.dropped() > seen {
            self.forget_all();
        }
        ring.since(seen).try_for_each(|record| self.hold(record))
    }

    pub(super) fn allow_panics(&mut self) {
        self.may_panic = true;
    }

    /// A host is gone, with all of its own.
    pub(super) fn forget(&mut self, host: HostId) {
        self.stages.retain(|&(of, _), _| of != host.0);
        self.running.remove(&host.0);
    }

    /// What is known may be wrong: more was written at once than is kept.
    fn forget_all(&mut self) {
        self.has_gaps = true;
        self.stages.clear();
        self.running.clear();
    }

    fn hold(&mut self, record: &Record) -> Result<(), Breach> {
        match record.what() {
            What::Called(callback) => {
                if let Some(outer) = self.running.insert(record.host(), callback) {
                    return Err(breach(format!("{callback} is called inside {outer}: {record}")));
                }
                let Some(name @ (Subject::Connection(_) | Subject::Socket(_))) = record.subject()
                else {
                    return Ok(());
                };
                self.advance((record.host(), name), callback)
                    .map_err(|how| breach(format!("{how}: {record}")))
            }
            What::Returned(_) => {
                self.running.remove(&record.host());
                Ok(())
            }
            What::Panicked(callback) => {
                self.running.remove(&record.host());
                if self.may_panic { Ok(()) } else { Err(panicked(callback)) }
            }
            _ => Ok(()),
        }
    }

    fn advance(&mut self, name: (u16, Subject), callback: Callback) -> Result<(), &'static str> {
        use Callback as C;
        let stage = self.stages.get(&name).copied();
        let next = match (stage, callback) {
            // Whoever takes a socket out is given it when its protocol has heard of the end.
            (_, C::Detached) => return Ok(()),
            (Some(Stage::Closed), _) => return Err("a callback after on_close"),
            // It comes without the others when connecting has failed.
            (_, C::Close) => Stage::Closed,
            (None, C::Open) => Stage::Open,
            (None, C::Factory) => return Ok(()),
            (None, _) if self.has_gaps => Stage::Open,
            (None, _) => return Err("a callback before on_open"),
            // A protocol that has taken over is told as well.
            (Some(stage), C::Open) => stage,
            (Some(Stage::PeerEnded), C::End) => return Err("on_end a second time"),
            (Some(Stage::PeerEnded), C::Data) => return Err("on_data after on_end"),
            (Some(Stage::Open), C::End) => Stage::PeerEnded,
            (Some(stage), _) => stage,
        };
        self.stages.insert(name, next);
        Ok(())
    }
}

fn breach(how: String) -> Breach {
    Breach { what: CONTRACT, how }
}

fn panicked(callback: Callback) -> Breach {
    let how = match panics::last() {
        Some(Panic { place, message }) => format!("{callback} panics at {place}: {message}"),
        // Nobody is watching: the panic was printed like any other.
        None => format!("{callback} panics"),
    };
    Breach { what: NO_PANICS, how }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ConnectionId;
    use crate::id::{Generation, Key};

    /// What a loop writes when it calls a connection with this number, and is back.
    fn called(connection: u32, callback: Callback) -> [Record; 2] {
        let generation = Generation::of(7);
        let id = ConnectionId(Key::new(connection, generation));
        [What::Called(callback), What::Returned(callback)]
            .map(|what| Record::new(Duration::ZERO, 0, Some(id.into()), what))
    }

    /// What the contract says to these records, in a ring that has room for so many.
    fn held(capacity: usize, records: impl IntoIterator<Item = Record>) -> Result<(), String> {
        let mut ring = Ring::new(capacity);
        records.into_iter().for_each(|record| ring.push(record));
        Contract::default().read(&ring).map_err(|breach| breach.how)
    }

    /// As [`held`], of one connection and callbacks that return.
    fn story(callbacks: &[Callback]) -> Result<(), String> {
        held(100, callbacks.iter().flat_map(|&callback| called(3, callback)))
    }

    #[test]
    fn a_life_from_open_to_close_keeps_it() {
        use Callback as C;
        assert_eq!(story(&[C::Open, C::Data, C::Drain, C::End, C::Timer, C::Close]), Ok(()));
        assert_eq!(story(&[C::Close]), Ok(()), "connecting has failed");
        assert_eq!(story(&[C::Open, C::Data, C::Open, C::Close]), Ok(()), "another took over");
    }

    #[test]
    fn what_breaks_it_is_said_with_the_record() {
        use Callback as C;
        for (callbacks, how) in [
            (&[C::Data][..], "a callback before on_open"),
            (&[C::Open, C::Close, C::Timer], "a callback after on_close"),
            (&[C::Open, C::Close, C::Close], "a callback after on_close"),
            (&[C::Open, C::End, C::End], "on_end a second time"),
            (&[C::Open, C::End, C::Data], "on_data after on_end"),
        ] {
            let said = story(callbacks).expect_err(how);
            assert!(said.starts_with(how), "{said}");
            assert!(said.contains("connection 3.7"), "{said}");
        }
    }

    #[test]
    fn no_callback_runs_inside_another_on_the_same_host() {
        let [outer, _] = called(3, Callback::Open);
        let [inner, _] = called(4, Callback::Open);
        let said = held(100, [outer, inner]).expect_err("the first has not returned");
        assert!(said.starts_with("on_open is called inside on_open"), "{said}");
    }

    #[test]
    fn a_panic_breaks_the_rule_unless_it_is_allowed() {
        let mut ring = Ring::new(100);
        let [begins, _] = called(3, Callback::Open);
        ring.push(begins);
        ring.push(Record::new(Duration::ZERO, 0, None, What::Panicked(Callback::Open)));
        let breach = Contract::default().read(&ring).expect_err("it has panicked");
        assert_eq!((breach.what, &*breach.how), (NO_PANICS, "on_open panics"));

        let mut contract = Contract::default();
        contract.allow_panics();
        assert!(contract.read(&ring).is_ok());
    }

    #[test]
    fn a_crash_ends_what_was_known_of_a_host() {
        let mut contract = Contract::default();
        let mut ring = Ring::new(100);
        let [begins, returns] = called(3, Callback::Open);
        [begins, returns, begins].into_iter().for_each(|record| ring.push(record));
        assert!(contract.read(&ring).is_ok());
        contract.forget(HostId(0));
        [begins, returns].into_iter().for_each(|record| ring.push(record));
        assert!(contract.read(&ring).is_ok());
    }

    #[test]
    fn nobody_is_accused_on_account_of_records_that_were_lost() {
        let lives = [Callback::Open, Callback::Data].into_iter().flat_map(|which| called(3, which));
        assert_eq!(held(3, lives), Ok(()));
    }
}
