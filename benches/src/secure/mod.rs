//! Servers that speak TLS: one file a kind. All show the same certificate (ECDSA, P-256), speak TLS 1.3, and run on
//! one thread.

mod others;
mod reactor;
mod tokio;

use std::fs;
use std::path::Path;

use clap::ValueEnum;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;

use crate::Result;
use crate::loaded::Start;
use crate::program::{Program, Server};
use crate::servers::Place;

/// The name in their certificate.
pub const NAME: &str = "localhost";

/// What is answered.
pub(crate) const HELLO: &str = "Hello, World!";

/// Bytes of the file: it is asked for again and again.
pub const FILE: usize = 64 * 1024 * 1024;

/// Who serves what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Secure {
    /// nginx: an answer, and a file.
    Nginx,
    /// HAProxy: an answer.
    Haproxy,
    /// stunnel, with a plain web server behind it.
    Stunnel,
    /// hitch, with the same.
    Hitch,
    /// Ours: an answer, and a file.
    Reactor,
    /// tokio-rustls on tokio's current-thread runtime: an echo.
    TokioEcho,
    /// Ours: an echo.
    ReactorEcho,
}

impl Secure {
    /// Who serves, whatever it is.
    pub fn peer(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Stunnel => "stunnel",
            Self::Hitch => "hitch",
            Self::Reactor | Self::ReactorEcho => "reactor",
            Self::TokioEcho => "tokio-rustls",
        }
    }

    /// Starts it, and what it needs.
    pub fn start(self, start: Start<'_>) -> Result<Started> {
        let directory = write_files()?;
        let files = directory.path();
        let server = match self {
            Self::Nginx => start.other(|| others::nginx(files)),
            Self::Haproxy => start.other(|| others::haproxy(files)),
            Self::Stunnel => start.other(|| others::stunnel(files)),
            Self::Hitch => start.other(|| others::hitch(files)),
            Self::Reactor | Self::TokioEcho | Self::ReactorEcho => {
                start.program(&Program::server("tls")?.with(self).with(files.display()))
            }
        };
        let certificate = CertificateDer::from_pem_file(files.join("certificate.pem"))?;
        Ok(Started { server: server?.keeping(directory), certificate })
    }
}

crate::choice!(Secure);

/// A server that runs, and what it shows.
pub struct Started {
    /// It.
    pub server: Server,
    /// Its certificate.
    pub certificate: CertificateDer<'static>,
}

/// A folder with a certificate and its key, and with the file that is served.
fn write_files() -> Result<TempDir> {
    let directory = TempDir::new()?;
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let write = |name, text: &str| fs::write(directory.path().join(name), text);
    write("both.pem", &format!("{key}{certificate}"))?;
    write("certificate.pem", &certificate)?;
    write("key.pem", &key)?;
    // It takes no room on the disk.
    fs::File::create(directory.path().join("file"))?.set_len(FILE as u64)?;
    Ok(directory)
}

/// Serves at `place`, with what is in this folder, until the process ends; prints where once it listens.
pub fn serve(who: Secure, directory: &Path, place: Place) -> Result {
    match who {
        Secure::Reactor => reactor::serve_web(directory, place),
        Secure::ReactorEcho => reactor::serve_echo(directory, place),
        Secure::TokioEcho => tokio::serve(directory, place),
        _ => Err(format!("{who} is a program by itself").into()),
    }
}
