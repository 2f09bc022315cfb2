//! `torrent show`: what a torrent says.

use std::error::Error;
use std::path::Path;

use chrono::DateTime;
use clap::Args;
use examples::output::say;
use examples::torrents;
use indicatif::BinaryBytes;
use protocols::torrent::wire::announce::Counts;
use protocols::torrent::wire::{Layout, Magnet, Metainfo};
use serde_json::{Value, json};

use crate::ask::{self, Told};
use crate::file::{self, printable};

/// Show what a torrent says: its files, its trackers, its magnet link
///
/// With --ask its trackers are asked how many peers it has, once, and nobody else is.
#[derive(Args)]
pub(crate) struct Options {
    /// The torrent, or a magnet link
    #[arg(value_name = "FILE|MAGNET")]
    torrent: String,

    /// Ask its trackers how many peers it has
    #[arg(long)]
    ask: bool,

    /// Ask also those that are on this machine or its network, whatever they are called there
    #[arg(long, requires = "ask")]
    allow_inside: bool,

    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let asked = |hash, trackers: &[String]| match options.ask {
        true => ask::trackers(hash, trackers, options.allow_inside).map(Some),
        false => Ok(None),
    };
    if file::is_link(&options.torrent) {
        let magnet: Magnet = options.torrent.parse()?;
        let told = asked(magnet.hash, &magnet.trackers)?;
        return if options.json {
            say_object(&link_json(&magnet), told)
        } else {
            say_link(&magnet)?;
            say_told(told)
        };
    }
    let torrent = file::read(Path::new(&options.torrent))?;
    let told = asked(torrent.info.hash(), &torrent.trackers.concat())?;
    if options.json {
        say_object(&torrent_json(&torrent), told)
    } else {
        say_text(&torrent)?;
        say_told(told)
    }
}

fn say_text(torrent: &Metainfo) -> Result<(), Box<dyn Error>> {
    let info = &torrent.info;
    line("name", info.name().display())?;
    line("info hash", info.hash())?;
    line("size", BinaryBytes(info.length()))?;
    line(
        "pieces",
        format_args!("{} of {}", info.pieces(), BinaryBytes(info.piece_length().into())),
    )?;
    if info.is_private() {
        line("private", "peers come from the trackers only")?;
    }
    for (tier, url) in torrent
        .trackers
        .iter()
        .enumerate()
        .flat_map(|(at, tier)| tier.iter().map(move |url| (at, url)))
    {
        line(if tier == 0 { "tracker" } else { "or else" }, url)?;
    }
    torrent.web_seeds.iter().try_for_each(|url| line("web seed", url))?;
    let made = torrent.created_at.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    made.iter().try_for_each(|time| line("created", time.format("%Y-%m-%d %H:%M:%S UTC")))?;
    torrent.created_by.iter().try_for_each(|program| line("created by", program))?;
    torrent.comment.iter().try_for_each(|comment| line("comment", comment))?;
    line("magnet", torrents::magnet(torrent))?;
    for file in info.files() {
        line(
            "file",
            format_args!("{:>12} {}", BinaryBytes(file.length).to_string(), file.path.display()),
        )?;
    }
    Ok(())
}

fn say_link(magnet: &Magnet) -> Result<(), Box<dyn Error>> {
    magnet.name.iter().try_for_each(|name| line("name", name))?;
    line("info hash", magnet.hash)?;
    magnet.trackers.iter().try_for_each(|url| line("tracker", url))?;
    magnet.web_seeds.iter().try_for_each(|url| line("web seed", url))?;
    magnet.peers.iter().try_for_each(|peer| line("peer", peer))
}

fn line(label: &str, value: impl std::fmt::Display) -> Result<(), Box<dyn Error>> {
    Ok(say(format_args!("{label:<10} {}", printable(&value.to_string())))?)
}

/// What trackers say, if they were asked.
fn say_told(told: Option<Vec<Told>>) -> Result<(), Box<dyn Error>> {
    told.into_iter().flatten().try_for_each(|(url, counts)| match counts {
        Ok(Counts { seeders, completed, leechers }) => line(
            "peers",
            format_args!("{seeders} have it, {leechers} do not, {completed} had it ({url})"),
        ),
        Err(error) => line("peers", format_args!("nobody knows: {error} ({url})")),
    })
}

/// One object, with what trackers say if they were asked.
fn say_object(object: &Value, told: Option<Vec<Told>>) -> Result<(), Box<dyn Error>> {
    let mut object = object.clone();
    if let (Some(told), Some(members)) = (told, object.as_object_mut()) {
        let counts = told.into_iter().map(|(url, counts)| match counts {
            Ok(Counts { seeders, completed, leechers }) => json!({
                "tracker": url,
                "seeders": seeders,
                "leechers": leechers,
                "completed": completed,
            }),
            Err(error) => json!({ "tracker": url, "error": error.to_string() }),
        });
        members.insert("peerCounts".to_owned(), counts.collect());
    }
    Ok(say(object)?)
}

fn torrent_json(torrent: &Metainfo) -> Value {
    let info = &torrent.info;
    let files: Vec<_> = info
        .files()
        .iter()
        .map(|file| {
            json!({
                "path": file.path.to_string_lossy(),
                "length": file.length,
                "executable": file.executable,
            })
        })
        .collect();
    json!({
        "name": info.name().to_string_lossy(),
        "infoHash": info.hash().to_string(),
        "length": info.length(),
        "pieces": info.pieces(),
        "pieceLength": info.piece_length(),
        "private": info.is_private(),
        "folder": info.layout() == Layout::Folder,
        "files": files,
        "trackers": torrent.trackers,
        "webSeeds": torrent.web_seeds,
        "comment": torrent.comment,
        "createdBy": torrent.created_by,
        "createdAt": torrent.created_at,
        "magnet": torrents::magnet(torrent).to_string(),
    })
}

fn link_json(magnet: &Magnet) -> Value {
    json!({
        "name": magnet.name,
        "infoHash": magnet.hash.to_string(),
        "trackers": magnet.trackers,
        "webSeeds": magnet.web_seeds,
        "peers": magnet.peers,
    })
}
