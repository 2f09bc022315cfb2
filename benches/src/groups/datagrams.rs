//! Datagrams: one socket that echoes for many peers, and one that sends runs to one peer.

use crate::correspondents::DatagramWork;
use crate::datagrams::{Datagrams, Duty};
use crate::work::{Case, Clock, Contender, Group};

/// The group.
pub fn group() -> Group {
    Group {
        name: "datagrams",
        about: "What it costs a server to send a datagram: 64 bytes back to one of 50 peers, or 1200 \
                bytes of a run of 32 to one peer. The ruler is a raw epoll loop with recvfrom and \
                sendto.",
        shown: "64 bytes back to 50 peers",
        cases: vec![
            case("64 bytes back to 50 peers", Duty::Echo, 50),
            case("runs to one peer", Duty::Bulk, 1),
        ],
    }
}

fn case(name: &str, duty: Duty, clients: usize) -> Case {
    Case {
        name: name.to_owned(),
        grows_to: None,
        unit: "datagram",
        clock: Clock::Processor,
        contenders: Contender::each(Datagrams::all(), move |server| {
            DatagramWork::start(server, duty, clients)
        }),
    }
}
