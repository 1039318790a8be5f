//! The threads that hash passwords, each in memory of its own.
//!
//! Jobs go in, the oldest first; what they found comes out with how long it took, or that there is no memory. There
//! are as many threads as can hash at once, and each asks for its memory once, when it first needs it: nothing else
//! of the server waits for any of that, and a thread that gets none says so and tries again with its next job.
//! Deliberately absent: who may have something hashed, and when (`auth`).

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use tokio::sync::oneshot;

use crate::{
    clock::Monotonic,
    passwords::{HashJob, Hashed, Memory, OutOfMemory, PasswordCost},
};

/// A job that was done or could not be, and how long it took.
pub type Done = (Result<Hashed, OutOfMemory>, Duration);

/// See the head of this file.
#[derive(Debug)]
pub struct Hashers {
    jobs: mpsc::SyncSender<(HashJob, oneshot::Sender<Done>)>,
}

type Jobs = Arc<Mutex<mpsc::Receiver<(HashJob, oneshot::Sender<Done>)>>>;

impl Hashers {
    /// So many threads, for hashes of this cost. They end when this is dropped.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn spawn(threads: usize, cost: PasswordCost) -> io::Result<Self> {
        Self::spawn_with(threads, cost, Memory::default)
    }

    fn spawn_with(threads: usize, cost: PasswordCost, memory: fn() -> Memory) -> io::Result<Self> {
        // As many as can be worked on: whoever asks for more has to wait elsewhere.
        let (sender, jobs) = mpsc::sync_channel(threads);
        let jobs: Jobs = Arc::new(Mutex::new(jobs));
        for nth in 0..threads {
            let jobs = Arc::clone(&jobs);
            thread::Builder::new()
                .name(format!("hash {nth}"))
                .spawn(move || work(&jobs, cost, memory()))?;
        }
        Ok(Self { jobs: sender })
    }

    /// Has one of the threads do this.
    ///
    /// # Panics
    /// If more is asked for at once than there are threads.
    pub async fn run(&self, job: HashJob) -> Done {
        const LET_IN: &str = "no more are let in than there are threads, which do not panic";
        let (sender, done) = oneshot::channel();
        self.jobs.try_send((job, sender)).expect(LET_IN);
        done.await.expect(LET_IN)
    }
}

fn work(jobs: &Jobs, cost: PasswordCost, mut memory: Memory) {
    while let Some((job, done)) = next(jobs) {
        let clock = Monotonic::start();
        let result = job.run(cost, &mut memory);
        memory.keep(cost);
        // Whoever asked may be gone.
        let _heard = done.send((result, clock.elapsed()));
    }
}

/// The next job, unless nobody can send any more.
fn next(jobs: &Jobs) -> Option<(HashJob, oneshot::Sender<Done>)> {
    let jobs = jobs.lock().unwrap_or_else(PoisonError::into_inner);
    jobs.recv().ok()
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::passwords::Check;

    fn password() -> Arc<Zeroizing<String>> {
        Arc::new(Zeroizing::new("correct horse".to_owned()))
    }

    fn run(hashers: &Hashers, job: HashJob) -> Result<Hashed, OutOfMemory> {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime").block_on(hashers.run(job)).0
    }

    #[test]
    fn passwords_are_hashed_and_checked() {
        let hashers = Hashers::spawn(2, PasswordCost::TEST).expect("threads");
        let (password, salt) = (password(), [7; 16]);
        let job = HashJob::Hash {
            password: Arc::clone(&password),
            salt,
        };
        let Ok(Hashed::Hash(hash)) = run(&hashers, job) else {
            panic!("there is memory")
        };
        let stored = Some(hash);
        let found = run(&hashers, HashJob::Check { password, stored });
        assert_eq!(found, Ok(Hashed::Check(Check::Right)));
    }

    #[test]
    fn a_thread_without_memory_goes_on() {
        let hashers =
            Hashers::spawn_with(1, PasswordCost::TEST, Memory::exhausted).expect("a thread");
        for _ in 0..3 {
            let (password, stored) = (password(), None);
            let found = run(&hashers, HashJob::Check { password, stored });
            assert_eq!(found, Err(OutOfMemory { kib: 8 }));
        }
    }
}
