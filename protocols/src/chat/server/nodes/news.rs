//! That there is something for the other nodes, said to whoever carries it to them; and what operators are told of the
//! network.

use std::rc::Rc;
use std::time::Instant;

use reactor::Registry;

use crate::chat::server::Server;
use crate::chat::server::network::Network;

/// What is called when there is something to be taken.
pub(in crate::chat::server) struct OnNews<App>(Box<Take<App>>);

type Take<App> = dyn Fn(&mut Registry<App>, &mut App);

impl<App> OnNews<App> {
    pub(in crate::chat::server) fn call(&self, registry: &mut Registry<App>, app: &mut App) {
        self.0(registry, app);
    }
}

impl Server {
    /// Has a closure called, once in a turn, when there is something to be [taken](Self::take_effects): behind
    /// everything that is on the stack then. It is for a server that is [a node](Self::join_cluster).
    pub fn on_news<App: 'static>(&mut self, tell: impl Fn(&mut Registry<App>, &mut App) + 'static) {
        if let Some(nodes) = &mut self.nodes {
            nodes.on_news = Some(Rc::new(OnNews::<App>(Box::new(tell))));
        }
    }

    /// Says who knows how it stands with the network.
    pub fn set_report(&mut self, report: impl Fn(Instant) -> String + 'static) {
        if let Some(nodes) = &mut self.nodes {
            nodes.report = Some(Box::new(report));
        }
    }

    /// How it stands with the network now, in a few lines; none for a server that is in none.
    #[must_use]
    pub fn network_report(&self, now: Instant) -> Option<String> {
        let report = self.nodes.as_ref()?.report.as_ref()?;
        Some(report(now))
    }

    /// Says so, if there is something that has not been said yet.
    pub(in crate::chat::server) fn tell_news(&mut self, network: &mut dyn Network) {
        let Some(nodes) = &mut self.nodes else { return };
        let is_news = !nodes.out.is_empty() || !nodes.requests.is_empty();
        if is_news && !nodes.is_told && nodes.on_news.is_some() {
            network.tell_news();
            nodes.is_told = true;
        }
    }

    /// Who takes what there is. It was given for this application; for another one there is nobody.
    pub(in crate::chat::server) fn news_taker<App: 'static>(&self) -> Option<Rc<OnNews<App>>> {
        self.nodes.as_ref()?.on_news.clone()?.downcast().ok()
    }

    /// Logs something of the network, and tells the operators of this node.
    #[cfg(feature = "cluster")]
    pub(in crate::chat) fn tell_operators<App: AsMut<Self> + 'static>(
        &mut self,
        registry: &mut Registry<App>,
        event: &crate::chat::Event<'_>,
    ) {
        self.log(event);
        let operators: Vec<_> = self
            .users
            .registered()
            .filter(|(_, user)| user.is_local() && user.is_operator())
            .map(|(key, _)| key)
            .collect();
        let text = format!("*** {event}");
        operators.into_iter().for_each(|user| self.notice(registry, user, &text));
    }
}
