//! Files import each other in no larger circles than they do today, and what is on the wire is pure: bytes in,
//! values out.

#[path = "../../reactor/tests/structure/imports.rs"]
mod imports;

use imports::{House, top};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");

/// How many files are in the largest circle of each protocol. A number that has become smaller belongs here.
const CIRCLES: &[(&str, usize)] = &[
    ("chat", 5),
    ("echo", 2),
    ("http", 6),
    ("nats", 2),
    ("password", 3),
    ("rpc", 4),
    ("store", 3),
    ("torrent", 4),
    ("transfer", 6),
    ("websocket", 2),
];

/// They take texts out of the loop's own input without a copy.
const TAKE_FROM_THE_LOOP: &[&str] =
    &["rpc/wire/framer.rs", "torrent/wire/message.rs", "websocket/wire/decoder.rs"];

#[test]
fn files_import_each_other_in_no_larger_circles() {
    let house = House::read(SOURCE);
    let most = |module: &str| CIRCLES.iter().find(|(name, _)| *name == module).map(|it| it.1);
    let larger = |circle: &std::collections::BTreeSet<String>| {
        circle.iter().any(|file| most(&top(file)).is_none_or(|most| circle.len() > most))
    };
    let circles: Vec<_> = house.circles().into_iter().filter(larger).collect();
    assert!(circles.is_empty(), "{}", house.arrows_within(&circles));
}

#[test]
fn what_is_on_the_wire_is_pure() {
    let house = House::read(SOURCE);
    let is_on_the_wire = |file: &str| file.contains("/wire/");
    assert!(house.arrows.keys().any(|file| is_on_the_wire(file)), "it looks at nothing");
    let mut impure = Vec::new();
    for (from, tos) in house.arrows.iter().filter(|(from, _)| is_on_the_wire(from)) {
        let sides = tos.keys().filter(|to| to.contains("/server/") || to.contains("/client/"));
        impure.extend(sides.map(|to| format!("{from} -> {to}")));
        let source = house.source(from);
        let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let mut lines = code.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
        if lines.any(|line| line.contains("reactor::"))
            && !TAKE_FROM_THE_LOOP.contains(&from.as_str())
        {
            impure.push(format!("{from} -> reactor"));
        }
    }
    assert!(impure.is_empty(), "{}", impure.join("\n"));
}
