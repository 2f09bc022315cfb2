//! TLS, as words on a command line: of a server, and of a client.

use std::error::Error;
use std::fmt;
use std::io;
use std::iter;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use chrono::{DateTime, Local};
use clap::Args;
use reactor::Registry;
use reactor::tls::{ClientTls, Fingerprint, Identity, Roots, ServerTls, TlsError};
use thiserror::Error;

use crate::{output, service};

/// Which certificates a server shows, if any.
#[derive(Args, Clone, Debug, Default)]
pub struct ServeTls {
    /// Speak TLS, with a certificate and its key: PEM files, read again at SIGHUP
    ///
    /// CERT has the certificate, and behind it those that vouch for it; KEY may be the same file. Given again, it is
    /// another one, for other names: a client is shown the first that is for the name it asks for.
    #[arg(long, num_args = 2, value_names = ["CERT", "KEY"])]
    tls: Vec<PathBuf>,

    /// Speak TLS with a certificate made for trying out; its fingerprint is printed, for a client's --tls-pin
    #[arg(long, conflicts_with = "tls")]
    tls_self_signed: bool,
}

/// A server's TLS, and where it comes from. It prints as a line about its certificate.
#[derive(Clone, Debug)]
pub struct Served {
    tls: ServerTls,
    /// What it was read from; `None` if it was made for trying out.
    files: Option<Files>,
    reloads: Arc<Reloads>,
}

/// Its files may be read for one signal while they are still read for the one before, and the older come back last.
#[derive(Debug, Default)]
struct Reloads {
    begun: AtomicU64,
    /// The latest that is shown.
    shown: AtomicU64,
}

/// A certificate for trying out could not be made.
#[derive(Debug, Error)]
#[error("cannot make a certificate: {0}")]
struct NotMade(rcgen::Error);

impl ServeTls {
    /// Whether it was asked for.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        !self.tls.is_empty() || self.tls_self_signed
    }

    /// Reads, or makes, what was asked for. It reads files, so it comes before the loop begins.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or has something else in it.
    pub fn load(&self) -> Result<Option<Served>, Box<dyn Error>> {
        self.load_for(&[])
    }

    /// As [`load`](Self::load), for a server of these protocols (ALPN): who names others is refused.
    ///
    /// # Errors
    ///
    /// As of [`load`](Self::load).
    pub fn load_for(
        &self,
        protocols: &'static [&'static str],
    ) -> Result<Option<Served>, Box<dyn Error>> {
        if self.tls_self_signed {
            let tls = ServerTls::builder(self_signed()?).alpn(protocols).build()?;
            return Ok(Some(Served::new(tls, None)));
        }
        let files = Files { identities: self.tls.clone(), protocols };
        Ok(files.read()?.map(|tls| Served::new(tls, Some(files))))
    }
}

/// Where certificates are, and what they are for.
#[derive(Clone, Debug)]
struct Files {
    /// A certificate and its key, and the next.
    identities: Vec<PathBuf>,
    protocols: &'static [&'static str],
}

impl Files {
    /// `None` if there are none.
    fn read(&self) -> Result<Option<ServerTls>, TlsError> {
        let (pairs, _) = self.identities.as_chunks::<2>();
        let mut identities = pairs.iter().map(|[of, key]| Identity::from_files(of, key));
        let Some(first) = identities.next() else { return Ok(None) };
        let builder = ServerTls::builder(first?).alpn(self.protocols);
        let builder = identities.try_fold(builder, |all, it| it.map(|it| all.identity(it)))?;
        builder.build().map(Some)
    }
}

/// For this machine by its usual names, and for nobody else.
fn self_signed() -> Result<Identity, Box<dyn Error>> {
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names).map_err(NotMade)?;
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    Ok(Identity::from_pem(certificate.as_bytes(), key.as_bytes())?)
}

impl Served {
    fn new(tls: ServerTls, files: Option<Files>) -> Self {
        Self { tls, files, reloads: Arc::default() }
    }

    /// For listeners.
    #[must_use]
    pub fn tls(&self) -> ServerTls {
        self.tls.clone()
    }

