//! Every bound the wire format promises, each with its reason.
//!
//! A stranger's bytes are checked against these before anything is built from them. Bounds that
//! only one room of the server needs live in that room; of those that a client can meet, the number stands
//! here too and a test of the server holds the two together. [`crate::describe`] makes the README's
//! table of them.

/// The version of the wire format this crate speaks.
pub const WIRE_VERSION: u16 = 1;

/// The first bytes of a conversation, so that a browser or a port scan is refused at once.
pub const MAGIC: [u8; 4] = *b"STMP";

/// The longest frame a client may send, without its length prefix. The longest honest request (a
/// password and two names) is under 400 bytes; 16 KiB leaves room for message texts.
pub const REQUEST_BYTES_MAX: usize = 16 * 1_024;

/// The longest frame the server sends, without its length prefix: one page of the log.
pub const REPLY_BYTES_MAX: usize = 256 * 1_024;

/// The longest line of JSON a client may send, without its end. A message text of the longest kind
/// has six bytes for each of its own when every character is escaped.
pub const REQUEST_LINE_BYTES_MAX: usize = 32 * 1_024;

/// The longest line of JSON the server sends, without its end: a page of the log in hex digits, or
/// one of escaped texts, each entry with its names.
pub const REPLY_LINE_BYTES_MAX: usize = 2 * 1_024 * 1_024;

/// The longest body or outcome of a record; it must fit a frame with its head.
pub const BODY_BYTES_MAX: usize = 15 * 1_024;

/// Requests one connection may have unanswered. Deeper pipelines only lengthen the queue.
pub const IN_FLIGHT_MAX: u32 = 64;

/// Entries in one page of any list.
pub const PAGE_LEN_MAX: u16 = 500;

/// Entries in one page of a trail. Each is a row looked up in the log, some ten microseconds during
/// which nobody else is served.
pub const TRAIL_LEN_MAX: u16 = 50;

/// Bytes of a message: two pages of writing. Longer things are documents, to be linked.
pub const TEXT_BYTES_MAX: usize = 4_096;

/// Entries in one page of a conversation: as many of the longest as fit a frame, and each is a row
/// looked up in the log, like a step of a trail.
pub const HISTORY_LEN_MAX: u16 = 50;

/// Characters of a user name.
pub const NAME_LEN_MIN: usize = 3;
/// Characters of a user name.
pub const NAME_LEN_MAX: usize = 20;
/// Bytes of a password.
pub const PASSWORD_BYTES_MIN: usize = 6;
/// Bytes of a password; above this a hash is a way to burn our CPU.
pub const PASSWORD_BYTES_MAX: usize = 128;

/// Sessions of one person at a time: more devices than anybody owns.
pub const SESSIONS_MAX: usize = 64;
/// Days after which a session ends by itself: a month of not logging in again.
pub const SESSION_DAYS: u64 = 30;
/// Refused authentications of one connection: guessing must pay for connections too.
pub const LOGIN_FAILURES_MAX: u32 = 5;

/// Bytes of the name of an agenda, a room, a group, a type, a network or a store: a line of a list.
pub const LIST_NAME_BYTES_MAX: usize = 64;
/// Places of one slot: a hall, and few enough to keep in one sorted list.
pub const CAPACITY_MAX: u16 = 1_000;
/// Days after today that can be booked: a year, whichever it is.
pub const DAYS_AHEAD_MAX: u64 = 366;
/// Seconds of the longest hold: longer than any checkout, too short to block a slot for a day.
pub const HOLD_SECONDS_MAX: u32 = 3_600;
/// People waiting for one slot: more than anybody will wait behind.
pub const WAITERS_MAX: usize = 1_000;

/// People in one group: who is more than that does not know who is in it, and wants a room.
pub const GROUP_MEMBERS_MAX: usize = 256;
/// Rooms one person may be in: their pending messages are found by walking along what they are in.
pub const ROOMS_MAX: usize = 1_000;
/// Groups one person may be in, for the same reason; being taken into one cannot be declined.
pub const GROUPS_MAX: usize = 1_000;

/// Bytes of an item's name: the longest titles there are; a page of the most still fits a frame.
pub const ITEM_NAME_BYTES_MAX: usize = 128;
/// Types: items of one name are told apart by walking along them.
pub const TYPES_MAX: usize = 256;
/// Items: some three hundred bytes of memory each.
pub const ITEMS_MAX: usize = 250_000;
/// Favourites of one person: a page of them is put in order when it is asked for.
pub const FAVOURITES_MAX: usize = 1_000;
/// Items one search looks at: nobody else is served meanwhile.
pub const LOOKS_MAX: usize = 5_000;

/// Networks: admins open them, by hand.
pub const NETWORKS_MAX: usize = 1_000;
/// Stores of one network: all of them are parts of one answer.
pub const STORES_MAX: usize = 1_000;
/// People who ever sold in one store: all of them are parts of one answer.
pub const SELLERS_MAX: usize = 1_000;
/// Stores one person ever sold in: all of them are parts of one answer.
pub const SELLER_STORES_MAX: usize = 1_000;
/// The most that one sale can be: ten thousand million of whatever has cents.
pub const SALE_CENTS_MAX: u64 = 1_000_000_000_000;

/// Keys that are remembered at least, the newest ones.
pub const KEYS_RETAINED_MIN: usize = 8 * 1_024 * 1_024;
/// Seconds that an authentication waits for its turn to be hashed.
pub const AUTH_WAIT_SECONDS: u64 = 3;
/// Commands that wait in the whole server.
pub const COMMANDS_WAITING_MAX: usize = 16 * 1_024;
/// Bytes of answers that a client leaves unread, from which on nothing more of it is considered.
pub const UNREAD_BYTES_PAUSE: usize = 64 * 1_024;
/// Bytes of answers that wait for a client to read them, beyond which its connection is ended.
pub const UNREAD_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// Seconds in which a client that something waits for reads nothing.
pub const UNREAD_SECONDS: u64 = 60;
/// Bytes that all connections together hold of the server's memory.
pub const HELD_BYTES_MAX: usize = 256 * 1_024 * 1_024;
/// Pushes and news that wait for a client, and their bytes.
pub const UNREAD_PUSHES_MAX: usize = 2_048;
/// See [`UNREAD_PUSHES_MAX`].
pub const UNREAD_PUSHES_BYTES_MAX: usize = 1_024 * 1_024;
/// Seconds from connecting to the hello.
pub const HELLO_SECONDS: u64 = 5;
/// Seconds from connecting to being somebody.
pub const LOGIN_SECONDS: u64 = 60;
/// Seconds of silence with nothing unanswered; half of it until a probe.
pub const IDLE_SECONDS: u64 = 300;
/// People watched by one connection.
pub const WATCHED_MAX: usize = 256;
/// Seconds after which a start of writing ends that is not repeated.
pub const TYPING_SECONDS: u64 = 6;
/// People and conversations one person writes to at once.
pub const TYPING_TARGETS_MAX: usize = 8;
/// Starts of writing in a row.
pub const TYPING_STARTS_MAX: u64 = 20;
/// Milliseconds until one more is possible.
pub const TYPING_START_EACH_MS: u64 = 250;

const _: () = assert!(TEXT_BYTES_MAX < BODY_BYTES_MAX);
const _: () = assert!(BODY_BYTES_MAX < REQUEST_BYTES_MAX);
const _: () = assert!(REQUEST_BYTES_MAX < REPLY_BYTES_MAX);
