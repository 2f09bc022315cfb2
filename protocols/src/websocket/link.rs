//! What there is of one WebSocket beside what the program does with it: how it stands, and what is written.

use std::rc::Rc;
use std::time::Instant;

use reactor::{Input, TimerKey, Transport};

use super::endpoint::Reading;
use super::handshake::{Agreed, Agreement};
use super::wire::{
    self, CloseCode, Context, Decoder, Deflater, Event, Header, Inflater, Message, Opcode, Room,
    Rules, SHORT, Violation,
};
use super::{Endpoint, Limits, Role};

/// The timers of a WebSocket; a program's own are below them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// The peer may be gone.
    Silence,
    /// A goodbye may be late: of the peer's Close frame, of a server's end.
    Goodbye,
}

impl Timer {
    pub(super) const fn key(self) -> TimerKey {
        TimerKey(u32::MAX - self as u32)
    }
}

/// How it stands.
///
/// ```text
///            end ────▶ Ending ──┐ still heard
///          │                    ├─ the peer's Close, its end, a deadline ─┐
///          │ close ──▶ Closing ─┘ not heard any more                      ▼
///   Open ──┴ the peer's Close (answered), its end, silence, a violation ▶ Over
/// ```
///
/// On a server nothing can be sent from the moment it leaves `Open`, by whatever way: the connection's own
/// sending half is ended with the Close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Open,
    /// This side has said goodbye, and hears what the peer still says.
    Ending,
    /// This side has said goodbye, and wants to hear no more.
    Closing,
    /// The program has been told how it ended.
    Over,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) endpoint: Endpoint,
    pub(super) role: Role,
    pub(super) state: State,
    pub(super) is_paused: bool,
    /// Messages of fewer bytes are read by one look, if they stand there whole, and written behind two bytes as
    /// they are; none are on a client.
    short: u8,
    compression: Compression,
    /// Messages of as many bytes, or more, are compressed.
    deflate_from: u32,
    decoder: Decoder,
    pub(super) subprotocol: Option<Rc<str>>,
    /// When something came, and when it was asked for.
    pub(super) heard: Option<Instant>,
    pub(super) pinged: Option<Instant>,
}

/// How messages are compressed.
#[derive(Debug)]
enum Compression {
    Off,
    /// By what the endpoint has, with a window of so many bits.
    Shared {
        window_bits: u8,
    },
    /// By its own, in one direction at least.
    Own(Box<Own>),
}

#[derive(Debug)]
struct Own {
    inflater: Inflater,
    deflater: Deflater,
}

impl Link {
    pub(super) fn new(endpoint: Endpoint, role: Role, agreed: Agreed) -> Self {
        let compression = Compression::new(&endpoint, role, agreed.deflate);
        let deflate_from = deflate_from(&endpoint, role, agreed.deflate);
        let Limits { frame, message, .. } = endpoint.options().limits;
        let short = match role {
            Role::Server => {
                let longest = frame.min(message).min(SHORT as usize);
                (longest + 1).min(deflate_from as usize) as u8
            }
            Role::Client => 0,
        };
        Self {
            endpoint,
            role,
            state: State::Open,
            is_paused: false,
            short,
            compression,
            deflate_from,
            decoder: Decoder::default(),
            subprotocol: agreed.subprotocol.map(Rc::from),
            heard: None,
            pinged: None,
        }
    }

