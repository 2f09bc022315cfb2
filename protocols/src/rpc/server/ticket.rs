//! An answer that comes later.

use reactor::Registry;
use serde::Serialize;

use super::super::place::Claim;
use super::super::wire::Bounded;
use super::super::{Error, Gone};

/// The right to answer one call, once: from a timer, from work on a thread, from another connection.
///
/// A call that is not answered within [`Limits::answer`](crate::rpc::Limits::answer) has failed, so a
/// ticket that is lost costs its caller that time.
///
/// ```
/// use protocols::rpc::Service;
/// use std::time::Duration;
///
/// let mut service = Service::<()>::new("clock", "1.0.0");
/// service.later::<(u64,), u64>("sleep", "Answers after so many ms", |call, (ms,), ticket| {
///     let set = call.registry.after(Duration::from_millis(ms), move |registry, _| {
///         let _ = ticket.answer(registry, Ok(ms));
///     });
///     set.map(drop).map_err(protocols::rpc::Error::internal)
/// });
/// ```
#[derive(Clone, Debug)]
pub struct Ticket {
    /// `None`: a notification's.
    claim: Option<Claim>,
    ceiling: usize,
}

impl Ticket {
    pub(super) fn new(claim: Option<Claim>, ceiling: usize) -> Self {
        Self { claim, ceiling }
    }

    pub(super) fn into_claim(self) -> Option<Claim> {
        self.claim
    }

    /// Answers. Of several answers to one call the first counts.
    ///
    /// # Errors
    ///
    /// If whoever called is not connected any more.
    pub fn answer<App: 'static, R: Serialize>(
        &self,
        registry: &mut Registry<App>,
        result: Result<R, Error>,
    ) -> Result<(), Gone> {
        let Some(&Claim { place, number, .. }) = self.claim.as_ref() else {
            return Ok(());
        };
        let result = result.and_then(|result| {
            let mut text = Vec::new();
            Bounded::append(&mut text, &result, self.ceiling).map(|()| text)
        });
        place.reach(registry, move |conversation, channel, app: &mut App| {
            conversation.handle_answer(number, result, channel, app);
        })
    }

    /// Tells the caller how far it is: a notification `$/progress`, whose `token` is the call's id and
    /// whose `value` is this (LSP 3.17, "Progress Support"). A caller by HTTP cannot be told.
    ///
    /// # Errors
    ///
    /// If whoever called is not connected any more.
    pub fn progress<App: 'static>(
        &self,
        registry: &mut Registry<App>,
        value: &impl Serialize,
    ) -> Result<(), Gone> {
        let (Some(claim), Ok(value)) = (&self.claim, serde_json::to_string(value)) else {
            return Ok(());
        };
        let &Claim { place, number, .. } = claim;
        place.reach(registry, move |conversation, channel, _: &mut App| {
            conversation.handle_progress(number, &value, channel);
        })
    }

    /// Whether nobody waits for the answer any more: the call was cancelled, it took too long, or its
    /// connection has ended. It can be asked on any thread.
    #[must_use]
    pub fn is_void(&self) -> bool {
        self.claim.as_ref().is_some_and(Claim::is_void)
    }
}
