//! What an answer to a command says, byte for byte as the server stores it.
//!
//! An outcome goes in; what tells it from any other comes out, and its bytes where they are few, so that
//! somebody can be shown what was said. Nothing is allocated for an accepted one.

use protocol::{
    Outcome,
    outcome::{encode_accepted, encode_refused},
};

/// Bytes that are kept.
const LEN_MAX: usize = 54;

/// See the head of this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    digest: u64,
    /// How many bytes are kept: none of a longer outcome.
    len: u8,
    bytes: [u8; LEN_MAX],
}

impl Answer {
    /// What these bytes say.
    #[must_use]
    pub fn of_bytes(outcome: &[u8]) -> Self {
        let mut bytes = [0; LEN_MAX];
        let mut len = 0;
        if let Some(room) = bytes.get_mut(..outcome.len()) {
            room.copy_from_slice(outcome);
            len = u8::try_from(outcome.len()).unwrap_or(0);
        }
        Self {
            digest: digest(outcome),
            len,
            bytes,
        }
    }

    /// What this outcome says.
    #[must_use]
    pub fn of(outcome: &Outcome<'_>, scratch: &mut Vec<u8>) -> Self {
        scratch.clear();
        match outcome {
            Outcome::Accepted { kind, schema, body } => {
                encode_accepted(*kind, *schema, scratch);
                scratch.extend_from_slice(body);
            }
            Outcome::Refused(refusal) => encode_refused(refusal, scratch),
        }
        Self::of_bytes(scratch)
    }

    /// As histories keep it: what tells it from another one, and the bytes that are kept.
    #[must_use]
    pub fn parts(&self) -> (u64, &[u8]) {
        (self.digest, self.bytes().unwrap_or_default())
    }

    /// The reverse of [`Answer::parts`]; `None` if these are nobody's parts.
    #[must_use]
    pub fn from_parts(digest: u64, kept: &[u8]) -> Option<Self> {
        let mut bytes = [0; LEN_MAX];
        bytes.get_mut(..kept.len())?.copy_from_slice(kept);
        Some(Self {
            digest,
            len: u8::try_from(kept.len()).ok()?,
            bytes,
        })
    }

    /// What tells it from another one.
    #[must_use]
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// The bytes of the outcome, if they were few enough to be kept.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        match self.len {
            0 => None,
            len => self.bytes.get(..usize::from(len)),
        }
    }
}

/// Of the length and of all bytes, eight at a time.
fn digest(bytes: &[u8]) -> u64 {
    let mut chunks = bytes.chunks_exact(8);
    let mut digest = mix(1, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    for chunk in &mut chunks {
        let eight = chunk
            .first_chunk()
            .map_or(0, |bytes| u64::from_le_bytes(*bytes));
        digest = mix(digest, eight);
    }
    let rest = chunks.remainder().iter();
    mix(
        digest,
        rest.fold(0, |rest, byte| rest << 8 | u64::from(*byte)),
    )
}

const fn mix(digest: u64, more: u64) -> u64 {
    let mixed = (digest ^ more).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29)
        .wrapping_mul(0xbf58_476d_1ce4_e5b9)
        .rotate_left(31)
}

#[cfg(test)]
mod tests {
    use super::Answer;

    #[test]
    fn every_byte_and_the_length_tell_one_answer_from_another() {
        let bytes: Vec<u8> = (0..100).collect();
        for len in 0..bytes.len() {
            let one = Answer::of_bytes(&bytes[..len]);
            assert_eq!(one, Answer::of_bytes(&bytes[..len]));
            assert_ne!(one.digest(), Answer::of_bytes(&bytes[..=len]).digest());
            for at in 0..len {
                let mut other = bytes[..len].to_vec();
                other[at] ^= 1;
                assert_ne!(
                    one.digest(),
                    Answer::of_bytes(&other).digest(),
                    "{len} {at}"
                );
            }
        }
    }
}
