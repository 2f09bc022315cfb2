//! `web`, as people and their programs meet it. What is not installed is left out, and said to be.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

use crate::outside::{self, Process, free_port, is_there, program, until_listening};
use crate::support::{
    Ended, PATIENCE, Program, WEB, answers_once, connect, listener, noise, read_head, run, run_with,
};
use tempfile::TempDir;

const LARGE: usize = 4_000_000;

/// A tree with files of all sizes.
fn tree() -> TempDir {
    let tree = tempfile::tempdir().expect("a directory");
    fs::create_dir(tree.path().join("a b")).expect("it is made");
    for (name, length) in
        [("empty", 0), ("small", 100), ("large", LARGE), ("a b/gr\u{f6}\u{df}e", 70_000)]
    {
        fs::write(tree.path().join(name), noise(length)).expect("it is written");
    }
    tree
}

/// `web serve`, or `web echo`, and where it listens.
fn start(arguments: &[&str]) -> (Program, String) {
    let server = Program::start(WEB, &[arguments, &["--listen", "127.0.0.1:0"]].concat());
    let line = server.line();
    let url = line.strip_suffix('/').expect("a URL").to_owned();
    (server, url)
}

fn serve(tree: &TempDir) -> (Program, String) {
    start(&["serve", &tree.path().to_string_lossy()])
}

#[track_caller]
fn prints(program: &str, arguments: &[&str]) -> Vec<u8> {
    let ended = run(program, arguments, b"");
    assert_eq!(ended.code, Some(0), "{program} {arguments:?}: {}", ended.errors);
    ended.output
}

#[test]
fn curl() {
    let Some(curl) = program("curl") else { return };
    let tree = tree();
    let (server, url) = serve(&tree);
    let get = |path: &str, more: &[&str]| {
        let url = format!("{url}/{path}");
        prints(curl, &[&["-sS", "--fail", &url], more].concat())
    };
    assert!(get("large", &[]) == noise(LARGE));
    assert!(get("large", &["--http1.0"]) == noise(LARGE));
    assert!(get("a%20b/gr%C3%B6%C3%9Fe", &[]) == noise(70_000));
    assert_eq!(get("large", &["-r", "5-9"]), noise(LARGE)[5..10]);
    assert!(get("a%20b", &["-L"]).starts_with(b"<!doctype html>"));
    let head = String::from_utf8(get("small", &["-I"])).expect("it is text");
    assert!(head.contains("Content-Length: 100\r\n"), "{head}");
    // What is there already is gone on with.
    let here = tree.path().join("here");
    fs::write(&here, &noise(LARGE)[..1_000_000]).expect("it is written");
    get("large", &["-C", "-", "-o", &here.to_string_lossy()]);
    assert!(fs::read(&here).expect("it is there") == noise(LARGE));
    // Two over one connection.
    let small = format!("{url}/small");
    let both = prints(
        curl,
        &["-sS", "-w", "[%{num_connects}]", &small, &small, "-o", "/dev/null", "-o", "/dev/null"],
    );
    assert_eq!(both, b"[1][0]");
    server.stop();

    let (server, url) = start(&["echo"]);
    let large = tree.path().join("large");
    let data = format!("@{}", large.display());
    for more in [&[][..], &["-H", "Transfer-Encoding: chunked"], &["-H", "Expect: 100-continue"]] {
        let arguments = [&["-sS", "--data-binary", &data, &url], more].concat();
        assert!(prints(curl, &arguments) == noise(LARGE), "{more:?}");
    }
    let seen = prints(curl, &["-sS", "-X", "BREW", "-d", "a=b", &format!("{url}/inspect?q")]);
    let seen: serde_json::Value = serde_json::from_slice(&seen).expect("it is JSON");
    assert_eq!((&seen["method"], &seen["target"]), (&"BREW".into(), &"/inspect?q".into()));
    assert_eq!(seen["body"], "a=b");
    server.stop();
}

#[test]
fn wget() {
    let Some(wget) = program("wget") else { return };
    let tree = tree();
    let (server, url) = serve(&tree);
    let here = tempfile::tempdir().expect("a directory");
    let place = here.path().to_string_lossy().into_owned();
    prints(wget, &["-q", "-r", "-nH", "-P", &place, &url]);
    assert!(fs::read(here.path().join("large")).expect("it came") == noise(LARGE));
    let deep = here.path().join("a b/gr\u{f6}\u{df}e");
    assert!(fs::read(deep).is_ok_and(|bytes| bytes == noise(70_000)));
    server.stop();
}

