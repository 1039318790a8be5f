//! The file `people.keys`: one key a person, beside the log and never in it.
//!
//! Keys are added before what is sealed with them is committed, and overwritten with zeros when
//! their person is erased, each time synced. It is the one file of the data directory that forgets:
//! what it once held is what makes the log readable. Deliberately absent: ciphers (`keyring`).
//!
//! ```text
//! slot, 64 bytes:  user u64 LE | key, 32 | BLAKE3 of both, the first 16 | zeros, 8
//! ```
//!
//! A slot lies in one sector of any disk. One whose check fails is a key whose writing a crash cut
//! short, before anything was sealed with it, or which was being overwritten: it is no key.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use protocol::UserId;
use zeroize::Zeroizing;

use super::LogError;

/// The name of the file in the data directory.
pub const FILE_NAME: &str = "people.keys";

const SLOT_BYTES: usize = 64;
const KEY_AT: usize = 8;
const CHECK_AT: usize = 40;
const CHECK_BYTES: usize = 16;

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

/// The file, open for writing.
#[derive(Debug)]
pub(super) struct PeopleFile {
    file: File,
    path: PathBuf,
    /// Where each key is.
    slots: BTreeMap<UserId, Vec<u64>>,
    /// Slots that are neither a key nor empty. Whose they were is not known, so they stay until it
    /// is known that nobody lacks a key.
    torn: Vec<u64>,
    end: u64,
}

impl PeopleFile {
    /// Opens the file, or makes it.
    pub(super) fn open(data_dir: &Path) -> Result<Self, LogError> {
        let path = data_dir.join(FILE_NAME);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|source| failed("open", &path, source))?;
        let bytes = contents(&path)?;
        let mut slots = BTreeMap::<UserId, Vec<u64>>::new();
        let mut torn = Vec::new();
        for (slot, bytes) in (0..).zip(bytes.chunks(SLOT_BYTES)) {
            match read_slot(bytes) {
                Some(key) => slots.entry(key.user).or_default().push(slot),
                None if is_empty(bytes) => {}
                None => torn.push(slot),
            }
        }
        let end = u64::try_from(bytes.len() / SLOT_BYTES).expect("a file is shorter than 2^64");
        Ok(Self {
            file,
            path,
            slots,
            torn,
            end,
        })
    }

    /// Adds keys and returns when they are durable.
    pub(super) fn add(&mut self, keys: &[PersonKey]) -> Result<(), LogError> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(keys.len() * SLOT_BYTES));
        for key in keys {
            bytes.extend_from_slice(&*slot_of(key));
            self.slots.entry(key.user).or_default().push(self.end);
            self.end += 1;
        }
        let first = self.end - u64::try_from(keys.len()).expect("a batch is bounded");
        self.write(first, &bytes)?;
        self.sync()
    }

    /// Overwrites the keys of these people, and what is nobody's, and returns when that is durable.
    /// Whoever has none is passed over.
    pub(super) fn destroy(&mut self, people: &[UserId]) -> Result<(), LogError> {
        let mut is_changed = !self.torn.is_empty();
        for slot in std::mem::take(&mut self.torn) {
            self.write(slot, &[0; SLOT_BYTES])?;
        }
        for user in people {
            for slot in self.slots.remove(user).unwrap_or_default() {
                self.write(slot, &[0; SLOT_BYTES])?;
                is_changed = true;
            }
        }
        if is_changed { self.sync() } else { Ok(()) }
    }

    /// Slots without a key: a key that is destroyed leaves one behind, for as long as the file is the
    /// same.
    pub(super) fn destroyed(&self) -> usize {
        let kept: usize = self.slots.values().map(Vec::len).sum();
        let slots = usize::try_from(self.end).unwrap_or(usize::MAX);
        slots.saturating_sub(kept)
    }

    fn write(&self, slot: u64, bytes: &[u8]) -> Result<(), LogError> {
        let at = slot * u64::try_from(SLOT_BYTES).expect("64 fits");
        self.file
            .write_all_at(bytes, at)
            .map_err(|source| failed("write", &self.path, source))
    }

    fn sync(&self) -> Result<(), LogError> {
        self.file
            .sync_data()
            .map_err(|source| failed("sync", &self.path, source))
    }
}

