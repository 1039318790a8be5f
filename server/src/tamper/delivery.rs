//! What planted bugs do to what people are told: pushes, receipts, and who is here.
//!
//! The connections and the hub ask at each place where a bug can strike; it does the honest thing
//! unless its bug has its turn. Deliberately absent: what is decided and logged (see `tamper`).

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
};

use protocol::{
    Seq, UserId, frame,
    limits::REPLY_BYTES_MAX,
    message::Reply,
    words::{
        agenda,
        chat::{Content, Entry, Push, Receipt},
        presence::PresenceChanged,
    },
};

use super::{PlantedBug, Tamper};
use crate::{
    domain::systems::PushBytes,
    hub::{connections::PresenceChange, outbox::SharedFrame},
};

/// How many positions too early a connection goes on.
const EARLY: u64 = 40;
/// By how much the time of a going is wrong, milliseconds.
const MINUTE: u64 = 60_000;

/// What the delivery remembers.
#[derive(Debug, Default)]
pub(super) struct DeliveryTamper {
    /// A frame that one connection is to get after its next one.
    held: Option<(u64, Seq, SharedFrame)>,
    /// The newest receipt of everybody, by conversation.
    receipts: BTreeMap<(u64, UserId), Receipt>,
    /// What connections are being told, and what they were told before.
    newest: Told,
    before: Told,
    /// The last going of everybody.
    goings: BTreeMap<UserId, PresenceChanged>,
}

/// A push, and the connections it was handed to.
#[derive(Debug, Default)]
struct Told {
    seq: Seq,
    frame: Option<SharedFrame>,
    to: BTreeSet<u64>,
    /// Whether it is kept from every second one.
    is_halved: bool,
}

impl Tamper {
    /// The frames that a connection is given in the place of this one.
    pub(crate) fn tell(
        &mut self,
        id: u64,
        seq: Seq,
        frame: &SharedFrame,
    ) -> Vec<(Seq, SharedFrame)> {
        let honest = (seq, frame.clone());
        if seq == Seq::START {
            return vec![honest];
        }
        if let Some((_, held_seq, held)) = self.delivery.held.take_if(|held| held.0 == id) {
            let late = (held_seq, held);
            return if self.bug() == Some(PlantedBug::TwoOrders) {
                swapped(&late, &honest).unwrap_or_else(|| vec![late, honest])
            } else {
                vec![honest, late]
            };
        }
        let Some(entry) = entry_of(frame) else {
            return vec![honest];
        };
        self.note(id, seq, frame);
        if self.is_due(PlantedBug::LostMessage) || self.is_kept_from(id) {
            return Vec::new();
        }
        let holds =
            self.is_due(PlantedBug::ReorderedConversation) || self.is_due(PlantedBug::TwoOrders);
        if holds && self.delivery.held.is_none() {
            self.delivery.held = Some((id, seq, frame.clone()));
            return Vec::new();
        }
        if self.is_due(PlantedBug::ToldTwice) {
            return vec![honest.clone(), honest];
        }
        if matches!(entry.content, Content::Text(_)) && self.is_due(PlantedBug::AlteredWords) {
            let content = Content::Text("something else".into());
            return vec![(seq, with_entry(frame, Entry { content, ..entry }))];
        }
        if let Content::Text(text) = &entry.content
            && let Some(mut text) = text.text().map(str::to_owned)
            && self.is_due(PlantedBug::CutWords)
        {
            text.pop();
            let content = Content::Text(text.into());
            return vec![(seq, with_entry(frame, Entry { content, ..entry }))];
        }
        self.leaked_to(id).into_iter().chain([honest]).collect()
    }

    /// An entry is handed to a connection.
    fn note(&mut self, id: u64, seq: Seq, frame: &SharedFrame) {
        if self.delivery.newest.seq != seq {
            let is_halved = self.is_due(PlantedBug::HalfTold);
            let newest = Told {
                seq,
                frame: Some(frame.clone()),
                to: BTreeSet::new(),
                is_halved,
            };
            self.delivery.before = mem::replace(&mut self.delivery.newest, newest);
        }
        self.delivery.newest.to.insert(id);
    }

    /// Whether the newest entry is not for this connection after all.
    fn is_kept_from(&self, id: u64) -> bool {
        let newest = &self.delivery.newest;
        newest.is_halved && newest.to.contains(&id) && newest.to.len() % 2 == 1
    }

