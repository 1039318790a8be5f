//! Numbers below 2^40 in five bytes.
//!
//! Positions of the log, and what is named by one: people, agendas, bookings. There is one or
//! several of them for every record, and no memory holds a state of 2^40 records. Deliberately
//! absent: arithmetic, and numbers that a client made up.

use std::hash::{Hash, Hasher};

/// See the head of this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct U40([u8; Self::BYTES]);

impl Hash for U40 {
    /// As one number, which costs a hash less than five bytes and their count.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.get());
    }
}

impl U40 {
    /// What one takes, in memory and in a snapshot.
    pub(crate) const BYTES: usize = 5;

    /// The number that nothing is named by.
    pub(crate) const ZERO: Self = Self([0; Self::BYTES]);

    /// The number in five bytes, if they are enough.
    pub(crate) const fn new(number: u64) -> Option<Self> {
        match number.to_le_bytes() {
            [a, b, c, d, e, 0, 0, 0] => Some(Self([a, b, c, d, e])),
            _ => None,
        }
    }

    /// The same of a position, or of something that is named by one.
    ///
    /// # Panics
    /// If they are not enough: only what a client made up is not a position, and no such thing comes
    /// here.
    pub(crate) const fn of_position(number: u64) -> Self {
        Self::new(number).expect("a log has fewer than 2^40 records")
    }

    /// The number.
    pub(crate) const fn get(self) -> u64 {
        let [a, b, c, d, e] = self.0;
        u64::from_le_bytes([a, b, c, d, e, 0, 0, 0])
    }

    /// Its bytes, the lowest first.
    pub(crate) const fn bytes(self) -> [u8; Self::BYTES] {
        self.0
    }

    /// The number that has these bytes.
    pub(crate) const fn of_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::U40;

    #[test]
    fn numbers_below_two_to_the_fortieth_come_back_and_others_are_refused() {
        for number in [0, 1, 255, 256, (1 << 40) - 1] {
            let short = U40::new(number).expect("it is below");
            assert_eq!(short.get(), number);
            assert_eq!(U40::of_bytes(short.bytes()), short);
        }
        assert_eq!([1 << 40, u64::MAX].map(U40::new), [None, None]);
    }
}
