//! JSON for whoever reads it: with room to breathe on a terminal, a line in a pipe.

use std::io::{self, IsTerminal};

use examples::output;
use serde_json::value::RawValue;

/// Prints what a server has said, digit for digit: as numbers of this machine some would be others.
pub(crate) fn value(value: &RawValue) -> io::Result<()> {
    output::say(lay_out(value.get(), io::stdout().is_terminal()))
}

fn lay_out(json: &str, is_wide: bool) -> String {
    let (mut out, mut depth, mut breaks) = (String::with_capacity(json.len()), 0_usize, false);
    let mut rest = json.chars();
    while let Some(letter) = rest.next() {
        match letter {
            ' ' | '\t' | '\n' | '\r' => continue,
            '}' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        // Between brackets with nothing in them there is no line.
        let is_closing = matches!(letter, '}' | ']');
        if is_wide && breaks != is_closing {
            out.extend(["\n", &"  ".repeat(depth)]);
        }
        breaks = false;
        out.push(letter);
        match letter {
            '{' | '[' => (depth, breaks) = (depth + 1, true),
            ',' => breaks = true,
            ':' if is_wide => out.push(' '),
            '"' => take_string(&mut rest, &mut out),
            _ => {}
        }
    }
    out
}

/// The rest of a string, its quote included.
fn take_string(rest: &mut impl Iterator<Item = char>, out: &mut String) {
    while let Some(letter) = rest.next() {
        out.push(letter);
        match letter {
            '"' => return,
            '\\' => out.extend(rest.next()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::lay_out;

    #[test]
    fn json_is_laid_out_as_serde_does_and_no_digit_is_lost() {
        let text =
            r#"{"a":[1,{"b":[],"c":{}},"x, {\"y\"}: \\"],"d":null,"e":[[2]],"f":true,"g":""}"#;
        let value: Value = serde_json::from_str(text).expect("JSON");
        let wide = serde_json::to_string_pretty(&value).expect("JSON");
        assert_eq!(lay_out(text, true), wide);
        assert_eq!(lay_out(&wide, false), text);
        assert_eq!(lay_out(&wide, true), wide);
        let number = "[ 12345678901234567890123.50, 1e400 ]";
        assert_eq!(lay_out(number, false), "[12345678901234567890123.50,1e400]");
        assert_eq!(lay_out(" 5 ", true), "5");
    }
}
