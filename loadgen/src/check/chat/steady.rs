//! What was told of things that never fall, in as few words as say all of it.
//!
//! Two words that say the same say it of everything that lies between them too: where the log agrees
//! with both, it agrees with all. So of each run of equal words the first and the last come out, to
//! be compared with the log, and those between are counted only. What everybody is told of one thing
//! over hours then takes as much room as its changes do. Deliberately absent: what is right.

use std::{collections::BTreeMap, hash::Hash};

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::check::finding::OperationId;

/// What somebody was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word<V> {
    /// Where it is so.
    pub(crate) seq: u64,
    /// By which operation, or to which client.
    pub(crate) by: OperationId,
    pub(crate) value: V,
}

/// Equal words.
#[derive(Debug, Clone, Copy)]
struct Run<V> {
    first: Word<V>,
    last: Word<V>,
}

/// The run of the newest words, and the one before it: clients are not told at one instant.
#[derive(Debug, Clone, Copy)]
struct Runs<V> {
    newest: Run<V>,
    before: Option<Run<V>>,
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Steady<K, V> {
    runs: HashMap<K, Runs<V>, FixedState>,
    pub(crate) told: u64,
}

impl<K: Ord + Hash + Copy, V: PartialEq + Copy> Steady<K, V> {
    pub(crate) const fn new() -> Self {
        Self {
            runs: HashMap::with_hasher(FixedState::with_seed(0)),
            told: 0,
        }
    }

    /// Somebody was told this of a thing. What must be compared because of it.
    pub(crate) fn note(
        &mut self,
        of: K,
        word: Word<V>,
    ) -> impl Iterator<Item = Word<V>> + use<K, V> {
        self.told += 1;
        let (ended, new) = match self.runs.get_mut(&of) {
            Some(runs) => runs.note(word),
            None => {
                let newest = Run::of(word);
                self.runs.insert(
                    of,
                    Runs {
                        newest,
                        before: None,
                    },
                );
                (None, Some(word))
            }
        };
        ended.into_iter().chain(new)
    }

    /// Nothing more is told: the last words, which must be compared too, by what they are of.
    pub(crate) fn finish(&mut self) -> Vec<(K, Word<V>)> {
        let none = HashMap::with_hasher(FixedState::with_seed(0));
        let runs = std::mem::replace(&mut self.runs, none);
        let lasts = runs.into_iter().map(|(of, runs)| (of, runs.newest.end()));
        let sorted: BTreeMap<K, Option<Word<V>>> = lasts.collect();
        let known = |(of, last): (K, Option<Word<V>>)| Some((of, last?));
        sorted.into_iter().filter_map(known).collect()
    }
}

impl<V: PartialEq + Copy> Runs<V> {
    /// The last word of a run that is over, and a word that no run explains.
    fn note(&mut self, word: Word<V>) -> (Option<Word<V>>, Option<Word<V>>) {
        let newest = &mut self.newest;
        if newest.has(&word) || self.before.is_some_and(|before| before.has(&word)) {
            return (None, None);
        }
        if newest.last.seq < word.seq {
            if newest.last.value == word.value {
                newest.last = word;
                return (None, None);
            }
            let ended = newest.end();
            self.before = Some(std::mem::replace(newest, Run::of(word)));
            return (ended, Some(word));
        }
        if newest.last.value == word.value {
            newest.first = word;
        }
        (None, Some(word))
    }
}

impl<V: PartialEq + Copy> Run<V> {
    const fn of(word: Word<V>) -> Self {
        Self {
            first: word,
            last: word,
        }
    }

    /// Whether this word lies between two that say the same.
    fn has(&self, word: &Word<V>) -> bool {
        self.last.value == word.value && self.first.seq <= word.seq && word.seq <= self.last.seq
    }

    /// The last word, if it is another one than the first.
    fn end(&self) -> Option<Word<V>> {
        (self.first.seq != self.last.seq).then_some(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The positions that must be compared when these words (position, value) come in this order.
    fn compared(words: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let mut steady = Steady::new();
        let mut compared = Vec::new();
        for (seq, value) in words.iter().copied() {
            let by = (0, 0);
            let kept = steady.note((), Word { seq, by, value });
            compared.extend(kept.map(|word| (word.seq, word.value)));
        }
        let last = steady.finish().into_iter();
        compared.extend(last.map(|((), word)| (word.seq, word.value)));
        compared.sort_unstable();
        // What came before the first of its run is compared twice, which does no harm.
        compared.dedup();
        compared
    }

    #[test]
    fn of_equal_words_the_first_and_the_last_are_compared() {
        assert_eq!(compared(&[(1, 5)]), [(1, 5)]);
        assert_eq!(
            compared(&[(1, 5), (2, 5), (3, 5), (9, 5)]),
            [(1, 5), (9, 5)]
        );
        let risen = [(1, 5), (4, 5), (6, 7), (8, 7)];
        assert_eq!(compared(&risen), risen);
    }

    #[test]
    fn a_word_that_comes_late_is_compared_unless_its_run_is_known() {
        let late = [(1, 5), (4, 5), (6, 7), (3, 5), (8, 7), (7, 7)];
        assert_eq!(compared(&late), [(1, 5), (4, 5), (6, 7), (8, 7)]);
        assert_eq!(compared(&[(4, 5), (2, 5), (3, 5)]), [(2, 5), (4, 5)]);
        assert_eq!(
            compared(&[(4, 5), (2, 9)]),
            [(2, 9), (4, 5)],
            "a lie is kept"
        );
        assert_eq!(
            compared(&[(4, 5), (9, 5), (6, 9)]),
            [(4, 5), (6, 9), (9, 5)]
        );
    }
}
