//! Replies: a frame to the line that says the same, and the reverse.

use serde::{
    Serialize,
    de::{DeserializeOwned, Error as _},
};
use serde_json::Error;

use super::{
    LineError, RenderError,
    fields::Fields,
    request::find,
    sets::{Found, Sort},
};
use crate::{
    code::{Code, Refusal},
    id::{ChainHash, Key, Seq},
    message::{ErrorReply, Reply, Welcome, WelcomeFlags},
    outcome::{Outcome, encode_accepted, encode_refused},
};

/// What a reply's line says beyond its frame: what was asked under its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// Whether the outcome is an event or an answer; their kinds share their numbers.
    pub outcome: Sort,
    /// The key the gateway made, which the client does not know yet.
    pub made_key: Option<Key>,
    /// The `id` of the hello that a welcome answers; its frame has no number.
    pub hello: Option<u64>,
}

/// Appends the line that says the same as this reply, with its end.
///
/// # Errors
/// If its word is not known here. `out` is as it was then.
pub fn render_reply(
    reply: &Reply<'_>,
    context: Context,
    out: &mut Vec<u8>,
) -> Result<(), RenderError> {
    let at = out.len();
    let rendered = render(reply, context, out);
    if rendered.is_err() {
        out.truncate(at);
    }
    rendered
}

fn render(reply: &Reply<'_>, context: Context, out: &mut Vec<u8>) -> Result<(), RenderError> {
    match reply {
        Reply::Welcome(welcome) => render_welcome(welcome, context.hello, out),
        Reply::Answer {
            correlation,
            seq,
            hash,
            outcome,
        } => {
            let object = Object::begin(out).number("id", *correlation);
            return render_outcome(object, context, (*seq, hash), outcome);
        }
        Reply::Push {
            seq,
            hash,
            kind,
            schema,
            body,
        } => {
            let found = find(Sort::Push, *kind, *schema)?;
            let object = Object::begin(out).text("push", found.name);
            return object.position(*seq, hash).word(&found, *schema, body);
        }
        Reply::Error(error) => render_error(error, context.made_key, out),
        Reply::Pong { correlation } => {
            let object = Object::begin(out).number("id", *correlation);
            object.text("ok", "pong").end();
        }
        Reply::Ephemeral { kind, schema, body } => {
            let found = find(Sort::News, *kind, *schema)?;
            let object = Object::begin(out).text("news", found.name);
            return object.word(&found, *schema, body);
        }
        Reply::Probe => Object::begin(out).text("news", "probe").end(),
    }
    Ok(())
}

fn render_outcome(
    object: Object<'_>,
    context: Context,
    (seq, hash): (Seq, &ChainHash),
    outcome: &[u8],
) -> Result<(), RenderError> {
    match Outcome::decode(outcome)? {
        Outcome::Accepted { kind, schema, body } => {
            // Logging in and resuming are asked like commands and answered with answers.
            let found = find(context.outcome, kind, schema)
                .or_else(|_no_event| find(Sort::Answer, kind, schema))?;
            let object = object.text("ok", found.name).position(seq, hash);
            object.made_key(context.made_key).word(&found, schema, body)
        }
        Outcome::Refused(refusal) => {
            let object = object.refusal("refused", &refusal).position(seq, hash);
            object.made_key(context.made_key).end();
            Ok(())
        }
    }
}

fn render_welcome(welcome: &Welcome, hello: Option<u64>, out: &mut Vec<u8>) {
    about(hello, out)
        .text("ok", "welcome")
        .number("version", welcome.version)
        .number("request_bytes_max", welcome.request_bytes_max)
        .number("in_flight_max", welcome.in_flight_max)
        .number("flags", welcome.flags.0)
        .position(welcome.seq, &welcome.hash)
        .end();
}

fn render_error(error: &ErrorReply, made_key: Option<Key>, out: &mut Vec<u8>) {
    about(Some(error.correlation), out)
        .refusal("error", &error.refusal)
        .fate(error.retry_after_ms, error.fatal)
        .made_key(made_key)
        .end();
}

