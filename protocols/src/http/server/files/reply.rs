//! Conditions, ranges, and a file on its way.

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::StatusCode;
use httparse::Header;

use super::FilesOptions;
use super::open::{Content, Opened, Opening, Page};
use super::page::POLICY;
use crate::http::server::{Answer, Exchange};
use crate::http::wire::{
    Conditions, ETag, Fields, Length, RangeAnswer, Request, Validators, Verdict, content_range,
    encode_path, ranges, resolve,
};
use crate::store::StoreError;

/// What of a request is needed when its file is open.
#[derive(Debug)]
pub(super) struct Asked {
    method: &'static str,
    query: Option<String>,
    fields: Vec<(&'static str, Vec<u8>)>,
}

/// The fields that are looked at then.
const FIELDS: [&str; 6] =
    ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range"];

impl Asked {
    pub(super) fn new(request: &Request<'_>) -> Self {
        let all = FIELDS.into_iter().flat_map(|name| {
            request.fields().get_all(name).map(move |value| (name, value.to_vec()))
        });
        Self {
            method: if request.method() == "HEAD" { "HEAD" } else { "GET" },
            query: request.target().query().map(str::to_owned),
            fields: all.collect(),
        }
    }

    fn with_fields<R>(&self, act: impl FnOnce(Fields<'_>) -> R) -> R {
        let headers: Vec<_> =
            self.fields.iter().map(|(name, value)| Header { name, value }).collect();
        act(Fields::new(&headers))
    }

    fn judge(&self, has: &Validators) -> Verdict {
        self.with_fields(|fields| Conditions::new(self.method, fields).judge(has))
    }
}

pub(super) fn reply<App: 'static>(
    exchange: &mut Exchange<'_, '_, App>,
    asked: &Asked,
    options: &FilesOptions,
    opened: Result<Opened, StoreError>,
) {
    match opened {
        Ok(Opened::File(opening)) => send(exchange, asked, options, opening),
        Ok(Opened::Page(page)) => show(exchange, asked, options, page),
        Ok(Opened::Redirect(name)) => redirect(exchange, asked, &name),
        Err(error) => refuse(exchange, &error),
    }
}

/// A page, unless the client has it.
fn show<App: 'static>(
    exchange: &mut Exchange<'_, '_, App>,
    asked: &Asked,
    options: &FilesOptions,
    page: Page,
) {
    let Page { bytes, tag, coding } = page;
    let has = Validators { tag: Some(tag), modified: None, is_date_strong: false };
    let status = match asked.judge(&has) {
        Verdict::Proceed { .. } => StatusCode::OK,
        Verdict::NotModified => StatusCode::NOT_MODIFIED,
        Verdict::Failed => return refuse_condition(exchange),
    };
    let answer = exchange.answer(status).field("Cache-Control", "no-cache");
    let answer = answer.field("Content-Security-Policy", POLICY);
    let answer = has.tag.iter().fold(answer, |answer, tag| answer.field("ETag", tag.as_str()));
    let answer = if options.compress { answer.field("Vary", "Accept-Encoding") } else { answer };
    if status == StatusCode::NOT_MODIFIED {
        return answer.empty();
    }
    let answer = coding
        .iter()
        .fold(answer, |answer, coding| answer.field("Content-Encoding", coding.name()));
    let answer = answer.field("X-Content-Type-Options", "nosniff");
    answer.field("Content-Type", "text/html; charset=utf-8").shared(bytes.into());
}

fn refuse_condition<App: 'static>(exchange: &mut Exchange<'_, '_, App>) {
    exchange.answer(StatusCode::PRECONDITION_FAILED).text("It is not what you have.\n");
}

/// To the same with a slash behind it: relative to where it is, so that it leads to no other host, however
/// many slashes the path began with.
fn redirect<App: 'static>(exchange: &mut Exchange<'_, '_, App>, asked: &Asked, name: &[u8]) {
    let query = asked.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    let location = format!("./{}/{query}", encode_path(name));
    let answer = exchange.answer(StatusCode::MOVED_PERMANENTLY).field("Location", location);
    answer.text("It is a directory: with a slash at the end.\n");
}

fn refuse<App: 'static>(exchange: &mut Exchange<'_, '_, App>, error: &StoreError) {
    let (status, text) = match error {
        StoreError::NotFound | StoreError::NotADirectory | StoreError::Invalid(_) => {
            (StatusCode::NOT_FOUND, "Nothing is here.\n")
        }
        StoreError::Denied | StoreError::NotAFile | StoreError::TooManyEntries(_) => {
            (StatusCode::FORBIDDEN, "This is not shown.\n")
        }
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "The file could not be read.\n"),
    };
    exchange.answer(status).text(text);
}

