//! Several clients on a real server, on networks where everything goes wrong: whatever happened, when it
//! is over they are all there, and know who is.

use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use protocols::chat::accounts::{AccountLimits, Accounts};
use protocols::chat::client::{Caller, Client, ClientId, Event, Failure, Kind, Options, Room};
use protocols::chat::{self, Limits, Server, Settings};
use reactor::sim::{Host, Network, Outcome, Simulation};
use reactor::{Address, ListenOptions, Registry};

const PORT: u16 = 6667;
const CLIENTS: usize = 4;
const ROOM: &str = "#room";

/// How long everything goes wrong.
const STORM: Duration = Duration::from_secs(120);
/// How long it may take until all is well again: a pause of five minutes, and a peer that fell silent is
/// found out by pings on both sides.
const RECOVERY: Duration = Duration::from_secs(900);

/// A program with a client that says a number every few seconds.
struct Talker {
    client: Client,
    said: u64,
    /// What was heard of the others, by nick.
    heard: Vec<(String, u64)>,
    finished: bool,
}

impl Talker {
    fn start(registry: &mut Registry<Self>, server: Address, nick: &str) -> Self {
        let mut options = Options::new(server, nick);
        options.channels = vec![(ROOM.to_owned(), None)];
        let client = Client::start(registry, ClientId(1), options);
        Self { client, said: 0, heard: Vec::new(), finished: false }
    }

    fn talk(&mut self, registry: &mut Registry<Self>) {
        self.said += 1;
        let text = self.said.to_string();
        // One who is not connected, or has too much to say, says nothing.
        let _ = self.client.say(registry, ROOM, &text);
    }

    /// Who is in the room, as far as this one knows.
    fn members(&self) -> BTreeSet<String> {
        let room = self.client.room(ROOM).filter(|room| room.is_complete());
        let members = room.into_iter().flat_map(Room::members);
        members.map(|member| member.nick().to_owned()).collect()
    }
}

impl Caller for Talker {
    fn client(&mut self, _: ClientId) -> Option<&mut Client> {
        Some(&mut self.client)
    }

    fn on_event(&mut self, _: &mut Registry<Self>, _: ClientId, event: Event) {
        if let Event::Message { kind: Kind::Message, from, text, .. } = event
            && let Ok(number) = text.parse()
        {
            self.heard.push((from.nick, number));
        }
    }

    fn on_finish(&mut self, _: &mut Registry<Self>, _: ClientId, _: Result<(), Failure>) {
        self.finished = true;
    }
}

fn boot_server(registry: &mut Registry<Server>) -> Result<Server, Box<dyn Error>> {
    let limits = Limits { connections_per_address: 100, ..Limits::default() };
    let options = ListenOptions { limits: limits.stream_limits(), ..ListenOptions::default() };
    chat::listen(registry, format!("0.0.0.0:{PORT}").parse()?, &options)?;
    let settings = Settings { limits, ..Settings::default() };
    Ok(Server::new(settings, Accounts::in_memory(AccountLimits::default())))
}

fn scenario(network: &mut Network) -> Outcome {
    network.swarm();
    let server = network.host("server", boot_server);
    let address = network.address(server, PORT);
    let talkers: Vec<Host<Talker>> = (0..CLIENTS)
        .map(|number| {
            let address = address.clone();
            network.host(&format!("client{number}"), move |registry| {
                registry.every(Duration::from_secs(5), |registry, talker: &mut Talker| {
                    talker.talk(registry);
                })?;
                Ok(Talker::start(registry, address.clone(), &format!("user{number}")))
            })
        })
        .collect();
    network.run_for(STORM)?;
    network.calm();
    network.run_for(RECOVERY)?;
    for talker in &talkers {
        let (_, talker) = network.parts(*talker).ok_or("a client is down")?;
        talker.heard.clear();
    }
    network.run_for(Duration::from_secs(60))?;
    check(network, server, &talkers)
}

/// All is well: everybody is there, knows who else is, and hears every word once and in order.
fn check(network: &mut Network, server: Host<Server>, talkers: &[Host<Talker>]) -> Outcome {
    network.app(server).ok_or("the server is down")?.check()?;
    let mut nicks = BTreeSet::new();
    for talker in talkers {
        let talker = network.app(*talker).ok_or("a client is down")?;
        if !talker.client.is_online() || talker.finished {
            return Err("a client has not come back".into());
        }
        nicks.insert(talker.client.nick().to_owned());
    }
    for talker in talkers {
        let talker = network.app(*talker).ok_or("a client is down")?;
        let members = talker.members();
        if members != nicks {
            let nick = talker.client.nick();
            return Err(format!("{nick} knows {members:?} of {nicks:?}").into());
        }
        for nick in nicks.iter().filter(|nick| *nick != talker.client.nick()) {
            let numbers: Vec<u64> =
                talker.heard.iter().filter(|it| it.0 == *nick).map(|it| it.1).collect();
            let in_order = numbers.windows(2).all(|pair| pair[1] == pair[0] + 1);
            if numbers.len() < 10 || !in_order {
                return Err(format!("{} heard {numbers:?} of {nick}", talker.client.nick()).into());
            }
        }
    }
    Ok(())
}

#[test]
fn after_any_storm_everybody_is_there_again() {
    match Simulation::new(scenario).search(0..25) {
        Ok(summary) => eprintln!("{summary}"),
        Err(failure) => panic!("{failure}"),
    }
}

#[test]
fn the_same_seed_is_the_same_storm() {
    if let Err(divergence) = Simulation::new(scenario).check_replay(3) {
        panic!("{divergence}");
    }
}
