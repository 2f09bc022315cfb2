//! NickServ and ChanServ, as clients meet them: what is said to them, and what they say.

use protocols::chat::accounts::{AccountLimits, Accounts};
use protocols::password::PasswordHash;

use crate::stage::{Actor, Stage, settings};

const CAPS: &str = "batch echo-message labeled-response message-tags";
/// As NickServ and ChanServ say something.
const NICKSERV: &str = ":NickServ!NickServ@irc.test NOTICE ann";
const CHANSERV: &str = ":ChanServ!ChanServ@irc.test NOTICE ann";

/// A stage with an account `ann`, whose password is `sesame`.
fn stage_with_ann() -> Stage {
    let mut accounts = Accounts::in_memory(AccountLimits::default());
    let hash = PasswordHash::of("sesame").expect("a hash");
    accounts.create("ann", hash, std::time::SystemTime::now()).expect("a new name");
    Stage::with_accounts(settings(), accounts)
}

/// The lines of a labelled answer, which has to be a batch; without the name of the batch.
fn labelled_batch(actor: &mut Actor) -> Vec<String> {
    let begin = actor.hears("@label=x BATCH +* labeled-response");
    let name = begin.split(" BATCH +").nth(1).and_then(|it| it.split(' ').next()).expect("a name");
    let mut lines = Vec::new();
    loop {
        let line = actor.hears("*");
        if line.ends_with(&format!(" BATCH -{name}")) {
            return lines;
        }
        assert!(line.starts_with(&format!("@batch={name}")), "{line}");
        lines.push(line.split_once(" :").expect("a source").1.to_owned());
    }
}

#[test]
fn a_service_that_is_asked_nothing_says_what_it_can_do() {
    let stage = Stage::new();
    let mut ann = stage.enters("ann");
    for line in ["NS", "NICKSERV HELP", "PRIVMSG nickserv :help", "PRIVMSG NickServ : "] {
        ann.says(line).hears(&format!("{NICKSERV} :REGISTER password: *"));
        assert!(ann.hears_all().len() > 5);
    }
    for line in ["CS", "CHANSERV HELP", "PRIVMSG chanserv :help"] {
        ann.says(line).hears(&format!("{CHANSERV} :REGISTER #channel: *"));
        assert!(ann.hears_all().len() > 2);
    }
    ann.says("NS HELP ghost").hears(&format!("{NICKSERV} :GHOST nick: *"));
    ann.hears_nothing();
    ann.says("NICK ChanServ").hears("432 ChanServ :Erroneous nickname");
}

#[test]
fn a_service_answers_what_it_does_not_understand_with_one_line() {
    let stage = Stage::new();
    let mut ann = stage.enters("ann");
    for line in ["NS FROBNICATE me", "PRIVMSG NickServ :frobnicate", "NS HELP frobnicate"] {
        ann.says(line).hears(&format!("{NICKSERV} :There is no command *. Ask for HELP."));
        ann.hears_nothing();
    }
    ann.says(&format!("CS {}", "x".repeat(400)));
    ann.hears(&format!("{CHANSERV} :There is no command x*. Ask for HELP."));
    for (line, usage) in [
        ("NS REGISTER", "REGISTER password"),
        ("NS IDENTIFY", "IDENTIFY [account] password"),
        ("NS set", "SET PASSWORD password"),
        ("NS SET URL https://example.org", "SET PASSWORD password"),
        ("NS GHOST", "GHOST nick"),
        ("NS DROP", "DROP account"),
    ] {
        ann.says(line).hears(&format!("{NICKSERV} :It is {usage}. Ask for HELP."));
        ann.hears_nothing();
    }
    for (line, usage) in [
        ("CS REGISTER", "REGISTER #channel"),
        ("CS DROP #a now", "DROP #channel"),
        ("PRIVMSG ChanServ :op", "OP #channel"),
    ] {
        ann.says(line).hears(&format!("{CHANSERV} :It is {usage}. Ask for HELP."));
        ann.hears_nothing();
    }
    ann.says("NS sEt pAsSwOrD sesame").hears(&format!("{NICKSERV} :You are not logged in."));
}

#[test]
fn what_a_client_is_asked_by_ctcp_is_not_asked_of_a_service() {
    let stage = Stage::new();
    let mut ann = stage.enters_with("ann", "echo-message");
    for text in ["\u{1}VERSION\u{1}", "\u{1}ACTION waves\u{1}", "\u{1}PING 1"] {
        ann.says(&format!("PRIVMSG NickServ :{text}"));
        ann.hears(&format!(":ann PRIVMSG NickServ :{text}"));
        ann.hears_nothing();
    }
}

#[test]
fn tags_alone_are_ignored_by_a_service_without_a_word() {
    let stage = Stage::new();
    let mut ann = stage.enters_with("ann", CAPS);
    for target in ["NickServ", "chanserv", "NickServ@irc.test", "NICKSERV,ChanServ"] {
        ann.says(&format!("@+typing=active TAGMSG {target}")).hears_nothing();
        ann.says(&format!("@label=x;+typing=active TAGMSG {target}")).hears("@label=x ACK");
    }
}

