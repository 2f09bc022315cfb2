//! Dates as servers write them in lines for people: in the order, the language and the detail of each.
//!
//! ```text
//!   Jan  2  2024    Jan 2 07:08    2. Okt. 2003    26. Juli, 20:10      the month by its name
//!    4月 18日 2003年    1월 6일 07:08                                   by its number, with a word
//!   2024-05-06 07:08    05-06 07:08    1999/10/12    01-jun-99          in one word
//!   3 29 03:26    xyz 2 2024                                            a guess, where nothing else fits
//! ```

use std::time::Duration;

use super::words::{Words, number};
use crate::transfer::ftp::time::Timestamp;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A date in a line.
pub(super) struct Dated {
    /// Which it is; `None` if it looks like one, and its month is in a language that is not known here.
    pub(super) time: Option<Timestamp>,
    /// How many words it has.
    pub(super) words: usize,
    /// Whether it has no time of day, nor a year in the place of one: more than one space may follow.
    pub(super) is_short: bool,
}

/// The first date from this word on, and which word it is. One whose shape is sure is preferred to a guess
/// wherever it is: the numbers before it may look like another.
pub(super) fn find(words: &Words<'_>, from: usize, today: Timestamp) -> Option<(usize, Dated)> {
    let first = |shape: fn(&Words<'_>, usize, Timestamp) -> Option<Dated>| {
        (from..words.len()).find_map(|at| Some((at, shape(words, at, today)?)))
    };
    first(at).or_else(|| first(guess_at))
}

/// A date at this word whose shape is sure.
pub(super) fn at(words: &Words<'_>, at: usize, today: Timestamp) -> Option<Dated> {
    in_one_word(words, at, today).or_else(|| in_three_words(words, at, today, month))
}

/// What may be a date, with a month in numbers alone, or in an unknown language.
fn guess_at(words: &Words<'_>, at: usize, today: Timestamp) -> Option<Dated> {
    let numbers = |word: &[u8]| number(word).filter(|it| (1..=12).contains(it)).map(Some);
    let unknown = |word: &[u8]| is_a_word(word).then_some(None);
    in_three_words(words, at, today, numbers).or_else(|| in_three_words(words, at, today, unknown))
}

// ── shapes ──────────────────────────────────────────────────────────────────────────────────────

/// Day and month in any order, and then a year or a time of day; or the year first. What says which month a
/// word is may know that it is one, and not which.
fn in_three_words(
    words: &Words<'_>,
    at: usize,
    today: Timestamp,
    month: impl Fn(&[u8]) -> Option<Option<u64>>,
) -> Option<Dated> {
    let [first, second, third] = [at, at + 1, at + 2].map(|at| words.get(at));
    let (first, second, third) = (first?, second?, third?);
    let fourth = words.get(at + 3);
    // What comes before a whole date is a size, whatever it looks like.
    let is_whole = fourth.is_some_and(|word| clock(word).is_some() || year(word).is_some());
    let is_size = is_whole && number(first).is_some();
    if !is_size
        && let (Some(year), Some(month), Some(day)) = (year(first), month(second), day(third))
    {
        let time = timestamp(year, month, day, Clock::MIDNIGHT);
        return Some(Dated { time, words: 3, is_short: false });
    }
    let (month, day, day_word) = match (month(first), day(second)) {
        (Some(month), Some(day)) => (month, day, second),
        _ => (month(second)?, day(first)?, first),
    };
    if let Some(year) = year(third) {
        // `Oct 08, 2002 09:47`; without the comma it is the beginning of a name.
        let clock = fourth.filter(|_| day_word.ends_with(b",")).and_then(clock);
        let time = timestamp(year, month, day, clock.unwrap_or(Clock::MIDNIGHT));
        return Some(Dated { time, words: 3 + usize::from(clock.is_some()), is_short: false });
    }
    let clock = clock(third)?;
    // `Jan 2 07:08:09 2024`, as BSD's `ls -T` has it; without seconds it is the beginning of a name.
    let year = fourth.filter(|_| clock.has_seconds).and_then(year);
    let time = match year {
        Some(year) => timestamp(year, month, day, clock),
        None => without_year(month, day, clock, today),
    };
    Some(Dated { time, words: 3 + usize::from(year.is_some()), is_short: false })
}

