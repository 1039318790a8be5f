//! What a reader must know first, from each thing that makes it so.

use reports::caution::{self, Caution};
use reports::record::{RunRecord, VisitorsRecord};

use crate::sample;

/// Changes the sample in one way and looks for the caution that it must bring.
fn check(change: impl Fn(&mut RunRecord), sentence: &str) {
    let has = |record: &RunRecord| {
        caution::collect(record)
            .iter()
            .any(|caution| caution.to_string().contains(sentence))
    };
    let mut record = sample::unjudged();
    assert!(!has(&record), "present without its cause: {sentence}");
    change(&mut record);
    assert!(has(&record), "missing: {sentence}");
}

#[test]
fn each_fact_brings_its_caution() {
    check(
        |it| it.environment.durability = "none".to_owned(),
        "Durability was `none`",
    );
    check(
        |it| it.environment.planted_bug = Some("x".to_owned()),
        "planted bug, `x`",
    );
    check(
        |it| it.scenario.time_scale = 0.1,
        "Every duration was multiplied by 0.1",
    );
    check(
        |it| it.scenario.rate_scale = 2.0,
        "Every rate was multiplied by 2",
    );
    check(
        |it| it.environment.target = "tcp://10.0.0.7:4000".to_owned(),
        "at tcp://10.0.0.7:4000",
    );
    check(
        |it| it.phases.retain(|phase| !phase.warmup),
        "No warm-up phase",
    );
    check(
        |it| it.generator.lateness.p99 = Some(1_000_001),
        "started operations up to 1.00 ms late",
    );
    check(
        |it| {
            let rendezvous = &mut it.phases[2].rendezvous;
            rendezvous.as_mut().expect("the sample has one").within = 9;
        },
        "1 of 10 rendezvous were spread wider",
    );
    check(
        |it| it.generator.lateness.max = 1_400_000_000,
        "The generator itself stood still for up to 1.40 s",
    );
    check(
        |it| {
            let (records, people) = (17, 1);
            it.visitors = Some(VisitorsRecord { records, people });
        },
        "Others used the server too: 17 records of 1 other person were set aside",
    );
    check(
        |it| it.connections.lost = 2,
        "2 connections ended before their clients wanted it",
    );
    check(
        |it| {
            it.connections.unread = 1;
            it.connections.why = Some("no line at all".to_owned());
        },
        "On 1 connection the server said what this program does not understand, and the connection was ended for that: no line at all.",
    );
    check(
        |it| it.phases[1].timeline.truncate(20),
        "Phase `race`: the server fell behind: ",
    );
    check(
        |it| it.phases[2].conservation.timeout = 1,
        "Phase `stampede`: 1 operation failed or got no answer",
    );
}

#[test]
fn the_sample_itself_shares_processors_has_failures_and_one_small_sample() {
    let found = caution::collect(&sample::unjudged());
    assert_eq!(
        found,
        [
            Caution::SharedProcessors { cpus: 2 },
            Caution::FailuresApart {
                phase: "race".to_owned(),
                failed: 10
            },
            Caution::SamplesTooSmall {
                phase: "stampede".to_owned(),
                operations: vec![("reserve".to_owned(), 400)],
            },
        ]
    );
}

#[test]
fn concluding_twice_repeats_no_caution_and_keeps_those_of_others() {
    let mut record = sample::unjudged();
    record.cautions.push("The disk was nearly full.".to_owned());
    record.conclude(reports::verdict::RunEnd::Complete);
    let once = record.clone();
    record.conclude(reports::verdict::RunEnd::Complete);
    assert_eq!(record, once);
    assert_eq!(record.cautions[0], "The disk was nearly full.");
}
