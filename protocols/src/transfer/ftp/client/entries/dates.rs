//! Dates as servers write them in lines for people: in the order, the language and the detail of each.
//!
//! ```text
//!   Jan  2  2024    Jan 2 07:08    2. Okt. 2003    26. Juli, 20:10      the month by its name
//!    4月 18日 2003年    1월 6일 07:08                                   by its number, with a word
//!   2023年11月15日    11月15日 03:04    15.11. 03:04                      the same in one word
//!   2024-05-06 07:08    05-06 07:08    1999/10/12    01-jun-99    2024-05-06T07:08Z
//!   03:04 15 Thg 6    15. јун. у 03:04    15 de juny  03:04             and what else `ls -l` has somewhere
//!   3 29 03:26    xyz 2 2024                                            a guess, where nothing else fits
//! ```

use std::time::Duration;

use super::date_words::{
    Clock, clock, clock_of_ls, counted, day, dotted, is_a_word, month, short_year, split_at, year,
    zone,
};
use super::words::{Words, number};
use crate::transfer::ftp::wire::time::Timestamp;

pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A date in a line.
pub(super) struct Dated {
    /// Which it is; `None` if it looks like one, and its month is in a language that is not known here.
    pub(super) time: Option<Timestamp>,
    /// How many words it has.
    pub(super) words: usize,
    /// Whether more than one space may follow: it has no time of day, nor a year in the place of one, or is
    /// shorter than others in its column.
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
    in_one_word(words, at, today).or_else(|| in_some_words(words, at, today, month))
}

/// What may be a date, with a month in numbers alone, or in an unknown language.
fn guess_at(words: &Words<'_>, at: usize, today: Timestamp) -> Option<Dated> {
    let numbers = |word: &[u8]| number(word).filter(|it| (1..=12).contains(it)).map(Some);
    let unknown = |word: &[u8]| is_a_word(word).then_some(None);
    in_some_words(words, at, today, numbers).or_else(|| in_some_words(words, at, today, unknown))
}

// ── shapes ──────────────────────────────────────────────────────────────────────────────────────

/// Day and month in any order, and then a year or a time of day; or one of these first. What says which month
/// a word is may know that it is one, and not which.
fn in_some_words(
    words: &Words<'_>,
    at: usize,
    today: Timestamp,
    month: impl Fn(&[u8]) -> Option<Option<u64>>,
) -> Option<Dated> {
    if let Some(dated) = year_first(words, at, &month) {
        return Some(dated);
    }
    // `03:04 15 Thg 6`
    if let Some(clock) = clock(words.get(at)?) {
        let OfYear { month, day, words, .. } = day_and_month(words, at + 1, &month)?;
        let time = without_year(month, day, clock, today);
        return Some(Dated { time, words: 1 + words, is_short: true });
    }
    let date @ OfYear { month, day, .. } = day_and_month(words, at, &month)?;
    let third = words.get(at + date.words)?;
    let fourth = words.get(at + date.words + 1);
    if let Some(year) = year(third) {
        // `Oct 08, 2002 09:47`; without the comma it is the beginning of a name.
        let clock = fourth.filter(|_| date.sign == b',').and_then(clock);
        let time = timestamp(year, month, day, clock.unwrap_or(Clock::MIDNIGHT));
        let words = date.words + 1 + usize::from(clock.is_some());
        // `15. Jan 2023  name`: what is German has a space more, to be as long as with a time of day.
        return Some(Dated { time, words, is_short: date.sign == b'.' });
    }
    // `15. јун. у 03:04`
    if third == "у".as_bytes() {
        let time = without_year(month, day, fourth.and_then(clock_of_ls)?, today);
        return Some(Dated { time, words: date.words + 2, is_short: false });
    }
    let clock = clock_of_ls(third)?;
    // `Jan 2 07:08:09 2024`, as BSD's `ls -T` has it; without seconds it is the beginning of a name.
    let year = fourth.filter(|_| clock.has_seconds).and_then(year);
    let time = match year {
        Some(year) => timestamp(year, month, day, clock),
        None => without_year(month, day, clock, today),
    };
    let words = date.words + 1 + usize::from(year.is_some());
    Some(Dated { time, words, is_short: false })
}

