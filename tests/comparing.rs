//! `stampede compare` on the files of a real run: what it takes, what it refuses, how it ends.

use std::fs;

use crate::program::{only_run, run, run_load, text};

/// A run of the smoke scenario, and the directory it left.
async fn smoke(out: &std::path::Path) -> String {
    run_load(&["run", "scenarios/smoke.toml"], out, 0).await;
    text(&only_run(out)).to_owned()
}

#[tokio::test]
async fn runs_are_compared_as_they_were_left_and_refused_with_what_to_do() {
    let scratch = tempfile::tempdir().expect("a temporary directory can be made");
    let one = smoke(&scratch.path().join("runs")).await;
    let one = one.as_str();
    let page = scratch.path().join("page.html");
    let html = format!("--html={}", text(&page));

    let same = run(&["compare", one, one, &html, "--", one, one]).await;
    assert_eq!(same.code, Some(0), "{same:?}");
    assert!(
        same.out.starts_with("NO REGRESSION SEEN  smoke: of "),
        "{}",
        same.out
    );
    assert!(
        same.out.contains("reserve") && same.out.contains("service p50"),
        "{}",
        same.out
    );
    let page = fs::read_to_string(&page).expect("it was asked for");
    assert!(page.contains("<title>No regression seen: smoke</title>"));

    let json = run(&["compare", one, one, "--json", "-", "--", one]).await;
    assert_eq!(json.code, Some(0), "{json:?}");
    let json: serde_json::Value = serde_json::from_str(&json.out).expect("nothing but JSON");
    assert_eq!(json["conclusion"], "no-regression");

    for (args, told) in [
        (vec!["compare", one, one], "compare several runs a side"),
        (vec!["compare", one], "give two runs (stampede compare A B)"),
        (
            vec!["compare", one, "nowhere"],
            "nowhere is no run: there is no run.json",
        ),
        (
            vec!["compare", one, one, "--min-effect", "much"],
            "give a number of percent",
        ),
    ] {
        let said = run(&args).await;
        assert_eq!(said.code, Some(2), "{args:?}: {said:?}");
        assert!(said.err.contains(told), "{args:?}: {}", said.err);
    }
}

#[tokio::test]
async fn a_run_without_its_seconds_is_refused() {
    let scratch = tempfile::tempdir().expect("a temporary directory can be made");
    fs::write(scratch.path().join("run.json"), "{}").expect("it can be written");
    let dir = text(scratch.path());
    let said = run(&["compare", dir, dir]).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("has no operations.hlog"), "{}", said.err);
    fs::write(scratch.path().join("operations.hlog"), "").expect("it can be written");
    let said = run(&["compare", dir, dir]).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.err.contains("run.json: this is not a run record"),
        "{}",
        said.err
    );
}
