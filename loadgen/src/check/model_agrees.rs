//! Every answer is what the model says at that position.
//!
//! The model replays the log once. Each logged outcome is held against what it expects there; each
//! read, kept as a digest of what it showed, against its state at the position the read states;
//! each answered decision against the outcome in the log. Reads are kept until then, within a
//! budget.

use foldhash::fast::FixedState;
use hashbrown::HashSet;
use protocol::{
    OwnedRecord, Refusal, UserId,
    words::agenda::{Command, Event},
};

use crate::operation::{Call, Observed, Operation, Outcome, Slot};

use super::finding::{About, Finding, Violation, Witness, call_text, decided_text, outcome_text};
use super::ledger::Entry;
use super::log_chained::of_record;
use super::model::{DayDigest, Model, Place, fold_booking};

const ABOUT: About = About {
    name: "model-agrees",
    demands: "Every decision and every read is what an independent model of the agenda says at that position.",
    confidence: "certificate: the log replayed through a model of our own",
};

/// Reads kept in one piece, so that growing never copies what is there.
const PIECE_LEN: usize = 8_192;

/// A read, and a digest of what it showed.
#[derive(Debug, Clone, Copy)]
struct Read {
    seq: u64,
    digest: u64,
    /// The day that was read; `Slot(u64::MAX)` for one's own bookings.
    slot: Slot,
    client: u32,
    counter: u32,
    count: u32,
}

const BOOKINGS: Slot = Slot(u64::MAX);

/// The law.
#[derive(Debug)]
pub(super) struct ModelAgrees {
    model: Model,
    pieces: Vec<Vec<Read>>,
    pieces_max: usize,
    reads: std::iter::Peekable<std::vec::IntoIter<Read>>,
    sorted: bool,
    page_len: usize,
    decisions: u64,
    answers: u64,
    compared: u64,
    skipped: u64,
    finding: Finding,
}

impl ModelAgrees {
    pub(super) fn new(page_len: u16, bytes_max: u64) -> Self {
        let piece = u64::try_from(PIECE_LEN * size_of::<Read>()).unwrap_or(u64::MAX);
        Self {
            model: Model::new(),
            pieces: Vec::new(),
            pieces_max: usize::try_from(bytes_max / piece).unwrap_or(usize::MAX),
            reads: Vec::new().into_iter().peekable(),
            sorted: false,
            page_len: usize::from(page_len),
            decisions: 0,
            answers: 0,
            compared: 0,
            skipped: 0,
            finding: Finding::new(ABOUT),
        }
    }

    /// A read came back: its digest is kept.
    pub(super) fn handle_read(&mut self, operation: &Operation, observed: &Observed) {
        let Some((digest, count)) = digest(observed) else {
            return;
        };
        let slot = operation.call.slot().unwrap_or(BOOKINGS);
        self.keep(Read {
            seq: operation.seq,
            digest,
            slot,
            client: operation.client,
            counter: operation.counter,
            count,
        });
    }

    fn keep(&mut self, read: Read) {
        if self
            .pieces
            .last()
            .is_none_or(|piece| piece.len() == PIECE_LEN)
        {
            if self.pieces_max <= self.pieces.len() {
                self.skipped += 1;
                return self
                    .finding
                    .doubt("there were more reads than the memory budget holds");
            }
            self.pieces.push(Vec::with_capacity(PIECE_LEN));
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.push(read);
        }
    }

    /// What the accounts say about who is who.
    pub(super) fn handle_account(
        &mut self,
        place: &Place,
        event: &protocol::words::accounts::Event,
    ) {
        self.model.apply_account(place, event);
    }

    /// The slots that anybody holds, as of the last record.
    pub(super) fn held_slots(&self) -> HashSet<Slot, FixedState> {
        self.model.held_slots()
    }

    /// One record of the agenda.
    pub(super) fn handle_record(
        &mut self,
        record: &OwnedRecord,
        command: &Command,
        logged: &Result<Event, Refusal>,
    ) {
        self.decisions += 1;
        let place = place_of(record);
        let expected = self.model.expect(&place, command, logged);
        if !expected.allows(logged) {
            let told = match logged {
                Ok(_) => "accepted",
                Err(refusal) => refusal.code.name(),
            };
            let sentence = format!(
                "`{}` of {} at position {} was decided `{told}`",
                command.name(),
                record.actor,
                record.seq,
            );
            self.convict_record(record, sentence, expected.text());
        }
        if is_server_only(command) && record.actor != UserId::NOBODY {
            let sentence = format!(
                "{} sent `{}`, which only the server may decide",
                record.actor,
                command.name()
            );
            self.convict_record(record, sentence, "refused with server-only".to_owned());
        }
        if let Ok(event) = logged {
            self.model.apply(&place, command, event);
        }
    }

    /// Before each record: is it the one that must follow the last?
    pub(super) fn handle_follow_up(&mut self, record: &OwnedRecord, command: Option<&Command>) {
        let given = match command {
            Some(Command::Promote(promote)) => Some(promote.slot),
            Some(_) | None => None,
        };
        if let Some(owed) = self.model.unpaid(given) {
            let sentence = format!(
                "a place of slot {} of agenda {} on day {} was freed at position {} with people waiting, and the next record does not give it to them",
                owed.slot,
                owed.agenda,
                owed.day,
                record.seq.0 - 1,
            );
            self.convict_record(
                record,
                sentence,
                "the promotion of the first in line".to_owned(),
            );
        }
    }

