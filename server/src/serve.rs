//! Starting and stopping: recover, serve, drain.
//!
//! A configuration goes in; the server runs until it is told to stop, finishes what it took, and
//! brings the log to rest. Deliberately absent: signals and printing (they are the program's).

use std::{
    fs,
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::pin,
    rc::Rc,
    sync::{Arc, atomic::AtomicBool},
    task::Poll,
    time::Duration,
};

use protocol::{Seq, UserId, message::WelcomeFlags};
use rand::TryRng;
use tokio::{
    net::TcpListener,
    runtime,
    task::{self, LocalSet},
    time,
};

use crate::{
    admin::{self, ADMIN_PASSWORD_FILE},
    auth::Authenticator,
    clock::{Monotonic, wall_ms},
    config::ServerConfig,
    domain::{agenda::default_agenda, systems::OwnedCommand},
    engine::Engine,
    health::{Door, Stage, Vitals},
    hub::{Hub, HubParts},
    log::{
        Durability, EventLog, LogError, LogReader, SqliteLog, SqliteOptions, SqliteReader, database,
    },
    lost,
    net::{
        Speech,
        tcp::{self, Shell},
    },
    passwords::Secret,
    recover::{Recovered, recover},
    snapshot::{Keeper, Making, SnapshotError, Snapshots, make},
    writer::{Synced, Writer},
};

/// How long a stopping server waits for answers to be taken: whoever has not read them by then can
/// ask again, with the same key.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// How often a stopping server looks whether it is done.
const DRAIN_STEP: Duration = Duration::from_millis(5);

/// The file in the data directory that holds the server's secret.
pub(crate) const SECRET_FILE: &str = "secret";

/// What is known once the server takes connections.
#[derive(Debug, Clone)]
pub struct Ready {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it listens for lines of JSON.
    pub jsonl: Option<SocketAddr>,
    /// Where it answers how it is.
    pub http: Option<SocketAddr>,
    /// Where the log is.
    pub data_dir: PathBuf,
    /// The newest position found in the log.
    pub recovered: Seq,
    /// The position of the snapshot that it began at; [`Seq::START`] for none.
    pub recovered_from: Seq,
    /// How long rebuilding the state took.
    pub recovered_in: Duration,
    /// Where the first admin's password is.
    pub admin_password_file: PathBuf,
    /// What the log said of its own history, if a person should know.
    pub warnings: Vec<String>,
}

/// Why a server could not start, or not stop cleanly.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The address.
    #[error(
        "cannot listen on {address}: {source}; choose another with --listen, --jsonl or --http"
    )]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// Why it cannot.
        source: io::Error,
    },
    /// A file of the data directory.
    #[error("{}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// The system gives no thread or no randomness.
    #[error("the system refuses what every server needs: {0}")]
    System(String),
}

/// Runs a server until `shutdown` completes. `on_ready` is called once, when connections are taken.
///
/// # Errors
/// If it cannot start, or the log cannot be brought to rest.
pub fn serve(
    config: &ServerConfig,
    on_ready: impl FnOnce(&Ready),
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| ServeError::System(error.to_string()))?;
    let vitals = Arc::<Vitals>::default();
    // Open from before the log is until after it is closed: starting and stopping take long.
    let health = open_health(config, &vitals)?;
    let http = health.as_ref().map(Door::address);
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let doors = Doors::open(config).await?;
        let (shell, synced, ready) = start(config, &doors, &vitals)?;
        let ready = Ready { http, ..ready };
        // Whoever hears of the server may stop it at once, so it listens for that before it speaks.
        let mut shutdown = pin!(shutdown);
        let is_stopped = poll_fn(|cx| Poll::Ready(shutdown.as_mut().poll(cx).is_ready())).await;
        vitals.enter(Stage::Serving);
        on_ready(&ready);
        let stopped = async move {
            if !is_stopped {
                shutdown.await;
            }
        };
        let stopped = async {
            stopped.await;
            vitals.enter(Stage::Stopping);
        };
        run(config, shell, synced, doors, stopped).await
    })
}

fn open_health(config: &ServerConfig, vitals: &Arc<Vitals>) -> Result<Option<Door>, ServeError> {
    let Some(address) = config.http else {
        return Ok(None);
    };
    Door::open(address, Arc::clone(vitals), &config.data_dir)
        .map(Some)
        .map_err(|source| ServeError::Listen { address, source })
}

