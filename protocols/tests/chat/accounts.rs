//! Accounts (IRCv3 sasl-3.1, account-registration, account-notify, account-tag, extended-join), and the
//! services that people know from elsewhere.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use protocols::chat::accounts::{AccountLimits, Accounts};
use protocols::chat::{Limits, Operator, Password, Server, Settings};
use protocols::password::PasswordHash;

use crate::stage::{Actor, Stage, settings};

/// Accounts with one for each of these names, whose password is `sesame`.
fn accounts(names: &[&str]) -> Accounts {
    let mut accounts = Accounts::in_memory(AccountLimits::default());
    for name in names {
        let hash = PasswordHash::of("sesame").expect("a hash");
        accounts.create(name, hash, std::time::SystemTime::now()).expect("a new name");
    }
    accounts
}

fn stage(names: &[&str]) -> Stage {
    Stage::with_accounts(settings(), accounts(names))
}

/// Base64 of `\0jilles\0sesame`, as the SASL specification's examples have it.
const JILLES: &str = "AGppbGxlcwBzZXNhbWU=";

/// Somebody who is logged in to `jilles` under another nickname.
fn enters_logged_in(stage: &Stage, nick: &str, caps: &str) -> Actor {
    let mut actor = stage.connects();
    actor.says(&format!("CAP REQ :sasl {caps}")).hears("CAP * ACK :sasl*");
    actor.says("AUTHENTICATE PLAIN").hears("AUTHENTICATE +");
    actor.says(&format!("AUTHENTICATE {JILLES}"));
    actor.hears_at_last("903 :SASL authentication successful");
    actor.registers(nick);
    actor.says("CAP END").hears_at_last("422 *");
    actor
}

#[test]
fn sasl_logs_in_before_registration_is_complete() {
    let stage = stage(&["jilles"]);
    let mut ann = stage.connects();
    ann.says("CAP REQ :sasl").hears("CAP * ACK :sasl");
    ann.says("AUTHENTICATE PLAIN").hears("AUTHENTICATE +");
    // What follows waits until the password has been looked at.
    ann.says(&format!("AUTHENTICATE {JILLES}\r\nPING x"));
    ann.hears("900 * jilles :You are now logged in as jilles");
    ann.hears("903 :SASL authentication successful");
    ann.hears("PONG irc.test :x");
    ann.registers("ann");
    ann.says("CAP END").hears_at_last("422 *");
    let mut bob = stage.enters("bob");
    bob.says("WHOIS ann");
    bob.hears_at_last("330 ann jilles :is logged in as");
    bob.hears_at_last("318 *");
    bob.says("WHO ann %na").hears("354 ann jilles");
}

#[test]
fn a_client_of_today_may_log_in_again() {
    let stage = stage(&["jilles", "foo"]);
    let mut ann = stage.connects();
    ann.says("CAP LS 302");
    ann.registers("ann");
    ann.says("CAP END").hears_at_last("422 *");
    for (answer, account) in [("AGZvbwBzZXNhbWU=", "foo"), (JILLES, "jilles")] {
        ann.says("AUTHENTICATE PLAIN").hears("AUTHENTICATE +");
        ann.says(&format!("AUTHENTICATE {answer}"));
        ann.hears(&format!("900 ann!~ann@127.0.0.1 {account} :*"));
        ann.hears("903 *");
    }
}

#[test]
fn sasl_fails_with_the_right_numeric() {
    let stage = stage(&["jilles"]);
    let mut ann = stage.connects();
    ann.says("AUTHENTICATE PLAIN").hears("904 :SASL authentication failed");
    ann.says("CAP REQ :sasl").hears("CAP * ACK :sasl");
    ann.says("AUTHENTICATE FOO");
    ann.hears("908 PLAIN :are available SASL mechanisms");
    ann.hears("904 :SASL authentication failed");
    let mut begin = |answer: &str, expected: &str| {
        ann.says("AUTHENTICATE PLAIN").hears("AUTHENTICATE +");
        ann.says(&format!("AUTHENTICATE {answer}")).hears(expected);
    };
    begin("*", "906 :SASL authentication aborted");
    begin(&"A".repeat(401), "905 :SASL message too long");
    begin("nonsense!", "904 :SASL authentication failed");
    begin("AGppbGxlcwBtaWxsZXQ=", "904 :SASL authentication failed");
    begin("AG5vYm9keQBzZXNhbWU=", "904 :SASL authentication failed");
    ann.says("AUTHENTICATE PLAIN").hears("AUTHENTICATE +");
    for _ in 0..4 {
        ann.says(&format!("AUTHENTICATE {}", "A".repeat(400)));
    }
    ann.says("AUTHENTICATE AAAA").hears("905 :SASL message too long");
}

