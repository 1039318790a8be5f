//! Comparisons from outside: runs whose truth is known go in, what is said of them is looked at.

mod files;
mod refusals;
mod trials;
mod words;

use std::collections::BTreeMap;

use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Distribution, Normal};
use reports::compare::{Clock, Counts, PhaseSeconds, StoredRun};

use crate::sample;

/// How a made-up run goes.
#[derive(Debug, Clone, Copy)]
struct Weather {
    /// Measured seconds.
    seconds: usize,
    /// How much the median of a second differs from that of the next, as a share.
    gusts: f64,
    /// How much of a second's difference the next one keeps.
    memory: f64,
    /// How much slower everything is, as a factor.
    slower: f64,
}

impl Weather {
    const CALM: Self = Self {
        seconds: 24,
        gusts: 0.01,
        memory: 0.5,
        slower: 1.0,
    };
}

/// Answers in a second of a made-up run.
const ANSWERS: usize = 400;

/// A run of one operation in this weather.
fn run(weather: Weather, seed: u64) -> StoredRun {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let gust = Normal::new(0.0, weather.gusts).expect("a share is no negative number");
    let spread = Normal::new(0.0, 0.3).expect("a constant");
    let mut wind = 0.0;
    let mut second = || {
        wind = weather.memory * wind + gust.sample(&mut rng);
        let times = (0..ANSWERS).map(|_| {
            let time = 300_000.0 * weather.slower * f64::exp(wind + spread.sample(&mut rng));
            (rounded(time), 1)
        });
        Counts::from_pairs(times.collect::<Vec<_>>())
    };
    let seconds: Vec<Counts> = (0..weather.seconds).map(|_| second()).collect();
    stored(seconds)
}

/// To two digits, as a histogram would to three: few values make a quick test.
fn rounded(time: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "some microseconds"
    )]
    let time = time as u64;
    time / 5_000 * 5_000
}

fn stored(seconds: Vec<Counts>) -> StoredRun {
    let mut record = sample::pass();
    record.phases.retain(|phase| !phase.warmup);
    record.phases.truncate(1);
    let count = seconds.len();
    let tracks = BTreeMap::from([(("reserve".to_owned(), Clock::Response), seconds)]);
    StoredRun {
        name: "run".to_owned(),
        record,
        phases: vec![PhaseSeconds { count, tracks }],
        logged: BTreeMap::new(),
    }
}
