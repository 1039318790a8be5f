//! What clients of the classic dialect say: one object a line, with its name in capitals.
//!
//! A line goes in and what it wants comes out. Fields nobody knows are ignored, because clients of
//! this dialect exist that send some. Deliberately absent: what the names in it stand for.

use serde::Deserialize;

/// Something a client wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Make an account.
    Register(Credentials),
    /// Become somebody.
    LogIn(Credentials),
    /// Say something to everybody.
    Public(String),
    /// Say something to one person.
    Private { recipient: String, message: String },
    /// Say something in a room.
    Room { room: String, message: String },
    /// Be in a room, which is made if there is none.
    Join(String),
    /// Be in a room no more.
    Leave(String),
    /// Who is there?
    UserList,
    /// I began or stopped writing to somebody.
    Typing { recipient: String, on: bool },
    /// Are you there?
    Ping,
}

/// Name and password.
#[derive(PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) name: String,
    pub(super) password: String,
}

// Secrets never reach a log or a panic message.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({:?}, <password>)", self.name)
    }
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "do")]
    word: Option<String>,
    action: Option<String>,
    r#type: Option<String>,
    username: Option<String>,
    password: Option<String>,
    message: Option<String>,
    recipient: Option<String>,
    room: Option<String>,
}

/// Whether a first line is one of this dialect: it names what it wants in capitals.
pub(in crate::line) fn is_classic(line: &str) -> bool {
    let is_loud = |name: &String| {
        let is_capital = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
        !name.is_empty() && name.bytes().all(is_capital)
    };
    serde_json::from_str::<Line>(line).is_ok_and(|line| {
        let name = line.action.or(line.r#type);
        line.word.is_none() && name.is_some_and(|name| is_loud(&name))
    })
}

/// What a line wants, or why that is unclear.
pub(super) fn parse(line: &str) -> Result<Said, String> {
    let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let Some(name) = line.r#type.as_deref() else {
        return line.parse_stranger();
    };
    Ok(match name {
        "PUBLIC" => Said::Public(need("message", line.message)?),
        "PRIVATE" => Said::Private {
            recipient: need("recipient", line.recipient)?,
            message: need("message", line.message)?,
        },
        "ROOM_MESSAGE" => Said::Room {
            room: need("room", line.room)?,
            message: need("message", line.message)?,
        },
        "ROOM_ACTION" => {
            let room = need("room", line.room)?;
            let action = need("action", line.action)?;
            match action.to_ascii_lowercase().as_str() {
                "join" | "create" => Said::Join(room),
                "leave" => Said::Leave(room),
                _other => return Err(format!("field `action`: `{action}` is not join or leave")),
            }
        }
        "USERLIST" => Said::UserList,
        "TYPING_START" | "TYPING_STOP" => Said::Typing {
            recipient: need("recipient", line.recipient)?,
            on: name == "TYPING_START",
        },
        "PING" => Said::Ping,
        other => return Err(format!("field `type`: `{other}` is unknown here")),
    })
}

impl Line {
    fn parse_stranger(self) -> Result<Said, String> {
        let action = need("type", self.action)?;
        let credentials = |name, password| {
            Ok::<_, String>(Credentials {
                name: need("username", name)?,
                password: need("password", password)?,
            })
        };
        match action.as_str() {
            "REGISTER" => Ok(Said::Register(credentials(self.username, self.password)?)),
            "LOGIN" => Ok(Said::LogIn(credentials(self.username, self.password)?)),
            other => Err(format!("field `action`: `{other}` is unknown here")),
        }
    }
}

fn need(name: &str, value: Option<String>) -> Result<String, String> {
    value.ok_or_else(|| format!("field `{name}`: missing"))
}