#[test]
fn long_passwords_come_in_pieces_of_four_hundred_bytes() {
    use base64::Engine;
    let password = "bar".repeat(97);
    let mut accounts = accounts(&[]);
    let hash = PasswordHash::of(&password).expect("a hash");
    accounts.create("foo", hash, std::time::SystemTime::now()).expect("a new name");
    let stage = Stage::with_accounts(settings(), accounts);
    let mut ann = stage.connects();
    ann.says("CAP REQ :sasl").hears("CAP * ACK :sasl");
    ann.says("AUTHENTICATE PLAIN").hears("AUTHENTICATE +");
    let text = base64::engine::general_purpose::STANDARD.encode(format!("foo\0foo\0{password}"));
    assert_eq!(text.len(), 400, "a full line, so an empty one has to follow");
    ann.says(&format!("AUTHENTICATE {text}"));
    ann.says("AUTHENTICATE +").hears_each(["900 * foo :You are now logged in as foo", "903 *"]);
}

#[test]
fn accounts_are_shown_in_tags_joins_and_notices() {
    let stage = stage(&["jilles"]);
    let mut ann = stage.enters_with("ann", "account-tag account-notify extended-join");
    ann.joins("#a");
    let mut bob = enters_logged_in(&stage, "bob", "");
    bob.joins("#a");
    ann.hears("@account=jilles :bob JOIN #a jilles :bob the tester");
    bob.says("PRIVMSG #a :hi");
    ann.hears("@account=jilles :bob PRIVMSG #a :hi");
    bob.says("NS LOGOUT").hears("901 bob!~bob@127.0.0.1 :You are now logged out");
    ann.hears(":bob ACCOUNT *");
    bob.says("NS IDENTIFY jilles wrong");
    bob.hears(":NickServ!NickServ@irc.test NOTICE bob :That is not the password.");
    bob.says("PRIVMSG NickServ :IDENTIFY jilles sesame");
    bob.hears("900 bob!~bob@127.0.0.1 jilles :You are now logged in as jilles");
    bob.hears(":NickServ!NickServ@irc.test NOTICE bob :You are logged in as jilles.");
    ann.hears("@account=jilles :bob ACCOUNT jilles");
}

#[test]
fn an_account_is_registered_in_band_before_or_after_registration() {
    let stage = stage(&[]);
    let mut ann = stage.connects();
    ann.says("CAP REQ :draft/account-registration").hears("CAP * ACK :draft/account-registration");
    ann.says("NICK ann");
    ann.says("REGISTER * * sesame").hears("REGISTER SUCCESS ann :The account is yours");
    ann.is_called("ann");
    ann.hears("900 ann!*@127.0.0.1 ann :You are now logged in as ann");
    ann.registers("ann");
    ann.says("CAP END").hears_at_last("422 *");
    ann.says("REGISTER other * sesame").hears("FAIL REGISTER ALREADY_AUTHENTICATED other :*");
    let mut bob = stage.enters("bob");
    for (line, code) in [
        ("REGISTER ann * sesame", "ACCOUNT_EXISTS ann"),
        ("REGISTER 1st * sesame", "BAD_ACCOUNT_NAME 1st"),
        ("REGISTER bob * ab", "WEAK_PASSWORD bob"),
        (&format!("REGISTER bob * {}", "x".repeat(301)), "UNACCEPTABLE_PASSWORD bob"),
    ] {
        bob.says(line).hears(&format!("FAIL REGISTER {code} :*"));
    }
    let mut eve = stage.connects();
    eve.says("NICK bob").hears("433 bob *");
    eve.says("REGISTER * * sesame").hears("FAIL REGISTER USERNAME_EXISTS bob :*");
    eve.says("VERIFY bob 123").hears("FAIL VERIFY INVALID_CODE bob :*");
    bob.says("NS REGISTER sesame");
    bob.hears(":NickServ!NickServ@irc.test NOTICE bob :Account created");
    bob.hears("900 bob!~bob@127.0.0.1 bob :*");
    bob.says("NS SET PASSWORD another");
    bob.hears(":NickServ!NickServ@irc.test NOTICE bob :The password is changed.");
    bob.says("NS LOGOUT").hears("901 *");
    bob.says("NS IDENTIFY sesame");
    bob.hears(":NickServ!NickServ@irc.test NOTICE bob :That is not the password.");
    bob.says("NS IDENTIFY another").hears("900 *");
    assert!(stage.log().contains("registered the account bob"), "{}", stage.log());
}

