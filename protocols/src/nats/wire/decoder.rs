//! Verbs out of a stream, however it is cut.
//!
//! ```text
//!            all of it is there: read where it lies
//!        ┌──────────────────────────────────────────┐
//!        │                                          ▼
//!   Line ──── a part of it is there ──▶ kept ──▶ Op, and what was kept is forgotten at the next call
//!                                        ▲ │
//!                                        └─┘ more comes
//! ```

use memchr::memchr;
use thiserror::Error;

use super::op::digits;
use super::{Delivery, Headers, Op, Publication};

/// How long things may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of a line, its end included.
    pub line: usize,
    /// Bytes of an `INFO`, which lists all servers of a cluster.
    pub info: usize,
    /// Bytes of a message, its headers included.
    pub payload: usize,
}

/// What comes is not NATS, or is longer than it may be. There is no next verb: where it begins is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// A line has no end where it should have one.
    #[error("a line of more than {0} bytes")]
    LineTooLong(usize),
    /// A message says that it is longer than it may be.
    #[error("a message of {size} bytes, where {most} are allowed")]
    PayloadTooLong {
        /// Bytes it says it has.
        size: u64,
        /// Bytes it may have.
        most: usize,
    },
    /// It is none of the verbs.
    #[error("it is no verb of NATS")]
    Verb,
    /// It has too few words, too many, or one that is no number where it should be one.
    #[error("{0} does not have the words it should have")]
    Words(&'static str),
    /// Behind a message there is no end of a line.
    #[error("a message is longer than it says")]
    NoEnd,
}

/// Cuts a stream into verbs. One that lies whole in the input is read where it is; one that comes in parts is kept
/// here. All that is given is taken, up to the end of a verb that is told.
#[derive(Debug)]
pub struct Decoder {
    bounds: Bounds,
    kept: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// What is kept is a part of a line, or nothing.
    Line,
    /// What is kept is a line of so many bytes, and of what is behind it a part or all.
    Behind { line: usize, whole: usize },
    /// What is kept has been told.
    Told,
}

/// More than that is not kept for the next verb that comes in parts.
const SPARE: usize = 64 * 1024;

impl Decoder {
    /// For a new connection.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, kept: Vec::new(), state: State::Line }
    }

    /// Takes the next verb, or nothing if there is none yet. To be called until then.
    ///
    /// # Errors
    ///
    /// See [`Malformed`], as soon as the line is there.
    pub fn next<'m, 'a: 'm>(
        &'m mut self,
        input: &mut &'a [u8],
    ) -> Result<Option<Op<'m>>, Malformed> {
        if self.state == State::Told {
            self.forget();
        }
        if self.kept.is_empty() {
            return self.read_in_place(input);
        }
        if self.state == State::Line {
            self.complete_line(input)?;
        }
        let State::Behind { line, whole } = self.state else {
            return Ok(None);
        };
        self.keep(input, whole.saturating_sub(self.kept.len()));
        if self.kept.len() < whole {
            return Ok(None);
        }
        self.state = State::Told;
        Ok(read(&self.kept, line, &self.bounds)?.op())
    }

    fn forget(&mut self) {
        self.state = State::Line;
        self.kept.clear();
        if self.kept.capacity() > SPARE {
            self.kept = Vec::new();
        }
    }

    fn read_in_place<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Op<'a>>, Malformed> {
        let bytes = *input;
        let read = match line_end(bytes, 0, most(bytes, &self.bounds))? {
            Some(line) => read(bytes, line, &self.bounds)?,
            None => Read::Line,
        };
        match read {
            Read::Op { rest, .. } => *input = rest,
            Read::Line => self.keep(input, bytes.len()),
            Read::Short { line, whole } => {
                self.keep(input, bytes.len());
                self.state = State::Behind { line, whole };
            }
        }
        Ok(read.op())
    }

    /// Adds to the line that is kept, up to its end.
    fn complete_line(&mut self, input: &mut &[u8]) -> Result<(), Malformed> {
        let most = most(&self.kept, &self.bounds);
        let Some(end) = line_end(input, self.kept.len(), most)? else {
            self.keep(input, input.len());
            return Ok(());
        };
        self.keep(input, end);
        let line = self.kept.len();
        let whole = match read(&self.kept, line, &self.bounds)? {
            Read::Short { whole, .. } => whole,
            Read::Op { .. } | Read::Line => line,
        };
        self.state = State::Behind { line, whole };
        Ok(())
    }

    fn keep(&mut self, input: &mut &[u8], count: usize) {
        let (front, rest) = input.split_at_checked(count).unwrap_or((*input, &[]));
        self.kept.extend_from_slice(front);
        *input = rest;
    }
}

