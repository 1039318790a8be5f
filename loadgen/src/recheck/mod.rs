//! A recorded run judged again, from its history and, where there is one, its log.
//!
//! A history goes in, then the records of the log; out come the verdicts of the laws, and for each law that
//! cannot be judged on that why not. A history holds all that the laws were told while the run went on, so
//! to judge again is to tell it again, in the same order, to laws that know no more: every law is judged,
//! and each comes to the verdict it came to then. Histories of earlier versions hold operations only (see
//! `old`). Deliberately absent: files other than the history.

mod old;

use std::path::{Path, PathBuf};

use protocol::OwnedRecord;
use reports::record::LawRecord;

use self::old::Operations;
use crate::{
    check::Laws,
    history::{Ended, Event, HistoryError, HistoryFile, HistoryHead, HistoryReader, Setup},
    operation::KeyMint,
};

/// A run that is being judged again.
#[derive(Debug)]
pub struct Recheck {
    history: HistoryFile,
    laws: Laws,
    kept: Kept,
    records: u64,
}

/// What the judging came to.
#[derive(Debug)]
pub struct Rechecked {
    /// The laws that could be judged.
    pub laws: Vec<LawRecord>,
    /// The others.
    pub unjudged: Vec<Unjudged>,
    /// Operations of the history.
    pub operations: u64,
    /// Records of the log.
    pub records: u64,
}

/// A law that could not be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unjudged {
    /// Which.
    pub law: &'static str,
    /// Why not.
    pub why: &'static str,
}

/// What the history holds.
#[derive(Debug)]
enum Kept {
    /// All that the laws were told.
    All {
        operations: u64,
        /// The last record that they were shown: others may have written on.
        read_upto: Option<u64>,
    },
    /// Operations only.
    Operations(Box<Operations>),
}

impl Recheck {
    /// Reads the history and shows it to the laws. `required` are the laws that the run's scenario
    /// requires, for a history that does not say.
    ///
    /// # Errors
    /// If it cannot be read to its end.
    pub fn open(path: &Path, required: &[String]) -> Result<Self, HistoryError> {
        let reader = HistoryReader::open(path)?;
        let (laws, kept) = if reader.holds_all() {
            replay(reader, path)?
        } else {
            let (operations, laws) = Operations::open(path, required)?;
            (laws, Kept::Operations(Box::new(operations)))
        };
        Ok(Self {
            history: HistoryFile::new(path.to_owned()),
            laws,
            kept,
            records: 0,
        })
    }

    /// One record of the run's log, from the first to the last.
    pub fn handle_record(&mut self, record: &OwnedRecord) {
        if let Kept::All {
            read_upto: Some(upto),
            ..
        } = self.kept
            && upto < record.seq.0
        {
            return;
        }
        self.records += 1;
        self.laws.handle_record(record);
    }

    /// Judges.
    ///
    /// # Errors
    /// If the history cannot be read any more.
    pub fn conclude(self) -> Result<Rechecked, HistoryError> {
        const UNREAD: &str = "give the run's data directory with --log";
        let operations = || self.history.operations();
        let has_log = 0 < self.records;
        let is_all = matches!(self.kept, Kept::All { .. });
        let judged = if is_all && !has_log {
            self.laws.conclude_without_log(UNREAD, operations).0
        } else {
            self.laws.conclude(operations)
        };
        self.history.finish()?;
        let (laws, unjudged, operations) = match self.kept {
            Kept::All { operations, .. } => (judged, Vec::new(), operations),
            Kept::Operations(kept) => {
                let (laws, unjudged) = kept.part(judged, has_log);
                (laws, unjudged, kept.count())
            }
        };
        Ok(Rechecked {
            laws,
            unjudged,
            operations,
            records: self.records,
        })
    }
}

/// Tells laws of their own what the run's were told, and what was read when the load was over.
fn replay(mut history: HistoryReader, path: &Path) -> Result<(Laws, Kept), HistoryError> {
    let torn = |reason: &str| HistoryError::Torn {
        path: PathBuf::from(path),
        reason: reason.to_owned(),
    };
    let head = history.head().clone();
    let Some(Event::Setup(setup)) = history.next().transpose()? else {
        return Err(torn("it does not begin with the set-up of its run"));
    };
    let mut laws = laws_of(&head, setup.into_owned());
    let mut operations = 0;
    let mut ended: Option<Ended> = None;
    for event in history {
        match event? {
            Event::Client { client, user } => laws.handle_client(client, user),
            Event::Ended(read) => ended = Some(read),
            event => {
                operations += u64::from(matches!(event, Event::Completed { .. }));
                event.play(&mut laws);
            }
        }
    }
    let ended = ended.ok_or_else(|| torn("it does not say how its run ended"))?;
    if ended.live.is_some() {
        laws.handle_state_hashes(ended.live, ended.replayed);
    }
    let read_upto = ended.read_upto;
    Ok((
        laws,
        Kept::All {
            operations,
            read_upto,
        },
    ))
}

fn laws_of(head: &HistoryHead, setup: Setup) -> Laws {
    let mut laws = Laws::new(setup.options(KeyMint::new(head.secret), head.capacity));
    laws.begin(head.began_at);
    laws
}
