//! Delivery under whatever happens meanwhile: every connection is told exactly what it is to be told.
//!
//! A real engine with a log in memory decides; pipes stand for sockets. What each connection should
//! have heard is worked out from the log alone.

use std::{collections::BTreeSet, ops::ControlFlow};

use proptest::prelude::*;
use protocol::{
    Code, Key, Outcome, OwnedRecord, Record, Roles, UserId, frame,
    limits::{REPLY_BYTES_MAX, WIRE_VERSION},
    message::{Reply, Request, WelcomeFlags},
    words::{
        accounts::{self, AuthRequest, SessionResumed, Token},
        chat::{self, CreateRoom, JoinRoom, LeaveRoom, Target},
    },
};

use super::*;
use crate::{
    domain::{
        Stream, Systems,
        systems::{CommandBytes, OwnedCommand, Source},
    },
    engine::{Ask, Engine, Released},
    hub::{delivery::Slice, outbox::OUTBOX_FRAMES_MAX},
    keyring::Keyring,
    log::{Batch, EventLog, MemoryLog, Row, commit},
    net::{Link, write_pool::WritePool},
    session::{ServerFacts, SessionTimeouts},
};

const USERS: u64 = 3;
const ROOMS: usize = 2;
const NOW: u64 = 1_000_000;

#[derive(Debug, Clone)]
enum Step {
    /// Somebody says something to everybody, to a room, or to a person.
    Send(u64, usize),
    Join(u64, usize),
    Leave(u64, usize),
    /// Somebody connects and subscribes from so far back.
    Connect(u64, u64),
    Disconnect(usize),
    /// The log gets what was decided.
    Take,
    /// The log has synced what it got.
    Synced,
    /// A slice of the delivery.
    Deliver,
    /// Slices of the delivery, until another thread takes a link to itself.
    PutAside,
    /// It writes, at last.
    GoOn,
    /// A socket takes so many bytes more.
    Read(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..USERS;
    prop_oneof![
        6 => (who.clone(), 0..ROOMS + 2).prop_map(|(who, to)| Step::Send(who, to)),
        1 => (who.clone(), 0..ROOMS).prop_map(|(who, room)| Step::Join(who, room)),
        1 => (who.clone(), 0..ROOMS).prop_map(|(who, room)| Step::Leave(who, room)),
        2 => (who, prop_oneof![2 => Just(0), 1 => 0..60_u64])
            .prop_map(|(who, back)| Step::Connect(who, back)),
        1 => (0..8_usize).prop_map(Step::Disconnect),
        3 => Just(Step::Take),
        3 => Just(Step::Synced),
        6 => Just(Step::Deliver),
        3 => Just(Step::PutAside),
        1 => Just(Step::GoOn),
        4 => (0..8_usize, prop_oneof![1..40_usize, 100..2_000_usize, Just(1 << 20)])
            .prop_map(|(nth, room)| Step::Read(nth, room)),
    ]
}

/// A connection, and what it asked for.
struct Listener {
    id: u64,
    user: UserId,
    link: Link,
    from: Seq,
    /// The newest position when it asked.
    at: Seq,
}

struct World {
    engine: Engine,
    log: MemoryLog,
    syncing: Option<Batch>,
    connections: Connections<Link>,
    /// Everybody, with their sessions.
    people: Vec<(UserId, u64)>,
    rooms: Vec<u64>,
    listeners: Vec<Listener>,
    serial: u64,
    /// Threads that were put aside before they wrote.
    aside: Vec<Box<dyn FnOnce()>>,
}

impl World {
    fn new() -> Self {
        let mut connections = Connections::new(WritePool::puppets());
        connections.delivery.slice = Slice {
            handed: 2,
            writes: 2,
            rows: 3,
            backlog: 2,
        };
        let mut world = Self {
            engine: Engine::new(Keyring::new([7; 32])),
            log: MemoryLog::new(),
            syncing: None,
            connections,
            people: Vec::new(),
            rooms: Vec::new(),
            listeners: Vec::new(),
            serial: 0,
            aside: Vec::new(),
        };
        for nth in 0..USERS {
            let person = world.open_account(nth);
            world.people.push(person);
        }
        for room in 0..ROOMS {
            let name = format!("room {room}");
            let id = world.chat(0, &CreateRoom { name }.into());
            world.rooms.push(id);
        }
        world
    }

