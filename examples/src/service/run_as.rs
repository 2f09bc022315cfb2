//! Becoming another user, for good.

use std::error::Error;

use nix::unistd::{Gid, Uid, User, getegid, geteuid, setgid, setuid};

/// Gives up what root may do. The order matters: after `setuid` the groups could not be changed any more, and
/// would stay root's.
pub(super) fn become_user(name: &str) -> Result<(), Box<dyn Error>> {
    let user = User::from_name(name)?.ok_or_else(|| format!("there is no user '{name}'"))?;
    // A successor is this user from its beginning.
    if geteuid() == user.uid && getegid() == user.gid && !user.uid.is_root() {
        return Ok(());
    }
    let failed = |error| format!("cannot become the user '{name}': {error}");
    set_groups(name, user.gid).map_err(failed)?;
    setgid(user.gid).map_err(failed)?;
    setuid(user.uid).map_err(failed)?;
    verify(&user).map_err(Into::into)
}

/// All groups that the user is in.
#[cfg(not(target_vendor = "apple"))]
fn set_groups(name: &str, group: Gid) -> nix::Result<()> {
    let name = std::ffi::CString::new(name).map_err(|_| nix::errno::Errno::EINVAL)?;
    let groups = nix::unistd::getgrouplist(&name, group)?;
    nix::unistd::setgroups(&groups)
}

/// Apple's groups are those of a directory service, which the calls above do not know.
#[cfg(target_vendor = "apple")]
fn set_groups(_: &str, _: Gid) -> nix::Result<()> {
    Err(nix::errno::Errno::ENOTSUP)
}

/// A system that lets one back in has given nothing up.
fn verify(user: &User) -> Result<(), String> {
    if user.uid.is_root() {
        return Ok(());
    }
    if setuid(Uid::from_raw(0)).is_ok() || setgid(Gid::from_raw(0)).is_ok() && !is_roots(user.gid) {
        return Err(format!("became the user '{}', and could become root again", user.name));
    }
    Ok(())
}

fn is_roots(group: Gid) -> bool {
    group.as_raw() == 0
}
