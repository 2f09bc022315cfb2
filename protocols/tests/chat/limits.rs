//! What peers may not do, and what happens to those who do it (HAZARDS: floods, slow readers, strangers).

use std::time::{Duration, Instant};

use protocols::chat::{Limits, Settings};

use crate::stage::{Actor, Stage, settings};

#[test]
fn a_flood_is_slowed_down_and_nothing_is_lost() {
    let limits =
        Limits { flood_control: true, flood_burst: 5, flood_rate: 50, ..settings().limits };
    let stage = Stage::with(Settings { limits, ..settings() });
    let mut ann = stage.connects();
    ann.registers("ann");
    ann.hears_at_last("422 *");
    let begun = Instant::now();
    let pings: String = (0..40).map(|at| format!("PING {at}\r\n")).collect();
    ann.says_raw(pings.as_bytes());
    for at in 0..40 {
        ann.hears(&format!("PONG irc.test :{at}"));
    }
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(640), "forty less a burst of seven at most: {took:?}");
}

#[test]
fn a_flood_that_does_not_end_is_cut_off() {
    let limits = Limits { flood_control: true, ..settings().limits };
    let stage = Stage::with(Settings { limits, ..settings() });
    let mut ann = stage.connects();
    ann.registers("ann");
    ann.hears_at_last("422 *");
    ann.says_raw("PING x\r\n".repeat(10_000).as_bytes());
    ann.hears_at_last("ERROR :Closing Link: 127.0.0.1 (Excess Flood)");
    assert!(stage.log().contains("left: Excess Flood"));
}

#[test]
fn a_line_that_comes_in_pieces_costs_as_much_as_another() {
    let limits = Limits { flood_control: true, flood_rate: 1, flood_burst: 6, ..settings().limits };
    let stage = Stage::with(Settings { limits, ..settings() });
    let mut ann = stage.connects();
    ann.registers("ann");
    ann.hears_at_last("422 *");
    for byte in b"PING x\r\nPING y\r\n" {
        ann.says_raw(&[*byte]);
        stage.turns(3);
    }
    ann.hears_each(["PONG irc.test :x", "PONG irc.test :y"]);
}

#[test]
fn a_slow_reader_is_cut_off_and_the_others_see_why() {
    let limits = Limits {
        send_queue: 256 * 1024,
        flood_control: true,
        flood_burst: 1_000_000,
        flood_rate: 1_000_000,
        ..settings().limits
    };
    let stage = Stage::with(Settings { limits, ..settings() });
    let [mut ann, mut eve] = stage.enter(["ann", "eve"]);
    let mut slow = stage.enters("slow");
    for actor in [&mut ann, &mut eve, &mut slow] {
        actor.joins("#a");
    }
    ann.hears_each([":eve JOIN #a", ":slow JOIN #a"]);
    eve.hears(":slow JOIN #a");
    // Slow reads no more, and the system's buffers are large: several megabytes have to be said.
    let line = format!("PRIVMSG #a :{}\r\n", "x".repeat(440));
    let many = line.repeat(100);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !stage.log().contains("left: SendQ exceeded") {
        assert!(Instant::now() < deadline, "the slow reader is still there");
        ann.says_raw(many.as_bytes());
        eve.hears_all();
    }
    ann.hears(":slow QUIT :SendQ exceeded");
    assert!(stage.log().contains("slow!~slow@127.0.0.1 left: SendQ exceeded"));
}

#[test]
fn long_answers_to_many_hold_nobody_else_up_and_come_whole() {
    let stage = Stage::new();
    let real_name = "r".repeat(150);
    let enter = |at: usize| {
        let mut actor = stage.enters(&format!("a{at}"));
        actor.says(&format!("SETNAME :{real_name}"));
        actor.says("JOIN #a");
        actor
    };
    let mut askers: Vec<_> = (0..160).map(enter).collect();
    let mut eve = stage.enters("eve");
    askers.iter_mut().for_each(|asker| drop(asker.hears_all()));
    // A WHO of somebody else comes behind that of a channel, and a PING behind both.
    for question in ["WHO #a", "WHO a7"] {
        for asker in &mut askers {
            asker.says(question);
        }
    }
    eve.says("PING eve").hears("PONG * :eve");
    let told: usize = askers.iter_mut().map(Actor::heard_so_far).sum();
    assert!(told <= 640, "{told} lines before somebody else was answered");
    for asker in &mut askers {
        for at in 0..160 {
            asker.hears(&format!("352 #a ~a{at} 127.0.0.1 irc.test a{at} * :0 rrr*"));
        }
        asker.hears_each(["315 #a *", "352 * ~a7 *", "315 a7 *"]);
    }
}

