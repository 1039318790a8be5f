//! A limit on the size of files (`ulimit -f`) is an error to be told, and not a sudden death.
//!
//! The kernel ends whoever writes beyond it, unless they listen for its signal; then the write fails
//! with an error like any other. Nothing comes in or goes out. Deliberately absent: the limit itself.

use rustix::process::Signal;
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};

/// From here on such a write fails with an error. Where that cannot be had, it ends the process as
/// it always did.
pub(crate) fn hear_of_limit() {
    let Ok(runtime) = Builder::new_current_thread().enable_io().build() else {
        return;
    };
    let _entered = runtime.enter();
    // Heard of for as long as the process lives, whether or not anybody waits for it.
    let _nobody_waits = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()));
}
