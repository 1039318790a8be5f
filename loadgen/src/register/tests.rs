//! The search against two others that are too slow to be wrong in the same way, and the lines.
//!
//! Histories come from a simulated register: right by construction, or with one answer changed.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use reports::record::Verdict;

use super::{
    Convention, Effort, Ended, HistoryTextError, Reading, RegisterHistory, RegisterModel,
    RegisterOp, STEPS_MAX, Value, judge, model::Register,
};
use crate::check::linearizability::{Found, Model, Timed, search};

const MODEL: Register = Register {
    initial: Value::Nil,
};

type Op = Timed<RegisterOp>;

/// Every order that respects real time, one after the other.
fn some_order_explains(ops: &[Op], placed: &mut Vec<bool>, state: Value) -> bool {
    let missing = |placed: &[bool], at: usize| !placed[at] && ops[at].returned_at.is_some();
    let first = (0..ops.len()).filter(|at| missing(placed, *at));
    let Some(first) = first.filter_map(|at| ops[at].returned_at).min() else {
        return true;
    };
    for at in 0..ops.len() {
        if placed[at] || first < ops[at].called_at {
            continue;
        }
        if let Some(after) = MODEL.step(&state, &ops[at].op) {
            placed[at] = true;
            if some_order_explains(ops, placed, after) {
                return true;
            }
            placed[at] = false;
        }
    }
    false
}

/// Every state with every set of operations that took effect, return by return.
fn some_configuration_survives(ops: &[Op]) -> bool {
    let mut returns: Vec<usize> = (0..ops.len()).collect();
    returns.retain(|at| ops[*at].returned_at.is_some());
    returns.sort_by_key(|at| ops[*at].returned_at);
    let mut all: BTreeSet<(Value, u64)> = BTreeSet::from([(Value::Nil, 0)]);
    for due in returns {
        let until = ops[due].returned_at;
        let mut left: Vec<(Value, u64)> = all.iter().copied().collect();
        while let Some((state, done)) = left.pop() {
            for (at, op) in ops.iter().enumerate() {
                let is_open = done >> at & 1 == 0 && Some(op.called_at) <= until;
                let after = is_open.then(|| MODEL.step(&state, &op.op)).flatten();
                let next = after.map(|after| (after, done | 1 << at));
                left.extend(next.filter(|next| all.insert(*next)));
            }
        }
        all.retain(|(_, done)| done >> due & 1 == 1);
    }
    !all.is_empty()
}

fn is_linearizable(ops: &[Op]) -> bool {
    match search(&MODEL, ops, STEPS_MAX) {
        Found::Linearizable { order } => {
            assert_explains(ops, &order, usize::MAX);
            true
        }
        Found::Impossible { longest, stuck, .. } => {
            assert_explains(ops, &longest, stuck);
            false
        }
        Found::GaveUp { steps } => panic!("gave up after {steps} steps"),
    }
}

/// The order respects real time, is one of the register's, and holds all that returned (before
/// `stuck` did).
fn assert_explains(ops: &[Op], order: &[usize], stuck: usize) {
    let end = ops.get(stuck).and_then(|op| op.returned_at);
    let (mut state, mut placed) = (MODEL.initial(), vec![false; ops.len()]);
    let mut latest_call = 0;
    for at in order {
        let op = &ops[*at];
        assert!(!std::mem::replace(&mut placed[*at], true), "{at} twice");
        state = MODEL
            .step(&state, &op.op)
            .expect("the order is the register's");
        latest_call = latest_call.max(op.called_at);
        assert!(
            op.returned_at.is_none_or(|at| latest_call <= at),
            "{at} is too late"
        );
    }
    for (at, op) in ops.iter().enumerate() {
        let is_due = op
            .returned_at
            .is_some_and(|at| end.is_none_or(|end| at < end));
        assert!(!is_due || placed[at], "{at} is missing");
    }
}

