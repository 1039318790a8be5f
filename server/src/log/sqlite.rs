//! The log on disk: one SQLite database, one transaction a batch.
//!
//! Owns the writing connection, the lock on the data directory, the high-water mark, the keys of
//! people, and what is remembered of a loss that was accepted. A directory is examined first and
//! opened for writing once its log is known to be what it should be: until then nothing in it
//! changes. An append returns after the write-ahead log is synced; what failed is reported and never
//! tried again, because nobody knows how much of it the disk has. Deliberately absent: reading
//! (`reader.rs`), setting up (`database.rs`), checking the chain (`replay.rs`).

use std::{path::Path, sync::Arc};

use protocol::{ChainHash, Seq, UserId};
use rusqlite::{CachedStatement, Connection};

use super::{
    Batch, Checkpoints, EventLog, Head, LogError, LogReader, Loss, PersonKey, Row, accepted_loss,
    database::{
        check_finished, create_data_dir, is_missing, open_for_writing, sqlite_error, sync_data_dir,
    },
    disk_full::explain,
    key_store::Keys,
    lock::DataLock,
    manifest,
    order::Beside,
    reader::{SqliteReader, sql_seq},
    watermark::{self, MarkRead},
};
use crate::{
    belonging,
    disk::{Disk, RealDisk},
};

/// Rows in one INSERT. Measured with `benches/append.rs`: in batches of a thousand, 32 are 8 %
/// faster than one at a time, and 64 no faster than 32.
const ROWS_PER_STATEMENT: usize = 32;

const COLUMNS: usize = 9;

/// Every column but the position, which SQLite numbers by itself and is checked before the commit:
/// a row at a given position is looked for first, a row at the end is just put there. A row that
/// cannot be stored ends the whole transaction, so that SQLite need not be ready to undo one
/// statement alone: it would copy every page it touches.
const INSERT: &str = "INSERT OR ROLLBACK INTO event_log(recorded_at, actor, key, kind, schema, codec, body, outcome, hash) VALUES ";

/// When a commit counts as durable. Anything but full is for comparison and says so in reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Synced before it is acknowledged: survives power loss.
    #[default]
    Full,
    /// Synced at checkpoints: survives a crash of the process, not of the machine.
    Normal,
    /// Never synced.
    None,
}

impl Durability {
    /// As it is written in options and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Normal => "normal",
            Self::None => "none",
        }
    }
}

/// How a log is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SqliteOptions {
    /// See [`Durability`].
    pub durability: Durability,
    /// Go on with a log that ends at exactly this position, whatever was behind it: also if the
    /// high-water mark knows of more, and if people lack their keys because they were erased there.
    pub accept_loss_after: Option<Seq>,
}

/// The log on disk.
#[derive(Debug)]
pub struct SqliteLog {
    rows: Rows,
    beside: Beside,
    head: Head,
    disk: Arc<dyn Disk>,
    mark_read: MarkRead,
    checkpoints: Checkpoints,
    /// Where the log ended when a loss was accepted that is not over.
    lost_after: Option<Seq>,
    // Dropped last: the directory is ours until the connection is closed.
    lock: DataLock,
}

/// The connection that writes, and what it writes with.
#[derive(Debug)]
struct Rows {
    connection: Connection,
    insert_many: String,
    insert_one: String,
}

/// A data directory that is ours alone and was looked at. But for making a database where there was
/// none, nothing in it was changed, and nothing is if this is dropped.
#[derive(Debug)]
pub struct Examined {
    disk: Arc<dyn Disk>,
    durability: Durability,
    head: Head,
    mark_read: MarkRead,
    /// Where the log ended when a loss was accepted that is not over.
    lost_after: Option<Seq>,
    /// The loss is accepted by this start, and remembered when the log is opened.
    is_accepted_now: bool,
    keys: Keys,
    // Dropped last: the directory is ours until then.
    lock: DataLock,
}

impl Examined {
    /// Where the log ends.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }

    /// As [`EventLog::loss`] says of the log when it is opened.
    #[must_use]
    pub fn loss(&self) -> Option<Loss> {
        self.lost_after.map(|after| Loss {
            after,
            keys_destroyed: self.keys.destroyed(),
        })
    }

    /// Whether whatever stood behind the log's end was given up in so many words.
    #[must_use]
    pub fn is_end_accepted(&self) -> bool {
        self.lost_after == Some(self.head.seq)
    }

