//! What else there is to do for a connection, beside what its state says.

/// Each part is one byte, and its first variant means that nothing is to be done. So one comparison, which
/// every message makes, shows that all parts are quiet.
#[derive(Clone, Copy)]
#[repr(C, align(4))]
pub(super) struct Pending {
    pub(super) reading: Reading,
    pub(super) mark: Mark,
    pub(super) listed: Listed,
    pub(super) between: Between,
}

/// What the protocol wants to be given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// What arrives.
    Fresh,
    /// What it has left in the inbox too, though nothing new has come.
    Again,
    /// Nothing: the program has paused it.
    Paused,
    /// Nothing: the one it is coupled with has to send first what it was given.
    Held,
    /// Nothing: the loop is shutting down, and it is told so when its offloaded work is back.
    Untold,
    /// As `Untold`, and the program has paused it.
    UntoldPaused,
}

/// How full the outbox is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// It has not been above its high mark, or has been at its low one since.
    Low,
    /// As `Low`, and somebody wants to know when it is at its low mark.
    Watched,
    /// It has been above its high mark: `on_drain` is owed.
    High,
    /// As `High`, and until then the connection is not read.
    Holding,
}

/// Which lists of the loop it stands on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    Nowhere,
    /// It is visited without an event.
    Ready,
    /// It is flushed at the end of the turn.
    Touched,
    Both,
}

/// What is between its bytes and the socket.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Between {
    Nothing,
    /// A layer that is being opened, and with it the connection.
    Opening,
    /// A layer that was put on an open connection. What is in the inbox came before it, and is for it.
    Starting,
    /// As `Starting`, and it has been given that.
    Securing,
    /// A layer, which is asked at each step: so it never takes the short ways.
    Layer,
    /// Nothing, and its bytes go to another connection.
    Couple,
}

impl Pending {
    pub(super) fn new() -> Self {
        Self {
            reading: Reading::Fresh,
            mark: Mark::Low,
            listed: Listed::Nowhere,
            between: Between::Nothing,
        }
    }

    /// Whether there is nothing to do but what its state says.
    pub(super) fn is_quiet(&self) -> bool {
        let Self { reading, mark, listed, between } = *self;
        [reading as u8, mark as u8, listed as u8, between as u8] == [0; 4]
    }

    /// Whether the connection is not to be read.
    pub(super) fn holds(self) -> bool {
        !matches!(self.reading, Reading::Fresh | Reading::Again)
            || self.mark == Mark::Holding
            || self.is_securing()
    }

    /// Whether its protocol has yet to hear that the layer on its open connection is open.
    pub(super) fn is_securing(self) -> bool {
        matches!(self.between, Between::Starting | Between::Securing)
    }

    /// What is in the inbox is to be offered again. One that is paused is offered it when it goes on.
    pub(super) fn offer_again(&mut self) {
        if self.reading == Reading::Fresh {
            self.reading = Reading::Again;
        }
    }
}

impl Listed {
    /// Puts it on the ready list; whether it was not there.
    pub(super) fn make_ready(&mut self) -> bool {
        let before = *self;
        *self = match before {
            Self::Nowhere | Self::Ready => Self::Ready,
            Self::Touched | Self::Both => Self::Both,
        };
        *self != before
    }

    pub(super) fn is_ready(self) -> bool {
        matches!(self, Self::Ready | Self::Both)
    }

    pub(super) fn unmake_ready(&mut self) {
        *self = match self {
            Self::Nowhere | Self::Ready => Self::Nowhere,
            Self::Touched | Self::Both => Self::Touched,
        };
    }

    /// Puts it on the list of those that are flushed; whether it was not there.
    pub(super) fn touch(&mut self) -> bool {
        let before = *self;
        *self = match before {
            Self::Nowhere | Self::Touched => Self::Touched,
            Self::Ready | Self::Both => Self::Both,
        };
        *self != before
    }

    pub(super) fn untouch(&mut self) {
        *self = match self {
            Self::Nowhere | Self::Touched => Self::Nowhere,
            Self::Ready | Self::Both => Self::Ready,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_there_is_to_do_is_no_quiet() {
        let quiet = Pending::new();
        assert!(quiet.is_quiet());
        let others = [
            Pending { reading: Reading::Again, ..quiet },
            Pending { reading: Reading::Paused, ..quiet },
            Pending { reading: Reading::Held, ..quiet },
            Pending { reading: Reading::Untold, ..quiet },
            Pending { reading: Reading::UntoldPaused, ..quiet },
            Pending { mark: Mark::Watched, ..quiet },
            Pending { mark: Mark::High, ..quiet },
            Pending { mark: Mark::Holding, ..quiet },
            Pending { listed: Listed::Ready, ..quiet },
            Pending { listed: Listed::Touched, ..quiet },
            Pending { listed: Listed::Both, ..quiet },
            Pending { between: Between::Layer, ..quiet },
            Pending { between: Between::Opening, ..quiet },
            Pending { between: Between::Starting, ..quiet },
            Pending { between: Between::Securing, ..quiet },
            Pending { between: Between::Couple, ..quiet },
        ];
        assert!(others.iter().all(|pending| !pending.is_quiet()));
    }

    #[test]
    fn the_two_lists_do_not_know_of_each_other() {
        let mut listed = Listed::Nowhere;
        assert!(listed.make_ready() && !listed.make_ready() && listed.is_ready());
        assert!(listed.touch() && !listed.touch());
        listed.unmake_ready();
        assert!(listed == Listed::Touched && listed.make_ready());
        listed.untouch();
        assert!(listed == Listed::Ready);
        listed.unmake_ready();
        assert!(listed == Listed::Nowhere && !listed.is_ready());
    }

    #[test]
    fn a_paused_connection_is_offered_nothing() {
        let mut pending = Pending { reading: Reading::Paused, ..Pending::new() };
        pending.offer_again();
        assert!(pending.holds() && pending.reading == Reading::Paused);
    }
}