    /// Reads the files again at each SIGHUP; see [`reload`](Self::reload).
    ///
    /// # Errors
    ///
    /// If the signal cannot be watched.
    pub fn reload_on_hangup<App: 'static>(&self, registry: &mut Registry<App>) -> io::Result<()> {
        #[cfg(unix)]
        {
            let served = self.clone();
            registry.on_signal(reactor::Signal::Hangup, move |registry, _| {
                served.reload(registry);
            })?;
        }
        let _ = registry;
        Ok(())
    }

    /// Reads the files again, away from the loop, and tells on standard error how it went. Connections go on
    /// as they are; if the files are not fine, or have expired and what is shown has not, everything does.
    pub fn reload<App: 'static>(&self, registry: &mut Registry<App>) {
        let Some(files) = self.files.clone() else {
            return output::complain("the certificate was made for trying out, and stays (SIGHUP)");
        };
        service::notify::reloading();
        let served = self.clone();
        let number = self.reloads.begin();
        let offloaded = registry.offload(
            move || files.read(),
            move |_, _, read| {
                match read {
                    Ok(Ok(new)) => new.iter().for_each(|new| served.take(number, new)),
                    Ok(Err(error)) => stays(error),
                    Err(error) => stays(error),
                }
                service::notify::ready();
            },
        );
        if offloaded.is_err() {
            stays("there is too much other work");
            service::notify::ready();
        }
    }

    /// Shows what was read from now on, unless what was read for a later signal is shown already. Everybody refuses one
    /// that has expired: it does not take the place of one that is good, and is an old file, most often.
    fn take(&self, number: u64, new: &ServerTls) {
        if let (Some(date), None) = (expired(new), expired(&self.tls)) {
            return stays(format_args!("the one in the file EXPIRED on {date}"));
        }
        if !self.reloads.is_latest(number) {
            return;
        }
        self.tls.replace(new);
        output::complain(format_args!("read anew (SIGHUP): {self}"));
    }
}

impl Reloads {
    /// The number of one that begins.
    fn begin(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Notes one that is to be shown; whether none that began later is shown.
    fn is_latest(&self, number: u64) -> bool {
        self.shown.fetch_max(number, Ordering::Relaxed) < number
    }
}

/// The day on which a certificate of these has expired, if one has.
fn expired(tls: &ServerTls) -> Option<impl fmt::Display> {
    tls.expires().filter(|expires| *expires < SystemTime::now()).map(day)
}

fn day(time: SystemTime) -> impl fmt::Display {
    DateTime::<Local>::from(time).format("%Y-%m-%d")
}

fn stays(why: impl fmt::Display) {
    output::complain(format_args!("the certificate stays as it was: {why}"));
}

impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (before, fingerprint) in
            iter::once("").chain(iter::repeat(", ")).zip(self.tls.fingerprints())
        {
            write!(f, "{before}certificate {fingerprint}")?;
        }
        let Some(expires) = self.tls.expires() else { return Ok(()) };
        let date = day(expires);
        match expires.duration_since(SystemTime::now()) {
            Ok(left) => write!(f, ", good until {date}, for {} days", left.as_secs() / 86_400),
            Err(_) => write!(f, ", EXPIRED on {date}"),
        }
    }
}

/// Whom a client trusts, if it speaks TLS.
#[derive(Args, Clone, Debug, Default)]
pub struct CallTls {
    /// Speak TLS; the server's certificate has to be for its name, and vouched for by whom the system trusts
    #[arg(long)]
    tls: bool,

    #[command(flatten)]
    trust: Trust,
}

/// Whom a client trusts when it speaks TLS.
#[derive(Args, Clone, Debug, Default)]
pub struct Trust {
    /// Speak TLS, and trust those of this PEM file instead of those whom the system trusts
    #[arg(long, value_name = "FILE", conflicts_with = "tls_pin")]
    tls_ca: Option<PathBuf>,

    /// Speak TLS, and trust the server with the certificate of this SHA-256, whoever vouches for it
    #[arg(long, value_name = "FINGERPRINT")]
    tls_pin: Vec<Fingerprint>,

    /// Speak TLS with a server whose certificate is for another name than the one in its address
    #[arg(long, value_name = "NAME")]
    tls_name: Option<String>,
}

impl CallTls {
    /// TLS if it is wanted, or if anything was said about whom to trust.
    #[must_use]
    pub fn with(tls: bool, trust: Trust) -> Self {
        Self { tls, trust }
    }

    /// As the words say it: TLS at all, whom to trust instead of those whom the system trusts, by a file or by
    /// fingerprints, and the name of the server if it is another than that of its address. One of them is enough.
    #[must_use]
    pub fn new(
        tls: bool,
        ca: Option<PathBuf>,
        pins: Vec<Fingerprint>,
        name: Option<String>,
    ) -> Self {
        Self { tls, trust: Trust { tls_ca: ca, tls_pin: pins, tls_name: name } }
    }

