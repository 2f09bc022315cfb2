//! `torrent check`: whether files are what a torrent says.

use std::collections::BTreeMap;
use std::error::Error;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use examples::bars::{self, Bars};
use examples::output::say;
use protocols::store::Access;
use protocols::torrent::disk::{Disk, DiskError, DiskOptions};
use protocols::torrent::wire::{Info, Span};

use crate::file;

/// Check files against a torrent
///
/// Every piece is read. Files with pieces that are missing or wrong are named, each with how many those are.
#[derive(Args)]
pub(crate) struct Options {
    /// The torrent
    file: PathBuf,

    /// Where its file, or its folder, is
    #[arg(long, value_name = "DIR", default_value = ".")]
    data: PathBuf,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let info = Arc::new(file::read(&options.file)?.info);
    let access = DiskOptions { access: Access::ReadOnly, ..DiskOptions::default() };
    let disk = Disk::open(Arc::clone(&info), &options.data, access)?;
    let wrong = wrong_pieces(&disk)?;
    let mut reports = files_of(&info, &wrong);
    reports.extend(missing(&disk)?);
    for (name, report) in &reports {
        say(format_args!("{}: {report}", file::printable(&name.to_string_lossy())))?;
    }
    let right = info.pieces() as usize - wrong.len();
    say(format_args!("{right} of {} pieces are right", info.pieces()))?;
    if reports.is_empty() && wrong.is_empty() {
        Ok(())
    } else {
        Err("not everything is there, and right".into())
    }
}

fn wrong_pieces(disk: &Disk) -> Result<Vec<u32>, DiskError> {
    let bars = Bars::new("torrent");
    let bar = bars.add("checking", Some(disk.info().length()));
    let (mut shown, mut wrong) = (Instant::now(), Vec::new());
    let verified = disk.verify_all(0..disk.info().pieces(), |piece, is_right| {
        wrong.extend((!is_right).then_some(piece));
        bar.inc(disk.info().piece_size(piece).into());
        if shown.elapsed() >= bars::TICK {
            shown = Instant::now();
            bars.tick();
        }
        ControlFlow::Continue(())
    });
    bars.remove(&bar);
    verified.map(|()| wrong)
}

/// The empty files that are not there: no piece tells.
fn missing(disk: &Disk) -> Result<Vec<(&PathBuf, String)>, DiskError> {
    let mut missing = Vec::new();
    for (index, file) in disk.info().files().iter().enumerate().filter(|(_, file)| file.length == 0)
    {
        match disk.file(index) {
            Ok(_) => {}
            Err(DiskError::Missing { .. }) => missing.push((&file.path, "not there".to_owned())),
            Err(error) => return Err(error),
        }
    }
    Ok(missing)
}

/// Which files the pieces are of, and how many of each.
fn files_of<'i>(info: &'i Info, wrong: &[u32]) -> Vec<(&'i PathBuf, String)> {
    let mut counts = BTreeMap::new();
    for piece in wrong {
        let bytes = info.block(*piece, 0, info.piece_size(*piece)).unwrap_or_default();
        for span in info.spans(bytes) {
            if let Span::File { file, .. } = span {
                *counts.entry(file).or_insert(0) += 1;
            }
        }
    }
    let told = counts.into_iter().filter_map(|(index, count): (usize, u32)| {
        let file = info.files().get(index)?;
        let (all, are) = (info.pieces_of(file).len(), if count == 1 { "is" } else { "are" });
        Some((&file.path, format!("{count} of {all} pieces {are} missing or wrong")))
    });
    told.collect()
}
