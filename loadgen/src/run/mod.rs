//! One run: from a scenario file to a run record and the directory it leaves behind.
//!
//! ```text
//! scenario -> plan -> server -> world -> drive -> crash -> recover -> judge -> record -> files
//! ```
//!
//! The embedded server has its plug pulled at the end of every run, with SIGKILL, and everything
//! is judged on what another process finds on the disk: durability is tested each time, not once.
//! What a run is asked stands in `options`, the load in `load`, what follows it in `aftermath`; here are
//! the order of the steps and what they start from. Deliberately absent: printing, and deciding what the
//! findings come to (`reports`).

mod aftermath;
mod broken;
mod embedded;
mod environment;
mod files;
mod inject;
mod judge;
mod load;
mod memory;
mod options;
mod process;
mod record;
mod server;
mod target_check;
mod threshold;
mod trial;
mod world;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicU32},
    time::{Duration, SystemTime},
};

use rand::TryRng;
use reports::record::{EnvironmentRecord, RunRecord, VisitorsRecord};
use tokio::{runtime, task::LocalSet};

pub use self::{
    embedded::EmbeddedError,
    files::{HISTORY_FILE, JUNIT_FILE, RECORD_FILE, REPORT_FILE},
    inject::InjectError,
    judge::JudgeError,
    options::{Against, OnStage, RunOptions, Stage},
    process::ProcessError,
    server::ServerError,
    target_check::{CallChecked, check_target},
    trial::TrialError,
    world::{SILENCE_MAX, WorldError},
};
use self::{
    embedded::{Embedded, Launch},
    inject::Targets,
    load::{Crew, Loaded},
    memory::MemoryWatch,
    record::Rest,
    server::Server,
    world::{Access, Built},
};
use crate::{
    check::{LawOptions, Laws},
    clock,
    driver::DriveError,
    fault::{Proxy, check_direct_room, check_room},
    history::{HistoryError, Setup},
    operation::KeyMint,
    plan::Plan,
    scenario::{Scenario, ScenarioError},
    target::Wire,
};

