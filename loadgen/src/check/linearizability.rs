//! Wing and Gong's search with Lowe's memoisation, for any model.
//!
//! A history of operations with the instants of their calls and returns goes in; whether some order
//! that respects real time explains all of them comes out. Operations that never returned may take
//! effect at any instant after their call, or never. Knows nothing of logs or positions.
//!
//! What makes it strong enough for histories with many operations that never returned:
//! - What only observes takes effect as soon as the state allows it: no other choice is tried.
//! - The operation that returned first is tried first: it must come now, the others need not.
//! - One that never returned is tried last, only where it changes something, and of several that
//!   do the same only the earliest.
//! - A choice is dropped if an earlier one reached the same state with the same returned operations
//!   by fewer of those that never returned: what is still to come can be done there as well.

use std::hash::Hash;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

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

    /// Whether `op` changes nothing, whatever the object holds.
    fn observes(&self, op: &Self::Op) -> bool;

    /// Whether these two do the same, whatever the object holds. Saying so of more operations makes
    /// the search faster, never different.
    fn is_same(&self, one: &Self::Op, other: &Self::Op) -> bool {
        let _nothing_known = (one, other);
        false
    }
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
pub enum Found<State> {
    /// There is an order that explains everything: operations by their index in the history. Those
    /// that never returned and are needed by nobody are not in it.
    Linearizable {
        /// The order.
        order: Vec<usize>,
    },
    /// There is none.
    Impossible {
        /// An order of everything that returned before `stuck` did.
        longest: Vec<usize>,
        /// The first operation, in the order of returns, that no order can have in it.
        stuck: usize,
        /// What the object can have held when `stuck` returned, at most [`STATES_MAX`] of them.
        states: Vec<State>,
    },
    /// The search gave up after this many steps, for want of steps or of memory.
    GaveUp {
        /// Steps taken.
        steps: u64,
    },
}

/// States told of an impossible history.
pub const STATES_MAX: usize = 8;

/// How much one search may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Most steps.
    pub steps_max: u64,
    /// Most bytes of choices that are remembered.
    pub bytes_max: usize,
}

impl Effort {
    /// So many steps, and the usual memory: 256 MiB.
    #[must_use]
    pub const fn of_steps(steps_max: u64) -> Self {
        Self {
            steps_max,
            bytes_max: 256 << 20,
        }
    }
}

/// Searches for an order, in at most `steps_max` steps.
pub fn search<M: Model>(model: &M, history: &[Timed<M::Op>], steps_max: u64) -> Found<M::State> {
    search_within(model, history, Effort::of_steps(steps_max))
}

/// The same with bounds of one's own.
pub fn search_within<M: Model>(
    model: &M,
    history: &[Timed<M::Op>],
    effort: Effort,
) -> Found<M::State> {
    Search::new(model, history, effort).run()
}

/// No operation: the end of a list.
const NONE: usize = usize::MAX;

/// An operation that returned. They are numbered in the order of their calls.
struct Returned {
    index: usize,
    /// Where its call and its return stand among all of them. Calls come first among equal
    /// instants, since two operations that touch may have overlapped.
    called: usize,
    returned: usize,
    observes: bool,
}

/// An operation that never returned and may have changed something.
struct Pending {
    index: usize,
    called: usize,
    /// An earlier one that does the same, and is to be used before this one.
    twin: Option<usize>,
}

/// Numbers 0 to n-1 in some order, from which any can be taken out, and put back in reverse.
struct Line {
    next: Vec<usize>,
    previous: Vec<usize>,
    first: usize,
}

impl Line {
    fn new(order: &[usize]) -> Self {
        let mut line = Self {
            next: vec![NONE; order.len()],
            previous: vec![NONE; order.len()],
            first: order.first().copied().unwrap_or(NONE),
        };
        for (one, other) in order.iter().zip(order.iter().skip(1)) {
            line.next[*one] = *other;
            line.previous[*other] = *one;
        }
        line
    }

    fn take_out(&mut self, number: usize) {
        let (previous, next) = (self.previous[number], self.next[number]);
        self.link(previous, next);
    }

    fn put_back(&mut self, number: usize) {
        let (previous, next) = (self.previous[number], self.next[number]);
        self.link(previous, number);
        self.link(number, next);
    }

    fn link(&mut self, one: usize, other: usize) {
        match one {
            NONE => self.first = other,
            one => self.next[one] = other,
        }
        if other != NONE {
            self.previous[other] = one;
        }
    }
}

/// A set of small numbers.
type Bits = Box<[u64]>;

const fn has(bits: &[u64], number: usize) -> bool {
    bits[number / 64] >> (number % 64) & 1 == 1
}

const fn flip(bits: &mut [u64], number: usize) {
    bits[number / 64] ^= 1 << (number % 64);
}

/// What comes next, in the order in which it is tried.
#[derive(Debug, Clone, Copy)]
enum Choice {
    /// The one that returned first.
    First,
    /// Another that returned, from here on in the order of calls.
    Called(usize),
    /// One that never returned.
    Pending(usize),
}

