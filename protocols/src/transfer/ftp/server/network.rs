//! What a session needs of the loop. Behind a `dyn`, so that it is compiled once and not for each application.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use reactor::{ConnectOptions, ConnectionId, ListenOptions, ListenerId, OpenError, TimerKey};

use super::data_port::PassivePort;
use super::session::{Conversation, Job};
use crate::transfer::ftp::Settings;
use crate::transfer::ftp::secure::{DataTls, Token};
use crate::transfer::store::Upload;

/// The loop, as a session sees it.
pub(super) trait Network {
    /// The time this turn began.
    fn now(&self) -> Instant;
    /// The time of day.
    fn wall_clock(&self) -> SystemTime;
    /// Bits that nobody can guess.
    fn random(&mut self) -> u64;
    /// Listens for a data connection.
    fn listen(
        &mut self,
        address: SocketAddr,
        options: &ListenOptions,
        awaited: Awaited,
    ) -> Result<ListenerId, OpenError>;
    /// Where it listens; zero, if it does not any more.
    fn port_of(&self, listener: ListenerId) -> u16;
    /// Opens a data connection.
    fn connect(
        &mut self,
        to: SocketAddr,
        options: &ConnectOptions,
        session: ConnectionId,
        tls: Option<DataTls>,
    ) -> Result<ConnectionId, OpenError>;
    /// Listens no longer. It may have ended by itself, as may a connection.
    fn close_listener(&mut self, listener: ListenerId);
    /// Resets a data connection.
    fn abort(&mut self, data: ConnectionId);
    /// Gives a data connection something to do. If it has ended meanwhile, that is what will be heard of it.
    fn begin(&mut self, data: ConnectionId, job: Job);
    /// Has the pool keep or undo what there is of an upload.
    fn settle(&mut self, upload: Option<Upload>);
}

/// The control connection, as its session sees it.
pub(super) trait Control {
    fn id(&self) -> ConnectionId;
    fn network(&mut self) -> &mut dyn Network;
    fn write(&mut self, bytes: &[u8]);
    /// Closes it when everything that was written has left.
    fn close(&mut self);
    fn resume(&mut self);
    fn set_timer(&mut self, timer: TimerKey, after: Duration);
    fn cancel_timer(&mut self, timer: TimerKey);
    /// Begins with TLS, behind what was written; whether that could be done.
    fn begin_tls(&mut self, settings: &Settings, token: &Token) -> bool;
    /// Has the pool do something, and goes on then; whether there is room for it.
    fn offload(&mut self, work: Work, then: Then) -> bool;
}

/// What the pool does.
pub(super) type Work = Box<dyn FnOnce() + Send>;

/// How a session goes on when it is done.
pub(super) type Then = Box<dyn FnOnce(&mut Conversation<'_>)>;

/// Who is to come to a passive port.
pub(super) struct Awaited {
    pub(super) session: ConnectionId,
    pub(super) client: IpAddr,
    pub(super) port: Rc<PassivePort>,
    pub(super) tls: Option<DataTls>,
}
