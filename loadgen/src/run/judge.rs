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
    /// A page that does not go on where it was asked to: it may do so for ever.
    #[error(
        "the server was asked for its log from position {wanted} on, and answered with position {got}"
    )]
    NoProgress {
        /// Where the page was to begin.
        wanted: Seq,
        /// What stands on it instead.
        got: Seq,
    },
    /// The wrong answer.
    #[error("the server answered a question about its log with {0}")]
    Answer(String),
}

/// Shows the laws every record up to the newest, or to `upto` where others go on writing.
///
/// # Errors
/// If the log cannot be read to its end.
pub(super) async fn show_log(
    admin: &mut Caller,
    laws: &mut Laws,
    upto: Option<Seq>,
) -> Result<Seq, JudgeError> {
    let mut next = Seq(1);
    loop {
        if upto.is_some_and(|upto| upto < next) {
            return Ok(Seq(next.0 - 1));
        }
        let query = ReadLog {
            from: next,
            limit: PAGE_LEN,
        };
        let Answer::LogPage(LogPage { records }) = ask(admin, query.into()).await? else {
            return Err(JudgeError::Answer("something that is no page".to_owned()));
        };
        if records.is_empty() {
            return Ok(Seq(next.0 - 1));
        }
        for record in &records {
            // Whether a position is left out is for the laws to say; none may come again.
            if record.seq < next {
                let (wanted, got) = (next, record.seq);
                return Err(JudgeError::NoProgress { wanted, got });
            }
            next = record.seq.next();
            if upto.is_none_or(|upto| record.seq <= upto) {
                laws.handle_record(record);
            }
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

#[cfg(test)]
mod tests {
    use protocol::{
        ChainHash, Key, Kind, OwnedRecord, UserId, frame,
        limits::REQUEST_BYTES_MAX,
        message::{Reply, Request, Welcome, WelcomeFlags},
        outcome,
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::{check::LawOptions, operation::KeyMint};

    /// A server whose log is one page, whatever position it is asked from.
    async fn serve_one_page(listener: TcpListener) {
        let (mut stream, _address) = listener.accept().await.unwrap();
        let (mut input, mut output) = (Vec::new(), Vec::new());
        while matches!(stream.read_buf(&mut input).await, Ok(1..)) {
            while let Some((frame, rest)) = frame::split(&input, REQUEST_BYTES_MAX).unwrap() {
                answer(&Request::decode(frame).unwrap(), &mut output);
                let taken = input.len() - rest.len();
                input.drain(..taken);
            }
            let _hung_up = stream.write_all(&output).await;
            output.clear();
        }
    }

    fn answer(request: &Request<'_>, output: &mut Vec<u8>) {
        match request {
            Request::Hello { version } => Reply::Welcome(Welcome {
                version: *version,
                request_bytes_max: 1,
                in_flight_max: 1,
                flags: WelcomeFlags::default(),
                seq: Seq(3),
                hash: ChainHash::START,
            })
            .encode(output),
            Request::Query { correlation, .. } => {
                let record = |seq| OwnedRecord {
                    seq: Seq(seq),
                    recorded_at: 1,
                    actor: UserId(1),
                    key: Key([1; 16]),
                    kind: Kind::new(1, 7),
                    schema: 1,
                    codec: 1,
                    body: Vec::new(),
                    outcome: Vec::new(),
                    hash: ChainHash::START,
                };
                let records = vec![record(1), record(2)];
                let page = Answer::from(LogPage { records });
                let mut shown = Vec::new();
                outcome::encode_accepted(page.kind().0, 1, &mut shown);
                page.encode(&mut shown);
                Reply::Answer {
                    correlation: *correlation,
                    seq: Seq(3),
                    hash: ChainHash::START,
                    outcome: &shown,
                }
                .encode(output);
            }
            Request::Auth { .. }
            | Request::Command { .. }
            | Request::Ping { .. }
            | Request::Signal { .. }
            | Request::Alive => {}
        }
    }

    #[tokio::test]
    async fn a_log_that_does_not_go_on_is_not_read_for_ever() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(serve_one_page(listener));
        let mut admin = Caller::connect(&address).await.unwrap();
        let mut laws = Laws::new(LawOptions::new(KeyMint::new([7; 32]), 1, 1));
        let read = show_log(&mut admin, &mut laws, None).await;
        let error = read.expect_err("it never ends").to_string();
        assert!(
            error.contains("from position 3 on, and answered with position 1"),
            "{error}"
        );
    }
}
