//! The clients people have, against our servers. Every byte is compared.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};

use super::scene::{Scene, are_same, odd_files, write};
use crate::outside::program;
use crate::support::noise;

// ── FTP ─────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn curl_over_ftp() {
    let Some(curl) = program("curl") else { return };
    let scene = Scene::writable();
    let (ftp, bytes) = (scene.ftp.clone(), noise(2_000_000));
    scene.place("dir/file", &bytes);
    scene.place("two words", b"a b");
    let curl = |words: &[&str]| scene.runs(curl, &[&["-sS"], words].concat());
    // Passive, the old way, and active; and one directory at a time, or all at once.
    for way in [&[][..], &["--disable-epsv"], &["--ftp-port", "-"], &["--ftp-method", "nocwd"]] {
        curl(&[way, &["-o", "file", &format!("ftp://{ftp}/dir/file")]].concat());
        scene.is_same("dir/file", "file");
    }
    curl(&["-o", "words", &format!("ftp://{ftp}/two%20words")]);
    scene.is_same("two words", "words");
    write(&scene.here("file"), &bytes[..1_000_000]);
    curl(&["-C", "-", "-o", "file", &format!("ftp://{ftp}/dir/file")]);
    scene.is_same("dir/file", "file");
    curl(&["-r", "100-199", "-o", "range", &format!("ftp://{ftp}/dir/file")]);
    assert!(fs::read(scene.here("range")).expect("it is there") == bytes[100..200]);

    let user = format!("ftp://ann:secret@{ftp}");
    curl(&["-T", "file", &format!("{user}/up")]);
    scene.is_same("up", "file");
    curl(&["--ftp-create-dirs", "-T", "file", &format!("{user}/new/dir/up")]);
    scene.is_same("new/dir/up", "file");
    scene.place("begun", &bytes[..500_000]);
    curl(&["-C", "-", "-T", "file", &format!("{user}/begun")]);
    scene.is_same("begun", "file");
    curl(&["-a", "-T", "range", &format!("{user}/up")]);
    assert_eq!(fs::metadata(scene.there("up")).expect("it is there").len(), 2_000_100);
    let listed = curl(&["-l", &format!("ftp://{ftp}/")]);
    assert_eq!(listed.lines().collect::<Vec<_>>(), ["begun", "dir", "new", "two words", "up"]);
    let head = curl(&["-I", &format!("ftp://{ftp}/dir/file")]);
    assert!(head.contains("Content-Length: 2000000"), "{head}");
}

/// The last bytes of five gigabytes.
#[test]
fn curl_resumes_behind_four_gigabytes() {
    const LENGTH: u64 = 5 << 30;
    let Some(curl) = program("curl") else { return };
    let scene = Scene::new();
    let mut file = File::create(scene.there("huge")).expect("it can be made");
    file.seek(SeekFrom::Start(LENGTH - 5)).expect("it can be sought");
    file.write_all(b"bytes").expect("it can be written");
    let offset = (LENGTH - 10).to_string();
    scene.runs(curl, &["-sS", "-C", &offset, "-o", "end", &format!("ftp://{}/huge", scene.ftp)]);
    assert_eq!(fs::read(scene.here("end")).expect("it is there"), b"\0\0\0\0\0bytes");
}

#[test]
fn wget_fetches_a_tree() {
    let Some(wget) = program("wget") else { return };
    let scene = Scene::new();
    // It takes a % in a list for the beginning of a code, and asks for another file.
    for (name, bytes) in odd_files().into_iter().filter(|(name, _)| !name.contains('%')) {
        scene.place(&format!("tree/{name}"), &bytes);
    }
    let url = format!("ftp://{}/tree/", scene.ftp);
    // -nH: without a directory for the host; names as they are.
    let names = "--restrict-file-names=nocontrol";
    scene.runs(wget, &["-q", "-r", "-nH", "--no-parent", names, "-l", "9", &url]);
    are_same(&scene.there("tree"), &scene.here("tree"));
    let bytes = noise(3_000_001);
    write(&scene.here("large"), &bytes[..1_000_000]);
    scene.runs(wget, &["-q", "-c", &format!("{url}large")]);
    scene.is_same("tree/large", "large");
}

