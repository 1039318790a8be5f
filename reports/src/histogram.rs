//! Histograms in and out of a run record.
//!
//! A histogram goes in, its quantiles and its compressed, base64-coded self come out; and back.
//! Owns the rule that a percentile needs ten samples beyond it. Deliberately absent: recording.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use hdrhistogram::{Counter, Histogram};
use thiserror::Error;

use crate::record::{HeatRecord, LatencyRecord, QuantileRecord};

/// Samples that must lie beyond a percentile before it is stated. With fewer, two runs of the
/// same thing give figures that differ by more than what anybody wants to compare.
pub const SAMPLES_BEYOND_MIN: u64 = 10;

/// Significant digits of the histograms that are made here.
const DIGITS: u8 = 3;

/// Why a stored histogram could not be read.
#[derive(Debug, Error)]
pub enum HistogramError {
    /// Not base64.
    #[error("histogram is not base64: {0}")]
    Base64(#[from] base64::DecodeError),
    /// Not a histogram.
    #[error("histogram cannot be decoded: {0}")]
    Decode(#[from] hdrhistogram::serialization::DeserializeError),
}

impl QuantileRecord {
    /// The quantiles of a histogram; those with too few samples beyond them stay `None`.
    #[must_use]
    pub fn from_histogram(histogram: &Histogram<u64>) -> Self {
        let count = histogram.len();
        if count == 0 {
            return Self::default();
        }
        let stated = |beyond: u64, quantile: f64| {
            (SAMPLES_BEYOND_MIN <= count / beyond).then(|| histogram.value_at_quantile(quantile))
        };
        Self {
            count,
            min: histogram.min(),
            p50: histogram.value_at_quantile(0.5),
            p90: stated(10, 0.9),
            p99: stated(100, 0.99),
            p999: stated(1_000, 0.999),
            p9999: stated(10_000, 0.9999),
            max: histogram.max(),
            mean: histogram.mean(),
        }
    }
}

impl LatencyRecord {
    /// The quantiles of a histogram, and the histogram itself.
    #[must_use]
    pub fn from_histogram(histogram: &Histogram<u64>) -> Self {
        Self {
            quantiles: QuantileRecord::from_histogram(histogram),
            histogram: encode(histogram),
        }
    }

    /// The stored histogram, compressed or not; an empty one where nothing was stored.
    pub fn decode(&self) -> Result<Histogram<u64>, HistogramError> {
        if self.histogram.is_empty() {
            return Ok(empty());
        }
        decode(&self.histogram)
    }
}

impl HeatRecord {
    /// The histograms of its columns.
    pub fn decode(&self) -> Result<Vec<Histogram<u64>>, HistogramError> {
        self.columns.iter().map(|column| decode(column)).collect()
    }
}

/// A histogram as a run record holds it: compressed V2, base64.
#[must_use]
pub fn encode<T: Counter>(histogram: &Histogram<T>) -> String {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new()
        .serialize(histogram, &mut bytes)
        .expect("writing to memory cannot fail and a count cannot exceed the format's i64");
    STANDARD.encode(bytes)
}

fn decode(text: &str) -> Result<Histogram<u64>, HistogramError> {
    let bytes = STANDARD.decode(text)?;
    Ok(Deserializer::new().deserialize(&mut bytes.as_slice())?)
}

/// Several histograms as one. Percentiles are never averaged, histograms are added.
pub fn merge<'a>(
    records: impl Iterator<Item = &'a LatencyRecord>,
) -> Result<Histogram<u64>, HistogramError> {
    let mut sum = empty();
    for record in records {
        sum.add(record.decode()?)
            .expect("an auto-resizing histogram takes every value");
    }
    Ok(sum)
}

/// A histogram without samples that grows with what is added.
fn empty() -> Histogram<u64> {
    Histogram::new(DIGITS).expect("three digits are within the supported one to five")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(count: u64) -> Histogram<u64> {
        let mut histogram = empty();
        for value in 1..=count {
            histogram.record(value * 1_000).unwrap();
        }
        histogram
    }

    #[test]
    fn a_stored_histogram_comes_back_as_it_was() {
        let histogram = of(5_000);
        assert_eq!(
            LatencyRecord::from_histogram(&histogram).decode().unwrap(),
            histogram
        );
    }

    #[test]
    fn a_percentile_is_stated_only_with_ten_samples_beyond_it() {
        for (count, stated) in [
            (0, 0),
            (99, 0),
            (100, 1),
            (999, 1),
            (1_000, 2),
            (10_000, 3),
            (100_000, 4),
        ] {
            let found = QuantileRecord::from_histogram(&of(count));
            let tail = [found.p90, found.p99, found.p999, found.p9999];
            assert_eq!(tail.iter().flatten().count(), stated, "{count} samples");
        }
    }

    #[test]
    fn merging_adds_samples_and_not_percentiles() {
        let (low, high) = (LatencyRecord::from_histogram(&of(99)), of(1));
        let high = LatencyRecord::from_histogram(&high);
        let merged = merge([&low, &high].into_iter()).unwrap();
        assert_eq!((merged.len(), merged.min()), (100, 1_000));
        assert_eq!(
            merged.value_at_quantile(0.5),
            of(99).value_at_quantile(0.49)
        );
    }

    #[test]
    fn an_empty_record_is_an_empty_histogram_and_nonsense_is_refused() {
        assert!(LatencyRecord::default().decode().unwrap().is_empty());
        for nonsense in ["not base64!", "AAAA"] {
            let record = LatencyRecord {
                histogram: nonsense.to_owned(),
                ..Default::default()
            };
            assert!(record.decode().is_err(), "{nonsense}");
        }
    }
}
