//! Parts of a file (RFC 9110, 14).

use std::ops::Range;

use super::Fields;
use super::framing::number;

/// One range, as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// From a byte up to and including another, or the end.
    From(u64, Option<u64>),
    /// The last bytes.
    Last(u64),
}

/// What a file is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeAnswer {
    /// The whole, with 200: no range was asked for, or none that is heeded.
    Whole,
    /// One part, with 206.
    One(Range<u64>),
    /// Several, with 206 and `multipart/byteranges`, in the order they were asked for.
    Several(Vec<Range<u64>>),
    /// 416: none of it is there.
    Unsatisfiable,
}

/// The most ranges that are answered with parts: players and readers of documents ask for a few, and each is
/// a seek.
const MOST: usize = 16;

/// The ranges a request asks for; `None` if it asks for none, or in a way that is not understood, which is
/// ignored (RFC 9110, 14.2).
#[must_use]
pub fn ranges(fields: Fields<'_>) -> Option<Vec<Asked>> {
    let value = fields.get_only("range")?;
    let (unit, set) = value.split_at(value.iter().position(|&byte| byte == b'=')?);
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let set: Option<Vec<_>> = set[1..]
        .split(|&byte| byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|range| !range.is_empty())
        .map(asked)
        .collect();
    set.filter(|set| !set.is_empty())
}

fn asked(range: &[u8]) -> Option<Asked> {
    let dash = range.iter().position(|&byte| byte == b'-')?;
    let (first, last) = (&range[..dash], &range[dash + 1..]);
    match (first.is_empty(), last.is_empty()) {
        (true, _) => Some(Asked::Last(number(last)?)),
        (false, true) => Some(Asked::From(number(first)?, None)),
        (false, false) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Asked::From(first, Some(last)))
        }
    }
}

/// What a file of that size is answered with. Ranges that overlap, or that are many, are a way to have a
/// server send a file many times (RFC 9110, 17.15): then it is sent once.
#[must_use]
pub fn resolve(asked: &[Asked], size: u64) -> RangeAnswer {
    let mut there: Vec<_> = asked.iter().filter_map(|range| range.within(size)).collect();
    if there.is_empty() {
        return RangeAnswer::Unsatisfiable;
    }
    if let [one] = &there[..] {
        return RangeAnswer::One(one.clone());
    }
    if there.len() > MOST || overlap(&there) {
        return RangeAnswer::Whole;
    }
    there.shrink_to_fit();
    RangeAnswer::Several(there)
}

impl Asked {
    /// What of it is there.
    fn within(self, size: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::From(first, last) => {
                first..last.map_or(size, |last| last.saturating_add(1).min(size))
            }
            Self::Last(count) => size.saturating_sub(count)..size,
        };
        (range.start < range.end).then_some(range)
    }
}

fn overlap(ranges: &[Range<u64>]) -> bool {
    let mut sorted: Vec<_> = ranges.iter().collect();
    sorted.sort_unstable_by_key(|range| range.start);
    sorted.windows(2).any(|pair| pair[0].end > pair[1].start)
}

/// The value of Content-Range: of a part, or of none.
#[must_use]
pub fn content_range(part: Option<&Range<u64>>, size: u64) -> String {
    match part {
        Some(part) => format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1)),
        None => format!("bytes */{size}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Field;
    use super::*;

    fn answer(value: &str, size: u64) -> RangeAnswer {
        let all = [Field::new("Range", value.as_bytes())];
        ranges(Fields::new(&all)).map_or(RangeAnswer::Whole, |asked| resolve(&asked, size))
    }

    #[test]
    fn parts_are_what_is_there_of_what_was_asked_for() {
        for (value, expected) in [
            ("bytes=0-0", RangeAnswer::One(0..1)),
            ("bytes=2-", RangeAnswer::One(2..10)),
            ("Bytes=-3", RangeAnswer::One(7..10)),
            ("bytes=-30", RangeAnswer::One(0..10)),
            ("bytes=8-100", RangeAnswer::One(8..10)),
            ("bytes=5-18446744073709551615", RangeAnswer::One(5..10)),
            ("bytes=10-", RangeAnswer::Unsatisfiable),
            ("bytes=-0", RangeAnswer::Unsatisfiable),
            ("bytes=0-1, 4-5", RangeAnswer::Several(vec![0..2, 4..6])),
            ("bytes=4-5,0-1", RangeAnswer::Several(vec![4..6, 0..2])),
            ("bytes=0-1,20-", RangeAnswer::One(0..2)),
            ("bytes=0-5,3-8", RangeAnswer::Whole),
            ("bytes=5-2", RangeAnswer::Whole),
            ("bytes=a-b", RangeAnswer::Whole),
            ("bytes=0-99999999999999999999", RangeAnswer::Whole),
            ("bytes=", RangeAnswer::Whole),
            ("bytes 0-1", RangeAnswer::Whole),
            ("lines=0-1", RangeAnswer::Whole),
        ] {
            assert_eq!(answer(value, 10), expected, "{value}");
        }
        let many = (0..40).map(|at| format!("{0}-{0}", at * 2)).collect::<Vec<_>>().join(",");
        assert_eq!(answer(&format!("bytes={many}"), 100), RangeAnswer::Whole);
        assert_eq!(answer("bytes=0-", 0), RangeAnswer::Unsatisfiable);
        assert_eq!(content_range(Some(&(2..5)), 10), "bytes 2-4/10");
        assert_eq!(content_range(None, 10), "bytes */10");
    }

    proptest! {
        #[test]
        fn no_part_reaches_beyond_the_end(value in "bytes=[0-9,-]{0,24}", size in 0..40_u64) {
            match answer(&value, size) {
                RangeAnswer::One(part) => prop_assert!(part.start < part.end && part.end <= size),
                RangeAnswer::Several(parts) => {
                    prop_assert!(parts.iter().all(|part| part.start < part.end && part.end <= size));
                    prop_assert!(parts.iter().map(|part| part.end - part.start).sum::<u64>() <= size);
                }
                RangeAnswer::Whole | RangeAnswer::Unsatisfiable => {}
            }
        }
    }
}
