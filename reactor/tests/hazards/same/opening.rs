//! Scenarios of opening sockets: what is refused at once, and in which words.

use std::net::{Ipv4Addr, Ipv6Addr};

use reactor::{Address, ConnectOptions, DatagramOptions, ListenOptions, ListenerId, OpenError};

use super::setting::{Family, Play, Role, boxed};
use super::streams::actor;
use crate::support::{DatagramProbe, Log, Probe};

/// Has a role listen, if it can; it is closed when the play is over.
fn try_listen(
    play: &mut Play,
    role: Role,
    address: &Address,
    options: &ListenOptions,
) -> Result<Address, OpenError> {
    let opened: Result<(ListenerId, Address), OpenError> = play.on(role, |registry, _| {
        let factory = |_: &Address, _: &mut Log| boxed(Probe::new("server"));
        let id = registry.listen_with(address.clone(), options, factory)?;
        Ok((id, registry.listener_address(id).expect("it was just opened")))
    });
    let (id, address) = opened?;
    play.will_close(role, id);
    Ok(address)
}

fn listen(play: &mut Play, what: &str, address: &Address) {
    let opening = try_listen(play, Role::Server, address, &ListenOptions::default());
    play.note_refusal(what, address, opening);
}

fn bind(play: &mut Play, what: &str, address: &Address, options: &DatagramOptions) {
    let probe = DatagramProbe::new("socket");
    let opening = play.try_bind(Role::Server, address.clone(), options, probe);
    play.note_refusal(what, address, opening);
    // Some are opened, and nobody waits until they are.
    play.ignore("socket", "");
}

fn connect(play: &mut Play, what: &str, address: &Address, options: &ConnectOptions) {
    let probe = Probe::new("never");
    let opening =
        play.on(Role::Client, |registry, _| registry.connect_with(address.clone(), options, probe));
    play.note_refusal(what, address, opening);
}

fn from(address: Address) -> ConnectOptions {
    ConnectOptions { from: Some(address), ..ConnectOptions::default() }
}

fn with_port(address: &Address, port: u16) -> Address {
    let mut address = address.socket_addr().expect("it is an IP address");
    address.set_port(port);
    address.into()
}

fn any(family: Family, port: u16) -> Address {
    match family {
        Family::V4 => Address::Ip((Ipv4Addr::UNSPECIFIED, port).into()),
        _ => Address::Ip((Ipv6Addr::UNSPECIFIED, port).into()),
    }
}

/// Whoever opens a path that is in use looks whether somebody answers there, and is seen doing so.
pub(crate) fn an_address_in_use_is_refused(play: &mut Play) {
    let address = play.listen(|| Probe::new("server"));
    listen(play, "listening", &address);
    let (_, address) = play.bind(Role::Server, DatagramProbe::new("socket"));
    bind(play, "binding", &address, &DatagramOptions::default());
    if play.family == Family::Path {
        play.until(|seen| seen.closed("server", 1));
    }
}

pub(crate) fn an_address_of_nobodys_is_refused(play: &mut Play) {
    let nobodys = match play.family {
        Family::V4 => "203.0.113.1:0",
        _ => "[2001:db8::1]:0",
    };
    let nobodys: Address = nobodys.parse().expect("a literal");
    listen(play, "listening", &nobodys);
    bind(play, "binding", &nobodys, &DatagramOptions::default());
    let address = play.listen(|| Probe::new("server"));
    // The error is told where its end is.
    connect(play, "connecting", &address, &from(nobodys.clone()));
    play.until_closed(&["never"]);
}

