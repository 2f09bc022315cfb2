//! The same scenarios on the system's own sockets and on simulated ones: the callbacks are the same.
//!
//! What the real system does is the truth, and the first run tells it: in one loop, on loopback. The
//! others have to come to the same: two real loops, simulated hosts, and simulated hosts whose poller
//! and kernel take every freedom they have.
//!
//! Compared is, for each connection and socket, which callbacks came in which order, all bytes (as a
//! whole, since nobody promises how a stream is cut), and every reason and error as a sentence. Not
//! compared are addresses, times, and how many reads it took.

mod datagrams;
mod opening;
mod setting;
mod streams;

use setting::{Family, Place, Play, Transcript};

/// Seeds of the simulated runs: the order in which hosts take turns is a matter of chance.
const SEEDS: std::ops::Range<u64> = 0..3;

type Scenario = fn(&mut Play);

/// A test a scenario: where it is, and on what it is played; `together` in one loop only, `apart` in
/// two only.
macro_rules! scenarios {
    ($($module:ident::$name:ident $assert:ident $($family:ident)+;)*) => {$(
        #[test]
        fn $name() {
            $($assert(Family::$family, $module::$name);)+
        }
    )*};
}

scenarios! {
    streams::what_is_said_comes_back on V4 V6 Path Abstract;
    streams::one_side_ends_and_is_answered on V4 V6 Path Abstract;
    streams::the_server_ends_first_and_hears_the_client_out on V4 V6 Path Abstract;
    streams::both_close_at_once on V4 V6 Path Abstract;
    streams::the_client_aborts on V4 V6 Path Abstract;
    streams::the_server_aborts on V4 V6 Path Abstract;
    streams::an_abort_leaves_input_unread on V4 V6 Path Abstract;
    streams::what_came_before_a_reset_is_still_read on V4 V6 Path Abstract;
    streams::a_reset_follows_a_goodbye on V4 V6 Path Abstract;
    streams::somebody_writes_to_a_peer_that_is_gone on V4 V6 Path Abstract;
    streams::a_reply_survives_a_close_while_its_peer_talks on V4 V6 Path Abstract;
    streams::a_connection_is_closed_before_it_is_open on V4 V6 Path Abstract;
    streams::a_connection_is_aborted_before_it_is_open on V4 V6 Path Abstract;
    streams::nobody_listens on V4 V6;
    streams::a_queue_is_full_and_its_listener_closes on V4 V6 Path Abstract;
    streams::much_goes_both_ways_through_full_queues on V4 V6 Path Abstract;
    streams::a_paused_connection_is_resumed on V4 V6 Path Abstract;
    streams::nobody_says_anything_for_too_long on V4 V6 Path Abstract;
    streams::the_peer_says_nothing_for_too_long on V4 V6 Path Abstract;
    streams::a_peer_never_says_goodbye on V4 V6 Path Abstract;
    streams::timers_fire_in_their_order on V4 Path;
    streams::another_protocol_takes_over on V4 V6 Path Abstract;
    streams::a_socket_is_taken_out_and_adopted_again on V4 V6 Path Abstract;
    streams::a_file_is_sent_between_words on V4 V6 Path Abstract;
    streams::a_message_is_longer_than_allowed on V4 V6 Path Abstract;
    streams::a_factory_refuses_its_peers on V4 V6 Path Abstract;
    streams::an_address_has_one_connection_too_many on V4 V6;
    streams::polite_connections_end_with_their_loops together V4 V6 Path Abstract;
    streams::a_stubborn_connection_is_cut_off_with_its_loop apart V4 V6;
    streams::both_know_where_they_are on V4 V6 Path Abstract;
    streams::sockets_are_listed_with_their_states on V4 V6 Path Abstract;

    datagrams::datagrams_come_back on V4 V6 Path Abstract;
    datagrams::an_empty_datagram_is_one_too on V4 V6 Path Abstract;
    datagrams::a_run_is_one_datagram_after_the_other on V4 V6 Path Abstract;
    datagrams::datagrams_have_a_greatest_length on V4 V6 Path Abstract;
    datagrams::nobody_is_there_and_a_connected_socket_hears_of_it on V4 V6;
    datagrams::nobody_is_there_and_an_unconnected_socket_does_not on V4 V6;
    datagrams::a_connected_socket_hears_its_peer_alone on V4 V6;
    datagrams::a_socket_without_a_name_sends on Path Abstract;
    datagrams::nobody_is_at_a_path_or_a_name on Path Abstract;
    datagrams::a_burst_waits_for_its_receiver on Path Abstract;
    datagrams::a_datagram_without_a_destination_is_an_error on V4 V6 Path Abstract;
    datagrams::a_group_is_heard_by_its_members on V4;
    datagrams::a_socket_ends_in_its_own_callback on V4 V6 Path Abstract;
    datagrams::sockets_end_with_their_loops on V4 Path;
    datagrams::a_datagram_socket_is_taken_out_and_adopted_again on V4 V6 Path Abstract;
    datagrams::an_envelope_needs_a_socket_that_was_opened_for_it on V4 V6 Path Abstract;
    datagrams::what_is_longer_than_the_buffer_is_cut_and_says_so on Path Abstract;

    opening::an_address_in_use_is_refused on V4 V6 Path Abstract;
    opening::an_address_of_nobodys_is_refused on V4 V6;
    opening::a_wildcard_covers_every_address_of_the_machine on V4 V6;
    opening::several_sockets_share_an_address on V4 V6;
    opening::any_port_is_a_port_of_its_own on V4 V6;
    opening::a_unix_name_has_to_be_somebodys on Path Abstract;
    opening::addresses_of_the_wrong_kind_are_refused on V4 V6 Path Abstract;
    opening::streams_and_datagrams_do_not_meet on Path Abstract;
    opening::a_path_left_behind_is_taken_over on Path;
    opening::a_connection_comes_from_where_it_was_told_to on V4 V6 Path Abstract;
}

