//! One connection's conversation, without the socket.
//!
//! Bytes and outcomes go in (`handle_*`); demands, bytes and the next deadline come out. Keeps who
//! the connection belongs to, how many requests are unanswered, and the bytes that wait to be sent.
//! Knows nothing of TCP, threads, the engine or the log.

mod action;
mod auth;

use std::{iter, time::Duration};

use protocol::{
    ChainHash, Code, Key, Refusal, Seq, UserId,
    code::Ways,
    frame::{self, FrameError},
    limits::{IN_FLIGHT_MAX, REQUEST_BYTES_MAX, WIRE_VERSION},
    message::{ErrorReply, Reply, Request, Welcome, WelcomeFlags},
    words::accounts::AuthRequest,
};

pub use action::{Action, Payload, PendingRequest, RequestKind};
pub use auth::{Grant, LOGIN_FAILURES_MAX};

use self::auth::Auth;
use crate::log::Head;

/// How long a conversation may take to get going, and how long it may be silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTimeouts {
    /// From connecting to the hello frame. An honest client sends it at once.
    pub hello: Duration,
    /// From connecting to being somebody. People type; 20 s would be short, a minute is enough.
    pub login: Duration,
    /// Between two frames. A client with nothing to say is probed after half of it.
    pub idle: Duration,
    /// For which a client may read nothing of what it was sent. A paused laptop comes back sooner,
    /// or connects again.
    pub unread: Duration,
}

impl Default for SessionTimeouts {
    fn default() -> Self {
        Self {
            hello: Duration::from_secs(5),
            login: Duration::from_secs(60),
            idle: Duration::from_secs(300),
            unread: Duration::from_secs(60),
        }
    }
}

/// Memory a connection keeps for sending after a burst.
const OUTBOUND_BYTES_KEPT: usize = 4 * 1024;

/// Who a connection belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Has not said hello.
    Silent,
    /// Speaks our language and is nobody yet.
    Stranger,
    /// Logged in.
    Person(Person),
    /// Logged in until just now, by what is decided: nothing more is considered, and nobody may
    /// know yet.
    Revoked(Person),
    /// Logged in until just now, and that is durable: what was asked before is still answered.
    Ended(Person),
    /// Nothing more is read.
    Closed,
}

/// Somebody who is logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub user: UserId,
    /// By which session.
    pub session: u64,
    /// When it ends by itself, milliseconds since 1970-01-01 UTC.
    pub expires_at: u64,
}

/// One conversation. See the head of this file.
#[derive(Debug)]
pub struct Session {
    stage: Stage,
    timeouts: SessionTimeouts,
    /// Milliseconds of the shell's monotonic clock.
    connected_at: u64,
    heard_at: u64,
    /// Whether it was asked for a sign of life since it was heard.
    is_probed: bool,
    in_flight: u32,
    /// Refusals of signals that may not be sent yet.
    refusals_awaited: u32,
    auth: Option<Auth>,
    login_failures: u32,
    /// What was refused and not yet counted.
    refused: Option<Code>,
    outbound: Vec<u8>,
}

impl Session {
    /// A conversation that begins at `now` (milliseconds of any clock that never falls).
    #[must_use]
    pub const fn new(now: u64, timeouts: SessionTimeouts) -> Self {
        Self {
            stage: Stage::Silent,
            timeouts,
            connected_at: now,
            heard_at: now,
            is_probed: false,
            in_flight: 0,
            refusals_awaited: 0,
            auth: None,
            login_failures: 0,
            refused: None,
            outbound: Vec::new(),
        }
    }

