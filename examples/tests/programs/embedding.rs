//! The embedding examples, run as a person would, with real clients.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::support::{Program, connect, run};

const GAME: &str = env!("CARGO_BIN_EXE_embed-game-loop");
const SHOP: &str = env!("CARGO_BIN_EXE_embed-thread");

/// One of the examples on a port of its own, and where it listens.
fn start(path: &str, arguments: &[&str]) -> (Program, String) {
    let program = Program::start(path, &[&["--listen", "127.0.0.1:0"], arguments].concat());
    let address = program.told("listening on ");
    (program, address)
}

/// It prints nothing more, and exits with success.
fn ends_well(program: Program) {
    let ended = program.ended();
    assert_eq!((ended.code, &*ended.text()), (Some(0), ""), "nothing comes after the report");
}

#[test]
fn a_game_loop_shows_every_player_where_everybody_is() {
    let (_game, address) = start(GAME, &[]);
    let mut first = connect(&address);
    assert_eq!(picture(&mut first), "|a...............................|");
    first.write_all(b"d\n").expect("the game listens");
    while picture(&mut first).starts_with("|a") {}

    let mut second = connect(&address);
    assert!(picture(&mut second).contains('b'), "the newcomer is on the track");
    second.write_all(b"q\n").expect("the game listens");
    rest_of(second);
    while picture(&mut first).contains('b') {}
}

#[test]
fn a_game_loop_ends_after_its_frames_and_says_goodbye() {
    let (game, address) = start(GAME, &["--frames", "13"]);
    let pictures = rest_of(connect(&address));
    assert_eq!(pictures.matches('\r').count(), 2, "one in every six frames: {pictures:?}");
    assert!(game.line().starts_with("shut down in "));
    ends_well(game);
}

#[test]
fn a_thread_answers_by_handle_and_reports_when_it_is_shut_down() {
    let (shop, address) = start(SHOP, &["--jobs", "3"]);
    let mut customer = connect(&address);
    customer.write_all(b"91\nninety\n97\n18446744").expect("the shop listens");
    let mut answers = BufReader::new(customer.try_clone().expect("a descriptor"));
    let refusal = "not a whole number from 1 to 18446744073709551615";
    let mut seen = [(); 3].map(|()| line(&mut answers));
    // The refusal comes from the network thread, which waits for nobody's arithmetic.
    seen.sort();
    assert_eq!(seen, ["91 = 7 * 13", "97 = 97", refusal]);

    customer.write_all(b"073709551615\n").expect("the shop listens");
    assert_eq!(
        line(&mut answers),
        "18446744073709551615 = 3 * 5 * 17 * 257 * 641 * 65537 * 6700417"
    );
    assert_eq!(line(&mut answers), "", "the loop was shut down");
    drop((customer, answers));
    assert_eq!(shop.line(), "1 customers, 0 bytes for those who had left");
    assert!(shop.line().starts_with("shut down in "));
    ends_well(shop);
}

#[test]
fn a_thread_that_cannot_listen_says_why() {
    let (_shop, address) = start(SHOP, &[]);
    let ended = run(SHOP, &["--listen", &address], b"");
    assert_ne!(ended.code, Some(0));
    let expected = format!("embed-thread: address already in use: {address}");
    assert!(ended.errors.starts_with(&expected), "{ended:?}");
}

/// In another event loop, where the reactor is a descriptor that it can watch.
#[cfg(not(mio_unsupported_force_poll_poll))]
mod nested {
    use super::*;

    const ROOM: &str = env!("CARGO_BIN_EXE_embed-poll");

    #[test]
    fn a_nested_loop_passes_on_what_is_typed_and_prints_what_is_heard() {
        let (mut room, address) = start(ROOM, &[]);
        let mut stdin = room.stdin();
        let guests = [(); 2].map(|()| {
            let mut guest = connect(&address);
            let name = guest.local_addr().expect("it is connected");
            guest.write_all(b"hello\x1b[2J\n").expect("the room listens");
            assert_eq!(room.line(), format!("{name} joined"));
            assert_eq!(room.line(), format!("{name}: hello\\x1b[2J"));
            guest
        });
        stdin.write_all(b"good evening\n").expect("the room reads");
        for guest in &guests {
            assert_eq!(line(&mut BufReader::new(guest)), "good evening");
        }
        drop(stdin);
        for guest in guests {
            assert_eq!(rest_of(guest), "");
            assert!(room.line().contains(" left: "));
        }
        assert!(room.line().starts_with("shut down in "));
        ends_well(room);
    }

    #[test]
    fn a_nested_loop_wakes_for_a_timer_without_any_event() {
        let (room, _) = start(ROOM, &["--seconds", "0"]);
        assert!(room.line().contains("0 connections finished"));
        ends_well(room);
    }
}

/// The next line without its end; empty when the peer has ended.
fn line(stream: &mut impl BufRead) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).expect("a line arrives in time");
    line.trim_end().to_owned()
}

/// The next picture of the game: each begins where the line does.
fn picture(stream: &mut TcpStream) -> String {
    let (mut picture, mut byte) = (String::new(), [0]);
    while picture.matches('|').count() < 2 {
        stream.read_exact(&mut byte).expect("pictures go on");
        picture.push(char::from(byte[0]));
    }
    picture.trim_start_matches('\r').to_owned()
}

/// Everything until the peer ends; then this side says goodbye too.
fn rest_of(mut stream: TcpStream) -> String {
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("the peer says goodbye");
    // It fails if the peer is gone altogether.
    let _ = stream.shutdown(Shutdown::Both);
    rest
}
