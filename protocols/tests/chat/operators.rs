//! Operators (modern.ircdocs.horse, "Operator Messages"; RFC 1459, 4.1.5, 4.6.1, 5.2, 5.6).

use std::sync::Arc;

use protocols::chat::{Operator, Password, Settings};

use crate::stage::{Stage, settings};

fn operator(host: &str, password: Password) -> Operator {
    Operator { name: "root".to_owned(), password, host: host.to_owned() }
}

/// A server on which `OPER root secret` is right.
pub(crate) fn with_operator() -> Stage {
    let root = operator("*@*", Password::Plain("secret".to_owned()));
    Stage::with(Settings { operators: vec![root], ..settings() })
}

#[test]
fn an_operator_proves_who_it_is() {
    let hash = protocols::password::PasswordHash::of("secret").expect("a hash");
    for password in [Password::Plain("secret".to_owned()), Password::Hashed(hash)] {
        let operators = vec![operator("*@127.0.0.1", password)];
        let stage = Stage::with(Settings { operators, ..settings() });
        let mut ann = stage.enters("ann");
        ann.says("OPER root").hears("461 OPER :Not enough parameters");
        ann.says("OPER root wrong").hears("464 :Password incorrect");
        ann.says("OPER nobody secret").hears("491 :No O-lines for your host");
        // What follows waits until the password has been looked at.
        ann.says("OPER root secret\r\nMODE ann");
        ann.hears("381 :You are now an IRC operator");
        ann.hears(":ann MODE ann +o");
        ann.hears("221 +o");
        assert!(stage.log().contains("is operator, as root"));
        ann.says("MODE ann -o").hears(":ann MODE ann -o");
        ann.says("KILL ann").hears("481 :Permission Denied- You're not an IRC operator");
    }
}

#[test]
fn an_operator_comes_from_where_it_should() {
    let elsewhere = operator("*@192.0.2.1", Password::Plain("secret".to_owned()));
    let stage = Stage::with(Settings { operators: vec![elsewhere], ..settings() });
    let mut ann = stage.enters("ann");
    ann.says("OPER root secret").hears("491 :No O-lines for your host");
}

#[test]
fn who_guesses_is_sent_away() {
    let stage = with_operator();
    let mut ann = stage.enters("ann");
    for _ in 0..5 {
        ann.says("OPER root guess").hears("464 :Password incorrect");
    }
    let end = ann.hears_the_end();
    assert_eq!(end, ["ERROR :Closing Link: 127.0.0.1 (Too many wrong passwords)"]);
}

#[test]
fn a_kill_is_the_end() {
    let stage = with_operator();
    let [mut bob, mut eve] = stage.room("#a", ["bob", "eve"]);
    let mut ann = stage.enters("ann");
    bob.says("KILL ann :no").hears("481 :Permission Denied- You're not an IRC operator");
    ann.says("OPER root secret").hears_each(["381 *", ":ann MODE ann +o"]);
    ann.says("KILL IRC.test").hears("483 :You can't kill a server!");
    ann.says("KILL nobody").hears("401 nobody :No such nick/channel");
    ann.says("KILL bob :spam");
    let end = bob.hears_the_end();
    assert_eq!(end[0], ":ann!~ann@127.0.0.1 KILL bob :spam");
    assert_eq!(end[1], "ERROR :Closing Link: 127.0.0.1 (Killed (ann (spam)))");
    eve.hears(":bob QUIT :Killed (ann (spam))");
    let end = ann.says("KILL ann").hears_the_end();
    assert_eq!(end[1], "ERROR :Closing Link: 127.0.0.1 (Killed (ann (No reason given)))");
}

#[test]
fn wallops_go_to_those_who_listen() {
    let stage = with_operator();
    let [mut ann, mut bob, mut eve] = stage.enter(["ann", "bob", "eve"]);
    bob.says("MODE bob +w").hears(":bob MODE bob +w");
    bob.says("WALLOPS :me too").hears("481 *");
    ann.says("OPER root secret").hears_at_last(":ann MODE ann +o");
    ann.says("WALLOPS :attention");
    bob.hears(":ann WALLOPS :attention");
    eve.hears_nothing();
    ann.hears_nothing();
}

#[test]
fn settings_are_read_anew_without_dropping_anybody() {
    let stage = with_operator();
    let [mut ann, mut bob] = stage.enter(["ann", "bob"]);
    ann.says("OPER root secret").hears_at_last(":ann MODE ann +o");
    ann.says("REHASH").hears("382 settings :Rehashing");
    let (good, bad) = (
        Arc::new(|| {
            let motd = Some(vec!["new".to_owned()]);
            Ok(Settings { motd, name: "other.test".to_owned(), ..settings() })
        }),
        Arc::new(|| Err("line 3: what is that?\nline 5: nor that".to_owned())),
    );
    stage.server(|server| server.set_loader(bad));
    ann.says("REHASH");
    ann.hears("382 settings :Rehashing");
    ann.hears("FAIL REHASH CONFIG_BAD :line 3: what is that?");
    ann.hears("FAIL REHASH CONFIG_BAD :line 5: nor that");
    stage.server(|server| server.set_loader(good));
    ann.says("REHASH");
    ann.hears("382 settings :Rehashing");
    ann.hears("NOTE REHASH REHASHED :The settings were read anew");
    bob.says("MOTD").hears_each(["375 *", "372 :- new"]);
    assert_eq!(stage.server(|server| server.settings().operators.len()), 0);
}

#[test]
fn statistics_are_told_on_demand() {
    let stage = with_operator();
    let mut ann = stage.enters("ann");
    ann.says("STATS u");
    ann.hears("242 :Server Up 0 days 0:00:0?");
    ann.hears("219 u :End of /STATS report");
    ann.says("STATS m").hears_each(["212 NICK 1", "212 STATS 2", "212 USER 1", "219 m *"]);
    ann.says("STATS z").hears_each(["481 *", "219 z :End of /STATS report"]);
    ann.says("OPER root secret").hears_at_last(":ann MODE ann +o");
    ann.says("STATS z");
    ann.hears("249 :1 users (1 at most), 1 connections (1 open), *");
    ann.hears_at_last("219 z :End of /STATS report");
    ann.says("STATS o").hears_each(["243 O *@* * root", "219 o *"]);
    ann.says("STATS").hears("219 * :End of /STATS report");
}
