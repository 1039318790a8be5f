//! The idempotency table: which key was used for what, and where.
//!
//! Keys go in with their positions as commands are decided or replayed; a retry finds the position, and
//! a key that is used for another command is found out. A key and its command stand in the log, at that
//! position: what is kept here is where to look. Only of records that are not durable yet, and cannot be
//! read there, the keys themselves are kept. Deliberately absent: reading the log, answers.

use std::{collections::VecDeque, hash::BuildHasher as _};

use foldhash::fast::FixedState;
use protocol::{Key, Kind, Seq, UserId};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{
    index::Index,
    keyring::Keyring,
    snapshot::{Saved, SectionReader, SectionWriter, Unsound},
};

/// Commands for which a retry is recognised: at least this many of the newest. At a sustained
/// 100,000 a second that is over a minute, at 1,000 a second over two hours; a client that gives up
/// a command must do so earlier. A bound, because every key costs some 14 bytes of memory.
pub const KEYS_RETAINED_MIN: usize = 8 * 1024 * 1024;

/// What a key was used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    /// Where its record is.
    pub seq: Seq,
    /// [`digest`] of the command.
    pub digest: u64,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It was not used.
    New(Vacancy),
    /// It was used for this, which is not durable yet.
    Used(Use),
    /// If it was used, then at one of these durable positions, the newest first; the log knows. Of keys that
    /// were never used, one in a hundred thousand is taken for another one.
    Unsure(Vec<Seq>),
}

/// A key that was not used before, as of when it was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vacancy {
    hash: u64,
}

/// Where the newest commands stand, by their keys, in two generations: when the young one is full it
/// becomes the old one and the old one is forgotten.
#[derive(Debug)]
pub struct KeyTable {
    young: Generation,
    old: Generation,
    capacity: usize,
    /// What keys are hashed with: a client that knew it could choose keys which are all taken for
    /// one another.
    seed: u64,
    /// The keys of records that are not durable, and the digests of their commands, in order.
    fresh: VecDeque<(OwnedKey, u64)>,
    /// The position of the first of them.
    fresh_from: Seq,
}

impl KeyTable {
    /// No keys. Nobody must be able to guess `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            young: Generation::default(),
            old: Generation::default(),
            capacity: KEYS_RETAINED_MIN,
            seed,
            fresh: VecDeque::new(),
            fresh_from: Seq::START,
        }
    }

    /// Makes room for this many more keys at once, so that filling the table moves nothing.
    pub fn reserve(&mut self, keys: usize) {
        self.young.index.reserve(keys.min(self.capacity));
    }

    /// Asks for the memory in which `key` is looked for.
    pub fn prefetch(&self, actor: UserId, key: Key) {
        self.young.index.prefetch(self.hash((actor, key)));
    }

    /// What is known of `key`, in the hands of `actor`.
    #[must_use]
    pub fn find(&self, actor: UserId, key: Key) -> Found {
        let hash = self.hash((actor, key));
        let mut seqs = Vec::new();
        self.young.for_each_alike(hash, |seq| seqs.push(seq));
        self.old.for_each_alike(hash, |seq| seqs.push(seq));
        if seqs.is_empty() {
            return Found::New(Vacancy { hash });
        }
        self.tell_apart((actor, key), seqs, hash)
    }

    /// Notes what `key` was used for.
    ///
    /// # Panics
    /// If a position was left out.
    pub fn insert(&mut self, actor: UserId, key: Key, used: Use) {
        let hash = self.hash((actor, key));
        self.insert_new(Vacancy { hash }, actor, key, used);
    }

    /// As [`KeyTable::insert`], of the key that was just looked for in vain.
    ///
    /// # Panics
    /// As that.
    pub fn insert_new(&mut self, vacancy: Vacancy, actor: UserId, key: Key, used: Use) {
        let owned = (actor, key);
        debug_assert_eq!(vacancy.hash, self.hash(owned), "of another key");
        self.young.insert(vacancy.hash, used.seq);
        if self.young.len == self.capacity {
            self.old = std::mem::take(&mut self.young);
        }
        if self.fresh.is_empty() {
            self.fresh_from = used.seq;
        }
        self.fresh.push_back((owned, used.digest));
    }

    /// Everything up to and with `durable` can be read in the log.
    pub fn settle(&mut self, durable: Seq) {
        let count = durable.next().0.saturating_sub(self.fresh_from.0);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.fresh.drain(..count.min(self.fresh.len()));
        self.fresh_from = self.fresh_from.max(durable.next());
    }

    /// Keys that look like this one stand at these positions.
    #[cold]
    fn tell_apart(&self, owned: OwnedKey, mut seqs: Vec<Seq>, hash: u64) -> Found {
        seqs.sort_unstable_by(|one, other| other.cmp(one));
        let fresh = |seq: Seq| {
            let index = usize::try_from(seq.0.checked_sub(self.fresh_from.0)?).ok()?;
            self.fresh.get(index)
        };
        for seq in &seqs {
            if let Some((_, digest)) = fresh(*seq).filter(|(key, _)| *key == owned) {
                let (seq, digest) = (*seq, *digest);
                return Found::Used(Use { seq, digest });
            }
        }
        seqs.retain(|seq| fresh(*seq).is_none());
        if seqs.is_empty() {
            return Found::New(Vacancy { hash });
        }
        Found::Unsure(seqs)
    }

    /// Keys are chosen by clients, well or badly; every byte takes part so that a counter spreads.
    fn hash(&self, (actor, key): OwnedKey) -> u64 {
        FixedState::with_seed(self.seed).hash_one((actor.0, u128::from_le_bytes(key.0)))
    }

    /// What a saved table was hashed with: another version of that finds nothing in it.
    fn witness(&self) -> u64 {
        self.hash((UserId(1), Key([2; 16])))
    }
}

