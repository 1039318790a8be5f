//! What a run comes to, from each thing that can be wrong with it.

use reports::record::{Conclusion, FaultsRecord, RunRecord, Verdict};
use reports::verdict::{self, RunEnd};

use crate::sample;

/// One way in which a run can be spoilt.
type Spoil = fn(&mut RunRecord);

/// Spoils a good run in one way and looks at the verdict.
fn check(spoil: impl Fn(&mut RunRecord), conclusion: Conclusion, reason: &str) {
    let mut record = sample::unjudged();
    spoil(&mut record);
    let found = verdict::judge(&record, RunEnd::Complete);
    assert_eq!(found.conclusion, conclusion, "{:?}", found.reasons);
    assert_eq!(found.reasons.len(), 1, "{:?}", found.reasons);
    assert!(found.reasons[0].contains(reason), "{:?}", found.reasons);
}

#[test]
fn a_run_with_nothing_wrong_passes_without_reasons() {
    let found = verdict::judge(&sample::unjudged(), RunEnd::Complete);
    assert_eq!(
        (found.conclusion, found.reasons),
        (Conclusion::Pass, Vec::new())
    );
}

#[test]
fn a_broken_law_violates_whether_or_not_it_was_required() {
    for at in [0, 3] {
        check(
            |record| {
                record.laws[at].verdict = Verdict::Invalid;
                record.laws[at].violation_count = 2;
            },
            Conclusion::InvariantViolated,
            "was broken 2 times",
        );
    }
}

#[test]
fn what_clients_are_known_to_lack_at_the_end_never_passes() {
    let lacking = |missing, waiting| {
        let mut record = sample::delivered();
        let phases = record.phases.iter_mut();
        let deliveries = phases.filter_map(|phase| phase.deliveries.as_mut()).last();
        let drain = &mut deliveries.expect("somebody said something").drain;
        (drain.missing, drain.waiting) = (missing, waiting);
        verdict::judge(&record, RunEnd::Complete)
    };
    assert_eq!(lacking(0, 0).conclusion, Conclusion::Pass);
    for (missing, waiting, words) in [
        (
            314,
            2,
            "2 clients lacked something that they had to be shown",
        ),
        (314, 2, "known to be missing: 314 of their entries"),
        (0, 1, "1 client lacked something"),
    ] {
        let found = lacking(missing, waiting);
        assert_eq!(found.conclusion, Conclusion::Inconclusive);
        assert!(found.reasons[0].contains(words), "{:?}", found.reasons);
    }
}

#[test]
fn a_required_law_that_could_not_be_judged_is_inconclusive() {
    check(
        |record| {
            record.laws[1].verdict = Verdict::Unknown;
            record.laws[1].reason = Some("nothing was refused".to_owned());
        },
        Conclusion::Inconclusive,
        "could not be judged: nothing was refused",
    );
}

#[test]
fn a_law_that_nobody_required_may_stay_unjudged() {
    let mut record = sample::unjudged();
    record.laws[3].verdict = Verdict::Unknown;
    assert_eq!(
        verdict::judge(&record, RunEnd::Complete).conclusion,
        Conclusion::Pass
    );
}

#[test]
fn a_missed_threshold_fails_and_an_unmeasured_one_is_inconclusive() {
    let spoil = |passed| move |record: &mut RunRecord| record.thresholds[0].passed = passed;
    check(
        spoil(Some(false)),
        Conclusion::ThresholdFailed,
        "was 4.72 ms and had to be < 50ms",
    );
    check(
        spoil(None),
        Conclusion::Inconclusive,
        "could not be measured",
    );
}

#[test]
fn a_race_that_did_not_take_place_is_inconclusive() {
    check(
        |record| record.contention.attempts_per_key_p50 = 7,
        Conclusion::Inconclusive,
        "7 attempts on the median key, the scenario promises 8",
    );
    check(
        |record| {
            record.phases[2]
                .rendezvous
                .as_mut()
                .expect("the sample has one")
                .within = 8;
        },
        Conclusion::Inconclusive,
        "only 8 of 10 rendezvous were released within 2.00 ms",
    );
}

#[test]
fn a_generator_that_did_not_keep_up_is_inconclusive() {
    check(
        |record| record.generator.saturated = Some("late".to_owned()),
        Conclusion::Inconclusive,
        "did not keep up: late",
    );
    check(
        |record| {
            record.phases[1].conservation.shed += 5_000;
            record.phases[1].conservation.intended += 5_000;
        },
        Conclusion::Inconclusive,
        "5,010 of 105,000 intended operations were never sent",
    );
}

#[test]
fn lost_count_is_inconclusive_even_in_a_warm_up() {
    for at in [0, 1] {
        check(
            |record| record.phases[at].conservation.sent -= 1,
            Conclusion::Inconclusive,
            "lost count",
        );
    }
}

#[test]
fn an_operation_that_never_succeeded_proves_nothing() {
    check(
        |record| {
            for phase in &mut record.phases {
                if let Some(cancels) = phase.operations.get_mut("cancel") {
                    cancels.ok = 0;
                }
            }
        },
        Conclusion::Inconclusive,
        "`cancel` never succeeded",
    );
}

#[test]
fn an_operation_that_succeeded_may_be_refused_ever_after() {
    let mut record = sample::unjudged();
    let late = record.phases.last_mut().expect("the sample has phases");
    for operation in late.operations.values_mut() {
        operation.refused += std::mem::take(&mut operation.ok);
    }
    record.conclude(RunEnd::Complete);
    assert_eq!(
        record.verdict.conclusion,
        Conclusion::Pass,
        "{:?}",
        record.verdict
    );
}

