//! Modes: of users, of channels, and what a member of a channel may do there.

/// The modes of a user (modern.ircdocs.horse, "User Modes").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct UserModes(u8);

impl UserModes {
    pub(super) const BOT: Self = Self(1);
    pub(super) const INVISIBLE: Self = Self(2);
    pub(super) const OPERATOR: Self = Self(4);
    pub(super) const REGISTERED: Self = Self(8);
    pub(super) const NO_CTCP: Self = Self(16);
    pub(super) const WALLOPS: Self = Self(32);

    const LETTERS: [(char, Self); 6] = [
        ('B', Self::BOT),
        ('T', Self::NO_CTCP),
        ('i', Self::INVISIBLE),
        ('o', Self::OPERATOR),
        ('r', Self::REGISTERED),
        ('w', Self::WALLOPS),
    ];

    pub(super) fn of(letter: char) -> Option<Self> {
        Self::LETTERS.iter().find(|(it, _)| *it == letter).map(|&(_, mode)| mode)
    }

    pub(super) fn has(self, mode: Self) -> bool {
        self.0 & mode.0 != 0
    }

    pub(super) fn set(&mut self, mode: Self, on: bool) {
        self.0 = if on { self.0 | mode.0 } else { self.0 & !mode.0 };
    }

    /// What [`text`](Self::text) has written.
    pub(super) fn of_text(text: &str) -> Self {
        text.chars().filter_map(Self::of).fold(Self::default(), |all, mode| Self(all.0 | mode.0))
    }

    /// `+` and the letters of those that are set.
    pub(super) fn text(self) -> String {
        let set = Self::LETTERS.iter().filter(|&&(_, mode)| self.has(mode));
        std::iter::once('+').chain(set.map(|&(letter, _)| letter)).collect()
    }
}

/// The modes of a channel that are on or off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags(u16);

impl Flags {
    pub(super) const NO_CTCP: Self = Self(1);
    pub(super) const REGISTERED_SPEAK: Self = Self(2);
    pub(super) const REGISTERED_ONLY: Self = Self(4);
    pub(super) const INVITE_ONLY: Self = Self(8);
    pub(super) const MODERATED: Self = Self(16);
    pub(super) const NO_EXTERNAL: Self = Self(32);
    pub(super) const REGISTERED: Self = Self(64);
    pub(super) const SECRET: Self = Self(128);
    pub(super) const TOPIC_LOCKED: Self = Self(256);

    const LETTERS: [(char, Self); 9] = [
        ('C', Self::NO_CTCP),
        ('M', Self::REGISTERED_SPEAK),
        ('R', Self::REGISTERED_ONLY),
        ('i', Self::INVITE_ONLY),
        ('m', Self::MODERATED),
        ('n', Self::NO_EXTERNAL),
        ('r', Self::REGISTERED),
        ('s', Self::SECRET),
        ('t', Self::TOPIC_LOCKED),
    ];

    /// What a new channel has: nobody talks into it from outside, and its operators set the topic.
    pub(super) fn initial() -> Self {
        Self(Self::NO_EXTERNAL.0 | Self::TOPIC_LOCKED.0)
    }

    pub(super) fn of(letter: char) -> Option<Self> {
        Self::LETTERS.iter().find(|(it, _)| *it == letter).map(|&(_, flag)| flag)
    }

    pub(super) fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    /// Sets or clears; whether that changed anything.
    pub(super) fn set(&mut self, flag: Self, on: bool) -> bool {
        let before = *self;
        self.0 = if on { self.0 | flag.0 } else { self.0 & !flag.0 };
        *self != before
    }

    pub(super) fn letters(self) -> impl Iterator<Item = char> {
        Self::LETTERS.into_iter().filter(move |&(_, flag)| self.has(flag)).map(|(letter, _)| letter)
    }
}

/// What a member may do on its channel: any of founder, admin, operator, half-operator, voice
/// (`~&@%+`), the mightiest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Status(u8);

impl Status {
    pub(super) const NONE: Self = Self(0);
    pub(super) const VOICE: Self = Self(1);
    pub(super) const HALF_OPERATOR: Self = Self(2);
    pub(super) const OPERATOR: Self = Self(4);
    pub(super) const ADMIN: Self = Self(8);
    pub(super) const FOUNDER: Self = Self(16);

