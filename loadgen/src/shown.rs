//! How far a client was shown each of its conversations, and how far there is to go.
//!
//! Entries go in as they are shown. At the end of a phase the server says how long each
//! conversation is, and what is longer than was shown is waited for. This decides how long to wait
//! and nothing else: who is owed what follows from the log (see `check`), so that a client that was
//! shown nothing is owed no less. Deliberately absent: what the entries say, and their order.

use protocol::{
    Kind,
    limits::PAGE_LEN_MAX,
    words::{
        WordError,
        chat::{Answer, ListConversations, PUBLIC, Query, Sort},
    },
};

use crate::{operation::Nanos, wire};

/// When a server that answers pushed nothing to anybody for so long, nothing is on its way any more:
/// what has not come by then is lost and not late.
pub const QUIET: Nanos = 1_000_000_000;

/// What one client was shown.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// Conversation and the last entry shown of it, by conversation.
    last: Vec<(u64, u64)>,
    /// The conversation that was shown something last.
    newest: Option<(u64, u64)>,
    /// Conversations that go on beyond what was shown, and to where.
    awaited: Vec<(u64, u64)>,
    /// The server was asked how long they are, and has not said.
    is_asking: bool,
    /// The position its answer speaks of; 0 without one.
    reflects: u64,
}

/// A page of conversations, as the server has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Conversation, its last entry, and whether some of its entries may be of before somebody's time.
    conversations: Vec<(u64, u64, bool)>,
}

impl Standing {
    /// The query for the page behind this conversation: its kind and its body.
    pub fn ask(after: Option<u64>, body: &mut Vec<u8>) -> wire::Word {
        let limit = PAGE_LEN_MAX;
        let query = Query::from(ListConversations { after, limit });
        query.encode(body);
        query.kind()
    }

    /// The page an answer holds.
    ///
    /// # Errors
    /// If it holds something else.
    pub fn decode(kind: Kind, schema: u8, body: &[u8]) -> Result<Self, WordError> {
        let Answer::Conversations(page) = Answer::decode(kind, schema, body)? else {
            return Err(WordError::Unknown { kind, schema });
        };
        let conversations = page.conversations.iter().map(|view| {
            let is_older = match view.sort {
                Sort::Private(_) => false,
                Sort::Public | Sort::Room(_) | Sort::Group(_) => true,
            };
            (view.conversation, view.last, is_older)
        });
        Ok(Self {
            conversations: conversations.collect(),
        })
    }
}

impl Shown {
    /// An entry was shown.
    pub fn note(&mut self, conversation: u64, index: u64) {
        self.newest = Some((conversation, index));
        match self
            .last
            .binary_search_by_key(&conversation, |(id, _last)| *id)
        {
            Ok(at) => self.last[at].1 = self.last[at].1.max(index),
            Err(at) => self.last.insert(at, (conversation, index)),
        }
        if !self.awaited.is_empty() {
            self.awaited
                .retain(|(id, last)| *id != conversation || index < *last);
        }
    }

    /// The conversation and the entry that were shown last.
    #[must_use]
    pub const fn newest(&self) -> Option<(u64, u64)> {
        self.newest
    }

    /// The last entry shown of a conversation; 0 for none.
    #[must_use]
    pub fn last_of(&self, conversation: u64) -> u64 {
        let found = self
            .last
            .binary_search_by_key(&conversation, |(id, _last)| *id);
        found.map_or(0, |at| self.last[at].1)
    }

    /// Whether everything was shown that the server had when it was asked, as far as is known.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.awaited.is_empty() && !self.is_asking
    }

    /// Entries that are waited for.
    #[must_use]
    pub fn missing(&self) -> u64 {
        let missing = |(id, last): &(u64, u64)| last.saturating_sub(self.last_of(*id));
        self.awaited.iter().map(missing).sum()
    }

    /// The server is asked how long the conversations are.
    pub(crate) fn begin(&mut self) {
        self.awaited.clear();
        self.reflects = 0;
        self.is_asking = true;
    }

    /// Nothing is waited for, and nothing was: its person is no more.
    pub(crate) fn excuse(&mut self) {
        self.begin();
        self.end();
    }

    /// The server's answer is of this position; of several pages the first one's counts.
    pub(crate) const fn reflect(&mut self, seq: u64) {
        if self.reflects == 0 {
            self.reflects = seq;
        }
    }

    /// Whether the server was asked how long the conversations are and has not said.
    #[must_use]
    pub const fn is_asking(&self) -> bool {
        self.is_asking
    }

    /// Up to which position everything that is for this client was waited for; `None` where the
    /// server did not say how far that is.
    #[must_use]
    pub const fn waited_for(&self) -> Option<u64> {
        if self.is_asking || self.reflects == 0 {
            None
        } else {
            Some(self.reflects)
        }
    }

    /// It has said all of it, or will not.
    pub(crate) const fn end(&mut self) {
        self.is_asking = false;
    }

    /// Waits for what a page goes beyond what was shown. The conversation to ask on behind, if
    /// there may be more.
    ///
    /// A conversation of which nothing was shown may have ended before it was joined: nobody waits
    /// for its last entry, but everybody for a while in which nothing comes (see [`QUIET`]).
    pub(crate) fn compare(&mut self, page: &Standing) -> Option<u64> {
        for (conversation, last, is_older) in &page.conversations {
            let shown = self.last_of(*conversation);
            if shown < *last && !(*is_older && shown == 0) {
                self.awaited.push((*conversation, *last));
            }
        }
        let is_full = page.conversations.len() >= usize::from(PAGE_LEN_MAX);
        let (behind, _last, _is_older) = page.conversations.last().filter(|_last| is_full)?;
        Some(*behind)
    }
}

const _: () = assert!(
    PUBLIC == 0,
    "the public conversation stands before all others"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_has_beyond_what_was_shown_is_waited_for_until_it_is_shown() {
        let mut shown = Shown::default();
        shown.note(7, 2);
        shown.note(PUBLIC, 4);
        assert_eq!((shown.newest(), shown.last_of(7)), (Some((PUBLIC, 4)), 2));
        shown.begin();
        assert!(!shown.is_complete(), "nobody has said how long they are");
        let conversations = vec![(PUBLIC, 4, true), (7, 5, true), (8, 1, false), (9, 3, true)];
        assert_eq!(shown.compare(&Standing { conversations }), None);
        shown.reflect(30);
        assert_eq!(shown.waited_for(), None, "it has not said all of it");
        shown.end();
        assert_eq!(shown.waited_for(), Some(30), "whatever was shown of 9");
        assert_eq!(
            shown.missing(),
            4,
            "three of 7 and one of 8; 9 may not be for it"
        );
        shown.note(7, 5);
        assert!(!shown.is_complete());
        shown.note(8, 1);
        assert!(shown.is_complete());
    }

    #[test]
    fn a_client_that_was_shown_nothing_is_waited_for_like_any_other() {
        let mut deaf = Shown::default();
        deaf.begin();
        let conversations = vec![(PUBLIC, 4, true), (7, 5, true)];
        assert_eq!(deaf.compare(&Standing { conversations }), None);
        deaf.reflect(31);
        deaf.end();
        assert_eq!(deaf.waited_for(), Some(31));
    }
}
