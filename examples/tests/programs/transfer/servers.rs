//! Our client against the servers people have. Every byte is compared.

use std::fs;
use std::net::UdpSocket;
use std::path::PathBuf;

use tempfile::TempDir;

use super::scene::{are_same, directory, odd_files, write};
use crate::outside::{free_port, program, until_listening};
use crate::support::{Ended, Program, TRANSFER, noise, run, write_certificate};

#[track_caller]
fn transfers(words: &[&str]) -> String {
    let ended: Ended = run(TRANSFER, words, b"");
    assert_eq!(ended.code, Some(0), "{words:?}: {}\n{}", ended.text(), ended.errors);
    ended.text()
}

/// vsftpd with some files; `None` if it is not there.
struct Vsftpd {
    _server: Program,
    place: TempDir,
    /// What it serves.
    root: PathBuf,
    address: String,
}

impl Vsftpd {
    fn start(more: &str) -> Option<Self> {
        let vsftpd = program("vsftpd")?;
        if !rustix::process::geteuid().is_root() {
            crate::outside::left_out("vsftpd serves as root only");
            return None;
        }
        let (place, port) = (directory(), free_port());
        let (root, empty) = (place.path().join("root"), place.path().join("empty"));
        fs::create_dir(&empty).expect("it can be made");
        for (name, bytes) in odd_files() {
            write(&root.join("tree").join(name), &bytes);
        }
        // Its users must not write to the root, but to a directory in it.
        fs::create_dir(root.join("up")).expect("it can be made");
        run("chown", &["daemon", root.join("up").to_str().expect("it is text")], b"").with_code(0);
        let config = place.path().join("vsftpd.conf");
        let settings = format!(
            "listen=YES\nlisten_address=127.0.0.1\nlisten_port={port}\nbackground=NO\n\
             anonymous_enable=YES\nno_anon_password=YES\nanon_root={root}\n\
             write_enable=YES\nanon_upload_enable=YES\nanon_mkdir_write_enable=YES\n\
             anon_other_write_enable=YES\nanon_umask=022\nanon_world_readable_only=NO\n\
             secure_chroot_dir={empty}\nftp_username=daemon\nxferlog_enable=NO\n\
             isolate=NO\nisolate_network=NO\nseccomp_sandbox=NO\n{more}",
            root = root.display(),
            empty = empty.display(),
        );
        fs::write(&config, settings).expect("it can be written");
        let mut server = Program::start(vsftpd, &[config.to_str().expect("it is text")]);
        let address = format!("127.0.0.1:{port}");
        until_listening(server.child(), port);
        Some(Self { _server: server, place, root, address })
    }
}

#[test]
fn vsftpd() {
    let Some(Vsftpd { _server, place, root, address }) = Vsftpd::start("") else { return };
    let here = directory();
    let (url, here) = (format!("ftp://{address}/"), here.path().to_str().expect("it is text"));
    let listed = transfers(&["list", &format!("{url}tree")]);
    assert!(listed.contains("two words") && listed.contains("3000001"), "{listed}");
    transfers(&["get", &format!("{url}tree/"), "-o", here, "--parallel", "4"]);
    are_same(&root.join("tree"), &fs::canonicalize(here).expect("it is there").join("tree"));

    let bytes = noise(3_000_001);
    write(&place.path().join("large.part"), &bytes[..2_000_000]);
    let target = place.path().join("large");
    let target = target.to_str().expect("it is text");
    let said = transfers(&["get", "-c", &format!("{url}tree/large"), "-o", target]);
    assert!(said.contains(": 1000001 bytes"), "{said}");
    assert!(fs::read(target).expect("it is there") == bytes);

    // It shows a question mark, and has it by a NUL.
    write(&root.join("ends/line\nend"), b"bytes");
    let said = run(TRANSFER, &["get", "-r", &format!("{url}ends"), "-o", here], b"").with_code(0);
    let kept = std::path::Path::new(here).join("ends/line%0Aend");
    assert_eq!(fs::read(kept).expect("it is there"), b"bytes", "{said:?}");

    transfers(&["put", "-r", &format!("{here}/tree"), &format!("{url}up/")]);
    are_same(&root.join("tree"), &root.join("up/tree"));
}

/// Which takes no data connection but with the session of its control connection.
#[test]
fn vsftpd_over_tls_explicit_and_implicit() {
    let keys = directory();
    let (certificate, key) = write_certificate(&keys, &["127.0.0.1"]);
    let tls = format!(
        "ssl_enable=YES\nallow_anon_ssl=YES\nforce_anon_data_ssl=YES\nforce_anon_logins_ssl=YES\n\
         require_ssl_reuse=YES\nstrict_ssl_read_eof=YES\nssl_ciphers=HIGH\n\
         rsa_cert_file={certificate}\nrsa_private_key_file={key}\n",
    );
    for (scheme, more) in [("ftp", ""), ("ftps", "implicit_ssl=YES\n")] {
        let Some(Vsftpd { _server, place: _place, root, address }) =
            Vsftpd::start(&format!("{tls}{more}"))
        else {
            return;
        };
        let here = directory();
        let url = format!("{scheme}://{address}/");
        let here = here.path().to_str().expect("it is text");
        let ca = ["--tls-ca", &certificate];
        let listed = transfers(&[&["list", &format!("{url}tree")][..], &ca].concat());
        assert!(listed.contains("two words") && listed.contains("3000001"), "{listed}");
        transfers(&[&["get", &format!("{url}tree/"), "-o", here][..], &ca].concat());
        are_same(&root.join("tree"), &fs::canonicalize(here).expect("it is there").join("tree"));
        transfers(
            &[&["put", "-r", &format!("{here}/tree"), &format!("{url}up/")][..], &ca].concat(),
        );
        are_same(&root.join("tree"), &root.join("up/tree"));
    }
}

#[test]
fn tftpd_hpa() {
    let Some(tftpd) = program("in.tftpd") else { return };
    if !rustix::process::geteuid().is_root() {
        return crate::outside::left_out("in.tftpd serves as root only");
    }
    let (place, here) = (directory(), directory());
    let root = place.path().to_str().expect("it is text");
    write(&place.path().join("file"), &noise(1_000_000));
    write(&place.path().join("text"), b"one\ntwo\n");
    let port = UdpSocket::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a socket");
    let address = port.to_string();
    // It begins with the directory as its root, and stays in front.
    let words = ["--foreground", "--listen", "--address", &address, "-u", "root", "-c", "-s", root];
    let server = Program::start(tftpd, &words);
    let target = here.path().join("file");
    let target = target.to_str().expect("it is text");
    // Until it listens nobody answers, and the client asks again.
    transfers(&["get", &format!("tftp://{address}/file"), "-o", target]);
    assert!(fs::read(target).expect("it is there") == noise(1_000_000));
    transfers(&["get", &format!("tftp://{address}/text;mode=netascii"), "-o", target]);
    assert_eq!(fs::read(target).expect("it is there"), b"one\ntwo\n");
    write(&here.path().join("new"), &noise(300_001));
    let new = here.path().join("new");
    transfers(&["put", new.to_str().expect("it is text"), &format!("tftp://{address}/up")]);
    assert!(fs::read(place.path().join("up")).expect("it is there") == noise(300_001));
    let ended = run(TRANSFER, &["get", &format!("tftp://{address}/missing"), "-o", target], b"");
    ended.complains("File not found");
    drop(server);
}
