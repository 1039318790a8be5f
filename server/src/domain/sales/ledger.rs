//! Sums by day, and of any days together in a few steps.
//!
//! Sales of a day come in; what was sold in a period goes out. Each day holds everything up to its
//! end, so a period is the difference of two days, however long it is. A sale of today, as nearly
//! all are, changes the last entry; an older one changes all behind it, one for each day on which
//! something was sold: at worst every day since 1970, some microseconds. Deliberately absent:
//! overflow, which `decide` rules out for all sales together.

use protocol::words::sales::{Period, Sum};

use crate::snapshot::{SectionReader, SectionWriter, Unsound};

const DAY_BYTES: usize = 4 + 8 + 8;

/// What was sold, by day.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    // Rising days, each with the sum of itself and all before it.
    days: Vec<(u32, Sum)>,
}

impl Ledger {
    /// All of it.
    pub(super) fn total(&self) -> Sum {
        self.days.last().map_or(Sum::default(), |(_, sum)| *sum)
    }

    /// What was sold from the first to the last day of a period.
    pub(super) fn within(&self, period: Period) -> Sum {
        let first = self.days.partition_point(|(day, _)| *day < period.from);
        let end = self.days.partition_point(|(day, _)| *day <= period.to);
        minus(self.sum_of_first(end), self.sum_of_first(first))
    }

    /// Adds what was sold on a day.
    pub(super) fn add(&mut self, day: u32, sum: Sum) {
        let index = self.days.partition_point(|(other, _)| *other < day);
        if self.days.get(index).is_none_or(|(other, _)| *other != day) {
            self.days.insert(index, (day, self.sum_of_first(index)));
        }
        for (_, upto) in &mut self.days[index..] {
            *upto = plus(*upto, sum);
        }
    }

    /// Every day on which something was sold, and what, rising.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, Sum)> {
        let mut before = Sum::default();
        self.days.iter().map(move |(day, upto)| {
            let own = minus(*upto, before);
            before = *upto;
            (*day, own)
        })
    }

    /// What was sold on one day.
    pub(super) fn on(&self, day: u32) -> Sum {
        self.within(Period { from: day, to: day })
    }

    /// Writes every day.
    pub(super) fn save(&self, out: &mut SectionWriter<'_>) {
        let Self { days } = self;
        out.count(days.len());
        for (day, Sum { cents, sales }) in days {
            out.u32(*day);
            out.u64(*cents);
            out.u64(*sales);
        }
    }

    /// Reads days that were saved.
    pub(super) fn load(from: &mut SectionReader<'_>) -> Result<Self, Unsound> {
        let mut days = Vec::new();
        for _ in 0..from.count(DAY_BYTES)? {
            let day = from.u32()?;
            let (cents, sales) = (from.u64()?, from.u64()?);
            days.push((day, Sum { cents, sales }));
        }
        Ok(Self { days })
    }

    fn sum_of_first(&self, days: usize) -> Sum {
        let last = days.checked_sub(1).and_then(|last| self.days.get(last));
        last.map_or(Sum::default(), |(_, sum)| *sum)
    }
}

/// Both together.
pub(super) const fn plus(one: Sum, other: Sum) -> Sum {
    Sum {
        cents: one.cents + other.cents,
        sales: one.sales + other.sales,
    }
}

const fn minus(all: Sum, part: Sum) -> Sum {
    Sum {
        cents: all.cents - part.cents,
        sales: all.sales - part.sales,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const fn one(cents: u64) -> Sum {
        Sum { cents, sales: 1 }
    }

    #[test]
    fn a_period_includes_both_its_ends() {
        let mut ledger = Ledger::default();
        for (day, cents) in [(5, 50), (3, 30), (9, 90), (5, 1)] {
            ledger.add(day, one(cents));
        }
        let cases = [
            ((0, 2), 0),
            ((3, 3), 30),
            ((4, 5), 51),
            ((3, 9), 171),
            ((6, 8), 0),
            ((9, u32::MAX), 90),
        ];
        for ((from, to), cents) in cases {
            assert_eq!(ledger.within(Period { from, to }).cents, cents);
        }
        assert_eq!(
            ledger.total(),
            Sum {
                cents: 171,
                sales: 4
            }
        );
        assert_eq!(
            ledger.on(5),
            Sum {
                cents: 51,
                sales: 2
            }
        );
    }

    proptest! {
        #[test]
        fn every_period_is_the_sum_of_its_days(
            sales in prop::collection::vec((0..12_u32, 1..9_u64), 0..40),
            from in 0..12_u32,
            len in 0..12_u32,
        ) {
            let (mut ledger, mut model) = (Ledger::default(), BTreeMap::<u32, Sum>::new());
            for (day, cents) in sales {
                ledger.add(day, one(cents));
                let sum = model.entry(day).or_default();
                *sum = plus(*sum, one(cents));
            }
            let to = from + len;
            let wanted = model.range(from..=to).fold(Sum::default(), |all, (_, sum)| plus(all, *sum));
            prop_assert_eq!(ledger.within(Period { from, to }), wanted);
            prop_assert_eq!(ledger.iter().collect::<Vec<_>>(), model.into_iter().collect::<Vec<_>>());
        }
    }
}
