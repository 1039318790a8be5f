//! Short ordered lists that cost no allocation while they hold one entry.
//!
//! Nearly every slot has one holder and nearly every person one booking, so the first entry lives
//! where the list is. Entries go in and out in order; the owner removes a list that became empty.
//! Deliberately absent: an empty list, except inside [`BookingIds`] between two steps.

use std::{
    collections::BTreeSet,
    ops::Bound::{Excluded, Unbounded},
};

use crate::snapshot::{SectionReader, SectionWriter, Unsound};

/// From this length on a person's bookings are a tree: taking one out of the middle of a vector
/// moves all behind it, and a person may have any number.
const BOOKING_IDS_FEW: usize = 1_024;

/// At least one entry, in order, each at most once.
#[derive(Debug)]
pub(super) enum Few<T> {
    One(T),
    Many(Vec<T>),
}

impl<T: Copy + Ord> Few<T> {
    /// The entries, in order.
    pub(super) fn as_slice(&self) -> &[T] {
        match self {
            Self::One(entry) => std::slice::from_ref(entry),
            Self::Many(entries) => entries,
        }
    }

    /// The list of these, which are in order; `None` of no entries.
    pub(super) fn of(entries: Vec<T>) -> Option<Self> {
        match entries[..] {
            [] => None,
            [one] => Some(Self::One(one)),
            [_, _, ..] => Some(Self::Many(entries)),
        }
    }

    /// Puts `entry` in its place.
    pub(super) fn insert(&mut self, entry: T) {
        match self {
            Self::One(first) => {
                let mut entries = Vec::with_capacity(4);
                entries.extend([(*first).min(entry), (*first).max(entry)]);
                *self = Self::Many(entries);
            }
            Self::Many(entries) => {
                let index = entries.partition_point(|other| *other < entry);
                entries.insert(index, entry);
            }
        }
    }

    /// Puts `entry`, which is above all others, behind them without looking at them: the end of a
    /// long list is far from the processor.
    pub(super) fn push(&mut self, entry: T) {
        match self {
            Self::One(_) => self.insert(entry),
            Self::Many(entries) => {
                debug_assert!(entries.last().is_none_or(|last| *last < entry));
                entries.push(entry);
            }
        }
    }

    /// Takes `entry` out; false when it was the last one, which stays: remove the list instead.
    pub(super) fn remove(&mut self, entry: &T) -> bool {
        let Self::Many(entries) = self else {
            return false;
        };
        if let Ok(index) = entries.binary_search(entry) {
            entries.remove(index);
        }
        if let [last] = entries[..] {
            *self = Self::One(last);
        }
        true
    }
}

/// The ids of one person's bookings, at least one.
#[derive(Debug)]
pub(super) enum BookingIds {
    Few(Few<u64>),
    Many(BTreeSet<u64>),
}

impl BookingIds {
    pub(super) const fn new(booking: u64) -> Self {
        Self::Few(Few::One(booking))
    }

    /// Puts in a booking that is newer than all others.
    pub(super) fn push(&mut self, booking: u64) {
        match self {
            Self::Few(few) if few.as_slice().len() < BOOKING_IDS_FEW => few.push(booking),
            Self::Few(few) => {
                let mut many: BTreeSet<u64> = few.as_slice().iter().copied().collect();
                many.insert(booking);
                *self = Self::Many(many);
            }
            Self::Many(many) => {
                many.insert(booking);
            }
        }
    }

    /// Takes `booking` out; false when it was the last one: remove the list.
    pub(super) fn remove(&mut self, booking: u64) -> bool {
        match self {
            Self::Few(few) => few.remove(&booking),
            Self::Many(many) => {
                many.remove(&booking);
                !many.is_empty()
            }
        }
    }

    /// Writes the ids.
    pub(super) fn save(&self, out: &mut SectionWriter<'_>) {
        match self {
            Self::Few(few) => {
                out.count(few.as_slice().len());
                few.as_slice().iter().for_each(|id| out.u64(*id));
            }
            Self::Many(many) => {
                out.count(many.len());
                many.iter().for_each(|id| out.u64(*id));
            }
        }
    }

    /// Reads ids that were saved.
    pub(super) fn load(from: &mut SectionReader<'_>) -> Result<Self, Unsound> {
        let count = from.count(size_of::<u64>())?;
        let ids = (0..count).map(|_| from.u64());
        if BOOKING_IDS_FEW < count {
            return ids.collect::<Result<_, _>>().map(Self::Many);
        }
        let few = Few::of(ids.collect::<Result<_, _>>()?);
        few.map(Self::Few)
            .ok_or_else(|| from.lacks("a booking of everybody who has bookings"))
    }

    /// At most `limit` ids above `after`, rising.
    pub(super) fn after(&self, after: u64, limit: usize) -> Vec<u64> {
        match self {
            Self::Few(few) => {
                let ids = few.as_slice();
                let first = ids.partition_point(|id| *id <= after);
                ids[first..].iter().copied().take(limit).collect()
            }
            Self::Many(many) => many
                .range((Excluded(after), Unbounded))
                .copied()
                .take(limit)
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{BOOKING_IDS_FEW, BookingIds};

    #[test]
    fn a_list_of_any_length_is_a_set_in_order() {
        let mut ids = BookingIds::new(0);
        let mut model = BTreeSet::from([0_u64]);
        let len = u64::try_from(BOOKING_IDS_FEW).unwrap() + 100;
        for id in 1..len {
            ids.push(id);
            model.insert(id);
        }
        assert_eq!(ids.after(0, usize::MAX).len(), model.len() - 1);
        for step in 0..len {
            // A step that shares no factor with the length visits every number once.
            let id = step * 11 % len;
            assert_eq!(
                ids.after(id, 3),
                model.range(id + 1..).copied().take(3).collect::<Vec<_>>()
            );
            model.remove(&id);
            assert_eq!(ids.remove(id), !model.is_empty());
        }
    }

    #[test]
    fn a_short_list_shrinks_back_to_one_entry() {
        let mut ids = BookingIds::new(5);
        ids.push(7);
        ids.push(9);
        assert!(ids.remove(7));
        assert!(ids.remove(5));
        assert_eq!(ids.after(0, 10), [9]);
        assert!(!ids.remove(9));
    }
}