#[test]
fn python() {
    let Some(python) = program("python3") else { return };
    let (server, url) = start(&["echo"]);
    let place = url.strip_prefix("http://").expect("a URL");
    let script = "
import http.client, sys
it = http.client.HTTPConnection(sys.argv[1])
for _ in range(3):
    it.request('PUT', '/x', body=iter([b'ab', b'c' * 100000]), encode_chunked=True, headers={'Transfer-Encoding': 'chunked'})
    assert it.getresponse().read() == b'ab' + b'c' * 100000
    it.request('HEAD', '/x')
    assert it.getresponse().read() == b''
";
    prints(python, &["-c", script, place]);
    if !is_there("Python with the package requests", &mut outside::python("import requests")) {
        return;
    }
    let script = "
import requests, sys
it = requests.Session()
for _ in range(3):
    assert it.post(sys.argv[1], data=b'x' * 3000000).content == b'x' * 3000000
    assert it.post(sys.argv[1] + '/inspect', json={'a': 1}).json()['body'] == '{\"a\": 1}'
";
    prints(python, &["-c", script, &url]);
    server.stop();
}

#[test]
fn node() {
    let Some(node) = program("node") else { return };
    let (server, url) = start(&["echo"]);
    let script = "
const url = process.argv[1];
(async () => {
  if (typeof fetch === 'undefined') return;
  for (const _ of [1, 2, 3]) {
    const text = await (await fetch(url, { method: 'POST', body: 'x'.repeat(3e6) })).text();
    if (text.length !== 3e6) process.exit(1);
  }
  const many = await Promise.all([...Array(50).keys()].map((at) => fetch(url, { method: 'POST', body: `${at}` }).then((it) => it.text())));
  if (many.join() !== [...Array(50).keys()].join()) process.exit(2);
})();";
    prints(node, &["-e", script, &url]);
    server.stop();
}

#[test]
fn load_generators() {
    let tree = tree();
    let (server, url) = serve(&tree);
    let small = format!("{url}/small");
    let says = |program: &str, arguments: &[&str], words: &str| {
        let output = String::from_utf8(prints(program, arguments)).expect("it is text");
        assert!(output.contains(words), "{program}: {output}");
    };
    if program("h2load").is_some() {
        says(
            "h2load",
            &["--h1", "-n", "500", "-c", "10", "-m", "5", &small],
            "500 succeeded, 0 failed",
        );
    }
    if program("ab").is_some() {
        for keep in ["-k", "-q"] {
            let words = "Failed requests:        0";
            says("ab", &["-q", keep, "-n", "300", "-c", "10", &small], words);
        }
    }
    if program("wrk").is_some() {
        let ended = run("wrk", &["-t1", "-c10", "-d1s", &small], b"");
        assert!(ended.text().contains("Requests/sec"), "{ended:?}");
        assert!(!ended.text().contains("Non-2xx") && !ended.text().contains("errors"), "{ended:?}");
    }
    server.stop();
}

// ── web get ─────────────────────────────────────────────────────────────────────────────────────

/// Somebody else's server, which ends with its test.
fn foreign(program: &str, arguments: &[&str], port: u16) -> Process {
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    let mut server = Process::start(&mut command);
    until_listening(&mut server.0, port);
    server
}

/// `web get` fetches from a server: several files at one time, and the rest of one.
#[track_caller]
fn fetches_from(url: &str, can_go_on: bool) {
    let here = tempfile::tempdir().expect("a directory");
    let place = here.path().to_string_lossy().into_owned();
    let urls =
        ["large", "small", "empty", "a%20b/gr%C3%B6%C3%9Fe"].map(|name| format!("{url}/{name}"));
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    prints(WEB, &[&["get", "--output", &place][..], &urls].concat());
    let read = |name: &str| fs::read(here.path().join(name)).expect("it came");
    assert!(
        read("large") == noise(LARGE) && read("small") == noise(100) && read("empty").is_empty()
    );
    assert!(read("gr\u{f6}\u{df}e") == noise(70_000));
    if can_go_on {
        fs::remove_file(here.path().join("large")).expect("it is there");
        fs::write(here.path().join("large.part"), &noise(LARGE)[..1_000_000])
            .expect("it is written");
        let output = prints(WEB, &["get", "-c", "--output", &place, urls[0]]);
        assert!(String::from_utf8_lossy(&output).contains("3000000 bytes"), "only the rest");
        assert!(read("large") == noise(LARGE));
        let output = prints(WEB, &["get", "-c", "--output", &place, urls[0]]);
        assert!(String::from_utf8_lossy(&output).contains("all of it is here"));
        fs::rename(here.path().join("large"), here.path().join("large.part")).expect("it is there");
        prints(WEB, &["get", "-c", "--output", &place, urls[0]]);
        assert!(read("large") == noise(LARGE), "what was whole already has got its name");
        fs::write(here.path().join("large"), &noise(LARGE)[..1_000_000]).expect("it is written");
        prints(WEB, &["get", "-c", "--output", &place, urls[0]]);
        assert!(read("large") == noise(LARGE), "what was here under its own name is gone on with");
    }
    fs::write(here.path().join("small.part"), noise(101)).expect("it is written");
    let longer = run(WEB, &["get", "-c", "--output", &place, urls[1]], b"");
    let words = "what is here has 101 bytes, more than the 100 there are; it stays as it is";
    assert!(longer.code == Some(33) && longer.errors.contains(words), "{longer:?}");
    assert!(read("small.part") == noise(101) && read("small") == noise(100), "nothing is lost");
    let twice = run(WEB, &["get", "--output", &place, urls[1], urls[1]], b"");
    assert_eq!(twice.code, Some(2), "one file is not made of two answers: {twice:?}");
    let missing = run(WEB, &["get", "--output", &place, &format!("{url}/missing")], b"");
    assert_eq!(missing.code, Some(22), "{missing:?}");
    assert!(!here.path().join("missing").exists());
}

