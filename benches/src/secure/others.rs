//! The servers that people have: one process or thread each does the work, and none writes a log.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;

use crate::Result;
use crate::clients::askers::Asked;
use crate::loaded::Start;
use crate::program::{Program, Server, free_address};
use crate::webs::{Web, nginx};

pub(super) fn nginx(files: &Path) -> Result<Server> {
    let (here, root, hello) = (TempDir::new()?, files.display(), super::HELLO);
    let address = free_address()?;
    let http = format!(
        "keepalive_timeout 600;\n\
         ssl_protocols TLSv1.2 TLSv1.3;\n\
         ssl_certificate {root}/certificate.pem;\n\
         ssl_certificate_key {root}/key.pem;\n\
         server {{\n\
         listen {address} ssl;\n\
         root {root};\n\
         location = / {{ return 200 \"{hello}\"; }}\n\
         }}\n"
    );
    let program = nginx::program(here.path(), 20_000, &http)?;
    program.start_with(here, address)
}

pub(super) fn haproxy(files: &Path) -> Result<Server> {
    let program = Program::installed("haproxy", "-v", "HAProxy version ")?;
    let (address, root, hello) = (free_address()?, files.display(), super::HELLO);
    let text = format!(
        "global\n\
         nbthread 1\n\
         maxconn 4000\n\
         defaults\n\
         mode http\n\
         timeout client 600s\n\
         timeout server 600s\n\
         timeout connect 5s\n\
         frontend hello\n\
         bind {address} ssl crt {root}/both.pem\n\
         http-request return status 200 content-type text/plain string \"{hello}\"\n"
    );
    start(&program.with("-q").with("-f"), &text, address)
}

pub(super) fn stunnel(files: &Path) -> Result<Server> {
    // Its name is in the second line of what it says.
    let program = Program::installed("stunnel4", "-version", "Initializing inetd mode")?;
    let (address, root, backend) = (free_address()?, files.display(), backend()?);
    let text = format!(
        "foreground = yes\n\
         pid =\n\
         debug = crit\n\
         [hello]\n\
         accept = {address}\n\
         connect = {}\n\
         cert = {root}/certificate.pem\n\
         key = {root}/key.pem\n",
        backend.address()
    );
    Ok(start(&program, &text, address)?.keeping(backend))
}

pub(super) fn hitch(files: &Path) -> Result<Server> {
    let program = Program::installed("hitch", "--version", "hitch ")?;
    let (address, root, backend) = (free_address()?, files.display(), backend()?);
    let to = backend.address();
    let text = format!(
        "frontend = \"[{}]:{}\"\n\
         backend = \"[{}]:{}\"\n\
         pem-file = \"{root}/both.pem\"\n\
         workers = 1\n\
         daemon = off\n\
         quiet = on\n\
         tls-protos = TLSv1.2 TLSv1.3\n",
        address.ip(),
        address.port(),
        to.ip(),
        to.port(),
    );
    // It does not work as root.
    let user = if rustix::process::geteuid().is_root() { "user = \"nobody\"\n" } else { "" };
    let program = program.with("--config");
    Ok(start(&program, &(text + user), address)?.keeping(backend))
}

/// A web server without TLS, for those that only take it off.
fn backend() -> Result<Server> {
    Web::Mio.start(Start::Here)
}

/// Starts a program whose last argument is the file with its settings.
fn start(program: &Program, settings: &str, address: SocketAddr) -> Result<Server> {
    let here = TempDir::new()?;
    let file = here.path().join("settings");
    fs::write(&file, settings)?;
    program.clone().with(file.display()).start_with(here, address)
}
