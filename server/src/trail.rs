//! Trails: where in the log the things stand that somebody tried, or that were tried on something.
//!
//! Records go in as they are decided or replayed; pages of steps come out, newest first. Each step
//! names the one before it on both of its trails, so that a step costs one entry at the end of one
//! list, whoever's it is. Deliberately absent: the records themselves (they are read from the log).

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::{Record, Seq, UserId, words};

use words::log::Subject;

use crate::{
    keyring::Keyring,
    pieces::Pieces,
    snapshot::{Saved, SectionReader, SectionWriter, Unsound},
};

/// Bytes of a step in a snapshot.
const LINK_BYTES: usize = 4 * 8 + 1;
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

/// A record and the steps before it; [`Seq::START`] where there is none.
#[derive(Debug, Clone, Copy)]
struct Link {
    actor: UserId,
    target: u64,
    is_agenda: bool,
    /// Whether whoever took this step was erased: it only links its neighbours.
    is_forgotten: bool,
    before_of_user: Seq,
    before_of_agenda: Seq,
}

/// Every step, by position, and where each trail ends.
#[derive(Debug, Default)]
pub struct Trail {
    links: Pieces<Link>,
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
            actor: record.actor,
            target,
            is_agenda,
            is_forgotten: false,
            before_of_user: Seq::START,
            before_of_agenda: Seq::START,
        };
        if record.actor != UserId::NOBODY {
            let newest = self.newest_of_user.entry(record.actor).or_default();
            link.before_of_user = std::mem::replace(newest, record.seq);
        }
        if is_agenda {
            let newest = self.newest_of_agenda.entry(target).or_default();
            link.before_of_agenda = std::mem::replace(newest, record.seq);
        }
        assert_eq!(
            index_of(record.seq),
            Some(self.links.len()),
            "steps are noted in order"
        );
        self.links.push(link);
    }

    /// Forgets what this person tried: it is on nobody's trail any more.
    pub fn forget(&mut self, user: UserId) {
        let mut next = self.newest_of_user.remove(&user).unwrap_or_default();
        while let Some(link) = self.link_mut(next) {
            link.actor = UserId::NOBODY;
            link.is_forgotten = true;
            next = std::mem::take(&mut link.before_of_user);
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
            if next <= upto && !link.is_forgotten {
                let (seq, target) = (next, link.target);
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
            Subject::User(user) => (link.actor == user).then_some(link.before_of_user),
            Subject::Agenda(agenda) => {
                (link.is_agenda && link.target == agenda).then_some(link.before_of_agenda)
            }
        }
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
            newest_of_user,
            newest_of_agenda,
        } = self;
        out.count(links.len());
        links.iter().for_each(|link| link.save(out));
        save_ends(newest_of_user.iter().map(|(user, seq)| (user.0, *seq)), out);
        save_ends(newest_of_agenda.iter().map(|(id, seq)| (*id, *seq)), out);
    }

    fn load(&mut self, from: &mut SectionReader<'_>, _keyring: &Keyring) -> Result<(), Unsound> {
        let mut links = Pieces::default();
        for _ in 0..from.count(LINK_BYTES)? {
            links.push(Link::load(from)?);
        }
        *self = Self {
            links,
            newest_of_user: load_ends(from, UserId)?,
            newest_of_agenda: load_ends(from, |id| id)?,
        };
        Ok(())
    }
}

impl Link {
    fn save(&self, out: &mut SectionWriter<'_>) {
        let Self {
            actor,
            target,
            is_agenda,
            is_forgotten,
            before_of_user,
            before_of_agenda,
        } = self;
        out.u64(actor.0);
        out.u64(*target);
        out.u64(before_of_user.0);
        out.u64(before_of_agenda.0);
        out.u8(u8::from(*is_agenda) * IS_AGENDA | u8::from(*is_forgotten) * IS_FORGOTTEN);
    }

    fn load(from: &mut SectionReader<'_>) -> Result<Self, Unsound> {
        let [actor, target, of_user, of_agenda] =
            [from.u64()?, from.u64()?, from.u64()?, from.u64()?];
        let flags = from.u8()?;
        Ok(Self {
            actor: UserId(actor),
            target,
            is_agenda: flags & IS_AGENDA != 0,
            is_forgotten: flags & IS_FORGOTTEN != 0,
            before_of_user: Seq(of_user),
            before_of_agenda: Seq(of_agenda),
        })
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

fn load_ends<K: Eq + std::hash::Hash>(
    from: &mut SectionReader<'_>,
    key: fn(u64) -> K,
) -> Result<HashMap<K, Seq, FixedState>, Unsound> {
    let count = from.count(8 + 8)?;
    let mut ends = HashMap::with_capacity_and_hasher(count, FixedState::default());
    for _ in 0..count {
        ends.insert(key(from.u64()?), Seq(from.u64()?));
    }
    Ok(ends)
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
