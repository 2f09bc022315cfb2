//! Blocks go where they belong, come back, and are known again after a restart.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use proptest::prelude::*;
use protocols::store::Access;
use protocols::torrent::MetainfoLimits;
use protocols::torrent::disk::{Allocation, Block, Disk, DiskError, DiskOptions};
use protocols::torrent::wire::Info;
use protocols::torrent::wire::bencode::dictionary;
use reactor::Reactor;
use sha1::{Digest, Sha1};
use tempfile::TempDir;

use crate::outside;

const PIECE: usize = 64;

/// A torrent of these files, with what is in them one behind the other; a name that begins with a dash is padding.
fn torrent(files: &[(&str, usize)]) -> (Arc<Info>, Vec<u8>) {
    let length: usize = files.iter().map(|(_, length)| length).sum();
    let mut content: Vec<u8> = (0..length).map(|at| (at * 7 + at / 251) as u8 | 1).collect();
    let mut at = 0;
    for (name, length) in files {
        if name.starts_with('-') {
            content[at..at + length].fill(0);
        }
        at += length;
    }
    let raw = dictionary(|info| {
        info.list("files", |list| {
            for (name, length) in files {
                list.dictionary(|file| {
                    if name.starts_with('-') {
                        file.bytes("attr", "p");
                    }
                    file.integer("length", *length as i64);
                    file.list("path", |path| name.split('/').for_each(|name| path.bytes(name)));
                });
            }
        });
        info.bytes("name", "top");
        info.integer("piece length", PIECE as i64);
        info.bytes("pieces", content.chunks(PIECE).flat_map(Sha1::digest).collect::<Vec<u8>>());
    });
    let info = Info::parse(Bytes::from(raw), &MetainfoLimits::default()).expect("it is one");
    (Arc::new(info), content)
}

fn five_files() -> (Arc<Info>, Vec<u8>) {
    torrent(&[("a", 100), ("deep/er/b", 30), ("empty", 0), ("-pad", 62), ("c", 70)])
}

struct Scene {
    folder: TempDir,
    info: Arc<Info>,
    content: Vec<u8>,
}

impl Scene {
    fn new((info, content): (Arc<Info>, Vec<u8>)) -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), info, content }
    }

    /// As a program that starts finds it.
    fn disk(&self) -> Disk {
        self.disk_with(DiskOptions::default())
    }

    fn disk_with(&self, options: DiskOptions) -> Disk {
        Disk::open(Arc::clone(&self.info), self.folder.path(), options).expect("a folder")
    }

    fn piece(&self, piece: u32) -> &[u8] {
        self.content.chunks(PIECE).nth(piece as usize).expect("it has such a piece")
    }

    fn write(&self, disk: &Disk, piece: u32) {
        disk.write_now(piece, 0, self.piece(piece)).expect("there is room");
    }

    fn write_all(&self, disk: &Disk) {
        disk.prepare(|_| true).expect("there is room");
        (0..self.info.pieces()).for_each(|piece| self.write(disk, piece));
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("top").join(name)
    }

    fn verified(&self, disk: &Disk) -> Vec<bool> {
        let pieces = 0..self.info.pieces();
        pieces.map(|piece| disk.verify_now(piece).expect("it can be read")).collect()
    }
}

/// So that a file that is written to looks different from one that was written before.
fn age(path: &Path) {
    let file = fs::File::options().write(true).open(path).expect("it is there");
    file.set_modified(SystemTime::now() - Duration::from_secs(100)).expect("it can be set");
}

/// Reading on the loop has to give the same as on the pool, or nothing.
#[test]
fn what_the_system_has_in_memory_is_read_at_once() {
    let scene = Scene::new(five_files());
    scene.write_all(&scene.disk());
    let disk = scene.disk();
    let block = Block { piece: 1, begin: 2, length: 60 };
    let mut bytes = b"before".to_vec();
    assert!(!disk.append_ready(block, &mut bytes), "its files are not open, and are not opened");
    assert_eq!(bytes, b"before");
    let there = disk.read_now(block).expect("it is there");
    if disk.append_ready(block, &mut bytes) {
        assert_eq!(bytes, [b"before", &there[..]].concat());
    } else {
        outside::left_out("no file system that says what it has in memory");
    }
    assert!(
        !disk.append_ready(Block { begin: 5, ..block }, &mut bytes),
        "it is longer than its piece"
    );
}

