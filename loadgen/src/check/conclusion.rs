//! The judging after the run: the log first, then the recorded history, then every verdict.
//!
//! Records and operations stream by once; what is kept of them is in the ledger and the slot
//! histories, within a budget. Deliberately absent: what happens while operations still run.

use foldhash::fast::FixedState;
use hashbrown::HashSet;
use protocol::{
    Kind, Outcome as Logged, OwnedRecord, Refusal, UserId,
    words::{accounts, agenda, chat as chat_words},
};
use reports::record::{LawRecord, Verdict};

use crate::operation::{Call, Observed, Operation, Outcome, Slot};

use super::{
    catalogue, chat,
    durable_acks::{Counts, DurableAcks},
    erasure_complete,
    finding::{Concluded, Finding, OperationId, Wanted},
    laws::{FIRST_LAWS, LAWS, Laws},
    ledger::{Decided, Ledger, asked, asked_by, asked_bytes, asked_target},
    model_agrees::place_of,
    people::{is_entering, is_of_server},
    presence, sales,
    slot_history::{Part, SlotHistory, is_of_slot},
    window::Window,
};

/// The laws that speak of nothing but slots.
const OF_SLOTS: [&str; 5] = [
    "no-double-booking",
    "refusals-justified",
    "someone-wins",
    "no-lost-cancel",
    "linearizable",
];

/// The laws that are judged by what the run's own people were told, and by nothing else.
const WITHOUT_LOG: [&str; 18] = [
    "no-lost-cancel",
    "real-time-order",
    "session-order",
    "idempotent-answers",
    "shown-once",
    "one-order",
    "fifo-per-sender",
    "causal-order",
    "read-your-messages",
    "watermarks-rise",
    "cursors-independent",
    "presence-accurate",
    "presence-complete",
    "last-seen-rises",
    "presence-epochs",
    "no-resurrection",
    "sales-conserved",
    "sales-one-snapshot",
];

/// The same, where nobody else may have done something.
const WITHOUT_LOG_AND_VISITORS: [&str; 4] = [
    "no-double-booking",
    "refusals-justified",
    "sales-bounded",
    "sales-monotone",
];

/// What became of commands, by the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Answered: accepted or refused, each held against the log.
    pub acknowledged: u64,
    /// Of them, those that the log does not have where they were said to be.
    pub lost: u64,
    /// Those that the log has twice.
    pub doubled: u64,
    /// Never answered, and in the log.
    pub found: u64,
    /// Never answered, and not in the log.
    pub absent: u64,
    /// Records of others who used the server while the run went on: set aside.
    pub set_aside: u64,
    /// How many people's they are.
    pub visitors: u64,
}

impl Laws {
    /// One record of the log, from the first to the last, after the run.
    pub fn handle_record(&mut self, record: &OwnedRecord) {
        let command = agenda::Command::decode(record.kind, record.schema, &record.body).ok();
        let ours = record.seq.0 > self.began_at;
        // Only the run's own records can have its keys.
        let minted = ours
            .then(|| self.options.mint.verify(&record.key))
            .flatten();
        self.people.handle_record(record, &self.options.mint);
        self.log_chained.handle_record(record);
        self.handle_keys(record, command.as_ref(), minted);
        self.model_agrees.handle_follow_up(record, command.as_ref());
        let refused = match Logged::decode(&record.outcome) {
            Ok(Logged::Refused(refusal)) => {
                self.handle_refused(record, command.as_ref(), refusal);
                Some(refusal.code)
            }
            Ok(Logged::Accepted { kind, schema, body }) => {
                self.handle_accepted(record, command.as_ref(), (kind, schema, body));
                None
            }
            Err(_) => {
                self.model_agrees.handle_undecodable(record);
                None
            }
        };
        let asked = asked_of(record, command.as_ref());
        let decided = Decided {
            minted,
            refused,
            asked,
        };
        if let (Some(earlier), Some(by)) = (self.ledger.push(record, decided), minted) {
            self.log_chained.handle_twice(record, earlier, by);
            self.idempotent_answers.handle_twice(record, earlier, by);
        }
        self.model_agrees.handle_position(record.seq.0, &self.users);
        self.chat.handle_record(record, minted);
        self.catalogue.handle_record(record, &self.users);
        self.sales.handle_record(record, minted);
        self.erasure.handle_record(record, minted);
        if record.seq.0 == self.began_at {
            self.held_before = self.model_agrees.held_slots();
        }
    }