/// `2003년 11월 28일`, `2023 jan 15`, `2023年11月15日`.
fn year_first(
    words: &Words<'_>,
    at: usize,
    month: impl Fn(&[u8]) -> Option<Option<u64>>,
) -> Option<Dated> {
    let first = words.get(at)?;
    if let Some([year, month, day]) = counted(first).as_deref() {
        let time = timestamp(*year, Some(*month), *day, Clock::MIDNIGHT);
        return Some(Dated { time, words: 1, is_short: false });
    }
    let year = year(first)?;
    let OfYear { month, day, words: count, is_month_first, .. } =
        day_and_month(words, at + 1, month)?;
    // What comes before a whole date is a size, whatever it looks like.
    let behind = words.get(at + 1 + count);
    let is_whole =
        behind.is_some_and(|word| clock_of_ls(word).is_some() || self::year(word).is_some());
    if !is_month_first || is_whole && number(first).is_some() {
        return None;
    }
    let time = timestamp(year, month, day, Clock::MIDNIGHT);
    Some(Dated { time, words: 1 + count, is_short: false })
}

/// A day and a month.
struct OfYear {
    month: Option<u64>,
    day: u64,
    words: usize,
    is_month_first: bool,
    /// What is behind the day, if something is.
    sign: u8,
}

fn day_and_month(
    words: &Words<'_>,
    at: usize,
    month: impl Fn(&[u8]) -> Option<Option<u64>>,
) -> Option<OfYear> {
    let first = words.get(at)?;
    let sign = |word: &[u8]| *word.last().filter(|byte| b".,".contains(byte)).unwrap_or(&b' ');
    let in_one = |month, day, words, is_month_first| {
        Some(OfYear { month, day, words, is_month_first, sign: b' ' })
    };
    if let Some([month @ 1..=12, day @ 1..=31]) = counted(first).as_deref() {
        return in_one(Some(*month), *day, 1, true);
    }
    // `15. led` with a space that does not break a line, in UTF-8 or in Latin-2
    let space =
        [".\u{a0}".as_bytes(), b".\xa0"].into_iter().find_map(|space| split_at(first, space));
    if let Some((Some(day), Some(month))) = space.map(|(digits, name)| (day(digits), month(name))) {
        return in_one(month, day, 1, false);
    }
    // `15.11.`, `15. 6.`
    let second = words.get(at + 1).filter(|_| dotted(first).is_some_and(|it| it.len() == 1));
    let pair = [Some(first), second].into_iter().flatten().filter_map(dotted).flatten();
    if let [day @ 1..=31, month @ 1..=12] = *pair.collect::<Vec<_>>() {
        return in_one(Some(month), day, 1 + usize::from(second.is_some()), false);
    }
    if let Some((month, count)) = month_at(words, at, &month)
        && let Some(word) = words.get(at + count)
        && let Some(day) = day(word)
    {
        let (words, sign) = (count + 1, sign(word));
        return Some(OfYear { month, day, words, is_month_first: true, sign });
    }
    let day = day(first)?;
    // `15 de juny`
    let article = usize::from(words.get(at + 1) == Some(b"de"));
    let (month, count) = month_at(words, at + 1 + article, month)?;
    let (words, sign) = (1 + article + count, sign(first));
    Some(OfYear { month, day, words, is_month_first: false, sign })
}

/// A month, and how many words it has.
fn month_at(
    words: &Words<'_>,
    at: usize,
    month: impl Fn(&[u8]) -> Option<Option<u64>>,
) -> Option<(Option<u64>, usize)> {
    let word = words.get(at)?;
    if word.eq_ignore_ascii_case(b"thg") {
        let month = number(words.get(at + 1)?).filter(|it| (1..=12).contains(it))?;
        return Some((Some(month), 2));
    }
    let article = [&b"d'"[..], "d’".as_bytes()].into_iter().find_map(|it| word.strip_prefix(it));
    Some((month(article.unwrap_or(word))?, 1))
}

/// `2024-05-06`, `06.05.2024`, `01-jun-99`, `05-06`, and perhaps a time of day.
fn in_one_word(words: &Words<'_>, at: usize, today: Timestamp) -> Option<Dated> {
    if let Some(dated) = words.get(at).and_then(of_rfc_3339) {
        return Some(dated);
    }
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

/// `2024-05-06T07:08:09.123+02:00`
fn of_rfc_3339(word: &[u8]) -> Option<Dated> {
    let (date, time) = (word.get(..10)?, word.get(10..)?.strip_prefix(b"T")?);
    let Parts::Full(year, month, day) = parts(date)? else {
        return None;
    };
    let end = time.iter().position(|byte| b"Z+-".contains(byte)).unwrap_or(time.len());
    let (clock_word, zone_word) = time.split_at(end);
    let time = timestamp(year, Some(month), day, clock(clock_word)?);
    let time = zone(zone_word).map_or(time, |zone| Some(zone.to_utc(time?)));
    Some(Dated { time, words: 1, is_short: false })
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
