//! What two programs could read in two ways is answered once, with 400, and nothing behind it is read.

use http::StatusCode;
use protocols::http::server::Site;

use crate::stage::{Stage, statuses};

/// Answers whatever it is asked with the path and the body.
pub(crate) fn echo() -> Site<()> {
    Site::new(|request, exchange, app| {
        let path = request.path().to_owned();
        let most = exchange.usual_body();
        exchange.gather(most, app, move |exchange, (), body| {
            let text = format!("[{path}:{}]", String::from_utf8_lossy(&body));
            exchange.answer(StatusCode::OK).text(&text);
        });
    })
}

/// Behind each, a request that must not be answered.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn what_could_be_read_in_two_ways_is_answered_400_and_the_connection_closed() {
    let stage = Stage::serve(echo);
    let post =
        |fields: &str, body: &str| format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n{body}");
    let get = |fields: &str| format!("GET / HTTP/1.1\r\n{fields}\r\n");
    let chunked = |body: &str| post("Transfer-Encoding: chunked\r\n", body);
    let rows = [
        // Content-Length with Transfer-Encoding, differing lengths.
        post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "0\r\n\r\n"),
        post("Content-Length: 3\r\nContent-Length: 5\r\n", "hello"),
        post("Content-Length: 3, 5\r\n", "hello"),
        post("Content-Length: +3\r\n", "abc"),
        post("Content-Length: 0x3\r\n", "abc"),
        post("Content-Length: 3_0\r\n", "abc"),
        post("Content-Length: 3 \r\n\r\n", "").replace("3 \r\n", "3\u{b}\r\n"),
        // Codings that end before or after chunked, or hide.
        post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding: identity\r\n", ""),
        post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding: \u{b}chunked\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"),
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        // Bare CR, bare LF, obs-fold, a space before the colon.
        get("Host: h\r\nX: a\rb\r\n"),
        get("Host: h\nX: b\r\n"),
        get("Host: h\r\nX: a\r\n b\r\n"),
        get("Host : h\r\n"),
        get("Host: h\r\nX\0: b\r\n"),
        // Missing or double Host.
        get(""),
        get("Host: a\r\nHost: a\r\n"),
        get("Host: a\r\nHost: b\r\n"),
        get("Host: a b\r\n"),
        "GET http:///x HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        // `0x`, `+`, `_` and more in chunk sizes; lines that do not end as they have to.
        chunked("0x3\r\nabc\r\n0\r\n\r\n"),
        chunked("+3\r\nabc\r\n0\r\n\r\n"),
        chunked("3_\r\nabc\r\n0\r\n\r\n"),
        chunked(" 3\r\nabc\r\n0\r\n\r\n"),
        chunked("3\nabc\r\n0\r\n\r\n"),
        chunked("3\r\nabcd\r\n0\r\n\r\n"),
        chunked("3\r\nabc\n0\r\n\r\n"),
        chunked("3;a\nb\r\nabc\r\n0\r\n\r\n"),
        // Extensions that are none, of which the end can be seen in two places.
        chunked("3;\r\nabc\r\n0\r\n\r\n"),
        chunked("3;a=\"\r\nabc\r\n0\r\n\r\n"),
        chunked("10000000000000003\r\nabc\r\n0\r\n\r\n"),
        chunked("-3\r\nabc\r\n0\r\n\r\n"),
        chunked("0\r\nX : y\r\n\r\n"),
        chunked("0\r\n X: y\r\n\r\n"),
    ];
    for row in rows {
        let answer = stage.ask_until_closed(format!("{row}{SMUGGLED}"));
        assert_eq!(statuses(&answer), [400], "{row:?}: {answer}");
        assert!(answer.contains("\r\nConnection: close\r\n"), "{row:?}: {answer}");
        assert!(!answer.contains("smuggled"), "{row:?}: {answer}");
    }
}

#[test]
fn what_is_not_done_has_an_answer_of_its_own() {
    let stage = Stage::serve(echo);
    let long = "a".repeat(40_000);
    for (request, status) in [
        (format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", &long[..9_000]), 414),
        (format!("GET / HTTP/1.1\r\nHost: h\r\nX: {long}\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(101)), 431),
        ("GET / HTTP/2.0\r\nHost: h\r\n\r\n".to_owned(), 505),
        ("GET / HTTP/1.1\r\nHost: h\r\nExpect: 200-ok\r\n\r\n".to_owned(), 417),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n".to_owned(), 501),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2000000\r\n\r\n".to_owned(), 413),
        ("CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), 501),
    ] {
        let answer = stage.ask_until_closed(&request);
        assert_eq!(statuses(&answer), [status], "{:?}", &request[..request.len().min(60)]);
    }
    // A chunked body does not say how long it is.
    let body = format!("{:x}\r\n{}\r\n", 2_000_000, "a".repeat(1_100_000));
    let head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = stage.ask_until_closed(format!("{head}{body}"));
    assert_eq!(statuses(&answer), [413]);
}

#[test]
fn a_later_minor_version_is_taken_for_the_one_that_is_known() {
    let stage = Stage::serve(echo);
    let post = "POST /a HTTP/1.2\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
    let mut peer = stage.hears(format!("{post}{post}GET /b HTTP/1.9\r\nHost: h\r\n\r\n"));
    let answers = peer.hear("[/b:]");
    assert_eq!(statuses(&answers), [200; 3], "{answers}");
    assert_eq!(answers.matches("[/a:hi]").count(), 2, "{answers}");
    // In two pieces, wherever it is cut; and it is held to the same rules.
    for cut in 1..post.len() {
        let (front, back) = post.split_at(cut);
        let mut peer = stage.connect();
        peer.stream.set_nodelay(true).expect("an option");
        peer.say(front);
        assert_eq!(statuses(&peer.say(back).hear("[/a:hi]")), [200], "{cut}");
    }
    for (request, status) in [
        ("GET / HTTP/1.2\r\n\r\n", 400),
        (
            "POST / HTTP/1.2\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        ("GET / HTTP/1.22\r\nHost: h\r\n\r\n", 505),
        ("GET / HTTP/1.2 \r\nHost: h\r\n\r\n", 505),
        ("GET / HTTP/1.2\nHost: h\r\n\r\n", 505),
        ("GET  / HTTP/1.2\r\nHost: h\r\n\r\n", 400),
    ] {
        let answer = stage.ask_until_closed(request);
        let found = statuses(&answer);
        assert!(found == [status] || found == [400], "{request:?}: {answer}");
    }
}
