//! Errors that are read by a person.

/// Has `Debug` say what `Display` does: for errors of setting up and of running, with which a `main` or a test ends
/// by `?` or `unwrap`, and which are for a person then.
macro_rules! debug_in_words {
    ($($error:ty),+) => {
        $(impl std::fmt::Debug for $error {
            /// As [`Display`](std::fmt::Display): a sentence.
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        })+
    };
}
pub(crate) use debug_in_words;
