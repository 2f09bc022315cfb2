//! The head of an answer, and what its body is.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::time::Duration;

use arrayvec::ArrayVec;
use bytes::Bytes;
use http::StatusCode;

use super::Exchange;
use super::sending::{Flow, Slices, Source};
use super::session::{Manner, Reading, Writing};
use crate::decimal::digits;
use crate::http::outgoing::Framing;
use crate::http::wire::{Length, has_no_body, is_token, write_field, write_status};

/// An answer of which the status is said, and its fields are being said. It is written when its body is
/// given; dropped before, it was none.
///
/// Date, Content-Length, Transfer-Encoding and Connection are written by themselves. In the answer to HEAD
/// the body is left out, and everything else is as for GET (RFC 9110, 9.3.2).
///
/// Where the request has been answered already, nothing happens: the first answer counts.
#[must_use = "an answer is written when its body is given"]
pub struct Answer<'x, 'e, 't, App: 'static> {
    exchange: &'x mut Exchange<'e, 't, App>,
    status: StatusCode,
    written: Written,
}

/// What of its head is written already.
enum Written {
    Nothing,
    /// These fields, behind what all heads begin with.
    Fields(Vec<u8>),
    /// Its beginning as well, by another server.
    Head(Vec<u8>),
}

/// What a body is, where one call says so.
#[derive(Clone, Copy)]
pub(super) enum Media {
    Unsaid,
    Text,
    Html,
    Json,
}

impl Media {
    pub(super) fn field(self) -> &'static [u8] {
        match self {
            Self::Unsaid => b"",
            Self::Text => b"Content-Type: text/plain; charset=utf-8\r\n",
            Self::Html => b"Content-Type: text/html; charset=utf-8\r\n",
            Self::Json => b"Content-Type: application/json\r\n",
        }
    }
}

/// Bodies up to this length are copied, and leave with the head.
const SHORT: usize = 16 * 1024;

/// Bytes that are queued at once, at most.
const QUEUED: usize = 256 * 1024;

