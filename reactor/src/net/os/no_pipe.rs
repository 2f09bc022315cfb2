//! Pipes on systems without splice(2): there are none, and all bytes are copied.

use std::io;

/// There is none.
#[derive(Debug)]
pub(crate) enum Pipe {}

impl Pipe {
    pub(crate) fn new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn len(&self) -> usize {
        match *self {}
    }

    pub(crate) fn is_empty(&self) -> bool {
        match *self {}
    }

    pub(super) fn fill<S>(&mut self, _: S) -> io::Result<usize> {
        match *self {}
    }

    pub(super) fn pour<S>(&mut self, _: S) -> io::Result<usize> {
        match *self {}
    }

    pub(crate) fn take(&mut self) -> Vec<u8> {
        match *self {}
    }
}

pub(crate) fn cannot_splice(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
}