fn any_op() -> impl Strategy<Value = RegisterOp> {
    let value = || prop_oneof![1 => Just(Value::Nil), 5 => (0..3_i64).prop_map(Value::Number)];
    prop_oneof![
        value().prop_map(RegisterOp::Read),
        value().prop_map(RegisterOp::Write),
        (value(), value()).prop_map(|(from, to)| RegisterOp::Cas(from, to)),
        value().prop_map(RegisterOp::Differs),
    ]
}

fn any_history(len: usize) -> impl Strategy<Value = Vec<Op>> {
    let op = (any_op(), 0..20_u64, prop::option::weighted(0.7, 0..12_u64));
    let timed = |(op, called_at, took): (RegisterOp, u64, Option<u64>)| Timed {
        op,
        called_at,
        returned_at: took.map(|took| called_at + took),
    };
    prop::collection::vec(op.prop_map(timed), 0..len)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn any_small_history_is_judged_as_by_trying_every_order(ops in any_history(7)) {
        let explained = some_order_explains(&ops, &mut vec![false; ops.len()], Value::Nil);
        prop_assert_eq!(is_linearizable(&ops), explained);
    }

    #[test]
    fn any_history_is_judged_as_by_following_every_configuration(ops in any_history(13)) {
        prop_assert_eq!(is_linearizable(&ops), some_configuration_survives(&ops));
    }
}

/// What is simulated.
struct Plan {
    processes: u64,
    operations: usize,
    values: i64,
    /// Of a hundred operations, how many never return.
    lost: u32,
}

/// Lines of a register that is right: each operation takes effect at one of its steps, or never.
fn simulate(plan: &Plan, rng: &mut ChaCha8Rng) -> Vec<Op> {
    let mut now = 0;
    let mut state = Value::Nil;
    let mut ops: Vec<Op> = Vec::new();
    // By process: its operation, and whether that took effect.
    let mut open: BTreeMap<u64, (usize, bool)> = BTreeMap::new();
    let mut adrift: Vec<usize> = Vec::new();
    while ops.len() < plan.operations || !open.is_empty() {
        now += 1;
        let process = rng.random_range(0..plan.processes);
        match open.get(&process).copied() {
            None if ops.len() < plan.operations => {
                open.insert(process, (ops.len(), false));
                ops.push(Timed {
                    op: draw(plan, rng),
                    called_at: now,
                    returned_at: None,
                });
            }
            None => {}
            Some((at, false)) if rng.random_range(0..100) < plan.lost => {
                open.remove(&process);
                adrift.push(at);
            }
            Some((at, false)) => {
                ops[at].op = take_effect(ops[at].op, &mut state);
                open.insert(process, (at, true));
            }
            Some((at, true)) => {
                ops[at].returned_at = Some(now);
                open.remove(&process);
            }
        }
        // Some of what nobody waits for takes effect late.
        if !adrift.is_empty() && rng.random_range(0..20) == 0 {
            let at = adrift.swap_remove(rng.random_range(0..adrift.len()));
            let _unheard = take_effect(ops[at].op, &mut state);
        }
    }
    ops
}

fn draw(plan: &Plan, rng: &mut ChaCha8Rng) -> RegisterOp {
    let mut value = || Value::Number(rng.random_range(0..plan.values));
    let (one, other) = (value(), value());
    match rng.random_range(0..3) {
        0 => RegisterOp::Read(one),
        1 => RegisterOp::Write(one),
        _two => RegisterOp::Cas(one, other),
    }
}

/// Does it, and says what was answered.
fn take_effect(op: RegisterOp, state: &mut Value) -> RegisterOp {
    match op {
        RegisterOp::Read(_) => RegisterOp::Read(*state),
        RegisterOp::Cas(from, _) if from != *state => RegisterOp::Differs(from),
        RegisterOp::Write(to) | RegisterOp::Cas(_, to) => {
            *state = to;
            op
        }
        RegisterOp::Differs(_) | RegisterOp::Append(_) => op,
    }
}

