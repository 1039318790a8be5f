//! Every limit that a client can meet: what it is of, its value, and what happens beyond it.
//!
//! Values are the constants that the code checks against; a row says which fields of which words it
//! bounds, if any. Deliberately absent: reasons, which stand beside the constants.

use serde_json::{Value, json};

use crate::{code::Code, limits as bounds};

/// What happens beyond a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// This code, as [`Code::comes_as`] says.
    Code(Code),
    /// Something that is no code.
    Else(&'static str),
}

/// One limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Of what.
    pub what: &'static str,
    /// The least there can be; 0 for none.
    pub least: u64,
    /// The most there can be.
    pub most: u64,
    /// Of what these are numbers.
    pub unit: &'static str,
    /// What happens beyond.
    pub beyond: Beyond,
    /// More about it.
    pub remark: &'static str,
    /// Fields that it bounds, each with its word or type.
    pub fields: &'static [(&'static str, &'static str)],
}

impl Limit {
    /// As the README writes its value.
    #[must_use]
    pub fn value_text(&self) -> String {
        let unit = match self.unit {
            "" => String::new(),
            unit => format!(" {unit}"),
        };
        match self.least {
            0 => format!("{}{unit}", self.most),
            least => format!("{least} to {}{unit}", self.most),
        }
    }

    pub(super) fn json(&self) -> Value {
        let fields = self.fields.iter();
        let fields: Vec<Value> = fields
            .map(|(of, field)| json!({ "of": of, "field": field }))
            .collect();
        let beyond = match self.beyond {
            Beyond::Code(code) => code.name(),
            Else(text) => text,
        };
        json!({
            "what": self.what,
            "least": self.least,
            "most": self.most,
            "unit": self.unit,
            "beyond": beyond,
            "remark": self.remark,
            "fields": fields,
        })
    }
}

/// The limit of a field of a word or a type.
pub(super) fn of_field(of: &str, field: &str) -> Option<&'static Limit> {
    let mut limits = LIMITS.iter();
    limits.find(|limit| limit.fields.contains(&(of, field)))
}

macro_rules! limits {
    ($($what:literal: $most:expr $(, least $least:literal)?, $unit:literal, $beyond:expr $(, $remark:literal)? $(=> $(($of:literal, $field:literal)),+)?;)*) => {
        /// Every limit, in the order of the README.
        #[expect(
            clippy::as_conversions,
            reason = "constants of several widths, none wider than 64 bits"
        )]
        pub const LIMITS: &[Limit] = &[
            $(Limit {
                what: $what,
                least: 0 $(+ $least)?,
                most: $most as u64,
                unit: $unit,
                beyond: $beyond,
                remark: concat!($($remark)?),
                fields: &[$($(($of, $field)),+)?],
            },)*
        ];
    };
}

use Beyond::Else;

const fn code(code: Code) -> Beyond {
    Beyond::Code(code)
}

