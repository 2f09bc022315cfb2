//! Transfers of TFTP: each is a socket, and a file that is whole or is not there.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use examples::bars;
use examples::part::Part;
use indicatif::ProgressBar;
use protocols::transfer::tftp::{
    self, Caller, ClientOptions, Code, Failure, Mode, Options, Patience, Terms,
};
use reactor::{Registry, SocketId};

use super::Workers;
use crate::url::shown;

/// A file that is to be fetched, or sent.
#[derive(Clone, Debug)]
pub(crate) struct PacketTask {
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

/// A server's address, as the workers know it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) site: usize,
    pub(super) address: usize,
}

/// How a server is asked.
///
/// ```text
///   Hopeful ──it answers, with options or without──▶ Heard
///      └──it refuses with error 0, 4 or 8, grants what it should not, or says nothing──▶ Plain
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// For options (RFC 2347). One that does not know any ignores them; but some refuse, and some do not
    /// answer at all.
    Hopeful,
    /// It has answered that.
    Heard,
    /// As in 1992.
    Plain,
}

/// How long to ask for options a server that does not answer: it hears three requests.
const SILENCE: Duration = Duration::from_secs(7);

/// A task under way.
pub(super) struct Packets {
    packet_task: PacketTask,
    place: Place,
    manner: Manner,
    bar: ProgressBar,
    since: Instant,
}

impl Workers {
    /// Asks at one of the server's addresses.
    pub(super) fn begin_packet_task(
        &mut self,
        registry: &mut Registry<Self>,
        place: Place,
        packet_task: PacketTask,
        manner: Manner,
    ) {
        let name = shown(&packet_task.remote);
        match self.ask_for(registry, place, &packet_task, manner) {
            Ok((id, size)) => {
                let (bar, since) = (self.bars.add(&name, size), Instant::now());
                self.packets.insert(id, Packets { packet_task, place, manner, bar, since });
                if manner == Manner::Hopeful {
                    self.hope(registry, id);
                }
            }
            Err(why) => {
                packet_task.discard();
                self.fail(&name, &why);
            }
        }
    }

