//! Who one is: a certificate, those that vouch for it, and the key.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::pem::Pem;
use super::provider::provider;
use super::{Fingerprint, TlsError, expiry};

/// A certificate with the chain that vouches for it, and its private key. Cloning it is cheap.
#[derive(Clone)]
pub struct Identity(Arc<CertifiedKey>);

impl Identity {
    /// From PEM files: the certificate first and behind it those that vouch for it, and the key, which may
    /// be in the same file. The files are read at once, which blocks.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, has nothing of the kind in it, or the two do not go together.
    pub fn from_files(
        certificates: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsError> {
        Self::new(&Pem::read(certificates.as_ref())?, &Pem::read(key.as_ref())?)
    }

    /// From PEM texts, as [`from_files`](Self::from_files).
    ///
    /// # Errors
    ///
    /// If a text has nothing of the kind in it, or the two do not go together.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Self::new(&Pem::given(certificates), &Pem::given(key))
    }

    fn new(certificates: &Pem, key: &Pem) -> Result<Self, TlsError> {
        let chain = certificates.certificates()?;
        let certified = CertifiedKey::from_der(chain, key.key()?, &provider());
        certified.map(|key| Self(Arc::new(key))).map_err(|error| {
            TlsError::Identity(match error {
                rustls::Error::InconsistentKeys(_) => "they do not go together".to_owned(),
                other => other.to_string(),
            })
        })
    }

    /// When the certificate expires; `None` if it does not tell. Those that vouch for it are not asked: clients know
    /// others, and one that has expired may stand in the chain for the sake of a few.
    #[must_use]
    pub fn expires(&self) -> Option<SystemTime> {
        self.0.cert.first().and_then(|certificate| expiry::of(certificate))
    }

    /// The fingerprint of the certificate.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.0.cert.first().map_or(&[], |certificate| certificate.as_ref()))
    }

    pub(super) fn key(&self) -> &Arc<CertifiedKey> {
        &self.0
    }

    /// Whether the certificate is for this name.
    fn is_for(&self, name: &ServerName<'_>) -> bool {
        let Some(certificate) = self.0.cert.first() else { return false };
        ParsedCertificate::try_from(certificate)
            .is_ok_and(|parsed| rustls::client::verify_server_name(&parsed, name).is_ok())
    }

    /// Whether the client can verify what the key signs.
    fn can_sign_for(&self, hello: &ClientHello<'_>) -> bool {
        self.0.key.choose_scheme(hello.signature_schemes()).is_some()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.fingerprint()).finish()
    }
}

/// Those that a server has. A client is shown the first that is for the name it asks for; if none is, or it
/// asks for none, the first of all, and may judge for itself.
#[derive(Debug)]
pub(super) struct Identities(pub(super) Vec<Identity>);

impl ResolvesServerCert for Identities {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let fits = |identity: &&Identity| {
            name.as_ref().is_some_and(|name| identity.is_for(name)) && identity.can_sign_for(&hello)
        };
        let can_sign = |identity: &&Identity| identity.can_sign_for(&hello);
        let found = self.0.iter().find(fits).or_else(|| self.0.iter().find(can_sign));
        found.or_else(|| self.0.first()).map(|identity| Arc::clone(identity.key()))
    }
}

/// The same as one connection asks for them. rustls 0.23 tells a server what name was asked for only here.
#[derive(Debug)]
pub(crate) struct Asked {
    identities: Arc<dyn ResolvesServerCert>,
    name: OnceLock<Box<str>>,
}

impl Asked {
    pub(super) fn new(identities: Arc<dyn ResolvesServerCert>) -> Self {
        Self { identities, name: OnceLock::new() }
    }

    /// The name that was asked for.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.get().map(AsRef::as_ref)
    }
}

impl ResolvesServerCert for Asked {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(name) = hello.server_name() {
            // A client that is asked to begin again has to ask for the same.
            let _ = self.name.set(name.into());
        }
        self.identities.resolve(hello)
    }
}
