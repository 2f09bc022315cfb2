//! TLS as a layer of the stream.

use std::io;

use super::Layer;
use crate::tls::Engine;

impl Layer for Engine {
    fn begin(&mut self, wire: &mut Vec<u8>) {
        Self::begin(self, wire);
    }

    fn receive(
        &mut self,
        bytes: &mut [u8],
        plain: &mut Vec<u8>,
        wire: &mut Vec<u8>,
    ) -> io::Result<()> {
        self.feed(bytes, plain, wire).map_err(io::Error::from)
    }

    fn send(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> io::Result<()> {
        self.write(plain, wire).map_err(io::Error::from)
    }

    fn finish(&mut self, wire: &mut Vec<u8>) {
        self.close(wire);
    }

    fn rest(&mut self) {
        Self::rest(self);
    }

    fn is_open(&self) -> bool {
        Self::is_open(self)
    }

    fn has_ended(&self) -> bool {
        Self::has_ended(self)
    }
}
