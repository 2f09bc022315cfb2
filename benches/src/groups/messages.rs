//! Messages to a loop from another thread: as many as it takes, and one at a time.

use crate::messages::{Form, Mailbox, MessageWork};
use crate::work::{Case, Clock, Contender, Group};

/// The group.
pub fn group() -> Group {
    Group {
        name: "messages",
        about: "How long a message from another thread takes: in a stream, where the loop finds many at \
                once, and alone, from the sender to the loop, which sleeps, and back to the sender, \
                which sleeps too. The ruler is a bare mio loop, its waker, and the standard library's \
                channel.",
        shown: "a stream",
        cases: vec![case("a stream", Form::Stream), case("there and back", Form::PingPong)],
    }
}

fn case(name: &str, form: Form) -> Case {
    Case {
        name: name.to_owned(),
        grows_to: None,
        unit: "message",
        clock: Clock::Wall,
        contenders: Contender::each(Mailbox::all(), move |mailbox| {
            MessageWork::start(mailbox, form)
        }),
    }
}
