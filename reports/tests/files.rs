//! What other programs read of a run: test cases, a row of a table.

use std::collections::BTreeMap;

use quick_xml::{Reader, events::BytesStart, events::Event};
use reports::{
    record::{Conclusion, RunRecord, Verdict},
    render::{csv_header, csv_row, junit},
    verdict::RunEnd,
};

use crate::sample;

/// One element of the XML: name and attributes.
type Element = (String, BTreeMap<String, String>);

fn element(start: &BytesStart<'_>) -> Element {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("it is UTF-8");
    let attributes = start.attributes().map(|found| {
        let found = found.expect("attributes are well formed");
        (text(found.key.as_ref()), text(&found.value))
    });
    (text(start.name().as_ref()), attributes.collect())
}

/// Every element with those it lies in, outermost first.
fn elements(xml: &str) -> Vec<(Vec<String>, Element)> {
    let mut reader = Reader::from_str(xml);
    let (mut within, mut found) = (Vec::new(), Vec::new());
    loop {
        match reader.read_event().expect("it is well-formed XML") {
            Event::Start(start) => {
                let element = element(&start);
                found.push((within.clone(), element.clone()));
                within.push(element.0);
            }
            Event::Empty(start) => found.push((within.clone(), element(&start))),
            Event::End(_) => drop(within.pop()),
            Event::Eof => return found,
            _ => {}
        }
    }
}

/// What every reader of JUnit XML relies on: nesting, names, and counts that add up.
fn check_junit(record: &RunRecord) -> Vec<(Vec<String>, Element)> {
    let found = elements(&junit(record));
    let count = |name: &str| found.iter().filter(|(_, it)| it.0 == name).count();
    for (within, (name, attributes)) in &found {
        let parent = match name.as_str() {
            "testsuites" => None,
            "testsuite" => Some("testsuites"),
            "testcase" | "properties" => Some("testsuite"),
            "property" => Some("properties"),
            "failure" | "error" | "skipped" | "system-out" => Some("testcase"),
            other => panic!("<{other}> is unknown to readers of JUnit XML"),
        };
        assert_eq!(within.last().map(String::as_str), parent, "<{name}>");
        let needed: &[&str] = match name.as_str() {
            "testsuites" => &["name", "tests", "failures", "errors"],
            "testsuite" => &["name", "tests", "failures", "errors", "skipped"],
            "testcase" => &["name", "classname", "time"],
            _ => &[],
        };
        for attribute in needed {
            assert!(attributes.contains_key(*attribute), "<{name} {attribute}>");
        }
    }
    let (_, (_, root)) = &found[0];
    assert_eq!(root["tests"], count("testcase").to_string());
    assert_eq!(root["failures"], count("failure").to_string());
    assert_eq!(root["errors"], count("error").to_string());
    found
}

/// Names of the test cases that have a child of this name.
fn cases_with(found: &[(Vec<String>, Element)], child: &str) -> Vec<String> {
    let mut case = String::new();
    let mut named = Vec::new();
    for (_, (name, attributes)) in found {
        if name == "testcase" {
            case.clone_from(&attributes["name"]);
        } else if name == child {
            named.push(case.clone());
        }
    }
    named
}

#[test]
fn a_pass_is_all_green_and_names_every_law_and_threshold() {
    let found = check_junit(&sample::pass());
    let cases = found.iter().filter(|(_, it)| it.0 == "testcase");
    let names: Vec<_> = cases.map(|(_, it)| it.1["name"].as_str()).collect();
    assert_eq!(
        names,
        [
            "conclusion",
            "no-double-booking",
            "refusals-justified",
            "durable-acks",
            "real-time-order",
            "race: reserve.response.p99 &lt; 50ms",
            "race: rate.achieved &gt;= 0.99",
        ]
    );
    for child in ["failure", "error", "skipped"] {
        assert_eq!(cases_with(&found, child), [""; 0], "{child}");
    }
}

#[test]
fn what_was_found_wrong_is_a_failure_and_says_how() {
    let record = sample::violated();
    let found = check_junit(&record);
    assert_eq!(
        cases_with(&found, "failure"),
        [
            "conclusion",
            "no-double-booking",
            "race: reserve.response.p99 &lt; 50ms"
        ]
    );
    let text = junit(&record);
    assert!(text.contains("was held by user-17"), "{text}");
    assert!(text.contains("expected: The second reserve"), "{text}");
}

