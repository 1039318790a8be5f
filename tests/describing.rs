//! What the program says about itself is true of it.

use std::{fs, path::PathBuf};

use crate::program::run;

/// Where editors look for it, beside the scenarios.
const SCHEMA: &str = "scenarios/scenario.schema.json";
/// The line by which an editor finds it: the first of each scenario.
const SCHEMA_LINE: &str = "#:schema scenario.schema.json";

/// With `UPDATE_SCHEMA=1` in the environment the committed schema is written anew.
#[tokio::test]
async fn the_committed_schema_of_scenarios_is_current() {
    let said = run(&["schema"]).await;
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(SCHEMA, &said.out).expect("the source tree is writable");
    }
    let committed = fs::read_to_string(SCHEMA).expect("it is committed");
    assert_eq!(
        committed, said.out,
        "run `UPDATE_SCHEMA=1 cargo test the_committed_schema`"
    );
    assert_eq!(run(&["schema", "scenario"]).await.out, said.out);
}

#[tokio::test]
async fn the_committed_schema_of_records_is_what_is_printed() {
    let said = run(&["schema", "run"]).await;
    assert_eq!(said.out, include_str!("../reports/schema/run.schema.json"));
}

#[tokio::test]
async fn the_schema_of_the_protocol_is_that_of_the_library() {
    let said = run(&["schema", "protocol"]).await;
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    let printed: serde_json::Value = serde_json::from_str(&said.out).expect("it is JSON");
    assert_eq!(printed, protocol::describe::Protocol::new().to_json());
}

fn scenarios() -> Vec<PathBuf> {
    let entries = fs::read_dir("scenarios").expect("the scenarios ship with the sources");
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    paths
        .filter(|path| path.extension().is_some_and(|it| it == "toml"))
        .collect()
}

#[test]
fn every_scenario_names_its_schema_and_obeys_it() {
    let schema = fs::read_to_string(SCHEMA).expect("it is committed");
    let schema = serde_json::from_str(&schema).expect("it is JSON");
    let validator = jsonschema::validator_for(&schema).expect("it is a schema");
    assert!(!scenarios().is_empty());
    for path in scenarios() {
        let text = fs::read_to_string(&path).expect("it can be read");
        assert_eq!(text.lines().next(), Some(SCHEMA_LINE), "{}", path.display());
        let scenario: serde_json::Value = toml::from_str(&text).expect("it is TOML");
        let faults: Vec<_> = validator
            .iter_errors(&scenario)
            .map(|fault| format!("{}: {fault}", fault.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{}: {faults:#?}", path.display());
        let mut misspelt = scenario;
        misspelt["wrold"] = misspelt["world"].take();
        assert!(!validator.is_valid(&misspelt), "{}", path.display());
    }
}

#[tokio::test]
async fn completions_know_every_command_in_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let said = run(&["completions", shell]).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        for word in ["run", "plan", "serve", "show", "schema", "rate-scale"] {
            assert!(said.out.contains(word), "{shell} does not complete {word}");
        }
    }
    let said = run(&["completions", "tcsh"]).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("possible values: bash"), "{said:?}");
}

#[tokio::test]
async fn every_command_has_a_page_in_the_manual() {
    let said = run(&["man"]).await;
    assert!(said.out.contains(".TH stampede 1"), "{}", said.out);
    for page in [&["run"][..], &["log", "verify"], &["show"], &["man"]] {
        let said = run(&[&["man"][..], page].concat()).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        let title = format!(".TH stampede-{} 1", page.join("-"));
        assert!(said.out.contains(&title), "{title}: {}", said.out);
    }
    let said = run(&["man", "rum"]).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("there is no command `rum`"), "{said:?}");
    assert!(said.err.contains("run, plan, serve"), "{said:?}");
}
