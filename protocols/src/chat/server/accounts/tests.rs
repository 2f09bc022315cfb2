//! Accounts as a server uses them, and as a crash leaves them.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use reactor::Reactor;
use tempfile::TempDir;

use super::*;

const NOW: SystemTime = SystemTime::UNIX_EPOCH;

/// The hash of `password`, made once elsewhere: nobody here wants to wait for it.
fn hash() -> PasswordHash {
    "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
        .parse()
        .expect("a hash")
}

fn in_memory() -> Accounts {
    Accounts::in_memory(AccountLimits::default())
}

/// A file in a directory of its own.
struct Place {
    _directory: TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self { path: directory.path().join("accounts"), _directory: directory }
    }

    fn open(&self) -> (Accounts, Option<Repaired>) {
        Accounts::open(&self.path, AccountLimits::default()).expect("it opens")
    }

    fn refusal(&self) -> NotOpened {
        Accounts::open(&self.path, AccountLimits::default()).expect_err("it does not open")
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.path).expect("it is there")
    }

    fn write(&self, bytes: &[u8]) {
        fs::write(&self.path, bytes).expect("it can be written");
    }
}

// ── who may not come ────────────────────────────────────────────────────────────────────────────

#[test]
fn a_ban_fits_whom_it_is_about_and_outlives_the_server_until_it_is_lifted() {
    let place = Place::new();
    let (mut accounts, _) = place.open();
    let banned = |accounts: &Accounts, who: &str| {
        accounts.ban_of(who).map(|ban| format!("{} {}", ban.mask, ban.reason))
    };
    assert_eq!(accounts.ban("192.0.2.?", "floods", NOW).as_deref(), Ok("*!*@192.0.2.?"));
    assert_eq!(accounts.ban("eve", "once", NOW).as_deref(), Ok("eve!*@*"));
    assert_eq!(accounts.ban("Eve!*", "twice", NOW).as_deref(), Ok("Eve!*@*"));
    accounts.save().expect("it is saved");
    drop(accounts);
    let (mut accounts, _) = place.open();
    assert_eq!(banned(&accounts, "EVE!~e@a").as_deref(), Some("Eve!*@* twice"));
    assert_eq!(banned(&accounts, "ann!~a@192.0.2.7").as_deref(), Some("*!*@192.0.2.? floods"));
    assert_eq!(banned(&accounts, "ann!~a@192.0.2.70"), None);
    assert_eq!(accounts.bans().len(), 2);
    assert_eq!(accounts.unban("eve").as_deref(), Ok("Eve!*@*"));
    assert_eq!(accounts.unban("eve"), Err(Unknown::Ban));
    accounts.save().expect("it is saved");
    drop(accounts);
    assert_eq!(place.open().0.bans().len(), 1);
}

#[test]
fn what_is_no_mask_or_no_reason_bans_nobody_and_there_are_only_so_many() {
    let limits = AccountLimits { bans: 1, text: 8, ..AccountLimits::default() };
    let mut accounts = Accounts::in_memory(limits);
    for mask in ["", "a b", "a:ann", "m:*!*@*", &"x".repeat(300)] {
        assert_eq!(accounts.ban(mask, "", NOW), Err(NotBanned::BadMask), "{mask}");
    }
    for reason in ["two\nlines", "long long"] {
        assert_eq!(accounts.ban("eve", reason, NOW), Err(NotBanned::BadReason), "{reason}");
    }
    accounts.ban("eve", "", NOW).expect("there is room");
    assert_eq!(accounts.ban("ann", "", NOW), Err(NotBanned::TooMany));
    accounts.ban("EVE", "other", NOW).expect("it is there already");
}

// ── who is who ──────────────────────────────────────────────────────────────────────────────────

