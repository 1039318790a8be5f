//! The load of a run, and what is broken meanwhile: both at once, on one clock.
//!
//! A world that was set up, the laws and what faults act on go in; what the driver counted and what
//! the injections came to come out, and the history grows in the run's directory. Deliberately absent:
//! how calls are made (`driver`), how things are broken (`inject`).

use std::{
    borrow::Cow,
    net::TcpStream,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime},
};

use ::client::Session;
use protocol::{Seq, UserId};

use super::{
    HISTORY_FILE, Run, RunError, Stage,
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
    id_map::IdMap,
    intervals::IntervalLog,
    mapping::{HttpTarget, Surprises},
    operation::KeyMint,
    recorder::seconds,
    target::{JsonlTarget, TcpTarget, Wire},
};

/// Every how-many-th command is asked again under its key, to see that the answer is the same.
const DUPLICATE_EVERY: u32 = 50;

/// Everybody of a run, logged in, and what their bytes travel over.
pub(super) struct Crew {
    /// Where the plan's places are.
    pub(super) map: Rc<IdMap>,
    /// Each client's session.
    pub(super) sessions: Vec<Session>,
    /// Whose each client is.
    pub(super) users: Vec<UserId>,
    /// The newest position of the set-up.
    pub(super) began_at: Seq,
    /// One link for each client.
    pub(super) links: Links,
}

/// What bytes travel over.
pub(super) enum Links {
    /// Connections to a server of this program, which speak frames or lines.
    Stampede(Wire, Vec<TcpStream>),
    /// Somebody's own server.
    Http(Box<HttpTarget>),
}

impl Crew {
    /// Those of a world that was set up.
    pub(super) fn of(built: Built, wire: Wire) -> Self {
        let session = |opened| Session {
            // What the set-up made is known: the news begin behind it.
            cursor: built.began_at,
            ..Session::from(opened)
        };
        Self {
            map: built.map,
            sessions: built.sessions.into_iter().map(session).collect(),
            users: built.users,
            began_at: built.began_at,
            links: Links::Stampede(wire, built.links),
        }
    }
}

/// What came of the load.
pub(super) struct Loaded {
    pub(super) driven: Driven,
    /// What the laws were told, to be ended when all was told.
    pub(super) history: HistoryWriter,
    /// Answers of somebody's own server that its file does not describe.
    pub(super) surprises: Surprises,
    pub(super) injections: Vec<Injection>,
    /// Why it ended before its time, and not because the user wanted it: the server is gone, or something
    /// could not be broken or healed.
    pub(super) broke_off: Option<String>,
}

impl Run<'_> {
    /// Offers the load, and breaks meanwhile what is to be broken.
    pub(super) async fn drive_and_inject(
        &mut self,
        crew: Crew,
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
        let drive = self.drive(crew, secrets, (laws, setup), (clock, &fault_state));
        let (driven, broke_off) = tokio::join!(drive, injection);
        let (driven, history, surprises) = driven?;
        Ok(Loaded {
            driven,
            history,
            surprises,
            injections: fault_state.injections(),
            broke_off,
        })
    }

    /// Offers the load.
    async fn drive(
        &mut self,
        crew: Crew,
        (mint, secret): (&KeyMint, [u8; 32]),
        (laws, setup): (&mut Laws, Setup),
        (clock, fault_state): (Clock, &Rc<FaultState>),
    ) -> Result<(Driven, HistoryWriter, Surprises), RunError> {
        // However it ends, whoever breaks things must not wait for more.
        let _over = fault_state.over_at_last();
        (self.options.stage)(&Stage::Driving);
        let history = self.begin_history(secret, setup, &crew)?;
        let mut laws = Recording::new(laws, history);
        let clients = (0..)
            .zip(crew.sessions)
            .map(|(id, session)| Client::new(id, mint.clone(), Rc::clone(&crew.map), session))
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
        if matches!(crew.links, Links::Stampede(..)) {
            options.duplicate_every = std::num::NonZeroU32::new(DUPLICATE_EVERY);
        }
        options.stop = Arc::clone(&self.options.stop);
        options.progress = self.options.progress.take();
        let (plan, mut surprises) = (self.plan, Surprises::new());
        let driven = match crew.links {
            Links::Stampede(Wire::Native, links) => {
                let mut target = TcpTarget::new(links).map_err(RunError::System)?;
                drive(plan, clients, &mut target, &mut laws, options).await?
            }
            Links::Stampede(Wire::Lines, links) => {
                let mut target = JsonlTarget::new(links).map_err(RunError::System)?;
                drive(plan, clients, &mut target, &mut laws, options).await?
            }
            Links::Http(mut target) => {
                let driven = drive(plan, clients, &mut *target, &mut laws, options).await?;
                surprises = target.surprises;
                driven
            }
        };
        let history = laws.into_history().map_err(DriveError::Keeping)?;
        Ok((driven, history, surprises))
    }

    /// Begins the history with what the laws were told before the load.
    fn begin_history(
        &self,
        secret: [u8; 32],
        setup: Setup,
        crew: &Crew,
    ) -> Result<HistoryWriter, RunError> {
        let path = self.dir.join(HISTORY_FILE);
        let head = HistoryHead {
            secret,
            started_at: clock::wall_ms(),
            capacity: u32::from(self.plan.world.capacity),
            began_at: crew.began_at.0,
        };
        let begin = || {
            let mut history = HistoryWriter::create(&path, &head)?;
            history.append(&Event::Setup(Cow::Owned(setup)))?;
            for (client, user) in (0..).zip(&crew.users) {
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
