//! Trails: where in the log the things stand that somebody tried, that others did and that concern them,
//! or that were tried on something.
//!
//! Records go in as they are decided or replayed; pages of steps come out, newest first. Each step
//! names the one before it on both of its trails, so that a step costs one entry at the end of one
//! list, whoever's it is, and the list is never changed; it is kept on disk, since few ever look at it.
//! What the server did to somebody is linked as if they had done it. What another person did to them,
//! which is rare, stands in a map beside the list: a link has room for one person.
//! Deliberately absent: the records themselves (they are read from the log).

use std::{
    collections::{BTreeMap, BTreeSet},
    hint::black_box,
    io,
};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::{Record, Seq, UserId, words};

use words::log::Subject;

use crate::{
    disk::Disk,
    keyring::Keyring,
    snapshot::{Saved, SectionReader, SectionWriter, Unsound},
    spill_file::{SpillFile, SpillReader},
    u40::U40,
};

/// Bytes of a step, also in a snapshot.
const LINK_BYTES: usize = 4 * U40::BYTES + 1;
/// Bytes of the end of a trail in a snapshot.
const END_BYTES: usize = 8 + 8;
/// Bytes of what another person did, in a snapshot.
const OTHER_BYTES: usize = 8 + 8 + 8;

const IS_AGENDA: u8 = 1;

