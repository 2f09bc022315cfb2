//! Whose password is looked at, and who waits: so many at a time, in the order in which they came, and in
//! the same memory, which is given back when nobody waits any more.

use std::collections::VecDeque;
use std::fmt;

use super::Memory;
use super::limits::{AT_ONCE, MEMORY};

/// KiB of a hash beside which others are computed.
pub(super) const SMALL: u32 = MEMORY / AT_ONCE as u32;

/// What a server does with passwords. It is pure: whoever owns it takes the work that it hands out to
/// another thread, and tells it when that is done.
///
/// ```text
///              queue ──▶ waiting ──next──▶ password, memory ──▶ Registry::offload
///                full: back                                           │
///                         idle memory ◀───────────finish──────────────┘
///
///     ┌── small ──▶ Beside(1) ⇄ Beside(2)     one that takes half of the memory at most
///  Beside(0) ◀─────────┘
///     ├── large ──▶ Alone ────────▶ Beside(0)     one that takes more
///     └── nobody ─▶ Clearing ─────▶ Beside(0)     the memory is given back
/// ```
///
/// A large one that is first in line waits until nothing else is computed, and everybody behind it waits
/// too: else it might wait for ever.
pub(crate) struct HashQueue<T> {
    waiting: VecDeque<Waiting<T>>,
    state: State,
    idle: Vec<Memory>,
    computed: u64,
}

struct Waiting<T> {
    /// What its hash takes.
    kib: u32,
    job: T,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many small ones are being computed.
    Beside(usize),
    /// A large one is.
    Alone,
    /// Memory is being freed, and none is taken before that is done.
    Clearing,
}

/// What is to be done on a thread other than the loop's, and told to [`HashQueue::finish`].
#[derive(Debug)]
pub(crate) enum Next<T> {
    /// A hash is to be computed in this memory, which comes back.
    Compute(T, Memory),
    /// This memory is to be freed, which takes longer than a turn of the loop should.
    Free(Vec<Memory>),
}

impl<T> HashQueue<T> {
    /// A queue in which nobody waits.
    pub(crate) fn new() -> Self {
        Self { waiting: VecDeque::new(), state: State::Beside(0), idle: Vec::new(), computed: 0 }
    }

    /// Has a password wait for its turn, or gives it back if so many do already.
    pub(crate) fn push(&mut self, kib: u32, job: T, most: usize) -> Result<(), T> {
        if self.waiting.len() >= most {
            return Err(job);
        }
        self.waiting.push_back(Waiting { kib, job });
        Ok(())
    }

    /// What is to be done now, if anything is.
    pub(crate) fn next(&mut self) -> Option<Next<T>> {
        let is_large = self.waiting.front().map(|waiting| waiting.kib > SMALL);
        match (self.state, is_large) {
            (State::Beside(0), None) if !self.idle.is_empty() => {
                self.state = State::Clearing;
                Some(Next::Free(std::mem::take(&mut self.idle)))
            }
            (State::Beside(0), Some(true)) => {
                self.state = State::Alone;
                let memory = Memory::instead_of(std::mem::take(&mut self.idle));
                self.waiting.pop_front().map(|first| Next::Compute(first.job, memory))
            }
            (State::Beside(count), Some(false)) if count < AT_ONCE => {
                self.state = State::Beside(count + 1);
                let memory = self.idle.pop().unwrap_or_default();
                self.waiting.pop_front().map(|first| Next::Compute(first.job, memory))
            }
            (State::Beside(_) | State::Alone | State::Clearing, _) => None,
        }
    }

    /// A hash is computed, or memory is freed; or it never will be, and the memory is lost.
    pub(crate) fn finish(&mut self, memory: Option<Memory>) {
        self.state = match self.state {
            State::Beside(count) => State::Beside(count.saturating_sub(1)),
            State::Alone | State::Clearing => State::Beside(0),
        };
        if let Some(mut memory) = memory {
            self.computed += memory.take_computed();
            if !memory.is_empty() {
                self.idle.push(memory);
            }
        }
    }

    /// Forgets those who do not wait any more.
    pub(crate) fn forget(&mut self, has_gone: impl Fn(&T) -> bool) {
        self.waiting.retain(|waiting| !has_gone(&waiting.job));
    }