    fn ask_for(
        &self,
        registry: &mut Registry<Self>,
        place: Place,
        packet_task: &PacketTask,
        manner: Manner,
    ) -> Result<(SocketId, Option<u64>), String> {
        let site = self.sites.get(place.site);
        let server = site.and_then(|site| site.addresses.get(place.address)).cloned();
        let server = server.ok_or("the server has no address")?;
        let PacketTask { way, local, remote, mode } = packet_task;
        let options = self.tftp_options(*mode, manner);
        let named = |error: io::Error| format!("{}: {error}", local.display());
        let (begun, size) = match way {
            Way::Get => {
                let part = packet_task.part();
                let file = part.make_directory().and_then(|()| part.open(0)).map_err(named)?;
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

    fn tftp_options(&self, mode: Mode, manner: Manner) -> ClientOptions {
        let defaults = ClientOptions::default();
        let longest = defaults.patience.longest;
        // So many tries, the longest wait apart, take about as long as is to be waited.
        let tries = self.options.limits.reply_timeout.as_secs() / longest.as_secs().max(1);
        let tries = u32::try_from(tries).unwrap_or(u32::MAX).max(1);
        let patience = Patience { tries, ..defaults.patience };
        let options = match manner {
            Manner::Hopeful | Manner::Heard => defaults.options,
            Manner::Plain => Options::default(),
        };
        ClientOptions { mode, options, patience, ..defaults }
    }

    /// Waits for an answer to a request with options, and not as long as for one without.
    fn hope(&mut self, registry: &mut Registry<Self>, id: SocketId) {
        let wait = SILENCE.min(self.options.limits.reply_timeout / 2);
        // Without a timer it is waited for all the same, only longer.
        let _ = registry.after(wait, move |registry, workers: &mut Self| {
            let packets = workers.packets.get(&id).filter(|it| it.manner == Manner::Hopeful);
            if packets.is_some() && workers.stopped.is_none() {
                let packets = workers.packets.remove(&id);
                let _ = registry.close_socket(id);
                packets
                    .into_iter()
                    .for_each(|packets| workers.ask_plainly(registry, packets, "no answer"));
            }
        });
    }

    /// Asks once more, from another port, for no options.
    fn ask_plainly(&mut self, registry: &mut Registry<Self>, packets: Packets, why: &str) {
        self.bars.remove(&packets.bar);
        let name = shown(&packets.packet_task.remote);
        let why = shown(why.as_bytes());
        self.bars.complain(format_args!("{name}: {why}; asking again without options"));
        self.begin_packet_task(registry, packets.place, packets.packet_task, Manner::Plain);
    }

    fn end_errand(
        &mut self,
        registry: &mut Registry<Self>,
        packets: Packets,
        outcome: Result<u64, Failure>,
    ) {
        let failure = match outcome {
            Ok(bytes) => return self.finish_errand(registry, &packets, bytes),
            Err(failure) => failure,
        };
        if packets.manner == Manner::Hopeful && may_be_for_options(&failure) {
            return self.ask_plainly(registry, packets, &failure.to_string());
        }
        self.bars.remove(&packets.bar);
        let Packets { packet_task, place: Place { site, address }, .. } = packets;
        let others = self.sites.get(site).map_or(0, |site| site.addresses.len());
        // A server of several addresses is at one of them perhaps.
        let is_nowhere = matches!(failure, Failure::NoAnswer | Failure::Unreachable(_));
        if is_nowhere && address + 1 < others {
            let place = Place { site, address: address + 1 };
            return self.begin_packet_task(registry, place, packet_task, self.manner);
        }
        let server = self.sites.get(site).and_then(|site| site.addresses.get(address));
        let why = match server {
            Some(server) if is_nowhere => format!("{server}: {failure}"),
            _ => failure.to_string(),
        };
        packet_task.discard();
        self.fail(&shown(&packet_task.remote), &why);
    }

    fn finish_errand(&mut self, registry: &mut Registry<Self>, packets: &Packets, bytes: u64) {
        let Packets { packet_task, manner, bar, since, .. } = packets;
        self.bars.remove(bar);
        let name = shown(&packet_task.remote);
        if let Err(error) = packet_task.finish() {
            return self.fail(&name, &format!("{}: {error}", packet_task.local.display()));
        }
        let remark = if *manner == Manner::Plain { "without options" } else { "" };
        let said = self.say_moved(&name, bytes, since.elapsed(), remark);
        self.note_output(registry, said);
    }

    /// A server has answered: whatever goes wrong now is not for its being asked for options.
    fn note_heard(&mut self, id: SocketId) -> Option<&Packets> {
        let packets = self.packets.get_mut(&id)?;
        if packets.manner == Manner::Hopeful {
            packets.manner = Manner::Heard;
        }
        Some(packets)
    }
}

/// Whether a server might do without options what it does not do with them.
fn may_be_for_options(failure: &Failure) -> bool {
    match failure {
        Failure::Refused { code, .. } => {
            matches!(code, Code::Undefined | Code::IllegalOperation | Code::OptionsRefused)
        }
        Failure::Options(_) | Failure::NoAnswer => true,
        _ => false,
    }
}

impl PacketTask {
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

impl Caller for Workers {
    fn on_agreed(&mut self, _: &mut Registry<Self>, id: SocketId, terms: Terms) {
        if let (Some(packets), Some(size)) = (self.note_heard(id), terms.size) {
            bars::set_size(&packets.bar, Some(size));
        }
    }

    fn on_progress(&mut self, _: &mut Registry<Self>, id: SocketId, moved: u64) {
        if let Some(packets) = self.note_heard(id) {
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
                packets.packet_task.discard();
                self.bars.remove(&packets.bar);
            } else {
                self.end_errand(registry, packets, outcome);
            }
        }
        self.pump(registry);
    }
}
