//! Encrypted connections on a simulated network: who agrees with whom, and what odd strangers get.

use std::time::Duration;

use protocols::torrent::peer::Options;
use protocols::torrent::wire::message::Handshake;
use protocols::torrent::wire::mse::Encryption::{self, Allow, Off, Prefer, Require};
use protocols::torrent::wire::mse::{Dialling, Receiving, Secured};
use reactor::sim::{Host as At, Network};
use reactor::{Address, Closed, Input, ListenOptions, Protocol, Registry, Transport};

use crate::stage::{Content, Member, PORT, Part, address, content, until_whole, watch};

const MINUTE: Duration = Duration::from_secs(60);

fn with(encryption: Encryption, part: Part) -> Part {
    let options = Options { encryption, ..part.options.clone() };
    Part { options, ..part }
}

/// Whether connections of this host are enciphered.
fn is_encrypted(network: &Network, host: At<Member>) -> Option<bool> {
    network.app(host)?.swarm().peers().map(|peer| peer.encrypted).next()
}

#[test]
fn two_meet_however_each_wants_it_unless_that_cannot_be() {
    let content = content(100_000, false);
    for (seed, (dials, listens, encrypted)) in (1..).zip([
        (Off, Off, Some(false)),
        (Off, Allow, Some(false)),
        (Off, Prefer, Some(false)),
        (Off, Require, None),
        (Allow, Off, Some(false)),
        (Allow, Allow, Some(false)),
        (Allow, Prefer, Some(false)),
        (Allow, Require, Some(true)),
        (Prefer, Off, Some(false)),
        // It offers both, and the other one likes plain more.
        (Prefer, Allow, Some(false)),
        (Prefer, Prefer, Some(true)),
        (Prefer, Require, Some(true)),
        (Require, Off, None),
        (Require, Allow, Some(true)),
        (Require, Prefer, Some(true)),
        (Require, Require, Some(true)),
    ]) {
        let mut network = Network::from_seed(seed);
        // It has not everything, so that nobody parts.
        let has = |piece| piece != 2;
        let listener = with(listens, Part { has, ..Part::leecher(&content, 1) });
        let listener = listener.enter(&mut network, "listener");
        let at = address(&network, listener);
        let dialler = with(dials, Part::leecher(&content, 2)).dialling([at]);
        let dialler = dialler.enter(&mut network, "dialler");
        watch(&mut network, &[listener, dialler]);
        network.run_for(Duration::from_secs(3)).expect("nothing is broken");
        for host in [listener, dialler] {
            assert_eq!(is_encrypted(&network, host), encrypted, "{dials:?} dials {listens:?}");
        }
        let strip = network.app(dialler).map(Member::strip);
        let got = if encrypted.is_some() { "##." } else { "..." };
        assert_eq!(strip.as_deref(), Some(got), "{dials:?} dials {listens:?}");
    }
}

#[test]
fn a_swarm_in_which_everything_is_enciphered_becomes_whole() {
    let mut network = Network::from_seed(20);
    let content = content(2_000_000, false);
    let seed = with(Require, Part::seed(&content, 1)).enter(&mut network, "seed");
    let at = address(&network, seed);
    let magnet = Part { magnet: true, ..Part::leecher(&content, 2) };
    let magnet = with(Require, magnet).dialling([at]).enter(&mut network, "magnet");
    let also = address(&network, magnet);
    let other = with(Prefer, Part::leecher(&content, 3)).dialling([at, also]);
    let other = other.enter(&mut network, "other");
    watch(&mut network, &[seed, magnet, other]);
    until_whole(&mut network, &[magnet, other], &content, MINUTE);
}

// ── strangers ───────────────────────────────────────────────────────────────────────────────────

/// A host that plays one side, byte by byte.
#[derive(Default)]
struct Played {
    heard: Vec<u8>,
    ended: bool,
}

/// It says this at once, and then nothing.
struct Says(Vec<u8>);

impl Protocol<Played> for Says {
    fn on_open(&mut self, transport: &mut Transport<'_, Played>, _: &mut Played) {
        transport.write(&self.0);
    }

    fn on_data(
        &mut self,
        _: &mut Transport<'_, Played>,
        input: &mut Input<'_>,
        played: &mut Played,
    ) {
        played.heard.extend_from_slice(input.take_all());
    }

    fn on_close(&mut self, _: &mut Registry<Played>, _: &Closed, played: &mut Played) {
        played.ended = true;
    }
}

fn play(network: &mut Network, name: &str, to: &Address, says: Vec<u8>) -> At<Played> {
    let to = to.clone();
    network.host(name, move |registry| {
        registry.connect(to.clone(), Says(says.clone()))?;
        Ok(Played::default())
    })
}

#[test]
fn strangers_that_begin_and_do_not_go_on_cost_a_while_and_a_pad_and_no_more() {
    let mut network = Network::from_seed(21);
    let content = content(100_000, false);
    let seed = Part::seed(&content, 1).enter(&mut network, "seed");
    let at = Address::Ip(address(&network, seed));
    let key = [0x5a; 96];
    let silent = play(&mut network, "silent", &at, key.to_vec());
    let endless = play(&mut network, "endless", &at, [&key[..], &[7; 600]].concat());
    let zero = play(&mut network, "zero", &at, vec![0; 96]);
    let short = play(&mut network, "short", &at, vec![1; 95]);
    network.run_for(Duration::from_secs(1)).expect("nothing is broken");
    let ended = |network: &Network, host| network.app(host).is_some_and(|it: &Played| it.ended);
    let heard = |network: &Network, host| network.app(host).map_or(0, |it: &Played| it.heard.len());
    assert!(ended(&network, endless) && ended(&network, zero));
    assert!(!ended(&network, silent) && !ended(&network, short));
    assert!((96..=96 + 512).contains(&heard(&network, silent)), "its key, and a pad");
    assert_eq!((heard(&network, zero), heard(&network, short)), (0, 0));
    network.run_for(Duration::from_secs(10)).expect("nothing is broken");
    assert!(ended(&network, silent) && ended(&network, short), "after the time to greet");
    let leecher = with(Require, Part::leecher(&content, 2)).dialling([address(&network, seed)]);
    let leecher = leecher.enter(&mut network, "leecher");
    until_whole(&mut network, &[leecher], &content, MINUTE);
}