/// `2024-05-06`, `06.05.2024`, `01-jun-99`, `05-06`, and perhaps a time of day.
fn in_one_word(words: &Words<'_>, at: usize, today: Timestamp) -> Option<Dated> {
    let parts = parts(words.get(at)?)?;
    let next = words.get(at + 1);
    let clock = next.and_then(clock);
    match (parts, clock) {
        (Parts::Full(year, month, day), Some(clock)) => {
            let zone = words.get(at + 2).filter(|_| clock.has_seconds).and_then(zone);
            let time = timestamp(year, Some(month), day, clock);
            let time = zone.map_or(time, |zone| Some(zone.to_utc(time?)));
            Some(Dated { time, words: 2 + usize::from(zone.is_some()), is_short: false })
        }
        (Parts::Full(year, month, day), None) => {
            let time = timestamp(year, Some(month), day, Clock::MIDNIGHT);
            Some(Dated { time, words: 1, is_short: true })
        }
        (Parts::OfTheYear(month, day), Some(clock)) => {
            let time = without_year(Some(month), day, clock, today);
            Some(Dated { time, words: 2, is_short: false })
        }
        (Parts::OfTheYear(month, day), None) => {
            let time = timestamp(year(next?)?, Some(month), day, Clock::MIDNIGHT);
            Some(Dated { time, words: 2, is_short: false })
        }
    }
}

/// A date in one word: year, month and day; or only the last two.
enum Parts {
    Full(u64, u64, u64),
    OfTheYear(u64, u64),
}

fn parts(word: &[u8]) -> Option<Parts> {
    let separator = *word.iter().find(|byte| b"-/.".contains(byte))?;
    let mut parts = word.split(|&byte| byte == separator);
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next());
    if parts.next().is_some() {
        return None;
    }
    let is_day = |day: u64| (1..=31).contains(&day);
    let is_month = |month: u64| (1..=12).contains(&month);
    let Some(third) = third else {
        let (month, day) = (number(first)?, number(second)?);
        let is_one = separator != b'.' && second.len() == 2 && is_month(month) && is_day(day);
        return is_one.then_some(Parts::OfTheYear(month, day));
    };
    let by_name = |word: &[u8]| if number(word).is_none() { month(word)? } else { None };
    let (year, month, day) = if let Some(month) = by_name(first) {
        (short_year(third)?, month, number(second)?)
    } else if let Some(month) = by_name(second) {
        (short_year(third)?, month, number(first)?)
    } else {
        let (first, second, third) = ((first, number(first)?), number(second)?, third);
        match first {
            (digits, year) if digits.len() == 4 => (year, second, number(third)?),
            // Beyond the twelfth month it is a day; with dots it is one everywhere.
            (_, day) if day > 12 || separator == b'.' => (short_year(third)?, second, day),
            (_, month) => (short_year(third)?, month, second),
        }
    };
    (is_month(month) && is_day(day)).then_some(Parts::Full(year, month, day))
}

// ── words ───────────────────────────────────────────────────────────────────────────────────────

/// A time of day.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    hour: u64,
    minute: u64,
    second: u64,
    has_seconds: bool,
}

impl Clock {
    const MIDNIGHT: Self = Self { hour: 0, minute: 0, second: 0, has_seconds: false };
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

/// `AM` and `PM` as words of their own.
pub(super) fn half_day(word: &[u8]) -> Option<&'static [u8]> {
    [&b"AM"[..], b"PM"].into_iter().find(|half| word.eq_ignore_ascii_case(half))
}

