//! How full an outbox is, for those who fill it.

/// Whether a connection that was sent something has more queued than it should.
///
/// ```
/// # use bytes::Bytes;
/// # use reactor::{ConnectionId, Input, Pressure, Transport};
/// /// Passes on what has come, and reads no more of it than the receiver takes.
/// fn pass_on<App>(transport: &mut Transport<'_, App>, input: &mut Input<'_>, receiver: ConnectionId) {
///     let bytes = Bytes::copy_from_slice(input.take_all());
///     match transport.registry().send(receiver, bytes) {
///         Ok(Pressure::Low) => {}
///         Ok(Pressure::High) => transport.pause_until_drained(receiver),
///         Err(_) => transport.close(),
///     }
/// }
/// ```
#[must_use = "a receiver above its mark should be sent no more until it has drained"]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pressure {
    /// It takes more.
    Low,
    /// Its queue is above [`outbox_high`](crate::StreamLimits::outbox_high): send no more until it has drained.
    /// [`Transport::pause_until_drained`](crate::Transport::pause_until_drained) waits for that, and
    /// [`Registry::when_drained`](crate::Registry::when_drained) tells of it.
    High,
}

impl Pressure {
    /// Whether it is above its mark.
    #[must_use]
    pub fn is_high(self) -> bool {
        self == Self::High
    }
}
