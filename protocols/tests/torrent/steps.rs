//! Peers that say anything to a torrent's machine at any time: for a test that makes steps by chance, and for a fuzz
//! target that looks for them.

use std::time::{Duration, Instant};

use protocols::torrent::machine::{
    Action, Bitfield, Checked, Geometry, Limits, PeerKey, PeerTraits, Torrent,
};
use protocols::torrent::wire::message::{Block, Message};

const PIECES: u32 = 5;
const PIECE: u32 = 40_000;

/// Whether the books are right after each step.
pub(crate) fn play(steps: Vec<(u8, u8, u8)>) -> Result<(), String> {
    let geometry = Geometry::new(u64::from(PIECES * PIECE) - 7, PIECE).expect("it has pieces");
    let mut now = Instant::now();
    let have = Bitfield::none(PIECES);
    let mut torrent = Torrent::new(geometry, have, |_| true, Limits::default(), 7, now);
    for (what, who, which) in steps {
        let key = PeerKey(u64::from(who % 4));
        let piece = u32::from(which) % (PIECES + 1);
        let block = geometry.block(piece, u32::from(which) / 8 % 4);
        let odd = Block { piece, begin: u32::from(which) * 999, length: u32::from(which) * 300 };
        let message = match what % 20 {
            0 => Message::Choke,
            1 => Message::Unchoke,
            2 => Message::Interested,
            3 => Message::NotInterested,
            4 => Message::Have(piece),
            5 => Message::Bitfield(&[0b1010_1000]),
            6 => Message::HaveAll,
            7 => Message::HaveNone,
            8 => Message::Request(block),
            9 => Message::Request(odd),
            10 => Message::Cancel(block),
            11 => Message::Reject(block),
            12 => {
                torrent.handle_peer(key, which % 2 == 0, now);
                continue;
            }
            13 => {
                torrent.handle_gone(key, now);
                continue;
            }
            14 | 15 => {
                let _ = torrent.handle_block(key, if what % 2 == 0 { block } else { odd }, now);
                continue;
            }
            16 => {
                now += Duration::from_millis(u64::from(which) * 100);
                torrent.handle_time(now);
                continue;
            }
            17 => {
                torrent.set_wanted(piece, who % 2 == 0, now);
                continue;
            }
            18 => {
                let traits = PeerTraits { reqq: Some(which.into()), upload_only: who > 200 };
                torrent.handle_traits(key, traits, now);
                continue;
            }
            _ => {
                let _ = torrent.next_upload(key);
                continue;
            }
        };
        let _ = torrent.handle_message(key, &message, now);
        while let Some(action) = torrent.poll_action() {
            if let Action::Check { piece, .. } = action {
                let checked = match which % 4 {
                    0 => Checked::Bad(vec![1, 2, 3]),
                    1 => Checked::NotKept,
                    _ => Checked::Good(vec![u64::from(which); 3]),
                };
                torrent.handle_checked(piece, &checked, now);
            }
        }
        torrent.audit()?;
    }
    Ok(())
}
