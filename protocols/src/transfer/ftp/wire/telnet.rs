//! Lines of the control connection, out of what Telnet makes of them (RFC 959, 3.1; RFC 854).
//!
//! ```text
//!   R E T R   a CR NUL b CR LF      CR NUL is a CR; the line ends at CR LF
//!   R E T R   a NUL b CR LF         any other NUL is an LF, which no line has room for
//!   IAC IP IAC DM A B O R CR LF     commands of Telnet stand between the bytes: IAC and what it commands
//! ```
//!
//! A client that wants to be heard during a transfer says IAC IP, and IAC DM as urgent data (RFC 959,
//! 4.1.3). Depending on how its DM was sent, and on the system, the DM may be missing here.

use bytes::Buf;

const IAC: u8 = 255;
const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
const INTERRUPT: u8 = 244;
const DATA_MARK: u8 = 242;
/// The least of all bytes that are commands behind an IAC: end of subnegotiation.
const FIRST_COMMAND: u8 = 240;

/// Cuts what a client sends into lines, each no longer than a ceiling.
///
/// A line ends at CR LF. Until a client has ended one so, LF alone will do as well: people type into
/// `nc`. From then on an LF is a byte like others, so that a name with one in it is no second command. A
/// NUL, which no name has, stands for an LF, as it does with vsftpd and with others: so a client that is
/// careful not to send a line end can say every name there is.
#[derive(Debug)]
pub struct Telnet {
    ceiling: usize,
    line: Vec<u8>,
    state: State,
    strict: bool,
    overlong: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Text,
    /// Behind a CR.
    Return,
    /// Behind an IAC.
    Command,
    /// Behind IAC and WILL, WONT, DO or DONT.
    Option(u8),
}

/// What a client has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A line, without its end.
    Line(Vec<u8>),
    /// A line beyond the ceiling has ended.
    TooLong,
    /// It wants to interrupt what is going on (IP), or has marked the place from where on it wants to be
    /// heard (DM).
    Interrupt,
    /// It offers or wants an option of Telnet. There are none here: this is the answer (RFC 1123,
    /// 4.1.2.12).
    Refuse([u8; 3]),
}

impl Telnet {
    /// Lines of at most so many bytes.
    #[must_use]
    pub fn new(ceiling: usize) -> Self {
        Self { ceiling, line: Vec::new(), state: State::Text, strict: false, overlong: false }
    }

    /// Takes what is said next; `None` if the rest of it is still to come. What has been looked at is
    /// consumed.
    pub fn next(&mut self, input: &mut impl Buf) -> Option<Said> {
        while input.has_remaining() {
            if let Some(said) = self.handle_byte(input.get_u8()) {
                return Some(said);
            }
        }
        None
    }

    fn handle_byte(&mut self, byte: u8) -> Option<Said> {
        match (self.state, byte) {
            (State::Text, IAC) => self.enter(State::Command),
            (State::Text, b'\r') => self.enter(State::Return),
            (State::Text, b'\n') if !self.strict => Some(self.end()),
            (State::Text, b'\0') => self.push(b'\n'),
            (State::Text, byte) => self.push(byte),
            (State::Return, b'\n') => {
                self.strict = true;
                Some(self.end())
            }
            (State::Return, b'\0') => {
                self.state = State::Text;
                self.push(b'\r')
            }
            // A CR that ends nothing; whatever follows it is looked at anew.
            (State::Return, byte) => {
                self.state = State::Text;
                self.push(b'\r');
                self.handle_byte(byte)
            }
            (State::Command, IAC) => {
                self.state = State::Text;
                self.push(IAC)
            }
            (State::Command, WILL..=DONT) => self.enter(State::Option(byte)),
            (State::Command, INTERRUPT | DATA_MARK) => {
                self.state = State::Text;
                Some(Said::Interrupt)
            }
            (State::Command, FIRST_COMMAND..) => self.enter(State::Text),
            // The DM of this IAC was urgent, and has gone another way.
            (State::Command, byte) => {
                self.state = State::Text;
                self.handle_byte(byte)
            }
            (State::Option(verb), option) => {
                self.state = State::Text;
                let answer = match verb {
                    WILL => DONT,
                    DO => WONT,
                    // It says what it does not do: that needs no answer.
                    _ => return None,
                };
                Some(Said::Refuse([IAC, answer, option]))
            }
        }
    }

    fn enter(&mut self, state: State) -> Option<Said> {
        self.state = state;
        None
    }

    fn push(&mut self, byte: u8) -> Option<Said> {
        if self.line.len() < self.ceiling {
            self.line.push(byte);
        } else {
            self.overlong = true;
        }
        None
    }

    fn end(&mut self) -> Said {
        self.state = State::Text;
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.overlong) { Said::TooLong } else { Said::Line(line) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is said if it arrives in these pieces.
    fn hear(pieces: &[&[u8]]) -> Vec<Said> {
        let mut telnet = Telnet::new(8);
        let mut heard = Vec::new();
        for mut piece in pieces.iter().copied() {
            while let Some(said) = telnet.next(&mut piece) {
                heard.push(said);
            }
            assert!(telnet.line.len() <= 8, "no more is kept than a line may have");
        }
        heard
    }

    fn line(text: &[u8]) -> Said {
        Said::Line(text.to_vec())
    }

    #[test]
    fn people_end_lines_as_they_like_and_programs_mean_it() {
        assert_eq!(hear(&[b"a\nb\n"]), [line(b"a"), line(b"b")]);
        assert_eq!(hear(&[b"a\nb\r\nc\nd\r\n"]), [line(b"a"), line(b"b"), line(b"c\nd")]);
        assert_eq!(hear(&[b"a\r\0b\rc\r\r\n"]), [line(b"a\rb\rc\r")]);
        assert_eq!(hear(&[b"a\0b\n", b"\0\r\0\0\r\n"]), [line(b"a\nb"), line(b"\n\r\n")]);
    }

    #[test]
    fn an_interrupt_is_heard_with_its_mark_or_without() {
        assert_eq!(
            hear(&[b"\xff\xf4\xff\xf2ABOR\r\n"]),
            [Said::Interrupt, Said::Interrupt, line(b"ABOR")]
        );
        assert_eq!(hear(&[b"\xff\xf4\xffABOR\r\n"]), [Said::Interrupt, line(b"ABOR")]);
    }

    #[test]
    fn options_are_refused_and_leave_no_trace() {
        let heard = hear(&[b"AB\xff\xfd\x0aCD\xff\xfb\x01\xff\xfe\x01\xff\xff\r\n"]);
        assert_eq!(
            heard,
            [Said::Refuse([255, 252, 10]), Said::Refuse([255, 254, 1]), line(b"ABCD\xff")]
        );
    }

    #[test]
    fn a_line_beyond_the_ceiling_is_told_of_once() {
        assert_eq!(
            hear(&[b"12345678\n", b"123456789", b"0\nx\n"]),
            [line(b"12345678"), Said::TooLong, line(b"x")]
        );
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_arrive(
            bytes in proptest::collection::vec(proptest::sample::select(b"ab\r\n\0\xff\xf4\xf2\xfd\xfb".as_slice()), 0..64),
        ) {
            let pieces: Vec<_> = bytes.chunks(1).collect();
            prop_assert_eq!(hear(&pieces), hear(&[&bytes]));
        }
    }
}
