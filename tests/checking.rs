//! `stampede check`: verdicts and exit codes, on histories of other tools and on runs of our own.

use std::{fs, path::Path};

use reports::record::{LawRecord, RunRecord, Verdict};
use tempfile::tempdir;

use crate::{
    mistakes::write,
    program::{TURN, only_run, record_of, run, run_load, text},
};

const RIGHT: &str = "INFO  jepsen.util - 0\t:invoke\t:write\t3\n\
    INFO  jepsen.util - 1\t:invoke\t:cas\t[3 4]\n\
    INFO  jepsen.util - 0\t:ok\t:write\t3\n\
    INFO  jepsen.util - 1\t:info\t:cas\t:timed-out\n\
    INFO  jepsen.util - :nemesis\t:info\t:start\tnil\n\
    INFO  jepsen.util - 2\t:invoke\t:read\tnil\n\
    INFO  jepsen.util - 2\t:ok\t:read\t4\n";

const WRONG: &str = "INFO  jepsen.util - 0\t:invoke\t:write\t3\n\
    INFO  jepsen.util - 0\t:ok\t:write\t3\n\
    INFO  jepsen.util - 2\t:invoke\t:read\tnil\n\
    INFO  jepsen.util - 2\t:ok\t:read\t<5>\n";

/// What is said of a run whose verdicts are all the same when it is judged again.
const SAME: &str = "every verdict and every count is the run's own";

/// A race for bookings.
const RACE: &str = r#"
name = "again"
[world]
users   = 40
agendas = 2
days    = 1
slots   = 6
[server]
password_cost = "test"
[[phase]]
name     = "race"
duration = "1s"
load     = [{ flow = "churn", clients = 12, think = "exp(5ms)" }]
[flow.churn]
steps = [
  { reserve = { agenda = "uniform", day = 0, slot = "uniform" }, save = "booking" },
  { cancel = { booking = "$booking" } },
]
[require]
laws = ["no-double-booking", "session-order", "idempotent-answers", "linearizable"]
"#;

#[tokio::test]
async fn a_register_history_gets_a_verdict_and_an_exit_code() {
    let dir = tempdir().expect("a directory");
    let right = write(dir.path(), "right.log", RIGHT);
    let said = run(&["check", &right]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.starts_with("VALID  "), "{}", said.out);
    let words: Vec<&str> = said.out.split_whitespace().collect();
    assert!(words.join(" ").contains("1 line skipped"), "{}", said.out);

    let wrong = write(dir.path(), "wrong.log", &WRONG.replace("<5>", "5"));
    let page = dir.path().join("wrong.html");
    let said = run(&["check", &wrong, "--html", text(&page)]).await;
    assert_eq!(said.code, Some(11), "{said:?}");
    assert!(said.out.starts_with("INVALID  "), "{}", said.out);
    for word in [
        "process 2 read 5 (line 4)",
        "held 3",
        "longest linearizable prefix",
    ] {
        let flat = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(word), "{word:?} is not said: {}", said.out);
    }
    let page = fs::read_to_string(page).expect("the page is left");
    assert!(page.contains("class=\"bar stuck\""), "{page}");
    for outside in ["http://", "https://", "src="] {
        assert!(!page.contains(outside), "the page needs nothing else");
    }
}

#[tokio::test]
async fn several_histories_get_a_line_each_and_the_worst_exit_code() {
    let dir = tempdir().expect("a directory");
    let right = write(dir.path(), "right.log", RIGHT);
    let wrong = write(dir.path(), "wrong.log", &WRONG.replace("<5>", "5"));
    let pages = dir.path().join("pages");
    let said = run(&["check", &right, &wrong, &right, "--html", text(&pages)]).await;
    assert_eq!(said.code, Some(11), "{said:?}");
    assert_eq!(said.out.lines().count(), 3, "{}", said.out);
    let pages = fs::read_dir(pages).expect("the pages are left");
    assert_eq!(pages.count(), 2);
    let broken = write(dir.path(), "broken.log", WRONG);
    let said = run(&["check", &broken, &right]).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.out.contains("broken.log:4: the value of this read"),
        "{}",
        said.out
    );
}

#[tokio::test]
async fn what_is_no_history_is_refused_with_its_name_and_a_way_on() {
    let dir = tempdir().expect("a directory");
    let missing = dir.path().join("missing.log");
    let binary = dir.path().join("binary.log");
    fs::write(&binary, [b'a', 0xff]).expect("the directory is writable");
    let empty = write(dir.path(), "empty.log", "");
    let cas = write(dir.path(), "cas.log", RIGHT);
    let cases: [(&[&str], &str); 5] = [
        (&[text(&missing)], "missing.log: No such file"),
        (&[text(&binary)], "byte 1 is no UTF-8"),
        (&[&empty], "there is no operation in its 0 lines"),
        (
            &[&cas, "--model", "register"],
            "cas.log:2: a plain register knows no :cas",
        ),
        (&[text(dir.path())], "history.bin"),
    ];
    for (args, expected) in cases {
        let said = run(&[&["check"], args].concat()).await;
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains(expected), "{said:?}");
    }
}

