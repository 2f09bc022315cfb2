//! What the server tells of itself (modern.ircdocs.horse, "Server Queries and Commands").

use crate::chat::server::context::Context;
use crate::chat::server::welcome::VERSION;
use crate::chat::wire::casemap::same_name;
use crate::chat::wire::mask;
use crate::chat::wire::message::Message;
use crate::chat::wire::numeric;

/// Whether a query is for this server: it names it, a mask of it, or somebody on it; or nobody.
pub(super) fn is_for_us(ctx: &mut Context<'_>, target: Option<&str>) -> bool {
    let Some(target) = target.filter(|target| !target.is_empty()) else {
        return true;
    };
    let name = &ctx.server.settings.name;
    let is_ours = same_name(target, name)
        || (mask::is_mask(target) && mask::matches(target, name))
        || ctx.server.users.named(target).is_some();
    if !is_ours {
        ctx.numeric(numeric::ERR_NOSUCHSERVER, &[target]);
    }
    is_ours
}

/// `MOTD [server]`
pub(super) fn motd(ctx: &mut Context<'_>, message: &Message<'_>) {
    if is_for_us(ctx, message.param(0)) {
        tell_motd(ctx);
    }
}

pub(super) fn tell_motd(ctx: &mut Context<'_>) {
    let Some(lines) = ctx.server.settings.motd.clone() else {
        return ctx.numeric(numeric::ERR_NOMOTD, &[]);
    };
    let name = ctx.server.settings.name.clone();
    ctx.numeric_text(numeric::RPL_MOTDSTART, &[], &format!("- {name} Message of the day - "));
    for line in &lines {
        ctx.numeric_text(numeric::RPL_MOTD, &[], &format!("- {line}"));
    }
    ctx.numeric(numeric::RPL_ENDOFMOTD, &[]);
}

/// `LUSERS`
pub(super) fn lusers(ctx: &mut Context<'_>, _: &Message<'_>) {
    tell_lusers(ctx);
}

pub(super) fn tell_lusers(ctx: &mut Context<'_>) {
    let counters = *ctx.server.counters();
    let (users, most) = (counters.users, counters.most_users);
    let everywhere = users + counters.remote;
    let (visible, invisible) = (everywhere - counters.invisible, counters.invisible);
    let others = ctx.server.other_servers().len();
    let unknown = (counters.open - users).to_string();
    let channels = ctx.server.channels.len().to_string();
    let servers = others + 1;
    let text = format!("There are {visible} users and {invisible} invisible on {servers} servers");
    ctx.numeric_text(numeric::RPL_LUSERCLIENT, &[], &text);
    ctx.numeric(numeric::RPL_LUSEROP, &[&counters.operators.to_string()]);
    ctx.numeric(numeric::RPL_LUSERUNKNOWN, &[&unknown]);
    ctx.numeric(numeric::RPL_LUSERCHANNELS, &[&channels]);
    let text = format!("I have {users} clients and {others} servers");
    ctx.numeric_text(numeric::RPL_LUSERME, &[], &text);
    let most_everywhere = counters.most_everywhere.max(most);
    for (numeric, which, users, most) in [
        (numeric::RPL_LOCALUSERS, "local", users, most),
        (numeric::RPL_GLOBALUSERS, "global", everywhere, most_everywhere),
    ] {
        let text = format!("Current {which} users {users}, max {most}");
        ctx.numeric_text(numeric, &[&users.to_string(), &most.to_string()], &text);
    }
}

/// `VERSION [server]`
pub(super) fn version(ctx: &mut Context<'_>, message: &Message<'_>) {
    if is_for_us(ctx, message.param(0)) {
        let name = ctx.server.settings.name.clone();
        ctx.numeric_text(numeric::RPL_VERSION, &[VERSION, &name], "one thread, no waiting");
        ctx.isupport();
    }
}

/// `TIME [server]`
pub(super) fn time(ctx: &mut Context<'_>, message: &Message<'_>) {
    if is_for_us(ctx, message.param(0)) {
        let (name, text) = (ctx.server.settings.name.clone(), ctx.clock.to_text());
        ctx.numeric_text(numeric::RPL_TIME, &[&name], &text);
    }
}

/// `INFO [server]`
pub(super) fn info(ctx: &mut Context<'_>, message: &Message<'_>) {
    if !is_for_us(ctx, message.param(0)) {
        return;
    }
    let since = ctx.server.started.map_or(ctx.clock, |started| started.at).to_text();
    for line in [
        ctx.server.settings.description.clone(),
        format!(
            "{VERSION}: a chat server as a state machine on the reactor, one thread for everybody."
        ),
        "It speaks IRC as modern.ircdocs.horse and the IRCv3 working group describe it.".to_owned(),
        format!("On-line since {since}"),
    ] {
        ctx.numeric_text(numeric::RPL_INFO, &[], &line);
    }
    ctx.numeric(numeric::RPL_ENDOFINFO, &[]);
}

