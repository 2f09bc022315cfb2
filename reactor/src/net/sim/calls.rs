//! The calls a loop makes to its system: what each may answer, and how one of them is made to fail.

use std::io;

use super::{Choices, Fault, FaultCounts, Faults};

macro_rules! errors {
    ($($name:ident = $unix:ident | $windows:literal;)*) => {
        /// An error of the system, by its name in POSIX.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        #[allow(missing_docs)]
        pub enum Errno {
            $($name,)*
        }

        impl Errno {
            /// What a trace says of a call that fails with it.
            const fn told(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("a call fails: ", stringify!($name)),)*
                }
            }
        }

        impl From<Errno> for io::Error {
            fn from(errno: Errno) -> Self {
                #[cfg(unix)]
                return match errno {
                    $(Errno::$name => rustix::io::Errno::$unix.into(),)*
                };
                #[cfg(not(unix))]
                return match errno {
                    $(Errno::$name => Self::from_raw_os_error($windows),)*
                };
            }
        }
    };
}

errors! {
    EACCES = ACCESS | 10_013;
    EADDRINUSE = ADDRINUSE | 10_048;
    EADDRNOTAVAIL = ADDRNOTAVAIL | 10_049;
    EAFNOSUPPORT = AFNOSUPPORT | 10_047;
    EAGAIN = AGAIN | 10_035;
    ECONNABORTED = CONNABORTED | 10_053;
    ECONNREFUSED = CONNREFUSED | 10_061;
    ECONNRESET = CONNRESET | 10_054;
    EDESTADDRREQ = DESTADDRREQ | 10_039;
    EHOSTUNREACH = HOSTUNREACH | 10_065;
    EINTR = INTR | 10_004;
    EINVAL = INVAL | 10_022;
    EIO = IO | 1_117;
    EISCONN = ISCONN | 10_056;
    EMFILE = MFILE | 10_024;
    EMSGSIZE = MSGSIZE | 10_040;
    ENETDOWN = NETDOWN | 10_050;
    ENETUNREACH = NETUNREACH | 10_051;
    ENFILE = NFILE | 10_024;
    ENOBUFS = NOBUFS | 10_055;
    ENOENT = NOENT | 2;
    ENOMEM = NOMEM | 14;
    ENOSPC = NOSPC | 112;
    ENOTCONN = NOTCONN | 10_057;
    EPERM = PERM | 10_013;
    EPIPE = PIPE | 109;
    EPROTO = PROTO | 10_053;
    EPROTONOSUPPORT = PROTONOSUPPORT | 10_043;
    EPROTOTYPE = PROTOTYPE | 10_041;
    ETIMEDOUT = TIMEDOUT | 10_060;
}

/// One kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Call {
    /// Opening a listener: `socket`, `bind`, `listen`.
    Listen,
    /// Opening a datagram socket: `socket`, `bind`, and `connect` if it has a peer.
    Bind,
    /// Beginning a connection: `socket`, `connect`.
    Connect,
    /// Asking whether a connection was made: `SO_ERROR`, `getpeername`.
    Connected,
    /// Registering a socket with the poller.
    Register,
    /// Accepting a connection.
    Accept,
    /// Reading a stream.
    Read,
    /// Writing to a stream.
    Write,
    /// Sending a file.
    SendFile,
    /// Sending FIN.
    Shutdown,
    /// Receiving a datagram.
    Receive,
    /// Sending a datagram.
    Send,
}

/// What becomes of a call instead of what it would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallFault {
    /// It fails.
    Error(Errno),
    /// It would block. An event follows, as the contract of the poller wants.
    WouldBlock,
    /// It does less than it could: a read or a write of one byte. An event follows for the rest.
    Short,
}

impl CallFault {
    /// What a trace says of it, before the loop's own line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Error(errno) => errno.told(),
            Self::WouldBlock => "a call would block",
            Self::Short => "a call is cut short",
        }
    }
}

impl Call {
    /// The faults it may meet: the errors that the manuals of Linux, FreeBSD and macOS list for it, as
    /// far as a network or a system can bring them about, and what readiness permits.
    #[must_use]
    pub fn call_faults(self) -> Vec<CallFault> {
        let mut call_faults: Vec<CallFault> = self.errors().map(CallFault::Error).collect();
        call_faults.extend(self.can_block().then_some(CallFault::WouldBlock));
        call_faults.extend(self.can_be_short().then_some(CallFault::Short));
        call_faults
    }

    fn errors(self) -> impl Iterator<Item = Errno> {
        self.groups().iter().flat_map(|(_, errors)| *errors).copied()
    }

