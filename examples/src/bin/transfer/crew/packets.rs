//! Transfers of TFTP: each is a socket, and a file that is whole or is not there.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::Instant;

use indicatif::ProgressBar;
use protocols::transfer::tftp::{self, Caller, ClientOptions, Failure, Mode, Patience, Terms};
use reactor::{Registry, SocketId};

use super::{Crew, summary};
use crate::bars;
use crate::local::Part;
use crate::url::shown;

/// A file that is to be fetched, or sent.
#[derive(Clone, Debug)]
pub(crate) struct Errand {
    pub(crate) way: Way,
    pub(crate) local: PathBuf,
    pub(crate) remote: Vec<u8>,
    pub(crate) mode: Mode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Get,
    Put,
}

/// An errand under way.
pub(super) struct Packets {
    errand: Errand,
    site: usize,
    /// Which of the server's addresses it is.
    address: usize,
    bar: ProgressBar,
    since: Instant,
}

impl Crew {
    /// Asks at one of the server's addresses.
    pub(super) fn begin_errand(
        &mut self,
        registry: &mut Registry<Self>,
        site: usize,
        address: usize,
        errand: Errand,
    ) {
        let name = shown(&errand.remote);
        match self.ask_for(registry, site, address, &errand) {
            Ok((id, size)) => {
                let (bar, since) = (self.bars.add(&name, size), Instant::now());
                self.packets.insert(id, Packets { errand, site, address, bar, since });
            }
            Err(why) => {
                errand.discard();
                self.fail(&name, &why);
            }
        }
    }

    fn ask_for(
        &self,
        registry: &mut Registry<Self>,
        site: usize,
        address: usize,
        errand: &Errand,
    ) -> Result<(SocketId, Option<u64>), String> {
        let server = self.sites.get(site).and_then(|site| site.addresses.get(address)).cloned();
        let server = server.ok_or("the server has no address")?;
        let Errand { way, local, remote, mode } = errand;
        let options = self.tftp_options(*mode);
        let named = |error: io::Error| format!("{}: {error}", local.display());
        let (begun, size) = match way {
            Way::Get => {
                let file = errand.part().open(0).map_err(named)?;
                (tftp::get(registry, server, remote, file, &options), None)
            }
            Way::Put => {
                let file = File::open(local).map_err(named)?;
                let size = Some(file.metadata().map_err(named)?.len());
                (tftp::put(registry, server, remote, file, size, &options), size)
            }
        };
        begun.map(|id| (id, size)).map_err(|error| error.to_string())
    }

    fn tftp_options(&self, mode: Mode) -> ClientOptions {
        let defaults = ClientOptions::default();
        let longest = defaults.patience.longest;
        // So many tries, the longest wait apart, take about as long as is to be waited.
        let tries = self.options.limits.reply_timeout.as_secs() / longest.as_secs().max(1);
        let tries = u32::try_from(tries).unwrap_or(u32::MAX).max(1);
        let patience = Patience { tries, ..defaults.patience };
        ClientOptions { mode, patience, ..defaults }
    }

    fn end_errand(
        &mut self,
        registry: &mut Registry<Self>,
        packets: Packets,
        outcome: Result<u64, Failure>,
    ) {
        self.bars.remove(&packets.bar);
        let Packets { errand, site, address, since, .. } = packets;
        let others = self.sites.get(site).map_or(0, |site| site.addresses.len());
        let name = shown(&errand.remote);
        match outcome.map_err(|failure| (failure.to_string(), failure)) {
            // A server of several addresses is at one of them perhaps.
            Err((_, Failure::NoAnswer)) if address + 1 < others => {
                self.begin_errand(registry, site, address + 1, errand);
            }
            Err((why, _)) => {
                errand.discard();
                self.fail(&name, &why);
            }
            Ok(bytes) => match errand.finish() {
                Ok(()) => {
                    let said = self.bars.say(summary(&name, bytes, since.elapsed(), ""));
                    self.note_output(registry, said);
                }
                Err(error) => self.fail(&name, &format!("{}: {error}", errand.local.display())),
            },
        }
    }
}

impl Errand {
    fn part(&self) -> Part {
        Part::of(self.local.clone())
    }

    /// All of it is here, or there.
    fn finish(&self) -> io::Result<()> {
        match self.way {
            Way::Get => self.part().finish(None),
            Way::Put => Ok(()),
        }
    }

    /// TFTP cannot go on with a part.
    fn discard(&self) {
        if self.way == Way::Get {
            self.part().discard();
        }
    }
}

impl Caller for Crew {
    fn on_agreed(&mut self, _: &mut Registry<Self>, id: SocketId, terms: Terms) {
        if let (Some(packets), Some(size)) = (self.packets.get(&id), terms.size) {
            bars::set_size(&packets.bar, Some(size));
        }
    }

    fn on_progress(&mut self, _: &mut Registry<Self>, id: SocketId, moved: u64) {
        if let Some(packets) = self.packets.get(&id) {
            packets.bar.set_position(moved);
        }
    }

    fn on_finish(
        &mut self,
        registry: &mut Registry<Self>,
        id: SocketId,
        outcome: Result<u64, Failure>,
    ) {
        if let Some(packets) = self.packets.remove(&id) {
            if self.stopped.is_some() {
                packets.errand.discard();
                self.bars.remove(&packets.bar);
            } else {
                self.end_errand(registry, packets, outcome);
            }
        }
        self.pump(registry);
    }
}
