//! Answers that come later: out of order, in batches, cancelled, with progress, and in both directions.

use protocols::rpc::{Error, Framing};
use serde_json::json;

use crate::stage::Stage;

#[test]
fn answers_come_in_the_order_in_which_they_are_ready() {
    let mut stage = Stage::new();
    let mut typist = stage.typist(Framing::ContentLength);
    for id in ["\"a\"", "\"b\""] {
        typist.types(&mut stage, format!(r#"{{"jsonrpc":"2.0","method":"hold","id":{id}}}"#));
    }
    typist.gets_nothing(&mut stage);
    stage.until("both wait", |world| world.held.len() == 2);
    let tickets = std::mem::take(&mut stage.world.held);
    tickets[1].answer(stage.reactor.registry(), Ok(2)).expect("he waits");
    typist.gets(&mut stage, r#"{"jsonrpc":"2.0","result":2,"id":"b"}"#);
    let failed = Err::<u64, _>(Error::new(1, "no"));
    tickets[0].answer(stage.reactor.registry(), failed).expect("he waits");
    typist.gets(&mut stage, r#"{"jsonrpc":"2.0","error":{"code":1,"message":"no"},"id":"a"}"#);
    // An answer more is no answer.
    tickets[0].answer(stage.reactor.registry(), Ok(3)).expect("he is there");
    typist.gets_nothing(&mut stage);
}

#[test]
fn a_batch_is_answered_as_one_when_its_last_answer_is_there() {
    let mut stage = Stage::new();
    let mut typist = stage.typist(Framing::Lines);
    typist.types(
        &mut stage,
        r#"[{"jsonrpc":"2.0","method":"hold","id":1},{"jsonrpc":"2.0","method":"sum","params":[1,1],"id":2},
            {"jsonrpc":"2.0","method":"hold"},{"jsonrpc":"2.0","method":"hold","id":3}]"#
            .replace('\n', " "),
    );
    stage.until("all wait", |world| world.held.len() == 3);
    typist.gets_nothing(&mut stage);
    let tickets = std::mem::take(&mut stage.world.held);
    // The one in the middle is a notification's: nobody waits for it.
    for (ticket, number) in tickets.iter().zip([10, 20, 30]).rev() {
        ticket.answer(stage.reactor.registry(), Ok(number)).expect("he is there");
    }
    // In the order of the calls, whichever was answered first: there are clients that look at nothing else.
    typist.gets(
        &mut stage,
        r#"[{"jsonrpc":"2.0","result":10,"id":1},{"jsonrpc":"2.0","result":2,"id":2},
            {"jsonrpc":"2.0","result":30,"id":3}]"#,
    );
}

#[test]
fn a_call_that_is_cancelled_is_told_so_and_its_ticket_is_void() {
    let mut stage = Stage::new();
    let mut typist = stage.typist(Framing::ContentLength);
    typist.types(&mut stage, r#"{"jsonrpc":"2.0","method":"hold","id":"x"}"#);
    typist.types(&mut stage, r#"{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":"y"}}"#);
    typist.gets_nothing(&mut stage);
    typist.types(&mut stage, r#"{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":"x"}}"#);
    let answer = typist.reads(&mut stage);
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("x"), &json!(-32800)));
    assert!(stage.world.held[0].is_void());
}

#[test]
fn two_calls_with_one_id_are_both_answered_and_both_cancelled() {
    let mut stage = Stage::new();
    let mut typist = stage.typist(Framing::Lines);
    for round in 0..2 {
        for _ in 0..2 {
            typist.types(&mut stage, r#"{"jsonrpc":"2.0","method":"hold","id":1}"#);
        }
        stage.until("both wait", |world| world.held.len() == 2);
        let tickets = std::mem::take(&mut stage.world.held);
        if round == 0 {
            for ticket in tickets {
                ticket.answer(stage.reactor.registry(), Ok(1)).expect("he waits");
            }
        } else {
            let cancel = r#"{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":1}}"#;
            typist.types(&mut stage, cancel);
        }
        for _ in 0..2 {
            let answer = typist.reads(&mut stage);
            assert_eq!((&answer["id"], answer["error"].is_null()), (&json!(1), round == 0));
        }
    }
}

#[test]
fn progress_names_the_call_it_is_of() {
    let mut stage = Stage::new();
    let mut typist = stage.typist(Framing::Lines);
    typist.types(&mut stage, r#"{"jsonrpc":"2.0","method":"hold","id":"x"}"#);
    stage.until("it waits", |world| world.held.len() == 1);
    let ticket = stage.world.held.remove(0);
    ticket.progress(stage.reactor.registry(), &json!({"percent": 50})).expect("he waits");
    typist.gets(
        &mut stage,
        r#"{"jsonrpc":"2.0","method":"$/progress","params":{"token":"x","value":{"percent":50}}}"#,
    );
    ticket.answer(stage.reactor.registry(), Ok(1)).expect("he waits");
    typist.gets(&mut stage, r#"{"jsonrpc":"2.0","result":1,"id":"x"}"#);
}

#[test]
fn work_on_a_thread_answers_when_it_is_done() {
    let mut stage = Stage::new();
    let mut typist = stage.typist(Framing::Lines);
    typist.types(&mut stage, r#"{"jsonrpc":"2.0","method":"square","params":[9],"id":1}"#);
    typist.gets(&mut stage, r#"{"jsonrpc":"2.0","result":81,"id":1}"#);
}

#[test]
fn a_server_calls_its_caller_back_on_the_same_connection() {
    let mut stage = Stage::new();
    let mut typist = stage.typist(Framing::Lines);
    typist.types(&mut stage, r#"{"jsonrpc":"2.0","method":"ask_back","id":"q"}"#);
    let (mut question, mut answer) = (typist.reads(&mut stage), typist.reads(&mut stage));
    if question["method"].is_null() {
        std::mem::swap(&mut question, &mut answer);
    }
    assert_eq!((&question["method"], &answer["id"]), (&json!("name"), &json!("q")));
    let id = &question["id"];
    typist.types(&mut stage, format!(r#"{{"jsonrpc":"2.0","result":"ann","id":{id}}}"#));
    stage.until("the name is known", |world| world.results == [Ok(json!("ann"))]);
    // An answer that nobody waits for is told of, and changes nothing.
    typist.types(&mut stage, format!(r#"{{"jsonrpc":"2.0","result":"ann","id":{id}}}"#));
    stage.until_seen(&format!("stray {id}"));
    assert_eq!(stage.service.counters().strays, 1);
}