#[test]
fn nobody_registers_where_that_is_not_allowed() {
    let stage = Stage::with(Settings { registration: false, ..settings() });
    let mut ann = stage.connects();
    ann.says("CAP LS 302");
    assert!(!ann.hears_all().join(" ").contains("account-registration"));
    ann.registers("ann");
    ann.says("CAP END").hears_at_last("422 *");
    ann.says("REGISTER * * sesame").hears("FAIL REGISTER DISALLOWED ann :*");
}

#[test]
fn a_nickname_that_is_somebody_elses_is_kept_for_a_while_only() {
    let grace = Duration::from_millis(50);
    let limits = Limits { nick_grace: grace, ..settings().limits };
    let stage = Stage::with_accounts(Settings { limits, ..settings() }, accounts(&["jilles"]));
    let mut thief = stage.enters("jilles");
    thief
        .hears(":NickServ!NickServ@irc.test NOTICE jilles :jilles belongs to the account jilles.*");
    thief.hears(":jilles NICK :Guest*");
}

#[test]
fn a_nickname_belongs_to_its_account() {
    let stage = stage(&["jilles"]);
    let mut owner = stage.enters("jilles");
    owner.hears(":NickServ!NickServ@irc.test NOTICE *");
    owner.says("NS IDENTIFY sesame");
    owner.hears("900 *");
    owner.hears(":NickServ!NickServ@irc.test NOTICE jilles :You are logged in as jilles.");
    let mut again = enters_logged_in(&stage, "other", "");
    again.says("NS GHOST jilles");
    let end = owner.hears_the_end();
    assert_eq!(end, ["ERROR :Closing Link: 127.0.0.1 (GHOST command used by other)"]);
    again.hears(":NickServ!NickServ@irc.test NOTICE other :jilles is gone.");
    again.says("NS GROUP");
    again.hears(":NickServ!NickServ@irc.test NOTICE other :other belongs to jilles now.");
    again.says("NS INFO");
    again.hears(":NickServ!NickServ@irc.test NOTICE other :jilles was made on *");
    again.hears(":NickServ!NickServ@irc.test NOTICE other :jilles owns other.");
}

#[test]
fn without_grace_a_nickname_is_refused_at_once() {
    let limits = Limits { nick_grace: Duration::ZERO, ..settings().limits };
    let stage = Stage::with_accounts(Settings { limits, ..settings() }, accounts(&["jilles"]));
    let mut thief = stage.enters("thief");
    thief.says("NICK JILLES").hears("433 JILLES :Nickname is already in use");
    let mut owner = enters_logged_in(&stage, "jilles", "");
    owner.hears_nothing();
}

