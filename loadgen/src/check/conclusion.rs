//! The judging after the run: the log first, then the recorded history, then every verdict.
//!
//! Records and operations stream by once; what is kept of them is in the ledger and the slot
//! histories, within a budget. Deliberately absent: what happens while operations still run.

use foldhash::fast::FixedState;
use hashbrown::HashSet;
use protocol::{
    Kind, Outcome as Logged, OwnedRecord, Refusal,
    words::{accounts, agenda, chat as chat_words, sales as sales_words},
};
use reports::record::{LawRecord, Verdict};

use crate::operation::{Call, Operation, Outcome, Slot};

use super::{
    chat::Owed,
    durable_acks::Counts,
    finding::{Concluded, Finding, Needs, OperationId, Topic, Wanted},
    law::{self, Ended, LogKnown, Recalled, Slots, StateHashes, Visitors},
    laws::Laws,
    ledger::{Decided, asked, asked_bytes, asked_target},
    model::Place,
    people::{is_entering, is_of_server},
    record,
    registry::{ABOUTS, LAWS, about},
    slot_history::{Part, SlotHistory, is_of_slot},
    window::Window,
};

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

/// What the log says became of a command of the agenda or of the accounts.
enum Outcomes {
    Agenda(Result<agenda::Event, Refusal>),
    Account(accounts::Event),
    /// Of another system.
    Other,
    /// It cannot be read.
    Unreadable,
}

impl Laws {
    /// One record of the log, from the first to the last, after the run.
    pub fn handle_record(&mut self, record: &OwnedRecord) {
        let command = agenda::Command::decode(record.kind, record.schema, &record.body).ok();
        let sales = record::Decided::<sales_words::Command>::of(record);
        let minted = self.minted(record);
        let is_asked = self.admit_record(record, command.as_ref(), minted);
        let holder = minted.and_then(|(client, _)| self.world.known_user(client));
        let (refused, outcome) = outcome_of(record, command.is_some());
        let asked = asked_of(record, command.as_ref());
        let decided = Decided {
            minted,
            refused,
            asked,
        };
        let earlier = self.world.ledger.push(record, decided);
        let given = match &command {
            Some(agenda::Command::Promote(promote)) => Some(promote.slot),
            Some(_) | None => None,
        };
        let owed = self.world.agenda.unpaid(given);
        self.tell(&law::Logged {
            record,
            minted,
            holder,
            earlier,
            is_asked,
            agenda: match (&command, &outcome) {
                (Some(command), Outcomes::Agenda(outcome)) => Some((command, outcome)),
                _of_another_system => None,
            },
            sales: sales.as_ref(),
            is_unreadable: matches!(outcome, Outcomes::Unreadable),
            owed,
        });
        // The client is who the log says, where nobody told of them before.
        if let (true, Some((client, _)), None) = (is_asked, minted, holder) {
            self.handle_client(client, record.actor);
        }
        self.apply_agenda(record, command.as_ref(), &outcome);
        self.apply_catalogue(record);
        self.apply_sales(record, sales.as_ref());
        self.apply_chat(record, minted);
        if record.seq.0 == self.world.began_at {
            self.world.held_before = self.world.agenda.held_slots();
        }
    }

    /// Which of the run's operations asked for a record: only its own can have its keys.
    fn minted(&self, record: &OwnedRecord) -> Option<OperationId> {
        let ours = record.seq.0 > self.world.began_at;
        let mint = &self.world.options.mint;
        ours.then(|| mint.verify(&record.key)).flatten()
    }

    /// Sets a visitor's record aside. Returns whether somebody of the run must have asked for it.
    fn admit_record(
        &mut self,
        record: &OwnedRecord,
        command: Option<&agenda::Command>,
        minted: Option<OperationId>,
    ) -> bool {
        let world = &mut self.world;
        world.people.handle_record(record, &world.options.mint);
        // What the server does by itself has no key of ours.
        if record.seq.0 <= world.began_at || is_of_server(record, command) {
            return false;
        }
        if minted.is_none() && world.people.is_of_visitor(record) {
            world.people.set_aside(record);
            return false;
        }
        // Anybody may try to log in as anybody, at any time.
        !is_entering(record)
    }

    fn apply_agenda(
        &mut self,
        record: &OwnedRecord,
        command: Option<&agenda::Command>,
        outcome: &Outcomes,
    ) {
        let world = &mut self.world;
        match (command, outcome) {
            (Some(command), Outcomes::Agenda(Ok(event))) => {
                let is_asked = |slot| world.slots.contains_key(&slot);
                world.people.handle_agenda(record, event, is_asked);
                world.agenda.apply(&Place::of(record), command, event);
            }
            (None, Outcomes::Account(event)) => {
                world.agenda.apply_account(&Place::of(record), event);
            }
            _changes_no_agenda => {}
        }
        if !matches!(outcome, Outcomes::Agenda(Err(_)) | Outcomes::Unreadable) {
            world.people.handle_accepted(record);
        }
    }

