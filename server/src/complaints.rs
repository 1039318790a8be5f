//! What keeps the same trouble from being told again and again.
//!
//! Trouble goes in, each time, with the time; how often there was comes out when it is to be told. Deliberately
//! absent: telling it.

use std::time::Duration;

/// How often to say that something cannot be done, while it cannot.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// What keeps the same trouble from being told again and again.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    told_at: Option<Duration>,
    untold: u64,
}

impl Complaints {
    /// There is trouble, at `now` by a clock that never falls. Returns how often there was since that was told
    /// last, if it is to be told now.
    pub(crate) fn note(&mut self, now: Duration) -> Option<u64> {
        self.untold += 1;
        let is_due = self
            .told_at
            .is_none_or(|told_at| told_at + COMPLAIN_EVERY <= now);
        is_due.then(|| {
            self.told_at = Some(now);
            std::mem::take(&mut self.untold)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_trouble_is_told_at_once_and_then_once_a_minute() {
        let mut complaints = Complaints::default();
        let told = |complaints: &mut Complaints, at| complaints.note(Duration::from_secs(at));
        assert_eq!(told(&mut complaints, 5), Some(1));
        for at in 6..65 {
            assert_eq!(told(&mut complaints, at), None);
        }
        assert_eq!(told(&mut complaints, 65), Some(60));
        assert_eq!(told(&mut complaints, 66), None);
    }
}
