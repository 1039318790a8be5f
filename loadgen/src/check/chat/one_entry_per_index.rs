//! M5, one value per index: everybody is shown the same entry at the same index.
//!
//! Pushes, pages of history and the answers to senders are all held against what was shown there
//! first, whoever saw it, and after the run against the log. Two members who are told different
//! orders differ at some index.

use protocol::OwnedRecord;

use super::{
    entries::{Entries, Seen, Sight, digest},
    tell::{entry_text, logged, shown, shown_at},
};
use crate::{
    check::{
        finding::{About, Finding, Needs, Topic, Violation},
        law::{Ended, EntryLogged, Law, Sighted},
        laws::LawOptions,
        world::World,
    },
    operation::ShownEntry,
};

/// The law.
#[derive(Debug)]
pub(crate) struct OneEntryPerIndex {
    shown: u64,
    logged: u64,
    finding: Finding,
}

impl Law for OneEntryPerIndex {
    const ABOUT: About = About {
        name: "one-entry-per-index",
        demands: "At one index of a conversation everybody is shown the same entry, at the same position.",
        confidence: "certificate: every entry shown compared with the first one shown there, and with the log",
        topic: Topic::Chat,
        needs: Needs::Log,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            shown: 0,
            logged: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_sight(&mut self, sighted: &Sighted<'_>, _: &World) {
        self.check(sighted.client, sighted.entry, sighted.sight);
    }

    fn on_entry(&mut self, logged: &EntryLogged<'_>, world: &World) {
        self.handle_entry(logged.at, logged.record, &world.chat.entries);
    }

    fn conclude(mut self, ended: &Ended<'_>) -> Finding {
        let compared = ended.entries(&mut self.finding).compared;
        self.finding.count_needed("entries shown", self.shown);
        self.finding
            .count("compared with what others were shown", compared);
        self.finding.count("entries of the log", self.logged);
        self.finding
    }
}

impl OneEntryPerIndex {
    fn check(&mut self, client: u32, entry: &ShownEntry, sight: Sight) {
        self.shown += 1;
        if let Sight::Other(seen) = sight {
            self.finding.convict(|| differ(client, entry, seen));
        }
    }

    /// An entry of the log, by our own count at this index.
    fn handle_entry(&mut self, at: (u64, u64), record: &OwnedRecord, entries: &Entries) {
        self.logged += 1;
        let Some(seen) = entries.get(at.0, at.1) else {
            return;
        };
        if (seen.seq, seen.digest) != (record.seq.0, digest(&record.key, record.actor)) {
            self.finding.convict(|| Violation {
                sentence: format!(
                    "client {} was shown position {} as {}, where the log has another entry, at position {}",
                    seen.by,
                    seen.seq,
                    entry_text(at.0, at.1),
                    record.seq,
                ),
                witnesses: vec![shown_at(seen.by, at, seen.seq), logged(at, record.seq.0)],
                order: "log order: entries counted from the first of the conversation",
                expected: "the entry of the log".to_owned(),
            });
        }
    }
}

fn differ(client: u32, entry: &ShownEntry, seen: Seen) -> Violation {
    let at = (entry.conversation, entry.index);
    Violation {
        sentence: format!(
            "client {client} was shown position {} as {}, and client {} another entry, at position {}",
            entry.seq,
            entry_text(at.0, at.1),
            seen.by,
            seen.seq,
        ),
        witnesses: vec![shown(client, entry), shown_at(seen.by, at, seen.seq)],
        order: "a conversation is one sequence, whoever looks at it",
        expected: "one entry at one index".to_owned(),
    }
}
