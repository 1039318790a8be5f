//! One connection that speaks lines of text instead of frames, without its socket.
//!
//! Bytes of a client go in and native frames come out, for the very same session that every other
//! connection has; the session's frames go in and lines come out. So every limit, refusal and promise
//! is the session's, and nothing here decides anything. The first line says which dialect it is:
//! `json` is the whole protocol, `classic` a small chat of old. Whatever is not a line of the
//! dialect is answered with one line that says why. Deliberately absent: sockets, clocks, state.

mod classic;
mod directory;
mod json;
mod outbound;

use std::ops::ControlFlow;

use protocol::{
    UserId, frame,
    json::{LineError, render_line_error},
    limits::{REPLY_BYTES_MAX, REQUEST_LINE_BYTES_MAX, WIRE_VERSION},
    message::{Reply, Request},
};

use self::{classic::Classic, json::Json, outbound::Outbound};

pub(crate) use self::classic::WAITING_MAX;
pub use self::classic::{Farewell, Language};

/// What names mean now: the classic dialect speaks of people and rooms by name.
pub trait Directory {
    /// What a person is called.
    fn name(&self, user: UserId) -> Option<&str>;
    /// Whose name this is.
    fn user(&self, name: &str) -> Option<UserId>;
    /// The room of this name.
    fn room(&self, name: &str) -> Option<u64>;
    /// What sort of conversation this is.
    fn place(&self, conversation: u64) -> Place<'_>;
    /// With whom somebody has this private conversation.
    fn partner(&self, conversation: u64, user: UserId) -> Option<UserId>;
}

/// A conversation, as the classic dialect tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// Everybody's.
    Public,
    /// Of two people.
    Private,
    /// A room or a group, of this name.
    Named(&'a str),
}

/// Sixteen bytes that no other connection has, for the keys of lines that name none.
pub type Nonce = [u8; 16];

/// Bytes of lines that are worth a write. A line may be many times as long as its frame, so what
/// waits stays frames until then.
const LINES_BYTES_ENOUGH: usize = 128 * 1_024;

/// See the head of this file.
#[derive(Debug)]
pub struct Lines {
    dialect: Dialect,
    /// What the classic dialect speaks to people in.
    language: Language,
    /// Whether a line has said which dialect it is; until then it is JSON.
    is_heard: bool,
    /// Whether the last line is among those to send.
    is_over: bool,
    /// Whether so much waits, or so little follows, that lines are not sent one at a time.
    is_crowded: bool,
    out: Outbound,
}

/// How a client says things.
#[derive(Debug)]
enum Dialect {
    /// Every word of the protocol, by name.
    Json(Box<Json>),
    /// A small chat.
    Classic(Box<Classic>),
}

impl Lines {
    /// A conversation that begins now.
    #[must_use]
    pub fn new(nonce: Nonce, language: Language) -> Self {
        Self {
            language,
            dialect: Dialect::Json(Box::new(Json::new(nonce))),
            is_heard: false,
            is_over: false,
            is_crowded: false,
            out: Outbound::default(),
        }
    }

    /// The frame that opens every conversation: in lines it goes without saying.
    #[must_use]
    pub fn hello() -> Vec<u8> {
        let mut frame = Vec::new();
        let version = WIRE_VERSION;
        Request::Hello { version }.encode(&mut frame);
        frame
    }