/// Somebody who dials with a large first payload, and is to go on in plain behind it.
struct Talks {
    dialling: Dialling,
    first: Vec<u8>,
    then: Vec<u8>,
    receiving: Option<Receiving>,
}

impl Protocol<Played> for Talks {
    fn on_open(&mut self, transport: &mut Transport<'_, Played>, _: &mut Played) {
        transport.write(&self.first);
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, Played>,
        input: &mut Input<'_>,
        played: &mut Played,
    ) {
        let mut out = Vec::new();
        let mut bytes = input.take_all().to_vec();
        if self.receiving.is_none() {
            let secured = self.dialling.handle(&bytes, &mut out).expect("it agrees");
            transport.write(&out);
            let Some(Secured { sending, receiving, rest, .. }) = secured else { return };
            assert!(sending.is_none(), "it is plain now");
            (self.receiving, bytes) = (Some(receiving), rest);
            // In plain, behind what was enciphered.
            transport.write(&self.then);
        }
        self.receiving.iter_mut().for_each(|it| it.apply(&mut bytes));
        played.heard.extend(bytes);
    }

    fn on_close(&mut self, _: &mut Registry<Played>, _: &Closed, played: &mut Played) {
        played.ended = true;
    }
}

#[test]
fn what_is_said_first_is_enciphered_and_the_rest_is_plain_if_that_was_chosen() {
    let mut network = Network::from_seed(22);
    let content = content(100_000, false);
    let seed = Part::seed(&content, 1).enter(&mut network, "seed");
    let (at, hash) = (Address::Ip(address(&network, seed)), content.info.hash());
    let played = network.host("talks", move |registry| {
        let peer_id = [9; 20].into();
        let greeting =
            Handshake { fast: true, extended: false, dht: false, info_hash: hash, peer_id };
        // A handshake, and half of `have_none`.
        let says = [&greeting.to_bytes()[..], &[0, 0, 0, 1, 15]].concat();
        let (mut first, mut random) = (Vec::new(), || registry.random());
        let dialling = Dialling::new(hash, Allow, &says, &mut random, &mut first);
        // `interested`.
        let then = vec![0, 0, 0, 1, 2];
        registry.connect(at.clone(), Talks { dialling, first, then, receiving: None })?;
        Ok(Played::default())
    });
    network.run_for(Duration::from_secs(2)).expect("nothing is broken");
    let heard = &network.app(played).expect("it is up").heard;
    assert!(heard.starts_with(b"\x13BitTorrent protocol"));
    // Everything is there, and it is unchoked.
    assert_eq!(heard[68..], [0, 0, 0, 1, 14, 0, 0, 0, 1, 1]);
}

#[test]
fn how_a_connection_is_encrypted_is_agreed_once() {
    let mut network = Network::from_seed(24);
    let content = content(100_000, false);
    let seed = Part::seed(&content, 1).enter(&mut network, "seed");
    let (at, hash) = (Address::Ip(address(&network, seed)), content.info.hash());
    let played = network.host("talks", move |registry| {
        let mut random = || registry.random();
        let (mut first, mut then) = Default::default();
        let dialling = Dialling::new(hash, Allow, &[], &mut random, &mut first);
        let _ = Dialling::new(hash, Allow, &[], &mut random, &mut then);
        registry.connect(at.clone(), Talks { dialling, first, then, receiving: None })?;
        Ok(Played::default())
    });
    network.run_for(Duration::from_secs(2)).expect("nothing is broken");
    let played = network.app(played).expect("it is up");
    assert!(played.heard.is_empty() && played.ended);
}

/// Somebody who answers an encrypted greeting with noise, and everything else with nothing.
struct Noise;

impl Protocol<Played> for Noise {
    fn on_data(
        &mut self,
        transport: &mut Transport<'_, Played>,
        input: &mut Input<'_>,
        played: &mut Played,
    ) {
        let bytes = input.take_all();
        played.heard.extend_from_slice(bytes);
        if !bytes.starts_with(b"\x13") {
            transport.write(&[0x33; 2_000]);
        }
    }
}

#[test]
fn who_answers_with_noise_is_greeted_in_plain_and_gets_no_memory() {
    let mut network = Network::from_seed(23);
    let content: Content = content(100_000, false);
    let noise = network.host("noise", |registry| {
        let everywhere = Address::Ip(([0, 0, 0, 0], PORT).into());
        registry
            .listen_with(everywhere, &ListenOptions::default(), |_, _| Some(Box::new(Noise)))?;
        Ok(Played::default())
    });
    let Address::Ip(at) = network.address(noise, PORT) else { panic!("it has an address") };
    let dialler = with(Prefer, Part::leecher(&content, 1)).dialling([at]);
    let dialler = dialler.enter(&mut network, "dialler");
    network.run_for(Duration::from_secs(5)).expect("nothing is broken");
    let heard = network.app(noise).expect("it is up").heard.clone();
    let plain = heard.windows(20).position(|window| window == b"\x13BitTorrent protocol");
    assert!(plain.is_some_and(|at| at >= 96), "first encrypted, and then plain");
    assert_eq!(network.stats(dialler).map(|stats| stats.connections), Some(1));
}
