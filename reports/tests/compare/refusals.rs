//! Runs that cannot be compared, and what one is told to do instead; and what one must know.

use std::slice;

use reports::compare::{Clock, ComparedAs, Comparison, Finding, Incomparable, StoredRun};
use reports::record::Conclusion;

use super::{Weather, run};

fn refused(change: impl FnOnce(&mut StoredRun)) -> Incomparable {
    let (base, mut new) = (run(Weather::CALM, 1), run(Weather::CALM, 2));
    new.name = "other".to_owned();
    change(&mut new);
    Comparison::of(&[base], &[new], 0.05).expect_err("they are of different things")
}

#[test]
fn runs_of_different_things_are_refused_with_what_to_do() {
    for (refusal, told) in [
        (
            refused(|run| run.record.scenario.name = "smoke".to_owned()),
            "compare runs of one scenario",
        ),
        (
            refused(|run| run.record.scenario.plan_hash = "0".repeat(64)),
            "run both with the same file, --seed",
        ),
        (
            refused(|run| run.record.environment.durability = "none".to_owned()),
            "run both with the same",
        ),
        (
            refused(|run| run.record.verdict.conclusion = Conclusion::Interrupted),
            "run it to its end",
        ),
        (
            refused(|run| run.record.generator.saturated = Some("it slept".to_owned())),
            "did not keep up (it slept)",
        ),
        (
            refused(|run| run.phases[0].count = 3),
            "measured 3 s, and a run that stands alone needs 8 s",
        ),
        (
            refused(|run| run.phases[0].tracks.clear()),
            "no operation was answered often enough",
        ),
    ] {
        assert!(refusal.to_string().contains(told), "{refusal}");
    }
}

#[test]
fn short_runs_can_be_compared_where_there_are_several() {
    let short = Weather {
        seconds: 3,
        ..Weather::CALM
    };
    let side = |from: u64| {
        (from..from + 3)
            .map(|seed| run(short, seed))
            .collect::<Vec<_>>()
    };
    let comparison =
        Comparison::of(&side(0), &side(10), 0.05).expect("three runs show how runs differ");
    assert_eq!(comparison.conclusion, ComparedAs::NoRegression);
}

#[test]
fn what_a_slower_disk_explains_is_no_regression() {
    let slow = Weather {
        slower: 1.8,
        ..Weather::CALM
    };
    let (base, mut new) = (run(Weather::CALM, 1), run(slow, 2));
    let compare = |new: &StoredRun| {
        Comparison::of(slice::from_ref(&base), slice::from_ref(new), 0.05).expect("comparable")
    };
    assert_eq!(compare(&new).conclusion, ComparedAs::Regression);
    new.record.environment.fdatasync_ns.p50 *= 2;
    let explained = compare(&new);
    assert_eq!(explained.conclusion, ComparedAs::NoRegression);
    assert!(
        explained
            .disk_change
            .is_some_and(|change| (change - 1.0).abs() < 0.01)
    );
    // A disk that became faster explains no slowdown.
    new.record.environment.fdatasync_ns.p50 /= 4;
    let unexplained = compare(&new);
    assert_eq!(unexplained.changes[0].finding, Finding::Worse);
}

#[test]
fn a_reader_is_told_what_makes_runs_differ_beside_the_server() {
    let (base, mut new) = (run(Weather::CALM, 1), run(Weather::CALM, 2));
    new.record.environment.kernel = "7.0.0".to_owned();
    new.record.environment.planted_bug = Some("slow".to_owned());
    new.record.verdict.conclusion = Conclusion::InvariantViolated;
    let gone = new.phases[0].tracks.clone();
    let mut base = base;
    base.phases[0].tracks.extend(
        gone.into_iter()
            .map(|((_, clock), seconds)| (("hold".to_owned(), clock), seconds)),
    );
    let comparison = Comparison::of(&[base], &[new], 0.05).expect("comparable");
    for told in [
        "different machines",
        "planted bug `slow`",
        "a law was broken",
        "`hold`",
    ] {
        assert!(
            comparison
                .cautions
                .iter()
                .any(|caution| caution.contains(told)),
            "{told}: {:?}",
            comparison.cautions
        );
    }
}

#[test]
fn what_one_side_lacks_is_no_green_comparison() {
    let (mut base, new) = (run(Weather::CALM, 1), run(Weather::CALM, 2));
    let compare = |base: &StoredRun, new: &StoredRun| {
        Comparison::of(slice::from_ref(base), slice::from_ref(new), 0.05).expect("comparable")
    };
    assert_eq!(compare(&base, &new).conclusion, ComparedAs::NoRegression);
    let service = base.phases[0].tracks.values().next().cloned();
    let service = service.expect("there is one");
    let track = ("reserve".to_owned(), Clock::Service);
    base.phases[0].tracks.insert(track, service);
    for (one, other, side) in [(&base, &new, "new"), (&new, &base, "base")] {
        let comparison = compare(one, other);
        assert_eq!(comparison.conclusion, ComparedAs::Inconclusive);
        assert_eq!(comparison.conclusion.exit_code(), 12);
        let told = comparison.unseen.join("\n");
        assert!(told.contains(&format!("on the {side} side")), "{told}");
        assert!(told.contains("service times of `reserve`"), "{told}");
    }
}

#[test]
fn noise_that_hides_what_was_asked_for_is_no_green_comparison() {
    let stormy = Weather {
        gusts: 0.3,
        ..Weather::CALM
    };
    let compare = |weather, max_noise| {
        let (base, new) = (run(weather, 1), run(weather, 2));
        let comparison = Comparison::of(&[base], &[new], 0.05).expect("comparable");
        comparison.with_max_noise(max_noise)
    };
    let calm = compare(Weather::CALM, 0.5);
    assert_eq!(
        calm.conclusion,
        ComparedAs::NoRegression,
        "{:?}",
        calm.unseen
    );
    let noisy = compare(stormy, 0.05);
    assert_eq!(noisy.conclusion, ComparedAs::Inconclusive);
    assert!(
        noisy
            .unseen
            .iter()
            .any(|told| told.contains("5.0 % was asked for")),
        "{:?}",
        noisy.unseen
    );
}