#[test]
fn get_from_our_own() {
    let tree = tree();
    let (server, url) = serve(&tree);
    fetches_from(&url, true);
    // By way of a redirect, to standard output.
    let page = prints(WEB, &["get", "--output", "-", &format!("{url}/a%20b")]);
    assert!(page.starts_with(b"<!doctype html>"));
    server.stop();
}

#[cfg(unix)]
#[test]
fn get_writes_into_a_pipe_or_a_device_and_puts_no_file_in_its_place() {
    use std::os::unix::fs::FileTypeExt;
    let tree = tree();
    let (server, url) = serve(&tree);
    let here = tempfile::tempdir().expect("a directory");
    let pipe = here.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("it is there");
    assert!(made.success());
    let path = pipe.clone();
    let reader = std::thread::spawn(move || fs::read(path));
    prints(WEB, &["get", "--output", &pipe.to_string_lossy(), &format!("{url}/large")]);
    let left = fs::read_dir(&here).expect("it is there").count();
    let is_pipe = fs::metadata(&pipe).expect("it is there").file_type().is_fifo();
    assert!(is_pipe && left == 1, "it is a pipe, and nothing is beside it");
    assert!(reader.join().expect("it ends").expect("it can be read") == noise(LARGE));
    let printed = prints(WEB, &["get", "--output", "/dev/stdout", &format!("{url}/large")]);
    assert!(printed == noise(LARGE), "and nothing else");
    server.stop();
}

#[test]
fn get_from_python() {
    let Some(python) = program("python3") else { return };
    let (tree, port) = (tree(), free_port());
    let root = tree.path().to_string_lossy().into_owned();
    let arguments =
        ["-m", "http.server", &port.to_string(), "--bind", "127.0.0.1", "--directory", &root];
    let _server = foreign(python, &arguments, port);
    fetches_from(&format!("http://127.0.0.1:{port}"), false);
}

#[test]
fn get_from_nginx() {
    let Some(nginx) = program("nginx") else { return };
    let (tree, port) = (tree(), free_port());
    let scratch = tempfile::tempdir().expect("a directory");
    let config = nginx_config(scratch.path(), tree.path(), port);
    let file = scratch.path().join("nginx.conf");
    fs::write(&file, config).expect("it is written");
    let file = file.to_string_lossy().into_owned();
    let _server = foreign(nginx, &["-c", &file, "-g", "daemon off; master_process off;"], port);
    fetches_from(&format!("http://127.0.0.1:{port}"), true);
}

fn nginx_config(scratch: &Path, root: &Path, port: u16) -> String {
    let (scratch, root) = (scratch.display(), root.display());
    format!(
        "pid {scratch}/pid; error_log {scratch}/error;
         events {{}}
         http {{
           access_log off;
           client_body_temp_path {scratch}/a; proxy_temp_path {scratch}/b;
           fastcgi_temp_path {scratch}/c; uwsgi_temp_path {scratch}/d; scgi_temp_path {scratch}/e;
           server {{ listen 127.0.0.1:{port}; root {root}; }}
         }}"
    )
}

#[test]
fn get_from_apache() {
    let Some(apache) = program("/usr/sbin/apache2") else { return };
    let (tree, port) = (tree(), free_port());
    let scratch = tempfile::tempdir().expect("a directory");
    let (place, root) = (scratch.path().display(), tree.path().display());
    let modules: String = ["mpm_event", "authz_core", "mime"]
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .concat();
    let config = format!(
        "{modules}ServerRoot {place}\nServerName localhost\nListen 127.0.0.1:{port}\n\
         PidFile {place}/pid\nErrorLog {place}/error\nTypesConfig /dev/null\nDocumentRoot {root}\n"
    );
    let file = scratch.path().join("apache.conf");
    fs::write(&file, config).expect("it is written");
    let _server = foreign(apache, &["-X", "-f", &file.to_string_lossy()], port);
    fetches_from(&format!("http://127.0.0.1:{port}"), true);
}