/// An operation that was placed, and how to go back before it.
struct Placed<S> {
    what: What,
    /// The state before it, and what is tried there after it. `None` when there was no choice.
    before: Option<(S, Choice)>,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Returned(usize),
    Pending(usize),
}

/// What a choice came to: the state, and which that returned are placed: all below a number, and
/// some behind it.
type Reached<S> = (S, usize, Bits);

struct Search<'a, M: Model> {
    model: &'a M,
    history: &'a [Timed<M::Op>],
    effort: Effort,
    steps: u64,
    returned: Vec<Returned>,
    pending: Vec<Pending>,
    /// What returned and is not placed yet, in the orders of calls and of returns.
    by_call: Line,
    by_return: Line,
    placed: Vec<u64>,
    used: Vec<u64>,
    stack: Vec<Placed<M::State>>,
    /// For each of them, which sets of those that never returned were used to get there.
    seen: HashMap<Reached<M::State>, Vec<Bits>, FixedState>,
    seen_bytes: usize,
    furthest: Furthest<M::State>,
}

/// The dead ends with the latest return.
struct Furthest<S> {
    returned: usize,
    stuck: usize,
    longest: Vec<usize>,
    states: Vec<S>,
}

impl<'a, M: Model> Search<'a, M> {
    fn new(model: &'a M, history: &'a [Timed<M::Op>], effort: Effort) -> Self {
        let (returned, pending) = line_up(model, history);
        let calls: Vec<usize> = (0..returned.len()).collect();
        let mut returns = calls.clone();
        returns.sort_unstable_by_key(|number| returned[*number].returned);
        Self {
            model,
            history,
            effort,
            steps: 0,
            by_call: Line::new(&calls),
            by_return: Line::new(&returns),
            placed: vec![0; returned.len().div_ceil(64)],
            used: vec![0; pending.len().div_ceil(64)],
            returned,
            pending,
            stack: Vec::new(),
            seen: HashMap::with_hasher(FixedState::with_seed(0)),
            seen_bytes: 0,
            furthest: Furthest {
                returned: 0,
                stuck: 0,
                longest: Vec::new(),
                states: Vec::new(),
            },
        }
    }

    fn run(mut self) -> Found<M::State> {
        let mut state = self.model.initial();
        self.observe(&state);
        let mut choice = Choice::First;
        while self.by_return.first != NONE {
            if self.effort.steps_max < self.steps || self.effort.bytes_max < self.seen_bytes {
                return Found::GaveUp { steps: self.steps };
            }
            if let Some(after) = self.place_next(&state, choice) {
                self.observe(&after);
                if !self.is_seen(&after) {
                    (state, choice) = (after, Choice::First);
                    continue;
                }
            } else {
                self.note_dead_end(&state);
            }
            match self.back() {
                Some(earlier) => (state, choice) = earlier,
                None => return self.impossible(),
            }
        }
        Found::Linearizable {
            order: self.order(),
        }
    }

    /// Places everything that only observes and can be answered like that here.
    fn observe(&mut self, state: &M::State) {
        let mut number = self.by_call.first;
        // As soon as what returned first is placed, more have been called: they follow in the line.
        while self.is_open(number) {
            self.steps += 1;
            let next = self.by_call.next[number];
            if self.returned[number].observes && self.step(state, What::Returned(number)).is_some()
            {
                self.push(What::Returned(number), None);
            }
            number = next;
        }
    }

    /// Whether this one was called before anything unplaced returned.
    fn is_open(&self, number: usize) -> bool {
        let first = self.by_return.first;
        number != NONE
            && first != NONE
            && self.returned[number].called < self.returned[first].returned
    }

    fn is_pending(&self, number: usize) -> bool {
        let returned = self.returned[self.by_return.first].returned;
        (self.pending.get(number)).is_some_and(|pending| pending.called < returned)
    }

    /// Places the first of what is to be tried from `choice` on that can come next.
    fn place_next(&mut self, state: &M::State, choice: Choice) -> Option<M::State> {
        let mut choice = choice;
        loop {
            self.steps += 1;
            let (what, next) = match choice {
                Choice::First => {
                    let next = Choice::Called(self.by_call.first);
                    (What::Returned(self.by_return.first), next)
                }
                Choice::Called(number) if self.is_open(number) => {
                    let next = Choice::Called(self.by_call.next[number]);
                    (What::Returned(number), next)
                }
                Choice::Called(_) => {
                    choice = Choice::Pending(0);
                    continue;
                }
                Choice::Pending(number) if self.is_pending(number) => {
                    (What::Pending(number), Choice::Pending(number + 1))
                }
                Choice::Pending(_) => return None,
            };
            if !self.was_first(choice)
                && let Some(after) = self.try_step(state, what)
            {
                self.push(what, Some((state.clone(), next)));
                return Some(after);
            }
            choice = next;
        }
    }

    /// Whether this choice was already tried before all others.
    fn was_first(&self, choice: Choice) -> bool {
        matches!(choice, Choice::Called(number) if number == self.by_return.first)
    }

