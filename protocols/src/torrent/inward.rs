//! Where somebody else may send us on to.

use std::net::IpAddr;

use crate::http::client::Url;

/// Whether a redirect leads from elsewhere to what only this machine, or its network, can reach: by an address, or by the
/// names of this machine (RFC 6761, 6.3). Other names are not looked up here, so one whose addresses are inside leads there
/// all the same.
pub(super) fn is_inward(from: &Url, next: &Url) -> bool {
    is_inside(next.host()) && next.host() != from.host()
}

fn is_inside(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    match host.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(ip) if ip.is_loopback() || ip.is_unspecified() => true,
        Ok(IpAddr::V4(ip)) => ip.is_private() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.is_unique_local() || ip.is_unicast_link_local(),
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
}
