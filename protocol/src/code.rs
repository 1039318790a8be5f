//! Refusals: a stable number, a name, and a sentence with the value, the limit and the remedy.
//!
//! The wire and the log carry the number and two figures, a few bytes; the sentence is rendered
//! from them here, the same in every gateway. Numbers and names are never reused. The high byte is
//! the system: 0 for the conversation itself, then as in [`crate::words`].

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why something was refused, as a number that never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Code(pub u16);

/// A refusal: why, the value that was not acceptable, and the limit it met.
///
/// Figures that a code has no use for are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Refusal {
    /// Why.
    pub code: Code,
    /// The value that was refused.
    pub value: u64,
    /// What it was measured against.
    pub limit: u64,
}

impl Refusal {
    /// A refusal with no figures.
    #[must_use]
    pub const fn new(code: Code) -> Self {
        Self::with(code, 0, 0)
    }

    /// A refusal of `value` against `limit`.
    #[must_use]
    pub const fn with(code: Code, value: u64, limit: u64) -> Self {
        Self { code, value, limit }
    }

    /// The sentence a person reads: what was refused, the limit, and what to do.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self.code.entry() {
            Some(entry) => self.render(entry.sentence),
            None => format!(
                "refused with code {} (value {}, limit {}), which this version does not know; use a newer client",
                self.code.0, self.value, self.limit
            ),
        }
    }
}

impl Refusal {
    /// A sentence with its figures, each as the sentence wants it.
    fn render(&self, sentence: &str) -> String {
        let mut text = sentence.to_owned();
        for (name, figure) in [("value", self.value), ("limit", self.limit)] {
            for (form, render) in FORMS {
                let place = format!("{{{name}{form}}}");
                if text.contains(&place) {
                    text = text.replace(&place, &render(figure));
                }
            }
        }
        text
    }
}

/// What becomes of a figure.
type Form = fn(u64) -> String;

/// How a sentence may want a figure: what stands behind its name, and what becomes of it.
pub(crate) const FORMS: [(&str, Form); 4] = [
    ("", |figure| figure.to_string()),
    (":day", day_text),
    (":time", time_text),
    (":roles", roles_text),
];

/// The last day with a year of four digits.
const DAY_MAX: u64 = 2_932_896;

/// A day since 1970-01-01 as people write it, such as 2026-11-30; far beyond that, its number.
fn day_text(day: u64) -> String {
    if DAY_MAX < day {
        return format!("day {day}");
    }
    let (year, month, day) = date(day);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Milliseconds since 1970-01-01 UTC as people write them, to the second.
fn time_text(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    if DAY_MAX < day {
        return format!("{ms} ms");
    }
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}Z", day_text(day))
}

/// The names of a set of roles.
fn roles_text(bits: u64) -> String {
    let names = [(1, "seller"), (2, "manager"), (4, "admin")];
    let has = names.iter().filter(|(bit, _)| bits & bit != 0);
    let names: Vec<&str> = has.map(|(_, name)| *name).collect();
    match names.as_slice() {
        [] => "none".to_owned(),
        names => names.join(" and "),
    }
}

/// Year, month and day of a day since 1970-01-01: the usual reckoning in eras of 400 years that begin
/// in March, so that the day of a leap year is the last.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "days are bounded, and every difference is of something larger"
)]
const fn date(day: u64) -> (u64, u64, u64) {
    let day = day + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let march = (5 * day + 2) / 153;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = era * 400 + year + if month <= 2 { 1 } else { 0 };
    (year, month, day - (153 * march + 2) / 5 + 1)
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.sentence())
    }
}

/// One row of the table of codes.
#[derive(Debug, Clone, Copy)]
pub struct CodeEntry {
    /// The number on the wire and in the log.
    pub code: Code,
    /// The stable name, kebab-case, as JSON and reports show it.
    pub name: &'static str,
    /// How it can reach a client.
    pub ways: Ways,
    /// The sentence, with `{value}` and `{limit}` to fill in.
    pub sentence: &'static str,
}

/// The ways in which a code can reach a client: a set, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ways(u8);

impl Ways {
    /// In an error frame behind which the connection ends.
    pub const FATAL: Self = Self(1);
    /// In an error frame: what was asked was not considered, and the connection goes on.
    pub const ERROR: Self = Self(2);
    /// In the outcome of a command or an authentication that was decided; that is in the log.
    pub const COMMAND: Self = Self(4);
    /// In the outcome of a query.
    pub const QUERY: Self = Self(8);

