//! Writing one frame to many links, with as many processors as there are.
//!
//! To write to a socket is a system call of some five microseconds whoever does it, and telling
//! thousands of people one thing is hardly anything else. So when it is all there is to do, other
//! threads help: links and a frame go in as a round, which the hub and the helpers write together,
//! and out comes a round that everybody was written to, with what each link took. The hub waits for
//! no helper: one that the system has put aside in the middle of a write holds up its round, not the
//! next one. Until a round is out nobody else may write to its links. Deliberately absent: which
//! links, and what follows from it.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, SyncSender, TryRecvError},
    },
    thread,
};

use tokio::sync::Notify;

use crate::hub::{Done, Transport as _, WriteMany, Written};

use super::Link;

/// Links from which on help is worth what it costs to call for it.
const LINKS_WORTHWHILE: usize = 32;

/// How often a helper with nothing to do looks for the next round before it sleeps, with a turn for
/// others in between: some fifty microseconds. To wake it costs the hub as much as a write.
const LOOKS_MAX: usize = 200;

/// More than these would only wait for the kernel.
const HANDS_MAX: usize = 4;

/// See the head of this file.
pub struct WritePool {
    /// Threads that write, when it is worth it, the hub's among them. Asked for once: the system looks
    /// into files for it.
    count: usize,
    /// Links from which on it is.
    worthwhile: usize,
    /// Ways to those that help, from the first time they are worth it. Each holds one round at most:
    /// whoever has not begun with it will find the hub further on.
    helpers: Option<Vec<SyncSender<Arc<Round>>>>,
    /// What was begun and is not out. Only in the newest may there be links that nobody has taken to
    /// itself, and in each of the others is a helper: there are no more than threads.
    rounds: Vec<(Vec<u64>, Arc<Round>)>,
    /// Told when a helper was the last of a round.
    done: Arc<Notify>,
}

/// One frame for some links.
#[derive(Debug)]
struct Round {
    frame: Box<[u8]>,
    links: Vec<Link>,
    /// The first link that nobody has taken to itself.
    next: AtomicUsize,
    /// Links that were not written to yet.
    left: AtomicUsize,
    /// Places of the links that took less than all of it, and how much.
    shorts: Mutex<Vec<(usize, usize)>>,
}

impl Default for WritePool {
    fn default() -> Self {
        let all = thread::available_parallelism();
        Self::new(all.map_or(1, |all| all.get().min(HANDS_MAX)))
    }
}

impl fmt::Debug for WritePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WritePool")
            .field("count", &self.count)
            .field("rounds", &self.rounds.len())
            .finish_non_exhaustive()
    }
}

impl WritePool {
    /// As many threads as said, at least one, which is the hub's.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self {
            count,
            worthwhile: LINKS_WORTHWHILE,
            helpers: None,
            rounds: Vec::new(),
            done: Arc::default(),
        }
    }

    /// What tells that a round has come out behind the hub's back.
    #[must_use]
    pub fn done(&self) -> Arc<Notify> {
        Arc::clone(&self.done)
    }

    fn helpers(&mut self) -> &[SyncSender<Arc<Round>>] {
        self.helpers.get_or_insert_with(|| {
            let helpers = (1..self.count).map(|nth| spawn_worker(nth, &self.done));
            helpers.collect::<Result<_, _>>().unwrap_or_else(|error| {
                tracing::warn!(%error, "no threads to help with telling many; one does it all");
                Vec::new()
            })
        })
    }
}

impl WriteMany<Link> for WritePool {
    fn count(&self) -> usize {
        self.count
    }

    fn is_worthwhile(&self, links: usize) -> bool {
        1 < self.count && self.worthwhile <= links
    }

    fn begin(&mut self, ids: Vec<u64>, links: Vec<Link>, frame: &[u8]) {
        debug_assert!(!self.has_untaken() && ids.len() == links.len());
        let round = Arc::new(Round {
            frame: frame.into(),
            next: AtomicUsize::new(0),
            left: AtomicUsize::new(links.len()),
            links,
            shorts: Mutex::default(),
        });
        for helper in self.helpers() {
            // One that has not even begun with the last round is not waited for.
            let _is_late = helper.try_send(Arc::clone(&round));
        }
        self.rounds.push((ids, round));
    }

    fn write(&self, limit: usize) -> usize {
        let newest = self.rounds.last();
        newest.map_or(0, |(_, round)| round.write(limit).written)
    }

    fn has_untaken(&self) -> bool {
        let newest = self.rounds.last();
        newest.is_some_and(|(_, round)| round.has_untaken())
    }

    fn take_done(&mut self) -> Option<Done> {
        let place = self.rounds.iter().position(|(_, round)| round.is_done())?;
        let (ids, round) = self.rounds.remove(place);
        let taken = round.frame.len();
        let whole = ids.into_iter().map(|id| Written { id, taken });
        let mut written: Vec<Written> = whole.collect();
        let shorts = round.shorts.lock().expect("nobody panics with it");
        for (nth, taken) in shorts.iter() {
            written[*nth].taken = *taken;
        }
        let frame = round.frame.clone();
        Some(Done { frame, written })
    }

    fn has_work(&self) -> bool {
        self.has_untaken() || self.rounds.iter().any(|(_, round)| round.is_done())
    }

    fn is_empty(&self) -> bool {
        self.rounds.is_empty()
    }
}

