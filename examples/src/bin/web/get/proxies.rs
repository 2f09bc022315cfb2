//! Through which proxy a URL is asked for, by the words that curl knows.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use protocols::http::client::{Route, Scheme, SocksUser, Url};
use reactor::Address;

/// Through which proxy, if any, what is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    exceptions: Exceptions,
}

/// A proxy, and what it is told of who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Proxy {
    address: Address,
    language: Language,
}

/// What it is spoken to in.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Language {
    Http(Option<String>),
    Socks(Option<SocksUser>),
}

/// Which hosts are asked straight: `localhost,.example.org,10.0.0.1`, or `*` for all.
#[derive(Clone, Debug, Default)]
struct Exceptions(Vec<String>);

/// The port of a proxy that names none, as curl has it.
const PORT: u16 = 1080;

impl Proxies {
    /// What the command line says, and where it says nothing, the environment. A proxy that is empty is none.
    pub(crate) fn new(
        given: Option<&str>,
        exceptions: Option<&str>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let from = |names: &[&str]| -> Result<Option<Proxy>, String> {
            let said = |name: &&str| environment(name).map(|text| ((*name).to_owned(), text));
            let found = match given {
                Some(text) => Some(("--proxy".to_owned(), text.to_owned())),
                None => names.iter().find_map(said),
            };
            let found = found.filter(|(_, text)| !text.is_empty());
            found
                .map(|(name, text)| parse(&text).map_err(|why| format!("{name}: {why}")))
                .transpose()
        };
        let exceptions = exceptions.map(str::to_owned);
        let exceptions = exceptions.or_else(|| environment("no_proxy"));
        let exceptions = exceptions.or_else(|| environment("NO_PROXY")).unwrap_or_default();
        Ok(Self {
            // In capitals it is what a web server tells its scripts that a client has said in Proxy.
            http: from(&["http_proxy", "all_proxy", "ALL_PROXY"])?,
            https: from(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?,
            exceptions: Exceptions::new(&exceptions),
        })
    }

    /// The way to the server of a URL.
    pub(crate) fn route(&self, url: &Url, server: Address) -> Route {
        let proxy = match url.scheme() {
            Scheme::Http => &self.http,
            Scheme::Https => &self.https,
        };
        let straight = Route::to(server);
        match proxy {
            Some(proxy) if !self.exceptions.has(url.host()) => {
                let address = proxy.address.clone();
                match proxy.language.clone() {
                    Language::Http(authorization) => straight.through(address, authorization),
                    Language::Socks(user) => straight.through_socks(address, user),
                }
            }
            _ => straight,
        }
    }

    /// Whether something is wrong with the proxy, rather than with the server, if it is with this address.
    pub(crate) fn has(&self, address: &Address) -> bool {
        [&self.http, &self.https].into_iter().flatten().any(|proxy| proxy.address == *address)
    }
}

/// `[http://|socks5h://|socks5://][USER[:PASSWORD]@]HOST[:PORT]`.
fn parse(text: &str) -> Result<Proxy, String> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (user, place) = match rest.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, rest),
    };
    let has_port = place.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
    let url = if has_port { format!("http://{place}") } else { format!("http://{place}:{PORT}") };
    let url: Url = url.parse().map_err(|error| format!("{place}: {error}"))?;
    let address = Address::to_host(url.host(), url.port()).map_err(|error| error.to_string())?;
    let user = user.map(name_and_password);
    let language = match &*scheme.to_ascii_lowercase() {
        "http" => Language::Http(user.map(|both| basic(&both))),
        // That it be this side which looks names up is what nobody wants who says socks5://.
        "socks5" | "socks5h" => Language::Socks(user.as_ref().map(socks_user).transpose()?),
        _ => {
            let both = "http:// and socks5h://";
            return Err(format!("proxies are spoken to by {both}, and not by {scheme}://"));
        }
    };
    Ok(Proxy { address, language })
}

fn name_and_password(user: &str) -> [Vec<u8>; 2] {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    [name, password].map(|text| percent_decode_str(text).collect())
}

fn socks_user([name, password]: &[Vec<u8>; 2]) -> Result<SocksUser, String> {
    let why = match (name.is_empty(), password.is_empty()) {
        (true, _) => "there is no name before the @",
        (_, true) => "SOCKS has no names without passwords: NAME:PASSWORD@",
        _ => "SOCKS has names and passwords of up to 255 bytes",
    };
    SocksUser::new(name, password).ok_or_else(|| why.to_owned())
}

