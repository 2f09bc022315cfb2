//! What is asked of a backend, whichever it will be.

use http::Method;
use reactor::Address;

use super::fields::{self, Passing};
use super::{Backend, NotPassed, ProxyOptions};
use crate::http::client::{Ask, Payload};
use crate::http::wire::{Framing, Length, Request, decode_path};

/// What is asked of a backend, whichever it will be.
#[derive(Debug)]
pub(super) struct Outline {
    method: Method,
    /// Path and query, as they came.
    target: String,
    leads_upwards: bool,
    /// The name the client used.
    host: Option<Vec<u8>>,
    fields: Vec<u8>,
    body: Option<Length>,
    expects_continue: bool,
    upgrade: Option<Vec<u8>>,
}

impl Outline {
    pub(super) fn new(
        request: &Request<'_>,
        peer: Address,
        options: &ProxyOptions,
    ) -> Result<Self, NotPassed> {
        let all = request.fields();
        if is_own(request, &options.name) {
            return Err(NotPassed::Loop);
        }
        let method = match request.method().parse() {
            Ok(Method::TRACE) | Err(_) => return Err(NotPassed::Method),
            Ok(method) => method,
        };
        let steps = all.get_only("max-forwards").filter(|_| method == Method::OPTIONS);
        let steps: Option<u64> =
            steps.and_then(|steps| std::str::from_utf8(steps).ok()?.trim().parse().ok());
        if steps == Some(0) {
            return Err(NotPassed::ForUs);
        }
        let target = request.target();
        let host = target.authority().map(str::as_bytes).or_else(|| all.get("host"));
        let passing = Passing::new(all)?;
        let meaning = request.meaning();
        let client = fields::Client { peer, host, is_old: meaning.is_old, steps };
        let fields = fields::for_backend(&passing, &client, options);
        let body = match meaning.framing {
            Framing::Length(0) => None,
            Framing::Length(length) => Some(Length::Exact(length)),
            Framing::Chunked | Framing::UntilEnd => Some(Length::Open),
        };
        let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
        Ok(Self {
            method,
            target: format!("{}{query}", target.path()),
            leads_upwards: leads_upwards(target.path()),
            host: host.filter(|host| !host.is_empty()).map(<[u8]>::to_vec),
            fields,
            expects_continue: meaning.expects_continue,
            upgrade: request
                .upgrade()
                .filter(|asked| {
                    let is_it = |it: &String| asked.eq_ignore_ascii_case(it.as_bytes());
                    body.is_none() && options.upgrades.iter().any(is_it)
                })
                .map(<[u8]>::to_vec),
            body,
        })
    }

    /// As this backend is asked.
    pub(super) fn ask<App: 'static>(
        &self,
        backend: &Backend<App>,
        options: &ProxyOptions,
    ) -> Result<Ask, NotPassed> {
        let prefix = if self.target == "*" { "" } else { backend.prefix() };
        // Who is to reach a part of the backend is not to reach its neighbours.
        if !prefix.is_empty() && self.leads_upwards {
            return Err(NotPassed::Path);
        }
        let target = format!("{prefix}{}", self.target);
        let named = self.host.clone().filter(|_| !options.rewrite_host);
        let host = named.unwrap_or_else(|| backend.host().into_bytes());
        let mut ask = Ask::with_target(self.method.clone(), &target, host);
        ask = ask.written_fields(&self.fields);
        if let Some(length) = self.body {
            ask = ask.with_payload(Payload::Open(length));
        }
        if let Some(name) = &self.upgrade {
            ask = ask.upgrading_to(name);
        }
        Ok(if self.expects_continue { ask.expecting_continue() } else { ask })
    }

    pub(super) fn is_get(&self) -> bool {
        self.method == Method::GET
    }

    pub(super) fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }

    /// Whether it may be sent again though it may have been received (RFC 9110, 9.2.2).
    pub(super) fn is_repeatable(&self) -> bool {
        self.method.is_idempotent() && self.body.is_none()
    }
}

/// Whether this proxy is among those that passed the request on (RFC 9110, 7.6.3): `1.1 name (comment)`.
fn is_own(request: &Request<'_>, name: &str) -> bool {
    request.fields().list("via").any(|member| {
        let received_by = member.split(u8::is_ascii_whitespace).nth(1);
        received_by == Some(name.as_bytes())
    })
}

/// Whether a name in it is `..`, perhaps encoded; or it cannot be told, since it is malformed.
fn leads_upwards(path: &str) -> bool {
    let Ok(decoded) = decode_path(path) else {
        return true;
    };
    // Some servers take a backslash for a slash, and cut off what stands behind a semicolon.
    decoded.split(|byte| matches!(byte, b'/' | b'\\' | b';')).any(|name| name == b"..")
}
