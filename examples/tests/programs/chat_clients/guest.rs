//! What a client is asked to do, whatever it is.

/// Somebody else's client, with the nick `guest`, connected.
pub(crate) trait Guest {
    fn join(&mut self, channel: &str);
    fn say(&mut self, channel: &str, text: &str);
    fn nick(&mut self, nick: &str);
    /// Ends its connection.
    fn leave(&mut self);
    /// Connects again, as `visitor`.
    fn come_back(&mut self);
    /// Ends altogether.
    fn quit(&mut self);
    /// Waits until it shows that.
    fn sees(&mut self, text: &str);
    /// Waits until it knows that somebody is in the room.
    fn sees_member(&mut self, nick: &str);
}

/// What would be needed is not installed, which was said.
pub(crate) struct Missing;

impl Missing {
    pub(crate) fn because(why: &str) -> Self {
        crate::outside::left_out(why);
        Self
    }
}
