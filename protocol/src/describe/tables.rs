//! The tables of `README.md`, each by the name of the mark that stands around it there.
//!
//! A protocol goes in and Markdown comes out. Deliberately absent: the prose between the tables.

use std::fmt::Write as _;

use super::{
    Beyond, Definition, Field, LIMITS, Limit, Protocol, WordLayout, limits, name_of, notes,
    type_text,
};
use crate::{
    code::{CODES, Ways},
    json::Sort,
};

/// Every table: its mark, and what stands between it and the mark of its end.
#[must_use]
pub fn tables(protocol: &Protocol) -> Vec<(&'static str, String)> {
    vec![
        ("types", types(protocol)),
        ("commands", words(protocol, Sort::Command, "who", true)),
        ("events", words(protocol, Sort::Event, "", false)),
        ("pushes", words(protocol, Sort::Push, "to whom", false)),
        ("queries", words(protocol, Sort::Query, "who", true)),
        ("answers", words(protocol, Sort::Answer, "", false)),
        ("signals", words(protocol, Sort::Signal, "", false)),
        ("news", words(protocol, Sort::News, "", false)),
        ("limits", limits_table()),
        ("ways", ways()),
        ("codes", codes()),
    ]
}

/// A table with these columns, of rows that are written already.
fn table(columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = format!(
        "\n| {} |\n|{}\n",
        columns.join(" | "),
        "---|".repeat(columns.len())
    );
    for row in rows {
        let _infallible = writeln!(text, "| {} |", row.join(" | "));
    }
    text.push('\n');
    text
}

fn words(protocol: &Protocol, sort: Sort, who: &str, is_asked: bool) -> String {
    let mut columns = vec!["kind", "name", "schema", "fields"];
    columns.extend((!who.is_empty()).then_some(who));
    columns.extend(is_asked.then_some("accepted with"));
    let rows = protocol.words.iter().filter(|word| word.sort == sort);
    let row = |word: &WordLayout| {
        let mut row = vec![
            format!("`0x{:04x}`", word.kind.0),
            format!("`{}`", word.name),
            word.schema.to_string(),
            fields_cell(word),
        ];
        let note = word.note();
        row.extend((!who.is_empty()).then(|| note.map_or("", |note| note.who).to_owned()));
        row.extend(is_asked.then(|| answers_cell(note.map_or(&[], |note| note.answers))));
        row
    };
    table(&columns, rows.map(row))
}

fn fields_cell(word: &WordLayout) -> String {
    let note = word.note();
    let remarks = note.map_or(&[][..], |note| note.fields);
    let fields = match word.fields.is_empty() {
        true => "none".to_owned(),
        false => fields_text(&word.fields, word.name, remarks),
    };
    match note.map_or("", |note| note.remark) {
        "" => fields,
        remark => format!("{fields}. {}", sentence(remark)),
    }
}

fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters).collect()
}

fn answers_cell(answers: &[&str]) -> String {
    let answers = answers.iter().map(|name| format!("`{name}`"));
    answers.collect::<Vec<_>>().join(" or ")
}

fn fields_text(fields: &[Field], of: &str, remarks: &[(&str, &str)]) -> String {
    let field = |field: &Field| {
        let ty = type_text(&field.ty);
        let mut text = match field.name {
            "" => ty,
            name => format!("{name}: {ty}"),
        };
        let remark = remarks.iter().find(|remark| remark.0 == field.name);
        let limit = limits::of_field(of, field.name).map(|limit| match limit.least {
            0 => format!("at most {}", limit.value_text()),
            _ => limit.value_text(),
        });
        let said: Vec<String> = limit
            .into_iter()
            .chain(remark.map(|remark| remark.1.to_owned()))
            .collect();
        if !said.is_empty() {
            let _infallible = write!(text, " ({})", said.join("; "));
        }
        text
    };
    fields.iter().map(field).collect::<Vec<_>>().join(", ")
}

fn types(protocol: &Protocol) -> String {
    let row = |(name, definition): &(&'static str, &Definition)| {
        let note = notes::TYPES.iter().find(|note| note.0 == *name);
        let remarks = note.map_or(&[][..], |note| note.2);
        vec![
            format!("`{}`", name_of(name)),
            definition_text(name, definition, remarks),
            note.map_or("", |note| note.1).to_owned(),
        ]
    };
    let mut types = protocol.named_types();
    types.sort_by_key(|(name, _)| name_of(name).to_ascii_lowercase());
    table(&["type", "made of", ""], types.iter().map(row))
}

fn definition_text(name: &str, definition: &Definition, remarks: &[(&str, &str)]) -> String {
    match definition {
        Definition::Alias(ty) => type_text(ty),
        Definition::Struct(fields) => fields_text(fields, name, remarks),
        Definition::Enum(variants) => {
            let variant = |(number, variant): (usize, &super::Variant)| {
                let fields = fields_text(&variant.fields, name, remarks);
                match variant.fields.is_empty() {
                    true => format!("{number} `{}`", variant.name),
                    false => format!("{number} `{}` ({fields})", variant.name),
                }
            };
            let variants: Vec<String> = variants.iter().enumerate().map(variant).collect();
            format!("enum: {}", variants.join(", "))
        }
    }
}

fn limits_table() -> String {
    let row = |limit: &Limit| {
        let beyond = match limit.beyond {
            Beyond::Code(code) => {
                let way = match () {
                    () if code.comes_as(Ways::FATAL) && !code.comes_as(Ways::ERROR) => "fatal ",
                    () if code.comes_as(Ways::ERROR) => "",
                    () => "refused ",
                };
                format!("{way}`{}`", code.name())
            }
            Beyond::Else(text) => text.to_owned(),
        };
        let beyond = match limit.remark {
            "" => beyond,
            remark => format!("{beyond}; {remark}"),
        };
        vec![limit.what.to_owned(), limit.value_text(), beyond]
    };
    table(&["limit", "value", "beyond it"], LIMITS.iter().map(row))
}

fn ways() -> String {
    let rows = [
        (Ways::FATAL, "**fatal error**: the connection ends"),
        (
            Ways::ERROR,
            "**error**: not considered, not logged; the connection goes on",
        ),
        (
            Ways::COMMAND,
            "**refused outcome** of a command or an authentication: decided, and logged with its own position",
        ),
        (Ways::QUERY, "**refused outcome** of a query: not logged"),
    ];
    let row = |(way, text): (Ways, &str)| {
        let codes = CODES.iter().filter(|entry| entry.ways.meets(way));
        let names: Vec<String> = codes.map(|entry| format!("`{}`", entry.name)).collect();
        vec![text.to_owned(), names.join(" ")]
    };
    table(&["", "codes"], rows.into_iter().map(row))
}

fn codes() -> String {
    let row = |entry: &crate::code::CodeEntry| {
        vec![
            format!("`0x{:04x}`", entry.code.0),
            format!("`{}`", entry.name),
            entry.sentence.to_owned(),
        ]
    };
    table(&["code", "name", "sentence"], CODES.iter().map(row))
}