/// How long a line that begins like this may be. No other verb begins as `INFO` does.
fn most(line: &[u8], bounds: &Bounds) -> usize {
    if let Some(b'I' | b'i') = line.first() { bounds.info } else { bounds.line }
}

/// Where the line ends, of which there are so many bytes before these; none if that is still to come.
fn line_end(bytes: &[u8], before: usize, most: usize) -> Result<Option<usize>, Malformed> {
    let room = most.saturating_sub(before);
    let window = bytes.get(..room).unwrap_or(bytes);
    match memchr(b'\n', window) {
        Some(at) => Ok(Some(at + 1)),
        None if window.len() == room => Err(Malformed::LineTooLong(most)),
        None => Ok(None),
    }
}

/// What is read of some bytes.
#[derive(Clone, Copy)]
enum Read<'a> {
    Op {
        op: Op<'a>,
        rest: &'a [u8],
    },
    /// There is no whole line yet.
    Line,
    /// The line is there, and what is behind it not yet.
    Short {
        line: usize,
        whole: usize,
    },
}

impl<'a> Read<'a> {
    fn op(self) -> Option<Op<'a>> {
        match self {
            Self::Op { op, .. } => Some(op),
            Self::Line | Self::Short { .. } => None,
        }
    }
}

/// Reads the verb whose line is the first `line` bytes.
fn read<'a>(bytes: &'a [u8], line: usize, bounds: &Bounds) -> Result<Read<'a>, Malformed> {
    let (head, behind) = bytes.split_at_checked(line).unwrap_or((bytes, &[]));
    let (verb, text) = split_verb(head);
    let mut found = verb;
    let mut capitals = [0; 7];
    if verb.iter().any(u8::is_ascii_lowercase)
        && let Some(capitals) = capitals.get_mut(..verb.len())
    {
        capitals.copy_from_slice(verb);
        capitals.make_ascii_uppercase();
        found = capitals;
    }
    let op = match found {
        b"MSG" => {
            return Content::read("MSG", 1, false, text, bounds)?.message(line, behind, false);
        }
        b"HMSG" => {
            return Content::read("HMSG", 1, true, text, bounds)?.message(line, behind, false);
        }
        b"PUB" => return Content::read("PUB", 0, false, text, bounds)?.message(line, behind, true),
        b"HPUB" => {
            return Content::read("HPUB", 0, true, text, bounds)?.message(line, behind, true);
        }
        b"PING" => Op::Ping,
        b"PONG" => Op::Pong,
        b"+OK" => Op::Ok,
        b"-ERR" => Op::Err(unquoted(text)),
        b"INFO" => Op::Info(text),
        b"CONNECT" => Op::Connect(text),
        b"SUB" => sub(text)?,
        b"UNSUB" => unsub(text)?,
        _ => return Err(Malformed::Verb),
    };
    Ok(Read::Op { op, rest: behind })
}

/// A line without its end, in two: the verb, and what is behind the blanks.
fn split_verb(line: &[u8]) -> (&[u8], &[u8]) {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let end = line.iter().position(|byte| is_blank(*byte)).unwrap_or(line.len());
    let (verb, text) = line.split_at_checked(end).unwrap_or((line, &[]));
    (verb, text.trim_ascii())
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn unquoted(text: &[u8]) -> &[u8] {
    let inner = text.strip_prefix(b"'").and_then(|text| text.strip_suffix(b"'"));
    inner.unwrap_or(text)
}

/// The words of a line; `None` if there are more than can be.
fn words(text: &[u8]) -> Option<([&[u8]; 5], usize)> {
    let mut words: [&[u8]; 5] = [&[]; 5];
    let mut count = 0;
    for word in text.split(|byte| is_blank(*byte)).filter(|word| !word.is_empty()) {
        *words.get_mut(count)? = word;
        count += 1;
    }
    Some((words, count))
}

fn sub(text: &[u8]) -> Result<Op<'_>, Malformed> {
    match words(text) {
        Some(([subject, sid, ..], 2)) => Ok(Op::Sub { subject, queue: None, sid }),
        Some(([subject, queue, sid, ..], 3)) => Ok(Op::Sub { subject, queue: Some(queue), sid }),
        _ => Err(Malformed::Words("SUB")),
    }
}

fn unsub(text: &[u8]) -> Result<Op<'_>, Malformed> {
    match words(text) {
        Some(([sid, ..], 1)) => Ok(Op::Unsub { sid, max: None }),
        Some(([sid, max, ..], 2)) => match digits(max) {
            Some(max) => Ok(Op::Unsub { sid, max: Some(max) }),
            None => Err(Malformed::Words("UNSUB")),
        },
        _ => Err(Malformed::Words("UNSUB")),
    }
}

