//! M10, read your writes: what a client said and knows to stand is in whatever it reads later.
//!
//! A page of history that reaches to the end of the conversation, and a list of conversations with
//! their last entries, must go as far as the reader's own last message. Implied by session order;
//! here it is seen by indices alone.

use super::{own::Own, tell::conversation_text};
use crate::{
    check::{
        finding::{About, Finding, Needs, Topic, Violation, Witness},
        law::{Completed, Ended, Law},
        laws::LawOptions,
        world::World,
    },
    operation::{Call, ChatCall, ChatSeen, Observed, Operation, Outcome, ShownEntry},
};

/// The law.
#[derive(Debug)]
pub(crate) struct ReadYourMessages {
    reads: u64,
    finding: Finding,
}

impl Law for ReadYourMessages {
    const ABOUT: About = About {
        name: "read-your-messages",
        demands: "A client finds its own message in everything it reads of the conversation later.",
        confidence: "certificate: indices answered to the client before it read",
        topic: Topic::Chat,
        needs: Needs::Answers,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            reads: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_complete(&mut self, completed: &Completed<'_>, world: &World) {
        let (operation, own) = (completed.operation, &world.chat.own);
        let (Call::Chat(call), Outcome::Ok) = (&operation.call, operation.outcome) else {
            return;
        };
        match completed.observed {
            Observed::Chat(ChatSeen::History(entries)) => {
                self.check_page(operation, call, entries, own);
            }
            Observed::Chat(ChatSeen::Conversations(list)) => self.check_list(operation, list, own),
            _shows_no_conversation => {}
        }
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
        self.finding
            .count_needed("reads after a message of the reader's own", self.reads);
        self.finding
    }
}

impl ReadYourMessages {
    /// A page of history.
    fn check_page(
        &mut self,
        operation: &Operation,
        call: &ChatCall,
        entries: &[ShownEntry],
        own: &Own,
    ) {
        let ChatCall::ReadHistory {
            conversation,
            from,
            backwards,
            limit,
        } = *call
        else {
            return;
        };
        let shown = entries.iter().map(|entry| entry.index).max().unwrap_or(0);
        let (reaches, upto) = match (backwards, from) {
            (true, 0) => (shown, u64::MAX),
            (true, from) => (shown, from - 1),
            (false, _) if usize::from(limit) <= entries.len() => return,
            (false, from) => (shown.max(from), u64::MAX),
        };
        self.check(operation, (conversation, reaches, upto), own);
    }

    /// The last entries of the reader's conversations.
    fn check_list(&mut self, operation: &Operation, list: &[(u64, u64, u64, u64)], own: &Own) {
        for (conversation, last, _, _) in list {
            self.check(operation, (*conversation, *last, u64::MAX), own);
        }
    }

    /// A read that showed a conversation as far as `reaches`, of what stands up to `upto`.
    fn check(
        &mut self,
        operation: &Operation,
        (conversation, reaches, upto): (u64, u64, u64),
        own: &Own,
    ) {
        let Some(own) = own.before(operation, conversation) else {
            return;
        };
        self.reads += 1;
        if reaches < own.index.min(upto) {
            self.finding.convict(|| Violation {
                sentence: format!(
                    "client {} read {} as far as entry {reaches}, after its own message stood at entry {}",
                    operation.client,
                    conversation_text(conversation),
                    own.index,
                ),
                witnesses: vec![Witness::Asked(own.by), Witness::Operation(*operation)],
                order: "session: the message was answered before this was read",
                expected: format!("entry {} and what is behind it", own.index),
            });
        }
    }
}
