//! A foreign server as a target of the driver: our own requests in, HTTP calls out, and back.
//!
//! The seam is the one that the [`crate::target::NullTarget`] has: clients write the frames that they
//! write to any server, and read frames. So the driver, its clients and its histories are the same
//! whoever is on trial. What a foreign server cannot say is not made up: an answer's position is the number
//! that the booking was given here, or 0; its hash is that of nothing, and no law that knows positions is
//! asked. That nobody knows what became of a call has no frame, since our own server is asked again
//! under the call's key: [`wire::UNDECIDED`] says it. No link is ever lost to the driver: a connection
//! that broke is the outcome of one call.
//!
//! Every exchange is polled here, in the driver's own task, and first when it is handed over: its request
//! is on its way when [`Target::transmit`] returns.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use protocol::{
    ChainHash, Code, Key, Seq, frame,
    limits::REQUEST_BYTES_MAX,
    message::{ErrorReply, Reply, Request as Frame},
    outcome,
    words::{agenda, presence},
};

use super::{
    book::Book,
    exchange::{Exchanged, Link, exchange},
    read::Mapping,
    request::{Meaning, Request, Understood},
    template::{Scope, plain},
};
use crate::{
    operation::Slot,
    target::{LinkLost, Target},
    wire,
};

/// Kinds of answers told that no call of the file describes; more are counted under one name.
const SURPRISES_MAX: usize = 20;

/// Answers that the file does not describe, and how often each came.
pub type Surprises = BTreeMap<String, u64>;

/// Somebody of the run, by whose name and token calls are made.
#[derive(Debug, Clone)]
pub struct Person {
    /// What fills the places of their calls.
    pub scope: Scope,
}

/// What a slot is called there, by agenda, day and number.
pub type SlotNames = BTreeMap<Slot, Scope>;

/// See the head of this file.
pub struct HttpTarget {
    mapping: Arc<Mapping>,
    address: SocketAddr,
    host: String,
    people: Vec<Person>,
    slots: SlotNames,
    by_name: BTreeMap<String, Slot>,
    links: Vec<LinkState>,
    shared: Arc<Shared>,
    book: Book,
    /// Answers that the file does not describe.
    pub surprises: Surprises,
}

impl std::fmt::Debug for HttpTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpTarget")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

type Running = Pin<Box<dyn Future<Output = (Option<Link>, Exchanged)>>>;

/// One client's.
struct LinkState {
    waiting: VecDeque<Job>,
    running: Option<(Job, Running)>,
    idle: Option<Link>,
    /// Frames for the client.
    out: Vec<u8>,
    waker: Waker,
}

/// A call that was asked.
#[derive(Debug, Clone, Copy)]
struct Job {
    correlation: u64,
    /// Of a command: what our own server would know it again by.
    key: Option<Key>,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Reserve(agenda::SlotId),
    Cancel(u64),
    ListSlots { agenda: u64, day: u32 },
    MyBookings,
}

/// What wakers and the driver have in common.
#[derive(Default)]
struct Shared {
    /// Links on which something happened, and whoever waits for that.
    inner: Mutex<(Vec<u32>, Option<Waker>)>,
}

struct LinkWaker {
    link: u32,
    shared: Arc<Shared>,
}

impl Wake for LinkWaker {
    fn wake(self: Arc<Self>) {
        let mut inner = self
            .shared
            .inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        inner.0.push(self.link);
        if let Some(waker) = inner.1.take() {
            waker.wake();
        }
    }
}

impl HttpTarget {
    /// A target of these people's calls, each on a connection of their own.
    #[must_use]
    pub fn new(
        mapping: Arc<Mapping>,
        (address, host): (SocketAddr, String),
        people: Vec<Person>,
        slots: SlotNames,
    ) -> Self {
        let shared = Arc::new(Shared::default());
        let link = |(link, _person)| LinkState {
            waiting: VecDeque::new(),
            running: None,
            idle: None,
            out: Vec::new(),
            waker: Waker::from(Arc::new(LinkWaker {
                link,
                shared: Arc::clone(&shared),
            })),
        };
        let names = slots.iter();
        let by_name = names.map(|(slot, scope)| (name_of(scope), *slot)).collect();
        Self {
            links: (0..).zip(&people).map(link).collect(),
            mapping,
            address,
            host,
            people,
            slots,
            by_name,
            shared,
            book: Book::default(),
            surprises: Surprises::new(),
        }
    }

    fn wake(&self, link: u32) {
        let mut inner = self
            .shared
            .inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        inner.0.push(link);
        if let Some(waker) = inner.1.take() {
            waker.wake();
        }
    }

