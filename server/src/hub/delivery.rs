//! Pushes on their way from the log to whoever follows them.
//!
//! What the log lets go of goes in, in its order, into one queue; from there, a slice at a time, it
//! is handed to the connections that follow, as one frame that all of them share. Between two slices
//! everybody else has their turn: no answer waits for a push. Deliberately absent: deciding what is
//! told to whom, who follows and who is behind (`subscription`), and the links.

use std::collections::VecDeque;

use protocol::{Code, Refusal, Seq, UserId, message::Reply};

use super::{
    Connections, Done, Transport, WriteMany as _, Written,
    frame::Gauge,
    outbox::{OUTBOX_FRAMES_MAX, SharedFrame},
    recent::Recent,
    subscribers::{List, Subscribers, Topic},
    subscription::Subscription,
};
use crate::{
    domain::{Membership, Stream, systems::PushBytes},
    feed::Feed,
    keyring::Keyring,
    log::{Head, LogReader},
};

/// How much is done in one slice, while everybody else waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slice {
    /// Frames handed to connections: a tenth of a millisecond.
    pub(crate) handed: usize,
    /// Writes, each a system call of some five microseconds: a third of a millisecond. As many for
    /// each of the writers make a round.
    pub(crate) writes: usize,
    /// Rows of the log read, some five to ten microseconds each where nothing is near.
    pub(crate) rows: usize,
    /// Positions that a connection which is behind is given at once: it waits for its turn again
    /// after that, and until its socket took them.
    pub(crate) backlog: usize,
}

impl Slice {
    const DEFAULT: Self = Self {
        handed: 2_048,
        writes: 64,
        rows: 64,
        backlog: 64,
    };
}

/// Frames after which a connection that takes them is written to at once, so that what waits stays
/// little when much is told between two turns.
const OUTBOX_FRAMES_LONG: usize = 256;
const _: () = assert!(OUTBOX_FRAMES_LONG + Slice::DEFAULT.backlog < OUTBOX_FRAMES_MAX);

/// Items that may wait to be handed out before commands are refused as busy: at 100 a second to
/// 10,000 people it is minutes of work.
const ITEMS_MAX: usize = 16 * 1_024;

/// Bytes of frames that may wait to be handed out before that: of the longest messages, half as many.
pub(super) const ITEMS_BYTES_MAX: usize = 32 * 1_024 * 1_024;

/// Items that may wait before signals are refused as busy: they give way to what is logged.
const ITEMS_CALM: usize = 1_024;

/// One step of what the queue is to do.
#[derive(Debug)]
pub(crate) enum Item {
    Told(Topic, Told),
    Membership(Seq, Membership),
    Subscribe {
        connection: u64,
        at: Seq,
        from: Seq,
        follows: Vec<(Stream, Seq)>,
    },
}

impl Item {
    fn bytes(&self) -> usize {
        match self {
            Self::Told(_, told) => told.frame.len(),
            Self::Membership(..) | Self::Subscribe { .. } => 0,
        }
    }
}

/// A frame for many.
#[derive(Debug)]
pub(crate) struct Told {
    /// Its position in the log, [`Seq::START`] if it has none.
    pub(crate) seq: Seq,
    pub(crate) frame: SharedFrame,
    /// Whom not to tell, because it is about what they did.
    pub(crate) except: UserId,
}

