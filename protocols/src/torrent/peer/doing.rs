//! What the machine wants done: say, read, check, hang up.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use reactor::Registry;
use sha1::{Digest as _, Sha1};

use super::swarm::{Phase, Sharing};
use super::{Event, Host, Store, Swarm, WebFailed};
use crate::torrent::disk::DiskError;
use crate::torrent::machine::{Action, BLOCK, Checked, PeerKey};
use crate::torrent::wire::Info;
use crate::torrent::wire::extension::Metadata;
use crate::torrent::wire::message::{Block, Message};

/// What was read for a peer: messages, and the parts that could not be read.
type Read = (Vec<u8>, Vec<Block>);

/// Bytes in front of a block.
const HEAD: usize = 13;

impl Swarm {
    /// Does everything that is to be done, and sends what was said.
    pub(super) fn act<App: Host>(&mut self, registry: &mut Registry<App>) {
        while let Some(action) = self.poll_action() {
            match action {
                Action::Say(key, message) => self.say(key, &message),
                Action::Serve(key) => self.serve(key, registry),
                Action::Check { piece, digests } => {
                    self.note_whole(piece);
                    self.check(piece, digests, registry);
                }
                Action::HangUp(key, _) if self.part_from_web_seed(key, registry) => {}
                Action::HangUp(key, _) => {
                    self.flush(registry);
                    if let Some(member) = self.members.get(&key) {
                        // It may be ending already.
                        let _ = registry.close(member.connection);
                    }
                }
                Action::Ban(key) if self.web.iter().any(|seed| seed.key == key) => {
                    self.fail_web_seed(key, WebFailed::Lies, registry);
                }
                Action::Ban(key) => self.ban(key),
                Action::Complete => self.events.push(Event::Complete),
            }
        }
        self.ask_for_info();
        self.fetch_from_web_seeds(registry);
        self.flush(registry);
        self.tell(registry);
    }

    fn poll_action(&mut self) -> Option<Action> {
        match &mut self.phase {
            Phase::Sharing(sharing) => sharing.torrent.poll_action(),
            Phase::Seeking(_) | Phase::Found(_) => None,
        }
    }

    fn ask_for_info(&mut self) {
        while let Phase::Seeking(fetch) = &mut self.phase
            && let Some((key, part)) = fetch.poll_request()
        {
            let id = self.members.get(&key).and_then(|member| member.extensions.metadata);
            if let Some(id) = id {
                let payload = Metadata::Request(part).to_payload();
                self.say(key, &Message::Extended { id, payload: &payload });
            }
        }
    }

    /// Sends what was said, in one write a peer.
    fn flush<App: Host>(&mut self, registry: &mut Registry<App>) {
        for key in std::mem::take(&mut self.dirty) {
            if let Some(member) = self.members.get_mut(&key)
                && !member.out.is_empty()
            {
                let out = std::mem::take(&mut member.out);
                member.send(out, registry);
            }
        }
    }

    /// Tells the program, when no callback is on the stack.
    fn tell<App: Host>(&mut self, registry: &mut Registry<App>) {
        if self.events.is_empty() && self.liars.is_empty() {
            return;
        }
        let (hash, events) = (self.hash, std::mem::take(&mut self.events));
        let liars = std::mem::take(&mut self.liars);
        registry.defer(move |registry, app: &mut App| {
            for (key, who) in liars {
                app.swarms().ban(hash, key, who, registry);
                app.on_torrent(registry, hash, Event::Banned(who.ip));
            }
            events.into_iter().for_each(|event| app.on_torrent(registry, hash, event));
        });
    }

    /// A peer has lied: it is let in no more, also if it has gone.
    pub(super) fn ban(&mut self, key: PeerKey) {
        let gone = self.gone.iter().find(|(gone, _)| *gone == key).map(|(_, who)| *who);
        let who = self.members.get(&key).map(|member| member.who).or(gone);
        self.liars.extend(who.map(|who| (key, who)));
    }

    // ── uploads ─────────────────────────────────────────────────────────────────────────────

