//! Text as Telnet has it (RFC 764): a line ends with CR LF, and a CR that ends none has a NUL behind it.
//!
//! ```text
//!   a file        a  LF            b  CR            c
//!                 │  ├──┐          │  ├───┐         │
//!   a datagram    a  CR LF         b  CR NUL        c        two bytes, which may be in two blocks
//! ```
//!
//! A file here has the line ends of Unix, on every system: what is converted there is what is
//! converted back.

use std::io::{self, BufRead, Read, Write};

const NUL: u8 = 0;
const LF: u8 = b'\n';
const CR: u8 = b'\r';

/// Reads a file as netascii.
///
/// ```
/// use protocols::transfer::tftp::netascii::Encoder;
/// use std::io::Read;
///
/// let mut text = String::new();
/// Encoder::new(&b"one\ntwo"[..]).read_to_string(&mut text)?;
/// assert_eq!(text, "one\r\ntwo");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Encoder<R> {
    file: R,
    /// The second of two bytes, for which there was no room.
    owed: Option<u8>,
}

impl<R: BufRead> Encoder<R> {
    /// Reads this file, as netascii.
    pub fn new(file: R) -> Self {
        Self { file, owed: None }
    }

    /// Converts as much as there is, and fits.
    fn convert(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut room = buffer.iter_mut();
        let mut written = 0;
        let mut put = |byte| {
            let place = room.next();
            written += usize::from(place.is_some());
            place.map(|place| *place = byte)
        };
        if let Some(owed) = self.owed {
            if put(owed).is_none() {
                return Ok(0);
            }
            self.owed = None;
        }
        let mut taken = 0;
        for &byte in self.file.fill_buf()? {
            let (first, second) = match byte {
                LF => (CR, Some(LF)),
                CR => (CR, Some(NUL)),
                other => (other, None),
            };
            if put(first).is_none() {
                break;
            }
            taken += 1;
            self.owed = second.filter(|&second| put(second).is_none());
        }
        self.file.consume(taken);
        Ok(written)
    }
}

impl<R: BufRead> Read for Encoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.convert(buffer)
    }
}

/// Writes netascii to a file.
///
/// ```
/// use protocols::transfer::tftp::netascii::Decoder;
/// use std::io::Write;
///
/// let mut decoder = Decoder::new(Vec::new());
/// decoder.write_all(b"one\r")?; // A block may end anywhere.
/// decoder.write_all(b"\ntwo")?;
/// assert_eq!(decoder.finish()?, b"one\ntwo");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Decoder<W> {
    file: W,
    /// The last byte was a CR, and what it means is known with the next one.
    is_behind_cr: bool,
    converted: Vec<u8>,
}

impl<W: Write> Decoder<W> {
    /// Writes to this file what comes as netascii.
    pub fn new(file: W) -> Self {
        Self { file, is_behind_cr: false, converted: Vec::new() }
    }

    /// There is no more; the file.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        if self.is_behind_cr {
            self.file.write_all(&[CR])?;
        }
        Ok(self.file)
    }

    fn convert(&mut self, bytes: &[u8]) {
        self.converted.clear();
        for &byte in bytes {
            match (std::mem::take(&mut self.is_behind_cr), byte) {
                (false, CR) => self.is_behind_cr = true,
                (true, LF) => self.converted.push(LF),
                (true, NUL) => self.converted.push(CR),
                // Nobody should send that; it is kept as it is.
                (true, CR) => {
                    self.converted.push(CR);
                    self.is_behind_cr = true;
                }
                (true, other) => self.converted.extend([CR, other]),
                (false, other) => self.converted.push(other),
            }
        }
    }
}

impl<W: Write> Write for Decoder<W> {
    /// Takes all of it.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.convert(bytes);
        self.file.write_all(&self.converted)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The file as netascii, read in pieces of these sizes.
    fn encode(file: &[u8], mut sizes: impl Iterator<Item = usize>) -> Vec<u8> {
        let mut encoder = Encoder::new(file);
        let mut all = Vec::new();
        loop {
            let mut piece = vec![0; sizes.next().expect("there is always one more")];
            let length = encoder.read(&mut piece).expect("a slice can be read");
            if length == 0 {
                return all;
            }
            all.extend_from_slice(&piece[..length]);
        }
    }

    fn decode(bytes: &[u8], cut: usize) -> Vec<u8> {
        let mut decoder = Decoder::new(Vec::new());
        for piece in bytes.chunks(cut.max(1)) {
            decoder.write_all(piece).expect("a vector can be written");
        }
        decoder.finish().expect("a vector can be written")
    }

    #[test]
    fn line_ends_become_telnets_and_their_own_again() {
        for (file, netascii) in [
            (&b""[..], &b""[..]),
            (b"a\nb", b"a\r\nb"),
            (b"a\rb", b"a\r\0b"),
            (b"\r\n", b"\r\0\r\n"),
            (b"\n\n\r", b"\r\n\r\n\r\0"),
        ] {
            for size in 1..5 {
                assert_eq!(encode(file, std::iter::repeat(size)), netascii);
                assert_eq!(decode(netascii, size), file);
            }
        }
    }

    #[test]
    fn what_should_not_be_there_is_kept() {
        for (netascii, file) in [
            (&b"a\nb"[..], &b"a\nb"[..]),
            (b"a\rb", b"a\rb"),
            (b"a\r\r\n", b"a\r\n"),
            (b"a\r", b"a\r"),
            (b"a\0b", b"a\0b"),
        ] {
            assert_eq!(decode(netascii, 1), file);
        }
    }

    proptest! {
        #[test]
        fn any_file_survives_the_way_wherever_blocks_end(
            file in prop::collection::vec(prop_oneof![Just(CR), Just(LF), Just(NUL), any::<u8>()], 0..200),
            size in 1_usize..20,
            cut in 1_usize..20,
        ) {
            let netascii = encode(&file, std::iter::repeat(size));
            prop_assert_eq!(&netascii, &encode(&file, std::iter::repeat(1_000)));
            prop_assert_eq!(decode(&netascii, cut), file);
        }
    }
}
