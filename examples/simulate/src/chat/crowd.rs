//! The users of a host: they come, talk, wander from channel to channel, change their names and go, or are torn away,
//! and come back.

use std::error::Error;
use std::time::Duration;

use protocols::chat::Message;
use reactor::framing::{Line, Lines};
use reactor::{Address, Closed, Input, Protocol, Registry, TimerKey, Transport};

use super::books::{Books, Library};
use crate::score::{Draws, Score};

/// What a user does before it goes.
const ACTS: u64 = 12;

const ACT: TimerKey = TimerKey(0);

/// Accounts that users know the password of; each is a nick that others may want.
pub(super) const ACCOUNTS: u64 = 4;

/// How much of it there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// Users of each host.
    pub(super) each: u64,
    pub(super) channels: u64,
    /// After how many steps the servers' books are looked at.
    pub(super) looks: u64,
    /// When the first user comes, and how much later the last one, in milliseconds.
    pub(super) first: u64,
    pub(super) beginnings: u64,
    /// Nicks that users choose among.
    pub(super) nicks: u64,
    /// Whether users stay when they have done everything, until they are told to go.
    pub(super) stays: bool,
    /// How often one comes back who was torn away.
    pub(super) returns: u32,
    /// Whether there are accounts, and users log in, register channels, set modes and ask for what was said.
    pub(super) has_accounts: bool,
}

impl Size {
    pub(super) const fn of(each: u64, channels: u64, looks: u64) -> Self {
        Self {
            each,
            channels,
            looks,
            first: 0,
            beginnings: super::BEGINNINGS,
            nicks: 12 * each,
            stays: false,
            returns: 0,
            has_accounts: false,
        }
    }
}

/// The users of one host.
pub(super) struct Crowd {
    /// Users that are planned, or here.
    pub(super) due: usize,
    /// Those of them who have done everything, and stay.
    pub(super) idle: usize,
    /// How often one of them was called otherwise by its server.
    pub(super) lost_nicks: u64,
    pub(super) size: Size,
    draws: Draws,
    score: Score,
    library: Library,
}

impl Crowd {
    /// Makes the crowd of a host that boots: it plans when its users come.
    pub(super) fn maker(
        score: &Score,
        library: &Library,
        addresses: &[Address],
        size: Size,
    ) -> impl Fn(&mut Registry<Self>) -> Result<Self, Box<dyn Error>> + 'static {
        let (score, library, addresses) = (score.clone(), library.clone(), addresses.to_vec());
        move |registry| {
            let mut crowd = Self {
                due: 0,
                idle: 0,
                lost_nicks: 0,
                size,
                draws: Draws::default(),
                score: score.clone(),
                library: library.clone(),
            };
            for (number, address) in addresses.iter().cycle().take(size.each as usize).enumerate() {
                let after = size.first + crowd.draws.draw(registry) % size.beginnings;
                crowd.due += 1;
                crowd.plan(registry, User::new(address.clone(), number, size.returns), after);
            }
            Ok(crowd)
        }
    }

    /// Has a user come after so many milliseconds.
    fn plan(&mut self, registry: &mut Registry<Self>, user: User, after: u64) {
        let after = Duration::from_millis(after);
        let planned = registry.after(after, |registry, crowd: &mut Self| {
            if registry.connect(user.address.clone(), user).is_err() {
                crowd.gone(false);
            }
        });
        if planned.is_err() {
            self.gone(false);
        }
    }

    fn gone(&mut self, well: bool) {
        self.due -= 1;
        self.score.note_end(well);
    }
}

/// A user: a client that keeps books.
///
/// ```text
///   Arriving ──001──▶ Here ─ acts, twelve times ─▶ Leaving ──the server's FIN──▶ gone, well
///     ▲                └────────▶ Staying ────────────▲
///     └── torn away, and back again ─┘                └── banned
/// ```
struct User {
    address: Address,
    /// Which of its host's.
    number: usize,
    /// How often it may come back.
    returns: u32,
    lines: Lines,
    state: State,
    nick: String,
    left: u64,
    books: Books,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Arriving,
    Here,
    Staying,
    Leaving,
}

