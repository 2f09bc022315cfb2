//! Every message arrives, once, in order, and wakes its loop.

use benches::Result;
use benches::messages::{Form, Mailbox, MessageWork};
use benches::work::Work;

#[test]
fn every_message_of_a_stream_arrives_in_order() -> Result {
    check(Form::Stream, 200_000)
}

#[test]
fn every_message_wakes_a_loop_that_sleeps() -> Result {
    check(Form::PingPong, 1_000)
}

/// The work itself fails when a message is lost, comes twice or out of order.
fn check(form: Form, messages: u64) -> Result {
    for mailbox in Mailbox::all() {
        let mut work = MessageWork::start(*mailbox, form)?;
        let spent = work.run(messages).map_err(|error| format!("{mailbox}: {error}"))?;
        assert_eq!(spent.units, messages, "{mailbox}");
    }
    Ok(())
}
