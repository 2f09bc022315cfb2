//! What a peer asks a tracker, and what that answers, over UDP (BEP 15).
//!
//! ```text
//!   connect    magic │ 0 │ transaction               ──▶
//!              ◀──   0 │ transaction │ connection            the id shows that the address is the asker's
//!   announce   connection │ 1 │ transaction │ hash │ peer id │ … │ port      98 bytes
//!              ◀──   1 │ transaction │ interval │ leechers │ seeders │ peers
//!   scrape     connection │ 2 │ transaction │ hashes
//!              ◀──   2 │ transaction │ seeders, completed, leechers of each
//!   error      ◀──   3 │ transaction │ text
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;

use super::announce::{Announce, Answer, Counts, Event, Progress, peers_v4, peers_v6, put_peer};
use super::{InfoHash, PeerId};

/// What `connect` says instead of a connection's id.
const MAGIC: u64 = 0x0417_2710_1980;

/// Torrents that can be asked about at once (BEP 15).
pub const MOST_HASHES: usize = 74;

/// What a peer asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// By which the answer is known.
    pub transaction: u32,
    /// What it is.
    pub ask: Ask,
}

/// What a peer asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The id of a connection, to ask the rest with.
    Connect,
    /// Peers.
    Announce {
        /// That id.
        connection: u64,
        /// What it says of itself.
        announce: Announce,
    },
    /// How many peers torrents have.
    Scrape {
        /// That id.
        connection: u64,
        /// The torrents.
        hashes: Vec<InfoHash>,
    },
}

/// What a tracker answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// That of the request.
    pub transaction: u32,
    /// What it is.
    pub body: Body,
}

/// What a tracker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// The id of a connection.
    Connected(u64),
    /// Peers.
    Announced(Answer),
    /// How many peers torrents have, in the order in which they were asked about.
    Scraped(Vec<Counts>),
    /// It will not.
    Refused(String),
}

/// The family of the addresses in an answer: that of the socket it came by, since nothing in it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// 6 bytes a peer.
    V4,
    /// 18 bytes a peer.
    V6,
}

/// The datagram is none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this is no datagram of a tracker")]
pub struct NoDatagram;

impl Request {
    /// Reads a datagram that a tracker got. What stands behind an announce (BEP 41) is not looked at, and the
    /// address in it is not believed.
    ///
    /// # Errors
    ///
    /// [`NoDatagram`].
    pub fn parse(datagram: &[u8]) -> Result<Self, NoDatagram> {
        let mut rest = Rest(datagram);
        let (connection, action, transaction) = (rest.u64()?, rest.u32()?, rest.u32()?);
        let ask = match action {
            0 if connection == MAGIC => Ask::Connect,
            1 => Ask::Announce { connection, announce: rest.announce()? },
            2 => {
                let hashes = rest.0.as_chunks::<20>().0.iter().take(MOST_HASHES);
                Ask::Scrape {
                    connection,
                    hashes: hashes.map(|hash| InfoHash::from(*hash)).collect(),
                }
            }
            _ => return Err(NoDatagram),
        };
        Ok(Self { transaction, ask })
    }

    /// The datagram.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let (connection, action) = match &self.ask {
            Ask::Connect => (MAGIC, 0_u32),
            Ask::Announce { connection, .. } => (*connection, 1),
            Ask::Scrape { connection, .. } => (*connection, 2),
        };
        let mut out = Vec::with_capacity(98);
        out.extend_from_slice(&connection.to_be_bytes());
        out.extend_from_slice(&action.to_be_bytes());
        out.extend_from_slice(&self.transaction.to_be_bytes());
        match &self.ask {
            Ask::Connect => {}
            Ask::Announce { announce, .. } => put_announce(&mut out, announce),
            Ask::Scrape { hashes, .. } => {
                let hashes = hashes.iter().take(MOST_HASHES);
                hashes.for_each(|hash| out.extend_from_slice(hash.as_bytes()));
            }
        }
        out
    }
}