    fn open_account(&mut self, nth: u64) -> (UserId, u64) {
        let register = accounts::Command::from(accounts::Register {
            name: format!("user{nth}").into(),
            password_hash: "".into(),
        });
        let user = self.submit(UserId::NOBODY, &OwnedCommand::new(&register));
        let log_in = accounts::Command::from(accounts::LogIn {
            verified: true,
            token_hash: [u8::try_from(nth).unwrap(); 32],
        });
        let user = UserId(user);
        let session = self.submit(user, &OwnedCommand::new(&log_in));
        (user, session)
    }

    fn chat(&mut self, who: usize, command: &chat::Command) -> u64 {
        self.submit(self.people[who].0, &OwnedCommand::new(command))
    }

    fn submit(&mut self, actor: UserId, command: &OwnedCommand) -> u64 {
        self.serial += 1;
        let mut key = Key::default();
        key.0[..8].copy_from_slice(&self.serial.to_le_bytes());
        let ask = Ask {
            origin: None,
            actor,
            key,
            command: CommandBytes {
                source: Source::Session,
                ..command.bytes()
            },
        };
        self.engine.submit(NOW, &ask).expect("room");
        self.engine.decided().seq.0
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Send(who, to) => {
                let to = match to {
                    0 => Target::Public,
                    1 => Target::Person(self.people[index(who + 1) % self.people.len()].0),
                    room => Target::Conversation(self.rooms[room - 2]),
                };
                let text = "hello".into();
                self.chat(index(who), &chat::Send { to, text }.into());
            }
            Step::Join(who, room) => {
                let room = self.rooms[room];
                self.chat(index(who), &JoinRoom { room }.into());
            }
            Step::Leave(who, room) => {
                let room = self.rooms[room];
                self.chat(index(who), &LeaveRoom { room }.into());
            }
            Step::Connect(who, back) => self.connect(index(who), back),
            Step::Disconnect(nth) => {
                if nth < self.listeners.len() {
                    let listener = self.listeners.remove(nth);
                    self.check(&listener, false);
                    self.connections.remove(listener.id);
                }
            }
            Step::Take => {
                if self.syncing.is_none() {
                    self.syncing = self.engine.take_batch();
                }
                if let Some(released) = self.engine.release_idle() {
                    self.dispatch(released);
                }
            }
            Step::Synced => self.sync(),
            Step::Deliver => self.deliver(),
            Step::PutAside => {
                while self.connections.has_deliveries() {
                    if let Some(go_on) = self.connections.delivery.writers.put_aside() {
                        self.aside.push(Box::new(go_on));
                        break;
                    }
                    self.deliver();
                }
            }
            Step::GoOn => {
                if !self.aside.is_empty() {
                    self.aside.remove(0)();
                }
            }
            Step::Read(nth, room) => self.read(nth, room),
        }
    }

    fn sync(&mut self) {
        if let Some(batch) = self.syncing.take() {
            let proof = commit(&mut self.log, &batch).unwrap();
            let released = self.engine.handle_committed(&proof, batch);
            self.dispatch(released);
        }
    }

    fn dispatch(&mut self, released: Released) {
        let mut reader = self.log.reader().unwrap();
        let accounts = &self.engine.systems().accounts;
        released.for_each(|release| {
            self.connections.dispatch(&release, accounts, &mut *reader);
        });
        self.engine.recycle(released);
        self.flush();
    }

    /// As the hub does: answers first.
    fn flush(&mut self) {
        for index in std::mem::take(&mut self.connections.dirty) {
            if let Some(connection) = self.connections.slab.get_mut(index) {
                connection.is_dirty = false;
                self.connections.send(index);
            }
        }
    }

    fn deliver(&mut self) {
        let mut reader = self.log.reader().unwrap();
        (self.connections).deliver(self.engine.feed(), self.engine.keyring(), &mut *reader);
    }

