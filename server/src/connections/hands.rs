//! Writing one frame to many links, with as many processors as there are.
//!
//! To write to a socket is a system call of some five microseconds whoever does it, and telling
//! thousands of people one thing is hardly anything else. So when it is all there is to do, other
//! threads help: links and a frame go in, and how much each link took comes out when all are
//! written to. Nobody else sees the links meanwhile, since whoever asks waits. The threads are there from
//! the first time they are worth it. Deliberately absent: which links, and what follows from it.

use std::{
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::net::Link;

/// Links from which on help is worth what it costs to call for it.
const LINKS_WORTHWHILE: usize = 32;

/// Links that a thread takes to itself at once: little is left to wait for at the end.
const STRIDE: usize = 4;

/// More than these would only wait for the kernel.
const HANDS_MAX: usize = 4;

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Hands {
    /// Threads that write, when it is worth it. Asked for once: the system looks into files for it.
    count: usize,
    /// The helping ones; none where there is one processor.
    pool: OnceLock<Option<ThreadPool>>,
}

impl Default for Hands {
    fn default() -> Self {
        let all = thread::available_parallelism();
        Self::new(all.map_or(1, |all| all.get().min(HANDS_MAX)))
    }
}

/// A link took less than the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShortWrite {
    /// Which of the links.
    pub(crate) nth: usize,
    /// How much it took.
    pub(crate) taken: usize,
}

impl Hands {
    /// As many threads as said, at least one, which is the caller.
    pub(crate) const fn new(count: usize) -> Self {
        Self {
            count,
            pool: OnceLock::new(),
        }
    }

    /// How many threads write, when it is worth it.
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// Writes `frame` to each of the links. Returns those that did not take all of it, in order; one that
    /// is full or gone took nothing.
    pub(crate) fn write(&self, links: &[&Link], frame: &[u8]) -> Vec<ShortWrite> {
        let (next, shorts) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let write = || {
            loop {
                let first = next.fetch_add(STRIDE, Ordering::Relaxed);
                for (nth, link) in links.iter().enumerate().skip(first).take(STRIDE) {
                    let taken = link.try_write(frame).unwrap_or(0);
                    if taken < frame.len() {
                        let mut shorts = shorts.lock().expect("nobody panics with it");
                        shorts.push(ShortWrite { nth, taken });
                    }
                }
                if links.len() <= first + STRIDE {
                    break;
                }
            }
        };
        match self.pool(links.len()) {
            Some(pool) => pool.in_place_scope(|scope| {
                for _ in 0..pool.current_num_threads() {
                    scope.spawn(|_| write());
                }
                write();
            }),
            None => write(),
        }
        let mut shorts = shorts.into_inner().expect("nobody panics with it");
        shorts.sort_unstable_by_key(|short| short.nth);
        shorts
    }

    /// The helping threads, if so many links are worth them.
    fn pool(&self, links: usize) -> Option<&ThreadPool> {
        if links < LINKS_WORTHWHILE {
            return None;
        }
        let pool = self.pool.get_or_init(|| {
            let helping = self.count - 1;
            let pool = ThreadPoolBuilder::new()
                .num_threads(helping)
                .thread_name(|nth| format!("hand-{nth}"));
            let pool = (0 < helping).then(|| pool.build()).transpose();
            pool.unwrap_or_else(|error| {
                tracing::warn!(%error, "no threads to help with telling many; one does it all");
                None
            })
        });
        pool.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::{Hands, LINKS_WORTHWHILE, STRIDE, ShortWrite};
    use crate::net::Link;

    #[test]
    fn every_link_is_written_to_once_and_those_that_took_less_are_named() {
        let room = |nth: usize| if nth % 7 == 3 { nth % 5 } else { 9 };
        for hands in [1, 2, 4].map(Hands::new) {
            for len in [0, 1, STRIDE, LINKS_WORTHWHILE - 1, LINKS_WORTHWHILE, 1_001] {
                let links: Vec<Link> = (0..len).map(|_| Link::pipe()).collect();
                for (nth, link) in links.iter().enumerate() {
                    link.as_pipe().give(room(nth));
                }
                let shorts = hands.write(&links.iter().collect::<Vec<_>>(), b"frame");
                let expected = (0..len).filter(|nth| room(*nth) < 5);
                let expected = expected.map(|nth| ShortWrite {
                    nth,
                    taken: room(nth),
                });
                assert!(shorts.iter().copied().eq(expected), "{shorts:?}");
                for (nth, link) in links.iter().enumerate() {
                    assert_eq!(link.as_pipe().taken(), b"frame"[..room(nth).min(5)]);
                }
            }
        }
    }
}
