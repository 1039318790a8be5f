//! The idempotency table: which key was used for what, and where.
//!
//! Keys go in with their positions as commands are decided or replayed; a retry finds the position, and
//! a key that is used for another command is found out. A key and its command stand in the log, at that
//! position: what is kept here is where to look, the newest in memory, the others in a file of which
//! memory knows by a mark whether it is worth reading. Only of records that are not durable yet, and
//! cannot be read in the log, the keys themselves are kept. Deliberately absent: reading the log, answers.

mod marks;
mod segment;

use std::{collections::VecDeque, hash::BuildHasher as _, io, sync::Arc};

use foldhash::fast::FixedState;
use protocol::{Key, Kind, Seq, UserId};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{
    disk::Disk,
    index::Index,
    keyring::Keyring,
    snapshot::{Saved, SectionReader, SectionWriter, Unsound},
};

use self::{marks::RUNS_MAX, segment::Segment};

/// Commands for which a retry is recognised: at least this many of the newest. At a sustained
/// 100,000 a second that is over a minute, at 1,000 a second over two hours; a client that gives up
/// a command must do so earlier. A bound, because every key costs three bytes of memory, eight on
/// disk, and a look at one more line of memory for each million of them.
pub const KEYS_RETAINED_MIN: usize = EXTENT.segment() * EXTENT.segments;

const EXTENT: Extent = Extent {
    // To move a run to the file stops the engine for half a millisecond, once in so many commands.
    run: 64 * 1024,
    runs: RUNS_MAX,
    segments: 8,
};

/// How many keys are kept together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extent {
    /// Keys of a run, which go to the file together.
    run: usize,
    /// Runs of a segment, which is forgotten as a whole.
    runs: usize,
    /// Full segments that are kept.
    segments: usize,
}

impl Extent {
    /// Keys of a segment.
    const fn segment(self) -> usize {
        self.run * self.runs
    }
}

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
    New(VacantKey),
    /// It was used for this, which is not durable yet.
    Used(Use),
    /// If it was used, then at one of these durable positions, the newest first; the log knows. Of keys that
    /// were never used, one in a hundred thousand is taken for another one.
    MaybeUsed(Vec<Seq>),
}

/// A key that was not used before, as of when it was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VacantKey {
    hash: u64,
}

/// Where the newest commands stand, by their keys.
#[derive(Debug)]
pub struct KeyTable {
    /// The newest last; each begins where the one before it ends.
    segments: VecDeque<Segment>,
    /// Where the newest keys of the last segment stand, whose run is not full.
    open: Index,
    extent: Extent,
    /// What keys are hashed with: a client that knew it could choose keys which are all taken for
    /// one another.
    seed: u64,
    /// The keys of records that are not durable, and the digests of their commands, in order.
    fresh: VecDeque<(OwnedKey, u64)>,
    /// The position of the first of them.
    fresh_from: Seq,
    /// Where runs go to files.
    disk: Option<Arc<dyn Disk>>,
}

