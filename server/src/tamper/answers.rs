//! What planted bugs do to answers on their way out: what a message came to, pages of history,
//! favourites, searches and totals.
//!
//! An answer goes in when it is released; what its asker is told in its place comes out. Everything
//! forged is made of the systems' own words. Deliberately absent: what is decided and logged, which
//! stays honest here (see `tamper`).

use std::collections::BTreeMap;

use protocol::{
    Code, Kind, Outcome, Refusal, UserId,
    outcome::{encode_accepted, encode_refused},
    words::{
        agenda, catalogue, chat,
        sales::{self, Part, Sum},
    },
};

use super::{PlantedBug, Tamper};
use crate::log::Head;

/// Entries that a short memory keeps.
const REMEMBERED: usize = 10;
/// Cents nobody sold.
const INVENTED: u64 = 10_000_000;

/// What the answers remembers: the last message of everybody, by conversation, as it was answered.
#[derive(Debug, Default)]
pub(super) struct AnswerTamper {
    sent: BTreeMap<(UserId, u64), (u64, Head)>,
}

/// The event or the answer of an accepted outcome.
type Word<'a> = (Kind, u8, &'a [u8]);

impl Tamper {
    /// What `user` is told in the place of an answer, if anything, and from where.
    pub(super) fn forge(&mut self, user: UserId, at: &mut Head, honest: &[u8]) -> Option<Vec<u8>> {
        let Ok(Outcome::Accepted { kind, schema, body }) = Outcome::decode(honest) else {
            return None;
        };
        let word = (kind, schema, body);
        if let Some(forged) = self.forge_erased(word) {
            return Some(forged);
        }
        match kind.system() {
            agenda::SYSTEM => self.forge_place(word),
            chat::SYSTEM => self
                .forge_sent(user, at, word)
                .or_else(|| self.forge_members(word))
                .or_else(|| self.forge_page(user, word)),
            catalogue::SYSTEM => self
                .forge_favourite(word)
                .or_else(|| self.forge_items(word)),
            sales::SYSTEM => self.forge_total(word),
            _other => None,
        }
    }

    fn forge_sent(&mut self, user: UserId, at: &mut Head, word: Word<'_>) -> Option<Vec<u8>> {
        let Ok(chat::Event::Sent(mut sent)) = chat::Event::decode(word.0, word.1, word.2) else {
            return None;
        };
        let whose = (user, sent.conversation);
        let before = self.answers.sent.insert(whose, (sent.index, *at));
        if self.is_due(PlantedBug::DeniedMessage) {
            let mut outcome = Vec::new();
            encode_refused(&Refusal::new(Code::NOT_ALLOWED), &mut outcome);
            return Some(outcome);
        }
        let (index, earlier) = before.filter(|before| before.0 < sent.index)?;
        if self.is_due(PlantedBug::StalePosition) {
            *at = earlier;
        }
        if self.is_due(PlantedBug::StaleIndex) {
            sent.index = index;
            return Some(accepted(word, |out| chat::Event::from(sent).encode(out)));
        }
        None
    }

    fn forge_place(&mut self, word: Word<'_>) -> Option<Vec<u8>> {
        let Ok(agenda::Event::Reserved(mut reserved)) =
            agenda::Event::decode(word.0, word.1, word.2)
        else {
            return None;
        };
        if !self.is_due(PlantedBug::MisnamedSlot) {
            return None;
        }
        reserved.slot.slot += 1;
        Some(accepted(word, |out| {
            agenda::Event::from(reserved).encode(out);
        }))
    }

    fn forge_members(&mut self, word: Word<'_>) -> Option<Vec<u8>> {
        let Ok(chat::Answer::Members(mut page)) = chat::Answer::decode(word.0, word.1, word.2)
        else {
            return None;
        };
        if page.members.is_empty() || !self.is_due(PlantedBug::UnlistedMember) {
            return None;
        }
        page.members.pop();
        Some(accepted(word, |out| chat::Answer::from(page).encode(out)))
    }

