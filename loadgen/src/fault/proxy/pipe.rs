//! One direction of one connection: bytes in, bytes out, in order, when they are due.
//!
//! Bytes and the end go in with the instant they were read; the bytes to send now and the next
//! instant come out. Holds no more than [`HELD_MAX`]; beyond that nobody reads, so the sender
//! feels it as it would feel a slow network. Deliberately absent: sockets, clocks.

use std::{collections::VecDeque, num::NonZeroU16};

use rand::{RngExt, rngs::ChaCha8Rng};

use super::faults::{FaultNumber, Faults, Throttle};
use crate::{fault::Effects, operation::Nanos};

/// Bytes held in one direction: what a small kernel buffer holds. A delay of 100 ms leaves a
/// connection 640 kB a second, more than any client here is told.
pub(super) const HELD_MAX: usize = 64 * 1024;

/// How long a piece may wait for the next one, to arrive together with it.
const MERGE_MAX: Nanos = 2_000_000;

/// A throttled direction sends as much at once as it may carry in this time: a timer a byte would
/// cost more than the bytes.
const THROTTLE_STEP: Nanos = 10_000_000;

const NANOS_A_SECOND: u64 = 1_000_000_000;

/// What every piece passes: the faults that are on, and chance.
pub(super) struct Passing<'a> {
    pub(super) now: Nanos,
    pub(super) faults: &'a mut Faults,
    pub(super) chance: &'a mut ChaCha8Rng,
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    /// The number of its connection.
    connection: u64,
    bytes: VecDeque<u8>,
    /// The same bytes, as they were read.
    chunks: VecDeque<Chunk>,
    /// What is left of the piece that is being sent; 0 if the next one is not drawn yet.
    piece: usize,
    /// When a throttled direction carries again.
    carries_at: Nanos,
    /// Whether what is due was kept waiting by a throttle.
    is_held_back: bool,
    end: End,
    vanishing: Option<FaultNumber>,
}

/// What was read at once.
#[derive(Debug)]
struct Chunk {
    len: usize,
    due: Nanos,
    split: Option<(FaultNumber, NonZeroU16)>,
}

#[derive(Debug, Default)]
enum End {
    #[default]
    Open,
    Due(Nanos),
    Told,
}

impl Pipe {
    pub(super) fn new(connection: u64) -> Self {
        Self {
            connection,
            ..Self::default()
        }
    }

    /// How many bytes may be read into it.
    pub(super) fn room(&self) -> usize {
        HELD_MAX.saturating_sub(self.bytes.len())
    }

    /// Whether bytes may pass it by, unheld: nothing waits in it, and no fault is for it.
    pub(super) fn is_open_road(&self, faults: &Faults) -> bool {
        self.bytes.is_empty() && self.vanishing.is_none() && faults.is_calm()
    }

    /// Takes what was read.
    pub(super) fn handle_bytes(&mut self, bytes: &[u8], passing: &mut Passing<'_>) {
        let len = bytes.len();
        if len == 0 {
            return;
        }
        if let Some(fault) = self.vanishing {
            return passing.faults.note(fault, self.connection, dropped(len));
        }
        let mut due = passing.now.saturating_add(self.draw_delay(len, passing));
        let split = passing.faults.split().filter(|_| {
            let is_split = passing.chance.random_bool(0.5);
            if !is_split {
                due = due.saturating_add(passing.chance.random_range(0..=MERGE_MAX));
            }
            is_split
        });
        self.bytes.extend(bytes);
        self.chunks.push_back(Chunk { len, due, split });
    }

    fn draw_delay(&self, len: usize, passing: &mut Passing<'_>) -> Nanos {
        let mut sum: Nanos = 0;
        let mut index = 0;
        while let Some((fault, delay)) = passing.faults.delay(index) {
            let drawn = passing.chance.random_range(0..=delay.jitter);
            sum = sum.saturating_add(delay.by).saturating_add(drawn);
            passing.faults.note(fault, self.connection, held(len));
            index += 1;
        }
        sum
    }

    /// Takes the end: nothing more is read.
    pub(super) fn handle_end(&mut self, passing: &mut Passing<'_>) {
        self.end = End::Due(passing.now.saturating_add(self.draw_delay(0, passing)));
    }

    /// Whether the end was read.
    pub(super) const fn is_ending(&self) -> bool {
        !matches!(self.end, End::Open)
    }

