//! Accounts, registered channels and bans that two servers share, in the key-value store of a `nats-server`, where that
//! is installed.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use protocols::chat::accounts::{AccountLimits, Accounts, NotSaved};
use protocols::chat::{Server, Settings, share_accounts};
use protocols::nats::{Client, ClientOptions};
use protocols::password::PasswordHash;
use reactor::Backoff;

use crate::nats_server::{Store, server};
use crate::stage::{Actor, Stage, settings};

/// How long a condition may take on the slowest machine before a test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// The hash of `password`, made once elsewhere: nobody here wants to wait for it.
fn hash() -> PasswordHash {
    "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
        .parse()
        .expect("a hash")
}

/// A server that shares its accounts over what listens at this port; it may not have heard of them yet.
fn begins(port: u16) -> Stage {
    begins_with_client(port).0
}

/// The same, and its client of NATS.
fn begins_with_client(port: u16) -> (Stage, Client<Server>) {
    let settings = Settings { registration: true, ..settings() };
    let stage = Stage::with_accounts(settings, Accounts::of_network(AccountLimits::default()));
    let address = format!("nats://127.0.0.1:{port}").parse().expect("an address");
    let mut options = ClientOptions::new([address]);
    options.retry_on_failed_connect = true;
    options.reconnect = Some(Backoff::new(Duration::from_millis(20), Duration::from_millis(100)));
    let client = stage.acts(|server, registry| {
        let client = Client::<Server>::connect(registry, options, |_, _, _| {});
        share_accounts(registry, server, &client, "chat-test-accounts").expect("a bucket's name");
        client
    });
    (stage, client)
}

/// One that knows them.
#[track_caller]
fn node(port: u16) -> Stage {
    let stage = begins(port);
    until(&[&stage], || stage.server(|server| server.accounts().is_known()));
    stage
}

/// Turns the loops until something is so.
#[track_caller]
fn until(stages: &[&Stage], mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        let logs: Vec<_> = stages.iter().map(|stage| stage.log()).collect();
        assert!(Instant::now() < deadline, "waited in vain: {logs:?}");
        stages.iter().for_each(|stage| stage.turn());
    }
}

fn has_account(stage: &Stage, name: &str) -> bool {
    stage.server(|server| server.accounts().account(name).is_some())
}

fn can_change(stage: &Stage) -> bool {
    stage.server(|server| server.accounts().can_change().is_ok())
}

/// What came of a change, once that is known.
type Outcome = Rc<RefCell<Option<Result<(), NotSaved>>>>;

/// Whoever runs the machine changes something.
fn changes(stage: &Stage, change: impl FnOnce(&mut Accounts)) -> Outcome {
    let outcome = Outcome::default();
    let told = Rc::clone(&outcome);
    stage.acts(|server, registry| {
        change(server.accounts());
        server.accounts().commit(registry, move |_, _: &mut Server, result| {
            *told.borrow_mut() = Some(result);
        });
    });
    assert!(outcome.borrow().is_none(), "nothing is told before the call returns");
    outcome
}

#[track_caller]
fn create(stage: &Stage, name: &str) -> Outcome {
    changes(stage, |accounts| {
        accounts.create(name, hash(), SystemTime::now()).expect("it is free here");
    })
}

#[track_caller]
fn outcome(stages: &[&Stage], outcome: &Outcome) -> Result<(), NotSaved> {
    until(stages, || outcome.borrow().is_some());
    outcome.take().expect("it is told")
}

/// An account that both know.
#[track_caller]
fn account(one: &Stage, other: &Stage, name: &str) {
    outcome(&[one, other], &create(one, name)).expect("it is free");
    until(&[one, other], || has_account(other, name));
}

#[track_caller]
fn identifies(actor: &mut Actor, account: &str) {
    actor.says(&format!("NS IDENTIFY {account} password"));
    actor.hears_at_last(&format!("900 * {account} :*"));
    actor.hears_at_last(":NickServ!* NOTICE *");
}

/// What is between a server and its store, and can be cut.
struct Cable {
    port: u16,
    /// None while it is cut.
    ends: Arc<Mutex<Option<Vec<TcpStream>>>>,
}

