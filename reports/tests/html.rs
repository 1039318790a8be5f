//! The page: complete, closed to the outside, and deaf to what names contain.

use reports::printable::is_hidden;
use reports::record::RunRecord;
use reports::render::html;

use crate::sample;

fn samples() -> [RunRecord; 3] {
    [sample::pass(), sample::violated(), sample::inconclusive()]
}

#[test]
fn the_page_says_what_the_record_says() {
    let page = html(&sample::violated());
    for said in [
        "<title>Invariant violated: booking-race</title>",
        "law <code>no-double-booking</code> was broken 3 times",
        "Slot 17:30 of agenda 4 was held by user-17",
        "The second reserve is refused with slot-taken.",
        "1 of 3 violations shown, about 2 different things, 2 of them about slot 17:30 of agenda 4, \
         seen by 4 clients, from 12.801300 s to 19.402000 s; confidence: definite interval.",
        "real time: user-17 had its answer at 12.803 s, before user-42 asked",
        "Around it, on slot 17:30 of agenda 4",
        "user-9<",
        "planted bug, <code>forgets-held-slots</code>",
        "stampede run scenarios/booking-race.toml --seed 42",
        "20,518 holds",
        "61.2 ms",
        "slot-taken",
        "agenda 1, day 2, 17:30",
        "61,240",
        "4.21 MiB, 40.0 bytes an operation",
    ] {
        assert!(page.contains(said), "not on the page: {said}");
    }
}

#[test]
fn what_a_reader_would_not_see_is_shown() {
    let hostile = "a\u{1b}[31mb\u{202e}c\u{200b}d\u{9b}e";
    let mut record = sample::violated();
    record.scenario.name = hostile.to_owned();
    record.scenario.description = hostile.to_owned();
    record.laws[0].name = hostile.to_owned();
    let page = html(&record);
    assert!(
        page.contains(r"a\u001b[31mb\u202ec\u200bd\u009be"),
        "it is shown"
    );
    let hidden = page.chars().find(|sign| *sign != '\n' && is_hidden(*sign));
    assert_eq!(hidden, None);
}

#[test]
fn what_was_broken_on_purpose_at_the_time_stands_beside_a_violation() {
    let mut record = sample::violated();
    record.faults = sample::broken().faults;
    let struck = |record: &mut RunRecord, struck_ns, answered_ns| {
        let faults = record.faults.as_mut().map(|found| &mut found.faults);
        for fault in faults.into_iter().flatten() {
            (fault.struck_ns, fault.answered_ns) = (Some(struck_ns), answered_ns);
        }
        html(record).contains("<dt>broken meanwhile</dt>")
    };
    // One of its operations was never answered, which the next fault may be the reason of.
    assert!(struck(&mut record, 12_802_000_000, Some(13_000_000_000)));
    assert!(struck(&mut record, 60_000_000_000, None));
    assert!(struck(&mut record, 1_000_000_000, None), "not recovered");
    assert!(!struck(&mut record, 1_000_000_000, Some(2_000_000_000)));
    for law in &mut record.laws {
        for violation in &mut law.violations {
            let operations = &mut violation.operations;
            operations.retain(|witness| witness.completed_ns.is_some());
        }
    }
    assert!(!struck(&mut record, 60_000_000_000, None), "later");
}

