//! What the programs share: how a person names a server, what goes to the terminal, and how to stop.
//!
//! | module | what it is |
//! |---|---|
//! | [`endpoint`] | `HOST:PORT`, `udp:HOST:PORT` and `unix:PATH`, as words on a command line |
//! | [`advice`] | what a person can do about a socket that could not be opened |
//! | [`bars`] | progress, for a person at a terminal |
//! | [`calls`] | methods to try JSON-RPC with |
//! | [`key_value`] | the server of the chapter that builds one |
//! | [`loops`] | a server on several cores |
//! | [`names`] | nicks and channels of chat, as words on a command line |
//! | [`output`] | standard output and error, whose readers may be gone |
//! | [`page`] | a page for browsers: chat and files |
//! | [`part`] | a file that is whole or called a part, and what is no file |
//! | [`proxied`] | a server behind proxies: whom of them it believes |
//! | [`stdin`] | standard input, which can only be read by waiting |
//! | `control` | subcommands of a program that runs, over a Unix socket |
//! | [`torrents`] | a torrent that a program gives to others, beside whatever else it does |
//! | [`tls`] | TLS: which certificate a server shows, whom a client trusts |
//! | `service` | to be a service: sockets from outside, readiness, another user, a successor |
//! | [`stop`] | Ctrl-C: drain, then report; twice: at once |

#![forbid(unsafe_code)]

pub mod advice;
pub mod bars;
#[cfg(doctest)]
mod book;
pub mod calls;
#[cfg(unix)]
pub mod control;
pub mod endpoint;
pub mod key_value;
pub mod loops;
pub mod names;
pub mod output;
pub mod page;
pub mod part;
pub mod proxied;
#[cfg(unix)]
pub mod service;
pub mod stdin;
pub mod stop;
pub mod tls;
pub mod torrents;
