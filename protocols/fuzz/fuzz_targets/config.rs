//! Any text is a configuration or a list of mistakes, each on a line that the text has.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::chat::config::Config;

fuzz_target!(|text: &str| {
    if let Err(mistakes) = Config::parse(text) {
        assert!(!mistakes.all().is_empty());
        let lines = text.matches('\n').count() + 1;
        assert!(mistakes.all().iter().all(|it| (1..=lines).contains(&it.line)), "{mistakes}");
    }
});
