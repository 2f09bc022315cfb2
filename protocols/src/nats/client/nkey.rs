//! Keys of users ("nkeys"): Ed25519, and how they are written.
//!
//! ```text
//!   seed    base32( 18<<3 | kind>>5,  kind<<3,  32 bytes,  CRC-16 )     S U …
//!   public  base32( kind,                       32 bytes,  CRC-16 )     U …
//! ```

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair};
use thiserror::Error;

/// The key of a user, read from its seed (`SU…`). It never leaves this side: a server asks for a signature.
#[derive(Clone)]
pub struct Nkey {
    public: Arc<str>,
    pair: Arc<Ed25519KeyPair>,
}

/// It is no seed of a user's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it is no seed of a user's key, which begins with SU")]
pub struct NoNkey;

const SEED: u8 = 18 << 3;
const USER: u8 = 20 << 3;

impl Nkey {
    /// The public key, by which a server knows the user: `U…`.
    #[must_use]
    pub fn public(&self) -> &str {
        &self.public
    }

    /// What a server wants to see for the number it has drawn.
    pub(super) fn sign(&self, nonce: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.pair.sign(nonce.as_bytes()))
    }
}

impl FromStr for Nkey {
    type Err = NoNkey;

    fn from_str(text: &str) -> Result<Self, NoNkey> {
        let bytes = unbase32(text.trim()).ok_or(NoNkey)?;
        let (content, sum) = bytes.split_last_chunk::<2>().ok_or(NoNkey)?;
        let ([first, second], seed) = content.split_first_chunk::<2>().ok_or(NoNkey)?;
        let is_user = *first == SEED | USER >> 5 && *second == USER << 3;
        if !is_user || crc16(content) != u16::from_le_bytes(*sum) {
            return Err(NoNkey);
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| NoNkey)?;
        let mut public = vec![USER];
        public.extend_from_slice(pair.public_key().as_ref());
        public.extend_from_slice(&crc16(&public).to_le_bytes());
        Ok(Self { public: base32(&public).into(), pair: Arc::new(pair) })
    }
}

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// RFC 4648, section 6, without padding.
fn base32(bytes: &[u8]) -> String {
    let (mut text, mut bits, mut count) = (String::new(), 0_u32, 0);
    for byte in bytes {
        bits = bits << 8 | u32::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            text.push(letter(bits >> count));
        }
    }
    if count > 0 {
        text.push(letter(bits << (5 - count)));
    }
    text
}

fn letter(bits: u32) -> char {
    char::from(ALPHABET[(bits & 31) as usize])
}

fn unbase32(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes() {
        let value = ALPHABET.iter().position(|own| *own == letter)?;
        bits = (bits << 5 | value as u32) & 0xfff;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

/// CRC-16 as of XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte) << 8, |sum: u16, _| {
            if sum & 0x8000 == 0 { sum << 1 } else { sum << 1 ^ 0x1021 }
        })
    })
}

impl PartialEq for Nkey {
    fn eq(&self, other: &Self) -> bool {
        self.public == other.public
    }
}

impl Eq for Nkey {}

/// Without what is secret.
impl fmt::Debug for Nkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nkey({})", self.public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the documentation of NATS.
    const DOCUMENTED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";

    #[test]
    fn the_seed_of_the_documentation_has_its_public_key() {
        let key: Nkey = DOCUMENTED.parse().expect("it is a seed");
        assert_eq!(key.public(), "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4");
        assert!(!format!("{key:?}").contains("SUAC"));
        assert_eq!(key.sign("x").len(), 86);
    }

    #[test]
    fn what_is_no_seed_is_refused() {
        let public = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
        let (wrong, short) = (DOCUMENTED.replace("CU3", "CU4"), DOCUMENTED.replace("SSL3", ""));
        for text in ["", "SU", "su", public, &wrong, &short, "ä"] {
            assert_eq!(text.parse::<Nkey>(), Err(NoNkey), "{text}");
        }
    }

    #[test]
    fn bytes_are_letters_and_the_same_bytes_again() {
        for (bytes, text) in
            [(&b""[..], ""), (b"f", "MY"), (b"foob", "MZXW6YQ"), (b"fooba", "MZXW6YTB")]
        {
            assert_eq!(base32(bytes), text);
            assert_eq!(unbase32(text).as_deref(), Some(bytes));
        }
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }
}
