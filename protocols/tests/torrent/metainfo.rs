//! Torrents as their makers write them, and as nobody should.

use bytes::Bytes;
use proptest::prelude::*;
use protocols::torrent::wire::bencode::{Dictionary, List, NoBencode, dictionary};
use protocols::torrent::wire::{
    Info, InfoError, Layout, Metainfo, MetainfoError, NameRule, NoPath, Span,
};
use protocols::torrent::{InfoHash, MetainfoLimits};

const PIECE: i64 = 16384;

fn hashes(pieces: usize) -> Vec<u8> {
    (0..pieces).flat_map(|piece| [piece as u8; 20]).collect()
}

fn limits() -> MetainfoLimits {
    MetainfoLimits { files: 10, ..MetainfoLimits::default() }
}

fn parsed(raw: Vec<u8>) -> Result<Info, InfoError> {
    Info::parse_named(Bytes::from(raw), &limits(), NameRule::Unix)
}

fn single(length: i64, piece_length: i64, pieces: usize) -> Vec<u8> {
    dictionary(|info| {
        info.integer("length", length);
        info.bytes("name", "a");
        info.integer("piece length", piece_length);
        info.bytes("pieces", hashes(pieces));
    })
}

/// A torrent of one piece with files in a folder.
fn folder(files: impl FnOnce(&mut List<'_>)) -> Vec<u8> {
    dictionary(|info| {
        info.list("files", files);
        info.bytes("name", "top");
        info.integer("piece length", PIECE);
        info.bytes("pieces", hashes(1));
    })
}

fn file(list: &mut List<'_>, attributes: &str, length: i64, path: &[&str]) {
    list.dictionary(|file: &mut Dictionary<'_>| {
        if !attributes.is_empty() {
            file.bytes("attr", attributes);
        }
        file.integer("length", length);
        file.list("path", |names| path.iter().for_each(|name| names.bytes(name)));
    });
}

fn paths(info: &Info) -> Vec<&str> {
    info.files().iter().map(|file| file.path.to_str().expect("it is text")).collect()
}

#[test]
fn a_single_file_has_pieces_the_last_of_which_is_short() {
    let info = parsed(single(40_000, PIECE, 3)).expect("it is one");
    assert_eq!((info.layout(), info.pieces(), info.length()), (Layout::Single, 3, 40_000));
    assert_eq!([0, 1, 2, 3].map(|piece| info.piece_size(piece)), [16384, 16384, 7232, 0]);
    assert_eq!(info.piece_hash(2), Some([2; 20]));
    assert_eq!(info.piece_hash(3), None);
    assert_eq!(info.block(2, 7000, 232), Some(39_768..40_000));
    assert_eq!(info.block(2, 7000, 233), None);
    assert_eq!(info.block(u32::MAX, u32::MAX, u32::MAX), None);
    assert_eq!((info.name().to_str(), paths(&info)), (Some("a"), vec!["a"]));
    assert!(!info.is_private());
}

#[test]
fn many_files_lie_behind_each_other_and_padding_is_in_none() {
    let raw = folder(|list| {
        file(list, "", 10, &["b", "c"]);
        file(list, "", 0, &["empty"]);
        file(list, "p", 90, &[".pad", "90"]);
        file(list, "x", 100, &["run"]);
        file(list, "l", 7, &["link"]);
        file(list, "", 0, &["end"]);
    });
    let info = parsed(raw).expect("it is one");
    assert_eq!((info.layout(), info.length()), (Layout::Folder, 200));
    assert_eq!(paths(&info), ["top/b/c", "top/empty", "top/run", "top/end"]);
    assert_eq!([0, 2].map(|at| info.files()[at].executable), [false, true]);
    assert_eq!(
        info.spans(5..120).collect::<Vec<_>>(),
        [
            Span::File { file: 0, offset: 5, length: 5 },
            Span::Padding { length: 90 },
            Span::File { file: 2, offset: 0, length: 20 },
        ]
    );
    assert_eq!(info.spans(150..999).map(|span| span.length()).sum::<u64>(), 50);
    let needed: Vec<_> = info.files().iter().map(|file| info.pieces_of(file)).collect();
    assert_eq!(needed, [0..1, 0..0, 0..1, 0..0]);
}

#[test]
fn a_torrent_of_empty_files_has_no_pieces() {
    let info = parsed(single(0, PIECE, 0)).expect("it is one");
    assert_eq!((info.pieces(), info.spans(0..9).count(), info.files().len()), (0, 0, 1));
}