    const RANKS: [(char, char, Self); 5] = [
        ('q', '~', Self::FOUNDER),
        ('a', '&', Self::ADMIN),
        ('o', '@', Self::OPERATOR),
        ('h', '%', Self::HALF_OPERATOR),
        ('v', '+', Self::VOICE),
    ];

    /// What ISUPPORT says: `PREFIX` and `STATUSMSG`.
    pub(super) const PREFIX: &'static str = "(qaohv)~&@%+";

    pub(super) fn of_letter(letter: char) -> Option<Self> {
        Self::RANKS.iter().find(|(it, _, _)| *it == letter).map(|&(_, _, status)| status)
    }

    /// The letters of its ranks.
    pub(super) fn letters(self) -> String {
        let held = Self::RANKS.iter().filter(|&&(_, _, rank)| self.has(rank));
        held.map(|&(letter, _, _)| letter).collect()
    }

    /// What [`letters`](Self::letters) has written.
    pub(super) fn of_letters(text: &str) -> Self {
        let ranks = text.chars().filter_map(Self::of_letter);
        ranks.fold(Self::NONE, |all, rank| Self(all.0 | rank.0))
    }

    /// The symbols in front of a channel's name of those who hear what is said there, and the name.
    pub(super) fn split(target: &str) -> (&str, &str) {
        let is_symbol = |byte: u8| Self::of_symbol(char::from(byte)).is_some();
        let end = target.bytes().position(|byte| !is_symbol(byte)).unwrap_or(target.len());
        target.split_at(end)
    }

    pub(super) fn of_symbol(symbol: char) -> Option<Self> {
        Self::RANKS.iter().find(|(_, it, _)| *it == symbol).map(|&(_, _, status)| status)
    }

    /// Whether it is this rank or a mightier one.
    pub(super) fn reaches(self, rank: Self) -> bool {
        self.0 >= rank.0
    }

    /// The mightiest of its ranks alone.
    pub(super) fn highest(self) -> Self {
        Self(self.0.checked_ilog2().map_or(0, |bit| 1 << bit))
    }

    pub(super) fn has(self, rank: Self) -> bool {
        self.0 & rank.0 != 0
    }

    /// Grants or takes away; whether that changed anything.
    pub(super) fn set(&mut self, rank: Self, on: bool) -> bool {
        let before = *self;
        self.0 = if on { self.0 | rank.0 } else { self.0 & !rank.0 };
        *self != before
    }

    /// Which rank it takes to grant this one, or take it away.
    pub(super) fn granted_by(self) -> Self {
        match self {
            Self::FOUNDER | Self::ADMIN => Self::FOUNDER,
            Self::OPERATOR | Self::HALF_OPERATOR => Self::OPERATOR,
            _ => Self::HALF_OPERATOR,
        }
    }

    /// Its symbols: all of them (multi-prefix), or the mightiest.
    pub(super) fn symbols(self, all: bool) -> impl Iterator<Item = char> {
        let held = Self::RANKS.into_iter().filter(move |&(_, _, rank)| self.has(rank));
        held.take(if all { usize::MAX } else { 1 }).map(|(_, symbol, _)| symbol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mightiest_symbol_comes_first() {
        let mut status = Status::VOICE;
        assert!(status.set(Status::OPERATOR, true));
        assert!(!status.set(Status::OPERATOR, true), "it had that");
        assert_eq!(status.symbols(false).collect::<String>(), "@");
        assert_eq!(status.symbols(true).collect::<String>(), "@+");
        assert!(status.reaches(Status::HALF_OPERATOR) && !status.reaches(Status::ADMIN));
    }

    #[test]
    fn modes_print_in_one_order() {
        let mut modes = UserModes::default();
        assert_eq!(modes.text(), "+");
        modes.set(UserModes::WALLOPS, true);
        modes.set(UserModes::BOT, true);
        assert_eq!(modes.text(), "+Bw");
        assert_eq!(Flags::initial().letters().collect::<String>(), "nt");
    }
}
