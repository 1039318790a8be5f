//! The screen of a run, drawn into memory at several sizes.

use ratatui::{Terminal, backend::TestBackend};
use reports::live::{Law, Live, Mark, Operation, Palette, Phase, Second, draw};

fn law(name: &str, what: &'static str, count: u64, violations: u64) -> Law {
    Law {
        name: name.to_owned(),
        what,
        count,
        violations,
    }
}

fn phase(name: &str, warmup: bool, planned_s: f64, began_s: Option<f64>) -> Phase {
    Phase {
        name: name.to_owned(),
        warmup,
        planned_s,
        began_s,
    }
}

/// A run in its twentieth second, after a fault.
fn running() -> Live {
    let mut live = Live {
        scenario: "booking-race-crash".to_owned(),
        seed: 42,
        stage: "offering load".to_owned(),
        elapsed_s: 19.6,
        phases: vec![
            phase("warm-up", true, 5.0, Some(0.0)),
            phase("race", false, 30.0, Some(5.0)),
            phase("stampede", false, 5.0, None),
        ],
        marks: vec![Mark {
            at_s: 15.1,
            what: "kill-server".to_owned(),
        }],
        laws: vec![
            law("no-double-booking", "bookings", 118_204, 0),
            law("refusals-justified", "refusals", 44_118, 2),
            law("session-order", "answers", 160_331, 0),
            law("no-lost-cancel", "reads", 0, 0),
            law("durable-acks", "", 0, 0),
            law("log-chained", "", 0, 0),
        ],
        in_flight: 812,
        lateness_p99: 91_000,
        lateness_max: 4_200_000,
        ..Live::default()
    };
    for at in 0..14_u64 {
        let second = Second {
            intended: 20_000,
            answered: if at == 10 { 900 } else { 18_000 + 150 * at },
            failed: if at == 13 { 12 } else { 0 },
        };
        live.handle_second("race", 5.0, second);
        for (name, base) in [
            ("cancel", 400_000),
            ("list-slots", 300_000),
            ("reserve", 500_000),
        ] {
            let p50 = base + 40_000 * (at % 5);
            let figures = Operation {
                answered: 6_000 + at,
                p50,
                p90: 2 * p50,
                p99: 9 * p50,
                max: 40 * p50,
                ..Operation::default()
            };
            live.handle_operation(name, figures);
        }
    }
    live
}

fn screen(live: &Live, width: u16, height: u16) -> String {
    let mut terminal =
        Terminal::new(TestBackend::new(width, height)).expect("memory is a terminal");
    terminal
        .draw(|frame| draw(frame, live, Palette::Colored))
        .expect("drawing into memory cannot fail");
    terminal.backend().to_string()
}

#[test]
fn a_run_looks_like_this_on_the_smallest_usual_terminal() {
    insta::assert_snapshot!(screen(&running(), 80, 24));
}

#[test]
fn a_run_looks_like_this_with_more_room() {
    insta::assert_snapshot!(screen(&running(), 120, 30));
}

#[test]
fn before_the_first_second_there_is_nothing_to_show_and_it_says_so() {
    let mut live = running();
    live.stage = "setting up 400 users and 20 agendas".to_owned();
    live.phases
        .iter_mut()
        .for_each(|phase| phase.began_s = None);
    live.seconds.clear();
    live.operations.clear();
    live.laws.clear();
    live.marks.clear();
    let shown = screen(&live, 80, 24);
    for text in [
        "setting up 400 users",
        "no second is over yet",
        "nothing is judged yet",
    ] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
}

#[test]
fn what_has_no_room_is_counted_and_too_small_a_terminal_is_told() {
    let mut live = running();
    for at in 0..20 {
        live.handle_operation(&format!("operation-{at}"), Operation::default());
    }
    assert!(screen(&live, 80, 24).contains("and 16 more in the report"));
    live.laws
        .extend((0..20).map(|at| law(&format!("law-{at}"), "answers", at, at / 19)));
    let shown = screen(&live, 80, 24);
    assert!(
        shown.contains("law-19: 1 violation in 19 answers"),
        "{shown}"
    );
    assert!(shown.contains("more, none broken"), "{shown}");
    assert!(screen(&live, 59, 24).contains("59x24 is too small"));
    assert!(screen(&live, 80, 11).contains("q ends it early"));
}

#[test]
fn every_size_can_be_drawn() {
    for width in [1, 20, 60, 61, 80, 133, 300] {
        for height in [1, 11, 12, 13, 24, 100] {
            let _drawn = screen(&running(), width, height);
            let _empty = screen(&Live::default(), width, height);
        }
    }
}

#[test]
fn an_early_end_is_shown_with_what_the_key_does_then() {
    let mut live = running();
    live.is_stopping = true;
    let shown = screen(&live, 100, 30);
    assert!(
        shown.contains("ending early") && shown.contains("q ends at once"),
        "{shown}"
    );
}
