//! What is written down of operations as they end: the seconds of the run, and when faults were recovered
//! from.
//!
//! Finished operations go in; files grow. What cannot be written is kept as the reason why the run
//! fails, and nothing is written after it.

use std::{io, rc::Rc};

use super::super::core::OperationLog;
use crate::{
    fault::FaultState,
    intervals::{IntervalLog, WriterGone},
    operation::{Nanos, Operation},
    plan::Plan,
};

/// See the head of this file.
pub(super) struct Files {
    intervals: Option<IntervalLog>,
    faults: Option<Rc<FaultState>>,
    failure: Option<io::Error>,
}

impl Files {
    pub(super) const fn new(
        intervals: Option<IntervalLog>,
        faults: Option<Rc<FaultState>>,
    ) -> Self {
        Self {
            intervals,
            faults,
            failure: None,
        }
    }

    /// Whether something could not be written.
    pub(super) const fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Faults that were injected so far: when, and what was done.
    pub(super) fn injected(&self, plan: &Plan) -> Vec<(Nanos, &'static str)> {
        let Some(fault_state) = &self.faults else {
            return Vec::new();
        };
        let injections = fault_state.injections().into_iter().zip(&plan.faults);
        let injected = injections.filter_map(|(injection, planned)| {
            Some((injection.injected_at?, planned.fault.name()))
        });
        injected.collect()
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// The first thing that could not be written.
    pub(super) fn finish(self, now: Nanos) -> io::Result<()> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        if let Some(intervals) = self.intervals {
            intervals.finish(now)?;
        }
        Ok(())
    }

    fn note_interval(&mut self, note: impl FnOnce(&mut IntervalLog) -> Result<(), WriterGone>) {
        let Some(log) = &mut self.intervals else {
            return;
        };
        if note(log).is_err() {
            let log = self.intervals.take();
            self.failure = log.and_then(|log| log.finish(0).err());
        }
    }
}

impl OperationLog for Files {
    fn begin_phase(&mut self, at: Nanos) {
        self.note_interval(|log| log.begin(at));
    }

    fn append(&mut self, operation: &Operation) {
        self.note_interval(|log| log.record(operation));
        if let Some(fault_state) = &self.faults
            && operation.outcome.is_decided()
        {
            fault_state.note_answer(operation.sent_at, operation.completed_at);
        }
    }
}
