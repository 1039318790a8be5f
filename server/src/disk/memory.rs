//! A disk in memory whose power can be cut.
//!
//! Calls go in as they go to a real disk; what a power failure may leave of them comes out. A file is a
//! durable image and the ordered writes since its last sync; the directory is a durable set of names
//! and the ordered changes since its last sync. What a process sees is both together. At a cut each
//! pending change is kept, dropped or torn, independently of all others ([`MemoryDisk::after_cut`]):
//! the order between them is no promise of a disk. The model is that of SQLite's and ALICE's crash
//! tests (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014).

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Access, DIRECTORY, Disk, DiskFile, Lock, Stat, wide};

/// What a disk writes whole or not at all.
pub const SECTOR_BYTES: u64 = 512;

/// What becomes of a pending change when the power is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// All of it reached the disk.
    Kept,
    /// Nothing of it did.
    Dropped,
    /// Of a write, the sectors whose number, modulo 64, is a bit of this; of any other change, nothing.
    Torn(u64),
}

/// A change that is not durable yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pending<'a> {
    /// Bytes of a file; its name when it was opened.
    Write {
        /// The file.
        name: &'a str,
        /// Where.
        at: u64,
        /// How many bytes.
        len: usize,
    },
    /// The length of a file.
    Truncate {
        /// The file.
        name: &'a str,
        /// How long it became.
        len: u64,
    },
    /// A name was given to a file, and taken from the one that had it.
    Link {
        /// The name.
        name: &'a str,
    },
    /// A name was removed.
    Unlink {
        /// The name.
        name: &'a str,
    },
}

/// See the head of this file. Clones are one disk.
#[derive(Debug, Clone)]
pub struct MemoryDisk {
    path: PathBuf,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<u64, FileState>,
    next_id: u64,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    /// What changed of the names since the last sync of the directory.
    changes: Vec<NameChange>,
    /// Syncs so far, of files and of the directory.
    syncs: u64,
    /// At which sync the power goes.
    cut_at: Option<u64>,
}

#[derive(Debug, Clone)]
struct FileState {
    /// As it was called when it was made, for [`Pending`].
    name: String,
    mode: u32,
    view: Vec<u8>,
    durable: Vec<u8>,
    writes: Vec<Write>,
    shared: usize,
    is_exclusive: bool,
}

#[derive(Debug, Clone)]
enum Write {
    Bytes { at: u64, bytes: Vec<u8> },
    Length(u64),
}

#[derive(Debug, Clone)]
enum NameChange {
    Link {
        name: String,
        id: u64,
        /// The name that it had, of a rename.
        from: Option<String>,
    },
    Unlink {
        name: String,
        id: u64,
    },
}

impl Default for MemoryDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryDisk {
    /// A disk with nothing on it.
    #[must_use]
    pub fn new() -> Self {
        Self::of(State::default())
    }

