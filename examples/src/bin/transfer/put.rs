//! `transfer put`: files and directories go there.

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::local::name_there;
use crate::moving::MovingOptions;
use crate::task::Tasks;
use crate::tree::{Plant, joined};
use crate::upload::Upload;
use crate::url::{Scheme, Url};
use crate::workers::{self, PacketTask, Way};

/// Send files, and directories with everything in them
///
/// Where the server offers it, the size and the SHA-256 of what it has then are checked.
#[derive(Args)]
pub(crate) struct Options {
    /// What to send
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Where to: a directory, which ends with a slash, or the name one file is to have there
    #[arg(value_name = "URL")]
    url: Url,

    /// Go on with what there is of a file on the server (FTP)
    #[arg(long = "continue", short = 'c')]
    resume: bool,

    /// Send directories, too, and make the one they go to
    #[arg(long, short)]
    recursive: bool,

    #[command(flatten)]
    moving: MovingOptions,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let url = &options.url;
    if options.files.len() > 1 && !url.is_directory() {
        return Err(format!("{url}: a directory for several files ends with a slash").into());
    }
    let mut files = Vec::new();
    for file in &options.files {
        files.push((file.clone(), remote_name(file, url)?, check(file, options)?));
    }
    let mut sites = options.moving.sites();
    let site = sites.find(url)?;
    let (how, mut workers) = (options.moving.how(options.resume), options.moving.workers(sites));
    let mut tasks = Tasks::new();
    for (local, remote, is_directory) in files {
        match url.scheme {
            Scheme::Tftp(mode) => {
                workers.add_packet_task(site, PacketTask { way: Way::Put, local, remote, mode });
            }
            Scheme::Ftp | Scheme::Ftps if is_directory => {
                tasks.push(Box::new(Plant::new(local, remote, how)));
            }
            Scheme::Ftp | Scheme::Ftps => {
                tasks.push(Box::new(Upload::new(local, remote, how)));
            }
        }
    }
    // Whoever sends trees wants a place for them, too.
    if options.recursive && url.name().is_some() && url.is_directory() {
        let place = url.path.strip_suffix(b"/").unwrap_or(&url.path).to_vec();
        tasks = vec![Box::new(Plant::around(tasks, place))];
    }
    tasks.into_iter().for_each(|task| workers.add(site, task));
    workers::work(workers)
}

/// Whether it is a directory; if it is there at all, and can be sent.
fn check(file: &Path, options: &Options) -> Result<bool, String> {
    let metadata =
        std::fs::metadata(file).map_err(|error| format!("{}: {error}", file.display()))?;
    match (metadata.is_file(), metadata.is_dir(), options.url.scheme) {
        (true, ..) => Ok(false),
        (_, true, Scheme::Tftp(_)) => Err(format!("{}: TFTP has no directories", file.display())),
        (_, true, _) if options.recursive => Ok(true),
        (_, true, _) => Err(format!("{}: it is a directory; --recursive sends it", file.display())),
        _ => Err(format!("{}: it is no plain file", file.display())),
    }
}

/// What a file is to be called there.
fn remote_name(file: &Path, url: &Url) -> Result<Vec<u8>, String> {
    if !url.is_directory() {
        return Ok(url.path.clone());
    }
    // `.` and `..` have names of their own.
    let full =
        std::fs::canonicalize(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let name = file.file_name().or(full.file_name());
    let name = name.ok_or_else(|| format!("{}: it has no name to be sent by", file.display()))?;
    Ok(joined(&url.path, &name_there(name)))
}
