//! What SQLite's pages must look like, byte for byte, when rows were only ever added.
//!
//! Rows go in; the bytes that SQLite writes for them are compared with those of a page. SQLite has
//! one way to write a row, and fills a leaf from its end downwards, so a leaf follows from its rows:
//! no byte of it is free to be something else. Follows <https://sqlite.org/fileformat2.html>.
//! Deliberately absent: files, and which page comes where (`pages.rs`).

use super::pages::{PAGE, Page, be16, be32};

const LEAF: u8 = 0x0d;
const INNER: u8 = 0x05;
const LEAF_HEADER_BYTES: usize = 8;
const INNER_HEADER_BYTES: usize = 12;

/// What is wrong with a page, for people.
pub(super) type Altered = String;

/// A column of a row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Column<'a> {
    /// Nothing: what stands for the position, which is beside the row.
    Null,
    Int(u64),
    Blob(&'a [u8]),
    Text(&'a str),
}

/// Appends a row as SQLite writes it.
pub(super) fn encode_row(columns: &[Column<'_>], out: &mut Vec<u8>) {
    let mut types = Vec::with_capacity(columns.len() * 2);
    for column in columns {
        push_varint(column.serial_type(), &mut types);
    }
    // The length of the header counts itself, in one byte or in two.
    let itself = if types.len() < 127 { 1 } else { 2 };
    push_varint(to_u64(types.len() + itself), out);
    out.extend_from_slice(&types);
    for column in columns {
        column.push(out);
    }
}

impl Column<'_> {
    fn serial_type(self) -> u64 {
        match self {
            Self::Null => 0,
            Self::Int(0) => 8,
            Self::Int(1) => 9,
            Self::Int(value) => match int_bytes(value) {
                bytes @ 1..=4 => to_u64(bytes),
                6 => 5,
                _eight => 6,
            },
            Self::Blob(bytes) => 12 + 2 * to_u64(bytes.len()),
            Self::Text(text) => 13 + 2 * to_u64(text.len()),
        }
    }

    fn push(self, out: &mut Vec<u8>) {
        match self {
            Self::Null | Self::Int(0 | 1) => {}
            Self::Int(value) => out.extend_from_slice(&value.to_be_bytes()[8 - int_bytes(value)..]),
            Self::Blob(bytes) => out.extend_from_slice(bytes),
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
        }
    }
}

/// The least that SQLite can write a number in, which has a sign bit there.
fn int_bytes(value: u64) -> usize {
    [1, 2, 3, 4, 6]
        .into_iter()
        .find(|bytes| value < 1 << (8 * bytes - 1))
        .unwrap_or(8)
}

fn push_varint(value: u64, out: &mut Vec<u8>) {
    if value >> 56 != 0 {
        // The ninth byte is whole.
        out.extend(
            (0..8)
                .rev()
                .map(|group| low_byte(value >> (8 + 7 * group)) | 0x80),
        );
        out.push(low_byte(value));
        return;
    }
    let bits = (64 - value.leading_zeros()).max(1);
    for group in (0..bits.div_ceil(7)).rev() {
        let more = if group == 0 { 0 } else { 0x80 };
        out.push(low_byte(value >> (7 * group)) & 0x7f | more);
    }
}

fn low_byte(value: u64) -> u8 {
    value.to_le_bytes()[0]
}

/// How many bytes of a row that long stand in the leaf; the others are in overflow pages.
fn local_bytes(payload: usize) -> usize {
    const MOST: usize = PAGE - 35;
    const LEAST: usize = (PAGE - 12) * 32 / 255 - 23;
    if payload <= MOST {
        return payload;
    }
    let fitting = LEAST + (payload - LEAST) % (PAGE - 4);
    if fitting <= MOST { fitting } else { LEAST }
}

/// A leaf, whose rows are held against it one by one.
#[derive(Debug)]
pub(super) struct Leaf {
    bytes: Box<Page>,
    /// Where the page's own header is: behind the file's, in the first page.
    header: usize,
    pub(super) cells: usize,
    taken: usize,
    /// Where the last row that was taken begins.
    end: usize,
    cell: Vec<u8>,
}

/// Where the rest of a long row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rest {
    pub(super) page: u32,
    pub(super) local_bytes: usize,
}