/// Four digits, and perhaps a word for "year".
fn year(word: &[u8]) -> Option<u64> {
    let (digits, _) = with_word(bare(word));
    number(digits).filter(|_| digits.len() == 4).filter(|year| (1900..10_000).contains(year))
}

/// A year of two digits, or of three: some have not noticed the year 2000.
fn short_year(word: &[u8]) -> Option<u64> {
    Some(match (number(word)?, word.len()) {
        (year @ 0..70, 1 | 2) => 2000 + year,
        (year @ 70..200, 2 | 3) => 1900 + year,
        (year, 4) => year,
        _ => return None,
    })
}

/// One or two digits, and perhaps a word for "day".
fn day(word: &[u8]) -> Option<u64> {
    let (digits, _) = with_word(bare(word));
    number(digits).filter(|day| digits.len() <= 2 && (1..=31).contains(day))
}

/// A month by its name, or by a number with a word for "month". It is always known which.
#[allow(clippy::option_option, reason = "a word may be a month, and nobody knows which")]
fn month(word: &[u8]) -> Option<Option<u64>> {
    let word = bare(word);
    if let (digits, true) = with_word(word) {
        return number(digits).filter(|it| (1..=12).contains(it)).map(Some);
    }
    // Where it is not UTF-8 it is Latin-1 most of the time.
    let name = match std::str::from_utf8(word) {
        Ok(name) => name.to_lowercase(),
        Err(_) => word.iter().map(|&byte| char::from(byte)).collect::<String>().to_lowercase(),
    };
    if name.chars().count() > LONGEST {
        return None;
    }
    let stem = |(stem, _): &&(&str, u64)| name.starts_with(stem);
    MONTHS.iter().find(stem).map(|&(_, month)| Some(month))
}

/// The beginnings of the names of months, in the languages that are common on servers; longer ones first
/// where one is the beginning of another.
#[rustfmt::skip]
const MONTHS: &[(&str, u64)] = &[
    ("jan", 1), ("jän", 1), ("ene", 1), ("gen", 1), ("янв", 1), ("sty", 1), ("led", 1), ("tammi", 1),
    ("oca", 1), ("ian", 1), ("січ", 1), ("ιαν", 1),
    ("feb", 2), ("fév", 2), ("fev", 2), ("фев", 2), ("lut", 2), ("úno", 2), ("helmi", 2), ("şub", 2),
    ("лют", 2), ("φεβ", 2),
    ("marras", 11), ("mar", 3), ("mär", 3), ("már", 3), ("mrz", 3), ("mrt", 3), ("maa", 3), ("мар", 3),
    ("bře", 3), ("бер", 3), ("μαρ", 3), ("μάρ", 3),
    ("apr", 4), ("ápr", 4), ("avr", 4), ("abr", 4), ("апр", 4), ("kwi", 4), ("dub", 4), ("huhti", 4),
    ("nis", 4), ("кві", 4), ("απρ", 4),
    ("may", 5), ("mai", 5), ("maí", 5), ("maj", 5), ("máj", 5), ("mag", 5), ("mei", 5), ("май", 5),
    ("мая", 5), ("kvě", 5), ("touko", 5), ("тра", 5), ("μαι", 5), ("μάι", 5),
    ("jun", 6), ("jún", 6), ("juin", 6), ("giu", 6), ("июн", 6), ("cze", 6), ("čen", 6), ("kes", 6),
    ("haz", 6), ("чер", 6), ("ιουν", 6),
    ("jul", 7), ("júl", 7), ("jui", 7), ("lug", 7), ("июл", 7), ("lip", 7), ("čec", 7), ("hein", 7),
    ("tem", 7), ("ιουλ", 7),
    ("aug", 8), ("avg", 8), ("aoû", 8), ("aou", 8), ("ago", 8), ("авг", 8), ("sie", 8), ("srp", 8),
    ("elo", 8), ("ağu", 8), ("сер", 8), ("αυγ", 8), ("αύγ", 8),
    ("sep", 9), ("set", 9), ("szept", 9), ("сен", 9), ("wrz", 9), ("zář", 9), ("syys", 9), ("eyl", 9),
    ("вер", 9), ("σεπ", 9),
    ("oct", 10), ("okt", 10), ("ott", 10), ("out", 10), ("окт", 10), ("paź", 10), ("paz", 10),
    ("říj", 10), ("loka", 10), ("eki", 10), ("жов", 10), ("οκτ", 10),
    ("nov", 11), ("ноя", 11), ("lis", 11), ("kas", 11), ("лис", 11), ("νοε", 11),
    ("dec", 12), ("déc", 12), ("dez", 12), ("dic", 12), ("des", 12), ("дек", 12), ("gru", 12),
    ("pro", 12), ("joulu", 12), ("ara", 12), ("гру", 12), ("δεκ", 12),
];