    /// Whose key is it, and may it be there?
    fn handle_keys(
        &mut self,
        record: &OwnedRecord,
        command: Option<&agenda::Command>,
        minted: Option<OperationId>,
    ) {
        if minted.is_none() && record.actor != UserId::NOBODY {
            self.log_chained.handle_stranger(record);
        }
        // What the server does by itself has no key of ours.
        if record.seq.0 <= self.began_at || is_of_server(record, command) {
            return;
        }
        if minted.is_none() && self.people.is_of_visitor(record) {
            return self.people.set_aside(record);
        }
        // Anybody may try to log in as anybody, at any time.
        if is_entering(record) {
            return;
        }
        let index = minted.and_then(|(client, _)| usize::try_from(client).ok());
        let user = index.and_then(|index| self.users.get(index).copied().flatten());
        self.no_phantom.handle_record(record, minted, user);
        if let (Some((client, _)), None) = (minted, user) {
            self.handle_client(client, record.actor);
        }
    }

    fn handle_refused(
        &mut self,
        record: &OwnedRecord,
        command: Option<&agenda::Command>,
        refusal: Refusal,
    ) {
        if let Some(command) = command {
            self.model_agrees
                .handle_record(record, command, &Err(refusal));
        }
    }

    fn handle_accepted(
        &mut self,
        record: &OwnedRecord,
        command: Option<&agenda::Command>,
        (kind, schema, body): (Kind, u8, &[u8]),
    ) {
        if let Some(command) = command {
            match agenda::Event::decode(kind, schema, body) {
                Ok(event) => {
                    let is_asked = |slot| self.slots.contains_key(&slot);
                    self.people.handle_agenda(record, &event, is_asked);
                    self.model_agrees.handle_record(record, command, &Ok(event));
                }
                Err(_) => self.model_agrees.handle_undecodable(record),
            }
        } else if let Ok(event) = accounts::Event::decode(kind, schema, body) {
            self.model_agrees.handle_account(&place_of(record), &event);
        }
        self.people.handle_accepted(record);
    }

    /// The state hash of the live server and of a replay of its log: position and hash.
    pub fn handle_state_hashes(
        &mut self,
        live: Option<(u64, u128)>,
        replayed: Option<(u64, u128)>,
    ) {
        self.live_at = live.map(|(seq, _)| seq);
        self.replay_determinism.handle_hashes(live, replayed);
    }

    /// What a client's bookings were read to be when the run had drained: a read like any other,
    /// whose operation is the driver's own. To be told before the log.
    pub fn handle_final_bookings(&mut self, operation: &Operation, observed: &Observed) {
        self.no_lost_cancel.handle_read(operation, observed);
        self.model_agrees.handle_read(operation, observed);
    }

    /// Judges, and says what each law found, in the order of [`LAWS`]. `history` is asked for as
    /// often as there is something to look for in it.
    #[must_use]
    pub fn conclude<H: Iterator<Item = Operation>>(
        self,
        history: impl Fn() -> H,
    ) -> Vec<LawRecord> {
        self.conclude_with_tally(history).0
    }

