//! Torrents are made of files that are there, and found right again.

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use protocols::torrent::disk::{Disk, DiskOptions};
use protocols::torrent::wire::{Layout, Metainfo};
use protocols::torrent::{CreateError, Draft, MetainfoLimits};
use tempfile::TempDir;

fn on(_: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn tree(files: &[(&str, &[u8])]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("top");
    fs::create_dir(&root).expect("a folder");
    for (name, content) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("it is in one")).expect("a folder");
        fs::write(path, content).expect("a file");
    }
    (folder, root)
}

#[test]
fn what_is_made_of_a_folder_is_right_about_it() {
    let large = vec![7; 40_000];
    let (folder, root) = tree(&[("b", &large), ("a/.c", b"c"), ("a.b", b""), ("a/ä", b"x")]);
    let mut told = Vec::new();
    let draft = Draft::of(&root).expect("it can be read");
    let torrent = draft
        .hash(|done| {
            told.push(done);
            ControlFlow::Continue(())
        })
        .expect("it can be read");
    assert_eq!((draft.length(), told.len(), told.last()), (40_002, 3, Some(&40_002)));
    let torrent = Metainfo::parse(&torrent.write(), &MetainfoLimits::default()).expect("it is one");
    let paths: Vec<_> = torrent.info.files().iter().map(|file| &*file.path).collect();
    assert_eq!(paths, ["top/a/.c", "top/a/ä", "top/a.b", "top/b"].map(std::path::Path::new));
    let disk = Disk::open(Arc::new(torrent.info), folder.path(), DiskOptions::default());
    let disk = disk.expect("it is there");
    assert!((0..3).all(|piece| disk.verify_now(piece).expect("it can be read")));
}

#[test]
fn the_same_files_make_the_same_torrent() {
    let files: [(&str, &[u8]); 3] = [("z", b"1"), ("a/b", b"2"), ("a!", b"3")];
    let made = |files: &[(&str, &[u8])]| {
        let (_folder, root) = tree(files);
        Draft::of(root).and_then(|draft| draft.hash(on)).expect("it can be read").info.hash()
    };
    let mut other = files;
    other.reverse();
    assert_eq!(made(&files), made(&other));
}

#[test]
fn a_single_file_has_no_folder_and_libtorrent_has_the_same_hash() {
    let (_folder, root) = tree(&[("film", b"hello torrent")]);
    let draft = Draft::of(root.join("film")).expect("it can be read");
    let torrent = draft.hash(on).expect("it can be read");
    assert_eq!(torrent.info.layout(), Layout::Single);
    // libtorrent 2.1: create_torrent of one file with these bytes, v1_only, pieces of 16 KiB.
    assert_eq!(torrent.info.hash().to_string(), "640b4056e28e2a43c9c847f07d913a89021b2950");
    let private = draft.private(true).hash(on).expect("it can be read");
    assert!(private.info.is_private() && private.info.hash() != torrent.info.hash());
}

#[test]
fn pieces_are_as_long_as_they_are_told_to_be() {
    let (_folder, root) = tree(&[("a", &[1; 100_000])]);
    let draft = Draft::of(root).expect("it can be read");
    assert_eq!(draft.piece_length(), 16 << 10);
    let draft = draft.with_piece_length(64 << 10).expect("it is a power of two");
    assert_eq!(draft.hash(on).map(|it| it.info.pieces()).expect("it can be read"), 2);
    for length in [0, 1, 8 << 10, 48 << 10, 128 << 20, u32::MAX] {
        let refused = draft.clone().with_piece_length(length);
        assert!(matches!(refused, Err(CreateError::PieceLength(refused)) if refused == length));
    }
}

#[test]
fn what_no_torrent_can_be_made_of_is_refused() {
    let (folder, root) = tree(&[("empty", b""), ("empty too", b"")]);
    assert!(matches!(Draft::of(&root), Err(CreateError::Nothing)));
    assert!(matches!(Draft::of(folder.path().join("nowhere")), Err(CreateError::Io { .. })));
    assert!(matches!(Draft::of("/"), Err(CreateError::NoName { .. })));
}

#[test]
fn it_can_be_stopped() {
    let (_folder, root) = tree(&[("a", &[1; 100_000])]);
    let stopped = Draft::of(root).expect("it can be read").hash(|_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(CreateError::Stopped)));
}

#[test]
fn a_file_that_changes_meanwhile_is_not_shared() {
    let (_folder, root) = tree(&[("a", &[1; 100_000]), ("b", b"b")]);
    let draft = Draft::of(&root).expect("it can be read");
    fs::write(root.join("b"), b"longer").expect("a file");
    assert!(matches!(draft.hash(on), Err(CreateError::Changed { .. })));
    fs::write(root.join("b"), b"").expect("a file");
    assert!(matches!(draft.hash(on), Err(CreateError::Disk(_))));
}

#[cfg(unix)]
#[test]
fn links_and_pipes_are_left_out_and_programs_stay_programs() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, root) = tree(&[("run", b"#!/bin/sh\n"), (".~torrent.x", b"ours")]);
    fs::set_permissions(root.join("run"), fs::Permissions::from_mode(0o755)).expect("it is ours");
    std::os::unix::fs::symlink("/etc", root.join("link")).expect("a link");
    let draft = Draft::of(&root).expect("it can be read");
    assert_eq!(draft.skipped().len(), 2);
    let torrent = draft.hash(on).expect("it can be read");
    let files: Vec<_> = torrent.info.files().iter().map(|it| (it.length, it.executable)).collect();
    assert_eq!(files, [(10, true)]);
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_text_are_refused() {
    use std::os::unix::ffi::OsStrExt;
    let (_folder, root) = tree(&[]);
    let name = std::ffi::OsStr::from_bytes(b"\xe4");
    fs::write(root.join(name), b"x").expect("a file");
    assert!(matches!(Draft::of(&root), Err(CreateError::NotUtf8 { .. })));
}
