//! Peers on this network (BEP 14), found by a datagram to everybody who looks for some.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use reactor::{
    Address, Datagram, DatagramOptions, DatagramProtocol, DatagramTransport, Membership,
    MulticastInterface, OpenError, Registry, SocketId, TimerKey,
};

use super::{Host, Swarms};
use crate::torrent::InfoHash;
use crate::torrent::wire::lan::{GROUP, Search, TORRENTS};

/// How often it is looked for torrents that are to be told of.
const TICK: Duration = Duration::from_secs(5);
/// How often one is told of (BEP 14).
const AGAIN: Duration = Duration::from_secs(5 * 60);
/// Datagrams that are read in a tick: a network where more come is flooded.
const HEARD: u32 = 100;

/// Where it is heard. A socket of Linux that is bound to the group hears only what was sent to that, and sends from the
/// address of the interface all the same; elsewhere that does not work on all systems, and what is sent to this machine alone
/// is heard as well.
const HERE: SocketAddrV4 = match cfg!(target_os = "linux") {
    true => GROUP,
    false => SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, GROUP.port()),
};

const TELL: TimerKey = TimerKey(0);

/// Tells of torrents, and hears of them.
struct Lan {
    /// By which we know our own.
    cookie: String,
    told: BTreeMap<InfoHash, Instant>,
    heard: u32,
}

impl Swarms {
    /// Looks for peers on the network that has this address (BEP 14), and tells of the torrents that are shared here: at
    /// once, and every five minutes. Of private torrents it never does; of one of which only the hash is known, as others
    /// do, since nobody could tell.
    ///
    /// It opens UDP port 6771, which on Linux hears only what is sent to the group. Elsewhere everybody who reaches this
    /// machine can speak to it, not only from that network.
    ///
    /// # Errors
    ///
    /// If there is no such address, or its network has no multicast.
    pub fn look_on_lan<App: Host>(
        &mut self,
        registry: &mut Registry<App>,
        interface: Ipv4Addr,
    ) -> Result<SocketId, OpenError> {
        let options = DatagramOptions {
            // Other programs of this machine look there, too. Elsewhere than on Linux that takes both.
            reuse_address: true,
            reuse_port: cfg!(all(unix, not(target_os = "linux"))),
            groups: vec![Membership::V4 { group: *GROUP.ip(), interface }],
            multicast_interface: Some(MulticastInterface::V4(interface)),
            multicast_ttl: Some(1),
            multicast_loop: Some(true),
            ..DatagramOptions::default()
        };
        let cookie = format!("{:016x}", registry.random());
        let lan = Lan { cookie, told: BTreeMap::new(), heard: 0 };
        registry.bind_datagram_with(Address::Ip(HERE.into()), &options, lan)
    }
}

impl Lan {
    /// Tells of those torrents that were not told of for a while.
    fn tell<App: Host>(&mut self, socket: &mut DatagramTransport<'_, App>, app: &mut App) {
        let (swarms, now) = (app.swarms(), socket.registry().now());
        self.told.retain(|hash, _| swarms.get(hash).is_some());
        let may = |hash: &InfoHash, told: Option<&Instant>| {
            let is_due = told.is_none_or(|then| now - *then >= AGAIN);
            is_due && swarms.get(hash).is_some_and(|swarm| !swarm.is_known_private())
        };
        let Some(port) = swarms.port() else {
            return;
        };
        let due: Vec<_> = swarms.hashes().filter(|hash| may(hash, self.told.get(hash))).collect();
        for due in due.chunks(TORRENTS) {
            let (hashes, cookie) = (due.to_vec(), Some(self.cookie.clone()));
            let search = Search { port, hashes, cookie }.write();
            // What cannot be sent now is sent the next time.
            if socket.send_to(&search, &Address::Ip(GROUP.into())).is_ok() {
                self.told.extend(due.iter().map(|hash| (*hash, now)));
            }
        }
    }
}

impl<App: Host> DatagramProtocol<App> for Lan {
    fn on_open(&mut self, socket: &mut DatagramTransport<'_, App>, app: &mut App) {
        self.tell(socket, app);
        socket.set_timer(TELL, TICK);
    }

    fn on_datagram(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        datagram: &Datagram<'_>,
        app: &mut App,
    ) {
        self.heard += 1;
        let search = Search::parse(datagram.bytes).filter(|_| self.heard <= HEARD);
        let (Some(search), Some(ip)) =
            (search, datagram.from.ip().as_ref().map(IpAddr::to_canonical))
        else {
            return;
        };
        if search.cookie.as_ref() == Some(&self.cookie) {
            return;
        }
        for hash in search.hashes {
            if let Some(swarm) = app.swarms().get_mut(&hash)
                && !swarm.is_known_private()
            {
                swarm.add_address((ip, search.port).into(), false, socket.registry());
            }
        }
    }

    fn on_timer(&mut self, socket: &mut DatagramTransport<'_, App>, _: TimerKey, app: &mut App) {
        self.heard = 0;
        self.tell(socket, app);
        socket.set_timer(TELL, TICK);
    }
}
