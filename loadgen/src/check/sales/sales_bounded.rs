//! S2: a total holds every sale that was acknowledged before it was asked for, and none that nobody
//! had tried when it was answered.
//!
//! Counted while the run goes on, by store and day and by seller, without the log. A network's
//! total has no bounds here, since answers do not say which stores it has; `sales-agree` has it.

use std::collections::BTreeMap;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::{UserId, words::sales::Sum};

use crate::{
    check::{
        finding::{About, Finding, Needs, OperationId, Topic, Violation, Witness},
        law::{Completed, Ended, Invoked, Law, Visitors},
        laws::LawOptions,
        world::World,
    },
    operation::{Call, Observed, Operation, Outcome, SalesCall, SalesSeen},
};

/// What was sold, as far as the clients know.
#[derive(Debug, Clone, Copy, Default)]
struct Bounds {
    acknowledged: u64,
    tried: u64,
}

/// The law.
#[derive(Debug)]
pub(crate) struct SalesBounded {
    stores: BTreeMap<(u64, u32), Bounds>,
    sellers: BTreeMap<UserId, Bounds>,
    /// Of questions under way: what was acknowledged when they were asked.
    open: HashMap<OperationId, u64, FixedState>,
    compared: u64,
    finding: Finding,
}

impl Law for SalesBounded {
    const ABOUT: About = About {
        name: "sales-bounded",
        demands: "A total lies between the sales acknowledged before it was asked for and those tried before it was answered.",
        confidence: "definite interval: every violation told really happened",
        topic: Topic::Sales,
        needs: Needs::AnswersUnvisited,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            stores: BTreeMap::new(),
            sellers: BTreeMap::new(),
            open: HashMap::with_hasher(FixedState::with_seed(0)),
            compared: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_invoke(&mut self, invoked: &Invoked<'_>, _: &World) {
        if let Call::Sales(call) = invoked.call {
            self.handle_invoke(invoked.id, invoked.user, call);
        }
    }

    fn on_complete(&mut self, completed: &Completed<'_>, _: &World) {
        let operation = completed.operation;
        let Call::Sales(call) = &operation.call else {
            return;
        };
        self.handle_sale(completed.user, operation, call);
        match (operation.outcome, completed.observed) {
            (Outcome::Ok, Observed::Sales(SalesSeen::Total(total, ..))) => {
                self.check(operation, call, *total);
            }
            (Outcome::Ok, Observed::Sales(SalesSeen::Best(..))) => {}
            _not_answered => self.forget(operation),
        }
    }

    /// Stores in which others sold something too.
    fn on_visitors(&mut self, _: &Visitors, world: &World) {
        self.finding
            .excuse(|subject| world.people.has_changed(subject));
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
        self.finding
            .count_needed("totals of stores and sellers compared", self.compared);
        self.finding
    }
}

impl SalesBounded {
    fn handle_invoke(&mut self, id: OperationId, user: UserId, call: &SalesCall) {
        if let SalesCall::RecordSale { store, cents, day } = *call {
            for bounds in self.bounds_of((store, day), user) {
                bounds.tried += cents;
            }
        } else if let Some(bounds) = self.bounds(call) {
            self.open.insert(id, bounds.acknowledged);
        }
    }

    /// What became of a sale.
    fn handle_sale(&mut self, user: UserId, operation: &Operation, call: &SalesCall) {
        let SalesCall::RecordSale { store, cents, day } = *call else {
            return;
        };
        for bounds in self.bounds_of((store, day), user) {
            match operation.outcome {
                Outcome::Ok => bounds.acknowledged += cents,
                // An earlier attempt of it may have been heard.
                Outcome::Error(_) if operation.attempts > 1 => {}
                Outcome::Refused(_) | Outcome::Error(_) => bounds.tried -= cents,
                Outcome::Timeout | Outcome::Unknown => {}
            }
        }
    }

    fn check(&mut self, operation: &Operation, call: &SalesCall, total: Sum) {
        let id = (operation.client, operation.counter);
        let Some(least) = self.open.remove(&id) else {
            return;
        };
        let Some(most) = self.bounds(call).map(|bounds| bounds.tried) else {
            return;
        };
        self.compared += 1;
        if total.cents < least || most < total.cents {
            self.finding.convict(|| Violation {
                sentence: format!(
                    "client {} was told of {} cents, where {least} had been acknowledged and {most} were ever tried",
                    operation.client, total.cents,
                ),
                witnesses: vec![Witness::Operation(*operation)],
                order: "real time: acknowledged before it was asked for, tried before it was answered",
                expected: format!("from {least} to {most} cents"),
            });
        }
    }

    /// A question that was not answered.
    fn forget(&mut self, operation: &Operation) {
        self.open.remove(&(operation.client, operation.counter));
    }

    fn bounds_of(&mut self, store: (u64, u32), seller: UserId) -> [&mut Bounds; 2] {
        [
            self.stores.entry(store).or_default(),
            self.sellers.entry(seller).or_default(),
        ]
    }

    /// The bounds of a total; `None` for what has none here.
    fn bounds(&self, call: &SalesCall) -> Option<Bounds> {
        match *call {
            SalesCall::SellerTotal { seller } => {
                Some(self.sellers.get(&seller).copied().unwrap_or_default())
            }
            // Backwards is no period, and is refused.
            SalesCall::StoreTotal { store, from, to } if from <= to => {
                let days = self.stores.range((store, from)..=(store, to));
                Some(days.fold(Bounds::default(), |all, (_, day)| Bounds {
                    acknowledged: all.acknowledged + day.acknowledged,
                    tried: all.tried + day.tried,
                }))
            }
            SalesCall::StoreTotal { .. }
            | SalesCall::RecordSale { .. }
            | SalesCall::NetworkTotal { .. }
            | SalesCall::BestSeller { .. }
            | SalesCall::BestStore { .. } => None,
        }
    }
}
