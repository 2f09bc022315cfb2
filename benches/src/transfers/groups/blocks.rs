//! One file over TFTP: a window of blocks at a time, where that is known, and one block at a time.

use std::fs::File;
use std::io::BufReader;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{Report, milliseconds, present, tree_with};
use crate::Result;
use crate::transfers::Scale;
use crate::transfers::load::blocks::{BLOCK, fetch};
use crate::transfers::peers::Peer;
use crate::transfers::processes::Processes;
use crate::transfers::table::{Beside, Bound, Column, Contest, Entrant, Line};

const FILE: &str = "file";
/// Blocks of a window (RFC 7440).
const WINDOW: u16 = 16;

const COLUMNS: &[Column] = &[
    Column { head: "ms", show: milliseconds, beside: Beside::Ratio },
    Column { head: "server's ms", show: milliseconds, beside: Beside::Ratio },
];
const TIME: usize = 0;

pub(super) fn measure(scale: Scale) -> Result<Report> {
    let tree = tree_with(FILE, scale.blocks)?;
    let tree = &tree;
    let (present, mut absent) = present(&[Peer::Tftpd, Peer::ReactorTftp]);
    let mut entrants = Vec::new();
    for peer in present {
        let server = match peer.start(tree) {
            Ok(server) => Rc::new(server),
            Err(error) if peer.is_ours() => return Err(error),
            Err(error) => {
                absent.push(error.to_string());
                continue;
            }
        };
        for window in [1, WINDOW] {
            // The other does not know of windows.
            if peer == Peer::Tftpd && window > 1 {
                continue;
            }
            let server = Rc::clone(&server);
            let turn = move || {
                let original = File::open(tree.path().join(FILE))?;
                let before = Processes::of(server.server().pid())?.time();
                let begun = Instant::now();
                let original = BufReader::with_capacity(1 << 20, original);
                let (mut wall, mut used) = (Duration::ZERO, Duration::ZERO);
                fetch(server.server().address(), FILE, window, original, || {
                    wall = begun.elapsed();
                    used = Processes::of(server.server().pid())?.time().saturating_sub(before);
                    Ok(())
                })?;
                Ok(vec![wall.as_secs_f64(), used.as_secs_f64()])
            };
            entrants.push(Entrant { name: name(peer, window), turn: Box::new(turn) });
        }
    }
    let contest = Contest::run(COLUMNS, scale.rounds, entrants);
    let line = Line {
        text: format!("TFTP: speed of the reactor with windows of {WINDOW} over that of tftpd-hpa"),
        measured: contest.ratios(TIME, &name(Peer::Tftpd, 1), &name(Peer::ReactorTftp, WINDOW)),
        bound: Bound::Least(2.0),
    };
    let about = format!(
        "TFTP, {} KiB in blocks of {BLOCK} bytes. tftpd-hpa (5.2) knows no windows, and sends a block at a \
         time.",
        scale.blocks >> 10
    );
    Ok(Report::new(about, &contest, vec![line], absent))
}

fn name(peer: Peer, window: u16) -> String {
    match window {
        1 => format!("{peer}, block by block"),
        _ => format!("{peer}, windows of {window}"),
    }
}