/// The line of a message.
struct Content<'a> {
    subject: &'a [u8],
    sid: &'a [u8],
    reply: Option<&'a [u8]>,
    /// Bytes of its headers, if it has any.
    head: Option<usize>,
    size: usize,
}

impl<'a> Content<'a> {
    /// `subject [sid] [reply] [head] size`: how many of them there are says whether there is a reply.
    fn read(
        verb: &'static str,
        sids: usize,
        has_head: bool,
        text: &'a [u8],
        bounds: &Bounds,
    ) -> Result<Self, Malformed> {
        let malformed = Malformed::Words(verb);
        let (words, count) = words(text).ok_or(malformed)?;
        let mut words = words.into_iter().take(count);
        let mut next = || words.next().ok_or(malformed);
        let least = 2 + sids + usize::from(has_head);
        let subject = next()?;
        let sid = if sids == 1 { next()? } else { &[] };
        let reply = match count.checked_sub(least) {
            Some(0) => None,
            Some(1) => Some(next()?),
            _ => return Err(malformed),
        };
        let head = if has_head { Some(digits(next()?).ok_or(malformed)?) } else { None };
        let size = digits(next()?).ok_or(malformed)?;
        if head.is_some_and(|head| head > size) {
            return Err(malformed);
        }
        let most = bounds.payload;
        let fitting = usize::try_from(size).ok().filter(|size| *size <= most);
        let size = fitting.ok_or(Malformed::PayloadTooLong { size, most })?;
        Ok(Self { subject, sid, reply, head: head.map(|head| head as usize), size })
    }

