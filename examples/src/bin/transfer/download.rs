//! Fetching one file: its size, its time, its bytes, and whether they are the right ones.

use std::path::PathBuf;
use std::time::SystemTime;

use examples::part::Part;
use protocols::transfer::ftp::client::{self, Done, Entry, Failure, Features, Operation};
use protocols::transfer::ftp::command::Command;
use protocols::transfer::ftp::time::Timestamp;

use crate::guess::{Guesses, guessed_name_here, is_known_as, reply};
use crate::hash::Check;
use crate::task::{How, Next, Remarks, Report, Task};
use crate::tree::Walk;
use crate::url::shown;

/// Bytes of a file whose hash is worked out at once: asking another thread would take longer.
const SMALL: u64 = 64 * 1024;

/// A file that is fetched.
///
/// ```text
///   Size ─▶ Modified ─▶ Algorithm ─▶ Transfer ─▶ Recheck ─▶ Hash ─▶ Compare ─▶ done
///                                     │  ▲
///                               550   ▼  │ it is the one that was listed
///                                    Guess
/// ```
///
/// What the server cannot do is left out, and what its list has said already. That may not be so any more:
/// `Recheck` asks again, if what has come is of another size.
#[derive(Debug)]
pub(crate) struct Download {
    remote: Vec<u8>,
    part: Part,
    how: How,
    known: Known,
    size: Option<u64>,
    modified: Option<SystemTime>,
    offset: u64,
    moved: u64,
    check: Check,
    /// What it may be if it is no file.
    otherwise: Option<Box<Walk>>,
    /// Why the server has refused it, by the name that it has in the list.
    refusal: Option<Failure>,
    /// What its name may be, if it is not that.
    guesses: Option<Guesses>,
    /// By what name it is here, if that is not the one in the list.
    told: Option<String>,
    stage: Stage,
}

/// What a list has said of a file.
#[derive(Debug, Default)]
pub(crate) struct Known {
    size: Option<u64>,
    modified: Option<SystemTime>,
    unique: Option<Vec<u8>>,
    /// Whether its size and its time are exact, and not made for people.
    is_exact: bool,
    /// Whether there is another of its name, so that it may be either.
    is_doubted: bool,
}

impl Known {
    pub(crate) fn of(entry: &Entry, is_exact: bool, is_doubted: bool) -> Self {
        Self {
            size: entry.size,
            modified: entry.modified.map(Timestamp::to_system_time),
            unique: entry.unique.clone(),
            is_exact,
            is_doubted,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Size,
    Modified,
    Algorithm,
    Transfer,
    Guess,
    Recheck,
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
            known: Known::default(),
            size: None,
            modified: None,
            offset: 0,
            moved: 0,
            check: Check::default(),
            otherwise: None,
            refusal: None,
            guesses: None,
            told: None,
            stage: Stage::Size,
        }
    }

    /// Of which a list has said this.
    pub(crate) fn with_known(self, known: Known) -> Self {
        let (size, modified) = match known.is_exact {
            true => (known.size, known.modified),
            false => (None, None),
        };
        Self { size, modified, known, ..self }
    }

    /// Or this, if it is no file.
    pub(crate) fn or_else(self, walk: Walk) -> Self {
        Self { otherwise: Some(Box::new(walk)), ..self }
    }
}

impl Task for Download {
    fn begin(&mut self, features: &Features) -> Next {
        // No command has a line feed in it.
        let is_unsayable = self.remote.contains(&b'\n');
        let first = if is_unsayable || self.known.is_doubted { Stage::Guess } else { Stage::Size };
        self.enter(first, features)
    }

    fn handle(&mut self, outcome: Result<Done, Failure>, features: &Features) -> Next {
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
            (Stage::Algorithm, outcome) => {
                self.check.handle_choice(&outcome);
                Stage::Transfer
            }
            (Stage::Transfer, Ok(Done::Received(bytes))) => {
                self.moved = bytes;
                Stage::Recheck
            }
            (Stage::Recheck, outcome) => {
                self.size = reply(outcome).and_then(|reply| client::size(&reply)).or(self.size);
                return match self.check_size() {
                    Ok(()) => self.enter(Stage::Hash, features),
                    Err(wrong) => Next::Failed(wrong),
                };
            }
            // It cannot begin in the middle, so it begins anew.
            (Stage::Transfer, Err(Failure::Refused(reply)))
                if self.offset > 0 && matches!(reply.code, 500..=504 | 554) =>
            {
                self.how.resume = false;
                Stage::Transfer
            }
            (Stage::Transfer, Err(failure @ Failure::Refused(_))) => {
                self.part.abandon();
                if let Some(walk) = self.otherwise.take() {
                    return Next::Done(Remarks::default().into(), vec![walk]);
                }
                self.refusal.get_or_insert(failure);
                Stage::Guess
            }
            (Stage::Transfer, Err(failure)) => return Next::Failed(failure.to_string()),
            (Stage::Guess, outcome) => {
                if self.is_the_one(outcome) {
                    self.rename();
                    Stage::Transfer
                } else {
                    Stage::Guess
                }
            }
            (Stage::Hash, outcome) => {
                self.check.handle_answer(outcome);
                Stage::Compare
            }
            (stage, _) => stage,
        };
        self.enter(next, features)
    }

    /// What the hash is of what has arrived.
    fn handle_thought(&mut self, ours: Result<String, String>) -> Next {
        match ours.map(|ours| self.check.judge(&ours)) {
            Ok(Ok(same)) => self.finish(&same),
            Ok(Err(differs)) => {
                self.part.discard();
                Next::Failed(format!("what has come is not what was sent: {differs}"))
            }
            Err(why) => Next::Failed(why),
        }
    }

    fn abandon(&self) {
        self.part.abandon();
    }

    fn is_special(&self) -> bool {
        self.part.is_special()
    }

    fn name(&self) -> String {
        shown(&self.remote)
    }

    fn size(&self) -> Option<u64> {
        self.size
    }

    fn offset(&self) -> u64 {
        self.offset
    }

    fn has_iac(&self) -> bool {
        self.remote.contains(&255)
    }
}

