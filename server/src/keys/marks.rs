//! In which runs of a segment a key may be: a fingerprint of each key, and the number of its run.
//!
//! Hashes go in with runs; a hash gives the runs that have a key with the same fingerprint, so that
//! a key which was never used is mostly known to be new by one line of memory, two bytes a key. The
//! fingerprints stand in lines of the processor's cache, filled from the front; what has no room in its
//! line stands in the next. This is the filter of Fan, Andersen, Kaminsky, Mitzenmacher, "Cuckoo
//! filter" (2014), without its eviction, since a segment's keys are counted. Deliberately absent: the
//! keys, taking out.

use prefetch_index::prefetch_index;

use crate::index::{Split, split};

/// Runs that can be told apart.
pub(super) const RUNS_MAX: usize = 1 << RUN_BITS;
const RUN_BITS: u32 = 4;
const FINGERPRINTS: u16 = u16::MAX >> RUN_BITS;

/// A fingerprint, which is not 0, above the number of a run; 0 is no mark.
type Watermark = u16;
const MARK_BYTES: usize = size_of::<Watermark>();

/// Marks of one line of the processor's cache.
const LINE_LEN: usize = LINE_BYTES / MARK_BYTES;
const LINE_BYTES: usize = 64;

/// A line is sized for two thirds of its marks: then one in a hundred is full and looking goes on in
/// the next.
const LINE_FILL: usize = LINE_LEN * 2 / 3;

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Marks {
    lines: Vec<[u8; LINE_BYTES]>,
}

impl Marks {
    /// Room for this many keys.
    pub(super) fn new(keys: usize) -> Self {
        let lines = keys / LINE_FILL + 2;
        Self {
            lines: vec![[0; LINE_BYTES]; lines],
        }
    }

    /// Asks for the memory in which this hash is looked for first.
    pub(super) fn prefetch(&self, hash: u64) {
        let lines = &self.lines;
        prefetch_index(lines, line_of(lines, split(hash)));
    }

    /// Marks that the key with this hash is in a run.
    ///
    /// # Panics
    /// If more keys are marked than was said.
    pub(super) fn insert(&mut self, hash: Split, run: usize) {
        let run = Watermark::try_from(run).expect("a segment has few runs");
        let mark = fingerprint(hash) << RUN_BITS | run;
        let first = line_of(&self.lines, hash);
        let len = self.lines.len();
        for nth in (first..len).chain(0..first) {
            let (marks, _) = self.lines[nth].as_chunks_mut();
            let used = used(marks);
            if let Some(free) = marks.get_mut(used) {
                *free = mark.to_le_bytes();
                return;
            }
        }
        panic!("a segment has room for its keys");
    }

    /// The runs that may have the key with this hash: bit n stands for run n.
    #[inline]
    pub(super) fn runs(&self, hash: u64) -> u32 {
        let lines = &self.lines;
        let hash = split(hash);
        let fingerprint = fingerprint(hash);
        let mut nth = line_of(lines, hash);
        let mut runs = 0;
        loop {
            let (marks, _) = lines[nth].as_chunks();
            if has(marks, fingerprint) {
                runs |= runs_in(marks, fingerprint);
            }
            if marks[LINE_LEN - 1] == [0; MARK_BYTES] {
                return runs;
            }
            nth = (nth + 1) % lines.len();
        }
    }
}

/// The line in which the mark of this hash belongs.
fn line_of(lines: &[[u8; LINE_BYTES]], (_, hash): Split) -> usize {
    let lines = u64::try_from(lines.len()).expect("usize has at most 64 bits");
    // As near to a remainder as needed (Lemire, "Fast random integer generation in an interval").
    usize::try_from((u64::from(hash) * lines) >> u32::BITS).expect("there are fewer lines")
}

/// Of bits that do not tell the line.
fn fingerprint((table, hash): Split) -> Watermark {
    let low = u16::try_from(hash & 0xf).expect("four bits");
    let table = u16::try_from(table).expect("an index has few tables");
    (table << 4 | low) % FINGERPRINTS + 1
}

/// How many places of a line are used. They are filled from the front.
fn used(marks: &[[u8; MARK_BYTES]]) -> usize {
    let used = marks.iter().filter(|mark| **mark != [0; MARK_BYTES]);
    used.count()
}

/// Whether a fingerprint is in a line. Looks at all, which the processor does at once.
fn has(marks: &[[u8; MARK_BYTES]], fingerprint: Watermark) -> bool {
    let is_it =
        |mark: &[u8; MARK_BYTES]| Watermark::from_le_bytes(*mark) >> RUN_BITS == fingerprint;
    marks.iter().fold(false, |any, mark| any | is_it(mark))
}

/// The runs of the keys of a line that have a fingerprint.
#[cold]
fn runs_in(marks: &[[u8; MARK_BYTES]], fingerprint: Watermark) -> u32 {
    let marks = marks.iter().map(|mark| Watermark::from_le_bytes(*mark));
    marks
        .filter(|mark| mark >> RUN_BITS == fingerprint)
        .fold(0, |runs, mark| runs | 1 << (mark % (1 << RUN_BITS)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::tests::scattered;

    #[test]
    fn every_key_is_marked_with_its_run() {
        let len = 40_000;
        let mut marks = Marks::new(len);
        let run = |number: u64| usize::try_from(number % 16).unwrap();
        let all = 0..u64::try_from(len).unwrap();
        all.clone()
            .for_each(|number| marks.insert(split(scattered(number)), run(number)));
        for number in all {
            assert_ne!(marks.runs(scattered(number)) & 1 << run(number), 0);
        }
        let other = (len..2 * len).map(|number| scattered(u64::try_from(number).unwrap()));
        let taken = other.filter(|hash| marks.runs(*hash) != 0).count();
        // Of 21 fingerprints in a line, each one of 4095: five in a thousand.
        assert!((100..300).contains(&taken), "{taken}");
    }

    #[test]
    fn whoever_finds_no_room_stands_in_the_next_line_also_behind_the_last() {
        for hash in [0, u64::MAX] {
            let mut marks = Marks::new(4 * LINE_FILL);
            let len = 2 * LINE_LEN + 5;
            for nth in 0..len {
                marks.insert(split(hash), nth % RUNS_MAX);
            }
            assert_eq!(marks.runs(hash), u32::from(u16::MAX));
            let used: usize = marks
                .lines
                .iter()
                .map(|line| used(line.as_chunks().0))
                .sum();
            assert_eq!(used, len);
        }
    }

    #[test]
    #[should_panic(expected = "has room for its keys")]
    fn there_is_room_for_no_more_than_was_said() {
        let mut marks = Marks::new(1);
        (0..=2 * LINE_LEN).for_each(|_| marks.insert((0, 5), 0));
    }
}