#[test]
fn what_could_not_be_judged_is_an_error_unless_nobody_required_it() {
    let mut record = sample::inconclusive();
    record.laws[3].verdict = Verdict::Unknown;
    let found = check_junit(&record);
    assert_eq!(
        cases_with(&found, "error"),
        [
            "conclusion",
            "durable-acks",
            "race: rate.achieved &gt;= 0.99"
        ]
    );
    assert_eq!(cases_with(&found, "skipped"), ["real-time-order"]);
}

#[test]
fn what_a_server_cannot_be_held_to_fails_nothing_even_if_it_is_required() {
    let mut record = sample::pass();
    let law = &mut record.laws[0];
    (law.verdict, law.required) = (Verdict::NotApplicable, true);
    law.reason = Some("the server has no log that can be read".to_owned());
    record.conclude(RunEnd::Complete);
    assert_eq!(record.verdict.conclusion, Conclusion::Pass);
    let found = check_junit(&record);
    assert_eq!(
        cases_with(&found, "skipped"),
        [record.laws[0].name.as_str()]
    );
    assert!(record.to_json().contains("\"verdict\": \"n/a\""));
}

#[test]
fn names_cannot_break_out_of_the_xml() {
    let mut record = sample::violated();
    let attack = "]]></testcase><evil a=\"'&\u{1b}\u{0}";
    let law = &mut record.laws[0];
    let told = &mut law.violations[0];
    for text in [
        &mut record.scenario.name,
        &mut record.scenario.command,
        &mut law.name,
        &mut told.sentence,
        &mut told.operations[0].call,
        &mut record.thresholds[0].metric,
        &mut record.verdict.reasons[0],
    ] {
        attack.clone_into(text);
    }
    check_junit(&record);
}

/// The columns of layout 1 are frozen: who reads them by name or by place keeps reading them.
const COLUMNS: &str = "layout,started_at,scenario,conclusion,exit_code,directory,seed,plan_hash,\
    time_scale,rate_scale,program,target,durability,planted_bug,cpu,cpus,kernel,fdatasync_p50_ns,\
    measured_s,intended,sent,shed,cancelled_at_end,ok,refused,error,timeout,unknown,\
    response_p50_ns,response_p90_ns,response_p99_ns,response_p999_ns,response_max_ns,\
    service_p50_ns,service_p99_ns,laws_kept,laws_unknown,laws_broken,thresholds_met,\
    thresholds_missed,thresholds_unmeasured,generator_operations_per_cpu_s,\
    generator_lateness_p99_ns\n";

fn cells(record: &RunRecord) -> BTreeMap<String, String> {
    let table = csv_header() + &csv_row(record, "runs/one, with a comma");
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let header = reader.headers().expect("a header").clone();
    let row = reader.records().next().expect("a row").expect("as long");
    let named = header.iter().zip(&row);
    named
        .map(|(name, cell)| (name.to_owned(), cell.to_owned()))
        .collect()
}

#[test]
fn the_columns_of_a_table_of_runs_are_frozen() {
    assert_eq!(csv_header(), COLUMNS);
}

#[test]
fn a_row_holds_the_measured_phases_and_the_verdict() {
    let row = cells(&sample::violated());
    for (column, expected) in [
        ("layout", "1"),
        ("scenario", "booking-race"),
        ("conclusion", "invariant-violated"),
        ("exit_code", "11"),
        ("directory", "runs/one, with a comma"),
        ("planted_bug", "forgets-held-slots"),
        ("measured_s", "34.000"),
        ("ok", "40518"),
        ("refused", "59862"),
        ("laws_kept", "3"),
        ("laws_broken", "1"),
        ("thresholds_met", "1"),
        ("thresholds_missed", "1"),
    ] {
        assert_eq!(row[column], expected, "{column}");
    }
}

#[test]
fn what_was_not_measured_is_an_empty_cell() {
    let mut record = sample::pass();
    record.phases.clear();
    let row = cells(&record);
    assert_eq!(
        (row["response_p50_ns"].as_str(), row["sent"].as_str()),
        ("", "0")
    );
}
