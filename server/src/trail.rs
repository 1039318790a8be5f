//! Trails: where in the log the things stand that somebody tried, or that were tried on something.
//!
//! Records go in as they are decided or replayed; pages of steps come out, newest first. Each step
//! names the one before it on both of its trails, so that a step costs one entry at the end of one
//! list, whoever's it is. Deliberately absent: the records themselves (they are read from the log).

use std::{collections::BTreeMap, hint::black_box};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::{Record, Seq, UserId, words};

use words::log::Subject;

use crate::{
    keyring::Keyring,
    pieces::Pieces,
    short::Short,
    snapshot::{Saved, SectionReader, SectionWriter, Unsound},
};

/// Bytes of a step, in memory and in a snapshot.
const LINK_BYTES: usize = 4 * Short::BYTES + 1;
/// Bytes of the end of a trail in a snapshot.
const END_BYTES: usize = 8 + 8;

const IS_AGENDA: u8 = 1;
const IS_FORGOTTEN: u8 = 2;

/// One thing that was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Where its record is.
    pub seq: Seq,
    /// What it was about; 0 for nothing.
    pub target: u64,
}

/// A `before` that is no step of the trail it was asked of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSuchStep;

/// A record and the steps before it; [`Seq::START`] where there is none. There is one for every
/// record of the log, so it is as small as it can be.
#[derive(Debug, Clone, Copy)]
struct Link {
    actor: Short,
    target: Short,
    before_of_user: Short,
    before_of_agenda: Short,
    flags: u8,
}

const _: () = assert!(size_of::<Link>() == LINK_BYTES);

impl Link {
    fn save(&self, out: &mut SectionWriter<'_>) {
        let Self {
            actor,
            target,
            before_of_user,
            before_of_agenda,
            flags,
        } = self;
        for number in [actor, target, before_of_user, before_of_agenda] {
            out.array(&number.bytes());
        }
        out.u8(*flags);
    }

    /// The link that was saved as this.
    fn of(row: &[u8; LINK_BYTES]) -> Self {
        let (numbers, _) = row.as_chunks();
        let number = |nth: usize| Short::of_bytes(numbers[nth]);
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

    /// Whether whoever took this step was erased: it only links its neighbours.
    const fn is_forgotten(&self) -> bool {
        self.flags & IS_FORGOTTEN != 0
    }
}

/// Every step, by position, and where each trail ends.
#[derive(Debug, Default)]
pub struct Trail {
    links: Pieces<Link>,
    /// Targets that are no position, since a client made them up, by the position of the step.
    odd_targets: BTreeMap<Seq, u64>,
    newest_of_user: HashMap<UserId, Seq, FixedState>,
    newest_of_agenda: HashMap<u64, Seq, FixedState>,
}

impl Trail {
    /// Notes the next record; `target` is what its command was about, 0 for nothing.
    ///
    /// # Panics
    /// If a position was left out.
    pub fn insert(&mut self, record: &Record<'_>, target: u64) {
        let is_agenda = record.kind.system() == words::agenda::SYSTEM && target != 0;
        let mut link = Link {
            actor: Short::of_position(record.actor.0),
            target: self.short_target(record.seq, target),
            before_of_user: Short::ZERO,
            before_of_agenda: Short::ZERO,
            flags: if is_agenda { IS_AGENDA } else { 0 },
        };
        if record.actor != UserId::NOBODY {
            let newest = self.newest_of_user.entry(record.actor).or_default();
            let before = std::mem::replace(newest, record.seq);
            link.before_of_user = Short::of_position(before.0);
        }
        if is_agenda {
            let newest = self.newest_of_agenda.entry(target).or_default();
            let before = std::mem::replace(newest, record.seq);
            link.before_of_agenda = Short::of_position(before.0);
        }
        assert_eq!(
            index_of(record.seq),
            Some(self.links.len()),
            "steps are noted in order"
        );
        self.links.push(link);
    }

    /// Asks for the memory in which a person's trail ends.
    pub fn prefetch(&self, user: UserId) {
        black_box(self.newest_of_user.get(&user));
    }

    /// Forgets what this person tried: it is on nobody's trail any more.
    pub fn forget(&mut self, user: UserId) {
        let mut next = self.newest_of_user.remove(&user).unwrap_or_default();
        while let Some(link) = self.link_mut(next) {
            link.actor = Short::ZERO;
            link.flags |= IS_FORGOTTEN;
            next = Seq(std::mem::replace(&mut link.before_of_user, Short::ZERO).get());
        }
    }

