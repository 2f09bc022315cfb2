//! The program between the keyboard and the client: what is typed is done, what happens is shown.

use std::error::Error;
use std::time::Duration;

use protocols::chat::client::{Caller, Client, ClientId, Event, Failure, Kind, NotSent};
use protocols::chat::{Builder, Nick};
use reactor::{Registry, TimerId};

use super::command::{Command, HELP};
use super::joins::Joins;
use super::lines::Lines;
use super::report::{Place, Report, members};
use super::terminal::Terminal;

/// The program's state.
pub(super) struct Talk {
    pub(super) client: Client,
    pub(super) front: Front,
    pub(super) joins: Joins,
    /// Set while a channel is waited for, and how long.
    pub(super) patience: Option<(TimerId, Duration)>,
    pub(super) is_ready: bool,
    /// The server has not let one in yet, and nobody waits until it does.
    pub(super) gives_up: bool,
    /// Goodbye was said, and the server has not closed the connection yet.
    pub(super) is_leaving: bool,
    result: Option<Result<(), Box<dyn Error>>>,
}

/// What one looks at.
pub(super) enum Front {
    Lines(Lines),
    Screen(Box<Terminal>),
}

impl Talk {
    pub(super) fn new(client: Client, front: Front, channels: &[String]) -> Self {
        let mut joins = Joins::default();
        channels.iter().for_each(|name| joins.ask(name));
        let (patience, result) = (None, None);
        let (is_ready, gives_up, is_leaving) = (false, false, false);
        Self { client, front, joins, patience, is_ready, gives_up, is_leaving, result }
    }

    /// How it ended.
    pub(super) fn into_result(self) -> Result<(), Box<dyn Error>> {
        let result = self.result.unwrap_or(Ok(()));
        match self.front {
            Front::Lines(lines) => lines.into_result(&self.client, result),
            Front::Screen(_) => result,
        }
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

    /// Ends the program for what the conversation ended for.
    fn fail(&mut self, registry: &mut Registry<Self>, failure: &Failure) {
        let server = self.client.server().map_or_else(String::new, |it| format!("{it}: "));
        self.finish(registry, Err(format!("{server}{failure}").into()));
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

    pub(super) fn refuse(&mut self, registry: &mut Registry<Self>, text: impl Into<String>) {
        let report = Report::refusal(text.into());
        if let Front::Lines(lines) = &mut self.front {
            lines.record.fail(report.said.text());
        }
        self.show(registry, &report);
    }

    /// Whom one talks to.
    pub(super) fn target(&self) -> Option<String> {
        match &self.front {
            Front::Lines(lines) => lines.target().map(str::to_owned),
            Front::Screen(terminal) => terminal.screen.target().map(str::to_owned),
        }
    }

    pub(super) fn go_to(&mut self, name: &str) {
        match &mut self.front {
            Front::Lines(lines) => lines.go_to(name),
            Front::Screen(terminal) => terminal.screen.go_to(name),
        }
    }

    /// Does what was typed.
    pub(super) fn run_command(&mut self, registry: &mut Registry<Self>, line: &str) {
        match Command::parse(line) {
            None => {}
            Some(Err(usage)) => self.give_back(registry, line, usage),
            Some(Ok(command)) => {
                let here = self.target();
                let is_for_server = command.is_for_server();
                match self.carry_out(registry, command) {
                    Err(why) => self.give_back(registry, line, &why),
                    Ok(()) if is_for_server => {
                        if let Front::Lines(lines) = &mut self.front {
                            lines.record.done(line, here);
                        }
                    }
                    Ok(()) => {}
                }
            }
        }
    }

    /// A line that cannot be done.
    fn give_back(&mut self, registry: &mut Registry<Self>, line: &str, why: &str) {
        self.refuse(registry, why);
        if let Front::Lines(lines) = &self.front {
            lines.give_back(line);
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
            Command::Nick(nick) => {
                Nick::could_be(&nick).map_err(|error| error.to_string())?;
                self.client.set_nick(registry, &nick).map_err(words)?;
            }
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
            Command::Query(name) => {
                self.joins.go();
                self.go_to(&name);
            }
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
        let lines = say(&mut self.client, registry, &target, text).map_err(words)?;
        if let Front::Lines(front) = &mut self.front {
            front.record.said(&kind, &target, text, lines);
        }
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
        if let Front::Lines(lines) = &mut self.front {
            // What comes next is meant for there, and for nobody else if one is not let in.
            lines.go_nowhere();
        }
        self.client.join(registry, channel, key).map_err(words)?;
        for name in channel.split(',').filter(|name| !name.is_empty()) {
            if let Some(room) = self.client.room(name) {
                // No server answers that.
                let name = room.name().to_owned();
                self.joins.go();
                self.go_to(&name);
            } else {
                self.joins.ask(name);
            }
        }
        self.mind_joining(registry);
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
}

impl Caller for Talk {
    fn client(&mut self, id: ClientId) -> Option<&mut Client> {
        Some(&mut self.client).filter(|client| client.id() == id)
    }

    fn on_event(&mut self, registry: &mut Registry<Self>, _: ClientId, event: Event) {
        self.note(&event);
        if let Event::Lost { why, .. } = &event
            && self.gives_up
        {
            return self.fail(registry, why);
        }
        if let Some(report) = Report::of(&self.client, &event) {
            self.show(registry, &report);
        }
        match &mut self.front {
            Front::Lines(lines) => {
                lines.note(&self.client, &mut self.joins, &event);
                Lines::go_on(self, registry);
            }
            Front::Screen(terminal) => {
                terminal.draw_soon(registry);
                self.mind_joining(registry);
            }
        }
    }

    fn on_finish(
        &mut self,
        registry: &mut Registry<Self>,
        _: ClientId,
        outcome: Result<(), Failure>,
    ) {
        match outcome {
            Ok(()) => self.finish(registry, Ok(())),
            Err(failure) => self.fail(registry, &failure),
        }
    }
}

fn words(why: NotSent) -> String {
    why.to_string()
}
