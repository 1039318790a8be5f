//! A call as an HTTP request, and an answer as what it means.
//!
//! What fills the places of a call goes in and bytes of a request come out; status and body of an
//! answer go in and one of four meanings comes out. Whatever is not named in the file is unknown: it may
//! have happened. Deliberately absent: connections (`exchange`).

use bytes::Bytes;
use http_body_util::Full;
pub(super) use hyper::Method;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use protocol::Code;
use serde_json::Value;

use super::{
    exchange::Exchanged,
    path::Path,
    template::{Scope, Template},
};

/// A call, as the file describes it.
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) method: Method,
    pub(super) path: Template,
    pub(super) headers: Vec<(HeaderName, Template)>,
    pub(super) json: Option<Body>,
    pub(super) ok: Rule,
    pub(super) refused: Vec<Refusal>,
    pub(super) error: Vec<u16>,
    pub(super) each: Option<Path>,
    pub(super) take: Vec<(String, Path)>,
}

/// A body with places to fill in.
#[derive(Debug, Clone)]
pub(super) enum Body {
    Value(Value),
    Text(Template),
    List(Vec<Self>),
    Table(Vec<(String, Self)>),
}

/// Which answers are meant.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) statuses: Vec<u16>,
    pub(super) when: Vec<(Path, Value)>,
}

/// Which answers are a refusal, and for which reason.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) rule: Rule,
    pub(super) code: Code,
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// It took effect.
    Ok,
    /// It was considered, and did not.
    Refused(Code),
    /// It was definitely not done.
    Error(Code),
    /// It may have happened.
    Unknown,
}

/// An answer, understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Understood {
    /// What it means.
    pub meaning: Meaning,
    /// What was taken out of it; of a read, out of each entry.
    pub entries: Vec<Scope>,
    /// Why, in a sentence, where it is not what the file describes.
    pub why: Option<String>,
}

impl Refusal {
    /// The reasons that laws know.
    pub(super) const NAMES: [&'static str; 4] =
        ["slot-taken", "already-booked", "unknown-booking", "other"];

    /// The code of a reason.
    pub(super) fn of(name: &str) -> Option<Code> {
        Some(match name {
            "slot-taken" => Code::SLOT_TAKEN,
            "already-booked" => Code::ALREADY_BOOKED,
            "unknown-booking" => Code::UNKNOWN_BOOKING,
            // No law draws a conclusion from it.
            "other" => Code::NOT_ALLOWED,
            _none => return None,
        })
    }
}

impl Rule {
    fn applies(&self, status: u16, document: Option<&Value>) -> bool {
        let holds = |(path, wanted): &(Path, Value)| {
            document.and_then(|document| path.first(document)) == Some(wanted)
        };
        self.statuses.contains(&status) && self.when.iter().all(holds)
    }
}

impl Body {
    fn fill(&self, scope: &Scope) -> Value {
        match self {
            Self::Value(value) => value.clone(),
            Self::Text(template) => template.value(scope),
            Self::List(list) => list.iter().map(|each| each.fill(scope)).collect(),
            Self::Table(table) => {
                let fields = table
                    .iter()
                    .map(|(name, body)| (name.clone(), body.fill(scope)));
                Value::Object(fields.collect())
            }
        }
    }
}

impl Request {
    /// The names of what is taken out of an answer.
    pub(super) fn takes(&self) -> Vec<String> {
        self.take.iter().map(|(name, _path)| name.clone()).collect()
    }

    /// The request line, for people.
    #[must_use]
    pub fn line(&self, scope: &Scope) -> String {
        format!("{} {}", self.method, self.path.path(scope))
    }

    /// The body, if it has one.
    #[must_use]
    pub fn body(&self, scope: &Scope) -> Option<String> {
        self.json.as_ref().map(|json| json.fill(scope).to_string())
    }

    /// The request.
    ///
    /// # Errors
    /// If what the places were filled with cannot stand there: a header with a line's end.
    pub fn build(
        &self,
        host: &str,
        keep_alive: bool,
        scope: &Scope,
    ) -> Result<hyper::Request<Full<Bytes>>, String> {
        let body = self.body(scope);
        let mut request = hyper::Request::builder()
            .method(self.method.clone())
            .uri(self.path.path(scope))
            .header(HOST, host);
        if !keep_alive {
            request = request.header(CONNECTION, "close");
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        for (name, value) in &self.headers {
            let text = value.text(scope);
            let value = HeaderValue::from_str(&text)
                .map_err(|error| format!("the header {name} cannot be {text:?}: {error}"))?;
            request = request.header(name, value);
        }
        request
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|error| error.to_string())
    }

