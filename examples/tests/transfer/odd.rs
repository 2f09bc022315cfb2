//! Our client and servers that are not as ours: lists of another kind, links that look like directories, names
//! that no file should have. Such a server is made here, of the lists and the files it is to have.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use crate::scene::{directory, tree};
use crate::support::{Ended, TRANSFER, run};

/// What a server has, and how it tells of it.
#[derive(Default)]
struct Odd {
    /// Whether it knows MLSD.
    has_facts: bool,
    /// Lists by the path that is asked for: the bytes, or a refusal.
    lists: BTreeMap<String, Result<Vec<u8>, &'static str>>,
    /// Lists of every other directory.
    any_list: Option<Vec<u8>>,
    /// Directories that one can go into, beside those that have a list.
    directories: Vec<&'static str>,
    files: BTreeMap<Vec<u8>, Vec<u8>>,
    /// So many clients at a time; the others are refused.
    places: Option<usize>,
    refusal: &'static str,
    inside: AtomicUsize,
    asked_for_lists: AtomicUsize,
}

impl Odd {
    fn list(mut self, path: &str, lines: &str) -> Self {
        let lines = lines.lines().map(|line| format!("{line}\r\n")).collect::<String>();
        self.lists.insert(path.to_owned(), Ok(lines.into_bytes()));
        self
    }

    fn refuses(mut self, path: &str, reply: &'static str) -> Self {
        self.lists.insert(path.to_owned(), Err(reply));
        self
    }

    fn file(mut self, path: &[u8], bytes: &[u8]) -> Self {
        self.files.insert(path.to_vec(), bytes.to_vec());
        self
    }

    /// Serves until the test is over.
    fn serve(self) -> (SocketAddr, Arc<Self>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let address = listener.local_addr().expect("it is bound");
        let odd = Arc::new(self);
        let shared = Arc::clone(&odd);
        std::thread::spawn(move || {
            for control in listener.incoming().flatten() {
                let odd = Arc::clone(&shared);
                std::thread::spawn(move || odd.talk(control));
            }
        });
        (address, odd)
    }

    fn talk(&self, control: TcpStream) {
        let before = self.inside.fetch_add(1, Ordering::SeqCst);
        if self.places.is_some_and(|places| before >= places) {
            // It may have gone.
            let _ = (&control).write_all(format!("{}\r\n", self.refusal).as_bytes());
        } else {
            let mut session = Session { odd: self, control: BufReader::new(control), data: None };
            // It ends when the client does.
            let _ = session.talk();
        }
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }

    fn list_of(&self, path: &str) -> Result<Vec<u8>, &'static str> {
        let path = path.trim_end_matches('/');
        let any = || self.any_list.clone().ok_or("550 No such directory");
        self.lists.get(path).cloned().unwrap_or_else(any)
    }
}

struct Session<'a> {
    odd: &'a Odd,
    control: BufReader<TcpStream>,
    data: Option<TcpListener>,
}