impl Download {
    /// The step of a stage, or of the next one that has any.
    fn enter(&mut self, stage: Stage, features: &Features) -> Next {
        self.stage = stage;
        let remote = self.remote.clone();
        match stage {
            Stage::Size if features.size && self.size.is_none() => {
                Next::Do(Operation::Command(Command::Size(remote)))
            }
            Stage::Size => self.enter(Stage::Modified, features),
            Stage::Modified if features.modified && self.modified.is_none() => {
                Next::Do(Operation::Command(Command::Mdtm(remote)))
            }
            Stage::Modified => self.enter(Stage::Algorithm, features),
            // What went into a pipe cannot be read again.
            Stage::Algorithm if self.part.is_special() => self.enter(Stage::Transfer, features),
            Stage::Algorithm => match self.check.choose(self.how, features) {
                Some(choice) => Next::Do(choice),
                None => self.enter(Stage::Transfer, features),
            },
            Stage::Transfer => self.transfer(features),
            Stage::Guess => self.guess(features),
            Stage::Recheck if self.is_of_another_size() && features.size => {
                Next::Do(Operation::Command(Command::Size(remote)))
            }
            Stage::Recheck => match self.check_size() {
                Ok(()) => self.enter(Stage::Hash, features),
                Err(wrong) => Next::Failed(wrong),
            },
            Stage::Hash => match self.check.question(remote) {
                Some(question) => Next::Do(question),
                None => self.enter(Stage::Finish, features),
            },
            Stage::Compare => self.compare(features),
            Stage::Finish => self.finish("the size is right"),
        }
    }

    fn transfer(&mut self, features: &Features) -> Next {
        let there = || std::fs::metadata(self.part.target()).map(|file| file.len()).ok();
        if self.how.resume && self.size.is_some() && there() == self.size {
            let remark = "it is here already".to_owned();
            return Next::Done(Report::Moved { bytes: 0, remark, told: None }, Vec::new());
        }
        let have = self.part.length().filter(|_| self.how.resume).unwrap_or(0);
        self.offset = match self.size {
            Some(size) if have > size => 0,
            _ => have,
        };
        if self.offset > 0 && Some(self.offset) == self.size {
            return self.enter(Stage::Hash, features);
        }
        match self.part.make_directory().and_then(|()| self.part.open(self.offset)) {
            Ok(file) => Next::Do(Operation::Get {
                path: self.remote.clone(),
                offset: self.offset,
                sink: Box::new(file),
            }),
            Err(error) => Next::Failed(format!("{}: {error}", self.part.path().display())),
        }
    }

    /// A name that is refused may be another: a server shows `?` for what no line of a list can have in it.
    fn guess(&mut self, features: &Features) -> Next {
        let refusal = |it: &Self| {
            let why = it.refusal.as_ref().map(ToString::to_string);
            Next::Failed(why.unwrap_or_else(|| "FTP has no way to say its name".to_owned()))
        };
        let guesses = match self.known.is_doubted {
            true => Guesses::of_doubted,
            false => Guesses::of,
        };
        let guesses = self.guesses.get_or_insert_with(|| guesses(&self.remote));
        let Some(remote) = guesses.next() else {
            return refusal(self);
        };
        let command = match (&self.known.unique, self.known.size) {
            (Some(_), _) => Command::Mlst(Some(remote.clone())),
            (None, Some(_)) if features.size => Command::Size(remote.clone()),
            _ => return refusal(self),
        };
        self.remote = remote;
        Next::Do(Operation::Command(command))
    }

    /// Whether the server says that the guess is the very file that it has listed. To some servers the NUL that
    /// stands for a line end is the end of the name, and then it is another.
    fn is_the_one(&self, outcome: Result<Done, Failure>) -> bool {
        let Some(reply) = reply(outcome) else {
            return false;
        };
        match &self.known.unique {
            Some(unique) => is_known_as(&reply, unique),
            None => client::size(&reply).is_some_and(|size| Some(size) == self.known.size),
        }
    }

    /// It has the name here that it has been found by, in letters that a name here may have.
    fn rename(&mut self) {
        let name = guessed_name_here(&self.remote);
        let target = name.map(|name| self.part.target().with_file_name(name));
        if let Some(target) = target.filter(|target| target != self.part.target()) {
            let told = format!("{}: it is {} here", self.name(), target.display());
            self.told = Some(told);
            self.part = Part::of(target);
        }
    }

    fn is_of_another_size(&self) -> bool {
        self.size.is_some_and(|size| size != self.offset + self.moved)
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
        match self.check.ours(self.part.path().to_owned()) {
            None => self.enter(Stage::Finish, features),
            Some(ours) if self.offset + self.moved <= SMALL => self.handle_thought(ours()),
            Some(ours) => Next::Think(ours),
        }
    }

    fn finish(&mut self, checked: &str) -> Next {
        let remark = if self.size.is_some() { checked } else { "" };
        match self.part.finish(self.modified) {
            Ok(()) => {
                let (bytes, remark, told) = (self.moved, remark.to_owned(), self.told.take());
                let report = Report::Moved { bytes, remark, told };
                Next::Done(report, Vec::new())
            }
            Err(error) => Next::Failed(format!("{}: {error}", self.part.target().display())),
        }
    }
}
