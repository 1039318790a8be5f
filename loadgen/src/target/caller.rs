//! One connection, one question at a time: for work before the clock starts and after the run.
//!
//! A caller builds the world, becomes the users, and reads the log. It waits for each answer and
//! names in every error what was asked of whom. Then it can be taken apart into its connection,
//! which a [`super::TcpTarget`] carries on with.

use std::{io, time::Duration};

use protocol::{
    ChainHash, Key, Kind, Refusal, Seq,
    codec::CodecError,
    frame::{self, FrameError},
    limits::{REPLY_BYTES_MAX, WIRE_VERSION},
    message::{MessageError, Reply, Request, Welcome},
    outcome::Outcome,
    words::{
        WordError,
        accounts::{Answer, AuthRequest, SessionOpened, SessionResumed, Token},
    },
};
use rustix::io::Errno;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::jsonl::{self, ReplyLines, Wire};

/// How long an answer may take. Set-up waits for password hashes, a thousand at a time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a welcome may take: it waits for nothing, so whoever is silent is no server of ours.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that asks one thing at a time.
#[derive(Debug)]
pub struct Caller {
    stream: TcpStream,
    address: String,
    welcome: Welcome,
    input: Vec<u8>,
    out: Vec<u8>,
    /// What makes frames of the lines it hears, if it speaks lines.
    lines: Option<ReplyLines>,
    correlation: u64,
}

/// An answer, kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Where it took effect, or what it reflects.
    pub seq: Seq,
    /// The chain hash there.
    pub hash: ChainHash,
    /// What became of it.
    pub outcome: OwnedOutcome,
}

/// An outcome, kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnedOutcome {
    /// It happened.
    Accepted {
        /// Which word.
        kind: Kind,
        /// The version of its layout.
        schema: u8,
        /// Its bytes.
        body: Vec<u8>,
    },
    /// It did not.
    Refused(Refusal),
}

