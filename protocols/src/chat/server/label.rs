//! The answers to a command that bears a label (IRCv3 labeled-response), until all are there.

use super::line::Line;

/// The label of a command, and what it was answered so far.
#[derive(Clone, Debug)]
pub(super) struct Label {
    pub(super) text: String,
    pub(super) replies: Vec<Line>,
}

impl Label {
    pub(super) fn new(text: String) -> Self {
        Self { text, replies: Vec::new() }
    }
}

/// Whether the answers are a batch already: the first and the last are in none, the others all are.
pub(super) fn is_one_batch(replies: &[Line]) -> bool {
    match replies {
        [first, between @ .., last] => {
            first.batch.is_none()
                && last.batch.is_none()
                && !between.is_empty()
                && between.iter().all(|line| line.batch.is_some())
        }
        _ => false,
    }
}
