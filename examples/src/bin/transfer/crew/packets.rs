//! Transfers of TFTP: each is a socket, and a file that is whole or is not there.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use indicatif::ProgressBar;
use protocols::transfer::tftp::{self, Caller, ClientOptions, Failure, Mode, Patience, Terms};
use reactor::{Registry, SocketId};

use super::{Crew, summary};
use crate::bars;
use crate::local::Part;
use crate::url::shown;

/// A transfer of TFTP.
pub(super) struct Packets {
    name: String,
    /// What is fetched; nothing, if it is sent.
    part: Option<Part>,
    bar: ProgressBar,
    since: Instant,
}

impl Crew {
    pub(super) fn begin_get(
        &mut self,
        registry: &mut Registry<Self>,
        site: usize,
        remote: &[u8],
        local: PathBuf,
        mode: Mode,
    ) {
        let (name, part) = (shown(remote), Part::of(local));
        let begun = part.open(0).map_err(|error| format!("{}: {error}", part.path().display()));
        let begun = begun.and_then(|file| {
            let server = self.first_address(site)?;
            tftp::get(registry, server, remote, file, &self.tftp_options(mode))
                .map_err(|error| error.to_string())
        });
        self.note_begun(&name, Some(part), None, begun);
    }

    pub(super) fn begin_put(
        &mut self,
        registry: &mut Registry<Self>,
        site: usize,
        local: &Path,
        remote: &[u8],
        mode: Mode,
    ) {
        let file = File::open(local)
            .and_then(|file| file.metadata().map(|metadata| (file, metadata.len())))
            .map_err(|error| format!("{}: {error}", local.display()));
        let size = file.as_ref().ok().map(|(_, size)| *size);
        let begun = file.and_then(|(file, size)| {
            let server = self.first_address(site)?;
            tftp::put(registry, server, remote, file, Some(size), &self.tftp_options(mode))
                .map_err(|error| error.to_string())
        });
        self.note_begun(&shown(remote), None, size, begun);
    }

    fn note_begun(
        &mut self,
        name: &str,
        part: Option<Part>,
        size: Option<u64>,
        begun: Result<SocketId, String>,
    ) {
        match begun {
            Ok(id) => {
                let (name, bar) = (name.to_owned(), self.bars.add(name, size));
                self.packets.insert(id, Packets { name, part, bar, since: Instant::now() });
            }
            Err(why) => self.fail(name, &why),
        }
    }

    fn first_address(&self, site: usize) -> Result<reactor::Address, String> {
        let first = self.sites.get(site).and_then(|site| site.addresses.first());
        first.cloned().ok_or_else(|| "the server has no address".to_owned())
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

    fn end_packets(
        &mut self,
        registry: &mut Registry<Self>,
        packets: &Packets,
        outcome: Result<u64, String>,
    ) {
        self.bars.remove(&packets.bar);
        let finished = outcome.and_then(|bytes| {
            let part = packets.part.as_ref().map_or(Ok(()), |part| part.finish(None));
            part.map(|()| bytes).map_err(|error| error.to_string())
        });
        match finished {
            Ok(bytes) => {
                let line = summary(&packets.name, bytes, packets.since.elapsed(), "");
                let said = self.bars.say(line);
                self.note_output(registry, said);
            }
            Err(why) => {
                // TFTP cannot go on with it.
                packets.part.iter().for_each(Part::discard);
                self.fail(&packets.name, &why);
            }
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
                packets.part.iter().for_each(Part::discard);
                self.bars.remove(&packets.bar);
            } else {
                let outcome = outcome.map_err(|failure| failure.to_string());
                self.end_packets(registry, &packets, outcome);
            }
        }
        self.pump(registry);
    }
}
