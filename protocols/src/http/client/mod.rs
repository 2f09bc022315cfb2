//! The client's side: requests to servers, over connections that are kept.
//!
//! ```text
//!  request ──▶ queue of the address ──▶ Connection ──▶ Reader: head, pieces, end
//!                     ▲                  │ answered: the next one, or idle
//!                     └── lost unanswered, and may be sent again ──┘
//! ```
//!
//! ```no_run
//! use protocols::http::client::{Ask, Call, Client, ClientOptions, Failure, Reader, Url};
//! use protocols::http::wire::Response;
//! use reactor::{Reactor, Registry};
//! use std::time::Duration;
//!
//! /// Prints what it gets.
//! struct Print;
//!
//! impl Reader<()> for Print {
//!     fn on_head(&mut self, response: &Response<'_>, _: &mut Call<'_, '_, ()>, _: &mut ()) {
//!         println!("{}", response.status());
//!     }
//!     fn on_body(&mut self, bytes: &[u8], _: &mut Call<'_, '_, ()>, _: &mut ()) {
//!         print!("{}", String::from_utf8_lossy(bytes));
//!     }
//!     fn on_end(self: Box<Self>, outcome: Result<(), Failure>, registry: &mut Registry<()>, _: &mut ()) {
//!         println!("{outcome:?}");
//!         registry.shutdown(Duration::ZERO);
//!     }
//! }
//!
//! let mut reactor = Reactor::<()>::new()?;
//! let client = Client::new(ClientOptions::default());
//! let url: Url = "http://127.0.0.1:8080/".parse()?;
//! client.send(reactor.registry(), &"127.0.0.1:8080".parse()?, Ask::get(&url), Print);
//! reactor.run(&mut ())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `url` | `http://host:port/path?query`, and where a Location leads |
//! | `redirect` | what is asked for next after a 3xx |
//! | `ask` | a request, as it goes out |
//! | `call` | a request that is under way: its body, its end |
//! | `route` | the way to a server: straight, or through a proxy |
//! | `socks` | asking a SOCKS proxy for that |
//! | `decoded` | answers that come compressed |
//! | `failure` | how a request can fail |
//! | `timed` | a time for the whole of a request |
//! | `limits` | every bound, its default, and the reason for it |
//! | `pool` | what waits for which server, and which connections are idle |
//! | `connection` | one connection: one request after the other |
//! | `way` | what comes before the first of them: a proxy that is asked, TLS |
//! | `reader` | who takes the answer |
//! | `lost` | what becomes of a request whose connection has ended |

mod ask;
mod call;
mod connection;
mod decoded;
mod failure;
mod limits;
mod lost;
mod pool;
mod reader;
mod redirect;
mod route;
mod socks;
mod timed;
mod url;
mod way;

pub use ask::{Ask, Payload};
pub use call::{Call, CallId, with};
pub use connection::Connection;
pub use decoded::Decoded;
pub use failure::Failure;
pub use limits::ClientLimits;
pub use pool::{Client, ClientOptions};
pub use reader::Reader;
pub use redirect::{Redirect, redirect};
pub use route::Route;
pub use socks::{SocksRefusal, SocksUser};
pub use url::{NoUrl, Scheme, Url};

use route::Proxied;