/// Letters of the longest name of a month that is the short form of one (`marras`).
const LONGEST: usize = 6;

/// Digits with a word behind them that is none of ASCII, `4月` or `3\xed\xef`, without it; and whether there is
/// one.
fn with_word(word: &[u8]) -> (&[u8], bool) {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = word.split_at(digits);
    // In the encodings of Japan the second byte of a letter may be one of ASCII.
    let is_word = !number.is_empty() && rest.first().is_some_and(|byte| !byte.is_ascii());
    if is_word && rest.len() <= 4 { (number, true) } else { (word, false) }
}

/// Letters of any language.
fn is_a_word(word: &[u8]) -> bool {
    let word = bare(word);
    word.len() > 1 && word.iter().all(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii())
}

/// Without what some languages put behind days and months: `26.`, `Jan.,`.
fn bare(word: &[u8]) -> &[u8] {
    let end = word.iter().rposition(|byte| !b".,".contains(byte)).map_or(0, |last| last + 1);
    word.get(..end).unwrap_or_default()
}

/// How far a clock is ahead of UTC, or behind it: `+0200`.
#[derive(Clone, Copy)]
struct Zone {
    is_ahead: bool,
    by: Duration,
}

fn zone(word: &[u8]) -> Option<Zone> {
    let (is_ahead, digits) = match word {
        [b'+', digits @ ..] => (true, digits),
        [b'-', digits @ ..] => (false, digits),
        _ => return None,
    };
    let minutes = number(digits).filter(|_| digits.len() == 4)?;
    let by = Duration::from_secs((minutes / 100 * 60 + minutes % 100) * 60);
    (by < DAY).then_some(Zone { is_ahead, by })
}

impl Zone {
    fn to_utc(self, time: Timestamp) -> Timestamp {
        let system = time.to_system_time();
        let utc =
            if self.is_ahead { system.checked_sub(self.by) } else { system.checked_add(self.by) };
        utc.map_or(time, Timestamp::from)
    }
}

// ── times ───────────────────────────────────────────────────────────────────────────────────────

/// What is less than a year old has no year: it is of the last twelve months.
fn without_year(month: Option<u64>, day: u64, clock: Clock, today: Timestamp) -> Option<Timestamp> {
    // A clock may be ahead of ours, by a day at most; what seems to be later is of last year.
    let tomorrow = Timestamp::from(today.to_system_time().checked_add(DAY)?);
    let year = today.civil().year;
    [year + 1, year, year.checked_sub(1)?]
        .into_iter()
        .filter_map(|year| timestamp(year, month, day, clock))
        .find(|time| *time <= tomorrow)
}

fn timestamp(year: u64, month: Option<u64>, day: u64, clock: Clock) -> Option<Timestamp> {
    let Clock { hour, minute, second, .. } = clock;
    // Some say 24:00 for the end of a day.
    let (hour, later) = if hour == 24 { (0, DAY) } else { (hour, Duration::ZERO) };
    let month = month?;
    let text = format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}");
    let time = Timestamp::parse(text.as_bytes())?;
    Some(Timestamp::from(time.to_system_time().checked_add(later)?))
}
