//! Dates as HTTP writes them (RFC 9110, 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A second before the year 10000, for which a date has no digits.
const LAST: u64 = 253_402_300_799;

/// Reads a date, in any of the three ways it was ever written.
pub(super) fn parse_date(value: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(std::str::from_utf8(value).ok()?.trim()).ok()
}

/// Writes a date. A time that has none, before 1970 or after 9999, becomes the nearest that has: a clock may be set
/// to anything, and a file be of any time.
pub(in crate::http) fn format_date(time: SystemTime) -> String {
    let second = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().min(LAST);
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_has_no_date_is_told_as_the_nearest_that_has() {
        let first = "Thu, 01 Jan 1970 00:00:00 GMT";
        let last = "Fri, 31 Dec 9999 23:59:59 GMT";
        let after = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(format_date(UNIX_EPOCH - Duration::from_nanos(1)), first);
        assert_eq!(format_date(UNIX_EPOCH), first);
        for time in [after(LAST), after(LAST + 1), after(1 << 43)] {
            assert_eq!(format_date(time), last);
        }
        assert_eq!(parse_date(last.as_bytes()), Some(after(LAST)));
    }
}
