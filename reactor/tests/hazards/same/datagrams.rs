//! Scenarios of datagram sockets.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use reactor::{
    Address, DatagramLimits, DatagramOptions, Ecn, Envelope, Membership, MulticastInterface,
    SocketId, TimerKey,
};

use super::setting::{Family, Play, Role};
use crate::support::{DatagramProbe, echo_datagrams};

fn connected_to(peer: &Address) -> DatagramOptions {
    DatagramOptions { peer: Some(peer.clone()), ..DatagramOptions::default() }
}

/// What came of sending, in words.
fn outcome(result: io::Result<()>) -> String {
    result.map_or_else(|error| error.to_string(), |()| "sent".to_owned())
}

/// Has the client send between two turns, and writes down what came of it.
fn send(play: &mut Play, id: SocketId, bytes: &[u8], to: Option<&Address>) {
    play.on(Role::Client, |registry, log| {
        let text = format!("{} bytes: {}", bytes.len(), outcome(registry.send_to(id, bytes, to)));
        log.note("sending", text);
    });
}

/// Both sockets are open.
#[track_caller]
fn both_open(play: &mut Play) {
    play.until(|seen| seen.has("server", "open") && seen.has("client", "open"));
}

pub(crate) fn datagrams_come_back(play: &mut Play) {
    let (_, server) = play.bind(Role::Server, echo_datagrams());
    let asked = server.clone();
    let client = DatagramProbe::new("client").on_datagram(move |socket, datagram, log| {
        log.note("client", format!("from where it was asked: {}", datagram.from == asked));
        match datagram.bytes {
            b"hello" => socket.send_to(b"goodbye", &datagram.from).expect("there is room"),
            _ => socket.close(),
        }
    });
    let (client, _) = play.bind(Role::Client, client);
    both_open(play);
    send(play, client, b"hello", Some(&server));
    play.until(|seen| seen.has("client", "close closed"));
}

pub(crate) fn an_empty_datagram_is_one_too(play: &mut Play) {
    let (_, server) = play.bind(Role::Server, echo_datagrams());
    let address = play.address(Role::Client);
    let probe = DatagramProbe::new("client");
    let (client, _) = play.bind_with(Role::Client, address, &connected_to(&server), probe);
    both_open(play);
    for (nth, message) in [&b""[..], b"a", b""].into_iter().enumerate() {
        send(play, client, message, None);
        play.until(|seen| seen.datagrams("client") == nth + 1);
    }
}

/// A socket asks for a run, and hears it piece by piece: the last is shorter.
pub(crate) fn a_run_is_one_datagram_after_the_other(play: &mut Play) {
    let probe = DatagramProbe::new("server").on_datagram(|socket, datagram, log| {
        let run: Vec<u8> = (0..25).collect();
        let sent = socket.send_run(&run, 10, Some(&datagram.from), Envelope::default());
        log.note("server", outcome(sent));
        let sent = socket.send_run(&run, 0, Some(&datagram.from), Envelope::default());
        log.note("server", outcome(sent));
    });
    let (_, server) = play.bind(Role::Server, probe);
    let client = DatagramProbe::new("client").on_datagram(|_, datagram, log| {
        log.note("client", format!("{:?}", datagram.bytes));
    });
    let (client, _) = play.bind(Role::Client, client);
    both_open(play);
    send(play, client, b"hello", Some(&server));
    play.until(|seen| seen.datagrams("client") == 3);
}

pub(crate) fn datagrams_have_a_greatest_length(play: &mut Play) {
    let (_, server) = play.bind(Role::Server, DatagramProbe::new("server"));
    let (client, _) = play.bind(Role::Client, DatagramProbe::new("client"));
    both_open(play);
    play.expect_errors_at_once();
    let lengths = match play.family {
        Family::V4 => [65_507, 65_508],
        Family::V6 => [65_527, 65_528],
        // As long as the sender's buffer is.
        _ => [60_000, 300_000],
    };
    for length in lengths {
        send(play, client, &vec![7; length], Some(&server));
    }
    play.until(|seen| seen.datagrams("server") == 1);
}

