//! What is said (modern.ircdocs.horse, "Sending Messages"; IRCv3 message-tags, echo-message,
//! labeled-response, multiline, utf8-only, bot-mode).

use protocols::chat::message::MAX_CLIENT_TAGS;
use protocols::chat::{Limits, Settings};

use crate::stage::{Actor, Stage, settings};

#[test]
fn messages_reach_channels_and_users_and_say_why_if_they_do_not() {
    let stage = Stage::new();
    let [mut ann, mut bob] = stage.room("#a", ["ann", "bob"]);
    ann.says("PRIVMSG #A :hello there");
    bob.hears(":ann PRIVMSG #a :hello there");
    ann.hears_nothing();
    ann.says("PRIVMSG BOB hey");
    bob.hears(":ann PRIVMSG bob :hey");
    ann.says("NOTICE #a,bob,BOB :twice");
    bob.hears_each([":ann NOTICE #a :twice", ":ann NOTICE bob :twice"]);
    bob.hears_nothing();
    for (line, answer) in [
        ("PRIVMSG", "411 :No recipient given (PRIVMSG)"),
        ("PRIVMSG :", "411 :No recipient given (PRIVMSG)"),
        ("PRIVMSG bob", "412 :No text to send"),
        ("PRIVMSG bob :", "412 :No text to send"),
        ("PRIVMSG nobody :x", "401 nobody :No such nick/channel"),
        ("PRIVMSG #nowhere :x", "403 #nowhere :No such channel"),
        ("TAGMSG", "411 :No recipient given (TAGMSG)"),
        ("PRIVMSG a,b,c,d,e :x", "401 a :*"),
    ] {
        ann.says(line).hears(answer);
    }
    ann.hears_at_last("407 e :Too many targets");
    for line in ["NOTICE", "NOTICE bob", "NOTICE nobody :x", "NOTICE #nowhere :x"] {
        ann.says(line).hears_nothing();
    }
}

#[test]
fn who_is_away_says_so() {
    let stage = Stage::new();
    let [mut ann, mut bob] = stage.enter(["ann", "bob"]);
    ann.says("AWAY :at lunch").hears("306 :You have been marked as being away");
    bob.says("PRIVMSG ann :there?").hears("301 ann :at lunch");
    ann.hears(":bob PRIVMSG ann :there?");
    bob.says("NOTICE ann :there?").hears_nothing();
    ann.says("AWAY").hears_at_last("305 :You are no longer marked as being away");
    bob.says("PRIVMSG ann :there?").hears_nothing();
}

#[test]
fn a_message_to_a_rank_reaches_those_who_have_it() {
    let stage = Stage::new();
    let [mut ann, mut bob, mut eve] = stage.room("#a", ["ann", "bob", "eve"]);
    ann.says("MODE #a +v bob").hears_at_last(":ann MODE #a +v bob");
    eve.says("PRIVMSG @#a :operators");
    ann.hears(":eve PRIVMSG @#a :operators");
    eve.says("PRIVMSG +#a :voices");
    ann.hears(":eve PRIVMSG +#a :voices");
    bob.hears_at_last(":eve PRIVMSG +#a :voices");
    let mut fay = stage.enters("fay");
    fay.says("PRIVMSG @#a :from outside").hears("404 #a :Cannot send to channel");
}

