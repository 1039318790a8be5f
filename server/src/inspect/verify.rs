//! The whole log, walked twice.
//!
//! What is checked, in this order: every position, every chain hash, that every record means
//! something, the high-water mark, that two walks make the same state, SQLite's own pages, and the
//! files byte for byte against their manifest. The last only where nobody writes meanwhile and the log
//! was brought to rest; of one that was killed, what is read is checked, which is every record.
//!
//! Nothing is written but what any reader of SQLite writes, the index of the write-ahead log
//! (`events.sqlite-shm`), which every start makes anew: what a crash left is looked at as it is.
//! Deliberately absent: deciding again; what was decided is a fact.

use std::{fmt, ops::ControlFlow, path::Path, sync::Arc};

use protocol::{Record, Seq, UserId};

use super::InspectError;
use crate::{
    belonging,
    disk::{Disk, RealDisk},
    domain::{Lifecycle, Systems},
    keyring::Keyring,
    log::{
        Head, LogError, LogReader as _, Row, SqliteReader, accepted_loss, key_store, lock,
        manifest::{self, Vouched},
        replay::ChainCheck,
        watermark::{self, MarkRead},
    },
};

/// Records of a page of the second walk: a prime, so that its pages are cut differently from those
/// of the first walk at every turn.
const SECOND_PAGE_LEN: u64 = 9_973;

/// What a walk over a sound log found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// The newest record that was walked.
    pub head: Head,
    /// How many there are.
    pub records: u64,
    /// Of them, what happened.
    pub accepted: u64,
    /// Of them, what was refused.
    pub refused: u64,
    /// The hash of the state that the records make.
    pub state_hash: u128,
    /// The same, from a second walk in pages cut elsewhere.
    pub state_hash_second: u128,
    /// People who are not erased and whose key is missing: the state has them without a name.
    pub keyless: usize,
    /// Slots of the file of keys that a crash tore before anything was sealed with them.
    pub torn_keys: usize,
    /// Behind which position a loss was accepted, by a start that did not get to its end.
    pub lost_after: Option<Seq>,
    /// What the high-water mark said.
    pub mark: MarkRead,
    /// What stands in the files.
    pub files: FilesRead,
}

/// Whether the files were held against their manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilesRead {
    /// They were, if there is one.
    Checked(Vouched),
    /// No: this process was writing them.
    Served(String),
}

impl VerifyReport {
    /// Whether both walks made the same state; if not, replay is not deterministic.
    #[must_use]
    pub const fn is_reproducible(&self) -> bool {
        self.state_hash == self.state_hash_second
    }

    /// Whether a server would start on it and have what it had.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.is_reproducible() && self.keyless == 0
    }
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "head     seq {}", self.head.seq)?;
        writeln!(f, "hash     {}", self.head.hash)?;
        writeln!(
            f,
            "records  {} ({} accepted, {} refused), none missing, none altered",
            self.records, self.accepted, self.refused
        )?;
        writeln!(f, "mark     {}", describe_mark(self.mark))?;
        writeln!(f, "files    {}", describe_files(&self.files))?;
        if self.keyless != 0 {
            writeln!(
                f,
                "keys     MISSING for {} people: what is about them cannot be read, and the state is not the server's{}",
                self.keyless,
                describe_loss(self.lost_after)
            )?;
        }
        if self.torn_keys != 0 && self.keyless == 0 {
            writeln!(
                f,
                "keys     nobody's is missing; {} slots of `people.keys` are torn, as a crash leaves them while somebody joins, and the next start clears them",
                self.torn_keys
            )?;
        }
        if self.is_reproducible() {
            return write!(
                f,
                "state    {:032x}, the same in two walks",
                self.state_hash
            );
        }
        write!(
            f,
            "state    DIFFERS: {:032x} and {:032x} from the same records; report this as a bug",
            self.state_hash, self.state_hash_second
        )
    }
}

/// Walks the whole log twice: positions, hashes, meaning, its file, and its high-water mark.
///
/// # Errors
/// The first thing that is wrong, with its position and what can be done.
pub fn verify(data_dir: &Path) -> Result<VerifyReport, InspectError> {
    verify_by(&RealDisk::at(data_dir), SqliteReader::open_on)
}

/// The same of a copy that is being made.
pub(crate) fn verify_unfinished(disk: &Arc<dyn Disk>) -> Result<VerifyReport, InspectError> {
    verify_by(disk, SqliteReader::open_unfinished)
}

fn verify_by(
    disk: &Arc<dyn Disk>,
    open: fn(&Arc<dyn Disk>) -> Result<SqliteReader, LogError>,
) -> Result<VerifyReport, InspectError> {
    // Before the log is read: a server may go on while we look, and the mark follows the log.
    let mark = watermark::read(&**disk)?;
    let mut reader = open(disk)?;
    let first = Fold::run(&mut reader, Seq(u64::MAX), u64::MAX)?;
    let head = first.chain.head();
    mark.check(head, |seq| reader.hash_at(seq))?;
    let second = Fold::run(&mut reader, head.seq, SECOND_PAGE_LEN)?;
    let problems = reader.integrity_problems()?;
    if !problems.is_empty() {
        return Err(InspectError::Integrity(problems));
    }
    belonging::check(disk, &mut reader, &first.people(), &first.keyring)?;
    let files = read_files(&**disk, head, &reader)?;
    Ok(VerifyReport {
        head,
        records: first.accepted + first.refused,
        accepted: first.accepted,
        refused: first.refused,
        state_hash: first.systems.state_hash(),
        state_hash_second: second.systems.state_hash(),
        keyless: first.keyring.keyless().len(),
        torn_keys: key_store::torn(&**disk)?,
        lost_after: accepted_loss::read(&**disk)?.map(|lost| lost.seq),
        mark,
        files,
    })
}

