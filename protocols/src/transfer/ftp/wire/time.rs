//! Times as MDTM and facts have them: `YYYYMMDDHHMMSS`, and perhaps a fraction, in UTC (RFC 3659, 2.3).

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 24 * 60 * 60;
/// When 1970 began.
const EPOCH: u64 = days_before_year(1970) * DAY;

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
    /// Seconds since the year 0 began, without leap seconds.
    seconds: u64,
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
            whole[from..to].iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
        };
        let second = number(12, 14);
        Self::from_civil(Civil {
            year: number(0, 4),
            month: number(4, 6),
            day: number(6, 8),
            hour: number(8, 10),
            minute: number(10, 12),
            second: if second == 60 { 59 } else { second },
        })
    }

    fn from_civil(civil: Civil) -> Option<Self> {
        let Civil { year, month, day, hour, minute, second } = civil;
        let plausible = hour < 24 && minute < 60 && second < 60;
        if !plausible || day == 0 || day > days_in(year, month) {
            return None;
        }
        let days =
            days_before_year(year) + (1..month).map(|month| days_in(year, month)).sum::<u64>();
        Some(Self { seconds: (days + day - 1) * DAY + hour * 3600 + minute * 60 + second })
    }

    /// As calendar and clock have it.
    #[must_use]
    pub fn civil(self) -> Civil {
        let (mut days, second) = (self.seconds / DAY, self.seconds % DAY);
        // A first guess, which may be some years too late: no year is shorter than this.
        let mut year = days / 365;
        while days_before_year(year) > days {
            year -= 1;
        }
        days -= days_before_year(year);
        let mut month = 1;
        while days >= days_in(year, month) {
            days -= days_in(year, month);
            month += 1;
        }
        Civil {
            year,
            month,
            day: days + 1,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
        }
    }

    /// The day of the week, in three letters.
    #[must_use]
    pub fn weekday(self) -> &'static str {
        // So that the first day of 1970 is a Thursday.
        match self.seconds / DAY % 7 {
            0 => "Sat",
            1 => "Sun",
            2 => "Mon",
            3 => "Tue",
            4 => "Wed",
            5 => "Thu",
            _ => "Fri",
        }
    }

    /// As the system has it. Where it has no such time, as Windows before 1601, it is 1970.
    #[must_use]
    pub fn to_system_time(self) -> SystemTime {
        let time = match self.seconds.checked_sub(EPOCH) {
            Some(since) => UNIX_EPOCH.checked_add(Duration::from_secs(since)),
            None => UNIX_EPOCH.checked_sub(Duration::from_secs(EPOCH - self.seconds)),
        };
        time.unwrap_or(UNIX_EPOCH)
    }
}

impl From<SystemTime> for Timestamp {
    /// The second in which it is. A time before the year 0 becomes its first second, one beyond 9999 the last.
    fn from(time: SystemTime) -> Self {
        let seconds = match time.duration_since(UNIX_EPOCH) {
            Ok(since) => EPOCH.saturating_add(since.as_secs()),
            // The second of half a second before 1970 is the last one of 1969.
            Err(error) => {
                let before = error.duration();
                let begun = u64::from(before.subsec_nanos() > 0);
                EPOCH.saturating_sub(before.as_secs().saturating_add(begun))
            }
        };
        Self { seconds: seconds.min(days_before_year(10_000) * DAY - 1) }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second } = self.civil();
        write!(f, "{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Days from the beginning of the year 0 to that of another.
const fn days_before_year(year: u64) -> u64 {
    // Those with a leap day, the year 0 among them.
    let leap_years = year.div_ceil(4) - year.div_ceil(100) + year.div_ceil(400);
    year * 365 + leap_years
}

/// Days of a month; none if there is no such month.
fn days_in(year: u64, month: u64) -> u64 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u64::from(is_leap(year)),
        _ => 0,
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
            let since = time.seconds as i64 - EPOCH as i64;
            assert_eq!((since, time.to_string().as_str()), (seconds, text));
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
        fn each_second_has_one_name(seconds in 0_u64..days_before_year(10_000) * DAY) {
            let time = Timestamp { seconds };
            prop_assert_eq!(Timestamp::parse(time.to_string().as_bytes()), Some(time));
        }
    }
}
