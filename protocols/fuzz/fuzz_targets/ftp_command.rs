//! Commands of FTP: any line is one or not, and what is one survives the way.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::transfer::ftp::command::Command;

fuzz_target!(|line: &[u8]| {
    if let Ok(command) = Command::parse(line) {
        let _ = command.to_line();
    }
});
