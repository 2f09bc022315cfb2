//! An echo of 64 bytes over TLS 1.3.

use super::{Runner, Subject};
use crate::secure::{self, Secure};
use crate::secured::Echoing;

const CONNECTIONS: usize = 50;
const MESSAGES: usize = 4_000;

pub(super) fn subjects() -> Vec<Subject> {
    let runner = |secure: Secure| {
        Runner::new(secure.peer(), move |instrument, messages| {
            let mut echoing = Echoing::start(secure.start_under(instrument)?, CONNECTIONS)?;
            echoing.exchange(messages)?;
            echoing.stop()
        })
    };
    vec![Subject {
        name: format!("tls.echo.{CONNECTIONS}x1"),
        about: format!("an echo of 64 bytes over TLS, connections: {CONNECTIONS}"),
        unit: "message",
        program: secure::PROGRAM,
        units: MESSAGES,
        round: CONNECTIONS,
        runners: [Secure::TokioEcho, Secure::ReactorEcho].map(runner).into(),
    }]
}
