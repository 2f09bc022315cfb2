//! How many messages of 64 bytes a client publishes, and hears, in a second of its processor's time: this project's, and
//! async-nats on one thread of tokio. `compare` runs both, and the one of npm, beside one `nats-server`.

#![forbid(unsafe_code)]

mod asynchronous;
mod ours;

use std::env;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

const SUBJECT: &str = "bench.a";
const PAYLOAD: [u8; 64] = [b'x'; 64];

fn main() {
    let words: Vec<String> = env::args().skip(1).collect();
    let [who, what, count, url] = &*words else {
        panic!("expected ours|async-nats pub|sub COUNT URL");
    };
    let count = count.parse().expect("a number");
    match (&**who, &**what) {
        ("ours", "pub") => ours::publish(count, url),
        ("ours", "sub") => ours::subscribe(count, url),
        ("async-nats", "pub") => asynchronous::publish(count, url),
        ("async-nats", "sub") => asynchronous::subscribe(count, url),
        _ => panic!("expected ours|async-nats pub|sub COUNT URL"),
    }
}

/// Microseconds of the processor, this process's and the system's for it.
fn processor_time() -> i64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("it is ours");
    (usage.user_time() + usage.system_time()).num_microseconds()
}

fn report(name: &str, count: u64, began: i64) {
    let used = (processor_time() - began).max(1) as f64 / 1e6;
    println!(
        "{name}: {:.1} million messages a second of processor time",
        count as f64 / used / 1e6
    );
}
