//! One command of one user, while it is carried out: what it says, to whom, and what it is answered.
//!
//! Answers go out at once, unless the command bears a label (IRCv3 labeled-response): then they are kept
//! until the command is done, since how they are labelled depends on how many there are.
//!
//! ```text
//!   none     @label=x :server ACK
//!   one      @label=x :server PONG …
//!   more     @label=x :server BATCH +b labeled-response
//!            @batch=b …
//!            :server BATCH -b
//! ```

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::sync::mpsc;

use super::accounts::NotSaved;
use super::keys::{ChannelKey, UserKey};
use super::label::{Label, is_one_batch};
use super::line::{Line, MessageId, Renderings};
use super::modes::{Status, UserModes};
use super::network::{Network, Saver};
use super::talk::Talk;
use super::users::User;
use super::{Event, Server};
use crate::chat::wire::builder::Builder;
use crate::chat::wire::capability::Caps;
use crate::chat::wire::numeric::Numeric;
use crate::chat::wire::timestamp::Timestamp;
use crate::password::{Memory, PasswordHash};

/// A user's turn to speak.
pub(super) struct Context<'a> {
    pub(super) server: &'a mut Server,
    pub(super) network: &'a mut dyn Network,
    pub(super) me: UserKey,
    /// When it is done: by the wall clock, and later than what was done before in the same place.
    pub(super) clock: Timestamp,
    wall: Timestamp,
    /// What the message of this turn is called, if another node has named it.
    id: Option<MessageId>,
    label: Option<Label>,
    /// Something is done for the user away from the loop, and this goes on: its next lines wait.
    waiting: Option<Then>,
}

/// How a user's turn goes on when what it waited for is done, or is told why it never will be.
pub(super) struct Then(Box<GoOn>);

type GoOn = dyn FnOnce(&mut Context<'_>, Result<(), String>);

impl Then {
    pub(super) fn go_on(self, ctx: &mut Context<'_>, done: Result<(), String>) {
        self.0(ctx, done);
    }
}

impl fmt::Debug for Then {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Then")
    }
}

impl<'a> Context<'a> {
    pub(super) fn new(
        server: &'a mut Server,
        network: &'a mut dyn Network,
        me: UserKey,
        label: Option<Label>,
    ) -> Self {
        let clock = Timestamp::of(network.wall_clock());
        Self { server, network, me, clock, wall: clock, id: None, label, waiting: None }
    }

    /// What is told in this turn has been told on another node, at that time and by that name.
    pub(super) fn tells(&mut self, id: MessageId, at: Timestamp) {
        (self.clock, self.wall, self.id) = (at, at, Some(id));
    }

    /// What the message of this turn is called.
    pub(super) fn next_id(&mut self) -> MessageId {
        self.id.take().unwrap_or_else(|| self.server.next_id())
    }

    /// Whose turn it is.
    pub(super) fn user(&self) -> &User {
        &self.server.users[self.me]
    }

    pub(super) fn user_mut(&mut self) -> &mut User {
        &mut self.server.users[self.me]
    }

    pub(super) fn caps(&self) -> Caps {
        self.user().caps
    }

    /// `nick!user@host`.
    pub(super) fn source(&self) -> Rc<str> {
        Rc::clone(&self.user().source)
    }

    /// What the user may do on a channel; `None` if it is not on it. The channels of the settings are
    /// nobody's, so the server's operators keep them.
    pub(super) fn rank(&self, channel: ChannelKey) -> Option<Status> {
        let channel = &self.server.channels[channel];
        let status = channel.status(self.me)?;
        let keeps = channel.is_permanent && self.user().is_operator();
        Some(if keeps { status.max(Status::ADMIN) } else { status })
    }

    /// What a channel is called.
    pub(super) fn name_of(&self, channel: ChannelKey) -> String {
        self.server.channels[channel].name.to_string()
    }

    /// Whether the user is still there: it may have quit, or killed itself.
    pub(super) fn is_there(&self) -> bool {
        self.server.users.get(self.me).is_some()
    }

    /// What follows is done on a channel: in a millisecond of its own, and no earlier than what was done
    /// there before, though the wall clock may have been set back.
    pub(super) fn happens_on(&mut self, channel: ChannelKey) {
        let channel = &mut self.server.channels[channel];
        self.clock = self.wall.after(channel.latest);
        channel.latest = self.clock;
    }

