//! Files out of a tree, as browsers and download tools ask for them.

use std::fs::{self, File};
use std::path::Path;
#[cfg(target_os = "linux")]
use std::sync::mpsc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use http::StatusCode;
use protocols::http::InflateLimits;
use protocols::http::server::{Files, FilesOptions, Router, Site};
use protocols::http::wire::Gunzip;
use protocols::store::{Access, Store, VirtualPath};
#[cfg(target_os = "linux")]
use protocols::store::{Ready, bytes_ready};
use tempfile::TempDir;

#[cfg(target_os = "linux")]
use crate::stage::PATIENCE;
use crate::stage::{Stage, statuses};

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn tree() -> TempDir {
    let tree = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &[u8]| {
        let path = tree.path().join(name);
        fs::write(&path, text).expect("it is written");
        let file = File::options().write(true).open(&path).expect("it is there");
        file.set_modified(UNIX_EPOCH + Duration::from_secs(784_111_777)).expect("it is ours");
    };
    write("ten.txt", b"0123456789");
    write("empty", b"");
    write("long.bin", &vec![b'x'; 300_000]);
    write(".secret", b"secret");
    write("app.js", b"plain");
    write("app.js.br", b"brotli");
    write("app.js.gz", b"gzip");
    fs::create_dir(tree.path().join("dir")).expect("it is made");
    write("dir/index.html", b"<p>index");
    fs::create_dir(tree.path().join("list")).expect("it is made");
    write("list/a b&c.txt", b"1");
    write("list/.hidden", b"1");
    fs::create_dir(tree.path().join(".well-known")).expect("it is made");
    write(".well-known/x", b"known");
    tree
}

fn serve(root: &Path, options: FilesOptions) -> Stage {
    let root = root.to_owned();
    Stage::serve(move || {
        let store = Store::open(root, Access::ReadOnly).expect("it is there");
        let files = Files::with_options(store, options);
        let mut router = Router::new();
        let (mounted, counted) = (files.clone(), files.clone());
        router.route("GET", "/how-many-are-kept", move |_, exchange, ()| {
            exchange.answer(StatusCode::OK).text(&counted.kept().to_string());
        });
        router.route("", "/mounted/{*}", move |request, exchange, ()| {
            mounted.serve(request.rest(), request, exchange);
        });
        router.route("", "/{*}", move |request, exchange, ()| {
            files.serve(request.path(), request, exchange);
        });
        Site::new(router.into_handler())
    })
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        let start = format!("{name}: ");
        self.head.lines().find_map(|line| line.strip_prefix(&start))
    }
}

fn ask(stage: &Stage, method: &str, path: &str, fields: &str) -> Answer {
    let text = stage.ask(format!("{method} {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n"));
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    Answer { status: statuses(head)[0], head: head.to_owned(), body: body.to_owned() }
}

#[test]
fn a_file_is_whole_with_what_is_known_of_it() {
    let tree = tree();
    let stage = serve(tree.path(), FilesOptions::default());
    let get = ask(&stage, "GET", "/ten.txt", "");
    assert_eq!((get.status, get.body.as_str()), (200, "0123456789"));
    assert_eq!(get.field("Content-Type"), Some("text/plain; charset=utf-8"));
    assert_eq!(get.field("Content-Length"), Some("10"));
    assert_eq!(get.field("Last-Modified"), Some(DATE));
    assert_eq!(get.field("Accept-Ranges"), Some("bytes"));
    let head = ask(&stage, "HEAD", "/ten.txt", "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    for name in ["Content-Length", "Content-Type", "ETag", "Last-Modified", "Vary"] {
        assert_eq!(head.field(name), get.field(name), "{name}");
    }
    let long = ask(&stage, "GET", "/mounted/long.bin", "");
    assert_eq!(long.body.len(), 300_000);
    assert_eq!(ask(&stage, "GET", "/empty", "").field("Content-Length"), Some("0"));
    let refused = ask(&stage, "POST", "/ten.txt", "Content-Length: 0\r\n");
    assert_eq!((refused.status, refused.field("Allow")), (405, Some("GET, HEAD, OPTIONS")));
    // What nobody has heard of is not done anywhere (RFC 9110, 9.1).
    assert_eq!(ask(&stage, "BREW", "/ten.txt", "").status, 501);
}

