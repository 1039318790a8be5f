//! How much memory the embedded server takes while load is offered.
//!
//! Its resident size is looked at once a second by a thread of its own, because the generator's
//! has no time to spare; the summary comes out at the end. Deliberately absent: a server that is
//! not this program's child, which may run on another machine.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use reports::record::MemoryRecord;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Sizes kept: six hours of them.
const SAMPLES_MAX: usize = 6 * 60 * 60;

/// A process that is being looked at.
#[derive(Debug)]
pub(super) struct MemoryWatch {
    stop: SyncSender<()>,
    thread: JoinHandle<Vec<u64>>,
}

impl MemoryWatch {
    /// Begins to look at a process: the one of this number, which may become another one's.
    pub(super) fn start(pid: Arc<AtomicU32>) -> Self {
        let (stop, stopped) = sync_channel(1);
        let thread = thread::spawn(move || {
            let mut samples = Vec::new();
            loop {
                samples.extend(resident_bytes(pid.load(Ordering::Relaxed)));
                let is_over = stopped.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout);
                if is_over || samples.len() == SAMPLES_MAX {
                    samples.extend(resident_bytes(pid.load(Ordering::Relaxed)));
                    return samples;
                }
            }
        });
        Self { stop, thread }
    }

    /// Looks once more and ends. `None` if there was nothing to see.
    pub(super) fn finish(self) -> Option<MemoryRecord> {
        let _already_over = self.stop.try_send(());
        let samples = self.thread.join().ok()?;
        let half = samples.len() / 2;
        Some(MemoryRecord {
            first_bytes: *samples.first()?,
            half_bytes: *samples.get(half)?,
            last_bytes: *samples.last()?,
            max_bytes: samples.iter().copied().max()?,
        })
    }
}

/// The resident size of a process; `None` when it is gone.
fn resident_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_seen_from_the_first_look_to_the_last() {
        let watch = MemoryWatch::start(Arc::new(AtomicU32::new(std::process::id())));
        let seen = watch.finish().expect("this process is there");
        assert!(seen.first_bytes > 0 && seen.first_bytes <= seen.max_bytes);
        assert!(seen.last_bytes <= seen.max_bytes);
    }

    #[test]
    fn a_process_that_is_not_there_has_no_memory() {
        // The kernel never gives this number to a process.
        let watch = MemoryWatch::start(Arc::new(AtomicU32::new(u32::MAX)));
        assert_eq!(watch.finish(), None);
    }
}
