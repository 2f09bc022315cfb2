//! What a value may be. Each reads one kind, or says in a few words what was expected.

use std::time::Duration;

use reactor::Address;
use toml::de::DeValue;

use super::section::article;
use crate::chat::Password;

/// The longest name that any of a server's things may have: with several of them, a line of 512 bytes is
/// still long enough.
const LONGEST_NAME: u64 = 400;

type Read<T> = Result<T, String>;

/// Any text without control characters, but for ends of lines.
pub(super) fn text(value: &DeValue<'_>) -> Read<String> {
    let text = value.as_str().ok_or_else(|| expected("a text in quotes", value))?;
    match text.chars().find(|it| it.is_control() && !matches!(it, '\n' | '\r' | '\t')) {
        Some(wrong) => Err(format!("it holds the control character {}", wrong.escape_default())),
        None => Ok(text.to_owned()),
    }
}

/// A text that fits into a message.
pub(super) fn line(value: &DeValue<'_>) -> Read<String> {
    let text = text(value)?;
    if text.contains(['\n', '\r', '\t']) {
        return Err("expected a single line".to_owned());
    }
    if text.len() as u64 > LONGEST_NAME {
        return Err(format!("it is longer than the {LONGEST_NAME} bytes that fit into a message"));
    }
    Ok(text)
}

/// Several lines, each of which fits into a message.
pub(super) fn lines(value: &DeValue<'_>) -> Read<Vec<String>> {
    let text = text(value)?;
    let lines: Vec<_> = text.trim_end().lines().map(|line| line.replace('\t', "    ")).collect();
    match lines.iter().position(|line| line.len() as u64 > LONGEST_NAME) {
        Some(at) => Err(format!("line {} of it is longer than {LONGEST_NAME} bytes", at + 1)),
        None => Ok(lines),
    }
}

/// One word, as it can stand in the middle of a message.
pub(super) fn word(value: &DeValue<'_>) -> Read<String> {
    let word = line(value)?;
    let is_word = !word.is_empty() && !word.starts_with(':') && !word.contains(char::is_whitespace);
    if is_word { Ok(word) } else { Err("expected a single word".to_owned()) }
}

/// The name of a server: a host's name (RFC 2812, 2.3.1), with the dot by which clients tell it from
/// somebody's nick.
pub(super) fn server_name(value: &DeValue<'_>) -> Read<String> {
    let name = word(value)?;
    let is_host = name.split('.').all(|part| {
        !part.is_empty() && part.chars().all(|it| it.is_ascii_alphanumeric() || it == '-')
    });
    if is_host && name.contains('.') && name.len() <= 63 {
        Ok(name)
    } else {
        Err("expected a host's name with a dot, of at most 63 letters: irc.example".to_owned())
    }
}

/// A mask of whom to let in.
pub(super) fn user_at_host(value: &DeValue<'_>) -> Read<String> {
    let mask = word(value)?;
    match mask.split_once('@') {
        Some((user, host)) if !user.is_empty() && !host.is_empty() => Ok(mask),
        _ => Err("expected user@host, where * is anything: *@127.0.0.1".to_owned()),
    }
}

/// A password, as it is typed or as `chat account hash` prints it.
pub(super) fn password(value: &DeValue<'_>) -> Read<Password> {
    let text = line(value)?;
    if text.is_empty() {
        return Err("it is empty; leave it out to have none".to_owned());
    }
    if text.starts_with("$argon2") {
        return text.parse().map(Password::Hashed).map_err(|error| format!("{error}"));
    }
    Ok(Password::Plain(text))
}

pub(super) fn yes_or_no(value: &DeValue<'_>) -> Read<bool> {
    value.as_bool().ok_or_else(|| expected("true or false", value))
}

/// Where to listen.
pub(super) fn addresses(value: &DeValue<'_>) -> Read<Vec<Address>> {
    let what = "a list of addresses: ['127.0.0.1:6667', 'unix:/run/chat']";
    let list = value.as_array().ok_or_else(|| expected(what, value))?;
    let read =
        |it: &toml::Spanned<DeValue<'_>>| text(it.get_ref())?.parse().map_err(|it| format!("{it}"));
    list.iter().map(read).collect()
}

