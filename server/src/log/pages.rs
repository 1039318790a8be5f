//! Every byte of the database file, accounted for.
//!
//! A data directory goes in that nobody writes, with its records; what stands in the file comes out,
//! or the page that is not what it should be. The chain of hashes vouches for records, and SQLite
//! for its own structure; neither looks at bytes that are free, or at a number that is stored twice.
//! Here each page is held against what the records make of it (`cells.rs`), so one changed bit is
//! found wherever it is. Deliberately absent: a checksum a page, which every append would pay for.
//!
//! What cannot be told from damage is counted instead, and said: remnants in the inner pages of a
//! tree of three levels (from some 30,000 records on, a ten-thousandth of the file), and one page of
//! the write-ahead log. Nothing reads either.

use std::{fs::File, io, ops::ControlFlow, os::unix::fs::FileExt as _, path::Path};

use protocol::Seq;

use super::{
    LogError, LogReader, Row,
    cells::{Altered, Column, Inner, Leaf, Rest, encode_row, is_earlier},
    database::{self, APPLICATION_ID, FILE_NAME, PAGE_BYTES, USER_VERSION},
    wal::Wal,
};

/// The length of a page.
pub(super) const PAGE: usize = PAGE_BYTES as usize;

/// A page.
pub(super) type Page = [u8; PAGE];

/// Every SQLite that a version of this program was built with: the file names the last that wrote it.
const SQLITE_VERSIONS: [u32; 1] = [3_054_001];

const FILE_HEADER_BYTES: usize = 100;
const CHANGES_AT: usize = 24;
const PAGE_COUNT_AT: usize = 28;
const CHANGES_AGAIN_AT: usize = 92;
const SQLITE_VERSION_AT: usize = 96;

/// The page where the table of records begins; the first is the schema's.
const ROOT: u32 = 2;

/// What the bytes of a log's file came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileReport {
    /// Pages of the database.
    pub pages: u32,
    /// Pages that stand in the write-ahead log, newer than in the file.
    pub pages_ahead: u32,
    /// Bytes that nothing reads and nothing vouches for.
    pub dead_bytes: u64,
}

/// Accounts for every byte of the files in `data_dir`, which nobody may be writing. `reader` reads
/// the same log, whose chain must have been checked.
///
/// # Errors
/// The first page that is not what the records make of it.
pub fn account(data_dir: &Path, reader: &mut dyn LogReader) -> Result<FileReport, LogError> {
    let mut pages = Pages::open(data_dir)?;
    check_first(&mut pages)?;
    let mut walk = Walk::begin(pages)?;
    let mut failure = None;
    reader.read(Seq(1), &mut |row| match walk.take(&row) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failure = Some(error);
            ControlFlow::Break(())
        }
    })?;
    if let Some(error) = failure {
        return Err(error);
    }
    walk.finish()
}

/// The pages of a database, the newest version of each.
struct Pages {
    file: File,
    wal: Option<Wal>,
    /// How many there are.
    count: u32,
    /// How many are in the file itself.
    in_file: u32,
    walked: Vec<bool>,
}

impl Pages {
    fn open(data_dir: &Path) -> Result<Self, LogError> {
        let file = File::open(data_dir.join(FILE_NAME)).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        let wal = Wal::open(data_dir)?;
        let in_file = u32::try_from(bytes / u64::from(PAGE_BYTES)).unwrap_or(u32::MAX);
        let count = wal
            .as_ref()
            .and_then(|wal| wal.page_count)
            .unwrap_or(in_file);
        if bytes % u64::from(PAGE_BYTES) != 0 || count < in_file || count < ROOT {
            return Err(LogError::Damaged(format!(
                "`{FILE_NAME}` has {bytes} bytes, which are not the {count} pages of {PAGE_BYTES} that it should be; restore a backup of the data directory"
            )));
        }
        let len = usize::try_from(count).expect("memory is addressed with 64 bits");
        Ok(Self {
            file,
            wal,
            count,
            in_file,
            walked: vec![false; len],
        })
    }