impl Reply {
    /// Reads a datagram that a peer got.
    ///
    /// # Errors
    ///
    /// [`NoDatagram`].
    pub fn parse(datagram: &[u8], family: Family) -> Result<Self, NoDatagram> {
        let mut rest = Rest(datagram);
        let (action, transaction) = (rest.u32()?, rest.u32()?);
        let body = match action {
            0 => Body::Connected(rest.u64()?),
            1 => {
                let interval = Duration::from_secs(rest.u32()?.into());
                let (leechers, seeders) = (Some(rest.u32()?), Some(rest.u32()?));
                let peers = match family {
                    Family::V4 => peers_v4(rest.0).collect(),
                    Family::V6 => peers_v6(rest.0).collect(),
                };
                Body::Announced(Answer { interval, seeders, leechers, peers, ..Answer::default() })
            }
            2 => {
                let counts = rest.0.as_chunks::<12>().0.iter().map(|counts| {
                    let mut counts = Rest(counts);
                    let mut count = || counts.u32().unwrap_or(0);
                    Counts { seeders: count(), completed: count(), leechers: count() }
                });
                Body::Scraped(counts.collect())
            }
            3 => {
                let text = rest.0.split(|&byte| byte == 0).next().unwrap_or_default();
                Body::Refused(String::from_utf8_lossy(text).into_owned())
            }
            _ => return Err(NoDatagram),
        };
        Ok(Self { transaction, body })
    }

    /// The datagram. Of the peers, those go in that are of the family.
    #[must_use]
    pub fn write(&self, family: Family) -> Vec<u8> {
        let action: u32 = match &self.body {
            Body::Connected(_) => 0,
            Body::Announced(_) => 1,
            Body::Scraped(_) => 2,
            Body::Refused(_) => 3,
        };
        let mut out = Vec::with_capacity(64);
        out.extend_from_slice(&action.to_be_bytes());
        out.extend_from_slice(&self.transaction.to_be_bytes());
        match &self.body {
            Body::Connected(connection) => out.extend_from_slice(&connection.to_be_bytes()),
            Body::Announced(answer) => put_answer(&mut out, answer, family),
            Body::Scraped(torrents) => {
                for Counts { seeders, completed, leechers } in torrents {
                    [seeders, completed, leechers]
                        .iter()
                        .for_each(|count| out.extend_from_slice(&count.to_be_bytes()));
                }
            }
            Body::Refused(why) => out.extend_from_slice(why.as_bytes()),
        }
        out
    }
}