/// One or more servers of NATS.
#[cfg(feature = "cluster")]
pub(super) fn nats_servers(value: &DeValue<'_>) -> Read<Vec<crate::nats::ServerAddr>> {
    let what = "a list of servers: ['nats://127.0.0.1:4222']";
    let list = value.as_array().ok_or_else(|| expected(what, value))?;
    let read =
        |it: &toml::Spanned<DeValue<'_>>| text(it.get_ref())?.parse().map_err(|it| format!("{it}"));
    match list.iter().map(read).collect::<Read<Vec<_>>>()? {
        servers if servers.is_empty() => Err("expected at least one server".to_owned()),
        servers => Ok(servers),
    }
}

/// The name of a node.
#[cfg(feature = "cluster")]
pub(super) fn node_name(value: &DeValue<'_>) -> Read<crate::chat::NodeName> {
    text(value)?.parse().map_err(|it| format!("{it}"))
}

/// One or more.
pub(super) fn count<N: TryFrom<u64>>(value: &DeValue<'_>) -> Read<N> {
    within(value, 1)
}

/// Some, or zero to have none.
pub(super) fn count_or_none<N: TryFrom<u64>>(value: &DeValue<'_>) -> Read<N> {
    within(value, 0)
}

/// How long something may be that is part of a message.
pub(super) fn length(value: &DeValue<'_>) -> Read<usize> {
    match within::<u64>(value, 1)? {
        length if length <= LONGEST_NAME => Ok(length as usize),
        _ => Err(format!("longer than {LONGEST_NAME} bytes does not fit into a message")),
    }
}

/// A number of bytes, as a number or with a unit: `65536`, "64 KiB", "1 MiB".
pub(super) fn bytes(value: &DeValue<'_>, least: u64) -> Read<usize> {
    let what = "a number of bytes: 65536, \"64 KiB\" or \"1 MiB\"";
    let bytes = match value.as_str() {
        None => integer(value).ok_or_else(|| expected(what, value))?,
        Some(text) => {
            let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
            let whole = |(unit, size): (&str, u64)| {
                text.strip_suffix(unit)?.trim_end().parse::<u64>().ok()?.checked_mul(size)
            };
            units.into_iter().find_map(whole).ok_or_else(|| expected(what, value))?
        }
    };
    if bytes < least {
        return Err(format!("at least {least} bytes are needed"));
    }
    bytes.try_into().map_err(|_| "it is too much for this machine".to_owned())
}

/// A span of time, in seconds or with a unit: `30`, `0.5`, "90 s", "2 min".
pub(super) fn duration(value: &DeValue<'_>) -> Read<Duration> {
    let what = "a span of time: 30, \"90 s\", \"2 min\" or \"1 h\"";
    let seconds = match value {
        DeValue::Integer(_) => integer(value).map(|it| it as f64),
        DeValue::Float(float) => float.as_str().parse().ok(),
        DeValue::String(text) => {
            let units = [("min", 60.0), ("ms", 0.001), ("s", 1.0), ("h", 3600.0)];
            let whole = |(unit, size)| Some(number(text.strip_suffix(unit)?)? * size);
            units.into_iter().find_map(whole)
        }
        _ => None,
    };
    let duration = seconds.and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok());
    duration.filter(|it| !it.is_zero()).ok_or_else(|| expected(what, value))
}

fn number(text: &str) -> Option<f64> {
    text.trim_end().parse().ok()
}

fn within<N: TryFrom<u64>>(value: &DeValue<'_>, least: u64) -> Read<N> {
    let what = || expected(&format!("a whole number, {least} or more"), value);
    let number = integer(value).filter(|&number| number >= least).ok_or_else(what)?;
    number.try_into().map_err(|_| "the number is too large".to_owned())
}

fn integer(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// "expected a count, not a string"; what is of the right kind is shown instead.
fn expected(what: &str, value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("expected {what}, not '{text}'"),
        DeValue::Integer(number) => format!("expected {what}, not {}", number.as_str()),
        DeValue::Float(number) => format!("expected {what}, not {}", number.as_str()),
        other => format!("expected {what}, not {}", article(other)),
    }
}
