//! Where simulated sockets are kept: in a store of their simulation's thread, each under a number.
//!
//! A number takes four bytes, which a real socket has to spare: a connection is no larger with the
//! feature `sim` than without. And it may go to another thread, as a detached socket may, where it
//! finds nothing.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::thread::{self, LocalKey, ThreadId};

use slab::Slab;

/// What is kept so, and the store for its like.
pub(super) trait Simulated: Sized + 'static {
    fn store() -> &'static LocalKey<RefCell<Slab<Self>>>;
}

/// A simulated socket of this thread; closed when this is dropped.
pub(super) struct Kept<S: Simulated> {
    number: u32,
    /// It names a socket in this thread's store, and so stays with it.
    kind: PhantomData<*const S>,
}

/// A simulated socket out of its loop, on whatever thread it is held.
///
/// Dropped on another thread than its simulation's it stays open until that one ends.
pub(super) struct Detached<S: Simulated> {
    number: u32,
    thread: ThreadId,
    kind: PhantomData<fn() -> S>,
}

impl<S: Simulated> Kept<S> {
    /// Puts a socket in the store.
    pub(super) fn new(socket: S) -> Self {
        let number = S::store().with_borrow_mut(|store| store.insert(socket));
        let Ok(number) = u32::try_from(number) else {
            unreachable!("no memory holds as many sockets");
        };
        Self { number, kind: PhantomData }
    }

    pub(super) fn with<R>(&self, ask: impl FnOnce(&S) -> R) -> R {
        S::store().with_borrow(|store| ask(&store[self.number as usize]))
    }

    pub(super) fn detach(self) -> Detached<S> {
        let detached =
            Detached { number: self.number, thread: thread::current().id(), kind: PhantomData };
        std::mem::forget(self);
        detached
    }
}

impl<S: Simulated> Drop for Kept<S> {
    /// Closes the socket, once the store is free for what closing may do. A thread that ends clears
    /// its store itself.
    fn drop(&mut self) {
        let number = self.number as usize;
        let socket = S::store().try_with(|store| store.borrow_mut().try_remove(number));
        drop(socket);
    }
}

impl<S: Simulated> Detached<S> {
    /// The socket for a loop of this thread, if it is of this thread.
    pub(super) fn attach(self) -> Option<Kept<S>> {
        let kept = self.kept();
        std::mem::forget(self);
        kept
    }

    fn kept(&self) -> Option<Kept<S>> {
        (self.thread == thread::current().id())
            .then(|| Kept { number: self.number, kind: PhantomData })
    }
}

impl<S: Simulated> Drop for Detached<S> {
    fn drop(&mut self) {
        drop(self.kept());
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Counts, while it is open.
    struct Open(&'static LocalKey<Cell<u32>>);

    thread_local! {
        static OPEN: Cell<u32> = const { Cell::new(0) };
        static STORE: RefCell<Slab<Open>> = const { RefCell::new(Slab::new()) };
    }

    impl Open {
        fn kept() -> Kept<Self> {
            OPEN.set(OPEN.get() + 1);
            Kept::new(Self(&OPEN))
        }
    }

    impl Drop for Open {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }

    impl Simulated for Open {
        fn store() -> &'static LocalKey<RefCell<Slab<Self>>> {
            &STORE
        }
    }

    #[test]
    fn a_socket_is_closed_with_its_number() {
        let (first, second) = (Open::kept(), Open::kept());
        assert_eq!(first.with(|socket| socket.0.get()), 2);
        drop(first);
        assert_eq!(second.with(|socket| socket.0.get()), 1);
        drop(second.detach());
        assert_eq!(OPEN.get(), 0);
    }

    #[test]
    fn a_detached_socket_is_attached_again_on_its_own_thread_alone() {
        let (kept, lent) = (Open::kept().detach(), Open::kept().detach());
        let found = thread::spawn(|| lent.attach().is_some()).join().expect("it did not panic");
        assert!(!found);
        let kept = kept.attach().expect("it is of this thread");
        assert_eq!(kept.with(|socket| socket.0.get()), 2);
        drop(kept);
        // Another thread cannot close it.
        assert_eq!(OPEN.get(), 1);
    }

    #[test]
    fn a_detached_socket_may_go_to_another_thread() {
        fn goes_anywhere<T: Send + Sync>() {}
        goes_anywhere::<crate::StdStream>();
        goes_anywhere::<crate::StdListener>();
        goes_anywhere::<crate::StdDatagram>();
        goes_anywhere::<crate::net::Waker>();
    }
}
