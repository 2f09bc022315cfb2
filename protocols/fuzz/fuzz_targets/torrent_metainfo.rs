//! A `.torrent` file: what is read of it holds together, and is the same when it is written anew.
#![no_main]

use std::collections::HashSet;
use std::path::Component;

use libfuzzer_sys::fuzz_target;
use protocols::torrent::MetainfoLimits;
use protocols::torrent::wire::Metainfo;

fuzz_target!(|bytes: &[u8]| {
    let limits = MetainfoLimits::default();
    let Ok(torrent) = Metainfo::parse(bytes, &limits) else {
        return;
    };
    let info = &torrent.info;
    let mut paths = HashSet::new();
    for file in info.files() {
        assert!(file.path.components().all(|part| matches!(part, Component::Normal(_))));
        assert!(paths.insert(&file.path), "two files are one");
        assert!(file.offset + file.length <= info.length());
    }
    let covered: u64 = info.spans(0..info.length()).map(|span| span.length()).sum();
    assert_eq!(covered, info.length());
    let pieces: u64 = (0..info.pieces()).map(|piece| u64::from(info.piece_size(piece))).sum();
    assert_eq!(pieces, info.length());
    let again = Metainfo::parse(&torrent.write(), &limits).expect("it was one");
    assert_eq!(again.info.hash(), info.hash());
    assert_eq!(again.trackers, torrent.trackers);
});
