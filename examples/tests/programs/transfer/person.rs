//! `transfer` as a person meets it: what it prints, its exit codes, and what is on the disk afterwards.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use super::scene::{Scene, are_same, directory, odd_files, write};
use crate::network::Network;
use crate::support::{Program, TRANSFER, listener, noise, run};

// ── the command line ────────────────────────────────────────────────────────────────────────────

#[test]
fn what_cannot_be_done_is_said_in_a_line() {
    let scene = Scene::writable();
    let (ftp, tftp) = (&scene.ftp, &scene.tftp);
    write(&scene.here("file"), b"bytes");
    fs::create_dir(scene.here("dir")).expect("it can be made");
    for (words, error) in [
        (&["get", &format!("ftp://{ftp}/missing")][..], "missing: the server says: 550"),
        (&["get", &format!("tftp://{tftp}/missing")], "file not found"),
        (&["get", "ftp://127.0.0.1:1/file"], "127.0.0.1:1: could not connect"),
        (&["get", "tftp://127.0.0.1:1/file"], "transfer: file: 127.0.0.1:1: connection refused"),
        (&["get", &format!("ftp://bob:no@{ftp}/file")], "refuses the login: 530"),
        (&["get", &format!("ftp://ann@{ftp}/file")], "set TRANSFER_PASSWORD"),
        (
            &["get", &format!("ftp://{ftp}/a"), &format!("ftp://{ftp}/b"), "-o", "file"],
            "file is no directory",
        ),
        (
            &["get", &format!("ftp://{ftp}/a/x"), &format!("ftp://{ftp}/b/x")],
            "another of that name",
        ),
        (&["put", "file", &format!("ftp://{ftp}/up")], "up: the server says: 5"),
        (&["put", "absent", &format!("ftp://{ftp}/up")], "absent: "),
        (&["put", "dir", &format!("ftp://ann:secret@{ftp}/")], "--recursive sends it"),
        (&["put", "-r", "dir", &format!("tftp://{tftp}/dir")], "TFTP has no directories"),
        (&["put", "file", "dir", &format!("ftp://{ftp}/name")], "ends with a slash"),
        (&["list", &format!("tftp://{tftp}/")], "TFTP has no lists"),
        (&["list", &format!("ftp://{ftp}/missing")], "550"),
    ] {
        let ended = scene.transfer(words);
        assert_eq!(ended.code, Some(1), "{words:?}: {ended:?}");
        assert!(ended.errors.starts_with("transfer: "), "{words:?}: {}", ended.errors);
        assert!(ended.errors.contains(error), "{words:?}: {}", ended.errors);
        assert_eq!(ended.errors.lines().count(), 1, "{words:?}: {}", ended.errors);
    }
    let names: Vec<_> = fs::read_dir(&scene.here).expect("it is there").collect();
    assert_eq!(names.len(), 2, "nothing was left behind: {names:?}");
}

#[test]
fn a_user_whose_directory_is_missing_is_an_error_of_the_command_line() {
    let root = tempfile::tempdir().expect("a directory");
    let root = root.path().to_str().expect("it is text");
    let words = ["--root", root, "--ftp", "127.0.0.1:0", "--user", "ann:secret:/missing"];
    let ended = run(TRANSFER, &[&["serve"], &words[..]].concat(), b"");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.errors.contains("ann: /missing: "), "{}", ended.errors);
}