/// Where connections come in.
struct Doors {
    native: TcpListener,
    lines: Option<TcpListener>,
}

impl Doors {
    async fn open(config: &ServerConfig) -> Result<Self, ServeError> {
        let native = bind(config.listen).await?;
        let lines = match config.jsonl {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        Ok(Self { native, lines })
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    let listener = tcp::bind(address).await;
    listener.map_err(|source| ServeError::Listen { address, source })
}

fn address_of(listener: &TcpListener, wanted: SocketAddr) -> Result<SocketAddr, ServeError> {
    listener.local_addr().map_err(|source| ServeError::Listen {
        address: wanted,
        source,
    })
}

/// Opens the log, rebuilds the state and makes the shell.
fn start(
    config: &ServerConfig,
    doors: &Doors,
    vitals: &Arc<Vitals>,
) -> Result<(Shell, tokio::sync::mpsc::Receiver<Synced>, Ready), ServeError> {
    let options = SqliteOptions {
        durability: config.durability,
        accept_loss_after: config.accept_loss_after,
    };
    let log = SqliteLog::open(&config.data_dir, options)?;
    let mut warnings = warnings(&log);
    let mut log: Box<dyn EventLog> = Box::new(log);
    let clock = Monotonic::start();
    vitals.enter(Stage::Replaying);
    let snapshots = Snapshots::of(&config.data_dir);
    let Recovered {
        mut engine,
        reader,
        from: recovered_from,
        lost,
        warnings: of_snapshots,
    } = recover(&mut *log, random()?, &snapshots, &vitals.progress)?;
    warnings.extend(of_snapshots);
    let recovered = engine.decided().seq;
    let recovered_in = Duration::from_millis(clock.ms());
    let secret = secret(&config.data_dir)?;
    let admin_password_file = config.data_dir.join(ADMIN_PASSWORD_FILE);
    warnings.extend(prepare(&mut engine, &mut *log, &secret, config, &lost)?);
    let address = address_of(&doors.native, config.listen)?;
    let jsonl = match (&doors.lines, config.jsonl) {
        (Some(listener), Some(wanted)) => Some(address_of(listener, wanted)?),
        (Some(_), None) | (None, _) => None,
    };
    #[cfg(feature = "planted-bugs")]
    let log = crate::planted::plant(config, &mut engine, log);
    let (writer, synced) = Writer::spawn(log, Arc::clone(vitals))
        .map_err(|error| ServeError::System(error.to_string()))?;
    let flags = match config.durability {
        Durability::Full => WelcomeFlags::DURABLE,
        Durability::Normal | Durability::None => WelcomeFlags::default(),
    };
    #[cfg(feature = "planted-bugs")]
    let flags = crate::planted::flags(config, flags);
    let hub = Hub::new(HubParts {
        engine,
        writer,
        reader,
        connections_max: config.connections_max,
        timeouts: config.timeouts,
        flags,
        #[cfg(feature = "planted-bugs")]
        planted_bug: config.planted_bug,
    });
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let authenticator = Authenticator::new(secret, config.password_cost, cores)
        .map_err(|error| ServeError::System(error.to_string()))?;
    let data_dir = config.data_dir.clone();
    let open_reader = Box::new(move || {
        let reader = SqliteReader::open(&data_dir)?;
        Ok(Box::new(reader) as Box<dyn LogReader>)
    });
    let ready = Ready {
        address,
        jsonl,
        http: None,
        data_dir: config.data_dir.clone(),
        recovered,
        recovered_from,
        recovered_in,
        admin_password_file,
        warnings,
    };
    let vitals = Arc::clone(vitals);
    let shell = Shell::new(hub, authenticator, open_reader, vitals);
    Ok((shell, synced, ready))
}

/// What is durable before anybody is let in: what every fresh log begins with, somebody who may grant
/// roles and the default agenda; and that whoever is `lost` is erased again. Returns what a person
/// should know.
fn prepare(
    engine: &mut Engine,
    log: &mut dyn EventLog,
    secret: &Secret,
    config: &ServerConfig,
    lost: &[UserId],
) -> Result<Vec<String>, ServeError> {
    let now = wall_ms();
    let is_fresh = engine.decided().seq == Seq::START;
    let mut told = Vec::new();
    if !admin::is_there_beside(engine, lost) {
        let name = admin::make(engine, secret, config, now)?;
        if !is_fresh {
            told.push(admin::told(&name, config));
        }
    }
    if is_fresh {
        let open = protocol::words::agenda::Command::from(default_agenda());
        engine.submit_own(now, &OwnedCommand::new(&open));
    }
    told.extend(log.loss().and_then(|loss| lost::told(lost, loss.after)));
    lost::erase_again(engine, log, lost, now)?;
    Ok(told)
}

/// Serves until told to stop, then finishes what was taken.
async fn run(
    config: &ServerConfig,
    shell: Shell,
    synced: tokio::sync::mpsc::Receiver<Synced>,
    doors: Doors,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let keeper = keep_snapshots(config)?;
    let shell = Rc::new(shell);
    let accepting = task::spawn_local(Rc::clone(&shell).accept(doors.native, Speech::Native));
    let speech = Speech::Lines(random()?);
    let accepting_lines = doors
        .lines
        .map(|listener| task::spawn_local(Rc::clone(&shell).accept(listener, speech)));
    let turns = task::spawn_local(Rc::clone(&shell).take_turns());
    let releases = task::spawn_local(Rc::clone(&shell).release_synced(synced));
    let delivery = task::spawn_local(Rc::clone(&shell).deliver());
    let ticks = task::spawn_local(Rc::clone(&shell).tick());
    shutdown.await;
    accepting.abort();
    if let Some(accepting) = accepting_lines {
        accepting.abort();
    }
    shell.hub.borrow_mut().drain();
    let drained = time::timeout(DRAIN_MAX, async {
        while !shell.hub.borrow().is_drained() {
            shell.turn.notify_one();
            time::sleep(DRAIN_STEP).await;
        }
    });
    if drained.await.is_err() {
        tracing::warn!("some clients did not take their answers in time; they can ask again");
    }
    ticks.abort();
    turns.abort();
    delivery.abort();
    drop(keeper);
    keep_last(config, &shell);
    shell.hub.borrow_mut().close()?;
    releases.abort();
    Ok(())
}

/// The thread that makes snapshots, unless none are wanted.
fn keep_snapshots(config: &ServerConfig) -> Result<Option<Keeper>, ServeError> {
    if config.snapshot_every == 0 {
        return Ok(None);
    }
    Keeper::spawn(&config.data_dir, config.snapshot_every)
        .map(Some)
        .map_err(|error| ServeError::System(error.to_string()))
}

/// A snapshot of the state at the end. What the log gives must be what was served, and the log has
/// all of it already: without the snapshot the next start takes longer.
fn keep_last(config: &ServerConfig, shell: &Shell) {
    if config.snapshot_every == 0 {
        return;
    }
    let made = make(&Making {
        data_dir: &config.data_dir,
        expected: Some(shell.hub.borrow().engine().state_hash()),
        is_given_up: &AtomicBool::new(false),
    });
    match made {
        Ok(_) => {}
        Err(error @ SnapshotError::Differs { .. }) => tracing::error!(%error),
        Err(error) => tracing::warn!(%error, "no snapshot was made at the end"),
    }
}

fn warnings(log: &SqliteLog) -> Vec<String> {
    use crate::log::mark::MarkRead;
    match log.mark_read() {
        MarkRead::At(_) => Vec::new(),
        other if log.head().seq == Seq::START => {
            let _fresh_logs_have_no_mark = other;
            Vec::new()
        }
        other => vec![format!(
            "the high-water mark could not be trusted ({other:?}): a missing tail could not have been noticed"
        )],
    }
}

/// The server's secret, made at the first start.
fn secret(data_dir: &Path) -> Result<Secret, ServeError> {
    let path = data_dir.join(SECRET_FILE);
    match fs::read(&path) {
        Ok(bytes) => match <[u8; 32]>::try_from(bytes) {
            Ok(secret) => Ok(Secret::new(secret)),
            Err(bytes) => Err(ServeError::File {
                source: io::Error::other(format!(
                    "the server's secret has {} bytes instead of 32; restore it from a backup, or delete it, which ends every session",
                    bytes.len()
                )),
                path,
            }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secret = random::<32>()?;
            write_private(&path, &secret)?;
            Ok(Secret::new(secret))
        }
        Err(source) => Err(ServeError::File { path, source }),
    }
}

pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), ServeError> {
    database::write_private(path, bytes).map_err(|source| ServeError::File {
        path: path.to_owned(),
        source,
    })
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], ServeError> {
    let mut bytes = [0; N];
    rand::rngs::SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|error| ServeError::System(error.to_string()))?;
    Ok(bytes)
}