#[test]
fn the_hash_is_of_the_bytes_as_they_came() {
    // Unsorted, with a key twice and numbers that nobody should write so: libtorrent 2.1 computes the same hash.
    let raw =
        b"d4:name1:a4:name1:b6:lengthi05e12:piece lengthi16384e6:pieces20:xxxxxxxxxxxxxxxxxxxxe";
    let info = parsed(raw.to_vec()).expect("it is one");
    assert_eq!((info.hash(), info.raw()), (InfoHash::of(raw), &Bytes::from_static(raw)));
    assert_eq!((paths(&info), info.length()), (vec!["a"], 5));
    let plain = b"d6:lengthi5e4:name1:a12:piece lengthi16384e6:pieces20:xxxxxxxxxxxxxxxxxxxxe";
    let hash = parsed(plain.to_vec()).expect("it is one").hash();
    assert_eq!(hash.to_string(), "084b9725ed8700c6026b7ecf16d797b9d5989eb9", "as libtorrent says");
}

#[test]
fn names_that_were_written_in_utf_8_too_are_read_so() {
    let raw = dictionary(|info| {
        info.list("files", |list| {
            list.dictionary(|file| {
                file.integer("length", 5);
                file.list("path", |names| names.bytes(b"\xe4"));
                file.list("path.utf-8", |names| names.bytes("ä"));
            });
        });
        info.bytes("name", b"\xf6");
        info.bytes("name.utf-8", "ö");
        info.integer("piece length", PIECE);
        info.bytes("pieces", hashes(1));
    });
    assert_eq!(paths(&parsed(raw).expect("it is one")), ["ö/ä"]);
}

#[test]
fn no_file_is_outside_of_its_folder_and_no_two_are_the_same() {
    let raw = dictionary(|info| {
        info.list("files", |list| {
            file(list, "", 1, &["..", "..", "etc", "passwd"]);
            file(list, "", 1, &["/etc/passwd"]);
            file(list, "", 1, &["a\0b"]);
            file(list, "", 1, &["twice"]);
            file(list, "", 1, &["twice"]);
            file(list, "", 1, &["TWICE"]);
            file(list, "", 1, &["twice", "deeper"]);
            file(list, "", 1, &[""]);
        });
        info.bytes("name", "..");
        info.integer("piece length", PIECE);
        info.bytes("pieces", hashes(1));
    });
    let shown = |rule| {
        let info = Info::parse_named(Bytes::from(raw.clone()), &limits(), rule).expect("it is one");
        paths(&info).join(" | ")
    };
    assert_eq!(
        shown(NameRule::Unix),
        "_/_/_/etc/passwd | _/_etc_passwd | _/a_b | _/twice | _/twice (2) | _/TWICE \
         | _/twice (3)/deeper | _/_ (2)"
    );
    assert_eq!(
        shown(NameRule::Windows),
        "_/_/_/etc/passwd | _/_etc_passwd | _/a_b | _/twice | _/twice (2) | _/TWICE (3) \
         | _/twice (4)/deeper | _/_ (2)"
    );
}

#[test]
fn what_is_no_info_dictionary_is_refused_with_the_reason() {
    let without = |missing: &'static str| {
        dictionary(|info| {
            for (key, value) in
                [("length", &b"i5e"[..]), ("name", b"1:a"), ("piece length", b"i16384e")]
            {
                if key != missing {
                    info.raw(key, value);
                }
            }
            if missing != "pieces" {
                info.bytes("pieces", hashes(1));
            }
        })
    };
    let files = |files: &dyn Fn(&mut List<'_>)| folder(files);
    let too_many = files(&|list| (0..11).for_each(|_| file(list, "", 1, &["a"])));
    let long = "a".repeat(200);
    for (raw, error) in [
        (b"le".to_vec(), InfoError::NoDictionary),
        (b"d".to_vec(), InfoError::Bencode(NoBencode::Truncated)),
        (without("length"), InfoError::Missing("length")),
        (without("name"), InfoError::Missing("name")),
        (without("pieces"), InfoError::Missing("pieces")),
        (without("piece length"), InfoError::Missing("piece length")),
        (b"d9:file treedee".to_vec(), InfoError::Version2),
        (single(-5, PIECE, 1), InfoError::Length),
        (single(5, 0, 1), InfoError::PieceLength(0)),
        (single(5, -1, 1), InfoError::PieceLength(-1)),
        (single(5, 1 << 40, 1), InfoError::PieceLength(1 << 40)),
        (single(5, PIECE, 2), InfoError::Hashes { hashes: 40, pieces: 1 }),
        (single(16385, PIECE, 1), InfoError::Hashes { hashes: 20, pieces: 2 }),
        (single(i64::MAX, 1, 1), InfoError::Hashes { hashes: 20, pieces: i64::MAX as u64 }),
        (files(&|_| {}), InfoError::Missing("files")),
        (files(&|list| list.integer(1)), InfoError::Length),
        (
            files(&|list| list.dictionary(|file| file.integer("length", 1))),
            InfoError::Missing("path"),
        ),
        (files(&|list| file(list, "", 1, &[])), InfoError::Path(NoPath::Empty)),
        (files(&|list| file(list, "", 1, &["a"; 101])), InfoError::Path(NoPath::TooDeep)),
        (files(&|list| file(list, "", 1, &[&*long; 20])), InfoError::Path(NoPath::TooLong)),
        (files(&|list| file(list, "p", -1, &["a"])), InfoError::Length),
        (files(&|list| (0..3).for_each(|_| file(list, "", i64::MAX, &["a"]))), InfoError::Length),
        (too_many, InfoError::TooManyFiles),
    ] {
        let text = raw.escape_ascii().to_string();
        assert_eq!(parsed(raw).map(|info| info.hash()), Err(error), "{text:.200}");
    }
}

