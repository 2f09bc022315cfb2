//! Which fields of a head go on, and what is added (RFC 9110, 7.6).

use reactor::Address;

use super::{NotPassed, ProxyOptions};
use crate::http::wire::{Fields, write_field};

/// What backends are told of the client: `Forwarded` (RFC 7239), and the older X-Forwarded-For, -Host and -Proto.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarded {
    /// Who the client is, as this proxy sees it. What the client says of itself is not believed.
    Replace,
    /// The same behind what the client says: for a proxy behind another one, of which all clients come.
    Append,
    /// Nothing, whatever the client says.
    Nothing,
}

/// Fields that belong to a connection, whether it says so or not (RFC 9110, 7.6.1), or to what is framed anew.
const OF_CONNECTION: [&str; 13] = [
    "connection",
    "content-length",
    "expect",
    "http2-settings",
    "keep-alive",
    // No field at all, but behind CGI it is HTTP_PROXY, which programs there heed (CVE-2016-5385).
    "proxy",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "host",
];

/// Fields that say who the client is.
const OF_CLIENT: [&str; 4] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

/// Names that Connection may have; nobody has a tenth of it.
const MOST_OPTIONS: usize = 32;

/// The fields that go on.
pub(super) struct Passing<'a> {
    fields: Fields<'a>,
    /// What Connection names besides.
    options: Vec<&'a [u8]>,
}

impl<'a> Passing<'a> {
    pub(super) fn new(fields: Fields<'a>) -> Result<Self, NotPassed> {
        let options: Vec<_> = fields.list("connection").take(MOST_OPTIONS + 1).collect();
        if options.len() > MOST_OPTIONS {
            return Err(NotPassed::Options);
        }
        Ok(Self { fields, options })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.fields.iter().filter(|(name, _)| !self.is_of_connection(name))
    }

    fn is_of_connection(&self, name: &str) -> bool {
        OF_CONNECTION.iter().any(|known| is_named(name, known))
            || self.options.iter().any(|option| option.eq_ignore_ascii_case(name.as_bytes()))
    }
}

/// Whether a name is that, or becomes it where `_` and `-` are the same: in the variables of CGI and its like, a
/// client could say by the one what it may not by the other.
fn is_named(name: &str, known: &str) -> bool {
    let same = |one: u8, other: u8| one == other || (one == b'_' && other == b'-');
    name.len() == known.len()
        && name.bytes().zip(known.bytes()).all(|(one, other)| same(one.to_ascii_lowercase(), other))
}

/// Who asks, and as what.
pub(super) struct Client<'a> {
    pub(super) peer: Address,
    pub(super) host: Option<&'a [u8]>,
    /// It speaks HTTP/1.0.
    pub(super) is_old: bool,
    /// How often the request may be passed on yet, where that counts (RFC 9110, 7.6.2).
    pub(super) steps: Option<u64>,
}

/// The fields of a request, as a backend gets them.
pub(super) fn for_backend(
    passing: &Passing<'_>,
    client: &Client<'_>,
    options: &ProxyOptions,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let is_of_client = |name: &str| OF_CLIENT.iter().any(|known| is_named(name, known));
    let kept = |name: &str| options.forwarded == Forwarded::Append && !name.contains('_');
    for (name, value) in passing.iter() {
        let is_counted = client.steps.is_some() && name.eq_ignore_ascii_case("max-forwards");
        if !is_counted && (!is_of_client(name) || kept(name)) {
            write_field(&mut out, name, value);
        }
    }
    if let Some(steps) = client.steps {
        write_field(&mut out, "Max-Forwards", steps.saturating_sub(1).to_string().as_bytes());
    }
    let version = if client.is_old { "1.0" } else { "1.1" };
    write_field(&mut out, "Via", format!("{version} {}", options.name).as_bytes());
    if options.forwarded != Forwarded::Nothing {
        tell(&mut out, client, options);
    }
    out
}

