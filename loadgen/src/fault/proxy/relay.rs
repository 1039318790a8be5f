//! The proxy's thread: waits for sockets, time and commands, and gives every connection its turn.
//!
//! One epoll, edge-triggered, as in `target/tcp`: a socket is named once when something changes,
//! and what is known of it is kept with it. Deliberately absent: what one connection carries
//! (`pair`, `pipe`), what faults are on (`faults`).

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    sync::{
        Arc,
        mpsc::{Receiver, TryRecvError},
    },
};

use rand::{SeedableRng, rngs::ChaCha8Rng, seq::SliceRandom};
use rustix::{
    buffer::spare_capacity,
    event::{EventfdFlags, Timespec, epoll, eventfd},
    io::Errno,
};
use slab::Slab;
use tokio::sync::oneshot;

use super::{
    faults::{FaultNumber, Faults},
    pair::{Next, Pair, Side},
    pipe::Passing,
};
use crate::{
    clock::Clock,
    fault::{Effects, NetworkFault, Share, Way},
    operation::Nanos,
    target::begin_connecting,
};

/// Read at once from one connection.
const READ_BYTES: usize = 64 * 1024;

/// Told of by one wait.
const EVENTS_LEN_MAX: usize = 1_024;

/// Connections accepted in one turn: those that stand wait no longer than for these.
const ACCEPTED_MAX: usize = 64;

/// How long to wait before accepting again when the system gives no descriptor.
const ACCEPT_RETRY_AFTER: Nanos = 100_000_000;

const INTEREST: epoll::EventFlags = epoll::EventFlags::IN
    .union(epoll::EventFlags::OUT)
    .union(epoll::EventFlags::RDHUP)
    .union(epoll::EventFlags::ET);

/// What the events of the listener and of the alarm are marked with; connections come after.
const LISTENER: u64 = 0;
const ALARM: u64 = 1;
const FIRST_SOCKET: u64 = 2;

/// What the proxy is told.
#[derive(Debug)]
pub(super) enum Command {
    SetUpstream(SocketAddr, oneshot::Sender<()>),
    Apply(NetworkFault, oneshot::Sender<FaultNumber>),
    Heal(FaultNumber, oneshot::Sender<Effects>),
}

/// See the head of this file.
pub(super) struct Relay {
    listener: TcpListener,
    /// Whether there may be somebody to accept, and from when on to try.
    knocking: Option<Nanos>,
    upstream: SocketAddr,
    poller: OwnedFd,
    commands: Receiver<Command>,
    pairs: Slab<Pair>,
    accepted: u64,
    runnable: Vec<usize>,
    /// Who is to be woken: when, where, and the number of the connection that was there.
    timers: BinaryHeap<Reverse<(Nanos, usize, u64)>>,
    faults: Faults,
    seed: u64,
    chance: ChaCha8Rng,
    clock: Clock,
    scratch: Vec<u8>,
}

impl Relay {
    /// A relay of whoever connects to the listener. Returns it with the alarm that wakes it.
    pub(super) fn open(
        listener: TcpListener,
        upstream: SocketAddr,
        seed: u64,
        commands: Receiver<Command>,
    ) -> io::Result<(Self, Arc<OwnedFd>)> {
        let poller = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        // With edges it rings at every write and is never read.
        let alarm = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        listener.set_nonblocking(true)?;
        let data = epoll::EventData::new_u64;
        epoll::add(&poller, &listener, data(LISTENER), INTEREST)?;
        epoll::add(&poller, &*alarm, data(ALARM), INTEREST)?;
        let relay = Self {
            listener,
            knocking: None,
            upstream,
            poller,
            commands,
            pairs: Slab::new(),
            accepted: 0,
            runnable: Vec::new(),
            timers: BinaryHeap::new(),
            faults: Faults::default(),
            seed,
            chance: ChaCha8Rng::seed_from_u64(seed),
            clock: Clock::start(),
            scratch: vec![0; READ_BYTES],
        };
        Ok((relay, alarm))
    }

