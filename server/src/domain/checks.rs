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
