//! How fast a message reaches ten thousand people, and what that costs everybody else.
//!
//! Server, sender and all receivers share this machine and its loopback; the server runs in a
//! process of its own. Every receiver checks that the room's entries come in order, each once. A
//! lone message stands beside its bound, measured in the same minute: one write a connection from a
//! plain loop on every processor, with the same receivers. `cargo bench --bench fan_out`. Deliberately
//! absent: a verdict; the targets printed are the design's. Machines differ.

mod crowd;
mod stage;

use std::{
    io::{self, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use protocol::{
    Key, Outcome,
    message::{Reply, Request},
    words::chat::{Command, CreateRoom, Send, Target},
};

use crowd::Crowd;
use stage::Process;

/// Members of the room.
const CROWD: u32 = 10_000;
/// Messages of which each waits until everybody has the one before.
const LONE: u32 = 40;
/// Messages answered while nobody is told.
const ALONE: u32 = 1_000;
/// Messages that everybody missed before they all come back.
const MISSED: u32 = 100;
/// How long the sustained traffic lasts.
const SUSTAINED: Duration = Duration::from_secs(5);
/// Senders of the sustained traffic.
const SENDERS: u32 = 4;
/// Messages that may be on their way to the crowd under sustained traffic.
const WINDOW: u64 = 64;

/// Bytes of a push of such a message, a few more or less: what the bound writes.
const PUSH_BYTES: usize = 84 + TEXT.len();
const TEXT: &str = "What a crowd! I can see you all from up here, wave if you can read this.";

fn main() -> Result<()> {
    if stage::play_role()? {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "one room, {CROWD} members, all connected; texts of {} bytes\n",
        TEXT.len()
    )?;
    let bound_before = bound(PUSH_BYTES)?;
    let dir = tempfile::tempdir()?;
    let room = stage::prepare(dir.path(), CROWD)?;
    let server = Process::start("serve", dir.path())?;
    let mut sender = Sender::new(server.address, SENDERS, Target::Conversation(room))?;
    let alone = Latencies::of(ALONE, || sender.send())?;
    let newest = sender.newest;
    let before = server.resident_bytes()?;
    let mut crowd = Crowd::subscribed(server.address, CROWD, newest)?;
    let after = server.resident_bytes()?;
    let each = (after - before) / u64::from(CROWD);
    let lone = lone(&mut crowd, &mut sender, &server)?;
    let sustained = sustained(&mut crowd, server.address, room)?;
    let peak = server.resident_bytes()?;
    drop(crowd);
    let missed_from = sender.newest_now()?;
    for _missed in 0..MISSED {
        sender.send()?;
    }
    drop(sender);
    server.stop()?;
    let storm = storm(dir.path(), missed_from)?;
    let after_it = bound(PUSH_BYTES)?;
    let bound_a_second = f64::midpoint(
        bound_before.deliveries_a_second,
        after_it.deliveries_a_second,
    );
    let bound_us = f64::midpoint(bound_before.processor_us, after_it.processor_us);
    let share = 100.0 * lone.deliveries_a_second / bound_a_second;
    writeln!(
        out,
        "bound: one bare write a connection   {bound_a_second:>12.0} deliveries/s   {bound_us:.2} us of its processor each
lone messages                        {:>12.0} deliveries/s   {:.2} us of the server's; {share:.0} % of the bound; target 150,000
sustained, {WINDOW} messages on their way    {:>12.0} deliveries/s   {:.0} messages/s; target 1,000,000
answer to a sender, nobody told      {}
answer to a sender, lone messages    {}
answer to others, sustained traffic  {}
everybody back, {MISSED} messages missed  {:>12.2} s              {:.0} deliveries/s, connecting included
memory an idle connection            {each:>12} bytes          target 4,096
memory of the server                 {:>12} MiB idle, {} MiB after the traffic",
        lone.deliveries_a_second,
        lone.processor_us,
        sustained.deliveries_a_second,
        sustained.deliveries_a_second / f64::from(CROWD),
        alone.render(),
        lone.answers.render(),
        sustained.answers.render(),
        storm.as_secs_f64(),
        f64::from(CROWD) * f64::from(MISSED) / storm.as_secs_f64(),
        after >> 20,
        peak >> 20,
    )?;
    Ok(())
}

struct Figures {
    deliveries_a_second: f64,
    /// The writing process's processor time for each delivery of lone messages.
    processor_us: f64,
    answers: Latencies,
}

fn each_us(seconds: f64) -> f64 {
    1e6 * seconds / (f64::from(CROWD) * f64::from(LONE))
}

/// A plain loop on every processor that writes `frame_bytes` to every connection.
fn bound(frame_bytes: usize) -> Result<Figures> {
    let dir = tempfile::tempdir()?;
    let mut process = Process::start("bound", dir.path())?;
    let mut input = process.input.take().context("it was piped")?;
    writeln!(input, "{CROWD}")?;
    let mut crowd = Crowd::bare(process.address, CROWD)?;
    let received = AtomicU64::new(0);
    let used = process.processor_seconds()?;
    let start = now();
    for round in 1..=u64::from(LONE) {
        writeln!(input, "{frame_bytes}")?;
        crowd.read_until(&received, round * u64::from(CROWD))?;
    }
    let spent = start.elapsed();
    let processor_us = each_us(process.processor_seconds()? - used);
    drop(input);
    process.stop()?;
    Ok(Figures {
        deliveries_a_second: f64::from(CROWD) * f64::from(LONE) / spent.as_secs_f64(),
        processor_us,
        answers: Latencies::default(),
    })
}

/// Each message waits until everybody has the one before.
fn lone(crowd: &mut Crowd, sender: &mut Sender, server: &Process) -> Result<Figures> {
    let received = AtomicU64::new(0);
    let used = server.processor_seconds()?;
    let mut answers = Latencies::default();
    let start = now();
    thread::scope(|scope| {
        let sending = scope.spawn(|| -> Result<()> {
            for round in 1..=u64::from(LONE) {
                answers.0.push(sender.send()?);
                while received.load(Ordering::Relaxed) < round * u64::from(CROWD) {
                    pause();
                }
            }
            Ok(())
        });
        crowd.read_until(&received, u64::from(LONE) * u64::from(CROWD))?;
        sending.join().expect("the sender does not panic")
    })?;
    let spent = start.elapsed();
    Ok(Figures {
        deliveries_a_second: f64::from(CROWD) * f64::from(LONE) / spent.as_secs_f64(),
        processor_us: each_us(server.processor_seconds()? - used),
        answers,
    })
}

/// A server that has just started, and everybody who comes back at once to hear what they missed.
fn storm(data_dir: &Path, from: u64) -> Result<Duration> {
    let server = Process::start("serve", data_dir)?;
    let received = AtomicU64::new(0);
    let start = now();
    let mut crowd = Crowd::subscribed(server.address, CROWD, from)?;
    crowd.read_until(&received, u64::from(MISSED) * u64::from(CROWD))?;
    let spent = start.elapsed();
    drop(crowd);
    server.stop()?;
    Ok(spent)
}

/// Senders who keep as many messages on their way as the window allows, and somebody else who
/// counts how long their own answers take.
fn sustained(crowd: &mut Crowd, address: SocketAddr, room: u64) -> Result<Figures> {
    let shared = Arc::new(Shared::default());
    let mut threads = Vec::new();
    for nth in 0..SENDERS {
        let mut sender = Sender::new(address, nth, Target::Conversation(room))?;
        let shared = Arc::clone(&shared);
        threads.push(thread::spawn(move || shared.send_on(&mut sender)));
    }
    let mut other = Sender::outsider(address)?;
    let observer = Arc::clone(&shared);
    let observing = thread::spawn(move || observer.observe(&mut other));
    let start = now();
    while start.elapsed() < SUSTAINED {
        crowd.turn(&shared.received)?;
    }
    let (spent, received) = (start.elapsed(), shared.received.load(Ordering::Relaxed));
    shared.is_over.store(true, Ordering::Relaxed);
    for sending in threads {
        sending.join().expect("a sender does not panic")?;
    }
    let answers = observing.join().expect("the observer does not panic")?;
    let sent = shared.sent.load(Ordering::Relaxed);
    crowd.read_until(&shared.received, sent * u64::from(CROWD))?;
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    Ok(Figures {
        deliveries_a_second: received as f64 / spent.as_secs_f64(),
        processor_us: f64::NAN,
        answers,
    })
}

/// What the threads of the sustained traffic share.
#[derive(Default)]
struct Shared {
    sent: AtomicU64,
    received: AtomicU64,
    is_over: AtomicBool,
}

impl Shared {
    fn send_on(&self, sender: &mut Sender) -> Result<()> {
        while !self.is_over.load(Ordering::Relaxed) {
            let arrived = self.received.load(Ordering::Relaxed) / u64::from(CROWD);
            if self.sent.load(Ordering::Relaxed) < arrived + WINDOW {
                self.sent.fetch_add(1, Ordering::Relaxed);
                sender.send()?;
            } else {
                pause();
            }
        }
        Ok(())
    }

    fn observe(&self, sender: &mut Sender) -> Result<Latencies> {
        let mut latencies = Latencies::default();
        while !self.is_over.load(Ordering::Relaxed) {
            latencies.0.push(sender.send()?);
            pause();
        }
        Ok(latencies)
    }
}

/// Somebody who says something and waits for the answer.
struct Sender {
    stream: TcpStream,
    to: Target,
    serial: u64,
    /// Where its last command stands.
    newest: u64,
}

impl Sender {
    fn new(address: SocketAddr, nth: u32, to: Target) -> Result<Self> {
        Ok(Self {
            stream: crowd::resume(address, nth)?,
            to,
            serial: u64::from(nth + 1) << 32,
            newest: 0,
        })
    }

    /// Somebody with a room of their own.
    fn outsider(address: SocketAddr) -> Result<Self> {
        let mut outsider = Self::new(address, CROWD + 1, Target::Public)?;
        let name = "quiet".to_owned();
        let room = outsider.command(&CreateRoom { name }.into())?;
        outsider.to = Target::Conversation(room);
        Ok(outsider)
    }

    /// Sends a message; returns how long its answer took.
    fn send(&mut self) -> Result<Duration> {
        let text = TEXT.into();
        let command = Send { to: self.to, text }.into();
        let start = now();
        self.newest = self.command(&command)?;
        Ok(start.elapsed())
    }

    /// The newest position there is.
    fn newest_now(&mut self) -> Result<u64> {
        self.send()?;
        Ok(self.newest)
    }

    fn command(&mut self, command: &Command) -> Result<u64> {
        self.serial += 1;
        let mut key = Key::default();
        key.0[..8].copy_from_slice(&self.serial.to_le_bytes());
        let ((kind, schema), mut body) = (command.kind(), Vec::new());
        command.encode(&mut body);
        let mut out = Vec::new();
        Request::Command {
            correlation: self.serial,
            key,
            kind,
            schema,
            body: &body,
        }
        .encode(&mut out);
        self.stream.write_all(&out)?;
        let frame = crowd::hear(&mut self.stream)?;
        let Reply::Answer { seq, outcome, .. } = Reply::decode(&frame)? else {
            anyhow::bail!("something else than an answer");
        };
        ensure!(Outcome::decode(outcome)?.is_accepted(), "refused");
        Ok(seq.0)
    }
}

#[derive(Default)]
struct Latencies(Vec<Duration>);

impl Latencies {
    fn of(count: u32, mut act: impl FnMut() -> Result<Duration>) -> Result<Self> {
        (0..count).map(|_| act()).collect::<Result<_>>().map(Self)
    }

    fn render(&self) -> String {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = |percent: usize| {
            let place = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
            let latency = sorted.get(place).copied().unwrap_or_default();
            format!("{:.2} ms", latency.as_secs_f64() * 1e3)
        };
        format!(
            "p50 {:>9}, p99 {:>9}   ({} answers)",
            at(50),
            at(99),
            sorted.len()
        )
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

/// Lets the others have the processor for a moment.
#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark's threads share two cores"
)]
fn pause() {
    thread::sleep(Duration::from_micros(200));
}