    /// Checks that no key is of somebody behind the log's end, unless that was given up or a crash
    /// explains it.
    ///
    /// # Errors
    /// If there is one: the log was once longer.
    pub fn check_keys(&self) -> Result<(), LogError> {
        if self.is_end_accepted() {
            return Ok(());
        }
        self.keys.check_explained(self.head.seq)
    }

    /// Reads the log.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn reader(&self) -> Result<SqliteReader, LogError> {
        SqliteReader::open_unfinished(&self.disk)
    }

    /// Opens it for writing: from here on the directory changes.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn open(self) -> Result<SqliteLog, LogError> {
        let disk = Arc::clone(&self.disk);
        self.try_open().map_err(|error| explain(error, &*disk))
    }

    fn try_open(self) -> Result<SqliteLog, LogError> {
        let Self {
            disk,
            head,
            mut lock,
            ..
        } = self;
        lock.sign()?;
        // The first write to what it covers comes behind this.
        manifest::remove(&*disk)?;
        let connection = open_for_writing(&*disk, self.durability)?;
        if self.is_accepted_now {
            // Durable before the mark is lowered, behind which nothing looks lost.
            accepted_loss::write(&*disk, head)?;
        }
        let beside = Beside::open(&*disk, head)?;
        sync_data_dir(&*disk)?;
        Ok(SqliteLog {
            rows: Rows {
                connection,
                insert_many: insert(ROWS_PER_STATEMENT),
                insert_one: insert(1),
            },
            beside,
            head,
            disk,
            mark_read: self.mark_read,
            lost_after: self.lost_after,
            checkpoints: Checkpoints::default(),
            lock,
        })
    }
}

impl SqliteLog {
    /// Looks at the log in `data_dir`, and makes both if there is nothing there.
    ///
    /// The chain is not walked here but by [`super::replay()`], which whoever builds a state from the
    /// log needs anyway.
    ///
    /// # Errors
    /// If the directory is not writable or in use, the database not ours or not there beside files
    /// that were, or the log shorter than its high-water mark or its keys say (unless the loss is
    /// accepted).
    pub fn examine(data_dir: &Path, options: SqliteOptions) -> Result<Examined, LogError> {
        let disk = RealDisk::at(data_dir);
        check_finished(&*disk)
            .and_then(|()| create_data_dir(data_dir))
            .map_err(|error| explain(error, &*disk))?;
        Self::examine_on(&disk, options)
    }

    /// The same of the data directory on this disk, which is there.
    ///
    /// # Errors
    /// As [`SqliteLog::examine`].
    pub fn examine_on(disk: &Arc<dyn Disk>, options: SqliteOptions) -> Result<Examined, LogError> {
        let examined = check_finished(&**disk).and_then(|()| try_examine(disk, options));
        examined.map_err(|error| explain(error, &**disk))
    }

    /// [`SqliteLog::examine`], [`Examined::check_keys`] and [`Examined::open`] in one.
    ///
    /// # Errors
    /// As those.
    pub fn open(data_dir: &Path, options: SqliteOptions) -> Result<Self, LogError> {
        let examined = Self::examine(data_dir, options)?;
        examined.check_keys()?;
        examined.open()
    }

    /// The same of a copy that is being made.
    pub(crate) fn open_unfinished(
        disk: &Arc<dyn Disk>,
        options: SqliteOptions,
    ) -> Result<Self, LogError> {
        let examined = try_examine(disk, options);
        examined
            .map_err(|error| explain(error, &**disk))
            .and_then(Examined::open)
    }

    /// What the high-water mark said when the log was opened; anything but [`MarkRead::At`] on a
    /// log with records deserves a warning, since a lost tail could not have been noticed.
    #[must_use]
    pub const fn mark_read(&self) -> MarkRead {
        self.mark_read
    }

    /// Keeps keys of people who are in the log already: of one that is being copied.
    ///
    /// # Errors
    /// If they cannot be made durable.
    pub fn keep_keys(&mut self, keys: &[PersonKey]) -> Result<(), LogError> {
        let kept = self.beside.add_keys(keys);
        kept.map_err(|error| explain(error, &*self.disk))
    }

    fn try_append(&mut self, batch: &Batch, head: Head) -> Result<(), LogError> {
        let Self { rows, disk, .. } = self;
        let ends = (self.head.seq.next(), head);
        self.beside
            .append(batch, ends, || rows.write(batch, head, &**disk))?;
        self.head = head;
        self.checkpoints
            .after_commit(&self.rows.connection, &*self.disk);
        Ok(())
    }