    /// A record whose outcome is no word that this command can be answered with.
    pub(super) fn handle_undecodable(&mut self, record: &OwnedRecord) {
        let sentence = format!("the outcome at position {} cannot be read", record.seq);
        self.convict_record(record, sentence, "an event or a refusal".to_owned());
    }

    fn convict_record(&mut self, record: &OwnedRecord, sentence: String, expected: String) {
        self.finding.convict(|| Violation {
            sentence,
            witnesses: vec![of_record(record)],
            order: "log order",
            expected,
        });
    }

    /// After each record: every read that reflects exactly this position.
    pub(super) fn handle_position(&mut self, seq: u64, users: &[Option<UserId>]) {
        self.sort();
        while let Some(read) = self.reads.next_if(|read| read.seq <= seq) {
            let index = usize::try_from(read.client).unwrap_or(usize::MAX);
            match users.get(index).copied().flatten() {
                Some(user) if read.seq == seq => self.check(&read, user),
                // Its position has no record; durable-acks tells that.
                Some(_) | None => self.skipped += 1,
            }
        }
    }

    fn sort(&mut self) {
        if !self.sorted {
            self.sorted = true;
            let mut reads = std::mem::take(&mut self.pieces).concat();
            reads.sort_unstable_by_key(|read| read.seq);
            self.reads = reads.into_iter().peekable();
        }
    }

    fn check(&mut self, read: &Read, user: UserId) {
        let day = read.slot.unpack();
        // Day 0 asks for today, which no log can tell.
        if read.slot != BOOKINGS && day.day == 0 {
            self.skipped += 1;
            return;
        }
        self.compared += 1;
        let agrees = if read.slot == BOOKINGS {
            let (digest, count) = self.model.bookings(user, self.page_len);
            digest == read.digest && usize::try_from(read.count) == Ok(count)
        } else {
            let model = self.model.day(day.agenda, day.day, user);
            model == Some(DayDigest(read.digest))
        };
        if !agrees {
            let (client, counter, seq) = (read.client, read.counter, read.seq);
            let call = match read.slot {
                BOOKINGS => Call::MyBookings,
                slot => Call::ListSlots { slot },
            };
            self.finding.convict(|| Violation {
                sentence: format!(
                    "`{}` of client {client} did not show the state at position {seq}",
                    call_text(&call),
                ),
                witnesses: vec![Witness::Asked((client, counter))],
                order: "the answer states the position it reflects",
                expected: "exactly what the records up to that position make".to_owned(),
            });
        }
    }

    /// An answered decision and its record.
    pub(super) fn handle_pair(&mut self, operation: &Operation, entry: &Entry) {
        let answered = match operation.outcome {
            Outcome::Ok => None,
            Outcome::Refused(code) => Some(code),
            Outcome::Error(_) | Outcome::Timeout | Outcome::Unknown => return,
        };
        self.answers += 1;
        if answered != entry.refused() {
            self.finding.convict(|| Violation {
                sentence: format!(
                    "client {} was answered `{}` where the log says `{}`",
                    operation.client,
                    outcome_text(operation.outcome),
                    decided_text(entry.refused()),
                ),
                witnesses: vec![Witness::Operation(*operation)],
                order: "the answer states the position of its record",
                expected: decided_text(entry.refused()),
            });
        }
    }

    pub(super) fn conclude(mut self) -> Finding {
        self.sort();
        let beyond = u64::try_from(self.reads.len()).unwrap_or(u64::MAX);
        self.finding
            .count_needed("decisions replayed", self.decisions);
        self.finding
            .count("answers held against the log", self.answers);
        self.finding.count("reads compared", self.compared);
        let skipped = self.skipped + beyond;
        self.finding
            .count("reads that could not be compared", skipped);
        self.finding
    }
}

/// Where, when and for whom a record stands.
pub(super) const fn place_of(record: &OwnedRecord) -> Place {
    Place {
        seq: record.seq.0,
        now: record.recorded_at,
        actor: record.actor,
        key: record.key,
    }
}

const fn is_server_only(command: &Command) -> bool {
    matches!(command, Command::Expire(_) | Command::Promote(_))
}

/// The digest of what a read showed, and how many entries it had.
fn digest(observed: &Observed) -> Option<(u64, u32)> {
    match observed {
        Observed::Nothing | Observed::Chat(_) | Observed::Catalogue(_) | Observed::Sales(_) => None,
        Observed::Slots(slots) => {
            let mut digest = DayDigest::default();
            for view in slots {
                digest.push(usize::from(view.held), usize::from(view.waiting), view.mine);
            }
            Some((digest.0, u32::try_from(slots.len()).unwrap_or(u32::MAX)))
        }
        Observed::Bookings(bookings) => {
            let digest = bookings
                .iter()
                .fold(0, |digest, (booking, slot, until, key)| {
                    fold_booking(digest, *booking, (slot.unpack(), *until, *key))
                });
            Some((digest, u32::try_from(bookings.len()).unwrap_or(u32::MAX)))
        }
    }
}