    /// Relays until nobody can command it any more.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS_LEN_MAX);
        loop {
            events.clear();
            let patience = self.patience();
            match epoll::wait(&self.poller, spare_capacity(&mut events), patience.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                self.handle_event(event.data.u64(), event.flags);
            }
            let now = self.clock.now();
            self.accept(now);
            if self.obey(now).is_err() {
                return Ok(());
            }
            self.wake(now);
            self.take_turns(now);
        }
    }

    /// How long the kernel may wait: until the first timer, not at all if there is work.
    fn patience(&self) -> Option<Timespec> {
        let now = self.clock.now();
        let timer = self.timers.peek().map(|Reverse((at, ..))| *at);
        let at = [timer, self.knocking].into_iter().flatten().min();
        let nanos = if self.runnable.is_empty() {
            at?.saturating_sub(now)
        } else {
            0
        };
        Some(Timespec {
            tv_sec: i64::try_from(nanos / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(nanos % 1_000_000_000).unwrap_or(0),
        })
    }

    fn handle_event(&mut self, mark: u64, flags: epoll::EventFlags) {
        match mark {
            LISTENER => self.knocking = Some(0),
            ALARM => {} // Commands are looked at in every turn.
            socket => {
                let (key, side) = socket_of(socket);
                if let Some(pair) = self.pairs.get_mut(key) {
                    pair.handle_ready(side, flags);
                    self.promise_turn(key);
                }
            }
        }
    }

    fn promise_turn(&mut self, key: usize) {
        let pair = &mut self.pairs[key];
        if !pair.is_runnable {
            pair.is_runnable = true;
            self.runnable.push(key);
        }
    }

    /// Does what was commanded. An error when there is nobody to command it.
    fn obey(&mut self, now: Nanos) -> Result<(), TryRecvError> {
        loop {
            match self.commands.try_recv() {
                Ok(command) => self.handle_command(now, command),
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return Err(TryRecvError::Disconnected),
            }
        }
    }

    fn handle_command(&mut self, now: Nanos, command: Command) {
        // Whoever came before a command is there when it is carried out, told of or not.
        self.knocking = Some(self.knocking.unwrap_or(now));
        while self.knocking.is_some_and(|from| from <= now) {
            self.accept(now);
        }
        // Whoever does not wait for the answer does not want it.
        match command {
            Command::SetUpstream(upstream, done) => {
                self.upstream = upstream;
                let _unheard = done.send(());
            }
            Command::Apply(fault, done) => {
                let _unheard = done.send(self.apply(now, fault));
            }
            Command::Heal(fault, done) => {
                let _unheard = done.send(self.heal(fault));
            }
        }
        // What waits for time may have to wait longer or less now.
        for key in self.keys() {
            self.promise_turn(key);
        }
    }

    fn apply(&mut self, now: Nanos, fault: NetworkFault) -> FaultNumber {
        let number = self.faults.apply(fault);
        match fault {
            NetworkFault::Delay { .. }
            | NetworkFault::Throttle { .. }
            | NetworkFault::SplitBytes { .. } => {}
            NetworkFault::Cut { share } => self.cut(number, share),
            NetworkFault::ReconnectStorm => self.cut(number, Share::ALL),
            NetworkFault::HalfOpen { share, way } => self.half_open(now, number, share, way),
        }
        number
    }

    fn cut(&mut self, fault: FaultNumber, share: Share) {
        for key in self.draw_victims(fault, share) {
            let pair = &mut self.pairs[key];
            let lost = pair.reset();
            self.faults.note_cut(fault, pair.number, lost);
        }
    }

    fn half_open(&mut self, now: Nanos, fault: FaultNumber, share: Share, way: Way) {
        for key in self.draw_victims(fault, share) {
            let mut passing = Passing {
                now,
                faults: &mut self.faults,
                chance: &mut self.chance,
            };
            self.pairs[key].vanish(way, fault, &mut passing);
        }
    }

    /// So many of the connections that stand, drawn from the seed and the fault's number: the same
    /// ones, by number, whenever the same ones stand.
    fn draw_victims(&self, fault: FaultNumber, share: Share) -> Vec<usize> {
        let mut standing: Vec<usize> = self.keys();
        standing.retain(|key| !self.pairs[*key].is_held());
        standing.sort_unstable_by_key(|key| self.pairs[*key].number);
        let mut chance = ChaCha8Rng::seed_from_u64(self.seed);
        chance.set_stream(fault);
        let count = share.of(standing.len());
        let (drawn, _spared) = standing.partial_shuffle(&mut chance, count);
        drawn.to_vec()
    }

    fn heal(&mut self, number: FaultNumber) -> Effects {
        let Some((fault, mut injected)) = self.faults.heal(number) else {
            return Effects::default();
        };
        match fault {
            NetworkFault::Cut { .. }
            | NetworkFault::Delay { .. }
            | NetworkFault::Throttle { .. }
            | NetworkFault::SplitBytes { .. } => {}
            NetworkFault::HalfOpen { .. } => injected.unnoticed = self.end_victims(number),
            NetworkFault::ReconnectStorm => injected.let_in = self.open_door(),
        }
        injected
    }

    /// Resets what vanished into a fault, and says how many of them their clients still kept.
    fn end_victims(&mut self, fault: FaultNumber) -> u64 {
        let mut kept = 0;
        for (_key, pair) in &mut self.pairs {
            if pair.is_victim_of(fault) {
                kept += u64::from(pair.is_kept_by_client());
                let _vanished_anyway = pair.reset();
            }
        }
        kept
    }

    /// Lets in whoever waits at the door, and says how many they are.
    fn open_door(&mut self) -> u64 {
        if self.faults.is_door_shut() {
            return 0;
        }
        let mut let_in = 0;
        for key in self.keys() {
            if self.pairs[key].is_waiting_at_door() {
                self.let_in(key);
                let_in += 1;
            }
        }
        let_in
    }

    fn accept(&mut self, now: Nanos) {
        if self.knocking.is_none_or(|at| now < at) {
            return;
        }
        for _ in 0..ACCEPTED_MAX {
            match self.listener.accept() {
                Ok((client, _address)) => self.welcome(client),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.knocking = None;
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(%error, "the fault proxy cannot accept a connection; trying again shortly");
                    self.knocking = Some(now.saturating_add(ACCEPT_RETRY_AFTER));
                    return;
                }
            }
        }
    }

    fn welcome(&mut self, client: TcpStream) {
        let key = self.pairs.vacant_key();
        let is_ready = client
            .set_nonblocking(true)
            .and_then(|()| client.set_nodelay(true))
            .and_then(|()| self.watch(&client, key, Side::Client));
        if let Err(error) = is_ready {
            tracing::warn!(%error, "the fault proxy cannot serve a connection");
            return;
        }
        self.accepted += 1;
        self.pairs.insert(Pair::new(self.accepted, client));
        if !self.faults.is_door_shut() {
            self.let_in(key);
        }
    }

    fn let_in(&mut self, key: usize) {
        let server = begin_connecting(self.upstream).and_then(|server| {
            self.watch(&server, key, Side::Server)?;
            Ok(server)
        });
        match server {
            Ok(server) => self.pairs[key].let_in(server),
            Err(error) => {
                tracing::warn!(%error, "the fault proxy cannot reach the server for a client");
                let _nothing_yet = self.pairs[key].reset();
            }
        }
        self.promise_turn(key);
    }

    fn watch(&self, socket: &TcpStream, key: usize, side: Side) -> io::Result<()> {
        let data = epoll::EventData::new_u64(mark_of(key, side));
        Ok(epoll::add(&self.poller, socket, data, INTEREST)?)
    }

    fn wake(&mut self, now: Nanos) {
        while let Some(Reverse((at, key, number))) = self.timers.peek().copied() {
            if now < at {
                return;
            }
            self.timers.pop();
            let pair = self.pairs.get_mut(key);
            if let Some(pair) = pair.filter(|pair| pair.number == number) {
                if pair.wakes_at == Some(at) {
                    pair.wakes_at = None;
                }
                self.promise_turn(key);
            }
        }
    }

    fn take_turns(&mut self, now: Nanos) {
        for key in std::mem::take(&mut self.runnable) {
            let pair = &mut self.pairs[key];
            pair.is_runnable = false;
            let mut passing = Passing {
                now,
                faults: &mut self.faults,
                chance: &mut self.chance,
            };
            match pair.advance(&mut passing, &mut self.scratch) {
                Next::Again => self.promise_turn(key),
                Next::Wait(None) => {}
                Next::Wait(Some(at)) => {
                    if pair.wakes_at.is_none_or(|earlier| at < earlier) {
                        pair.wakes_at = Some(at);
                        self.timers.push(Reverse((at, key, pair.number)));
                    }
                }
                Next::Over => drop(self.pairs.remove(key)),
            }
        }
    }

    fn keys(&self) -> Vec<usize> {
        self.pairs.iter().map(|(key, _pair)| key).collect()
    }
}

/// What a socket's events are marked with.
fn mark_of(key: usize, side: Side) -> u64 {
    let key = u64::try_from(key).unwrap_or(u64::MAX / 4);
    let side = match side {
        Side::Client => 0,
        Side::Server => 1,
    };
    FIRST_SOCKET + key * 2 + side
}

fn socket_of(mark: u64) -> (usize, Side) {
    let socket = mark - FIRST_SOCKET;
    let side = if socket.is_multiple_of(2) {
        Side::Client
    } else {
        Side::Server
    };
    (usize::try_from(socket / 2).unwrap_or(usize::MAX), side)
}
