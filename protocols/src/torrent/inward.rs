//! Where a torrent, or somebody else, may send us.
//!
//! A torrent is written by a stranger, and names trackers and web servers. Who opens it is inside of a network, and a server
//! there may do what it is asked by whoever is inside (SSRF).

use std::net::IpAddr;

use reactor::Reach;

use crate::http::client::Url;

/// Whether a redirect leads from elsewhere to what only this machine, or its network, can reach: by an address, or by the
/// names of this machine (RFC 6761, 6.3). Where other names lead is seen when they are looked up ([`Reach`]).
pub(super) fn is_inward(from: &Url, next: &Url) -> bool {
    is_inside(next.host()) && next.host() != from.host()
}

/// Whether a URL of a torrent may be asked. One that says itself that it leads inside has to be called as a tracker, or a
/// file, is there (`is_usual`), so that nothing else is asked for anything; and on a link's own addresses neither is: that is
/// where the machines of data centres have their secrets. A name is looked up then, and may not lead inside at all.
pub(super) fn may_be_asked(host: &str, reach: Reach, is_usual: bool) -> bool {
    let is_of_a_link = match host.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V4(ip)) => ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.is_unicast_link_local(),
        Err(_) => false,
    };
    reach == Reach::Anywhere || !is_inside(host) || (is_usual && !is_of_a_link)
}

fn is_inside(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    match host.parse::<IpAddr>() {
        Ok(ip) => !Reach::Outside.allows(ip),
        Err(_) => {
            let last = host.rsplit('.').next().unwrap_or(host);
            // `127.1` and `0x7f000001` are addresses for many a system, and no name ends like that.
            last == "localhost" || last.starts_with(|it: char| it.is_ascii_digit())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inside_is_told_by_its_address_and_by_the_names_of_this_machine() {
        let inside = [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "192.168.7.7",
            "169.254.169.254",
            "0.0.0.0",
            "[::]",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:10.0.0.1]",
            "[fd00::1]",
            "[fe80::1]",
            "127.1",
            "2130706433",
            "0x7f000001",
            "localhost",
            "LocalHost",
            "localhost.",
            "tracker.localhost",
            "tracker.localhost.",
        ];
        let outside =
            ["192.0.2.1", "[2001:db8::1]", "[::ffff:192.0.2.1]", "example.org", "localhost.org"];
        let leads = |host: &str| {
            let url = |host: &str| format!("http://{host}/").parse::<Url>().expect("it is a URL");
            is_inward(&url("tracker.example"), &url(host))
        };
        inside.iter().for_each(|host| assert!(leads(host), "{host}"));
        outside.iter().for_each(|host| assert!(!leads(host), "{host}"));
        let here: Url = "http://127.0.0.1/".parse().expect("it is a URL");
        assert!(!is_inward(&here, &here), "it does not come from elsewhere");
    }

    #[test]
    fn what_a_torrent_names_inside_is_asked_as_a_tracker_and_for_nothing_else() {
        use Reach::{Anywhere, Outside};
        for (host, reach, is_usual, may) in [
            ("tracker.example", Outside, false, true),
            ("192.0.2.1", Outside, false, true),
            ("192.168.1.1", Outside, true, true),
            ("192.168.1.1", Outside, false, false),
            ("localhost", Outside, true, true),
            ("127.1", Outside, false, false),
            ("169.254.169.254", Outside, true, false),
            ("::ffff:169.254.169.254", Outside, true, false),
            ("fe80::1", Outside, true, false),
            ("169.254.169.254", Anywhere, false, true),
        ] {
            assert_eq!(may_be_asked(host, reach, is_usual), may, "{host}");
        }
    }
}
