//! Every bound the wire format promises, each with its reason.
//!
//! A stranger's bytes are checked against these before anything is built from them. Bounds that
//! only one room of the server needs (queue lengths, timeouts) live in that room.

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

const _: () = assert!(TEXT_BYTES_MAX < BODY_BYTES_MAX);
const _: () = assert!(BODY_BYTES_MAX < REQUEST_BYTES_MAX);
const _: () = assert!(REQUEST_BYTES_MAX < REPLY_BYTES_MAX);
