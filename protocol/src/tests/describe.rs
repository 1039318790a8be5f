//! The protocol described by itself: the README's tables, and words made from the description alone.

use std::{collections::BTreeSet, env, fs};

use serde_json::{Map, Value, json};

use super::{check_text, path, read, readme_block};
use crate::{
    code::CODES,
    describe::{Definition, LIMITS, Protocol, name_of, notes, tables},
    json::{Sort, Unsaid, parse_reply, parse_request},
};

/// Set to rewrite the tables of the README: `UPDATE_README=1 cargo test -p protocol the_readme_has`.
const REWRITE: &str = "UPDATE_README";

#[test]
fn the_readme_has_the_tables_that_the_code_makes() {
    let tables = tables(&Protocol::new());
    if env::var_os(REWRITE).is_some() {
        let mut readme = read("README.md");
        for (mark, table) in &tables {
            readme = readme.replace(
                &format!("-->\n{}<!-- end of {mark} -->", readme_block(mark)),
                &format!("-->\n{table}<!-- end of {mark} -->"),
            );
        }
        fs::write(path("README.md"), readme).unwrap();
    }
    for (mark, table) in &tables {
        check_text(&format!("README.md, {mark}"), &readme_block(mark), table);
    }
}

#[test]
fn every_word_and_type_has_its_note_and_every_note_its_word() {
    let protocol = Protocol::new();
    let words: BTreeSet<_> = protocol
        .words
        .iter()
        .map(|word| (word.sort, word.name))
        .collect();
    let noted: Vec<_> = notes::NOTES
        .iter()
        .map(|note| (note.sort, note.word))
        .collect();
    assert_eq!(noted.iter().copied().collect::<BTreeSet<_>>(), words);
    assert_eq!(noted.len(), words.len(), "one note each");
    for note in notes::NOTES {
        let mut all = protocol.words.iter();
        let word = all.find(|word| (word.sort, word.name) == (note.sort, note.word));
        let fields = &word.expect("every note has its word").fields;
        for (name, _) in note.fields {
            let is_there = fields.iter().any(|field| field.name == *name);
            assert!(is_there, "{} has no field {name}", note.word);
        }
        for answer in note.answers {
            let sort = match note.sort {
                Sort::Command => Sort::Event,
                _ => Sort::Answer,
            };
            assert!(words.contains(&(sort, *answer)), "{}: {answer}", note.word);
        }
        let is_asked = matches!(note.sort, Sort::Command | Sort::Query);
        assert_eq!(is_asked, !note.answers.is_empty(), "{}", note.word);
    }
    let types: BTreeSet<&str> = protocol.named_types().iter().map(|named| named.0).collect();
    let noted: BTreeSet<&str> = notes::TYPES.iter().map(|note| note.0).collect();
    assert_eq!(noted, types);
    for (name, _) in notes::NAMES {
        assert!(types.contains(name), "{name}");
    }
}

#[test]
fn every_limit_is_of_a_field_that_is_there() {
    let protocol = Protocol::new();
    for limit in LIMITS {
        assert!(limit.least <= limit.most, "{}", limit.what);
        for (of, field) in limit.fields {
            let in_words = protocol.words.iter().filter(|word| word.name == *of);
            let mut in_words = in_words.flat_map(|word| &word.fields);
            let variants = match protocol.types.get(of) {
                Some(Definition::Enum(variants)) => variants.as_slice(),
                _ => &[],
            };
            let mut in_types = variants.iter().flat_map(|variant| &variant.fields);
            let is_there = in_words.any(|known| known.name == *field)
                || in_types.any(|known| known.name == *field);
            assert!(is_there, "{}: {of} has no field {field}", limit.what);
        }
    }
    let listed: Vec<&str> = LIMITS.iter().map(|limit| limit.what).collect();
    let different: BTreeSet<&str> = listed.iter().copied().collect();
    assert_eq!(different.len(), listed.len());
}

