//! What a person reads after a run.

use reports::record::RunRecord;
use reports::render::{Style, terminal};

use crate::sample;

const PLAIN: Style = Style {
    color: false,
    width: 80,
};

fn plain(record: &RunRecord) -> String {
    terminal(
        record,
        PLAIN,
        Some("runs/20310504-093000-booking-race/report.html"),
    )
}

#[test]
fn a_pass_reads_like_this() {
    insta::assert_snapshot!(plain(&sample::pass()));
}

#[test]
fn a_violation_reads_like_this() {
    insta::assert_snapshot!(plain(&sample::violated()));
}

#[test]
fn an_inconclusive_run_reads_like_this() {
    insta::assert_snapshot!(plain(&sample::inconclusive()));
}

#[test]
fn a_run_with_messages_reads_like_this() {
    insta::assert_snapshot!(plain(&sample::delivered()));
}

#[test]
fn a_run_that_was_broken_on_purpose_reads_like_this() {
    insta::assert_snapshot!(plain(&sample::broken()));
}

#[test]
fn nothing_runs_over_eighty_columns() {
    for record in [
        sample::pass(),
        sample::violated(),
        sample::inconclusive(),
        sample::delivered(),
        sample::broken(),
    ] {
        for line in plain(&record).lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

#[test]
fn colour_adds_escape_codes_and_no_words() {
    let painted = terminal(
        &sample::violated(),
        Style {
            color: true,
            ..PLAIN
        },
        None,
    );
    assert!(
        painted.starts_with("\x1b[1;31mINVARIANT VIOLATED"),
        "{painted}"
    );
    let mut stripped = painted;
    for code in [
        "\x1b[0m",
        "\x1b[1m",
        "\x1b[1;32m",
        "\x1b[1;31m",
        "\x1b[1;33m",
    ] {
        stripped = stripped.replace(code, "");
    }
    assert_eq!(stripped, terminal(&sample::violated(), PLAIN, None));
}

#[test]
fn a_scenario_cannot_move_the_cursor() {
    let mut record = sample::pass();
    record.scenario.name = "\x1b[2Jgone\r\n".to_owned();
    record.scenario.command = "\x1b]0;title\x07".to_owned();
    record.laws[0].name = "\x1b[31m".to_owned();
    let phase = &mut record.phases[1];
    let found = phase.operations["reserve"].clone();
    phase.operations.insert("\x1b[1A".to_owned(), found);
    let text = plain(&record);
    assert!(
        text.chars().all(|sign| sign == '\n' || !sign.is_control()),
        "{text:?}"
    );
}