    /// What became of it.
    #[must_use]
    pub fn understand(&self, exchanged: &Exchanged) -> Understood {
        let bare = |meaning, why: String| Understood {
            meaning,
            entries: Vec::new(),
            why: Some(why),
        };
        let (status, body) = match exchanged {
            Exchanged::NotSent(why) => {
                return bare(Meaning::Error(Code::SHUTTING_DOWN), why.clone());
            }
            Exchanged::Lost(why) => return bare(Meaning::Unknown, why.clone()),
            Exchanged::Answer { status, body } => (*status, body),
        };
        let document: Option<Value> = serde_json::from_slice(body).ok();
        let refused = self
            .refused
            .iter()
            .find(|refused| refused.rule.applies(status, document.as_ref()));
        if let Some(refused) = refused {
            return Understood {
                meaning: Meaning::Refused(refused.code),
                entries: Vec::new(),
                why: None,
            };
        }
        if self.ok.applies(status, document.as_ref()) {
            return match self.entries(document.as_ref()) {
                Ok(entries) => Understood {
                    meaning: Meaning::Ok,
                    entries,
                    why: None,
                },
                Err(why) => bare(Meaning::Unknown, format!("status {status}, but {why}")),
            };
        }
        if self.error.contains(&status) {
            return Understood {
                meaning: Meaning::Error(code_of(status)),
                entries: Vec::new(),
                why: None,
            };
        }
        bare(
            Meaning::Unknown,
            format!("status {status} is not named in the file"),
        )
    }

    /// What is taken, once for the answer or for each of its entries.
    fn entries(&self, document: Option<&Value>) -> Result<Vec<Scope>, String> {
        if self.take.is_empty() && self.each.is_none() {
            return Ok(vec![Scope::new()]);
        }
        let document = document.ok_or("the body is not JSON")?;
        let Some(each) = &self.each else {
            return Ok(vec![self.taken(document)?]);
        };
        if !each.has_list(document) {
            return Err("the list of its entries is not there".to_owned());
        }
        each.all(document)
            .into_iter()
            .map(|entry| self.taken(entry))
            .collect()
    }

