//! nginx: one process, no log, connections that last.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::Result;
use crate::program::Program;

/// Where distributions put it; not everybody has that in their path.
const PLACES: [&str; 3] = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"];

/// Its files, the program, and where it will listen.
pub(super) fn prepare() -> Result<(TempDir, Program, SocketAddr)> {
    let path = find().ok_or("nginx is not installed")?;
    let directory = super::write_file()?;
    // It cannot choose a port by itself. That somebody else takes this one meanwhile is unlikely, and
    // would be told.
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let settings = directory.path().join("nginx.conf");
    fs::write(&settings, text(directory.path(), address))?;
    let program = Program::at(path)
        .with("-p")
        .with(directory.path().display())
        .with("-c")
        .with(settings.display())
        .with("-e")
        .with("stderr");
    Ok((directory, program, address))
}

fn find() -> Option<PathBuf> {
    PLACES.iter().map(Path::new).find(|path| is_it(path)).map(Path::to_owned)
}

/// Whether it says of itself that it is nginx.
fn is_it(path: &Path) -> bool {
    let said = Command::new(path).arg("-v").output();
    said.is_ok_and(|said| String::from_utf8_lossy(&said.stderr).starts_with("nginx version: "))
}

fn text(directory: &Path, address: SocketAddr) -> String {
    let (directory, hello) = (directory.display(), super::HELLO);
    format!(
        "daemon off;\n\
         master_process off;\n\
         error_log stderr crit;\n\
         pid {directory}/pid;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n\
         access_log off;\n\
         default_type text/plain;\n\
         sendfile on;\n\
         tcp_nopush on;\n\
         keepalive_requests 1000000000;\n\
         client_body_temp_path {directory}/body;\n\
         proxy_temp_path {directory}/proxy;\n\
         fastcgi_temp_path {directory}/fastcgi;\n\
         uwsgi_temp_path {directory}/uwsgi;\n\
         scgi_temp_path {directory}/scgi;\n\
         server {{\n\
         listen {address};\n\
         root {directory};\n\
         location = / {{ return 200 \"{hello}\"; }}\n\
         }}\n\
         }}\n"
    )
}
