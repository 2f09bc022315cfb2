//! Where one is, as the server tells it: on a channel, on another one instead, on none any more.

use protocols::chat::client::Event;
use reactor::Registry;

use super::lines::Lines;
use super::record::Refusal;
use super::report::{Report, is_refusal};
use super::talk::{Front, Talk};

impl Talk {
    /// What happened may be what was waited for before more is read.
    pub(super) fn note(&mut self, event: &Event) {
        match event {
            Event::Ready => (self.is_ready, self.gives_up) = (true, false),
            Event::Lost { .. } => self.is_ready = false,
            Event::Joined { channel, own: true, .. } => self.arrive(channel),
            Event::Reply { code: 470, params } => self.follow(params),
            // What is refused before one is welcome is the nick, or the like.
            Event::Reply { code, params } if self.is_ready && is_refusal(*code) => {
                self.handle_refusal(event, Refusal { code: Some(*code), params });
            }
            Event::Note { level, params } if self.is_ready && level == "FAIL" => {
                self.handle_refusal(event, Refusal { code: None, params });
            }
            Event::Renamed { from, to, .. } => match &mut self.front {
                Front::Screen(terminal) => terminal.screen.rename(&from.nick, to),
                Front::Lines(lines) => lines.rename(self.client.support(), &from.nick, to),
            },
            Event::Left { channel, own: true, .. } | Event::Kicked { channel, own: true, .. } => {
                if let Front::Lines(lines) = &mut self.front {
                    lines.leave(self.client.support(), channel);
                }
            }
            _ => {}
        }
    }

    /// One is on a channel: where one wanted to be, or where the server puts one who is nowhere else.
    /// Somebody who looks sees at once where that is, and may go on from there.
    fn arrive(&mut self, channel: &str) {
        let is_unanswered = self.joins.is_unanswered();
        let goes = self.joins.enter(self.client.support(), channel);
        let is_answer = match &self.front {
            Front::Lines(lines) => lines.target().is_none() && self.joins.is_empty(),
            Front::Screen(_) => is_unanswered,
        };
        if goes || is_answer {
            self.go_to(channel);
        }
    }

    /// A channel forwards to another. If one is there already there is nothing more to come.
    fn follow(&mut self, params: &[String]) {
        if let [from, to, ..] = params {
            self.joins.forward(self.client.support(), from, to);
            if let Some(room) = self.client.room(to) {
                let name = room.name().to_owned();
                self.arrive(&name);
            }
        }
    }

    /// The server refuses something: to let one in, or whatever else was said or done.
    fn handle_refusal(&mut self, event: &Event, refusal: Refusal<'_>) {
        let report = Report::of(&self.client, event);
        let why = report.as_ref().map_or("refused", |it| it.said.text());
        let support = self.client.support();
        let is_join = self.joins.refuse(support, refusal.code, refusal.params, why);
        if let Front::Lines(lines) = &mut self.front
            && !is_join
        {
            lines.refused(&self.client, why, refusal);
        }
    }

    /// A channel that does not answer does not hold a script up for ever, and nobody waits for it in vain.
    pub(super) fn mind_joining(&mut self, registry: &mut Registry<Self>) {
        let waits = self.is_ready && !self.joins.is_empty();
        let patience = self.joins.patience();
        if let Some((timer, set)) = self.patience
            && (!waits || set != patience)
        {
            registry.cancel(timer);
            self.patience = None;
        }
        if waits && self.patience.is_none() {
            let timer = registry.after(patience, |registry, talk: &mut Self| {
                talk.give_up_joining(registry);
                if let Front::Lines(_) = talk.front {
                    Lines::go_on(talk, registry);
                }
            });
            self.patience = timer.ok().map(|timer| (timer, patience));
        }
    }

    /// No more answers to joining are waited for.
    fn give_up_joining(&mut self, registry: &mut Registry<Self>) {
        self.patience = None;
        let outcome = self.joins.give_up();
        if let Front::Lines(lines) = &mut self.front {
            for (channel, why) in &outcome.refused {
                lines.stay_out(&self.client, channel, why);
            }
            if let Some((channel, true)) = &outcome.elsewhere
                && self.client.room(channel).is_some()
            {
                lines.go_to(channel);
            }
        }
        for channel in outcome.unanswered {
            self.refuse(registry, format!("{channel}: the server does not answer"));
        }
    }
}