impl Leaf {
    pub(super) fn new(bytes: Box<Page>, header: usize) -> Result<Self, Altered> {
        let cells = usize::from(be16(&*bytes, header + 3));
        if bytes[header] != LEAF || PAGE < header + LEAF_HEADER_BYTES + 2 * cells {
            return Err("it should be a leaf and is none".to_owned());
        }
        Ok(Self {
            bytes,
            header,
            cells,
            taken: 0,
            end: PAGE,
            cell: Vec::new(),
        })
    }

    pub(super) const fn is_done(&self) -> bool {
        self.taken == self.cells
    }

    /// Holds the next row against the page.
    pub(super) fn take(&mut self, seq: u64, row: &[u8]) -> Result<Option<Rest>, Altered> {
        let local_bytes = local_bytes(row.len());
        self.cell.clear();
        push_varint(to_u64(row.len()), &mut self.cell);
        push_varint(seq, &mut self.cell);
        self.cell.extend_from_slice(&row[..local_bytes]);
        let overflow = if local_bytes < row.len() { 4 } else { 0 };
        let start = self.end.checked_sub(self.cell.len() + overflow);
        let start = start.ok_or_else(|| format!("it has no room for seq {seq}"))?;
        let pointer = be16(
            &*self.bytes,
            self.header + LEAF_HEADER_BYTES + 2 * self.taken,
        );
        if usize::from(pointer) != start || !self.bytes[start..].starts_with(&self.cell) {
            return Err(format!(
                "the bytes around seq {seq} are not those of that record"
            ));
        }
        let rest = (overflow != 0).then(|| Rest {
            page: be32(&*self.bytes, self.end - overflow),
            local_bytes,
        });
        self.end = start;
        self.taken += 1;
        Ok(rest)
    }

    /// When every row was taken: nothing else is in it.
    pub(super) fn finish(&self) -> Result<(), Altered> {
        let gap = self.header + LEAF_HEADER_BYTES + 2 * self.cells;
        check_rest(&self.bytes, self.header, gap, self.end)
    }
}

/// A page that tells where others are.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) number: u32,
    bytes: Box<Page>,
    cells: usize,
    /// Children that were walked.
    walked: usize,
    /// Where the cells of those are.
    covered: Vec<(usize, usize)>,
}

impl Inner {
    pub(super) fn is_one(bytes: &Page) -> bool {
        bytes[0] == INNER
    }

    pub(super) fn new(number: u32, bytes: Box<Page>) -> Result<Self, Altered> {
        let cells = usize::from(be16(&*bytes, 3));
        if !Self::is_one(&bytes) || PAGE < INNER_HEADER_BYTES + 2 * cells {
            return Err("it should tell where others are and does not".to_owned());
        }
        Ok(Self {
            number,
            bytes,
            cells,
            walked: 0,
            covered: Vec::with_capacity(cells),
        })
    }

    /// The next child to walk.
    pub(super) fn child(&self) -> Option<u32> {
        if self.walked == self.cells {
            return Some(be32(&*self.bytes, 8));
        }
        let start = self.cell_at(self.walked)?;
        (start + 4 <= PAGE).then(|| be32(&*self.bytes, start))
    }

    /// A child was walked to its end, where `last` is.
    pub(super) fn close_child(&mut self, last: u64) -> Result<(), Altered> {
        if let Some(start) = self.cell_at(self.walked) {
            let mut key = Vec::new();
            push_varint(last, &mut key);
            if !self
                .bytes
                .get(start + 4..)
                .is_some_and(|cell| cell.starts_with(&key))
            {
                return Err(format!("it does not say that seq {last} ends a page"));
            }
            self.covered.push((start, 4 + key.len()));
        }
        self.walked += 1;
        Ok(())
    }