/// A value of a described type, made from its description; of enums the `nth` variant.
fn value_of(schema: &Value, ty: &Value, nth: usize) -> Value {
    if let Some(name) = ty.as_str() {
        return match name {
            "bool" => json!(true),
            "u8" | "u16" | "u32" | "u64" => json!(3),
            "u128" => json!("1f"),
            "string" | "personal" => json!("Küche"),
            named => value_of_definition(schema, &schema["types"][named], nth),
        };
    }
    if let Some(len) = ty["bytes"].as_u64() {
        return json!("5a".repeat(usize::try_from(len).unwrap()));
    }
    match (&ty["list"], &ty["option"]) {
        (list, _) if list == "u8" => json!("5a5a"),
        (Value::Null, inner) => value_of(schema, inner, nth),
        (inner, _) => json!([value_of(schema, inner, nth)]),
    }
}

fn value_of_definition(schema: &Value, definition: &Value, nth: usize) -> Value {
    assert!(definition.is_object(), "a type is described");
    if !definition["alias"].is_null() {
        return value_of(schema, &definition["alias"], nth);
    }
    if let Some(fields) = definition["struct"].as_array() {
        return Value::Object(fields_of(schema, fields, nth));
    }
    let variants = definition["enum"].as_array().expect("one of three");
    let variant = &variants[nth % variants.len()];
    let name = variant["name"].as_str().unwrap();
    match variant["fields"].as_array().unwrap().as_slice() {
        [] => json!(name),
        [only] if only["name"].is_null() => json!({ name: value_of(schema, &only["type"], nth) }),
        fields => json!({ name: fields_of(schema, fields, nth) }),
    }
}

fn fields_of(schema: &Value, fields: &[Value], nth: usize) -> Map<String, Value> {
    let field = |field: &Value| {
        let name = field["name"].as_str().expect("it has a name").to_owned();
        (name, value_of(schema, &field["type"], nth))
    };
    fields.iter().map(field).collect()
}

#[test]
fn a_word_made_from_its_description_is_one() {
    let schema = Protocol::new().to_json();
    let mut made = 0;
    for word in schema["words"].as_array().unwrap() {
        if word["is_newest"] == false || word["from"] == "server, in the log" {
            continue;
        }
        // As many as the widest enum has variants.
        for nth in 0..16 {
            let fields = word["fields"].as_array().unwrap();
            let mut line = fields_of(&schema, fields, nth);
            let name = word["name"].clone();
            let sort = word["sort"].as_str().unwrap();
            let place = match sort {
                "command" | "query" | "signal" => "do",
                "event" | "answer" => "ok",
                sort => sort,
            };
            line.insert(place.to_owned(), name);
            let mut frames = Vec::new();
            let parsed = if place == "do" {
                let text = Value::Object(line.clone()).to_string();
                parse_request(&text, &Unsaid::new(&[9; 16], 1), &mut frames).map(drop)
            } else {
                if sort != "news" {
                    line.insert("seq".to_owned(), json!(12));
                    line.insert("hash".to_owned(), json!("5a".repeat(32)));
                }
                let text = Value::Object(line.clone()).to_string();
                parse_reply(&text, &mut frames)
            };
            assert_eq!(parsed, Ok(()), "{line:?}");
            made += 1;
        }
    }
    assert!(100 * 16 < made, "{made}");
}

#[test]
fn the_schema_has_every_code_word_and_limit() {
    let schema = Protocol::new().to_json();
    let len = |name: &str| schema[name].as_array().unwrap().len();
    assert_eq!(len("codes"), CODES.len());
    assert_eq!(len("limits"), LIMITS.len());
    assert_eq!(
        schema["types"].as_object().unwrap().len(),
        notes::TYPES.len()
    );
    let layouts: usize = super::SETS.iter().map(|set| set.layouts.len()).sum();
    assert_eq!(len("words"), layouts);
    assert_eq!(name_of("UserId"), "user");
    let reserve = schema["words"].as_array().unwrap().iter();
    let reserve = reserve
        .filter(|word| word["name"] == "reserve")
        .collect::<Vec<_>>();
    assert_eq!(reserve[0]["kind"], 0x0202);
    assert_eq!(
        reserve[0]["fields"],
        json!([{"name": "slot", "type": "SlotId"}])
    );
}
