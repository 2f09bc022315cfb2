//! Connections that are lost, and what becomes of them.

use std::time::Duration;

use protocols::chat::client::{Client, Event, Failure};

use super::stage::Stage;

const SECOND: Duration = Duration::from_secs(1);

/// How a connection was lost, as the program was told.
#[track_caller]
fn loss(stage: &mut Stage) -> (Failure, Duration) {
    let events = stage.events();
    let loss = events.iter().rev().find_map(|event| match event {
        Event::Lost { why, pause } => Some((why.clone(), *pause)),
        _ => None,
    });
    loss.unwrap_or_else(|| panic!("{events:?}"))
}

#[test]
fn a_lost_connection_is_tried_again_and_its_channels_are_joined_again() {
    let mut stage = Stage::online(|options| options.channels = vec![("#a".into(), None)]);
    stage.says(":ann!a@h JOIN #b");
    stage.does(|client, registry| client.join(registry, "#c", Some("key"))).expect("room");
    stage.does(|client, registry| client.join(registry, "#d", None)).expect("room");
    stage.says(":ann!a@h JOIN #d");
    stage.says(":bob!b@h KICK #d ann :out").hears();
    stage.says("ERROR :Closing link: server restarts");
    stage.ends(|registry, id| registry.close(id).expect("it is open"));
    let (why, pause) = loss(&mut stage);
    assert_eq!(why, Failure::Closed("Closing link: server restarts".into()));
    assert!(pause >= SECOND && pause <= 2 * SECOND, "{pause:?}");
    assert!(stage.does(|client, _| !client.is_online() && client.rooms().len() == 1));

    stage.wait(pause);
    assert_eq!(stage.hears().first().map(String::as_str), Some("CAP LS 302"));
    stage.welcome();
    assert_eq!(stage.hears(), ["JOIN #c,#a,#b key"], "from #d one was thrown out");
}

#[test]
fn what_one_has_missed_is_asked_for() {
    let mut stage = Stage::new(|options| {
        (options.history, options.channels) = (50, vec![("#a".into(), None)]);
    });
    let register = |stage: &mut Stage| {
        stage.hears();
        stage.says("CAP * LS :batch draft/chathistory server-time");
        assert_eq!(stage.hears(), ["CAP REQ :batch draft/chathistory server-time"]);
        stage.says("CAP * ACK :batch draft/chathistory server-time").hears();
        stage.welcome();
        stage.says(":ann!a@h JOIN #a");
        assert_eq!(stage.says(":irc.test 353 ann = #a :ann").hears(), ["JOIN #a"]);
        stage.says(":irc.test 366 ann #a :End of /NAMES list");
    };
    register(&mut stage);
    assert_eq!(stage.hears(), ["CHATHISTORY LATEST #a * 50"]);
    let time = "2026-01-01T12:00:00.000Z";
    stage.says(&format!("@time={time} :bob!b@h PRIVMSG #a :hello"));
    stage.ends(|registry, id| registry.abort(id).expect("it is open"));
    let (_, pause) = loss(&mut stage);
    stage.wait(pause);
    register(&mut stage);
    assert_eq!(stage.hears(), [format!("CHATHISTORY LATEST #a timestamp={time} 50")]);
}

#[test]
fn a_server_that_puts_one_on_channels_without_end_is_not_followed() {
    let mut stage = Stage::online(|options| options.limits.rooms = 2);
    for room in ["#a", "#b", "#c", "#d"] {
        stage.says(&format!(":ann!a@h JOIN {room}"));
    }
    assert_eq!(stage.does(|client, _| client.rooms().len()), 2);
    stage.ends(|registry, id| registry.abort(id).expect("it is open"));
    let (_, pause) = loss(&mut stage);
    stage.wait(pause);
    stage.hears();
    stage.welcome();
    assert_eq!(stage.hears(), ["JOIN #a,#b"]);
}

