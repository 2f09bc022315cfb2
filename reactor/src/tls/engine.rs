//! The one place that calls rustls' connections.
//!
//! Its shape is that of rustls 0.24: bytes come in as a slice, what they mean is added to one buffer and what
//! has to be answered to another, and nothing waits inside. On 0.23 that takes a loop, since a connection
//! there has buffers of its own:
//!
//! ```text
//!   bytes ──▶ read_tls ──▶ process_new_packets ──▶ reader ──▶ plain
//!              4 KiB at a time        └──▶ write_tls ──▶ wire   (also after an error: the alert)
//! ```

use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Connection, Error, ServerConfig,
    ServerConnection,
};

use super::TlsFailure;
use super::ticket::Tickets;

/// What a connection of rustls keeps for what it reads, once it has shrunk.
const SMALL: usize = 4096;

/// One connection's TLS.
pub(crate) struct Engine {
    connection: Connection,
    /// The peer has sent close_notify.
    has_ended: bool,
    /// Bytes it was fed since it last shrank.
    fed: usize,
    token: Token,
}

/// Whose session a connection goes on with.
enum Token {
    /// Nobody's, or nobody wants to know.
    None,
    /// The one of whom the ticket says it, if one is taken.
    Awaited(Arc<Tickets>),
    Told(Box<[u8]>),
}

impl Engine {
    pub(crate) fn server(
        config: Arc<ServerConfig>,
        tickets: Option<Arc<Tickets>>,
    ) -> Result<Self, TlsFailure> {
        let token = tickets.map_or(Token::None, Token::Awaited);
        Ok(Self { token, ..Self::new(ServerConnection::new(config)?.into()) })
    }

    pub(crate) fn client(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, TlsFailure> {
        Ok(Self::new(ClientConnection::new(config, name)?.into()))
    }

    fn new(mut connection: Connection) -> Self {
        // The stream bounds what is written; here nothing stays.
        connection.set_buffer_limit(None);
        Self { connection, has_ended: false, fed: 0, token: Token::None }
    }

    /// What this side says first.
    pub(crate) fn begin(&mut self, wire: &mut Vec<u8>) {
        self.drain_wire(wire);
    }

    /// Takes in what has come.
    pub(crate) fn feed(
        &mut self,
        mut bytes: &[u8],
        plain: &mut Vec<u8>,
        wire: &mut Vec<u8>,
    ) -> Result<(), TlsFailure> {
        self.fed = self.fed.saturating_add(bytes.len());
        let (is_one_record, before) = (is_one_record(bytes), plain.len());
        // What follows close_notify is nothing (RFC 8446, 6.1), and is left where it is.
        while !bytes.is_empty() && !self.has_ended {
            let taken = self.connection.read_tls(&mut bytes).map_err(unexpected)?;
            let processed = self.connection.process_new_packets();
            // After an error too: the alert is in there.
            self.drain_wire(wire);
            self.settle_token();
            if processed.is_err() {
                // What came before that was whole. It says that there is no more by an error.
                let _ = self.drain_plain(usize::MAX, plain);
            }
            let state = processed?;
            self.drain_plain(state.plaintext_bytes_to_read(), plain).map_err(unexpected)?;
            self.has_ended = state.peer_has_closed();
            if taken == 0 && !self.has_ended {
                return Err(TlsFailure::Ours("it takes no more".to_owned()));
            }
        }
        // One record that was data was no request for anything: so the usual message does without. (Where rustls holds
        // the beginning of a record the head is looked for in the wrong place. A peer that makes that look like one
        // record, and asks for new keys, only has its answer later: with what is written next.)
        if !is_one_record || plain.len() == before {
            self.answer(wire);
        }
        Ok(())
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

    /// A peer that has asked for a change of keys gets its answer now, and one however often it has asked.
    /// rustls would keep it until the next write, for which an idle protocol has no reason.
    fn answer(&mut self, wire: &mut Vec<u8>) {
        if self.is_open() && !self.has_ended {
            self.write(&[], wire);
        }
    }

    /// Turns plain bytes into records.
    pub(crate) fn write(&mut self, plain: &[u8], wire: &mut Vec<u8>) {
        // Nothing bounds its buffer, so it takes them all: or none, if it has failed, as an alert is the last that is sent
        // (RFC 8446, 6.2).
        let _ = self.connection.writer().write(plain);
        self.drain_wire(wire);
    }

    /// This side sends no more: close_notify.
    pub(crate) fn close(&mut self, wire: &mut Vec<u8>) {
        self.connection.send_close_notify();
        self.drain_wire(wire);
    }

    /// Nothing comes for now: what a large record has left behind is given back.
    pub(crate) fn rest(&mut self) {
        if self.fed > SMALL {
            self.fed = 0;
            // It looks at the size of its buffer before it reads, and at nothing else.
            let _ = self.connection.read_tls(&mut Nothing);
        }
    }

    fn drain_wire(&mut self, wire: &mut Vec<u8>) {
        while self.connection.wants_write() {
            if !matches!(self.connection.write_tls(wire), Ok(sent) if sent > 0) {
                return;
            }
        }
    }

    fn drain_plain(&mut self, mut count: usize, plain: &mut Vec<u8>) -> io::Result<()> {
        let mut reader = self.connection.reader();
        while count > 0 {
            let chunk = reader.fill_buf()?;
            let length = chunk.len();
            if length == 0 {
                break;
            }
            plain.extend_from_slice(chunk);
            reader.consume(length);
            count = count.saturating_sub(length);
        }
        Ok(())
    }

    // ── questions ───────────────────────────────────────────────────────────────────────────

    /// Whether the handshake is over.
    pub(crate) fn is_open(&self) -> bool {
        !self.connection.is_handshaking()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    pub(crate) fn version(&self) -> Option<rustls::ProtocolVersion> {
        self.connection.protocol_version()
    }

    pub(crate) fn cipher(&self) -> Option<rustls::CipherSuite> {
        self.connection.negotiated_cipher_suite().map(|suite| suite.suite())
    }

    pub(crate) fn alpn(&self) -> Option<&[u8]> {
        self.connection.alpn_protocol()
    }

    /// The name a client has asked for.
    pub(crate) fn server_name(&self) -> Option<&str> {
        match &self.connection {
            Connection::Server(connection) => connection.server_name(),
            Connection::Client(_) => None,
        }
    }

    pub(crate) fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        self.connection.peer_certificates().unwrap_or_default()
    }

    pub(crate) fn was_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    }

    /// What the session had been given that this one goes on with.
    pub(crate) fn resumed_token(&self) -> Option<&[u8]> {
        match &self.token {
            Token::Told(token) => Some(token),
            Token::None | Token::Awaited(_) => None,
        }
    }
}

/// Whether these bytes are one record by what its head says, if they begin with a record and not in the middle of one:
/// its length is in the last two of five bytes (RFC 8446, 5.1).
fn is_one_record(bytes: &[u8]) -> bool {
    match bytes {
        [_, _, _, high, low, rest @ ..] => {
            usize::from(u16::from_be_bytes([*high, *low])) == rest.len()
        }
        _ => false,
    }
}

/// A socket that has nothing. One that is at its end would be remembered.
struct Nothing;

impl Read for Nothing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

/// Its buffers are emptied after each step, so it has no reason to refuse anything.
fn unexpected(error: io::Error) -> TlsFailure {
    TlsFailure::Ours(error.to_string())
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

    /// A client and a server that have shaken hands.
    fn pair() -> (Engine, Engine) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("it signs");
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let identity =
            Identity::from_pem(certificate.as_bytes(), key.as_bytes()).expect("it is fine");
        let client = ClientTls::pinned(&[identity.fingerprint()]).expect("it is fine");
        let address: Address = "127.0.0.1:7".parse().expect("a literal");
        let mut client = client.engine(&address).expect("it has a name");
        let server = ServerTls::new(identity).expect("it is fine");
        let mut server = server.engine().expect("it is fine");
        let (mut wire, mut back) = (Vec::new(), Vec::new());
        client.begin(&mut wire);
        while !wire.is_empty() || !back.is_empty() {
            server.feed(&std::mem::take(&mut wire), &mut Vec::new(), &mut back).expect("it is TLS");
            client.feed(&std::mem::take(&mut back), &mut Vec::new(), &mut wire).expect("it is TLS");
        }
        assert!(client.is_open() && server.is_open());
        (client, server)
    }

