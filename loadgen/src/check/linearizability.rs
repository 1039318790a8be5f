//! Wing and Gong's search with Lowe's memoisation, for any model.
//!
//! A history of operations with the instants of their calls and returns goes in; whether some order
//! that respects real time explains all of them comes out. Operations that never returned may take
//! effect at any instant after their call, or never. Knows nothing of logs or positions.

use std::hash::Hash;

use foldhash::fast::FixedState;
use hashbrown::HashSet;

/// What an object does, one operation at a time.
pub trait Model {
    /// What the object holds.
    type State: Clone + Eq + Hash;
    /// What is done to it, with what was answered.
    type Op;

    /// What it holds at first.
    fn initial(&self) -> Self::State;

    /// What it holds after `op`; `None` when `op` cannot have been answered like that here.
    fn step(&self, state: &Self::State, op: &Self::Op) -> Option<Self::State>;
}

/// One operation of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timed<Op> {
    /// What was done, and answered.
    pub op: Op,
    /// When it was called.
    pub called_at: u64,
    /// When it returned; `None` when it never did.
    pub returned_at: Option<u64>,
}

/// What the search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// There is an order that explains everything.
    Linearizable,
    /// There is none. Operations, by their index in the history, that cannot be placed after the
    /// longest order that was found.
    Impossible {
        /// The longest order found.
        longest: Vec<usize>,
        /// An operation that had to come next and could not.
        stuck: usize,
    },
    /// The search gave up after this many steps, for want of steps or of memory.
    GaveUp {
        /// Steps taken.
        steps: u64,
    },
}

/// Searches for an order, in at most `steps_max` steps.
pub fn search<M: Model>(model: &M, history: &[Timed<M::Op>], steps_max: u64) -> Found {
    Search::new(model, history).run(steps_max)
}

/// A call or a return, in the order of time; calls come first among equal instants, since two
/// operations that touch may have overlapped.
#[derive(Debug, Clone, Copy)]
struct Edge {
    op: usize,
    is_return: bool,
    next: usize,
    previous: usize,
}

const HEAD: usize = 0;

/// Most bytes of choices remembered in one search.
const SEEN_BYTES_MAX: usize = 256 << 20;

struct Frame<S> {
    op: usize,
    state: S,
    /// It changed nothing, so nothing is lost by doing it at once: no other choice is tried.
    forced: bool,
}

struct Search<'a, M: Model> {
    model: &'a M,
    history: &'a [Timed<M::Op>],
    /// A doubly linked list with a head at 0: what is not placed yet.
    edges: Vec<Edge>,
    /// By operation: its call's and its return's edges.
    calls: Vec<usize>,
    returns: Vec<Option<usize>>,
    placed: Vec<u64>,
    /// Operations that returned and are not placed yet.
    missing: usize,
    seen: HashSet<(Box<[u64]>, M::State), FixedState>,
    stack: Vec<Frame<M::State>>,
    longest: Vec<usize>,
    stuck: usize,
}

impl<'a, M: Model> Search<'a, M> {
    fn new(model: &'a M, history: &'a [Timed<M::Op>]) -> Self {
        let mut search = Self {
            model,
            history,
            edges: Vec::with_capacity(history.len() * 2 + 1),
            calls: vec![0; history.len()],
            returns: vec![None; history.len()],
            placed: vec![0; history.len().div_ceil(64)],
            missing: history
                .iter()
                .filter(|timed| timed.returned_at.is_some())
                .count(),
            seen: HashSet::with_hasher(FixedState::with_seed(0)),
            stack: Vec::new(),
            longest: Vec::new(),
            stuck: 0,
        };
        search.link();
        search
    }

