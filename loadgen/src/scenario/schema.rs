//! The JSON Schema of the format, for editors.

/// The JSON Schema of a scenario file.
#[must_use]
pub fn schema() -> String {
    "{}".to_owned()
}
