//! A small subset of JSONPath: members, indexes and all elements of a list.
//!
//! `$.a.b`, `$.list[*].id`, `$[0]`, `$['two words']`. A text goes in and becomes a path; a path picks
//! values out of a JSON document, in their order. Deliberately absent: filters, slices, recursion.
//! The notation is that of RFC 9535.

use serde_json::Value;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Member(String),
    Index(usize),
    Each,
}

/// Where values stand in a JSON document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(Vec<Step>);

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text
            .strip_prefix('$')
            .ok_or_else(|| format!("`{text}` is no path: a path begins with `$`"))?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, behind) = step(rest).ok_or_else(|| {
                format!("`{text}` is no path: near `{rest}` a `.name`, `[0]`, `['name']` or `[*]` should follow")
            })?;
            steps.push(step);
            rest = behind;
        }
        Ok(Self(steps))
    }

    /// Every value that stands there.
    #[must_use]
    pub fn all<'v>(&self, document: &'v Value) -> Vec<&'v Value> {
        let mut found = vec![document];
        for step in &self.0 {
            found = found
                .into_iter()
                .flat_map(|value| below(value, step))
                .collect();
        }
        found
    }

    /// Whether the list that it goes through is there: no entries are not the same as no list.
    #[must_use]
    pub fn has_list(&self, document: &Value) -> bool {
        let before = self.0.iter().take_while(|step| **step != Step::Each);
        let list = Self(before.cloned().collect());
        list.first(document).is_some_and(Value::is_array)
    }

    /// The first of them.
    #[must_use]
    pub fn first<'v>(&self, document: &'v Value) -> Option<&'v Value> {
        self.all(document).into_iter().next()
    }
}

fn below<'v>(value: &'v Value, step: &Step) -> Vec<&'v Value> {
    match step {
        Step::Member(name) => value.get(name).into_iter().collect(),
        Step::Index(index) => value.get(index).into_iter().collect(),
        Step::Each => value.as_array().into_iter().flatten().collect(),
    }
}

/// The first step of `rest`, and what stands behind it.
fn step(rest: &str) -> Option<(Step, &str)> {
    if let Some(rest) = rest.strip_prefix('.') {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        return (!name.is_empty()).then(|| (Step::Member(name.to_owned()), behind));
    }
    let rest = rest.strip_prefix('[')?;
    if let Some(rest) = rest.strip_prefix('\'') {
        let (name, behind) = rest.split_once("']")?;
        return Some((Step::Member(name.to_owned()), behind));
    }
    let (inside, behind) = rest.split_once(']')?;
    match inside {
        "*" => Some((Step::Each, behind)),
        index => Some((Step::Index(index.parse().ok()?), behind)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_finds_what_stands_there_and_nothing_else() {
        let document =
            json!({"a": {"b": 7}, "list": [{"id": "x"}, {"no": 1}, {"id": "ü"}], "two words": [4]});
        let found = |path: &str| -> Vec<Value> {
            let path = Path::parse(path).expect("a path");
            path.all(&document).into_iter().cloned().collect()
        };
        assert_eq!(found("$.a.b"), [json!(7)]);
        assert_eq!(found("$.list[*].id"), [json!("x"), json!("ü")]);
        assert_eq!(found("$.list[1].no"), [json!(1)]);
        assert_eq!(found("$['two words'][0]"), [json!(4)]);
        assert_eq!(found("$.a.b.c"), Vec::<Value>::new());
        assert_eq!(found("$.a[*]"), Vec::<Value>::new());
        assert_eq!(found("$"), std::slice::from_ref(&document));
        let has_list = |path: &str| Path::parse(path).expect("a path").has_list(&document);
        assert!(has_list("$.list[*]") && !has_list("$.a[*]") && !has_list("$.none[*]"));
    }

    #[test]
    fn what_is_no_path_is_refused_with_the_place() {
        for wrong in ["a.b", "$.", "$a", "$[x]", "$.a[", "$..a", "$['a]"] {
            let why = Path::parse(wrong).expect_err(wrong);
            assert!(why.contains("is no path"), "{wrong}: {why}");
        }
    }
}