/// Its large answers go in chunks.
#[test]
fn get_from_node() {
    let Some(node) = program("node") else { return };
    let script = "
const { createServer } = require('http'), { readFile } = require('fs');
const [root, port] = process.argv.slice(1);
createServer((request, answer) => {
  readFile(root + decodeURIComponent(request.url), (error, bytes) => {
    if (error) return answer.writeHead(404).end();
    if (bytes.length > 100000) answer.write(bytes.subarray(0, 1000));
    answer.end(bytes.length > 100000 ? bytes.subarray(1000) : bytes);
  });
}).listen(port, '127.0.0.1');";
    let (tree, port) = (tree(), free_port());
    let root = tree.path().to_string_lossy().into_owned();
    let _server = foreign(node, &["-e", script, &root, &port.to_string()], port);
    fetches_from(&format!("http://127.0.0.1:{port}"), false);
}

/// A server that gives each request, on a connection of its own, the next of these answers; and the heads it has heard.
fn answers(answers: &'static [&str]) -> (String, JoinHandle<Vec<String>>) {
    let (listener, place) = listener();
    let answer = move |answer: &&str| {
        let (mut client, _) = listener.accept().expect("somebody connects");
        client.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
        let head = read_head(&mut client);
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let length = length.map_or(0, |length| length.parse().expect("it is a number"));
        client.read_exact(&mut vec![0; length]).expect("the body comes");
        let answer = format!("HTTP/1.1 {answer}\r\nConnection: close\r\n\r\n");
        client.write_all(answer.as_bytes()).expect("it reads");
        head
    };
    (place, std::thread::spawn(move || answers.iter().map(answer).collect()))
}

/// Apache does not say with 416 how much there is.
const NO_MORE: &str = "416 Range Not Satisfiable\r\nContent-Length: 0";

/// `web get -c` of a file of which three bytes are here.
fn go_on(place: &str, here: &TempDir, more: &[&str]) -> Ended {
    fs::write(here.path().join("x.part"), "abc").expect("it is written");
    let (here, url) = (here.path().to_string_lossy(), format!("http://{place}/x"));
    run(WEB, &[&["get", "-c", "--output", &here, &url], more].concat(), b"")
}

#[test]
fn what_is_here_already_is_whole_though_the_server_only_says_that_there_is_no_more() {
    for more in [&[][..], &["-X", "GET", "--data", "hello"]] {
        let (place, heard) = answers(&[NO_MORE, "200 OK\r\nContent-Length: 3"]);
        let here = tempfile::tempdir().expect("a directory");
        let ended = go_on(&place, &here, more);
        assert!(ended.code == Some(0) && ended.text().contains("all of it is here"), "{ended:?}");
        assert_eq!(fs::read(here.path().join("x")).expect("it has its name"), b"abc");
        let heard = heard.join().expect("it ends");
        let (first, second) = (&heard[0], &heard[1]);
        assert!(
            first.starts_with("GET /x ") && first.contains("\r\nRange: bytes=3-\r\n"),
            "{first}"
        );
        assert!(second.starts_with("HEAD /x "), "{second}");
        assert!(!second.contains("Range") && !second.contains("Content-"), "{second}");
    }
}

#[test]
fn what_may_not_be_whole_stays_as_it_is() {
    let scripts: [&'static [&str]; 6] = [
        &[NO_MORE, "206 Partial Content\r\nContent-Range: bytes 3-9/10\r\nContent-Length: 7"],
        &[NO_MORE, "200 OK\r\nContent-Length: 10"],
        &[NO_MORE, "200 OK"],
        &[NO_MORE, "405 Method Not Allowed\r\nContent-Length: 0"],
        &[NO_MORE, "416 Range Not Satisfiable\r\nContent-Range: bytes */3\r\nContent-Length: 0"],
        &["416 Range Not Satisfiable\r\nContent-Range: bytes */10\r\nContent-Length: 0"],
    ];
    let refuses = |script, more: &[&str]| {
        let (place, heard) = answers(script);
        let here = tempfile::tempdir().expect("a directory");
        let ended = go_on(&place, &here, more);
        assert!(
            ended.code == Some(33) && ended.errors.contains("says 416"),
            "{script:?} {ended:?}"
        );
        assert_eq!(fs::read(here.path().join("x.part")).expect("it is here"), b"abc");
        assert!(!here.path().join("x").exists(), "{script:?}");
        heard.join().expect("all was asked");
    };
    for script in scripts {
        refuses(script, &[]);
    }
    // What another method would answer with is not what HEAD tells of.
    refuses(&[NO_MORE], &["--data", "hello"]);
}

