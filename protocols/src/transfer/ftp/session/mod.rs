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
//! The state is in the [`Server`], by the id of the control connection, since much that concerns it
//! happens elsewhere: on the data connection, on the pool of threads, when a timer fires.
//!
//! | file | what it is |
//! |---|---|
//! | `state` | what there is to know of a session |
//! | `conversation` | a session with everything around it: replies, work for the pool, what is next |
//! | `commands` | which command is done where |
//! | `login` | who it is |
//! | `silence` | how long it may say nothing |
//! | `parameters` | how and where files are to be sent |
//! | `files` | what is done to the tree without a transfer |
//! | `hashing` | what a client compares with its own |
//! | `refusal` | what a failure of the tree is answered with |
//! | `answers` | what the server says of itself |
//! | `transfer` | files and lists, on their way |

use std::net::IpAddr;

use reactor::{Closed, Input, Protocol, Registry, Transport};

use super::Server;
use super::reply::Reply;
use super::telnet::{Said, Telnet};

mod answers;
mod commands;
mod conversation;
mod files;
mod hashing;
mod login;
mod parameters;
mod refusal;
mod silence;
mod state;
mod transfer;

pub(super) use conversation::Conversation;
pub(super) use login::Check;
pub(super) use state::{Channel, State};

use state::{Heard, Leaving};

/// The server's side of one control connection.
#[derive(Debug)]
pub struct Session {
    peer: IpAddr,
    telnet: Telnet,
}

impl Session {
    pub(super) fn new(peer: IpAddr, line: usize) -> Self {
        Self { peer, telnet: Telnet::new(line) }
    }
}

impl<App: AsMut<Server> + 'static> Protocol<App> for Session {
    fn on_open(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        let Some(local) = transport.local().socket_addr() else {
            return transport.abort();
        };
        let (id, now) = (transport.id(), transport.registry().now());
        let server = app.as_mut();
        let state = State::new(self.peer, local, server.settings(), now);
        transport.write(&Reply::new(220, &server.settings().greeting).to_bytes());
        server.open_session(id, state);
        Conversation::enter(transport.registry(), app, id, |_| {});
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        let id = transport.id();
        loop {
            if app.as_mut().is_full(id) {
                // What is not looked at now is offered again when there is room.
                return transport.pause();
            }
            if transport.queued_bytes() > transport.limits().outbox_high {
                // So many short lines have long answers: the rest has to wait until those have left.
                transport.pause();
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
            Conversation::enter(transport.registry(), app, id, |it| it.handle_heard(heard));
        }
    }

    fn on_end(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        let id = transport.id();
        Conversation::enter(transport.registry(), app, id, |it| {
            it.handle_leaving(Leaving::ClientEnded);
        });
    }

    fn on_shutdown(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        let id = transport.id();
        Conversation::enter(transport.registry(), app, id, |it| {
            it.handle_leaving(Leaving::Shutdown);
        });
    }

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &Closed, app: &mut App) {
        Conversation::enter(registry, app, closed.id, |it| {
            it.handle_gone();
        });
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