#[test]
fn pauses_grow_while_nobody_is_there_and_are_short_again_after_a_good_connection() {
    let mut stage = Stage::online(|_| {});
    stage.is_there(false);
    stage.ends(|registry, id| registry.abort(id).expect("it is open"));
    let mut pauses = vec![loss(&mut stage).1];
    for _ in 0..9 {
        let last = *pauses.last().expect("there is one");
        stage.wait(last + SECOND);
        let (why, pause) = loss(&mut stage);
        assert!(matches!(why, Failure::Connect(_)), "{why}");
        pauses.push(pause);
    }
    let longest = Duration::from_secs(300);
    assert!(pauses.iter().all(|pause| *pause <= longest), "{pauses:?}");
    assert!(pauses[8] >= longest / 2 && pauses[9] >= longest / 2, "{pauses:?}");
    stage.is_there(true);
    stage.wait(longest);
    stage.hears();
    stage.welcome();
    stage.wait(61 * SECOND);
    stage.ends(|registry, id| registry.abort(id).expect("it is open"));
    assert!(loss(&mut stage).1 <= 2 * SECOND);
}

#[test]
fn nobody_waits_who_does_not_want_to() {
    let mut stage = Stage::online(|options| options.limits.first_pause = 3_600 * SECOND);
    stage.does(|client, _| assert_eq!(client.waiting(), 0));
    stage.ends(|registry, id| registry.abort(id).expect("it is open"));
    assert_eq!(stage.server().accepted, 1);
    stage.does(Client::reconnect_now);
    stage.hears();
    assert_eq!(stage.server().accepted, 2);
}

#[test]
fn a_server_that_falls_silent_is_asked_and_then_given_up() {
    let mut stage = Stage::online(|_| {});
    stage.wait(91 * SECOND);
    assert_eq!(stage.hears(), ["PING :are you there"]);
    stage.says(":irc.test PONG irc.test :are you there");
    stage.wait(80 * SECOND);
    assert_eq!(stage.hears(), [""; 0], "it has answered");
    stage.wait(60 * SECOND);
    assert_eq!(stage.hears(), ["PING :are you there"]);
    assert_eq!(stage.events(), []);
    stage.wait(15 * SECOND);
    assert_eq!(loss(&mut stage).0, Failure::Silent);
}

#[test]
fn a_server_that_never_welcomes_is_given_up() {
    let mut stage = Stage::new(|_| {});
    stage.hears();
    stage.wait(59 * SECOND);
    stage.says("NOTICE * :Looking up your hostname");
    stage.wait(2 * SECOND);
    assert_eq!(loss(&mut stage).0, Failure::NotRegistered);
}

#[test]
fn who_does_not_want_to_reconnect_is_told_how_it_ended() {
    let mut stage = Stage::online(|options| options.reconnect = false);
    stage.ends(|registry, id| registry.abort(id).expect("it is open"));
    assert_eq!(stage.finished(), Some(Err(Failure::Reset)));
}

#[test]
fn what_waited_when_the_server_let_go_after_quit_is_no_good_end() {
    let mut stage = Stage::online(|options| (options.limits.burst, options.limits.rate) = (2, 1));
    stage.wait(10 * SECOND);
    for text in ["one", "two", "three", "four"] {
        stage.does(|client, registry| client.say(registry, "#a", text)).expect("there is room");
    }
    stage.does(|client, registry| client.quit(registry, "home"));
    stage.says("ERROR :Closing link: killed");
    stage.ends(|registry, id| registry.close(id).expect("it is open"));
    let failure = Failure::Closed("Closing link: killed".into());
    assert_eq!(stage.finished(), Some(Err(failure)), "half of it was never said");
    assert_eq!(stage.does(|client, _| client.unsent()), 2);
}

#[test]
fn what_waited_when_the_connection_was_lost_is_counted() {
    let mut stage = Stage::online(|options| options.limits.burst = 1);
    stage.wait(10 * SECOND);
    for text in ["one", "two", "three"] {
        stage.does(|client, registry| client.say(registry, "#a", text)).expect("there is room");
    }
    stage.ends(|registry, id| registry.abort(id).expect("it is open"));
    loss(&mut stage);
    assert_eq!(stage.does(|client, _| client.unsent()), 2);
}

