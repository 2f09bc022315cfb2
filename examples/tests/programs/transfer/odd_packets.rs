//! TFTP with servers as they are out there: those that cannot cope with options, and those that are not
//! there. Each is a socket, and does what the test says.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::scene::{Scene, directory};
use crate::support::{Program, TRANSFER, noise, run};

/// What a server does about a request with options.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Refuses(u8),
    IsSilent,
    GrantsNonsense,
    IgnoresThem,
}

/// A server of one file of 700 bytes, for one transfer, and what it has been sent by way of requests.
struct Server {
    address: SocketAddr,
    requests: thread::JoinHandle<Vec<Vec<u8>>>,
}

impl Server {
    fn new(manner: Manner) -> Self {
        let door = socket();
        let address = door.local_addr().expect("it is bound");
        Self { address, requests: thread::spawn(move || serve(&door, manner)) }
    }
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(30))).expect("it can be");
    socket
}

fn serve(door: &UdpSocket, manner: Manner) -> Vec<Vec<u8>> {
    let (mut requests, mut buffer) = (Vec::new(), [0; 2_048]);
    loop {
        let (length, client) = door.recv_from(&mut buffer).expect("it is asked");
        let request = buffer[..length].to_vec();
        let has_options = request.iter().filter(|&&byte| byte == 0).count() > 3;
        let is_write = request.get(1) == Some(&2);
        requests.push(request);
        let port = socket();
        let answer = match manner {
            Manner::IsSilent if has_options => continue,
            Manner::Refuses(code) if has_options => {
                [&[0, 5, 0, code], &b"no options\0"[..]].concat()
            }
            Manner::GrantsNonsense if has_options => b"\0\x06colour\0red\0".to_vec(),
            _ => {
                transfer(&port, client, is_write);
                return requests;
            }
        };
        // Networks double packets: what was over stays over.
        port.send_to(&answer, client).expect("it is sent");
        port.send_to(&answer, client).expect("it is sent");
    }
}

/// Sends the file, or receives it, block by block.
fn transfer(port: &UdpSocket, client: SocketAddr, is_write: bool) {
    let file = noise(700);
    let blocks = [&file[..512], &file[512..]];
    let mut buffer = [0; 2_048];
    if is_write {
        port.send_to(&[0, 4, 0, 0], client).expect("it is sent");
    }
    for (number, block) in (1..).zip(blocks) {
        let data = [&[0, 3, 0, number], block].concat();
        if !is_write {
            port.send_to(&data, client).expect("it is sent");
        }
        let (length, _) = port.recv_from(&mut buffer).expect("it is answered");
        if is_write {
            assert!(buffer[..length] == data[..], "block {number}");
            port.send_to(&[0, 4, 0, number], client).expect("it is sent");
        } else {
            assert_eq!(buffer[..length], [0, 4, 0, number]);
        }
    }
}

#[test]
fn a_server_that_refuses_options_is_asked_without() {
    let here = directory();
    let file = here.path().join("file");
    for manner in [
        Manner::Refuses(8),
        Manner::Refuses(0),
        Manner::Refuses(4),
        Manner::GrantsNonsense,
        Manner::IsSilent,
    ] {
        for is_put in [false, true] {
            let server = Server::new(manner);
            let url = format!("tftp://{}/file", server.address);
            let path = file.to_str().expect("it is text");
            let ended = match is_put {
                false => run(TRANSFER, &["get", &url, "-o", path], b""),
                true => run(TRANSFER, &["put", path, &url], b""),
            };
            assert_eq!(ended.code, Some(0), "{manner:?}: {}", ended.errors);
            ended.complains("asking again without options");
            assert!(ended.text().contains("without options"), "{}", ended.text());
            assert!(fs::read(&file).expect("it is there") == noise(700));
            let requests = server.requests.join().expect("it served");
            let plain = [&[0, 1 + u8::from(is_put)], &b"file\0octet\0"[..]].concat();
            assert_eq!(requests.last(), Some(&plain), "{manner:?}");
        }
    }
}

#[test]
fn a_server_that_ignores_options_is_not_talked_about() {
    let here = directory();
    let file = here.path().join("file");
    let path = file.to_str().expect("it is text");
    let server = Server::new(Manner::IgnoresThem);
    let url = format!("tftp://{}/file", server.address);
    run(TRANSFER, &["get", &url, "-o", path], b"").went_well();
    assert_eq!(server.requests.join().expect("it served").len(), 1);
}

#[test]
fn no_options_are_asked_for_where_none_are_wanted() {
    let here = directory();
    let file = here.path().join("file");
    let path = file.to_str().expect("it is text");
    for is_put in [false, true] {
        let server = Server::new(Manner::Refuses(8));
        let url = format!("tftp://{}/file", server.address);
        let words = match is_put {
            false => ["get", "--no-options", &url, "-o", path],
            true => ["put", "--no-options", "--no-hash", path, &url],
        };
        run(TRANSFER, &words, b"").went_well();
        assert_eq!(server.requests.join().expect("it served").len(), 1);
    }
}

/// What is not there is not there without options either; that is said once.
#[test]
fn a_file_that_is_missing_is_asked_for_once() {
    let scene = Scene::new();
    let ended = scene.transfer(&["get", &format!("tftp://{}/missing", scene.tftp)]);
    assert_eq!(ended.code, Some(1));
    assert!(!ended.errors.contains("options"), "{}", ended.errors);
}

/// There is no going on with a file of TFTP, and none with a list.
#[test]
fn who_interrupts_tftp_gets_no_advice_that_cannot_work() {
    for signal in [Signal::INT, Signal::TERM] {
        let (here, silent) = (directory(), socket());
        let file = here.path().join("file");
        let url = format!("tftp://{}/file", silent.local_addr().expect("it is bound"));
        let program =
            Program::start(TRANSFER, &["get", &url, "-o", file.to_str().expect("it is text")]);
        silent.recv_from(&mut [0; 2_048]).expect("it asks");
        program.signal(signal);
        let ended = program.ended().with_code(1);
        assert_eq!(ended.errors, "transfer: interrupted");
        assert_eq!(fs::read_dir(here.path()).expect("it is there").count(), 0);
    }
}

/// Where nobody listens is said at once, not after a minute, and without a word about options.
#[cfg(target_os = "linux")]
#[test]
fn a_dead_port_is_told_at_once() {
    let here = directory();
    let file = here.path().join("file");
    fs::write(&file, b"hello").expect("it can be written");
    let path = file.to_str().expect("it is text");
    let nobody = socket().local_addr().expect("it was bound");
    let url = format!("tftp://{nobody}/file");
    let (begin, new) = (Instant::now(), format!("{path}.new"));
    for words in [
        &["get", &url, "-o", &new][..],
        &["get", "--no-options", &url, "-o", &new],
        &["put", path, &url],
    ] {
        let ended = run(TRANSFER, words, b"").with_code(1);
        let told = format!("transfer: file: {nobody}: connection refused: nobody listens there");
        assert_eq!(ended.errors, told);
    }
    // Without, one takes 59 s.
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert_eq!(fs::read_dir(here.path()).expect("it is there").count(), 1);
}
