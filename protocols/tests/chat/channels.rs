//! Channels: joining, parting, topics, names, invitations, kicks (modern.ircdocs.horse, "Channel
//! Operations"; RFC 1459, 4.2).

use protocols::chat::{Limits, Operator, Password, PermanentChannel, Settings};

use crate::stage::{Stage, settings};

#[test]
fn a_join_shows_the_channel_and_its_first_member_is_operator() {
    let stage = Stage::new();
    let [mut ann, mut bob] = stage.enter(["ann", "bob"]);
    ann.says("JOIN #Room");
    ann.hears(":ann JOIN #Room");
    ann.hears("353 = #Room :@ann");
    ann.hears("366 #Room :End of /NAMES list");
    bob.says("JOIN #rOOM");
    bob.hears(":bob JOIN #Room");
    bob.hears("353 = #Room :@ann bob");
    bob.hears("366 #Room :End of /NAMES list");
    ann.hears(":bob JOIN #Room");
    bob.says("JOIN #room").hears_nothing();
    ann.says("PART #room :bye");
    for actor in [&mut ann, &mut bob] {
        actor.hears(":ann PART #Room :bye");
    }
    bob.says("PART #room").hears(":bob PART #Room");
    stage.server(|server| assert_eq!(server.counters().users, 2));
}

#[test]
fn joins_and_parts_take_lists_and_zero_leaves_all() {
    let stage = Stage::new();
    let mut ann = stage.enters("ann");
    ann.says("JOIN #a,#b,,nonsense key");
    ann.hears_at_last("366 #a *");
    ann.hears_at_last("366 #b *");
    ann.hears("403 nonsense :No such channel");
    ann.says("PART #a,#c,#b");
    ann.hears(":ann PART #a");
    ann.hears("403 #c :No such channel");
    ann.hears(":ann PART #b");
    ann.joins("#d");
    ann.says("JOIN 0").hears(":ann PART #d :Left all channels");
    ann.says("PART #d").hears("403 #d :No such channel");
    let mut bob = stage.enters("bob");
    bob.joins("#d");
    ann.says("PART #d").hears("442 #d :You're not on that channel");
}

#[test]
fn who_is_not_on_a_channel_is_told_so() {
    let stage = Stage::new();
    let [mut ann, mut bob] = stage.enter(["ann", "bob"]);
    ann.joins("#a");
    for line in ["PART #a", "TOPIC #a :x", "INVITE ann #a", "KICK #a ann", "MODE #a +m"] {
        bob.says(line).hears("442 #a :You're not on that channel");
    }
}

#[test]
fn a_topic_is_set_by_operators_seen_by_all_and_told_to_newcomers() {
    let stage = Stage::new();
    let [mut ann, mut bob] = stage.room("#a", ["ann", "bob"]);
    bob.says("TOPIC #a").hears("331 #a :No topic is set");
    bob.says("TOPIC #a :mine").hears("482 #a :You're not channel operator");
    ann.says("TOPIC #a :ours");
    for actor in [&mut ann, &mut bob] {
        actor.hears(":ann TOPIC #a :ours");
    }
    let mut eve = stage.enters("eve");
    eve.says("JOIN #a");
    eve.hears(":eve JOIN #a");
    eve.hears("332 #a :ours");
    eve.hears("333 #a ann 1*");
    eve.hears("353 = #a :@ann bob eve");
    ann.says("MODE #a -t");
    bob.hears_at_last(":ann MODE #a -t");
    bob.says("TOPIC #a :").hears(":bob TOPIC #a :");
    bob.says("TOPIC #a").hears("331 #a :No topic is set");
    bob.says("TOPIC #nowhere").hears("403 #nowhere :No such channel");
    ann.says(&format!("TOPIC #a :{}", "x".repeat(450)));
    let line = ann.hears_at_last(":ann TOPIC #a :x*");
    assert_eq!(line.matches('x').count(), 390, "TOPICLEN");
}

#[test]
fn an_invitation_opens_a_closed_channel_once() {
    let stage = Stage::new();
    let [mut ann, mut eve] = stage.room("#a", ["ann", "eve"]);
    let mut bob = stage.enters("bob");
    ann.says("MODE #a +ib bob!*@*").hears(":ann MODE #a +ib bob!*@*");
    eve.hears(":ann MODE #a +ib bob!*@*");
    bob.says("JOIN #a").hears("473 #a :Cannot join channel (+i)");
    eve.says("INVITE bob #a").hears("482 #a :You're not channel operator");
    ann.says("INVITE nobody #a").hears("401 nobody :No such nick/channel");
    ann.says("INVITE bob #b").hears("403 #b :No such channel");
    ann.says("INVITE eve #a").hears("443 eve #a :is already on channel");
    ann.says("INVITE BOB #A").hears("341 bob #a");
    bob.hears(":ann INVITE bob #a");
    eve.hears_nothing();
    bob.says("INVITE").hears_each(["336 #a", "337 :End of /INVITE list"]);
    bob.joins("#a");
    ann.hears(":bob JOIN #a");
    ann.says("KICK #a bob");
    bob.hears(":ann KICK #a bob :ann");
    bob.says("JOIN #a").hears("473 #a :Cannot join channel (+i)");
}

#[test]
fn an_invitation_is_to_the_channel_that_was_and_not_to_one_of_its_name() {
    let stage = Stage::new();
    let [mut ann, mut bob, mut eve] = stage.enter(["ann", "bob", "eve"]);
    ann.joins("#a");
    ann.says("INVITE bob #a");
    bob.hears(":ann INVITE bob #a");
    ann.says("PART #a").hears_at_last(":ann PART #a");
    eve.joins("#a");
    eve.says("MODE #a +i").hears(":eve MODE #a +i");
    bob.says("JOIN #a").hears("473 #a :Cannot join channel (+i)");
}

