//! A program's own subcommands, while its server runs: JSON-RPC over a Unix socket that only its owner can
//! open.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use protocols::rpc::wire::{self, Message, Text};
use protocols::rpc::{self, Dialect, ServerOptions, Service};
use reactor::{Address, ListenOptions, OpenError, Registry};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How long an answer may take: longer than a disk does.
const PATIENCE: Duration = Duration::from_secs(60);

/// How deep an answer may be nested: deeper than any is.
const DEPTH: usize = 64;

/// Listens there for whoever may open the file: its owner (mode 0600). It has that mode before anybody can connect.
///
/// # Errors
///
/// If something else is there, or may not be made there.
pub fn listen<App: 'static>(
    registry: &mut Registry<App>,
    path: &Path,
    service: Service<App>,
) -> Result<(), OpenError> {
    let listen = ListenOptions { unix_mode: Some(0o600), ..ListenOptions::default() };
    let options = ServerOptions { listen, ..ServerOptions::default() };
    rpc::listen(registry, Address::from(path), &options, Rc::new(service)).map(drop)
}

/// Asks a server that runs, and waits for its answer.
///
/// # Errors
///
/// If nobody is there, or if the answer is an error: it is a sentence for whoever asked.
pub fn ask<R: DeserializeOwned>(
    path: &Path,
    method: &str,
    params: &impl Serialize,
) -> Result<R, Box<dyn Error>> {
    let absent = |error| format!("no server can be reached at {}: {error}", path.display());
    let mut stream = UnixStream::connect(path).map_err(absent)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = json!({ "jsonrpc": "2.0", "method": method, "params": params, "id": 1 });
    stream.write_all(format!("{request}\n").as_bytes()).map_err(absent)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).map_err(absent)?;
    match wire::read(line.as_bytes(), Dialect::Two, DEPTH) {
        Ok(Text::One(Message::Response { result: Ok(result), .. })) => {
            Ok(serde_json::from_slice(result)?)
        }
        Ok(Text::One(Message::Response { result: Err(error), .. })) => Err(sentence(&error).into()),
        _ => Err(format!("what listens at {} gives no answer", path.display()).into()),
    }
}

/// Somebody, by name.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct Name {
    /// Whom.
    pub name: String,
}

impl Name {
    /// Of whom it is.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self { name: name.to_owned() }
    }
}

/// An error that is to be told as it is told without a socket between.
#[must_use]
pub fn refused(why: impl ToString) -> rpc::Error {
    rpc::Error::new(1, why.to_string())
}

fn sentence(error: &rpc::Error) -> String {
    if error.code == 1 { error.message.to_string() } else { error.to_string() }
}
