//! JSON whose form is known: what servers say to each other most, read and written without looking for names.
//!
//! Who reads so gives up at the first byte that is not as this program writes it, and who writes so at a text that needs
//! an escape; then it is serde's, which reads and writes all there is. Where both can, they do the same. A line on a
//! channel takes a tenth of the instructions.

use memchr::{memchr, memchr2};

/// What is left to be read.
#[derive(Clone, Copy, Debug)]
pub(in crate::chat) struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    /// `None` if it is no text.
    pub(in crate::chat) fn new(json: &'a [u8]) -> Option<Self> {
        std::str::from_utf8(json).ok().map(Self)
    }

    /// Goes on behind this, which has to come now.
    #[inline]
    pub(in crate::chat) fn skip(&mut self, expected: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    /// A text up to its closing quote, behind which it goes on.
    pub(in crate::chat) fn text(&mut self) -> Option<&'a str> {
        let end = memchr2(b'"', b'\\', self.0.as_bytes())?;
        let (text, rest) = self.0.split_at_checked(end)?;
        self.0 = rest.strip_prefix('"')?;
        is_plain(text).then_some(text)
    }

    /// The same of a word, of which whoever takes it knows each: what would be escaped is none of them.
    pub(in crate::chat) fn word(&mut self) -> Option<&'a str> {
        let end = memchr(b'"', self.0.as_bytes())?;
        let (word, rest) = self.0.split_at_checked(end)?;
        self.0 = rest.strip_prefix('"')?;
        Some(word)
    }

    /// A whole number.
    pub(in crate::chat) fn number(&mut self) -> Option<u64> {
        let (mut number, mut digits) = (0_u64, 0);
        for byte in self.0.bytes() {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            (number, digits) = (number.wrapping_mul(10).wrapping_add(digit.into()), digits + 1);
        }
        // Those of 20 digits that are numbers are left to serde, as are those that it refuses.
        let is_number = (1..20).contains(&digits) && (digits == 1 || !self.0.starts_with('0'));
        self.0 = self.0.get(digits..)?;
        is_number.then_some(number)
    }

    pub(in crate::chat) fn is_at_end(self) -> bool {
        self.0.is_empty()
    }
}

/// Appends a text with its quotes.
pub(in crate::chat) fn write_text(out: &mut Vec<u8>, text: &str) -> Option<()> {
    is_plain(text).then(|| {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    })
}

/// Whether it stands in JSON as it is. All of it is looked at, whatever comes first: so many bytes at a time.
fn is_plain(text: &str) -> bool {
    !text.bytes().fold(false, |found, byte| found | is_special(byte))
}

/// What does not stand in a text of JSON as it is (RFC 8259, 7).
fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_as_it_is_written_here_is_left_alone() {
        for text in ["", "x", "01\"", "12345678901234567890", "-1", "1"] {
            let number = Reader(text).number();
            assert_eq!(
                number,
                serde_json::from_str(text).ok().filter(|&it: &u64| it < 10),
                "{text}"
            );
        }
        for text in ["", "a", "a\\\"\"", "a\n\"", "\\u0041\""] {
            assert_eq!(Reader(text).text(), None, "{text}");
        }
        for (text, word) in [("a", None), ("a\"b", Some("a")), ("\\\"\"", Some("\\"))] {
            assert_eq!(Reader(text).word(), word, "it is whoever takes it that knows {text}");
        }
        let mut reader = Reader("a\":7}");
        assert_eq!(
            (reader.text(), reader.skip(":"), reader.number()),
            (Some("a"), Some(()), Some(7))
        );
        assert_eq!(
            (reader.is_at_end(), reader.skip("]"), reader.skip("}")),
            (false, None, Some(()))
        );
        assert!(reader.is_at_end());
    }

    proptest! {
        #[test]
        fn a_text_is_written_as_serde_does_or_not_at_all(text in "\\PC*|[a\"\\\\\u{0}-\u{20}\u{7f}]*") {
            let mut out = Vec::new();
            if write_text(&mut out, &text).is_some() {
                prop_assert_eq!(&out, &serde_json::to_vec(&text).expect("it can be written"));
                let reader = Reader::new(&out[1..]).expect("it is a text");
                let (mut one, mut other) = (reader, reader);
                prop_assert_eq!((one.text(), other.word()), (Some(&*text), Some(&*text)));
            } else {
                prop_assert!(out.is_empty());
            }
        }

        #[test]
        fn a_number_is_read_as_serde_does(number in any::<u64>(), behind in "[],}a]?") {
            let text = format!("{number}{behind}");
            let read = Reader(&text).number();
            prop_assert!(read == Some(number) || number.to_string().len() == 20);
        }
    }
}
