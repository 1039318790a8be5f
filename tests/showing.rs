//! A run that is over is shown once more, from wherever it is named.

use std::fs;

use reports::record::RunRecord;
use tempfile::tempdir;

use crate::{
    mistakes::{TINY, write},
    program::{only_run, run, run_load, text},
};

#[tokio::test]
async fn a_run_is_shown_as_it_was_when_it_ended() {
    let dir = tempdir().expect("a directory");
    let scenario = write(dir.path(), "tiny.toml", TINY);
    let out = dir.path().join("runs");
    let then = run_load(&["run", &scenario], &out, 0).await.out;
    let (then, _beside) = then.trim_end().rsplit_once('\n').expect("several lines");
    let kept = only_run(&out);
    let record = kept.join("run.json");
    for args in [
        vec!["show", text(&kept)],
        vec!["show", text(&record)],
        vec!["show", "--out", text(&out)],
    ] {
        let said = run(&args).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        assert_eq!(said.out.trim_end(), then, "{args:?}");
    }
    let said = run(&["show", text(&kept), "--json", "-"]).await;
    RunRecord::read(&said.out).expect("the record");
}

#[tokio::test]
async fn what_is_no_run_is_refused_with_its_reason() {
    let dir = tempdir().expect("a directory");
    let newer = dir.path().join("newer.json");
    fs::write(&newer, r#"{"version": 99}"#).expect("it can be written");
    let damaged = dir.path().join("damaged.json");
    fs::write(&damaged, "{\"version\": 1, \"phases\"").expect("it can be written");
    let nowhere = dir.path().join("nowhere");
    for (args, words) in [
        (vec![text(&nowhere)], "No such file"),
        (vec![text(dir.path())], "run.json: No such file"),
        (vec![text(&newer)], "was recorded in layout 99"),
        (vec![text(&damaged)], "this is not a run record"),
        (vec!["--out", text(&nowhere)], "there is no finished run in"),
        (
            vec!["--out", text(dir.path())],
            "there is no finished run in",
        ),
    ] {
        let said = run(&[&["show"][..], &args].concat()).await;
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains(words), "{words}: {said:?}");
        assert_eq!(said.out, "");
    }
}
