//! What both sides agree on about compression (RFC 7692, 7.1).
//!
//! | parameter | in an offer | in an answer |
//! |---|---|---|
//! | `server_no_context_takeover` | the server shall keep nothing | it does not |
//! | `client_no_context_takeover` | the client can do without | it has to |
//! | `server_max_window_bits=N` | the server's window, at most | it is that |
//! | `client_max_window_bits[=N]` | the client can have a smaller window | it has to |

use std::fmt::Write;

use super::Role;
use super::fields::{Fields, split};
use crate::websocket::DeflateOptions;
use crate::websocket::wire::Context;

const NAME: &str = "permessage-deflate";

/// How each side compresses its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// What the server keeps from one message to the next.
    pub server: Context,
    /// What the client keeps from one message to the next.
    pub client: Context,
    /// The server's window, 9 to 15 bits.
    pub server_bits: u8,
    /// The client's window, 8 to 15 bits. With 8, which zlib cannot keep to, it compresses nothing: it need
    /// not (6.1).
    pub client_bits: u8,
}

/// The parameters, as they are written. `None` is one that is not there.
#[derive(Debug, Default)]
struct Parameters {
    server_fresh: Option<()>,
    client_fresh: Option<()>,
    server_bits: Option<u8>,
    /// Without a value it says that the parameter is understood.
    client_bits: Option<Option<u8>>,
}

impl Agreement {
    /// Takes the first offer that can be taken; what is answered to it is [`answer`](Self::answer).
    pub(super) fn choose(fields: &Fields<'_>, options: &DeflateOptions) -> Option<Self> {
        fields
            .list("sec-websocket-extensions")
            .filter_map(Parameters::parse)
            .find_map(|offer| Self::accept(&offer, options))
    }

    fn accept(offer: &Parameters, options: &DeflateOptions) -> Option<Self> {
        let most = options.window_bits.clamp(9, 15);
        let server_bits = match offer.server_bits {
            // zlib cannot: the next offer, or none.
            Some(8) => return None,
            Some(bits) => bits.min(most),
            None => most,
        };
        Some(Self {
            server: options.context(offer.server_fresh.is_some()),
            client: options.context(offer.client_fresh.is_some()),
            server_bits,
            // Whoever inflates has the largest window anyway.
            client_bits: 15,
        })
    }

    /// What a server says to it.
    pub(super) fn answer(self) -> String {
        let mut answer = NAME.to_owned();
        for (context, name) in [(self.server, "server"), (self.client, "client")] {
            if context == Context::Fresh {
                let _ = write!(answer, "; {name}_no_context_takeover");
            }
        }
        if self.server_bits < 15 {
            let _ = write!(answer, "; server_max_window_bits={}", self.server_bits);
        }
        answer
    }

    /// What a client asks for.
    pub(super) fn offer(options: &DeflateOptions) -> String {
        let fresh = "; server_no_context_takeover; client_no_context_takeover";
        let fresh = if options.context_takeover { "" } else { fresh };
        format!("{NAME}{fresh}; client_max_window_bits")
    }

    /// What a server's answer to that means; `None` if it is none to it.
    pub(super) fn check(answer: &str, options: &DeflateOptions) -> Option<Self> {
        let answer = Parameters::parse(answer)?;
        let most = options.window_bits.clamp(9, 15);
        let client_bits = match answer.client_bits {
            None => most,
            Some(bits) => bits?.min(most),
        };
        // A server that keeps its context though it was asked not to is understood all the same.
        let server = answer.server_fresh.map_or(Context::Kept, |()| Context::Fresh);
        Some(Self {
            server,
            client: options.context(answer.client_fresh.is_some()),
            server_bits: 15,
            client_bits,
        })
    }

    /// What the side with this role keeps, and its window.
    #[must_use]
    pub fn of(self, role: Role) -> (Context, u8) {
        match role {
            Role::Server => (self.server, self.server_bits),
            Role::Client => (self.client, self.client_bits),
        }
    }
}

impl DeflateOptions {
    /// What a side keeps that may have been told to keep nothing.
    fn context(&self, fresh: bool) -> Context {
        if fresh || !self.context_takeover { Context::Fresh } else { Context::Kept }
    }
}