/// No file may have a byte: each write fails, as on a full disk.
#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_written_leaves_nothing() {
    let (tree, here) = (tree(), tempfile::tempdir().expect("a directory"));
    let (server, url) = serve(&tree);
    let (output, url) = (here.path().to_string_lossy(), format!("{url}/small"));
    for (errors, said) in [("&2", "too large"), ("/dev/full", "")] {
        let get = r#"trap "" XFSZ; ulimit -f 0; exec "$0" get --output "$@" 2>"#;
        let ended = run("sh", &["-c", &format!("{get}{errors}"), WEB, &output, &url], b"");
        ended.with_code(23).complains(said);
        assert_eq!(fs::read_dir(&here).expect("it is there").count(), 0);
    }
    server.stop();
}

#[test]
fn get_asks_by_any_method() {
    let (server, url) = start(&["echo"]);
    for (more, method, body) in [
        (&[][..], "GET", ""),
        (&["--data", "a=b"], "POST", "a=b"),
        (&["-X", "BREW"], "BREW", ""),
        (&["-X", "PUT", "--data", "a=b"], "PUT", "a=b"),
    ] {
        let words = ["get", "-o", "-", &format!("{url}/inspect")];
        let seen = prints(WEB, &[&words[..], more].concat());
        let seen: serde_json::Value = serde_json::from_slice(&seen).expect("it is JSON");
        assert_eq!((&seen["method"], &seen["body"]), (&method.into(), &body.into()));
    }
    server.stop();
}

/// The server hears so many before it answers one, and takes no more connections.
#[test]
fn get_asks_for_as_many_at_one_time_as_it_is_told_to() {
    for at_once in [1, 6] {
        let (listener, place) = listener();
        let server = std::thread::spawn(move || {
            let mut clients: Vec<_> = (0..at_once)
                .map(|_| {
                    let (client, _) = listener.accept().expect("somebody connects");
                    client.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
                    client
                })
                .collect();
            for _ in 0..6 / at_once {
                clients.iter_mut().map(read_head).for_each(drop);
                for client in &mut clients {
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
                    client.write_all(answer).expect("it reads");
                }
            }
        });
        let urls: Vec<_> = (0..6).map(|at| format!("http://{place}/{at}")).collect();
        let urls: Vec<_> = urls.iter().map(String::as_str).collect();
        let words = ["get", "-o", "-", "--parallel", &at_once.to_string()];
        assert_eq!(prints(WEB, &[&words[..], &urls].concat()), b"hi".repeat(6));
        server.join().expect("all were asked for");
    }
}

/// `web proxy` before these, and where it listens.
fn proxy(to: &[&str], more: &[&str]) -> (Program, String) {
    let to: Vec<_> = to.iter().flat_map(|url| ["--to", *url]).collect();
    start(&[&["proxy"], &to[..], more].concat())
}

#[test]
fn a_proxy_before_our_own() {
    let tree = tree();
    let (server, behind) = serve(&tree);
    let (front, url) = proxy(&[&behind], &[]);
    fetches_from(&url, true);
    front.stop();
    server.stop();
}

#[test]
fn a_proxy_before_nginx_and_python() {
    if ["nginx", "python3", "curl"].iter().any(|name| program(name).is_none()) {
        return;
    }
    let (tree, ports) = (tree(), [free_port(), free_port()]);
    let root = tree.path().to_string_lossy().into_owned();
    let scratch = tempfile::tempdir().expect("a directory");
    let file = scratch.path().join("nginx.conf");
    fs::write(&file, nginx_config(scratch.path(), tree.path(), ports[0])).expect("it is written");
    let file = file.to_string_lossy().into_owned();
    let words = ["-c", &file, "-g", "daemon off; master_process off;"];
    let nginx = foreign("nginx", &words, ports[0]);
    let port = ports[1].to_string();
    let words = ["-m", "http.server", &port, "--bind", "127.0.0.1", "--directory", &root];
    let _python = foreign("python3", &words, ports[1]);
    let behind = ports.map(|port| format!("http://127.0.0.1:{port}"));
    let (front, url) = proxy(&[&behind[0], &behind[1]], &[]);
    let large = format!("{url}/large");
    let mut servers = Vec::new();
    for _ in 0..6 {
        let head = prints("curl", &["-sS", "--fail", "-I", &large]);
        let head = String::from_utf8(head).expect("it is text").to_ascii_lowercase();
        assert!(head.contains(&format!("content-length: {LARGE}\r\n")), "{head}");
        let server = head.lines().find(|line| line.starts_with("server: ")).map(str::to_owned);
        servers.push(server.expect("both say what they are"));
    }
    servers.sort_unstable();
    servers.dedup();
    assert_eq!(servers.len(), 2, "both have had their turn: {servers:?}");
    for more in [&[][..], &["--http1.0"], &["--compressed"]] {
        let output = prints("curl", &[&["-sS", "--fail", &large], more].concat());
        assert!(output == noise(LARGE), "{more:?}");
    }
    // One goes, and nobody notices.
    drop(nginx);
    for _ in 0..4 {
        assert!(prints("curl", &["-sS", "--fail", &format!("{url}/small")]) == noise(100));
    }
    assert!(front.error_line().contains("cannot connect"));
    front.stop();
}

