//! The file `people.keys`: one key a person, beside the log and never in it.
//!
//! Keys are added before what is sealed with them is committed, and overwritten with zeros when
//! their person is erased, each time synced. It is the one file of the data directory that forgets:
//! what it once held is what makes the log readable. Deliberately absent: ciphers (`keyring`).
//!
//! ```text
//! slot, 64 bytes:  user u64 LE | key, 32 | BLAKE3 of both, the first 16 | uncommitted, 8
//! uncommitted:     zeros; or a5 | first position of the batch, 5 bytes LE | BLAKE3 of user, key and position, 2
//! ```
//!
//! A slot lies in one sector of any disk. One whose check fails is a key whose writing a crash cut
//! short, before anything was sealed with it, or which was being overwritten: it is no key.
//!
//! A key is written as uncommitted, and becomes committed, unsynced, once the batch by which its
//! person joins is durable. So a crash between the two leaves a key of nobody that says which batch
//! was never committed, and may be destroyed if the log ends right before it. A committed key of
//! somebody behind the log's end, or an uncommitted one of another batch, proves that the log was
//! once longer: `Keys::check_explained`.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
};

use protocol::{Seq, UserId};
use zeroize::Zeroizing;

use super::{LogError, database::sync_data_dir};
use crate::{
    disk::{Access, Disk, DiskFile},
    engine::BATCH_LEN_MAX,
};

/// The name of the file in the data directory.
pub const FILE_NAME: &str = "people.keys";

const SLOT_BYTES: usize = 64;
const KEY_AT: usize = 8;
const CHECK_AT: usize = 40;
const CHECK_BYTES: usize = 16;
const TAIL_AT: usize = CHECK_AT + CHECK_BYTES;
const TAIL_BYTES: usize = SLOT_BYTES - TAIL_AT;
/// How the tail of an uncommitted key begins. A tail is cleared from its first byte on, so one that
/// begins otherwise was cleared, at least in part.
const UNCOMMITTED: u8 = 0xa5;
const POSITION_BYTES: usize = 5;

/// The key of one person.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonKey {
    /// Whose.
    pub user: UserId,
    /// The key.
    pub key: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for PersonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PersonKey({}, <key>)", self.user)
    }
}

/// Whether the log had the person of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Commit {
    /// It had.
    Committed,
    /// Not when the key was written, for a batch that begins at this position. Its writing may have
    /// been cut short, and then the position is not known.
    Uncommitted(Option<Seq>),
}

/// A key that was found.
#[derive(Debug, Clone, Copy)]
struct Found {
    user: UserId,
    slot: u64,
    commit: Commit,
    /// Whether its slot is as it is left behind when the commit is over.
    is_clean: bool,
}

/// What the file holds. Nothing is changed by looking.
#[derive(Debug)]
pub(crate) struct Keys {
    found: Vec<Found>,
    /// Slots that are neither a key nor empty. Whose they were is not known, so they stay until it
    /// is known that nobody lacks a key.
    torn: Vec<u64>,
    end: u64,
}

impl Keys {
    /// Looks at the file on this disk; there need be none.
    ///
    /// # Errors
    /// If there is one and it cannot be read.
    pub(crate) fn read(disk: &dyn Disk) -> Result<Self, LogError> {
        let bytes = contents(disk)?;
        let (mut found, mut torn) = (Vec::new(), Vec::new());
        for (slot, bytes) in (0..).zip(bytes.chunks(SLOT_BYTES)) {
            match read_slot(bytes) {
                Some(key) => found.push(Found {
                    user: key.user,
                    slot,
                    commit: read_commit(&key, bytes),
                    is_clean: is_empty(&bytes[TAIL_AT..]),
                }),
                None if is_empty(bytes) => {}
                None => torn.push(slot),
            }
        }
        // A slot in which the file ends is torn, and not to be used again before it is cleared.
        let slots = bytes.len().div_ceil(SLOT_BYTES);
        let end = u64::try_from(slots).expect("a file is shorter than 2^64");
        Ok(Self { found, torn, end })
    }

    /// Whether it holds nothing, not even what is left of a key.
    pub(crate) const fn is_empty(&self) -> bool {
        self.found.is_empty() && self.torn.is_empty()
    }