/// A frame that some have and others are yet to get.
#[derive(Debug)]
struct UnderWay {
    told: Told,
    to: List,
    next: usize,
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Delivery<W> {
    pub(crate) slice: Slice,
    items: VecDeque<Item>,
    /// Bytes of the frames in them.
    items_bytes: usize,
    /// Bytes of all frames that wait anywhere.
    pub(crate) gauge: Gauge,
    under_way: Option<UnderWay>,
    /// The newest position whose item was begun: whoever is told everything up to it, and follows
    /// from there, misses nothing.
    pub(crate) reached: Seq,
    pub(crate) subscribers: Subscribers,
    pub(super) recent: Recent,
    pub(crate) writers: W,
    /// Connections that are behind and take more.
    pub(super) catching_up: VecDeque<u64>,
    /// Connections with something in their outbox.
    pub(crate) ready: VecDeque<usize>,
    /// Whether nobody who is behind is told more: they can go on from where they are.
    pub(super) is_draining: bool,
    /// What was gathered for one write.
    pub(crate) scratch: Vec<u8>,
}

impl<W> Delivery<W> {
    pub(crate) fn new(writers: W) -> Self {
        Self {
            slice: Slice::DEFAULT,
            items: VecDeque::new(),
            items_bytes: 0,
            gauge: Gauge::default(),
            under_way: None,
            reached: Seq::START,
            subscribers: Subscribers::default(),
            recent: Recent::default(),
            writers,
            catching_up: VecDeque::new(),
            ready: VecDeque::new(),
            is_draining: false,
            scratch: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, item: Item) {
        self.items_bytes += item.bytes();
        self.items.push_back(item);
    }

    fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.items_bytes -= item.bytes();
        Some(item)
    }

    /// Whether nothing more may be decided until some of this is done.
    pub(crate) fn is_overloaded(&self) -> bool {
        ITEMS_MAX < self.items.len() || ITEMS_BYTES_MAX < self.items_bytes
    }

    /// Whether so much waits that signals have to give way.
    pub(crate) fn is_busy(&self) -> bool {
        ITEMS_CALM < self.items.len()
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Connections that are behind and take more.
    pub(crate) fn catching_up(&self) -> usize {
        self.catching_up.len()
    }

    /// Only what was let go of is told still.
    pub(crate) fn drain(&mut self) {
        self.is_draining = true;
        self.catching_up.clear();
    }

    fn has_waiting(&self) -> bool {
        !(self.items.is_empty()
            && self.under_way.is_none()
            && self.catching_up.is_empty()
            && self.ready.is_empty())
    }

    /// A push that was let go of: encoded here, once.
    pub(crate) fn push_released(&mut self, at: Head, delivered_at: Head, push: &PushBytes) {
        let frame = encode(delivered_at, push, &self.gauge);
        if push.is_kept {
            self.recent.insert(at.seq, &frame);
        }
        let told = Told {
            seq: at.seq,
            frame,
            except: UserId::NOBODY,
        };
        self.push(Item::Told(Topic::Stream(push.stream), told));
    }

    /// Somebody was erased: what is kept at hand may be theirs, and the log has it sealed.
    pub(crate) fn forget_recent(&mut self) {
        self.recent = Recent::default();
    }

    /// News of what is not in the log; nothing if nobody follows the topic.
    pub(crate) fn push_news(&mut self, topic: Topic, frame: SharedFrame, except: UserId) {
        if self.subscribers.of(topic).is_some() {
            let told = Told {
                seq: Seq::START,
                frame,
                except,
            };
            self.push(Item::Told(topic, told));
        }
    }
}

impl<T: Transport> Connections<T> {
    /// Whether a slice would do anything.
    pub(crate) fn has_deliveries(&self) -> bool {
        self.delivery.has_waiting() || self.delivery.writers.has_work()
    }

    /// Whether nothing is to be told, and nobody is being written to.
    pub(crate) fn is_at_rest(&self) -> bool {
        !self.has_deliveries() && self.delivery.writers.is_empty()
    }

    /// One slice of everything that is to be told.
    pub(crate) fn deliver(&mut self, feed: &Feed, keyring: &Keyring, reader: &mut dyn LogReader) {
        let mut writes = self.delivery.slice.writes;
        writes -= self.delivery.writers.write(writes);
        while let Some(done) = self.delivery.writers.take_done() {
            self.return_links(&done);
        }
        self.hand_out(feed);
        self.catch_up(feed, keyring, reader);
        for _ in 0..writes {
            let Some(index) = self.delivery.ready.pop_front() else {
                break;
            };
            // The connection may be another one by now, which has nothing to send.
            let connection = self.slab.get_mut(index);
            if connection.is_some_and(|connection| std::mem::take(&mut connection.is_ready)) {
                self.send(index);
            }
        }
    }