    /// Reads a page that no other place told of.
    fn walk(&mut self, number: u32) -> Result<Box<Page>, LogError> {
        let index = usize::try_from(number).expect("memory is addressed with 64 bits");
        match self.walked.get_mut(index.wrapping_sub(1)) {
            Some(walked @ false) => *walked = true,
            Some(true) => return Err(altered(number, "two places tell of it")),
            None => {
                return Err(altered(
                    number,
                    &format!("the file has {} pages", self.count),
                ));
            }
        }
        self.read(number)
    }

    fn read(&self, number: u32) -> Result<Box<Page>, LogError> {
        let mut page = Box::new([0; PAGE]);
        let is_ahead = match &self.wal {
            Some(wal) => wal.read(number, &mut page)?,
            None => false,
        };
        if is_ahead {
            return Ok(page);
        }
        if self.in_file < number {
            return Err(altered(number, "it is missing"));
        }
        self.read_in_file(number, &mut page)?;
        Ok(page)
    }

    fn read_in_file(&self, number: u32, page: &mut Page) -> Result<(), LogError> {
        let at = u64::from(number - 1) * u64::from(PAGE_BYTES);
        self.file.read_exact_at(page, at).map_err(failed)
    }

    /// Every page is part of something.
    fn check_all_walked(&self) -> Result<(), LogError> {
        match (1..).zip(&self.walked).find(|(_number, walked)| !**walked) {
            Some((number, _)) => Err(altered(number, "nothing tells of it")),
            None => Ok(()),
        }
    }

    /// Pages of the file that are newer in the write-ahead log are still what they once were.
    /// Returns how many are ahead, and how many bytes could not be judged.
    fn check_superseded(&self, leftmost: &Page, is_deep: bool) -> Result<(u32, u64), LogError> {
        let (mut ahead, mut dead_bytes) = (0, 0);
        let numbers = self.wal.as_ref().map(Wal::pages).unwrap_or_default();
        for number in numbers {
            ahead += 1;
            if self.in_file < number {
                continue;
            }
            let (now, mut old) = (self.read(number)?, Box::new([0; PAGE]));
            self.read_in_file(number, &mut old)?;
            let is_sound = old == now
                || number == 1 && is_earlier_first(&old, &now, self.in_file)
                || number != 1 && is_earlier(&old, &now)
                || number == ROOT && is_earlier(&old, leftmost);
            if is_sound {
                continue;
            }
            if !is_deep || !Inner::is_one(&now) {
                return Err(LogError::Damaged(format!(
                    "page {number} of `{FILE_NAME}` was altered, or being overwritten when the process died; the write-ahead log has it newer and whole, so no record is lost: start the server once, which writes it anew, and verify again"
                )));
            }
            dead_bytes += u64::from(PAGE_BYTES);
        }
        Ok((ahead, dead_bytes))
    }
}

/// The first page: what kind of file this is, and the schema.
fn check_first(pages: &mut Pages) -> Result<(), LogError> {
    let page = pages.walk(1)?;
    let schema = database::fresh_schema()?;
    if !is_header(&page, schema.changes) || be32(&*page, PAGE_COUNT_AT) != pages.count {
        return Err(altered(1, "its header is not that of a log"));
    }
    let altered = |what: Altered| altered(1, &what);
    let mut leaf = Leaf::new(page, FILE_HEADER_BYTES).map_err(altered)?;
    let mut bytes = Vec::new();
    for (number, row) in (1..).zip(&schema.rows) {
        bytes.clear();
        let columns = [
            Column::Text(&row.kind),
            Column::Text(&row.name),
            Column::Text(&row.table),
            Column::Int(u64::from(row.root)),
            Column::Text(&row.sql),
        ];
        encode_row(&columns, &mut bytes);
        if leaf.is_done() {
            return Err(altered("a part of the schema is missing".to_owned()));
        }
        leaf.take(number, &bytes).map_err(altered)?;
    }
    leaf.finish().map_err(altered)
}