/// Changes one answer.
fn lie(ops: &mut [Op], values: i64, rng: &mut ChaCha8Rng) {
    let at = rng.random_range(0..ops.len());
    let value = Value::Number(rng.random_range(0..values));
    ops[at].op = match ops[at].op {
        RegisterOp::Read(_) => RegisterOp::Read(value),
        RegisterOp::Write(_) => RegisterOp::Write(value),
        RegisterOp::Cas(from, _) => RegisterOp::Differs(from),
        RegisterOp::Differs(from) => RegisterOp::Cas(from, value),
        RegisterOp::Append(_) => RegisterOp::Append(value),
    };
}

#[test]
fn what_a_right_register_did_is_linearizable() {
    for (seed, lost) in (0..120).zip([0, 5, 15, 30].into_iter().cycle()) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let plan = Plan {
            processes: 5,
            operations: 120,
            values: 5,
            lost,
        };
        assert!(is_linearizable(&simulate(&plan, &mut rng)), "seed {seed}");
    }
}

#[test]
fn a_lie_is_found_where_following_every_configuration_finds_it() {
    let plan = Plan {
        processes: 4,
        operations: 22,
        values: 3,
        lost: 10,
    };
    let mut found = 0;
    for seed in 0..400 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut ops = simulate(&plan, &mut rng);
        lie(&mut ops, plan.values, &mut rng);
        let survives = some_configuration_survives(&ops);
        found += u32::from(!survives);
        assert_eq!(is_linearizable(&ops), survives, "seed {seed}");
    }
    assert!(
        (50..390).contains(&found),
        "{found} of 400 lies are to be found"
    );
}

#[test]
fn a_lie_among_many_that_never_returned_is_decided() {
    let plan = Plan {
        processes: 5,
        operations: 120,
        values: 5,
        lost: 15,
    };
    let mut found = 0;
    for seed in 0..60 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut ops = simulate(&plan, &mut rng);
        lie(&mut ops, plan.values, &mut rng);
        found += u32::from(!is_linearizable(&ops));
    }
    assert!(5 < found, "{found} of 60 lies are found");
}

