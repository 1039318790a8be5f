//! The first page of a snapshot: what it is of, and where its sections are.
//!
//! Deliberately absent: files, and the sections.
//!
//! ```text
//! 0 magic, 8 | layout u32 | sections u32 | seq u64 | recorded_at u64 | chain hash, 32 | state hash u128 | length of the file u64
//! 88 for each section:  name, 16, zeros behind it | at u64 | length u64
//! zeros
//! 4064 BLAKE3 of all before it, 32
//! ```
//!
//! Numbers are little-endian. Every byte of the page counts, the zeros too.

use protocol::{ChainHash, Seq};

use super::Unsound;
use crate::log::Head;

/// Bytes of the page.
pub(super) const PAGE_BYTES: usize = 4_096;

/// The layout of everything in a snapshot, sections included. Raise it whenever a byte is written
/// differently: an older snapshot is then passed over and the log replayed.
pub const LAYOUT: u32 = 5;

const MAGIC: [u8; 8] = *b"STMPSNAP";
const NAME_BYTES: usize = 16;
const CHECKSUM_AT: usize = PAGE_BYTES - 32;

/// See the head of this file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The position, and the chain hash there.
    pub head: Head,
    /// The instant of the record there.
    pub recorded_at: u64,
    /// The hash of the state there.
    pub state_hash: u128,
    /// Bytes of the whole file.
    pub file_bytes: u64,
    pub(super) sections: Vec<Section>,
}

/// Where a section is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) at: u64,
    pub(super) length: u64,
}

impl Header {
    /// The page.
    ///
    /// # Panics
    /// If there are more sections than fit, or a name is too long: only a bug can do that.
    pub(super) fn encode(&self) -> Vec<u8> {
        let sections = u32::try_from(self.sections.len()).expect("a handful");
        let mut page = Vec::with_capacity(PAGE_BYTES);
        page.extend_from_slice(&MAGIC);
        page.extend_from_slice(&LAYOUT.to_le_bytes());
        page.extend_from_slice(&sections.to_le_bytes());
        page.extend_from_slice(&self.head.seq.0.to_le_bytes());
        page.extend_from_slice(&self.recorded_at.to_le_bytes());
        page.extend_from_slice(&self.head.hash.0);
        page.extend_from_slice(&self.state_hash.to_le_bytes());
        page.extend_from_slice(&self.file_bytes.to_le_bytes());
        for section in &self.sections {
            let mut name = [0; NAME_BYTES];
            name[..section.name.len()].copy_from_slice(section.name.as_bytes());
            page.extend_from_slice(&name);
            page.extend_from_slice(&section.at.to_le_bytes());
            page.extend_from_slice(&section.length.to_le_bytes());
        }
        assert!(page.len() <= CHECKSUM_AT, "all sections fit the page");
        page.resize(CHECKSUM_AT, 0);
        let checksum = blake3::hash(&page);
        page.extend_from_slice(checksum.as_bytes());
        page
    }

    /// What a page says.
    ///
    /// # Errors
    /// If it is no page of ours, or not as it was written.
    pub(super) fn decode(page: &[u8; PAGE_BYTES]) -> Result<Self, Unsound> {
        let (fields, checksum) = page.split_at(CHECKSUM_AT);
        let Some((&MAGIC, fields)) = fields.split_first_chunk() else {
            return Err(Unsound::Foreign);
        };
        let mut fields = Fields(fields);
        let found = fields.u32()?;
        // First, since another version may have another page. A flipped bit there looks the same.
        if found != LAYOUT {
            let known = LAYOUT;
            return Err(Unsound::Layout { found, known });
        }
        if blake3::hash(&page[..CHECKSUM_AT]) != *checksum {
            return Err(Unsound::Header);
        }
        let sections = fields.u32()?;
        let seq = Seq(fields.u64()?);
        let recorded_at = fields.u64()?;
        let hash = ChainHash(fields.array()?);
        Ok(Self {
            head: Head { seq, hash },
            recorded_at,
            state_hash: u128::from_le_bytes(fields.array()?),
            file_bytes: fields.u64()?,
            sections: (0..sections)
                .map(|_| fields.section())
                .collect::<Result<_, _>>()?,
        })
    }

    /// Where the section of this name is.
    pub(super) fn section(&self, name: &'static str) -> Result<&Section, Unsound> {
        let found = self.sections.iter().find(|section| section.name == name);
        found.ok_or(Unsound::Section(name))
    }
}

/// What is left of a page. It was checked, so that what does not fit is a bug of its writer.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unsound> {
        let (field, rest) = self.0.split_first_chunk().ok_or(Unsound::Header)?;
        self.0 = rest;
        Ok(*field)
    }

    fn u32(&mut self) -> Result<u32, Unsound> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Unsound> {
        self.array().map(u64::from_le_bytes)
    }

    fn section(&mut self) -> Result<Section, Unsound> {
        let name: [u8; NAME_BYTES] = self.array()?;
        let len = name.iter().position(|byte| *byte == 0);
        let name = name.get(..len.unwrap_or(NAME_BYTES));
        let name = name.and_then(|name| std::str::from_utf8(name).ok());
        Ok(Section {
            name: name.ok_or(Unsound::Header)?.to_owned(),
            at: self.u64()?,
            length: self.u64()?,
        })
    }
}
