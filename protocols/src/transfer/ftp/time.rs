//! Times as MDTM and facts have them: `YYYYMMDDHHMMSS`, and perhaps a fraction, in UTC (RFC 3659, 2.3).

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 24 * 60 * 60;

/// A time of day, in UTC, as exact as a second. It is at least 1970, and at most 9999.
///
/// ```
/// use protocols::transfer::ftp::time::Timestamp;
/// let time = Timestamp::parse(b"20260228123456.789").expect("it is one");
/// assert_eq!(time.to_string(), "20260228123456");
/// assert_eq!(Timestamp::from(time.to_system_time()), time);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Seconds since 1970, without leap seconds.
    seconds: u64,
}

/// A time, as a calendar and a clock on the wall have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// 1970 to 9999.
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
        let plausible = year >= 1970 && hour < 24 && minute < 60 && second < 60;
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
        let mut year = 1970 + days / 365;
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
        // The first day of 1970 was a Thursday.
        match self.seconds / DAY % 7 {
            0 => "Thu",
            1 => "Fri",
            2 => "Sat",
            3 => "Sun",
            4 => "Mon",
            5 => "Tue",
            _ => "Wed",
        }
    }

    /// As the system has it.
    #[must_use]
    pub fn to_system_time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.seconds)
    }
}

impl From<SystemTime> for Timestamp {
    /// A time before 1970 becomes 1970, one beyond 9999 its last second.
    fn from(time: SystemTime) -> Self {
        let latest = days_before_year(10_000) * DAY - 1;
        let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self { seconds: seconds.min(latest) }
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

/// Days from 1970 to the first of a year.
fn days_before_year(year: u64) -> u64 {
    let leap_years = |year: u64| year / 4 - year / 100 + year / 400;
    (year - 1970) * 365 + leap_years(year - 1) - leap_years(1969)
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
            ("19700101000000", 0),
            ("20000229120000", 951_825_600),
            ("20380119031408", 2_147_483_648),
            ("99991231235959", 253_402_300_799),
        ] {
            let time = Timestamp::parse(text.as_bytes()).expect(text);
            assert_eq!((time.seconds, time.to_string().as_str()), (seconds, text));
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in
            ["", "2026", "20260230000000", "20251301000000", "20250100000000", "20250101240000"]
        {
            assert_eq!(Timestamp::parse(text.as_bytes()), None, "{text}");
        }
        for text in ["19691231235959", "20250101000000.", "20250101000000.x", "+2025010100000"] {
            assert_eq!(Timestamp::parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn each_second_has_one_name(seconds in 0_u64..253_402_300_800) {
            let time = Timestamp { seconds };
            prop_assert_eq!(Timestamp::parse(time.to_string().as_bytes()), Some(time));
        }
    }
}
