//! The words that dates are made of.

use std::time::Duration;

use super::dates::DAY;
use super::months;
use super::words::number;
use crate::transfer::ftp::wire::time::Timestamp;

/// A time of day.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    pub(super) hour: u64,
    pub(super) minute: u64,
    pub(super) second: u64,
    pub(super) has_seconds: bool,
}

impl Clock {
    pub(super) const MIDNIGHT: Self = Self { hour: 0, minute: 0, second: 0, has_seconds: false };
}

/// `7:08`, `07:08:09.123`, `07:08PM`.
pub(super) fn clock(word: &[u8]) -> Option<Clock> {
    let word = bare(word).to_ascii_uppercase();
    let (word, half) = match word.as_slice() {
        [clock @ .., b'P', b'M'] | [clock @ .., b'P'] => (clock, Some(12)),
        [clock @ .., b'A', b'M'] | [clock @ .., b'A'] => (clock, Some(0)),
        clock => (clock, None),
    };
    let mut parts = word.split(|&byte| byte == b':');
    let (hour, minute) = (number(parts.next()?)?, number(parts.next()?)?);
    let seconds = parts.next();
    let whole = |seconds: &[u8]| number(seconds.split(|&byte| byte == b'.').next()?);
    let second = seconds.map_or(Some(0), whole)?;
    let hour = half.map_or(hour, |half| hour % 12 + half);
    let is_clock = parts.next().is_none() && hour <= 24 && minute < 60 && second <= 60;
    is_clock.then_some(Clock { hour, minute, second, has_seconds: seconds.is_some() })
}

/// The same, or `03.04`, as some languages have it; that may be a size elsewhere.
pub(super) fn clock_of_ls(word: &[u8]) -> Option<Clock> {
    if let [hour @ .., b'.', tens, ones] = word {
        return clock(&[hour, &[b':', *tens, *ones]].concat());
    }
    clock(word)
}

/// `AM` and `PM` as words of their own, and `a.m.`.
pub(super) fn half_day(word: &[u8]) -> Option<&'static [u8]> {
    let letters: Vec<_> = word.iter().copied().filter(|&byte| byte != b'.').collect();
    [&b"AM"[..], b"PM"].into_iter().find(|half| letters.eq_ignore_ascii_case(half))
}

/// Four digits, and perhaps a word for "year".
pub(super) fn year(word: &[u8]) -> Option<u64> {
    let (digits, _) = with_word(bare(word));
    number(digits).filter(|_| digits.len() == 4).filter(|year| (1600..10_000).contains(year))
}

/// A year of two digits, or of three: some have not noticed the year 2000.
pub(super) fn short_year(word: &[u8]) -> Option<u64> {
    Some(match (number(word)?, word.len()) {
        (year @ 0..70, 1 | 2) => 2000 + year,
        (year @ 70..200, 2 | 3) => 1900 + year,
        (year, 4) => year,
        _ => return None,
    })
}

/// One or two digits, and perhaps a word for "day".
pub(super) fn day(word: &[u8]) -> Option<u64> {
    let (digits, _) = with_word(bare(word));
    number(digits).filter(|day| digits.len() <= 2 && (1..=31).contains(day))
}

/// A month by its name, or by a number with a word for "month". It is always known which.
#[allow(clippy::option_option, reason = "a word may be a month, and nobody knows which")]
pub(super) fn month(word: &[u8]) -> Option<Option<u64>> {
    let word = bare(word);
    if let (digits, true) = with_word(word) {
        return number(digits).filter(|it| (1..=12).contains(it)).map(Some);
    }
    months::named(word).map(Some)
}

/// Digits with a word behind them that is none of ASCII, `4月` or `3\xed\xef`, without it; and whether there is
/// one.
pub(super) fn with_word(word: &[u8]) -> (&[u8], bool) {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = word.split_at(digits);
    // In the encodings of Japan the second byte of a letter may be one of ASCII.
    let is_word = !number.is_empty() && rest.first().is_some_and(|byte| !byte.is_ascii());
    if is_word && rest.len() <= 4 { (number, true) } else { (word, false) }
}

/// Numbers with a word behind each that is none of ASCII: `2023年11月15日`.
pub(super) fn counted(word: &[u8]) -> Option<Vec<u64>> {
    let mut numbers = Vec::new();
    let mut rest = word;
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (count, behind) = rest.split_at(digits);
        let letters = behind.iter().take_while(|byte| !byte.is_ascii_digit()).count();
        let (letters, behind) = behind.split_at(letters);
        let is_word = (2..=4).contains(&letters.len()) && !letters.first()?.is_ascii();
        numbers.push(number(count).filter(|_| is_word)?);
        rest = behind;
    }
    Some(numbers)
}

/// What is before the first of these, and behind it.
pub(super) fn split_at<'a>(word: &'a [u8], these: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = word.windows(these.len()).position(|window| window == these)?;
    Some((word.get(..at)?, word.get(at + these.len()..)?))
}

/// Numbers with a dot behind each: `15.11.`
pub(super) fn dotted(word: &[u8]) -> Option<Vec<u64>> {
    let numbers = word.strip_suffix(b".")?.split(|&byte| byte == b'.');
    numbers.map(|digits| number(digits).filter(|_| digits.len() <= 2)).collect()
}

/// Letters of any language, and what is between them in some.
pub(super) fn is_a_word(word: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphabetic() || !byte.is_ascii();
    bare(word).len() > 1 && word.first().is_some_and(is_letter)
}

/// Without what some languages put behind days and months: `26.`, `Jan.,`.
pub(super) fn bare(word: &[u8]) -> &[u8] {
    let end = word.iter().rposition(|byte| !b".,".contains(byte)).map_or(0, |last| last + 1);
    word.get(..end).unwrap_or_default()
}

/// How far a clock is ahead of UTC, or behind it: `+0200`.
#[derive(Clone, Copy)]
pub(super) struct Zone {
    is_ahead: bool,
    by: Duration,
}

pub(super) fn zone(word: &[u8]) -> Option<Zone> {
    let (is_ahead, digits) = match word {
        [b'+', digits @ ..] => (true, digits),
        [b'-', digits @ ..] => (false, digits),
        _ => return None,
    };
    let digits: Vec<_> = digits.iter().copied().filter(|&byte| byte != b':').collect();
    let minutes = number(&digits).filter(|_| digits.len() == 4)?;
    let by = Duration::from_secs((minutes / 100 * 60 + minutes % 100) * 60);
    (by < DAY).then_some(Zone { is_ahead, by })
}

impl Zone {
    pub(super) fn to_utc(self, time: Timestamp) -> Timestamp {
        let system = time.to_system_time();
        let utc =
            if self.is_ahead { system.checked_sub(self.by) } else { system.checked_add(self.by) };
        utc.map_or(time, Timestamp::from)
    }
}
