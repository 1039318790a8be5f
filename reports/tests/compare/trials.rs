//! Many comparisons of runs that are alike, and of runs that are not: how often each is found out.

use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Distribution, Normal};
use reports::compare::{ComparedAs, Comparison, Finding, StoredRun};

use super::{Weather, run};

fn compare(base: &[StoredRun], new: &[StoredRun]) -> Comparison {
    Comparison::of(base, new, 0.05).expect("runs of one plan can be compared")
}

fn is_alarm(comparison: &Comparison) -> bool {
    comparison.conclusion == ComparedAs::Regression
}

/// How many of so many pairs of lone runs raise an alarm.
fn lone_alarms(pairs: u64, base: Weather, new: Weather) -> usize {
    let alarm = |pair: &u64| is_alarm(&compare(&[run(base, 2 * pair)], &[run(new, 2 * pair + 1)]));
    (0..pairs).filter(alarm).count()
}

/// A side of runs, each of which has a day of its own: `between` is how much those differ.
fn side(runs: u64, weather: Weather, between: f64, seed: u64) -> Vec<StoredRun> {
    let mut rng = ChaCha8Rng::seed_from_u64(!seed);
    let day = Normal::new(0.0, between).expect("a share is no negative number");
    (0..runs)
        .map(|number| {
            let slower = weather.slower * f64::exp(day.sample(&mut rng));
            run(Weather { slower, ..weather }, 1_000 * seed + number)
        })
        .collect()
}

fn side_alarms(trials: u64, slower: f64, between: f64) -> usize {
    let alarm = |trial: &u64| {
        let new = Weather {
            slower,
            ..Weather::CALM
        };
        let base = side(5, Weather::CALM, between, 2 * trial);
        is_alarm(&compare(&base, &side(5, new, between, 2 * trial + 1)))
    };
    (0..trials).filter(alarm).count()
}

#[test]
fn of_twenty_pairs_alike_at_most_one_raises_an_alarm_even_if_seconds_remember() {
    for (gusts, memory) in [(0.01, 0.5), (0.05, 0.8), (0.3, 0.9)] {
        let weather = Weather {
            gusts,
            memory,
            ..Weather::CALM
        };
        let alarms = lone_alarms(20, weather, weather);
        assert!(
            alarms <= 1,
            "{alarms} of 20 with gusts of {gusts} and a memory of {memory}"
        );
    }
}

#[test]
fn a_tenth_slower_is_found_between_lone_runs_on_a_calm_machine() {
    let slower = Weather {
        slower: 1.1,
        ..Weather::CALM
    };
    let found = lone_alarms(20, Weather::CALM, slower);
    assert!(18 <= found, "{found} of 20");
    assert_eq!(
        lone_alarms(20, slower, Weather::CALM),
        0,
        "faster is no regression"
    );
}

#[test]
fn a_tenth_slower_is_found_between_sides_of_runs_that_differ_by_the_day() {
    let (alike, slower) = (side_alarms(20, 1.0, 0.02), side_alarms(20, 1.1, 0.02));
    assert!(alike <= 1, "{alike} of 20 that are alike");
    assert!(17 <= slower, "{slower} of 20 that are a tenth slower");
}

#[test]
fn what_makes_whole_runs_slow_is_no_regression() {
    // Every third run is three times as slow: somebody else's backup.
    let disturbed = |seed: u64| -> Vec<StoredRun> {
        let mut runs = side(6, Weather::CALM, 0.02, seed);
        let slow = Weather {
            slower: 3.0,
            ..Weather::CALM
        };
        runs[0] = run(slow, 5_000 + seed);
        runs
    };
    let calm = |seed| side(6, Weather::CALM, 0.02, seed);
    let alarms =
        (0..10).filter(|trial| is_alarm(&compare(&calm(2 * trial), &disturbed(2 * trial + 1))));
    assert!(alarms.count() <= 1);
}

#[test]
fn a_slowdown_below_the_least_effect_is_told_and_raises_no_alarm() {
    let slower = Weather {
        slower: 1.03,
        ..Weather::CALM
    };
    let comparison = compare(
        &side(8, Weather::CALM, 0.002, 1),
        &side(8, slower, 0.002, 2),
    );
    assert_eq!(comparison.conclusion, ComparedAs::NoRegression);
    let median = &comparison.changes[0];
    assert!(
        median.chance_among_all < 0.01 && median.finding == Finding::Same,
        "{median:?}"
    );
    let keen = Comparison::of(
        &side(8, Weather::CALM, 0.002, 1),
        &side(8, slower, 0.002, 2),
        0.01,
    );
    assert_eq!(keen.expect("comparable").conclusion, ComparedAs::Regression);
}

#[test]
fn a_run_is_no_different_from_itself_and_the_same_runs_give_the_same_comparison() {
    let (one, other) = ([run(Weather::CALM, 1)], [run(Weather::CALM, 2)]);
    let same = compare(&one, &one);
    assert!(
        same.changes
            .iter()
            .all(|change| change.change.abs() < 1e-12 && change.finding != Finding::Worse)
    );
    assert_eq!(compare(&one, &other), compare(&one, &other));
}