#[cfg(unix)]
#[test]
fn get_writes_into_a_pipe_or_through_a_link_and_puts_no_file_in_its_place() {
    use std::os::unix::fs::FileTypeExt;
    let scene = Scene::new();
    let bytes = noise(300_000);
    scene.place("large", &bytes);
    let (pipe, link) = (scene.here("pipe"), scene.here("link"));
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("it is there").success());
    std::os::unix::fs::symlink("file", &link).expect("it can be made");
    for url in [format!("ftp://{}/large", scene.ftp), format!("tftp://{}/large", scene.tftp)] {
        let path = pipe.clone();
        let reader = std::thread::spawn(move || fs::read(path));
        scene.transfers(&["get", "-o", "pipe", &url]);
        assert!(reader.join().expect("it ends").expect("it can be read") == bytes, "{url}");
        scene.transfers(&["get", "-o", "link", &url]);
        assert!(fs::read(scene.here("file")).expect("it is there") == bytes, "{url}");
        fs::remove_file(scene.here("file")).expect("it is there");
    }
    assert!(link.is_symlink() && pipe.metadata().expect("it is there").file_type().is_fifo());
    assert_eq!(fs::read_dir(&scene.here).expect("it is there").count(), 2);
    scene.stop();
}

#[cfg(unix)]
#[test]
fn get_prints_a_file_and_nothing_beside_it_if_its_place_is_a_dash() {
    let scene = Scene::new();
    let bytes = noise(300_000);
    scene.place("large", &bytes);
    for url in [format!("ftp://{}/large", scene.ftp), format!("tftp://{}/large", scene.tftp)] {
        for output in ["-", "/dev/stdout"] {
            let ended = scene.transfer(&["get", "-o", output, &url]).went_well();
            assert!(ended.output == bytes, "{url}: {}", ended.output.len());
            // What the shell has put into a file stays in front of it.
            let script = r#"{ printf hello; exec "$0" get -o "$1" "$2"; } >out"#;
            scene.run("sh", &["-c", script, TRANSFER, output, &url]).went_well();
            let out = fs::read(scene.here("out")).expect("it is there");
            assert!(out.strip_prefix(b"hello") == Some(&bytes), "{url}: {}", out.len());
            fs::remove_file(scene.here("out")).expect("it is there");
        }
        scene.transfer(&["get", "-o", "-", &url, &url]).with_code(1).complains("one file only");
    }
    let tree = format!("ftp://{}/", scene.ftp);
    scene.transfer(&["get", "-o", "-", &tree]).with_code(1).complains("standard output");
    assert_eq!(fs::read_dir(&scene.here).expect("it is there").count(), 0);
    scene.stop();
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_ends_get_while_it_waits_for_the_reader_of_a_pipe() {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let scene = Scene::new();
    scene.place("large", &noise(300_000));
    let pipe = scene.here("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("it is there").success());
    // It is open at both ends, and nobody reads.
    let held = File::options().read(true).write(true).open(&pipe).expect("it is there");
    for url in [format!("ftp://{}/large", scene.ftp), format!("tftp://{}/large", scene.tftp)] {
        let mut held = held.try_clone().expect("a descriptor");
        let get = Program::start(TRANSFER, &["get", "-o", &pipe.to_string_lossy(), &url]);
        // Until there is no room left in it.
        while poll(&mut [PollFd::new(&held, PollFlags::OUT)], Some(&Timespec::default())) != Ok(0) {
            std::thread::yield_now();
        }
        get.interrupt();
        let ended = get.ended();
        assert_eq!(ended.code, None, "by the signal, for {url}: {ended:?}");
        let left = rustix::io::ioctl_fionread(&held).expect("it is a pipe");
        held.read_exact(&mut vec![0; left as usize]).expect("it is there");
    }
    scene.stop();
}

#[test]
fn the_rest_is_done_though_something_fails() {
    let scene = Scene::new();
    scene.place("there", b"bytes");
    let (missing, there) =
        (format!("ftp://{}/missing", scene.ftp), format!("ftp://{}/there", scene.ftp));
    scene
        .transfer(&["get", &missing, &there])
        .with_code(1)
        .complains("transfer: 1 of 2 have failed");
    scene.is_same("there", "there");
}

// ── fetching ────────────────────────────────────────────────────────────────────────────────────

#[test]
fn files_come_over_ftp_checked_and_with_their_time() {
    let scene = Scene::new();
    scene.place("file", &noise(1_000_000));
    let time = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    File::options()
        .write(true)
        .open(scene.there("file"))
        .and_then(|file| file.set_modified(time))
        .expect("it can be set");
    let said = scene.transfers(&["get", &format!("ftp://{}/file", scene.ftp)]);
    assert!(said.starts_with("file: 1000000 bytes in "), "{said}");
    assert!(said.ends_with("SHA-256 is the same"), "{said}");
    scene.is_same("file", "file");
    let metadata = fs::metadata(scene.here("file")).expect("it is there");
    assert_eq!(metadata.modified().expect("it has one"), time);
    let said =
        scene.transfers(&["get", "--no-hash", "-o", "other", &format!("ftp://{}/file", scene.ftp)]);
    assert!(said.ends_with("the size is right"), "{said}");
    scene.is_same("file", "other");
}

#[test]
fn a_tree_comes_with_everything_in_it() {
    let scene = Scene::new();
    for (name, bytes) in odd_files() {
        scene.place(&format!("tree/{name}"), &bytes);
    }
    fs::create_dir(scene.there("tree/nothing in it")).expect("it can be made");
    for (parallel, place) in [("1", "one"), ("8", "many")] {
        fs::create_dir(scene.here(place)).expect("it can be made");
        let url = format!("ftp://{}/tree/", scene.ftp);
        scene.transfers(&["get", &url, "--parallel", parallel, "-o", place]);
        are_same(&scene.there("tree"), &scene.here(place).join("tree"));
    }
}

/// The URL is all there is to name a file with that has a line end in its name.
#[test]
fn odd_names_come_over_tftp() {
    let scene = Scene::new();
    for (name, url) in [
        ("two\nlines", "two%0Alines"),
        ("a b", "a%20b"),
        ("gr\u{fc}n", "gr%C3%BCn"),
        ("per%cent", "per%25cent"),
        ("\"quoted\"", "\"quoted\""),
    ] {
        scene.place(name, name.as_bytes());
        scene.transfers(&["get", &format!("tftp://{}/{url}", scene.tftp), "-o", "file"]);
        scene.is_same(name, "file");
    }
    scene.place("large", &noise(3_000_000));
    scene.transfers(&["get", &format!("tftp://{}/large", scene.tftp)]);
    scene.is_same("large", "large");
    scene.place("text", b"one\ntwo\r\n");
    scene.transfers(&["get", &format!("tftp://{}/text;mode=netascii", scene.tftp)]);
    scene.is_same("text", "text");
}

#[test]
fn a_file_goes_on_where_another_run_has_ended() {
    let scene = Scene::new();
    let bytes = noise(2_000_000);
    scene.place("file", &bytes);
    write(&scene.here("file.part"), &bytes[..1_500_000]);
    let url = format!("ftp://{}/file", scene.ftp);
    let said = scene.transfers(&["get", "--continue", &url]);
    assert!(said.starts_with("file: 500000 bytes"), "{said}");
    scene.is_same("file", "file");
    let said = scene.transfers(&["get", "--continue", &url]);
    assert!(said.starts_with("file: 0 bytes") && said.ends_with("it is here already"), "{said}");

    // What there is of it may be of another file: the hash tells, and it is not kept.
    fs::remove_file(scene.here("file")).expect("it is there");
    write(&scene.here("file.part"), &noise(1_500_001)[1..]);
    scene.transfer(&["get", "--continue", &url]).with_code(1).complains("SHA-256 differs");
    assert!(!scene.here("file").exists() && !scene.here("file.part").exists());
}

/// Five gigabytes, of which only the end is not nothing; most of it is there from before.
#[test]
fn a_file_of_five_gigabytes_goes_on_near_its_end() {
    const LENGTH: u64 = 5 << 30;
    let scene = Scene::new();
    let end = noise(1_000_000);
    let mut file = File::create(scene.there("huge")).expect("it can be made");
    file.seek(SeekFrom::Start(LENGTH - 1_000_000)).expect("it can be sought");
    file.write_all(&end).expect("it can be written");
    let part = File::create(scene.here("huge.part")).expect("it can be made");
    part.set_len(LENGTH - 2_000_000).expect("it can be sparse");
    let said = scene.transfers(&["get", "-c", "--no-hash", &format!("ftp://{}/huge", scene.ftp)]);
    assert!(said.starts_with("huge: 2000000 bytes"), "{said}");
    let mut file = File::open(scene.here("huge")).expect("it is there");
    assert_eq!(file.metadata().expect("it is there").len(), LENGTH);
    file.seek(SeekFrom::Start(LENGTH - 1_000_000)).expect("it can be sought");
    let mut found = Vec::new();
    file.read_to_end(&mut found).expect("it can be read");
    assert!(found == end);
    let listed = scene.transfers(&["list", &format!("ftp://{}/", scene.ftp)]);
    assert!(listed.contains("5368709120"), "{listed}");
}

#[test]
fn an_interrupted_file_is_a_part_and_goes_on() {
    let scene = Scene::with(&["--rate", "2000000"]);
    let bytes = noise(4_000_000);
    scene.place("file", &bytes);
    let (url, target) = (format!("ftp://{}/file", scene.ftp), scene.here("file"));
    let target = target.to_str().expect("it is text");
    let program = Program::start(TRANSFER, &["get", &url, "-o", target]);
    let part = scene.here("file.part");
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while fs::metadata(&part).map_or(0, |part| part.len()) < 100_000 {
        assert!(std::time::Instant::now() < deadline, "nothing comes");
        std::thread::yield_now();
    }
    program.interrupt();
    program.ended().with_code(1).complains("--continue goes on");
    assert!(!scene.here("file").exists());
    let have = fs::metadata(&part).expect("it is there").len();
    let said = scene.transfers(&["get", "-c", &url]);
    assert!(said.starts_with(&format!("file: {} bytes", 4_000_000 - have)), "{said}");
    scene.is_same("file", "file");
}

#[test]
fn a_directory_of_ten_thousand_entries_is_listed() {
    let scene = Scene::new();
    fs::create_dir(scene.there("many")).expect("it can be made");
    for number in 0..10_000 {
        File::create(scene.there(&format!("many/{number:05}"))).expect("it can be made");
    }
    let listed = scene.transfers(&["list", &format!("ftp://{}/many", scene.ftp)]);
    let names: Vec<_> = listed.lines().filter_map(|line| line.rsplit_once(' ')).collect();
    assert_eq!(names.len(), 10_000);
    for (number, (_, name)) in names.iter().enumerate() {
        assert_eq!(*name, format!("{number:05}"));
    }
}

#[test]
fn hundreds_of_files_come_several_at_a_time() {
    let scene = Scene::new();
    for number in 0..300 {
        scene.place(&format!("many/{number}"), &noise(number * 10));
    }
    let url = format!("ftp://{}/many/", scene.ftp);
    let said = scene.transfers(&["get", &url, "--parallel", "16"]);
    assert_eq!(said.lines().count(), 300);
    are_same(&scene.there("many"), &scene.here("many"));
    let report = scene.stop();
    assert!(report.contains("300 downloads"), "{report}");
}

/// A server that lets in fewer than are wanted has everything done by those it lets in.
#[test]
fn a_server_with_few_places_is_enough() {
    let scene = Scene::with(&["--max-sessions", "2"]);
    for number in 0..40 {
        scene.place(&format!("many/{number}"), &noise(1_000));
    }
    let url = format!("ftp://{}/many/", scene.ftp);
    scene.transfers(&["get", &url, "--parallel", "8"]);
    are_same(&scene.there("many"), &scene.here("many"));
}

/// As a power failure leaves it. It goes when a server starts that may write, if it is a day old.
#[test]
fn what_was_cut_off_long_ago_is_removed() {
    let scene = Scene::new();
    let names = [".~upload.00000000000000aa", ".~upload.00000000000000bb", ".~upload.kept.file"];
    for name in names {
        scene.place(name, b"half");
    }
    for name in [names[0], names[2]] {
        let file = File::options().append(true).open(scene.there(name)).expect("it is there");
        file.set_modified(UNIX_EPOCH).expect("it can be set");
    }
    let root = scene.root.path().to_str().expect("it is text");
    let words = ["serve", "--root", root, "--ftp", "127.0.0.1:0", "--write"];
    let server = Program::start(TRANSFER, &words);
    assert!(server.line().starts_with("ftp listening on "));
    assert!(server.line().starts_with("serving "));
    assert_eq!(server.line(), "uploads that were cut off and are removed now: 1");
    assert_eq!(names.map(|name| scene.there(name).exists()), [false, true, true]);
    server.stop();
}

#[test]
fn one_address_and_one_file_have_the_bounds_they_are_given() {
    let bounds = ["--max-per-address", "1", "--tftp-max-file", "1000"];
    let scene = Scene::with(&[&["--write"], &bounds[..]].concat());
    let greeting = || {
        let stream = TcpStream::connect(&scene.ftp).expect("it listens");
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).expect("it greets");
        (stream, line[..3].to_owned())
    };
    let (first, code) = greeting();
    assert_eq!(code, "220");
    assert_eq!(greeting().1, "421");
    drop(first);

    let url = format!("tftp://{}/", scene.tftp);
    for (length, code) in [(1_000, 0), (1_001, 1)] {
        write(&scene.here("file"), &noise(length));
        let ended = scene.transfer(&["put", "file", &format!("{url}{length}")]);
        assert_eq!(ended.code, Some(code), "{length}: {}", ended.errors);
    }
    assert!(scene.there("1000").exists() && !scene.there("1001").exists());
}

// ── sending ─────────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_tree_goes_with_everything_in_it() {
    let scene = Scene::writable();
    for (name, bytes) in odd_files() {
        write(&scene.here("tree").join(name), &bytes);
    }
    fs::create_dir(scene.here("tree/nothing in it")).expect("it can be made");
    let url = format!("ftp://ann:secret@{}/", scene.ftp);
    scene.transfers(&["put", "-r", "tree", &format!("{url}new%20place/")]);
    are_same(&scene.here("tree"), &scene.there("new place/tree"));
    scene.transfers(&["put", "-r", "tree", &format!("{url}named")]);
    are_same(&scene.here("tree"), &scene.there("named"));
    let said = scene.transfers(&["put", "tree/large", &format!("{url}renamed")]);
    assert!(said.ends_with("SHA-256 is the same"), "{said}");
    scene.is_same("renamed", "tree/large");
}

