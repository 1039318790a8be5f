//! Recorded histories, small enough to read: `histories/good` is acquitted, `histories/bad` is
//! convicted. A line is one thing that happened; times are milliseconds, the world is in `run`.
//!
//! ```text
//! world <users> <capacity>                 users are 1 to n, the agenda is n + 1, the log goes on from n + 2
//! law <name>                               the law this history is about
//! expect <fragment>                        of the sentence that convicts
//! op <client>.<counter> <call> <about> <sent> <done> <outcome> <seq> [attempts=<n>] [hash=wrong] [<shown>...]
//! log <client>.<counter>|server <call> <about> <ok or code>
//! log stranger <call> ...                  by user 1, under a key that nobody in the run chose
//! log v<user>.<number> <call> ...          by a visitor, under the key of this number
//! log nobody register - ok                 a visitor comes; who they are is the record's position
//! push <client> promoted <slot> <seq> <at> [hash=wrong], or expired <slot>/<booking>
//! again <client>.<counter> <outcome> <seq>
//! said <client>.<counter> <seq>             its answer says what the log has at this position
//! reused <client>.<counter> <outcome>      of another command under its key
//! state <live seq> <live hash> <replayed seq> <replayed hash>
//! begin <seq>                              where the set-up ends, if it goes on behind the agenda
//! clock <ahead>                            of one millisecond a record, for the records that follow
//! fault <at>
//! ```
//!
//! `<about>` is a slot, or slot/booking, slot/seconds, slot/client; `<shown>` is
//! slot:held:waiting:mine of a day, or booking:slot:client.counter of one's bookings; of the
//! catalogue and the sales see `trade`, of the chat and of presence `talk`.
#![expect(clippy::unwrap_used, reason = "test support")]

use std::{fs, path::Path};

use loadgen::{
    check::LAWS,
    operation::{Call, Observed, Operation, Outcome, Push, Slot},
};
use protocol::{
    ChainHash, Code, Key, Refusal, UserId,
    code::CODES,
    words::agenda::{self as words, SlotView},
};
use reports::record::{OrderReason, Verdict};

use super::run::{Again, DAY, EPOCH, MS, Pushed, Run, law};
use super::{talk, trade};

/// A history and what is to be found in it.
pub(crate) struct Story {
    pub(crate) run: Run,
    law: String,
    expect: Option<String>,
}

