//! What an operation is about: what violations are counted by, and what is looked at around one.

use protocol::words::chat::{PUBLIC, Target};

use crate::operation::{Call, CatalogueCall, ChatCall, SalesCall, Slot};

use super::finding::slot_text;

/// One thing that operations are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Subject {
    Slot(Slot),
    Conversation(u64),
    Item(u64),
    Store(u64),
}

impl Subject {
    /// What a call is about; nothing where that is many things, or the asker alone.
    pub(crate) const fn of(call: &Call) -> Option<Self> {
        match call {
            Call::Reserve { slot }
            | Call::Cancel { slot, .. }
            | Call::Hold { slot, .. }
            | Call::Confirm { slot, .. }
            | Call::JoinWaitlist { slot }
            | Call::LeaveWaitlist { slot } => Some(Self::Slot(*slot)),
            Call::ListSlots { .. } | Call::MyBookings | Call::EraseMe => None,
            Call::Chat(call) => of_chat(call),
            Call::Catalogue(call) => of_catalogue(call),
            Call::Sales(call) => of_sales(call),
        }
    }

    /// As people say it.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Slot(slot) => slot_text(slot),
            Self::Conversation(PUBLIC) => "the public conversation".to_owned(),
            Self::Conversation(id) => format!("conversation {id}"),
            Self::Item(id) => format!("item {id}"),
            Self::Store(id) => format!("store {id}"),
        }
    }
}

const fn of_chat(call: &ChatCall) -> Option<Subject> {
    match call {
        ChatCall::Send { to, .. } => match to {
            Target::Public => Some(Subject::Conversation(PUBLIC)),
            Target::Conversation(id) => Some(Subject::Conversation(*id)),
            Target::Person(_) => None,
        },
        ChatCall::JoinRoom { room: id }
        | ChatCall::LeaveRoom { room: id }
        | ChatCall::AddMember { group: id, .. }
        | ChatCall::RemoveMember { group: id, .. }
        | ChatCall::LeaveGroup { group: id }
        | ChatCall::RenameGroup { group: id }
        | ChatCall::MarkDelivered {
            conversation: id, ..
        }
        | ChatCall::MarkRead {
            conversation: id, ..
        }
        | ChatCall::ListMembers { conversation: id }
        | ChatCall::ReadHistory {
            conversation: id, ..
        } => Some(Subject::Conversation(*id)),
        ChatCall::CreateRoom {}
        | ChatCall::CreateGroup { .. }
        | ChatCall::MoveCursor { .. }
        | ChatCall::ListConversations {}
        | ChatCall::ListPending {}
        | ChatCall::ListRooms {}
        | ChatCall::ListPresence {} => None,
    }
}

const fn of_catalogue(call: &CatalogueCall) -> Option<Subject> {
    match call {
        CatalogueCall::RenameItem { item, .. }
        | CatalogueCall::RetypeItem { item, .. }
        | CatalogueCall::RemoveItem { item }
        | CatalogueCall::AddFavourite { item }
        | CatalogueCall::RemoveFavourite { item } => Some(Subject::Item(*item)),
        CatalogueCall::RegisterItem { .. }
        | CatalogueCall::SearchItems { .. }
        | CatalogueCall::ListFavourites {} => None,
    }
}

const fn of_sales(call: &SalesCall) -> Option<Subject> {
    match call {
        SalesCall::RecordSale { store, .. } | SalesCall::StoreTotal { store, .. } => {
            Some(Subject::Store(*store))
        }
        SalesCall::SellerTotal { .. }
        | SalesCall::NetworkTotal { .. }
        | SalesCall::BestSeller { .. }
        | SalesCall::BestStore { .. } => None,
    }
}
