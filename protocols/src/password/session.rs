//! From a queue to the loop's threads, and back to the session that waits.

use reactor::{ConnectionId, PostError, Protocol, Registry, Transport};

use super::queue::Next;
use super::{HashQueue, Memory, PasswordError};

/// What is computed for a session, on a thread other than the loop's.
pub(crate) struct Check<A> {
    pub(crate) session: ConnectionId,
    compute: Compute<A>,
}

impl<A> Check<A> {
    pub(crate) fn new(
        session: ConnectionId,
        compute: impl FnOnce(&mut Memory) -> Result<A, PasswordError> + Send + 'static,
    ) -> Self {
        Self { session, compute: Box::new(compute) }
    }
}

type Compute<A> = Box<dyn FnOnce(&mut Memory) -> Result<A, PasswordError> + Send>;

/// A session that may have to wait until somebody's password is looked at.
///
/// ```text
///   push ──▶ HashQueue ──its turn──▶ Registry::offload ──▶ finish ──▶ Registry::with ──▶ handle_answer
///     │ too many wait: back       │ nobody can do it            ▲   │ the session has gone:
///                                 └─────────────────────────────┘   │ nobody hears of it
/// ```
pub(crate) trait HashingSession<App: 'static>: Protocol<App> + Sized + 'static {
    /// What comes of a hash.
    type Answer: Send + 'static;

    /// The queue of its server.
    fn hash_queue(app: &mut App) -> &mut HashQueue<Check<Self::Answer>>;

    /// What it waited for: the answer, or why there will be none.
    fn handle_answer(
        &mut self,
        transport: &mut Transport<'_, App>,
        app: &mut App,
        answer: Result<Self::Answer, PasswordError>,
    );

    /// Has everything computed whose turn it is: after a password was queued, or one of those who wait has gone.
    fn compute_next(registry: &mut Registry<App>, app: &mut App) {
        while let Some(next) = Self::hash_queue(app).next() {
            let begun = match next {
                Next::Compute(check, memory) => Self::compute(registry, check, memory),
                Next::Free(memory) => registry.offload(
                    move || drop(memory),
                    |registry, app, _| {
                        Self::hash_queue(app).finish(None);
                        Self::compute_next(registry, app);
                    },
                ),
            };
            if begun.is_err() {
                Self::hash_queue(app).finish(None);
            }
        }
    }

    /// The queue hears of it even if the session does not: it has the memory back, and the next in turn.
    fn compute(
        registry: &mut Registry<App>,
        Check { session, compute }: Check<Self::Answer>,
        mut memory: Memory,
    ) -> Result<(), PostError<()>> {
        let begun = registry.offload(
            move || (compute(&mut memory), memory),
            move |registry, app, result| {
                let (answer, memory) = match result {
                    Ok((answer, memory)) => (answer, Some(memory)),
                    Err(error) => (Err(PasswordError::not_hashed(error)), None),
                };
                Self::hash_queue(app).finish(memory);
                Self::answer(registry, session, answer);
                Self::compute_next(registry, app);
            },
        );
        begun.inspect_err(|error| {
            Self::answer(registry, session, Err(PasswordError::not_hashed(error)));
        })
    }

    /// Whoever has gone waits for no answer.
    fn answer(
        registry: &mut Registry<App>,
        session: ConnectionId,
        answer: Result<Self::Answer, PasswordError>,
    ) {
        let _ = registry.with(session, |session: &mut Self, transport, app| {
            session.handle_answer(transport, app, answer);
        });
    }
}
