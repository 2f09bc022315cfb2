//! `torrent create`: a torrent of files that are there.

use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use examples::bars::{self, Bars};
use examples::part::write_whole;
use examples::{output, torrents};
use indicatif::BinaryBytes;
use protocols::http::client::Url;
use protocols::torrent::Draft;
use protocols::torrent::wire::Metainfo;

use crate::file;

/// Make a torrent of a file, or of a folder with everything in it
///
/// Links, pipes and the like are left out, and named. The same files under the same names make the same torrent,
/// whoever makes it and wherever.
///
/// The magnet link is printed, too.
#[derive(Args)]
pub(crate) struct Options {
    /// The file or the folder
    path: PathBuf,

    /// Where the torrent is written; without this, NAME.torrent here
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// How long a piece is: 16KiB, 32KiB and so on, up to 64MiB; without this, there are about a thousand
    #[arg(long, value_name = "SIZE", value_parser = size)]
    piece_size: Option<u32>,

    /// Who knows the peers, http://HOST/announce or udp://HOST:PORT. Of several each is a tier: all are asked, by some programs
    /// only the next one when one fails
    #[arg(long, value_name = "URL", value_parser = tracker)]
    tracker: Vec<String>,

    /// Where the files are on the web: the URL of the file, or of the folder that the folder is in
    #[arg(long, value_name = "URL", value_parser = web_seed)]
    web_seed: Vec<String>,

    /// Peers may come from the trackers only
    #[arg(long)]
    private: bool,

    /// What is to be said about it
    #[arg(long, value_name = "WORDS")]
    comment: Option<String>,

    /// Replace a torrent that is there already
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut draft = Draft::of(&options.path)?.private(options.private);
    if let Some(length) = options.piece_size {
        draft = draft.with_piece_length(length)?;
    }
    for path in draft.skipped() {
        output::complain(format_args!("left out: {}", file::printable(&path.to_string_lossy())));
    }
    let path = options.output.clone().unwrap_or_else(|| format!("{}.torrent", draft.name()).into());
    if !options.force && path.exists() {
        return Err(format!("{} is there already: --force replaces it", path.display()).into());
    }
    let made = hash(&draft)?;
    let torrent = Metainfo {
        trackers: options.tracker.iter().map(|url| vec![url.clone()]).collect(),
        web_seeds: options.web_seed.clone(),
        comment: options.comment.clone(),
        created_by: Some(format!("mio-reactor {}", env!("CARGO_PKG_VERSION"))),
        created_at: now(),
        ..made
    };
    write(&path, &torrent.write(), options.force)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let (files, pieces) = (torrent.info.files().len(), torrent.info.pieces());
    output::say(format_args!(
        "{}: {} in {files} {}, {pieces} {} of {}",
        file::printable(&path.to_string_lossy()),
        BinaryBytes(draft.length()),
        if files == 1 { "file" } else { "files" },
        if pieces == 1 { "piece" } else { "pieces" },
        BinaryBytes(draft.piece_length().into()),
    ))?;
    Ok(output::say(torrents::magnet(&torrent))?)
}

fn hash(draft: &Draft) -> Result<Metainfo, Box<dyn Error>> {
    let bars = Bars::new("torrent");
    let bar = bars.add("hashing", Some(draft.length()));
    let mut shown = Instant::now();
    let made = draft.hash(|done| {
        bar.set_position(done);
        if shown.elapsed() >= bars::TICK {
            shown = Instant::now();
            bars.tick();
        }
        ControlFlow::Continue(())
    });
    bars.remove(&bar);
    Ok(made?)
}

fn write(path: &Path, text: &[u8], force: bool) -> std::io::Result<()> {
    if force {
        return write_whole(path, text);
    }
    // It keeps out whatever has come there since it was looked.
    let mut file = File::create_new(path)?;
    file.write_all(text).inspect_err(|_| {
        let _ = fs::remove_file(path);
    })
}

fn now() -> Option<i64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

/// `16KiB`, `1MiB`, or bytes.
fn size(text: &str) -> Result<u32, String> {
    let (number, unit) =
        text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        _ => return Err("expected 16KiB, 1MiB, or a number of bytes".to_owned()),
    };
    let size = number.parse().ok().and_then(|number: u32| number.checked_mul(factor));
    size.ok_or_else(|| "expected 16KiB, 1MiB, or a number of bytes".to_owned())
}

fn tracker(text: &str) -> Result<String, String> {
    let as_http = text.strip_prefix("udp://").map(|rest| format!("http://{rest}"));
    match as_http.as_deref().unwrap_or(text).parse::<Url>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("expected http://HOST[:PORT]/PATH, https, or udp://HOST:PORT".to_owned()),
    }
}

fn web_seed(text: &str) -> Result<String, String> {
    text.parse::<Url>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_or_none() {
        for (text, bytes) in
            [("16KiB", 16384), ("1m", 1 << 20), ("16384", 16384), ("2MIB", 2 << 20)]
        {
            assert_eq!(size(text), Ok(bytes));
        }
        assert!(
            ["", "KiB", "1GiB", "-1", "5000MiB", "1.5MiB"].iter().all(|text| size(text).is_err())
        );
    }

    #[test]
    fn trackers_are_urls() {
        assert!(
            ["http://h/announce", "https://h:1/", "udp://h:80"]
                .iter()
                .all(|url| tracker(url).is_ok())
        );
        assert!(
            ["", "h:80", "udp://", "ftp://h/", "udp:h:1"].iter().all(|url| tracker(url).is_err())
        );
    }
}
