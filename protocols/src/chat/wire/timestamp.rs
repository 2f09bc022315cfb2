//! The time of day, as IRC writes it.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::{Date, Month, OffsetDateTime};

/// Milliseconds since 1970, which between servers are a number, and print as the `time` tag wants them (IRCv3 server-time): ISO 8601 in
/// UTC. What is before 1970 is read as 1970: nothing was said then.
///
/// ```
/// use protocols::chat::Timestamp;
/// let time: Timestamp = "2012-06-30T23:59:59.419Z".parse()?;
/// assert_eq!(time.to_string(), "2012-06-30T23:59:59.419Z");
/// assert_eq!(time.seconds(), 1_341_100_799);
/// # Ok::<(), protocols::chat::timestamp::NotATime>(())
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(u64);

/// The text is no time as IRC writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a time: expected YYYY-MM-DDThh:mm:ss.sssZ")]
pub struct NotATime;

impl Timestamp {
    /// A time; what is before 1970 is 1970.
    #[must_use]
    pub fn of(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// So many milliseconds since 1970.
    #[cfg(feature = "cluster")]
    pub(in crate::chat) fn of_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0 / 1_000
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn millis(self) -> u64 {
        self.0
    }

    /// This time, or the millisecond after another if that is later.
    #[must_use]
    pub(in crate::chat) fn after(self, other: Self) -> Self {
        self.max(Self(other.0.saturating_add(1)))
    }

    /// So much later.
    #[must_use]
    pub(in crate::chat) fn plus(self, time: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
    }

    /// As the standard library has it.
    #[must_use]
    pub fn system(self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.0)
    }

    /// For people: `Mon, 24 Nov 2025 06:00:00 UTC`.
    #[must_use]
    pub fn to_text(self) -> String {
        let at = self.utc();
        let (year, month, day) = (at.year(), at.month().to_string(), at.day());
        let (weekday, (hour, minute, second)) = (at.weekday().to_string(), at.to_hms());
        format!("{weekday:.3}, {day:02} {month:.3} {year} {hour:02}:{minute:02}:{second:02} UTC")
    }

    /// What is beyond the year 9999 is 1970 too.
    fn utc(self) -> OffsetDateTime {
        let seconds = i64::try_from(self.seconds()).ok();
        seconds
            .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.utc();
        let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
        let (hour, minute, second) = at.to_hms();
        let milli = self.0 % 1_000;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

impl FromStr for Timestamp {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let (date, time) =
            text.strip_suffix('Z').and_then(|it| it.split_once('T')).ok_or(NotATime)?;
        let [year, month, day] = numbers(date, '-')?;
        let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let [hour, minute, second] = numbers(time, ':')?;
        let is_time = hour < 24 && minute < 60 && second <= 60 && (1..=31).contains(&day);
        let first = u8::try_from(month).ok().and_then(|month| Month::try_from(month).ok());
        let year = i32::try_from(year).ok().filter(|year| (1..=9999).contains(year));
        let (true, Some(month), Some(year)) = (is_time, first, year) else {
            return Err(NotATime);
        };
        let millis = millis(fraction)?;
        let first = Date::from_calendar_date(year, month, 1).map_err(|_| NotATime)?;
        let days = u64::try_from(first.midnight().assume_utc().unix_timestamp());
        let Ok(month) = days else {
            return Ok(Self(0));
        };
        let seconds = month + (day - 1) * 86_400 + hour * 3_600 + minute * 60 + second;
        Ok(Self(seconds * 1_000 + millis))
    }
}

fn numbers(text: &str, between: char) -> Result<[u64; 3], NotATime> {
    let mut parts = text.split(between).map(number);
    let mut next = || parts.next().unwrap_or(Err(NotATime));
    let numbers = [next()?, next()?, next()?];
    parts.next().map_or(Ok(numbers), |_| Err(NotATime))
}

fn number(text: &str) -> Result<u64, NotATime> {
    let is_number =
        !text.is_empty() && text.len() <= 4 && text.bytes().all(|it| it.is_ascii_digit());
    if is_number { text.parse().map_err(|_| NotATime) } else { Err(NotATime) }
}

/// The first three digits of a fraction.
fn millis(fraction: &str) -> Result<u64, NotATime> {
    if fraction.is_empty() || !fraction.bytes().all(|it| it.is_ascii_digit()) {
        return Err(NotATime);
    }
    Ok(fraction
        .bytes()
        .chain(*b"00")
        .take(3)
        .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_times_print_as_they_should() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (1_764_000_000, "2025-11-24T16:00:00.000Z"),
        ] {
            assert_eq!(Timestamp(seconds * 1_000).to_string(), text);
        }
        assert_eq!(Timestamp(1_764_000_000_000).to_text(), "Mon, 24 Nov 2025 16:00:00 UTC");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "Z",
            "2012-06-30",
            "2012-06-30T23:59:59.419",
            "2012-13-30T23:59:59.419Z",
            "2012-06-30T24:59:59.419Z",
            "0000-06-30T23:59:59.419Z",
            "2012-06-30T23:59:59.Z",
            "2012-06-30T23:59:59.4x9Z",
            "2012-06-30-01T23:59:59.4Z",
            "+012-06-30T23:59:59.4Z",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(NotATime), "{text}");
        }
        assert_eq!("1970-01-01T00:00:00.4Z".parse(), Ok(Timestamp(400)));
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(Timestamp(1_000)));
    }

    /// A program asks for everything with the earliest time it knows: year 1 in Go.
    #[test]
    fn what_is_before_1970_is_1970() {
        for text in ["0001-01-01T00:00:00.000Z", "1969-12-31T23:59:59.999Z"] {
            assert_eq!(text.parse(), Ok(Timestamp(0)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_time_is_read_as_it_was_written(millis in 0_u64..250_000_000_000_000) {
            prop_assert_eq!(Timestamp(millis).to_string().parse(), Ok(Timestamp(millis)));
        }

        #[test]
        fn any_text_is_a_time_or_none(text in "[0-9TZ:.-]{0,30}|\\PC*") {
            let _ = text.parse::<Timestamp>();
        }
    }
}
