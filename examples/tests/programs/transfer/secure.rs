//! FTP over TLS (RFC 4217), with clients that people have. What is not installed is left out, and said to be.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Command;

use tempfile::TempDir;

use super::scene::{are_same, write};
use crate::outside::program;
use crate::support::{Program, Server, TRANSFER, connect, noise, run};

const LARGE: usize = 3_000_000;

/// A server that speaks TLS: explicitly at the first address, from the beginning at the second.
struct Stage {
    server: Server,
    place: TempDir,
    explicit: String,
    implicit: String,
    /// What its certificate is known by.
    fingerprint: String,
}

impl Stage {
    fn new(more: &[&str]) -> Self {
        let place = tempfile::tempdir().expect("a directory");
        fs::write(place.path().join("large"), noise(LARGE)).expect("it is written");
        let root = place.path().to_str().expect("it is text");
        let words = ["serve", "--root", root, "--write", "--user", "ann:secret"];
        let tls = ["--tls-self-signed", "--ftp", "127.0.0.1:0", "--ftps", "127.0.0.1:0"];
        let server = Program::start(TRANSFER, &[&words[..], &tls, more].concat());
        let address = |before: &str| server.told(before);
        let (explicit, implicit) = (address("ftp listening on "), address("ftps listening on "));
        assert!(server.line().starts_with("serving "), "it says what it serves");
        let line = server.line();
        let told = line.strip_prefix("certificate ").expect("it tells its certificate");
        let fingerprint = told.split(',').next().expect("there is always one").to_owned();
        Self { server: server.into(), place, explicit, implicit, fingerprint }
    }

    fn check_upload(&self, name: &str) {
        let there = fs::read(self.place.path().join(name)).expect("it is there");
        assert!(there == noise(LARGE), "{name}: {} bytes", there.len());
    }
}

#[track_caller]
fn ended_well(command: &mut Command) -> Vec<u8> {
    let output = command.output().expect("it is installed");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
    output.stdout
}

/// Both ways, with trees on several conversations, where each data connection has to be bound to its own.
#[test]
fn our_client_explicit_and_implicit() {
    let stage = Stage::new(&["--require-tls", "--require-reuse"]);
    let (here, there) = (tempfile::tempdir().expect("a directory"), stage.place.path());
    for number in 0..40 {
        let name = there.join(format!("tree/{}/{number}", number % 4));
        write(&name, &noise(1_000 * number));
    }
    for (url, more) in [
        (format!("ftp://ann:secret@{}", stage.explicit), &["--tls"][..]),
        (format!("ftps://ann:secret@{}", stage.implicit), &[]),
    ] {
        let pinned = [&["--tls-pin", &stage.fingerprint][..], more].concat();
        let transfers = |words: &[&str]| {
            let ended = run(TRANSFER, &[words, &pinned].concat(), b"");
            assert_eq!((ended.code, &*ended.errors), (Some(0), ""), "{words:?}");
            ended.text()
        };
        let target = here.path().to_str().expect("it is text");
        transfers(&["get", "-r", &format!("{url}/tree"), "-o", target]);
        are_same(&there.join("tree"), &here.path().join("tree"));
        let said = transfers(&["get", &format!("{url}/large"), "-o", target]);
        assert!(said.contains("SHA-256 is the same"), "{said}");
        assert!(fs::read(here.path().join("large")).expect("it is there") == noise(LARGE));
        let large = here.path().join("large");
        transfers(&["put", large.to_str().expect("it is text"), &format!("{url}/up")]);
        stage.check_upload("up");
        let tree = here.path().join("tree");
        let tree = tree.to_str().expect("it is text");
        transfers(&["put", "-r", tree, &format!("{url}/copy/")]);
        are_same(&there.join("tree"), &there.join("copy/tree"));
        assert!(transfers(&["list", &format!("{url}/")]).contains("large"));
        fs::remove_dir_all(there.join("copy")).expect("it is there");
        fs::remove_dir_all(tree).expect("it is there");
    }
}

#[test]
fn our_client_says_why_there_is_no_tls() {
    let stage = Stage::new(&["--require-tls"]);
    let (explicit, implicit) =
        (format!("ftp://{}/large", stage.explicit), format!("ftps://{}/large", stage.implicit));
    let clear = Program::start(TRANSFER, &["serve", "--ftp", "127.0.0.1:0"]);
    let clear_at = clear.told("ftp listening on ");
    let other = "AA:".repeat(31) + "AA";
    for (words, why) in [
        (&[&explicit[..]][..], "the server refuses the login: 530"),
        (&[&explicit, "--tls-pin", &other], "the server's certificate is not accepted: "),
        (&[&implicit, "--tls-pin", &other], "the server's certificate is not accepted: "),
        (&[&format!("ftp://{clear_at}/x"), "--tls"], "the server does not speak TLS: 502"),
        (&[&format!("ftps://{clear_at}/x"), "--tls-pin", &other], "the peer does not speak TLS"),
        (&["tftp://127.0.0.1/x", "--tls"], "TLS is not spoken over TFTP"),
        (&[&explicit, "--tls-ca", "/nowhere"], "cannot read /nowhere"),
    ] {
        let ended = run(TRANSFER, &[&["get", "-o", "/nowhere/file"], words].concat(), b"");
        assert_eq!(ended.code, Some(1), "{words:?}: {ended:?}");
        assert!(ended.errors.contains(why), "{words:?}: {ended:?}");
    }
    clear.stop();
}

