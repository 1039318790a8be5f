//! The file `events.sqlite`: found, created, recognised, and set up the way the log needs it.
//!
//! A data directory goes in and a connection comes out whose every pragma was read back. Refuses
//! files that are not ours, that a newer version wrote, or an SQLite too old to be trusted.
//! Deliberately absent: records.

use std::{
    fs::{DirBuilder, File},
    io::{self, ErrorKind},
    os::unix::fs::DirBuilderExt as _,
    path::Path,
    sync::Arc,
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi, types::FromSql};

use super::{DatabaseRefusal, Durability, LogError};
use crate::disk::{Access, Disk, RealDisk};

/// The name of the file in the data directory.
pub const FILE_NAME: &str = "events.sqlite";

/// What the file is called until it is a log.
const PART_FILE_NAME: &str = "events.sqlite.part";

/// The name of its write-ahead log beside it, which SQLite chooses.
pub const WAL_FILE_NAME: &str = "events.sqlite-wal";

/// The name of its rollback journal, which there is only while the database is made.
const JOURNAL_FILE_NAME: &str = "events.sqlite-journal";

/// "STMP": what `file events.sqlite` and we know it by.
pub const APPLICATION_ID: i32 = 0x5354_4d50;

/// The layout of `schema.sql` and of what stands in it. Another one is refused: in layout 1 names
/// were not sealed, and a log is never rewritten.
pub const USER_VERSION: i32 = 2;

/// Older ones may lose committed transactions when the write-ahead log is reset.
const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// Measured with `benches/append.rs`, medians of three runs: batches of one take 0.11 ms at 4, 8
/// and 16 KiB, where the sync is everything; batches of a thousand reach 1.23, 1.44 and 1.44
/// million records a second. Of the equal ones the smaller writes less for a lone record.
pub const PAGE_BYTES: u32 = 8_192;

/// Kibibytes of pages the writer keeps, negative as SQLite wants it. A batch that does not fit is
/// written twice: the default of 2 MiB holds 10,000 records only just, this the largest batch of
/// them. What is kept besides is of no use to who only appends.
const CACHE_KIBIBYTES: i64 = -4_096;

/// How long to wait for somebody who locks the database by hand, before the write has failed.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The file that stands in a data directory for as long as a log is being copied into it.
pub(crate) const UNFINISHED_FILE: &str = "unfinished";

const FOR_WRITING: OpenFlags =
    OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// What SQLite says when a write fails for whatever reason but a full disk.
const WRITE_FAILED: [i32; 6] = [
    ffi::SQLITE_IOERR_WRITE,
    ffi::SQLITE_IOERR_SHMSIZE,
    ffi::SQLITE_IOERR_TRUNCATE,
    ffi::SQLITE_IOERR_FSYNC,
    ffi::SQLITE_IOERR_DIR_FSYNC,
    ffi::SQLITE_IOERR_READ,
];

const SCHEMA: &str = include_str!("schema.sql");

/// The data directory at this path; it is made if there is none, and its name durable.
pub(crate) fn create_data_dir(data_dir: &Path) -> Result<Arc<dyn Disk>, LogError> {
    let failed = |source| io_error("create the data directory", data_dir, source);
    // What is there already needs no sync, and its parent may be nothing that we can read.
    let is_new = |dir: &&Path| !dir.as_os_str().is_empty() && !dir.exists();
    let new: Vec<&Path> = data_dir.ancestors().take_while(is_new).collect();
    let made = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir);
    match made {
        Err(error) if is_no_directory(&error) => {
            return Err(LogError::Foreign(format!(
                "{} is no directory, or is below what is none; choose another data directory",
                data_dir.display()
            )));
        }
        made => made.map_err(failed)?,
    }
    for dir in new {
        let parent = dir.parent().filter(|dir| *dir != Path::new(""));
        let parent = parent.unwrap_or(Path::new("."));
        File::open(parent)
            .and_then(|dir| dir.sync_all())
            .map_err(|source| io_error("sync the data directory", parent, source))?;
    }
    Ok(RealDisk::at(data_dir))
}

