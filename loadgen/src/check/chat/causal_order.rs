//! M8, causal order: an answer to a message stands behind it.
//!
//! Whatever a client says after it was shown position s stands behind s; and since every client is
//! shown everything in the order of the log (M6), nobody sees the answer first. Both hold across
//! conversations too: that is promised here, since what is for a person is merged by position.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::{
    check::{
        finding::{About, Finding, Needs, OperationId, Topic, Violation, Witness},
        law::{Completed, Ended, Invoked, Law},
        laws::LawOptions,
        world::World,
    },
    operation::{Call, Operation, Outcome},
};

/// The law.
#[derive(Debug)]
pub(crate) struct CausalOrder {
    /// By command under way: the highest position its client had been pushed.
    open: HashMap<OperationId, u64, FixedState>,
    answers: u64,
    finding: Finding,
}

impl Law for CausalOrder {
    const ABOUT: About = About {
        name: "causal-order",
        demands: "What somebody says stands behind everything they had been shown, in whatever conversation.",
        confidence: "certificate: positions shown to the client before it asked",
        topic: Topic::Chat,
        needs: Needs::Answers,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            open: HashMap::with_hasher(FixedState::with_seed(0)),
            answers: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_invoke(&mut self, invoked: &Invoked<'_>, world: &World) {
        if let Call::Chat(call) = invoked.call
            && !call.is_query()
        {
            let link = world.chat.mailbox.link(invoked.id.0);
            self.handle_invoke(invoked.id, link.map_or(0, |link| link.pushed));
        }
    }

    fn on_complete(&mut self, completed: &Completed<'_>, _: &World) {
        if matches!(completed.operation.call, Call::Chat(_)) {
            self.handle_complete(completed.operation);
        }
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
        self.finding.count_needed(
            "commands by somebody who had been shown something",
            self.answers,
        );
        self.finding
    }
}

impl CausalOrder {
    /// A command is about to be sent by somebody who was shown everything up to `seen`.
    fn handle_invoke(&mut self, id: OperationId, seen: u64) {
        if seen != 0 {
            self.open.insert(id, seen);
        }
    }

    /// It is over.
    fn handle_complete(&mut self, operation: &Operation) {
        let id = (operation.client, operation.counter);
        let Some(seen) = self.open.remove(&id) else {
            return;
        };
        if operation.outcome != Outcome::Ok {
            return;
        }
        self.answers += 1;
        if operation.seq <= seen {
            self.finding.convict(|| Violation {
                sentence: format!(
                    "what client {} said stands at position {}, and it had been shown position {seen} before",
                    operation.client, operation.seq,
                ),
                witnesses: vec![
                    Witness::Operation(*operation),
                    Witness::told(
                        format!("client {}", operation.client),
                        "shown".to_owned(),
                        "an earlier push".to_owned(),
                        seen,
                    ),
                ],
                order: "session: this client had been shown the higher position before it asked",
                expected: format!("a position beyond {seen}"),
            });
        }
    }
}
