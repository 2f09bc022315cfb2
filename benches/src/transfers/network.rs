//! A network of one's own: loopback alone, on which the congestion control is what one says.
//!
//! Where BBR is the default it paces even on loopback, and hides what servers cost. Not every server can
//! be told another one, and the system's default is not ours to change; but in a network namespace of its
//! own the route says which one all sockets have, on both ends, whoever opens them.

use std::env;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::net::sockopt;

use crate::Result;

/// Set in the environment of the program that runs in there.
const INSIDE: &str = "REPORT_INSIDE";

/// What is done in the new network; `$CONGESTION` is the algorithm. One address is not of loopback: without
/// any, resolvers find that there is no network, and servers that ask them for 127.0.0.1 do not start.
const PREPARE: &str = "ip link set lo up && ip address add 192.0.2.1/32 dev lo && \
    for to in 127.0.0.0/8 127.0.0.1; do \
    ip route change table local local $to dev lo proto kernel scope host src 127.0.0.1 \
    congctl $CONGESTION || exit 1; done";

/// The congestion control on both ends. BBR paces, and hides the difference between servers.
const CONGESTION: &str = "cubic";

/// Whether this program was started anew.
pub fn is_entered() -> bool {
    env::var_os(INSIDE).is_some()
}

/// Starts this program anew in a network of its own, unless it cannot have one.
pub fn enter() -> Result {
    if !is_possible() {
        return Ok(());
    }
    let mut inside = unshare();
    inside.arg(format!("{PREPARE} && exec \"$0\" \"$@\"")).arg(env::current_exe()?);
    inside.args(env::args_os().skip(1)).env(INSIDE, "1");
    Err(inside.exec().into())
}

/// The congestion control that connections on loopback have.
pub fn congestion() -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let stream = TcpStream::connect(listener.local_addr()?)?;
    Ok(sockopt::tcp_congestion(&stream)?)
}

fn is_possible() -> bool {
    let mut trial = unshare();
    trial.arg(PREPARE).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    trial.status().is_ok_and(|status| status.success())
}

/// A shell in a new network; its script is to follow.
fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.arg("--net");
    if !rustix::process::getuid().is_root() {
        command.arg("--map-root-user");
    }
    command.args(["sh", "-c"]).env("CONGESTION", CONGESTION);
    command
}
