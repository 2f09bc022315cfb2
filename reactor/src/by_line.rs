//! Protocols of lines: each is told of one line at a time, and of nothing that is not one.

use std::ops::{Deref, DerefMut};

use crate::framing::{Line, Lines};
use crate::registry::{Idle, Protocol, Registry, SentFile};
use crate::{Closed, Input, TimerKey, Transport};

/// A protocol that is told of lines instead of bytes, by [`ByLine`].
///
/// What else happens to its connection it hears of as any [`Protocol`] does, which for many is nothing:
/// `impl<App> Protocol<App> for Session {}`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `LineProtocol` of connections of this application",
    note = "`ByLine::new` takes a protocol that has `on_line`, and `impl Protocol` beside it, be it empty"
)]
pub trait LineProtocol<App>: Protocol<App> {
    /// A line has come, without its end (LF or CR LF).
    ///
    /// One that closes the connection here, pauses it, or hands it to another protocol, is told of no other line: what
    /// stands behind it is dropped, kept, or the other's.
    fn on_line(&mut self, transport: &mut Transport<'_, App>, line: &[u8], app: &mut App);

    /// A line is longer than may be. It is thrown away as it comes, and told of once. The default resets the
    /// connection ([`Aborted`](crate::CloseReason::Aborted)); one that answers and goes on is as good.
    fn on_long_line(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        let _ = app;
        transport.abort();
    }
}

/// Cuts what a connection receives into lines, for a [`LineProtocol`].
///
/// ```
/// use reactor::{ByLine, LineProtocol, Protocol, Reactor, Transport};
///
/// /// Answers every line with its length.
/// struct Lengths;
///
/// impl<App> Protocol<App> for Lengths {}
///
/// impl<App> LineProtocol<App> for Lengths {
///     fn on_line(&mut self, transport: &mut Transport<'_, App>, line: &[u8], _: &mut App) {
///         match line {
///             b"QUIT" => transport.close(),
///             line => transport.write(format!("{}\n", line.len()).as_bytes()),
///         }
///     }
/// }
///
/// let mut reactor = Reactor::<()>::new()?;
/// let address = "127.0.0.1:0".parse()?;
/// reactor.registry().listen(address, |_peer, _app| ByLine::new(1_024, Lengths))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It does what a loop over [`Lines`] in [`on_data`](Protocol::on_data) has to think of as well:
///
/// - **Short questions can have long answers.** Whoever does not take them is not asked for more: the lines behind
///   wait until what is queued has fallen to [`outbox_low`](crate::StreamLimits::outbox_low). Where
///   [`outbox_holds_reading`](crate::StreamLimits::outbox_holds_reading) is off, as for clients, they do not wait.
/// - **A shutdown** of the loop is told ([`on_shutdown`](Protocol::on_shutdown)) when the whole lines that were read
///   are dealt with, and what they have offloaded is back, so nobody's question is dropped who had asked it before. If
///   one of them has handed the connection to another protocol, that is told.
/// - **The ceiling** is for one line. It has to be below [`StreamLimits::inbox`](crate::StreamLimits::inbox).
///
/// The beginning of a line behind which the connection ends is no line, and dropped.
///
/// [`Registry::with`] and [`Transport::offload`] lend the protocol in it by its own type, here as `&mut Lengths`; and
/// the whole as `&mut ByLine<Lengths>`.
#[derive(Clone, Debug)]
pub struct ByLine<P> {
    lines: Lines,
    /// The loop shuts down, and the protocol is to be told of it behind the lines that were read before.
    has_to_be_told: bool,
    protocol: P,
}

impl<P> ByLine<P> {
    /// Lines of at most `ceiling` bytes, not counting their end, for this protocol.
    #[must_use]
    pub fn new(ceiling: usize, protocol: P) -> Self {
        Self { lines: Lines::new(ceiling), has_to_be_told: false, protocol }
    }

    /// Whether so many bytes, which are all that is left, have no whole line in them.
    fn has_searched(&self, left: usize) -> bool {
        self.lines.searched() >= left
    }

    /// Whether the answers that are not sent yet are so many that the next line may have to wait for them.
    fn has_much_to_send<App>(transport: &Transport<'_, App>, input: &Input<'_>) -> bool {
        !input.is_empty()
            && transport.limits().outbox_holds_reading
            && transport.pressure().is_high()
    }
}

impl<P> Deref for ByLine<P> {
    type Target = P;

    fn deref(&self) -> &P {
        &self.protocol
    }
}

impl<P> DerefMut for ByLine<P> {
    fn deref_mut(&mut self) -> &mut P {
        &mut self.protocol
    }
}

impl<App, P: LineProtocol<App>> Protocol<App> for ByLine<P> {
    fn on_data(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        while transport.wants_input() {
            if Self::has_much_to_send(transport, input) {
                // What the system does not take holds the connection, up to the low mark.
                transport.send_gathered();
                if !transport.wants_input() {
                    break;
                }
            }
            match self.lines.next(input) {
                Line::Whole(line) => self.protocol.on_line(transport, line, app),
                Line::TooLong => self.protocol.on_long_line(transport, app),
                Line::Partial => break,
            }
        }
        if self.has_to_be_told && self.has_searched(input.len()) {
            // The loop knows whether it is still to be told: it may have closed, or wait for what it has offloaded.
            let id = transport.id();
            transport.registry().tell_anew(id.0);
        }
    }

    fn on_shutdown(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        // Lines that are left are offered when the connection goes on.
        self.has_to_be_told = !self.has_searched(transport.unread_bytes());
        if !self.has_to_be_told {
            self.protocol.on_shutdown(transport, app);
        }
    }

    // ── what is no concern of lines ─────────────────────────────────────────────────────────

    fn on_open(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        self.protocol.on_open(transport, app);
    }

    fn on_secure(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        self.protocol.on_secure(transport, app);
    }

    fn on_end(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        self.protocol.on_end(transport, app);
    }

    fn on_drain(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        self.protocol.on_drain(transport, app);
    }

    fn on_file_sent(&mut self, transport: &mut Transport<'_, App>, file: SentFile, app: &mut App) {
        self.protocol.on_file_sent(transport, file, app);
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, App>, key: TimerKey, app: &mut App) {
        self.protocol.on_timer(transport, key, app);
    }

    fn on_idle(&mut self, transport: &mut Transport<'_, App>, app: &mut App) -> Idle {
        self.protocol.on_idle(transport, app)
    }

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &Closed, app: &mut App) {
        self.protocol.on_close(registry, closed, app);
    }

    fn inside(&mut self) -> Option<&mut (dyn Protocol<App> + 'static)>
    where
        Self: 'static,
    {
        Some(&mut self.protocol)
    }
}
