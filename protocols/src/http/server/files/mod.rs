//! Files out of a tree (`store`), as browsers and download tools want them.
//!
//! ```text
//!   on the loop                on the pool                          on the loop
//!   path, conditions ──▶  open: file? directory? sibling? ──▶  conditions ─▶ ranges ─▶ sendfile
//!          ├── a file, and it is in memory ────────────────────────▶
//!          └── an answer that was given before, and still is right ▶
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `cache` | answers that are kept, and whether they are still right |
//! | `open` | from a path to a file, a page or a refusal: what may wait for the disk |
//! | `reply` | conditions, ranges, and the file on its way |
//! | `page` | a directory as a page |

use std::cell::RefCell;
use std::rc::Rc;
use std::time::SystemTime;

use http::StatusCode;

use super::Exchange;
use super::router::{is_known, refuse_unknown};
use crate::http::wire::{Coding, Request, accepts, decode_path};
use crate::store::{Store, StoreError, VirtualPath};

mod cache;
mod open;
mod page;
mod reply;

use cache::{Cache, Cached, Question};
use open::{Content, Opened, Opening, Wanted, open, open_ready};
use page::Order;
use reply::{Asked, AskedBefore, Facts};

/// Serves the files of a tree. Cheap to clone.
///
/// - `GET` and `HEAD`; everything else is 405.
/// - A path is decoded once, and nothing outside the tree can be reached, nor named by a link.
/// - Conditional requests, ranges (also several, in `multipart/byteranges`) and If-Range as RFC 9110 has
///   them, with strong entity tags.
/// - A directory is redirected to with a slash behind it, and shown as its `index.html`, else as a page.
/// - `NAME.br`, `NAME.zst` and `NAME.gz` beside `NAME`, and not older, go to clients that take them.
///
/// ```
/// use protocols::http::server::{Files, Site};
/// use protocols::store::{Access, Store};
///
/// let directory = tempfile::tempdir()?;
/// let files = Files::new(Store::open(directory.path(), Access::ReadOnly)?);
/// let site = Site::<()>::new(move |request, exchange, _| files.serve(request.path(), request, exchange));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Files {
    store: Store,
    options: Rc<FilesOptions>,
    cache: Rc<RefCell<Cache>>,
}

/// How files are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesOptions {
    /// Whether a directory without `index.html` is shown as a page. Default `true`; else it is 404.
    pub pages: bool,
    /// Whether names that begin with a dot are there. Default `false`: they are what nobody meant to
    /// publish, `.git` and `.env`. `.well-known` (RFC 8615) is there always.
    pub dot_files: bool,
    /// A file that is sent where there is none, with 200: the page of an application that looks at the path
    /// by itself. If it is a directory, they are 403. Default `None`.
    pub fallback: Option<VirtualPath>,
    /// Whether compressed siblings are looked for. Default `true`.
    pub siblings: bool,
    /// Whether texts and pages are compressed for clients that take gzip, where nothing lies beside them. Default
    /// `false`: it costs time, and what is secret in a page that repeats what its reader has sent can be guessed from
    /// its length (BREACH). Files of 256 bytes to 1 MiB are, on the loop's pool, and once if there is
    /// [memory](Self::memory) for it; parts never are.
    pub compress: bool,
    /// What Cache-Control says. Default `None`: there is no such field, and caches guess.
    pub cache_control: Option<String>,
    /// Bytes of memory, of each loop, for answers that may be asked for again: files of up to 16 KiB, and what
    /// compressing made. One that is asked for again is looked at, not opened: what was changed meanwhile is sent as it
    /// is now. The [fallback](Self::fallback) is kept once, however many paths it is sent for. Only on Linux, where that
    /// can be told without waiting; zero for none.
    ///
    /// Default 16 MiB: what most sites have of pages, scripts and icons.
    pub memory: usize,
    /// Entries of a directory that are shown on a page; one that has more is 403.
    ///
    /// Default 10,000: two megabytes of page, as much as a browser shows without trouble.
    pub page_entries: usize,
}

impl Default for FilesOptions {
    fn default() -> Self {
        Self {
            pages: true,
            dot_files: false,
            fallback: None,
            siblings: true,
            compress: false,
            cache_control: None,
            memory: 16 * 1024 * 1024,
            page_entries: 10_000,
        }
    }
}