#[test]
fn parts_of_a_file_are_what_was_asked_for() {
    let tree = tree();
    let stage = serve(tree.path(), FilesOptions::default());
    let part = |range: &str| ask(&stage, "GET", "/ten.txt", &format!("Range: {range}\r\n"));
    let one = part("bytes=2-4");
    assert_eq!((one.status, one.body.as_str()), (206, "234"));
    assert_eq!(one.field("Content-Range"), Some("bytes 2-4/10"));
    assert_eq!(part("bytes=-3").body, "789");
    let none = part("bytes=10-");
    assert_eq!((none.status, none.field("Content-Range")), (416, Some("bytes */10")));
    assert_eq!(part("bytes=5-2").status, 200);
    // HEAD is answered as GET would be.
    let head = ask(&stage, "HEAD", "/ten.txt", "Range: bytes=2-4\r\n");
    assert_eq!(
        (head.status, head.field("Content-Length"), head.body.as_str()),
        (206, Some("3"), "")
    );

    let several = part("bytes=0-1,-2");
    let media = several.field("Content-Type").expect("a type");
    let boundary =
        media.strip_prefix("multipart/byteranges; boundary=").expect("it has a boundary");
    let expected = format!(
        "\r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 0-1/10\r\n\r\n01\
         \r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 8-9/10\r\n\r\n89\
         \r\n--{boundary}--\r\n"
    );
    assert_eq!((several.status, several.body), (206, expected));
}

#[test]
fn who_has_it_already_is_told_so() {
    let tree = tree();
    let stage = serve(tree.path(), FilesOptions::default());
    let first = ask(&stage, "GET", "/ten.txt", "");
    let tag = first.field("ETag").expect("a tag").to_owned();
    let with = |fields: &str| ask(&stage, "GET", "/ten.txt", fields);
    let same = with(&format!("If-None-Match: {tag}\r\n"));
    assert_eq!((same.status, same.body.as_str(), same.field("ETag")), (304, "", Some(&*tag)));
    assert_eq!(same.field("Content-Length"), None);
    assert_eq!(with(&format!("If-Modified-Since: {DATE}\r\n")).status, 304);
    assert_eq!(with("If-Match: \"other\"\r\n").status, 412);
    assert_eq!(with(&format!("If-Match: \"other\"\r\nIf-None-Match: {tag}\r\n")).status, 412);
    let resumed = with(&format!("If-Range: {tag}\r\nRange: bytes=8-\r\n"));
    assert_eq!((resumed.status, resumed.body.as_str()), (206, "89"));
    let changed = with("If-Range: \"other\"\r\nRange: bytes=8-\r\n");
    assert_eq!((changed.status, changed.body.as_str()), (200, "0123456789"));
    assert_eq!(with(&format!("If-Range: W/{tag}\r\nRange: bytes=8-\r\n")).status, 200);
    // 304 comes before 416 and 206.
    assert_eq!(with(&format!("If-None-Match: {tag}\r\nRange: bytes=90-\r\n")).status, 304);
    // Another file, another tag.
    fs::write(tree.path().join("ten.txt"), "changed").expect("it is written");
    assert_eq!(with(&format!("If-None-Match: {tag}\r\n")).body, "changed");
}

