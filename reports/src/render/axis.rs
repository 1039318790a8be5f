//! Axes: from a quantity to a place on the drawing, and the round values worth a tick.

/// One axis. Vertical ones run from the bottom up, so their places fall.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    scale: fn(f64) -> f64,
}

impl Axis {
    /// Equal steps are equal differences.
    pub(super) fn linear((low, high): (f64, f64), (from, to): (f64, f64)) -> Self {
        Self {
            low,
            high,
            from,
            to,
            scale: |value| value,
        }
    }

    /// Equal steps are equal ratios. Both bounds must be above zero.
    pub(super) fn logarithmic((low, high): (f64, f64), (from, to): (f64, f64)) -> Self {
        assert!(
            0.0 < low && low < high,
            "a logarithmic axis from {low} to {high}"
        );
        Self {
            low,
            high,
            from,
            to,
            scale: f64::ln,
        }
    }

    pub(super) const fn low(&self) -> f64 {
        self.low
    }

    pub(super) const fn high(&self) -> f64 {
        self.high
    }

    /// Where a value lies; beyond the bounds, at the nearer one.
    pub(super) fn place(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high);
        let (low, high) = ((self.scale)(self.low), (self.scale)(self.high));
        let share = ((self.scale)(value) - low) / (high - low);
        self.from + share * (self.to - self.from)
    }
}

/// More ticks than this crowd the axis.
const TICKS_MAX: usize = 8;

/// One, two and five of each power of ten, or only the powers where those are too many: from the
/// last at or below `low` to the first at or above `high`. At least two.
pub(super) fn duration_ticks(low: u64, high: u64) -> Vec<u64> {
    let fine = spanning(&[1, 2, 5], low, high);
    if fine.len() <= TICKS_MAX {
        fine
    } else {
        spanning(&[1], low, high)
    }
}

fn spanning(steps: &[u64], low: u64, high: u64) -> Vec<u64> {
    let powers = (0..=18).map(|power| 10_u64.pow(power));
    let marks: Vec<u64> = powers
        .flat_map(|power| steps.iter().map(move |step| step * power))
        .collect();
    let first = marks
        .iter()
        .rposition(|mark| *mark <= low)
        .unwrap_or(0)
        .min(marks.len() - 2);
    let last = marks
        .iter()
        .position(|mark| high <= *mark)
        .unwrap_or(marks.len() - 1);
    marks[first..=last.max(first + 1)].to_vec()
}

/// Round values from zero to the first at or above `high`, four to eight of them.
pub(super) fn linear_ticks(high: f64) -> Vec<f64> {
    let rough = high / 6.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|step| rough <= step * power);
    let step = step.expect("ten times its power of ten is above any number") * power;
    let mut ticks = vec![0.0];
    while ticks[ticks.len() - 1] < high {
        ticks.push(step * ticks.len() as f64);
    }
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_run_from_end_to_end_and_stay_inside() {
        let axis = Axis::logarithmic((1.0, 100.0), (0.0, 200.0));
        for (value, place) in [
            (1.0, 0.0),
            (10.0, 100.0),
            (100.0, 200.0),
            (0.0, 0.0),
            (1e9, 200.0),
        ] {
            assert!((axis.place(value) - place).abs() < 1e-9, "{value}");
        }
    }

    #[test]
    fn ticks_are_round_and_enclose_what_is_shown() {
        assert_eq!(duration_ticks(150, 900), [100, 200, 500, 1_000]);
        assert_eq!(duration_ticks(1_000, 1_000), [1_000, 2_000]);
        assert_eq!(
            duration_ticks(3_000, 2_000_000),
            [1_000, 10_000, 100_000, 1_000_000, 10_000_000]
        );
        assert_eq!(duration_ticks(u64::MAX, u64::MAX).len(), 2);
        assert_eq!(linear_ticks(5.5), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(
            linear_ticks(1_900.0),
            [0.0, 500.0, 1_000.0, 1_500.0, 2_000.0]
        );
    }
}