pub(crate) fn nobody_is_there_and_a_connected_socket_hears_of_it(play: &mut Play) {
    let deserted = play.deserted_by_datagrams(Role::Server);
    let address = play.address(Role::Client);
    let probe = DatagramProbe::new("client");
    let (client, _) = play.bind_with(Role::Client, address, &connected_to(&deserted), probe);
    play.until(|seen| seen.has("client", "open"));
    send(play, client, b"anybody?", None);
    play.until(|seen| seen.has("client", "error connection refused"));

    // Somebody comes, and is heard.
    play.bind_with(Role::Server, deserted, &DatagramOptions::default(), echo_datagrams());
    play.until(|seen| seen.has("server", "open"));
    send(play, client, b"hello", None);
    play.until(|seen| seen.datagrams("client") == 1);
}

pub(crate) fn nobody_is_there_and_an_unconnected_socket_does_not(play: &mut Play) {
    let deserted = play.deserted_by_datagrams(Role::Server);
    let (_, server) = play.bind(Role::Server, echo_datagrams());
    let (client, _) = play.bind(Role::Client, DatagramProbe::new("client"));
    both_open(play);
    send(play, client, b"anybody?", Some(&deserted));
    send(play, client, b"hello", Some(&server));
    play.until(|seen| seen.datagrams("client") == 1);
}

/// And it goes on: somebody else is there.
#[cfg(feature = "icmp")]
pub(crate) fn nobody_is_there_and_an_unconnected_socket_that_asks_hears_of_it(play: &mut Play) {
    let deserted = play.deserted_by_datagrams(Role::Server);
    let (_, server) = play.bind(Role::Server, echo_datagrams());
    let address = play.address(Role::Client);
    let options = DatagramOptions { icmp: true, ..DatagramOptions::default() };
    let probe = DatagramProbe::new("client");
    let (client, _) = play.bind_with(Role::Client, address, &options, probe);
    both_open(play);
    send(play, client, b"anybody?", Some(&deserted));
    play.until(|seen| seen.has("client", "error connection refused"));
    send(play, client, b"hello", Some(&server));
    play.until(|seen| seen.datagrams("client") == 1);
}

pub(crate) fn a_connected_socket_hears_its_peer_alone(play: &mut Play) {
    let (_, server) = play.bind(Role::Server, echo_datagrams());
    let address = play.address(Role::Client);
    let probe = DatagramProbe::new("client");
    let (client, called) = play.bind_with(Role::Client, address, &connected_to(&server), probe);
    // Whoever else calls is told that nobody is there.
    let address = play.address(Role::Client);
    let probe = DatagramProbe::new("stranger");
    let (stranger, _) = play.bind_with(Role::Client, address, &connected_to(&called), probe);
    both_open(play);
    send(play, stranger, b"not for you", None);
    play.until(|seen| seen.has("stranger", "error connection refused"));
    send(play, client, b"hello", None);
    play.until(|seen| seen.datagrams("client") == 1);
}

pub(crate) fn a_socket_without_a_name_sends(play: &mut Play) {
    let (_, server) = play.bind(
        Role::Server,
        DatagramProbe::new("server").on_datagram(|socket, datagram, log| {
            log.note("server", format!("unnamed: {}", datagram.from == Address::Unnamed));
            let answer = socket.send_to(datagram.bytes, &datagram.from);
            log.note("server", format!("answering: {}", outcome(answer)));
        }),
    );
    let probe = DatagramProbe::new("client");
    let (client, _) = play.bind_with(Role::Client, Address::Unnamed, &connected_to(&server), probe);
    both_open(play);
    send(play, client, b"hello", None);
    play.until(|seen| seen.datagrams("server") == 1);
    play.note_rows();
}