impl Saved for KeyTable {
    fn save(&self, out: &mut SectionWriter<'_>, _keyring: &Keyring) {
        let Self {
            young,
            old,
            capacity,
            seed,
            // A snapshot is of what is durable.
            fresh: _,
            fresh_from: _,
        } = self;
        out.u64(*seed);
        out.u64(self.witness());
        out.count(*capacity);
        old.save(out);
        young.save(out);
    }

    fn load(&mut self, from: &mut SectionReader<'_>, _keyring: &Keyring) -> Result<(), Unsound> {
        *self = Self::new(from.u64()?);
        if from.u64()? != self.witness() || from.count(0)? != self.capacity {
            return Err(from.lacks("a table of this version"));
        }
        self.old = Generation::load(from)?;
        self.young = Generation::load(from)?;
        Ok(())
    }
}

/// A key and whose it is: everybody's keys are their own.
type OwnedKey = (UserId, Key);

/// Where records stand, by what their keys look like.
#[derive(Debug, Default)]
struct Generation {
    /// The position of the first.
    first: Seq,
    len: usize,
    /// Of places counted from the first.
    index: Index,
}

impl Generation {
    fn for_each_alike(&self, hash: u64, mut visit: impl FnMut(Seq)) {
        self.index.find(hash, |place| {
            if usize::try_from(place).is_ok_and(|place| place < self.len) {
                visit(Seq(self.first.0 + u64::from(place)));
            }
            false
        });
    }

    fn insert(&mut self, hash: u64, seq: Seq) {
        if self.len == 0 {
            self.first = seq;
        }
        let place = u32::try_from(self.len).expect("a generation is bounded");
        let expected = self.first.0 + u64::from(place);
        assert_eq!(expected, seq.0, "keys are noted in order");
        self.index.insert(hash, place);
        self.len += 1;
    }

    fn save(&self, out: &mut SectionWriter<'_>) {
        let Self { first, len, index } = self;
        out.u64(first.0);
        out.count(*len);
        index.save(out);
    }

    fn load(from: &mut SectionReader<'_>) -> Result<Self, Unsound> {
        Ok(Self {
            first: Seq(from.u64()?),
            len: from.count(0)?,
            index: Index::load(from)?,
        })
    }
}

