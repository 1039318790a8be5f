//! What became of a command or a query: accepted with a word, or refused with a reason.
//!
//! The same bytes are stored beside the command in the log and sent in the answer, so that a retry
//! is answered with what was answered first. Layout: one status byte, then either kind (u16 LE),
//! schema (u8) and body, or an encoded [`Refusal`].

use crate::{
    code::Refusal,
    codec::{self, CodecError},
    id::Kind,
};

const ACCEPTED: u8 = 0;
const REFUSED: u8 = 1;

/// An outcome, borrowed from its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// It happened; the word says what.
    Accepted {
        /// Which word.
        kind: Kind,
        /// The version of its layout.
        schema: u8,
        /// Its bytes.
        body: &'a [u8],
    },
    /// It did not happen and nothing changed.
    Refused(Refusal),
}

impl<'a> Outcome<'a> {
    /// Reads an outcome from exactly these bytes.
    ///
    /// # Errors
    /// If they are not an outcome. The body of an accepted one is left undecoded.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, CodecError> {
        match bytes {
            [ACCEPTED, low, high, schema, body @ ..] => Ok(Self::Accepted {
                kind: Kind(u16::from_le_bytes([*low, *high])),
                schema: *schema,
                body,
            }),
            [REFUSED, rest @ ..] => codec::decode(rest).map(Outcome::Refused),
            _ => Err(CodecError {
                len: bytes.len(),
                at: 0,
                reason: "an outcome begins with 0 or 1".to_owned(),
            }),
        }
    }

    /// Whether it happened.
    #[must_use]
    pub const fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted { .. })
    }
}

/// Appends the head of an accepted outcome; the word's body follows it.
pub fn encode_accepted(kind: Kind, schema: u8, out: &mut Vec<u8>) {
    out.push(ACCEPTED);
    out.extend_from_slice(&kind.0.to_le_bytes());
    out.push(schema);
}

/// Appends a refused outcome.
pub fn encode_refused(refusal: &Refusal, out: &mut Vec<u8>) {
    out.push(REFUSED);
    codec::encode(refusal, out);
}
