//! Heads, of requests and of answers: any bytes are one, or the beginning of one, or are refused; and what stands behind
//! a head does not change it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::http::HeadLimits;
use protocols::http::client::Url;
use protocols::http::wire::{
    Coding, Conditions, Slots, accepts, decode_path, parse_request, parse_response, ranges,
};

fuzz_target!(|bytes: &[u8]| {
    let limits = HeadLimits::default();
    let mut slots = Slots::new();
    if let Ok(Some((request, length))) = parse_request(bytes, &mut slots, &limits) {
        let meaning = request.meaning();
        let _ = (decode_path(request.path()), request.upgrade(), Conditions::of(&request));
        let _ = (ranges(request.fields()), accepts(request.fields(), Coding::Gzip));
        if let Ok(url) = request.target().as_str().parse::<Url>() {
            assert!(url.target().bytes().all(|byte| byte.is_ascii_graphic()));
        }
        let mut alone = Slots::new();
        let again = parse_request(&bytes[..length], &mut alone, &limits);
        assert!(
            matches!(again, Ok(Some((again, whole))) if again.meaning() == meaning && whole == length)
        );
        let mut shorter = Slots::new();
        assert!(!matches!(parse_request(&bytes[..length - 1], &mut shorter, &limits), Ok(Some(_))));
    }
    for method in ["GET", "HEAD", "CONNECT"] {
        let mut slots = Slots::new();
        if let Ok(Some((response, length))) = parse_response(bytes, method, &mut slots, &limits) {
            let framing = response.framing();
            let mut alone = Slots::new();
            let again = parse_response(&bytes[..length], method, &mut alone, &limits);
            assert!(matches!(again, Ok(Some((again, _))) if again.framing() == framing));
        }
    }
});
