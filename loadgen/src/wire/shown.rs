//! What the server's words show: answers, pushes, news.

use protocol::{
    Kind, Seq,
    words::{WordError, accounts, agenda, catalogue, chat, presence, sales},
};

use crate::operation::{
    Call, CatalogueCall, CatalogueSeen, ChatCall, ChatSeen, News, Observed, Push, SalesCall,
    SalesSeen, ShownEntry, Slot, Words, is_text_of,
};

/// What an accepted answer shows of the call it answers. Most writes show nothing beyond where
/// they happened.
///
/// # Errors
/// If the bytes are no answer to this call.
pub fn observe(call: &Call, kind: Kind, schema: u8, body: &[u8]) -> Result<Observed, WordError> {
    match call {
        Call::Reserve { .. }
        | Call::Cancel { .. }
        | Call::Hold { .. }
        | Call::Confirm { .. }
        | Call::JoinWaitlist { .. }
        | Call::LeaveWaitlist { .. } => Ok(Observed::Nothing),
        Call::EraseMe => {
            accounts::Event::decode(kind, schema, body).map(|_erased| Observed::Nothing)
        }
        Call::ListSlots { .. } | Call::MyBookings => observe_agenda(kind, schema, body),
        Call::Chat(ChatCall::ListPresence {}) => observe_presence(kind, schema, body),
        Call::Chat(ChatCall::MoveCursor { .. }) => {
            accounts::Event::decode(kind, schema, body).map(|_moved| Observed::Nothing)
        }
        Call::Chat(call) if call.is_query() => observe_chat(kind, schema, body),
        Call::Chat(_) => observe_chat_event(kind, schema, body),
        Call::Catalogue(call) => observe_catalogue(call, kind, schema, body),
        Call::Sales(SalesCall::RecordSale { .. }) => {
            sales::Event::decode(kind, schema, body).map(|_recorded| Observed::Nothing)
        }
        Call::Sales(_) => observe_sales(kind, schema, body),
    }
}

fn observe_agenda(kind: Kind, schema: u8, body: &[u8]) -> Result<Observed, WordError> {
    Ok(match agenda::Answer::decode(kind, schema, body)? {
        agenda::Answer::Slots(slots) => Observed::Slots(slots.slots),
        agenda::Answer::Bookings(bookings) => Observed::Bookings(
            bookings
                .bookings
                .iter()
                .filter_map(|view| {
                    Some((view.booking, Slot::pack(view.slot)?, view.until, view.key))
                })
                .collect(),
        ),
        agenda::Answer::Agendas(_) => Observed::Nothing,
    })
}

fn observe_presence(kind: Kind, schema: u8, body: &[u8]) -> Result<Observed, WordError> {
    Ok(match presence::Answer::decode(kind, schema, body)? {
        presence::Answer::Presences(page) => Observed::Chat(ChatSeen::Presences(
            page.people
                .iter()
                .map(|view| (view.user, view.online, view.last_seen))
                .collect(),
        )),
        presence::Answer::Subscribed(_) => Observed::Nothing,
    })
}

fn observe_chat_event(kind: Kind, schema: u8, body: &[u8]) -> Result<Observed, WordError> {
    Ok(match chat::Event::decode(kind, schema, body)? {
        chat::Event::Sent(sent) => Observed::Chat(ChatSeen::Sent(sent.conversation, sent.index)),
        chat::Event::RoomCreated(_)
        | chat::Event::RoomJoined(_)
        | chat::Event::RoomLeft(_)
        | chat::Event::GroupCreated(_)
        | chat::Event::MemberAdded(_)
        | chat::Event::MemberRemoved(_)
        | chat::Event::GroupLeft(_)
        | chat::Event::GroupRenamed(_)
        | chat::Event::Delivered(_)
        | chat::Event::Read(_) => Observed::Nothing,
    })
}

fn observe_chat(kind: Kind, schema: u8, body: &[u8]) -> Result<Observed, WordError> {
    let seen = match chat::Answer::decode(kind, schema, body)? {
        chat::Answer::Conversations(page) => ChatSeen::Conversations(
            page.conversations
                .iter()
                .map(|view| (view.conversation, view.last, view.delivered, view.read))
                .collect(),
        ),
        chat::Answer::Rooms(page) => ChatSeen::Rooms(
            page.rooms
                .iter()
                .map(|view| (view.room, view.members, view.mine))
                .collect(),
        ),
        chat::Answer::Members(page) => ChatSeen::Members(
            page.members
                .iter()
                .map(|view| (view.user, view.delivered, view.read))
                .collect(),
        ),
        chat::Answer::History(page) => ChatSeen::History(
            page.entries
                .iter()
                .map(|stored| show(stored.seq, &stored.entry))
                .collect(),
        ),
    };
    Ok(Observed::Chat(seen))
}

fn observe_catalogue(
    call: &CatalogueCall,
    kind: Kind,
    schema: u8,
    body: &[u8],
) -> Result<Observed, WordError> {
    let seen = if call.is_query() {
        catalogue_answer(catalogue::Answer::decode(kind, schema, body)?)
    } else {
        catalogue_event(&catalogue::Event::decode(kind, schema, body)?)
    };
    Ok(seen.map_or(Observed::Nothing, Observed::Catalogue))
}

fn catalogue_answer(answer: catalogue::Answer) -> Option<CatalogueSeen> {
    let ids = |items: &[catalogue::ItemView]| items.iter().map(|view| view.item).collect();
    match answer {
        catalogue::Answer::Items(page) => Some(CatalogueSeen::Items(ids(&page.items), page.next)),
        catalogue::Answer::Favourites(page) => Some(CatalogueSeen::Favourites(
            page.count,
            page.digest,
            ids(&page.items),
        )),
        catalogue::Answer::Types(_) => None,
    }
}

