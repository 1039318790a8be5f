//! One directory on a disk: the seam under everything that a server keeps in files.
//!
//! Names of files and bytes go in and come out; what is durable is said in so many words. A file's
//! bytes are durable once [`DiskFile::sync`] returned, and its name, a rename or a removal once
//! [`Disk::sync_dir`] did: until then a power failure may keep any part of them, in any order. A kill
//! of the process keeps everything. There are two implementations, [`RealDisk`] and [`MemoryDisk`],
//! which pass one contract (`contract.rs`). SQLite does its own input and output: what stands in for
//! the disk below it is the VFS that [`Disk::vfs`] names. Deliberately absent: directories in
//! directories, since a server needs one; formats of files.

mod memory;
mod real;

#[cfg(test)]
mod contract;

use std::{fmt, io, path::Path};

pub use memory::{Fate, MemoryDisk, Pending, SECTOR_BYTES};
pub use real::RealDisk;

/// The name that stands for the directory itself in [`Disk::stat`].
pub const DIRECTORY: &str = ".";

/// Where a file is made before it takes the place of another: its name with this behind it.
const PART: &str = ".part";

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To be read; it must be there.
    Read,
    /// To be read and written; it must be there.
    Write,
    /// To be read and written; made, for the owner alone, if it is not there.
    Create,
    /// To be read and written; made, for the owner alone, and it must not be there.
    CreateNew,
}

/// Who else may hold the lock of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// Whoever holds it shared.
    Shared,
    /// Nobody.
    Exclusive,
}

/// What is known of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Its length in bytes.
    pub len: u64,
    /// Who may do what with it: the nine bits of POSIX.
    pub mode: u32,
    /// Which file it is, whatever its name: equal for two names or handles of one file.
    pub id: (u64, u64),
}

/// A directory of files. Every error names what the system said, and no path.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Where it is, for people and for SQLite.
    fn path(&self) -> &Path;

    /// The SQLite VFS that stands on this disk; nothing for SQLite's own on the real one.
    fn vfs(&self) -> Option<&str>;

    /// Opens a file.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] or [`io::ErrorKind::AlreadyExists`] as `access` demands, and what
    /// the system says.
    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a new file without a name, which is gone when it is dropped.
    ///
    /// # Errors
    /// What the system says.
    fn open_unnamed(&self) -> io::Result<Box<dyn DiskFile>>;

    /// Looks at a file, or at the directory itself ([`DIRECTORY`]); nothing if it is not there.
    ///
    /// # Errors
    /// What the system says.
    fn stat(&self, name: &str) -> io::Result<Option<Stat>>;

    /// The names that are there, in no order.
    ///
    /// # Errors
    /// What the system says.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Gives a file another name, in one step, and takes that from the file that has it.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file and says whether it was there.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, name: &str) -> io::Result<bool>;

    /// Sets who may do what with a file.
    ///
    /// # Errors
    /// What the system says.
    fn set_mode(&self, name: &str, mode: u32) -> io::Result<()>;

    /// Makes the names durable: those that were made, changed and removed.
    ///
    /// # Errors
    /// What the system says.
    fn sync_dir(&self) -> io::Result<()>;

    /// Bytes that are free for this user.
    ///
    /// # Errors
    /// What the system says.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// An open file. It stays the same file if its name goes to another one.
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Reads from `at` on, and returns how many bytes: fewer than `bytes` takes only where the file
    /// ends.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `at`. What is skipped behind the file's end is zeros.
    ///
    /// # Errors
    /// What the system says; then any part of it may be written.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Looks at it.
    ///
    /// # Errors
    /// What the system says.
    fn stat(&self) -> io::Result<Stat>;

    /// Cuts it to `len` bytes, or fills it up with zeros.
    ///
    /// # Errors
    /// What the system says.
    fn truncate(&self, len: u64) -> io::Result<()>;

    /// Makes its bytes and its length durable.
    ///
    /// # Errors
    /// What the system says. Whether any of it is durable is not known then, and trying again proves
    /// nothing.
    fn sync(&self) -> io::Result<()>;

    /// Takes its lock, until the file is dropped, and says whether it could: nobody waits.
    ///
    /// # Errors
    /// What the system says.
    fn lock(&self, lock: Lock) -> io::Result<bool>;
}

impl dyn DiskFile + '_ {
    /// Reads as many bytes as `bytes` takes.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if the file ends before, and what the system says.
    pub fn read_exact_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        if self.read_at(bytes, at)? < bytes.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

/// Reads a file from its beginning to its end.
#[derive(Debug)]
pub struct FileReader<'a> {
    file: &'a dyn DiskFile,
    at: u64,
}

impl<'a> FileReader<'a> {
    /// At the beginning of `file`.
    #[must_use]
    pub fn new(file: &'a dyn DiskFile) -> Self {
        Self { file, at: 0 }
    }
}

impl io::Read for FileReader<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(bytes, self.at)?;
        self.at += wide(read);
        Ok(read)
    }
}

impl dyn Disk + '_ {
    /// All bytes of a file; nothing if it is not there.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let file = match self.open(name, Access::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let len = usize::try_from(file.stat()?.len).map_err(io::Error::other)?;
        let mut bytes = vec![0; len];
        let read = file.read_at(&mut bytes, 0)?;
        bytes.truncate(read);
        Ok(Some(bytes))
    }

    /// Writes a file that only this user may read, in the place of what is there, all of it or nothing:
    /// when it returns, it and its name are durable, and a crash before that leaves what was there.
    ///
    /// # Errors
    /// What the system says.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let part = format!("{name}{PART}");
        // One that a crash left may have another mode.
        self.remove(&part)?;
        self.write_new(&part, bytes)?;
        self.rename(&part, name)?;
        self.sync_dir()
    }

    /// Writes a file that is not there yet, for the owner alone, and makes its bytes durable. Its name
    /// is durable when the directory is.
    ///
    /// # Errors
    /// What the system says.
    pub fn write_new(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let file = self.open(name, Access::CreateNew)?;
        file.write_at(bytes, 0)?;
        file.sync()
    }

    /// The length of a file; nothing if it is not there.
    ///
    /// # Errors
    /// What the system says.
    pub fn len_of(&self, name: &str) -> io::Result<Option<u64>> {
        Ok(self.stat(name)?.map(|file| file.len))
    }
}

fn wide(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("memory holds fewer than 2^64 bytes")
}