    /// As [`happens_on`](Self::happens_on), in a conversation of two.
    pub(super) fn happens_in(&mut self, talk: &Talk) {
        self.clock = self.wall.after(self.server.history.latest(talk));
    }

    // ── answering ───────────────────────────────────────────────────────────────────────────

    /// Answers with a numeric: its parameters, and its fixed text if it has one. Parameters that came from
    /// the user and are no words become `*`.
    pub(super) fn numeric(&mut self, numeric: Numeric, params: &[&str]) {
        let builder = self.begin_numeric(numeric, params);
        self.reply(if numeric.text().is_empty() { builder } else { builder.text(numeric.text()) });
    }

    /// Answers with a numeric whose text holds facts.
    pub(super) fn numeric_text(&mut self, numeric: Numeric, params: &[&str], text: &str) {
        let builder = self.begin_numeric(numeric, params).text(text);
        self.reply(builder);
    }

    fn begin_numeric(&self, numeric: Numeric, params: &[&str]) -> Builder {
        let builder = self.to_me(&numeric.to_string());
        params.iter().fold(builder, |builder, param| builder.param(presentable(param)))
    }

    /// Refuses a command (IRCv3 standard-replies).
    pub(super) fn fail(&mut self, command: &str, code: &str, params: &[&str], text: &str) {
        self.standard_reply("FAIL", command, code, params, text);
    }

    /// Says something about a command (IRCv3 standard-replies).
    pub(super) fn note(&mut self, command: &str, code: &str, params: &[&str], text: &str) {
        self.standard_reply("NOTE", command, code, params, text);
    }

    fn standard_reply(
        &mut self,
        kind: &str,
        command: &str,
        code: &str,
        params: &[&str],
        text: &str,
    ) {
        let builder = self.by_server(kind).param(presentable(command)).param(code);
        let builder = params.iter().fold(builder, |builder, word| builder.param(presentable(word)));
        self.reply(builder.text(text));
    }

    /// A line that the server says.
    pub(super) fn by_server(&self, command: &str) -> Builder {
        Builder::new().source(&self.server.settings.name).command(command)
    }

    /// A line that the server says to the user.
    pub(super) fn to_me(&self, command: &str) -> Builder {
        self.by_server(command).param(self.user().nick())
    }

    /// A line that the user says.
    pub(super) fn by_me(&self, command: &str) -> Builder {
        Builder::new().source(&self.user().source).command(command)
    }

    pub(super) fn reply(&mut self, builder: Builder) {
        if let Some(line) = self.line(builder) {
            self.reply_line(line);
        }
    }

    pub(super) fn reply_line(&mut self, line: Line) {
        match &mut self.label {
            Some(label) => label.replies.push(line),
            None => {
                let user = &mut self.server.users[self.me];
                user.answer(self.network, line.render(user.caps, None));
            }
        }
    }

    /// Says a few words to the user, as a service does.
    pub(super) fn notice(&mut self, from: &str, text: &str) {
        let notice = Builder::new().source(from).command("NOTICE");
        self.reply(notice.param(self.user().nick()).text(text));
    }

    /// A line with the time of this turn; none, and counted, if it cannot be written.
    pub(super) fn line(&mut self, builder: Builder) -> Option<Line> {
        match Line::new(builder) {
            Ok(line) => Some(Line { at: Some(self.clock), ..line }),
            Err(_) => {
                self.server.counters.spoiled += 1;
                None
            }
        }
    }

    /// A line of the user's own, with what its tags may say of it.
    pub(super) fn my_line(&mut self, builder: Builder) -> Option<Line> {
        let account = self.user().account.clone();
        let bot = self.user().modes.has(UserModes::BOT);
        self.line(builder).map(|line| Line { account, bot, ..line })
    }

    // ── telling others ──────────────────────────────────────────────────────────────────────

    /// Sends a line to everybody on a channel; to the user itself as an answer.
    pub(super) fn tell_channel(&mut self, channel: ChannelKey, line: &Line) {
        self.server.channels[channel].send(self.network, &mut Renderings::new(line), Some(self.me));
        if self.server.channels[channel].has(self.me) {
            self.reply_line(line.clone());
        }
    }

