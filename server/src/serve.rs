//! Starting and stopping: recover, serve, drain.
//!
//! A configuration goes in; the server runs until it is told to stop, finishes what it took, and
//! brings the log to rest. Deliberately absent: signals and printing (they are the program's).

use std::{
    future::{Future, poll_fn},
    io::{self, Write as _},
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
    belonging,
    clock::{Clock, Monotonic, look},
    clock_check,
    config::ServerConfig,
    disk::{Disk, RealDisk},
    domain::{agenda::default_agenda, systems::OwnedCommand},
    engine::Engine,
    hashing::Hashers,
    health::{HttpListener, Stage, Stats},
    hub::{Hub, HubParts, LineOptions},
    log::{
        Batch, Durability, EventLog, Head, LogError, LogReader, SqliteLog, SqliteOptions,
        SqliteReader,
    },
    modes,
    net::{
        Dialect,
        tcp::{self, OpenReader, TcpParts, TcpServer},
        write_pool::WritePool,
    },
    passwords::Secret,
    recover::{self, Recovered, Start, Workers},
    reerase, secret,
    snapshot::{SnapshotError, SnapshotRequest, SnapshotThread, Snapshots, make},
    time_base::TooFarAhead,
    writer::{Synced, Writer},
};

/// How long a stopping server waits for answers to be taken: whoever has not read them by then can
/// ask again, with the same key.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// How often a stopping server looks whether it is done.
const DRAIN_STEP: Duration = Duration::from_millis(5);

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
    /// This machine's clock, beside the log.
    #[error("{}", clock_check::too_far_text(.0))]
    Clock(TooFarAhead),
    /// The system gives no thread or no randomness.
    #[error("the system refuses what every server needs: {0}")]
    System(String),
}

impl From<TooFarAhead> for ServeError {
    fn from(error: TooFarAhead) -> Self {
        Self::Clock(error)
    }
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
    let stats = Arc::<Stats>::default();
    // Open from before the log is until after it is closed: starting and stopping take long.
    let health = open_health(config, &stats)?;
    let http = health.as_ref().map(HttpListener::address);
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let doors = Doors::open(config).await?;
        let (shell, synced, ready) = start(config, &doors, &stats)?;
        let ready = Ready { http, ..ready };
        // Whoever hears of the server may stop it at once, so it listens for that before it speaks.
        let mut shutdown = pin!(shutdown);
        let is_stopped = poll_fn(|cx| Poll::Ready(shutdown.as_mut().poll(cx).is_ready())).await;
        stats.enter(Stage::Serving);
        on_ready(&ready);
        let stopped = async move {
            if !is_stopped {
                shutdown.await;
            }
        };
        let stopped = async {
            stopped.await;
            stats.enter(Stage::Stopping);
        };
        run(config, shell, synced, doors, stopped).await
    })
}

