//! M7, FIFO per sender: what a client says later stands later in the conversation.
//!
//! Later means: sent after the answer to the earlier one. Two messages under way at once may stand
//! either way. Implied by real-time order; here it is seen by indices alone.

use super::{own::Stands, tell::conversation_text};
use crate::{
    check::{
        finding::{About, Finding, Needs, Topic, Violation, Witness},
        law::{Completed, Ended, Law},
        laws::LawOptions,
        world::World,
    },
    operation::{Call, ChatCall, ChatSeen, LawProgress, Observed, Operation, Outcome},
};

/// The law.
#[derive(Debug)]
pub(crate) struct FifoPerSender {
    messages: u64,
    follow_ups: u64,
    finding: Finding,
}

impl Law for FifoPerSender {
    const ABOUT: About = About {
        name: "fifo-per-sender",
        demands: "A client's messages stand in a conversation in the order it sent them.",
        confidence: "certificate: indices answered against the order of the client's own calls",
        topic: Topic::Chat,
        needs: Needs::Answers,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            messages: 0,
            follow_ups: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_complete(&mut self, completed: &Completed<'_>, world: &World) {
        let operation = completed.operation;
        let (Call::Chat(ChatCall::Send { to, .. }), Outcome::Ok) =
            (operation.call, operation.outcome)
        else {
            return;
        };
        if let Observed::Chat(ChatSeen::Sent(conversation, index)) = completed.observed {
            let own = &world.chat.own;
            let before = (own.conversation(operation.client, to))
                .and_then(|conversation| own.before(operation, conversation));
            self.check(operation, (*conversation, *index), before);
        }
    }

    fn progress(&self, _: &World) -> Option<LawProgress> {
        Some(self.finding.progress("messages", self.messages))
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
        self.finding
            .count_needed("messages after an earlier one", self.follow_ups);
        self.finding.count("messages", self.messages);
        self.finding
    }
}

impl FifoPerSender {
    /// A message stands at this place; `before` is the sender's last one that stood when it was sent.
    fn check(
        &mut self,
        operation: &Operation,
        (conversation, index): (u64, u64),
        before: Option<Stands>,
    ) {
        self.messages += 1;
        let Some(before) = before else {
            return;
        };
        self.follow_ups += 1;
        if index <= before.index {
            self.finding.convict(|| Violation {
                sentence: format!(
                    "client {} was told that its message is entry {index} of {}, after an earlier one was entry {}",
                    operation.client,
                    conversation_text(conversation),
                    before.index,
                ),
                witnesses: vec![Witness::Asked(before.by), Witness::Operation(*operation)],
                order: "session: the earlier message was answered before this one was sent",
                expected: format!("an entry behind {}", before.index),
            });
        }
    }
}
