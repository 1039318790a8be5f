//! What no layout can say of a word: who may send it, what comes of it, and what its fields mean.
//!
//! One line a word and a field, by their stable names. A test holds every name here to a word or field
//! that there is, and every word to a line. Deliberately absent: types, numbers, limits.

use crate::json::Sort;

/// What is said of one word.
#[derive(Debug, Clone, Copy)]
pub struct Note {
    /// Where it stands.
    pub sort: Sort,
    /// Its stable name.
    pub word: &'static str,
    /// Who may send it, or who is told of it.
    pub who: &'static str,
    /// What an accepted one is answered with.
    pub answers: &'static [&'static str],
    /// What is to be said of the word itself.
    pub remark: &'static str,
    /// What is to be said of its fields.
    pub fields: &'static [(&'static str, &'static str)],
}

type Fields = &'static [(&'static str, &'static str)];

const fn note(
    sort: Sort,
    word: &'static str,
    who: &'static str,
    answers: &'static [&'static str],
    (remark, fields): (&'static str, Fields),
) -> Note {
    Note {
        sort,
        word,
        who,
        answers,
        remark,
        fields,
    }
}

macro_rules! notes {
    ($($sort:ident $word:literal $(@ $who:literal)? $(=> $($answer:literal),+)? $(; $remark:literal)? $({ $($field:literal: $of_field:literal),* $(,)? })?)*) => {
        /// Every word, in the order of its kind within its sort.
        pub const NOTES: &[Note] = &[
            $(note(
                Sort::$sort,
                $word,
                concat!($($who)?),
                &[$($($answer),+)?],
                (concat!($($remark)?), &[$($(($field, $of_field)),*)?]),
            ),)*
        ];
    };
}

