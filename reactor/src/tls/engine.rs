//! The one place that calls rustls' connections.
//!
//! Its shape is that of rustls 0.24: bytes come in as a slice, in which they are decrypted, what they mean is added to
//! one buffer and what has to be answered to another, and nothing waits inside. On 0.23 those are the unbuffered
//! connections, which are asked again and again until they want more:
//!
//! ```text
//!   bytes ──▶ process_tls_records ──▶ ReadTraffic ──▶ plain
//!     ▲              │  ▲     └─────▶ EncodeTlsData ──▶ wire    (also after an error: the alert)
//!     └── held ◀─────┘  └──────────── encrypt ────────▶ wire
//!         what has no end yet
//! ```

use std::mem;
use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{CertificateError, ClientConfig, CommonState, Error, ServerConfig};

use super::TlsFailure;
use super::identity::Asked;
use super::ticket::Tickets;

/// What the head of a record has (RFC 8446, 5.1).
const HEAD: usize = 5;
/// By how much a record of data is longer than what it says, in TLS 1.2 as well.
const AROUND: usize = 32;
/// What one record may say.
const RECORD: usize = 16 * 1024;
/// What may be held. A message may have 64 KiB, and a peer may put each byte of it into a record of its own.
const MOST_HELD: usize = 128 * 1024;

/// One connection's TLS.
pub(crate) struct Engine {
    connection: Connection,
    /// The beginning of a record, or of what several say together, of which the rest has yet to come.
    held: Vec<u8>,
    theirs: Theirs,
    /// What a client asks for by name.
    asked: Option<Arc<Asked>>,
    token: Token,
}

enum Connection {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

/// What the peer has said of its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Theirs {
    Open,
    /// It has sent close_notify. What follows is nothing (RFC 8446, 6.1).
    Ended,
    /// Something that cannot be. The alert is the last that is said to it (6.2).
    Failed,
}

/// Whose session a connection goes on with.
enum Token {
    /// Nobody's, or nobody wants to know.
    None,
    /// The one of whom the ticket says it, if one is taken.
    Awaited(Arc<Tickets>),
    Told(Box<[u8]>),
}

/// What this side wants to say.
#[derive(Clone, Copy)]
enum Ours<'a> {
    /// Only what TLS itself has to.
    Nothing,
    Data(&'a [u8]),
    /// close_notify
    Goodbye,
}

/// What a connection has done when it was asked.
enum Step {
    /// It has said something.
    Said,
    /// It has read data, and that alone.
    Read,
    Ended,
    /// It wants more.
    Waits,
    /// It has no key any more to say it with.
    Worn,
    Failed(Error),
}

impl Engine {
    pub(crate) fn server(
        config: Arc<ServerConfig>,
        asked: Arc<Asked>,
        tickets: Option<Arc<Tickets>>,
    ) -> Result<Self, TlsFailure> {
        let token = tickets.map_or(Token::None, Token::Awaited);
        let connection = Connection::Server(UnbufferedServerConnection::new(config)?);
        Ok(Self { token, asked: Some(asked), ..Self::new(connection) })
    }