/// A call that got no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody there.
    #[error("no server answers at {address}: {source}")]
    Unreachable {
        /// Where.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// No descriptor is left to connect with.
    #[error(
        "a connection to {address} needs one more open file than this process may have: {source}; raise the limit with `ulimit -n`"
    )]
    Descriptors {
        /// To where.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the connection to {address} broke: {source}")]
    Broken {
        /// Whose.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// No answer.
    #[error("{address} did not answer within {seconds} s; is it a stampede server?")]
    Silent {
        /// Who.
        address: String,
        /// How long.
        seconds: u64,
    },
    /// What came is not the protocol.
    #[error("{address} does not speak this protocol: {reason}; is it a stampede server?")]
    Foreign {
        /// Who.
        address: String,
        /// What came.
        reason: String,
    },
    /// It was decided and refused, or not considered.
    #[error("refused: {0}")]
    Refused(Refusal),
}

impl Answered {
    /// The word of an accepted outcome: kind, schema, body.
    ///
    /// # Errors
    /// If it was refused.
    pub fn accepted(&self) -> Result<(Kind, u8, &[u8]), CallError> {
        match &self.outcome {
            OwnedOutcome::Accepted { kind, schema, body } => Ok((*kind, *schema, body)),
            OwnedOutcome::Refused(refusal) => Err(CallError::Refused(*refusal)),
        }
    }
}

impl Caller {
    /// Connects and says hello, in what the address says: see [`Wire::of`].
    ///
    /// # Errors
    /// If nobody is there, or somebody who speaks something else.
    pub async fn connect(address: &str) -> Result<Self, CallError> {
        let unreachable = |source: io::Error| {
            let address = address.to_owned();
            match source.raw_os_error().map(Errno::from_raw_os_error) {
                Some(Errno::MFILE | Errno::NFILE) => CallError::Descriptors { address, source },
                _other => CallError::Unreachable { address, source },
            }
        };
        let (wire, bare) = Wire::of(address);
        let connecting = timeout(CONNECT_TIMEOUT, TcpStream::connect(bare)).await;
        let stream = connecting
            .unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))
            .map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        let mut caller = Self {
            stream,
            address: address.to_owned(),
            welcome: Welcome {
                version: 0,
                request_bytes_max: 0,
                in_flight_max: 0,
                flags: protocol::message::WelcomeFlags(0),
                seq: Seq::START,
                hash: ChainHash::START,
            },
            input: Vec::new(),
            out: Vec::new(),
            lines: match wire {
                Wire::Native => None,
                Wire::Lines => Some(ReplyLines::default()),
            },
            correlation: 0,
        };
        let version = WIRE_VERSION;
        let hello = Request::Hello { version };
        caller.welcome = caller
            .exchange_within(WELCOME_TIMEOUT, &hello, read_welcome)
            .await?;
        Ok(caller)
    }

    /// What the server said about itself.
    #[must_use]
    pub const fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// Makes an account. Returns who it is: their id is the position of the answer.
    ///
    /// # Errors
    /// If it is refused or gets no answer.
    pub async fn register(
        &mut self,
        key: Key,
        name: &str,
        password: &str,
    ) -> Result<Answered, CallError> {
        let (name, password) = (name.to_owned(), password.to_owned());
        self.auth(key, AuthRequest::Register { name, password })
            .await
    }

    /// Opens a session and becomes its person.
    ///
    /// # Errors
    /// If it is refused or gets no answer.
    pub async fn log_in(
        &mut self,
        key: Key,
        name: &str,
        password: &str,
    ) -> Result<SessionOpened, CallError> {
        let (name, password) = (name.to_owned(), password.to_owned());
        let answered = self
            .auth(key, AuthRequest::LogIn { name, password })
            .await?;
        match self.decode_session(&answered)? {
            Answer::SessionOpened(session) => Ok(session),
            other => Err(self.unexpected(other.name())),
        }
    }

    /// Continues a session on this connection.
    ///
    /// # Errors
    /// If it is refused or gets no answer.
    pub async fn resume(&mut self, key: Key, token: Token) -> Result<SessionResumed, CallError> {
        let answered = self.auth(key, AuthRequest::Resume { token }).await?;
        match self.decode_session(&answered)? {
            Answer::SessionResumed(session) => Ok(session),
            other => Err(self.unexpected(other.name())),
        }
    }

    /// Changes something. `word` is kind, schema and body.
    ///
    /// # Errors
    /// If it was not considered or gets no answer. A refusal is an answer.
    pub async fn command(
        &mut self,
        key: Key,
        (kind, schema): (Kind, u8),
        body: &[u8],
    ) -> Result<Answered, CallError> {
        let correlation = self.next_correlation();
        let request = Request::Command {
            correlation,
            key,
            kind,
            schema,
            body,
        };
        self.exchange(&request, move |reply| read_answer(reply, correlation))
            .await
    }

    /// Asks something. `word` is kind, schema and body.
    ///
    /// # Errors
    /// If it was not considered or gets no answer. A refusal is an answer.
    pub async fn query(
        &mut self,
        (kind, schema): (Kind, u8),
        body: &[u8],
    ) -> Result<Answered, CallError> {
        let correlation = self.next_correlation();
        let request = Request::Query {
            correlation,
            kind,
            schema,
            body,
        };
        self.exchange(&request, move |reply| read_answer(reply, correlation))
            .await
    }

    /// Takes it apart: its connection, on which nothing is unanswered.
    ///
    /// # Errors
    /// If the connection cannot leave the runtime.
    pub fn into_link(self) -> Result<std::net::TcpStream, CallError> {
        let Self {
            stream, address, ..
        } = self;
        stream
            .into_std()
            .map_err(|source| CallError::Broken { address, source })
    }

    async fn auth(&mut self, key: Key, request: AuthRequest) -> Result<Answered, CallError> {
        let correlation = self.next_correlation();
        let request = Request::Auth {
            correlation,
            key,
            request,
        };
        self.exchange(&request, move |reply| read_answer(reply, correlation))
            .await
    }

    /// Sends one request and reads until `read` has found what it waits for.
    async fn exchange<T>(
        &mut self,
        request: &Request<'_>,
        read: impl Fn(&Reply<'_>) -> Read<T>,
    ) -> Result<T, CallError> {
        self.exchange_within(ANSWER_TIMEOUT, request, read).await
    }

    async fn exchange_within<T>(
        &mut self,
        limit: Duration,
        request: &Request<'_>,
        read: impl Fn(&Reply<'_>) -> Read<T>,
    ) -> Result<T, CallError> {
        let exchanging = timeout(limit, self.exchange_patiently(request, read)).await;
        match exchanging {
            Ok(result) => result,
            Err(_elapsed) => Err(CallError::Silent {
                address: self.address.clone(),
                seconds: limit.as_secs(),
            }),
        }
    }

    async fn exchange_patiently<T>(
        &mut self,
        request: &Request<'_>,
        read: impl Fn(&Reply<'_>) -> Read<T>,
    ) -> Result<T, CallError> {
        self.out.clear();
        request.encode(&mut self.out);
        if self.lines.is_some() {
            let frames = std::mem::take(&mut self.out);
            jsonl::say(&frames, &mut self.out).map_err(|source| self.broken(source))?;
        }
        let sent = self.stream.write_all(&self.out).await;
        sent.map_err(|source| self.broken(source))?;
        loop {
            while let Some((frame, rest)) =
                frame::split(&self.input, REPLY_BYTES_MAX).map_err(|error| self.foreign(&error))?
            {
                let reply = Reply::decode(frame).map_err(|error| self.foreign_message(error))?;
                let found = read(&reply);
                let taken = self.input.len() - rest.len();
                self.input.drain(..taken);
                match found {
                    Read::Found(found) => return Ok(found),
                    Read::Refused(refusal) => return Err(CallError::Refused(refusal)),
                    Read::Foreign(error) => return Err(self.unexpected(&error.to_string())),
                    Read::Other => {}
                }
            }
            if self.read().await? == 0 {
                return Err(self.broken(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Waits for bytes and adds them to the frames that have arrived. 0 at the end.
    async fn read(&mut self) -> Result<usize, CallError> {
        let Some(lines) = &mut self.lines else {
            let read = self.stream.read_buf(&mut self.input).await;
            return read.map_err(|source| self.broken(source));
        };
        let mut bytes = Vec::new();
        let read = self.stream.read_buf(&mut bytes).await;
        let heard = lines.handle_bytes(&bytes, &mut self.input);
        let read = read.map_err(|source| self.broken(source))?;
        heard.map_err(|foreign| self.unexpected(&foreign.to_string()))?;
        Ok(read)
    }

    fn decode_session(&self, answered: &Answered) -> Result<Answer, CallError> {
        let (kind, schema, body) = answered.accepted()?;
        let decoded: Result<_, WordError> = Answer::decode(kind, schema, body);
        decoded.map_err(|error| self.unexpected(&error.to_string()))
    }

    const fn next_correlation(&mut self) -> u64 {
        self.correlation += 1;
        self.correlation
    }

    fn broken(&self, source: io::Error) -> CallError {
        CallError::Broken {
            address: self.address.clone(),
            source,
        }
    }

    fn foreign(&self, error: &FrameError) -> CallError {
        self.unexpected(&error.to_string())
    }

    fn foreign_message(&self, error: MessageError) -> CallError {
        self.unexpected(&error.to_string())
    }

    fn unexpected(&self, reason: &str) -> CallError {
        CallError::Foreign {
            address: self.address.clone(),
            reason: reason.to_owned(),
        }
    }
}

/// What a reply is to somebody who waits for one in particular.
enum Read<T> {
    Found(T),
    Refused(Refusal),
    Foreign(CodecError),
    Other,
}

fn read_welcome(reply: &Reply<'_>) -> Read<Welcome> {
    match reply {
        Reply::Welcome(welcome) => Read::Found(*welcome),
        Reply::Error(error) => Read::Refused(error.refusal),
        Reply::Answer { .. }
        | Reply::Push { .. }
        | Reply::Pong { .. }
        | Reply::Ephemeral { .. }
        | Reply::Probe => Read::Other,
    }
}

fn read_answer(reply: &Reply<'_>, wanted: u64) -> Read<Answered> {
    match reply {
        Reply::Answer {
            correlation,
            seq,
            hash,
            outcome,
        } if *correlation == wanted => match Outcome::decode(outcome) {
            Ok(outcome) => Read::Found(Answered {
                seq: *seq,
                hash: *hash,
                outcome: own(outcome),
            }),
            Err(error) => Read::Foreign(error),
        },
        Reply::Error(error) if error.correlation == wanted || error.correlation == 0 => {
            Read::Refused(error.refusal)
        }
        Reply::Answer { .. }
        | Reply::Error(_)
        | Reply::Welcome(_)
        | Reply::Push { .. }
        | Reply::Pong { .. }
        | Reply::Ephemeral { .. }
        | Reply::Probe => Read::Other,
    }
}

fn own(outcome: Outcome<'_>) -> OwnedOutcome {
    match outcome {
        Outcome::Accepted { kind, schema, body } => OwnedOutcome::Accepted {
            kind,
            schema,
            body: body.to_vec(),
        },
        Outcome::Refused(refusal) => OwnedOutcome::Refused(refusal),
    }
}