    /// With what is behind the line.
    fn message(self, line: usize, behind: &'a [u8], is_pub: bool) -> Result<Read<'a>, Malformed> {
        let Self { subject, sid, reply, head, size } = self;
        let Some((content, rest)) = behind.split_at_checked(size + 2) else {
            return Ok(Read::Short { line, whole: line + size + 2 });
        };
        let content = content.strip_suffix(b"\r\n").ok_or(Malformed::NoEnd)?;
        let (head, payload) = match head {
            Some(head) => content.split_at_checked(head).unwrap_or((content, &[])),
            None => (&[][..], content),
        };
        let headers = self.head.map(|_| Headers::new(head));
        let op = if is_pub {
            Op::Pub(Publication { subject, reply, headers, payload })
        } else {
            Op::Msg(Delivery { subject, sid, reply, headers, payload })
        };
        Ok(Read::Op { op, rest })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { line: 64, info: 200, payload: 100 };

    /// Everything that comes of these bytes when they arrive in these pieces, written anew.
    fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, Option<Malformed>) {
        let (mut decoder, mut told) = (Decoder::new(BOUNDS), Vec::new());
        for piece in pieces {
            let mut input = piece;
            loop {
                match decoder.next(&mut input) {
                    Ok(Some(op)) => {
                        let mut written = Vec::new();
                        op.write(&mut written);
                        told.push(written);
                    }
                    Ok(None) => break,
                    Err(malformed) => return (told, Some(malformed)),
                }
            }
            assert_eq!(input, b"", "all is taken");
        }
        (told, None)
    }

    fn whole(bytes: &[u8]) -> (Vec<Vec<u8>>, Option<Malformed>) {
        decode(std::iter::once(bytes))
    }

    fn any_op() -> impl Strategy<Value = Vec<u8>> {
        let word = || "[a-z>*$_.]{1,9}";
        let bytes = || prop::collection::vec(any::<u8>(), 0..40);
        let written = |op: Op<'_>| {
            let mut out = Vec::new();
            op.write(&mut out);
            out
        };
        prop_oneof![
            prop::sample::select(vec![
                Op::Ping,
                Op::Pong,
                Op::Ok,
                Op::Info(b"{}"),
                Op::Connect(b"{}")
            ])
            .prop_map(written),
            "[a-zA-Z ]{0,9}[a-z]".prop_map(move |text| written(Op::Err(text.trim().as_bytes()))),
            (word(), prop::option::of(word()), word()).prop_map(move |(subject, queue, sid)| {
                let queue = queue.as_deref().map(str::as_bytes);
                written(Op::Sub { subject: subject.as_bytes(), queue, sid: sid.as_bytes() })
            }),
            (word(), prop::option::of(0..100_u64))
                .prop_map(move |(sid, max)| written(Op::Unsub { sid: sid.as_bytes(), max })),
            (word(), prop::option::of(word()), prop::option::of(bytes()), bytes()).prop_map(
                move |(subject, reply, head, payload)| {
                    written(Op::Pub(Publication {
                        subject: subject.as_bytes(),
                        reply: reply.as_deref().map(str::as_bytes),
                        headers: head.as_deref().map(Headers::new),
                        payload: &payload,
                    }))
                }
            ),
            (word(), word(), prop::option::of(word()), prop::option::of(bytes()), bytes())
                .prop_map(move |(subject, sid, reply, head, payload)| {
                    written(Op::Msg(Delivery {
                        subject: subject.as_bytes(),
                        sid: sid.as_bytes(),
                        reply: reply.as_deref().map(str::as_bytes),
                        headers: head.as_deref().map(Headers::new),
                        payload: &payload,
                    }))
                }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again_however_it_is_cut(
            ops in prop::collection::vec(any_op(), 0..8),
            size in 1_usize..50,
        ) {
            let bytes = ops.concat();
            prop_assert_eq!(decode(bytes.chunks(size)), (ops.clone(), None));
            prop_assert_eq!(whole(&bytes), (ops, None));
        }

        #[test]
        fn any_bytes_are_the_same_in_one_piece_and_in_many(
            front in prop::collection::vec(any_op(), 0..3),
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            text in "([A-Za-z+-]{2,5} [a-z0-9 ]{0,20}[0-9]{0,3}\r\n.{0,3}){0,6}",
            size in 1_usize..20,
        ) {
            for bytes in [bytes, text.into_bytes()] {
                let bytes = [front.concat(), bytes].concat();
                prop_assert_eq!(decode(bytes.chunks(size)), whole(&bytes));
            }
        }
    }

    #[test]
    fn what_is_no_verb_is_refused_with_a_reason() {
        let too_long = "x".repeat(64);
        for (text, expected) in [
            ("\r\n", Malformed::Verb),
            ("PINGS\r\n", Malformed::Verb),
            ("HELLOWORLD 1\r\n", Malformed::Verb),
            (&too_long, Malformed::LineTooLong(64)),
            ("MSG a 1\r\n", Malformed::Words("MSG")),
            ("MSG a 1 b c 1\r\n", Malformed::Words("MSG")),
            ("MSG a 1 b c d 1\r\n", Malformed::Words("MSG")),
            ("MSG a 1 -1\r\n", Malformed::Words("MSG")),
            ("HMSG a 1 9 8\r\n", Malformed::Words("HMSG")),
            ("PUB\r\n", Malformed::Words("PUB")),
            ("SUB a\r\n", Malformed::Words("SUB")),
            ("UNSUB 1 x\r\n", Malformed::Words("UNSUB")),
            ("MSG a 1 101\r\n", Malformed::PayloadTooLong { size: 101, most: 100 }),
            (
                "PUB a 9999999999999999999\r\n",
                Malformed::PayloadTooLong { size: 9_999_999_999_999_999_999, most: 100 },
            ),
            ("MSG a 1 2\r\nhello\r\n", Malformed::NoEnd),
        ] {
            assert_eq!(whole(text.as_bytes()), (Vec::new(), Some(expected)), "{text:?}");
            assert_eq!(decode(text.as_bytes().chunks(1)), (Vec::new(), Some(expected)), "{text:?}");
        }
    }

    #[test]
    fn small_letters_more_blanks_and_a_bare_newline_will_do() {
        let (told, error) = whole(b"ping\nmsg  a\t1   2 \r\nhi\r\n-err 'Oh'\r\n+ok\r\n");
        assert_eq!(
            (told.concat(), error),
            (b"PING\r\nMSG a 1 2\r\nhi\r\n-ERR 'Oh'\r\n+OK\r\n".to_vec(), None)
        );
    }

    #[test]
    fn an_info_may_be_longer_than_other_lines() {
        let info = format!("INFO {{\"a\":\"{}\"}}\r\n", "x".repeat(100));
        assert_eq!(decode(info.as_bytes().chunks(7)), (vec![info.clone().into_bytes()], None));
        let longer = "I".repeat(200);
        assert_eq!(whole(longer.as_bytes()).1, Some(Malformed::LineTooLong(200)));
    }

    #[test]
    fn memory_of_a_long_message_is_given_back() {
        let bounds = Bounds { payload: 1 << 20, ..BOUNDS };
        let mut decoder = Decoder::new(bounds);
        let bytes = [&b"MSG a 1 1000000\r\n"[..], &vec![b'x'; 1_000_000], b"\r\n"].concat();
        let mut told = 0;
        for mut piece in bytes.chunks(1_000) {
            told += usize::from(decoder.next(&mut piece).expect("it is well").is_some());
        }
        assert_eq!((told, decoder.next(&mut &b""[..])), (1, Ok(None)));
        assert_eq!(decoder.kept.capacity(), 0);
    }
}
