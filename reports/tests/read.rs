//! Records as JSON: what is written is read, what is newer is refused, the schema is true.

use reports::read::{ReadError, schema_json};
use reports::record::{RECORD_VERSION, RunRecord};

use crate::sample;

const SCHEMA: &str = include_str!("../schema/run.schema.json");

#[test]
fn a_record_is_read_as_it_was_written() {
    for record in [
        sample::pass(),
        sample::violated(),
        sample::inconclusive(),
        sample::broken(),
    ] {
        assert_eq!(
            RunRecord::read(&record.to_json()).expect("just written"),
            record
        );
    }
}

#[test]
fn a_newer_record_is_refused_for_its_version_and_not_for_its_fields() {
    let error = RunRecord::read(r#"{"version": 2, "moved": true}"#).expect_err("newer");
    assert!(matches!(
        error,
        ReadError::TooNew {
            found: 2,
            known: RECORD_VERSION
        }
    ));
    assert_eq!(
        error.to_string(),
        "this run was recorded in layout 2 and this program reads layouts up to 1; render it with a \
         newer stampede"
    );
}

#[test]
fn anything_else_is_refused_with_its_place() {
    for text in ["", "[]", r#"{"version": 1}"#, r#"{"version": "1"}"#] {
        let error = RunRecord::read(text).expect_err(text);
        assert!(matches!(error, ReadError::Malformed(_)), "{text}: {error}");
        assert!(error.to_string().contains("line 1"), "{error}");
    }
}

#[test]
fn records_of_version_one_are_read_for_ever() {
    let stored = include_str!("records/v1.json");
    let record = RunRecord::read(stored).expect("version 1 stays readable");
    assert_eq!(
        (record.scenario.name.as_str(), record.phases.len()),
        ("booking-race", 3)
    );
    let reserve = &record.phases[1].operations["reserve"];
    let histogram = reserve.response.decode().expect("its histograms too");
    assert_eq!(histogram.len(), reserve.response.quantiles.count);
}

/// With `UPDATE_SCHEMA=1` in the environment the committed schema is written anew.
#[test]
fn the_committed_schema_is_current() {
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/run.schema.json");
        std::fs::write(path, schema_json()).expect("the source tree is writable");
        return;
    }
    assert_eq!(
        SCHEMA,
        schema_json(),
        "run `UPDATE_SCHEMA=1 cargo test -p reports`"
    );
}

#[test]
fn the_schema_accepts_records_and_nothing_less() {
    let schema = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("the schema is a schema");
    for record in [
        sample::pass(),
        sample::violated(),
        sample::inconclusive(),
        sample::broken(),
    ] {
        let json = serde_json::from_str(&record.to_json()).expect("a record is JSON");
        let faults: Vec<_> = validator
            .iter_errors(&json)
            .map(|it| it.to_string())
            .collect();
        assert!(faults.is_empty(), "{faults:?}");
        let mut lacking: serde_json::Value = json;
        lacking.as_object_mut().expect("an object").remove("laws");
        assert!(
            !validator.is_valid(&lacking),
            "a record without laws is no record"
        );
    }
}
