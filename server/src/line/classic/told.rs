//! What clients of the classic dialect are told: one object a line.
//!
//! Lines are ASCII: other characters are escaped, as JSON may. A client that decodes what each `recv`
//! returns cannot be sent half a character. Deliberately absent: who is told what, and when.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

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

/// The server says something.
pub(super) fn say_system(message: &str, code: Option<&'static str>, out: &mut Outbound) {
    Told::System { message, code }.say(out);
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

/// The time of day in UTC, as `HH:MM:SS`.
pub(super) fn time_of_day(millis: u64) -> String {
    let seconds = millis / 1_000;
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{hour:02}:{minute:02}:{second:02}")
}

fn put(line: &impl Serialize, out: &mut Outbound) {
    let mut serializer = Serializer::with_formatter(&mut *out.bytes_mut(), Ascii);
    line.serialize(&mut serializer)
        .expect("texts are JSON, and a vector takes all of it");
    out.bytes_mut().push(b'\n');
}

/// Compact JSON without a byte above 127.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: io::Write + ?Sized,
    {
        for character in fragment.chars() {
            if character.is_ascii() {
                writer.write_all(character.encode_utf8(&mut [0; 4]).as_bytes())?;
            } else {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}
