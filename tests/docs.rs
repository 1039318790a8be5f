//! The documents: every link leads somewhere, every command they name exists, and they stay short.
//!
//! The pages of the checkout go in. What the README shows of a run is held against the plan of the
//! scenario that it names; figures that differ from run to run are not.

use std::{
    fs,
    path::{Path, PathBuf},
};

use loadgen::{
    plan::{Plan, PlanOptions},
    scenario::Scenario,
};

use crate::program::run;

const README_LINES_MAX: usize = 200;
const ARCHITECTURE_LINES_MAX: usize = 300;

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every page of the checkout, in order.
fn pages() -> Vec<PathBuf> {
    fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).expect("a readable directory") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|end| end == "md") {
                found.push(path);
            }
        }
    }
    let mut found: Vec<PathBuf> = fs::read_dir(".")
        .expect("the checkout")
        .map(|entry| entry.expect("a readable entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .collect();
    for room in ["docs", "protocol", "client", "scenarios", "reports"] {
        collect(Path::new(room), &mut found);
    }
    found.sort();
    found
}

/// What stands in the round brackets of `[text](target)`, code blocks left out.
fn links(page: &str) -> Vec<String> {
    let mut is_code = false;
    let mut found = Vec::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        if is_code {
            continue;
        }
        for part in line.split("](").skip(1) {
            let (target, _rest) = part.split_once(')').unwrap_or_default();
            found.push(target.to_owned());
        }
    }
    found
}

/// The anchor that a heading gets: letters, digits and hyphens, in small letters.
fn anchors(page: &str) -> Vec<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let text = line.trim_start_matches('#').trim().to_lowercase();
            let kept = text.chars().filter_map(|letter| match letter {
                ' ' => Some('-'),
                '-' | '_' => Some(letter),
                _ => letter.is_alphanumeric().then_some(letter),
            });
            kept.collect()
        })
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut dead = Vec::new();
    let mut looked_at = 0;
    for page in pages() {
        let text = read(&page);
        let dir = page.parent().expect("a page is in a directory");
        for link in links(&text) {
            if link.starts_with("http") {
                continue;
            }
            looked_at += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() {
                page.clone()
            } else {
                dir.join(file)
            };
            let leads = target.exists()
                && (anchor.is_empty() || anchors(&read(&target)).iter().any(|it| it == anchor));
            if !leads {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(30 < looked_at, "where are the links?");
    assert!(dead.is_empty(), "{}", dead.join("\n"));
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
    let named: Vec<String> = pages()
        .iter()
        .flat_map(|page| commands_named_in(&read(page)))
        .collect();
    for command in ["run", "plan", "serve", "log", "compare", "check"] {
        assert!(named.iter().any(|it| it == command), "{named:?}");
    }
    for command in named.iter().filter(|it| *it != "prove") {
        assert!(is_listed(command), "`{command}` is not in: {}", help.out);
    }
}

#[test]
fn what_everybody_reads_first_stays_short() {
    for (page, max) in [
        ("README.md", README_LINES_MAX),
        ("ARCHITECTURE.md", ARCHITECTURE_LINES_MAX),
    ] {
        let len = read(Path::new(page)).lines().count();
        assert!(len <= max, "{page} has {len} lines, {max} are the most");
    }
}

#[test]
fn the_readme_shows_the_plan_that_its_scenario_has() {
    let scenario = Scenario::load(Path::new("scenarios/booking-race.toml")).expect("it is right");
    let options = PlanOptions {
        seed: None,
        time_scale: 1.0,
        rate_scale: 1.0,
    };
    let plan = Plan::new(&scenario, &options).expect("it can be planned");
    let shown = format!("plan {}", &plan.hash()[..16]);
    assert!(
        read(Path::new("README.md")).contains(&shown),
        "README.md does not show `{shown}`"
    );
}
