//! Who follows what, and how a connection that is behind gets to where the queue is.
//!
//! Subscriptions, memberships and wishes to watch people go in; the lists of subscribers change, and what
//! a connection missed comes from the log into its outbox, until it has reached the place where the
//! queue is: from there on it follows live. Deliberately absent: the queue, and handing out what is
//! told live (`delivery`).

use protocol::{Seq, UserId};

use super::{
    Connections, Transport,
    backlog::Backlog,
    delivery::{Delivery, Slice, encode},
    outbox::SharedFrame,
    subscribers::Topic,
};
use crate::{
    archive,
    domain::{Membership, Stream},
    feed::Feed,
    growth::make_room,
    keyring::Keyring,
    log::{LogError, LogReader},
    stream_key::StreamKey,
};

/// Why a stream that is followed fits into six bytes.
const LOGGED: &str = "only what the log names is followed";

/// What a connection is told without having asked.
#[derive(Debug, Default)]
pub(crate) enum Subscription {
    /// Nothing: it has not subscribed, or its session is over.
    #[default]
    Nothing,
    /// What it missed, from the log.
    CatchingUp(Box<Backlog>),
    /// What happens, in these streams.
    Live(Vec<StreamKey>),
}

impl<T: Transport> Connections<T> {
    pub(super) fn begin_subscription(
        &mut self,
        id: u64,
        from: Seq,
        follows: &[(Stream, Seq)],
        feed: &Feed,
    ) {
        let Some(index) = self.find(id) else { return };
        let connection = &mut self.slab[index];
        if connection.session.is_subscribed() {
            connection.delivered_seq = from;
            connection.outbox.begin_at(from);
            #[cfg(feature = "planted-bugs")]
            if self.tamper.stalls(from, self.delivery.reached) {
                return;
            }
            #[cfg(feature = "planted-bugs")]
            let from = self.tamper.resume_from(from);
            connection.subscription =
                Subscription::CatchingUp(Backlog::new(from, follows, feed).into());
            self.queue_catching_up(index);
        }
    }

    pub(super) fn handle_membership(&mut self, seq: Seq, membership: Membership, feed: &Feed) {
        let Membership {
            user,
            stream,
            begins,
        } = membership;
        let topic = Topic::Stream(stream);
        for id in self.people.get(&user).cloned().unwrap_or_default() {
            let Some(index) = self.find(id) else { continue };
            match &mut self.slab[index].subscription {
                Subscription::Nothing => {}
                Subscription::CatchingUp(backlog) if begins => backlog.begin(stream, seq, feed),
                Subscription::CatchingUp(backlog) => backlog.end(stream, seq),
                Subscription::Live(streams) => {
                    let short = StreamKey::new(stream).expect(LOGGED);
                    let place = streams.iter().position(|other| *other == short);
                    match place {
                        None if begins => {
                            make_room(streams);
                            streams.push(short);
                            self.delivery.subscribers.insert(topic, id);
                        }
                        Some(place) if !begins => {
                            streams.swap_remove(place);
                            self.delivery.subscribers.remove(topic, id);
                        }
                        None | Some(_) => {}
                    }
                }
            }
        }
    }

    /// From now on a connection is told nothing more that it has not asked for.
    pub(crate) fn unsubscribe(&mut self, index: usize) {
        let connection = &mut self.slab[index];
        let id = super::id_of(index, connection.serial);
        if let Subscription::Live(streams) = std::mem::take(&mut connection.subscription) {
            for stream in streams {
                let topic = Topic::Stream(stream.get());
                self.delivery.subscribers.remove(topic, id);
            }
        }
    }

    /// From now on a connection is told when these people come and go; first how it stands.
    pub(crate) fn watch(&mut self, id: u64, users: Box<[UserId]>, frames: Vec<SharedFrame>) {
        let Some(index) = self.find(id) else { return };
        self.unwatch(index);
        for user in &users {
            self.delivery.subscribers.insert(Topic::Presence(*user), id);
        }
        let connection = &mut self.slab[index];
        connection.watched = users;
        for frame in frames {
            connection.outbox.push(Seq::START, frame);
        }
        if !connection.outbox.is_empty() {
            self.handle_waiting(index);
        }
    }

    /// From now on a connection is not told who comes and goes.
    pub(crate) fn unwatch(&mut self, index: usize) {
        let connection = &mut self.slab[index];
        let id = super::id_of(index, connection.serial);
        let is_classic = connection.is_classic();
        for user in std::mem::take(&mut connection.watched) {
            self.delivery.subscribers.remove(Topic::Presence(user), id);
        }
        if is_classic {
            self.delivery.subscribers.remove(Topic::Arrivals, id);
        }
    }