/// Who the client is. Lists may be spread over several fields (RFC 9110, 5.3): ours is the last.
fn tell(out: &mut Vec<u8>, client: &Client<'_>, options: &ProxyOptions) {
    let proto = if options.is_secure { "https" } else { "http" };
    // An IPv4 client of a socket for both families.
    let ip = client.peer.ip().map(|ip| ip.to_canonical());
    let node = match ip {
        Some(ip) if ip.is_ipv6() => format!("\"[{ip}]\""),
        Some(ip) => ip.to_string(),
        None => "unknown".to_owned(),
    };
    let mut element = format!("for={node};proto={proto}").into_bytes();
    if let Some(host) = client.host {
        // It has no quotes in it, or it would be no host.
        element.extend_from_slice(b";host=\"");
        element.extend_from_slice(host);
        element.push(b'"');
    }
    write_field(out, "Forwarded", &element);
    if let Some(ip) = ip {
        write_field(out, "X-Forwarded-For", ip.to_string().as_bytes());
    }
    if let Some(host) = client.host {
        write_field(out, "X-Forwarded-Host", host);
    }
    write_field(out, "X-Forwarded-Proto", proto.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::wire::Field;

    fn passed(fields: &[(&str, &str)], options: &ProxyOptions) -> String {
        let all: Vec<_> =
            fields.iter().map(|(name, value)| Field::new(name, value.as_bytes())).collect();
        let passing = Passing::new(Fields::new(&all)).expect("they are few");
        let peer = "[2001:db8::7]:5".parse().expect("an address");
        let client = Client { peer, host: Some(b"h:81"), is_old: false, steps: None };
        let out = for_backend(&passing, &client, options);
        String::from_utf8(out).expect("it is text")
    }

    const TOLD: &str = "Via: 1.1 web-proxy\r\n\
        Forwarded: for=\"[2001:db8::7]\";proto=http;host=\"h:81\"\r\n\
        X-Forwarded-For: 2001:db8::7\r\nX-Forwarded-Host: h:81\r\nX-Forwarded-Proto: http\r\n";

    #[test]
    fn what_belongs_to_the_connection_stays_there() {
        let said = [
            ("Host", "h"),
            ("Connection", "close, X-Mine"),
            ("X-Mine", "1"),
            ("X-Other", "2"),
            ("Keep-Alive", "timeout=5"),
            ("TE", "trailers"),
            ("Transfer-Encoding", "chunked"),
            ("Content_Length", "5"),
            ("Upgrade", "h2c"),
            ("Proxy-Authorization", "Basic x"),
            ("Expect", "100-continue"),
            ("Proxy", "http://evil"),
            ("Cookie", "a=b"),
        ];
        let expected = format!("X-Other: 2\r\nCookie: a=b\r\n{TOLD}");
        assert_eq!(passed(&said, &ProxyOptions::default()), expected);
        let many = vec!["a"; 40].join(",");
        let header = [Field::new("connection", many.as_bytes())];
        assert!(matches!(Passing::new(Fields::new(&header)), Err(NotPassed::Options)));
    }

    #[test]
    fn nobody_says_himself_who_he_is_unless_he_is_believed() {
        let said = [
            ("X-Forwarded-For", "10.0.0.1"),
            ("X_Forwarded_For", "10.0.0.2"),
            ("Forwarded", "for=10.0.0.1"),
            ("Connection", "X-Forwarded-Proto"),
            ("X-Forwarded-Proto", "https"),
        ];
        let with = |forwarded| ProxyOptions { forwarded, ..ProxyOptions::default() };
        assert_eq!(passed(&said, &with(Forwarded::Replace)), TOLD);
        let before = "X-Forwarded-For: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\n";
        assert_eq!(passed(&said, &with(Forwarded::Append)), format!("{before}{TOLD}"));
        assert_eq!(passed(&said, &with(Forwarded::Nothing)), "Via: 1.1 web-proxy\r\n");
    }
}
