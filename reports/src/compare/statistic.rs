//! What can be said of a difference, given how much two runs of the same thing differ.
//!
//! Few figures go in, each the logarithm of a quantile of one run; a difference, its standard
//! error and a probability come out. Everything is named after whom it is by, and tested against
//! published or independently computed values. Deliberately absent: what the figures are of.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// One in so many of a side's figures is left out at each end. What else a shared machine does
/// makes whole runs slow: with six runs a side one of them may be such without hiding everything.
const TRIMMED_ONE_IN: usize = 6;

/// A difference, and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Difference {
    /// Second minus first.
    pub(super) estimate: f64,
    /// Its standard error.
    pub(super) error: f64,
    /// What is known of the error: degrees of freedom of Student's t.
    pub(super) freedom: f64,
}

impl Difference {
    /// The chance of a difference this large, either way, where there is none.
    pub(super) fn chance(&self) -> f64 {
        if self.error <= 0.0 {
            return if self.estimate == 0.0 { 1.0 } else { 0.0 };
        }
        let t = (self.estimate / self.error).abs();
        2.0 * self.student().sf(t)
    }

    /// How far the truth may lie from the estimate, at most with this chance of being wrong.
    pub(super) fn margin(&self, chance: f64) -> f64 {
        self.error * self.student().inverse_cdf(1.0 - chance / 2.0)
    }

    fn student(&self) -> StudentsT {
        StudentsT::new(0.0, 1.0, self.freedom).expect("freedom is at least one")
    }
}

/// The difference between the means of two sides, of which at least one has two figures. The
/// outermost are left out where there are enough of them, and both sides are taken to vary alike:
/// K. K. Yuen and W. J. Dixon, "The approximate behaviour and performance of the two-sample
/// trimmed t", Biometrika 60 (1973). Without trimming it is Student's test for two samples.
pub(super) fn trimmed_difference(first: &[f64], second: &[f64]) -> Option<Difference> {
    let [one, other] = [first, second].map(Trimmed::of);
    let (one, other) = (one?, other?);
    let freedom = (one.kept + other.kept)
        .checked_sub(2)
        .filter(|freedom| 0 < *freedom)?;
    let freedom = freedom as f64;
    let pooled = (one.squares + other.squares) / freedom;
    Some(Difference {
        estimate: other.mean - one.mean,
        error: (pooled * (1.0 / one.kept as f64 + 1.0 / other.kept as f64)).sqrt(),
        freedom,
    })
}

/// The mean of a side without its outermost figures.
pub(super) fn trimmed_mean(figures: &[f64]) -> Option<f64> {
    Trimmed::of(figures).map(|trimmed| trimmed.mean)
}

/// One side without its outermost figures.
struct Trimmed {
    mean: f64,
    kept: usize,
    /// Squared distances from their mean, of all figures, the outermost drawn in to the next.
    squares: f64,
}

impl Trimmed {
    fn of(figures: &[f64]) -> Option<Self> {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let cut = sorted.len() / TRIMMED_ONE_IN;
        let kept = sorted.get(cut..sorted.len() - cut)?;
        let (least, most) = (*kept.first()?, *kept.last()?);
        let (mean, kept) = (mean(kept), kept.len());
        let drawn_in: Vec<f64> = sorted
            .iter()
            .map(|figure| figure.clamp(least, most))
            .collect();
        Some(Self {
            mean,
            kept,
            squares: squares(&drawn_in),
        })
    }
}

/// The arithmetic mean; 0 of nothing.
pub(super) fn mean(figures: &[f64]) -> f64 {
    figures.iter().sum::<f64>() / (figures.len().max(1)) as f64
}

/// The standard deviation of what these are a sample of; 0 of fewer than two.
pub(super) fn deviation(figures: &[f64]) -> f64 {
    let freedom = figures.len().saturating_sub(1).max(1);
    (squares(figures) / freedom as f64).sqrt()
}

fn squares(figures: &[f64]) -> f64 {
    let mean = mean(figures);
    figures.iter().map(|figure| (figure - mean).powi(2)).sum()
}

