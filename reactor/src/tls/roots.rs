//! Whom one trusts to vouch for others.

use std::fmt;
use std::path::Path;

use rustls::RootCertStore;

use super::TlsError;
use super::pem::Pem;

/// Certificates that are trusted to vouch for others: the system's, or one's own.
#[derive(Clone)]
pub struct Roots(RootCertStore);

impl Roots {
    /// Those of the system: of `/etc/ssl`, a keychain, or what `SSL_CERT_FILE` names. Some hundred
    /// certificates are read and parsed, which blocks for some ten milliseconds: do it once.
    ///
    /// # Errors
    ///
    /// If there are none.
    pub fn system() -> Result<Self, TlsError> {
        let found = rustls_native_certs::load_native_certs();
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(found.certs);
        if store.is_empty() {
            let why = found.errors.first().map(ToString::to_string);
            return Err(TlsError::Roots(why.unwrap_or_else(|| "there are none".to_owned())));
        }
        Ok(Self(store))
    }

    /// Those of a PEM file.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or has something else in it.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, TlsError> {
        Self::new(&Pem::read(path.as_ref())?)
    }

    /// Those of a PEM text.
    ///
    /// # Errors
    ///
    /// If it has something else in it.
    pub fn from_pem(text: &[u8]) -> Result<Self, TlsError> {
        Self::new(&Pem::given(text))
    }

    fn new(pem: &Pem) -> Result<Self, TlsError> {
        let mut store = RootCertStore::empty();
        for certificate in pem.certificates()? {
            store.add(certificate).map_err(|error| TlsError::Roots(error.to_string()))?;
        }
        Ok(Self(store))
    }

    pub(super) fn into_store(self) -> RootCertStore {
        self.0
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({})", self.0.len())
    }
}
