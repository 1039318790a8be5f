//! Run records as JSON: reading, writing, and the schema.
//!
//! Text goes in and a record comes out, or a sentence that says why not; and back. Deliberately
//! absent: files. Whoever calls has already read the bytes.

use serde::Deserialize;
use thiserror::Error;

use crate::record::{RECORD_VERSION, RunRecord};

/// Why a text is not a run record.
#[derive(Debug, Error)]
pub enum ReadError {
    /// Written by a later program.
    #[error(
        "this run was recorded in layout {found} and this program reads layouts up to {known}; \
         render it with a newer stampede"
    )]
    TooNew {
        /// The layout of the text.
        found: u32,
        /// The newest layout that can be read.
        known: u32,
    },
    /// No run record of any version.
    #[error("this is not a run record: {0}")]
    Malformed(#[from] serde_json::Error),
}

/// The one field that every version has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl RunRecord {
    /// Reads `run.json`.
    ///
    /// The version is looked at first, so that a newer record is refused for what it is and not for
    /// the first field that moved.
    pub fn read(json: &str) -> Result<Self, ReadError> {
        let Versioned { version: found } = serde_json::from_str(json)?;
        if RECORD_VERSION < found {
            return Err(ReadError::TooNew {
                found,
                known: RECORD_VERSION,
            });
        }
        Ok(serde_json::from_str(json)?)
    }

    /// What `run.json` holds: indented, with a final newline.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self)
            .expect("a record has string keys only and is written to memory");
        json.push('\n');
        json
    }
}

/// The JSON Schema of `run.json`, as committed in `schema/run.schema.json`.
#[must_use]
pub fn schema_json() -> String {
    let mut json = serde_json::to_string_pretty(&schemars::schema_for!(RunRecord))
        .expect("a schema is plain JSON and is written to memory");
    json.push('\n');
    json
}
