//! The keys that most attempts went to, beside the key in the middle.

use super::{BOTTOM, Bar, Chart, LEFT, Mark, RIGHT, TOP, coordinate, ticks, whole};
use crate::{
    record::ContentionRecord,
    render::{
        axis::{Axis, linear_ticks},
        number,
    },
};

/// Room for one key.
const ROW: f64 = 30.0;
/// Keys that are drawn.
const KEYS_MAX: usize = 10;

/// Attempts on the hottest keys as bars; `None` where no key was written to.
pub(in crate::render) fn hottest(found: &ContentionRecord) -> Option<Chart> {
    let keys: Vec<_> = found.hottest.iter().take(KEYS_MAX).collect();
    let high = keys.first()?.count.max(1);
    let marks = linear_ticks(high as f64);
    let left = LEFT - 50.0;
    let x = Axis::linear((0.0, marks[marks.len() - 1]), (left, RIGHT));
    let mut chart = Chart::empty(
        "Attempts on the hottest keys",
        format!(
            "Attempts on each of the {} most attempted keys; {} on the median key.",
            keys.len(),
            number::count(found.attempts_per_key_p50)
        ),
        "The upright line is the key in the middle of all keys written to: what lies right of it is \
         how much hotter the race was here than elsewhere.",
    );
    chart.left = left;
    chart.bottom = TOP + ROW * keys.len() as f64 + 6.0;
    chart.height = BOTTOM_ROOM + chart.bottom;
    chart.x_label = "attempts".to_owned();
    let labelled: Vec<_> = marks.iter().map(|mark| (*mark, whole(*mark))).collect();
    chart.x_ticks = ticks(&x, &labelled);
    let median = x.place(found.attempts_per_key_p50 as f64);
    chart.marks = vec![Mark {
        at: coordinate(median),
        width: "0".to_owned(),
        label: format!("median key: {}", number::count(found.attempts_per_key_p50)),
        tip: String::new(),
    }];
    chart.bars = keys
        .iter()
        .enumerate()
        .map(|(row, key)| {
            let y = TOP + ROW * row as f64;
            Bar {
                at: coordinate(left),
                y: coordinate(y + 20.0),
                text_at: coordinate(left + 4.0),
                text_anchor: "start",
                text_y: coordinate(y + 16.0),
                width: coordinate((x.place(key.count as f64) - left).max(1.0)),
                label: format!("{}: {}", key.what, number::count(key.count)),
                tip: String::new(),
                open: false,
            }
        })
        .collect();
    Some(chart)
}

/// What the axis and its name take below the bars.
const BOTTOM_ROOM: f64 = super::HEIGHT - BOTTOM;
