//! How a network goes on: one event, or one turn of one loop, after the other.
//!
//! ```text
//!   step:  something is due? ──▶ it happens
//!          else a loop has something to do? ──▶ one of them turns once
//!          else ──▶ time passes, up to whatever comes next
//!          and then everything that must always hold is looked at
//! ```

use std::time::Duration;

use super::broken::Broken;
use super::host::{HostId, Node, State};
use super::network::Network;
use crate::Turn;
use crate::net::sim::Task;

/// What a turn takes at least: no loop does two at once.
const TURN: Duration = Duration::from_micros(2);
/// The longest that a slow handler takes.
const SLOW_TURN: Duration = Duration::from_millis(100);
/// So many steps at one moment are one too many.
const STEPS_AT_A_TIME: u32 = 1_000_000;

impl Network {
    /// Lets the next thing happen: something arrives, or one loop turns once. `false` if there is
    /// nothing left that could happen.
    ///
    /// # Errors
    ///
    /// If an invariant is broken, or the contract of the callbacks.
    pub fn step(&mut self) -> Result<bool, Broken> {
        if let Some(broken) = self.misbooted.take() {
            return Err(broken);
        }
        self.steps += 1;
        self.steps_at_a_time += 1;
        if self.steps > self.step_limit {
            return Err(self.broken("progress", "the simulation has come to its last step".into()));
        }
        if self.steps_at_a_time > STEPS_AT_A_TIME {
            return Err(self.broken("progress", "time stands still: a loop is never done".into()));
        }
        let happened = self.world.borrow_mut().happen();
        match happened {
            Some(Some(task)) => self.run_errand(task),
            Some(None) => return Ok(true),
            None => match self.choose_host() {
                Some(host) => self.turn(host)?,
                None => return Ok(self.let_time_pass()),
            },
        }
        self.check()?;
        Ok(true)
    }

    /// Lets everything happen that happens within so long.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step).
    pub fn run_for(&mut self, length: Duration) -> Result<(), Broken> {
        self.run_until(length, |_| false).map(drop)
    }

    /// Lets everything happen until something is so, for so long at most; whether it is so.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step).
    pub fn run_until(
        &mut self,
        length: Duration,
        mut is_so: impl FnMut(&Self) -> bool,
    ) -> Result<bool, Broken> {
        let end = self.now() + length;
        loop {
            if is_so(self) {
                return Ok(true);
            }
            let waits = self.choose_nothing_before(end);
            if waits {
                self.advance(end);
                return Ok(is_so(self));
            }
            self.step()?;
        }
    }

    /// Shuts every loop down, at most for so long, and looks whether anything is left over.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step); and if a loop does not end, or leaves sockets, timers or queued bytes
    /// behind.
    pub fn finish(&mut self, grace: Duration) -> Result<(), Broken> {
        for node in &mut self.nodes {
            if let State::Running(site) = &mut node.state {
                site.shut_down(grace);
            }
        }
        let patience = grace + Duration::from_secs(60);
        let ended = self.run_until(patience, |network| {
            !network.nodes.iter().any(|node| matches!(node.state, State::Running(_)))
        })?;
        if !ended {
            return Err(self.broken("shutdown", "a loop does not end".into()));
        }
        let leaks: Vec<String> = self.nodes.iter().filter_map(leak).collect();
        if leaks.is_empty() { Ok(()) } else { Err(self.broken("tidiness", leaks.join("; "))) }
    }

    // ── the steps ───────────────────────────────────────────────────────────────────────────

    fn run_errand(&mut self, task: Task) {
        match task {
            Task::Crash { host } => self.crash(HostId(host)),
            Task::Restart { host } => self.restart(HostId(host)),
            Task::Work { host, job } => {
                if self.is_up(HostId(host)) {
                    job();
                }
            }
            Task::Script(script) => {
                if let Some(script) = self.scripts.try_remove(script) {
                    script(self);
                }
            }
        }
    }

    /// One of the hosts that have something to do now.
    fn choose_host(&mut self) -> Option<HostId> {
        let now = self.now();
        let ready: Vec<HostId> = self
            .ids()
            .filter(|&host| self.wants_turn_at(host).is_some_and(|at| at <= now))
            .collect();
        let chosen = self.world.borrow_mut().choices.below(ready.len() as u64);
        ready.get(chosen as usize).copied()
    }

    /// When a host has something to do, as far as is known now.
    fn wants_turn_at(&self, host: HostId) -> Option<Duration> {
        let State::Running(site) = &self.nodes[host.index()].state else { return None };
        let world = self.world.borrow();
        let at = if world.has_events(host.0) {
            world.now()
        } else {
            site.next_deadline()?.saturating_duration_since(self.epoch)
        };
        Some(at.max(world.kernel(host.0).busy_until()))
    }

    fn turn(&mut self, host: HostId) -> Result<(), Broken> {
        let State::Running(site) = &mut self.nodes[host.index()].state else { return Ok(()) };
        let turn = site.turn();
        self.world.borrow_mut().spend_turn(host.0, TURN, SLOW_TURN);
        match turn {
            Ok(Turn::Running) => Ok(()),
            Ok(Turn::Finished(report)) => {
                let node = &mut self.nodes[host.index()];
                if let State::Running(site) = std::mem::replace(&mut node.state, State::Down) {
                    node.state = State::Finished(site, report);
                }
                Ok(())
            }
            Err(error) => Err(self.broken("the loop", error.to_string())),
        }
    }

    /// When the next thing happens, if anything does.
    pub(super) fn next(&self) -> Option<Duration> {
        let event = self.world.borrow().next_event();
        self.ids().filter_map(|host| self.wants_turn_at(host)).chain(event).min()
    }

    fn choose_nothing_before(&self, end: Duration) -> bool {
        self.misbooted.is_none() && self.next().is_none_or(|next| next > end)
    }

    fn let_time_pass(&mut self) -> bool {
        let next = self.next();
        next.into_iter().for_each(|next| self.advance(next));
        next.is_some()
    }

    fn advance(&mut self, to: Duration) {
        if to > self.now() {
            self.steps_at_a_time = 0;
        }
        self.world.borrow_mut().advance(to);
    }

    // ── what must always hold ───────────────────────────────────────────────────────────────

    fn check(&mut self) -> Result<(), Broken> {
        let kept = self.contract.read(&self.ring.borrow());
        kept.map_err(|breach| self.broken(breach.what, breach.how))?;
        // Whoever checks sees the whole network but the list of checks.
        let mut invariants = std::mem::take(&mut self.invariants);
        let broken = invariants
            .iter_mut()
            .find_map(|(name, check)| check(self).err().map(|how| (name.clone(), how)));
        self.invariants = invariants;
        broken.map_or(Ok(()), |(name, how)| Err(self.broken(&name, how)))
    }

    fn broken(&mut self, what: &str, how: String) -> Broken {
        let broken = Broken { at: self.now(), what: what.to_owned(), how };
        self.first_broken.get_or_insert(broken).clone()
    }
}

/// What a loop that has ended has left over.
fn leak(node: &Node) -> Option<String> {
    let stats = node.site()?.stats();
    let left = [
        (stats.connections, "connections"),
        (stats.queued_bytes, "queued bytes"),
        (node.site()?.snapshot().sockets.len() as u64, "sockets"),
    ];
    let (count, what) = left.into_iter().find(|&(count, _)| count > 0)?;
    Some(format!("{} has {count} {what} left", node.name))
}
