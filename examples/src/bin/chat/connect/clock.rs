//! The time of day, as somebody's watch has it.

use std::time::SystemTime;

use chrono::{DateTime, Local};

/// When something happened: when the server says it did, or now; with the day, if it was another.
pub(super) fn shown(server: Option<&str>, now: SystemTime) -> String {
    let told = server.and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    let now = DateTime::<Local>::from(now);
    let local = told.map_or(now, |told| told.with_timezone(&Local));
    let is_today = local.date_naive() == now.date_naive();
    local.format(if is_today { "%H:%M" } else { "%d %b %H:%M" }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_time_counts_and_nonsense_does_not() {
        let now = SystemTime::UNIX_EPOCH;
        let own = shown(None, now);
        assert_eq!(shown(Some("soon"), now), own);
        assert_eq!(shown(Some("1970-01-01T00:00:00.000Z"), now), own);
        assert_ne!(shown(Some("1970-01-01T00:01:00.000Z"), now), own);
        assert!(shown(Some("1971-03-05T12:00:00.000Z"), now).contains("Mar"), "another day");
    }
}
