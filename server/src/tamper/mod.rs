//! Planted bugs: a server that misbehaves on purpose, so that the laws can be seen to notice.
//!
//! A law that has never convicted anybody proves nothing. Each [`PlantedBug`] is one lie that a
//! real server might tell, told only now and then; `stampede prove` runs a scenario against each
//! and shows which laws found it, and after how many operations. Everything here is compiled only
//! with the feature `planted-bugs`, which no default build has, and does nothing until a bug is
//! chosen by name. A server with one says so in its welcome and when it starts.
//!
//! `bug` names them, `tamper` is what they do to the engine, `answers` to answers on their way out,
//! `erasure` to
//! answers about people who were erased, `delivery` to pushes and presence, `commerce` to the catalogue and the sales; `late_log` is the log that
//! is asked to keep things and does not yet, `slow_log` one that takes its time.

mod answers;
mod bug;
mod commerce;
mod delivery;
mod engine;
mod erasure;
mod late_log;
mod slow_log;

pub use bug::{PlantedBug, UnknownBug};
pub use engine::{Tamper, invent, read_back};
pub use late_log::LateLog;
pub use slow_log::SlowLog;

use protocol::message::WelcomeFlags;

use crate::{ServerConfig, engine::Engine, log::EventLog};

/// Plants the bug that is asked for, when the state is rebuilt and before anybody is served.
#[must_use]
pub fn plant(
    config: &ServerConfig,
    engine: &mut Engine,
    log: Box<dyn EventLog>,
) -> Box<dyn EventLog> {
    *engine.tamper_mut() = Tamper::new(config.planted_bug);
    match config.planted_bug {
        Some(PlantedBug::AckBeforeCommit) => Box::new(LateLog::new(log)),
        Some(PlantedBug::Slow) => Box::new(SlowLog::new(log)),
        Some(_) | None => log,
    }
}

/// What a welcome must tell beside `honest`.
#[must_use]
pub const fn flags(config: &ServerConfig, honest: WelcomeFlags) -> WelcomeFlags {
    match config.planted_bug {
        Some(_) => WelcomeFlags(honest.0 | WelcomeFlags::PLANTED_BUG.0),
        None => honest,
    }
}
