//! What there is of some exchanges only.

use super::Record;

/// What there is of some exchanges only, in a box of its own while there is any of it: of ten thousand connections
/// that are idle each pays eight bytes.
pub(super) struct Aside<K: ?Sized>(Option<Box<Contents<K>>>);

struct Contents<K: ?Sized> {
    /// What will be told of the exchange, if anybody listens.
    record: Option<Record>,
    /// What a handler keeps with the exchange.
    kept: Option<Box<K>>,
}

impl<K: ?Sized> Aside<K> {
    pub(super) const NOTHING: Self = Self(None);

    pub(super) fn set_record(&mut self, record: Record) {
        self.contents().record = Some(record);
    }

    #[inline]
    pub(super) fn record(&mut self) -> Option<&mut Record> {
        self.0.as_mut()?.record.as_mut()
    }

    #[inline]
    pub(super) fn take_record(&mut self) -> Option<Record> {
        let record = self.0.as_mut()?.record.take();
        self.tidy();
        record
    }

    pub(super) fn keep(&mut self, kept: Box<K>) {
        self.contents().kept = Some(kept);
    }

    pub(super) fn kept(&self) -> Option<&K> {
        self.0.as_ref()?.kept.as_deref()
    }

    pub(super) fn take_kept(&mut self) -> Option<Box<K>> {
        let kept = self.0.as_mut()?.kept.take();
        self.tidy();
        kept
    }

    fn contents(&mut self) -> &mut Contents<K> {
        self.0.get_or_insert_with(|| Box::new(Contents { record: None, kept: None }))
    }

    /// Something was taken out: without anything else there is no box.
    fn tidy(&mut self) {
        self.0.take_if(|it| it.record.is_none() && it.kept.is_none());
    }
}
