//! Sentences that the terminal and the page share.

use super::number;
use crate::record::{
    Conclusion, ConservationRecord, DeliveryRecord, ErasureRecord, LawRecord, MemoryRecord,
    PhaseRecord, RunRecord, RunVerdict, ScopeRecord, Verdict,
};

/// A conclusion in the words that open a report.
pub(super) const fn conclusion(conclusion: Conclusion) -> &'static str {
    match conclusion {
        Conclusion::Pass => "Pass",
        Conclusion::Inconclusive => "Inconclusive",
        Conclusion::ThresholdFailed => "Threshold failed",
        Conclusion::InvariantViolated => "Invariant violated",
        Conclusion::Interrupted => "Interrupted",
    }
}

/// A law's verdict as a mark that needs no colour.
pub(super) const fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "✓",
        Verdict::NotApplicable => "-",
        Verdict::Unknown => "?",
        Verdict::Invalid => "✗",
    }
}

/// A law's verdict as a word.
pub(super) const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "kept",
        Verdict::NotApplicable => "n/a",
        Verdict::Unknown => "unknown",
        Verdict::Invalid => "broken",
    }
}

/// The first line of a report, after the conclusion.
pub(super) fn headline(record: &RunRecord) -> String {
    let RunVerdict {
        conclusion,
        reasons,
    } = &record.verdict;
    match (conclusion, reasons.first()) {
        (Conclusion::Pass, _) | (_, None) => exercised(record),
        (_, Some(reason)) => reason.clone(),
    }
}

/// How much a run looked at. A pass without figures persuades nobody.
pub(super) fn exercised(record: &RunRecord) -> String {
    let answered: u64 = measured(record)
        .map(|phase| phase.conservation.ok + phase.conservation.refused)
        .sum();
    let kept = record
        .laws
        .iter()
        .filter(|law| law.verdict == Verdict::Valid)
        .count();
    let applicable = |law: &&LawRecord| law.verdict != Verdict::NotApplicable;
    let laws = record.laws.iter().filter(applicable).count();
    let met = record
        .thresholds
        .iter()
        .filter(|threshold| threshold.passed == Some(true))
        .count();
    format!(
        "{} judged, {kept} of {laws} laws kept, {met} of {} thresholds met, {} contended",
        number::counted(answered, "answer"),
        record.thresholds.len(),
        number::counted(record.contention.contended_keys, "key"),
    )
}

/// A stretch of a sentence, and whether it names something in code.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) code: bool,
    pub(super) text: &'a str,
}

/// A sentence cut at its backticks; one without a partner stays a plain backtick.
pub(super) fn pieces(sentence: &str) -> Vec<Piece<'_>> {
    let paired = sentence.matches('`').count().is_multiple_of(2);
    if !paired {
        return vec![Piece {
            code: false,
            text: sentence,
        }];
    }
    let cut = sentence.split('`').enumerate();
    let pieces = cut.map(|(index, text)| Piece {
        code: !index.is_multiple_of(2),
        text,
    });
    pieces.filter(|piece| !piece.text.is_empty()).collect()
}

/// The phases whose figures count.
pub(super) fn measured(record: &RunRecord) -> impl Iterator<Item = &PhaseRecord> {
    record.phases.iter().filter(|phase| !phase.warmup)
}

/// A phase in one line: its name, its length and its rates.
pub(super) fn phase(phase: &PhaseRecord) -> String {
    let kind = if phase.warmup {
        " (warm-up, not judged)"
    } else {
        ""
    };
    let offered = phase.offered_rate.map_or_else(
        || {
            if phase.rendezvous.is_some() {
                "rendezvous"
            } else {
                "closed loops only"
            }
            .to_owned()
        },
        |rate| format!("offered {}", number::rate(rate)),
    );
    format!(
        "Phase {}{kind}: {}, {offered}, sent {}",
        phase.name,
        number::duration(phase.duration_ns),
        number::rate(phase.achieved_rate),
    )
}

/// Where the intended operations went.
pub(super) fn intended(counts: &ConservationRecord) -> String {
    format!(
        "intended {} = sent {} + shed {} + cancelled {}",
        number::count(counts.intended),
        number::count(counts.sent),
        number::count(counts.shed),
        number::count(counts.cancelled_at_end),
    )
}

/// What else there is to say of a phase's deliveries: who was away, and how it ended.
pub(super) fn deliveries(found: &DeliveryRecord) -> String {
    let mut line = if found.drain.waiting == 0 {
        format!(
            "everybody had everything {:.1} s after the end",
            found.drain.seconds
        )
    } else {
        format!(
            "{:.1} s after the end {} still lacked something or had not been told what there is; known \
             to be missing: {} of their entries",
            found.drain.seconds,
            number::counted(found.drain.waiting, "client"),
            number::count(found.drain.missing),
        )
    };
    if let Some(returns) = &found.returns {
        line.push_str("; ");
        line.push_str(&number::counted(returns.drain.count, "client"));
        line.push_str(" came back, and pushes had waited for them: ");
        line.push_str(&number::count(returns.pending));
        line.push_str(" in all, at most ");
        line.push_str(&number::count(returns.pending_max));
        line.push_str(" for one");
    }
    if 0 < found.caught_up {
        line.push_str("; not timed, as its recipient had been away: ");
        line.push_str(&number::counted(found.caught_up, "receipt"));
    }
    if 0 < found.late {
        line.push_str("; not timed, as its message was of another phase or long ago: ");
        line.push_str(&number::counted(found.late, "receipt"));
    }
    line
}

