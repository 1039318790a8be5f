//! A `target.toml`, checked: what is there fits together, and every place of a call is filled.
//!
//! Text goes in; a [`Mapping`] comes out, or an error with file, line, column and remedy. A mapping that
//! exists is whole: nothing after this room looks whether a name is known.

use std::{
    fmt, fs,
    ops::Range,
    path::{Path as FilePath, PathBuf},
    time::Duration,
};

use serde_json::Value;
use toml::Spanned;

use super::{
    file::{
        CallTable, CallsTable, File, ProcessTable, PromisesTable, ReadsTable, SlotsTable, Statuses,
        WhoTable,
    },
    path::Path,
    request::{Method, Refusal, Request, Rule},
    template::{Scope, Template},
};
use crate::{
    check::{Contract, Expiry},
    scenario::{Fault, ScenarioError, suggest},
};

/// The longest file read: a wrong path may name anything.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// How long a process may take to be ready unless its file says otherwise.
const READY_WITHIN: Duration = Duration::from_secs(10);
const NAME: &str = "u{run}-{number}";
const SLOT: &str = "{run}-{agenda}-{day}-{number}";
const PASSWORD: &str = "stampede";

/// Why a target file was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingError(String);

impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MappingError {}

impl From<ScenarioError> for MappingError {
    fn from(error: ScenarioError) -> Self {
        Self(error.to_string())
    }
}

/// How a server is spoken to.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// The file.
    pub file: PathBuf,
    /// Where it answers, with `{port}` where a free one is to stand.
    pub base: String,
    /// Whether connections are used again.
    pub keep_alive: bool,
    /// How it is started, if it is.
    pub process: Option<ProcessSpec>,
    /// Its users.
    pub who: Who,
    /// What its slots are called, and how one is made.
    pub slots: Names,
    /// What it promises.
    pub contract: Contract,
    /// Takes a place.
    pub reserve: Option<Request>,
    /// Gives it back.
    pub cancel: Option<Request>,
    /// Shows the slots of a day.
    pub list_slots: Option<Request>,
    /// Shows whoever asks their bookings.
    pub my_bookings: Option<Request>,
}

/// How a server is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessSpec {
    /// For `sh -c`, with `{port}` and `{data}`.
    pub start: String,
    /// When it is ready.
    pub ready: Ready,
    /// How long that may take.
    pub within: Duration,
}

/// When a server is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// It takes a connection at this host and port.
    Tcp(String),
    /// It answers a GET of this URL with 2xx.
    Http(String),
    /// It prints a line with this text.
    Line(String),
}

/// Users.
#[derive(Debug, Clone)]
pub struct Who {
    /// What one is called.
    pub name: Template,
    /// Everybody's password.
    pub password: String,
    /// Makes one.
    pub register: Option<Request>,
    /// Logs one in.
    pub login: Option<Request>,
}

/// Things that the run names.
#[derive(Debug, Clone)]
pub struct Names {
    /// What one is called.
    pub name: Template,
    /// Makes one.
    pub open: Option<Request>,
}

type Read<T> = Result<T, Box<Fault>>;

impl Mapping {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// If it cannot be read or says something that makes no sense: with the place and a remedy.
    pub fn load(path: &FilePath) -> Result<Self, MappingError> {
        let fail = |why: String| MappingError(format!("{}: {why}", path.display()));
        let size = fs::metadata(path)
            .map_err(|error| fail(error.to_string()))?
            .len();
        if FILE_BYTES_MAX < size {
            return Err(fail(format!(
                "has {size} bytes, and a target file at most {FILE_BYTES_MAX}; is it the right file?"
            )));
        }
        let text = fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
        Self::parse(path, &text)
    }

    /// Checks the text of a file.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn parse(path: &FilePath, text: &str) -> Result<Self, MappingError> {
        let read = || -> Read<Self> {
            let file: File = toml::from_str(text).map_err(|error| not_read(&error))?;
            check(path, &file)
        };
        let located = |fault: Box<Fault>| fault.locate(&path.display().to_string(), text);
        read().map_err(|fault| located(fault).into())
    }
}

/// What serde says, with a remedy where it says which names there are.
fn not_read(error: &toml::de::Error) -> Box<Fault> {
    let message = error.message();
    let fault = Fault::new(
        error.span(),
        message.replace("unknown field", "unknown key"),
    );
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match quoted.split_first() {
        Some((name, known)) if message.starts_with("unknown field") => {
            fault.hint(suggest(name, known.iter().copied()))
        }
        Some((name, [])) if message.starts_with("missing field") => {
            fault.hint(format!("add `{name}`"))
        }
        _ => fault,
    }
}

