//! Lines that real servers send.

use proptest::prelude::*;

use super::*;

fn today() -> Timestamp {
    Timestamp::parse(b"20260610120000").expect("it is a time")
}

fn line(text: &[u8]) -> Option<Entry> {
    match Entry::from_line(text, today()) {
        Reading::Entry(entry) => Some(entry),
        _ => None,
    }
}

/// Reads a line as `name`, of a kind, with a size or none, written then or nobody knows when.
#[track_caller]
fn is(text: impl AsRef<[u8]>, name: &str, kind: Kind, size: Option<u64>, time: &str) {
    let text = text.as_ref();
    let shown = String::from_utf8_lossy(text);
    let entry = line(text).unwrap_or_else(|| panic!("{shown} is not read"));
    let modified = entry.modified.map_or("?".to_owned(), |time| time.to_string());
    let found =
        (String::from_utf8_lossy(&entry.name).into_owned(), entry.kind, entry.size, modified);
    assert_eq!(found, (name.to_owned(), kind, size, time.to_owned()), "{shown}");
}

#[track_caller]
fn file(text: impl AsRef<[u8]>, name: &str, size: u64, time: &str) {
    is(text, name, Kind::File, Some(size), time);
}

#[track_caller]
fn directory(text: impl AsRef<[u8]>, name: &str, time: &str) {
    is(text, name, Kind::Directory, None, time);
}

#[test]
fn lines_of_unix() {
    file("-rw-r--r--   1 root  other   531 Jan 29 03:26 README", "README", 531, "20260129032600");
    directory("dr-xr-xr-x   2 root     other        512 Apr  8  1994 etc", "etc", "19940408000000");
    is(
        "lrwxrwxrwx   1 root     other          7 Jan 25 00:17 bin -> usr/bin",
        "bin",
        Kind::Link,
        None,
        "20260125001700",
    );
    file(
        "-rw-rw-r--    1 1000     1000   5368709120 Dec 24 18:00 5 GiB",
        "5 GiB",
        5_368_709_120,
        "20251224180000",
    );
    file(
        "----------   1 owner    group         1803128 Jul 10 10:18 ls-lR.Z",
        "ls-lR.Z",
        1_803_128,
        "20250710101800",
    );
    file("-rw-r--r-- 1 a b 3 Jan  1  2020  a  b ", " a  b ", 3, "20200101000000");
    file("-rw-r--r-- 1 a b 1,234,567 Jan  1  2020 a", "a", 1_234_567, "20200101000000");
    file("  -rw-r--r--@ 1 a b 3 Jan  1  2020 indented", "indented", 3, "20200101000000");
    file("-rw-r--r--\t1 a\tb 3\tJan 1 2020\ttabs", "tabs", 3, "20200101000000");
    let device = "crw-rw-rw- 1 root root 1, 3 Jan  1  2020 null";
    is(device, "null", Kind::Other, None, "20200101000000");
    directory("drwxr-xr-x 1 a b 0 Jan  1  2020 marked/", "marked", "20200101000000");
}

#[test]
fn a_size_that_looks_like_a_part_of_a_date_is_none() {
    for size in [0, 1, 12, 31, 1994, 2024, 4096, 20_240_506] {
        for (date, time) in [
            ("Nov 28 09:35", "20251128093500"),
            ("Nov 28  2003", "20031128000000"),
            ("28 Nov 09:35", "20251128093500"),
            ("28 Nov 2003", "20031128000000"),
            ("2024-05-06 07:08", "20240506070800"),
            ("11月 28 09:35", "20251128093500"),
            ("11 28 09:35", "20251128093500"),
            ("2003년 11월 28일", "20031128000000"),
        ] {
            file(
                format!("-rw-r--r--    3 0        0      {size:>8} {date} deep"),
                "deep",
                size,
                time,
            );
        }
    }
}

