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

/// Small tables that grow one at a time: growing one big table would stop the engine for as long
/// as moving millions of entries takes.
const SHARDS: usize = 256;

/// Bytes of a key in a snapshot.
const KEY_BYTES: usize = 8 + 16 + 8;

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
        let each = keys.min(self.capacity) / SHARDS;
        for shard in &mut self.young.shards {
            // A little over, because keys do not spread quite evenly.
            shard.reserve(each + each / 8);
        }
    }

    /// Asks for the memory in which `key` is looked for.
    pub fn prefetch(&self, actor: UserId, key: Key) {
        let fingerprint = Fingerprint::of((actor, key));
        self.young.shards[fingerprint.shard].prefetch(fingerprint.hash);
    }

    /// What `key` was used for by `actor`, if it was.
    #[must_use]
    pub fn find(&self, actor: UserId, key: Key) -> Option<Use> {
        let owned = (actor, key);
        let fingerprint = Fingerprint::of(owned);
        self.young
            .find(fingerprint, owned)
            .or_else(|| self.old.find(fingerprint, owned))
    }

    /// Notes what `key` was used for.
    ///
    /// # Panics
    /// If a position was left out.
    pub fn insert(&mut self, actor: UserId, key: Key, used: Use) {
        self.young.insert((actor, key), used);
        if self.young.keys.len() == self.capacity {
            self.old = std::mem::take(&mut self.young);
        }
    }
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
#[derive(Debug)]
struct Generation {
    /// The position of the first key.
    first: Seq,
    keys: Pieces<(OwnedKey, u64)>,
    shards: Vec<Index>,
}

impl Default for Generation {
    fn default() -> Self {
        Self {
            first: Seq::START,
            keys: Pieces::default(),
            shards: vec![Index::default(); SHARDS],
        }
    }
}

impl Generation {
    fn find(&self, fingerprint: Fingerprint, owned: OwnedKey) -> Option<Use> {
        let index = self.index_of(fingerprint, owned)?;
        let (_, digest) = self.key_at(index)?;
        Some(Use {
            seq: Seq(self.first.0 + u64::from(index)),
            digest: *digest,
        })
    }

    fn insert(&mut self, owned: OwnedKey, used: Use) {
        if self.keys.len() == 0 {
            self.first = used.seq;
        }
        let index = u32::try_from(self.keys.len()).expect("a generation is bounded");
        assert_eq!(
            self.first.0 + u64::from(index),
            used.seq.0,
            "keys are noted in order"
        );
        let fingerprint = Fingerprint::of(owned);
        let older = self.index_of(fingerprint, owned);
        let shard = &mut self.shards[fingerprint.shard];
        match older {
            Some(older) => shard.relocate(fingerprint.hash, older, index),
            None => shard.insert(fingerprint.hash, index),
        }
        self.keys.push((owned, used.digest));
    }

    fn save(&self, out: &mut SectionWriter<'_>) {
        let Self {
            first,
            keys,
            shards,
        } = self;
        out.u64(first.0);
        out.count(keys.len());
        for ((actor, key), digest) in keys.iter() {
            out.u64(actor.0);
            out.array(&key.0);
            out.u64(*digest);
        }
        for shard in shards {
            shard.save(out);
        }
    }

    fn load(from: &mut SectionReader<'_>) -> Result<Self, Unsound> {
        let first = Seq(from.u64()?);
        let mut keys = Pieces::default();
        for _ in 0..from.count(KEY_BYTES)? {
            let owned = (UserId(from.u64()?), Key(from.array()?));
            keys.push((owned, from.u64()?));
        }
        let shards = (0..SHARDS)
            .map(|_| Index::load(from))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            first,
            keys,
            shards,
        })
    }

    fn index_of(&self, fingerprint: Fingerprint, owned: OwnedKey) -> Option<u32> {
        self.shards[fingerprint.shard].find(fingerprint.hash, |index| {
            self.key_at(index).is_some_and(|(key, _)| *key == owned)
        })
    }

    fn key_at(&self, index: u32) -> Option<&(OwnedKey, u64)> {
        self.keys.get(usize::try_from(index).ok()?)
    }
}

/// What the hash of a key says: which shard, and where to look there.
#[derive(Debug, Clone, Copy)]
struct Fingerprint {
    shard: usize,
    hash: u32,
}

impl Fingerprint {
    /// Keys are chosen by clients, well or badly; every byte takes part so that a counter spreads.
    fn of((actor, key): OwnedKey) -> Self {
        let hash = FixedState::default().hash_one((actor.0, u128::from_le_bytes(key.0)));
        let [a, b, c, d, shard, ..] = hash.to_le_bytes();
        Self {
            shard: usize::from(shard) % SHARDS,
            hash: u32::from_le_bytes([a, b, c, d]),
        }
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

    #[test]
    fn a_key_belongs_to_its_person() {
        let mut keys = KeyTable::default();
        let used = |seq| Use {
            seq: Seq(seq),
            digest: seq,
        };
        keys.insert(UserId(1), key(7), used(1));
        keys.insert(UserId(2), key(7), used(2));
        assert_eq!(keys.find(UserId(1), key(7)), Some(used(1)));
        assert_eq!(keys.find(UserId(2), key(7)), Some(used(2)));
        assert_eq!(keys.find(UserId(3), key(7)), None);
        assert_eq!(keys.find(UserId(1), key(8)), None);
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
    fn counting_keys_spread_over_the_shards() {
        for place in [0, 7, 8, 15] {
            let mut used = [0; SHARDS];
            for number in 0..=u16::MAX {
                let mut key = Key::default();
                let [low, high] = number.to_le_bytes();
                (key.0[place], key.0[(place + 3) % 16]) = (low, high);
                used[Fingerprint::of((UserId(1), key)).shard] += 1;
            }
            // 256 of each are expected; 100 more is six times the usual deviation.
            assert!(
                used.iter().all(|used| (156..356).contains(used)),
                "byte {place}"
            );
        }
    }

    #[test]
    fn keys_that_look_alike_are_told_apart() {
        let mut generation = Generation {
            first: Seq(1),
            ..Generation::default()
        };
        let alike = Fingerprint { shard: 3, hash: 7 };
        for (index, number) in [(0, 1), (1, 2)] {
            generation.keys.push(((UserId(1), key(number)), number));
            generation.shards[alike.shard].insert(alike.hash, index);
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
            assert_eq!(keys.find(UserId(1), key(1)), Some(used));
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
            let found = keys.find(UserId(1), key(number)).map(|used| used.seq);
            assert_eq!(found, (100 < number).then_some(Seq(number)));
        }
    }
}
