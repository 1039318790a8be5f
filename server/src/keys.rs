//! The idempotency table: which key was used for what, and where.
//!
//! A command's key and digest go in with its position; a retry finds the position, and a key that
//! is used for another command is found out. Filled while the log is replayed, so it survives
//! restarts. Deliberately absent: answers (they are in the log, at the position).

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::{Key, Kind, Seq, UserId};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Commands for which a retry is recognised: at least this many of the newest. At a sustained
/// 100,000 a second that is over a minute, at 1,000 a second over two hours; a client that gives up
/// a command must do so earlier. A bound, because every key costs some 50 bytes of memory.
pub const KEYS_RETAINED_MIN: usize = 8 * 1024 * 1024;

/// Small maps that grow one at a time: growing one big map would stop the engine for as long as
/// moving millions of entries takes.
const SHARDS: usize = 256;

type Shard = HashMap<(UserId, Key), Use, FixedState>;

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
    young: Vec<Shard>,
    old: Vec<Shard>,
    young_len: usize,
}

impl Default for KeyTable {
    fn default() -> Self {
        Self {
            young: new_generation(),
            old: new_generation(),
            young_len: 0,
        }
    }
}

impl KeyTable {
    /// Makes room for this many more keys at once, so that filling the table moves nothing.
    pub fn reserve(&mut self, keys: usize) {
        let each = keys.min(KEYS_RETAINED_MIN) / SHARDS;
        for shard in &mut self.young {
            // A little over, because keys do not spread quite evenly.
            shard.reserve(each + each / 8);
        }
    }

    /// What `key` was used for by `actor`, if it was.
    #[must_use]
    pub fn find(&self, actor: UserId, key: Key) -> Option<Use> {
        let shard = shard_of(key);
        let entry = (actor, key);
        self.young[shard]
            .get(&entry)
            .or_else(|| self.old[shard].get(&entry))
            .copied()
    }

    /// Notes what `key` was used for.
    pub fn insert(&mut self, actor: UserId, key: Key, used: Use) {
        self.young[shard_of(key)].insert((actor, key), used);
        self.young_len += 1;
        if self.young_len == KEYS_RETAINED_MIN {
            self.old = std::mem::replace(&mut self.young, new_generation());
            self.young_len = 0;
        }
    }
}

/// Keys are chosen by clients, well or badly; every byte takes part so that a counter spreads too.
fn shard_of(key: Key) -> usize {
    usize::from(
        key.0
            .iter()
            .fold(0_u8, |sum, byte| sum.rotate_left(3) ^ byte),
    ) % SHARDS
}

fn new_generation() -> Vec<Shard> {
    vec![Shard::default(); SHARDS]
}

/// What tells one command from another under the same key.
#[must_use]
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
            let mut used = [false; SHARDS];
            for number in 0..=u8::MAX {
                let mut key = Key::default();
                key.0[place] = number;
                used[shard_of(key)] = true;
            }
            assert!(used.iter().all(|used| *used), "byte {place}");
        }
    }

    #[test]
    fn the_newest_keys_outlive_a_generation_and_the_oldest_do_not() {
        let mut keys = KeyTable {
            young_len: KEYS_RETAINED_MIN - 2,
            ..KeyTable::default()
        };
        let used = Use {
            seq: Seq(1),
            digest: 1,
        };
        let is_known = |keys: &KeyTable, number| keys.find(UserId(1), key(number)).is_some();
        for number in [1, 2, 3] {
            keys.insert(UserId(1), key(number), used);
            assert!(is_known(&keys, number));
        }
        assert!(
            is_known(&keys, 1) && is_known(&keys, 2),
            "of the old generation"
        );
        keys.young_len = KEYS_RETAINED_MIN - 1;
        keys.insert(UserId(1), key(4), used);
        assert!(!is_known(&keys, 1) && !is_known(&keys, 2));
        assert!(is_known(&keys, 3) && is_known(&keys, 4));
    }
}