    pub(crate) fn client(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, TlsFailure> {
        let connection = UnbufferedClientConnection::new(config, name)?;
        Ok(Self::new(Connection::Client(connection)))
    }

    fn new(connection: Connection) -> Self {
        let (theirs, token) = (Theirs::Open, Token::None);
        Self { connection, held: Vec::new(), theirs, asked: None, token }
    }

    /// What this side says first.
    pub(crate) fn begin(&mut self, wire: &mut Vec<u8>) {
        let _ = self.say(Ours::Nothing, wire);
    }

    /// Takes in what has come, and decrypts it where it is.
    pub(crate) fn feed(
        &mut self,
        mut bytes: &mut [u8],
        plain: &mut Vec<u8>,
        wire: &mut Vec<u8>,
    ) -> Result<(), TlsFailure> {
        // Only what is cut is copied: the end of a record goes behind its beginning, and the others stay.
        while !self.held.is_empty() && !bytes.is_empty() {
            let (end, rest) = bytes.split_at_mut(missing(&self.held).min(bytes.len()));
            let mut held = mem::take(&mut self.held);
            held.extend_from_slice(end);
            bytes = rest;
            let done = self.process(&mut held, Ours::Nothing, plain, wire)?;
            if self.theirs == Theirs::Open {
                held.drain(..done);
                self.held = held;
            }
        }
        // Whatever is held has to be in front of all that it is shown.
        if !bytes.is_empty() {
            let done = self.process(bytes, Ours::Nothing, plain, wire)?;
            if self.theirs == Theirs::Open {
                self.held.extend_from_slice(&bytes[done..]);
            }
        }
        if self.held.len() > MOST_HELD {
            (self.theirs, self.held) = (Theirs::Failed, Vec::new());
            return Err(TlsFailure::Broken("a message is in too many records".to_owned()));
        }
        Ok(())
    }

    /// Turns plain bytes into records: all of them, or none if it has failed. With TLS 1.2 the keys are worn one day
    /// (AES-GCM's after 2^24 records), and there are no others: that is an error, whenever it is tried.
    pub(crate) fn write(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), TlsFailure> {
        self.say(Ours::Data(plain), wire)
    }

    /// This side sends no more: close_notify.
    pub(crate) fn close(&mut self, wire: &mut Vec<u8>) {
        // It is never too long, and one that there is no key for has been said.
        let _ = self.say(Ours::Goodbye, wire);
    }

    fn say(&mut self, ours: Ours<'_>, wire: &mut Vec<u8>) -> Result<(), TlsFailure> {
        // What is held has been looked at, and has nothing more to tell.
        let mut held = mem::take(&mut self.held);
        let said = self.process(&mut held, ours, &mut Vec::new(), wire);
        self.held = held;
        said.map(drop)
    }

    /// Nothing comes for now: what a large record has left behind is given back.
    pub(crate) fn rest(&mut self) {
        if self.held.is_empty() && self.held.capacity() > 0 {
            self.held = Vec::new();
        }
    }

    /// Has it look at these bytes until it wants more; with how many of them it has done.
    fn process(
        &mut self,
        bytes: &mut [u8],
        ours: Ours<'_>,
        plain: &mut Vec<u8>,
        wire: &mut Vec<u8>,
    ) -> Result<usize, TlsFailure> {
        let is_one = length(bytes) == Some(bytes.len());
        let mut done = 0;
        while self.theirs != Theirs::Failed {
            let (taken, step) = self.connection.step(&mut bytes[done..], ours, plain, wire);
            done += taken;
            self.settle_token();
            match step {
                // The usual message, a record of data, does without being told that there is no more. In several
                // somebody may have asked for other keys.
                Step::Read if is_one && done == bytes.len() => break,
                Step::Read | Step::Said => {}
                Step::Ended => self.theirs = Theirs::Ended,
                Step::Waits if self.connection.state().wants_write() => {}
                Step::Waits => break,
                Step::Worn => {
                    // It says goodbye, once.
                    self.connection.say_why(wire);
                    return Err(Error::EncryptError.into());
                }
                Step::Failed(error) => {
                    self.theirs = Theirs::Failed;
                    self.connection.say_why(wire);
                    return Err(error.into());
                }
            }
        }
        Ok(done)
    }

    /// Notes whose session it goes on with, once the handshake is over: also if something broken comes right behind that.
    fn settle_token(&mut self) {
        if let Token::Awaited(tickets) = &self.token
            && self.is_open()
        {
            let token = tickets.take_decrypted().into_boxed_slice();
            self.token = if self.was_resumed() { Token::Told(token) } else { Token::None };
        }
    }

    // ── questions ───────────────────────────────────────────────────────────────────────────

    /// Whether the handshake is over.
    pub(crate) fn is_open(&self) -> bool {
        !self.connection.state().is_handshaking()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.theirs == Theirs::Ended
    }

    pub(crate) fn version(&self) -> Option<rustls::ProtocolVersion> {
        self.connection.state().protocol_version()
    }

    pub(crate) fn cipher(&self) -> Option<rustls::CipherSuite> {
        self.connection.state().negotiated_cipher_suite().map(|suite| suite.suite())
    }

    pub(crate) fn alpn(&self) -> Option<&[u8]> {
        self.connection.state().alpn_protocol()
    }

    /// The name a client has asked for.
    pub(crate) fn server_name(&self) -> Option<&str> {
        self.asked.as_ref()?.name()
    }

    pub(crate) fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        self.connection.state().peer_certificates().unwrap_or_default()
    }