    /// Takes the first whole frame off `input` and says what it demands. What is left of `input`
    /// comes back with it; with [`Action::More`] that is everything, to be shown again with more.
    pub fn handle_input<'a>(
        &mut self,
        now: u64,
        input: &'a [u8],
        server: &ServerFacts,
    ) -> (Action<'a>, &'a [u8]) {
        if self.stage == Stage::Closed {
            return (Action::Close, &[]);
        }
        match frame::split(input, REQUEST_BYTES_MAX) {
            Ok(None) => (Action::More, input),
            Ok(Some((frame, rest))) => {
                self.heard_at = now;
                self.is_probed = false;
                let demand = match Request::decode(frame) {
                    Ok(Request::Hello { version }) if self.stage == Stage::Silent => {
                        self.greet(version, server)
                    }
                    Ok(_) if self.stage == Stage::Silent => {
                        let frame_type = frame.first().copied().unwrap_or_default();
                        self.close(Refusal::with(Code::HELLO_FIRST, frame_type.into(), 0))
                    }
                    Ok(request) => self.handle_request(request),
                    Err(error) => self.close(error.refusal()),
                };
                (demand, rest)
            }
            Err(FrameError::TooLong { len, max }) => (
                self.close(Refusal::with(Code::FRAME_TOO_LONG, wide(len), wide(max))),
                &[],
            ),
            Err(FrameError::Empty) => (self.close(Refusal::new(Code::BAD_FRAME)), &[]),
        }
    }

    fn handle_request<'a>(&mut self, request: Request<'a>) -> Action<'a> {
        if let Some((correlation, refusal)) = reserved(&request) {
            return self.refuse(correlation, refusal);
        }
        match request {
            Request::Hello { .. } => self.close(Refusal::with(Code::BAD_FRAME, 0, 0)),
            Request::Ping { correlation } => {
                Reply::Pong { correlation }.encode(&mut self.outbound);
                Action::Nothing
            }
            // Heard, which is all there is to it.
            Request::Alive => Action::Nothing,
            Request::Signal { kind, schema, body } => {
                let word = Payload { kind, schema, body };
                self.pass(word)
            }
            Request::Auth {
                correlation,
                key,
                request,
            } => self.handle_auth(correlation, key, request),
            Request::Command {
                correlation,
                key,
                kind,
                schema,
                body,
            } => {
                let word = Payload { kind, schema, body };
                self.admit(correlation, |user| RequestKind::Command { user, key, word })
            }
            Request::Query {
                correlation,
                kind,
                schema,
                body,
            } => {
                let word = Payload { kind, schema, body };
                self.admit(correlation, |user| RequestKind::Query { user, word })
            }
        }
    }

    fn greet<'a>(&mut self, version: u16, server: &ServerFacts) -> Action<'a> {
        if version != WIRE_VERSION {
            let (theirs, ours) = (u64::from(version), u64::from(WIRE_VERSION));
            return self.close(Refusal::with(Code::WIRE_VERSION, theirs, ours));
        }
        self.stage = Stage::Stranger;
        let welcome = Welcome {
            version: WIRE_VERSION,
            request_bytes_max: u32::try_from(REQUEST_BYTES_MAX).unwrap_or(u32::MAX),
            in_flight_max: IN_FLIGHT_MAX,
            flags: server.flags,
            seq: server.durable.seq,
            hash: server.durable.hash,
        };
        Reply::Welcome(welcome).encode(&mut self.outbound);
        Action::Nothing
    }

    /// The commands that stand whole in `input`, as this connection's person will ask for them
    /// unless something in between changes who that is: to prepare for them, nothing more.
    pub fn prefetch<'a>(
        &self,
        mut input: &'a [u8],
    ) -> impl Iterator<Item = (UserId, Key, Payload<'a>)> + use<'a> {
        let user = match self.stage {
            Stage::Person(person) => Some(person.user),
            Stage::Silent
            | Stage::Stranger
            | Stage::Revoked(_)
            | Stage::Ended(_)
            | Stage::Closed => None,
        };
        iter::from_fn(move || {
            let (frame, rest) = frame::split(input, REQUEST_BYTES_MAX).ok().flatten()?;
            input = rest;
            let (key, kind, schema, body) = Request::command_in(frame)?;
            Some((user?, key, Payload { kind, schema, body }))
        })
    }

    /// Passes something on for this connection's person, if it may ask anything now.
    fn admit<'a>(
        &mut self,
        correlation: u64,
        what: impl FnOnce(UserId) -> RequestKind<'a>,
    ) -> Action<'a> {
        let person = match self.stage {
            Stage::Person(person) => Some(person),
            Stage::Revoked(_) => None,
            Stage::Ended(_) => {
                return self.refuse(correlation, Refusal::new(Code::SESSION_ENDED));
            }
            Stage::Silent | Stage::Stranger | Stage::Closed => {
                return self.refuse(correlation, Refusal::new(Code::LOG_IN_FIRST));
            }
        };
        if IN_FLIGHT_MAX <= self.in_flight {
            let (in_flight, max) = (u64::from(self.in_flight), u64::from(IN_FLIGHT_MAX));
            return self.refuse(correlation, Refusal::with(Code::IN_FLIGHT, in_flight, max));
        }
        self.in_flight += 1;
        let what = person.map_or(RequestKind::TooLate, |person| what(person.user));
        Action::Ask(PendingRequest { correlation, what })
    }

    /// Hands on a signal of this connection's person.
    fn pass<'a>(&mut self, word: Payload<'a>) -> Action<'a> {
        match self.stage {
            Stage::Person(Person { user, .. }) => Action::Signal { user, word },
            Stage::Revoked(_) => Action::Nothing,
            Stage::Ended(_) => self.refuse(0, Refusal::new(Code::SESSION_ENDED)),
            Stage::Silent | Stage::Stranger | Stage::Closed => {
                self.refuse(0, Refusal::new(Code::LOG_IN_FIRST))
            }
        }
    }

    /// A signal cannot be, and is refused when that may be sent.
    pub const fn expect_refusal(&mut self) {
        self.refusals_awaited += 1;
    }

    /// Whether so many signals are yet to be refused that nothing more may be considered.
    #[must_use]
    pub const fn is_full_of_refusals(&self) -> bool {
        IN_FLIGHT_MAX <= self.refusals_awaited
    }

    /// Requests that are unanswered.
    #[must_use]
    pub const fn in_flight(&self) -> u32 {
        self.in_flight + self.refusals_awaited
    }

    fn refuse<'a>(&mut self, correlation: u64, refusal: Refusal) -> Action<'a> {
        self.send_error(correlation, refusal, 0, false);
        Action::Nothing
    }

    /// The fatal error is the last frame of a conversation.
    fn close<'a>(&mut self, refusal: Refusal) -> Action<'a> {
        if !self.is_closed() {
            self.send_error(0, refusal, 0, true);
            self.stage = Stage::Closed;
        }
        Action::Close
    }

    fn send_error(&mut self, correlation: u64, refusal: Refusal, retry_after_ms: u32, fatal: bool) {
        self.refused = Some(refusal.code);
        let way = if fatal { Ways::FATAL } else { Ways::ERROR };
        debug_assert!(
            refusal.code.comes_as(way),
            "{refusal} comes as no such error"
        );
        Reply::Error(ErrorReply {
            correlation,
            refusal,
            retry_after_ms,
            fatal,
        })
        .encode(&mut self.outbound);
    }

    /// A demand was not considered; it is not in flight any more.
    pub fn handle_refused(&mut self, correlation: u64, refusal: Refusal, retry_after_ms: u32) {
        // A signal has no number. A request may have none either: then it is counted as
        // the other, which comes to the same.
        if correlation == 0 && 0 < self.refusals_awaited {
            self.refusals_awaited -= 1;
        } else {
            self.answered(correlation);
        }
        if self.is_closed() {
            return;
        }
        self.send_error(correlation, refusal, retry_after_ms, false);
    }

    /// An outcome may leave.
    pub fn handle_answer(&mut self, correlation: u64, at: Head, outcome: &[u8]) {
        let auth = self.auth.filter(|auth| auth.correlation == correlation);
        self.answered(correlation);
        if self.is_closed() {
            return;
        }
        match auth {
            Some(auth) => self.handle_auth_outcome(auth, at, outcome),
            None => self.send_answer(correlation, at, outcome),
        }
    }

    fn answered(&mut self, correlation: u64) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if self
            .auth
            .is_some_and(|auth| auth.correlation == correlation)
        {
            self.auth = None;
        }
    }

    fn send_answer(&mut self, correlation: u64, at: Head, outcome: &[u8]) {
        let (seq, hash): (Seq, ChainHash) = (at.seq, at.hash);
        Reply::Answer {
            correlation,
            seq,
            hash,
            outcome,
        }
        .encode(&mut self.outbound);
    }

    /// Looks at the clock: closes a conversation that is too slow, too silent, or whose session is
    /// over. `wall` is milliseconds since 1970-01-01 UTC.
    pub fn handle_timeout(&mut self, now: u64, wall: u64) -> Action<'static> {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let over = |since: u64, limit: Duration| since.saturating_add(millis(limit)) <= now;
        let (timeouts, connected_at) = (self.timeouts, self.connected_at);
        let late = |code: Code, limit: Duration| Refusal::with(code, 0, millis(limit));
        match self.stage {
            Stage::Silent if over(connected_at, timeouts.hello) => {
                self.close(late(Code::HELLO_TIMEOUT, timeouts.hello))
            }
            Stage::Stranger if self.auth.is_none() && over(connected_at, timeouts.login) => {
                self.close(late(Code::LOGIN_TIMEOUT, timeouts.login))
            }
            Stage::Person(person) if person.expires_at <= wall => {
                self.close(Refusal::new(Code::SESSION_ENDED))
            }
            Stage::Person(_) if self.in_flight() == 0 && over(self.heard_at, timeouts.idle) => {
                self.close(late(Code::IDLE, timeouts.idle))
            }
            Stage::Person(_)
                if self.in_flight() == 0
                    && !self.is_probed
                    && over(self.heard_at, timeouts.idle / 2) =>
            {
                self.is_probed = true;
                Reply::Probe.encode(&mut self.outbound);
                Action::Nothing
            }
            Stage::Ended(_) if self.in_flight() == 0 => {
                self.close(Refusal::new(Code::SESSION_ENDED))
            }
            Stage::Silent
            | Stage::Stranger
            | Stage::Person(_)
            | Stage::Revoked(_)
            | Stage::Ended(_) => Action::Nothing,
            Stage::Closed => Action::Close,
        }
    }

    /// The session was revoked: nothing more is considered for it. Returns whether it was until
    /// now; its person knows nothing before [`Session::handle_ended`].
    pub fn handle_revoked(&mut self) -> bool {
        let Stage::Person(person) = self.stage else {
            return false;
        };
        self.stage = Stage::Revoked(person);
        true
    }

    /// That the session was revoked is durable: the conversation ends when everything is answered.
    pub fn handle_ended(&mut self) {
        if let Stage::Revoked(person) = self.stage {
            self.stage = Stage::Ended(person);
        }
    }

    /// The conversation cannot go on.
    pub fn handle_end(&mut self, refusal: Refusal) -> Action<'static> {
        self.close(refusal)
    }

    /// What was refused since this was asked last, to be counted. Ask after every input: one input
    /// leads to one refusal at most, outcomes apart.
    pub const fn take_refused(&mut self) -> Option<Code> {
        self.refused.take()
    }

    /// Whose connection this is.
    #[must_use]
    pub const fn person(&self) -> Option<Person> {
        match self.stage {
            Stage::Person(person) | Stage::Revoked(person) | Stage::Ended(person) => Some(person),
            Stage::Silent | Stage::Stranger | Stage::Closed => None,
        }
    }

    /// Whether its person is to be told what others do.
    #[must_use]
    pub const fn is_subscribed(&self) -> bool {
        matches!(self.stage, Stage::Person(_) | Stage::Revoked(_))
    }

    /// Whether some request is unanswered, or an answer unsent.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        0 < self.in_flight() || !self.outbound.is_empty()
    }

    /// Whether nothing more is read.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.stage == Stage::Closed
    }

    /// The bytes to send.
    #[must_use]
    pub fn outbound(&self) -> &[u8] {
        &self.outbound
    }

    /// Part of a frame was sent that is not from here: the rest of it must come before anything
    /// else.
    pub fn handle_cut_frame(&mut self, rest: &[u8]) {
        self.outbound.splice(..0, rest.iter().copied());
    }

    /// What the bytes to send cost in memory.
    #[must_use]
    pub const fn outbound_cost(&self) -> usize {
        self.outbound.capacity()
    }

    /// Milliseconds for which its client may read nothing.
    #[must_use]
    pub fn unread_max_ms(&self) -> u64 {
        u64::try_from(self.timeouts.unread.as_millis()).unwrap_or(u64::MAX)
    }

    /// What waits to be sent will never be: the link is gone.
    pub fn discard(&mut self) {
        self.outbound = Vec::new();
    }

    /// `len` of the bytes to send were sent.
    pub fn handle_sent(&mut self, len: usize) {
        if len < self.outbound.len() {
            self.outbound.drain(..len);
        } else {
            self.outbound.clear();
            self.outbound.shrink_to(OUTBOUND_BYTES_KEPT);
        }
    }
}

