//! A server as it is found in a URL: its addresses, whether it is talked to by TLS, and who logs in.

use std::error::Error;

use examples::endpoint::HostPort;
use examples::tls::CallTls;
use protocols::transfer::ftp::client::{Login, Security};
use protocols::transfer::ftp::command::Secret;
use reactor::Address;

use crate::password::password_for;
use crate::url::{Scheme, Url};

/// A server.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// As a person knows it.
    pub(crate) name: String,
    /// Where it is: one place over FTP, whose addresses the loop tries; at least one over TFTP.
    pub(crate) addresses: Vec<Address>,
    /// Who logs in, where anybody does.
    pub(crate) login: Login,
    /// Whether what is said to it is protected.
    pub(crate) security: Security,
    key: (Scheme, String, Option<String>, Option<String>),
}

/// The servers of several URLs, each once.
#[derive(Debug)]
pub(crate) struct Sites {
    known: Vec<Site>,
    tls: CallTls,
}

impl Sites {
    /// None so far; what is said of TLS is for each of them.
    pub(crate) fn new(tls: &CallTls) -> Self {
        Self { known: Vec::new(), tls: tls.clone() }
    }

    /// The number of a URL's server. It may look up a name, and ask for a password, and wait for both.
    pub(crate) fn find(&mut self, url: &Url) -> Result<usize, Box<dyn Error>> {
        let name = url.host_and_port();
        let key = (url.scheme, name.clone(), url.user.clone(), url.password.clone());
        if let Some(known) = self.known.iter().position(|site| site.key == key) {
            return Ok(known);
        }
        let place: HostPort = name.parse()?;
        let mut addresses = match url.scheme {
            Scheme::Ftp | Scheme::Ftps => vec![place.address()?],
            Scheme::Tftp(_) => place.resolve()?,
        };
        // Not every system says that nobody listens there: then a wrong guess costs a minute, and most
        // servers of TFTP know IPv4 alone.
        addresses.sort_by_key(|address| address.ip().is_some_and(|ip| ip.is_ipv6()));
        let security = security(url, &self.tls)?;
        self.known.push(Site { name, addresses, login: login(url)?, security, key });
        Ok(self.known.len() - 1)
    }

    pub(crate) fn into_vec(self) -> Vec<Site> {
        self.known
    }
}

/// TLS from the beginning where the URL says so, and from AUTH TLS on where the options do.
fn security(url: &Url, tls: &CallTls) -> Result<Security, Box<dyn Error>> {
    let is_implicit = url.scheme == Scheme::Ftps;
    match tls.or(is_implicit).load(Some(&url.host))? {
        None => Ok(Security::Clear),
        Some(_) if !url.scheme.is_ftp() => {
            Err(format!("{url}: TLS is not spoken over TFTP").into())
        }
        Some(tls) if is_implicit => Ok(Security::Implicit(tls)),
        Some(tls) => Ok(Security::Explicit(tls)),
    }
}

fn login(url: &Url) -> Result<Login, Box<dyn Error>> {
    let Some(user) = url.user.as_ref().filter(|_| url.scheme.is_ftp()) else {
        return Ok(Login::default());
    };
    let password = match &url.password {
        Some(password) => password.clone(),
        None if protocols::transfer::ftp::users::is_anonymous(user) => return Ok(Login::default()),
        None => password_for(&format!("{user}@{}", url.host))?,
    };
    Ok(Login { user: user.clone().into_bytes(), password: Secret(password.into_bytes()) })
}
