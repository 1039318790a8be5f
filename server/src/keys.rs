//! The idempotency table: which key was used for what, and where.
//!
//! A command's key and digest go in with its position; a retry finds the position, and a key that
//! is used for another command is found out. Filled while the log is replayed, so it survives
//! restarts. Deliberately absent: answers (they are in the log, at the position).

use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;
use protocol::{Key, Kind, Seq, UserId};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{
    index::Index,
    keyring::Keyring,
    pieces::Pieces,
    snapshot::{Saved, SectionReader, SectionWriter, Unsound},
};

/// Commands for which a retry is recognised: at least this many of the newest. At a sustained
/// 100,000 a second that is over a minute, at 1,000 a second over two hours; a client that gives up
/// a command must do so earlier. A bound, because every key costs some 50 bytes of memory.
pub const KEYS_RETAINED_MIN: usize = 8 * 1024 * 1024;

/// Bytes of a key in a snapshot.
const KEY_BYTES: usize = 16 + 8 + 8;

/// What a key was used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    /// Where its record is.
    pub seq: Seq,
    /// [`digest`] of the command.
    pub digest: u64,
}

/// The keys of the newest commands, in two generations: when the young one is full it becomes the
/// old one and the old one is forgotten.
#[derive(Debug)]
pub struct KeyTable {
    young: Generation,
    old: Generation,
    capacity: usize,
}

impl Default for KeyTable {
    fn default() -> Self {
        Self {
            young: Generation::default(),
            old: Generation::default(),
            capacity: KEYS_RETAINED_MIN,
        }
    }
}

impl KeyTable {
    /// Makes room for this many more keys at once, so that filling the table moves nothing.
    pub fn reserve(&mut self, keys: usize) {
        self.young.index.reserve(keys.min(self.capacity));
    }

    /// Asks for the memory in which `key` is looked for.
    pub fn prefetch(&self, actor: UserId, key: Key) {
        self.young.index.prefetch(hash((actor, key)));
    }

    /// What `key` was used for by `actor`, if it was.
    ///
    /// # Errors
    /// Where it would be noted, if it was not.
    pub fn find(&self, actor: UserId, key: Key) -> Result<Use, Vacancy> {
        let owned = (actor, key);
        let hash = hash(owned);
        self.young
            .find(hash, owned)
            .or_else(|| self.old.find(hash, owned))
            .ok_or(Vacancy { hash })
    }

    /// Notes what `key` was used for.
    ///
    /// # Panics
    /// If a position was left out.
    pub fn insert(&mut self, actor: UserId, key: Key, used: Use) {
        let owned = (actor, key);
        let older = self.young.index_of(hash(owned), owned);
        self.put(hash(owned), older, owned, used);
    }

    /// As [`KeyTable::insert`], of the key that was just looked for in vain.
    ///
    /// # Panics
    /// As that.
    pub fn insert_new(&mut self, vacancy: Vacancy, actor: UserId, key: Key, used: Use) {
        debug_assert_eq!(vacancy.hash, hash((actor, key)), "of another key");
        self.put(vacancy.hash, None, (actor, key), used);
    }

    fn put(&mut self, hash: u64, older: Option<u32>, owned: OwnedKey, used: Use) {
        self.young.insert(hash, older, owned, used);
        if self.young.keys.len() == self.capacity {
            self.old = std::mem::take(&mut self.young);
        }
    }
}

/// A key that was not used before, as of when it was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vacancy {
    hash: u64,
}

impl Saved for KeyTable {
    fn save(&self, out: &mut SectionWriter<'_>, _keyring: &Keyring) {
        let Self {
            young,
            old,
            capacity,
        } = self;
        out.u64(witness());
        out.count(*capacity);
        old.save(out);
        young.save(out);
    }

    fn load(&mut self, from: &mut SectionReader<'_>, _keyring: &Keyring) -> Result<(), Unsound> {
        if from.u64()? != witness() || from.count(0)? != self.capacity {
            return Err(from.lacks("a table of this version"));
        }
        self.old = Generation::load(from)?;
        self.young = Generation::load(from)?;
        Ok(())
    }
}

/// What a saved table was hashed with: another version of that finds nothing in it.
fn witness() -> u64 {
    FixedState::default().hash_one((1_u64, 2_u128))
}

/// A key and whose it is: everybody's keys are their own.
type OwnedKey = (UserId, Key);

/// Keys by position, and where to look for them.
///
/// What every command looks through, and hardly ever finds its key in, is small. The keys stand in
/// the order of their positions, where writing is cheap, and are read only to be sure of a key that
/// seems to be there.
#[derive(Debug, Default)]
struct Generation {
    /// The position of the first key.
    first: Seq,
    keys: Pieces<(OwnedKey, u64)>,
    index: Index,
}

impl Generation {
    fn find(&self, hash: u64, owned: OwnedKey) -> Option<Use> {
        let index = self.index_of(hash, owned)?;
        let (_, digest) = self.key_at(index)?;
        Some(Use {
            seq: Seq(self.first.0 + u64::from(index)),
            digest: *digest,
        })
    }

