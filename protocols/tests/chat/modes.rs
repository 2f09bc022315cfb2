//! Modes of channels and users (modern.ircdocs.horse, "MODE message", "Channel Modes", "User Modes").

use protocols::chat::{Limits, Settings};

use crate::stage::{Stage, settings};

#[test]
fn the_modes_of_a_channel_are_told_and_can_all_be_taken_away() {
    let stage = Stage::new();
    let [mut ann, mut bob] = stage.room("#a", ["ann", "bob"]);
    ann.says("MODE #a").hears_each(["324 #a +nt", "329 #a 1*"]);
    ann.says("MODE #a +imskl-n key 7").hears(":ann MODE #a +imskl-n key 7");
    ann.says("MODE #a").hears_each(["324 #a +imstkl key 7", "329 #a 1*"]);
    let mut eve = stage.enters("eve");
    eve.says("MODE #a").hears("324 #a +imstkl * 7");
    ann.says("MODE #a -imstkl").hears(":ann MODE #a -imstkl *");
    ann.says("MODE #a").hears("324 #a +");
    bob.says("MODE #nowhere").hears_at_last("403 #nowhere :No such channel");
    ann.hears("329 *");
    ann.says("MODE #a +t+t-i").hears(":ann MODE #a +t");
}

#[test]
fn a_key_a_limit_and_a_ban_keep_people_out() {
    let stage = Stage::new();
    let [mut ann, mut bob] = stage.enter(["ann", "bob"]);
    ann.joins("#a");
    ann.says("MODE #a +k beer").hears(":ann MODE #a +k beer");
    for join in ["JOIN #a", "JOIN #a bees"] {
        bob.says(join).hears("475 #a :Cannot join channel (+k)");
    }
    ann.says("MODE #a +l 1").hears(":ann MODE #a +l 1");
    bob.says("JOIN #a beer").hears("471 #a :Cannot join channel (+l)");
    ann.says("MODE #a -l+b *!*@127.0.0.1").hears(":ann MODE #a -l+b *!*@127.0.0.1");
    bob.says("JOIN #a beer").hears("474 #a :Cannot join channel (+b)");
    ann.says("MODE #a +e bob").hears(":ann MODE #a +e bob!*@*");
    bob.says("JOIN #a beer").hears(":bob JOIN #a");
    ann.hears(":bob JOIN #a");
    ann.says("MODE #a +i");
    ann.says("MODE #a +I *!*@127.*");
    ann.says("MODE #a -bk *!*@127.0.0.1").hears_at_last(":ann MODE #a -bk *!*@127.0.0.1 *");
    stage.enters("eve").joins("#a");
    let mut fay = stage.enters("fay");
    ann.says("MODE #a -I *!*@127.*").hears_at_last(":ann MODE #a -I *!*@127.*");
    ann.says("MODE #a +R-i").hears_at_last(":ann MODE #a +R-i");
    fay.says("JOIN #a").hears("477 #a :You need to be logged in to an account to do that");
}

#[test]
fn lists_are_told_completed_and_bounded() {
    let limits = Limits { list_entries: 2, ..settings().limits };
    let stage = Stage::with(Settings { limits, ..settings() });
    let [mut ann, mut bob] = stage.room("#a", ["ann", "bob"]);
    ann.says("MODE #a +bb EVE *!*@192.0.2.*").hears(":ann MODE #a +bb EVE!*@* *!*@192.0.2.*");
    ann.says("MODE #a +b tab\t*").hears("696 #a b * :That is no mask");
    ann.says("MODE #a +b one!more@here").hears("478 #a b :Channel list is full");
    ann.says("MODE #a +b eve!*@*").hears_nothing();
    bob.hears(":ann MODE *");
    for query in ["MODE #a b", "MODE #a +b", "MODE #a +bbbbbbbbbbbbbbbbbbbbbbbb"] {
        bob.says(query);
        bob.hears("367 #a EVE!*@* ann!~ann@127.0.0.1 1*");
        bob.hears("367 #a *!*@192.0.2.* ann!~ann@127.0.0.1 1*");
        bob.hears("368 #a :End of channel ban list");
    }
    ann.says("MODE #a +eI one two");
    bob.hears(":ann MODE #a +eI one!*@* two!*@*");
    ann.hears(":ann MODE #a +eI one!*@* two!*@*");
    bob.says("MODE #a eI");
    bob.hears("348 #a one!*@* ann!~ann@127.0.0.1 1*");
    bob.hears("349 *");
    bob.hears("346 #a two!*@* ann!~ann@127.0.0.1 1*");
    bob.hears("347 *");
    ann.says("MODE #a -eI one two");
    bob.hears(":ann MODE #a -eI one!*@* two!*@*");
    ann.hears(":ann MODE #a -eI one!*@* two!*@*");
    bob.says("MODE #a e").hears("349 #a :End of channel exception list");
    bob.says("MODE #a I").hears("347 #a :End of channel invite exception list");
    ann.says("MODE #a -b eve!*@*").hears(":ann MODE #a -b EVE!*@*");
}

#[test]
fn what_is_no_mode_or_no_parameter_is_refused() {
    let stage = Stage::new();
    let [mut ann, mut bob] = stage.room("#a", ["ann", "bob"]);
    ann.says("MODE #a +yz");
    ann.hears("472 y :is unknown mode char to me");
    ann.hears("472 z :is unknown mode char to me");
    ann.says("MODE #a +k :two words").hears("696 #a k * :The key is not well-formed");
    ann.says("MODE #a +k :").hears("696 #a k * :The key is not well-formed");
    ann.says("MODE #a +k").hears("696 #a k * :The mode wants a parameter");
    for limit in ["0", "-1", "many", "99999999999"] {
        ann.says(&format!("MODE #a +l {limit}"));
        ann.hears(&format!("696 #a l {limit} :The limit is no number above zero"));
    }
    bob.says("MODE #a +ntl 5").hears("482 #a :You're not channel operator");
    bob.hears_nothing();
    ann.says("MODE #a +r").hears_nothing();
}

