//! When the load is over: the live state is read, the plug pulled, and what is on the disk judged.
//!
//! The server and the laws, which saw every answer, go in; the verdicts come out, also where the server is
//! gone or does not hand its log over: then of the laws that need no log, and a sentence that says why.
//! Deliberately absent: what each law makes of it (`check`), and what the verdicts come to (`reports`).

use protocol::{Seq, words::accounts::Token};
use reports::record::{CrashRecord, LawRecord};

use super::{
    HISTORY_FILE, Run, RunError, Stage, WorldError,
    embedded::{Embedded, EmbeddedError},
    judge,
    world::Access,
};
use crate::{
    check::{Laws, Tally},
    driver::DriveError,
    history::{Ended, Event, HistoryFile, HistoryWriter},
    target::Caller,
};

/// What the run came to once its load was over.
pub(super) struct Aftermath {
    pub(super) crash: Option<CrashRecord>,
    pub(super) laws: Vec<LawRecord>,
    pub(super) tally: Tally,
    pub(super) history_bytes: u64,
    /// What kept it from being judged whole, in a sentence.
    pub(super) broke_off: Option<String>,
}

impl Run<'_> {
    /// Reads back what the server has, pulls the plug on an embedded one, and asks each law for its
    /// verdict. `broke_off` says why the load ended early, if it did.
    pub(super) async fn aftermath(
        &mut self,
        (mut laws, mut history): (Laws, HistoryWriter),
        mut server: Option<Embedded>,
        (access, admin_token): (&Access, Token),
        broke_off: Option<String>,
    ) -> Result<Aftermath, RunError> {
        let mut ended = Ended::default();
        let read = self
            .read_back(
                (&mut laws, &mut ended),
                server.as_mut(),
                (access, admin_token),
                broke_off.is_some(),
            )
            .await;
        history
            .append(&Event::Ended(ended))
            .map_err(DriveError::Keeping)?;
        let history_bytes = history.finish().map_err(DriveError::Keeping)?;
        let history = HistoryFile::new(self.dir.join(HISTORY_FILE));
        let (crash, unread) = match read {
            Ok(crash) => (crash, None),
            // The files of the run are its own, and no server's.
            Err(error @ (RunError::File { .. } | RunError::System(_))) => return Err(error),
            Err(error) => (None, Some(why_unread(&error, server.as_mut()))),
        };
        let (laws, tally) = match &unread {
            None => laws.conclude_with_tally(|| history.operations()),
            Some(why) => laws.conclude_without_log(why, || history.operations()),
        };
        history.finish()?;
        let unstopped = match server {
            Some(server) if unread.is_none() => server.stop().await.err(),
            // One that failed before is ended with its handle.
            _gone => None,
        };
        let sentences = [broke_off, unread, unstopped.map(|error| error.to_string())];
        let sentences: Vec<String> = sentences.into_iter().flatten().collect();
        Ok(Aftermath {
            crash,
            laws,
            tally,
            history_bytes,
            broke_off: (!sentences.is_empty()).then(|| sentences.join("; ")),
        })
    }

    /// Shows the laws the state of the live server, and its log as another process finds it on the disk; notes what was read.
    async fn read_back(
        &mut self,
        (laws, ended): (&mut Laws, &mut Ended),
        server: Option<&mut Embedded>,
        (access, admin_token): (&Access, Token),
        is_gone: bool,
    ) -> Result<Option<CrashRecord>, RunError> {
        let again = async |address: Option<String>| {
            // The connection of the set-up was silent for as long as the load took: it may be gone, and
            // the server may have moved.
            let access = Access {
                address: address.unwrap_or_else(|| access.address.clone()),
                ..access.clone()
            };
            let admin = access.admin_again(admin_token).await;
            admin.map_err(|error| RunError::World(WorldError::Connect(error)))
        };
        let mut live = None;
        let mut admin = None;
        if !is_gone {
            let now_at = server.as_ref().map(|server| server.ready().address.clone());
            let mut asked = again(now_at).await?;
            live = Some(judge::live_state(&mut asked).await?);
            admin = Some(asked);
        }
        let mut crash = None;
        if let Some(server) = server {
            (self.options.stage)(&Stage::Crashing);
            let killed_pid = server.pid().unwrap_or(0);
            if !is_gone {
                server.kill().await?;
            }
            server.start_again().await?;
            let ready = server.ready();
            crash = Some(CrashRecord {
                killed_pid,
                recovered_seq: ready.recovered_seq,
                recovered_ms: ready.recovered_ms,
            });
            admin = Some(again(Some(ready.address.clone())).await?);
        }
        let mut admin: Caller = match admin {
            Some(admin) => admin,
            None => again(None).await?,
        };
        (self.options.stage)(&Stage::Judging);
        // Others may write to a server for ever that is not this run's alone.
        let upto = live.as_ref().map(|live| live.seq);
        let upto = upto.filter(|_| crash.is_none());
        if let Some(live) = live {
            let replayed = judge::replayed_state(&mut admin, live.seq).await?;
            ended.live = Some((live.seq.0, live.hash));
            ended.replayed = Some((replayed.seq.0, replayed.hash));
            laws.handle_state_hashes(ended.live, ended.replayed);
        }
        let newest: Seq = judge::show_log(&mut admin, laws, upto).await?;
        ended.read_upto = Some(newest.0);
        Ok(crash.filter(|_| !is_gone))
    }
}

/// Why there is no log to judge by: the server's own end, where that explains it.
fn why_unread(error: &RunError, server: Option<&mut Embedded>) -> String {
    match server.map(Embedded::assert_running) {
        Some(Err(ended @ EmbeddedError::Ended { .. })) => {
            format!("after the load, {ended}; so its log could not be read back ({error})")
        }
        Some(Ok(()) | Err(_)) | None => {
            format!("after the load, the server did not hand its log over: {error}")
        }
    }
}
