//! How names are compared and searched: case and accents do not matter.
//!
//! A text comes in and its fold goes out. Texts that differ in compatible forms (`ﬁ`, full width),
//! in case or in accents have one fold: NFKD takes them apart, the marks of the blocks called
//! Combining Diacritical Marks are dropped, and every character goes to lower, upper and again
//! lower case, which also brings together the forms of one letter that lower case alone keeps
//! apart: `ß` is `ss`, both sigmas are one, and the Turkish `İ` and `ı` are `i`, as `I` is.
//!
//! Deliberately absent: languages. Marks of other blocks stay, since they are no accents: without
//! them `が` would be `か`, and a word of Hindi or Thai its consonants. Also absent: spaces, which
//! count as they are.

use unicode_normalization::UnicodeNormalization;

/// The form in which a text is compared and searched.
pub(super) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfkd()
        .filter(|c| !is_accent(*c))
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect()
}

/// The blocks Combining Diacritical Marks, with Extended, Supplement and for Symbols, and the Half
/// Marks; but not the iota under a Greek letter, which is a letter of its own in upper case.
const fn is_accent(c: char) -> bool {
    matches!(
        c,
        '\u{300}'..='\u{344}'
            | '\u{346}'..='\u{36f}'
            | '\u{1ab0}'..='\u{1aff}'
            | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}'
            | '\u{fe20}'..='\u{fe2f}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::fold;

    #[test]
    fn case_accents_and_compatible_forms_do_not_matter() {
        let cases = [
            ("", ""),
            ("Ação", "acao"),
            ("AÇÃO", "acao"),
            ("Ac\u{327}a\u{303}o", "acao"),
            ("Les Misérables", "les miserables"),
            ("Straße", "strasse"),
            ("STRAẞE", "strasse"),
            ("İstanbul", "istanbul"),
            ("ISPARTA", "isparta"),
            ("ısparta", "isparta"),
            ("ΟΔΥΣΣΕΥΣ", "οδυσσευσ"),
            ("Οδυσσεύς", "οδυσσευσ"),
            ("Ёлки", "елки"),
            ("ﬁlm", "film"),
            ("Ｆｉｌｍ", "film"),
            ("Ｎ\u{a0}2", "n 2"),
            ("Ødipus", "ødipus"),
        ];
        for (text, expected) in cases {
            assert_eq!(fold(text), expected, "{text}");
        }
    }

    #[test]
    fn marks_that_are_no_accents_stay() {
        for (text, other) in [("が", "か"), ("कि", "के"), ("กิน", "กัน")] {
            assert_ne!(fold(text), fold(other));
        }
        assert_eq!(fold("ガ"), fold("ｶﾞ"));
    }

    #[test]
    fn every_case_of_every_character_has_one_fold() {
        for c in '\0'..=char::MAX {
            let text = c.to_string();
            let folded = fold(&text);
            assert_eq!(fold(&text.to_uppercase()), folded, "{c:?} in upper case");
            assert_eq!(fold(&text.to_lowercase()), folded, "{c:?} in lower case");
            assert_eq!(fold(&folded), folded, "{c:?} twice");
        }
    }

    proptest! {
        #[test]
        fn ascii_has_no_way_of_its_own(text in "[ -~]{0,20}") {
            prop_assert_eq!(fold(&format!("{text}é")), fold(&text) + "e");
        }
    }
}
