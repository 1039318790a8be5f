//! The feed: at which positions of the log each stream's kept pushes stand.
//!
//! A stream and a position go in, in the order of the log; entries of a stream come out, by index or
//! behind a position. Filled while the log is replayed and whenever a record is decided, so it may
//! know positions that are not durable yet: whoever reads says up to where. Deliberately absent: the
//! pushes themselves (they are in the log, at the position), and who follows what.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::Seq;

use crate::{
    domain::{PageWanted, Stream},
    growth::make_room,
    keyring::Keyring,
    snapshot::{Saved, SectionReader, SectionWriter, Unsound},
    stream_key::StreamKey,
    u40::U40,
};

/// Entries that take no memory beside the map: most conversations of two people have one.
const FEW: usize = 3;

/// See the head of this file. The entry with index n is at offset n - 1.
#[derive(Debug, Default)]
pub struct Feed {
    streams: HashMap<StreamKey, Entries, FixedState>,
}

/// Where the entries of a stream stand.
#[derive(Debug)]
enum Entries {
    /// How many, and room for them.
    Few(u8, [U40; FEW]),
    Many(Vec<U40>),
}

// As many entries are in the map as need no more room than a list.
const _: () = assert!(size_of::<Entries>() == size_of::<Vec<U40>>());

impl Entries {
    /// Room for so many.
    fn with_capacity(len: usize) -> Self {
        if len <= FEW {
            Self::Few(0, [U40::ZERO; FEW])
        } else {
            Self::Many(Vec::with_capacity(len))
        }
    }

    fn as_slice(&self) -> &[U40] {
        match self {
            Self::Few(len, few) => &few[..usize::from(*len)],
            Self::Many(many) => many,
        }
    }

    fn push(&mut self, seq: U40) {
        match self {
            Self::Few(len, few) => match few.get_mut(usize::from(*len)) {
                Some(place) => {
                    *place = seq;
                    *len += 1;
                }
                None => *self = Self::Many([&few[..], &[seq]].concat()),
            },
            Self::Many(many) => {
                make_room(many);
                many.push(seq);
            }
        }
    }
}

impl Feed {
    /// The next entry of a stream.
    ///
    /// # Panics
    /// If it does not stand behind the one before: only a bug can do that.
    pub fn insert(&mut self, stream: Stream, seq: Seq) {
        let stream = StreamKey::new(stream).expect("only what the log names has entries");
        let entries = self.streams.entry(stream);
        let entries = entries.or_insert_with(|| Entries::with_capacity(1));
        let last = entries.as_slice().last().map(|last| last.get());
        assert!(last < Some(seq.0), "the log only grows");
        entries.push(U40::of_position(seq.0));
    }

    /// Nobody will ever follow this stream again.
    pub fn remove(&mut self, stream: Stream) {
        if let Some(stream) = StreamKey::new(stream) {
            self.streams.remove(&stream);
        }
    }

    /// Every entry of a stream.
    pub(crate) fn entries(&self, stream: Stream) -> &[U40] {
        let entries = StreamKey::new(stream).and_then(|stream| self.streams.get(&stream));
        entries.map_or(&[], Entries::as_slice)
    }

    /// The offset of the first entry of a stream behind a position.
    #[must_use]
    pub fn offset_behind(&self, stream: Stream, seq: Seq) -> usize {
        self.entries(stream)
            .partition_point(|entry| entry.get() <= seq.0)
    }

    /// The positions of the entries that are wanted, in the order wanted; none beyond `upto`.
    #[must_use]
    pub fn page(&self, wanted: &PageWanted, upto: Seq) -> Vec<Seq> {
        let entries = &self.entries(wanted.stream)[..self.offset_behind(wanted.stream, upto)];
        let entries = entries.iter().map(|entry| Seq(entry.get()));
        let index = usize::try_from(wanted.from).unwrap_or(usize::MAX);
        let limit = usize::from(wanted.limit);
        if wanted.is_backwards {
            entries.take(index).rev().take(limit).collect()
        } else {
            let skipped = index.saturating_sub(1);
            entries.skip(skipped).take(limit).collect()
        }
    }
}