#[test]
fn a_notice_to_a_service_is_never_answered() {
    let stage = Stage::new();
    let mut ann = stage.enters("ann");
    for target in ["NickServ", "ChanServ", "nickserv@irc.test", "ChanServ,NickServ"] {
        ann.says(&format!("NOTICE {target} :HELP")).hears_nothing();
    }
    let mut eve = stage.enters_with("eve", CAPS);
    eve.says("NOTICE nickserv :HELP").hears("@msgid=* :eve NOTICE NickServ :HELP");
    eve.hears_nothing();
    eve.says("@label=x NOTICE ChanServ :HELP").hears("@label=x;msgid=* :eve NOTICE ChanServ :HELP");
    eve.hears_nothing();
    let mut bob = stage.enters_with("bob", "labeled-response batch");
    bob.says("@label=x NOTICE NickServ :HELP").hears("@label=x ACK");
}

#[test]
fn what_is_said_to_a_service_is_echoed_before_it_answers() {
    let stage = stage_with_ann();
    let mut ann = stage.enters_with("ann", CAPS);
    ann.hears_all();
    ann.says("@+draft/reply=1 PRIVMSG nickserv :INFO nobody");
    ann.hears("@msgid=*;+draft/reply=1 :ann PRIVMSG NickServ :INFO nobody");
    ann.hears(&format!("{NICKSERV} :There is no such account."));
    ann.says("@label=x PRIVMSG NickServ :INFO nobody");
    assert_eq!(
        labelled_batch(&mut ann),
        [
            "ann!~ann@127.0.0.1 PRIVMSG NickServ :INFO nobody",
            "NickServ!NickServ@irc.test NOTICE ann :There is no such account.",
        ]
    );
    // The answer comes later, when the password has been looked at, and the label waits for it.
    ann.says("@label=x PRIVMSG NickServ :IDENTIFY sesame");
    let lines = labelled_batch(&mut ann);
    assert_eq!(lines[0], "ann!~ann@127.0.0.1 PRIVMSG NickServ :IDENTIFY sesame");
    assert!(lines.last().expect("an answer").ends_with(":You are logged in as ann."), "{lines:?}");
    ann.hears_nothing();
    // Without an echo, or with NS, there is nothing but the answer.
    ann.says("@label=x NS INFO nobody");
    ann.hears(&format!("@label=x {NICKSERV} :There is no such account."));
    ann.says("CAP REQ :-echo-message").hears("CAP ann ACK :-echo-message");
    ann.says("@label=x PRIVMSG NickServ :INFO nobody");
    ann.hears(&format!("@label=x {NICKSERV} :There is no such account."));
    ann.says("@label=x PRIVMSG NickServ :HELP");
    assert!(labelled_batch(&mut ann).len() > 5);
}

#[test]
fn a_service_is_found_by_its_name_in_either_case_and_at_its_server() {
    let stage = Stage::new();
    let (mut ann, mut bob) = (stage.enters_with("ann", "echo-message"), stage.enters("bob"));
    for target in ["NickServ", "NICKSERV", "nickserv@irc.test", "NickServ@IRC.TEST"] {
        ann.says(&format!("PRIVMSG {target} :INFO nobody"));
        ann.hears(":ann PRIVMSG NickServ :INFO nobody");
        ann.hears(&format!("{NICKSERV} :There is no such account."));
    }
    for target in ["NickServ@irc.example", "NickServ@", "@NickServ", "NickServ@irc.test@irc.test"] {
        ann.says(&format!("PRIVMSG {target} :INFO nobody"));
        ann.hears(&format!("401 {target} :No such nick/channel"));
    }
    // With others, and once only.
    ann.says("PRIVMSG bob,NickServ,nickserv@irc.test,ChanServ :INFO #a");
    ann.hears(":ann PRIVMSG bob :INFO #a");
    ann.hears(":ann PRIVMSG NickServ :INFO #a");
    ann.hears(&format!("{NICKSERV} :There is no such account."));
    ann.hears(":ann PRIVMSG ChanServ :INFO #a");
    ann.hears(&format!("{CHANSERV} :That channel is not registered."));
    ann.hears_nothing();
    bob.hears(":ann PRIVMSG bob :INFO #a");
    // A service is nobody who is here.
    ann.says("ISON NickServ").hears("303 :");
    ann.says("WHOIS NickServ");
    ann.hears("401 NickServ :No such nick/channel");
    ann.hears("318 NickServ :*");
    ann.says("MONITOR + NickServ").hears("731 :NickServ");
    ann.says("INVITE NickServ #a").hears_at_last("40? *");
}

#[test]
fn a_service_reads_one_line_at_a_time() {
    let stage = Stage::new();
    let mut ann = stage.enters_with("ann", &format!("{CAPS} draft/multiline"));
    ann.says("@label=x BATCH +1 draft/multiline NickServ");
    ann.says("@batch=1 PRIVMSG NickServ :INFO nobody");
    ann.says("@batch=1 PRIVMSG NickServ :REGISTER sesame");
    ann.says("BATCH -1");
    // One batch for the label, and the message in a batch of its own within.
    ann.hears("@label=x BATCH +* labeled-response");
    ann.hears("@batch=*;msgid=* :ann BATCH +* draft/multiline NickServ");
    ann.hears("@batch=* :ann PRIVMSG NickServ :INFO nobody");
    ann.hears("@batch=* :ann PRIVMSG NickServ :REGISTER sesame");
    ann.hears("@batch=* :ann BATCH -*");
    ann.hears(&format!("@batch=* {NICKSERV} :Say one thing at a time, on one line."));
    ann.hears("BATCH -*");
    ann.hears_nothing();
}
