//! What names a user, and a channel: nothing that comes later has the same name.

use slotmap::new_key_type;

new_key_type! {
    /// Names a user while it is connected, and nobody afterwards: whoever has its place next has another.
    pub(super) struct UserKey;

    /// Names a channel while there is somebody on it, and no other afterwards.
    pub(super) struct ChannelKey;
}