    /// Sends a line to everybody on a channel but the user, if their capabilities are as they should be.
    pub(super) fn tell_others(
        &mut self,
        channel: ChannelKey,
        line: &Line,
        wanted: impl Fn(Caps) -> bool,
    ) {
        let mut renderings = Renderings::new(line);
        let channel = &self.server.channels[channel];
        channel.send_where(self.network, &mut renderings, Some(self.me), |caps, _| wanted(caps));
    }

    /// Sends a line to everybody who shares a channel with the user, and to those with
    /// extended-monitor who watch it, once each; not to the user.
    pub(super) fn tell_peers(&mut self, line: &Line, wanted: impl Fn(Caps) -> bool) {
        let mut peers = self.server.peers(self.me);
        for watcher in self.server.monitor.watchers(self.server.users[self.me].nick()) {
            if self.server.users[watcher].caps.has(Caps::EXTENDED_MONITOR)
                && self.server.users.meet(watcher)
            {
                peers.push(watcher);
            }
        }
        self.tell_each(&peers, line, wanted);
    }

    /// Sends a line to some users.
    pub(super) fn tell_each(
        &mut self,
        users: &[UserKey],
        line: &Line,
        wanted: impl Fn(Caps) -> bool,
    ) {
        let mut renderings = Renderings::new(line);
        for &user in users {
            let user = &self.server.users[user];
            if wanted(user.caps) {
                user.send(self.network, renderings.of(user.caps));
            }
        }
    }

    pub(super) fn tell_user(&mut self, user: UserKey, line: &Line) {
        let user = &self.server.users[user];
        user.send(self.network, line.render(user.caps, None));
    }

    pub(super) fn log(&mut self, event: &Event<'_>) {
        self.server.log(event);
    }

    // ── what takes longer ───────────────────────────────────────────────────────────────────