#[test]
fn an_account_owns_its_name_and_the_nicks_it_was_given() {
    let mut accounts = in_memory();
    accounts.create("Ann", hash(), NOW).expect("it is free");
    accounts.add_nick("ann", "Ann[away]").expect("it is free");
    let owner = |accounts: &Accounts, nick| accounts.owner_of(nick).map(|it| it.name().to_owned());
    for nick in ["Ann", "ANN", "ann[away]", "aNN[AWAY]"] {
        assert_eq!(owner(&accounts, nick).as_deref(), Some("Ann"), "{nick}");
    }
    assert_eq!(owner(&accounts, "bob"), None);
    assert_eq!(accounts.remove_nick("ann", "ANN[away]"), Ok(()));
    assert_eq!(owner(&accounts, "ann[away]"), None);
    assert_eq!(accounts.remove_nick("ann", "ann"), Err(Unknown::Nick));
    assert!(accounts.account("ann").is_some_and(|ann| ann.password().verifies("password")));
}

#[test]
fn a_name_that_is_somebodys_is_nobody_elses() {
    let mut accounts = in_memory();
    accounts.create("Ann", hash(), NOW).expect("it is free");
    accounts.add_nick("Ann", "annie").expect("it is free");
    accounts.create("bob", hash(), NOW).expect("it is free");
    let taken = NotCreated::Taken { owner: "Ann".into() };
    assert_eq!(accounts.create("ANN", hash(), NOW), Err(taken.clone()));
    assert_eq!(accounts.create("Annie", hash(), NOW), Err(taken));
    let taken = NotAdded::Taken { owner: "Ann".into() };
    assert_eq!(accounts.add_nick("bob", "ANNIE"), Err(taken));
    assert_eq!(accounts.add_nick("carl", "c"), Err(NotAdded::NoSuchAccount));
}

#[test]
fn names_that_would_harm_the_file_are_refused() {
    let mut accounts = in_memory();
    let long = "x".repeat(65);
    for name in ["", " ", "a b", "a\nb", "a\0", "a\u{a0}b", &long] {
        assert_eq!(accounts.create(name, hash(), NOW), Err(NotCreated::BadName), "{name:?}");
    }
}

#[test]
fn a_dropped_account_leaves_nothing_behind() {
    let mut accounts = in_memory();
    accounts.create("ann", hash(), NOW).expect("it is free");
    accounts.add_nick("ann", "annie").expect("it is free");
    accounts.register_channel("#a", "ann", NOW).expect("it is free");
    assert_eq!(accounts.drop_account("ANN"), Ok(vec!["#a".to_owned()]));
    assert!(accounts.account("ann").is_none() && accounts.owner_of("annie").is_none());
    assert!(accounts.channel("#a").is_none());
    assert_eq!(accounts.drop_account("ann"), Err(Unknown::Account));
    accounts.create("annie", hash(), NOW).expect("it is free again");
}

#[test]
fn a_channel_keeps_its_founder_topic_and_modes() {
    let mut accounts = in_memory();
    accounts.create("ann", hash(), NOW).expect("it is free");
    accounts.register_channel("#Tea[1]", "ANN", NOW).expect("it is free");
    let taken = NotRegistered::Taken { founder: "ann".into() };
    assert_eq!(accounts.register_channel("#tea[1]", "ann", NOW), Err(taken));
    let topic = Topic { text: "black".into(), set_by: "bob".into(), set_at: 5 };
    assert_eq!(accounts.keep_topic("#tea[1]", Some(topic.clone())), Ok(()));
    assert_eq!(accounts.keep_modes("#tea[1]", "+nt"), Ok(()));
    assert_eq!(accounts.keep_modes("#tea[1]", "+n\nt"), Err(NotKept::NotText));
    assert_eq!(accounts.keep_modes("#coffee", "+nt"), Err(NotKept::NoSuchChannel));
    let tea = accounts.channel("#TEA[1]").expect("it is registered");
    assert_eq!((tea.name(), tea.founder(), tea.modes()), ("#Tea[1]", "ann", "+nt"));
    assert_eq!(tea.topic(), Some(&topic));
    assert_eq!(accounts.drop_channel("#tea[1]"), Ok(()));
    assert_eq!(accounts.drop_channel("#tea[1]"), Err(Unknown::Channel));
}

