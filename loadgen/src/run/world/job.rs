//! Commands of the set-up, carried out by many connections at once.
//!
//! Connections and what each is to ask go in; the positions of the answers come out, each list in
//! its order. One connection asks one thing at a time, so that its jobs happen in their order.

use std::rc::Rc;

use protocol::{Key, Seq};
use tokio::{sync::Semaphore, task::JoinSet};

use super::WorldError;
use crate::{
    target::{CallError, Caller},
    wire::Word,
};

/// Connections that ask at once: one group commit of the server, and well below what it lets wait.
const AT_ONCE: usize = 256;

/// One command.
#[derive(Debug)]
pub(super) struct Job {
    /// What it makes, for errors.
    pub(super) what: String,
    pub(super) key: Key,
    pub(super) word: Word,
    pub(super) body: Vec<u8>,
}

/// A connection with what it is to ask.
pub(super) type Task = (Caller, Vec<Job>);

/// A connection with where its jobs took effect.
pub(super) type Done = (Caller, Vec<Seq>);

/// Carries all of it out.
///
/// # Errors
/// The first thing that the server refuses.
pub(super) async fn carry_out(tasks: Vec<Task>) -> Result<Vec<Done>, WorldError> {
    at_once(AT_ONCE, tasks, |(caller, jobs)| run(caller, jobs)).await
}

/// Does something with each of them, at most `limit` at once. What came of each, in their order.
///
/// # Errors
/// The first that fails.
pub(super) async fn at_once<T, U, F>(
    limit: usize,
    tasks: Vec<T>,
    work: impl Fn(T) -> F,
) -> Result<Vec<U>, WorldError>
where
    U: 'static,
    F: Future<Output = Result<U, WorldError>> + 'static,
{
    let permits = Rc::new(Semaphore::new(limit));
    let mut running = JoinSet::new();
    for (number, task) in tasks.into_iter().enumerate() {
        let (permits, work) = (Rc::clone(&permits), work(task));
        running.spawn_local(async move {
            let _permit = permits
                .acquire()
                .await
                .expect("the semaphore is never closed");
            (number, work.await)
        });
    }
    let mut all = Vec::with_capacity(running.len());
    while let Some(joined) = running.join_next().await {
        let (number, done) = joined.expect("set-up work does not panic and is never cancelled");
        all.push((number, done?));
    }
    all.sort_unstable_by_key(|(number, _done)| *number);
    Ok(all.into_iter().map(|(_number, done)| done).collect())
}

async fn run(mut caller: Caller, jobs: Vec<Job>) -> Result<Done, WorldError> {
    let mut seqs = Vec::with_capacity(jobs.len());
    for job in jobs {
        let asked = ask(&mut caller, &job).await;
        let what = job.what;
        seqs.push(asked.map_err(|source| WorldError::Ref { what, source })?);
    }
    Ok((caller, seqs))
}

async fn ask(caller: &mut Caller, job: &Job) -> Result<Seq, CallError> {
    let answered = caller.command(job.key, job.word, &job.body).await?;
    answered.accepted()?;
    Ok(answered.seq)
}