/// A thread that helps with the rounds it is sent, until nobody can send any more.
fn spawn_worker(nth: usize, done: &Arc<Notify>) -> std::io::Result<SyncSender<Arc<Round>>> {
    let (sender, rounds): (_, Receiver<Arc<Round>>) = mpsc::sync_channel(1);
    let done = Arc::clone(done);
    thread::Builder::new()
        .name(format!("hand {nth}"))
        .spawn(move || {
            while let Some(round) = next(&rounds) {
                if round.write(usize::MAX).is_last {
                    done.notify_one();
                }
            }
        })?;
    Ok(sender)
}

/// The next round, unless nobody can send any more.
fn next(rounds: &Receiver<Arc<Round>>) -> Option<Arc<Round>> {
    for _ in 0..LOOKS_MAX {
        match rounds.try_recv() {
            Ok(round) => return Some(round),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => thread::yield_now(),
        }
    }
    rounds.recv().ok()
}

/// What somebody did in a round.
struct Share {
    /// Links written to.
    written: usize,
    /// Whether that was the last of them.
    is_last: bool,
}

impl Round {
    fn write(&self, limit: usize) -> Share {
        let mut share = Share {
            written: 0,
            is_last: false,
        };
        while share.written < limit {
            let Some(nth) = self.take() else { break };
            share.written += 1;
            share.is_last = self.write_to(nth);
        }
        share
    }

    /// Takes a link to oneself.
    fn take(&self) -> Option<usize> {
        let nth = self.next.fetch_add(1, Ordering::Relaxed);
        (nth < self.links.len()).then_some(nth)
    }

    /// Returns whether it was the last link of all.
    fn write_to(&self, nth: usize) -> bool {
        let taken = self.links[nth].try_write(&self.frame).unwrap_or(0);
        if taken < self.frame.len() {
            let mut shorts = self.shorts.lock().expect("nobody panics with it");
            shorts.push((nth, taken));
        }
        // Whoever sees that nothing is left sees what was written, too.
        self.left.fetch_sub(1, Ordering::AcqRel) == 1
    }

    fn has_untaken(&self) -> bool {
        self.next.load(Ordering::Relaxed) < self.links.len()
    }

    fn is_done(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0
    }
}

#[cfg(test)]
impl WritePool {
    /// Two, the other of which is moved by a test, for any number of links.
    pub(crate) fn puppets() -> Self {
        Self {
            worthwhile: 1,
            helpers: Some(Vec::new()),
            ..Self::new(2)
        }
    }

    /// The other one takes a link to itself, if there is one, and writes when it is let.
    pub(crate) fn put_aside(&self) -> Option<impl FnOnce() + use<>> {
        let round = Arc::clone(&self.rounds.last()?.1);
        let nth = round.take()?;
        Some(move || {
            round.write_to(nth);
        })
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::{Done, LINKS_WORTHWHILE, Link, WriteMany as _, WritePool, Written};

    /// Everything that was begun, when it is out.
    fn finish(write_pool: &mut WritePool) -> Vec<Written> {
        let mut all = Vec::new();
        while !write_pool.is_empty() {
            let done = write_pool.take_done();
            all.extend(done.into_iter().flat_map(|done| done.written));
            if write_pool.write(7) == 0 {
                thread::yield_now();
            }
        }
        all
    }

    #[test]
    fn every_link_is_written_to_once_and_what_it_took_is_told() {
        let room = |nth: usize| if nth % 7 == 3 { nth % 5 } else { 9 };
        for mut write_pool in [1, 2, 4].map(WritePool::new) {
            for len in [0, 1, LINKS_WORTHWHILE, 1_001] {
                let links: Vec<Link> = (0..len).map(|_| Link::pipe()).collect();
                for (nth, link) in links.iter().enumerate() {
                    link.as_pipe().give(room(nth));
                }
                let ids = (0..).map(|nth| nth + 10).take(len).collect();
                write_pool.begin(ids, links.clone(), b"frame");
                let expected = (0..).zip(0..len).map(|(id, nth)| Written {
                    id: id + 10,
                    taken: room(nth).min(5),
                });
                assert!(expected.eq(finish(&mut write_pool)), "{len} links");
                for (nth, link) in links.iter().enumerate() {
                    assert_eq!(link.as_pipe().taken(), b"frame"[..room(nth).min(5)]);
                }
            }
        }
    }

    #[test]
    fn whoever_is_put_aside_holds_up_their_own_round_and_no_other() {
        let mut write_pool = WritePool::puppets();
        let links = vec![Link::pipe(), Link::pipe()];
        write_pool.begin(vec![1, 2], links.clone(), b"one");
        let go_on = write_pool.put_aside().expect("nobody took any");
        assert_eq!(write_pool.write(9), 1);
        assert!(!write_pool.has_work() && !write_pool.is_empty());
        write_pool.begin(vec![3], vec![Link::pipe()], b"two");
        assert_eq!(write_pool.write(9), 1);
        let written = |done: Done| done.written.iter().map(|one| one.id).collect();
        let next = |write_pool: &mut WritePool| write_pool.take_done().map(written);
        assert_eq!(next(&mut write_pool), Some(vec![3]));
        assert_eq!(next(&mut write_pool), None);
        go_on();
        assert!(write_pool.has_work());
        assert_eq!(next(&mut write_pool), Some(vec![1, 2]));
        assert!(write_pool.is_empty());
    }
}
