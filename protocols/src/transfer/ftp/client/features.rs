//! What a server can do beyond RFC 959, as it says itself (FEAT, RFC 2389).

use crate::transfer::ftp::wire::reply::{Kind, Reply};

/// What a server can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// `MLST`: lists made for programs.
    pub facts: bool,
    /// `SIZE`.
    pub size: bool,
    /// `MDTM`.
    pub modified: bool,
    /// `MFMT`.
    pub set_modified: bool,
    /// `REST STREAM`: transfers begin where others have ended.
    pub restart: bool,
    /// `UTF8`: names are in it.
    pub utf8: bool,
    /// `HASH`: the algorithms it has, in capitals, the one in use first.
    pub hashes: Vec<String>,
}

impl Features {
    /// What a reply to FEAT says.
    ///
    /// ```
    /// use protocols::transfer::ftp::client::Features;
    /// use protocols::transfer::ftp::reply::Reply;
    /// let lines = ["MLST type*;size*;", "REST STREAM", "HASH SHA-1;SHA-256*"];
    /// let features = Features::of(&Reply::with_lines(211, "Features:", lines, "End"));
    /// assert!(features.facts && features.restart && !features.size);
    /// assert_eq!(features.hashes, ["SHA-256", "SHA-1"]);
    /// ```
    #[must_use]
    pub fn of(reply: &Reply) -> Self {
        let mut features = Self::default();
        if reply.kind() != Kind::Completion {
            return features;
        }
        // The first and the last line are sentences.
        let lines = reply.lines.iter().skip(1).take(reply.lines.len().saturating_sub(2));
        for line in lines {
            let line = String::from_utf8_lossy(line).to_ascii_uppercase();
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("MLST" | "MLSD"), _) => features.facts = true,
                (Some("SIZE"), _) => features.size = true,
                (Some("MDTM"), _) => features.modified = true,
                (Some("MFMT"), _) => features.set_modified = true,
                (Some("REST"), Some("STREAM")) => features.restart = true,
                (Some("UTF8"), _) => features.utf8 = true,
                (Some("HASH"), Some(list)) => features.hashes = hashes(list),
                _ => {}
            }
        }
        features
    }
}

/// `SHA-1;SHA-256*;MD5`: the one with the star is in use.
fn hashes(list: &str) -> Vec<String> {
    let names = list.split(';').filter(|name| !name.is_empty());
    let (used, others): (Vec<_>, Vec<_>) = names.partition(|name| name.ends_with('*'));
    let all = used.into_iter().chain(others);
    all.map(|name| name.trim_end_matches('*').to_owned()).collect()
}