/// Without a group, without links, without both; with a domain; with numbers that look like dates.
#[test]
fn lines_of_unix_with_other_columns() {
    for columns in
        ["1 root", "root", "", "1 group domain user", "1 5 7", "1 12", "1 Jan May", "0125039"]
    {
        let text = format!("-rw-r--r--   {columns}        531 Jan 29 03:26 a b");
        file(text, "a b", 531, "20260129032600");
    }
    // The group has grown into the size: nobody knows where one ends.
    let grown = "-r-xr-xr-x longowner longgroup123456 Feb 12 17:20 grown";
    is(grown, "grown", Kind::File, None, "20260212172000");
    is("-rw-r--r-- 1 a b 33.5k Oct 5 21:22 about", "about", Kind::File, None, "20251005212200");
    directory("drwxrwxr-x               folder        2 May 10  1996 Mac", "Mac", "19960510000000");
    directory("drwxr-xr-x 3 ann ann 512 no date", "no date", "?");
    file(
        "0100644   500  101   12345    123456789       in numbers",
        "in numbers",
        12345,
        "19731129213309",
    );
}

#[test]
fn lines_of_netware() {
    directory(
        "d [R----F--] supervisor            512       Jan 16 18:53    login",
        "login",
        "20260116185300",
    );
    file(
        "- [R----F--] rhesus             214059       Oct 20 15:27    cx.exe",
        "cx.exe",
        214_059,
        "20251020152700",
    );
    file("-[RWCEMFA] super  9       Jan 01  2000    x", "x", 9, "20000101000000");
}

/// What a server without MLST lists with `--time-style`, or in another country.
#[test]
fn a_list_with_dates_in_numbers_loses_no_file() {
    for (date, time) in [
        ("2024-05-06 07:08", "20240506070800"),
        ("2024-05-06 07:08:09.123456789 +0200", "20240506050809"),
        ("2024-05-06 07:08:09 -0130", "20240506083809"),
        ("05-06 07:08", "20260506070800"),
        ("12-06 07:08", "20251206070800"),
        ("2024-05-06 ", "20240506000000"),
        ("09-26 2000", "20000926000000"),
        ("1999/10/12 17:12", "19991012171200"),
        ("24-04-2003 17:12", "20030424171200"),
        ("24.04.2003 17:12", "20030424171200"),
        ("2004.07.15  ", "20040715000000"),
        ("01-jun-99", "19990601000000"),
        ("3 29 03:26", "20260329032600"),
    ] {
        file(format!("-rw-r--r--   1 u g 3 {date} a.txt"), "a.txt", 3, time);
    }
}

#[test]
fn a_list_in_another_language_loses_no_file() {
    for (date, time) in [
        ("26. Juli, 20:10", "20250726201000"),
        ("2.   Okt.  2003", "20031002000000"),
        ("30. Jan., 12:40", "20260130124000"),
        ("Mär  2  2024", "20240302000000"),
        ("Dez 24  2024", "20241224000000"),
        ("févr.  2 2024", "20240202000000"),
        ("2 août 2024", "20240802000000"),
        ("14 juil. 10:00", "20250714100000"),
        ("ene  2  2024", "20240102000000"),
        ("gen 2 2024", "20240102000000"),
        ("mei  2  2024", "20240502000000"),
        ("out  2  2024", "20241002000000"),
        ("maj  2  2024", "20240502000000"),
        ("paź  2  2024", "20241002000000"),
        ("сен  2  2024", "20240902000000"),
        ("szept 26 20:10", "20250926201000"),
        ("marras  2  2024", "20241102000000"),
        ("01 oct 2004", "20041001000000"),
        ("29 Jul 02:27", "20250729022700"),
        ("Oct 08, 2002 09:47", "20021008094700"),
        ("Jan  2 07:08:09 2024", "20240102070809"),
        ("Apr   4 24:00", "20260405000000"),
        (" 4月 18日 2003年", "20030418000000"),
        ("8월 17 08:52", "20250817085200"),
        ("2005년  1월  6일", "20050106000000"),
        // Nobody knows the month, and the name is behind it all the same.
        ("xyz  2  2024", "?"),
        ("2. xyz 07:08", "?"),
        ("ಜನ 2 2024", "?"),
    ] {
        file(format!("-rw-r--r--   1 u g 3 {date} 2014 a.txt"), "2014 a.txt", 3, time);
    }
    file("-rw-r--r-- 1 u g 3 2003   3月 20 a", "a", 3, "20030320000000");
    file(b"-rw-r--r-- 1 u g 3  4\x8c\x8e 18\x93\xfa 2003\x94\x4e a", "a", 3, "20030418000000");
    file(b"-rw-r--r-- 1 u g 3 M\xe4r  2  2024 a", "a", 3, "20240302000000");
    file(b"-rw-r--r-- 1 u g 3 ao\xfb  2  2024 a", "a", 3, "20240802000000");
    file(b"-rw-r--r-- 1 u g 3 \xf4\xe5\xe2  2  2024 a", "a", 3, "?");
}

