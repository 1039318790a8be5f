//! Messages: what one frame says.
//!
//! A frame goes in and a borrowed, checked message comes out; a message goes in and its frame is
//! appended to a buffer. Heads have fixed layouts, drawn in `protocol/README.md`; bodies stay bytes
//! here, because which word they hold is the business of the system they belong to. That is what
//! lets a system be added without touching this file.

use crate::{
    code::{Code, Refusal},
    codec, frame,
    id::{ChainHash, Key, Kind, Seq},
    limits::MAGIC,
    words::accounts::AuthRequest,
};

const HELLO: u8 = 0x01;
const AUTH: u8 = 0x02;
const COMMAND: u8 = 0x03;
const QUERY: u8 = 0x04;
const PING: u8 = 0x05;
const SIGNAL: u8 = 0x06;
const ALIVE: u8 = 0x07;
const WELCOME: u8 = 0x81;
const ANSWER: u8 = 0x82;
const PUSH: u8 = 0x83;
const ERROR: u8 = 0x84;
const PONG: u8 = 0x85;
const NEWS: u8 = 0x86;
const PROBE: u8 = 0x87;

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request<'a> {
    /// The first frame of a conversation.
    Hello {
        /// The wire version the client speaks.
        version: u16,
    },
    /// Become somebody. Passwords and tokens travel here and nowhere else.
    Auth {
        /// Chosen by the client, returned in the answer.
        correlation: u64,
        /// The idempotency key.
        key: Key,
        /// What to do.
        request: AuthRequest,
    },
    /// Change something. Logged, whatever becomes of it.
    Command {
        /// Chosen by the client, returned in the answer.
        correlation: u64,
        /// The idempotency key.
        key: Key,
        /// Which command.
        kind: Kind,
        /// The version of its layout.
        schema: u8,
        /// The command.
        body: &'a [u8],
    },
    /// Ask something. Never logged.
    Query {
        /// Chosen by the client, returned in the answer.
        correlation: u64,
        /// Which query.
        kind: Kind,
        /// The version of its layout.
        schema: u8,
        /// The query.
        body: &'a [u8],
    },
    /// Are you there?
    Ping {
        /// Chosen by the client, returned in the pong.
        correlation: u64,
    },
    /// Something said in passing: never logged, never answered.
    Signal {
        /// Which word.
        kind: Kind,
        /// The version of its layout.
        schema: u8,
        /// The word.
        body: &'a [u8],
    },
    /// The answer to a probe.
    Alive,
}

/// What the server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply<'a> {
    /// The answer to a hello.
    Welcome(Welcome),
    /// The outcome of a command, an authentication or a query, and the position it holds at.
    Answer {
        /// As in the request.
        correlation: u64,
        /// Where the command took effect, or what the query's answer reflects.
        seq: Seq,
        /// The log's chain hash there.
        hash: ChainHash,
        /// See [`crate::outcome`].
        outcome: &'a [u8],
    },
    /// Something happened to you that you did not ask for just now.
    Push {
        /// Where it happened.
        seq: Seq,
        /// The log's chain hash there.
        hash: ChainHash,
        /// Which word.
        kind: Kind,
        /// The version of its layout.
        schema: u8,
        /// The word.
        body: &'a [u8],
    },
    /// The request was not considered: nothing was logged, nothing changed.
    Error(ErrorReply),
    /// The answer to a ping.
    Pong {
        /// As in the ping.
        correlation: u64,
    },
    /// Something said in passing by others: of no position, and not repeated.
    Ephemeral {
        /// Which word.
        kind: Kind,
        /// The version of its layout.
        schema: u8,
        /// The word.
        body: &'a [u8],
    },
    /// Are you there? A client that stays silent after this is taken for gone.
    Probe,
}

/// What the server says about itself when a conversation opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Welcome {
    /// The wire version spoken from here on.
    pub version: u16,
    /// The longest frame accepted, without prefix.
    pub request_bytes_max: u32,
    /// The most unanswered requests on this connection.
    pub in_flight_max: u32,
    /// What a judge must know about this server.
    pub flags: WelcomeFlags,
    /// The newest durable position.
    pub seq: Seq,
    /// The chain hash there.
    pub hash: ChainHash,
}

/// Facts about a server that any report of its speed must carry, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WelcomeFlags(pub u8);

impl WelcomeFlags {
    /// Commits are synced to the disk before they are acknowledged.
    pub const DURABLE: Self = Self(1);
    /// The server was built to misbehave on purpose.
    pub const PLANTED_BUG: Self = Self(2);

