//! Other people's programs at the other end. One that is missing is left out, and said so.

use super::*;

use std::fs;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// What a program needs: a folder with `root.pem`, `chain.pem` and `key.pem`, for the name `localhost`.
struct Props {
    keys: Keys,
    folder: TempDir,
}

impl Props {
    fn new() -> Self {
        let keys = Keys::common();
        let folder = TempDir::new().expect("there is room");
        let pem = keys.pem("localhost");
        let files =
            [("root.pem", &keys.root), ("chain.pem", &pem.certificate), ("key.pem", &pem.key)];
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("there is room");
        }
        Self { keys, folder }
    }

    fn tls(&self) -> ServerTls {
        let file = |name| self.folder.path().join(name);
        ServerTls::from_files(file("chain.pem"), file("key.pem")).expect("they are fine")
    }

    /// A command in the folder.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// Whether the program is there, and is that program: its version has this word in it.
fn is_there(program: &str, version: &str, word: &str) -> bool {
    let output = Command::new(program).arg(version).stdin(Stdio::null()).output();
    let is_there = output.is_ok_and(|output| {
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).contains(word)
    });
    if !is_there {
        println!("LEFT OUT: there is no {program}");
    }
    is_there
}

/// Has a program say a line and end with its server, as a peer of the stage; what it has printed.
fn tell(stage: &mut Stage, mut command: Command, line: &'static [u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it is there");
    let peer = stage.peer(move || {
        let mut stdin = child.stdin.take().expect("it is a pipe");
        stdin.write_all(line).expect("it reads");
        let output = child.wait_with_output();
        drop(stdin);
        output.expect("it ends")
    });
    stage.join(peer)
}

/// As [`tell`], one that ends when its input does.
fn tell_and_end(stage: &mut Stage, mut command: Command, line: &'static [u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it is there");
    let peer = stage.peer(move || {
        child.stdin.take().expect("it is a pipe").write_all(line).expect("it reads");
        child.wait_with_output().expect("it ends")
    });
    stage.join(peer)
}

/// Reads up to these words.
fn hear(from: &mut impl Read, words: &[u8]) {
    let (mut heard, mut byte) = (Vec::new(), [0]);
    while !heard.ends_with(words) {
        from.read_exact(&mut byte).expect("it comes");
        heard.push(byte[0]);
    }
}

/// Answers a line with it, and closes.
fn answering(stage: &mut Stage, props: &Props) -> SocketAddr {
    stage.listen_with(&with_tls(&props.tls()), || {
        Probe::new("server").on_data(|transport, input, _| {
            if input.contains(&b'\n') {
                transport.write(b"you said ");
                let line = input.take_all();
                transport.write(line);
                transport.close();
            }
        })
    })
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

#[test]
fn openssl_s_client_talks_to_us() {
    if !is_there("openssl", "version", "OpenSSL") {
        return;
    }
    let props = Props::new();
    for version in ["-tls1_3", "-tls1_2"] {
        let mut stage = Stage::new();
        let address = answering(&mut stage, &props);
        let mut command = props.command("openssl");
        command.args([
            "s_client",
            "-quiet",
            "-verify_return_error",
            "-CAfile",
            "root.pem",
            version,
        ]);
        command.args(["-servername", "localhost", "-connect", &address.to_string()]);
        let output = tell(&mut stage, command, b"hello\n");
        assert!(printed(&output).contains("you said hello"), "{}", printed(&output));
        stage.until_closed("server");
        assert_eq!(stage.log.of("server"), ["open", "data 6", CLOSED]);
    }
}

#[test]
fn openssl_s_client_ends_as_it_should_and_has_its_keys_changed() {
    if !is_there("openssl", "version", "OpenSSL") {
        return;
    }
    let props = Props::new();
    let mut stage = Stage::new();
    let address = stage.listen_with(&with_tls(&props.tls()), || echo("server"));
    let mut command = props.command("openssl");
    command.args(["s_client", "-CAfile", "root.pem", "-connect", &address.to_string()]);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it is there");
    let peer = stage.peer(move || {
        let mut stdin = child.stdin.take().expect("it is a pipe");
        let mut stdout = child.stdout.take().expect("it is a pipe");
        let mut stderr = child.stderr.take().expect("it is a pipe");
        stdin.write_all(b"hello\n").expect("it reads");
        hear(&mut stdout, b"hello\n");
        // It asks for a change of keys on both sides. A command is one at the beginning of what it reads.
        stdin.write_all(b"K\n").expect("it reads");
        hear(&mut stderr, b"KEYUPDATE\n");
        stdin.write_all(b"again\n").expect("it reads");
        hear(&mut stdout, b"again\n");
        stdin.write_all(b"Q\n").expect("it reads");
        stdout.read_to_end(&mut Vec::new()).expect("it ends");
        child.wait().expect("it ends")
    });
    assert!(stage.join(peer).success());
    stage.until_closed("server");
    let told = stage.log.of("server");
    assert_eq!(told.last(), Some(&PEER_CLOSED), "{told:?}");
}

/// A server of somebody else's, which ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn we_talk_to_openssl_s_server() {
    if !is_there("openssl", "version", "OpenSSL") {
        return;
    }
    let props = Props::new();
    let mut stage = Stage::new();
    // It does not take port 0, so it is given one that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    let address = port.expect("loopback has a port");
    let mut command = props.command("openssl");
    command.args(["s_server", "-quiet", "-rev", "-cert", "chain.pem", "-key", "key.pem"]);
    command.args(["-accept", &address.to_string()]).stdin(Stdio::null());
    let _server = Server(command.spawn().expect("it is there"));
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "it never listened");
        std::thread::sleep(Duration::from_millis(5));
    }
    let client = ClientTls::new(props.keys.roots()).and_then(|tls| tls.to("localhost"));
    let probe = Probe::new("client").on_open(|transport, _| transport.write(b"olleh\n")).on_data(
        |transport, input, _| {
            if input.contains(&b'\n') {
                input.take_all();
                transport.close();
            }
        },
    );
    let options = to_tls(client.expect("it is fine"));
    stage.registry().connect_with(address.into(), &options, probe).expect("it begins");
    stage.until_closed("client");
    assert_eq!(stage.log.bytes("client"), b"hello\n");
}

