//! A partial write taken for whole: a client takes what the system has taken for delivered, and goes
//! on from there when it has to connect again. What was on its way is missing.
//!
//! ```text
//!   server ─▶ client   how much is here (8 bytes), at the beginning and whenever it is more
//!   client ─▶ server   where the rest begins (8 bytes), and the rest
//! ```

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use reactor::sim::{Network, Outcome};
use reactor::{
    Address, Closed, ConnectOptions, Input, Protocol, Registry, StreamLimits, TimerKey, Transport,
};

use super::Hunt;

const LENGTH: usize = 20_000;
/// So much is written at a time.
const PIECE: usize = 200;
const EVERY: Duration = Duration::from_millis(10);
const AGAIN: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(5);

/// A part of the document: no two pieces of it are alike.
fn document(part: Range<usize>) -> Vec<u8> {
    part.map(|at| (at / 7) as u8 | 1).collect()
}

/// What survives a crash of the server.
type Disk = Rc<RefCell<Vec<u8>>>;

/// The server's side.
struct Receiving {
    disk: Disk,
    /// Where the next byte belongs, once that is known.
    at: Option<usize>,
}

impl Receiving {
    fn store(&mut self, bytes: &[u8], at: usize) {
        let mut disk = self.disk.borrow_mut();
        let end = at + bytes.len();
        if disk.len() < end {
            disk.resize(end, 0);
        }
        disk[at..end].copy_from_slice(bytes);
        self.at = Some(end);
    }

    fn tell<App>(&self, transport: &mut Transport<'_, App>) {
        transport.write(&(self.disk.borrow().len() as u64).to_be_bytes());
    }
}

impl<App> Protocol<App> for Receiving {
    fn on_open(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        self.tell(transport);
    }

    fn on_data(&mut self, transport: &mut Transport<'_, App>, input: &mut Input<'_>, _: &mut App) {
        let Some(at) = self.at.or_else(|| take_number(input)) else {
            return;
        };
        self.store(input.take_all(), at);
        self.tell(transport);
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Trusts {
    /// The bytes it has got rid of.
    ItsOwnCount,
    /// What the server says is there.
    TheServer,
}

/// The client's application.
struct Upload {
    address: Address,
    trusts: Trusts,
    /// What has been sent, by the client's own count.
    sent: usize,
    is_done: bool,
}

impl Upload {
    fn begin(&self, registry: &mut Registry<Self>) {
        let limits = StreamLimits { idle_timeout: Some(PATIENCE), ..StreamLimits::default() };
        let options = ConnectOptions { limits, ..ConnectOptions::default() };
        let sending = Sending { at: None };
        if registry.connect_with(self.address.clone(), &options, sending).is_err() {
            Self::begin_later(registry);
        }
    }

    fn begin_later(registry: &mut Registry<Self>) {
        let begin = |registry: &mut Registry<Self>, upload: &mut Self| upload.begin(registry);
        registry.after(AGAIN, begin).expect("a timer is left");
    }
}

/// The client's side.
struct Sending {
    /// What is written next, once it is known where this connection begins.
    at: Option<usize>,
}

impl Protocol<Upload> for Sending {
    fn on_data(
        &mut self,
        transport: &mut Transport<'_, Upload>,
        input: &mut Input<'_>,
        upload: &mut Upload,
    ) {
        while let Some(there) = take_number(input) {
            if self.at.is_none() {
                let at = if upload.trusts == Trusts::TheServer { there } else { upload.sent };
                self.at = Some(at);
                transport.write(&(at as u64).to_be_bytes());
                transport.set_timer(TimerKey(0), EVERY);
            }
            upload.is_done |= there == LENGTH;
        }
        if upload.is_done {
            transport.close();
        }
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, Upload>, key: TimerKey, _: &mut Upload) {
        let at = self.at.unwrap_or(LENGTH);
        let end = LENGTH.min(at + PIECE);
        transport.write(&document(at..end));
        self.at = Some(end);
        if end < LENGTH {
            transport.set_timer(key, EVERY);
        }
    }

    fn on_close(&mut self, registry: &mut Registry<Upload>, closed: &Closed, upload: &mut Upload) {
        if let Some(at) = self.at {
            // What is not queued any more was delivered: that is the mistake.
            upload.sent = at.saturating_sub(closed.unsent as usize);
        }
        if !upload.is_done {
            Upload::begin_later(registry);
        }
    }
}

fn take_number(input: &mut Input<'_>) -> Option<usize> {
    let bytes = input.get(..8)?.try_into().ok()?;
    input.take_front(8);
    Some(u64::from_be_bytes(bytes) as usize)
}

fn scenario(network: &mut Network, trusts: Trusts) -> Outcome {
    network.swarm();
    let disk = Disk::default();
    let stored = Rc::clone(&disk);
    let server = network.host("server", move |registry| {
        let disk = Rc::clone(&disk);
        let receiving =
            move |_: &Address, _: &mut ()| Receiving { disk: Rc::clone(&disk), at: None };
        registry.listen("0.0.0.0:21".parse()?, receiving)?;
        Ok(())
    });
    let address = network.address(server, 21);
    let client = network.host("client", move |registry| {
        let upload = Upload { address: address.clone(), trusts, sent: 0, is_done: false };
        upload.begin(registry);
        Ok(upload)
    });
    network.run_for(Duration::from_secs(5))?;
    network.calm();
    network.run_until(Duration::from_secs(100), |network| {
        network.app(client).is_some_and(|upload| upload.is_done)
    })?;
    if *stored.borrow() != document(0..LENGTH) {
        return Err("what has arrived is not what was sent".into());
    }
    Ok(network.finish(Duration::from_secs(20))?)
}

#[test]
fn a_partial_write_taken_for_whole_is_found() {
    let hunt = Hunt { seeds: 40, busy: 24 };
    hunt.find(
        |network| scenario(network, Trusts::ItsOwnCount),
        |network| scenario(network, Trusts::TheServer),
    );
}
