//! Codes: a number, a name and a sentence each, and the README's table of them.

use std::collections::BTreeSet;

use crate::code::{CODES, Code, CodeEntry, FORMS, Refusal, Ways};

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
        let mut bare = (*sentence).to_owned();
        let (mut value, mut limit) = (None, None);
        for (form, render) in FORMS {
            for (name, said) in [("value", &mut value), ("limit", &mut limit)] {
                let place = format!("{{{name}{form}}}");
                if bare.contains(&place) {
                    bare = bare.replace(&place, "");
                    *said = Some(render);
                }
            }
        }
        assert!(!bare.contains(['{', '}']), "{sentence}");
        assert!(
            !sentence.is_empty() && !sentence.ends_with('.'),
            "{sentence}"
        );
        let rendered = Refusal::with(*code, 17, 4_711).sentence();
        assert!(!rendered.contains('{'), "{rendered}");
        for (render, figure) in [(value, 17), (limit, 4_711)] {
            if let Some(render) = render {
                assert!(rendered.contains(&render(figure)), "{rendered}");
            }
        }
    }
}

#[test]
fn figures_are_said_as_people_say_them() {
    let check = |refusal: Refusal, expected: &str| assert_eq!(refusal.sentence(), expected);
    check(
        Refusal::with(Code::DAY_OUT_OF_RANGE, 20_790, 20_788 - 1),
        "2026-12-03 cannot be booked; the last day open now is 2026-11-30 (UTC)",
    );
    check(
        Refusal::with(Code::SLOT_PAST, 1_795_176_000_123, 951_827_696_000),
        "this slot began at 2026-11-20T12:00:00Z and it is 2000-02-29T12:34:56Z now; choose a later one",
    );
    check(
        Refusal::with(Code::NOT_ALLOWED, 0, 2),
        "your roles are none and this needs manager; ask an admin for the role",
    );
    check(
        Refusal::with(Code::NOT_ALLOWED, 3, 4),
        "your roles are seller and manager and this needs admin; ask an admin for the role",
    );
    // Whatever a client makes up is said somehow.
    check(
        Refusal::with(Code::SALE_DAY, u64::MAX, 0),
        "day 18446744073709551615 has not come; today is 1970-01-01 (UTC)",
    );
    let far = Refusal::with(Code::SLOT_PAST, u64::MAX, 2_932_896 * 86_400_000);
    assert!(far.sentence().contains("18446744073709551615 ms"), "{far}");
    assert!(far.sentence().contains("9999-12-31T00:00:00Z"), "{far}");
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
fn every_code_reaches_somebody_somehow() {
    for entry in CODES {
        let ways = Ways::ALL.iter().filter(|way| entry.ways.meets(way.0));
        assert_ne!(ways.count(), 0, "{}", entry.name);
    }
    assert!(Code(0xfffe).comes_as(Ways::QUERY), "who knows");
    assert!(Code::SLOT_TAKEN.comes_as(Ways::COMMAND) && !Code::SLOT_TAKEN.comes_as(Ways::ERROR));
}
