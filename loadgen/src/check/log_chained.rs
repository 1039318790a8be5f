//! L1, L2, L8, L9: the log is one unbroken chain.
//!
//! Positions without a gap, hashes that we compute ourselves, clock readings that never fall, and
//! no key twice. Streaming; the keys that this run did not mint are kept.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::{ChainHash, Outcome, OwnedRecord, UserId, record::chain, words::accounts};

use super::{
    finding::{About, Finding, Needs, OperationId, Topic, Violation, Witness},
    law::{Ended, Law, Logged},
    laws::LawOptions,
    world::World,
};

/// The law.
#[derive(Debug)]
pub(crate) struct LogChained {
    last: Option<(u64, u64, ChainHash)>,
    scratch: Vec<u8>,
    /// Actor and key, and where: of records that this run did not ask for.
    keys: HashMap<(u64, [u8; 16]), u64, FixedState>,
    records: u64,
    finding: Finding,
}

impl Law for LogChained {
    const ABOUT: About = About {
        name: "log-chained",
        demands: "The log has no gap, every hash follows from what stands before it, its clock never falls and no key is there twice.",
        confidence: "certificate: every record read and hashed again",
        topic: Topic::Everything,
        needs: Needs::Log,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            last: None,
            scratch: Vec::new(),
            keys: HashMap::with_hasher(FixedState::with_seed(0)),
            records: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_record(&mut self, logged: &Logged<'_>, _: &World) {
        self.handle_record(logged.record);
        match (logged.minted, logged.earlier) {
            (Some(by), Some(earlier)) => self.handle_twice(logged.record, earlier, by),
            (Some(_), None) => {}
            (None, _) if logged.record.actor == UserId::NOBODY => {}
            (None, _) => self.handle_stranger(logged.record),
        }
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
        self.finding.count_needed("records", self.records);
        self.finding
    }
}

impl LogChained {
    /// One record, whoever asked for it.
    fn handle_record(&mut self, record: &OwnedRecord) {
        self.records += 1;
        let (seq, recorded_at, hash) = self.last.unwrap_or_else(|| before(record));
        if record.seq.0 != seq + 1 {
            self.convict(
                record,
                format!("position {} follows position {seq} in the log", record.seq),
                format!("position {}", seq + 1),
            );
        }
        if record.recorded_at < recorded_at && !sets_clock_back(record) {
            self.convict(
                record,
                format!(
                    "the clock of the log falls from {recorded_at} to {} at position {}",
                    record.recorded_at, record.seq
                ),
                format!("{recorded_at} or later"),
            );
        }
        let chained = chain(&hash, &record.record(), &mut self.scratch);
        // What does not start at the beginning has a first hash that must be taken on trust.
        let trusted = self.last.is_none() && record.seq.0 != 1;
        if chained != record.hash && !trusted {
            self.convict(
                record,
                format!(
                    "the hash at position {} does not follow from what stands before it",
                    record.seq
                ),
                format!("hash {chained}"),
            );
        }
        self.last = Some((record.seq.0, record.recorded_at, record.hash));
    }

    /// One record that this run did not ask for: is its key its actor's alone?
    fn handle_stranger(&mut self, record: &OwnedRecord) {
        let key = (record.actor.0, record.key.0);
        if let Some(earlier) = self.keys.insert(key, record.seq.0) {
            self.twice(record, earlier);
        }
    }

    /// One record of an operation that has one already.
    fn handle_twice(&mut self, record: &OwnedRecord, earlier: u64, by: OperationId) {
        self.finding.convict(|| Violation {
            sentence: format!(
                "operation {} of client {} is in the log at position {earlier} and again at {}",
                by.1, by.0, record.seq,
            ),
            witnesses: vec![Witness::Asked(by), of_record(record)],
            order: "log order",
            expected: "one record for one key".to_owned(),
        });
    }

    fn twice(&mut self, record: &OwnedRecord, earlier: u64) {
        self.convict(
            record,
            format!(
                "{} used one key at position {earlier} and again at {}",
                record.actor, record.seq
            ),
            "one record for one key".to_owned(),
        );
    }

