//! What planted bugs do about people who were erased: words and names that are shown nevertheless,
//! and words of others that went with them.
//!
//! An answer goes in when it is released; what its asker is told in its place comes out. What is
//! shown too long was shown before, to anybody: that is where it is remembered from. Deliberately
//! absent: the log and the keys, which stay honest.

use std::collections::BTreeMap;

use protocol::{
    Kind,
    words::{
        chat::{self, Content},
        presence,
    },
};

use super::{PlantedBug, Tamper, answers::accepted};

/// What was shown of people.
#[derive(Debug, Default)]
pub(super) struct ErasureTamper {
    /// Texts, by conversation and index.
    texts: BTreeMap<(u64, u64), Content>,
    /// The first page of people.
    people: Vec<presence::PresenceView>,
}

/// An accepted outcome: its kind, its schema, its body.
type Word<'a> = (Kind, u8, &'a [u8]);

impl Tamper {
    /// What somebody is told in the place of an answer, if these bugs have their turn.
    pub(super) fn forge_erased(&mut self, word: Word<'_>) -> Option<Vec<u8>> {
        match self.bug()? {
            PlantedBug::RememberedWords | PlantedBug::WipedWords => self.forge_texts(word),
            PlantedBug::LingeringPerson => self.forge_people(word),
            _about_other_things => None,
        }
    }

    fn forge_texts(&mut self, word: Word<'_>) -> Option<Vec<u8>> {
        let Ok(chat::Answer::History(mut page)) = chat::Answer::decode(word.0, word.1, word.2)
        else {
            return None;
        };
        let mut is_forged = false;
        for stored in &mut page.entries {
            let entry = &mut stored.entry;
            let Content::Text(text) = &entry.content else {
                continue;
            };
            let at = (entry.conversation, entry.index);
            if !text.as_bytes().is_empty() {
                self.erasure.texts.insert(at, entry.content.clone());
                if self.is_due(PlantedBug::WipedWords) {
                    entry.content = Content::Text("".into());
                    is_forged = true;
                }
            } else if let Some(words) = self.erasure.texts.get(&at).cloned()
                && self.is_due(PlantedBug::RememberedWords)
            {
                entry.content = words;
                is_forged = true;
            }
        }
        is_forged.then(|| accepted(word, |out| chat::Answer::from(page).encode(out)))
    }

    fn forge_people(&mut self, word: Word<'_>) -> Option<Vec<u8>> {
        let Ok(presence::Answer::Presences(page)) =
            presence::Answer::decode(word.0, word.1, word.2)
        else {
            return None;
        };
        let is_there = |user| page.people.iter().any(|view| view.user == user);
        let last = page.people.last().map(|view| view.user);
        // Whoever would stand on this page and does not is no more.
        let gone = |view: &&presence::PresenceView| Some(view.user) < last && !is_there(view.user);
        let has_lost = self.erasure.people.iter().find(gone).cloned();
        self.erasure.people.clone_from(&page.people);
        let lost = has_lost.filter(|_| self.is_due(PlantedBug::LingeringPerson))?;
        let mut people = page.people;
        people.push(lost);
        people.sort_unstable_by_key(|view| view.user);
        let forged = presence::Answer::from(presence::Presences { people });
        Some(accepted(word, |out| forged.encode(out)))
    }
}

#[cfg(test)]
mod tests {
    use protocol::{Key, Outcome, Seq, UserId};

    use super::*;

    /// What is told in the place of this answer, by a server that was asked for it before.
    fn told(tamper: &mut Tamper, honest: &[u8], kind: (Kind, u8)) -> Option<Vec<u8>> {
        tamper.forge_erased((kind.0, kind.1, honest))
    }

    fn page(texts: &[&str]) -> chat::Answer {
        let entry = |(index, text): (u64, &&str)| chat::StoredEntry {
            seq: Seq(index),
            entry: chat::Entry {
                conversation: 3,
                index,
                author: UserId(index),
                recorded_at: 0,
                key: Key([0; 16]),
                content: Content::Text((*text).into()),
            },
        };
        let entries = (1..).zip(texts).map(entry).collect();
        chat::Answer::from(chat::History { entries })
    }

    /// The texts shown of each of these pages, one asked for after the other.
    fn texts(bug: PlantedBug, pages: &[&[&str]]) -> Vec<Vec<String>> {
        let mut tamper = Tamper::new(Some(bug));
        let show = |texts: &&[&str]| {
            let (honest, mut body) = (page(texts), Vec::new());
            honest.encode(&mut body);
            let Some(forged) = told(&mut tamper, &body, honest.kind()) else {
                return texts.iter().map(|text| (*text).to_owned()).collect();
            };
            let Ok(Outcome::Accepted { kind, schema, body }) = Outcome::decode(&forged) else {
                panic!("accepted");
            };
            let Ok(chat::Answer::History(page)) = chat::Answer::decode(kind, schema, body) else {
                panic!("a page");
            };
            let text = |stored: &chat::StoredEntry| match &stored.entry.content {
                Content::Text(text) => text.text().expect("readable").to_owned(),
                other => panic!("a text: {other:?}"),
            };
            page.entries.iter().map(text).collect()
        };
        pages.iter().map(show).collect()
    }

    #[test]
    fn words_come_back_that_somebody_was_shown_before_and_no_others() {
        let pages: Vec<&[&str]> = vec![&["one", "two", ""], &["", "two", ""], &["", "", ""]];
        let shown = texts(PlantedBug::RememberedWords, &pages);
        // The first of these opportunities is not taken, nor the second, but the third.
        assert_eq!(
            shown,
            [["one", "two", ""], ["", "two", ""], ["", "two", ""]]
        );
    }

    #[test]
    fn words_go_that_nobody_took_back() {
        let pages = vec![&["one"][..]; 100];
        let shown = texts(PlantedBug::WipedWords, &pages);
        assert_eq!(shown.iter().filter(|texts| texts[0].is_empty()).count(), 2);
    }

    #[test]
    fn somebody_stays_on_the_list_of_people() {
        let list = |users: &[u64]| {
            let view = |user: &u64| presence::PresenceView {
                user: UserId(*user),
                name: String::new(),
                online: true,
                last_seen: 1,
            };
            presence::Answer::from(presence::Presences {
                people: users.iter().map(view).collect(),
            })
        };
        let mut tamper = Tamper::new(Some(PlantedBug::LingeringPerson));
        let mut forged = Vec::new();
        for users in [&[1, 2, 3, 9][..], &[2, 3, 9], &[3, 9], &[9], &[9]] {
            let (honest, mut body) = (list(users), Vec::new());
            honest.encode(&mut body);
            forged.push(told(&mut tamper, &body, honest.kind()).is_some());
        }
        assert_eq!(forged, [false, false, false, true, false]);
    }
}
