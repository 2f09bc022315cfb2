//! Addresses as commands and replies have them.
//!
//! ```text
//!   PORT 192,0,2,1,4,1             four numbers for the host, two for the port: 192.0.2.1:1025
//!   227 Entering Passive Mode (192,0,2,1,4,1).
//!   EPRT |2|2001:db8::1|1025|      family, host, port (RFC 2428)
//!   229 Entering Extended Passive Mode (|||1025|)
//! ```

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use super::command::{CommandError, number};

/// A family of addresses, by its number (RFC 2428, 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// 1.
    V4,
    /// 2.
    V6,
}

impl Family {
    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::V4 => 1,
            Self::V6 => 2,
        }
    }

    pub(super) fn from_number(number: u64) -> Result<Self, CommandError> {
        match number {
            1 => Ok(Self::V4),
            2 => Ok(Self::V6),
            _ => Err(CommandError::Protocol),
        }
    }

    /// The family of an address. An IPv4 address in an IPv6 coat is one of IPv4.
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        if ip.to_canonical().is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// Six numbers with commas between them: the argument of PORT, and what is in a 227.
#[must_use]
pub fn to_port(address: SocketAddrV4) -> String {
    let [a, b, c, d] = address.ip().octets();
    let [high, low] = address.port().to_be_bytes();
    format!("{a},{b},{c},{d},{high},{low}")
}

/// The argument of PORT: six numbers, each of at most 255, and nothing else.
#[must_use]
pub fn parse_port(text: &[u8]) -> Option<SocketAddrV4> {
    let mut numbers = [0; 6];
    let mut parts = text.trim_ascii().split(|&byte| byte == b',');
    for slot in &mut numbers {
        *slot = u8::try_from(number(parts.next()?)?).ok()?;
    }
    parts.next().is_none().then(|| from_numbers(numbers))
}

fn from_numbers([a, b, c, d, high, low]: [u8; 6]) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low]))
}

/// The address in the text of a 227, wherever in it the six numbers are, with parentheses or without
/// (RFC 1123, 4.1.2.6).
///
/// A client does well to use the port alone, and the host it is talking to: what stands there for the
/// host may be anybody.
#[must_use]
pub fn parse_227(text: &[u8]) -> Option<SocketAddrV4> {
    let starts = (0..text.len())
        .filter(|&at| text[at].is_ascii_digit() && (at == 0 || !text[at - 1].is_ascii_digit()));
    starts.map(|at| &text[at..]).find_map(|rest| {
        let end = rest.iter().position(|&byte| byte != b',' && !byte.is_ascii_digit());
        let end = end.unwrap_or(rest.len());
        parse_port(rest[..end].strip_suffix(b",").unwrap_or(&rest[..end]))
    })
}

/// The argument of EPRT.
#[must_use]
pub fn to_eprt(address: SocketAddr) -> String {
    let ip = address.ip().to_canonical();
    format!("|{}|{ip}|{}|", Family::of(ip).number(), address.port())
}

/// The argument of EPRT: the first character is the delimiter, whatever it is.
pub(super) fn parse_eprt(text: &[u8]) -> Result<SocketAddr, CommandError> {
    let (family, ip, port) = fields(text.trim_ascii()).ok_or(CommandError::Syntax)?;
    let family = Family::from_number(number(family).ok_or(CommandError::Syntax)?)?;
    let ip: IpAddr = text_of(ip).and_then(|ip| ip.parse().ok()).ok_or(CommandError::Syntax)?;
    let same = matches!((family, ip), (Family::V4, IpAddr::V4(_)) | (Family::V6, IpAddr::V6(_)));
    match parse_port_number(port) {
        Some(port) if same => Ok(SocketAddr::new(ip, port)),
        _ => Err(CommandError::Syntax),
    }
}

/// The port in the text of a 229: between three delimiters and a fourth, in parentheses.
#[must_use]
pub fn parse_229(text: &[u8]) -> Option<u16> {
    let open = text.iter().rposition(|&byte| byte == b'(')?;
    let inner = &text[open + 1..];
    let close = inner.iter().position(|&byte| byte == b')')?;
    let (_, _, port) = fields(&inner[..close])?;
    parse_port_number(port)
}

/// `|a|b|c|`, with any printable delimiter that is no digit.
fn fields(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (&delimiter, rest) = text.split_first()?;
    if !delimiter.is_ascii_graphic() || delimiter.is_ascii_digit() {
        return None;
    }
    let mut parts = rest.split(|&byte| byte == delimiter);
    let fields = (parts.next()?, parts.next()?, parts.next()?);
    (parts.next() == Some(b"") && parts.next().is_none()).then_some(fields)
}

fn parse_port_number(text: &[u8]) -> Option<u16> {
    number(text).and_then(|port| u16::try_from(port).ok()).filter(|&port| port != 0)
}

fn text_of(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_six_numbers_of_port() {
        let address: SocketAddrV4 = "192.0.2.1:1025".parse().expect("an address");
        assert_eq!(to_port(address), "192,0,2,1,4,1");
        assert_eq!(parse_port(b"192,0,2,1,4,1"), Some(address));
        for text in [
            "",
            "1,2,3,4,5",
            "1,2,3,4,5,6,7",
            "1,2,3,4,5,256",
            "1,2,3,4,5,",
            "a,2,3,4,5,6",
            "1.2.3.4,5,6",
        ] {
            assert_eq!(parse_port(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_227_is_found_wherever_it_stands() {
        let address: SocketAddrV4 = "10.0.0.1:256".parse().expect("an address");
        for text in [
            "Entering Passive Mode (10,0,0,1,1,0).",
            "Entering Passive Mode 10,0,0,1,1,0",
            "=10,0,0,1,1,0",
            "2 ways: 10,0,0,1,1,0, that is",
        ] {
            assert_eq!(parse_227(text.as_bytes()), Some(address), "{text}");
        }
        for text in ["", "no numbers", "1,2,3", "300,0,0,1,1,0"] {
            assert_eq!(parse_227(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn eprt_has_a_family_a_host_and_a_port() {
        for text in ["|1|132.235.1.2|6275|", "|2|1080::8:800:200C:417A|5282|", "!1!127.0.0.1!1!"] {
            let address = parse_eprt(text.as_bytes()).expect(text);
            assert_eq!(parse_eprt(to_eprt(address).as_bytes()), Ok(address));
        }
        assert_eq!(parse_eprt(b"|3|127.0.0.1|80|"), Err(CommandError::Protocol));
        for text in [
            "",
            "|",
            "||||",
            "|1|::1|80|",
            "|2|127.0.0.1|80|",
            "|1|127.0.0.1|0|",
            "|1|127.0.0.1|80",
        ] {
            assert_eq!(parse_eprt(text.as_bytes()), Err(CommandError::Syntax), "{text}");
        }
    }

    #[test]
    fn a_229_has_a_port() {
        assert_eq!(parse_229(b"Entering Extended Passive Mode (|||6446|)"), Some(6446));
        assert_eq!(parse_229(b"Entering (extended) Passive Mode (!!!1!)"), Some(1));
        for text in ["", "(|||)", "(|||0|)", "(|||65536|)", "|||1|", "(||1|)", "(|||1|"] {
            assert_eq!(parse_229(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_understood_or_refused(text in "[(|,0-9 :)]{0,40}") {
            let bytes = text.as_bytes();
            let _ = (parse_port(bytes), parse_227(bytes), parse_eprt(bytes), parse_229(bytes));
        }
    }
}