/// One thing that was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditEntry {
    /// Where its record is.
    pub seq: Seq,
    /// What it was about; 0 for nothing.
    pub target: u64,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum TrailError {
    /// A `before` that is no step of the trail it was asked of.
    #[error("that is no step of this trail")]
    NoSuchStep,
    /// Steps could not be read.
    #[error("read the trail: {0}")]
    Read(#[from] io::Error),
}

/// A record and the steps before it; [`Seq::START`] where there is none. There is one for every
/// record of the log, so it is as small as it can be.
#[derive(Debug, Clone, Copy)]
struct Link {
    /// Who tried it, or whom it concerns if that was the server.
    actor: U40,
    target: U40,
    before_of_user: U40,
    before_of_agenda: U40,
    flags: u8,
}

impl Link {
    fn bytes(&self) -> [u8; LINK_BYTES] {
        let Self {
            actor,
            target,
            before_of_user,
            before_of_agenda,
            flags,
        } = self;
        let mut row = [*flags; LINK_BYTES];
        let (numbers, _) = row.as_chunks_mut();
        let all = [actor, target, before_of_user, before_of_agenda];
        for (place, number) in numbers.iter_mut().zip(all) {
            *place = number.bytes();
        }
        row
    }

    /// The link that has these bytes.
    fn of(row: &[u8; LINK_BYTES]) -> Self {
        let (numbers, _) = row.as_chunks();
        let number = |nth: usize| U40::of_bytes(numbers[nth]);
        Self {
            actor: number(0),
            target: number(1),
            before_of_user: number(2),
            before_of_agenda: number(3),
            flags: row[LINK_BYTES - 1],
        }
    }

    const fn is_agenda(&self) -> bool {
        self.flags & IS_AGENDA != 0
    }
}

/// Every step, by position, and where each trail ends.
#[derive(Debug, Default)]
pub struct Trail {
    links: SpillFile<LINK_BYTES>,
    /// Targets that are no position, since a client made them up, by the position of the step.
    odd_targets: BTreeMap<Seq, u64>,
    newest_of_user: HashMap<UserId, Seq, FixedState>,
    newest_of_agenda: HashMap<u64, Seq, FixedState>,
    /// What another person did that concerns somebody, with the newest linked step of theirs by then.
    by_others: BTreeMap<(UserId, Seq), Seq>,
    /// Who was erased: what they did is on no trail any more.
    forgotten: BTreeSet<UserId>,
}

impl Trail {
    /// Has steps go to a file on this disk.
    ///
    /// # Errors
    /// If no file can be made there.
    pub fn spill_into(&mut self, disk: &dyn Disk) -> io::Result<()> {
        self.links.spill_into(disk)
    }

    /// Notes the next record; `target` is what its command was about, 0 for nothing, and `concerns`
    /// whose trail it is on besides its actor's, nobody for nobody.
    ///
    /// # Panics
    /// If a position was left out.
    pub fn insert(&mut self, record: &Record<'_>, target: u64, concerns: UserId) {
        let user = match record.actor {
            UserId::NOBODY => concerns,
            actor => actor,
        };
        if concerns != user && concerns != UserId::NOBODY {
            let newest = self.newest(Subject::User(concerns));
            self.by_others.insert((concerns, record.seq), newest);
        }
        let is_agenda = record.kind.system() == words::agenda::SYSTEM && target != 0;
        let mut link = Link {
            actor: U40::of_position(user.0),
            target: self.short_target(record.seq, target),
            before_of_user: U40::ZERO,
            before_of_agenda: U40::ZERO,
            flags: if is_agenda { IS_AGENDA } else { 0 },
        };
        if user != UserId::NOBODY {
            let newest = self.newest_of_user.entry(user).or_default();
            let before = std::mem::replace(newest, record.seq);
            link.before_of_user = U40::of_position(before.0);
        }
        if is_agenda {
            let newest = self.newest_of_agenda.entry(target).or_default();
            let before = std::mem::replace(newest, record.seq);
            link.before_of_agenda = U40::of_position(before.0);
        }
        assert_eq!(
            index_of(record.seq),
            Some(self.links.len()),
            "steps are noted in order"
        );
        self.links.push(link.bytes());
    }

    /// Asks for the memory in which a person's trail ends.
    pub fn prefetch(&self, user: UserId) {
        black_box(self.newest_of_user.get(&user));
    }

    /// Forgets what this person tried: it is on nobody's trail any more.
    pub fn forget(&mut self, user: UserId) {
        self.newest_of_user.remove(&user);
        let own = (user, Seq::START)..=(user, Seq(u64::MAX));
        let others: Vec<(UserId, Seq)> = self.by_others.range(own).map(|step| *step.0).collect();
        for step in others {
            self.by_others.remove(&step);
        }
        self.forgotten.insert(user);
    }

    /// At most `limit` steps of `subject`, newest first: those before the step at `before`, or from
    /// the newest at or before `upto` when `before` is [`Seq::START`].
    ///
    /// # Errors
    /// If `before` is no step of this trail: finding the nearest one could take as long as the
    /// trail is. If steps cannot be read.
    pub fn page(
        &self,
        subject: Subject,
        before: Seq,
        upto: Seq,
        limit: usize,
    ) -> Result<Vec<AuditEntry>, TrailError> {
        let mut links = self.links.reader();
        let (mut linked, mut bound) = match before {
            Seq::START => (self.newest(subject), Seq(u64::MAX)),
            before => (self.linked_before(&mut links, subject, before)?, before),
        };
        let mut steps = Vec::new();
        while steps.len() < limit {
            let next = linked.max(self.newest_by_others(subject, bound));
            let Some(link) = link(&mut links, next)? else {
                break;
            };
            if next <= upto && !self.is_forgotten(&link) {
                let (seq, target) = (next, self.target(next, &link));
                steps.push(AuditEntry { seq, target });
            }
            if next == linked {
                linked = self.before(subject, next, &link).unwrap_or_default();
            }
            bound = next;
        }
        Ok(steps)
    }

    /// The newest linked step of this trail before the step at `seq`.
    fn linked_before(
        &self,
        links: &mut SpillReader<'_, LINK_BYTES>,
        subject: Subject,
        seq: Seq,
    ) -> Result<Seq, TrailError> {
        if let Subject::User(user) = subject
            && let Some(linked) = self.by_others.get(&(user, seq))
        {
            return Ok(*linked);
        }
        link(links, seq)?
            .and_then(|link| self.before(subject, seq, &link))
            .ok_or(TrailError::NoSuchStep)
    }

    /// The newest step of this trail before `bound` that another person took.
    fn newest_by_others(&self, subject: Subject, bound: Seq) -> Seq {
        let Subject::User(user) = subject else {
            return Seq::START;
        };
        let mut steps = self.by_others.range((user, Seq::START)..(user, bound));
        steps.next_back().map_or(Seq::START, |((_, seq), _)| *seq)
    }

    /// Whether whoever took this step was erased: it only links its neighbours.
    fn is_forgotten(&self, link: &Link) -> bool {
        !self.forgotten.is_empty() && self.forgotten.contains(&UserId(link.actor.get()))
    }

    fn newest(&self, subject: Subject) -> Seq {
        let newest = match subject {
            Subject::User(user) => self.newest_of_user.get(&user),
            Subject::Agenda(agenda) => self.newest_of_agenda.get(&agenda),
        };
        newest.copied().unwrap_or_default()
    }

    /// The step before the one at `seq`; `None` if that one is not of this subject.
    fn before(&self, subject: Subject, seq: Seq, link: &Link) -> Option<Seq> {
        let (is_of_it, before) = match subject {
            Subject::User(user) => (
                link.actor.get() == user.0 && !self.is_forgotten(link),
                link.before_of_user,
            ),
            Subject::Agenda(agenda) => (
                link.is_agenda() && self.target(seq, link) == agenda,
                link.before_of_agenda,
            ),
        };
        is_of_it.then_some(Seq(before.get()))
    }

    /// What the step at `seq` was about.
    fn target(&self, seq: Seq, link: &Link) -> u64 {
        if link.target != U40::ZERO || self.odd_targets.is_empty() {
            return link.target.get();
        }
        self.odd_targets.get(&seq).copied().unwrap_or_default()
    }

    fn short_target(&mut self, seq: Seq, target: u64) -> U40 {
        U40::new(target).unwrap_or_else(|| {
            self.odd_targets.insert(seq, target);
            U40::ZERO
        })
    }
}

/// The step at `seq`, if there is one.
fn link(links: &mut SpillReader<'_, LINK_BYTES>, seq: Seq) -> io::Result<Option<Link>> {
    let Some(index) = index_of(seq) else {
        return Ok(None);
    };
    Ok(links.get(index)?.map(|row| Link::of(&row)))
}

impl Saved for Trail {
    fn save(&self, out: &mut SectionWriter<'_>, _keyring: &Keyring) {
        let Self {
            links,
            odd_targets,
            newest_of_user,
            newest_of_agenda,
            by_others,
            forgotten,
        } = self;
        out.count(links.len());
        if let Err(error) = links.for_each(|row| out.array(row)) {
            out.fail(error);
        }
        save_ends(odd_targets.iter().map(|(seq, id)| (*id, *seq)), out);
        save_ends(newest_of_user.iter().map(|(user, seq)| (user.0, *seq)), out);
        save_ends(newest_of_agenda.iter().map(|(id, seq)| (*id, *seq)), out);
        out.count(by_others.len());
        for ((user, seq), linked) in by_others {
            out.u64(user.0);
            out.u64(seq.0);
            out.u64(linked.0);
        }
        out.count(forgotten.len());
        forgotten.iter().for_each(|user| out.u64(user.0));
    }

    fn load(&mut self, from: &mut SectionReader<'_>, _keyring: &Keyring) -> Result<(), Unsound> {
        let count = from.count(LINK_BYTES)?;
        from.rows(count, |row| self.links.push(*row))?;
        self.odd_targets = load_ends(from)?.map(|(id, seq)| (seq, id)).collect();
        self.newest_of_user = load_ends(from)?
            .map(|(user, seq)| (UserId(user), seq))
            .collect();
        self.newest_of_agenda = load_ends(from)?.collect();
        for _ in 0..from.count(OTHER_BYTES)? {
            let step = (UserId(from.u64()?), Seq(from.u64()?));
            self.by_others.insert(step, Seq(from.u64()?));
        }
        for _ in 0..from.count(8)? {
            self.forgotten.insert(UserId(from.u64()?));
        }
        Ok(())
    }
}

/// Where trails end, sorted, so that a state has one form.
fn save_ends(ends: impl Iterator<Item = (u64, Seq)>, out: &mut SectionWriter<'_>) {
    let mut ends: Vec<(u64, Seq)> = ends.collect();
    ends.sort_unstable();
    out.count(ends.len());
    for (id, seq) in ends {
        out.u64(id);
        out.u64(seq.0);
    }
}

fn load_ends(
    from: &mut SectionReader<'_>,
) -> Result<impl ExactSizeIterator<Item = (u64, Seq)> + use<>, Unsound> {
    let count = from.count(END_BYTES)?;
    let mut ends = Vec::with_capacity(count);
    from.rows(count, |row: &[u8; END_BYTES]| {
        let (numbers, _) = row.as_chunks();
        let [id, seq] = [0, 1].map(|nth| u64::from_le_bytes(numbers[nth]));
        ends.push((id, Seq(seq)));
    })?;
    Ok(ends.into_iter())
}

fn index_of(seq: Seq) -> Option<usize> {
    usize::try_from(seq.0.checked_sub(1)?).ok()
}

#[cfg(test)]
mod tests {
    use protocol::{Key, Kind};

    use super::*;

    /// Records as actor, system and target, from position 1 on.
    fn trail(records: &[(u64, u8, u64)]) -> Trail {
        let alone: Vec<_> = records.iter().map(|record| (*record, 0)).collect();
        trail_of_several(&alone)
    }

    /// The same, each with whom else it concerns.
    fn trail_of_several(records: &[((u64, u8, u64), u64)]) -> Trail {
        let mut trail = Trail::default();
        for (seq, ((actor, system, target), concerns)) in (1..).zip(records) {
            let record = Record {
                seq: Seq(seq),
                recorded_at: 0,
                actor: UserId(*actor),
                key: Key::default(),
                kind: Kind::new(*system, 1),
                schema: 1,
                codec: 1,
                body: &[],
                outcome: &[],
            };
            trail.insert(&record, *target, UserId(*concerns));
        }
        trail
    }

    /// A page as before, upto and limit.
    #[track_caller]
    fn check(trail: &Trail, subject: Subject, page: (u64, u64, usize), expected: &[u64]) {
        let steps = trail.page(subject, Seq(page.0), Seq(page.1), page.2);
        let seqs: Vec<u64> = steps
            .expect("a page")
            .iter()
            .map(|step| step.seq.0)
            .collect();
        assert_eq!(seqs, expected);
    }

    #[test]
    fn pages_go_back_from_where_they_are_asked() {
        let trail = trail(&[(7, 2, 0), (7, 2, 0), (8, 2, 0), (0, 2, 0), (7, 2, 0)]);
        let seven = Subject::User(UserId(7));
        check(&trail, seven, (0, 9, 9), &[5, 2, 1]);
        check(&trail, seven, (0, 9, 2), &[5, 2]);
        check(&trail, seven, (0, 4, 2), &[2, 1]);
        check(&trail, seven, (5, 9, 9), &[2, 1]);
        check(&trail, seven, (2, 9, 1), &[1]);
        check(&trail, seven, (1, 9, 9), &[]);
        check(&trail, Subject::User(UserId(9)), (0, 9, 9), &[]);
    }

    #[test]
    fn a_page_begins_at_a_step_of_its_own_trail() {
        let trail = trail(&[(7, 2, 4), (8, 2, 4)]);
        let ask = |subject, before| trail.page(subject, Seq(before), Seq(9), 9);
        for (subject, before) in [
            (Subject::User(UserId(7)), 2),
            (Subject::User(UserId(7)), 3),
            (Subject::Agenda(5), 2),
        ] {
            let error = ask(subject, before).expect_err("not of this trail");
            assert!(matches!(error, TrailError::NoSuchStep), "{error}");
        }
        assert!(ask(Subject::Agenda(4), 2).is_ok());
    }

    #[test]
    fn an_agenda_has_what_was_tried_on_it_whoever_tried() {
        let agenda = words::agenda::SYSTEM;
        let trail = trail(&[(7, agenda, 4), (0, agenda, 4), (7, 1, 4), (7, agenda, 5)]);
        check(&trail, Subject::Agenda(4), (0, 9, 9), &[2, 1]);
        check(&trail, Subject::Agenda(0), (0, 9, 9), &[]);
        check(&trail, Subject::User(UserId::NOBODY), (0, 9, 9), &[]);
        check(&trail, Subject::User(UserId(7)), (0, 9, 9), &[4, 3, 1]);
    }

    #[test]
    fn an_agenda_that_a_client_made_up_has_a_trail_of_its_own() {
        let agenda = words::agenda::SYSTEM;
        let odd = u64::MAX - 1;
        let trail = trail(&[
            (7, agenda, odd),
            (8, agenda, 4),
            (7, agenda, odd),
            (7, 1, 0),
        ]);
        check(&trail, Subject::Agenda(odd), (0, 9, 9), &[3, 1]);
        check(&trail, Subject::Agenda(odd), (3, 9, 9), &[1]);
        check(&trail, Subject::User(UserId(7)), (0, 9, 9), &[4, 3, 1]);
        let steps = trail.page(Subject::User(UserId(7)), Seq::START, Seq(9), 9);
        let steps = steps.expect("a page");
        let targets: Vec<u64> = steps.iter().map(|step| step.target).collect();
        assert_eq!(targets, [0, odd, odd]);
        let again = crate::snapshot::tests::reloaded(&trail);
        check(&again, Subject::Agenda(odd), (0, 9, 9), &[3, 1]);
    }

    #[test]
    fn what_others_did_to_somebody_is_on_their_trail_too() {
        let agenda = words::agenda::SYSTEM;
        let (by_seven, by_eight, by_server) = ((7, agenda, 4), (8, agenda, 4), (0, agenda, 4));
        let trail = trail_of_several(&[
            (by_eight, 7), // before anything of their own
            (by_seven, 0),
            (by_eight, 7),
            (by_eight, 7),
            (by_server, 7),
            (by_seven, 7),
            (by_eight, 9),
            (by_server, 9),
        ]);
        let [seven, eight, nine] = [7, 8, 9].map(|user| Subject::User(UserId(user)));
        for trail in [&crate::snapshot::tests::reloaded(&trail), &trail] {
            check(trail, seven, (0, 9, 9), &[6, 5, 4, 3, 2, 1]);
            check(trail, eight, (0, 9, 9), &[7, 4, 3, 1]);
            check(trail, nine, (0, 9, 9), &[8, 7]);
            check(
                trail,
                Subject::Agenda(4),
                (0, 9, 9),
                &[8, 7, 6, 5, 4, 3, 2, 1],
            );
            // Whatever a page ends with, the next one goes on behind it.
            for before in 2..=6 {
                let all: Vec<u64> = (1..before).rev().collect();
                for limit in 1..=all.len() {
                    check(trail, seven, (before, 9, limit), &all[..limit]);
                }
            }
            check(trail, seven, (0, 3, 2), &[3, 2]);
            let not_theirs = trail.page(nine, Seq(6), Seq(9), 9);
            assert!(matches!(not_theirs, Err(TrailError::NoSuchStep)));
        }
    }

    #[test]
    fn whoever_is_forgotten_leaves_the_trails_of_others() {
        let records = [
            ((8, 1, 0), 7),
            ((7, 1, 0), 8),
            ((0, 1, 0), 7),
            ((8, 1, 0), 0),
        ];
        let [seven, eight] = [7, 8].map(|user| Subject::User(UserId(user)));
        let mut trail = trail_of_several(&records);
        trail.forget(UserId(7));
        check(&trail, seven, (0, 9, 9), &[]);
        check(&trail, eight, (0, 9, 9), &[4, 1]);
        let gone = trail.page(seven, Seq(1), Seq(9), 9);
        assert!(matches!(gone, Err(TrailError::NoSuchStep)));
        let mut trail = trail_of_several(&records);
        trail.forget(UserId(8));
        check(&trail, seven, (0, 9, 9), &[3, 2]);
    }

    #[test]
    fn what_somebody_forgotten_tried_is_on_no_trail() {
        let agenda = words::agenda::SYSTEM;
        let mut trail = trail(&[(7, agenda, 4), (8, agenda, 4), (7, agenda, 4), (8, 1, 0)]);
        trail.forget(UserId(9));
        trail.forget(UserId(7));
        for trail in [&crate::snapshot::tests::reloaded(&trail), &trail] {
            check(trail, Subject::User(UserId(7)), (0, 9, 9), &[]);
            check(trail, Subject::User(UserId(8)), (0, 9, 9), &[4, 2]);
            check(trail, Subject::Agenda(4), (0, 9, 9), &[2]);
            check(trail, Subject::Agenda(4), (2, 9, 9), &[]);
            let gone = trail.page(Subject::User(UserId(7)), Seq(3), Seq(9), 9);
            assert!(matches!(gone, Err(TrailError::NoSuchStep)));
        }
    }
}
