//! TFTP on real sockets and real files, our client and our server.

use std::time::Duration;

use protocols::transfer::store::{Access, Replace};
use protocols::transfer::tftp::{ClientOptions, Code, Failure, Limits, Mode, NotBegun, Options};

use crate::kit::noise;
use crate::tftp_stage::Stage;

fn plain() -> ClientOptions {
    ClientOptions { options: Options::default(), ..ClientOptions::default() }
}

fn refused(code: Code) -> impl Fn(Result<Vec<u8>, Failure>) -> bool {
    move |outcome| matches!(outcome, Err(Failure::Refused { code: found, .. }) if found == code)
}

#[test]
fn files_of_every_length_around_a_block_arrive_whole_both_ways() {
    let mut stage = Stage::new();
    for options in [plain(), ClientOptions::default()] {
        let block = usize::from(options.options.block_size.unwrap_or(512));
        let lengths = [0, 1, block - 1, block, block + 1, 16 * block, 16 * block + 1, 300_000];
        for (index, length) in lengths.into_iter().enumerate() {
            let bytes = noise(length);
            stage.place("down", &bytes);
            assert!(stage.fetched("down", &options) == Ok(bytes.clone()), "{length}");
            let name = format!("up-{block}-{index}");
            let id = stage.put(&name, &bytes, &options);
            assert_eq!(stage.outcome(id), Ok(length as u64));
            assert!(std::fs::read(stage.path(&name)).expect("it is there") == bytes, "{length}");
        }
    }
    let counters = *stage.world.counters();
    assert_eq!((counters.sent, counters.received, counters.failed), (16, 16, 0));
    assert_eq!(counters.sent_bytes, counters.received_bytes);
}

/// Blocks of 8 bytes, so that their numbers begin again.
#[test]
fn a_file_of_more_than_65_535_blocks_arrives_whole_both_ways() {
    let mut stage = Stage::new();
    let bytes = noise(8 * 66_000 + 5);
    stage.place("long", &bytes);
    let options = Options { block_size: Some(8), window: Some(64), ..Options::default() };
    let options = ClientOptions { options, ..ClientOptions::default() };
    assert!(stage.fetched("long", &options) == Ok(bytes.clone()));
    let id = stage.put("up", &bytes, &options);
    assert_eq!(stage.outcome(id), Ok(bytes.len() as u64));
    assert!(std::fs::read(stage.path("up")).expect("it is there") == bytes);
}

#[test]
fn client_and_server_agree_on_what_both_want() {
    let limits = Limits::default();
    let mut stage = Stage::new();
    stage.place("file", &noise(100_000));
    let (id, _) = stage.get("file", &ClientOptions::default());
    assert_eq!(stage.outcome(id), Ok(100_000));
    let terms = stage.world.agreed[&id];
    assert_eq!((terms.block_size, terms.window, terms.size), (1_428, 16, Some(100_000)));
    assert_eq!(stage.world.progress[&id], 100_000);

    let greedy =
        Options { block_size: Some(65_464), window: Some(60_000), timeout: Some(2), size: Some(0) };
    let (id, _) = stage.get("file", &ClientOptions { options: greedy, ..ClientOptions::default() });
    assert_eq!(stage.outcome(id), Ok(100_000));
    let terms = stage.world.agreed[&id];
    assert_eq!(u32::from(terms.window), limits.bounds.window_bytes / 65_464);
    assert_eq!(terms.timeout, Some(Duration::from_secs(2)));

    let (id, _) = stage.get("file", &plain());
    assert_eq!(stage.outcome(id), Ok(100_000));
}

/// RFC 7440 lets a server grant less, and some firmware asks for more than it can take.
#[test]
fn a_window_has_sixteen_blocks_at_most_unless_more_are_set_up() {
    for (most, granted) in [(None, 16), (Some(682), 682)] {
        let mut limits = Limits::default();
        if let Some(most) = most {
            limits.bounds.window = most;
            limits.bounds.window_bytes = 1 << 20;
        }
        let mut stage = Stage::with(limits, Access::ReadOnly, Replace::No);
        stage.place("file", &noise(1_000_000));
        let options = Options { window: Some(682), block_size: Some(512), ..Options::default() };
        let options = ClientOptions { options, ..ClientOptions::default() };
        let (id, sink) = stage.get("file", &options);
        assert_eq!(stage.outcome(id), Ok(1_000_000));
        assert_eq!(stage.world.agreed[&id].window, granted);
        assert!(sink.bytes() == noise(1_000_000));
    }
}

