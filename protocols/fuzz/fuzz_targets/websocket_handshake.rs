//! Handshakes: any head is accepted or refused, and whatever is accepted is one line a field.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::websocket::handshake::{Call, Request, accept};
use protocols::websocket::Options;

fuzz_target!(|head: &[u8]| {
    let options = Options { subprotocols: vec!["chat".to_owned()], ..Options::default() };
    if let Ok(acceptance) = Request::parse(head).and_then(|request| accept(&request, &options)) {
        let answer = acceptance.to_bytes();
        let lines = answer.split(|&byte| byte == b'\n').count();
        assert_eq!(lines, 3 + acceptance.fields().count() + 2);
    }
    let call = Call::new("localhost", "/", &[], [1, 2], &options).expect("it can be written");
    let _ = call.check(head, &options);
});