pub(crate) fn nobody_is_at_a_path_or_a_name(play: &mut Play) {
    play.expect_errors_at_once();
    let deserted = play.deserted_by_datagrams(Role::Server);
    let (client, _) = play.bind(Role::Client, DatagramProbe::new("client"));
    play.until(|seen| seen.has("client", "open") && seen.has("nobody", "close closed"));
    // It may have closed before it heard that it was open.
    play.ignore("nobody", "");
    send(play, client, b"anybody?", Some(&deserted));
    let connecting = play.try_bind(
        Role::Client,
        Address::Unnamed,
        &connected_to(&deserted),
        DatagramProbe::new("never"),
    );
    play.note_refusal("connecting", &deserted, connecting);

    // The receiver goes while somebody is connected to it.
    let (id, server) = play.bind(Role::Server, DatagramProbe::new("server"));
    let probe = DatagramProbe::new("caller");
    let (caller, _) = play.bind_with(Role::Client, Address::Unnamed, &connected_to(&server), probe);
    play.until(|seen| seen.has("caller", "open") && seen.has("server", "open"));
    send(play, caller, b"hello", None);
    play.until(|seen| seen.datagrams("server") == 1);
    play.on(Role::Server, |registry, _| registry.close_socket(id).expect("it is open"));
    play.until(|seen| seen.has("server", "close closed"));
    send(play, caller, b"hello again", None);
    send(play, caller, b"and again", None);
}

/// The receiver's queue is full long before the burst is over: the rest waits, and nothing is lost.
pub(crate) fn a_burst_waits_for_its_receiver(play: &mut Play) {
    const BURST: usize = 600;
    let (_, server) = play.bind(Role::Server, DatagramProbe::new("server"));
    let address = play.address(Role::Client);
    let limits = DatagramLimits { outbox: 16 << 20 };
    let options = DatagramOptions { limits, ..connected_to(&server) };
    let probe = DatagramProbe::new("client").on_open(|socket, log| {
        for number in 0..BURST {
            let message = [number.to_le_bytes().as_slice(), &[0; 992]].concat();
            socket.send(&message).expect("there is room for it");
        }
        log.note("client", format!("some wait: {}", socket.queued() > 0));
    });
    play.bind_with(Role::Client, address, &options, probe);
    play.until(|seen| seen.datagrams("server") == BURST && seen.has("client", "drain"));
    play.on(Role::Server, |_, log| {
        let mine = log.datagrams.iter().filter(|(who, ..)| *who == "server");
        let numbers = mine.map(|(_, bytes, _)| usize::from_le_bytes(*bytes.first_chunk().unwrap()));
        assert!(numbers.eq(0..BURST), "in order");
    });
}

pub(crate) fn a_datagram_without_a_destination_is_an_error(play: &mut Play) {
    play.expect_errors_at_once();
    let (client, _) = play.bind(Role::Client, DatagramProbe::new("client"));
    play.until(|seen| seen.has("client", "open"));
    send(play, client, b"hello", None);
    if play.family == Family::V4 {
        // The families have nothing to say to each other.
        let other = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, 9)).into();
        send(play, client, b"hello", Some(&other));
    }
    let other = match play.family.is_ip() {
        true => Address::Path("/nowhere".into()),
        false => Address::Ip((Ipv4Addr::LOCALHOST, 9).into()),
    };
    send(play, client, b"hello", Some(&other));
    send(play, client, b"hello", Some(&Address::Unnamed));
}

pub(crate) fn a_group_is_heard_by_its_members(play: &mut Play) {
    let group = Ipv4Addr::new(239, 255, 77, 9);
    let membership = Membership::V4 { group, interface: Ipv4Addr::LOCALHOST };
    let interface = MulticastInterface::V4(Ipv4Addr::LOCALHOST);
    let any: Address = "0.0.0.0:0".parse().expect("a literal");
    let options = DatagramOptions { groups: vec![membership], ..DatagramOptions::default() };
    let joining = play.try_bind(Role::Server, any.clone(), &options, echo_datagrams());
    let Ok((_, server)) = joining else {
        return play.skip("no multicast on the loopback interface");
    };
    let port = server.port().expect("it is UDP");
    let options =
        DatagramOptions { multicast_interface: Some(interface), ..DatagramOptions::default() };
    let probe = DatagramProbe::new("client");
    let (client, _) = play.bind_with(Role::Client, any, &options, probe);
    both_open(play);
    let group = Address::Ip((group, port).into());
    let sent =
        play.on(Role::Client, |registry, _| registry.send_to(client, b"hello", Some(&group)));
    if sent.is_err() {
        return play.skip("no multicast on the loopback interface");
    }
    // The answer goes to the sender alone.
    play.until(|seen| seen.datagrams("client") == 1);
}

