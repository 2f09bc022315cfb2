//! The protocol of one connection: a handshake each, then messages, both ways.
//!
//! ```text
//!              ┌── its first bytes are not plain ─▶ Securing ─┐
//!              │                                      ▲       │
//!   accepted ──┴─▶ Greeting ◀─────────────────────────┼───────┘
//!   dialled ──plain─▶ │  └──the torrent is here, there is room─▶ Talking ──▶ Over
//!      │              └── another protocol, another torrent, ourselves, a liar, one too many ──▶ Over
//!      └──encrypted───────────────────────────────────┘
//! ```

use std::net::{IpAddr, SocketAddr};

use reactor::{CloseReason, Closed, Input, Protocol, Registry, TimerKey, Transport};

use super::Host;
use super::addresses::{Failed, Greeting};
use super::securing::{Securing, Veil};
use super::swarms::Arrived;
use crate::torrent::InfoHash;
use crate::torrent::machine::PeerKey;
use crate::torrent::wire::message::{Decoder, Handshake};
use crate::torrent::wire::mse::{Rc4, Secured};

/// It has to have said what it wants by then.
const GREETING: TimerKey = TimerKey(1);

/// One connection to a peer.
#[derive(Debug)]
pub(super) struct Connection {
    way: Way,
    state: State,
    decoder: Decoder,
    /// What comes goes through this, where it is not plain.
    veil: Option<Box<Veil>>,
}

/// Who has made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// A peer.
    Accepted,
    /// This side, for a torrent.
    Dialled(InfoHash, SocketAddr, Greeting),
}

#[derive(Debug)]
enum State {
    /// It is not open yet.
    Connecting,
    Securing(Box<Securing>),
    Greeting(Agreed),
    Talking {
        hash: InfoHash,
        key: PeerKey,
    },
    Over,
}

/// How it is encrypted. That is agreed once.
#[derive(Debug)]
enum Agreed {
    Nothing,
    /// What is sent is enciphered with this; or from now on it is plain.
    Yes(Option<Box<Rc4>>),
}

impl Connection {
    pub(super) fn new(way: Way) -> Self {
        Self { way, state: State::Connecting, decoder: Decoder::default(), veil: None }
    }

    /// Says first what the side that dials says first.
    fn dial<App: Host>(
        &mut self,
        transport: &mut Transport<'_, App>,
        hash: InfoHash,
        greeting: Greeting,
        app: &mut App,
    ) {
        let (swarms, registry) = (app.swarms(), transport.registry());
        let mut out = swarms.handshake(hash).to_bytes().to_vec();
        if greeting == Greeting::Encrypted {
            let (policy, handshake) = (swarms.options().encryption, std::mem::take(&mut out));
            let random = &mut || registry.random();
            let securing = Securing::dial(hash, policy, &handshake, random, &mut out);
            self.state = State::Securing(Box::new(securing));
        }
        transport.write(&out);
    }

    /// Goes on until both sides agree how it is encrypted.
    fn secure<App: Host>(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        let State::Securing(securing) = &mut self.state else {
            return;
        };
        let mut out = Vec::new();
        let (torrents, registry) = (app.swarms().hashes(), transport.registry());
        let random = &mut || registry.random();
        let secured = securing.handle(input.take_all(), torrents, random, &mut out);
        transport.write(&out);
        match secured {
            Ok(None) => {}
            Ok(Some(Secured { sending, receiving, rest, .. })) => {
                self.state = State::Greeting(Agreed::Yes(sending));
                self.veil = Some(Box::new(Veil::new(receiving, &rest)));
                self.unveil(transport, app);
            }
            Err(_) => self.end(transport, input),
        }
    }

    /// Hears what has been deciphered.
    fn unveil<App: Host>(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        let Some(mut veil) = self.veil.take() else {
            return;
        };
        let mut clear = Input::new(veil.clear());
        self.hear(transport, &mut clear, app);
        let left = clear.len();
        veil.keep(left);
        self.veil = Some(veil).filter(|veil| !veil.is_over());
    }

    fn hear<App: Host>(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        if let State::Greeting(_) = self.state {
            self.greet(transport, input, app);
        }
        match self.state {
            State::Securing(_) => self.secure(transport, input, app),
            State::Talking { .. } => self.talk(transport, input, app),
            State::Over => {
                input.take_all();
            }
            State::Connecting | State::Greeting(_) => {}
        }
    }

