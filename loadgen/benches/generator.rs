//! The generator alone: operations for each second of its processor time.
//!
//! Against the null target everything but sockets is exercised. Against a minimal responder in a
//! thread of its own, 64 connections with one call in flight each show what sockets cost; only the
//! generator's thread is counted. What the history alone costs stands last. About ten seconds;
//! prints lines, and is no criterion benchmark because processor time is what is measured, not
//! wall time.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::{
    borrow::Cow,
    collections::BTreeSet,
    hint::black_box,
    io,
    net::{TcpListener, TcpStream},
    path::Path,
    rc::Rc,
    thread,
};

use client::Session;
use loadgen::{
    client::Client,
    clock::{Clock, thread_cpu, wall_ms},
    driver::{DriveOptions, Driven, drive},
    history::{Event, HistoryHead, HistoryReader, HistoryWriter, Recording},
    id_map::IdMap,
    operation::{
        Answer, Call, KeyMint, LinkChange, Nanos, News, Observed, Observer, Operation, Outcome,
        Push, ShownEntry, Slot, Words,
    },
    plan::{Plan, PlanOptions},
    scenario::Scenario,
    target::{NullTarget, Target, TcpTarget},
};
use protocol::{
    ChainHash, Code, Seq, UserId, frame,
    limits::REQUEST_BYTES_MAX,
    message::{Reply, Request},
    outcome,
    words::{
        accounts::Token,
        agenda::SlotView,
        presence::{self, Signal},
    },
};

/// Connections of the comparison with other generators: few and busy, and as many as 20,000
/// descriptors hold with both ends in this process.
const FEW: u32 = 64;
const MANY: u32 = 8_000;
/// Whose the connections are: nobody checks.
const SESSION: Session = Session {
    user: UserId(2),
    session: 3,
    token: Token([4; 32]),
    cursor: Seq(0),
};
/// Operations of the history alone.
const KEPT: u32 = 1_000_000;

/// Nobody looks: the laws are measured with the laws.
struct Nobody {
    shown: u64,
}

impl Observer for Nobody {
    fn handle_invoke(&mut self, _client: u32, _counter: u32, _call: &Call, _now: Nanos) -> u64 {
        self.shown
    }

    fn handle_complete(&mut self, operation: &Operation, _observed: &Observed) {
        self.shown = self.shown.max(operation.seq);
    }

    fn handle_duplicate(&mut self, _first: &Operation, _second: &Operation) {}

    fn handle_answer(&mut self, _operation: &Operation, _answer: &Answer) {}
    fn handle_reused(&mut self, _first: &Operation, _outcome: Outcome) {}

    fn handle_push(&mut self, _: u32, _: (u64, ChainHash), _: &Push, _now: Nanos) {}
    fn handle_signal(&mut self, _client: u32, _signal: &Signal, _now: Nanos) {}
    fn handle_fault(&mut self, _now: Nanos) {}
    fn handle_drained(&mut self, _client: u32, _seq: u64, _is_settled: bool) {}
    fn handle_news(&mut self, _client: u32, _news: &News, _now: Nanos) {}

    fn handle_link(&mut self, _client: u32, _change: LinkChange, _now: Nanos) {}
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        for in_flight in [1, 16] {
            let mut null = NullTarget::new(64);
            measure("null target", (FEW, in_flight), &mut null).await;
        }
        for (connections, in_flight) in [(FEW, 1), (FEW, 16), (MANY, 1)] {
            let mut tcp = TcpTarget::new(connect(connections)).expect("an epoll");
            measure("tcp", (connections, in_flight), &mut tcp).await;
        }
    });
    keep_and_read();
}

async fn measure(name: &str, load: (u32, u32), target: &mut impl Target) {
    let plan = plan(load);
    let secret = [7; 32];
    let world = Rc::new(IdMap {
        agendas: (1..=20).collect(),
        first_day: 20_000,
        ..IdMap::default()
    });
    let client = |id| Client::new(id, KeyMint::new(secret), Rc::clone(&world), SESSION);
    let clients = (0..load.0).map(client).collect();
    let directory = tempfile::tempdir().expect("a directory");
    let head = HistoryHead {
        secret,
        started_at: wall_ms(),
        capacity: 1,
        began_at: 7,
    };
    let history = HistoryWriter::create(&directory.path().join("history.bin"), &head);
    let mut nobody = Nobody { shown: 0 };
    let mut watch = Recording::new(&mut nobody, history.expect("a history"));
    let options = DriveOptions::new(Clock::start());
    let cpu = thread_cpu();
    let driven = drive(&plan, clients, target, &mut watch, options).await;
    let cpu = thread_cpu() - cpu;
    let history = watch.into_history().expect("all was kept");
    let bytes = history.finish().expect("it was kept");
    print(name, load, (cpu, bytes), &driven.expect("driven"));
}

