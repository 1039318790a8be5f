//! One value of every word, frozen: the golden vectors are their bytes.
//!
//! Figures are chosen so that every length of a varint occurs. Never change one; a word whose
//! layout changes gets a second sample beside the first.

use crate::{
    code::Code,
    id::{ChainHash, Key, Kind, Roles, Seq, UserId},
    personal::Personal,
    record::OwnedRecord,
    words::{
        accounts::{self, AuthRequest, Token},
        agenda::{self, OpenAgenda, SlotId},
        log::{self, About, Subject, TrailEntry, TrailEntry1},
    },
};

macro_rules! samples {
    ($into:expr, $name:literal, $set:ty; $($word:expr),* $(,)?) => {
        $({
            let word = <$set>::from($word);
            let (kind, schema) = word.kind();
            let mut body = Vec::new();
            word.encode(&mut body);
            $into.push($crate::tests::samples::Sample { set: $name, kind, schema, name: word.name(), body, debug: format!("{word:?}") });
        })*
    };
}

mod chat;
mod trade;

/// A word with the name of its set.
pub(super) struct Sample {
    pub(super) set: &'static str,
    pub(super) kind: Kind,
    pub(super) schema: u8,
    pub(super) name: &'static str,
    pub(super) body: Vec<u8>,
    pub(super) debug: String,
}

const KEY: Key = Key([
    0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f,
]);
/// A day whose varint has two bytes behind its marker.
const SLOT: SlotId = SlotId {
    agenda: 70_000,
    day: 20_778,
    slot: 250,
};
/// A millisecond of 2026, whose varint has eight bytes behind its marker.
const AT: u64 = 1_795_176_000_123;

/// Every request to become somebody.
pub(super) fn auth_requests() -> [AuthRequest; 3] {
    let (name, password) = (String::from("ana"), String::from("correct horse"));
    [
        AuthRequest::Register {
            name: name.clone(),
            password: password.clone(),
        },
        AuthRequest::LogIn { name, password },
        AuthRequest::Resume {
            token: Token([0xc3; 32]),
        },
    ]
}

/// Every word of every set.
pub(super) fn words() -> Vec<Sample> {
    let mut samples = Vec::new();
    log_words(&mut samples);
    accounts_commands(&mut samples);
    accounts_answers(&mut samples);
    agenda_commands(&mut samples);
    agenda_answers(&mut samples);
    chat::words(&mut samples);
    trade::words(&mut samples);
    samples
}

fn log_words(samples: &mut Vec<Sample>) {
    let user_trail = log::ReadTrail1 {
        subject: Subject::User(UserId(4)),
        before: Seq(0),
        limit: 500,
    };
    let agenda_trail = log::ReadTrail1 {
        subject: Subject::Agenda(251),
        before: Seq(65_536),
        limit: 1,
    };
    let (subject, before, limit) = (Subject::User(UserId(4)), Seq(0), 50);
    samples!(samples, "log/query", log::Query;
        log::ReadLog { from: Seq(250), limit: 251 },
        log::ReadState {},
        log::ReplayState { upto: Seq(300) },
        user_trail,
        agenda_trail,
        log::ReadTrail { subject, before, limit },
    );
    let record = OwnedRecord {
        seq: Seq(6),
        recorded_at: AT,
        actor: UserId(4),
        key: KEY,
        kind: Kind(0x0202),
        schema: 1,
        codec: 1,
        body: vec![3, 251, 42, 81, 9],
        outcome: vec![0, 2, 2, 1, 3, 251, 42, 81, 9],
        hash: ChainHash([0x5a; 32]),
    };
    let entry = |seq, refused| TrailEntry1 {
        seq: Seq(seq),
        recorded_at: AT,
        actor: UserId(4),
        command: String::from("reserve"),
        target: 3,
        refused,
    };
    let entries = vec![entry(7, Some(Code::SLOT_TAKEN)), entry(6, None)];
    samples!(samples, "log/answer", log::Answer;
        log::LogPage { records: vec![record] },
        log::StateHash { seq: Seq(7), hash: u128::MAX - 1 },
        log::TrailPage1 { entries },
        log::TrailPage { entries: trail_entries() },
    );
}

/// A step about each thing that there is.
fn trail_entries() -> Vec<TrailEntry> {
    let (user, store, conversation) = (UserId(4), 300, 251);
    let booking = |slot| About::Booking { booking: 6, slot };
    let roles = Roles::SELLER;
    let (cents, day) = (65_536, SLOT.day);
    let abouts = [
        About::Nothing,
        About::Person(user),
        About::Roles { user, roles },
        About::Session(5),
        About::Agenda(3),
        About::Slot(SLOT),
        booking(None),
        booking(Some(SLOT)),
        About::Conversation(conversation),
        About::Member { conversation, user },
        About::Type(1),
        About::Item(70_000),
        About::Network(251),
        About::Store(store),
        About::Seller { user, store },
        About::Sale { store, cents, day },
    ];
    let entry = |(seq, about)| TrailEntry {
        seq: Seq(seq),
        recorded_at: AT,
        actor: user,
        command: String::from("cancel"),
        target: 3,
        refused: (seq == 7).then_some(Code::UNKNOWN_BOOKING),
        about,
    };
    (1..).zip(abouts).map(entry).collect()
}

