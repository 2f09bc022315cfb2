//! The conversation on the control connection: replies in, what to do next out. Pure.

use super::security::Beginning;
use super::{Failure, Features};
use crate::transfer::ftp::wire::command::{Command, Opts, Protection, Secret, Text, Type};
use crate::transfer::ftp::wire::reply::{Kind, Reply};

mod transfer;

use transfer::Transfer;

/// Where a conversation stands: which reply is waited for.
///
/// ```text
///   Greeting ─220─▶ User ─331─▶ Pass ─230─▶ Features ─▶ Utf8 ─▶ Image ─200─▶ Idle
///     │ TLS by AUTH  ▲ └────────230──────────▲  └──────────────▲
///     ▼              │                       │ with TLS: by PBSZ and PROT
///   Auth ─234─▶ Securing               Pbsz ─▶ Prot
///
///   Idle ──▶ Plain ─2yz, 3yz, 4yz, 5yz─▶ Idle
///
///   Idle ──▶ Passive ─229, 227─▶ (connect) ─▶ Restart ─350─▶ Begin ─1yz─▶ Moving ─2yz─▶ Idle
///              │  ▲                  └─────────────────────────▲            │ once the data has ended, too
///              └──┘ no EPSV: PASV                                           │ given up: ABOR
///                                                                           ▼
///                                         Idle ◀─2yz, 5yz─ Aborted ◀─4yz─ Aborting
/// ```
#[derive(Debug)]
pub(super) struct Dialogue {
    state: State,
    login: Login,
    tls: Beginning,
    features: Features,
    /// Whether EPSV is worth asking for.
    has_epsv: bool,
    /// Whether there is PASV, which knows only IPv4.
    has_pasv: bool,
}

/// Who logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub user: Text,
    /// The password.
    pub password: Secret,
}

/// Anybody, who may read what is public (RFC 1635).
impl Default for Login {
    fn default() -> Self {
        Self { user: b"anonymous".to_vec(), password: Secret(b"anonymous@".to_vec()) }
    }
}

#[derive(Debug)]
enum State {
    Greeting,
    Auth,
    /// The handshake is under way.
    Securing,
    User,
    Pass,
    Pbsz,
    Prot,
    Features,
    Utf8,
    Image,
    Idle,
    Plain,
    Passive(Transfer),
    Restart(Transfer),
    Begin(Transfer),
    Moving(Transfer),
    /// What has become of the transfer is to be said, and then of ABOR.
    Aborting(Failure),
    Aborted(Failure),
    Quitting,
}

/// What to do next.
#[derive(Debug)]
#[must_use]
pub(super) enum Step {
    /// Nothing: a reply is to come, or the end of the data.
    Wait,
    /// To say this.
    Say(Command),
    /// To begin TLS, and then [`handle_secure`](Dialogue::handle_secure).
    Secure,
    /// To open a data connection to this port of the server, and then
    /// [`handle_connecting`](Dialogue::handle_connecting).
    Connect(u16),
    /// The login is done: there may be an operation.
    Ready,
    /// The operation is done; there may be another.
    Done(Result<Reply, Failure>),
    /// To do the operation with this command in place of one that the server does not know.
    Instead(Command),
    /// The conversation is over.
    Over(Failure),
}

impl Dialogue {
    /// With a server that has just been called, by IPv4 or not.
    pub(super) fn new(login: Login, tls: Beginning, is_v4: bool) -> Self {
        Self {
            state: State::Greeting,
            login,
            tls,
            features: Features::default(),
            has_epsv: true,
            has_pasv: is_v4,
        }
    }

    /// Whether the server is called by IPv4 is known when the connection is there, if not before.
    pub(super) fn handle_open(&mut self, is_v4: bool) {
        self.has_pasv = is_v4;
    }

