//! How it goes: a line a second into a pipe, and at a terminal a strip of pieces with the peers below it.

use std::fmt::{self, Write as _};
use std::time::Duration;
use std::{io, slice};

use examples::output;
use indicatif::{BinaryBytes, FormattedDuration, MultiProgress, ProgressBar, ProgressStyle};
use protocols::torrent::machine::{PieceState, Torrent};
use protocols::torrent::peer::{PeerRow, Swarm};
use reactor::Address;
use serde_json::json;

use crate::file::printable;

/// Peers that are shown, those from which the most comes first.
const PEERS: usize = 6;
/// How wide a strip is where the terminal does not say how wide it is.
const WIDTH: u16 = 80;

/// Tells how it goes.
pub(crate) struct Progress {
    way: Way,
    /// What was last told, so that nothing is told twice.
    said: Option<String>,
}

enum Way {
    Lines,
    Json,
    /// Lines of a terminal that are written again and again.
    Screen {
        all: MultiProgress,
        lines: Vec<ProgressBar>,
    },
}

/// How far it has come.
enum Stage {
    /// Peers are asked what it is.
    Seeking,
    /// So many bytes of so many that may be there were looked at.
    Checking(u64, u64),
    Sharing,
}

/// The sums.
struct Sums {
    stage: Stage,
    done: u64,
    all: u64,
    down: u64,
    up: u64,
    peers: usize,
    /// Servers that are asked.
    web: usize,
    complete: bool,
}

impl Progress {
    pub(crate) fn new(json: bool) -> Self {
        let all = MultiProgress::new();
        let way = match (json, all.is_hidden()) {
            (true, _) => Way::Json,
            (false, true) => Way::Lines,
            (false, false) => Way::Screen { all, lines: Vec::new() },
        };
        Self { way, said: None }
    }

    /// Tells where peers can connect.
    pub(crate) fn say_listening(&self, address: &Address) {
        output::announce(&[match &self.way {
            Way::Json => json!({ "listening": address.to_string() }).to_string(),
            Way::Lines | Way::Screen { .. } => format!("listening on {address}"),
        }]);
    }

    /// Tells how it is now; so many bytes of so many were looked at so far, as long as it is not known what is there.
    pub(crate) fn show(&mut self, swarm: &Swarm, is_seed: bool, checked: (u64, u64)) {
        let sums = Sums::of(swarm, checked);
        match &mut self.way {
            Way::Json => output::announce(&[sums.json(swarm).to_string()]),
            Way::Lines => {
                let line = sums.line(is_seed);
                if self.said.as_ref() != Some(&line) {
                    output::announce(slice::from_ref(&line));
                    self.said = Some(line);
                }
            }
            Way::Screen { all, lines } => {
                let line = sums.line(is_seed);
                let mut shown = vec![line.clone()];
                self.said = Some(line);
                shown.extend(swarm.torrent().map(|torrent| strip(torrent, width())));
                shown.extend(peers(swarm));
                draw(all, lines, &shown);
            }
        }
    }

    /// Leaves the terminal as it was, with how it was in the end.
    ///
    /// # Errors
    ///
    /// If that cannot be written.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        let Way::Screen { all, .. } = &self.way else {
            return Ok(());
        };
        // A terminal that has gone needs no clearing.
        let _ = all.clear();
        self.said.iter().try_for_each(output::say)
    }
}

impl Sums {
    fn of(swarm: &Swarm, (checked, of): (u64, u64)) -> Self {
        let torrent = swarm.torrent();
        let stage = match (torrent, swarm.info()) {
            (Some(_), _) => Stage::Sharing,
            (None, Some(_)) => Stage::Checking(checked, of),
            (None, None) => Stage::Seeking,
        };
        let left = torrent.map_or(0, Torrent::left);
        let done = torrent.map_or(0, |torrent| {
            let geometry = torrent.geometry();
            torrent.have().iter().map(|piece| u64::from(geometry.length_of(piece))).sum()
        });
        let views = || swarm.peers().filter_map(|peer| peer.view);
        let web = || swarm.web_seeds().filter_map(|seed| seed.view);
        Self {
            stage,
            done,
            all: done + left,
            down: views().chain(web()).map(|view| view.download.0).sum(),
            up: views().map(|view| view.upload.0).sum(),
            peers: swarm.peers().count(),
            web: web().count(),
            complete: torrent.is_some_and(Torrent::is_complete),
        }
    }

