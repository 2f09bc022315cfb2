//! Directories with everything in them: a walk through one that is there, and one that is planted there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use protocols::transfer::ftp::client::{Done, Entry, Failure, Features, Listing, Operation};
use protocols::transfer::ftp::command::Command;
use protocols::transfer::store::Kind;

use crate::directory::{Answer, Directory};
use crate::download::{Download, Known};
use crate::guess::{Guesses, guessed_name_here, is_known_as, reply};
use crate::list::directory_name;
use crate::local::{name_here, name_there};
use crate::task::{How, Next, Remarks, Task, Tasks};
use crate::trail::{Circle, Trail, has_own_uniques};
use crate::upload::Upload;
use crate::url::shown;

/// A directory there, which comes here.
///
/// ```text
///   Listing ──its name is refused, or two have it──▶ Guessing ──found──▶ Listing
/// ```
#[derive(Debug)]
pub(crate) struct Walk {
    directory: Directory,
    local: PathBuf,
    how: How,
    /// What tells it from others, if the server says.
    unique: Option<Vec<u8>>,
    arrival: Arrival,
    trail: Trail,
    /// By what name it is here, if that is not the one in the list.
    told: Option<String>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Listing,
    /// It may have another name than it seems to have. Why that one is not it, if that is known.
    Guessing {
        guesses: Guesses,
        refusal: Option<Failure>,
    },
}

/// How a directory was come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    /// It is one, all the way down to it.
    Straight,
    /// A link is on the way to it.
    BehindLink,
    /// It is a link, which may lead to a directory, or to nothing.
    Link,
}

impl Walk {
    pub(crate) fn new(remote: Vec<u8>, local: PathBuf, how: How) -> Self {
        Self {
            directory: Directory::new(remote),
            local,
            how,
            unique: None,
            arrival: Arrival::Straight,
            trail: Trail::default(),
            told: None,
            stage: Stage::Listing,
        }
    }

    /// Of which there is another with the same name, as far as the server can show it.
    fn doubted(self) -> Self {
        let guesses = Guesses::of_doubted(self.directory.path());
        Self { stage: Stage::Guessing { guesses, refusal: None }, ..self }
    }
}

impl Task for Walk {
    fn begin(&mut self, _: &Features) -> Next {
        match self.stage {
            Stage::Listing => Next::Do(self.directory.begin()),
            Stage::Guessing { .. } => self.guess(),
        }
    }

    fn handle(&mut self, outcome: Result<Done, Failure>, features: &Features) -> Next {
        if let Stage::Guessing { .. } = self.stage {
            return match reply(outcome).zip(self.unique.as_deref()) {
                Some((reply, unique)) if is_known_as(&reply, unique) => self.go_on_as_guessed(),
                _ => self.guess(),
            };
        }
        match self.directory.handle(outcome) {
            Answer::Ask(operation) => Next::Do(operation),
            Answer::Listed(listing) if self.is_of_the_link_itself(&listing) => self.go_through(),
            Answer::Listed(listing) => self.enter(&listing, features),
            Answer::Empty(refusal) => match self.make() {
                Ok(()) => said(format!("{}: it is empty: {refusal}", self.name())),
                Err(why) => Next::Failed(why),
            },
            Answer::Failed(Failure::Refused(_)) if self.arrival == Arrival::Link => {
                self.leads_nowhere()
            }
            Answer::Failed(refusal @ Failure::Refused(_)) if self.unique.is_some() => {
                let guesses = Guesses::of(self.directory.path());
                self.stage = Stage::Guessing { guesses, refusal: Some(refusal) };
                self.guess()
            }
            Answer::Failed(failure) => Next::Failed(failure.to_string()),
        }
    }

    fn name(&self) -> String {
        directory_name(self.directory.path())
    }

    fn has_iac(&self) -> bool {
        self.directory.path().contains(&255)
    }
}

