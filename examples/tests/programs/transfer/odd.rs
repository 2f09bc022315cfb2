//! Our client and servers that are not as ours: lists of another kind, links that look like directories, names
//! that no file should have. Such a server is made here, of the lists and the files it is to have.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use super::scene::{directory, tree};
use crate::support::{Ended, TRANSFER, run};

/// What a server has, and how it tells of it.
#[derive(Default)]
struct Odd {
    /// Whether it knows MLSD.
    has_facts: bool,
    /// Whether it says that it knows SIZE.
    has_size: bool,
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

    /// What comes of fetching everything that is in `top`.
    fn fetched(self) -> (Here, Ended) {
        let (address, _) = self.serve();
        let here = Here::new();
        let ended = here.transfer(&["get", "-r", &format!("ftp://{address}/top/")]);
        (here, ended)
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
        let any = || self.any_list.clone().ok_or("550 No such directory");
        let list = self.lists.get(path).or_else(|| self.lists.get(path.trim_end_matches('/')));
        list.cloned().unwrap_or_else(any)
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
                let size = if self.odd.has_size { " SIZE\r\n" } else { "" };
                self.says(&format!("211-Has:\r\n MLST type*;size*;unique*;\r\n{size}211 End"))
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

/// What is refused for another reason is not taken for empty.
#[test]
fn an_empty_directory_that_is_refused_is_empty() {
    let top = "drwxr-xr-x   1 u g 3 Jan  2  2024 empty\n\
               drwxr-xr-x   1 u g 3 Jan  2  2024 nothing\n\
               -rw-r--r--   1 u g 3 Jan  2  2024 a\n";
    let odd = |more: &str| {
        let odd =
            Odd { directories: vec!["top/empty", "top/nothing", "top/secret"], ..Odd::default() };
        odd.list("top", &format!("{top}{more}")).file(b"top/a", b"aaa")
    };
    let refuses = |odd: Odd| {
        odd.refuses("top/empty", "550 No files found").refuses("top/nothing", "450 No such file")
    };
    let (address, _) = refuses(odd("")).serve();
    let here = Here::new();
    let ended = here.transfer(&["get", "-r", &format!("ftp://{address}/top"), "--parallel", "1"]);
    assert_eq!((ended.code, &*ended.errors), (Some(0), ""), "{ended:?}");
    here.is(&["top", "top/a", "top/empty", "top/nothing"]);
    let ended = here.transfer(&["list", &format!("ftp://{address}/top/empty/")]);
    assert_eq!((ended.code, ended.text()), (Some(0), String::new()), "{ended:?}");

    let more = "drwxr-xr-x 1 u g 3 Jan  2  2024 secret\ndrwxr-xr-x 1 u g 3 Jan  2  2024 gone\n";
    let (address, _) = refuses(odd(more)).refuses("top/secret", "550 Permission denied").serve();
    let here = Here::new();
    let ended = here.transfer(&["get", "-r", &format!("ftp://{address}/top")]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for part in
        ["top/secret: the server says: 550 Permission denied", "top/gone", "2 of 6 have failed"]
    {
        ended.complains(part);
    }
    here.is(&["top", "top/a", "top/empty", "top/nothing"]);
}

/// `ln -s . loop; ln -s . l2`, on servers that follow links without a word: each with another way to know.
#[test]
fn links_that_lead_back_are_not_walked_in_circles() {
    let unique = "type=dir;unique=1; l2\ntype=dir;unique=1; loop\n\
                  type=file;size=3;modify=20240102030405;unique=2; a\n";
    let dated = "drwxr-xr-x 1 u g 9 Jan  2  2024 l2\ndrwxr-xr-x 1 u g 9 Jan  2  2024 loop\n\
                 -rw-r--r-- 1 u g 3 Jan  2  2024 a\n";
    let links = "lrwxrwxrwx 1 u g 9 Jan  2  2024 l2 -> .\nlrwxrwxrwx 1 u g 9 Jan  2  2024 loop -> .\n\
                 -rw-r--r-- 1 u g 3 Jan  2  2024 a\n";
    for (lines, has_facts) in [(unique, true), (dated, false), (links, false)] {
        let any = lines.lines().map(|line| format!("{line}\r\n")).collect::<String>().into_bytes();
        let odd = Odd { has_facts, any_list: Some(any), ..Odd::default() };
        let (address, odd) = odd.file(b"top/a", b"aaa").serve();
        let here = Here::new();
        let ended = here.transfer(&["get", "-r", &format!("ftp://{address}/top/")]);
        assert_eq!((ended.code, &*ended.errors), (Some(0), ""), "{ended:?}");
        assert!(ended.text().contains("top/loop: left out, it leads back"), "{ended:?}");
        here.is(&["top", "top/a"]);
        assert!(odd.asked_for_lists.load(Ordering::SeqCst) <= 3, "{lines}");
    }
    // Directories alone: it may be a store that is sorted by digits, so some levels come, and it is told.
    let bare = b"drwxr-xr-x 1 u g 9 Jan  2  2024 l2\r\ndrwxr-xr-x 1 u g 9 Jan  2  2024 loop\r\n";
    let (address, odd) = Odd { any_list: Some(bare.to_vec()), ..Odd::default() }.serve();
    let ended = Here::new().transfer(&["get", "-r", &format!("ftp://{address}/top/")]);
    assert!(ended.code == Some(1) && ended.errors.contains("a circle?"), "{ended:?}");
    assert!(odd.asked_for_lists.load(Ordering::SeqCst) < 100);
}

#[test]
fn links_are_what_they_lead_to() {
    let top = "type=OS.unix=slink:b;unique=7; file\ntype=OS.unix=slink:sub;unique=8; way\n\
               type=OS.unix=slink;unique=9; nowhere\n";
    let (here, ended) = Odd { has_facts: true, ..Odd::default() }
        .list("top", top)
        .list("top/way", "type=file;size=3;unique=10; a\n")
        .file(b"top/file", b"bbb")
        .file(b"top/way/a", b"aaa")
        .fetched();
    assert_eq!((ended.code, &*ended.errors), (Some(0), ""), "{ended:?}");
    assert!(ended.text().contains("top/nowhere: left out, it is a link to neither"), "{ended:?}");
    here.is(&["top", "top/file", "top/way", "top/way/a"]);
}

/// As with inetutils: `ls -l way` tells of the link, by the path that was asked for, and `ls -l way/` of what
/// is in it.
#[test]
fn a_link_that_is_listed_as_itself_is_gone_through() {
    let link = |name: &str, to: &str| format!("lrwxrwxrwx 1 u g 3 Jan  2  2024 {name} -> {to}\n");
    let file = "-rw-r--r-- 1 u g 3 Jan  2  2024 a\n";
    let (top, way) = (link("up", ".") + &link("way", "sub") + file, link("top/way", "sub"));
    let (here, ended) = Odd::default()
        .list("top", &top)
        .list("top/up", &link("top/up", "."))
        .list("top/up/", &top)
        .list("top/way", &way)
        .list("top/way/", &(file.to_owned() + file.replace("a\n", "b\n").as_str()))
        .file(b"top/a", b"aaa")
        .file(b"top/way/a", b"aaa")
        .file(b"top/way/b", b"bbb")
        .fetched();
    assert_eq!(ended.errors, "", "{ended:?}");
    assert!(ended.text().contains("top/up/: left out"), "{ended:?}");
    here.is(&["top", "top/a", "top/way", "top/way/a", "top/way/b"]);
}

/// `я` of Windows-1251 is what Telnet's commands begin with, and has to be said twice (RFC 854). vsftpd and
/// pure-ftpd take that for two.
#[test]
fn a_name_with_the_last_of_all_bytes_comes_from_servers_that_do_not_know_telnet() {
    let mut odd = Odd { has_facts: true, ..Odd::default() }
        .list("top/\u{fffd}", "type=file;size=3; a\n")
        .file(b"top/z\xff", b"aaa")
        .file(b"top/\xff/a", b"bbb");
    let top = b"type=file;size=3; z\xff\r\ntype=file;size=3; gone\xff\r\ntype=dir; \xff\r\n";
    odd.lists.insert("top".to_owned(), Ok(top.to_vec()));
    let (here, ended) = odd.fetched();
    let files: Vec<_> = tree(here.path()).into_iter().filter_map(|(_, bytes)| bytes).collect();
    assert_eq!((files, ended.code), (vec![b"aaa".to_vec(), b"bbb".to_vec()], Some(1)), "{ended:?}");
    ended.complains("1 of 5 have failed");
}

/// A line end in a raw list; what a terminal would obey; two names that are one here; ways out.
#[test]
fn odd_names_come_under_others_and_leave_nothing_behind() {
    let (here, ended) = Odd { has_facts: true, ..Odd::default() }
        .list(
            "top",
            "type=file;size=3; es\x1b[2Jcape\ntype=file;size=3; c\rr\ntype=file;size=3; ../../out\n\
             type=dir; ..\ntype=file;size=3; a/b\ntype=file;size=3; gone\n",
        )
        .file(b"top/es\x1b[2Jcape", b"esc")
        .file(b"top/c\r\0r", b"crr")
        .file(b"top/../../out", b"out")
        .fetched();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    here.is(&["top", "top/c%0Dr", "top/es%1B[2Jcape"]);
    for part in ["it is es%1B[2Jcape here", "it is c%0Dr here", "../../out", "a/b", "top/gone"] {
        ended.complains(part);
    }
    assert!(!ended.errors.contains('\x1b') && !ended.text().contains('\x1b'), "{ended:?}");
}

/// Our server shows `?` for it, and knows it by NUL.
#[test]
fn a_name_with_a_line_end_comes_from_our_server_under_another() {
    let scene = super::scene::Scene::new();
    scene.place("top/a\nb", b"line feed");
    scene.place("top/c\rd", b"carriage return");
    scene.place("top/e?f", b"question mark");
    // They look the same.
    scene.place("top/g?h", b"1");
    scene.place("top/g\nh", b"2");
    scene.place("top/g\rh", b"3");
    let errors = comes_here(
        scene,
        &[
            ("a%0Ab", Some(b"line feed")),
            ("c%0Dd", Some(b"carriage return")),
            ("e?f", Some(b"question mark")),
            ("g%0Ah", Some(b"2")),
            ("g%0Dh", Some(b"3")),
            ("g?h", Some(b"1")),
        ],
    );
    assert!(errors.contains("a%0Ab here") && errors.contains("c%0Dd here"), "{errors}");
}

/// Fetches what is in `top` from our server, and demands that it is this then; what it says of it.
#[track_caller]
fn comes_here(scene: super::scene::Scene, expected: &[(&str, Option<&[u8]>)]) -> String {
    let ended = scene.transfer(&["get", "-r", &format!("ftp://{}/top/", scene.ftp)]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let names: Vec<_> = tree(&scene.here("top")).into_iter().collect();
    let expected = expected.iter().map(|(name, bytes)| (name.into(), bytes.map(<[u8]>::to_vec)));
    assert_eq!(names, expected.collect::<Vec<_>>());
    scene.stop();
    ended.errors
}

/// Directories too, and names in which one `?` is another thing than the next.
#[test]
fn directories_with_line_ends_and_names_with_several_come_from_our_server() {
    let scene = super::scene::Scene::new();
    scene.place("top/a\nb/c\nd", b"both");
    scene.place("top/a\nb/deeper\r/e", b"deeper");
    scene.place("top/a?b/c", b"question mark");
    scene.place("top/x\r\ny", b"CR LF");
    scene.place("top/m\n\u{1}?n", b"mixed");
    scene.place("top/q?\n?", b"last");
    let errors = comes_here(
        scene,
        &[
            ("a%0Ab", None),
            ("a%0Ab/c%0Ad", Some(b"both")),
            ("a%0Ab/deeper%0D", None),
            ("a%0Ab/deeper%0D/e", Some(b"deeper")),
            ("a?b", None),
            ("a?b/c", Some(b"question mark")),
            ("m%0A%01?n", Some(b"mixed")),
            ("q?%0A?", Some(b"last")),
            ("x%0D%0Ay", Some(b"CR LF")),
        ],
    );
    assert!(errors.contains("a%0Ab here"), "{errors}");
}

/// A list may be older than its files.
#[test]
fn a_file_that_has_grown_since_it_was_listed_comes_whole() {
    let (here, ended) = Odd { has_facts: true, ..Odd::default() }
        .list("top", "type=file;size=3;modify=20240102030405; a\n")
        .file(b"top/a", b"longer")
        .fetched();
    // This server does not say that it has SIZE, so nobody knows whether that is all.
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let (address, _) = Odd { has_facts: true, has_size: true, ..Odd::default() }
        .list("top", "type=file;size=3;modify=20240102030405; a\n")
        .file(b"top/a", b"longer")
        .serve();
    let ended = here.transfer(&["get", "-r", &format!("ftp://{address}/top/")]);
    assert_eq!((ended.code, &*ended.errors), (Some(0), ""), "{ended:?}");
    assert_eq!(std::fs::read(here.path().join("top/a")).expect("it is there"), b"longer");
}

/// In each way in which servers say so, and also if all arrive at once.
#[test]
fn a_server_that_lets_few_in_is_enough_however_it_says_so() {
    for refusal in ["421 Too many users", "530 Sorry, the maximum of clients is connected", ""] {
        let names: Vec<_> = (0..20).map(|at| format!("f{at:02}")).collect();
        let list: String =
            names.iter().map(|name| format!("-rw-r--r-- 1 u g 3 Jan  2  2024 {name}\n")).collect();
        let odd = Odd { places: Some(2), refusal, ..Odd::default() }.list("top", &list);
        let odd =
            names.iter().fold(odd, |odd, name| odd.file(format!("top/{name}").as_bytes(), b"abc"));
        let (address, _) = odd.serve();
        let here = Here::new();
        let url = format!("ftp://{address}/top/");
        let ended = here.transfer(&["get", "-r", &url, "--parallel", "8"]);
        assert_eq!((ended.code, &*ended.errors), (Some(0), ""), "{refusal}: {ended:?}");
        assert_eq!(here.names().len(), 21);
    }
}
