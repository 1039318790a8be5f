//! How many descriptors this process may have open: every connection is one.
//!
//! Systems start a process with a low soft limit, often 1,024, and allow it to raise that itself up
//! to the hard limit. Processes started from here inherit it. Deliberately absent: the hard limit,
//! which is the administrator's.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard one. Where that is refused, whoever runs out of descriptors
/// says so.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let _as_many_as_there_were = setrlimit(Resource::Nofile, raised);
}
