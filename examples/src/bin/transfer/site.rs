//! A server as it is found in a URL: its addresses, and who logs in.

use std::error::Error;

use examples::endpoint::HostPort;
use protocols::transfer::ftp::client::Login;
use protocols::transfer::ftp::command::Secret;
use reactor::Address;

use crate::password::password_for;
use crate::url::{Scheme, Url};

/// A server.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// As a person knows it.
    pub(crate) name: String,
    /// Where it is: at least one place.
    pub(crate) addresses: Vec<Address>,
    /// Who logs in, where anybody does.
    pub(crate) login: Login,
    key: (String, Option<String>, Option<String>),
}

/// The servers of several URLs, each once.
#[derive(Debug, Default)]
pub(crate) struct Sites(Vec<Site>);

impl Sites {
    /// The number of a URL's server. It may look up a name, and ask for a password, and wait for both.
    pub(crate) fn find(&mut self, url: &Url) -> Result<usize, Box<dyn Error>> {
        let key = (url.host_and_port(), url.user.clone(), url.password.clone());
        if let Some(known) = self.0.iter().position(|site| site.key == key) {
            return Ok(known);
        }
        let place: HostPort = key.0.parse()?;
        let mut addresses = match url.scheme {
            // The loop looks it up, and tries its addresses.
            Scheme::Ftp => vec![place.address()?],
            Scheme::Tftp(_) => place.resolve()?,
        };
        if url.scheme != Scheme::Ftp {
            // Not every system says that nobody listens there: then a wrong guess costs a minute, and most
            // servers of TFTP know IPv4 alone.
            addresses.sort_by_key(|address| address.ip().is_some_and(|ip| ip.is_ipv6()));
        }
        self.0.push(Site { name: key.0.clone(), addresses, login: login(url)?, key });
        Ok(self.0.len() - 1)
    }

    pub(crate) fn into_vec(self) -> Vec<Site> {
        self.0
    }
}

fn login(url: &Url) -> Result<Login, Box<dyn Error>> {
    let (Scheme::Ftp, Some(user)) = (url.scheme, &url.user) else {
        return Ok(Login::default());
    };
    let password = match &url.password {
        Some(password) => password.clone(),
        None if protocols::transfer::ftp::users::is_anonymous(user) => return Ok(Login::default()),
        None => password_for(&format!("{user}@{}", url.host))?,
    };
    Ok(Login { user: user.clone().into_bytes(), password: Secret(password.into_bytes()) })
}
