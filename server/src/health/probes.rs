//! Whether a server is alive, and whether it is ready, in a sentence.
//!
//! Alive means that restarting it would not help; ready, that it may be sent clients. A reading
//! goes in. Deliberately absent: clocks, HTTP.

use std::time::Duration;

use super::stats::{Reading, Stage};
use crate::time_base::Drift;

/// How long the serving thread may take for a turn. It looks at the clock every 50 ms.
const TURN_MAX: Duration = Duration::from_secs(3);

/// How long a batch may be on its way to the disk. Disks that are merely busy take a tenth of it.
const COMMIT_MAX: Duration = Duration::from_secs(5);

/// A sentence: why yes, or why not.
pub(super) type Judgement = Result<String, String>;

/// Whether it gets anywhere.
pub(super) fn is_live(reading: &Reading) -> Judgement {
    match reading.stage {
        Stage::Opening | Stage::Replaying => Ok(format!("alive: {}", starting(reading))),
        Stage::Stopping => Ok("alive: it finishes what it took, and stops".to_owned()),
        Stage::Serving => {
            let silent = since(reading, reading.serving.turned_at);
            if silent <= TURN_MAX {
                return Ok("alive".to_owned());
            }
            Err(format!(
                "not alive: the thread that serves has not turned for {:.1} s and {} s is the most; see what it said last, and restart it",
                silent.as_secs_f64(),
                TURN_MAX.as_secs()
            ))
        }
    }
}

/// Whether clients are served.
pub(super) fn is_ready(reading: &Reading) -> Judgement {
    match reading.stage {
        Stage::Opening | Stage::Replaying => Err(format!(
            "not ready: {}; ask again shortly",
            starting(reading)
        )),
        Stage::Stopping => {
            Err("not ready: it finishes what it took, and stops; ask another server".to_owned())
        }
        Stage::Serving => {
            is_live(reading)?;
            let under_way = under_way(reading);
            if under_way <= COMMIT_MAX {
                return Ok(ready(&reading.serving.drift));
            }
            Err(format!(
                "not ready: one batch has been on its way to the disk for {:.1} s and {} s is the most; nothing can be acknowledged until it is there: see whether the disk is full, failing or busy",
                under_way.as_secs_f64(),
                COMMIT_MAX.as_secs()
            ))
        }
    }
}

/// Clients are served whatever the clock says, but somebody should look at it.
fn ready(drift: &Drift) -> String {
    match drift.text() {
        Some(told) => format!("ready, but {told}"),
        None => "ready".to_owned(),
    }
}

/// How long the batch that is on its way to the disk has been; 0 if there is none.
pub(super) fn under_way(reading: &Reading) -> Duration {
    let began = reading.commits.busy_since;
    began.map_or(Duration::ZERO, |began| since(reading, began))
}

fn since(reading: &Reading, at: Duration) -> Duration {
    reading.now.saturating_sub(at)
}

fn starting(reading: &Reading) -> String {
    let replayed = reading.replayed;
    if reading.stage == Stage::Opening {
        return "the log is being opened".to_owned();
    }
    format!(
        "the state is being rebuilt, {} of {} records of the log are applied",
        replayed.done, replayed.expected
    )
}
