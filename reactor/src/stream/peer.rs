//! The other end's address, packed.

use std::net::{SocketAddr, SocketAddrV4};

use crate::Address;

/// An address in 16 bytes: most peers have an IPv4 one, and the others pay for a box.
pub(super) enum Peer {
    V4(SocketAddrV4),
    Other(Box<Address>),
}

impl Peer {
    pub(super) fn address(&self) -> Address {
        match self {
            Self::V4(address) => Address::Ip((*address).into()),
            Self::Other(address) => (**address).clone(),
        }
    }
}

impl From<Address> for Peer {
    fn from(address: Address) -> Self {
        match address {
            Address::Ip(SocketAddr::V4(address)) => Self::V4(address),
            other => Self::Other(Box::new(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_being_packed() {
        for text in ["127.0.0.1:80", "[::1]:80", "unix:/a"] {
            let address: Address = text.parse().expect("it is an address");
            assert_eq!(Peer::from(address.clone()).address(), address);
        }
        assert_eq!(size_of::<Peer>(), 16);
    }
}
