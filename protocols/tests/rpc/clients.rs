//! The client: typed calls, deadlines, batches, and connections that are lost.

use std::time::Duration;

use protocols::rpc::{CallError, ClientOptions, Dialect, Error, Framing, Limits, Lost};
use reactor::{Address, Backoff};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::stage::{self, Over, PATIENCE, Stage, World};

#[test]
fn a_client_calls_by_position_and_by_name_over_everything_and_in_both_versions() {
    for over in Over::ALL.iter().copied() {
        for dialect in [Dialect::Two, Dialect::One] {
            let mut stage = Stage::new();
            let server = match (over, dialect) {
                (Over::Stream(framing), _) => stage.listen_as(framing, dialect),
                (_, Dialect::Two) => stage.listen(over),
                // The web came later.
                (_, Dialect::One) => continue,
            };
            let client = stage.client(ClientOptions { dialect, ..over.options(server) });
            stage.call(&client, "subtract", &json!([5, 3]));
            stage.call(&client, "get_data", &json!(null));
            stage.call(&client, "nope", &json!([]));
            stage.until("all are answered", |world| world.results.len() == 3);
            let refused = Err(CallError::Refused(Error::new(-32601, "Method not found")));
            assert_eq!(stage.world.results, [Ok(json!(2)), Ok(json!(["hello", 5])), refused]);
            client.close(stage.reactor.registry());
        }
    }
}

#[test]
fn a_result_of_another_type_is_no_result() {
    let mut stage = Stage::new();
    let server = stage.listen(Framing::Lines);
    let client = stage.client(ClientOptions::new(server));
    let (registry, remote) = (stage.reactor.registry(), client.remote());
    let called = remote.call(registry, "sum", &[1], PATIENCE, |_, world: &mut World, result| {
        let result: Result<String, CallError> = result;
        world.results.push(result.map(Value::String));
    });
    called.expect("it is sent");
    stage.until("it is answered", |world| world.results.len() == 1);
    assert!(matches!(stage.world.results[0], Err(CallError::Unexpected(_))));
    client.close(stage.reactor.registry());
}

#[test]
fn a_call_that_is_not_answered_in_time_has_failed_and_its_answer_is_a_stray() {
    Over::ALL.iter().for_each(|over| late(*over));
}

fn late(over: Over) {
    let mut stage = Stage::new();
    let server = stage.listen(over);
    let client = stage.client(over.options(server));
    let timeout = Duration::from_millis(100);
    stage.call_for(&client, "hold", &json!([]), timeout).expect("it is sent");
    stage.until("it has failed", |world| world.results == [Err(CallError::Timeout(timeout))]);
    stage.until("it has come", |world| world.held.len() == 1);
    let ticket = stage.world.held.remove(0);
    ticket.answer(stage.reactor.registry(), Ok(1)).expect("he is there");
    stage.until_seen("stray 1");
    client.close(stage.reactor.registry());
}

#[test]
fn a_call_to_nobody_says_why_there_was_no_connection() {
    // By HTTP a call may be in a post of its own when its time is over, of which nothing is known.
    for over in [Over::Stream(Framing::Lines), Over::WebSocket] {
        let mut stage = Stage::new();
        let mut options = over.options("127.0.0.1:1".parse().expect("an address"));
        options.reconnect = Some(Backoff::new(Duration::from_millis(1), Duration::from_millis(1)));
        let client = stage.client(options);
        let timeout = Duration::from_millis(100);
        stage.call_for(&client, "sum", &json!([1]), timeout).expect("it waits");
        stage.until("it has failed", |world| world.results.len() == 1);
        let told = stage.world.results.remove(0).expect_err("nobody is there").to_string();
        assert!(told.starts_with("no answer in 100ms: "), "{told}");
        assert!(told.contains("refused"), "{told}");
        client.close(stage.reactor.registry());
        stage.until_gone();
    }
}

#[test]
fn a_call_that_is_cancelled_is_cancelled_on_both_sides() {
    let mut stage = Stage::new();
    let server = stage.listen(Framing::Lines);
    let client = stage.client(ClientOptions::new(server));
    let id = stage.call_for(&client, "hold", &json!([]), PATIENCE).expect("it is sent");
    stage.until("it has come", |world| world.held.len() == 1);
    assert!(client.remote().cancel(stage.reactor.registry(), id));
    assert!(!client.remote().cancel(stage.reactor.registry(), id));
    stage.until("it is", |world| world.results == [Err(CallError::Cancelled)]);
    stage.until("the server knows", |world| world.held[0].is_void());
    client.close(stage.reactor.registry());
}

#[test]
fn a_batch_goes_out_as_one_and_each_of_its_calls_is_told() {
    Over::ALL.iter().for_each(|over| batch(*over));
}

