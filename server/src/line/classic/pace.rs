//! When a line may be written: one at a time, with a rest behind each.
//!
//! Clients of the classic dialect take what one `recv` returns for one message, at least while they
//! log in. TCP has no messages, and no server can see when a program reads; so what keeps two lines
//! out of one `recv` is time. After each line the connection rests, and after the answer to a log-in
//! it rests longer, because the client hands the socket from one thread to another. A line from the
//! client cuts short the rest behind an answer that it waited for.
//!
//! Rests are counted in time during which this process ran: when the machine stalls, a client on it
//! stalls too, and must have its turn before the next line. This holds for a client that reads within
//! [`REST_MS`], on a network that delivers in order within that time of another line. Beyond
//! [`WAITING_MAX`] lines there is no rest: whoever is told that much splits lines, or falls behind.
//!
//! Lines written, lines received and the time go in; whether a line may be written comes out.

/// Milliseconds of rest behind a line. Ticks of the hub, of 50 ms, count it down: the tick that comes
/// first may come at once, so at least 50 ms pass, and 100 within a burst.
const REST_MS: u64 = 100;

/// Milliseconds of rest behind the answer to a log-in, for a client that says nothing after it.
const GREETING_REST_MS: u64 = 300;

/// The most that one look at the clock takes off a rest: about what lies between two looks.
const STEP_MS: u64 = 50;

/// Lines that may wait while there are rests. More than a connection that catches up is given at
/// once, so whoever was away gets all of it one line at a time.
pub(crate) const WAITING_MAX: usize = 128;

/// See the head of this file.
#[derive(Debug, Default)]
pub(in crate::line) struct Pace {
    /// Milliseconds until the next line may be written.
    rest: u64,
    /// When the clock was looked at.
    looked_at: Option<u64>,
    /// Whether the beginning of a line was written and its end was not.
    is_within_line: bool,
    /// Whether the rest behind the next line, or this one, is that of an answer to a log-in.
    is_greeting: bool,
}

impl Pace {
    /// Whether bytes may be written now.
    pub(in crate::line) const fn is_open(&self) -> bool {
        self.rest == 0 || self.is_within_line
    }

    /// The line that follows is the answer to a log-in.
    pub(super) const fn greet(&mut self) {
        self.is_greeting = true;
    }

    /// These bytes were written.
    pub(in crate::line) fn handle_sent(&mut self, bytes: &[u8]) {
        let Some(last) = bytes.last() else { return };
        self.is_within_line = *last != b'\n';
        self.rest = if self.is_greeting {
            GREETING_REST_MS
        } else {
            REST_MS
        };
    }

    /// The client, which waited for what was written last, has said something: it has read that.
    pub(super) const fn handle_reaction(&mut self) {
        self.rest = 0;
        self.is_greeting = false;
    }

    /// Whether the next line of the client is a reaction to the answer to its log-in.
    pub(super) const fn is_greeting(&self) -> bool {
        self.is_greeting
    }

    /// Looks at the clock, whose milliseconds never fall.
    pub(super) fn handle_timeout(&mut self, now: u64) {
        let before = self.looked_at.replace(now).unwrap_or(now);
        let passed = now.saturating_sub(before).min(STEP_MS);
        let rested = self.rest != 0;
        self.rest = self.rest.saturating_sub(passed);
        if rested && self.rest == 0 {
            self.is_greeting = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = b"{}\n";

    /// How many looks at the clock it takes until a line may be written.
    fn looks(pace: &mut Pace, now: &mut u64, step: u64) -> usize {
        let mut looks = 0;
        while !pace.is_open() {
            *now += step;
            pace.handle_timeout(*now);
            looks += 1;
        }
        looks
    }

    #[test]
    fn a_line_is_written_at_once_and_the_next_one_after_a_rest() {
        let (mut pace, mut now) = (Pace::default(), 1_000);
        pace.handle_timeout(now);
        assert!(pace.is_open());
        pace.handle_sent(LINE);
        assert_eq!(looks(&mut pace, &mut now, 50), 2);
        pace.handle_sent(LINE);
        assert_eq!(looks(&mut pace, &mut now, 20), 5);
    }

    #[test]
    fn a_stalled_process_rests_no_shorter() {
        let (mut pace, mut now) = (Pace::default(), 1_000);
        pace.handle_timeout(now);
        pace.handle_sent(LINE);
        assert_eq!(looks(&mut pace, &mut now, 60_000), 2);
    }

    #[test]
    fn the_rest_of_a_line_follows_its_beginning_at_once() {
        let mut pace = Pace::default();
        pace.handle_sent(b"{\"type\"");
        assert!(pace.is_open());
        pace.handle_sent(b":1}\n");
        assert!(!pace.is_open());
    }

    #[test]
    fn an_answer_to_a_log_in_rests_until_the_client_reacts_or_long_enough() {
        let (mut pace, mut now) = (Pace::default(), 1_000);
        pace.handle_timeout(now);
        pace.greet();
        pace.handle_sent(LINE);
        assert_eq!(looks(&mut pace, &mut now, 50), 6);
        assert!(!pace.is_greeting(), "it was long enough");
        pace.greet();
        pace.handle_sent(LINE);
        pace.handle_reaction();
        assert!(pace.is_open());
        pace.handle_sent(LINE);
        assert_eq!(looks(&mut pace, &mut now, 50), 2, "one answer is not two");
    }
}