impl Files {
    /// The files of a tree.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self::with_options(store, FilesOptions::default())
    }

    /// The files of a tree, served in another way.
    #[must_use]
    pub fn with_options(store: Store, options: FilesOptions) -> Self {
        let cache = Rc::new(RefCell::new(Cache::new(options.memory)));
        Self { store, options: Rc::new(options), cache }
    }

    /// How many answers are kept in [memory](FilesOptions::memory).
    #[must_use]
    pub fn kept(&self) -> usize {
        self.cache.borrow().len()
    }

    /// Answers a request with what is at a path of the tree: the request's own, or the part of it behind
    /// where the tree is mounted. It is percent-encoded, as it came.
    pub fn serve<App: 'static>(
        &self,
        path: &str,
        request: &Request<'_>,
        exchange: &mut Exchange<'_, '_, App>,
    ) {
        const ALLOWED: &str = "GET, HEAD, OPTIONS";
        match request.method() {
            "GET" | "HEAD" => {}
            "OPTIONS" => {
                return exchange.answer(StatusCode::NO_CONTENT).field("Allow", ALLOWED).empty();
            }
            method if !is_known(method) => return refuse_unknown(exchange),
            _ => {
                let answer = exchange.answer(StatusCode::METHOD_NOT_ALLOWED);
                return answer.field("Allow", ALLOWED).text("Files are only read here.\n");
            }
        }
        let Some(question) = self.question(path, request) else {
            return exchange.answer(StatusCode::BAD_REQUEST).text("The path is malformed.\n");
        };
        self.find(exchange, &Asked::of(request), question);
    }

    /// Answers with what was found before, or looks.
    fn find<App: 'static>(
        &self,
        exchange: &mut Exchange<'_, '_, App>,
        asked: &Asked<'_>,
        question: Question,
    ) {
        let now = exchange.registry().now();
        let cached = self.cache.borrow_mut().get(&question, &self.store, now);
        if let Some(cached) = cached {
            let content = Content::Memory(cached.memory.clone());
            return reply::send(exchange, asked, &cached.facts, content);
        }
        let wanted = self.wanted(question, asked);
        // What is found may change once more right behind this, however late it is answered.
        let looked = exchange.registry().wall_clock();
        if let Some(opened) = open_ready(&self.store, &wanted) {
            return self.reply(exchange, asked, wanted.question, looked, Ok(opened));
        }
        let (store, asked, files) = (self.store.clone(), AskedBefore::of(asked), self.clone());
        exchange.offload(
            move || (open(&store, &wanted), wanted.question),
            move |exchange, _, (opened, question)| {
                asked.with(|asked| files.reply(exchange, asked, question, looked, opened));
            },
        );
    }

    fn question(&self, path: &str, request: &Request<'_>) -> Option<Question> {
        let fields = request.fields();
        let decoded = decode_path(path).ok()?;
        let is_directory = decoded.is_empty() || decoded.ends_with(b"/");
        // What stands between the first slash and the path belongs to where the tree is mounted.
        let path = match decoded.starts_with(b"/") {
            true => VirtualPath::root().join(&decoded),
            false => VirtualPath::root().join(&[b"/", &*decoded].concat()),
        };
        let takes_any = fields.get("accept-encoding").is_some();
        let taken = |coding: Coding| {
            let comes = takes_any && self.options.siblings && accepts(fields, coding);
            comes.then_some(coding)
        };
        Some(Question {
            path: path.ok()?,
            is_directory,
            codings: Coding::ALL.map(taken),
            compress: self.options.compress
                && fields.get("range").is_none()
                && accepts(fields, Coding::Gzip),
        })
    }

    fn wanted(&self, question: Question, asked: &Asked<'_>) -> Wanted {
        Wanted {
            is_hidden: self.is_hidden(&question.path),
            reads_whole: asked.wants_whole(),
            page: self.options.pages.then_some(self.options.page_entries),
            order: Order::parse(asked.query.unwrap_or_default()),
            // Only a page shows it.
            shown_as: match question.is_directory {
                true => asked.shown_path(),
                false => String::new(),
            },
            dot_files: self.options.dot_files,
            question,
        }
    }

    /// Whether nobody is told that it is there. The fallback is what all are to see.
    fn is_hidden(&self, path: &VirtualPath) -> bool {
        let is_shown = self.options.dot_files || self.options.fallback.as_ref() == Some(path);
        !is_shown && has_dot_name(path)
    }

    /// What is asked for instead of what is not there. By its own path: whoever asks for what is not there is not to
    /// choose what is kept.
    fn fallback_of(&self, question: &Question) -> Option<Question> {
        let path = self.options.fallback.as_ref()?;
        let is_other = question.is_directory || question.path != *path;
        let has_one = is_other && !self.is_hidden(&question.path);
        has_one.then(|| Question { path: path.clone(), is_directory: false, ..question.clone() })
    }

    fn reply<App: 'static>(
        &self,
        exchange: &mut Exchange<'_, '_, App>,
        asked: &Asked<'_>,
        question: Question,
        looked: SystemTime,
        opened: Result<Opened, StoreError>,
    ) {
        match opened {
            Ok(Opened::File(opening)) => self.send(exchange, asked, question, looked, opening),
            Ok(Opened::Page(page)) => reply::show(exchange, asked, &self.options, page),
            // It would lead to itself, below each path anew.
            Ok(Opened::Redirect(_)) if self.options.fallback.as_ref() == Some(&question.path) => {
                reply::refuse(exchange, &StoreError::NotAFile);
            }
            Ok(Opened::Redirect(name)) => reply::redirect(exchange, asked, &name),
            Err(error) => {
                let is_nothing = matches!(error, StoreError::NotFound | StoreError::NotADirectory);
                match self.fallback_of(&question).filter(|_| is_nothing) {
                    Some(fallback) => self.find(exchange, asked, fallback),
                    None => reply::refuse(exchange, &error),
                }
            }
        }
    }

    fn send<App: 'static>(
        &self,
        exchange: &mut Exchange<'_, '_, App>,
        asked: &Asked<'_>,
        question: Question,
        looked: SystemTime,
        mut opening: Opening,
    ) {
        let now = exchange.registry().now();
        let facts = Facts::new(&opening, looked, &self.options);
        let seen = opening.seen.take();
        let memory = match &opening.content {
            Content::Memory(memory) => Some(memory.clone()),
            Content::File(_) => None,
        };
        reply::send(exchange, asked, &facts, opening.content);
        if let Some(memory) = memory
            && let Some(cached) = Cached::new(facts, memory, seen, now)
        {
            self.cache.borrow_mut().keep(question, cached, looked);
        }
    }
}

fn has_dot_name(path: &VirtualPath) -> bool {
    path.names().any(is_dot_name)
}

fn is_dot_name(name: &[u8]) -> bool {
    name.starts_with(b".") && name != b".well-known"
}