    /// A connection that is behind takes more.
    pub(crate) fn queue_catching_up(&mut self, index: usize) {
        let connection = &mut self.slab[index];
        let is_catching_up = matches!(connection.subscription, Subscription::CatchingUp(_));
        if is_catching_up && !connection.is_in_line && !self.delivery.is_draining {
            connection.is_in_line = true;
            let id = super::id_of(index, connection.serial);
            self.delivery.catching_up.push_back(id);
        }
    }

    pub(super) fn catch_up(&mut self, feed: &Feed, keyring: &Keyring, reader: &mut dyn LogReader) {
        let Slice {
            writes, mut rows, ..
        } = self.delivery.slice;
        for _ in 0..self.delivery.catching_up.len().min(writes) {
            let Some(id) = self.delivery.catching_up.pop_front() else {
                return;
            };
            rows = rows.saturating_sub(self.tell_backlog(id, feed, keyring, reader));
            if rows == 0 {
                return;
            }
        }
    }

    /// Tells a connection some of what it missed. Returns how many rows of the log that took.
    fn tell_backlog(
        &mut self,
        id: u64,
        feed: &Feed,
        keyring: &Keyring,
        reader: &mut dyn LogReader,
    ) -> usize {
        let Some(index) = self.find(id) else { return 0 };
        let connection = &mut self.slab[index];
        connection.is_in_line = false;
        // One that is blocked, or has something to send, comes back when that was sent.
        let is_busy = connection.is_blocked || !connection.outbox.is_empty();
        let Subscription::CatchingUp(backlog) = &mut connection.subscription else {
            return 0;
        };
        if is_busy {
            return 0;
        }
        let limit = self.delivery.slice.backlog;
        let seqs = backlog.take(feed, self.delivery.reached, limit);
        let (frames, rows) = match self.delivery.frames_at(&seqs, keyring, reader) {
            Ok(found) => found,
            Err(error) => {
                // A push that is left out would never be missed: it all ends here.
                let first = seqs.first().copied().unwrap_or_default();
                let refusal = archive::unreadable(first, &error);
                self.unsubscribe(index);
                self.with_session(id, |session| _ = session.handle_end(refusal));
                return seqs.len();
            }
        };
        let connection = &mut self.slab[index];
        for (seq, frame) in seqs.iter().zip(frames) {
            connection.delivered_seq = *seq;
            #[cfg(feature = "planted-bugs")]
            if self.tamper.is_deaf(connection.user) || self.tamper.leaves_out(&frame) {
                continue;
            }
            connection.outbox.push(*seq, frame);
        }
        if seqs.len() < limit {
            self.go_live(index);
        }
        if !seqs.is_empty() {
            self.handle_waiting(index);
        }
        rows
    }

    /// A connection has everything up to where the queue is, and gets the rest from there.
    fn go_live(&mut self, index: usize) {
        let connection = &mut self.slab[index];
        let id = super::id_of(index, connection.serial);
        let Subscription::CatchingUp(backlog) = &connection.subscription else {
            return;
        };
        let streams = backlog.streams();
        for stream in &streams {
            self.delivery.subscribers.insert(Topic::Stream(*stream), id);
        }
        let short = |stream: &Stream| StreamKey::new(*stream).expect(LOGGED);
        connection.subscription = Subscription::Live(streams.iter().map(short).collect());
        connection.delivered_seq = connection.delivered_seq.max(self.delivery.reached);
    }
}

impl<W> Delivery<W> {
    /// The frames of the pushes at these positions, which rise; and how many were not at hand.
    fn frames_at(
        &mut self,
        seqs: &[Seq],
        keyring: &Keyring,
        reader: &mut dyn LogReader,
    ) -> Result<(Vec<SharedFrame>, usize), LogError> {
        let (recent, gauge) = (&mut self.recent, &self.gauge);
        let find = |seq: &Seq| (*seq, recent.find(*seq));
        let mut frames: Vec<_> = seqs.iter().map(find).collect();
        let missing: Vec<Seq> = frames
            .iter()
            .filter(|(_, frame)| frame.is_none())
            .map(|(seq, _)| *seq)
            .collect();
        let mut places = frames.iter_mut().filter(|(_, frame)| frame.is_none());
        let mut failure = None;
        archive::read_rows(
            reader,
            &missing,
            &mut |row| match archive::push_of(row, keyring) {
                Ok(push) => {
                    let frame = encode(archive::head_of(row), &push, gauge);
                    recent.insert(row.record.seq, &frame);
                    if let Some((_, place)) = places.next() {
                        *place = Some(frame);
                    }
                }
                Err(error) => failure = Some(error),
            },
        )?;
        if let Some(error) = failure {
            return Err(error);
        }
        let found = frames.into_iter().filter_map(|(_, frame)| frame).collect();
        Ok((found, missing.len()))
    }
}