fn check(path: &FilePath, file: &File) -> Read<Mapping> {
    let speaks = &file.system.speaks;
    if speaks.get_ref() != "agenda" {
        let what = format!("the system `{}` cannot be mapped", speaks.get_ref());
        return Err(Fault::new(speaks.span(), what).hint("only `agenda` can be, so far"));
    }
    let process = file.process.as_ref().map(process).transpose()?;
    check_base(&file.http.base, process.is_some())?;
    let who = who(file.who.as_ref())?;
    let own = who.login.as_ref().map(Request::takes).unwrap_or_default();
    let slots = names(file.slots.as_ref(), &own)?;
    let (reserve, cancel) = calls(&file.call, &own)?;
    let (list_slots, my_bookings) = match &file.read {
        Some(table) => reads(table, &own)?,
        None => (None, None),
    };
    let has_reads = list_slots.is_some() || my_bookings.is_some();
    Ok(Mapping {
        file: path.to_owned(),
        base: file.http.base.get_ref().trim_end_matches('/').to_owned(),
        keep_alive: file.http.keep_alive.unwrap_or(true),
        process,
        who,
        contract: contract(file.promises.as_ref(), &slots, has_reads)?,
        slots,
        reserve,
        cancel,
        list_slots,
        my_bookings,
    })
}

fn process(table: &ProcessTable) -> Read<ProcessSpec> {
    let within = table.ready_within.as_ref();
    Ok(ProcessSpec {
        start: table.start.get_ref().clone(),
        ready: ready(&table.ready)?,
        within: within.map_or(Ok(READY_WITHIN), duration)?,
    })
}

fn who(table: Option<&WhoTable>) -> Read<Who> {
    let of_login = known(&["run", "number", "name", "password"]);
    let call =
        |call: Option<&Spanned<CallTable>>| call.map(|call| request(call, &of_login)).transpose();
    let name = table.and_then(|who| who.name.as_ref());
    let password = table.and_then(|who| who.password.clone());
    Ok(Who {
        name: template(name, NAME, &known(&["run", "number"]))?,
        password: password.unwrap_or_else(|| PASSWORD.to_owned()),
        register: call(table.and_then(|who| who.register.as_ref()))?,
        login: call(table.and_then(|who| who.login.as_ref()))?,
    })
}

fn names(table: Option<&SlotsTable>, own: &[String]) -> Read<Names> {
    let of_slot = ["run", "agenda", "day", "date", "number"];
    let name = table.and_then(|slots| slots.name.as_ref());
    let open = table.and_then(|slots| slots.open.as_ref());
    let of_open = known(&[&of_slot[..], &["slot", "user", "password"]].concat());
    Ok(Names {
        name: template(name, SLOT, &known(&of_slot))?,
        open: open
            .map(|call| request(call, &[&of_open, own].concat()))
            .transpose()?,
    })
}

fn calls(table: &CallsTable, own: &[String]) -> Read<(Option<Request>, Option<Request>)> {
    let of_call = known(&[
        "run", "user", "password", "slot", "agenda", "day", "date", "number", "key",
    ]);
    let of_reserve = [&of_call, own].concat();
    let reserve = table.reserve.as_ref();
    let reserve = reserve.map(|call| request(call, &of_reserve)).transpose()?;
    let made = reserve.as_ref().map(Request::takes).unwrap_or_default();
    let of_cancel = [of_reserve, made].concat();
    let cancel = table.cancel.as_ref();
    Ok((
        reserve,
        cancel.map(|call| request(call, &of_cancel)).transpose()?,
    ))
}

fn reads(table: &ReadsTable, own: &[String]) -> Read<(Option<Request>, Option<Request>)> {
    let of_me = known(&["run", "user", "password"]);
    let of_day = [of_me.clone(), known(&["agenda", "day", "date"])];
    let of_day = [&of_day.concat(), own].concat();
    let slots = table.slots.as_ref();
    let slots = slots.map(|call| listing(call, &of_day, &["slot", "holders"]));
    let bookings = table.bookings.as_ref();
    let bookings = bookings.map(|call| listing(call, &[&of_me, own].concat(), &["slot"]));
    Ok((slots.transpose()?, bookings.transpose()?))
}