    /// How many hashes were ever computed.
    pub(crate) fn computed(&self) -> u64 {
        self.computed
    }
}

impl<T> fmt::Debug for HashQueue<T> {
    /// Without the passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.waiting.len();
        f.debug_struct("HashQueue").field("state", &self.state).field("waiting", &waiting).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::PasswordHash;
    use super::*;

    const LARGE: &str =
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

    fn hash(text: &str) -> PasswordHash {
        text.parse().expect("a hash")
    }

    /// What is kept, and what is in these hands.
    fn kib(queue: &HashQueue<u32>, taken: &[Memory]) -> usize {
        queue.idle.iter().chain(taken).map(Memory::kib).sum()
    }

    /// Who is next, and what is computed for it.
    fn start(
        queue: &mut HashQueue<u32>,
        taken: &mut Vec<Memory>,
        like: &PasswordHash,
    ) -> Option<u32> {
        let Some(Next::Compute(job, mut memory)) = queue.next() else {
            return None;
        };
        like.verifies_in("wrong", &mut memory).expect("there is memory");
        taken.push(memory);
        Some(job)
    }

    #[test]
    fn a_hundred_logins_take_the_memory_of_two() {
        let mut queue = HashQueue::new();
        let usual = PasswordHash::like_any();
        (0..100).for_each(|job| queue.push(usual.kib(), job, 100).expect("there is room"));
        assert_eq!(queue.push(usual.kib(), 100, 100), Err(100), "the queue is full");
        let mut taken = Vec::new();
        for job in 0..4 {
            assert_eq!(start(&mut queue, &mut taken, &usual), Some(job));
            if taken.len() == AT_ONCE {
                assert!(queue.next().is_none(), "it is nobody's turn");
                assert!(kib(&queue, &taken) <= MEMORY as usize);
                queue.finish(taken.pop());
            }
        }
        queue.finish(None);
        assert_eq!(queue.computed(), 3, "one was lost");
        assert!(kib(&queue, &[]) <= AT_ONCE * usual.kib() as usize);
    }

    #[test]
    fn a_large_hash_is_computed_alone_and_its_memory_given_back() {
        let (usual, large) = (PasswordHash::like_any(), hash(LARGE));
        let mut queue = HashQueue::new();
        let mut taken = Vec::new();
        for (job, like) in [&usual, &large, &usual].into_iter().enumerate() {
            queue.push(like.kib(), job as u32, 9).expect("there is room");
        }
        assert_eq!(start(&mut queue, &mut taken, &usual), Some(0));
        assert!(queue.next().is_none(), "the large one waits for the small one");
        queue.finish(taken.pop());
        assert_eq!(start(&mut queue, &mut taken, &large), Some(1));
        assert_eq!(kib(&queue, &taken), 0, "nothing of it is kept, nor of the one before");
        assert!(queue.next().is_none(), "the small one waits for the large one");
        queue.finish(taken.pop());
        assert_eq!(start(&mut queue, &mut taken, &usual), Some(2));
    }

    #[test]
    fn the_memory_is_given_back_when_nobody_waits_any_more() {
        let usual = PasswordHash::like_any();
        let (mut queue, mut taken) = (HashQueue::new(), Vec::new());
        (0..3).for_each(|job| queue.push(usual.kib(), job, 9).expect("there is room"));
        for job in 0..3 {
            assert_eq!(start(&mut queue, &mut taken, &usual), Some(job));
            queue.finish(taken.pop());
            assert_eq!(kib(&queue, &[]), usual.kib() as usize, "it is used again");
        }
        assert!(matches!(queue.next(), Some(Next::Free(idle)) if idle.len() == 1));
        assert_eq!(kib(&queue, &[]), 0);
        queue.push(usual.kib(), 3, 9).expect("there is room");
        assert!(queue.next().is_none(), "it is not free yet");
        queue.finish(None);
        assert_eq!(start(&mut queue, &mut taken, &usual), Some(3));
    }

    #[test]
    fn who_has_gone_is_not_waited_for() {
        let mut queue = HashQueue::new();
        (0..3).for_each(|job| queue.push(1, job, 9).expect("there is room"));
        queue.forget(|&job| job == 0);
        assert!(matches!(queue.next(), Some(Next::Compute(1, _))));
    }
}