    pub(super) fn features(&self) -> &Features {
        &self.features
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Whether it is for the server to say something. While data is under way it is not.
    pub(super) fn is_owed_a_reply(&self) -> bool {
        match &self.state {
            State::Idle => false,
            State::Moving(transfer) => transfer.data.is_some(),
            _ => true,
        }
    }

    /// Says goodbye.
    pub(super) fn quit(&mut self) -> Step {
        self.state = State::Quitting;
        Step::Say(Command::Quit)
    }

    /// Begins with a command that needs no data connection.
    pub(super) fn start_plain(&mut self, command: Command) -> Step {
        self.state = State::Plain;
        Step::Say(command)
    }

    /// The server has said something.
    pub(super) fn handle_reply(&mut self, reply: Reply) -> Step {
        // It may be said at any time, and is the last word (RFC 959, 4.2).
        if reply.code == 421 {
            return Step::Over(Failure::Unwelcome(reply));
        }
        match self.take_state() {
            State::Greeting => self.handle_greeting(reply),
            State::Auth => self.handle_auth(reply),
            State::User => self.handle_user(reply),
            State::Pass => self.handle_pass(reply),
            State::Pbsz => self.handle_pbsz(&reply),
            State::Prot => self.handle_prot(reply),
            State::Features => self.handle_features(&reply),
            State::Utf8 => self.say(State::Image, Command::Type(Type::Image)),
            State::Image => self.handle_image(reply),
            State::Plain => self.handle_plain(reply),
            State::Passive(transfer) => self.handle_passive(transfer, reply),
            State::Restart(transfer) => self.handle_restart(transfer, reply),
            State::Begin(transfer) => self.handle_begin(transfer, reply),
            State::Moving(transfer) => self.handle_moving(transfer, reply),
            State::Aborting(failure) => self.handle_aborting(failure, &reply),
            State::Aborted(failure) => self.handle_aborted(failure, &reply),
            // What nobody asked for is nothing to anybody.
            state @ (State::Securing | State::Idle | State::Quitting) => {
                self.state = state;
                Step::Wait
            }
        }
    }

    // ── the login ───────────────────────────────────────────────────────────────────────────

    fn handle_greeting(&mut self, reply: Reply) -> Step {
        match reply.kind() {
            // 120: ready in some minutes.
            Kind::Preliminary => self.wait(State::Greeting),
            Kind::Completion if self.tls == Beginning::AtAuth => {
                self.say(State::Auth, Command::Auth)
            }
            Kind::Completion => self.log_in(),
            _ => Step::Over(Failure::Unwelcome(reply)),
        }
    }

    fn handle_auth(&mut self, reply: Reply) -> Step {
        match reply.code {
            234 => {
                self.state = State::Securing;
                Step::Secure
            }
            _ if reply.kind() == Kind::Preliminary => self.wait(State::Auth),
            _ => Step::Over(Failure::NoTls(reply)),
        }
    }

    /// The handshake is over.
    pub(super) fn handle_secure(&mut self) -> Step {
        match self.state {
            State::Securing => self.log_in(),
            _ => Step::Wait,
        }
    }

    fn log_in(&mut self) -> Step {
        self.say(State::User, Command::User(self.login.user.clone()))
    }

    fn handle_user(&mut self, reply: Reply) -> Step {
        match reply.code {
            331 => self.say(State::Pass, Command::Pass(self.login.password.clone())),
            _ => self.handle_pass(reply),
        }
    }

    fn handle_pass(&mut self, reply: Reply) -> Step {
        match reply.kind() {
            Kind::Preliminary => self.wait(State::Pass),
            Kind::Completion if self.tls == Beginning::Never => {
                self.say(State::Features, Command::Feat)
            }
            Kind::Completion => self.say(State::Pbsz, Command::Pbsz(0)),
            // 332 wants an account, of which there are none any more.
            _ => Step::Over(Failure::Login(reply)),
        }
    }

    /// It has to come before PROT (RFC 4217, 8), and is always zero: what counts is the answer to that.
    fn handle_pbsz(&mut self, reply: &Reply) -> Step {
        match reply.kind() {
            Kind::Preliminary => self.wait(State::Pbsz),
            _ => self.say(State::Prot, Command::Prot(Protection::Private)),
        }
    }

    fn handle_prot(&mut self, reply: Reply) -> Step {
        match reply.kind() {
            Kind::Preliminary => self.wait(State::Prot),
            Kind::Completion => self.say(State::Features, Command::Feat),
            _ => Step::Over(Failure::NotProtected(reply)),
        }
    }

    fn handle_features(&mut self, reply: &Reply) -> Step {
        self.features = Features::of(reply);
        if self.features.utf8 {
            return self.say(State::Utf8, Command::Opts(Opts::Utf8(true)));
        }
        self.say(State::Image, Command::Type(Type::Image))
    }

    fn handle_image(&mut self, reply: Reply) -> Step {
        match reply.kind() {
            Kind::Completion => {
                self.state = State::Idle;
                Step::Ready
            }
            _ => Step::Over(Failure::Unwelcome(reply)),
        }
    }

    // ── operations ──────────────────────────────────────────────────────────────────────────

    fn handle_plain(&mut self, reply: Reply) -> Step {
        match reply.kind() {
            Kind::Preliminary => self.wait(State::Plain),
            Kind::Completion | Kind::Intermediate => self.done(Ok(reply)),
            Kind::TransientFailure | Kind::Failure => self.done(Err(Failure::Refused(reply))),
        }
    }

    // ── arrows ──────────────────────────────────────────────────────────────────────────────

    fn say(&mut self, state: State, command: Command) -> Step {
        self.state = state;
        Step::Say(command)
    }

    fn wait(&mut self, state: State) -> Step {
        self.state = state;
        Step::Wait
    }

    fn done(&mut self, result: Result<Reply, Failure>) -> Step {
        self.state = State::Idle;
        Step::Done(result)
    }

    fn take_state(&mut self) -> State {
        std::mem::replace(&mut self.state, State::Idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A dialogue, and what it does about each reply: the command it says, or what else.
    struct Talk(Dialogue);

    impl Talk {
        fn begin() -> Self {
            Self::with(Beginning::Never)
        }

        fn with(tls: Beginning) -> Self {
            Self(Dialogue::new(Login::default(), tls, true))
        }

        /// One that is logged in.
        fn idle() -> Self {
            let mut talk = Self::begin();
            for (reply, answer) in [
                ("220 hello", "USER anonymous"),
                ("331 password", "PASS anonymous@"),
                ("230 in", "FEAT"),
                ("500 what?", "TYPE I"),
                ("200 so be it", "ready"),
            ] {
                assert_eq!(talk.hears(reply), answer);
            }
            talk
        }

        fn hears(&mut self, line: &str) -> String {
            let (code, text) = line.split_at(3);
            let reply = Reply::new(code.parse().expect("a code"), text.trim_start());
            let step = self.0.handle_reply(reply);
            self.what(step)
        }

        fn what(&mut self, step: Step) -> String {
            match step {
                Step::Wait => "wait".to_owned(),
                Step::Say(command) => {
                    let line = command.to_line().expect("it can be sent");
                    String::from_utf8(line).expect("it is text").trim_end().to_owned()
                }
                Step::Secure => "begin TLS".to_owned(),
                Step::Connect(port) => format!("connect {port}"),
                Step::Ready => "ready".to_owned(),
                Step::Done(Ok(reply)) => format!("done {}", reply.code),
                Step::Done(Err(failure)) => format!("failed: {failure}"),
                Step::Instead(command) => format!("instead {}", command.verb()),
                Step::Over(failure) => format!("over: {failure}"),
            }
        }

        fn gets(&mut self, offset: Option<u64>) -> String {
            let step = self.0.start_transfer(Command::Retr(b"file".to_vec()), offset);
            self.what(step)
        }

        fn connects(&mut self) -> String {
            let step = self.0.handle_connecting();
            self.what(step)
        }

        fn data_ends(&mut self, result: Result<(), Failure>) -> String {
            let step = self.0.handle_data_end(result);
            self.what(step)
        }
    }

    #[test]
    fn a_file_is_fetched_with_epsv_first() {
        let mut talk = Talk::idle();
        assert_eq!(talk.gets(None), "EPSV");
        assert_eq!(talk.hears("229 extended (|||4711|)"), "connect 4711");
        assert_eq!(talk.connects(), "RETR file");
        assert_eq!(talk.hears("150 here it comes"), "wait");
        assert!(!talk.0.is_owed_a_reply());
        assert_eq!(talk.data_ends(Ok(())), "wait");
        assert!(talk.0.is_owed_a_reply());
        assert_eq!(talk.hears("226 done"), "done 226");
        assert!(talk.0.is_idle());
    }

    #[test]
    fn the_reply_may_come_before_the_data_has_ended() {
        let mut talk = Talk::idle();
        talk.gets(Some(100));
        talk.hears("229 extended (|||4711|)");
        assert_eq!(talk.connects(), "REST 100");
        assert_eq!(talk.hears("350 from there"), "RETR file");
        assert_eq!(talk.hears("150 here it comes"), "wait");
        assert_eq!(talk.hears("226 done"), "wait");
        assert_eq!(talk.data_ends(Ok(())), "done 226");
    }

    /// Once: the next operation begins with PASV.
    #[test]
    fn a_server_without_epsv_is_asked_for_pasv_and_its_address_is_ignored() {
        let mut talk = Talk::idle();
        assert_eq!(talk.gets(None), "EPSV");
        assert_eq!(talk.hears("500 what?"), "PASV");
        assert_eq!(talk.hears("227 passive (10,0,0,1,18,103)"), "connect 4711");
        assert_eq!(talk.connects(), "RETR file");
        assert_eq!(talk.hears("550 no such file"), "failed: the server says: 550 no such file");
        assert_eq!(talk.gets(None), "PASV");
    }

    #[test]
    fn what_the_server_says_counts_more_than_how_the_data_ended() {
        let broken = || Err(Failure::Data("reset".to_owned()));
        let mut talk = Talk::idle();
        for (reply, data, outcome) in [
            ("452 disk full", broken(), "failed: the server says: 452 disk full"),
            ("452 disk full", Ok(()), "failed: the server says: 452 disk full"),
            ("226 done", broken(), "failed: the data connection failed: reset"),
        ] {
            talk.gets(None);
            talk.hears("229 extended (|||4711|)");
            talk.connects();
            talk.hears("150 here it comes");
            assert_eq!(talk.data_ends(data), "wait");
            assert_eq!(talk.hears(reply), outcome);
        }
    }

    /// The data connection is reset, and both replies are waited for: the transfer's, and ABOR's.
    #[test]
    fn what_is_given_up_is_aborted_and_the_replies_stay_in_step() {
        let mut talk = Talk::idle();
        for (of_the_file, of_abor) in [
            ("426 aborted", "226 as you wish"),
            ("226 it was all there", "225 nothing to abort"),
            ("426 lost it", "502 what?"),
        ] {
            talk.gets(None);
            talk.hears("229 extended (|||4711|)");
            talk.connects();
            talk.hears("150 here it comes");
            assert_eq!(talk.data_ends(Err(Failure::Cancelled)), "ABOR");
            assert!(talk.0.is_owed_a_reply());
            assert_eq!(talk.hears(of_the_file), "wait");
            assert!(talk.0.is_owed_a_reply() && !talk.0.is_idle());
            assert_eq!(talk.hears(of_abor), "failed: given up");
            assert!(talk.0.is_idle());
        }
    }

    /// Before the file has begun: at the latest moment, when it begins, or not at all.
    #[test]
    fn what_is_given_up_early_is_aborted_when_it_begins_or_is_not_begun() {
        let mut talk = Talk::idle();
        talk.gets(None);
        talk.hears("229 extended (|||4711|)");
        talk.connects();
        assert_eq!(talk.data_ends(Err(Failure::Cancelled)), "wait");
        assert_eq!(talk.hears("150 here it comes"), "ABOR");
        assert_eq!(talk.hears("426 lost it"), "wait");
        assert_eq!(talk.hears("226 aborted"), "failed: given up");

        talk.gets(Some(100));
        talk.hears("229 extended (|||4711|)");
        assert_eq!(talk.connects(), "REST 100");
        assert_eq!(talk.data_ends(Err(Failure::Cancelled)), "wait");
        assert_eq!(talk.hears("350 from there"), "failed: given up");
        assert!(talk.0.is_idle());
    }

    /// All has been said already.
    #[test]
    fn what_is_given_up_after_its_end_needs_no_abort() {
        let mut talk = Talk::idle();
        talk.gets(None);
        talk.hears("229 extended (|||4711|)");
        talk.connects();
        talk.hears("150 here it comes");
        assert_eq!(talk.hears("226 done"), "wait");
        assert_eq!(talk.data_ends(Err(Failure::Cancelled)), "failed: given up");
    }

    #[test]
    fn a_server_that_does_not_know_mlsd_is_asked_for_list() {
        let mut talk = Talk::idle();
        let step = talk.0.start_transfer(Command::Mlsd(None), None);
        assert_eq!(talk.what(step), "EPSV");
        talk.hears("229 extended (|||4711|)");
        assert_eq!(talk.connects(), "MLSD");
        assert_eq!(talk.hears("500 what?"), "instead LIST");
        assert!(!talk.0.features().facts);
    }

    #[test]
    fn nobody_logs_in_before_tls_has_begun_and_files_are_protected_before_anything_is_done() {
        let mut talk = Talk::with(Beginning::AtAuth);
        assert_eq!(talk.hears("220 hello"), "AUTH TLS");
        assert_eq!(talk.hears("234 begin"), "begin TLS");
        assert!(talk.0.is_owed_a_reply());
        // Nobody can have said it but somebody on the way.
        assert_eq!(talk.hears("230 in"), "wait");
        let step = talk.0.handle_secure();
        assert_eq!(talk.what(step), "USER anonymous");
        assert_eq!(talk.hears("331 password"), "PASS anonymous@");
        assert_eq!(talk.hears("230 in"), "PBSZ 0");
        assert_eq!(talk.hears("200 PBSZ=0"), "PROT P");
        assert_eq!(talk.hears("200 protected"), "FEAT");

        let mut talk = Talk::with(Beginning::AtOnce);
        assert_eq!(talk.hears("220 hello"), "USER anonymous");
        assert_eq!(talk.hears("230 in"), "PBSZ 0");
        // Some do not know it, and protect files all the same.
        assert_eq!(talk.hears("500 what?"), "PROT P");
        assert_eq!(talk.hears("536 no"), "over: the server does not protect files: 536 no");
    }

    #[test]
    fn a_server_without_tls_is_not_logged_in_to() {
        for reply in ["500 what?", "502 no", "534 no", "334 go on"] {
            let mut talk = Talk::with(Beginning::AtAuth);
            assert_eq!(talk.hears("220 hello"), "AUTH TLS");
            let end = format!("over: the server does not speak TLS: {reply}");
            assert_eq!(talk.hears(reply), end);
        }
    }

    #[test]
    fn a_login_that_is_refused_is_the_end() {
        let mut talk = Talk::begin();
        talk.hears("220 hello");
        talk.hears("331 password");
        let end = talk.hears("530 no");
        assert_eq!(end, "over: the server refuses the login: 530 no");
        assert_eq!(Talk::begin().hears("421 too many"), "over: the server says: 421 too many");
        let mut talk = Talk::begin();
        talk.hears("220 hello");
        assert_eq!(talk.hears("230 nobody asks for a password here"), "FEAT");
    }
}
