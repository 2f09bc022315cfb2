//! A server with a tree, a place for what is fetched, and the few verbs the tests need.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::{Ended, Program, Server, TRANSFER, run};

/// `transfer serve`, what it serves, and where its clients work.
pub(crate) struct Scene {
    pub(crate) server: Server,
    pub(crate) root: TempDir,
    pub(crate) here: TempDir,
    /// `HOST:PORT` of FTP.
    pub(crate) ftp: String,
    /// `HOST:PORT` of TFTP.
    pub(crate) tftp: String,
}

impl Scene {
    /// For reading only.
    #[track_caller]
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// Where `ann`, whose password is `secret`, may do everything, and anybody over TFTP.
    #[track_caller]
    pub(crate) fn writable() -> Self {
        Self::with(&["--write", "--user", "ann:secret"])
    }

    #[track_caller]
    pub(crate) fn with(options: &[&str]) -> Self {
        Self::at(&std::env::temp_dir(), options)
    }

    /// With its files at that place.
    #[track_caller]
    pub(crate) fn at(place: &Path, options: &[&str]) -> Self {
        let directory = || tempfile::tempdir_in(place).expect("a directory");
        let (root, here) = (directory(), directory());
        let free = ["--ftp", "127.0.0.1:0", "--tftp", "127.0.0.1:0"];
        let place = root.path().to_str().expect("it is text");
        let arguments = [&["serve", "--root", place], &free[..], options].concat();
        let server = Program::start(TRANSFER, &arguments);
        let [ftp, tftp] = ["ftp", "tftp"].map(|name| {
            let line = server.line();
            let address = line.strip_prefix(&format!("{name} listening on "));
            address.unwrap_or_else(|| panic!("it listens: {line}")).to_owned()
        });
        assert!(server.line().starts_with("serving "), "it says what it serves");
        Self { server: server.into(), root, here, ftp, tftp }
    }

    /// A file on the server.
    pub(crate) fn place(&self, name: &str, bytes: &[u8]) {
        write(&self.there(name), bytes);
    }

    pub(crate) fn there(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn here(&self, name: &str) -> PathBuf {
        self.here.path().join(name)
    }

    /// Host and port of FTP, or of TFTP.
    pub(crate) fn port(address: &str) -> &str {
        address.rsplit_once(':').expect("a port").1
    }

    /// `transfer`, in the place of the clients.
    #[track_caller]
    pub(crate) fn transfer(&self, words: &[&str]) -> Ended {
        self.run(TRANSFER, words)
    }

    /// `transfer`, which is to succeed; what it prints.
    #[track_caller]
    pub(crate) fn transfers(&self, words: &[&str]) -> String {
        let ended = self.transfer(words);
        assert_eq!(ended.code, Some(0), "{words:?}: {}\n{}", ended.text(), ended.errors);
        assert_eq!(ended.errors, "", "{words:?}");
        ended.text()
    }

    /// Any program, in the place of the clients.
    #[track_caller]
    pub(crate) fn run(&self, program: &str, words: &[&str]) -> Ended {
        self.run_with(program, words, b"")
    }

    #[track_caller]
    pub(crate) fn run_with(&self, program: &str, words: &[&str], input: &[u8]) -> Ended {
        let here = self.here.path().to_str().expect("it is text");
        // The directory is changed by the shell, and the program takes its place.
        let script = ["-c", r#"cd "$0" && exec "$@""#, here, program];
        run("sh", &[&script[..], words].concat(), input)
    }

    /// Any program, which is to succeed.
    #[track_caller]
    pub(crate) fn runs(&self, program: &str, words: &[&str]) -> String {
        let ended = self.run(program, words);
        assert_eq!(ended.code, Some(0), "{words:?}: {}\n{}", ended.text(), ended.errors);
        ended.text()
    }

    /// Demands that a file is the same on both sides, to the last byte.
    #[track_caller]
    pub(crate) fn is_same(&self, there: &str, here: &str) {
        let (there, here) = (self.there(there), self.here(here));
        let read = |path: &Path| {
            fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        assert!(read(&there) == read(&here), "{} differs", here.display());
    }

    /// Stops the server, which has to leave in peace; its report.
    #[track_caller]
    pub(crate) fn stop(self) -> String {
        self.server.stop()
    }
}

pub(crate) fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

pub(crate) fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("it is in a directory")).expect("it can be made");
    fs::write(path, bytes).expect("it can be written");
}

/// What is in a tree: every file with its bytes, every directory; in order.
pub(crate) fn tree(root: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut ahead = vec![root.to_owned()];
    while let Some(directory) = ahead.pop() {
        for entry in fs::read_dir(&directory).expect("it can be read") {
            let path = entry.expect("it can be read").path();
            let name = path.strip_prefix(root).expect("it is below").to_owned();
            if path.is_dir() {
                ahead.push(path);
                found.push((name, None));
            } else {
                found.push((name, Some(fs::read(&path).expect("it can be read"))));
            }
        }
    }
    found.sort();
    found
}

/// Demands that two trees are the same, and shows no more than the names that are not.
#[track_caller]
pub(crate) fn are_same(one: &Path, other: &Path) {
    let (one, other) = (tree(one), tree(other));
    let names = |tree: &[(PathBuf, Option<Vec<u8>>)]| {
        tree.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&one), names(&other));
    for ((name, bytes), (_, others)) in one.iter().zip(&other) {
        assert!(bytes == others, "{} differs", name.display());
    }
}

/// Files that make trouble, with their bytes.
pub(crate) fn odd_files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("empty", Vec::new()),
        ("one", b"1".to_vec()),
        ("two words", b"a b".to_vec()),
        ("it's \"quoted\"", b"quotes".to_vec()),
        ("gr\u{fc}n/\u{4e16}\u{754c}", "\u{4e16}".as_bytes().to_vec()),
        ("-dash", b"dash".to_vec()),
        ("per%20cent;type=a", b"per cent".to_vec()),
        ("deep/er/and/deeper", crate::support::noise(100_000)),
        ("large", crate::support::noise(3_000_001)),
    ]
}