#[test]
fn many_who_ask_for_names_hold_nobody_else_up() {
    let stage = Stage::new();
    let mut askers: Vec<_> = (0..100).map(|at| stage.enters(&format!("a{at}"))).collect();
    for asker in &mut askers {
        asker.says("JOIN #a");
    }
    let mut eve = stage.enters("eve");
    askers.iter_mut().for_each(|asker| drop(asker.hears_all()));
    for line in ["NAMES #a", "PING asker"] {
        for asker in &mut askers {
            asker.says(line);
        }
    }
    eve.says("PING eve").hears("PONG * :eve");
    let told: usize = askers.iter_mut().map(Actor::heard_so_far).sum();
    assert!(told <= 40, "{told} lines before somebody else was answered");
    for asker in &mut askers {
        asker.hears("353 = #a :*a0 *");
        asker.hears_at_last("366 #a *");
        asker.hears("PONG * :asker");
    }
}

#[test]
fn a_who_of_more_than_half_the_send_queue_comes_whole() {
    let limits = Limits { flood_control: true, flood_burst: 1_000, ..settings().limits };
    let limits = Limits { send_queue: 256 * 1024, ..limits };
    let stage = Stage::with(Settings { limits, ..settings() });
    let mut actors: Vec<_> = (0..700).map(|at| stage.enters(&format!("a{at}"))).collect();
    actors[0].says("WHO *");
    (0..700).for_each(|_| drop(actors[0].hears("352 *")));
    actors[0].hears("315 *");
}

/// A channel of a hundred, the first of whom keeps it, that a `WHO` tells in two pieces.
fn crowd() -> (Stage, Vec<Actor>) {
    let limits = Limits { name_length: 450, ..settings().limits };
    let stage = Stage::with(Settings { limits, ..settings() });
    let enter = |at: usize| {
        let mut actor = stage.enters(&format!("a{at}"));
        actor.says(&format!("SETNAME :{}", "r".repeat(420)));
        actor.joins("#a");
        actor
    };
    let mut actors: Vec<_> = (0..100).map(enter).collect();
    actors.iter_mut().for_each(|actor| drop(actor.hears_all()));
    (stage, actors)
}

/// What somebody is told of a channel after the first line, while somebody else does something.
fn asks_while(asker: &mut Actor, other: &mut Actor, does: &str) -> Vec<String> {
    asker.says("WHO #a").hears("352 #a ~a0 *");
    other.says(does);
    asker.hears_all()
}

#[test]
fn who_leaves_while_a_long_answer_is_given_is_not_in_it_and_may_be_who_asked() {
    let (_stage, mut actors) = crowd();
    let (asker, others) = actors.split_first_mut().expect("there are many");
    for does in ["QUIT", "PART"] {
        // It may come too late; not always.
        let is_amid = |other: &mut Actor| {
            let told = asks_while(asker, other, &format!("{does} #a"));
            let left = told.iter().position(|line| line.contains(&format!(" {does} ")));
            let left = left.expect("it is on the same channel");
            let nick = told[left][1..].split('!').next().expect("it has a nickname").to_owned();
            let told_later = &told[left..];
            assert!(!told_later.iter().any(|line| line.contains(&format!(" irc.test {nick} H"))));
            told_later.iter().any(|line| line.contains(" 352 "))
        };
        assert!(others.iter_mut().rev().any(is_amid), "{does} never came in the middle");
        others.reverse();
    }
    asker.says("WHO #a");
    asker.hangs_up();
    others[50].hears_at_last(":a0 QUIT *");
    others[50].hears_nothing();
}

#[test]
fn a_channel_that_becomes_secret_while_a_long_answer_is_given_is_told_no_further() {
    let (stage, mut actors) = crowd();
    let mut eve = stage.enters("eve");
    let owner = &mut actors[0];
    // It may come too late; not always.
    let is_cut_short = |_| {
        let told = asks_while(&mut eve, owner, "MODE #a +s");
        assert!(told.last().is_some_and(|line| line.contains(" 315 ")), "{told:?}");
        owner.says("MODE #a -s").hears_all();
        told.len() < 100
    };
    assert!((0..20).any(is_cut_short), "all of a secret channel was told, each time");
}