#[test]
fn what_lies_beside_a_file_goes_to_who_takes_it() {
    let tree = tree();
    let stage = serve(tree.path(), FilesOptions::default());
    let plain = ask(&stage, "GET", "/app.js", "");
    assert_eq!((plain.body.as_str(), plain.field("Content-Encoding")), ("plain", None));
    let best = ask(&stage, "GET", "/app.js", "Accept-Encoding: gzip, br\r\n");
    assert_eq!((best.body.as_str(), best.field("Content-Encoding")), ("brotli", Some("br")));
    assert_eq!(best.field("Content-Type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(best.field("Vary"), Some("Accept-Encoding"));
    assert_ne!(best.field("ETag"), plain.field("ETag"));
    let other = ask(&stage, "GET", "/app.js", "Accept-Encoding: br;q=0, *\r\n");
    assert_eq!((other.body.as_str(), other.field("Content-Encoding")), ("gzip", Some("gzip")));
    fs::write(tree.path().join("app.js.zst"), "zstd").expect("it is written");
    let third = ask(&stage, "GET", "/app.js", "Accept-Encoding: zstd, gzip\r\n");
    assert_eq!((third.body.as_str(), third.field("Content-Encoding")), ("zstd", Some("zstd")));
    // What is older than the file itself is not of it.
    fs::write(tree.path().join("app.js"), "newer").expect("it is written");
    assert_eq!(ask(&stage, "GET", "/app.js", "Accept-Encoding: br\r\n").body, "newer");
}

#[test]
fn texts_are_compressed_for_who_takes_it_and_parts_are_not() {
    let tree = tree();
    let text = "all work and no play\n".repeat(1_000);
    for name in ["long.txt", "long.png"] {
        fs::write(tree.path().join(name), &text).expect("it is written");
    }
    let stage = serve(tree.path(), FilesOptions { compress: true, ..FilesOptions::default() });
    let takes = "Accept-Encoding: gzip\r\n";
    let plain = ask(&stage, "GET", "/long.txt", "");
    assert_eq!((plain.body.as_str(), plain.field("Content-Encoding")), (&*text, None));
    let mut peer = stage.hears(format!("GET /long.txt HTTP/1.1\r\nHost: h\r\n{takes}\r\n"));
    let head = peer.hear("\r\n\r\n");
    let packed = Answer { status: 200, head, body: String::new() };
    let length: usize = packed.field("Content-Length").and_then(|it| it.parse().ok()).expect("one");
    assert!(length < text.len() / 10, "{length}");
    let bytes = peer.take(length);
    let (mut gunzip, mut rest) = (Gunzip::new(&InflateLimits::default()), &bytes[..]);
    let mut unpacked = Vec::new();
    while !rest.is_empty() {
        unpacked.extend(gunzip.next(&mut rest).expect("it is gzip"));
    }
    gunzip.finish().expect("all of it");
    assert!(unpacked == text.as_bytes());
    assert_eq!(packed.field("Content-Encoding"), Some("gzip"));
    assert_eq!(packed.field("Vary"), Some("Accept-Encoding"));
    assert_eq!(packed.field("Accept-Ranges"), None, "no part of it can be asked for");
    let tag = packed.field("ETag").expect("it has one");
    assert_ne!(Some(tag), plain.field("ETag"));
    // HEAD says the same, and who has it is told so.
    let head = ask(&stage, "HEAD", "/long.txt", takes);
    assert_eq!(head.field("Content-Length"), packed.field("Content-Length"));
    let again = ask(&stage, "GET", "/long.txt", &format!("{takes}If-None-Match: {tag}\r\n"));
    assert_eq!((again.status, again.field("ETag")), (304, Some(tag)));
    // A part is one of the file itself, and not of what was compressed.
    let part = ask(&stage, "GET", "/long.txt", &format!("{takes}Range: bytes=4-7\r\n"));
    assert_eq!(
        (part.status, part.body.as_str(), part.field("Content-Encoding")),
        (206, "work", None)
    );
    let stale = format!("{takes}Range: bytes=4-7\r\nIf-Range: {tag}\r\n");
    assert_eq!(
        ask(&stage, "GET", "/long.txt", &stale).status,
        200,
        "of what it has, there are none"
    );
    // What is dense already, or short, stays as it is; and what lies beside comes first.
    for path in ["/long.png", "/ten.txt"] {
        assert_eq!(ask(&stage, "GET", path, takes).field("Content-Encoding"), None, "{path}");
    }
    assert_eq!(ask(&stage, "GET", "/app.js", takes).body, "gzip");
    let page = ask(&stage, "GET", "/list/", "");
    assert_eq!(page.field("Content-Encoding"), None);
    let packed = ask(&stage, "HEAD", "/list/", takes);
    assert_eq!(packed.field("Content-Encoding"), Some("gzip"));
    assert_ne!(packed.field("ETag"), page.field("ETag"));
}

/// Asks for files until so many answers are kept: not before their times are old enough to tell of a change.
#[cfg(target_os = "linux")]
fn keep(stage: &Stage, paths: &[&str], fields: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        for path in paths {
            ask(stage, "GET", path, fields);
        }
        let kept = ask(stage, "GET", "/how-many-are-kept", "").body;
        if kept.parse::<usize>().expect("a number") >= paths.len() {
            return;
        }
        assert!(Instant::now() < deadline, "{kept} are kept");
    }
}

/// File systems that are memory as a whole do not tell what is in it.
#[cfg(target_os = "linux")]
fn keeps(tree: &TempDir) -> bool {
    let store = Store::open(tree.path(), Access::ReadOnly).expect("it is there");
    let path = VirtualPath::root().join(b"ten.txt").expect("a path");
    let (file, _) = store.read(&path).expect("it is there");
    !matches!(bytes_ready(&file, 1), Some(Ready::Unknown))
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_kept_is_what_is_there() {
    const BROTLI: &str = "Accept-Encoding: br\r\n";
    let tree = tree();
    if !keeps(&tree) {
        return crate::outside::left_out("this file system is one of memory");
    }
    let place = |name: &str| tree.path().join(name);
    let write = |name: &str, text: &str| {
        fs::write(place(name), text).expect("it is written");
        let file = File::options().write(true).open(place(name)).expect("it is there");
        file.set_modified(UNIX_EPOCH + Duration::from_secs(784_111_777)).expect("it is ours");
    };
    let names = ["same", "written", "replaced", "beside", "removed", "linked", "dir/index.html"];
    names.iter().for_each(|name| write(name, "before"));
    fs::write(place("outside"), "secret").expect("it is written");
    let root = place("dir");
    fs::rename(place("linked"), root.join("linked")).expect("it moves");
    fs::rename(place("dir"), place("root")).expect("it moves");
    for name in ["same", "written", "replaced", "beside", "removed"] {
        fs::rename(place(name), place("root").join(name)).expect("it moves");
    }
    let stage = serve(&place("root"), FilesOptions::default());
    let paths = ["/same", "/written", "/replaced", "/beside", "/removed", "/linked", "/"];
    keep(&stage, &paths, BROTLI);
    write("root/written", "behind");
    write("new", "behind");
    fs::rename(place("new"), place("root/replaced")).expect("it moves");
    write("root/beside.br", "brotli");
    fs::remove_file(place("root/removed")).expect("it is removed");
    fs::remove_file(place("root/linked")).expect("it is removed");
    std::os::unix::fs::symlink("../outside", place("root/linked")).expect("it is linked");
    write("root/index.html", "behind");
    for (path, expected) in [
        ("/same", (200, "before")),
        ("/written", (200, "behind")),
        ("/replaced", (200, "behind")),
        ("/beside", (200, "brotli")),
        ("/removed", (404, "Nothing is here.\n")),
        ("/linked", (404, "Nothing is here.\n")),
        ("/", (200, "behind")),
    ] {
        let answer = ask(&stage, "GET", path, BROTLI);
        assert_eq!((answer.status, answer.body.as_str()), expected, "{path}");
    }
    // Whatever is asked of it, the same is answered as where nothing is kept.
    let none = serve(&place("root"), FilesOptions { memory: 0, ..FilesOptions::default() });
    let tag = ask(&stage, "GET", "/same", "").field("ETag").expect("it has one").to_owned();
    for (method, fields) in [
        ("HEAD", String::new()),
        ("GET", BROTLI.to_owned()),
        ("GET", format!("If-None-Match: {tag}\r\n")),
        ("GET", format!("If-Match: W/{tag}\r\n")),
        ("GET", "Range: bytes=2-3\r\n".to_owned()),
        ("GET", "Range: bytes=9-\r\n".to_owned()),
        ("GET", format!("Range: bytes=2-3\r\nIf-Range: {DATE}\r\n")),
    ] {
        let told = |stage| {
            let answer = ask(stage, method, "/same", &fields);
            let head = answer.head.lines().filter(|line| !line.starts_with("Date: "));
            (head.map(str::to_owned).collect::<Vec<_>>(), answer.body)
        };
        assert_eq!(told(&stage), told(&none), "{method} {fields}");
    }
    assert_eq!(ask(&none, "GET", "/how-many-are-kept", "").body, "0");
}

/// What was looked at on the pool right after it had changed may have changed once more with the same times, however
/// late it is answered.
#[cfg(target_os = "linux")]
#[test]
fn what_had_just_changed_when_it_was_looked_at_is_not_kept() {
    const GZIP: &str = "Accept-Encoding: gzip\r\n";
    // A tenth of a second is between them: so old have the times of a file to be.
    const SOON: Duration = Duration::from_millis(80);
    const LATE: Duration = Duration::from_millis(120);
    let tree = tree();
    if !keeps(&tree) {
        return crate::outside::left_out("this file system is one of memory");
    }
    let text = tree.path().join("fresh.txt");
    let root = tree.path().to_owned();
    let (tell, told) = mpsc::channel();
    let stage = Stage::serve(move || {
        let store = Store::open(root, Access::ReadOnly).expect("it is there");
        // Compressing is for the pool.
        let options = FilesOptions { compress: true, ..FilesOptions::default() };
        let files = Files::with_options(store, options);
        Site::new(move |request, exchange, ()| match request.path() {
            "/how-many-are-kept" => {
                exchange.answer(StatusCode::OK).text(&files.kept().to_string());
            }
            "/fresh.txt" => {
                let written = Instant::now();
                fs::write(&text, "word ".repeat(100)).expect("it is written");
                let file = File::options().write(true).open(&text).expect("it is there");
                file.set_modified(UNIX_EPOCH).expect("it is ours");
                files.serve(request.path(), request, exchange);
                tell.send(written.elapsed() < SOON).expect("the test waits");
                std::thread::sleep((written + LATE).saturating_duration_since(Instant::now()));
            }
            path => files.serve(path, request, exchange),
        })
    });
    let kept = || ask(&stage, "GET", "/how-many-are-kept", "").body;
    // On a busy machine it may be looked at too late to tell.
    let is_told = (0..100).any(|_| {
        let before = kept();
        assert_eq!(ask(&stage, "GET", "/fresh.txt", GZIP).field("Content-Encoding"), Some("gzip"));
        let is_soon = told.recv_timeout(PATIENCE).expect("it was asked for");
        assert!(!is_soon || kept() == before, "it is kept");
        is_soon
    });
    assert!(is_told, "the machine is too busy");
}

#[cfg(target_os = "linux")]
#[test]
fn what_was_compressed_is_kept_and_no_more_than_there_is_memory_for() {
    const GZIP: &str = "Accept-Encoding: gzip\r\n";
    let tree = tree();
    if !keeps(&tree) {
        return crate::outside::left_out("this file system is one of memory");
    }
    let text = tree.path().join("long.txt");
    fs::write(&text, "all work and no play\n".repeat(1_000)).expect("it is written");
    let file = File::options().write(true).open(&text).expect("it is there");
    file.set_modified(UNIX_EPOCH + Duration::from_secs(784_111_777)).expect("it is ours");
    let names: Vec<_> = (0..40).map(|at| format!("/few-{at}")).collect();
    for name in &names {
        let path = tree.path().join(&name[1..]);
        fs::write(&path, "few").expect("it is written");
        let file = File::options().write(true).open(&path).expect("it is there");
        file.set_modified(UNIX_EPOCH).expect("it is ours");
    }
    let options = FilesOptions { compress: true, memory: 16_000, ..FilesOptions::default() };
    let stage = serve(tree.path(), options);
    keep(&stage, &["/long.txt"], GZIP);
    let head = ask(&stage, "HEAD", "/long.txt", GZIP);
    assert_eq!((head.status, head.field("Content-Encoding")), (200, Some("gzip")));
    let part = ask(&stage, "GET", "/long.txt", &format!("{GZIP}Range: bytes=4-7\r\n"));
    assert_eq!((part.status, part.body.as_str()), (206, "work"));
    keep(&stage, &["/few-0", "/few-1"], "");
    for name in &names {
        assert_eq!(ask(&stage, "GET", name, "").body, "few");
        let kept = ask(&stage, "GET", "/how-many-are-kept", "").body;
        // Each takes more than a kilobyte.
        assert!(kept.parse().is_ok_and(|kept: usize| kept <= 16), "{kept}");
    }
}

#[test]
fn directories_are_redirected_to_and_shown() {
    let tree = tree();
    let stage = serve(tree.path(), FilesOptions::default());
    for (path, location) in [
        ("/dir", "./dir/"),
        ("/dir?a=b", "./dir/?a=b"),
        ("/mounted/dir", "./dir/"),
        // Not to another host.
        ("//dir", "./dir/"),
        ("//evil.example/..//dir", "./dir/"),
    ] {
        let answer = ask(&stage, "GET", path, "");
        assert_eq!((answer.status, answer.field("Location")), (301, Some(location)), "{path}");
    }
    assert_eq!(ask(&stage, "GET", "/dir/", "").body, "<p>index");
    let page = ask(&stage, "GET", "/list/", "");
    assert_eq!(page.field("Content-Type"), Some("text/html; charset=utf-8"));
    assert!(page.body.contains("<a href=\"./a%20b%26c.txt\">a b&amp;c.txt</a>"), "{}", page.body);
    assert!(!page.body.contains("hidden"), "{}", page.body);
    assert_eq!(ask(&stage, "GET", "/list/a%20b%26c.txt", "").body, "1");
    assert_eq!(
        ask(&stage, "HEAD", "/list/", "").field("Content-Length"),
        page.field("Content-Length")
    );
    let tag = page.field("ETag").expect("a tag");
    let known = format!("If-None-Match: {tag}\r\n");
    let same = ask(&stage, "GET", "/list/", &known);
    assert_eq!((same.status, same.body.as_str(), same.field("ETag")), (304, "", Some(tag)));
    assert_eq!(ask(&stage, "GET", "/list/?sort=size", &known).status, 200);
    fs::write(tree.path().join("list/a b&c.txt"), "longer").expect("it is written");
    assert_eq!(ask(&stage, "GET", "/list/", &known).status, 200);
    assert_eq!(ask(&stage, "GET", "/list/", &format!("If-Match: {tag}\r\n")).status, 412);
    let hidden = serve(tree.path(), FilesOptions { pages: false, ..FilesOptions::default() });
    assert_eq!(ask(&hidden, "GET", "/list/", "").status, 404);
    assert_eq!(ask(&hidden, "GET", "/dir/", "").status, 200);
}

#[test]
fn nothing_leaves_the_root() {
    let outside = tempfile::tempdir().expect("a directory");
    fs::write(outside.path().join("outside"), "stolen").expect("it is written");
    let tree = tree();
    let sibling = tree.path().file_name().expect("a name").to_string_lossy().into_owned();
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink(outside.path().join("outside"), tree.path().join("link")).expect("it is made");
        symlink(outside.path(), tree.path().join("links")).expect("it is made");
    }
    let stage = serve(tree.path(), FilesOptions::default());
    let up = outside.path().display().to_string();
    for path in [
        format!("/..{up}/outside"),
        format!("/../../../../../..{up}/outside"),
        format!("/%2e%2e/%2e%2e/%2e%2e/%2e%2e{up}/outside"),
        format!("/..%2f..%2f..%2f..%2f..{up}/outside"),
        format!("/%252e%252e/%252e%252e{up}/outside"),
        format!("/..\\..\\..{up}/outside"),
        format!("//{up}/outside"),
        format!("/dir/../../{sibling}/ten.txt"),
        "/link".to_owned(),
        "/links/outside".to_owned(),
        "/links/".to_owned(),
        "/.secret".to_owned(),
        "/%2esecret".to_owned(),
        "/list/..%2f.secret".to_owned(),
        "/ten.txt/".to_owned(),
        "/ten.txt/x".to_owned(),
        "/ten.txt%00.html".to_owned(),
        "/%".to_owned(),
        "/%zz".to_owned(),
    ] {
        let answer = ask(&stage, "GET", &path, "");
        assert!(matches!(answer.status, 400 | 403 | 404), "{path}: {}", answer.head);
        assert!(!answer.body.contains("stolen") && !answer.body.contains("0123"), "{path}");
    }
    assert_eq!(ask(&stage, "GET", "/.well-known/x", "").body, "known");
    // `..` within the tree is what it is everywhere.
    assert_eq!(ask(&stage, "GET", "/list/../ten.txt", "").body, "0123456789");
}

#[test]
fn an_application_gets_the_paths_that_it_looks_at_itself() {
    let tree = tree();
    let fallback = VirtualPath::root().join(b"dir/index.html").expect("a path");
    let stage =
        serve(tree.path(), FilesOptions { fallback: Some(fallback), ..FilesOptions::default() });
    let answer = ask(&stage, "GET", "/users/7", "");
    assert_eq!((answer.status, answer.body.as_str()), (200, "<p>index"));
    assert_eq!(ask(&stage, "GET", "/dir/index.html/", "").body, "<p>index");
    assert_eq!(ask(&stage, "GET", "/ten.txt", "").body, "0123456789");
    // A directory would lead to itself, below each path anew.
    let fallback = VirtualPath::root().join(b"dir").expect("a path");
    let stage =
        serve(tree.path(), FilesOptions { fallback: Some(fallback), ..FilesOptions::default() });
    assert_eq!(ask(&stage, "GET", "/users/7", "").status, 403);
    assert_eq!(ask(&stage, "GET", "/dir/", "").body, "<p>index");
}

/// Whoever asks would choose what is kept; and to compress it for each of them would take long.
#[cfg(target_os = "linux")]
#[test]
fn a_fallback_is_kept_once_however_many_paths_it_is_sent_for() {
    const GZIP: &str = "Accept-Encoding: gzip\r\n";
    let tree = tree();
    if !keeps(&tree) {
        return crate::outside::left_out("this file system is one of memory");
    }
    fs::write(tree.path().join("app.html"), "<p>".repeat(1_000)).expect("it is written");
    let fallback = VirtualPath::root().join(b"app.html").expect("a path");
    let options =
        FilesOptions { fallback: Some(fallback), compress: true, ..FilesOptions::default() };
    let stage = serve(tree.path(), options);
    keep(&stage, &["/users/me"], GZIP);
    for user in 0..100 {
        let answer = ask(&stage, "GET", &format!("/users/{user}"), GZIP);
        assert_eq!((answer.status, answer.field("Content-Encoding")), (200, Some("gzip")));
        assert_eq!(ask(&stage, "GET", &format!("/.users/{user}"), GZIP).status, 404);
    }
    assert_eq!(ask(&stage, "GET", "/how-many-are-kept", "").body, "1");
}
