//! Trackers, asked once: how many peers a torrent has.

use std::error::Error;
use std::time::Duration;

use examples::tls::Trust;
use protocols::torrent::tracker::{AnnounceFailed, AnnounceOptions, scrape};
use protocols::torrent::wire::announce::Counts;
use protocols::torrent::{InfoHash, PeerId};
use reactor::tls::TlsError;
use reactor::{Address, ConnectOptions, Reactor};

/// What a tracker says.
pub(crate) type Told = (String, Result<Counts, AnnounceFailed>);

/// Asks all of them at once, and waits for the last.
pub(crate) fn trackers(hash: InfoHash, urls: &[String]) -> Result<Vec<Told>, Box<dyn Error>> {
    let mut reactor = Reactor::<Vec<Option<Told>>>::new()?;
    let mut told: Vec<Option<Told>> = vec![None; urls.len()];
    // Of these it counts how a tracker is asked, and which torrent it is about.
    let mut options = AnnounceOptions::new(hash, PeerId::new([0; 12]), 0, Vec::new());
    options.secure = secure(urls, None)?;
    options.udp_tries = 1;
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

/// How trackers are asked over TLS, if one of them is: those are trusted whom the system trusts.
pub(crate) fn secure(
    urls: &[String],
    from: Option<Address>,
) -> Result<Option<ConnectOptions>, TlsError> {
    if !urls.iter().any(|url| url.starts_with("https:")) {
        return Ok(None);
    }
    let tls = Trust::default().load(None, &[])?;
    Ok(Some(ConnectOptions { from, tls: Some(tls), ..ConnectOptions::default() }))
}
