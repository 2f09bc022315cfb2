//! Which of a program's functions the loop calls.

use std::fmt;

/// A function of the program that the loop calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Callback {
    /// `on_open` of a connection or a datagram socket.
    Open,
    /// [`Protocol::on_data`](crate::Protocol::on_data).
    Data,
    /// [`Protocol::on_end`](crate::Protocol::on_end).
    End,
    /// `on_drain` of a connection or a datagram socket.
    Drain,
    /// [`Protocol::on_file_sent`](crate::Protocol::on_file_sent).
    FileSent,
    /// `on_timer` of a connection or a datagram socket, or the closure of a free-standing timer.
    Timer,
    /// [`Protocol::on_idle`](crate::Protocol::on_idle).
    Idle,
    /// `on_shutdown` of a connection or a datagram socket.
    Shutdown,
    /// `on_close` of a connection or a datagram socket.
    Close,
    /// [`DatagramProtocol::on_datagram`](crate::DatagramProtocol::on_datagram).
    Datagram,
    /// [`DatagramProtocol::on_error`](crate::DatagramProtocol::on_error).
    Error,
    /// A listener's factory, which makes the protocol of an accepted connection.
    Factory,
    /// A deferred closure, or one that another thread has sent.
    Task,
    /// The closure that takes the result of offloaded work.
    Offloaded,
    /// The closure that takes a detached connection.
    Detached,
    /// The closure that handles a signal.
    Signal,
}

impl Callback {
    /// Its name in the program, or what stands for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "on_open",
            Self::Data => "on_data",
            Self::End => "on_end",
            Self::Drain => "on_drain",
            Self::FileSent => "on_file_sent",
            Self::Timer => "on_timer",
            Self::Idle => "on_idle",
            Self::Shutdown => "on_shutdown",
            Self::Close => "on_close",
            Self::Datagram => "on_datagram",
            Self::Error => "on_error",
            Self::Factory => "factory",
            Self::Task => "task",
            Self::Offloaded => "offloaded",
            Self::Detached => "detached",
            Self::Signal => "on_signal",
        }
    }
}

impl fmt::Display for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
