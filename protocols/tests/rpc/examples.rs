//! The examples of the specification, section 7, to the letter, over everything that carries them.

use protocols::rpc::{Dialect, Framing};

use crate::stage::{Over, Stage, Typist};

/// What is sent, and what is answered; nothing for notifications.
type Example = (&'static str, Option<&'static str>);

const EXAMPLES: [Example; 13] = [
    // rpc call with positional parameters
    (
        r#"{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}"#,
        Some(r#"{"jsonrpc": "2.0", "result": 19, "id": 1}"#),
    ),
    (
        r#"{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}"#,
        Some(r#"{"jsonrpc": "2.0", "result": -19, "id": 2}"#),
    ),
    // rpc call with named parameters
    (
        r#"{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}"#,
        Some(r#"{"jsonrpc": "2.0", "result": 19, "id": 3}"#),
    ),
    (
        r#"{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}"#,
        Some(r#"{"jsonrpc": "2.0", "result": 19, "id": 4}"#),
    ),
    // a Notification
    (r#"{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}"#, None),
    (r#"{"jsonrpc": "2.0", "method": "foobar"}"#, None),
    // rpc call of non-existent method
    (
        r#"{"jsonrpc": "2.0", "method": "foobar", "id": "1"}"#,
        Some(
            r#"{"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "1"}"#,
        ),
    ),
    // rpc call with invalid Request object
    (
        r#"{"jsonrpc": "2.0", "method": 1, "params": "bar"}"#,
        Some(
            r#"{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}"#,
        ),
    ),
    // rpc call with an empty Array
    (
        "[]",
        Some(
            r#"{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}"#,
        ),
    ),
    // rpc call with an invalid Batch (but not empty)
    (
        "[1]",
        Some(
            r#"[{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}]"#,
        ),
    ),
    // rpc call with invalid Batch
    (
        "[1,2,3]",
        Some(
            r#"[{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
                {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
                {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}]"#,
        ),
    ),
    // rpc call Batch
    (
        r#"[
            {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
            {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
            {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
            {"foo": "boo"},
            {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
            {"jsonrpc": "2.0", "method": "get_data", "id": "9"}
        ]"#,
        Some(
            r#"[
                {"jsonrpc": "2.0", "result": 7, "id": "1"},
                {"jsonrpc": "2.0", "result": 19, "id": "2"},
                {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
                {"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "5"},
                {"jsonrpc": "2.0", "result": ["hello", 5], "id": "9"}
            ]"#,
        ),
    ),
    // rpc call Batch (all notifications)
    (
        r#"[
            {"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},
            {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}
        ]"#,
        None,
    ),
];

/// Those that are no JSON at all: a framing that finds its ends by the brackets cannot have them.
const BROKEN: [Example; 2] = [
    // rpc call with invalid JSON
    (
        r#"{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]"#,
        Some(
            r#"{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}"#,
        ),
    ),
    // rpc call Batch, invalid JSON
    (
        r#"[ {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"}, {"jsonrpc": "2.0", "method" ]"#,
        Some(
            r#"{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}"#,
        ),
    ),
];

#[track_caller]
fn plays(stage: &mut Stage, typist: &mut Typist, (request, answer): Example) {
    // On a line there is no room for another.
    typist.types(stage, request.replace('\n', " "));
    match answer {
        Some(answer) => {
            let mut got = typist.reads(stage);
            without_data(&mut got);
            let expected: serde_json::Value = serde_json::from_str(answer).expect("JSON");
            assert_eq!(got, expected, "{request}");
        }
        None => typist.gets_nothing(stage),
    }
}

/// The specification lets an error have data, and has none in its examples.
fn without_data(answer: &mut serde_json::Value) {
    match answer {
        serde_json::Value::Array(answers) => answers.iter_mut().for_each(without_data),
        answer => {
            if let Some(error) = answer.get_mut("error").and_then(|error| error.as_object_mut()) {
                error.shift_remove("data");
            }
        }
    }
}

#[test]
fn the_examples_of_the_specification_are_answered_to_the_letter() {
    for over in Over::ALL.iter().copied() {
        let mut stage = Stage::new();
        let mut typist = stage.typist(over);
        for example in EXAMPLES {
            plays(&mut stage, &mut typist, example);
        }
        if over != Framing::Bare.into() {
            for example in BROKEN {
                plays(&mut stage, &mut typist, example);
            }
        }
        assert!(stage.world.seen.iter().any(|line| line == "update [1, 2, 3, 4, 5]"));
        assert!(stage.world.seen.iter().any(|line| line == "notify_sum [1, 2, 4]"));
    }
}

#[test]
fn version_one_is_answered_as_it_asks() {
    let mut stage = Stage::new();
    let address = stage.listen_as(Framing::Bare, Dialect::One);
    let mut typist = Typist::connect(&address, Framing::Bare);
    typist.types(
        &mut stage,
        r#"{"method":"subtract","params":[3,1],"id":7}{"method":"no","params":[],"id":"x"}"#,
    );
    typist.gets(&mut stage, r#"{"result":2,"error":null,"id":7}"#);
    let error = r#"{"result":null,"error":{"code":-32601,"message":"Method not found"},"id":"x"}"#;
    typist.gets(&mut stage, error);
    // A null id is a notification there, and there are no batches.
    typist.types(&mut stage, r#"{"method":"update","params":[1],"id":null}[]"#);
    assert_eq!(typist.reads(&mut stage)["error"]["code"], -32600);
    assert!(stage.world.seen.iter().any(|line| line == "update [1]"));
}
