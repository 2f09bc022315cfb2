//! What becomes of a request whose connection has ended: it goes out again, once, or its reader learns why not.

use reactor::{CloseReason, Closed, Registry};

use super::Failure;
use super::connection::{Connection, State};
use super::pool::Pool;

impl<App: 'static> Connection<App> {
    /// It has ended.
    pub(super) fn lose(&mut self, registry: &mut Registry<App>, closed: &Closed, app: &mut App) {
        match std::mem::replace(&mut self.state, State::Over) {
            // Nothing was heard, on a connection that had been idle: the server had closed it meanwhile, as
            // it may, and what can be asked twice is (RFC 9110, 9.2.2).
            State::Asked { mut job, seen: 0, .. }
                if self.answered > 0
                    && !job.is_second
                    && !job.is_over()
                    && self.failure.is_none()
                    && job.ask.is_repeatable() =>
            {
                job.is_second = true;
                self.pool.put_first(&self.route, job);
            }
            State::Asked { job, .. } => {
                let why = self.reason(closed, None);
                job.reader.on_end(Err(why), registry, app);
            }
            State::Reading { job, received, .. } => {
                let why = self.reason(closed, Some(received));
                job.reader.on_end(Err(why), registry, app);
            }
            // There was never a way: whoever waits longest learns of it, and the next one tries again.
            way @ (State::Tunnelling { .. } | State::Asking(_) | State::Securing) => {
                let why = way.no_way(self.reason(closed, None));
                self.pool.fail_next(registry, &self.route, why);
            }
            State::Idle if !closed.opened => {
                let why = self.reason(closed, None);
                self.pool.fail_next(registry, &self.route, why);
            }
            State::Idle | State::Over => {}
            // It was forgotten when it changed hands.
            State::Switched => return,
        }
        Pool::forget(&self.pool, registry, &self.route, closed.id);
    }

    /// Why a request that was under way is not answered.
    fn reason(&mut self, closed: &Closed, received: Option<u64>) -> Failure {
        if let Some(failure) = self.failure.take() {
            return failure;
        }
        let address = self.route.first().clone();
        match (&closed.reason, received) {
            (CloseReason::ConnectTimeout, _) => Failure::ConnectTimeout(address),
            (CloseReason::ConnectFailed(error), _) => {
                Failure::Unreachable { address, why: error.to_string() }
            }
            (CloseReason::HostFailed(failure), _) => Failure::of_host(address, failure),
            (CloseReason::Tls(failure), None) => Failure::of_tls(failure),
            (CloseReason::HandshakeTimeout, _) => Failure::Tls(closed.reason.to_string()),
            (reason, Some(received)) if reason.is_clean() => Failure::Cut(received),
            (reason, None) if reason.is_clean() => Failure::NoAnswer,
            (reason, _) => Failure::Lost(reason.to_string()),
        }
    }
}