    /// Takes the peer's handshake, if it is there.
    fn greet<App: Host>(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        let is_plain = matches!(self.state, State::Greeting(Agreed::Nothing));
        let (policy, registry) = (app.swarms().options().encryption, transport.registry());
        let may_secure = is_plain && self.way == Way::Accepted && policy.allows_encrypted();
        let handshake = match Handshake::take(input) {
            Ok(Some(_)) if is_plain && !policy.allows_plain() => return self.end(transport, input),
            Ok(Some(handshake)) => handshake,
            Ok(None) => return,
            Err(_) if may_secure => {
                let securing = Securing::accept(policy, &mut || registry.random());
                self.state = State::Securing(Box::new(securing));
                return;
            }
            // It may want to be greeted otherwise, or to greet otherwise: nobody is to blame.
            Err(_) => return self.end(transport, input),
        };
        transport.cancel_timer(GREETING);
        self.meet(transport, input, handshake, app);
    }

    /// A handshake has come: lets the peer in, if it may be.
    fn meet<App: Host>(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        handshake: Handshake,
        app: &mut App,
    ) {
        let cipher = match std::mem::replace(&mut self.state, State::Over) {
            State::Greeting(Agreed::Yes(cipher)) => cipher,
            State::Greeting(Agreed::Nothing) => None,
            _ => return,
        };
        let Some(ip) = ip_of(transport) else {
            return self.end(transport, input);
        };
        let (connection, local) = (transport.id(), transport.local().socket_addr());
        let arrived = Arrived { connection, ip, local, way: self.way, handshake, cipher };
        let hash = handshake.info_hash;
        match app.swarms().handle_arrival(arrived, transport.registry()) {
            Ok(key) => {
                self.state = State::Talking { hash, key };
                app.swarms().welcome(hash, key, transport.registry());
            }
            Err(_) => self.end(transport, input),
        }
    }

    fn talk<App: Host>(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        let State::Talking { hash, key } = self.state else {
            return;
        };
        let now = transport.registry().now();
        let Some(swarm) = app.swarms().get_mut(&hash) else {
            return self.end(transport, input);
        };
        let bounds = swarm.bounds();
        let broken = loop {
            match self.decoder.next(input, &bounds) {
                Ok(Some(message)) => {
                    if swarm.handle_message(key, &message, now).is_err() {
                        break true;
                    }
                }
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        self.decoder.rest();
        swarm.act(transport.registry());
        if broken {
            return self.end(transport, input);
        }
        if swarm.is_behind() {
            swarm.held.push(transport.id());
            transport.pause();
        }
    }

    fn end<App: Host>(&mut self, transport: &mut Transport<'_, App>, input: &mut Input<'_>) {
        input.take_all();
        transport.release();
    }
}

impl<App: Host> Protocol<App> for Connection {
    fn on_open(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        let patience = app.swarms().options().limits.greeting;
        transport.set_timer(GREETING, patience);
        self.state = State::Greeting(Agreed::Nothing);
        match self.way {
            Way::Accepted => app.swarms().handle_greeter(transport.id(), transport.registry()),
            Way::Dialled(hash, _, greeting) => self.dial(transport, hash, greeting, app),
        }
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        match &mut self.veil {
            None => self.hear(transport, input, app),
            Some(veil) => {
                veil.lift(input.take_all());
                self.unveil(transport, app);
            }
        }
    }

    fn on_drain(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        if let State::Talking { hash, key } = self.state
            && let Some(swarm) = app.swarms().get_mut(&hash)
        {
            swarm.serve(key, transport.registry());
        }
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, App>, key: TimerKey, _: &mut App) {
        if key == GREETING {
            transport.release();
        }
    }

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &Closed, app: &mut App) {
        let state = std::mem::replace(&mut self.state, State::Over);
        let swarms = app.swarms();
        swarms.forget_greeter(closed.id);
        if let Way::Dialled(hash, address, _) = self.way {
            let failed = match state {
                State::Securing(_) | State::Greeting(_) => Failed::Unanswered,
                State::Connecting | State::Talking { .. } | State::Over => Failed::Unreached,
            };
            swarms.handle_failed(hash, address, failed, registry);
        }
        if let State::Talking { hash, key } = state
            && let Some(swarm) = swarms.get_mut(&hash)
        {
            let parted = matches!(closed.reason, CloseReason::Closed);
            swarm.handle_closed(key, closed.id, parted, registry);
        }
    }
}

fn ip_of<App>(transport: &Transport<'_, App>) -> Option<IpAddr> {
    transport.peer().ip().map(|ip| ip.to_canonical())
}