#[test]
fn text_is_carried_with_the_line_ends_of_telnet() {
    let mut stage = Stage::new();
    let text = "line\nreturn\rboth\r\n".repeat(100);
    stage.place("text", text.as_bytes());
    for options in [plain(), ClientOptions::default()] {
        let netascii = ClientOptions { mode: Mode::Netascii, ..options };
        assert_eq!(stage.fetched("text", &netascii), Ok(text.clone().into_bytes()));
        let name = format!("up-{:?}", netascii.options.window);
        let id = stage.put(&name, text.as_bytes(), &netascii);
        // On the wire it is longer.
        assert_eq!(stage.outcome(id), Ok(text.len() as u64 + 400));
        assert_eq!(std::fs::read(stage.path(&name)).expect("it is there"), text.as_bytes());
    }
}

#[test]
fn names_may_be_anything_and_lead_nowhere_outside() {
    let mut stage = Stage::new();
    std::fs::create_dir(stage.path("sub dir")).expect("it can be made");
    for name in ["a b", "it's \"quoted\"", "grün", "two\nlines", "sub dir/x", "C:\\x"] {
        stage.place(name, name.as_bytes());
        assert_eq!(stage.fetched(name, &plain()), Ok(name.as_bytes().to_vec()));
        let rooted = format!("/../../{name}");
        assert_eq!(stage.fetched(&rooted, &plain()), Ok(name.as_bytes().to_vec()));
    }
    let outside = tempfile::NamedTempFile::new().expect("a file");
    let not_found = refused(Code::NotFound);
    let path = outside.path().to_str().expect("it is text").to_owned();
    assert!(not_found(stage.fetched(&path, &plain())));
    assert!(not_found(stage.fetched(&format!("../../../../../{path}"), &plain())));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(outside.path(), stage.path("link")).expect("it can be made");
        let outcome = stage.fetched("link", &plain());
        assert!(matches!(outcome, Err(Failure::Refused { .. })), "{outcome:?}");
    }
}

#[test]
fn what_cannot_be_sent_is_refused_with_the_code_for_it() {
    let mut stage = Stage::new();
    std::fs::create_dir(stage.path("directory")).expect("it can be made");
    assert!(refused(Code::NotFound)(stage.fetched("missing", &plain())));
    assert!(refused(Code::AccessViolation)(stage.fetched("directory", &plain())));
    assert_eq!(stage.world.counters().refused, 2);
}

#[test]
fn a_server_for_reading_takes_no_file_and_another_replaces_none() {
    let mut stage = Stage::with(Limits::default(), Access::ReadOnly, Replace::No);
    let id = stage.put("new", b"bytes", &plain());
    assert!(refused(Code::AccessViolation)(stage.outcome(id).map(|_| Vec::new())));
    drop(stage);

    let mut stage = Stage::new();
    stage.place("there", b"old");
    let id = stage.put("there", b"new", &plain());
    assert!(refused(Code::FileExists)(stage.outcome(id).map(|_| Vec::new())));
    assert_eq!(std::fs::read(stage.path("there")).expect("it is there"), b"old");
    drop(stage);

    let mut stage = Stage::with(Limits::default(), Access::ReadWrite, Replace::Yes);
    stage.place("there", b"old");
    let id = stage.put("there", b"new", &plain());
    assert_eq!(stage.outcome(id), Ok(3));
    assert_eq!(std::fs::read(stage.path("there")).expect("it is there"), b"new");
}