#[test]
fn strangers_fill_no_disk() {
    let limits = AccountLimits {
        accounts: 2,
        nicks_per_account: 1,
        channels: 2,
        channels_per_account: 1,
        ..AccountLimits::default()
    };
    let mut accounts = Accounts::in_memory(limits);
    for name in ["ann", "bob"] {
        accounts.create(name, hash(), NOW).expect("there is room");
        accounts.add_nick(name, &format!("{name}2")).expect("there is room");
        accounts.register_channel(&format!("#{name}"), name, NOW).expect("there is room");
    }
    assert_eq!(accounts.create("carl", hash(), NOW), Err(NotCreated::TooMany));
    assert_eq!(accounts.add_nick("ann", "ann3"), Err(NotAdded::TooMany));
    let refused = accounts.register_channel("#ann2", "ann", NOW);
    assert_eq!(refused, Err(NotRegistered::TooMany));
    accounts.drop_channel("#bob").expect("it is registered");
    let refused = accounts.register_channel("#ann2", "ann", NOW);
    assert_eq!(refused, Err(NotRegistered::TooManyOfOne));
}

// ── across restarts ─────────────────────────────────────────────────────────────────────────────

/// Does a bit of everything, saving after each; the tables after each.
fn live(accounts: &mut Accounts) -> Vec<Tables> {
    let steps: [fn(&mut Accounts); 8] = [
        |it| it.create("Ann", hash(), NOW).expect("it is free"),
        |it| it.add_nick("ann", "annie").expect("it is free"),
        |it| {
            it.create("bob", hash(), NOW + Duration::from_secs(5)).expect("it is free");
            it.register_channel("#größe", "bob", NOW).expect("it is free");
        },
        |it| it.keep_modes("#größe", "+ntk secret").expect("it is registered"),
        |it| {
            let topic = Topic { text: "  a @ b ".into(), set_by: "bob".into(), set_at: 9 };
            it.keep_topic("#größe", Some(topic)).expect("it is registered");
        },
        |it| it.remove_nick("ann", "annie").expect("it has it"),
        |it| drop(it.drop_account("ann").expect("it is there")),
        |it| it.keep_topic("#größe", None).expect("it is registered"),
    ];
    let mut after = vec![accounts.tables.clone()];
    for step in steps {
        step(accounts);
        accounts.save().expect("there is room");
        after.push(accounts.tables.clone());
    }
    after
}

#[test]
fn everything_is_there_after_a_restart() {
    let place = Place::new();
    let (mut accounts, repaired) = place.open();
    assert_eq!(repaired, None);
    let after = live(&mut accounts);
    drop(accounts);
    let (accounts, repaired) = place.open();
    assert_eq!((Some(&accounts.tables), repaired), (after.last(), None));
}

#[test]
fn a_crash_at_any_byte_loses_nothing_that_was_saved() {
    let place = Place::new();
    let (mut accounts, _) = place.open();
    let mut lengths = vec![place.bytes().len()];
    let mut after = vec![accounts.tables.clone()];
    for step in 0..6 {
        accounts.create(&format!("user{step}"), hash(), NOW).expect("it is free");
        accounts.save().expect("there is room");
        after.push(accounts.tables.clone());
        lengths.push(place.bytes().len());
    }
    drop(accounts);
    let whole = place.bytes();
    for cut in lengths[0]..=whole.len() {
        place.write(&whole[..cut]);
        let (mut accounts, repaired) = place.open();
        let saved = lengths.iter().rposition(|&length| length <= cut).expect("the first is");
        assert_eq!(accounts.tables, after[saved], "cut at {cut}");
        let dropped = cut - lengths[saved];
        assert_eq!(repaired.map_or(0, |repaired| repaired.dropped), dropped);
        // And life goes on.
        accounts.create("newcomer", hash(), NOW).expect("it is free");
        accounts.save().expect("there is room");
        let expected = accounts.tables.clone();
        drop(accounts);
        let (accounts, repaired) = place.open();
        assert_eq!((accounts.tables, repaired), (expected, None), "cut at {cut}");
    }
}