    /// Whether every flag of `other` is set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A request that was not considered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorReply {
    /// As in the request; 0 when it concerns the conversation.
    pub correlation: u64,
    /// Why.
    pub refusal: Refusal,
    /// When to try again; 0 when trying again is of no use.
    pub retry_after_ms: u32,
    /// Whether the server closes the connection after this.
    pub fatal: bool,
}

/// A frame that says nothing known: which byte of it was the first to make no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the frame makes no sense near byte {at}")]
pub struct MessageError {
    /// Offset in the frame, without prefix.
    pub at: usize,
}

impl MessageError {
    /// The refusal to answer with.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        Refusal::with(
            Code::BAD_FRAME,
            u64::try_from(self.at).unwrap_or(u64::MAX),
            0,
        )
    }
}

impl<'a> Request<'a> {
    /// Key, kind, schema and body of the command that a frame is; `None` if it is anything else.
    /// For whoever wants to know what is coming without decoding the rest.
    #[must_use]
    pub fn command_in(frame: &'a [u8]) -> Option<(Key, Kind, u8, &'a [u8])> {
        match (frame.first() == Some(&COMMAND)).then(|| Self::decode(frame)) {
            Some(Ok(Self::Command {
                key,
                kind,
                schema,
                body,
                ..
            })) => Some((key, kind, schema, body)),
            _anything_else => None,
        }
    }

    /// Reads a request from one whole frame, without its prefix.
    ///
    /// # Errors
    /// If the type is unknown or the head is cut short. Bodies of commands and queries are not
    /// looked into.
    pub fn decode(frame: &'a [u8]) -> Result<Self, MessageError> {
        let mut cursor = Cursor::new(frame);
        let request = match cursor.u8()? {
            HELLO => {
                if cursor.array::<4>()? != MAGIC {
                    return Err(MessageError { at: 1 });
                }
                Self::Hello {
                    version: cursor.u16()?,
                }
            }
            AUTH => {
                let (correlation, key) = (cursor.u64()?, Key(cursor.array()?));
                let at = cursor.at;
                let request =
                    codec::decode(cursor.rest()).map_err(|_undecodable| MessageError { at })?;
                Self::Auth {
                    correlation,
                    key,
                    request,
                }
            }
            COMMAND => Self::Command {
                correlation: cursor.u64()?,
                key: Key(cursor.array()?),
                kind: Kind(cursor.u16()?),
                schema: cursor.u8()?,
                body: cursor.rest(),
            },
            QUERY => Self::Query {
                correlation: cursor.u64()?,
                kind: Kind(cursor.u16()?),
                schema: cursor.u8()?,
                body: cursor.rest(),
            },
            PING => Self::Ping {
                correlation: cursor.u64()?,
            },
            SIGNAL => Self::Signal {
                kind: Kind(cursor.u16()?),
                schema: cursor.u8()?,
                body: cursor.rest(),
            },
            ALIVE => Self::Alive,
            _unknown => return Err(MessageError { at: 0 }),
        };
        cursor.end()?;
        Ok(request)
    }

    /// Appends this request as one frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        frame::write(out, |out| match self {
            Self::Hello { version } => {
                out.push(HELLO);
                out.extend_from_slice(&MAGIC);
                out.extend_from_slice(&version.to_le_bytes());
            }
            Self::Auth {
                correlation,
                key,
                request,
            } => {
                out.push(AUTH);
                out.extend_from_slice(&correlation.to_le_bytes());
                out.extend_from_slice(&key.0);
                codec::encode(request, out);
            }
            Self::Command {
                correlation,
                key,
                kind,
                schema,
                body,
            } => {
                out.push(COMMAND);
                out.extend_from_slice(&correlation.to_le_bytes());
                out.extend_from_slice(&key.0);
                put_word(*kind, *schema, body, out);
            }
            Self::Query {
                correlation,
                kind,
                schema,
                body,
            } => {
                out.push(QUERY);
                out.extend_from_slice(&correlation.to_le_bytes());
                put_word(*kind, *schema, body, out);
            }
            Self::Ping { correlation } => {
                out.push(PING);
                out.extend_from_slice(&correlation.to_le_bytes());
            }
            Self::Signal { kind, schema, body } => {
                out.push(SIGNAL);
                put_word(*kind, *schema, body, out);
            }
            Self::Alive => out.push(ALIVE),
        });
    }
}

