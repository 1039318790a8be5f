//! Words of the agenda: slots that are never double-booked.
//!
//! Days count from 1970-01-01 UTC; slots count from 0 at opening time. An agenda and a booking are
//! known by the position of the record that made them.

use serde::{Deserialize, Serialize};

use super::words;
use crate::id::{Key, UserId};

/// The number of this system.
pub const SYSTEM: u8 = 2;

words! {
    /// What can be asked of the agenda.
    Command in SYSTEM;
    OpenAgenda = 1, "open-agenda";
    Reserve = 2, "reserve";
    Cancel = 3, "cancel";
    Hold = 4, "hold";
    Confirm = 5, "confirm";
    Expire = 6, "expire";
    JoinWaitlist = 7, "join-waitlist";
    LeaveWaitlist = 8, "leave-waitlist";
    Promote = 9, "promote";
}

words! {
    /// What happened to the agenda.
    Event in SYSTEM;
    AgendaOpened = 1, "agenda-opened";
    Reserved = 2, "reserved";
    Cancelled = 3, "cancelled";
    Held = 4, "held";
    Confirmed = 5, "confirmed";
    Expired = 6, "expired";
    WaitlistJoined = 7, "waitlist-joined";
    WaitlistLeft = 8, "waitlist-left";
    Promoted = 9, "promoted";
    BookingCancelled = 10, "booking-cancelled";
}

words! {
    /// What the agenda tells people who did not ask just now.
    Push in SYSTEM;
    Expired = 6, "expired";
    Promoted = 9, "promoted";
    BookingCancelled = 10, "booking-cancelled";
}

words! {
    /// What can be asked without changing anything.
    Query in SYSTEM;
    ListAgendas = 1, "list-agendas";
    ListSlots = 2, "list-slots";
    MyBookings = 3, "my-bookings";
}

words! {
    /// What the agenda answers.
    Answer in SYSTEM;
    Agendas = 1, "agendas";
    Slots = 2, "slots";
    Bookings = 3, "bookings";
}

/// One slot of one agenda on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlotId {
    /// The agenda, by the position that opened it.
    pub agenda: u64,
    /// Days since 1970-01-01 UTC.
    pub day: u32,
    /// From 0 at opening time.
    pub slot: u16,
}

/// A new agenda. Managers and admins only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenAgenda {
    /// 1 to 64 bytes, unique.
    pub name: String,
    /// Opening time, minutes after midnight UTC.
    pub opens_minute: u16,
    /// Closing time, minutes after midnight UTC, at most 1440.
    pub closes_minute: u16,
    /// Length of a slot in minutes; divides the opening hours.
    pub slot_minutes: u16,
    /// People a slot can hold.
    pub capacity: u16,
}

/// Take a place in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserve {
    /// Which slot.
    pub slot: SlotId,
}

/// Give a place back, held or confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// The booking, by the position that made it.
    pub booking: u64,
}

/// Take a place for a while; it ends by itself unless it is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Which slot.
    pub slot: SlotId,
    /// For how long, 1 to 3600.
    pub seconds: u32,
}

/// Keep what was held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirm {
    /// The booking, by the position that made it.
    pub booking: u64,
}

/// End a hold whose time is over. Server only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expire {
    /// The booking, by the position that made it.
    pub booking: u64,
}

/// Queue for a full slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinWaitlist {
    /// Which slot.
    pub slot: SlotId,
}

/// Leave the queue of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaveWaitlist {
    /// Which slot.
    pub slot: SlotId,
}

/// Give a freed place to the first in line. Server only, directly behind what freed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promote {
    /// Which slot.
    pub slot: SlotId,
}

/// An agenda exists; its id is this record's position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgendaOpened {
    /// Its slots a day.
    pub slots: u16,
}

/// A booking exists; its id is this record's position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    /// The slot.
    pub slot: SlotId,
}

/// A booking ended at its holder's wish. In logs from before [`BookingCancelled`], also at an admin's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelled {
    /// The slot it was of.
    pub slot: SlotId,
}

/// A booking ended at the wish of an admin who was not its holder. Pushed to the holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingCancelled {
    /// The booking.
    pub booking: u64,
    /// Whose it was.
    pub user: UserId,
    /// The slot it was of.
    pub slot: SlotId,
    /// Who ended it.
    pub by: UserId,
}

/// A booking exists until a deadline; its id is this record's position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The slot.
    pub slot: SlotId,
    /// When it ends by itself, milliseconds since 1970-01-01 UTC.
    pub until: u64,
}

/// A held booking has no deadline any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// The slot.
    pub slot: SlotId,
}

/// A held booking ended by its deadline. Pushed to whoever held it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expired {
    /// The booking.
    pub booking: u64,
    /// Whose it was.
    pub user: UserId,
    /// The slot it was of.
    pub slot: SlotId,
}

/// Somebody waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitlistJoined {
    /// The slot.
    pub slot: SlotId,
    /// Place in the queue, the first is 1.
    pub place: u32,
}

/// Somebody waits no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitlistLeft {
    /// The slot.
    pub slot: SlotId,
}

/// The first in line got the place; the booking's id is this record's position. Pushed to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promoted {
    /// The slot.
    pub slot: SlotId,
    /// Who has it now.
    pub user: UserId,
}

/// The agendas, in the order they were opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListAgendas {
    /// Only agendas after this id; 0 for the first page.
    pub after: u64,
    /// The most wanted.
    pub limit: u16,
}

/// The slots of an agenda on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListSlots {
    /// The agenda.
    pub agenda: u64,
    /// Days since 1970-01-01 UTC; 0 for today.
    pub day: u32,
}

/// My bookings, in the order they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MyBookings {
    /// Only bookings after this id; 0 for the first page.
    pub after: u64,
    /// The most wanted.
    pub limit: u16,
}

/// A page of agendas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agendas {
    /// In the order they were opened.
    #[serde(deserialize_with = "crate::codec::list")]
    pub agendas: Vec<AgendaView>,
}

/// One agenda.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgendaView {
    /// Its id.
    pub agenda: u64,
    /// As it was opened.
    pub opened: OpenAgenda,
}

/// The slots of one day, all of them, from the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slots {
    /// The day.
    pub day: u32,
    /// One for each slot.
    #[serde(deserialize_with = "crate::codec::list")]
    pub slots: Vec<SlotView>,
}

/// One slot as one person sees it: how many places are held, and only their own booking by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotView {
    /// Places held, for sure or for a while.
    pub held: u16,
    /// People waiting.
    pub waiting: u16,
    /// Your booking of it; 0 when you have none.
    pub mine: u64,
    /// Whether it began before now.
    pub past: bool,
}

/// A page of my bookings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bookings {
    /// In the order they were made.
    #[serde(deserialize_with = "crate::codec::list")]
    pub bookings: Vec<BookingView>,
}

/// One booking of mine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingView {
    /// Its id.
    pub booking: u64,
    /// Its slot.
    pub slot: SlotId,
    /// When a hold ends by itself; 0 for a confirmed booking.
    pub until: u64,
    /// The key of the command that asked for it, by which a client knows its own wish.
    pub key: Key,
}
