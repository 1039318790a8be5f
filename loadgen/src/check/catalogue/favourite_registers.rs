//! F1: a favourite is a register, and every answer about it is right at its position.
//!
//! Adding says whether the item was absent, removing whether it was there: each is a read of the
//! register at the position of its record, held against the model there.

use protocol::OwnedRecord;

use super::{Shown, What, model::Model};
use crate::check::finding::{About, Finding, Violation, Witness};

const ABOUT: About = About {
    name: "favourite-registers",
    demands: "Every addition and removal of a favourite says truly whether it changed anything.",
    confidence: "certificate: the log replayed through a model of our own",
};

/// The law.
#[derive(Debug)]
pub(super) struct FavouriteRegisters {
    compared: u64,
    finding: Finding,
}

impl FavouriteRegisters {
    pub(super) const fn new() -> Self {
        Self {
            compared: 0,
            finding: Finding::new(ABOUT),
        }
    }

    /// An answer, and whether the item was on the list before its record.
    pub(super) fn check(
        &mut self,
        model: &Model,
        record: &OwnedRecord,
        shown: &Shown,
        before: Option<bool>,
    ) {
        let What::Changed {
            item,
            adds,
            changed,
            ..
        } = shown.what
        else {
            return;
        };
        let Some(was_there) = before else { return };
        self.compared += 1;
        let verb = if adds { "added" } else { "removed" };
        if changed != (was_there != adds) {
            let sentence = format!(
                "client {} {verb} item {item} at position {} and was told that this {}, but the item was {} before",
                shown.client,
                record.seq,
                if changed {
                    "changed its favourites"
                } else {
                    "changed nothing"
                },
                if was_there { "there" } else { "absent" },
            );
            self.convict(shown, sentence);
        } else if adds && !model.has_item(item) {
            let sentence = format!(
                "client {} added item {item} at position {}, which is in no catalogue any more",
                shown.client, record.seq,
            );
            self.convict(shown, sentence);
        }
    }

    fn convict(&mut self, shown: &Shown, sentence: String) {
        self.finding.convict(|| Violation {
            sentence,
            witnesses: vec![Witness::Asked((shown.client, shown.counter))],
            order: "log order",
            expected: "what the records up to that position make of it".to_owned(),
        });
    }

    pub(super) fn conclude(mut self) -> Finding {
        self.finding
            .count_needed("additions and removals compared", self.compared);
        self.finding
    }
}