#[test]
fn a_channel_is_its_founders_and_survives_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("accounts");
    // A thread of the server before may be writing still, and holds the file until it has.
    let open = || {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match Accounts::open(&file, AccountLimits::default()) {
                Ok((accounts, _)) => return accounts,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            std::thread::yield_now();
        }
    };
    {
        let stage = Stage::with_accounts(settings(), open());
        let mut ann = stage.enters("ann");
        ann.joins("#home");
        ann.says("CS REGISTER #home");
        ann.hears(
            ":ChanServ!ChanServ@irc.test NOTICE ann :You have to be logged in to an account.",
        );
        ann.says("NS REGISTER sesame").hears_at_last("900 *");
        ann.says("CS REGISTER #home");
        ann.hears("MODE #home +qo ann ann");
        ann.hears(":ChanServ!ChanServ@irc.test NOTICE ann :#home is yours.");
        ann.says("MODE #home +sb-n eve").hears(":ann MODE #home +sb-n eve!*@*");
        ann.says("TOPIC #home :sweet").hears(":ann TOPIC #home :sweet");
        ann.hears_nothing();
        stage.server(|server| server.accounts().save()).expect("it is saved");
    }
    let stage = Stage::with_accounts(settings(), open());
    let mut bob = stage.enters("bob");
    bob.says("JOIN #home");
    bob.hears(":bob JOIN #home");
    bob.hears("332 #home :sweet");
    bob.hears("333 #home ann *");
    bob.hears("353 @ #home :bob");
    bob.hears("366 *");
    bob.says("MODE #home").hears_each(["324 #home +rst", "329 *"]);
    bob.says("MODE #home b").hears_each(["367 #home eve!*@* irc.test *", "368 *"]);
    bob.says("CS DROP #home");
    bob.hears(":ChanServ!ChanServ@irc.test NOTICE bob :That channel is not yours.");
    let mut ann = stage.enters("ann");
    ann.hears(":NickServ!NickServ@irc.test NOTICE ann :ann belongs to the account ann.*");
    ann.says("NS IDENTIFY sesame");
    ann.hears_at_last(":NickServ!NickServ@irc.test NOTICE ann :You are logged in as ann.");
    ann.says("JOIN #home").hears_each([":ann JOIN #home", "MODE #home +qo ann ann"]);
    bob.hears_each([":ann JOIN #home", "MODE #home +qo ann ann"]);
    ann.hears_each(["332 *", "333 *", "353 @ #home :bob ~ann", "366 *"]);
    ann.says("CS INFO #home");
    ann.hears(":ChanServ!ChanServ@irc.test NOTICE ann :#home belongs to ann since *");
    ann.says("CS DROP #home");
    ann.hears(":ChanServ!ChanServ@irc.test NOTICE ann :#home is nobody's now.");
}

#[test]
fn a_server_that_is_too_busy_says_so() {
    let hash = PasswordHash::of("secret").expect("a hash");
    let root = Operator {
        name: "root".to_owned(),
        password: Password::Hashed(hash.clone()),
        host: "*@*".to_owned(),
    };
    let busy = Settings { operators: vec![root], ..settings() };
    let stage = Stage::busy(busy.clone(), accounts(&["jilles"]));
    let mut ann = stage.enters_with("ann", "sasl");
    ann.says("OPER root secret").hears("263 OPER :Please wait a while and try again.");
    ann.says("REGISTER * * sesame").hears("FAIL REGISTER TEMPORARILY_UNAVAILABLE ann :*");
    ann.says("NS IDENTIFY jilles sesame");
    ann.hears(":NickServ!NickServ@irc.test NOTICE ann :The server is too busy. Try again later.");
    ann.says("AUTHENTICATE PLAIN").hears("AUTHENTICATE +");
    ann.says(&format!("AUTHENTICATE {JILLES}"));
    ann.hears("904 :The server is too busy to look at your password. Try again later");
    ann.says("CAP REQ standard-replies").hears("CAP ann ACK *");
    ann.says("AUTHENTICATE PLAIN").hears("AUTHENTICATE +");
    ann.says(&format!("AUTHENTICATE {JILLES}"));
    ann.hears("FAIL AUTHENTICATE TEMPORARILY_UNAVAILABLE :*Try again later");
    ann.hears("904 :The server is too busy *");
    let stage =
        Stage::busy(Settings { password: Some(Password::Hashed(hash)), ..busy }, accounts(&[]));
    let mut bob = stage.connects();
    bob.registers("bob");
    bob.hears("ERROR :Closing Link: 127.0.0.1 (The server is too busy)");
}

/// Base64 of `\0jilles\0millet`, which is wrong.
const WRONG: &str = "AGppbGxlcwBtaWxsZXQ=";