#[test]
fn a_proxy_passes_bodies_and_web_sockets_on() {
    let tree = tree();
    let (server, behind) = start(&["echo"]);
    let (front, url) = proxy(&[&behind], &[]);
    if program("curl").is_some() {
        let data = format!("@{}", tree.path().join("large").display());
        for more in
            [&[][..], &["-H", "Transfer-Encoding: chunked"], &["-H", "Expect: 100-continue"]]
        {
            let arguments = [&["-sS", "--data-binary", &data, &url], more].concat();
            assert!(prints("curl", &arguments) == noise(LARGE), "{more:?}");
        }
        let seen = prints("curl", &["-sS", "-H", "Host: a.example", &format!("{url}/inspect")]);
        let seen: serde_json::Value = serde_json::from_slice(&seen).expect("it is JSON");
        let said = |name: &str| {
            let fields = seen["fields"].as_array().expect("a list");
            let is_it = |field: &&serde_json::Value| field[0] == name;
            fields.iter().find(is_it).map(|field| field[1].as_str().unwrap_or_default().to_owned())
        };
        assert_eq!(said("Host").as_deref(), Some("a.example"));
        assert_eq!(said("X-Forwarded-For").as_deref(), Some("127.0.0.1"));
        assert_eq!(said("X-Forwarded-Proto").as_deref(), Some("http"));
    }
    let socket = url.replace("http://", "ws://");
    let input = format!("Hello\n{}\n", "x".repeat(100_000));
    let ended = run(WEB, &["socket", &socket], input.as_bytes());
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
    assert!(ended.output == input.as_bytes());
    front.stop();
    server.stop();
    let trusting = run(WEB, &["proxy", "--to", "http://h", "--backend-ca", "/x"], b"");
    assert!(trusting.errors.contains("none of the servers is asked over TLS"), "{trusting:?}");
}

#[test]
fn get_through_a_proxy_and_past_it() {
    let ok = |mut stream: TcpStream, _: &str| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").expect("it reads");
    };
    let (proxy, heard) = answers_once(ok);
    let place = format!("http://me:secret@{proxy}");
    let variables = [("http_proxy", &*place), ("no_proxy", "127.0.0.1")];
    let get = ["get", "-o", "-", "http://h.example:81/x?y"];
    let ended = run_with(WEB, &get, b"", &variables);
    assert_eq!((ended.code, ended.output.as_slice()), (Some(0), &b"hi"[..]), "{ended:?}");
    let heard = heard.join().expect("it ends");
    assert!(heard.starts_with("GET http://h.example:81/x?y HTTP/1.1\r\nHost: h.example:81\r\n"));
    assert!(heard.contains("Proxy-Authorization: Basic bWU6c2VjcmV0\r\n"), "{heard}");
    // Who is an exception is asked straight.
    let (server, heard) = answers_once(ok);
    let ended = run_with(WEB, &["get", "-o", "-", &format!("http://{server}/x")], b"", &variables);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(heard.join().expect("it ends").starts_with("GET /x HTTP/1.1\r\n"));
    let ended = run(WEB, &["get", "-o", "-", "-x", "socks4://h", "http://h/"], b"");
    assert_eq!(ended.code, Some(5), "{ended:?}");
    // A proxy that goes without a word.
    let (listener, place) = listener();
    let proxy = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("somebody connects");
        client.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
        client.read_exact(&mut [0; 3]).expect("a greeting");
    });
    let socks = format!("socks5h://{place}");
    let ended = run(WEB, &["get", "-o", "-", "-x", &socks, "http://h/"], b"");
    assert_eq!(ended.code, Some(97), "{ended:?}");
    assert!(ended.errors.contains("the SOCKS proxy does not let anybody through: it closes"));
    proxy.join().expect("it ends");
}

#[test]
fn a_redirect_takes_no_secret_to_another_server() {
    let (there, heard_there) = answers_once(|mut stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").expect("it reads");
    });
    let (here, heard_here) = answers_once(move |mut stream, _| {
        let head = format!("HTTP/1.1 302 Found\r\nLocation: http://{there}/x\r\n");
        stream.write_all(format!("{head}Content-Length: 0\r\n\r\n").as_bytes()).expect("it reads");
    });
    let fields = ["Authorization: Bearer t", "Cookie: a=b", "Accept: text/x"];
    let fields: Vec<_> = fields.iter().flat_map(|field| ["--header", *field]).collect();
    let url = format!("http://{here}/");
    let output = prints(WEB, &[&["get", "--output", "-", &url][..], &fields].concat());
    assert_eq!(output, b"hi");
    let (here, there) = (heard_here.join().expect("it ends"), heard_there.join().expect("it ends"));
    for (field, goes_on) in
        [("Authorization: Bearer t", false), ("Cookie: a=b", false), ("Accept: text/x", true)]
    {
        assert!(here.contains(field), "{here}");
        assert_eq!(there.contains(field), goes_on, "{there}");
    }
}

