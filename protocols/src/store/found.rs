//! What a directory has under a name: a thing, or a symbolic link to one.
//!
//! Whoever opens a path goes through links, as far as they stay in the tree. Whoever lists a directory is told
//! that they are links: a link to a directory above it, taken for a directory, is a tree without an end.

use std::io;
use std::path::{Component, Path};

use cap_std::fs::Dir;

use super::path::user_name;
use super::{Entry, Kind, Store, StoreError, VirtualPath, is_hidden, sayable};

/// What a directory has under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What there is to know of it; of what it leads to, if it is a link that stays in the tree.
    pub entry: Entry,
    /// The link, if it is one.
    pub link: Option<Link>,
}

/// A symbolic link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What there is to know of the link itself.
    pub entry: Entry,
    /// Where it leads, in its own words: from the directory that it is in. `None` if that is nobody's
    /// business, since it is not in the tree.
    pub target: Option<Vec<u8>>,
}

impl Found {
    /// It is no link.
    #[must_use]
    pub fn plain(entry: Entry) -> Self {
        Self { entry, link: None }
    }

    /// What there is to know of what has the name, be it a link or not.
    #[must_use]
    pub fn itself(&self) -> &Entry {
        self.link.as_ref().map_or(&self.entry, |link| &link.entry)
    }
}

impl Store {
    /// What there is under a name. Links on the way to it are followed.
    ///
    /// # Errors
    ///
    /// If nothing is there.
    pub fn find(&self, path: &VirtualPath) -> Result<Found, StoreError> {
        Ok(find(&self.root, &sayable(path)?)?)
    }
}

/// What there is in a tree at a path.
pub(super) fn find(root: &Dir, path: &Path) -> io::Result<Found> {
    let itself = Entry::new(&root.symlink_metadata(path)?);
    if itself.kind != Kind::Link {
        return Ok(Found::plain(itself));
    }
    let followed = root.metadata(path);
    let is_in_the_tree = match &followed {
        Ok(_) => true,
        // A link that leads out of the root is denied; one that leads to nothing, or to itself, may lead to
        // nothing inside or outside.
        Err(error) => error.kind() != io::ErrorKind::PermissionDenied,
    };
    let target = root
        .read_link_contents(path)
        .ok()
        .filter(|target| is_in_the_tree && may_be_told(path, target, followed.is_ok()));
    let target = target.map(|target| user_name(target.as_os_str()));
    let entry = followed.map_or(itself, |metadata| Entry::new(&metadata));
    Ok(Found { entry, link: Some(Link { entry: itself, target }) })
}

/// Whether what a link says names nothing outside the tree, and nothing that is hidden in it.
fn may_be_told(link: &Path, target: &Path, is_there: bool) -> bool {
    let normal = |part: &Component<'_>| matches!(part, Component::Normal(_));
    let mut depth = link.components().filter(normal).count().saturating_sub(1);
    target.components().all(|part| match part {
        Component::CurDir => true,
        Component::Normal(name) => {
            depth += 1;
            !is_hidden(&user_name(name))
        }
        Component::ParentDir => match depth.checked_sub(1) {
            Some(less) => {
                depth = less;
                true
            }
            // By way of other links it may be deeper in the tree than it looks.
            None => is_there,
        },
        Component::RootDir | Component::Prefix(_) => false,
    })
}