const fn catalogue_event(event: &catalogue::Event) -> Option<CatalogueSeen> {
    match event {
        catalogue::Event::FavouriteAdded(added) => {
            Some(CatalogueSeen::Favourite(added.changed, added.count))
        }
        catalogue::Event::FavouriteRemoved(removed) => {
            Some(CatalogueSeen::Favourite(removed.changed, removed.count))
        }
        catalogue::Event::TypeAdded(_)
        | catalogue::Event::ItemRegistered(_)
        | catalogue::Event::ItemRenamed(_)
        | catalogue::Event::ItemRetyped(_)
        | catalogue::Event::ItemRemoved(_) => None,
    }
}

fn observe_sales(kind: Kind, schema: u8, body: &[u8]) -> Result<Observed, WordError> {
    let seen = match sales::Answer::decode(kind, schema, body)? {
        sales::Answer::SellerTotals(of) => SalesSeen::Total(of.total, of.reflects.0, of.stores),
        sales::Answer::StoreTotals(of) => SalesSeen::Total(of.total, of.reflects.0, of.sellers),
        sales::Answer::NetworkTotals(of) => SalesSeen::Total(of.total, of.reflects.0, of.stores),
        sales::Answer::BestSellers(of) => SalesSeen::Best(of.best, of.reflects.0),
        sales::Answer::BestStores(of) => SalesSeen::Best(of.best, of.reflects.0),
        sales::Answer::Stores(_) | sales::Answer::Networks(_) => return Ok(Observed::Nothing),
    };
    Ok(Observed::Sales(seen))
}

/// What a push tells its client. `None` for what no step of a scenario does, and for one of a kind that is
/// not known here: clients ignore those.
///
/// # Errors
/// If the bytes are no push.
pub fn decode_push(
    seq: Seq,
    kind: Kind,
    schema: u8,
    body: &[u8],
) -> Result<Option<Push>, WordError> {
    unless_unknown(decode_known_push(seq, kind, schema, body))
}

/// Nothing for a word that is not known here.
fn unless_unknown<T>(decoded: Result<Option<T>, WordError>) -> Result<Option<T>, WordError> {
    match decoded {
        Err(WordError::Unknown { .. }) => Ok(None),
        decoded => decoded,
    }
}

fn decode_known_push(
    seq: Seq,
    kind: Kind,
    schema: u8,
    body: &[u8],
) -> Result<Option<Push>, WordError> {
    if kind.system() == chat::SYSTEM {
        return decode_chat_push(seq, kind, schema, body).map(Some);
    }
    if kind.system() != agenda::SYSTEM {
        return Ok(None);
    }
    Ok(match agenda::Push::decode(kind, schema, body)? {
        agenda::Push::Promoted(word) => Slot::pack(word.slot).map(|slot| Push::Promoted { slot }),
        agenda::Push::Expired(word) => Slot::pack(word.slot).map(|slot| Push::Expired {
            booking: word.booking,
            slot,
        }),
        // No client of a run is an admin, so none of its bookings ends like this.
        agenda::Push::BookingCancelled(_) => None,
    })
}

fn decode_chat_push(seq: Seq, kind: Kind, schema: u8, body: &[u8]) -> Result<Push, WordError> {
    Ok(match chat::Push::decode(kind, schema, body)? {
        chat::Push::Entry(entry) => Push::Entry(show(seq, &entry)),
        chat::Push::Receipt(receipt) => Push::Receipt {
            conversation: receipt.conversation,
            user: receipt.user,
            delivered: receipt.delivered,
            read: receipt.read,
        },
    })
}

/// What a client is told in passing; `None` for news of a kind that is not known here, which clients
/// ignore.
///
/// # Errors
/// If the bytes are no news.
pub fn decode_news(kind: Kind, schema: u8, body: &[u8]) -> Result<Option<News>, WordError> {
    unless_unknown(decode_known_news(kind, schema, body).map(Some))
}

fn decode_known_news(kind: Kind, schema: u8, body: &[u8]) -> Result<News, WordError> {
    Ok(match presence::News::decode(kind, schema, body)? {
        presence::News::TypingChanged(word) => News::Typing {
            user: word.user,
            on: word.on,
        },
        presence::News::PresenceChanged(word) => News::Presence {
            user: word.user,
            online: word.online,
            last_seen: word.last_seen,
            epoch: word.epoch,
        },
    })
}

/// An entry as its reader sees it, with its text judged rather than kept.
fn show(seq: Seq, entry: &chat::Entry) -> ShownEntry {
    let text = match &entry.content {
        chat::Content::Text(text) => Some(match text.text() {
            // Nobody says nothing: these words were said, and are kept no more.
            Some("") => Words::Gone,
            Some(text) if is_text_of(&entry.key, text) => Words::Right,
            Some(_) | None => Words::Other(digest_of(text.as_bytes())),
        }),
        chat::Content::Created(_)
        | chat::Content::Added(_)
        | chat::Content::Removed(_)
        | chat::Content::Left
        | chat::Content::Renamed(_) => None,
    };
    ShownEntry {
        conversation: entry.conversation,
        index: entry.index,
        seq: seq.0,
        author: entry.author,
        key: entry.key,
        text,
    }
}

/// What tells one text from another.
pub(super) fn digest_of(text: &[u8]) -> u64 {
    let hash = blake3::hash(text);
    let first = hash.as_bytes().first_chunk();
    first.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
