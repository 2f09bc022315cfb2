//! Fetching one file: its size, its time, its bytes, and whether they are the right ones.

use std::path::PathBuf;
use std::time::SystemTime;

use protocols::transfer::ftp::client::{self, Done, Failure, Features, Operation};
use protocols::transfer::ftp::command::{Command, Opts};
use protocols::transfer::ftp::reply::Reply;
use protocols::transfer::ftp::time::Timestamp;

use crate::hash;
use crate::local::Part;
use crate::task::{How, Next, Report};
use crate::url::shown;

/// A file that is fetched.
///
/// ```text
///   Size ─▶ Modified ─▶ Algorithm ─▶ Transfer ─▶ Hash ─▶ Compare ─▶ done
/// ```
///
/// What the server cannot do is left out.
#[derive(Debug)]
pub(crate) struct Download {
    remote: Vec<u8>,
    part: Part,
    how: How,
    size: Option<u64>,
    modified: Option<SystemTime>,
    offset: u64,
    moved: u64,
    algorithm: Option<&'static str>,
    /// The hash that the server says the file has.
    theirs: Option<String>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Size,
    Modified,
    Algorithm,
    Transfer,
    Hash,
    Compare,
    Finish,
}

impl Download {
    /// To this file here.
    pub(crate) fn new(remote: Vec<u8>, local: PathBuf, how: How) -> Self {
        Self {
            remote,
            part: Part::of(local),
            how,
            size: None,
            modified: None,
            offset: 0,
            moved: 0,
            algorithm: None,
            theirs: None,
            stage: Stage::Size,
        }
    }

    pub(crate) fn name(&self) -> String {
        shown(&self.remote)
    }