    /// Takes a client's short message in one frame, if that is what stands at the front of the input whole.
    #[inline]
    pub(super) fn read_short<'a>(
        &self,
        input: &mut Input<'_>,
        room: &'a mut Room,
    ) -> Option<Result<Message<'a>, Violation>> {
        self.decoder.next_short(input, self.short, room)
    }

    /// Takes what stands at the front of the input, whatever it is.
    pub(super) fn read<'a>(
        &mut self,
        input: &mut Input<'_>,
        reading: &'a mut Reading,
    ) -> Result<Option<Event<'a>>, Violation> {
        let Self { endpoint, role, compression, decoder, .. } = self;
        let Reading { scratch, inflater } = reading;
        let deflate = !matches!(compression, Compression::Off);
        let rules = Rules { sender: role.other(), deflate, limits: &endpoint.options().limits };
        let inflater = match compression {
            Compression::Own(own) => &mut own.inflater,
            _ => inflater,
        };
        decoder.next(input, &rules, scratch, inflater)
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.endpoint.options().limits
    }

    /// Writes a message, compressed if that was agreed on and is worth it.
    #[inline]
    pub(super) fn write_message<App>(
        &mut self,
        transport: &mut Transport<'_, App>,
        opcode: Opcode,
        payload: &[u8],
    ) {
        if self.state != State::Open {
            return;
        }
        if payload.len() >= self.short.into() {
            return self.write_any(transport, opcode, payload);
        }
        transport.write(&Header::encode_short(opcode, payload.len() as u8));
        transport.write(payload);
    }

    // In line it has every short message save registers for it.
    #[inline(never)]
    fn write_any<App>(
        &mut self,
        transport: &mut Transport<'_, App>,
        opcode: Opcode,
        payload: &[u8],
    ) {
        if payload.len() < self.deflate_from as usize {
            return self.write(transport, opcode, false, payload);
        }
        self.write_deflated(transport, opcode, payload);
    }

    #[cold]
    fn write_deflated<App>(
        &mut self,
        transport: &mut Transport<'_, App>,
        opcode: Opcode,
        payload: &[u8],
    ) {
        let mut deflated = Vec::new();
        let may_do_without = match &mut self.compression {
            Compression::Off => return self.write(transport, opcode, false, payload),
            Compression::Own(own) => {
                own.deflater.deflate(payload, &mut deflated);
                // The peer has to see what later messages may refer to.
                false
            }
            Compression::Shared { window_bits } => {
                let bits = *window_bits;
                self.endpoint.with_tools(|it| it.deflater(bits).deflate(payload, &mut deflated));
                true
            }
        };
        if may_do_without && deflated.len() >= payload.len() {
            self.write(transport, opcode, false, payload);
        } else {
            self.write(transport, opcode, true, &deflated);
        }
    }

    /// Writes a frame: a server's as it is, a client's masked.
    pub(super) fn write<App>(
        &self,
        transport: &mut Transport<'_, App>,
        opcode: Opcode,
        rsv1: bool,
        payload: &[u8],
    ) {
        match self.role {
            Role::Server => {
                let length = payload.len() as u64;
                let header = Header { fin: true, rsv1, opcode, mask: None, length };
                transport.write(&header.encode());
                transport.write(payload);
            }
            Role::Client => self.write_masked(transport, opcode, rsv1, payload),
        }
    }

    fn write_masked<App>(
        &self,
        transport: &mut Transport<'_, App>,
        opcode: Opcode,
        rsv1: bool,
        payload: &[u8],
    ) {
        self.endpoint.with_tools(|tools| {
            let key = tools.key(transport.registry());
            tools.out.clear();
            wire::encode(opcode, rsv1, Some(key), payload, &mut tools.out);
            transport.write(&tools.out);
            tools.out.shrink_to(64 * 1024);
        });
    }

    /// Says goodbye. A server ends its half of the connection with it, so that nothing can follow.
    pub(super) fn write_close<App>(
        &self,
        transport: &mut Transport<'_, App>,
        code: CloseCode,
        reason: &str,
    ) {
        self.write(transport, Opcode::Close, false, &wire::close::payload(code, reason));
        if self.role == Role::Server {
            transport.end();
        }
    }
}

/// From which length on messages are worth compressing: none is, where nothing was agreed on, or a window
/// that zlib does not have.
fn deflate_from(endpoint: &Endpoint, role: Role, agreement: Option<Agreement>) -> u32 {
    let can = agreement.is_some_and(|it| it.of(role).1 >= 9);
    let options = endpoint.options().deflate.as_ref().filter(|_| can);
    options.and_then(|it| it.from.try_into().ok()).unwrap_or(u32::MAX)
}

impl Compression {
    fn new(endpoint: &Endpoint, role: Role, agreement: Option<Agreement>) -> Self {
        let Some(agreement) = agreement else {
            return Self::Off;
        };
        let (ours, window_bits) = agreement.of(role);
        let (theirs, _) = agreement.of(role.other());
        if (ours, theirs) == (Context::Fresh, Context::Fresh) {
            return Self::Shared { window_bits };
        }
        let level = endpoint.options().deflate.as_ref().map_or(0, |it| it.level);
        let (inflater, deflater) = (Inflater::new(theirs), Deflater::new(ours, window_bits, level));
        Self::Own(Box::new(Own { inflater, deflater }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With 8 bytes for who allocates it, what holds one of them is a multiple of 16.
    #[test]
    fn each_of_ten_thousand_idle_ones_is_small() {
        assert!(size_of::<Link>() <= 104, "{}", size_of::<Link>());
    }
}
