//! Tickets that say whose session they are of, in every version of TLS: rustls 0.23 tells that in 1.3 only.
//!
//! ```text
//!   ticket:  sealed ( length of the token │ token │ what rustls wants to find again )
//! ```

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::server::ProducesTickets;

/// Makes the tickets of a server, or of one of its connections.
#[derive(Debug)]
pub(crate) struct Tickets {
    sealer: Arc<dyn ProducesTickets>,
    /// What those of this connection say, if it is one's.
    token: Option<Arc<[u8]>>,
    /// What the ticket has said that was opened last: of those that a client offers it is the one that counts.
    opened: Mutex<Vec<u8>>,
}

impl Tickets {
    /// Of a server.
    pub(super) fn new(sealer: Arc<dyn ProducesTickets>) -> Self {
        Self { sealer, token: None, opened: Mutex::default() }
    }

    /// Of one connection, whose tickets say this.
    pub(super) fn with_token(&self, token: &Arc<[u8]>) -> Self {
        Self { token: Some(Arc::clone(token)), ..Self::new(Arc::clone(&self.sealer)) }
    }

    /// What the ticket has said by which the connection goes on, if it does.
    pub(super) fn take_opened(&self) -> Vec<u8> {
        mem::take(&mut *self.opened.lock().unwrap_or_else(PoisonError::into_inner))
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
        let length = u16::try_from(token.len()).ok()?.to_be_bytes();
        self.sealer.encrypt(&[&length, token, plain].concat())
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let opened = self.sealer.decrypt(cipher)?;
        let (length, rest) = opened.split_first_chunk()?;
        let (token, plain) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        if self.token.is_some() {
            *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = token.to_vec();
        }
        Some(plain.to_vec())
    }
}
