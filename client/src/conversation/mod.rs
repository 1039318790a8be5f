//! One person's conversation with the server, over as many connections as it takes.
//!
//! Requests, bytes and instants go in (`command`, `query`, `handle_*`); answers, pushes, bytes to
//! write, the wish to connect and the next deadline come out. The caller owns the socket: it
//! connects when [`Conversation::poll_connect`] says so, and says [`Conversation::handle_lost`]
//! when a connection is gone or an error says that it is of no further use. On every connection:
//!
//! ```text
//! hello, log in or resume -> subscribe from the cursor -> what is unanswered, in order -> the new
//! ```
//!
//! Deliberately absent: sockets, clocks, chance, and doubts about the server: a push that comes
//! twice is handed on twice, because a client that hid it would hide the server's mistake.

mod arrive;
mod options;

#[cfg(test)]
mod tests;

use protocol::{
    ChainHash, Key, Kind, Refusal, Seq, UserId,
    codec::CodecError,
    frame::FrameError,
    limits::WIRE_VERSION,
    message::{MessageError, Request},
    words::{WordError, accounts::AuthRequest, accounts::Token, presence},
};

pub use self::options::{Identity, OnBusy, Options, Session};
use crate::{
    Nanos,
    backoff::Backoff,
    unanswered::{GivenUp, Queue, UNANSWERED_LEN_MAX},
};

/// From the wish to connect to being told of pushes. A first log-in waits for its password hash and
/// for everybody else's before it.
pub const ENTER_TIMEOUT: Nanos = 30_000_000_000;
/// Silence, of either side, after which to ask whether the server is there. A server ends a
/// conversation it has not heard of for five minutes, and a broken network is silent too.
pub const PING_AFTER: Nanos = 60_000_000_000;
/// How long it may take to say so. Beyond, the connection is taken for gone.
pub const PONG_WITHIN: Nanos = 20_000_000_000;
/// A connection that lasted this long was a good one: the next back-off begins at its first window.
/// Four first windows: a server that takes us and throws us out is asked about every other second,
/// and one that is killed several times a minute is not stayed away from for most of it.
pub const STEADY_AFTER: Nanos = 4 * crate::BACKOFF_FIRST;
/// Bytes that may wait to be written: beyond, the server has stopped reading.
const OUT_BYTES_MAX: usize = 64 * 1_024;

/// A word to say, as [`protocol::words`] encode it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<'a> {
    /// Which.
    pub kind: Kind,
    /// The version of its layout.
    pub schema: u8,
    /// Its bytes.
    pub body: &'a [u8],
}

/// Something that reached the client.
#[derive(Debug)]
pub enum Event<'b, T> {
    /// The person is here: pushes behind this position follow.
    Subscribed {
        /// The last position the client has.
        from: Seq,
        /// The newest one when the server took note: what lies between is what was missed.
        newest: Seq,
    },
    /// A request was answered.
    Answered(Answered<'b, T>),
    /// A request was not considered.
    Unconsidered(Unconsidered<T>),
    /// Something happened that is for this person. The cursor stands here now.
    Pushed {
        /// Where.
        seq: Seq,
        /// The log's chain hash there.
        hash: ChainHash,
        /// Which word.
        kind: Kind,
        /// The version of its layout.
        schema: u8,
        /// Its bytes.
        body: &'b [u8],
    },
    /// Something was said in passing.
    News {
        /// Which word.
        kind: Kind,
        /// The version of its layout.
        schema: u8,
        /// Its bytes.
        body: &'b [u8],
    },
}

/// An answer.
#[derive(Debug)]
pub struct Answered<'b, T> {
    /// What its asker wanted back with it.
    pub tag: T,
    /// How often the request was sent.
    pub attempts: u8,
    /// Where it took effect, or what it reflects.
    pub seq: Seq,
    /// The chain hash there.
    pub hash: ChainHash,
    /// What became of it.
    pub outcome: protocol::Outcome<'b>,
}

/// A request that was not considered: nothing was logged, nothing changed.
#[derive(Debug)]
pub struct Unconsidered<T> {
    /// What its asker wanted back.
    pub tag: T,
    /// How often the request was sent.
    pub attempts: u8,
    /// Why.
    pub refusal: Refusal,
}