/// What tells one command from another under the same key.
#[must_use]
#[inline]
pub fn digest(kind: Kind, schema: u8, body: &[u8]) -> u64 {
    xxh3_64_with_seed(body, u64::from(kind.0) << 8 | u64::from(schema))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Key {
        Key(u128::from(number).to_be_bytes())
    }

    fn table() -> KeyTable {
        KeyTable::new(7)
    }

    fn used(seq: u64) -> Use {
        Use {
            seq: Seq(seq),
            digest: seq + 1_000,
        }
    }

    #[test]
    fn a_key_belongs_to_its_person() {
        let mut keys = table();
        keys.insert(UserId(1), key(7), used(1));
        keys.insert(UserId(2), key(7), used(2));
        assert_eq!(keys.find(UserId(1), key(7)), Found::Used(used(1)));
        assert_eq!(keys.find(UserId(2), key(7)), Found::Used(used(2)));
        assert!(matches!(keys.find(UserId(3), key(7)), Found::New(_)));
        let Found::New(vacancy) = keys.find(UserId(1), key(8)) else {
            panic!("nobody used it");
        };
        keys.insert_new(vacancy, UserId(1), key(8), used(3));
        assert_eq!(keys.find(UserId(1), key(8)), Found::Used(used(3)));
    }

    #[test]
    fn what_is_durable_is_to_be_looked_for_in_the_log() {
        let mut keys = table();
        for seq in 1..=9 {
            keys.insert(UserId(1), key(seq), used(seq));
        }
        keys.settle(Seq(4));
        for seq in 1..=9 {
            let expected = match seq {
                1..=4 => Found::Unsure(vec![Seq(seq)]),
                _ => Found::Used(used(seq)),
            };
            assert_eq!(keys.find(UserId(1), key(seq)), expected);
        }
        keys.settle(Seq(20));
        keys.insert(UserId(1), key(10), used(10));
        assert_eq!(keys.find(UserId(1), key(10)), Found::Used(used(10)));
        assert_eq!(keys.find(UserId(1), key(9)), Found::Unsure(vec![Seq(9)]));
    }

    #[test]
    fn a_command_is_told_from_any_other() {
        let one = digest(Kind::new(2, 2), 1, b"body");
        assert_eq!(one, digest(Kind::new(2, 2), 1, b"body"));
        for other in [
            digest(Kind::new(2, 3), 1, b"body"),
            digest(Kind::new(3, 2), 1, b"body"),
            digest(Kind::new(2, 2), 2, b"body"),
            digest(Kind::new(2, 2), 1, b"bodz"),
            digest(Kind::new(2, 2), 1, b"body\0"),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn counting_keys_have_hashes_that_differ_in_every_byte() {
        for place in [0, 7, 8, 15] {
            let keys = table();
            let mut used = [[0; 256]; 8];
            for number in 0..=u16::MAX {
                let mut key = Key::default();
                let [low, high] = number.to_le_bytes();
                (key.0[place], key.0[(place + 3) % 16]) = (low, high);
                for (byte, used) in keys
                    .hash((UserId(1), key))
                    .to_le_bytes()
                    .iter()
                    .zip(&mut used)
                {
                    used[usize::from(*byte)] += 1;
                }
            }
            // 256 of each are expected; 100 more is six times the usual deviation.
            let mut used = used.as_flattened().iter();
            assert!(used.all(|used| (156..356).contains(used)), "byte {place}");
        }
    }

    #[test]
    fn keys_that_look_alike_are_told_apart() {
        let mut keys = table();
        let alike = keys.hash((UserId(1), key(3)));
        for (seq, number) in [(1, 1), (2, 2), (3, 3), (4, 1)] {
            keys.young.insert(alike, Seq(seq));
            keys.fresh
                .push_back(((UserId(1), key(number)), 1_000 + seq));
        }
        keys.fresh_from = Seq(1);
        assert_eq!(keys.find(UserId(1), key(3)), Found::Used(used(3)));
        let tell_apart = |keys: &KeyTable, number| {
            let all = [1, 2, 3, 4].map(Seq).to_vec();
            keys.tell_apart((UserId(1), key(number)), all, alike)
        };
        // The newest of one that was used again.
        assert_eq!(tell_apart(&keys, 1), Found::Used(used(4)));
        let vacancy = Vacancy { hash: alike };
        assert_eq!(tell_apart(&keys, 9), Found::New(vacancy));
        keys.settle(Seq(2));
        assert_eq!(tell_apart(&keys, 1), Found::Used(used(4)));
        assert_eq!(tell_apart(&keys, 2), Found::Unsure(vec![Seq(2), Seq(1)]));
    }

    #[test]
    fn tables_with_other_seeds_take_other_keys_for_one_another() {
        let (one, other) = (KeyTable::new(1), KeyTable::new(2));
        let hash = |keys: &KeyTable| keys.hash((UserId(1), key(1)));
        assert_ne!(hash(&one), hash(&other));
        let again = crate::snapshot::tests::reloaded_into(&one, other);
        assert_eq!(hash(&again), hash(&one));
    }

    #[test]
    fn the_newest_keys_outlive_a_generation_and_the_oldest_do_not() {
        let mut keys = KeyTable {
            capacity: 100,
            ..table()
        };
        for number in 1..=250 {
            keys.insert(UserId(1), key(number), used(number));
        }
        keys.settle(Seq(250));
        for number in 1..=250 {
            let found = keys.find(UserId(1), key(number));
            if number <= 100 {
                assert!(matches!(found, Found::New(_)), "{number}: {found:?}");
            } else {
                assert_eq!(found, Found::Unsure(vec![Seq(number)]));
            }
        }
    }
}
