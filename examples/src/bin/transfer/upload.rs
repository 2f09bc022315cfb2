//! Sending one file: its bytes, its time, and whether the server has the right ones.

use std::fs::File;
use std::path::PathBuf;
use std::time::SystemTime;

use protocols::transfer::ftp::client::{self, Done, Failure, Features, Operation, Put};
use protocols::transfer::ftp::command::Command;

use crate::guess::reply;
use crate::hash::Check;
use crate::task::{How, Next, Report, Task};
use crate::url::shown;

/// A file that is sent.
///
/// ```text
///   Resume ─▶ Transfer ─▶ Size ─▶ Algorithm ─▶ Hash ─▶ Compare ─▶ Modified ─▶ done
/// ```
///
/// What the server cannot do is left out.
#[derive(Debug)]
pub(crate) struct Upload {
    local: PathBuf,
    remote: Vec<u8>,
    how: How,
    size: u64,
    modified: Option<SystemTime>,
    offset: u64,
    moved: u64,
    check: Check,
    checked: String,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Resume,
    Transfer,
    Size,
    Algorithm,
    Hash,
    Compare,
    Modified,
    Finish,
}

impl Upload {
    /// From this file here.
    pub(crate) fn new(local: PathBuf, remote: Vec<u8>, how: How) -> Self {
        let metadata = std::fs::metadata(&local).ok();
        Self {
            size: metadata.as_ref().map_or(0, std::fs::Metadata::len),
            modified: metadata.and_then(|metadata| metadata.modified().ok()),
            local,
            remote,
            how,
            offset: 0,
            moved: 0,
            check: Check::default(),
            checked: String::new(),
            stage: Stage::Resume,
        }
    }
}

impl Task for Upload {
    fn begin(&mut self, features: &Features) -> Next {
        self.enter(Stage::Resume, features)
    }

    fn handle(&mut self, outcome: Result<Done, Failure>, features: &Features) -> Next {
        let next = match (self.stage, outcome) {
            (Stage::Resume, outcome) => {
                let there = reply(outcome).and_then(|reply| client::size(&reply)).unwrap_or(0);
                self.offset = if there > self.size { 0 } else { there };
                Stage::Transfer
            }
            (Stage::Transfer, Ok(Done::Sent(bytes))) => {
                self.moved = bytes;
                Stage::Size
            }
            (Stage::Transfer, Err(failure)) => return Next::Failed(failure.to_string()),
            (Stage::Size, outcome) => {
                match reply(outcome).and_then(|reply| client::size(&reply)) {
                    Some(there) if there != self.size => {
                        let size = self.size;
                        return Next::Failed(format!("it has {size} bytes, and {there} are there"));
                    }
                    Some(_) => self.checked = "the size is right".to_owned(),
                    None => {}
                }
                Stage::Algorithm
            }
            (Stage::Algorithm, outcome) => {
                self.check.handle_choice(&outcome);
                Stage::Hash
            }
            (Stage::Hash, outcome) => {
                self.check.handle_answer(outcome);
                Stage::Compare
            }
            // That its time is another is no harm.
            (Stage::Modified, _) => Stage::Finish,
            (stage, _) => stage,
        };
        self.enter(next, features)
    }

    /// What the hash is of the file here.
    fn handle_thought(&mut self, ours: Result<String, String>) -> Next {
        match ours.map(|ours| self.check.judge(&ours)) {
            Ok(Ok(same)) => {
                self.checked = same;
                self.stage = Stage::Modified;
                self.set_modified()
            }
            Ok(Err(differs)) => {
                Next::Failed(format!("what is there is not what was sent: {differs}"))
            }
            Err(why) => Next::Failed(why),
        }
    }

    fn name(&self) -> String {
        shown(&self.remote)
    }

    fn size(&self) -> Option<u64> {
        Some(self.size)
    }

    fn offset(&self) -> u64 {
        self.offset
    }
}

impl Upload {
    fn enter(&mut self, stage: Stage, features: &Features) -> Next {
        self.stage = stage;
        let remote = self.remote.clone();
        match stage {
            Stage::Resume if self.how.resume => Next::Do(Operation::Command(Command::Size(remote))),
            Stage::Resume => self.enter(Stage::Transfer, features),
            Stage::Transfer => self.transfer(features),
            Stage::Size if features.size => Next::Do(Operation::Command(Command::Size(remote))),
            Stage::Size => self.enter(Stage::Algorithm, features),
            Stage::Algorithm => match self.check.choose(self.how, features) {
                Some(choice) => Next::Do(choice),
                None => self.enter(Stage::Hash, features),
            },
            Stage::Hash => match self.check.question(remote) {
                Some(question) => Next::Do(question),
                None => self.enter(Stage::Modified, features),
            },
            Stage::Compare => match self.check.ours(self.local.clone()) {
                Some(ours) => Next::Think(ours),
                None => self.enter(Stage::Modified, features),
            },
            Stage::Modified if features.set_modified => self.set_modified(),
            Stage::Modified | Stage::Finish => self.finish(),
        }
    }

    fn transfer(&mut self, features: &Features) -> Next {
        if self.offset == self.size && self.how.resume && self.offset > 0 {
            return self.enter(Stage::Size, features);
        }
        let how = if self.offset > 0 { Put::From(self.offset) } else { Put::Replace };
        match File::open(&self.local) {
            Ok(file) => Next::Do(Operation::Put {
                path: self.remote.clone(),
                how,
                file,
                from: self.offset,
                length: self.size - self.offset,
            }),
            Err(error) => Next::Failed(format!("{}: {error}", self.local.display())),
        }
    }

    /// A server that does not know how says so, and nothing has happened.
    fn set_modified(&mut self) -> Next {
        match self.modified {
            Some(modified) => {
                let command = Command::Mfmt(modified.into(), self.remote.clone());
                Next::Do(Operation::Command(command))
            }
            None => self.finish(),
        }
    }

    fn finish(&mut self) -> Next {
        let (bytes, remark) = (self.moved, std::mem::take(&mut self.checked));
        Next::Done(Report::Moved { bytes, remark, told: None }, Vec::new())
    }
}
