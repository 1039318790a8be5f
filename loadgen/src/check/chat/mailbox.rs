//! What each client was shown of each conversation: one unbroken range of indices, and which
//! connection it came on.
//!
//! Pushes and the beginnings and ends of connections go in; how an entry arrived comes out, and
//! after the run all that was shown, as ranges. A range of indices says exactly what was shown, in
//! 40 bytes a client and conversation however long it is; a break in it, rare where nothing is
//! wrong, closes the range and begins another one. Deliberately absent: what is right.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::{check::ledger::fold, operation::ShownEntry};

/// How an entry came to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The next one of its conversation, or the first one ever.
    Next,
    /// Later than the next one.
    Skipped(Skip),
    /// Once more, after a reconnect behind it: the client's own wish.
    Again,
    /// Once more on the same connection.
    Repeated,
    /// After an entry that stands behind it in the log, at this position.
    Late { after: u64 },
    /// Further on in the log, but at an earlier index of its conversation than this.
    Back { next: u64 },
    /// Not behind the position that this connection goes on from.
    Stale { from: u64 },
}

impl Arrival {
    /// Whether the client had not been shown it before.
    pub(crate) const fn is_new(self) -> bool {
        match self {
            Self::Next | Self::Skipped(_) => true,
            Self::Late { .. }
            | Self::Again
            | Self::Repeated
            | Self::Back { .. }
            | Self::Stale { .. } => false,
        }
    }
}

/// A break in what a client was shown: right only if what lies between was not for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Skip {
    pub(crate) client: u32,
    pub(crate) conversation: u64,
    /// The index that was to come, and the one that came.
    pub(crate) expected: u64,
    pub(crate) got: u64,
    /// Where the one that came stands in the log.
    pub(crate) seq: u64,
    /// The connection it came on goes on from here, and began when this was the newest position.
    pub(crate) from: u64,
    pub(crate) newest: u64,
}

/// One connection of a client, as far as pushes go.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Link {
    pub(crate) client: u32,
    pub(crate) is_up: bool,
    /// Whether anybody told when it began; what was shown without that tells its own beginning.
    pub(crate) is_told: bool,
    /// Pushes follow from behind this position.
    pub(crate) from: u64,
    /// The newest position when they began.
    pub(crate) newest: u64,
    /// Position of the first entry shown on it; 0 for none.
    pub(crate) first: u64,
    /// The highest position of an entry shown on it.
    pub(crate) high: u64,
    /// The highest position of anything pushed on it.
    pub(crate) pushed: u64,
    /// The highest position of an entry shown on any connection before it.
    pub(crate) before: u64,
    /// Up to here, says the driver, it was waited for.
    pub(crate) drained: u64,
    /// Up to here, until nothing was on its way any more: what had not come is lost and not late.
    pub(crate) settled: u64,
    /// Entries of before it began, and the sum of their hashes.
    pub(crate) missed: u64,
    pub(crate) missed_sum: u64,
}

impl Link {
    /// The last position whose entries this connection must have shown: the feed is in the order
    /// of the log, so that whatever came says that all before it has come. A connection to which
    /// nothing came is owed up to where it was waited for.
    pub(crate) fn upto(&self) -> u64 {
        self.pushed.max(self.settled)
    }

    /// From where on, and what was the newest then.
    pub(crate) const fn start(&self) -> (u64, u64) {
        if self.is_told {
            (self.from, self.newest)
        } else {
            (self.first.saturating_sub(1), self.first)
        }
    }
}

/// Entries `first` to `next`, the latter not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Range {
    pub(crate) first: u64,
    pub(crate) next: u64,
}

impl Range {
    const fn has(self, index: u64) -> bool {
        self.first <= index && index < self.next
    }
}

/// Whose range of which conversation.
pub(crate) type Pair = (u32, u64);

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Mailbox {
    /// By client: the connection it has, or had last.
    links: Vec<Link>,
    past: Vec<Link>,
    open: HashMap<Pair, Range, FixedState>,
    closed: Vec<(Pair, Range)>,
    /// How many past connections and closed ranges are kept.
    len_max: usize,
    overflowed: bool,
    pub(crate) shown: u64,
    pub(crate) redelivered: u64,
}

impl Mailbox {
    pub(crate) fn new(bytes_max: u64) -> Self {
        let one = u64::try_from(size_of::<Link>()).unwrap_or(u64::MAX);
        Self {
            links: Vec::new(),
            past: Vec::new(),
            open: HashMap::with_hasher(FixedState::with_seed(0)),
            closed: Vec::new(),
            len_max: usize::try_from(bytes_max / one).unwrap_or(usize::MAX),
            overflowed: false,
            shown: 0,
            redelivered: 0,
        }
    }

    fn link_mut(&mut self, client: u32) -> &mut Link {
        let index = usize::try_from(client).unwrap_or(usize::MAX);
        while self.links.len() <= index {
            let client = u32::try_from(self.links.len()).unwrap_or(u32::MAX);
            self.links.push(Link {
                client,
                ..Link::default()
            });
        }
        &mut self.links[index]
    }

    /// The connection that a client has, or had last.
    pub(crate) fn link(&self, client: u32) -> Option<&Link> {
        self.links
            .get(usize::try_from(client).unwrap_or(usize::MAX))
    }

