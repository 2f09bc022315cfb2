//! What the loop has noted about one connection, a bit each.

/// Which lists of the loop this connection stands on, what it is owed, and why it is not read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Notes(pub(super) u16);

impl Notes {
    pub(super) const READY: u16 = 1;
    pub(super) const TOUCHED: u16 = 2;
    /// Its guard has to be armed anew.
    pub(super) const GUARD: u16 = 4;
    /// The inbox has to be offered again, with nothing new.
    pub(super) const OFFER: u16 = 8;
    /// The socket may have duplicates, which would keep its registration alive.
    pub(super) const SHARED: u16 = 16;
    /// It is counted against its peer's address.
    pub(super) const COUNTED: u16 = 32;
    /// Not read: the program asked for it.
    pub(super) const PAUSED: u16 = 64;
    /// The outbox is above its high mark: `on_drain` is owed.
    pub(super) const OUTBOX_HIGH: u16 = 128;
    /// Not read: for that reason.
    pub(super) const HELD: u16 = 512;
    /// It has a layer: what has to be thought of for it is not asked for on the short ways.
    pub(super) const LAYERED: u16 = 1024;
    /// Its layer is being opened.
    pub(super) const SHAKING: u16 = 2048;
    /// Not read: its protocol has yet to hear that its layer is open.
    pub(super) const SECURING: u16 = 4096;
    /// What the inbox holds came before the layer, and is for that.
    pub(super) const UNFED: u16 = 8192;
    /// Its protocol has been told that it is open.
    pub(super) const OPENED: u16 = 256;

    /// Whether there is more to be known of it than where it came from.
    pub(super) fn ask_for_work(self) -> bool {
        self.0 & !(Self::SHARED | Self::COUNTED | Self::OPENED) != 0
    }

    /// Whether the connection is not to be read.
    pub(super) fn hold(self) -> bool {
        self.has(Self::PAUSED | Self::HELD | Self::SECURING)
    }

    pub(super) fn has(self, note: u16) -> bool {
        self.0 & note != 0
    }

    pub(super) fn set(&mut self, note: u16) {
        self.0 |= note;
    }

    /// Clears a note; whether it was set.
    pub(super) fn take(&mut self, note: u16) -> bool {
        let had = self.has(note);
        self.0 &= !note;
        had
    }
}