impl Walk {
    /// Asks whether it has the next of the names that it may have.
    fn guess(&mut self) -> Next {
        let Stage::Guessing { guesses, refusal } = &mut self.stage else {
            return Next::Do(self.directory.begin());
        };
        let Some(remote) = guesses.next() else {
            let why = refusal.take().map(|refusal| refusal.to_string());
            // It may be asked for again.
            self.stage = Stage::Listing;
            return Next::Failed(why.unwrap_or_else(|| "nobody knows its name".to_owned()));
        };
        self.directory = Directory::new(remote.clone());
        Next::Do(Operation::Command(Command::Mlst(Some(remote))))
    }

    /// It has that name there, and here one of letters that a name here may have.
    fn go_on_as_guessed(&mut self) -> Next {
        self.stage = Stage::Listing;
        let name = guessed_name_here(self.directory.path());
        if let Some(name) = name.filter(|name| self.local.file_name() != Some(name)) {
            self.local.set_file_name(name);
            self.told = Some(format!("{}: it is {} here", self.name(), self.local.display()));
        }
        Next::Do(self.directory.begin())
    }

    fn enter(&mut self, listing: &Listing, features: &Features) -> Next {
        let by_link = self.arrival != Arrival::Straight;
        match self.trail.enter(self.unique.take(), listing, by_link) {
            Ok(trail) => self.trail = trail,
            Err(Circle::Sure) => return self.left_out("it leads back to a directory above it"),
            Err(Circle::KnownByOtherNames) => {
                return self.left_out("it has come already, by other links");
            }
            Err(Circle::Likely) => {
                return Next::Failed("it has the same in it as those above: a circle?".to_owned());
            }
            Err(Circle::TooDeep) => {
                return Next::Failed("it is too deep: a circle?".to_owned());
            }
        }
        if let Err(why) = self.make() {
            return Next::Failed(why);
        }
        let mut remarks = Remarks::default();
        remarks.told.extend(self.told.take());
        remarks.tell_unread(&self.name(), &listing.unread);
        let tasks = self.tasks(listing, features, &mut remarks);
        Next::Done(remarks.into(), tasks)
    }

    /// What is to be done for everything in it.
    fn tasks(&self, listing: &Listing, features: &Features, remarks: &mut Remarks) -> Tasks {
        let mut taken = BTreeSet::new();
        let mut tasks = Tasks::new();
        let has_uniques = has_own_uniques(listing);
        for entry in &listing.entries {
            let remote = joined(self.directory.path(), &entry.name);
            let shown = shown(&remote);
            let Some(name) = name_here(&entry.name) else {
                continue;
            };
            let alike = listing.entries.iter().filter(|other| other.name == entry.name);
            // A `?` may be another character in each of them.
            let can_be_told = match entry.kind {
                Kind::File => true,
                Kind::Directory => has_uniques && entry.unique.is_some(),
                Kind::Link | Kind::Other => false,
            };
            let is_doubted = entry.name.contains(&b'?')
                && can_be_told
                && alike
                    .clone()
                    .any(|other| other.unique != entry.unique || entry.unique.is_none())
                && alike.clone().count() > 1;
            if !taken.insert((name.clone(), entry.unique.clone().filter(|_| is_doubted))) {
                // It is there twice; or it is another, and one of them would be lost.
                if alike.count() < 2 {
                    let why = format!("{shown}: there is another that is {} here", name.display());
                    remarks.failure.get_or_insert(why);
                }
                continue;
            }
            if name_there(&name) != entry.name {
                remarks.told.push(format!("{shown}: it is {} here", name.display()));
            }
            if entry.kind != Kind::File && has_uniques && self.trail.leads_back(entry) {
                remarks
                    .said
                    .push(format!("{shown}: left out, it leads back to a directory above it"));
                continue;
            }
            let local = self.local.join(name);
            let known = Known::of(entry, features.facts, is_doubted);
            match entry.kind {
                Kind::File => {
                    let download = Download::new(remote, local, self.how);
                    tasks.push(Box::new(download.with_known(known)));
                }
                Kind::Directory => {
                    let walk = self.child(entry, remote, local, has_uniques);
                    tasks.push(Box::new(if is_doubted { walk.doubted() } else { walk }));
                }
                Kind::Link => {
                    let walk = self.child(entry, remote.clone(), local.clone(), has_uniques);
                    let walk = Self { arrival: Arrival::Link, ..walk };
                    let download = Download::new(remote, local, self.how);
                    tasks.push(Box::new(download.or_else(walk)));
                }
                Kind::Other => remarks
                    .said
                    .push(format!("{shown}: left out, it is neither a file nor a directory")),
            }
        }
        tasks
    }