    /// Reads what a peer waits for, as much as may be on its way to it.
    pub(super) fn serve<App: Host>(&mut self, key: PeerKey, registry: &mut Registry<App>) {
        let batch = self.options.limits.batch;
        let (Phase::Sharing(sharing), Some(member)) = (&mut self.phase, self.members.get_mut(&key))
        else {
            return;
        };
        let queued = registry.queued_bytes(member.connection).unwrap_or(0);
        if member.is_reading || queued > batch / 2 {
            return;
        }
        let blocks = sharing.next_blocks(key, batch);
        if blocks.is_empty() {
            return;
        }
        member.is_reading = true;
        let (hash, store) = (self.hash, Arc::clone(&sharing.store));
        let (mut messages, blocks) = read_ready(&*store, blocks);
        let done = move |registry: &mut Registry<App>, app: &mut App, read: Read| {
            if let Some(swarm) = app.swarms().get_mut(&hash) {
                swarm.handle_read(key, read, registry);
            }
        };
        if blocks.is_empty() {
            // Others have their turn before more is read.
            return registry.defer(move |registry, app| done(registry, app, (messages, blocks)));
        }
        if !messages.is_empty() {
            // It goes now, whatever becomes of the rest.
            member.send(std::mem::take(&mut messages), registry);
        }
        let (asked, refused) = (blocks.clone(), blocks.clone());
        let work = move || read(&*store, messages, &blocks);
        let offloaded = registry.offload(work, move |registry, app: &mut App, read| {
            done(registry, app, read.unwrap_or_else(|_| (Vec::new(), asked)));
        });
        if offloaded.is_err() {
            member.is_reading = false;
            let torrent = &mut sharing.torrent;
            refused.into_iter().for_each(|block| torrent.handle_unreadable(key, block));
        }
    }

    fn handle_read<App: Host>(
        &mut self,
        key: PeerKey,
        (bytes, unread): Read,
        registry: &mut Registry<App>,
    ) {
        let (Phase::Sharing(sharing), Some(member)) = (&mut self.phase, self.members.get_mut(&key))
        else {
            return;
        };
        member.is_reading = false;
        member.send(bytes, registry);
        unread.into_iter().for_each(|block| sharing.torrent.handle_unreadable(key, block));
        self.serve(key, registry);
        self.act(registry);
    }

    // ── pieces ──────────────────────────────────────────────────────────────────────────────

    /// A piece is whole: it takes memory until it is checked.
    fn note_whole(&mut self, piece: u32) {
        if let Phase::Sharing(sharing) = &mut self.phase {
            sharing.backlog += sharing.buffers.get(&piece).map_or(0, Vec::len);
        }
    }

    /// Has a whole piece hashed, and kept if it is right.
    fn check<App: Host>(&mut self, piece: u32, digests: bool, registry: &mut Registry<App>) {
        let Phase::Sharing(sharing) = &mut self.phase else {
            return;
        };
        let bytes = Arc::new(sharing.buffers.remove(&piece).unwrap_or_default());
        let (kept, refused) = (Arc::clone(&bytes), Arc::clone(&bytes));
        let (hash, info, store) =
            (self.hash, Arc::clone(&sharing.info), Arc::clone(&sharing.store));
        let key = sharing.key.clone();
        let work = move || check(&info, &*store, piece, &bytes, digests, &key);
        let offloaded = registry.offload(work, move |registry, app: &mut App, checked| {
            if let Some(swarm) = app.swarms().get_mut(&hash) {
                let checked = checked.unwrap_or((Checked::NotKept, Some(DiskError::Aborted)));
                swarm.handle_buffer(kept, registry);
                swarm.handle_checked(piece, checked, registry);
            }
        });
        if offloaded.is_err() {
            // It is tried again when time has passed.
            sharing.buffers.insert(piece, Arc::unwrap_or_clone(refused));
            sharing.unchecked.push_back((piece, digests));
        }
    }

    /// A piece was checked, and the memory it lay in is free. Those who had to wait for that are read again.
    fn handle_buffer<App: Host>(&mut self, buffer: Arc<Vec<u8>>, registry: &mut Registry<App>) {
        let Phase::Sharing(sharing) = &mut self.phase else {
            return;
        };
        sharing.backlog = sharing.backlog.saturating_sub(buffer.len());
        if sharing.spare.is_none() {
            sharing.spare = Arc::into_inner(buffer);
        }
        if !self.is_behind() {
            for id in std::mem::take(&mut self.held) {
                // It may have ended.
                let _ = registry.resume(id);
            }
        }
    }

