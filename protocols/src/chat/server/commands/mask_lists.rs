//! The lists of masks of a channel: who may not join or speak (`b`), who may all the same (`e`), who needs no
//! invitation (`I`) (modern.ircdocs.horse, "Type A" modes).

use crate::chat::server::changes::Changed;
use crate::chat::server::channels::{Entry, List};
use crate::chat::server::context::{Context, presentable};
use crate::chat::server::keys::ChannelKey;
use crate::chat::wire::mask;
use crate::chat::wire::numeric;

use super::channel_modes::invalid;

/// Puts a mask on a list, or takes it off; what has changed by it.
pub(super) fn change(
    ctx: &mut Context<'_>,
    channel: ChannelKey,
    on: bool,
    letter: char,
    list: List,
    wanted: &str,
) -> Option<Changed> {
    let mask = mask::complete(wanted).into_owned();
    let limits = &ctx.server.settings.limits;
    let (most, longest) = (limits.list_entries, limits.mask_length);
    // Nobody's name has control characters. What is on a list already can be taken off it.
    let is_strange = on && mask.chars().any(char::is_control);
    if wanted.is_empty() || is_strange || presentable(&mask) != mask || mask.len() > longest {
        invalid(ctx, channel, letter, wanted, "That is no mask");
        return None;
    }
    let (by, at) = (ctx.source().to_string(), ctx.clock.seconds());
    let name = ctx.name_of(channel);
    let entries = ctx.server.channels[channel].list_mut(list);
    let known = entries.iter().position(|entry| entry.mask.eq_ignore_ascii_case(&mask));
    match (on, known) {
        (true, None) if entries.len() >= most => {
            let letter = letter.to_string();
            ctx.numeric(numeric::ERR_BANLISTFULL, &[&name, &letter]);
            None
        }
        (true, None) => {
            entries.push(Entry { mask: mask.clone(), by, at });
            Some(Changed { on, letter, param: Some(mask) })
        }
        (false, Some(at)) => {
            let mask = entries.remove(at).mask;
            Some(Changed { on, letter, param: Some(mask) })
        }
        _ => None,
    }
}

/// Tells what is on a list.
pub(super) fn tell(ctx: &mut Context<'_>, channel: ChannelKey, list: List) {
    let (entry_numeric, end) = match list {
        List::Bans => (numeric::RPL_BANLIST, numeric::RPL_ENDOFBANLIST),
        List::Exceptions => (numeric::RPL_EXCEPTLIST, numeric::RPL_ENDOFEXCEPTLIST),
        List::Invitations => (numeric::RPL_INVEXLIST, numeric::RPL_ENDOFINVEXLIST),
    };
    let name = ctx.name_of(channel);
    if ctx.server.channels[channel].is_visible_to(ctx.me) {
        for Entry { mask, by, at } in ctx.server.channels[channel].list(list).to_vec() {
            ctx.numeric(entry_numeric, &[&name, &mask, &by, &at.to_string()]);
        }
    }
    ctx.numeric(end, &[&name]);
}
