//! What a server says, and what is made of it.

use super::*;

/// Somebody called `me` on `#a` with `@ann` and `bob`.
fn world() -> World {
    let mut world = World::new("me", &ClientLimits::default());
    for line in [
        ":s 001 me :Welcome",
        ":s 005 me CHANTYPES=# PREFIX=(ov)@+ CASEMAPPING=ascii NETWORK=Test :are supported",
        ":me!u@h JOIN #a",
        ":s 353 me = #a :@ann!a@h +me bob",
        ":s 366 me #a :End of /NAMES list",
    ] {
        says(&mut world, line);
    }
    world
}

#[track_caller]
fn says(world: &mut World, line: &str) -> Option<Event> {
    world.handle(&Message::parse(line.as_bytes()).expect("a message"))
}

/// The members of `#a`, with their signs.
fn members(world: &World) -> Vec<String> {
    let room = world.roster.room(&world.support, "#A").expect("one is on it");
    room.members().map(|it| format!("{}{}", it.signs(), it.nick())).collect()
}

#[test]
fn who_is_on_a_channel_is_told_once_all_are_known() {
    let mut world = world();
    assert_eq!(members(&world), ["@ann", "bob", "+me"]);
    assert!(matches!(says(&mut world, ":s 353 me = #a :@x"), Some(Event::Reply { code: 353, .. })));
    assert_eq!(members(&world).len(), 3, "who asks again is only told");
    assert_eq!(world.support.network(), Some("Test"));
    assert_eq!(world.source_length, "me!u@h".len());
}

#[test]
fn people_come_go_are_thrown_out_and_change_their_nicks() {
    let mut world = world();
    let channels = vec!["#a".to_owned()];
    let joined = says(&mut world, "@account=c :carl!c@h JOIN #a carl :Carl");
    let (channel, who, account) = ("#a".into(), Source::of("carl!c@h"), Some("carl".into()));
    assert_eq!(joined, Some(Event::Joined { channel, who, account, own: false }));
    let renamed = says(&mut world, ":BOB!b@h NICK rob");
    let (from, to) = (Source::of("BOB!b@h"), "rob".into());
    assert_eq!(renamed, Some(Event::Renamed { from, to, channels: channels.clone(), own: false }));
    says(&mut world, ":ann!a@h MODE #a +v-o+o carl ann rob");
    assert_eq!(members(&world), ["ann", "+carl", "+me", "@rob"]);
    let quit = says(&mut world, ":ann!a@h QUIT :Ping timeout");
    let who = Source::of("ann!a@h");
    assert_eq!(quit, Some(Event::Quit { who, channels, reason: "Ping timeout".into() }));
    says(&mut world, ":rob!b@h KICK #a carl :out");
    assert_eq!(members(&world), ["+me", "@rob"]);
    let kicked = says(&mut world, ":rob!b@h KICK #a ME :out");
    assert!(matches!(kicked, Some(Event::Kicked { own: true, .. })));
    assert_eq!(world.roster.counts(), (0, 0));
}

#[test]
fn ones_own_nick_is_what_the_server_says() {
    let mut world = world();
    assert!(matches!(says(&mut world, ":me!u@h NICK you"), Some(Event::Renamed { own: true, .. })));
    assert_eq!(world.roster.nick, "you");
    assert!(matches!(says(&mut world, ":YOU!u@h PART #a"), Some(Event::Left { own: true, .. })));
    says(&mut world, ":s 001 other :Welcome");
    assert_eq!(world.roster.nick, "other");
}

#[test]
fn texts_are_told_by_kind_with_what_they_came_with() {
    let mut world = world();
    let said = says(&mut world, "@time=12:00;msgid=x;account=a :ann!a@h PRIVMSG @#a :hello");
    let Some(Event::Message { kind, target, text, meta, own, .. }) = said else {
        panic!("{said:?}");
    };
    assert_eq!((kind, target.as_str(), text.as_str(), own), (Kind::Message, "@#a", "hello", false));
    assert_eq!(
        (meta.time.as_deref(), meta.id.as_deref(), meta.account.as_deref()),
        (Some("12:00"), Some("x"), Some("a"))
    );
    for (line, expected) in [
        (":ann PRIVMSG me :\u{1}ACTION waves\u{1}", (Kind::Action, "waves")),
        (":ann PRIVMSG me :\u{1}ACTION waves", (Kind::Action, "waves")),
        (":ann PRIVMSG me :\u{1}VERSION\u{1}", (Kind::Request("VERSION".into()), "")),
        (":ann NOTICE me :\u{1}PING 5\u{1}", (Kind::Answer("PING".into()), "5")),
        (":ann NOTICE me :psst", (Kind::Notice, "psst")),
    ] {
        let said = says(&mut world, line);
        let Some(Event::Message { kind, text, .. }) = said else { panic!("{said:?}") };
        assert_eq!((kind, text.as_str()), expected, "{line}");
    }
    let own = says(&mut world, ":me!u@h PRIVMSG #a :hello");
    assert!(matches!(own, Some(Event::Message { own: true, .. })), "echo-message");
}