#[test]
fn a_file_goes_over_tftp_and_replaces_none() {
    let scene = Scene::writable();
    write(&scene.here("file"), &noise(1_000_000));
    let url = format!("tftp://{}/up", scene.tftp);
    scene.transfers(&["put", "file", &url]);
    scene.is_same("up", "file");
    write(&scene.here("file"), b"other");
    let ended = scene.transfer(&["put", "file", &url]);
    ended.complains("file already exists");
    assert_eq!(fs::metadata(scene.there("up")).expect("it is there").len(), 1_000_000);
}

#[test]
fn sending_goes_on_where_another_run_has_ended() {
    let scene = Scene::writable();
    let bytes = noise(2_000_000);
    write(&scene.here("file"), &bytes);
    scene.place("file", &bytes[..1_200_000]);
    let url = format!("ftp://ann:secret@{}/", scene.ftp);
    let said = scene.transfers(&["put", "--continue", "file", &url]);
    assert!(said.starts_with("file: 800000 bytes"), "{said}");
    scene.is_same("file", "file");
}

/// What there is of an upload that was interrupted is kept by a server that is asked to, and seen by nobody
/// but those who go on with it.
#[test]
fn an_interrupted_upload_goes_on_where_the_server_keeps_it() {
    let options = ["--write", "--user", "ann:secret", "--keep", "--rate", "2000000", "--log"];
    let scene = Scene::with(&options);
    write(&scene.here("file"), &noise(4_000_000));
    let url = format!("ftp://ann:secret@{}/file", scene.ftp);
    let source = scene.here("file");
    let program = Program::start(TRANSFER, &["put", source.to_str().expect("it is text"), &url]);
    let root = scene.root.path();
    let begun = || {
        let entries = fs::read_dir(root).expect("it is there");
        let sizes = entries.filter_map(|entry| entry.ok()?.metadata().ok()).map(|it| it.len());
        sizes.sum::<u64>()
    };
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while begun() < 100_000 {
        assert!(std::time::Instant::now() < deadline, "nothing arrives");
        std::thread::yield_now();
    }
    program.interrupt();
    assert_eq!(program.ended().code, Some(1));
    while !scene.server.line().ends_with(" i") {}
    assert!(!scene.there("file").exists());
    let said = scene.transfers(&["put", "-c", "file", &url]);
    let sent = said.strip_prefix("file: ").and_then(|it| it.split_once(' ')).expect("a number").0;
    assert!(sent.parse::<u64>().expect("a number") < 4_000_000, "{said}");
    assert!(said.ends_with("SHA-256 is the same"), "{said}");
    scene.is_same("file", "file");
}

