//! What the specification leaves open, and what servers get wrong.

use protocols::rpc::{Error, Framing, Limits};
use serde_json::Value;

use crate::stage::{self, Over, Stage};

/// What is sent, and the id and either the result or the code of what is answered.
const EDGES: [(&str, &str); 20] = [
    // A null id is an id, and so is one that no number of a machine holds.
    (r#"{"jsonrpc":"2.0","method":"sum","params":[1],"id":null}"#, r#"[null,1]"#),
    (r#"{"jsonrpc":"2.0","method":"sum","params":[1],"id":1.5}"#, r#"[1.5,1]"#),
    (r#"{"jsonrpc":"2.0","method":"sum","params":[1],"id":-1}"#, r#"[-1,1]"#),
    (r#"{"jsonrpc":"2.0","method":"sum","params":[1],"id":"\u00fc\""}"#, r#"["ü\"",1]"#),
    (r#"{"jsonrpc":"2.0","method":"sum","params":[1],"id":[]}"#, "[null,-32600]"),
    (r#"{"jsonrpc":"2.0","method":"sum","params":[1],"id":true}"#, "[null,-32600]"),
    // Parameters.
    (r#"{"jsonrpc":"2.0","method":"sum","params":null,"id":1}"#, "[1,0]"),
    (r#"{"jsonrpc":"2.0","method":"sum","id":1}"#, "[1,0]"),
    (r#"{"jsonrpc":"2.0","method":"sum","params":5,"id":1}"#, "[1,-32600]"),
    (r#"{"jsonrpc":"2.0","method":"subtract","params":[1],"id":1}"#, "[1,-32602]"),
    (r#"{"jsonrpc":"2.0","method":"subtract","params":[1,2,3],"id":1}"#, "[1,-32602]"),
    (r#"{"jsonrpc":"2.0","method":"subtract","params":{"minuend":1},"id":1}"#, "[1,-32602]"),
    (r#"{"jsonrpc":"2.0","method":"sum","params":[1e400],"id":1}"#, "[1,-32602]"),
    (
        r#"{"jsonrpc":"2.0","method":"subtract","params":{"minuend":1,"minuend":1,"subtrahend":1},"id":1}"#,
        "[1,-32602]",
    ),
    (r#"{"jsonrpc":"2.0","method":"greet","params":["ann"],"id":1}"#, r#"[1,"hello, ann"]"#),
    (
        r#"{"jsonrpc":"2.0","method":"greet","params":{"word":"oi","name":"ann"},"id":1}"#,
        r#"[1,"oi, ann"]"#,
    ),
    // Members.
    (r#"{"jsonrpc":"2.0","method":"sum","method":"sum","id":1}"#, "[null,-32600]"),
    (r#"{"jsonrpc":"1.0","method":"sum","id":1}"#, "[1,-32600]"),
    (r#"{"x":[],"id":1,"params":[2],"method":"s\u0075m","jsonrpc":"2.0"}"#, "[1,2]"),
    (r#"{"jsonrpc":"2.0","method":"rpc.nothing","id":1}"#, "[1,-32601]"),
];

#[test]
fn what_the_specification_leaves_open_is_decided_alike_whatever_carries_it() {
    for over in Over::ALL.iter().copied() {
        let mut stage = Stage::new();
        let mut typist = stage.typist(over);
        for (request, expected) in EDGES {
            typist.types(&mut stage, request);
            let answer = typist.reads(&mut stage);
            let said = answer.get("result").unwrap_or(&answer["error"]["code"]);
            let got = Value::Array(vec![answer["id"].clone(), said.clone()]);
            assert_eq!(got, serde_json::from_str::<Value>(expected).expect("JSON"), "{request}");
        }
    }
}

#[test]
fn a_hook_decides_on_every_call_and_notification_before_it_is_looked_at() {
    for over in Over::ALL.iter().copied() {
        let mut service = stage::service(Limits::default());
        service.authorize(|call| match call.method() {
            "sum" | "update" | "nothing" => Err(Error::new(Error::FORBIDDEN, "Not by you")),
            _ => Ok(()),
        });
        let mut stage = Stage::with(service);
        let mut typist = stage.typist(over);
        // Before its parameters are looked at, and before it is known whether there is such a method.
        for method in ["sum", "nothing"] {
            let request =
                format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":["x"],"id":1}}"#);
            typist.types(&mut stage, request);
            assert_eq!(typist.reads(&mut stage)["error"]["code"], Error::FORBIDDEN, "{method}");
        }
        typist.types(&mut stage, r#"{"jsonrpc":"2.0","method":"update","params":[1]}"#);
        stage.until_seen("update failed: Not by you");
        typist.types(&mut stage, r#"{"jsonrpc":"2.0","method":"greet","params":["ann"],"id":2}"#);
        assert_eq!(typist.reads(&mut stage)["result"], "hello, ann");
        drop(typist);
        stage.finish();
    }
}

#[test]
fn ids_come_back_byte_for_byte() {
    let mut stage = Stage::new();
    let mut typist = stage.typist(Framing::Lines);
    for id in ["1.50", "1e400", "123456789012345678901234567890", r#""\u0041""#] {
        let request = format!(r#"{{"jsonrpc":"2.0","method":"sum","id":{id}}}"#);
        typist.types(&mut stage, &request);
        typist.reads_text_with(&mut stage, &format!(r#""id":{id}}}"#));
    }
}

#[test]
fn bytes_that_are_no_json_are_answered_and_the_next_text_is_read() {
    for over in Over::ALL.iter().copied().filter(|over| *over != Framing::Bare.into()) {
        let mut stage = Stage::new();
        let mut typist = stage.typist(over);
        let texts: [&[u8]; 5] = [b"hello", b"{} {}", b"\"\\ud800", b"\0", b"\xff\xfe"];
        // Of a WebSocket's texts the WebSocket knows that they are UTF-8.
        let count = if over.is_text() { 4 } else { 5 };
        for text in &texts[..count] {
            typist.types(&mut stage, text);
            let answer = typist.reads(&mut stage);
            assert_eq!((&answer["error"]["code"], &answer["id"]), (&(-32700).into(), &Value::Null));
        }
        typist.gets_nothing(&mut stage);
        assert_eq!(stage.service.counters().invalid, count as u64);
    }
}

#[test]
fn an_error_of_the_programs_own_has_its_data() {
    let mut stage = Stage::new();
    let mut typist = stage.typist(Framing::ContentLength);
    typist.types(&mut stage, r#"{"jsonrpc":"2.0","method":"fail","id":1}"#);
    typist.gets(
        &mut stage,
        r#"{"jsonrpc":"2.0","error":{"code":17,"message":"no luck","data":["tried","twice"]},"id":1}"#,
    );
}

#[test]
fn who_sends_no_more_gets_his_answers_all_the_same() {
    let mut stage = Stage::new();
    let mut typist = stage.typist(Framing::Lines);
    typist.types(&mut stage, r#"{"jsonrpc":"2.0","method":"square","params":[12],"id":1}"#);
    typist.ends();
    typist.gets(&mut stage, r#"{"jsonrpc":"2.0","result":144,"id":1}"#);
    typist.sees_the_end(&mut stage);
}

#[test]
fn a_frame_without_a_length_is_told_of_and_ends_the_connection() {
    let mut stage = Stage::new();
    let mut typist = stage.typist(Framing::ContentLength);
    typist.types_raw(&mut stage, b"Content-Type: text\r\n\r\n{}");
    assert_eq!(typist.reads(&mut stage)["error"]["code"], -32700);
    typist.sees_the_end(&mut stage);
    stage.until_seen("broken: Content-Length is missing");
}

#[test]
fn a_service_describes_its_methods_and_how_they_are_called() {
    let mut stage = Stage::new();
    let mut typist = stage.typist(Framing::Lines);
    typist.types(&mut stage, r#"{"jsonrpc":"2.0","method":"rpc.discover","id":1}"#);
    let document = typist.reads(&mut stage)["result"].take();
    assert_eq!(document["openrpc"], "1.3.2");
    let methods = document["methods"].as_array().expect("methods");
    let greet = methods.iter().find(|it| it["name"] == "greet").expect("it is described");
    let params: Vec<_> = greet["params"].as_array().expect("params").iter().collect();
    assert_eq!(params.len(), 2);
    assert_eq!((&params[0]["name"], &params[0]["required"]), (&"name".into(), &true.into()));
    assert_eq!((&params[1]["name"], &params[1]["required"]), (&"word".into(), &false.into()));
    assert_eq!(params[1]["schema"]["default"], "hello");
    assert_eq!(greet["result"]["schema"]["type"], "string");
}
