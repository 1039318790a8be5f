//! Rows of one length that are written once and seldom read: the newest in memory, the others in a file.
//!
//! Rows go in at the end; any of them comes out again. What is in the file follows from the log, so
//! nobody waits for the disk, and the file has no name: it goes with the process, however that ends.
//! What the disk does not take stays in memory. Deliberately absent: changing a row, durability.

use std::io;

use crate::disk::{Disk, DiskFile};

/// Rows that are written to the file at once.
pub(crate) const CHUNK_ROWS: usize = 4_096;

/// Rows that are read from it at once: those near a row that is wanted are often wanted next.
const NEAR_LEN: usize = 64;

/// See the head of this file. A row has `N` bytes.
#[derive(Debug)]
pub(crate) struct SpillFile<const N: usize> {
    file: Option<Box<dyn DiskFile>>,
    /// Rows in the file, which come before those in memory.
    spilled: usize,
    newest: Vec<[u8; N]>,
    /// Whether it was said that the disk takes no more.
    is_told: bool,
}

impl<const N: usize> Default for SpillFile<N> {
    fn default() -> Self {
        Self {
            file: None,
            spilled: 0,
            newest: Vec::new(),
            is_told: false,
        }
    }
}

impl<const N: usize> SpillFile<N> {
    /// Has rows go to a file on this disk, those that are there at once.
    ///
    /// # Errors
    /// If no file can be made there. All rows stay in memory then.
    pub(crate) fn spill_into(&mut self, disk: &dyn Disk) -> io::Result<()> {
        self.file = Some(disk.open_unnamed()?);
        self.spill();
        Ok(())
    }

    /// Rows in it.
    pub(crate) const fn len(&self) -> usize {
        self.spilled + self.newest.len()
    }

    /// Puts a row at the end.
    pub(crate) fn push(&mut self, row: [u8; N]) {
        self.newest.push(row);
        if self.newest.len().is_multiple_of(CHUNK_ROWS) {
            self.spill();
        }
    }

    /// Reads rows one after the other, wherever they are.
    pub(crate) const fn reader(&self) -> SpillReader<'_, N> {
        SpillReader {
            spill: self,
            near: Vec::new(),
            near_from: 0,
        }
    }

    /// Shows every row, in order.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&[u8; N])) -> io::Result<()> {
        let mut stretch = Vec::new();
        for from in (0..self.spilled).step_by(CHUNK_ROWS) {
            self.read(from, CHUNK_ROWS, &mut stretch)?;
            stretch.iter().for_each(&mut visit);
        }
        self.newest.iter().for_each(visit);
        Ok(())
    }

    fn spill(&mut self) {
        let Some(file) = &self.file else {
            return;
        };
        match file.write_at(self.newest.as_flattened(), Self::at(self.spilled)) {
            Ok(()) => {
                self.spilled += self.newest.len();
                self.newest.clear();
                self.newest.shrink_to(CHUNK_ROWS);
            }
            Err(error) if !self.is_told => {
                tracing::warn!(%error, "the disk takes no more of what is seldom read; it stays in memory");
                self.is_told = true;
            }
            Err(_as_before) => {}
        }
    }

    /// At most `len` spilled rows from one on.
    fn read(&self, from: usize, len: usize, rows: &mut Vec<[u8; N]>) -> io::Result<()> {
        let len = len.min(self.spilled.saturating_sub(from));
        rows.clear();
        rows.resize(len, [0; N]);
        match &self.file {
            Some(file) => file.read_exact_at(rows.as_flattened_mut(), Self::at(from)),
            None => Ok(()),
        }
    }

    fn at(row: usize) -> u64 {
        u64::try_from(row * N).expect("a file has fewer than 2^64 bytes")
    }
}

/// Reads rows, and remembers those near the last one.
#[derive(Debug)]
pub(crate) struct SpillReader<'a, const N: usize> {
    spill: &'a SpillFile<N>,
    near: Vec<[u8; N]>,
    near_from: usize,
}