/// Chances of many tests, each as it counts among all of them, so that the chance of any false
/// alarm is what a reader thinks it is: S. Holm, "A simple sequentially rejective multiple test
/// procedure", Scandinavian Journal of Statistics 6 (1979).
pub(super) fn holm(chances: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..chances.len()).collect();
    order.sort_by(|one, other| chances[*one].total_cmp(&chances[*other]));
    let mut adjusted = vec![1.0; chances.len()];
    let mut most: f64 = 0.0;
    for (before, index) in order.into_iter().enumerate() {
        let factor = (chances.len() - before) as f64;
        most = most.max((chances[index] * factor).min(1.0));
        adjusted[index] = most;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(found: f64, known: f64) {
        assert!(
            (found - known).abs() <= 1e-9 * known.abs().max(1.0),
            "{found} is not {known}"
        );
    }

    /// The example of SciPy's documentation of `ttest_ind`, computed by SciPy with `trim=1/6` and
    /// equal variances: one of seven is left out at each end, and none of three.
    #[test]
    fn a_trimmed_difference_is_what_scipy_finds() {
        let one = [56.0, 128.6, 12.0, 123.8, 64.34, 78.0, 763.3];
        let other = [1.1, 2.9, 4.2];
        let found = trimmed_difference(&other, &one).unwrap();
        close(found.estimate / found.error, 3.4463884028073513);
        close(found.chance(), 0.01369338726499547);
    }

    /// The first five patients of each drug in W. S. Gosset's data (Biometrika 6, 1908), which are
    /// R's `sleep`; too few to leave any out. Computed by SciPy's `ttest_ind`.
    #[test]
    fn without_trimming_it_is_students_test() {
        let (one, other) = ([0.7, -1.6, -0.2, -1.2, -0.1], [1.9, 0.8, 1.1, 0.1, -0.1]);
        let found = trimmed_difference(&one, &other).unwrap();
        assert!((found.freedom - 8.0).abs() < 1e-12);
        close(found.estimate / found.error, 2.2677025634743107);
        close(found.chance(), 0.05308042292571714);
    }

    /// Tables of Student's t: 2.365 leaves 5 % outside with seven degrees of freedom.
    #[test]
    fn a_margin_is_students_quantile_times_the_error() {
        let found = Difference {
            estimate: 0.0,
            error: 2.0,
            freedom: 7.0,
        };
        close(found.margin(0.05), 2.0 * 2.364_624_251_592_784_4);
        assert!((found.chance() - 1.0).abs() < 1e-12);
    }

    /// R: `p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm")`, and out of order.
    #[test]
    fn holm_adjusts_as_r_does() {
        for (given, known) in [
            (
                vec![0.01, 0.02, 0.03, 0.04, 0.05],
                vec![0.05, 0.08, 0.09, 0.09, 0.09],
            ),
            (vec![0.04, 0.001, 0.5], vec![0.08, 0.003, 0.5]),
            (vec![], vec![]),
        ] {
            let found = holm(&given);
            assert_eq!(found.len(), known.len());
            found
                .into_iter()
                .zip(known)
                .for_each(|(found, known)| close(found, known));
        }
    }

    #[test]
    fn one_figure_against_one_says_nothing() {
        assert_eq!(trimmed_difference(&[1.0], &[2.0]), None);
        assert_eq!(trimmed_difference(&[], &[2.0, 3.0]), None);
        assert!(trimmed_difference(&[1.0], &[2.0, 3.0]).is_some());
    }

    proptest! {
        #[test]
        fn a_shift_of_one_side_is_a_shift_of_the_difference(
            one in prop::collection::vec(-9.0..9.0_f64, 2..15),
            other in prop::collection::vec(-9.0..9.0_f64, 2..15),
            shift in -5.0..5.0_f64,
        ) {
            let before = trimmed_difference(&one, &other).unwrap();
            let moved: Vec<_> = other.iter().map(|figure| figure + shift).collect();
            let after = trimmed_difference(&one, &moved).unwrap();
            prop_assert!((after.estimate - before.estimate - shift).abs() < 1e-9);
            prop_assert!((after.error - before.error).abs() < 1e-9);
        }

        #[test]
        fn holm_never_makes_a_chance_smaller_and_keeps_their_order(
            chances in prop::collection::vec(0.0..1.0_f64, 0..20),
        ) {
            let adjusted = holm(&chances);
            for (index, chance) in chances.iter().enumerate() {
                prop_assert!(*chance <= adjusted[index] && adjusted[index] <= 1.0);
                for (other, other_chance) in chances.iter().enumerate() {
                    prop_assert!(chance > other_chance || adjusted[index] <= adjusted[other]);
                }
            }
        }
    }
}
