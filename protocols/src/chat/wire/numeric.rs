//! The numerics: what a server answers with, by name.
//!
//! The codes and texts are those of the numerics' list at modern.ircdocs.horse and of the IRCv3
//! specifications (MONITOR, SASL, bot mode). A text is given where it is the same each time; where it
//! holds facts it is empty here, and written where the facts are.

use std::fmt;

/// A numeric reply: below 400 an answer, from 400 on mostly an error.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Numeric {
    code: u16,
    name: &'static str,
    text: &'static str,
}

impl Numeric {
    /// The numeric with this code, if this list has it.
    ///
    /// ```
    /// use protocols::chat::numeric::{Numeric, ERR_NICKNAMEINUSE};
    /// assert_eq!(Numeric::of("433"), Some(ERR_NICKNAMEINUSE));
    /// assert_eq!(Numeric::of("PRIVMSG"), None);
    /// ```
    #[must_use]
    pub fn of(command: &str) -> Option<Self> {
        let code = command.parse().ok().filter(|_| command.len() == 3)?;
        ALL.binary_search_by_key(&code, |numeric: &Self| numeric.code).ok().map(|at| ALL[at])
    }

    /// The number.
    #[must_use]
    pub const fn code(self) -> u16 {
        self.code
    }

    /// The name it has in the documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// The text that comes last, where it is always the same.
    #[must_use]
    pub const fn text(self) -> &'static str {
        self.text
    }

    /// Whether it refuses something.
    #[must_use]
    pub fn is_error(self) -> bool {
        self.name.starts_with("ERR_")
    }
}

impl fmt::Display for Numeric {
    /// The three digits, as they stand on the line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}", self.code)
    }
}

impl fmt::Debug for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({:03})", self.name, self.code)
    }
}

macro_rules! numerics {
    ($($code:literal $name:ident $text:literal)*) => {
        $(
            #[doc = concat!("`", $code, "`: \"", $text, "\"")]
            pub const $name: Numeric =
                Numeric { code: $code, name: stringify!($name), text: $text };
        )*

        /// All of them, by number.
        pub const ALL: &[Numeric] = &[$($name),*];
    };
}

