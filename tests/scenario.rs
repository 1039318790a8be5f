//! The scenarios that come with the program, and the commands that its pages name.

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

/// Every `stampede WORD` that a page tells people to type, and every `cargo run -- WORD`.
fn commands_named_in(page: &str) -> Vec<String> {
    page.lines()
        .map(|line| line.trim_start().trim_start_matches("$ "))
        .filter_map(|line| match line.strip_prefix("cargo run ") {
            Some(rest) => rest.split_once("-- ").map(|(_options, rest)| rest),
            None => line.strip_prefix("stampede "),
        })
        .filter_map(|rest| rest.split_whitespace().next())
        .filter(|word| word.chars().all(|letter| letter.is_ascii_lowercase()))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn every_command_that_a_page_names_is_in_the_help() {
    let help = run(&["--help"]).await;
    assert_eq!(help.code, Some(0), "{help:?}");
    let is_listed = |command: &str| {
        let mut words = help
            .out
            .lines()
            .filter_map(|line| line.split_whitespace().next());
        words.any(|word| word == command)
    };
    let pages = ["README.md", "scenarios/README.md"].map(PathBuf::from);
    let named: Vec<String> = pages
        .iter()
        .filter_map(|page| fs::read_to_string(page).ok())
        .flat_map(|page| commands_named_in(&page))
        .collect();
    assert!(named.iter().any(|command| command == "run"), "{named:?}");
    for command in named
        .iter()
        .map(String::as_str)
        .chain(["run", "plan", "serve", "log"])
    {
        assert!(is_listed(command), "`{command}` is not in: {}", help.out);
    }
}