    fn forge_page(&mut self, user: UserId, word: Word<'_>) -> Option<Vec<u8>> {
        let Ok(chat::Answer::History(mut page)) = chat::Answer::decode(word.0, word.1, word.2)
        else {
            return None;
        };
        if self.is_due(PlantedBug::DeniedHistory) {
            let of = page.entries.first().map_or(0, |it| it.entry.conversation);
            let mut outcome = Vec::new();
            encode_refused(&Refusal::with(Code::NOT_MEMBER, of, 0), &mut outcome);
            return Some(outcome);
        }
        let entries = &mut page.entries;
        let len = entries.len();
        let is_falling = entries.is_sorted_by(|one, next| next.entry.index < one.entry.index);
        let own = entries.iter().position(|it| it.entry.author == user);
        if 3 <= len && self.is_due(PlantedBug::HoledPage) {
            entries.remove(1);
        } else if REMEMBERED < len && self.is_due(PlantedBug::ShortMemory) {
            entries.truncate(REMEMBERED);
        } else if let Some(own) = own.filter(|_| is_falling)
            && self.is_due(PlantedBug::ForgottenMessage)
        {
            entries.drain(..=own);
        } else {
            return None;
        }
        Some(accepted(word, |out| chat::Answer::from(page).encode(out)))
    }

    fn forge_favourite(&mut self, word: Word<'_>) -> Option<Vec<u8>> {
        let Ok(catalogue::Event::FavouriteAdded(mut added)) =
            catalogue::Event::decode(word.0, word.1, word.2)
        else {
            return None;
        };
        if added.changed && self.is_due(PlantedBug::DeniedFavourite) {
            added.changed = false;
        } else if !added.changed && self.is_due(PlantedBug::DoubleFavourite) {
            (added.changed, added.count) = (true, added.count + 1);
        } else {
            return None;
        }
        Some(accepted(word, |out| {
            catalogue::Event::from(added).encode(out);
        }))
    }

    fn forge_items(&mut self, word: Word<'_>) -> Option<Vec<u8>> {
        let mut answer = catalogue::Answer::decode(word.0, word.1, word.2).ok()?;
        let is_forged = match &mut answer {
            catalogue::Answer::Favourites(page) => {
                let is_due = self.is_due(PlantedBug::MiscountedFavourites);
                page.count += u32::from(is_due);
                is_due
            }
            catalogue::Answer::Items(page) => {
                let items = &mut page.items;
                if !items.is_empty() && self.is_due(PlantedBug::IncompleteSearch) {
                    items.pop().is_some()
                } else if 2 <= items.len() && self.is_due(PlantedBug::UnorderedSearch) {
                    items.swap(0, 1);
                    true
                } else {
                    false
                }
            }
            catalogue::Answer::Types(_) => false,
        };
        is_forged.then(|| accepted(word, |out| answer.encode(out)))
    }

    fn forge_total(&mut self, word: Word<'_>) -> Option<Vec<u8>> {
        let mut answer = sales::Answer::decode(word.0, word.1, word.2).ok()?;
        let (total, parts) = total_of(&mut answer)?;
        if parts.is_empty() {
            return None;
        }
        if self.is_due(PlantedBug::MissingPart) {
            parts.pop();
        } else if self.is_due(PlantedBug::FallingTotal) {
            parts.clear();
            *total = Sum::default();
        } else if self.is_due(PlantedBug::InflatedTotal) {
            total.cents += INVENTED;
            parts.first_mut()?.sum.cents += INVENTED;
        } else {
            return None;
        }
        Some(accepted(word, |out| answer.encode(out)))
    }
}

/// A total and its parts.
const fn total_of(answer: &mut sales::Answer) -> Option<(&mut Sum, &mut Vec<Part>)> {
    use sales::Answer;
    match answer {
        Answer::SellerTotals(of) => Some((&mut of.total, &mut of.stores)),
        Answer::StoreTotals(of) => Some((&mut of.total, &mut of.sellers)),
        Answer::NetworkTotals(of) => Some((&mut of.total, &mut of.stores)),
        Answer::BestSellers(_)
        | Answer::BestStores(_)
        | Answer::Stores(_)
        | Answer::Networks(_) => None,
    }
}