/// What a run left behind.
#[derive(Debug)]
pub struct Ran {
    /// Everything about it.
    pub record: RunRecord,
    /// Where it is kept.
    pub dir: PathBuf,
    /// Why not all of it is kept: which file could not be written.
    pub unwritten: Option<RunError>,
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
    /// Somebody's own server.
    #[error(transparent)]
    Trial(#[from] TrialError),
    /// The set-up.
    #[error("the world could not be set up: {0}")]
    World(#[from] WorldError),
    /// The load.
    #[error(transparent)]
    Drive(#[from] DriveError),
    /// What was to be broken.
    #[error(transparent)]
    Injection(#[from] InjectError),
    /// The log.
    #[error(transparent)]
    Judge(#[from] JudgeError),
    /// The history.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// Where runs are to be kept.
    #[error("{} cannot be made a directory for runs: {source}; name another with --out", .path.display())]
    Out {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
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
    check_room_and_faults(&scenario, &plan, &options.against)?;
    if let Against::Mapped(mapping) = &options.against {
        trial::check_supported(&scenario, mapping)?;
    }
    let dir = files::create_run_dir(&options.out, &scenario.name)?;
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
    let unwritten = files::write_all(&dir, &record).err();
    Ok(Ran {
        record,
        dir,
        unwritten,
    })
}

struct Run<'a> {
    scenario: &'a Scenario,
    plan: &'a Plan,
    dir: &'a Path,
    options: RunOptions,
}

impl Run<'_> {
    async fn carry_out(self) -> Result<RunRecord, RunError> {
        match &self.options.against {
            Against::Mapped(mapping) => {
                let mapping = Arc::clone(mapping);
                self.try_mapped(mapping).await
            }
            Against::Embedded { .. } | Against::Live { .. } => self.run_stampede().await,
        }
    }

    /// Where the run runs, and since when.
    fn environment(&self) -> Result<EnvironmentRecord, RunError> {
        let started_at = SystemTime::UNIX_EPOCH + Duration::from_millis(clock::wall_ms());
        let fdatasync =
            environment::measure_fdatasync(self.dir).map_err(|source| RunError::File {
                path: self.dir.to_owned(),
                source,
            })?;
        let mut environment = environment::describe(fdatasync);
        environment.started_at = humantime::format_rfc3339_seconds(started_at).to_string();
        Ok(environment)
    }

    /// Against a server of this program.
    async fn run_stampede(mut self) -> Result<RunRecord, RunError> {
        let mut environment = self.environment()?;
        let secret = random_secret()?;
        let mut server = self.start_server().await?;
        let mint = KeyMint::new(secret);
        let access = self.access(server.as_ref(), &mint);
        let proxy = self.start_proxy(Wire::of(&access.address).1).await?;
        let built = match self.build(&access.through(proxy.as_ref())).await {
            Ok(built) => built,
            Err(error) => {
                // A server that ended explains whatever its clients met.
                server.as_mut().map_or(Ok(()), Embedded::assert_running)?;
                return Err(error);
            }
        };
        self.describe_target(&mut environment, &built.admin);

        let (mut laws, setup) = self.laws(&mint, &built);
        let admin_token = built.admin_token;
        let pid = server.as_ref().and_then(Embedded::pid);
        let crew = Crew::of(built, Wire::of(&access.address).0);
        let mut targets = Targets {
            server: server.map(Server::Own),
            proxy,
            watched: Arc::new(AtomicU32::new(pid.unwrap_or(0))),
        };
        let watch = pid.map(|_own| MemoryWatch::start(Arc::clone(&targets.watched)));
        let loaded = self
            .drive_and_inject(crew, (&mint, secret), (&mut laws, setup), &mut targets)
            .await;
        let server_memory = watch.and_then(MemoryWatch::finish);
        let Loaded {
            mut driven,
            history,
            injections,
            broke_off,
            surprises: _none,
        } = loaded?;
        // Whoever ended a load that its server did not outlive was not the user.
        driven.interrupted &= broke_off.is_none();

        let admin = (&access, admin_token);
        let after = self
            .aftermath(
                (laws, history),
                targets.server.and_then(Server::into_own),
                admin,
                broke_off,
            )
            .await?;
        driven.generator.history_bytes = after.history_bytes;
        let tally = after.tally;
        let faults = broken::record(broken::Found {
            plan: self.plan,
            injections,
            doubts: driven.doubts,
            tally,
        });
        let rest = Rest {
            faults,
            visitors: (0 < tally.set_aside).then_some(VisitorsRecord {
                records: tally.set_aside,
                people: tally.visitors,
            }),
            crash: after.crash,
            server_memory,
            broke_off: after.broke_off,
        };
        Ok(self.record(environment, driven, after.laws, rest))
    }

    /// What stands between clients and server, where connections are to be broken.
    async fn start_proxy(&self, address: &str) -> Result<Option<Proxy>, RunError> {
        if !self.plan.needs_proxy() {
            return Ok(None);
        }
        let mut found = tokio::net::lookup_host(address)
            .await
            .map_err(RunError::System)?;
        let upstream = found.next().ok_or_else(|| {
            RunError::System(io::Error::other(format!("`{address}` is no address")))
        })?;
        let proxy = Proxy::start(upstream, self.plan.seed).map_err(RunError::System)?;
        Ok(Some(proxy))
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

    fn access(&self, server: Option<&Embedded>, mint: &KeyMint) -> Access {
        let (address, admin_password_file) = match (&self.options.against, server) {
            (
                Against::Live {
                    address,
                    admin_password_file,
                },
                _,
            ) => (address.clone(), admin_password_file.clone()),
            (Against::Embedded { .. }, Some(server)) => {
                (server.ready().address.clone(), server.admin_password_file())
            }
            (Against::Embedded { .. } | Against::Mapped(_), _) => {
                unreachable!("the embedded server was started, and a mapped one has no admin")
            }
        };
        Access {
            address,
            admin_password_file,
            keys: mint.set_up(),
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
        Ok(world::build(access, world, today, self.options.silence_max).await?)
    }

    fn laws(&self, mint: &KeyMint, built: &Built) -> (Laws, Setup) {
        let world = &self.plan.world;
        let mut options = LawOptions::new(mint.clone(), u32::from(world.capacity), world.clients());
        options.required.clone_from(&self.scenario.require.laws);
        // A server of the run's own is nobody else's, and on the same clock.
        options.is_alone = matches!(self.options.against, Against::Embedded { .. });
        options.wall_at_start = options.is_alone.then(clock::wall_ms);
        let setup = Setup::of(&options);
        let mut laws = Laws::new(options);
        for (client, user) in (0..).zip(&built.users) {
            laws.handle_client(client, *user);
        }
        laws.begin(built.began_at.0);
        (laws, setup)
    }
}

/// There are descriptors for everybody, and what is to be broken is there, and the run's: a server that
/// somebody else runs is not its to kill.
fn check_room_and_faults(
    scenario: &Scenario,
    plan: &Plan,
    against: &Against,
) -> Result<(), ScenarioError> {
    let clients = plan.world.clients().into();
    let has_room = match plan.needs_proxy() {
        true => check_room(clients, plan.network_faults()),
        false => check_direct_room(clients),
    };
    has_room.map_err(|error| ScenarioError::without_place(&scenario.label, &error.to_string()))?;
    match (against, plan.first_of_process()) {
        (Against::Live { address, .. }, Some(fault)) => Err(ScenarioError::without_place(
            &scenario.label,
            &format!(
                "the fault `{fault}` needs a server of the run's own, and {address} is somebody \
                 else's; run it without --target, or remove the fault"
            ),
        )),
        (Against::Mapped(mapping), Some(fault)) if mapping.process.is_none() => {
            Err(ScenarioError::without_place(
                &scenario.label,
                &format!(
                    "the fault `{fault}` needs a server that the run starts; add `[process]` to {}, \
                     or remove the fault",
                    mapping.file.display()
                ),
            ))
        }
        (Against::Live { .. }, None) | (Against::Embedded { .. } | Against::Mapped(_), _) => Ok(()),
    }
}

fn random_secret() -> Result<[u8; 32], RunError> {
    let mut secret = [0; 32];
    rand::rngs::SysRng
        .try_fill_bytes(&mut secret)
        .map_err(|error| RunError::System(io::Error::other(error.to_string())))?;
    Ok(secret)
}
