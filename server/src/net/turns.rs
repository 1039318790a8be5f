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

use crate::hub::{ROUND_WORK, TURN_WORK};

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Who waits, and what its last turn cost.
    waiting: RefCell<BTreeMap<u64, (Rc<Notify>, u32)>>,
    queue: RefCell<VecDeque<u64>>,
}

impl Turns {
    /// Waits until a connection is let on, which takes that it is queued. Its next turn is taken to cost what the
    /// last one did.
    pub(super) async fn wait(&self, id: u64, cost: u32) {
        let notify = Rc::<Notify>::default();
        let waiting = (Rc::clone(&notify), cost);
        self.waiting.borrow_mut().insert(id, waiting);
        notify.notified().await;
    }

    /// Queues a connection that waits, or is about to.
    pub(super) fn queue(&self, id: u64) {
        self.queue.borrow_mut().push_back(id);
    }

    /// Lets the next few on, one at least. Returns whether others are queued behind them.
    pub(super) fn let_on(&self) -> bool {
        let (mut queue, mut spent) = (self.queue.borrow_mut(), 0_u32);
        while spent < ROUND_WORK
            && let Some(id) = queue.pop_front()
        {
            if let Some((waiting, cost)) = self.waiting.borrow_mut().remove(&id) {
                waiting.notify_one();
                spent = spent.saturating_add(cost.max(TURN_WORK));
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
        let mut waits: Vec<_> = (0..20).map(|id| Box::pin(turns.wait(id, 1))).collect();
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
    fn one_whose_turns_cost_a_whole_round_is_let_on_alone() {
        let turns = Turns::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut dear = pin!(turns.wait(1, ROUND_WORK));
        let mut next = pin!(turns.wait(2, 1));
        assert_eq!(dear.as_mut().poll(&mut context), Poll::Pending);
        assert_eq!(next.as_mut().poll(&mut context), Poll::Pending);
        turns.queue(1);
        turns.queue(2);
        assert!(turns.let_on(), "the other is still queued");
        assert_eq!(dear.as_mut().poll(&mut context), Poll::Ready(()));
        assert_eq!(next.as_mut().poll(&mut context), Poll::Pending);
        assert!(!turns.let_on());
        assert_eq!(next.as_mut().poll(&mut context), Poll::Ready(()));
    }

    #[test]
    fn whoever_is_queued_before_it_waits_is_let_on_all_the_same() {
        let turns = Turns::default();
        turns.queue(7);
        let mut wait = pin!(turns.wait(7, 1));
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(wait.as_mut().poll(&mut context), Poll::Pending);
        turns.let_on();
        assert_eq!(wait.as_mut().poll(&mut context), Poll::Ready(()));
    }
}
