//! Bytes as people write them: `#[serde(with = "crate::hex")]` of keys, hashes and tokens.
//!
//! In a binary codec a fixed array is its bytes and nothing else; in JSON it is a string of twice as
//! many hexadecimal digits. `wide` does the same for 128-bit numbers (JSON has no number of that
//! size) and `list` for a list of bytes. Deliberately absent: prefixes, upper case, separators.

use std::fmt::{self, Write};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Appends two digits a byte.
pub(crate) fn write(target: &mut impl Write, bytes: &[u8]) -> fmt::Result {
    bytes
        .iter()
        .try_for_each(|byte| write!(target, "{byte:02x}"))
}

/// The bytes as digits.
#[must_use]
pub fn render(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    write(&mut text, bytes).expect("a string takes all that is written to it");
    text
}

/// The bytes that these digits stand for; `None` when they are not digits, two a byte.
#[must_use]
pub fn parse(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|[high, low]| Some(digit(high)? << 4 | digit(low)?))
        .collect()
}

/// Exactly `N` bytes out of their digits.
#[must_use]
pub fn parse_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    // Checked first: nothing is made room for that cannot be right.
    if text.len() != N.checked_mul(2)? {
        return None;
    }
    parse(text)?.try_into().ok()
}

pub(crate) fn serialize<S: Serializer, const N: usize>(
    bytes: &[u8; N],
    serializer: S,
) -> Result<S::Ok, S::Error>
where
    [u8; N]: Serialize,
{
    if serializer.is_human_readable() {
        return serializer.serialize_str(&render(bytes));
    }
    bytes.serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
    deserializer: D,
) -> Result<[u8; N], D::Error>
where
    [u8; N]: Deserialize<'de>,
{
    if !deserializer.is_human_readable() {
        return <[u8; N]>::deserialize(deserializer);
    }
    let text = String::deserialize(deserializer)?;
    let wanted = N.saturating_mul(2);
    parse_array(&text).ok_or_else(|| D::Error::custom(format!("expected {wanted} hex digits")))
}

/// A 128-bit number: 32 digits in JSON, and 1 to 32 accepted.
pub(crate) mod wide {
    use super::{Deserialize, Deserializer, Error, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        number: &u128,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(&format_args!("{number:032x}"));
        }
        number.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<u128, D::Error> {
        if !deserializer.is_human_readable() {
            return u128::deserialize(deserializer);
        }
        let text = String::deserialize(deserializer)?;
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(&text, 16).ok().filter(|_| is_hex);
        number.ok_or_else(|| D::Error::custom("expected a string of 1 to 32 hex digits"))
    }
}

/// A list of bytes: a string of digits in JSON, a list that grows as it arrives elsewhere.
pub(crate) mod list {
    use super::{Deserialize, Deserializer, Error, Serialize, Serializer, parse, render};

    pub(crate) fn serialize<S: Serializer>(
        bytes: &Vec<u8>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.serialize_str(&render(bytes));
        }
        bytes.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        if !deserializer.is_human_readable() {
            return crate::codec::list(deserializer);
        }
        let text = String::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| D::Error::custom("expected hex digits, two a byte"))
    }
}