impl Saved for Feed {
    fn save(&self, out: &mut SectionWriter<'_>, _keyring: &Keyring) {
        let Self { streams } = self;
        // Sorted, so that a state has one form.
        let mut names: Vec<StreamKey> = streams.keys().copied().collect();
        names.sort_unstable_by_key(|name| name.get());
        out.count(names.len());
        for name in names {
            let (sort, id) = name.numbers();
            out.u8(sort);
            out.u64(id);
            let entries = streams[&name].as_slice();
            out.count(entries.len());
            entries.iter().for_each(|entry| out.u64(entry.get()));
        }
    }

    fn load(&mut self, from: &mut SectionReader<'_>, _keyring: &Keyring) -> Result<(), Unsound> {
        let mut streams = HashMap::default();
        for _ in 0..from.count(1 + 8 + 8)? {
            let numbers = (from.u8()?, from.u64()?);
            let stream = StreamKey::of_numbers(numbers);
            let stream = stream.ok_or_else(|| from.lacks("a stream"))?;
            let len = from.count(8)?;
            let mut entries = Entries::with_capacity(len);
            let mut put = |seq: &[u8; 8]| {
                let seq = U40::new(u64::from_le_bytes(*seq));
                seq.into_iter().for_each(|seq| entries.push(seq));
            };
            from.rows(len, &mut put)?;
            if entries.as_slice().len() != len {
                return Err(from.lacks("positions of a log"));
            }
            streams.insert(stream, entries);
        }
        *self = Self { streams };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Stream = Stream::Conversation(3);

    fn feed() -> Feed {
        let mut feed = Feed::default();
        for seq in [4, 7, 9, 12] {
            feed.insert(ROOM, Seq(seq));
        }
        feed.insert(Stream::Everybody, Seq(5));
        feed
    }

    /// A page of the room: from which entry, how many, up to which position.
    #[track_caller]
    fn check((from, limit, upto): (u64, u16, u64), is_backwards: bool, expected: &[u64]) {
        let wanted = PageWanted {
            stream: ROOM,
            from,
            limit,
            is_backwards,
        };
        let page: Vec<u64> = feed()
            .page(&wanted, Seq(upto))
            .iter()
            .map(|seq| seq.0)
            .collect();
        assert_eq!(page, expected);
    }

    #[test]
    fn a_page_goes_up_from_the_entry_wanted() {
        check((1, 9, 99), false, &[4, 7, 9, 12]);
        check((2, 2, 99), false, &[7, 9]);
        check((2, 9, 9), false, &[7, 9]);
        check((5, 9, 99), false, &[]);
    }

    #[test]
    fn a_page_goes_down_from_the_entry_wanted() {
        check((4, 9, 99), true, &[12, 9, 7, 4]);
        check((3, 2, 99), true, &[9, 7]);
        check((9, 2, 99), true, &[12, 9]);
        check((4, 9, 8), true, &[7, 4]);
        check((0, 9, 99), true, &[]);
    }

    #[test]
    fn a_stream_of_any_length_has_its_entries_in_order() {
        let mut feed = Feed::default();
        for len in 1..=u64::try_from(FEW).unwrap() * 4 {
            feed.insert(ROOM, Seq(len * 2));
            let entries: Vec<u64> = feed.entries(ROOM).iter().map(|it| it.get()).collect();
            let expected: Vec<u64> = (1..=len).map(|nth| nth * 2).collect();
            assert_eq!(entries, expected);
        }
        feed.remove(ROOM);
        assert!(feed.entries(ROOM).is_empty());
    }

    #[test]
    fn a_stream_that_a_client_made_up_is_empty() {
        let mut feed = feed();
        let stream = Stream::Conversation(u64::MAX);
        assert!(feed.entries(stream).is_empty());
        feed.remove(stream);
        assert_eq!(feed.entries(ROOM).len(), 4);
    }

    #[test]
    fn an_offset_counts_what_stands_up_to_a_position() {
        let feed = feed();
        for (seq, expected) in [(0, 0), (4, 1), (8, 2), (12, 4), (99, 4)] {
            assert_eq!(feed.offset_behind(ROOM, Seq(seq)), expected);
        }
        assert_eq!(feed.offset_behind(Stream::Conversation(8), Seq(9)), 0);
    }
}