/// With both ways to open a data connection; the last of the servers takes none that is not bound to its session.
#[test]
fn curl_explicit_and_implicit() {
    let Some(curl) = program("curl") else { return };
    for more in [&["--require-tls"][..], &["--require-tls", "--require-reuse"]] {
        let stage = Stage::new(more);
        let (explicit, implicit) =
            (format!("ftp://{}", stage.explicit), format!("ftps://{}", stage.implicit));
        let large = stage.place.path().join("large");
        for url in [&explicit, &implicit] {
            // This curl forgets TLS on data connections that it is made (7.88).
            for extra in [&[][..], &["--disable-epsv"]] {
                let curl = || {
                    let mut command = Command::new(curl);
                    command.args(["-sSk", "--ssl-reqd", "--user", "ann:secret"]).args(extra);
                    command
                };
                let got = ended_well(curl().arg(format!("{url}/large")));
                assert!(got == noise(LARGE), "{url} {extra:?}: {} bytes", got.len());
                ended_well(curl().arg("-T").arg(&large).arg(format!("{url}/up")));
                stage.check_upload("up");
                let list = ended_well(curl().arg("--list-only").arg(format!("{url}/")));
                assert!(list.starts_with(b"large"), "{}", list.escape_ascii());
            }
        }
        let plain =
            run("curl", &["-sS", "--user", "ann:secret", &format!("{explicit}/large")], b"");
        assert_eq!(plain.code, Some(67), "it may not log in: {plain:?}");
        stage.server.stop();
    }
}

#[test]
fn lftp_mirrors() {
    let Some(lftp) = program("lftp") else { return };
    let stage = Stage::new(&["--require-tls", "--require-reuse"]);
    for url in [format!("ftp://{}", stage.explicit), format!("ftps://{}", stage.implicit)] {
        let local = tempfile::tempdir().expect("a directory");
        let script = format!(
            "set ssl:verify-certificate no; set ftp:ssl-force yes; set ftp:ssl-protect-data yes; \
             set net:max-retries 1; open -u ann,secret {url}; get large; put large -o up; cls"
        );
        let mut command = Command::new(lftp);
        command.args(["--norc", "-c", &script]).env("HOME", local.path());
        ended_well(command.current_dir(local.path()));
        let got = fs::read(local.path().join("large")).expect("it is there");
        assert!(got == noise(LARGE));
        stage.check_upload("up");
    }
}

/// Python's does not go on with the session by itself, and is refused where that is asked for.
#[test]
fn python_is_let_in_and_refused_with_a_code_where_sessions_have_to_be_bound() {
    const SCRIPT: &str = r#"
import ftplib, io, ssl, sys
host, port = sys.argv[1].rsplit(":", 1)
ftp = ftplib.FTP_TLS(context=ssl._create_unverified_context())
ftp.connect(host, int(port), timeout=30)
ftp.login("ann", "secret")
try:
    ftp.ccc()
except ftplib.error_perm as error:
    print(str(error)[:3])
ftp.prot_p()
got = io.BytesIO()
try:
    ftp.retrbinary("RETR large", got.write)
except ftplib.Error as error:
    print(str(error)[:3])
    sys.exit()
ftp.storbinary("STOR up", io.BytesIO(got.getvalue()))
ftp.set_pasv(False)
got = io.BytesIO()
ftp.retrbinary("RETR up", got.write)
ftp.storbinary("STOR up", io.BytesIO(got.getvalue()))
ftp.prot_c()
print(ftp.nlst())
ftp.quit()
"#;
    let Some(python) = program("python3") else { return };
    let stage = Stage::new(&[]);
    let said = ended_well(Command::new(python).args(["-c", SCRIPT, &stage.explicit]));
    assert_eq!(String::from_utf8_lossy(&said), "534\n['large', 'up']\n");
    stage.check_upload("up");
    stage.server.stop();

    let stage = Stage::new(&["--require-reuse"]);
    let said = ended_well(Command::new(python).args(["-c", SCRIPT, &stage.explicit]));
    assert_eq!(String::from_utf8_lossy(&said), "534\n522\n");
}

/// Says a line, and hears a reply of one line.
fn ask(peer: &mut BufReader<TcpStream>, line: &str) -> String {
    write!(peer.get_mut(), "{line}\r\n").expect("it is open");
    let mut reply = String::new();
    peer.read_line(&mut reply).expect("it answers");
    reply
}

#[test]
fn what_comes_too_early_is_refused_with_its_code() {
    let stage = Stage::new(&["--require-tls"]);
    let mut peer = BufReader::new(connect(&stage.explicit));
    peer.read_line(&mut String::new()).expect("it greets");
    for (line, code) in [
        ("PBSZ 0", "503"),
        ("PROT P", "503"),
        ("PROT E", "536"),
        ("CCC", "503"),
        ("AUTH GSSAPI", "504"),
        ("USER ann", "530"),
    ] {
        let reply = ask(&mut peer, line);
        assert!(reply.starts_with(code), "{line}: {reply}");
    }
    // What is said behind AUTH without waiting is never heard as if it had been protected (CVE-2011-0411).
    let reply = ask(&mut peer, "AUTH TLS\r\nUSER ann\r\nPASS secret");
    assert!(reply.starts_with("234"), "{reply}");
    let mut rest = Vec::new();
    let _ = std::io::Read::read_to_end(&mut peer, &mut rest);
    assert_eq!(rest.first(), Some(&21), "an alert, and no reply: {}", rest.escape_ascii());
}

#[test]
fn tls_without_a_certificate_is_told_before_anything_begins() {
    for words in [&["--require-tls"][..], &["--ftps", "127.0.0.1:0"]] {
        run(TRANSFER, &[&["serve"], words].concat(), b"")
            .with_code(1)
            .complains("TLS wants a certificate");
    }
}
