//! What a server says to try it: time, echo, sum, sleep, and the methods of the specification's examples.

use std::time::{Duration, SystemTime};

use protocols::rpc::{Error, NoParams, Service};
use reactor::Registry;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::Topics;

/// How long a call may sleep: less than the server lets any call wait.
const LONGEST: f64 = 30.0;

#[derive(Deserialize, JsonSchema)]
struct Echo {
    /// Anything, which comes back digit for digit.
    value: Box<RawValue>,
}

#[derive(Deserialize, JsonSchema)]
struct Sleep {
    /// How long.
    seconds: f64,
}

#[derive(Deserialize, JsonSchema)]
struct Subtract {
    minuend: f64,
    subtrahend: f64,
}

pub(super) fn register<App: AsMut<Topics<App>> + 'static>(service: &mut Service<App>) {
    service.method("time", "Seconds since 1970", |call, NoParams {}| Ok(time(call.registry)));
    service.method("echo", "What it is given", |_, Echo { value }: Echo| Ok(value));
    service.method("sum", "The sum of numbers", |_, numbers: Vec<f64>| Ok(sum(&numbers)));
    service.later::<Sleep, f64>("sleep", "Answers after so many seconds", |call, sleep, ticket| {
        let Sleep { seconds } = sleep;
        if !(0.0..=LONGEST).contains(&seconds) {
            return Err(Error::invalid_params(format_args!("0 to {LONGEST} seconds")));
        }
        let set = call.registry.after(Duration::from_secs_f64(seconds), move |registry, _| {
            // Whoever asked may have gone.
            let _ = ticket.answer(registry, Ok(seconds));
        });
        set.map(drop).map_err(Error::internal)
    });
    service.topic("tick.listen", "tick.leave", "The time, as a notification each second", |app| {
        &mut app.as_mut().ticks
    });
    service.method("subtract", "The difference", |_, it: Subtract| {
        Ok(number(it.minuend - it.subtrahend))
    });
    service.method("get_data", "Some data", |_, NoParams {}| Ok(("hello".to_owned(), 5)));
    for name in ["update", "notify_hello", "notify_sum"] {
        service.method(name, "Takes note of nothing", |_, _: Vec<Value>| Ok(()));
    }
}

pub(super) fn time<App>(registry: &Registry<App>) -> f64 {
    let since = registry.wall_clock().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

fn sum(numbers: &[f64]) -> Value {
    number(numbers.iter().sum())
}

/// A whole number as one, as people write it.
fn number(value: f64) -> Value {
    // So far apart every whole number is one.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        return Value::from(value as i64);
    }
    Value::from(value)
}
