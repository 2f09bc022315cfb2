//! Five gigabytes, whole: sizes, offsets and block numbers that do not fit where small ones do. Nearly
//! all of it is a hole; what is not lies where something could go wrong.
//!
//! Files are in memory where there is such a place. What only goes out takes none of it; what comes in
//! does, and is left to whoever asks for it:
//!
//! ```console
//! $ cargo test --release -p examples --test programs -- --ignored huge
//! ```

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::scene::Scene;
use crate::outside::program;

const LENGTH: u64 = 5 << 30;

/// Bytes at the beginning, across 2 and 4 GiB, and at the end.
const MARKS: [(u64, &[u8]); 4] =
    [(0, b"begin"), ((2 << 30) - 3, b"across"), ((4 << 30) - 3, b"across"), (LENGTH - 3, b"end")];

/// The largest block of TFTP (RFC 2348): with it, numbers begin again behind 4.3 GB.
const BLOCK: &str = "65464";

/// `huge` on a server in whose tree anybody may write over TFTP.
fn scene() -> Scene {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let longest = LENGTH.to_string();
    let options = ["--write", "--user", "ann:secret", "--tftp-max-file", &longest];
    let scene = Scene::at(&place, &options);
    let file = File::create(scene.there("huge")).expect("it can be made");
    file.set_len(LENGTH).expect("it can be as long");
    for (at, bytes) in MARKS {
        file.write_all_at(bytes, at).expect("it can be written");
    }
    scene
}

impl Scene {
    /// What a program writes to its output is compared with a file, as it comes.
    fn yields(&self, program: &str, words: &[&str], file: &str) {
        let there = self.there(file);
        let script = r#"file="$1"; shift; "$@" | cmp - "$file""#;
        let place = there.to_str().expect("it is text");
        self.runs("sh", &[&["-c", script, "sh", place, program][..], words].concat());
    }
}

#[test]
fn five_gigabytes_go_out_over_ftp() {
    let Some(curl) = program("curl") else { return };
    let scene = scene();
    scene.yields(curl, &["-sS", &format!("ftp://{}/huge", scene.ftp)], "huge");
}

#[test]
#[ignore = "five gigabytes of memory, or of a disk"]
fn five_huge_gigabytes_come_in_over_ftp() {
    let Some(curl) = program("curl") else { return };
    let scene = scene();
    let huge = scene.there("huge");
    let url = format!("ftp://ann:secret@{}/up", scene.ftp);
    scene.runs(curl, &["-sS", "-T", huge.to_str().expect("it is text"), &url]);
    scene.yields("cat", &[scene.there("up").to_str().expect("it is text")], "huge");
}

#[test]
#[ignore = "a minute, and five gigabytes of memory, or of a disk"]
fn five_huge_gigabytes_go_out_and_come_in_over_tftp() {
    let Some(curl) = program("curl") else { return };
    let scene = scene();
    let url = format!("tftp://{}", scene.tftp);
    let options = ["-sS", "--tftp-blksize", BLOCK];
    scene.yields(curl, &[&options[..], &[&format!("{url}/huge")]].concat(), "huge");
    let huge = scene.there("huge");
    let put = ["-T", huge.to_str().expect("it is text"), &format!("{url}/up")];
    scene.runs(curl, &[&options[..], &put[..]].concat());
    scene.yields("cat", &[scene.there("up").to_str().expect("it is text")], "huge");
}
