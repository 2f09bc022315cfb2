//! Logging in before the connection is registered, after it, and again (IRCv3 sasl-3.1 and 3.2, RFC 4616).
//!
//! ```text
//!   AUTHENTICATE PLAIN ──▶ AUTHENTICATE + ──▶ base64, 400 bytes a line ──▶ 900, 903
//!            │ another mechanism: 908, 904     │ *: 906   │ too long: 905     │ wrong: 904
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::chat::server::context::Context;
use crate::chat::wire::capability::Caps;
use crate::chat::wire::casemap::same_name;
use crate::chat::wire::message::Message;
use crate::chat::wire::numeric;

use super::accounts;

/// Bytes of base64 on a full line; a shorter one is the last.
const CHUNK: usize = 400;
/// Bytes of base64 in all: more than a name and a password of reasonable lengths.
const LONGEST: usize = 4 * CHUNK;

/// `AUTHENTICATE mechanism`, then `AUTHENTICATE base64`, or `*` to give up.
pub(super) fn authenticate(ctx: &mut Context<'_>, message: &Message<'_>) {
    let param = message.param(0).unwrap_or_default();
    // A client that has seen `sasl` on the list may forget to ask for it, and means it nonetheless.
    if !ctx.caps().has(Caps::SASL) && !ctx.user().knows_302 {
        return ctx.numeric(numeric::ERR_SASLFAIL, &[]);
    }
    // From version 302 of capability negotiation on a client may log in again (IRCv3 sasl-3.2).
    if ctx.user().account.is_some() && !ctx.user().knows_302 {
        return ctx.numeric(numeric::ERR_SASLALREADY, &[]);
    }
    match ctx.user_mut().sasl.take() {
        _ if param == "*" => ctx.numeric(numeric::ERR_SASLABORTED, &[]),
        Some(so_far) => go_on(ctx, so_far, param),
        None if param.eq_ignore_ascii_case("PLAIN") => {
            ctx.user_mut().sasl = Some(Vec::new());
            ctx.reply(
                crate::chat::wire::builder::Builder::new().command("AUTHENTICATE").param("+"),
            );
        }
        None => {
            ctx.numeric(numeric::RPL_SASLMECHS, &["PLAIN"]);
            ctx.numeric(numeric::ERR_SASLFAIL, &[]);
        }
    }
}

fn go_on(ctx: &mut Context<'_>, mut so_far: Vec<u8>, chunk: &str) {
    if chunk.len() > CHUNK || so_far.len() + chunk.len() > LONGEST {
        return ctx.numeric(numeric::ERR_SASLTOOLONG, &[]);
    }
    if chunk != "+" {
        so_far.extend_from_slice(chunk.as_bytes());
    }
    if chunk.len() == CHUNK {
        ctx.user_mut().sasl = Some(so_far);
        return;
    }
    let Some((name, password)) = plain(&so_far) else {
        return fail(ctx, "an unknown account");
    };
    let account = ctx.server.accounts.account(&name).map(|account| account.name().to_owned());
    accounts::hold_password(ctx, &name, account, &password, authenticated);
}

/// The name and the password of a PLAIN message: `[authzid] NUL authcid NUL passwd`, where nobody may act
/// as another.
fn plain(base64: &[u8]) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(base64).ok()?).ok()?;
    let mut parts = text.split('\0');
    let (other, name, password) = (parts.next()?, parts.next()?, parts.next()?);
    let is_plain = parts.next().is_none() && !name.is_empty() && !password.is_empty();
    let is_same = other.is_empty() || same_name(other, name);
    (is_plain && is_same).then(|| (name.to_owned(), password.to_owned()))
}

/// The password was looked at.
fn authenticated(ctx: &mut Context<'_>, account: Option<String>, is_right: Result<bool, String>) {
    match (is_right, account) {
        (Ok(true), Some(account)) => {
            accounts::log_in(ctx, &account);
            ctx.numeric(numeric::RPL_SASLSUCCESS, &[]);
        }
        (Ok(_), account) => fail(ctx, account.as_deref().unwrap_or("an unknown account")),
        (Err(_), _) => say_busy(ctx),
    }
}

/// Nobody has looked at the password. The numeric is all that every client knows; its text is for the
/// person, and the standard reply for the program, which need not ask for another password.
fn say_busy(ctx: &mut Context<'_>) {
    let text = "The server is too busy to look at your password. Try again later";
    if ctx.caps().has(Caps::STANDARD_REPLIES) {
        ctx.fail("AUTHENTICATE", "TEMPORARILY_UNAVAILABLE", &[], text);
    }
    ctx.numeric_text(numeric::ERR_SASLFAIL, &[], text);
}

fn fail(ctx: &mut Context<'_>, what: &str) {
    ctx.numeric(numeric::ERR_SASLFAIL, &[]);
    accounts::count_wrong_password(ctx, what);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_message_is_read_and_nobody_acts_as_another() {
        let read = |text: &str| plain(STANDARD.encode(text).as_bytes());
        let ann = Some(("ann".to_owned(), "secret".to_owned()));
        assert_eq!(read("\0ann\0secret"), ann);
        assert_eq!(read("Ann\0ann\0secret"), ann);
        for wrong in ["bob\0ann\0secret", "\0ann\0", "\0\0x", "ann", "", "\0a\0b\0c"] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
        assert_eq!(plain(b"not base64!"), None);
    }
}
