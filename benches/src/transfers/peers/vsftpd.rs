//! vsftpd, with what it does by default: two processes a session, each walled in.

use std::fs;

use super::{Started, free_port, greets, missing, not_root};
use crate::Result;
use crate::program::Program;
use crate::transfers::tree::Tree;

pub(super) fn start(tree: &Tree) -> Result<Started> {
    let address = free_port()?;
    let settings = tempfile::tempdir()?;
    let empty = settings.path().join("empty");
    fs::create_dir(&empty)?;
    let file = settings.path().join("vsftpd.conf");
    // Its sandbox does not know the system calls of today's C libraries, and ends sessions for them.
    let text = format!(
        "listen=YES\nlisten_address=127.0.0.1\nlisten_port={}\nbackground=NO\n\
         anonymous_enable=YES\nlocal_enable=NO\nanon_root={}\nanon_umask=022\n\
         write_enable=YES\nanon_upload_enable=YES\nanon_other_write_enable=YES\n\
         seccomp_sandbox=NO\nsecure_chroot_dir={}\n",
        address.port(),
        tree.path().display(),
        empty.display()
    );
    fs::write(&file, text)?;
    let server = Program::at("vsftpd").with(file.display()).start_at(address, greets)?;
    Ok(Started { server, _settings: Some(settings) })
}

pub(super) fn absence() -> Option<String> {
    missing("vsftpd", "-v", "vsftpd: version")
        .map(|error| format!("{error}: apt-get install vsftpd"))
        .or_else(|| not_root("vsftpd"))
}
