//! jayson, as its examples of servers, on Node.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::Result;
use crate::program::{Program, free_address};

/// A server of such a transport: its file, Node, and where it will listen.
pub(super) fn prepare(transport: &str) -> Result<(TempDir, Program, SocketAddr)> {
    let node = Program::installed("node", "--version", "v")?;
    let root = Command::new("npm").args(["root", "--global"]).output();
    let root = root.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let library = Path::new(&root.unwrap_or_default()).join("jayson");
    if !library.join("package.json").is_file() {
        return Err("jayson is not installed (npm install --global jayson)".into());
    }
    let (directory, address) = (TempDir::new()?, free_address()?);
    let file = directory.path().join("server.js");
    fs::write(&file, text(&library, transport, address))?;
    Ok((directory, node.with(file.display()), address))
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
