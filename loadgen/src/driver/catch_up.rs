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

use super::{
    DriveError,
    calls::CallEngine,
    phase::{PhaseDrive, nanos},
};
use crate::{
    client::Client,
    deliveries::Drain,
    operation::{Nanos, Observer},
    shown::QUIET,
    target::Target,
};

/// How long a quiet time is waited for beyond the usual wait. Where others use the server it may
/// never come.
const SETTLE_MAX: Nanos = 3 * QUIET;

impl<T: Target, W: Observer> PhaseDrive<'_, '_, T, W> {
    /// Waits, for a bounded time, until every client was shown all that the server has for it: so
    /// that what is missing then is missing, and not on its way.
    pub(super) async fn catch_up(&mut self, ended_at: Nanos) -> Result<Drain, DriveError> {
        let is_last = self.index + 1 == self.engine.plan.phases.len();
        let is_due = if is_last {
            self.engine.may_push
        } else {
            self.engine.recorder.deliveries.has_messages()
        };
        if !is_due || self.engine.is_interrupted() {
            self.engine.settle_all();
            return Ok(Drain::default());
        }
        let mut is_settled = false;
        self.wait_for_all().await?;
        let took = self.engine.options.clock.now() - ended_at;
        if is_last || self.engine.behind().next().is_some() {
            is_settled = self.wait_for_quiet().await?;
        }
        self.engine.tell_drained(is_settled);
        let (missing, waiting) = (self.engine.behind())
            .map(|client| client.shown().missing())
            .fold((0, 0), |(missing, waiting), more| {
                (missing + more, waiting + 1)
            });
        self.engine
            .give_up(Nanos::MAX, self.engine.options.clock.now());
        self.engine.settle_all();
        Ok(Drain {
            took,
            missing,
            waiting,
        })
    }

    async fn wait_for_all(&mut self) -> Result<(), DriveError> {
        let now = self.engine.options.clock.now();
        self.engine.ask_standing(now, |_client| true);
        self.engine.write_all();
        let deadline = now + nanos(self.engine.options.drain);
        while self.engine.options.clock.now() < deadline && self.engine.behind().next().is_some() {
            let wake_at = self.house_at().min(deadline);
            self.turn(wake_at).await?;
        }
        Ok(())
    }

    /// Asks those once more who lack something. Whether, in the end, all had answered and nobody was
    /// pushed anything for long enough.
    async fn wait_for_quiet(&mut self) -> Result<bool, DriveError> {
        let began_at = self.engine.options.clock.now();
        let is_behind = |client: &Client| !client.shown().is_complete();
        self.engine.ask_standing(began_at, is_behind);
        self.engine.write_all();
        let deadline = began_at + nanos(self.engine.options.drain).max(SETTLE_MAX);
        let mut answered_at = None;
        loop {
            let now = self.engine.options.clock.now();
            if answered_at.is_none() && !self.engine.is_asking() {
                answered_at = Some(now);
            }
            let quiet_at = answered_at.map(|at| at.max(self.engine.pushed_at) + QUIET);
            if quiet_at.is_some_and(|quiet_at| quiet_at <= now) {
                return Ok(true);
            }
            if deadline <= now || self.engine.is_interrupted() {
                return Ok(false);
            }
            let wake_at = quiet_at.unwrap_or(deadline).min(deadline);
            self.turn(self.house_at().min(wake_at)).await?;
        }
    }
}

impl<T: Target, W: Observer> CallEngine<'_, T, W> {
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
