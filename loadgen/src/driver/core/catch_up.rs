//! The end of a phase: everybody is shown what the server has for them, or it is known that they
//! are not.
//!
//! The server says how long each client's conversations are, and what is longer than was shown is
//! waited for. That is not all that is owed (a client that was shown nothing of a room cannot know
//! whether anything of it is for it), and answers overtake pushes, so no answer says that all pushes
//! before it were sent. So the last phase, and any whose wait was too short, ends with a quiet time:
//! every client is asked once more, and only when all have answered and then nobody was pushed
//! anything for [`QUIET`] is what did not come taken for lost. A server that is slow is pushing to
//! somebody, and one that stands still does not answer. Deliberately absent: who is owed what (the
//! laws know it from the log).

use super::{Core, OperationLog, calls::CallEngine, phase::Step};
use crate::{
    client::Client,
    deliveries::Drain,
    operation::{Nanos, Observer},
    shown::QUIET,
};

/// How long a quiet time is waited for beyond the usual wait. Where others use the server it may
/// never come.
const SETTLE_MAX: Nanos = 3 * QUIET;

impl<W: Observer, L: OperationLog> Core<'_, W, L> {
    /// Begins to wait until every client was shown all that the server has for it: so that what is
    /// missing then is missing, and not on its way.
    pub(super) fn begin_catch_up(&mut self, wall: Nanos, now: Nanos) -> Step {
        let is_due = if self.is_last() {
            self.calls.may_push
        } else {
            self.calls.recorder.deliveries.has_messages()
        };
        if !is_due || self.calls.is_interrupted {
            self.calls.settle_all();
            return self.finish_phase(wall, Drain::default());
        }
        self.calls.ask_standing(now, |_client| true);
        self.calls.write_all();
        Step::CatchingUp {
            wall,
            deadline: now + self.calls.options.drain,
        }
    }

    /// Whether everybody was shown what is known to be theirs, or it took too long: what is next then.
    pub(super) fn catch_up(&mut self, wall: Nanos, deadline: Nanos, now: Nanos) -> Option<Step> {
        let is_behind = self.calls.behind().next().is_some();
        if now < deadline && is_behind {
            return None;
        }
        let took = now - self.phase.started_at - wall;
        if !self.is_last() && !is_behind {
            return Some(self.conclude(wall, took, false, now));
        }
        // Those who lack something are asked once more.
        let lacks = |client: &Client| !client.shown().is_complete();
        self.calls.ask_standing(now, lacks);
        self.calls.write_all();
        Some(Step::Settling {
            wall,
            took,
            deadline: now + self.calls.options.drain.max(SETTLE_MAX),
            answered_at: None,
        })
    }

    /// Whether all have answered and then nobody was pushed anything for long enough, or it took too
    /// long: what is next then.
    pub(super) fn settle(&mut self, now: Nanos) -> Option<Step> {
        let Step::Settling {
            wall,
            took,
            deadline,
            answered_at,
        } = &mut self.step
        else {
            return None;
        };
        if answered_at.is_none() && !self.calls.is_asking() {
            *answered_at = Some(now);
        }
        let (wall, took, deadline, answered_at) = (*wall, *took, *deadline, *answered_at);
        let is_settled = self.quiet_at(answered_at).is_some_and(|at| at <= now);
        let is_over = is_settled || deadline <= now || self.calls.is_interrupted;
        is_over.then(|| self.conclude(wall, took, is_settled, now))
    }

    /// When it has been quiet for long enough, if nothing more comes.
    pub(super) fn quiet_at(&self, answered_at: Option<Nanos>) -> Option<Nanos> {
        answered_at.map(|at| at.max(self.calls.pushed_at) + QUIET)
    }

    fn conclude(&mut self, wall: Nanos, took: Nanos, is_settled: bool, now: Nanos) -> Step {
        self.calls.tell_drained(is_settled);
        let (missing, waiting) = (self.calls.behind())
            .map(|client| client.shown().missing())
            .fold((0, 0), |(missing, waiting), more| {
                (missing + more, waiting + 1)
            });
        self.calls.give_up(Nanos::MAX, now);
        self.calls.settle_all();
        let drain = Drain {
            took,
            missing,
            waiting,
        };
        self.finish_phase(wall, drain)
    }

    const fn is_last(&self) -> bool {
        self.phases.len() + 1 == self.calls.plan.phases.len()
    }
}

impl<W: Observer, L: OperationLog> CallEngine<'_, W, L> {
    /// Clients that lack something, or did not learn whether they do, or are not told of pushes;
    /// without those that nothing is for any more.
    fn behind(&self) -> impl Iterator<Item = &Client> {
        let is_here = |link: u32, client: &Client| !self.has_parted(link) && !client.has_ended();
        (0..)
            .zip(&self.clients)
            .filter(move |(link, client)| is_here(*link, client))
            .map(|(_link, client)| client)
            .filter(|client| !client.shown().is_complete() || !client.is_subscribed())
    }

    /// Whether anybody that can answer was asked how long their conversations are and has not.
    fn is_asking(&self) -> bool {
        let is_asking = |client: &Client| client.is_open() && client.shown().is_asking();
        self.clients.iter().any(is_asking)
    }

    /// Asks how far the conversations of these clients are, but for those who are no more.
    fn ask_standing(&mut self, now: Nanos, is_asked: impl Fn(&Client) -> bool) {
        for index in 0..self.clients.len() {
            let has_parted = self.has_parted(u32::try_from(index).unwrap_or(u32::MAX));
            let client = &mut self.clients[index];
            if has_parted || client.has_ended() {
                client.excuse();
            } else if is_asked(client) {
                client.ask_standing(now);
            }
        }
    }

    /// Waiting for what clients are to be shown is over.
    fn tell_drained(&mut self, is_settled: bool) {
        for (link, client) in (0..).zip(&self.clients) {
            if let Some(seq) = client.shown().waited_for().filter(|_| client.is_open()) {
                self.watch.handle_drained(link, seq, is_settled);
            }
        }
    }
}