/// Every key in the file of this data directory; none if there is no such file.
pub(super) fn read(data_dir: &Path) -> Result<Vec<PersonKey>, LogError> {
    let bytes = contents(&data_dir.join(FILE_NAME))?;
    Ok(bytes
        .chunks_exact(SLOT_BYTES)
        .filter_map(read_slot)
        .collect())
}

/// How many slots of the file are neither a key nor empty.
///
/// # Errors
/// If the file cannot be read.
pub fn torn(data_dir: &Path) -> Result<usize, LogError> {
    let bytes = contents(&data_dir.join(FILE_NAME))?;
    let is_torn = |slot: &&[u8]| !is_empty(slot) && read_slot(slot).is_none();
    Ok(bytes.chunks(SLOT_BYTES).filter(is_torn).count())
}

fn is_empty(slot: &[u8]) -> bool {
    slot.iter().all(|byte| *byte == 0)
}

fn contents(path: &Path) -> Result<Zeroizing<Vec<u8>>, LogError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Zeroizing::new(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Zeroizing::default()),
        Err(source) => Err(failed("read", path, source)),
    }
}

fn slot_of(key: &PersonKey) -> Zeroizing<[u8; SLOT_BYTES]> {
    let mut slot = Zeroizing::new([0; SLOT_BYTES]);
    slot[..KEY_AT].copy_from_slice(&key.user.0.to_le_bytes());
    slot[KEY_AT..CHECK_AT].copy_from_slice(&*key.key);
    let check = check(&slot[..CHECK_AT]);
    slot[CHECK_AT..CHECK_AT + CHECK_BYTES].copy_from_slice(&check);
    slot
}

fn read_slot(slot: &[u8]) -> Option<PersonKey> {
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

    fn key(user: u64) -> PersonKey {
        let byte = u8::try_from(user).unwrap();
        PersonKey {
            user: UserId(user),
            key: Zeroizing::new([byte; 32]),
        }
    }

    #[test]
    fn keys_stay_until_they_are_destroyed_and_then_no_byte_of_them_does() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(dir.path()).unwrap().is_empty());
        let mut file = PeopleFile::open(dir.path()).unwrap();
        file.add(&[key(1), key(2)]).unwrap();
        file.add(&[key(3)]).unwrap();
        assert_eq!(read(dir.path()).unwrap(), [key(1), key(2), key(3)]);
        let mut file = PeopleFile::open(dir.path()).unwrap();
        file.destroy(&[UserId(2), UserId(9)]).unwrap();
        file.add(&[key(4)]).unwrap();
        assert_eq!(read(dir.path()).unwrap(), [key(1), key(3), key(4)]);
        let bytes = fs::read(dir.path().join(FILE_NAME)).unwrap();
        assert_eq!(bytes.len(), 4 * SLOT_BYTES);
        assert!(!bytes.windows(4).any(|window| window == [2; 4]));
    }

    #[test]
    fn a_torn_slot_is_no_key_and_is_not_in_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        let mut file = PeopleFile::open(dir.path()).unwrap();
        file.add(&[key(1), key(2)]).unwrap();
        let whole = fs::read(&path).unwrap();
        for len in SLOT_BYTES..2 * SLOT_BYTES - 8 {
            fs::write(&path, &whole[..len]).unwrap();
            assert_eq!(read(dir.path()).unwrap(), [key(1)], "cut at {len}");
            let mut file = PeopleFile::open(dir.path()).unwrap();
            file.add(&[key(3)]).unwrap();
            assert_eq!(read(dir.path()).unwrap(), [key(1), key(3)], "cut at {len}");
        }
    }

    #[test]
    fn a_person_with_two_keys_loses_both() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = PeopleFile::open(dir.path()).unwrap();
        file.add(&[key(1), key(1)]).unwrap();
        let mut file = PeopleFile::open(dir.path()).unwrap();
        assert_eq!(file.destroyed(), 0);
        file.destroy(&[UserId(1)]).unwrap();
        assert_eq!(file.destroyed(), 2, "and both are counted");
        let bytes = fs::read(dir.path().join(FILE_NAME)).unwrap();
        assert!(bytes.iter().all(|byte| *byte == 0));
        assert_eq!(PeopleFile::open(dir.path()).unwrap().destroyed(), 2);
    }
}
