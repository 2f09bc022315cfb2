//! Counts the layers that the loop is opening, and bounds the work for them in one turn.

/// The layers that are being opened. Their number is bounded, since some never finish; so is the work of one
/// turn, since many may come at once.
#[derive(Default)]
pub(crate) struct Handshakes {
    count: usize,
    /// Steps that were taken in this turn.
    steps: usize,
    turn: u64,
}

impl Handshakes {
    pub(crate) fn begin(&mut self) {
        self.count += 1;
    }

    pub(crate) fn end(&mut self) {
        self.count -= 1;
    }

    /// How many layers are being opened.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Takes a step of this turn's budget; `false` if none is left.
    pub(crate) fn take_step(&mut self, turn: u64, limit: usize) -> bool {
        if self.turn != turn {
            (self.turn, self.steps) = (turn, 0);
        }
        self.steps += 1;
        self.steps <= limit.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::Handshakes;

    #[test]
    fn a_turn_has_time_for_so_many_steps_and_the_next_for_as_many() {
        let mut handshakes = Handshakes::default();
        let taken = |handshakes: &mut Handshakes, turn| {
            (0..5).filter(|_| handshakes.take_step(turn, 3)).count()
        };
        assert_eq!(taken(&mut handshakes, 1), 3);
        assert_eq!(taken(&mut handshakes, 2), 3);
        assert!(handshakes.take_step(3, 0), "one at least, or none would ever end");
    }
}