/// Why a connection is of no further use. Close it, and say [`Conversation::handle_lost`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// No frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// No message.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// No outcome.
    #[error(transparent)]
    Outcome(#[from] CodecError),
    /// No word where one was promised.
    #[error(transparent)]
    Word(#[from] WordError),
    /// A word, and not one that answers what was asked.
    #[error("the server answered something else than was asked")]
    OtherAnswer,
    /// The server is about to close it.
    #[error("the server closes the connection: {0}")]
    Closing(Refusal),
    /// It will never be this person's.
    #[error("the server does not take us: {0}")]
    NotTaken(Refusal),
    /// Nobody answers.
    #[error("the server has not answered for {} s", .0 / 1_000_000_000)]
    Silent(Nanos),
}

/// Where a conversation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nowhere, and wants a connection at this instant; `None` while it is to stay away.
    Away { connect_at: Option<Nanos> },
    /// The caller connects.
    Connecting { since: Nanos },
    /// Hello was said and who we are, under this number; `again_at` while the server is too busy.
    Entering {
        since: Nanos,
        correlation: u64,
        again_at: Option<Nanos>,
    },
    /// Pushes were asked for, under this number; `again_at` as above.
    Subscribing {
        since: Nanos,
        correlation: u64,
        again_at: Option<Nanos>,
    },
    /// Somebody's, and told of everything.
    Open { since: Nanos },
    /// Nothing more will come of it.
    Over(Refusal),
}

/// See the head of this file. `T` is what askers want back with their answers.
#[derive(Debug)]
pub struct Conversation<T> {
    identity: Identity,
    user: UserId,
    session: u64,
    on_busy: OnBusy,
    cursor: Option<Seq>,
    backoff: Backoff,
    stage: Stage,
    next_correlation: u64,
    unanswered: Queue<T>,
    out: Vec<u8>,
    heard_at: Nanos,
    said_at: Nanos,
    /// When the pong to an unanswered ping is overdue.
    pong_due_at: Option<Nanos>,
}

