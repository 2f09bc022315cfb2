//! Text on its way: lines end in LF here, and in CR LF on the data connection (RFC 959, 3.1.1.1).
//!
//! ```text
//!   file      one LF two CR LF          one LF two LF
//!              │  encode                 ▲  decode
//!   wire      one CR LF two CR LF       one CR LF two CR LF
//! ```
//!
//! A file whose lines end in CR LF already is sent as it is, since a second CR would be nobody's line
//! end; it comes back with LF.

/// From a file to the wire.
#[derive(Clone, Copy, Debug, Default)]
pub struct Encoder {
    /// The last byte was a CR.
    after_return: bool,
}

/// From the wire to a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder {
    /// A CR, of which it is not known yet whether an LF follows.
    held_return: bool,
}

impl Encoder {
    /// Appends a piece of a file, as it is on the wire.
    pub fn encode(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        for &byte in piece {
            if byte == b'\n' && !self.after_return {
                out.push(b'\r');
            }
            out.push(byte);
            self.after_return = byte == b'\r';
        }
    }
}

impl Decoder {
    /// Appends a piece from the wire, as it is in the file.
    pub fn decode(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        for &byte in piece {
            if std::mem::take(&mut self.held_return) && byte != b'\n' {
                out.push(b'\r');
            }
            match byte {
                b'\r' => self.held_return = true,
                byte => out.push(byte),
            }
        }
    }

    /// Appends what was held: the wire has ended.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.held_return) {
            out.push(b'\r');
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut encoder, mut out) = (Encoder::default(), Vec::new());
        pieces.iter().for_each(|piece| encoder.encode(piece, &mut out));
        out
    }

    fn decode(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut decoder, mut out) = (Decoder::default(), Vec::new());
        pieces.iter().for_each(|piece| decoder.decode(piece, &mut out));
        decoder.finish(&mut out);
        out
    }

    #[test]
    fn line_ends_are_translated_and_nothing_else() {
        assert_eq!(encode(&[b"a\nb\r\nc\rd\n"]), b"a\r\nb\r\nc\rd\r\n");
        assert_eq!(decode(&[b"a\r\nb\nc\rd\r\r\n\r"]), b"a\nb\nc\rd\r\n\r");
    }

    #[test]
    fn a_line_end_may_be_cut_in_two() {
        assert_eq!(encode(&[b"a\r", b"\nb"]), b"a\r\nb");
        assert_eq!(decode(&[b"a\r", b"\nb\r", b"c\r"]), b"a\nb\rc\r");
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_it_is_cut(text in "[ab\r\n]{0,40}", at in 0_usize..40) {
            let at = at.min(text.len());
            let (front, back) = text.as_bytes().split_at(at);
            prop_assert_eq!(encode(&[front, back]), encode(&[text.as_bytes()]));
            prop_assert_eq!(decode(&[front, back]), decode(&[text.as_bytes()]));
        }

        #[test]
        fn text_with_lines_of_ours_comes_back_the_same(text in "[ab\n]{0,40}") {
            prop_assert_eq!(decode(&[&encode(&[text.as_bytes()])]), text.as_bytes());
        }
    }
}
