//! The thread around the log: batches in, proofs out, one at a time.
//!
//! It owns the only connection that writes. While it syncs a batch the engine decides the next
//! one. A batch that cannot be made durable ends the process, as the shell says how: what reached the
//! disk is then unknown, and an acknowledgement or a second try could both be lies. Deliberately
//! absent: deciding, answering.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
};

use tokio::sync::mpsc;

use crate::{
    health::Stats,
    log::{Batch, Committed, EventLog, LogError, commit},
};

/// The writing end.
#[derive(Debug)]
pub struct Writer {
    /// Gone when it is closed.
    batches: Option<SyncSender<Batch>>,
    thread: Option<JoinHandle<Result<(), LogError>>>,
}

/// Ends the process when a batch could not be made durable: nothing may be acknowledged any more, and
/// nothing tried again.
pub type EndProcess = fn(&LogError, &Batch) -> !;

/// A synced batch and the proof of it.
pub type Synced = (Committed, Batch);

impl Writer {
    /// Starts the thread. What it synced comes out of the receiver, how long it took goes into the
    /// server's stats.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn spawn(
        log: Box<dyn EventLog>,
        stats: Arc<Stats>,
        end_process: EndProcess,
    ) -> io::Result<(Self, mpsc::Receiver<Synced>)> {
        let (batches, inbox) = sync_channel::<Batch>(1);
        let (synced, outbox) = mpsc::channel(1);
        let thread = thread::Builder::new()
            .name("log writer".to_owned())
            .spawn(move || {
                let mut log = log;
                while let Ok(batch) = inbox.recv() {
                    stats.begin_commit();
                    let proof = match commit(&mut *log, &batch) {
                        Ok(proof) => proof,
                        Err(error) => end_process(&error, &batch),
                    };
                    stats.end_commit(batch.len(), log.checkpoints());
                    if synced.blocking_send((proof, batch)).is_err() {
                        break;
                    }
                }
                log.close()
            })?;
        Ok((
            Self {
                batches: Some(batches),
                thread: Some(thread),
            },
            outbox,
        ))
    }

    /// Hands over a batch. The engine has only one with the writer at a time, so there is room.
    pub fn sync(&self, batch: Batch) {
        let batches = self
            .batches
            .as_ref()
            .expect("nothing is submitted after closing");
        match batches.try_send(batch) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => unreachable!("one batch is with the writer at a time"),
            Err(TrySendError::Disconnected(_)) => {
                unreachable!("the writer ends only with the process or after this end")
            }
        }
    }

    /// Waits for what was handed over, brings the log to rest and ends the thread.
    ///
    /// # Errors
    /// If the log could not be brought to rest; everything committed stays so.
    pub fn close(&mut self) -> Result<(), LogError> {
        self.batches = None;
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        thread
            .join()
            .expect("a panic of the writer ends the process")
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use protocol::{ChainHash, Key, Kind, Record, Seq, UserId};

    use super::*;
    use crate::{
        log::{Head, LogReader},
        serve::{EXIT_NOT_DURABLE, end_process},
    };

    /// Set in the process that is to end.
    const VICTIM: &str = "WRITER_TEST_VICTIM";

    /// A disk that fails its first sync.
    struct FailingLog;

    impl EventLog for FailingLog {
        fn head(&self) -> Head {
            Head::default()
        }
        fn append(&mut self, _batch: &Batch) -> Result<(), LogError> {
            Err(LogError::Io {
                doing: "sync the log".to_owned(),
                source: io::Error::other("the disk is gone"),
            })
        }
        fn destroy_keys(&mut self, _people: &[UserId]) -> Result<(), LogError> {
            unreachable!("nobody is erased")
        }
        fn reader(&self) -> Result<Box<dyn LogReader>, LogError> {
            unreachable!("nobody reads")
        }
        fn close(self: Box<Self>) -> Result<(), LogError> {
            unreachable!("the process ends before")
        }
    }

    fn batch_of_one() -> Batch {
        let mut batch = Batch::default();
        let record = Record {
            seq: Seq(1),
            recorded_at: 0,
            actor: UserId(7),
            key: Key::default(),
            kind: Kind::new(2, 2),
            schema: 1,
            codec: 1,
            body: &[],
            outcome: &[],
        };
        batch.push(&record, ChainHash::START);
        batch
    }

    /// Runs only in a process of its own, which the test below starts: it does not come back.
    fn be_the_victim() {
        let (writer, mut synced) =
            Writer::spawn(Box::new(FailingLog), Arc::default(), end_process).expect("a thread");
        writer.sync(batch_of_one());
        let proof = synced.blocking_recv();
        println!("ACKNOWLEDGED {}", proof.is_some());
    }

    #[test]
    fn a_failed_sync_ends_the_process_without_acknowledging_anything() {
        if std::env::var_os(VICTIM).is_some() {
            return be_the_victim();
        }
        let this_test =
            "writer::tests::a_failed_sync_ends_the_process_without_acknowledging_anything";
        let program = std::env::current_exe().expect("a test is a program");
        let ended = Command::new(program)
            .args([this_test, "--exact", "--nocapture"])
            .env(VICTIM, "1")
            .stdin(Stdio::null())
            .output()
            .expect("a test can be started");
        let (out, err) = (
            String::from_utf8_lossy(&ended.stdout),
            String::from_utf8_lossy(&ended.stderr),
        );
        assert!(out.contains("running 1 test"), "{out}");
        assert_eq!(ended.status.code(), Some(EXIT_NOT_DURABLE), "{out}{err}");
        assert!(!out.contains("ACKNOWLEDGED"), "{out}");
        let told = format!("{out}{err}");
        assert!(told.contains("the disk is gone"), "{told}");
        assert!(told.contains("could not be made durable"), "{told}");
    }
}