impl<T> Conversation<T> {
    /// A conversation that wants its first connection at once.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            identity: options.identity,
            user: UserId::NOBODY,
            session: 0,
            on_busy: options.on_busy,
            cursor: options.cursor,
            backoff: Backoff::new(options.seed),
            stage: Stage::Away {
                connect_at: Some(0),
            },
            next_correlation: 1, // 0 concerns the conversation
            unanswered: Queue::new(),
            out: Vec::new(),
            heard_at: 0,
            said_at: 0,
            pong_due_at: None,
        }
    }

    /// A conversation that goes on with a connection on which somebody has logged in already, has
    /// nothing unanswered, and has not subscribed: that is the first it says.
    #[must_use]
    pub fn carry_on(session: Session, seed: u64, on_busy: OnBusy, now: Nanos) -> Self {
        let mut conversation = Self::new(Options {
            identity: Identity::Resume(session.token),
            cursor: Some(session.cursor),
            seed,
            on_busy,
        });
        conversation.user = session.user;
        conversation.session = session.session;
        conversation.heard_at = now;
        conversation.subscribe(now, now);
        conversation
    }

    /// The last position that was handed on; `None` before the server said where it begins.
    #[must_use]
    pub const fn cursor(&self) -> Option<Seq> {
        self.cursor
    }

    /// Who this is; nobody until it is known.
    #[must_use]
    pub const fn user(&self) -> UserId {
        self.user
    }

    /// The id of the session, whose cursor a client may move; 0 until it is known.
    #[must_use]
    pub const fn session(&self) -> u64 {
        self.session
    }

    /// What to resume with, once somebody has logged in.
    #[must_use]
    pub const fn token(&self) -> Option<Token> {
        match self.identity {
            Identity::Resume(token) => Some(token),
            Identity::LogIn { .. } => None,
        }
    }

    /// Whether requests reach the server now.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open { .. })
    }

    /// Whether there is no connection, nor one being made.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        matches!(self.stage, Stage::Away { .. } | Stage::Over(_))
    }

    /// Why nothing more will come of it, if that is so.
    #[must_use]
    pub const fn ended(&self) -> Option<&Refusal> {
        match &self.stage {
            Stage::Over(refusal) => Some(refusal),
            Stage::Away { .. }
            | Stage::Connecting { .. }
            | Stage::Entering { .. }
            | Stage::Subscribing { .. }
            | Stage::Open { .. } => None,
        }
    }

    /// Whether something more may be asked. Away it is kept, and sent when there is a connection.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.unanswered.len() < UNANSWERED_LEN_MAX
            && self.out.len() < OUT_BYTES_MAX
            && self.ended().is_none()
    }

    /// Changes something: under this key, until it is answered or [`Self::expire`] gives it up.
    pub fn command(&mut self, key: Key, word: Word<'_>, tag: T, now: Nanos) {
        let correlation = self.take_correlation();
        let Word { kind, schema, body } = word;
        let request = Request::Command {
            correlation,
            key,
            kind,
            schema,
            body,
        };
        self.ask(correlation, &request, tag, now);
    }

    /// Asks something, until it is answered or [`Self::expire`] gives it up.
    pub fn query(&mut self, word: Word<'_>, tag: T, now: Nanos) {
        let correlation = self.take_correlation();
        let Word { kind, schema, body } = word;
        let request = Request::Query {
            correlation,
            kind,
            schema,
            body,
        };
        self.ask(correlation, &request, tag, now);
    }

    /// Says something in passing. Away, nobody hears it.
    pub fn signal(&mut self, word: Word<'_>, now: Nanos) {
        let Word { kind, schema, body } = word;
        if self.is_open() {
            self.say(&Request::Signal { kind, schema, body }, now);
        }
    }

    /// What the oldest unanswered request's asker wants back.
    #[must_use]
    pub fn oldest(&self) -> Option<&T> {
        self.unanswered.oldest()
    }

    /// What the newest unanswered request's asker wants back.
    pub fn newest(&mut self) -> Option<&mut T> {
        self.unanswered.newest()
    }

    /// Gives up the oldest unanswered request: it is not asked again, and an answer is ignored.
    pub fn give_up(&mut self) -> Option<GivenUp<T>> {
        self.unanswered.give_up()
    }

    /// When [`Self::expire`] has something to give up.
    #[must_use]
    pub fn expires_at(&self) -> Option<Nanos> {
        self.unanswered.expires_at()
    }

    /// Gives up the oldest unanswered request if it was asked [`GIVE_UP_AFTER`](crate::GIVE_UP_AFTER) ago: it is not sent
    /// again in any case, whether this is called or not. Call it until there is nothing.
    pub fn expire(&mut self, now: Nanos) -> Option<GivenUp<T>> {
        let is_due = self.expires_at().is_some_and(|at| at <= now);
        is_due.then(|| self.unanswered.give_up())?
    }

    /// Whether the caller is to connect now. It says so once; then [`Self::handle_connected`] or
    /// [`Self::handle_lost`] is to follow.
    pub fn poll_connect(&mut self, now: Nanos) -> bool {
        let is_due = self
            .connect_at()
            .is_some_and(|connect_at| connect_at <= now);
        if is_due {
            self.stage = Stage::Connecting { since: now };
        }
        is_due
    }

    /// When it wants a connection, if it wants one.
    #[must_use]
    pub const fn connect_at(&self) -> Option<Nanos> {
        match self.stage {
            Stage::Away { connect_at } => connect_at,
            Stage::Connecting { .. }
            | Stage::Entering { .. }
            | Stage::Subscribing { .. }
            | Stage::Open { .. }
            | Stage::Over(_) => None,
        }
    }

    /// There is a connection, or will be: bytes written now travel when there is.
    pub fn handle_connected(&mut self, now: Nanos) {
        self.out.clear();
        self.pong_due_at = None;
        self.heard_at = now;
        let version = WIRE_VERSION;
        self.say(&Request::Hello { version }, now);
        let since = match self.stage {
            Stage::Connecting { since } => since,
            Stage::Away { .. }
            | Stage::Entering { .. }
            | Stage::Subscribing { .. }
            | Stage::Open { .. }
            | Stage::Over(_) => now,
        };
        self.enter(since, now);
    }

    /// The connection is gone, or could not be made: it comes back after a while.
    pub fn handle_lost(&mut self, now: Nanos) {
        if matches!(self.stage, Stage::Over(_)) {
            return self.hang_up();
        }
        if let Stage::Open { since } = self.stage
            && STEADY_AFTER <= now.saturating_sub(since)
        {
            self.backoff.reset();
        }
        let wait = self.backoff.next();
        self.hang_up();
        self.stage = Stage::Away {
            connect_at: Some(now.saturating_add(wait)),
        };
    }

    /// Stays away from now on, and comes back at this instant. The caller closes the connection.
    pub fn go_away(&mut self, until: Option<Nanos>) {
        self.hang_up();
        if self.ended().is_none() {
            self.backoff.reset();
            self.stage = Stage::Away { connect_at: until };
        }
    }

    fn hang_up(&mut self) {
        self.out = Vec::new();
        self.pong_due_at = None;
        self.unanswered.cut_off();
    }

    /// Bytes to write, if there are any. Whoever writes some takes them from the front.
    pub const fn poll_transmit(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// When [`Self::handle_timeout`] or [`Self::poll_connect`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Nanos> {
        match self.stage {
            Stage::Away { connect_at } => connect_at,
            Stage::Connecting { since } => Some(since + ENTER_TIMEOUT),
            Stage::Entering {
                since, again_at, ..
            }
            | Stage::Subscribing {
                since, again_at, ..
            } => again_at.into_iter().chain([since + ENTER_TIMEOUT]).min(),
            Stage::Open { .. } => {
                let pings = [self.pong_due_at.unwrap_or_else(|| self.ping_at())];
                self.unanswered.due_at().into_iter().chain(pings).min()
            }
            Stage::Over(_) => None,
        }
    }

    /// Does what is due: asks again what was put off, pings, and notices who is silent.
    ///
    /// # Errors
    /// If the connection is of no further use.
    pub fn handle_timeout(&mut self, now: Nanos) -> Result<(), Broken> {
        let is_due = |at: Option<Nanos>| at.is_some_and(|at| at <= now);
        let silent_since = |since: Nanos| Err(Broken::Silent(now.saturating_sub(since)));
        match self.stage {
            Stage::Connecting { since }
            | Stage::Entering { since, .. }
            | Stage::Subscribing { since, .. }
                if since + ENTER_TIMEOUT <= now =>
            {
                return silent_since(since);
            }
            Stage::Entering {
                since, again_at, ..
            } if is_due(again_at) => self.enter(since, now),
            Stage::Subscribing {
                since, again_at, ..
            } if is_due(again_at) => self.subscribe(since, now),
            Stage::Open { .. } if is_due(self.pong_due_at) => return silent_since(self.heard_at),
            Stage::Open { .. } => self.keep_open(now),
            Stage::Away { .. }
            | Stage::Connecting { .. }
            | Stage::Entering { .. }
            | Stage::Subscribing { .. }
            | Stage::Over(_) => {}
        }
        Ok(())
    }

    fn keep_open(&mut self, now: Nanos) {
        self.unanswered.send_due(now, &mut self.out);
        if self.pong_due_at.is_none() && self.ping_at() <= now {
            let correlation = self.take_correlation();
            self.say(&Request::Ping { correlation }, now);
            self.pong_due_at = Some(now + PONG_WITHIN);
        }
    }

    fn ping_at(&self) -> Nanos {
        self.heard_at.min(self.said_at) + PING_AFTER
    }

    /// Says who this is.
    fn enter(&mut self, since: Nanos, now: Nanos) {
        let correlation = self.take_correlation();
        let (key, request) = match &self.identity {
            // The same log-in however often it is asked: it opens one session.
            Identity::LogIn {
                name,
                password,
                key,
            } => {
                let (name, password) = (name.clone(), password.clone());
                (*key, AuthRequest::LogIn { name, password })
            }
            // Not logged, so it needs no key of its own.
            Identity::Resume(token) => (Key::default(), AuthRequest::Resume { token: *token }),
        };
        let request = Request::Auth {
            correlation,
            key,
            request,
        };
        self.say(&request, now);
        self.stage = Stage::Entering {
            since,
            correlation,
            again_at: None,
        };
    }

    fn subscribe(&mut self, since: Nanos, now: Nanos) {
        let correlation = self.take_correlation();
        let query = presence::Query::from(presence::Subscribe { from: self.cursor });
        let mut body = Vec::new();
        query.encode(&mut body);
        let (kind, schema) = query.kind();
        let request = Request::Query {
            correlation,
            kind,
            schema,
            body: &body,
        };
        self.say(&request, now);
        self.stage = Stage::Subscribing {
            since,
            correlation,
            again_at: None,
        };
    }

    fn ask(&mut self, correlation: u64, request: &Request<'_>, tag: T, now: Nanos) {
        let at = self.out.len();
        request.encode(&mut self.out);
        if self.is_open() {
            self.said_at = now;
            let frame = self.out.get(at..).unwrap_or_default();
            self.unanswered.push_sent(correlation, frame, tag, now);
        } else {
            let frame = self.out.split_off(at);
            self.unanswered.push_unsent(correlation, &frame, tag, now);
        }
    }

    fn say(&mut self, request: &Request<'_>, now: Nanos) {
        self.said_at = now;
        request.encode(&mut self.out);
    }

    const fn take_correlation(&mut self) -> u64 {
        let correlation = self.next_correlation;
        self.next_correlation += 1;
        correlation
    }
}
