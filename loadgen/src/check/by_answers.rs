//! Judging without a log: by what people were told, and by what the server shows when it is asked again.
//!
//! Laws that saw a run, the history, and who the server shows as holders after it go in; one verdict a law
//! comes out. A law that the server's promises are not enough for is `n/a`, with what is missing.
//! `durable-acks` is another here than with a log: every booking that was acknowledged, and that nobody
//! asked to end, must still be shown. Deliberately absent: the asking (`run`).

use std::collections::BTreeMap;

use foldhash::fast::FixedState;
use hashbrown::HashSet;
use reports::record::{LawRecord, OrderReason, Verdict};

use super::{
    conclusion::Tally,
    finding::{About, Finding, Needs, Topic, Violation, Witness, slot_text},
    laws::Laws,
    subject::Subject,
};
use crate::operation::{Call, Operation, Outcome, Slot};

const DURABLE: About = About {
    name: "durable-acks",
    demands: "Whoever was told that they hold a place, and did not give it back, holds it after the run and whatever was killed in it.",
    confidence: "certificate: every acknowledged booking looked for in what the server shows after the run",
    topic: Topic::Everything,
    needs: Needs::Answers,
};

/// A booking that must still be there: acknowledged, and nobody asked to end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Survivor {
    /// The reserve.
    pub operation: Operation,
    /// Of what.
    pub slot: Slot,
}

/// What asking the server again came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Everybody was asked about; of these the server shows nothing.
    Missing {
        /// How many bookings were looked for.
        looked_for: u64,
        /// Those that it does not show.
        missing: Vec<Survivor>,
        /// How often its process was killed in the run.
        kills: u64,
    },
    /// It could not be asked: why.
    Unasked(String),
    /// There was nothing to ask it with.
    Unmapped,
}

impl Laws {
    /// The bookings of a history that must still be there when a run is over, by whom and of what.
    #[must_use]
    pub fn survivors(history: impl Iterator<Item = Operation>) -> Vec<Survivor> {
        let mut booked = BTreeMap::new();
        let mut ended = HashSet::with_hasher(FixedState::with_seed(0));
        for operation in history {
            match (operation.call, operation.outcome) {
                (Call::Reserve { slot }, Outcome::Ok) => {
                    booked.insert(operation.seq, Survivor { operation, slot });
                }
                // Whatever became of it: it may have happened, or happen yet.
                (Call::Cancel { booking, .. }, _) => {
                    ended.insert(booking);
                }
                _ => {}
            }
        }
        booked.retain(|booking, _| !ended.contains(booking));
        booked.into_values().collect()
    }

    /// Judges by answers alone, and says what each law found.
    #[must_use]
    pub fn conclude_by_answers<H: Iterator<Item = Operation>>(
        self,
        asked: Asked,
        history: impl Fn() -> H,
    ) -> (Vec<LawRecord>, Tally) {
        let contract = self.world.options.contract.unwrap_or_default();
        let required = self.world.options.required.clone();
        let durable = durable_acks(&asked).conclude(&required, &BTreeMap::new());
        let mut durable = durable.finish();
        forget_positions(&mut durable);
        let mut durable = Some(durable);
        let (mut laws, _of_no_log) = self.conclude_with_tally(history);
        laws.iter_mut().for_each(forget_positions);
        for law in &mut laws {
            if let Some(lacking) = contract.lacks(&law.name) {
                *law = not_applicable(law, lacking);
            } else if law.name == DURABLE.name
                && let Some(durable) = durable.take()
            {
                *law = if durable.verdict == Verdict::Valid && !was_killed(&asked) {
                    let why = "nothing was killed, so nothing tested what the server keeps: let the scenario kill it";
                    LawRecord {
                        exercised: durable.exercised.clone(),
                        ..not_applicable(&durable, why)
                    }
                } else {
                    durable
                };
            }
        }
        let tally = match asked {
            Asked::Missing {
                looked_for,
                missing,
                ..
            } => Tally {
                acknowledged: looked_for,
                lost: u64::try_from(missing.len()).unwrap_or(u64::MAX),
                ..Tally::default()
            },
            Asked::Unasked(_) | Asked::Unmapped => Tally::default(),
        };
        (laws, tally)
    }
}