/// `ls -l` of coreutils 9.1 in each of the locales that glibc has: clocks with a dot, articles, months of two
/// words, with dots or an apostrophe in them, dates in one word, and more than one space behind some.
#[test]
fn a_list_of_ls_in_another_country_has_the_names_right() {
    for (date, time) in [
        ("15. Jan 2023 ", "20230115000000"),
        ("15. Jun 03:04", "20250615030400"),
        ("15.\u{a0}led  2023", "20230115000000"),
        ("15.\u{a0}čen 03.04", "20250615030400"),
        ("15 giu 03.04", "20250615030400"),
        ("jún   15 03.04", "20250615030400"),
        ("2023 febr  15", "20230215000000"),
        ("2023  urt 15", "20230115000000"),
        ("eka 15 03:04", "20250615030400"),
        ("15. 6. 03:04", "20250615030400"),
        ("15.11. 03:04", "20251115030400"),
        ("15. 1.  2023", "20230115000000"),
        ("15.11.  2023", "20231115000000"),
        (" 6月15日 03:04", "20250615030400"),
        ("11月15日 03:04", "20251115030400"),
        ("2023年 1月15日", "20230115000000"),
        ("2023年11月15日", "20231115000000"),
        ("15 de gen.   2023", "20230115000000"),
        ("15 de set.  03:04", "20250915030400"),
        ("15 d’abr.    2023", "20230415000000"),
        ("15 d'oct.   03:04", "20251015030400"),
        ("15 d’ag.    03:04", "?"),
        ("15. јун. у 03:04", "20250615030400"),
        ("15. феб. 2023.", "20230215000000"),
        ("03:04 15 Thg 6 ", "20250615030400"),
        ("03:04 15 Thg 11", "20251115030400"),
        ("15 Thg 1   2023", "20230115000000"),
        ("มิ.ย.  15 03:04", "?"),
        ("ມ.ກ. 15  2023", "?"),
        ("S-Ɔ 15  2023", "?"),
        ("C'hw 15  2023", "?"),
        ("M.Houney  15 03:04", "?"),
    ] {
        file(format!("-rw-r--r-- 1 root root 2 {date} old 01"), "old 01", 2, time);
    }
    // The same in Latin-2 and in GB 18030.
    file(b"-rw-r--r-- 1 u g 2 15.\xa0led  2023 old", "old", 2, "20230115000000");
    file(b"-rw-r--r-- 1 u g 2 15.\xa0b\xf8e  2023 old", "old", 2, "?");
    file(b"-rw-r--r-- 1 u g 2  6\xd4\xc215\xc8\xd5 03:04 old", "old", 2, "20250615030400");
    file(b"-rw-r--r-- 1 u g 2 2023\xc4\xea11\xd4\xc215\xc8\xd5 old", "old", 2, "20231115000000");
}

/// `ls -li`, `ls -ls` and both; what RFC 3339 and `--time-style=+%s` make of a time; years of other epochs.
#[test]
fn a_list_with_more_columns_loses_no_file() {
    for columns in ["131074 ", "    4 ", "131074    4 "] {
        let text = format!("{columns}-rw-r--r--   1 u g 3 Jan  2  2024 a.txt");
        file(text, "a.txt", 3, "20240102000000");
    }
    for (date, time) in [
        ("2024-05-06T07:08", "20240506070800"),
        ("2024-05-06T07:08:09Z", "20240506070809"),
        ("2024-05-06T07:08:09.123+02:00", "20240506050809"),
        ("2024-05-06 07:08:09 +02:00", "20240506050809"),
        ("1714979289", "20240506070809"),
        ("Jan  1  1601", "16010101000000"),
    ] {
        file(format!("-rw-r--r--   1 u g 3 {date} a.txt"), "a.txt", 3, time);
    }
}

