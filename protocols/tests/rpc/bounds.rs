//! Every limit, at it and beyond it.

use std::time::Duration;

use protocols::rpc::{CallError, ClientOptions, Error, Framing, Limits};
use serde_json::{Value, json};

use crate::stage::Stage;

fn code(answer: &Value) -> i64 {
    answer["error"]["code"].as_i64().unwrap_or_default()
}

fn hold(id: u32) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"hold","id":{id}}}"#)
}

#[test]
fn a_line_that_is_too_long_is_told_of_and_the_next_is_read() {
    let mut stage = Stage::with_limits(Limits { message: 200, ..Limits::default() });
    let mut typist = stage.typist(Framing::Lines);
    typist.types(&mut stage, vec![b'['; 5_000]);
    let answer = typist.reads(&mut stage);
    assert_eq!((code(&answer), &answer["error"]["data"]), (Error::TOO_LONG, &json!(200)));
    typist.gets_nothing(&mut stage);
}

#[test]
fn a_frame_that_is_too_long_is_told_of_and_ends_the_connection() {
    for framing in [Framing::ContentLength, Framing::Bare] {
        let mut stage = Stage::with_limits(Limits { message: 200, ..Limits::default() });
        let mut typist = stage.typist(framing);
        typist.types(&mut stage, vec![b'['; 201]);
        assert_eq!(code(&typist.reads(&mut stage)), Error::TOO_LONG);
        typist.sees_the_end(&mut stage);
    }
}