    #[test]
    fn what_is_written_is_read_however_it_is_cut() {
        let (mut client, mut server) = pair();
        let said: Vec<u8> = (0..40_000_u32).map(|at| at as u8).collect();
        let (mut wire, mut heard) = (Vec::new(), Vec::new());
        client.write(&said, &mut wire);
        client.close(&mut wire);
        for piece in wire.chunks(777) {
            server.feed(piece, &mut heard, &mut Vec::new()).expect("it is TLS");
        }
        assert!(heard == said && server.has_ended() && !client.has_ended());
    }

    #[test]
    fn who_asks_for_new_keys_is_answered_at_once_with_data_or_without() {
        for data in ["", "in front of it"] {
            let (mut client, mut server) = pair();
            let (mut wire, mut heard, mut answer) = (Vec::new(), Vec::new(), Vec::new());
            client.write(data.as_bytes(), &mut wire);
            server.feed(&wire, &mut heard, &mut answer).expect("it is TLS");
            assert!(answer.is_empty(), "data was answered");
            wire.clear();
            client.write(data.as_bytes(), &mut wire);
            client.connection.refresh_traffic_keys().expect("it is version 1.3");
            client.drain_wire(&mut wire);
            server.feed(&wire, &mut heard, &mut answer).expect("it is TLS");
            assert!(!answer.is_empty(), "{data:?}");
            server.write(b"by the new ones", &mut answer);
            let mut said = Vec::new();
            client.feed(&answer, &mut said, &mut Vec::new()).expect("it is TLS");
            assert_eq!(said, b"by the new ones");
        }
    }

    #[test]
    fn what_a_large_record_needed_is_given_back_when_nothing_comes() {
        let (mut client, mut server) = pair();
        let mut wire = Vec::new();
        client.write(&[7; 16 * 1024], &mut wire);
        // Nearly all of it: the record is in there, and cannot be opened.
        let (last, most) = wire.split_last().expect("it is a record");
        let mut heard = Vec::new();
        server.feed(most, &mut heard, &mut Vec::new()).expect("it is TLS");
        assert!(server.fed > SMALL);
        server.rest();
        assert_eq!((server.fed, heard.len()), (0, 0));
        // It has not lost what it holds, and has ended by it even less.
        server.feed(&[*last], &mut heard, &mut Vec::new()).expect("it is TLS");
        assert_eq!(heard, [7; 16 * 1024]);
        server.rest();
        wire.clear();
        client.write(b"and on", &mut wire);
        server.feed(&wire, &mut heard, &mut Vec::new()).expect("it is TLS");
        assert!(heard.ends_with(b"and on") && !server.has_ended());
    }
}
