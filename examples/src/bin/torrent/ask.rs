//! Trackers, asked once: how many peers a torrent has.

use std::error::Error;
use std::time::Duration;

use examples::tls::Trust;
use protocols::torrent::tracker::{AnnounceFailed, AnnounceOptions, scrape};
use protocols::torrent::wire::announce::Counts;
use protocols::torrent::{InfoHash, PeerId};
use reactor::{Address, ConnectOptions, Reach, Reactor};

/// What a tracker says.
pub(crate) type Told = (String, Result<Counts, AnnounceFailed>);

/// Asks all of them at once, and waits for the last.
pub(crate) fn trackers(
    hash: InfoHash,
    urls: &[String],
    allow_inside: bool,
) -> Result<Vec<Told>, Box<dyn Error>> {
    let mut reactor = Reactor::<Vec<Option<Told>>>::new()?;
    let mut told: Vec<Option<Told>> = vec![None; urls.len()];
    // Of these it counts how a tracker is asked, and which torrent it is about.
    let mut options = AnnounceOptions::new(hash, PeerId::new([0; 12]), 0, Vec::new());
    options.secure = secure(urls, None);
    (options.udp_tries, options.reach) = (1, reach(allow_inside));
    for (at, url) in urls.iter().enumerate() {
        let asked = url.clone();
        scrape(reactor.registry(), url, &options, move |registry, told: &mut Vec<_>, counts| {
            if let Some(place) = told.get_mut(at) {
                *place = Some((asked, counts));
            }
            if told.iter().all(Option::is_some) {
                registry.shutdown(Duration::ZERO);
            }
        });
    }
    if !urls.is_empty() {
        reactor.run(&mut told)?;
    }
    Ok(told.into_iter().flatten().collect())
}

/// Where trackers and web seeds may be.
pub(crate) fn reach(allow_inside: bool) -> Reach {
    if allow_inside { Reach::Anywhere } else { Reach::Outside }
}

/// How trackers and web seeds are asked over TLS, if one of them may want that: also one without may send on to one with.
/// Those are trusted whom the system trusts; where it trusts nobody, those that want TLS fail, and say so.
pub(crate) fn secure(urls: &[String], from: Option<Address>) -> Option<ConnectOptions> {
    if !urls.iter().any(|url| is_of_the_web(url)) {
        return None;
    }
    let tls = Trust::default().load(None, &[]).ok()?;
    Some(ConnectOptions { from, tls: Some(tls), ..ConnectOptions::default() })
}

/// Whether it is asked by HTTP.
fn is_of_the_web(url: &str) -> bool {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    ["http", "https"].iter().any(|it| scheme.eq_ignore_ascii_case(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_asked_by_http_may_want_tls_however_it_is_written() {
        for url in ["http://a/", "https://a/", "HTTPS://a/", "Http://a/"] {
            assert!(is_of_the_web(url), "{url}");
        }
        for url in ["udp://a:1/", "httpx://a/", "http", ""] {
            assert!(!is_of_the_web(url), "{url}");
        }
    }
}
