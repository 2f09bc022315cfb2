//! The twelve verbs, and how they are written.

use super::Headers;
use crate::decimal::write_number;

/// One verb, with everything that belongs to it. Texts are bytes as they came: a server passes on what clients say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op<'a> {
    /// `INFO`: what a server says of itself, as JSON; see [`ServerInfo`](super::ServerInfo).
    Info(&'a [u8]),
    /// `CONNECT`: what a client says of itself, as JSON; see [`Connect`](super::Connect).
    Connect(&'a [u8]),
    /// `PUB`, or `HPUB` if it has headers.
    Pub(Publication<'a>),
    /// `SUB`.
    Sub {
        /// What is subscribed to; may have wildcards.
        subject: &'a [u8],
        /// The queue group, of which one member gets each message.
        queue: Option<&'a [u8]>,
        /// How the client calls the subscription.
        sid: &'a [u8],
    },
    /// `UNSUB`.
    Unsub {
        /// Which subscription.
        sid: &'a [u8],
        /// After how many messages in all; at once if there is none.
        max: Option<u64>,
    },
    /// `MSG`, or `HMSG` if it has headers.
    Msg(Delivery<'a>),
    /// `PING`.
    Ping,
    /// `PONG`.
    Pong,
    /// `+OK`: a verb was carried out, on a connection that wants to be told.
    Ok,
    /// `-ERR`, without its quotes; see [`ServerError`](super::ServerError).
    Err(&'a [u8]),
}

/// A message on its way to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publication<'a> {
    /// What it is published as.
    pub subject: &'a [u8],
    /// Where answers are to go.
    pub reply: Option<&'a [u8]>,
    /// Its headers.
    pub headers: Option<Headers<'a>>,
    /// The message itself.
    pub payload: &'a [u8],
}

/// A message on its way to a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery<'a> {
    /// What it was published as.
    pub subject: &'a [u8],
    /// For which subscription of the client.
    pub sid: &'a [u8],
    /// Where answers are to go.
    pub reply: Option<&'a [u8]>,
    /// Its headers.
    pub headers: Option<Headers<'a>>,
    /// The message itself.
    pub payload: &'a [u8],
}

impl Op<'_> {
    /// Appends the bytes of it. That the words are fit for a line is the caller's to know:
    /// [`subject`](super::subject) checks them.
    pub fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Info(json) => words(out, &[b"INFO", json]),
            Self::Connect(json) => words(out, &[b"CONNECT", json]),
            Self::Pub(publication) => return publication.write(out),
            Self::Sub { subject, queue: None, sid } => words(out, &[b"SUB", subject, sid]),
            Self::Sub { subject, queue: Some(queue), sid } => {
                words(out, &[b"SUB", subject, queue, sid]);
            }
            Self::Unsub { sid, max } => {
                words(out, &[b"UNSUB", sid]);
                if let Some(max) = max {
                    out.push(b' ');
                    write_number(out, max);
                }
            }
            Self::Msg(delivery) => return delivery.write(out),
            Self::Ping => out.extend_from_slice(b"PING"),
            Self::Pong => out.extend_from_slice(b"PONG"),
            Self::Ok => out.extend_from_slice(b"+OK"),
            Self::Err(text) => {
                out.extend_from_slice(b"-ERR '");
                out.extend_from_slice(text);
                out.push(b'\'');
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

impl Publication<'_> {
    /// Appends the bytes of it.
    pub fn write(&self, out: &mut Vec<u8>) {
        let Self { subject, reply, headers, payload } = *self;
        let verb: &[u8] = if headers.is_some() { b"HPUB " } else { b"PUB " };
        // What it takes but for headers and a reply, so that one alone has its room at once, and no more: it is sent as it is.
        let digits = payload.len().checked_ilog10().unwrap_or_default() as usize + 1;
        out.reserve(verb.len() + subject.len() + digits + payload.len() + " \r\n\r\n".len());
        out.extend_from_slice(verb);
        out.extend_from_slice(subject);
        content(out, reply, headers, payload);
    }
}

impl Delivery<'_> {
    /// Appends the bytes of it.
    pub fn write(&self, out: &mut Vec<u8>) {
        let Self { subject, sid, reply, headers, payload } = *self;
        let verb: &[u8] = if headers.is_some() { b"HMSG" } else { b"MSG" };
        words(out, &[verb, subject, sid]);
        content(out, reply, headers, payload);
    }
}

/// The rest of a message's line, and what is behind it.
fn content(out: &mut Vec<u8>, reply: Option<&[u8]>, headers: Option<Headers<'_>>, payload: &[u8]) {
    if let Some(reply) = reply {
        out.push(b' ');
        out.extend_from_slice(reply);
    }
    let head = headers.map_or(&[][..], Headers::as_bytes);
    out.push(b' ');
    if headers.is_some() {
        write_number(out, head.len() as u64);
        out.push(b' ');
    }
    write_number(out, (head.len() + payload.len()) as u64);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(head);
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

fn words(out: &mut Vec<u8>, words: &[&[u8]]) {
    for (at, word) in words.iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

/// A number as its digits; `None` for anything else, and for what is beyond it.
pub(in crate::nats) fn digits(text: &[u8]) -> Option<u64> {
    // One digit less than the largest has, so that nothing overflows.
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then_some(sum * 10 + u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nats::wire::HeaderMap;

    #[track_caller]
    fn written(op: Op<'_>, expected: &str) {
        let mut out = Vec::new();
        op.write(&mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn the_documents_examples_are_written_as_there() {
        let publication =
            Publication { subject: b"FOO", reply: None, headers: None, payload: b"Hello NATS!" };
        written(Op::Pub(publication), "PUB FOO 11\r\nHello NATS!\r\n");
        let reply = Some(&b"JOKE.22"[..]);
        let publication = Publication { subject: b"FRONT.DOOR", reply, ..publication };
        written(
            Op::Pub(Publication { payload: b"Knock Knock", ..publication }),
            "PUB FRONT.DOOR JOKE.22 11\r\nKnock Knock\r\n",
        );
        let mut headers = HeaderMap::new();
        headers.append("Bar", "Baz").expect("it may be one");
        let with = Publication {
            subject: b"FOO",
            reply: None,
            headers: Some(headers.view()),
            payload: b"Hello NATS!",
        };
        written(Op::Pub(with), "HPUB FOO 22 33\r\nNATS/1.0\r\nBar: Baz\r\n\r\nHello NATS!\r\n");
        let sub = Op::Sub { subject: b"BAR", queue: Some(b"G1"), sid: b"44" };
        written(sub, "SUB BAR G1 44\r\n");
        written(Op::Unsub { sid: b"1", max: Some(5) }, "UNSUB 1 5\r\n");
        let delivery = Delivery {
            subject: b"FOO.BAR",
            sid: b"9",
            reply: Some(b"GREETING.34"),
            headers: None,
            payload: b"Hello World",
        };
        written(Op::Msg(delivery), "MSG FOO.BAR 9 GREETING.34 11\r\nHello World\r\n");
        written(Op::Err(b"Unknown Protocol Operation"), "-ERR 'Unknown Protocol Operation'\r\n");
    }

    #[test]
    fn numbers_are_digits() {
        assert_eq!(digits(b"9999999999999999999"), Some(9_999_999_999_999_999_999));
        for text in [&b""[..], b"-1", b"1a", b" 1", b"00000000000000000001"] {
            assert_eq!(digits(text), None);
        }
    }
}
