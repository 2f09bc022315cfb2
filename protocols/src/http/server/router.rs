//! Which handler answers, by method and path.

use std::fmt;
use std::ops::Deref;

use http::StatusCode;

use super::Exchange;
use crate::http::wire::{Request, decode_path};

/// Chooses a handler by method and path.
///
/// ```text
///   /              this path
///   /users/{id}    any one segment, which is called id
///   /files/{*}     whatever follows, slashes and nothing included; a name in it, {*path}, is for readers
/// ```
///
/// Of several that fit, the one that was added first. A path that nobody has is answered with 404, a method
/// that its path does not have with 405 and Allow, one that nobody knows with 501. HEAD is answered as GET
/// is, and OPTIONS by the router, unless they are added.
///
/// # Panics
///
/// Where a route is added whose path nobody could ask for, or that is another router's: without a slash in front,
/// with a `{` or `}` that is not around a whole segment, with something behind `{*}`, or with `:name`.
pub struct Router<App> {
    routes: Vec<Route<App>>,
}

struct Route<App> {
    method: &'static str,
    pattern: Vec<Segment>,
    handler: Box<RouteHandler<App>>,
}

type RouteHandler<App> = dyn Fn(&Routed<'_>, &mut Exchange<'_, '_, App>, &mut App);

enum Segment {
    Exact(String),
    Named(String),
    Rest,
}

/// A request, and what its path has where the route has names.
#[derive(Debug)]
pub struct Routed<'a> {
    request: &'a Request<'a>,
    parameters: Vec<(&'a str, String)>,
    rest: &'a str,
}

/// The methods of RFC 9110 and RFC 5789: what is not among them is not known here.
const KNOWN: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

impl<App: 'static> Router<App> {
    /// One without routes.
    #[must_use]
    pub fn new() -> Self {
        Self { routes: Vec::new() }
    }

    /// Adds a route for GET, and HEAD.
    pub fn get(
        &mut self,
        path: &str,
        handler: impl Fn(&Routed<'_>, &mut Exchange<'_, '_, App>, &mut App) + 'static,
    ) {
        self.route("GET", path, handler);
    }

    /// Adds a route for POST.
    pub fn post(
        &mut self,
        path: &str,
        handler: impl Fn(&Routed<'_>, &mut Exchange<'_, '_, App>, &mut App) + 'static,
    ) {
        self.route("POST", path, handler);
    }

    /// Adds a route for a method as a request names it, `"PUT"` say. An empty one is any.
    pub fn route(
        &mut self,
        method: &'static str,
        path: &str,
        handler: impl Fn(&Routed<'_>, &mut Exchange<'_, '_, App>, &mut App) + 'static,
    ) {
        let pattern: Vec<_> = segments(path).map(Segment::parse).collect();
        let ends = pattern.iter().position(|it| matches!(it, Segment::Rest));
        let is_last = ends.is_none_or(|at| at + 1 == pattern.len());
        let is_plain = pattern.iter().all(Segment::is_plain);
        assert!(path.starts_with('/') && is_last && is_plain, "no path of a route: {path}");
        self.routes.push(Route { method, pattern, handler: Box::new(handler) });
    }

    /// What a [`Site`](super::Site) is made of.
    pub fn into_handler(
        self,
    ) -> impl Fn(&Request<'_>, &mut Exchange<'_, '_, App>, &mut App) + 'static {
        move |request, exchange, app| self.answer(request, exchange, app)
    }

    fn answer(&self, request: &Request<'_>, exchange: &mut Exchange<'_, '_, App>, app: &mut App) {
        let mut allowed: Vec<&str> = Vec::new();
        for route in &self.routes {
            let Some(routed) = route.fit(request) else {
                continue;
            };
            if route.takes(request.method()) {
                return (route.handler)(&routed, exchange, app);
            }
            allowed.push(route.method);
        }
        if request.path() == "*" {
            allowed.extend(self.routes.iter().map(|route| route.method));
        }
        refuse(request.method(), &allowed, exchange);
    }
}

/// Whether it is a method that others have words for, so that it can be allowed or not.
pub(super) fn is_known(method: &str) -> bool {
    KNOWN.contains(&method)
}

/// The answer to any other (RFC 9110, 9.1).
pub(super) fn refuse_unknown<App: 'static>(exchange: &mut Exchange<'_, '_, App>) {
    exchange.answer(StatusCode::NOT_IMPLEMENTED).text("An unknown method.\n");
}

fn refuse<App: 'static>(method: &str, allowed: &[&str], exchange: &mut Exchange<'_, '_, App>) {
    if !is_known(method) {
        return refuse_unknown(exchange);
    }
    if allowed.is_empty() {
        return exchange.answer(StatusCode::NOT_FOUND).text("Nothing is here.\n");
    }
    let mut methods: Vec<&str> = allowed.iter().copied().filter(|it| !it.is_empty()).collect();
    methods.push("OPTIONS");
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.sort_unstable();
    methods.dedup();
    let methods = methods.join(", ");
    if method == "OPTIONS" {
        return exchange.answer(StatusCode::NO_CONTENT).field("Allow", methods).empty();
    }
    let answer = exchange.answer(StatusCode::METHOD_NOT_ALLOWED).field("Allow", methods);
    answer.text("Not this way.\n");
}

impl<App> Route<App> {
    fn takes(&self, method: &str) -> bool {
        self.method == method
            || self.method.is_empty()
            || (method == "HEAD" && self.method == "GET")
    }

    /// The request with its parameters, if its path fits. A segment is decoded after the path was divided:
    /// a slash that is encoded divides nothing.
    fn fit<'a>(&'a self, request: &'a Request<'a>) -> Option<Routed<'a>> {
        let mut parameters = Vec::new();
        let mut path = segments(request.path());
        let mut rest = request.path().strip_prefix('/')?;
        for segment in &self.pattern {
            if let Segment::Rest = segment {
                return Some(Routed { request, parameters, rest });
            }
            let part = path.next()?;
            rest = rest.get(part.len()..).map(|rest| rest.strip_prefix('/').unwrap_or(rest))?;
            let decoded = decode_path(part).ok()?;
            match segment {
                Segment::Exact(exact) if exact.as_bytes() == &*decoded => {}
                Segment::Named(name) if !decoded.is_empty() => {
                    parameters.push((&**name, String::from_utf8(decoded.into_owned()).ok()?));
                }
                _ => return None,
            }
        }
        path.next().is_none().then_some(Routed { request, parameters, rest: "" })
    }
}