fn send<App: 'static>(
    exchange: &mut Exchange<'_, '_, App>,
    asked: &Asked,
    options: &FilesOptions,
    opening: Opening,
) {
    let now = exchange.registry().wall_clock();
    let facts = Facts::new(&opening, now, options);
    let size = opening.entry.size;
    let part = match asked.judge(&facts.validators) {
        Verdict::Proceed { ranges: true } => {
            let asked = asked.with_fields(ranges).map(|asked| resolve(&asked, size));
            asked.unwrap_or(RangeAnswer::Whole)
        }
        Verdict::Proceed { ranges: false } => RangeAnswer::Whole,
        Verdict::NotModified => {
            return facts.put(exchange.answer(StatusCode::NOT_MODIFIED)).empty();
        }
        Verdict::Failed => return refuse_condition(exchange),
    };
    match part {
        RangeAnswer::Unsatisfiable => {
            let answer = facts.put(exchange.answer(StatusCode::RANGE_NOT_SATISFIABLE));
            answer
                .field("Content-Range", content_range(None, size))
                .text("There is nothing of it there.\n");
        }
        RangeAnswer::Whole => {
            let answer = facts.put_media(facts.put(exchange.answer(StatusCode::OK)));
            match opening.content {
                Content::Bytes(bytes) => answer.bytes(&bytes),
                Content::Packed(bytes) => answer.shared(bytes.into()),
                Content::File(file) => answer.file(file, 0, size),
            }
        }
        RangeAnswer::One(part) => {
            let answer = facts.put_media(facts.put(exchange.answer(StatusCode::PARTIAL_CONTENT)));
            let answer = answer.field("Content-Range", content_range(Some(&part), size));
            match opening.content {
                Content::Bytes(bytes) | Content::Packed(bytes) => {
                    answer.bytes(slice(&bytes, &part));
                }
                Content::File(file) => answer.file(file, part.start, part.end - part.start),
            }
        }
        RangeAnswer::Several(parts) => send_parts(exchange, &facts, opening, &parts),
    }
}

fn slice<'a>(bytes: &'a [u8], part: &Range<u64>) -> &'a [u8] {
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    bytes.get(place(part.start)..place(part.end)).unwrap_or_default()
}

/// `multipart/byteranges` (RFC 9110, 14.6). The boundary is random: a file cannot be made to contain it.
fn send_parts<App: 'static>(
    exchange: &mut Exchange<'_, '_, App>,
    facts: &Facts,
    opening: Opening,
    parts: &[Range<u64>],
) {
    let boundary = format!("{:016x}", exchange.registry().random());
    let size = opening.entry.size;
    let heads: Vec<_> = parts
        .iter()
        .map(|part| {
            let (media, range) = (opening.media, content_range(Some(part), size));
            format!("\r\n--{boundary}\r\nContent-Type: {media}\r\nContent-Range: {range}\r\n\r\n")
        })
        .collect();
    let end = format!("\r\n--{boundary}--\r\n");
    let bytes: u64 = parts.iter().map(|part| part.end - part.start).sum();
    let length = bytes + (heads.iter().map(String::len).sum::<usize>() + end.len()) as u64;
    let answer = facts.put(exchange.answer(StatusCode::PARTIAL_CONTENT));
    let answer = answer
        .shown_field("Content-Type", format_args!("multipart/byteranges; boundary={boundary}"));
    let Some(exchange) = answer.open(Length::Exact(length)) else {
        return;
    };
    for (head, part) in heads.iter().zip(parts) {
        exchange.write(head.as_bytes());
        match &opening.content {
            Content::Bytes(bytes) | Content::Packed(bytes) => exchange.write(slice(bytes, part)),
            Content::File(file) => match file.try_clone() {
                Ok(file) => exchange.send_file(file, part.start, part.end - part.start),
                // Without descriptors it cannot go on, and its length is promised.
                Err(_) => return exchange.abort(),
            },
        }
    }
    exchange.write(end.as_bytes());
    exchange.finish();
}

/// What is said of a file in every answer.
struct Facts {
    validators: Validators,
    modified: Option<String>,
    media: &'static str,
    coding: Option<&'static str>,
    varies: bool,
    /// Parts of it can be asked for.
    has_parts: bool,
    cache_control: Option<String>,
}

impl Facts {
    fn new(opening: &Opening, now: SystemTime, options: &FilesOptions) -> Self {
        let coding = opening.coding.map(crate::http::wire::Coding::name);
        let entry = &opening.entry;
        // A time that is still to come is not told (RFC 9110, 8.8.2.1).
        let modified = entry.modified.map(|time| time.clamp(UNIX_EPOCH, now.max(UNIX_EPOCH)));
        let since = modified.and_then(|time| now.duration_since(time).ok());
        let tag = entry
            .modified
            .map(|time| ETag::of_file(entry.id, entry.size, time, coding.unwrap_or_default()));
        Self {
            validators: Validators {
                tag,
                modified,
                is_date_strong: since.is_some_and(|since| since >= Duration::from_secs(1)),
            },
            modified: modified.map(httpdate::fmt_http_date),
            media: opening.media,
            coding,
            varies: options.siblings || options.compress,
            has_parts: !matches!(opening.content, Content::Packed(_)),
            cache_control: options.cache_control.clone(),
        }
    }

    /// What a 304 has as well (RFC 9110, 15.4.5).
    fn put<'x, 'e, 't, App>(&self, mut answer: Answer<'x, 'e, 't, App>) -> Answer<'x, 'e, 't, App> {
        if let Some(tag) = &self.validators.tag {
            answer = answer.field("ETag", tag.as_str());
        }
        if let Some(modified) = &self.modified {
            answer = answer.field("Last-Modified", modified);
        }
        if self.varies {
            answer = answer.field("Vary", "Accept-Encoding");
        }
        if let Some(cache_control) = &self.cache_control {
            answer = answer.field("Cache-Control", cache_control);
        }
        if self.has_parts { answer.field("Accept-Ranges", "bytes") } else { answer }
    }

    fn put_media<'x, 'e, 't, App>(
        &self,
        mut answer: Answer<'x, 'e, 't, App>,
    ) -> Answer<'x, 'e, 't, App> {
        if let Some(coding) = self.coding {
            answer = answer.field("Content-Encoding", coding);
        }
        answer.field("X-Content-Type-Options", "nosniff").field("Content-Type", self.media)
    }
}
