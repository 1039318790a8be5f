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
    /// When something was answered after it was mended.
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
    /// Mended faults after which nothing was answered yet.
    awaiting: Cell<u32>,
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
            awaiting: Cell::new(0),
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
    pub fn strike(&self, fault: usize, now: Nanos) {
        self.broken.set(self.broken.get() + 1);
        self.news.set(Some(now));
        self.note(fault, |strike| strike.struck_at = Some(now));
    }

    /// It was, and is whole again: this is what it came to.
    pub fn mend(&self, fault: usize, now: Nanos, came_to: Strike) {
        self.broken.set(self.broken.get().saturating_sub(1));
        self.awaiting.set(self.awaiting.get() + 1);
        self.news.set(Some(now));
        self.note(fault, |strike| {
            *strike = Strike {
                struck_at: came_to.struck_at.and(strike.struck_at),
                mended_at: Some(now),
                ..came_to
            };
        });
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

    /// Something was answered.
    pub fn note_answer(&self, now: Nanos) {
        if self.awaiting.replace(0) == 0 {
            return;
        }
        for strike in self.strikes.borrow_mut().iter_mut() {
            if strike.mended_at.is_some() {
                strike.answered_at.get_or_insert(now);
            }
        }
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

    #[test]
    fn a_fault_has_recovered_with_the_first_answer_after_it_was_mended() {
        let board = Board::new(2);
        board.strike(0, 10);
        assert!(board.is_broken());
        board.note_answer(11);
        let came_to = Strike {
            struck_at: Some(10),
            ..Strike::default()
        };
        board.mend(0, 20, came_to);
        assert!(!board.is_broken());
        board.note_answer(25);
        board.note_answer(30);
        let strikes = board.strikes();
        assert_eq!(
            (strikes[0].struck_at, strikes[0].answered_at),
            (Some(10), Some(25))
        );
        assert_eq!(strikes[1], Strike::default(), "nobody touched the other");
    }

    #[test]
    fn a_fault_that_did_nothing_did_not_strike() {
        let board = Board::new(1);
        board.strike(0, 10);
        board.mend(0, 20, Strike::default());
        assert_eq!(board.strikes()[0].struck_at, None);
    }
}