    /// The same, and what became of commands by the log.
    #[must_use]
    pub fn conclude_with_tally<H: Iterator<Item = Operation>>(
        mut self,
        history: impl Fn() -> H,
    ) -> (Vec<LawRecord>, Tally) {
        self.excuse();
        self.chat.judge(&self.options.mint, &self.users);
        self.presence.judge();
        self.erasure.judge();
        let mut unseen = Unseen::default();
        for operation in history() {
            self.handle_operation(&operation, &mut unseen);
        }
        for late in std::mem::take(&mut self.late) {
            self.durable_acks.check(&late, &self.ledger);
        }
        if let Some(seq) = self.live_at {
            self.durable_acks.check_live(seq, &self.ledger);
        }
        self.real_time_order.sweep(&self.ledger);
        let tally = self.tally();
        let durable_acks = std::mem::replace(&mut self.durable_acks, DurableAcks::new());
        let durable_acks = durable_acks.conclude(&self.ledger);
        // Its memory is the slots' now.
        self.ledger = Ledger::new(0);
        self.judge_slots(&history, &unseen);
        let required = self.options.required.clone();
        let findings = self.findings(durable_acks);
        let told = tell(findings, &required, &history);
        let unknown = required
            .iter()
            .filter(|name| !LAWS.contains(&name.as_str()));
        let unknown = unknown.map(|name| unheard_of(name));
        (told.into_iter().chain(unknown).collect(), tally)
    }

    /// The same where the log could not be read to its end: of laws that need it, nothing is known.
    #[must_use]
    pub fn conclude_without_log<H: Iterator<Item = Operation>>(
        self,
        why: &str,
        history: impl Fn() -> H,
    ) -> (Vec<LawRecord>, Tally) {
        // What visitors did is in the log as well.
        let may_be_visited = !self.options.is_alone;
        let (mut laws, _tally) = self.conclude_with_tally(history);
        for law in &mut laws {
            let name = law.name.as_str();
            let stands = WITHOUT_LOG.contains(&name)
                || (!may_be_visited && WITHOUT_LOG_AND_VISITORS.contains(&name));
            if !stands && law.verdict != Verdict::Unknown {
                *law = LawRecord {
                    verdict: Verdict::Unknown,
                    reason: Some(format!("it needs the log: {why}")),
                    violation_count: 0,
                    violations: Vec::new(),
                    scope: None,
                    ..law.clone()
                };
            }
        }
        (laws, Tally::default())
    }

    /// What the run's own calls do not explain is no violation where visitors explain it; whether
    /// they do, the laws of the log say.
    fn excuse(&mut self) {
        let people = &self.people;
        self.held_before.extend(people.slots());
        (self.refusals_justified).excuse(|subject| people.has_changed(subject));
        (self.no_double_booking).excuse(|subject| people.has_ended(subject));
        self.sales.excuse(|subject| people.has_changed(subject));
    }

    /// This client, and the other devices of its person.
    fn clients_like(&self, client: u32) -> impl Iterator<Item = u32> {
        let index = usize::try_from(client).unwrap_or(usize::MAX);
        let user = self.users.get(index).copied().flatten();
        let all = (0..).zip(&self.users);
        let devices = all.filter(move |(_, known)| user.is_some() && **known == user);
        devices.map(|(device, _)| device).chain([client])
    }

    fn tally(&self) -> Tally {
        let Counts {
            acknowledged,
            lost,
            found,
            absent,
        } = self.durable_acks.counts();
        let (set_aside, visitors) = self.people.set_aside_so_far();
        Tally {
            acknowledged,
            lost,
            doubled: self.idempotent_answers.doubled(),
            found,
            absent,
            set_aside,
            visitors,
        }
    }

