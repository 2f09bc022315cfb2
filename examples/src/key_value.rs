//! The key-value server that the book builds (docs/key-value.md): what everybody shares, a session over TCP, and a
//! look-up over UDP.
//!
//! ```text
//!   SET tea black ─▶ OK            WATCH tea ─▶ OK, and CHANGED tea whenever somebody sets or deletes it
//!   GET tea ─▶ VALUE black         DEL tea ─▶ OK        QUIT ─▶ BYE
//!   GET milk ─▶ NONE               anything else ─▶ ERROR and why
//! ```

use std::collections::{BTreeMap, BTreeSet};

use reactor::{
    ByLine, Closed, ConnectionId, Datagram, DatagramProtocol, DatagramTransport, Idle,
    LineProtocol, Protocol, Registry, Transport,
};

/// The longest line, and so the longest value. It is a request; files belong elsewhere.
const LONGEST_LINE: usize = 16 * 1024;
/// Keys and values together: what a small machine can spare.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// What a key costs beside its bytes, so that a million empty ones are as bounded as one long value.
const OVERHEAD: usize = 128;
/// Keys that one connection may watch.
const MOST_WATCHED: usize = 100;

/// What everybody shares: the application of the loop.
#[derive(Debug, Default)]
pub struct Store {
    values: BTreeMap<Vec<u8>, Vec<u8>>,
    bytes: usize,
    watchers: BTreeMap<Vec<u8>, BTreeSet<ConnectionId>>,
}

/// One connection.
#[derive(Debug, Default)]
pub struct Session {
    watched: BTreeSet<Vec<u8>>,
}

/// What a connection runs.
#[must_use]
pub fn session() -> ByLine<Session> {
    ByLine::new(LONGEST_LINE, Session::default())
}

impl Store {
    /// Sets a value; whether there was room for it.
    fn set(&mut self, key: &[u8], value: &[u8]) -> bool {
        let old = self.values.get(key).map_or(0, |old| cost(key, old));
        let bytes = self.bytes - old + cost(key, value);
        if bytes > MOST_BYTES {
            return false;
        }
        self.bytes = bytes;
        self.values.insert(key.to_vec(), value.to_vec());
        true
    }

    /// Forgets a value; whether there was one.
    fn delete(&mut self, key: &[u8]) -> bool {
        let old = self.values.remove(key);
        self.bytes -= old.as_ref().map_or(0, |old| cost(key, old));
        old.is_some()
    }

    /// Tells whoever watches a key: one buffer for all of them.
    fn tell(&self, key: &[u8], registry: &mut Registry<Self>) {
        if let Some(watchers) = self.watchers.get(key) {
            let line = [b"CHANGED ", key, b"\n"].concat();
            registry.broadcast(watchers.iter().copied(), line.into());
        }
    }
}

fn cost(key: &[u8], value: &[u8]) -> usize {
    key.len() + value.len() + OVERHEAD
}

impl Session {
    fn watch(&mut self, key: &[u8], transport: &mut Transport<'_, Store>, store: &mut Store) {
        if self.watched.len() >= MOST_WATCHED {
            return transport.write(b"ERROR you watch too many keys\n");
        }
        self.watched.insert(key.to_vec());
        store.watchers.entry(key.to_vec()).or_default().insert(transport.id());
        transport.write(b"OK\n");
    }
}

impl LineProtocol<Store> for Session {
    fn on_line(&mut self, transport: &mut Transport<'_, Store>, line: &[u8], store: &mut Store) {
        let mut words = line.splitn(3, |&byte| byte == b' ');
        let words = [words.next(), words.next(), words.next()];
        match words.map(Option::unwrap_or_default) {
            [b"GET", key, b""] => match store.values.get(key) {
                Some(value) => transport.write(&[b"VALUE ", &value[..], b"\n"].concat()),
                None => transport.write(b"NONE\n"),
            },
            [b"SET", key, value] if !key.is_empty() => match store.set(key, value) {
                true => {
                    transport.write(b"OK\n");
                    store.tell(key, transport.registry());
                }
                false => transport.write(b"ERROR there is no room\n"),
            },
            [b"DEL", key, b""] => match store.delete(key) {
                true => {
                    transport.write(b"OK\n");
                    store.tell(key, transport.registry());
                }
                false => transport.write(b"NONE\n"),
            },
            [b"WATCH", key, b""] if !key.is_empty() => self.watch(key, transport, store),
            [b"QUIT", b"", b""] => say_goodbye(b"BYE\n", transport),
            _ => transport.write(b"ERROR say GET key, SET key value, DEL key, WATCH key or QUIT\n"),
        }
    }

    fn on_long_line(&mut self, transport: &mut Transport<'_, Store>, _: &mut Store) {
        transport.write(b"ERROR that line is too long\n");
    }
}

/// No line is handled after it.
fn say_goodbye(goodbye: &[u8], transport: &mut Transport<'_, Store>) {
    transport.write(goodbye);
    transport.close();
}

impl Protocol<Store> for Session {
    fn on_idle(&mut self, _: &mut Transport<'_, Store>, _: &mut Store) -> Idle {
        if !self.watched.is_empty() {
            // It says nothing because nothing changes.
            return Idle::Stay;
        }
        Idle::EndWith(b"BYE you have said nothing for a while\n")
    }

    fn on_shutdown(&mut self, transport: &mut Transport<'_, Store>, _: &mut Store) {
        say_goodbye(b"BYE this server ends\n", transport);
    }

    fn on_close(&mut self, _: &mut Registry<Store>, closed: &Closed, store: &mut Store) {
        for key in &self.watched {
            if let Some(watchers) = store.watchers.get_mut(key) {
                watchers.remove(&closed.id);
                if watchers.is_empty() {
                    store.watchers.remove(key);
                }
            }
        }
    }
}

/// The same values over UDP, to be looked at only: a datagram is a key, and so is the answer a value or nothing.
#[derive(Debug)]
pub struct Lookup;

impl DatagramProtocol<Store> for Lookup {
    fn on_datagram(
        &mut self,
        socket: &mut DatagramTransport<'_, Store>,
        datagram: &Datagram<'_>,
        store: &mut Store,
    ) {
        let value = store.values.get(datagram.bytes).map_or(&b""[..], |value| value);
        // Who asks may be anybody, and whoever asks in another's name has an answer sent there: so it is no
        // longer than the question. A datagram may be lost, this one as well.
        if value.len() <= datagram.bytes.len() {
            let _ = socket.answer(datagram, value);
        }
    }
}