// ── users ───────────────────────────────────────────────────────────────────────────────────────

#[test]
fn users_are_kept_in_a_file_and_may_do_what_it_says() {
    let place = directory();
    let users = place.path().join("users.txt");
    let users = users.to_str().expect("it is text");
    let user = |words: &[&str], password: &str| {
        let mut command = Command::new(TRANSFER);
        command.args(["user"]).args(words).args(["--users", users]).stdin(Stdio::null());
        let output = command.env("TRANSFER_PASSWORD", password).output().expect("it runs");
        (output.status.code(), String::from_utf8(output.stdout).expect("text"))
    };
    assert_eq!(user(&["add", "ann", "--home", "ann"], "secret").0, Some(0));
    assert_eq!(user(&["add", "bob", "--permissions", "r"], "hidden").0, Some(0));
    assert_eq!(user(&["add", "anonymous"], "x").0, Some(1));
    assert_eq!(user(&["add", "carl"], "").0, Some(1));
    let (_, listed) = user(&["list"], "");
    assert_eq!(listed, "ann: rcmd in /ann\nbob: r in /\n");
    let kept = fs::read_to_string(users).expect("it is there");
    assert!(kept.contains("$argon2id$") && !kept.contains("secret"), "{kept}");

    let scene = Scene::with(&["--write", "--users", users, "--anonymous", "none"]);
    scene.place("ann/file", b"ann's");
    write(&scene.here("new"), b"new");
    let ftp = &scene.ftp;
    scene.transfers(&["get", &format!("ftp://ann:secret@{ftp}/file")]);
    scene.is_same("ann/file", "file");
    scene.transfers(&["put", "new", &format!("ftp://ann:secret@{ftp}/")]);
    scene.is_same("ann/new", "new");
    for url in [
        format!("ftp://bob:hidden@{ftp}/new"),
        format!("ftp://ann:wrong@{ftp}/new"),
        format!("ftp://{ftp}/new"),
    ] {
        assert_eq!(scene.transfer(&["put", "new", &url]).code, Some(1), "{url}");
    }
    assert_eq!(user(&["remove", "ann"], "").0, Some(0));
    assert_eq!(user(&["remove", "ann"], "").0, Some(1));
}

