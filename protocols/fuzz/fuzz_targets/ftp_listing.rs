//! Lists of MLSD and LIST: any line is an entry or not, and a name is one name in one directory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::transfer::ftp::client::Listing;
use protocols::transfer::ftp::time::Timestamp;

fuzz_target!(|list: &[u8]| {
    let Some(today) = Timestamp::parse(b"20260610120000") else { return };
    for listing in [Listing::of_facts(list), Listing::of_lines(list, today)] {
        for entry in listing.entries {
            assert!(!matches!(&*entry.name, b"" | b"." | b".."));
            assert!(!entry.name.contains(&b'/'));
        }
    }
});
