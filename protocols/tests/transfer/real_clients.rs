//! Programs that people use, against this server. What is not installed is left out, and said to be.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use protocols::transfer::ftp::Settings;

use crate::kit::noise;
use crate::outside::{left_out, program};
use crate::stage::Stage;

const MIB: usize = 1024 * 1024;

#[track_caller]
fn run(command: &mut Command) -> Output {
    let output = command.output().expect("it is installed");
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// A small tree with names of all kinds.
fn plant(directory: &Path) {
    fs::create_dir_all(directory.join("tree/a b/c")).expect("directories");
    for (name, content) in [
        ("empty", noise(0)),
        ("small", noise(100)),
        ("two words", noise(70_000)),
        ("größe", noise(3 * MIB)),
        ("a b/\"quoted\"", noise(5)),
        ("a b/c/deep", noise(MIB)),
    ] {
        fs::write(directory.join("tree").join(name), content).expect("it is written");
    }
}

/// Every file of the tree, with what is in it.
fn harvest(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut ahead = vec![directory.to_owned()];
    while let Some(path) = ahead.pop() {
        for entry in fs::read_dir(&path).expect("it is there") {
            let path = entry.expect("it is read").path();
            if path.is_dir() {
                ahead.push(path);
            } else {
                let name = path.strip_prefix(directory).expect("it is in it");
                found.push((
                    name.to_string_lossy().into_owned(),
                    fs::read(&path).expect("it is read"),
                ));
            }
        }
    }
    found.sort();
    found
}

#[track_caller]
fn assert_same_trees(one: &Path, other: &Path) {
    let (one, other) = (harvest(one), harvest(other));
    let names =
        |tree: &[(String, Vec<u8>)]| -> Vec<_> { tree.iter().map(|it| it.0.clone()).collect() };
    assert_eq!(names(&one), names(&other));
    assert!(one == other, "and what is in them");
}

#[test]
fn curl() {
    let Some(program) = program("curl") else { return };
    for stage in [Some(Stage::new()), Stage::on_v6()].into_iter().flatten() {
        let local = tempfile::tempdir().expect("a directory");
        let url = format!("ftp://{}", stage.address);
        let curl = || {
            let mut curl = Command::new(program);
            curl.args(["-sS", "--globoff", "--user", "ann:secret"]);
            curl
        };
        let content = noise(3 * MIB);
        fs::write(local.path().join("up"), &content).expect("it is written");
        // With EPSV, PASV and EPRT; with directories that have to be made first.
        run(curl().arg("-T").arg(local.path().join("up")).arg(format!("{url}/one")));
        run(curl()
            .args(["--ftp-create-dirs", "-T"])
            .arg(local.path().join("up"))
            .arg(format!("{url}/x/y%20z/two")));
        run(curl()
            .args(["--ftp-port", "-", "-T"])
            .arg(local.path().join("up"))
            .arg(format!("{url}/three")));
        for name in ["one", "x/y z/two", "three"] {
            assert!(stage.get(name) == content, "{name}");
        }
        for extra in [
            &["--ftp-pasv"][..],
            &["--disable-epsv"],
            &["--ftp-port", "-"],
            &["--ftp-method", "nocwd"],
        ] {
            if extra == ["--disable-epsv"] && stage.address.is_ipv6() {
                continue;
            }
            let output = run(curl().args(extra).arg(format!("{url}/x/y%20z/two")));
            assert!(output.stdout == content, "{extra:?}");
        }
        // A part, and the rest; in both directions.
        let output = run(curl().args(["-r", "1000-1999"]).arg(format!("{url}/one")));
        assert!(output.stdout == content[1000..2000]);
        fs::write(local.path().join("down"), &content[..MIB]).expect("it is written");
        run(curl()
            .args(["-C", "-", "-o"])
            .arg(local.path().join("down"))
            .arg(format!("{url}/one")));
        assert!(fs::read(local.path().join("down")).expect("it is there") == content);
        stage.put("four", &content[..MIB]);
        run(curl().args(["-C", "-", "-T"]).arg(local.path().join("up")).arg(format!("{url}/four")));
        assert!(stage.get("four") == content);
        // Lists, a head, a rename, as text, and a file that is not there.
        let output = run(curl().arg("--list-only").arg(format!("{url}/x/")));
        assert_eq!(output.stdout, b"y z\n".as_slice());
        let head = run(curl().arg("--head").arg(format!("{url}/one")));
        assert!(
            String::from_utf8_lossy(&head.stdout).contains(&format!("Content-Length: {}", 3 * MIB))
        );
        run(curl().args(["-Q", "-RNFR three", "-Q", "-RNTO 3"]).arg(format!("{url}/hello.txt")));
        assert!(stage.path("3").exists());
        let text = run(curl().arg("--use-ascii").arg(format!("{url}/hello.txt")));
        assert_eq!(text.stdout, b"hello\nworld\n".as_slice());
        let missing = curl().arg(format!("{url}/nothing")).output().expect("it is installed");
        assert_eq!(missing.status.code(), Some(78), "it says that it is not there");
        let wrong = Command::new(program).args(["-sS", "--user", "ann:wrong"]).arg(&url).output();
        assert_eq!(
            wrong.expect("it is installed").status.code(),
            Some(67),
            "it says that it may not"
        );
    }
}

#[test]
fn wget() {
    let Some(program) = program("wget") else { return };
    let stage = Stage::new();
    plant(stage.directory.path());
    let local = tempfile::tempdir().expect("a directory");
    let url = format!("ftp://{}/tree/", stage.address);
    let wget = || {
        let mut wget = Command::new(program);
        wget.args([
            "-q",
            "--tries=1",
            "--restrict-file-names=nocontrol",
            "--user=ann",
            "--password=secret",
        ]);
        wget.current_dir(local.path());
        wget
    };
    run(wget().args(["-r", "-nH", "--no-remove-listing"]).arg(&url));
    for entry in ["tree/.listing", "tree/a b/.listing", "tree/a b/c/.listing"] {
        fs::remove_file(local.path().join(entry)).expect("it keeps what it was told");
    }
    assert_same_trees(&stage.path("tree"), &local.path().join("tree"));
    let large = fs::read(stage.path("tree/größe")).expect("it is there");
    fs::write(local.path().join("größe"), &large[..MIB]).expect("it is written");
    run(wget().arg("-c").arg(format!("{url}größe")));
    assert!(fs::read(local.path().join("größe")).expect("it is there") == large);
    run(wget().args(["--no-passive-ftp", "-O", "active"]).arg(format!("{url}small")));
    assert_eq!(fs::read(local.path().join("active")).expect("it is there"), noise(100));
}

#[test]
fn lftp() {
    let Some(program) = program("lftp") else { return };
    let stage = Stage::with(Settings { keep_uploads: true, ..Settings::default() });
    plant(stage.directory.path());
    let local = tempfile::tempdir().expect("a directory");
    let home = tempfile::tempdir().expect("a directory");
    let lftp = |script: &str| {
        let open = format!(
            "set net:max-retries 2; set net:timeout 20; open -u ann,secret ftp://{};",
            stage.address
        );
        let mut lftp = Command::new(program);
        lftp.args(["--norc", "-c", &format!("{open} {script}")]);
        lftp.env("HOME", home.path()).env("LC_ALL", "C.UTF-8").current_dir(local.path());
        run(&mut lftp)
    };
    // A whole tree down and up, several files at once, with MLSD and with LIST.
    lftp("mirror --parallel=4 tree down");
    assert_same_trees(&stage.path("tree"), &local.path().join("down"));
    lftp("set ftp:use-mlsd no; mirror --parallel=2 tree down-by-list");
    assert_same_trees(&stage.path("tree"), &local.path().join("down-by-list"));
    lftp("mirror --reverse --parallel=4 down up");
    assert_same_trees(&local.path().join("down"), &stage.path("up"));
    // Times are set as well (MFMT), so nothing is left to do.
    let again = lftp("mirror --reverse --verbose down up");
    assert!(!String::from_utf8_lossy(&again.stdout).contains("Transferring"), "{again:?}");
    // In several pieces at once, and going on where it ended.
    let large = fs::read(stage.path("tree/größe")).expect("it is there");
    lftp("pget -n 4 tree/größe -o pieces");
    assert!(fs::read(local.path().join("pieces")).expect("it is there") == large);
    fs::write(local.path().join("part"), &large[..MIB]).expect("it is written");
    lftp("get -c tree/größe -o part");
    assert!(fs::read(local.path().join("part")).expect("it is there") == large);
    stage.put("part", &large[..MIB]);
    lftp("put -c pieces -o part");
    assert!(stage.get("part") == large);
    // Active, text, and the rest of what it knows.
    lftp("set ftp:passive-mode no; get tree/small -o active");
    assert_eq!(fs::read(local.path().join("active")).expect("it is there"), noise(100));
    lftp(
        "get -a hello.txt; cat hello.txt; ls; nlist; cls -l tree; mkdir -p m/n; mv part m/n/moved; chmod 600 m/n/moved; rm m/n/moved; rmdir m/n",
    );
    assert_eq!(fs::read(local.path().join("hello.txt")).expect("it is there"), b"hello\nworld\n");
    lftp("rm -r up m");
    assert!(!stage.path("up").exists());
}

const FTPLIB: &str = r#"
import ftplib, hashlib, io, sys
host, port = sys.argv[1], int(sys.argv[2])
content = bytes(range(256)) * 20000
for passive in (True, False):
    with ftplib.FTP(timeout=20) as ftp:
        ftp.connect(host, port)
        ftp.login("ann", "secret")
        ftp.set_pasv(passive)
        ftp.storbinary("STOR lib", io.BytesIO(content))
        back = io.BytesIO()
        ftp.retrbinary("RETR lib", back.write)
        assert back.getvalue() == content
        back = io.BytesIO()
        ftp.retrbinary("RETR lib", back.write, rest=1000)
        assert back.getvalue() == content[1000:]
        ftp.storbinary("STOR lib", io.BytesIO(b"the rest"), rest=100)
        assert ftp.size("lib") == 108
        ftp.storlines("STOR text", io.BytesIO(b"one\ntwo\n"))
        lines = []
        ftp.retrlines("RETR text", lines.append)
        assert lines == ["one", "two"], lines
        ftp.mkd('a "dir"')
        ftp.cwd('a "dir"')
        assert ftp.pwd() == '/a "dir"', ftp.pwd()
        ftp.cwd("..")
        assert 'a "dir"' in ftp.nlst()
        facts = dict(ftp.mlsd(facts=["type", "size"]))
        assert facts["lib"] == {"type": "file", "size": "108"}, facts
        ftp.dir(lambda line: None)
        ftp.rename("lib", "lib2")
        ftp.delete("lib2")
        ftp.rmd('a "dir"')
        # A transfer that is aborted in the middle, with urgent data.
        ftp.storbinary("STOR long", io.BytesIO(content * 4))
        data = ftp.transfercmd("RETR long")
        data.recv(1000)
        reply = ftp.abort()
        assert reply[:3] in ("226", "426"), reply
        data.close()
        if reply[:3] == "426":
            ftp.voidresp()
        ftp.delete("long")
        try:
            ftp.cwd("nothing")
            raise SystemExit("it is not there")
        except ftplib.error_perm as error:
            assert str(error)[:3] == "550"
        ftp.quit()
"#;

/// Links that lead back to where they are, in every directory, and what a client has made of them.
#[cfg(unix)]
#[test]
fn trees_with_loops_in_them_come_to_an_end() {
    use std::os::unix::fs::symlink;
    let stage = Stage::new();
    plant(stage.directory.path());
    for name in ["tree/loop", "tree/l2", "tree/a b/loop", "tree/a b/c/loop"] {
        symlink(".", stage.path(name)).expect("a link");
    }
    symlink("../..", stage.path("tree/a b/c/up")).expect("a link");
    symlink("small", stage.path("tree/same")).expect("a link");
    let url = format!("ftp://ann:secret@{}/tree", stage.address);
    let mirror = |how: &str| {
        vec![
            "lftp".into(),
            "--norc".into(),
            "-c".into(),
            format!("{how} open {url}; mirror . tree"),
        ]
    };
    let wget = ["wget", "-q", "--tries=1", "-r", "-nH", "-l", "inf", &url].map(str::to_owned);
    for words in [wget.to_vec(), mirror(""), mirror("set ftp:use-mlsd no;")] {
        if program(&words[0]).is_none() {
            continue;
        }
        let local = tempfile::tempdir().expect("a directory");
        let mut client = Command::new("timeout");
        client.arg("120").args(&words).current_dir(local.path()).env("HOME", local.path());
        let code = client.output().expect("it is installed").status.code();
        // wget asks for links as for files, and says so in the end when they are none.
        assert!(code == Some(0) || (words[0] == "wget" && code == Some(8)), "{words:?}: {code:?}");
        // Links are not followed by it, unless they are its starting point.
        let found =
            run(Command::new("find").arg("tree").args(["-type", "f"]).current_dir(local.path()));
        let found = String::from_utf8_lossy(&found.stdout).into_owned();
        assert!(found.contains("tree/a b/c/deep"), "{words:?}: {found}");
        let count = found.lines().filter(|line| !line.ends_with(".listing")).count();
        assert!((6..=7).contains(&count), "{words:?}: {found}");
    }
}

#[test]
fn pythons_ftplib() {
    let Some(python) = program("python3") else { return };
    let probe = Command::new(python).args(["-c", "import ftplib"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        return left_out("Python has no ftplib here");
    }
    for stage in [Some(Stage::new()), Stage::on_v6()].into_iter().flatten() {
        let (host, port) = (stage.address.ip().to_string(), stage.address.port().to_string());
        run(Command::new(python).args(["-c", FTPLIB, &host, &port]));
    }
}

#[test]
fn tnftp() {
    let Some(tnftp) = program("tnftp") else { return };
    let stage = Stage::new();
    plant(stage.directory.path());
    let local = tempfile::tempdir().expect("a directory");
    fs::write(local.path().join("up"), noise(MIB)).expect("it is written");
    let (host, port) = (stage.address.ip().to_string(), stage.address.port().to_string());
    let script = "user ann secret\nbinary\ncd tree\nget small\nget \"two words\" two\nmget e*\n\
                  put ../up up 2>/dev/null\nput up\nappend up twice\nappend up twice\nls\nnlist\nmls\nmlsd\n\
                  size up\nmodtime up\nrename up moved\npassive\nget moved back\nreget moved back\nstatus\n\
                  mkdir made\nrmdir made\nascii\nget ../hello.txt hello.txt\ndelete moved\npwd\nfeatures\nquit\n";
    let script = script.replace("put ../up up 2>/dev/null\n", "");
    let mut child = Command::new(tnftp)
        .args(["-n", "-i", "-V", "-P", &port, &host])
        .current_dir(local.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it is installed");
    let mut input = child.stdin.take().expect("it is piped");
    std::io::Write::write_all(&mut input, script.as_bytes()).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let read =
        |name: &str| fs::read(local.path().join(name)).unwrap_or_else(|_| panic!("{name}: {said}"));
    assert_eq!(read("small"), noise(100), "{said}");
    assert_eq!(read("two"), noise(70_000), "{said}");
    assert_eq!(read("empty"), b"", "{said}");
    assert!(read("back") == noise(MIB), "{said}");
    assert_eq!(read("hello.txt"), b"hello\nworld\n", "{said}");
    assert_eq!(stage.get("tree/twice").len(), 2 * MIB, "{said}");
    assert!(!stage.path("tree/moved").exists() && !stage.path("tree/made").exists(), "{said}");
}