fn is_no_directory(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory
    )
}

/// Makes the names in the data directory durable: a synced file nobody can find is lost as well.
pub(crate) fn sync_data_dir(disk: &dyn Disk) -> Result<(), LogError> {
    disk.sync_dir()
        .map_err(|source| io_error("sync the data directory", disk.path(), source))
}

/// Whether there is no database yet: a start that was killed while it made one leaves an empty file,
/// or one that SQLite takes back by the journal beside it.
///
/// # Errors
/// If that cannot be found out.
pub(super) fn is_missing(disk: &dyn Disk) -> Result<bool, LogError> {
    let len = |name: &str| {
        let len = disk.len_of(name);
        len.map(Option::unwrap_or_default)
            .map_err(|source| io_error("look at", &disk.path().join(name), source))
    };
    Ok(len(FILE_NAME)? == 0 || len(JOURNAL_FILE_NAME)? != 0)
}

/// The connection that writes, to a database that exists from now on.
pub(super) fn open_for_writing(
    disk: &dyn Disk,
    durability: Durability,
) -> Result<Connection, LogError> {
    check_sqlite_version()?;
    let path = disk.path().join(FILE_NAME);
    if !matches!(disk.stat(FILE_NAME), Ok(Some(_))) {
        create(disk, &path)?;
    }
    let connection = connect(disk, FILE_NAME, FOR_WRITING)?;
    // Versions before this one could die and leave a file with nothing in it.
    if is_blank(&connection, &path)? {
        create_schema(&connection).map_err(|source| failed("create", &path, source))?;
    }
    check_identity(&connection, &path)?;
    set_writer_pragmas(&connection, durability)?;
    connection
        .busy_timeout(BUSY_TIMEOUT)
        .map_err(|source| failed("set up", &path, source))?;
    Ok(connection)
}

/// A connection that cannot write, to a database that exists.
pub(super) fn open_for_reading(disk: &dyn Disk) -> Result<Connection, LogError> {
    check_sqlite_version()?;
    let path = disk.path().join(FILE_NAME);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = connect(disk, FILE_NAME, flags)?;
    if matches!(is_blank(&connection, &path), Ok(true)) {
        return Err(begun(&path));
    }
    check_identity(&connection, &path)?;
    set_reader_pragmas(&connection)?;
    Ok(connection)
}

fn check_sqlite_version() -> Result<(), LogError> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(LogError::Foreign(format!(
            "SQLite {} may lose committed transactions when it resets its write-ahead log; build with 3.51.3 or newer (the bundled one is)",
            rusqlite::version()
        )));
    }
    Ok(())
}

/// Makes an empty log, which gets its name when it is whole: whoever dies before that leaves none.
fn create(disk: &dyn Disk, path: &Path) -> Result<(), LogError> {
    let part = disk.path().join(PART_FILE_NAME);
    for left in ["", "-journal", "-wal", "-shm"] {
        let left = format!("{PART_FILE_NAME}{left}");
        disk.remove(&left)
            .map_err(|source| io_error("remove", &disk.path().join(&left), source))?;
    }
    // SQLite would create the file with the umask's mode; the log holds password hashes. Its -wal and
    // -shm files take the mode of the database.
    disk.open(PART_FILE_NAME, Access::CreateNew)
        .map_err(|source| io_error("open the log", &part, source))?;
    let connection = connect(disk, PART_FILE_NAME, FOR_WRITING)?;
    create_schema(&connection).map_err(|source| failed("create", &part, source))?;
    // Said in the file, so that nobody ever finds it with a journal that must be rolled back.
    set(&connection, "journal_mode", "WAL", &"wal".to_owned())?;
    connection
        .close()
        .map_err(|(_, source)| failed("create", &part, source))?;
    disk.rename(PART_FILE_NAME, FILE_NAME)
        .map_err(|source| io_error("create", path, source))?;
    sync_data_dir(disk)
}

