//! One thing to do on an FTP server, in as many steps as it takes.

use std::fmt::Debug;

use protocols::transfer::ftp::client::{Done, Failure, Features, Operation};

use crate::url::shown;

/// A task. It knows nothing of connections: it is told what has come of its last step, and says which is
/// the next.
pub(crate) trait Task: Debug {
    /// The first step, on a server that can do this.
    fn begin(&mut self, features: &Features) -> Next;

    /// What has come of a step; the next one.
    fn handle(&mut self, outcome: Result<Done, Failure>, features: &Features) -> Next;

    /// What has come of a step on another thread, for those who have one.
    fn handle_thought(&mut self, _: Result<String, String>) -> Next {
        Next::Failed("nonsense".to_owned())
    }

    /// It has been given up in the middle.
    fn abandon(&self) {}

    /// What it is called.
    fn name(&self) -> String;

    /// The size of its file, if it has one and it is known.
    fn size(&self) -> Option<u64> {
        None
    }

    /// Bytes of the file that were there before.
    fn offset(&self) -> u64 {
        0
    }

    /// Whether what it fetches has a byte in its name that servers hear in two ways.
    fn has_iac(&self) -> bool {
        false
    }

    /// Whether it is written into a pipe or the like, which may wait for its reader.
    fn is_special(&self) -> bool {
        false
    }

    /// Whether another run can go on with it, if this one ends in the middle.
    fn can_be_continued(&self) -> bool {
        true
    }
}

/// What there is to do, in this order.
pub(crate) type Tasks = Vec<Box<dyn Task>>;

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
    Done(Report, Tasks),
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