#[test]
fn lines_of_windows() {
    directory("04-27-00  09:09PM       <DIR>          licensed", "licensed", "20000427210900");
    file("07-18-2023  12:16AM                  589 two words", "two words", 589, "20230718001600");
    directory("11-19-24  14:30       <DIR>           space", " space", "20241119143000");
    directory("2002-09-02  18:48       <DIR>          long year", "long year", "20020902184800");
    file("2002-09-02  19:06                9,730 grouped", "grouped", 9730, "20020902190600");
    file("02.09.2002  19:06                9.730 dots", "dots", 9730, "20020902190600");
    file("07/18/2023  02:16 PM             1,589 slashes", "slashes", 1589, "20230718141600");
    file("18/07/2023  02:16                1,589 day first", "day first", 1589, "20230718021600");
    file("2024/05/06 07:08:09 12 seconds", "seconds", 12, "20240506070809");
    file("18/07/2023  02:16    1\u{a0}234\u{a0}567 nbsp", "nbsp", 1_234_567, "20230718021600");
    file("18/07/2023  02:16    1\u{202f}234 narrow", "narrow", 1234, "20230718021600");
    file(b"18/07/2023  02:16    1\xa0234 Latin-1", "Latin-1", 1234, "20230718021600");
    file("07/18/2023  02:16 p.m.    1,589 dotted", "dotted", 1589, "20230718141600");
    directory("04-27-00  09:09PM <DIR> narrow", "narrow", "20000427210900");
    let link = "07/18/2023  02:16 PM    <SYMLINKD>     there [C:\\x]";
    is(link, "there", Kind::Link, None, "20230718141600");
}

#[test]
fn lines_of_eplf() {
    let text = "+i8388621.48594,m825718503,r,s280,up755\ta file";
    file(text, "a file", 280, "19960301221503");
    assert_eq!(line(text.as_bytes()).and_then(|it| it.unique), Some(b"8388621.48594".to_vec()));
    directory("+i8388621.50690,m824255907,/,\t514", "514", "19960213235827");
}

#[test]
fn lines_of_mainframes() {
    let unsized_file = |text: &str, name: &str, time: &str| is(text, name, Kind::File, None, time);
    directory(
        "00LIB.DIR;1  1 19-NOV-2001 21:41 [root,root] (RWE,RWE,RE,RE)",
        "00LIB",
        "20011119214100",
    );
    unsized_file("README.TXT;4    155   2-JUL-2003 10:30:13.64", "README.TXT", "20030702103013");
    unsized_file(
        "A.B;1    2/8    7-JAN-2000    [IV2_XXX]   (RWED,RWED,RE,)",
        "A.B",
        "20000107000000",
    );
    unsized_file(
        "A.B;1   [SUMMARY]    1/3     2-AUG-2006 13:05  (RWE,RE,)",
        "A.B",
        "20060802130500",
    );
    unsized_file(
        "A.B;1       17-JUN-1994 17:25:37     6308/13     (RWED,R,)",
        "A.B",
        "19940617172537",
    );
    unsized_file(
        "WYOSPT 3420   2003/05/21  1  200  FB      80  8053  PS  A.B",
        "A.B",
        "20030521000000",
    );
    unsized_file(
        "WYOSPT 3420   2003/05/21  1 ????  FB      80  8053  PS  A.B",
        "A.B",
        "20030521000000",
    );
    directory(
        "WPTA01 3290   2004/03/04  1    3  FB      80  3125  PO  A.B",
        "A.B",
        "20040304000000",
    );
    directory("NRP004 3390   **NONE**    1   15  NONE     0     0  PO  A.B", "A.B", "?");
    directory("TSO005 3390   2005/06/06 213000 U 0 27998 PO A.B", "A.B", "20050606000000");
    unsized_file("TSO004 3390   VSAM A.B", "A.B", "?");
    unsized_file("Migrated\t\t\t\tA.B", "A.B", "?");
    let member = "MEMBER 01.01 2004/06/22 2004/06/23 16:32   128   128    0 BOBY12";
    unsized_file(member, "MEMBER", "20040623163200");
    is(
        "QSYS            77824 02/23/00 15:09:55 *DIR a dir/",
        "a dir",
        Kind::Directory,
        None,
        "20000223150955",
    );
    file(
        "QPGMR           36864 18.09.06 14:21:26 *FILE      A.FILE",
        "A.FILE",
        36864,
        "20060918142126",
    );
}