    fn read(&mut self, nth: usize, room: usize) {
        if let Some(listener) = self.listeners.get(nth) {
            let pipe = listener.link.as_pipe();
            pipe.give(room);
            let place = self.connections.find(listener.id).expect("it is open");
            if self.connections.slab[place].is_blocked {
                self.connections.handle_writable(listener.id);
            }
        }
    }

    fn connect(&mut self, who: usize, back: u64) {
        let (user, number) = self.people[who];
        let mut session = Session::new(NOW, SessionTimeouts::default());
        let facts = ServerFacts {
            flags: WelcomeFlags::DURABLE,
            durable: self.engine.durable(),
        };
        let mut hello = Vec::new();
        let version = WIRE_VERSION;
        Request::Hello { version }.encode(&mut hello);
        session.handle_input(NOW, &hello, &facts);
        let mut log_in = Vec::new();
        let request = AuthRequest::Resume {
            token: Token([0; 32]),
        };
        let (correlation, key) = (1, Key::default());
        Request::Auth {
            correlation,
            key,
            request,
        }
        .encode(&mut log_in);
        session.handle_input(NOW, &log_in, &facts);
        let link = Link::pipe();
        let id = self.connections.insert(session, link.clone());
        let origin = Origin {
            connection: id,
            correlation,
        };
        self.engine.release_read(origin, &resumed(user, number));
        let at = self.engine.decided().seq;
        let from = Seq(at.0.saturating_sub(back));
        self.engine.subscribe(origin, user, from);
        self.listeners.push(Listener {
            id,
            user,
            link,
            from,
            at,
        });
    }

    /// Everything comes to rest, whatever it waits for.
    fn finish(&mut self) {
        for _ in 0..3 {
            self.sync();
            self.take(&Step::Take);
        }
        for nth in 0..self.listeners.len() {
            self.read(nth, 1 << 20);
        }
        for go_on in self.aside.drain(..) {
            go_on();
        }
        while !self.connections.is_at_rest() {
            self.deliver();
        }
        for listener in &self.listeners {
            self.check(listener, true);
        }
    }

    /// What a listener heard is what it was to hear; all of it, if it was given the time.
    fn check(&self, listener: &Listener, is_all: bool) {
        let heard = heard(&listener.link);
        let expected = self.expected(listener);
        if is_all {
            assert_eq!(heard, expected, "from {} at {}", listener.from, listener.at);
        } else {
            assert!(expected.starts_with(&heard), "{heard:?} of {expected:?}");
        }
    }

    fn expected(&self, listener: &Listener) -> Vec<u64> {
        let user = listener.user;
        let mut follows = BTreeSet::new();
        let mut expected: Vec<(Seq, Stream)> = Vec::new();
        for row in self.rows() {
            if row.seq.0 == user.0 {
                follows.extend([Stream::Everybody, Stream::Person(user)]);
            }
            let changed = membership(&row, user);
            follows.extend(
                changed
                    .filter(|(_, begins)| *begins)
                    .map(|(stream, _)| stream),
            );
            if let Some(push) = Systems::push(&borrow(&row)).unwrap()
                && listener.from < row.seq
                && follows.contains(&push.stream)
            {
                expected.push((row.seq, push.stream));
            }
            if let Some((stream, false)) = changed {
                follows.remove(&stream);
                // Whoever has left before they subscribe is not told any more what was before.
                expected.retain(|(_, other)| listener.at < row.seq || *other != stream);
            }
        }
        expected.into_iter().map(|(seq, _)| seq.0).collect()
    }

    fn rows(&self) -> Vec<OwnedRecord> {
        let mut rows = Vec::new();
        let mut visit = |row: Row<'_>| {
            rows.push(row.record.owned(row.hash));
            ControlFlow::Continue(())
        };
        let mut reader = self.log.reader().unwrap();
        reader.read(Seq(1), &mut visit).unwrap();
        rows
    }
}