    pub(crate) fn size(&self) -> Option<u64> {
        self.size
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn begin(&mut self, features: &Features) -> Next {
        self.enter(Stage::Size, features)
    }

    /// The step of a stage, or of the next one that has any.
    fn enter(&mut self, stage: Stage, features: &Features) -> Next {
        self.stage = stage;
        let remote = self.remote.clone();
        match stage {
            Stage::Size if features.size => Next::Do(Operation::Command(Command::Size(remote))),
            Stage::Size => self.enter(Stage::Modified, features),
            Stage::Modified if features.modified => {
                Next::Do(Operation::Command(Command::Mdtm(remote)))
            }
            Stage::Modified => self.enter(Stage::Algorithm, features),
            Stage::Algorithm => self.choose_algorithm(features),
            Stage::Transfer => self.transfer(features),
            Stage::Hash if self.algorithm.is_some() => {
                Next::Do(Operation::Command(Command::Hash(remote)))
            }
            Stage::Hash => self.enter(Stage::Finish, features),
            Stage::Compare => self.compare(features),
            Stage::Finish => self.finish("the size is right"),
        }
    }

    pub(crate) fn handle(&mut self, outcome: Result<Done, Failure>, features: &Features) -> Next {
        let next = match (self.stage, outcome) {
            (Stage::Size, outcome) => {
                self.size = reply(outcome).and_then(|reply| client::size(&reply));
                Stage::Modified
            }
            (Stage::Modified, outcome) => {
                let time = reply(outcome).and_then(|reply| client::modified(&reply));
                self.modified = time.map(Timestamp::to_system_time);
                Stage::Algorithm
            }
            (Stage::Algorithm, Err(_)) => {
                self.algorithm = None;
                Stage::Transfer
            }
            (Stage::Algorithm, Ok(_)) => Stage::Transfer,
            (Stage::Transfer, Ok(Done::Received(bytes))) => {
                self.moved = bytes;
                match self.check_size() {
                    Ok(()) => Stage::Hash,
                    Err(wrong) => return Next::Failed(wrong),
                }
            }
            // It cannot begin in the middle, so it begins anew.
            (Stage::Transfer, Err(Failure::Refused(reply)))
                if self.offset > 0 && matches!(reply.code, 500..=504 | 554) =>
            {
                self.how.resume = false;
                Stage::Transfer
            }
            (Stage::Transfer, Err(failure)) => return Next::Failed(failure.to_string()),
            (Stage::Hash, outcome) => {
                let hash = reply(outcome).and_then(|reply| client::hash(&reply));
                let hash = hash.filter(|hash| Some(&*hash.algorithm) == self.algorithm);
                self.theirs = hash.map(|hash| hash.digits);
                Stage::Compare
            }
            (stage, _) => stage,
        };
        self.enter(next, features)
    }

    fn choose_algorithm(&mut self, features: &Features) -> Next {
        let offered = if self.how.hash { &features.hashes[..] } else { &[] };
        let choice = hash::choose(offered);
        self.algorithm = choice.map(|(algorithm, _)| algorithm);
        match choice {
            Some((algorithm, true)) => {
                let wanted = Opts::Hash(Some(algorithm.as_bytes().to_vec()));
                Next::Do(Operation::Command(Command::Opts(wanted)))
            }
            _ => self.enter(Stage::Transfer, features),
        }
    }

    fn transfer(&mut self, features: &Features) -> Next {
        let there = std::fs::metadata(self.part.target()).map(|file| file.len()).ok();
        if self.how.resume && self.size.is_some() && there == self.size {
            let remark = "it is here already".to_owned();
            return Next::Done(Report::Moved { bytes: 0, remark }, Vec::new());
        }
        let have = if self.how.resume { self.part.length() } else { 0 };
        self.offset = match self.size {
            Some(size) if have > size => 0,
            _ => have,
        };
        if self.offset > 0 && Some(self.offset) == self.size {
            return self.enter(Stage::Hash, features);
        }
        match self.part.open(self.offset) {
            Ok(file) => Next::Do(Operation::Get {
                path: self.remote.clone(),
                offset: self.offset,
                sink: Box::new(file),
            }),
            Err(error) => Next::Failed(format!("{}: {error}", self.part.path().display())),
        }
    }

    fn check_size(&self) -> Result<(), String> {
        let have = self.offset + self.moved;
        match self.size {
            Some(size) if size != have => {
                Err(format!("it has {size} bytes, and {have} have come; --continue goes on"))
            }
            _ => Ok(()),
        }
    }

    fn compare(&mut self, features: &Features) -> Next {
        let (Some(algorithm), Some(_)) = (self.algorithm, &self.theirs) else {
            return self.enter(Stage::Finish, features);
        };
        let path = self.part.path().to_owned();
        Next::Think(Box::new(move || {
            hash::of_file(&path, algorithm).map_err(|error| format!("{}: {error}", path.display()))
        }))
    }

    /// What the hash is of what has arrived.
    pub(crate) fn handle_hash(&mut self, ours: Result<String, String>) -> Next {
        let algorithm = self.algorithm.unwrap_or_default();
        match ours {
            Ok(ours) if Some(&ours) == self.theirs.as_ref() => {
                self.finish(&format!("{algorithm} is the same"))
            }
            Ok(_) => {
                self.part.discard();
                Next::Failed(format!("what has come is not what was sent: {algorithm} differs"))
            }
            Err(why) => Next::Failed(why),
        }
    }

    fn finish(&mut self, checked: &str) -> Next {
        let remark = if self.size.is_some() { checked } else { "" };
        match self.part.finish(self.modified) {
            Ok(()) => {
                let report = Report::Moved { bytes: self.moved, remark: remark.to_owned() };
                Next::Done(report, Vec::new())
            }
            Err(error) => Next::Failed(format!("{}: {error}", self.part.target().display())),
        }
    }
}

/// The reply to a command that may have failed without a harm.
pub(crate) fn reply(outcome: Result<Done, Failure>) -> Option<Reply> {
    match outcome {
        Ok(Done::Command(reply)) => Some(reply),
        _ => None,
    }
}
