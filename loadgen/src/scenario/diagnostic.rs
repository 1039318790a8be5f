//! What is wrong with a scenario, said so that a person can mend it without a manual.
//!
//! A fault (what, where, what to do) goes in; file, line and column, the offending line with
//! a caret and the remedy come out. Plain text: colours are the caller's business.

use std::{error::Error, fmt, ops::Range};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, normalize_untrusted_str};

/// A suggestion this unlike what was written would confuse more than it helps.
const SIMILARITY_MIN: f64 = 0.7;

/// Why a scenario was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioError {
    message: String,
    rendered: String,
    place: Option<(usize, usize)>,
}

impl ScenarioError {
    /// An error about a scenario as a whole.
    pub(crate) fn without_place(label: &str, why: &str) -> Self {
        let message = why.to_owned();
        Self {
            rendered: format!("scenario `{label}`: {message}"),
            message,
            place: None,
        }
    }

    /// What is wrong, in one line.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Line and column, from 1; `None` for an error about the file as a whole.
    #[must_use]
    pub const fn place(&self) -> Option<(usize, usize)> {
        self.place
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.rendered)
    }
}

impl Error for ScenarioError {}

/// Something wrong at a place in the text, before file and line are known.
#[derive(Debug)]
pub(crate) struct Fault {
    /// `None` where nobody knows.
    span: Option<Range<usize>>,
    message: String,
    hint: Option<String>,
}

impl Fault {
    pub(crate) fn new(
        span: impl Into<Option<Range<usize>>>,
        message: impl Into<String>,
    ) -> Box<Self> {
        Box::new(Self {
            span: span.into(),
            message: message.into(),
            hint: None,
        })
    }

    /// What to do about it.
    pub(crate) fn hint(mut self: Box<Self>, hint: impl Into<String>) -> Box<Self> {
        self.hint = Some(hint.into());
        self
    }

    /// The error, with the offending text.
    #[expect(
        clippy::boxed_local,
        reason = "every fault is boxed, to keep results small"
    )]
    pub(crate) fn locate(self: Box<Self>, label: &str, text: &str) -> ScenarioError {
        let Some(span) = self.span else {
            return ScenarioError::without_place(label, &self.message);
        };
        let span = clamp(span, text);
        let label = normalize_untrusted_str(label);
        let source = Snippet::source(text)
            .path(label)
            .annotation(AnnotationKind::Primary.span(span.clone()));
        let message = normalize_untrusted_str(&self.message);
        let mut group = Level::ERROR.primary_title(message.clone()).element(source);
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.message(normalize_untrusted_str(hint)));
        }
        ScenarioError {
            rendered: Renderer::plain().render(&[group]),
            message,
            place: Some(line_and_column(text, span.start)),
        }
    }
}

/// The span, moved to where the text has characters.
fn clamp(span: Range<usize>, text: &str) -> Range<usize> {
    let start = text.floor_char_boundary(span.start);
    let end = text.ceil_char_boundary(span.end.max(start));
    start..end
}

fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

/// The remedy for a name that is none of the known ones.
pub(crate) fn suggest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let closest = known
        .iter()
        // A long name has something of any short one; a slip of the finger changes less than half.
        .filter(|candidate| strsim::damerau_levenshtein(name, candidate) * 2 <= name.len())
        .map(|candidate| (strsim::jaro_winkler(name, candidate), *candidate))
        .max_by(|left, right| left.0.total_cmp(&right.0));
    match closest {
        Some((similarity, candidate)) if similarity >= SIMILARITY_MIN => {
            format!("did you mean `{candidate}`?")
        }
        _ if known.is_empty() => "there are none yet".to_owned(),
        Some(_) | None => format!("known here: {}", known.join(", ")),
    }
}