#[test]
fn good_histories_are_acquitted() {
    let mut wrong = Vec::new();
    for (name, story) in stories("good") {
        let verdicts = story.run.judge();
        let found = law(&verdicts, &story.law);
        if found.verdict != Verdict::Valid {
            wrong.push(format!("{name}: {found:#?}"));
        }
        let invalid = verdicts
            .iter()
            .filter(|law| law.verdict == Verdict::Invalid);
        wrong.extend(invalid.map(|law| format!("{name}: {law:#?}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn bad_histories_are_convicted() {
    let mut wrong = Vec::new();
    for (name, story) in stories("bad") {
        let verdicts = story.run.judge();
        let found = law(&verdicts, &story.law);
        let expect = story.expect.expect("a bad history says what to expect");
        let is_told = found
            .violations
            .first()
            .is_some_and(|told| told.sentence.contains(&expect) && !told.operations.is_empty());
        if found.verdict != Verdict::Invalid || !is_told {
            wrong.push(format!("{name}: {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A history on disk holds all that the laws were told: judged again, each law says the same, in the same
/// words.
#[test]
fn every_history_judged_again_gets_the_same_verdicts() {
    let mut convicted = 0;
    for (name, story) in stories("good").into_iter().chain(stories("bad")) {
        let (told, again) = (story.run.judge(), story.run.judge_again());
        let is_told = |law: &&reports::record::LawRecord| law.verdict == Verdict::Invalid;
        convicted += told.iter().filter(is_told).count();
        assert_eq!(again, told, "{name}");
    }
    assert!(LAWS.len() <= convicted, "every law convicts somewhere");
}

#[test]
fn every_law_has_a_good_and_a_bad_history() {
    for kind in ["good", "bad"] {
        let about: Vec<String> = stories(kind)
            .into_iter()
            .map(|(_, story)| story.law)
            .collect();
        for law in LAWS {
            assert!(
                about.iter().any(|name| name == law),
                "{law} has no {kind} history"
            );
        }
    }
}

#[test]
fn a_law_with_nothing_to_look_at_says_so() {
    let run = Run {
        live: None,
        records: Vec::new(),
        ..Run::new(1, 1)
    };
    for law in run.judge() {
        assert_eq!(law.verdict, Verdict::Unknown, "{law:#?}");
        assert!(law.reason.is_some(), "{law:#?}");
    }
}

fn stories(kind: &str) -> Vec<(String, Story)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/histories")
        .join(kind);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let story = |path: std::path::PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path.display().to_string(), parse(&text))
    };
    files.into_iter().map(story).collect()
}

pub(crate) fn parse(text: &str) -> Story {
    let mut story = Story {
        run: Run::new(2, 1),
        law: String::new(),
        expect: None,
    };
    let mut wrong = Vec::new();
    for line in text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
    {
        let (verb, rest) = line.split_once(' ').unwrap();
        let parts: Vec<&str> = rest.split_whitespace().collect();
        match verb {
            "world" => story.run = Run::new(number(parts[0]), number(parts[1])),
            "law" => story.law = rest.to_owned(),
            "expect" => story.expect = Some(rest.to_owned()),
            "op" => {
                if parts.contains(&"hash=wrong") {
                    wrong.push(story.run.operations.len());
                }
                let operation = operation(&story.run, &parts);
                story.run.operations.push(operation);
            }
            "said" => {
                let said = (pair(parts[0], '.'), number(parts[1]));
                story.run.said.push(said);
            }
            "log" => log(&mut story.run, &parts),
            "push" => {
                let seq = number(parts[3]);
                let push = talk::push(&story.run, parts[1], parts[2], seq);
                story.run.pushes.push(Pushed {
                    client: number(parts[0]),
                    seq,
                    push: push.unwrap_or_else(|| place_push(&story.run, parts[1], parts[2])),
                    at: number::<u64>(parts[4]) * MS,
                    has_right_hash: !parts.contains(&"hash=wrong"),
                });
            }
            "link" => story.run.links.push(talk::link(&parts)),
            "watch" => story.run.signals.push(talk::watch(&parts)),
            "news" => story.run.news.push(talk::news(&parts)),
            "drained" => {
                let is_settled = parts.get(2) != Some(&"late");
                let drained = (number(parts[0]), number(parts[1]), is_settled);
                story.run.drained.push(drained);
            }
            "wall" => story.run.wall = Some(number(parts[0])),
            "again" => story.run.again.push(Again {
                id: pair(parts[0], '.'),
                outcome: outcome(parts[1]),
                seq: number(parts[2]),
            }),
            "reused" => (story.run.reused).push((pair(parts[0], '.'), outcome(parts[1]))),
            "state" => {
                story.run.live = Some((number(parts[0]), number(parts[1])));
                story.run.replayed = Some((number(parts[2]), number(parts[3])));
            }
            "begin" => story.run.began_at = number(parts[0]),
            "clock" => story.run.clock = number(parts[0]),
            "fault" => story.run.fault_at = Some(number::<u64>(parts[0]) * MS),
            other => panic!("`{other}` is no verb"),
        }
    }
    story.run.stamp();
    for at in wrong {
        story.run.operations[at].0.hash.0[31] ^= 1;
    }
    story
}

pub(super) fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse()
        .ok()
        .unwrap_or_else(|| panic!("`{text}` is no number"))
}

pub(super) fn pair<A: std::str::FromStr, B: std::str::FromStr>(text: &str, by: char) -> (A, B) {
    let (one, other) = text.split_once(by).unwrap_or((text, "0"));
    (number(one), number(other))
}

/// A push of the agenda.
fn place_push(run: &Run, name: &str, about: &str) -> Push {
    let (slot, booking): (u16, u64) = pair(about, '/');
    let slot = run.packed(slot);
    match name {
        "promoted" => Push::Promoted { slot },
        "expired" => Push::Expired { booking, slot },
        other => panic!("`{other}` is no push"),
    }
}

fn outcome(text: &str) -> Outcome {
    match text.strip_prefix("error=") {
        Some(name) => Outcome::Error(code(name)),
        None => match text {
            "ok" => Outcome::Ok,
            "timeout" => Outcome::Timeout,
            "unknown" => Outcome::Unknown,
            name => Outcome::Refused(code(name)),
        },
    }
}

fn code(name: &str) -> Code {
    CODES.iter().find(|entry| entry.name == name).unwrap().code
}

fn call(run: &Run, name: &str, about: &str) -> Call {
    let day = Slot(run.packed(0).0 & !0xfff);
    if name == "erase-me" {
        return Call::EraseMe;
    }
    if name == "my-bookings" {
        return Call::MyBookings;
    }
    if name == "list-slots" {
        return Call::ListSlots { slot: day };
    }
    if let Some(call) = talk::call(name, about).or_else(|| trade::call(name, about)) {
        return call;
    }
    let (slot, more): (u16, u64) = pair(about, '/');
    let (slot, booking) = (run.packed(slot), more);
    match name {
        "reserve" => Call::Reserve { slot },
        "cancel" => Call::Cancel { booking, slot },
        "hold" => Call::Hold {
            slot,
            seconds: u32::try_from(more).unwrap(),
        },
        "confirm" => Call::Confirm { booking, slot },
        "join-waitlist" => Call::JoinWaitlist { slot },
        "leave-waitlist" => Call::LeaveWaitlist { slot },
        other => panic!("`{other}` is no call"),
    }
}

fn operation(run: &Run, parts: &[&str]) -> (Operation, Observed) {
    let (client, counter) = pair(parts[0], '.');
    let call = call(run, parts[1], parts[2]);
    let sent_at = number::<u64>(parts[3]) * MS;
    let attempts = parts.iter().find_map(|part| part.strip_prefix("attempts="));
    let operation = Operation {
        client,
        counter,
        call,
        intended_at: sent_at,
        sent_at,
        completed_at: number::<u64>(parts[4]) * MS,
        floor: 0,
        outcome: outcome(parts[5]),
        seq: number(parts[6]),
        hash: ChainHash::START,
        attempts: attempts.map_or(1, number),
    };
    let shown: Vec<&str> = parts[7..]
        .iter()
        .copied()
        .filter(|part| part.contains(':'))
        .collect();
    let observed = match call {
        Call::ListSlots { .. } => Observed::Slots(day(&shown)),
        Call::MyBookings => {
            Observed::Bookings(shown.iter().map(|text| booking(run, text)).collect())
        }
        Call::Chat(call) => talk::observed(run, &call, &shown),
        call => trade::observed(&call, &shown, operation.seq),
    };
    (operation, observed)
}

fn day(shown: &[&str]) -> Vec<SlotView> {
    let free = SlotView {
        held: 0,
        waiting: 0,
        mine: 0,
        past: false,
    };
    let mut day = vec![free; 24];
    for text in shown {
        let parts: Vec<&str> = text.split(':').collect();
        day[number::<usize>(parts[0])] = SlotView {
            held: number(parts[1]),
            waiting: number(parts[2]),
            mine: number(parts[3]),
            past: false,
        };
    }
    day
}

fn booking(run: &Run, text: &str) -> (u64, Slot, u64, Key) {
    let parts: Vec<&str> = text.split(':').collect();
    let (client, counter) = pair(parts[2], '.');
    let key = run.mint.mint(client, counter);
    (number(parts[0]), run.packed(number(parts[1])), 0, key)
}

fn log(run: &mut Run, parts: &[&str]) {
    let refused = (parts[3] != "ok").then(|| Refusal::new(code(parts[3])));
    let (actor, key) = author_of(run, parts[0]);
    let words = talk::logged(parts[1], parts[2], &key);
    if let Some(words) = words.or_else(|| trade::logged(parts[1], parts[2], key)) {
        run.decide_words(actor, key, words, refused);
        return;
    }
    let (slot, more): (u16, u64) = pair(parts[2], '/');
    let slot = words::SlotId {
        day: DAY,
        ..run.slot(slot)
    };
    let (command, event) = words_of(run, actor, parts[1], slot, more);
    run.decide(actor, key, &command, &refused.map_or(Ok(event), Err));
}

/// Whose record a line of the log is, and under which key.
pub(super) fn author_of(run: &Run, who: &str) -> (UserId, Key) {
    if let Some((user, number)) = who.strip_prefix('v').map(|who| pair(who, '.')) {
        return (UserId(user), Key([number; 16]));
    }
    match who {
        "server" | "nobody" => (UserId::NOBODY, trade::key_of(&run.mint, None, run.head())),
        "stranger" => (UserId(1), Key([5; 16])),
        _ours => {
            let (client, counter) = pair(who, '.');
            (Run::user(client), run.mint.mint(client, counter))
        }
    }
}

/// What comes of a cancel: of somebody else's booking, as only an admin may, that is told to its holder.
fn cancelled(run: &Run, actor: UserId, slot: words::SlotId, booking: u64) -> words::Event {
    let made = run.records.iter().find(|record| record.seq.0 == booking);
    match made.map(|record| record.actor) {
        Some(user) if user != actor => words::BookingCancelled {
            booking,
            user,
            slot,
            by: actor,
        }
        .into(),
        Some(_) | None => words::Cancelled { slot }.into(),
    }
}

fn words_of(
    run: &Run,
    actor: UserId,
    name: &str,
    slot: words::SlotId,
    more: u64,
) -> (words::Command, words::Event) {
    let until = EPOCH + run.clock + run.head() + 1 + more * 1_000;
    match name {
        "reserve" => (
            words::Reserve { slot }.into(),
            words::Reserved { slot }.into(),
        ),
        "cancel" => (
            words::Cancel { booking: more }.into(),
            cancelled(run, actor, slot, more),
        ),
        "hold" => {
            let seconds = u32::try_from(more).unwrap();
            (
                words::Hold { slot, seconds }.into(),
                words::Held { slot, until }.into(),
            )
        }
        "confirm" => (
            words::Confirm { booking: more }.into(),
            words::Confirmed { slot }.into(),
        ),
        "expire" => {
            let of = |record: &&protocol::OwnedRecord| record.seq.0 == more;
            let user = run.records.iter().find(of).unwrap().actor;
            let expired = words::Expired {
                booking: more,
                user,
                slot,
            };
            (words::Expire { booking: more }.into(), expired.into())
        }
        "join-waitlist" => {
            let place = u32::try_from(more).unwrap();
            (
                words::JoinWaitlist { slot }.into(),
                words::WaitlistJoined { slot, place }.into(),
            )
        }
        "leave-waitlist" => (
            words::LeaveWaitlist { slot }.into(),
            words::WaitlistLeft { slot }.into(),
        ),
        "promote" => {
            let user = Run::user(u32::try_from(more).unwrap());
            (
                words::Promote { slot }.into(),
                words::Promoted { slot, user }.into(),
            )
        }
        other => panic!("`{other}` is no command"),
    }
}

#[test]
fn a_violation_says_what_it_is_about_why_its_operations_are_ordered_and_what_else_happened() {
    let cancelled_again = parse(
        "law no-lost-cancel\n\
         world 3 1\n\
         op 0.0 reserve 5 10 20 ok 5\n\
         op 0.1 cancel 5/5 30 40 ok 6\n\
         op 2.0 reserve 5 42 48 ok 7\n\
         op 0.2 my-bookings - 50 60 ok 7 5:5:0.0\n",
    );
    let verdicts = cancelled_again.run.judge();
    let found = law(&verdicts, "no-lost-cancel");
    let told = found.violations.first().unwrap();
    assert_eq!(
        told.about.as_deref(),
        Some("slot 5 of agenda 4 on day 20000")
    );
    let [pair] = told.pairs.as_slice() else {
        panic!("{told:#?}");
    };
    assert_eq!(
        (pair.earlier, pair.later, pair.by),
        (0, 1, OrderReason::Session)
    );
    let around: Vec<&str> = told.window.iter().map(|op| op.call.as_str()).collect();
    assert_eq!(around.len(), 2, "{told:#?}");
    assert!(
        around.iter().all(|call| call.starts_with("reserve slot 5")),
        "{around:?}"
    );
    let scope = found.scope.as_ref().unwrap();
    assert_eq!((scope.looked_at, scope.clients), (1, 1));
    assert_eq!(
        (scope.first_ns, scope.last_ns),
        (Some(50 * MS), Some(60 * MS))
    );
}
