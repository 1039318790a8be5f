//! When the load is over: the live state is read, the plug pulled, and what is on the disk judged.
//!
//! The server and the laws, which saw every answer, go in; the verdicts come out. Deliberately absent: what
//! each law makes of it (`check`), and what the verdicts come to (`reports`).

use protocol::{
    Seq,
    words::{accounts::Token, log::StateHash},
};
use reports::record::{CrashRecord, LawRecord};

use super::{
    HISTORY_FILE, Run, RunError, Stage, WorldError, embedded::Embedded, judge, world::Access,
};
use crate::{
    check::{Laws, Tally},
    history::HistoryFile,
    target::Caller,
};

/// What is known when the load is over.
pub(super) struct Aftermath {
    pub(super) crash: Option<CrashRecord>,
    pub(super) live: StateHash,
    pub(super) admin: Caller,
    pub(super) server: Option<Embedded>,
}

impl Run<'_> {
    /// Reads the live state, and pulls the plug on an embedded server.
    pub(super) async fn aftermath(
        &mut self,
        server: Option<Embedded>,
        access: &Access,
        admin_token: Token,
    ) -> Result<Aftermath, RunError> {
        // The connection of the set-up was silent for as long as the load took: it may be gone, and
        // the server may have moved.
        let now_at = server.as_ref().map(|server| server.ready().address.clone());
        let access = &Access {
            address: now_at.unwrap_or_else(|| access.address.clone()),
            ..access.clone()
        };
        let mut admin = access
            .admin_again(admin_token)
            .await
            .map_err(WorldError::Connect)?;
        let live = judge::live_state(&mut admin).await?;
        let Some(mut server) = server else {
            return Ok(Aftermath {
                crash: None,
                live,
                admin,
                server: None,
            });
        };
        (self.options.stage)(&Stage::Crashing);
        let killed_pid = server.pid().unwrap_or(0);
        server.kill().await?;
        server.start_again().await?;
        let ready = server.ready();
        let crash = CrashRecord {
            killed_pid,
            recovered_seq: ready.recovered_seq,
            recovered_ms: ready.recovered_ms,
        };
        let access = Access {
            address: ready.address.clone(),
            ..access.clone()
        };
        let admin = access
            .admin_again(admin_token)
            .await
            .map_err(WorldError::Connect)?;
        Ok(Aftermath {
            crash: Some(crash),
            live,
            admin,
            server: Some(server),
        })
    }

    /// Shows the laws the log and the history, and asks each for its verdict.
    pub(super) async fn judge(
        &self,
        mut laws: Laws,
        after: &mut Aftermath,
    ) -> Result<(Vec<LawRecord>, Tally), RunError> {
        let live = after.live.clone();
        let replayed = judge::replayed_state(&mut after.admin, live.seq).await?;
        laws.handle_state_hashes(
            Some((live.seq.0, live.hash)),
            Some((replayed.seq.0, replayed.hash)),
        );
        let _newest: Seq = judge::show_log(&mut after.admin, &mut laws).await?;
        let history = HistoryFile::new(self.dir.join(HISTORY_FILE));
        let found = laws.conclude_with_tally(|| history.operations());
        history.finish()?;
        Ok(found)
    }
}
