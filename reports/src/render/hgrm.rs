//! A histogram as percentile distribution: the `.hgrm` text that HdrHistogram's plotters read.
//!
//! The layout is that of the other implementations, to the blank: values in milliseconds, the
//! percentile, how many samples lie at or below, and `1 / (1 - percentile)`, which is the x axis.
//! Each further nine has the same number of lines. Deliberately absent: deciding what to plot.

use std::fmt::Write;

use hdrhistogram::Histogram;

/// Lines for each halving of the distance to 100 %, as in the other implementations.
const TICKS_PER_HALF: u32 = 5;
/// Nanoseconds of the unit that values are written in.
const MILLISECOND: f64 = 1e6;

/// A histogram in nanoseconds as the text of an `.hgrm` file.
#[must_use]
pub fn hgrm(histogram: &Histogram<u64>) -> String {
    let mut text = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let mut total = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALF) {
        total += step.count_since_last_iteration();
        let quantile = step.quantile_iterated_to();
        let value = step.value_iterated_to() as f64 / MILLISECOND;
        let line = if quantile < 1.0 {
            let beyond = 1.0 / (1.0 - quantile);
            format!("{value:12.3} {quantile:2.12} {total:>10} {beyond:14.2}\n")
        } else {
            format!("{value:12.3} {quantile:2.12} {total:>10}\n")
        };
        text.push_str(&line);
    }
    write_foot(&mut text, histogram);
    text
}

fn write_foot(text: &mut String, histogram: &Histogram<u64>) {
    let in_ms = |ns: f64| ns / MILLISECOND;
    let written = write!(
        text,
        "#[Mean    = {:12.3}, StdDeviation   = {:12.3}]\n\
         #[Max     = {:12.3}, Total count    = {:>12}]\n\
         #[Buckets = {:>12}, SubBuckets     = {:>12}]\n",
        in_ms(histogram.mean()),
        in_ms(histogram.stdev()),
        in_ms(histogram.max() as f64),
        histogram.len(),
        histogram.buckets(),
        sub_buckets(histogram.sigfig()),
    );
    written.expect("writing to memory cannot fail");
}

/// How finely a bucket is cut so that each part tells that many digits apart: a power of two.
fn sub_buckets(digits: u8) -> u64 {
    (2 * 10_u64.pow(u32::from(digits))).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_laid_out_as_plotters_expect_it() {
        let mut histogram = Histogram::<u64>::new(3).unwrap();
        for ms in 1..=4 {
            histogram.record(ms * 1_000_000).unwrap();
        }
        let text = hgrm(&histogram);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[..4],
            [
                "       Value     Percentile TotalCount 1/(1-Percentile)",
                "",
                "       1.000 0.000000000000          1           1.00",
                "       1.000 0.100000000000          1           1.11",
            ]
        );
        let foot = lines.len() - 4;
        assert_eq!(lines[foot], "       4.002 1.000000000000          4");
        assert_eq!(
            lines[foot + 2],
            "#[Max     =        4.002, Total count    =            4]"
        );
    }

    #[test]
    fn no_samples_are_a_text_too() {
        let empty = Histogram::<u64>::new(3).unwrap();
        assert!(hgrm(&empty).contains("Total count    =            0]"));
    }
}
