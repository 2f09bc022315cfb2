//! One thing to do on an FTP server, in as many steps as it takes.

use protocols::transfer::ftp::client::{Done, Failure, Features, Operation};

use crate::download::Download;
use crate::list::Listing;
use crate::tree::{Plant, Walk};
use crate::upload::Upload;
use crate::url::shown;

/// A task. It knows nothing of connections: it is told what has come of its last step, and says which is
/// the next.
#[derive(Debug)]
pub(crate) enum Task {
    /// Fetch a file.
    Download(Download),
    /// Send a file.
    Upload(Upload),
    /// Fetch what is in a directory.
    Walk(Walk),
    /// Send what is in a directory.
    Plant(Plant),
    /// Print what is in a directory.
    List(Listing),
}

/// How files are transferred.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    /// Going on with what there is of them.
    pub(crate) resume: bool,
    /// Holding their hashes against the server's, where it has any.
    pub(crate) hash: bool,
}

/// What a task wants next.
pub(crate) enum Next {
    /// To have this done on the server; then [`Task::handle`] is called.
    Do(Operation),
    /// To have this done on another thread; then [`Task::handle_thought`] is called.
    Think(Thought),
    /// Nothing: it is done. What to print of it, and what else it has found to do.
    Done(Report, Vec<Task>),
    /// Nothing: it has failed.
    Failed(String),
}

/// Work for another thread.
pub(crate) type Thought = Box<dyn FnOnce() -> Result<String, String> + Send>;

/// What to print of a task that is done.
#[derive(Debug)]
pub(crate) enum Report {
    /// A file has been transferred: so many bytes, a remark, and what is not as one might think.
    Moved { bytes: u64, remark: String, told: Option<String> },
    /// Anything else.
    Remarks(Remarks),
}

/// What there is to say of a task that has moved nothing.
#[derive(Debug, Default)]
pub(crate) struct Remarks {
    /// What was asked for, or is no harm.
    pub(crate) said: Vec<String>,
    /// What is not as one might think.
    pub(crate) told: Vec<String>,
    /// Why not all of it has been done.
    pub(crate) failure: Option<String>,
}

impl From<Remarks> for Report {
    fn from(remarks: Remarks) -> Self {
        Self::Remarks(remarks)
    }
}

/// Lines of a list that are shown though they could not be read. It may be of another protocol.
const SHOWN: usize = 20;

impl Remarks {
    /// Tells of the lines of a list that could not be read.
    pub(crate) fn tell_unread(&mut self, directory: &str, lines: &[Vec<u8>]) {
        if lines.is_empty() {
            return;
        }
        let told = lines.iter().take(SHOWN).map(|line| {
            format!("{directory}: this line of its list cannot be read: {}", shown(line))
        });
        self.told.extend(told);
        let count = lines.len();
        self.failure = Some(match count {
            1 => "a line of its list cannot be read, and what it says is left out".to_owned(),
            _ => format!("{count} lines of its list cannot be read, and what they say is left out"),
        });
    }
}

impl Task {
    /// The first step, on a server that can do this.
    pub(crate) fn begin(&mut self, features: &Features) -> Next {
        match self {
            Self::Download(download) => download.begin(features),
            Self::Upload(upload) => upload.begin(features),
            Self::Walk(walk) => walk.begin(),
            Self::Plant(plant) => plant.begin(),
            Self::List(listing) => listing.begin(),
        }
    }

    /// What has come of a step; the next one.
    pub(crate) fn handle(&mut self, outcome: Result<Done, Failure>, features: &Features) -> Next {
        match self {
            Self::Download(download) => download.handle(outcome, features),
            Self::Upload(upload) => upload.handle(outcome, features),
            Self::Walk(walk) => walk.handle(outcome, features),
            Self::Plant(plant) => plant.handle(&outcome),
            Self::List(listing) => listing.handle(outcome),
        }
    }

    /// What has come of a step on another thread.
    pub(crate) fn handle_thought(&mut self, thought: Result<String, String>) -> Next {
        match self {
            Self::Download(download) => download.handle_hash(thought),
            Self::Upload(upload) => upload.handle_hash(thought),
            Self::Plant(_) | Self::Walk(_) | Self::List(_) => Next::Failed("nonsense".to_owned()),
        }
    }

    /// Whether what it fetches has a byte in its name that servers hear in two ways.
    pub(crate) fn has_iac(&self) -> bool {
        match self {
            Self::Download(download) => download.remote().contains(&255),
            Self::Walk(walk) => walk.remote().contains(&255),
            Self::Upload(_) | Self::Plant(_) | Self::List(_) => false,
        }
    }

    /// It has been given up in the middle.
    pub(crate) fn abandon(&self) {
        if let Self::Download(download) = self {
            download.abandon();
        }
    }

    /// What it is called, and the size of its file, if it has one and it is known.
    pub(crate) fn name_and_size(&self) -> (String, Option<u64>) {
        match self {
            Self::Download(download) => (download.name(), download.size()),
            Self::Upload(upload) => (upload.name(), Some(upload.size())),
            Self::Walk(walk) => (walk.name(), None),
            Self::Plant(plant) => (plant.name(), None),
            Self::List(listing) => (listing.name(), None),
        }
    }

    /// Whether another run can go on with it, if this one ends in the middle.
    pub(crate) fn can_be_continued(&self) -> bool {
        !matches!(self, Self::List(_))
    }

    /// Bytes of the file that were there before.
    pub(crate) fn offset(&self) -> u64 {
        match self {
            Self::Download(download) => download.offset(),
            Self::Upload(upload) => upload.offset(),
            Self::Walk(_) | Self::Plant(_) | Self::List(_) => 0,
        }
    }
}
