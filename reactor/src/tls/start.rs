//! Either side's TLS, for a connection that begins it later.

use super::{ClientTls, Engine, ServerTls, StartTlsError};
use crate::Address;

/// One side's configuration: a [`ServerTls`] or a [`ClientTls`]. Nothing else can be one.
pub trait Tls: sealed::Sealed {}

pub(crate) mod sealed {
    use super::{Address, Engine, StartTlsError};

    pub trait Sealed {
        /// TLS for a connection with this peer.
        fn begin(&self, peer: &Address) -> Result<Made, StartTlsError>;
    }

    /// Keeps what is inside from being part of the interface.
    #[allow(missing_debug_implementations, reason = "nobody outside can get at one")]
    pub struct Made(pub(crate) Engine);
}

impl Tls for ServerTls {}
impl Tls for ClientTls {}

impl sealed::Sealed for ServerTls {
    fn begin(&self, _: &Address) -> Result<sealed::Made, StartTlsError> {
        Ok(sealed::Made(self.engine()?))
    }
}

impl sealed::Sealed for ClientTls {
    fn begin(&self, peer: &Address) -> Result<sealed::Made, StartTlsError> {
        self.engine(peer).map(sealed::Made)
    }
}