impl<'a> Reply<'a> {
    /// Reads a reply from one whole frame, without its prefix.
    ///
    /// # Errors
    /// If the type is unknown or the head is cut short.
    pub fn decode(frame: &'a [u8]) -> Result<Self, MessageError> {
        let mut cursor = Cursor::new(frame);
        let reply = match cursor.u8()? {
            WELCOME => Self::Welcome(Welcome {
                version: cursor.u16()?,
                request_bytes_max: cursor.u32()?,
                in_flight_max: cursor.u32()?,
                flags: WelcomeFlags(cursor.u8()?),
                seq: Seq(cursor.u64()?),
                hash: ChainHash(cursor.array()?),
            }),
            ANSWER => Self::Answer {
                correlation: cursor.u64()?,
                seq: Seq(cursor.u64()?),
                hash: ChainHash(cursor.array()?),
                outcome: cursor.rest(),
            },
            PUSH => Self::Push {
                seq: Seq(cursor.u64()?),
                hash: ChainHash(cursor.array()?),
                kind: Kind(cursor.u16()?),
                schema: cursor.u8()?,
                body: cursor.rest(),
            },
            ERROR => Self::Error(ErrorReply {
                correlation: cursor.u64()?,
                refusal: Refusal {
                    code: Code(cursor.u16()?),
                    value: cursor.u64()?,
                    limit: cursor.u64()?,
                },
                retry_after_ms: cursor.u32()?,
                fatal: cursor.u8()? != 0,
            }),
            PONG => Self::Pong {
                correlation: cursor.u64()?,
            },
            NEWS => Self::Ephemeral {
                kind: Kind(cursor.u16()?),
                schema: cursor.u8()?,
                body: cursor.rest(),
            },
            PROBE => Self::Probe,
            _unknown => return Err(MessageError { at: 0 }),
        };
        cursor.end()?;
        Ok(reply)
    }

    /// Appends this reply as one frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        frame::write(out, |out| match self {
            Self::Welcome(welcome) => welcome.put(out),
            Self::Answer {
                correlation,
                seq,
                hash,
                outcome,
            } => {
                out.push(ANSWER);
                out.extend_from_slice(&correlation.to_le_bytes());
                put_position(*seq, hash, out);
                out.extend_from_slice(outcome);
            }
            Self::Push {
                seq,
                hash,
                kind,
                schema,
                body,
            } => {
                out.push(PUSH);
                put_position(*seq, hash, out);
                put_word(*kind, *schema, body, out);
            }
            Self::Error(error) => error.put(out),
            Self::Pong { correlation } => {
                out.push(PONG);
                out.extend_from_slice(&correlation.to_le_bytes());
            }
            Self::Ephemeral { kind, schema, body } => {
                out.push(NEWS);
                put_word(*kind, *schema, body, out);
            }
            Self::Probe => out.push(PROBE),
        });
    }
}

impl Welcome {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(WELCOME);
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.request_bytes_max.to_le_bytes());
        out.extend_from_slice(&self.in_flight_max.to_le_bytes());
        out.push(self.flags.0);
        put_position(self.seq, &self.hash, out);
    }
}

impl ErrorReply {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(ERROR);
        out.extend_from_slice(&self.correlation.to_le_bytes());
        out.extend_from_slice(&self.refusal.code.0.to_le_bytes());
        out.extend_from_slice(&self.refusal.value.to_le_bytes());
        out.extend_from_slice(&self.refusal.limit.to_le_bytes());
        out.extend_from_slice(&self.retry_after_ms.to_le_bytes());
        out.push(u8::from(self.fatal));
    }
}

fn put_word(kind: Kind, schema: u8, body: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&kind.0.to_le_bytes());
    out.push(schema);
    out.extend_from_slice(body);
}

fn put_position(seq: Seq, hash: &ChainHash, out: &mut Vec<u8>) {
    out.extend_from_slice(&seq.0.to_le_bytes());
    out.extend_from_slice(&hash.0);
}

/// Reads fixed-size fields off a frame, never past its end.
struct Cursor<'a> {
    frame: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    const fn new(frame: &'a [u8]) -> Self {
        Self { frame, at: 0 }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], MessageError> {
        let here = MessageError { at: self.at };
        let rest = self.frame.get(self.at..).ok_or(here)?;
        let field = rest.first_chunk::<N>().ok_or(here)?;
        self.at = self.at.saturating_add(N);
        Ok(*field)
    }

    fn u8(&mut self) -> Result<u8, MessageError> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16, MessageError> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, MessageError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, MessageError> {
        self.array().map(u64::from_le_bytes)
    }

    /// Everything left.
    fn rest(&mut self) -> &'a [u8] {
        let rest = self.frame.get(self.at..).unwrap_or_default();
        self.at = self.frame.len();
        rest
    }

    /// Checks that nothing is left.
    const fn end(&self) -> Result<(), MessageError> {
        if self.at == self.frame.len() {
            Ok(())
        } else {
            Err(MessageError { at: self.at })
        }
    }
}