impl KeyTable {
    /// No keys. Nobody must be able to guess `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with_extent(seed, EXTENT)
    }

    fn with_extent(seed: u64, extent: Extent) -> Self {
        Self {
            segments: VecDeque::new(),
            open: Index::default(),
            extent,
            seed,
            fresh: VecDeque::new(),
            fresh_from: Seq::START,
            disk: None,
        }
    }

    /// Has where keys stand go to files in this directory, now and from now on. What the disk does not
    /// take stays in memory.
    ///
    /// # Errors
    /// If no file can be made there.
    pub fn spill_into(&mut self, disk: &Arc<dyn Disk>) -> io::Result<()> {
        self.disk = Some(Arc::clone(disk));
        let mut segments = self.segments.iter_mut();
        segments.try_for_each(|segment| segment.spill_into(&**disk))
    }

    /// Asks for the memory in which `key` is looked for.
    pub fn prefetch(&self, actor: UserId, key: Key) {
        let hash = self.hash((actor, key));
        self.open.prefetch(hash);
        for segment in &self.segments {
            segment.prefetch(hash);
        }
    }

    /// What is known of `key`, in the hands of `actor`.
    ///
    /// # Errors
    /// If a file cannot be read in which it may be.
    pub fn find(&self, actor: UserId, key: Key) -> io::Result<Found> {
        let hash = self.hash((actor, key));
        let mut seqs = Vec::new();
        for segment in &self.segments {
            let runs = segment.runs(hash);
            if runs != 0 {
                segment.for_each_alike(runs, hash, &self.open, |seq| seqs.push(seq))?;
            }
        }
        if seqs.is_empty() {
            return Ok(Found::New(VacantKey { hash }));
        }
        Ok(self.tell_apart((actor, key), seqs, hash))
    }

    /// Notes what `key` was used for.
    ///
    /// # Panics
    /// If a position was left out.
    pub fn insert(&mut self, actor: UserId, key: Key, used: Use) {
        let hash = self.hash((actor, key));
        self.insert_new(VacantKey { hash }, actor, key, used);
    }

    /// As [`KeyTable::insert`], of the key that was just looked for in vain.
    ///
    /// # Panics
    /// As that.
    pub fn insert_new(&mut self, vacancy: VacantKey, actor: UserId, key: Key, used: Use) {
        let owned = (actor, key);
        debug_assert_eq!(vacancy.hash, self.hash(owned), "of another key");
        self.place(vacancy.hash, used.seq);
        if self.fresh.is_empty() {
            self.fresh_from = used.seq;
        }
        self.fresh.push_back((owned, used.digest));
    }

    /// Notes where the key with this hash stands.
    fn place(&mut self, hash: u64, seq: Seq) {
        let full = self.extent.segment();
        if self.segments.back().is_none_or(|last| last.len() == full) {
            let segment = self.begin_segment(seq);
            self.segments.push_back(segment);
            if self.extent.segments + 1 < self.segments.len() {
                self.segments.pop_front();
            }
        }
        let last = self.segments.back_mut().expect("there is one by now");
        assert_eq!(last.end(), seq, "keys are noted in order");
        last.insert(hash, &mut self.open);
    }

    fn begin_segment(&self, first: Seq) -> Segment {
        let mut segment = Segment::new(first, self.extent);
        if let Some(disk) = &self.disk
            && let Err(error) = segment.spill_into(&**disk)
        {
            tracing::warn!(%error, "the disk takes no file for where keys were used; it stays in memory");
        }
        segment
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
            return Found::New(VacantKey { hash });
        }
        Found::MaybeUsed(seqs)
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
            segments,
            open,
            extent,
            seed,
            // A snapshot is of what is durable.
            fresh: _,
            fresh_from: _,
            // The disk is that which the snapshot is on.
            disk: _,
        } = self;
        out.u64(*seed);
        out.u64(self.witness());
        let Extent {
            run,
            runs,
            segments: kept,
        } = *extent;
        for len in [run, runs, kept] {
            out.count(len);
        }
        out.count(segments.len());
        segments.iter().for_each(|segment| segment.save(out));
        open.save(out);
    }

    fn load(&mut self, from: &mut SectionReader<'_>, _keyring: &Keyring) -> Result<(), Unsound> {
        self.segments.clear();
        self.seed = from.u64()?;
        let is_hash_known = from.u64()? == self.witness();
        let Extent {
            run,
            runs,
            segments: kept,
        } = self.extent;
        for len in [run, runs, kept] {
            if from.count(0)? != len || !is_hash_known {
                return Err(from.lacks("a table of this version"));
            }
        }
        for _ in 0..from.count(1)? {
            let mut segment = self.begin_segment(Seq::START);
            segment.load(from, self.extent)?;
            let is_behind = self.segments.back().is_none_or(|before| {
                before.len() == self.extent.segment() && before.end() == segment.first()
            });
            if !is_behind {
                return Err(from.lacks("segments that stand behind one another"));
            }
            self.segments.push_back(segment);
        }
        self.open = Index::load(from)?;
        let open = self.open.len();
        match self.segments.back_mut() {
            Some(last) if last.len() % run == open => last.mark_open(&self.open),
            None if open == 0 => {}
            Some(_) | None => return Err(from.lacks("the keys of the last run")),
        }
        Ok(())
    }
}

/// A key and whose it is: everybody's keys are their own.
type OwnedKey = (UserId, Key);

/// What tells one command from another under the same key.
#[must_use]
#[inline]
pub fn digest(kind: Kind, schema: u8, body: &[u8]) -> u64 {
    xxh3_64_with_seed(body, u64::from(kind.0) << 8 | u64::from(schema))
}

