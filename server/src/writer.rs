//! The thread around the log: batches in, proofs out, one at a time.
//!
//! It owns the only connection that writes. While it syncs a batch the engine decides the next
//! one. A batch that cannot be made durable ends the process: what reached the disk is then
//! unknown, and an acknowledgement or a second try could both be lies. Deliberately absent:
//! deciding, answering.

use std::{
    io,
    sync::mpsc::{SyncSender, TrySendError, sync_channel},
    thread::{self, JoinHandle},
};

use tokio::sync::mpsc;

use crate::log::{Batch, Committed, EventLog, LogError, commit};

/// The writing end.
#[derive(Debug)]
pub struct Writer {
    /// Gone when it is closed.
    batches: Option<SyncSender<Batch>>,
    thread: Option<JoinHandle<Result<(), LogError>>>,
}

/// A synced batch and the proof of it.
pub type Synced = (Committed, Batch);

impl Writer {
    /// Starts the thread. What it synced comes out of the receiver.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn spawn(log: Box<dyn EventLog>) -> io::Result<(Self, mpsc::Receiver<Synced>)> {
        let (batches, inbox) = sync_channel::<Batch>(1);
        let (synced, outbox) = mpsc::channel(1);
        let thread = thread::Builder::new()
            .name("log writer".to_owned())
            .spawn(move || {
                let mut log = log;
                while let Ok(batch) = inbox.recv() {
                    let proof = match commit(&mut *log, &batch) {
                        Ok(proof) => proof,
                        Err(error) => end_the_process(&error, &batch),
                    };
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

fn end_the_process(error: &LogError, batch: &Batch) -> ! {
    let first = batch.row(0).record.seq;
    tracing::error!(
        %error,
        %first,
        records = batch.len(),
        "the log could not be made durable; ending the process without acknowledging anything more"
    );
    std::process::abort();
}
