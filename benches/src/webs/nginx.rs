//! nginx: one process, no log, connections that last.

use std::fs;
use std::path::Path;

use crate::Result;
use crate::program::{Program, Server, free_address};

pub(super) fn start() -> Result<Server> {
    let (directory, address) = (super::write_file()?, free_address()?);
    let (root, hello) = (directory.path().display(), super::HELLO);
    let http = format!(
        "sendfile on;\n\
         tcp_nopush on;\n\
         server {{\n\
         listen {address};\n\
         root {root};\n\
         location = / {{ return 200 \"{hello}\"; }}\n\
         }}\n"
    );
    let program = program(directory.path(), 4_096, &http)?;
    program.start_with(directory, address)
}

/// The program, with its settings in that directory: so many connections, and what it serves.
pub(crate) fn program(directory: &Path, connections: usize, http: &str) -> Result<Program> {
    let program = Program::installed("nginx", "-v", "nginx version: ")?;
    let (settings, here) = (directory.join("nginx.conf"), directory.display());
    let text = format!(
        "daemon off;\n\
         master_process off;\n\
         error_log stderr crit;\n\
         pid {here}/pid;\n\
         events {{ worker_connections {connections}; }}\n\
         http {{\n\
         access_log off;\n\
         default_type text/plain;\n\
         keepalive_requests 1000000000;\n\
         client_body_temp_path {here}/body;\n\
         proxy_temp_path {here}/proxy;\n\
         fastcgi_temp_path {here}/fastcgi;\n\
         uwsgi_temp_path {here}/uwsgi;\n\
         scgi_temp_path {here}/scgi;\n\
         {http}\
         }}\n"
    );
    fs::write(&settings, text)?;
    let program = program.with("-p").with(here).with("-c").with(settings.display());
    Ok(program.with("-e").with("stderr"))
}
