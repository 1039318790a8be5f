//! Latency at every percentile.

use hdrhistogram::Histogram;

use super::{
    Band, Chart, FLOOR_NS, LEFT, RIGHT, Series, band, coordinate, duration_axis, path, ticks,
};
use crate::render::{axis::Axis, number};

/// Steps along a percentile curve: finer than a pixel of a wide screen's column would show.
const STEPS: u32 = 240;

/// What to see.
const CAPTION: &str = "Each further nine takes the same width, so the tail is as wide as the middle. \
    Where response rises above service, requests waited to be sent; delay is that wait.";

/// Latency at every percentile, `1 / (1 - p)` along a logarithmic axis, so that each further nine
/// takes the same width. `None` when nothing was answered.
pub(in crate::render) fn percentiles(
    title: &str,
    curves: &[(&'static str, &'static str, &Histogram<u64>)],
) -> Option<Chart> {
    let curves: Vec<_> = curves
        .iter()
        .filter(|(.., histogram)| !histogram.is_empty())
        .collect();
    let samples = curves.iter().map(|(.., histogram)| histogram.len()).max()?;
    let reach = (samples as f64).max(10.0);
    let x = Axis::logarithmic((1.0, reach), (LEFT, RIGHT));
    let low = curves
        .iter()
        .map(|(.., histogram)| histogram.min())
        .min()?
        .max(FLOOR_NS);
    let high = curves
        .iter()
        .map(|(.., histogram)| histogram.max())
        .max()?
        .max(low + 1);
    let (y, y_ticks) = duration_axis(low, high);
    let description = format!(
        "Latency in {} against percentile, both axes logarithmic, from {}.",
        curves
            .iter()
            .map(|(name, ..)| *name)
            .collect::<Vec<_>>()
            .join(", "),
        number::counted(samples, "sample"),
    );
    let mut chart = Chart::empty(title, description, CAPTION);
    chart.x_label = "percentile".to_owned();
    chart.y_label = "latency, logarithmic";
    chart.x_ticks = ticks(&x, &percentile_ticks(reach));
    chart.y_ticks = y_ticks;
    chart.bands = tail_band(&x, reach).into_iter().collect();
    for (name, class, histogram) in curves {
        let path = path(&percentile_points(histogram, &x, &y));
        chart.series.push(Series { name, class, path });
    }
    Some(chart)
}

fn percentile_ticks(reach: f64) -> Vec<(f64, String)> {
    let named = [
        (1.0, "0 %"),
        (2.0, "50 %"),
        (10.0, "90 %"),
        (100.0, "99 %"),
        (1e3, "99.9 %"),
        (1e4, "99.99 %"),
        (1e5, "99.999 %"),
        (1e6, "99.9999 %"),
        (1e7, "99.99999 %"),
    ];
    let within = named.into_iter().filter(|(at, _)| *at <= reach);
    within.map(|(at, label)| (at, label.to_owned())).collect()
}

/// The part of the axis where fewer than ten samples lie beyond: drawn, but not to be quoted.
fn tail_band(x: &Axis, reach: f64) -> Option<Band> {
    let samples_beyond = crate::histogram::SAMPLES_BEYOND_MIN as f64;
    let from = reach / samples_beyond;
    (1.0 < from).then(|| Band {
        text_at: coordinate(RIGHT),
        ..band(
            x.place(from),
            x.place(reach),
            "under 10 samples beyond".to_owned(),
            "tail",
        )
    })
}

fn percentile_points(histogram: &Histogram<u64>, x: &Axis, y: &Axis) -> Vec<(f64, f64)> {
    let reach = (histogram.len() as f64).max(1.0);
    let steps = (0..=STEPS).map(|step| f64::from(step) / f64::from(STEPS));
    steps
        .map(|share| {
            let at = reach.powf(share);
            // The last sample belongs to 1 - 1/n; asking for the quantile above it gives the maximum.
            let quantile = if share < 1.0 { 1.0 - 1.0 / at } else { 1.0 };
            let value = histogram.value_at_quantile(quantile).max(FLOOR_NS);
            (x.place(at), y.place(value as f64))
        })
        .collect()
}