    /// Slots without a key: a key that is destroyed leaves one behind, for as long as the file is the
    /// same.
    pub(super) fn destroyed(&self) -> usize {
        let slots = usize::try_from(self.end).unwrap_or(usize::MAX);
        slots.saturating_sub(self.found.len())
    }

    /// Checks that each key of somebody behind `head`, where the log ends, is what a crash leaves
    /// between the key and the commit that it was for. To be read before the head is, if somebody
    /// may be writing: a key is committed only after its record is.
    ///
    /// # Errors
    /// If there is one that the log must once have had.
    pub(crate) fn check_explained(&self, head: Seq) -> Result<(), LogError> {
        let unexplained = |found: &&Found| head < Seq(found.user.0) && !found.is_explained(head);
        let mut users = self.found.iter().filter(unexplained).map(|key| key.user);
        let Some(first) = users.next() else {
            return Ok(());
        };
        Err(LogError::Damaged(format!(
            "`{FILE_NAME}` has the keys of {} people who joined behind seq {head}, where the log ends, the first that of user {first}: the log is older than the keys, or part of it is missing; put `events.sqlite`, `events.sqlite-wal` and `head` that belong to these keys back, or restore a backup; or, to give up whatever stood behind seq {head} for good, start with --accept-loss-after {head}",
            1 + users.count()
        )))
    }
}

impl Found {
    fn is_explained(&self, head: Seq) -> bool {
        let batch = u64::try_from(BATCH_LEN_MAX).expect("a batch is bounded");
        let is_in_next = self.user.0 <= head.0.saturating_add(batch);
        match self.commit {
            Commit::Committed => false,
            Commit::Uncommitted(first) => {
                is_in_next && first.is_none_or(|first| first == head.next())
            }
        }
    }
}

/// The file, open for writing.
#[derive(Debug)]
pub(super) struct KeyStore {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    /// Where each key is.
    slots: BTreeMap<UserId, Vec<u64>>,
    torn: Vec<u64>,
    end: u64,
}

impl KeyStore {
    /// Opens the file, or makes it, beside a log that ends at `head`. Keys of people whom that has are
    /// committed, whatever a crash left of saying so.
    pub(super) fn open(disk: &dyn Disk, head: Seq) -> Result<Self, LogError> {
        let path = disk.path().join(FILE_NAME);
        let opened = disk
            .stat(FILE_NAME)
            .and_then(|there| Ok((there.is_none(), disk.open(FILE_NAME, Access::Create)?)));
        let (is_new, file) = opened.map_err(|source| failed("open", &path, source))?;
        if is_new {
            sync_data_dir(disk)?;
        }
        let Keys { found, torn, end } = Keys::read(disk)?;
        let mut slots = BTreeMap::<UserId, Vec<u64>>::new();
        for key in &found {
            slots.entry(key.user).or_default().push(key.slot);
        }
        let opened = Self {
            file,
            path,
            slots,
            torn,
            end,
        };
        let committed = found
            .iter()
            .filter(|key| !key.is_clean && Seq(key.user.0) <= head);
        for key in committed {
            opened.write_at(key.slot, TAIL_AT, &[0; TAIL_BYTES])?;
        }
        Ok(opened)
    }

    /// Adds keys of people who are in the log already and returns when they are durable.
    pub(super) fn add(&mut self, keys: &[PersonKey]) -> Result<(), LogError> {
        self.put(keys, None)
    }

    /// Adds keys of people who join by the batch that begins at `first`, and returns when they are
    /// durable. Once that batch is, [`KeyStore::commit`] them.
    pub(super) fn add_uncommitted(
        &mut self,
        keys: &[PersonKey],
        first: Seq,
    ) -> Result<(), LogError> {
        self.put(keys, Some(first))
    }

