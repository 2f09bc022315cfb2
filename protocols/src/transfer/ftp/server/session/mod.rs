//! One client: its control connection, and everything that is done for it.
//!
//! ```text
//!                 USER                    PASS                              QUIT, 421
//!   Nobody ───────────────▶ Named ──────────────────▶ In ─────────────────────────────▶ (gone)
//!      ▲                      │ wrong: 530, later each time, at last 421    │
//!      └──────────────────────┴───────────── REIN ──────────────────────────┘
//!
//!   and whatever is asked is done one at a time:
//!
//!            a command that needs the disk            done: its reply
//!   Idle ──────────────────────────────────▶ Busy ─────────────────────▶ Idle
//!     │        RETR, STOR, LIST …              │ the file is open: 150
//!     │                                        ▼
//!     └──────────────────────────────────  Transfer ── all there: 226, or why not: 4yz ──▶ Idle
//!                                            ▲   │
//!                                            └───┘ STAT, ABOR, NOOP are heard meanwhile,
//!                                                  everything else waits its turn
//! ```
//!
//! All of it is in the protocol of the control connection. What happens elsewhere is told to it: the pool's
//! results and the timers come to it by themselves, and a data connection tells it by the connection's id.
//!
//! | file | what it is |
//! |---|---|
//! | `state` | what there is to know of a session |
//! | `conversation` | a session with everything around it: replies, work for the pool, what is next |
//! | `commands` | which command is done where |
//! | `login` | who it is |
//! | `security` | whether its connections are protected |
//! | `silence` | how long it may say nothing |
//! | `parameters` | how files are to be sent |
//! | `passive`, `active` | where: who opens a port for it, and who connects |
//! | `files` | what is done to the tree without a transfer |
//! | `hashing` | what a client compares with its own |
//! | `refusal` | what a failure of the tree is answered with |
//! | `answers` | what the server says of itself |
//! | `transfer` | files and lists, on their way |

use std::net::IpAddr;

use reactor::{Closed, Input, Protocol, Registry, TimerKey, Transport};

use crate::transfer::ftp::Server;
#[cfg(feature = "tls")]
use crate::transfer::ftp::secure;
use crate::transfer::ftp::secure::Token;
use crate::transfer::ftp::wire::reply::Reply;
use crate::transfer::ftp::wire::telnet::Said;

mod active;
mod answers;
mod commands;
mod conversation;
mod files;
mod hashing;
mod login;
mod parameters;
mod passive;
mod refusal;
mod security;
mod silence;
mod state;
mod transfer;

pub use state::Session;

pub(super) use conversation::{Conversation, tell};
pub(super) use transfer::Job;

use security::Security;
use state::{CHANNEL, Heard, LOGIN, Leaving, Work};

/// A client that has been let in, until its connection is open: only then is it known which of this server's
/// addresses it has reached.
#[derive(Debug)]
pub(super) struct Arrival {
    peer: IpAddr,
    beginning: Beginning,
    /// What its data connections are to be known by.
    token: Token,
}

/// How a control connection begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// In the clear; the client may say AUTH.
    Plain,
    /// With TLS.
    #[cfg(feature = "tls")]
    Implicit,
}

impl Arrival {
    pub(super) fn new(peer: IpAddr, beginning: Beginning) -> Self {
        Self { peer, beginning, token: Token::default() }
    }

    fn greet<App: AsMut<Server> + 'static>(
        &self,
        transport: &mut Transport<'_, App>,
        app: &mut App,
        security: Security,
    ) {
        let (server, now) = (app.as_mut(), transport.registry().now());
        let Some(local) = transport.local().socket_addr() else {
            return transport.abort();
        };
        transport.write(&Reply::new(220, &server.settings().greeting).to_bytes());
        transport.replace(Session::new(self.peer, local, security, server.settings(), now));
    }
}

/// What nobody else's data connections are known by.
fn token<App>(registry: &mut Registry<App>) -> Token {
    let (one, other) = (registry.random(), registry.random());
    (u128::from(one) << 64 | u128::from(other)).to_be_bytes()
}

impl<App: AsMut<Server> + 'static> Protocol<App> for Arrival {
    fn on_open(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        app.as_mut().open_session(self.peer);
        let token = token(transport.registry());
        match self.beginning {
            Beginning::Plain => self.greet(transport, app, Security::clear(token)),
            #[cfg(feature = "tls")]
            Beginning::Implicit => {
                self.token = token;
                if !secure::begin(transport, app.as_mut().settings(), &token) {
                    transport.abort();
                }
            }
        }
    }

    fn on_secure(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        self.greet(transport, app, Security::implicit(self.token));
    }

    fn on_data(&mut self, _: &mut Transport<'_, App>, _: &mut Input<'_>, _: &mut App) {}

    /// It may have ended before it was open, or with the greeting.
    fn on_close(&mut self, _: &mut Registry<App>, closed: &Closed, app: &mut App) {
        match closed.opened {
            true => app.as_mut().close_session(closed.id, self.peer),
            false => app.as_mut().dismiss(self.peer),
        }
    }
}

impl<App: AsMut<Server> + 'static> Protocol<App> for Session {
    fn on_open(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        self.enter(transport, app, |_| {});
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        while !matches!(self.work, Work::Over) {
            if self.is_full(app.as_mut().limits()) {
                // What is not looked at now is offered again when there is room.
                return transport.pause();
            }
            if transport.queued_bytes() > transport.limits().outbox_high {
                // So many short lines have long answers: the rest has to wait until those have left.
                transport.pause();
                let id = transport.id();
                let resume = move |registry: &mut Registry<App>, _: &mut App| {
                    // It may have ended.
                    let _ = registry.resume(id);
                };
                return transport.registry().defer(resume);
            }
            let Some(said) = self.telnet.next(input) else {
                return;
            };
            let heard = match said {
                Said::Line(line) => Heard::line(&line),
                Said::TooLong => Heard::TooLong,
                Said::Interrupt => Heard::Interrupt,
                Said::Refuse(answer) => {
                    transport.write(&answer);
                    continue;
                }
            };
            self.enter(transport, app, |it| it.handle_heard(heard));
            if self.security.is_beginning() {
                // What is left was said behind AUTH: it can only be of the handshake.
                return;
            }
        }
    }

    fn on_secure(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        self.enter(transport, app, |it| {
            it.handle_secure();
        });
    }

    fn on_end(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        self.enter(transport, app, |it| it.handle_leaving(Leaving::ClientEnded));
    }

    fn on_shutdown(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        self.enter(transport, app, |it| it.handle_leaving(Leaving::Shutdown));
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, App>, timer: TimerKey, app: &mut App) {
        self.enter(transport, app, |it| match timer {
            CHANNEL => it.handle_channel_timeout(),
            LOGIN => it.answer_failed_login(),
            _ => it.handle_silence(),
        });
    }

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &Closed, app: &mut App) {
        self.handle_gone(closed.id, registry, app.as_mut());
        app.as_mut().close_session(closed.id, self.peer);
    }
}

/// What is said to a client when there are too many.
#[derive(Debug)]
pub(super) struct TurnedAway;

impl<App> Protocol<App> for TurnedAway {
    fn on_open(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        transport.write(&Reply::new(421, "Too many connections; try again later.").to_bytes());
        transport.close();
    }

    fn on_data(&mut self, _: &mut Transport<'_, App>, input: &mut Input<'_>, _: &mut App) {
        input.take_all();
    }
}