/// Appends the line that answers a line which asks nothing known, with its end.
pub fn render_line_error(error: &LineError, fatal: bool, out: &mut Vec<u8>) {
    about(error.id, out)
        .refusal("error", &error.refusal())
        .text("reason", &error.reason)
        .fate(0, fatal)
        .end();
}

/// A line about one request, or about the conversation, which is no number or 0.
fn about(id: Option<u64>, out: &mut Vec<u8>) -> Object<'_> {
    let object = Object::begin(out);
    match id {
        None | Some(0) => object,
        Some(id) => object.number("id", id),
    }
}

/// Reads one line of a server, without its end, and appends the frame that says the same: none for a
/// push or news of a kind that is not known here, which clients ignore.
///
/// # Errors
/// If the line says nothing known. `out` is as it was then.
pub fn parse_reply(line: &str, out: &mut Vec<u8>) -> Result<(), LineError> {
    let at = out.len();
    let parsed = Reading::parse(line, out);
    if parsed.is_err() {
        out.truncate(at);
    }
    parsed.map_err(|error| LineError::new(None, &error.to_string()))
}

/// A reply's line in the middle of being read.
struct Reading<'a> {
    fields: Fields<'a>,
    correlation: u64,
}

impl<'a> Reading<'a> {
    fn parse(line: &'a str, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut fields = Fields::parse(line)?;
        let correlation = fields.take("id")?.unwrap_or_default();
        let mut reading = Self {
            fields,
            correlation,
        };
        if let Some(name) = reading.fields.take::<String>("ok")? {
            return reading.accepted(&name, out);
        }
        if let Some(_name) = reading.fields.take::<String>("refused")? {
            return reading.refused(out);
        }
        if let Some(_name) = reading.fields.take::<String>("error")? {
            return reading.error(out);
        }
        if let Some(name) = reading.fields.take::<String>("push")? {
            return reading.push(&name, out);
        }
        let name: String = reading.need("news")?;
        reading.news(&name, out)
    }

    fn accepted(mut self, name: &str, out: &mut Vec<u8>) -> Result<(), Error> {
        let correlation = self.correlation;
        match name {
            "pong" => Reply::Pong { correlation }.encode(out),
            "welcome" => Reply::Welcome(self.welcome()?).encode(out),
            name => {
                let (seq, hash) = self.position()?;
                let _made_key: Option<String> = self.fields.take("key")?;
                let found = Sort::Event.find(name).or_else(|| Sort::Answer.find(name));
                let found = found.ok_or_else(|| unknown("ok", name))?;
                let mut body = Vec::new();
                let schema = found.encode(self.fields, &mut body)?;
                let mut outcome = Vec::new();
                encode_accepted(found.kind, schema, &mut outcome);
                outcome.extend_from_slice(&body);
                Reply::Answer {
                    correlation,
                    seq,
                    hash,
                    outcome: &outcome,
                }
                .encode(out);
            }
        }
        Ok(())
    }

    fn welcome(&mut self) -> Result<Welcome, Error> {
        let (seq, hash) = self.position()?;
        Ok(Welcome {
            version: self.need("version")?,
            request_bytes_max: self.need("request_bytes_max")?,
            in_flight_max: self.need("in_flight_max")?,
            flags: WelcomeFlags(self.need("flags")?),
            seq,
            hash,
        })
    }

    fn refused(mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let (seq, hash) = self.position()?;
        let mut outcome = Vec::new();
        encode_refused(&self.refusal()?, &mut outcome);
        Reply::Answer {
            correlation: self.correlation,
            seq,
            hash,
            outcome: &outcome,
        }
        .encode(out);
        Ok(())
    }

    fn error(mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        Reply::Error(ErrorReply {
            correlation: self.correlation,
            refusal: self.refusal()?,
            retry_after_ms: self.need("retry_after_ms")?,
            fatal: self.need("fatal")?,
        })
        .encode(out);
        Ok(())
    }

