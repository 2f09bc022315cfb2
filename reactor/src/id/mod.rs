//! Names for what is registered with the loop: index and generation.
//!
//! A slot in the table is reused as soon as it is free, as a file descriptor is. An index alone would
//! therefore sooner or later name *another* connection than the one that was meant (the ABA
//! problem): a timer that fires late, a message from another thread, an event that the kernel had
//! already queued. So every id carries a **generation**, a number that no two registrations of the
//! process share, whichever loop they are with, and a look-up compares it. A stale id finds nothing; it
//! never finds a stranger, and an id of one loop finds nothing in another.
//!
//! ```text
//!            63        38 37                  0
//!  key       ┌───────────┬────────────────────┐    also the token that the kernel carries for us
//!            │   index   │     generation     │    (on 32-bit machines 20 and 12 bits of it)
//!            └───────────┴────────────────────┘
//! ```

use std::fmt;
use std::num::NonZeroU64;

use generations::{GENERATION_BITS, GENERATION_MASK};
pub(crate) use generations::{Generation, Generations};

mod generations;

const TOKEN_BITS: u32 = if usize::BITS == 64 { GENERATION_BITS } else { 12 };
const TOKEN_MASK: usize = (1 << TOKEN_BITS) - 1;
/// How many sources a loop can name: as many as 32-bit tokens have indices, or eight million. No index
/// reaches those of the loop's own tokens.
pub(crate) const MAX_SLOTS: usize = if usize::BITS == 64 { 1 << 23 } else { (1 << 20) - 1 };
/// How many timers a loop can name beside those that watch over its connections: so many that a line of
/// the wheel that holds all of them, and three holes for each, has no more places than there are indices.
pub(crate) const MAX_TIMERS: usize = MAX_SLOTS - 64;

/// Index and generation, the private half of every public id, in one register.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(NonZeroU64);

/// What the kernel hands back with an event: a [`Key`], with as much of its generation as fits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token(pub(crate) usize);

impl Key {
    /// It names nothing: no index is as large.
    pub(crate) const OF_NOTHING: Self = Self(NonZeroU64::MAX);

    pub(crate) fn new(index: u32, generation: Generation) -> Self {
        Self(generation.number() | u64::from(index) << GENERATION_BITS)
    }

    pub(crate) fn index(self) -> usize {
        (self.0.get() >> GENERATION_BITS) as usize
    }

    pub(crate) fn generation(self) -> u64 {
        self.0.get() & GENERATION_MASK
    }

    pub(crate) fn token(self) -> Token {
        Token(self.index() << TOKEN_BITS | self.generation() as usize & TOKEN_MASK)
    }
}

impl Token {
    /// The event that says "another thread has left a message".
    pub(crate) const WAKER: Self = Self(usize::MAX);
    /// The event that says "a signal has arrived".
    #[cfg_attr(not(all(unix, feature = "signals")), allow(dead_code))]
    pub(crate) const SIGNAL: Self = Self(usize::MAX - 1);

    pub(crate) fn index(self) -> usize {
        self.0 >> TOKEN_BITS
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index(), self.generation())
    }
}

macro_rules! public_id {
    ($(#[$doc:meta])* $name:ident, $noun:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(crate) Key);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($noun, " {:?}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), self.0)
            }
        }
    };
}

public_id! {
    /// Names one connection for as long as the program runs: after its end the id is stale, which
    /// every operation reports as such, and it never comes to mean another connection, of this loop or
    /// of another one of the process. So one map may hold the connections of several loops.
    ConnectionId, "connection"
}
public_id! {
    /// Names one listening socket.
    ListenerId, "listener"
}
public_id! {
    /// Names one datagram socket.
    SocketId, "socket"
}
public_id! {
    /// Names one free-standing timer, so that it can be cancelled.
    TimerId, "timer"
}

/// Which of a connection's timers: a number the protocol chooses, best as a named constant.
///
/// A connection has at most one timer a key; setting it again moves it.
///
/// ```
/// use reactor::TimerKey;
/// const PING: TimerKey = TimerKey(1);
/// const REGISTRATION: TimerKey = TimerKey(2);
/// assert_ne!(PING, REGISTRATION);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerKey(pub u32);

#[cfg(test)]
mod tests {
    use super::*;

    fn key(index: u32, generation: u64) -> Key {
        Key::new(index, Generation::of(generation))
    }

    #[test]
    fn a_token_finds_its_own_key_and_no_other_generation() {
        let token = key(7, 3).token();
        assert_eq!(token.index(), 7);
        assert!(token == key(7, 3).token());
        assert!(token != key(7, 4).token());
    }

    #[test]
    fn the_largest_index_and_generation_keep_out_of_each_others_way() {
        let last = key(MAX_SLOTS as u32 - 1, GENERATION_MASK);
        assert_eq!((last.index(), last.generation()), (MAX_SLOTS - 1, GENERATION_MASK));
        assert_eq!(last.token().index(), MAX_SLOTS - 1);
    }

    #[test]
    fn the_loops_own_tokens_name_no_slot() {
        assert!(Token::WAKER.index() >= MAX_SLOTS);
        assert!(Token::SIGNAL.index() >= MAX_SLOTS);
        assert_ne!(Token::WAKER.0, Token::SIGNAL.0);
    }

    #[test]
    fn an_optional_id_costs_no_extra_byte() {
        assert_eq!(size_of::<Option<ConnectionId>>(), size_of::<u64>());
    }

    #[test]
    fn ids_print_what_they_name() {
        assert_eq!(ConnectionId(key(4, 9)).to_string(), "connection 4.9");
        assert_eq!(format!("{:?}", ListenerId(key(1, 2))), "ListenerId(1.2)");
    }
}