fn batch(over: Over) {
    let mut stage = Stage::new();
    let server = stage.listen(over);
    let client = stage.client(over.options(server));
    let mut batch = client.remote().batch();
    for numbers in [vec![1, 2], vec![3, 4]] {
        let added = batch.call("sum", &numbers, PATIENCE, |_, world: &mut World, result| {
            world.results.push(result);
        });
        added.expect("it is JSON");
    }
    batch.notify("update", &[9]).expect("it is JSON");
    batch.send(stage.reactor.registry()).expect("it is connected");
    stage.until("both are answered", |world| world.results == [Ok(json!(3)), Ok(json!(7))]);
    assert!(stage.world.seen.iter().any(|line| line == "update [9]"));
    client.close(stage.reactor.registry());
    stage.until("it has ended", |_| client.remote().connection().is_none());
    let late = client.remote().batch().send(stage.reactor.registry());
    assert!(matches!(late, Err(CallError::Lost { sent: false, .. })));
}

#[test]
fn a_server_that_is_not_there_is_told_of() {
    Over::ALL.iter().for_each(|over| nobody(*over));
}

fn nobody(over: Over) {
    let mut stage = Stage::new();
    let server = free_address(&mut stage);
    let client = stage.client(over.options(server));
    stage.call(&client, "sum", &json!([]));
    stage.until("it has failed", |world| world.results.len() == 1);
    let Err(CallError::Lost { why, sent }) = &stage.world.results[0] else {
        panic!("{:?}", stage.world.results);
    };
    assert!(why.contains("not connect") && !sent, "{over:?}: {why}");
    if client.remote().connection().is_none() && matches!(over, Over::Stream(_)) {
        // And there is no second try; it is said again why.
        let again = stage.call_for(&client, "sum", &json!([]), PATIENCE);
        assert_eq!(again.map_err(Err), Err(stage.world.results.remove(0)));
    }
    client.close(stage.reactor.registry());
}

#[test]
fn a_client_waits_for_its_server_and_then_calls() {
    Over::ALL.iter().for_each(|over| waits(*over));
}

fn waits(over: Over) {
    let mut stage = Stage::new();
    let server = free_address(&mut stage);
    let client = stage.client(persistent(over, server.clone(), Lost::Fail));
    stage.call(&client, "sum", &json!([1, 2]));
    stage.until("it was refused twice", |world| {
        count(world, "closed: could not connect") + count(world, "unreachable: cannot connect") >= 2
    });
    match over {
        Over::Stream(framing) => drop(stage.listen_at(server, framing, Dialect::Two)),
        Over::Http | Over::WebSocket => drop(stage.listen_http_at(server)),
    }
    stage.until("it is answered", |world| world.results == [Ok(json!(3))]);
    client.close(stage.reactor.registry());
}

#[test]
fn when_the_connection_is_lost_calls_fail_or_are_sent_again_as_the_program_likes() {
    let overs = Over::ALL.iter().filter(|over| over.is_lasting());
    for (over, policy) in overs.flat_map(|it| [(*it, Lost::Fail), (*it, Lost::SendAgain)]) {
        let expected = (policy == Lost::SendAgain).then_some(Ok(json!(7)));
        let mut stage = Stage::new();
        let server = stage.listen(over);
        let client = stage.client(persistent(over, server, policy));
        let registry = stage.reactor.registry();
        let listens = client.subscribe(registry, "listen", &(), PATIENCE, |_, world, result| {
            let world: &mut World = world;
            assert_eq!(result, Ok(json!("news")));
            world.seen.push("subscribed".to_owned());
        });
        listens.expect("it is sent");
        stage.until_seen("subscribed");
        stage.call(&client, "hold", &json!([]));
        stage.until("it has come", |world| world.held.len() == 1);
        let connection = client.remote().connection().expect("it is connected");
        stage.reactor.registry().abort(connection).expect("it is there");
        stage.until("it is void", |world| world.held[0].is_void());
        // The subscription is made again, also if nothing else is.
        stage.until("it is connected again", |world| count(world, "listen ran") == 2);
        assert_eq!(stage.world.news.len(), 1);
        match expected {
            None => {
                stage.until("it has failed", |world| world.results.len() == 1);
                let lost = CallError::Lost { why: "aborted".to_owned(), sent: true };
                assert_eq!(stage.world.results, [Err(lost)]);
            }
            Some(result) => {
                stage.until("it comes again", |world| world.held.len() == 2);
                let ticket = stage.world.held.remove(1);
                ticket.answer(stage.reactor.registry(), Ok(7)).expect("he waits");
                stage.until("it is answered", |world| world.results == [result.clone()]);
            }
        }
        client.close(stage.reactor.registry());
    }
}

