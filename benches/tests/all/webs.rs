//! Every server of the web and of calls answers what it is asked: one that did not would be measured wrong.

use std::fmt::Display;

use benches::Result;
use benches::calls::Calls;
use benches::clients::askers::{Asked, asked};
use benches::loaded::Start;
use benches::webs::Web;
use benches::work::Work;

#[test]
fn every_web_server_answers_each_question_and_many_at_once() -> Result {
    Web::all().iter().try_for_each(answers)
}

#[test]
fn every_server_of_calls_answers_each_and_many_at_once() -> Result {
    Calls::all().iter().try_for_each(answers)
}

fn answers(who: &(impl Asked + Display)) -> Result {
    let Some(mut loaded) = crate::started(who, asked(Start::Here, *who, (3, 16)))? else {
        return Ok(());
    };
    loaded.run(4 * 3 * 16).map(drop).map_err(|error| format!("{who}: {error}").into())
}