    /// Takes a frame of a client in.
    fn handle(&mut self, link: usize, request: &Frame<'_>) {
        let (correlation, key, what) = match *request {
            Frame::Command {
                correlation,
                key,
                kind,
                schema,
                body,
            } => {
                let what = match agenda::Command::decode(kind, schema, body) {
                    Ok(agenda::Command::Reserve(reserve)) => Some(What::Reserve(reserve.slot)),
                    Ok(agenda::Command::Cancel(cancel)) => Some(What::Cancel(cancel.booking)),
                    Ok(_) | Err(_) => None,
                };
                (correlation, Some(key), what)
            }
            Frame::Query {
                correlation,
                kind,
                schema,
                body,
            } => {
                if let Ok(presence::Query::Subscribe(_)) =
                    presence::Query::decode(kind, schema, body)
                {
                    return self.subscribe(link, correlation);
                }
                let what = match agenda::Query::decode(kind, schema, body) {
                    Ok(agenda::Query::ListSlots(list)) => Some(What::ListSlots {
                        agenda: list.agenda,
                        day: list.day,
                    }),
                    Ok(agenda::Query::MyBookings(_)) => Some(What::MyBookings),
                    Ok(_) | Err(_) => None,
                };
                (correlation, None, what)
            }
            Frame::Ping { correlation } => {
                return Reply::Pong { correlation }.encode(&mut self.links[link].out);
            }
            Frame::Auth { .. } | Frame::Hello { .. } | Frame::Signal { .. } | Frame::Alive => {
                return;
            }
        };
        match what {
            Some(what) => {
                if let What::Reserve(slot) = what {
                    self.book.begin(number(link), packed(slot));
                }
                self.links[link].waiting.push_back(Job {
                    correlation,
                    key,
                    what,
                });
            }
            // The plan lets no such call through.
            None => self.fail(link, correlation, Code::UNKNOWN_KIND),
        }
    }

    /// A client wants pushes: there are none, and it may begin.
    fn subscribe(&mut self, link: usize, correlation: u64) {
        let answer = presence::Answer::from(presence::Subscribed { from: Seq(0) });
        let mut body = Vec::new();
        answer.encode(&mut body);
        self.accept(link, correlation, 0, (answer.kind(), &body));
    }

    fn accept(
        &mut self,
        link: usize,
        correlation: u64,
        seq: u64,
        ((kind, schema), body): ((protocol::Kind, u8), &[u8]),
    ) {
        let mut accepted = Vec::new();
        outcome::encode_accepted(kind, schema, &mut accepted);
        accepted.extend_from_slice(body);
        Reply::Answer {
            correlation,
            seq: Seq(seq),
            hash: ChainHash::START,
            outcome: &accepted,
        }
        .encode(&mut self.links[link].out);
    }

    fn refuse(&mut self, link: usize, correlation: u64, code: Code) {
        let mut refused = Vec::new();
        outcome::encode_refused(&protocol::Refusal::new(code), &mut refused);
        Reply::Answer {
            correlation,
            seq: Seq(0),
            hash: ChainHash::START,
            outcome: &refused,
        }
        .encode(&mut self.links[link].out);
    }

    fn fail(&mut self, link: usize, correlation: u64, code: Code) {
        Reply::Error(ErrorReply {
            correlation,
            refusal: protocol::Refusal::new(code),
            retry_after_ms: 0,
            fatal: false,
        })
        .encode(&mut self.links[link].out);
    }

    /// The request of a job, and what fills its places. `None` where the file has no such call.
    fn ask(&self, link: usize, job: Job) -> Option<(&Request, Scope)> {
        let mut scope = self.people[link].scope.clone();
        if let Some(key) = job.key {
            scope.insert("key".to_owned(), key.to_string().into());
        }
        let request = match job.what {
            What::Reserve(slot) => {
                scope.extend(self.slots.get(&packed(slot))?.clone());
                self.mapping.reserve.as_ref()
            }
            What::Cancel(booking) => {
                let booking = self.book.get(booking)?;
                scope.extend(self.slots.get(&booking.slot)?.clone());
                scope.extend(booking.taken.clone());
                self.mapping.cancel.as_ref()
            }
            What::ListSlots { agenda, day } => {
                let first = self.slots.get(&packed(agenda::SlotId {
                    agenda,
                    day,
                    slot: 0,
                }))?;
                let of_day = ["run", "agenda", "day", "date"];
                let named = of_day
                    .iter()
                    .filter_map(|name| Some(((*name).to_owned(), first.get(*name)?.clone())));
                scope.extend(named);
                self.mapping.list_slots.as_ref()
            }
            What::MyBookings => self.mapping.my_bookings.as_ref(),
        };
        Some((request?, scope))
    }