    /// Slot by slot, in as many parts as fit into memory.
    fn judge_slots<H: Iterator<Item = Operation>>(
        &mut self,
        history: &impl Fn() -> H,
        unseen: &Unseen,
    ) {
        // The ledger's share.
        let bytes_max = self.options.memory_bytes_max / 4;
        for part in Part::all(unseen.of_slots, bytes_max) {
            let mut slots = SlotHistory::new(part, bytes_max);
            for operation in history() {
                // What an erasure gave back nobody cancelled: the model has such slots.
                if unseen.parted.contains(&operation.client) {
                    self.held_before.extend(operation.call.slot());
                }
                let won = unseen.won.contains(&(operation.client, operation.counter));
                slots.push(&operation, won);
            }
            slots.sort();
            self.someone_wins.judge(&slots, &self.held_before);
            self.linearizable.judge(&slots, &self.held_before);
        }
    }

    /// One operation of the history, when the whole log is known.
    fn handle_operation(&mut self, operation: &Operation, unseen: &mut Unseen) {
        unseen.of_slots += u64::from(is_of_slot(operation));
        if operation.call == Call::EraseMe {
            unseen.parted.extend(self.clients_like(operation.client));
        }
        self.ledger.note(operation);
        if !self.ledger.is_empty() {
            self.durable_acks.check(operation, &self.ledger);
        }
        let found = self.ledger.find((operation.client, operation.counter));
        let own = found.and_then(|seq| self.ledger.get(seq).map(|entry| (seq, entry)));
        if let Some((seq, entry)) = own {
            let key = || (self.options.mint).mint(operation.client, operation.counter);
            if let Some(asked) = asked_by(&operation.call, key) {
                self.no_phantom.handle_pair(operation, seq, &entry, asked);
            }
        }
        if let Some((seq, entry)) = own
            && seq == operation.seq
        {
            self.model_agrees.handle_pair(operation, &entry);
        }
        if let Call::Sales(call) = operation.call {
            self.sales.handle_operation(operation, &call);
        }
        let is_unseen = match operation.outcome {
            Outcome::Timeout | Outcome::Unknown => true,
            // An earlier attempt may have been heard.
            Outcome::Error(_) => 1 < operation.attempts,
            Outcome::Ok | Outcome::Refused(_) => false,
        };
        if is_unseen && own.is_some_and(|(_, entry)| entry.refused().is_none()) {
            unseen.won.insert((operation.client, operation.counter));
        }
    }

    /// What each law found; of a system that nobody asked anything of, only if it must be judged.
    fn findings(self, durable_acks: Finding) -> Vec<Finding> {
        let first: [Finding; FIRST_LAWS.len()] = [
            self.no_double_booking.conclude(),
            self.refusals_justified.conclude(),
            self.someone_wins.conclude(),
            self.no_lost_cancel.conclude(),
            durable_acks,
            self.no_phantom.conclude(),
            self.real_time_order.conclude(),
            self.session_order.conclude(),
            self.idempotent_answers.conclude(),
            self.log_chained.conclude(),
            self.replay_determinism.conclude(),
            self.model_agrees.conclude(),
            self.linearizable.conclude(),
        ];
        let required = &self.options.required;
        let asked = |laws: &[&str], is_exercised| {
            is_exercised || required.iter().any(|name| laws.contains(&name.as_str()))
        };
        let of_chat = asked(&chat::LAWS, self.chat.is_exercised());
        let of_pushes = asked(&chat::PUSH_LAWS, self.chat.has_other_pushes());
        let (chat, pushes) = self.chat.conclude();
        let presence =
            asked(&presence::LAWS, self.presence.is_exercised()).then(|| self.presence.conclude());
        let catalogue = asked(&catalogue::LAWS, self.catalogue.is_exercised())
            .then(|| self.catalogue.conclude());
        let sales = asked(&sales::LAWS, self.sales.is_exercised()).then(|| self.sales.conclude());
        let erasure = asked(&erasure_complete::LAWS, self.erasure.is_exercised())
            .then(|| self.erasure.conclude());
        let agenda = asked(&OF_SLOTS, !self.slots.is_empty());
        first
            .into_iter()
            .filter(|finding| agenda || !OF_SLOTS.contains(&finding.name()))
            .chain(chat.into_iter().filter(|_| of_chat))
            .chain(pushes.into_iter().filter(|_| of_pushes))
            .chain(presence.into_iter().flatten())
            .chain(catalogue.into_iter().flatten())
            .chain(sales.into_iter().flatten())
            .chain(erasure.into_iter().flatten())
            .collect()
    }
}

