//! Those who come to the wrong port: they are told so, and nothing that they say is taken for IRC.

use crate::stage::Stage;

/// What a peer hears who says this; and nobody has become a user by it.
#[track_caller]
fn is_sent_away(said: &[u8], reason: &str) {
    let stage = Stage::new();
    let mut stranger = stage.connects();
    stranger.says_raw(said);
    let heard = stranger.hears_the_end();
    let error = format!("ERROR :Closing Link: 127.0.0.1 ({reason})");
    assert_eq!(heard, [error], "{}", said[..said.len().min(80)].escape_ascii());
    assert!(stage.log().contains(reason), "{}", stage.log());
    stage.server(|server| assert_eq!(server.counters().most_users, 0));
}

const LINES: &str = "NICK mallory\r\nUSER mallory 0 * :m\r\nPRIVMSG bob :buy\r\nQUIT\r\n";
const HTTP: &str = "This is IRC, not HTTP";

#[test]
fn the_lines_of_a_web_page_that_posts_to_the_port_never_register_a_user() {
    for line in [
        "POST / HTTP/1.1",
        "GET /index.html HTTP/1.0",
        "HEAD / HTTP/1.1",
        "PUT /x HTTP/1.1",
        "DELETE /x HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "TRACE / HTTP/1.1",
        "PATCH / HTTP/1.1",
        "CONNECT irc.test:6667 HTTP/1.1",
        "PRI * HTTP/2.0",
        "PROPFIND /dav HTTP/1.1",
        "NICK /mallory HTTP/1.1",
        "POST",
        "post / http/1.1",
        "HTTP/1.1 200 OK",
        "\r\nPOST / HTTP/1.1",
        " POST / HTTP/1.1",
        "POST\t/\tHTTP/1.1",
        "PROPFIND  /dav  HTTP/1.1",
    ] {
        let headers = "Host: irc.test:6667\r\nContent-Type: text/plain\r\n";
        is_sent_away(format!("{line}\r\n{headers}\r\n{LINES}").as_bytes(), HTTP);
    }
    // Lines that are too long, no UTF-8 or no message are requests all the same.
    for target in [&b"/".repeat(600)[..], b"/\xff\0"] {
        let request = [b"POST ", target, b" HTTP/1.1\r\n\r\n", LINES.as_bytes()].concat();
        is_sent_away(&request, HTTP);
    }
    // The reply survives, though much of the body was never read.
    let body = LINES.repeat(5_000);
    is_sent_away(format!("POST / HTTP/1.1\r\n\r\n{body}").as_bytes(), HTTP);
}

#[test]
fn a_request_that_comes_in_pieces_is_one() {
    let stage = Stage::new();
    let mut stranger = stage.connects();
    for piece in ["\r\n", "PO", "ST", " / HT", "TP/1.1\r\nHost: x\r\n\r\n", LINES] {
        stranger.says_raw(piece.as_bytes());
        stage.turns(3);
    }
    assert!(stranger.hears_the_end().join("\n").ends_with("(This is IRC, not HTTP)"));
    let mut stranger = stage.connects();
    for byte in b"NOTIFY / HTTP/1.1\r\n" {
        stranger.says_raw(&[*byte]);
        stage.turns(2);
    }
    assert!(stranger.hears_the_end().join("\n").ends_with("(This is IRC, not HTTP)"));
}

#[test]
fn other_strangers_are_told_what_this_is() {
    let mail = format!("EHLO mallory\r\nMAIL FROM:<m@example>\r\nDATA\r\n{LINES}");
    is_sent_away(mail.as_bytes(), "This is IRC, not SMTP");
    is_sent_away(b"HELO mallory\r\n", "This is IRC, not SMTP");
    is_sent_away(format!("LHLO mallory\r\n{LINES}").as_bytes(), "This is IRC, not SMTP");
    // What a page has a helper of the network say: their requests are as those of HTTP.
    for (request, reason) in [
        ("INVITE sip:m@irc.test SIP/2.0", "This is IRC, not SIP"),
        ("REGISTER sip:irc.test SIP/2.0", "This is IRC, not SIP"),
        ("DESCRIBE rtsp://irc.test/ RTSP/1.0", "This is IRC, not RTSP"),
        ("OPTIONS rtsp://irc.test/ RTSP/1.0", "This is IRC, not RTSP"),
    ] {
        is_sent_away(format!("{request}\r\nCSeq: 1\r\n\r\n{LINES}").as_bytes(), reason);
    }
    is_sent_away(b"SSH-2.0-OpenSSH_9.6\r\n", "This is IRC, not SSH");
    // No line ends in the beginning of a handshake, so nobody waits for one.
    is_sent_away(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "There is no TLS on this port");
}

#[test]
fn who_only_looks_like_a_stranger_is_none() {
    let stage = Stage::new();
    let mut ann = stage.connects();
    // A proxy in front says whom it speaks for; what follows is IRC.
    ann.says("PROXY TCP4 192.0.2.1 192.0.2.2 5555 6667").hears("451 :*");
    ann.says("GETTING").hears("451 :*");
    ann.says("NICK get");
    ann.is_called("get");
    ann.says("USER post 0 * :I speak HTTP/1.1").hears("001 *");
    ann.hears_all();
    ann.says("GET / HTTP/1.1").hears("421 GET :Unknown command");
    ann.hears_nothing();
}