    /// Has a password looked at.
    pub(super) fn verify(
        &mut self,
        password: &str,
        against: PasswordHash,
        then: impl FnOnce(&mut Context<'_>, Result<bool, String>) + 'static,
    ) {
        let password = password.to_owned();
        let kib = Some(against.kib());
        self.offload(kib, move |memory| against.verifies_in(&password, memory), then);
    }

    /// Has a password hashed.
    pub(super) fn hash(
        &mut self,
        password: &str,
        then: impl FnOnce(&mut Context<'_>, Result<PasswordHash, String>) + 'static,
    ) {
        let password = password.to_owned();
        let kib = Some(PasswordHash::NEW_KIB);
        self.offload(kib, move |memory| PasswordHash::of_in(&password, memory), then);
    }

    /// Has something done away from the loop, and goes on with what came of it: if it is a hash, of so
    /// many KiB, when it is its turn.
    pub(super) fn offload<R: Send + 'static, E: ToString>(
        &mut self,
        kib: Option<u32>,
        work: impl FnOnce(&mut Memory) -> Result<R, E> + Send + 'static,
        then: impl FnOnce(&mut Context<'_>, Result<R, String>) + 'static,
    ) {
        let (give, get) = mpsc::channel();
        self.wait(move |ctx, done| {
            let result = done.and_then(|()| get.try_recv().map_err(|lost| lost.to_string())?);
            then(ctx, result);
        });
        let work = move |memory: &mut Memory| {
            // If the user has gone, nobody takes it.
            let _ = give.send(work(memory).map_err(|error| error.to_string()));
        };
        if let Some(connection) = self.user().connection {
            self.network.offload(connection, kib, Box::new(work));
        }
    }

    /// Has the accounts saved. Nobody waits for it.
    pub(super) fn save(&mut self) {
        self.network.save(&mut self.server.accounts, None);
    }

    /// Has the accounts saved, and goes on when they are on the disk, or cannot be: then the change is in memory
    /// nonetheless, and the user is told. An error is that of a network of servers whose store has refused the change,
    /// which is taken back.
    pub(super) fn save_and(
        &mut self,
        then: impl FnOnce(&mut Context<'_>, Result<(), NotSaved>) + 'static,
    ) {
        let result = Rc::new(Cell::new(Ok(())));
        let told = Rc::clone(&result);
        let saver = |connection| Saver { connection, result: told };
        let saver = self.user().connection.map(saver);
        self.wait(move |ctx, _| {
            let kept = match result.replace(Ok(())) {
                Err(error) if !error.is_taken_back() => {
                    ctx.tell_that_it_may_be_lost();
                    Ok(())
                }
                kept => kept,
            };
            then(ctx, kept);
        });
        self.network.save(&mut self.server.accounts, saver);
    }

    fn tell_that_it_may_be_lost(&mut self) {
        let text =
            "The next answer is true until the server ends: it could not be written to the disk";
        self.reply(self.to_me("NOTICE").text(text));
    }

    /// The user's next lines wait, and what it is answered then bears the label of this command, as does
    /// what it was answered already.
    pub(super) fn wait(
        &mut self,
        then: impl FnOnce(&mut Context<'_>, Result<(), String>) + 'static,
    ) {
        let label = self.label.take();
        self.waiting = Some(Then(Box::new(move |ctx, done| {
            ctx.label = label;
            then(ctx, done);
        })));
    }

    /// Whether its answers are kept until the command is done.
    pub(super) fn has_label(&self) -> bool {
        self.label.is_some()
    }

    /// Takes the label, for an answer that comes with a later command.
    pub(super) fn take_label(&mut self) -> Option<Label> {
        self.label.take()
    }

    pub(super) fn set_label(&mut self, label: Option<Label>) {
        self.label = label;
    }

    // ── the end ─────────────────────────────────────────────────────────────────────────────

    /// Ends the turn: labelled answers go out. If something is waited for, how it goes on then.
    #[must_use]
    pub(super) fn finish(mut self) -> Option<Then> {
        if let Some(label) = self.label.take()
            && self.is_there()
        {
            self.answer(label);
        }
        self.server.settle(self.network);
        self.server.tell_news(self.network);
        self.waiting
    }

    fn answer(&mut self, Label { text, mut replies }: Label) {
        match replies.len() {
            0 => {
                let ack = self.by_server("ACK");
                replies.extend(self.line(ack));
            }
            1 => {}
            _ if is_one_batch(&replies) => {}
            _ if self.caps().has(Caps::BATCH) => self.wrap(&mut replies),
            _ => {}
        }
        let user = &mut self.server.users[self.me];
        for (at, line) in replies.iter().enumerate() {
            let label = (at == 0).then_some(text.as_str());
            user.answer(self.network, line.render(user.caps, label));
        }
    }

    /// Puts several answers into a batch.
    fn wrap(&mut self, replies: &mut Vec<Line>) {
        let batch = self.server.next_batch();
        let begin = self.by_server("BATCH").param(&format!("+{batch}")).param("labeled-response");
        let end = self.by_server("BATCH").param(&format!("-{batch}"));
        let (Some(begin), Some(end)) = (self.line(begin), self.line(end)) else { return };
        for reply in replies.iter_mut() {
            reply.batch.get_or_insert_with(|| Rc::clone(&batch));
        }
        replies.insert(0, begin);
        replies.push(end);
    }
}

/// A word as it may stand in the middle of a line.
pub(super) fn presentable(word: &str) -> &str {
    if word.is_empty() || word.starts_with(':') || word.contains(' ') { "*" } else { word }
}

/// Puts words on as few lines as they fit on, each of at most so many bytes.
pub(super) fn pack<Word: AsRef<str>>(
    words: impl IntoIterator<Item = Word>,
    between: char,
    room: usize,
) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        let word = word.as_ref();
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= room => {
                line.push(between);
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The beginning of a text, cut between two characters.
pub(super) fn cut(text: &str, longest: usize) -> &str {
    let mut end = text.len().min(longest);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_on_until_all_are_told() {
        let names: Vec<_> = (0..100).map(|at| format!("capability-{at}")).collect();
        let lines = pack(&names, ' ', 400);
        assert!(lines.len() > 1 && lines.iter().all(|line| line.len() <= 400));
        assert_eq!(lines.join(" "), names.join(" "));
        assert_eq!(pack([""; 0], ',', 400), [""; 0]);
        assert_eq!(pack(["longer than there is room"], ',', 4).len(), 1);
    }
}
