//! Blocks behind each other, and the bytes of them that have come: pure.

use std::collections::VecDeque;
use std::ops::Range;

use crate::torrent::wire::message::Block;
use crate::torrent::wire::{Info, Span};

/// The most bytes of a run: so many that what is around an answer is nothing, and what others have meanwhile is little.
pub(super) const LONGEST: u64 = 4 << 20;

/// Blocks behind each other in the torrent, being fetched.
#[derive(Debug)]
pub(super) struct Run {
    /// No two of a seed have the same.
    pub(super) number: u64,
    /// Those that have not come.
    blocks: VecDeque<Block>,
    /// What has come of the first of them.
    begun: Vec<u8>,
    /// Where the bytes are that are next, and where the last ends, among the torrent's.
    left: Range<u64>,
    /// Where the answer ends that is under way.
    answer: u64,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A part of a file is to be asked for.
    Ask(Part),
    /// There is nothing left of it.
    Done,
}

/// A part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Which: see [`Info::files`].
    pub(super) file: usize,
    /// Its first byte.
    pub(super) offset: u64,
    /// How many.
    pub(super) length: u64,
}

/// A block, with its bytes.
pub(super) type Whole = (Block, Vec<u8>);

impl Run {
    /// The first of a queue, and as many of the others as lie behind it.
    pub(super) fn begin(number: u64, queue: &mut VecDeque<Block>, info: &Info) -> Option<Self> {
        let place = |block: &Block| info.block(block.piece, block.begin, block.length);
        let first = queue.pop_front()?;
        let bytes = place(&first)?;
        let (blocks, answer) = ([first].into(), bytes.start);
        let mut run = Self { number, blocks, begun: Vec::new(), left: bytes, answer };
        let is_next = |block: &Block, end| place(block).is_some_and(|bytes| bytes.start == end);
        while run.length() < LONGEST
            && let Some(at) = queue.iter().position(|block| is_next(block, run.left.end))
            && let Some(block) = queue.remove(at)
        {
            run.left.end += u64::from(block.length);
            run.blocks.push_back(block);
        }
        Some(run)
    }

    fn length(&self) -> u64 {
        self.left.end - self.left.start
    }

    /// What comes next, behind an answer. Padding is in no file, and is zeros: blocks that end in it are there then.
    pub(super) fn next(&mut self, info: &Info, whole: &mut Vec<Whole>) -> Step {
        while let Some(span) = info.spans(self.left.clone()).next() {
            match span {
                Span::File { file, offset, length } => {
                    self.answer = self.left.start + length;
                    return Step::Ask(Part { file, offset, length });
                }
                Span::Padding { length } => {
                    self.answer = self.left.start + length;
                    let zeros = vec![0; usize::try_from(length).unwrap_or_default()];
                    self.take(&zeros, whole);
                }
            }
        }
        Step::Done
    }

    /// Takes bytes of an answer; whether so many belong to it.
    pub(super) fn take(&mut self, mut bytes: &[u8], whole: &mut Vec<Whole>) -> bool {
        if bytes.len() as u64 > self.answer - self.left.start {
            return false;
        }
        self.left.start += bytes.len() as u64;
        while let Some(block) = self.blocks.front().copied()
            && !bytes.is_empty()
        {
            let lacks = block.length as usize - self.begun.len();
            let (of_this, rest) = bytes.split_at(lacks.min(bytes.len()));
            self.begun.extend_from_slice(of_this);
            bytes = rest;
            if self.begun.len() == block.length as usize {
                whole.push((block, std::mem::take(&mut self.begun)));
                self.blocks.pop_front();
            }
        }
        true
    }

    /// Whether the answer is whole.
    pub(super) fn is_answered(&self) -> bool {
        self.left.start == self.answer
    }
}