    /// A client's connection is its own again, and pushes follow from behind `from`.
    pub(crate) fn begin(&mut self, client: u32, from: u64, newest: u64) {
        let last = *self.link_mut(client);
        if last.is_told || last.pushed != 0 {
            self.keep_past(last);
        }
        *self.link_mut(client) = Link {
            client,
            is_up: true,
            is_told: true,
            from,
            newest,
            before: last.before.max(last.high),
            ..Link::default()
        };
    }

    fn keep_past(&mut self, link: Link) {
        if self.past.len() < self.len_max {
            self.past.push(link);
        } else {
            self.overflowed = true;
        }
    }

    pub(crate) fn end(&mut self, client: u32) {
        self.link_mut(client).is_up = false;
    }

    /// Something with a position was pushed, an entry or not; told after [`Self::show`].
    pub(crate) fn push(&mut self, client: u32, seq: u64) {
        let link = self.link_mut(client);
        link.pushed = link.pushed.max(seq);
    }

    /// Everything up to `seq` was waited for, until nobody was told anything or it took too long.
    pub(crate) fn drain(&mut self, client: u32, seq: u64, is_settled: bool) {
        let link = self.link_mut(client);
        if link.is_up {
            link.drained = link.drained.max(seq);
            let settled = if is_settled { seq } else { 0 };
            link.settled = link.settled.max(settled);
        }
    }

    /// An entry was pushed.
    pub(crate) fn show(&mut self, client: u32, entry: &ShownEntry) -> Arrival {
        let pair = (client, entry.conversation);
        let link = *self.link_mut(client);
        if link.is_told && entry.seq <= link.from {
            return Arrival::Stale { from: link.from };
        }
        let fresh = Range {
            first: entry.index,
            next: entry.index,
        };
        let range = self.open.entry(pair).or_insert(fresh);
        let arrival = arrive(&link, *range, entry);
        match arrival {
            Arrival::Next => range.next = entry.index.saturating_add(1),
            Arrival::Skipped(_) => {
                let done = std::mem::replace(range, one(entry.index));
                self.close(pair, done);
            }
            Arrival::Late { .. } => self.close(pair, one(entry.index)),
            Arrival::Again | Arrival::Repeated | Arrival::Back { .. } | Arrival::Stale { .. } => {}
        }
        self.count(client, entry.seq, arrival);
        arrival
    }

    fn count(&mut self, client: u32, seq: u64, arrival: Arrival) {
        let is_again = arrival == Arrival::Again;
        self.redelivered += u64::from(is_again);
        self.shown += u64::from(arrival.is_new());
        let link = self.link_mut(client);
        if arrival.is_new() || is_again {
            link.high = link.high.max(seq);
            if link.first == 0 {
                link.first = seq;
            }
            if seq <= link.newest {
                link.missed += 1;
                link.missed_sum = link.missed_sum.wrapping_add(seq_hash(seq));
            }
        }
    }

    fn close(&mut self, pair: Pair, range: Range) {
        if self.closed.len() < self.len_max {
            self.closed.push((pair, range));
        } else {
            self.overflowed = true;
        }
    }

    /// Every connection there was, in a settled order.
    pub(crate) fn all_links(&self) -> Vec<Link> {
        let is_used = |link: &&Link| link.is_told || link.first != 0;
        let mut links: Vec<Link> = (self.past.iter().chain(&self.links))
            .filter(is_used)
            .copied()
            .collect();
        links.sort_by_key(|link| link.client);
        links
    }

    /// Everything that was shown, by client and conversation, rising.
    pub(crate) fn all_ranges(&self) -> Vec<(Pair, Range)> {
        let open = self.open.iter().map(|(pair, range)| (*pair, *range));
        let mut ranges: Vec<_> = open.chain(self.closed.iter().copied()).collect();
        ranges.sort_unstable();
        ranges
    }

    /// Clients times conversations.
    pub(crate) fn pairs(&self) -> u64 {
        u64::try_from(self.open.len()).unwrap_or(u64::MAX)
    }

    /// Whether something was not kept.
    pub(crate) const fn is_overflowed(&self) -> bool {
        self.overflowed
    }
}

fn arrive(link: &Link, range: Range, entry: &ShownEntry) -> Arrival {
    let is_known = range.has(entry.index);
    if entry.seq <= link.high {
        return if is_known {
            Arrival::Repeated
        } else {
            Arrival::Late { after: link.high }
        };
    }
    if entry.index == range.next {
        Arrival::Next
    } else if range.next < entry.index {
        Arrival::Skipped(Skip {
            client: link.client,
            conversation: entry.conversation,
            expected: range.next,
            got: entry.index,
            seq: entry.seq,
            from: link.start().0,
            newest: link.start().1,
        })
    } else if entry.seq <= link.before {
        Arrival::Again
    } else {
        Arrival::Back { next: range.next }
    }
}

const fn one(index: u64) -> Range {
    Range {
        first: index,
        next: index.saturating_add(1),
    }
}

/// What a position adds to a sum that stands for a set of positions.
pub(crate) const fn seq_hash(seq: u64) -> u64 {
    fold(0x6d61_696c, seq)
}