    /// The errors of a call, by the kind of fault they belong to.
    fn groups(self) -> &'static [(Fault, &'static [Errno])] {
        use Errno as E;
        const NO_DESCRIPTORS: (Fault, &[Errno]) =
            (Fault::NoDescriptors, &[E::EMFILE, E::ENFILE, E::ENOBUFS, E::ENOMEM]);
        match self {
            Self::Listen | Self::Bind => {
                &[NO_DESCRIPTORS, (Fault::OpenError, &[E::EADDRINUSE, E::EADDRNOTAVAIL, E::EACCES])]
            }
            Self::Connect => &[
                NO_DESCRIPTORS,
                (Fault::OpenError, &[E::EADDRNOTAVAIL, E::ENETUNREACH, E::EHOSTUNREACH, E::EACCES]),
            ],
            Self::Connected => &[(
                Fault::ConnectError,
                &[E::ETIMEDOUT, E::EHOSTUNREACH, E::ENETUNREACH, E::ECONNREFUSED, E::ECONNRESET],
            )],
            Self::Register => &[(Fault::OpenError, &[E::ENOMEM, E::ENOSPC])],
            Self::Accept => &[
                NO_DESCRIPTORS,
                (
                    Fault::AcceptError,
                    &[E::ECONNABORTED, E::EPROTO, E::EPERM, E::EINTR, E::ENETDOWN, E::EHOSTUNREACH],
                ),
            ],
            Self::Read => &[(
                Fault::ReadError,
                &[E::ECONNRESET, E::ETIMEDOUT, E::EHOSTUNREACH, E::ENOBUFS, E::ENOMEM, E::EINTR],
            )],
            Self::Write => &[(
                Fault::WriteError,
                &[E::EPIPE, E::ECONNRESET, E::ETIMEDOUT, E::EHOSTUNREACH, E::ENOBUFS, E::EINTR],
            )],
            Self::SendFile => &[(
                Fault::WriteError,
                &[E::EPIPE, E::ECONNRESET, E::ETIMEDOUT, E::EIO, E::ENOMEM, E::EINTR],
            )],
            Self::Shutdown => &[(Fault::WriteError, &[E::ENOTCONN, E::ENOBUFS])],
            Self::Receive => &[(
                Fault::DatagramError,
                &[E::ECONNREFUSED, E::EHOSTUNREACH, E::ENETUNREACH, E::ENOMEM, E::EINTR],
            )],
            Self::Send => &[(
                Fault::DatagramError,
                &[
                    E::ECONNREFUSED,
                    E::EHOSTUNREACH,
                    E::ENETUNREACH,
                    E::EMSGSIZE,
                    E::EPERM,
                    E::ENOBUFS,
                    E::EINTR,
                ],
            )],
        }
    }

    fn can_block(self) -> bool {
        matches!(
            self,
            Self::Accept
                | Self::Read
                | Self::Write
                | Self::SendFile
                | Self::Receive
                | Self::Send
                | Self::Connected
        )
    }

    fn can_be_short(self) -> bool {
        self.short().is_some()
    }

    fn short(self) -> Option<Fault> {
        match self {
            Self::Read => Some(Fault::ShortRead),
            Self::Write | Self::SendFile => Some(Fault::ShortWrite),
            _ => None,
        }
    }
}

/// The calls that were made, and what is planned for them.
#[derive(Default)]
pub(crate) struct Calls {
    pub(crate) made: u64,
    /// The kind of every call, if somebody wants to know.
    pub(crate) record: Option<Vec<Call>>,
    /// What is to become of the call with this number.
    pub(crate) plan: Option<(u64, CallFault)>,
}

impl Calls {
    /// What becomes of the next call.
    pub(super) fn next(
        &mut self,
        call: Call,
        faults: &Faults,
        choices: &mut Choices,
        counts: &mut FaultCounts,
    ) -> Option<CallFault> {
        let number = self.made;
        self.made += 1;
        if let Some(record) = &mut self.record {
            record.push(call);
        }
        if let Some((planned, call_fault)) = self.plan
            && planned == number
        {
            return Some(call_fault);
        }
        if call.can_block() && choices.chance(faults.rate(Fault::WouldBlock)) {
            counts.note(Fault::WouldBlock);
            return Some(CallFault::WouldBlock);
        }
        for &(fault, errors) in call.groups() {
            if choices.chance(faults.rate(fault)) {
                counts.note(fault);
                return Some(CallFault::Error(errors[choices.below(errors.len() as u64) as usize]));
            }
        }
        let fault = call.short()?;
        choices.chance(faults.rate(fault)).then(|| {
            counts.note(fault);
            CallFault::Short
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_is_one_the_system_knows() {
        for call in [Call::Listen, Call::Bind, Call::Connect, Call::Connected, Call::Register]
            .into_iter()
            .chain([Call::Accept, Call::Read, Call::Write, Call::SendFile, Call::Shutdown])
            .chain([Call::Receive, Call::Send])
        {
            assert!(!call.call_faults().is_empty());
            for errno in call.errors() {
                assert!(io::Error::from(errno).raw_os_error().is_some(), "{call:?} {errno:?}");
            }
        }
    }

    #[test]
    fn a_planned_mishap_meets_the_call_with_its_number_and_no_other() {
        let plan = Some((1, CallFault::Error(Errno::ECONNRESET)));
        let mut calls = Calls { plan, ..Calls::default() };
        let mut choices = Choices::from_seed(1);
        let mut counts = FaultCounts::default();
        let met =
            [(); 3].map(|()| calls.next(Call::Read, &Faults::calm(), &mut choices, &mut counts));
        assert_eq!(met, [None, Some(CallFault::Error(Errno::ECONNRESET)), None]);
        assert!(choices.tape().is_empty(), "what cannot happen costs no choice");
    }
}
