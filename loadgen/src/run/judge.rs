//! After the run: the log is read back, record by record, and shown to the laws.
//!
//! An admin's connection and the laws go in; the laws have seen the whole log when this returns,
//! and both hashes of the state. Deliberately absent: what the laws make of it.

use protocol::{
    Seq,
    words::log::{Answer, LogPage, Query, ReadLog, ReadState, ReplayState, StateHash},
};

use crate::{
    check::Laws,
    target::{CallError, Caller},
};

/// Records asked for at once; the server's own bound on bytes is usually met first.
const PAGE_LEN: u16 = 2_000;

/// A log that could not be read back.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// No answer.
    #[error("the log cannot be read back from the server: {0}")]
    Call(#[from] CallError),
    /// The wrong answer.
    #[error("the server answered a question about its log with {0}")]
    Answer(String),
}

/// Shows the laws every record up to the newest.
///
/// # Errors
/// If the log cannot be read to its end.
pub(super) async fn show_log(admin: &mut Caller, laws: &mut Laws) -> Result<Seq, JudgeError> {
    let mut next = Seq(1);
    loop {
        let query = ReadLog {
            from: next,
            limit: PAGE_LEN,
        };
        let Answer::LogPage(LogPage { records }) = ask(admin, query.into()).await? else {
            return Err(JudgeError::Answer("something that is no page".to_owned()));
        };
        let Some(last) = records.last() else {
            return Ok(Seq(next.0 - 1));
        };
        next = last.seq.next();
        for record in &records {
            laws.handle_record(record);
        }
    }
}

/// The hash of the server's live state.
///
/// # Errors
/// If there is no answer.
pub(super) async fn live_state(admin: &mut Caller) -> Result<StateHash, JudgeError> {
    state(ask(admin, ReadState {}.into()).await?)
}

/// The hash of a state that the server rebuilds from its log up to `upto`.
///
/// # Errors
/// If there is no answer.
pub(super) async fn replayed_state(admin: &mut Caller, upto: Seq) -> Result<StateHash, JudgeError> {
    state(ask(admin, ReplayState { upto }.into()).await?)
}

fn state(answer: Answer) -> Result<StateHash, JudgeError> {
    match answer {
        Answer::StateHash(hash) => Ok(hash),
        other => Err(JudgeError::Answer(format!("a {}", other.name()))),
    }
}

async fn ask(admin: &mut Caller, query: Query) -> Result<Answer, JudgeError> {
    let mut body = Vec::new();
    query.encode(&mut body);
    let answered = admin.query(query.kind(), &body).await?;
    let (kind, schema, body) = answered.accepted()?;
    Answer::decode(kind, schema, body).map_err(|error| JudgeError::Answer(error.to_string()))
}