#[test]
fn a_file_that_lost_its_beginning_is_refused_and_not_taken_for_a_new_one() {
    let place = Place::new();
    live(&mut place.open().0);
    // A file that was replaced begins with all there was.
    let (mut journal, tables, _) = journal::Journal::open(&place.path).expect("it opens");
    journal.replace(&tables.encode()).expect("there is room");
    drop(journal);
    let whole = place.bytes();
    for cut in 1..whole.len() {
        place.write(&whole[..cut]);
        let refusal = place.refusal();
        assert!(
            matches!(
                refusal,
                NotOpened::Damaged { .. } | NotOpened::NotOurs(_) | NotOpened::TooNew(_)
            ),
            "cut at {cut}: {refusal}"
        );
        assert_eq!(place.bytes(), whole[..cut], "it is left as it is");
    }
}

#[test]
fn damage_that_no_crash_explains_is_refused() {
    let place = Place::new();
    let (mut accounts, _) = place.open();
    let beginning = place.bytes().len();
    live(&mut accounts);
    drop(accounts);
    let whole = place.bytes();
    let last = whole.windows(3).rposition(|it| it == b"\n@ ").expect("it has frames") + 1;
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x01;
        place.write(&bytes);
        let result = Accounts::open(&place.path, AccountLimits::default());
        if at < last {
            let refusal = result.expect_err("something that was saved is gone");
            let is_head = at < beginning;
            assert!(is_head || matches!(refusal, NotOpened::Damaged { .. }), "{at}: {refusal}");
        } else {
            let repaired = result.expect("a crash may have done that").1;
            assert_eq!(repaired.map(|it| it.dropped), Some(whole.len() - last), "{at}");
        }
    }
}

#[test]
fn a_crash_while_the_file_is_replaced_leaves_the_old_one() {
    let place = Place::new();
    let (mut accounts, _) = place.open();
    let after = live(&mut accounts);
    drop(accounts);
    fs::write(place.path.with_extension("new"), b"chat accounts 1\n@ 1").expect("it can be");
    let (mut accounts, repaired) = place.open();
    assert_eq!((Some(&accounts.tables), repaired), (after.last(), None));
    accounts.create("carl", hash(), NOW).expect("it is free");
    accounts.save().expect("what was left does not disturb");
}

#[test]
fn the_file_does_not_grow_for_ever() {
    let place = Place::new();
    let (mut accounts, _) = place.open();
    accounts.create("ann", hash(), NOW).expect("it is free");
    accounts.register_channel("#a", "ann", NOW).expect("it is free");
    let mut longest = 0;
    for round in 0..200_u64 {
        let text = format!("{round} {}", "x".repeat(8_000));
        let topic = Topic { text, set_by: "ann".into(), set_at: round };
        accounts.keep_topic("#a", Some(topic)).expect("it is registered");
        accounts.save().expect("there is room");
        longest = longest.max(place.bytes().len());
    }
    assert!(longest < 300 * 1024, "{longest}");
    let expected = accounts.tables.clone();
    drop(accounts);
    assert_eq!(place.open().0.tables, expected);
}

#[test]
fn two_programs_do_not_write_one_file() {
    let place = Place::new();
    let (accounts, _) = place.open();
    assert!(matches!(place.refusal(), NotOpened::InUse(_)));
    drop(accounts);
    place.open();
}

#[test]
fn a_file_of_another_kind_is_left_alone() {
    let place = Place::new();
    for (text, expected) in [("dear diary\n", "not a file of"), ("chat accounts 2\n@", "later")] {
        place.write(text.as_bytes());
        assert!(place.refusal().to_string().contains(expected));
        assert_eq!(place.bytes(), text.as_bytes());
    }
}

