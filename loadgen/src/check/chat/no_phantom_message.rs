//! M2, no phantom: whatever is shown was said, by whom it says, in these words, to these people.
//!
//! Keys prove who chose them, and a text follows from its key. Which keys and words visitors chose
//! nobody knows: everybody must be shown the same of them, and the log has the keys. After the run,
//! everything shown must be in the log, and nothing may have been shown to somebody who was not in the
//! conversation.

use std::collections::BTreeMap;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::{
    due::{Dues, merge, missing},
    entries::{Entries, Sight},
    mailbox::{Pair, Range},
    model::Model,
    tell::{entry_text, of_push, shown_at},
};
use crate::{
    check::{
        finding::{About, Finding, Needs, Topic, Violation},
        law::{Ended, Law, Sighted},
        laws::LawOptions,
        world::World,
    },
    operation::{ShownEntry, Words},
};

/// Most texts of visitors that are kept.
const FOREIGN_MAX: usize = 1 << 20;

/// The law.
#[derive(Debug)]
pub(crate) struct NoPhantomMessage {
    entries: u64,
    /// By position: the words of visitors, and who was shown them first.
    foreign: HashMap<u64, (u64, u32), FixedState>,
    finding: Finding,
}

impl Law for NoPhantomMessage {
    const ABOUT: About = About {
        name: "no-phantom-message",
        demands: "Nothing is shown that nobody said, in other words, or to somebody it is not for.",
        confidence: "certificate: keys that only this run could mint, and the log",
        topic: Topic::Chat,
        needs: Needs::Log,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            entries: 0,
            foreign: HashMap::with_hasher(FixedState::with_seed(0)),
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_sight(&mut self, sighted: &Sighted<'_>, world: &World) {
        let Sighted {
            client,
            entry,
            sight,
        } = *sighted;
        self.check_text(client, entry, world);
        if sight != Sight::Same {
            self.check_first(client, entry, world);
        }
    }

    fn conclude(mut self, ended: &Ended<'_>) -> Finding {
        let owed = ended.owed(&mut self.finding);
        let entries = ended.entries(&mut self.finding);
        if let Some(owed) = owed {
            let model = &ended.world.chat.model;
            self.sweep(entries, model);
            self.judge(&owed.dues, &owed.shown, model);
        }
        self.finding.count_needed("entries shown", self.entries);
        self.finding
    }
}

impl NoPhantomMessage {
    /// A text that was shown: one comparison, made for everybody.
    fn check_text(&mut self, client: u32, entry: &ShownEntry, world: &World) {
        let Some(Words::Other(words)) = entry.text else {
            return;
        };
        if world.people.is_ours(entry.author) {
            if world.began_at < entry.seq {
                self.convict(client, entry, "in other words than were said");
            }
            return;
        }
        if FOREIGN_MAX <= self.foreign.len() {
            return (self.finding).doubt("visitors said more than could be kept");
        }
        let (first, by) = *self.foreign.entry(entry.seq).or_insert((words, client));
        if first != words {
            let how = format!("in other words than client {by} was shown");
            self.convict(client, entry, &how);
        }
    }

    /// An entry that nobody was shown before.
    fn check_first(&mut self, client: u32, entry: &ShownEntry, world: &World) {
        if entry.seq <= world.began_at {
            return;
        }
        self.entries += 1;
        match world.options.mint.verify(&entry.key) {
            // The log says whether they said it, under this key: `one-entry-per-index` asks it.
            None if !world.people.is_ours(entry.author) => {}
            None => self.convict(client, entry, "under a key that nobody in this run chose"),
            Some(id) if !world.has_sent(id) => {
                self.convict(client, entry, "of an operation that was never sent");
            }
            Some((by, _)) => {
                let user = world.known_user(by);
                if user.is_some_and(|user| user != entry.author) {
                    self.convict(client, entry, "under another person's name");
                }
            }
        }
    }

    fn convict(&mut self, client: u32, entry: &ShownEntry, how: &str) {
        self.finding.convict(|| {
            let what = entry_text(entry.conversation, entry.index);
            Violation {
                expected: "what its author said".to_owned(),
                order: "the key of an entry proves who asked for it",
                ..of_push(
                    format!("client {client} was shown {what} {how}"),
                    client,
                    entry,
                )
            }
        });
    }

    /// Whether everything shown is in the log.
    fn sweep(&mut self, entries: &Entries, model: &Model) {
        for ((conversation, index), seen) in entries.all() {
            if model.said(conversation, index).is_none() {
                self.finding.convict(|| Violation {
                    sentence: format!(
                        "client {} was shown {}, which is not in the log",
                        seen.by,
                        entry_text(conversation, index),
                    ),
                    witnesses: vec![shown_at(seen.by, (conversation, index), seen.seq)],
                    order: "log order",
                    expected: format!("{} entries", model.last(conversation)),
                });
            }
        }
    }

    /// Whether everything was for those who were shown it.
    fn judge(&mut self, dues: &Dues, shown: &BTreeMap<Pair, Vec<Range>>, model: &Model) {
        for ((client, conversation), had) in shown {
            let due = dues.get(&(*client, *conversation));
            let mut allowed: Vec<Range> = due.map_or_else(Vec::new, |due| {
                due.must.iter().chain(&due.may).copied().collect()
            });
            merge(&mut allowed);
            for leak in missing(had, &allowed) {
                // What is in no log is another finding.
                let Some(said) = model.said(*conversation, leak.first) else {
                    continue;
                };
                self.finding.convict(|| Violation {
                    sentence: format!(
                        "client {client} was shown {}, which was not for its person",
                        entry_text(*conversation, leak.first),
                    ),
                    witnesses: vec![shown_at(*client, (*conversation, leak.first), said.seq)],
                    order: "log order: who was in the conversation at this position",
                    expected: "not shown".to_owned(),
                });
            }
        }
    }
}