    /// Every way, with its stable name.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::FATAL, "fatal-error"),
        (Self::ERROR, "error"),
        (Self::COMMAND, "refused-command"),
        (Self::QUERY, "refused-query"),
    ];

    /// Whether some way of `other` is among these.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl Code {
    /// Whether this code can reach a client in one of these ways. One that this version does not know
    /// can in any.
    #[must_use]
    pub fn comes_as(self, ways: Ways) -> bool {
        self.entry().is_none_or(|entry| entry.ways.meets(ways))
    }

    /// The stable name, or `unknown-code`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.entry().map_or("unknown-code", |entry| entry.name)
    }

    fn entry(self) -> Option<&'static CodeEntry> {
        CODES.iter().find(|entry| entry.code == self)
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $constant:ident = $number:literal, $name:literal, $($way:ident)|+, $sentence:literal;)*) => {
        impl Code {
            $(
                #[doc = concat!("`", $name, "`: ", $sentence)]
                pub const $constant: Self = Self($number);
            )*
        }

        /// Every code there is, in order of number.
        pub const CODES: &[CodeEntry] = &[
            $(CodeEntry {
                code: Code::$constant,
                name: $name,
                ways: Ways(0 $(| Ways::$way.0)+),
                sentence: $sentence,
            },)*
        ];
    };
}

