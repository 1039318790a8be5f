//! Requests: a line to the frame that asks the same, and the reverse.

use serde::Deserialize;

use super::{
    LineError, RenderError,
    fields::Fields,
    reply::Object,
    sets::{Found, Sort},
};
use crate::{
    hex,
    id::{Key, Kind},
    limits::{REQUEST_BYTES_MAX, WIRE_VERSION},
    message::Request,
    words::{
        WordError,
        accounts::{AuthRequest, Token},
    },
};

/// What the gateway makes up where a line says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsaid {
    /// The correlation of a line without an `id`.
    pub(super) id: u64,
    /// The idempotency key of a line without a `key`.
    pub(super) key: Key,
}

/// What a line turned out to be, beyond its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParsedRequest {
    /// The opening of a conversation.
    Hello {
        /// In this wire version.
        version: u16,
        /// The line's `id`, if it has one: the welcome says it again.
        id: Option<u64>,
    },
    /// Something that is answered under this number; `made_key` is the key the line left out.
    Asked {
        /// The correlation in the frame.
        id: u64,
        /// Of what sort its outcome is.
        outcome: Sort,
        /// The key, when the gateway made it.
        made_key: Option<Key>,
        /// Whether it is an authentication, behind whose answer everything else waits.
        is_auth: bool,
    },
    /// Something that has no outcome: a ping, a signal, a sign of life.
    Unnumbered,
}

const REGISTER: &str = "register";
const LOG_IN: &str = "log-in";
const RESUME: &str = "resume";
const AUTH_NAMES: [&str; 3] = [REGISTER, LOG_IN, RESUME];

/// That a request is an authentication.
const IS_AUTH: bool = true;

/// Name and password, as registering and logging in show them.
#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

#[derive(Deserialize)]
struct Resume {
    token: Token,
}

/// The key that a line's `key` stands for: 32 hex digits are its bytes, any other text is hashed.
#[must_use]
pub fn key_of(text: &str) -> Key {
    hex::parse_array(text).map_or_else(|| hashed_key(text.as_bytes()), Key)
}

/// The first 16 bytes of BLAKE3.
pub(super) fn hashed_key(bytes: &[u8]) -> Key {
    let hash = blake3::hash(bytes);
    Key(*hash
        .as_bytes()
        .first_chunk()
        .expect("32 bytes begin with 16"))
}

/// Reads one line, without its end, and appends the frame that asks the same.
///
/// # Errors
/// If the line asks nothing known. `out` is as it was then.
pub fn parse_request(
    line: &str,
    unsaid: &Unsaid,
    out: &mut Vec<u8>,
) -> Result<ParsedRequest, LineError> {
    let at = out.len();
    // A line that does not say its number is answered under the number it has.
    let mut id = Some(unsaid.id);
    let parsed = parse(line, unsaid, &mut id, out).map_err(|reason| LineError::new(id, &reason));
    let frame_bytes = out.len().saturating_sub(at);
    let parsed = match parsed {
        Ok(_) if REQUEST_BYTES_MAX < frame_bytes => Err(LineError::too_long(id, REQUEST_BYTES_MAX)),
        other => other,
    };
    if parsed.is_err() {
        out.truncate(at);
    }
    parsed
}

fn parse(
    line: &str,
    unsaid: &Unsaid,
    id_told: &mut Option<u64>,
    out: &mut Vec<u8>,
) -> Result<ParsedRequest, String> {
    let reason = |error: serde_json::Error| error.to_string();
    let mut fields = Fields::parse(line).map_err(reason)?;
    let said = fields.take("id");
    let id = said.as_ref().ok().map(|said| said.unwrap_or(unsaid.id));
    *id_told = id;
    let said = said.map_err(reason)?;
    let id = id.unwrap_or(unsaid.id);
    let name: Option<String> = fields.take("do").map_err(reason)?;
    let name = name.ok_or("field `do`: missing, expected the name of a command or a query")?;
    match name.as_str() {
        "hello" => {
            let version = fields.take("version").map_err(reason)?;
            let version = version.unwrap_or(WIRE_VERSION);
            finish(
                fields,
                &Request::Hello { version },
                ParsedRequest::Hello { version, id: said },
                out,
            )
        }
        "ping" => {
            let ping = Request::Ping { correlation: id };
            finish(fields, &ping, ParsedRequest::Unnumbered, out)
        }
        "alive" => finish(fields, &Request::Alive, ParsedRequest::Unnumbered, out),
        name => Asking { id, unsaid }.parse(name, fields, out),
    }
}

/// Writes a request that takes no more fields.
fn finish(
    fields: Fields<'_>,
    request: &Request<'_>,
    parsed: ParsedRequest,
    out: &mut Vec<u8>,
) -> Result<ParsedRequest, String> {
    #[derive(Deserialize)]
    struct Nothing {}
    let Nothing {} = fields.read().map_err(|error| error.to_string())?;
    request.encode(out);
    Ok(parsed)
}

/// A line that has a word.
struct Asking<'a> {
    id: u64,
    unsaid: &'a Unsaid,
}