    /// Whether the end was told: nothing comes out any more.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.end, End::Told)
    }

    /// Bytes to send now, perhaps none.
    pub(super) fn poll_transmit(&mut self, passing: &mut Passing<'_>) -> &[u8] {
        let due = self.due_len(passing);
        let len = match passing.faults.throttle() {
            Some(_) if passing.now < self.carries_at => {
                self.is_held_back |= 0 < due;
                0
            }
            Some(throttle) => due.min(throttle.step()),
            None => due,
        };
        let (head, _rest) = self.bytes.as_slices();
        &head[..len.min(head.len())]
    }

    /// Bytes at its head that are due and may leave together.
    fn due_len(&mut self, passing: &mut Passing<'_>) -> usize {
        let now = passing.now;
        let Some(first) = self.chunks.front().filter(|first| first.due <= now) else {
            return 0;
        };
        if let Some((_fault, piece_max)) = first.split {
            if self.piece == 0 {
                self.piece = passing.chance.random_range(1..=piece_max.get()).into();
            }
            return self.piece.min(first.len);
        }
        let together = self.chunks.iter();
        let together = together.take_while(|chunk| chunk.due <= now && chunk.split.is_none());
        together.map(|chunk| chunk.len).sum()
    }

    /// So many of the bytes to send were sent. Returns whether that was a piece: the next one
    /// should wait for another turn, so that they do not arrive as one.
    pub(super) fn handle_sent(&mut self, sent: usize, passing: &mut Passing<'_>) -> bool {
        self.bytes.drain(..sent);
        if let Some(throttle) = passing.faults.throttle() {
            self.carry(sent, throttle, passing);
        }
        let is_piece = self.finish_piece(sent, passing);
        let mut left = sent;
        while let Some(first) = self.chunks.front_mut().filter(|_| 0 < left) {
            let part = first.len.min(left);
            (first.len, left) = (first.len - part, left - part);
            if first.len == 0 {
                self.chunks.pop_front();
            }
        }
        if self.bytes.is_empty() {
            // Connections are many and mostly idle: an empty one keeps no memory.
            (self.bytes, self.chunks) = (VecDeque::new(), VecDeque::new());
        }
        is_piece
    }

    fn carry(&mut self, sent: usize, throttle: Throttle, passing: &mut Passing<'_>) {
        // Whoever was woken late makes up for it, whoever was idle does not save up.
        let since = passing.now.saturating_sub(THROTTLE_STEP);
        self.carries_at = self
            .carries_at
            .max(since)
            .saturating_add(throttle.time_for(sent));
        if std::mem::take(&mut self.is_held_back) {
            passing
                .faults
                .note(throttle.fault, self.connection, held(sent));
        }
    }

    fn finish_piece(&mut self, sent: usize, passing: &mut Passing<'_>) -> bool {
        let Some((fault, _max)) = self.chunks.front().and_then(|first| first.split) else {
            return false;
        };
        let whole = self
            .piece
            .min(self.chunks.front().map_or(0, |first| first.len));
        self.piece = whole.saturating_sub(sent);
        if self.piece == 0 {
            let pieces = Effects {
                pieces: 1,
                ..Effects::default()
            };
            passing.faults.note(fault, self.connection, pieces);
        }
        true
    }

    /// Whether now is the time to tell the end; says so once.
    pub(super) fn poll_end(&mut self, now: Nanos) -> bool {
        let is_due = matches!(self.end, End::Due(at) if at <= now) && self.chunks.is_empty();
        if is_due {
            self.end = End::Told;
        }
        is_due
    }

    /// When to look again, if time is what it waits for.
    pub(super) fn poll_timeout(&self, passing: &Passing<'_>) -> Option<Nanos> {
        let due = match (self.chunks.front(), &self.end) {
            (Some(first), _) => first.due,
            (None, End::Due(at)) => *at,
            (None, End::Open | End::Told) => return None,
        };
        let is_throttled = passing.faults.throttle().is_some() && !self.chunks.is_empty();
        let at = if is_throttled {
            due.max(self.carries_at)
        } else {
            due
        };
        Some(at).filter(|at| passing.now < *at)
    }

    /// From now on whatever comes vanishes, and what it holds does too.
    pub(super) fn vanish(&mut self, fault: FaultNumber, faults: &mut Faults) {
        if self.vanishing.is_none() {
            self.vanishing = Some(fault);
            faults.note(fault, self.connection, dropped(self.forget()));
        }
    }

    /// The fault that lets everything vanish, if there is one.
    pub(super) const fn vanishing(&self) -> Option<FaultNumber> {
        self.vanishing
    }

    /// Forgets what it holds, and says how many bytes that is.
    pub(super) fn forget(&mut self) -> usize {
        self.chunks.clear();
        std::mem::take(&mut self.bytes).len()
    }
}