impl User {
    fn new(address: Address, number: usize, returns: u32) -> Self {
        Self {
            address,
            number,
            returns,
            lines: Lines::new(8_700),
            state: State::Arriving,
            nick: String::new(),
            left: ACTS,
            books: Books::default(),
        }
    }

    /// Whether it can tell a history from what is said now. Every other one sees what older clients see.
    fn is_modern(&self) -> bool {
        self.number.is_multiple_of(2)
    }

    fn say(transport: &mut Transport<'_, Crowd>, line: &str) {
        transport.write(line.as_bytes());
        transport.write(b"\r\n");
    }

    fn take_nick(&mut self, transport: &mut Transport<'_, Crowd>, crowd: &mut Crowd) {
        let number = crowd.draws.draw(transport.registry()) % crowd.size.nicks;
        Self::say(transport, &format!("NICK u{number}"));
        if self.state == State::Arriving {
            self.nick = format!("u{number}");
        }
    }

    fn handle(
        &mut self,
        transport: &mut Transport<'_, Crowd>,
        crowd: &mut Crowd,
        message: &Message<'_>,
    ) -> Result<(), String> {
        match message.command {
            "PING" => {
                let token = message.param(0).unwrap_or_default();
                Self::say(transport, &format!("PONG :{token}"));
            }
            "001" => {
                self.state = State::Here;
                message.param(0).unwrap_or_default().clone_into(&mut self.nick);
                transport.set_timer(ACT, Duration::from_millis(10));
            }
            "433" if self.state == State::Arriving => self.take_nick(transport, crowd),
            "465" => self.state = State::Leaving,
            "ERROR" if message.param(0).is_some_and(|why| why.contains("Banned (")) => {
                crowd.idle -= usize::from(self.state == State::Staying);
                self.state = State::Leaving;
            }
            _ => {
                let entered = self.books.enter(&mut self.nick, message, &crowd.library);
                // Names of users begin with a digit: so is called who has lost its nick to another.
                if message.command == "NICK"
                    && self.nick.starts_with(|it: char| it.is_ascii_digit())
                {
                    crowd.lost_nicks += 1;
                }
                return entered;
            }
        }
        Ok(())
    }

    /// Does something, or goes.
    fn act(&mut self, transport: &mut Transport<'_, Crowd>, crowd: &mut Crowd) {
        let bits = crowd.draws.draw(transport.registry());
        if self.left == 0 {
            return self.stay_or_leave(transport, crowd, bits);
        }
        self.left -= 1;
        let channel = format!("#c{}", (bits >> 8) % crowd.size.channels);
        if crowd.size.has_accounts && (bits >> 48).is_multiple_of(3) {
            self.act_with_accounts(transport, bits, &channel);
        } else {
            self.act_without(transport, crowd, bits, &channel);
        }
        transport.set_timer(ACT, Duration::from_millis(50 + (bits >> 32) % 1_000));
    }

    fn act_without(
        &mut self,
        transport: &mut Transport<'_, Crowd>,
        crowd: &mut Crowd,
        bits: u64,
        channel: &str,
    ) {
        match bits % 8 {
            0 | 1 => Self::say(transport, &format!("JOIN {channel}")),
            2 => self.take_nick(transport, crowd),
            3 => Self::say(transport, &format!("PART {channel}")),
            4 if bits & 0x1_0000 == 0 => Self::say(transport, &format!("WHO {channel}")),
            4 => Self::say(transport, &format!("NAMES {channel}")),
            5 if bits & 0x1_0000 == 0 => Self::say(transport, "OPER root secret"),
            5 => Self::say(
                transport,
                &format!("KICK {channel} u{}", (bits >> 20) % crowd.size.nicks),
            ),
            _ => Self::say(transport, &format!("PRIVMSG {channel} :{bits}")),
        }
    }

