//! The servers that are known, and whose turn it is.

use std::collections::VecDeque;

use reactor::Address;

use super::{Auth, ServerAddr};

/// The servers, the next one in front.
#[derive(Debug)]
pub(super) struct Pool {
    servers: VecDeque<Server>,
    most: usize,
    /// How many have yet to be tried for the first time: those in front.
    untried: usize,
    /// Those that have refused too often, the last ones of them: another server may go on telling of them.
    left_out: VecDeque<Address>,
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) address: Address,
    pub(super) auth: Auth,
    pub(super) tls: bool,
    /// Whose certificate it has to show: for one that was learned by its number, that of the server that told of it.
    pub(super) name: Address,
    /// How often in a row it has refused to let this client in.
    refused: u8,
}

/// Refused so often, a server is not asked any more. Once may be a mistake: credentials change.
const REFUSALS: u8 = 2;

impl Pool {
    pub(super) fn new(servers: &[ServerAddr], most: usize) -> Self {
        let servers: VecDeque<_> = servers.iter().take(most).map(Server::new).collect();
        Self { untried: servers.len(), servers, most, left_out: VecDeque::new() }
    }

    pub(super) fn shuffle(&mut self, mut random: impl FnMut() -> u64) {
        for last in (1..self.servers.len()).rev() {
            self.servers.swap(last, (random() % (last as u64 + 1)) as usize);
        }
    }

    /// Whose turn it is; it comes again after all the others.
    pub(super) fn next(&mut self) -> Option<Server> {
        self.untried = self.untried.saturating_sub(1);
        self.servers.rotate_left(usize::from(!self.servers.is_empty()));
        self.servers.back().cloned()
    }

    /// Whether there are servers that have not been tried yet.
    pub(super) fn has_untried(&self) -> bool {
        self.untried > 0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// What a server says of its cluster. What it says before TLS anybody may have put into its mouth: of that only
    /// numbers are learned, which have to show its certificate.
    pub(super) fn learn(&mut self, urls: &[String], from: &Server, is_certain: bool) {
        for url in urls {
            let Ok(found) = url.parse::<ServerAddr>() else { continue };
            if !is_certain && found.address().ip().is_none() {
                continue;
            }
            let is_known = self.servers.iter().any(|server| &server.address == found.address())
                || self.left_out.contains(found.address());
            if is_known || self.servers.len() >= self.most {
                continue;
            }
            let mut server = Server::new(&found);
            if server.address.ip().is_some() {
                server.name = from.name.clone();
            }
            (server.tls, server.auth) = (from.tls, from.auth.clone());
            self.servers.push_front(server);
            self.untried += 1;
        }
    }

    /// A server has let this client in.
    pub(super) fn handle_accepted(&mut self, address: &Address) {
        if let Some(server) = self.find(address) {
            server.refused = 0;
        }
    }

    /// A server has refused to.
    pub(super) fn handle_refused(&mut self, address: &Address) {
        let Some(server) = self.find(address) else { return };
        server.refused += 1;
        if server.refused < REFUSALS {
            return;
        }
        self.servers.retain(|server| &server.address != address);
        self.left_out.push_back(address.clone());
        if self.left_out.len() > self.most {
            self.left_out.pop_front();
        }
    }

    fn find(&mut self, address: &Address) -> Option<&mut Server> {
        self.servers.iter_mut().find(|server| &server.address == address)
    }
}

impl Server {
    fn new(server: &ServerAddr) -> Self {
        let address = server.address().clone();
        let (name, auth) = (address.clone(), server.auth().clone());
        Self { address, auth, tls: server.is_tls(), name, refused: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(servers: &[&str], most: usize) -> Pool {
        let servers: Vec<ServerAddr> =
            servers.iter().map(|text| text.parse().expect("it is one")).collect();
        Pool::new(&servers, most)
    }

    fn next(pool: &mut Pool) -> String {
        pool.next().map_or_else(String::new, |server| server.address.to_string())
    }

    #[test]
    fn servers_take_turns_and_what_is_learned_comes_next() {
        let mut pool = pool(&["a:1", "b:2"], 4);
        assert_eq!((next(&mut pool), pool.has_untried()), ("a:1".to_owned(), true));
        let from = pool.servers.back().cloned().expect("it is there");
        let urls = ["127.0.0.1:3", "b:2", "not one:", "d:4", "e:5"].map(str::to_owned);
        pool.learn(&urls, &from, false);
        assert!(pool.find(&"d:4".parse().expect("it is one")).is_none(), "it may be anybody's");
        pool.learn(&urls, &from, true);
        let turns: Vec<_> = (0..5).map(|_| next(&mut pool)).collect();
        assert_eq!(turns, ["d:4", "127.0.0.1:3", "b:2", "a:1", "d:4"], "and no fifth");
        let learned =
            pool.find(&"127.0.0.1:3".parse().expect("it is one")).map(|it| it.name.to_string());
        assert_eq!(learned.as_deref(), Some("a:1"));
    }

    #[test]
    fn a_server_that_has_refused_twice_in_a_row_is_left_out() {
        let mut pool = pool(&["a:1"], 4);
        let address = "a:1".parse().expect("it is one");
        for accepted in [true, false] {
            pool.handle_refused(&address);
            if accepted {
                pool.handle_accepted(&address);
            }
        }
        assert!(!pool.is_empty());
        pool.handle_refused(&address);
        assert_eq!((pool.is_empty(), next(&mut pool)), (true, String::new()));
    }

    #[test]
    fn a_server_that_was_left_out_is_not_learned_again() {
        let mut pool = pool(&["a:1"], 2);
        let from = pool.next().expect("it is there");
        for left_out in ["127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:4"] {
            pool.learn(&[left_out.to_owned()], &from, true);
            assert_eq!(pool.servers.len(), 2);
            let address = left_out.parse().expect("it is one");
            (0..REFUSALS).for_each(|_| pool.handle_refused(&address));
            pool.learn(&[left_out.to_owned()], &from, true);
            assert_eq!(pool.servers.len(), 1);
        }
        assert_eq!(pool.left_out.len(), 2, "there is a bound");
    }

    #[test]
    fn what_is_learned_takes_no_first_turn_away() {
        let mut pool = pool(&["a:1", "b:2"], 8);
        let from = pool.next().expect("it is there");
        pool.learn(&["c:3", "d:4"].map(str::to_owned), &from, true);
        let mut turns = Vec::new();
        while pool.has_untried() {
            turns.push(next(&mut pool));
        }
        assert_eq!(turns, ["d:4", "c:3", "b:2"]);
    }

    #[test]
    fn chance_leaves_nobody_out() {
        let mut pool = pool(&["a:1", "b:2", "c:3"], 4);
        let mut seed = 5_u64;
        pool.shuffle(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed >> 33
        });
        let mut turns: Vec<_> = (0..3).map(|_| next(&mut pool)).collect();
        turns.sort();
        assert_eq!(turns, ["a:1", "b:2", "c:3"]);
    }
}