impl Segment {
    fn parse(text: &str) -> Self {
        match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some(name) if name.starts_with('*') => Self::Rest,
            Some(name) => Self::Named(name.to_owned()),
            None => Self::Exact(text.to_owned()),
        }
    }

    /// Whether it has nothing that looks like a name, and is none.
    fn is_plain(&self) -> bool {
        match self {
            Self::Exact(text) => !text.starts_with(':') && !text.contains(['{', '}']),
            Self::Named(name) => !name.is_empty() && !name.contains(['{', '}']),
            Self::Rest => true,
        }
    }
}

fn segments(path: &str) -> std::str::Split<'_, char> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

impl Routed<'_> {
    /// What the path has where the route has `{name}`, decoded.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| &**value)
    }

    /// What the path has where the route has `{*}`, as it came.
    #[must_use]
    pub fn rest(&self) -> &str {
        self.rest
    }

    /// The request itself.
    #[must_use]
    pub fn request(&self) -> &Request<'_> {
        self.request
    }
}

impl<'a> Deref for Routed<'a> {
    type Target = Request<'a>;

    fn deref(&self) -> &Request<'a> {
        self.request
    }
}

impl<App: 'static> Default for Router<App> {
    fn default() -> Self {
        Self::new()
    }
}

impl<App> fmt::Debug for Router<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("routes", &self.routes.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn a_path_that_nobody_could_ask_for_is_told_where_it_is_added() {
        let is_taken = |path: &'static str| {
            catch_unwind(|| {
                Router::<()>::new()
                    .get(path, |_, exchange, ()| exchange.answer(StatusCode::OK).empty());
            })
            .is_ok()
        };
        for path in ["/", "/a/{id}", "/a/{*}", "/a/{*path}", "/a:b/", "/{one}/{two}"] {
            assert!(is_taken(path), "{path}");
        }
        for path in ["", "a", "/a/{", "/a/x{id}", "/a/{}", "/{*}/a", "/a/:id", "/a/{{id}}"] {
            assert!(!is_taken(path), "{path}");
        }
    }
}