#[test]
fn pieces_land_in_their_files_and_padding_in_none() {
    let scene = Scene::new(five_files());
    let disk = scene.disk();
    disk.prepare(|_| true).expect("there is room");
    for (piece, begin, length) in [(2, 10, 20), (0, 32, 32), (2, 0, 10), (1, 0, 64), (0, 0, 32)] {
        let data = &scene.piece(piece)[begin as usize..][..length];
        disk.write_now(piece, begin, data).expect("there is room");
    }
    assert_eq!(scene.verified(&disk), [true, true, true, false, false]);
    for piece in 3..5 {
        scene.write(&disk, piece);
    }
    assert_eq!(scene.verified(&disk), [true; 5]);
    assert_eq!(fs::read(scene.path("a")).expect("a file"), scene.content[..100]);
    assert_eq!(fs::read(scene.path("deep/er/b")).expect("a file"), scene.content[100..130]);
    assert_eq!(fs::read(scene.path("c")).expect("a file"), scene.content[192..]);
    assert_eq!(fs::read(scene.path("empty")).expect("a file"), b"");
    assert_eq!(fs::read_dir(scene.path("")).expect("a folder").count(), 4);
}

#[test]
fn what_is_not_there_is_missing_and_not_wrong() {
    let scene = Scene::new(five_files());
    let disk = scene.disk();
    assert_eq!(scene.verified(&disk), [false; 5]);
    let block = Block { piece: 0, begin: 0, length: 64 };
    assert!(matches!(disk.read_now(block), Err(DiskError::Missing { .. })));
    scene.write_all(&disk);
    fs::File::options().write(true).open(scene.path("c")).and_then(|c| c.set_len(69)).expect("set");
    assert!(matches!(scene.disk().hash_now(4), Err(DiskError::Missing { .. })));
}

#[test]
fn many_pieces_are_verified_at_once_until_somebody_has_heard_enough() {
    let scene = Scene::new(five_files());
    let disk = scene.disk();
    [1, 3].into_iter().for_each(|piece| scene.write(&disk, piece));
    let mut right = [None; 5];
    let told = |piece: u32, is_right| {
        right[piece as usize] = Some(is_right);
        ControlFlow::Continue(())
    };
    disk.verify_all([0, 1, 3], told).expect("nothing fails");
    assert_eq!(right, [Some(false), Some(true), None, Some(true), None]);
    let mut told = 0;
    let enough = |_, _| {
        told += 1;
        ControlFlow::Break(())
    };
    disk.verify_all(0..5, enough).expect("nothing fails");
    assert_eq!(told, 1);
}

#[test]
fn a_block_that_the_torrent_does_not_have_is_refused() {
    let scene = Scene::new(five_files());
    let disk = scene.disk();
    for (piece, begin, length) in [(5, 0, 1), (4, 0, 7), (0, 60, 5), (u32::MAX, u32::MAX, u32::MAX)]
    {
        let read = disk.read_now(Block { piece, begin, length });
        assert!(matches!(read, Err(DiskError::NoBlock)), "{read:?}");
    }
    assert!(matches!(disk.write_now(4, 6, b"x"), Err(DiskError::NoBlock)));
    assert!(matches!(disk.file(4), Err(DiskError::NoBlock)));
}

#[test]
fn a_file_that_was_longer_ends_where_it_should() {
    let scene = Scene::new(five_files());
    fs::create_dir(scene.path("")).expect("a folder");
    fs::write(scene.path("a"), [1; 1000]).expect("a file");
    scene.write_all(&scene.disk());
    assert_eq!(fs::read(scene.path("a")).expect("a file"), scene.content[..100]);
}

#[test]
fn nothing_is_made_where_nothing_may_be_written() {
    let scene = Scene::new(five_files());
    let options = DiskOptions { access: Access::ReadOnly, ..DiskOptions::default() };
    let disk = scene.disk_with(options);
    disk.prepare(|_| true).expect("it does nothing");
    disk.remember_now(&[0]).expect("it does nothing");
    assert!(matches!(disk.write_now(0, 0, b"x"), Err(DiskError::Missing { .. })));
    assert_eq!(fs::read_dir(scene.folder.path()).expect("a folder").count(), 0);
    let nowhere = Disk::open(Arc::clone(&scene.info), scene.path("nowhere"), options);
    assert!(matches!(nowhere, Err(DiskError::NoFolder { .. })));
    let file = scene.folder.path().join("file");
    fs::write(&file, b"a file").expect("there is room");
    let in_its_place = Disk::open(Arc::clone(&scene.info), file, DiskOptions::default());
    let why = in_its_place.expect_err("it is no folder").to_string();
    assert!(why.ends_with(": not a directory"), "{why}");
}

#[test]
fn few_files_are_open_and_all_are_written() {
    let names: Vec<_> = (0..500).map(|at| format!("d{}/f{at}", at % 7)).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), 10)).collect();
    let scene = Scene::new(torrent(&files));
    let disk = scene.disk_with(DiskOptions { open_files: 3, ..DiskOptions::default() });
    scene.write_all(&disk);
    assert!(scene.verified(&disk).iter().all(|is_right| *is_right));
}

