//! Where every choice of a simulated network comes from: a tape of bytes.
//!
//! A seed writes the tape as it is read; a failure is shrunk by running again on a tape with fewer
//! and smaller bytes, and a fuzzer may write one of its own. **Zero is always the calmest choice**:
//! no fault, the shortest delay, the first in the order. So a tape that ends goes on as zeros, and
//! what is left of a shrunk one is what mattered.

use std::time::Duration;

/// A source of choices: a seed's, or a tape's.
#[derive(Clone, Debug)]
pub struct Choices {
    /// What has been read, and for a given tape what is still to be read.
    tape: Vec<u8>,
    at: usize,
    /// Writes what is not on the tape; without one it is zeros.
    generator: Option<Generator>,
}

#[derive(Clone, Debug)]
struct Generator {
    random: fastrand::Rng,
    /// Bytes drawn and not used yet.
    bytes: u64,
    left: u32,
}

/// How often something happens: so many times of 65,536.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u16);

impl Rate {
    /// It does not happen.
    pub const NEVER: Self = Self(0);
    /// It happens nearly always: a fault that always happened would let nothing through.
    pub const MOSTLY: Self = Self(u16::MAX);

    /// Once in so many times, on average; never for zero.
    #[must_use]
    pub const fn one_in(times: u32) -> Self {
        match times {
            0 => Self::NEVER,
            1 => Self::MOSTLY,
            2..=0xffff => Self((65_536 / times) as u16),
            _ => Self(1),
        }
    }

    /// So many times of a hundred, on average.
    #[must_use]
    pub const fn per_cent(part: u16) -> Self {
        if part >= 100 { Self::MOSTLY } else { Self((part as u32 * 65_536 / 100) as u16) }
    }

    /// So many 128ths of this rate.
    pub(super) const fn scaled(self, part: u8) -> Self {
        Self((self.0 as u32 * part as u32 / 128) as u16)
    }

    /// Whether it can happen at all.
    #[must_use]
    pub const fn is_never(self) -> bool {
        self.0 == 0
    }
}

impl Choices {
    /// The choices of a seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        let generator = Some(Generator { random, bytes: 0, left: 0 });
        Self { tape: Vec::new(), at: 0, generator }
    }

    /// The choices of a tape; beyond its end, zeros.
    #[must_use]
    pub fn from_tape(tape: Vec<u8>) -> Self {
        Self { tape, at: 0, generator: None }
    }

    /// What has been chosen so far: the tape on which the same happens again.
    #[must_use]
    pub fn tape(&self) -> &[u8] {
        &self.tape[..self.at.min(self.tape.len())]
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        let at = self.at;
        self.at += 1;
        match (self.tape.get(at), &mut self.generator) {
            (Some(&byte), _) => byte,
            (None, Some(generator)) => {
                let byte = generator.byte();
                self.tape.push(byte);
                byte
            }
            (None, None) => 0,
        }
    }

    /// Eight bytes as a number: what a protocol is given as randomness.
    pub fn bits(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// A number below a bound; zero for a bound of zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        match bound {
            0 | 1 => 0,
            2..=0x100 => u64::from(self.byte()) % bound,
            _ => {
                let bytes = u64::BITS.div_ceil(8) - (bound - 1).leading_zeros() / 8;
                let number = (0..bytes).fold(0, |sum, _| sum << 8 | u64::from(self.byte()));
                number % bound
            }
        }
    }

    /// Whether something happens. What never does costs no byte of the tape.
    pub fn chance(&mut self, rate: Rate) -> bool {
        if rate.is_never() {
            return false;
        }
        let drawn = u16::from_be_bytes([self.byte(), self.byte()]);
        drawn > u16::MAX - rate.0
    }

    /// A duration from `least` up to, and not quite, `most`.
    pub fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = most.saturating_sub(least).as_nanos();
        least + Duration::from_nanos(self.below(u64::try_from(span).unwrap_or(u64::MAX)))
    }
}

impl Generator {
    fn byte(&mut self) -> u8 {
        if self.left == 0 {
            self.bytes = self.random.u64(..);
            self.left = 8;
        }
        self.left -= 1;
        let byte = self.bytes as u8;
        self.bytes >>= 8;
        byte
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tape_repeats_what_a_seed_chose_and_goes_on_in_calm() {
        let mut first = Choices::from_seed(7);
        let chosen: Vec<u64> = (0..100).map(|bound| first.below(bound * 1_000)).collect();
        let mut again = Choices::from_tape(first.tape().to_vec());
        let repeated: Vec<u64> = (0..100).map(|bound| again.below(bound * 1_000)).collect();
        assert_eq!(chosen, repeated);
        assert_eq!(again.bits(), 0);
        assert!(!again.chance(Rate::MOSTLY));
        assert_eq!(again.between(Duration::from_secs(1), Duration::MAX), Duration::from_secs(1));
    }

    #[test]
    fn chances_are_what_they_are_said_to_be() {
        let mut choices = Choices::from_seed(1);
        for (rate, least, most) in
            [(Rate::one_in(4), 2_300, 2_700), (Rate::per_cent(90), 8_900, 9_100)]
        {
            let times = (0..10_000).filter(|_| choices.chance(rate)).count();
            assert!((least..most).contains(&times), "{times}");
        }
        assert!((0..10_000).all(|_| !choices.chance(Rate::NEVER)));
    }

    #[test]
    fn a_number_is_below_its_bound_and_reaches_every_value() {
        let mut choices = Choices::from_seed(3);
        for bound in [1, 2, 3, 200, 256, 257, 1_000] {
            let seen: std::collections::BTreeSet<u64> =
                (0..20_000).map(|_| choices.below(bound)).collect();
            assert_eq!(seen.len() as u64, bound);
            assert!(seen.iter().all(|&number| number < bound));
        }
    }
}