    fn push(mut self, name: &str, out: &mut Vec<u8>) -> Result<(), Error> {
        let (seq, hash) = self.position()?;
        // Pushes and news of kinds that a client does not know are not for it.
        let Some(found) = Sort::Push.find(name) else {
            return Ok(());
        };
        let mut body = Vec::new();
        let schema = found.encode(self.fields, &mut body)?;
        Reply::Push {
            seq,
            hash,
            kind: found.kind,
            schema,
            body: &body,
        }
        .encode(out);
        Ok(())
    }

    fn news(self, name: &str, out: &mut Vec<u8>) -> Result<(), Error> {
        if name == "probe" {
            Reply::Probe.encode(out);
            return Ok(());
        }
        let Some(found) = Sort::News.find(name) else {
            return Ok(());
        };
        let mut body = Vec::new();
        let schema = found.encode(self.fields, &mut body)?;
        Reply::Ephemeral {
            kind: found.kind,
            schema,
            body: &body,
        }
        .encode(out);
        Ok(())
    }

    fn position(&mut self) -> Result<(Seq, ChainHash), Error> {
        Ok((self.need("seq")?, self.need("hash")?))
    }

    fn refusal(&mut self) -> Result<Refusal, Error> {
        Ok(Refusal {
            code: self.need::<Code>("code")?,
            value: self.need("value")?,
            limit: self.need("limit")?,
        })
    }

    fn need<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, Error> {
        let field = self.fields.take(name)?;
        field.ok_or_else(|| Error::custom(format_args!("field `{name}`: missing")))
    }
}

fn unknown(place: &str, name: &str) -> Error {
    Error::custom(format_args!("field `{place}`: `{name}` is no known word"))
}

/// One object on its way into a line.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Object<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        let is_empty = true;
        Self { out, is_empty }
    }

    fn value(mut self, name: &str, value: &impl Serialize) -> Self {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
        self.put(&name);
        self.out.push(b':');
        self.put(value);
        self
    }

    fn put(&mut self, value: &impl Serialize) {
        serde_json::to_writer(&mut *self.out, value)
            .expect("texts and numbers are JSON, and a vector takes all of it");
    }

    pub(super) fn number(self, name: &str, number: impl Into<u64>) -> Self {
        let number: u64 = number.into();
        self.value(name, &number)
    }

    pub(super) fn text(self, name: &str, text: &str) -> Self {
        self.value(name, &text)
    }

    fn position(self, seq: Seq, hash: &ChainHash) -> Self {
        self.value("seq", &seq).value("hash", hash)
    }

    fn refusal(self, place: &str, refusal: &Refusal) -> Self {
        self.text(place, refusal.code.name())
            .number("code", refusal.code.0)
            .number("value", refusal.value)
            .number("limit", refusal.limit)
            .text("sentence", &refusal.sentence())
    }

    fn made_key(self, key: Option<Key>) -> Self {
        match key {
            Some(key) => self.value("key", &key),
            None => self,
        }
    }

    fn fate(self, retry_after_ms: u32, fatal: bool) -> Self {
        self.number("retry_after_ms", retry_after_ms)
            .value("fatal", &fatal)
    }

    /// Ends the line with the fields of a word, which stand beside those before them.
    pub(super) fn word(self, found: &Found, schema: u8, body: &[u8]) -> Result<(), RenderError> {
        let at = self.out.len();
        found.render(schema, body, self.out)?;
        // The word is an object of its own; its opening brace becomes the comma before its fields.
        let is_empty = self.out.get(at..) == Some(b"{}");
        if is_empty {
            self.out.truncate(at);
            self.end();
            return Ok(());
        }
        if let Some(brace) = self.out.get_mut(at) {
            *brace = b',';
        }
        self.out.push(b'\n');
        Ok(())
    }

    pub(super) fn end(self) {
        self.out.extend_from_slice(b"}\n");
    }
}
