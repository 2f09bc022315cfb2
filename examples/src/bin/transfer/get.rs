//! `transfer get`: files and directories come here.

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Args;
use examples::part::{STDOUT, means_stdout};

use crate::download::Download;
use crate::local::name_here;
use crate::moving::MovingOptions;
use crate::tree::Walk;
use crate::url::{Scheme, Url};
use crate::workers::{self, PacketTask, Way};

/// Fetch files, and directories with everything in them
///
/// A file is called NAME.part until all of it is here and has been checked: its size, and its SHA-256
/// where the server offers that. Over FTP it keeps the time at which it was written. Of a directory everything
/// comes that can be had: links as what they lead to, unless that is a directory above them, and names with line
/// ends in them with % and two digits instead. What is left out is told, and what fails ends with code 1.
#[derive(Args)]
pub(crate) struct Options {
    /// What to fetch; a directory ends with a slash
    #[arg(required = true, value_name = "URL")]
    urls: Vec<Url>,

    /// Where to put it: a file, a directory that is there, or - for standard output [default: its name, here]
    #[arg(long, short, value_name = "PATH")]
    output: Option<PathBuf>,

    /// Go on with what there is of a file (FTP); leave out files that are here with the same size
    #[arg(long = "continue", short = 'c')]
    resume: bool,

    /// Fetch directories even if they do not end with a slash
    #[arg(long, short)]
    recursive: bool,

    #[command(flatten)]
    moving: MovingOptions,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut sites = options.moving.sites();
    let mut fetches = Vec::new();
    for url in &options.urls {
        let target = target(url, options)?;
        if fetches.iter().any(|(_, _, other)| *other == target) {
            return Err(format!("{url}: there is another of that name to be fetched").into());
        }
        fetches.push((sites.find(url)?, url, target));
    }
    let (how, mut workers) = (options.moving.how(options.resume), options.moving.workers(sites));
    if options.output.as_deref().is_some_and(means_stdout) {
        workers = workers.silent();
    }
    for (site, url, local) in fetches {
        let remote = url.path.clone();
        match url.scheme {
            Scheme::Tftp(mode) => {
                workers.add_packet_task(site, PacketTask { way: Way::Get, local, remote, mode });
            }
            Scheme::Ftp | Scheme::Ftps if is_directory(url, options) => {
                workers.add(site, Box::new(Walk::new(remote, local, how)));
            }
            Scheme::Ftp | Scheme::Ftps => {
                workers.add(site, Box::new(Download::new(remote, local, how)));
            }
        }
    }
    workers::work(workers)
}

fn is_directory(url: &Url, options: &Options) -> bool {
    url.scheme.is_ftp() && (options.recursive || url.is_directory())
}

/// Where it is to be here.
fn target(url: &Url, options: &Options) -> Result<PathBuf, String> {
    let name = url.name().and_then(name_here);
    let output = options.output.as_deref();
    if output.is_some_and(means_stdout) {
        return match options.urls.len() {
            1 if !is_directory(url, options) => Ok(STDOUT.into()),
            _ => Err("one file only goes to standard output".to_owned()),
        };
    }
    if is_directory(url, options) {
        // A directory that is named by its server gets that name here, in the place that was given.
        let place = output.unwrap_or(Path::new("."));
        return Ok(name.map_or_else(|| place.to_owned(), |name| place.join(name)));
    }
    let no_name = || format!("{url}: that is no name for a file; a directory ends with a slash");
    match output {
        Some(output) if output.is_dir() => Ok(output.join(name.ok_or_else(no_name)?)),
        Some(output) if options.urls.len() == 1 => Ok(output.to_owned()),
        Some(output) => Err(format!("{} is no directory, for several files", output.display())),
        None => name.map(PathBuf::from).ok_or_else(no_name),
    }
}