/// The first hundred bytes, but for how many pages there are.
fn is_header(page: &Page, schema_changes: u32) -> bool {
    let mut expected = [0; FILE_HEADER_BYTES];
    expected[..16].copy_from_slice(b"SQLite format 3\0");
    let page_bytes = u16::try_from(PAGE_BYTES).expect("checked when it was chosen");
    expected[16..18].copy_from_slice(&page_bytes.to_be_bytes());
    // Written and read through a write-ahead log; fixed fractions.
    expected[18..24].copy_from_slice(&[2, 2, 0, 64, 32, 32]);
    expected[CHANGES_AT..32].copy_from_slice(&page[CHANGES_AT..32]);
    expected[40..44].copy_from_slice(&schema_changes.to_be_bytes());
    // The newest format of schemas; texts in UTF-8.
    expected[47] = 4;
    expected[59] = 1;
    expected[60..64].copy_from_slice(&USER_VERSION.to_be_bytes());
    expected[68..72].copy_from_slice(&APPLICATION_ID.to_be_bytes());
    expected[CHANGES_AGAIN_AT..SQLITE_VERSION_AT].copy_from_slice(&page[CHANGES_AT..PAGE_COUNT_AT]);
    expected[SQLITE_VERSION_AT..].copy_from_slice(&page[SQLITE_VERSION_AT..FILE_HEADER_BYTES]);
    page.starts_with(&expected) && SQLITE_VERSIONS.contains(&be32(page, SQLITE_VERSION_AT))
}

/// Whether `old` is the first page before records were added.
fn is_earlier_first(old: &Page, now: &Page, in_file: u32) -> bool {
    let mut expected = *now;
    expected[CHANGES_AT..32].copy_from_slice(&old[CHANGES_AT..32]);
    expected[CHANGES_AGAIN_AT..FILE_HEADER_BYTES]
        .copy_from_slice(&old[CHANGES_AGAIN_AT..FILE_HEADER_BYTES]);
    *old == expected
        && old[CHANGES_AT..PAGE_COUNT_AT] == old[CHANGES_AGAIN_AT..SQLITE_VERSION_AT]
        && be32(old, PAGE_COUNT_AT) == in_file
        && SQLITE_VERSIONS.contains(&be32(old, SQLITE_VERSION_AT))
}

/// The table of records, walked from its first row to its last.
struct Walk {
    pages: Pages,
    path: Vec<Inner>,
    leaf: Leaf,
    leaf_number: u32,
    /// The first record that is or would be in it.
    leaf_first: Seq,
    leftmost: Box<Page>,
    last: u64,
    is_deep: bool,
    dead_bytes: u64,
    row: Vec<u8>,
}

impl Walk {
    fn begin(mut pages: Pages) -> Result<Self, LogError> {
        let mut path = Vec::new();
        let (leaf_number, leaf) = descend(&mut pages, &mut path, ROOT)?;
        let leftmost = pages.read(leaf_number)?;
        Ok(Self {
            is_deep: 1 < path.len(),
            pages,
            path,
            leaf,
            leaf_number,
            leaf_first: Seq(1),
            leftmost,
            last: 0,
            dead_bytes: 0,
            row: Vec::new(),
        })
    }

    fn take(&mut self, row: &Row<'_>) -> Result<(), LogError> {
        let seq = row.record.seq.0;
        while self.leaf.is_done() {
            self.finish_leaf()?;
            if !self.next_leaf()? {
                return Err(self.altered_leaf(&format!("seq {seq} is in no page")));
            }
        }
        self.row.clear();
        encode(row, &mut self.row);
        let rest = self.leaf.take(seq, &self.row);
        if let Some(rest) = rest.map_err(|what| self.altered_leaf(&what))? {
            self.follow(rest)?;
        }
        self.last = seq;
        Ok(())
    }

    /// The rest of a long row, in pages of its own.
    fn follow(&mut self, rest: Rest) -> Result<(), LogError> {
        let (mut number, mut left) = (rest.page, &self.row[rest.local_bytes..]);
        while !left.is_empty() {
            let page = self.pages.walk(number)?;
            let (here, further) = left.split_at(left.len().min(PAGE - 4));
            let (content, free) = page[4..].split_at(here.len());
            if content != here || free.iter().any(|byte| *byte != 0) {
                return Err(altered(number, "it is not the rest of a long record"));
            }
            let next = be32(&*page, 0);
            if further.is_empty() && next != 0 {
                return Err(altered(number, "a long record goes on behind its end"));
            }
            (number, left) = (next, further);
        }
        Ok(())
    }

