//! Whose turn it is among the connections that have more to say than one turn holds.
//!
//! A connection that used up its turn, or was held and may go on, queues here; each turn of the server lets a few of
//! them on, in the order in which they came. All others are heard as soon as they say something, so whoever
//! asks now and then never waits behind those who send without pause. Deliberately absent: what a turn holds (`hub`).

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use tokio::sync::Notify;

/// Connections let on in one turn of the server: a millisecond of work at most, unless some of them want pages
/// of the log, which take a millisecond each.
const LET_ON: usize = 8;

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Turns {
    waiting: RefCell<BTreeMap<u64, Rc<Notify>>>,
    queue: RefCell<VecDeque<u64>>,
}

impl Turns {
    /// Waits until a connection is let on, which takes that it is queued.
    pub(super) async fn wait(&self, id: u64) {
        let notify = Rc::<Notify>::default();
        self.waiting.borrow_mut().insert(id, Rc::clone(&notify));
        notify.notified().await;
    }

    /// Queues a connection that waits, or is about to.
    pub(super) fn queue(&self, id: u64) {
        self.queue.borrow_mut().push_back(id);
    }

    /// Lets the next few on. Returns whether others are queued behind them.
    pub(super) fn let_on(&self) -> bool {
        let mut queue = self.queue.borrow_mut();
        let count = queue.len().min(LET_ON);
        for id in queue.drain(..count) {
            if let Some(waiting) = self.waiting.borrow_mut().remove(&id) {
                waiting.notify_one();
            }
        }
        !queue.is_empty()
    }

    /// Whether somebody is queued.
    pub(super) fn is_wanted(&self) -> bool {
        !self.queue.borrow().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    #[test]
    fn a_few_at_a_time_are_let_on_in_the_order_in_which_they_came() {
        let turns = Turns::default();
        let mut waits: Vec<_> = (0..20).map(|id| Box::pin(turns.wait(id))).collect();
        let mut is_on = |nth: usize| {
            let poll = waits[nth]
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            poll == Poll::Ready(())
        };
        for nth in 0..20 {
            assert!(!is_on(nth));
        }
        for id in (0..20).rev() {
            turns.queue(id);
        }
        assert!(turns.let_on());
        let on: Vec<usize> = (0..20).filter(|nth| is_on(*nth)).collect();
        assert_eq!(on, [12, 13, 14, 15, 16, 17, 18, 19]);
        assert!(turns.let_on());
        assert!(!turns.let_on() && !turns.is_wanted());
    }

    #[test]
    fn whoever_is_queued_before_it_waits_is_let_on_all_the_same() {
        let turns = Turns::default();
        turns.queue(7);
        let mut wait = pin!(turns.wait(7));
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(wait.as_mut().poll(&mut context), Poll::Pending);
        turns.let_on();
        assert_eq!(wait.as_mut().poll(&mut context), Poll::Ready(()));
    }
}
