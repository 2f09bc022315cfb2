//! The part of a conversation that has a data connection beside it.
//!
//! What this side gives up while it is under way it resets, so that not a byte more comes, and then says
//! ABOR (RFC 959, 4.1.3): a server that has not noticed stops, one that has finished says so, and either
//! way there are two replies, behind which both sides agree again where they are. The Telnet signals that
//! the RFC has in front of it are for servers that do not listen while they send: of the reset those hear.

use super::{Dialogue, State, Step};
use crate::transfer::ftp::client::Failure;
use crate::transfer::ftp::wire::address;
use crate::transfer::ftp::wire::command::{Command, Epsv};
use crate::transfer::ftp::wire::reply::{Kind, Reply};

/// An operation with a data connection.
#[derive(Debug)]
pub(super) struct Transfer {
    restart: Option<u64>,
    begin: Command,
    /// How the data connection has ended, once it has.
    pub(super) data: Option<Result<(), Failure>>,
    /// How the server says that it has, once it does.
    reply: Option<Reply>,
}

impl Transfer {
    /// Why this side has given it up, if it has.
    fn given_up(&self) -> Option<Failure> {
        let failure = self.data.as_ref()?.as_ref().err()?;
        failure.is_own().then(|| failure.clone())
    }
}

impl Dialogue {
    /// Begins with a command that needs one.
    pub(in crate::transfer::ftp::client) fn start_transfer(
        &mut self,
        begin: Command,
        restart: Option<u64>,
    ) -> Step {
        let transfer = Transfer { restart, begin, data: None, reply: None };
        self.state = State::Passive(transfer);
        Step::Say(if self.has_epsv { Command::Epsv(Epsv::Port) } else { Command::Pasv })
    }

    /// The data connection is on its way, which is early enough to say what it is for.
    pub(in crate::transfer::ftp::client) fn handle_connecting(&mut self) -> Step {
        let State::Passive(transfer) = self.take_state() else {
            return Step::Wait;
        };
        match transfer.restart {
            Some(offset) => {
                self.state = State::Restart(transfer);
                Step::Say(Command::Rest(offset))
            }
            None => self.begin(transfer),
        }
    }

    /// The data connection could not be opened.
    pub(in crate::transfer::ftp::client) fn handle_not_connected(
        &mut self,
        failure: Failure,
    ) -> Step {
        self.state = State::Idle;
        Step::Done(Err(failure))
    }

    /// The data connection has ended.
    pub(in crate::transfer::ftp::client) fn handle_data_end(
        &mut self,
        result: Result<(), Failure>,
    ) -> Step {
        match &mut self.state {
            State::Restart(transfer) | State::Begin(transfer) => transfer.data = Some(result),
            State::Moving(transfer) => {
                transfer.data = Some(result);
                return self.settle();
            }
            _ => {}
        }
        Step::Wait
    }

    // ── replies ─────────────────────────────────────────────────────────────────────────────

    pub(super) fn handle_passive(&mut self, transfer: Transfer, reply: Reply) -> Step {
        let port = match reply.code {
            229 => address::parse_229(reply.text()),
            // Of the address there only the port is used: the rest may be anybody's, or be behind a
            // NAT (RFC 2577; RFC 4217, 11). The data comes from where the replies come from.
            227 => address::parse_227(reply.text()).map(|address| address.port()),
            _ => None,
        };
        if let Some(port) = port.filter(|&port| port > 0) {
            self.state = State::Passive(transfer);
            return Step::Connect(port);
        }
        match reply.kind() {
            Kind::Preliminary => self.wait(State::Passive(transfer)),
            // It does not know EPSV, or its firewall does not.
            Kind::Failure | Kind::Completion if self.has_epsv && self.has_pasv => {
                self.has_epsv = false;
                self.say(State::Passive(transfer), Command::Pasv)
            }
            Kind::Failure | Kind::TransientFailure => self.done(Err(Failure::Refused(reply))),
            Kind::Completion | Kind::Intermediate => {
                self.done(Err(Failure::Nonsense(format!("no port in {reply}"))))
            }
        }
    }

    pub(super) fn handle_restart(&mut self, transfer: Transfer, reply: Reply) -> Step {
        match reply.kind() {
            Kind::Preliminary => self.wait(State::Restart(transfer)),
            Kind::Intermediate => match transfer.given_up() {
                Some(failure) => self.done(Err(failure)),
                None => self.begin(transfer),
            },
            _ => self.done(Err(Failure::Refused(reply))),
        }
    }

    fn begin(&mut self, transfer: Transfer) -> Step {
        let command = transfer.begin.clone();
        self.say(State::Begin(transfer), command)
    }

    pub(super) fn handle_begin(&mut self, transfer: Transfer, reply: Reply) -> Step {
        match (reply.kind(), &transfer.begin) {
            (Kind::Preliminary, _) => {
                self.state = State::Moving(transfer);
                self.settle()
            }
            // Some servers say only that it is done.
            (Kind::Completion, _) => self.handle_moving(transfer, reply),
            (Kind::Failure, Command::Mlsd(path)) if matches!(reply.code, 500 | 502 | 504) => {
                self.features.facts = false;
                self.state = State::Idle;
                Step::Instead(Command::List(path.clone()))
            }
            _ => self.done(Err(Failure::Refused(reply))),
        }
    }

    pub(super) fn handle_moving(&mut self, mut transfer: Transfer, reply: Reply) -> Step {
        if reply.kind() == Kind::Preliminary {
            return self.wait(State::Moving(transfer));
        }
        transfer.reply = Some(reply);
        self.state = State::Moving(transfer);
        self.settle()
    }

    /// A transfer is over when the data has ended, and the server says so.
    fn settle(&mut self) -> Step {
        match self.take_state() {
            State::Moving(Transfer { reply: Some(reply), data, .. })
                if reply.kind() != Kind::Completion =>
            {
                // What this side has broken off itself has a better reason than that.
                let own = data.and_then(Result::err).filter(Failure::is_own);
                self.done(Err(own.unwrap_or(Failure::Refused(reply))))
            }
            State::Moving(Transfer { reply: Some(reply), data: Some(data), .. }) => {
                self.done(data.map(|()| reply))
            }
            State::Moving(transfer) => match transfer.given_up() {
                Some(failure) => self.say(State::Aborting(failure), Command::Abor),
                None => self.wait(State::Moving(transfer)),
            },
            state => self.wait(state),
        }
    }

    /// What has become of the transfer, which does not matter any more.
    pub(super) fn handle_aborting(&mut self, failure: Failure, reply: &Reply) -> Step {
        match reply.kind() {
            Kind::Preliminary => self.wait(State::Aborting(failure)),
            _ => self.wait(State::Aborted(failure)),
        }
    }

    /// What the server says to ABOR; one that does not know it has stopped all the same.
    pub(super) fn handle_aborted(&mut self, failure: Failure, reply: &Reply) -> Step {
        match reply.kind() {
            Kind::Preliminary => self.wait(State::Aborted(failure)),
            _ => self.done(Err(failure)),
        }
    }
}