#[test]
fn a_wide_history_of_a_right_register_is_decided() {
    let plan = Plan {
        processes: 40,
        operations: 2_000,
        values: 5,
        lost: 1,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    assert!(is_linearizable(&simulate(&plan, &mut rng)));
}

fn read(text: &str, reading: &Reading) -> RegisterHistory {
    RegisterHistory::parse(text, reading, "h.log").expect("it is a history")
}

fn verdict_of(lines: &[&str]) -> Verdict {
    let history = read(&lines.join("\n"), &Reading::default());
    judge(&history, Effort::of_steps(STEPS_MAX)).verdict
}

/// Verdict and sentence.
fn judged(text: &str, reading: &Reading) -> (Verdict, String) {
    let record = judge(&read(text, reading), Effort::of_steps(STEPS_MAX));
    (record.verdict, record.sentence)
}

fn complaint(text: &str) -> String {
    match RegisterHistory::parse(text, &Reading::default(), "h.log") {
        Ok(history) => panic!("was read: {history:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_stale_read_is_no_register() {
    let lines = [
        "INFO  jepsen.util - 0\t:invoke\t:write\t3",
        "INFO  jepsen.util - 0\t:ok\t:write\t3",
        "INFO  jepsen.util - 1\t:invoke\t:read\tnil",
        "INFO  jepsen.util - 1\t:ok\t:read\tnil",
    ];
    assert_eq!(verdict_of(&lines), Verdict::Invalid);
    assert_eq!(verdict_of(&lines[..3]), Verdict::Valid);
}

#[test]
fn a_write_of_unknown_end_may_take_effect_late_and_a_failed_one_never() {
    let lines = |end: &'static str, saw: &'static str| {
        [
            "0 :invoke :write 3",
            end,
            "1 :invoke :read nil",
            "1 :ok :read nil",
            "1 :invoke :read nil",
            saw,
        ]
    };
    let unknown = [
        "0 :info :write :timed-out",
        "0 :info :write 3",
        "0 :fail :write :timed-out",
    ];
    for end in unknown {
        assert_eq!(verdict_of(&lines(end, "1 :ok :read 3")), Verdict::Valid);
        assert_eq!(verdict_of(&lines(end, "1 :ok :read nil")), Verdict::Valid);
    }
    let failed = lines("0 :fail :write 3", "1 :ok :read 3");
    assert_eq!(verdict_of(&failed), Verdict::Invalid);
}

#[test]
fn a_failed_cas_saw_another_value_and_a_failed_read_nothing() {
    let cas = |end: &'static str| {
        verdict_of(&[
            "0 :invoke :write 3",
            "0 :ok :write 3",
            "1 :invoke :cas [3 4]",
            end,
        ])
    };
    assert_eq!(cas("1 :fail :cas [3 4]"), Verdict::Invalid);
    assert_eq!(cas("1 :ok :cas [3 4]"), Verdict::Valid);
    assert_eq!(cas("1 :info :cas :timed-out"), Verdict::Valid);
    let read = ["1 :invoke :read nil", "1 :fail :read :timed-out"];
    assert_eq!(verdict_of(&read), Verdict::Valid);
}

#[test]
fn whatever_a_logger_puts_around_a_line_is_skipped_and_its_time_kept() {
    let text = "2026-11-21 13:50:19,120{GMT}\tINFO\t[jepsen worker 1] jepsen.util: 1\t:invoke\t:write\t4\r\n\
        \r\n\
        INFO [2026-11-21T13:50:20.001] jepsen worker 1 - jepsen.util 1 :ok :write 4 :some-note\r\n\
        INFO  jepsen.util - :nemesis\t:info\t:start\tnil\r\n\
        Everything looks good!\r\n";
    let history = read(text, &Reading::default());
    assert_eq!(history.skipped, 2);
    let [operation] = history.operations.as_slice() else {
        panic!("{history:?}");
    };
    assert_eq!(operation.ended, Ended::Ok);
    assert_eq!(operation.called.at.as_deref(), Some("13:50:19,120"));
    let returned = operation.returned.as_ref().expect("it ended");
    assert_eq!(
        (returned.line, returned.at.as_deref()),
        (3, Some("13:50:20.001"))
    );
}

#[test]
fn a_line_that_cannot_be_is_refused_with_its_number() {
    let cases: [(&[&str], &str); 9] = [
        (
            &["1 :invoke :write x"],
            "h.log:1: the value of this write cannot be read: \"x\"",
        ),
        (
            &["1 :invoke :cas [3 4"],
            "expected [old new], as in [3 4], or :timed-out",
        ),
        (&["1 :invoke :cas 3"], "the value does not fit a cas"),
        (
            &["1 :invoke :txn [[:r 3 nil]]"],
            "`:txn` is nothing that is judged here",
        ),
        (
            &["1 :ok :read 3"],
            "process 1 ends a read that it never called",
        ),
        (
            &["1 :invoke :read nil", "1 :invoke :read nil"],
            "h.log:2: process 1 calls again although its call of line 1",
        ),
        (
            &["1 :invoke :write 3", "1 :ok :write 4"],
            "not the end of what process 1 called in line 1",
        ),
        (
            &["1 :invoke :read nil", "1 :ok :read :timed-out"],
            "cannot have ended :ok and timed out",
        ),
        (
            &["nothing", "at all"],
            "h.log: there is no operation in its 2 lines",
        ),
    ];
    for (lines, expected) in cases {
        let said = complaint(&lines.join("\n"));
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_plain_register_refuses_a_cas() {
    let reading = Reading {
        model: Some(RegisterModel::Register),
        ..Reading::default()
    };
    let refused = RegisterHistory::parse("1 :invoke :cas [3 4]", &reading, "h.log");
    let Err(HistoryTextError::Line { reason, .. }) = refused else {
        panic!("was read");
    };
    assert!(reason.contains("--model cas-register"), "{reason}");
}

#[test]
fn what_is_nearly_a_line_of_a_process_is_refused_and_never_passed_over() {
    // Any of these may be the line that convicts.
    let cases = [
        (
            "1 :okk :write 1",
            "`:okk` is nothing that happens to a call",
        ),
        (
            "1 :invok :read nil",
            "expected :invoke, :ok, :fail or :info",
        ),
        ("0: :invoke :write 1", "`0:` is no process"),
        ("-0 :invoke :write 1", "`-0` is no process"),
        ("-1 :invoke :write 1", "expected a number from 0 on"),
        ("INFO jepsen.util - :ok :read 1", "`-` is no process"),
        (
            "INFO jepsen.util :read 1",
            "does not say what happened to it",
        ),
        ("1 :invoke write 1", "not what was called"),
        (
            "{:process 0, :type :ok, :f :read, :value 1}",
            "as EDN writes it",
        ),
        ("99999999999999999999 :invoke :write 1", "is no process"),
    ];
    for (line, expected) in cases {
        let said = complaint(&format!("0 :invoke :write 1\n{line}\n0 :ok :write 1\n"));
        assert!(
            said.starts_with("h.log:2: ") && said.contains(expected),
            "{line}: {said}"
        );
    }
}

#[test]
fn a_byte_order_mark_is_dropped() {
    let text = "\u{feff}0 :invoke :write 1\n1 :invoke :read nil\n1 :ok :read 1\n";
    let history = read(text, &Reading::default());
    assert_eq!((history.operations.len(), history.skipped), (2, 0));
    let record = judge(&history, Effort::of_steps(STEPS_MAX));
    assert_eq!(record.verdict, Verdict::Valid, "{}", record.sentence);
}

/// The same history, as Jepsen writes it in each form.
fn forms(saw: &str) -> Vec<String> {
    let events = [
        ("0", "invoke", "write", "3"),
        ("0", "ok", "write", "3"),
        (":nemesis", "info", "start", "nil"),
        ("1", "invoke", "read", "nil"),
        ("1", "ok", "read", saw),
    ];
    let edn = events.map(|(process, kind, call, value)| {
        format!(
            "{{:type :{kind}, :f :{call}, :value {value}, :process {process}, :time 12, :index 0}}"
        )
    });
    let json = events.map(|(process, kind, call, value)| {
        let process = process
            .strip_prefix(':')
            .map_or(process.to_owned(), |it| format!("\"{it}\""));
        let value = if value == "nil" { "null" } else { value };
        format!("{{\"type\":\"{kind}\",\"f\":\"{call}\",\"value\":{value},\"process\":{process}}}")
    });
    let lines = events.map(|(process, kind, call, value)| {
        format!("INFO  jepsen.util - {process}\t:{kind}\t:{call}\t{value}")
    });
    let tagged = edn
        .clone()
        .map(|event| format!("#jepsen.history.Op{event}"));
    vec![
        lines.join("\n"),
        edn.join("\n"),
        format!("[{}]", edn.join("\n ")),
        format!("; a comment\n[{}]\n", tagged.join(", ")),
        tagged.join("\n"),
        json.join("\n"),
        format!("[{}]", json.join(",\n")),
    ]
}

#[test]
fn a_history_is_the_same_however_it_is_written() {
    for (saw, expected) in [("3", Verdict::Valid), ("4", Verdict::Invalid)] {
        for text in forms(saw) {
            let history = read(&text, &Reading::default());
            assert_eq!(
                (history.operations.len(), history.skipped),
                (2, 1),
                "{text}"
            );
            let record = judge(&history, Effort::of_steps(STEPS_MAX));
            assert_eq!(record.verdict, expected, "{text}: {}", record.sentence);
        }
    }
}

#[test]
fn events_that_cannot_be_are_refused_with_their_lines() {
    let cases = [
        (
            "{:process 0 :type :okk :f :read :value 1}",
            "h.log:1: `:okk` is nothing that happens",
        ),
        (
            "{:process -1 :type :ok :f :read :value 1}",
            "h.log:1: `-1` is no process",
        ),
        (
            "{:type :ok :f :read :value 1}",
            "h.log:1: this event has no :process",
        ),
        (
            "{:process 0 :type :invoke :f :txn :value []}",
            "`:txn` is nothing that is judged here",
        ),
        (
            "\n\n{:process 0 :type :ok",
            "h.log:3: the `{` of line 3 is never closed",
        ),
        (
            "[{:process 0 :type :invoke :f :read :value nil}",
            "the vector that begins here is never closed",
        ),
        ("[{:process 0 :type :invoke :f :read} 7]", "7 is no map"),
    ];
    for (text, expected) in cases {
        let said = complaint(text);
        assert!(said.contains(expected), "{text}: {said}");
    }
}

#[test]
fn each_key_is_judged_by_itself_and_the_broken_one_is_named() {
    let lines = |saw: &str| {
        format!(
            "0 :invoke :write [3 1]\n1 :invoke :write [4 2]\n0 :ok :write [3 1]\n1 :ok :write [4 2]\n\
             0 :invoke :cas [3 [1 5]]\n0 :ok :cas [3 [1 5]]\n2 :invoke :read [4 nil]\n2 :ok :read [4 {saw}]\n\
             0 :invoke :read [3 nil]\n0 :info :read :timed-out\n"
        )
    };
    let (verdict, sentence) = judged(&lines("2"), &Reading::default());
    assert_eq!(verdict, Verdict::Valid, "{sentence}");
    assert!(sentence.contains("for each of its 2 keys"), "{sentence}");
    let (verdict, sentence) = judged(&lines("nil"), &Reading::default());
    assert_eq!(verdict, Verdict::Invalid, "{sentence}");
    assert!(
        sentence.starts_with("key 4: not linearizable: process 2 read nil"),
        "{sentence}"
    );
    // What was written under one key is not there under another.
    let (verdict, sentence) = judged(&lines("5"), &Reading::default());
    assert_eq!(verdict, Verdict::Invalid, "{sentence}");
    let said = complaint("0 :invoke :write [3 1]\n0 :ok :write [3 1]\n0 :invoke :write 7\n");
    assert!(
        said.contains("h.log:3: the value of this write is 7"),
        "{said}"
    );
}

#[test]
fn the_two_conventions_differ_in_failed_cas_and_in_nil() {
    let under = |text: &str, convention| {
        let reading = Reading {
            convention: Some(convention),
            ..Reading::default()
        };
        judged(text, &reading).0
    };
    let cas = "0 :invoke :write 3\n0 :ok :write 3\n1 :invoke :cas [3 4]\n1 :fail :cas [3 4]\n";
    let nil = "0 :invoke :write 3\n0 :ok :write 3\n1 :invoke :read nil\n1 :ok :read nil\n";
    for text in [cas, nil] {
        assert_eq!(under(text, Convention::Knossos), Verdict::Valid);
        assert_eq!(under(text, Convention::Porcupine), Verdict::Invalid);
        assert_eq!(judged(text, &Reading::default()).0, Verdict::Invalid);
    }
}

#[test]
fn a_register_may_hold_something_at_first_and_values_may_be_texts() {
    let from = |initial: &str| Reading {
        initial: Some(initial.to_owned()),
        ..Reading::default()
    };
    let text = "0 :invoke :read nil\n0 :ok :read \"a\"\n0 :invoke :cas [\"a\" :b]\n0 :ok :cas [\"a\" :b]\n";
    assert_eq!(judged(text, &from("\"a\"")).0, Verdict::Valid);
    assert_eq!(judged(text, &from("0")).0, Verdict::Invalid);
    assert_eq!(judged(text, &Reading::default()).0, Verdict::Invalid);
    let refused = RegisterHistory::parse(text, &from("[1"), "h.log");
    assert!(matches!(refused, Err(HistoryTextError::Initial { .. })));
}

#[test]
fn a_mutex_is_held_by_one_at_a_time() {
    let edn = |second: &str| {
        format!(
            "{{:process 0 :type :invoke :f :acquire :value nil}}\n\
             {{:process 0 :type :ok :f :acquire :value nil}}\n\
             {{:process 1 :type :invoke :f :acquire :value nil}}\n\
             {{:process 1 :type :{second} :f :acquire :value nil}}\n\
             {{:process 0 :type :invoke :f :release :value nil}}\n\
             {{:process 0 :type :ok :f :release :value nil}}\n"
        )
    };
    for second in ["fail", "info"] {
        assert_eq!(judged(&edn(second), &Reading::default()).0, Verdict::Valid);
    }
    let (verdict, sentence) = judged(&edn("ok"), &Reading::default());
    assert_eq!(verdict, Verdict::Invalid);
    assert!(
        sentence.contains("process 1 acquired it (line 4)"),
        "{sentence}"
    );
    assert!(sentence.contains("the mutex was held"), "{sentence}");
}

#[test]
fn texts_under_keys_are_put_got_and_appended_to() {
    let edn = |saw: &str| {
        format!(
            "{{:process 0, :type :invoke, :f :put, :key \"1\", :value \"x\"}}\n\
             {{:process 0, :type :ok, :f :put, :key \"1\", :value \"x\"}}\n\
             {{:process 1, :type :invoke, :f :append, :key \"1\", :value \"y\"}}\n\
             {{:process 2, :type :invoke, :f :get, :key \"1\", :value nil}}\n\
             {{:process 2, :type :ok, :f :get, :key \"1\", :value \"{saw}\"}}\n\
             {{:process 1, :type :ok, :f :append, :key \"1\", :value \"y\"}}\n\
             {{:process 0, :type :invoke, :f :get, :key \"2\", :value nil}}\n\
             {{:process 0, :type :ok, :f :get, :key \"2\", :value \"\"}}\n"
        )
    };
    for saw in ["x", "xy"] {
        assert_eq!(
            judged(&edn(saw), &Reading::default()).0,
            Verdict::Valid,
            "{saw}"
        );
    }
    let (verdict, sentence) = judged(&edn("yx"), &Reading::default());
    assert_eq!(verdict, Verdict::Invalid);
    assert!(
        sentence.starts_with("key \"1\": not linearizable"),
        "{sentence}"
    );
}

#[test]
fn a_read_of_what_nobody_wrote_is_found_at_once_whatever_else_is_open() {
    let mut lines: Vec<String> = (0..60)
        .map(|at| format!("{at} :invoke :write {at}"))
        .collect();
    lines.push("99 :invoke :read nil".to_owned());
    lines.push("99 :ok :read 777".to_owned());
    let history = read(&lines.join("\n"), &Reading::default());
    let record = judge(&history, Effort::of_steps(10));
    assert_eq!(record.verdict, Verdict::Invalid, "{}", record.sentence);
    assert!(
        record.sentence.contains("process 99 read 777 (line 62)"),
        "{}",
        record.sentence
    );
    // Nor has it been written before the write was called.
    lines.push("98 :invoke :write 777".to_owned());
    let history = read(&lines.join("\n"), &Reading::default());
    assert_eq!(
        judge(&history, Effort::of_steps(10)).verdict,
        Verdict::Invalid
    );
}
