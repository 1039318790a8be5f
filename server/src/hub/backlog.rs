//! What a connection that is behind has yet to be told: kept pushes of all it follows, merged by
//! their positions in the log.
//!
//! Streams with the first position that counts go in, and begin or end as the log goes on; positions
//! come out in order, each once, a few at a time. Deliberately absent: reading them from the log, and
//! what is not kept.

use std::{cmp::Reverse, collections::BinaryHeap};

use protocol::Seq;

use crate::{domain::Stream, feed::Feed};

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Backlog {
    /// Everything up to here was told, or is not wanted.
    from: Seq,
    ranges: Vec<Range>,
}

/// A part of a stream.
#[derive(Debug)]
struct Range {
    stream: Stream,
    /// Offset of the next entry to tell.
    next: usize,
    /// The last position that counts, once it is known.
    end: Option<Seq>,
}

impl Backlog {
    /// What stands behind `from` in these streams, in each from its first position on.
    pub(crate) fn new(from: Seq, follows: &[(Stream, Seq)], feed: &Feed) -> Self {
        let ranges = Vec::with_capacity(follows.len());
        let mut backlog = Self { from, ranges };
        for (stream, first) in follows {
            backlog.begin(*stream, *first, feed);
        }
        backlog
    }

    /// A stream is followed, from its entry at `first` on.
    pub(crate) fn begin(&mut self, stream: Stream, first: Seq, feed: &Feed) {
        if self.open(stream).is_some() {
            return;
        }
        let before_first = Seq(first.0.saturating_sub(1));
        let next = feed.offset_behind(stream, self.from.max(before_first));
        self.ranges.push(Range {
            stream,
            next,
            end: None,
        });
    }

    /// A stream is followed no more after its entry at `last`.
    pub(crate) fn end(&mut self, stream: Stream, last: Seq) {
        if let Some(range) = self.open(stream) {
            range.end = Some(last);
        }
    }

    /// The next positions, `limit` at most and none beyond `upto`. Fewer mean that there are no more.
    pub(crate) fn take(&mut self, feed: &Feed, upto: Seq, limit: usize) -> Vec<Seq> {
        let next = |range: &Range| {
            let seq = Seq(feed.entries(range.stream).get(range.next)?.get());
            (seq <= range.end.unwrap_or(upto).min(upto)).then_some(seq)
        };
        let pending = |(index, range)| next(range).map(|seq| Reverse((seq, index)));
        let mut heads: BinaryHeap<_> = self.ranges.iter().enumerate().filter_map(pending).collect();
        let mut taken = Vec::new();
        while taken.len() < limit
            && let Some(Reverse((seq, index))) = heads.pop()
        {
            taken.push(seq);
            self.ranges[index].next += 1;
            heads.extend(next(&self.ranges[index]).map(|seq| Reverse((seq, index))));
        }
        self.from = taken.last().copied().unwrap_or(self.from);
        if taken.len() < limit {
            self.ranges.retain(|range| range.end.is_none());
        }
        taken
    }

    /// The streams that are followed still.
    pub(crate) fn streams(&self) -> Vec<Stream> {
        let open = self.ranges.iter().filter(|range| range.end.is_none());
        open.map(|range| range.stream).collect()
    }

    fn open(&mut self, stream: Stream) -> Option<&mut Range> {
        self.ranges
            .iter_mut()
            .find(|range| range.stream == stream && range.end.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Stream = Stream::Conversation(1);
    const GROUP: Stream = Stream::Conversation(2);

    fn feed(entries: &[(Stream, u64)]) -> Feed {
        let mut feed = Feed::default();
        for (stream, seq) in entries {
            feed.insert(*stream, Seq(*seq));
        }
        feed
    }

    fn take(backlog: &mut Backlog, feed: &Feed, upto: u64, limit: usize) -> Vec<u64> {
        let taken = backlog.take(feed, Seq(upto), limit);
        taken.iter().map(|seq| seq.0).collect()
    }

    #[test]
    fn streams_are_merged_by_position() {
        let feed = feed(&[(ROOM, 3), (GROUP, 4), (GROUP, 5), (ROOM, 8), (GROUP, 9)]);
        let mut backlog = Backlog::new(Seq(3), &[(ROOM, Seq(1)), (GROUP, Seq(5))], &feed);
        assert_eq!(take(&mut backlog, &feed, 99, 2), [5, 8]);
        assert_eq!(take(&mut backlog, &feed, 99, 2), [9]);
        assert!(take(&mut backlog, &feed, 99, 2).is_empty());
    }

    #[test]
    fn nothing_is_taken_before_it_may_be() {
        let mut feed = feed(&[(ROOM, 3), (ROOM, 6)]);
        let mut backlog = Backlog::new(Seq(0), &[(ROOM, Seq(1))], &feed);
        assert_eq!(take(&mut backlog, &feed, 5, 9), [3]);
        feed.insert(ROOM, Seq(7));
        assert_eq!(take(&mut backlog, &feed, 7, 9), [6, 7]);
    }

    #[test]
    fn a_stream_that_was_left_and_joined_again_has_a_hole() {
        let feed = feed(&[(ROOM, 3), (ROOM, 4), (ROOM, 5), (ROOM, 6), (ROOM, 7)]);
        let mut backlog = Backlog::new(Seq(0), &[(ROOM, Seq(1))], &feed);
        backlog.end(ROOM, Seq(4));
        backlog.begin(ROOM, Seq(6), &feed);
        assert_eq!(backlog.streams(), [ROOM]);
        assert_eq!(take(&mut backlog, &feed, 99, 9), [3, 4, 6, 7]);
    }

    #[test]
    fn a_stream_named_twice_is_followed_once() {
        let feed = feed(&[(ROOM, 3)]);
        let mut backlog = Backlog::new(Seq(0), &[(ROOM, Seq(1)), (ROOM, Seq(2))], &feed);
        assert_eq!(take(&mut backlog, &feed, 99, 9), [3]);
        backlog.end(ROOM, Seq(3));
        assert!(backlog.streams().is_empty());
    }
}