#[cfg(any(target_os = "linux", target_os = "freebsd"))]
#[test]
fn room_is_taken_beforehand_if_that_is_wanted_and_only_for_what_is() {
    use std::os::unix::fs::MetadataExt;
    let scene = Scene::new(torrent(&[("a", 100_000), ("b", 100_000)]));
    let room = |name: &str| fs::metadata(scene.path(name)).map_or(0, |it| it.blocks() * 512);
    scene.disk().prepare(|_| true).expect("there is room");
    assert_eq!((room("a"), room("b")), (0, 0));
    let options = DiskOptions { allocation: Allocation::Full, ..DiskOptions::default() };
    scene.disk_with(options).prepare(|file| file == 1).expect("there is room");
    assert!(room("a") == 0 && room("b") >= 100_000, "{} {}", room("a"), room("b"));
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_out_is_not_followed() {
    let scene = Scene::new(five_files());
    let outside = tempfile::tempdir().expect("a folder");
    fs::create_dir(scene.path("")).expect("a folder");
    std::os::unix::fs::symlink(outside.path(), scene.path("deep")).expect("a link");
    fs::write(outside.path().join("a"), [7; 100]).expect("a file");
    std::os::unix::fs::symlink(outside.path().join("a"), scene.path("a")).expect("a link");
    let disk = scene.disk();
    assert!(matches!(disk.write_now(0, 0, b"x"), Err(DiskError::Failed { .. })));
    assert!(matches!(disk.write_now(1, 40, b"x"), Err(DiskError::Failed { .. })));
    assert!(matches!(disk.file(0), Err(DiskError::Failed { .. })));
    assert_eq!(fs::read(outside.path().join("a")).expect("a file"), [7; 100]);
}

#[test]
fn a_start_knows_what_the_run_before_has_written_down() {
    let scene = Scene::new(five_files());
    let disk = scene.disk();
    assert_eq!(disk.resume().map(|it| (it.have, it.doubtful)).expect("known"), (vec![0], vec![]));
    [0, 1, 4].iter().for_each(|piece| scene.write(&disk, *piece));
    disk.remember_now(&[0b1100_1000]).expect("there is room");
    let again = scene.disk().resume().expect("known");
    assert_eq!((again.have, again.doubtful), (vec![0b1100_1000], vec![]));
    disk.forget_now().expect("it can be removed");
    disk.forget_now().expect("there is none");
    let again = scene.disk().resume().expect("known");
    assert_eq!((again.have, again.doubtful), (vec![0], vec![0, 1, 2, 3, 4]));
}

#[test]
fn what_was_touched_since_is_verified_anew_and_only_that() {
    let scene = Scene::new(five_files());
    let disk = scene.disk();
    scene.write_all(&disk);
    ["a", "deep/er/b", "c"].iter().for_each(|name| age(&scene.path(name)));
    disk.remember_now(&[0b1111_1000]).expect("there is room");
    // As a program that is killed in the middle leaves it: something more was written, and not written down.
    disk.write_now(3, 0, b"wrong").expect("there is room");
    let again = scene.disk().resume().expect("known");
    assert_eq!((again.have, again.doubtful), (vec![0b1110_0000], vec![3, 4]));
    fs::remove_file(scene.path("a")).expect("it was there");
    let again = scene.disk().resume().expect("known");
    assert_eq!((again.have, again.doubtful), (vec![0b0010_0000], vec![3, 4]));
}

#[test]
fn what_was_written_down_by_nobody_is_not_believed() {
    let scene = Scene::new(five_files());
    scene.write_all(&scene.disk());
    let record = scene.folder.path().join(format!(".~torrent.{}", scene.info.hash()));
    let long = vec![b'l'; 100_000];
    for text in [&b""[..], b"de", b"d5:filesle4:have1:\xffe", b"d4:have1:\xffe", &long] {
        fs::write(&record, text).expect("there is room");
        let resumed = scene.disk().resume().expect("known");
        assert_eq!((resumed.have, resumed.doubtful.len()), (vec![0], 5), "{}", text.escape_ascii());
    }
}

#[test]
fn the_loop_is_called_back_when_the_pool_has_done_it() {
    let scene = Scene::new(five_files());
    let disk = scene.disk();
    let (piece, data) = (1, Bytes::copy_from_slice(scene.piece(1)));
    let mut reactor = Reactor::<Vec<String>>::new().expect("a loop");
    let (again, expected) = (disk.clone(), data.clone());
    disk.write(reactor.registry(), piece, 0, data, move |registry, log, written| {
        log.push(format!("written: {written:?}"));
        let third = again.clone();
        let verified = move |registry: &mut reactor::Registry<_>, log: &mut Vec<String>, right| {
            log.push(format!("right: {right:?}"));
            let block = Block { piece, begin: 0, length: 64 };
            third
                .read(registry, block, move |registry, log: &mut Vec<String>, read| {
                    log.push(format!("same: {}", read.is_ok_and(|data| data == expected)));
                    registry.shutdown(Duration::ZERO);
                })
                .expect("the pool has time");
        };
        again.verify(registry, piece, verified).expect("the pool has time");
    })
    .expect("the pool has time");
    let mut log = Vec::new();
    reactor.run(&mut log).expect("the loop runs");
    assert_eq!(log, ["written: Ok(())", "right: Ok(true)", "same: true"]);
}

#[test]
fn a_block_that_could_not_be_written_comes_back() {
    let scene = Scene::new(five_files());
    fs::write(scene.folder.path().join("top"), b"a file where the folder should be")
        .expect("a file");
    let disk = scene.disk();
    let mut reactor = Reactor::<Option<Bytes>>::new().expect("a loop");
    let data = Bytes::from_static(b"block");
    disk.write(reactor.registry(), 0, 0, data, |registry, app: &mut Option<Bytes>, written| {
        *app = written.map_err(|failed| failed.data).err();
        registry.shutdown(Duration::ZERO);
    })
    .expect("the pool has time");
    let mut app = None;
    reactor.run(&mut app).expect("the loop runs");
    assert_eq!(app.as_deref(), Some(&b"block"[..]));
}

/// On a file system that is as small as it can be, if this machine lets us have one.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_to_be_and_goes_on_when_there_is_room() {
    let scene = Scene::new(torrent(&[("a", 1 << 18)]));
    let mount = |arguments: &[&str]| {
        let mut command = std::process::Command::new(arguments[0]);
        command.args(&arguments[1..]).arg(scene.folder.path());
        command.output().is_ok_and(|output| output.status.success())
    };
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs"]) {
        return outside::left_out("no tmpfs can be mounted here");
    }
    let disk = scene.disk();
    let whole = DiskOptions { allocation: Allocation::Full, ..DiskOptions::default() };
    let refused = scene.disk_with(whole).prepare(|_| true);
    let write = |piece: u32| disk.write_now(piece, 0, scene.piece(piece));
    let failed = (0..scene.info.pieces()).find_map(|piece| Some((piece, write(piece).err()?)));
    let enlarged = mount(&["mount", "-o", "remount,size=1M"]);
    let (piece, error) = failed.expect("it is too small");
    let again = (piece..scene.info.pieces()).try_for_each(write);
    let verified = scene.verified(&disk);
    drop(disk);
    let unmounted = mount(&["umount"]);
    assert!(matches!(refused, Err(DiskError::Full { .. })), "{refused:?}");
    assert!(matches!(error, DiskError::Full { .. }), "{error:?}");
    assert!(again.is_ok(), "{again:?}");
    assert!(verified.iter().all(|is_right| *is_right));
    assert!(enlarged && unmounted);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_is_written_in_whatever_parts_is_read_back(
        lengths in proptest::collection::vec((0..150_usize, any::<bool>()), 1..6),
        cuts in proptest::collection::vec(1..64_usize, 1..6),
        order in any::<prop::sample::Index>(),
    ) {
        let names: Vec<_> =
            lengths.iter().enumerate().map(|(at, (_, pad))| format!("{}{at}", if *pad { "-" } else { "f" })).collect();
        let mut files: Vec<_> = names.iter().map(String::as_str).zip(lengths.iter().map(|it| it.0)).collect();
        files.push(("last", 1));
        let scene = Scene::new(torrent(&files));
        let disk = scene.disk_with(DiskOptions { open_files: 2, ..DiskOptions::default() });
        let mut blocks = Vec::new();
        for piece in 0..scene.info.pieces() {
            let (mut begin, mut cut) = (0, cuts.iter().cycle());
            while begin < scene.piece(piece).len() {
                let length = cut.next().copied().unwrap_or(1).min(scene.piece(piece).len() - begin);
                blocks.push((piece, begin, length));
                begin += length;
            }
        }
        let first = order.index(blocks.len());
        blocks.rotate_left(first);
        for (piece, begin, length) in &blocks {
            let data = &scene.piece(*piece)[*begin..begin + length];
            disk.write_now(*piece, *begin as u32, data).expect("there is room");
        }
        prop_assert!(scene.verified(&disk).iter().all(|is_right| *is_right));
        for (piece, begin, length) in blocks {
            let block = Block { piece, begin: begin as u32, length: length as u32 };
            prop_assert_eq!(&disk.read_now(block).expect("it is there"), &scene.piece(piece)[begin..begin + length]);
        }
    }
}