#[test]
fn channels_of_a_list_are_left_and_joined_again_one_by_one() {
    let mut stage = Stage::online(|options| {
        options.channels = vec![("#a,#b,,#c".into(), Some("ka,kb".into()))];
    });
    assert_eq!(stage.hears(), ["JOIN #a,#b,#c ka,kb"]);
    stage.does(|client, registry| client.join(registry, "#d,#e", Some("kd"))).expect("room");
    assert_eq!(stage.hears(), ["JOIN #d,#e kd"]);
    for room in ["#a", "#b", "#c", "#d", "#e"] {
        stage.says(&format!(":ann!a@h JOIN {room}"));
    }
    stage.does(|client, registry| client.part(registry, "#b,#e", "")).expect("room");
    stage.says(":ann!a@h PART #a").hears();
    stage.ends(|registry, id| registry.abort(id).expect("it is open"));
    let (_, pause) = loss(&mut stage);
    stage.wait(pause);
    stage.hears();
    stage.welcome();
    assert_eq!(stage.hears(), ["JOIN #d,#c kd"]);
}

#[test]
fn a_channel_that_was_left_in_another_spelling_is_not_joined_again() {
    let mut stage = Stage::new(|options| options.channels = vec![("#Tea[1]".into(), None)]);
    let register = |stage: &mut Stage| {
        stage.hears();
        stage.says(":irc.test 001 ann :Welcome");
        stage.says(":irc.test 005 ann CASEMAPPING=rfc1459 :are supported");
        stage.says(":irc.test 422 ann :MOTD File is missing");
    };
    register(&mut stage);
    assert_eq!(stage.hears(), ["JOIN #Tea[1]"]);
    stage.says(":ann!a@h JOIN #tea{1}");
    stage.says(":ann!a@h PART #TEA{1]");
    stage.ends(|registry, id| registry.abort(id).expect("it is open"));
    let (_, pause) = loss(&mut stage);
    stage.wait(pause);
    register(&mut stage);
    assert_eq!(stage.hears(), [""; 0]);
}

#[test]
fn one_can_quit_at_any_time() {
    for moment in 0..4 {
        let mut stage = Stage::new(|_| {});
        match moment {
            0 => {}
            1 => drop(stage.hears()),
            2 => {
                stage.hears();
                stage.welcome();
            }
            _ => {
                stage.hears();
                stage.ends(|registry, id| registry.abort(id).expect("it is open"));
            }
        }
        stage.does(|client, registry| client.quit(registry, "enough"));
        stage.wait(60 * SECOND);
        assert_eq!(stage.finished(), Some(Ok(())), "{moment}");
        let accepted = stage.server().accepted;
        stage.wait(600 * SECOND);
        assert_eq!(stage.server().accepted, accepted, "{moment}");
    }
}

#[test]
fn a_loop_that_shuts_down_says_goodbye() {
    let mut stage = Stage::online(|options| options.limits.burst = 1);
    for _ in 0..5 {
        stage.does(|client, registry| client.say(registry, "#a", "x")).expect("there is room");
    }
    stage.does(|_, registry| registry.shutdown(SECOND));
    let heard = stage.hears();
    assert_eq!(heard.last().map(String::as_str), Some("QUIT :Goodbye"), "{heard:?}");
    assert!(heard.len() <= 2, "what waits does not hold a shutdown up: {heard:?}");
}

#[test]
fn the_addresses_of_a_server_are_tried_in_turn() {
    let mut stage = Stage::new(|options| {
        // The first port is nobody's.
        let real = options.servers.remove(0);
        let text = real.to_string().replace(":6667", ":6666");
        options.servers = vec![text.parse().expect("an address"), real];
    });
    stage.wait(SECOND / 10);
    let (why, pause) = loss(&mut stage);
    assert!(matches!(why, Failure::Connect(_)), "{why}");
    stage.wait(pause);
    assert_eq!(stage.hears().len(), 3);
}
