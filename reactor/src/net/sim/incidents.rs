//! What befalls hosts and paths by itself: crashes and pauses, partitions and jams.

use std::time::Duration;

use super::Fault;
use super::connection::Side;
use super::world::{Event, Task, World};

/// How often there is a chance of it.
const EVERY: Duration = Duration::from_millis(50);
/// How long a partition or a jam lasts at most.
const LONGEST: Duration = Duration::from_secs(20);
/// How long a host is down, or stands still, at most.
const DOWN: Duration = Duration::from_secs(5);
/// How far a wall clock is set, forth or back, at most.
const CLOCK_ERROR: u64 = 86_400;

const KINDS: [Fault; 6] = [
    Fault::Crash,
    Fault::Pause,
    Fault::ClockJump,
    Fault::Partition,
    Fault::OneWayPartition,
    Fault::Clog,
];

impl World {
    /// Has the incidents begin, if there can be any.
    pub(crate) fn plan_incidents(&mut self) {
        if !self.weather_is_planned && self.faults.any(&KINDS) {
            self.weather_is_planned = true;
            self.plan(self.now + EVERY, Event::Incident);
        }
    }

    pub(super) fn handle_incident(&mut self) -> Option<Task> {
        self.weather_is_planned = false;
        self.plan_incidents();
        let host = self.choices.below(u64::from(self.hosts())) as u16;
        self.befall_path(host);
        self.befall_host(host)
    }

    fn befall_path(&mut self, host: u16) {
        let other = self.choices.below(u64::from(self.hosts())) as u16;
        if host == other {
            return;
        }
        if self.strikes(Fault::Partition) {
            let length = self.choices.between(EVERY, LONGEST);
            self.partition(host, other, length);
            self.partition(other, host, length);
        } else if self.strikes(Fault::OneWayPartition) {
            let length = self.choices.between(EVERY, LONGEST);
            self.partition(host, other, length);
        } else if self.strikes(Fault::Clog) {
            let length = self.choices.between(EVERY, LONGEST / 4);
            self.clog(host, other, length);
        }
    }

    fn befall_host(&mut self, host: u16) -> Option<Task> {
        if self.kernel(host).is_down {
            return None;
        }
        if self.strikes(Fault::ClockJump) {
            let by = self.choices.below(2 * CLOCK_ERROR) as i64 - CLOCK_ERROR as i64;
            self.set_clock(host, by);
        }
        if self.strikes(Fault::Pause) {
            let length = self.choices.between(EVERY, DOWN);
            self.log.note_host("paused", host);
            self.hold_up(host, self.now + length);
        }
        if !self.strikes(Fault::Crash) {
            return None;
        }
        let again = self.now + self.choices.between(EVERY, DOWN);
        self.plan(again, Event::Restart { host });
        Some(Task::Crash { host })
    }

    /// Nothing gets from one host to the other for so long.
    pub(crate) fn partition(&mut self, from: u16, to: u16, length: Duration) {
        self.log.note("partition", from, to, 0);
        let (now, until) = (self.now, self.now.saturating_add(length));
        self.route(from, to).cut(now, until);
        if length < Duration::MAX {
            self.plan(until, Event::Heal { from, to });
        }
        self.probe_between(from, to);
    }

    pub(super) fn handle_heal(&mut self, from: u16, to: u16) {
        if !self.is_cut(from, to) {
            self.counts.note(Fault::Heal);
            self.log.note("healed", from, to, 0);
        }
    }

    /// What leaves for the other host within so long arrives at the end of it, all at once.
    pub(crate) fn clog(&mut self, from: u16, to: u16, length: Duration) {
        self.log.note("clogged", from, to, 0);
        let until = self.now.saturating_add(length);
        self.route(from, to).hold(until);
    }

    /// Whatever was cut or clogged is passable again.
    pub(crate) fn heal(&mut self) {
        self.routes.heal();
    }

    pub(crate) fn set_latency(&mut self, from: u16, to: u16, latency: Duration) {
        self.route(from, to).latency = latency;
    }

    pub(crate) fn set_bandwidth(&mut self, from: u16, to: u16, bytes_per_second: Option<u64>) {
        self.route(from, to).bytes_per_second = bytes_per_second;
    }

    /// Those whose connections use a path that is cut find out in the end.
    fn probe_between(&mut self, from: u16, to: u16) {
        let between: Vec<usize> = self
            .connections
            .iter()
            .filter(|(_, connection)| {
                [Side::Client, Side::Server].into_iter().any(|side| {
                    let ends = &connection.ends;
                    ends[side as usize].host == from && ends[side.other() as usize].host == to
                })
            })
            .map(|(connection, _)| connection)
            .collect();
        for connection in between {
            self.probe_later(connection);
        }
    }

    /// Sets the wall clock of a host, by so many seconds.
    pub(crate) fn set_clock(&mut self, host: u16, by: i64) {
        self.log.note_host("wall clock set", host);
        let kernel = self.kernel_mut(host);
        kernel.clock_error = kernel.clock_error.saturating_add(by);
    }

    /// From now on a host is down: its sockets vanish as they are dropped.
    pub(crate) fn crash(&mut self, host: u16) {
        self.log.note_host("crashed", host);
        self.kernel_mut(host).is_down = true;
    }

    /// A host that was down is back.
    pub(crate) fn restart(&mut self, host: u16) {
        self.counts.note(Fault::Restart);
        self.log.note_host("restarted", host);
        let kernel = self.kernel_mut(host);
        kernel.is_down = false;
        kernel.is_due.store(false, std::sync::atomic::Ordering::Release);
        kernel.closed.clear();
    }

    /// From now on nothing goes wrong, and everything passes.
    pub(crate) fn calm_down(&mut self) {
        self.faults = super::Faults::calm();
        self.routes.heal();
        self.rules.clear();
        for host in 0..self.hosts() {
            let now = self.now;
            self.kernel_mut(host).busy_until = now;
        }
    }
}