#[test]
fn lftp_mirrors_both_ways_and_resumes() {
    let Some(lftp) = program("lftp") else { return };
    let scene = Scene::writable();
    for (name, bytes) in odd_files() {
        scene.place(&format!("tree/{name}"), &bytes);
    }
    let lftp = |commands: &str| {
        // Neither the settings of whoever runs the tests, nor a second try that hides a first.
        let setup = "set net:max-retries 1; set cmd:fail-exit yes; set ftp:ssl-allow no";
        let open = format!("open -u ann,secret ftp://{}", scene.ftp);
        let script = format!("{setup}; {open}; {commands}");
        scene.runs(lftp, &["--norc", "-c", &script])
    };
    lftp("mirror --parallel=4 tree down");
    are_same(&scene.there("tree"), &scene.here("down"));
    lftp("mirror --reverse --parallel=4 down up");
    are_same(&scene.there("tree"), &scene.there("up"));

    let bytes = noise(3_000_001);
    write(&scene.here("part"), &bytes[..1_000_000]);
    lftp("get -c tree/large -o part");
    scene.is_same("tree/large", "part");
    scene.place("part", &bytes[..1_000_000]);
    lftp("put -c part");
    scene.is_same("part", "part");
    // One file in several pieces, each over a connection of its own.
    lftp("pget -n 4 tree/large -o pieces");
    scene.is_same("tree/large", "pieces");
    lftp("mkdir made; mv part made/moved; rm -r up");
    assert!(scene.there("made/moved").exists() && !scene.there("up").exists());
}

#[test]
fn tnftp_fetches_and_sends() {
    let Some(tnftp) = program("tnftp") else { return };
    let scene = Scene::writable();
    scene.place("file", &noise(1_000_000));
    let port = Scene::port(&scene.ftp);
    let script = "user ann secret\nbinary\nget file\nput file up\nls\nquit\n";
    for passive in ["-p", "-A"] {
        let ended =
            scene.run_with(tnftp, &[passive, "-n", "-v", "127.0.0.1", port], script.as_bytes());
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.text(), ended.errors);
        scene.is_same("file", "file");
        scene.is_same("up", "file");
        fs::remove_file(scene.there("up")).expect("it is there");
        fs::remove_file(scene.here("file")).expect("it is there");
    }
}

#[test]
fn pythons_ftplib_does_all_it_can() {
    const SCRIPT: &str = r#"
import ftplib, io, sys
ftp = ftplib.FTP(timeout=20)
ftp.connect(sys.argv[1], int(sys.argv[2]))
ftp.login("ann", "secret")
assert "MLST" in ftp.sendcmd("FEAT")
for passive in (True, False):
    ftp.set_pasv(passive)
    data = bytes(range(256)) * 5000
    ftp.storbinary("STOR file", io.BytesIO(data))
    got = io.BytesIO(); ftp.retrbinary("RETR file", got.write)
    assert got.getvalue() == data
    got = io.BytesIO(); ftp.retrbinary("RETR file", got.write, rest=1279000)
    assert got.getvalue() == data[1279000:]
    ftp.storbinary("APPE file", io.BytesIO(b"more"))
    assert ftp.size("file") == len(data) + 4
    ftp.storlines("STOR text", io.BytesIO(b"one\ntwo\n"))
    lines = []; ftp.retrlines("RETR text", lines.append)
    assert lines == ["one", "two"], lines
    ftp.mkd("dir"); ftp.cwd("dir"); assert ftp.pwd() == "/dir"; ftp.cwd("..")
    ftp.rename("text", "dir/moved")
    assert sorted(ftp.nlst()) == ["dir", "file"], ftp.nlst()
    facts = dict(ftp.mlsd()); assert facts["dir"]["type"] == "dir" and facts["file"]["size"] == str(len(data) + 4)
    ftp.delete("dir/moved"); ftp.rmd("dir"); ftp.delete("file")
    try: ftp.size("file"); sys.exit("it is gone")
    except ftplib.error_perm as error: assert str(error).startswith("550")
ftp.quit()
"#;
    let Some(python) = program("python3") else { return };
    let scene = Scene::writable();
    let (host, port) = scene.ftp.rsplit_once(':').expect("a port");
    scene.runs(python, &["-c", SCRIPT, host, port]);
}