limits! {
    "frame from a client, without prefix": bounds::REQUEST_BYTES_MAX, "bytes", code(Code::FRAME_TOO_LONG);
    "frame from the server, without prefix": bounds::REPLY_BYTES_MAX, "bytes", Else("never sent");
    "body or outcome of a record": bounds::BODY_BYTES_MAX, "bytes", code(Code::FRAME_TOO_LONG), "what a client may rely on; a body must fit its frame";
    "line from a client, without its end": bounds::REQUEST_LINE_BYTES_MAX, "bytes", code(Code::LINE_TOO_LONG);
    "line from the server, without its end": bounds::REPLY_LINE_BYTES_MAX, "bytes", Else("never sent");
    "unanswered requests on a connection": bounds::IN_FLIGHT_MAX, "", code(Code::IN_FLIGHT);
    "unanswered authentications on a connection": 1, "", code(Code::IN_FLIGHT);
    "refused authentications on a connection": bounds::LOGIN_FAILURES_MAX, "", code(Code::LOGIN_ATTEMPTS);
    "wait of an authentication for its turn": bounds::AUTH_WAIT_SECONDS, "s", code(Code::BUSY), "retry after the stated time";
    "commands waiting in the whole server": bounds::COMMANDS_WAITING_MAX, "", code(Code::BUSY), "retry after 50 ms";
    "from connecting to the hello": bounds::HELLO_SECONDS, "s", code(Code::HELLO_TIMEOUT);
    "from connecting to being somebody": bounds::LOGIN_SECONDS, "s", code(Code::LOGIN_TIMEOUT);
    "silence of somebody with nothing unanswered": bounds::IDLE_SECONDS, "s", code(Code::IDLE);
    "silence before a *probe*": bounds::IDLE_SECONDS / 2, "s", Else("a probe");
    "answers left unread": bounds::UNREAD_BYTES_PAUSE, "bytes", Else("nothing more is considered until the client reads on"), "less on a server with very many connections";
    "answers waiting for a client to read them": bounds::UNREAD_BYTES_MAX, "bytes", Else("the connection ends, without an error frame");
    "time in which something waits and a client reads nothing": bounds::UNREAD_SECONDS, "s", code(Code::SLOW_READER);
    "what all connections together hold": bounds::HELD_BYTES_MAX, "bytes", code(Code::SLOW_READER), "for those that hold most; they may end before they are told";
    "pushes and news waiting for a client whose socket takes no more": bounds::UNREAD_PUSHES_MAX, "", code(Code::SLOW_READER), "with the position to subscribe from";
    "their bytes": bounds::UNREAD_PUSHES_BYTES_MAX, "bytes", code(Code::SLOW_READER);
    "subscriptions of a connection": 1, "", code(Code::ALREADY_SUBSCRIBED);
    "people watched by a connection": bounds::WATCHED_MAX, "", code(Code::WATCH_LENGTH) => ("watch-presence", "users");
    "a start of writing that is not repeated": bounds::TYPING_SECONDS, "s", Else("it ends by itself");
    "people and conversations written to at once": bounds::TYPING_TARGETS_MAX, "", code(Code::TYPING_TARGETS);
    "starts of writing in a row": bounds::TYPING_STARTS_MAX, "", code(Code::TYPING_RATE), "then one every 250 ms";
    "entries of a page of a trail": bounds::TRAIL_LEN_MAX, least 1, "", code(Code::PAGE_LEN) => ("read-trail", "limit");
    "entries of a page of a conversation": bounds::HISTORY_LEN_MAX, least 1, "", code(Code::PAGE_LEN) => ("read-history", "limit");
    "entries of a page": bounds::PAGE_LEN_MAX, least 1, "", code(Code::PAGE_LEN), "`read-log` takes any number and gives fewer" =>
        ("list-agendas", "limit"), ("my-bookings", "limit"), ("list-conversations", "limit"), ("list-pending", "limit"),
        ("list-rooms", "limit"), ("list-members", "limit"), ("list-types", "limit"), ("search-items", "limit"),
        ("search-favourites", "limit"), ("list-stores", "limit"), ("list-networks", "limit"), ("list-presence", "limit");
    "items that one search looks at": bounds::LOOKS_MAX, "", Else("the page ends, and `next` says where to go on");
    "name of a person": bounds::NAME_LEN_MAX, least 3, "characters", code(Code::NAME_LENGTH) => ("AuthRequest", "name");
    "password": bounds::PASSWORD_BYTES_MAX, least 6, "bytes", code(Code::PASSWORD_LENGTH) => ("AuthRequest", "password");
    "sessions of a person": bounds::SESSIONS_MAX, "", code(Code::SESSIONS);
    "life of a session": bounds::SESSION_DAYS, "days", code(Code::SESSION_ENDED);
    "name of an agenda": bounds::LIST_NAME_BYTES_MAX, least 1, "bytes", code(Code::AGENDA_NAME_LENGTH) => ("open-agenda", "name");
    "places of a slot": bounds::CAPACITY_MAX, least 1, "", code(Code::AGENDA_CAPACITY) => ("open-agenda", "capacity");
    "days ahead": bounds::DAYS_AHEAD_MAX, "", code(Code::DAY_OUT_OF_RANGE);
    "length of a hold": bounds::HOLD_SECONDS_MAX, least 1, "s", code(Code::HOLD_LENGTH) => ("hold", "seconds");
    "people waiting for a slot": bounds::WAITERS_MAX, "", code(Code::WAITLIST_FULL);
    "text of a message": bounds::TEXT_BYTES_MAX, least 1, "bytes", code(Code::TEXT_LENGTH) => ("send", "text");
    "name of a room or group": bounds::LIST_NAME_BYTES_MAX, least 1, "bytes", code(Code::CONVERSATION_NAME_LENGTH) => ("create-room", "name"), ("create-group", "name"), ("rename-group", "name");
    "members of a group": bounds::GROUP_MEMBERS_MAX, "", code(Code::GROUP_FULL) => ("create-group", "members");
    "rooms of a person": bounds::ROOMS_MAX, "", code(Code::ROOMS);
    "groups of a person": bounds::GROUPS_MAX, "", code(Code::GROUPS);
    "name of a type": bounds::LIST_NAME_BYTES_MAX, least 1, "bytes", code(Code::TYPE_NAME_LENGTH) => ("add-type", "name");
    "types": bounds::TYPES_MAX, "", code(Code::TYPES);
    "name of an item": bounds::ITEM_NAME_BYTES_MAX, least 1, "bytes", code(Code::ITEM_NAME_LENGTH) => ("register-item", "name"), ("rename-item", "name");
    "items": bounds::ITEMS_MAX, "", code(Code::ITEMS);
    "favourites of a person": bounds::FAVOURITES_MAX, "", code(Code::FAVOURITES);
    "text to search for": bounds::ITEM_NAME_BYTES_MAX, "bytes", code(Code::SEARCH_TEXT_LENGTH) => ("search-items", "text"), ("search-favourites", "text");
    "name of a network": bounds::LIST_NAME_BYTES_MAX, least 1, "bytes", code(Code::NETWORK_NAME_LENGTH) => ("open-network", "name");
    "networks": bounds::NETWORKS_MAX, "", code(Code::NETWORKS);
    "name of a store": bounds::LIST_NAME_BYTES_MAX, least 1, "bytes", code(Code::STORE_NAME_LENGTH) => ("open-store", "name");
    "stores of a network": bounds::STORES_MAX, "", code(Code::STORES);
    "people who ever sold in a store": bounds::SELLERS_MAX, "", code(Code::SELLERS);
    "stores that a person ever sold in": bounds::SELLER_STORES_MAX, "", code(Code::SELLER_STORES);
    "one sale": bounds::SALE_CENTS_MAX, least 1, "cents", code(Code::SALE_CENTS) => ("record-sale", "cents");
    "remembered keys": bounds::KEYS_RETAINED_MIN, "", Else("decided again, see [Idempotency keys](#idempotency-keys)"), "at least so many, the newest";
}

const _: () = assert!(bounds::NAME_LEN_MIN == 3 && bounds::PASSWORD_BYTES_MIN == 6);
