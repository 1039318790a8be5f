//! The load of a run, and what is broken meanwhile: both at once, on one clock.
//!
//! A world that was set up, the laws and what faults act on go in; what the driver counted and what
//! the injections came to come out, and the history grows in the run's directory. Deliberately absent:
//! how calls are made (`driver`), how things are broken (`inject`).

use std::{
    borrow::Cow,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime},
};

use ::client::Session;

use super::{
    Against, HISTORY_FILE, Run, RunError, Stage,
    inject::{Injector, Targets},
    world::Built,
};
use crate::{
    check::Laws,
    client::Client,
    clock::{self, Clock},
    driver::{DriveError, DriveOptions, Driven, drive},
    fault::{FaultState, Injection},
    history::{Event, HistoryHead, HistoryWriter, Recording, Setup},
    intervals::IntervalLog,
    operation::KeyMint,
    recorder::seconds,
    target::{JsonlTarget, TcpTarget, Wire},
};

/// Every how-many-th command is asked again under its key, to see that the answer is the same.
const DUPLICATE_EVERY: u32 = 50;

/// What came of the load.
pub(super) struct Loaded {
    pub(super) driven: Driven,
    /// What the laws were told, to be ended when all was told.
    pub(super) history: HistoryWriter,
    pub(super) injections: Vec<Injection>,
    /// Why it ended before its time, and not because the user wanted it: the server is gone, or something
    /// could not be broken or healed.
    pub(super) broke_off: Option<String>,
}

impl Run<'_> {
    /// Offers the load, and breaks meanwhile what is to be broken.
    pub(super) async fn drive_and_inject(
        &mut self,
        built: Built,
        secrets: (&KeyMint, [u8; 32]),
        (laws, setup): (&mut Laws, Setup),
        targets: &mut Targets,
    ) -> Result<Loaded, RunError> {
        let clock = Clock::start();
        let fault_state = Rc::new(FaultState::new(self.plan.faults.len()));
        let injector = Injector::new(&self.plan.faults, Rc::clone(&fault_state), clock);
        let stop = Arc::clone(&self.options.stop);
        let injection = async {
            let error = injector.inject_all(targets).await.err()?;
            // Load on a server that will not come back proves nothing.
            fault_state.give_up();
            stop.store(true, Ordering::Relaxed);
            let at = seconds(clock.now());
            Some(format!("{at:.1} s into the load: {error}"))
        };
        let drive = self.drive(built, secrets, (laws, setup), (clock, &fault_state));
        let (driven, broke_off) = tokio::join!(drive, injection);
        let (driven, history) = driven?;
        Ok(Loaded {
            driven,
            history,
            injections: fault_state.injections(),
            broke_off,
        })
    }

    /// Offers the load.
    async fn drive(
        &mut self,
        built: Built,
        (mint, secret): (&KeyMint, [u8; 32]),
        (laws, setup): (&mut Laws, Setup),
        (clock, fault_state): (Clock, &Rc<FaultState>),
    ) -> Result<(Driven, HistoryWriter), RunError> {
        // However it ends, whoever breaks things must not wait for more.
        let _over = fault_state.over_at_last();
        (self.options.stage)(&Stage::Driving);
        let history = self.begin_history(secret, setup, &built)?;
        let mut laws = Recording::new(laws, history);
        let clients = (0..)
            .zip(&built.sessions)
            .map(|(id, session)| {
                // What the set-up made is known: the news begin behind it.
                let session = Session {
                    cursor: built.began_at,
                    ..Session::from(session.clone())
                };
                Client::new(id, mint.clone(), Rc::clone(&built.map), session)
            })
            .collect();
        let mut options = DriveOptions::new(clock);
        options.drain = self.scenario.require.drain;
        options.lateness_max = self.scenario.require.lateness_max;
        options.faults = (!self.plan.faults.is_empty()).then(|| Rc::clone(fault_state));
        let started_at = SystemTime::UNIX_EPOCH + Duration::from_millis(clock::wall_ms());
        let intervals = IntervalLog::watched(self.dir, started_at, self.options.watcher.take());
        options.intervals = Some(intervals.map_err(|source| RunError::File {
            path: self.dir.to_owned(),
            source,
        })?);
        options.duplicate_every = std::num::NonZeroU32::new(DUPLICATE_EVERY);
        options.stop = Arc::clone(&self.options.stop);
        options.progress = self.options.progress.take();
        let wire = match &self.options.against {
            Against::Live { address, .. } => Wire::of(address).0,
            Against::Embedded { .. } => Wire::Native,
        };
        let driven = match wire {
            Wire::Native => {
                let mut target = TcpTarget::new(built.links).map_err(RunError::System)?;
                drive(self.plan, clients, &mut target, &mut laws, options).await?
            }
            Wire::Lines => {
                let mut target = JsonlTarget::new(built.links).map_err(RunError::System)?;
                drive(self.plan, clients, &mut target, &mut laws, options).await?
            }
        };
        let history = laws.into_history().map_err(DriveError::Keeping)?;
        Ok((driven, history))
    }

    /// Begins the history with what the laws were told before the load.
    fn begin_history(
        &self,
        secret: [u8; 32],
        setup: Setup,
        built: &Built,
    ) -> Result<HistoryWriter, RunError> {
        let path = self.dir.join(HISTORY_FILE);
        let head = HistoryHead {
            secret,
            started_at: clock::wall_ms(),
            capacity: u32::from(self.plan.world.capacity),
            began_at: built.began_at.0,
        };
        let begin = || {
            let mut history = HistoryWriter::create(&path, &head)?;
            history.append(&Event::Setup(Cow::Owned(setup)))?;
            for (client, user) in (0..).zip(&built.users) {
                let user = *user;
                history.append(&Event::Client { client, user })?;
            }
            Ok(history)
        };
        begin().map_err(|source| RunError::File {
            path: path.clone(),
            source,
        })
    }
}