#[test]
fn pictures_mark_phases_thin_tails_and_missing_answers() {
    let page = html(&sample::violated());
    let times = |part: &str| page.matches(part).count();
    // Two measured phases, of which one shows its two operations apart as well.
    assert_eq!(times(">under 10 samples beyond<"), 4);
    // Three pictures over time: heat, latencies and rates.
    assert_eq!(times(r#"<g class="band thin">"#), 3, "the warm-up");
    assert_eq!(times(r#"<g class="band phase">"#), 6, "the measured phases");
    assert_eq!(times(r#"<g class="bar">"#), 2 + 3, "answered, and hot keys");
    assert_eq!(
        times(r#"<g class="bar open">"#),
        1,
        "the cancellation had no answer"
    );
    assert_eq!(
        times(r#"<g class="band lane">"#) + times(r#"<g class="band lane odd">"#),
        2,
        "a lane a client, though one has two operations"
    );
    assert!(
        !page.contains("NaN") && !page.contains("inf "),
        "a coordinate is no number"
    );
}

#[test]
fn every_picture_says_what_to_see_and_names_its_axes() {
    let page = html(&sample::broken());
    let pictures: Vec<_> = page.split("<figure class=\"chart\">").skip(1).collect();
    assert!(8 < pictures.len());
    for picture in pictures {
        let caption = picture.split("<p class=\"see\">").nth(1);
        assert!(caption.is_some_and(|text| 40 < text.find("</p>").unwrap_or(0)));
        assert!(
            picture.contains("<text class=\"axis\""),
            "an axis has no name"
        );
        assert!(
            picture.contains("<desc>"),
            "it says nothing to who cannot see it"
        );
    }
}

#[test]
fn the_heat_map_is_dark_where_most_answers_were_and_marks_faults() {
    let page = html(&sample::broken());
    let map = page
        .split("<h3>Response times over time</h3>")
        .nth(1)
        .and_then(|rest| rest.split("</figure>").next())
        .expect("there is a map");
    for level in 1..=7 {
        let path = format!("<path class=\"heat h{level}\" d=\"M");
        assert!(map.contains(&path), "no cell of level {level}");
    }
    let struck = sample::broken().faults.expect("faults").faults;
    let struck = struck.iter().filter(|fault| fault.struck_ns.is_some());
    assert_eq!(
        map.matches("<g class=\"mark\">\n        <title>").count(),
        struck.count()
    );
    assert!(map.contains("a fault is injected, until the next answer"));
}

#[test]
fn a_record_of_before_the_map_was_kept_has_a_page_without_it() {
    let stored = include_str!("records/v1.json");
    let page = html(&RunRecord::read(stored).expect("version 1 stays readable"));
    assert!(!page.contains("class=\"heat"), "there is nothing to draw");
    assert!(page.contains("<h3>Offered and achieved rate</h3>"));
    let mut spoilt = sample::pass();
    let heat = spoilt.phases[1].heat.as_mut().expect("the sample has one");
    heat.columns[0] = "AAAA".to_owned();
    assert!(html(&spoilt).contains("no picture: histogram cannot be decoded"));
}

#[test]
fn the_page_fetches_nothing_and_runs_nothing() {
    for record in samples() {
        let page = html(&record);
        let outside = page.replace("http://www.w3.org/2000/svg", "");
        for forbidden in [
            "http:", "https:", "src=", "@import", "url(", "<script", "<link",
        ] {
            assert!(!outside.contains(forbidden), "{forbidden}");
        }
    }
}

#[test]
fn every_text_of_a_record_is_escaped() {
    let attack = "<script>alert(1)</script>\"'&";
    // Whatever text the record holds, now or later: each is replaced through its JSON.
    let mut json = serde_json::to_value(sample::violated()).expect("a record is JSON");
    poison(&mut json, attack);
    let record: RunRecord = serde_json::from_value(json).expect("only free texts were replaced");
    let page = html(&record);
    assert!(
        page.contains("&#60;script&#62;alert(1)"),
        "the attack is shown as text"
    );
    assert!(!page.contains("<script"), "the attack is markup");
    assert!(!page.contains("\"'&\""), "an attribute was left");
}

/// Replaces every text but the words of closed sets and the histograms.
fn poison(value: &mut serde_json::Value, attack: &str) {
    use serde_json::Value;
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let closed = ["verdict", "conclusion", "by", "histogram", "columns"]
                    .contains(&name.as_str());
                let is_word = field.is_string() || field.is_array() && name == "columns";
                if !(closed && is_word) {
                    poison(field, attack);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| poison(item, attack)),
        Value::String(text) => attack.clone_into(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn an_empty_run_and_a_spoilt_histogram_still_make_a_page() {
    let mut empty = sample::unjudged();
    empty.phases.clear();
    empty.laws.clear();
    empty.thresholds.clear();
    assert!(html(&empty).contains("No law was asked for"));
    let mut spoilt = sample::pass();
    let reserve = spoilt.phases[1]
        .operations
        .get_mut("reserve")
        .expect("the sample reserves");
    reserve.response.histogram = "AAAA".to_owned();
    assert!(html(&spoilt).contains("no picture: histogram cannot be decoded"));
}

#[test]
fn tags_are_closed_in_order() {
    for record in samples() {
        let page = html(&record);
        let mut open = Vec::new();
        for tag in page
            .split('<')
            .skip(1)
            .filter_map(|rest| rest.split('>').next())
        {
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop().as_deref(), Some(name), "</{name}>");
            } else if !(tag.starts_with("!doctype")
                || tag.starts_with("meta")
                || tag.ends_with('/')
                || tag == "br")
            {
                let name = tag.split_whitespace().next().expect("a tag has a name");
                open.push(name.to_owned());
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }
}

#[test]
fn deliveries_stand_beside_the_acknowledgement() {
    let page = html(&sample::delivered());
    for text in [
        "sender is told",
        "recipient has it",
        "everybody has it",
        "had everything 1.2 s",
    ] {
        assert!(page.contains(text), "{text}");
    }
}