    fn handle_checked<App: Host>(
        &mut self,
        piece: u32,
        (checked, error): (Checked, Option<DiskError>),
        registry: &mut Registry<App>,
    ) {
        if let Phase::Sharing(sharing) = &mut self.phase {
            let now = registry.now();
            sharing.torrent.handle_checked(piece, &checked, now);
            if matches!(checked, Checked::Good(_)) {
                self.events.push(Event::Piece(piece));
            }
            self.events.extend(error.map(Event::NotKept));
        }
        self.act(registry);
    }

    /// Pieces for which there was no thread.
    pub(super) fn check_again<App: Host>(&mut self, registry: &mut Registry<App>) {
        let Phase::Sharing(sharing) = &mut self.phase else {
            return;
        };
        let again = std::mem::take(&mut sharing.unchecked);
        again.into_iter().for_each(|(piece, digests)| self.check(piece, digests, registry));
    }
}

impl Sharing {
    /// Keeps a block until its piece is whole.
    pub(super) fn keep(&mut self, block: Block, bytes: &[u8]) {
        let length = self.torrent.geometry().length_of(block.piece) as usize;
        let spare = &mut self.spare;
        let buffer = self.buffers.entry(block.piece).or_insert_with(|| {
            // What is in it is written over before anybody looks.
            let mut buffer = spare.take().unwrap_or_default();
            buffer.resize(length, 0);
            buffer
        });
        let (begin, end) = (block.begin as usize, block.begin as usize + bytes.len());
        if let Some(place) = buffer.get_mut(begin..end) {
            place.copy_from_slice(bytes);
        }
    }

    /// The next blocks that a peer waits for: so many bytes, or one.
    fn next_blocks(&mut self, key: PeerKey, batch: usize) -> Vec<Block> {
        let (mut blocks, mut bytes) = (Vec::new(), 0);
        while bytes < batch
            && let Some(block) = self.torrent.next_upload(key)
        {
            bytes += block.length as usize;
            blocks.push(block);
        }
        blocks
    }
}

/// Makes messages of the blocks that can be read without waiting, and returns the others.
fn read_ready(store: &dyn Store, mut blocks: Vec<Block>) -> Read {
    let all: usize = blocks.iter().map(|block| HEAD + block.length as usize).sum();
    let mut messages = Vec::with_capacity(all);
    blocks.retain(|block| !append(*block, &mut messages, |bytes| store.read_ready(*block, bytes)));
    (messages, blocks)
}

/// Reads blocks, and makes messages of them, in this memory. It runs on a thread for work that blocks.
fn read(store: &dyn Store, mut messages: Vec<u8>, blocks: &[Block]) -> Read {
    let mut unread = blocks.to_vec();
    unread
        .retain(|block| !append(*block, &mut messages, |bytes| store.read(*block, bytes).is_ok()));
    (messages, unread)
}

/// Makes a message of a block, if it can be read as a whole; whether it can.
fn append(block: Block, messages: &mut Vec<u8>, read: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
    let before = messages.len();
    messages.extend_from_slice(&block.piece_head());
    let is_whole = read(messages) && messages.len() - before == HEAD + block.length as usize;
    if !is_whole {
        messages.truncate(before);
    }
    is_whole
}

/// Hashes a piece, and keeps it if it is right. It runs on a thread for work that blocks.
fn check(
    info: &Info,
    store: &dyn Store,
    piece: u32,
    bytes: &[u8],
    wants_digests: bool,
    key: &RandomState,
) -> (Checked, Option<DiskError>) {
    let digests = || bytes.chunks(BLOCK as usize).map(|block| key.hash_one(block)).collect();
    let hash: [u8; 20] = Sha1::digest(bytes).into();
    if info.piece_hash(piece) != Some(hash) {
        return (Checked::Bad(digests()), None);
    }
    match store.keep(piece, bytes) {
        Ok(()) => (Checked::Good(if wants_digests { digests() } else { Vec::new() }), None),
        Err(error) => (Checked::NotKept, Some(error)),
    }
}
