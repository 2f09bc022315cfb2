//! jayson, as its examples of servers, on Node.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;

use crate::Result;
use crate::program::{Server, free_address, node_library};

/// A server of such a transport.
pub(super) fn start(transport: &str) -> Result<Server> {
    let (node, library) = node_library("jayson")?;
    let (directory, address) = (TempDir::new()?, free_address()?);
    let file = directory.path().join("server.js");
    fs::write(&file, text(&library, transport, address))?;
    node.with(file.display()).start_with(directory, address)
}

fn text(library: &Path, transport: &str, address: SocketAddr) -> String {
    let (library, host, port) = (library.display(), address.ip(), address.port());
    let server = format!(
        "const jayson = require('{library}');\n\
         const server = new jayson.Server({{\n\
         sum: (numbers, done) => done(null, numbers.reduce((sum, number) => sum + number, 0)),\n\
         }});\n"
    );
    server
        + &match transport {
            "websocket" => format!("server.websocket({{ host: '{host}', port: {port} }});\n"),
            _ => format!("server.{transport}().listen({port}, '{host}');\n"),
        }
}