    fn of(state: State) -> Self {
        Self {
            path: PathBuf::from("/memory"),
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Syncs so far, of files and of the directory.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// Has the power go when sync number `nth`, from 0, is asked for: it fails, and so does everything
    /// after it. Whatever a cut at another instant may leave, this may leave as well: less is pending
    /// right after a sync, and each pending change may be dropped.
    pub fn cut_at_sync(&self, nth: u64) {
        self.state().cut_at = Some(nth);
    }

    /// What stands on the disk after a power failure: `fate` decides each pending change. Nothing is
    /// pending there, and nothing locked.
    #[must_use]
    pub fn after_cut(&self, fate: &mut dyn FnMut(&Pending<'_>) -> Fate) -> Self {
        let state = self.state();
        let mut names = state.durable_names.clone();
        for change in &state.changes {
            change.leave(&mut names, fate);
        }
        let mut files = BTreeMap::new();
        for (id, file) in &state.files {
            if names.values().any(|named| named == id) {
                files.insert(*id, file.after_cut(fate));
            }
        }
        Self::of(State {
            files,
            next_id: state.next_id,
            durable_names: names.clone(),
            names,
            ..State::default()
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, for as long as there is power.
    fn powered(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state();
        match state.cut_at {
            Some(cut_at) if cut_at < state.syncs => Err(power_is_off()),
            Some(_) | None => Ok(state),
        }
    }

    fn handle(&self, id: u64) -> Box<dyn DiskFile> {
        Box::new(MemoryFile {
            disk: self.clone(),
            id,
            held: Mutex::new(None),
        })
    }
}

impl Disk for MemoryDisk {
    fn path(&self) -> &Path {
        &self.path
    }

    fn vfs(&self) -> Option<&str> {
        None
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.powered()?;
        let id = match (state.names.get(name), access) {
            (Some(_), Access::CreateNew) => return Err(ErrorKind::AlreadyExists.into()),
            (Some(id), _) => *id,
            (None, Access::Read | Access::Write) => return Err(ErrorKind::NotFound.into()),
            (None, Access::Create | Access::CreateNew) => {
                let id = state.add(name);
                state.link(name, id, None);
                id
            }
        };
        drop(state);
        Ok(self.handle(id))
    }

    fn open_unnamed(&self) -> io::Result<Box<dyn DiskFile>> {
        let id = self.powered()?.add("");
        Ok(self.handle(id))
    }

    fn stat(&self, name: &str) -> io::Result<Option<Stat>> {
        let state = self.powered()?;
        if name == DIRECTORY {
            return Ok(Some(Stat {
                len: 0,
                mode: 0o700,
                id: (0, u64::MAX),
            }));
        }
        Ok(state.names.get(name).map(|id| state.files[id].stat(*id)))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.powered()?.names.keys().cloned().collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.powered()?;
        let id = state.names.remove(from).ok_or(ErrorKind::NotFound)?;
        state.link(to, id, Some(from.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<bool> {
        let mut state = self.powered()?;
        let Some(id) = state.names.remove(name) else {
            return Ok(false);
        };
        let name = name.to_owned();
        state.changes.push(NameChange::Unlink { name, id });
        Ok(true)
    }

    fn set_mode(&self, name: &str, mode: u32) -> io::Result<()> {
        let mut state = self.powered()?;
        let id = *state.names.get(name).ok_or(ErrorKind::NotFound)?;
        state.file(id)?.mode = mode;
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.powered()?;
        state.note_sync()?;
        state.changes.clear();
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.powered().map(|_state| u64::MAX)
    }
}

impl State {
    /// A new file, without a name yet.
    fn add(&mut self, name: &str) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.files.insert(
            id,
            FileState {
                name: name.to_owned(),
                mode: 0o600,
                view: Vec::new(),
                durable: Vec::new(),
                writes: Vec::new(),
                shared: 0,
                is_exclusive: false,
            },
        );
        id
    }

    fn link(&mut self, name: &str, id: u64, from: Option<String>) {
        let name = name.to_owned();
        self.names.insert(name.clone(), id);
        self.changes.push(NameChange::Link { name, id, from });
    }

    fn file(&mut self, id: u64) -> io::Result<&mut FileState> {
        self.files
            .get_mut(&id)
            .ok_or_else(|| io::Error::other("no such file"))
    }

    /// Counts a sync that is asked for; the power may go instead.
    fn note_sync(&mut self) -> io::Result<()> {
        let nth = self.syncs;
        self.syncs += 1;
        if self.cut_at == Some(nth) {
            return Err(power_is_off());
        }
        Ok(())
    }
}

impl NameChange {
    /// Changes `names` as the disk does if this reaches it.
    fn leave(&self, names: &mut BTreeMap<String, u64>, fate: &mut dyn FnMut(&Pending<'_>) -> Fate) {
        match self {
            Self::Link { name, id, from } => {
                if fate(&Pending::Link { name }) == Fate::Kept {
                    if let Some(from) = from
                        && names.get(from) == Some(id)
                    {
                        names.remove(from);
                    }
                    names.insert(name.clone(), *id);
                }
            }
            Self::Unlink { name, id } => {
                if fate(&Pending::Unlink { name }) == Fate::Kept && names.get(name) == Some(id) {
                    names.remove(name);
                }
            }
        }
    }
}

impl FileState {
    fn stat(&self, id: u64) -> Stat {
        Stat {
            len: wide(self.view.len()),
            mode: self.mode,
            id: (0, id),
        }
    }

    fn after_cut(&self, fate: &mut dyn FnMut(&Pending<'_>) -> Fate) -> Self {
        let name = self.name.as_str();
        let mut left = self.durable.clone();
        for write in &self.writes {
            let pending = match write {
                Write::Bytes { at, bytes } => Pending::Write {
                    name,
                    at: *at,
                    len: bytes.len(),
                },
                Write::Length(len) => Pending::Truncate { name, len: *len },
            };
            match (fate(&pending), write) {
                (Fate::Kept, write) => write.apply(&mut left),
                (Fate::Torn(sectors), Write::Bytes { at, bytes }) => {
                    tear(&mut left, *at, bytes, sectors);
                }
                (Fate::Dropped | Fate::Torn(_), _) => {}
            }
        }
        Self {
            view: left.clone(),
            durable: left,
            writes: Vec::new(),
            shared: 0,
            is_exclusive: false,
            ..self.clone()
        }
    }

    fn change(&mut self, write: Write) {
        write.apply(&mut self.view);
        self.writes.push(write);
    }
}

impl Write {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Bytes { at, bytes } => put(image, *at, bytes),
            Self::Length(len) => image.resize(narrow(*len), 0),
        }
    }
}

fn put(image: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let (at, end) = (narrow(at), narrow(at) + bytes.len());
    if image.len() < end {
        image.resize(end, 0);
    }
    image[at..end].copy_from_slice(bytes);
}

/// Puts the part of `bytes` that lies in the chosen sectors.
fn tear(image: &mut Vec<u8>, at: u64, bytes: &[u8], sectors: u64) {
    let mut from = 0;
    while from < bytes.len() {
        let place = at + wide(from);
        let left = SECTOR_BYTES - place % SECTOR_BYTES;
        let to = bytes.len().min(from + narrow(left));
        if sectors >> (place / SECTOR_BYTES % 64) & 1 == 1 {
            put(image, place, &bytes[from..to]);
        }
        from = to;
    }
}

fn narrow(bytes: u64) -> usize {
    usize::try_from(bytes).expect("a file in memory is no longer than memory")
}

fn power_is_off() -> io::Error {
    io::Error::other("the power is off")
}

/// An open file.
#[derive(Debug)]
struct MemoryFile {
    disk: MemoryDisk,
    id: u64,
    held: Mutex<Option<Lock>>,
}

impl DiskFile for MemoryFile {
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        let mut state = self.disk.powered()?;
        let view = &state.file(self.id)?.view;
        let from = view.len().min(narrow(at));
        let len = bytes.len().min(view.len() - from);
        bytes[..len].copy_from_slice(&view[from..from + len]);
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let bytes = bytes.to_vec();
        let mut state = self.disk.powered()?;
        state.file(self.id)?.change(Write::Bytes { at, bytes });
        Ok(())
    }

    fn stat(&self) -> io::Result<Stat> {
        let mut state = self.disk.powered()?;
        Ok(state.file(self.id)?.stat(self.id))
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.powered()?;
        state.file(self.id)?.change(Write::Length(len));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.powered()?;
        state.note_sync()?;
        let file = state.file(self.id)?;
        file.writes.clear();
        file.durable = file.view.clone();
        Ok(())
    }

    fn lock(&self, lock: Lock) -> io::Result<bool> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.disk.powered()?;
        let file = state.file(self.id)?;
        file.release(*held);
        let is_free = match lock {
            Lock::Shared => !file.is_exclusive,
            Lock::Exclusive => !file.is_exclusive && file.shared == 0,
        };
        *held = is_free.then_some(lock);
        match *held {
            Some(Lock::Shared) => file.shared += 1,
            Some(Lock::Exclusive) => file.is_exclusive = true,
            None => {}
        }
        Ok(is_free)
    }
}

impl FileState {
    const fn release(&mut self, held: Option<Lock>) {
        match held {
            Some(Lock::Shared) => self.shared -= 1,
            Some(Lock::Exclusive) => self.is_exclusive = false,
            None => {}
        }
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        let held = *self.held.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Also where the power is off: the lock is the kernel's.
        if let Some(file) = self.disk.state().files.get_mut(&self.id) {
            file.release(held);
        }
    }
}