#[test]
fn the_most_severe_reason_comes_first_and_none_is_left_out() {
    let mut record = sample::unjudged();
    record.generator.saturated = Some("late".to_owned());
    record.thresholds[1].passed = Some(false);
    let found = verdict::judge(&record, RunEnd::Interrupted);
    assert_eq!(
        (found.conclusion, found.reasons.len()),
        (Conclusion::Interrupted, 3)
    );
    record.laws[2].verdict = Verdict::Invalid;
    let found = verdict::judge(&record, RunEnd::Interrupted);
    assert_eq!(
        (found.conclusion, found.reasons.len()),
        (Conclusion::InvariantViolated, 4)
    );
    assert!(
        found.reasons[0].contains("durable-acks"),
        "{:?}",
        found.reasons
    );
    assert!(
        found.reasons[3].contains("did not keep up"),
        "{:?}",
        found.reasons
    );
}

#[test]
fn every_conclusion_has_its_exit_code_and_the_most_severe_wins() {
    for (conclusion, code) in [
        (Conclusion::Pass, 0),
        (Conclusion::ThresholdFailed, 10),
        (Conclusion::InvariantViolated, 11),
        (Conclusion::Inconclusive, 12),
        (Conclusion::Interrupted, 130),
    ] {
        assert_eq!(conclusion.exit_code(), code);
    }
    let rising = [0, 12, 10, verdict::EXIT_REGRESSION, 11];
    for pair in rising.windows(2) {
        assert_eq!(verdict::more_severe(pair[0], pair[1]), pair[1]);
        assert_eq!(verdict::more_severe(pair[1], pair[0]), pair[1]);
    }
}

#[test]
fn a_fault_that_did_not_strike_proves_nothing() {
    let spoil = |record: &mut RunRecord| {
        record.faults = sample::broken().faults;
        let faults = record.faults.as_mut().expect("just given");
        faults.faults[0].struck_ns = None;
        faults.faults[0].proof = "the phase was over first".to_owned();
    };
    let reason = "planned 10.0 s into phase `race`, was not injected: the phase was over first";
    check(spoil, Conclusion::Inconclusive, reason);
}

#[test]
fn a_fault_after_which_nothing_was_answered_proves_no_recovery() {
    let spoil = |record: &mut RunRecord| {
        record.faults = sample::broken().faults;
        let faults = record.faults.as_mut().expect("just given");
        faults.faults[1].answered_ns = None;
    };
    check(
        spoil,
        Conclusion::Inconclusive,
        "nothing was answered after it",
    );
}

#[test]
fn a_run_that_judged_nothing_is_no_pass() {
    check(
        |record| record.phases.retain(|phase| phase.warmup),
        Conclusion::Inconclusive,
        "every phase is a warm-up",
    );
    let one_answer = |record: &mut RunRecord| {
        record
            .phases
            .retain(|phase| phase.warmup || phase.name == "stampede");
        let phase = record.phases.last_mut().expect("there are two");
        phase.conservation.intended = 1;
        phase.conservation.sent = 1;
        (phase.conservation.ok, phase.conservation.refused) = (1, 0);
    };
    check(
        one_answer,
        Conclusion::Inconclusive,
        "1 answer outside of warm-ups is too little",
    );
}

#[test]
fn what_kept_a_run_from_being_judged_is_inconclusive_and_told_as_it_is() {
    check(
        |record| record.broke_off = Some("3.2 s into the load: it ended (signal 9)".to_owned()),
        Conclusion::Inconclusive,
        "3.2 s into the load: it ended (signal 9)",
    );
}

#[test]
fn a_server_that_does_not_answer_is_no_pass_unless_it_was_broken_on_purpose() {
    let silent = |record: &mut RunRecord| {
        let phase = &mut record.phases[1];
        let found = phase.operations.get_mut("cancel").expect("it has cancels");
        (found.timeout, found.refused) = (400, found.refused - 400);
        phase.conservation.timeout += 400;
        phase.conservation.refused -= 400;
    };
    let slow = |record: &mut RunRecord| {
        for point in &mut record.phases[1].timeline {
            (point.answered, point.failed) = (point.answered / 2, 0);
        }
    };
    let hung_up = |record: &mut RunRecord| {
        record.connections.lost = record.generator.connections / 5;
    };
    let reasons: [(Spoil, &str); 3] = [
        (silent, "400 of 22,999 `cancel` were never answered"),
        (slow, "the server did not keep up with the offered rate"),
        (hung_up, "the clients lost 12 connections, and have 64"),
    ];
    for (spoil, reason) in reasons {
        check(spoil, Conclusion::Inconclusive, reason);
        let mut record = sample::unjudged();
        spoil(&mut record);
        record.faults = Some(FaultsRecord::default());
        let found = verdict::judge(&record, RunEnd::Complete);
        assert_eq!(found.conclusion, Conclusion::Pass, "{:?}", found.reasons);
    }
}

#[test]
fn operations_that_found_no_room_are_the_servers_doing() {
    check(
        |record| {
            let counts = &mut record.phases[1].conservation;
            counts.intended += 5_000;
            counts.shed += 5_000;
        },
        Conclusion::Inconclusive,
        "found their connection full of calls that the server had not answered",
    );
}

#[test]
fn rendezvous_that_had_no_time_are_missed() {
    check(
        |record| {
            let meeting = record.phases[2].rendezvous.as_mut().expect("there is one");
            meeting.planned = 40;
        },
        Conclusion::Inconclusive,
        "only 10 of 40 rendezvous took place",
    );
}