    fn act_with_accounts(&self, transport: &mut Transport<'_, Crowd>, bits: u64, channel: &str) {
        let account = (bits >> 20) % ACCOUNTS;
        let sign = if bits & 0x3_0000 == 0 { '+' } else { '-' };
        let line = match bits % 12 {
            0..=2 => format!("NS IDENTIFY u{account} secret"),
            3 => "NS LOGOUT".to_owned(),
            4 => "NS GROUP".to_owned(),
            5 => format!("CS REGISTER {channel}"),
            6 if sign == '+' => format!("CS OP {channel}"),
            6 => format!("CS DROP {channel}"),
            7 => format!("TOPIC {channel} :{bits}"),
            // Not `n`: who is not there is not heard.
            8 => format!("MODE {channel} {sign}{}", ['s', 't', 'i'][(bits >> 24) as usize % 3]),
            9 => format!("MODE {channel} {sign}b x{}!*@*", (bits >> 24) % 3),
            10 if !self.is_modern() => format!("NAMES {channel}"),
            _ if !self.is_modern() => format!("PRIVMSG {channel} :{bits}"),
            _ => format!("CHATHISTORY LATEST {channel} * 100"),
        };
        Self::say(transport, &line);
    }

    /// Who stays asks now and then what was said.
    fn stay_or_leave(
        &mut self,
        transport: &mut Transport<'_, Crowd>,
        crowd: &mut Crowd,
        bits: u64,
    ) {
        crowd.idle -= usize::from(self.state == State::Staying);
        if !crowd.size.stays {
            self.state = State::Leaving;
            return Self::say(transport, "QUIT :done");
        }
        self.state = State::Staying;
        crowd.idle += 1;
        if crowd.size.has_accounts
            && let Some(channel) = self.books.channel(bits)
        {
            if self.is_modern() {
                Self::say(transport, &format!("CHATHISTORY LATEST {channel} * 100"));
            }
            Self::say(transport, &format!("NAMES {channel}"));
        }
        transport.set_timer(ACT, Duration::from_secs(5));
    }
}

impl Protocol<Crowd> for User {
    fn on_open(&mut self, transport: &mut Transport<'_, Crowd>, crowd: &mut Crowd) {
        let is_modern = crowd.size.has_accounts && self.is_modern();
        let more = if is_modern { " batch draft/chathistory echo-message" } else { "" };
        Self::say(transport, &format!("CAP REQ :message-tags{more}"));
        match self.nick.as_str() {
            "" => self.take_nick(transport, crowd),
            // It was here before.
            nick => Self::say(transport, &format!("NICK {nick}")),
        }
        Self::say(transport, &format!("USER n{} 0 * :a user", self.number));
        Self::say(transport, "CAP END");
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, Crowd>,
        input: &mut Input<'_>,
        crowd: &mut Crowd,
    ) {
        loop {
            let line = match self.lines.next(input) {
                Line::Whole(line) => line,
                Line::TooLong => continue,
                Line::Partial => return,
            };
            let done = match Message::parse(line) {
                Ok(message) => self.handle(transport, crowd, &message),
                Err(error) => Err(format!("the server said {}: {error}", line.escape_ascii())),
            };
            if let Err(wrong) = done {
                crowd.score.note_wrong(wrong);
            }
        }
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, Crowd>, _: TimerKey, crowd: &mut Crowd) {
        self.act(transport, crowd);
    }

    fn on_close(&mut self, registry: &mut Registry<Crowd>, closed: &Closed, crowd: &mut Crowd) {
        crowd.idle -= usize::from(self.state == State::Staying);
        if self.state == State::Leaving || self.returns == 0 {
            return crowd.gone(self.state == State::Leaving && closed.reason.is_clean());
        }
        crowd.score.note_end(false);
        let mut again = Self::new(self.address.clone(), self.number, self.returns - 1);
        again.left = self.left;
        // Nobody is called so, nor like one who has lost its nick, who asks.
        if self.nick.starts_with('u') {
            again.nick.clone_from(&self.nick);
        }
        let after = 200 + crowd.draws.draw(registry) % 4_000;
        crowd.plan(registry, again, after);
    }
}
