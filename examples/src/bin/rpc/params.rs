//! Parameters, as words of a command line.

use serde_json::{Map, Value};

use crate::talk::Usage;

/// What the words say: by name if the first is NAME=VALUE, else by position; nothing if there are none. A
/// value that is no JSON is a text.
pub(crate) fn parse(words: &[String]) -> Result<Value, Usage> {
    let Some(first) = words.first() else {
        return Ok(Value::Null);
    };
    if split(first).is_none() {
        return Ok(Value::Array(words.iter().map(|word| value(word)).collect()));
    }
    let mut named = Map::new();
    for word in words {
        let Some((name, text)) = split(word) else {
            let why = format!("'{word}' is no NAME=VALUE, as the parameters before it are");
            return Err(Usage(why));
        };
        if named.insert(name.to_owned(), value(text)).is_some() {
            return Err(Usage(format!("the parameter {name} is there twice")));
        }
    }
    Ok(Value::Object(named))
}

/// A name is a word; what else stands before an equals sign is part of a text.
fn split(word: &str) -> Option<(&str, &str)> {
    let (name, text) = word.split_once('=')?;
    let mut letters = name.chars();
    let is_name = letters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && letters.all(|it| it.is_alphanumeric() || matches!(it, '_' | '-' | '.' | '$'));
    is_name.then_some((name, text))
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(words: &[&str]) -> Result<Value, String> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        parse(&words).map_err(|error| error.to_string())
    }

    #[test]
    fn words_are_parameters_by_position_or_by_name() {
        assert_eq!(read(&[]), Ok(Value::Null));
        assert_eq!(
            read(&["1", "two", "[3]", "\"4\"", "a b=c"]),
            Ok(json!([1, "two", [3], "4", "a b=c"]))
        );
        assert_eq!(read(&["a=1", "b=x=y", "c="]), Ok(json!({"a": 1, "b": "x=y", "c": ""})));
        assert_eq!(read(&["1", "a=2"]), Ok(json!([1, "a=2"])));
        assert!(read(&["a=1", "2"]).is_err_and(|error| error.contains("'2'")));
        assert!(read(&["a=1", "a=2"]).is_err_and(|error| error.contains("twice")));
    }
}
