//! How far a client was shown each of its conversations, and how far there is to go.
//!
//! Entries go in as they are shown. At the end of a phase the server says how long each
//! conversation is, and what is longer than was shown is waited for. Deliberately absent: what the
//! entries say, and whether they came in order (see `check`).

use protocol::{
    Kind,
    limits::PAGE_LEN_MAX,
    words::{
        WordError,
        chat::{Answer, ListConversations, PUBLIC, Query, Sort},
    },
};

use crate::wire;

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
    /// Some conversation may have more for this client, or none, which nobody can say from here.
    is_unsure: bool,
}

/// A page of conversations, as the server has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Conversation, its last entry, and whether its members may change.
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
            let is_chosen = match view.sort {
                Sort::Public | Sort::Private(_) => false,
                Sort::Room(_) | Sort::Group(_) => true,
            };
            (view.conversation, view.last, is_chosen)
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
        (self.reflects, self.is_unsure) = (0, false);
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

    /// Up to which position everything that is for this client was waited for; `None` where that
    /// was not possible.
    #[must_use]
    pub const fn waited_for(&self) -> Option<u64> {
        if self.is_asking || self.is_unsure || self.reflects == 0 {
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
    /// A room or a group of which nothing was shown is not waited for: it may have been joined
    /// after its last entry, which then is not for this client.
    pub(crate) fn compare(&mut self, page: &Standing) -> Option<u64> {
        for (conversation, last, is_chosen) in &page.conversations {
            let shown = self.last_of(*conversation);
            if shown < *last {
                if *is_chosen && shown == 0 {
                    self.is_unsure = true;
                } else {
                    self.awaited.push((*conversation, *last));
                }
            }
        }
        let is_full = page.conversations.len() >= usize::from(PAGE_LEN_MAX);
        let (behind, _last, _is_chosen) = page.conversations.last().filter(|_last| is_full)?;
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
        let conversations = vec![
            (PUBLIC, 4, false),
            (7, 5, true),
            (8, 1, false),
            (9, 3, true),
        ];
        assert_eq!(shown.compare(&Standing { conversations }), None);
        shown.reflect(30);
        shown.end();
        assert_eq!(shown.waited_for(), None, "nobody knows of 9");
        assert_eq!(
            shown.missing(),
            4,
            "three of 7 and one of 8; 9 may not be for it"
        );
        shown.note(7, 5);
        assert!(!shown.is_complete());
        shown.note(8, 1);
        assert!(shown.is_complete());
        shown.begin();
        let conversations = vec![(PUBLIC, 4, false), (7, 5, true)];
        assert_eq!(shown.compare(&Standing { conversations }), None);
        shown.reflect(31);
        assert_eq!(shown.waited_for(), None, "it has not said all of it");
        shown.end();
        assert_eq!(shown.waited_for(), Some(31));
    }
}