/// One that says how long it is, and one that does not.
#[test]
fn a_file_that_is_too_long_is_refused_and_leaves_nothing() {
    let limits = Limits { file: 10_000, ..Limits::default() };
    let mut stage = Stage::with(limits, Access::ReadWrite, Replace::No);
    for options in [plain(), ClientOptions::default()] {
        let id = stage.put("long", &noise(10_001), &options);
        assert!(refused(Code::DiskFull)(stage.outcome(id).map(|_| Vec::new())));
        assert!(!stage.path("long").exists());
        let id = stage.put(&format!("fits-{:?}", options.options.size), &noise(10_000), &options);
        assert_eq!(stage.outcome(id), Ok(10_000));
    }
}

#[test]
fn a_client_fetches_no_more_than_it_wants() {
    let mut stage = Stage::new();
    stage.place("file", &noise(10_001));
    for options in [plain(), ClientOptions::default()] {
        let options = ClientOptions { longest: 10_000, ..options };
        assert_eq!(stage.fetched("file", &options), Err(Failure::TooLong(10_000)));
    }
}

#[test]
fn places_are_limited_for_each_source_and_come_free_again() {
    let limits = Limits { transfers_per_source: 2, ..Limits::default() };
    let mut stage = Stage::with(limits, Access::ReadOnly, Replace::No);
    stage.place("file", &noise(3_000_000));
    let running = [(); 2].map(|()| stage.get("file", &ClientOptions::default()).0);
    stage.until("both are under way", |world| world.agreed.len() == 2);
    assert!(refused(Code::Undefined)(stage.fetched("file", &plain())));
    for id in running {
        assert_eq!(stage.outcome(id), Ok(3_000_000));
    }
    stage.until("the places are free", |world| world.counters().open == 0);
    stage.place("small", b"small");
    assert_eq!(stage.fetched("small", &plain()), Ok(b"small".to_vec()));
}

#[test]
fn many_transfers_at_once_do_not_mix() {
    let mut stage = Stage::new();
    let files: Vec<_> = (0..24).map(|index| noise(50_000 + index * 1_000)).collect();
    for (index, bytes) in files.iter().enumerate() {
        stage.place(&format!("down{index}"), bytes);
    }
    let gets: Vec<_> = (0..12)
        .map(|index| stage.get(&format!("down{index}"), &ClientOptions::default()))
        .collect();
    let puts: Vec<_> = (12..24)
        .map(|index| stage.put(&format!("up{index}"), &files[index], &ClientOptions::default()))
        .collect();
    for (index, (id, sink)) in gets.into_iter().enumerate() {
        assert_eq!(stage.outcome(id), Ok(files[index].len() as u64));
        assert!(sink.bytes() == files[index]);
    }
    for (index, id) in puts.into_iter().enumerate() {
        assert_eq!(stage.outcome(id), Ok(files[index + 12].len() as u64));
        let name = format!("up{}", index + 12);
        assert!(std::fs::read(stage.path(&name)).expect("it is there") == files[index + 12]);
    }
}

#[test]
fn names_that_no_request_has_room_for_are_refused_at_once() {
    let mut stage = Stage::new();
    let server = stage.server.clone();
    let mut begin = |name: &[u8]| {
        let sink = std::io::sink();
        let registry = stage.reactor.registry();
        protocols::transfer::tftp::get(registry, server.clone(), name, sink, &plain())
    };
    assert!(matches!(begin(b""), Err(NotBegun::Name)));
    assert!(matches!(begin(b"a\0b"), Err(NotBegun::Name)));
    assert!(matches!(begin(&[b'a'; 3_000]), Err(NotBegun::LongName)));
}

#[test]
fn a_transfer_that_is_given_up_leaves_nothing() {
    let mut stage = Stage::new();
    stage.place("file", &noise(5_000_000));
    let (down, _) = stage.get("file", &plain());
    let up = stage.put("up", &noise(5_000_000), &plain());
    stage.until("both are under way", |world| world.progress.len() == 2);
    for id in [down, up] {
        stage.reactor.registry().close_socket(id).expect("it is there");
        assert_eq!(stage.outcome(id), Err(Failure::Cancelled));
    }
    // The rest is seen to by shutting down: the server says goodbye, and the upload is gone.
}
