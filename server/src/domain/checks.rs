//! What several systems check alike: who asks, and how much they ask for.
//!
//! A context or a figure comes in; a refusal goes out where it is not acceptable. Deliberately
//! absent: everything that only one system knows.

use protocol::{Code, Refusal, Roles, UserId, limits::PAGE_LEN_MAX};

use super::Context;

/// Milliseconds of one day.
pub(super) const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// The server is nobody, and so is whoever has not logged in.
pub(super) const fn check_person(cx: &Context) -> Result<(), Refusal> {
    if cx.actor.0 == UserId::NOBODY.0 {
        return Err(Refusal::new(Code::LOG_IN_FIRST));
    }
    Ok(())
}

/// Whether another person than `user` does this; not the server, which sets things up by itself.
pub(super) fn is_somebody_elses(cx: &Context, user: UserId) -> bool {
    cx.actor != UserId::NOBODY && cx.actor != user
}

/// Managers and admins. The server itself is nobody with every role.
pub(super) fn check_manager(cx: &Context) -> Result<(), Refusal> {
    if is_manager(cx) {
        return Ok(());
    }
    check_person(cx)?;
    Err(not_allowed(cx, Roles::MANAGER))
}

/// Whether the asker is a manager or an admin.
pub(super) const fn is_manager(cx: &Context) -> bool {
    cx.roles.contains(Roles::MANAGER) || cx.roles.contains(Roles::ADMIN)
}

/// The asker lacks this role.
pub(super) fn not_allowed(cx: &Context, needed: Roles) -> Refusal {
    Refusal::with(Code::NOT_ALLOWED, cx.roles.0.into(), needed.0.into())
}

/// Whether a name or a text of this many bytes is one, and not too long.
pub(super) fn check_length(code: Code, text: &str, bytes_max: usize) -> Result<(), Refusal> {
    if text.is_empty() || bytes_max < text.len() {
        return Err(refusal(code, text.len(), bytes_max));
    }
    Ok(())
}

/// Whether a name of this many bytes is one that people can tell from others by looking at it.
pub(super) fn check_name(code: Code, name: &str, bytes_max: usize) -> Result<(), Refusal> {
    check_length(code, name, bytes_max)?;
    check_seen(name)?;
    if name.chars().all(char::is_whitespace) {
        return Err(refusal(Code::NAME_BLANK, name.len(), 0));
    }
    Ok(())
}

/// Whether a name has no character that nobody sees.
pub(super) fn check_seen(name: &str) -> Result<(), Refusal> {
    let (mut before, mut characters) = (None, name.chars().enumerate().peekable());
    while let Some((index, c)) = characters.next() {
        let after = characters.peek().map(|(_, after)| *after);
        if is_unseen(before, c, after) {
            return Err(refusal(Code::NAME_INVISIBLE, index + 1, 0));
        }
        before = Some(c);
    }
    Ok(())
}

/// Whether nobody sees this character between these. Some scripts and pictures are written with joiners
/// and selectors of no width, which show there and nowhere else: beside characters beyond ASCII.
fn is_unseen(before: Option<char>, c: char, after: Option<char>) -> bool {
    let shows = |beside: Option<char>| beside.is_some_and(|beside| !beside.is_ascii());
    match c {
        '\u{200c}' | '\u{200d}' => !shows(before) || !shows(after),
        '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => !shows(before),
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'
        | '\u{200e}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => true,
        c => c.is_control(),
    }
}

/// Whether there is room for one more where there are `len` of at most `len_max`.
pub(super) fn check_room(code: Code, len: usize, len_max: usize) -> Result<(), Refusal> {
    if len_max <= len {
        return Err(refusal(code, len, len_max));
    }
    Ok(())
}

/// How many entries a page may have.
pub(super) fn page_len(limit: u16) -> Result<usize, Refusal> {
    if !(1..=PAGE_LEN_MAX).contains(&limit) {
        let (value, limit) = (limit.into(), PAGE_LEN_MAX.into());
        return Err(Refusal::with(Code::PAGE_LEN, value, limit));
    }
    Ok(limit.into())
}

/// A refusal of counted things.
pub(super) fn refusal(code: Code, value: usize, limit: usize) -> Refusal {
    let figure = |count| u64::try_from(count).unwrap_or(u64::MAX);
    Refusal::with(code, figure(value), figure(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Result<(), Refusal>) {
        let found = check_name(Code::CONVERSATION_NAME_LENGTH, name, 64);
        assert_eq!(found, expected, "{name:?}");
    }

    #[test]
    fn a_name_is_something_that_people_see() {
        for name in [
            "Kitchen",
            "cozinha nº 2",
            "!!!",
            "Küche",
            "\u{2764}\u{fe0f}",
            "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
            "\u{646}\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}",
        ] {
            check(name, Ok(()));
        }
        for name in [" ", "   ", "\u{a0}\u{2003}"] {
            check(name, Err(refusal(Code::NAME_BLANK, name.len(), 0)));
        }
        check("", Err(refusal(Code::CONVERSATION_NAME_LENGTH, 0, 64)));
    }

    #[test]
    fn a_character_that_nobody_sees_is_named_by_its_place() {
        for c in "\0\t\n\r\u{7f}\u{85}\u{ad}\u{61c}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2028}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{3164}\u{fe0f}\u{feff}\u{e0041}".chars() {
            for (name, place) in [(format!("Kitchen{c}"), 8), (format!("{c}Kitchen"), 1), (format!("Kit{c}chen"), 4)] {
                check(&name, Err(refusal(Code::NAME_INVISIBLE, place, 0)));
            }
        }
    }
}