    /// Notes a key, which has the place `older` if it is there already.
    fn insert(&mut self, hash: u64, older: Option<u32>, owned: OwnedKey, used: Use) {
        if self.keys.len() == 0 {
            self.first = used.seq;
        }
        let index = u32::try_from(self.keys.len()).expect("a generation is bounded");
        assert_eq!(
            self.first.0 + u64::from(index),
            used.seq.0,
            "keys are noted in order"
        );
        match older {
            Some(older) => self.index.relocate(hash, older, index),
            None => self.index.insert(hash, index),
        }
        self.keys.push((owned, used.digest));
    }

    fn save(&self, out: &mut SectionWriter<'_>) {
        let Self { first, keys, index } = self;
        out.u64(first.0);
        out.count(keys.len());
        for ((actor, key), digest) in keys.iter() {
            out.array(&key.0);
            out.u64(actor.0);
            out.u64(*digest);
        }
        index.save(out);
    }

    fn load(from: &mut SectionReader<'_>) -> Result<Self, Unsound> {
        let first = Seq(from.u64()?);
        let mut keys = Pieces::default();
        let count = from.count(KEY_BYTES)?;
        from.rows(count, |row: &[u8; KEY_BYTES]| keys.push(key_of(row)))?;
        let index = Index::load(from)?;
        Ok(Self { first, keys, index })
    }

    fn index_of(&self, hash: u64, owned: OwnedKey) -> Option<u32> {
        self.index.find(hash, |index| {
            self.key_at(index).is_some_and(|(key, _)| *key == owned)
        })
    }

    fn key_at(&self, index: u32) -> Option<&(OwnedKey, u64)> {
        self.keys.get(usize::try_from(index).ok()?)
    }
}

/// The key that was saved as this, and its digest.
fn key_of(row: &[u8; KEY_BYTES]) -> (OwnedKey, u64) {
    let (eights, _) = row.as_chunks();
    let [low, high, actor, digest] = [0, 1, 2, 3].map(|nth| u64::from_le_bytes(eights[nth]));
    let key = u128::from(high) << 64 | u128::from(low);
    ((UserId(actor), Key(key.to_le_bytes())), digest)
}

/// Keys are chosen by clients, well or badly; every byte takes part so that a counter spreads.
fn hash((actor, key): OwnedKey) -> u64 {
    FixedState::default().hash_one((actor.0, u128::from_le_bytes(key.0)))
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

    #[test]
    fn a_key_belongs_to_its_person() {
        let mut keys = KeyTable::default();
        let used = |seq| Use {
            seq: Seq(seq),
            digest: seq,
        };
        keys.insert(UserId(1), key(7), used(1));
        keys.insert(UserId(2), key(7), used(2));
        assert_eq!(keys.find(UserId(1), key(7)), Ok(used(1)));
        assert_eq!(keys.find(UserId(2), key(7)), Ok(used(2)));
        assert!(keys.find(UserId(3), key(7)).is_err());
        let vacancy = keys.find(UserId(1), key(8)).expect_err("nobody used it");
        keys.insert_new(vacancy, UserId(1), key(8), used(3));
        assert_eq!(keys.find(UserId(1), key(8)), Ok(used(3)));
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
            let mut used = [[0; 256]; 8];
            for number in 0..=u16::MAX {
                let mut key = Key::default();
                let [low, high] = number.to_le_bytes();
                (key.0[place], key.0[(place + 3) % 16]) = (low, high);
                for (byte, used) in hash((UserId(1), key)).to_le_bytes().iter().zip(&mut used) {
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
        let mut generation = Generation {
            first: Seq(1),
            ..Generation::default()
        };
        let alike = 3 << 32 | 7;
        for (index, number) in [(0, 1), (1, 2)] {
            generation.keys.push(((UserId(1), key(number)), number));
            generation.index.insert(alike, index);
        }
        let seq_of = |number| {
            let found = generation.find(alike, (UserId(1), key(number)));
            found.map(|used| used.seq.0)
        };
        assert_eq!([1, 2, 3].map(seq_of), [Some(1), Some(2), None]);
    }

    #[test]
    fn a_key_that_is_used_again_stands_for_its_newest_command() {
        let mut keys = KeyTable::default();
        for seq in [5, 6] {
            let used = Use {
                seq: Seq(seq),
                digest: seq,
            };
            keys.insert(UserId(1), key(1), used);
            assert_eq!(keys.find(UserId(1), key(1)), Ok(used));
        }
    }

    #[test]
    fn the_newest_keys_outlive_a_generation_and_the_oldest_do_not() {
        let mut keys = KeyTable {
            capacity: 100,
            ..KeyTable::default()
        };
        for number in 1..=250 {
            let used = Use {
                seq: Seq(number),
                digest: number,
            };
            keys.insert(UserId(1), key(number), used);
        }
        for number in 1..=250 {
            let found = keys.find(UserId(1), key(number)).ok().map(|used| used.seq);
            assert_eq!(found, (100 < number).then_some(Seq(number)));
        }
    }
}
