//! What a tracker can be asked, and how over HTTP and over UDP.

use crate::torrent::InfoHash;
use crate::torrent::wire::announce::{
    Announce, Answer, Counts, NoAnswer, parse_scrape, scrape_query, scrape_url,
};
use crate::torrent::wire::udp::{Ask, Body};

use super::failure::AnnounceFailed;
use super::options::AnnounceOptions;

/// What a tracker can be asked.
pub(super) trait Question: Copy + 'static {
    /// What it answers.
    type Answer: 'static;

    /// The same, for an address of IPv6 or of IPv4 from which it is asked.
    fn leaving(self, _is_v6: bool, _options: &AnnounceOptions) -> Self {
        self
    }

    /// Where it is asked over HTTP; the tracker's URL is that of its announces, and may have a query already, with a
    /// word that tells its users apart.
    fn url(&self, tracker: &str) -> Result<String, AnnounceFailed>;

    /// Reads an answer over HTTP.
    fn read(&self, text: &[u8]) -> Result<Self::Answer, NoAnswer>;

    /// What is sent over UDP.
    fn ask(&self, connection: u64) -> Ask;

    /// What came over UDP, if it is an answer to this.
    fn answer(&self, body: Body) -> Option<Self::Answer>;
}

impl Question for Announce {
    type Answer = Answer;

    fn leaving(self, is_v6: bool, options: &AnnounceOptions) -> Self {
        Self { port: options.port_of(is_v6), ..self }
    }

    fn url(&self, tracker: &str) -> Result<String, AnnounceFailed> {
        Ok(with_query(tracker, &self.query()))
    }

    fn read(&self, text: &[u8]) -> Result<Answer, NoAnswer> {
        Answer::parse(text)
    }

    fn ask(&self, connection: u64) -> Ask {
        Ask::Announce { connection, announce: *self }
    }

    fn answer(&self, body: Body) -> Option<Answer> {
        match body {
            Body::Announced(answer) => Some(answer),
            _ => None,
        }
    }
}

/// How many peers a torrent has (BEP 48).
impl Question for InfoHash {
    type Answer = Counts;

    fn url(&self, tracker: &str) -> Result<String, AnnounceFailed> {
        let url = scrape_url(tracker).ok_or(AnnounceFailed::NoScrape)?;
        Ok(with_query(&url, &scrape_query(*self)))
    }

    fn read(&self, text: &[u8]) -> Result<Counts, NoAnswer> {
        let all = parse_scrape(text)?;
        let ours = all.into_iter().find(|(hash, _)| hash == self);
        // Of one that it does not know, opentracker says nothing here, and zeros over UDP.
        Ok(ours.map(|(_, counts)| counts).unwrap_or_default())
    }

    fn ask(&self, connection: u64) -> Ask {
        Ask::Scrape { connection, hashes: vec![*self] }
    }

    fn answer(&self, body: Body) -> Option<Counts> {
        match body {
            Body::Scraped(counts) => counts.first().copied(),
            _ => None,
        }
    }
}

fn with_query(url: &str, query: &str) -> String {
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}{query}")
}