    fn hand_out(&mut self, feed: &Feed) {
        let mut left = self.delivery.slice.handed;
        while 0 < left {
            if let Some(under_way) = self.delivery.under_way.take() {
                if self.is_lone() {
                    // What the writers have is enough for this slice.
                    left = 0;
                    let round = self.delivery.slice.writes * self.delivery.writers.count();
                    let limit = if self.delivery.writers.has_untaken() {
                        0
                    } else {
                        round
                    };
                    self.hand_on(under_way, limit, Self::hand_at_once);
                } else {
                    left -= self.hand_on(under_way, left, Self::hand);
                }
            } else if let Some(item) = self.delivery.pop() {
                left -= 1;
                self.begin(item, feed);
            } else {
                break;
            }
        }
    }

    /// Whether the frame under way is all there is to tell: nothing follows that could leave in the
    /// same write.
    fn is_lone(&self) -> bool {
        // What is tampered with goes through the outbox.
        let is_tampered_with = cfg!(feature = "planted-bugs");
        !is_tampered_with
            && self.delivery.items.is_empty()
            && self.delivery.ready.len() < self.delivery.slice.writes
    }

    /// Hands a frame to at most `limit` more of those who are to get it. Returns to how many.
    fn hand_on(
        &mut self,
        mut under_way: UnderWay,
        limit: usize,
        hand: fn(&mut Self, &[u64], &Told),
    ) -> usize {
        let next = under_way.next;
        let to = under_way.to.as_slice();
        let end = to.len().min(next + limit);
        hand(self, &to[next..end], &under_way.told);
        let is_left = end < to.len();
        if is_left {
            under_way.next = end;
            self.delivery.under_way = Some(under_way);
        }
        end - next
    }

    fn begin(&mut self, item: Item, feed: &Feed) {
        let reached = match item {
            Item::Told(topic, told) => {
                let seq = told.seq;
                let to = self.delivery.subscribers.of(topic);
                self.delivery.under_way = to.map(|to| UnderWay { told, to, next: 0 });
                seq
            }
            Item::Membership(seq, membership) => {
                self.handle_membership(seq, membership, feed);
                // Others may begin with the same record, and its push is behind all of them.
                Seq(seq.0 - u64::from(membership.begins))
            }
            Item::Subscribe {
                connection,
                at,
                from,
                follows,
            } => {
                self.begin_subscription(connection, from, &follows, feed);
                at
            }
        };
        self.delivery.reached = self.delivery.reached.max(reached);
    }

    /// Puts a frame into the outbox of connections, unless they have it, or will have it with their
    /// backlog.
    fn hand(&mut self, ids: &[u64], told: &Told) {
        for id in ids {
            if let Some(index) = self.find_concerned(*id, told) {
                self.put(index, told);
            }
        }
    }

    /// As [`Connections::hand`], but a frame that has nothing to wait for is sent at once.
    fn hand_at_once(&mut self, ids: &[u64], told: &Told) {
        let mut free = Vec::with_capacity(ids.len());
        for id in ids {
            match self.find_concerned(*id, told) {
                Some(index) if self.slab[index].is_free() => free.push(index),
                Some(index) => self.put(index, told),
                None => {}
            }
        }
        if self.delivery.writers.is_worthwhile(free.len()) {
            self.borrow_links(&free, told);
        } else {
            for index in free {
                let connection = &mut self.slab[index];
                match connection.link.try_write(&told.frame).unwrap_or(0) {
                    0 => self.put(index, told),
                    taken => {
                        connection.outbox.begin_at(told.seq);
                        self.handle_written(index, &told.frame, taken);
                    }
                }
            }
        }
    }