#[cfg(test)]
impl KeyTable {
    /// One whose runs, each of as few keys as go to a file together, go where they cannot be read.
    pub(crate) fn unreadable(first: Seq) -> Self {
        let mut table = Self::with_extent(7, tests::SMALL);
        let segment = Segment::unreadable(first, table.extent);
        table.segments.push_back(segment);
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::MemoryDisk;
    use crate::{snapshot::tests::reloaded_into, spill_file::CHUNK_ROWS};

    fn key(number: u64) -> Key {
        Key(u128::from(number).to_be_bytes())
    }

    fn table() -> KeyTable {
        KeyTable::new(7)
    }

    fn find(keys: &KeyTable, actor: UserId, key: Key) -> Found {
        keys.find(actor, key).unwrap()
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
        assert_eq!(find(&keys, UserId(1), key(7)), Found::Used(used(1)));
        assert_eq!(find(&keys, UserId(2), key(7)), Found::Used(used(2)));
        assert!(matches!(find(&keys, UserId(3), key(7)), Found::New(_)));
        let Found::New(vacancy) = find(&keys, UserId(1), key(8)) else {
            panic!("nobody used it");
        };
        keys.insert_new(vacancy, UserId(1), key(8), used(3));
        assert_eq!(find(&keys, UserId(1), key(8)), Found::Used(used(3)));
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
                1..=4 => Found::MaybeUsed(vec![Seq(seq)]),
                _ => Found::Used(used(seq)),
            };
            assert_eq!(find(&keys, UserId(1), key(seq)), expected);
        }
        keys.settle(Seq(20));
        keys.insert(UserId(1), key(10), used(10));
        assert_eq!(find(&keys, UserId(1), key(10)), Found::Used(used(10)));
        assert_eq!(
            find(&keys, UserId(1), key(9)),
            Found::MaybeUsed(vec![Seq(9)])
        );
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
            keys.place(alike, Seq(seq));
            keys.fresh
                .push_back(((UserId(1), key(number)), 1_000 + seq));
        }
        keys.fresh_from = Seq(1);
        assert_eq!(find(&keys, UserId(1), key(3)), Found::Used(used(3)));
        let tell_apart = |keys: &KeyTable, number| {
            let all = [1, 2, 3, 4].map(Seq).to_vec();
            keys.tell_apart((UserId(1), key(number)), all, alike)
        };
        // The newest of one that was used again.
        assert_eq!(tell_apart(&keys, 1), Found::Used(used(4)));
        let vacancy = VacantKey { hash: alike };
        assert_eq!(tell_apart(&keys, 9), Found::New(vacancy));
        keys.settle(Seq(2));
        assert_eq!(tell_apart(&keys, 1), Found::Used(used(4)));
        assert_eq!(tell_apart(&keys, 2), Found::MaybeUsed(vec![Seq(2), Seq(1)]));
    }

    #[test]
    fn tables_with_other_seeds_take_other_keys_for_one_another() {
        let (one, other) = (KeyTable::new(1), KeyTable::new(2));
        let hash = |keys: &KeyTable| keys.hash((UserId(1), key(1)));
        assert_ne!(hash(&one), hash(&other));
        let again = reloaded_into(&one, other);
        assert_eq!(hash(&again), hash(&one));
    }

    /// Of as few keys as go to the file together.
    pub(super) const SMALL: Extent = Extent {
        run: CHUNK_ROWS,
        runs: RUNS_MAX,
        segments: 1,
    };

    /// As many keys as have filled a segment more than is kept, and the first that is kept.
    const MORE: (u64, u64) = (2 * 16 * 4_096 + 9_000, 16 * 4_096 + 1);

    /// Keys that are durable, from 1 on.
    fn filled(mut keys: KeyTable, len: u64) -> KeyTable {
        (1..=len).for_each(|seq| keys.insert(UserId(1), key(seq), used(seq)));
        keys.settle(Seq(len));
        keys
    }

    /// Of keys from 1 to `len` those before `first` are forgotten and the others found.
    #[track_caller]
    fn check_kept(keys: &KeyTable, (len, first): (u64, u64)) {
        for seq in 1..=len {
            let found = find(keys, UserId(1), key(seq));
            // Two of so many may look alike.
            let is_it = matches!(&found, Found::MaybeUsed(seqs) if seqs.contains(&Seq(seq)));
            assert_eq!(is_it, first <= seq, "{seq}: {found:?}");
        }
    }

    #[test]
    fn the_newest_keys_are_kept_and_the_oldest_segment_is_not() {
        let run = u64::try_from(SMALL.run).unwrap();
        let lens = [1, run - 1, run, run + 1, 16 * run, 32 * run].map(|len| (len, 1));
        let forgotten = [(32 * run + 1, 16 * run + 1), MORE];
        for (len, first) in lens.into_iter().chain(forgotten) {
            let keys = filled(KeyTable::with_extent(7, SMALL), len);
            check_kept(&keys, (len, first));
        }
    }

    #[test]
    fn it_does_not_matter_where_runs_are_kept() {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
        let (len, first) = MORE;
        let mut early = KeyTable::with_extent(7, SMALL);
        early.spill_into(&disk).unwrap();
        check_kept(&filled(early, len), MORE);
        let mut late = filled(KeyTable::with_extent(7, SMALL), len);
        late.spill_into(&disk).unwrap();
        check_kept(&late, MORE);
        let more = len + 4_096;
        (len + 1..=more).for_each(|seq| late.insert(UserId(1), key(seq), used(seq)));
        late.settle(Seq(more));
        check_kept(&late, (more, first));
        assert_eq!(disk.list().unwrap().len(), 0);
    }

    #[test]
    fn a_disk_that_takes_no_file_takes_nothing_away() {
        let mut keys = KeyTable::with_extent(7, SMALL);
        let memory = MemoryDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(memory.clone());
        keys.spill_into(&disk).unwrap();
        memory.cut_at_sync(0);
        disk.sync_dir().expect_err("the power is off");
        check_kept(&filled(keys, MORE.0), MORE);
    }

    #[test]
    fn what_cannot_be_read_is_told_and_what_need_not_be_is_known() {
        let keys = filled(KeyTable::unreadable(Seq(1)), 5_000);
        assert!(keys.find(UserId(1), key(4_096)).is_err());
        let found = find(&keys, UserId(1), key(4_097));
        assert_eq!(found, Found::MaybeUsed(vec![Seq(4_097)]));
        assert!(matches!(find(&keys, UserId(2), key(1)), Found::New(_)));
    }

    #[test]
    fn a_table_comes_back_from_a_snapshot_wherever_its_runs_are() {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
        let lens = [0, 5, 4_096, 16 * 4_096, 16 * 4_096 + 5].map(|len| (len, 1));
        for (len, first) in lens.into_iter().chain([MORE]) {
            let saved = filled(KeyTable::with_extent(7, SMALL), len);
            let mut empty = KeyTable::with_extent(8, SMALL);
            empty.spill_into(&disk).unwrap();
            let mut keys = reloaded_into(&saved, empty);
            check_kept(&keys, (len, first));
            keys.insert(UserId(1), key(len + 1), used(len + 1));
            let found = find(&keys, UserId(1), key(len + 1));
            assert_eq!(found, Found::Used(used(len + 1)));
        }
    }

    #[test]
    fn segments_that_do_not_stand_behind_one_another_are_no_table() {
        let saved = filled(KeyTable::with_extent(7, SMALL), MORE.0);
        let reload = |saved: &KeyTable| {
            let mut loaded = KeyTable::with_extent(8, SMALL);
            crate::snapshot::tests::reload(saved, &mut loaded)
        };
        reload(&saved).unwrap();
        let mut gap = saved;
        let end = gap.segments[1].end();
        gap.segments[0] = Segment::new(end, SMALL);
        assert!(reload(&gap).is_err());
    }

    #[test]
    fn of_keys_that_were_never_used_few_look_as_if_they_were() {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
        let mut keys = table();
        keys.spill_into(&disk).unwrap();
        let len = 3 * u64::try_from(EXTENT.run).unwrap() + 500;
        let keys = filled(keys, len);
        let never = (len + 1..=2 * len).map(key);
        let looked_alike = never.filter(|key| {
            let found = find(&keys, UserId(1), *key);
            assert!(!matches!(found, Found::Used(_)));
            matches!(found, Found::MaybeUsed(_))
        });
        // Two hundred thousand were asked for: one in a hundred thousand is said, of a whole table.
        assert!(looked_alike.count() <= 4);
    }
}