    /// Lines up calls and returns.
    fn link(&mut self) {
        let mut order: Vec<(u64, bool, usize)> = Vec::with_capacity(self.history.len() * 2);
        for (op, timed) in self.history.iter().enumerate() {
            order.push((timed.called_at, false, op));
            if let Some(at) = timed.returned_at {
                order.push((at, true, op));
            }
        }
        order.sort_unstable();
        let last = order.len();
        self.edges.push(Edge {
            op: usize::MAX,
            is_return: false,
            next: usize::from(last > 0),
            previous: HEAD,
        });
        for (index, (_, is_return, op)) in order.into_iter().enumerate() {
            let at = index + 1;
            if is_return {
                self.returns[op] = Some(at);
            } else {
                self.calls[op] = at;
            }
            self.edges.push(Edge {
                op,
                is_return,
                next: if at == last { HEAD } else { at + 1 },
                previous: at - 1,
            });
        }
    }

    fn run(mut self, steps_max: u64) -> Found {
        let mut state = self.model.initial();
        let mut at = self.edges[HEAD].next;
        let mut steps = 0;
        while self.missing > 0 {
            steps += 1;
            if steps_max < steps || self.is_too_large() {
                return Found::GaveUp { steps };
            }
            let edge = self.edges[at];
            // The end of the list, or the return of something unplaced: nothing else can be next.
            if at == HEAD || edge.is_return {
                self.note_longest(edge.op);
                match self.back() {
                    Some((earlier, next)) => (state, at) = (earlier, next),
                    None => {
                        return Found::Impossible {
                            longest: self.longest,
                            stuck: self.stuck,
                        };
                    }
                }
                continue;
            }
            match self.place(&state, edge.op) {
                Some(after) => {
                    state = after;
                    at = self.edges[HEAD].next;
                }
                None => at = edge.next,
            }
        }
        Found::Linearizable
    }

    /// Whether what is remembered has outgrown its budget.
    fn is_too_large(&self) -> bool {
        let each = self.placed.len() * 8 + size_of::<M::State>();
        SEEN_BYTES_MAX / each < self.seen.len()
    }

    /// Places `op` next, if the model allows it and this was not tried before.
    fn place(&mut self, state: &M::State, op: usize) -> Option<M::State> {
        let timed = &self.history[op];
        let after = self.model.step(state, &timed.op)?;
        let forced = after == *state;
        if forced && timed.returned_at.is_none() {
            return None;
        }
        self.placed[op / 64] |= 1 << (op % 64);
        if !forced
            && !self
                .seen
                .insert((self.placed.as_slice().into(), after.clone()))
        {
            self.placed[op / 64] &= !(1 << (op % 64));
            return None;
        }
        self.stack.push(Frame {
            op,
            state: state.clone(),
            forced,
        });
        self.unlink(op);
        Some(after)
    }

    /// Takes back the last choice that had an alternative: the state before it, and what to try.
    fn back(&mut self) -> Option<(M::State, usize)> {
        loop {
            let frame = self.stack.pop()?;
            self.placed[frame.op / 64] &= !(1 << (frame.op % 64));
            self.relink(frame.op);
            if !frame.forced {
                return Some((frame.state, self.edges[self.calls[frame.op]].next));
            }
        }
    }

    fn unlink(&mut self, op: usize) {
        self.cut(self.calls[op]);
        if let Some(at) = self.returns[op] {
            self.cut(at);
            self.missing -= 1;
        }
    }

    fn relink(&mut self, op: usize) {
        if let Some(at) = self.returns[op] {
            self.mend(at);
            self.missing += 1;
        }
        self.mend(self.calls[op]);
    }

    fn cut(&mut self, at: usize) {
        let Edge { next, previous, .. } = self.edges[at];
        self.edges[previous].next = next;
        self.edges[next].previous = previous;
    }

    fn mend(&mut self, at: usize) {
        let Edge { next, previous, .. } = self.edges[at];
        self.edges[previous].next = at;
        self.edges[next].previous = at;
    }

    fn note_longest(&mut self, stuck: usize) {
        if self.longest.is_empty() || self.longest.len() < self.stack.len() {
            self.longest = self.stack.iter().map(|frame| frame.op).collect();
            self.stuck = stuck;
        }
    }
}
