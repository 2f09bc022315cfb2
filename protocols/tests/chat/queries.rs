//! What the server tells of itself (modern.ircdocs.horse, "Server Queries and Commands").

use protocols::chat::{Admin, Settings};

use crate::stage::{Stage, settings};

#[test]
fn the_server_says_what_it_is() {
    let stage = Stage::new();
    let mut ann = stage.enters("ann");
    ann.says("VERSION");
    ann.hears("351 reactor-chat-* irc.test :*");
    ann.hears("005 *");
    ann.hears_all();
    ann.says("TIME").hears("391 irc.test :???, ?? ??? 20?? ??:??:?? UTC");
    ann.says("INFO");
    ann.hears("371 :A chat server on one thread");
    ann.hears_at_last("374 :End of /INFO list");
    ann.says("LINKS");
    ann.hears("364 irc.test irc.test :0 A chat server on one thread");
    ann.hears("365 * :End of /LINKS list");
    ann.says("ADMIN").hears("423 irc.test :No administrative info available");
    ann.says("USERS").hears("446 :USERS has been disabled");
    ann.says("SUMMON ann").hears("445 :SUMMON has been disabled");
    for command in ["VERSION", "TIME", "INFO", "ADMIN", "MOTD"] {
        ann.says(&format!("{command} elsewhere.test")).hears("402 elsewhere.test :No such server");
    }
    for target in ["irc.test", "IRC.*", "ann"] {
        ann.says(&format!("TIME {target}")).hears("391 irc.test :*");
    }
}

#[test]
fn the_administrator_is_told() {
    let admin = Some(Admin {
        location: "Bern".to_owned(),
        organisation: "A club".to_owned(),
        email: "root@irc.test".to_owned(),
    });
    let stage = Stage::with(Settings { admin, ..settings() });
    let mut ann = stage.enters("ann");
    ann.says("ADMIN");
    ann.hears("256 irc.test :Administrative info");
    ann.hears("257 :Bern");
    ann.hears("258 :A club");
    ann.hears("259 :root@irc.test");
}

#[test]
fn users_are_counted() {
    let stage = Stage::new();
    let mut ann = stage.enters("ann");
    let mut bob = stage.connects();
    bob.says("NICK bob").hears_nothing();
    ann.joins("#a");
    ann.says("LUSERS");
    ann.hears("251 :There are 1 users and 0 invisible on 1 servers");
    ann.hears("252 0 *");
    ann.hears("253 1 :unknown connection(s)");
    ann.hears("254 1 :channels formed");
    ann.hears("255 :I have 1 clients and 0 servers");
    ann.hears("265 1 1 *");
    ann.hears("266 1 1 *");
    bob.says("QUIT").hears_the_end();
    ann.says("LUSERS").hears_at_last("253 0 *");
}

#[test]
fn help_is_given() {
    let stage = Stage::new();
    let mut ann = stage.enters("ann");
    for help in ["HELP", "HELPOP"] {
        ann.says(help);
        ann.hears("704 * :*");
        ann.hears("705 * :ADMIN: *");
        ann.hears_at_last("706 * :End of /HELP");
        ann.says(&format!("{help} privmsg"));
        ann.hears("704 PRIVMSG :PRIVMSG target*");
        ann.hears("706 PRIVMSG :End of /HELP");
        ann.says(&format!("{help} NONSENSE"));
        ann.hears("524 NONSENSE :No help available on this topic");
    }
}
