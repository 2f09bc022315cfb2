//! Who is who (modern.ircdocs.horse, "User-Based Queries", "WHO", "MONITOR"; RFC 1459, 4.5, 5).

use protocols::chat::{Limits, Settings};

use crate::stage::{Stage, settings};

#[test]
fn whois_tells_what_may_be_known() {
    let stage = crate::operators::with_operator();
    let [mut ann, mut bob] = stage.enter(["ann", "bob"]);
    bob.joins("#a");
    bob.joins("#b");
    ann.says("WHOIS BOB");
    ann.hears("311 bob ~bob 127.0.0.1 * :bob the tester");
    ann.hears("319 bob :@#a @#b");
    ann.hears("312 bob irc.test :A chat server on one thread");
    ann.hears("317 bob ? 1* :seconds idle, signon time");
    ann.hears("318 bob :End of /WHOIS list");
    bob.says("MODE bob +iB");
    bob.says("MODE #b +s");
    bob.says("AWAY :out").hears_at_last("306 *");
    for target in ["irc.test bob", "bob bob"] {
        ann.says(&format!("WHOIS {target}"));
        ann.hears("311 bob *");
        ann.hears("312 bob *");
        ann.hears("335 bob :is a bot");
        ann.hears("301 bob :out");
        ann.hears("317 bob *");
        ann.hears("318 bob *");
    }
    ann.says("JOIN #a").hears_at_last("366 *");
    ann.says("WHOIS bob");
    ann.hears("311 bob *");
    ann.hears("319 bob :@#a");
    ann.hears_at_last("318 bob *");
    bob.says("OPER root secret").hears_at_last(":bob MODE bob +o");
    bob.says("WHOIS bob");
    bob.hears("311 bob *");
    bob.hears("319 bob :@#a @#b");
    bob.hears("312 bob *");
    bob.hears("313 bob :is an IRC operator");
    bob.hears("335 bob *");
    bob.hears("301 bob *");
    bob.hears("338 bob 127.0.0.1 :is actually using host");
    bob.hears("379 bob :is using modes +Bio");
    bob.hears("317 bob *");
    bob.hears("318 bob *");
    ann.says("WHOIS elsewhere.test bob").hears("402 elsewhere.test :No such server");
    ann.says("WHOIS nobody");
    ann.hears("401 nobody :No such nick/channel");
    ann.hears("318 nobody :End of /WHOIS list");
    ann.says("WHOIS").hears("431 :No nickname given");
}

#[test]
fn whowas_tells_of_the_latest_first() {
    let stage = Stage::new();
    let mut ann = stage.enters("ann");
    for user in ["one", "two"] {
        let mut bob = stage.connects();
        bob.says("NICK bob");
        bob.says(&format!("USER {user} 0 * :Bob"));
        bob.is_called("bob");
        bob.hears_at_last("422 *");
        bob.says("QUIT").hears_the_end();
    }
    for (line, users) in [
        ("WHOWAS BOB", &["two", "one"][..]),
        ("WHOWAS bob 1", &["two"]),
        ("WHOWAS bob 0", &["two", "one"]),
        ("WHOWAS bob -1", &["two", "one"]),
        ("WHOWAS b?b", &["two", "one"]),
    ] {
        ann.says(line);
        for user in users {
            ann.hears_each([&format!("314 bob ~{user} 127.0.0.1 * :Bob"), "312 bob irc.test :*"]);
        }
        ann.hears("369 * :End of WHOWAS");
    }
    ann.says("WHOWAS nobody");
    ann.hears("406 nobody :There was no such nickname");
    ann.hears("369 nobody :End of WHOWAS");
    ann.says("WHOWAS").hears("431 :No nickname given");
}

#[test]
fn userhost_and_ison_tell_who_is_here() {
    let stage = crate::operators::with_operator();
    let [mut ann, mut bob] = stage.enter(["ann", "bob"]);
    bob.says("AWAY :x");
    bob.says("OPER root secret").hears_at_last(":bob MODE bob +o");
    ann.says("USERHOST ann nobody BOB").hears("302 :ann=+~ann@127.0.0.1 bob*=-~bob@127.0.0.1");
    ann.says("ISON nobody BOB ann").hears("303 :bob ann");
    ann.says("ISON :nobody bob").hears("303 :bob");
    ann.says("ISON").hears("461 ISON :Not enough parameters");
}

