//! In the place of signals, where they are left out: the compiler says what to do.

use std::io;
use std::time::Duration;

use crate::Registry;

/// Nothing has it: it is there for what rustc says then.
#[diagnostic::on_unimplemented(
    message = "signals are left out of this build of `mio-reactor`",
    label = "this takes the feature `signals`, and Unix",
    note = "in Cargo.toml: mio-reactor = {{ .., features = [\"signals\"] }}"
)]
#[doc(hidden)]
pub trait WithSignals {}

impl<App> Registry<App> {
    // A method that is configured out is one that rustc has never heard of; of types it tells the feature itself.
    #[doc(hidden)]
    pub fn shutdown_on_signals(&mut self, _: Duration) -> io::Result<()>
    where
        Self: WithSignals,
    {
        Err(io::ErrorKind::Unsupported.into())
    }
}
