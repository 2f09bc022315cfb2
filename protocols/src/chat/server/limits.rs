//! Every bound of a chat server, its default, and the reason for it.
//!
//! Those of its connections, the send queue among them, are the loop's: [`Limits::stream_limits`] sets
//! them as a chat server wants them.

use std::time::Duration;

use reactor::StreamLimits;

use crate::chat::wire::message::{MAX_BODY, MAX_TAGS};

/// The limits of a server, part of [`Settings`](crate::chat::Settings).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    // ── connections ─────────────────────────────────────────────────────────────────────────
    /// How long a connection may take to register; then it is closed with "Registration timed out".
    ///
    /// Default 30 s: a person types `NICK` and `USER` by hand in less; a client takes a second.
    pub registration: Duration,

    /// After how much silence a client is sent a `PING`.
    ///
    /// Default 90 s: below the two minutes after which the hastier home routers forget a connection.
    pub ping_interval: Duration,

    /// How long its answer may take; then it quits with "Ping timeout: N seconds".
    ///
    /// Default 90 s: a telephone that changes its network comes back within a minute, or not at all.
    pub ping_timeout: Duration,

    /// Connections at one time from one IPv4 address or IPv6 /64; more are turned away with an
    /// `ERROR`. Loopback and Unix sockets are not counted: behind them stand proxies and tests.
    ///
    /// Default 16: a family or a small office behind one address.
    pub connections_per_address: u32,

    /// Bytes queued for a client that reads too slowly; then it quits with "SendQ exceeded".
    ///
    /// Default 1 MiB: half a minute of the liveliest channel, or one long history; what is longer, as a `LIST` may
    /// be, goes in pieces. It is 16 MiB
    /// at least without [`flood_control`](Self::flood_control): a few who talk as fast as they can queue
    /// more than a mebibyte in one turn of the loop, before anybody could have read it.
    pub send_queue: usize,

    // ── flood control (RFC 1459, 8.10) ──────────────────────────────────────────────────────
    /// Whether clients are slowed down to [`flood_rate`](Self::flood_rate). Off, they are limited by
    /// their connection alone: for benchmarks, and for networks among friends.
    ///
    /// Default on.
    pub flood_control: bool,

    /// Commands at once before [`flood_rate`](Self::flood_rate) applies.
    ///
    /// Default 5: what a client sends by itself when it joins a channel. Before it is registered it may
    /// send four times as many, since negotiating capabilities and logging in takes a dozen.
    pub flood_burst: u32,

    /// Commands a second in the long run. What comes faster waits in the connection, unread.
    ///
    /// Each 32 KiB of answers count as a command too, since a short question may have a long answer; at most sixteen such
    /// pieces do at one time, so that nobody waits for longer than eight seconds. What greets a client is free.
    ///
    /// Default 2: faster than anybody types, slower than a flood.
    pub flood_rate: u32,

    /// Bytes that may wait unread because of that; then the client quits with "Excess Flood".
    ///
    /// Default 16 KiB: a page that was pasted, or the longest line twice. It also bounds how long a
    /// client that has hung up is still there, since what it said before is carried out first.
    pub receive_queue: usize,

    // ── names and texts, in bytes ───────────────────────────────────────────────────────────
    /// The longest nickname (`NICKLEN`). Default 32: as Ergo; most need nine.
    pub nick_length: usize,
    /// The longest user name (`USERLEN`). Default 20; what is longer is cut.
    pub user_length: usize,
    /// The longest real name (`NAMELEN`). Default 150; what is longer is cut.
    pub name_length: usize,
    /// The longest channel name (`CHANNELLEN`). Default 64.
    pub channel_length: usize,
    /// The longest topic (`TOPICLEN`). Default 390: what fits on a line behind the longest source.
    pub topic_length: usize,
    /// The longest reason of a `KICK` (`KICKLEN`). Default 390, for the same reason.
    pub kick_length: usize,
    /// The longest text of an `AWAY` (`AWAYLEN`). Default 390, for the same reason.
    pub away_length: usize,
    /// The longest key of a channel (`KEYLEN`). Default 32.
    pub key_length: usize,
    /// The longest mask of a list. Default 200: longer than any `nick!user@host` it could match.
    pub mask_length: usize,

    // ── counts ──────────────────────────────────────────────────────────────────────────────
    /// Channels that a user may be on (`CHANLIMIT`). Default 100.
    pub channels_per_user: usize,
    /// Channels there may be. Default 100,000: an empty one costs a kilobyte.
    pub channels: usize,
    /// Entries in each of a channel's lists `b`, `e` and `I` (`MAXLIST`). Default 100.
    pub list_entries: usize,
    /// Targets of one command (`MAXTARGETS`, `TARGMAX`). Default 4, as most networks.
    pub targets: usize,
    /// Mode changes with a parameter in one `MODE` (`MODES`). Default 12, which fit on a line.
    pub modes: usize,
    /// Nicknames on a `MONITOR` list. Default 100.
    pub monitored: usize,
    /// Channels a user is invited to and has not joined yet. The oldest is forgotten. Default 20.
    pub invitations: usize,
    /// Users that have left and can still be asked for (`WHOWAS`). Default 1,000.
    pub whowas: usize,

    // ── history ─────────────────────────────────────────────────────────────────────────────
    /// Messages that each channel, and each pair of users that talk, remembers. Zero turns history
    /// off. Default 1,000: a day of a team.
    pub history_messages: usize,
    /// Bytes of history in all. Beyond it the conversation that was silent for longest is forgotten.
    ///
    /// Default 64 MiB: a quarter of a million messages.
    pub history_bytes: usize,
    /// Messages that one `CHATHISTORY` gives at most. Default 100: a few screens.
    pub history_reply: usize,
    /// Targets of which each user can say how far it has read (`MARKREAD`). Default 200.
    pub read_markers: usize,
    /// Keys of metadata that a user or a channel may have. Default 20: a name, a picture, a few more.
    pub metadata_keys: usize,
    /// Bytes of one value of metadata. Default 300: what fits on a line behind the longest names.
    pub metadata_value: usize,
    /// Keys of metadata that a user may ask to be told of. Default 50.
    pub metadata_subscriptions: usize,
    /// Members of a channel up to which somebody who joins is told of everybody's metadata; of a larger
    /// one it has to ask (`METADATA #channel SYNC`). Default 100.
    pub metadata_at_once: usize,
    /// Bytes of one `draft/multiline` message. Default 4,096, as its specification proposes.
    pub multiline_bytes: usize,
    /// Lines of one `draft/multiline` message. Default 32: a screen of them.
    pub multiline_lines: usize,

    // ── accounts ────────────────────────────────────────────────────────────────────────────
    /// Wrong passwords on one connection; then it is closed. Default 5.
    pub password_attempts: u32,
    /// Passwords that wait until they are looked at, of all connections together. Beyond it whoever logs
    /// in is told that the server is too busy, and to try again; that is no wrong password.
    ///
    /// Default [`WAITING`](crate::password::limits::WAITING), 256.
    pub passwords_waiting: usize,
    /// How long a user may carry a nickname that belongs to an account it is not logged in to;
    /// then it is renamed. Default 30 s: time to find the password.
    pub nick_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            registration: Duration::from_secs(30),
            ping_interval: Duration::from_secs(90),
            ping_timeout: Duration::from_secs(90),
            connections_per_address: 16,
            send_queue: 1024 * 1024,
            flood_control: true,
            flood_burst: 5,
            flood_rate: 2,
            receive_queue: 16 * 1024,
            nick_length: 32,
            user_length: 20,
            name_length: 150,
            channel_length: 64,
            topic_length: 390,
            kick_length: 390,
            away_length: 390,
            key_length: 32,
            mask_length: 200,
            channels_per_user: 100,
            channels: 100_000,
            list_entries: 100,
            targets: 4,
            modes: 12,
            monitored: 100,
            invitations: 20,
            whowas: 1_000,
            history_messages: 1_000,
            history_bytes: 64 * 1024 * 1024,
            history_reply: 100,
            read_markers: 200,
            metadata_keys: 20,
            metadata_value: 300,
            metadata_subscriptions: 50,
            metadata_at_once: 100,
            multiline_bytes: 4_096,
            multiline_lines: 32,
            password_attempts: 5,
            passwords_waiting: crate::password::limits::WAITING,
            nick_grace: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// Bytes that may really be queued: see [`send_queue`](Self::send_queue).
    fn longest_queue(&self) -> usize {
        if self.flood_control { self.send_queue } else { self.send_queue.max(16 * 1024 * 1024) }
    }

    /// Bytes that one answer may have: with more, a client that asked for much would be cut off for
    /// reading it too slowly.
    pub(super) fn longest_answer(&self) -> usize {
        self.longest_queue() / 2
    }

    /// The loop's limits for the connections of such a server.
    #[must_use]
    pub fn stream_limits(&self) -> StreamLimits {
        StreamLimits {
            // A line that is too long is thrown away as it comes, so more than one and the rest of a
            // read is never left; the reads are of 64 KiB.
            inbox: 64 * 1024 + 2 * (MAX_TAGS + MAX_BODY),
            outbox: self.longest_queue(),
            ..StreamLimits::default()
        }
    }
}
