//! A certificate in 32 bytes.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::provider::sha256;
use crate::words::debug_in_words;

/// The SHA-256 of a certificate (of its DER), as `openssl x509 -fingerprint -sha256` prints it.
///
/// ```
/// use reactor::tls::Fingerprint;
/// let fingerprint = Fingerprint::of(b"a certificate");
/// let text = fingerprint.to_string();
/// assert_eq!(text.len(), 32 * 3 - 1);
/// assert_eq!(text.parse(), Ok(fingerprint));
/// assert_eq!(text.replace(':', "").to_lowercase().parse(), Ok(fingerprint));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// That of a certificate, given as DER.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Self {
        Self(sha256(certificate))
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Not 32 bytes in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[error("a fingerprint is 64 hexadecimal digits, with colons or without")]
pub struct ParseFingerprintError;

debug_in_words!(ParseFingerprintError);

impl FromStr for Fingerprint {
    type Err = ParseFingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut digits = text.chars().filter(|char| *char != ':').map(|char| char.to_digit(16));
        let mut digit = || digits.next().flatten().ok_or(ParseFingerprintError);
        let mut bytes = [0; 32];
        for byte in &mut bytes {
            *byte = (digit()? << 4 | digit()?) as u8;
        }
        if digits.next().is_some() { Err(ParseFingerprintError) } else { Ok(Self(bytes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_fingerprint_is_refused() {
        let text = Fingerprint::of(b"").to_string();
        for wrong in ["", "00", &text[1..], &format!("{text}:00"), &text.replace(':', "x")] {
            assert_eq!(wrong.parse::<Fingerprint>(), Err(ParseFingerprintError), "{wrong}");
        }
    }
}