    /// As [`EventLog::close`], of a log that was just made: it has a manifest however long it is.
    ///
    /// # Errors
    /// As that.
    pub fn close_as_copy(self) -> Result<(), LogError> {
        let (disk, head) = (Arc::clone(&self.disk), self.head);
        self.try_close()
            .and_then(|_lock| manifest::write(&*disk, head, u64::MAX))
            .map_err(|error| explain(error, &*disk))
    }

    /// Brings the log to rest. The directory stays ours for as long as what is returned is held.
    fn try_close(self) -> Result<DataLock, LogError> {
        self.checkpoint()?;
        self.beside.sync_mark()?;
        self.rows
            .connection
            .close()
            .map_err(|(_, source)| sqlite_error("close the log".to_owned(), source))?;
        Ok(self.lock)
    }

    fn checkpoint(&self) -> Result<(), LogError> {
        let busy = self
            .rows
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
                row.get::<_, bool>(0)
            })
            .map_err(|source| sqlite_error("checkpoint the log".to_owned(), source))?;
        if busy {
            return Err(LogError::Busy {
                data_dir: self.disk.path().to_owned(),
            });
        }
        Ok(())
    }
}

impl Rows {
    fn write(&self, batch: &Batch, head: Head, disk: &dyn Disk) -> Result<(), LogError> {
        let failed = |source| sqlite_error(format!("append up to seq {}", head.seq), source);
        self.execute("BEGIN IMMEDIATE").map_err(failed)?;
        self.insert_rows(batch).map_err(failed)?;
        self.check_last_row(head, disk)?;
        self.execute("COMMIT").map_err(failed)
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }

    /// Each row got the position behind the newest one, so the last one tells of all.
    fn check_last_row(&self, head: Head, disk: &dyn Disk) -> Result<(), LogError> {
        let last = self.connection.last_insert_rowid();
        if last == sql_seq(head.seq) {
            return Ok(());
        }
        Err(LogError::Damaged(format!(
            "seq {} would have been stored at {last}: somebody else changed the log while it was served; stop the server before touching {}",
            head.seq,
            disk.path().display()
        )))
    }

    fn insert_rows(&self, batch: &Batch) -> rusqlite::Result<()> {
        let mut index = 0;
        if ROWS_PER_STATEMENT <= batch.len() {
            let mut statement = self.connection.prepare_cached(&self.insert_many)?;
            let mut bound = [Bound::NOTHING; ROWS_PER_STATEMENT];
            while index + ROWS_PER_STATEMENT <= batch.len() {
                for (place, bound) in bound.iter_mut().enumerate() {
                    bound.bind(&mut statement, place, &batch.row(index + place))?;
                }
                statement.raw_execute()?;
                index += ROWS_PER_STATEMENT;
            }
        }
        let mut statement = self.connection.prepare_cached(&self.insert_one)?;
        let mut bound = Bound::NOTHING;
        for index in index..batch.len() {
            bound.bind(&mut statement, 0, &batch.row(index))?;
            statement.raw_execute()?;
        }
        Ok(())
    }
}

impl EventLog for SqliteLog {
    fn head(&self) -> Head {
        self.head
    }

    fn append(&mut self, batch: &Batch) -> Result<(), LogError> {
        self.head.assert_followed_by(batch);
        let Some(head) = batch.head() else {
            return Ok(());
        };
        self.try_append(batch, head)
            .map_err(|error| explain(error, &*self.disk))
    }

    fn destroy_keys(&mut self, people: &[UserId]) -> Result<(), LogError> {
        self.beside.destroy_keys(people)
    }

    fn loss(&self) -> Option<Loss> {
        self.lost_after.map(|after| Loss {
            after,
            keys_destroyed: self.beside.keys_destroyed(),
        })
    }

    fn end_loss(&mut self) -> Result<(), LogError> {
        self.lost_after = None;
        if accepted_loss::remove(&*self.disk)? {
            sync_data_dir(&*self.disk)?;
        }
        Ok(())
    }

    fn checkpoints(&self) -> Checkpoints {
        self.checkpoints
    }

    fn reader(&self) -> Result<Box<dyn LogReader>, LogError> {
        Ok(Box::new(SqliteReader::open_on(&self.disk)?))
    }