#[test]
fn a_kick_removes_and_wants_a_rank() {
    let stage = Stage::new();
    let [mut ann, mut bob, mut eve] = stage.room("#a", ["ann", "bob", "eve"]);
    bob.says("KICK #a eve").hears("482 #a :You're not channel operator");
    ann.says("KICK #a nobody").hears("401 nobody :No such nick/channel");
    ann.says("KICK #nowhere bob").hears("403 #nowhere :No such channel");
    ann.says("KICK #a bob,eve :out, both");
    for actor in [&mut ann, &mut bob] {
        actor.hears(":ann KICK #a bob :out, both");
    }
    eve.hears_each([":ann KICK #a bob :out, both", ":ann KICK #a eve :out, both"]);
    ann.hears(":ann KICK #a eve :out, both");
    bob.hears_nothing();
    ann.says("KICK #a bob").hears("441 bob #a :They aren't on that channel");
}

#[test]
fn names_hide_what_is_secret_and_who_is_invisible() {
    let stage = Stage::new();
    let [mut ann, mut bob] = stage.enter(["ann", "bob"]);
    ann.joins("#a");
    bob.says("NAMES #a").hears_each(["353 = #a :@ann", "366 #a :End of /NAMES list"]);
    ann.says("MODE ann +i").hears(":ann MODE ann +i");
    bob.says("NAMES #a").hears("366 #a :End of /NAMES list");
    ann.says("MODE #a +s").hears(":ann MODE #a +s");
    ann.says("NAMES #a").hears_each(["353 @ #a :@ann", "366 #a :End of /NAMES list"]);
    bob.says("NAMES #nowhere").hears("366 #nowhere :End of /NAMES list");
    bob.says("TOPIC #a").hears("403 #a :No such channel");
    bob.joins("#b");
    bob.says("NAMES").hears_each(["353 = #b :@bob", "366 * :End of /NAMES list"]);
}

#[test]
fn lists_are_filtered() {
    let stage = Stage::new();
    let [mut ann, mut bob] = stage.enter(["ann", "bob"]);
    bob.says("LIST").hears_each(["321 Channel :Users  Name", "323 :End of /LIST"]);
    for channel in ["#one", "#two", "#hidden"] {
        ann.joins(channel);
    }
    bob.joins("#two");
    ann.hears(":bob JOIN #two");
    ann.says("MODE #hidden +s");
    ann.says("TOPIC #one :first").hears_at_last(":ann TOPIC #one :first");
    for (filter, expected) in [
        ("", &["#one 1 :first", "#two 2 :"][..]),
        (" #one", &["#one 1 :first"]),
        (" #one,#two", &["#one 1 :first", "#two 2 :"]),
        (" *wo", &["#two 2 :"]),
        (" !*wo", &["#one 1 :first"]),
        (" >1", &["#two 2 :"]),
        (" <2", &["#one 1 :first"]),
        (" >0,<2", &["#one 1 :first"]),
        (" C<10", &["#one 1 :first", "#two 2 :"]),
        (" C>10", &[]),
        (" T<10", &["#one 1 :first"]),
        (" T>10", &[]),
        (" #hidden", &[]),
    ] {
        bob.says(&format!("LIST{filter}")).hears("321 Channel :Users  Name");
        for line in expected {
            bob.hears(&format!("322 {line}"));
        }
        bob.hears("323 :End of /LIST");
    }
}

#[test]
fn a_user_is_on_no_more_channels_than_promised() {
    let limits = Limits { channels_per_user: 2, channels: 3, ..settings().limits };
    let stage = Stage::with(Settings { limits, ..settings() });
    let [mut ann, mut bob] = stage.enter(["ann", "bob"]);
    ann.joins("#a");
    ann.joins("#b");
    ann.says("JOIN #c").hears("405 #c :You have joined too many channels");
    bob.joins("#c");
    bob.says("JOIN #d").hears("405 #d :You have joined too many channels");
    bob.joins("#a");
}

#[test]
fn a_channel_of_the_settings_is_always_there_and_nobodys() {
    let lobby = PermanentChannel { name: "#lobby".to_owned(), topic: "Welcome".to_owned() };
    let root = Operator {
        name: "root".to_owned(),
        password: Password::Plain("secret".to_owned()),
        host: "*@*".to_owned(),
    };
    let stage =
        Stage::with(Settings { channels: vec![lobby], operators: vec![root], ..settings() });
    let mut ann = stage.enters("ann");
    ann.says("JOIN #lobby");
    ann.hears(":ann JOIN #lobby");
    ann.hears("332 #lobby :Welcome");
    ann.hears("333 #lobby irc.test *");
    ann.hears("353 = #lobby :ann");
    ann.hears("366 #lobby *");
    ann.says("PART #lobby").hears(":ann PART #lobby");
    ann.says("LIST").hears_at_last("322 #lobby 0 :Welcome");
    // The server's operators keep order there.
    let mut bob = stage.enters("bob");
    bob.joins("#lobby");
    ann.joins("#lobby");
    ann.says("KICK #lobby bob").hears("482 #lobby :*");
    ann.says("OPER root secret").hears_at_last(":ann MODE ann +o");
    ann.says("MODE #lobby +m").hears(":ann MODE #lobby +m");
    ann.says("KICK #lobby bob :enough");
    bob.hears_at_last(":ann KICK #lobby bob :enough");
}
