//! The sections of the page, one file a kind, all with one silhouette: a function that lists contests.

mod chat;
mod counts;
mod crowd;
mod latency;
mod memory;
mod neighbours;
mod network;
#[cfg(feature = "tls")]
mod secure;
mod timed;
mod town;

use std::time::Duration;

use super::contest::Section;
use crate::groups;

/// How much time and how many clients there are.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// How long an entrant works in a turn, about.
    pub slice: Duration,
    /// Turns at most, where noise matters.
    pub rounds: usize,
    /// Turns, where one takes long.
    pub few_rounds: usize,
    /// Clients, where there are many.
    pub many: usize,
    /// By how much less is counted than for the committed table.
    pub counted_less: usize,
}

impl Scale {
    /// What the page is made of.
    pub const FULL: Self = Self {
        slice: Duration::from_millis(100),
        rounds: 5,
        few_rounds: 3,
        many: 10_000,
        counted_less: 4,
    };

    /// Enough to see that everything works.
    pub const QUICK: Self = Self {
        slice: Duration::from_millis(10),
        rounds: 2,
        few_rounds: 1,
        many: 1_000,
        counted_less: 20,
    };
}

/// Every section, in the order of the page.
pub fn all(scale: Scale) -> Vec<Section> {
    let mut sections = vec![counts::section(scale)];
    sections.extend(groups::all().into_iter().map(|group| timed::section(group, scale)));
    if let Some(echo) = sections.iter_mut().find(|section| section.name == "echo") {
        echo.contests.push(crowd::contest(scale));
    }
    #[cfg(feature = "tls")]
    if let Some(tls) = sections.iter_mut().find(|section| section.name == "tls") {
        tls.contests.push(secure::contest(scale));
    }
    if let Some(chat) = sections.iter_mut().find(|section| section.name == "chat") {
        chat.contests.extend([chat::contest(scale), network::contest(scale), town::contest(scale)]);
        chat.drawings.extend(town::drawings(scale));
    }
    sections.extend([latency::section(scale), neighbours::section(scale), memory::section(scale)]);
    sections
}
