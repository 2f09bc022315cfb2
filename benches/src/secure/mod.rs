//! Servers that speak TLS: one file a kind. All show the same certificate (ECDSA, P-256), speak TLS 1.3, and run on
//! one thread.

mod others;
mod reactor;
mod tokio;

use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use tempfile::TempDir;

use crate::Result;
use crate::cost::Instrument;
use crate::program::{Program, Running};
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
    #[must_use]
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

    /// Starts it, and what it needs; its certificate is in [`Started::keys`].
    pub fn start(self) -> Result<Started> {
        let keys = Keys::write()?;
        let running = match self {
            Self::Nginx => others::nginx(&keys),
            Self::Haproxy => others::haproxy(&keys),
            Self::Stunnel => others::stunnel(&keys),
            Self::Hitch => others::hitch(&keys),
            Self::Reactor | Self::TokioEcho | Self::ReactorEcho => {
                self.program(&keys).and_then(|it| Ok(Running::new(it.start()?)))
            }
        };
        Ok(Started { running: running?, keys })
    }

    /// Starts one of those that are not programs themselves under an instrument.
    pub(crate) fn start_under(self, instrument: &Instrument) -> Result<Started> {
        let keys = Keys::write()?;
        let server = instrument.start(&self.program(&keys)?)?;
        Ok(Started { running: Running::new(server), keys })
    }

    fn program(self, keys: &Keys) -> Result<Program> {
        Ok(Program::server("tls")?.with(self).with(keys.directory().display()))
    }
}

crate::shown_by_value!(Secure);

/// A server that runs, and what it shows.
#[derive(Debug)]
pub struct Started {
    /// It.
    pub running: Running,
    /// Its certificate.
    pub keys: Keys,
}

/// A folder with a certificate and its key, and with the file that is served.
#[derive(Debug)]
pub struct Keys(TempDir);

impl Keys {
    fn write() -> Result<Self> {
        let directory = TempDir::new()?;
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        fs::write(directory.path().join("both.pem"), format!("{key}{certificate}"))?;
        fs::write(directory.path().join("certificate.pem"), certificate)?;
        fs::write(directory.path().join("key.pem"), key)?;
        // It takes no room on the disk.
        fs::File::create(directory.path().join("file"))?.set_len(FILE as u64)?;
        Ok(Self(directory))
    }

    fn directory(&self) -> &Path {
        self.0.path()
    }

    /// The certificate, as PEM.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.directory().join("certificate.pem")
    }
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
