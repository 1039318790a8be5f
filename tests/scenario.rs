//! The scenarios that come with the program.

use std::{fs, path::PathBuf};

use loadgen::{
    plan::{Plan, PlanOptions},
    scenario::Scenario,
};

use crate::program::{run, text};

fn scenarios() -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir("scenarios")
        .expect("scenarios come with the program")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn every_scenario_plans_and_is_named_like_its_file() {
    let files = scenarios();
    assert!(3 <= files.len(), "{files:?}");
    for file in files {
        let scenario = Scenario::load(&file).unwrap_or_else(|error| panic!("{error}"));
        let name = file
            .file_stem()
            .expect("files have names")
            .to_string_lossy();
        assert_eq!(scenario.name, name);
        let options = PlanOptions {
            seed: None,
            time_scale: 1.0,
            rate_scale: 1.0,
        };
        let plan = Plan::new(&scenario, &options).unwrap_or_else(|error| panic!("{error}"));
        let said = run(&["plan", text(&file)]).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.out.contains(&plan.hash()), "{}", said.out);
    }
}