    fn finish_leaf(&self) -> Result<(), LogError> {
        let finished = self.leaf.finish();
        finished.map_err(|what| self.altered_leaf(&what))
    }

    fn altered_leaf(&self, what: &str) -> LogError {
        altered(
            self.leaf_number,
            &format!("{what}; it begins with seq {}", self.leaf_first),
        )
    }

    /// Goes on to the next leaf; `false` if that was the last.
    fn next_leaf(&mut self) -> Result<bool, LogError> {
        while let Some(mut inner) = self.path.pop() {
            let number = inner.number;
            let altered = |what: Altered| altered(number, &what);
            inner.close_child(self.last).map_err(altered)?;
            if inner.is_done() {
                let is_root = self.path.is_empty();
                if is_root && !self.is_deep {
                    inner.finish_root().map_err(altered)?;
                } else {
                    self.dead_bytes += inner.finish_deep().map_err(altered)?;
                }
                continue;
            }
            let child = inner
                .child()
                .ok_or_else(|| altered("it is cut".to_owned()))?;
            self.path.push(inner);
            (self.leaf_number, self.leaf) = descend(&mut self.pages, &mut self.path, child)?;
            self.leaf_first = Seq(self.last).next();
            self.is_deep |= 1 < self.path.len();
            return Ok(true);
        }
        Ok(false)
    }

    fn finish(mut self) -> Result<FileReport, LogError> {
        if !self.leaf.is_done() {
            return Err(self.altered_leaf("it has more than the log"));
        }
        self.finish_leaf()?;
        if self.next_leaf()? {
            return Err(self.altered_leaf("it stands behind the last record"));
        }
        self.pages.check_all_walked()?;
        let (pages_ahead, superseded) =
            self.pages.check_superseded(&self.leftmost, self.is_deep)?;
        let wal = self.pages.wal.as_ref().map_or(0, |wal| wal.dead_bytes);
        Ok(FileReport {
            pages: self.pages.count,
            pages_ahead,
            dead_bytes: self.dead_bytes + superseded + wal,
        })
    }
}

/// Goes down from `number` to its first leaf.
fn descend(pages: &mut Pages, path: &mut Vec<Inner>, number: u32) -> Result<(u32, Leaf), LogError> {
    let mut number = number;
    loop {
        let page = pages.walk(number)?;
        let altered = |what: Altered| altered(number, &what);
        if !Inner::is_one(&page) {
            return Ok((number, Leaf::new(page, 0).map_err(altered)?));
        }
        let inner = Inner::new(number, page).map_err(altered)?;
        let child = inner
            .child()
            .ok_or_else(|| altered("it is cut".to_owned()))?;
        path.push(inner);
        number = child;
    }
}

/// A record as `schema.sql` has it.
fn encode(row: &Row<'_>, out: &mut Vec<u8>) {
    let record = &row.record;
    let columns = [
        Column::Null,
        Column::Int(record.recorded_at),
        Column::Int(record.actor.0),
        Column::Blob(&record.key.0),
        Column::Int(u64::from(record.kind.0)),
        Column::Int(u64::from(record.schema)),
        Column::Int(u64::from(record.codec)),
        Column::Blob(record.body),
        Column::Blob(record.outcome),
        Column::Blob(&row.hash.0),
    ];
    encode_row(&columns, out);
}

fn altered(number: u32, what: &str) -> LogError {
    LogError::Damaged(format!(
        "page {number} of `{FILE_NAME}` was altered: {what}; restore a backup of the data directory, or, where only this is told of, `log export` and `log import` what is sound: every record is"
    ))
}

fn failed(source: io::Error) -> LogError {
    LogError::Io {
        doing: format!("read `{FILE_NAME}` of the data directory"),
        source,
    }
}

/// A number of two bytes, which must be there.
pub(super) fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// A number of four bytes, which must be there.
pub(super) fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