#[cfg(feature = "icmp")]
scenarios! {
    datagrams::nobody_is_there_and_an_unconnected_socket_that_asks_hears_of_it on V4 V6;
}

#[cfg(feature = "quinn-udp")]
scenarios! {
    datagrams::a_datagram_tells_where_it_went_and_how on V4 V6;
    datagrams::answers_come_from_the_address_that_was_asked on V4 V6;
}

/// Plays a scenario everywhere, and compares.
#[track_caller]
fn on(family: Family, scenario: Scenario) {
    let others = std::iter::once(Place::Real { loops: 2 }).chain(simulated(family));
    assert_same(family, Place::Real { loops: 1 }, others, scenario);
}

#[track_caller]
fn together(family: Family, scenario: Scenario) {
    let others = simulated(family).filter(|place| place.loops() == 1);
    assert_same(family, Place::Real { loops: 1 }, others, scenario);
}

#[track_caller]
fn apart(family: Family, scenario: Scenario) {
    let others = simulated(family).filter(|place| place.loops() == 2);
    assert_same(family, Place::Real { loops: 2 }, others, scenario);
}

#[track_caller]
fn assert_same(
    family: Family,
    truth: Place,
    others: impl Iterator<Item = Place>,
    scenario: Scenario,
) {
    let Some(expected) = play(family, truth, scenario) else {
        return;
    };
    assert!(!expected.lines().is_empty(), "nobody has written anything");
    for place in others {
        let seen = play(family, place, scenario).expect("what is real can be simulated");
        assert!(
            seen == expected,
            "{family:?}\n{truth:?}\n{}{place:?}\n{}",
            expected.lines(),
            seen.lines()
        );
    }
}

/// A Unix socket does not reach another host.
fn simulated(family: Family) -> impl Iterator<Item = Place> {
    let hosts = 1..if family.is_ip() { 3 } else { 2 };
    hosts.flat_map(|hosts| {
        let place = move |seed, unreliable| Place::Simulated { hosts, seed, unreliable };
        SEEDS.flat_map(move |seed| [place(seed, false), place(seed, true)])
    })
}

fn play(family: Family, place: Place, scenario: Scenario) -> Option<Transcript> {
    let mut play = Play::begin(family, place);
    scenario(&mut play);
    play.finish()
}
