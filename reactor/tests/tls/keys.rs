//! Certificates for the time of a test.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SerialNumber, SignatureAlgorithm,
};
use reactor::tls::{ClientTls, Identity, Roots, ServerTls};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// An authority, and what it vouches for.
pub(crate) struct Keys {
    algorithm: &'static SignatureAlgorithm,
    issuer: Issuer<'static, KeyPair>,
    pub(crate) root: String,
}

/// A certificate and its key, as PEM.
pub(crate) struct Pem {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Keys {
    /// Ed25519: what it signs is always as long, so that a simulated run has the same lengths each time.
    pub(crate) fn new() -> Self {
        Self::of(&rcgen::PKCS_ED25519)
    }

    /// ECDSA, which everybody can load.
    pub(crate) fn common() -> Self {
        Self::of(&rcgen::PKCS_ECDSA_P256_SHA256)
    }

    fn of(algorithm: &'static SignatureAlgorithm) -> Self {
        let key = key(algorithm);
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        let words = key.public_key_pem();
        params.distinguished_name.push(rcgen::DnType::CommonName, &words[words.len() / 2..][..20]);
        params.serial_number = Some(serial_of(&key));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).expect("it signs").pem();
        Self { algorithm, issuer: Issuer::new(params, key), root }
    }

    pub(crate) fn pem(&self, name: &str) -> Pem {
        self.pem_with(name, |_| ())
    }

    pub(crate) fn pem_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Pem {
        let key = key(self.algorithm);
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.serial_number = Some(serial_of(&key));
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).expect("it signs");
        Pem { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    pub(crate) fn identity(&self, name: &str) -> Identity {
        self.pem(name).identity()
    }

    pub(crate) fn server(&self, name: &str) -> ServerTls {
        ServerTls::new(self.identity(name)).expect("it is fine")
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots::from_pem(self.root.as_bytes()).expect("it is one")
    }

    /// A client that trusts it, and expects `a.example`.
    pub(crate) fn client(&self) -> ClientTls {
        let client = ClientTls::new(self.roots()).expect("it is fine");
        client.to("a.example").expect("a name")
    }

    /// The same of rustls.
    pub(crate) fn rustls(&self) -> Arc<ClientConfig> {
        self.rustls_of(rustls::ALL_VERSIONS)
    }

    pub(crate) fn rustls_of(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let root = CertificateDer::from_pem_slice(self.root.as_bytes()).expect("it is one");
        let mut roots = RootCertStore::empty();
        roots.add(root).expect("it can be read");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_protocol_versions(versions).expect("there are some");
        Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

impl Pem {
    pub(crate) fn identity(&self) -> Identity {
        Identity::from_pem(self.certificate.as_bytes(), self.key.as_bytes()).expect("they match")
    }
}

fn key(algorithm: &'static SignatureAlgorithm) -> KeyPair {
    KeyPair::generate_for(algorithm).expect("there is randomness")
}

/// A number that is always as long: DER leaves zeros out that a number begins with, and a simulated run would
/// have a byte less now and then.
fn serial_of(key: &KeyPair) -> SerialNumber {
    let mut serial = key.public_key_raw().to_vec();
    serial.truncate(8);
    serial[0] = 0x40;
    SerialNumber::from(serial)
}
