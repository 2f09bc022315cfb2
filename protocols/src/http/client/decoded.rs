//! Answers that come compressed.

use reactor::{ConnectionId, Registry};

use super::{Call, Failure, Reader};
use crate::http::InflateLimits;
use crate::http::wire::{Fields, Framing, Gunzip, NotInflated, Response};

/// A reader of what an answer stands for, where it comes compressed: with gzip, or not at all. The head is as it came,
/// so that Content-Length, if there is one, is that of the compressed body.
///
/// ```no_run
/// # use protocols::http::InflateLimits;
/// # use protocols::http::client::{Ask, Client, Decoded, Reader, Url};
/// # use reactor::{Address, Registry};
/// fn ask<R: Reader<()>>(client: &Client<()>, registry: &mut Registry<()>, at: &Address, url: &Url, reader: R) {
///     let ask = Ask::get(url).field("Accept-Encoding", Decoded::<R>::ACCEPTED);
///     client.send(registry, at, ask, Decoded::new(reader, &InflateLimits::default()));
/// }
/// ```
#[derive(Debug)]
pub struct Decoded<R> {
    reader: R,
    limits: InflateLimits,
    state: State,
}

#[derive(Debug)]
enum State {
    /// As it is; before the head has come, too.
    Plain,
    Gzip(Box<Gunzip>),
    Failed(NotInflated),
}

impl<R> Decoded<R> {
    /// What Accept-Encoding has to say.
    pub const ACCEPTED: &str = "gzip";

    /// A reader behind which this one reads.
    #[must_use]
    pub fn new(reader: R, limits: &InflateLimits) -> Self {
        Self { reader, limits: limits.clone(), state: State::Plain }
    }
}

impl State {
    fn of(response: &Response<'_>, limits: &InflateLimits) -> Self {
        let codings = response.fields().list("content-encoding");
        let mut codings = codings.filter(|coding| !coding.eq_ignore_ascii_case(b"identity"));
        match (codings.next(), codings.next()) {
            (None, _) => Self::Plain,
            // It says how it would come, and there is nothing to come.
            _ if response.framing() == Framing::Length(0) => Self::Plain,
            (Some(coding), None)
                if coding.eq_ignore_ascii_case(b"gzip")
                    || coding.eq_ignore_ascii_case(b"x-gzip") =>
            {
                Self::Gzip(Box::new(Gunzip::new(limits)))
            }
            _ => Self::Failed(NotInflated::Unknown),
        }
    }
}

impl<App: 'static, R: Reader<App>> Reader<App> for Decoded<R> {
    fn on_turn(&mut self, call: &mut Call<'_, '_, App>, app: &mut App) {
        self.reader.on_turn(call, app);
    }

    fn on_ready(&mut self, call: &mut Call<'_, '_, App>, app: &mut App) {
        self.reader.on_ready(call, app);
    }

    fn on_interim(&mut self, response: &Response<'_>, call: &mut Call<'_, '_, App>, app: &mut App) {
        self.reader.on_interim(response, call, app);
    }

    fn on_head(&mut self, response: &Response<'_>, call: &mut Call<'_, '_, App>, app: &mut App) {
        self.state = State::of(response, &self.limits);
        self.reader.on_head(response, call, app);
        if let State::Failed(_) = self.state {
            call.cancel();
        }
    }

    fn on_body(&mut self, bytes: &[u8], call: &mut Call<'_, '_, App>, app: &mut App) {
        let mut rest = bytes;
        while let State::Gzip(gunzip) = &mut self.state
            && !rest.is_empty()
        {
            match gunzip.next(&mut rest) {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => self.reader.on_body(&bytes, call, app),
                Err(why) => {
                    self.state = State::Failed(why);
                    return call.cancel();
                }
            }
        }
        if let State::Plain = self.state {
            self.reader.on_body(bytes, call, app);
        }
    }

    fn on_trailers(&mut self, trailers: Fields<'_>, call: &mut Call<'_, '_, App>, app: &mut App) {
        self.reader.on_trailers(trailers, call, app);
    }

    fn on_switch(
        self: Box<Self>,
        response: &Response<'_>,
        connection: ConnectionId,
        registry: &mut Registry<App>,
        app: &mut App,
    ) {
        Box::new(self.reader).on_switch(response, connection, registry, app);
    }

    fn on_end(
        self: Box<Self>,
        outcome: Result<(), Failure>,
        registry: &mut Registry<App>,
        app: &mut App,
    ) {
        let Self { reader, state, .. } = *self;
        let outcome = match (state, outcome) {
            (State::Failed(why), _) => Err(Failure::Coding(why)),
            (State::Gzip(gunzip), Ok(())) => gunzip.finish().map_err(Failure::Coding),
            (_, outcome) => outcome,
        };
        Box::new(reader).on_end(outcome, registry, app);
    }
}
