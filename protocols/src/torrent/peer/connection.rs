//! The protocol of one connection: a handshake each, then messages, both ways.
//!
//! ```text
//!   accepted ─▶ Greeting ──the torrent is here, there is room─▶ Talking ──▶ Over
//!   dialled ──▶    │                                               ▲          ▲
//!                  └── another protocol, another torrent, ourselves, a liar, one too many ──┘
//! ```

use std::net::{IpAddr, SocketAddr};

use reactor::{CloseReason, Closed, Input, Protocol, Registry, TimerKey, Transport};

use super::Host;
use super::swarms::Arrived;
use crate::torrent::InfoHash;
use crate::torrent::machine::PeerKey;
use crate::torrent::wire::message::{Decoder, Handshake};

/// It has to have said what it wants by then.
const GREETING: TimerKey = TimerKey(1);

/// One connection to a peer.
#[derive(Debug)]
pub(super) struct Connection {
    way: Way,
    state: State,
    decoder: Decoder,
}

/// Who has made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// A peer.
    Accepted,
    /// This side, for a torrent.
    Dialled(InfoHash, SocketAddr),
}

#[derive(Debug)]
enum State {
    Greeting,
    Talking { hash: InfoHash, key: PeerKey },
    Over,
}

impl Connection {
    pub(super) fn new(way: Way) -> Self {
        Self { way, state: State::Greeting, decoder: Decoder::default() }
    }

    /// Takes the peer's handshake, if it is there.
    fn greet<App: Host>(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        let handshake = match Handshake::take(input) {
            Ok(Some(handshake)) => handshake,
            Ok(None) => return,
            // It may be encrypted, and tried again in plain: nobody is to blame.
            Err(_) => return self.end(transport, input),
        };
        transport.cancel_timer(GREETING);
        let Some(ip) = ip_of(transport) else {
            return self.end(transport, input);
        };
        let (connection, local) = (transport.id(), transport.local().socket_addr());
        let arrived = Arrived { connection, ip, local, way: self.way, handshake };
        match app.swarms().handle_arrival(&arrived, transport.registry()) {
            Ok(key) => {
                let hash = handshake.info_hash;
                self.state = State::Talking { hash, key };
                if self.way == Way::Accepted {
                    transport.write(&app.swarms().handshake(hash).to_bytes());
                }
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
        let swarms = app.swarms();
        let (id, patience) = (transport.id(), swarms.options().limits.greeting);
        match self.way {
            Way::Accepted => swarms.handle_greeter(id, transport.registry()),
            Way::Dialled(hash, _) => transport.write(&swarms.handshake(hash).to_bytes()),
        }
        transport.set_timer(GREETING, patience);
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        match self.state {
            State::Greeting => self.greet(transport, input, app),
            State::Talking { .. } => {}
            State::Over => {
                input.take_all();
                return;
            }
        }
        self.talk(transport, input, app);
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
        if let Way::Dialled(hash, address) = self.way {
            swarms.handle_failed(hash, address, registry);
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
    transport.peer().ip()
}