    fn child(&self, entry: &Entry, remote: Vec<u8>, local: PathBuf, has_uniques: bool) -> Self {
        let arrival = match self.arrival {
            Arrival::Straight => Arrival::Straight,
            Arrival::BehindLink | Arrival::Link => Arrival::BehindLink,
        };
        let unique = entry.unique.clone().filter(|_| has_uniques);
        // No command has a line feed in it.
        let is_unsayable = entry.name.contains(&b'\n') && unique.is_some();
        let (guesses, refusal) = (Guesses::of(&remote), None);
        let stage =
            if is_unsayable { Stage::Guessing { guesses, refusal } } else { Stage::Listing };
        let trail = self.trail.clone();
        Self { unique, arrival, trail, stage, ..Self::new(remote, local, self.how) }
    }

    /// Servers of Unix list what is no directory as itself, and some a link that leads to one, by the path that
    /// was asked for.
    fn is_of_the_link_itself(&self, listing: &Listing) -> bool {
        let path = self.directory.path();
        let is_itself = |entry: &Entry| entry.kind == Kind::Link && path.ends_with(&entry.name);
        let arrow = [b" ", path, b" -> "].concat();
        let is_of_it = |line: &[u8]| line.windows(arrow.len()).any(|window| window == arrow);
        self.arrival == Arrival::Link
            && match (&*listing.entries, &*listing.unread) {
                ([entry], []) => is_itself(entry),
                ([], [line]) => line.starts_with(b"l") && is_of_it(line),
                _ => false,
            }
    }

    /// With a slash behind it, a link is what it leads to.
    fn go_through(&mut self) -> Next {
        let path = self.directory.path();
        if path.ends_with(b"/") {
            return self.leads_nowhere();
        }
        self.directory = Directory::new([path, b"/"].concat());
        Next::Do(self.directory.begin())
    }

    fn make(&self) -> Result<(), String> {
        std::fs::create_dir_all(&self.local)
            .map_err(|error| format!("{}: {error}", self.local.display()))
    }

    fn leads_nowhere(&self) -> Next {
        self.left_out("it is a link to neither a file nor a directory")
    }

    fn left_out(&self, why: &str) -> Next {
        said(format!("{}: left out, {why}", self.name()))
    }
}

fn said(line: String) -> Next {
    Next::Done(Remarks { said: vec![line], ..Remarks::default() }.into(), Vec::new())
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
    These(Tasks),
}

impl Plant {
    pub(crate) fn new(local: PathBuf, remote: Vec<u8>, how: How) -> Self {
        Self { remote, contents: Contents::Of { local, how } }
    }

    /// A directory for these.
    pub(crate) fn around(tasks: Tasks, remote: Vec<u8>) -> Self {
        Self { remote, contents: Contents::These(tasks) }
    }
}

impl Task for Plant {
    fn begin(&mut self, _: &Features) -> Next {
        Next::Do(Operation::Command(Command::Mkd(self.remote.clone())))
    }

    /// That it is there already is no harm. If it could not be made, what goes into it will tell.
    fn handle(&mut self, made: Result<Done, Failure>, _: &Features) -> Next {
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

    fn name(&self) -> String {
        shown(&self.remote)
    }
}

/// What there is to do for what is in a directory here, and what is left out of it.
fn contents(local: &Path, remote: &[u8], how: How) -> std::io::Result<(Tasks, Vec<String>)> {
    let mut entries: Vec<_> = std::fs::read_dir(local)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    let mut tasks = Tasks::new();
    let mut left_out = Vec::new();
    for entry in entries {
        let (path, remote) = (entry.path(), joined(remote, &name_there(&entry.file_name())));
        // Links are followed to files; one to a directory might lead back to here.
        if entry.file_type()?.is_dir() {
            tasks.push(Box::new(Plant::new(path, remote, how)));
        } else if path.is_file() {
            tasks.push(Box::new(Upload::new(path, remote, how)));
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