// ── TFTP ────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn curl_over_tftp() {
    let Some(curl) = program("curl") else { return };
    let scene = Scene::writable();
    let url = format!("tftp://{}", scene.tftp);
    for (length, block) in
        [(0, "512"), (511, "512"), (512, "512"), (1_000_000, "8192"), (70_000, "8")]
    {
        scene.place("file", &noise(length));
        let words = ["-sS", "--tftp-blksize", block, "-o", "file", &format!("{url}/file")];
        // It writes no file where there is nothing to write.
        write(&scene.here("file"), b"");
        scene.runs(curl, &words);
        scene.is_same("file", "file");
        let name = format!("up{length}-{block}");
        let words = ["-sS", "--tftp-blksize", block, "-T", "file", &format!("{url}/{name}")];
        scene.runs(curl, &words);
        scene.is_same(&name, "file");
    }
    let plain = ["-sS", "--tftp-no-options", "-o", "plain", &format!("{url}/file")];
    scene.runs(curl, &plain);
    scene.is_same("file", "plain");
    let missing = scene.run(curl, &["-sS", "-o", "no", &format!("{url}/missing")]);
    // CURLE_TFTP_NOTFOUND.
    assert_eq!(missing.code, Some(68), "{}", missing.errors);
}

#[test]
fn tftp_hpa_fetches_and_sends() {
    let Some(tftp) = program("tftp") else { return };
    let scene = Scene::writable();
    scene.place("file", &noise(1_000_000));
    scene.place("text", b"one\ntwo\n");
    let (host, port) = scene.tftp.rsplit_once(':').expect("a port");
    let tftp = |mode: &str, command: &[&str]| {
        scene.runs(tftp, &[&["-m", mode, host, port, "-c"], command].concat())
    };
    tftp("binary", &["get", "file"]);
    scene.is_same("file", "file");
    tftp("binary", &["put", "file", "up"]);
    scene.is_same("up", "file");
    tftp("ascii", &["get", "text"]);
    scene.is_same("text", "text");
    tftp("ascii", &["put", "text", "up text"]);
    scene.is_same("up text", "text");
    let said = tftp("binary", &["get", "missing"]);
    assert!(said.contains("no such file"), "{said}");
}

#[test]
fn atftp_fetches_and_sends_with_options() {
    let Some(atftp) = program("atftp") else { return };
    let scene = Scene::writable();
    scene.place("file", &noise(1_000_000));
    let (host, port) = scene.tftp.rsplit_once(':').expect("a port");
    for (number, options) in [
        &[][..],
        &["--option", "blksize 1428"],
        &["--option", "blksize 8192", "--option", "windowsize 8"],
        &["--option", "tsize 0", "--option", "timeout 2"],
    ]
    .iter()
    .enumerate()
    {
        let get = ["--get", "-r", "file", "-l", "file", host, port];
        scene.runs(atftp, &[options, &get[..]].concat());
        scene.is_same("file", "file");
        fs::remove_file(scene.here("file")).expect("it is there");
        write(&scene.here("new"), &noise(300_000));
        let name = format!("up{number}");
        let put = ["--put", "-r", &name, "-l", "new", host, port];
        scene.runs(atftp, &[options, &put[..]].concat());
        scene.is_same(&name, "new");
    }
}
