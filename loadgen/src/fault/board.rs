//! What the driver of the load and whoever breaks things tell each other.
//!
//! The driver says which phase runs, since when, and when something was answered; the other side
//! says what was struck, what was mended, and where the server is now. One thread, so cells do.
//! Deliberately absent: waiting for instants and striking (see `run/strike`), and what a fault
//! means to clients and laws (see `driver`).

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
};

use reports::record::{NetworkRecord, ProcessRecord};
use tokio::sync::watch;

use crate::operation::Nanos;

/// Where the driver is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Before this phase.
    Before(usize),
    /// In this phase, which began at that instant.
    In(usize, Nanos),
    /// Behind all of them.
    Over,
}

impl Stage {
    /// Whether this phase is over, or will never be.
    #[must_use]
    pub const fn is_past(self, phase: usize) -> bool {
        match self {
            Self::Before(next) => phase < next,
            Self::In(current, _since) => phase < current,
            Self::Over => true,
        }
    }
}

/// What came of one planned fault.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Strike {
    /// When it struck, if it did.
    pub struck_at: Option<Nanos>,
    /// When it was mended.
    pub mended_at: Option<Nanos>,
    /// When a call was answered that was asked after it.
    pub answered_at: Option<Nanos>,
    /// How it is known that it struck, or why it did not.
    pub proof: String,
    /// What happened to the process.
    pub process: Option<ProcessRecord>,
    /// What happened to connections.
    pub network: Option<NetworkRecord>,
}

/// See the head of this file.
#[derive(Debug)]
pub struct Board {
    stage: watch::Sender<Stage>,
    strikes: RefCell<Vec<Strike>>,
    /// Faults that struck and are not mended.
    broken: Cell<u32>,
    /// Something changed that the driver has not been told of.
    news: Cell<Option<Nanos>>,
    moved: Cell<Option<SocketAddr>>,
    /// Faults after which nothing was answered yet: which, and when they struck.
    awaiting: RefCell<Vec<(usize, Nanos)>>,
}

/// When a fault can have been recovered from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// From its beginning on: some calls may go through all the while.
    AtOnce,
    /// When it is mended: what is answered before was under way.
    WhenMended,
}

impl Board {
    /// A board for so many planned faults.
    #[must_use]
    pub fn new(planned: usize) -> Self {
        Self {
            stage: watch::Sender::new(Stage::Before(0)),
            strikes: RefCell::new(vec![Strike::default(); planned]),
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
    pub fn strike(&self, fault: usize, now: Nanos, recovery: Recovery) {
        self.broken.set(self.broken.get() + 1);
        self.news.set(Some(now));
        self.note(fault, |strike| strike.struck_at = Some(now));
        if recovery == Recovery::AtOnce {
            self.awaiting.borrow_mut().push((fault, now));
        }
    }

    /// It was, and is whole again: this is what it came to.
    pub fn mend(&self, fault: usize, now: Nanos, came_to: Strike, recovery: Recovery) {
        self.broken.set(self.broken.get().saturating_sub(1));
        self.news.set(Some(now));
        let mut struck_at = None;
        self.note(fault, |strike| {
            struck_at = strike.struck_at;
            *strike = Strike {
                struck_at: came_to.struck_at.and(struck_at),
                mended_at: Some(now),
                answered_at: strike.answered_at,
                ..came_to
            };
        });
        if recovery == Recovery::WhenMended {
            let waiting = (fault, struck_at.unwrap_or(now));
            self.awaiting.borrow_mut().push(waiting);
        }
    }

    /// It did not come to that.
    pub fn miss(&self, fault: usize, why: &str) {
        self.note(fault, |strike| why.clone_into(&mut strike.proof));
    }

    /// Nothing will be mended any more.
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

    /// When something was broken or mended that the driver has not been told of.
    pub fn take_news(&self) -> Option<Nanos> {
        self.news.take()
    }

    /// Where the server is, if that changed.
    pub fn take_move(&self) -> Option<SocketAddr> {
        self.moved.take()
    }

    /// A call that was asked at the first of these instants was answered at the second.
    pub fn note_answer(&self, asked_at: Nanos, now: Nanos) {
        self.awaiting.borrow_mut().retain(|(fault, struck_at)| {
            let is_after = *struck_at <= asked_at;
            if is_after {
                self.note(*fault, |strike| strike.answered_at = Some(now));
            }
            !is_after
        });
    }

    /// What came of each fault, in the order of the plan.
    #[must_use]
    pub fn strikes(&self) -> Vec<Strike> {
        self.strikes.borrow().clone()
    }

    fn note(&self, fault: usize, change: impl FnOnce(&mut Strike)) {
        if let Some(strike) = self.strikes.borrow_mut().get_mut(fault) {
            change(strike);
        }
    }
}

/// A driver that is through, however it ended.
#[derive(Debug)]
pub struct OverAtLast<'b>(&'b Board);

impl Drop for OverAtLast<'_> {
    fn drop(&mut self) {
        self.0.enter(Stage::Over);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRUCK: Strike = Strike {
        struck_at: Some(0),
        mended_at: None,
        answered_at: None,
        proof: String::new(),
        process: None,
        network: None,
    };

    #[test]
    fn a_server_has_recovered_with_the_first_answer_to_what_was_asked_after_the_strike() {
        let board = Board::new(2);
        board.strike(0, 10, Recovery::WhenMended);
        assert!(board.is_broken());
        board.note_answer(11, 12); // the last words of one that was asked to end
        board.mend(0, 20, STRUCK, Recovery::WhenMended);
        assert!(!board.is_broken());
        board.note_answer(9, 24);
        board.note_answer(15, 25);
        board.note_answer(26, 30);
        let strikes = board.strikes();
        assert_eq!(
            (
                strikes[0].struck_at,
                strikes[0].mended_at,
                strikes[0].answered_at
            ),
            (Some(10), Some(20), Some(25))
        );
        assert_eq!(strikes[1], Strike::default(), "nobody touched the other");
    }

    #[test]
    fn a_broken_network_has_recovered_when_a_call_goes_through_it() {
        let board = Board::new(1);
        board.strike(0, 10, Recovery::AtOnce);
        board.note_answer(9, 11);
        board.note_answer(12, 13);
        board.mend(0, 20, STRUCK, Recovery::AtOnce);
        board.note_answer(21, 22);
        assert_eq!(board.strikes()[0].answered_at, Some(13));
    }

    #[test]
    fn a_fault_that_did_nothing_did_not_strike() {
        let board = Board::new(1);
        board.strike(0, 10, Recovery::AtOnce);
        board.mend(0, 20, Strike::default(), Recovery::AtOnce);
        assert_eq!(board.strikes()[0].struck_at, None);
    }
}