fn print(
    name: &str,
    (connections, in_flight): (u32, u32),
    (cpu, history_bytes): (u64, u64),
    driven: &Driven,
) {
    let phase = driven.phases.first().expect("a phase");
    let sent = phase.conservation.sent;
    let per_second = u128::from(sent) * 1_000_000_000 / u128::from(cpu.max(1));
    let service = &phase.operations["reserve"].service.quantiles;
    println!(
        "{name}, {connections} connections, {in_flight} in flight each: {per_second} operations \
         per CPU-second ({:.0}/s, service p50 {} us p99 {} us; process at most {} MiB so far; \
         history {} bytes an operation)",
        phase.achieved_rate,
        service.p50 / 1_000,
        service.p99.unwrap_or(0) / 1_000,
        driven.generator.memory_bytes_max >> 20,
        history_bytes / sent.max(1),
    );
}

/// The history alone: written to nowhere, written to memory, read from there.
fn keep_and_read() {
    let race: Vec<Event<'_>> = (0..KEPT).flat_map(raced).collect();
    keep_and_read_of(
        "an operation of a race for bookings, asked and answered",
        &race,
    );
    let pushes: Vec<Event<'_>> = (0..KEPT).map(pushed).collect();
    keep_and_read_of("a message pushed to one of a hundred", &pushes);
    let reads: Vec<Event<'_>> = (0..KEPT / 10).flat_map(listed).collect();
    keep_and_read_of("a day of 24 slots, asked for and shown", &reads);
}

fn keep_and_read_of(what: &str, events: &[Event<'_>]) {
    let keep = |out: &mut dyn io::Write| {
        let head = HistoryHead {
            secret: [7; 32],
            started_at: 1,
            capacity: 1,
            began_at: 7,
        };
        let mut history = HistoryWriter::new(out, &head).expect("a history");
        for event in events {
            history.append(black_box(event)).expect("kept");
        }
        history.finish().expect("kept")
    };
    let cpu = thread_cpu();
    let bytes = keep(&mut io::sink());
    let keep_cpu = thread_cpu() - cpu;
    let mut memory = Vec::new();
    keep(&mut memory);
    let cpu = thread_cpu();
    let history = HistoryReader::new(memory.as_slice(), Path::new("memory")).expect("a history");
    let read = history.filter(|event| event.is_ok()).count();
    let read_cpu = thread_cpu() - cpu;
    assert_eq!(read, events.len(), "what was kept is read");
    let is_call = |event: &&Event<'_>| matches!(event, Event::Invoked { .. });
    let calls = events.iter().filter(is_call).count();
    let each = u64::try_from(events.len() - calls).expect("few");
    println!(
        "history alone, {what}: {} ns of processor time to keep, {} ns to read, {} bytes",
        keep_cpu / each,
        read_cpu / each,
        bytes / each,
    );
}

/// An operation asked and answered.
fn raced(number: u32) -> [Event<'static>; 2] {
    asked_and_answered(kept(number), Observed::Nothing)
}

fn listed(number: u32) -> [Event<'static>; 2] {
    let view = SlotView {
        held: 1,
        waiting: 0,
        mine: 0,
        past: false,
    };
    let operation = Operation {
        outcome: Outcome::Ok,
        ..kept(number)
    };
    asked_and_answered(operation, Observed::Slots(vec![view; 24]))
}

fn asked_and_answered(operation: Operation, observed: Observed) -> [Event<'static>; 2] {
    let invoked = Event::Invoked {
        client: operation.client,
        counter: operation.counter,
        call: operation.call,
        at: operation.sent_at,
    };
    let observed = Cow::Owned(observed);
    let completed = Event::Completed {
        operation,
        observed,
    };
    [invoked, completed]
}

/// A message reaches a hundred people, one after the other.
fn pushed(number: u32) -> Event<'static> {
    let (message, client) = (number / 100, number % 100);
    let seq = 2_000 + u64::from(message);
    let mut hash = ChainHash::START;
    hash.0[..4].copy_from_slice(&message.to_le_bytes());
    let entry = ShownEntry {
        conversation: 1_000,
        index: u64::from(message),
        seq,
        author: UserId(7),
        key: KeyMint::new([7; 32]).mint(client, message),
        text: Some(Words::Right),
    };
    Event::Pushed {
        client,
        seq,
        hash,
        push: Cow::Owned(Push::Entry(entry)),
        at: u64::from(number) * 1_000,
    }
}

