//! Methods that answer later.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::place::Claim;
use super::super::service::{Call, Caller, Done, Slot, decode};
use super::super::{Error, Service};
use super::Ticket;

impl<App: 'static> Service<App> {
    /// A method that answers later: it keeps the [`Ticket`], and whoever has the answer, a timer, another
    /// connection, calls [`Ticket::answer`] with an `R`. If it fails at once the ticket is void.
    pub fn later<P, R>(
        &mut self,
        name: &str,
        about: &str,
        handler: impl Fn(&mut Call<'_, App>, P, Ticket) -> Result<(), Error> + 'static,
    ) where
        P: DeserializeOwned + JsonSchema,
        R: Serialize + JsonSchema,
    {
        self.add::<P, R>(name, about, move |call, params, _| {
            let params = decode(params)?;
            let ticket = call.ticket()?;
            handler(call, params, ticket.clone())?;
            Ok(ticket.into_claim().map_or(Done::Now, Done::Later))
        });
    }

    /// A method whose answer is the result of blocking work: what `prepare` returns runs on the loop's
    /// pool of threads ([`Registry::offload`](reactor::Registry::offload)). Too much of it is answered with
    /// [`Error::BUSY`], and work that panics with an internal error.
    ///
    /// ```
    /// use protocols::rpc::{Error, Service, Ticket};
    ///
    /// /// The application: where the notes are.
    /// struct Notes {
    ///     folder: std::path::PathBuf,
    /// }
    ///
    /// let mut service = Service::<Notes>::new("notes", "1.0.0");
    /// service.offloaded("read", "The text of a note", |call, (name,): (String,)| {
    ///     // Here, on the loop: look at the parameters, take from the application what the work needs.
    ///     if name.contains(['/', '\\']) {
    ///         return Err(Error::new(1, "That is no name of a note"));
    ///     }
    ///     let path = call.app.folder.join(name);
    ///     // There, on a thread: the loop goes on meanwhile. In many steps it would look at `ticket.is_void()`.
    ///     Ok(move |_ticket: &Ticket| {
    ///         std::fs::read_to_string(path).map_err(|error| Error::new(2, error.to_string()))
    ///     })
    /// });
    /// ```
    pub fn offloaded<P, R, W>(
        &mut self,
        name: &str,
        about: &str,
        prepare: impl Fn(&mut Call<'_, App>, P) -> Result<W, Error> + 'static,
    ) where
        P: DeserializeOwned + JsonSchema,
        R: Serialize + JsonSchema + Send + 'static,
        W: FnOnce(&Ticket) -> Result<R, Error> + Send + 'static,
    {
        self.later::<P, R>(name, about, move |call, params, ticket| {
            let work = prepare(call, params)?;
            let on_thread = ticket.clone();
            let posted = call.registry.offload(
                move || work(&on_thread),
                move |registry, _app, result| {
                    let result = result.unwrap_or_else(|error| Err(Error::internal(error)));
                    // Whoever asked may have gone.
                    let _ = ticket.answer(registry, result);
                },
            );
            posted.map_err(|_| Error::new(Error::BUSY, "There is too much other work"))
        });
    }
}

impl<App: 'static> Call<'_, App> {
    fn ticket(&self) -> Result<Ticket, Error> {
        match (&self.caller, self.slot) {
            (_, Slot::Full) => {
                Err(Error::new(Error::BUSY, "Too many calls wait for their answers"))
            }
            (Caller::Connection(remote, place), Slot::Free(number)) => {
                let most = remote.service().limits().reply;
                Ok(Ticket::new(Some(Claim::new(*place, number)), most))
            }
            _ => Ok(Ticket::new(None, 0)),
        }
    }
}