fn accounts_commands(samples: &mut Vec<Sample>) {
    let password_hash = Personal::from("$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA");
    samples!(samples, "accounts/command", accounts::Command;
        accounts::Register { name: Personal::from("ana"), password_hash: password_hash.clone() },
        accounts::LogIn { verified: true, token_hash: [0x3c; 32] },
        accounts::RevokeSession { session: 5 },
        accounts::RevokeAllSessions {},
        accounts::SetRoles { user: UserId(4), roles: Roles::SELLER.with(Roles::MANAGER) },
        accounts::Rehash { user: UserId(4), password_hash },
        accounts::MoveCursor { session: 5, seq: Seq(251) },
        accounts::EraseMe {},
        accounts::SetClockBack { from: AT },
    );
    samples!(samples, "accounts/event", accounts::Event;
        accounts::Registered {},
        accounts::LoggedIn { user: UserId(4), expires_at: AT, cursor: Seq(250) },
        accounts::SessionsEnded { sessions: vec![5, 251, 65_535, 65_536, u64::MAX] },
        accounts::RolesSet { user: UserId(4), roles: Roles(255) },
        accounts::Rehashed { user: UserId(4) },
        accounts::CursorMoved {},
        accounts::Erased {},
        accounts::ClockSetBack {},
    );
    samples!(samples, "accounts/push", accounts::Push;
        accounts::RolesSet { user: UserId(4), roles: Roles::SELLER },
    );
}

fn accounts_answers(samples: &mut Vec<Sample>) {
    let name = String::from("ana");
    samples!(samples, "accounts/query", accounts::Query;
        accounts::WhoAmI {},
        accounts::MySessions {},
        accounts::FindUser { name: name.clone() },
    );
    let session = accounts::SessionView {
        session: 5,
        opened_at: AT,
        expires_at: AT + 1,
        cursor: Seq(251),
    };
    let (user, roles, cursor) = (UserId(4), Roles::ADMIN, Seq(250));
    samples!(samples, "accounts/answer", accounts::Answer;
        accounts::Me { user, name, roles },
        accounts::Sessions { sessions: vec![session] },
        accounts::FoundUser { user },
        accounts::SessionOpened { user, roles, session: 5, expires_at: AT, cursor, token: Token([0xc3; 32]) },
        accounts::SessionResumed { user, roles, session: 5, expires_at: AT, cursor },
    );
}

fn open_agenda() -> OpenAgenda {
    OpenAgenda {
        name: String::from("Sprechstunde für alle"),
        opens_minute: 480,
        closes_minute: 1_200,
        slot_minutes: 60,
        capacity: 1,
    }
}

fn agenda_commands(samples: &mut Vec<Sample>) {
    samples!(samples, "agenda/command", agenda::Command;
        open_agenda(),
        agenda::Reserve { slot: SLOT },
        agenda::Cancel { booking: 251 },
        agenda::Hold { slot: SLOT, seconds: 3_600 },
        agenda::Confirm { booking: 65_536 },
        agenda::Expire { booking: 1 << 32 },
        agenda::JoinWaitlist { slot: SLOT },
        agenda::LeaveWaitlist { slot: SLOT },
        agenda::Promote { slot: SLOT },
    );
    let (slot, user) = (SLOT, UserId(4));
    samples!(samples, "agenda/event", agenda::Event;
        agenda::AgendaOpened { slots: 12 },
        agenda::Reserved { slot },
        agenda::Cancelled { slot },
        agenda::Held { slot, until: AT },
        agenda::Confirmed { slot },
        agenda::Expired { booking: 251, user, slot },
        agenda::WaitlistJoined { slot, place: 1_000 },
        agenda::WaitlistLeft { slot },
        agenda::Promoted { slot, user },
        agenda::BookingCancelled { booking: 251, user, slot, by: UserId(1) },
    );
    samples!(samples, "agenda/push", agenda::Push;
        agenda::Expired { booking: 251, user, slot },
        agenda::Promoted { slot, user },
        agenda::BookingCancelled { booking: 251, user, slot, by: UserId(1) },
    );
}

fn agenda_answers(samples: &mut Vec<Sample>) {
    samples!(samples, "agenda/query", agenda::Query;
        agenda::ListAgendas { after: 3, limit: 500 },
        agenda::ListSlots { agenda: 3, day: 20_778 },
        agenda::MyBookings { after: 0, limit: 500 },
    );
    let view = |mine, past| agenda::SlotView {
        held: 1,
        waiting: 251,
        mine,
        past,
    };
    let booking = agenda::BookingView {
        booking: 6,
        slot: SLOT,
        until: AT,
        key: KEY,
    };
    let agenda = agenda::AgendaView {
        agenda: 3,
        opened: open_agenda(),
    };
    samples!(samples, "agenda/answer", agenda::Answer;
        agenda::Agendas { agendas: vec![agenda] },
        agenda::Slots { day: 20_778, slots: vec![view(0, true), view(6, false)] },
        agenda::Bookings { bookings: vec![booking] },
    );
}
