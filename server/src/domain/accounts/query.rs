//! What can be asked of the accounts.
//!
//! A query and its context come in; an answer goes out, about the asker or about a name they know.
//! Deliberately absent: any change of state, and a list of everybody.

use protocol::{
    Code, Refusal,
    words::accounts::{FindUser, FoundUser, Me, SessionView, Sessions},
};

use super::{decide::check_person, state::Accounts};
use crate::domain::Context;

impl Accounts {
    pub(super) fn who_am_i(&self, cx: &Context) -> Result<Me, Refusal> {
        check_person(cx)?;
        let person =
            self.person(cx.actor)
                .ok_or(Refusal::with(Code::UNKNOWN_USER, cx.actor.0, 0))?;
        Ok(Me {
            user: cx.actor,
            name: person.name.as_ref().to_owned(),
            roles: self.roles(cx.actor),
        })
    }

    pub(super) fn my_sessions(&self, cx: &Context) -> Result<Sessions, Refusal> {
        check_person(cx)?;
        let sessions = self
            .live_sessions_of(cx.actor, cx.now)
            .map(|(session, row)| SessionView {
                session,
                opened_at: row.opened_at,
                expires_at: row.expires_at,
                cursor: row.cursor,
            })
            .collect();
        Ok(Sessions { sessions })
    }

    pub(super) fn find_user(&self, cx: &Context, query: &FindUser) -> Result<FoundUser, Refusal> {
        check_person(cx)?;
        match self.user_named(&query.name) {
            Some(user) => Ok(FoundUser { user }),
            None => Err(Refusal::new(Code::UNKNOWN_USER)),
        }
    }
}