impl Throttle {
    fn step(&self) -> usize {
        let bytes = self.bytes_per_second.get() / (NANOS_A_SECOND / THROTTLE_STEP);
        usize::try_from(bytes.max(1)).unwrap_or(usize::MAX)
    }

    fn time_for(&self, bytes: usize) -> Nanos {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        bytes.saturating_mul(NANOS_A_SECOND) / self.bytes_per_second
    }
}

pub(super) fn dropped(bytes: usize) -> Effects {
    Effects {
        bytes_dropped: u64::try_from(bytes).unwrap_or(u64::MAX),
        ..Effects::default()
    }
}

fn held(bytes: usize) -> Effects {
    Effects {
        bytes_held: u64::try_from(bytes).unwrap_or(u64::MAX),
        ..Effects::default()
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU64, time::Duration};

    use proptest::prelude::*;
    use rand::SeedableRng;

    use super::*;
    use crate::fault::NetworkFault;

    /// A pipe under faults, and what came out of it: when, and how many bytes at once.
    struct Rig {
        pipe: Pipe,
        faults: Faults,
        chance: ChaCha8Rng,
        out: Vec<u8>,
        writes: Vec<(Nanos, usize)>,
    }

    impl Rig {
        fn new(seed: u64, faults: &[NetworkFault]) -> Self {
            let mut on = Faults::default();
            for fault in faults {
                on.apply(*fault);
            }
            Self {
                pipe: Pipe::new(1),
                faults: on,
                chance: ChaCha8Rng::seed_from_u64(seed),
                out: Vec::new(),
                writes: Vec::new(),
            }
        }

        fn give(&mut self, now: Nanos, bytes: &[u8]) {
            let (pipe, mut passing) = self.at(now);
            pipe.handle_bytes(bytes, &mut passing);
        }

        fn at(&mut self, now: Nanos) -> (&mut Pipe, Passing<'_>) {
            let passing = Passing {
                now,
                faults: &mut self.faults,
                chance: &mut self.chance,
            };
            (&mut self.pipe, passing)
        }

        /// Lets time pass from `now` until nothing waits; returns when that is.
        fn run_dry(&mut self, mut now: Nanos) -> Nanos {
            loop {
                let mut passing = Passing {
                    now,
                    faults: &mut self.faults,
                    chance: &mut self.chance,
                };
                let bytes = self.pipe.poll_transmit(&mut passing).to_vec();
                if bytes.is_empty() {
                    match self.pipe.poll_timeout(&passing) {
                        Some(at) => now = at,
                        None => return now,
                    }
                    continue;
                }
                self.pipe.handle_sent(bytes.len(), &mut passing);
                self.writes.push((now, bytes.len()));
                self.out.extend(bytes);
            }
        }
    }

    const MS: Nanos = 1_000_000;

    fn split(piece_max: u16) -> NetworkFault {
        let piece_max = NonZeroU16::new(piece_max).expect("pieces have bytes");
        NetworkFault::SplitBytes { piece_max }
    }

    fn throttle(bytes_per_second: u64) -> NetworkFault {
        let bytes_per_second = NonZeroU64::new(bytes_per_second).expect("it carries something");
        NetworkFault::Throttle { bytes_per_second }
    }

    fn delay(by_ms: u64, jitter_ms: u64) -> NetworkFault {
        let (by, jitter) = (
            Duration::from_millis(by_ms),
            Duration::from_millis(jitter_ms),
        );
        NetworkFault::Delay { by, jitter }
    }

    #[test]
    fn a_delayed_piece_leaves_when_it_is_due_and_not_before() {
        let mut rig = Rig::new(1, &[delay(40, 0)]);
        rig.give(5 * MS, b"later");
        let (pipe, mut passing) = rig.at(45 * MS - 1);
        assert!(pipe.poll_transmit(&mut passing).is_empty());
        assert_eq!(pipe.poll_timeout(&passing), Some(45 * MS));
        assert_eq!(rig.run_dry(45 * MS), 45 * MS);
        assert_eq!(rig.out, b"later");
    }

    #[test]
    fn a_throttled_pipe_carries_what_it_may_and_no_more() {
        let mut rig = Rig::new(1, &[throttle(10_000)]);
        rig.give(0, &[7; 20_000]);
        let took = rig.run_dry(0);
        // The first step leaves at once and the last one need not be waited for.
        assert!((1_980 * MS..=2_000 * MS).contains(&took), "{took}");
        assert_eq!(rig.out.len(), 20_000);
        let longest = rig.writes.iter().map(|(_at, len)| *len).max();
        assert_eq!(
            longest,
            Some(100),
            "a hundredth of a second's worth at once"
        );
    }

    #[test]
    fn a_slow_sender_is_not_held_by_a_throttle_it_does_not_reach() {
        let mut rig = Rig::new(1, &[throttle(1_000_000)]);
        for at in 0..50 {
            rig.give(at * 10 * MS, b"a few bytes");
            assert_eq!(rig.run_dry(at * 10 * MS), at * 10 * MS);
        }
        let (_fault, injected) = rig.faults.heal(1).expect("it was on");
        assert_eq!(
            injected,
            Effects::default(),
            "it had no effect, and says so"
        );
    }

    #[test]
    fn pieces_are_never_longer_than_asked_and_some_bytes_arrive_together() {
        let mut rig = Rig::new(3, &[split(5)]);
        for at in 0..200 {
            rig.give(at, b"0123456789abcdef");
        }
        rig.run_dry(200);
        assert_eq!(rig.out, b"0123456789abcdef".repeat(200));
        let lens = rig.writes.iter().map(|(_at, len)| *len);
        let (pieces, merged): (Vec<usize>, Vec<usize>) = lens.partition(|len| *len <= 5);
        assert!(400 < pieces.len(), "{}", pieces.len());
        assert!(merged.iter().any(|len| 16 < *len), "{merged:?}");
        let (_fault, injected) = rig.faults.heal(1).expect("it was on");
        assert_eq!(usize::try_from(injected.pieces), Ok(pieces.len()));
    }

    #[test]
    fn the_same_seed_breaks_the_same_bytes_in_the_same_way() {
        let writes = |seed| {
            let mut rig = Rig::new(seed, &[split(7), delay(2, 30)]);
            for at in 0..50 {
                rig.give(at * MS, &[1; 100]);
            }
            rig.run_dry(50 * MS);
            rig.writes
        };
        assert_eq!(writes(9), writes(9));
        assert_ne!(writes(9), writes(10));
    }

    #[test]
    fn the_end_comes_after_the_last_byte_even_if_it_was_delayed_less() {
        let mut rig = Rig::new(1, &[delay(50, 0)]);
        rig.give(0, b"last words");
        rig.faults.heal(1);
        let (pipe, mut passing) = rig.at(1);
        pipe.handle_end(&mut passing);
        assert!(!pipe.poll_end(2));
        assert_eq!(rig.run_dry(2), 50 * MS);
        let (pipe, _passing) = rig.at(50 * MS);
        assert!(pipe.poll_end(50 * MS));
        assert!(!pipe.poll_end(50 * MS), "it is told once");
    }

    #[test]
    fn what_vanishes_is_counted_and_never_comes_out() {
        let mut rig = Rig::new(1, &[delay(50, 0)]);
        rig.give(0, b"on its way");
        rig.pipe.vanish(1, &mut rig.faults);
        rig.give(1, b"too late");
        rig.run_dry(2);
        assert_eq!(rig.out, b"");
        let (_fault, injected) = rig.faults.heal(1).expect("it was on");
        assert_eq!(injected.bytes_dropped, 18);
    }

    fn any_fault() -> impl Strategy<Value = NetworkFault> {
        prop_oneof![
            (0_u64..100, 0_u64..100).prop_map(|(by, jitter)| delay(by, jitter)),
            (1_u64..1_000_000).prop_map(throttle),
            (1_u16..100).prop_map(split),
        ]
    }

    proptest! {
        #[test]
        fn bytes_come_out_whole_and_in_order_whatever_is_on(
            seed: u64,
            faults in prop::collection::vec(any_fault(), 0..4),
            pieces in prop::collection::vec((0_u64..50, prop::collection::vec(any::<u8>(), 1..300)), 1..20),
        ) {
            let mut rig = Rig::new(seed, &faults);
            let mut now = 0;
            let mut given = Vec::new();
            for (after_ms, bytes) in pieces {
                now += after_ms * MS;
                rig.give(now, &bytes);
                given.extend(bytes);
                if seed % 2 == 0 {
                    now = rig.run_dry(now);
                }
            }
            rig.run_dry(now);
            prop_assert_eq!(rig.out, given);
            prop_assert_eq!(rig.pipe.room(), HELD_MAX);
        }
    }
}
