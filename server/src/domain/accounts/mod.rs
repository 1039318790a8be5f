//! The accounts: people, their sessions, what they may do.
//!
//! Commands come in and events go out through [`System`]; the files are the steps: `decide` reads
//! and may refuse, `query` answers, `state` holds the rows and applies events to them. The shell
//! around the log looks up credentials and sessions here before it trusts anybody.
//!
//! Names are ASCII, so that two names that look alike are alike: letters, digits, `_`, `.` and `-`,
//! compared without regard to case and shown as they were registered.
//!
//! Whoever is erased leaves no row. A log whose keys are gone is replayed with people who have no
//! name, each of whom its own log erases later; between the two they are nobody's to find.
//!
//! Deliberately absent: passwords, tokens and the hashing of either; only their hashes come here.

mod decide;
mod query;
mod state;

#[cfg(test)]
mod tests;

use protocol::{
    Refusal, Seq, UserId,
    words::{
        accounts::{self as words, Command, Event},
        log::About,
    },
};

pub use decide::SESSION_LIFETIME;
use decide::decide_clock;
pub use state::{Accounts, Credential, SessionFact};

use super::{
    Context, Lifecycle, Pushed, Stream, System, checks::is_somebody_elses, personal::AboutSomebody,
    word,
};

word!(Command, Event, words::Query, words::Answer, words::Push);

impl System for Accounts {
    const ID: u8 = words::SYSTEM;
    type Command = Command;
    type Event = Event;
    type Query = words::Query;
    type Answer = words::Answer;
    type Push = words::Push;

    /// `register` and `rehash`.
    const PERSONAL: &'static [u8] = &[1, 6];

    fn personal(seq: Seq, _actor: UserId, command: &mut Command) -> Option<AboutSomebody<'_>> {
        match command {
            Command::Register(command) => Some(AboutSomebody {
                user: UserId(seq.0),
                texts: [Some(&mut command.name), Some(&mut command.password_hash)],
            }),
            Command::Rehash(command) => Some(AboutSomebody {
                user: command.user,
                texts: [Some(&mut command.password_hash), None],
            }),
            Command::LogIn(_)
            | Command::RevokeSession(_)
            | Command::RevokeAllSessions(_)
            | Command::SetRoles(_)
            | Command::MoveCursor(_)
            | Command::EraseMe(_)
            | Command::SetClockBack(_) => None,
        }
    }

    fn is_client_command(command: &Command) -> bool {
        match command {
            Command::RevokeSession(_)
            | Command::RevokeAllSessions(_)
            | Command::SetRoles(_)
            | Command::MoveCursor(_)
            | Command::EraseMe(_) => true,
            // What the server makes of an `AuthRequest`, where a client would only claim to be verified,
            // and of what its operator says.
            Command::Register(_)
            | Command::LogIn(_)
            | Command::Rehash(_)
            | Command::SetClockBack(_) => false,
        }
    }

    fn decide(&self, cx: &Context, command: &Command) -> Result<Event, Refusal> {
        match command {
            Command::Register(command) => self.decide_register(command).map(Event::from),
            Command::LogIn(command) => self.decide_log_in(cx, command).map(Event::from),
            Command::RevokeSession(command) => self.decide_revoke(cx, command).map(Event::from),
            Command::RevokeAllSessions(_) => self.decide_revoke_all(cx).map(Event::from),
            Command::SetRoles(command) => self.decide_roles(cx, command).map(Event::from),
            Command::Rehash(command) => self.decide_rehash(command).map(Event::from),
            Command::MoveCursor(command) => self.decide_cursor(cx, command).map(Event::from),
            Command::EraseMe(_) => self.decide_erase(cx).map(Event::from),
            Command::SetClockBack(_) => decide_clock(cx).map(Event::from),
        }
    }

    fn apply(&mut self, cx: &Context, command: &Command, event: &Event) {
        self.apply_event(cx, command, event);
    }

    fn answer(&self, cx: &Context, query: &words::Query) -> Result<words::Answer, Refusal> {
        match query {
            words::Query::WhoAmI(_) => self.who_am_i(cx).map(Into::into),
            words::Query::MySessions(_) => self.my_sessions(cx).map(Into::into),
            words::Query::FindUser(query) => self.find_user(cx, query).map(Into::into),
        }
    }

    fn follow(&self, user: UserId, visit: &mut dyn FnMut(Stream, Seq)) {
        // Both begin with the person; whoever is nobody follows nothing.
        if self.person(user).is_some() {
            visit(Stream::Everybody, Seq(user.0));
            visit(Stream::Person(user), Seq(user.0));
        }
    }

    fn push(cx: &Context, _command: &Command, event: &Event) -> Option<Pushed<words::Push>> {
        let Event::RolesSet(event) = event else {
            return None;
        };
        is_somebody_elses(cx, event.user).then(|| Pushed {
            stream: Stream::Person(event.user),
            word: event.clone().into(),
            is_kept: true,
        })
    }

    fn concerns(_command: &Command, event: &Event) -> Option<UserId> {
        match event {
            Event::RolesSet(event) => Some(event.user),
            Event::Rehashed(event) => Some(event.user),
            Event::Registered(_)
            | Event::LoggedIn(_)
            | Event::SessionsEnded(_)
            | Event::CursorMoved(_)
            | Event::Erased(_)
            | Event::ClockSetBack(_) => None,
        }
    }

    fn about(cx: &Context, command: &Command, event: Option<&Event>) -> About {
        match command {
            Command::Register(_) => {
                event.map_or(About::Nothing, |_| About::Person(UserId(cx.seq.0)))
            }
            Command::LogIn(_) => event.map_or(About::Nothing, |_| About::Session(cx.seq.0)),
            Command::RevokeAllSessions(_) | Command::EraseMe(_) | Command::SetClockBack(_) => {
                About::Nothing
            }
            Command::RevokeSession(command) => About::Session(command.session),
            Command::MoveCursor(command) => About::Session(command.session),
            Command::SetRoles(words::SetRoles { user, roles }) => About::Roles {
                user: *user,
                roles: *roles,
            },
            Command::Rehash(command) => About::Person(command.user),
        }
    }

    fn passage(cx: &Context, event: &Event) -> Option<Lifecycle> {
        match event {
            Event::Registered(_) => Some(Lifecycle::Registered(UserId(cx.seq.0))),
            Event::Erased(_) => Some(Lifecycle::Erased(cx.actor)),
            Event::LoggedIn(_)
            | Event::SessionsEnded(_)
            | Event::RolesSet(_)
            | Event::Rehashed(_)
            | Event::CursorMoved(_)
            | Event::ClockSetBack(_) => None,
        }
    }

    fn forget(&mut self, _cx: &Context, user: UserId) {
        self.remove_person(user);
    }

    fn target(&self, command: &Command) -> u64 {
        match command {
            Command::Register(_)
            | Command::LogIn(_)
            | Command::RevokeAllSessions(_)
            | Command::EraseMe(_)
            | Command::SetClockBack(_) => 0,
            Command::RevokeSession(command) => command.session,
            Command::SetRoles(command) => command.user.0,
            Command::Rehash(command) => command.user.0,
            Command::MoveCursor(command) => command.session,
        }
    }

    fn state_hash(&self) -> u128 {
        self.digest().value()
    }
}
