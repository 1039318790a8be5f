//! What the driver of the load and whoever breaks things tell each other.
//!
//! The driver says which phase runs, since when, and when something was answered; the other side
//! says what was injected, what was healed, and where the server is now. One thread, so cells do.
//! Deliberately absent: waiting for instants and injecting (see `run/inject`), and what a fault
//! means to clients and laws (see `driver`).

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
};

use reports::record::{NetworkRecord, ProcessRecord};
use tokio::sync::watch;

use crate::{driver::core::Stage, operation::Nanos};

/// What came of one planned fault.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Injection {
    /// When it was injected, if it did.
    pub injected_at: Option<Nanos>,
    /// When it was healed.
    pub healed_at: Option<Nanos>,
    /// When a call was answered that was asked after it.
    pub answered_at: Option<Nanos>,
    /// How it is known that it was injected, or why it was not.
    pub proof: String,
    /// What happened to the process.
    pub process: Option<ProcessRecord>,
    /// What happened to connections.
    pub network: Option<NetworkRecord>,
}

/// See the head of this file.
#[derive(Debug)]
pub struct FaultState {
    stage: watch::Sender<Stage>,
    injections: RefCell<Vec<Injection>>,
    /// Faults that were injected and are not healed.
    broken: Cell<u32>,
    /// Something changed that the driver has not been told of.
    news: Cell<Option<Nanos>>,
    moved: Cell<Option<SocketAddr>>,
    /// Faults after which nothing was answered yet: which, and when they were injected.
    awaiting: RefCell<Vec<(usize, Nanos)>>,
}

/// When a fault can have been recovered from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// From its beginning on: some calls may go through all the while.
    AtOnce,
    /// When it is healed: what is answered before was under way.
    WhenHealed,
}

impl FaultState {
    /// The state of so many planned faults.
    #[must_use]
    pub fn new(planned: usize) -> Self {
        Self {
            stage: watch::Sender::new(Stage::Before(0)),
            injections: RefCell::new(vec![Injection::default(); planned]),
            broken: Cell::new(0),
            news: Cell::new(None),
            moved: Cell::new(None),
            awaiting: RefCell::new(Vec::new()),
        }
    }

    /// The driver is there now.
    pub fn enter(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }

    /// Where the driver is, and to be told when it goes on.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    /// Something is about to be broken. To be said before it is: what follows from it must not be
    /// seen first.
    pub fn inject(&self, fault: usize, now: Nanos, recovery: Recovery) {
        self.broken.set(self.broken.get() + 1);
        self.news.set(Some(now));
        self.note(fault, |injection| injection.injected_at = Some(now));
        if recovery == Recovery::AtOnce {
            self.awaiting.borrow_mut().push((fault, now));
        }
    }

    /// It was, and is whole again: this is what it came to.
    pub fn heal(&self, fault: usize, now: Nanos, came_to: Injection, recovery: Recovery) {
        self.broken.set(self.broken.get().saturating_sub(1));
        self.news.set(Some(now));
        let mut injected_at = None;
        self.note(fault, |injection| {
            injected_at = injection.injected_at;
            *injection = Injection {
                injected_at: came_to.injected_at.and(injected_at),
                healed_at: Some(now),
                answered_at: injection.answered_at,
                ..came_to
            };
        });
        if recovery == Recovery::WhenHealed {
            let waiting = (fault, injected_at.unwrap_or(now));
            self.awaiting.borrow_mut().push(waiting);
        }
    }

    /// It did not come to that.
    pub fn miss(&self, fault: usize, why: &str) {
        self.note(fault, |injection| why.clone_into(&mut injection.proof));
    }

    /// Nothing will be healed any more.
    pub fn give_up(&self) {
        self.broken.set(0);
    }

    /// Says [`Stage::Over`] when it is dropped.
    #[must_use]
    pub const fn over_at_last(&self) -> OverAtLast<'_> {
        OverAtLast(self)
    }

    /// The server is there now.
    pub fn move_to(&self, address: SocketAddr) {
        self.moved.set(Some(address));
    }

    /// Whether anything is broken at the moment.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        0 < self.broken.get()
    }

    /// When something was broken or healed that the driver has not been told of.
    pub fn take_news(&self) -> Option<Nanos> {
        self.news.take()
    }

    /// Where the server is, if that changed.
    pub fn take_move(&self) -> Option<SocketAddr> {
        self.moved.take()
    }

    /// A call that was asked at the first of these instants was answered at the second.
    pub fn note_answer(&self, asked_at: Nanos, now: Nanos) {
        self.awaiting.borrow_mut().retain(|(fault, injected_at)| {
            let is_after = *injected_at <= asked_at;
            if is_after {
                self.note(*fault, |injection| injection.answered_at = Some(now));
            }
            !is_after
        });
    }

    /// What came of each fault, in the order of the plan.
    #[must_use]
    pub fn injections(&self) -> Vec<Injection> {
        self.injections.borrow().clone()
    }

    fn note(&self, fault: usize, change: impl FnOnce(&mut Injection)) {
        if let Some(injection) = self.injections.borrow_mut().get_mut(fault) {
            change(injection);
        }
    }
}

/// A driver that is through, however it ended.
#[derive(Debug)]
pub struct OverAtLast<'b>(&'b FaultState);

impl Drop for OverAtLast<'_> {
    fn drop(&mut self) {
        self.0.enter(Stage::Over);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INJECTED: Injection = Injection {
        injected_at: Some(0),
        healed_at: None,
        answered_at: None,
        proof: String::new(),
        process: None,
        network: None,
    };

    #[test]
    fn a_server_has_recovered_with_the_first_answer_to_what_was_asked_after_the_strike() {
        let fault_state = FaultState::new(2);
        fault_state.inject(0, 10, Recovery::WhenHealed);
        assert!(fault_state.is_broken());
        fault_state.note_answer(11, 12); // the last words of one that was asked to end
        fault_state.heal(0, 20, INJECTED, Recovery::WhenHealed);
        assert!(!fault_state.is_broken());
        fault_state.note_answer(9, 24);
        fault_state.note_answer(15, 25);
        fault_state.note_answer(26, 30);
        let injections = fault_state.injections();
        assert_eq!(
            (
                injections[0].injected_at,
                injections[0].healed_at,
                injections[0].answered_at
            ),
            (Some(10), Some(20), Some(25))
        );
        assert_eq!(
            injections[1],
            Injection::default(),
            "nobody touched the other"
        );
    }

    #[test]
    fn a_broken_network_has_recovered_when_a_call_goes_through_it() {
        let fault_state = FaultState::new(1);
        fault_state.inject(0, 10, Recovery::AtOnce);
        fault_state.note_answer(9, 11);
        fault_state.note_answer(12, 13);
        fault_state.heal(0, 20, INJECTED, Recovery::AtOnce);
        fault_state.note_answer(21, 22);
        assert_eq!(fault_state.injections()[0].answered_at, Some(13));
    }

    #[test]
    fn a_fault_that_did_nothing_did_not_strike() {
        let fault_state = FaultState::new(1);
        fault_state.inject(0, 10, Recovery::AtOnce);
        fault_state.heal(0, 20, Injection::default(), Recovery::AtOnce);
        assert_eq!(fault_state.injections()[0].injected_at, None);
    }
}