pub(crate) fn a_wildcard_covers_every_address_of_the_machine(play: &mut Play) {
    // First the one, then all; and the other way round.
    let address = play.listen(|| Probe::new("server"));
    let all = any(play.family, address.port().expect("it is TCP"));
    listen(play, "all behind one", &all);
    let all = any(play.family, 0);
    let all = try_listen(play, Role::Server, &all, &ListenOptions::default()).expect("it is free");
    let port = all.port().expect("it is TCP");
    let one = with_port(&play.loopback(), port);
    listen(play, "one behind all", &one);

    let (_, address) = play.bind(Role::Server, DatagramProbe::new("socket"));
    let all = any(play.family, address.port().expect("it is UDP"));
    bind(play, "all behind one, datagrams", &all, &DatagramOptions::default());
    play.ignore("socket", "");

    // The one behind all is reached.
    let there = with_port(&play.loopback(), port);
    play.on(Role::Server, |registry, _| {
        let client = actor("client").on_open(|transport, _| transport.close());
        registry.connect(there, client).expect("it begins to connect");
    });
    play.until_closed(&["client", "server"]);
}

/// Several listeners that share a port, and several sockets, where all of them say so.
pub(crate) fn several_sockets_share_an_address(play: &mut Play) {
    let options = ListenOptions { reuse_port: true, ..ListenOptions::default() };
    let address = play.address(Role::Server);
    let address = try_listen(play, Role::Server, &address, &options).expect("it is free");
    let second = try_listen(play, Role::Server, &address, &options);
    play.note_refusal("the second listener", &address, second);
    listen(play, "one that does not share", &address);
    // Whoever of them it is, somebody answers.
    play.connect(&address, actor("client").on_open(|transport, _| transport.close()));
    play.until_closed(&["client", "server"]);

    for (what, reuse_address, reuse_port) in
        [("by reuse of the address", true, false), ("by reuse of the port", false, true)]
    {
        let options = DatagramOptions { reuse_address, reuse_port, ..DatagramOptions::default() };
        let address = play.address(Role::Server);
        let probe = DatagramProbe::new("socket");
        let (_, address) = play.bind_with(Role::Server, address, &options, probe);
        bind(play, &format!("the second, {what}"), &address, &options);
        bind(play, "one that does not share", &address, &DatagramOptions::default());
    }
}

pub(crate) fn any_port_is_a_port_of_its_own(play: &mut Play) {
    let addresses = [play.listen(|| Probe::new("server")), play.listen(|| Probe::new("server"))];
    let sockets = [
        play.bind(Role::Server, DatagramProbe::new("one")).1,
        play.bind(Role::Server, DatagramProbe::new("other")).1,
    ];
    for [one, other] in [addresses, sockets] {
        let (one, other) = (one.port().unwrap_or(0), other.port().unwrap_or(0));
        let text = format!("{}", one != 0 && other != 0 && one != other);
        play.on(Role::Client, |_, log| log.note("ports", text));
    }
    play.until(|seen| seen.has("one", "open") && seen.has("other", "open"));
}

pub(crate) fn a_unix_name_has_to_be_somebodys(play: &mut Play) {
    let missing = play.address(Role::Client);
    play.connect(&missing, Probe::new("to what never was"));
    play.until_closed(&["to what never was"]);
    let deserted = play.deserted(Role::Server);
    play.connect(&deserted, Probe::new("to what was"));
    play.until_closed(&["to what was"]);
}

pub(crate) fn addresses_of_the_wrong_kind_are_refused(play: &mut Play) {
    let server = play.listen(|| Probe::new("server"));
    let other = match play.family.is_ip() {
        true => Address::Path("/nowhere".into()),
        false => Address::Ip((Ipv4Addr::LOCALHOST, 9).into()),
    };
    connect(play, "from another kind", &server, &from(other.clone()));
    connect(play, "from nowhere", &server, &from(Address::Unnamed));
    let peer = DatagramOptions { peer: Some(other), ..DatagramOptions::default() };
    let address = play.address(Role::Server);
    bind(play, "a peer of another kind", &address, &peer);
    let unnamed = Address::Unnamed;
    listen(play, "listening without a name", &unnamed);
    connect(play, "connecting to nowhere", &unnamed, &ConnectOptions::default());
}