    /// Has a frame written to connections that nothing else is sent to until that is done.
    fn borrow_links(&mut self, free: &[usize], told: &Told) {
        let mut ids = Vec::with_capacity(free.len());
        let mut links = Vec::with_capacity(free.len());
        for index in free {
            let connection = &mut self.slab[*index];
            connection.is_borrowed = true;
            connection.outbox.begin_at(told.seq);
            ids.push(super::id_of(*index, connection.serial));
            links.push(connection.link.clone());
        }
        self.delivery.writers.begin(ids, links, &told.frame);
    }

    /// The writers are done with these connections.
    fn return_links(&mut self, done: &Done) {
        for Written { id, taken } in &done.written {
            if let Some(index) = self.find(*id) {
                self.slab[index].is_borrowed = false;
                self.handle_written(index, &done.frame, *taken);
            }
        }
    }

    /// A link took so much of a frame. The rest of it comes before what waits: a link that is full or
    /// gone says so again when that is sent.
    fn handle_written(&mut self, index: usize, frame: &[u8], taken: usize) {
        let connection = &mut self.slab[index];
        connection.taken += u64::from(0 < taken);
        if taken < frame.len() {
            connection.session.handle_cut_frame(&frame[taken..]);
        }
        if connection.has_business() || !connection.outbox.is_empty() {
            self.send(index);
        } else {
            self.weigh(index);
        }
    }

    /// The connection, if it is to get this frame; it counts as told.
    fn find_concerned(&mut self, id: u64, told: &Told) -> Option<usize> {
        let index = self.find(id)?;
        let connection = &mut self.slab[index];
        let is_concerned = connection.user.is_some_and(|user| user != told.except);
        let is_new = if told.seq == Seq::START {
            connection.session.is_subscribed()
        } else {
            matches!(connection.subscription, Subscription::Live(_))
                && connection.delivered_seq < told.seq
        };
        (is_concerned && is_new).then(|| {
            connection.delivered_seq = connection.delivered_seq.max(told.seq);
            index
        })
    }

    fn put(&mut self, index: usize, told: &Told) {
        let connection = &mut self.slab[index];
        #[cfg(not(feature = "planted-bugs"))]
        connection
            .outbox
            .push(told.seq, SharedFrame::clone(&told.frame));
        #[cfg(feature = "planted-bugs")]
        {
            if told.seq != Seq::START && self.tamper.is_deaf(connection.user) {
                return;
            }
            let id = super::id_of(index, connection.serial);
            for (seq, frame) in self.tamper.tell(id, told.seq, &told.frame) {
                connection.outbox.push(seq, frame);
            }
        }
        self.handle_waiting(index);
    }

    /// Something was put into the outbox of a connection.
    pub(super) fn handle_waiting(&mut self, index: usize) {
        let connection = &mut self.slab[index];
        if connection.is_blocked || connection.is_borrowed {
            if connection.outbox.is_over() {
                self.end_slow_reader(index);
            }
        } else if OUTBOX_FRAMES_LONG <= connection.outbox.len() {
            self.send(index);
        } else if !connection.is_ready {
            connection.is_ready = true;
            self.delivery.ready.push_back(index);
        }
        self.weigh(index);
    }

    /// A reader that does not read is told from where to go on, and is gone: nothing is left out in
    /// silence.
    pub(super) fn end_slow_reader(&mut self, index: usize) {
        self.unsubscribe(index);
        self.unwatch(index);
        let connection = &mut self.slab[index];
        let waiting = u64::try_from(connection.outbox.len()).unwrap_or(u64::MAX);
        let sent = connection.outbox.sent();
        connection.outbox.clear();
        connection.is_slow = true;
        let refusal = Refusal::with(Code::SLOW_READER, sent.0, waiting);
        connection.session.handle_end(refusal);
        self.mark_dirty(index);
    }
}

pub(super) fn encode(at: Head, push: &PushBytes, gauge: &Gauge) -> SharedFrame {
    let mut bytes = Vec::with_capacity(64 + push.body.len());
    Reply::Push {
        seq: at.seq,
        hash: at.hash,
        kind: push.kind,
        schema: push.schema,
        body: &push.body,
    }
    .encode(&mut bytes);
    SharedFrame::new(bytes, gauge)
}
