//! When a certificate expires: the one thing of it that a person has to know, and rustls does not tell.
//!
//! ```text
//!   Certificate ─▶ tbsCertificate ─▶ [0] version?  serial  signature  issuer  validity
//!                                                                              └▶ notBefore  notAfter
//! ```
//!
//! RFC 5280, 4.1. It is total: whatever has another shape has no expiry.

use std::time::{Duration, SystemTime};

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, constructed.
const VERSION: u8 = 0xa0;

/// When this certificate, given as DER, expires.
pub(super) fn of(certificate: &[u8]) -> Option<SystemTime> {
    let mut certificate = Der(certificate).expect(SEQUENCE)?;
    let mut body = certificate.expect(SEQUENCE)?;
    if body.0.first() == Some(&VERSION) {
        body.next()?;
    }
    body.expect(INTEGER)?;
    body.expect(SEQUENCE)?;
    body.expect(SEQUENCE)?;
    let mut validity = body.expect(SEQUENCE)?;
    validity.next()?;
    let (tag, time) = validity.next()?;
    parse_time(tag, time.0)
}

/// What is left of an encoding.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn expect(&mut self, wanted: u8) -> Option<Der<'a>> {
        let (tag, body) = self.next()?;
        (tag == wanted).then_some(body)
    }

    /// The next element: its tag and what it contains (X.690, 8.1).
    fn next(&mut self) -> Option<(u8, Der<'a>)> {
        let (&[tag, first], mut rest) = self.0.split_first_chunk()?;
        let length = if first < 0x80 {
            usize::from(first)
        } else {
            let bytes = rest.split_off(..usize::from(first & 0x7f))?;
            if bytes.len() > 4 {
                return None;
            }
            bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
        };
        let body = rest.split_off(..length)?;
        self.0 = rest;
        Some((tag, Der(body)))
    }
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` (RFC 5280, 4.1.2.5).
fn parse_time(tag: u8, text: &[u8]) -> Option<SystemTime> {
    let digits = text.strip_suffix(b"Z")?;
    let mut pairs = digits.chunks(2).map(|pair| match pair {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            Some(u64::from(tens - b'0') * 10 + u64::from(ones - b'0'))
        }
        _ => None,
    });
    let mut pair = || pairs.next().flatten();
    let year = match tag {
        // Those of 50 and later are of the last century.
        UTC_TIME => pair().map(|year| if year < 50 { 2000 + year } else { 1900 + year })?,
        GENERALIZED_TIME => pair()? * 100 + pair()?,
        _ => return None,
    };
    let (month, day) = (pair()?, pair()?);
    let (hour, minute, second) = (pair()?, pair()?, pair()?);
    if pairs.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = days_since_1970(year, month, day)?;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// In the Gregorian calendar, with years that begin in March, so that leap days come last.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month) =
        if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = year * 365 + leap_days + (month * 153 + 2) / 5 + day;
    // 719,469 is 1 January 1970, counted so.
    days.checked_sub(719_469)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(time: SystemTime) -> u64 {
        time.duration_since(SystemTime::UNIX_EPOCH).expect("it is later").as_secs()
    }

    #[test]
    fn times_are_those_that_date_1_prints() {
        for (tag, text, expected) in [
            (UTC_TIME, "700101000000Z", 0),
            (UTC_TIME, "240229235959Z", 1_709_251_199),
            (UTC_TIME, "491231235959Z", 2_524_607_999),
            (GENERALIZED_TIME, "20500101000000Z", 2_524_608_000),
            (GENERALIZED_TIME, "40960101000000Z", 67_090_118_400),
            (GENERALIZED_TIME, "99991231235959Z", 253_402_300_799),
        ] {
            let time = parse_time(tag, text.as_bytes());
            assert_eq!(time.map(seconds), Some(expected), "{text}");
        }
        for wrong in ["", "Z", "700101000000", "7001010000Z", "70010100000000Z", "701301000000Z"] {
            assert_eq!(parse_time(UTC_TIME, wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn a_certificate_tells_when_it_expires() {
        let key = rcgen::KeyPair::generate().expect("there is randomness");
        let mut params = rcgen::CertificateParams::new(["a.example".to_owned()]).expect("a name");
        params.not_after = rcgen::date_time_ymd(2031, 7, 9);
        let certificate = params.self_signed(&key).expect("it signs");
        assert_eq!(of(certificate.der()).map(seconds), Some(1_941_321_600));
    }

    proptest! {
        #[test]
        fn whatever_it_is_given_it_does_not_panic(bytes: Vec<u8>, cut in 0usize..300, flip in 0usize..300, to: u8) {
            of(&bytes);
            let mut certificate = GIVEN.to_vec();
            if let Some(byte) = certificate.get_mut(flip) {
                *byte = to;
            }
            certificate.truncate(cut);
            of(&certificate);
        }
    }

    /// The beginning of one, as far as it is looked at.
    const GIVEN: &[u8] = b"\x30\x2e\x30\x2c\xa0\x03\x02\x01\x02\x02\x01\x01\x30\x00\x30\x00\x30\x1e\x17\x0d700101000000Z\x17\x0d240229235959Z";

    #[test]
    fn the_given_one_is_read() {
        assert_eq!(of(GIVEN).map(seconds), Some(1_709_251_199));
    }
}
