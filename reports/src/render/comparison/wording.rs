//! What a comparison comes to, in sentences that the terminal and the page share.

use crate::compare::{Change, Clock, ComparedAs, Comparison, Figure, Finding, Noise};
use crate::render::{number, screen::Tone};

/// The conclusion in the words that open a report.
pub(super) const fn conclusion(conclusion: ComparedAs) -> &'static str {
    match conclusion {
        ComparedAs::Regression => "Regression",
        ComparedAs::NoRegression => "No regression seen",
        ComparedAs::Inconclusive => "Inconclusive",
    }
}

/// What was found, one sentence each, the gravest first.
pub(super) fn findings(comparison: &Comparison) -> Vec<String> {
    let mut worse: Vec<_> = with(comparison, Finding::Worse);
    if worse.is_empty() {
        let unseen = comparison.unseen.iter().cloned();
        return unseen.chain([nothing_worse(comparison)]).collect();
    }
    worse.sort_by(|one, other| one.chance_among_all.total_cmp(&other.chance_among_all));
    worse.into_iter().map(changed).collect()
}

/// What became better, if anything did.
pub(super) fn improvements(comparison: &Comparison) -> Vec<String> {
    with(comparison, Finding::Better)
        .into_iter()
        .map(changed)
        .collect()
}

fn with(comparison: &Comparison, finding: Finding) -> Vec<&Change> {
    let changes = comparison.changes.iter();
    changes.filter(|change| change.finding == finding).collect()
}

fn nothing_worse(comparison: &Comparison) -> String {
    let least = share(comparison.min_effect);
    let compared = number::counted(
        u64::try_from(comparison.changes.len()).unwrap_or(u64::MAX),
        "figure",
    );
    let seen = comparison.keenest().map_or_else(String::new, |change| {
        let smallest = change.floor.max(comparison.min_effect);
        format!(
            "; the smallest slowdown that would have shown is {}, of {}",
            share(smallest),
            name(change)
        )
    });
    format!("of {compared} none became worse by {least} or more beyond what is noise here{seen}")
}

/// One change in a sentence.
fn changed(change: &Change) -> String {
    let direction = match (change.figure, change.finding) {
        (Figure::Rate, _) if change.change < 0.0 => "fell",
        (Figure::Rate, _) => "rose",
        (_, Finding::Worse) => "slower",
        (_, _) => "faster",
    };
    let amount = share(change.change.abs());
    let from_to = format!(
        "{} to {}",
        value(change, change.base),
        value(change, change.new)
    );
    let name = name(change);
    let chance = chance(change.chance_among_all);
    if change.figure == Figure::Rate {
        return format!("{name} {direction} by {amount}, {from_to} (by chance: {chance})");
    }
    format!("{name} is {amount} {direction}, {from_to} (by chance: {chance})")
}

/// `reserve, response p50`.
pub(super) fn name(change: &Change) -> String {
    format!("{}, {}", change.operation, figure_name(change))
}

/// `response p50`.
pub(super) fn figure_name(change: &Change) -> String {
    let clock = match change.clock {
        Clock::Response => "response",
        Clock::Service => "service",
    };
    match change.figure {
        Figure::P50 => format!("{clock} p50"),
        Figure::P90 => format!("{clock} p90"),
        Figure::P99 => format!("{clock} p99"),
        Figure::CalmP50 => format!("{clock} p50, calm"),
        Figure::Rate => "answers a second".to_owned(),
    }
}

/// A figure of one side, with its unit.
pub(super) fn value(change: &Change, value: f64) -> String {
    match change.figure {
        Figure::P50 | Figure::P90 | Figure::P99 | Figure::CalmP50 => number::mean(value),
        Figure::Rate => number::rate(value),
    }
}

