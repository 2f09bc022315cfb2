//! Every call of a calm run, failing once in every way it may.

use std::fmt;

use super::run::Start;
use super::{Call, CallFault, Failure, Network, Outcome, Run, Simulation, Summary};

/// What a torture has come to; it prints a line, and one for each run that failed.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Torture {
    /// How many calls the loops make in the run in which nothing goes wrong.
    pub calls: u64,
    /// The runs, of which there was one for each call and fault.
    pub summary: Summary,
    /// Those that failed.
    pub victims: Vec<Victim>,
}

/// A run of a torture that failed: `Simulation::run_call_fault(victim.number, victim.call_fault)`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Victim {
    /// Which call it was that met the fault, counted from zero.
    pub number: u64,
    /// What kind of call that is.
    pub call: Call,
    /// What became of it.
    pub call_fault: CallFault,
    /// What went wrong after it.
    pub message: String,
}

impl<S: Fn(&mut Network) -> Outcome> Simulation<S> {
    /// Counts the calls of the run in which nothing goes wrong, and then has each of them meet each
    /// of its [faults](Call::call_faults) once, in a run of its own. After each of these, `progress` is
    /// told how many there were and how many there will be.
    ///
    /// It is thorough where a search is broad: what happens only if the third read of a connection
    /// fails is found for certain. What takes two faults is not.
    ///
    /// # Errors
    ///
    /// If the run fails in which nothing goes wrong.
    pub fn torture(&self, mut progress: impl FnMut(u64, u64)) -> Result<Torture, Box<Failure>> {
        let calm = self.run(Start { is_quiet: true, ..self.start_tape(&[]) });
        if calm.has_failed() {
            return Err(Box::new(self.explain(calm)));
        }
        let mut torture = Torture { calls: calm.calls.len() as u64, ..Torture::default() };
        let all = calm.calls.iter().map(|call| call.call_faults().len() as u64).sum();
        for (number, call_fault) in call_faults(&calm.calls) {
            let start = self.start_call_fault(number, call_fault);
            let run = self.run(Start { is_quiet: true, ..start });
            torture.note(&calm, &run, (number, call_fault));
            progress(torture.summary.runs, all);
        }
        Ok(torture)
    }

    /// Runs it with nothing going wrong but one call, by its number.
    pub fn run_call_fault(&self, call: u64, call_fault: CallFault) -> Run {
        self.run(self.start_call_fault(call, call_fault))
    }

    fn start_call_fault(&self, call: u64, call_fault: CallFault) -> Start {
        Start { call_fault: Some((call, call_fault)), ..self.start_tape(&[]) }
    }
}

impl Torture {
    /// Whether no run failed.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.victims.is_empty()
    }

    fn note(&mut self, calm: &Run, run: &Run, (number, call_fault): (u64, CallFault)) {
        self.summary.add(run);
        if let Some(message) = run.message() {
            // Up to the fault, the run was the calm one.
            let call = calm.calls[number as usize];
            self.victims.push(Victim { number, call, call_fault, message: message.to_owned() });
        }
    }
}

/// Every call, with each of its faults.
fn call_faults(calls: &[Call]) -> impl Iterator<Item = (u64, CallFault)> {
    (0..).zip(calls).flat_map(|(number, call)| {
        call.call_faults().into_iter().map(move |call_fault| (number, call_fault))
    })
}

impl fmt::Display for Torture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, summary, victims } = self;
        writeln!(f, "{calls} calls, {} runs, {} failed", summary.runs, victims.len())?;
        victims.iter().try_for_each(|victim| writeln!(f, "{victim}"))
    }
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, call, call_fault, message } = self;
        write!(f, "call {number}, {call:?}, {call_fault:?}: {message}")
    }
}