codes! {
    // The conversation. These answers are not decisions: nothing was logged and nothing changed.
    BAD_FRAME = 0x0001, "bad-frame", FATAL, "the frame is malformed near byte {value}; see the layout in protocol/README.md";
    FRAME_TOO_LONG = 0x0002, "frame-too-long", FATAL, "the frame has {value} bytes and {limit} is the most; send less at a time";
    HELLO_FIRST = 0x0003, "hello-first", FATAL, "the conversation must open with a hello frame; say hello first";
    WIRE_VERSION = 0x0004, "wire-version", FATAL, "wire version {value} is not spoken here, {limit} is; use a client of that version";
    LOG_IN_FIRST = 0x0005, "log-in-first", ERROR, "this needs a person; register, log in or resume a session first";
    ALREADY_LOGGED_IN = 0x0006, "already-logged-in", ERROR, "this connection belongs to user {value} already; open another to be somebody else";
    UNKNOWN_KIND = 0x0007, "unknown-kind", ERROR, "kind {value} is unknown here; see the list of kinds in protocol/README.md";
    BAD_BODY = 0x0008, "bad-body", ERROR, "the body of kind {value} makes no sense at its byte {limit}; see its fields in protocol/README.md";
    IN_FLIGHT = 0x0009, "too-many-in-flight", ERROR, "{value} requests are unanswered on this connection and {limit} is the most; wait for answers before sending more";
    BUSY = 0x000a, "busy", ERROR, "the server has {value} requests waiting and {limit} is the most; retry after the stated time with the same key";
    CONNECTIONS = 0x000b, "too-many-connections", FATAL, "the server holds {value} connections and takes no more; try again later, or ask whoever runs it for a higher --connections";
    HELLO_TIMEOUT = 0x000c, "hello-timeout", FATAL, "no hello came within {limit} ms; send it at once after connecting";
    LOGIN_TIMEOUT = 0x000d, "login-timeout", FATAL, "nobody logged in within {limit} ms; connect again and log in at once";
    IDLE = 0x000e, "idle", FATAL, "nothing came for {limit} ms; send a ping now and then";
    KEY_REUSED = 0x0010, "key-reused", ERROR, "this key was used for a different command at seq {value}; choose a new key for a new command";
    SHUTTING_DOWN = 0x0011, "shutting-down", ERROR | FATAL | QUERY, "the server is shutting down; connect again later and retry with the same key";
    NOT_ALLOWED = 0x0012, "not-allowed", ERROR | COMMAND | QUERY, "your roles are {value:roles} and this needs {limit:roles}; ask an admin for the role";
    LOGIN_ATTEMPTS = 0x0013, "too-many-logins", FATAL, "{value} log-ins failed on this connection, its limit; connect again";
    SERVER_ONLY = 0x0014, "server-only", ERROR, "kind {value} is decided by the server alone and cannot be sent";
    PAGE_LEN = 0x0015, "page-length", QUERY, "a page of {value} was asked for and 1 to {limit} is possible; ask for less";
    SESSION_ENDED = 0x0016, "session-ended", ERROR | FATAL, "this session was revoked or has expired, or its person was erased; log in again, unless that was you";
    UNKNOWN_STEP = 0x0017, "unknown-step", QUERY, "seq {value} is no step of this trail; give the last one of the page before, or 0 for the newest";
    BAD_LINE = 0x0018, "bad-line", ERROR | FATAL, "this line asks nothing known; see its `reason`, and the JSON lines in protocol/README.md";
    LINE_TOO_LONG = 0x0019, "line-too-long", ERROR | FATAL, "this line, or what it says, is longer than can be asked at once; send less at a time";
    ZERO_CORRELATION = 0x001a, "zero-correlation", ERROR, "a request was numbered 0, which stands for the conversation itself; number requests from 1";
    SERVER_KEY = 0x001b, "server-key", ERROR, "idempotency keys that begin with eight zero bytes are the server's own; choose another key, best at random";
    NAME_BLANK = 0x001c, "name-blank", COMMAND, "nothing of this name of {value} bytes can be seen; use letters, digits or signs";
    NAME_INVISIBLE = 0x001d, "name-invisible", COMMAND, "character {value} of the name is one that nobody sees: a control character, one of no width, or one that turns the direction of writing; leave it out";
    LOG_DAMAGED = 0x0020, "log-damaged", ERROR | FATAL | QUERY, "the server cannot read its log back at seq {value}, or right before it: it was altered there, or its disk fails; what it says is not told, and nothing was changed; ask whoever runs the server for `stampede log verify`";

    // Accounts.
    NAME_TAKEN = 0x0101, "name-taken", COMMAND, "this name belongs to user {value} already; choose another";
    NAME_LENGTH = 0x0102, "name-length", COMMAND, "the name has {value} characters; it takes 3 to {limit}";
    NAME_CHARACTER = 0x0103, "name-character", COMMAND, "character {value} of the name is not a letter, a digit, `_`, `.` or `-`; leave it out";
    PASSWORD_LENGTH = 0x0104, "password-length", ERROR, "the password has {value} bytes; it takes 6 to {limit}";
    BAD_CREDENTIALS = 0x0105, "bad-credentials", COMMAND, "name and password do not belong together; check both";
    UNKNOWN_SESSION = 0x0106, "unknown-session", ERROR | COMMAND, "there is no such session, or it has ended; list your sessions, or log in for a new one";
    UNKNOWN_USER = 0x0107, "unknown-user", COMMAND | QUERY, "there is no such user; check the name or the id";
    UNKNOWN_ROLE = 0x0108, "unknown-role", COMMAND, "role bits {value} are not roles; use 1 seller, 2 manager, 4 admin";
    LAST_ADMIN = 0x0109, "last-admin", COMMAND, "this is the last admin; make another one first";
    SESSIONS = 0x010a, "too-many-sessions", COMMAND, "you have {value} sessions, the most there can be; end one first";
    CURSOR_BEHIND = 0x010b, "cursor-behind", COMMAND, "the cursor of this session stands at {limit} and seq {value} is not beyond it; a cursor only rises";
    CURSOR_AHEAD = 0x010c, "cursor-ahead", COMMAND, "seq {value} has not happened, the log is at {limit}; move the cursor to what you have received";

    // Agenda.
    UNKNOWN_AGENDA = 0x0201, "unknown-agenda", COMMAND | QUERY, "there is no agenda {value}; list the agendas";
    UNKNOWN_SLOT = 0x0202, "unknown-slot", COMMAND, "slot {value} does not exist; this agenda has {limit} slots a day, the first is 0";
    DAY_OUT_OF_RANGE = 0x0203, "day-out-of-range", COMMAND | QUERY, "{value:day} cannot be booked; the last day open now is {limit:day} (UTC)";
    SLOT_PAST = 0x0204, "slot-past", COMMAND, "this slot began at {value:time} and it is {limit:time} now; choose a later one";
    SLOT_TAKEN = 0x0205, "slot-taken", COMMAND, "all {limit} places of this slot are held, one of them by you if `list-slots` says so; choose another or join its waitlist";
    ALREADY_BOOKED = 0x0206, "already-booked", COMMAND, "you hold booking {value} of this slot already; cancel it first";
    UNKNOWN_BOOKING = 0x0207, "unknown-booking", COMMAND, "there is no booking {value}, or it has ended; list your bookings";
    NOT_HOLDER = 0x0208, "not-holder", COMMAND, "booking {value} is not yours; only its holder or an admin may do this";
    NOT_ON_HOLD = 0x0209, "not-on-hold", COMMAND, "booking {value} is confirmed already; nothing is left to do";
    HOLD_LENGTH = 0x020a, "hold-length", COMMAND, "a hold of {value} seconds was asked for; 1 to {limit} is possible";
    SLOT_FREE = 0x020b, "slot-free", COMMAND, "this slot has {value} free places; reserve it instead of waiting";
    ALREADY_WAITING = 0x020c, "already-waiting", COMMAND, "you are in this slot's queue already, at place {value}";
    NOT_WAITING = 0x020d, "not-waiting", COMMAND, "you are not in this slot's queue; join it first";
    WAITLIST_FULL = 0x020e, "waitlist-full", COMMAND, "{value} people wait for this slot and {limit} is the most; choose another";
    AGENDA_NAME_LENGTH = 0x020f, "agenda-name-length", COMMAND, "the agenda's name has {value} bytes; it takes 1 to {limit}";
    AGENDA_NAME_TAKEN = 0x0210, "agenda-name-taken", COMMAND, "agenda {value} has this name already; choose another";
    AGENDA_HOURS = 0x0211, "agenda-hours", COMMAND, "opening hours of {value} minutes do not hold whole slots of {limit} minutes, or go on after the day, which has 1440; choose others";
    AGENDA_CAPACITY = 0x0212, "agenda-capacity", COMMAND, "a capacity of {value} was asked for; 1 to {limit} is possible";
    HOLD_NOT_DUE = 0x0213, "hold-not-due", COMMAND, "the hold of booking {value} lasts until {limit:time}";

    // Chat and messenger.
    TEXT_LENGTH = 0x0301, "text-length", COMMAND, "the text has {value} bytes; it takes 1 to {limit}";
    TEXT_ENCODING = 0x0302, "text-encoding", COMMAND, "byte {value} of the text is not UTF-8; send text in UTF-8";
    TO_YOURSELF = 0x0303, "to-yourself", COMMAND, "a private message is for somebody else; write to another person";
    UNKNOWN_CONVERSATION = 0x0304, "unknown-conversation", COMMAND | QUERY, "there is no conversation {value}; list your conversations";
    UNKNOWN_ROOM = 0x0305, "unknown-room", COMMAND, "there is no room {value}; list the rooms";
    UNKNOWN_GROUP = 0x0306, "unknown-group", COMMAND, "there is no group {value}; list your conversations";
    NOT_MEMBER = 0x0307, "not-member", COMMAND | QUERY, "you are not in conversation {value}; join it if it is a room, or ask a member to add you";
    NO_SUCH_MEMBER = 0x0308, "no-such-member", COMMAND, "user {value} is not in conversation {limit}; list its members";
    ALREADY_MEMBER = 0x0309, "already-member", COMMAND, "user {value} is in conversation {limit} already; nothing is left to do";
    NOT_CREATOR = 0x030a, "not-creator", COMMAND, "only whoever made group {value} may put somebody out of it; ask them";
    CONVERSATION_NAME_LENGTH = 0x030b, "conversation-name-length", COMMAND, "the name has {value} bytes; it takes 1 to {limit}";
    ROOM_NAME_TAKEN = 0x030c, "room-name-taken", COMMAND, "room {value} has this name already; join it or choose another";
    GROUP_FULL = 0x030d, "group-full", COMMAND, "the group would have {value} members and {limit} is the most; make another group or a room";
    ROOMS = 0x030e, "too-many-rooms", COMMAND, "you are in {value} rooms, the most there can be; leave one first";
    GROUPS = 0x030f, "too-many-groups", COMMAND, "user {value} is in {limit} groups, the most there can be; one of them must be left first";
    WATERMARK_STANDS = 0x0310, "watermark-stands", COMMAND, "entry {value} is marked already, since the watermark stands at {limit}; nothing is left to do";
    WATERMARK_BEYOND = 0x0311, "watermark-beyond", COMMAND, "there is no entry {value} to mark; {limit} is the last one";
    PUBLIC_MEMBERS = 0x0312, "public-members", QUERY, "everybody is in the public conversation; list presence instead of its members";

    // Catalogue.
    UNKNOWN_ITEM = 0x0401, "unknown-item", COMMAND, "there is no item {value}, or it was removed; search the items";
    UNKNOWN_TYPE = 0x0402, "unknown-type", COMMAND | QUERY, "there is no type {value}; list the types";
    ITEM_TAKEN = 0x0403, "item-taken", COMMAND, "item {value} of this type is called so already; choose another name or type";
    ITEM_NAME_LENGTH = 0x0404, "item-name-length", COMMAND, "the item's name has {value} bytes; it takes 1 to {limit}";
    TYPE_TAKEN = 0x0405, "type-taken", COMMAND, "type {value} is called so already; choose another name";
    TYPE_NAME_LENGTH = 0x0406, "type-name-length", COMMAND, "the type's name has {value} bytes; it takes 1 to {limit}";
    BLANK_NAME = 0x0407, "blank-name", COMMAND, "a search sees nothing of this name of {value} bytes, which is spaces and accents; use letters, digits or signs";
    NOT_REGISTRAR = 0x0408, "not-registrar", COMMAND, "item {value} is not yours; only whoever registered it, a manager or an admin may do this";
    FAVOURITES = 0x0409, "too-many-favourites", COMMAND, "you have {value} favourites and {limit} is the most; remove one first";
    ITEMS = 0x040a, "too-many-items", COMMAND, "there are {value} items and {limit} is the most; remove one first";
    TYPES = 0x040b, "too-many-types", COMMAND, "there are {value} types and {limit} is the most; use one of them";
    SEARCH_TEXT_LENGTH = 0x040c, "search-text-length", QUERY, "the text to search for has {value} bytes and {limit} is the most; search for less of it";
    SEARCH_PLACE = 0x040d, "search-place-gone", QUERY, "the item to go on behind was renamed or removed since (`after` was {value}); search again from the beginning, with 0";

    // Sales.
    UNKNOWN_NETWORK = 0x0501, "unknown-network", COMMAND | QUERY, "there is no network {value}; list the networks";
    UNKNOWN_STORE = 0x0502, "unknown-store", COMMAND | QUERY, "there is no store {value}; list the stores";
    UNKNOWN_SELLER = 0x0503, "unknown-seller", QUERY, "user {value} is no seller: never assigned to a store, or erased since; assign them, or ask for the totals of stores";
    NETWORK_NAME_LENGTH = 0x0504, "network-name-length", COMMAND, "the network's name has {value} bytes; it takes 1 to {limit}";
    NETWORK_NAME_TAKEN = 0x0505, "network-name-taken", COMMAND, "network {value} has this name already; choose another";
    NETWORKS = 0x0506, "too-many-networks", COMMAND, "there are {value} networks and {limit} is the most; use one of them";
    STORE_NAME_LENGTH = 0x0507, "store-name-length", COMMAND, "the store's name has {value} bytes; it takes 1 to {limit}";
    STORE_NAME_TAKEN = 0x0508, "store-name-taken", COMMAND, "store {value} of this network has this name already; choose another";
    STORES = 0x0509, "too-many-stores", COMMAND, "this network has {value} stores and {limit} is the most; open another network";
    SELLERS = 0x050a, "too-many-sellers", COMMAND, "{value} people have sold in this store and {limit} is the most; open another store";
    SELLER_STORES = 0x050b, "too-many-stores-of-a-seller", COMMAND, "this seller has sold in {value} stores and {limit} is the most; assign somebody else";
    NOT_YOUR_STORE = 0x050c, "not-your-store", COMMAND, "store {value} is not yours; you are assigned to store {limit} (0 is none), ask a manager";
    SALE_EXISTS = 0x050d, "sale-exists", COMMAND, "the sale of this id was recorded at seq {value} and counts; choose a new id for another sale";
    SALE_CENTS = 0x050e, "sale-cents", COMMAND, "a sale of {value} cents was recorded; 1 to {limit} is possible";
    SALE_DAY = 0x050f, "sale-day", COMMAND, "{value:day} has not come; today is {limit:day} (UTC)";
    PERIOD = 0x0510, "period-reversed", QUERY, "the period begins on {value:day} and ends on {limit:day}, before it begins; exchange them";
    TOTAL = 0x0511, "total-full", COMMAND, "{value} cents were sold already and {limit} is the most that can be counted; begin a new log";
    NOT_SELLER = 0x0512, "not-seller", COMMAND, "user {value} does not have the role of a seller; an admin must give it to them first";

    // Presence.
    SLOW_READER = 0x0601, "slow-reader", FATAL, "{limit} pushes wait for you and you do not read; connect again and subscribe from seq {value}";
    ALREADY_SUBSCRIBED = 0x0602, "already-subscribed", ERROR, "this connection is told pushes already; once is enough";
    FROM_AHEAD = 0x0603, "from-ahead", ERROR, "seq {value} is beyond the newest, {limit}; subscribe from a position you were told";
    TYPING_TARGET = 0x0604, "typing-target", ERROR, "typing is told to a person, or to a room or group you are in; {value} is neither";
    TYPING_TARGETS = 0x0605, "typing-targets", ERROR, "you are writing to {value} at once, the most there can be; stop one first";
    WATCH_LENGTH = 0x0606, "watch-length", ERROR, "{value} people are to be watched and {limit} is the most; name fewer";
    TYPING_RATE = 0x0607, "typing-rate", ERROR, "you began writing {value} times in a row, the most there can be; one more is possible every {limit} ms";
}
