//! Conversations in which nothing is lost.

use std::time::Duration;

use protocols::chat::client::{Event, Failure, Kind, Login, NotSent};

use super::stage::Stage;

#[test]
fn a_client_registers_joins_and_hears_what_is_said() {
    let mut stage = Stage::new(|options| {
        options.channels = vec![("#tea".into(), None), ("#vault".into(), Some("key".into()))];
    });
    assert_eq!(stage.hears(), ["CAP LS 302", "NICK ann", "USER ann 0 * :ann"]);
    assert_eq!(stage.events(), [Event::Connected]);
    assert_eq!(stage.says("CAP * LS :server-time sasl").hears(), ["CAP REQ :server-time"]);
    assert_eq!(stage.says("CAP * ACK :server-time").hears(), ["CAP END"]);
    stage.says(":irc.test 001 ann :Welcome");
    assert_eq!(stage.events(), [Event::Welcome { nick: "ann".into() }]);
    assert!(stage.does(|client, _| client.is_online()));
    assert_eq!(stage.says(":irc.test 376 ann :End of /MOTD command.").events(), [Event::Ready]);
    assert_eq!(stage.hears(), ["JOIN #vault,#tea key"]);

    stage.says(":ann!a@h JOIN #tea");
    stage.says(":irc.test 332 ann #tea :Black or green");
    stage.says(":irc.test 353 ann = #tea :@bob ann");
    stage.says(":irc.test 366 ann #tea :End of /NAMES list");
    assert!(matches!(stage.events().last(), Some(Event::Members { channel }) if channel == "#tea"));
    let (topic, members) = stage.does(|client, _| {
        let room = client.room("#TEA").expect("one is on it");
        let members: Vec<_> = room.members().map(|it| it.nick().to_owned()).collect();
        (room.topic().to_owned(), members)
    });
    assert_eq!((topic.as_str(), members.join(" ").as_str()), ("Black or green", "ann bob"));

    let events = stage.says(":bob!b@h PRIVMSG #tea :Hello ann").events();
    let Some(Event::Message { kind: Kind::Message, from, text, own: false, .. }) = events.first()
    else {
        panic!("{events:?}");
    };
    assert_eq!((from.nick.as_str(), text.as_str()), ("bob", "Hello ann"));
    stage.does(|client, registry| client.say(registry, "#tea", "Hello bob")).expect("it is said");
    stage.does(|client, registry| client.act(registry, "#tea", "waves")).expect("it is said");
    let waves = "PRIVMSG #tea :\u{1}ACTION waves\u{1}";
    assert_eq!(stage.hears(), ["PRIVMSG #tea :Hello bob", waves]);
}

#[test]
fn a_server_is_answered_its_pings() {
    let mut stage = Stage::new(|_| {});
    stage.hears();
    assert_eq!(stage.says("PING :before the welcome").hears(), ["PONG :before the welcome"]);
    stage.says(":irc.test 001 ann :Welcome");
    assert_eq!(stage.says(":irc.test PING irc.test").hears(), ["PONG :irc.test"]);
}

#[test]
fn what_is_said_fast_leaves_slowly_and_pongs_do_not_wait() {
    let mut stage = Stage::online(|options| (options.limits.burst, options.limits.rate) = (3, 1));
    stage.wait(Duration::from_secs(10));
    for number in 0..6 {
        let text = number.to_string();
        stage.does(|client, registry| client.say(registry, "#a", &text)).expect("there is room");
    }
    assert_eq!(stage.hears().len(), 3);
    assert_eq!(stage.says("PING x").hears(), ["PONG :x"]);
    stage.wait(Duration::from_secs(4));
    assert_eq!(stage.hears(), ["PRIVMSG #a :3", "PRIVMSG #a :4", "PRIVMSG #a :5"]);
}

#[test]
fn what_does_not_fit_is_handed_back() {
    let mut stage = Stage::online(|options| {
        (options.limits.burst, options.limits.queue) = (1, 2);
    });
    let say = |stage: &mut Stage, text: &str| {
        stage.does(|client, registry| client.say(registry, "#a", text))
    };
    assert_eq!(say(&mut stage, "1\n2\n3"), Err(NotSent::QueueFull), "all of it or nothing");
    assert_eq!(stage.hears(), [""; 0]);
    assert_eq!((0..4).find_map(|_| say(&mut stage, "x").err()), Some(NotSent::QueueFull));
    let refused = stage.does(|client, registry| client.join(registry, "#a b", None));
    assert!(matches!(refused, Err(NotSent::Malformed(_))));
    let refused = stage.does(|client, registry| client.send_line(registry, "NICK a\r\nQUIT"));
    assert!(matches!(refused, Err(NotSent::Malformed(_))));
}

#[test]
fn a_long_text_arrives_whole_in_several_lines() {
    let mut stage = Stage::online(|_| {});
    stage.wait(Duration::from_secs(10));
    stage.says(":ann!ann@host.example JOIN #a");
    let text = "word ".repeat(200);
    stage.does(|client, registry| client.say(registry, "#a", text.trim_end())).expect("room");
    let lines = stage.hears();
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line.len() + ":ann!ann@host.example ".len() + 2 <= 512));
    let said: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix("PRIVMSG #a :")).collect();
    assert_eq!(said.join(" "), text.trim_end());
}