#[tokio::test]
async fn a_run_that_is_judged_again_gets_its_own_verdict_and_counts() {
    let dir = tempdir().expect("a directory");
    let out = dir.path().join("runs");
    let scenario = write(dir.path(), "again.toml", RACE);
    let _said = run_load(&["run", &scenario, "--quiet"], &out, 0).await;
    let kept = only_run(&out);

    let said = run(&["check", text(&kept)]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains(SAME), "{}", said.out);
    for law in [
        "no-double-booking",
        "linearizable",
        "durable-acks",
        "log-chained",
        "model-agrees",
        "replay-determinism",
    ] {
        assert!(
            said.out.contains(&format!("✓ {law}: ")),
            "{law}: {}",
            said.out
        );
    }

    // What was required and cannot be judged again is not known to be kept; what the run's own record
    // calls broken is said, and never valid.
    let json = fs::read_to_string(kept.join("run.json")).expect("a record");
    let mut record = record_of(&kept);
    let law = |record: &mut RunRecord, name: &str, change: fn(&mut LawRecord)| {
        let found = record.laws.iter_mut().find(|law| law.name == name);
        change(found.expect("the law is in the record"));
    };
    law(&mut record, "model-agrees", |law| {
        (law.required, law.name) = (true, "everybody-has-it".to_owned());
    });
    write_record(&kept, &record);
    let said = run(&["check", text(&kept)]).await;
    assert_eq!(said.code, Some(12), "{said:?}");
    assert!(said.out.starts_with("UNKNOWN  "), "{}", said.out);
    let words = "law `everybody-has-it` was required and cannot be judged again";
    assert!(flat(&said.out).contains(words), "{}", said.out);
    fs::write(kept.join("run.json"), &json).expect("the directory is writable");
    for name in ["model-agrees", "real-time-order"] {
        let mut record = record_of(&kept);
        law(&mut record, name, |law| {
            (law.verdict, law.violation_count) = (Verdict::Invalid, 38);
        });
        write_record(&kept, &record);
        let said = run(&["check", text(&kept)]).await;
        assert_eq!(said.code, Some(12), "{said:?}");
        let words = format!("own record says that law `{name}` was broken 38 times");
        assert!(flat(&said.out).contains(&words), "{}", said.out);
    }
    fs::write(kept.join("run.json"), json).expect("the directory is writable");

    // Without its log less can be said, and that is said.
    fs::remove_dir_all(kept.join("log")).expect("the log is there");
    let said = run(&["check", text(&kept.join("history.bin"))]).await;
    assert_eq!(said.code, Some(12), "{said:?}");
    assert!(
        flat(&said.out).contains("the run's log is not there"),
        "{}",
        said.out
    );
    assert!(
        flat(&said.out).contains("it needs the log: give the run's data directory with --log"),
        "{}",
        said.out
    );
    assert!(record_of(&kept).laws.len() > 5);
}

/// People who book, talk, come and go, and have themselves erased: every law there is has something to
/// look at, and says again what it said. Of this scenario nobody searches.
#[tokio::test]
async fn every_law_of_a_run_of_every_system_is_judged_again() {
    let dir = tempdir().expect("a directory");
    let record = judge_again(&["scenarios/erase-me.toml"], dir.path(), 0).await;
    for law in [
        "no-lost-message",
        "watermarks-rise",
        "presence-accurate",
        "favourites-listed",
        "sales-agree",
        "erasure-complete",
    ] {
        let found = record.laws.iter().find(|found| found.name == law);
        let verdict = found.map(|found| found.verdict);
        assert_eq!(verdict, Some(Verdict::Valid), "{law}");
    }
}

#[cfg(feature = "planted-bugs")]
#[tokio::test]
async fn what_a_run_calls_broken_is_broken_when_it_is_judged_again() {
    for (scenario, bug, law) in [
        ("planted", "double-booking", "no-double-booking"),
        ("planted", "wrong-hash", "durable-acks"),
        ("planted-talk", "holed-page", "no-gap"),
        ("planted-trade", "falling-total", "sales-monotone"),
        ("erase-me", "wiped-words", "erasure-complete"),
    ] {
        let dir = tempdir().expect("a directory");
        let file = format!("scenarios/{scenario}.toml");
        let args = [file.as_str(), "--planted-bug", bug];
        let record = judge_again(&args, dir.path(), 11).await;
        let found = record.laws.iter().find(|found| found.name == law);
        let verdict = found.map(|found| found.verdict);
        assert_eq!(verdict, Some(Verdict::Invalid), "{bug}");
    }
}

