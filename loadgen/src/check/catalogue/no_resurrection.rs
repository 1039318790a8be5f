//! F5: what was taken off a list is in no list that is asked for later.
//!
//! A favourite removed by its owner, or an item removed from the catalogue, is over when that was
//! acknowledged; a list asked for afterwards may show it only if somebody began to add it again.
//! Judged while the run goes on, by the harness's own clock.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::UserId;

use crate::{
    check::{
        finding::{About, Finding, Needs, OperationId, Topic, Violation, Witness},
        law::{Completed, Ended, Invoked, Law},
        laws::LawOptions,
        world::World,
    },
    operation::{
        Call, CatalogueCall, CatalogueSeen, LawProgress, Nanos, Observed, Operation, Outcome,
    },
};

/// Everybody, where one person is meant otherwise.
const ALL: UserId = UserId(u64::MAX);

/// When something was removed for sure, and by which operation.
#[derive(Debug, Clone, Copy)]
struct Gone {
    at: Nanos,
    by: OperationId,
}

/// Additions of one item to one list: it may be there again while one is under way.
#[derive(Debug, Clone, Copy, Default)]
struct Additions {
    /// Sent and not answered; those never answered stay.
    open: u32,
    /// When the last one was answered.
    answered_at: Nanos,
}

/// The law.
#[derive(Debug)]
pub(crate) struct NoResurrection {
    /// By person ([`ALL`] for an item removed from the catalogue) and item.
    gone: HashMap<(UserId, u64), Gone, FixedState>,
    additions: HashMap<(UserId, u64), Additions, FixedState>,
    removals: u64,
    lists: u64,
    finding: Finding,
}

impl Law for NoResurrection {
    const ABOUT: About = About {
        name: "no-resurrection",
        demands: "An item that was removed, from a list or from the catalogue, is in no list asked for later.",
        confidence: "definite interval: every violation told really happened",
        topic: Topic::Catalogue,
        needs: Needs::Answers,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            gone: HashMap::with_hasher(FixedState::with_seed(0)),
            additions: HashMap::with_hasher(FixedState::with_seed(0)),
            removals: 0,
            lists: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_invoke(&mut self, invoked: &Invoked<'_>, _: &World) {
        if let Call::Catalogue(CatalogueCall::AddFavourite { item }) = *invoked.call {
            self.handle_add(invoked.user, item);
        }
    }

    fn on_complete(&mut self, completed: &Completed<'_>, _: &World) {
        if let Call::Catalogue(call) = &completed.operation.call {
            let Completed {
                user,
                operation,
                observed,
                ..
            } = *completed;
            self.handle_complete(user, operation, call, observed);
        }
    }

    fn progress(&self, _: &World) -> Option<LawProgress> {
        Some(self.finding.progress("removals", self.removals))
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
        self.finding
            .count_needed("removals acknowledged", self.removals);
        self.finding.count_needed("lists", self.lists);
        self.finding
    }
}

impl NoResurrection {
    /// Somebody is about to add an item again: from now on it may be there.
    fn handle_add(&mut self, user: UserId, item: u64) {
        self.gone.remove(&(user, item));
        self.additions.entry((user, item)).or_default().open += 1;
    }

    fn handle_complete(
        &mut self,
        user: UserId,
        operation: &Operation,
        call: &CatalogueCall,
        observed: &Observed,
    ) {
        if let CatalogueCall::AddFavourite { item } = call {
            self.added((user, *item), operation);
        }
        if operation.outcome != Outcome::Ok {
            return;
        }
        match (call, observed) {
            (CatalogueCall::RemoveFavourite { item }, _) => self.removed((user, *item), operation),
            (CatalogueCall::RemoveItem { item }, _) => self.remove((ALL, *item), operation),
            (
                CatalogueCall::ListFavourites {},
                Observed::Catalogue(CatalogueSeen::Favourites(_, _, items)),
            ) => {
                self.lists += 1;
                for item in items {
                    self.check(user, operation, *item);
                }
            }
            _other => {}
        }
    }

    fn added(&mut self, what: (UserId, u64), operation: &Operation) {
        let heard = !matches!(operation.outcome, Outcome::Timeout | Outcome::Unknown);
        if let (true, Some(additions)) = (heard, self.additions.get_mut(&what)) {
            additions.open = additions.open.saturating_sub(1);
            additions.answered_at = operation.completed_at;
        }
    }

    /// A removal that no addition overlaps is the last word on its item.
    fn removed(&mut self, what: (UserId, u64), operation: &Operation) {
        let additions = self.additions.get(&what).copied().unwrap_or_default();
        if additions.open == 0 && additions.answered_at <= operation.sent_at {
            self.remove(what, operation);
        }
    }

    fn remove(&mut self, what: (UserId, u64), operation: &Operation) {
        self.removals += 1;
        let gone = Gone {
            at: operation.completed_at,
            by: (operation.client, operation.counter),
        };
        self.gone.insert(what, gone);
    }

    fn check(&mut self, user: UserId, list: &Operation, item: u64) {
        for who in [user, ALL] {
            let Some(gone) = self.gone.get(&(who, item)).copied() else {
                continue;
            };
            if gone.at < list.sent_at {
                self.finding.convict(|| Violation {
                    sentence: format!(
                        "client {} was shown item {item} among its favourites after its removal by client {} was acknowledged",
                        list.client, gone.by.0,
                    ),
                    witnesses: vec![Witness::Asked(gone.by), Witness::Operation(*list)],
                    order: "real time: the removal was answered before the list was asked for",
                    expected: format!("item {item} absent"),
                });
            }
        }
    }
}