impl Cable {
    fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let cable = Self {
            port: listener.local_addr().expect("it is bound").port(),
            ends: Arc::new(Mutex::new(Some(Vec::new()))),
        };
        let ends = Arc::clone(&cable.ends);
        // It ends with the tests.
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                if let Some(ends) = &mut *ends.lock().expect("nobody panics") {
                    let both = [(&near, &far), (&far, &near)];
                    for (from, to) in both {
                        let (from, to) = (from.try_clone(), to.try_clone());
                        let (from, to) = (from.expect("a socket"), to.expect("a socket"));
                        ends.push(from.try_clone().expect("a socket"));
                        thread::spawn(move || carry(from, to));
                    }
                }
            }
        });
        cable
    }

    fn cut(&self) {
        for end in self.ends.lock().expect("nobody panics").take().into_iter().flatten() {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    fn mend(&self) {
        *self.ends.lock().expect("nobody panics") = Some(Vec::new());
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

#[test]
fn who_registers_on_one_server_is_known_on_the_other_until_the_account_is_dropped() {
    let Some(store) = Store::start() else { return };
    let (one, other) = (node(store.port), node(store.port));
    let mut ann = one.enters("ann");
    ann.says("REGISTER * * sesame");
    ann.hears("REGISTER SUCCESS ann :The account is yours");
    ann.hears("900 *");
    ann.joins("#tea");
    ann.says("TOPIC #tea :of leaves").hears(":ann TOPIC #tea :of leaves");
    ann.says("CS REGISTER #tea");
    ann.hears("MODE #tea +qo ann ann");
    ann.hears(":ChanServ!* NOTICE ann :#tea is yours.");
    ann.says("MODE #tea +m").hears(":ann MODE #tea +m");
    let knows = |server: &mut Server| {
        let channel = server.accounts().channel("#tea");
        channel.is_some_and(|it| it.modes().contains('m') && it.topic().is_some())
    };
    until(&[&one, &other], || other.server(knows));
    let mut again = other.enters("annie");
    again.says("NS IDENTIFY ann sesame");
    again.hears("900 annie!~annie@127.0.0.1 ann :*");
    again.hears(":NickServ!* NOTICE *");
    again.says("JOIN #tea");
    again.hears_at_last("332 #tea :of leaves");
    again.hears_at_last("366 *");
    again.says("MODE #tea");
    assert!(again.hears("324 #tea *").contains('m'));
    again.hears("329 *");
    again.says("CS INFO #tea").hears(":ChanServ!* NOTICE annie :#tea belongs to ann since *");
    again.says("NS GROUP").hears(":NickServ!* NOTICE annie :annie belongs to ann now.");
    ann.says("NS DROP ann");
    ann.hears("901 *");
    ann.hears(":NickServ!* NOTICE ann :The account ann is gone.");
    again.hears("901 annie!~annie@127.0.0.1 :You are now logged out");
    until(&[&one, &other], || other.server(|server| server.accounts().owner_of("annie").is_none()));
    let modes = again.says("MODE #tea").hears("324 #tea *");
    let modes = modes.split(' ').nth(4).expect("there are some");
    assert!(modes.contains('m') && !modes.contains('r'), "it is nobody's now: {modes}");
    drop(store);
}

#[test]
fn of_two_who_register_a_name_at_once_one_gets_it() {
    let Some(store) = Store::start() else { return };
    let (one, other) = (node(store.port), node(store.port));
    let both = [&one, &other];
    // Neither hears of the other before it has asked.
    let outcomes = [create(&one, "ann"), create(&other, "Ann")].map(|it| outcome(&both, &it));
    let won = outcomes.iter().filter(|it| it.is_ok()).count();
    let lost = outcomes.iter().filter(|it| matches!(it, Err(NotSaved::Conflict))).count();
    assert_eq!((won, lost), (1, 1), "{outcomes:?}");
    let name = |stage: &Stage| {
        stage.server(|server| server.accounts().account("ann").map(|it| it.name().to_owned()))
    };
    until(&both, || name(&one).is_some() && name(&one) == name(&other));
    assert_eq!(name(&one).as_deref(), Some(if outcomes[0].is_ok() { "ann" } else { "Ann" }));

    // The same in band, where it depends on who is first what the other hears it from.
    let (mut bob, mut eve) = (one.enters("bob"), other.enters("eve"));
    bob.says("REGISTER tea * sesame");
    eve.says("REGISTER tea * sesame");
    let mut heard = [String::new(), String::new()];
    for (actor, heard) in [&mut bob, &mut eve].into_iter().zip(&mut heard) {
        until(&both, || {
            *heard = actor.hears_if_any().unwrap_or_default();
            heard.contains("REGISTER")
        });
    }
    let count = |word: &str| heard.iter().filter(|line| line.contains(word)).count();
    assert_eq!(
        (count("SUCCESS tea"), count("FAIL REGISTER ACCOUNT_EXISTS tea")),
        (1, 1),
        "{heard:?}"
    );
    drop(store);
}

#[test]
fn a_server_lets_nobody_in_until_it_has_heard_of_the_accounts_once() {
    let Some(mut store) = Store::later() else { return };
    let early = begins(store.port);
    let mut turned_away = early.connects();
    let end = turned_away.hears_the_end();
    assert_eq!(end, ["ERROR :Closing Link: (the network's accounts are not known yet: try again)"]);
    store.again();
    until(&[&early], || early.server(|server| server.accounts().is_known()));
    assert!(early.log().contains("the network has 0 accounts and 0 bans"), "{}", early.log());
    early.enters("ann");
}

#[test]
fn that_the_accounts_are_out_of_reach_is_told_once() {
    let Some(store) = Store::later() else { return };
    let _without_jetstream = server(store.port, &[]);
    let (stage, client) = begins_with_client(store.port);
    let told = || stage.log().matches("out of reach: JetStream does not answer").count();
    until(&[&stage], || told() > 0);
    let heard = client.statistics().in_messages;
    until(&[&stage], || client.statistics().in_messages > heard);
    assert_eq!(told(), 1, "{}", stage.log());
}

#[test]
fn a_server_that_begins_anew_knows_everything_and_so_does_one_after_the_store_was_killed() {
    let Some(mut store) = Store::start() else { return };
    let (one, other) = (node(store.port), node(store.port));
    account(&one, &other, "ann");
    drop(other);
    let ban = changes(&one, |accounts| {
        accounts.ban("*!*@192.0.2.7", "floods", SystemTime::now()).expect("a mask");
    });
    outcome(&[&one], &ban).expect("the store is there");
    let other = node(store.port);
    assert!(has_account(&other, "ann"));
    assert_eq!(other.server(|server| server.accounts().bans().len()), 1);

    store.kill();
    until(&[&one, &other], || !can_change(&one) && !can_change(&other));
    assert!(matches!(outcome(&[&one], &create(&one, "bob")), Err(NotSaved::Away)));
    assert!(!has_account(&one, "bob"), "it is taken back");
    store.again();
    until(&[&one, &other], || can_change(&one) && can_change(&other));
    account(&one, &other, "bob");
    account(&other, &one, "eve");
    assert!(has_account(&one, "ann"));
}

#[test]
fn in_a_split_accounts_are_read_and_not_changed_and_then_what_was_missed_is_made_up_for() {
    let Some(store) = Store::start() else { return };
    let cable = Cable::to(store.port);
    let (one, other) = (node(store.port), node(cable.port));
    account(&one, &other, "ann");
    account(&one, &other, "bob");
    let mut ann = other.enters("guest");
    identifies(&mut ann, "ann");
    let mut bob = other.enters("guest2");
    identifies(&mut bob, "bob");
    bob.joins("#b");
    bob.says("CS REGISTER #b").hears_at_last(":ChanServ!* NOTICE guest2 :#b is yours.");

    cable.cut();
    until(&[&other], || !can_change(&other));
    let mut eve = other.enters("eve");
    eve.says("REGISTER * * sesame");
    eve.hears("FAIL REGISTER TEMPORARILY_UNAVAILABLE eve :accounts cannot be changed while *");
    identifies(&mut eve, "bob");
    for line in ["NS SET PASSWORD sesame", "NS GROUP", "NS DROP bob", "CS DROP #b"] {
        eve.says(line);
        let text = "accounts cannot be changed while the store of the network is out of reach";
        eve.hears(&format!(":*Serv!* NOTICE eve :That was not done: {text}."));
    }
    eve.says("WHOIS eve");
    eve.hears_at_last("330 eve bob :is logged in as");
    eve.hears_at_last("318 *");
    bob.says("MODE #b +m").hears(":guest2 MODE #b +m");

    // Meanwhile, on the side of the store.
    let gone = one.acts(|server, registry| server.remove_account(registry, "ann").is_ok());
    assert!(gone);
    outcome(&[&one], &changes(&one, |_| {})).expect("the store is there");
    let banned = one.acts(|server, registry| server.ban(registry, "eve!*@*", "enough"));
    assert_eq!(banned, Ok(0));
    outcome(&[&one], &changes(&one, |_| {})).expect("the store is there");
    assert!(has_account(&other, "ann"), "nobody has told it");

    cable.mend();
    until(&[&one, &other], || !has_account(&other, "ann") && can_change(&other));
    ann.hears("901 guest!~guest@127.0.0.1 :You are now logged out");
    let end = eve.hears_the_end();
    assert_eq!(end, ["ERROR :Closing Link: 127.0.0.1 (Banned (enough))"]);
    bob.says("MODE #b +i").hears(":guest2 MODE #b +i");
    // What was set while it could not be kept is kept with the next.
    let modes = |stage: &Stage| {
        stage.server(|server| server.accounts().channel("#b").map(|it| it.modes().to_owned()))
    };
    until(&[&one, &other], || modes(&one).is_some_and(|it| it.contains('m') && it.contains('i')));
}

#[test]
fn modes_that_are_changed_on_two_servers_at_once_are_kept_as_the_channel_has_them() {
    let Some(store) = Store::start() else { return };
    let (one, other) = (node(store.port), node(store.port));
    account(&one, &other, "ann");
    let mut ann = one.enters("guest");
    identifies(&mut ann, "ann");
    ann.joins("#a");
    ann.says("CS REGISTER #a").hears_at_last(":ChanServ!* NOTICE guest :#a is yours.");
    let is_there = |server: &mut Server| server.accounts().channel("#a").is_some();
    until(&[&one, &other], || other.server(is_there));
    // The other's write comes first, and is the last that the store has.
    let written = changes(&other, |accounts| accounts.keep_modes("#a", "s").expect("it is there"));
    ann.says("MODE #a +m").hears(":guest MODE #a +m");
    outcome(&[&one, &other], &written).ok();
    let modes = |stage: &Stage| {
        stage.server(|server| server.accounts().channel("#a").map(|it| it.modes().to_owned()))
    };
    until(&[&one, &other], || {
        modes(&one) == modes(&other) && modes(&other).is_some_and(|it| it.contains('m'))
    });
}
