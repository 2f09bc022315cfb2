//! The tree: what it lets in, what lands in it, and that nothing outside is reached.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use proptest::prelude::*;
use protocols::transfer::store::{
    Access, CreateOptions, Fate, Kind, Quota, Ready, Replace, Store, StoreError, VirtualPath,
    bytes_ready,
};
use tempfile::TempDir;

/// A tree beside something that must not be reached, and must not change.
struct Stage {
    outside: TempDir,
    store: Store,
}

const SECRET: &str = "nobody is to read this";

impl Stage {
    fn new() -> Self {
        Self::with_access(Access::ReadWrite)
    }

    fn with_access(access: Access) -> Self {
        let outside = tempfile::tempdir().expect("a directory");
        fs::write(outside.path().join("secret"), SECRET).expect("it is written");
        fs::create_dir_all(outside.path().join("root/sub/deep")).expect("directories");
        fs::write(outside.path().join("root/inside"), "inside").expect("it is written");
        let store = Store::open(outside.path().join("root"), access).expect("it is there");
        Self { outside, store }
    }

    fn root(&self) -> std::path::PathBuf {
        self.outside.path().join("root")
    }

    /// Everything that is really in the tree, hidden names too.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.root())
            .expect("it is there")
            .map(|entry| entry.expect("it is read").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn contents(&self, name: &str) -> String {
        fs::read_to_string(self.root().join(name)).expect("it is there")
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<u64, StoreError> {
        let mut upload = self.store.create(&path(name), &CreateOptions::default())?;
        upload.write(bytes)?;
        upload.commit()
    }
}

fn path(text: &str) -> VirtualPath {
    VirtualPath::root().join(text.as_bytes()).expect("a path")
}

fn keeping(offset: u64) -> CreateOptions {
    CreateOptions { keep: true, offset, token: 7, ..CreateOptions::default() }
}

/// Tries whatever a path can be used for.
fn attack(store: &Store, target: &VirtualPath) {
    let free = path("/taken-away");
    // Twice: what was looked up by then is in memory.
    let read = [Some(store.read(target)), store.read_ready(target)];
    for (mut file, _) in read.into_iter().flatten().flatten() {
        let mut text = String::new();
        let _ = file.read_to_string(&mut text);
        assert_ne!(text, SECRET, "{target} was read");
    }
    if let Ok(mut upload) = store.create(target, &CreateOptions::default()) {
        upload.write(b"broken in").expect("it is written");
        let _ = upload.commit();
    }
    if let Ok(mut upload) = store.append_or_create(target, &CreateOptions::default()) {
        upload.write(b"broken in").expect("it is written");
        let _ = upload.commit();
    }
    let _ = store.set_modified(target, SystemTime::UNIX_EPOCH);
    let _ = store.set_mode(target, 0o777);
    let _ = store.list(target, 10);
    let _ = store.create_directory(target, 0o755);
    let _ = store.rename(target, &free, Replace::Yes);
    let _ = store.rename(&free, target, Replace::Yes);
    let _ = store.remove_file(target);
    let _ = store.remove_directory(target);
}

#[test]
fn no_path_leads_out_of_the_root() {
    let words = [
        "..",
        "../..",
        "../secret",
        "/../secret",
        "sub/../../secret",
        "sub/deep/../../../secret",
        "./../secret",
        "sub/./.././../secret",
        "//../secret",
        "..//secret",
        "../root/../secret",
        ".../secret",
        "....//secret",
        "..\\secret",
        "sub\\..\\..\\secret",
        "%2e%2e/secret",
        "..%2fsecret",
        "..;/secret",
        "~/secret",
        "~root",
        "/etc/passwd",
        "//etc/passwd",
        "C:/secret",
        "C:secret",
        "..\u{2215}secret",
        "\u{ff0e}\u{ff0e}/secret",
        "sub/../..",
        "sub//..//..//secret",
        "-/../../secret",
        "*/../../secret",
        ".. /secret",
        " ../secret",
        "../secret/",
        "../secret/.",
        "inside/../../secret",
        "inside/..",
        "nowhere/../../secret",
        "$HOME/secret",
    ];
    for word in words {
        let stage = Stage::new();
        attack(&stage.store, &path(word));
        assert_untouched(&stage, word);
    }
}

fn assert_untouched(stage: &Stage, what: &str) {
    let outside = stage.outside.path();
    assert_eq!(fs::read_to_string(outside.join("secret")).expect(what), SECRET, "{what}");
    assert_eq!(fs::read_dir(outside).expect(what).count(), 2, "{what}");
}

#[cfg(unix)]
#[test]
fn no_link_leads_out_of_the_root() {
    use std::os::unix::fs::symlink;
    let leads = |stage: &Stage| {
        let outside = stage.outside.path().to_owned();
        vec![
            ("up", Path::new("..").to_owned()),
            ("file", Path::new("../secret").to_owned()),
            ("absolute", outside.join("secret")),
            ("directory", outside.clone()),
            ("etc", Path::new("/etc").to_owned()),
            ("chain", Path::new("up").to_owned()),
            ("deep", Path::new("sub/deep/../../../secret").to_owned()),
            ("root", Path::new("/").to_owned()),
            ("proc", Path::new("/proc/self/cwd").to_owned()),
            ("itself", Path::new("itself").to_owned()),
        ]
    };
    for at in 0..leads(&Stage::new()).len() {
        for tail in ["", "/", "/secret", "/passwd", "/../secret", "/root/../secret"] {
            let stage = Stage::new();
            for (name, target) in leads(&stage) {
                symlink(target, stage.root().join(name)).expect("a link");
            }
            let (name, _) = leads(&stage)[at];
            attack(&stage.store, &path(&format!("{name}{tail}")));
            attack(&stage.store, &path(&format!("sub/../{name}{tail}")));
            assert_untouched(&stage, name);
        }
    }
}

#[cfg(unix)]
#[test]
fn a_link_that_stays_inside_is_what_it_leads_to() {
    use std::os::unix::fs::symlink;
    let stage = Stage::new();
    symlink("../inside", stage.root().join("sub/link")).expect("a link");
    symlink("../../secret", stage.root().join("sub/out")).expect("a link");
    assert_eq!(stage.store.entry(&path("sub/link")).expect("it is there").kind, Kind::File);
    assert_eq!(stage.store.read(&path("sub/link")).expect("it is read").1.size, 6);
    assert_eq!(stage.store.entry(&path("sub/out")).expect("it is there").kind, Kind::Link);
    assert!(matches!(stage.store.read(&path("sub/out")), Err(StoreError::Denied)));
    let listing = stage.store.list(&path("sub"), 10).expect("it is read");
    let found: Vec<_> = (0..listing.len()).filter_map(|at| listing.get(at)).collect();
    let told: Vec<_> = found
        .iter()
        .map(|(name, found)| {
            let target = found.link.as_ref().map(|link| link.target.as_deref());
            (*name, found.entry.kind, target)
        })
        .collect();
    assert_eq!(
        told,
        [
            (&b"deep"[..], Kind::Directory, None),
            (b"link", Kind::File, Some(Some(&b"../inside"[..]))),
            (b"out", Kind::Link, Some(None)),
        ]
    );
    let link = stage.store.find(&path("sub/link")).expect("it is there");
    assert_eq!(link, found[1].1);
    assert_eq!(link.entry.id, stage.store.entry(&path("inside")).expect("it is there").id);
}

/// Neither what is outside, nor what the root is called there.
#[cfg(unix)]
#[test]
fn a_link_that_leads_out_does_not_tell_where() {
    use std::os::unix::fs::symlink;
    let stage = Stage::new();
    let outside = stage.outside.path().to_owned();
    symlink(stage.root().join("sub/deep"), stage.root().join("door")).expect("a link");
    symlink("sub/deep", stage.root().join("way")).expect("a link");
    let told = |target: &Path| {
        let link = stage.root().join("sub/link");
        symlink(target, &link).expect("a link");
        let found = stage.store.find(&path("sub/link")).expect("it is there");
        let listing = stage.store.list(&path("sub"), 10).expect("it is read");
        let listed = listing.get(1).expect("it is listed").1;
        assert_eq!((found.entry, found.itself()), (listed.entry, listed.itself()));
        fs::remove_file(link).expect("it is there");
        let target = found.link.expect("it is a link").target;
        assert_eq!(target, listed.link.expect("it is a link").target);
        target.map(|target| String::from_utf8(target).expect("it is text"))
    };
    for out in [
        "../..",
        "../../secret",
        "../../nothing",
        "../../root/inside",
        "nothing/../../../secret",
        "deep/../../../secret",
        "/etc",
        "/nothing",
        "/",
        "../door",
        "../door/nothing",
        "../.~upload.0000000000000000",
    ] {
        assert_eq!(told(Path::new(out)), None, "{out}");
    }
    for inside in [outside.join("root/inside"), outside.join("secret"), stage.root()] {
        assert_eq!(told(&inside), None, "{}", inside.display());
    }
    for inside in [".", "..", "link", "deep", "../inside", "nothing", "../nothing", "../sub/./deep"]
    {
        assert_eq!(told(Path::new(inside)).as_deref(), Some(inside));
    }
    // It is deeper than it looks.
    symlink("../../inside", stage.root().join("sub/deep/up")).expect("a link");
    let found = stage.store.find(&path("way/up")).expect("it is there");
    assert_eq!(found.link.and_then(|link| link.target), Some(b"../../inside".to_vec()));
}

/// A directory that is exchanged for a link while somebody is on the way through it.
#[cfg(unix)]
#[test]
fn a_race_for_a_directory_is_lost_by_whoever_wants_out() {
    let stage = Stage::new();
    let (root, outside) = (stage.root(), stage.outside.path().to_owned());
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stop = Arc::clone(&done);
    let racer = std::thread::spawn(move || {
        let (way, other) = (root.join("way"), root.join("other"));
        fs::create_dir(&other).expect("a directory");
        std::os::unix::fs::symlink(&outside, &way).expect("a link");
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            let _ = fs::rename(&way, root.join("aside"));
            let _ = fs::rename(&other, &way);
            let _ = fs::rename(root.join("aside"), &other);
        }
    });
    for turn in 0..2_000 {
        let place = path("way/secret");
        let ready = || stage.store.read_ready(&place).and_then(Result::ok);
        let found = if turn % 2 == 0 { stage.store.read(&place).ok() } else { ready() };
        if let Some((mut file, _)) = found {
            let mut text = String::new();
            let _ = file.read_to_string(&mut text);
            assert_ne!(text, SECRET);
        }
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    racer.join().expect("it ends");
}

#[test]
fn an_upload_lands_whole() {
    let stage = Stage::new();
    let mut upload =
        stage.store.create(&path("inside"), &CreateOptions::default()).expect("it begins");
    upload.write(b"something ").expect("it is written");
    assert_eq!(
        stage.contents("inside"),
        "inside",
        "the old one is there until the new one is whole"
    );
    upload.write(b"new").expect("it is written");
    assert_eq!(upload.commit().expect("it lands"), 13);
    assert_eq!(stage.contents("inside"), "something new");
    assert_eq!(stage.names(), ["inside", "sub"]);
}

#[test]
fn uploads_do_not_meet_though_their_numbers_do() {
    let stage = Stage::new();
    let mut uploads: Vec<_> = ["one", "two", "three"]
        .map(|name| (name, stage.store.create(&path(name), &keeping(0)).expect("it begins")))
        .into();
    for (name, upload) in &mut uploads {
        upload.write(name.as_bytes()).expect("it is written");
    }
    for (name, upload) in uploads {
        assert!(upload.keep());
        let upload = stage.store.append_or_create(&path(name), &keeping(0)).expect("it goes on");
        upload.commit().expect("it lands");
        assert_eq!(stage.contents(name), name);
    }
    assert_eq!(stage.names(), ["inside", "one", "sub", "three", "two"]);
}

#[test]
fn an_upload_that_is_dropped_was_never_there() {
    let stage = Stage::new();
    for options in [CreateOptions::default(), keeping(0)] {
        let mut upload = stage.store.create(&path("new"), &options).expect("it begins");
        upload.write(b"something").expect("it is written");
        drop(upload);
        assert_eq!(stage.names(), ["inside", "sub"]);
    }
    let mut upload = stage.store.append_or_create(&path("inside"), &keeping(0)).expect("it begins");
    upload.write(b" and more").expect("it is written");
    drop(upload);
    assert_eq!(stage.contents("inside"), "inside");
}

/// A program that ends in the middle of uploads drops them.
#[test]
fn an_upload_that_is_to_be_kept_is_kept_when_it_is_dropped() {
    let stage = Stage::new();
    let bring = |name: &str, options: &CreateOptions| {
        let upload = stage.store.append_or_create(&path(name), options).expect("it begins");
        let mut upload = upload.with_fate(Fate::Kept);
        upload.write(b"some").expect("it is written");
        upload
    };
    drop(bring("new", &keeping(0)));
    drop(bring("never", &CreateOptions::default()));
    drop(bring("inside", &keeping(0)));
    assert_eq!(stage.store.kept(&path("new")), Some(4));
    drop(bring("new", &keeping(0)).with_fate(Fate::Undone));
    assert_eq!(stage.names(), ["inside", "sub"]);
    assert_eq!(stage.contents("inside"), "insidesome");
    // It has been refused, and is nothing to go on with.
    let mut options = keeping(0);
    options.replace = Replace::No;
    let upload = bring("new", &options);
    fs::write(stage.root().join("new"), "theirs").expect("somebody is faster");
    assert!(matches!(upload.commit(), Err(StoreError::Exists)));
    assert_eq!(stage.names(), ["inside", "new", "sub"]);
}

#[test]
fn an_upload_that_is_kept_is_hidden_and_goes_on() {
    let stage = Stage::new();
    let mut upload = stage.store.create(&path("new"), &keeping(0)).expect("it begins");
    upload.write(b"some").expect("it is written");
    assert!(upload.keep());
    assert!(matches!(stage.store.entry(&path("new")), Err(StoreError::NotFound)));
    assert_eq!(
        stage.store.list(&path("/"), 10).expect("it is read").names(),
        [&b"inside"[..], b"sub"]
    );
    assert_eq!(stage.store.kept(&path("new")), Some(4));

    let beyond = stage.store.create(&path("new"), &keeping(5)).expect_err("there are four bytes");
    assert!(matches!(beyond, StoreError::OffsetBeyondEnd(4)));
    let mut upload = stage.store.create(&path("new"), &keeping(3)).expect("it goes on");
    upload.write(b"ew").expect("it is written");
    assert!(upload.keep());
    let mut upload = stage.store.append_or_create(&path("new"), &keeping(0)).expect("it goes on");
    upload.write(b"here").expect("it is written");
    assert_eq!(upload.commit().expect("it lands"), 9);
    assert_eq!((stage.contents("new"), stage.store.kept(&path("new"))), ("somewhere".into(), None));
    assert_eq!(stage.names(), ["inside", "new", "sub"]);
}

/// The power fails in the middle of uploads; what was kept before is somebody's.
#[test]
fn what_a_crash_has_left_is_swept_when_it_is_old_and_nothing_else_is() {
    let stage = Stage::new();
    stage.put("whole", b"whole").expect("it is written");
    let options = CreateOptions { keep: true, ..CreateOptions::default() };
    let mut kept = stage.store.create(&path("kept"), &options).expect("it begins");
    kept.write(b"begun").expect("there is room");
    assert!(kept.keep());
    fs::create_dir(stage.root().join("deep")).expect("it can be made");
    for name in ["old", "deep/old", "deep/new"] {
        let mut upload =
            stage.store.create(&path(name), &CreateOptions::default()).expect("it begins");
        upload.write(b"lost").expect("there is room");
        std::mem::forget(upload);
    }
    let now = SystemTime::now();
    let age = Duration::from_secs(100_000);
    let left: Vec<_> = [stage.root(), stage.root().join("deep")]
        .iter()
        .flat_map(|directory| fs::read_dir(directory).expect("it is there"))
        .map(|entry| entry.expect("it is there").path())
        .filter(|path| path.is_file())
        .collect();
    assert_eq!(left.len(), 6, "{left:?}");
    // Their numbers are the same, so the second of those in `deep` has the next one.
    for path in left.iter().filter(|path| !path.ends_with(".~upload.0000000000000001")) {
        let file = fs::File::options().append(true).open(path).expect("it is there");
        file.set_modified(now - age).expect("it can be set");
    }
    assert_eq!(stage.store.sweep(now - 2 * age).expect("it may"), 0);
    assert_eq!(stage.store.sweep(now - age / 2).expect("it may"), 2);
    assert_eq!(stage.contents("whole"), "whole");
    assert_eq!(stage.store.kept(&path("kept")), Some(5));
    assert_eq!(fs::read_dir(stage.root().join("deep")).expect("it is there").count(), 1);
    let reader = stage.store.clone().with_access(Access::ReadOnly);
    assert!(matches!(reader.sweep(now), Err(StoreError::ReadOnly)));
}

/// As long as somebody writes, the piece is nobody else's; when they are gone, it is whoever's comes first.
#[cfg(unix)]
#[test]
fn two_uploads_of_one_name_do_not_go_on_with_each_other() {
    let stage = Stage::new();
    let mut first = stage.store.create(&path("new"), &keeping(0)).expect("it begins");
    first.write(b"first").expect("it is written");
    assert_eq!(stage.store.kept(&path("new")), None, "it is being written");
    let busy = stage.store.create(&path("new"), &keeping(2)).expect_err("as before");
    assert!(matches!(busy, StoreError::Busy), "{busy}");
    let mut second = stage.store.create(&path("new"), &keeping(0)).expect("it begins");
    second.write(b"the second").expect("it is written");
    assert!(!second.keep(), "the first is there");
    assert!(matches!(stage.store.remove_directory(&path("/")), Err(StoreError::Denied)));
    assert_eq!(stage.names(), [".~upload.kept.new", "inside", "sub"]);

    // The one that ends early last is what is kept.
    let mut third = stage.store.append_or_create(&path("new"), &keeping(0)).expect("it begins");
    third.write(b"third").expect("it is written");
    assert!(first.keep());
    assert_eq!(stage.store.kept(&path("new")), Some(5));
    assert!(third.keep());
    let mut fourth = stage.store.append_or_create(&path("new"), &keeping(0)).expect("it goes on");
    let fifth = stage.store.append_or_create(&path("new"), &keeping(0)).expect("it begins");
    fourth.write(b" and fourth").expect("it is written");
    fourth.commit().expect("it lands");
    assert_eq!(stage.contents("new"), "third and fourth");
    drop(fifth);
    assert_eq!(stage.names(), ["inside", "new", "sub"]);
}

/// What a program that was killed has left is what a program that is killed would leave.
#[cfg(unix)]
#[test]
fn what_is_written_can_be_gone_on_with_when_the_program_has_been_killed() {
    let stage = Stage::new();
    let long = "n".repeat(255);
    for name in ["new", "sub/new", &long] {
        let mut upload = stage.store.create(&path(name), &keeping(0)).expect("it begins");
        upload.write(b"some").expect("it is written");
        let directory = stage.root().join(name).parent().expect("it has one").to_owned();
        let entries = fs::read_dir(&directory).expect("it is there").flatten();
        let names = entries.map(|entry| entry.path());
        let is_hidden = |path: &std::path::PathBuf| path.to_string_lossy().contains("/.~upload.");
        let piece = names.into_iter().find(is_hidden).expect("it is there");
        // Another file, since the lock goes with the program that has this one.
        let content = fs::read(&piece).expect("it is read");
        drop(upload);
        fs::write(&piece, content).expect("it is written");

        assert_eq!(stage.store.kept(&path(name)), Some(4), "{name}");
        let mut upload = stage.store.create(&path(name), &keeping(3)).expect("it goes on");
        upload.write(b"ewhere").expect("it is written");
        // It is never where nobody finds it.
        assert_eq!(fs::read(&piece).expect("it is there"), b"somewhere");
        upload.commit().expect("it lands");
        assert_eq!(stage.contents(name), "somewhere");
        assert!(!piece.exists());
    }
    // One that is empty is no piece of anything.
    fs::write(stage.root().join(".~upload.kept.other"), "").expect("it is written");
    assert_eq!(stage.store.kept(&path("other")), None);
}

/// Whoever begins anew may have another file by now: no byte of the old one is to be in it.
#[test]
fn an_upload_that_begins_anew_is_what_is_kept() {
    let stage = Stage::new();
    let quota = Arc::new(Quota::new(1_000, 6));
    let store = stage.store.clone().with_quota(Some(Arc::clone(&quota)));
    let bring = |options: &CreateOptions, bytes: &[u8]| {
        let mut upload = store.create(&path("new"), options).expect("it begins");
        upload.write(bytes).expect("it is written");
        upload
    };
    assert!(bring(&keeping(0), b"a long piece").keep());
    assert!(bring(&keeping(0), b"short").keep());
    assert_eq!((store.kept(&path("new")), quota.used()), (Some(5), 11));
    if cfg!(unix) {
        let upload = bring(&CreateOptions { mode: 0o600, ..keeping(0) }, b"mine");
        upload.commit().expect("it lands");
        assert_eq!(store.entry(&path("new")).expect("it is there").mode, 0o600);
        assert_eq!(quota.used(), 10);
        assert_eq!(stage.names(), ["inside", "new", "sub"]);
    }
}

#[cfg(unix)]
#[test]
fn a_link_in_the_place_of_a_piece_leads_nowhere() {
    use std::os::unix::fs::symlink;
    for target in ["inside", "../secret", "nothing", "sub"] {
        let stage = Stage::new();
        let place = stage.root().join(".~upload.kept.new");
        symlink(target, &place).expect("a link");
        assert_eq!(stage.store.kept(&path("new")), None, "{target}");
        assert!(stage.store.create(&path("new"), &keeping(3)).is_err(), "{target}");
        for upload in [
            stage.store.create(&path("new"), &keeping(0)),
            stage.store.append_or_create(&path("new"), &keeping(0)),
        ] {
            let mut upload = upload.expect("it begins elsewhere");
            upload.write(b"broken in").expect("it is written");
            assert!(!upload.keep(), "{target}");
        }
        assert!(place.is_symlink());
        assert_eq!(stage.contents("inside"), "inside");
        assert_eq!(fs::read_to_string(stage.outside.path().join("secret")).expect(target), SECRET);
    }
}

#[cfg(unix)]
#[test]
fn a_directory_in_which_somebody_writes_is_not_empty() {
    let stage = Stage::new();
    let mut upload = stage.store.create(&path("sub/deep/new"), &keeping(0)).expect("it begins");
    upload.write(b"some").expect("it is written");
    let removed = stage.store.remove_directory(&path("sub/deep"));
    assert!(matches!(removed, Err(StoreError::NotEmpty)), "{removed:?}");
    assert!(upload.keep());
    stage.store.remove_directory(&path("sub/deep")).expect("nobody goes on with it any more");
}

#[test]
fn an_upload_goes_on_within_a_file_and_replaces_its_rest_at_the_end() {
    let stage = Stage::new();
    let mut upload = stage.store.create(&path("inside"), &keeping(2)).expect("it goes on");
    upload.write(b"dex").expect("it is written");
    assert_eq!(stage.contents("inside"), "inside");
    upload.commit().expect("it lands");
    assert_eq!(stage.contents("inside"), "index");
    let upload = stage.store.create(&path("inside"), &keeping(9));
    assert!(matches!(upload, Err(StoreError::OffsetBeyondEnd(5))));
    assert_eq!(stage.names(), ["inside", "sub"]);
}

#[test]
fn a_name_that_is_taken_is_not_replaced_if_it_is_not_to_be() {
    let stage = Stage::new();
    let options = CreateOptions { replace: Replace::No, ..CreateOptions::default() };
    assert!(matches!(stage.store.create(&path("inside"), &options), Err(StoreError::Exists)));
    let mut upload = stage.store.create(&path("new"), &options).expect("it is free");
    upload.write(b"mine").expect("it is written");
    fs::write(stage.root().join("new"), "theirs").expect("somebody is faster");
    assert!(matches!(upload.commit(), Err(StoreError::Exists)));
    assert_eq!(stage.contents("new"), "theirs");
    let renamed = stage.store.rename(&path("inside"), &path("new"), Replace::No);
    assert!(matches!(renamed, Err(StoreError::Exists)));
    assert_eq!(stage.names(), ["inside", "new", "sub"]);
}

/// What was written a moment ago is in memory, and what is not there is known not to be.
#[cfg(target_os = "linux")]
#[test]
fn what_is_in_memory_is_opened_without_waiting() {
    let stage = Stage::new();
    std::os::unix::fs::symlink("../inside", stage.root().join("sub/link")).expect("a link");
    let deadline = Instant::now() + Duration::from_secs(30);
    // A rename anywhere on the machine is a reason to ask again.
    let ready = |name: &str| loop {
        let asked = stage.store.read(&path(name)).map(|(_, entry)| entry);
        match (stage.store.read_ready(&path(name)), asked) {
            (None, _) if Instant::now() < deadline => {}
            (None, _) => break None,
            (Some(Ok((file, entry))), Ok(known)) => {
                assert_eq!(entry, known);
                break Some((file, entry));
            }
            (ready, asked) => panic!("{name}: {ready:?}, and {asked:?}"),
        }
    };
    let resolves = rustix::fs::openat2(
        rustix::fs::CWD,
        "/",
        rustix::fs::OFlags::RDONLY,
        rustix::fs::Mode::empty(),
        rustix::fs::ResolveFlags::CACHED,
    );
    if resolves.is_err() {
        return crate::outside::left_out("no openat2 with RESOLVE_CACHED");
    }
    for name in ["inside", "sub/link"] {
        let (file, entry) = ready(name).expect("it was read before");
        assert_eq!(entry.size, 6);
        match bytes_ready(&file, 6).expect("its bytes are there") {
            Ready::Bytes(bytes) => assert_eq!(bytes, stage.contents("inside").as_bytes()),
            Ready::Unknown => eprintln!("this file system is one of memory"),
        }
        assert!(bytes_ready(&file, 7).is_none_or(|ready| matches!(ready, Ready::Unknown)));
    }
    // Without opening it the same is known of it, until something about it is another.
    let again = |name: &str| stage.store.entry_again(&path(name)).expect("it is known");
    let (_, entry) = stage.store.read(&path("inside")).expect("it is there");
    assert_eq!(
        (again("inside"), again("sub/link"), again("nothing")),
        (Some(entry), Some(entry), None)
    );
    stage.store.set_mode(&path("inside"), 0o600).expect("it is ours");
    assert_ne!(again("inside"), Some(entry));
    for name in ["nothing", "../secret", "sub"] {
        let ready = stage.store.read_ready(&path(name));
        let is_refused =
            matches!(ready, None | Some(Err(StoreError::NotFound | StoreError::NotAFile)));
        assert!(is_refused, "{name}: {ready:?}");
    }
}

#[test]
fn what_is_hidden_cannot_be_said() {
    let stage = Stage::new();
    let options = CreateOptions { keep: false, ..keeping(0) };
    let mut upload = stage.store.create(&path("new"), &options).expect("it begins");
    upload.write(b"some").expect("it is written");
    let hidden = ".~upload.0000000000000007";
    assert!(stage.names().contains(&hidden.to_owned()));
    assert!(matches!(stage.store.read(&path(hidden)), Err(StoreError::NotFound)));
    assert!(matches!(stage.store.read_ready(&path(hidden)), Some(Err(StoreError::NotFound))));
    assert!(matches!(stage.store.remove_file(&path(hidden)), Err(StoreError::Denied)));
    assert!(matches!(stage.put(".~upload.mine", b"x"), Err(StoreError::Denied)));
}

#[test]
fn a_store_that_is_read_only_changes_nothing() {
    let stage = Stage::with_access(Access::ReadOnly);
    let refusals = [
        stage.put("new", b"x").map(drop),
        stage.store.append_or_create(&path("inside"), &keeping(0)).map(drop),
        stage.store.remove_file(&path("inside")),
        stage.store.remove_directory(&path("sub/deep")),
        stage.store.create_directory(&path("new"), 0o755),
        stage.store.rename(&path("inside"), &path("new"), Replace::Yes),
        stage.store.set_modified(&path("inside"), SystemTime::UNIX_EPOCH),
        stage.store.set_mode(&path("inside"), 0o600),
    ];
    for refusal in refusals {
        assert!(matches!(refusal, Err(StoreError::ReadOnly)), "{refusal:?}");
    }
    assert_eq!(stage.store.read(&path("inside")).expect("it is read").1.size, 6);
    let opened = stage.store.clone().with_access(Access::ReadWrite);
    assert_eq!(opened.access(), Access::ReadOnly);
}

#[test]
fn each_refusal_says_why() {
    let stage = Stage::new();
    let store = &stage.store;
    assert!(matches!(store.read(&path("sub")), Err(StoreError::NotAFile)));
    assert!(matches!(store.read(&path("nothing")), Err(StoreError::NotFound)));
    assert!(matches!(store.read(&path("inside/x")), Err(StoreError::NotADirectory)));
    assert!(matches!(store.list(&path("inside"), 1), Err(StoreError::NotADirectory)));
    assert!(matches!(store.list(&path("/"), 1), Err(StoreError::TooManyEntries(1))));
    assert!(matches!(store.remove_directory(&path("sub")), Err(StoreError::NotEmpty)));
    assert!(matches!(store.remove_directory(&path("inside")), Err(StoreError::NotADirectory)));
    assert!(matches!(store.remove_directory(&path("/")), Err(StoreError::Denied)));
    assert!(matches!(store.remove_file(&path("sub")), Err(StoreError::NotAFile)));
    assert!(matches!(store.create_directory(&path("sub"), 0o755), Err(StoreError::Exists)));
    assert!(matches!(store.create_directory(&path("/"), 0o755), Err(StoreError::Exists)));
    assert!(matches!(stage.put("sub", b"x"), Err(StoreError::NotAFile)));
    assert!(matches!(stage.put("no/where", b"x"), Err(StoreError::NotFound)));
    assert!(matches!(stage.put(&"x".repeat(256), b"x"), Err(StoreError::Invalid(_))));
}

/// Nobody on the other side of a pipe would hold a thread for ever.
#[cfg(target_os = "linux")]
#[test]
fn a_pipe_is_not_waited_for() {
    let stage = Stage::new();
    let pipe = stage.root().join("pipe");
    match std::process::Command::new("mkfifo").arg(&pipe).status() {
        Ok(status) if status.success() => {}
        _ => return crate::outside::left_out("no mkfifo"),
    }
    assert!(matches!(stage.store.read(&path("pipe")), Err(StoreError::NotAFile)));
    let ready = stage.store.read_ready(&path("pipe"));
    assert!(matches!(ready, None | Some(Err(StoreError::NotAFile))), "{ready:?}");
    let appended = stage.store.append_or_create(&path("pipe"), &keeping(0));
    assert!(appended.is_err(), "{appended:?}");
    assert_eq!(stage.store.entry(&path("pipe")).expect("it is there").kind, Kind::Other);
}

#[test]
fn times_modes_and_names_are_changed() {
    let stage = Stage::new();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for name in ["inside", "sub", "/"] {
        stage.store.set_modified(&path(name), time).expect("it is set");
        assert_eq!(stage.store.entry(&path(name)).expect("it is there").modified, Some(time));
    }
    if cfg!(unix) {
        stage.store.set_mode(&path("inside"), 0o7640).expect("it is set");
        assert_eq!(stage.store.entry(&path("inside")).expect("it is there").mode, 0o640);
    }
    stage.store.create_directory(&path("made"), 0o755).expect("it is made");
    stage.store.rename(&path("inside"), &path("made/moved"), Replace::No).expect("it is moved");
    stage.store.remove_file(&path("made/moved")).expect("it is removed");
    stage.store.remove_directory(&path("made")).expect("it is removed");
    assert_eq!(stage.names(), ["sub"]);
}

#[test]
fn a_home_is_a_root_of_its_own() {
    let stage = Stage::new();
    let home = stage.store.beneath(&path("sub")).expect("it is there");
    assert!(matches!(home.read(&path("../inside")), Err(StoreError::NotFound)));
    assert!(home.entry(&path("deep")).is_ok());
    assert!(matches!(stage.store.beneath(&path("inside")), Err(StoreError::NotADirectory)));
}

#[test]
fn a_quota_counts_what_is_there() {
    let stage = Stage::new();
    let used = stage.store.bytes_used().expect("it is read");
    assert_eq!(used, 6);
    let quota = Arc::new(Quota::new(16, used));
    let store = stage.store.clone().with_quota(Some(Arc::clone(&quota)));
    let stage = Stage { store, ..stage };

    stage.put("new", b"0123456789").expect("it fits");
    assert_eq!(quota.used(), 16);
    assert!(matches!(stage.put("more", b"x"), Err(StoreError::QuotaExceeded)));
    assert_eq!(
        (quota.used(), stage.names().len()),
        (16, 3),
        "what did not fit left nothing behind"
    );
    stage.store.remove_file(&path("inside")).expect("it is removed");
    stage.put("new", b"").expect("less fits");
    assert_eq!(quota.used(), 0);
    let mut upload = stage.store.create(&path("kept"), &keeping(0)).expect("it begins");
    upload.write(b"0123456789").expect("it fits");
    assert!(upload.keep());
    assert_eq!((quota.used(), stage.store.bytes_used().expect("it is read")), (10, 10));
    drop(stage.store.create(&path("kept"), &keeping(5)).expect("it goes on"));
    assert_eq!((quota.used(), stage.store.bytes_used().expect("it is read")), (0, 0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_from_a_quota() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full");
    let error = full.and_then(|mut full| std::io::Write::write_all(&mut full, b"x"));
    assert!(matches!(StoreError::from(error.expect_err("it is full")), StoreError::NoSpace));
}

#[cfg(unix)]
proptest! {
    /// Whatever a name is, it is either refused or the same when it is listed.
    #[test]
    fn names_are_bytes(name in proptest::collection::vec(1_u8..=255, 1..40)) {
        let stage = Stage::new();
        let target = VirtualPath::root().join(&name).expect("no NUL in it");
        let Some(name) = target.name().filter(|_| target.parent().is_root()) else { return Ok(()) };
        if stage.store.create_directory(&target, 0o755).is_ok() {
            let listing = stage.store.list(&VirtualPath::root(), 10).expect("it is read");
            prop_assert!(listing.names().contains(&name.to_vec()));
            let at = listing.names().iter().position(|it| it == name).expect("it is there");
            prop_assert_eq!(listing.get(at).map(|(_, found)| found.entry.kind), Some(Kind::Directory));
        }
    }
}