#[test]
fn who_tells_of_a_channel_a_nickname_or_a_mask() {
    let stage = crate::operators::with_operator();
    let [mut ann, mut bob] = stage.room("#a", ["ann", "bob"]);
    bob.says("WHO #A");
    bob.hears("352 #a ~ann 127.0.0.1 irc.test ann H@ :0 ann the tester");
    bob.hears("352 #a ~bob 127.0.0.1 irc.test bob H :0 bob the tester");
    bob.hears("315 #A :End of /WHO list");
    ann.says("AWAY :x");
    ann.says("OPER root secret").hears_at_last(":ann MODE ann +o");
    for mask in ["ann", "ANN", "an?", "a*n"] {
        bob.says(&format!("WHO {mask}"));
        bob.hears("352 * ~ann 127.0.0.1 irc.test ann G* :0 ann the tester");
        bob.hears(&format!("315 {mask} :End of /WHO list"));
    }
    for mask in ["nobody", "#nowhere", "zz*"] {
        bob.says(&format!("WHO {mask}")).hears(&format!("315 {mask} :End of /WHO list"));
    }
    for all in ["WHO *", "WHO", "WHO 0"] {
        bob.says(all).hears_each(["352 * ~ann *", "352 * ~bob *", "315 * :End of /WHO list"]);
    }
    bob.says("WHO * o").hears_each(["352 * ~ann *", "315 * *"]);
    let mut eve = stage.enters("eve");
    bob.says("MODE bob +i").hears(":bob MODE bob +i");
    eve.says("WHO #a").hears_each(["352 #a ~ann *", "315 #a *"]);
    eve.says("WHO b*").hears("315 b* *");
    ann.says("WHO b*").hears_each(["352 * ~bob *", "315 b* *"]);
}

#[test]
fn whox_tells_what_was_asked_in_one_order() {
    let stage = Stage::new();
    let (mut ann, _bob) = (stage.enters("ann"), stage.enters("bob"));
    for fields in ["tcuihsnfdlaor", "roaldfnshiuct"] {
        ann.says(&format!("WHO bob %{fields},123"));
        ann.hears(
            "354 123 * ~bob 255.255.255.255 127.0.0.1 irc.test bob H 0 ? 0 n/a :bob the tester",
        );
        ann.hears("315 bob :End of /WHO list");
    }
    ann.says("WHO ann %tni,7").hears_each(["354 7 127.0.0.1 ann", "315 ann *"]);
    ann.says("WHO ann %tn,").hears_each(["354 0 ann", "315 ann *"]);
}

#[test]
fn monitor_tells_who_comes_and_goes() {
    let limits = Limits { monitored: 3, ..settings().limits };
    let stage = Stage::with(Settings { limits, ..settings() });
    let mut ann = stage.enters("ann");
    ann.says("MONITOR + Bob,eve").hears("731 :Bob,eve");
    let [mut bob, mut eve] = stage.enter(["bob", "eve"]);
    ann.hears_each(["730 :bob!~bob@127.0.0.1", "730 :eve!~eve@127.0.0.1"]);
    ann.says("MONITOR S").hears("730 :bob!~bob@127.0.0.1,eve!~eve@127.0.0.1");
    ann.says("MONITOR L").hears_each(["732 :Bob,eve", "733 :End of MONITOR list"]);
    ann.says("MONITOR - eve").hears_nothing();
    eve.says("QUIT");
    bob.says("NICK BOB");
    ann.hears_nothing();
    bob.says("NICK robert");
    ann.hears("731 :BOB");
    bob.says("NICK bob");
    ann.hears("730 :bob!~bob@127.0.0.1");
    bob.says("QUIT");
    ann.hears("731 :bob");
    ann.says("MONITOR + *!*@*,1bad").hears_nothing();
    ann.says("MONITOR + a,b,c,d").hears_each(["734 3 c,d :Monitor list is full.", "731 :a,b"]);
    ann.says("MONITOR C");
    ann.says("MONITOR L").hears("733 *");
}

#[test]
fn who_watches_closely_sees_more_than_coming_and_going() {
    let stage = Stage::new();
    let mut ann = stage.enters_with("ann", "extended-monitor away-notify");
    let mut eve = stage.enters_with("eve", "away-notify");
    for actor in [&mut ann, &mut eve] {
        actor.says("MONITOR + bob").hears("731 :bob");
    }
    let mut bob = stage.enters("bob");
    ann.hears("730 *");
    eve.hears("730 *");
    bob.says("AWAY :out");
    ann.hears(":bob AWAY :out");
    bob.joins("#a");
    ann.joins("#a");
    bob.says("AWAY");
    ann.hears_at_last(":bob AWAY");
    ann.hears_nothing();
    eve.hears_nothing();
}
