//! What replies to particular commands say.

use crate::transfer::ftp::wire::reply::Reply;
use crate::transfer::ftp::wire::time::Timestamp;

/// The bytes of a file, as a reply to SIZE has them (RFC 3659, 4).
///
/// ```
/// use protocols::transfer::ftp::{client, reply::Reply};
/// assert_eq!(client::size(&Reply::new(213, "42")), Some(42));
/// ```
#[must_use]
pub fn size(reply: &Reply) -> Option<u64> {
    (reply.code == 213).then(|| text(reply)?.trim().parse().ok())?
}

/// When a file was written last, as a reply to MDTM has it (RFC 3659, 3).
#[must_use]
pub fn modified(reply: &Reply) -> Option<Timestamp> {
    (reply.code == 213).then(|| Timestamp::parse(reply.text().trim_ascii()))?
}

/// The hash of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hash {
    /// Its algorithm, in capitals: `SHA-256`.
    pub algorithm: String,
    /// It, in hexadecimal digits and small letters.
    pub digits: String,
}

/// The hash of a file, as a reply to HASH has it (draft-bryan-ftpext-hash): the algorithm, the range of
/// bytes, the hash, and the name.
///
/// ```
/// use protocols::transfer::ftp::{client, reply::Reply};
/// let reply = Reply::new(213, "SHA-1 0-2 A9993E36 a name");
/// assert_eq!(client::hash(&reply).map(|hash| hash.digits).as_deref(), Some("a9993e36"));
/// ```
#[must_use]
pub fn hash(reply: &Reply) -> Option<Hash> {
    if reply.code != 213 {
        return None;
    }
    let text = String::from_utf8_lossy(reply.text());
    let mut words = text.split_whitespace();
    let (algorithm, second, third) = (words.next()?, words.next()?, words.next());
    // Some servers leave the range out.
    let digits = [Some(second), third].into_iter().flatten().find(|word| is_hash(word))?;
    let (algorithm, digits) = (algorithm.to_ascii_uppercase(), digits.to_ascii_lowercase());
    Some(Hash { algorithm, digits })
}

fn is_hash(word: &str) -> bool {
    word.len() >= 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn text(reply: &Reply) -> Option<&str> {
    std::str::from_utf8(reply.text()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_213_has_an_answer() {
        assert_eq!(size(&Reply::new(550, "42")), None);
        assert_eq!(size(&Reply::new(213, "many")), None);
        assert_eq!(
            modified(&Reply::new(213, "20260131120000")),
            Timestamp::parse(b"20260131120000")
        );
        assert_eq!(modified(&Reply::new(550, "20260131120000")), None);
        assert_eq!(hash(&Reply::new(213, "SHA-1 0-2")), None);
        assert_eq!(hash(&Reply::new(213, "")), None);
    }
}
