//! The program `rpc`, as people meet it: a server, and those who call it.

use std::fs;
use std::io::{BufRead, BufReader, Write};

use crate::support::{self, Ended, Program, RPC, run};

/// `rpc`, to its end.
#[track_caller]
fn rpc(arguments: &[&str]) -> Ended {
    run(RPC, arguments, b"")
}

/// A server, and where it listens.
#[track_caller]
fn serve(arguments: &[&str]) -> (Program, String) {
    let server = Program::start(RPC, &[&["serve", "--listen", "127.0.0.1:0"], arguments].concat());
    let address = server.told("listening on ");
    (server, address)
}

#[test]
fn methods_are_called_by_position_and_by_name_and_say_what_is_wrong() {
    let (server, address) = serve(&[]);
    for (words, expected) in [
        (&["subtract", "42", "23"][..], "19"),
        (&["subtract", "subtrahend=23", "minuend=42"], "19"),
        (&["sum", "1", "-2", "0.5"], "-0.5"),
        (&["sum", "--json", "[1,2]"], "3"),
        (&["echo", "{\"a\":[null]}"], r#"{"a":[null]}"#),
        (&["echo", "--", "--text"], r#""--text""#),
        (&["echo", "[12345678901234567890123, 1e400]"], "[12345678901234567890123,1e400]"),
        (&["get_data"], r#"["hello",5]"#),
        (&["sleep", "seconds=0.01"], "0.01"),
    ] {
        let ended = rpc(&[&["call", &address], words].concat());
        assert_eq!((ended.text(), ended.code), (expected.to_owned(), Some(0)), "{words:?}");
    }
    for (words, code, message) in [
        (&["nope"][..], 3, "Method not found (-32601)"),
        (&["subtract", "1"], 3, "Invalid params (-32602)"),
        (&["sleep", "31"], 3, "0 to 30 seconds"),
        (&["sleep", "20", "--timeout", "0.1"], 1, "no answer in 100ms"),
        (&["subtract", "a=1", "2"], 2, "'2' is no NAME=VALUE"),
        (&["sum", "--timeout", "0"], 2, "expected more than no time at all"),
        (&["sum", "--json", "5"], 1, "neither an array nor an object"),
        (&["sum", "--json", "{"], 2, "--json"),
    ] {
        let ended = rpc(&[&["call", &address], words].concat());
        assert_eq!(ended.code, Some(code), "{words:?}: {ended:?}");
        assert!(ended.errors.contains(message), "{words:?}: {ended:?}");
    }
    let said = server.stop();
    assert!(said.contains("calls and notifications of"), "{said}");
}

#[test]
fn a_proxy_is_believed_about_whom_it_speaks_for() {
    let (server, address) = serve(&["--accept-proxy", "127.0.0.1", "--verbose"]);
    let mut peer = support::connect(address.strip_prefix("tcp://").expect("a scheme"));
    let said = b"PROXY TCP4 192.0.2.7 127.0.0.1 777 7\r\n{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"params\":[7],\"id\":1}\n";
    peer.write_all(said).expect("it has room");
    let mut answer = String::new();
    BufReader::new(&peer).read_line(&mut answer).expect("it answers");
    assert!(answer.contains("\"result\":7"), "{answer}");
    assert!(server.error_with(" is ").ends_with("192.0.2.7:777"));
    drop(peer);
    server.stop();
}

#[test]
fn a_server_that_is_not_there_or_no_server_at_all_is_told_of() {
    for (place, message) in [
        ("127.0.0.1:1", "tcp://127.0.0.1:1: could not connect"),
        ("unix:/nowhere/at/all", "unix:/nowhere/at/all: could not connect"),
        ("unix:/nowhere/at/all", "(os error 2)"),
        ("http://127.0.0.1:1/", "http://127.0.0.1:1/: cannot connect"),
        ("ws://127.0.0.1:1/", "ws://127.0.0.1:1/: could not connect"),
        ("stdio:true", "rpc: stdio:true: the peer "),
    ] {
        rpc(&["call", place, "sum"]).with_code(1).complains(message);
    }
    assert_eq!(rpc(&["call", "nowhere", "sum"]).code, Some(2));
    let listener = Program::start(RPC, &["listen", "unix:/nowhere/at/all", "chat.listen"]);
    listener.error_with("(os error 2); connecting again");
}

#[test]
fn one_port_takes_posts_and_websockets() {
    let server = Program::start(RPC, &["serve", "--http", "127.0.0.1:0", "--verbose"]);
    let line = server.line();
    let (http, ws) = line
        .strip_prefix("listening on ")
        .and_then(|places| places.split_once(" and "))
        .expect("it listens");
    for place in [http, ws] {
        let ended = rpc(&["call", place, "subtract", "subtrahend=23", "minuend=42"]);
        assert_eq!((ended.text(), ended.code), ("19".to_owned(), Some(0)), "{ended:?}");
        assert_eq!(rpc(&["call", place, "sleep", "0.01"]).text(), "0.01");
        let calls = br#"[{"method":"update","params":[1]},{"method":"sum","params":[1,2],"id":7}]"#;
        assert_eq!(run(RPC, &["batch", place, "-"], calls).text(), r#"[{"result":3,"id":7}]"#);
        assert_eq!(rpc(&["call", "--notify", place, "update", "1"]).code, Some(0));
        assert_eq!(
            run(RPC, &["batch", place, "-"], br#"{"method":"note","params":[]}"#).code,
            Some(0)
        );
        server.error_with("calls note: Method not found");
        assert!(rpc(&["describe", place]).text().contains("\nchat.say("));
    }
    let listener = Program::start(RPC, &["listen", ws, "chat.listen", "--count", "1"]);
    listener.error_with("rpc: answered \"chat\"; listening");
    assert_eq!(rpc(&["call", http, "chat.say", "hello", "ann"]).text(), "1");
    assert_eq!(listener.line(), r#"{"method":"chat","params":{"name":"ann","text":"hello"}}"#);
    assert_eq!(listener.ended().code, Some(0));
    let ended = rpc(&["listen", http, "chat.listen"]);
    assert_eq!((ended.code, ended.errors.contains("use ws://")), (Some(2), true), "{ended:?}");
    server.stop();
}

#[test]
fn what_is_said_is_heard_by_whoever_listens_over_every_socket() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("rpc.sock");
    let socket = socket.to_str().expect("it is text");
    let (server, address) = serve(&["--unix", socket, "--udp", "127.0.0.1:0", "--verbose"]);
    assert_eq!(server.line(), format!("listening on unix:{socket}"));
    let udp = server.line();
    let udp = udp.strip_prefix("listening on udp ").expect("it is bound");
    let listener = Program::start(RPC, &["listen", &address, "chat.listen", "--count", "2"]);
    server.error_with("calls chat.listen");
    let said = rpc(&["call", &format!("unix:{socket}"), "chat.say", "hello", "ann"]);
    assert_eq!(said.text(), "1");
    let heard = r#"{"method":"chat","params":{"name":"ann","text":"hello"}}"#;
    assert_eq!(listener.line(), heard);
    // Notifications are not answered; over UDP they may be lost, which loopback does not do.
    let told = rpc(&["call", "--notify", &address, "chat.say", "text=again"]);
    assert_eq!((told.text(), told.code), (String::new(), Some(0)));
    assert_eq!(listener.line(), r#"{"method":"chat","params":{"name":"somebody","text":"again"}}"#);
    assert_eq!(listener.ended().code, Some(0));
    assert_eq!(rpc(&["call", "--notify", "--udp", udp, "update", "1"]).code, Some(0));
    server.error_with("a datagram calls update");
    server.stop();
    assert!(!fs::exists(socket).expect("it can be asked"), "the socket file is gone");
}

/// The first two who come are on two loops; the third tells both.
#[test]
fn what_is_said_on_one_loop_is_heard_on_all() {
    let (server, address) = serve(&["--loops", "2", "--http", "127.0.0.1:0", "--verbose"]);
    let web = server.line();
    let web = web.split_ascii_whitespace().last().expect("it has an address").to_owned();
    let listeners = [&address, &web].map(|address| {
        let listener = Program::start(RPC, &["listen", address, "chat.listen", "--count", "1"]);
        server.error_with("calls chat.listen");
        listener
    });
    let said = rpc(&["call", &address, "chat.say", "hello", "ann"]);
    assert_eq!(said.text(), "2", "{said:?}");
    for listener in listeners {
        let heard = r#"{"method":"chat","params":{"name":"ann","text":"hello"}}"#;
        assert_eq!(listener.line(), heard);
        assert_eq!(listener.ended().code, Some(0));
    }
    let said = server.stop();
    let counted = "answered 3 calls and notifications of 3 connections, 0 with an error";
    assert!(said.contains(counted), "{said}");
}

#[test]
fn a_batch_is_answered_in_the_order_of_its_file() {
    let (server, address) = serve(&[]);
    let calls = br#"{"method": "sleep", "params": [0.05], "id": "slow"}
        {"method": "update", "params": [1]}
        {"method": "echo", "params": [123456789012345678901], "id": null}"#;
    let ended = run(RPC, &["batch", &address, "-"], calls);
    let answers = r#"[{"result":0.05,"id":"slow"},{"result":123456789012345678901,"id":null}]"#;
    assert_eq!(ended.text(), answers);
    // As people indent it.
    let calls = b"[\n  {\r\n    \"method\": \"echo\",\n    \"params\": [\n      1\n    ],\n    \"id\": 7\n  }\n]\n";
    let ended = run(RPC, &["batch", &address, "-"], calls);
    assert_eq!((ended.code, &*ended.text()), (Some(0), r#"[{"result":1,"id":7}]"#), "{ended:?}");
    let ended = rpc(&["call", &address, "echo", "--json", "[\n  1\n]"]);
    assert_eq!((ended.code, &*ended.text()), (Some(0), "1"), "{ended:?}");
    let ended = run(RPC, &["batch", &address, "-"], br#"[{"method":"no","id":1}]"#).with_code(3);
    assert!(ended.text().contains(r#""code":-32601"#), "{ended:?}");
    let ended = run(RPC, &["batch", &address, "-"], b"{}\n");
    assert_eq!((ended.code, ended.errors.contains("line 1")), (Some(1), true), "{ended:?}");
    server.stop();
}

#[test]
fn a_server_describes_itself_and_its_files() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("a"), "abc").expect("it is written");
    fs::write(directory.path().join("e"), "\u{e9}\u{e8}").expect("it is written");
    let root = directory.path().to_str().expect("it is text");
    for framing in ["lines", "frames", "bare"] {
        let (server, address) = serve(&["--files", root, "--framing", framing]);
        let ask = |words: &[&str]| rpc(&[words, &["--framing", framing]].concat());
        let page = ask(&["describe", &address]).text();
        assert!(page.contains("\nchat.say(text: string, [name: string]) -> integer\n"), "{page}");
        let document = ask(&["describe", &address, "--json"]).text();
        assert!(document.starts_with(r#"{"openrpc":"1.3.2""#), "{document}");
        let list = ask(&["call", &address, "files.list"]).text();
        let entry =
            |name, size| format!(r#"{{"name":"{name}","is_directory":false,"size":{size}}}"#);
        assert_eq!(list, format!("[{},{}]", entry("a", 3), entry("e", 4)));
        assert_eq!(ask(&["call", &address, "files.read", "a", "1"]).text(), r#""bc""#);
        // The second letter would be cut.
        assert_eq!(ask(&["call", &address, "files.read", "e", "0", "3"]).text(), "\"\u{e9}\"");
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(ask(&["call", &address, "files.sha256", "a"]).text(), format!("\"{hash}\""));
        ask(&["call", &address, "files.read", "../../etc/passwd"]).with_code(3);
        server.stop();
    }
}