    fn taken(&self, entry: &Value) -> Result<Scope, String> {
        let take = |(name, path): &(String, Path)| {
            // Of a read, names of people are a list, and there may be none.
            let value = if name == "holders" {
                Value::Array(
                    path.all(entry)
                        .into_iter()
                        .filter(|value| !value.is_null())
                        .cloned()
                        .collect(),
                )
            } else {
                path.first(entry)
                    .cloned()
                    .ok_or_else(|| format!("`{name}` is not where it is to be taken"))?
            };
            Ok((name.clone(), value))
        };
        self.take.iter().map(take).collect()
    }
}

/// The code under which an error is counted.
const fn code_of(status: u16) -> Code {
    match status {
        401 | 403 => Code::LOG_IN_FIRST,
        429 | 503 => Code::BUSY,
        _other => Code::BAD_LINE,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path as FilePath;

    use super::*;
    use crate::mapping::Mapping;

    const FILE: &str = r#"
        [system]
        speaks = "agenda"
        [http]
        base = "http://127.0.0.1:1"
        [call.reserve]
        post    = "/slots/{slot}/book"
        headers = { Authorization = "Bearer {user}" }
        json    = { user = "{user}", number = "{number}", kind = "talk", tags = ["{day}"] }
        ok      = { status = [200, 201], take = { booking = "$.id" } }
        refused = [
          { status = 200, when = { "$.error.code" = "TAKEN" }, as = "slot-taken" },
          { status = 409, as = "other" },
        ]
        error   = [400, 429]
        [read.slots]
        get  = "/slots"
        each = "$.slots[*]"
        take = { slot = "$.id", holders = "$.who[*]" }
    "#;

    fn mapping() -> Mapping {
        Mapping::parse(FilePath::new("target.toml"), FILE).expect("a target")
    }

    fn meaning(status: u16, body: &'static str) -> Meaning {
        let answer = Exchanged::Answer {
            status,
            body: Bytes::from_static(body.as_bytes()),
        };
        mapping()
            .reserve
            .expect("a call")
            .understand(&answer)
            .meaning
    }

    #[test]
    fn whatever_the_file_does_not_describe_is_unknown() {
        assert_eq!(meaning(201, r#"{"id": 7}"#), Meaning::Ok);
        let taken = r#"{"id": 7, "error": {"code": "TAKEN"}}"#;
        assert_eq!(meaning(200, taken), Meaning::Refused(Code::SLOT_TAKEN));
        assert_eq!(meaning(409, "no JSON"), Meaning::Refused(Code::NOT_ALLOWED));
        assert_eq!(meaning(429, ""), Meaning::Error(Code::BUSY));
        for (status, body) in [
            (200, "<html>"),
            (201, r#"{"other": 1}"#),
            (201, ""),
            (204, ""),
            (302, ""),
            (404, ""),
            (500, r#"{"id": 7}"#),
            (503, ""),
        ] {
            assert_eq!(meaning(status, body), Meaning::Unknown, "{status} {body}");
        }
    }

    #[test]
    fn a_read_whose_list_is_not_there_shows_nothing_at_all() {
        let list = mapping().list_slots.expect("a read");
        let read = |body: &'static str| {
            let body = Bytes::from_static(body.as_bytes());
            list.understand(&Exchanged::Answer { status: 200, body })
        };
        assert_eq!(read(r#"{"slots": []}"#).meaning, Meaning::Ok);
        let shown = read(r#"{"slots": [{"id": 4, "who": ["ana", "zoë"]}, {"id": 5}]}"#);
        assert_eq!(shown.entries.len(), 2);
        assert_eq!(
            shown.entries[0]["holders"],
            serde_json::json!(["ana", "zoë"])
        );
        for wrong in [
            r#"{"slot": []}"#,
            r#"{"slots": {}}"#,
            "[]",
            r#"{"slots": [{"who": []}]}"#,
        ] {
            assert_eq!(read(wrong).meaning, Meaning::Unknown, "{wrong}");
        }
    }

    #[test]
    fn a_call_is_filled_with_types_and_cannot_break_out_of_its_header() {
        let reserve = mapping().reserve.expect("a call");
        let mut scope: Scope = [
            ("slot", "a/1".into()),
            ("user", "zoë".into()),
            ("number", 3.into()),
            ("day", 0.into()),
        ]
        .map(|(name, value): (&str, Value)| (name.to_owned(), value))
        .into();
        assert_eq!(reserve.line(&scope), "POST /slots/a%2F1/book");
        let body: Value =
            serde_json::from_str(&reserve.body(&scope).expect("a body")).expect("JSON");
        assert_eq!(
            body,
            serde_json::json!({"user": "zoë", "number": 3, "kind": "talk", "tags": [0]})
        );
        assert!(reserve.build("h", true, &scope).is_ok());
        scope.insert("user".to_owned(), "a\r\nX: y".into());
        assert!(reserve.build("h", true, &scope).is_err());
    }

    #[test]
    fn a_mistake_is_shown_where_it_stands_with_what_to_do() {
        let told = |from: &str, to: &str| {
            assert!(FILE.contains(from), "{from}");
            let parsed = Mapping::parse(FilePath::new("t.toml"), &FILE.replace(from, to));
            parsed.expect_err(to).to_string()
        };
        for (from, to, words) in [
            ("speaks = \"agenda\"", "speaks = \"chat\"", "only `agenda`"),
            ("http://127.0.0.1:1", "https://127.0.0.1:1", "without TLS"),
            (
                "http://127.0.0.1:1",
                "http://127.0.0.1:{port}",
                "add `[process]`",
            ),
            (
                "as = \"slot-taken\"",
                "as = \"slot-takn\"",
                "did you mean `slot-taken`?",
            ),
            ("$.error.code", "error.code", "a path begins with `$`"),
            ("[400, 429]", "[400, 999]", "no status of HTTP"),
            (
                "[400, 429]",
                "[400, 409]",
                "to mean both refused and an error",
            ),
            ("post    = ", "psot    = ", "did you mean `post`?"),
            ("each = ", "# each = ", "a read needs `each`"),
            ("slot = \"$.id\", ", "", "must take `slot`"),
        ] {
            let error = told(from, to);
            assert!(
                error.contains(words) && error.contains("t.toml:"),
                "{to}: {error}"
            );
        }
    }
}
