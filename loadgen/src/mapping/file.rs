//! The shape of a `target.toml`, as serde reads it and as its schema describes it.
//!
//! One definition for both, so that neither can say more than the other. Places in the text are kept
//! wherever something can be wrong that no type rules out. Deliberately absent: what the values mean,
//! and what must be there beside what (`read`).

use std::collections::BTreeMap;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::Deserialize;
use toml::Spanned;

/// A server of somebody's own: how it is spoken to, and what it promises.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// What it is.
    pub(super) system: SystemTable,
    /// Where it is.
    pub(super) http: HttpTable,
    /// How it is started; without this it must be running, and nothing can kill it.
    pub(super) process: Option<ProcessTable>,
    /// Who its users are.
    pub(super) who: Option<WhoTable>,
    /// What its slots are called.
    pub(super) slots: Option<SlotsTable>,
    /// What it promises. What is not said is not held against it.
    pub(super) promises: Option<PromisesTable>,
    /// What changes something.
    pub(super) call: CallsTable,
    /// What only asks.
    pub(super) read: Option<ReadsTable>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SystemTable {
    /// Which system it is, so which scenarios and laws are for it: only `agenda` so far.
    #[schemars(with = "String")]
    pub(super) speaks: Spanned<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HttpTable {
    /// Where it answers, such as `http://127.0.0.1:8000`; `{port}` stands for a free port.
    #[schemars(with = "String")]
    pub(super) base: Spanned<String>,
    /// Whether connections are used again, as by default, or made anew for every call.
    pub(super) keep_alive: Option<bool>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProcessTable {
    /// The command, given to `sh -c` in the directory of this file. `{port}` is a free port, `{data}` a
    /// directory of the run's own.
    #[schemars(with = "String")]
    pub(super) start: Spanned<String>,
    /// When it is ready: `tcp HOST:PORT` takes a connection, `http URL` answers 2xx, `line TEXT` prints a
    /// line with this text.
    #[schemars(with = "String")]
    pub(super) ready: Spanned<String>,
    /// How long that may take, 10 s by default.
    #[schemars(with = "Option<String>")]
    pub(super) ready_within: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WhoTable {
    /// What a user is called, `u{run}-{number}` by default.
    #[schemars(with = "Option<String>")]
    pub(super) name: Option<Spanned<String>>,
    /// Everybody's password, `stampede` by default.
    pub(super) password: Option<String>,
    /// Makes a user.
    #[schemars(with = "Option<CallTable>")]
    pub(super) register: Option<Spanned<CallTable>>,
    /// Logs a user in; what it takes can be used in every call.
    #[schemars(with = "Option<CallTable>")]
    pub(super) login: Option<Spanned<CallTable>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SlotsTable {
    /// What a slot is called there, `{run}-{agenda}-{day}-{number}` by default.
    #[schemars(with = "Option<String>")]
    pub(super) name: Option<Spanned<String>>,
    /// Makes a slot before the run; it may take `slot`, what the server calls it.
    #[schemars(with = "Option<CallTable>")]
    pub(super) open: Option<Spanned<CallTable>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PromisesTable {
    /// How many people a slot holds.
    #[schemars(with = "Option<u32>", range(min = 1, max = 1000))]
    pub(super) capacity: Option<Spanned<u32>>,
    /// When a booking ends by itself: `never`, or after a time such as `10m`.
    #[schemars(with = "Option<String>")]
    pub(super) expires: Option<Spanned<String>>,
    /// Who ends a booking: `holder` if nobody else ever does, `anybody` otherwise.
    #[schemars(with = "Option<String>")]
    pub(super) cancels: Option<Spanned<String>>,
    /// What a read shows: `linearizable` for what had been acknowledged when it was asked, `eventual 2s`
    /// for what had been acknowledged two seconds before.
    #[schemars(with = "Option<String>")]
    pub(super) reads: Option<Spanned<String>>,
    /// Whether every slot is free when a run begins and nobody else uses them. It is taken for granted of
    /// slots that the run makes or names after itself.
    pub(super) fresh: Option<bool>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CallsTable {
    /// Takes a place in a slot.
    #[schemars(with = "Option<CallTable>")]
    pub(super) reserve: Option<Spanned<CallTable>>,
    /// Gives it back.
    #[schemars(with = "Option<CallTable>")]
    pub(super) cancel: Option<Spanned<CallTable>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadsTable {
    /// The slots of a day of an agenda, with who holds them: takes `slot` and `holders`.
    #[schemars(with = "Option<CallTable>")]
    pub(super) slots: Option<Spanned<CallTable>>,
    /// The bookings of whoever asks: takes `slot`.
    #[schemars(with = "Option<CallTable>")]
    pub(super) bookings: Option<Spanned<CallTable>>,
}

/// A request, and what its answers mean.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CallTable {
    /// The path of a GET.
    #[schemars(with = "Option<String>")]
    pub(super) get: Option<Spanned<String>>,
    /// The path of a POST.
    #[schemars(with = "Option<String>")]
    pub(super) post: Option<Spanned<String>>,
    /// The path of a PUT.
    #[schemars(with = "Option<String>")]
    pub(super) put: Option<Spanned<String>>,
    /// The path of a PATCH.
    #[schemars(with = "Option<String>")]
    pub(super) patch: Option<Spanned<String>>,
    /// The path of a DELETE.
    #[schemars(with = "Option<String>")]
    pub(super) delete: Option<Spanned<String>>,
    /// Headers, by name.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub(super) headers: BTreeMap<String, Spanned<String>>,
    /// The body, as JSON.
    #[schemars(with = "Option<serde_json::Value>")]
    pub(super) json: Option<Spanned<toml::Value>>,
    /// Which answer means that it took effect; any 2xx by default.
    #[schemars(with = "Option<OkTable>")]
    pub(super) ok: Option<Spanned<OkTable>>,
    /// Which answers mean that it was considered and did not.
    #[serde(default)]
    #[schemars(with = "Vec<RefusedTable>")]
    pub(super) refused: Vec<Spanned<RefusedTable>>,
    /// Which answers mean that it was definitely not done. All others mean that nobody knows.
    #[schemars(with = "Option<Statuses>")]
    pub(super) error: Option<Spanned<Statuses>>,
    /// Of a read: where its entries stand in the answer, such as `$.slots[*]`.
    #[schemars(with = "Option<String>")]
    pub(super) each: Option<Spanned<String>>,
    /// What is taken out of the answer, or out of each entry, by name.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub(super) take: BTreeMap<String, Spanned<String>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OkTable {
    /// The status, or a list of them.
    #[schemars(with = "Statuses")]
    pub(super) status: Spanned<Statuses>,
    /// What must stand in the answer besides: values by path.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub(super) when: BTreeMap<String, Spanned<toml::Value>>,
    /// What is taken out of the answer, by name.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub(super) take: BTreeMap<String, Spanned<String>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RefusedTable {
    /// The status, or a list of them.
    #[schemars(with = "Statuses")]
    pub(super) status: Spanned<Statuses>,
    /// What must stand in the answer besides: values by path.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub(super) when: BTreeMap<String, Spanned<toml::Value>>,
    /// The reason: `slot-taken`, `already-booked`, `unknown-booking`, or `other`.
    #[serde(rename = "as")]
    #[schemars(with = "String")]
    pub(super) reason: Spanned<String>,
}

/// One status, or several.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "a status such as 201, or a list such as [200, 201]"
)]
pub(super) enum Statuses {
    /// One.
    One(u16),
    /// Any of these.
    Any(Vec<u16>),
}

impl Statuses {
    pub(super) fn list(&self) -> Vec<u16> {
        match self {
            Self::One(status) => vec![*status],
            Self::Any(statuses) => statuses.clone(),
        }
    }
}

/// The JSON Schema of the format, for editors.
#[must_use]
pub fn schema() -> String {
    let schema = SchemaSettings::draft07()
        .into_generator()
        .into_root_schema_for::<File>();
    format!("{:#}\n", schema.to_value())
}

#[cfg(test)]
mod tests {
    use std::{env, fs, path::Path};

    use super::*;

    #[test]
    fn the_schema_beside_the_demonstrations_is_that_of_the_format() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../targets/target.schema.json");
        if env::var_os("UPDATE_SCHEMA").is_some() {
            fs::write(&path, schema()).expect("the schema can be written");
        }
        let kept = fs::read_to_string(&path).expect("the schema is there");
        assert!(
            kept == schema(),
            "make it again: UPDATE_SCHEMA=1 cargo test -p loadgen --lib mapping::file"
        );
    }
}