#[test]
fn tags_go_to_those_who_asked_for_them() {
    let stage = Stage::new();
    let mut ann = stage.enters_with("ann", "message-tags");
    let mut bob = stage.enters_with("bob", "message-tags echo-message");
    let mut eve = stage.enters("eve");
    let mut fay = stage.enters_with("fay", "server-time");
    for actor in [&mut ann, &mut bob, &mut eve, &mut fay] {
        actor.joins("#a");
    }
    for actor in [&mut ann, &mut bob, &mut eve] {
        actor.hears_all();
    }
    ann.says(r"@+baz=b\:t;fizz=buzz PRIVMSG #a :hi");
    bob.hears(r"@msgid=*;+baz=b\:t :ann PRIVMSG #a :hi");
    eve.hears(":ann PRIVMSG #a :hi");
    fay.hears("@time=20??-??-??T??:??:??.???Z :ann PRIVMSG #a :hi");
    bob.says("@+typing=active;x=y TAGMSG #a");
    let heard = ann.hears("@msgid=*;+typing=active :bob TAGMSG #a");
    assert_eq!(bob.hears("@msgid=*;+typing=active :bob TAGMSG #a"), heard);
    eve.hears_nothing();
    fay.hears_all();
    ann.says("MODE ann +B").hears(":ann MODE ann +B");
    ann.says("PRIVMSG bob :beep");
    bob.hears("@msgid=*;bot :ann PRIVMSG bob :beep");
}

#[test]
fn who_changes_what_it_understands_hears_the_next_message_so() {
    let stage = Stage::new();
    let mut ann = stage.enters("ann");
    let [mut bob, mut eve, mut fay] = stage.enter(["bob", "eve", "fay"]);
    for actor in [&mut ann, &mut bob, &mut eve, &mut fay] {
        actor.joins("#a");
    }
    for actor in [&mut bob, &mut eve, &mut fay] {
        actor.hears_all();
    }
    let mut says = |listeners: [(&mut Actor, &str); 3]| {
        ann.says("PRIVMSG #a :hi");
        for (listener, tags) in listeners {
            let line = listener.hears_at_last(&format!("{tags}:ann PRIVMSG #a :hi"));
            assert_eq!(line.starts_with('@'), !tags.is_empty(), "{line}");
            listener.hears_all();
        }
    };
    says([(&mut bob, ""), (&mut eve, ""), (&mut fay, "")]);
    bob.says("CAP REQ :server-time").hears("CAP bob ACK :server-time");
    says([(&mut bob, "@time=* "), (&mut eve, ""), (&mut fay, "")]);
    fay.says("CAP REQ :message-tags").hears("CAP fay ACK :message-tags");
    says([(&mut bob, "@time=* "), (&mut eve, ""), (&mut fay, "@msgid=* ")]);
    eve.says("CAP REQ :server-time").hears("CAP eve ACK :server-time");
    bob.says("CAP REQ :-server-time").hears("@time=* CAP bob ACK :-server-time");
    says([(&mut bob, ""), (&mut eve, "@time=* "), (&mut fay, "@msgid=* ")]);
}

#[test]
fn what_is_too_long_is_refused_and_what_just_fits_is_passed_on() {
    let stage = Stage::new();
    let mut ann = stage.enters_with("ann", "message-tags");
    let mut bob = stage.enters_with("bob", "message-tags");
    let value = "a".repeat(MAX_CLIENT_TAGS - "@+x= ".len());
    ann.says(&format!("@+x={value} PRIVMSG bob {}", "b".repeat(498)));
    let heard = bob.hears(&format!("@msgid=*;+x={value} :ann PRIVMSG bob :b*"));
    let (_, body) = heard.split_once(" :ann!").expect("a body");
    assert_eq!(body.len() + " :ann!".len() - 1 + 2, 512, "it is cut to what may be on a line");
    ann.says(&format!("@+x={value}a TAGMSG bob")).hears("417 :Input line was too long");
    ann.says(&format!("PING {}", "x".repeat(506))).hears("417 :Input line was too long");
    ann.says(&format!("PING {}", "x".repeat(505))).hears("PONG irc.test :x*");
    ann.hears_nothing();
    bob.hears_nothing();
    ann.says(&"y".repeat(100_000)).hears("417 :Input line was too long");
    let end = ann.hears_the_end();
    assert_eq!(end, ["ERROR :Closing Link: 127.0.0.1 (Input line too long)"]);
}