#[test]
fn an_application_of_one_page_gets_the_paths_that_are_not_there() {
    let tree = tree();
    fs::write(tree.path().join("index.html"), "<p>application").expect("it is written");
    let (server, url) = start(&["serve", "--spa", &tree.path().to_string_lossy()]);
    let get = |path: &str| prints(WEB, &["get", "--output", "-", &format!("{url}{path}")]);
    for path in ["/users/7", "/users/7/", "/", "/index.html/"] {
        assert_eq!(get(path), b"<p>application", "{path}");
    }
    assert!(get("/small") == noise(100));
    let hidden = run(WEB, &["get", "--output", "-", &format!("{url}/.git/config")], b"");
    assert_eq!(hidden.code, Some(22), "{hidden:?}");
    server.stop();
}

#[test]
fn get_takes_what_comes_compressed_and_no_bomb() {
    let tree = tree();
    let text = "all work and no play\n".repeat(10_000);
    fs::write(tree.path().join("long.txt"), &text).expect("it is written");
    let root = tree.path().to_string_lossy().into_owned();
    let (server, url) = start(&["serve", &root, "--compress"]);
    let get = |more: &[&str]| {
        let words = ["get", "-v", "-o", "-", &format!("{url}/long.txt")];
        run(WEB, &[&words[..], more].concat(), b"")
    };
    let (plain, packed) = (get(&[]), get(&["--compressed"]));
    assert!(plain.output == text.as_bytes() && packed.output == text.as_bytes());
    assert!(!plain.errors.contains("Encoding: gzip") && packed.errors.contains("Encoding: gzip"));
    if program("curl").is_some() {
        let address = format!("{url}/long.txt");
        let output = prints("curl", &["-sS", "--compressed", &address]);
        assert!(output == text.as_bytes());
    }
    server.stop();
    // Two megabytes and a half would be two gigabytes and a half.
    let (server, _) = answers_once(|mut stream, _| {
        let zeros = protocols::http::wire::gzip(&vec![0; 10_000_000]);
        let head =
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).expect("it reads");
        let chunk = [format!("{:x}\r\n", zeros.len()).as_bytes(), &zeros, b"\r\n"].concat();
        // It has enough before it is over.
        for _ in 0..250 {
            if stream.write_all(&chunk).is_err() {
                return;
            }
        }
    });
    let here = tree.path().join("bomb");
    let place = here.to_string_lossy().into_owned();
    let words = ["get", "--compressed", "-o", &place, &format!("http://{server}/bomb")];
    let ended = run(WEB, &words, b"");
    assert_eq!(ended.code, Some(61), "{ended:?}");
    assert!(ended.errors.contains("it becomes too long") && !here.exists(), "{ended:?}");
}

#[test]
fn get_waits_no_longer_than_it_is_told_to_for_a_body_that_drips() {
    let (server, heard) = answers_once(|mut stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").expect("it reads");
        // Until it has been given up.
        while stream.write_all(b".").is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    });
    let words = ["get", "-o", "-", "--max-time", "0.2", &format!("http://{server}/x")];
    let ended = run(WEB, &words, b"");
    assert_eq!(ended.code, Some(28), "{ended:?}");
    assert!(ended.errors.contains("it was not answered in time"), "{ended:?}");
    heard.join().expect("it ends");
}

/// A hundred answers take two seconds, each of them far less than the time for all.
#[test]
fn the_time_for_what_is_got_is_one_for_all_redirects() {
    let (server, heard) = answers_once(|mut stream, _| {
        let answer = b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n";
        // One request after the other, until it has been given up.
        while stream.write_all(answer).is_ok() && matches!(stream.read(&mut [0; 4096]), Ok(1..)) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    });
    let url = format!("http://{server}/");
    let words = ["get", "-o", "-", "--redirects", "100", "--max-time", "1", &url];
    let ended = run(WEB, &words, b"");
    assert_eq!(ended.code, Some(28), "{ended:?}");
    heard.join().expect("it ends");
}