#[test]
fn ranks_are_granted_from_above() {
    let stage = Stage::new();
    let [mut ann, mut bob] = stage.room("#a", ["ann", "bob"]);
    let mut eve = stage.enters("eve");
    bob.says("MODE #a +o bob").hears("482 #a :You're not channel operator");
    ann.says("MODE #a +o nobody").hears("401 nobody :No such nick/channel");
    ann.says("MODE #a +o eve").hears("441 eve #a :They aren't on that channel");
    ann.says("MODE #a +q ann").hears("482 #a :You're not channel operator");
    ann.says("MODE #a +h bob").hears(":ann MODE #a +h bob");
    bob.hears(":ann MODE #a +h bob");
    eve.joins("#a");
    bob.hears(":eve JOIN #a");
    bob.says("MODE #a +v eve").hears(":bob MODE #a +v eve");
    bob.says("MODE #a -o ann").hears("482 #a :You're not channel operator");
    bob.says("KICK #a ann").hears("482 #a :You're not channel operator");
    bob.says("MODE #a -h bob").hears(":bob MODE #a -h bob");
    ann.hears_at_last(":bob MODE #a -h bob");
    ann.says("MODE #a +ov bob bob").hears(":ann MODE #a +ov bob bob");
    eve.says("NAMES #a").hears_at_last("353 = #a :@ann @bob +eve");
    let mut fay = stage.enters_with("fay", "multi-prefix userhost-in-names");
    fay.says("JOIN #a");
    fay.hears_at_last(
        "353 = #a :@ann!~ann@127.0.0.1 @+bob!~bob@127.0.0.1 +eve!~eve@127.0.0.1 fay!~fay@127.0.0.1",
    );
}

#[test]
fn many_changes_are_shown_on_lines_that_are_not_cut() {
    let stage = Stage::new();
    let [mut ann, _bob] = stage.room("#a", ["ann", "bob"]);
    let masks: Vec<_> = (0..4).map(|at| format!("{at}{}!*@*", "x".repeat(95))).collect();
    ann.says(&format!("MODE #a +bbbb {}", masks.join(" ")));
    ann.hears(&format!(":ann MODE #a +bb {}", masks[..2].join(" ")));
    ann.hears(&format!(":ann MODE #a +bb {}", masks[2..].join(" ")));
}

#[test]
fn a_moderated_channel_hears_those_with_a_voice() {
    let stage = Stage::new();
    let [mut ann, mut bob] = stage.room("#a", ["ann", "bob"]);
    ann.says("MODE #a +m").hears(":ann MODE #a +m");
    bob.hears(":ann MODE #a +m");
    bob.says("PRIVMSG #a :hello?").hears("404 #a :Cannot send to channel");
    bob.says("NOTICE #a :hello?").hears_nothing();
    ann.says("MODE #a +v bob").hears(":ann MODE #a +v bob");
    bob.says("PRIVMSG #a :hello!");
    ann.hears(":bob PRIVMSG #a :hello!");
    ann.says("MODE #a -mv+b bob bob").hears(":ann MODE #a -mv+b bob bob!*@*");
    bob.says("PRIVMSG #a :banned?").hears_at_last("404 #a :Cannot send to channel");
    ann.says("MODE #a -b+b bob m:bob").hears(":ann MODE #a -b+b bob!*@* m:bob");
    bob.says("PRIVMSG #a :muted?").hears_at_last("404 #a :Cannot send to channel");
    ann.says("MODE #a -b+CM m:bob").hears(":ann MODE #a -b+CM m:bob");
    bob.says("PRIVMSG #a :without an account").hears_at_last("404 #a :Cannot send to channel");
    ann.says("PRIVMSG #a :\u{1}ACTION waves\u{1}");
    bob.hears(":ann PRIVMSG #a :\u{1}ACTION waves\u{1}");
    ann.says("PRIVMSG #a :\u{1}VERSION\u{1}").hears("404 #a :Cannot send to channel");
}

#[test]
fn nobody_talks_into_a_channel_from_outside_unless_it_is_open() {
    let stage = Stage::new();
    let [mut ann, _bob] = stage.room("#a", ["ann", "bob"]);
    let mut eve = stage.enters("eve");
    eve.says("PRIVMSG #a :knock").hears("404 #a :Cannot send to channel");
    ann.says("MODE #a -n").hears(":ann MODE #a -n");
    eve.says("PRIVMSG #a :knock");
    ann.hears(":eve PRIVMSG #a :knock");
}

#[test]
fn a_user_changes_its_own_modes_and_nobody_elses() {
    let stage = Stage::new();
    let (mut ann, _bob) = (stage.enters("ann"), stage.enters("bob"));
    ann.says("MODE ann").hears("221 +");
    ann.says("MODE ann +iwB-x").hears_each(["501 :Unknown MODE flag", ":ann MODE ann +Biw"]);
    ann.says("MODE ann +or").hears_nothing();
    ann.says("MODE ANN -i+i-w").hears(":ann MODE ann -w");
    ann.says("MODE ann").hears("221 +Bi");
    ann.says("LUSERS");
    ann.hears("251 :There are 1 users and 1 invisible on 1 servers");
    ann.hears_at_last("266 *");
    ann.says("MODE bob +i").hears("502 :Cannot change mode for other users");
    ann.says("MODE nobody +i").hears("401 nobody :No such nick/channel");
}
