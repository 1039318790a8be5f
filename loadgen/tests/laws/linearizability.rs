//! The search, on small histories of a register whose answers are known.

use loadgen::check::linearizability::{Found, Model, Timed, search};

/// A register that holds one number, 0 at first.
struct Register;

#[derive(Clone, Copy)]
enum Op {
    Write(u32),
    Read(u32),
}

impl Model for Register {
    type State = u32;
    type Op = Op;

    fn initial(&self) -> u32 {
        0
    }

    fn step(&self, state: &u32, op: &Op) -> Option<u32> {
        match op {
            Op::Write(value) => Some(*value),
            Op::Read(value) => (value == state).then_some(*state),
        }
    }

    fn observes(&self, op: &Op) -> bool {
        match op {
            Op::Write(_) => false,
            Op::Read(_) => true,
        }
    }
}

fn timed((op, called_at, returned_at): (Op, u64, u64)) -> Timed<Op> {
    Timed {
        op,
        called_at,
        returned_at: (returned_at != 0).then_some(returned_at),
    }
}

/// Whether this history has an order; a return at 0 never came.
fn check(history: &[(Op, u64, u64)], linearizable: bool) {
    let history: Vec<Timed<Op>> = history.iter().copied().map(timed).collect();
    match search(&Register, &history, 10_000) {
        Found::Linearizable { .. } => assert!(linearizable, "an order was found"),
        Found::Impossible { stuck, .. } => assert!(!linearizable, "stuck at {stuck}"),
        Found::GaveUp { steps } => panic!("gave up after {steps} steps"),
    }
}

#[test]
fn nothing_at_all_has_an_order() {
    check(&[], true);
}

#[test]
fn a_read_sees_the_write_before_it() {
    check(&[(Op::Write(1), 1, 2), (Op::Read(1), 3, 4)], true);
    check(&[(Op::Write(1), 1, 2), (Op::Read(0), 3, 4)], false);
}

#[test]
fn a_read_during_a_write_sees_either() {
    check(&[(Op::Write(1), 1, 4), (Op::Read(0), 2, 3)], true);
    check(&[(Op::Write(1), 1, 4), (Op::Read(1), 2, 3)], true);
    check(&[(Op::Write(1), 1, 4), (Op::Read(2), 2, 3)], false);
}

#[test]
fn reads_during_a_write_do_not_step_back() {
    let back = [
        (Op::Write(1), 1, 9),
        (Op::Read(1), 2, 3),
        (Op::Read(0), 4, 5),
    ];
    check(&back, false);
    let forth = [
        (Op::Write(1), 1, 9),
        (Op::Read(0), 2, 3),
        (Op::Read(1), 4, 5),
    ];
    check(&forth, true);
}

#[test]
fn a_write_that_never_returned_may_take_effect_late_or_never() {
    let never = [(Op::Write(1), 1, 0), (Op::Read(0), 5, 6)];
    check(&never, true);
    let late = [
        (Op::Write(1), 1, 0),
        (Op::Read(0), 2, 3),
        (Op::Read(1), 5, 6),
    ];
    check(&late, true);
    let undone = [
        (Op::Write(1), 1, 0),
        (Op::Read(1), 2, 3),
        (Op::Read(0), 5, 6),
    ];
    check(&undone, false);
    let early = [(Op::Read(1), 1, 2), (Op::Write(1), 3, 0)];
    check(&early, false);
}

#[test]
fn operations_that_touch_may_have_overlapped() {
    check(&[(Op::Write(1), 1, 2), (Op::Read(0), 2, 3)], true);
}

#[test]
fn two_writers_are_tried_in_both_orders() {
    let both = [
        (Op::Write(1), 1, 5),
        (Op::Write(2), 1, 5),
        (Op::Read(1), 6, 7),
    ];
    check(&both, true);
    let neither = [
        (Op::Write(1), 1, 5),
        (Op::Write(2), 1, 5),
        (Op::Read(1), 6, 7),
        (Op::Read(2), 8, 9),
    ];
    check(&neither, false);
}

#[test]
fn a_search_beyond_its_budget_gives_up() {
    let mut history: Vec<Timed<Op>> = (0..20).map(|n| timed((Op::Write(n), 1, 90))).collect();
    history.push(timed((Op::Read(99), 91, 92)));
    let Found::GaveUp { steps } = search(&Register, &history, 500) else {
        panic!("500 steps are too few for 20 writes at once");
    };
    assert!((500..600).contains(&steps), "{steps} steps");
}

#[test]
fn many_reads_at_once_cost_one_step_each() {
    let mut history: Vec<Timed<Op>> = (0..500).map(|_| timed((Op::Read(0), 1, 90))).collect();
    history.push(timed((Op::Write(1), 1, 90)));
    history.push(timed((Op::Read(1), 91, 92)));
    let found = search(&Register, &history, 5_000);
    assert!(matches!(found, Found::Linearizable { order } if order.len() == 502));
}

#[test]
fn a_write_of_what_is_there_already_may_still_come_later() {
    // Held back until the 2 was written, the second write of 1 explains the read.
    let again = [
        (Op::Write(1), 1, 2),
        (Op::Write(1), 3, 10),
        (Op::Write(2), 4, 5),
        (Op::Read(1), 11, 12),
    ];
    check(&again, true);
}

#[test]
fn the_longest_order_ends_where_the_first_answer_fits_nowhere() {
    let history = [
        (Op::Write(1), 1, 2),
        (Op::Read(1), 3, 4),
        (Op::Write(2), 5, 0),
        (Op::Read(3), 6, 7),
        (Op::Read(4), 8, 9),
    ];
    let history: Vec<Timed<Op>> = history.into_iter().map(timed).collect();
    let Found::Impossible {
        longest,
        stuck,
        mut states,
    } = search(&Register, &history, 1_000)
    else {
        panic!("3 was never written");
    };
    states.sort_unstable();
    assert_eq!((longest, stuck, states), (vec![0, 1], 3, vec![1, 2]));
}