    /// Goes on with a link as far as it goes now.
    fn poll_link(&mut self, index: usize) {
        loop {
            if self.links[index].running.is_none() {
                let Some(job) = self.links[index].waiting.pop_front() else {
                    return;
                };
                match self.begin(index, job) {
                    Some(running) => self.links[index].running = Some((job, running)),
                    None => continue,
                }
            }
            let link = &mut self.links[index];
            let Some((job, running)) = &mut link.running else {
                return;
            };
            let job = *job;
            let mut context = Context::from_waker(&link.waker);
            let polled = std::pin::pin!(tokio::task::coop::unconstrained(running.as_mut()))
                .poll(&mut context);
            let Poll::Ready((idle, exchanged)) = polled else {
                return;
            };
            link.running = None;
            link.idle = idle;
            self.finish(index, job, &exchanged);
        }
    }

    fn begin(&mut self, link: usize, job: Job) -> Option<Running> {
        let built = self
            .ask(link, job)
            .map(|(request, scope)| request.build(&self.host, self.mapping.keep_alive, &scope));
        match built {
            Some(Ok(request)) => {
                let idle = self.links[link].idle.take();
                Some(Box::pin(exchange(idle, self.address, request)))
            }
            Some(Err(why)) => {
                self.finish(link, job, &Exchanged::NotSent(why));
                None
            }
            None => {
                self.finish(
                    link,
                    job,
                    &Exchanged::NotSent("there is no such call, slot or booking".to_owned()),
                );
                None
            }
        }
    }

    /// An exchange is over: what it came to is understood and told.
    fn finish(&mut self, link: usize, job: Job, exchanged: &Exchanged) {
        let understood = match self.request(job.what) {
            Some(request) => request.understand(exchanged),
            None => Understood {
                meaning: Meaning::Error(Code::UNKNOWN_KIND),
                entries: Vec::new(),
                why: None,
            },
        };
        if let (Meaning::Unknown, Some(why)) = (understood.meaning, &understood.why) {
            self.note(job.what, why);
        }
        let Job {
            correlation, what, ..
        } = job;
        let client = number(link);
        match understood.meaning {
            Meaning::Ok => self.tell_ok(link, job, &understood),
            Meaning::Refused(code) => {
                if let What::Reserve(slot) = what {
                    self.book.refuse(client, packed(slot));
                }
                self.refuse(link, correlation, code);
            }
            Meaning::Error(code) => {
                if let What::Reserve(slot) = what {
                    self.book.refuse(client, packed(slot));
                }
                self.fail(link, correlation, code);
            }
            Meaning::Unknown => self.fail(link, correlation, wire::UNDECIDED),
        }
    }

    fn tell_ok(&mut self, link: usize, job: Job, understood: &Understood) {
        let client = number(link);
        let mut body = Vec::new();
        match job.what {
            What::Reserve(slot) => {
                let taken = understood.entries.first().cloned().unwrap_or_default();
                let booking = self.book.grant(client, packed(slot), taken);
                let event = agenda::Event::from(agenda::Reserved { slot });
                event.encode(&mut body);
                self.accept(link, job.correlation, booking, (event.kind(), &body));
            }
            What::Cancel(booking) => {
                self.book.cancel(client, booking);
                let slot = self
                    .book
                    .get(booking)
                    .map_or(Slot(0), |booking| booking.slot);
                let event = agenda::Event::from(agenda::Cancelled {
                    slot: slot.unpack(),
                });
                event.encode(&mut body);
                self.accept(link, job.correlation, 0, (event.kind(), &body));
            }
            What::ListSlots { day, .. } => {
                let answer = agenda::Answer::from(self.show_slots(client, day, understood));
                answer.encode(&mut body);
                self.accept(link, job.correlation, 0, (answer.kind(), &body));
            }
            What::MyBookings => {
                let answer = agenda::Answer::from(self.show_bookings(client, understood));
                answer.encode(&mut body);
                self.accept(link, job.correlation, 0, (answer.kind(), &body));
            }
        }
    }

    fn show_slots(&self, client: u32, day: u32, understood: &Understood) -> agenda::Slots {
        let name = self.people[slot_index(client)]
            .scope
            .get("user")
            .map(plain)
            .unwrap_or_default();
        let view = |entry: &Scope| {
            let holders = holders_of(entry);
            let slot = self.by_name.get(&name_of(entry));
            let mine = holders.contains(&name);
            agenda::SlotView {
                held: u16::try_from(holders.len()).unwrap_or(u16::MAX),
                waiting: 0,
                mine: slot
                    .filter(|_| mine)
                    .map_or(0, |slot| self.book.shown(client, *slot)),
                past: false,
            }
        };
        let slots = understood.entries.iter().take(usize::from(u16::MAX));
        agenda::Slots {
            day,
            slots: slots.map(view).collect(),
        }
    }