numerics! {
    1 RPL_WELCOME ""
    2 RPL_YOURHOST ""
    3 RPL_CREATED ""
    4 RPL_MYINFO ""
    5 RPL_ISUPPORT "are supported by this server"
    15 RPL_MAP ""
    17 RPL_MAPEND "End of /MAP"
    212 RPL_STATSCOMMANDS ""
    219 RPL_ENDOFSTATS "End of /STATS report"
    221 RPL_UMODEIS ""
    242 RPL_STATSUPTIME ""
    243 RPL_STATSOLINE ""
    249 RPL_STATSDEBUG ""
    251 RPL_LUSERCLIENT ""
    252 RPL_LUSEROP "operator(s) online"
    253 RPL_LUSERUNKNOWN "unknown connection(s)"
    254 RPL_LUSERCHANNELS "channels formed"
    255 RPL_LUSERME ""
    256 RPL_ADMINME "Administrative info"
    257 RPL_ADMINLOC1 ""
    258 RPL_ADMINLOC2 ""
    259 RPL_ADMINEMAIL ""
    263 RPL_TRYAGAIN "Please wait a while and try again."
    265 RPL_LOCALUSERS ""
    266 RPL_GLOBALUSERS ""
    301 RPL_AWAY ""
    302 RPL_USERHOST ""
    303 RPL_ISON ""
    305 RPL_UNAWAY "You are no longer marked as being away"
    306 RPL_NOWAWAY "You have been marked as being away"
    311 RPL_WHOISUSER ""
    312 RPL_WHOISSERVER ""
    313 RPL_WHOISOPERATOR "is an IRC operator"
    314 RPL_WHOWASUSER ""
    315 RPL_ENDOFWHO "End of /WHO list"
    317 RPL_WHOISIDLE "seconds idle, signon time"
    318 RPL_ENDOFWHOIS "End of /WHOIS list"
    319 RPL_WHOISCHANNELS ""
    321 RPL_LISTSTART "Users  Name"
    322 RPL_LIST ""
    323 RPL_LISTEND "End of /LIST"
    324 RPL_CHANNELMODEIS ""
    329 RPL_CREATIONTIME ""
    330 RPL_WHOISACCOUNT "is logged in as"
    331 RPL_NOTOPIC "No topic is set"
    332 RPL_TOPIC ""
    333 RPL_TOPICWHOTIME ""
    335 RPL_WHOISBOT "is a bot"
    336 RPL_INVITEDLIST ""
    337 RPL_ENDOFINVITEDLIST "End of /INVITE list"
    338 RPL_WHOISACTUALLY "is actually using host"
    341 RPL_INVITING ""
    346 RPL_INVEXLIST ""
    347 RPL_ENDOFINVEXLIST "End of channel invite exception list"
    348 RPL_EXCEPTLIST ""
    349 RPL_ENDOFEXCEPTLIST "End of channel exception list"
    351 RPL_VERSION ""
    352 RPL_WHOREPLY ""
    353 RPL_NAMREPLY ""
    354 RPL_WHOSPCRPL ""
    364 RPL_LINKS ""
    365 RPL_ENDOFLINKS "End of /LINKS list"
    366 RPL_ENDOFNAMES "End of /NAMES list"
    367 RPL_BANLIST ""
    368 RPL_ENDOFBANLIST "End of channel ban list"
    369 RPL_ENDOFWHOWAS "End of WHOWAS"
    371 RPL_INFO ""
    372 RPL_MOTD ""
    374 RPL_ENDOFINFO "End of /INFO list"
    375 RPL_MOTDSTART ""
    376 RPL_ENDOFMOTD "End of /MOTD command."
    379 RPL_WHOISMODES ""
    381 RPL_YOUREOPER "You are now an IRC operator"
    382 RPL_REHASHING "Rehashing"
    391 RPL_TIME ""
    396 RPL_VISIBLEHOST "is now your visible host"
    400 ERR_UNKNOWNERROR ""
    401 ERR_NOSUCHNICK "No such nick/channel"
    402 ERR_NOSUCHSERVER "No such server"
    403 ERR_NOSUCHCHANNEL "No such channel"
    404 ERR_CANNOTSENDTOCHAN "Cannot send to channel"
    405 ERR_TOOMANYCHANNELS "You have joined too many channels"
    406 ERR_WASNOSUCHNICK "There was no such nickname"
    407 ERR_TOOMANYTARGETS "Too many targets"
    409 ERR_NOORIGIN "No origin specified"
    410 ERR_INVALIDCAPCMD "Invalid CAP command"
    411 ERR_NORECIPIENT ""
    412 ERR_NOTEXTTOSEND "No text to send"
    417 ERR_INPUTTOOLONG "Input line was too long"
    421 ERR_UNKNOWNCOMMAND "Unknown command"
    422 ERR_NOMOTD "MOTD File is missing"
    423 ERR_NOADMININFO "No administrative info available"
    431 ERR_NONICKNAMEGIVEN "No nickname given"
    432 ERR_ERRONEUSNICKNAME "Erroneous nickname"
    433 ERR_NICKNAMEINUSE "Nickname is already in use"
    441 ERR_USERNOTINCHANNEL "They aren't on that channel"
    442 ERR_NOTONCHANNEL "You're not on that channel"
    443 ERR_USERONCHANNEL "is already on channel"
    445 ERR_SUMMONDISABLED "SUMMON has been disabled"
    446 ERR_USERSDISABLED "USERS has been disabled"
    451 ERR_NOTREGISTERED "You have not registered"
    461 ERR_NEEDMOREPARAMS "Not enough parameters"
    462 ERR_ALREADYREGISTERED "You may not reregister"
    464 ERR_PASSWDMISMATCH "Password incorrect"
    465 ERR_YOUREBANNEDCREEP "You are banned from this server"
    468 ERR_INVALIDUSERNAME "Malformed username"
    471 ERR_CHANNELISFULL "Cannot join channel (+l)"
    472 ERR_UNKNOWNMODE "is unknown mode char to me"
    473 ERR_INVITEONLYCHAN "Cannot join channel (+i)"
    474 ERR_BANNEDFROMCHAN "Cannot join channel (+b)"
    475 ERR_BADCHANNELKEY "Cannot join channel (+k)"
    477 ERR_NEEDREGGEDNICK "You need to be logged in to an account to do that"
    478 ERR_BANLISTFULL "Channel list is full"
    481 ERR_NOPRIVILEGES "Permission Denied- You're not an IRC operator"
    482 ERR_CHANOPRIVSNEEDED "You're not channel operator"
    483 ERR_CANTKILLSERVER "You can't kill a server!"
    491 ERR_NOOPERHOST "No O-lines for your host"
    501 ERR_UMODEUNKNOWNFLAG "Unknown MODE flag"
    502 ERR_USERSDONTMATCH "Cannot change mode for other users"
    524 ERR_HELPNOTFOUND "No help available on this topic"
    696 ERR_INVALIDMODEPARAM ""
    704 RPL_HELPSTART ""
    705 RPL_HELPTXT ""
    706 RPL_ENDOFHELP ""
    730 RPL_MONONLINE ""
    731 RPL_MONOFFLINE ""
    732 RPL_MONLIST ""
    733 RPL_ENDOFMONLIST "End of MONITOR list"
    734 ERR_MONLISTFULL "Monitor list is full."
    760 RPL_WHOISKEYVALUE ""
    761 RPL_KEYVALUE ""
    766 RPL_KEYNOTSET "no matching key"
    770 RPL_METADATASUBOK ""
    771 RPL_METADATAUNSUBOK ""
    772 RPL_METADATASUBS ""
    774 RPL_METADATASYNCLATER ""
    900 RPL_LOGGEDIN ""
    901 RPL_LOGGEDOUT "You are now logged out"
    903 RPL_SASLSUCCESS "SASL authentication successful"
    904 ERR_SASLFAIL "SASL authentication failed"
    905 ERR_SASLTOOLONG "SASL message too long"
    906 ERR_SASLABORTED "SASL authentication aborted"
    907 ERR_SASLALREADY "You have already authenticated using SASL"
    908 RPL_SASLMECHS "are available SASL mechanisms"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_there_once_and_in_order() {
        assert!(ALL.is_sorted_by(|a, b| a.code < b.code));
        assert!(ALL.iter().all(|numeric| Numeric::of(&numeric.to_string()) == Some(*numeric)));
    }

    #[test]
    fn errors_are_the_four_hundreds_and_some_later_ones() {
        for numeric in ALL.iter().filter(|numeric| numeric.code < 600) {
            let text = format!("{numeric:?}");
            assert_eq!(numeric.is_error(), numeric.code >= 400, "{text}");
        }
    }
}
