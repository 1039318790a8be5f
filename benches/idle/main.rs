//! What a hundred thousand people cost who are here and say nothing.
//!
//! Everybody has a session of their own, is subscribed, and is held by the client library. One
//! process may open only so many descriptors, so there are several servers, each with a log of its
//! own, and a process of clients for each; all of it on this machine's loopback. Memory is what
//! became resident between one connection and all of them, a connection. Takes a minute or two;
//! every process ends when this one does. `cargo bench --bench idle`. Deliberately absent: the
//! kernel's memory for sockets, and a verdict; the targets printed are the design's.

// The stage of the fan-out: a log with people in it, and processes that speak.
#[expect(dead_code, reason = "the fan-out measures processor time there too")]
#[path = "../fan_out/stage.rs"]
mod stage;

use std::{
    env, fs,
    future::poll_fn,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use client::{Conversation, Identity, Nanos, OnBusy, Options};
use loadgen::{
    clock::Clock,
    target::{Target, TcpTarget},
};
use stage::Process;
use tokio::sync::oneshot;

/// Servers, and processes of clients.
const SERVERS: u32 = 6;
/// Connections of each: with what else a process opens, below 20,000.
const CONNECTIONS: u32 = 16_700;
/// How long they are held before memory is read: everybody is told of nothing.
const HELD: Duration = Duration::from_secs(5);
/// How long all of a process's clients may take to be subscribed.
const ENTER_MAX: Nanos = 120_000_000_000;

fn main() -> Result<()> {
    if stage::play_role()? {
        return Ok(());
    }
    if env::var(stage::ROLE).as_deref() == Ok("hold") {
        return hold(&env::var(stage::ARGUMENT)?);
    }
    let scratch = tempfile::tempdir()?;
    let first = scratch.path().join("0");
    fs::create_dir(&first)?;
    stage::prepare(&first, CONNECTIONS)?;
    let mut halls = Vec::new();
    for number in 1..SERVERS {
        let copied = scratch.path().join(number.to_string());
        copy(&first, &copied)?;
    }
    for number in 0..SERVERS {
        halls.push(Hall::open(&scratch.path().join(number.to_string()))?);
    }
    let mut out = io::stdout().lock();
    let clock = Clock::start();
    for hall in &mut halls {
        hall.fill()?;
    }
    let held = SERVERS * CONNECTIONS;
    writeln!(
        out,
        "{held} connections logged in and subscribed, by {SERVERS} servers and as many processes \
         of clients, in {:.1} s",
        Duration::from_nanos(clock.now()).as_secs_f64()
    )?;
    hold_still();
    report(&mut out, &halls)?;
    halls.into_iter().try_for_each(Hall::close)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark waits for as long as it says"
)]
fn hold_still() {
    thread::sleep(HELD);
}

fn report(out: &mut impl Write, halls: &[Hall]) -> Result<()> {
    let (mut server, mut both) = (0, 0);
    for hall in halls {
        let (served, held) = hall.grown()?;
        server += served;
        both += served + held;
    }
    let connections = u64::from(SERVERS * (CONNECTIONS - 1));
    writeln!(
        out,
        "memory a connection: server {} bytes (target 4,096), server and client {} bytes (target \
         20,480)",
        server / connections,
        both / connections
    )?;
    Ok(())
}

/// A server and those who are connected to it.
struct Hall {
    server: Process,
    clients: Option<Process>,
    /// Resident bytes of the server and of a process of clients, with one connection.
    empty: (u64, u64),
}

impl Hall {
    /// Starts a server, and measures it with one connection.
    fn open(data_dir: &Path) -> Result<Self> {
        let server = Process::start("serve", data_dir)?;
        let one = Process::start("hold", format!("{} 1", server.address))?;
        let empty = (server.resident_bytes()?, one.resident_bytes()?);
        one.stop()?;
        Ok(Self {
            server,
            clients: None,
            empty,
        })
    }

