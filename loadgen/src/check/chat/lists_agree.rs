//! Lists of the chat have on them exactly who and what the log puts there, and no question is refused to
//! somebody who may ask it.
//!
//! Conversations, those with something pending, rooms with how many are in them, and members: each list
//! is kept until the model is where its answer says it was, and compared entry by entry. So is a
//! refusal: only who is not in a conversation may be denied a look into it. Deliberately absent: how
//! far members got (`receipts-truthful`), where conversations end and what stands on a page of one
//! (`retained`), and who is here, which no log has (`presence`).

use protocol::{Code, UserId, words::chat::PUBLIC};

use super::{Kept, model::Model, tell::conversation_text};
use crate::{
    check::{
        finding::{About, Finding, Needs, OperationId, Topic, Violation, Witness, outcome_text},
        law::{ChatShown, Ended, Law},
        laws::LawOptions,
        world::World,
    },
    operation::{ChatCall, ChatSeen, Operation, Outcome},
};

/// Entries on a page of what is everybody's, as runs ask for it.
const SCREEN_LEN: usize = crate::wire::SCREEN_LEN as usize;
/// Entries on a page of what is one's own.
const PAGE_LEN: usize = protocol::limits::PAGE_LEN_MAX as usize;

/// What a question of the chat was answered, kept until the model is where that was so.
#[derive(Debug)]
pub(crate) struct List {
    by: OperationId,
    user: UserId,
    about: Shown,
}

/// What was shown.
#[derive(Debug)]
enum Shown {
    Conversations {
        ids: Vec<u64>,
        is_pending: bool,
    },
    Rooms(Vec<(u64, u32, bool)>),
    Members {
        of: u64,
        users: Vec<UserId>,
    },
    /// Nothing, for this reason; about a conversation, if it was about one.
    Refused {
        call: &'static str,
        of: Option<u64>,
        code: Code,
    },
}

impl List {
    /// `None` for a call that asks for no list, or was not answered.
    pub(crate) fn of(
        (operation, user): (&Operation, UserId),
        call: &ChatCall,
        seen: Option<&ChatSeen>,
    ) -> Option<Self> {
        let about = match (operation.outcome, seen) {
            (Outcome::Ok, Some(ChatSeen::Conversations(list))) => Shown::Conversations {
                ids: list.iter().map(|(id, ..)| *id).collect(),
                is_pending: matches!(call, ChatCall::ListPending {}),
            },
            (Outcome::Ok, Some(ChatSeen::Rooms(list))) => Shown::Rooms(list.clone()),
            (Outcome::Ok, Some(ChatSeen::Members(list))) => Shown::Members {
                of: asked_of(call)?,
                users: list.iter().map(|(user, ..)| *user).collect(),
            },
            (Outcome::Refused(code), _) if call.is_query() => Shown::Refused {
                call: ChatCall::NAMES[call.index()],
                of: asked_of(call),
                code,
            },
            _no_list => return None,
        };
        Some(Self {
            by: (operation.client, operation.counter),
            user,
            about,
        })
    }

    /// Bytes that it points at.
    pub(crate) fn size(&self) -> usize {
        match &self.about {
            Shown::Conversations { ids, .. } => size_of_val(ids.as_slice()),
            Shown::Rooms(rooms) => size_of_val(rooms.as_slice()),
            Shown::Members { users, .. } => size_of_val(users.as_slice()),
            Shown::Refused { .. } => 0,
        }
    }
}

/// The conversation that a question is about.
const fn asked_of(call: &ChatCall) -> Option<u64> {
    match call {
        ChatCall::ListMembers { conversation } | ChatCall::ReadHistory { conversation, .. } => {
            Some(*conversation)
        }
        _of_none => None,
    }
}

/// The law.
#[derive(Debug)]
pub(crate) struct ListsAgree {
    lists: u64,
    refusals: u64,
    finding: Finding,
}