#[test]
fn a_password_may_come_from_the_environment() {
    let scene = Scene::writable();
    scene.place("file", b"bytes");
    let url = format!("ftp://ann@{}/file", scene.ftp);
    let words = ["-c", r#"TRANSFER_PASSWORD=secret exec "$@""#, "sh", TRANSFER, "get", &url];
    scene.runs("sh", &words);
    scene.is_same("file", "file");
}

// ── the server ──────────────────────────────────────────────────────────────────────────────────

#[test]
fn the_server_tells_what_it_has_done() {
    let scene = Scene::with(&["--log"]);
    scene.place("file", b"bytes");
    scene.transfers(&["get", &format!("ftp://{}/file", scene.ftp)]);
    scene.transfers(&["get", &format!("tftp://{}/file", scene.tftp)]);
    let report = scene.stop();
    for part in [
        "127.0.0.1 logged in as anonymous",
        " 5 /file b _ o a anonymous ftp 0 * c",
        "1 downloads (5 bytes)",
        "tftp: sent 1 files (5 bytes)",
        "shut down in 0.",
    ] {
        assert!(report.contains(part), "{part} is missing:\n{report}");
    }
}

#[test]
fn everything_goes_over_ipv6_as_well() {
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        return crate::outside::left_out("IPv6: this machine has none");
    }
    let place = directory();
    let root = place.path().to_str().expect("it is text");
    let words = ["serve", "--root", root, "--write", "--user", "ann:secret"];
    let any = ["--ftp", "[::1]:0", "--tftp", "[::1]:0"];
    let server = Program::start(TRANSFER, &[&words[..], &any].concat());
    let [ftp, tftp] =
        [(); 2].map(|()| server.line().rsplit_once(' ').expect("an address").1.to_owned());
    let here = directory();
    let (file, back) = (here.path().join("file"), here.path().join("back"));
    write(&file, &noise(1_000_000));
    let (file, back) = (file.to_str().expect("text"), back.to_str().expect("text"));
    for url in [format!("ftp://ann:secret@{ftp}/up"), format!("tftp://{tftp}/up6")] {
        for words in [["put", file, &url], ["get", &url, &format!("-o{back}")]] {
            let ended = run(TRANSFER, &words, b"");
            assert_eq!(ended.code, Some(0), "{words:?}: {ended:?}");
        }
        assert!(fs::read(back).expect("it is there") == noise(1_000_000));
    }
    server.stop();
}

