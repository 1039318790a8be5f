//! M3, no aborted read: what was definitely refused is shown to nobody.
//!
//! Only definite refusals count: what was not answered may yet take effect. Whether the refusal was
//! heard before or after the entry was shown does not matter: what is shown later is seen at once,
//! what was shown before when the run is over. The log is not asked.

use std::collections::BTreeMap;

use foldhash::fast::FixedState;
use hashbrown::HashSet;
use protocol::UserId;

use super::{
    due::user_of,
    entries::{Entries, Sight, digest},
    tell::{entry_text, of_push, shown_at},
};
use crate::{
    check::{
        finding::{About, Finding, Needs, OperationId, Topic, Violation, Witness},
        law::{Completed, Ended, Law, Sighted},
        laws::LawOptions,
        world::World,
    },
    operation::{Call, ChatCall, KeyMint, Operation, Outcome, ShownEntry},
};

/// The law.
#[derive(Debug)]
pub(crate) struct NoAbortedMessage {
    refused: HashSet<OperationId, FixedState>,
    shown: u64,
    finding: Finding,
}

impl Law for NoAbortedMessage {
    const ABOUT: About = About {
        name: "no-aborted-message",
        demands: "Nothing that was refused is shown to anybody.",
        confidence: "certificate: identities of refused commands against everything shown",
        topic: Topic::Chat,
        needs: Needs::Log,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            refused: HashSet::with_hasher(FixedState::with_seed(0)),
            shown: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_complete(&mut self, completed: &Completed<'_>, _: &World) {
        if let Call::Chat(call) = &completed.operation.call
            && is_entry(call)
        {
            self.handle_complete(completed.operation);
        }
    }

    fn on_sight(&mut self, sighted: &Sighted<'_>, world: &World) {
        if sighted.sight != Sight::Same {
            self.check_first(sighted.client, sighted.entry, &world.options.mint);
        }
    }

    fn conclude(mut self, ended: &Ended<'_>) -> Finding {
        let world = ended.world;
        let entries = ended.entries(&mut self.finding);
        self.sweep(entries, &world.options.mint, &world.users);
        let refused = u64::try_from(self.refused.len()).unwrap_or(u64::MAX);
        self.finding.count_needed("entries shown", self.shown);
        self.finding.count("commands refused", refused);
        self.finding
    }
}

impl NoAbortedMessage {
    /// A command that would have been an entry is over.
    fn handle_complete(&mut self, operation: &Operation) {
        let is_refused = match operation.outcome {
            Outcome::Refused(_) => true,
            // An earlier attempt may have been heard.
            Outcome::Error(_) => operation.attempts <= 1,
            Outcome::Ok | Outcome::Timeout | Outcome::Unknown => false,
        };
        if is_refused {
            self.refused.insert((operation.client, operation.counter));
        }
    }

    /// An entry that nobody was shown before.
    fn check_first(&mut self, client: u32, entry: &ShownEntry, mint: &KeyMint) {
        self.shown += 1;
        if self.refused.is_empty() {
            return;
        }
        let Some(id) = mint.verify(&entry.key) else {
            return;
        };
        if self.refused.contains(&id) {
            self.finding.convict(|| {
                let what = entry_text(entry.conversation, entry.index);
                let sentence = format!("client {client} was shown {what}, which was refused");
                Violation {
                    witnesses: vec![Witness::Asked(id), super::tell::shown(client, entry)],
                    order: "the key of the entry is the key of this operation",
                    expected: "shown to nobody".to_owned(),
                    ..of_push(sentence, client, entry)
                }
            });
        }
    }

    /// Everything that was shown, when all refusals are known: whether one came after its message.
    fn sweep(&mut self, entries: &Entries, mint: &KeyMint, users: &[Option<UserId>]) {
        let digest_of = |id: &OperationId| {
            let author = user_of(users, id.0)?;
            Some((digest(&mint.mint(id.0, id.1), author), *id))
        };
        let refused: BTreeMap<u64, OperationId> =
            self.refused.iter().filter_map(digest_of).collect();
        if refused.is_empty() {
            return;
        }
        for (at, seen) in entries.all() {
            let Some(id) = refused.get(&seen.digest) else {
                continue;
            };
            self.finding.convict(|| Violation {
                sentence: format!(
                    "client {} was shown {}, and its author was told that it was refused",
                    seen.by,
                    entry_text(at.0, at.1),
                ),
                witnesses: vec![Witness::Asked(*id), shown_at(seen.by, at, seen.seq)],
                order: "the key of the entry is the key of this operation",
                expected: "shown to nobody".to_owned(),
            });
        }
    }
}

/// Whether a command of this sort, accepted, is an entry of a conversation.
const fn is_entry(call: &ChatCall) -> bool {
    match call {
        ChatCall::Send { .. }
        | ChatCall::CreateGroup { .. }
        | ChatCall::AddMember { .. }
        | ChatCall::RemoveMember { .. }
        | ChatCall::LeaveGroup { .. }
        | ChatCall::RenameGroup { .. } => true,
        ChatCall::CreateRoom {}
        | ChatCall::JoinRoom { .. }
        | ChatCall::LeaveRoom { .. }
        | ChatCall::MarkDelivered { .. }
        | ChatCall::MarkRead { .. }
        | ChatCall::MoveCursor { .. }
        | ChatCall::ListConversations {}
        | ChatCall::ListPending {}
        | ChatCall::ListRooms {}
        | ChatCall::ListMembers { .. }
        | ChatCall::ReadHistory { .. }
        | ChatCall::ListPresence {} => false,
    }
}
