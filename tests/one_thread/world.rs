//! The virtual world: hub and driver's core, and connections, a disk and a clock that are values.
//!
//! The earliest event happens next, among those of one instant the seed decides; behind each the server has
//! a turn and the clients have one. A connection carries a drawn number of bytes at a time, both ways, keeps
//! their order, and may break with what is on its way.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    io,
    rc::Rc,
};

use loadgen::{
    driver::core::{Action, Core, Outcome as Ended},
    operation::Nanos,
};
use protocol::{
    Key,
    limits::WIRE_VERSION,
    message::Request,
    words::accounts::{AuthRequest, Token},
};
use server::{
    hub::{Alone, Flow, Hub, Transport, Work},
    log::{Batch, MemoryLog, commit},
    time_base::Now,
};

use super::{CLIENTS, MS, Trace, WALL, Witness};

/// How often the server looks at its clock.
const TICK: Nanos = 50 * MS;
/// One in so many deliveries is lost with its connection.
const CUT_ONE_IN: u64 = 300;

/// Draws that follow from a seed (splitmix64).
struct Draws(u64);

impl Draws {
    /// One of `from..to`.
    fn among(&mut self, from: u64, to: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        from + (mixed ^ (mixed >> 31)) % (to - from)
    }
}

/// The server's end of a connection in memory, with as much room as the network makes.
#[derive(Debug, Clone)]
pub(super) struct Wire(Rc<End>);

#[derive(Debug, Default)]
pub(super) struct End {
    room: Cell<usize>,
    sent: RefCell<Vec<u8>>,
    is_over: Cell<bool>,
}

impl Transport for Wire {
    type Writers = Alone;

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(self.0.room.get());
        if len == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.room.set(self.0.room.get() - len);
        self.0.sent.borrow_mut().extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn finish(&self) {
        self.0.is_over.set(true);
    }

    fn shutdown(&self) {
        self.0.is_over.set(true);
    }
}

/// A connection of a client.
struct Link {
    id: u64,
    wire: Wire,
    /// On its way to the server.
    input: Vec<u8>,
    is_blocked: bool,
    is_held: bool,
    /// What is lost together with its connection is not told again.
    is_closed: bool,
}

#[derive(Debug, Clone, Copy)]
enum Event {
    /// Some of what a client wrote arrives.
    Arrive(usize),
    /// Some of what the server wrote arrives, and there is room for more.
    Deliver(usize),
    /// The disk has done its work.
    Synced,
    Tick,
}

/// Server, clients and what lies between them.
pub(super) struct World<'a> {
    draws: Draws,
    now: Nanos,
    /// By instant; among what happens at one the seed decides.
    events: BTreeMap<(Nanos, u64), Event>,
    serial: u64,
    hub: Hub<Wire>,
    log: MemoryLog,
    syncing: Option<Batch>,
    links: Vec<Link>,
    /// The connection of each client.
    current: Vec<usize>,
    core: Core<'a, Witness, ()>,
    trace: Trace,
}

impl<'a> World<'a> {
    /// Nobody is connected.
    pub(super) fn new(
        seed: u64,
        (hub, log): (Hub<Wire>, MemoryLog),
        core: Core<'a, Witness, ()>,
        trace: Trace,
    ) -> Self {
        Self {
            draws: Draws(seed),
            now: 0,
            events: BTreeMap::new(),
            serial: 0,
            hub,
            log,
            syncing: None,
            links: Vec::new(),
            current: vec![0; CLIENTS],
            core,
            trace,
        }
    }

    /// From this instant to the end of the run.
    pub(super) fn run(mut self, began_at: Nanos) -> (Ended<()>, MemoryLog) {
        assert!(self.now <= began_at, "everybody is there in time");
        self.now = began_at;
        self.schedule(TICK, Event::Tick);
        self.carry_out();
        while let Some(wake_at) = self.core.poll_wake() {
            let ((at, tie), event) = self.events.pop_first().expect("the clock always ticks");
            if wake_at < at {
                self.events.insert((at, tie), event);
                self.now = self.now.max(wake_at);
            } else {
                self.now = self.now.max(at);
                self.happen(event);
                self.end_turn();
            }
            self.turn();
        }
        (self.core.finish(), self.log)
    }

    /// One turn of the clients.
    fn turn(&mut self) {
        self.core.handle_due(self.now);
        self.carry_out();
        while self.core.handle_start(self.now) {
            self.carry_out();
        }
        if let Some(release_at) = self.core.begin_release(self.now) {
            self.now = self.now.max(release_at);
            while let Some(client) = self.core.handle_release(self.now) {
                self.write(client);
                self.now += 1_000; // writing takes a microsecond
            }
            self.carry_out();
        }
    }

    fn carry_out(&mut self) {
        while let Some(action) = self.core.poll_action() {
            match action {
                Action::Connect(client) => {
                    self.connect(client);
                    self.core.handle_connected(client, self.now);
                }
                Action::Write(client) => self.write(client),
                Action::Close(client) => self.close(self.current[index(client)]),
            }
        }
    }

    fn connect(&mut self, client: u32) {
        let wire = Wire(Rc::default());
        let id = self.hub.connect(self.server_now(), wire.clone());
        let nth = self.links.len();
        self.links.push(Link {
            id,
            wire,
            input: Vec::new(),
            is_blocked: false,
            is_held: false,
            is_closed: false,
        });
        self.current[index(client)] = nth;
        self.schedule_soon(Event::Arrive(nth));
        self.schedule_soon(Event::Deliver(nth));
    }

