//! What clients of the classic dialect are told: one object a line.
//!
//! Deliberately absent: who is told what, and when.

use protocol::Refusal;
use serde::Serialize;

use crate::line::outbound::Outbound;

/// Whether an action before or of the log-in succeeded.
#[derive(Serialize)]
struct Status<'a> {
    status: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
}

/// One thing a client is told.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Told<'a> {
    /// Somebody said this to everybody.
    Public {
        sender: &'a str,
        message: &'a str,
        timestamp: String,
    },
    /// Somebody said this to you.
    Private {
        sender: &'a str,
        recipient: &'a str,
        message: &'a str,
        timestamp: String,
    },
    /// Somebody said this in a room.
    RoomMessage {
        sender: &'a str,
        room: &'a str,
        message: &'a str,
        timestamp: String,
    },
    /// Who is there, each `name:online` or `name:offline`.
    #[serde(rename = "USERLIST")]
    UserList { users: &'a [String] },
    /// Somebody began or stopped writing to you.
    #[serde(rename = "typing")]
    Typing { sender: &'a str, status: bool },
    /// Something the server says.
    System {
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<&'static str>,
    },
    /// Are you there?
    Ping,
    /// Yes.
    Pong,
}

impl Told<'_> {
    /// Appends the line.
    pub(super) fn say(&self, out: &mut Outbound) {
        put(self, out);
    }
}

/// It worked.
pub(super) fn succeed(message: &str, out: &mut Outbound) {
    let (status, code) = ("SUCCESS", None);
    put(
        &Status {
            status,
            message,
            code,
        },
        out,
    );
}

/// It did not.
pub(super) fn fail(message: &str, code: &'static str, out: &mut Outbound) {
    let (status, code) = ("ERROR", Some(code));
    put(
        &Status {
            status,
            message,
            code,
        },
        out,
    );
}

/// What was wanted was refused.
pub(super) fn refuse(refusal: &Refusal, out: &mut Outbound) {
    let (message, code) = (&refusal.sentence(), Some(refusal.code.name()));
    Told::System { message, code }.say(out);
}

/// The time of day in UTC, as `HH:MM:SS`.
pub(super) fn time_of_day(millis: u64) -> String {
    let seconds = millis / 1_000;
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{hour:02}:{minute:02}:{second:02}")
}

fn put(line: &impl Serialize, out: &mut Outbound) {
    serde_json::to_writer(&mut *out.bytes_mut(), line)
        .expect("texts are JSON, and a vector takes all of it");
    out.bytes_mut().push(b'\n');
}