    /// The entry before the newest one, if this connection was not told it and now is.
    fn leaked_to(&mut self, id: u64) -> Option<(Seq, SharedFrame)> {
        let Told { seq, frame, to, .. } = &self.delivery.before;
        let leaked = (*seq, frame.as_ref()?.clone());
        let is_stranger = !to.contains(&id);
        (is_stranger && self.is_due(PlantedBug::LeakedMessage)).then_some(leaked)
    }

    /// Whether somebody is told nothing of what is logged. Numbers are positions of registrations, and log-ins
    /// come between them soon: one in 37 may be nobody at all.
    pub(crate) fn is_deaf(&self, user: Option<UserId>) -> bool {
        let bug = PlantedBug::DeafPerson;
        self.bug() == Some(bug) && user.is_some_and(|user| user.0.is_multiple_of(bug.every()))
    }

    /// Whether a push is told to nobody.
    pub(crate) fn swallows(&mut self, push: &PushBytes) -> bool {
        let chat = Push::decode(push.kind, push.schema, &push.body);
        if matches!(chat, Ok(Push::Receipt(_))) {
            return self.is_due(PlantedBug::LostReceipt);
        }
        let agenda = agenda::Event::decode(push.kind, push.schema, &push.body);
        matches!(agenda, Ok(agenda::Event::Promoted(_))) && self.is_due(PlantedBug::LostPromotion)
    }

    /// Whether an entry is left out of what a connection missed.
    pub(crate) fn leaves_out(&mut self, frame: &SharedFrame) -> bool {
        entry_of(frame).is_some() && self.is_due(PlantedBug::LostBacklog)
    }

    /// Whether a connection that goes on from `from`, when everything up to `reached` was told
    /// already, is told nothing any more.
    pub(crate) fn stalls(&mut self, from: Seq, reached: Seq) -> bool {
        from < reached && self.is_due(PlantedBug::StalledBacklog)
    }

    /// Where a connection goes on from, when another one of the same person is at `other`.
    pub(crate) fn cursor(&mut self, honest: Seq, other: Option<Seq>) -> Seq {
        match other.filter(|other| honest < *other) {
            Some(other) if self.is_due(PlantedBug::SharedCursor) => other,
            Some(_) | None => honest,
        }
    }

    /// What is told in the place of a coming or going.
    pub(crate) fn announce(&mut self, honest: PresenceChanged) -> Vec<PresenceChanged> {
        let going = self.delivery.goings.get(&honest.user).copied();
        if !honest.online {
            self.delivery.goings.insert(honest.user, honest);
            return if self.is_due(PlantedBug::UntoldGoing) {
                Vec::new()
            } else if self.is_due(PlantedBug::FallingLastSeen) {
                let last_seen = honest.last_seen.saturating_sub(MINUTE);
                vec![PresenceChanged {
                    last_seen,
                    ..honest
                }]
            } else {
                vec![honest]
            };
        }
        match going {
            Some(going) if self.is_due(PlantedBug::LateGoing) => {
                let epoch = honest.epoch;
                vec![honest, PresenceChanged { epoch, ..going }]
            }
            Some(_) | None => vec![honest],
        }
    }

    /// The position behind which a connection really goes on.
    pub(crate) fn resume_from(&mut self, honest: Seq) -> Seq {
        if self.is_due(PlantedBug::DuplicateAfterReconnect) {
            return Seq(honest.0.saturating_sub(EARLY));
        }
        if self.is_due(PlantedBug::BacklogLostInCrash) {
            return honest.max(self.found_at);
        }
        honest
    }

    /// A push that is told in the place of this one, if one is.
    pub(crate) fn receipt(&mut self, push: &PushBytes) -> Option<PushBytes> {
        let Ok(Push::Receipt(receipt)) = Push::decode(push.kind, push.schema, &push.body) else {
            return None;
        };
        let whose = (receipt.conversation, receipt.user);
        let before = self.delivery.receipts.insert(whose, receipt);
        let forged = match before {
            Some(before) if 0 < before.delivered && self.is_due(PlantedBug::FallingReceipt) => {
                let delivered = before.delivered - 1;
                Receipt {
                    delivered,
                    read: before.read.min(delivered),
                    ..receipt
                }
            }
            _ if self.is_due(PlantedBug::PrematureReceipt) => Receipt {
                delivered: receipt.delivered + 1,
                ..receipt
            },
            _honest => return None,
        };
        let mut body = Vec::new();
        Push::from(forged).encode(&mut body);
        Some(PushBytes {
            body,
            ..push.clone()
        })
    }