pub(crate) fn a_socket_ends_in_its_own_callback(play: &mut Play) {
    let server = DatagramProbe::new("server").on_datagram(|socket, _, _| socket.close());
    let (_, server) = play.bind(Role::Server, server);
    let client = DatagramProbe::new("client")
        .on_open(|socket, _| {
            socket.set_timer(TimerKey(1), Duration::from_millis(10));
        })
        .on_timer(|socket, _| socket.close());
    let (client, _) = play.bind(Role::Client, client);
    play.until(|seen| seen.has("server", "open"));
    play.on(Role::Client, |registry, _| {
        // The client may have gone already.
        let _ = registry.send_to(client, b"hello", Some(&server));
        // One that a Unix socket refused would be tried again when nobody is there any more, and fail.
        if server.ip().is_some() {
            let _ = registry.send_to(client, b"hello", Some(&server));
        }
    });
    play.until(|seen| seen.has("client", "close closed"));
    play.until(|seen| seen.has("server", "close closed"));
}

pub(crate) fn sockets_end_with_their_loops(play: &mut Play) {
    play.bind(Role::Server, DatagramProbe::new("server"));
    let stubborn = DatagramProbe::new("client").on_shutdown(|_, _| {});
    play.bind(Role::Client, stubborn);
    both_open(play);
    let grace = Duration::from_millis(20);
    play.shut_down(grace, grace);
}

pub(crate) fn a_datagram_socket_is_taken_out_and_adopted_again(play: &mut Play) {
    let (id, server) = play.bind(Role::Server, echo_datagrams());
    let (client, _) = play.bind(Role::Client, DatagramProbe::new("client"));
    both_open(play);
    let taken =
        play.on(Role::Server, |registry, _| registry.detach_socket(id).expect("it is open"));
    // It waits in the socket.
    send(play, client, b"hello", Some(&server));
    let successor = DatagramProbe::new("successor").on_datagram(|socket, datagram, _| {
        socket.send_to(datagram.bytes, &datagram.from).expect("there is room for it");
    });
    let id = play.on(Role::Server, |registry, _| {
        let adopted = registry.adopt_datagram(taken, &DatagramLimits::default(), successor);
        adopted.expect("the loop takes it")
    });
    play.until(|seen| seen.datagrams("client") == 1);
    play.on(Role::Server, |registry, _| registry.close_socket(id).expect("it is open"));
}

/// What a socket that was opened for it is told of a datagram, but for the addresses themselves.
#[cfg(feature = "quinn-udp")]
fn telling(name: &'static str, own: std::net::IpAddr) -> DatagramProbe {
    DatagramProbe::new(name).on_datagram(move |socket, datagram, log| {
        let to_own = datagram.to == Some(own);
        log.note(name, format!("to its own address: {to_own}, {:?}", datagram.ecn));
        if datagram.bytes == b"hello" {
            let envelope = Envelope { from: datagram.to, ecn: Some(Ecn::Ce) };
            let sent = socket.send_with(b"goodbye", Some(&datagram.from), envelope);
            log.note(name, format!("answering: {}", outcome(sent)));
        }
    })
}

#[cfg(feature = "quinn-udp")]
fn with_metadata() -> DatagramOptions {
    DatagramOptions { metadata: true, ..DatagramOptions::default() }
}

