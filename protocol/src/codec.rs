//! Bodies as bytes: the only file that names bincode.
//!
//! A value goes in and its bytes come out, and the reverse, from a slice that must be used up.
//! Codec 1 is bincode 1.3.3 with variable-length little-endian integers, a size limit and trailing
//! bytes refused. Its maintenance has ended, so it is contained here: the codec's number stands
//! before every stored body, and a second codec would be one more function in this file.
//!
//! Deliberately absent: readers and streams (a length from a stranger must never size a buffer).

use std::{fmt, io, marker::PhantomData};

use bincode::Options;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, SeqAccess, Visitor},
};

use crate::limits::REPLY_BYTES_MAX;

/// The number of the codec in use, as stored beside every body. Never reused for another.
pub const CODEC: u8 = 1;

/// A body that does not hold what its kind and schema version promise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("body of {len} bytes does not decode: {reason}")]
pub struct CodecError {
    /// How long the body was.
    pub len: usize,
    /// The byte at which it ceased to make sense, the first being 0; its length where more was expected.
    pub at: usize,
    /// What the decoder met.
    pub reason: String,
}

fn options() -> impl Options {
    bincode::DefaultOptions::new()
        .with_limit(u64::try_from(REPLY_BYTES_MAX).unwrap_or(u64::MAX))
        .reject_trailing_bytes()
}

/// Appends the bytes of `value` to `out`.
///
/// # Panics
/// If the value is larger than the largest frame, which the bounds on its parts rule out.
pub fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) {
    options()
        .serialize_into(out, value)
        .expect("every word is bounded below the largest frame");
}

/// Reads a `T` from exactly these bytes.
///
/// # Errors
/// If they are cut short, go on after the value, or do not describe a `T`.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    options().deserialize(bytes).map_err(|error| CodecError {
        len: bytes.len(),
        at: place_of_error::<T>(bytes),
        reason: error.to_string(),
    })
}

/// Appends the bytes of something that travels in no frame, if they are at most `bytes_max`.
///
/// # Errors
/// If they are more. Nothing is appended then.
pub fn encode_within<T: Serialize>(
    value: &T,
    bytes_max: usize,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let limited = options().with_limit(u64::try_from(bytes_max).unwrap_or(u64::MAX));
    let begin = out.len();
    limited.serialize_into(&mut *out, value).map_err(|error| {
        out.truncate(begin);
        io::Error::other(format!(
            "more than {bytes_max} bytes are kept nowhere: {error}"
        ))
    })
}

/// Reads what [`encode_within`] wrote with the same bound.
///
/// # Errors
/// As [`decode`].
pub fn decode_within<T: DeserializeOwned>(bytes: &[u8], bytes_max: usize) -> Result<T, CodecError> {
    let limited = options().with_limit(u64::try_from(bytes_max).unwrap_or(u64::MAX));
    limited.deserialize(bytes).map_err(|error| CodecError {
        len: bytes.len(),
        at: place_of_error::<T>(bytes),
        reason: error.to_string(),
    })
}

/// The byte at which these cease to be a `T`. The decoder does not say; but whoever cuts them off before
/// that byte is told that more was expected, and whoever does not is told something else.
fn place_of_error<T: DeserializeOwned>(bytes: &[u8]) -> usize {
    let is_sound = |len: usize| {
        let read: Result<T, bincode::Error> =
            options().deserialize(bytes.get(..len).unwrap_or_default());
        read.map_or_else(
            |error| match *error {
                bincode::ErrorKind::Io(error) => error.kind() == io::ErrorKind::UnexpectedEof,
                _other => false,
            },
            // All of it so far: what is wrong is that it goes on.
            |_value| true,
        )
    };
    let (mut sound, mut end) = (0, bytes.len());
    while sound < end {
        let middle = usize::midpoint(sound, end);
        match is_sound(middle.saturating_add(1)) {
            true => sound = middle.saturating_add(1),
            false => end = middle,
        }
    }
    sound
}

/// Reads a list that grows as its elements arrive: `#[serde(deserialize_with = "...")]` of every
/// list in a word. Serde's own reader believes an announced length up to a mebibyte before the
/// first element is there, which is four of our longest frames.
///
/// # Errors
/// If an element cannot be read.
pub(crate) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_seq(ListVisitor(PhantomData))
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            list.push(element);
        }
        Ok(list)
    }
}
