//! Codes: a number, a name and a sentence each, and the README's table of them.

use std::collections::BTreeSet;

use super::{check_text, readme_block};
use crate::code::{CODES, Code, CodeEntry, Refusal};

#[test]
fn numbers_rise_and_names_differ() {
    assert!(CODES.windows(2).all(|pair| pair[0].code < pair[1].code));
    let names: BTreeSet<&str> = CODES.iter().map(|entry| entry.name).collect();
    assert_eq!(names.len(), CODES.len());
    let is_kebab = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    assert_eq!(names.iter().find(|name| !is_kebab(name)), None);
}

#[test]
fn sentences_name_only_the_two_figures() {
    for CodeEntry { code, sentence, .. } in CODES {
        let bare = sentence.replace("{value}", "").replace("{limit}", "");
        assert!(!bare.contains(['{', '}']), "{sentence}");
        assert!(
            !sentence.is_empty() && !sentence.ends_with('.'),
            "{sentence}"
        );
        let rendered = Refusal::with(*code, 17, 4_711).sentence();
        assert!(!rendered.contains('{'), "{rendered}");
        assert_eq!(
            rendered.contains("17"),
            sentence.contains("{value}"),
            "{rendered}"
        );
        assert_eq!(
            rendered.contains("4711"),
            sentence.contains("{limit}"),
            "{rendered}"
        );
    }
}

#[test]
fn an_unknown_code_still_says_its_figures() {
    let refusal = Refusal::with(Code(0xfffe), 17, 4_711);
    assert_eq!(
        refusal.to_string(),
        "unknown-code: refused with code 65534 (value 17, limit 4711), which this version does \
         not know; use a newer client"
    );
}

#[test]
fn the_readme_lists_every_code() {
    let mut wanted = String::from("\n| code | name | sentence |\n|---|---|---|\n");
    for CodeEntry {
        code,
        name,
        sentence,
    } in CODES
    {
        wanted += &format!("| `0x{:04x}` | `{name}` | {sentence} |\n", code.0);
    }
    wanted.push('\n');
    check_text("README.md, codes", &readme_block("codes"), &wanted);
}