    pub(crate) fn was_resumed(&self) -> bool {
        self.connection.state().handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    }

    /// What the session had been given that this one goes on with.
    pub(crate) fn resumed_token(&self) -> Option<&[u8]> {
        match &self.token {
            Token::Told(token) => Some(token),
            Token::None | Token::Awaited(_) => None,
        }
    }
}

impl Connection {
    fn state(&self) -> &CommonState {
        match self {
            Self::Server(connection) => connection,
            Self::Client(connection) => connection,
        }
    }

    fn step(
        &mut self,
        bytes: &mut [u8],
        ours: Ours<'_>,
        plain: &mut Vec<u8>,
        wire: &mut Vec<u8>,
    ) -> (usize, Step) {
        match self {
            Self::Server(connection) => {
                take(connection.process_tls_records(bytes), ours, plain, wire)
            }
            Self::Client(connection) => {
                take(connection.process_tls_records(bytes), ours, plain, wire)
            }
        }
    }

    /// Tells the peer what was wrong. It must look at no more bytes for that.
    fn say_why(&mut self, wire: &mut Vec<u8>) {
        while self.state().wants_write() {
            let _ = self.step(&mut [], Ours::Nothing, &mut Vec::new(), wire);
        }
    }
}

/// Takes what a connection has come to; how many bytes of those it was shown are done with.
fn take<Side>(
    status: UnbufferedStatus<'_, '_, Side>,
    ours: Ours<'_>,
    plain: &mut Vec<u8>,
    wire: &mut Vec<u8>,
) -> (usize, Step) {
    let UnbufferedStatus { mut discard, state, .. } = status;
    let step = match state {
        Ok(ConnectionState::ReadTraffic(mut records)) => {
            while let Some(Ok(record)) = records.next_record() {
                discard += record.discard;
                plain.extend_from_slice(record.payload);
            }
            Step::Read
        }
        Ok(ConnectionState::EncodeTlsData(mut message)) => {
            let required = |error| match error {
                EncodeError::InsufficientSize(size) => size.required_size,
                EncodeError::AlreadyEncoded => 0,
            };
            append(wire, 0, |room| message.encode(room).map_err(required));
            Step::Said
        }
        Ok(ConnectionState::TransmitTlsData(sent)) => {
            sent.done();
            Step::Said
        }
        Ok(ConnectionState::PeerClosed) => Step::Ended,
        Ok(ConnectionState::WriteTraffic(mut traffic)) => {
            match ours {
                // A peer that has asked for a change of keys gets its answer now, which rustls would keep until there is
                // something to write, for which an idle protocol has no reason. Where there is no room it takes that
                // out, and nothing else.
                Ours::Nothing => drop(traffic.encrypt(&[0], &mut [])),
                Ours::Data(data) => {
                    let room = data.len() + AROUND * data.len().div_ceil(RECORD);
                    let put = |room: &mut [u8]| traffic.encrypt(data, room).map_err(required);
                    if !append(wire, room, put) {
                        return (discard, Step::Worn);
                    }
                }
                Ours::Goodbye => {
                    append(wire, AROUND, |room| traffic.queue_close_notify(room).map_err(required));
                }
            }
            Step::Waits
        }
        // Early data is never agreed upon.
        Ok(_) => Step::Waits,
        Err(error) => Step::Failed(error),
    };
    (discard, step)
}

/// How many bytes there have to be room for; none more, where something else is wrong.
fn required(error: EncryptError) -> usize {
    match error {
        EncryptError::InsufficientSize(size) => size.required_size,
        EncryptError::EncryptExhausted => 0,
    }
}

/// Appends what `put` puts into a slice, of which it says how much there has to be if it is too small; whether it has.
fn append(
    wire: &mut Vec<u8>,
    mut room: usize,
    mut put: impl FnMut(&mut [u8]) -> Result<usize, usize>,
) -> bool {
    let start = wire.len();
    loop {
        wire.resize(start + room, 0);
        match put(&mut wire[start..]) {
            Err(more) if more > room => room = more,
            result => {
                let is_put = result.is_ok();
                wire.truncate(start + result.unwrap_or_default());
                return is_put;
            }
        }
    }
}

