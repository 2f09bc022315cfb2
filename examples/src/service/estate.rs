//! What one process at a time may have beside its sockets, and leaves to its successor: a file that it writes.

use std::error::Error;
use std::fmt;
use std::rc::Rc;

use reactor::Registry;

/// Lets go of something before a successor is started, and takes it back if there is to be none.
pub struct Estate<App> {
    pub(super) let_go: Rc<LetGo<App>>,
    pub(super) take_back: Rc<TakeBack<App>>,
    pub(super) leave: Rc<Leave<App>>,
}

/// Is told that it is free, or why it is not.
pub type Then<App> = Box<dyn FnOnce(&mut Registry<App>, &mut App, Result<(), String>)>;

type LetGo<App> = dyn Fn(&mut Registry<App>, &mut App, Then<App>);
type Leave<App> = dyn Fn(&mut Registry<App>, &mut App);
type TakeBack<App> = dyn Fn(&mut Registry<App>, &mut App) -> Result<(), Box<dyn Error>>;

impl<App> Estate<App> {
    /// `let_go` is called first, and the successor is started when it says that what it had is free. `take_back` is
    /// called if the successor fails, and again after a while if it fails itself.
    pub fn new(
        let_go: impl Fn(&mut Registry<App>, &mut App, Then<App>) + 'static,
        take_back: impl Fn(&mut Registry<App>, &mut App) -> Result<(), Box<dyn Error>> + 'static,
    ) -> Self {
        Self { let_go: Rc::new(let_go), take_back: Rc::new(take_back), leave: Rc::new(|_, _| {}) }
    }

    /// `leave` is called once the successor has taken over: connections that this process has opened itself are to be
    /// closed then, as it ends when all are.
    #[must_use]
    pub fn with_leave(self, leave: impl Fn(&mut Registry<App>, &mut App) + 'static) -> Self {
        Self { leave: Rc::new(leave), ..self }
    }

    /// There is nothing.
    pub(super) fn none() -> Self
    where
        App: 'static,
    {
        Self::new(|registry, app, then| then(registry, app, Ok(())), |_, _| Ok(()))
    }
}

impl<App> fmt::Debug for Estate<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Estate")
    }
}