/// The `number`-th operation of a race of 2,000 people at 20,000 a second: reserved, refused or
/// given back within some milliseconds.
fn kept(number: u32) -> Operation {
    let noise = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let slot = Slot((2_001 + (noise >> 60)) << 32 | 20_000 << 12 | noise >> 56 & 0xf);
    let seq = 2_100 + u64::from(number) + (noise >> 32 & 0x3f);
    let booking = seq.saturating_sub(3_000);
    let completed_at = u64::from(number) * 50_000 + (noise >> 24 & 0xfff);
    let sent_at = completed_at.saturating_sub(1_000_000 + (noise >> 40 & 0x3f_ffff));
    Operation {
        client: number.wrapping_mul(1_237) % 2_000,
        counter: number / 2_000,
        call: match noise >> 48 & 3 {
            0 => Call::Cancel { booking, slot },
            _reserve => Call::Reserve { slot },
        },
        intended_at: sent_at.saturating_sub(noise >> 16 & 0xffff),
        sent_at,
        completed_at,
        floor: seq.saturating_sub(40 + (noise >> 50 & 0xff)),
        outcome: match noise >> 48 & 3 {
            0 | 1 => Outcome::Ok,
            _sold_out => Outcome::Refused(Code(0x0203)),
        },
        seq,
        hash: hash_of(noise),
        attempts: 1,
    }
}

fn hash_of(noise: u64) -> ChainHash {
    let mut hash = ChainHash::START;
    for (part, turn) in hash.0.chunks_exact_mut(8).zip([0, 13, 31, 47]) {
        part.copy_from_slice(&noise.rotate_left(turn).to_le_bytes());
    }
    hash
}

fn plan((connections, in_flight): (u32, u32)) -> Plan {
    let text = format!(
        r#"
name = "generator"
[world]
users = {connections}
agendas = 20
days = 5
slots = 16
[[phase]]
name = "only"
duration = "2s"
load = [{{ flow = "book", clients = {connections}, in_flight = {in_flight} }}]
[flow.book]
steps = [{{ reserve = {{ agenda = "zipf(1.1)", day = "uniform", slot = "uniform" }} }}]
"#
    );
    let scenario = Scenario::parse("generator.toml", &text).expect("a scenario");
    Plan::new(&scenario, &PlanOptions::default()).expect("a plan")
}

/// Connections to a responder that answers every command at once.
fn connect(connections: u32) -> Vec<TcpStream> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let connect = |_number| {
        let near = TcpStream::connect(address).expect("connected");
        near.set_nodelay(true).expect("nodelay");
        let (far, _address) = listener.accept().expect("accepted");
        far.set_nodelay(true).expect("nodelay");
        (near, far)
    };
    let (near, far): (Vec<_>, Vec<_>) = (0..connections).map(connect).unzip();
    thread::spawn(move || respond(far));
    near
}

/// Answers until everybody has hung up, on the same wait as the generator: a target of links.
fn respond(streams: Vec<TcpStream>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut links = TcpTarget::new(streams).expect("an epoll");
        let (mut ready, mut input, mut output) = (Vec::new(), vec![0; 65_536], Vec::new());
        let mut seq = 0;
        // Who hangs up is named twice.
        let mut gone = BTreeSet::new();
        while gone.len() < links.links() {
            let wait = std::future::poll_fn(|context| links.poll_ready(context, &mut ready));
            wait.await.expect("links");
            for link in ready.drain(..) {
                match links.receive(link, &mut input) {
                    Ok(count) => answer(&input[..count], &mut seq, &mut output),
                    Err(_hung_up) => _ = gone.insert(link),
                }
                if !output.is_empty() {
                    let _hung_up = links.transmit(link, &mut output);
                }
            }
        }
    });
}

fn answer(mut input: &[u8], seq: &mut u64, output: &mut Vec<u8>) {
    while let Ok(Some((frame, rest))) = frame::split(input, REQUEST_BYTES_MAX) {
        input = rest;
        let mut decided = Vec::with_capacity(32);
        let correlation = match Request::decode(frame) {
            Ok(Request::Command {
                correlation,
                kind,
                body,
                ..
            }) => {
                *seq += 1;
                outcome::encode_accepted(kind, 1, &mut decided);
                decided.extend_from_slice(body);
                correlation
            }
            // The one question there is: pushes from where the client is.
            Ok(Request::Query { correlation, .. }) => {
                let subscribed = presence::Answer::from(presence::Subscribed { from: Seq(0) });
                outcome::encode_accepted(subscribed.kind().0, 1, &mut decided);
                subscribed.encode(&mut decided);
                correlation
            }
            Ok(_) | Err(_) => continue,
        };
        Reply::Answer {
            correlation,
            seq: Seq(*seq),
            hash: ChainHash([1; 32]),
            outcome: &decided,
        }
        .encode(output);
    }
}
