//! Streams in six bytes.
//!
//! Every stream that is kept or followed is named several times, in the feed and by those who follow
//! it, and there is one for each two people who ever talked. Deliberately absent: what stands in a
//! stream.

use protocol::UserId;

use crate::{domain::Stream, u40::U40};

/// See the head of this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct StreamKey {
    sort: u8,
    id: U40,
}

// There are several of these for each conversation.
const _: () = assert!(size_of::<StreamKey>() == 1 + U40::BYTES);

/// Sorts of streams, also in a snapshot. Never reuse one.
const EVERYBODY: u8 = 1;
const PERSON: u8 = 2;
const CONVERSATION: u8 = 3;

impl StreamKey {
    /// The stream in six bytes, if they are enough: only for one that a client made up they are not.
    pub(crate) const fn new(stream: Stream) -> Option<Self> {
        let (sort, id) = match stream {
            Stream::Everybody => (EVERYBODY, 0),
            Stream::Person(user) => (PERSON, user.0),
            Stream::Conversation(id) => (CONVERSATION, id),
        };
        match U40::new(id) {
            Some(id) => Some(Self { sort, id }),
            None => None,
        }
    }

    /// The stream that has these numbers.
    pub(crate) const fn of_numbers(numbers: (u8, u64)) -> Option<Self> {
        match numbers {
            (EVERYBODY, 0) => Self::new(Stream::Everybody),
            (PERSON, user) => Self::new(Stream::Person(UserId(user))),
            (CONVERSATION, id) => Self::new(Stream::Conversation(id)),
            (_, _) => None,
        }
    }

    /// What it is in a snapshot.
    pub(crate) const fn numbers(self) -> (u8, u64) {
        (self.sort, self.id.get())
    }

    /// The stream.
    pub(crate) const fn get(self) -> Stream {
        match self.sort {
            EVERYBODY => Stream::Everybody,
            PERSON => Stream::Person(UserId(self.id.get())),
            _ => Stream::Conversation(self.id.get()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_comes_back_as_it_was_and_none_is_another() {
        let highest = (1 << 40) - 1;
        let streams = [
            Stream::Everybody,
            Stream::Person(UserId(1)),
            Stream::Person(UserId(highest)),
            Stream::Conversation(1),
            Stream::Conversation(highest),
        ];
        for stream in streams {
            let short = StreamKey::new(stream).expect("it has a position");
            assert_eq!(short.get(), stream);
            assert_eq!(StreamKey::of_numbers(short.numbers()), Some(short));
            let alike = streams.map(StreamKey::new);
            assert_eq!(alike.iter().filter(|it| **it == Some(short)).count(), 1);
        }
    }

    #[test]
    fn what_no_position_names_is_no_stream() {
        for stream in [
            Stream::Person(UserId(1 << 40)),
            Stream::Conversation(u64::MAX),
        ] {
            assert_eq!(StreamKey::new(stream), None);
        }
        for numbers in [(0, 0), (4, 1), (EVERYBODY, 1), (PERSON, u64::MAX)] {
            assert_eq!(StreamKey::of_numbers(numbers), None);
        }
    }
}