notes! {
    Command "register" @ "server, for an *auth*" => "registered" { "password_hash": "PHC" }
    Command "log-in" @ "server, for an *auth*" => "logged-in" { "token_hash": "BLAKE3 of the token" }
    Command "revoke-session" @ "its person" => "sessions-ended"
    Command "revoke-all-sessions" @ "everybody" => "sessions-ended"
    Command "set-roles" @ "admins" => "roles-set" { "roles": "all of them from now on" }
    Command "rehash" @ "server" => "rehashed"
    Command "move-cursor" @ "its person" => "cursor-moved" { "seq": "this device has everything up to and with it" }
    Command "erase-me" @ "everybody but the last admin" => "erased"; "see [Erasing](#erasing)"
    Command "set-clock-back" @ "server" => "clock-set-back"; "the clock was ahead, and its operator says that it is right now: this record and those behind it are of an earlier time, and sessions opened later than its instant are over" { "from": "the time of the log until then, milliseconds since 1970-01-01 UTC" }
    Command "open-agenda" @ "managers, admins" => "agenda-opened" {
        "name": "unique",
        "opens_minute": "minutes after midnight UTC",
        "closes_minute": "at most 1440",
        "slot_minutes": "divides the opening hours",
        "capacity": "people a slot",
    }
    Command "reserve" @ "everybody" => "reserved"
    Command "cancel" @ "its holder, admins" => "cancelled", "booking-cancelled"; "`booking-cancelled` when an admin ends what somebody else holds"
    Command "hold" @ "everybody" => "held"
    Command "confirm" @ "its holder" => "confirmed" { "booking": "a hold that has not ended" }
    Command "expire" @ "server, when a hold ends" => "expired"
    Command "join-waitlist" @ "everybody" => "waitlist-joined" { "slot": "a full one" }
    Command "leave-waitlist" @ "who waits" => "waitlist-left"
    Command "promote" @ "server, directly behind what freed a place" => "promoted"
    Command "send" @ "everybody; members of a room or a group" => "sent"
    Command "create-room" @ "everybody" => "room-created" { "name": "unique among rooms" }
    Command "join-room" @ "everybody" => "room-joined"
    Command "leave-room" @ "its members" => "room-left"
    Command "create-group" @ "everybody" => "group-created" { "members": "with the creator, who is in it anyway" }
    Command "add-member" @ "its members" => "member-added"
    Command "remove-member" @ "its creator, until they leave" => "member-removed"
    Command "leave-group" @ "its members" => "group-left"
    Command "rename-group" @ "its members" => "group-renamed"
    Command "mark-delivered" @ "its members" => "delivered" { "index": "the last entry that arrived" }
    Command "mark-read" @ "its members" => "read" { "index": "the last entry that was read" }
    Command "add-type" @ "managers, admins" => "type-added" { "name": "no two that search alike" }
    Command "register-item" @ "everybody" => "item-registered" { "name": "no two of a type that search alike" }
    Command "rename-item" @ "who registered it, managers, admins" => "item-renamed"
    Command "retype-item" @ "who registered it, managers, admins" => "item-retyped"
    Command "remove-item" @ "who registered it, managers, admins" => "item-removed"; "it leaves every list of favourites"
    Command "add-favourite" @ "everybody" => "favourite-added"; "twice is once"
    Command "remove-favourite" @ "everybody" => "favourite-removed"; "twice is once"
    Command "open-network" @ "admins" => "network-opened" { "name": "unique" }
    Command "open-store" @ "managers, admins" => "store-opened" { "name": "unique in its network" }
    Command "assign-seller" @ "managers, admins" => "seller-assigned" { "seller": "who has the role of a seller" }
    Command "record-sale" @ "sellers, in their store" => "sale-recorded" { "sale": "unique", "day": "UTC, not after today" }

    Event "registered"; "the person's id is the `seq`"
    Event "logged-in"; "in the log; a client gets `session-opened` instead"
    Event "sessions-ended"
    Event "roles-set"
    Event "rehashed"
    Event "cursor-moved"
    Event "erased"
    Event "clock-set-back"
    Event "agenda-opened"; "the agenda's id is the `seq`" { "slots": "slots a day" }
    Event "reserved"; "the booking's id is the `seq`"
    Event "cancelled"
    Event "held"; "the booking's id is the `seq`" { "until": "milliseconds since 1970-01-01 UTC" }
    Event "confirmed"
    Event "expired"
    Event "waitlist-joined" { "place": "the first is 1" }
    Event "waitlist-left"
    Event "promoted"; "the booking's id is the `seq`"
    Event "booking-cancelled" { "user": "whose it was", "by": "the admin" }
    Event "sent" { "index": "its place there" }
    Event "room-created"; "the room's id is the `seq`"
    Event "room-joined" { "members": "now" }
    Event "room-left" { "members": "now" }
    Event "group-created"; "the group's id is the `seq`, and this is its entry 1"
    Event "member-added" { "index": "the entry that says so" }
    Event "member-removed" { "index": "the entry that says so" }
    Event "group-left" { "index": "the entry that says so" }
    Event "group-renamed" { "index": "the entry that says so" }
    Event "delivered" { "delivered": "where it stands now", "read": "where it stands, as before", "shown": "whether the others get a `receipt`" }
    Event "read" { "delivered": "where it stands now", "read": "where it stands now", "shown": "whether the others get a `receipt`" }
    Event "type-added"; "the type's id is the `seq`"
    Event "item-registered"; "the item's id is the `seq`"
    Event "item-renamed"
    Event "item-retyped"
    Event "item-removed" { "favourites": "lists of favourites it was on" }
    Event "favourite-added" { "changed": "whether it was none before", "count": "favourites you have now" }
    Event "favourite-removed" { "changed": "whether it was one before", "count": "favourites you have now" }
    Event "network-opened"; "the network's id is the `seq`"
    Event "store-opened"; "the store's id is the `seq`"
    Event "seller-assigned" { "before": "the store before, 0 for none" }
    Event "sale-recorded" { "network": "that it counts for" }

    Push "roles-set" @ "`user`, when somebody else did it" { "roles": "all of them from now on" }
    Push "expired" @ "`user`, whose hold ended"
    Push "promoted" @ "`user`, who has the place now"; "the booking's id is the `seq`"
    Push "booking-cancelled" @ "`user`, whose booking an admin ended" { "by": "the admin" }
    Push "entry" @ "everybody who is in the conversation, its author too"; "the fields of an `Entry`"
    Push "receipt" @ "the members of private conversations and groups who are connected; not repeated, `list-members` has the newest" { "delivered": "that person's watermark now", "read": "that person's watermark now" }
    Push "assigned" @ "the seller, when somebody else did it" { "before": "the store before, 0 for none", "by": "who assigned you" }

    Query "read-log" @ "admins" => "log-page"
    Query "read-state" @ "admins" => "state-hash"
    Query "replay-state" @ "admins" => "state-hash"; "slow: it rebuilds the state from the log. The answer's own `seq` is the position replayed to" { "upto": "up to and with this position; 0, or one beyond the head, for the newest" }
    Query "read-trail" @ "own trail: everybody; an agenda's: managers, admins; any: admins" => "trail-page"; "of an agenda that is not there: an empty page" { "before": "a step of this trail, from the page before; 0 for the newest" }
    Query "who-am-i" @ "everybody" => "me"
    Query "my-sessions" @ "everybody" => "sessions"
    Query "find-user" @ "everybody" => "found-user"
    Query "list-agendas" @ "everybody" => "agendas" { "after": "0 for the first page" }
    Query "list-slots" @ "everybody" => "slots" { "day": "0 for today, UTC" }
    Query "my-bookings" @ "everybody" => "bookings" { "after": "0 for the first page" }
    Query "list-conversations" @ "everybody: their own" => "conversations" { "after": "none for the first page, which begins with the public one" }
    Query "list-pending" @ "everybody: their own" => "conversations"; "those with entries above your `delivered` watermark; your own words count like anybody's" { "after": "none for the first page" }
    Query "list-rooms" @ "everybody" => "rooms" { "after": "0 for the first page" }
    Query "list-members" @ "its members" => "members" { "conversation": "not the public one", "after": "0 for the first page" }
    Query "read-history" @ "its members" => "history" { "from": "forwards: entries after this index, the oldest first; backwards: entries before it, the newest first, 0 for the newest there are" }
    Query "list-types" @ "everybody" => "types" { "after": "0 for the first page" }
    Query "search-items" @ "everybody" => "items" {
        "text": "part of the name, whatever the case and the accents; empty for all",
        "item_type": "0 for all",
        "after": "`next` of the page before; 0 for the first page",
    }
    Query "search-favourites" @ "everybody: their own" => "favourites" { "text": "as in `search-items`", "after": "`next` of the page before; 0 for the first page" }
    Query "list-stores" @ "everybody" => "stores" { "after": "0 for the first page" }
    Query "seller-total" @ "managers, admins" => "seller-totals"; "ever, by store" { "seller": "who was ever assigned to a store; whoever was erased is nobody's seller any more" }
    Query "store-total" @ "managers, admins" => "store-totals"; "by seller"
    Query "network-total" @ "managers, admins" => "network-totals"; "by store"
    Query "best-seller" @ "managers, admins" => "best-sellers"; "ever; among equals the one registered first"
    Query "best-store" @ "managers, admins" => "best-stores"; "ever; among equals the one opened first"
    Query "list-networks" @ "everybody" => "networks" { "after": "0 for the first page" }
    Query "subscribe" @ "everybody" => "subscribed"; "and pushes from there on; once a connection" { "from": "the last position this device has; none for its session's cursor" }
    Query "list-presence" @ "everybody" => "presences" { "after": "0 for the first page" }

    Answer "log-page"; "in order, without a gap" { "records": "fewer than asked for when a page is full" }
    Answer "state-hash" { "reflects": "the position the state reflects", "state": "the hash" }
    Answer "trail-page" { "entries": "newest first" }
    Answer "me"
    Answer "sessions" { "sessions": "in the order they were opened" }
    Answer "found-user"
    Answer "session-opened" { "token": "in this answer only; keep it" }
    Answer "session-resumed"
    Answer "agendas" { "agendas": "in the order they were opened" }
    Answer "slots" { "slots": "one for each slot of the day" }
    Answer "bookings" { "bookings": "by rising id" }
    Answer "conversations" { "conversations": "by id" }
    Answer "rooms" { "rooms": "in the order they were made" }
    Answer "members" { "members": "by id" }
    Answer "history"; "a page can be short and not be the last: go on until one is empty" { "entries": "in the direction that was asked for" }
    Answer "types" { "types": "by id" }
    Answer "items"; "a page can be short, or empty, and not be the last" { "next": "what to ask behind for more, 0 when there is no more", "items": "by name as it searches, then by id" }
    Answer "favourites" {
        "count": "all you have",
        "digest": "BLAKE3 of each id as 8 bytes little-endian, its first 8 bytes read little-endian, added modulo 2⁶⁴ over all you have",
        "next": "as in `items`",
        "items": "as in `items`",
    }
    Answer "stores" { "stores": "by id" }
    Answer "seller-totals" { "stores": "by id; they add up to the total" }
    Answer "store-totals" { "sellers": "by id; they add up to the total. Those who were erased are one part, of 0" }
    Answer "network-totals" { "stores": "by id; they add up to the total" }
    Answer "best-sellers" { "best": "none while nothing was sold" }
    Answer "best-stores" { "best": "none while nothing was sold" }
    Answer "networks" { "networks": "by id" }
    Answer "subscribed" { "from": "everything behind it will be pushed" }
    Answer "presences" { "people": "by id" }

    Signal "typing"; "I began or stopped writing; a start that is not repeated ends by itself"
    Signal "watch-presence"; "tell this connection when these people come and go; replaces the list given before. What each of them is now is told at once; people who are not there are passed over"

    News "typing-changed"; "somebody began or stopped writing to you" { "to": "as they said it; `person` is you" }
    News "presence-changed"; "somebody you watch came or went, or is what they are as you begin to watch them" { "epoch": "of two news about one person the higher one holds" }
}

