//! Random histories: a right server is acquitted by every law, and each planted defect is
//! convicted by the law that is meant for it.

use loadgen::operation::Outcome;
use protocol::{Key, UserId};
use reports::record::Verdict;

use super::{
    reference::{Defect, Reference, random},
    run::{Again, Run, law},
};

const SEEDS: u64 = 40;
const CALLS: u32 = 150;

#[test]
fn every_law_acquits_a_right_server() {
    for seed in 0..SEEDS {
        let run = random(seed, CALLS, Defect::None).run;
        for law in run.judge() {
            assert_ne!(law.verdict, Verdict::Invalid, "seed {seed}: {law:#?}");
        }
    }
}

/// Runs the defect over all seeds: wherever it was injected, these laws must convict in at least
/// `least` of them.
fn check(defect: Defect, laws: &[&str], least: u64) {
    let mut injected = 0;
    let mut convicted = vec![0; laws.len()];
    for seed in 0..SEEDS {
        let Reference {
            run,
            injected: hits,
            ..
        } = random(seed, CALLS, defect);
        injected += u64::from(hits);
        let verdicts = run.judge();
        for (name, convicted) in laws.iter().zip(&mut convicted) {
            *convicted += u64::from(law(&verdicts, name).verdict == Verdict::Invalid);
        }
    }
    assert!(
        injected >= least,
        "{defect:?} injected {injected} times only"
    );
    for (name, convicted) in laws.iter().zip(convicted) {
        assert!(
            convicted >= least,
            "{name} convicted {defect:?} {convicted} times of {injected}",
        );
    }
}

#[test]
fn a_double_booking_is_convicted() {
    check(Defect::DoubleBook, &["model-agrees"], 30);
    check(Defect::DoubleBook, &["no-double-booking"], 10);
}

#[test]
fn a_refusal_without_a_reason_is_convicted() {
    check(Defect::FalseRefusal, &["model-agrees"], 30);
    check(Defect::FalseRefusal, &["refusals-justified"], 5);
}

#[test]
fn a_lost_cancel_is_convicted() {
    check(Defect::LostCancel, &["model-agrees", "no-lost-cancel"], 20);
}

#[test]
fn a_stale_read_is_convicted() {
    check(Defect::StaleRead, &["real-time-order"], 20);
}

#[test]
fn a_read_that_mixes_two_states_is_convicted() {
    check(Defect::TornRead, &["model-agrees"], 10);
}

/// Plants `tamper` into a right run: the law must convict, whatever the seed.
fn check_tampered(name: &str, tamper: impl Fn(&mut Run)) {
    for seed in 0..SEEDS {
        let mut run = random(seed, CALLS, Defect::None).run;
        tamper(&mut run);
        let verdicts = run.judge();
        let law = law(&verdicts, name);
        assert_eq!(law.verdict, Verdict::Invalid, "seed {seed}: {law:#?}");
        assert!(!law.violations.is_empty(), "seed {seed}: nothing told");
    }
}

/// The index of the last record of a client.
fn last_record(run: &Run) -> usize {
    let of_client = |record: &protocol::OwnedRecord| record.actor != UserId::NOBODY;
    run.records
        .iter()
        .rposition(of_client)
        .expect("there is one")
}

#[test]
fn a_wrong_hash_is_convicted() {
    check_tampered("durable-acks", |run| {
        let decided = |op: &&mut (loadgen::operation::Operation, _)| op.0.outcome.is_decided();
        let mut operations = run.operations.iter_mut();
        operations.find(decided).expect("one was answered").0.hash.0[31] ^= 1;
    });
}

#[test]
fn an_altered_record_is_convicted() {
    check_tampered("log-chained", |run| {
        let at = last_record(run);
        run.records[at].recorded_at += 1;
    });
}

#[test]
fn a_dropped_record_is_convicted() {
    check_tampered("log-chained", |run| {
        run.records.remove(10);
    });
}

#[test]
fn a_lost_tail_is_convicted() {
    check_tampered("durable-acks", |run| {
        let keep = run.records.len() / 2;
        run.records.truncate(keep);
    });
}

#[test]
fn reordered_records_are_convicted() {
    check_tampered("durable-acks", |run| {
        let at = run.records.len() / 2;
        let (one, other) = (run.records[at].seq, run.records[at + 1].seq);
        run.records.swap(at, at + 1);
        (run.records[at].seq, run.records[at + 1].seq) = (one, other);
        run.chain_again();
        run.stamp();
    });
}

#[test]
fn a_second_effect_of_one_key_is_convicted() {
    for name in ["idempotent-answers", "log-chained"] {
        check_tampered(name, |run| {
            let at = last_record(run);
            let mut twice = run.records[at].clone();
            twice.seq = protocol::Seq(run.head() + 1);
            run.records.push(twice);
            run.chain_again();
        });
    }
}

#[test]
fn another_answer_to_a_retry_is_convicted() {
    check_tampered("idempotent-answers", |run| {
        let first = run
            .operations
            .iter()
            .find(|(op, _)| op.outcome == Outcome::Ok);
        let first = first.expect("one succeeded").0;
        run.again.push(Again {
            id: (first.client, first.counter),
            outcome: Outcome::Ok,
            seq: first.seq + 1,
        });
    });
}

#[test]
fn a_record_nobody_asked_for_is_convicted() {
    check_tampered("no-phantom", |run| {
        let at = last_record(run);
        run.records[at].key = Key([3; 16]);
    });
}

#[test]
fn an_answer_unlike_the_log_is_convicted() {
    check_tampered("model-agrees", |run| {
        let ok = |op: &&mut (loadgen::operation::Operation, _)| {
            op.0.outcome == Outcome::Ok
                && matches!(op.0.call, loadgen::operation::Call::Reserve { .. })
        };
        let mut operations = run.operations.iter_mut();
        let first = operations.find(ok).expect("one succeeded");
        first.0.outcome = Outcome::Refused(protocol::Code::SLOT_TAKEN);
    });
}