#[test]
fn a_long_body_is_only_sent_to_who_wants_it() {
    let scratch = tempfile::tempdir().expect("a directory");
    let file = scratch.path().join("long");
    fs::write(&file, noise(LARGE)).expect("it is written");
    let data = format!("@{}", file.display());
    let (server, url) = start(&["echo"]);
    let output = prints(WEB, &["get", "-d", &data, "-o", "-", &url]);
    assert!(output == noise(LARGE));
    server.stop();
    let (server, heard) = answers_once(|mut stream, _| {
        stream.write_all(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n").expect("it reads");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty(), "{} bytes were sent all the same", rest.len());
    });
    let ended = run(WEB, &["get", "-d", &data, "-o", "-", &format!("http://{server}/")], b"");
    assert_eq!(ended.code, Some(22), "{ended:?}");
    let heard = heard.join().expect("it ends, and nothing more has come");
    assert!(heard.contains("Expect: 100-continue\r\n"), "{heard}");
}

#[test]
fn people_talk_beside_the_files() {
    let tree = tree();
    let (server, url) = start(&["serve", &tree.path().to_string_lossy(), "--chat"]);
    let page = prints(WEB, &["get", "-o", "-", &format!("{url}/chat")]);
    let page = String::from_utf8(page).expect("it is text");
    assert!(page.contains("page.js") && page.contains("data-files=\"../\""), "{page}");
    assert!(prints(WEB, &["get", "-o", "-", &format!("{url}/small")]) == noise(100));
    let place = url.replace("http://", "ws://") + "/chat/irc";
    let words = ["socket", &place, "--subprotocol", "text.ircv3.net"];
    let mut people = ["ann", "ben"].map(|nick| {
        let mut person = Program::start(WEB, &words);
        let mut says = person.stdin();
        writeln!(says, "NICK {nick}\nUSER {nick} 0 * :{nick}\nJOIN #lobby").expect("it reads");
        while !person.line().contains(" 366 ") {}
        (person, says)
    });
    writeln!(people[0].1, "PRIVMSG #lobby :hello, ben").expect("it reads");
    while !people[1].0.line().ends_with(" PRIVMSG #lobby :hello, ben") {}
    drop(people);
    server.stop();
}

#[test]
fn several_loops_have_a_site_each_and_one_log_and_people_talk_on_one() {
    let tree = tree();
    let (root, log) = (tree.path().to_string_lossy(), tree.path().join(".log"));
    let words = ["serve", &root, "--loops", "3", "--log", &log.to_string_lossy()];
    let (server, url) = start(&words);
    let mut peers: Vec<_> =
        (0..6).map(|_| connect(url.strip_prefix("http://").expect("a URL"))).collect();
    for peer in &mut peers {
        peer.write_all(b"GET /small HTTP/1.1\r\nHost: h\r\n\r\n").expect("it has room");
        let mut answer = Vec::new();
        while !answer.ends_with(&noise(100)) {
            let mut some = [0; 1024];
            let length = peer.read(&mut some).expect("it answers");
            assert_ne!(length, 0, "{}", answer.escape_ascii());
            answer.extend_from_slice(&some[..length]);
        }
    }
    drop(peers);
    let report = server.stop();
    assert!(report.starts_with("shut down in "), "{report}");
    let lines = fs::read_to_string(&log).expect("it is there");
    assert_eq!(lines.lines().filter(|line| line.contains("GET /small")).count(), 6, "{lines}");
    let ended = run(WEB, &["serve", &root, "--chat", "--loops", "2"], b"");
    assert_eq!(ended.code, Some(1));
    assert!(ended.errors.contains("--chat stays on one loop"), "{ended:?}");
}

#[test]
fn exit_codes_are_those_that_scripts_know() {
    let nobody = format!("http://127.0.0.1:{}/", free_port());
    for (url, code) in [("ftp://h/", 1), ("http://a b/", 3), (&*nobody, 7)] {
        let ended = run(WEB, &["get", "--output", "-", url], b"");
        assert_eq!(ended.code, Some(code), "{url}: {ended:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_log_that_is_full_is_told_once_and_stops_nobody() {
    let tree = tree();
    let words = ["serve", &*tree.path().to_string_lossy(), "--log", "/dev/full"];
    let (server, url) = start(&words);
    for _ in 0..3 {
        prints(WEB, &["get", "--output", "-", &format!("{url}/large")]);
    }
    server.interrupt();
    let errors = server.ended().errors;
    let told = "web: cannot write to /dev/full: No space left on device";
    assert_eq!(errors.matches(told).count(), 1, "{errors}");
}

#[test]
fn the_log_has_a_line_for_every_request() {
    let tree = tree();
    let log = tree.path().join(".log");
    let words = ["--log", &log.to_string_lossy(), "--log-format", "json"];
    let (server, url) = start(&[&["serve", &*tree.path().to_string_lossy()][..], &words].concat());
    prints(WEB, &["get", "--output", "-", &format!("{url}/large")]);
    let missing = run(WEB, &["get", "--output", "-", &format!("{url}/missing")], b"");
    assert_eq!(missing.code, Some(22));
    // One that leaves before it has said anything is no line.
    drop(connect(url.strip_prefix("http://").expect("a URL")));
    server.stop();
    let text = fs::read_to_string(&log).expect("it is there");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    let told: Vec<_> =
        lines.iter().map(|line| (line["target"].as_str(), line["status"].as_u64())).collect();
    assert_eq!(told, [(Some("/large"), Some(200)), (Some("/missing"), Some(404))]);
    assert_eq!(lines[0]["bytes"], LARGE);
}
