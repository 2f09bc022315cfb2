//! Server-sent events (HTML Living Standard, 9.2): a stream of messages that a browser takes by itself.

use http::StatusCode;

use super::Exchange;
use super::sending::Stage;
use super::session::Writing;
use crate::http::wire::Length;

/// One event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event<'a> {
    /// What kind it is; `message` if nothing is said.
    pub kind: Option<&'a str>,
    /// By which the browser says, when it comes back, what it has seen last (`Last-Event-ID`).
    pub id: Option<&'a str>,
    /// What it says; it may have several lines.
    pub data: &'a str,
}

impl<App: 'static> Exchange<'_, '_, App> {
    /// Answers with a stream of events, which are [sent](Self::send_event) later, by the exchange's
    /// [id](Self::id), until it is [finished](Self::finish).
    ///
    /// A [shutdown](reactor::Registry::shutdown) of the loop finishes it, so that it does not wait for what has no end:
    /// its browser comes again by itself, and finds who serves then. One that is begun later has no events.
    pub fn answer_events(&mut self) {
        let answer = self.answer(StatusCode::OK).field("Content-Type", "text/event-stream");
        let _ = answer.field("Cache-Control", "no-store").open(Length::Open);
        self.need_not_end();
    }

    /// The body that is being written is whole wherever it stops.
    pub(in crate::http) fn need_not_end(&mut self) {
        if let Writing::Flowing(flow) = &mut self.session.writing
            && flow.is_open()
        {
            flow.stage = Stage::Endless;
            if self.registry().is_shutting_down() {
                self.finish();
            }
        }
    }

    /// Sends an event; whether there is room for it. Without room it is dropped: who does not read does not
    /// make others wait.
    pub fn send_event(&mut self, event: &Event<'_>) -> bool {
        let has_room = self.has_room() && self.is_open();
        if has_room {
            let mut text = Vec::new();
            write_event(&mut text, event);
            self.write(&text);
        }
        has_room
    }
}

/// Writes an event as it goes over the wire.
///
/// ```
/// use protocols::http::server::{Event, write_event};
/// let mut out = Vec::new();
/// write_event(&mut out, &Event { kind: Some("greeting"), data: "hello\nworld", ..Event::default() });
/// assert_eq!(out, b"event: greeting\ndata: hello\ndata: world\n\n");
/// ```
pub fn write_event(out: &mut Vec<u8>, event: &Event<'_>) {
    for (name, value) in [("event", event.kind), ("id", event.id)] {
        if let Some(value) = value {
            // One line, whatever is in it; a NUL would make the browser ignore the id.
            write_line(out, name, value.split(['\r', '\n', '\0']).next().unwrap_or_default());
        }
    }
    for line in event.data.split('\n') {
        write_line(out, "data", line.trim_end_matches('\r'));
    }
    out.push(b'\n');
}

fn write_line(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    // A CR alone ends a line as well.
    out.extend(value.bytes().map(|byte| if byte == b'\r' { b' ' } else { byte }));
    out.push(b'\n');
}