fn known(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn template(given: Option<&Spanned<String>>, default: &str, known: &[String]) -> Read<Template> {
    let span = given.map(Spanned::span);
    let text = given.map_or(default, |given| given.get_ref());
    Template::parse(text, known).map_err(|(what, hint)| Fault::new(span, what).hint(hint))
}

fn check_base(base: &Spanned<String>, is_started: bool) -> Read<()> {
    let text = base.get_ref();
    let fault = |what: &str, hint: &str| {
        Err(Fault::new(base.span(), format!("`{text}` {what}")).hint(hint))
    };
    if text.starts_with("https://") {
        return fault(
            "is HTTPS, which is not spoken here",
            "give an address without TLS, or put a proxy before it",
        );
    }
    let Some(authority) = text.strip_prefix("http://") else {
        return fault("is no address", "give one such as `http://127.0.0.1:8000`");
    };
    let authority = authority.trim_end_matches('/');
    if authority.contains('/') || !authority.contains(':') {
        return fault(
            "is not a host and a port alone",
            "give `http://HOST:PORT`, and put what stands before every path into the paths of the calls",
        );
    }
    if authority.contains("{port}") && !is_started {
        return fault(
            "has a free port, but nothing is started there",
            "add `[process]` with `start`, or give the port",
        );
    }
    Ok(())
}

fn ready(given: &Spanned<String>) -> Read<Ready> {
    let text = given.get_ref();
    let (how, what) = text.split_once(' ').unwrap_or((text, ""));
    let what = what.trim().to_owned();
    let hint = "give `tcp HOST:PORT`, `http http://HOST:PORT/PATH` or `line TEXT`";
    match (how, what.is_empty()) {
        ("tcp", false) => Ok(Ready::Tcp(what)),
        ("http", false) if what.starts_with("http://") => Ok(Ready::Http(what)),
        ("line", false) => Ok(Ready::Line(what)),
        _ => Err(Fault::new(
            given.span(),
            format!("`{text}` says nothing of when a server is ready"),
        )
        .hint(hint)),
    }
}

fn duration(given: &Spanned<String>) -> Read<Duration> {
    let text = given.get_ref();
    humantime::parse_duration(text).map_err(|error| {
        Fault::new(
            given.span(),
            format!("`{text}` is no length of time: {error}"),
        )
        .hint("give one such as `10s` or `500ms`")
    })
}

fn contract(given: Option<&PromisesTable>, slots: &Names, has_reads: bool) -> Read<Contract> {
    let is_own = slots.open.is_some() || slots.name.has("run");
    let none = Contract {
        is_fresh: is_own,
        has_reads,
        ..Contract::default()
    };
    let Some(given) = given else { return Ok(none) };
    let reads_after = given.reads.as_ref().map(|reads| {
        let text = reads.get_ref();
        match text.split_once(' ') {
            None if text == "linearizable" => Ok(0),
            Some(("eventual", after)) => duration(&Spanned::new(reads.span(), after.to_owned()))
                .map(|after| u64::try_from(after.as_nanos()).unwrap_or(u64::MAX)),
            _ => Err(Fault::new(
                reads.span(),
                format!("`{text}` is nothing that a read can promise"),
            )
            .hint("give `linearizable`, or `eventual 2s`")),
        }
    });
    let expires = given
        .expires
        .as_ref()
        .map(|expires| match expires.get_ref().as_str() {
            "never" => Ok(Expiry::Never),
            _time => duration(expires)
                .map(|after| Expiry::After(u32::try_from(after.as_secs()).unwrap_or(u32::MAX))),
        });
    let only_holder_cancels =
        given
            .cancels
            .as_ref()
            .map(|cancels| match cancels.get_ref().as_str() {
                "holder" => Ok(true),
                "anybody" => Ok(false),
                other => Err(Fault::new(
                    cancels.span(),
                    format!("`{other}` is nobody who cancels"),
                )
                .hint("give `holder` or `anybody`")),
            });
    let capacity = given
        .capacity
        .as_ref()
        .map(|capacity| match capacity.get_ref() {
            1..=1_000 => Ok(*capacity.get_ref()),
            other => Err(Fault::new(
                capacity.span(),
                format!("a slot cannot hold {other} people"),
            )
            .hint("give 1 to 1000")),
        });
    Ok(Contract {
        capacity: capacity.transpose()?,
        expires: expires.transpose()?,
        only_holder_cancels: only_holder_cancels.transpose()?.unwrap_or(false),
        reads_after: reads_after.transpose()?,
        is_fresh: given.fresh.unwrap_or(is_own),
        has_reads,
    })
}

/// A read, whose entries show at least these.
fn listing(call: &Spanned<CallTable>, known: &[String], needed: &[&str]) -> Read<Request> {
    let listing = request(call, known)?;
    if listing.each.is_none() {
        return Err(
            Fault::new(call.span(), "a read needs `each`, where its entries stand")
                .hint("add one such as `each = \"$.slots[*]\"`"),
        );
    }
    for name in needed {
        if !listing.take.iter().any(|(taken, _)| taken == name) {
            return Err(
                Fault::new(call.span(), format!("this read must take `{name}`"))
                    .hint(format!("add one such as `take = {{ {name} = \"$.id\" }}`")),
            );
        }
    }
    Ok(listing)
}

fn request(call: &Spanned<CallTable>, known: &[String]) -> Read<Request> {
    let table = call.get_ref();
    let methods = [
        (Method::GET, &table.get),
        (Method::POST, &table.post),
        (Method::PUT, &table.put),
        (Method::PATCH, &table.patch),
        (Method::DELETE, &table.delete),
    ];
    let mut given = methods
        .into_iter()
        .filter_map(|(method, path)| Some((method, path.as_ref()?)));
    let (Some((method, path)), None) = (given.next(), given.next()) else {
        return Err(Fault::new(call.span(), "a call has one method")
            .hint("give one of `get`, `post`, `put`, `patch` and `delete`, with the path"));
    };
    if !path.get_ref().starts_with('/') {
        return Err(Fault::new(path.span(), "a path begins with `/`")
            .hint("the host stands in `[http] base`"));
    }
    let headers = table.headers.iter().map(|(name, value)| {
        let header = name.parse().map_err(|_none| {
            Fault::new(value.span(), format!("`{name}` is no name of a header"))
        })?;
        Ok((header, template(Some(value), "", known)?))
    });
    let json = table
        .json
        .as_ref()
        .map(|json| body(json.get_ref(), &json.span(), known));
    let (ok, take) = ok_rule(table)?;
    let refused = table.refused.iter().map(|refused| {
        let table = refused.get_ref();
        let code = Refusal::of(table.reason.get_ref()).ok_or_else(|| {
            let reason = table.reason.get_ref();
            Fault::new(
                table.reason.span(),
                format!("`{reason}` is no reason that a law knows"),
            )
            .hint(suggest(reason, Refusal::NAMES))
        })?;
        Ok((rule(&table.status, &table.when)?, code))
    });
    let refused: Vec<(Rule, protocol::Code)> = refused.collect::<Read<_>>()?;
    let error = table
        .error
        .as_ref()
        .map(statuses)
        .transpose()?
        .unwrap_or_default();
    check_disjoint(table, &ok, &refused, &error)?;
    Ok(Request {
        method,
        path: template(Some(path), "", known)?,
        headers: headers.collect::<Read<_>>()?,
        json: json.transpose()?,
        ok,
        refused: refused
            .into_iter()
            .map(|(rule, code)| Refusal { rule, code })
            .collect(),
        error,
        each: table.each.as_ref().map(path_of).transpose()?,
        take,
    })
}

/// When a call took effect, and what is taken out of that answer.
fn ok_rule(table: &CallTable) -> Read<(Rule, Vec<(String, Path)>)> {
    let inner = table.ok.as_ref().map(Spanned::get_ref);
    let rule = match inner {
        Some(ok) => rule(&ok.status, &ok.when)?,
        None => Rule {
            statuses: (200..300).collect(),
            when: Vec::new(),
        },
    };
    let taken = table
        .take
        .iter()
        .chain(inner.iter().flat_map(|ok| &ok.take));
    let take = taken.map(|(name, path)| Ok((name.clone(), path_of(path)?)));
    Ok((rule, take.collect::<Read<_>>()?))
}

fn rule(
    given: &Spanned<Statuses>,
    when: &std::collections::BTreeMap<String, Spanned<toml::Value>>,
) -> Read<Rule> {
    let when = when.iter().map(|(path, value)| {
        let at = Path::parse(path).map_err(|why| Fault::new(value.span(), why))?;
        Ok((at, json_of(value.get_ref())))
    });
    Ok(Rule {
        statuses: statuses(given)?,
        when: when.collect::<Read<_>>()?,
    })
}

fn statuses(given: &Spanned<Statuses>) -> Read<Vec<u16>> {
    let list = given.get_ref().list();
    match list.iter().find(|status| !(100..600).contains(*status)) {
        Some(wrong) => Err(
            Fault::new(given.span(), format!("{wrong} is no status of HTTP"))
                .hint("give one from 100 to 599"),
        ),
        None => Ok(list),
    }
}

fn path_of(given: &Spanned<String>) -> Read<Path> {
    Path::parse(given.get_ref()).map_err(|why| Fault::new(given.span(), why))
}

/// One answer must not mean two things: what tells them apart is the status, or what stands in it.
fn check_disjoint(
    table: &CallTable,
    ok: &Rule,
    refused: &[(Rule, protocol::Code)],
    error: &[u16],
) -> Read<()> {
    let clash = |span: Range<usize>, status: u16, one: &str, other: &str| {
        Fault::new(
            span,
            format!("status {status} is said to mean both {one} and {other}"),
        )
        .hint("tell them apart by what stands in the answer: `when = { \"$.error\" = \"taken\" }`")
    };
    for ((rule, _), given) in refused.iter().zip(&table.refused) {
        for status in &rule.statuses {
            // A condition on either side tells them apart: refusals are looked at first.
            if rule.when.is_empty()
                && ok.when.is_empty()
                && table.ok.is_some()
                && ok.statuses.contains(status)
            {
                return Err(clash(given.span(), *status, "ok", "refused"));
            }
            if rule.when.is_empty() && error.contains(status) {
                return Err(clash(given.span(), *status, "refused", "an error"));
            }
        }
    }
    let both = error
        .iter()
        .find(|status| table.ok.is_some() && ok.when.is_empty() && ok.statuses.contains(status));
    match (both, &table.error) {
        (Some(status), Some(given)) => Err(clash(given.span(), *status, "ok", "an error")),
        _ => Ok(()),
    }
}

/// A body whose texts have places.
fn body(value: &toml::Value, span: &Range<usize>, known: &[String]) -> Read<super::request::Body> {
    use super::request::Body;
    Ok(match value {
        toml::Value::String(text) => Body::Text(template(
            Some(&Spanned::new(span.clone(), text.clone())),
            "",
            known,
        )?),
        toml::Value::Array(list) => Body::List(
            list.iter()
                .map(|each| body(each, span, known))
                .collect::<Read<_>>()?,
        ),
        toml::Value::Table(table) => Body::Table(
            table
                .iter()
                .map(|(name, value)| Ok((name.clone(), body(value, span, known)?)))
                .collect::<Read<_>>()?,
        ),
        other => Body::Value(json_of(other)),
    })
}

fn json_of(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::from(text.as_str()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) => Value::from(*number),
        toml::Value::Boolean(is) => Value::from(*is),
        toml::Value::Datetime(at) => Value::from(at.to_string()),
        toml::Value::Array(list) => list.iter().map(json_of).collect(),
        toml::Value::Table(table) => {
            let fields = table
                .iter()
                .map(|(name, value)| (name.clone(), json_of(value)));
            Value::Object(fields.collect())
        }
    }
}

