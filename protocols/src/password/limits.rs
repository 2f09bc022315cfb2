//! What passwords may cost, and the reasons.

/// KiB of memory that one hash may take, and all together that are computed at one time.
///
/// 64 MiB: what PHP, libsodium and the reference program take, three times what OWASP advises. A hash
/// that wants more is refused where it is read, since whoever may log in could have it computed.
pub const MEMORY: u32 = 64 * 1024;

/// KiB that one hash may write: its memory, as often as it goes over it.
///
/// 1 GiB: half a second, or a second on a slow machine. A login waits for it, and so do all behind it.
pub const WORK: u64 = 1024 * 1024;

/// Hashes that are computed at one time, if each takes half of [`MEMORY`] at most; a larger one is
/// computed alone.
///
/// Two: guessing passwords takes two processors at most, and 38 MiB with the usual hashes. The loop has
/// more threads than that for what blocks, so a disk does not wait for passwords.
pub const AT_ONCE: usize = 2;

/// Passwords of one server that wait until they are looked at. Beyond it a login is refused, with the
/// advice to try again.
///
/// 256: the last of them waits three to five seconds, which people and programs do. Each is a few hundred
/// bytes.
pub const WAITING: usize = 256;