impl<'x, 'e, 't, App: 'static> Answer<'x, 'e, 't, App> {
    #[inline]
    pub(super) fn new(exchange: &'x mut Exchange<'e, 't, App>, status: StatusCode) -> Self {
        Self { exchange, status, written: Written::Nothing }
    }

    /// The answer of another server, of which the status line and the fields are written already: those of the
    /// message, and none of its connection. Date is added if it has none (RFC 9110, 6.6.1).
    pub(in crate::http) fn relayed(
        exchange: &'x mut Exchange<'e, 't, App>,
        status: StatusCode,
        mut head: Vec<u8>,
        has_date: bool,
    ) -> Self {
        if !has_date {
            exchange.session.site.write_date(&mut head, exchange.transport.registry());
        }
        Self { exchange, status, written: Written::Head(head) }
    }

    /// Where fields are written.
    fn fields(&mut self) -> &mut Vec<u8> {
        if let Written::Nothing = self.written {
            self.written = Written::Fields(self.exchange.session.site.borrow_scratch());
        }
        match &mut self.written {
            Written::Fields(fields) | Written::Head(fields) => fields,
            Written::Nothing => unreachable!("there are fields"),
        }
    }

    /// Adds a field. Line ends in its value become spaces.
    #[inline]
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        debug_assert!(is_token(name.as_bytes()), "{name:?} is no name of a field");
        write_field(self.fields(), name, value.as_ref());
        self
    }

    /// Adds fields that were written before, each with the end of its line.
    pub(super) fn written(mut self, fields: &[u8]) -> Self {
        self.fields().extend_from_slice(fields);
        self
    }

    /// Adds a field whose value is written down.
    pub fn shown_field(mut self, name: &str, value: impl fmt::Display) -> Self {
        let text = value.to_string();
        write_field(self.fields(), name, text.as_bytes());
        self
    }

    // ── bodies ──────────────────────────────────────────────────────────────────────────────

    /// With plain text.
    pub fn text(self, text: &str) {
        self.typed(Media::Text, text.as_bytes());
    }

    /// With a page.
    pub fn html(self, page: &str) {
        self.typed(Media::Html, page.as_bytes());
    }

    /// With JSON, which the caller has written.
    ///
    /// ```
    /// # use http::StatusCode;
    /// # use protocols::http::server::Site;
    /// let site = Site::<()>::new(|_, exchange, ()| exchange.answer(StatusCode::OK).json(r#"{"tea":3}"#));
    /// ```
    pub fn json(self, text: impl AsRef<[u8]>) {
        self.typed(Media::Json, text.as_ref());
    }

    /// Without a body.
    pub fn empty(self) {
        self.bytes(b"");
    }

    /// With these bytes. Short ones leave in one write with the head.
    pub fn bytes(self, body: &[u8]) {
        self.typed(Media::Unsaid, body);
    }

    /// With bytes that are such.
    fn typed(self, media: Media, body: &[u8]) {
        if !self.is_usual() || body.len() > QUEUED {
            return self.typed_otherwise(media, body);
        }
        let Exchange { session, transport, .. } = self.exchange;
        session.site.write_usual_head(transport, media, body.len() as u64);
        transport.write(body);
        session.writing = Writing::Said(Manner::USUAL);
    }

    /// Whether all of its head is as that of another one, but for the length.
    fn is_usual(&self) -> bool {
        self.status == StatusCode::OK
            && matches!(self.written, Written::Nothing)
            && matches!(self.exchange.session.writing, Writing::Owed(Manner::USUAL))
    }

    #[inline(never)]
    fn typed_otherwise(mut self, media: Media, body: &[u8]) {
        if !media.field().is_empty() {
            self.fields().extend_from_slice(media.field());
        }
        if body.len() > QUEUED {
            return self.shared(Bytes::copy_from_slice(body));
        }
        let Some(manner) = self.write_head(Length::Exact(body.len() as u64)) else {
            return;
        };
        let Exchange { session, transport, .. } = self.exchange;
        if !manner.is_head() && !has_no_body("", self.status) {
            transport.write(body);
            if let Some(record) = session.aside.record() {
                record.bytes += body.len() as u64;
            }
        }
        session.writing = Writing::Said(manner);
    }

    /// With these bytes, which are not copied.
    pub fn shared(self, body: Bytes) {
        if body.len() <= SHORT {
            return self.bytes(&body);
        }
        self.stream(Length::Exact(body.len() as u64), Slices(body));
    }

    /// With so many bytes of a file, from `offset`. On Linux they go from the disk to the network without
    /// passing through this program. A file that turns out to be shorter ends the connection.
    pub fn file(self, file: File, offset: u64, length: u64) {
        if let Some(exchange) = self.open(Length::Exact(length)) {
            exchange.send_file(file, offset, length);
            exchange.finish();
        }
    }

    /// With what the source writes, whenever there is room. If the length is open it goes in chunks; to a
    /// client that has none, the connection's end is the body's.
    pub fn stream(self, length: Length, source: impl Source<App>) {
        self.begin(length, Some(Box::new(source)));
    }

    /// With what is [written](Exchange::write) and [finished](Exchange::finish) later, from anywhere. `None`
    /// if the request has been answered already.
    pub fn open(self, length: Length) -> Option<&'x mut Exchange<'e, 't, App>> {
        self.begin(length, None)
    }

    // ── the head ────────────────────────────────────────────────────────────────────────────

    fn begin(
        mut self,
        length: Length,
        source: Option<Box<dyn Source<App>>>,
    ) -> Option<&'x mut Exchange<'e, 't, App>> {
        let manner = self.write_head(length)?;
        let framing = match length {
            _ if manner.is_head() || has_no_body("", self.status) => Framing::Nothing,
            Length::Exact(length) => Framing::Length(length),
            Length::Open if manner.is_old() => Framing::UntilEnd,
            Length::Open => Framing::Chunks,
        };
        let has_source = source.is_some();
        let mut flow = Flow::new(manner, framing, source);
        if framing == Framing::Nothing {
            flow.stage = super::sending::Stage::Finished;
        }
        self.exchange.session.writing = Writing::Flowing(Box::new(flow));
        if has_source {
            self.exchange.session.fill_later(self.exchange.transport);
        }
        Some(self.exchange)
    }

    /// Writes the head, with what says where the body ends; how it is to be answered, or `None` if it has been.
    fn write_head(&mut self, length: Length) -> Option<Manner> {
        let session = &mut *self.exchange.session;
        let Writing::Owed(mut manner) = session.writing else {
            return None;
        };
        manner.end_if(length == Length::Open && manner.is_old());
        if let Reading::Body(intake) = &session.reading
            && !intake.is_flowing()
        {
            manner.end_if(!intake.is_worth_discarding(session.site.limits().discard));
        }
        if let Some(record) = session.aside.record() {
            record.status = self.status.as_u16();
            if session.site.settings().server_timing {
                let took = record.lasted(self.exchange.transport.registry().now());
                write_timing(self.fields(), took);
            }
        }
        self.begin_head();
        let mut end = ArrayVec::new();
        end_head(&mut end, self.status, length, manner);
        self.exchange.transport.write(&end);
        Some(manner)
    }

    /// Writes what all heads begin with, and the fields.
    fn begin_head(&mut self) {
        let Exchange { session, transport, .. } = &mut *self.exchange;
        match std::mem::replace(&mut self.written, Written::Nothing) {
            Written::Nothing => session.site.begin_head(transport, self.status),
            Written::Fields(fields) => {
                session.site.begin_head(transport, self.status);
                transport.write(&fields);
                session.site.return_scratch(fields);
            }
            Written::Head(head) => {
                transport.write(&head);
                session.site.return_scratch(head);
            }
        }
    }
}