/// What the history tells while it streams by.
#[derive(Debug)]
struct Unseen {
    /// Operations that no answer came to and that the log says were accepted.
    won: HashSet<OperationId, FixedState>,
    /// Operations on single slots.
    of_slots: u64,
    /// Clients whose person asked to be erased.
    parted: HashSet<u32, FixedState>,
}

impl Default for Unseen {
    fn default() -> Self {
        Self {
            won: HashSet::with_hasher(FixedState::with_seed(0)),
            of_slots: 0,
            parted: HashSet::with_hasher(FixedState::with_seed(0)),
        }
    }
}

/// Puts findings into words. Where there are violations, the history is asked for the operations
/// that they know by name only, and then for what happened around them.
fn tell<H: Iterator<Item = Operation>>(
    findings: Vec<Finding>,
    required: &[String],
    history: &impl Fn() -> H,
) -> Vec<LawRecord> {
    let mut wanted = Wanted::new();
    for finding in &findings {
        finding.want(&mut wanted);
    }
    if !wanted.is_empty() {
        for operation in history() {
            if let Some(found) = wanted.get_mut(&(operation.client, operation.counter)) {
                *found = Some(operation);
            }
        }
    }
    let conclude = |finding: Finding| finding.conclude(required, &wanted);
    let mut all: Vec<Concluded> = findings.into_iter().map(conclude).collect();
    let mut windows: Vec<&mut Window> = (all.iter_mut())
        .flat_map(|concluded| concluded.windows.iter_mut().flatten())
        .collect();
    if !windows.is_empty() {
        for operation in history() {
            for window in &mut windows {
                window.handle(&operation);
            }
        }
    }
    all.into_iter().map(Concluded::finish).collect()
}

/// The verdict on a law that a scenario asks for and nobody wrote.
fn unheard_of(name: &str) -> LawRecord {
    LawRecord {
        name: name.to_owned(),
        demands: "This law is not known to this version.".to_owned(),
        required: true,
        verdict: Verdict::Unknown,
        reason: Some(format!(
            "there is no law `{name}`; the laws are {}",
            LAWS.join(", ")
        )),
        confidence: "none".to_owned(),
        exercised: Vec::new(),
        violation_count: 0,
        violations: Vec::new(),
        scope: None,
    }
}

/// The digest of a logged command, as `asked_by` makes it of its call.
fn asked_of(record: &OwnedRecord, command: Option<&agenda::Command>) -> u32 {
    use chat_words::{Command, Send};
    match command {
        Some(command) => asked_in(command),
        None => match Command::decode(record.kind, record.schema, &record.body) {
            Ok(Command::Send(Send { to, .. })) => asked_target(to),
            Ok(_) | Err(_) => asked_bytes(record.kind, &record.body),
        },
    }
}

/// The same for one of the agenda.
fn asked_in(command: &agenda::Command) -> u32 {
    use agenda::Command;
    let packed = |slot| Slot::pack(slot).map_or(0, |slot| slot.0);
    let number = command.kind().0.number();
    match command {
        Command::Reserve(word) => asked(number, packed(word.slot), 0),
        Command::Cancel(word) => asked(number, word.booking, 0),
        Command::Hold(word) => asked(number, packed(word.slot), word.seconds),
        Command::Confirm(word) => asked(number, word.booking, 0),
        Command::JoinWaitlist(word) => asked(number, packed(word.slot), 0),
        Command::LeaveWaitlist(word) => asked(number, packed(word.slot), 0),
        Command::OpenAgenda(_) | Command::Expire(_) | Command::Promote(_) => 0,
    }
}
