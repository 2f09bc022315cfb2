//! Every server of the web and of calls answers what it is asked: one that did not would be measured wrong.

use std::fmt::Display;

use benches::Result;
use benches::askers::{Askers, Asking};
use benches::calls::Calls;
use benches::program::Running;
use benches::webs::Web;
use clap::ValueEnum;

#[test]
fn every_web_server_answers_each_question_and_many_at_once() -> Result {
    Web::value_variants().iter().try_for_each(|web| answers(web, web.start(), web.asking(3, 16)))
}

#[test]
fn every_server_of_calls_answers_each_and_many_at_once() -> Result {
    let each = |calls: &Calls| answers(calls, calls.start(), calls.asking(3, 16));
    Calls::value_variants().iter().try_for_each(each)
}

fn answers(who: &impl Display, started: Result<Running>, asking: Asking) -> Result {
    let Some(running) = crate::started(who, started)? else { return Ok(()) };
    let mut askers = Askers::connect(running.server.address(), asking)?;
    askers.ask(4 * asking.round()).map_err(|error| format!("{who}: {error}").into())
}