/// `ADMIN [server]` (RFC 1459, 4.3.7)
pub(super) fn admin(ctx: &mut Context<'_>, message: &Message<'_>) {
    if !is_for_us(ctx, message.param(0)) {
        return;
    }
    let name = ctx.server.settings.name.clone();
    let Some(admin) = ctx.server.settings.admin.clone() else {
        return ctx.numeric(numeric::ERR_NOADMININFO, &[&name]);
    };
    ctx.numeric(numeric::RPL_ADMINME, &[&name]);
    ctx.numeric_text(numeric::RPL_ADMINLOC1, &[], &admin.location);
    ctx.numeric_text(numeric::RPL_ADMINLOC2, &[], &admin.organisation);
    ctx.numeric_text(numeric::RPL_ADMINEMAIL, &[], &admin.email);
}

/// `STATS letter [server]` (RFC 1459, 4.3.2): `u` since when, `m` which commands were given how often; for
/// operators, `o` who may be one, and `z` what the server and its loop have done.
pub(super) fn stats(ctx: &mut Context<'_>, message: &Message<'_>) {
    let letter = message.param(0).unwrap_or("*");
    if !is_for_us(ctx, message.param(1)) {
        return;
    }
    let is_operator = ctx.user().is_operator();
    match letter {
        "u" => tell_uptime(ctx),
        "m" => {
            let all = ctx.server.commands.clone();
            for (name, count) in all.into_iter().filter(|(_, count)| *count > 0) {
                ctx.numeric(numeric::RPL_STATSCOMMANDS, &[name, &count.to_string()]);
            }
        }
        "o" | "z" if !is_operator => ctx.numeric(numeric::ERR_NOPRIVILEGES, &[]),
        "o" => {
            for operator in ctx.server.settings.operators.clone() {
                ctx.numeric(numeric::RPL_STATSOLINE, &["O", &operator.host, "*", &operator.name]);
            }
        }
        "z" => {
            let report = ctx.server.network_report(ctx.network.now()).unwrap_or_default();
            let text = format!("{}\n{}\n{report}", ctx.server.counters, ctx.network.statistics());
            for line in text.lines().filter(|line| !line.is_empty()) {
                ctx.numeric_text(numeric::RPL_STATSDEBUG, &[], line);
            }
        }
        _ => {}
    }
    ctx.numeric(numeric::RPL_ENDOFSTATS, &[letter]);
}

fn tell_uptime(ctx: &mut Context<'_>) {
    let now = ctx.network.now();
    let since = ctx.server.started.map_or(now, |started| started.instant);
    let seconds = now.saturating_duration_since(since).as_secs();
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    let text = format!("Server Up {days} days {hours}:{minutes:02}:{seconds:02}");
    ctx.numeric_text(numeric::RPL_STATSUPTIME, &[], &text);
}

/// `LINKS`: this server, and those of the other nodes.
pub(super) fn links(ctx: &mut Context<'_>, _: &Message<'_>) {
    let settings = &ctx.server.settings;
    let (name, text) = (settings.name.clone(), format!("0 {}", settings.description));
    ctx.numeric_text(numeric::RPL_LINKS, &[&name, &name], &text);
    for (server, about) in ctx.server.other_servers() {
        ctx.numeric_text(numeric::RPL_LINKS, &[&server, &name], &format!("1 {about}"));
    }
    ctx.numeric(numeric::RPL_ENDOFLINKS, &["*"]);
}

/// `MAP`: each server hears all others, so the tree has one branch for each.
pub(super) fn map(ctx: &mut Context<'_>, _: &Message<'_>) {
    ctx.answer_in_turn(tell_map);
}

fn tell_map(ctx: &mut Context<'_>) {
    ctx.looks_at(ctx.server.users.len());
    for (at, (server, users)) in ctx.server.servers().into_iter().enumerate() {
        let branch = if at == 0 { "" } else { "|- " };
        let word = if users == 1 { "user" } else { "users" };
        ctx.numeric_text(numeric::RPL_MAP, &[], &format!("{branch}{server} ({users} {word})"));
    }
    ctx.numeric(numeric::RPL_MAPEND, &[]);
}

/// `USERS`: who is at the terminals of the machine is nobody's business.
pub(super) fn users(ctx: &mut Context<'_>, _: &Message<'_>) {
    ctx.numeric(numeric::ERR_USERSDISABLED, &[]);
}

/// `SUMMON`: nobody is called to the terminal any more.
pub(super) fn summon(ctx: &mut Context<'_>, _: &Message<'_>) {
    ctx.numeric(numeric::ERR_SUMMONDISABLED, &[]);
}