#[test]
fn a_message_may_be_as_deep_as_the_limit_and_no_deeper() {
    let mut stage = Stage::with_limits(Limits { depth: 8, ..Limits::default() });
    let mut typist = stage.typist(Framing::Lines);
    for (depth, expected) in [(7, Error::INVALID_PARAMS), (8, Error::TOO_DEEP)] {
        let params = "[".repeat(depth) + &"]".repeat(depth);
        let request = format!(r#"{{"jsonrpc":"2.0","method":"sum","params":{params},"id":1}}"#);
        typist.types(&mut stage, request);
        assert_eq!(code(&typist.reads(&mut stage)), expected, "{depth} in one");
    }
}

#[test]
fn a_batch_may_be_as_long_as_the_limit_and_no_longer() {
    let mut stage = Stage::with_limits(Limits { batch: 3, ..Limits::default() });
    let mut typist = stage.typist(Framing::Lines);
    typist.types(&mut stage, "[1,2,3]");
    assert_eq!(typist.reads(&mut stage).as_array().map(Vec::len), Some(3));
    typist.types(&mut stage, "[1,2,3,4]");
    assert_eq!(code(&typist.reads(&mut stage)), Error::BATCH_TOO_LONG);
}

#[test]
fn a_result_may_be_as_long_as_the_limit_and_no_longer() {
    let mut stage = Stage::with_limits(Limits { reply: 100, ..Limits::default() });
    let mut typist = stage.typist(Framing::Lines);
    let long = |count| format!(r#"{{"jsonrpc":"2.0","method":"long","params":[{count}],"id":1}}"#);
    typist.types(&mut stage, long(98));
    assert_eq!(typist.reads(&mut stage)["result"].as_str().map(str::len), Some(98));
    typist.types(&mut stage, long(99));
    assert_eq!(code(&typist.reads(&mut stage)), Error::REPLY_TOO_LONG);
    // Nor is a batch a way around it.
    typist.types(&mut stage, format!("[{}]", vec![long(98); 20].join(",")));
    let answers = typist.reads(&mut stage);
    let answers = answers.as_array().expect("a batch");
    let refused = answers.iter().filter(|it| code(it) == Error::REPLY_TOO_LONG).count();
    assert_eq!((answers.len(), refused), (20, 17));
}

#[test]
fn who_has_as_many_calls_waiting_as_he_may_is_not_read_until_one_is_answered() {
    let mut stage = Stage::with_limits(Limits { calls: 2, ..Limits::default() });
    let mut typist = stage.typist(Framing::Lines);
    for id in 1..=3 {
        typist.types(&mut stage, hold(id));
    }
    stage.until("two wait", |world| world.held.len() == 2);
    for _ in 0..20 {
        stage.turn();
        assert_eq!(stage.world.held.len(), 2, "the third is not read");
    }
    let ticket = stage.world.held.remove(0);
    ticket.answer(stage.reactor.registry(), Ok(11)).expect("he waits");
    typist.gets(&mut stage, r#"{"jsonrpc":"2.0","result":11,"id":1}"#);
    stage.until("the third is read", |world| world.held.len() == 2);
    for (ticket, number) in std::mem::take(&mut stage.world.held).into_iter().zip([12, 13]) {
        ticket.answer(stage.reactor.registry(), Ok(number)).expect("he waits");
    }
    typist.gets(&mut stage, r#"{"jsonrpc":"2.0","result":12,"id":2}"#);
    typist.gets(&mut stage, r#"{"jsonrpc":"2.0","result":13,"id":3}"#);
}

#[test]
fn in_a_batch_the_calls_beyond_the_limit_are_refused() {
    let mut stage = Stage::with_limits(Limits { calls: 2, ..Limits::default() });
    let mut typist = stage.typist(Framing::Lines);
    typist.types(&mut stage, format!("[{},{},{}]", hold(1), hold(2), hold(3)));
    stage.until("two wait", |world| world.held.len() == 2);
    for ticket in std::mem::take(&mut stage.world.held) {
        ticket.answer(stage.reactor.registry(), Ok(0)).expect("he waits");
    }
    let answers = typist.reads(&mut stage);
    assert_eq!((&answers[2]["id"], code(&answers[2])), (&json!(3), Error::BUSY));
    assert_eq!(answers.as_array().map(Vec::len), Some(3));
}

#[test]
fn all_connections_together_may_have_so_many_calls_waiting() {
    let mut stage = Stage::with_limits(Limits { calls_in_all: 1, ..Limits::default() });
    let mut one = stage.typist(Framing::Lines);
    let mut other = stage.typist(Framing::Lines);
    one.types(&mut stage, hold(1));
    stage.until("it waits", |world| world.held.len() == 1);
    other.types(&mut stage, hold(2));
    assert_eq!(code(&other.reads(&mut stage)), Error::BUSY);
    // What is answered at once is not held up.
    other.gets_nothing(&mut stage);
    // Whoever waits may be gone, and makes room. One who leaves without having read is gone; of one who
    // only sends no more it cannot be known.
    one.types(&mut stage, r#"{"jsonrpc":"2.0","method":"sum","id":1}"#);
    stage.until("it is answered", |world| {
        world.seen.iter().filter(|it| *it == "sum ran").count() == 2
    });
    stage.turn();
    drop(one);
    stage.until_seen("closed: the peer reset the connection");
    other.types(&mut stage, hold(3));
    stage.until("it waits", |world| world.held.len() == 2);
    assert!(stage.world.held[0].is_void() && !stage.world.held[1].is_void());
    let ticket = stage.world.held.remove(1);
    ticket.answer(stage.reactor.registry(), Ok(0)).expect("he waits");
    assert_eq!(other.reads(&mut stage)["id"], 3);
}

#[test]
fn an_answer_that_takes_too_long_is_an_error_and_what_comes_later_is_dropped() {
    let answer = Duration::from_millis(20);
    let mut stage = Stage::with_limits(Limits { answer, ..Limits::default() });
    let mut typist = stage.typist(Framing::Lines);
    typist.types(&mut stage, hold(1));
    assert_eq!(code(&typist.reads(&mut stage)), Error::TOO_SLOW);
    let ticket = stage.world.held.remove(0);
    assert!(ticket.is_void());
    ticket.answer(stage.reactor.registry(), Ok(5)).expect("he is there");
    typist.gets_nothing(&mut stage);
}

#[test]
fn a_client_may_have_so_many_calls_waiting_and_so_many_bytes_of_them() {
    let mut stage = Stage::with_limits(Limits { made: 2, ..Limits::default() });
    let server = stage.listen(Framing::Lines);
    let client = stage.client(ClientOptions::new(server));
    stage.call(&client, "hold", &json!([]));
    stage.call(&client, "hold", &json!([]));
    let third = stage.call_for(&client, "sum", &json!([]), Duration::from_secs(1));
    assert_eq!(third, Err(CallError::Full));
    client.close(stage.reactor.registry());
    stage.until("both have failed", |world| world.results.len() == 2);
    assert!(matches!(stage.world.results[0], Err(CallError::Lost { .. })));
    stage.finish();

    let mut stage = Stage::with_limits(Limits { kept: 300, ..Limits::default() });
    let server = stage.listen(Framing::Lines);
    let client = stage.client(ClientOptions::new(server));
    let long = json!(["x".repeat(200)]);
    stage.call(&client, "greet", &long);
    let second = stage.call_for(&client, "greet", &long, Duration::from_secs(1));
    assert_eq!(second, Err(CallError::Full));
    stage.until("the first is answered", |world| world.results.len() == 1);
    stage.call(&client, "greet", &long);
    stage.until("there is room again", |world| world.results.len() == 2);
    client.close(stage.reactor.registry());
}

#[test]
fn parameters_that_cannot_be_sent_come_back_at_once() {
    let mut stage = Stage::with_limits(Limits { message: 100, ..Limits::default() });
    let server = stage.listen(Framing::Lines);
    let client = stage.client(ClientOptions::new(server));
    for params in [json!(5), json!("x"), json!(["x".repeat(200)])] {
        let called = stage.call_for(&client, "sum", &params, Duration::from_secs(1));
        assert!(matches!(called, Err(CallError::Params(_))), "{params}");
    }
    client.close(stage.reactor.registry());
}
