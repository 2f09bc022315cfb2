//! When connections are encrypted.

/// When connections are encrypted. What goes over one that is, is enciphered where both sides want that, or only its
/// beginning is.
///
/// | | dials | falls back to | accepts | of the methods it takes |
/// |---|---|---|---|---|
/// | `Off` | plain | | plain | |
/// | `Allow` | plain | encrypted | both | plain, else RC4 |
/// | `Prefer` | encrypted | plain | both | RC4, else plain |
/// | `Require` | encrypted | | encrypted | RC4 |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encryption {
    /// Never.
    Off,
    /// Where the peer wants it: nothing is enciphered that need not be.
    #[default]
    Allow,
    /// Where the peer can.
    Prefer,
    /// Always: peers that cannot are not met.
    Require,
}

/// What becomes of the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Plain = 1,
    Rc4 = 2,
}

impl Encryption {
    /// Whether a connection may be plain from its first byte on.
    #[must_use]
    pub fn allows_plain(self) -> bool {
        self != Self::Require
    }

    /// Whether it may be encrypted.
    #[must_use]
    pub fn allows_encrypted(self) -> bool {
        self != Self::Off
    }

    /// Whether a peer that is dialled is first spoken to like that.
    #[must_use]
    pub fn dials_encrypted(self) -> bool {
        matches!(self, Self::Prefer | Self::Require)
    }

    /// The methods that may be, those that are liked more first.
    fn methods(self) -> &'static [Method] {
        match self {
            Self::Off => &[],
            Self::Allow => &[Method::Plain, Method::Rc4],
            Self::Prefer => &[Method::Rc4, Method::Plain],
            Self::Require => &[Method::Rc4],
        }
    }

    /// All of them, a bit each.
    pub(super) fn offer(self) -> u32 {
        self.methods().iter().map(|method| *method as u32).sum()
    }

    /// Which of those that are offered is taken.
    pub(super) fn choose(self, offered: u32) -> Option<Method> {
        self.methods().iter().copied().find(|method| offered & *method as u32 != 0)
    }

    /// Which one the other side has chosen.
    pub(super) fn chosen(self, chosen: u32) -> Option<Method> {
        self.methods().iter().copied().find(|method| *method as u32 == chosen)
    }
}
