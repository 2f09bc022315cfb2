//! Files out of a tree (`store`), as browsers and download tools want them.
//!
//! ```text
//!   on the loop                on the pool                          on the loop
//!   path, conditions ──▶  open: file? directory? sibling? ──▶  conditions ─▶ ranges ─▶ sendfile
//!          └── a file, and it is in memory ────────────────────────▶
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `open` | from a path to a file, a page or a refusal: what may wait for the disk |
//! | `reply` | conditions, ranges, and the file on its way |
//! | `page` | a directory as a page |

use std::rc::Rc;

use http::StatusCode;

use super::Exchange;
use crate::http::wire::{Coding, Request, accepts, decode_path};
use crate::store::{Store, VirtualPath};

mod open;
mod page;
mod reply;

use open::{Wanted, open, open_ready};
use page::Order;
use reply::{Asked, reply};

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
    /// by itself. Default `None`.
    pub fallback: Option<VirtualPath>,
    /// Whether compressed siblings are looked for. Default `true`.
    pub siblings: bool,
    /// Whether texts and pages are compressed for clients that take gzip, where nothing lies beside them. Default
    /// `false`: it costs time, anew for each request, and what is secret in a page that repeats what its reader has
    /// sent can be guessed from its length (BREACH). Files of 256 bytes to 1 MiB are, on the loop's pool; parts never
    /// are.
    pub compress: bool,
    /// What Cache-Control says. Default `None`: there is no such field, and caches guess.
    pub cache_control: Option<String>,
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
        Self { store, options: Rc::new(options) }
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
            _ => {
                let answer = exchange.answer(StatusCode::METHOD_NOT_ALLOWED);
                return answer.field("Allow", ALLOWED).text("Files are only read here.\n");
            }
        }
        let Some(wanted) = self.wanted(path, request) else {
            return exchange.answer(StatusCode::BAD_REQUEST).text("The path is malformed.\n");
        };
        let asked = Asked::new(request);
        if let Some(opened) = open_ready(&self.store, &wanted) {
            return reply(exchange, &asked, &self.options, Ok(opened));
        }
        let (store, options) = (self.store.clone(), Rc::clone(&self.options));
        exchange.offload(
            move || open(&store, &wanted),
            move |exchange, _, opened| reply(exchange, &asked, &options, opened),
        );
    }

    fn wanted(&self, path: &str, request: &Request<'_>) -> Option<Wanted> {
        let decoded = decode_path(path).ok()?;
        let is_directory = decoded.is_empty() || decoded.ends_with(b"/");
        // What stands between the first slash and the path belongs to where the tree is mounted.
        let path = VirtualPath::root().join(&[b"/", &*decoded].concat()).ok()?;
        let has_range = request.fields().get("range").is_some();
        let codings = Coding::ALL
            .into_iter()
            .filter(|&coding| self.options.siblings && accepts(request.fields(), coding));
        Some(Wanted {
            is_hidden: !self.options.dot_files && has_dot_name(&path),
            path,
            is_directory,
            codings: codings.collect(),
            reads_whole: !has_range && request.method() == "GET",
            compress: self.options.compress
                && !has_range
                && accepts(request.fields(), Coding::Gzip),
            fallback: self.options.fallback.clone(),
            page: self.options.pages.then_some(self.options.page_entries),
            order: Order::parse(request.target().query().unwrap_or_default()),
            // Only a page shows it.
            shown_as: match is_directory {
                true => String::from_utf8_lossy(&decode_path(request.path()).ok()?).into_owned(),
                false => String::new(),
            },
            dot_files: self.options.dot_files,
        })
    }
}

fn has_dot_name(path: &VirtualPath) -> bool {
    path.names().any(is_dot_name)
}

fn is_dot_name(name: &[u8]) -> bool {
    name.starts_with(b".") && name != b".well-known"
}
