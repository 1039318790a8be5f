//! The dialect that says everything: a line for each frame, both ways.
//!
//! Beyond the translation it keeps what a line leaves out: the number of the line, the key that was
//! made for it, and what was asked under which `id`, since an answer's frame does not say of what
//! sort it is. Deliberately absent: bounds on what is unanswered, which are the session's.

use std::ops::ControlFlow;

use protocol::{
    Code, Key, Refusal,
    json::{self, Context, LineError, ParsedRequest, Sort, Unsaid},
    limits::WIRE_VERSION,
    message::{ErrorReply, Reply, Welcome},
};

use super::{Nonce, outbound::Outbound};

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Json {
    nonce: Nonce,
    /// Lines so far.
    number: u64,
    /// What the session said when the conversation began.
    welcome: Option<Welcome>,
    unanswered: Vec<Unanswered>,
    /// The authentication that is unanswered.
    entering: Option<u64>,
}

/// Something that was asked.
#[derive(Debug, Clone, Copy)]
struct Unanswered {
    id: u64,
    context: Context,
}

impl Json {
    pub(super) const fn new(nonce: Nonce) -> Self {
        Self {
            nonce,
            number: 0,
            welcome: None,
            unanswered: Vec::new(),
            entering: None,
        }
    }

    pub(super) const fn nonce(&self) -> Nonce {
        self.nonce
    }

    /// Appends the frame that asks what this line asks. Breaks when the conversation is over.
    pub(super) fn handle_line(
        &mut self,
        line: &str,
        out: &mut Outbound,
        frames: &mut Vec<u8>,
    ) -> Result<ControlFlow<()>, LineError> {
        self.number += 1;
        let at = frames.len();
        let unsaid = Unsaid::new(&self.nonce, self.number);
        match json::parse_request(line, &unsaid, frames)? {
            ParsedRequest::Hello { version, id } => {
                // The session was greeted when the connection began.
                frames.truncate(at);
                return Ok(self.greet(version, id, out));
            }
            ParsedRequest::Asked {
                id,
                outcome,
                made_key,
                is_auth,
            } => {
                if is_auth {
                    self.entering = Some(id);
                }
                let context = Context {
                    outcome,
                    made_key,
                    ..NOTHING_ASKED
                };
                self.unanswered.push(Unanswered { id, context });
            }
            ParsedRequest::Unnumbered => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    fn greet(&self, version: u16, id: Option<u64>, out: &mut Outbound) -> ControlFlow<()> {
        match self.welcome {
            Some(welcome) if version == WIRE_VERSION => {
                let context = Context {
                    hello: id,
                    ..NOTHING_ASKED
                };
                say(&Reply::Welcome(welcome), context, out);
                ControlFlow::Continue(())
            }
            _other => {
                let (theirs, ours) = (version.into(), WIRE_VERSION.into());
                let error = ErrorReply {
                    correlation: 0,
                    refusal: Refusal::with(Code::WIRE_VERSION, theirs, ours),
                    retry_after_ms: 0,
                    fatal: true,
                };
                say(&Reply::Error(error), NOTHING_ASKED, out);
                ControlFlow::Break(())
            }
        }
    }

    /// Appends the line that says the same as a reply.
    pub(super) fn handle_reply(&mut self, reply: &Reply<'_>, out: &mut Outbound) {
        let context = match reply {
            Reply::Welcome(welcome) => {
                self.welcome = Some(*welcome);
                return;
            }
            Reply::Answer { correlation, .. } => self.answered(*correlation),
            Reply::Error(error) => self.answered(error.correlation),
            Reply::Push { .. } | Reply::Pong { .. } | Reply::Ephemeral { .. } | Reply::Probe => {
                None
            }
        };
        say(reply, context.unwrap_or(NOTHING_ASKED), out);
    }

    /// Whether an authentication is unanswered.
    pub(super) const fn is_entering(&self) -> bool {
        self.entering.is_some()
    }

    fn answered(&mut self, id: u64) -> Option<Context> {
        if self.entering == Some(id) {
            self.entering = None;
        }
        let place = self.unanswered.iter().position(|asked| asked.id == id)?;
        let context = self.unanswered.remove(place).context;
        if self.unanswered.is_empty() {
            self.unanswered = Vec::new();
        }
        Some(context)
    }
}

const NOTHING_ASKED: Context = Context {
    outcome: Sort::Event,
    made_key: None::<Key>,
    hello: None,
};

fn say(reply: &Reply<'_>, context: Context, out: &mut Outbound) {
    if let Err(error) = json::render_reply(reply, context, out.bytes_mut()) {
        // Only a word that this program says and does not know could do that.
        tracing::error!(%error, "a reply has no line");
    }
}