#[test]
fn a_torrent_file_says_where_to_ask() {
    let text = dictionary(|file| {
        file.bytes("announce", "http://only.test/");
        file.list("announce-list", |tiers| {
            tiers.list(|tier| {
                tier.bytes("http://a.test/");
                tier.bytes("udp://b.test:1");
            });
            tiers.list(|_| {});
            tiers.list(|tier| tier.bytes(" http://c.test/ "));
        });
        file.bytes("comment", "for you");
        file.bytes("created by", "me");
        file.integer("creation date", 1_700_000_000);
        file.raw("info", &single(5, PIECE, 1));
        file.bytes("url-list", "http://web.test/");
    });
    let torrent = Metainfo::parse(&text, &limits()).expect("it is one");
    assert_eq!(
        torrent.trackers,
        vec![vec!["http://a.test/", "udp://b.test:1"], vec!["http://c.test/"]]
    );
    assert_eq!(torrent.web_seeds, ["http://web.test/"]);
    assert_eq!(torrent.comment.as_deref(), Some("for you"));
    let again = Metainfo::parse(&torrent.write(), &limits()).expect("it is one");
    assert_eq!((again.trackers, again.web_seeds), (torrent.trackers, torrent.web_seeds));
    assert_eq!(again.info.hash(), torrent.info.hash());
    assert_eq!((again.created_at, again.created_by.as_deref()), (Some(1_700_000_000), Some("me")));
}

#[test]
fn one_tracker_needs_no_list_and_a_line_end_does_no_harm() {
    let mut text = dictionary(|file| {
        file.bytes("announce", "http://only.test/");
        file.raw("info", &single(5, PIECE, 1));
        file.list("url-list", |list| list.bytes("http://web.test/"));
    });
    text.push(b'\n');
    let torrent = Metainfo::parse(&text, &limits()).expect("it is one");
    assert_eq!(torrent.trackers, [["http://only.test/"]]);
    assert_eq!(torrent.web_seeds, ["http://web.test/"]);
}

#[test]
fn what_is_no_torrent_is_refused() {
    for (text, error) in [
        (&b""[..], MetainfoError::Bencode(NoBencode::Truncated)),
        (b"<html>", MetainfoError::Bencode(NoBencode::Unexpected { at: 0 })),
        (b"de", MetainfoError::NoInfo),
        (b"d4:infoi1ee", MetainfoError::Info(InfoError::NoDictionary)),
        (b"d4:info99999999999999:x", MetainfoError::Bencode(NoBencode::Truncated)),
    ] {
        assert_eq!(Metainfo::parse(text, &limits()).map(|_| ()), Err(error));
    }
    let large = vec![b'd'; limits().bytes + 1];
    let error = Metainfo::parse(&large, &limits()).map(|_| ());
    assert_eq!(error, Err(MetainfoError::Bencode(NoBencode::TooLong)));
}

proptest! {
    #[test]
    fn spans_cover_what_was_asked_for_and_nothing_twice(
        lengths in proptest::collection::vec((0..60_i64, any::<bool>()), 1..12),
        start in 0..400_u64,
        length in 0..400_u64,
    ) {
        let raw = folder(|list| {
            file(list, "", 1, &["first"]);
            for (length, is_padding) in &lengths {
                file(list, if *is_padding { "p" } else { "" }, *length, &["a"]);
            }
        });
        let all = MetainfoLimits::default();
        let info = Info::parse_named(Bytes::from(raw), &all, NameRule::Unix).expect("it is one");
        let mut at = start;
        for span in info.spans(start..start + length) {
            prop_assert!(span.length() > 0);
            if let Span::File { file, offset, length } = span {
                let file = &info.files()[file];
                prop_assert_eq!(file.offset + offset, at);
                prop_assert!(offset + length <= file.length);
            }
            at += span.length();
        }
        prop_assert_eq!(at, (start + length).min(info.length()).max(start));
    }

    #[test]
    fn a_torrent_that_is_cut_is_refused(cut in 0..100_usize) {
        let text = dictionary(|file| file.raw("info", &single(5, PIECE, 1)));
        let refused = Metainfo::parse(&text[..cut.min(text.len() - 1)], &limits()).map(|_| ());
        prop_assert_eq!(refused, Err(MetainfoError::Bencode(NoBencode::Truncated)));
    }
}
