//! The secret of both sides, and what is made of it.

use crypto_bigint::modular::ConstMontyForm;
use crypto_bigint::{U192, U768, const_monty_params};
use sha1::{Digest as _, Sha1};

use super::Rc4;
use crate::torrent::wire::InfoHash;

const_monty_params!(
    Group,
    U768,
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A36210000000000090563",
    "The group of the exchange: the prime of 768 bits that the specification says."
);

type Element = ConstMontyForm<Group, { U768::LIMBS }>;

/// Bits of an exponent: more would take longer, and be no harder to find.
const BITS: u32 = 160;

/// Bytes of a key that is sent, and of the secret.
pub(super) const KEY: usize = 96;

/// One side's part of the exchange: 160 bits by chance.
pub(super) struct Private(U192);

/// What both sides know, and nobody else.
pub(super) struct Secret([u8; KEY]);

impl Private {
    pub(super) fn new(random: &mut dyn FnMut() -> u64) -> Self {
        let mut bytes = [0; 24];
        bytes[4..12].copy_from_slice(&random().to_be_bytes());
        bytes[12..20].copy_from_slice(&random().to_be_bytes());
        bytes[20..].copy_from_slice(&random().to_be_bytes()[..4]);
        Self(U192::from_be_slice(&bytes))
    }

    /// The key that the other side is sent: 2 to the power of this one.
    pub(super) fn public(&self) -> [u8; KEY] {
        to_bytes(Element::new(&U768::from_u8(2)).pow_bounded_exp(&self.0, BITS))
    }

    /// The secret, with the other side's key; `None` if that has been chosen so that everybody knows the secret.
    pub(super) fn secret(&self, theirs: &[u8; KEY]) -> Option<Secret> {
        let (theirs, last) = (U768::from_be_slice(theirs), Element::new(&U768::ONE).neg());
        let is_secret = theirs > U768::ONE && theirs < last.retrieve();
        is_secret.then(|| Secret(to_bytes(Element::new(&theirs).pow_bounded_exp(&self.0, BITS))))
    }
}

impl Secret {
    /// What ends the pad of the side that dials.
    pub(super) fn marker(&self) -> [u8; 20] {
        digest(&[b"req1", &self.0])
    }

    /// How a torrent is named to a side that knows it, and to nobody else; and back.
    pub(super) fn veil(&self, torrent: [u8; 20]) -> [u8; 20] {
        let mask = digest(&[b"req3", &self.0]);
        std::array::from_fn(|at| torrent[at] ^ mask[at])
    }

    /// The streams from the side that dials, and to it.
    pub(super) fn streams(&self, torrent: InfoHash) -> [Box<Rc4>; 2] {
        [b"keyA", b"keyB"]
            .map(|name| Box::new(Rc4::new(&digest(&[name, &self.0, torrent.as_bytes()]))))
    }
}

/// What a torrent is called before its name is veiled.
pub(super) fn name(torrent: InfoHash) -> [u8; 20] {
    digest(&[b"req2", torrent.as_bytes()])
}

fn to_bytes(element: Element) -> [u8; KEY] {
    let mut bytes = [0; KEY];
    bytes.copy_from_slice(element.retrieve().to_be_bytes().as_ref());
    bytes
}

fn digest(parts: &[&[u8]]) -> [u8; 20] {
    let mut hash = Sha1::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}