impl Parameters {
    /// Reads one offer, or an answer; `None` if it is another extension, or has a parameter that is
    /// unknown, twice there, or wrong (7.1: then it is declined).
    fn parse(extension: &str) -> Option<Self> {
        let mut parts = split(extension, ';').map(str::trim);
        if parts.next() != Some(NAME) {
            return None;
        }
        let mut parameters = Self::default();
        for part in parts {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name.trim(), Some(unquoted(value.trim()))),
                None => (part, None),
            };
            parameters.add(name, value)?;
        }
        Some(parameters)
    }

    fn add(&mut self, name: &str, value: Option<&str>) -> Option<()> {
        let twice = match (name, value) {
            ("server_no_context_takeover", None) => self.server_fresh.replace(()).is_some(),
            ("client_no_context_takeover", None) => self.client_fresh.replace(()).is_some(),
            ("server_max_window_bits", Some(value)) => {
                self.server_bits.replace(bits(value)?).is_some()
            }
            ("client_max_window_bits", None) => self.client_bits.replace(None).is_some(),
            ("client_max_window_bits", Some(value)) => {
                self.client_bits.replace(Some(bits(value)?)).is_some()
            }
            _ => return None,
        };
        (!twice).then_some(())
    }
}

/// 8 to 15, without a zero in front (7.1.2).
fn bits(value: &str) -> Option<u8> {
    match value {
        "8" | "9" | "10" | "11" | "12" | "13" | "14" | "15" => value.parse().ok(),
        _ => None,
    }
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server with these options answers to this list of offers.
    fn answer(offers: &str, options: &DeflateOptions) -> Option<String> {
        let fields = [("Sec-WebSocket-Extensions", offers.as_bytes())].into_iter().collect();
        Agreement::choose(&fields, options).map(Agreement::answer)
    }

    fn keeping() -> DeflateOptions {
        DeflateOptions { context_takeover: true, ..DeflateOptions::default() }
    }

    #[test]
    fn nothing_is_kept_unless_that_is_wanted_here_and_there() {
        let fresh = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        assert_eq!(
            answer("permessage-deflate", &DeflateOptions::default()).as_deref(),
            Some(fresh)
        );
        for (offer, expected) in [
            ("permessage-deflate", "permessage-deflate"),
            ("permessage-deflate; client_max_window_bits", "permessage-deflate"),
            (
                "permessage-deflate; server_no_context_takeover",
                "permessage-deflate; server_no_context_takeover",
            ),
            (
                "permessage-deflate;client_no_context_takeover ; server_max_window_bits=\"10\"",
                "permessage-deflate; client_no_context_takeover; server_max_window_bits=10",
            ),
        ] {
            assert_eq!(answer(offer, &keeping()).as_deref(), Some(expected), "{offer}");
        }
    }

    #[test]
    fn an_offer_that_cannot_be_taken_is_passed_over_for_the_next() {
        for declined in [
            "x-webkit-deflate-frame",
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=09",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_max_window_bits; client_max_window_bits",
            "permessage-deflate; window=15",
        ] {
            assert_eq!(answer(declined, &keeping()), None, "{declined}");
            let two = format!("{declined}, permessage-deflate");
            assert_eq!(
                answer(&two, &keeping()).as_deref(),
                Some("permessage-deflate"),
                "{declined}"
            );
        }
    }

    #[test]
    fn a_client_takes_what_it_offered_and_nothing_else() {
        let options = DeflateOptions::default();
        let offer = Agreement::offer(&options);
        let taken = offer.replace("client_max_window_bits", "client_max_window_bits=9");
        let agreed = Agreement::check(&taken, &options).expect("it is agreed");
        assert_eq!((agreed.server, agreed.client), (Context::Fresh, Context::Fresh));
        assert_eq!(agreed.of(Role::Client), (Context::Fresh, 9));
        let kept = Agreement::check("permessage-deflate; server_max_window_bits=9", &options);
        assert_eq!(kept.map(|it| it.server), Some(Context::Kept));
        for wrong in ["permessage-deflate; client_max_window_bits", "permessage-bzip2"] {
            assert_eq!(Agreement::check(wrong, &options), None);
        }
    }
}
