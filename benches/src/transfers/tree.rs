//! The directory that everybody serves.

use std::cell::RefCell;
use std::fs::{self, File, Permissions};
use std::io::{BufWriter, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::rc::{Rc, Weak};

use tempfile::TempDir;

use crate::Result;

/// Where files are pages of memory, and nothing is written back while others are measured.
const MEMORY: &str = "/dev/shm";

/// What the name of such a directory begins with; the number of the process that has made it follows.
const PREFIX: &str = "transfers-";

/// What is compared at once.
const PIECE: usize = 1 << 20;

/// The directory that uploads go to, below the root: the only one in which all may write.
pub const IN: &str = "in";

/// A file that is compared with what comes of it, before anything is measured.
pub const SAMPLE: &str = "sample";
const SAMPLE_BYTES: u64 = 3_000_001;

/// A tree with a file in it, which is there as long as somebody has it.
#[derive(Clone)]
pub struct Shared {
    name: &'static str,
    length: u64,
    tree: Rc<RefCell<Weak<Tree>>>,
}

impl Shared {
    /// Nobody has it yet.
    pub fn new(name: &'static str, length: u64) -> Self {
        Self { name, length, tree: Rc::default() }
    }

    /// The tree, which is made where nobody has it.
    pub fn get(&self) -> Result<Rc<Tree>> {
        if let Some(tree) = self.tree.borrow().upgrade() {
            return Ok(tree);
        }
        let tree = Rc::new(Tree::new()?);
        tree.add(self.name, self.length)?;
        tree.add(SAMPLE, SAMPLE_BYTES)?;
        *self.tree.borrow_mut() = Rc::downgrade(&tree);
        Ok(tree)
    }
}

/// A directory with files to fetch, and one to bring files to. It is removed when dropped.
pub struct Tree {
    root: TempDir,
}

impl Tree {
    /// A tree without files.
    pub fn new() -> Result<Self> {
        let place = Path::new(MEMORY);
        let place = if place.is_dir() { place.to_owned() } else { std::env::temp_dir() };
        remove_left_over(&place)?;
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let root = tempfile::Builder::new().prefix(&prefix).tempdir_in(place)?;
        let tree = Self { root };
        fs::create_dir(tree.path().join(IN))?;
        // Servers become somebody else, who has to get here all the same.
        fs::set_permissions(tree.path(), Permissions::from_mode(0o755))?;
        fs::set_permissions(tree.path().join(IN), Permissions::from_mode(0o777))?;
        Ok(tree)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// Makes a file in which no block is like another.
    pub fn add(&self, name: &str, length: u64) -> Result {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(self.path().join(name))?);
        let mut random = fastrand::Rng::with_seed(length);
        let mut block = [0; 64 * 1024];
        random.fill(&mut block);
        let mut left = length;
        for number in 0_u64.. {
            let now = left.min(block.len() as u64) as usize;
            if now == 0 {
                break;
            }
            block[..8].copy_from_slice(&number.to_le_bytes());
            file.write_all(&block[..now])?;
            left -= now as u64;
        }
        Ok(file.flush()?)
    }

    /// One of its files.
    pub fn open(&self, name: &str) -> Result<File> {
        Ok(File::open(self.path().join(name))?)
    }

    /// Does what brings so many files, as [`clear`](Self::clear) wants them, and removes them.
    pub fn emptied<T>(
        &self,
        files: usize,
        length: u64,
        original: &str,
        bring: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        self.swept(|| {
            let done = bring()?;
            self.clear(files, length, original)?;
            Ok(done)
        })
    }

    /// Does what brings files, and removes what there is of them.
    pub fn swept<T>(&self, bring: impl FnOnce() -> Result<T>) -> Result<T> {
        let done = bring();
        for entry in fs::read_dir(self.path().join(IN))? {
            fs::remove_file(entry?.path())?;
        }
        done
    }

    /// Forgets what was brought, and holds that it was whole: so many files of such a length, which are
    /// what `original` begins with.
    pub fn clear(&self, files: usize, length: u64, original: &str) -> Result {
        let mut seen = 0;
        for entry in fs::read_dir(self.path().join(IN))? {
            let entry = entry?;
            let found = entry.metadata()?.len();
            if found != length {
                return Err(format!("{:?} has {found} bytes, not {length}", entry.path()).into());
            }
            if seen == 0 {
                same(File::open(entry.path())?, self.open(original)?)?;
            }
            fs::remove_file(entry.path())?;
            seen += 1;
        }
        if seen == files { Ok(()) } else { Err(format!("{seen} files, not {files}").into()) }
    }
}

/// Holds all there is to read against a file.
pub fn same(mut seen_in: impl Read, mut original: File) -> Result {
    let (mut seen, mut expected) = (vec![0; PIECE], vec![0; PIECE]);
    loop {
        let length = seen_in.read(&mut seen)?;
        if length == 0 {
            let is_all = original.read(&mut expected)? == 0;
            return if is_all { Ok(()) } else { Err("the end came too early".into()) };
        }
        original.read_exact(&mut expected[..length])?;
        if seen[..length] != expected[..length] {
            return Err("what came is not what is in the file".into());
        }
    }
}

/// Removes what those have left who were interrupted: it may be a good part of the machine's memory.
fn remove_left_over(place: &Path) -> Result {
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        let owner = owner.and_then(|owner| owner.parse::<u32>().ok());
        if owner.is_some_and(|owner| !Path::new(&format!("/proc/{owner}")).exists()) {
            // Another one may be doing the same.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}