    /// At most `limit` steps of `subject`, newest first: those before the step at `before`, or from
    /// the newest at or before `upto` when `before` is [`Seq::START`].
    ///
    /// # Errors
    /// If `before` is no step of this trail: finding the nearest one could take as long as the
    /// trail is.
    pub fn page(
        &self,
        subject: Subject,
        before: Seq,
        upto: Seq,
        limit: usize,
    ) -> Result<Vec<Step>, NoSuchStep> {
        let mut next = if before == Seq::START {
            self.newest(subject)
        } else {
            self.before(subject, before).ok_or(NoSuchStep)?
        };
        let mut steps = Vec::new();
        while steps.len() < limit
            && let Some(link) = self.link(next)
        {
            if next <= upto && !link.is_forgotten() {
                let (seq, target) = (next, self.target(next, link));
                steps.push(Step { seq, target });
            }
            next = self.before(subject, next).unwrap_or_default();
        }
        Ok(steps)
    }

    fn newest(&self, subject: Subject) -> Seq {
        let newest = match subject {
            Subject::User(user) => self.newest_of_user.get(&user),
            Subject::Agenda(agenda) => self.newest_of_agenda.get(&agenda),
        };
        newest.copied().unwrap_or_default()
    }

    /// The step before the one at `seq`; `None` if that one is not of this subject.
    fn before(&self, subject: Subject, seq: Seq) -> Option<Seq> {
        let link = self.link(seq)?;
        match subject {
            Subject::User(user) => {
                (link.actor.get() == user.0).then_some(Seq(link.before_of_user.get()))
            }
            Subject::Agenda(agenda) => (link.is_agenda() && self.target(seq, link) == agenda)
                .then_some(Seq(link.before_of_agenda.get())),
        }
    }

    /// What the step at `seq` was about.
    fn target(&self, seq: Seq, link: &Link) -> u64 {
        if link.target != Short::ZERO || self.odd_targets.is_empty() {
            return link.target.get();
        }
        self.odd_targets.get(&seq).copied().unwrap_or_default()
    }

    fn short_target(&mut self, seq: Seq, target: u64) -> Short {
        Short::new(target).unwrap_or_else(|| {
            self.odd_targets.insert(seq, target);
            Short::ZERO
        })
    }

    fn link_mut(&mut self, seq: Seq) -> Option<&mut Link> {
        self.links.get_mut(index_of(seq)?)
    }

    fn link(&self, seq: Seq) -> Option<&Link> {
        self.links.get(index_of(seq)?)
    }
}

impl Saved for Trail {
    fn save(&self, out: &mut SectionWriter<'_>, _keyring: &Keyring) {
        let Self {
            links,
            odd_targets,
            newest_of_user,
            newest_of_agenda,
        } = self;
        out.count(links.len());
        links.iter().for_each(|link| link.save(out));
        save_ends(odd_targets.iter().map(|(seq, id)| (*id, *seq)), out);
        save_ends(newest_of_user.iter().map(|(user, seq)| (user.0, *seq)), out);
        save_ends(newest_of_agenda.iter().map(|(id, seq)| (*id, *seq)), out);
    }

    fn load(&mut self, from: &mut SectionReader<'_>, _keyring: &Keyring) -> Result<(), Unsound> {
        let mut links = Pieces::default();
        let count = from.count(LINK_BYTES)?;
        from.rows(count, |row| links.push(Link::of(row)))?;
        let odd_targets = load_ends(from)?.map(|(id, seq)| (seq, id)).collect();
        *self = Self {
            links,
            odd_targets,
            newest_of_user: load_ends(from)?
                .map(|(user, seq)| (UserId(user), seq))
                .collect(),
            newest_of_agenda: load_ends(from)?.collect(),
        };
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
        let mut trail = Trail::default();
        for (seq, (actor, system, target)) in (1..).zip(records) {
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
            trail.insert(&record, *target);
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
        assert_eq!(ask(Subject::User(UserId(7)), 2), Err(NoSuchStep));
        assert_eq!(ask(Subject::User(UserId(7)), 3), Err(NoSuchStep));
        assert_eq!(ask(Subject::Agenda(5), 2), Err(NoSuchStep));
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
        let targets = steps.map(|steps| steps.iter().map(|step| step.target).collect());
        assert_eq!(targets, Ok(vec![0, odd, odd]));
        let again = crate::snapshot::tests::reloaded(&trail);
        check(&again, Subject::Agenda(odd), (0, 9, 9), &[3, 1]);
    }

    #[test]
    fn what_somebody_forgotten_tried_is_on_no_trail() {
        let agenda = words::agenda::SYSTEM;
        let mut trail = trail(&[(7, agenda, 4), (8, agenda, 4), (7, agenda, 4), (8, 1, 0)]);
        trail.forget(UserId(7));
        check(&trail, Subject::User(UserId(7)), (0, 9, 9), &[]);
        check(&trail, Subject::User(UserId(8)), (0, 9, 9), &[4, 2]);
        check(&trail, Subject::Agenda(4), (0, 9, 9), &[2]);
        check(&trail, Subject::Agenda(4), (2, 9, 9), &[]);
        let gone = trail.page(Subject::User(UserId(7)), Seq(3), Seq(9), 9);
        assert_eq!(gone, Err(NoSuchStep));
        trail.forget(UserId(9));
    }
}