    /// Connects everybody, and waits until they are subscribed.
    fn fill(&mut self) -> Result<()> {
        let argument = format!("{} {CONNECTIONS}", self.server.address);
        self.clients = Some(Process::start("hold", argument)?);
        Ok(())
    }

    /// What the server and the clients took since.
    fn grown(&self) -> Result<(u64, u64)> {
        let clients = self.clients.as_ref().context("they were connected")?;
        let server = self.server.resident_bytes()?.saturating_sub(self.empty.0);
        let held = clients.resident_bytes()?.saturating_sub(self.empty.1);
        Ok((server, held))
    }

    fn close(self) -> Result<()> {
        self.clients.map_or(Ok(()), Process::stop)?;
        self.server.stop()
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Holds as many connections as it is told, until its input ends.
fn hold(argument: &str) -> Result<()> {
    let (address, count) = argument.split_once(' ').context("an address, a count")?;
    let (address, count): (SocketAddr, u32) = (address.parse()?, count.parse()?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (stop, mut stopped) = oneshot::channel();
    thread::spawn(move || {
        let mut ignored = Vec::new();
        let _either_way = io::stdin().read_to_end(&mut ignored);
        let _gone_already = stop.send(());
    });
    runtime.block_on(async {
        let mut held = Held::connect(address, count)?;
        while held.open < count {
            ensure!(
                held.clock.now() < ENTER_MAX,
                "{} of {count} entered",
                held.open
            );
            held.turn().await?;
        }
        stage::tell(address)?;
        loop {
            tokio::select! {
                _over = &mut stopped => return Ok(()),
                turned = held.turn() => turned?,
            }
        }
    })
}

/// Connections and their conversations.
struct Held {
    clock: Clock,
    target: TcpTarget,
    talks: Vec<Conversation<()>>,
    open: u32,
    ready: Vec<u32>,
    input: Vec<u8>,
}

impl Held {
    fn connect(address: SocketAddr, count: u32) -> Result<Self> {
        let clock = Clock::start();
        let (mut links, mut talks) = (Vec::new(), Vec::new());
        for nth in 0..count {
            // Hello at once: a server does not wait long for it.
            let (mut link, mut talk) = (TcpStream::connect(address)?, enter(nth));
            talk.handle_connected(clock.now());
            link.write_all(talk.poll_transmit())?;
            talk.poll_transmit().clear();
            links.push(link);
            talks.push(talk);
        }
        Ok(Self {
            clock,
            target: TcpTarget::new(links)?,
            talks,
            open: 0,
            ready: Vec::new(),
            input: vec![0; 64 * 1_024],
        })
    }

    fn write(&mut self, link: u32) -> Result<()> {
        let index = usize::try_from(link)?;
        let out = self.talks[index].poll_transmit();
        self.target.transmit(link, out)?;
        Ok(())
    }

    /// Waits for connections that have something, and hears it.
    async fn turn(&mut self) -> Result<()> {
        let (target, mut ready) = (&mut self.target, std::mem::take(&mut self.ready));
        poll_fn(|context| target.poll_ready(context, &mut ready)).await?;
        for link in ready.drain(..) {
            self.hear(link)?;
            self.write(link)?;
        }
        self.ready = ready;
        Ok(())
    }

    fn hear(&mut self, link: u32) -> Result<()> {
        let count = self.target.receive(link, &mut self.input)?;
        let now = self.clock.now();
        let index = usize::try_from(link)?;
        let (talk, mut input) = (&mut self.talks[index], &self.input[..count]);
        let was_open = talk.is_open();
        while talk.handle_bytes(&mut input, now)?.is_some() {}
        ensure!(input.is_empty(), "answers of entering are whole");
        self.open += u32::from(!was_open && talk.is_open());
        Ok(())
    }
}

/// The conversation of the n-th of the crowd.
fn enter(nth: u32) -> Conversation<()> {
    let mut talk = Conversation::new(Options {
        identity: Identity::Resume(stage::token(nth)),
        cursor: None,
        seed: nth.into(),
        on_busy: OnBusy::Retry,
    });
    assert!(talk.poll_connect(0), "it wants a connection at once");
    talk
}