    fn convict(&mut self, record: &OwnedRecord, sentence: String, expected: String) {
        self.finding.convict(|| Violation {
            sentence,
            witnesses: vec![of_record(record)],
            order: "log order",
            expected,
        });
    }
}

/// Whether this is the record of an operator who says that the clock was ahead, at which it may fall.
fn sets_clock_back(record: &OwnedRecord) -> bool {
    let command = accounts::Command::decode(record.kind, record.schema, &record.body);
    let is_accepted = Outcome::decode(&record.outcome).is_ok_and(|outcome| outcome.is_accepted());
    let is_servers = record.actor == UserId::NOBODY;
    is_servers && is_accepted && matches!(command, Ok(accounts::Command::SetClockBack(_)))
}

fn before(first: &OwnedRecord) -> (u64, u64, ChainHash) {
    (first.seq.0.saturating_sub(1), 0, ChainHash::START)
}

/// A record as a witness.
pub(crate) fn of_record(record: &OwnedRecord) -> Witness {
    Witness::told(
        record.actor.to_string(),
        format!("record of kind {:#06x}", record.kind.0),
        format!("recorded at {} ms", record.recorded_at),
        record.seq.0,
    )
}

#[cfg(test)]
mod tests {
    use super::{super::finding::Wanted, *};
    use protocol::{Code, Key, Refusal, Seq, outcome};

    use crate::operation::KeyMint;

    /// A record of this instant by `actor` that sets the clock back, or is refused to.
    fn set_back(actor: UserId, recorded_at: u64, is_accepted: bool) -> OwnedRecord {
        let command = accounts::Command::from(accounts::SetClockBack { from: 9 });
        let event = accounts::Event::from(accounts::ClockSetBack {});
        let ((kind, schema), mut body, mut told) = (command.kind(), Vec::new(), Vec::new());
        command.encode(&mut body);
        if is_accepted {
            outcome::encode_accepted(event.kind().0, event.kind().1, &mut told);
            event.encode(&mut told);
        } else {
            outcome::encode_refused(&Refusal::new(Code::NOT_ALLOWED), &mut told);
        }
        OwnedRecord {
            seq: Seq(0),
            recorded_at,
            actor,
            key: Key([0; 16]),
            kind,
            schema,
            codec: 1,
            body,
            outcome: told,
            hash: ChainHash::START,
        }
    }

    /// The violations of a log of these records, in their order.
    fn violations(records: Vec<OwnedRecord>) -> Vec<String> {
        let options = LawOptions::new(KeyMint::new([7; 32]), 1, 1);
        let (mut law, mut hash) = (LogChained::new(&options), ChainHash::START);
        for (seq, mut record) in (1..).zip(records) {
            record.seq = Seq(seq);
            hash = chain(&hash, &record.record(), &mut Vec::new());
            record.hash = hash;
            law.handle_record(&record);
        }
        let world = World::new(options);
        let ended = Ended {
            world: &world,
            chat: None,
        };
        let record = law.conclude(&ended).conclude(&[], &Wanted::new());
        let record = record.finish();
        let violations = record.violations.into_iter();
        violations.map(|it| it.sentence).collect()
    }

    #[test]
    fn the_clock_falls_only_where_its_operator_sets_it_back() {
        let before = || set_back(UserId::NOBODY, 9, true);
        let set = |actor, is_accepted| vec![before(), set_back(actor, 5, is_accepted)];
        assert_eq!(violations(set(UserId::NOBODY, true)), [""; 0]);
        for wrong in [set(UserId::NOBODY, false), set(UserId(1), true)] {
            let told = violations(wrong);
            assert_eq!(
                told,
                ["the clock of the log falls from 9 to 5 at position 2"]
            );
        }
        let mut other = set(UserId::NOBODY, true);
        other[1].kind = protocol::Kind(other[1].kind.0 - 1);
        assert_eq!(violations(other).len(), 1, "another command");
        // From there on it rises again.
        let mut again = set(UserId::NOBODY, true);
        again.push(set_back(UserId(1), 4, true));
        assert_eq!(violations(again).len(), 1);
    }
}