/// RFC 7617, 2.
fn basic(both: &[Vec<u8>; 2]) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(both.join(&b':')))
}

impl Exceptions {
    fn new(list: &str) -> Self {
        let hosts = list.split([',', ' ']).map(|host| host.trim_matches('.').to_ascii_lowercase());
        let bare = |host: String| host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Self(hosts.map(bare).filter(|host| !host.is_empty()).collect())
    }

    /// A host is one, or is below one.
    fn has(&self, host: &str) -> bool {
        self.0.iter().any(|exception| {
            let below = host.strip_suffix(&**exception);
            exception == "*" || below.is_some_and(|below| below.is_empty() || below.ends_with('.'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(given: Option<&str>, environment: &[(&str, &str)]) -> Result<Proxies, String> {
        let said = |name: &str| {
            let found = environment.iter().find(|(it, _)| *it == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Proxies::new(given, None, said)
    }

    fn way(proxies: &Proxies, url: &str) -> Option<String> {
        let url: Url = url.parse().expect("a url");
        let server = Address::to_host(url.host(), url.port()).expect("an address");
        let route = proxies.route(&url, server.clone());
        (route != Route::to(server)).then(|| format!("{route:?}"))
    }

    #[test]
    fn the_environment_is_read_as_curl_reads_it() {
        let all = [
            ("http_proxy", "proxy:3128"),
            ("HTTP_PROXY", "evil:1"),
            ("HTTPS_PROXY", "http://u%40x:p@secure/"),
            ("no_proxy", "localhost, .example.org,[::1],10.0.0.1"),
        ];
        let found = proxies(None, &all).expect("they are fine");
        assert!(
            way(&found, "http://h/")
                .is_some_and(|way| way.contains("proxy") && way.contains("3128"))
        );
        let secure = way(&found, "https://h/").expect("it goes through one");
        assert!(secure.contains("1080") && secure.contains("Basic dUB4OnA="), "{secure}");
        for direct in ["localhost", "example.org", "a.example.org", "[::1]", "10.0.0.1"] {
            assert_eq!(way(&found, &format!("http://{direct}/")), None, "{direct}");
        }
        for other in ["notexample.org", "example.org.x", "110.0.0.1"] {
            assert!(way(&found, &format!("http://{other}/")).is_some(), "{other}");
        }
        // What a server tells its scripts is not heeded.
        assert_eq!(way(&proxies(None, &all[1..2]).expect("it is fine"), "http://h/"), None);
        let none = [("http_proxy", "proxy"), ("no_proxy", "*")];
        assert_eq!(way(&proxies(None, &none).expect("they are fine"), "http://h/"), None);
    }

    #[test]
    fn the_command_line_comes_first_and_errors_say_whose_they_are() {
        let all = [("http_proxy", "other:1"), ("https_proxy", "other:1")];
        let found = proxies(Some("[::1]"), &all).expect("it is fine");
        for url in ["http://h/", "https://h/"] {
            assert!(way(&found, url).is_some_and(|way| way.contains("[::1]:1080")), "{url}");
        }
        assert_eq!(way(&proxies(Some(""), &all).expect("it is none"), "http://h/"), None);
        let socks = proxies(None, &[("all_proxy", "socks4://h:1")]).expect_err("it is not spoken");
        assert!(socks.starts_with("all_proxy: ") && socks.contains("socks4"), "{socks}");
        let socks = proxies(Some("socks5h://a%40b:c@h"), &[]).expect("it is fine");
        let through = way(&socks, "http://s/").expect("it goes through one");
        assert!(through.contains("Socks") && through.contains("a@b") && through.contains("1080"));
        let long = "a".repeat(256);
        for (user, part) in [
            (&*format!("{long}:b"), "up to 255 bytes"),
            (&*format!("a:{long}"), "up to 255 bytes"),
            ("a", "without passwords"),
            ("a:", "without passwords"),
            (":b", "no name"),
            ("", "no name"),
        ] {
            let why = proxies(Some(&format!("socks5://{user}@h")), &[]).expect_err("it is nobody");
            assert!(why.contains(part), "{user}: {why}");
        }
        assert!(proxies(Some("a b"), &[]).is_err_and(|why| why.starts_with("--proxy: ")));
    }
}