fn open_health(
    config: &ServerConfig,
    stats: &Arc<Stats>,
) -> Result<Option<HttpListener>, ServeError> {
    let Some(address) = config.http else {
        return Ok(None);
    };
    HttpListener::open(address, Arc::clone(stats), &config.data_dir)
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

/// Reads what is in the data directory, and goes on with it once it is known to belong together.
struct Begun {
    engine: Engine,
    log: Box<dyn EventLog>,
    reader: Box<dyn LogReader>,
    secret: Secret,
    time: Clock,
    recovered: Head,
    recovered_from: Seq,
    recovered_in: Duration,
    warnings: Vec<String>,
}

impl Begun {
    /// Nothing is written before everything was read: a start that refuses changes nothing.
    fn new(config: &ServerConfig, stats: &Stats) -> Result<Self, ServeError> {
        let data_dir = config.data_dir.as_path();
        let examined = SqliteLog::examine(data_dir, log_options(config))?;
        let disk = RealDisk::at(data_dir);
        let (head, loss) = (examined.head(), examined.loss());
        let is_end_accepted = examined.is_end_accepted();
        let clock = Monotonic::start();
        stats.enter(Stage::Replaying);
        let snapshots = Snapshots::on(&disk);
        let mut read = recover::read(Start {
            reader: Box::new(examined.reader()?),
            head,
            loss,
            seed: random()?,
            snapshots: &snapshots,
            progress: &stats.progress,
            workers: Workers::Threads,
        })?;
        examined.check_keys()?;
        if !is_end_accepted {
            belonging::check_length(&disk, head)?;
        }
        let found = find_secret(&*disk, config, &mut read)?;
        let base = clock_check::start_time(&read.rebuilt.engine, look(), config.trust_clock)?;
        let recovered_in = Duration::from_millis(clock.ms());
        // From here on the directory changes. What SQLite makes gets the mode of the database.
        let open_to_others = modes::tighten(&*disk)?;
        let log = examined.open()?;
        let mut warnings = warnings(&log);
        let mut log: Box<dyn EventLog> = Box::new(log);
        warnings.extend(open_to_others);
        if is_end_accepted {
            drop_snapshots_behind(&snapshots, data_dir, head.seq)?;
        }
        let Recovered {
            mut engine,
            reader,
            from: recovered_from,
            lost,
            warnings: of_snapshots,
        } = read.settle(&mut *log)?;
        warnings.extend(of_snapshots);
        let secret = match found {
            Some(secret) => secret,
            None => secret::write(&*disk, &random()?, head)?,
        };
        let told = clock_check::settle(&mut engine, &mut *log, &base, config.trust_clock)?;
        warnings.extend(told);
        let time = Clock::new(base);
        let (place, lost) = ((&*disk, config), (lost.as_slice(), time.now().wall));
        warnings.extend(prepare(&mut engine, &mut *log, &secret, place, lost)?);
        warnings.extend(admin::missing_password(&*disk));
        Ok(Self {
            engine,
            log,
            reader,
            secret,
            time,
            recovered: head,
            recovered_from,
            recovered_in,
            warnings,
        })
    }
}

const fn log_options(config: &ServerConfig) -> SqliteOptions {
    SqliteOptions {
        durability: config.durability,
        accept_loss_after: config.accept_loss_after,
    }
}

/// The server's secret; nothing if one is to be made.
fn find_secret(
    disk: &dyn Disk,
    config: &ServerConfig,
    read: &mut recover::Read,
) -> Result<Option<Secret>, LogError> {
    if config.new_secret {
        return Ok(None);
    }
    let engine = &read.rebuilt.engine;
    let people = engine.systems().accounts.people_after(UserId::NOBODY);
    let people: Vec<UserId> = people.map(|(user, _name)| user).collect();
    secret::check(disk, &mut *read.reader, &people, engine.keyring())?;
    secret::find(disk, &people)
}

/// What a snapshot has of the tail that was given up is given up with it.
fn drop_snapshots_behind(
    snapshots: &Snapshots,
    data_dir: &Path,
    head: Seq,
) -> Result<(), ServeError> {
    let dropped = snapshots.list().and_then(|listed| {
        let kept = listed.iter().map(|listed| listed.seq);
        let kept: Vec<Seq> = kept.filter(|seq| *seq <= head).collect();
        snapshots.keep_only(&kept)
    });
    dropped.map_err(|source| ServeError::File {
        path: data_dir.to_owned(),
        source,
    })
}

/// Opens the log, rebuilds the state and makes the shell.
fn start(
    config: &ServerConfig,
    doors: &Doors,
    stats: &Arc<Stats>,
) -> Result<(TcpServer, tokio::sync::mpsc::Receiver<Synced>, Ready), ServeError> {
    let Begun {
        engine,
        log,
        reader,
        secret,
        time,
        recovered,
        recovered_from,
        recovered_in,
        warnings,
    } = Begun::new(config, stats)?;
    let recovered = recovered.seq;
    let admin_password_file = config.data_dir.join(ADMIN_PASSWORD_FILE);
    let address = address_of(&doors.native, config.listen)?;
    let jsonl = doors.lines.as_ref().zip(config.jsonl);
    let jsonl = jsonl.map(|(listener, wanted)| address_of(listener, wanted));
    #[cfg(feature = "planted-bugs")]
    let mut engine = engine;
    #[cfg(feature = "planted-bugs")]
    let log = crate::tamper::plant(config, &mut engine, log);
    let (writer, synced) = Writer::spawn(log, Arc::clone(stats), end_process)
        .map_err(|error| ServeError::System(error.to_string()))?;
    let write_pool = WritePool::default();
    let delivery = write_pool.done();
    let parts = HubParts {
        engine,
        reader,
        connections_max: config.connections_max,
        timeouts: config.timeouts,
        flags: flags(config),
        #[cfg(feature = "planted-bugs")]
        planted_bug: config.planted_bug,
    };
    let hub = Hub::new(parts, write_pool);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let authenticator = Authenticator::new(secret, cores);
    let hashers = Hashers::spawn(cores, config.password_cost)
        .map_err(|error| ServeError::System(error.to_string()))?;
    let open_reader = reader_opener(config);
    let ready = Ready {
        address,
        jsonl: jsonl.transpose()?,
        http: None,
        data_dir: config.data_dir.clone(),
        recovered,
        recovered_from,
        recovered_in,
        admin_password_file,
        warnings,
    };
    let stats = Arc::clone(stats);
    let shell = TcpServer::new(TcpParts {
        hub,
        writer,
        delivery,
        authenticator,
        hashers,
        clock: Rc::new(time),
        open_reader,
        stats,
    });
    Ok((shell, synced, ready))
}

/// Opens views of the log for work that takes long.
fn reader_opener(config: &ServerConfig) -> Box<OpenReader> {
    let data_dir = config.data_dir.clone();
    Box::new(move || {
        let reader = SqliteReader::open(&data_dir)?;
        Ok(Box::new(reader) as Box<dyn LogReader>)
    })
}

/// What a welcome tells.
const fn flags(config: &ServerConfig) -> WelcomeFlags {
    let flags = match config.durability {
        Durability::Full => WelcomeFlags::DURABLE,
        Durability::Normal | Durability::None => WelcomeFlags(0),
    };
    #[cfg(feature = "planted-bugs")]
    let flags = crate::tamper::flags(config, flags);
    flags
}

/// What is durable before anybody is let in: what every fresh log begins with, somebody who may grant
/// roles and the default agenda; and that whoever is `lost` is erased again. Returns what a person
/// should know.
fn prepare(
    engine: &mut Engine,
    log: &mut dyn EventLog,
    secret: &Secret,
    (disk, config): (&dyn Disk, &ServerConfig),
    (lost, now): (&[UserId], u64),
) -> Result<Vec<String>, ServeError> {
    let is_fresh = engine.decided().seq == Seq::START;
    let mut told = Vec::new();
    if !admin::is_there_beside(engine, lost) {
        let name = admin::make(engine, secret, (disk, config), now)?;
        if !is_fresh {
            told.push(admin::told(&name, config));
        }
    }
    if is_fresh {
        let open = protocol::words::agenda::Command::from(default_agenda());
        engine.submit_own(now, &OwnedCommand::new(&open));
    }
    told.extend(log.loss().and_then(|loss| reerase::told(lost, loss.after)));
    reerase::erase_again(engine, log, lost, now)?;
    Ok(told)
}

/// Serves until told to stop, then finishes what was taken.
async fn run(
    config: &ServerConfig,
    shell: TcpServer,
    synced: tokio::sync::mpsc::Receiver<Synced>,
    doors: Doors,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let keeper = keep_snapshots(config)?;
    let shell = Rc::new(shell);
    let accepting = task::spawn_local(Rc::clone(&shell).accept(doors.native, Dialect::Native));
    let speech = Dialect::Lines(LineOptions {
        seed: random()?,
        language: config.classic_language,
    });
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
    shell.close()?;
    releases.abort();
    Ok(())
}

/// The thread that makes snapshots, unless none are wanted.
fn keep_snapshots(config: &ServerConfig) -> Result<Option<SnapshotThread>, ServeError> {
    if config.snapshot_every == 0 {
        return Ok(None);
    }
    SnapshotThread::spawn(&config.data_dir, config.snapshot_every)
        .map(Some)
        .map_err(|error| ServeError::System(error.to_string()))
}

/// A snapshot of the state at the end. What the log gives must be what was served, and the log has
/// all of it already: without the snapshot the next start takes longer.
fn keep_last(config: &ServerConfig, shell: &TcpServer) {
    if config.snapshot_every == 0 {
        return;
    }
    let made = make(&SnapshotRequest {
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
    use crate::log::watermark::MarkRead;
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

pub(crate) fn random<const N: usize>() -> Result<[u8; N], ServeError> {
    let mut bytes = [0; N];
    rand::rngs::SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|error| ServeError::System(error.to_string()))?;
    Ok(bytes)
}

/// How the process ends when a batch cannot be made durable.
pub(crate) const EXIT_NOT_DURABLE: i32 = 1;

#[expect(
    clippy::exit,
    reason = "nothing may be acknowledged any more, whatever other threads are about to do"
)]
/// Says why and ends the process.
pub fn end_process(error: &LogError, batch: &Batch) -> ! {
    let first = batch.row(0).record.seq;
    let records = batch.len();
    // Nobody can be told if the standard error is closed.
    let _unheard = writeln!(
        io::stderr(),
        "stampede: {error}\nstampede: seq {first} could not be made durable ({records} records were on their way and are not acknowledged); the server ends"
    );
    // No abort: what the kernel would keep of this process holds the keys of people.
    std::process::exit(EXIT_NOT_DURABLE);
}