/// A log that a version before this one was making when it died, in which nothing can have been.
fn begun(path: &Path) -> LogError {
    LogError::Foreign(format!(
        "there is no log at {} yet: the server died while it made it, before there was any record; start it again, which goes on",
        path.display()
    ))
}

fn connect(disk: &dyn Disk, name: &str, flags: OpenFlags) -> Result<Connection, LogError> {
    let path = disk.path().join(name);
    let connected = match disk.vfs() {
        Some(vfs) => Connection::open_with_flags_and_vfs(&path, flags, vfs),
        None => Connection::open_with_flags(&path, flags),
    };
    connected.map_err(|source| failed("open", &path, source))
}

/// A copy that was cut short looks like a shorter log.
pub(super) fn check_finished(disk: &dyn Disk) -> Result<(), LogError> {
    if !matches!(disk.stat(UNFINISHED_FILE), Ok(Some(_))) {
        return Ok(());
    }
    Err(LogError::Foreign(format!(
        "{} is an unfinished copy: a backup, restore or import into it was cut short; remove the directory and copy again",
        disk.path().display()
    )))
}

/// Whether the file holds nothing at all, as opposed to something of somebody else.
fn is_blank(connection: &Connection, path: &Path) -> Result<bool, LogError> {
    connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
            row.get::<_, i64>(0)
        })
        .map(|objects| objects == 0)
        .map_err(|source| failed("read", path, source))
}

fn create_schema(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "PRAGMA page_size = {PAGE_BYTES};
         BEGIN;
         PRAGMA application_id = {APPLICATION_ID};
         PRAGMA user_version = {USER_VERSION};
         {SCHEMA}
         COMMIT;"
    ))
}

fn check_identity(connection: &Connection, path: &Path) -> Result<(), LogError> {
    let read = |name: &str| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i32>(0))
            .map_err(|source| failed("read", path, source))
    };
    let application_id = read("application_id")?;
    if application_id != APPLICATION_ID {
        return Err(LogError::Foreign(format!(
            "{} is a database of another program (application id {application_id:#x}, ours is {APPLICATION_ID:#x}); choose another data directory",
            path.display()
        )));
    }
    let version = read("user_version")?;
    if version != USER_VERSION {
        return Err(LogError::Foreign(format!(
            "{} has layout {version} and this version writes {USER_VERSION}; use the version that wrote it, or choose another data directory",
            path.display()
        )));
    }
    Ok(())
}

fn set_writer_pragmas(connection: &Connection, durability: Durability) -> Result<(), LogError> {
    set(connection, "journal_mode", "WAL", &"wal".to_owned())?;
    // FULL: NORMAL may forget the last commits on power loss, and they were acknowledged.
    let (word, number) = match durability {
        Durability::Full => ("FULL", 2),
        Durability::Normal => ("NORMAL", 1),
        Durability::None => ("OFF", 0),
    };
    set(connection, "synchronous", word, &number)?;
    // NORMAL: `sqlite3` and our readers may look while the server runs.
    set(connection, "locking_mode", "NORMAL", &"normal".to_owned())?;
    // SQLite's own checkpoints keep to themselves what went wrong: `checkpoint.rs` asks for them.
    set(connection, "wal_autocheckpoint", 0, &0)?;
    set(connection, "cache_size", CACHE_KIBIBYTES, &CACHE_KIBIBYTES)?;
    // A writer that maps the file would be at the mercy of whoever truncates it.
    set_mmap(connection, 0)?;
    // What SQLite moves it overwrites with zeros, so that every byte that is free can be held
    // against nothing (`pages.rs`). Rows are only added: it moves one page in most logs' lives.
    set(connection, "secure_delete", 1, &1)?;
    set_safety_pragmas(connection)
}