#[test]
fn a_hash_that_would_cost_too_much_is_told_with_its_account_when_the_file_is_opened() {
    let rest = "c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    for (line, told) in [
        (format!("account Ann 5 $argon2id$v=19$m=1048576,t=1,p=1${rest}"), "Ann: * 1048576 KiB"),
        (format!("password bob $argon2id$v=19$m=65536,t=99,p=1${rest}"), "bob: * 16 times at most"),
        ("account eve 5 $2b$12$xxxxxxxxxxxxxxxxxxxxxx".to_owned(), "eve: not a password hash"),
    ] {
        let mut bytes = b"chat accounts 1\n".to_vec();
        frame::write(&mut bytes, 1, format!("{line}\n").as_bytes());
        let place = Place::new();
        place.write(&bytes);
        let refusal = place.refusal().to_string();
        assert!(told.split(" * ").all(|part| refusal.contains(part)), "{refusal}");
        assert_eq!(place.bytes(), bytes);
    }
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_the_hashes() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.open();
    let mode = fs::metadata(&place.path).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}

#[test]
fn what_could_not_be_saved_is_saved_with_the_next() {
    let place = Place::new();
    let (mut accounts, _) = place.open();
    accounts.create("ann", hash(), NOW).expect("it is free");
    // A directory where the new file should be: replacing fails, as on a disk that is full.
    let new = place.path.with_extension("new");
    fs::create_dir(&new).expect("it can be made");
    let Keeping::File(store, _) = &mut accounts.keeping else { panic!("there is a file") };
    store.forget_queue();
    assert!(accounts.save().is_err());
    accounts.create("bob", hash(), NOW).expect("it is free");
    assert!(accounts.save().is_err());
    fs::remove_dir(&new).expect("it is there");
    accounts.save().expect("now there is room");
    let expected = accounts.tables.clone();
    drop(accounts);
    assert_eq!(place.open().0.tables, expected);
}

// ── on a loop ───────────────────────────────────────────────────────────────────────────────────

/// A program with accounts, and what it was told.
struct App {
    accounts: Accounts,
    told: Vec<(u32, bool)>,
}

/// Commits a hundred changes at once, and sees what is told, and when.
fn commit_a_hundred(accounts: Accounts) -> App {
    let mut reactor = Reactor::<App>::new().expect("a loop");
    let mut app = App { accounts, told: Vec::new() };
    for number in 0..100 {
        app.accounts.create(&format!("user{number}"), hash(), NOW).expect("it is free");
        app.accounts.commit(reactor.registry(), move |registry, app: &mut App, result| {
            app.told.push((number, result.is_ok()));
            if app.told.len() == 100 {
                registry.shutdown(Duration::ZERO);
            }
        });
    }
    assert!(app.told.is_empty(), "nothing is told before the call returns");
    reactor.run(&mut app).expect("the loop runs");
    app
}

#[test]
fn a_commit_is_told_of_when_it_is_on_the_disk() {
    let place = Place::new();
    let app = commit_a_hundred(place.open().0);
    assert!(app.told.iter().all(|(_, ok)| *ok));
    let expected = app.accounts.tables.clone();
    drop(app);
    assert_eq!(place.open().0.tables, expected);
}

#[test]
fn without_a_file_a_commit_is_told_of_all_the_same() {
    let app = commit_a_hundred(in_memory());
    let expected: Vec<_> = (0..100).map(|number| (number, true)).collect();
    assert_eq!(app.told, expected);
    assert!(matches!(app.accounts.keeping, Keeping::Nowhere), "nobody keeps what nobody writes");
}

