//! Every keeper keeps its timers: one that forgot some, or fired early, would be measured wrong.

use std::thread;
use std::time::Duration;

use benches::Result;
use benches::timers::{Keeper, Operation, Setting, TimerWork, Timers, keep, spread_over};
use benches::work::Work;

const PLACES: usize = 300;
const SOON: Duration = Duration::from_millis(100);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn what_is_due_fires_once_and_what_is_cancelled_or_far_off_does_not() -> Result {
    for keeper in Keeper::all() {
        let mut timers = keep(*keeper, PLACES)?;
        let settings = spread_over(SOON, PLACES);
        timers.insert(&settings)?;
        timers.cancel(&settings[..100])?;
        timers.rearm(&in_an_hour(&settings[100..200]))?;
        thread::sleep(SOON + Duration::from_millis(20));
        assert_eq!(fire_all(&mut *timers)?, 100, "{keeper}");
    }
    Ok(())
}

#[test]
fn a_place_that_is_free_again_can_be_used_again() -> Result {
    for keeper in Keeper::all() {
        let mut timers = keep(*keeper, PLACES)?;
        let settings = in_an_hour(&spread_over(SOON, PLACES));
        for _ in 0..3 {
            timers.insert(&settings)?;
            timers.cancel(&settings)?;
        }
        timers.insert(&settings)?;
        assert_eq!(fire_all(&mut *timers)?, 0, "{keeper}");
        timers.rearm(&spread_over(SOON, PLACES))?;
        thread::sleep(SOON + Duration::from_millis(20));
        assert_eq!(fire_all(&mut *timers)?, PLACES as u64, "{keeper}");
    }
    Ok(())
}

#[test]
fn every_operation_does_at_least_what_it_was_asked_for() -> Result {
    for keeper in Keeper::all() {
        for operation in Operation::all() {
            let spent = TimerWork::new(*keeper, *operation, PLACES)?.run(PLACES as u64)?;
            assert!(spent.units >= PLACES as u64, "{keeper} {operation}: {spent:?}");
        }
    }
    Ok(())
}

fn in_an_hour(settings: &[Setting]) -> Vec<Setting> {
    settings.iter().map(|setting| Setting { delay: HOUR, ..*setting }).collect()
}

/// Fires until nothing more is due, which a budget may spread over several calls.
fn fire_all(timers: &mut dyn Timers) -> Result<u64> {
    let mut all = 0;
    for _ in 0..10 {
        all += timers.fire()?;
    }
    Ok(all)
}