    fn put(&mut self, keys: &[PersonKey], uncommitted: Option<Seq>) -> Result<(), LogError> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(keys.len() * SLOT_BYTES));
        for key in keys {
            bytes.extend_from_slice(&*slot_of(key, uncommitted));
            self.slots.entry(key.user).or_default().push(self.end);
            self.end += 1;
        }
        let first = self.end - u64::try_from(keys.len()).expect("a batch is bounded");
        self.write_at(first, 0, &bytes)?;
        self.sync()
    }

    /// The batch by which the people of these keys join is durable. Not synced: the log says it too,
    /// for as long as there is one.
    pub(super) fn commit(&self, keys: &[PersonKey]) -> Result<(), LogError> {
        for key in keys {
            for slot in self.slots.get(&key.user).into_iter().flatten() {
                self.write_at(*slot, TAIL_AT, &[0; TAIL_BYTES])?;
            }
        }
        Ok(())
    }

    /// Overwrites the keys of these people, and what is nobody's, and returns when that is durable.
    /// Whoever has none is passed over.
    pub(super) fn destroy(&mut self, people: &[UserId]) -> Result<(), LogError> {
        let mut is_changed = !self.torn.is_empty();
        for slot in std::mem::take(&mut self.torn) {
            self.write_at(slot, 0, &[0; SLOT_BYTES])?;
        }
        for user in people {
            for slot in self.slots.remove(user).unwrap_or_default() {
                self.write_at(slot, 0, &[0; SLOT_BYTES])?;
                is_changed = true;
            }
        }
        if is_changed { self.sync() } else { Ok(()) }
    }

    /// As [`Keys::destroyed`].
    pub(super) fn destroyed(&self) -> usize {
        let kept: usize = self.slots.values().map(Vec::len).sum();
        let slots = usize::try_from(self.end).unwrap_or(usize::MAX);
        slots.saturating_sub(kept)
    }

    fn write_at(&self, slot: u64, within: usize, bytes: &[u8]) -> Result<(), LogError> {
        let wide = |bytes: usize| u64::try_from(bytes).expect("at most 64");
        let at = slot * wide(SLOT_BYTES) + wide(within);
        self.file
            .write_at(bytes, at)
            .map_err(|source| failed("write", &self.path, source))
    }

    fn sync(&self) -> Result<(), LogError> {
        self.file
            .sync()
            .map_err(|source| failed("sync", &self.path, source))
    }
}

/// Every key in the file on this disk; none if there is no such file.
pub(super) fn read(disk: &dyn Disk) -> Result<Vec<PersonKey>, LogError> {
    let bytes = contents(disk)?;
    Ok(bytes
        .chunks_exact(SLOT_BYTES)
        .filter_map(read_slot)
        .collect())
}

/// How many slots of the file are neither a key nor empty.
///
/// # Errors
/// If the file cannot be read.
pub fn torn(disk: &dyn Disk) -> Result<usize, LogError> {
    let bytes = contents(disk)?;
    let is_torn = |slot: &&[u8]| !is_empty(slot) && !is_as_written(slot);
    Ok(bytes.chunks(SLOT_BYTES).filter(is_torn).count())
}

fn is_as_written(slot: &[u8]) -> bool {
    let Some(key) = read_slot(slot) else {
        return false;
    };
    let uncommitted = match read_commit(&key, slot) {
        Commit::Committed | Commit::Uncommitted(None) => None,
        Commit::Uncommitted(first) => first,
    };
    *slot_of(&key, uncommitted) == *slot
}

fn is_empty(slot: &[u8]) -> bool {
    slot.iter().all(|byte| *byte == 0)
}

fn contents(disk: &dyn Disk) -> Result<Zeroizing<Vec<u8>>, LogError> {
    let bytes = disk.read(FILE_NAME);
    let bytes = bytes.map_err(|source| failed("read", &disk.path().join(FILE_NAME), source))?;
    Ok(Zeroizing::new(bytes.unwrap_or_default()))
}

fn slot_of(key: &PersonKey, uncommitted: Option<Seq>) -> Zeroizing<[u8; SLOT_BYTES]> {
    let mut slot = Zeroizing::new([0; SLOT_BYTES]);
    slot[..KEY_AT].copy_from_slice(&key.user.0.to_le_bytes());
    slot[KEY_AT..CHECK_AT].copy_from_slice(&*key.key);
    let check = check(&slot[..CHECK_AT]);
    slot[CHECK_AT..TAIL_AT].copy_from_slice(&check);
    if let Some(first) = uncommitted {
        slot[TAIL_AT..].copy_from_slice(&tail_of(key, first));
    }
    slot
}

