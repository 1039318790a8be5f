//! Conversations, entries and people as violations tell them.

use crate::{
    check::finding::{OperationId, Violation, Witness},
    operation::ShownEntry,
};

use protocol::words::chat::PUBLIC;

/// A conversation as people say it.
pub(crate) fn conversation_text(conversation: u64) -> String {
    match conversation {
        PUBLIC => "the public conversation".to_owned(),
        id => format!("conversation {id}"),
    }
}

/// An entry as people say it.
pub(crate) fn entry_text(conversation: u64, index: u64) -> String {
    format!("entry {index} of {}", conversation_text(conversation))
}

/// An entry as a client was shown it.
pub(crate) fn shown(client: u32, entry: &ShownEntry) -> Witness {
    shown_at(client, (entry.conversation, entry.index), entry.seq)
}

/// The same, by conversation and index, and position.
pub(crate) fn shown_at(client: u32, (conversation, index): (u64, u64), seq: u64) -> Witness {
    let what = entry_text(conversation, index);
    Witness::told(format!("client {client}"), "shown".to_owned(), what, seq)
}

/// What a client had to be shown and where it stands in the log.
pub(crate) fn logged((conversation, index): (u64, u64), seq: u64) -> Witness {
    let what = entry_text(conversation, index);
    Witness::told("the log".to_owned(), "record".to_owned(), what, seq)
}

/// Who wrote an entry, if it is known by its operation.
pub(crate) fn asked(id: Option<OperationId>) -> impl Iterator<Item = Witness> {
    id.map(Witness::Asked).into_iter()
}

/// A violation that one client's pushes show by themselves.
pub(crate) fn of_push(sentence: String, client: u32, entry: &ShownEntry) -> Violation {
    Violation {
        sentence,
        witnesses: vec![shown(client, entry)],
        order: "session: the order in which this client was told",
        expected: String::new(),
    }
}