    /// Whether nobody notices that somebody is gone.
    pub(crate) fn overlooks(&mut self, coming: &PresenceChange) -> bool {
        match coming {
            PresenceChange::Left(_) => self.is_due(PlantedBug::StuckPresence),
            PresenceChange::Arrived(_) => false,
        }
    }
}

/// Two entries of one conversation, each at the other's index; `None` if they are not that.
fn swapped(
    first: &(Seq, SharedFrame),
    second: &(Seq, SharedFrame),
) -> Option<Vec<(Seq, SharedFrame)>> {
    let (one, other) = (entry_of(&first.1)?, entry_of(&second.1)?);
    let is_pair = one.conversation == other.conversation && one.index + 1 == other.index;
    let (low, high) = (one.index, other.index);
    is_pair.then(|| {
        vec![
            (
                first.0,
                with_entry(
                    &first.1,
                    Entry {
                        index: low,
                        ..other
                    },
                ),
            ),
            (
                second.0,
                with_entry(&second.1, Entry { index: high, ..one }),
            ),
        ]
    })
}

fn entry_of(bytes: &SharedFrame) -> Option<Entry> {
    let (frame, _) = frame::split(bytes, REPLY_BYTES_MAX).ok()??;
    let Ok(Reply::Push {
        kind, schema, body, ..
    }) = Reply::decode(frame)
    else {
        return None;
    };
    match Push::decode(kind, schema, body) {
        Ok(Push::Entry(entry)) => Some(entry),
        Ok(Push::Receipt(_)) | Err(_) => None,
    }
}

/// The same frame with another entry in it.
fn with_entry(bytes: &SharedFrame, entry: Entry) -> SharedFrame {
    let honest = bytes.clone();
    let Ok(Some((frame, _))) = frame::split(bytes, REPLY_BYTES_MAX) else {
        return honest;
    };
    let Ok(Reply::Push { seq, hash, .. }) = Reply::decode(frame) else {
        return honest;
    };
    let push = Push::from(entry);
    let ((kind, schema), mut body) = (push.kind(), Vec::new());
    push.encode(&mut body);
    let mut forged = Vec::new();
    Reply::Push {
        seq,
        hash,
        kind,
        schema,
        body: &body,
    }
    .encode(&mut forged);
    bytes.forged(forged)
}

#[cfg(test)]
mod tests {
    use protocol::{ChainHash, Key, words::chat::Content};

    use super::*;

    const CONNECTION: u64 = 7;

    fn tamper(bug: PlantedBug) -> Tamper {
        Tamper::new(Some(bug))
    }

    fn frame(seq: u64, index: u64) -> SharedFrame {
        let entry = Entry {
            conversation: 3,
            index,
            author: UserId(1),
            recorded_at: seq,
            key: Key([1; 16]),
            content: Content::Left,
        };
        let push = Push::from(entry);
        let ((kind, schema), mut body, mut bytes) = (push.kind(), Vec::new(), Vec::new());
        push.encode(&mut body);
        Reply::Push {
            seq: Seq(seq),
            hash: ChainHash::START,
            kind,
            schema,
            body: &body,
        }
        .encode(&mut bytes);
        SharedFrame::new(bytes, &crate::hub::frame::Gauge::default())
    }

    /// Indices and times of the entries told, in order, when a hundred of them are pushed.
    fn told(bug: PlantedBug) -> Vec<(u64, u64)> {
        let mut tamper = tamper(bug);
        let pushes = (1..=100).flat_map(|at| tamper.tell(CONNECTION, Seq(at), &frame(at, at)));
        let entries = pushes.filter_map(|(_, frame)| entry_of(&frame));
        entries
            .map(|entry| (entry.index, entry.recorded_at))
            .collect()
    }

    #[test]
    fn each_bug_of_pushes_lies_now_and_then() {
        let lost = told(PlantedBug::LostMessage);
        assert_eq!(lost.len(), 98, "two of a hundred are lost");
        let reordered = told(PlantedBug::ReorderedConversation);
        assert!(reordered.windows(2).any(|pair| pair[1].0 < pair[0].0));
        let swapped = told(PlantedBug::TwoOrders);
        assert!(swapped.iter().map(|entry| entry.0).is_sorted());
        assert!(swapped.iter().any(|(index, at)| index != at));
        assert_eq!(told(PlantedBug::ToldTwice).len(), 102);
        assert_eq!(told(PlantedBug::StuckPresence).len(), 100);
    }