/// How long the first record is, if its head is there.
fn length(records: &[u8]) -> Option<usize> {
    let [_, _, _, high, low, ..] = records else { return None };
    Some(HEAD + usize::from(u16::from_be_bytes([*high, *low])))
}

/// How many bytes of the beginning of a record, or of something else, are missing from its end: at least one.
fn missing(held: &[u8]) -> usize {
    match length(held) {
        // What several records say together is longer than the first of them.
        Some(length) => {
            length.checked_sub(held.len()).filter(|missing| *missing > 0).unwrap_or(usize::MAX)
        }
        None => HEAD - held.len(),
    }
}

/// What people meet, as they would say it.
fn in_words(why: &CertificateError) -> String {
    use CertificateError as C;
    match why {
        C::Expired | C::ExpiredContext { .. } => "it has expired".to_owned(),
        C::NotValidYet | C::NotValidYetContext { .. } => "it is not valid yet".to_owned(),
        C::UnknownIssuer => "nobody who is trusted vouches for it".to_owned(),
        C::NotValidForName => "it is for another name".to_owned(),
        C::NotValidForNameContext { expected, presented } => {
            format!("it is not for {}, but for {}", expected.to_str(), presented.join(", "))
        }
        C::Revoked => "it has been revoked".to_owned(),
        C::BadSignature => "its signature is wrong".to_owned(),
        C::BadEncoding => "it cannot be read".to_owned(),
        C::InvalidPurpose | C::InvalidPurposeContext { .. } => {
            "it is for another purpose".to_owned()
        }
        C::Other(rustls::OtherError(why)) => plain(&why.to_string()),
        other => plain(&other.to_string()),
    }
}

/// A word of the library's, which has some reasons by the names of its variants only, in English.
fn plain(why: &str) -> String {
    match why {
        "CaUsedAsEndEntity" => {
            "it is an authority's, and not one for a server or a client".to_owned()
        }
        "EndEntityUsedAsCa" => "it is signed with a certificate that is no authority's".to_owned(),
        _ if !why.is_empty() && why.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            let mut words = String::new();
            for letter in why.chars() {
                if letter.is_ascii_uppercase() && !words.is_empty() {
                    words.push(' ');
                }
                words.push(letter.to_ascii_lowercase());
            }
            words
        }
        _ => why.to_owned(),
    }
}