/// What a change is called.
pub(super) const fn found(change: &Change) -> &'static str {
    match (change.finding, change.figure) {
        (Finding::Worse, Figure::Rate) => "✗ fewer",
        (Finding::Worse, _) => "✗ slower",
        (Finding::Better, Figure::Rate) => "✓ more",
        (Finding::Better, _) => "✓ faster",
        (Finding::Same, _) => "= same",
        (Finding::Unclear, _) => "? noise",
    }
}

/// Where the noise floor comes from, and what it cannot know.
pub(super) fn noise(comparison: &Comparison) -> String {
    let (base, new) = (comparison.base.len(), comparison.new.len());
    match comparison.noise {
        Noise::WithinRuns => "One run a side: the noise floor is how differently the same eighths of the two runs went. What \
             makes one whole run differ from the next on the same machine it cannot know; several runs a side, made in turn, can: \
             stampede compare A1 A2 A3 -- B1 B2 B3"
            .to_owned(),
        Noise::BetweenRuns => format!(
            "{} against {new}: the noise floor is how much runs of one side differ from each other",
            number::counted(u64::try_from(base).unwrap_or(u64::MAX), "run"),
        ),
    }
}

/// How good the news is: nothing seen is no good news where nothing could have been.
pub(super) fn tone(comparison: &Comparison) -> Tone {
    match comparison.conclusion {
        ComparedAs::Regression => Tone::Bad,
        ComparedAs::NoRegression if remedy(comparison).is_some() => Tone::Doubtful,
        ComparedAs::NoRegression => Tone::Good,
        ComparedAs::Inconclusive => Tone::Doubtful,
    }
}

/// What to do where only coarse changes could be seen.
pub(super) fn remedy(comparison: &Comparison) -> Option<String> {
    let keenest = comparison.keenest()?;
    let is_coarse =
        comparison.min_effect < keenest.floor && comparison.conclusion == ComparedAs::NoRegression;
    is_coarse.then(|| {
        format!(
            "A slowdown of {} would have been lost in the noise. To see it: a quieter machine, longer runs, or more of them a side.",
            share(comparison.min_effect)
        )
    })
}

/// What the disk did by itself.
pub(super) fn disk(comparison: &Comparison) -> Option<String> {
    let change = comparison.disk_change?;
    let direction = if change < 0.0 { "faster" } else { "slower" };
    // A factor reads the same both ways; a share does not.
    let factor = if change < 0.0 {
        1.0 / (1.0 + change)
    } else {
        1.0 + change
    };
    Some(format!(
        "The disk by itself was {} times {direction} on the new side (fdatasync of 4 KiB, before the load). Changes of that \
         direction count only as far as they are larger.",
        number::number(factor)
    ))
}

/// `12.3 %`; large ones as a factor.
pub(super) fn share(share: f64) -> String {
    let percent = 100.0 * share;
    match percent.abs() {
        size if size < 9.95 => format!("{percent:.1} %"),
        size if size < 999.5 => format!("{percent:.0} %"),
        size if 10_000.0 <= size => "over 100 times".to_owned(),
        _ => format!("{} times", number::number(share + 1.0)),
    }
}

/// The same with its sign.
pub(super) fn signed(share: f64) -> String {
    let sign = if share < 0.0 { "−" } else { "+" };
    format!("{sign}{}", self::share(share.abs()))
}

/// A chance as far as it says anything.
pub(super) fn chance(chance: f64) -> String {
    if chance < 0.001 {
        "under 0.001".to_owned()
    } else {
        format!("{chance:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_chances_read_as_people_write_them() {
        for (shown, expected) in [
            (share(0.05), "5.0 %"),
            (share(0.123), "12 %"),
            (share(11.4), "12.4 times"),
            (share(5e6), "over 100 times"),
            (signed(-0.031), "−3.1 %"),
            (signed(0.25), "+25 %"),
            (chance(0.000_1), "under 0.001"),
            (chance(0.042), "0.042"),
        ] {
            assert_eq!(shown, expected);
        }
    }
}
