//! Tickets that say whose session they are of, in every version of TLS: rustls 0.23 tells that in 1.3 only.
//!
//! ```text
//!   ticket:  sealed ( length of the token, a byte │ token │ what rustls wants to find again )
//! ```
//!
//! That is short: all of it has to go into the 65,535 bytes that a ticket may have, and rustls does not look.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::server::ProducesTickets;

/// Makes the tickets of a server, or of one of its connections.
#[derive(Debug)]
pub(crate) struct Tickets {
    sealer: Arc<dyn ProducesTickets>,
    /// What those of this connection say, if it is one's.
    token: Option<Arc<[u8]>>,
    /// What the ticket has said that was decrypted last: of those that a client offers it is the one that counts.
    decrypted: Mutex<Vec<u8>>,
}

impl Tickets {
    /// Of a server.
    pub(super) fn new(sealer: Arc<dyn ProducesTickets>) -> Self {
        Self { sealer, token: None, decrypted: Mutex::default() }
    }

    /// Of one connection, whose tickets say this.
    pub(super) fn with_token(&self, token: &Arc<[u8]>) -> Self {
        Self { token: Some(Arc::clone(token)), ..Self::new(Arc::clone(&self.sealer)) }
    }

    /// What the ticket has said by which the connection goes on, if it does.
    pub(super) fn take_decrypted(&self) -> Vec<u8> {
        mem::take(&mut *self.decrypted.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        self.sealer.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.sealer.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let token = self.token.as_deref().unwrap_or_default();
        let length = u8::try_from(token.len()).ok()?;
        self.sealer.encrypt(&[&[length], token, plain].concat())
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let decrypted = self.sealer.decrypt(cipher)?;
        let (length, rest) = decrypted.split_first()?;
        let (token, plain) = rest.split_at_checked(usize::from(*length))?;
        if self.token.is_some() {
            *self.decrypted.lock().unwrap_or_else(PoisonError::into_inner) = token.to_vec();
        }
        Some(plain.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hides nothing.
    #[derive(Debug)]
    struct Glass;

    impl ProducesTickets for Glass {
        fn enabled(&self) -> bool {
            true
        }

        fn lifetime(&self) -> u32 {
            1
        }

        fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
            Some(plain.to_vec())
        }

        fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
            Some(cipher.to_vec())
        }
    }

    #[test]
    fn a_ticket_says_a_token_of_255_bytes_at_most() {
        for (length, fits) in [(0, true), (1, true), (255, true), (256, false)] {
            let token = vec![7; length];
            let tickets = Tickets::new(Arc::new(Glass)).with_token(&token.clone().into());
            let session = tickets.encrypt(b"session").and_then(|it| tickets.decrypt(&it));
            assert_eq!(session.is_some_and(|it| it == b"session"), fits, "{length} bytes");
            assert_eq!(tickets.take_decrypted() == token, fits, "{length} bytes");
        }
    }
}
