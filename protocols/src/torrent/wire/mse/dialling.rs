//! The side that dials.

use std::fmt;

use super::keys::{KEY, Private, name};
use super::{Encryption, Method, NotSecured, PAD, Rc4, Receiving, Secured, ZEROS, put_pad, take};
use crate::torrent::wire::InfoHash;

/// The side that dials, until both agree.
///
/// ```text
///   Key ──their key──▶ Zeros ──the end of their pad──▶ Chosen ──the method──▶ Pad ──▶ over
/// ```
pub struct Dialling {
    hash: InfoHash,
    policy: Encryption,
    inbox: Vec<u8>,
    step: Step,
}

enum Step {
    /// Both keys are waited for. Then this is said first.
    Key {
        private: Private,
        first: Vec<u8>,
    },
    /// The zeros, enciphered like that.
    Zeros {
        streams: Streams,
        end: [u8; 8],
    },
    Chosen(Streams),
    Pad {
        streams: Streams,
        method: Method,
        length: usize,
    },
    Over,
}

struct Streams {
    sending: Box<Rc4>,
    receiving: Box<Rc4>,
}

impl Dialling {
    /// Begins, about this torrent. What is to be sent is appended to `out`; `first` is what is said as soon as it can be:
    /// the plain protocol's handshake.
    #[must_use]
    pub fn new(
        hash: InfoHash,
        policy: Encryption,
        first: &[u8],
        random: &mut dyn FnMut() -> u64,
        out: &mut Vec<u8>,
    ) -> Self {
        let private = Private::new(random);
        out.extend_from_slice(&private.public());
        put_pad(out, random);
        let step = Step::Key { private, first: first.to_vec() };
        Self { hash, policy, inbox: Vec::new(), step }
    }

    /// Takes what has come, and appends what is to be sent. `None` means that more has to come.
    ///
    /// # Errors
    ///
    /// See [`NotSecured`]. It is over then.
    pub fn handle(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Secured>, NotSecured> {
        if matches!(self.step, Step::Over) {
            return Ok(None);
        }
        self.inbox.extend_from_slice(bytes);
        loop {
            match std::mem::replace(&mut self.step, Step::Over) {
                Step::Key { private, first } => {
                    let Some(theirs) = take::<KEY>(&mut self.inbox) else {
                        self.step = Step::Key { private, first };
                        return Ok(None);
                    };
                    self.step = self.say(&private, &theirs, first, out)?;
                }
                Step::Zeros { streams, end } => {
                    if !super::take_pad(&mut self.inbox, &end)? {
                        self.step = Step::Zeros { streams, end };
                        return Ok(None);
                    }
                    self.step = Step::Chosen(streams);
                }
                Step::Chosen(streams) => {
                    let Some(chosen) = take::<6>(&mut self.inbox) else {
                        self.step = Step::Chosen(streams);
                        return Ok(None);
                    };
                    self.step = self.hear_method(streams, chosen)?;
                }
                Step::Pad { streams, method, length } => {
                    if self.inbox.len() < length {
                        self.step = Step::Pad { streams, method, length };
                        return Ok(None);
                    }
                    return Ok(Some(self.end(streams, method, length)));
                }
                Step::Over => return Ok(None),
            }
        }
    }

    /// Key → Zeros: says which torrent, which methods there are, and what is said first.
    fn say(
        &self,
        private: &Private,
        theirs: &[u8; KEY],
        mut first: Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Step, NotSecured> {
        let secret = private.secret(theirs).ok_or(NotSecured::Key)?;
        let [mut sending, mut receiving] = secret.streams(self.hash);
        out.extend_from_slice(&secret.marker());
        out.extend_from_slice(&secret.veil(name(self.hash)));
        // No pad: what it would be for nobody has said.
        let pad = 0_u16.to_be_bytes();
        first.truncate(usize::from(u16::MAX));
        let length = (first.len() as u16).to_be_bytes();
        let begin = out.len();
        for part in [&ZEROS[..], &self.policy.offer().to_be_bytes(), &pad, &length, &first] {
            out.extend_from_slice(part);
        }
        sending.apply(&mut out[begin..]);
        let mut end = ZEROS;
        receiving.apply(&mut end);
        Ok(Step::Zeros { streams: Streams { sending, receiving }, end })
    }

    /// Chosen → Pad.
    fn hear_method(&self, mut streams: Streams, mut bytes: [u8; 6]) -> Result<Step, NotSecured> {
        streams.receiving.apply(&mut bytes);
        let [a, b, c, d, high, low] = bytes;
        let (chosen, length) = (u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([high, low]));
        let method = self.policy.chosen(chosen).ok_or(NotSecured::Method(chosen))?;
        if usize::from(length) > PAD {
            return Err(NotSecured::Pad(length));
        }
        Ok(Step::Pad { streams, method, length: usize::from(length) })
    }

    /// Pad → over.
    fn end(&mut self, streams: Streams, method: Method, length: usize) -> Secured {
        let Streams { sending, mut receiving } = streams;
        let mut pad: Vec<u8> = self.inbox.drain(..length).collect();
        receiving.apply(&mut pad);
        let (sending, receiving) = match method {
            Method::Plain => (None, Receiving::Plain),
            Method::Rc4 => (Some(sending), Receiving::Rc4(receiving)),
        };
        Secured { hash: self.hash, sending, receiving, rest: std::mem::take(&mut self.inbox) }
    }
}

impl fmt::Debug for Dialling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialling").field("hash", &self.hash).finish_non_exhaustive()
    }
}