    pub(super) const fn is_done(&self) -> bool {
        self.walked > self.cells
    }

    /// When it was walked, and all its children are leaves and it is the root: nothing else is in it.
    pub(super) fn finish_root(&self) -> Result<(), Altered> {
        let mut end = PAGE;
        for (start, bytes) in &self.covered {
            if start + bytes != end {
                return Err("its parts are not where they were put".to_owned());
            }
            end = *start;
        }
        check_rest(&self.bytes, 0, INNER_HEADER_BYTES + 2 * self.cells, end)
    }

    /// When it was walked and stands deeper in the tree: SQLite moves parts of such a page about and
    /// leaves remnants, which nothing reads. Returns how many bytes those may be.
    pub(super) fn finish_deep(mut self) -> Result<u64, Altered> {
        let pointers = INNER_HEADER_BYTES + 2 * self.cells;
        self.covered.push((0, pointers));
        self.covered.sort_unstable();
        let mut end = 0;
        for (start, bytes) in &self.covered {
            if *start < end || PAGE < start + bytes {
                return Err("its parts overlap".to_owned());
            }
            end = start + bytes;
        }
        let used: usize = self.covered.iter().map(|(_start, bytes)| bytes).sum();
        Ok(to_u64(PAGE - used))
    }

    fn cell_at(&self, index: usize) -> Option<usize> {
        (index < self.cells)
            .then(|| usize::from(be16(&*self.bytes, INNER_HEADER_BYTES + 2 * index)))
    }
}

/// No list of free parts, no fragments, and nothing but zeros between `gap` and `end`.
fn check_rest(bytes: &Page, header: usize, gap: usize, end: usize) -> Result<(), Altered> {
    let says = (
        be16(bytes, header + 1),
        be16(bytes, header + 5),
        bytes[header + 7],
    );
    if (usize::from(says.0), usize::from(says.1), says.2) != (0, end, 0) {
        return Err("its header does not fit what is in it".to_owned());
    }
    match bytes.get(gap..end) {
        Some(free) if free.iter().all(|byte| *byte == 0) => Ok(()),
        Some(_) => Err("there is something where nothing should be".to_owned()),
        None => Err("its header does not fit what is in it".to_owned()),
    }
}

/// Whether `old` is what `now` was before rows were added to it.
pub(super) fn is_earlier(old: &Page, now: &Page) -> bool {
    let header = match now[0] {
        LEAF => LEAF_HEADER_BYTES,
        INNER => INNER_HEADER_BYTES,
        _neither => return false,
    };
    let (cells, cells_now) = (be16(old, 3), be16(now, 3));
    let pointers = header + 2 * usize::from(cells);
    if cells_now < cells || PAGE < pointers {
        return false;
    }
    let end = match cells {
        0 => PAGE,
        _some => usize::from(be16(now, pointers - 2)),
    };
    let mut expected = [0; PAGE];
    expected[0] = now[0];
    expected[3..5].copy_from_slice(&cells.to_be_bytes());
    let Some(rest) = now.get(end..) else {
        return false;
    };
    expected[5..7].copy_from_slice(&old[5..7]);
    expected[header..pointers].copy_from_slice(&now[header..pointers]);
    expected[end..].copy_from_slice(rest);
    if now[0] == INNER {
        // What was the last child then is the child of the next cell now.
        let last = match cells < cells_now {
            true => usize::from(be16(now, pointers)),
            false => 8,
        };
        let Some(child) = now.get(last..last + 4) else {
            return false;
        };
        expected[8..12].copy_from_slice(child);
    }
    usize::from(be16(old, 5)) == end && *old == expected
}

fn to_u64(len: usize) -> u64 {
    u64::try_from(len).expect("lengths fit 64 bits")
}
