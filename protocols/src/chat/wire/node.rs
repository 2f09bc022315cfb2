//! What the servers of a network call each other.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use super::text::as_text;

/// The name of a server within its network: 1 to 32 letters, digits, `-` and `_`, so that it is a word of a subject and
/// of a key in NATS as it stands.
///
/// ```
/// use protocols::chat::NodeName;
///
/// let node: NodeName = "fra-1".parse()?;
/// assert_eq!(node.as_str(), "fra-1");
/// assert!("fra.1".parse::<NodeName>().is_err());
/// # Ok::<(), protocols::chat::InvalidNodeName>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(Arc<str>);

/// It is no name of a node.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{}' is no name of a node: 1 to {MOST} letters, digits, - and _", .0.escape_debug())]
pub struct InvalidNodeName(String);

/// Bytes of a name: it is in every message's subject.
const MOST: usize = 32;

impl NodeName {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn new(text: &str) -> Result<Self, InvalidNodeName> {
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if (1..=MOST).contains(&text.len()) && text.bytes().all(is_fit) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidNodeName(text.to_owned()))
        }
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeName {
    type Err = InvalidNodeName;

    fn from_str(text: &str) -> Result<Self, InvalidNodeName> {
        Self::new(text)
    }
}

impl Borrow<str> for NodeName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

as_text!(NodeName);

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_word_in_nats_also_when_it_comes_from_there() {
        let longest = "n".repeat(MOST);
        for text in ["a", "Fra-1_x", &longest] {
            assert_eq!(NodeName::new(text).map(|it| it.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "a.b", "a b", "*", ">", "é", &format!("{longest}n")] {
            assert_eq!(NodeName::new(text), Err(InvalidNodeName(text.to_owned())));
            assert!(serde_json::from_value::<NodeName>(text.into()).is_err());
        }
        let node = NodeName::new("a").expect("it is one");
        assert_eq!(serde_json::to_string(&node).expect("it can be written"), "\"a\"");
    }
}