    fn show_bookings(&self, client: u32, understood: &Understood) -> agenda::Bookings {
        let view = |entry: &Scope| {
            let slot = *self.by_name.get(&name_of(entry))?;
            let booking = self.book.shown(client, slot);
            (booking != 0).then(|| agenda::BookingView {
                booking,
                slot: slot.unpack(),
                until: 0,
                key: Key([0; 16]),
            })
        };
        let bookings = understood.entries.iter().filter_map(view);
        agenda::Bookings {
            bookings: bookings.collect(),
        }
    }

    fn request(&self, what: What) -> Option<&Request> {
        match what {
            What::Reserve(_) => self.mapping.reserve.as_ref(),
            What::Cancel(_) => self.mapping.cancel.as_ref(),
            What::ListSlots { .. } => self.mapping.list_slots.as_ref(),
            What::MyBookings => self.mapping.my_bookings.as_ref(),
        }
    }

    fn note(&mut self, what: What, why: &str) {
        let name = match what {
            What::Reserve(_) => "reserve",
            What::Cancel(_) => "cancel",
            What::ListSlots { .. } => "list-slots",
            What::MyBookings => "my-bookings",
        };
        let text = format!("{name}: {why}");
        let is_full = SURPRISES_MAX <= self.surprises.len() && !self.surprises.contains_key(&text);
        let text = if is_full {
            "something else".to_owned()
        } else {
            text
        };
        *self.surprises.entry(text).or_default() += 1;
    }
}

/// The names of an entry's holders.
pub(crate) fn holders_of(entry: &Scope) -> Vec<String> {
    let holders = entry.get("holders").and_then(|holders| holders.as_array());
    holders.into_iter().flatten().map(plain).collect()
}

/// What the slot of a call or of an entry is called.
pub(crate) fn name_of(scope: &Scope) -> String {
    scope.get("slot").map(plain).unwrap_or_default()
}

fn packed(slot: agenda::SlotId) -> Slot {
    Slot::pack(slot).unwrap_or(Slot(0))
}

fn number(link: usize) -> u32 {
    u32::try_from(link).unwrap_or(u32::MAX)
}

fn slot_index(client: u32) -> usize {
    usize::try_from(client).unwrap_or(usize::MAX)
}

impl Target for HttpTarget {
    fn links(&self) -> usize {
        self.links.len()
    }

    fn poll_ready(
        &mut self,
        context: &mut Context<'_>,
        ready: &mut Vec<u32>,
    ) -> Poll<io::Result<()>> {
        let woken = {
            let mut inner = self
                .shared
                .inner
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            inner.1 = Some(context.waker().clone());
            std::mem::take(&mut inner.0)
        };
        for link in woken {
            let index = slot_index(link);
            if index < self.links.len() {
                self.poll_link(index);
                if !self.links[index].out.is_empty() {
                    ready.push(link);
                }
            }
        }
        if ready.is_empty() {
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    }

    fn receive(&mut self, link: u32, into: &mut [u8]) -> Result<usize, LinkLost> {
        let out = &mut self
            .links
            .get_mut(slot_index(link))
            .ok_or(LinkLost::Closed)?
            .out;
        let taken = out.len().min(into.len());
        into[..taken].copy_from_slice(&out[..taken]);
        out.drain(..taken);
        Ok(taken)
    }

    fn transmit(&mut self, link: u32, out: &mut Vec<u8>) -> Result<(), LinkLost> {
        let index = slot_index(link);
        if self.links.len() <= index {
            return Err(LinkLost::Closed);
        }
        let mut rest = out.as_slice();
        while let Ok(Some((frame, after))) = frame::split(rest, REQUEST_BYTES_MAX) {
            if let Ok(request) = Frame::decode(frame) {
                self.handle(index, &request);
            }
            rest = after;
        }
        out.clear();
        self.poll_link(index);
        if !self.links[index].out.is_empty() {
            self.wake(link);
        }
        Ok(())
    }

    /// Whoever goes away on purpose takes their connection along: what was asked on it is not known.
    fn close(&mut self, link: u32) {
        if let Some(link) = self.links.get_mut(slot_index(link)) {
            (link.running, link.idle) = (None, None);
            link.waiting.clear();
            link.out.clear();
        }
    }

    fn reopen(&mut self, _link: u32) -> Result<(), LinkLost> {
        Ok(())
    }

    fn redirect(&mut self, address: SocketAddr) {
        self.address = address;
    }
}
