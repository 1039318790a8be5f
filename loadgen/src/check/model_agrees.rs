//! Every answer is what the model says at that position.
//!
//! The model replays the log once. Each logged outcome is held against what it expects there; each
//! read, kept as a digest of what it showed, against its state at the position the read states;
//! each answered decision against the outcome in the log. Reads are kept until then, within a
//! budget.

use foldhash::fast::FixedState;
use hashbrown::{HashMap, hash_map::Entry};
use protocol::{
    Code, OwnedRecord, Refusal, UserId,
    words::agenda::{Command, Event, SlotId},
};

use crate::operation::{Call, Observed, Operation, Outcome, Slot};

use super::{
    finding::{
        About, Finding, Needs, Topic, Violation, Witness, call_text, decided_text, outcome_text,
    },
    law::{Applied, Completed, Ended, Law, Logged, Read, Recalled},
    laws::LawOptions,
    ledger,
    log_chained::of_record,
    model::{DayDigest, Model, Place, fold_booking},
    world::World,
};

/// Reads kept in one piece, so that growing never copies what is there.
const PIECE_LEN: usize = 8_192;

/// A read, and a digest of what it showed.
#[derive(Debug, Clone, Copy)]
struct Kept {
    seq: u64,
    digest: u64,
    /// The day that was read; `Slot(u64::MAX)` for one's own bookings.
    slot: Slot,
    client: u32,
    counter: u32,
    count: u32,
}

const BOOKINGS: Slot = Slot(u64::MAX);

/// The count of a read that was refused: its digest is the code.
const REFUSED: u32 = u32::MAX;

/// What reads showed is kept for as many different answers: a wrong one beyond them is told without saying
/// in what it is wrong.
const SHOWN_MAX: usize = 1 << 17;

/// What a read showed, as small as it can be told from what is right.
#[derive(Debug)]
enum Page {
    /// Slot by slot: held, waiting, the asker's own booking.
    Day(Box<[(u16, u16, u64)]>),
    /// The asker's bookings.
    Bookings(Box<[u64]>),
}

/// The law.
#[derive(Debug)]
pub(crate) struct ModelAgrees {
    /// By digest.
    shown: HashMap<u64, Page, FixedState>,
    pieces: Vec<Vec<Kept>>,
    pieces_max: usize,
    reads: std::iter::Peekable<std::vec::IntoIter<Kept>>,
    sorted: bool,
    page_len: usize,
    decisions: u64,
    answers: u64,
    compared: u64,
    skipped: u64,
    finding: Finding,
}

impl Law for ModelAgrees {
    const ABOUT: About = About {
        name: "model-agrees",
        demands: "Every decision and every read is what an independent model of the agenda says at that position.",
        confidence: "certificate: the log replayed through a model of our own",
        topic: Topic::Everything,
        needs: Needs::Log,
    };

