//! Messages that are taken back (IRCv3 message-redaction).
//!
//! The history forgets the message; who has read it is asked to forget it too.

use crate::chat::capability::Caps;
use crate::chat::casemap::ChannelName;
use crate::chat::message::Message;
use crate::chat::numeric;
use crate::chat::server::channels::ChannelKey;
use crate::chat::server::history::{NotRedacted, Talk};
use crate::chat::server::line::{Line, MessageId};
use crate::chat::server::modes::Status;
use crate::chat::server::post::Post;
use crate::chat::turn::{Turn, cut};

use super::history;

/// `REDACT target id [:reason]`: one's own messages, and others' where one is an operator.
pub(super) fn redact(turn: &mut Turn<'_>, message: &Message<'_>) {
    if !turn.caps().has(Caps::REDACTION) {
        return turn.numeric(numeric::ERR_UNKNOWNCOMMAND, &["REDACT"]);
    }
    let &[target, id, ..] = message.params() else {
        return;
    };
    let Some(talk) = talk(turn, target) else {
        let text = "You cannot take back anything there";
        return turn.fail("REDACT", "INVALID_TARGET", &[target], text);
    };
    let may_all = may_redact_all(turn, &talk);
    let redacted = match id.parse::<MessageId>() {
        Ok(id) => {
            let user = &turn.server.users[turn.me];
            let (serial, account) = (user.serial, user.account.as_deref());
            let is_own = |post: &Post| {
                post.author == serial || (account.is_some() && post.account.as_deref() == account)
            };
            turn.server.history.redact(&talk, id, |post| may_all || is_own(post))
        }
        Err(()) => Err(NotRedacted::Unknown),
    };
    match redacted {
        Ok(()) => tell(turn, target, id, message.param(2)),
        Err(NotRedacted::Unknown) => {
            let text = "There is no such message, or no more";
            turn.fail("REDACT", "UNKNOWN_MSGID", &[target, id], text);
        }
        Err(NotRedacted::Forbidden) => {
            let text = "The message is not yours to take back";
            turn.fail("REDACT", "REDACT_FORBIDDEN", &[target, id], text);
        }
    }
}

/// The conversation that is meant: one that the user can see, or, for an operator of the server, any
/// channel's.
fn talk(turn: &Turn<'_>, target: &str) -> Option<Talk> {
    history::talk(turn, target).or_else(|| {
        let channel = channel(turn, target).filter(|_| turn.user().is_operator())?;
        Some(Talk::Channel(turn.server.channels[channel].name.folded()))
    })
}

fn channel(turn: &Turn<'_>, target: &str) -> Option<ChannelKey> {
    turn.server.channels.named(target).filter(|_| ChannelName::is_meant(target))
}

fn may_redact_all(turn: &Turn<'_>, talk: &Talk) -> bool {
    let Talk::Channel(name) = talk else {
        return false;
    };
    let status = turn
        .server
        .channels
        .named(name.as_str())
        .and_then(|channel| turn.server.channels[channel].status(turn.me));
    turn.user().is_operator() || status.is_some_and(|it| it.reaches(Status::HALF_OPERATOR))
}

/// Tells those who had the message, and understand this.
fn tell(turn: &mut Turn<'_>, target: &str, id: &str, reason: Option<&str>) {
    let line = turn.by_me("REDACT").param(target).param(id);
    let line = match reason.filter(|reason| !reason.is_empty()) {
        Some(reason) => line.text(cut(reason, turn.server.settings.limits.kick_length)),
        None => line,
    };
    let id = turn.server.next_id();
    let Some(line) = turn.my_line(line).map(|line| Line { id: Some(id), ..line }) else {
        return;
    };
    if let Some(channel) = channel(turn, target) {
        turn.tell_others(channel, &line, |caps| caps.has(Caps::REDACTION));
    } else if let Some(user) = turn.server.users.named(target)
        && user != turn.me
        && turn.server.users[user].caps.has(Caps::REDACTION)
    {
        turn.tell_user(user, &line);
    }
    turn.reply_line(line);
}
