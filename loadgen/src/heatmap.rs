//! How response times were spread, over time: the columns of a heatmap.
//!
//! Answers go in as they come, a bounded number of coarse histograms comes out: a column a second
//! at first, and whenever there would be more than [`COLUMNS_MAX`], neighbours become one and every
//! column is twice as wide. Deliberately absent: colours, and percentiles (see the interval logs).

use hdrhistogram::Histogram;
use reports::{histogram::encode, record::HeatRecord};

use crate::{operation::Nanos, recorder::LATENCY_MAX};

/// More columns than this are no longer told apart on a page.
pub const COLUMNS_MAX: usize = 240;
/// How wide the columns are at first.
const WIDTH: Nanos = 1_000_000_000;
/// Significant digits: 16 rows an octave, more than a page has.
const DIGITS: u8 = 1;

/// One phase's heatmap, as it happens.
#[derive(Debug)]
pub struct Heatmap {
    width: Nanos,
    columns: Vec<Histogram<u32>>,
}

impl Default for Heatmap {
    fn default() -> Self {
        Self {
            width: WIDTH,
            columns: Vec::new(),
        }
    }
}

impl Heatmap {
    /// An answer came, so long after the phase's start, to something that took so long.
    pub fn add(&mut self, since_start: Nanos, response: Nanos) {
        while self.index(since_start) >= COLUMNS_MAX {
            self.fold();
        }
        let index = self.index(since_start);
        while self.columns.len() <= index {
            self.columns.push(empty());
        }
        let column = self.columns.get_mut(index).expect("just made sure of");
        let recorded = column.record(response.clamp(1, LATENCY_MAX));
        recorded.expect("a histogram that grows takes every value");
    }

    /// The phase's part of the run record; `None` where nothing was answered.
    #[must_use]
    pub fn finish(self) -> Option<HeatRecord> {
        if self.columns.is_empty() {
            return None;
        }
        Some(HeatRecord {
            column_ns: self.width,
            columns: self.columns.iter().map(encode).collect(),
        })
    }

    fn index(&self, since_start: Nanos) -> usize {
        usize::try_from(since_start / self.width).unwrap_or(usize::MAX)
    }

    fn fold(&mut self) {
        self.width *= 2;
        for index in 0..self.columns.len().div_ceil(2) {
            let mut folded = self.columns[2 * index].clone();
            if let Some(second) = self.columns.get(2 * index + 1) {
                let added = folded.add(second);
                added.expect("a histogram that grows takes every value");
            }
            self.columns[index] = folded;
        }
        self.columns.truncate(self.columns.len().div_ceil(2));
    }
}

fn empty() -> Histogram<u32> {
    Histogram::new(DIGITS).expect("one digit is within one to five")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(record: &HeatRecord) -> Vec<Histogram<u64>> {
        let columns = record.decode().unwrap();
        assert!(columns.len() <= COLUMNS_MAX);
        columns
    }

    #[test]
    fn a_column_is_a_second_and_seconds_without_answers_are_empty() {
        let mut heat = Heatmap::default();
        heat.add(10, 1_000);
        heat.add(2 * WIDTH + 10, 5_000_000);
        let record = heat.finish().unwrap();
        let counts: Vec<_> = decoded(&record).iter().map(Histogram::len).collect();
        assert_eq!((record.column_ns, counts), (WIDTH, vec![1, 0, 1]));
    }

    #[test]
    fn a_long_phase_has_wider_columns_and_loses_no_answer() {
        let mut heat = Heatmap::default();
        for second in 0..1_001 {
            heat.add(second * WIDTH, 1_000 * (second + 1));
        }
        let record = heat.finish().unwrap();
        let columns = decoded(&record);
        assert_eq!(record.column_ns, 8 * WIDTH);
        assert_eq!(columns.len(), 126);
        assert!(columns[..125].iter().all(|column| column.len() == 8));
        assert_eq!(columns[125].len(), 1);
    }

    #[test]
    fn a_phase_without_answers_has_no_map() {
        assert_eq!(Heatmap::default().finish(), None);
    }
}