#[test]
fn curl_fetches_through_tls() {
    if !is_there("curl", "--version", "libcurl") {
        return;
    }
    let props = Props::new();
    let mut stage = Stage::new();
    let tls = ServerTls::builder(props.keys.identity("localhost")).alpn(&["http/1.1"]).build();
    let tls = tls.expect("it is fine");
    let address = stage.listen_with(&with_tls(&tls), || {
        Probe::new("server").on_data(|transport, input, log| {
            if input.ends_with(b"\r\n\r\n") {
                input.take_all();
                let alpn = transport.tls().and_then(|tls| tls.alpn().map(<[u8]>::to_vec));
                log.note("server", format!("{:?}", alpn.as_deref() == Some(b"http/1.1")));
                // Without a length: the end is what ends it, and has to be one.
                transport.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
                transport.write(&pattern(200_000));
                transport.close();
            }
        })
    });
    let mut command = props.command("curl");
    command.args(["--silent", "--show-error", "--noproxy", "*", "--cacert", "root.pem"]);
    command.args(["--resolve", &format!("localhost:{}:127.0.0.1", address.port())]);
    command.arg(format!("https://localhost:{}/", address.port()));
    let output = tell(&mut stage, command, b"");
    assert!(output.status.success(), "{}", printed(&output));
    assert_same_bytes(&output.stdout, &pattern(200_000));
    stage.until_closed("server");
    assert!(stage.log.has("server", "true"), "{:?}", stage.log);
}

#[test]
fn socat_carries_a_line_through_tls() {
    if !is_there("socat", "-V", "socat") {
        return;
    }
    let props = Props::new();
    let mut stage = Stage::new();
    let address = answering(&mut stage, &props);
    let mut command = props.command("socat");
    let there =
        format!("OPENSSL:127.0.0.1:{},cafile=root.pem,commonname=localhost", address.port());
    command.args(["-t", "5", "STDIO", &there]);
    let output = tell_and_end(&mut stage, command, b"hello\n");
    assert_eq!(printed(&output), "you said hello\n");
    stage.until_closed("server");
}

#[test]
fn python_hears_an_end_that_is_one() {
    if !is_there("python3", "--version", "Python 3") {
        return;
    }
    let props = Props::new();
    let mut stage = Stage::new();
    let address = answering(&mut stage, &props);
    let script = "
import socket, ssl, sys
context = ssl.create_default_context(cafile='root.pem')
bare = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
peer = context.wrap_socket(bare, server_hostname='localhost', suppress_ragged_eofs=False)
peer.sendall(b'hello\\n')
heard = b''
while True:
    more = peer.recv(100)
    if not more:
        break
    heard += more
version = peer.version()
peer.unwrap()
print(heard.decode().strip(), version)
";
    let mut command = props.command("python3");
    command.args(["-c", script, &address.port().to_string()]);
    let output = tell(&mut stage, command, b"");
    assert_eq!(printed(&output), "you said hello TLSv1.3\n");
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "data 6", CLOSED]);
}

/// As `inetd` starts it: its own side is the standard input and output.
#[test]
fn stunnel_puts_tls_on_and_takes_it_off() {
    if !is_there("stunnel4", "-version", "stunnel 5") {
        return;
    }
    let props = Props::new();
    let mut stage = Stage::new();
    let address = answering(&mut stage, &props);
    let configuration = format!(
        "syslog = no\ndebug = err\nclient = yes\nconnect = {address}\nCAfile = root.pem\n\
         verifyChain = yes\ncheckHost = localhost\nsni = localhost\n"
    );
    fs::write(props.folder.path().join("stunnel.conf"), configuration).expect("there is room");
    let mut command = props.command("stunnel4");
    command.arg("stunnel.conf");
    let output = tell(&mut stage, command, b"hello\n");
    assert_eq!(printed(&output), "you said hello\n");
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "data 6", CLOSED]);
}