    fn try_step(&self, state: &M::State, what: What) -> Option<M::State> {
        match what {
            // It would have been placed already.
            What::Returned(number) if self.returned[number].observes => None,
            What::Returned(_) => self.step(state, what),
            What::Pending(number) => {
                let earlier = self.pending[number].twin;
                let is_next = earlier.is_none_or(|earlier| has(&self.used, earlier));
                if has(&self.used, number) || !is_next {
                    return None;
                }
                // Nobody sees one that changes nothing.
                self.step(state, what).filter(|after| after != state)
            }
        }
    }

    fn step(&self, state: &M::State, what: What) -> Option<M::State> {
        let index = self.index(what);
        self.model.step(state, &self.history[index].op)
    }

    fn index(&self, what: What) -> usize {
        match what {
            What::Returned(number) => self.returned[number].index,
            What::Pending(number) => self.pending[number].index,
        }
    }

    fn push(&mut self, what: What, before: Option<(M::State, Choice)>) {
        match what {
            What::Returned(number) => {
                flip(&mut self.placed, number);
                self.by_call.take_out(number);
                self.by_return.take_out(number);
            }
            What::Pending(number) => flip(&mut self.used, number),
        }
        self.stack.push(Placed { what, before });
    }

    /// Takes back everything up to the last choice: the state before it, and what to try there now.
    fn back(&mut self) -> Option<(M::State, Choice)> {
        loop {
            let Placed { what, before } = self.stack.pop()?;
            match what {
                What::Returned(number) => {
                    flip(&mut self.placed, number);
                    self.by_return.put_back(number);
                    self.by_call.put_back(number);
                }
                What::Pending(number) => flip(&mut self.used, number),
            }
            if before.is_some() {
                return before;
            }
        }
    }

    /// Whether this was reached before, by no more of those that never returned. Notes it if not.
    fn is_seen(&mut self, state: &M::State) -> bool {
        let low = self.by_call.first;
        if low == NONE {
            return false;
        }
        let behind = &self.placed[low / 64..];
        let len = behind.iter().rposition(|word| *word != 0);
        let behind = &behind[..len.map_or(0, |last| last + 1)];
        let ways = (self.seen).entry((state.clone(), low, behind.into()));
        let ways = ways.or_default();
        let is_within = |one: &[u64], other: &[u64]| {
            let mut words = one.iter().zip(other);
            words.all(|(one, other)| one & !other == 0)
        };
        if ways.iter().any(|way| is_within(way, &self.used)) {
            return true;
        }
        ways.retain(|way| !is_within(&self.used, way));
        ways.push(self.used.as_slice().into());
        let words = behind.len() + self.used.len() + 8;
        self.seen_bytes += words * 8 + size_of::<Reached<M::State>>();
        false
    }

    fn note_dead_end(&mut self, state: &M::State) {
        let stuck = self.by_return.first;
        let returned = self.returned[stuck].returned;
        let is_further = self.furthest.returned < returned;
        if returned < self.furthest.returned {
            return;
        }
        if is_further {
            self.furthest.states.clear();
            self.furthest.returned = returned;
            self.furthest.stuck = self.returned[stuck].index;
        }
        if is_further || self.stack.len() < self.furthest.longest.len() {
            self.furthest.longest = self.order();
        }
        let states = &mut self.furthest.states;
        if states.len() < STATES_MAX && !states.contains(state) {
            states.push(state.clone());
        }
    }

    fn order(&self) -> Vec<usize> {
        let placed = self.stack.iter();
        placed.map(|placed| self.index(placed.what)).collect()
    }

    fn impossible(self) -> Found<M::State> {
        Found::Impossible {
            longest: self.furthest.longest,
            stuck: self.furthest.stuck,
            states: self.furthest.states,
        }
    }
}

/// Numbers the operations in the order of their calls. What never returned and only observes says
/// nothing, and is left out.
fn line_up<M: Model>(model: &M, history: &[Timed<M::Op>]) -> (Vec<Returned>, Vec<Pending>) {
    let mut edges: Vec<(u64, bool, usize)> = Vec::with_capacity(history.len() * 2);
    for (index, timed) in history.iter().enumerate() {
        edges.push((timed.called_at, false, index));
        if let Some(at) = timed.returned_at {
            edges.push((at.max(timed.called_at), true, index));
        }
    }
    edges.sort_unstable();
    let (mut returned, mut pending) = (Vec::new(), Vec::new());
    let mut numbers = vec![NONE; history.len()];
    for (at, (_, is_return, index)) in edges.into_iter().enumerate() {
        let timed = &history[index];
        let observes = model.observes(&timed.op);
        if is_return {
            let number: usize = numbers[index];
            let known: &mut Returned = &mut returned[number];
            known.returned = at;
        } else if timed.returned_at.is_some() {
            numbers[index] = returned.len();
            returned.push(Returned {
                index,
                called: at,
                returned: at,
                observes,
            });
        } else if !observes {
            let twin = (pending.iter()).rposition(|earlier: &Pending| {
                model.is_same(&history[earlier.index].op, &timed.op)
            });
            pending.push(Pending {
                index,
                called: at,
                twin,
            });
        }
    }
    (returned, pending)
}
