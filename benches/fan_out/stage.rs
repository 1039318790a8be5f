//! What fan-out is measured on: a log with a crowd in it, and processes that speak.
//!
//! The crowd is put into the log directly, as the server would have decided it: registering ten
//! thousand people over the wire would measure hashing. The server and the bare bound run in
//! processes of their own, because one process may open only so many descriptors; they are this
//! program, told by its environment what to be. Deliberately absent: what is measured.

use std::{
    env,
    ffi::OsStr,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use anyhow::{Context, Result, ensure};
use protocol::{
    Key, Roles, UserId,
    words::{
        accounts::{self, Token},
        chat,
    },
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use server::{
    ServerConfig,
    clock::wall_ms,
    domain::systems::{CommandBytes, OwnedCommand, Source},
    engine::{Ask, Engine},
    health::Progress,
    log::{self, Durability, EventLog, SqliteLog, SqliteOptions},
    passwords::{self, PasswordCost},
    recover::recover,
    session::SessionTimeouts,
    snapshot::Snapshots,
};

/// What a process is to be, in its environment.
pub(crate) const ROLE: &str = "FAN_OUT_ROLE";
/// What it needs for that: a server its data directory.
pub(crate) const ARGUMENT: &str = "FAN_OUT_ARGUMENT";

/// People beside the crowd, who are in no room.
pub(crate) const OUTSIDERS: u32 = 2;

/// The token of everybody: for a benchmark that ends with its log.
pub(crate) fn token(nth: u32) -> Token {
    let mut bytes = [7; 32];
    bytes[..4].copy_from_slice(&nth.to_le_bytes());
    Token(bytes)
}

/// Writes a log in which `crowd` people are logged in and members of a room; outsiders are only
/// logged in. Returns the room.
pub(crate) fn prepare(data_dir: &Path, crowd: u32) -> Result<u64> {
    let options = SqliteOptions {
        durability: Durability::None,
        accept_loss_after: None,
    };
    let mut log = SqliteLog::open(data_dir, options)?;
    // A log that is thrown away has no secrets.
    let mut engine = recover(&mut log, [7; 32], &Snapshots::none(), &Progress::default())?.engine;
    let mut scribe = Scribe {
        engine: &mut engine,
    };
    let admin = scribe.person("admin", u32::MAX)?;
    let promote = accounts::Command::from(accounts::SetRoles {
        user: admin,
        roles: Roles::ADMIN,
    });
    scribe
        .engine
        .submit_own(wall_ms(), &OwnedCommand::new(&promote));
    let name = "hall".to_owned();
    let create = chat::Command::from(chat::CreateRoom { name });
    let room = scribe.submit(admin, &OwnedCommand::new(&create))?;
    for nth in 0..crowd + OUTSIDERS {
        let user = scribe.person(&format!("user{nth}"), nth)?;
        if nth < crowd {
            let join = chat::Command::from(chat::JoinRoom { room });
            scribe.submit(user, &OwnedCommand::new(&join))?;
        }
        if nth % 1_000 == 0 {
            commit(&mut log, scribe.engine)?;
        }
    }
    commit(&mut log, &mut engine)?;
    Box::new(log).close()?;
    Ok(room)
}

struct Scribe<'a> {
    engine: &'a mut Engine,
}

impl Scribe<'_> {
    fn person(&mut self, name: &str, nth: u32) -> Result<UserId> {
        let register = accounts::Command::from(accounts::Register {
            name: name.into(),
            password_hash: "".into(),
        });
        let user = self.submit(UserId::NOBODY, &OwnedCommand::new(&register))?;
        let user = UserId(user);
        let log_in = accounts::Command::from(accounts::LogIn {
            verified: true,
            token_hash: passwords::token_hash(&token(nth)),
        });
        self.submit(user, &OwnedCommand::new(&log_in))?;
        Ok(user)
    }

    fn submit(&mut self, actor: UserId, command: &OwnedCommand) -> Result<u64> {
        let mut key = Key::default();
        let seq = self.engine.decided().seq.next().0;
        key.0[..8].copy_from_slice(&seq.to_le_bytes());
        let ask = Ask {
            origin: None,
            actor,
            key,
            command: CommandBytes {
                source: Source::Session,
                ..command.bytes()
            },
        };
        let submitted = self.engine.submit(wall_ms(), &ask);
        ensure!(submitted.is_ok(), "the batch is full");
        Ok(self.engine.decided().seq.0)
    }
}

fn commit(log: &mut SqliteLog, engine: &mut Engine) -> Result<()> {
    if let Some(batch) = engine.take_batch() {
        let proof = log::commit(log, &batch)?;
        let released = engine.handle_committed(&proof, batch);
        engine.recycle(released);
    }
    Ok(())
}