/// What `user` begins or ceases to follow by a record, by the words of the chat alone.
fn membership(row: &OwnedRecord, user: UserId) -> Option<(Stream, bool)> {
    let Ok(Outcome::Accepted { kind, schema, body }) = Outcome::decode(&row.outcome) else {
        return None;
    };
    let command = chat::Command::decode(row.kind, row.schema, &row.body).ok()?;
    let event = chat::Event::decode(kind, schema, body).ok()?;
    let is_mine = row.actor == user;
    match (command, event) {
        (chat::Command::CreateRoom(_), _) if is_mine => {
            Some((Stream::Conversation(row.seq.0), true))
        }
        (chat::Command::JoinRoom(join), _) if is_mine => {
            Some((Stream::Conversation(join.room), true))
        }
        (chat::Command::LeaveRoom(leave), _) if is_mine => {
            Some((Stream::Conversation(leave.room), false))
        }
        (chat::Command::Send(send), chat::Event::Sent(sent)) => {
            let is_first = matches!(send.to, Target::Person(to) if is_mine || to == user);
            is_first.then_some((Stream::Conversation(sent.conversation), true))
        }
        _ => None,
    }
}

fn borrow(row: &OwnedRecord) -> Record<'_> {
    Record {
        seq: row.seq,
        recorded_at: row.recorded_at,
        actor: row.actor,
        key: row.key,
        kind: row.kind,
        schema: row.schema,
        codec: row.codec,
        body: &row.body,
        outcome: &row.outcome,
    }
}

fn resumed(user: UserId, session: u64) -> Vec<u8> {
    let answer = accounts::Answer::from(SessionResumed {
        user,
        roles: Roles::MEMBER,
        session,
        expires_at: u64::MAX,
        cursor: Seq::START,
    });
    let ((kind, schema), mut outcome) = (answer.kind(), Vec::new());
    encode_accepted(kind, schema, &mut outcome);
    answer.encode(&mut outcome);
    outcome
}

/// The positions of the pushes that a link took whole.
fn heard(link: &Link) -> Vec<u64> {
    let taken = link.as_pipe().taken();
    let (mut rest, mut heard) = (&taken[..], Vec::new());
    while let Some((one, behind)) = frame::split(rest, REPLY_BYTES_MAX).unwrap() {
        if let Reply::Push { seq, .. } = Reply::decode(one).unwrap() {
            heard.push(seq.0);
        }
        rest = behind;
    }
    heard
}

fn index(who: u64) -> usize {
    usize::try_from(who).unwrap()
}

/// A world in which so many connections follow, with room for all they are told.
fn audience(count: usize) -> World {
    let mut world = World::new();
    world.connections.delivery.slice = Slice {
        handed: 16,
        writes: 4,
        rows: 4,
        backlog: 4,
    };
    for _ in 0..count {
        world.connect(1, 0);
    }
    world.settle();
    for nth in 0..count {
        world.read(nth, 1 << 20);
    }
    while !world.connections.is_at_rest() {
        world.deliver();
    }
    world
}

impl World {
    fn settle(&mut self) {
        self.take(&Step::Take);
        self.sync();
    }

    /// Somebody says something to everybody over their own connection.
    fn say(&mut self, speaker: u64, correlation: u64) {
        let text = "hello".into();
        let to = Target::Public;
        let command = OwnedCommand::new(&chat::Command::from(chat::Send { to, text }));
        let mut key = Key::default();
        key.0[8..].copy_from_slice(&correlation.to_le_bytes());
        let ask = Ask {
            origin: Some(Origin {
                connection: speaker,
                correlation,
            }),
            actor: self.people[0].0,
            key,
            command: command.bytes(),
        };
        self.engine.submit(NOW, &ask).expect("room");
    }

    /// How often each connection was written to.
    fn writes(&self) -> Vec<usize> {
        let writes = |listener: &Listener| listener.link.as_pipe().take_writes();
        self.listeners.iter().map(writes).collect()
    }
}

/// Correlations of the answers that a link took whole.
fn answered(link: &Link) -> Vec<u64> {
    let taken = link.as_pipe().taken();
    let (mut rest, mut answered) = (&taken[..], Vec::new());
    while let Some((one, behind)) = frame::split(rest, REPLY_BYTES_MAX).unwrap() {
        if let Reply::Answer { correlation, .. } = Reply::decode(one).unwrap() {
            answered.push(correlation);
        }
        rest = behind;
    }
    answered
}