/// The longest end of a head: every field that it may have, and the longest length.
const END: usize = 128;

/// Writes what says where the body ends and whether the connection goes on, and the end of the head.
fn end_head(end: &mut ArrayVec<u8, END>, status: StatusCode, length: Length, manner: Manner) {
    let mut add = |text: &[u8]| {
        let added = end.try_extend_from_slice(text);
        debug_assert!(added.is_ok(), "there is room for all of them");
    };
    match length {
        // Neither may say how long nothing is (RFC 9110, 8.6).
        _ if status == StatusCode::NO_CONTENT || status.is_informational() => {}
        // Of what is not sent, in a 304, the length is not known here.
        Length::Exact(_) if status == StatusCode::NOT_MODIFIED => {}
        Length::Exact(length) => {
            add(b"Content-Length: ");
            add(digits(length, &mut [0; 20]));
            add(b"\r\n");
        }
        Length::Open if manner.is_old() => {}
        Length::Open => add(b"Transfer-Encoding: chunked\r\n"),
    }
    if status == StatusCode::UPGRADE_REQUIRED {
        // Upgrade, which it has to have, is for this connection alone (RFC 9110, 7.8 and 15.5.22).
        add(b"Connection: Upgrade\r\n");
    }
    match (manner.is_persistent(), manner.is_old()) {
        (true, false) => {}
        (true, true) => add(b"Connection: keep-alive\r\n"),
        (false, _) => add(b"Connection: close\r\n"),
    }
    add(b"\r\n");
}

impl<App: 'static> fmt::Debug for Answer<'_, '_, '_, App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

/// How long an answer took (W3C, Server Timing), in milliseconds.
fn write_timing(head: &mut Vec<u8>, took: Duration) {
    let value = format!("total;dur={:.3}", took.as_secs_f64() * 1_000.0);
    write_field(head, "Server-Timing", value.as_bytes());
}

impl<App> Exchange<'_, '_, App> {
    /// Writes something short together with a head's bytes; kept here since it is how interim answers go.
    pub(super) fn write_interim(&mut self, status: StatusCode, fields: &[(&str, &[u8])]) {
        let mut head = self.session.site.borrow_scratch();
        write_status(&mut head, status);
        for (name, value) in fields {
            write_field(&mut head, name, value);
        }
        // It cannot fail: it is memory.
        let _ = head.write_all(b"\r\n");
        self.transport.write(&head);
        self.session.site.return_scratch(head);
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use http::StatusCode;
    use reactor::sim::Harness;

    use super::super::{Session, Site};
    use super::*;

    /// What a site says to five requests, one behind the other, and to a HEAD. Where there is a log each of its heads is
    /// made for it.
    fn said(body: &'static str, other: &'static str, is_logged: bool) -> String {
        let site = Site::new(move |_, exchange, turn: &mut u32| {
            *turn += 1;
            let answer = exchange.answer(StatusCode::OK);
            match *turn {
                1 | 5 => answer.text(body),
                2 => answer.text(other),
                3 => answer.html(body),
                4 => answer.bytes(b""),
                _ => answer.json(body),
            }
        });
        let site = if is_logged { site.with_log(|_| {}) } else { site };
        let mut session = Harness::open(Session::new(Rc::new(site)), 0);
        let mut said = String::new();
        for method in ["GET", "POST", "GET", "GET", "GET", "HEAD"] {
            session.receive(format!("{method} / HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
            said += &session.sent_text();
            session.wait(Duration::from_millis(450));
        }
        said
    }

    #[test]
    fn a_head_that_was_kept_is_as_one_that_is_made() {
        for other in ["", "milk", "tea", &"tea".repeat(400)] {
            let other: &'static str = other.to_owned().leak();
            let kept = said("tea", other, false);
            assert_eq!(kept, said("tea", other, true));
            let mut dates: Vec<_> =
                kept.lines().filter(|line| line.starts_with("Date: ")).collect();
            assert_eq!(dates.len(), 6);
            dates.dedup();
            assert_eq!(dates.len(), 3, "it is told anew each second: {dates:?}");
        }
    }

    #[test]
    fn what_an_answer_owes_is_asked_behind_the_end_of_who_asked_too() {
        let site = Site::new(|_, exchange, later: &mut Vec<_>| later.push(exchange.id()));
        let mut session = Harness::open(Session::new(Rc::new(site)), Vec::new());
        session.receive(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        session.peer_ends();
        let id = session.app()[0];
        let answer = |exchange: &mut Exchange<'_, '_, _>, _: &mut Vec<_>| {
            exchange.answer(StatusCode::OK).text("tea");
        };
        super::super::with(session.registry(), id, answer).expect("it waits for its answer");
        session.settle();
        let said = session.sent_text();
        assert!(said.contains("\r\nConnection: close\r\n") && said.ends_with("tea"), "{said}");
        assert!(session.has_sent_fin());
    }
}
