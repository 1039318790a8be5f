//! Whether two distributions differ as wholes, by more than their units would by chance.
//!
//! The units of two sides go in (runs, or parts of one run each); Mann and Whitney's and Kolmogorov
//! and Smirnov's figures come out with their chances. Their textbook chances take every sample to be
//! independent, which answers of one second are not, and find something in any two runs. Here the
//! units change sides instead, and how often that gives a figure as large is the chance.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

use super::counts::{Counts, Shape};

/// Divisions that are looked at: all there are, or so many drawn ones.
const DIVISIONS_MAX: usize = 1_000;

/// How two sides differ as wholes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shuffled {
    /// As they are.
    pub(super) shape: Shape,
    /// The chance of so large a distance where the sides are alike.
    pub(super) distance_chance: f64,
    /// The chance of values so much larger or smaller where the sides are alike.
    pub(super) larger_chance: f64,
}

/// How units may change sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exchange {
    /// The first of one side with the first of the other, and so on: parts of one plan.
    Pairs,
    /// Any with any: whole runs.
    Any,
}

/// Compares two sides, each of at least one unit that has anything.
pub(super) fn shuffled(
    first: &[Counts],
    second: &[Counts],
    exchange: Exchange,
) -> Option<Shuffled> {
    let shape = Counts::merged(first).shape(&Counts::merged(second))?;
    let units = Units::of(first, second);
    let divisions = match exchange {
        Exchange::Pairs => pair_divisions(first.len().min(second.len())),
        Exchange::Any => any_divisions(first.len(), second.len()),
    };
    let shapes: Vec<Shape> = divisions
        .iter()
        .filter_map(|side| units.shape(side))
        .collect();
    let share = |is_as_large: &dyn Fn(&Shape) -> bool| {
        let count = shapes.iter().filter(|shape| is_as_large(shape)).count();
        count as f64 / shapes.len().max(1) as f64
    };
    // Equal figures that were added up in another order differ in their last digit.
    let slack = 1e-9;
    let lean = |shape: &Shape| (shape.larger - 0.5).abs();
    Some(Shuffled {
        shape,
        distance_chance: share(&|found| shape.distance <= found.distance + slack),
        larger_chance: share(&|found| lean(&shape) <= lean(found) + slack),
    })
}

/// The units of both sides over one list of values.
struct Units {
    width: usize,
    units: Vec<Vec<(usize, u64)>>,
}

impl Units {
    fn of(first: &[Counts], second: &[Counts]) -> Self {
        let all = Counts::merged(first.iter().chain(second));
        let places: BTreeMap<u64, usize> = all
            .pairs()
            .iter()
            .map(|(value, _)| *value)
            .zip(0..)
            .collect();
        let place = |(value, count): &(u64, u64)| (places[value], *count);
        let units = first.iter().chain(second);
        Self {
            width: places.len(),
            units: units
                .map(|unit| unit.pairs().iter().map(place).collect())
                .collect(),
        }
    }

    /// The figures if the second side were the units that `is_second` says.
    fn shape(&self, is_second: &[bool]) -> Option<Shape> {
        let mut sums = [vec![0_u64; self.width], vec![0_u64; self.width]];
        for (unit, second) in self.units.iter().zip(is_second) {
            let sum = &mut sums[usize::from(*second)];
            unit.iter().for_each(|(place, count)| sum[*place] += count);
        }
        let [first, second] = sums.map(|sum| Counts::from_pairs((0..).zip(sum)));
        first.shape(&second)
    }
}

/// Every way in which pairs can stay or change places; the first is as they are.
fn pair_divisions(pairs: usize) -> Vec<Vec<bool>> {
    let count = 1_usize.checked_shl(u32::try_from(pairs).unwrap_or(u32::MAX));
    let count = count.unwrap_or(usize::MAX).min(DIVISIONS_MAX);
    let division = |number: usize| {
        let swapped = move |pair: usize| number >> pair & 1 == 1;
        let first = (0..pairs).map(swapped);
        first
            .chain((0..pairs).map(move |pair| !swapped(pair)))
            .collect()
    };
    (0..count).map(division).collect()
}

