//! Messages of several lines (IRCv3 multiline).
//!
//! ```text
//!   BATCH +1 draft/multiline #room ──▶ Draft ──┬─ @batch=1 PRIVMSG #room :… ─┐
//!                                        │ ▲   └─────────────────────────────┘
//!   FAIL BATCH MULTILINE_… ◀── too much ─┤
//!                                        └── BATCH -1 ──▶ said
//! ```

use crate::chat::server::context::Context;
use crate::chat::server::effect::Words;
use crate::chat::server::line::ClientTags;
use crate::chat::server::post::{Draft, Kind, Part};
use crate::chat::wire::capability::Caps;
use crate::chat::wire::casemap::same_name;
use crate::chat::wire::message::Message;

use super::messages;

const KIND: &str = "draft/multiline";
const CONCAT: &str = "draft/multiline-concat";

/// `BATCH +reference draft/multiline target`, `BATCH -reference`.
pub(super) fn batch(ctx: &mut Context<'_>, message: &Message<'_>) {
    let reference = message.param(0).unwrap_or_default();
    match (reference.split_at_checked(1), message.params()) {
        (Some(("+", name)), &[_, kind, target, ..]) if kind == KIND && !name.is_empty() => {
            begin(ctx, message, name, target);
        }
        (Some(("+", _)), &[_, kind, ..]) => {
            ctx.fail("BATCH", "UNKNOWN_TYPE", &[kind], "There is no such type of batch");
        }
        (Some(("-", name)), _) => end(ctx, name),
        _ => ctx.fail("BATCH", "INVALID_REFTAG", &[], "The batch is neither begun nor ended"),
    }
}

fn begin(ctx: &mut Context<'_>, message: &Message<'_>, name: &str, target: &str) {
    if !ctx.caps().has(Caps::MULTILINE) {
        return ctx.fail("BATCH", "UNKNOWN_TYPE", &[KIND], "You have not asked for multiline");
    }
    if ctx.user().draft.is_some() {
        ctx.user_mut().draft = None;
        return invalid(ctx, "A batch is open already");
    }
    let draft = Draft {
        reference: name.to_owned(),
        target: target.to_owned(),
        kind: None,
        parts: Vec::new(),
        bytes: 0,
        label: ctx.take_label(),
        client_tags: ClientTags::of(message.tags),
    };
    ctx.user_mut().draft = Some(Box::new(draft));
}

fn end(ctx: &mut Context<'_>, name: &str) {
    let Some(draft) = ctx.user_mut().draft.take().map(|draft| *draft) else {
        return ctx.fail("BATCH", "INVALID_REFTAG", &[name], "There is no such batch");
    };
    ctx.set_label(draft.label);
    let is_blank = draft.parts.iter().all(|part| part.text.is_empty());
    match draft.kind {
        Some(kind) if draft.reference == name && !is_blank => {
            ctx.user_mut().spoke = ctx.network.now();
            let (text, client_tags) = (draft.parts.into(), draft.client_tags);
            messages::say(ctx, &draft.target, Words { kind, text, client_tags });
        }
        _ => invalid(ctx, "The batch is empty, or another one"),
    }
}

fn invalid(ctx: &mut Context<'_>, text: &str) {
    ctx.fail("BATCH", "MULTILINE_INVALID", &[], text);
}

/// Takes a message that belongs to a batch; whether it did.
pub(super) fn takes(ctx: &mut Context<'_>, message: &Message<'_>) -> bool {
    let Some(batch) = message.tags.get("batch") else {
        return false;
    };
    let Some(mut draft) = ctx.user_mut().draft.take() else {
        // The batch was given up for an earlier fault, which was told.
        return true;
    };
    match add(ctx, &mut draft, &batch, message) {
        Ok(()) => ctx.user_mut().draft = Some(draft),
        Err(Fault::Invalid(text)) => invalid(ctx, text),
        Err(Fault::Target) => {
            let theirs = message.param(0).unwrap_or_default();
            let params = [draft.target.as_str(), theirs];
            ctx.fail("BATCH", "MULTILINE_INVALID_TARGET", &params, "The target has changed");
        }
        Err(Fault::TooMuch(code, most)) => {
            ctx.fail("BATCH", code, &[&most.to_string()], "The message is too long");
        }
    }
    true
}

/// What is wrong with a message of a batch, which ends it.
enum Fault {
    Invalid(&'static str),
    Target,
    TooMuch(&'static str, usize),
}

fn add(
    ctx: &Context<'_>,
    draft: &mut Draft,
    batch: &str,
    message: &Message<'_>,
) -> Result<(), Fault> {
    let kind = match message.command.to_ascii_uppercase().as_str() {
        "PRIVMSG" => Kind::Privmsg,
        "NOTICE" => Kind::Notice,
        _ => return Err(Fault::Invalid("Only messages can be in the batch")),
    };
    let &[target, text, ..] = message.params() else {
        return Err(Fault::Invalid("A message of the batch has no target or text"));
    };
    if batch != draft.reference || *draft.kind.get_or_insert(kind) != kind {
        return Err(Fault::Invalid("The batch, or the command, has changed"));
    }
    if !same_name(target, &draft.target) {
        return Err(Fault::Target);
    }
    let concat = message.tags.get(CONCAT).is_some();
    if concat && text.is_empty() {
        return Err(Fault::Invalid("A blank line cannot go on with the one before"));
    }
    let limits = &ctx.server.settings.limits;
    let is_new_line = !concat && !draft.parts.is_empty();
    draft.bytes += text.len() + usize::from(is_new_line);
    if draft.bytes > limits.multiline_bytes {
        return Err(Fault::TooMuch("MULTILINE_MAX_BYTES", limits.multiline_bytes));
    }
    if draft.parts.len() >= limits.multiline_lines {
        return Err(Fault::TooMuch("MULTILINE_MAX_LINES", limits.multiline_lines));
    }
    draft.parts.push(Part { text: text.to_owned(), concat });
    Ok(())
}
