//! A network of a test's own, from which nothing leads out: loopback, and addresses that no program takes for loopback.

use std::fs::File;
use std::io::{self, Read as _};
use std::process::{Command, Stdio};

use crate::outside::{self, Process};

/// Where this thread was before it went into a network of its own, and where it goes when this is dropped.
///
/// A network is of a thread, and of what that starts: programs, threads, their sockets. Other tests stay where they are.
pub(crate) struct Network {
    before: File,
}

/// What is done in there. The addresses are of nobody (RFC 5737). What is sent to a group needs a way, too.
const PREPARE: &str = "ip link set lo up multicast on && ip route add 224.0.0.0/4 dev lo && \
    for last in 1 2 3 4 5 6 7 8; do ip address add 192.0.2.$last/32 dev lo || exit 1; done";

impl Network {
    /// Goes into a new one, with the addresses `192.0.2.1` to `192.0.2.8`. Who may not make one, as root may, is told so
    /// and stays in that of the machine.
    pub(crate) fn enter() -> Option<Self> {
        let entered = Self::try_enter();
        if let Err(error) = &entered {
            outside::left_out(format_args!("no network of its own to be had: {error}"));
        }
        entered.ok()
    }

    fn try_enter() -> io::Result<Self> {
        let before = File::open("/proc/thread-self/ns/net")?;
        let script = format!("{PREPARE} && echo && read _");
        let mut maker = Command::new("unshare");
        maker.args(["--net", "sh", "-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        // What has no process and no thread in it any more is gone, so this one stays until we are in.
        let mut maker = Process(maker.stderr(Stdio::null()).spawn()?);
        let output = maker.0.stdout.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        output.read_exact(&mut [0])?;
        let inside = File::open(format!("/proc/{}/ns/net", maker.0.id()))?;
        go(&inside)?;
        Ok(Self { before })
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        go(&self.before).expect("who may leave a network may come back");
    }
}

/// Moves this thread, and no other, into a network.
#[cfg(target_os = "linux")]
fn go(network: &File) -> io::Result<()> {
    use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
    use std::os::fd::AsFd as _;

    Ok(move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?)
}

#[cfg(not(target_os = "linux"))]
fn go(_: &File) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
