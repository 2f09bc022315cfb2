//! The program between the keyboard and the client: what is typed is done, what happens is shown.

use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use protocols::chat::client::{Caller, Client, ClientId, Event, Failure, Kind, NotSent};
use protocols::chat::{Builder, Folded};
use reactor::Registry;

use super::command::{Command, HELP};
use super::lines::Lines;
use super::report::{Place, Report, members};
use super::terminal::Terminal;

/// The program's state.
pub(super) struct Talk {
    pub(super) client: Client,
    pub(super) front: Front,
    /// Channels one has asked to join, and has not heard of.
    pub(super) joining: BTreeSet<Folded>,
    pub(super) is_ready: bool,
    /// Goodbye was said, and the server has not closed the connection yet.
    is_leaving: bool,
    result: Option<Result<(), Box<dyn Error>>>,
}

/// What one looks at.
pub(super) enum Front {
    Lines(Lines),
    Screen(Box<Terminal>),
}

impl Talk {
    pub(super) fn new(client: Client, front: Front, channels: &[String]) -> Self {
        let joining = channels.iter().map(|name| Folded::of(name)).collect();
        Self { client, front, joining, is_ready: false, is_leaving: false, result: None }
    }

    /// How it ended.
    pub(super) fn into_result(self) -> Result<(), Box<dyn Error>> {
        self.result.unwrap_or(Ok(()))
    }

    /// Ends the program; the first result counts.
    pub(super) fn finish(
        &mut self,
        registry: &mut Registry<Self>,
        result: Result<(), Box<dyn Error>>,
    ) {
        self.result.get_or_insert(result);
        registry.shutdown(Duration::ZERO);
    }

    /// Says goodbye; again, and it does not wait for the answer.
    pub(super) fn quit(&mut self, registry: &mut Registry<Self>, reason: &str) {
        if self.client.is_online() && !std::mem::replace(&mut self.is_leaving, true) {
            self.client.quit(registry, reason);
        } else {
            self.finish(registry, Ok(()));
        }
    }

    /// Shows a line.
    pub(super) fn show(&mut self, registry: &mut Registry<Self>, report: &Report) {
        let shown = match &mut self.front {
            Front::Lines(lines) => lines.show(report),
            Front::Screen(terminal) => {
                terminal.show(registry, report);
                Ok(())
            }
        };
        if let Err(error) = shown {
            self.finish(registry, Err(error.into()));
        }
    }

    /// Shows a line where one is.
    fn tell(&mut self, registry: &mut Registry<Self>, text: impl Into<String>) {
        self.show(registry, &Report::news(Vec::new(), text.into()));
    }

    fn refuse(&mut self, registry: &mut Registry<Self>, text: impl Into<String>) {
        self.show(registry, &Report::refusal(text.into()));
    }

    /// Whom one talks to.
    pub(super) fn target(&self) -> Option<String> {
        match &self.front {
            Front::Lines(lines) => lines.target().map(str::to_owned),
            Front::Screen(terminal) => terminal.screen.target().map(str::to_owned),
        }
    }

    fn go_to(&mut self, name: &str) {
        match &mut self.front {
            Front::Lines(lines) => lines.go_to(name),
            Front::Screen(terminal) => terminal.screen.go_to(name),
        }
    }

    /// Does what was typed.
    pub(super) fn obey(&mut self, registry: &mut Registry<Self>, line: &str) {
        match Command::parse(line) {
            None => {}
            Some(Err(usage)) => self.refuse(registry, usage),
            Some(Ok(command)) => {
                if let Err(why) = self.carry_out(registry, command) {
                    self.refuse(registry, why);
                }
            }
        }
    }

    fn carry_out(&mut self, registry: &mut Registry<Self>, command: Command) -> Result<(), String> {
        match command {
            Command::Say(text) => self.say(registry, Kind::Message, None, &text)?,
            Command::Act(text) => self.say(registry, Kind::Action, None, &text)?,
            Command::Message { target, text } => {
                self.say(registry, Kind::Message, Some(target), &text)?;
            }
            Command::Notice { target, text } => {
                self.say(registry, Kind::Notice, Some(target), &text)?;
            }
            Command::Join { channel, key } => self.join(registry, &channel, key.as_deref())?,
            Command::Part { channel, reason } => {
                let channel = self.channel(channel)?;
                self.client.part(registry, &channel, &reason).map_err(words)?;
            }
            Command::Nick(nick) => self.client.set_nick(registry, &nick).map_err(words)?,
            Command::Topic { channel, text: Some(text) } => {
                let channel = self.channel(channel)?;
                self.client.set_topic(registry, &channel, &text).map_err(words)?;
            }
            Command::Topic { channel, text: None } => {
                let channel = self.channel(channel)?;
                self.send(registry, Builder::new().command("TOPIC").param(&channel))?;
            }
            Command::Names(channel) => self.names(registry, channel)?,
            Command::Kick { channel, nick, reason } => {
                let channel = self.channel(channel)?;
                self.client.kick(registry, &channel, &nick, &reason).map_err(words)?;
            }
            Command::Invite { nick, channel } => {
                let channel = self.channel(channel)?;
                let line = Builder::new().command("INVITE").param(&nick).param(&channel);
                self.send(registry, line)?;
            }
            Command::Query(name) => self.go_to(&name),
            Command::Raw(line) => self.client.send_line(registry, &line).map_err(words)?,
            Command::Reconnect => self.client.reconnect_now(registry),
            Command::Help => {
                for (words, meaning) in HELP {
                    self.tell(registry, format!("{words:<26} {meaning}"));
                }
            }
            Command::Quit(reason) => self.quit(registry, &reason),
            Command::Window(_) | Command::Close | Command::Clear => {
                self.arrange(registry, &command)?;
            }
        }
        Ok(())
    }

