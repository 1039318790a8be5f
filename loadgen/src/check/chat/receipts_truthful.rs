//! M12, no premature receipt: what somebody is said to have got or read, they said so themselves.
//!
//! While the run goes on, a receipt must not be ahead of what a device of that person has asked to
//! mark; after it, every watermark told must be the log's at the position it was told at.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::UserId;

use super::{
    Kept,
    model::Model,
    tell::conversation_text,
    watermarks_rise::{Told, witness},
};
use crate::{
    check::{
        finding::{About, Finding, Needs, Topic, Violation},
        law::{ChatShown, Ended, Invoked, Law, Marked},
        laws::LawOptions,
        world::World,
    },
    operation::{Call, ChatCall},
};

/// The law.
#[derive(Debug)]
pub(crate) struct ReceiptsTruthful {
    /// The highest mark asked for, by conversation and person.
    asked: HashMap<(u64, UserId), u64, FixedState>,
    receipts: u64,
    compared: u64,
    finding: Finding,
}

impl Law for ReceiptsTruthful {
    const ABOUT: About = About {
        name: "receipts-truthful",
        demands: "Nothing is said to be delivered or read before its reader said so.",
        confidence: "certificate: marks asked for before the receipt came, and the log at its position",
        topic: Topic::Chat,
        needs: Needs::Log,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            asked: HashMap::with_hasher(FixedState::with_seed(0)),
            receipts: 0,
            compared: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_invoke(&mut self, invoked: &Invoked<'_>, _: &World) {
        if let Call::Chat(call) = invoked.call {
            self.handle_invoke(invoked.user, call);
        }
    }

    fn on_marks(&mut self, marked: &Marked, world: &World) {
        // What visitors marked only the log knows.
        if marked.by_receipt && world.people.is_ours(marked.whose.1) {
            self.check_asked(marked.whose, marked.told);
        }
    }

    fn on_chat_shown(&mut self, shown: &ChatShown<'_>, world: &World) {
        if let Kept::Marks(conversation, user, told) = *shown.kept {
            self.check_logged(&world.chat.model, (conversation, user), told);
        }
    }

    fn conclude(mut self, ended: &Ended<'_>) -> Finding {
        let chat = &ended.world.chat;
        let (told, skipped) = (chat.marks.told, chat.kept.skipped());
        self.finding.count("watermarks told", told);
        self.finding.count("of them by receipts", self.receipts);
        self.finding.count_needed(
            "compared with the log, all others lie between two of these that say the same",
            self.compared,
        );
        if 0 < skipped {
            self.finding
                .doubt(format!("{skipped} reads and receipts were not compared"));
        }
        self.finding
    }
}

impl ReceiptsTruthful {
    /// Somebody is about to mark something.
    fn handle_invoke(&mut self, user: UserId, call: &ChatCall) {
        if let ChatCall::MarkDelivered {
            conversation,
            index,
        }
        | ChatCall::MarkRead {
            conversation,
            index,
        } = *call
        {
            let asked = self.asked.entry((conversation, user)).or_default();
            *asked = index.max(*asked);
        }
    }

    /// A receipt came. Receipts are made of marks alone, so the one it is made of was asked for.
    fn check_asked(&mut self, (conversation, user): (u64, UserId), told: Told) {
        self.receipts += 1;
        let asked = self.asked.get(&(conversation, user)).copied().unwrap_or(0);
        if asked < told.marks.0 {
            self.finding.convict(|| Violation {
                sentence: format!(
                    "client {} was told that entry {} of {} reached {user}, who had marked up to {asked} only",
                    told.client,
                    told.marks.0,
                    conversation_text(conversation),
                ),
                witnesses: vec![witness(conversation, user, told)],
                order: "real time: no device of that person had asked for more when the receipt came",
                expected: format!("at most {asked}"),
            });
        }
    }

    /// The model is where somebody was told this.
    fn check_logged(&mut self, model: &Model, (conversation, user): (u64, UserId), told: Told) {
        self.compared += 1;
        let marks = model.marks(conversation, user);
        if marks != told.marks {
            self.finding.convict(|| Violation {
                sentence: format!(
                    "client {} was told that {} of {user} is delivered to {} and read to {}, where the log has {} and {}",
                    told.client,
                    conversation_text(conversation),
                    told.marks.0,
                    told.marks.1,
                    marks.0,
                    marks.1,
                ),
                witnesses: vec![witness(conversation, user, told)],
                order: "log order: the marks up to this position",
                expected: format!("delivered {}, read {}", marks.0, marks.1),
            });
        }
    }
}