/// What is said of a type: its name, what it is, and its fields.
pub const TYPES: &[(&str, &str, Fields)] = &[
    (
        "About",
        "what a command was about, as far as it and its outcome say",
        &[],
    ),
    ("AgendaView", "one agenda", &[]),
    ("AuthRequest", "the body of an *auth* frame", &[]),
    (
        "BookingView",
        "one booking",
        &[
            ("until", "0 for a confirmed one"),
            ("key", "of the command that asked for it"),
        ],
    ),
    (
        "ChainHash",
        "see [Positions and hashes](#positions-and-hashes)",
        &[],
    ),
    ("Code", "see [Codes](#codes)", &[]),
    (
        "Content",
        "what an entry says; `text` is empty once its author's data has been erased",
        &[],
    ),
    (
        "ConversationView",
        "one conversation as one of its members sees it",
        &[
            ("last", "its last entry, 0 for none"),
            ("delivered", "your watermark"),
            ("read", "your watermark"),
        ],
    ),
    ("Direction", "which way to page", &[]),
    (
        "Entry",
        "one entry of a conversation",
        &[
            ("index", "its place there, from 1"),
            ("key", "of the author's command"),
        ],
    ),
    (
        "ItemView",
        "one item",
        &[("favourite", "whether it is one of yours")],
    ),
    ("Key", "an idempotency key", &[]),
    ("Kind", "see [Words](#words)", &[]),
    ("MemberView", "one member and their watermarks", &[]),
    ("NetworkView", "one network", &[]),
    ("OpenAgenda", "an agenda, as it was opened", &[]),
    ("OwnedRecord", "one record of the log", &[]),
    (
        "Part",
        "one part of a total",
        &[
            ("of", "the store or the seller"),
            ("reflects", "the position it reflects"),
        ],
    ),
    ("Period", "days since 1970-01-01 UTC, both included", &[]),
    (
        "PresenceView",
        "one person",
        &[("last_seen", "0 when not since the server started")],
    ),
    (
        "Roles",
        "a set of bits: 1 seller, 2 manager, 4 admin; 0 for a member without roles",
        &[],
    ),
    ("RoomView", "one room", &[("mine", "whether you are in it")]),
    ("SaleId", "chosen by the seller's client", &[]),
    ("Seq", "a position in the log", &[]),
    ("SessionView", "one session", &[]),
    (
        "SlotId",
        "one slot of one agenda on one day",
        &[
            ("agenda", "its id"),
            ("day", "days since 1970-01-01 UTC"),
            ("slot", "from 0 at opening time"),
        ],
    ),
    (
        "SlotView",
        "one slot as one person sees it",
        &[
            ("held", "places"),
            ("waiting", "people"),
            ("mine", "your booking, or 0"),
            ("past", "whether it began before now"),
        ],
    ),
    (
        "Sort",
        "what sort of conversation it is; `private` with the other person, the others with their name",
        &[],
    ),
    (
        "StoredEntry",
        "an entry and where it stands in the log",
        &[],
    ),
    ("StoreView", "one store", &[]),
    ("Subject", "whose trail", &[]),
    ("Sum", "a sum of money", &[("sales", "in how many sales")]),
    (
        "Target",
        "whom a message is for: everybody, one person, or any conversation you are in",
        &[],
    ),
    ("Token", "the secret that stands for a session", &[]),
    (
        "TrailEntry",
        "one step",
        &[
            ("actor", "who took it, 0 for the server"),
            ("command", "its name"),
            (
                "target",
                "the id of what it was about, of a slot or a booking that of its agenda; 0 for nothing",
            ),
            ("refused", "why, none when it was accepted"),
        ],
    ),
    ("TrailEntry1", "one step, as it was in schema 1", &[]),
    ("TypeView", "one type", &[]),
    (
        "UserId",
        "a person, by the position of the record that registered them; 0 is nobody, or the server",
        &[],
    ),
];

/// What some types are called outside this workspace.
pub const NAMES: &[(&str, &str)] = &[
    ("ChainHash", "hash"),
    ("Code", "code"),
    ("Key", "key"),
    ("Kind", "kind"),
    ("OwnedRecord", "StoredRecord"),
    ("Roles", "roles"),
    ("SaleId", "sale"),
    ("Seq", "seq"),
    ("Token", "token"),
    ("UserId", "user"),
];