#[test]
fn no_answer_waits_for_a_push() {
    const AUDIENCE: usize = 40;
    let mut world = audience(AUDIENCE);
    world.connections.delivery.writers = WritePool::new(1);
    world.connect(0, 0);
    world.settle();
    world.read(AUDIENCE, 1 << 20);
    let speaker = world.listeners.pop().expect("it has just connected");
    world.writes();
    world.say(speaker.id, 100);
    world.settle();
    assert_eq!(answered(&speaker.link).last(), Some(&100), "answers first");
    assert_eq!(world.writes(), [0; AUDIENCE]);
    // A fan-out takes many turns, and every turn anybody else may be answered.
    let mut turns = 0;
    while !world.connections.is_at_rest() {
        world.deliver();
        assert!(world.writes().into_iter().sum::<usize>() <= 4);
        turns += 1;
        if turns == 3 {
            world.say(speaker.id, 101);
            world.settle();
            assert_eq!(answered(&speaker.link).last(), Some(&101));
        }
    }
    assert!(AUDIENCE / 4 <= turns);
    for listener in &world.listeners {
        assert_eq!(heard(&listener.link).len(), 2);
    }
}

#[test]
fn what_waits_for_a_connection_leaves_in_one_write() {
    let mut world = audience(6);
    let nobody = u64::MAX;
    world.writes();
    for correlation in 0..20 {
        world.say(nobody, correlation);
    }
    world.connections.delivery.slice.handed = 1_000;
    world.settle();
    while !world.connections.is_at_rest() {
        world.deliver();
    }
    assert_eq!(world.writes(), [1; 6]);
    assert_eq!(heard(&world.listeners[5].link).len(), 20);
}

#[test]
fn a_push_is_encoded_once_for_all() {
    let mut world = audience(3);
    world.connections.delivery.writers = WritePool::new(1);
    for listener in &world.listeners {
        listener.link.as_pipe().fill();
    }
    world.say(u64::MAX, 1);
    world.settle();
    while !world.connections.is_at_rest() {
        world.deliver();
    }
    let frames: BTreeSet<*const u8> = (world.connections.slab.iter())
        .map(|(_, connection)| connection.outbox.first().expect("it is blocked").as_ptr())
        .collect();
    assert_eq!(frames.len(), 1);
}

#[test]
fn what_many_hands_wrote_and_what_a_link_did_not_take_make_one_conversation() {
    const AUDIENCE: usize = 100;
    let mut world = audience(AUDIENCE);
    world.connections.delivery.writers = WritePool::new(3);
    world.connections.delivery.slice.writes = AUDIENCE;
    let link = |world: &World, nth: usize| world.listeners[nth].link.clone();
    for nth in 0..AUDIENCE {
        // Nothing, a part of the first message, or everything.
        link(&world, nth).as_pipe().fill();
        let room = [0, 20, 1 << 20][nth % 3];
        link(&world, nth).as_pipe().give(room);
    }
    for correlation in 1..=3 {
        world.say(u64::MAX, correlation);
        world.settle();
        while !world.connections.is_at_rest() {
            world.deliver();
        }
    }
    let all = heard(&link(&world, 2));
    assert_eq!(all.len(), 3);
    for nth in 0..AUDIENCE {
        if nth % 3 < 2 {
            assert_eq!(heard(&link(&world, nth)).len(), 0);
            world.read(nth, 1 << 20);
        }
    }
    while !world.connections.is_at_rest() {
        world.deliver();
    }
    for nth in 0..AUDIENCE {
        assert_eq!(heard(&link(&world, nth)), all, "{nth}");
    }
}

