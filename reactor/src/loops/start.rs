//! The beginning of several loops: all know each other, then each is set up in its turn, then all run.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::LoopGroup;
use crate::Handle;

pub(super) struct Start<App> {
    state: Mutex<State<App>>,
    changed: Condvar,
    count: usize,
}

enum State<App> {
    /// Those that have a reactor. In the order in which they came: each at its index.
    Joining(Vec<Option<Handle<App>>>),
    /// So many are set up: the next one's turn is it.
    SettingUp(usize, LoopGroup<App>),
    /// All are set up, or one has ended and nobody else begins.
    Over,
}

impl<App> Start<App> {
    pub(super) fn new(count: usize) -> Self {
        let none = (0..count).map(|_| None).collect();
        Self { state: Mutex::new(State::Joining(none)), changed: Condvar::new(), count }
    }

    /// Makes a loop known to the others, and waits until it is this one's turn to be set up; `None` if that
    /// never comes.
    pub(super) fn join(&self, index: usize, handle: Handle<App>) -> Option<LoopGroup<App>> {
        let mut state = self.lock();
        if let State::Joining(handles) = &mut *state {
            handles.get_mut(index).map(|place| place.replace(handle));
            if handles.iter().all(Option::is_some) {
                let group = LoopGroup::new(handles.drain(..).flatten().collect());
                *state = State::SettingUp(0, group);
                self.changed.notify_all();
            }
        }
        let is_waiting = |state: &mut State<App>| match state {
            State::Joining(_) => true,
            State::SettingUp(turn, _) => *turn != index,
            State::Over => false,
        };
        let state = self.changed.wait_while(state, is_waiting);
        match &*state.unwrap_or_else(PoisonError::into_inner) {
            State::SettingUp(_, group) => Some(group.clone()),
            _ => None,
        }
    }

    /// A loop is set up: the next one's turn has come. Waits until all are, or one has ended.
    pub(super) fn set_up(&self, index: usize) {
        let mut state = self.lock();
        match &mut *state {
            State::SettingUp(turn, _) if *turn == index => *turn += 1,
            // It runs for the second time.
            _ => return,
        }
        if matches!(*state, State::SettingUp(turn, _) if turn == self.count) {
            *state = State::Over;
        }
        self.changed.notify_all();
        let state = self.changed.wait_while(state, |state| !matches!(state, State::Over));
        drop(state.unwrap_or_else(PoisonError::into_inner));
    }

    /// Nobody else begins.
    pub(super) fn stop(&self) {
        *self.lock() = State::Over;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<App>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