/// Every way to choose the second side, or as many drawn ones as are looked at.
fn any_divisions(first: usize, second: usize) -> Vec<Vec<bool>> {
    let as_they_are: Vec<bool> = (0..first + second).map(|unit| first <= unit).collect();
    let mut divisions = vec![as_they_are.clone()];
    if choices(first + second, second) <= DIVISIONS_MAX {
        let mut division = as_they_are;
        while next_permutation(&mut division) {
            divisions.push(division.clone());
        }
        return divisions;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut division = as_they_are;
    while divisions.len() < DIVISIONS_MAX {
        for last in (1..division.len()).rev() {
            division.swap(last, rng.random_range(0..=last));
        }
        divisions.push(division.clone());
    }
    divisions
}

/// In how many ways `taken` can be chosen of `all`; beyond the divisions looked at it matters not.
fn choices(all: usize, taken: usize) -> usize {
    let mut count: usize = 1;
    for step in 0..taken.min(all - taken) {
        count = count.saturating_mul(all - step) / (step + 1);
        if DIVISIONS_MAX < count {
            return count;
        }
    }
    count
}

/// The next order in the dictionary, in which `false` stands before `true`; none after the last.
fn next_permutation(flags: &mut [bool]) -> bool {
    let Some(at) = (1..flags.len())
        .rev()
        .find(|at| !flags[at - 1] && flags[*at])
    else {
        return false;
    };
    flags.swap(at - 1, at);
    flags[at + 1..].sort_unstable();
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(values: &[u64]) -> Counts {
        Counts::from_pairs(values.iter().map(|value| (*value, 1)))
    }

    #[test]
    fn every_division_is_looked_at_once_as_long_as_they_are_few() {
        for (first, second, count) in [
            (1, 1, 2),
            (3, 3, 20),
            (2, 5, 21),
            (6, 6, 924),
            (9, 9, 1_000),
        ] {
            let divisions = any_divisions(first, second);
            assert_eq!(divisions.len(), count, "{first} and {second}");
            let seconds = |division: &Vec<bool>| division.iter().filter(|flag| **flag).count();
            assert!(divisions.iter().all(|division| seconds(division) == second));
            let mut distinct = divisions.clone();
            distinct.sort();
            distinct.dedup();
            assert!(924 < count || distinct.len() == count);
        }
        assert_eq!(pair_divisions(3).len(), 8);
        assert_eq!(
            pair_divisions(3)[0],
            [false, false, false, true, true, true]
        );
    }

    /// Three runs all below three others: one division of twenty is as far apart, and its mirror.
    #[test]
    fn the_chance_is_the_share_of_divisions_as_far_apart() {
        let low = [unit(&[1, 2]), unit(&[2, 3]), unit(&[1, 3])];
        let high = [unit(&[11, 12]), unit(&[12, 13]), unit(&[11, 13])];
        let found = shuffled(&low, &high, Exchange::Any).unwrap();
        assert!((found.shape.larger - 1.0).abs() < 1e-12);
        assert!((found.distance_chance - 0.1).abs() < 1e-12, "{found:?}");
        assert!((found.larger_chance - 0.1).abs() < 1e-12, "{found:?}");
        let paired = shuffled(&low, &high, Exchange::Pairs).unwrap();
        assert!(
            (paired.larger_chance - 2.0 / 8.0).abs() < 1e-12,
            "{paired:?}"
        );
    }

    #[test]
    fn sides_that_are_alike_differ_by_chance_alone_and_nothing_says_nothing() {
        let same = [unit(&[1, 5, 9]), unit(&[2, 5, 8])];
        let found = shuffled(&same, &same, Exchange::Any).unwrap();
        assert!((found.distance_chance - 1.0).abs() < 1e-12, "{found:?}");
        assert_eq!(shuffled(&same, &[unit(&[])], Exchange::Any), None);
    }
}
