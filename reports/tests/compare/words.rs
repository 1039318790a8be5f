//! What is said of a comparison: on a terminal, on a page, in JSON.

use reports::compare::{Comparison, StoredRun, comparison_schema_json};
use reports::render::{Style, comparison_html, comparison_terminal};

use super::{Weather, run};

fn named(name: &str, weather: Weather, seed: u64) -> StoredRun {
    let mut run = run(weather, seed);
    name.clone_into(&mut run.name);
    run
}

fn regression() -> Comparison {
    let slower = Weather {
        slower: 1.2,
        ..Weather::CALM
    };
    let base = [1, 2, 3].map(|seed| named("before", Weather::CALM, seed));
    let new = [4, 5, 6].map(|seed| named("after", slower, seed));
    Comparison::of(&base, &new, 0.05).expect("comparable")
}

fn noise() -> Comparison {
    let gusty = Weather {
        gusts: 0.2,
        ..Weather::CALM
    };
    Comparison::of(
        &[named("before", gusty, 1)],
        &[named("after", gusty, 2)],
        0.05,
    )
    .expect("comparable")
}

const STYLE: Style = Style {
    color: false,
    width: 100,
};

#[test]
fn a_regression_reads_like_this() {
    insta::assert_snapshot!(comparison_terminal(
        &regression(),
        STYLE,
        Some("compared.html")
    ));
}

#[test]
fn noise_reads_like_this() {
    insta::assert_snapshot!(comparison_terminal(&noise(), STYLE, None));
}

#[test]
fn the_page_says_the_same_fetches_nothing_and_escapes_names() {
    let mut comparison = regression();
    comparison.scenario = "<script>x</script>".to_owned();
    comparison.base[0].name = "<b>".to_owned();
    comparison.changes[0].operation = "<i>".to_owned();
    comparison.cautions.push("<u>".to_owned());
    let page = comparison_html(&comparison);
    assert!(page.contains("Regression") && page.contains("reserve, response p90 is "));
    for forbidden in [
        "<script", "<b>", "<i>", "<u>", "http:", "https:", "src=", "url(", "NaN",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(comparison_html(&noise()).contains("No regression seen"));
}

/// With `UPDATE_SCHEMA=1` in the environment the committed schema is written anew.
#[test]
fn the_json_keeps_to_the_committed_schema() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/comparison.schema.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, comparison_schema_json()).expect("the source tree is writable");
    }
    let committed = std::fs::read_to_string(path).expect("it is committed");
    assert_eq!(
        comparison_schema_json(),
        committed,
        "run `UPDATE_SCHEMA=1 cargo test -p reports`"
    );
    let schema: serde_json::Value = serde_json::from_str(&committed).expect("JSON");
    for comparison in [regression(), noise()] {
        let json: serde_json::Value = serde_json::from_str(&comparison.to_json()).expect("JSON");
        jsonschema::validate(&schema, &json).expect("as the schema says");
    }
}