/// A machine of several addresses, in a network of its own: what is asked at one of them is answered from
/// it, or the client would not know who speaks.
#[test]
fn a_server_on_all_addresses_answers_from_the_one_that_was_asked() {
    let Some(_network) = Network::enter() else { return };
    let place = directory();
    write(&place.path().join("file"), b"bytes\n");
    let root = place.path().to_str().expect("it is text");
    let words = ["serve", "--root", root, "--ftp", "0.0.0.0:2121", "--tftp", "0.0.0.0:6969"];
    let server = Program::start(TRANSFER, &words);
    while !server.line().contains("tftp listening") {}
    let copy = format!("{root}/copy");
    let transfer = |words: &[&str]| run(TRANSFER, &[words, &["--timeout", "9"]].concat(), b"");
    let got = transfer(&["get", "tftp://127.0.0.5:6969/file", "-o", &copy]);
    assert_eq!(got.code, Some(0), "{got:?}");
    assert_eq!(fs::read(&copy).expect("it is there"), b"bytes\n");
    let file = format!("{root}/file");
    for (words, says) in [
        (&["get", "tftp://127.0.0.5:6969/missing", "-o", &copy][..], "no such file or directory"),
        (&["put", &file, "tftp://127.0.0.5:6969/new"], "this server is for reading only"),
    ] {
        let ended = transfer(words);
        assert!(ended.errors.contains(says), "{words:?}: {ended:?}");
    }
    server.stop();
}

#[test]
fn a_server_that_cannot_begin_says_what_to_do() {
    let (_taken, address) = listener();
    let place = directory();
    let root = place.path().to_str().expect("it is text");
    for (words, error) in [
        (&["serve", "--root", root, "--ftp", &address][..], "try another port with --ftp"),
        (&["serve", "--root", "/no/such/place"], "/no/such/place: "),
        (&["serve", "--root", root, "--users", "/no/such/file"], "/no/such/file: "),
    ] {
        let ended = run(TRANSFER, words, b"");
        assert_eq!(ended.code, Some(1), "{words:?}: {ended:?}");
        assert!(ended.errors.contains(error), "{words:?}: {}", ended.errors);
    }
}