#[cfg(feature = "quinn-udp")]
pub(crate) fn a_datagram_tells_where_it_went_and_how(play: &mut Play) {
    let address = play.address(Role::Server);
    let own = address.ip().expect("it is UDP");
    let (_, server) =
        play.bind_with(Role::Server, address, &with_metadata(), telling("server", own));
    let address = play.address(Role::Client);
    let own = address.ip().expect("it is UDP");
    let client = telling("client", own).on_open(move |socket, log| {
        for ecn in [Some(Ecn::Ect0), Some(Ecn::Ect1), None] {
            let sent = socket.send_with(b"hello", Some(&server), Envelope { from: None, ecn });
            log.note("client", format!("asking: {}", outcome(sent)));
        }
    });
    play.bind_with(Role::Client, address, &with_metadata(), client);
    play.until(|seen| seen.datagrams("client") == 3);
}

#[cfg(feature = "quinn-udp")]
pub(crate) fn answers_come_from_the_address_that_was_asked(play: &mut Play) {
    let address = play.address(Role::Server);
    let asked = address.ip().expect("it is UDP");
    let everywhere = match play.family {
        Family::V4 => Address::Ip((Ipv4Addr::UNSPECIFIED, 0).into()),
        _ => Address::Ip((std::net::Ipv6Addr::UNSPECIFIED, 0).into()),
    };
    let server = DatagramProbe::new("server").on_datagram(move |socket, datagram, log| {
        log.note("server", format!("to the address: {}", datagram.to == Some(asked)));
        let sent = socket.answer(datagram, datagram.bytes);
        log.note("server", format!("answering: {}", outcome(sent)));
    });
    let (_, bound) = play.bind_with(Role::Server, everywhere, &with_metadata(), server);
    // It is connected, and hears nobody else.
    let server = Address::Ip(SocketAddr::new(asked, bound.port().expect("it is UDP")));
    let address = play.address(Role::Client);
    let probe = DatagramProbe::new("client");
    let (client, _) = play.bind_with(Role::Client, address, &connected_to(&server), probe);
    both_open(play);
    send(play, client, b"hello", None);
    play.until(|seen| seen.datagrams("client") == 1);
}

pub(crate) fn an_envelope_needs_a_socket_that_was_opened_for_it(play: &mut Play) {
    let probe = DatagramProbe::new("server").on_datagram(|socket, datagram, log| {
        let envelope = Envelope { from: None, ecn: Some(Ecn::Ce) };
        let marked = socket.send_with(datagram.bytes, Some(&datagram.from), envelope);
        log.note("server", format!("marked: {}", outcome(marked)));
        log.note("server", format!("told: {:?} {:?}", datagram.to, datagram.ecn));
        let plain = socket.answer(datagram, datagram.bytes);
        log.note("server", format!("plain: {}", outcome(plain)));
    });
    let (_, server) = play.bind(Role::Server, probe);
    let (client, _) = play.bind(Role::Client, DatagramProbe::new("client"));
    both_open(play);
    send(play, client, b"hello", Some(&server));
    play.until(|seen| seen.datagrams("client") == 1);
    if !play.family.is_ip() {
        let options = DatagramOptions { metadata: true, ..DatagramOptions::default() };
        let address = play.address(Role::Client);
        let opening =
            play.try_bind(Role::Client, address.clone(), &options, DatagramProbe::new("never"));
        play.note_refusal("metadata", &address, opening);
    }
}

pub(crate) fn what_is_longer_than_the_buffer_is_cut_and_says_so(play: &mut Play) {
    let probe = DatagramProbe::new("server").on_datagram(|_, datagram, log| {
        let text = format!("{} bytes, truncated: {}", datagram.bytes.len(), datagram.truncated);
        log.note("server", text);
    });
    let (_, server) = play.bind(Role::Server, probe);
    let (client, _) = play.bind(Role::Client, DatagramProbe::new("client"));
    both_open(play);
    for (nth, length) in [65_535, 65_536, 70_000, 10].into_iter().enumerate() {
        send(play, client, &vec![7; length], Some(&server));
        play.until(|seen| seen.datagrams("server") == nth + 1);
    }
}