    /// Says something, and shows it unless it comes back anyway.
    fn say(
        &mut self,
        registry: &mut Registry<Self>,
        kind: Kind,
        target: Option<String>,
        text: &str,
    ) -> Result<(), String> {
        let target = target.or_else(|| self.target());
        let target = target.ok_or("nobody would hear that: /join a channel, or /query somebody")?;
        let say = match kind {
            Kind::Action => Client::act,
            Kind::Notice => Client::notice,
            _ => Client::say,
        };
        say(&mut self.client, registry, &target, text).map_err(words)?;
        if !self.client.echoes() {
            let report = Report::own(&self.client, kind, &target, text);
            self.show(registry, &report);
        }
        Ok(())
    }

    fn join(
        &mut self,
        registry: &mut Registry<Self>,
        channel: &str,
        key: Option<&str>,
    ) -> Result<(), String> {
        self.client.join(registry, channel, key).map_err(words)?;
        let names = channel.split(',').filter(|name| self.client.room(name).is_none());
        self.joining.extend(names.map(Folded::of));
        Ok(())
    }

    fn names(
        &mut self,
        registry: &mut Registry<Self>,
        channel: Option<String>,
    ) -> Result<(), String> {
        let channel = self.channel(channel)?;
        match members(&self.client, &channel) {
            Some(text) => {
                self.show(registry, &Report::news(vec![Place::With(channel)], text));
                Ok(())
            }
            None => self.send(registry, Builder::new().command("NAMES").param(&channel)),
        }
    }

    fn arrange(&mut self, registry: &mut Registry<Self>, command: &Command) -> Result<(), String> {
        let Front::Screen(terminal) = &mut self.front else {
            return Err("there are no windows without a terminal".to_owned());
        };
        match command {
            Command::Window(number) => terminal.screen.switch(number.wrapping_sub(1)),
            Command::Clear => terminal.screen.clear(),
            _ => {
                let target = terminal.screen.target().map(str::to_owned);
                terminal.screen.close();
                // One who closes a channel's window does not want to be there any more.
                if let Some(channel) = target.filter(|name| self.client.room(name).is_some()) {
                    self.client.part(registry, &channel, "").map_err(words)?;
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, registry: &mut Registry<Self>, line: Builder) -> Result<(), String> {
        self.client.send(registry, line).map_err(words)
    }

    /// The channel that was named, or where one is.
    fn channel(&self, named: Option<String>) -> Result<String, String> {
        let channel = named.or_else(|| self.target());
        channel.ok_or_else(|| "which channel? There is none here".to_owned())
    }

    /// What happened may be what was waited for before more is read.
    fn note(&mut self, event: &Event) {
        match event {
            Event::Ready => self.is_ready = true,
            Event::Lost { .. } => self.is_ready = false,
            Event::Members { channel } => {
                // Who comes back after a loss stays where one is.
                let was_waited_for = self.joining.remove(&Folded::of(channel));
                was_waited_for.then(|| self.go_to(channel));
            }
            // 403, 405, 471 and their like: one is not let in.
            Event::Reply { code: 400.., params } => {
                for word in params {
                    self.joining.remove(&Folded::of(word));
                }
            }
            Event::Renamed { from, to, .. } => {
                if let Front::Screen(terminal) = &mut self.front {
                    terminal.screen.rename(&from.nick, to);
                }
            }
            Event::Left { channel, own: true, .. } | Event::Kicked { channel, own: true, .. } => {
                if let Front::Lines(lines) = &mut self.front {
                    lines.leave(channel);
                }
            }
            _ => {}
        }
    }
}

impl Caller for Talk {
    fn client(&mut self, id: ClientId) -> Option<&mut Client> {
        Some(&mut self.client).filter(|client| client.id() == id)
    }

    fn on_event(&mut self, registry: &mut Registry<Self>, _: ClientId, event: Event) {
        self.note(&event);
        if let Some(report) = Report::of(&self.client, &event) {
            self.show(registry, &report);
        }
        match &mut self.front {
            Front::Lines(_) => Lines::ask(self, registry),
            Front::Screen(terminal) => terminal.draw_soon(registry),
        }
    }

    fn on_finish(
        &mut self,
        registry: &mut Registry<Self>,
        _: ClientId,
        outcome: Result<(), Failure>,
    ) {
        let server = self.client.server().map_or_else(String::new, |it| format!("{it}: "));
        let result = outcome.map_err(|failure| format!("{server}{failure}").into());
        self.finish(registry, result);
    }
}

fn words(why: NotSent) -> String {
    why.to_string()
}