    fn close(self: Box<Self>) -> Result<(), LogError> {
        let (disk, head) = (Arc::clone(&self.disk), self.head);
        let _lock = self.try_close().map_err(|error| explain(error, &*disk))?;
        // The log is at rest without it: `log verify` says what is not covered then.
        if let Err(error) = manifest::write(&*disk, head, manifest::AT_CLOSE_BYTES_MAX) {
            tracing::warn!(%error, "the log came to rest, and its manifest could not be written");
        }
        Ok(())
    }
}

fn try_examine(disk: &Arc<dyn Disk>, options: SqliteOptions) -> Result<Examined, LogError> {
    let lock = DataLock::take(disk)?;
    let (shared, disk) = (disk, &**disk);
    if is_missing(disk)? {
        if options.accept_loss_after != Some(Seq::START) {
            belonging::check_fresh(shared)?;
        }
        drop(open_for_writing(disk, options.durability)?);
        // Found again before anything that belongs to it is.
        sync_data_dir(disk)?;
    }
    let keys = Keys::read(disk)?;
    let reader = SqliteReader::open_unfinished(shared)?;
    let head = reader.head()?;
    let mark_read = watermark::read(disk)?;
    let marked = mark_read.check(head, |seq| reader.hash_at(seq));
    let lost_after = lost_after(disk, head, marked, options.accept_loss_after, |seq| {
        reader.hash_at(seq)
    })?;
    Ok(Examined {
        disk: Arc::clone(shared),
        durability: options.durability,
        head,
        mark_read,
        lost_after,
        is_accepted_now: options.accept_loss_after == Some(head.seq),
        keys,
        lock,
    })
}

/// Where the log ended when somebody said in so many words that they give up what was behind it, now
/// or before a start that was cut short; nothing if nobody did. A loss of another length is another
/// loss, which nobody has seen yet.
fn lost_after(
    disk: &dyn Disk,
    head: Head,
    marked: Result<(), LogError>,
    after: Option<Seq>,
    hash_at: impl FnOnce(Seq) -> Result<Option<ChainHash>, LogError>,
) -> Result<Option<Seq>, LogError> {
    let before = match accepted_loss::read(disk)? {
        Some(lost) if lost == head || hash_at(lost.seq)? == Some(lost.hash) => Some(lost.seq),
        // There is none, or it is of another log.
        Some(_) | None => None,
    };
    let is_shorter = matches!(marked, Err(LogError::TailMissing { .. }));
    let is_accepted = [after, before].contains(&Some(head.seq));
    if !(is_shorter && is_accepted) {
        marked?;
    }
    if after == Some(head.seq) {
        return Ok(after);
    }
    Ok(before)
}

fn insert(rows: usize) -> String {
    let row = "(?,?,?,?,?,?,?,?,?)";
    format!("{INSERT}{}", vec![row; rows].join(","))
}

/// What one place of a statement is bound to, of the columns that hardly differ from row to row:
/// SQLite keeps it until something else is bound there.
#[derive(Debug, Clone, Copy)]
struct Bound {
    recorded_at: i64,
    word: (u16, u8, u8),
}

impl Bound {
    /// Nothing yet: no record is as old.
    const NOTHING: Self = Self {
        recorded_at: i64::MIN,
        word: (0, 0, 0),
    };

    fn bind(
        &mut self,
        statement: &mut CachedStatement<'_>,
        place: usize,
        row: &Row<'_>,
    ) -> rusqlite::Result<()> {
        let (first, record) = (place * COLUMNS + 1, &row.record);
        let new = Self {
            recorded_at: sql_unsigned(record.recorded_at),
            word: (record.kind.0, record.schema, record.codec),
        };
        let is_first = self.recorded_at == i64::MIN;
        if self.recorded_at != new.recorded_at {
            statement.raw_bind_parameter(first, new.recorded_at)?;
        }
        if is_first || self.word != new.word {
            statement.raw_bind_parameter(first + 3, record.kind.0)?;
            statement.raw_bind_parameter(first + 4, record.schema)?;
            statement.raw_bind_parameter(first + 5, record.codec)?;
        }
        *self = new;
        statement.raw_bind_parameter(first + 1, sql_unsigned(record.actor.0))?;
        statement.raw_bind_parameter(first + 2, &record.key.0[..])?;
        statement.raw_bind_parameter(first + 6, record.body)?;
        statement.raw_bind_parameter(first + 7, record.outcome)?;
        statement.raw_bind_parameter(first + 8, &row.hash.0[..])
    }
}

fn sql_unsigned(value: u64) -> i64 {
    i64::try_from(value).expect("positions and milliseconds stay far below 2^63")
}