    fn line(&self, is_seed: bool) -> String {
        let Self { ref stage, done, all, down, up, peers, web, complete } = *self;
        let noun = if peers == 1 { "peer" } else { "peers" };
        let percent = |done: u64, all: u64| 100.0 * done as f64 / all.max(1) as f64;
        let mut line = match *stage {
            Stage::Seeking => "waiting for the description".to_owned(),
            Stage::Checking(checked, of) => {
                format!("checking what is there, {:.1} %", percent(checked, of))
            }
            Stage::Sharing if is_seed => format!("seeding {}", BinaryBytes(done)),
            Stage::Sharing if complete => format!("complete, {}", BinaryBytes(done)),
            Stage::Sharing => format!(
                "{:.1} %, {} of {}, {}/s down",
                percent(done, all),
                BinaryBytes(done),
                BinaryBytes(all),
                BinaryBytes(down),
            ),
        };
        // Writing to a text cannot fail.
        let _ = write!(line, ", {}/s up, {peers} {noun}", BinaryBytes(up));
        if web > 0 {
            let noun = if web == 1 { "web seed" } else { "web seeds" };
            let _ = write!(line, ", {web} {noun}");
        }
        if let Some(seconds) = (all - done).checked_div(down).filter(|_| !complete && all > 0) {
            let left = FormattedDuration(Duration::from_secs(seconds));
            let _ = write!(line, ", {left} left");
        }
        line
    }

    fn json(&self, swarm: &Swarm) -> impl fmt::Display {
        let peers: Vec<_> = swarm
            .peers()
            .map(|peer| {
                json!({
                    "ip": peer.ip.to_string(),
                    "program": peer.program,
                    "down": peer.view.map(|view| view.download.0),
                    "up": peer.view.map(|view| view.upload.0),
                    "flags": flags(&peer),
                })
            })
            .collect();
        json!({
            "checked": match self.stage {
                Stage::Checking(checked, _) => Some(checked),
                Stage::Seeking | Stage::Sharing => None,
            },
            "done": self.done,
            "length": self.all,
            "down": self.down,
            "up": self.up,
            "complete": self.complete,
            "web": self.web,
            "peers": peers,
        })
    }
}

/// The pieces, as many in a letter as it takes.
///
/// `█` is there, `▒` in part, `░` under way; a space is missing.
fn strip(torrent: &Torrent, width: u16) -> String {
    let pieces = torrent.geometry().pieces();
    let cells = u32::from(width.max(1)).min(pieces.max(1));
    let cell = |at: u32| {
        let first = u64::from(at) * u64::from(pieces) / u64::from(cells);
        let last = (u64::from(at) + 1) * u64::from(pieces) / u64::from(cells);
        let states: Vec<_> = (first..last).map(|piece| torrent.piece(piece as u32)).collect();
        let there = states.iter().filter(|state| **state == PieceState::Have).count();
        let is_under_way =
            |state: &PieceState| matches!(state, PieceState::Open | PieceState::Checking);
        match there {
            _ if there == states.len() => '█',
            0 if states.iter().any(is_under_way) => '░',
            0 => ' ',
            _ => '▒',
        }
    };
    format!("▕{}▏", (0..cells).map(cell).collect::<String>())
}

fn peers(swarm: &Swarm) -> Vec<String> {
    let mut rows: Vec<_> = swarm.peers().collect();
    let rate = |row: &PeerRow| row.view.map_or(0, |view| view.download.0 + view.upload.0);
    rows.sort_by_key(|row| std::cmp::Reverse(rate(row)));
    let line = |row: &PeerRow| {
        let (down, up) = row.view.map_or((0, 0), |view| (view.download.0, view.upload.0));
        let program = row.program.as_deref().unwrap_or("?");
        format!(
            "{:<16} {:<22} {:>12}/s down {:>12}/s up  {}",
            row.ip.to_string(),
            printable(program),
            BinaryBytes(down).to_string(),
            BinaryBytes(up).to_string(),
            flags(row)
        )
    };
    rows.iter().take(PEERS).map(line).collect()
}

/// What goes on with a peer, a letter each: `D` we get, `d` we would, `U` it gets, `u` it would, `S` it is silent,
/// `E` it is enciphered, `I` it came to us.
fn flags(row: &PeerRow) -> String {
    let Some(view) = row.view else {
        return String::new();
    };
    let letters = [
        (view.interested && !view.chokes_us, 'D'),
        (view.interested && view.chokes_us, 'd'),
        (view.is_interested && !view.is_choked, 'U'),
        (view.is_interested && view.is_choked, 'u'),
        (view.snubs_us, 'S'),
        (row.encrypted, 'E'),
        (!row.dialled, 'I'),
    ];
    letters.iter().filter(|(is, _)| *is).map(|(_, letter)| *letter).collect()
}

fn width() -> u16 {
    let (columns, _) = crossterm::terminal::size().unwrap_or((WIDTH, 0));
    columns.saturating_sub(2).clamp(1, 200)
}

/// Writes lines over those that are there.
fn draw(all: &MultiProgress, lines: &mut Vec<ProgressBar>, shown: &[String]) {
    while lines.len() < shown.len() {
        let style = ProgressStyle::with_template("{msg}");
        let line = ProgressBar::new_spinner();
        let line = style.map_or(line.clone(), |style| line.with_style(style));
        lines.push(all.add(line));
    }
    for line in lines.drain(shown.len()..) {
        line.finish_and_clear();
        all.remove(&line);
    }
    for (line, text) in lines.iter().zip(shown) {
        line.set_message(text.clone());
        line.tick();
    }
}
