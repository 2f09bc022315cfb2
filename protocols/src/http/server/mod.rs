//! The server's side.
//!
//! ```
//! use std::rc::Rc;
//!
//! use http::StatusCode;
//! use protocols::http::server::{self, Router, Site};
//! use reactor::{ListenOptions, Reactor};
//!
//! let mut router = Router::new();
//! router.get("/hello/{name}", |request, exchange, visits: &mut u64| {
//!     *visits += 1;
//!     let greeting = format!("Hello, {}!", request.parameter("name").unwrap_or_default());
//!     exchange.answer(StatusCode::OK).text(&greeting);
//! });
//! let site = Rc::new(Site::new(router.into_handler()));
//!
//! let mut reactor = Reactor::<u64>::new()?;
//! let registry = reactor.registry();
//! let listener = server::listen(registry, "127.0.0.1:0".parse()?, &ListenOptions::default(), &site)?;
//! println!("http://{}", registry.listener_address(listener)?);
//! # registry.shutdown(std::time::Duration::ZERO);
//! reactor.run(&mut 0)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How a request is answered
//!
//! A handler is given the [`Request`](super::wire::Request)'s head and an [`Exchange`] to answer on, and the
//! application. It may answer [at once](Exchange::answer), or remember [`Exchange::id`] and answer
//! [later](with), or have the loop's pool do what blocks ([`Exchange::offload`]). The body of a request is
//! for who asks for it: [gathered](Exchange::gather) with a cap, or [as it comes](Exchange::receive). The
//! body of an answer is bytes, a file, or [a stream](Answer::stream) that is written whenever there is room.
//!
//! Requests that come on one connection before their predecessors are answered wait, and are answered in
//! order. The connection is not read while it waits, so that nobody can make it hold more than one read.
//!
//! | file | what it is |
//! |---|---|
//! | `site` | what the connections share: the handler, the settings |
//! | `session` | one connection |
//! | `exchange` | one request of it, and its answer |
//! | `aside` | what there is of some exchanges only |
//! | `answer` | the head of an answer, and what its body is |
//! | `receiving` | who takes the body of a request |
//! | `sending` | an answer whose body is written bit by bit |
//! | `router` | which handler, by method and path |
//! | `files` | files out of a tree, and directories as pages |
//! | `events` | server-sent events |
//! | `record` | what there is to say of an exchange when it is over |

mod answer;
mod aside;
mod events;
mod exchange;
mod files;
mod receiving;
mod record;
mod router;
mod sending;
mod session;
mod site;

pub use answer::Answer;
pub use events::{Event, write_event};
pub use exchange::{Exchange, ExchangeId, Kept, NotUpgraded, with};
pub use files::{Files, FilesOptions};
pub use receiving::Receiver;
pub use record::Record;
pub use router::{Routed, Router};
pub use sending::Source;
pub use session::Session;
pub use site::{Handler, Settings, Site, listen, listen_among};