pub(crate) fn streams_and_datagrams_do_not_meet(play: &mut Play) {
    play.expect_errors_at_once();
    let server = play.listen(|| Probe::new("server"));
    let (_, socket) = play.bind(Role::Server, DatagramProbe::new("socket"));
    play.connect(&socket, Probe::new("stream"));
    play.until_closed(&["stream"]);
    let options = DatagramOptions { peer: Some(server.clone()), ..DatagramOptions::default() };
    let probe = DatagramProbe::new("never");
    let opening = play.try_bind(Role::Server, Address::Unnamed, &options, probe);
    play.note_refusal("a datagram socket to a listener", &server, opening);
    listen(play, "listening where a datagram socket is", &socket);
    bind(play, "binding where a listener is", &server, &DatagramOptions::default());
    let (client, _) = play.bind(Role::Client, DatagramProbe::new("client"));
    let sent = play.on(Role::Client, |registry, _| registry.send_to(client, b"", Some(&server)));
    let text = sent.map_or_else(|error| error.to_string(), |()| "sent".to_owned());
    play.on(Role::Client, |_, log| log.note("errors", text));
    play.until(|seen| seen.has("client", "open"));
    play.ignore("socket", "");
    // Whether it was looked at, and by how many, is in other scenarios.
    play.ignore("server", "");
}

pub(crate) fn a_path_left_behind_is_taken_over(play: &mut Play) {
    let [listener, socket] = play.left_behind();
    play.expect_errors_at_once();
    connect(play, "connecting", &listener, &ConnectOptions::default());
    let (client, _) = play.bind(Role::Client, DatagramProbe::new("client"));
    play.until(|seen| seen.has("client", "open"));
    let sent = play.on(Role::Client, |registry, _| registry.send_to(client, b"", Some(&socket)));
    let text = sent.map_or_else(|error| error.to_string(), |()| "sent".to_owned());
    play.on(Role::Client, |_, log| log.note("errors", text));
    let careful = ListenOptions { replace_stale: false, ..ListenOptions::default() };
    let opening = try_listen(play, Role::Server, &listener, &careful);
    play.note_refusal("listening with care", &listener, opening);
    listen(play, "listening", &listener);
    bind(play, "binding", &socket, &DatagramOptions::default());
    play.connect(&listener, actor("caller").on_open(|transport, _| transport.close()));
    play.until_closed(&["caller", "server"]);
}

/// The server is told of it, but for an abstract name, which mio does not pass on.
pub(crate) fn a_connection_comes_from_where_it_was_told_to(play: &mut Play) {
    let can_tell = play.family != Family::Abstract;
    let server = play.listen(move || {
        actor("server").on_open(move |transport, log| {
            let named = transport.peer() != Address::Unnamed;
            log.note("server", format!("it has a name: {}", named || !can_tell));
        })
    });
    let here = play.address(Role::Client);
    let told = here.clone();
    let client = actor("client").on_open(move |transport, log| {
        let local = transport.local();
        let kept = match (local.socket_addr(), told.socket_addr()) {
            (Some(local), Some(told)) => local.ip() == told.ip() && local.port() != 0,
            _ => local == told,
        };
        log.note("client", format!("it is where it was told to be: {kept}"));
    });
    let client = play.connect_with(&server, &from(here.clone()), client);
    play.until(|seen| seen.has("server", "open") && seen.has("client", "open"));
    if play.family == Family::Abstract {
        connect(play, "from a name that is taken", &server, &from(here.clone()));
        let refused = format!("close could not connect: address already in use: {here}");
        play.until(|seen| seen.has("never", &refused));
        // The name is another each time.
        play.ignore("never", "");
        listen(play, "listening on it", &here);
    }
    play.on(Role::Client, |registry, _| registry.close(client).expect("it is open"));
    play.until_closed(&["client", "server"]);
}
