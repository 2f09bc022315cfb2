//! Nicks and channels of chat, as words on a command line.

use protocols::chat::{Builder, NameError, Nick};

/// Channels, separated by commas, and their keys.
pub type Channels = (String, Option<String>);

/// Reads a nick that some server may take. Which it does take, only it knows.
///
/// # Errors
///
/// If there is none that would.
pub fn nick(text: &str) -> Result<String, NameError> {
    Nick::could_be(text).map(|()| text.to_owned())
}

/// Reads `#room`, `#room key`, or `#room,#other key,key`.
///
/// # Errors
///
/// If it is more than that, or nothing; the text is a sentence for the option's user.
pub fn channels(text: &str) -> Result<Channels, String> {
    let text = text.trim();
    let (names, keys) =
        text.split_once(' ').map_or((text, None), |(names, keys)| (names, Some(keys)));
    let join = Builder::new().command("JOIN").param(names);
    let join = keys.into_iter().fold(join, Builder::param);
    match join.finish() {
        Ok(_) => Ok((names.to_owned(), keys.map(str::to_owned))),
        Err(_) => Err("expected '#room', '#room key' or '#room,#other key,key'".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_may_be_several_and_have_keys() {
        let key = |key: &str| Some(key.to_owned());
        assert_eq!(channels("#a"), Ok(("#a".to_owned(), None)));
        assert_eq!(channels(" #a k "), Ok(("#a".to_owned(), key("k"))));
        assert_eq!(channels("#a,#b k,l"), Ok(("#a,#b".to_owned(), key("k,l"))));
        for text in ["", " ", "#a b c", "#a\nb", "#a  k"] {
            assert!(
                channels(text).is_err_and(|why| why.starts_with("expected '#room'")),
                "{text:?}"
            );
        }
    }
}
