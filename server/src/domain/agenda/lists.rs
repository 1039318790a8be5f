//! Lists of places, of two and more, close together.
//!
//! A list is found by its length and its number, which its owner keeps. Lists of one capacity, always
//! a power of two, stand behind one another; one that outgrows it moves to the next, and where it was
//! is used again. So a list costs no allocation and less than twice its length, and all of them are
//! saved as a few long rows. (Free lists by size, as in a buddy system: Knuth, "The Art of Computer
//! Programming", volume 1, 2.5.) Deliberately absent: slots, rules.

use protocol::limits::CAPACITY_MAX;

use super::place::Place;
use crate::{
    chunked_vec::{ChunkedVec, PIECE_LEN},
    snapshot::{SectionReader, SectionWriter, Unsound},
};

/// Capacities from 2 to 1,024.
const BUCKETS: usize = 10;

// The longest list is that of a slot with all its places held.
const _: () = assert!(CAPACITY_MAX <= 1 << BUCKETS);
// No list lies across two pieces.
const _: () = assert!(PIECE_LEN.is_multiple_of(1 << BUCKETS));

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Lists {
    buckets: [Bucket; BUCKETS],
}

/// Lists of one capacity.
#[derive(Debug, Default)]
struct Bucket {
    places: ChunkedVec<Place>,
    /// Numbers of lists that moved or ended.
    free: Vec<u32>,
}

/// A list: how long it is, and which of those of its capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct List {
    pub(super) len: usize,
    pub(super) number: u32,
}

impl List {
    fn capacity(self) -> usize {
        self.len.next_power_of_two()
    }

    fn bucket(self) -> usize {
        usize::try_from(self.capacity().ilog2() - 1).expect("a capacity has few bits")
    }

    fn start(self) -> usize {
        usize::try_from(self.number).expect("usize has 32 bits") * self.capacity()
    }
}

impl Lists {
    /// The places in a list, ordered by person.
    pub(super) fn get(&self, list: List) -> &[Place] {
        self.buckets[list.bucket()]
            .places
            .slice(list.start(), list.len)
    }

    /// A new list of two.
    pub(super) fn begin(&mut self, one: Place, other: Place) -> List {
        let list = self.take(2);
        let places = self.places_mut(list);
        places.copy_from_slice(&[one, other]);
        places.sort_unstable_by_key(|place| place.user());
        list
    }

    /// Puts in the place of somebody who has none; the list is found by what is returned from then
    /// on. So with [`Lists::remove`].
    ///
    /// # Panics
    /// If more people have a place than any slot has.
    pub(super) fn insert(&mut self, list: List, place: Place) -> List {
        let places = self.get(list);
        let index = places.partition_point(|other| other.user() < place.user());
        let longer = self.resize(list, list.len + 1);
        let places = self.places_mut(longer);
        places.copy_within(index..list.len, index + 1);
        places[index] = place;
        longer
    }

    /// Takes out a place, of at least three.
    pub(super) fn remove(&mut self, list: List, place: Place) -> List {
        let index = self.get(list).iter().position(|other| *other == place);
        let index = index.expect("only a place that is held can end");
        let places = self.places_mut(list);
        places.copy_within(index + 1..list.len, index);
        places[list.len - 1] = Place::NONE;
        self.resize(list, list.len - 1)
    }

    /// A list is over, and with it its places.
    pub(super) fn end(&mut self, list: List) {
        self.places_mut(list).fill(Place::NONE);
        self.buckets[list.bucket()].free.push(list.number);
    }

    /// A list of this length with the places of another, as many as it has.
    fn resize(&mut self, list: List, len: usize) -> List {
        let same = List { len, ..list };
        if same.capacity() == list.capacity() {
            return same;
        }
        let other = self.take(len);
        let buckets = [list.bucket(), other.bucket()];
        let [from, to] = (self.buckets.get_disjoint_mut(buckets)).expect("other capacities");
        let kept = from.places.slice(list.start(), len.min(list.len));
        let place = to.places.slice_mut(other.start(), kept.len());
        place.copy_from_slice(kept);
        self.end(list);
        other
    }

    /// Room for a list of this length.
    fn take(&mut self, len: usize) -> List {
        let list = List { len, number: 0 };
        let Bucket { places, free } = &mut self.buckets[list.bucket()];
        let number = free.pop().unwrap_or_else(|| {
            let next = places.len() / list.capacity();
            (0..list.capacity()).for_each(|_| places.push(Place::NONE));
            u32::try_from(next).expect("slots of an agenda are bounded")
        });
        List { len, number }
    }

    /// The places of a list and the room behind them.
    fn places_mut(&mut self, list: List) -> &mut [Place] {
        self.buckets[list.bucket()]
            .places
            .slice_mut(list.start(), list.capacity())
    }

    /// Writes the places of all lists as they stand.
    pub(super) fn save(&self, out: &mut SectionWriter<'_>) {
        let Self { buckets } = self;
        for Bucket { places, free } in buckets {
            out.count(places.len());
            places.iter().for_each(|place| out.array(&place.bytes()));
            out.count(free.len());
            free.iter().for_each(|number| out.u32(*number));
        }
    }

    /// Reads what was saved.
    pub(super) fn load(from: &mut SectionReader<'_>) -> Result<Self, Unsound> {
        let mut lists = Self::default();
        for Bucket { places, free } in &mut lists.buckets {
            let count = from.count(Place::BYTES)?;
            from.rows(count, |place| places.push(Place::of_bytes(*place)))?;
            let count = from.count(size_of::<u32>())?;
            free.reserve_exact(count);
            from.rows(count, |number| free.push(u32::from_le_bytes(*number)))?;
        }
        Ok(lists)
    }

    /// Whether every list is over.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let buckets = &mut self.buckets.iter();
        buckets.all(|bucket| bucket.places.iter().all(|place| *place == Place::NONE))
    }

    /// For how many lists there is room.
    #[cfg(test)]
    pub(super) fn rooms(&self) -> usize {
        let rooms = (1..).zip(&self.buckets);
        rooms
            .map(|(bits, bucket)| bucket.places.len() >> bits)
            .sum()
    }
}