impl Law for ListsAgree {
    const ABOUT: About = About {
        name: "lists-agree",
        demands: "A list of conversations, rooms or members has on it who and what the log puts there, and is refused only to who may not see it.",
        confidence: "certificate: the log replayed through a model of our own",
        topic: Topic::Itself,
        needs: Needs::Log,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            lists: 0,
            refusals: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_chat_shown(&mut self, shown: &ChatShown<'_>, world: &World) {
        if let Kept::List(list) = shown.kept {
            self.check(list, &world.chat.model);
        }
    }

    fn conclude(mut self, ended: &Ended<'_>) -> Finding {
        if self.lists + self.refusals == 0 {
            self.finding.leave_out();
        }
        self.finding.count_needed("lists compared", self.lists);
        self.finding
            .count("refused questions compared", self.refusals);
        let skipped = ended.world.chat.kept.skipped();
        if 0 < skipped {
            self.finding
                .doubt(format!("{skipped} answers were not compared"));
        }
        self.finding
    }
}

impl ListsAgree {
    fn check(&mut self, list: &List, model: &Model) {
        let user = list.user;
        // Whoever was erased may ask nothing, on whichever device.
        if model.is_gone(user) {
            return;
        }
        match &list.about {
            Shown::Conversations { ids, is_pending } => {
                let is_due = |id: &u64| !is_pending || model.marks(*id, user).0 < model.last(*id);
                let right: Vec<u64> = model
                    .conversations(user)
                    .filter(is_due)
                    .take(PAGE_LEN)
                    .collect();
                let what = if *is_pending {
                    "its conversations with something pending"
                } else {
                    "its conversations"
                };
                self.compare(list, what, (ids, &right), |id| conversation_text(*id));
            }
            Shown::Rooms(rooms) => {
                let right = model.rooms().take(SCREEN_LEN).map(|room| {
                    let members = model.members(room);
                    let count = members.map_or(0, |members| members.len());
                    let mine = members.is_some_and(|members| members.contains(&user));
                    (room, u32::try_from(count).unwrap_or(u32::MAX), mine)
                });
                let right: Vec<_> = right.collect();
                self.compare(list, "the rooms", (rooms, &right), |(room, count, mine)| {
                    let own = if *mine { ", itself among them" } else { "" };
                    format!("room {room} with {count} members{own}")
                });
            }
            Shown::Members { of, users } => {
                let right = model.members(*of).into_iter().flatten();
                let right: Vec<UserId> = right.copied().take(SCREEN_LEN).collect();
                let what = format!("the members of {}", conversation_text(*of));
                self.compare(list, &what, (users, &right), UserId::to_string);
            }
            Shown::Refused { call, of, code } => {
                self.check_refused(list, (call, *of, *code), model);
            }
        }
    }

    fn compare<T: PartialEq>(
        &mut self,
        list: &List,
        what: &str,
        (shown, right): (&[T], &[T]),
        text: impl Fn(&T) -> String,
    ) {
        self.lists += 1;
        if shown == right {
            return;
        }
        self.finding.convict(|| {
            let invented = shown.iter().find(|it| !right.contains(it));
            let lacking = right.iter().find(|it| !shown.contains(it));
            let how = match (invented, lacking) {
                (Some(it), Some(other)) => {
                    format!("with {}, where {} is right", text(it), text(other))
                }
                (Some(it), None) => format!("with {}, which is not among them", text(it)),
                (None, Some(it)) => format!("without {}", text(it)),
                (None, None) => "in another order, or one of them twice".to_owned(),
            };
            let all: Vec<String> = right.iter().map(&text).collect();
            Violation {
                sentence: format!("client {} was shown {what} {how}", list.by.0),
                witnesses: vec![Witness::Asked(list.by)],
                order: "the answer states the position it reflects",
                expected: if all.is_empty() {
                    "nothing on the list".to_owned()
                } else {
                    all.join(", ")
                },
            }
        });
    }

    /// Of a conversation that there is not, that its asker is not in, or that is everybody's.
    fn check_refused(
        &mut self,
        list: &List,
        (call, of, code): (&str, Option<u64>, Code),
        model: &Model,
    ) {
        self.refusals += 1;
        let members = of.map(|of| model.members(of));
        let is_right = match (code, of, members) {
            (Code::PUBLIC_MEMBERS, Some(of), _) => of == PUBLIC,
            (Code::UNKNOWN_CONVERSATION, Some(of), Some(members)) => {
                of != PUBLIC && members.is_none()
            }
            (Code::NOT_MEMBER, Some(of), Some(members)) => {
                of != PUBLIC && !members.is_some_and(|members| members.contains(&list.user))
            }
            _nothing_says_so => false,
        };
        if !is_right {
            self.finding.convict(|| {
                let what =
                    of.map_or_else(String::new, |of| format!(" of {}", conversation_text(of)));
                let told = outcome_text(Outcome::Refused(code));
                Violation {
                    sentence: format!(
                        "`{call}`{what} of client {} was answered `{told}`, where it is not so",
                        list.by.0,
                    ),
                    witnesses: vec![Witness::Asked(list.by)],
                    order: "a question is refused for nothing but what the log says",
                    expected: "the answer".to_owned(),
                }
            });
        }
    }
}