impl Family {
    /// That of an address.
    #[must_use]
    pub fn of(address: SocketAddr) -> Self {
        // A socket of both families shows an IPv4 peer as such.
        if address.ip().to_canonical().is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

fn put_announce(out: &mut Vec<u8>, announce: &Announce) {
    let Progress { uploaded, downloaded, left } = announce.progress;
    let event: u32 = match announce.event {
        Event::Regular => 0,
        Event::Completed => 1,
        Event::Started => 2,
        Event::Stopped => 3,
    };
    out.extend_from_slice(announce.hash.as_bytes());
    out.extend_from_slice(announce.peer.as_bytes());
    [downloaded, left, uploaded].iter().for_each(|it| out.extend_from_slice(&it.to_be_bytes()));
    // Zero is the address that the datagram comes from.
    let want = announce.want.map_or(-1, |want| i32::try_from(want).unwrap_or(i32::MAX));
    [event, 0, announce.key, want.cast_unsigned()]
        .iter()
        .for_each(|it| out.extend_from_slice(&it.to_be_bytes()));
    out.extend_from_slice(&announce.port.to_be_bytes());
}

fn put_answer(out: &mut Vec<u8>, answer: &Answer, family: Family) {
    let interval = u32::try_from(answer.interval.as_secs()).unwrap_or(u32::MAX);
    [interval, answer.leechers.unwrap_or(0), answer.seeders.unwrap_or(0)]
        .iter()
        .for_each(|it| out.extend_from_slice(&it.to_be_bytes()));
    let fitting = answer.peers.iter().filter(|peer| Family::of(**peer) == family);
    fitting.for_each(|peer| put_peer(out, *peer));
}

/// What is not read yet of a datagram.
struct Rest<'d>(&'d [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], NoDatagram> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(NoDatagram)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u64(&mut self) -> Result<u64, NoDatagram> {
        self.take().map(u64::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, NoDatagram> {
        self.take().map(u32::from_be_bytes)
    }

    fn announce(&mut self) -> Result<Announce, NoDatagram> {
        let (hash, peer) = (InfoHash::from(self.take()?), PeerId::from(self.take()?));
        let (downloaded, left, uploaded) = (self.u64()?, self.u64()?, self.u64()?);
        let event = match self.u32()? {
            1 => Event::Completed,
            2 => Event::Started,
            3 => Event::Stopped,
            _ => Event::Regular,
        };
        let (_address, key, want) = (self.u32()?, self.u32()?, self.u32()?.cast_signed());
        let port = self.take().map(u16::from_be_bytes)?;
        let progress = Progress { uploaded, downloaded, left };
        Ok(Announce { hash, peer, port, progress, event, want: u32::try_from(want).ok(), key })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn announce() -> Announce {
        Announce {
            hash: [1; 20].into(),
            peer: [2; 20].into(),
            port: 0x1ae1,
            progress: Progress { uploaded: 3, downloaded: 4, left: 5 },
            event: Event::Started,
            want: None,
            key: 6,
        }
    }

    #[test]
    fn requests_are_as_the_specification_draws_them() {
        let connect = Request { transaction: 7, ask: Ask::Connect };
        assert_eq!(connect.write(), b"\0\0\x04\x17\x27\x10\x19\x80\0\0\0\0\0\0\0\x07");
        let ask = Ask::Announce { connection: 8, announce: announce() };
        let datagram = Request { transaction: 7, ask }.write();
        assert_eq!(datagram.len(), 98);
        assert_eq!(datagram[..16], *b"\0\0\0\0\0\0\0\x08\0\0\0\x01\0\0\0\x07");
        assert_eq!(datagram[56..80], *b"\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x03");
        assert_eq!(datagram[80..], *b"\0\0\0\x02\0\0\0\0\0\0\0\x06\xff\xff\xff\xff\x1a\xe1");
        let hashes = vec![InfoHash::from([1; 20]); 2];
        let scrape = Request { transaction: 7, ask: Ask::Scrape { connection: 8, hashes } };
        assert_eq!(scrape.write().len(), 56);
        for datagram in [connect.write(), datagram.clone(), scrape.write()] {
            assert_eq!(Request::parse(&datagram).map(|it| it.write()), Ok(datagram));
        }
        // BEP 41: options behind it.
        let longer = [&datagram[..], b"\x02\x03/a?"].concat();
        assert_eq!(Request::parse(&longer), Request::parse(&datagram));
    }

    #[test]
    fn answers_have_peers_of_the_sockets_family() {
        let peers = ["192.0.2.1:1", "[2001:db8::1]:2"].map(|it| it.parse().expect("an address"));
        let (seeders, leechers) = (Some(1), Some(2));
        let interval = Duration::from_secs(60);
        let answer =
            Answer { interval, seeders, leechers, peers: peers.to_vec(), ..Answer::default() };
        let reply = Reply { transaction: 7, body: Body::Announced(answer) };
        for (family, length, peer) in [(Family::V4, 26, peers[0]), (Family::V6, 38, peers[1])] {
            let datagram = reply.write(family);
            assert_eq!(datagram.len(), length);
            let Ok(Reply { body: Body::Announced(read), .. }) = Reply::parse(&datagram, family)
            else {
                panic!("it is an answer")
            };
            assert_eq!((read.peers, read.seeders, read.leechers), (vec![peer], seeders, leechers));
        }
    }

    #[test]
    fn the_other_answers_are_read_as_they_were_written() {
        for body in [
            Body::Connected(u64::MAX),
            Body::Scraped(vec![Counts { seeders: 1, completed: 2, leechers: 3 }; 2]),
            Body::Refused("no".to_owned()),
        ] {
            let reply = Reply { transaction: 7, body };
            assert_eq!(Reply::parse(&reply.write(Family::V4), Family::V4), Ok(reply));
        }
        let ended = b"\0\0\0\x03\0\0\0\x07no\0\0";
        let refused = Body::Refused("no".to_owned());
        assert_eq!(Reply::parse(ended, Family::V4).map(|it| it.body), Ok(refused));
    }

    #[test]
    fn a_short_or_an_unknown_datagram_is_none() {
        let ask = Ask::Announce { connection: 8, announce: announce() };
        let datagram = Request { transaction: 7, ask }.write();
        assert!((0..98).all(|cut| Request::parse(&datagram[..cut]) == Err(NoDatagram)));
        let no_magic = b"\0\0\x04\x17\x27\x10\x19\x81\0\0\0\0\0\0\0\x07";
        assert_eq!(Request::parse(no_magic), Err(NoDatagram));
        assert_eq!(Reply::parse(b"\0\0\0\x04\0\0\0\x07", Family::V4), Err(NoDatagram));
        assert_eq!(Reply::parse(b"\0\0\0\0\0\0\0\x07\0\0\0", Family::V4), Err(NoDatagram));
    }

    proptest! {
        #[test]
        fn any_datagram_is_one_or_not(datagram in proptest::collection::vec(any::<u8>(), 0..120), action in 0..5_u8) {
            let mut datagram = datagram;
            if let Some(byte) = datagram.get_mut(11) {
                *byte = action;
            }
            if let Ok(request) = Request::parse(&datagram) {
                prop_assert!(request.write().len() <= datagram.len());
            }
            let _ = Reply::parse(&datagram, Family::V4);
            let _ = Reply::parse(&datagram, Family::V6);
        }
    }
}
