//! Text from anywhere, made fit to be shown: nothing steers a terminal or a page.
//!
//! Scenarios, names and answers of servers are anybody's. What is not to be seen but obeyed, controls
//! and what turns the direction of text, comes out as a visible sign. Deliberately absent: escaping
//! for a format.

/// The sign for what is not shown.
const SIGN: char = '\u{fffd}';

/// A line of text.
pub(super) fn printable(text: &str) -> String {
    let shown = |c| if is_steering(c) { SIGN } else { c };
    text.chars().map(shown).collect()
}

/// A whole page, whose lines and tabs stay.
pub(super) fn printable_page(page: &str) -> String {
    let is_layout = |c| matches!(c, '\n' | '\t');
    let shown = |c| {
        if is_steering(c) && !is_layout(c) {
            SIGN
        } else {
            c
        }
    };
    page.chars().map(shown).collect()
}

fn is_steering(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_obeyed_is_a_sign_and_everything_else_is_itself() {
        let text = "a\u{1b}[2J\u{9b}\u{7f}\r\u{202e}b\u{2066}c\u{2028}d\tn\n\u{e9}\u{2713} \u{5d0}";
        let line = "a\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}n\u{fffd}\u{e9}\u{2713} \u{5d0}";
        assert_eq!(printable(text), line);
        assert_eq!(
            printable_page(text),
            line.replace("d\u{fffd}n\u{fffd}", "d\tn\n")
        );
    }
}
