//! Calls that change something, as commands.

use protocol::words::{accounts, agenda, catalogue, chat, sales};

use super::{Asker, Word, group_name, room_name, sale_id};
use crate::operation::{Call, CatalogueCall, ChatCall, SalesCall, item_name, text_of};

/// Appends the body of the command that a call is. `None` if it only asks.
#[must_use]
pub fn encode_command(call: &Call, asker: &Asker, out: &mut Vec<u8>) -> Option<Word> {
    match call {
        Call::Chat(call) => encode_chat(call, asker, out),
        Call::Catalogue(call) => catalogue_command(call, asker).map(|command| {
            command.encode(out);
            command.kind()
        }),
        Call::Sales(call) => sales_command(call, asker).map(|command| {
            command.encode(out);
            command.kind()
        }),
        Call::EraseMe => {
            let command = accounts::Command::from(accounts::EraseMe {});
            command.encode(out);
            Some(command.kind())
        }
        Call::Reserve { .. }
        | Call::Cancel { .. }
        | Call::Hold { .. }
        | Call::Confirm { .. }
        | Call::JoinWaitlist { .. }
        | Call::LeaveWaitlist { .. }
        | Call::ListSlots { .. }
        | Call::MyBookings => agenda_command(call).map(|command| {
            command.encode(out);
            command.kind()
        }),
    }
}

fn agenda_command(call: &Call) -> Option<agenda::Command> {
    Some(match *call {
        Call::Reserve { slot } => agenda::Reserve {
            slot: slot.unpack(),
        }
        .into(),
        Call::Cancel { booking, .. } => agenda::Cancel { booking }.into(),
        Call::Hold { slot, seconds } => agenda::Hold {
            slot: slot.unpack(),
            seconds,
        }
        .into(),
        Call::Confirm { booking, .. } => agenda::Confirm { booking }.into(),
        Call::JoinWaitlist { slot } => agenda::JoinWaitlist {
            slot: slot.unpack(),
        }
        .into(),
        Call::LeaveWaitlist { slot } => agenda::LeaveWaitlist {
            slot: slot.unpack(),
        }
        .into(),
        Call::ListSlots { .. }
        | Call::MyBookings
        | Call::Chat(_)
        | Call::Catalogue(_)
        | Call::Sales(_)
        | Call::EraseMe => return None,
    })
}

/// A cursor belongs to a session, so it is the one call of the chat that the accounts take.
fn encode_chat(call: &ChatCall, asker: &Asker, out: &mut Vec<u8>) -> Option<Word> {
    if let ChatCall::MoveCursor { seq } = *call {
        let command = accounts::Command::from(accounts::MoveCursor {
            session: asker.session,
            seq: protocol::Seq(seq),
        });
        command.encode(out);
        return Some(command.kind());
    }
    let command = chat_command(call, asker)?;
    command.encode(out);
    Some(command.kind())
}

fn chat_command(call: &ChatCall, asker: &Asker) -> Option<chat::Command> {
    let key = &asker.key;
    Some(match *call {
        ChatCall::Send { to, bytes } => chat::Send {
            to,
            text: text_of(key, bytes).into(),
        }
        .into(),
        ChatCall::CreateRoom {} => chat::CreateRoom {
            name: room_name(key),
        }
        .into(),
        ChatCall::JoinRoom { room } => chat::JoinRoom { room }.into(),
        ChatCall::LeaveRoom { room } => chat::LeaveRoom { room }.into(),
        ChatCall::CreateGroup { first, second } => chat::CreateGroup {
            name: group_name(key),
            members: vec![first, second],
        }
        .into(),
        ChatCall::AddMember { group, user } => chat::AddMember { group, user }.into(),
        ChatCall::RemoveMember { group, user } => chat::RemoveMember { group, user }.into(),
        ChatCall::LeaveGroup { group } => chat::LeaveGroup { group }.into(),
        ChatCall::RenameGroup { group } => chat::RenameGroup {
            group,
            name: group_name(key),
        }
        .into(),
        ChatCall::MarkDelivered {
            conversation,
            index,
        } => chat::MarkDelivered {
            conversation,
            index,
        }
        .into(),
        ChatCall::MarkRead {
            conversation,
            index,
        } => chat::MarkRead {
            conversation,
            index,
        }
        .into(),
        ChatCall::MoveCursor { .. }
        | ChatCall::ListConversations {}
        | ChatCall::ListPending {}
        | ChatCall::ListRooms {}
        | ChatCall::ListMembers { .. }
        | ChatCall::ReadHistory { .. }
        | ChatCall::ListPresence {} => return None,
    })
}

fn catalogue_command(call: &CatalogueCall, asker: &Asker) -> Option<catalogue::Command> {
    let name = |word| item_name(word, &asker.key);
    Some(match *call {
        CatalogueCall::RegisterItem { item_type, word } => catalogue::RegisterItem {
            name: name(word),
            item_type,
        }
        .into(),
        CatalogueCall::RenameItem { item, word } => catalogue::RenameItem {
            item,
            name: name(word),
        }
        .into(),
        CatalogueCall::RetypeItem { item, item_type } => {
            catalogue::RetypeItem { item, item_type }.into()
        }
        CatalogueCall::RemoveItem { item } => catalogue::RemoveItem { item }.into(),
        CatalogueCall::AddFavourite { item } => catalogue::AddFavourite { item }.into(),
        CatalogueCall::RemoveFavourite { item } => catalogue::RemoveFavourite { item }.into(),
        CatalogueCall::SearchItems { .. } | CatalogueCall::ListFavourites {} => return None,
    })
}

fn sales_command(call: &SalesCall, asker: &Asker) -> Option<sales::Command> {
    match *call {
        SalesCall::RecordSale { store, cents, day } => Some(
            sales::RecordSale {
                sale: sale_id(&asker.key),
                store,
                cents,
                day,
            }
            .into(),
        ),
        SalesCall::SellerTotal { .. }
        | SalesCall::StoreTotal { .. }
        | SalesCall::NetworkTotal { .. }
        | SalesCall::BestSeller { .. }
        | SalesCall::BestStore { .. } => None,
    }
}
