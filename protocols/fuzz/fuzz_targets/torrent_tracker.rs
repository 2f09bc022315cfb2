//! What trackers are asked and answer, over HTTP and over UDP.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::torrent::wire::announce::{Announce, Answer, parse_scrape};
use protocols::torrent::wire::udp::{Body, Family, Reply, Request};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(answer) = Answer::parse(bytes) {
        let _ = Answer::parse(&answer.write()).expect("it was one");
    }
    let _ = parse_scrape(bytes);
    if let Ok(asked) = std::str::from_utf8(bytes).map(Announce::parse_query)
        && let Ok(asked) = asked
    {
        assert_eq!(Announce::parse_query(&asked.query()).map(|it| it.hash), Ok(asked.hash));
    }
    if let Ok(request) = Request::parse(bytes) {
        assert_eq!(Request::parse(&request.write()), Ok(request));
    }
    for family in [Family::V4, Family::V6] {
        if let Ok(reply) = Reply::parse(bytes, family) {
            let again = Reply::parse(&reply.write(family), family).expect("it was one");
            // Of peers, an IPv4 address that is written as IPv6 is left out.
            assert!(matches!(reply.body, Body::Announced(_)) || again == reply);
        }
    }
});
