//! The log on disk: one SQLite database, one transaction a batch.
//!
//! Owns the writing connection, the lock on the data directory, the high-water mark, the keys of
//! people, and what is remembered of a loss that was accepted. An append returns after the write-ahead log is synced; what failed is reported and never
//! tried again, because nobody knows how much of it the disk has. Deliberately absent: reading
//! (`reader.rs`), setting up (`database.rs`), checking the chain (`replay.rs`).

use std::path::{Path, PathBuf};

use protocol::{ChainHash, Seq, UserId};
use rusqlite::{CachedStatement, Connection};

use super::{
    Batch, Checkpoints, EventLog, Head, LogError, LogReader, Loss, PersonKey, Row,
    database::{create_data_dir, open_for_writing, sqlite_error, sync_data_dir},
    lock::DataLock,
    loss, manifest,
    mark::{self, Mark, MarkRead},
    people::PeopleFile,
    reader::{SqliteReader, read_hash, read_head, sql_seq},
    room::explain,
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
    connection: Connection,
    mark: Mark,
    people: PeopleFile,
    head: Head,
    data_dir: PathBuf,
    mark_read: MarkRead,
    checkpoints: Checkpoints,
    /// Where the log ended when a loss was accepted that is not over.
    lost_after: Option<Seq>,
    insert_many: String,
    insert_one: String,
    // Dropped last: the directory is ours until the connection is closed.
    _lock: DataLock,
}

impl SqliteLog {
    /// Opens the log in `data_dir` and makes both if they are not there.
    ///
    /// The chain is not walked here but by [`super::replay()`], which whoever builds a state from the
    /// log needs anyway.
    ///
    /// # Errors
    /// If the directory is not writable or in use, the database not ours, or the log shorter than
    /// its high-water mark (unless the loss is accepted).
    pub fn open(data_dir: &Path, options: SqliteOptions) -> Result<Self, LogError> {
        Self::try_open(data_dir, options).map_err(|error| explain(error, data_dir))
    }

    fn try_open(data_dir: &Path, options: SqliteOptions) -> Result<Self, LogError> {
        create_data_dir(data_dir)?;
        let lock = DataLock::take(data_dir)?;
        let connection = open_for_writing(data_dir, options.durability)?;
        let head = read_head(&connection)?;
        let mark_read = mark::read(data_dir)?;
        let marked = mark_read.check(head, |seq| read_hash(&connection, seq));
        let lost_after = accept(data_dir, head, marked, options.accept_loss_after, |seq| {
            read_hash(&connection, seq)
        })?;
        // The first write to what it covers comes behind this.
        manifest::remove(data_dir)?;
        let mut mark = Mark::open(data_dir)?;
        mark.write(head)?;
        mark.sync()?;
        let people = PeopleFile::open(data_dir)?;
        sync_data_dir(data_dir)?;
        Ok(Self {
            connection,
            mark,
            people,
            head,
            data_dir: data_dir.to_owned(),
            mark_read,
            checkpoints: Checkpoints::default(),
            lost_after,
            insert_many: insert(ROWS_PER_STATEMENT),
            insert_one: insert(1),
            _lock: lock,
        })
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
        let kept = self.people.add(keys);
        kept.map_err(|error| explain(error, &self.data_dir))
    }

    fn try_append(&mut self, batch: &Batch, head: Head) -> Result<(), LogError> {
        // A crash in between leaves keys of nobody, which the next start destroys.
        self.people.add(batch.joining())?;
        self.write(batch, head)?;
        self.head = head;
        self.mark.write(head)?;
        // A crash in between leaves keys of people whom the log says are erased: the same.
        self.people.destroy(batch.leaving())?;
        self.checkpoints
            .after_commit(&self.connection, &self.data_dir);
        Ok(())
    }

    fn write(&self, batch: &Batch, head: Head) -> Result<(), LogError> {
        let failed = |source| sqlite_error(format!("append up to seq {}", head.seq), source);
        self.execute("BEGIN IMMEDIATE").map_err(failed)?;
        self.insert_rows(batch).map_err(failed)?;
        self.check_last_row(head)?;
        self.execute("COMMIT").map_err(failed)
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }

    /// Each row got the position behind the newest one, so the last one tells of all.
    fn check_last_row(&self, head: Head) -> Result<(), LogError> {
        let last = self.connection.last_insert_rowid();
        if last == sql_seq(head.seq) {
            return Ok(());
        }
        Err(LogError::Damaged(format!(
            "seq {} would have been stored at {last}: somebody else changed the log while it was served; stop the server before touching {}",
            head.seq,
            self.data_dir.display()
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

    /// As [`EventLog::close`], of a log that was just made: it has a manifest however long it is.
    ///
    /// # Errors
    /// As that.
    pub fn close_as_copy(self) -> Result<(), LogError> {
        self.close_with_manifest(u64::MAX)
    }

    fn close_with_manifest(self, bytes_max: u64) -> Result<(), LogError> {
        let data_dir = self.data_dir.clone();
        self.try_close(bytes_max)
            .map_err(|error| explain(error, &data_dir))
    }

    fn try_close(self, bytes_max: u64) -> Result<(), LogError> {
        self.checkpoint()?;
        self.mark.sync()?;
        self.connection
            .close()
            .map_err(|(_, source)| sqlite_error("close the log".to_owned(), source))?;
        // The lock is held still.
        manifest::write(&self.data_dir, self.head, bytes_max)
    }

    fn checkpoint(&self) -> Result<(), LogError> {
        let busy = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
                row.get::<_, bool>(0)
            })
            .map_err(|source| sqlite_error("checkpoint the log".to_owned(), source))?;
        if busy {
            return Err(LogError::Busy {
                data_dir: self.data_dir.clone(),
            });
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
            .map_err(|error| explain(error, &self.data_dir))
    }

    fn destroy_keys(&mut self, people: &[UserId]) -> Result<(), LogError> {
        self.people.destroy(people)
    }

    fn loss(&self) -> Option<Loss> {
        self.lost_after.map(|after| Loss {
            after,
            keys_destroyed: self.people.destroyed(),
        })
    }

    fn end_loss(&mut self) -> Result<(), LogError> {
        self.lost_after = None;
        if loss::remove(&self.data_dir)? {
            sync_data_dir(&self.data_dir)?;
        }
        Ok(())
    }

    fn checkpoints(&self) -> Checkpoints {
        self.checkpoints
    }

    fn reader(&self) -> Result<Box<dyn LogReader>, LogError> {
        Ok(Box::new(SqliteReader::open(&self.data_dir)?))
    }

    fn close(self: Box<Self>) -> Result<(), LogError> {
        self.close_with_manifest(manifest::AT_CLOSE_BYTES_MAX)
    }
}

/// Where the log ended when somebody said in so many words that they give up what was behind it, now
/// or before a start that was cut short; nothing if nobody did. A loss of another length is another
/// loss, which nobody has seen yet.
fn accept(
    data_dir: &Path,
    head: Head,
    marked: Result<(), LogError>,
    after: Option<Seq>,
    hash_at: impl FnOnce(Seq) -> Result<Option<ChainHash>, LogError>,
) -> Result<Option<Seq>, LogError> {
    let before = match loss::read(data_dir)? {
        Some(lost) if lost == head || hash_at(lost.seq)? == Some(lost.hash) => Some(lost.seq),
        // There is none, or it is of another log.
        Some(_) | None => None,
    };
    let is_shorter = matches!(marked, Err(LogError::TailMissing { .. }));
    let is_accepted = [after, before].contains(&Some(head.seq));
    if !(is_shorter && is_accepted) {
        marked?;
    }
    if after != Some(head.seq) {
        return Ok(before);
    }
    // Durable before the mark is lowered, behind which nothing looks lost.
    loss::write(data_dir, head)?;
    sync_data_dir(data_dir)?;
    Ok(after)
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
