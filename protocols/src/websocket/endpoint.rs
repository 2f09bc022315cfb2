//! What the WebSockets of a program share: options, counters, and the buffers that one at a time needs.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use reactor::Registry;

use super::Options;
use super::wire::{Context, Deflater, Inflater, Scratch};

/// What the WebSockets of a loop share. Clones are the same one: a program makes one, and gives it to
/// everything that listens or connects.
///
/// Since one callback runs at a time, one buffer to unmask into is enough, one compressor and one
/// decompressor; so an idle WebSocket has none of them.
#[derive(Clone, Debug)]
pub struct Endpoint(Rc<Shared>);

struct Shared {
    options: Options,
    counters: Cell<Counters>,
    /// With the callback that reads, while there is one.
    reading: Cell<Option<Box<Reading>>>,
    tools: RefCell<Tools>,
}

/// What has been done, by all WebSockets of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// WebSockets that are open.
    pub open: u64,
    /// WebSockets that were ever open.
    pub opened: u64,
    /// Handshakes that were refused, by this side or the other.
    pub refused: u64,
    /// WebSockets whose peer broke a rule or a limit.
    pub failed: u64,
}

/// What reading one message at a time needs.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(super) scratch: Scratch,
    pub(super) inflater: Inflater,
}

impl Default for Reading {
    fn default() -> Self {
        Self { scratch: Scratch::default(), inflater: Inflater::new(Context::Fresh) }
    }
}

/// What writing one message at a time needs.
#[derive(Debug)]
pub(super) struct Tools {
    /// One for each window that a client may ask for, 9 to 15 bits.
    deflaters: [Deflater; 7],
    /// Where a compressed or masked message is written.
    pub(super) out: Vec<u8>,
    /// Half of the bits that the system gave, for the next frame.
    key: Option<[u8; 4]>,
}

impl Endpoint {
    /// One that has done nothing yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let level = options.deflate.as_ref().map_or(0, |it| it.level);
        let deflaters = [9, 10, 11, 12, 13, 14, 15]
            .map(|window_bits| Deflater::new(Context::Fresh, window_bits, level));
        let tools = RefCell::new(Tools { deflaters, out: Vec::new(), key: None });
        let (counters, reading) = (Cell::default(), Cell::default());
        Self(Rc::new(Shared { options, counters, reading, tools }))
    }

    /// What was decided about it.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// What it has done.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.0.counters.get()
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Counters)) {
        let mut counters = self.0.counters.get();
        change(&mut counters);
        self.0.counters.set(counters);
    }

    /// Takes out what reading needs, for the time of a callback: no other runs meanwhile. If that panics it is
    /// made anew.
    pub(super) fn take_reading(&self) -> Box<Reading> {
        self.0.reading.take().unwrap_or_default()
    }

    /// Puts it back, without what a long message needed.
    pub(super) fn give_back(&self, mut reading: Box<Reading>) {
        reading.scratch.shrink();
        self.0.reading.set(Some(reading));
    }

    /// Uses what there is one of. Nothing that a program wrote runs meanwhile.
    pub(super) fn with_tools<R>(&self, act: impl FnOnce(&mut Tools) -> R) -> R {
        act(&mut self.0.tools.borrow_mut())
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        Self::new(Options::default())
    }
}

impl Tools {
    /// The shared compressor of a window.
    pub(super) fn deflater(&mut self, window_bits: u8) -> &mut Deflater {
        let at = usize::from(window_bits.clamp(9, 15)) - 9;
        &mut self.deflaters[at]
    }

    /// A key for a client's next frame, which nobody can guess (RFC 6455, 10.3).
    pub(super) fn key<App>(&mut self, registry: &mut Registry<App>) -> [u8; 4] {
        if let Some(key) = self.key.take() {
            return key;
        }
        let [a, b, c, d, rest @ ..] = registry.random().to_ne_bytes();
        self.key = Some(rest);
        [a, b, c, d]
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counters = self.counters.get();
        let mut shown = f.debug_struct("Endpoint");
        shown.field("options", &self.options).field("counters", &counters).finish_non_exhaustive()
    }
}
