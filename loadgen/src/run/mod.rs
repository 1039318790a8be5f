//! One run: from a scenario file to a run record and the directory it leaves behind.
//!
//! ```text
//! scenario -> plan -> server -> world -> drive -> crash -> recover -> judge -> record -> files
//! ```
//!
//! The embedded server has its plug pulled at the end of every run, with SIGKILL, and everything
//! is judged on what another process finds on the disk: durability is tested each time, not once.
//! Deliberately absent: printing, and deciding what the findings come to (`reports`).

mod broken;
mod embedded;
mod environment;
mod files;
mod judge;
mod memory;
mod strike;
mod threshold;
mod world;

use std::{
    fs, io,
    path::{Path, PathBuf},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use ::client::Session;
use protocol::{
    Seq,
    message::WelcomeFlags,
    words::{accounts::Token, log::StateHash},
};
use rand::TryRng;
use reports::{
    record::{
        CrashRecord, EnvironmentRecord, FaultsRecord, LawRecord, MemoryRecord, RECORD_VERSION,
        RunRecord, RunVerdict, ScenarioRecord,
    },
    verdict::RunEnd,
};
use tokio::{runtime, task::LocalSet};

pub use self::{
    embedded::EmbeddedError,
    files::{HISTORY_FILE, JUNIT_FILE, RECORD_FILE, REPORT_FILE},
    judge::JudgeError,
    strike::StrikeError,
    world::WorldError,
};
use self::{
    embedded::{Embedded, Launch},
    memory::MemoryWatch,
    strike::{Striker, Targets},
    world::{Access, Built},
};
use crate::{
    check::{LawOptions, Laws, Tally},
    client::Client,
    clock::{self, Clock},
    driver::{DriveError, DriveOptions, Driven, OnProgress, drive},
    fault::{Board, Proxy, Strike, check_room},
    history::{HistoryEntry, HistoryError, HistoryHead, HistoryReader, HistoryWriter},
    intervals::{IntervalLog, OnInterval},
    operation::KeyMint,
    plan::{Plan, PlanOptions},
    scenario::{Scenario, ScenarioError},
    target::{Caller, JsonlTarget, TcpTarget, Wire},
};

/// Every how-many-th command is asked again under its key, to see that the answer is the same.
const DUPLICATE_EVERY: u32 = 50;

/// Told when something new begins.
pub type OnStage = Box<dyn FnMut(&Stage)>;

/// What to run, against what.
pub struct RunOptions {
    /// The scenario file.
    pub scenario: PathBuf,
    /// Seed and scales.
    pub plan: PlanOptions,
    /// Where runs are kept; each gets a directory of its own.
    pub out: PathBuf,
    /// Against what.
    pub against: Against,
    /// The command line that runs it again.
    pub command: String,
    /// Set from anywhere to end early, with a report.
    pub stop: Arc<AtomicBool>,
    /// Told once a second.
    pub progress: Option<OnProgress>,
    /// Told once a second, by another thread, how each operation went.
    pub watcher: Option<OnInterval>,
    /// Told when something new begins.
    pub stage: OnStage,
}

impl std::fmt::Debug for RunOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunOptions")
            .field("scenario", &self.scenario)
            .finish_non_exhaustive()
    }
}

/// What a run goes against.
#[derive(Debug, Clone)]
pub enum Against {
    /// A server of its own.
    Embedded {
        /// This program.
        program: PathBuf,
        /// A bug to plant in it, where it was built with them.
        planted_bug: Option<String>,
    },
    /// A server that runs already.
    Live {
        /// Host and port.
        address: String,
        /// The file with its admin's password.
        admin_password_file: PathBuf,
    },
}

/// What a run is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Making users and agendas.
    Building {
        /// How many users.
        users: u32,
        /// How many agendas.
        agendas: u32,
    },
    /// Offering load.
    Driving,
    /// Killing the embedded server and starting another on what is on the disk.
    Crashing,
    /// Reading the log back and judging.
    Judging,
}

