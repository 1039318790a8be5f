//! A target file to begin with, out of an OpenAPI description.
//!
//! The document goes in; text comes out in which every call stands that may be meant, the likeliest first,
//! with what a person must decide left open. It guesses by words and says so: nothing is judged by it before
//! somebody has read it. Deliberately absent: checking (`read`), and version 2 of OpenAPI.

use serde_json::Value;

/// Words in paths and names of operations by which calls are guessed.
const BOOKS: [&str; 4] = ["book", "reserv", "appointment", "slot"];
const LISTS: [&str; 4] = ["slot", "availab", "calendar", "schedule"];

/// One operation of the description.
struct Operation {
    method: String,
    path: String,
    statuses: Vec<String>,
    words: String,
}

/// The text of a target file.
#[must_use]
pub fn skeleton(document: &Value) -> String {
    let all = operations(document);
    let base = document.pointer("/servers/0/url").and_then(Value::as_str);
    let base = base
        .filter(|base| base.starts_with("http://"))
        .unwrap_or("http://127.0.0.1:8000");
    let mut text = format!(
        "#:schema target.schema.json\n# Guessed from an OpenAPI description: look at every line, then `stampede target check FILE`.\n\n\
         [system]\nspeaks = \"agenda\"\n\n[http]\nbase = \"{base}\"\n\n\
         # [process]\n# start = \"...\"\n# ready = \"tcp 127.0.0.1:8000\"\n\n\
         # What is not promised is not held against the server.\n[promises]\n# capacity = 1\n# expires  = \"never\"\n\
         # cancels  = \"holder\"\n# reads    = \"linearizable\"\n\n"
    );
    let mut call = |table: &str, method: &str, words: &[&str], rest: &str| {
        let meant = |one: &&Operation| {
            one.method == method && words.iter().any(|word| one.words.contains(word))
        };
        let found: Vec<&Operation> = all.iter().filter(meant).collect();
        let Some(first) = found.first() else {
            text.push_str(&format!("# No {method} looks like it.\n# [{table}]\n\n"));
            return;
        };
        text.push_str(&format!("[{table}]\n"));
        for other in &found[1..] {
            text.push_str(&format!("# or {method} = \"{}\"\n", other.path));
        }
        text.push_str(&format!(
            "{method} = \"{}\"\n# its answers: {}\n{rest}\n",
            first.path,
            first.statuses.join(", ")
        ));
    };
    call(
        "call.reserve",
        "post",
        &BOOKS,
        "json = { user = \"{user}\" }\nok = { status = 201, take = { booking = \"$.id\" } }\n\
         refused = [{ status = 409, as = \"slot-taken\" }]\n",
    );
    call(
        "call.cancel",
        "delete",
        &BOOKS,
        "refused = [{ status = 404, as = \"unknown-booking\" }]\n",
    );
    call(
        "read.slots",
        "get",
        &LISTS,
        "each = \"$.slots[*]\"\ntake = { slot = \"$.id\", holders = \"$.holders[*]\" }\n",
    );
    text
}

fn operations(document: &Value) -> Vec<Operation> {
    let paths = document.get("paths").and_then(Value::as_object);
    let mut all = Vec::new();
    for (path, methods) in paths.into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let id = operation
                .get("operationId")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let statuses = operation.get("responses").and_then(Value::as_object);
            all.push(Operation {
                method: method.to_lowercase(),
                words: format!("{path} {id}").to_lowercase(),
                statuses: statuses
                    .into_iter()
                    .flat_map(|all| all.keys().cloned())
                    .collect(),
                path: with_places(path),
            });
        }
    }
    all
}

/// The parameters of a path as the places that they are likely to be.
fn with_places(path: &str) -> String {
    let place = |part: &str| {
        let Some(name) = part
            .strip_prefix('{')
            .and_then(|part| part.strip_suffix('}'))
        else {
            return part.to_owned();
        };
        let name = name.to_lowercase();
        let is = |words: &[&str]| words.iter().any(|word| name.contains(word));
        if is(&["slot"]) {
            "{slot}".to_owned()
        } else if is(&["book", "reserv", "appoint"]) || name == "id" {
            if path.contains("slot") && name == "id" {
                "{slot}"
            } else {
                "{booking}"
            }
            .to_owned()
        } else if is(&["user", "person", "name"]) {
            "{user}".to_owned()
        } else if is(&["day", "date"]) {
            "{date}".to_owned()
        } else {
            part.to_owned()
        }
    };
    path.split('/').map(place).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::mapping::Mapping;

    #[test]
    fn a_file_is_begun_that_can_be_read() {
        let answers = |status: &str| json!({"responses": {status: {}}});
        let text = skeleton(&json!({
            "servers": [{"url": "http://127.0.0.1:9000"}],
            "paths": {
                "/slots/{slotId}/bookings": {"post": answers("201")},
                "/bookings/{bookingId}": {"delete": answers("204")},
                "/slots": {"get": answers("200")},
            }
        }));
        let mapping = Mapping::parse(Path::new("begun.toml"), &text).expect(&text);
        assert_eq!(mapping.base, "http://127.0.0.1:9000");
        assert!(text.contains("post = \"/slots/{slot}/bookings\""), "{text}");
        assert!(text.contains("delete = \"/bookings/{booking}\""), "{text}");
        assert!(
            mapping.reserve.is_some() && mapping.cancel.is_some() && mapping.list_slots.is_some()
        );
    }

    #[test]
    fn what_describes_nothing_leaves_everything_open() {
        for nothing in [
            json!({}),
            json!({"paths": []}),
            json!(3),
            json!({"paths": {"/x": null}}),
        ] {
            assert!(skeleton(&nothing).contains("# No post looks like it."));
        }
    }
}