#[test]
fn lines_that_begin_with_the_size() {
    file("36611      A    04-23-103  10:57  a file", "a file", 36611, "20030423105700");
    file(" 1123      A    07-14-99   12:37  a file", "a file", 1123, "19990714123700");
    directory("    0 DIR       02-11-103  16:15  a dir", "a dir", "20030211161500");
    directory(" 1123 DIR  A    10-05-100  23:38  a dir", "a dir", "20001005233800");
    file("206876  Apr 04, 2000 21:06 a file", "a file", 206_876, "20000404210600");
    directory("0  Dec 12, 2002 02:13 a dir/", "a dir", "20021212021300");
    directory("2048    Feb-28-1998  05:23:30   a dir <DIR>", "a dir", "19980228052330");
}

#[test]
fn what_is_no_entry_is_nothing() {
    for text in [
        "",
        "   ",
        "total 14786",
        "total 12K",
        "insgesamt 12",
        "итого 12",
        "合計 12",
        "drwxr-xr-x 2 a b 512 Jan  1  2020 .",
        "drwxr-xr-x 2 a b 512 Jan  1  2020 ..",
        "01-01-20  10:00AM       <DIR>          ..",
        "Directory DISK$USER:[ANONYMOUS]",
        "Total of 11 files, 2/8 blocks.",
        "Volume Unit    Referred Ext Used Recfm Lrecl BlkSz Dsorg Dsname",
        " Name     VV.MM   Created       Changed      Size  Init   Mod   Id",
    ] {
        assert_eq!(Entry::from_line(text.as_bytes(), today()), Reading::Nothing, "{text}");
    }
}

#[test]
fn what_cannot_be_read_is_told() {
    for text in [
        "-rw-r--r-- 1 a b 3 Jan  1  2020 ../../etc/passwd",
        "-rw-r--r-- 1 a b 3 Jan  1  2020",
        "-rw-r--r-- 1 a b 3",
        "07-18-2023  12:16AM  many name",
        "ls: cannot open directory '.': Permission denied",
        "README 1234",
        "a.txt",
        "?",
    ] {
        assert_eq!(Entry::from_line(text.as_bytes(), today()), Reading::Unread, "{text}");
    }
}

#[test]
fn facts_are_what_rfc_3659_says() {
    let facts = |text: &str| match Entry::from_facts(text.as_bytes()) {
        Reading::Entry(entry) => entry,
        other => panic!("{text}: {other:?}"),
    };
    let entry = facts("Type=file;Size=1830;Modify=19940916055648;Perm=r;Unique=8U2; hatch.c");
    let named = (&*entry.name, entry.kind, entry.size, entry.unique.as_deref());
    assert_eq!(named, (&b"hatch.c"[..], Kind::File, Some(1830), Some(&b"8U2"[..])));
    assert_eq!(entry.modified, Timestamp::parse(b"19940916055648"));
    let entry = facts("type=dir;modify=x; d");
    assert_eq!((entry.kind, entry.modified), (Kind::Directory, None));
    assert_eq!(facts(" bare").kind, Kind::Other);
    for none in ["", "type=cdir; .", "type=pdir; ..", "type=cdir; /pub", "type=dir; ."] {
        assert_eq!(Entry::from_facts(none.as_bytes()), Reading::Nothing, "{none}");
    }
    for unread in ["type=file; a/b", "type=file; ", "type=file;", "a", "what is this"] {
        assert_eq!(Entry::from_facts(unread.as_bytes()), Reading::Unread, "{unread}");
    }
}

