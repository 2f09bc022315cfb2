//! Files and directories by the URLs a person gives them (RFC 1738, 3.2; RFC 3617).

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use protocols::transfer::tftp::Mode;
use thiserror::Error;

/// Where a file or a directory is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) scheme: Scheme,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The path, decoded: from the home of the user on, if it does not begin with a slash.
    pub(crate) path: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Ftp,
    /// With TLS from the beginning.
    Ftps,
    Tftp(Mode),
}

/// Why a text is no URL that is known here.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum NoUrl {
    #[error("expected ftp://HOST/PATH, ftps://HOST/PATH or tftp://HOST/NAME")]
    Scheme,
    #[error("there is no host in it")]
    Host,
    #[error("the port is no number up to 65535")]
    Port,
    #[error("TFTP has no users")]
    User,
    #[error("a user's name and password are text in UTF-8")]
    Login,
    #[error("there is a NUL or a line end in it, which neither protocol can say")]
    Unsayable,
    #[error("behind the ; only type=i and mode=octet or mode=netascii are known")]
    Parameter,
}

impl FromStr for Url {
    type Err = NoUrl;

    fn from_str(text: &str) -> Result<Self, NoUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(NoUrl::Scheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "ftp" => Scheme::Ftp,
            "ftps" => Scheme::Ftps,
            "tftp" => Scheme::Tftp(Mode::Octet),
            _ => return Err(NoUrl::Scheme),
        };
        let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, place) = match place.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, place),
        };
        if login.is_some() && !scheme.is_ftp() {
            return Err(NoUrl::User);
        }
        let (user, password) = login.map_or(Ok((None, None)), parse_login)?;
        let (host, port) = parse_place(place)?;
        let (path, mode) = parse_path(path, scheme.is_ftp())?;
        let (scheme, usual) = match scheme {
            Scheme::Ftp => (scheme, 21),
            Scheme::Ftps => (scheme, 990),
            Scheme::Tftp(_) => (Scheme::Tftp(mode), 69),
        };
        let port = port.unwrap_or(usual);
        Ok(Self { scheme, user, password, host, port, path })
    }
}

impl Scheme {
    /// Whether it is one of a protocol that has users, directories and lists.
    pub(crate) fn is_ftp(self) -> bool {
        matches!(self, Self::Ftp | Self::Ftps)
    }
}

fn parse_login(login: &str) -> Result<(Option<String>, Option<String>), NoUrl> {
    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (login, None),
    };
    let text = |part: &str| {
        let text = percent_decode_str(part).decode_utf8().map_err(|_| NoUrl::Login)?;
        if text.contains(['\n', '\0']) { Err(NoUrl::Unsayable) } else { Ok(text.into_owned()) }
    };
    Ok((Some(text(user)?), password.map(text).transpose()?))
}

fn parse_place(place: &str) -> Result<(String, Option<u16>), NoUrl> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or(NoUrl::Host)?;
            (host, if rest.is_empty() { None } else { rest.strip_prefix(':').or(Some("?")) })
        }
        None => match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    if host.is_empty() {
        return Err(NoUrl::Host);
    }
    let port = port.map(|port| port.parse().map_err(|_| NoUrl::Port)).transpose()?;
    Ok((host.to_owned(), port))
}

fn parse_path(path: &str, is_ftp: bool) -> Result<(Vec<u8>, Mode), NoUrl> {
    let (path, parameter) = match path.rsplit_once(';') {
        Some((path, parameter)) if parameter.contains('=') => (path, parameter),
        _ => (path, ""),
    };
    let mode = match parameter.to_ascii_lowercase().as_str() {
        "" => Mode::Octet,
        "type=i" if is_ftp => Mode::Octet,
        "mode=octet" if !is_ftp => Mode::Octet,
        "mode=netascii" if !is_ftp => Mode::Netascii,
        _ => return Err(NoUrl::Parameter),
    };
    let path: Vec<u8> = percent_decode_str(path).collect();
    if path.iter().any(|byte| matches!(byte, b'\n' | 0)) && is_ftp || path.contains(&0) {
        return Err(NoUrl::Unsayable);
    }
    Ok((path, mode))
}

impl Url {
    /// Whether it says that it is a directory.
    pub(crate) fn is_directory(&self) -> bool {
        self.path.is_empty() || self.path.ends_with(b"/")
    }

    /// The last name in it, if it has one.
    pub(crate) fn name(&self) -> Option<&[u8]> {
        let path = self.path.strip_suffix(b"/").unwrap_or(&self.path);
        let name = path.rsplit(|&byte| byte == b'/').next()?;
        Some(name).filter(|name| !matches!(*name, b"" | b"." | b".."))
    }

    /// `HOST:PORT`, as it is looked up.
    pub(crate) fn host_and_port(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

/// Without the password: it is shown to people, and to whoever looks over their shoulder.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Ftp => "ftp",
            Scheme::Ftps => "ftps",
            Scheme::Tftp(_) => "tftp",
        };
        write!(f, "{scheme}://")?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        write!(f, "{}/{}", self.host_and_port(), shown(&self.path))
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Bytes that somebody else has chosen, as a terminal may be given them.
pub(crate) fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|it| if it.is_control() { '?' } else { it })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn everything_that_can_be_said() {
        let full = url("ftp://ann:a%3Ab@host:2121/a%20b/c%2Fd;type=i");
        assert_eq!((full.user.as_deref(), full.password.as_deref()), (Some("ann"), Some("a:b")));
        assert_eq!((&*full.host, full.port), ("host", 2121));
        assert_eq!(full.path, b"a b/c/d");
        assert_eq!(full.name(), Some(&b"d"[..]));
        assert_eq!(full.to_string(), "ftp://ann@host:2121/a b/c/d");
        let root = url("FTP://[::1]/%2Fetc/");
        assert_eq!((root.port, &*root.path, root.is_directory()), (21, &b"/etc/"[..], true));
        assert_eq!((root.host_and_port(), root.name()), ("[::1]:21".to_owned(), Some(&b"etc"[..])));
        let secure = url("ftps://ann@host/x");
        assert_eq!((secure.scheme, secure.port), (Scheme::Ftps, 990));
        assert_eq!(secure.to_string(), "ftps://ann@host:990/x");
        let text = url("tftp://host/motd;mode=netascii");
        assert_eq!((text.scheme, text.port), (Scheme::Tftp(Mode::Netascii), 69));
        assert_eq!(url("ftp://user@name@host").user.as_deref(), Some("user@name"));
        assert_eq!(url("ftp://host/a;b").path, b"a;b");
        assert!(url("ftp://host").is_directory());
        assert_eq!(url("ftp://host/..").name(), None);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, error) in [
            ("host/file", NoUrl::Scheme),
            ("http://host/", NoUrl::Scheme),
            ("ftp:///file", NoUrl::Host),
            ("ftp://[::1/", NoUrl::Host),
            ("ftp://host:ftp/", NoUrl::Port),
            ("ftp://[::1]x/", NoUrl::Port),
            ("tftp://ann@host/file", NoUrl::User),
            ("ftp://%ff@host/", NoUrl::Login),
            ("ftp://host/a%0ADELE%20b", NoUrl::Unsayable),
            ("tftp://host/a%00b", NoUrl::Unsayable),
            ("ftp://host/file;type=a", NoUrl::Parameter),
        ] {
            assert_eq!(text.parse::<Url>(), Err(error), "{text}");
        }
    }
}
