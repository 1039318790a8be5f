//! Numbers of a history: one to nine bytes, as many as the number needs.
//!
//! ```text
//! xxxxxxx1                     7 bits        the zeros below the lowest 1 of the first byte
//! xxxxxx10 xxxxxxxx           14 bits        say how many bytes follow; the rest is the number,
//! ...                                        little-endian
//! 10000000 xxxxxxxx * 7       56 bits
//! 00000000 xxxxxxxx * 8       64 bits
//! ```
//!
//! Not LEB128, which is as long: here the length is known before the bytes, so that neither side
//! has a loop whose end the processor must guess. Deliberately absent: what the numbers mean.

/// Room for the longest head of a record, which is two operations: 138 bytes each with five operands of
/// nine, and seven more because numbers are written eight bytes at a time.
const ROOM: usize = 320;

/// Writes the head of one record, all but what was shown, into room for the longest.
pub(super) struct Pen {
    into: [u8; ROOM],
    at: usize,
}

impl Pen {
    pub(super) const fn new() -> Self {
        Self {
            into: [0; ROOM],
            at: 0,
        }
    }

    /// Begins another record.
    pub(super) const fn clear(&mut self) {
        self.at = 0;
    }

    /// What was written.
    pub(super) fn written(&self) -> &[u8] {
        &self.into[..self.at]
    }

    pub(super) fn bytes<const N: usize>(&mut self, bytes: [u8; N]) {
        self.into[self.at..self.at + N].copy_from_slice(&bytes);
        self.at += N;
    }

    /// Writes eight bytes of which the next thing written covers those it does not need.
    pub(super) fn number(&mut self, value: u64) {
        let bits = 64 - (value | 1).leading_zeros();
        if 56 < bits {
            self.bytes([0]);
            return self.bytes(value.to_le_bytes());
        }
        let len = bits.div_ceil(7);
        let word = (value << 1 | 1) << (len - 1);
        let at = self.at;
        self.bytes(word.to_le_bytes());
        self.at = at + len as usize;
    }

    /// Writes how far `value` is from `base`, in either direction.
    pub(super) fn distance(&mut self, value: u64, base: u64) {
        let distance = value.wrapping_sub(base).cast_signed();
        // Small distances to either side become small numbers: 0, -1, 1, -2, ...
        self.number((distance << 1 ^ distance >> 63).cast_unsigned());
    }
}

/// Takes the next bytes.
pub(super) fn take_bytes<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*bytes)
}

/// Takes a number.
pub(super) fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let first = *rest.first()?;
    if first == 0 {
        let [_zero] = take_bytes(rest)?;
        return take_bytes(rest).map(u64::from_le_bytes);
    }
    let len = first.trailing_zeros() + 1;
    let (bytes, after) = rest.split_at_checked(len as usize)?;
    let word = rest.first_chunk().copied().unwrap_or_else(|| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        word
    });
    *rest = after;
    // What follows the number in its eight bytes is pushed out.
    let others = 64 - 8 * len;
    Some(u64::from_le_bytes(word) << others >> others >> len)
}

/// Takes a number that fits.
pub(super) fn take<T: TryFrom<u64>>(rest: &mut &[u8]) -> Option<T> {
    T::try_from(take_number(rest)?).ok()
}

/// Takes what [`Pen::distance`] wrote.
pub(super) fn take_distance(rest: &mut &[u8], base: u64) -> Option<u64> {
    let number = take_number(rest)?;
    Some(base.wrapping_add(number >> 1 ^ (number & 1).wrapping_neg()))
}
