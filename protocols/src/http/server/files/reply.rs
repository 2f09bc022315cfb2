//! Conditions, ranges, and a file on its way.

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::StatusCode;

use super::FilesOptions;
use super::open::{Content, Opening, Page};
use super::page::POLICY;
use crate::http::server::Exchange;
use crate::http::wire::{
    Coding, Conditions, ETag, Field, Fields, Length, RangeAnswer, Request, Validators, Verdict,
    content_range, decode_path, encode_path, format_date, ranges, resolve, write_field,
};
use crate::store::StoreError;

/// What of a request is needed when its file is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    method: &'a str,
    path: &'a str,
    pub(super) query: Option<&'a str>,
    fields: Fields<'a>,
}

impl<'a> Asked<'a> {
    pub(super) fn of(request: &Request<'a>) -> Self {
        let (method, target) = (request.method(), request.target());
        Self { method, path: target.path(), query: target.query(), fields: request.fields() }
    }

    /// Whether all of a file is sent, unless the client has it.
    pub(super) fn wants_whole(&self) -> bool {
        self.method == "GET" && self.fields.get("range").is_none()
    }

    /// The path, as a reader sees it.
    pub(super) fn shown_path(&self) -> String {
        let path = decode_path(self.path).unwrap_or_default();
        String::from_utf8_lossy(&path).into_owned()
    }

    fn judge(&self, has: &Validators) -> Verdict {
        Conditions::new(self.method, self.fields).judge(has)
    }
}

/// The same, kept until the file is open.
#[derive(Debug)]
pub(super) struct AskedBefore {
    method: &'static str,
    path: String,
    query: Option<String>,
    fields: Vec<(&'static str, Vec<u8>)>,
}

/// The fields that are looked at then.
const FIELDS: [&str; 6] =
    ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range"];

impl AskedBefore {
    pub(super) fn of(asked: &Asked<'_>) -> Self {
        let all = FIELDS
            .into_iter()
            .flat_map(|name| asked.fields.get_all(name).map(move |value| (name, value.to_vec())));
        Self {
            method: if asked.method == "HEAD" { "HEAD" } else { "GET" },
            path: asked.path.to_owned(),
            query: asked.query.map(str::to_owned),
            fields: all.collect(),
        }
    }

    pub(super) fn with<R>(&self, act: impl FnOnce(&Asked<'_>) -> R) -> R {
        let fields: Vec<_> =
            self.fields.iter().map(|(name, value)| Field::new(name, value)).collect();
        let fields = Fields::new(&fields);
        let (method, path, query) = (self.method, &*self.path, self.query.as_deref());
        act(&Asked { method, path, query, fields })
    }
}

/// A page, unless the client has it.
pub(super) fn show<App: 'static>(
    exchange: &mut Exchange<'_, '_, App>,
    asked: &Asked<'_>,
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
pub(super) fn redirect<App: 'static>(
    exchange: &mut Exchange<'_, '_, App>,
    asked: &Asked<'_>,
    name: &[u8],
) {
    let query = asked.query.map(|query| format!("?{query}")).unwrap_or_default();
    let location = format!("./{}/{query}", encode_path(name));
    let answer = exchange.answer(StatusCode::MOVED_PERMANENTLY).field("Location", location);
    answer.text("It is a directory: with a slash at the end.\n");
}

pub(super) fn refuse<App: 'static>(exchange: &mut Exchange<'_, '_, App>, error: &StoreError) {
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

/// A file, or a part of it, unless the client has it.
pub(super) fn send<App: 'static>(
    exchange: &mut Exchange<'_, '_, App>,
    asked: &Asked<'_>,
    facts: &Facts,
    content: Content,
) {
    let part = match asked.judge(&facts.validators) {
        Verdict::Proceed { ranges: true } => {
            let asked = ranges(asked.fields).map(|asked| resolve(&asked, facts.size));
            asked.unwrap_or(RangeAnswer::Whole)
        }
        Verdict::Proceed { ranges: false } => RangeAnswer::Whole,
        Verdict::NotModified => {
            let answer = exchange.answer(StatusCode::NOT_MODIFIED);
            return answer.written(&facts.all).empty();
        }
        Verdict::Failed => return refuse_condition(exchange),
    };
    match part {
        RangeAnswer::Unsatisfiable => {
            let answer = exchange.answer(StatusCode::RANGE_NOT_SATISFIABLE).written(&facts.all);
            answer
                .field("Content-Range", content_range(None, facts.size))
                .text("There is nothing of it there.\n");
        }
        RangeAnswer::Whole => {
            let answer = exchange.answer(StatusCode::OK).written(&facts.all);
            let answer = answer.written(&facts.of_bytes);
            match content {
                Content::Memory(memory) => answer.shared(memory.bytes),
                Content::File(file) => answer.file(file, 0, facts.size),
            }
        }
        RangeAnswer::One(part) => {
            let answer = exchange.answer(StatusCode::PARTIAL_CONTENT).written(&facts.all);
            let answer = answer.written(&facts.of_bytes);
            let answer = answer.field("Content-Range", content_range(Some(&part), facts.size));
            match content {
                Content::Memory(memory) => answer.bytes(slice(&memory.bytes, &part)),
                Content::File(file) => answer.file(file, part.start, part.end - part.start),
            }
        }
        RangeAnswer::Several(parts) => send_parts(exchange, facts, &content, &parts),
    }
}