#[test]
fn nothing_is_done_for_who_does_not_read_its_long_answers() {
    let (stage, mut actors) = crowd();
    let mut asker = actors.swap_remove(0);
    for _ in 0..1_000 {
        asker.says("WHO #a");
    }
    let stats = || stage.acts(|_, registry| registry.stats());
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let before = stats();
        stage.turns(20);
        let now = stats();
        if now.queued_bytes > 64 * 1024 && now.tasks == before.tasks {
            break;
        }
        assert!(Instant::now() < deadline, "it is busy with who does not read: {now}");
    }
    assert!(stats().queued_bytes < 256 * 1024, "{}", stats());
    actors[0].hears_nothing();
    drop(asker);
    actors[0].hears(":a0 QUIT *");
}

#[test]
fn random_bytes_and_endless_lines_do_no_harm() {
    let stage = Stage::new();
    let mut ann = stage.enters("ann");
    ann.joins("#a");
    let mut state = 0x9e37_79b9_u32;
    for _ in 0..20 {
        let mut stranger = stage.connects();
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as u8
        })
        .take(8_000)
        .collect();
        stranger.says_raw(&noise);
        stranger.says_raw(b"\r\n");
        stranger.registers("stranger");
        stranger.hears_at_last("001 *");
        stranger.says_raw(&[0; 5_000]);
        stranger.says_raw(b"\r\n");
        stranger.says_raw(&vec![b'x'; 1024 * 1024]);
        stranger.hears_at_last("417 :Input line was too long");
        stranger.hears_the_end();
    }
    assert_eq!(stage.server(|server| server.counters().spoiled), 0);
    ann.hears_nothing();
}

#[test]
fn storms_of_nicknames_and_joins_leave_nothing_behind() {
    let stage = Stage::new();
    let [mut ann, mut eve] = stage.enter(["ann", "eve"]);
    ann.joins("#a");
    for at in 0..200 {
        eve.says(&format!("NICK eve{at}"));
        eve.says(&format!("JOIN #a,#b{at},#c{at}"));
        eve.says("JOIN 0");
    }
    eve.says("QUIT").hears_the_end();
    ann.hears_all();
    ann.says("LUSERS");
    ann.hears_at_last("254 1 :channels formed");
    ann.hears_at_last("266 1 2 *");
    ann.says("WHOWAS eve199").hears("314 eve199 *");
}

#[test]
fn hostile_parameters_are_answered_and_never_end_a_line() {
    let limits = Limits { password_attempts: u32::MAX, ..settings().limits };
    let stage = Stage::with(Settings { limits, ..settings() });
    let mut ann = stage.enters("ann");
    ann.joins("#a");
    let commands = "JOIN PART TOPIC NAMES LIST INVITE KICK MODE PRIVMSG NOTICE TAGMSG WHO WHOIS \
                    WHOWAS USERHOST ISON AWAY SETNAME MONITOR MOTD LUSERS VERSION TIME INFO ADMIN \
                    STATS LINKS HELP OPER KILL REHASH WALLOPS CHGHOST CHATHISTORY REDACT MARKREAD \
                    BATCH CAP AUTHENTICATE REGISTER VERIFY NS CS PASS USER NICK PONG PING USERS \
                    SUMMON";
    let params = [
        "",
        ":",
        "* * * *",
        ": :",
        "#a :",
        "#a +bbbb :x y",
        "#a -k+l :",
        "a,b,,c :x",
        "@ %tr,:x",
        "#\u{1}:x",
        "ann ann ann ann",
        "#a ann :",
        ",,,, ,,,,",
        "\u{fffd}\u{202e} x",
        "+ ann!*@*,",
        "#a +vvvv ann ann ann ann",
        "LATEST #a * 10",
        "+1 draft/multiline #a",
        "::::",
        "#a,#a,#a x",
    ];
    for command in commands.split(' ') {
        for param in params {
            ann.says(&format!("{command} {param}"));
        }
    }
    ann.says("NICK ann").hears_all();
    assert_eq!(stage.server(|server| server.counters().spoiled), 0, "{}", stage.log());
}

#[test]
fn a_peer_that_vanishes_is_seen_to_have_left() {
    let stage = Stage::new();
    let mut ann = stage.enters("ann");
    ann.joins("#a");
    {
        let mut bob = stage.enters("bob");
        bob.joins("#a");
        // It leaves unread what it was sent, so its end is a reset.
        ann.hears(":bob JOIN #a");
        ann.says("PRIVMSG #a :unread").hears_nothing();
        drop(bob);
    }
    ann.hears(":bob QUIT :Connection *");
}