#[test]
fn a_client_logs_in_before_it_is_welcomed() {
    let mut stage = Stage::new(|options| {
        options.login = Some(Login { account: "ann".into(), password: "secret".into() });
    });
    stage.hears();
    stage.says("CAP * LS :sasl=PLAIN");
    stage.says("CAP * ACK :sasl");
    stage.says("AUTHENTICATE +");
    let expected = ["CAP REQ :sasl", "AUTHENTICATE PLAIN", "AUTHENTICATE YW5uAGFubgBzZWNyZXQ="];
    assert_eq!(stage.hears(), expected);
    stage.says(":irc.test 900 ann ann!a@h ann :You are now logged in as ann");
    stage.says(":irc.test 903 ann :SASL authentication successful");
    assert_eq!(stage.hears(), ["CAP END"]);
    assert!(stage.events().contains(&Event::LoggedIn { account: "ann".into() }));
}

#[test]
fn a_wrong_password_is_not_tried_again() {
    let mut stage = Stage::new(|options| {
        options.login = Some(Login { account: "ann".into(), password: "wrong".into() });
    });
    stage.hears();
    stage.says("CAP * LS :sasl");
    stage.says("CAP * ACK :sasl");
    stage.says("AUTHENTICATE +");
    stage.says(":irc.test 904 ann :SASL authentication failed");
    stage.wait(Duration::from_secs(3_600));
    let failure = Failure::Login("SASL authentication failed".into());
    assert_eq!(stage.finished(), Some(Err(failure)));
    assert_eq!(stage.server().accepted, 1);
}

/// Nobody has looked at the password, so it is no wrong one.
#[test]
fn a_login_that_is_put_off_is_tried_again() {
    let mut stage = Stage::new(|options| {
        options.login = Some(Login { account: "ann".into(), password: "secret".into() });
    });
    stage.hears();
    stage.says("CAP * LS :sasl standard-replies");
    assert_eq!(stage.hears(), ["CAP REQ :sasl standard-replies"]);
    stage.says("CAP * ACK :sasl standard-replies");
    stage.says("AUTHENTICATE +").hears();
    let fail = ":irc.test FAIL AUTHENTICATE TEMPORARILY_UNAVAILABLE :Too busy. Try again later";
    stage.says(&format!("{fail}\r\n:irc.test 904 ann :Too busy. Try again later"));
    let events = stage.events();
    let why = Failure::PutOff("Too busy. Try again later".into());
    let is_lost = |event: &Event| matches!(event, Event::Lost { why: told, .. } if *told == why);
    assert!(events.iter().any(is_lost), "{events:?}");
    stage.wait(Duration::from_secs(3));
    assert_eq!(stage.finished(), None);
    assert_eq!(stage.server().accepted, 2);
}

#[test]
fn a_nick_that_is_taken_gives_way_and_the_client_knows_what_it_is_called() {
    let mut stage = Stage::new(|options| options.alternatives = vec!["annie".into()]);
    stage.hears();
    stage.says(":irc.test 433 * ann :Nickname is already in use");
    assert_eq!(stage.hears(), ["NICK annie"]);
    stage.says(":irc.test 001 annie :Welcome");
    assert_eq!(stage.does(|client, _| client.nick().to_owned()), "annie");
}

#[test]
fn goodbye_is_said_after_everything_else() {
    let mut stage = Stage::online(|options| options.limits.burst = 1);
    for text in ["one", "two", "three"] {
        stage.does(|client, registry| client.say(registry, "#a", text)).expect("there is room");
    }
    stage.does(|client, registry| client.quit(registry, "home"));
    let refused = stage.does(|client, registry| client.say(registry, "#a", "four"));
    assert_eq!(refused, Err(NotSent::Offline));
    stage.wait(Duration::from_secs(4));
    let heard = stage.hears();
    assert_eq!(heard.last().map(String::as_str), Some("QUIT :home"), "{heard:?}");
    assert_eq!(heard.len(), 4, "{heard:?}");
    stage.ends(|registry, id| registry.close(id).expect("it is open"));
    assert_eq!(stage.finished(), Some(Ok(())));
}

#[test]
fn a_server_that_does_not_close_after_goodbye_is_left() {
    let mut stage = Stage::online(|_| {});
    stage.does(|client, registry| client.quit(registry, "home"));
    stage.wait(Duration::from_secs(30));
    assert_eq!(stage.finished(), Some(Ok(())));
}

#[test]
fn what_is_not_utf_8_and_what_is_no_message_harms_nobody() {
    let mut stage = Stage::online(|_| {});
    stage.ends(|registry, id| {
        let mut bytes = b"\r\n\0\0\r\n:x\r\n:bob PRIVMSG ann :caf\xe9\r\n".to_vec();
        bytes.extend_from_slice(&[b'x'; 100_000]);
        bytes.extend_from_slice(b"\r\n:bob PRIVMSG ann :still here\r\n");
        let _ = registry.send(id, bytes.into()).expect("it is open");
    });
    let events = stage.events();
    let texts: Vec<_> = events
        .iter()
        .map(|event| match event {
            Event::Message { text, .. } => text.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(texts, ["caf\u{fffd}", "still here"]);
}
