//! Reading a log back without trusting it.
//!
//! Rows come in from any reader; they go out to the visitor only after their position and their
//! chain hash have been checked, so nothing is ever built from a damaged log. Deliberately absent:
//! what the records mean, and whether the log is as long as it was, which the mark knows.

use std::ops::ControlFlow;

use protocol::{Seq, record::chain};

use super::{Head, LogError, LogReader, Row, Visit};

/// Shows `visit` every record behind `from`, checked, and returns how far it got.
///
/// # Errors
/// If a position is missing or a hash does not match, which names the position; or if the log
/// cannot be read. What was visited before is sound.
pub fn replay(
    reader: &mut dyn LogReader,
    from: Head,
    visit: &mut Visit<'_>,
) -> Result<Head, LogError> {
    let mut check = ChainCheck::new(from);
    let mut damage = None;
    reader.read(from.seq.next(), &mut |row| match check.advance(&row) {
        Ok(()) => visit(row),
        Err(error) => {
            damage = Some(error);
            ControlFlow::Break(())
        }
    })?;
    damage.map_or(Ok(check.head), Err)
}

/// Shows `visit` the rows from `from` on, for as long as it wants more: each of them proven by its hash
/// and that of the row before. Of the row before the first only the hash is believed, so damage there
/// is told as damage of the first. Shows nothing if the log ends before `from`.
///
/// # Errors
/// As [`replay`].
pub fn read_proven(
    reader: &mut dyn LogReader,
    from: Seq,
    visit: &mut Visit<'_>,
) -> Result<(), LogError> {
    let before = Seq(from.0.saturating_sub(1));
    let mut check = (before == Seq::START).then(|| ChainCheck::new(Head::default()));
    let mut damage = None;
    reader.read(before.max(Seq(1)), &mut |row| {
        let advanced = match &mut check {
            Some(check) => check.advance(&row),
            None if row.record.seq == before => {
                check = Some(ChainCheck::new(Head {
                    seq: before,
                    hash: row.hash,
                }));
                return ControlFlow::Continue(());
            }
            None => Err(gap(before, row.record.seq)),
        };
        match advanced {
            Ok(()) => visit(row),
            Err(error) => {
                damage = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    damage.map_or(Ok(()), Err)
}

/// Walks the whole log and returns its head.
///
/// # Errors
/// See [`replay`].
pub fn verify_chain(reader: &mut dyn LogReader) -> Result<Head, LogError> {
    replay(reader, Head::default(), &mut |_row| {
        ControlFlow::Continue(())
    })
}

/// Checks rows one after another.
#[derive(Debug)]
pub struct ChainCheck {
    head: Head,
    scratch: Vec<u8>,
}

impl ChainCheck {
    /// Expects the row that follows `head`.
    #[must_use]
    pub fn new(head: Head) -> Self {
        Self {
            head,
            scratch: Vec::with_capacity(512),
        }
    }

    /// How far the rows have been checked.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }

    /// Takes the next row.
    ///
    /// # Errors
    /// If it is not the next one, or its hash is not that of its bytes and the hash before it.
    pub fn advance(&mut self, row: &Row<'_>) -> Result<(), LogError> {
        let expected = self.head.seq.next();
        if row.record.seq != expected {
            return Err(gap(expected, row.record.seq));
        }
        if chain(&self.head.hash, &row.record, &mut self.scratch) != row.hash {
            return Err(altered(expected));
        }
        self.head = Head {
            seq: expected,
            hash: row.hash,
        };
        Ok(())
    }
}

fn gap(expected: Seq, found: Seq) -> LogError {
    LogError::Damaged(format!(
        "seq {expected} is missing from the log: seq {found} was found in its place; restore a backup of the data directory"
    ))
}

fn altered(seq: Seq) -> LogError {
    LogError::Damaged(format!(
        "seq {seq} was altered: its bytes do not match its chain hash; everything before it is sound; restore a backup of the data directory"
    ))
}