/// Holds the files against their manifest, if nobody writes meanwhile.
fn read_files(disk: &dyn Disk, head: Head, reader: &SqliteReader) -> Result<FilesRead, LogError> {
    if let Some(holder) = lock::holder(disk)? {
        return Ok(FilesRead::Served(holder));
    }
    let checked = manifest::check(disk, head, |seq| reader.hash_at(seq));
    // Somebody may have started a server while we looked, and then the files moved on.
    match (checked, lock::holder(disk)?) {
        (Err(_), Some(holder)) => Ok(FilesRead::Served(holder)),
        (checked, _) => checked.map(FilesRead::Checked),
    }
}

/// A state being built from checked records.
pub(super) struct Fold {
    pub(super) chain: ChainCheck,
    keyring: Keyring,
    systems: Systems,
    pub(super) accepted: u64,
    pub(super) refused: u64,
}

impl Fold {
    /// Folds the records up to `end`, or to the end of the log, read `page_len` at a time.
    pub(super) fn run(
        reader: &mut SqliteReader,
        end: Seq,
        page_len: u64,
    ) -> Result<Self, InspectError> {
        let mut fold = Self {
            chain: ChainCheck::new(Head::default()),
            keyring: Keyring::of(reader.keys()?),
            systems: Systems::default(),
            accepted: 0,
            refused: 0,
        };
        while fold.run_page(reader, end, page_len)? == page_len {}
        Ok(fold)
    }

    /// Who is there, in rising order.
    fn people(&self) -> Vec<UserId> {
        let people = self.systems.accounts.people_after(UserId::NOBODY);
        people.map(|(user, _name)| user).collect()
    }

    /// Folds one page and says how many records it had.
    fn run_page(
        &mut self,
        reader: &mut SqliteReader,
        end: Seq,
        page_len: u64,
    ) -> Result<u64, InspectError> {
        let mut count = 0;
        let mut failure = None;
        reader.read(self.chain.head().seq.next(), &mut |row| {
            if end < row.record.seq {
                return ControlFlow::Break(());
            }
            if let Err(error) = self.advance(&row) {
                failure = Some(error);
                return ControlFlow::Break(());
            }
            count += 1;
            if count == page_len {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        failure.map_or(Ok(count), Err)
    }

    fn advance(&mut self, row: &Row<'_>) -> Result<(), InspectError> {
        self.chain.advance(row)?;
        let seq = row.record.seq;
        let body = Systems::open(&row.record, &self.keyring, "")
            .map_err(|error| LogError::unread(seq, &error))?;
        let executed = self
            .systems
            .replay(&Record {
                body: &body,
                ..row.record
            })
            .map_err(|source| InspectError::Replay { seq, source })?;
        match executed.passage {
            Some(Lifecycle::Registered(user)) => self.keyring.meet(user),
            Some(Lifecycle::Erased(user)) => self.keyring.remove(user),
            None => {}
        }
        if executed.accepted {
            self.accepted += 1;
        } else {
            self.refused += 1;
        }
        Ok(())
    }
}

fn describe_files(files: &FilesRead) -> String {
    match files {
        FilesRead::Checked(Vouched::Whole { files, bytes }) => format!(
            "{files} files with {bytes} bytes are what they were when the log was brought to rest, byte for byte (by `manifest.json`)"
        ),
        FilesRead::Checked(Vouched::Stale { seq }) => format!(
            "`manifest.json` is of seq {seq} and the log has gone on since, so bytes that nothing reads are not covered; the next stop writes it anew"
        ),
        FilesRead::Checked(Vouched::Missing) => "there is no `manifest.json`, since the server did not stop in order or the log is longer than 1 GiB, so bytes that nothing reads are not covered; `stampede log backup` makes a copy that has one".to_owned(),
        FilesRead::Served(holder) => format!(
            "not held against a manifest, since process {holder} writes them; `stampede log backup` makes a copy that has one"
        ),
    }
}

fn describe_loss(lost_after: Option<Seq>) -> String {
    lost_after.map_or_else(String::new, |seq| {
        format!(
            "; a loss behind seq {seq} was accepted, and the start that was to erase them again got no further: the next one goes on"
        )
    })
}

fn describe_mark(mark: MarkRead) -> String {
    match mark {
        MarkRead::Missing => "there is none, so a lost tail could not be noticed".to_owned(),
        MarkRead::Unreadable => {
            "unreadable (torn by a crash, or altered), so a lost tail could not be noticed; starting the server writes it anew".to_owned()
        }
        MarkRead::At(head) => format!("seq {}, which the log reaches", head.seq),
    }
}