fn tail_of(key: &PersonKey, first: Seq) -> [u8; TAIL_BYTES] {
    let mut tail = [UNCOMMITTED; TAIL_BYTES];
    let (position, check) = tail[1..].split_at_mut(POSITION_BYTES);
    position.copy_from_slice(&first.0.to_le_bytes()[..POSITION_BYTES]);
    let mut hasher = blake3::Hasher::new_keyed(&key.key);
    hasher.update(&key.user.0.to_le_bytes()).update(position);
    check.copy_from_slice(&hasher.finalize().as_bytes()[..check.len()]);
    tail
}

/// What the tail of the slot of `key` says.
fn read_commit(key: &PersonKey, slot: &[u8]) -> Commit {
    let tail = &slot[TAIL_AT..];
    if tail[0] != UNCOMMITTED {
        return Commit::Committed;
    }
    let mut first = [0; 8];
    first[..POSITION_BYTES].copy_from_slice(&tail[1..=POSITION_BYTES]);
    let first = Seq(u64::from_le_bytes(first));
    Commit::Uncommitted((tail_of(key, first) == tail).then_some(first))
}

fn read_slot(slot: &[u8]) -> Option<PersonKey> {
    if slot.len() != SLOT_BYTES {
        return None;
    }
    let (fields, rest) = slot.split_at_checked(CHECK_AT)?;
    if rest.get(..CHECK_BYTES)? != check(fields) {
        return None;
    }
    let (user, key) = fields.split_first_chunk()?;
    Some(PersonKey {
        user: UserId(u64::from_le_bytes(*user)),
        key: Zeroizing::new(key.try_into().ok()?),
    })
}

fn check(fields: &[u8]) -> [u8; CHECK_BYTES] {
    let hash = *blake3::hash(fields).as_bytes();
    *hash.first_chunk().expect("16 of 32 bytes")
}