fn set_reader_pragmas(connection: &Connection) -> Result<(), LogError> {
    set(connection, "query_only", 1, &1)?;
    set_safety_pragmas(connection)
}

fn set_safety_pragmas(connection: &Connection) -> Result<(), LogError> {
    set(connection, "foreign_keys", 1, &1)?;
    set(connection, "trusted_schema", 0, &0)?;
    set(connection, "cell_size_check", 1, &1)?;
    set(connection, "temp_store", "MEMORY", &2)
}

// SQLite answers an unknown or refused pragma with silence: only reading back tells.
fn set<T>(
    connection: &Connection,
    name: &str,
    value: impl rusqlite::ToSql,
    expected: &T,
) -> Result<(), LogError>
where
    T: FromSql + PartialEq + std::fmt::Debug,
{
    let doing = || format!("set pragma {name}");
    connection
        .pragma_update(None, name, value)
        .and_then(|()| connection.pragma_query_value(None, name, |row| row.get::<_, T>(0)))
        .map_err(|source| sqlite_error(doing(), source))
        .and_then(|found| {
            if found == *expected {
                return Ok(());
            }
            Err(LogError::Foreign(format!(
                "pragma {name} is {found:?} where {expected:?} was asked for; the file system may not support it, keep the data directory on a local disk"
            )))
        })
}

fn set_mmap(connection: &Connection, bytes: i64) -> Result<(), LogError> {
    set(connection, "mmap_size", bytes, &bytes)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it stands where an error becomes another one"
)]
pub(super) fn sqlite_error(doing: String, source: rusqlite::Error) -> LogError {
    if source.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) {
        return LogError::Damaged(format!(
            "{doing}: a page of the file was altered ({source}); restore a backup of the data directory"
        ));
    }
    LogError::Database {
        doing,
        why: why(&source),
        said: source.to_string(),
    }
}

fn why(source: &rusqlite::Error) -> DatabaseRefusal {
    match source.sqlite_error() {
        Some(error) if error.extended_code == ffi::SQLITE_FULL => DatabaseRefusal::Full,
        Some(error) if WRITE_FAILED.contains(&error.extended_code) => DatabaseRefusal::WriteFailed,
        Some(error) if error.code == ErrorCode::ReadOnly => DatabaseRefusal::ReadOnly,
        Some(_) | None => DatabaseRefusal::Other,
    }
}

fn failed(doing: &str, path: &Path, source: rusqlite::Error) -> LogError {
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => LogError::Foreign(format!(
            "{} is not an SQLite database; choose another data directory, or restore a backup",
            path.display()
        )),
        Some(ErrorCode::ReadOnly) if is_half_made(&source) => begun(path),
        Some(ErrorCode::CannotOpen) if !path.exists() => LogError::Foreign(format!(
            "there is no log at {}; check the data directory",
            path.display()
        )),
        _other => sqlite_error(format!("{doing} {}", path.display()), source),
    }
}

/// A reader found a journal that only a writer may roll back. Logs are made with one and then never
/// have one again.
fn is_half_made(source: &rusqlite::Error) -> bool {
    source
        .sqlite_error()
        .is_some_and(|error| error.extended_code == ffi::SQLITE_READONLY_ROLLBACK)
}

fn io_error(doing: &str, path: &Path, source: io::Error) -> LogError {
    LogError::Io {
        doing: format!("{doing} {}", path.display()),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sqlite_says_is_told_without_its_name() {
        let of = |code| why(&rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        assert!(
            WRITE_FAILED
                .iter()
                .all(|code| of(*code) == DatabaseRefusal::WriteFailed)
        );
        assert_eq!(of(ffi::SQLITE_FULL), DatabaseRefusal::Full);
        assert_eq!(
            of(ffi::SQLITE_READONLY_DIRECTORY),
            DatabaseRefusal::ReadOnly
        );
        assert_eq!(of(ffi::SQLITE_BUSY), DatabaseRefusal::Other);
    }
}
