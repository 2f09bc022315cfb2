//! `http://host:port/path?query`, and the same with `https`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Where something is: an absolute `http` or `https` URL, without a user and without a fragment (RFC 9110, 4.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Url {
    scheme: Scheme,
    host: String,
    port: u16,
    target: String,
}

/// How a URL's server is talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS: the connection has to be made with [`ConnectOptions::tls`](reactor::ConnectOptions).
    Https,
}

/// The text is no URL that can be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NoUrl {
    /// Another scheme, or none.
    #[error("expected http://HOST[:PORT]/PATH, or https")]
    Scheme,
    /// A user's name, or a password: both would end up in logs (RFC 9110, 4.2.4).
    #[error("a user and a password are no part of a URL here: send them in an Authorization field")]
    User,
    /// No host, or one that is none.
    #[error("there is no host in it")]
    Host,
    /// The port is no number from 1 to 65,535.
    #[error("that is no port")]
    Port,
}

impl fmt::Debug for NoUrl {
    /// As [`Display`](fmt::Display): a sentence, since a `main` that ends with it prints this.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Url {
    /// The host, without the brackets of an IPv6 address.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// How its server is talked to.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The port; 80 if it names none, and 443 with https.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// As Host has it: without the port if it is the scheme's.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == self.scheme.port() { self.host.clone() } else { self.host_and_port() }
    }

    /// Host and port, for who looks up addresses.
    #[must_use]
    pub fn host_and_port(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Path and query, as they are asked for.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Where a reference leads from here: an absolute one, `//host/…`, `/…`, `?…`, or a relative one (RFC
    /// 3986, 5.2). A fragment is left out.
    ///
    /// # Errors
    ///
    /// [`NoUrl`], if it leads to another scheme, or nowhere.
    pub fn join(&self, reference: &str) -> Result<Self, NoUrl> {
        let reference = reference.split('#').next().unwrap_or_default();
        let scheme = reference.split([':', '/', '?']).next().unwrap_or_default();
        if reference.get(scheme.len()..).is_some_and(|rest| rest.starts_with(':')) {
            return reference.parse();
        }
        if reference.starts_with("//") {
            return format!("{}:{reference}", self.scheme).parse();
        }
        let (path, query) = match reference.split_once('?') {
            Some((path, query)) => (path, format!("?{query}")),
            None => (reference, String::new()),
        };
        let target = match path {
            "" if query.is_empty() => self.target.clone(),
            "" => format!("{}{query}", self.path()),
            _ if path.starts_with('/') => without_dots(path) + &query,
            _ => {
                let here = self.path().rfind('/').map_or("/", |at| &self.path()[..=at]);
                without_dots(&format!("{here}{path}")) + &query
            }
        };
        Ok(Self { target: clean(&target), ..self.clone() })
    }
}

impl FromStr for Url {
    type Err = NoUrl;

    fn from_str(text: &str) -> Result<Self, NoUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(NoUrl::Scheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(NoUrl::Scheme),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(NoUrl::User);
        }
        let (host, port) = match authority.rfind(':') {
            Some(at) if !authority.ends_with(']') => {
                let port = authority[at + 1..].parse().ok().filter(|port| *port > 0);
                (&authority[..at], port.ok_or(NoUrl::Port)?)
            }
            _ => (authority, scheme.port()),
        };
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~[]:".contains(&byte);
        if host.is_empty() || !host.bytes().all(fits) {
            return Err(NoUrl::Host);
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self {
            scheme,
            host: host.to_ascii_lowercase(),
            port,
            target: clean(&format!("{slash}{target}")),
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority(), self.target)
    }
}

impl Scheme {
    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// Encodes what would break a request line: people paste spaces, and servers send them in Location.
fn clean(target: &str) -> String {
    let mut cleaned = String::with_capacity(target.len());
    for byte in target.bytes() {
        if byte.is_ascii_graphic() {
            cleaned.push(char::from(byte));
        } else {
            cleaned.push_str(&format!("%{byte:02X}"));
        }
    }
    cleaned
}

/// RFC 3986, 5.2.4.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let parts: Vec<_> = path.split('/').skip(1).collect();
    for (at, part) in parts.iter().enumerate() {
        let is_last = at + 1 == parts.len();
        match *part {
            "." => {}
            ".." => {
                kept.pop();
            }
            part => {
                kept.push(part);
                continue;
            }
        }
        if is_last {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_a_host_and_perhaps_more() {
        let shown = |text: &str| text.parse::<Url>().map(|url| url.to_string());
        assert_eq!(shown("HTTP://Example.org").as_deref(), Ok("http://example.org/"));
        assert_eq!(shown("http://h:80/a?b#c").as_deref(), Ok("http://h/a?b"));
        assert_eq!(shown("HTTPS://h:443/a").as_deref(), Ok("https://h/a"));
        assert_eq!(shown("https://h:80/a").as_deref(), Ok("https://h:80/a"));
        assert_eq!(shown("http://h:8080?q").as_deref(), Ok("http://h:8080/?q"));
        assert_eq!(shown("http://[::1]:8080/a b").as_deref(), Ok("http://[::1]:8080/a%20b"));
        let url: Url = "http://[::1]/".parse().expect("a url");
        assert_eq!((url.host(), url.host_and_port().as_str()), ("::1", "[::1]:80"));
        for (text, error) in [
            ("ftp://h/", NoUrl::Scheme),
            ("h/", NoUrl::Scheme),
            ("http:///a", NoUrl::Host),
            ("http://u@h/", NoUrl::User),
            ("http://a b/", NoUrl::Host),
            ("http://h:0/", NoUrl::Port),
            ("http://h:x/", NoUrl::Port),
        ] {
            assert_eq!(text.parse::<Url>(), Err(error), "{text}");
            assert_eq!(format!("{error:?}"), error.to_string(), "what `main` prints is a sentence");
        }
    }

    #[test]
    fn references_lead_on_from_where_they_are() {
        let base: Url = "http://h:81/a/b?q".parse().expect("a url");
        for (reference, expected) in [
            ("http://x/y", "http://x/y"),
            ("//x/y", "http://x/y"),
            ("/y?z", "http://h:81/y?z"),
            ("y", "http://h:81/a/y"),
            ("./y/", "http://h:81/a/y/"),
            ("../../../y", "http://h:81/y"),
            ("..", "http://h:81/"),
            (".", "http://h:81/a/"),
            ("?z", "http://h:81/a/b?z"),
            ("#f", "http://h:81/a/b?q"),
            ("./y\r\nX: z", "http://h:81/a/y%0D%0AX:%20z"),
        ] {
            assert_eq!(
                base.join(reference).map(|url| url.to_string()).as_deref(),
                Ok(expected),
                "{reference:?}"
            );
        }
        let secure: Url = "https://h/a".parse().expect("a url");
        let next = secure.join("//x/y").map(|url| url.to_string());
        assert_eq!(next.as_deref(), Ok("https://x/y"));
        assert_eq!(base.join("ftp://h/"), Err(NoUrl::Scheme));
        assert_eq!(base.join("javascript:x"), Err(NoUrl::Scheme));
    }
}
