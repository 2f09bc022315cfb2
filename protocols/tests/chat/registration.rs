//! Coming in, and going (modern.ircdocs.horse, "Connection Messages"; RFC 1459, 4.1).

use std::time::Duration;

use protocols::chat::{Limits, Password, Settings};

use crate::stage::{Stage, settings};

#[test]
fn a_client_is_welcomed_in_the_order_that_clients_rely_on() {
    let stage = Stage::new();
    let mut ann = stage.connects();
    ann.registers("ann");
    ann.hears("001 :Welcome to the Test Network, ann!~ann@127.0.0.1");
    ann.hears("002 :Your host is irc.test, running version reactor-chat-*");
    ann.hears("003 :This server was created *");
    ann.hears("004 irc.test reactor-chat-* BTiorw CIMRabehiklmnoqrstv Iabehkloqv");
    ann.hears("005 * :are supported by this server");
    ann.hears("005 * :are supported by this server");
    ann.hears("005 * :are supported by this server");
    ann.hears("251 :There are 1 users and 0 invisible on 1 servers");
    ann.hears("252 0 :operator(s) online");
    ann.hears("253 0 :unknown connection(s)");
    ann.hears("254 0 :channels formed");
    ann.hears("255 :I have 1 clients and 0 servers");
    ann.hears("265 1 1 :Current local users 1, max 1");
    ann.hears("266 1 1 :Current global users 1, max 1");
    ann.hears("422 :MOTD File is missing");
    ann.hears_nothing();
}

#[test]
fn isupport_promises_what_is_true_in_lines_of_thirteen() {
    let stage = Stage::new();
    let mut ann = stage.connects();
    ann.registers("ann");
    ann.hears_at_last("004 *");
    let mut tokens = Vec::new();
    loop {
        let line = ann.hears("*");
        let Some((_, rest)) = line.split_once(" 005 ann ") else {
            break;
        };
        let (words, _) = rest.split_once(" :").expect("a text");
        assert!(words.split(' ').count() <= 13, "{line}");
        tokens.extend(words.split(' ').map(str::to_owned));
    }
    let promised = "CASEMAPPING=ascii CHANTYPES=# CHANMODES=Ibe,k,l,CMRimnrst PREFIX=(qaohv)~&@%+ \
                    STATUSMSG=~&@%+ NICKLEN=32 NETWORK=Test UTF8ONLY WHOX BOT=B MONITOR=100 \
                    ELIST=CMNTU MODES=12 CHATHISTORY=100";
    for token in promised.split(' ') {
        assert!(tokens.iter().any(|it| it == token), "{token} is not among {tokens:?}");
    }
}

#[test]
fn the_message_of_the_day_is_told() {
    let motd = Some(vec!["Be kind.".to_owned(), String::new()]);
    let stage = Stage::with(Settings { motd, ..settings() });
    let mut ann = stage.connects();
    ann.registers("ann");
    ann.hears_at_last("375 :- irc.test Message of the day - ");
    ann.hears_each(["372 :- Be kind.", "372 :- ", "376 :End of /MOTD command."]);
}

#[test]
fn a_nickname_belongs_to_whoever_came_first_and_is_free_when_it_goes() {
    let stage = Stage::new();
    let mut ann = stage.enters("ann");
    let mut other = stage.connects();
    other.registers("ANN");
    other.is_called("*");
    other.hears("433 ANN :Nickname is already in use");
    other.says("NICK :").hears("431 :No nickname given");
    other.says("NICK 1st").hears("432 1st :Erroneous nickname");
    other.says("NICK *").hears("432 * :Erroneous nickname");
    ann.says("QUIT").hears("ERROR :Closing Link: 127.0.0.1 (Quit)");
    ann.hears_the_end();
    other.is_called("Ann");
    other.says("NICK Ann").hears_at_last("422 *");
}

#[test]
fn two_who_register_at_the_same_time_do_not_get_the_same_name() {
    let stage = Stage::new();
    let (mut one, mut two) = (stage.connects(), stage.connects());
    one.says("NICK foo").hears_nothing();
    two.says("NICK foo").hears("433 foo :Nickname is already in use");
    one.registers("foo");
    one.hears("001 *");
}

#[test]
fn nobody_says_anything_before_it_is_registered() {
    let stage = Stage::new();
    let mut ann = stage.connects();
    for line in ["PRIVMSG x :hi", "JOIN #a", "WHO", "NONSENSE"] {
        ann.says(line).hears("451 :You have not registered");
    }
    ann.says("USER ann").hears("461 USER :Not enough parameters");
    ann.says("USER ann 0 * :").hears("461 USER :Not enough parameters");
    ann.says("USER !!! 0 * :x").hears("468 :Malformed username");
    ann.registers("ann");
    ann.hears_at_last("422 *");
    ann.says("USER ann 0 * :again").hears("462 :You may not reregister");
    ann.says("PASS again").hears("462 :You may not reregister");
    ann.says("NONSENSE").hears("421 NONSENSE :Unknown command");
}