impl Mapping {
    /// What one person is called.
    #[must_use]
    pub fn person(&self, run: &str, number: u32) -> Scope {
        let mut scope: Scope = [
            ("run".to_owned(), Value::from(run)),
            ("number".to_owned(), Value::from(number)),
        ]
        .into();
        let name = self.who.name.text(&scope);
        for (key, value) in [
            ("name", name.clone()),
            ("user", name),
            ("password", self.who.password.clone()),
        ] {
            scope.insert(key.to_owned(), Value::from(value));
        }
        scope
    }
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "a connection to {address}"),
            Self::Http(url) => write!(f, "an answer with 2xx from {url}"),
            Self::Line(text) => write!(f, "a line with `{text}`"),
        }
    }
}

impl ProcessSpec {
    /// The same with its places filled: a free port, and a directory of the run's own.
    #[must_use]
    pub fn filled(&self, port: u16, data: &FilePath) -> Self {
        let fill = |text: &str| {
            let with_port = text.replace("{port}", &port.to_string());
            with_port.replace("{data}", &data.display().to_string())
        };
        Self {
            start: fill(&self.start),
            ready: match &self.ready {
                Ready::Tcp(address) => Ready::Tcp(fill(address)),
                Ready::Http(url) => Ready::Http(fill(url)),
                Ready::Line(text) => Ready::Line(fill(text)),
            },
            within: self.within,
        }
    }
}
