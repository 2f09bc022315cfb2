//! Where something is in a tree, as those who use it say it: `/a/b`.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The longest path there may be, in bytes; as on Linux (`PATH_MAX`).
const LONGEST: usize = 4096;

/// An absolute path in a tree: `/`, or `/a/b`. It never has a `.`, a `..`, an empty part or a slash at its
/// end, so there is nothing in it that could lead upwards.
///
/// Names are bytes. They should be UTF-8 (RFC 2640, 2.2), but a file that was named before there was
/// UTF-8 can still be fetched.
///
/// ```
/// use protocols::store::VirtualPath;
/// let here = VirtualPath::root().join(b"music")?;
/// assert_eq!(here.join(b"new/../old/")?.to_string(), "/music/old");
/// assert_eq!(here.join(b"/etc")?.to_string(), "/etc");
/// assert_eq!(here.join(b"../../../..")?, VirtualPath::root());
/// # Ok::<(), protocols::store::InvalidPath>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtualPath(Vec<u8>);

/// The bytes are not a path here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidPath {
    /// There is a NUL byte in it, which ends a path at the system's door.
    #[error("the name contains a NUL byte")]
    Nul,
    /// It is longer than 4,096 bytes.
    #[error("the path is too long")]
    TooLong,
    /// The system would take a part of it for something else than a name: a drive or a stream on
    /// Windows.
    #[error("the name is not possible on this system")]
    Impossible,
}

impl VirtualPath {
    /// The root of the tree.
    #[must_use]
    pub fn root() -> Self {
        Self(vec![b'/'])
    }

    /// Where `path` leads from here: from the root if it begins with a slash. `..` at the root stays
    /// there, as it does in a real one.
    ///
    /// # Errors
    ///
    /// See [`InvalidPath`].
    pub fn join(&self, path: &[u8]) -> Result<Self, InvalidPath> {
        let from = if path.starts_with(b"/") { b"/" } else { self.as_bytes() };
        let mut joined = Self(Vec::with_capacity(from.len() + 1 + path.len().min(LONGEST)));
        joined.0.extend_from_slice(from);
        for part in path.split(|&byte| byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => joined = joined.parent(),
                name => joined.push(name)?,
            }
        }
        Ok(joined)
    }

    /// The directory it is in; the root is in itself.
    #[must_use]
    pub fn parent(&self) -> Self {
        let end = self.0.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        Self(self.0.get(..end.max(1)).unwrap_or(b"/").to_vec())
    }

    /// The name of what is there; the root has none.
    #[must_use]
    pub fn name(&self) -> Option<&[u8]> {
        self.0.rsplit(|&byte| byte == b'/').next().filter(|name| !name.is_empty())
    }

    /// The names on the way, from the root.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|&byte| byte == b'/').filter(|name| !name.is_empty())
    }

    /// The path as its user says it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0 == b"/"
    }

    /// As the system says it, from the directory that is the root.
    #[cfg(unix)]
    pub(super) fn beneath_root(&self) -> Result<Cow<'_, Path>, InvalidPath> {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let beneath = self.0.strip_prefix(b"/").filter(|path| !path.is_empty());
        Ok(Path::new(OsStr::from_bytes(beneath.unwrap_or(b"."))).into())
    }

    /// As the system says it, from the directory that is the root.
    #[cfg(not(unix))]
    pub(super) fn beneath_root(&self) -> Result<Cow<'_, Path>, InvalidPath> {
        if self.is_root() {
            return Ok(Path::new(".").into());
        }
        self.names().map(system_name).collect::<Result<PathBuf, _>>().map(Cow::from)
    }

    fn push(&mut self, name: &[u8]) -> Result<(), InvalidPath> {
        if name.contains(&0) {
            return Err(InvalidPath::Nul);
        }
        if self.0.len() + 1 + name.len() > LONGEST {
            return Err(InvalidPath::TooLong);
        }
        if !self.is_root() {
            self.0.push(b'/');
        }
        self.0.extend_from_slice(name);
        Ok(())
    }
}

impl fmt::Display for VirtualPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for VirtualPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(&self.0), f)
    }
}

/// One name, as the system has it.
#[cfg(unix)]
pub(crate) fn system_name(name: &[u8]) -> Result<PathBuf, InvalidPath> {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    Ok(PathBuf::from(OsStr::from_bytes(name)))
}

/// One name, as the system has it. A backslash or a colon in it would be more than one name.
#[cfg(not(unix))]
pub(crate) fn system_name(name: &[u8]) -> Result<PathBuf, InvalidPath> {
    match std::str::from_utf8(name) {
        Ok(name) if !name.contains(['\\', ':']) => Ok(PathBuf::from(name)),
        _ => Err(InvalidPath::Impossible),
    }
}

/// One name, as its user has it.
#[cfg(unix)]
pub(super) fn user_name(name: &std::ffi::OsStr) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    name.as_bytes().to_vec()
}

/// One name, as its user has it.
#[cfg(not(unix))]
pub(super) fn user_name(name: &std::ffi::OsStr) -> Vec<u8> {
    name.to_string_lossy().into_owned().into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn joined(from: &str, path: &str) -> String {
        let from = VirtualPath::root().join(from.as_bytes()).expect("a path");
        from.join(path.as_bytes()).expect("a path").to_string()
    }

    #[test]
    fn a_path_is_taken_from_where_one_is_or_from_the_root() {
        assert_eq!(joined("/a", "b"), "/a/b");
        assert_eq!(joined("/a", "/b"), "/b");
        assert_eq!(joined("/a/b", ".."), "/a");
        assert_eq!(joined("/a/b", "../../c/./d//"), "/c/d");
        assert_eq!(joined("/", ""), "/");
    }

    #[test]
    fn what_is_no_path_is_refused() {
        assert_eq!(VirtualPath::root().join(b"a\0b"), Err(InvalidPath::Nul));
        assert_eq!(VirtualPath::root().join(&[b'a'; 5000]), Err(InvalidPath::TooLong));
    }

    #[test]
    fn a_path_knows_its_parent_and_its_name() {
        let path = VirtualPath::root().join(b"/a/b").expect("a path");
        assert_eq!((path.parent().to_string().as_str(), path.name()), ("/a", Some(&b"b"[..])));
        assert_eq!(path.parent().parent(), VirtualPath::root());
        assert_eq!(
            (VirtualPath::root().parent(), VirtualPath::root().name()),
            (VirtualPath::root(), None)
        );
    }

    proptest! {
        #[test]
        fn whatever_is_joined_stays_below_the_root(
            from in "[a./]{0,12}",
            path in proptest::collection::vec(proptest::sample::select(b"a.~/\\:".as_slice()), 0..24),
        ) {
            let from = VirtualPath::root().join(from.as_bytes()).expect("a path");
            let joined = from.join(&path).expect("a path");
            prop_assert!(joined.as_bytes().starts_with(b"/"));
            prop_assert!(joined.names().all(|name| name != b".." && name != b"."));
            prop_assert_eq!(VirtualPath::root().join(joined.as_bytes()), Ok(joined));
        }
    }
}
