//! Which capabilities this server offers, with their values (IRCv3 capability-negotiation).

use std::fmt::Write;

use super::Limits;
use crate::chat::wire::capability::{Caps, is_draft};

/// What this server offers with these limits.
pub(super) fn offered(limits: &Limits, registration: bool) -> Caps {
    let mut offered = Caps::all();
    if limits.history_messages == 0 {
        offered.set(Caps::CHATHISTORY | Caps::EVENT_PLAYBACK | Caps::MESSAGE_REDACTION, false);
    }
    offered.set(Caps::ACCOUNT_REGISTRATION, registration);
    offered
}

/// What `CAP LS` lists: with their values for clients that know version 302. The others are told all on
/// one line ("Multiline replies to CAP LS and CAP LIST"), which holds no drafts: those are younger than
/// such clients.
pub(super) fn listed(offered: Caps, version_302: bool, limits: &Limits) -> Vec<String> {
    let listed = offered.listed().filter(|(name, _)| version_302 || !is_draft(name));
    listed
        .map(|(name, caps)| {
            let mut text = name.to_owned();
            if version_302 {
                write_value(&mut text, caps, limits);
            }
            text
        })
        .collect()
}

fn write_value(text: &mut String, caps: Caps, limits: &Limits) {
    // Writing to a string does not fail.
    let _ = match caps {
        Caps::SASL => write!(text, "=PLAIN"),
        Caps::MULTILINE => {
            write!(
                text,
                "=max-bytes={},max-lines={}",
                limits.multiline_bytes, limits.multiline_lines
            )
        }
        Caps::METADATA_2 | Caps::METADATA_3 => {
            write!(
                text,
                "=before-connect,max-subs={},max-keys={},max-value-bytes={}",
                limits.metadata_subscriptions, limits.metadata_keys, limits.metadata_value
            )
        }
        Caps::ACCOUNT_REGISTRATION => write!(text, "=before-connect,custom-account-name"),
        _ => Ok(()),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_for_old_clients_fits_on_one_line_and_has_no_values() {
        let limits = Limits::default();
        let list = listed(offered(&limits, true), false, &limits).join(" ");
        assert!(list.len() < 420 && !list.contains('='), "{list}");
    }
}