/// The numbers of bookings stand where positions would: nothing follows from their order.
fn forget_positions(law: &mut LawRecord) {
    for violation in &mut law.violations {
        violation.pairs.retain(|pair| pair.by != OrderReason::Log);
        let told = violation.operations.iter_mut().chain(&mut violation.window);
        told.for_each(|witness| witness.seq = 0);
    }
}

const fn was_killed(asked: &Asked) -> bool {
    matches!(asked, Asked::Missing { kills: 1.., .. })
}

fn not_applicable(law: &LawRecord, why: &str) -> LawRecord {
    LawRecord {
        verdict: Verdict::NotApplicable,
        reason: Some(why.to_owned()),
        exercised: Vec::new(),
        violation_count: 0,
        violations: Vec::new(),
        scope: None,
        ..law.clone()
    }
}

fn durable_acks(asked: &Asked) -> Finding {
    let mut finding = Finding::new(DURABLE);
    match asked {
        Asked::Missing {
            looked_for,
            missing,
            kills,
        } => {
            for survivor in missing {
                let subject = Some(Subject::Slot(survivor.slot));
                finding.convict_of(subject, || lost(survivor));
            }
            finding.count_needed("bookings looked for", *looked_for);
            finding.count("kills", *kills);
        }
        Asked::Unasked(why) => finding.doubt(format!(
            "the server could not be asked after the run: {why}"
        )),
        Asked::Unmapped => finding.doubt("the server could not be asked after the run"),
    }
    finding
}

fn lost(survivor: &Survivor) -> Violation {
    let Survivor { operation, slot } = survivor;
    Violation {
        sentence: format!(
            "client {} was told that they hold {} (booking {}), never gave it back, and the server does not show it after the run",
            operation.client,
            slot_text(*slot),
            operation.seq,
        ),
        witnesses: vec![Witness::Operation(*operation)],
        order: "the server was asked after the run, when every cancel had been answered or given up",
        expected: format!("client {} among the holders", operation.client),
    }
}

#[cfg(test)]
mod tests {
    use protocol::ChainHash;

    use super::*;
    use crate::{
        check::{Contract, Expiry, LawOptions},
        operation::{KeyMint, Observed, Observer as _},
    };

    const SLOT: Slot = Slot(1 << 32 | 4);

    fn full() -> Contract {
        Contract {
            capacity: Some(1),
            expires: Some(Expiry::Never),
            only_holder_cancels: true,
            reads_after: Some(0),
            is_fresh: true,
            has_reads: true,
        }
    }

    fn operation(client: u32, call: Call, outcome: Outcome, at: [u64; 2], seq: u64) -> Operation {
        Operation {
            client,
            counter: u32::try_from(at[0]).expect("a small number"),
            call,
            intended_at: at[0],
            sent_at: at[0],
            completed_at: at[1],
            floor: 0,
            outcome,
            seq,
            hash: ChainHash::START,
            attempts: 1,
        }
    }

    fn reserve(client: u32, outcome: Outcome, at: [u64; 2], seq: u64) -> Operation {
        operation(client, Call::Reserve { slot: SLOT }, outcome, at, seq)
    }

    /// Judges a history that ran in this order, its calls by their instants.
    fn judged(contract: Contract, history: &[Operation], asked: Asked) -> Vec<LawRecord> {
        let mut options = LawOptions::new(KeyMint::new([7; 32]), 9, 8);
        options.contract = Some(contract);
        let mut laws = Laws::new(options);
        let mut events: Vec<(u64, bool, &Operation)> = Vec::new();
        for operation in history {
            events.push((operation.sent_at, false, operation));
            events.push((operation.completed_at, true, operation));
        }
        events.sort_by_key(|(at, is_end, _)| (*at, *is_end));
        for (at, is_end, operation) in events {
            if is_end {
                laws.handle_complete(operation, &Observed::Nothing);
            } else {
                laws.handle_invoke(operation.client, operation.counter, &operation.call, at);
            }
        }
        laws.conclude_by_answers(asked, || history.iter().copied())
            .0
    }

