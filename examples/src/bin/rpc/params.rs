//! Parameters, as words of a command line.

use std::collections::BTreeSet;

use serde_json::value::{RawValue, to_raw_value};

use examples::output::Usage;

/// What the words say: by name if the first is NAME=VALUE, else by position; nothing if there are none. A
/// value that is no JSON is a text; a number is sent digit for digit.
pub(crate) fn parse(words: &[String]) -> Result<Box<RawValue>, Usage> {
    let Some(first) = words.first() else {
        return raw("null".to_owned());
    };
    if split(first).is_none() {
        let values: Vec<_> = words.iter().map(|word| value(word)).collect::<Result<_, _>>()?;
        return raw(format!("[{}]", values.join(",")));
    }
    let (mut members, mut names) = (Vec::new(), BTreeSet::new());
    for word in words {
        let Some((name, text)) = split(word) else {
            let why = format!("'{word}' is no NAME=VALUE, as the parameters before it are");
            return Err(Usage(why));
        };
        if !names.insert(name) {
            return Err(Usage(format!("the parameter {name} is there twice")));
        }
        // A name has no letter that would have to be escaped.
        members.push(format!("\"{name}\":{}", value(text)?));
    }
    raw(format!("{{{}}}", members.join(",")))
}

/// A name is a word; what else stands before an equals sign is part of a text.
fn split(word: &str) -> Option<(&str, &str)> {
    let (name, text) = word.split_once('=')?;
    let mut letters = name.chars();
    let is_name = letters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && letters.all(|it| it.is_alphanumeric() || matches!(it, '_' | '-' | '.' | '$'));
    is_name.then_some((name, text))
}

fn value(text: &str) -> Result<String, Usage> {
    match serde_json::from_str::<&RawValue>(text) {
        Ok(value) => Ok(value.get().to_owned()),
        Err(_) => to_raw_value(text).map(|text| text.get().to_owned()).map_err(no_json),
    }
}

fn raw(text: String) -> Result<Box<RawValue>, Usage> {
    RawValue::from_string(text).map_err(no_json)
}

fn no_json(error: serde_json::Error) -> Usage {
    Usage(format!("the parameters cannot be JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<String, String> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        parse(&words).map(|json| json.get().to_owned()).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn reads(words: &[&str], json: &str) {
        assert_eq!(read(words), Ok(json.to_owned()));
    }

    #[test]
    fn words_are_parameters_by_position_or_by_name() {
        reads(&[], "null");
        reads(&["1", "two", "[3]", "\"4\"", "a b=c"], r#"[1,"two",[3],"4","a b=c"]"#);
        reads(&["a=1", "b=x=y", "c="], r#"{"a":1,"b":"x=y","c":""}"#);
        reads(&["1", "a=2"], r#"[1,"a=2"]"#);
        assert!(read(&["a=1", "2"]).is_err_and(|error| error.contains("'2'")));
        assert!(read(&["a=1", "a=2"]).is_err_and(|error| error.contains("twice")));
    }

    #[test]
    fn numbers_that_no_machine_holds_are_sent_as_they_are_written() {
        reads(&["12345678901234567890123", "1e400"], "[12345678901234567890123,1e400]");
    }
}
