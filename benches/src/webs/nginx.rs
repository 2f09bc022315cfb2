//! nginx: one process, no log, connections that last.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;

use crate::Result;
use crate::program::{Program, free_address};

/// Its files, the program, and where it will listen.
pub(super) fn prepare() -> Result<(TempDir, Program, SocketAddr)> {
    let program = Program::installed("nginx", "-v", "nginx version: ")?;
    let directory = super::write_file()?;
    let address = free_address()?;
    let settings = directory.path().join("nginx.conf");
    fs::write(&settings, text(directory.path(), address))?;
    let program = program
        .with("-p")
        .with(directory.path().display())
        .with("-c")
        .with(settings.display())
        .with("-e")
        .with("stderr");
    Ok((directory, program, address))
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