/// Why a request uses what is not for clients to use, if it does, and its correlation: the number of
/// the conversation itself, or a key of the server's own, under which a record may already stand. The
/// key of a resumption means nothing, so it may be any.
fn reserved(request: &Request<'_>) -> Option<(u64, Refusal)> {
    let (correlation, key) = match request {
        Request::Command {
            correlation, key, ..
        } => (*correlation, Some(key)),
        Request::Auth {
            correlation,
            key,
            request,
        } => match request {
            AuthRequest::Register { .. } | AuthRequest::LogIn { .. } => (*correlation, Some(key)),
            AuthRequest::Resume { .. } => (*correlation, None),
        },
        Request::Query { correlation, .. } | Request::Ping { correlation } => (*correlation, None),
        Request::Hello { .. } | Request::Signal { .. } | Request::Alive => return None,
    };
    if correlation == 0 {
        return Some((0, Refusal::new(Code::ZERO_CORRELATION)));
    }
    let is_server_own = key.is_some_and(Key::is_server_own);
    is_server_own.then(|| (correlation, Refusal::new(Code::SERVER_KEY)))
}

/// What a welcome tells of the server.
#[derive(Debug, Clone, Copy)]
pub struct ServerFacts {
    /// What a judge must know.
    pub flags: WelcomeFlags,
    /// The newest durable position.
    pub durable: Head,
}

fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
