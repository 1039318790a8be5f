//! Reading the log of a data directory, whether a server is writing it or not.
//!
//! Its own connection, which cannot write. Rows are lent to the visitor straight from SQLite's
//! pages: nothing is copied or allocated for a row. Deliberately absent: trust, see `replay.rs`.

use std::{ops::ControlFlow, path::Path, sync::Arc};

use protocol::{ChainHash, Key, Kind, Record, Seq, UserId};
use rusqlite::{Connection, types::FromSqlError};

use super::{
    Head, LogError, LogReader, PersonKey, Row, Visit,
    database::{check_finished, open_for_reading, sqlite_error},
    key_store,
};
use crate::disk::{Disk, RealDisk};

/// Rows read in one transaction. An open reading transaction keeps the write-ahead log from being
/// reused, so a long walk over a live log must let go now and then; the log only grows, so nothing
/// is missed in between.
const PAGE_LEN: u32 = 20_000;

const SELECT: &str = "SELECT seq, recorded_at, actor, key, kind, schema, codec, body, outcome, hash
     FROM event_log WHERE seq >= ?1 ORDER BY seq LIMIT ?2";

/// Reads the durable records of a data directory.
#[derive(Debug)]
pub struct SqliteReader {
    connection: Connection,
    disk: Arc<dyn Disk>,
}

impl SqliteReader {
    /// Opens the log of `data_dir`. Takes no lock and changes nothing.
    ///
    /// # Errors
    /// If there is none, or it is not ours.
    pub fn open(data_dir: &Path) -> Result<Self, LogError> {
        Self::open_on(&RealDisk::at(data_dir))
    }

    /// The same of the data directory on this disk.
    ///
    /// # Errors
    /// As [`SqliteReader::open`].
    pub fn open_on(disk: &Arc<dyn Disk>) -> Result<Self, LogError> {
        check_finished(&**disk)?;
        Self::open_unfinished(disk)
    }

    /// The same of a copy that is being made.
    pub(crate) fn open_unfinished(disk: &Arc<dyn Disk>) -> Result<Self, LogError> {
        Ok(Self {
            connection: open_for_reading(&**disk)?,
            disk: Arc::clone(disk),
        })
    }

    /// The newest durable position.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn head(&self) -> Result<Head, LogError> {
        read_head(&self.connection)
    }

    /// The stored hash at `seq`, if that record is there.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn hash_at(&self, seq: Seq) -> Result<Option<ChainHash>, LogError> {
        read_hash(&self.connection, seq)
    }

    /// What SQLite finds when it looks at every page of its file: empty when all is well.
    ///
    /// # Errors
    /// If it cannot even look.
    pub fn integrity_problems(&self) -> Result<Vec<String>, LogError> {
        let mut problems = Vec::new();
        self.connection
            .pragma_query(None, "integrity_check", |row| {
                problems.push(row.get::<_, String>(0)?);
                Ok(())
            })
            .map_err(|source| sqlite_error("check the integrity of the log".to_owned(), source))?;
        problems.retain(|line| line != "ok");
        Ok(problems)
    }

    /// One page; returns the first position not shown, or nothing if that was all.
    fn read_page(&self, from: Seq, visit: &mut Visit<'_>) -> Result<Option<Seq>, PageError> {
        let mut statement = self.connection.prepare_cached(SELECT)?;
        let mut rows = statement.query((sql_seq(from), PAGE_LEN))?;
        let mut next = from;
        let mut count = 0;
        while let Some(row) = rows.next().map_err(|source| PageError::Row(next, source))? {
            let row = decode(row).map_err(|source| PageError::Column(next, source))?;
            next = row.record.seq.next();
            count += 1;
            if visit(row) == ControlFlow::Break(()) {
                return Ok(None);
            }
        }
        Ok((count == PAGE_LEN).then_some(next))
    }
}

impl LogReader for SqliteReader {
    fn read(&mut self, from: Seq, visit: &mut Visit<'_>) -> Result<(), LogError> {
        let mut from = from;
        while let Some(next) = self
            .read_page(from, visit)
            .map_err(|error| name(error, from))?
        {
            from = next;
        }
        Ok(())
    }

    fn keys(&mut self) -> Result<Vec<PersonKey>, LogError> {
        key_store::read(&*self.disk)
    }
}

pub(super) fn read_head(connection: &Connection) -> Result<Head, LogError> {
    let seq: Option<i64> = connection
        .query_row("SELECT max(seq) FROM event_log", [], |row| row.get(0))
        .map_err(|source| sqlite_error("read the head of the log".to_owned(), source))?;
    let Some(seq) = seq.and_then(|seq| u64::try_from(seq).ok()).map(Seq) else {
        return Ok(Head::default());
    };
    let hash = read_hash(connection, seq)?.unwrap_or(ChainHash::START);
    Ok(Head { seq, hash })
}

pub(super) fn read_hash(connection: &Connection, seq: Seq) -> Result<Option<ChainHash>, LogError> {
    let hash = connection.query_row(
        "SELECT hash FROM event_log WHERE seq = ?1",
        [sql_seq(seq)],
        |row| row.get(0).map(ChainHash),
    );
    match hash {
        Ok(hash) => Ok(Some(hash)),
        Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
        Err(source) => Err(sqlite_error(format!("read the hash at seq {seq}"), source)),
    }
}

/// A position as SQLite stores it.
pub(super) fn sql_seq(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

enum PageError {
    Sqlite(rusqlite::Error),
    Row(Seq, rusqlite::Error),
    Column(Seq, FromSqlError),
}

impl From<rusqlite::Error> for PageError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Sqlite(source)
    }
}

fn name(error: PageError, from: Seq) -> LogError {
    match error {
        PageError::Sqlite(source) => sqlite_error(format!("read the log from seq {from}"), source),
        PageError::Row(seq, source) => sqlite_error(format!("read seq {seq}"), source),
        PageError::Column(seq, source) => LogError::Damaged(format!(
            "seq {seq} was altered: a column holds what was never written there ({source}); restore a backup of the data directory"
        )),
    }
}

fn decode<'a>(row: &'a rusqlite::Row<'_>) -> Result<Row<'a>, FromSqlError> {
    Ok(Row {
        record: Record {
            seq: Seq(unsigned(row, 0)?),
            recorded_at: unsigned(row, 1)?,
            actor: UserId(unsigned(row, 2)?),
            key: Key(array(row, 3)?),
            kind: Kind(unsigned(row, 4)?),
            schema: unsigned(row, 5)?,
            codec: unsigned(row, 6)?,
            body: blob(row, 7)?,
            outcome: blob(row, 8)?,
        },
        hash: ChainHash(array(row, 9)?),
    })
}

fn unsigned<T: TryFrom<i64>>(row: &rusqlite::Row<'_>, index: usize) -> Result<T, FromSqlError> {
    let value = row
        .get_ref(index)
        .map_err(|_no_column| FromSqlError::InvalidType)?
        .as_i64()?;
    T::try_from(value).map_err(|_too_large| FromSqlError::OutOfRange(value))
}

fn blob<'a>(row: &'a rusqlite::Row<'_>, index: usize) -> Result<&'a [u8], FromSqlError> {
    row.get_ref(index)
        .map_err(|_no_column| FromSqlError::InvalidType)?
        .as_blob()
}

fn array<const N: usize>(row: &rusqlite::Row<'_>, index: usize) -> Result<[u8; N], FromSqlError> {
    let bytes = blob(row, index)?;
    bytes
        .try_into()
        .map_err(|_length| FromSqlError::InvalidBlobSize {
            expected_size: N,
            blob_size: bytes.len(),
        })
}