#[test]
fn what_is_not_utf_8_is_refused_and_what_is_is_not_cut_apart() {
    let stage = Stage::new();
    let mut ann = stage.enters_with("ann", "batch labeled-response");
    let mut bob = stage.enters("bob");
    ann.says_raw(b"@label=xyz PRIVMSG bob :hi\xaa\r\n");
    ann.hears("@label=xyz FAIL PRIVMSG INVALID_UTF8 :The line is not UTF-8");
    ann.says_raw(b"PRIVMSG bob :a\0b\r\n");
    ann.hears("400 PRIVMSG :The line holds a NUL, CR or LF");
    ann.says_raw(b"PRIVMSG bob :a\rb\r\n");
    ann.hears("400 PRIVMSG :The line holds a NUL, CR or LF");
    for smileys in 117..=124 {
        ann.says(&format!("PRIVMSG bob :{}", "😃".repeat(smileys)));
        bob.hears(":ann PRIVMSG bob :😃*");
    }
}

#[test]
fn a_label_is_on_the_answer_whatever_it_is() {
    let stage = Stage::new();
    let mut ann = stage.enters_with("ann", "batch echo-message labeled-response");
    let mut bob = stage.enters_with("bob", "batch labeled-response");
    ann.says("@label=1 PING x").hears("@label=1 PONG irc.test :x");
    ann.says("@label=2 PONG x").hears("@label=2 ACK");
    ann.says("@label=3 NONSENSE").hears("@label=3 421 NONSENSE :Unknown command");
    ann.says("@label=4 PRIVMSG bob :hi").hears("@label=4 :ann PRIVMSG bob :hi");
    bob.hears(":ann PRIVMSG bob :hi");
    let start = ann.says("@label=5 JOIN #a").hears("@label=5 BATCH +* labeled-response");
    let batch = start.split(" +").nth(1).and_then(|rest| rest.split(' ').next()).expect("a name");
    let batch = batch.to_owned();
    ann.hears(&format!("@batch={batch} :ann JOIN #a"));
    ann.hears(&format!("@batch={batch} 353 = #a :@ann"));
    ann.hears(&format!("@batch={batch} 366 #a *"));
    ann.hears(&format!("BATCH -{batch}"));
    bob.joins("#a");
    ann.hears(":bob JOIN #a");
    ann.says("@label=6 PRIVMSG #a,bob :both");
    ann.hears("@label=6 BATCH +* labeled-response");
    ann.hears("@batch=* :ann PRIVMSG #a :both");
    ann.hears("@batch=* :ann PRIVMSG bob :both");
    ann.hears("BATCH -*");
    ann.says("@label=7 PRIVMSG ann :me");
    ann.hears(":ann PRIVMSG ann :me");
    ann.hears("@label=7 :ann PRIVMSG ann :me");
    bob.hears_all();
    bob.says("PRIVMSG ann :unlabelled");
    ann.hears(":bob PRIVMSG ann :unlabelled");
    bob.says(&format!("@label={} PING x", "l".repeat(65))).hears("PONG irc.test :x");
    let mut eve = stage.enters("eve");
    eve.says("@label=8 PING x").hears("PONG irc.test :x");
}

const MULTILINE: &str =
    "batch draft/multiline echo-message labeled-response message-tags server-time";