    /// How many of a hundred entries each of four connections is told, when the first is not in
    /// the conversation of every tenth.
    fn told_to_four(bug: PlantedBug) -> [usize; 4] {
        let mut tamper = tamper(bug);
        let mut told = [0; 4];
        for at in 1..=100 {
            let to = usize::from(at % 10 == 0)..4;
            for (id, told) in (0..).zip(&mut told).skip(to.start) {
                *told += tamper.tell(id, Seq(at), &frame(at, at)).len();
            }
        }
        told
    }

    #[test]
    fn an_entry_is_told_to_half_of_those_it_is_for_or_to_one_it_is_not_for() {
        assert_eq!(told_to_four(PlantedBug::OldNews), [90, 100, 100, 100]);
        assert_eq!(told_to_four(PlantedBug::HalfTold), [88, 100, 98, 100]);
        assert_eq!(told_to_four(PlantedBug::LeakedMessage), [90, 100, 100, 100]);
        let mut stranger = tamper(PlantedBug::LeakedMessage);
        // Two connections in turns: neither is told what the other is.
        let told = (1..=200).map(|at| stranger.tell(at % 2, Seq(at), &frame(at, at)).len());
        assert_eq!(told.sum::<usize>(), 205);
    }

    #[test]
    fn one_of_many_is_told_nothing() {
        let deaf = tamper(PlantedBug::DeafPerson);
        let told: Vec<u64> = (1..=20)
            .filter(|user| deaf.is_deaf(Some(UserId(*user))))
            .collect();
        assert_eq!(told, [7, 14]);
        assert!(!deaf.is_deaf(None));
        assert!(!tamper(PlantedBug::LostMessage).is_deaf(Some(UserId(7))));
    }

    #[test]
    fn comings_and_goings_are_told_wrongly_now_and_then() {
        let told = |bug| {
            let mut tamper = tamper(bug);
            let news = (1..=12).flat_map(move |epoch| {
                let last_seen = 1_000_000 + epoch;
                tamper.announce(PresenceChanged {
                    user: UserId(1),
                    online: epoch % 2 == 1,
                    last_seen,
                    epoch,
                })
            });
            news.collect::<Vec<_>>()
        };
        assert_eq!(told(PlantedBug::UntoldGoing).len(), 10);
        let fallen = told(PlantedBug::FallingLastSeen);
        let falls = |pair: &&[PresenceChanged]| pair[1].last_seen < pair[0].last_seen;
        assert_eq!(fallen.windows(2).filter(falls).count(), 2);
        let late = told(PlantedBug::LateGoing);
        let is_hidden = |pair: &&[PresenceChanged]| {
            pair[0].epoch == pair[1].epoch && pair[0].online && !pair[1].online
        };
        assert_eq!(late.windows(2).filter(is_hidden).count(), 1);
    }

    #[test]
    fn a_receipt_falls_or_comes_too_early() {
        let push = |delivered| {
            let word = Push::from(Receipt {
                conversation: 3,
                user: UserId(1),
                delivered,
                read: 0,
            });
            let mut body = Vec::new();
            word.encode(&mut body);
            PushBytes {
                stream: crate::domain::Stream::Conversation(3),
                is_kept: false,
                kind: word.kind().0,
                schema: word.kind().1,
                body,
            }
        };
        let forged = |bug, compare: fn(u64, u64) -> bool| {
            let mut tamper = tamper(bug);
            (1..=40_u64).any(|at| {
                let forged = tamper.receipt(&push(at));
                forged.is_some_and(|forged| {
                    match Push::decode(forged.kind, forged.schema, &forged.body) {
                        Ok(Push::Receipt(receipt)) => compare(receipt.delivered, at),
                        Ok(Push::Entry(_)) | Err(_) => false,
                    }
                })
            })
        };
        assert!(forged(PlantedBug::FallingReceipt, |told, at| told < at - 1));
        assert!(forged(PlantedBug::PrematureReceipt, |told, at| at < told));
        assert!(!forged(PlantedBug::LostMessage, |_, _| true));
    }
}