#[test]
fn of_many_logins_at_once_those_beyond_the_queue_are_told_to_try_again_and_not_that_they_are_wrong()
{
    let limits = Limits { passwords_waiting: 2, password_attempts: 1, ..settings().limits };
    let stage = Stage::with_accounts(Settings { limits, ..settings() }, accounts(&["jilles"]));
    let mut actors: Vec<_> =
        (0..6).map(|at| stage.enters_with(&format!("user{at}"), "sasl")).collect();
    for actor in &mut actors {
        actor.says("AUTHENTICATE PLAIN").hears("AUTHENTICATE +");
    }
    for actor in &mut actors {
        actor.says(&format!("AUTHENTICATE {WRONG}"));
    }
    let answer = |actor: &mut Actor| actor.hears("904 :*").contains("Try again later");
    let put_off: Vec<_> = actors.iter_mut().map(answer).collect();
    // Two at a time, and two wait; whose words come first is the system's to say, and on a busy machine
    // one may have been looked at before the last has come.
    let beyond = put_off.iter().filter(|was_put_off| **was_put_off).count();
    assert!((1..=2).contains(&beyond), "{put_off:?}");
    assert!(stage.log().contains("@127.0.0.1 has to try again"), "{}", stage.log());
    for (actor, was_put_off) in actors.iter_mut().zip(put_off) {
        if was_put_off {
            // It has not guessed yet.
            actor.says("AUTHENTICATE PLAIN").hears("AUTHENTICATE +");
            actor.says(&format!("AUTHENTICATE {JILLES}")).hears_at_last("903 *");
        } else {
            let end = actor.hears_the_end();
            assert_eq!(end, ["ERROR :Closing Link: 127.0.0.1 (Too many wrong passwords)"]);
        }
    }
}

#[test]
fn who_is_gone_while_its_password_waits_is_waited_for_by_nobody() {
    let root = Operator {
        name: "root".to_owned(),
        password: Password::Plain("secret".to_owned()),
        host: "*@*".to_owned(),
    };
    let settings = Settings { operators: vec![root], ..settings() };
    let stage = Stage::with_accounts(settings, accounts(&["jilles"]));
    let mut ann = stage.enters("ann");
    ann.says("OPER root secret").hears_at_last(":ann MODE ann +o");
    let mut actors: Vec<_> =
        (0..9).map(|at| stage.enters_with(&format!("user{at}"), "sasl")).collect();
    for actor in &mut actors {
        actor.says("AUTHENTICATE PLAIN").hears("AUTHENTICATE +");
    }
    for actor in &mut actors {
        actor.says(&format!("AUTHENTICATE {WRONG}"));
    }
    for at in 0..9 {
        ann.says(&format!("KILL user{at}"));
    }
    ann.says("NS IDENTIFY jilles sesame").hears_at_last("900 *");
    let computed = stage.server(|server| server.hashes_computed());
    assert!(computed <= 3, "nobody is there to be told, of {computed}");
}

#[test]
fn a_wrong_name_is_told_as_late_as_a_wrong_password() {
    // How many hashes are computed is how late it is.
    let root = Operator {
        name: "root".to_owned(),
        password: Password::Hashed(PasswordHash::of("secret").expect("a hash")),
        host: "*@127.0.0.1".to_owned(),
    };
    let elsewhere =
        Operator { name: "else".to_owned(), host: "*@192.0.2.1".to_owned(), ..root.clone() };
    let limits = Limits { password_attempts: 100, ..settings().limits };
    let settings = Settings { operators: vec![root, elsewhere], limits, ..settings() };
    for accounts in [accounts(&["jilles", "zoe"]), accounts(&[])] {
        let stage = Stage::with_accounts(settings.clone(), accounts);
        let mut ann = stage.enters_with("ann", "sasl");
        let mut before = 0;
        let mut costs_one = |ann: &mut Actor, line: &str, answer: &str| {
            ann.says(line).hears(answer);
            let computed = stage.server(|server| server.hashes_computed());
            assert_eq!(computed, before + 1, "{line}");
            before = computed;
        };
        let (wrong, unknown) = (WRONG, "AG5vYm9keQBzZXNhbWU=");
        for answer in [wrong, unknown] {
            ann.says("AUTHENTICATE PLAIN").hears("AUTHENTICATE +");
            let line = format!("AUTHENTICATE {answer}");
            costs_one(&mut ann, &line, "904 :SASL authentication failed");
        }
        for name in ["jilles", "nobody", "aaa", "zzz"] {
            costs_one(&mut ann, &format!("NS IDENTIFY {name} wrong"), ":NickServ!*");
        }
        costs_one(&mut ann, "OPER root wrong", "464 *");
        for name in ["nobody", "else", "aaa", "zzz"] {
            // The right password of somebody else makes nobody an operator.
            costs_one(&mut ann, &format!("OPER {name} secret"), "491 *");
        }
    }
}

