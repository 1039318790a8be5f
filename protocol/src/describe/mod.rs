//! The protocol described by itself: every word with its fields, every code, every limit.
//!
//! What the code declares goes in (`words`, `code`, `limits`, and the layouts that `layout` finds); the
//! tables of `README.md` (`tables`) and one JSON object (`stampede schema protocol`) come out. So neither
//! can differ from what is spoken. What the code cannot know is in `notes`. Deliberately absent: frames'
//! drawings and prose, which the README has.

mod layout;
mod limits;
pub mod notes;
mod tables;

use serde::Deserialize as _;
use serde_json::{Map, Value, json};

pub(crate) use layout::Tracer;
pub use layout::{Definition, Field, Type, Types, Variant};
pub use limits::{Beyond, LIMITS, Limit};
pub use tables::tables;

use self::notes::{NAMES, NOTES, Note};
use crate::{
    code::{CODES, CodeEntry, Ways},
    codec::CODEC,
    id::Kind,
    json::Sort,
    limits::WIRE_VERSION,
    words::accounts::AuthRequest,
};

/// One layout of one word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordLayout {
    /// Where it stands.
    pub sort: Sort,
    /// Its number.
    pub kind: Kind,
    /// Its stable name.
    pub name: &'static str,
    /// The version of this layout.
    pub schema: u8,
    /// Whether no newer layout of this word exists.
    pub is_newest: bool,
    /// Its fields in order.
    pub fields: Vec<Field>,
}

impl WordLayout {
    /// What is said of this word.
    #[must_use]
    pub fn note(&self) -> Option<&'static Note> {
        let mut notes = NOTES.iter();
        notes.find(|note| (note.sort, note.word) == (self.sort, self.name))
    }

    /// The system it belongs to and whether only the server makes it.
    #[must_use]
    pub fn is_server_only(&self) -> bool {
        self.note()
            .is_some_and(|note| note.who.starts_with("server"))
    }
}

/// Everything that can be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol {
    /// Every layout of every word, by sort and kind, the newest first.
    pub words: Vec<WordLayout>,
    /// Every type that a field has.
    pub types: Types,
}

impl Protocol {
    /// The protocol as this version speaks it.
    #[must_use]
    pub fn new() -> Self {
        let mut types = Types::default();
        types.trace(|tracer| AuthRequest::deserialize(tracer).map(|_request| ()));
        let mut words = Vec::new();
        for sort in Sort::ALL {
            let mut layouts = Vec::new();
            for set in sort.sets() {
                for (kind, schema, name) in set.layouts {
                    let ty = types.trace(|tracer| (set.trace)(*kind, *schema, tracer));
                    let mut others = set.layouts.iter();
                    let newest = others.find(|other| other.0 == *kind).map(|other| other.1);
                    layouts.push(WordLayout {
                        sort,
                        kind: *kind,
                        name,
                        schema: *schema,
                        is_newest: newest == Some(*schema),
                        fields: fields_of(&types, &ty),
                    });
                }
            }
            layouts.sort_by_key(|layout| (layout.kind, !layout.is_newest));
            words.extend(layouts);
        }
        Self { words, types }
    }

    /// Every named type that some field has, by the name that the README has for it.
    #[must_use]
    pub fn named_types(&self) -> Vec<(&'static str, &Definition)> {
        let fields = self.words.iter().flat_map(|word| &word.fields);
        let auth = Type::Named("AuthRequest");
        let roots = fields.map(|field| &field.ty).chain([&auth]);
        let needed = self.types.needed_by(roots);
        let named = needed
            .iter()
            .filter_map(|name| Some((*name, self.types.get(name)?)));
        named.collect()
    }

    /// All of it as one JSON object; see the README, "Schema".
    #[must_use]
    pub fn to_json(&self) -> Value {
        let types: Map<String, Value> = self
            .named_types()
            .into_iter()
            .map(|(name, definition)| (name_of(name).to_owned(), type_json(name, definition)))
            .collect();
        json!({
            "wire_version": WIRE_VERSION,
            "codec": CODEC,
            "words": self.words.iter().map(word_json).collect::<Vec<_>>(),
            "types": types,
            "codes": CODES.iter().map(code_json).collect::<Vec<_>>(),
            "limits": LIMITS.iter().map(Limit::json).collect::<Vec<_>>(),
        })
    }
}

impl Default for Protocol {
    fn default() -> Self {
        Self::new()
    }
}

