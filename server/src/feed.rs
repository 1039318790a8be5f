//! The feed: at which positions of the log each stream's kept pushes stand.
//!
//! A stream and a position go in, in the order of the log; entries of a stream come out, by index or
//! behind a position. Filled while the log is replayed and whenever a record is decided, so it may
//! know positions that are not durable yet: whoever reads says up to where. Deliberately absent: the
//! pushes themselves (they are in the log, at the position), and who follows what.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::{Seq, UserId};

use crate::{
    domain::{PageWanted, Stream},
    keyring::Keyring,
    snapshot::{Saved, SectionReader, SectionWriter, Unsound},
};

/// See the head of this file. The entry with index n is at offset n - 1.
#[derive(Debug, Default)]
pub struct Feed {
    streams: HashMap<Stream, Vec<Seq>, FixedState>,
}

impl Feed {
    /// The next entry of a stream.
    ///
    /// # Panics
    /// If it does not stand behind the one before: only a bug can do that.
    pub fn insert(&mut self, stream: Stream, seq: Seq) {
        let entries = self.streams.entry(stream).or_default();
        assert!(entries.last() < Some(&seq), "the log only grows");
        entries.push(seq);
    }

    /// Nobody will ever follow this stream again.
    pub fn remove(&mut self, stream: Stream) {
        self.streams.remove(&stream);
    }

    /// Every entry of a stream.
    #[must_use]
    pub fn entries(&self, stream: Stream) -> &[Seq] {
        self.streams.get(&stream).map_or(&[], Vec::as_slice)
    }

    /// The offset of the first entry of a stream behind a position.
    #[must_use]
    pub fn offset_behind(&self, stream: Stream, seq: Seq) -> usize {
        self.entries(stream).partition_point(|entry| *entry <= seq)
    }

    /// The positions of the entries that are wanted, in the order wanted; none beyond `upto`.
    #[must_use]
    pub fn page(&self, wanted: &PageWanted, upto: Seq) -> Vec<Seq> {
        let entries = &self.entries(wanted.stream)[..self.offset_behind(wanted.stream, upto)];
        let index = usize::try_from(wanted.from).unwrap_or(usize::MAX);
        let limit = usize::from(wanted.limit);
        if wanted.is_backwards {
            let first = entries.len().min(index);
            entries[..first].iter().rev().take(limit).copied().collect()
        } else {
            let skipped = index.saturating_sub(1);
            entries.iter().skip(skipped).take(limit).copied().collect()
        }
    }
}

impl Saved for Feed {
    fn save(&self, out: &mut SectionWriter<'_>, _keyring: &Keyring) {
        let Self { streams } = self;
        // Sorted, so that a state has one form.
        let mut names: Vec<Stream> = streams.keys().copied().collect();
        names.sort_unstable();
        out.count(names.len());
        for stream in names {
            let (sort, id) = numbers(stream);
            out.u8(sort);
            out.u64(id);
            out.count(self.entries(stream).len());
            (self.entries(stream).iter()).for_each(|seq| out.u64(seq.0));
        }
    }

    fn load(&mut self, from: &mut SectionReader<'_>, _keyring: &Keyring) -> Result<(), Unsound> {
        let mut streams = HashMap::default();
        for _ in 0..from.count(1 + 8 + 8)? {
            let numbers = (from.u8()?, from.u64()?);
            let stream = stream_of(numbers).ok_or_else(|| from.lacks("a stream"))?;
            let len = from.count(8)?;
            let mut entries = Vec::with_capacity(len);
            from.rows(len, |seq| entries.push(Seq(u64::from_le_bytes(*seq))))?;
            streams.insert(stream, entries);
        }
        *self = Self { streams };
        Ok(())
    }
}

/// A stream in a snapshot.
const fn numbers(stream: Stream) -> (u8, u64) {
    match stream {
        Stream::Everybody => (1, 0),
        Stream::Person(user) => (2, user.0),
        Stream::Conversation(id) => (3, id),
    }
}

const fn stream_of(numbers: (u8, u64)) -> Option<Stream> {
    match numbers {
        (1, 0) => Some(Stream::Everybody),
        (2, user) => Some(Stream::Person(UserId(user))),
        (3, id) => Some(Stream::Conversation(id)),
        (_, _) => None,
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
    fn an_offset_counts_what_stands_up_to_a_position() {
        let feed = feed();
        for (seq, expected) in [(0, 0), (4, 1), (8, 2), (12, 4), (99, 4)] {
            assert_eq!(feed.offset_behind(ROOM, Seq(seq)), expected);
        }
        assert_eq!(feed.offset_behind(Stream::Conversation(8), Seq(9)), 0);
    }
}