#[test]
fn a_message_of_several_lines_is_one_for_those_who_know_it() {
    let stage = Stage::new();
    let mut ann = stage.enters_with("ann", MULTILINE);
    let mut bob = stage.enters_with("bob", MULTILINE);
    let mut eve = stage.enters_with("eve", "message-tags server-time");
    for actor in [&mut ann, &mut bob, &mut eve] {
        actor.joins("#a");
    }
    for actor in [&mut ann, &mut bob] {
        actor.hears_all();
    }
    ann.says("@label=xyz;+tag BATCH +1 draft/multiline #a");
    ann.says("@batch=1 PRIVMSG #a :hello");
    ann.says("@batch=1 PRIVMSG #a :");
    ann.says("@batch=1 PRIVMSG #a :how is ");
    ann.says("@batch=1;draft/multiline-concat PRIVMSG #a :everyone?");
    ann.says("BATCH -1").hears("@label=xyz;time=*;msgid=*;+tag :ann BATCH +* draft/multiline #a");
    for text in ["hello", "", "how is "] {
        ann.hears(&format!("@batch=b* :ann PRIVMSG #a :{text}"));
    }
    ann.hears_each(["@batch=*;draft/multiline-concat :ann PRIVMSG #a :everyone?", ":ann BATCH -*"]);
    bob.hears("@time=*;msgid=*;+tag :ann BATCH +* draft/multiline #a");
    for text in ["hello", "", "how is "] {
        bob.hears(&format!("@batch=b* :ann PRIVMSG #a :{text}"));
    }
    bob.hears_each(["@batch=*;draft/multiline-concat :ann PRIVMSG #a :everyone?", ":ann BATCH -*"]);
    eve.hears("@time=*;msgid=*;+tag :ann PRIVMSG #a :hello");
    for text in ["how is ", "everyone?"] {
        let line = eve.hears(&format!("@time=*;+tag :ann PRIVMSG #a :{text}"));
        assert!(!line.contains("msgid"), "only the first bears the name");
    }
}

#[test]
fn a_batch_that_is_wrong_is_given_up() {
    let limits = Limits { multiline_lines: 2, multiline_bytes: 30, ..settings().limits };
    let stage = Stage::with(Settings { limits, ..settings() });
    let mut ann = stage.enters_with("ann", "batch draft/multiline message-tags");
    ann.joins("#a");
    for (lines, answer) in [
        (&["@batch=2 PRIVMSG #a :hi"][..], "MULTILINE_INVALID :*"),
        (&["@batch=1 PRIVMSG #b :hi"], "MULTILINE_INVALID_TARGET #a #b :*"),
        (&["@batch=1 JOIN #b"], "MULTILINE_INVALID :*"),
        (&["@batch=1;draft/multiline-concat PRIVMSG #a :"], "MULTILINE_INVALID :*"),
        (&["@batch=1 PRIVMSG #a :x", "@batch=1 NOTICE #a :x"], "MULTILINE_INVALID :*"),
        (&["@batch=1 PRIVMSG #a :0123456789012345678901234567890"], "MULTILINE_MAX_BYTES 30 :*"),
        (
            &["@batch=1 PRIVMSG #a :1", "@batch=1 PRIVMSG #a :2", "@batch=1 PRIVMSG #a :3"],
            "MULTILINE_MAX_LINES 2 :*",
        ),
        (&["BATCH -1"], "MULTILINE_INVALID :*"),
        (&["BATCH -2"], "MULTILINE_INVALID :*"),
        (&["BATCH +2 draft/multiline #a"], "MULTILINE_INVALID :*"),
    ] {
        ann.says("BATCH +1 draft/multiline #a");
        for line in lines {
            ann.says(line);
        }
        ann.hears(&format!("FAIL BATCH {answer}"));
    }
    ann.says("BATCH +1 other #a").hears("FAIL BATCH UNKNOWN_TYPE other :*");
    ann.says("BATCH -1").hears("FAIL BATCH INVALID_REFTAG 1 :*");
    ann.says("BATCH 1").hears("FAIL BATCH INVALID_REFTAG :*");
}

#[test]
fn a_question_to_the_client_is_not_passed_on_to_who_does_not_want_it() {
    let stage = Stage::new();
    let [mut ann, mut bob] = stage.enter(["ann", "bob"]);
    ann.says("PRIVMSG bob :\u{1}VERSION\u{1}");
    bob.hears(":ann PRIVMSG bob :\u{1}VERSION\u{1}");
    bob.says("MODE bob +T").hears(":bob MODE bob +T");
    ann.says("PRIVMSG bob :\u{1}VERSION\u{1}");
    bob.hears_nothing();
    ann.says("PRIVMSG bob :\u{1}ACTION waves\u{1}");
    bob.hears(":ann PRIVMSG bob :\u{1}ACTION waves\u{1}");
}
