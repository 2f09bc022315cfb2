//! What a user is greeted with, and what ISUPPORT promises.

use super::Server;
use super::context::Context;
use super::modes::Status;
use crate::chat::wire::casemap::{CASEMAPPING, CHANTYPES};
use crate::chat::wire::numeric;

/// What the server says it is (`VERSION`, 002, 004).
pub(super) const VERSION: &str = concat!("reactor-chat-", env!("CARGO_PKG_VERSION"));

/// Tokens on a line of ISUPPORT: of fifteen parameters, the nickname and the text take two.
const TOKENS: usize = 13;

/// The modes there are: of users; of channels; of channels, with a parameter (004).
const USER_MODES: &str = "BTiorw";
const CHANNEL_MODES: &str = "CIMRabehiklmnoqrstv";
const WITH_PARAMETER: &str = "Iabehkloqv";

impl Context<'_> {
    /// The numerics of a registration that is complete, in the order that clients rely on
    /// (modern.ircdocs.horse, "Connection Registration").
    pub(super) fn welcome(&mut self) {
        let network = self.server.settings.network.clone();
        let name = self.server.settings.name.clone();
        let source = self.source();
        let since = self.server.started.map_or(self.clock, |started| started.at).to_text();
        for (numeric, text) in [
            (numeric::RPL_WELCOME, format!("Welcome to the {network} Network, {source}")),
            (numeric::RPL_YOURHOST, format!("Your host is {name}, running version {VERSION}")),
            (numeric::RPL_CREATED, format!("This server was created {since}")),
        ] {
            self.numeric_text(numeric, &[], &text);
        }
        let params = [name.as_str(), VERSION, USER_MODES, CHANNEL_MODES, WITH_PARAMETER];
        self.numeric(numeric::RPL_MYINFO, &params);
        self.isupport();
    }

    pub(super) fn isupport(&mut self) {
        let tokens = self.server.isupport();
        for tokens in tokens.chunks(TOKENS) {
            let tokens: Vec<_> = tokens.iter().map(String::as_str).collect();
            self.numeric(numeric::RPL_ISUPPORT, &tokens);
        }
    }
}

impl Server {
    /// The tokens of ISUPPORT (modern.ircdocs.horse, "RPL_ISUPPORT Parameters"), each of them true.
    fn isupport(&self) -> Vec<String> {
        let limits = &self.settings.limits;
        let (_, symbols) = Status::PREFIX.split_at(7);
        let targets = limits.targets;
        let mut tokens = vec![
            format!("AWAYLEN={}", limits.away_length),
            "ACCOUNTEXTBAN=a".to_owned(),
            "BOT=B".to_owned(),
            format!("CASEMAPPING={CASEMAPPING}"),
            format!("CHANLIMIT={CHANTYPES}:{}", limits.channels_per_user),
            "CHANMODES=Ibe,k,l,CMRimnrst".to_owned(),
            format!("CHANNELLEN={}", limits.channel_length),
            format!("CHANTYPES={CHANTYPES}"),
            "ELIST=CMNTU".to_owned(),
            "EXCEPTS=e".to_owned(),
            "EXTBAN=,am".to_owned(),
            "HOSTLEN=64".to_owned(),
            "INVEX=I".to_owned(),
            format!("KEYLEN={}", limits.key_length),
            format!("KICKLEN={}", limits.kick_length),
            format!("MAXLIST=Ibe:{}", limits.list_entries),
            format!("MAXTARGETS={targets}"),
            format!("MODES={}", limits.modes),
            format!("MONITOR={}", limits.monitored),
            format!("NAMELEN={}", limits.name_length),
            format!("NETWORK={}", super::context::presentable(&self.settings.network)),
            format!("NICKLEN={}", limits.nick_length),
            format!("PREFIX={}", Status::PREFIX),
            "SAFELIST".to_owned(),
            format!("STATUSMSG={symbols}"),
            format!(
                "TARGMAX=JOIN:,KICK:{targets},LIST:,MONITOR:,NAMES:{targets},NOTICE:{targets},PART:,\
                 PRIVMSG:{targets},TAGMSG:{targets},WHOIS:1,WHOWAS:"
            ),
            format!("TOPICLEN={}", limits.topic_length),
            format!("USERLEN={}", limits.user_length),
            "UTF8ONLY".to_owned(),
            "WHOX".to_owned(),
        ];
        if limits.history_messages > 0 {
            tokens.push(format!("CHATHISTORY={}", limits.history_reply));
            tokens.push("MSGREFTYPES=msgid,timestamp".to_owned());
        }
        tokens
    }
}