#[test]
fn what_was_said_before_is_told_apart_and_changes_nothing() {
    let mut world = world();
    says(&mut world, ":s BATCH +x chathistory #a");
    let said = says(&mut world, "@batch=x;time=1 :zoe!z@h PRIVMSG #a :long ago");
    assert!(matches!(&said, Some(Event::Message { meta, .. }) if meta.is_history), "{said:?}");
    assert_eq!(says(&mut world, "@batch=x :zoe!z@h JOIN #a"), None);
    assert_eq!(says(&mut world, "@batch=x :zoe!z@h KICK #a me :long ago"), None);
    assert_eq!(members(&world).len(), 3);
    let said = says(&mut world, ":bob!b@h PRIVMSG #a :just now");
    assert!(matches!(&said, Some(Event::Message { meta, .. }) if !meta.is_history), "{said:?}");
    says(&mut world, ":s BATCH -x");
    let said = says(&mut world, "@batch=x :bob!b@h PRIVMSG #a :a batch that is closed");
    assert!(matches!(&said, Some(Event::Message { meta, .. }) if !meta.is_history), "{said:?}");
}

#[test]
fn topics_are_known() {
    let mut world = world();
    says(&mut world, ":s 332 me #a :Tea");
    let topic =
        |world: &World| world.roster.room(&world.support, "#a").map(|it| it.topic().to_owned());
    assert_eq!(topic(&world).as_deref(), Some("Tea"));
    says(&mut world, ":ann!a@h TOPIC #a :");
    assert_eq!(topic(&world).as_deref(), Some(""));
}

#[test]
fn away_and_accounts_are_known() {
    let mut world = world();
    says(&mut world, ":bob!b@h AWAY :lunch");
    says(&mut world, ":bob!b@h ACCOUNT bob");
    let bob = |world: &World| {
        let room = world.roster.room(&world.support, "#a").expect("one is on it");
        room.members().find(|it| it.nick() == "bob").cloned().expect("he is there")
    };
    assert!(bob(&world).is_away() && bob(&world).account() == Some("bob"));
    says(&mut world, ":bob!b@h AWAY");
    says(&mut world, ":bob!b@h ACCOUNT *");
    assert!(!bob(&world).is_away() && bob(&world).account().is_none());
}

#[test]
fn the_beginning_is_over_once() {
    let mut world = world();
    assert_eq!(says(&mut world, ":s 422 me :MOTD File is missing"), Some(Event::Ready));
    let again = says(&mut world, ":s 376 me :End of /MOTD command.");
    assert!(matches!(again, Some(Event::Reply { code: 376, .. })), "that is an answer to MOTD");
}

#[test]
fn half_a_message_is_no_event_and_no_panic() {
    let mut world = world();
    let commands =
        "JOIN,PART,KICK #a,NICK,TOPIC,MODE,PRIVMSG #a,INVITE me,ACCOUNT,001,353,CAP,DANCE";
    for command in commands.split(',') {
        assert_eq!(says(&mut world, &format!(":ann!a@h {command}")), None, "{command}");
    }
    assert_eq!(members(&world).len(), 3);
}

proptest::proptest! {
    #[test]
    fn any_server_is_survived(lines in proptest::collection::vec("(:[am!@.]{0,5} )?(JOIN|PART|KICK|NICK|QUIT|MODE|353|366|005|PRIVMSG|332) [#:ame@+ov= ]{0,16}", 0..40)) {
        let mut world = world();
        for line in lines {
            if let Ok(message) = Message::parse(line.as_bytes()) {
                world.handle(&message);
                world.roster.counts();
            }
        }
    }
}