#[test]
fn a_wrong_password_ends_the_connection_and_a_right_one_opens_it() {
    for password in [
        Password::Plain("sesame".to_owned()),
        Password::Hashed(protocols::password::PasswordHash::of("sesame").expect("a hash")),
    ] {
        let stage = Stage::with(Settings { password: Some(password), ..settings() });
        let mut ann = stage.connects();
        ann.says("PASS sesame");
        ann.registers("ann");
        ann.hears("001 *");
        for pass in ["PASS wrong", "PING x"] {
            let mut bob = stage.connects();
            bob.says(pass);
            bob.registers("bob");
            bob.hears_at_last("464 :Password incorrect");
            bob.hears("ERROR :Closing Link: 127.0.0.1 (Bad password)");
            assert_eq!(bob.hears_the_end(), [""; 0]);
        }
    }
}

#[test]
fn a_new_nickname_is_shown_to_all_who_share_a_channel_once() {
    let stage = Stage::new();
    let [mut ann, mut bob, mut eve] = stage.enter(["ann", "bob", "eve"]);
    for channel in ["#a", "#b"] {
        ann.joins(channel);
        bob.joins(channel);
        ann.hears(&format!(":bob JOIN {channel}"));
    }
    ann.says("NICK Ann").hears(":ann NICK :Ann");
    bob.hears(":ann NICK :Ann");
    bob.hears_nothing();
    eve.hears_nothing();
    ann.is_called("Ann");
    ann.says("NICK Ann").hears_nothing();
    ann.says("NICK bob").hears("433 bob :Nickname is already in use");
}

#[test]
fn ping_is_answered_and_wants_a_token() {
    let stage = Stage::new();
    let mut ann = stage.enters("ann");
    ann.says("PING abc").hears("PONG irc.test :abc");
    ann.says("PING").hears("409 :No origin specified");
    ann.says("PING :").hears("409 :No origin specified");
    ann.says("PONG :whatever").hears_nothing();
}

#[test]
fn a_quit_is_seen_once_with_its_reason() {
    let stage = Stage::new();
    let [mut ann, mut bob] = stage.enter(["ann", "bob"]);
    for channel in ["#a", "#b"] {
        ann.joins(channel);
        bob.joins(channel);
        ann.hears(&format!(":bob JOIN {channel}"));
    }
    bob.says("QUIT :gone fishing");
    assert_eq!(bob.hears_the_end(), ["ERROR :Closing Link: 127.0.0.1 (Quit: gone fishing)"]);
    ann.hears(":bob QUIT :Quit: gone fishing");
    ann.hears_nothing();
    let mut bob = stage.enters("bob");
    bob.joins("#a");
    ann.hears(":bob JOIN #a");
    bob.hangs_up();
    ann.hears(":bob QUIT :Connection closed");
}

#[test]
fn who_does_not_register_in_time_is_sent_away() {
    let limits = Limits { registration: Duration::from_millis(20), ..settings().limits };
    let stage = Stage::with(Settings { limits, ..settings() });
    let mut ann = stage.connects();
    let end = ann.says("NICK ann").hears_the_end();
    assert_eq!(end, ["ERROR :Closing Link: 127.0.0.1 (Registration timed out)"]);
}

#[test]
fn who_is_silent_is_pinged_and_then_gone() {
    let limits = Limits {
        ping_interval: Duration::from_millis(30),
        ping_timeout: Duration::from_millis(60),
        ..settings().limits
    };
    let stage = Stage::with(Settings { limits, ..settings() });
    let mut ann = stage.enters("ann");
    ann.hears("PING :irc.test");
    ann.says("PONG :irc.test").hears("PING :irc.test");
    let end = ann.hears_the_end();
    assert_eq!(end, ["ERROR :Closing Link: 127.0.0.1 (Ping timeout: 0 seconds)"]);
    assert!(stage.log().contains("left: Ping timeout"), "{}", stage.log());
}

#[test]
fn a_shutdown_tells_everybody() {
    let stage = Stage::new();
    let [mut ann, mut bob] = stage.room("#a", ["ann", "bob"]);
    stage.shuts_down();
    for actor in [&mut ann, &mut bob] {
        actor.hears("NOTICE * :The server is shutting down");
        actor.hears("ERROR :Closing Link: 127.0.0.1 (Server shutting down)");
    }
}
