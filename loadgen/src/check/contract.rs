//! What a server promises whose log nobody can read, and which laws can be judged of it.
//!
//! A run against such a server says what was promised; for each law it comes out whether the promises
//! are enough to judge it by answers alone, and if not, the sentence that says what is missing. What is not
//! promised is never held against a server. Deliberately absent: the judging (`by_answers`).

use crate::operation::Nanos;

/// What is promised. The default is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Contract {
    /// How many people a slot holds.
    pub capacity: Option<u32>,
    /// When a booking ends by itself.
    pub expires: Option<Expiry>,
    /// Whether nobody but its holder ends a booking.
    pub only_holder_cancels: bool,
    /// How long after an acknowledgement a read must show it, nanoseconds.
    pub reads_after: Option<Nanos>,
    /// Whether every slot is free when the run begins, and nobody else uses it.
    pub is_fresh: bool,
    /// Whether the server can be asked who holds what.
    pub has_reads: bool,
}

/// When a booking ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// Never.
    Never,
    /// After so many seconds.
    After(u32),
}

const CAPACITY: &str = "how many people a slot holds is not promised; say it with `capacity = 1`";
const EXPIRES: &str = "whether bookings end by themselves is not promised; say it with `expires = \"never\"` or a time";
const NEVER: &str = "bookings end by themselves here, at instants that nobody outside can see";
const CANCELS: &str =
    "it is not promised that only its holder ends a booking; say it with `cancels = \"holder\"`";
const READS: &str = "what a read shows is not promised; say it with `reads = \"linearizable\"` or `\"eventual 2s\"`";
const FRESH: &str = "the slots may have been held before the run, or by others; give them names with `{run}`, or say `fresh = true`";
const NO_READS: &str =
    "the server cannot be asked who holds what; map `[read.slots]` or `[read.bookings]`";
const POSITIONS: &str = "the server tells no position or version that rises (level 1)";
const KEYS: &str = "the server takes no idempotency keys (level 2)";
const LOG: &str = "the server has no log that can be read (level 3)";

impl Contract {
    /// Why a law cannot be judged of this server; `None` if it can.
    #[must_use]
    pub fn lacks(&self, law: &str) -> Option<&'static str> {
        let holds = || {
            let capacity = self.capacity.is_none().then_some(CAPACITY);
            capacity.or_else(|| self.lacks_lasting())
        };
        let certain = || self.lacks_certainty();
        match law {
            "no-double-booking" => holds(),
            "refusals-justified" => self
                .capacity
                .is_none()
                .then_some(CAPACITY)
                .or((!self.is_fresh).then_some(FRESH)),
            "someone-wins" | "linearizable" => holds()
                .or_else(certain)
                .or((!self.is_fresh).then_some(FRESH)),
            "no-lost-cancel" => self.lacks_reads(),
            "durable-acks" => self
                .lacks_reads()
                .or_else(|| self.lacks_lasting())
                .or_else(certain),
            "real-time-order" | "session-order" | "resume-at-cursor" => Some(POSITIONS),
            "idempotent-answers" => Some(KEYS),
            _by_log => Some(LOG),
        }
    }

    /// How long a booking lasts, seconds, if it ends by itself.
    pub(super) const fn lasts(&self) -> Option<u32> {
        match self.expires {
            Some(Expiry::After(seconds)) => Some(seconds),
            Some(Expiry::Never) | None => None,
        }
    }

    fn lacks_reads(&self) -> Option<&'static str> {
        let reads = (!self.has_reads).then_some(NO_READS);
        reads.or(self.reads_after.is_none().then_some(READS))
    }

    fn lacks_lasting(&self) -> Option<&'static str> {
        let expires = self.expires.is_none().then_some(EXPIRES);
        expires.or((!self.only_holder_cancels).then_some(CANCELS))
    }

    fn lacks_certainty(&self) -> Option<&'static str> {
        matches!(self.expires, Some(Expiry::After(_))).then_some(NEVER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::LAWS;

    /// Everything is promised.
    const FULL: Contract = Contract {
        capacity: Some(1),
        expires: Some(Expiry::Never),
        only_holder_cancels: true,
        reads_after: Some(0),
        is_fresh: true,
        has_reads: true,
    };

    #[test]
    fn of_a_server_that_promises_nothing_no_law_is_judged() {
        for law in LAWS {
            assert!(Contract::default().lacks(law).is_some(), "{law}");
        }
    }

    #[test]
    fn all_promises_together_are_enough_for_the_laws_of_level_0() {
        let judged = LAWS.iter().filter(|law| FULL.lacks(law).is_none());
        assert_eq!(
            judged.copied().collect::<Vec<_>>(),
            [
                "no-double-booking",
                "refusals-justified",
                "someone-wins",
                "no-lost-cancel",
                "durable-acks",
                "linearizable",
            ]
        );
    }

    #[test]
    fn each_promise_is_needed_by_some_law() {
        let weaker = [
            Contract {
                capacity: None,
                ..FULL
            },
            Contract {
                expires: None,
                ..FULL
            },
            Contract {
                expires: Some(Expiry::After(5)),
                ..FULL
            },
            Contract {
                only_holder_cancels: false,
                ..FULL
            },
            Contract {
                reads_after: None,
                ..FULL
            },
            Contract {
                is_fresh: false,
                ..FULL
            },
            Contract {
                has_reads: false,
                ..FULL
            },
        ];
        for contract in weaker {
            let lost = LAWS
                .iter()
                .filter(|law| FULL.lacks(law) != contract.lacks(law));
            assert!(0 < lost.count(), "{contract:?}");
        }
    }
}
