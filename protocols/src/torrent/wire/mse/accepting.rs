//! The side that accepts.

use std::fmt;

use super::keys::{KEY, Private, Secret, name};
use super::{Encryption, Method, NotSecured, PAD, Rc4, Receiving, Secured, ZEROS, put_pad, take};
use crate::torrent::wire::InfoHash;

/// The side that accepts, until both agree.
///
/// ```text
///   Key ──their key──▶ Marker ──the end of their pad──▶ Torrent ──▶ Offer ──▶ Pad ──how much comes first──▶ over
/// ```
pub struct Accepting {
    policy: Encryption,
    inbox: Vec<u8>,
    step: Step,
}

enum Step {
    Key(Private),
    Marker(Secret),
    Torrent(Secret),
    /// Zeros, methods, and how long the pad is.
    Offer(Streams),
    /// The pad, and how much is said first.
    Pad {
        streams: Streams,
        method: Method,
        length: usize,
    },
    Over,
}

struct Streams {
    hash: InfoHash,
    sending: Box<Rc4>,
    receiving: Box<Rc4>,
}

impl Accepting {
    /// Begins. Nothing is said before the other side's key is there.
    #[must_use]
    pub fn new(policy: Encryption, random: &mut dyn FnMut() -> u64) -> Self {
        Self { policy, inbox: Vec::new(), step: Step::Key(Private::new(random)) }
    }

    /// Takes what has come, and appends what is to be sent. It may be about one of these torrents. `None` means that more
    /// has to come.
    ///
    /// # Errors
    ///
    /// See [`NotSecured`]. It is over then.
    pub fn handle(
        &mut self,
        bytes: &[u8],
        mut torrents: impl Iterator<Item = InfoHash>,
        random: &mut dyn FnMut() -> u64,
        out: &mut Vec<u8>,
    ) -> Result<Option<Secured>, NotSecured> {
        if matches!(self.step, Step::Over) {
            return Ok(None);
        }
        self.inbox.extend_from_slice(bytes);
        loop {
            match std::mem::replace(&mut self.step, Step::Over) {
                Step::Key(private) => {
                    let Some(theirs) = take::<KEY>(&mut self.inbox) else {
                        self.step = Step::Key(private);
                        return Ok(None);
                    };
                    let secret = private.secret(&theirs).ok_or(NotSecured::Key)?;
                    out.extend_from_slice(&private.public());
                    put_pad(out, random);
                    self.step = Step::Marker(secret);
                }
                Step::Marker(secret) => {
                    if !super::take_pad(&mut self.inbox, &secret.marker())? {
                        self.step = Step::Marker(secret);
                        return Ok(None);
                    }
                    self.step = Step::Torrent(secret);
                }
                Step::Torrent(secret) => {
                    let Some(veiled) = take::<20>(&mut self.inbox) else {
                        self.step = Step::Torrent(secret);
                        return Ok(None);
                    };
                    self.step = find(&secret, veiled, &mut torrents)?;
                }
                Step::Offer(streams) => {
                    let Some(offer) = take::<14>(&mut self.inbox) else {
                        self.step = Step::Offer(streams);
                        return Ok(None);
                    };
                    self.step = self.hear_offer(streams, offer)?;
                }
                Step::Pad { streams, method, length } => {
                    if self.inbox.len() < length + 2 {
                        self.step = Step::Pad { streams, method, length };
                        return Ok(None);
                    }
                    return Ok(Some(self.end(streams, method, length, out)));
                }
                Step::Over => return Ok(None),
            }
        }
    }

    /// Offer → Pad.
    fn hear_offer(&self, mut streams: Streams, mut bytes: [u8; 14]) -> Result<Step, NotSecured> {
        streams.receiving.apply(&mut bytes);
        let [zeros @ .., a, b, c, d, high, low] = bytes;
        if zeros != ZEROS {
            return Err(NotSecured::Garbled);
        }
        let (offered, length) = (u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([high, low]));
        let method = self.policy.choose(offered).ok_or(NotSecured::Method(offered))?;
        if usize::from(length) > PAD {
            return Err(NotSecured::Pad(length));
        }
        Ok(Step::Pad { streams, method, length: usize::from(length) })
    }

    /// Pad → over: says which method it is.
    fn end(
        &mut self,
        streams: Streams,
        method: Method,
        length: usize,
        out: &mut Vec<u8>,
    ) -> Secured {
        let Streams { hash, mut sending, mut receiving } = streams;
        let mut pad: Vec<u8> = self.inbox.drain(..length + 2).collect();
        receiving.apply(&mut pad);
        let first = pad.last_chunk().map_or(0, |length| u16::from_be_bytes(*length));
        let begin = out.len();
        for part in [&ZEROS[..], &(method as u32).to_be_bytes(), &0_u16.to_be_bytes()] {
            out.extend_from_slice(part);
        }
        sending.apply(&mut out[begin..]);
        let (sending, receiving) = match (method, usize::from(first)) {
            (Method::Rc4, _) => (Some(sending), Receiving::Rc4(receiving)),
            (Method::Plain, 0) => (None, Receiving::Plain),
            (Method::Plain, first) => (None, Receiving::First(receiving, first)),
        };
        Secured { hash, sending, receiving, rest: std::mem::take(&mut self.inbox) }
    }
}

/// Torrent → Offer.
fn find(
    secret: &Secret,
    veiled: [u8; 20],
    torrents: &mut impl Iterator<Item = InfoHash>,
) -> Result<Step, NotSecured> {
    let named = secret.veil(veiled);
    let hash = torrents.find(|hash| name(*hash) == named).ok_or(NotSecured::Torrent)?;
    let [receiving, sending] = secret.streams(hash);
    Ok(Step::Offer(Streams { hash, sending, receiving }))
}

impl fmt::Debug for Accepting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepting").field("policy", &self.policy).finish_non_exhaustive()
    }
}
