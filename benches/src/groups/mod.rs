//! The groups of measurements, one file each, all with one silhouette: a function that lists the cases.

pub mod calls;
pub mod chat;
pub mod codecs;
pub mod connect;
pub mod datagrams;
pub mod echo;
pub mod fan_out;
pub mod loops;
pub mod messages;
pub mod nats;
pub mod parts;
pub mod timers;
#[cfg(feature = "tls")]
pub mod tls;
pub mod web;

use crate::work::Group;

/// Every group, in the order of the report.
pub fn all() -> Vec<Group> {
    vec![
        echo::group(),
        connect::group(),
        loops::group(),
        fan_out::group(),
        datagrams::group(),
        timers::group(),
        messages::group(),
        parts::group(),
        codecs::group(),
        chat::group(),
        nats::group(),
        web::group(),
        #[cfg(feature = "tls")]
        tls::group(),
        calls::group(),
    ]
}
