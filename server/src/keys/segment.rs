//! The keys of some records that stand behind one another in the log: where each stands.
//!
//! Hashes and positions go in, in order; a hash gives the positions of keys that look like it. Where the
//! newest stand is in an index that the table lends; when that holds a run of them, its entries go to
//! a file, sorted by the tables they were in, so that few of them are read to find one. What stays in
//! memory is a mark of each. So a log-structured merge tree works (O'Neil and others, 1996), but
//! nothing is ever merged: what is old is forgotten. Deliberately absent: the keys.

use std::io;

use protocol::Seq;

use super::{Extent, marks::Marks};
use crate::{
    disk::Disk,
    index::{Index, SLOT_BYTES, TABLES, hash_of, place_of, split},
    snapshot::{SectionReader, SectionWriter, Unsound},
    spill_file::SpillFile,
};

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Segment {
    /// The position of the first; places are counted from it.
    first: Seq,
    len: usize,
    run_len: usize,
    marks: Marks,
    /// Where the rows of each table end, of each full run.
    runs: Vec<[u32; TABLES]>,
    rows: SpillFile<SLOT_BYTES>,
}

impl Segment {
    /// One that begins at this position.
    pub(super) fn new(first: Seq, extent: Extent) -> Self {
        Self {
            first,
            len: 0,
            run_len: extent.run,
            marks: Marks::new(extent.segment()),
            runs: Vec::new(),
            rows: SpillFile::default(),
        }
    }

    /// Has rows go to a file on this disk.
    ///
    /// # Errors
    /// If no file can be made there.
    pub(super) fn spill_into(&mut self, disk: &dyn Disk) -> io::Result<()> {
        self.rows.spill_into(disk)
    }

    /// The position of the first.
    pub(super) const fn first(&self) -> Seq {
        self.first
    }

    /// Keys in it.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The position behind the last.
    pub(super) fn end(&self) -> Seq {
        let len = u64::try_from(self.len).expect("usize has at most 64 bits");
        Seq(self.first.0 + len)
    }

    /// Asks for the memory in which this hash is looked for.
    pub(super) fn prefetch(&self, hash: u64) {
        self.marks.prefetch(hash);
    }

    /// The runs that may have a key with this hash; mostly none.
    #[inline]
    pub(super) fn runs(&self, hash: u64) -> u32 {
        self.marks.runs(hash)
    }

    /// Notes the next key.
    pub(super) fn insert(&mut self, hash: u64, open: &mut Index) {
        let place = u32::try_from(self.len).expect("a segment is bounded");
        self.marks.insert(split(hash), self.runs.len());
        open.insert(hash, place);
        self.len += 1;
        if self.len.is_multiple_of(self.run_len) {
            self.close_run(open);
        }
    }

    /// Shows where the keys of some runs stand that have this hash.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn for_each_alike(
        &self,
        runs: u32,
        hash: u64,
        open: &Index,
        mut visit: impl FnMut(Seq),
    ) -> io::Result<()> {
        let mut visit = |place: u32| {
            if usize::try_from(place).is_ok_and(|place| place < self.len) {
                visit(Seq(self.first.0 + u64::from(place)));
            }
        };
        for (run, ends) in self.runs.iter().enumerate() {
            if runs & 1 << run != 0 {
                self.search(run * self.run_len, ends, hash, &mut visit)?;
            }
        }
        if runs & 1 << self.runs.len() != 0 {
            open.find(hash, |place| {
                visit(place);
                false
            });
        }
        Ok(())
    }

    /// Looks for a hash in the run whose rows begin at `first`.
    fn search(
        &self,
        first: usize,
        ends: &[u32; TABLES],
        hash: u64,
        visit: &mut impl FnMut(u32),
    ) -> io::Result<()> {
        let (table, hash) = split(hash);
        let start = table.checked_sub(1).map_or(0, |before| ends[before]);
        let mut reader = self.rows.reader();
        for row in start..ends[table] {
            let row = first + usize::try_from(row).expect("usize has 32 bits");
            match reader.get(row)? {
                Some(entry) if hash_of(entry) == hash => visit(place_of(entry)),
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    /// The entries of the index become rows.
    fn close_run(&mut self, open: &mut Index) {
        let first = self.rows.len();
        let ends = std::array::from_fn(|table| {
            open.entries_of(table)
                .for_each(|entry| self.rows.push(*entry));
            u32::try_from(self.rows.len() - first).expect("a run is bounded")
        });
        self.runs.push(ends);
        open.clear();
    }

    /// Writes it, without what is in the index.
    pub(super) fn save(&self, out: &mut SectionWriter<'_>) {
        let Self {
            first,
            len,
            run_len: _,
            // They follow from the rows and the index.
            marks: _,
            runs,
            rows,
        } = self;
        out.u64(first.0);
        out.count(*len);
        out.count(runs.len());
        for ends in runs {
            ends.iter().for_each(|end| out.u32(*end));
        }
        if let Err(error) = rows.for_each(|row| out.array(row)) {
            out.fail(error);
        }
    }

    /// Reads one that was saved into one that is empty. What is in the index comes by
    /// [`Segment::mark_open`].
    pub(super) fn load(
        &mut self,
        from: &mut SectionReader<'_>,
        extent: Extent,
    ) -> Result<(), Unsound> {
        self.first = Seq(from.u64()?);
        self.len = from.count(0)?;
        let runs = from.count(TABLES * size_of::<u32>())?;
        if extent.segment() < self.len || runs != self.len / self.run_len {
            return Err(from.lacks("the runs of a segment"));
        }
        for _ in 0..runs {
            let mut ends = [0; TABLES];
            for end in &mut ends {
                *end = from.u32()?;
            }
            if !ends.is_sorted() || ends[TABLES - 1] != self.run_end() {
                return Err(from.lacks("a run with an end"));
            }
            self.runs.push(ends);
        }
        for run in 0..runs {
            let mut tables = tables(&self.runs[run]);
            from.rows(self.run_len, |row| {
                let table = tables.next().expect("a run has as many rows");
                self.marks.insert((table, hash_of(*row)), run);
                self.rows.push(*row);
            })?;
        }
        Ok(())
    }

    /// Marks what is in the index, of one that was loaded.
    pub(super) fn mark_open(&mut self, open: &Index) {
        for table in 0..TABLES {
            for entry in open.entries_of(table) {
                let hash = (table, hash_of(*entry));
                self.marks.insert(hash, self.runs.len());
            }
        }
    }

    fn run_end(&self) -> u32 {
        u32::try_from(self.run_len).expect("a run is bounded")
    }
}

/// The table of each row of a run.
fn tables(ends: &[u32; TABLES]) -> impl Iterator<Item = usize> {
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let lens = starts.zip(ends).map(|(start, end)| end - start);
    lens.enumerate()
        .flat_map(|(table, len)| (0..len).map(move |_| table))
}

#[cfg(test)]
impl Segment {
    /// One whose rows go where they cannot be read.
    pub(super) fn unreadable(first: Seq, extent: Extent) -> Self {
        Self {
            rows: SpillFile::unreadable(),
            ..Self::new(first, extent)
        }
    }
}
