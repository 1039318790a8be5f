//! S6: every sale counts once, with exactly the cents, the store and the day its seller said.
//!
//! Amounts are integers in the smallest unit from the seller's hand to the log, so there is nothing
//! to round; and one sale has one id, whatever was retried.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::{
    OwnedRecord,
    words::sales::{Command, SaleId},
};

use crate::{
    check::{
        finding::{About, Finding, Needs, OperationId, Topic, Violation, Witness},
        law::{Ended, Law, Logged, Recalled},
        laws::LawOptions,
        log_chained::of_record,
        record::Decided,
        world::World,
    },
    operation::{Call, Operation, Outcome, SalesCall},
};

/// A sale in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line {
    store: u64,
    cents: u64,
    day: u32,
}

/// The law.
#[derive(Debug)]
pub(crate) struct SalesExact {
    /// By who recorded it.
    lines: HashMap<OperationId, Line, FixedState>,
    ids: HashMap<SaleId, u64, FixedState>,
    lines_max: usize,
    compared: u64,
    finding: Finding,
}

impl Law for SalesExact {
    const ABOUT: About = About {
        name: "sales-exact",
        demands: "Every acknowledged sale is in the log once, with the cents, the store and the day it was recorded with.",
        confidence: "certificate: every answered sale against its record, every id of the log compared",
        topic: Topic::Sales,
        needs: Needs::Log,
    };

    fn new(options: &LawOptions) -> Self {
        let bytes_max = options.share();
        let one = u64::try_from(size_of::<(OperationId, Line, SaleId, u64)>()).unwrap_or(u64::MAX);
        Self {
            lines: HashMap::with_hasher(FixedState::with_seed(0)),
            ids: HashMap::with_hasher(FixedState::with_seed(0)),
            lines_max: usize::try_from(bytes_max / one).unwrap_or(usize::MAX),
            compared: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_record(&mut self, logged: &Logged<'_>, _: &World) {
        if let Some(decided) = logged.sales {
            self.handle_record(logged.record, decided, logged.minted);
        }
    }

    fn on_history(&mut self, recalled: &Recalled<'_>, _: &World) {
        if let Call::Sales(call) = &recalled.operation.call {
            self.handle_operation(recalled.operation, call);
        }
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
        self.finding.count_needed("sales compared", self.compared);
        self.finding
    }
}

impl SalesExact {
    /// One command of the log, and who minted its key.
    fn handle_record(
        &mut self,
        record: &OwnedRecord,
        decided: &Decided<Command>,
        minted: Option<OperationId>,
    ) {
        let (Command::RecordSale(word), true) = (&decided.command, decided.accepted) else {
            return;
        };
        if self.lines_max <= self.ids.len() {
            return self
                .finding
                .doubt("there were more sales than the memory budget holds");
        }
        if let Some(earlier) = self.ids.insert(word.sale, record.seq.0) {
            self.finding.convict(|| Violation {
                sentence: format!(
                    "one sale of {} cents in store {} counts at position {earlier} and again at {}",
                    word.cents, word.store, record.seq,
                ),
                witnesses: minted
                    .map(Witness::Asked)
                    .into_iter()
                    .chain([of_record(record)])
                    .collect(),
                order: "log order",
                expected: "one record for one sale".to_owned(),
            });
        }
        if let Some(id) = minted {
            let line = Line {
                store: word.store,
                cents: word.cents,
                day: word.day,
            };
            self.lines.insert(id, line);
        }
    }

    /// One operation of the history, when the whole log is known.
    fn handle_operation(&mut self, operation: &Operation, call: &SalesCall) {
        let (SalesCall::RecordSale { store, cents, day }, Outcome::Ok) = (call, operation.outcome)
        else {
            return;
        };
        self.compared += 1;
        let said = Line {
            store: *store,
            cents: *cents,
            day: *day,
        };
        let found = self.lines.get(&(operation.client, operation.counter));
        if found != Some(&said) {
            let logged = found.map_or_else(
                || "no such sale".to_owned(),
                |line| {
                    format!(
                        "{} cents in store {} on day {}",
                        line.cents, line.store, line.day
                    )
                },
            );
            self.finding.convict(|| Violation {
                sentence: format!(
                    "client {} recorded {cents} cents in store {store} on day {day}, and the log has {logged}",
                    operation.client,
                ),
                witnesses: vec![Witness::Operation(*operation)],
                order: "the record is known by its key",
                expected: "the sale as it was recorded".to_owned(),
            });
        }
    }
}