    fn new(options: &LawOptions) -> Self {
        let (page_len, bytes_max) = (options.page_len, options.share());
        let piece = u64::try_from(PIECE_LEN * size_of::<Kept>()).unwrap_or(u64::MAX);
        Self {
            shown: HashMap::with_hasher(FixedState::with_seed(0)),
            pieces: Vec::new(),
            pieces_max: usize::try_from(bytes_max / piece).unwrap_or(usize::MAX),
            reads: Vec::new().into_iter().peekable(),
            sorted: false,
            page_len: usize::from(page_len),
            decisions: 0,
            answers: 0,
            compared: 0,
            skipped: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_read(&mut self, read: &Read<'_>, _: &World) {
        self.handle_read(read.operation, read.observed);
    }

    fn on_complete(&mut self, completed: &Completed<'_>, _: &World) {
        let operation = completed.operation;
        if let (Call::ListSlots { .. } | Call::MyBookings, Outcome::Refused(code)) =
            (operation.call, operation.outcome)
        {
            self.handle_refused_read(operation, code);
        }
    }

    fn on_record(&mut self, logged: &Logged<'_>, world: &World) {
        self.handle_follow_up(logged.record, logged.owed);
        if logged.is_unreadable {
            self.handle_undecodable(logged.record);
        }
        if let Some(decided) = logged.agenda {
            self.handle_record(logged.record, decided, &world.agenda);
        }
    }

    fn on_applied(&mut self, applied: &Applied<'_>, world: &World) {
        self.handle_position(applied.record.seq.0, world);
    }

    fn on_history(&mut self, recalled: &Recalled<'_>, _: &World) {
        if let Some((seq, entry)) = recalled.own
            && seq == recalled.operation.seq
        {
            self.handle_pair(recalled.operation, &entry);
        }
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
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

impl ModelAgrees {
    /// A read came back: its digest is kept.
    fn handle_read(&mut self, operation: &Operation, observed: &Observed) {
        let Some((digest, count)) = digest(observed) else {
            return;
        };
        if self.shown.len() < SHOWN_MAX
            && let Entry::Vacant(vacant) = self.shown.entry(digest)
        {
            vacant.insert(page(observed));
        }
        let slot = operation.call.slot().unwrap_or(BOOKINGS);
        self.keep(Kept {
            seq: operation.seq,
            digest,
            slot,
            client: operation.client,
            counter: operation.counter,
            count,
        });
    }

    /// A read was refused: a question is answered like any other, and refusing it may hide everything.
    fn handle_refused_read(&mut self, operation: &Operation, code: Code) {
        self.keep(Kept {
            seq: operation.seq,
            digest: u64::from(code.0),
            slot: operation.call.slot().unwrap_or(BOOKINGS),
            client: operation.client,
            counter: operation.counter,
            count: REFUSED,
        });
    }

    fn keep(&mut self, read: Kept) {
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

    /// One record of the agenda.
    fn handle_record(
        &mut self,
        record: &OwnedRecord,
        (command, logged): (&Command, &Result<Event, Refusal>),
        model: &Model,
    ) {
        self.decisions += 1;
        let expected = model.expect(&Place::of(record), command, logged);
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
    }

    /// Before each record: is it the one that must follow the last?
    fn handle_follow_up(&mut self, record: &OwnedRecord, owed: Option<SlotId>) {
        if let Some(owed) = owed {
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
    fn handle_undecodable(&mut self, record: &OwnedRecord) {
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
    fn handle_position(&mut self, seq: u64, world: &World) {
        self.sort();
        while let Some(read) = self.reads.next_if(|read| read.seq <= seq) {
            match world.known_user(read.client) {
                Some(user) if read.seq == seq => self.check(&read, user, &world.agenda),
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

    fn check(&mut self, read: &Kept, user: UserId, model: &Model) {
        let day = read.slot.unpack();
        // Day 0 asks for today, which no log can tell.
        if read.slot != BOOKINGS && day.day == 0 {
            self.skipped += 1;
            return;
        }
        self.compared += 1;
        if read.count == REFUSED {
            return self.check_refused(read, model);
        }
        let agrees = if read.slot == BOOKINGS {
            let (digest, count) = model.bookings(user, self.page_len);
            digest == read.digest && usize::try_from(read.count) == Ok(count)
        } else {
            model.day(day.agenda, day.day, user) == Some(DayDigest(read.digest))
        };
        if !agrees {
            let (client, counter, seq) = (read.client, read.counter, read.seq);
            let shown = self.shown.get(&read.digest);
            let (wrong, expected) = apart(model, read.slot, (user, self.page_len), shown)
                .unwrap_or_else(|| {
                    let nothing = "exactly what the records up to that position make";
                    (String::new(), nothing.to_owned())
                });
            let call = match read.slot {
                BOOKINGS => Call::MyBookings,
                slot => Call::ListSlots { slot },
            };
            self.finding.convict(|| Violation {
                sentence: format!(
                    "`{}` of client {client} did not show the state at position {seq}{wrong}",
                    call_text(&call),
                ),
                witnesses: vec![Witness::Asked((client, counter))],
                order: "the answer states the position it reflects",
                expected,
            });
        }
    }

    /// A question that was refused. How far ahead days may lie only the server says.
    fn check_refused(&mut self, read: &Kept, model: &Model) {
        let code = Code(u16::try_from(read.digest).unwrap_or(u16::MAX));
        let day = read.slot.unpack();
        let is_right = read.slot != BOOKINGS
            && match code {
                Code::UNKNOWN_AGENDA => !model.agendas.contains_key(&day.agenda),
                Code::DAY_OUT_OF_RANGE => true,
                _other => false,
            };
        if is_right {
            return;
        }
        let call = match read.slot {
            BOOKINGS => Call::MyBookings,
            slot => Call::ListSlots { slot },
        };
        let (client, counter, seq) = (read.client, read.counter, read.seq);
        self.finding.convict(|| Violation {
            sentence: format!(
                "`{}` of client {client} was refused as {} at position {seq}, where it is not so",
                call_text(&call),
                code.name(),
            ),
            witnesses: vec![Witness::Asked((client, counter))],
            order: "the answer states the position it reflects",
            expected: "what the records up to that position make".to_owned(),
        });
    }

    /// An answered decision and its record.
    fn handle_pair(&mut self, operation: &Operation, entry: &ledger::Entry) {
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
}

const fn is_server_only(command: &Command) -> bool {
    matches!(command, Command::Expire(_) | Command::Promote(_))
}

/// What a read showed.
fn page(observed: &Observed) -> Page {
    match observed {
        Observed::Slots(slots) => {
            let slots = slots
                .iter()
                .map(|view| (view.held, view.waiting, view.mine));
            Page::Day(slots.collect())
        }
        Observed::Bookings(bookings) => {
            Page::Bookings(bookings.iter().map(|(booking, ..)| *booking).collect())
        }
        Observed::Nothing | Observed::Chat(_) | Observed::Catalogue(_) | Observed::Sales(_) => {
            Page::Bookings(Box::default())
        }
    }
}

/// In what a page differs first from what the model has, and what is right there.
fn apart(
    model: &Model,
    read: Slot,
    (user, page_len): (UserId, usize),
    shown: Option<&Page>,
) -> Option<(String, String)> {
    match shown? {
        Page::Day(shown) => {
            let day = read.unpack();
            let Some(right) = model.day_slots(day.agenda, day.day, user) else {
                return Some((
                    ": there is no such agenda".to_owned(),
                    "refused with unknown-agenda".to_owned(),
                ));
            };
            let right: Vec<_> = right.collect();
            let shown = shown
                .iter()
                .map(|(held, waiting, mine)| (usize::from(*held), usize::from(*waiting), *mine));
            if shown.len() != right.len() {
                let wrong = format!(": it showed {} slots", shown.len());
                return Some((wrong, format!("{} slots", right.len())));
            }
            let mut pairs = (0..).zip(shown.zip(right));
            let (slot, (shown, right)): (u16, _) = pairs.find(|(_, (one, other))| one != other)?;
            let what = |(held, waiting, mine)| match mine {
                0 => format!("{held} held, {waiting} waiting and none of its own"),
                mine => format!("{held} held, {waiting} waiting and its own booking {mine}"),
            };
            let wrong = format!(": of slot {slot} it showed {}", what(shown));
            Some((wrong, format!("slot {slot} with {}", what(right))))
        }
        Page::Bookings(shown) => {
            let right = model.booking_ids(user, page_len);
            let lacking = right.iter().find(|booking| !shown.contains(booking));
            let invented = shown.iter().find(|booking| !right.contains(booking));
            let wrong = match (invented, lacking) {
                (Some(booking), _) => format!(": it showed booking {booking}"),
                (None, Some(booking)) => format!(": it did not show booking {booking}"),
                (None, None) if **shown != *right => ": it showed them in another order".to_owned(),
                (None, None) => ": it showed one with another slot, end or key".to_owned(),
            };
            let right: Vec<String> = right.iter().map(u64::to_string).collect();
            let expected = if right.is_empty() {
                "no booking".to_owned()
            } else {
                format!("the bookings {}, as they were made", right.join(", "))
            };
            Some((wrong, expected))
        }
    }
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
