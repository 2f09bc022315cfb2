//! Certificates and keys from PEM.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;

/// More than any chain needs; a system's bundle of roots has a quarter of it.
const LONGEST: u64 = 1 << 20;

/// In the label of a key (RFC 7468, 11), or in a header of what was before that (RFC 1421, 4.6.1.1).
const ENCRYPTED: &[u8] = b"ENCRYPTED";

/// A text of PEM, and what it is called in an error.
pub(super) struct Pem {
    name: String,
    text: Vec<u8>,
}

impl Pem {
    pub(super) fn read(path: &Path) -> Result<Self, TlsError> {
        let failed = |error| TlsError::Read { path: path.to_owned(), error };
        let name = path.display().to_string();
        let mut text = Vec::new();
        let file = File::open(path).map_err(failed)?;
        file.take(LONGEST + 1).read_to_end(&mut text).map_err(failed)?;
        if text.len() as u64 > LONGEST {
            return Err(TlsError::Pem(name, "it is longer than a megabyte".to_owned()));
        }
        Ok(Self { name, text })
    }

    pub(super) fn given(text: &[u8]) -> Self {
        Self { name: "the text".to_owned(), text: text.to_vec() }
    }

    /// All certificates, of which there is at least one.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let certificates =
            CertificateDer::pem_slice_iter(&self.text).collect::<Result<Vec<_>, _>>();
        let certificates =
            certificates.map_err(|error| TlsError::Pem(self.name.clone(), error.to_string()))?;
        if certificates.is_empty() {
            return Err(TlsError::NoCertificate(self.name.clone()));
        }
        Ok(certificates)
    }

    /// The first private key.
    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        use rustls::pki_types::pem::Error;
        PrivateKeyDer::from_pem_slice(&self.text).map_err(|error| match error {
            // Asked of what cannot be read only: a comment may have the word, too.
            _ if self.text.windows(ENCRYPTED.len()).any(|word| word == ENCRYPTED) => {
                let name = &self.name;
                let why = format!("the key in {name} is encrypted; openssl pkey takes that off");
                TlsError::Identity(why)
            }
            Error::NoItemsFound => TlsError::NoKey(self.name.clone()),
            error => TlsError::Pem(self.name.clone(), error.to_string()),
        })
    }
}
