//! Tests of this crate: every layout both ways, hostile bytes, and the README against the code.
//!
//! Golden bytes are in `tests/vectors/`; a wanted change to one is made there by hand, from what
//! the failing test prints, and is a new schema version or a new word.
#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic: that is how it fails"
)]

mod codes;
mod describe;
mod frames;
mod golden;
mod hostile;
mod json;
mod messages;
mod noise;
mod samples;
mod source;
mod transcript;

use std::{fs, path::PathBuf};

use noise::Noise;

use crate::{
    id::Kind,
    words::{WordError, accounts, agenda, catalogue, chat, log, presence, sales},
};

/// A word as bytes, and as people read it.
type Rendered = (Vec<u8>, String);

/// One closed set of words, whatever its type.
struct Set {
    name: &'static str,
    words: &'static [(Kind, &'static str)],
    layouts: &'static [(Kind, u8, &'static str)],
    invent: fn(Kind, &mut Noise<'_>) -> Rendered,
    recode: fn(Kind, u8, &[u8]) -> Result<Rendered, WordError>,
}

impl Set {
    /// The newest schema version of this kind.
    fn newest(&self, kind: Kind) -> u8 {
        let mut layouts = self.layouts.iter();
        let newest = layouts.find(|layout| layout.0 == kind);
        newest.expect("the kind is of this set").1
    }
}

macro_rules! set {
    ($name:literal, $set:ty) => {
        Set {
            name: $name,
            words: <$set>::WORDS,
            layouts: <$set>::LAYOUTS,
            invent: |kind, noise| {
                let word = <$set>::deserialize_as(kind, noise)
                    .expect("noise fills every word")
                    .expect("the kind is of this set");
                let mut body = Vec::new();
                word.encode(&mut body);
                (body, format!("{word:?}"))
            },
            recode: |kind, schema, body| {
                let word = <$set>::decode(kind, schema, body)?;
                let mut again = Vec::new();
                word.encode(&mut again);
                Ok((again, format!("{word:?}")))
            },
        }
    };
}

/// Every set of words there is.
const SETS: [Set; 30] = [
    set!("log/query", log::Query),
    set!("log/answer", log::Answer),
    set!("accounts/command", accounts::Command),
    set!("accounts/event", accounts::Event),
    set!("accounts/query", accounts::Query),
    set!("accounts/answer", accounts::Answer),
    set!("accounts/push", accounts::Push),
    set!("agenda/command", agenda::Command),
    set!("agenda/event", agenda::Event),
    set!("agenda/query", agenda::Query),
    set!("agenda/answer", agenda::Answer),
    set!("agenda/push", agenda::Push),
    set!("chat/command", chat::Command),
    set!("chat/event", chat::Event),
    set!("chat/query", chat::Query),
    set!("chat/answer", chat::Answer),
    set!("chat/push", chat::Push),
    set!("catalogue/command", catalogue::Command),
    set!("catalogue/event", catalogue::Event),
    set!("catalogue/query", catalogue::Query),
    set!("catalogue/answer", catalogue::Answer),
    set!("sales/command", sales::Command),
    set!("sales/event", sales::Event),
    set!("sales/query", sales::Query),
    set!("sales/answer", sales::Answer),
    set!("sales/push", sales::Push),
    set!("presence/query", presence::Query),
    set!("presence/answer", presence::Answer),
    set!("presence/signal", presence::Signal),
    set!("presence/news", presence::News),
];

/// A file of this crate.
fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn read(file: &str) -> String {
    fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// What stands in the README between the comment that begins with `name` and the one that ends it.
fn readme_block(name: &str) -> String {
    let readme = read("README.md");
    let (_, after) = readme
        .split_once(&format!("<!-- {name}:"))
        .expect("the README marks the block");
    let (_, after) = after.split_once("-->\n").expect("the mark is a line");
    let (block, _) = after
        .split_once(&format!("<!-- end of {name} -->"))
        .expect("the README marks the end of the block");
    block.to_owned()
}

/// Compares a committed text with what the code makes of it, and prints what was wanted.
fn check_text(file: &str, committed: &str, wanted: &str) {
    assert!(
        committed == wanted,
        "{file} is not what the code says; wanted:\n=====\n{wanted}====="
    );
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |c: char| u8::try_from(c.to_digit(16).expect("a hex digit")).expect("below 16");
    let digits: Vec<u8> = text.chars().map(digit).collect();
    assert!(digits.len().is_multiple_of(2), "half a byte: {text}");
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}
