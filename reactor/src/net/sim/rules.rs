//! What a test says about single packets.

use std::time::Duration;

use crate::Address;

/// Something that leaves one host for another, shown to the rules of
/// [`Network::rule`](crate::sim::Network::rule).
#[derive(Debug)]
#[non_exhaustive]
pub struct Segment<'a> {
    /// When, since the network began.
    pub at: Duration,
    /// Who sends it.
    pub from: Address,
    /// To whom.
    pub to: Address,
    /// What it carries.
    pub payload: Payload<'a>,
}

/// What a [`Segment`] carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// A part of a stream: what one write has handed over.
    Bytes(&'a [u8]),
    /// The end of a stream.
    Fin,
    /// A reset.
    Reset,
    /// A datagram.
    Datagram(&'a [u8]),
}

/// What is to become of a [`Segment`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing out of the ordinary; the next rule is asked.
    #[default]
    Pass,
    /// It is lost. A part of a stream is sent again by its host, a datagram is not.
    Drop,
    /// It is so much later.
    Delay(Duration),
    /// A datagram arrives twice; streams are not changed by it.
    Duplicate,
    /// A bit of a datagram is flipped; streams have their checksums.
    Corrupt,
    /// The connection is reset on both sides; a datagram is dropped.
    Reset,
}

pub(crate) type Rule = Box<dyn FnMut(&Segment<'_>) -> Verdict>;

/// The rules of a network, asked in order until one does not pass.
#[derive(Default)]
pub(crate) struct Rules(Vec<Rule>);

impl Rules {
    pub(crate) fn add(&mut self, rule: Rule) {
        self.0.push(rule);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn judge(&mut self, segment: &Segment<'_>) -> Verdict {
        let mut verdicts = self.0.iter_mut().map(|rule| rule(segment));
        verdicts.find(|verdict| *verdict != Verdict::Pass).unwrap_or_default()
    }
}