/// What a run left behind.
#[derive(Debug)]
pub struct Ran {
    /// Everything about it.
    pub record: RunRecord,
    /// Where it is kept.
    pub dir: PathBuf,
}

/// Why a run did not come to a verdict.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The scenario.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The embedded server.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// The set-up.
    #[error("the world could not be set up: {0}")]
    World(#[from] WorldError),
    /// The load.
    #[error(transparent)]
    Drive(#[from] DriveError),
    /// What was to be broken.
    #[error(transparent)]
    Strike(#[from] StrikeError),
    /// The log.
    #[error(transparent)]
    Judge(#[from] JudgeError),
    /// The history.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A file of the run.
    #[error("{}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system.
    #[error("the system refuses what every run needs: {0}")]
    System(io::Error),
}

/// Runs a scenario from beginning to end.
///
/// # Errors
/// If it could not come to a verdict. A verdict that is not a pass is a result.
pub fn run(options: RunOptions) -> Result<Ran, RunError> {
    let scenario = Scenario::load(&options.scenario)?;
    let plan = Plan::new(&scenario, &options.plan)?;
    check_faults(&scenario, &plan, &options.against)?;
    let dir = create_run_dir(&options.out, &scenario.name)?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::System)?;
    let record = LocalSet::new().block_on(&runtime, async {
        Run {
            scenario: &scenario,
            plan: &plan,
            dir: &dir,
            options,
        }
        .carry_out()
        .await
    });
    if record.is_err() {
        // What never began leaves nothing behind. Whatever it did leave stays, to be looked at.
        let _not_empty = fs::remove_dir(&dir);
    }
    let record = record?;
    files::write_all(&dir, &record)?;
    Ok(Ran { record, dir })
}

struct Run<'a> {
    scenario: &'a Scenario,
    plan: &'a Plan,
    dir: &'a Path,
    options: RunOptions,
}

/// What is known when the load is over.
struct Aftermath {
    crash: Option<CrashRecord>,
    live: StateHash,
    admin: Caller,
    server: Option<Embedded>,
}

/// What became of the server, for the record.
struct Rest {
    faults: Option<FaultsRecord>,
    crash: Option<CrashRecord>,
    server_memory: Option<MemoryRecord>,
}

impl Run<'_> {
    async fn carry_out(mut self) -> Result<RunRecord, RunError> {
        let started_at = SystemTime::UNIX_EPOCH + Duration::from_millis(clock::wall_ms());
        let fdatasync =
            environment::measure_fdatasync(self.dir).map_err(|source| RunError::File {
                path: self.dir.to_owned(),
                source,
            })?;
        let mut environment = environment::describe(fdatasync);
        environment.started_at = humantime::format_rfc3339_seconds(started_at).to_string();
        let secret = random_secret()?;
        let server = self.start_server().await?;
        let access = self.access(server.as_ref(), &secret);
        let proxy = self.start_proxy(&access).await?;
        let built = self.build(&access.through(proxy.as_ref())).await?;
        self.describe_target(&mut environment, &built.admin);

        let mint = KeyMint::new(secret);
        let mut laws = self.laws(&mint, &built);
        let admin_token = built.admin_token;
        let pid = server.as_ref().and_then(Embedded::pid);
        let mut targets = Targets {
            server,
            proxy,
            watched: Arc::new(AtomicU32::new(pid.unwrap_or(0))),
        };
        let watch = pid.map(|_own| MemoryWatch::start(Arc::clone(&targets.watched)));
        let struck = self
            .drive_and_strike(built, (&mint, secret), &mut laws, &mut targets)
            .await;
        let server_memory = watch.and_then(MemoryWatch::finish);
        let (driven, strikes) = struck?;

        let mut after = self.aftermath(targets.server, &access, admin_token).await?;
        (self.options.stage)(&Stage::Judging);
        let (laws, tally) = self.judge(laws, &mut after).await?;
        if let Some(server) = after.server {
            server.stop().await?;
        }
        let faults = broken::record(broken::Found {
            plan: self.plan,
            strikes,
            doubts: driven.doubts,
            tally,
        });
        let rest = Rest {
            faults,
            crash: after.crash,
            server_memory,
        };
        Ok(self.record(environment, driven, laws, rest))
    }

    /// What stands between clients and server, where connections are to be broken.
    async fn start_proxy(&self, access: &Access) -> Result<Option<Proxy>, RunError> {
        if !self.plan.needs_proxy() {
            return Ok(None);
        }
        let address = Wire::of(&access.address).1;
        let mut found = tokio::net::lookup_host(address)
            .await
            .map_err(RunError::System)?;
        let upstream = found.next().ok_or_else(|| {
            RunError::System(io::Error::other(format!("`{address}` is no address")))
        })?;
        let proxy = Proxy::start(upstream, self.plan.seed).map_err(RunError::System)?;
        Ok(Some(proxy))
    }

    /// Offers the load, and breaks meanwhile what is to be broken.
    async fn drive_and_strike(
        &mut self,
        built: Built,
        secrets: (&KeyMint, [u8; 32]),
        laws: &mut Laws,
        targets: &mut Targets,
    ) -> Result<(Driven, Vec<Strike>), RunError> {
        let clock = Clock::start();
        let board = Rc::new(Board::new(self.plan.faults.len()));
        let striker = Striker::new(&self.plan.faults, Rc::clone(&board), clock);
        let stop = Arc::clone(&self.options.stop);
        let strike = async {
            let struck = striker.strike_all(targets).await;
            if struck.is_err() {
                // Load on a server that will not come back proves nothing.
                board.give_up();
                stop.store(true, Ordering::Relaxed);
            }
            struck
        };
        let drive = self.drive(built, secrets, laws, (clock, &board));
        let (driven, struck) = tokio::join!(drive, strike);
        struck?;
        Ok((driven?, board.strikes()))
    }

    async fn start_server(&self) -> Result<Option<Embedded>, RunError> {
        let Against::Embedded {
            program,
            planted_bug,
        } = &self.options.against
        else {
            return Ok(None);
        };
        let extra = planted_bug
            .iter()
            .flat_map(|bug| ["--planted-bug".to_owned(), bug.clone()]);
        let launch = Launch {
            program: program.clone(),
            data_dir: embedded::data_dir(self.dir),
            complaints: embedded::complaints(self.dir),
            server: self.scenario.server,
            extra: extra.collect(),
        };
        Ok(Some(Embedded::start(launch).await?))
    }

    fn access(&self, server: Option<&Embedded>, secret: &[u8; 32]) -> Access {
        let run_id = u64::from_le_bytes(*secret.first_chunk().expect("8 of 32 bytes"));
        let (address, admin_password_file) = match (&self.options.against, server) {
            (
                Against::Live {
                    address,
                    admin_password_file,
                },
                _,
            ) => (address.clone(), admin_password_file.clone()),
            (Against::Embedded { .. }, Some(server)) => {
                let ready = server.ready();
                (ready.address.clone(), ready.admin_password_file.clone())
            }
            (Against::Embedded { .. }, None) => unreachable!("the embedded server was started"),
        };
        Access {
            address,
            admin_password_file,
            run_id,
        }
    }

    async fn build(&mut self, access: &Access) -> Result<Built, RunError> {
        const DAY_MS: u64 = 24 * 60 * 60 * 1000;
        let world = &self.plan.world;
        (self.options.stage)(&Stage::Building {
            users: world.users,
            agendas: world.agendas,
        });
        let today = u32::try_from(clock::wall_ms() / DAY_MS).unwrap_or(u32::MAX);
        Ok(world::build(access, world, today).await?)
    }

    fn laws(&self, mint: &KeyMint, built: &Built) -> Laws {
        let world = &self.plan.world;
        let mut options = LawOptions::new(mint.clone(), u32::from(world.capacity), world.clients());
        options.required.clone_from(&self.scenario.require.laws);
        options.wall_at_start =
            matches!(self.options.against, Against::Embedded { .. }).then(clock::wall_ms);
        let mut laws = Laws::new(options);
        for (client, user) in (0..).zip(&built.users) {
            laws.handle_client(client, *user);
        }
        laws.begin(built.began_at.0);
        laws
    }

    /// Offers the load.
    async fn drive(
        &mut self,
        built: Built,
        (mint, secret): (&KeyMint, [u8; 32]),
        laws: &mut Laws,
        (clock, board): (Clock, &Rc<Board>),
    ) -> Result<Driven, RunError> {
        // However it ends, whoever breaks things must not wait for more.
        let _over = board.over_at_last();
        (self.options.stage)(&Stage::Driving);
        let path = self.dir.join(HISTORY_FILE);
        let head = HistoryHead {
            secret,
            started_at: clock::wall_ms(),
        };
        let history = HistoryWriter::create(&path, &head)
            .map_err(|source| RunError::File { path, source })?;
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
        options.faults = (!self.plan.faults.is_empty()).then(|| Rc::clone(board));
        let started_at = SystemTime::UNIX_EPOCH + Duration::from_millis(clock::wall_ms());
        let intervals = IntervalLog::watched(self.dir, started_at, self.options.watcher.take());
        options.intervals = Some(intervals.map_err(|source| RunError::File {
            path: self.dir.to_owned(),
            source,
        })?);
        options.duplicate_every = std::num::NonZeroU32::new(DUPLICATE_EVERY);
        options.history = Some(history);
        options.stop = Arc::clone(&self.options.stop);
        options.progress = self.options.progress.take();
        let wire = match &self.options.against {
            Against::Live { address, .. } => Wire::of(address).0,
            Against::Embedded { .. } => Wire::Native,
        };
        let driven = match wire {
            Wire::Native => {
                let mut target = TcpTarget::new(built.links).map_err(RunError::System)?;
                drive(self.plan, clients, &mut target, laws, options).await?
            }
            Wire::Lines => {
                let mut target = JsonlTarget::new(built.links).map_err(RunError::System)?;
                drive(self.plan, clients, &mut target, laws, options).await?
            }
        };
        Ok(driven)
    }

    /// Reads the live state, and pulls the plug on an embedded server.
    async fn aftermath(
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

    async fn judge(
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
        let mut torn = None;
        let history = HistoryReader::open(&self.dir.join(HISTORY_FILE))?;
        let operations = history.map_while(|entry| match entry {
            Ok(HistoryEntry {
                operation,
                duplicate,
            }) => Some((operation, duplicate)),
            Err(error) => {
                torn = Some(error);
                None
            }
        });
        let firsts = operations
            .filter(|(_, duplicate)| !duplicate)
            .map(|(operation, _)| operation);
        let found = laws.conclude_with_tally(firsts);
        match torn {
            Some(error) => Err(error.into()),
            None => Ok(found),
        }
    }

    fn describe_target(&self, environment: &mut EnvironmentRecord, admin: &Caller) {
        let flags = admin.welcome().flags;
        let (target, durability) = match &self.options.against {
            Against::Embedded { .. } => (
                "embedded".to_owned(),
                self.scenario.server.durability.name(),
            ),
            Against::Live { address, .. } => {
                let is_durable = flags.contains(WelcomeFlags::DURABLE);
                let url = match Wire::of(address) {
                    (Wire::Native, bare) => format!("tcp://{bare}"),
                    (Wire::Lines, _bare) => address.clone(),
                };
                (url, if is_durable { "full" } else { "not full" })
            }
        };
        environment.target = target;
        environment.durability = durability.to_owned();
        environment.planted_bug =
            flags
                .contains(WelcomeFlags::PLANTED_BUG)
                .then(|| match &self.options.against {
                    Against::Embedded {
                        planted_bug: Some(bug),
                        ..
                    } => bug.clone(),
                    Against::Embedded { .. } | Against::Live { .. } => "unknown".to_owned(),
                });
    }

    fn record(
        &self,
        environment: EnvironmentRecord,
        driven: Driven,
        laws: Vec<LawRecord>,
        rest: Rest,
    ) -> RunRecord {
        let measured = threshold::Measured {
            phases: &driven.phases,
            faults: (rest.faults.as_ref()).map_or(&[], |found| &found.faults),
            memory: rest.server_memory.as_ref(),
        };
        let mut contention = driven.contention;
        contention.per_key_min = self.scenario.require.per_key_min;
        let mut record = RunRecord {
            version: RECORD_VERSION,
            scenario: self.scenario_record(),
            environment,
            thresholds: threshold::judge(&self.scenario.require.thresholds, measured),
            phases: driven.phases,
            laws,
            contention,
            generator: driven.generator,
            crash: rest.crash,
            faults: rest.faults,
            server_memory: rest.server_memory,
            cautions: Vec::new(),
            verdict: RunVerdict::unjudged(),
        };
        let end = if driven.interrupted {
            RunEnd::Interrupted
        } else {
            RunEnd::Complete
        };
        record.conclude(end);
        record
    }

    fn scenario_record(&self) -> ScenarioRecord {
        ScenarioRecord {
            name: self.scenario.name.clone(),
            description: self.scenario.description.clone(),
            path: self.options.scenario.display().to_string(),
            seed: self.plan.seed,
            rng: "ChaCha8, one stream a label; SplitMix64 within an instance".to_owned(),
            plan_hash: self.plan.hash(),
            time_scale: self.options.plan.time_scale,
            rate_scale: self.options.plan.rate_scale,
            command: self.options.command.clone(),
        }
    }
}

/// What is to be broken is there, and the run's: a server that somebody else runs is not its to kill.
fn check_faults(scenario: &Scenario, plan: &Plan, against: &Against) -> Result<(), ScenarioError> {
    if plan.needs_proxy() {
        check_room(plan.world.clients().into())
            .map_err(|error| ScenarioError::without_place(&scenario.label, &error.to_string()))?;
    }
    match (against, plan.first_of_process()) {
        (Against::Live { address, .. }, Some(fault)) => Err(ScenarioError::without_place(
            &scenario.label,
            &format!(
                "the fault `{fault}` needs a server of the run's own, and {address} is somebody \
                 else's; run it without --target, or remove the fault"
            ),
        )),
        (Against::Live { .. }, None) | (Against::Embedded { .. }, _) => Ok(()),
    }
}

/// A directory nobody has, named by time and scenario.
fn create_run_dir(out: &Path, scenario: &str) -> Result<PathBuf, RunError> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(clock::wall_ms());
    let stamp = humantime::format_rfc3339_seconds(now)
        .to_string()
        .replace(':', "");
    let file = |path: &Path, source| RunError::File {
        path: path.to_owned(),
        source,
    };
    fs::create_dir_all(out).map_err(|source| file(out, source))?;
    for attempt in 1..=u32::from(u16::MAX) {
        let suffix = if attempt == 1 {
            String::new()
        } else {
            format!("-{attempt}")
        };
        let dir = out.join(format!("{stamp}-{scenario}{suffix}"));
        match fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(file(&dir, source)),
        }
    }
    Err(file(
        out,
        io::Error::other("65,535 runs began in this second"),
    ))
}

fn random_secret() -> Result<[u8; 32], RunError> {
    let mut secret = [0; 32];
    rand::rngs::SysRng
        .try_fill_bytes(&mut secret)
        .map_err(|error| RunError::System(io::Error::other(error.to_string())))?;
    Ok(secret)
}
