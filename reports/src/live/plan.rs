//! The line of phases: how far the run is, and when something was broken on purpose.
//!
//! Planned phases and marks go in, lines of text come out. A phase has room by its planned length,
//! and is filled as far as it is. Deliberately absent: colours.

use super::model::{Live, Phase};

/// Room for a phase: with less its name would not be readable at all.
const CELLS_MIN: usize = 6;

/// The lines: marks, bars, names. All of the same width.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PlanLines {
    pub(super) marks: String,
    pub(super) bars: String,
    pub(super) names: String,
}

pub(super) fn plan_lines(live: &Live, width: usize) -> PlanLines {
    let cells = cells(&live.phases, width);
    let (mut bars, mut names) = (String::new(), String::new());
    let mut marks = vec![' '; width];
    let mut from = 0;
    for (index, (phase, room)) in live.phases.iter().zip(&cells).enumerate() {
        let bar = room.saturating_sub(1);
        let next = live.phases.get(index + 1).and_then(|next| next.began_s);
        let done = done(phase, next, live.elapsed_s);
        let filled = floor(done * bar as f64).min(bar);
        bars.extend(std::iter::repeat_n('█', filled));
        bars.extend(std::iter::repeat_n('░', bar - filled));
        bars.push(' ');
        names.push_str(&fitted(&phase.name, bar));
        names.push(' ');
        for mark in &live.marks {
            if let Some(share) = place(phase, next, mark.at_s)
                && let Some(cell) =
                    marks.get_mut(from + floor(share * bar as f64).min(bar.saturating_sub(1)))
            {
                *cell = '▼';
            }
        }
        from += room;
    }
    PlanLines {
        marks: marks.into_iter().collect(),
        bars,
        names,
    }
}

/// Where in a phase an instant lies, if it does.
fn place(phase: &Phase, next: Option<f64>, at_s: f64) -> Option<f64> {
    let began = phase.began_s?;
    let is_in = began <= at_s && next.is_none_or(|next| at_s < next);
    is_in.then(|| share(at_s - began, phase.planned_s))
}

/// How much of a phase is over.
fn done(phase: &Phase, next: Option<f64>, elapsed_s: f64) -> f64 {
    match (phase.began_s, next) {
        (None, _) => 0.0,
        (Some(_), Some(_)) => 1.0,
        (Some(began), None) => share(elapsed_s - began, phase.planned_s),
    }
}

fn share(part: f64, whole: f64) -> f64 {
    if whole <= 0.0 {
        1.0
    } else {
        (part / whole).clamp(0.0, 1.0)
    }
}

/// Cells of each phase, with the gap behind it: what is left of the least goes by length.
fn cells(phases: &[Phase], width: usize) -> Vec<usize> {
    let least = CELLS_MIN.min(width / phases.len().max(1));
    let spare = width.saturating_sub(least * phases.len());
    let total: f64 = phases.iter().map(|phase| phase.planned_s).sum();
    let room = |phase: &Phase| least + floor(spare as f64 * share(phase.planned_s, total));
    phases.iter().map(room).collect()
}

/// A name in exactly this many cells.
fn fitted(name: &str, cells: usize) -> String {
    let length = name.chars().count();
    if length <= cells {
        return format!("{name:<cells$}");
    }
    let kept: String = name.chars().take(cells.saturating_sub(1)).collect();
    if cells == 0 { kept } else { kept + "…" }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "cells of a screen; beyond, the cast saturates"
)]
fn floor(cells: f64) -> usize {
    cells.floor() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::Mark;

    fn phase(name: &str, planned_s: f64, began_s: Option<f64>) -> Phase {
        Phase {
            name: name.to_owned(),
            warmup: false,
            planned_s,
            began_s,
        }
    }

    #[test]
    fn a_phase_is_filled_as_far_as_it_is_and_marks_stand_where_they_were_injected() {
        let live = Live {
            elapsed_s: 10.0,
            phases: vec![
                phase("warm-up", 5.0, Some(0.0)),
                phase("race", 10.0, Some(5.0)),
                phase("stampede", 5.0, None),
            ],
            marks: vec![Mark {
                at_s: 7.5,
                what: "kill-server".to_owned(),
            }],
            ..Live::default()
        };
        let lines = plan_lines(&live, 58);
        assert_eq!(
            lines.bars,
            "███████████████ ████████████░░░░░░░░░░░░░ ░░░░░░░░░░░░░░░ "
        );
        assert_eq!(
            lines.names,
            "warm-up         race                      stampede        "
        );
        assert_eq!(
            lines.marks.chars().position(|sign| sign == '▼'),
            Some(16 + 6)
        );
    }

    #[test]
    fn many_phases_and_little_room_cut_names_and_never_the_screen() {
        let phases = (0..9)
            .map(|at| phase("something long", f64::from(at), None))
            .collect();
        let live = Live {
            phases,
            ..Live::default()
        };
        for width in [0, 1, 20, 60, 80, 200] {
            let lines = plan_lines(&live, width);
            for line in [lines.marks, lines.bars, lines.names] {
                assert!(line.chars().count() <= width.max(9), "{width}: {line:?}");
            }
        }
        assert_eq!(plan_lines(&Live::default(), 10).bars, "");
    }
}