    fn write(&mut self, client: u32) {
        let link = &mut self.links[self.current[index(client)]];
        link.input.append(self.core.out(client));
    }

    fn close(&mut self, nth: usize) {
        let now = self.server_now();
        let link = &mut self.links[nth];
        if !std::mem::replace(&mut link.is_closed, true) {
            self.hub.disconnect(now, link.id);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive(nth) | Event::Deliver(nth) if self.links[nth].is_closed => {}
            Event::Arrive(nth) => {
                self.arrive(nth);
                self.schedule_soon(event);
            }
            Event::Deliver(nth) => {
                self.deliver(nth);
                self.schedule_soon(event);
            }
            Event::Synced => {
                let batch = self.syncing.take().expect("a batch is on its way");
                let proof = commit(&mut self.log, &batch).expect("memory takes it");
                self.hub.handle_synced(&proof, batch);
            }
            Event::Tick => {
                self.hub.handle_timeout(self.server_now());
                self.schedule(TICK, Event::Tick);
            }
        }
    }

    /// Some of what a client wrote reaches the server.
    fn arrive(&mut self, nth: usize) {
        let (now, len) = (self.server_now(), self.draws.among(1, 600));
        let link = &mut self.links[nth];
        if link.is_held {
            return;
        }
        let len = link.input.len().min(usize::try_from(len).expect("small"));
        let bytes: Vec<u8> = link.input.drain(..len).collect();
        let (mut flow, mut shown) = (Flow::Again, &bytes[..]);
        while flow == Flow::Again {
            flow = (self.hub).handle_input(now, link.id, shown, &mut Work::turn());
            shown = &[];
        }
        link.is_held = flow == Flow::Held;
        assert_ne!(flow, Flow::Over, "nobody says anything wrong");
    }

    /// What the server wrote reaches its client, or the connection breaks on the way.
    fn deliver(&mut self, nth: usize) {
        let (now, room) = (self.server_now(), self.draws.among(1, 2_000));
        let is_cut = self.draws.among(0, CUT_ONE_IN) == 0;
        let link = &mut self.links[nth];
        link.wire.0.room.set(usize::try_from(room).expect("small"));
        let bytes = link.wire.0.sent.take();
        if link.is_blocked {
            link.is_blocked = self.hub.handle_writable(now, link.id);
        }
        assert!(!link.wire.0.is_over.get(), "the server ends no connection");
        let client = self.current.iter().position(|current| *current == nth);
        let client = u32::try_from(client.expect("it is not closed")).expect("twenty");
        if bytes.is_empty() {
            return;
        }
        if is_cut {
            let why = io::Error::from(io::ErrorKind::ConnectionReset);
            self.core.handle_lost(client, &why, self.now);
        } else {
            let at = self.now;
            self.trace
                .note(&format_args!("{at} to client {client}: {bytes:?}"));
            self.core.handle_bytes(client, &bytes, self.now);
            self.core.handle_ready(client);
        }
        self.carry_out();
    }

    /// The end of one turn of the server.
    fn end_turn(&mut self) {
        let (now, mut batch) = (self.server_now(), None);
        let mut blocked = self.hub.end_turn(now, |next| batch = Some(next));
        if let Some(batch) = batch {
            let earlier = self.syncing.replace(batch);
            assert!(earlier.is_none(), "one batch at a time");
            let lasts = self.draws.among(MS / 10, 9 * MS);
            self.schedule(lasts, Event::Synced);
        }
        if self.hub.has_deliveries() {
            blocked.extend(self.hub.deliver(now));
        }
        for (id, _wire) in blocked {
            let mut links = self.links.iter_mut();
            let link = links.find(|link| link.id == id && !link.is_closed);
            link.expect("a connection of ours").is_blocked = true;
        }
        let resumed = self.hub.take_resumed();
        for link in &mut self.links {
            link.is_held &= !resumed.contains(&link.id);
        }
        assert!(self.hub.poll_job().is_none(), "nobody shows a password");
    }

    fn server_now(&self) -> Now {
        let mono = self.now / MS;
        let wall = WALL + mono;
        Now { mono, wall }
    }

    fn schedule_soon(&mut self, event: Event) {
        let after = self.draws.among(MS / 10, 6 * MS);
        self.schedule(after, event);
    }

    fn schedule(&mut self, after: Nanos, event: Event) {
        self.serial += 1;
        let tie = self.draws.among(0, 1 << 20) << 32 | self.serial;
        self.events.insert((self.now + after, tie), event);
    }

    /// Says hello for everybody on their first connection, as the set-up of a run does.
    pub(super) fn enter(&mut self, tokens: &[Token]) {
        for (client, token) in (0..).zip(tokens) {
            self.connect(client);
            let nth = self.current[index(client)];
            let version = WIRE_VERSION;
            Request::Hello { version }.encode(&mut self.links[nth].input);
            Request::Auth {
                correlation: 1,
                key: Key::default(),
                request: AuthRequest::Resume { token: *token },
            }
            .encode(&mut self.links[nth].input);
        }
        let mut quiet = 0;
        while quiet < self.links.len() * 40 {
            let ((at, _), event) = self.events.pop_first().expect("everybody is connected");
            self.now = at;
            match event {
                Event::Deliver(nth) => {
                    let wire = &self.links[nth].wire;
                    wire.0.room.set(4_096);
                    quiet = if wire.0.sent.take().is_empty() {
                        quiet + 1
                    } else {
                        0
                    };
                    self.schedule_soon(event);
                }
                other => self.happen(other),
            }
            self.end_turn();
        }
    }
}

fn index(client: u32) -> usize {
    usize::try_from(client).expect("32 bits fit")
}