    /// Takes whole lines off the front of `input`, `max` at most, and appends what they ask to `frames`. Lines
    /// behind an authentication wait for its answer: whoever pipes a script into a socket cannot, and
    /// would be told for each of them to log in first.
    pub fn handle_bytes(
        &mut self,
        input: &[u8],
        max: u32,
        directory: &dyn Directory,
        frames: &mut Vec<u8>,
    ) -> Taken {
        let mut taken = Taken {
            bytes: 0,
            lines: 0,
            flow: ControlFlow::Continue(()),
        };
        while taken.flow.is_continue() && taken.lines < max && !self.is_entering() {
            let rest = &input[taken.bytes..];
            let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                if REQUEST_LINE_BYTES_MAX < rest.len() {
                    taken.flow = self.end(&LineError::too_long(None, REQUEST_LINE_BYTES_MAX));
                }
                break;
            };
            taken.bytes += end + 1;
            taken.lines += 1;
            taken.flow = self.handle_line(&rest[..end], directory, frames);
        }
        taken
    }

    /// Whether lines wait for the answer to an authentication.
    #[must_use]
    pub fn is_entering(&self) -> bool {
        match &self.dialect {
            Dialect::Json(json) => json.is_entering(),
            Dialect::Classic(classic) => classic.is_entering(),
        }
    }

    /// Whether the last line is among those to send.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.is_over
    }

    fn handle_line(
        &mut self,
        line: &[u8],
        directory: &dyn Directory,
        frames: &mut Vec<u8>,
    ) -> ControlFlow<()> {
        if self.is_over {
            return ControlFlow::Break(());
        }
        if REQUEST_LINE_BYTES_MAX < line.len() {
            return self.end(&LineError::too_long(None, REQUEST_LINE_BYTES_MAX));
        }
        let line = match str::from_utf8(line) {
            // Some programs begin a text with a byte order mark.
            Ok(line) if !self.is_heard => line.trim_start_matches('\u{feff}').trim_ascii(),
            Ok(line) => line.trim_ascii(),
            Err(error) => {
                let reason = format!("not UTF-8 at byte {}", error.valid_up_to());
                return self.refuse(&LineError::bad(&reason));
            }
        };
        if line.is_empty() {
            return ControlFlow::Continue(());
        }
        self.hear(line)?;
        match &mut self.dialect {
            Dialect::Json(json) => match json.handle_line(line, &mut self.out, frames) {
                Ok(ControlFlow::Continue(())) => ControlFlow::Continue(()),
                Ok(ControlFlow::Break(())) => {
                    self.is_over = true;
                    ControlFlow::Break(())
                }
                Err(error) => self.refuse(&error),
            },
            Dialect::Classic(classic) => {
                let mut desk = Desk {
                    directory,
                    out: &mut self.out,
                    asks: frames,
                };
                classic.handle_line(line, &mut desk);
                ControlFlow::Continue(())
            }
        }
    }

    /// The first line says which dialect follows.
    fn hear(&mut self, line: &str) -> ControlFlow<()> {
        if self.is_heard {
            return ControlFlow::Continue(());
        }
        // Whoever does not begin with an object speaks another language. A browser that somebody
        // made post here must not get to its second line.
        if !line.starts_with('{') {
            return self.end(&LineError::bad("the first line is no JSON object"));
        }
        self.is_heard = true;
        if let Dialect::Json(json) = &self.dialect
            && classic::is_classic(line)
        {
            self.dialect = Dialect::Classic(Box::new(Classic::new(json.nonce(), self.language)));
        }
        ControlFlow::Continue(())
    }

    /// Answers a line that asks nothing known. Before the first sound one, that is the end.
    fn refuse(&mut self, error: &LineError) -> ControlFlow<()> {
        if !self.is_heard {
            return self.end(error);
        }
        self.say_error(error, Fatal::No);
        ControlFlow::Continue(())
    }

    fn end(&mut self, error: &LineError) -> ControlFlow<()> {
        self.say_error(error, Fatal::Yes);
        self.is_over = true;
        ControlFlow::Break(())
    }

    fn say_error(&mut self, error: &LineError, fatal: Fatal) {
        match &self.dialect {
            Dialect::Json(_) => {
                render_line_error(error, fatal == Fatal::Yes, self.out.bytes_mut());
            }
            Dialect::Classic(classic) => classic.say_error(error, &mut self.out),
        }
    }

    /// Takes in frames of the session, whole ones, and makes lines of them until there are enough to
    /// send; one, if one at a time is sent. Returns how many bytes it took. What the dialect itself
    /// wants to ask because of them is appended to `asks`, as frames for the session.
    pub fn handle_frames(
        &mut self,
        frames: &[u8],
        directory: &dyn Directory,
        asks: &mut Vec<u8>,
    ) -> usize {
        let mut left = frames;
        let enough = if self.is_paced() {
            1
        } else {
            LINES_BYTES_ENOUGH
        };
        while self.out.bytes().len() < enough
            && let Ok(Some((frame, rest))) = frame::split(left, REPLY_BYTES_MAX)
        {
            left = rest;
            // Nothing follows the last line.
            if self.is_over {
                continue;
            }
            if let Ok(reply) = Reply::decode(frame) {
                match &mut self.dialect {
                    Dialect::Json(json) => json.handle_reply(&reply, &mut self.out),
                    Dialect::Classic(classic) => {
                        let mut desk = Desk {
                            directory,
                            out: &mut self.out,
                            asks,
                        };
                        classic.handle_reply(&reply, &mut desk);
                    }
                }
            }
        }
        frames.len() - left.len()
    }

    /// The bytes to send now.
    #[must_use]
    pub fn outbound(&self) -> &[u8] {
        match &self.dialect {
            Dialect::Json(_) => self.out.bytes(),
            Dialect::Classic(_) if !self.is_paced() => self.out.bytes(),
            Dialect::Classic(classic) if classic.pace.is_open() => self.out.first_line(),
            Dialect::Classic(_) => &[],
        }
    }

    /// How many bytes there are to send, now or later.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.out.bytes().len()
    }

    /// Whether there are bytes to send, now or later.
    #[must_use]
    pub fn has_outbound(&self) -> bool {
        !self.out.bytes().is_empty()
    }

    /// Whether a line that is made now may be sent now.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match &self.dialect {
            Dialect::Json(_) => true,
            Dialect::Classic(classic) => classic.pace.is_open() || !self.is_paced(),
        }
    }

    /// Whether lines are sent one at a time, with a rest behind each.
    #[must_use]
    pub fn is_paced(&self) -> bool {
        matches!(self.dialect, Dialect::Classic(_))
            && !self.is_crowded
            && !self.is_over
            && !self.out.has_more_lines_than(WAITING_MAX)
    }

    /// Says how many frames wait to become lines, and whether they are the last ones: many, or the
    /// last, are sent without a rest.
    pub fn note_waiting(&mut self, frames: usize, is_last: bool) {
        self.is_crowded = is_last || WAITING_MAX < frames;
    }

    /// Whether it speaks the classic dialect.
    #[must_use]
    pub const fn is_classic(&self) -> bool {
        matches!(self.dialect, Dialect::Classic(_))
    }

    /// What they cost in memory.
    #[must_use]
    pub const fn cost(&self) -> usize {
        self.out.cost()
    }

    /// What waits will never be sent: the link is gone.
    pub fn discard(&mut self) {
        self.out.discard();
    }

    /// `len` of the bytes to send were sent.
    pub fn handle_sent(&mut self, len: usize) {
        if let Dialect::Classic(classic) = &mut self.dialect {
            let sent = self.out.bytes().get(..len);
            classic.pace.handle_sent(sent.unwrap_or_default());
        }
        self.out.handle_sent(len);
    }

    /// What the dialect does by itself now and then: a device of a chat of old does not say how far
    /// it has come. `asks` as in [`Lines::handle_frames`]; `now` is the shell's monotonic clock.
    pub fn handle_timeout(&mut self, now: u64, asks: &mut Vec<u8>) {
        match &mut self.dialect {
            Dialect::Json(_) => {}
            Dialect::Classic(classic) => classic.handle_timeout(now, asks),
        }
    }

    /// People came or went.
    pub fn note_people_changed(&mut self) {
        match &mut self.dialect {
            Dialect::Json(_) => {}
            Dialect::Classic(classic) => classic.note_people_changed(),
        }
    }

    /// Asks for a new list of people, if the dialect shows one and it is time. `now` and `asks` as in
    /// [`Lines::handle_timeout`]. Returns about how many people that is; 0 if nothing was asked.
    pub fn refresh_users(&mut self, now: u64, asks: &mut Vec<u8>) -> usize {
        match &mut self.dialect {
            Dialect::Json(_) => 0,
            Dialect::Classic(classic) => classic.refresh_users(now, asks),
        }
    }

    /// What is left to do when the connection has ended.
    #[must_use]
    pub fn farewell(&mut self) -> Option<Farewell> {
        match &mut self.dialect {
            Dialect::Json(_) => None,
            Dialect::Classic(classic) => classic.farewell(),
        }
    }
}

/// What was taken of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// How many bytes.
    pub bytes: usize,
    /// How many lines.
    pub lines: u32,
    /// Breaks when the conversation is over; then the last line is among those to send.
    pub flow: ControlFlow<()>,
}

/// What a dialect works with: what names mean, and where its lines and its requests go.
struct Desk<'a> {
    directory: &'a dyn Directory,
    out: &'a mut Outbound,
    asks: &'a mut Vec<u8>,
}

/// Whether an error ends the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fatal {
    Yes,
    No,
}

#[cfg(test)]
mod tests;
