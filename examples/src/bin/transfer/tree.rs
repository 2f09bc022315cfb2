//! Directories with everything in them: a walk through one that is there, and one that is planted there.

use std::path::{Path, PathBuf};

use protocols::transfer::ftp::client::{Done, Failure, Listing, Operation};
use protocols::transfer::ftp::command::Command;
use protocols::transfer::store::Kind;

use crate::download::Download;
use crate::list::directory_name;
use crate::local::{name_here, name_there};
use crate::task::{How, Next, Remarks, Task};
use crate::upload::Upload;
use crate::url::shown;

/// The deepest directory that is gone into: a server may list itself in itself.
const DEEPEST: usize = 100;

/// A directory there, which comes here.
#[derive(Debug)]
pub(crate) struct Walk {
    remote: Vec<u8>,
    local: PathBuf,
    how: How,
    depth: usize,
}

impl Walk {
    pub(crate) fn new(remote: Vec<u8>, local: PathBuf, how: How) -> Self {
        Self { remote, local, how, depth: 0 }
    }

    pub(crate) fn name(&self) -> String {
        directory_name(&self.remote)
    }

    pub(crate) fn begin(&self) -> Next {
        Next::Do(Operation::List { path: self.remote.clone() })
    }

    pub(crate) fn handle(&mut self, outcome: Result<Done, Failure>) -> Next {
        let listing = match outcome {
            Ok(Done::Listed(listing)) => listing,
            Ok(_) => Listing::default(),
            Err(failure) => return Next::Failed(failure.to_string()),
        };
        if let Err(error) = std::fs::create_dir_all(&self.local) {
            return Next::Failed(format!("{}: {error}", self.local.display()));
        }
        let mut tasks = Vec::new();
        let mut remarks = Remarks::default();
        remarks.tell_unread(&self.name(), &listing.unread);
        for entry in listing.entries {
            match (name_here(&entry.name), entry.kind) {
                (Some(name), Kind::File) => tasks.push(Task::Download(Download::new(
                    joined(&self.remote, &entry.name),
                    self.local.join(name),
                    self.how,
                ))),
                (Some(name), Kind::Directory) if self.depth < DEEPEST => {
                    tasks.push(Task::Walk(Self {
                        remote: joined(&self.remote, &entry.name),
                        local: self.local.join(name),
                        how: self.how,
                        depth: self.depth + 1,
                    }));
                }
                _ => remarks.said.push(format!(
                    "{}: left out, it is neither a file nor a directory that can be here",
                    shown(&joined(&self.remote, &entry.name))
                )),
            }
        }
        Next::Done(remarks.into(), tasks)
    }
}

/// A directory that is to be there, with what is in one here.
#[derive(Debug)]
pub(crate) struct Plant {
    remote: Vec<u8>,
    contents: Contents,
}

#[derive(Debug)]
enum Contents {
    /// What is in this directory.
    Of { local: PathBuf, how: How },
    /// These.
    These(Vec<Task>),
}

impl Plant {
    pub(crate) fn new(local: PathBuf, remote: Vec<u8>, how: How) -> Self {
        Self { remote, contents: Contents::Of { local, how } }
    }

    /// A directory for these.
    pub(crate) fn around(tasks: Vec<Task>, remote: Vec<u8>) -> Self {
        Self { remote, contents: Contents::These(tasks) }
    }

    pub(crate) fn name(&self) -> String {
        shown(&self.remote)
    }

    pub(crate) fn begin(&self) -> Next {
        Next::Do(Operation::Command(Command::Mkd(self.remote.clone())))
    }

    /// That it is there already is no harm. If it could not be made, what goes into it will tell.
    pub(crate) fn handle(&mut self, made: &Result<Done, Failure>) -> Next {
        if let Err(failure) = made
            && !matches!(failure, Failure::Refused(_))
        {
            return Next::Failed(failure.to_string());
        }
        match &mut self.contents {
            Contents::These(tasks) => Next::Done(Remarks::default().into(), std::mem::take(tasks)),
            Contents::Of { local, how } => match contents(local, &self.remote, *how) {
                Ok((tasks, said)) => {
                    Next::Done(Remarks { said, ..Remarks::default() }.into(), tasks)
                }
                Err(error) => Next::Failed(format!("{}: {error}", local.display())),
            },
        }
    }
}

/// What there is to do for what is in a directory here, and what is left out of it.
fn contents(local: &Path, remote: &[u8], how: How) -> std::io::Result<(Vec<Task>, Vec<String>)> {
    let mut entries: Vec<_> = std::fs::read_dir(local)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    let mut tasks = Vec::new();
    let mut left_out = Vec::new();
    for entry in entries {
        let (path, remote) = (entry.path(), joined(remote, &name_there(&entry.file_name())));
        // Links are followed to files; one to a directory might lead back to here.
        if entry.file_type()?.is_dir() {
            tasks.push(Task::Plant(Plant::new(path, remote, how)));
        } else if path.is_file() {
            tasks.push(Task::Upload(Upload::new(path, remote, how)));
        } else {
            left_out.push(format!("{}: left out, it is no plain file", path.display()));
        }
    }
    Ok((tasks, left_out))
}

/// A name in a directory of the server's; without a directory, in the one where the login has ended.
pub(crate) fn joined(directory: &[u8], name: &[u8]) -> Vec<u8> {
    match directory {
        b"" => name.to_vec(),
        directory if directory.ends_with(b"/") => [directory, name].concat(),
        directory => [directory, b"/", name].concat(),
    }
}
