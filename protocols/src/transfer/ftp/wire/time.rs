//! Times as MDTM and facts have them: `YYYYMMDDHHMMSS`, and perhaps a fraction, in UTC (RFC 3659, 2.3).

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::{Date, Month, OffsetDateTime};

/// When the year 0 began.
const FIRST: i64 = -62_167_219_200;
/// The last second of the year 9999.
const LAST: i64 = 253_402_300_799;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A time of day, in UTC, as exact as a second: of the years 0 to 9999, which have four digits, as the
/// calendar of today has them, also where it was not used yet.
///
/// ```
/// use protocols::transfer::ftp::time::Timestamp;
/// let time = Timestamp::parse(b"20260228123456.789").expect("it is one");
/// assert_eq!(time.to_string(), "20260228123456");
/// assert_eq!(Timestamp::from(time.to_system_time()), time);
/// let eve = Timestamp::parse(b"19691231230000").expect("there was time before 1970");
/// assert!(eve.to_system_time() < std::time::UNIX_EPOCH);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Seconds since 1970 began, without leap seconds: from [`FIRST`] to [`LAST`].
    seconds: i64,
}

/// A time, as a calendar and a clock on the wall have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// 0 to 9999.
    pub year: u64,
    /// 1 to 12.
    pub month: u64,
    /// 1 to 31.
    pub day: u64,
    /// 0 to 23.
    pub hour: u64,
    /// 0 to 59.
    pub minute: u64,
    /// 0 to 59.
    pub second: u64,
}

impl Timestamp {
    /// Reads fourteen digits, and perhaps a fraction, which is dropped. A leap second is the one before it.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (whole, fraction) = match text.iter().position(|&byte| byte == b'.') {
            Some(at) => (&text[..at], &text[at + 1..]),
            None => (text, &b"0"[..]),
        };
        let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
        if whole.len() != 14 || !digits(whole) || !digits(fraction) {
            return None;
        }
        let number = |from: usize, to: usize| {
            whole[from..to].iter().fold(0, |number, digit| number * 10 + (digit - b'0'))
        };
        let year = u16::from(number(0, 2)) * 100 + u16::from(number(2, 4));
        let month = Month::try_from(number(4, 6)).ok()?;
        let date = Date::from_calendar_date(year.into(), month, number(6, 8)).ok()?;
        let (hour, minute, second) = (number(8, 10), number(10, 12), number(12, 14));
        let time = date.with_hms(hour, minute, if second == 60 { 59 } else { second }).ok()?;
        Some(Self { seconds: time.assume_utc().unix_timestamp() })
    }

    /// As calendar and clock have it.
    #[must_use]
    pub fn civil(self) -> Civil {
        let at = self.utc();
        Civil {
            year: at.year().unsigned_abs().into(),
            month: u8::from(at.month()).into(),
            day: at.day().into(),
            hour: at.hour().into(),
            minute: at.minute().into(),
            second: at.second().into(),
        }
    }

    /// The month, in three letters.
    pub(in crate::transfer::ftp) fn month_name(self) -> &'static str {
        MONTHS[usize::from(u8::from(self.utc().month())) - 1]
    }

    /// The day of the week, in three letters.
    #[must_use]
    pub fn weekday(self) -> &'static str {
        let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
        days[usize::from(self.utc().weekday().number_days_from_monday())]
    }

    fn utc(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// As the system has it. Where it has no such time, as Windows before 1601, it is 1970.
    #[must_use]
    pub fn to_system_time(self) -> SystemTime {
        let span = Duration::from_secs(self.seconds.unsigned_abs());
        let time = match self.seconds {
            0.. => UNIX_EPOCH.checked_add(span),
            _ => UNIX_EPOCH.checked_sub(span),
        };
        time.unwrap_or(UNIX_EPOCH)
    }
}

impl From<SystemTime> for Timestamp {
    /// The second in which it is. A time before the year 0 becomes its first second, one beyond 9999 the last.
    fn from(time: SystemTime) -> Self {
        let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        let seconds = match time.duration_since(UNIX_EPOCH) {
            Ok(since) => seconds(since),
            // The second of half a second before 1970 is the last one of 1969.
            Err(error) => {
                let before = error.duration();
                -seconds(before).saturating_add((before.subsec_nanos() > 0).into())
            }
        };
        Self { seconds: seconds.clamp(FIRST, LAST) }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second } = self.civil();
        write!(f, "{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_times() {
        for (text, seconds) in [
            ("00000101000000", -62_167_219_200),
            ("00000229000000", -62_162_121_600),
            ("15821015000000", -12_219_292_800),
            ("19000228235959", -2_203_891_201),
            ("19000301000000", -2_203_891_200),
            ("19011213204552", -2_147_483_648),
            ("19680229120000", -58_017_600),
            ("19691231230000", -3_600),
            ("19691231235959", -1),
            ("19700101000000", 0),
            ("20000229120000", 951_825_600),
            ("20380119031408", 2_147_483_648),
            ("99991231235959", 253_402_300_799_i64),
        ] {
            let time = Timestamp::parse(text.as_bytes()).expect(text);
            assert_eq!((time.seconds, time.to_string().as_str()), (seconds, text));
            assert_eq!(Timestamp::from(time.to_system_time()), time);
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in
            ["", "2026", "20260230000000", "19000229000000", "20250100000000", "20250101240000"]
        {
            assert_eq!(Timestamp::parse(text.as_bytes()), None, "{text}");
        }
        for text in [
            "00000000000000",
            "20251301000000",
            "20250101000000.",
            "20250101000000.x",
            "+2025010100000",
        ] {
            assert_eq!(Timestamp::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_part_of_a_second_belongs_to_the_one_that_has_begun() {
        for (before, text) in
            [(1, "19691231235959"), (999, "19691231235959"), (1_001, "19691231235958")]
        {
            let time = UNIX_EPOCH - Duration::from_millis(before);
            assert_eq!(Timestamp::from(time).to_string(), text, "{before} ms");
        }
        let later = UNIX_EPOCH + Duration::from_millis(1_999);
        assert_eq!(Timestamp::from(later).to_string(), "19700101000001");
    }

    #[test]
    fn times_without_four_digits_are_the_first_or_the_last_that_have_them() {
        let far = Duration::from_secs(1 << 40);
        if let (Some(before), Some(after)) =
            (UNIX_EPOCH.checked_sub(far), UNIX_EPOCH.checked_add(far))
        {
            assert_eq!(Timestamp::from(before).to_string(), "00000101000000");
            assert_eq!(Timestamp::from(after).to_string(), "99991231235959");
        }
    }

    #[test]
    fn days_of_the_week() {
        for (text, day) in
            [("19691231", "Wed"), ("19700101", "Thu"), ("19000101", "Mon"), ("20000229", "Tue")]
        {
            let time = Timestamp::parse(format!("{text}120000").as_bytes()).expect(text);
            assert_eq!(time.weekday(), day, "{text}");
        }
    }

    proptest! {
        #[test]
        fn each_second_has_one_name(seconds in FIRST..=LAST) {
            let time = Timestamp { seconds };
            prop_assert_eq!(Timestamp::parse(time.to_string().as_bytes()), Some(time));
        }
    }
}