impl Asking<'_> {
    fn parse(
        &self,
        name: &str,
        mut fields: Fields<'_>,
        out: &mut Vec<u8>,
    ) -> Result<ParsedRequest, String> {
        let reason = |error: serde_json::Error| error.to_string();
        if AUTH_NAMES.contains(&name) {
            let (key, made_key) = self.key(&mut fields).map_err(reason)?;
            let request = auth(name, fields).map_err(reason)?;
            Request::Auth {
                correlation: self.id,
                key,
                request,
            }
            .encode(out);
            return Ok(self.asked(Sort::Event, made_key, IS_AUTH));
        }
        if let Some(found) = Sort::Command.find(name) {
            let (key, made_key) = self.key(&mut fields).map_err(reason)?;
            let word = Body::new(&found, fields).map_err(reason)?;
            Request::Command {
                correlation: self.id,
                key,
                kind: found.kind,
                schema: word.schema,
                body: &word.body,
            }
            .encode(out);
            return Ok(self.asked(Sort::Event, made_key, !IS_AUTH));
        }
        if let Some(found) = Sort::Query.find(name) {
            let word = Body::new(&found, fields).map_err(reason)?;
            Request::Query {
                correlation: self.id,
                kind: found.kind,
                schema: word.schema,
                body: &word.body,
            }
            .encode(out);
            return Ok(self.asked(Sort::Answer, None, !IS_AUTH));
        }
        if let Some(found) = Sort::Signal.find(name) {
            let word = Body::new(&found, fields).map_err(reason)?;
            Request::Signal {
                kind: found.kind,
                schema: word.schema,
                body: &word.body,
            }
            .encode(out);
            return Ok(ParsedRequest::Unnumbered);
        }
        Err(format!(
            "field `do`: `{name}` is no command, query or signal"
        ))
    }

    /// The key of this line, and the same again if the line did not say it.
    fn key(&self, fields: &mut Fields<'_>) -> Result<(Key, Option<Key>), serde_json::Error> {
        let said: Option<String> = fields.take("key")?;
        Ok(
            said.map_or((self.unsaid.key, Some(self.unsaid.key)), |said| {
                (key_of(&said), None)
            }),
        )
    }

    const fn asked(&self, outcome: Sort, made_key: Option<Key>, is_auth: bool) -> ParsedRequest {
        ParsedRequest::Asked {
            id: self.id,
            outcome,
            made_key,
            is_auth,
        }
    }
}

/// The body of a word, out of a line's fields.
struct Body {
    schema: u8,
    body: Vec<u8>,
}

impl Body {
    fn new(found: &Found, fields: Fields<'_>) -> Result<Self, serde_json::Error> {
        let mut body = Vec::new();
        let schema = found.encode(fields, &mut body)?;
        Ok(Self { schema, body })
    }
}

fn auth(name: &str, fields: Fields<'_>) -> Result<AuthRequest, serde_json::Error> {
    if name == RESUME {
        let Resume { token } = fields.read()?;
        return Ok(AuthRequest::Resume { token });
    }
    let is_new = name == REGISTER;
    let Credentials { name, password } = fields.read()?;
    Ok(if is_new {
        AuthRequest::Register { name, password }
    } else {
        AuthRequest::LogIn { name, password }
    })
}

/// Appends the line that asks the same as this request, with its end.
///
/// # Errors
/// If its word is not known here. `out` is as it was then.
pub fn render_request(request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), RenderError> {
    let at = out.len();
    let rendered = render(request, out);
    if rendered.is_err() {
        out.truncate(at);
    }
    rendered
}

fn render(request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), RenderError> {
    match request {
        Request::Hello { version } => {
            let object = Object::begin(out).text("do", "hello");
            object.number("version", *version).end();
            Ok(())
        }
        Request::Ping { correlation } => {
            let object = Object::begin(out).number("id", *correlation);
            object.text("do", "ping").end();
            Ok(())
        }
        Request::Alive => {
            Object::begin(out).text("do", "alive").end();
            Ok(())
        }
        Request::Auth {
            correlation,
            key,
            request,
        } => {
            render_auth(*correlation, key, request, out);
            Ok(())
        }
        Request::Command {
            correlation,
            key,
            kind,
            schema,
            body,
        } => {
            let found = find_command(*kind, *schema)?;
            let object = Object::begin(out).number("id", *correlation);
            let object = object.text("do", found.name);
            object
                .text("key", &key.to_string())
                .word(&found, *schema, body)
        }
        Request::Query {
            correlation,
            kind,
            schema,
            body,
        } => {
            let found = find(Sort::Query, *kind, *schema)?;
            let object = Object::begin(out).number("id", *correlation);
            object.text("do", found.name).word(&found, *schema, body)
        }
        Request::Signal { kind, schema, body } => {
            let found = find(Sort::Signal, *kind, *schema)?;
            let object = Object::begin(out).text("do", found.name);
            object.word(&found, *schema, body)
        }
    }
}

/// A command that a line can say: the names of two are those of what a client says instead.
fn find_command(kind: Kind, schema: u8) -> Result<Found, RenderError> {
    let found = find(Sort::Command, kind, schema)?;
    if AUTH_NAMES.contains(&found.name) {
        return Err(RenderError::ServerOnly);
    }
    Ok(found)
}

pub(super) fn find(sort: Sort, kind: Kind, schema: u8) -> Result<Found, RenderError> {
    let unknown = WordError::Unknown { kind, schema };
    sort.find_kind(kind).ok_or(RenderError::Word(unknown))
}

fn render_auth(id: u64, key: &Key, request: &AuthRequest, out: &mut Vec<u8>) {
    let key = key.to_string();
    let begin = |out, name| {
        let object = Object::begin(out).number("id", id);
        object.text("do", name).text("key", &key)
    };
    match request {
        AuthRequest::Register { name, password } => begin(out, REGISTER)
            .text("name", name)
            .text("password", password)
            .end(),
        AuthRequest::LogIn { name, password } => begin(out, LOG_IN)
            .text("name", name)
            .text("password", password)
            .end(),
        AuthRequest::Resume { token } => begin(out, RESUME)
            .text("token", &hex::render(&token.0))
            .end(),
    }
}
