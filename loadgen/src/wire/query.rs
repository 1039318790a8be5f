//! Calls that only ask, as queries.

use protocol::{
    UserId,
    limits::PAGE_LEN_MAX,
    words::{agenda, catalogue, chat, presence, sales},
};

use super::Word;
use crate::operation::{Call, CatalogueCall, ChatCall, SalesCall, word_text};

/// Entries wanted of a list that is everybody's (rooms, people, items): what fits a screen. Lists
/// of one's own are asked for as far as a page goes.
pub const SCREEN_LEN: u16 = 50;

/// Appends the body of the query that a call is. `None` if it is a command.
#[must_use]
pub fn encode_query(call: &Call, out: &mut Vec<u8>) -> Option<Word> {
    match call {
        Call::Chat(call) => encode_chat(call, out),
        Call::Catalogue(call) => catalogue_query(call).map(|query| {
            query.encode(out);
            query.kind()
        }),
        Call::Sales(call) => sales_query(call).map(|query| {
            query.encode(out);
            query.kind()
        }),
        Call::Reserve { .. }
        | Call::Cancel { .. }
        | Call::Hold { .. }
        | Call::Confirm { .. }
        | Call::JoinWaitlist { .. }
        | Call::LeaveWaitlist { .. }
        | Call::ListSlots { .. }
        | Call::MyBookings => agenda_query(call).map(|query| {
            query.encode(out);
            query.kind()
        }),
        Call::EraseMe => None,
    }
}

fn agenda_query(call: &Call) -> Option<agenda::Query> {
    match call {
        Call::ListSlots { slot } => {
            let id = slot.unpack();
            Some(agenda::Query::ListSlots(agenda::ListSlots {
                agenda: id.agenda,
                day: id.day,
            }))
        }
        Call::MyBookings => Some(agenda::Query::MyBookings(agenda::MyBookings {
            after: 0,
            limit: PAGE_LEN_MAX,
        })),
        Call::Reserve { .. }
        | Call::Cancel { .. }
        | Call::Hold { .. }
        | Call::Confirm { .. }
        | Call::JoinWaitlist { .. }
        | Call::LeaveWaitlist { .. }
        | Call::Chat(_)
        | Call::Catalogue(_)
        | Call::Sales(_)
        | Call::EraseMe => None,
    }
}

/// Who is here is the one question of the chat that is answered by presence.
fn encode_chat(call: &ChatCall, out: &mut Vec<u8>) -> Option<Word> {
    if matches!(call, ChatCall::ListPresence {}) {
        let query = presence::Query::from(presence::ListPresence {
            after: UserId::NOBODY,
            limit: SCREEN_LEN,
        });
        query.encode(out);
        return Some(query.kind());
    }
    let query = chat_query(call)?;
    query.encode(out);
    Some(query.kind())
}

fn chat_query(call: &ChatCall) -> Option<chat::Query> {
    Some(match *call {
        ChatCall::ListConversations {} => chat::ListConversations {
            after: None,
            limit: PAGE_LEN_MAX,
        }
        .into(),
        ChatCall::ListPending {} => chat::ListPending {
            after: None,
            limit: PAGE_LEN_MAX,
        }
        .into(),
        ChatCall::ListRooms {} => chat::ListRooms {
            after: 0,
            limit: SCREEN_LEN,
        }
        .into(),
        ChatCall::ListMembers { conversation } => chat::ListMembers {
            conversation,
            after: UserId::NOBODY,
            limit: SCREEN_LEN,
        }
        .into(),
        ChatCall::ReadHistory {
            conversation,
            from,
            backwards,
            limit,
        } => chat::ReadHistory {
            conversation,
            from,
            direction: if backwards {
                chat::Direction::Backwards
            } else {
                chat::Direction::Forwards
            },
            limit,
        }
        .into(),
        ChatCall::Send { .. }
        | ChatCall::CreateRoom {}
        | ChatCall::JoinRoom { .. }
        | ChatCall::LeaveRoom { .. }
        | ChatCall::CreateGroup { .. }
        | ChatCall::AddMember { .. }
        | ChatCall::RemoveMember { .. }
        | ChatCall::LeaveGroup { .. }
        | ChatCall::RenameGroup { .. }
        | ChatCall::MarkDelivered { .. }
        | ChatCall::MarkRead { .. }
        | ChatCall::MoveCursor { .. }
        | ChatCall::ListPresence {} => return None,
    })
}

fn catalogue_query(call: &CatalogueCall) -> Option<catalogue::Query> {
    match *call {
        CatalogueCall::SearchItems { word } => Some(
            catalogue::SearchItems {
                text: word_text(word),
                item_type: 0,
                after: 0,
                limit: SCREEN_LEN,
            }
            .into(),
        ),
        CatalogueCall::ListFavourites {} => Some(
            catalogue::SearchFavourites {
                text: String::new(),
                after: 0,
                limit: SCREEN_LEN,
            }
            .into(),
        ),
        CatalogueCall::RegisterItem { .. }
        | CatalogueCall::RenameItem { .. }
        | CatalogueCall::RetypeItem { .. }
        | CatalogueCall::RemoveItem { .. }
        | CatalogueCall::AddFavourite { .. }
        | CatalogueCall::RemoveFavourite { .. } => None,
    }
}

fn sales_query(call: &SalesCall) -> Option<sales::Query> {
    Some(match *call {
        SalesCall::SellerTotal { seller } => sales::SellerTotal { seller }.into(),
        SalesCall::StoreTotal { store, from, to } => sales::StoreTotal {
            store,
            period: sales::Period { from, to },
        }
        .into(),
        SalesCall::NetworkTotal { network, from, to } => sales::NetworkTotal {
            network,
            period: sales::Period { from, to },
        }
        .into(),
        SalesCall::BestSeller { network } => sales::BestSeller { network }.into(),
        SalesCall::BestStore { network } => sales::BestStore { network }.into(),
        SalesCall::RecordSale { .. } => return None,
    })
}