    /// The state hash of the live server and of a replay of its log: position and hash.
    pub fn handle_state_hashes(
        &mut self,
        live: Option<(u64, u128)>,
        replayed: Option<(u64, u128)>,
    ) {
        self.world.live_at = live.map(|(seq, _)| seq);
        self.tell(&StateHashes { live, replayed });
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
        self.world.held_before.extend(self.world.people.slots());
        self.tell(&Visitors);
        self.end_presence();
        let mut unseen = Unseen::default();
        for operation in history() {
            self.recall(&operation, &mut unseen);
        }
        self.tell(&LogKnown);
        let tally = self.tally();
        // Its memory is the slots' now.
        self.world.ledger.clear();
        self.judge_slots(&history, &unseen);
        let required = self.world.options.required.clone();
        let told = tell(self.findings(), &required, &history);
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
        let may_be_visited = !self.world.options.is_alone;
        let (mut laws, _tally) = self.conclude_with_tally(history);
        for law in &mut laws {
            let stands = match about(law).map(|about| about.needs) {
                Some(Needs::Answers) => true,
                Some(Needs::AnswersUnvisited) => !may_be_visited,
                Some(Needs::Log) | None => false,
            };
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

    /// This client, and the other devices of its person.
    fn clients_like(&self, client: u32) -> impl Iterator<Item = u32> {
        let user = self.world.known_user(client);
        let all = (0..).zip(&self.world.users);
        let devices = all.filter(move |(_, known)| user.is_some() && **known == user);
        devices.map(|(device, _)| device).chain([client])
    }

    fn tally(&self) -> Tally {
        let Counts {
            acknowledged,
            lost,
            found,
            absent,
        } = self.registry.durable_acks.counts();
        let (set_aside, visitors) = self.world.people.set_aside_so_far();
        Tally {
            acknowledged,
            lost,
            doubled: self.registry.idempotent_answers.doubled(),
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
        let bytes_max = self.world.options.memory_bytes_max / 4;
        for part in Part::all(unseen.of_slots, bytes_max) {
            let mut slots = SlotHistory::new(part, bytes_max);
            for operation in history() {
                // What an erasure gave back nobody cancelled: the model has such slots.
                if unseen.parted.contains(&operation.client) {
                    self.world.held_before.extend(operation.call.slot());
                }
                let won = unseen.won.contains(&(operation.client, operation.counter));
                slots.push(&operation, won);
            }
            slots.sort();
            self.tell(&Slots { history: &slots });
        }
    }

    /// One operation of the history, when the whole log is known.
    fn recall(&mut self, operation: &Operation, unseen: &mut Unseen) {
        unseen.of_slots += u64::from(is_of_slot(operation));
        if operation.call == Call::EraseMe {
            unseen.parted.extend(self.clients_like(operation.client));
        }
        let ledger = &mut self.world.ledger;
        ledger.note(operation);
        let found = ledger.find((operation.client, operation.counter));
        let own = found.and_then(|seq| ledger.get(seq).map(|entry| (seq, entry)));
        self.tell(&Recalled { operation, own });
        let is_unseen = match operation.outcome {
            Outcome::Timeout | Outcome::Unknown => true,
            // An earlier attempt may have been heard.
            Outcome::Error(_) => 1 < operation.attempts,
            Outcome::Ok | Outcome::Refused(_) => false,
        };
        // Without a log it may have been.
        let may_have_won = self.world.options.contract.is_some()
            || own.is_some_and(|(_, entry)| entry.refused().is_none());
        if is_unseen && may_have_won {
            unseen.won.insert((operation.client, operation.counter));
        }
    }

    /// What each law found; of what nobody had to do with, only if it must be judged.
    fn findings(self) -> Vec<Finding> {
        let Self { world, registry } = self;
        let ended = Ended {
            world: &world,
            chat: Owed::of(&world),
        };
        let is_required = |finding: &Finding, topic| {
            let mut alike = ABOUTS.iter().filter(|about| match topic {
                Topic::Itself => about.name == finding.name(),
                _shared => about.topic == topic,
            });
            alike
                .any(|about| (world.options.required.iter()).any(|required| required == about.name))
        };
        let mut findings = registry.conclude(&ended);
        findings.retain(|finding| {
            let topic = finding.topic();
            let is_exercised = world.is_exercised(topic) && !finding.is_left_out();
            is_exercised || is_required(finding, topic)
        });
        findings
    }
}

/// Why a record says that its command was refused, if it does, and what else it says.
fn outcome_of(record: &OwnedRecord, is_agenda: bool) -> (Option<protocol::Code>, Outcomes) {
    match Logged::decode(&record.outcome) {
        Ok(Logged::Refused(refusal)) => (Some(refusal.code), Outcomes::Agenda(Err(refusal))),
        Ok(Logged::Accepted { kind, schema, body }) => {
            (None, event_of((kind, schema, body), is_agenda))
        }
        Err(_) => (None, Outcomes::Unreadable),
    }
}

fn event_of((kind, schema, body): (Kind, u8, &[u8]), is_agenda: bool) -> Outcomes {
    if is_agenda {
        let event = agenda::Event::decode(kind, schema, body);
        return event.map_or(Outcomes::Unreadable, |event| Outcomes::Agenda(Ok(event)));
    }
    let event = accounts::Event::decode(kind, schema, body);
    event.map_or(Outcomes::Other, Outcomes::Account)
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
