//! The way to a server that is behind a proxy, or wants TLS: asked for, waited for, and taken.

use reactor::{Input, Transport};

use super::connection::{Connection, DEADLINE, State};
use super::{Failure, socks};
use crate::http::wire::Response;

impl<App: 'static> Connection<App> {
    /// The proxy has answered: if there is a way through, TLS begins behind it.
    pub(super) fn begin_tunnel(
        &mut self,
        transport: &mut Transport<'_, App>,
        response: &Response<'_>,
    ) {
        match response.status() {
            status if status.is_success() => self.secure(transport),
            status => self.give_up(transport, Failure::Proxy(status)),
        }
    }

    /// A SOCKS proxy has said something. Whether there may be more to read.
    pub(super) fn read_socks(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) -> bool {
        let (State::Asking(stage), Some(user)) = (&mut self.state, self.route.socks()) else {
            return false;
        };
        match stage.take(input, &self.route.server, user) {
            Ok(Some((length, answer))) => {
                input.take_front(length);
                transport.write(&answer);
                if *stage == socks::Stage::Open {
                    self.begin_behind_socks(transport, app);
                }
                true
            }
            Ok(None) => false,
            Err(refusal) => {
                self.give_up(transport, Failure::Socks(refusal));
                false
            }
        }
    }

    /// There is a way to the server.
    fn begin_behind_socks(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        if self.pool.tunnels(&self.route) {
            return self.secure(transport);
        }
        self.begin_behind_proxy(transport, app);
    }

    /// The way leads to the server itself.
    pub(super) fn begin_behind_proxy(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        self.pool.end_asking(&self.route, transport.id());
        self.state = State::Idle;
        self.take_next(transport, app);
    }

    #[cfg(feature = "tls")]
    fn secure(&mut self, transport: &mut Transport<'_, App>) {
        self.state = State::Securing;
        let tls = self.pool.options.connect.tls.as_ref();
        let begun = tls.map(|tls| transport.start_tls(&tls.for_address(&self.route.server)));
        if let Some(Err(error)) = begun {
            self.give_up(transport, Failure::Tls(error.to_string()));
        }
    }

    /// There is no tunnel without it.
    #[cfg(not(feature = "tls"))]
    fn secure(&mut self, _: &mut Transport<'_, App>) {
        self.state = State::Securing;
    }

    /// Waits for a way, as long as those do who wait for it.
    pub(super) fn wait(&mut self, transport: &mut Transport<'_, App>) {
        if !self.state.is_on_its_way() {
            return;
        }
        let why = self.state.no_way(Failure::Silent);
        let registry = transport.registry();
        let now = registry.now();
        match self.pool.fail_late(registry, &self.route, self.since, &why) {
            // Those who came meanwhile try another.
            Some(until) if now < self.since + self.patience() => {
                transport.set_timer(DEADLINE, until.saturating_duration_since(now));
            }
            _ => {
                self.state = State::Over;
                transport.abort();
            }
        }
    }
}

impl<App> State<App> {
    /// Whether there is no way to the server yet, and somebody has been asked for one.
    pub(super) fn is_on_its_way(&self) -> bool {
        matches!(self, Self::Tunnelling { .. } | Self::Asking(_) | Self::Securing)
    }

    /// What a failure means then: nothing of a request has left.
    pub(super) fn no_way(&self, why: Failure) -> Failure {
        match self {
            Self::Tunnelling { .. } => why.of_tunnel(),
            Self::Asking(_) => why.of_socks(),
            Self::Securing => why.of_beginning(),
            _ => why,
        }
    }
}