/// A link that tells what it leads to, a fact without a value, no type, no last semicolon, a tab, capitals,
/// spaces around the name.
#[test]
fn odd_facts_lose_no_file() {
    for (text, name, kind, size) in [
        ("type=OS.unix=slink:/foo; l", "l", Kind::Link, None),
        ("type=OS.unix=slink:a b;size=3; l m", "l m", Kind::Link, None),
        ("TYPE=OS.UNIX=SYMLINK; l", "l", Kind::Link, None),
        ("type=file;size; a", "a", Kind::File, None),
        ("size=3;modify=20240102030405; a", "a", Kind::File, Some(3)),
        ("type=file a; b", "a; b", Kind::File, None),
        ("size=3;type=file;\ttab 2009-07-22", "tab 2009-07-22", Kind::File, Some(3)),
        ("TYPE=FILE;SIZE=3; a", "a", Kind::File, Some(3)),
        ("Type=file;  a ", " a ", Kind::File, None),
        ("type=DIR;size=4096; d/", "d", Kind::Directory, None),
    ] {
        let Reading::Entry(entry) = Entry::from_facts(text.as_bytes()) else {
            panic!("{text} is not read");
        };
        let found = (String::from_utf8_lossy(&entry.name), entry.kind, entry.size);
        assert_eq!(found, (name.into(), kind, size), "{text}");
    }
}

#[test]
fn a_line_that_goes_on_in_the_next_is_one() {
    let list = b"Directory DKA0:[ANONYMOUS]\r\n\r\nA_LONG_NAME.TXT;1\r\n   170774/170775     24-APR-2003 08:16:15  \
                 [FTP]      (RWED,RE,)\r\nB.TXT;3 1 2-JUL-2003 10:30\r\nC.TXT;1\r\n\r\nTotal of 3 files\r\n";
    let listing = Listing::of_lines(list, today());
    let names: Vec<_> = listing.entries.iter().map(|entry| &*entry.name).collect();
    assert_eq!(names, [&b"A_LONG_NAME.TXT"[..], b"B.TXT"]);
    assert_eq!(listing.unread, [b"C.TXT;1"]);
}

/// Nothing but its place says what it is.
#[test]
fn a_total_in_an_unknown_language_is_in_the_first_line() {
    // The second is in Big5, which has signs of ASCII in its letters.
    for total in [&b"yhteens\xc3\xa4 12"[..], b"\xc1`\xa5\xce\xb6q 92"] {
        let rest = b"\r\n-rw-r--r-- 1 u g 3 Jan  2  2024 a\r\nREADME 12\r\n";
        let listing = Listing::of_lines(&[total, rest].concat(), today());
        assert_eq!((listing.entries.len(), listing.unread), (1, vec![b"README 12".to_vec()]));
    }
}

/// An LF where lines end with CR LF is a part of a name, if there is not an entry on either side of it.
#[test]
fn a_name_with_a_line_end_is_one_name() {
    let listing = Listing::of_facts(b"type=file;size=3; a\nb\r\ntype=file; c\r\n");
    let names: Vec<_> = listing.entries.iter().map(|entry| &*entry.name).collect();
    assert_eq!((names, listing.unread.len()), (vec![&b"a\nb"[..], b"c"], 0));
    let list = b"-rw-r--r-- 1 u g 3 Jan  2  2024 a\n-rw-r--r-- 1 u g 3 Jan  2  2024 b\r\n";
    assert_eq!(Listing::of_lines(list, today()).entries.len(), 2);
    let list = b"-rw-r--r-- 1 u g 3 Jan  2  2024 a\nb\n";
    assert_eq!(Listing::of_lines(list, today()).unread, [b"b"]);
}

proptest! {
    #[test]
    fn any_list_is_read_and_a_name_is_one_name(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        text in "[-dl07a+ ]{0,3}[rwx-]{0,9}( [0-9]{1,4}){0,4}( (Jan|Dec|jul|4月|<DIR>|;1))?( [0-9]{1,3})?( [0-9:./-]{1,10}){0,2}[\t -~]{0,12}[\r\n]{0,2}",
    ) {
        for list in [&bytes[..], text.as_bytes()] {
            for listing in [Listing::of_facts(list), Listing::of_lines(list, today())] {
                for Entry { name, .. } in listing.entries {
                    prop_assert!(!name.is_empty() && name != b"." && name != b"..");
                    prop_assert!(!name.contains(&b'/'));
                }
            }
        }
    }

    /// Nothing vanishes: as many lines as there are are entries, or are told.
    #[test]
    fn no_line_of_a_list_is_lost(lines in prop::collection::vec("[a-z]{1,9}", 1..9)) {
        let list = lines.iter().map(|it| format!("{it}\r\n")).collect::<String>();
        let listing = Listing::of_lines(list.as_bytes(), today());
        prop_assert_eq!(listing.entries.len() + listing.unread.len(), lines.len());
    }
}
