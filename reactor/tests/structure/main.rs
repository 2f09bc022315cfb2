//! The order that the map at the head of `lib.rs` claims: a module imports only from those before it, and files
//! do not import each other in a circle, but for one circle that has a reason.
//!
//! `imports` reads the source. `errors` holds that no cause is said twice, `reading` the book's list of what the
//! loop is.

mod errors;
mod imports;
mod reading;

use std::collections::BTreeSet;

use imports::{House, top};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");

/// The one circle. The registry holds every source and every closure that waits for the loop, and each of
/// them is called with the registry, or with a transport that borrows it: so their types name each other.
/// What there is to do with them is elsewhere, in files that name these and are named by none.
const CIRCLE: &[&str] = &[
    "datagram/transport.rs",
    "handle.rs",
    "listener/among.rs",
    "listener/entrance.rs",
    "listener/mod.rs",
    "registry/inherit.rs",
    "registry/mod.rs",
    "registry/protocol.rs",
    "registry/timers.rs",
    "signals.rs",
    "source.rs",
    "stream/transport.rs",
];

#[test]
fn files_import_each_other_in_no_circle_but_one() {
    let house = House::read(SOURCE);
    let circles = house.circles();
    let expected: Vec<BTreeSet<&str>> = vec![CIRCLE.iter().copied().collect()];
    let found: Vec<BTreeSet<&str>> =
        circles.iter().map(|circle| circle.iter().map(String::as_str).collect()).collect();
    assert_eq!(found, expected, "{}", house.arrows_within(&circles));
}

#[test]
fn a_module_imports_only_from_those_before_it() {
    let house = House::read(SOURCE);
    let order = order(&house.source("lib.rs"));
    let place = |file: &str| {
        let module = top(file);
        let row = order.iter().position(|row| row.contains(&module));
        let row = row.unwrap_or_else(|| panic!("lib.rs' table has no `{module}`"));
        let column = order[row].iter().position(|other| *other == module);
        // Those of the circle's row are read together.
        (row, column.filter(|_| !order[row].contains(&"registry".to_owned())))
    };
    let backwards: Vec<String> = house
        .arrows
        .iter()
        .flat_map(|(from, tos)| tos.iter().map(move |(to, names)| (from, to, names)))
        .filter(|(from, to, _)| {
            *from != "lib.rs" && top(from) != top(to) && place(from) < place(to)
        })
        .map(|(from, to, names)| format!("{from} -> {to}: {names:?}"))
        .collect();
    assert!(backwards.is_empty(), "{}", backwards.join("\n"));
}

/// The rows of the table in `lib.rs`.
fn order(lib: &str) -> Vec<Vec<String>> {
    let rows = lib.lines().filter_map(|line| line.strip_prefix("// | `"));
    let modules = |row: &str| {
        let cell = row.split('|').next().unwrap_or_default();
        cell.split('`')
            .filter(|word| word.chars().all(|c| c.is_alphanumeric() || c == '_'))
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    };
    rows.map(modules).collect()
}