    /// The same, and TLS anyhow if the address says so.
    #[must_use]
    pub fn or(&self, tls: bool) -> Self {
        Self { tls: self.tls || tls, trust: self.trust.clone() }
    }

    /// What was asked for, to talk to this host. It reads files, so it comes before the loop begins.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, the system trusts nobody, or no certificate can be for such a name.
    pub fn load(&self, host: Option<&str>) -> Result<Option<ClientTls>, TlsError> {
        if !self.tls && !self.trust.is_given() {
            return Ok(None);
        }
        self.trust.load(host, &[]).map(Some)
    }
}

impl Trust {
    /// Whether anything was said about it.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.tls_ca.is_some() || !self.tls_pin.is_empty() || self.tls_name.is_some()
    }

    /// What was asked for, to talk to this host, or to whatever host one connects to, in these protocols (ALPN).
    ///
    /// # Errors
    ///
    /// As of [`CallTls::load`].
    pub fn load(&self, host: Option<&str>, protocols: &[&str]) -> Result<ClientTls, TlsError> {
        let Self { tls_ca, tls_pin, tls_name } = self;
        let builder = match tls_ca {
            _ if !tls_pin.is_empty() => ClientTls::builder_pinned(tls_pin),
            Some(file) => ClientTls::builder(Roots::from_file(file)?),
            None => ClientTls::builder(Roots::system()?),
        };
        let client = builder.alpn(protocols).build()?;
        // A server that is known by its certificate need not have a name, of a Unix socket say.
        let nameless = (!tls_pin.is_empty()).then_some("localhost");
        match tls_name.as_deref().or(host).or(nameless) {
            Some(name) => client.to(name),
            None => Ok(client),
        }
    }
}

/// Whom a proxy trusts behind itself.
#[derive(Args, Clone, Debug, Default)]
pub struct BackendTrust {
    /// Speak TLS with the backends, and trust those of this PEM file instead of those whom the system trusts
    #[arg(long, value_name = "FILE", conflicts_with = "backend_pin")]
    backend_ca: Option<PathBuf>,

    /// Speak TLS with the backends, and trust those with the certificate of this SHA-256, whoever vouches for them
    #[arg(long, value_name = "FINGERPRINT")]
    backend_pin: Vec<Fingerprint>,

    /// Speak TLS with backends whose certificates are for another name than those in their addresses
    #[arg(long, value_name = "NAME")]
    backend_name: Option<String>,
}

impl BackendTrust {
    /// What each backend is held to, as a client.
    #[must_use]
    pub fn trust(&self) -> Trust {
        let Self { backend_ca, backend_pin, backend_name } = self.clone();
        Trust { tls_ca: backend_ca, tls_pin: backend_pin, tls_name: backend_name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_for_trying_out_is_fine_and_says_how_long() {
        let options = ServeTls { tls_self_signed: true, ..ServeTls::default() };
        let served = options.load().expect("it can be made").expect("it was asked for");
        let line = served.to_string();
        assert!(line.starts_with("certificate ") && line.contains(", good until "), "{line}");
    }

    #[test]
    fn what_was_read_for_an_older_signal_does_not_take_the_place_of_newer() {
        let options = ServeTls { tls_self_signed: true, ..ServeTls::default() };
        let made = || options.load().expect("it can be made").expect("it was asked for");
        let (served, new, newer) = (made(), made().tls, made().tls);
        let (first, second) = (served.reloads.begin(), served.clone().reloads.begin());
        served.take(second, &newer);
        served.take(first, &new);
        assert_eq!(served.tls.fingerprints(), newer.fingerprints());
        served.take(served.reloads.begin(), &new);
        assert_eq!(served.tls.fingerprints(), new.fingerprints());
    }

    #[test]
    fn each_option_of_a_client_is_enough_to_speak_tls() {
        assert_eq!(CallTls::default().load(Some("localhost")).expect("nothing is read"), None);
        let pin = CallTls::new(false, None, vec![Fingerprint::of(b"")], None);
        assert!(pin.load(None).expect("it is fine").is_some());
        let nowhere = CallTls::new(false, Some("/nowhere".into()), Vec::new(), None);
        assert!(matches!(nowhere.load(None), Err(TlsError::Read { .. })));
    }
}