fn fields_of(types: &Types, ty: &Type) -> Vec<Field> {
    match ty {
        Type::Named(name) => match types.get(name) {
            Some(Definition::Struct(fields)) => fields.clone(),
            Some(Definition::Alias(_) | Definition::Enum(_)) | None => Vec::new(),
        },
        Type::Plain(_) | Type::Bytes(_) | Type::List(_) | Type::Optional(_) => Vec::new(),
    }
}

/// What a type is called outside this workspace.
#[must_use]
pub fn name_of(name: &str) -> &str {
    let mut names = NAMES.iter();
    names
        .find(|known| known.0 == name)
        .map_or(name, |known| known.1)
}

/// A type as the README writes it.
#[must_use]
pub fn type_text(ty: &Type) -> String {
    match ty {
        Type::Plain(name) => (*name).to_owned(),
        Type::Bytes(len) => format!("[u8; {len}]"),
        Type::List(inner) => format!("list of {}", type_text(inner)),
        Type::Optional(inner) => format!("option of {}", type_text(inner)),
        Type::Named(name) => name_of(name).to_owned(),
    }
}

fn word_json(word: &WordLayout) -> Value {
    let note = word.note();
    let remarks = note.map_or(&[][..], |note| note.fields);
    let of_field = |field: &Field| field_json(field, word.name, remarks);
    let from = match word.sort {
        Sort::Command if word.is_server_only() => "server, in the log",
        Sort::Command | Sort::Query | Sort::Signal => "client",
        Sort::Event | Sort::Answer | Sort::Push | Sort::News => "server",
    };
    let mut object = json!({
        "sort": word.sort.name(),
        "kind": word.kind.0,
        "name": word.name,
        "schema": word.schema,
        "is_newest": word.is_newest,
        "from": from,
        "fields": word.fields.iter().map(of_field).collect::<Vec<_>>(),
    });
    if let Some(note) = note {
        put_text(&mut object, "who", note.who);
        put_text(&mut object, "remark", note.remark);
        if !note.answers.is_empty() {
            put(&mut object, "answered_with", json!(note.answers));
        }
    }
    object
}

fn put(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(fields) = object {
        fields.insert(name.to_owned(), value);
    }
}

fn put_text(object: &mut Value, name: &str, text: &str) {
    if !text.is_empty() {
        put(object, name, json!(text));
    }
}

fn field_json(field: &Field, of: &str, remarks: &[(&str, &str)]) -> Value {
    let mut object = json!({ "type": type_json_of(&field.ty) });
    put_text(&mut object, "name", field.name);
    let remark = remarks.iter().find(|remark| remark.0 == field.name);
    put_text(&mut object, "remark", remark.map_or("", |remark| remark.1));
    if let Some(limit) = limits::of_field(of, field.name) {
        put(&mut object, "least", json!(limit.least));
        put(&mut object, "most", json!(limit.most));
        put_text(&mut object, "unit", limit.unit);
        if let Beyond::Code(code) = limit.beyond {
            put(&mut object, "beyond", json!(code.name()));
        }
    }
    object
}

/// A type as a program reads it: a name, or an object that says what is in it.
fn type_json_of(ty: &Type) -> Value {
    match ty {
        Type::Plain(name) => json!(name),
        Type::Bytes(len) => json!({ "bytes": len }),
        Type::List(inner) => json!({ "list": type_json_of(inner) }),
        Type::Optional(inner) => json!({ "option": type_json_of(inner) }),
        Type::Named(name) => json!(name_of(name)),
    }
}

fn type_json(name: &str, definition: &Definition) -> Value {
    let note = notes::TYPES.iter().find(|note| note.0 == name);
    let remarks = note.map_or(&[][..], |note| note.2);
    let all = |fields: &[Field]| -> Vec<Value> {
        let fields = fields.iter();
        fields
            .map(|field| field_json(field, name, remarks))
            .collect()
    };
    let mut object = match definition {
        Definition::Alias(ty) => json!({ "alias": type_json_of(ty) }),
        Definition::Struct(fields) => json!({ "struct": all(fields) }),
        Definition::Enum(variants) => {
            let variant =
                |variant: &Variant| json!({ "name": variant.name, "fields": all(&variant.fields) });
            json!({ "enum": variants.iter().map(variant).collect::<Vec<_>>() })
        }
    };
    put_text(&mut object, "remark", note.map_or("", |note| note.1));
    object
}

fn code_json(entry: &CodeEntry) -> Value {
    let ways = Ways::ALL.iter().filter(|way| entry.ways.meets(way.0));
    json!({
        "code": entry.code.0,
        "name": entry.name,
        "arrives_as": ways.map(|way| way.1).collect::<Vec<_>>(),
        "sentence": entry.sentence,
    })
}