/// A process that serves, until its input ends.
pub(crate) struct Process {
    child: Child,
    pub(crate) input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts this program in another role.
    pub(crate) fn start(role: &str, argument: impl AsRef<OsStr>) -> Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .env(ROLE, role)
            .env(ARGUMENT, argument)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take();
        let output = child.stdout.take().context("it was piped")?;
        let mut output = BufReader::new(output);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let address = line
            .trim()
            .parse()
            .context("the process says where it is")?;
        Ok(Self {
            child,
            input,
            output,
            address,
        })
    }

    /// Resident memory, bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        Ok(kib
            .context("a running process has memory")?
            .trim()
            .parse::<u64>()?
            * 1_024)
    }

    /// Processor time it has used. Unlike the clock's, it is the same on a busy machine.
    pub(crate) fn processor_seconds(&self) -> Result<f64> {
        const TICKS_A_SECOND: f64 = 100.0;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_name, rest) = stat.rsplit_once(')').context("a process has a name")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks = |place: usize| -> Result<f64> {
            Ok(fields.get(place).context("a process has times")?.parse()?)
        };
        Ok((ticks(11)? + ticks(12)?) / TICKS_A_SECOND)
    }

    /// Ends it and waits.
    pub(crate) fn stop(mut self) -> Result<()> {
        drop(self.input.take());
        let mut rest = Vec::new();
        self.output.read_to_end(&mut rest)?;
        self.child.wait()?;
        Ok(())
    }
}

/// Whether this process was started in another role, which it has then played.
pub(crate) fn play_role() -> Result<bool> {
    raise_limit();
    match env::var(ROLE).as_deref() {
        Ok("serve") => serve()?,
        Ok("bound") => bound()?,
        Ok(_) | Err(_) => return Ok(false),
    }
    Ok(true)
}

fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let _as_many_as_there_were = setrlimit(Resource::Nofile, raised);
}

/// Says where it is: whoever started it waits for that.
pub(crate) fn tell(address: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{address}")?;
    out.flush()
}

fn serve() -> Result<()> {
    let config = ServerConfig {
        jsonl: None,
        classic_language: server::line::Language::default(),
        http: None,
        data_dir: env::var(ARGUMENT)?.into(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        durability: Durability::Full,
        accept_loss_after: None,
        trust_clock: false,
        new_secret: true,
        password_cost: PasswordCost::TEST,
        connections_max: 19_000,
        timeouts: SessionTimeouts::default(),
        snapshot_every: 0,
        #[cfg(feature = "planted-bugs")]
        planted_bug: None,
    };
    let (stop, stopped) = tokio::sync::oneshot::channel();
    thread::spawn(move || {
        let mut ignored = Vec::new();
        let _either_way = io::stdin().read_to_end(&mut ignored);
        let _gone_already = stop.send(());
    });
    let on_ready = |ready: &server::Ready| tell(ready.address).expect("somebody listens");
    server::serve(&config, on_ready, async {
        let _either_way = stopped.await;
    })?;
    Ok(())
}

/// Streams that the bare loop writes to between two turns of the readers.
const TURN_LEN: usize = 64;

/// What bounds a lone message: one write a connection, from a plain loop on every processor. A line of
/// input says how many connections there are, every other one how many bytes to write to each.
fn bound() -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    tell(listener.local_addr()?)?;
    let processors = thread::available_parallelism()?.get();
    let mut streams: Vec<TcpStream> = Vec::new();
    for line in io::stdin().lock().lines() {
        let number: usize = line?.trim().parse()?;
        if streams.is_empty() {
            for _ in 0..number {
                let (stream, _peer) = listener.accept()?;
                stream.set_nodelay(true)?;
                streams.push(stream);
            }
            continue;
        }
        let mut frame = vec![0; number];
        let len = u32::try_from(number - 4)?;
        frame[..4].copy_from_slice(&len.to_le_bytes());
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            let write = || write_shared(&streams, &next, &frame);
            let writing: Vec<_> = (0..processors).map(|_| scope.spawn(write)).collect();
            let mut written = writing.into_iter().map(thread::ScopedJoinHandle::join);
            written.try_for_each(|part| part.expect("writing does not panic"))
        })?;
    }
    Ok(())
}

/// Writes to those of the streams that nobody else took to write to, and lets the readers have a turn
/// between some and some, as the server does: loops that never yield make everybody slower.
fn write_shared(streams: &[TcpStream], next: &AtomicUsize, frame: &[u8]) -> io::Result<()> {
    let mut turns = streams.chunks(TURN_LEN);
    let mut taken = 0;
    loop {
        let nth = next.fetch_add(1, Ordering::Relaxed);
        let Some(turn) = turns.nth(nth - taken) else {
            return Ok(());
        };
        taken = nth + 1;
        for mut stream in turn {
            stream.write_all(frame)?;
        }
        thread::yield_now();
    }
}