/// Where the sent operations went.
pub(super) fn sent(counts: &ConservationRecord) -> String {
    format!(
        "sent {} = ok {} + refused {} + error {} + timeout {} + unknown {}",
        number::count(counts.sent),
        number::count(counts.ok),
        number::count(counts.refused),
        number::count(counts.error),
        number::count(counts.timeout),
        number::count(counts.unknown),
    )
}

/// Who had themselves erased, and what was not done for that.
pub(super) fn erasure(found: &ErasureRecord) -> String {
    format!(
        "{} asked to be erased; {} of theirs {} left out after that",
        number::counted(found.people, "user"),
        number::counted(found.left_out, "run"),
        if found.left_out == 1 { "was" } else { "were" },
    )
}

/// What a law looked at, in its own words.
pub(super) fn looked_at(law: &LawRecord) -> String {
    if law.exercised.is_empty() {
        return "nothing was looked at".to_owned();
    }
    let counts = law.exercised.iter();
    counts
        .map(|counted| format!("{} {}", number::count(counted.count), counted.what))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Where and on what a run ran.
pub(super) fn setting(record: &RunRecord) -> String {
    let (scenario, environment) = (&record.scenario, &record.environment);
    format!(
        "{} on {}, durability {}, seed {}, plan {}",
        environment.started_at,
        if environment.target == crate::caution::TARGET_EMBEDDED {
            "its own server"
        } else {
            &environment.target
        },
        environment.durability,
        scenario.seed,
        scenario.plan_hash.chars().take(16).collect::<String>(),
    )
}

/// What an acknowledgement of this run promises, and what the disk asks for it.
pub(super) fn durability(record: &RunRecord) -> String {
    let environment = &record.environment;
    let sync = &environment.fdatasync_ns;
    if environment.level.is_some() {
        return "What an acknowledgement promises is the server's own word; where it was killed, it was \
                asked afterwards for everything that it had acknowledged."
            .to_owned();
    }
    if environment.durability != crate::caution::DURABILITY_FULL {
        return format!(
            "Durability was {}: an acknowledgement did not wait for the disk, and loss of power may \
             undo it.",
            environment.durability
        );
    }
    if sync.count == 0 {
        return "Every acknowledgement waited until the disk had it.".to_owned();
    }
    format!(
        "Every acknowledgement waited until the disk had it. The disk of this machine takes {} for \
         that in the median, measured in the run, so no single command can be faster here; commands \
         that come together share one such wait.",
        number::duration(sync.p50),
    )
}

/// The disk in one line.
pub(super) fn disk(record: &RunRecord) -> String {
    let sync = &record.environment.fdatasync_ns;
    if sync.count == 0 {
        return "not measured".to_owned();
    }
    format!(
        "fdatasync of 4 KiB: median {}, p99 {}, max {} ({})",
        number::duration(sync.p50),
        number::quantile(sync.p99),
        number::duration(sync.max),
        number::counted(sync.count, "sample"),
    )
}

/// How much memory a server took while load was offered.
pub(super) fn memory(memory: &MemoryRecord) -> String {
    format!(
        "{} when the load began, {} after half of it, {} at its end, {} at most",
        number::bytes(memory.first_bytes),
        number::bytes(memory.half_bytes),
        number::bytes(memory.last_bytes),
        number::bytes(memory.max_bytes),
    )
}

/// How the server came back from the dead, in one line.
pub(super) fn crash(record: &RunRecord) -> String {
    record.crash.as_ref().map_or_else(
        || "the server was not killed at the end: it is somebody else's".to_owned(),
        |crash| {
            format!(
                "killed without warning (SIGKILL) at the end; the next process rebuilt its state \
                 up to seq {} in {}, and the laws were judged on what it found",
                number::count(crash.recovered_seq),
                number::duration(crash.recovered_ms.saturating_mul(1_000_000)),
            )
        },
    )
}

/// How far the violations of a law reach, to follow their number.
pub(super) fn scope(scope: &ScopeRecord) -> String {
    let mut text = String::new();
    if 1 < scope.subjects {
        text += &format!(", about {} different things", number::count(scope.subjects));
    }
    if let Some(worst) = scope.worst.as_ref().filter(|worst| 1 < worst.count) {
        text += &format!(
            ", {} of them about {}",
            number::count(worst.count),
            worst.what
        );
    }
    if 1 < scope.clients {
        text += &format!(", seen by {} clients", number::count(scope.clients));
    }
    if let (Some(first), Some(last)) = (scope.first_ns, scope.last_ns) {
        text += &format!(
            ", from {} to {}",
            number::instant(first),
            number::instant(last)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backticks_mark_code_only_in_pairs() {
        let code = |text| Piece { code: true, text };
        let plain = |text| Piece { code: false, text };
        for (sentence, expected) in [
            (
                "law `a` was broken",
                vec![plain("law "), code("a"), plain(" was broken")],
            ),
            ("`a``b`", vec![code("a"), code("b")]),
            ("one ` alone", vec![plain("one ` alone")]),
            ("", vec![]),
        ] {
            assert_eq!(pieces(sentence), expected, "{sentence}");
        }
    }
}