impl Session<'_> {
    fn talk(&mut self) -> std::io::Result<()> {
        self.says("220 Odd")?;
        let mut line = Vec::new();
        loop {
            line.clear();
            if self.control.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            let command = line.trim_ascii_end();
            let space = command.iter().position(|&byte| byte == b' ').unwrap_or(command.len());
            let (verb, argument) = command.split_at(space);
            let argument = argument.strip_prefix(b" ").unwrap_or(argument).to_vec();
            let verb = String::from_utf8_lossy(verb).into_owned();
            self.answer(&verb, &argument)?;
        }
    }

    fn answer(&mut self, verb: &str, argument: &[u8]) -> std::io::Result<()> {
        let path = String::from_utf8_lossy(argument).into_owned();
        match verb {
            "USER" | "PASS" => self.says("230 In"),
            "FEAT" if self.odd.has_facts => {
                self.says("211-Has:\r\n MLST type*;size*;unique*;\r\n211 End")
            }
            "TYPE" => self.says("200 So be it"),
            "EPSV" => {
                let data = TcpListener::bind("127.0.0.1:0")?;
                let port = data.local_addr()?.port();
                self.data = Some(data);
                self.says(&format!("229 There (|||{port}|)"))
            }
            "PWD" => self.says("257 \"/\" is where you are"),
            "CWD" => {
                let path = path.trim_end_matches('/');
                let is_there = path.is_empty()
                    || self.odd.directories.contains(&path)
                    || self.odd.list_of(path).is_ok();
                self.says(if is_there { "250 Gone" } else { "550 No such directory" })
            }
            "MLSD" if self.odd.has_facts => self.lists(&path),
            "LIST" => self.lists(&path),
            "SIZE" => match self.odd.files.get(argument) {
                Some(bytes) => self.says(&format!("213 {}", bytes.len())),
                None => self.says("550 No such file"),
            },
            "RETR" => match self.odd.files.get(argument).cloned() {
                Some(bytes) => self.sends(&bytes),
                None => self.says("550 No such file"),
            },
            "QUIT" => self.says("221 Bye"),
            _ => self.says("502 What?"),
        }
    }

    fn lists(&mut self, path: &str) -> std::io::Result<()> {
        self.odd.asked_for_lists.fetch_add(1, Ordering::SeqCst);
        match self.odd.list_of(path) {
            Ok(bytes) => self.sends(&bytes),
            Err(reply) => self.says(reply),
        }
    }

    fn sends(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.says("150 Here")?;
        if let Some(data) = self.data.take() {
            data.accept()?.0.write_all(bytes)?;
        }
        self.says("226 Done")
    }

    fn says(&mut self, reply: &str) -> std::io::Result<()> {
        self.control.get_mut().write_all(format!("{reply}\r\n").as_bytes())
    }
}

/// A place for what is fetched from such a server.
struct Here(TempDir);

impl Here {
    fn new() -> Self {
        Self(directory())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    #[track_caller]
    fn transfer(&self, words: &[&str]) -> Ended {
        let mut all = words.to_vec();
        if words.first() == Some(&"get") {
            all.extend(["-o", self.path().to_str().expect("it is text")]);
        }
        run(TRANSFER, &all, b"")
    }

    /// Every file and directory that is here, in order.
    fn names(&self) -> Vec<PathBuf> {
        tree(self.path()).into_iter().map(|(name, _)| name).collect()
    }

    fn is(&self, names: &[&str]) {
        assert_eq!(self.names(), names.iter().map(PathBuf::from).collect::<Vec<_>>());
    }
}

#[test]
fn lines_in_any_manner_are_files_and_what_cannot_be_read_is_told() {
    let lines = "total 12\n\
                 -rw-r--r--   1 u g 3 2024-05-06 07:08 a.txt\n\
                 -rw-r--r--   1 u g 3 Jan  2  2024 b.txt\n\
                 \n";
    let (address, _) = Odd::default()
        .list("fine", lines)
        .list("odd", &format!("{lines}what is this?\nand\x1b[2J this?\n"))
        .file(b"fine/a.txt", b"aaa")
        .file(b"fine/b.txt", b"bbb")
        .file(b"odd/a.txt", b"aaa")
        .file(b"odd/b.txt", b"bbb")
        .serve();
    let here = Here::new();
    let ended = here.transfer(&["get", "-r", &format!("ftp://{address}/fine")]);
    assert_eq!((ended.code, &*ended.errors), (Some(0), ""), "{ended:?}");
    here.is(&["fine", "fine/a.txt", "fine/b.txt"]);

    for command in [&["get", "-r"][..], &["list"]] {
        let ended = here.transfer(&[command, &[&format!("ftp://{address}/odd")]].concat());
        assert_eq!(ended.code, Some(1), "{ended:?}");
        for part in ["what is this?", "and?[2J this?", "2 lines of its list cannot be read"] {
            assert!(ended.errors.contains(part), "{command:?}: {part}: {ended:?}");
        }
    }
    here.is(&["fine", "fine/a.txt", "fine/b.txt", "odd", "odd/a.txt", "odd/b.txt"]);
    let listed = here.transfer(&["list", &format!("ftp://{address}/fine")]).text();
    assert!(listed.contains("           3  2024-05-06 07:08  a.txt"), "{listed}");
}