/// Runs a loop until it is told that the file is free.
fn hand_on(app: &mut App) {
    let mut reactor = Reactor::<App>::new().expect("a loop");
    app.accounts.hand_on(reactor.registry(), |registry, app: &mut App, result| {
        app.told.push((0, result.is_ok()));
        registry.shutdown(Duration::ZERO);
    });
    assert!(app.told.is_empty(), "nothing is told before the call returns");
    reactor.run(app).expect("the loop runs");
    assert_eq!(std::mem::take(&mut app.told), [(0, true)]);
}

#[test]
fn a_file_that_is_handed_on_is_anothers_until_it_is_taken_back() {
    let place = Place::new();
    let mut app = App { accounts: place.open().0, told: Vec::new() };
    app.accounts.create("ann", hash(), NOW).expect("it is free");
    // It was not committed yet.
    hand_on(&mut app);
    let (mut next, _) = place.open();
    assert!(next.account("ann").is_some(), "what was changed before is in the file");
    assert!(matches!(app.accounts.can_change(), Err(NotSaved::HandedOn)));
    assert!(matches!(app.accounts.take_back(), Err(NotOpened::InUse(_))));

    // The one before reads, and changes nothing.
    app.accounts.create("eve", hash(), NOW).expect("it is free");
    app.accounts.drop_account("ann").expect("it is there");
    assert!(app.accounts.account("eve").is_none() && app.accounts.account("ann").is_some());
    let mut reactor = Reactor::<App>::new().expect("a loop");
    for number in 1..3 {
        app.accounts.commit(reactor.registry(), move |registry, app: &mut App, result| {
            app.told.push((number, matches!(result, Err(NotSaved::HandedOn))));
            if number == 2 {
                registry.shutdown(Duration::ZERO);
            }
        });
    }
    reactor.run(&mut app).expect("the loop runs");
    assert_eq!(app.told, [(1, true), (2, false)], "the first has something to be told");
    app.accounts.save().expect("there is nothing to save");

    next.create("bob", hash(), NOW).expect("it is free");
    next.save().expect("it is saved");
    drop(next);
    app.accounts.take_back().expect("nobody else has it");
    assert!(app.accounts.account("bob").is_some(), "what the other has changed counts");
    app.accounts.create("eve", hash(), NOW).expect("it is free");
    app.accounts.save().expect("it is saved");
    drop(app);
    assert_eq!(place.open().0.accounts().len(), 3);
}

#[test]
fn a_file_is_kept_if_the_last_changes_cannot_be_written() {
    let place = Place::new();
    let mut app = App { accounts: place.open().0, told: Vec::new() };
    app.accounts.create("ann", hash(), NOW).expect("it is free");
    let Keeping::File(store, _) = &mut app.accounts.keeping else { panic!("there is a file") };
    store.forget_queue();
    let new = place.path.with_extension("new");
    fs::create_dir(&new).expect("it can be made");
    let mut reactor = Reactor::<App>::new().expect("a loop");
    app.accounts.hand_on(reactor.registry(), |registry, app: &mut App, result| {
        app.told.push((0, result.is_ok()));
        registry.shutdown(Duration::ZERO);
    });
    reactor.run(&mut app).expect("the loop runs");
    assert_eq!(app.told, [(0, false)]);
    assert!(matches!(place.refusal(), NotOpened::InUse(_)));
    fs::remove_dir(&new).expect("it is there");
    app.accounts.take_back().expect("it has never let go of it");
    app.accounts.save().expect("now there is room");
    drop(app);
    assert!(place.open().0.account("ann").is_some());
}

#[test]
fn what_cannot_take_its_place_takes_no_room() {
    let place = Place::new();
    let (mut journal, _, _) = journal::Journal::open(&place.path).expect("it opens");
    fs::remove_file(&place.path).expect("it is there");
    fs::create_dir(&place.path).expect("it can be made");
    journal.replace(b"").expect_err("no file takes a directory's place");
    let directory = place.path.parent().expect("it is in one");
    assert_eq!(fs::read_dir(directory).expect("it is there").count(), 2, "it, and the lock");
}
