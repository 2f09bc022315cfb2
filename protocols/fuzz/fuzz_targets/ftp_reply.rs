//! Replies of FTP, and what a client reads out of them: addresses, features, sizes, times, hashes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::transfer::ftp::reply::{Replies, unquoted};
use protocols::transfer::ftp::{address, client};

fuzz_target!(|bytes: &[u8]| {
    let mut replies = Replies::default();
    for line in bytes.split(|&byte| byte == b'\n') {
        match replies.handle_line(line) {
            Ok(None) => {}
            Ok(Some(reply)) => {
                let text = reply.text();
                assert!(address::parse_229(text).is_none_or(|port| port > 0));
                let _ = (address::parse_227(text), unquoted(text));
                let _ = client::Features::of(&reply);
                let _ = (client::size(&reply), client::modified(&reply), client::hash(&reply));
            }
            Err(_) => return,
        }
    }
});