impl From<Error> for TlsFailure {
    fn from(error: Error) -> Self {
        use Error as E;
        match error {
            E::InvalidCertificate(why) => Self::Certificate(in_words(&why)),
            E::NoCertificatesPresented => Self::Certificate("there is none".to_owned()),
            E::UnsupportedNameType => {
                Self::Certificate("its kind of name cannot be verified".into())
            }
            E::AlertReceived(alert) => Self::Refused(format!("{alert:?}")),
            E::PeerIncompatible(_) | E::NoApplicationProtocol => {
                Self::NothingInCommon(error.to_string())
            }
            E::InappropriateMessage { .. }
            | E::InappropriateHandshakeMessage { .. }
            | E::InvalidMessage(_)
            | E::PeerMisbehaved(_)
            | E::DecryptError
            | E::PeerSentOversizedRecord
            | E::InvalidEncryptedClientHello(_) => Self::Broken(error.to_string()),
            other => Self::Ours(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use rustls::crypto::ring::cipher_suite::{
        TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS13_AES_128_GCM_SHA256,
    };
    use rustls::crypto::{CipherSuiteCommon, CryptoProvider, ring};
    use rustls::{RootCertStore, SupportedCipherSuite, Tls12CipherSuite, Tls13CipherSuite};

    use super::*;
    use crate::Address;
    use crate::tls::{ClientTls, Identity, ServerTls};

    #[test]
    fn the_librarys_words_are_told_in_english() {
        for (word, english) in [
            ("CaUsedAsEndEntity", "it is an authority's, and not one for a server or a client"),
            ("PathLenConstraintViolated", "path len constraint violated"),
            ("one that is a sentence", "one that is a sentence"),
        ] {
            assert_eq!(plain(word), english);
        }
    }

    /// What comes in pieces of so many bytes.
    fn feed(
        engine: &mut Engine,
        wire: &[u8],
        cut: usize,
        plain: &mut Vec<u8>,
        answer: &mut Vec<u8>,
    ) {
        for piece in wire.chunks(cut) {
            engine.feed(&mut piece.to_vec(), plain, answer).expect("it is TLS");
        }
    }

    /// A client and a server that have shaken hands.
    fn pair() -> (Engine, Engine) {
        let (mut client, mut server) = strangers();
        shake_hands(&mut client, &mut server, usize::MAX);
        (client, server)
    }

    fn strangers() -> (Engine, Engine) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("it signs");
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let identity =
            Identity::from_pem(certificate.as_bytes(), key.as_bytes()).expect("it is fine");
        let client = ClientTls::pinned(&[identity.fingerprint()]).expect("it is fine");
        let address: Address = "127.0.0.1:7".parse().expect("a literal");
        let client = client.engine(&address).expect("it has a name");
        let server = ServerTls::new(identity).expect("it is fine");
        (client, server.engine().expect("it is fine"))
    }

    fn shake_hands(client: &mut Engine, server: &mut Engine, cut: usize) {
        let (mut wire, mut back) = (Vec::new(), Vec::new());
        client.begin(&mut wire);
        while !wire.is_empty() || !back.is_empty() {
            feed(server, &mem::take(&mut wire), cut, &mut Vec::new(), &mut back);
            feed(client, &mem::take(&mut back), cut, &mut Vec::new(), &mut wire);
        }
        assert!(client.is_open() && server.is_open());
    }

    #[test]
    fn what_is_written_is_read_however_it_is_cut() {
        let said: Vec<u8> = (0..40_000_u32).map(|at| at as u8).collect();
        for cut in [1, 5, 777, 16 * 1024, usize::MAX] {
            let (mut client, mut server) = strangers();
            shake_hands(&mut client, &mut server, cut);
            let (mut wire, mut heard) = (Vec::new(), Vec::new());
            client.write(&said, &mut wire).expect("it has keys");
            client.close(&mut wire);
            wire.extend_from_slice(b"nothing that anybody hears");
            feed(&mut server, &wire, cut, &mut heard, &mut Vec::new());
            assert!(heard == said && server.has_ended() && !client.has_ended(), "{cut}");
            let mut answer = Vec::new();
            server.write(b"and yours", &mut answer).expect("it has keys");
            heard.clear();
            feed(&mut client, &answer, cut, &mut heard, &mut Vec::new());
            assert_eq!(heard, b"and yours", "{cut}");
        }
    }

    /// The same message, in records of so many bytes.
    fn spread(record: &[u8], size: usize) -> Vec<u8> {
        let (head, message) = record.split_at(HEAD);
        let records = message.chunks(size).map(|piece| {
            let length = u16::try_from(piece.len()).expect("it is short").to_be_bytes();
            [&head[..3], &length, piece].concat()
        });
        records.collect::<Vec<_>>().concat()
    }

    #[test]
    fn a_hello_in_many_records_is_put_together_however_it_is_cut() {
        for (size, cut) in [(1, usize::MAX), (40, 1), (40, 7), (40, 45), (100, 300), (3, 8)] {
            let (mut client, mut server) = strangers();
            let (mut hello, mut back, mut wire) = (Vec::new(), Vec::new(), Vec::new());
            client.begin(&mut hello);
            feed(&mut server, &spread(&hello, size), cut, &mut Vec::new(), &mut back);
            assert!(!back.is_empty(), "{size} {cut}");
            feed(&mut client, &back, cut, &mut Vec::new(), &mut wire);
            feed(&mut server, &wire, cut, &mut Vec::new(), &mut Vec::new());
            assert!(client.is_open() && server.is_open(), "{size} {cut}");
        }
    }

    #[test]
    fn a_message_in_so_many_records_that_it_fills_the_memory_is_refused() {
        let (_, mut server) = strangers();
        // A ClientHello of 64 KiB.
        let mut record = vec![22, 3, 1, 0, 4, 1, 0, 0xff, 0xff];
        let failed = (0..u16::MAX).find_map(|_| {
            let failed = server.feed(&mut record, &mut Vec::new(), &mut Vec::new()).err();
            assert!(server.held.len() <= MOST_HELD);
            record = vec![22, 3, 1, 0, 1, 0];
            failed
        });
        assert!(matches!(failed, Some(TlsFailure::Broken(_))), "{failed:?}");
    }

    proptest! {
        #[test]
        fn whatever_comes_however_it_is_cut_nothing_panics(
            suite in prop::sample::select(vec![
                TLS13_AES_128_GCM_SHA256,
                TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            ]),
            spoilt in 0..4,
            flips in vec((any::<prop::sample::Index>(), 1_u8..), 0..4),
            (size, cut) in (1_usize..400, 1_usize..900),
        ) {
            let (mut client, mut server) = strangers_with(suite);
            let mut flight = 0;
            let (mut hello, mut back, mut wire) = (Vec::new(), Vec::new(), Vec::new());
            client.begin(&mut hello);
            let mut hostile = |mut wire: Vec<u8>, to: &mut Engine, answer: &mut Vec<u8>| {
                flight += 1;
                let flips = if flight > spoilt && !wire.is_empty() { &flips[..] } else { &[] };
                for (at, by) in flips {
                    let at = at.index(wire.len());
                    wire[at] ^= by;
                }
                // It goes on after a failure too, which nobody does.
                for piece in wire.chunks_mut(cut) {
                    let _ = to.feed(piece, &mut Vec::new(), answer);
                    to.rest();
                }
                to.write(b"and an answer", answer).expect("it has keys");
            };
            hostile(spread(&hello, size), &mut server, &mut back);
            for _ in 0..3 {
                hostile(mem::take(&mut back), &mut client, &mut wire);
                hostile(mem::take(&mut wire), &mut server, &mut back);
            }
        }
    }

    #[test]
    fn what_is_wrong_is_told_once_and_is_the_last() {
        for cut in [1, 7, usize::MAX] {
            let (mut client, mut server) = pair();
            let (mut wire, mut heard, mut answer) = (Vec::new(), Vec::new(), Vec::new());
            client.write(b"what was whole", &mut wire).expect("it has keys");
            client.write(b"and what was not", &mut wire).expect("it has keys");
            client.write(b"and what nobody hears", &mut wire).expect("it has keys");
            wire[14 + 22 + HEAD] ^= 1;
            let mut pieces = wire.chunks(cut).map(<[u8]>::to_vec);
            let failed =
                pieces.find_map(|mut it| server.feed(&mut it, &mut heard, &mut answer).err());
            assert!(matches!(failed, Some(TlsFailure::Broken(_))), "{failed:?}");
            assert_eq!(heard, b"what was whole");
            let told = answer.len();
            server.write(b"no more", &mut answer).expect("it has keys");
            server.close(&mut answer);
            assert!(told > 0 && answer.len() == told, "{cut}");
            let refused = client.feed(&mut answer, &mut heard, &mut Vec::new());
            assert!(matches!(refused, Err(TlsFailure::Refused(_))), "{refused:?}");
        }
    }

    #[test]
    fn who_asks_for_new_keys_is_answered_at_once_with_data_or_without() {
        for [before, behind] in [["", ""], ["in front of it", ""], ["", "behind it"]] {
            let (mut client, mut server) = pair();
            let (mut wire, mut heard, mut answer) = (Vec::new(), Vec::new(), Vec::new());
            client.write(before.as_bytes(), &mut wire).expect("it has keys");
            feed(&mut server, &wire, usize::MAX, &mut heard, &mut answer);
            assert!(answer.is_empty(), "data was answered");
            wire.clear();
            client.write(before.as_bytes(), &mut wire).expect("it has keys");
            ask_for_new_keys(&mut client);
            client.write(behind.as_bytes(), &mut wire).expect("it has keys");
            client.write(behind.as_bytes(), &mut wire).expect("it has keys");
            feed(&mut server, &wire, usize::MAX, &mut heard, &mut answer);
            assert_eq!(heard, [before, before, behind, behind].concat().as_bytes());
            assert!(!answer.is_empty(), "{before:?} {behind:?}");
            server.write(b"by the new ones", &mut answer).expect("it has keys");
            let mut said = Vec::new();
            feed(&mut client, &answer, usize::MAX, &mut said, &mut Vec::new());
            assert_eq!(said, b"by the new ones");
        }
    }

    /// The same suite, whose keys are worn after a few records.
    fn wearing(suite: SupportedCipherSuite) -> SupportedCipherSuite {
        let common = |of: &CipherSuiteCommon| CipherSuiteCommon {
            confidentiality_limit: 6,
            suite: of.suite,
            hash_provider: of.hash_provider,
        };
        match suite {
            SupportedCipherSuite::Tls12(it) => {
                let worn = Tls12CipherSuite { common: common(&it.common), ..*it };
                SupportedCipherSuite::Tls12(Box::leak(Box::new(worn)))
            }
            SupportedCipherSuite::Tls13(it) => {
                let worn = Tls13CipherSuite { common: common(&it.common), ..*it };
                SupportedCipherSuite::Tls13(Box::leak(Box::new(worn)))
            }
        }
    }

    fn pair_with(suite: SupportedCipherSuite) -> (Engine, Engine) {
        let (mut client, mut server) = strangers_with(suite);
        shake_hands(&mut client, &mut server, usize::MAX);
        (client, server)
    }

    /// As [`strangers`], with this suite alone.
    fn strangers_with(suite: SupportedCipherSuite) -> (Engine, Engine) {
        let provider =
            Arc::new(CryptoProvider { cipher_suites: vec![suite], ..ring::default_provider() });
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("it signs");
        let certificate = made.cert.der();
        let key = made.signing_key.serialize_der().try_into().expect("it is a key");
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).expect("it is one");
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[suite.version()])
            .expect("it is known")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[suite.version()])
            .expect("it is known")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .expect("they are one's");
        let asked = Arc::new(Asked::new(Arc::clone(&server.cert_resolver)));
        let name = "localhost".try_into().expect("it is a name");
        let client = Engine::client(Arc::new(client), name).expect("it is fine");
        (client, Engine::server(Arc::new(server), asked, None).expect("it is fine"))
    }

    fn ask_for_new_keys(engine: &mut Engine) {
        fn of<Side>(status: UnbufferedStatus<'_, '_, Side>) {
            let Ok(ConnectionState::WriteTraffic(traffic)) = status.state else {
                unreachable!("it is open");
            };
            traffic.refresh_traffic_keys().expect("it is version 1.3");
        }
        match &mut engine.connection {
            Connection::Client(connection) => of(connection.process_tls_records(&mut [])),
            Connection::Server(connection) => of(connection.process_tls_records(&mut [])),
        }
    }

    /// One whose keys are worn, with version 1.2, which has no others: rustls ends it.
    #[test]
    fn who_has_no_keys_left_says_goodbye_and_cannot_write() {
        let (mut client, mut server) = pair_with(wearing(TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256));
        for at in 0..10 {
            let (mut wire, mut heard) = (Vec::new(), Vec::new());
            let written = client.write(b"a word", &mut wire);
            feed(&mut server, &wire, usize::MAX, &mut heard, &mut Vec::new());
            assert_eq!(written.is_ok(), !heard.is_empty(), "{at}");
            assert_eq!(written.is_err(), server.has_ended(), "{at}");
        }
        assert!(server.has_ended());
        // The other half goes on.
        let (mut wire, mut heard) = (Vec::new(), Vec::new());
        server.write(b"and yours", &mut wire).expect("it has keys");
        client.close(&mut Vec::new());
        feed(&mut client, &wire, usize::MAX, &mut heard, &mut Vec::new());
        assert_eq!(heard, b"and yours");
    }

    #[derive(Clone, Debug)]
    enum Act {
        Write(usize),
        NewKeys,
        /// So many bytes arrive, in pieces of so many.
        Arrive(usize, usize),
        Rest,
        Close,
    }

    fn act() -> impl Strategy<Value = (bool, Act)> {
        let size = || prop_oneof![0_usize..40, 0_usize..70_000];
        let act = prop_oneof![
            3 => size().prop_map(Act::Write),
            1 => Just(Act::NewKeys),
            4 => (size(), prop_oneof![1_usize..60, 1_usize..70_000]).prop_map(|(n, cut)| Act::Arrive(n, cut)),
            1 => Just(Act::Rest),
            1 => Just(Act::Close),
        ];
        (any::<bool>(), act)
    }

    proptest! {
        /// Records of both in any order, and keys that change underneath.
        #[test]
        fn what_both_say_is_heard_until_their_end_while_keys_change(
            suite in prop::sample::select(vec![
                wearing(TLS13_AES_128_GCM_SHA256),
                TLS13_AES_128_GCM_SHA256,
                TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            ]),
            acts in vec(act(), 1..60),
            flip in prop::option::weighted(0.5, (any::<prop::sample::Index>(), 1_u8..)),
        ) {
            let (client, server) = pair_with(suite);
            let mut sides = [client, server];
            let (mut wires, mut said, mut heard) = <([Vec<u8>; 2], [Vec<u8>; 2], [Vec<u8>; 2])>::default();
            let at_flip = flip.as_ref().map(|(at, _)| at.index(acts.len()));
            let (mut failed, mut closed) = (false, [false; 2]);
            for (at, (side, act)) in acts.into_iter().enumerate() {
                let me = usize::from(side);
                if at_flip == Some(at) && !wires[me].is_empty() {
                    let (index, by) = flip.as_ref().expect("there is one");
                    let at = index.index(wires[me].len());
                    wires[me][at] ^= by;
                    failed = true;
                }
                match act {
                    // A layer sends nothing behind its goodbye.
                    Act::Write(_) | Act::NewKeys | Act::Close if closed[me] => {}
                    // rustls asserts, in a debug build, that its goodbye is never followed by an alert.
                    Act::Close if flip.is_some() => {}
                    Act::Close => {
                        closed[me] = true;
                        sides[me].close(&mut wires[me]);
                    }
                    Act::Write(size) => {
                        let data: Vec<u8> = (0..size).map(|at| (at / 7) as u8).collect();
                        if sides[me].theirs != Theirs::Failed {
                            said[me].extend_from_slice(&data);
                        }
                        sides[me].write(&data, &mut wires[me]).expect("it has keys");
                    }
                    Act::NewKeys if suite.tls13().is_some() && sides[me].theirs != Theirs::Failed => {
                        ask_for_new_keys(&mut sides[me]);
                        sides[me].say(Ours::Nothing, &mut wires[me]).expect("it has keys");
                    }
                    Act::NewKeys => {}
                    Act::Arrive(count, cut) => {
                        let count = count.min(wires[me].len());
                        let mut come: Vec<u8> = wires[me].drain(..count).collect();
                        for piece in come.chunks_mut(cut) {
                            let fed = sides[1 - me].feed(piece, &mut heard[me], &mut wires[1 - me]);
                            prop_assert!(failed || fed.is_ok(), "{fed:?}");
                        }
                    }
                    Act::Rest => sides[me].rest(),
                }
                prop_assert!(said[me].starts_with(&heard[me]));
            }
            let mut turns = 0;
            while wires.iter().any(|wire| !wire.is_empty()) {
                for me in [0, 1] {
                    let mut come = mem::take(&mut wires[me]);
                    let fed = sides[1 - me].feed(&mut come, &mut heard[me], &mut wires[1 - me]);
                    prop_assert!(failed || fed.is_ok(), "{fed:?}");
                }
                turns += 1;
                prop_assert!(turns < 100);
            }
            for me in [0, 1] {
                prop_assert!(said[me].starts_with(&heard[me]));
                prop_assert!(failed || said[me] == heard[me]);
                prop_assert!(failed || sides[me].held.is_empty());
                prop_assert_eq!(sides[1 - me].has_ended(), closed[me]);
            }
        }
    }

    #[test]
    fn what_a_large_record_needed_is_given_back_when_nothing_comes() {
        let (mut client, mut server) = pair();
        let (mut wire, mut heard) = (Vec::new(), Vec::new());
        client.write(&[7; 16 * 1024], &mut wire).expect("it has keys");
        // Nearly all of it: the record is in there, and cannot be opened.
        let (last, most) = wire.split_last().expect("it is a record");
        feed(&mut server, most, usize::MAX, &mut heard, &mut Vec::new());
        server.rest();
        assert_eq!((server.held.len(), heard.len()), (most.len(), 0));
        // It has not lost what it holds.
        feed(&mut server, &[*last], usize::MAX, &mut heard, &mut Vec::new());
        assert_eq!(heard, [7; 16 * 1024]);
        server.rest();
        assert_eq!(server.held.capacity(), 0);
        wire.clear();
        client.write(b"and on", &mut wire).expect("it has keys");
        feed(&mut server, &wire, usize::MAX, &mut heard, &mut Vec::new());
        assert!(heard.ends_with(b"and on") && !server.has_ended());
        assert_eq!(server.held.capacity(), 0);
    }
}
