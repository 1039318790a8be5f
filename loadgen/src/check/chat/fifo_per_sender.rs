//! M7, FIFO per sender: what a client says later stands later in the conversation.
//!
//! Later means: sent after the answer to the earlier one. Two messages under way at once may stand
//! either way. Implied by real-time order; here it is seen by indices alone.

use super::{own::Stands, tell::conversation_text};
use crate::{
    check::finding::{About, Finding, Violation, Witness},
    operation::{LawProgress, Operation},
};

const ABOUT: About = About {
    name: "fifo-per-sender",
    demands: "A client's messages stand in a conversation in the order it sent them.",
    confidence: "certificate: indices answered against the order of the client's own calls",
};

/// The law.
#[derive(Debug)]
pub(super) struct FifoPerSender {
    messages: u64,
    follow_ups: u64,
    finding: Finding,
}

impl FifoPerSender {
    pub(super) const fn new() -> Self {
        Self {
            messages: 0,
            follow_ups: 0,
            finding: Finding::new(ABOUT),
        }
    }

    /// A message stands at this place; `before` is the sender's last one that stood when it was sent.
    pub(super) fn check(
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

    pub(super) const fn finding(&self) -> &Finding {
        &self.finding
    }
    /// How far it is.
    pub(super) const fn progress(&self) -> LawProgress {
        self.finding.progress("messages", self.messages)
    }

    pub(super) fn conclude(mut self) -> Finding {
        self.finding
            .count_needed("messages after an earlier one", self.follow_ups);
        self.finding.count("messages", self.messages);
        self.finding
    }
}