// A build that can be told to lie lends nothing: what is tampered with goes through the outbox.
#[cfg(not(feature = "planted-bugs"))]
#[test]
fn a_thread_put_aside_in_the_middle_of_a_round_delays_nobody_outside_of_it() {
    let mut world = audience(6);
    world.connections.delivery.slice.writes = 1;
    let answered_at = |world: &World, nth: usize| answered(&world.listeners[nth].link);
    let heard_at = |world: &World, nth: usize| heard(&world.listeners[nth].link).len();
    world.say(u64::MAX, 100);
    world.settle();
    // The first of three rounds begins.
    world.deliver();
    let go_on = world
        .connections
        .delivery
        .writers
        .put_aside()
        .expect("a round");
    // Who is in it is not answered, or the answer might stand in the middle of the push.
    for nth in 0..6 {
        world.say(world.listeners[nth].id, 101);
    }
    world.settle();
    let waiting: Vec<usize> = (0..6)
        .filter(|nth| answered_at(&world, *nth).last() != Some(&101))
        .collect();
    assert_eq!(waiting, [0, 1]);
    while world.connections.has_deliveries() {
        world.deliver();
    }
    let told: Vec<usize> = (0..6).map(|nth| heard_at(&world, nth)).collect();
    assert_eq!(told, [0, 1, 7, 7, 7, 7]);
    go_on();
    while !world.connections.is_at_rest() {
        world.deliver();
    }
    for nth in 0..6 {
        assert_eq!(answered_at(&world, nth).last(), Some(&101), "{nth}");
        assert_eq!(heard_at(&world, nth), 1 + 6, "{nth}");
    }
}

#[test]
fn whoever_reads_nothing_costs_no_more_than_the_bound_and_is_told_where_to_go_on() {
    let mut world = audience(1);
    world.listeners[0].link.as_pipe().fill();
    let all = u64::try_from(OUTBOX_FRAMES_MAX + 1).unwrap();
    for correlation in 0..all {
        world.say(u64::MAX, correlation);
        if correlation % 500 == 0 {
            world.settle();
        }
    }
    world.settle();
    world.settle();
    while !world.connections.is_at_rest() {
        world.deliver();
    }
    world.flush();
    let listener = &world.listeners[0];
    let place = world
        .connections
        .find(listener.id)
        .expect("its link is not cut yet");
    let connection = &world.connections.slab[place];
    assert!(connection.session.is_closed() && connection.outbox.is_empty());
    world.read(0, 1 << 20);
    let link = &world.listeners[0].link;
    let taken = link.as_pipe().taken();
    let mut rest = &taken[..];
    let mut last = None;
    while let Some((one, behind)) = frame::split(rest, REPLY_BYTES_MAX).unwrap() {
        last = Some(Reply::decode(one).unwrap());
        rest = behind;
    }
    let told = heard(link)
        .last()
        .copied()
        .unwrap_or(world.listeners[0].from.0);
    match last {
        Some(Reply::Error(error)) => {
            assert_eq!(error.refusal.code, Code::SLOW_READER);
            assert_eq!((error.refusal.value, error.fatal), (told, true));
        }
        other => panic!("{other:?} instead of the reason"),
    }
}

#[test]
fn when_all_hold_too_much_those_that_hold_most_are_ended_and_no_more_of_them() {
    let mut world = audience(6);
    // Two read nothing, of which one has asked for much besides; the others read all.
    for nth in 0..2 {
        world.listeners[nth].link.as_pipe().fill();
    }
    let greedy = world.listeners[1].id;
    for correlation in 0..400 {
        world.say(greedy, correlation);
        world.settle();
        while !world.connections.is_at_rest() {
            world.deliver();
        }
        for nth in 2..6 {
            world.read(nth, 1 << 20);
        }
    }
    let held = world.connections.held_bytes();
    let is_open = |world: &World, nth: usize| {
        let place = world.connections.find(world.listeners[nth].id);
        place.is_some_and(|place| !world.connections.slab[place].session.is_closed())
    };
    world.connections.bytes_max = held;
    world.connections.relieve(NOW);
    assert!(
        (0..6).all(|nth| is_open(&world, nth)),
        "all hold what they may"
    );
    world.connections.bytes_max = held - 1;
    world.connections.relieve(NOW);
    let open: Vec<bool> = (0..6).map(|nth| is_open(&world, nth)).collect();
    assert_eq!(
        open,
        [true, false, true, true, true, true],
        "one was enough"
    );
    assert!(world.connections.held_bytes() <= (held - 1) / 8 * 7);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_connection_is_told_what_it_follows_in_order_and_once(
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
        world.finish();
    }
}