fn failed(doing: &str, path: &Path, source: io::Error) -> LogError {
    LogError::Io {
        doing: format!("{doing} {}", path.display()),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::MemoryDisk;

    fn key(user: u64) -> PersonKey {
        let byte = u8::try_from(user).unwrap();
        PersonKey {
            user: UserId(user),
            key: Zeroizing::new([byte; 32]),
        }
    }

    fn open(disk: &dyn Disk) -> Result<KeyStore, LogError> {
        KeyStore::open(disk, Seq(9))
    }

    fn bytes_of(disk: &dyn Disk) -> Vec<u8> {
        disk.read(FILE_NAME).unwrap().unwrap()
    }

    fn put(disk: &dyn Disk, bytes: &[u8]) {
        disk.replace(FILE_NAME, bytes).unwrap();
    }

    #[test]
    fn keys_stay_until_they_are_destroyed_and_then_no_byte_of_them_does() {
        let disk = MemoryDisk::new();
        assert!(read(&disk).unwrap().is_empty());
        let mut file = open(&disk).unwrap();
        file.add(&[key(1), key(2)]).unwrap();
        file.add(&[key(3)]).unwrap();
        assert_eq!(read(&disk).unwrap(), [key(1), key(2), key(3)]);
        let mut file = open(&disk).unwrap();
        file.destroy(&[UserId(2), UserId(9)]).unwrap();
        file.add(&[key(4)]).unwrap();
        assert_eq!(read(&disk).unwrap(), [key(1), key(3), key(4)]);
        let bytes = bytes_of(&disk);
        assert_eq!(bytes.len(), 4 * SLOT_BYTES);
        assert!(!bytes.windows(4).any(|window| window == [2; 4]));
    }

    #[test]
    fn a_torn_slot_is_no_key_and_is_not_in_the_way() {
        let disk = MemoryDisk::new();
        let mut file = open(&disk).unwrap();
        file.add(&[key(1), key(2)]).unwrap();
        let whole = bytes_of(&disk);
        for len in SLOT_BYTES..2 * SLOT_BYTES - 8 {
            put(&disk, &whole[..len]);
            assert_eq!(read(&disk).unwrap(), [key(1)], "cut at {len}");
            let mut file = open(&disk).unwrap();
            file.add(&[key(3)]).unwrap();
            assert_eq!(read(&disk).unwrap(), [key(1), key(3)], "cut at {len}");
        }
    }

    #[test]
    fn a_person_with_two_keys_loses_both() {
        let disk = MemoryDisk::new();
        let mut file = open(&disk).unwrap();
        file.add(&[key(1), key(1)]).unwrap();
        let mut file = open(&disk).unwrap();
        assert_eq!(file.destroyed(), 0);
        file.destroy(&[UserId(1)]).unwrap();
        assert_eq!(file.destroyed(), 2, "and both are counted");
        let bytes = bytes_of(&disk);
        assert!(bytes.iter().all(|byte| *byte == 0));
        assert_eq!(open(&disk).unwrap().destroyed(), 2);
    }

    /// What is found in a file with this key, written for the batch at `first` and the tail changed.
    fn found(user: u64, first: Option<u64>, spoil: impl FnOnce(&mut [u8])) -> Keys {
        let disk = MemoryDisk::new();
        let mut slot = slot_of(&key(user), first.map(Seq));
        spoil(&mut slot[TAIL_AT..]);
        put(&disk, &*slot);
        Keys::read(&disk).unwrap()
    }

    #[test]
    fn a_key_of_nobody_is_explained_by_the_one_batch_that_was_not_committed() {
        let is_explained = |keys: &Keys, head: u64| keys.check_explained(Seq(head)).is_ok();
        let committed = found(5, None, |_| {});
        let uncommitted = found(5, Some(4), |_| {});
        for head in 0..=9 {
            assert_eq!(is_explained(&committed, head), 5 <= head, "{head}");
            assert_eq!(
                is_explained(&uncommitted, head),
                head == 3 || 5 <= head,
                "{head}"
            );
        }
        // Cut short while it was written: which batch is not known, but that it was one.
        let cut = found(5, Some(4), |tail| tail[3..].fill(0));
        assert!(is_explained(&cut, 0));
        let far = found(200, Some(1), |_| {});
        assert!(is_explained(&far, 0));
        // Cut short while it was cleared: it was committed.
        let cleared = found(5, Some(4), |tail| tail[..1].fill(0));
        assert!(!is_explained(&cleared, 3));
    }

    #[test]
    fn a_key_is_committed_with_its_batch_or_by_the_next_process() {
        let disk = MemoryDisk::new();
        let at_rest = |keys: &[PersonKey]| {
            let slots = keys.iter().map(|key| slot_of(key, None).to_vec());
            slots.collect::<Vec<_>>().concat()
        };
        let bytes = || bytes_of(&disk);
        let mut file = open(&disk).unwrap();
        file.add_uncommitted(&[key(1), key(2)], Seq(1)).unwrap();
        assert_ne!(bytes(), at_rest(&[key(1), key(2)]));
        assert_eq!(torn(&disk).unwrap(), 0);
        file.commit(&[key(1), key(2)]).unwrap();
        assert_eq!(bytes(), at_rest(&[key(1), key(2)]));
        file.add_uncommitted(&[key(3)], Seq(3)).unwrap();
        drop(KeyStore::open(&disk, Seq(2)).unwrap());
        assert_ne!(
            bytes(),
            at_rest(&[key(1), key(2), key(3)]),
            "no such person"
        );
        drop(KeyStore::open(&disk, Seq(3)).unwrap());
        assert_eq!(bytes(), at_rest(&[key(1), key(2), key(3)]));
    }

    #[test]
    fn every_byte_that_says_whether_a_key_is_committed_counts() {
        let disk = MemoryDisk::new();
        for first in [None, Some(Seq(4))] {
            for bit in TAIL_AT * 8..SLOT_BYTES * 8 {
                let mut slot = slot_of(&key(5), first);
                slot[bit / 8] ^= 1 << (bit % 8);
                put(&disk, &*slot);
                assert_eq!(torn(&disk).unwrap(), 1, "{first:?}, bit {bit}");
                assert_eq!(read(&disk).unwrap(), [key(5)], "the key is there");
            }
        }
    }
}