impl<const N: usize> SpillReader<'_, N> {
    /// The row at `index`, counted from 0, if there is one.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(crate) fn get(&mut self, index: usize) -> io::Result<Option<[u8; N]>> {
        let Self { spill, .. } = *self;
        if let Some(newest) = index.checked_sub(spill.spilled) {
            return Ok(spill.newest.get(newest).copied());
        }
        let from = index / NEAR_LEN * NEAR_LEN;
        if self.near.is_empty() || self.near_from != from {
            spill.read(from, NEAR_LEN, &mut self.near)?;
            self.near_from = from;
        }
        Ok(self.near.get(index - from).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::MemoryDisk;

    impl<const N: usize> SpillFile<N> {
        /// One whose rows go where they cannot be read.
        pub(crate) fn unreadable() -> Self {
            let nowhere = std::fs::File::options().write(true).open("/dev/null");
            Self {
                file: Some(Box::new(nowhere.expect("every system has it"))),
                ..Self::default()
            }
        }
    }

    fn row(index: usize) -> [u8; 5] {
        let mut row = [0; 5];
        row[..4].copy_from_slice(&u32::try_from(index).unwrap().to_le_bytes());
        row
    }

    /// Whatever was pushed is found, forwards, backwards and all at once.
    #[track_caller]
    fn check(spill: &SpillFile<5>, len: usize) {
        assert_eq!(spill.len(), len);
        let mut reader = spill.reader();
        for index in (0..len).rev().chain((0..len).step_by(77)) {
            assert_eq!(reader.get(index).unwrap(), Some(row(index)), "{index}");
        }
        assert_eq!(reader.get(len).unwrap(), None);
        let mut all = Vec::new();
        spill.for_each(|row| all.push(*row)).unwrap();
        assert!(all.into_iter().eq((0..len).map(row)));
    }

    #[test]
    fn rows_are_found_wherever_they_are() {
        let disk = MemoryDisk::new();
        let mut spill = SpillFile::default();
        let mut len = 0;
        let mut push = |spill: &mut SpillFile<5>, more: usize| {
            (len..len + more).for_each(|index| spill.push(row(index)));
            len += more;
            check(spill, len);
        };
        push(&mut spill, 10);
        push(&mut spill, CHUNK_ROWS);
        spill.spill_into(&disk).unwrap();
        assert_eq!(spill.spilled, CHUNK_ROWS + 10);
        push(&mut spill, 1);
        push(&mut spill, CHUNK_ROWS - 2);
        assert_eq!(spill.newest.len(), CHUNK_ROWS - 1);
        push(&mut spill, 1);
        assert_eq!(spill.newest.len(), 0);
        assert!(spill.newest.capacity() <= CHUNK_ROWS);
        push(&mut spill, 3 * CHUNK_ROWS);
        assert_eq!(disk.list().unwrap().len(), 0);
    }

    #[test]
    fn what_the_disk_does_not_take_stays_in_memory() {
        let mut spill = SpillFile {
            // Opened for reading: whatever is written to it is refused.
            file: Some(Box::new(std::fs::File::open("/dev/null").unwrap())),
            ..SpillFile::default()
        };
        let len = 2 * CHUNK_ROWS + 1;
        (0..len).for_each(|index| spill.push(row(index)));
        assert_eq!((spill.spilled, spill.newest.len()), (0, len));
        assert!(spill.is_told);
        check(&spill, len);
        let disk = MemoryDisk::new();
        spill.spill_into(&disk).unwrap();
        assert_eq!((spill.spilled, spill.newest.len()), (len, 0));
        check(&spill, len);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told() {
        let disk = MemoryDisk::new();
        let mut spill = SpillFile::default();
        (0..9).for_each(|index| spill.push(row(index)));
        spill.spill_into(&disk).unwrap();
        let file = spill.file.as_ref().unwrap();
        file.truncate(7).unwrap();
        assert!(spill.reader().get(8).is_err());
        assert!(spill.for_each(|_row| ()).is_err());
    }
}