/// Runs a scenario and judges it again, which must come to the run's own verdicts and to this code.
async fn judge_again(args: &[&str], dir: &Path, code: i32) -> RunRecord {
    let turn = TURN.lock().await;
    let args = [&["run"], args, &["--quiet", "--out", text(dir)]].concat();
    let said = run(&args).await;
    drop(turn);
    // A generator that had to wait for its processor takes nothing from what the laws say.
    assert!(matches!(said.code, Some(0 | 11 | 12)), "{said:?}");
    let kept = only_run(dir);
    let said = run(&["check", text(&kept)]).await;
    assert_eq!(said.code, Some(code), "{said:?}");
    assert!(said.out.contains(SAME), "{}", said.out);
    assert!(
        flat(&said.out).contains("of the log, 0 not judged"),
        "{}",
        said.out
    );
    record_of(&kept)
}

/// What Jepsen leaves in its store, with keys, and a history of Knossos's that is right by its
/// convention alone.
#[tokio::test]
async fn what_jepsen_and_knossos_leave_is_read() {
    let event = |process: &str, kind: &str, call: &str, value: &str| {
        format!(
            "{{:type :{kind}, :f :{call}, :value {value}, :process {process}, :time 5, :index 0}}\n"
        )
    };
    let keyed = |saw: &str| {
        [
            event("0", "invoke", "write", "[3 1]"),
            event("0", "ok", "write", "[3 1]"),
            event(":nemesis", "info", "start", "nil"),
            event("1", "invoke", "read", "[4 nil]"),
            event("1", "ok", "read", &format!("[4 {saw}]")),
        ]
        .concat()
    };
    let dir = tempdir().expect("a directory");
    let right = write(dir.path(), "right.edn", &keyed("nil"));
    let wrong = write(dir.path(), "wrong.edn", &format!("[{}]", keyed("1")));
    let said = run(&["check", &right]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        flat(&said.out).contains("for each of its 2 keys"),
        "{}",
        said.out
    );
    let said = run(&["check", &wrong]).await;
    assert_eq!(said.code, Some(11), "{said:?}");
    assert!(
        flat(&said.out).contains("key 4: not linearizable: process 1 read 1"),
        "{}",
        said.out
    );

    let failed = [
        event("0", "invoke", "cas", "[0 1]"),
        event("0", "fail", "cas", "[0 1]"),
    ];
    let failed = write(dir.path(), "failed.edn", &failed.concat());
    for (args, code) in [
        (&["--initial", "0"][..], 0),
        (&["--initial", "0", "--convention", "porcupine"], 11),
        (&["--initial", "[1"], 2),
        (&["--model", "mutex"], 2),
    ] {
        let said = run(&[&["check", failed.as_str()], args].concat()).await;
        assert_eq!(said.code, Some(code), "{args:?}: {said:?}");
    }
    let misspelt = write(
        dir.path(),
        "misspelt.log",
        "1 :invoke :write 1\n1 :okk :write 1\n",
    );
    let said = run(&["check", &misspelt]).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("misspelt.log:2: `:okk`"), "{said:?}");
}

#[tokio::test]
async fn more_may_be_spent_on_a_history_that_was_not_decided() {
    // Five writes that nobody heard the end of, each with a value that is read, in an order that
    // needs looking for.
    let mut lines = String::new();
    for process in 0..5 {
        lines.push_str(&format!("{process} :invoke :write {process}\n"));
    }
    for value in [3, 1, 4, 0, 2] {
        lines.push_str(&format!("9 :invoke :read nil\n9 :ok :read {value}\n"));
    }
    let dir = tempdir().expect("a directory");
    let history = write(dir.path(), "open.log", &lines);
    let said = run(&["check", &history, "--max-steps", "3"]).await;
    assert_eq!(said.code, Some(12), "{said:?}");
    assert!(flat(&said.out).contains("--max-steps"), "{}", said.out);
    let said = run(&["check", &history]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
}

/// Without the line breaks of a terminal.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn write_record(dir: &Path, record: &RunRecord) {
    let json = serde_json::to_string(record).expect("a record is JSON");
    fs::write(dir.join("run.json"), json).expect("the directory is writable");
}

/// Histories of others with known verdicts, where somebody has them: `verdicts.tsv` names them.
#[tokio::test]
async fn histories_of_others_get_their_known_verdicts() {
    let Some(dir) = std::env::var_os("STAMPEDE_HISTORIES") else {
        println!("!!! NOT TESTED: STAMPEDE_HISTORIES names no folder of known histories");
        return;
    };
    let dir = Path::new(&dir);
    let verdicts = fs::read_to_string(dir.join("verdicts.tsv")).expect("the verdicts are there");
    for line in verdicts.lines().skip(1) {
        let [name, _model, expected] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("three columns in {line:?}");
        };
        let said = run(&["check", text(&dir.join(name))]).await;
        let code = if expected == "linearizable" { 0 } else { 11 };
        assert_eq!(said.code, Some(code), "{name}: {said:?}");
    }
}
