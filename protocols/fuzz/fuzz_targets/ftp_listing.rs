//! Lines of MLSD and LIST: any line is an entry or not, and a name is one name in one directory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::transfer::ftp::client::Entry;
use protocols::transfer::ftp::time::Timestamp;

fuzz_target!(|line: &[u8]| {
    let Some(today) = Timestamp::parse(b"20260610120000") else { return };
    let found = [Entry::from_facts(line), Entry::from_line(line, today)];
    for entry in found.into_iter().flatten() {
        assert!(!matches!(&*entry.name, b"" | b"." | b".."));
        assert!(!entry.name.iter().any(|byte| b"/\0\r\n".contains(byte)));
    }
});
