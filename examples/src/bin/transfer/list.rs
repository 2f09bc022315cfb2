//! `transfer list`: what is in a directory.

use std::error::Error;

use clap::Args;
use examples::tls::CallTls;
use protocols::transfer::ftp::client::{Done, Entry, Failure, Features};
use protocols::transfer::ftp::time::Timestamp;
use protocols::transfer::store::Kind;

use crate::directory::{Answer, Directory};
use crate::site::Sites;
use crate::task::{Next, Remarks, Task};
use crate::url::{Url, shown};
use crate::workers::{self, Patience, Workers};

/// Print what is in a directory of an FTP server
///
/// A line each: its kind, its size, when it was written last (in UTC), and its name. What cannot be read of
/// the server's list is told, and the exit code is 1.
#[derive(Args)]
pub(crate) struct Options {
    /// The directory
    url: Url,

    #[command(flatten)]
    patience: Patience,

    #[command(flatten)]
    tls: CallTls,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let url = &options.url;
    if !url.scheme.is_ftp() {
        return Err("TFTP has no lists of files; get fetches one by its name".into());
    }
    let mut sites = Sites::new(&options.tls);
    let site = sites.find(url)?;
    let mut workers = Workers::new(sites, 1, &options.patience);
    workers.add(site, Box::new(Listing::new(url.path.clone())));
    workers::work(workers)
}

/// The list of one directory.
#[derive(Debug)]
pub(crate) struct Listing {
    directory: Directory,
}

impl Listing {
    fn new(path: Vec<u8>) -> Self {
        Self { directory: Directory::new(path) }
    }
}

impl Task for Listing {
    fn begin(&mut self, _: &Features) -> Next {
        Next::Do(self.directory.begin())
    }

    fn handle(&mut self, outcome: Result<Done, Failure>, _: &Features) -> Next {
        match self.directory.handle(outcome) {
            Answer::Ask(operation) => Next::Do(operation),
            Answer::Listed(listing) => {
                let said = listing.entries.iter().map(line).collect();
                let mut remarks = Remarks { said, ..Remarks::default() };
                remarks.tell_unread(&self.name(), &listing.unread);
                Next::Done(remarks.into(), Vec::new())
            }
            Answer::Empty(_) => Next::Done(Remarks::default().into(), Vec::new()),
            Answer::Failed(failure) => Next::Failed(failure.to_string()),
        }
    }

    fn name(&self) -> String {
        directory_name(self.directory.path())
    }

    fn can_be_continued(&self) -> bool {
        false
    }
}

/// A directory, as it is called in what is told; the one where the login has ended has no name.
pub(crate) fn directory_name(path: &[u8]) -> String {
    if path.is_empty() { "the directory".to_owned() } else { shown(path) }
}

fn line(entry: &Entry) -> String {
    let kind = match entry.kind {
        Kind::File => '-',
        Kind::Directory => 'd',
        Kind::Link => 'l',
        Kind::Other => '?',
    };
    let size = entry.size.map_or_else(|| "-".to_owned(), |size| size.to_string());
    let modified = entry.modified.map_or_else(|| "-".to_owned(), date);
    format!("{kind} {size:>12}  {modified:16}  {}", shown(&entry.name))
}

fn date(time: Timestamp) -> String {
    let civil = time.civil();
    let (year, month, day) = (civil.year, civil.month, civil.day);
    format!("{year}-{month:02}-{day:02} {:02}:{:02}", civil.hour, civil.minute)
}