#[test]
fn the_password_of_another_account_is_not_that_of_an_unknown_one() {
    let stage = stage(&["jilles"]);
    let mut ann = stage.enters_with("ann", "sasl");
    for name in ["nobody", "aaa", "zzz"] {
        ann.says(&format!("NS IDENTIFY {name} sesame"));
        ann.hears(":NickServ!NickServ@irc.test NOTICE ann :There is no such account.");
    }
    ann.says("AUTHENTICATE PLAIN").hears("AUTHENTICATE +");
    ann.says("AUTHENTICATE AG5vYm9keQBzZXNhbWU=").hears("904 :SASL authentication failed");
}

#[test]
fn lists_know_accounts() {
    let stage = stage(&["jilles"]);
    let mut ann = stage.enters("ann");
    ann.joins("#a");
    ann.says("MODE #a +b a:jilles").hears(":ann MODE #a +b a:jilles");
    let mut bob = enters_logged_in(&stage, "bob", "");
    bob.says("JOIN #a").hears("474 #a :Cannot join channel (+b)");
    let mut jilles = stage.enters("jilles");
    jilles.joins("#a");
    ann.says("MODE #a +be *!*@* a:JILLES").hears_at_last(":ann MODE #a +be *!*@* a:JILLES");
    bob.joins("#a");
    ann.says("MODE #a -beb+b a:jilles a:jilles *!*@* m:bob");
    bob.hears_at_last(":ann MODE #a -beb+b a:jilles a:JILLES *!*@* m:bob");
    bob.says("PRIVMSG #a :muted").hears("404 #a :Cannot send to channel");
    ann.says("MODE #a +e m:*!~bob@*");
    bob.hears(":ann MODE #a +e m:*!~bob@*");
    bob.says("PRIVMSG #a :heard");
    ann.hears_at_last(":bob PRIVMSG #a :heard");
}

#[test]
fn who_is_here_follows_accounts_that_are_taken_back_from_a_successor_that_has_failed() {
    let directory = tempfile::tempdir().expect("a directory");
    let open =
        || Accounts::open_in(directory.path(), AccountLimits::default()).expect("it opens").0;
    let mut accounts = open();
    for name in ["jilles", "kim"] {
        let hash = PasswordHash::of("sesame").expect("a hash");
        accounts.create(name, hash, std::time::SystemTime::now()).expect("a new name");
    }
    accounts.save().expect("it is written");
    let stage = Stage::with_accounts(settings(), accounts);
    let mut ann = enters_logged_in(&stage, "ann", "");
    let mut bob = stage.enters("bob");

    let told = Rc::new(Cell::new(false));
    let done = Rc::clone(&told);
    stage.acts(|server, registry| {
        server.accounts().hand_on(registry, move |_, _: &mut Server, saved| {
            saved.expect("it is written");
            done.set(true);
        });
    });
    while !told.get() {
        stage.turn();
    }
    // Somebody is faster than the one who takes it back.
    let mut between = open();
    between.drop_account("jilles").expect("it is there");
    between.ban("bob!*@*", "no", std::time::SystemTime::now()).expect("there is room");
    between.save().expect("it is written");
    drop(between);

    stage.acts(Server::take_back_accounts).expect("nobody has it");
    ann.hears_at_last("901 *");
    bob.hears_at_last("ERROR *");
}