#[test]
fn a_subscription_is_made_again_with_the_same_parameters_digit_for_digit() {
    let mut service = stage::service(Limits::default());
    service.fallback(|call, params| {
        call.app.seen.push(format!("{} {}", call.method(), params.unwrap_or_default()));
        to_raw_value(&()).map_err(Error::internal)
    });
    let mut stage = Stage::with(service);
    let server = stage.listen(Framing::Lines);
    let client = stage.client(persistent(Framing::Lines.into(), server, Lost::Fail));
    let params = RawValue::from_string("[12345678901234567890123]".to_owned()).expect("JSON");
    let registry = stage.reactor.registry();
    client.subscribe(registry, "watch", &params, PATIENCE, |_, _, _| {}).expect("it is sent");
    let heard = "watch [12345678901234567890123]";
    stage.until_seen(heard);
    let connection = client.remote().connection().expect("it is connected");
    stage.reactor.registry().abort(connection).expect("it is there");
    stage.until("it is made again", |world| count(world, heard) == 2);
    client.close(stage.reactor.registry());
    stage.finish();
}

#[test]
fn json_of_several_lines_is_one_message_both_ways() {
    let several = || RawValue::from_string("[1,\r\n2]".to_owned()).expect("JSON");
    let inner = "[\n{\"jsonrpc\":\"2.0\",\"method\":\"update\",\"params\":[1]}\n]";
    let inner = || RawValue::from_string(inner.to_owned()).expect("JSON");
    for over in Over::ALL.iter().filter(|over| over.is_lasting()) {
        let mut service = stage::service(Limits::default());
        service.fallback(move |call, params| {
            call.app.seen.push(format!("{} came", call.method()));
            match call.method() {
                "news" => to_raw_value(&()).map_err(Error::internal),
                "fails" => Err(Error::new(17, "no").with_data(&several())),
                _ => RawValue::from_string(params.unwrap_or_default().to_owned())
                    .map_err(Error::internal),
            }
        });
        let mut stage = Stage::with(service);
        let server = stage.listen(*over);
        let client = stage.client(over.options(server));
        let note = |_: &mut _, world: &mut World, result: Result<Value, CallError>| {
            world.results.push(result);
        };
        let registry = stage.reactor.registry();
        let mut batch = client.remote().batch();
        batch.call("listen", &(), PATIENCE, note).expect("it is JSON");
        for params in [several(), inner()] {
            batch.call("give", &params, PATIENCE, note).expect("it is JSON");
        }
        batch.call("fails", &several(), PATIENCE, note).expect("it is JSON");
        batch.send(registry).expect("it is sent");
        client.remote().call(registry, "give", &several(), PATIENCE, note).expect("it is sent");
        stage.until("all are answered", |world| world.results.len() == 5);
        let refused = Error::new(17, "no").with_data(&several());
        let update = json!([{"jsonrpc": "2.0", "method": "update", "params": [1]}]);
        let expected = [
            Ok(json!("news")),
            Ok(json!([1, 2])),
            Ok(update),
            Err(CallError::Refused(refused)),
            Ok(json!([1, 2])),
        ];
        assert_eq!(stage.world.results, expected, "{over:?}");
        stage.world.news.publish(stage.reactor.registry(), &inner()).expect("it is JSON");
        stage.until_seen("news came");
        assert_eq!(count(&stage.world, "update"), 0, "nobody has called it");
        client.close(stage.reactor.registry());
        stage.finish();
    }
}

#[test]
fn a_server_that_hangs_up_fails_what_waits() {
    let mut stage = Stage::with_limits(Limits { message: 2_000, ..Limits::default() });
    let server = stage.listen(Framing::ContentLength);
    let client = stage.client(ClientOptions::new(server));
    // The server speaks in frames, and these are lines: what stands before the first colon is no header
    // that ends.
    for _ in 0..3 {
        stage.call(&client, "greet", &json!(["x".repeat(1_990)]));
    }
    stage.until("all have failed", |world| world.results.len() == 3);
    assert!(stage.world.results.iter().all(Result::is_err), "{:?}", stage.world.results);
}

fn persistent(over: Over, server: Address, lost: Lost) -> ClientOptions {
    let backoff = Backoff::new(Duration::from_millis(2), Duration::from_millis(20));
    ClientOptions { reconnect: Some(backoff), lost, ..over.options(server) }
}

fn count(world: &World, line: &str) -> usize {
    world.seen.iter().filter(|seen| seen.starts_with(line)).count()
}

/// An address where nobody listens.
fn free_address(stage: &mut Stage) -> Address {
    let address = stage.listen(Framing::Lines);
    let listener = stage.last_listener.expect("it was opened");
    stage.reactor.registry().close_listener(listener).expect("it listens");
    address
}
