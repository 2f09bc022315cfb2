//! Who asks trackers, and whom; and who hears of it.

use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use reactor::{Address, ConnectOptions, Reach, Registry};

use super::failure::AnnounceFailed;
use crate::http::client::Scheme;
use crate::torrent::{InfoHash, PeerId};

/// What has become of a question.
pub(super) type Outcome<A> = Result<A, AnnounceFailed>;

/// Hears of it: once, although the type would let it hear more often.
pub(super) type Done<App, A> = Rc<dyn Fn(&mut Registry<App>, &mut App, Outcome<A>)>;

/// Who asks, and whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnounceOptions {
    /// The torrent.
    pub hash: InfoHash,
    /// This peer.
    pub peer: PeerId,
    /// Where it listens.
    pub port: u16,
    /// Where it listens for peers of IPv6, if that is at another port. An announce that leaves from an address of IPv6 says
    /// this one (BEP 7). One over HTTP to a name leaves from where it is made [from](ConnectOptions::from); where that is not
    /// said, and the ports differ, it is made by IPv4, and by IPv6 if nobody answers to that. Default `None`.
    pub port_v6: Option<u16>,
    /// What trackers know it by when its address changes: random.
    pub key: u32,
    /// Trackers, in tiers (BEP 12). All tiers are asked at the same time, since one may know whom others do not; the
    /// trackers of one tier stand for each other.
    pub tiers: Vec<Vec<String>>,
    /// How many peers are wanted in one answer. Default `None`: as many as the tracker likes.
    pub want: Option<u32>,
    /// Where trackers may be. Default [`Reach::Outside`], since a torrent is a stranger's: a name may not lead to this machine
    /// or its network, and an address that is there is asked only if its path ends as that of a tracker does, in
    /// `announce…`; one of a link (169.254.…, fe80::…) is not. [`Reach::Anywhere`] is for torrents of one's own. It stands
    /// above what [`connect`](Self::connect) and [`secure`](Self::secure) say.
    pub reach: Reach,
    /// How connections are made; those over UDP are made [from](ConnectOptions::from) there, too. From `0.0.0.0` or `[::]` says
    /// which family is tried first where a name leads to both: it is for who listens everywhere, by that one alone.
    pub connect: ConnectOptions,
    /// How those over TLS are made. Default `None`: https fails.
    pub secure: Option<ConnectOptions>,
    /// How long an answer over HTTP may take, from connecting to its last byte. Default 30 s.
    pub patience: Duration,
    /// How often a question is sent over UDP that is not answered: after 15 s, 30 s more, and so on. Default 3, which
    /// is given up after 105 s; somebody who is not there at all is known at once.
    pub udp_tries: u32,
}

impl AnnounceOptions {
    /// The port that is told where the announce leaves from an address of IPv6, or of IPv4.
    pub(super) fn port_of(&self, is_v6: bool) -> u16 {
        self.port_v6.filter(|_| is_v6).unwrap_or(self.port)
    }

    /// Everywhere of the family by which a tracker is asked first, if that makes a difference.
    pub(super) fn first_family(&self) -> Option<IpAddr> {
        let tells_apart = self.port_v6.is_some_and(|port| port != self.port);
        let first = tells_apart.then_some(Ipv4Addr::UNSPECIFIED.into());
        self.connect.from.as_ref().and_then(Address::ip).filter(IpAddr::is_unspecified).or(first)
    }

    /// How connections by this scheme are made; `None` if there is no TLS for it.
    pub(super) fn connecting(&self, scheme: Scheme) -> Option<&ConnectOptions> {
        match scheme {
            Scheme::Http => Some(&self.connect),
            Scheme::Https => self.secure.as_ref(),
        }
    }

    /// The same, made from this address where it is not said from which.
    pub(super) fn connecting_from(
        &self,
        scheme: Scheme,
        ip: Option<IpAddr>,
    ) -> Option<ConnectOptions> {
        let mut connect = self.connecting(scheme)?.clone();
        let from = connect.from.filter(|from| !is_everywhere(from));
        connect.from = from.or_else(|| ip.map(|ip| Address::Ip((ip, 0).into())));
        connect.reach = self.reach;
        Some(connect)
    }

    /// The least there has to be.
    #[must_use]
    pub fn new(hash: InfoHash, peer: PeerId, port: u16, tiers: Vec<Vec<String>>) -> Self {
        Self {
            hash,
            peer,
            port,
            port_v6: None,
            key: 0,
            tiers,
            want: None,
            reach: Reach::Outside,
            connect: ConnectOptions::default(),
            secure: None,
            patience: Duration::from_secs(30),
            udp_tries: 3,
        }
    }
}

/// Whether it stands for all addresses of its family.
pub(super) fn is_everywhere(address: &Address) -> bool {
    address.ip().is_some_and(|ip| ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_connections_are_made_from_is_kept_for_each_scheme() {
        let any = Ipv4Addr::UNSPECIFIED.into();
        let at = |at: &str| Some(at.parse::<Address>().expect("an address"));
        let options = AnnounceOptions::new([1; 20].into(), PeerId::new([0; 12]), 1, Vec::new());
        let from = |options: &AnnounceOptions, scheme| {
            options.connecting_from(scheme, Some(any)).map(|connect| connect.from)
        };
        assert_eq!(from(&options, Scheme::Http), Some(at("0.0.0.0:0")));
        assert_eq!(from(&options, Scheme::Https), None, "there is no TLS");
        let connect = |from| ConnectOptions { from, ..ConnectOptions::default() };
        let bound = AnnounceOptions { secure: Some(connect(at("[2001:db8::1]:0"))), ..options };
        assert_eq!(from(&bound, Scheme::Http), Some(at("0.0.0.0:0")));
        assert_eq!(from(&bound, Scheme::Https), Some(at("[2001:db8::1]:0")));
        // What is no address of IP is not made into one: connecting says what is wrong with it.
        let bound = AnnounceOptions { connect: connect(at("unix:/run/x")), ..bound };
        assert_eq!(from(&bound, Scheme::Http), Some(at("unix:/run/x")));
    }
}