/// An outcome of the same kind with other words.
pub(super) fn accepted(word: Word<'_>, encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut outcome = Vec::new();
    encode_accepted(word.0, word.1, &mut outcome);
    encode(&mut outcome);
    outcome
}

#[cfg(test)]
mod tests {
    use protocol::{ChainHash, Key, Seq, words::chat::StoredEntry};

    use super::*;

    const ANN: UserId = UserId(7);

    fn head(seq: u64) -> Head {
        Head {
            seq: Seq(seq),
            hash: ChainHash::START,
        }
    }

    /// What is told of a hundred answers, and from where.
    fn told(bug: PlantedBug, honest: impl Fn(u64) -> Vec<u8>) -> Vec<(u64, Vec<u8>)> {
        let mut tamper = Tamper::new(Some(bug));
        let tell = |nth| {
            let (honest, mut at) = (honest(nth), head(nth));
            let forged = tamper.forge(ANN, &mut at, &honest);
            (at.seq.0, forged.unwrap_or(honest))
        };
        (1..=100).map(tell).collect()
    }

    fn sent(nth: u64) -> Vec<u8> {
        let event = chat::Event::from(chat::Sent {
            conversation: 3,
            index: nth,
        });
        let (kind, schema) = event.kind();
        accepted((kind, schema, &[]), |out| event.encode(out))
    }

    /// Twelve entries, the newest first, the third of them the reader's own.
    fn page(_nth: u64) -> Vec<u8> {
        let entry = |index| StoredEntry {
            seq: Seq(index),
            entry: chat::Entry {
                conversation: 3,
                index,
                author: UserId(index % 10),
                recorded_at: 0,
                key: Key([0; 16]),
                content: chat::Content::Left,
            },
        };
        let answer = chat::Answer::from(chat::History {
            entries: (8..20).rev().map(entry).collect(),
        });
        let (kind, schema) = answer.kind();
        accepted((kind, schema, &[]), |out| answer.encode(out))
    }

    fn indices(outcome: &[u8]) -> Vec<u64> {
        let Ok(Outcome::Accepted { kind, schema, body }) = Outcome::decode(outcome) else {
            panic!("accepted");
        };
        match chat::Answer::decode(kind, schema, body) {
            Ok(chat::Answer::History(page)) => page.entries.iter().map(|e| e.entry.index).collect(),
            other => panic!("a page: {other:?}"),
        }
    }

    #[test]
    fn a_message_is_denied_or_answered_with_what_was_before() {
        let denied = told(PlantedBug::DeniedMessage, sent);
        let is_refused = |(_, outcome): &&(u64, Vec<u8>)| {
            matches!(Outcome::decode(outcome), Ok(Outcome::Refused(_)))
        };
        assert_eq!(denied.iter().filter(is_refused).count(), 2);
        let stale = told(PlantedBug::StalePosition, sent);
        let is_stale = |(nth, told): &(u64, &(u64, Vec<u8>))| told.0 + 1 == *nth;
        assert_eq!((1..).zip(&stale).filter(is_stale).count(), 2);
        let stale = told(PlantedBug::StaleIndex, sent);
        let is_stale = |(nth, told): &(u64, &(u64, Vec<u8>))| told.1 == sent(nth - 1);
        assert_eq!((1..).zip(&stale).filter(is_stale).count(), 2);
    }

    #[test]
    fn a_page_has_a_hole_or_ends_too_early_now_and_then() {
        let whole: Vec<u64> = (8..20).rev().collect();
        for (bug, forged) in [
            (PlantedBug::HoledPage, [&whole[..1], &whole[2..]].concat()),
            (PlantedBug::ShortMemory, whole[..10].to_vec()),
            (PlantedBug::ForgottenMessage, whole[3..].to_vec()),
            (PlantedBug::ToldTwice, Vec::new()),
        ] {
            let told = told(bug, page);
            let is_forged = |(_, outcome): &&(u64, Vec<u8>)| indices(outcome) == forged;
            let expected = if forged.is_empty() { 0 } else { 14 };
            assert_eq!(told.iter().filter(is_forged).count(), expected, "{bug}");
        }
    }
}
