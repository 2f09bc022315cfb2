//! What a server says of itself (`RPL_ISUPPORT`): how it compares names, and what its letters mean.

/// What a server supports, as far as a client has to know it. Before the server has said anything it
/// is what RFC 1459 says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Support {
    network: Option<String>,
    mapping: Mapping,
    channel_types: String,
    /// The letter and the sign of each rank in a channel, the highest first.
    ranks: Vec<(char, char)>,
    /// The letters of modes that are lists, that always have a parameter, and that have one when set.
    modes: [String; 3],
    nick_length: usize,
}

/// When two names are one (`CASEMAPPING`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mapping {
    Ascii,
    /// `[]\` are the capitals of `{}|`.
    StrictRfc1459,
    /// And `~` that of `^`.
    Rfc1459,
}

impl Default for Support {
    fn default() -> Self {
        Self {
            network: None,
            mapping: Mapping::Rfc1459,
            channel_types: "#&".to_owned(),
            ranks: vec![('o', '@'), ('v', '+')],
            modes: ["b", "k", "l"].map(str::to_owned),
            nick_length: 9,
        }
    }
}

impl Support {
    /// Takes one token: `PREFIX=(ov)@+`.
    pub(super) fn take(&mut self, token: &str) {
        let (name, value) = token.split_once('=').unwrap_or((token, ""));
        match name {
            "NETWORK" => self.network = Some(value.replace("\\x20", " ")),
            "CASEMAPPING" => {
                self.mapping = match value {
                    "ascii" => Mapping::Ascii,
                    "strict-rfc1459" => Mapping::StrictRfc1459,
                    _ => Mapping::Rfc1459,
                }
            }
            "CHANTYPES" => self.channel_types = value.to_owned(),
            "PREFIX" => {
                if let Some((letters, signs)) =
                    value.strip_prefix('(').and_then(|rest| rest.split_once(')'))
                {
                    self.ranks = letters.chars().zip(signs.chars()).collect();
                }
            }
            "CHANMODES" => {
                let mut kinds = value.split(',').map(str::to_owned);
                self.modes = std::array::from_fn(|_| kinds.next().unwrap_or_default());
            }
            "NICKLEN" => self.nick_length = value.parse().unwrap_or(self.nick_length),
            _ => {}
        }
    }

    /// The network's name, if it has said it.
    #[must_use]
    pub fn network(&self) -> Option<&str> {
        self.network.as_deref()
    }

    /// The longest nick, in bytes.
    #[must_use]
    pub fn nick_length(&self) -> usize {
        self.nick_length
    }

    /// A name as it is compared: two names are one if this is the same for both.
    #[must_use]
    pub fn fold(&self, name: &str) -> String {
        let mapping = self.mapping;
        let lower = |letter| match (letter, mapping) {
            (_, Mapping::Ascii) => letter.to_ascii_lowercase(),
            ('[', _) => '{',
            (']', _) => '}',
            ('\\', _) => '|',
            ('~', Mapping::Rfc1459) => '^',
            _ => letter.to_ascii_lowercase(),
        };
        name.chars().map(lower).collect()
    }

    /// Whether two names are one.
    #[must_use]
    pub fn same(&self, a: &str, b: &str) -> bool {
        self.fold(a) == self.fold(b)
    }

    /// Whether a target is a channel, and not somebody's nick.
    #[must_use]
    pub fn is_channel(&self, target: &str) -> bool {
        target.starts_with(|first| self.channel_types.contains(first))
    }

    /// The channel that a message to `@#room` is for (`STATUSMSG`): those of a rank in it.
    #[must_use]
    pub fn room_of<'a>(&self, target: &'a str) -> &'a str {
        let rest = target.trim_start_matches(|first| self.ranks.iter().any(|it| it.1 == first));
        if self.is_channel(target) || !self.is_channel(rest) { target } else { rest }
    }

    /// The signs of all ranks, the highest first: `@+`.
    pub fn signs(&self) -> impl Iterator<Item = char> {
        self.ranks.iter().map(|(_, sign)| *sign)
    }

    /// What the letter of a channel's mode means.
    pub(super) fn kind_of(&self, letter: char) -> Kind {
        if let Some((_, sign)) = self.ranks.iter().find(|(it, _)| *it == letter) {
            return Kind::Rank(*sign);
        }
        match self.modes.iter().position(|letters| letters.contains(letter)) {
            Some(0 | 1) => Kind::Parameter,
            Some(_) => Kind::ParameterWhenSet,
            None => Kind::Flag,
        }
    }
}

/// What the letter of a channel's mode means, for whoever reads a `MODE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It gives a member a rank, with this sign, or takes it.
    Rank(char),
    Parameter,
    ParameterWhenSet,
    Flag,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tokens: &str) -> Support {
        let mut support = Support::default();
        tokens.split(' ').for_each(|token| support.take(token));
        support
    }

    #[test]
    fn names_are_compared_as_the_server_does() {
        assert!(Support::default().same("Ann[~]", "aNN{^}"));
        assert!(!of("CASEMAPPING=strict-rfc1459").same("~", "^"));
        assert!(!of("CASEMAPPING=ascii").same("[", "{"));
        assert!(of("CASEMAPPING=ascii").same("A", "a"));
    }

    #[test]
    fn a_channel_is_told_from_a_nick_and_from_a_part_of_a_channel() {
        let support = of("CHANTYPES=# PREFIX=(qaohv)~&@%+");
        assert!(support.is_channel("#a") && !support.is_channel("&a"));
        assert_eq!(support.room_of("@#a"), "#a");
        assert_eq!(support.room_of("~@#a"), "#a");
        assert_eq!(support.room_of("+x"), "+x");
        assert_eq!(of("CHANTYPES=#& PREFIX=(o)&").room_of("&#a"), "&#a", "it is a channel");
    }

    #[test]
    fn letters_mean_what_the_server_says() {
        let support = of("PREFIX=(ohv)@%+ CHANMODES=beI,k,lj,imnst");
        let kinds = "hIkjz".chars().map(|letter| support.kind_of(letter)).collect::<Vec<_>>();
        let expected =
            [Kind::Rank('%'), Kind::Parameter, Kind::Parameter, Kind::ParameterWhenSet, Kind::Flag];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn nonsense_changes_nothing_that_matters() {
        assert_eq!(of("PREFIX=oops NICKLEN=many = =x").ranks, Support::default().ranks);
        assert_eq!(of("PREFIX=()").signs().count(), 0);
    }
}
