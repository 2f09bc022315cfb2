//! A socket that takes notifications, and answers nothing.

use std::rc::Rc;

use reactor::{Datagram, DatagramProtocol, DatagramTransport};
use serde::Serialize;

use super::super::event::Event;
use super::super::service::{Call, Caller, Slot};
use super::super::wire::{self, Encoding, Message, Reply, Text};
use super::super::{CallError, Dialect, Service};

/// The text of a notification, to be sent as a datagram.
///
/// ```
/// let text = protocols::rpc::notification("tick", &[1])?;
/// assert_eq!(text, br#"{"jsonrpc":"2.0","method":"tick","params":[1]}"#);
/// # Ok::<(), protocols::rpc::CallError>(())
/// ```
///
/// # Errors
///
/// [`CallError::Params`] if the parameters cannot be JSON.
pub fn notification(
    method: &str,
    params: &(impl Serialize + ?Sized),
) -> Result<Vec<u8>, CallError> {
    let params =
        serde_json::to_string(params).map_err(|error| CallError::Params(error.to_string()))?;
    Ok(Encoding::default().request(None, method, &params))
}

/// The protocol of that socket.
#[derive(Debug)]
pub(super) struct Receiver<App> {
    service: Rc<Service<App>>,
}

impl<App> Receiver<App> {
    pub(super) fn new(service: Rc<Service<App>>) -> Self {
        Self { service }
    }
}

impl<App: 'static> DatagramProtocol<App> for Receiver<App> {
    fn on_datagram(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        datagram: &Datagram<'_>,
        app: &mut App,
    ) {
        let Some((method, params)) = notification_in(datagram.bytes, &self.service) else {
            return self.service.count(|counters| counters.datagrams_refused += 1);
        };
        let mut call = Call {
            registry: socket.registry(),
            app,
            caller: Caller::Datagram(&datagram.from),
            method: &method,
            slot: Slot::Nobody,
        };
        let mut nothing = Vec::new();
        let mut reply = Reply::new(&mut nothing, Encoding::default(), None, 0);
        let error = self.service.run(&mut call, params, &mut reply).err();
        if error.is_some() {
            self.service.count(|counters| counters.failed += 1);
        }
        let method = wire::as_text(&method);
        self.service.tell(app, || Event::Called { id: None, method, error: error.as_ref() });
    }
}

/// A notification's method and parameters.
type Notification<'a> = (std::borrow::Cow<'a, [u8]>, Option<&'a [u8]>);

fn notification_in<'a, App: 'static>(
    bytes: &'a [u8],
    service: &Service<App>,
) -> Option<Notification<'a>> {
    let limits = service.limits();
    if bytes.len() > limits.message {
        return None;
    }
    match wire::read(bytes, Dialect::Two, limits.depth) {
        Ok(Text::One(Message::Request { id: None, method, params })) => Some((method, params)),
        _ => None,
    }
}