/// `multipart/byteranges` (RFC 9110, 14.6). The boundary is random: a file cannot be made to contain it.
fn send_parts<App: 'static>(
    exchange: &mut Exchange<'_, '_, App>,
    facts: &Facts,
    content: &Content,
    parts: &[Range<u64>],
) {
    let boundary = format!("{:016x}", exchange.registry().random());
    let heads: Vec<_> = parts
        .iter()
        .map(|part| {
            let (media, range) = (facts.media, content_range(Some(part), facts.size));
            format!("\r\n--{boundary}\r\nContent-Type: {media}\r\nContent-Range: {range}\r\n\r\n")
        })
        .collect();
    let end = format!("\r\n--{boundary}--\r\n");
    let bytes: u64 = parts.iter().map(|part| part.end - part.start).sum();
    let length = bytes + (heads.iter().map(String::len).sum::<usize>() + end.len()) as u64;
    let answer = exchange.answer(StatusCode::PARTIAL_CONTENT).written(&facts.all);
    let answer = answer
        .shown_field("Content-Type", format_args!("multipart/byteranges; boundary={boundary}"));
    let Some(exchange) = answer.open(Length::Exact(length)) else {
        return;
    };
    for (head, part) in heads.iter().zip(parts) {
        exchange.write(head.as_bytes());
        match content {
            Content::Memory(memory) => exchange.write(slice(&memory.bytes, part)),
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

fn slice<'a>(bytes: &'a [u8], part: &Range<u64>) -> &'a [u8] {
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    bytes.get(place(part.start)..place(part.end)).unwrap_or_default()
}

/// What is said of a file in every answer.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) validators: Validators,
    size: u64,
    media: &'static str,
    /// The fields of all answers, a 304 included (RFC 9110, 15.4.5).
    all: Vec<u8>,
    /// Those beside them that tell of the bytes.
    of_bytes: Vec<u8>,
}

impl Facts {
    /// What is known of a file that was opened after this time: a date is strong if the second it names was over then.
    pub(super) fn new(opening: &Opening, looked: SystemTime, options: &FilesOptions) -> Self {
        let coding = opening.coding.map(Coding::name);
        let entry = &opening.entry;
        // A time that is still to come is not told (RFC 9110, 8.8.2.1).
        let modified = entry.modified.map(|time| time.clamp(UNIX_EPOCH, looked.max(UNIX_EPOCH)));
        let since = entry.modified.and_then(|time| looked.duration_since(time).ok());
        let tag = entry
            .modified
            .map(|time| ETag::of_file(entry.id, entry.size, time, coding.unwrap_or_default()));
        let (mut all, mut of_bytes) = (Vec::with_capacity(256), Vec::with_capacity(128));
        if let Some(tag) = &tag {
            write_field(&mut all, "ETag", tag.as_str().as_bytes());
        }
        if let Some(modified) = modified {
            write_field(&mut all, "Last-Modified", format_date(modified).as_bytes());
        }
        if options.siblings || options.compress {
            write_field(&mut all, "Vary", b"Accept-Encoding");
        }
        if let Some(cache_control) = &options.cache_control {
            write_field(&mut all, "Cache-Control", cache_control.as_bytes());
        }
        let is_packed = matches!(&opening.content, Content::Memory(memory) if memory.is_packed);
        if !is_packed {
            write_field(&mut all, "Accept-Ranges", b"bytes");
        }
        if let Some(coding) = coding {
            write_field(&mut of_bytes, "Content-Encoding", coding.as_bytes());
        }
        write_field(&mut of_bytes, "X-Content-Type-Options", b"nosniff");
        write_field(&mut of_bytes, "Content-Type", opening.media.as_bytes());
        let is_date_strong = since.is_some_and(|since| since >= Duration::from_secs(1));
        let validators = Validators { tag, modified, is_date_strong };
        Self { validators, size: entry.size, media: opening.media, all, of_bytes }
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.all.len() + self.of_bytes.len()
    }
}