    fn verdict(laws: &[LawRecord], name: &str) -> Verdict {
        let law = laws.iter().find(|law| law.name == name);
        law.unwrap_or_else(|| panic!("{name} was judged")).verdict
    }

    fn kept(kills: u64) -> Asked {
        Asked::Missing {
            looked_for: 1,
            missing: Vec::new(),
            kills,
        }
    }

    #[test]
    fn two_holders_of_one_place_convict_a_server_that_promised_one() {
        let history = [
            reserve(1, Outcome::Ok, [10, 20], 1),
            reserve(2, Outcome::Ok, [30, 40], 2),
        ];
        let laws = judged(full(), &history, kept(0));
        assert_eq!(verdict(&laws, "no-double-booking"), Verdict::Invalid);
        assert_eq!(verdict(&laws, "linearizable"), Verdict::Invalid);
        for law in [
            "real-time-order",
            "idempotent-answers",
            "log-chained",
            "model-agrees",
            "durable-acks",
        ] {
            assert_eq!(verdict(&laws, law), Verdict::NotApplicable, "{law}");
        }
        let weaker = [
            Contract {
                capacity: Some(2),
                ..full()
            },
            Contract {
                capacity: None,
                ..full()
            },
            Contract {
                expires: None,
                ..full()
            },
            Contract {
                expires: Some(Expiry::After(0)),
                ..full()
            },
            Contract {
                only_holder_cancels: false,
                ..full()
            },
            Contract::default(),
        ];
        for contract in weaker {
            let laws = judged(contract, &history, kept(0));
            let accused = laws.iter().filter(|law| law.verdict == Verdict::Invalid);
            assert_eq!(accused.count(), 0, "{contract:?}");
        }
    }

    #[test]
    fn an_outcome_that_nobody_knows_accuses_nobody() {
        let unknown = reserve(1, Outcome::Unknown, [10, 20], 0);
        let taken = reserve(2, Outcome::Refused(protocol::Code::SLOT_TAKEN), [30, 40], 0);
        let laws = judged(full(), &[unknown, taken], kept(1));
        assert!(
            laws.iter().all(|law| law.verdict != Verdict::Invalid),
            "{laws:?}"
        );
        let refused = reserve(1, Outcome::Refused(protocol::Code::SLOT_TAKEN), [10, 20], 0);
        let laws = judged(full(), &[refused], kept(1));
        assert_eq!(verdict(&laws, "refusals-justified"), Verdict::Invalid);
        assert_eq!(verdict(&laws, "someone-wins"), Verdict::Invalid);
    }

    #[test]
    fn what_was_acknowledged_and_never_given_back_must_still_be_there() {
        let booked = reserve(1, Outcome::Ok, [10, 20], 1);
        let cancel = operation(
            1,
            Call::Cancel {
                booking: 1,
                slot: SLOT,
            },
            Outcome::Timeout,
            [30, 40],
            0,
        );
        assert_eq!(Laws::survivors([booked, cancel].into_iter()), []);
        let survivors = Laws::survivors([booked].into_iter());
        assert_eq!(
            survivors,
            [Survivor {
                operation: booked,
                slot: SLOT
            }]
        );
        let lost = Asked::Missing {
            looked_for: 1,
            missing: survivors,
            kills: 1,
        };
        assert_eq!(
            verdict(&judged(full(), &[booked], lost), "durable-acks"),
            Verdict::Invalid
        );
        assert_eq!(
            verdict(&judged(full(), &[booked], kept(1)), "durable-acks"),
            Verdict::Valid
        );
        let unasked = Asked::Unasked("it is gone".to_owned());
        assert_eq!(
            verdict(&judged(full(), &[booked], unasked), "durable-acks"),
            Verdict::Unknown
        );
    }
}
